"""The formulas of CuPy's kernels that are not NumPy's:
https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/_routines_math.pyx and ``carray.cuh``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _kernel(name: str, formula: Callable[[Any, Any], Any], kinds: str) -> Callable[..., Any]:
    """NumPy's function of two operands, but for dtypes of these kinds, which `formula` computes from arrays of one
    dtype.
    """
    plain = getattr(np, name)

    def function(x: Any, y: Any, out: Any = None, dtype: Any = None, casting: Any = None, order: Any = None) -> Any:
        common = np.result_type(x, y) if dtype is None else np.dtype(dtype)
        if common.kind not in kinds:
            return plain(x, y, out=out, dtype=dtype, order="C")
        result = np.asarray(formula(np.asarray(x, common), np.asarray(y, common))).astype(common, copy=False)
        if out is None:
            return result
        np.copyto(out, result, casting="same_kind" if casting is None else casting)
        return out

    function.__name__ = name
    return function


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _floor_divide(x: np.ndarray, y: np.ndarray) -> Any:
    return np.floor(_wide(x) / _wide(y))


def _remainder(x: np.ndarray, y: np.ndarray) -> Any:
    return _wide(x) - _floor_divide(x, y) * _wide(y)


def _fmod(x: np.ndarray, y: np.ndarray) -> Any:
    return np.where(y == 0, 0, np.fmod(x.astype(np.float64), y.astype(np.float64)))


def _power(x: np.ndarray, y: np.ndarray) -> Any:
    whole = np.power(x, np.where(y < 0, 0, y))
    return np.where(y < 0, np.where(x == -1, np.where(y & 1, -1, 1), x == 1), whole)


#: floats: rounded down after a division that has been rounded, so 1 // 0.1 is 10, and -1 // inf is -0
floor_divide = _kernel("floor_divide", _floor_divide, "fV")
#: floats: with that quotient, so 1 % 0.1 is 0, and 1 % inf is NaN
remainder = _kernel("remainder", _remainder, "fV")
#: integers: in double precision, which is inexact beyond 2**53
fmod = _kernel("fmod", _fmod, "iu")
#: integers: a negative exponent gives the reciprocal's integral part; NumPy raises
power = _kernel("power", _power, "iu")
