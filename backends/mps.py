"""`tapegrad.backends.mps`: Apple's GPUs, which programs for PyTorch ask after; there is no backend for them."""

from __future__ import annotations

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """False.

    Example:
        >>> tapegrad.backends.mps.is_available()
        False
    """
    return False


def is_built() -> bool:
    """False.

    Example:
        >>> tapegrad.backends.mps.is_built()
        False
    """
    return False
