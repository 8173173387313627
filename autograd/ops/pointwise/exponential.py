"""Exponentials and logarithms."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.common.shared_rules import array_among
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.backends import xp

LN2 = 0.6931471805599453
LN10 = 2.302585092994046


@op(input=lambda grad, result: grad * result, kind="elementwise", operands="float", method=True, inplace=True, inplace_fn=lambda a: xp(a).exp(a, out=a))
def exp(input: Any) -> Any:
    """Elementwise exponential.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.exp(tapegrad.tensor([0.0]))
        tensor([1.])
    """
    return xp(input).exp(input)


@op(input=lambda grad, result: grad * (result * LN2), kind="elementwise", operands="float", method=True, inplace=True)
def exp2(input: Any) -> Any:
    """Elementwise power of two.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.exp2(tapegrad.tensor([0.0, 3.0]))
        tensor([1., 8.])
    """
    return xp(input).exp2(input) if input.dtype.kind != "c" else xp(input).exp(input * LN2)


@op(input=lambda grad, result: grad * (result + 1), kind="elementwise", operands="float", method=True, inplace=True)
def expm1(input: Any) -> Any:
    """``exp(input) - 1``, accurate near 0.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.expm1(tapegrad.tensor([0.0, 1e-6]))
        tensor([0.0000e+00, 1.0000e-06])
    """
    return xp(input).expm1(input)


@op(input=lambda grad, input: grad / input, kind="elementwise", operands="float", method=True, inplace=True)
def log(input: Any) -> Any:
    """Elementwise natural logarithm: NaN of negative numbers, -inf of 0.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.log(tapegrad.tensor([1.0, 2.0]))
        tensor([0.0000, 0.6931])
    """
    return xp(input).log(input)


@op(input=lambda grad, input: grad / (input * LN2), kind="elementwise", operands="float", method=True, inplace=True)
def log2(input: Any) -> Any:
    """Elementwise logarithm to base 2.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.log2(tapegrad.tensor([1.0, 8.0]))
        tensor([0., 3.])
    """
    return xp(input).log2(input)


@op(input=lambda grad, input: grad / (input * LN10), kind="elementwise", operands="float", method=True, inplace=True)
def log10(input: Any) -> Any:
    """Elementwise logarithm to base 10.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.log10(tapegrad.tensor([1.0, 2.0]))
        tensor([0.0000, 0.3010])
    """
    return xp(input).log10(input)


@op(input=lambda grad, input: grad / (input + 1), kind="elementwise", operands="float", method=True, inplace=True)
def log1p(input: Any) -> Any:
    """``log(1 + input)``, accurate near 0.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.log1p(tapegrad.tensor([0.0, 1e-6]))
        tensor([0.0000e+00, 1.0000e-06])
    """
    return xp(input).log1p(input)


@op(input=lambda grad, input, other: grad * sigmoid(input - other), other=lambda grad, input, other: grad * sigmoid(other - input), kind="elementwise",
    operands="float", method=True)
def logaddexp(input: Any, other: Any) -> Any:
    """``log(exp(input) + exp(other))``, without overflow.

    Args:
        input: a real floating-point tensor.
        other: a tensor that broadcasts with it.

    Example:
        >>> tapegrad.logaddexp(tapegrad.tensor([100.0]), tapegrad.tensor([100.0]))
        tensor([100.6931])
    """
    return xp(input).logaddexp(input, other)


@op(input=lambda grad, input, other: grad * sigmoid((input - other) * LN2), other=lambda grad, input, other: grad * sigmoid((other - input) * LN2),
    kind="elementwise", operands="float", method=True)
def logaddexp2(input: Any, other: Any) -> Any:
    """``log2(2 ** input + 2 ** other)``, without overflow.

    Args:
        input: a real floating-point tensor.
        other: a tensor that broadcasts with it.

    Example:
        >>> tapegrad.logaddexp2(tapegrad.tensor([200.0]), tapegrad.tensor([200.0]))
        tensor([201.])
    """
    return xp(input).logaddexp2(input, other)


def _xlogy_rule(grad: Any, input: Any, other: Any) -> Any:
    return keep(xlogy(grad, other), ~((input == 0) & (other <= 0)))


@op(input=lambda grad, input, other: _xlogy_rule(grad, input, other), other=lambda grad, input, other: grad * input / other, kind="elementwise",
    operands="float", method=True, inplace=True)
def xlogy(input: Any, other: Any) -> Any:
    """``input * log(other)``, and 0 where `input` is 0, unless `other` is NaN.

    Args:
        input: a tensor or a number.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.xlogy(tapegrad.tensor([0.0, 2.0]), tapegrad.tensor([0.0, 1.0]))
        tensor([0., 0.])
    """
    array = array_among(input, other)
    return _xlogy(*[v if hasattr(v, "dtype") else xp(array).full((), v, array.dtype) for v in (input, other)])


@in_float32
def _xlogy(x: Any, y: Any) -> Any:
    product = x * xp(y).log(y)
    return xp(y).where((x == 0) & (y == y), xp(y).zeros((), product.dtype), product)


@op(input=lambda grad, result: grad * (1 - result) * result, kind="elementwise", operands="float", method=True, inplace=True)
@in_float32
def sigmoid(input: Any) -> Any:
    """Elementwise ``1 / (1 + exp(-input))``.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.sigmoid(tapegrad.tensor([0.0]))
        tensor([0.5000])
    """
    return logistic(input)


def logistic(x: Any) -> Any:
    """``1 / (1 + exp(-x))`` of an array in single or double precision."""
    y = xp(x).exp(-x)
    y += 1
    return xp(x).reciprocal(y)


@op(input=lambda grad, input, eps: _logit_rule(grad, input, eps), kind="elementwise", operands="float", method=True, inplace=True)
@in_float32
def logit(input: Any, eps: float | None = None) -> Any:
    """Elementwise ``log(input / (1 - input))``, the inverse of `sigmoid`.

    Args:
        input: a tensor; integers are taken as the default dtype.
        eps: where given, `input` is first clamped to [eps, 1 - eps].

    Example:
        >>> tapegrad.logit(tapegrad.tensor([0.5]))
        tensor([0.])
    """
    x = input if eps is None else xp(input).clip(input, eps, 1 - eps)
    return xp(x).log(x / (1 - x))


def _logit_rule(grad: Any, input: Any, eps: float | None) -> Any:
    slope = grad / (input * (1 - input))
    if eps is not None:
        return keep(slope, (input >= eps) & (input <= 1 - eps))
    # Outside [0, 1] the function has no value, and no derivative.
    inside = (input >= 0) & (input <= 1)
    return slope + _nan_unless(inside, slope)


@op(mask=None, like=None, operands="free", public=False, batch=over())
def _nan_unless(mask: Any, like: Any) -> Any:
    return xp(mask).where(mask, 0.0, xp(mask).nan).astype(like.dtype)
