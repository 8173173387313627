"""Numerical methods of our own: counter-based random numbers, special functions."""
