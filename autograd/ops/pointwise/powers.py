"""Powers and roots."""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Number, Operand
from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.primitives import cast, zero_gradient
from tapegrad.autograd.ops.common.families import elementary, elementwise
from tapegrad.autograd.ops.common.half_precision import INT64, category, in_float32, is_half
from tapegrad.autograd.ops.common.shared_rules import array_among
from tapegrad.autograd.ops.pointwise.arithmetic import mul
from tapegrad.autograd.ops.pointwise.exponential import LN2, exp2, log
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.backends import xp

_NEGATIVE = "Integers to negative integer powers are not allowed."

# The exponents of everyday code are products and roots, many times as fast as `power`.
_BY_HAND = {
    2: lambda x: x * x,
    3: lambda x: x * x * x,
    1: lambda x: x.copy(),
    0.5: lambda x: xp(x).sqrt(x),
    -0.5: lambda x: xp(x).reciprocal(xp(x).sqrt(x)),
    -1: lambda x: xp(x).reciprocal(x),
    -2: lambda x: xp(x).reciprocal(x * x),
}


def _power_rule(grad: Operand, input: Operand, exponent: float) -> Operand:
    if exponent == 2:
        return grad * (input * 2)
    if exponent == 0:
        return zero_gradient(grad)
    return grad * (power_of_number(input, exponent - 1) * exponent)


@op(input=_power_rule, kind="elementwise", public=False, name="pow")
def power_of_number(input: Array, exponent: float) -> Array:
    """A floating-point or complex array to the power of a Python number; an integer one to that of an integer."""
    formula = _BY_HAND.get(exponent)
    if input.dtype.kind in "iu":
        if exponent < 0:
            raise RuntimeError(_NEGATIVE)
        return input**exponent
    if formula is not None:
        return formula(input)
    if is_half(input.dtype):
        return (input.astype(np.float32) ** float(exponent)).astype(input.dtype)
    return input**exponent


def _base_rule(grad: Operand, input: Operand, other: Operand) -> Operand:
    return keep(grad * (other * power(input, other - 1)), other != 0)


def _exponent_rule(grad: Operand, input: Operand, other: Operand, result: Operand) -> Operand:
    """``result * log(input)``; where the base is 0 and the exponent is not negative, 0."""
    flat = (input == 0) & (other.real >= 0)
    return keep(grad * (result * log(input)), ~flat)


@op(input=_base_rule, other=_exponent_rule, kind="elementwise", public=False, name="pow")
def power(input: Operand, other: Operand) -> Array:
    """An array to the power of another."""
    kind = array_among(input, other).dtype.kind
    if kind == "b":
        return input | (other ^ True)
    try:
        return input**other
    except ValueError as error:
        if "negative integer powers" in str(error):
            raise RuntimeError(_NEGATIVE) from None
        raise


def _logarithm(base: float, exponent: Operand) -> Number:
    if base > 0:
        return math.log(base)
    return cmath.log(base) if category(exponent) == "c" else math.nan


def _number_base_rule(grad: Operand, base: float, exponent: Operand, result: Operand) -> Operand:
    if base == 0:
        return keep(grad * (result * -math.inf), ~(exponent.real >= 0))
    return grad * (result * _logarithm(base, exponent))


@op(exponent=_number_base_rule, kind="elementwise", public=False, name="pow")
def power_by_array(base: float, exponent: Array) -> Array:
    """A real Python number to the power of a floating-point or complex array."""
    if is_half(exponent.dtype):
        return xp(exponent).power(base, exponent.astype(np.float32)).astype(exponent.dtype)
    return xp(exponent).exp2(exponent) if base == 2 and exponent.dtype.kind == "f" else base**exponent


_OBJECT = np.dtype(object)


def _plain(number: Operand) -> bool:
    return number.__class__ is int or number.__class__ is float


