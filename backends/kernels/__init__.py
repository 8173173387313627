"""CUDA sources, and the functions that find them."""
