"""Half precision: formulas are computed in float32 and rounded once, as PyTorch's kernels do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.ops.common.errors import not_implemented

F = TypeVar("F", bound=Callable[..., Any])

FLOAT32 = np.dtype(np.float32)
INT64 = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)


def is_half(dtype: np.dtype) -> bool:
    """Whether `dtype` is float16 or bfloat16."""
    return dtype.itemsize == 2 and dtype.kind in "fV"


def wide(array: Array) -> Array:
    """`array`, with half precision as float32."""
    return array.astype(FLOAT32) if is_half(array.dtype) else array


def in_float32(function: F) -> F:
    """`function` over arrays; half precision is computed in float32, and the results rounded to that of `input`."""

    @functools.wraps(function)
    def computed(input: Array, *args: Any, **kwargs: Any) -> Any:
        dtype = input.dtype
        if dtype.itemsize != 2 or dtype.kind not in "fV":
            return function(input, *args, **kwargs)
        wider = [a.astype(FLOAT32) if getattr(a, "dtype", None) == dtype else a for a in (input, *args)]
        result = function(*wider, **kwargs)
        return tuple([_narrow(r, dtype) for r in result]) if result.__class__ is tuple else _narrow(result, dtype)

    return computed  # type: ignore[return-value]


def floating(kernel: str) -> Callable[[F], F]:
    """As `in_float32`, for a function of floating-point numbers only, which PyTorch calls `kernel`."""

    def decorate(function: F) -> F:
        widened = in_float32(function)

        @functools.wraps(function)
        def computed(input: Array, *args: Any, **kwargs: Any) -> Any:
            kind = input.dtype.kind
            if kind in "iub":
                raise not_implemented(kernel, input.dtype)
            half = kind == "V" or input.dtype.itemsize == 2
            return widened(input, *args, **kwargs) if half else function(input, *args, **kwargs)

        return computed  # type: ignore[return-value]

    return decorate


def _narrow(result: Array, dtype: np.dtype) -> Array:
    return result.astype(dtype) if getattr(result, "dtype", None) == FLOAT32 else result


def category(input: Operand) -> str:
    """The kind of a tensor's or an array's numbers, as in `numpy.dtype.kind`: b, i, u, f, V (bfloat16) or c."""
    return raw(input).dtype.kind