@composite(method=True, inplace=True)
def pow(input: Operand, exponent: Operand, *, out: Operand = None) -> Any:
    """Elementwise power; one of the two may be a number.

    Raises:
        RuntimeError: an integer is raised to a negative integer power.

    Example:
        >>> tapegrad.pow(tapegrad.tensor([1.0, 2.0]), 3), tapegrad.pow(2, tapegrad.tensor([1.0, 2.0]))
        (tensor([1., 8.]), tensor([2., 4.]))
    """
    if _plain(exponent):
        kind = getattr(raw(input), "dtype", _OBJECT).kind
        if kind == "b" and exponent.__class__ is int:
            input, kind = cast(input, INT64), "i"
        if kind in "fcV" or (kind in "iu" and exponent.__class__ is int):
            return power_of_number(input, exponent, out=out)
    elif _plain(input) and getattr(raw(exponent), "dtype", _OBJECT).kind in "fcV":
        return power_by_array(input, exponent, out=out)
    return power(input, exponent, out=out)


@composite(method=True, inplace=True)
def float_power(input: Operand, exponent: Operand, *, out: Operand = None) -> Any:
    """Elementwise power in double precision; one of the two may be a number.

    Example:
        >>> tapegrad.float_power(tapegrad.tensor([2, 3]), -1)
        tensor([0.5000, 0.3333], dtype=torch.float64)
    """
    kinds = [getattr(raw(v), "dtype", np.dtype(type(v))).kind for v in (input, exponent)]
    dtype = np.dtype(np.complex128 if "c" in kinds else np.float64)
    return pow(*[v if isinstance(v, Number) else cast(v, dtype) for v in (input, exponent)], out=out)


@composite(method=True, inplace=True)
def square(input: Operand, *, out: Operand = None) -> Any:
    """Elementwise square.

    Example:
        >>> tapegrad.square(tapegrad.tensor([1.0, -2.0]))
        tensor([1., 4.])
    """
    return pow(input, 2, out=out)


sqrt = elementary(
    np.sqrt, "square root, with an infinite derivative at 0", "[0., 1.]", lambda grad, result: grad / (result * 2)
)
reciprocal = elementary(
    np.reciprocal, "reciprocal", "[0.2500, 4.0000]", lambda grad, result: -(grad * (result * result)), of="[4.0, 0.25]"
)


@elementwise(input=lambda grad, result: grad * (result * result * result) * -0.5, operands="float")
@in_float32
def rsqrt(input: Array) -> Array:
    """Elementwise reciprocal of the square root.

    Example:
        >>> tapegrad.rsqrt(tapegrad.tensor([4.0, 0.25]))
        tensor([0.5000, 2.0000])
    """
    return 1 / xp(input).sqrt(input)


@elementwise(
    input=lambda grad, other: grad * exp2(other), other=lambda grad, result: grad * result * LN2, operands="float"
)
def ldexp(input: Array, other: Array) -> Array:
    """``input * 2 ** other``, elementwise; `other` is usually of integers.

    Example:
        >>> tapegrad.ldexp(tapegrad.tensor([1.0]), tapegrad.tensor([3]))
        tensor([8.])
    """
    return input * xp(array_among(other, input)).exp2(other)


@op(input=None, exponent=None, operands="free", public=False, batch=over())
def _power_of_two(input: Array, exponent: Array) -> Array:
    """``2 ** -exponent`` in the dtype of `input`, without gradient."""
    return xp(input).exp2(-exponent.astype(input.dtype))


@op(
    input=lambda grad, input, exponent: mul(grad[0], _power_of_two(input, exponent)),
    outs=("mantissa", "exponent"),
    method=True,
    jvp=lambda d_input, input, exponent: (d_input * _power_of_two(input, exponent), None),
    batch=over(),
)
def frexp(input: Array) -> tuple[Array, Array]:
    """Mantissas in [0.5, 1) and powers of two, ``input = mantissa * 2 ** exponent``.

    Returns:
        A named pair (mantissa, exponent); the exponent is int32.

    Raises:
        RuntimeError: `input` is not floating point.

    Example:
        >>> tapegrad.frexp(tapegrad.tensor([6.0])).mantissa
        tensor([0.7500])
    """
    if input.dtype.kind not in "fV":
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    return xp(input).frexp(input)
