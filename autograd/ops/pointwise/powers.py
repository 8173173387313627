"""Powers and roots."""
from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.primitives import cast, zero_gradient
from tapegrad.autograd.ops.common.half_precision import INT64, category, is_half
from tapegrad.autograd.ops.common.shared_rules import array_among
from tapegrad.autograd.ops.pointwise.arithmetic import mul
from tapegrad.autograd.ops.pointwise.exponential import exp2, log
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


def _power_rule(grad: Any, input: Any, exponent: Any) -> Any:
    if exponent == 2:
        return grad * (input * 2)
    if exponent == 0:
        return zero_gradient(grad)
    return grad * (power_of_number(input, exponent - 1) * exponent)


@op(input=lambda grad, input, exponent: _power_rule(grad, input, exponent), kind="elementwise", public=False, name="pow")
def power_of_number(input: Any, exponent: Any) -> Any:
    """A floating-point or complex array to the power of a Python number; an integer one to that of an integer."""
    formula = _BY_HAND.get(exponent)
    if input.dtype.kind in "iu":
        if exponent < 0:
            raise RuntimeError(_NEGATIVE)
        return input ** exponent
    if formula is not None:
        return formula(input)
    if is_half(input.dtype):
        return (input.astype(np.float32) ** float(exponent)).astype(input.dtype)
    return input ** exponent


def _base_rule(grad: Any, input: Any, other: Any) -> Any:
    return keep(grad * (other * power(input, other - 1)), other != 0)


def _exponent_rule(grad: Any, input: Any, other: Any, result: Any) -> Any:
    """``result * log(input)``; where the base is 0 and the exponent is not negative, 0."""
    flat = (input == 0) & (other.real >= 0)
    return keep(grad * (result * log(input)), ~flat)


@op(input=lambda grad, input, other: _base_rule(grad, input, other), other=lambda grad, input, other, result: _exponent_rule(grad, input, other, result),
    kind="elementwise", public=False, name="pow")
def power(input: Any, other: Any) -> Any:
    """An array to the power of another."""
    kind = array_among(input, other).dtype.kind
    if kind == "b":
        return input | (other ^ True)
    try:
        return input ** other
    except ValueError as error:
        if "negative integer powers" in str(error):
            raise RuntimeError(_NEGATIVE) from None
        raise


def _number_base_rule(grad: Any, base: float, exponent: Any, result: Any) -> Any:
    if base == 0:
        return keep(grad * (result * -math.inf), ~(exponent.real >= 0))
    factor = math.log(base) if base > 0 else cmath.log(base) if category(exponent) == "c" else math.nan
    return grad * (result * factor)


@op(exponent=lambda grad, base, exponent, result: _number_base_rule(grad, base, exponent, result), kind="elementwise", public=False, name="pow")
def power_by_array(base: float, exponent: Any) -> Any:
    """A real Python number to the power of a floating-point or complex array."""
    if is_half(exponent.dtype):
        return xp(exponent).power(base, exponent.astype(np.float32)).astype(exponent.dtype)
    return xp(exponent).exp2(exponent) if base == 2 and exponent.dtype.kind == "f" else base ** exponent


def _plain(number: Any) -> bool:
    return number.__class__ is int or number.__class__ is float


@composite(method=True, inplace=True)
def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """Elementwise power.

    Args:
        input: a tensor or a number.
        exponent: a tensor that broadcasts with it, or a number.

    Raises:
        RuntimeError: an integer is raised to a negative integer power.

    Example:
        >>> tapegrad.pow(tapegrad.tensor([1.0, 2.0]), 3), tapegrad.pow(2, tapegrad.tensor([1.0, 2.0]))
        (tensor([1., 8.]), tensor([2., 4.]))
    """
    if _plain(exponent):
        array = raw(input)
        kind = getattr(array, "dtype", _OBJECT).kind
        if kind == "b" and exponent.__class__ is int:
            input, kind = cast(input, INT64), "i"
        if kind in "fcV" or (kind in "iu" and exponent.__class__ is int):
            return power_of_number(input, exponent, out=out)
    elif _plain(input) and getattr(raw(exponent), "dtype", _OBJECT).kind in "fcV":
        return power_by_array(input, exponent, out=out)
    return power(input, exponent, out=out)


