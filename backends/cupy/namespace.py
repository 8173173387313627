"""CuPy's namespace with NumPy's functions where CuPy's are others: each difference with its reason and where it is to
be seen upstream.

Everything else is CuPy's own, found at first use and kept. The differences are written over CuPy's functions, so that
they run on the strict device too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def _is_bfloat16(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "V"


class CupyNamespace:
    """The functions of `library`, CuPy or the strict device's, as NumPy has them.

    Attributes:
        library: CuPy itself.
    """

    def __init__(self, library: Any) -> None:
        self.library = library

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.library, name)
        if not name.startswith("__"):
            setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return dir(self.library)

    def __repr__(self) -> str:
        return repr(self.library)

    # ---- bfloat16, where CuPy has no loop: https://github.com/cupy/cupy/issues/9630

    def where(self, condition: Array, *values: Any) -> Any:
        """CuPy's gives float32 for bfloat16 (`_where_ufunc` in cupy/_sorting/search.py has no loop for it): here its
        bits are chosen, as integers.
        """
        wanted = next((value.dtype for value in values if _is_bfloat16(value)), None)
        if wanted is None or any(hasattr(value, "dtype") and value.ndim and value.dtype != wanted for value in values):
            return self.library.where(condition, *values)
        bits = [
            (
                value.astype(wanted, copy=False)
                if hasattr(value, "astype") and not isinstance(value, np.generic)
                else self.library.full((), value, wanted)
            ).view(np.uint16)
            for value in values
        ]
        return self.library.where(condition, *bits).view(wanted)

    def clip(self, a: Array, a_min: Any = None, a_max: Any = None, out: Any = None) -> Any:
        """CuPy's gives float32 for bfloat16 (`_clip` in cupy/_core/_routines_math.pyx has no loop for it)."""
        if not _is_bfloat16(a) or out is not None:
            return self.library.clip(a, a_min, a_max, out)
        return self.library.clip(a, a_min, a_max).astype(a.dtype)

    def sort(self, a: Array, axis: int | None = -1, kind: Any = None) -> Any:
        """CuPy sorts by Thrust, which it gives no bfloat16 (cupy/_core/include/cupy/type_dispatcher.cuh): float32 has
        the same order.
        """
        if not _is_bfloat16(a):
            return self.library.sort(a, axis, kind)
        return self.library.sort(a.astype(np.float32), axis, kind).astype(a.dtype)

    def argsort(self, a: Array, axis: int | None = -1, kind: Any = None) -> Any:
        """As `sort`."""
        return self.library.argsort(a.astype(np.float32) if _is_bfloat16(a) else a, axis, kind)

    def isin(self, element: Array, test_elements: Array, assume_unique: bool = False, invert: bool = False) -> Any:
        """CuPy's sorts (cupy/_logic/truth.py, `in1d`)."""
        element, test_elements = (a.astype(np.float32) if _is_bfloat16(a) else a for a in (element, test_elements))
        return self.library.isin(element, test_elements, assume_unique, invert)

    def tril(self, m: Array, k: int = 0) -> Any:
        """CuPy's is made of its `where` (cupy/_creation/matrix.py)."""
        return (
            self.where(self.library.tri(*m.shape[-2:], k=k, dtype=bool), m, 0)
            if _is_bfloat16(m)
            else self.library.tril(m, k)
        )

    def triu(self, m: Array, k: int = 0) -> Any:
        """As `tril`."""
        return (
            self.where(self.library.tri(*m.shape[-2:], k=k - 1, dtype=bool), 0, m)
            if _is_bfloat16(m)
            else self.library.triu(m, k)
        )

    # ---- quotients and rests: cupy/_core/include/cupy/carray.cuh, `_floor_divide`, and cupy/_core/_routines_math.pyx

    def remainder(self, x: Array, y: Any) -> Any:
        """CuPy's is ``x - floor(x / y) * y``, whose quotient has been rounded: 0 for 1 % 0.1, NaN for 1 % inf, and of
        little precision for large quotients.
        """
        if _kind(x, y) not in "fV":
            return self.library.remainder(x, y)
        rest = self.library.fmod(x, y)
        return self.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)

    def floor_divide(self, x: Array, y: Any) -> Any:
        """CuPy's is ``floor(x / y)``, and 10 for 1 // 0.1, whose quotient has been rounded up."""
        if _kind(x, y) not in "fV":
            return self.library.floor_divide(x, y)
        dtype = (x if hasattr(x, "dtype") else y).dtype
        if dtype.itemsize == 2:
            x, y = (value.astype(np.float32) if hasattr(value, "dtype") else value for value in (x, y))
        rest = self.library.fmod(x, y)
        quotient = (x - rest) / y - ((rest != 0) & ((rest < 0) != (y < 0)))
        down = self.library.floor(quotient)
        down = self.library.where(
            quotient != 0, down + (quotient - down > 0.5), self.library.copysign(quotient * 0, x / y)
        )
        if hasattr(y, "dtype"):
            down = self.library.where(y == 0, x / y, down)
        elif not y:
            down = x / y
        return down.astype(dtype, copy=False)

    def fmod(self, x: Array, y: Any) -> Any:
        """CuPy's reckons integers in double precision (cupy/_math/arithmetic.py), in which not all int64 exist."""
        kind = _kind(x, y)
        if kind not in "iu":
            return self.library.fmod(x, y)
        rest = self.library.remainder(x, y)
        return rest if kind == "u" else self.library.where((rest != 0) & ((rest < 0) != (x < 0)), rest - y, rest)


def _kind(x: Any, y: Any) -> str:
    """The kind of dtype of two operands of one dtype, one of which may be a number."""
    return (x if hasattr(x, "dtype") else y).dtype.kind
