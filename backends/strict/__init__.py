"""The strict device: an array type over NumPy that refuses what a GPU array refuses."""
