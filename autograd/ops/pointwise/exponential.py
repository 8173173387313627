"""Exponentials and logarithms."""

from __future__ import annotations

import math

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.families import elementary, elementwise
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.common.shared_rules import array_among
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.backends import xp

LN2 = math.log(2)
LN10 = math.log(10)

exp = elementary(np.exp, "exponential", "[1.0000, 2.7183]", lambda grad, result: grad * result)
expm1 = elementary(
    np.expm1,
    "``exp(input) - 1``, accurate near 0",
    "[0.0000e+00, 1.0000e-06]",
    lambda grad, result: grad * (result + 1),
    of="[0.0, 1e-6]",
)

log = elementary(np.log, "natural logarithm, NaN of negative numbers", "[-inf, 0.]", lambda grad, input: grad / input)
log2 = elementary(np.log2, "logarithm to base 2", "[-inf, 0.]", lambda grad, input: grad / (input * LN2))
log10 = elementary(np.log10, "logarithm to base 10", "[-inf, 0.]", lambda grad, input: grad / (input * LN10))
log1p = elementary(
    np.log1p,
    "``log(1 + input)``, accurate near 0",
    "[0.0000e+00, 1.0000e-06]",
    lambda grad, input: grad / (input + 1),
    of="[0.0, 1e-6]",
)


@elementwise(input=lambda grad, result: grad * (result * LN2), operands="float")
def exp2(input: Array) -> Array:
    """Elementwise power of two.

    Example:
        >>> tapegrad.exp2(tapegrad.tensor([0.0, 3.0]))
        tensor([1., 8.])
    """
    return xp(input).exp2(input) if input.dtype.kind != "c" else xp(input).exp(input * LN2)


@elementwise(
    input=lambda grad, input, other: grad * sigmoid(input - other),
    other=lambda grad, input, other: grad * sigmoid(other - input),
    operands="float",
    inplace=False,
)
def logaddexp(input: Array, other: Array) -> Array:
    """``log(exp(input) + exp(other))``, without overflow.

    Example:
        >>> tapegrad.logaddexp(tapegrad.tensor([100.0]), tapegrad.tensor([100.0]))
        tensor([100.6931])
    """
    return xp(input).logaddexp(input, other)


@elementwise(
    input=lambda grad, input, other: grad * sigmoid((input - other) * LN2),
    other=lambda grad, input, other: grad * sigmoid((other - input) * LN2),
    operands="float",
    inplace=False,
)
def logaddexp2(input: Array, other: Array) -> Array:
    """``log2(2 ** input + 2 ** other)``, without overflow.

    Example:
        >>> tapegrad.logaddexp2(tapegrad.tensor([200.0]), tapegrad.tensor([200.0]))
        tensor([201.])
    """
    return xp(input).logaddexp2(input, other)


def _xlogy_rule(grad: Operand, input: Operand, other: Operand) -> Operand:
    return keep(xlogy(grad, other), ~((input == 0) & (other <= 0)))


@elementwise(input=_xlogy_rule, other=lambda grad, input, other: grad * input / other, operands="float")
def xlogy(input: Operand, other: Operand) -> Array:
    """``input * log(other)``, and 0 where `input` is 0, unless `other` is NaN.

    Example:
        >>> tapegrad.xlogy(tapegrad.tensor([0.0, 2.0]), tapegrad.tensor([0.0, 1.0]))
        tensor([0., 0.])
    """
    array = array_among(input, other)
    return _xlogy(*[v if hasattr(v, "dtype") else xp(array).full((), v, array.dtype) for v in (input, other)])


@in_float32
def _xlogy(x: Array, y: Array) -> Array:
    product = x * xp(y).log(y)
    return xp(y).where((x == 0) & (y == y), xp(y).zeros((), product.dtype), product)


@elementwise(input=lambda grad, result: grad * (1 - result) * result, operands="float")
@in_float32
def sigmoid(input: Array) -> Array:
    """Elementwise ``1 / (1 + exp(-input))``.

    Example:
        >>> tapegrad.sigmoid(tapegrad.tensor([0.0]))
        tensor([0.5000])
    """
    return logistic(input)


def logistic(x: Array) -> Array:
    """``1 / (1 + exp(-x))`` of an array in single or double precision."""
    y = xp(x).exp(-x)
    y += 1
    return xp(x).reciprocal(y)


def _logit_rule(grad: Operand, input: Operand, eps: float | None) -> Operand:
    slope = grad / (input * (1 - input))
    if eps is not None:
        return keep(slope, (input >= eps) & (input <= 1 - eps))
    # Outside [0, 1] the function has no value, and no derivative.
    inside = (input >= 0) & (input <= 1)
    return slope + _nan_unless(inside, slope)


@op(mask=None, like=None, operands="free", public=False, batch=over())
def _nan_unless(mask: Array, like: Array) -> Array:
    return xp(mask).where(mask, 0.0, xp(mask).nan).astype(like.dtype)


@elementwise(input=_logit_rule, operands="float")
@in_float32
def logit(input: Array, eps: float | None = None) -> Array:
    """Elementwise ``log(input / (1 - input))``, the inverse of `sigmoid`.

    Args:
        eps: `input` is first clamped to [eps, 1 - eps], unless it is None.

    Example:
        >>> tapegrad.logit(tapegrad.tensor([0.5]))
        tensor([0.])
    """
    x = input if eps is None else xp(input).clip(input, eps, 1 - eps)
    return xp(x).log(x / (1 - x))
