"""The CPU through NumPy: the specification."""
