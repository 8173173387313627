"""torch's error for dtypes that an op has no kernel for."""

from __future__ import annotations

import numpy as np

from tapegrad.autograd.types.dtypes import of


def not_implemented(kernel: str, dtype: np.dtype) -> NotImplementedError:
    """The error, to be raised."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{of(dtype).scalar_type}'")
