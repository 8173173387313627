"""CUDA through CuPy: what differs from NumPy, each with its reason."""
