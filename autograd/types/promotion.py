"""Type promotion as PyTorch does it, on NumPy dtypes. Neither NumPy's rules nor CuPy's are asked: they differ from
these, and from each other for bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.dtypes import BOOL, COMPLEX, FLOAT, INT, of

NUMBER, ZERO_DIM, DIMENSIONED = range(3)  # the kinds of operand, in the order in which they have a say

# Read at row and column; the table is symmetric. With complex32 missing, complex64 takes its place.
_NAMES: Final = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
)
_ABBREVIATED: Final = dict(zip(("b1", "u1", "i1", "i2", "i4", "i8", "f2", "bf", "f4", "f8", "c4", "c8"), _NAMES))
_TABLE: Final = """
         b1  u1  i1  i2  i4  i8  f2  bf  f4  f8  c4  c8
    b1   b1  u1  i1  i2  i4  i8  f2  bf  f4  f8  c4  c8
    u1   u1  u1  i2  i2  i4  i8  f2  bf  f4  f8  c4  c8
    i1   i1  i2  i1  i2  i4  i8  f2  bf  f4  f8  c4  c8
    i2   i2  i2  i2  i2  i4  i8  f2  bf  f4  f8  c4  c8
    i4   i4  i4  i4  i4  i4  i8  f2  bf  f4  f8  c4  c8
    i8   i8  i8  i8  i8  i8  i8  f2  bf  f4  f8  c4  c8
    f2   f2  f2  f2  f2  f2  f2  f2  f4  f4  f8  c4  c8
    bf   bf  bf  bf  bf  bf  bf  f4  bf  f4  f8  c4  c8
    f4   f4  f4  f4  f4  f4  f4  f4  f4  f4  f8  c4  c8
    f8   f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  c8  c8
    c4   c4  c4  c4  c4  c4  c4  c4  c4  c4  c8  c4  c8
    c8   c8  c8  c8  c8  c8  c8  c8  c8  c8  c8  c8  c8
"""

Operand = tuple[np.dtype, int]


class _Promoted(dict[tuple[np.dtype, np.dtype], np.dtype]):
    """Pair -> promoted dtype, read from the table at a pair's first use: the table names bfloat16, whose NumPy dtype
    costs an import.
    """

    def __missing__(self, pair: tuple[np.dtype, np.dtype]) -> np.dtype:
        first, second = of(pair[0]), of(pair[1])
        if first is second:
            name = first.name
        elif first.name in _NAMES and second.name in _NAMES:
            row = _TABLE.split("\n")[2 + _NAMES.index(first.name)]
            name = _ABBREVIATED[row.split()[1 + _NAMES.index(second.name)]]
        elif first.is_floating_point or second.is_floating_point:
            name = first.name if first.is_floating_point else second.name
        else:
            raise RuntimeError(
                "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
                f"{first.scalar_type} and {second.scalar_type}"
            )
        result = self[pair] = dtypes.numpy_dtype(name)
        return result


_PROMOTED: Final = _Promoted()


def promoted(a: np.dtype, b: np.dtype) -> np.dtype:
    """The smallest dtype that both promote to.

    Raises:
        RuntimeError: for uint16, uint32 or uint64 with anything but itself and a floating-point dtype.

    Example:
        >>> promoted(np.dtype("uint8"), np.dtype("int8"))
        dtype('int16')
    """
    return _PROMOTED[a, b]


def promote_types(type1: Any, type2: Any) -> dtypes.dtype:
    """The smallest dtype that both promote to, by PyTorch's table.

    Raises:
        RuntimeError: for uint16, uint32 or uint64 with anything but itself and a floating-point dtype.

    Example:
        >>> tapegrad.promote_types(tapegrad.float16, tapegrad.bfloat16)
        torch.float32
    """
    return of(promoted(dtypes.numpy_dtype(type1), dtypes.numpy_dtype(type2)))


class _Results(dict[tuple[Operand, ...], np.dtype]):
    """Operands -> result dtype, decided once."""

    def __missing__(self, operands: tuple[Operand, ...]) -> np.dtype:
        of_kind: list[np.dtype | None] = [None, None, None]
        for dtype, kind in operands:
            so_far = of_kind[kind]
            of_kind[kind] = of(dtype).numpy if so_far is None else promoted(so_far, dtype)
        result: np.dtype | None = None
        for lower in of_kind:  # numbers, 0-d tensors, dimensioned tensors: each joins over what stands below it
            if lower is not None:
                result = lower if result is None else _over(lower, result)
        if result is None:
            raise RuntimeError("at least one operand is needed to find a result dtype")
        self[operands] = result
        return result


def _over(higher: np.dtype, lower: np.dtype) -> np.dtype:
    """The dtype of operands of a kind with those of a lesser kind, which can raise the category but not the
    precision.
    """
    high, low = of(higher).category, of(lower).category
    if high >= low:
        return higher
    if low == COMPLEX and high == FLOAT:
        return of(higher).to_complex().numpy
    return lower if low >= FLOAT else promoted(higher, lower)


_RESULTS: Final = _Results()


def result_type(operands: Iterable[Operand]) -> np.dtype:
    """The dtype in which an op on these operands computes.

    Args:
        operands: for each operand its dtype and its kind (``DIMENSIONED``, ``ZERO_DIM`` or ``NUMBER``); a number's
            dtype is :func:`number_dtype`'s.

    Raises:
        RuntimeError: for uint16, uint32 or uint64 where :func:`promoted` is asked for it; for no operands.

    Example:
        >>> result_type([(np.dtype("float32"), DIMENSIONED), (np.dtype("float64"), ZERO_DIM)])
        dtype('float32')
        >>> result_type([(np.dtype("int8"), DIMENSIONED), (number_dtype(2.5), NUMBER)])
        dtype('float32')
    """
    return _RESULTS[tuple(dict.fromkeys(operands))]  # each once: a list of a thousand tensors must not become a key


_CATEGORY_OF_NUMBER: Final[dict[type, int]] = {bool: BOOL, int: INT, float: FLOAT, complex: COMPLEX}
_CATEGORY_OF_KIND: Final = {"b": BOOL, "i": INT, "u": INT, "f": FLOAT, "V": FLOAT, "c": COMPLEX}


def number_dtype(number: Any) -> np.dtype:
    """The dtype that a Python number has among tensors; a NumPy scalar counts as the number it holds.

    Args:
        number: a bool, int, float or complex, or a NumPy scalar.

    Raises:
        TypeError: for anything else.

    Example:
        >>> number_dtype(3), number_dtype(2.5), number_dtype(1j)
        (dtype('int64'), dtype('float32'), dtype('complex64'))
    """
    category = _CATEGORY_OF_NUMBER.get(number.__class__)
    if category is None:
        if isinstance(number, np.generic):
            category = _CATEGORY_OF_KIND[of(number.dtype).numpy.kind]
        else:
            category = next((c for type_, c in _CATEGORY_OF_NUMBER.items() if isinstance(number, type_)), None)
            if category is None:
                raise TypeError(f"a number is needed, not {type(number).__name__}")
    if category == FLOAT:
        return dtypes.default_float()
    if category == INT:
        return dtypes.int64.numpy
    return dtypes.bool_.numpy if category == BOOL else dtypes.default_complex()


def float_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype in which exp, mean and true division compute: integers and bool become the default dtype.

    Example:
        >>> float_dtype(np.dtype("int64")), float_dtype(np.dtype("float16"))
        (dtype('float32'), dtype('float16'))
    """
    return dtypes.default_float() if of(dtype).category < FLOAT else dtype
