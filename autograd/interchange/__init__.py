"""A tensor and everything else: Python's protocols, NumPy, DLPack, text."""
