"""Rounding, and division with a rest."""
from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.common.shared_rules import alias, array_among, no_rule
from tapegrad.autograd.ops.pointwise.arithmetic import check_divisor, div, floored_quotient
from tapegrad.autograd.ops.pointwise.comparison import isfinite
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


def _is_whole(array: Any) -> bool:
    return array.dtype.kind in "iub"


@op(input=lambda grad: zero_gradient(grad), kind="elementwise", method=True, inplace=True)
def floor(input: Any) -> Any:
    """The largest integer that is not greater. Its gradient is zero.

    Args:
        input: a real tensor.

    Example:
        >>> tapegrad.floor(tapegrad.tensor([1.5, -1.5]))
        tensor([ 1., -2.])
    """
    return xp(input).floor(input) if not _is_whole(input) else input.copy()


@op(input=lambda grad: zero_gradient(grad), kind="elementwise", method=True, inplace=True)
def ceil(input: Any) -> Any:
    """The smallest integer that is not less. Its gradient is zero.

    Args:
        input: a real tensor.

    Example:
        >>> tapegrad.ceil(tapegrad.tensor([1.5, -1.5]))
        tensor([ 2., -1.])
    """
    return xp(input).ceil(input) if not _is_whole(input) else input.copy()


@op(input=lambda grad: zero_gradient(grad), kind="elementwise", method=True, inplace=True)
def trunc(input: Any) -> Any:
    """The integer part. Its gradient is zero.

    Args:
        input: a real tensor.

    Example:
        >>> tapegrad.trunc(tapegrad.tensor([1.5, -1.5]))
        tensor([ 1., -1.])
    """
    return xp(input).trunc(input) if not _is_whole(input) else input.copy()


@op(input=lambda grad: zero_gradient(grad), kind="elementwise", method=True, inplace=True)
@in_float32
def round(input: Any, *, decimals: int = 0) -> Any:
    """The nearest integer, of two equally near the even one. Its gradient is zero.

    Args:
        input: a real tensor.
        decimals: how many decimal places to keep; negative: how many places before the point become zeros.

    Example:
        >>> tapegrad.round(tapegrad.tensor([0.5, 1.5, -1.4])), tapegrad.round(tapegrad.tensor([1.2345]), decimals=2)
        (tensor([ 0.,  2., -1.]), tensor([1.2300]))
    """
    if _is_whole(input):
        if decimals:
            raise RuntimeError(f'"round_cpu" not implemented for \'{_scalar_type(input.dtype)}\'')
        return input.copy()
    if not decimals:
        return xp(input).rint(input)
    scale = 10.0 ** abs(decimals)
    return xp(input).rint(input * scale) / scale if decimals > 0 else xp(input).rint(input / scale) * scale


def _scalar_type(dtype: np.dtype) -> str:
    return dtypes.of(dtype).scalar_type


@op(input=lambda grad: grad, kind="elementwise", method=True, inplace=True)
def frac(input: Any) -> Any:
    """The fractional part, with the sign of `input`.

    Args:
        input: a real floating-point tensor.

    Example:
        >>> tapegrad.frac(tapegrad.tensor([1.5, -1.25]))
        tensor([ 0.5000, -0.2500])
    """
    return input - xp(input).trunc(input)


@op(input=no_rule("floor_divide"), other=no_rule("floor_divide"), kind="elementwise", method=True, inplace=True)
def floor_divide(input: Any, other: Any) -> Any:
    """Elementwise quotient rounded down, Python's ``//``.

    Args:
        input: a real tensor.
        other: a tensor that broadcasts with it, or a number.

    Raises:
        RuntimeError: an integer is divided by zero (on the CPU).

    Example:
        >>> tapegrad.floor_divide(tapegrad.tensor([7, -7]), 2)
        tensor([ 3, -4])
    """
    return floored_quotient(input, other)


@op(input=lambda grad: grad, other=lambda grad, input, other: -(grad * div(input, other, rounding_mode="floor")), kind="elementwise", method=True,
    inplace=True)
def remainder(input: Any, other: Any) -> Any:
    """The rest of the division rounded down, Python's ``%``; it has the sign of `other`.

    Args:
        input: a real tensor.
        other: a tensor that broadcasts with it, or a number.

    Raises:
        RuntimeError: an integer is divided by zero (on the CPU).

    Example:
        >>> tapegrad.remainder(tapegrad.tensor([7, -7]), 3)
        tensor([1, 2])
    """
    if array_among(input, other).dtype.kind == "b":
        raise NotImplementedError("\"remainder_cpu\" not implemented for 'Bool'")
    check_divisor(input, other)
    if input.__class__ is np.ndarray:
        return input % other
    return xp(array_among(input, other)).remainder(input, other)


@op(input=lambda grad: grad, other=lambda grad, input, other: -(grad * div(input, other, rounding_mode="trunc")), kind="elementwise", method=True,
    inplace=True)
def fmod(input: Any, other: Any) -> Any:
    """The rest of the division rounded towards zero, C's ``fmod``; it has the sign of `input`.

    Args:
        input: a real tensor.
        other: a tensor that broadcasts with it, or a number.

    Raises:
        RuntimeError: an integer is divided by zero (on the CPU).

    Example:
        >>> tapegrad.fmod(tapegrad.tensor([7, -7]), 3)
        tensor([ 1, -1])
    """
    check_divisor(input, other)
    return xp(array_among(input, other)).fmod(input, other)


@op(input=lambda grad, input: keep(grad, _finite(input)), kind="elementwise", method=True, inplace=True)
@in_float32
def nan_to_num(input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Any:
    """NaN and infinities replaced by numbers.

    Args:
        input: a tensor.
        nan: what stands for NaN; 0 if not given.
        posinf: what stands for infinity; the largest number of the dtype if not given.
        neginf: what stands for minus infinity; the smallest number of the dtype if not given.

    Example:
        >>> tapegrad.nan_to_num(tapegrad.tensor([float("nan"), 1.0]), nan=-1.0)
        tensor([-1.,  1.])
    """
    if _is_whole(input):
        return input.copy()
    if input.dtype.kind == "c":
        result = xp(input).empty(input.shape, input.dtype)
        result.real, result.imag = (_number(part, nan, posinf, neginf) for part in (input.real, input.imag))
        return result
    return _number(input, nan, posinf, neginf)


def _number(x: Any, nan: float | None, posinf: float | None, neginf: float | None) -> Any:
    where, limits = xp(x).where, np.finfo(x.dtype)
    x = where(x == np.inf, float(limits.max) if posinf is None else posinf, x)
    x = where(x == -np.inf, float(limits.min) if neginf is None else neginf, x)
    return where(x != x, 0.0 if nan is None else nan, x)


def _finite(input: Any) -> Any:
    return isfinite(input)


fix = alias(trunc, "fix")
