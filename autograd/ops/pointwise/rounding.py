"""Rounding, and division with a rest."""

from __future__ import annotations

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.decorator import OpFunction
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.common.errors import not_implemented
from tapegrad.autograd.ops.common.families import documented, elementwise
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.common.shared_rules import alias, array_among, no_rule
from tapegrad.autograd.ops.pointwise.arithmetic import check_divisor, div, floored_quotient
from tapegrad.autograd.ops.pointwise.comparison import isfinite
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.backends import xp


def _is_whole(array: Array) -> bool:
    return array.dtype.kind in "iub"


def _rounding(name: str, meaning: str, result: str) -> OpFunction:
    def function(input: Array) -> Array:
        return input.copy() if _is_whole(input) else getattr(xp(input), name)(input)

    call = f"tapegrad.{name}(tapegrad.tensor([1.5, -1.5]))"
    documented(function, name, f"{meaning}. Its gradient is zero.", call, f"tensor({result})")
    return elementwise(input=zero_gradient)(function)


floor = _rounding("floor", "The largest integer that is not greater", "[ 1., -2.]")
ceil = _rounding("ceil", "The smallest integer that is not less", "[ 2., -1.]")
trunc = _rounding("trunc", "The integer part", "[ 1., -1.]")


@elementwise(input=zero_gradient)
@in_float32
def round(input: Array, *, decimals: int = 0) -> Array:
    """The nearest integer, of two equally near the even one. Its gradient is zero.

    Args:
        decimals: how many decimal places to keep; negative: how many places before the point become zeros.

    Example:
        >>> tapegrad.round(tapegrad.tensor([0.5, 1.5, -1.4])), tapegrad.round(tapegrad.tensor([1.2345]), decimals=2)
        (tensor([ 0.,  2., -1.]), tensor([1.2300]))
    """
    if _is_whole(input):
        if decimals:
            raise not_implemented("round_cpu", input.dtype)
        return input.copy()
    if not decimals:
        return xp(input).rint(input)
    scale = 10.0 ** abs(decimals)
    return xp(input).rint(input * scale) / scale if decimals > 0 else xp(input).rint(input / scale) * scale


@elementwise(input=lambda grad: grad)
def frac(input: Array) -> Array:
    """The fractional part, with the sign of `input`.

    Example:
        >>> tapegrad.frac(tapegrad.tensor([1.5, -1.25]))
        tensor([ 0.5000, -0.2500])
    """
    return input - xp(input).trunc(input)


@elementwise(input=no_rule("floor_divide"), other=no_rule("floor_divide"))
def floor_divide(input: Operand, other: Operand) -> Array:
    """Elementwise quotient rounded down, Python's ``//``.

    Raises:
        RuntimeError: an integer is divided by zero (on the CPU).

    Example:
        >>> tapegrad.floor_divide(tapegrad.tensor([7, -7]), 2)
        tensor([ 3, -4])
    """
    return floored_quotient(input, other)


@elementwise(
    input=lambda grad: grad, other=lambda grad, input, other: -(grad * div(input, other, rounding_mode="floor"))
)
def remainder(input: Operand, other: Operand) -> Array:
    """The rest of the division rounded down, Python's ``%``; it has the sign of `other`.

    Raises:
        RuntimeError: an integer is divided by zero (on the CPU).

    Example:
        >>> tapegrad.remainder(tapegrad.tensor([7, -7]), 3)
        tensor([1, 2])
    """
    array = array_among(input, other)
    if array.dtype.kind == "b":
        raise not_implemented("remainder_cpu", array.dtype)
    check_divisor(input, other)
    return input % other if input.__class__ is np.ndarray else xp(array).remainder(input, other)


@elementwise(
    input=lambda grad: grad, other=lambda grad, input, other: -(grad * div(input, other, rounding_mode="trunc"))
)
def fmod(input: Operand, other: Operand) -> Array:
    """The rest of the division rounded towards zero, C's ``fmod``; it has the sign of `input`.

    Raises:
        RuntimeError: an integer is divided by zero (on the CPU).

    Example:
        >>> tapegrad.fmod(tapegrad.tensor([7, -7]), 3)
        tensor([ 1, -1])
    """
    check_divisor(input, other)
    return xp(array_among(input, other)).fmod(input, other)


@elementwise(input=lambda grad, input: keep(grad, isfinite(input)))
@in_float32
def nan_to_num(
    input: Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """NaN and infinities replaced by numbers.

    Args:
        nan: what stands for NaN; None: 0.
        posinf: what stands for infinity; None: the largest number of the dtype.
        neginf: what stands for minus infinity; None: the smallest number of the dtype.

    Example:
        >>> tapegrad.nan_to_num(tapegrad.tensor([float("nan"), 1.0]), nan=-1.0)
        tensor([-1.,  1.])
    """
    if _is_whole(input):
        return input.copy()
    if input.dtype.kind == "c":
        result = xp(input).empty(input.shape, input.dtype)
        result.real, result.imag = (_finite_part(part, nan, posinf, neginf) for part in (input.real, input.imag))
        return result
    return _finite_part(input, nan, posinf, neginf)


def _finite_part(x: Array, nan: float | None, posinf: float | None, neginf: float | None) -> Array:
    where, limits = xp(x).where, np.finfo(x.dtype)
    x = where(x == np.inf, float(limits.max) if posinf is None else posinf, x)
    x = where(x == -np.inf, float(limits.min) if neginf is None else neginf, x)
    return where(x != x, 0.0 if nan is None else nan, x)


fix = alias(trunc, "fix")