_OBJECT = np.dtype(object)


@composite(method=True, inplace=True)
def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """Elementwise power in double precision.

    Args:
        input: a tensor or a number.
        exponent: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.float_power(tapegrad.tensor([2, 3]), -1)
        tensor([0.5000, 0.3333], dtype=torch.float64)
    """
    operands = [input, exponent]
    kinds = [getattr(raw(v), "dtype", np.dtype(type(v))).kind for v in operands]
    dtype = np.dtype(np.complex128 if "c" in kinds else np.float64)
    wide = [v if isinstance(v, (bool, int, float, complex)) and not isinstance(v, Tensor) else cast(v, dtype) for v in operands]
    return pow(*wide, out=out)


@composite(method=True, inplace=True)
def square(input: Any, *, out: Any = None) -> Any:
    """Elementwise square.

    Args:
        input: a tensor.

    Example:
        >>> tapegrad.square(tapegrad.tensor([1.0, -2.0]))
        tensor([1., 4.])
    """
    return pow(input, 2, out=out)


@op(input=lambda grad, result: grad / (result * 2), kind="elementwise", operands="float", method=True, inplace=True, inplace_fn=lambda a: xp(a).sqrt(a, out=a))
def sqrt(input: Any) -> Any:
    """Elementwise square root. Its derivative at 0 is infinite.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.sqrt(tapegrad.tensor([4.0, 9.0]))
        tensor([2., 3.])
    """
    return xp(input).sqrt(input)


@op(input=lambda grad, result: grad * (result * result * result) * -0.5, kind="elementwise", operands="float", method=True, inplace=True)
def rsqrt(input: Any) -> Any:
    """Elementwise reciprocal of the square root.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.rsqrt(tapegrad.tensor([4.0, 0.25]))
        tensor([0.5000, 2.0000])
    """
    if is_half(input.dtype):
        return rsqrt.__wrapped__(input.astype(np.float32)).astype(input.dtype)  # type: ignore[attr-defined]
    return 1 / xp(input).sqrt(input)


@op(input=lambda grad, result: -(grad * (result * result)), kind="elementwise", operands="float", method=True, inplace=True)
def reciprocal(input: Any) -> Any:
    """Elementwise reciprocal.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.reciprocal(tapegrad.tensor([4.0, 0.25]))
        tensor([0.2500, 4.0000])
    """
    return xp(input).reciprocal(input)


@op(input=lambda grad, other: grad * _two_to(other), other=lambda grad, result: grad * result * 0.6931471805599453, kind="elementwise", operands="float",
    method=True, inplace=True)
def ldexp(input: Any, other: Any) -> Any:
    """``input * 2 ** other``, elementwise.

    Args:
        input: a tensor; integers are taken as the default dtype.
        other: a tensor that broadcasts with it, usually of integers.

    Example:
        >>> tapegrad.ldexp(tapegrad.tensor([1.0]), tapegrad.tensor([3]))
        tensor([8.])
    """
    return input * xp(array_among(other, input)).exp2(other)


def _two_to(other: Any) -> Any:
    return exp2(other)


@op(input=lambda grad, input, exponent: mul(grad[0], _power_of_two(input, exponent)), outs=("mantissa", "exponent"), kind="general", method=True,
    jvp=lambda d_input, input, exponent: (d_input * _power_of_two(input, exponent), None), batch=over())
def frexp(input: Any) -> Any:
    """Mantissas in [0.5, 1) and powers of two, ``input = mantissa * 2 ** exponent``.

    Args:
        input: a real floating-point tensor.

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
    mantissa, exponent = xp(input).frexp(input)
    return mantissa, exponent


def _power_of_two(input: Any, exponent: Any) -> Any:
    """``2 ** -exponent`` in the dtype of `input`, without gradient."""
    return _exact_power(input, exponent)


@op(input=None, exponent=None, operands="free", public=False, batch=over())
def _exact_power(input: Any, exponent: Any) -> Any:
    return xp(input).exp2(-exponent.astype(input.dtype))
