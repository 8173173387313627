"""`tapegrad.backends.cuda`: PyTorch's switches for CUDA. The devices themselves are `tapegrad.cuda`."""

from __future__ import annotations

import importlib.util

from tapegrad.backends.precision import matmul

__all__ = ["is_built", "matmul"]


def is_built() -> bool:
    """Whether CuPy is installed; whether there is a device, `tapegrad.cuda.is_available` says.

    Example:
        >>> tapegrad.backends.cuda.is_built() in (True, False)
        True
    """
    return importlib.util.find_spec("cupy") is not None
