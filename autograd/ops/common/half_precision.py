"""Half precision: formulas are computed in float32 and rounded once, as PyTorch's kernels do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.types import dtypes

F = TypeVar("F", bound=Callable[..., Any])

FLOAT32 = np.dtype(np.float32)
INT64 = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)


def is_half(dtype: np.dtype) -> bool:
    """Whether `dtype` is float16 or bfloat16."""
    return dtype.itemsize == 2 and dtype.kind in "fV"


def wide(array: Any) -> Any:
    """`array`, with half precision as float32."""
    return array.astype(FLOAT32) if is_half(array.dtype) else array


def in_float32(function: F) -> F:
    """The function over raw arrays, which computes in float32 where its first operand is in half precision, and rounds
    its results to that.
    """

    @functools.wraps(function)
    def computed(input: Any, *args: Any, **kwargs: Any) -> Any:
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
        def computed(input: Any, *args: Any, **kwargs: Any) -> Any:
            kind = input.dtype.kind
            if kind in "iub":
                raise NotImplementedError(f"\"{kernel}\" not implemented for '{dtypes.of(input.dtype).scalar_type}'")
            return (
                function(input, *args, **kwargs)
                if kind != "V" and input.dtype.itemsize != 2
                else widened(input, *args, **kwargs)
            )

        return computed  # type: ignore[return-value]

    return decorate


def _narrow(result: Any, dtype: np.dtype) -> Any:
    return result.astype(dtype) if getattr(result, "dtype", None) == FLOAT32 else result


def category(input: Any) -> str:
    """The kind of a tensor's or an array's numbers, as in `numpy.dtype.kind`: b, i, u, f, V (bfloat16) or c."""
    return raw(input).dtype.kind
