"""Trigonometric and hyperbolic functions, and their inverses."""
from __future__ import annotations

import math
from typing import Any

from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.common.shared_rules import alias
from tapegrad.autograd.ops.pointwise.powers import rsqrt, sqrt
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.backends import xp


@op(input=lambda grad, input: grad * cos(input), kind="elementwise", operands="float", method=True, inplace=True)
def sin(input: Any) -> Any:
    """Elementwise sine.

    Args:
        input: a tensor, in radians; integers are taken as the default dtype.

    Example:
        >>> tapegrad.sin(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8415])
    """
    return xp(input).sin(input)


@op(input=lambda grad, input: -(grad * sin(input)), kind="elementwise", operands="float", method=True, inplace=True)
def cos(input: Any) -> Any:
    """Elementwise cosine.

    Args:
        input: a tensor, in radians; integers are taken as the default dtype.

    Example:
        >>> tapegrad.cos(tapegrad.tensor([0.0, 1.0]))
        tensor([1.0000, 0.5403])
    """
    return xp(input).cos(input)


@op(input=lambda grad, result: grad * (result * result + 1), kind="elementwise", operands="float", method=True, inplace=True)
def tan(input: Any) -> Any:
    """Elementwise tangent.

    Args:
        input: a tensor, in radians; integers are taken as the default dtype.

    Example:
        >>> tapegrad.tan(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 1.5574])
    """
    return xp(input).tan(input)


@op(input=lambda grad, input: grad * rsqrt((1 - input) * (1 + input)), kind="elementwise", operands="float", method=True, inplace=True)
def asin(input: Any) -> Any:
    """Elementwise inverse sine: NaN outside [-1, 1].

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.asin(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 1.5708])
    """
    return xp(input).arcsin(input)


@op(input=lambda grad, input: -(grad * rsqrt((1 - input) * (1 + input))), kind="elementwise", operands="float", method=True, inplace=True)
def acos(input: Any) -> Any:
    """Elementwise inverse cosine: NaN outside [-1, 1].

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.acos(tapegrad.tensor([0.0, 1.0]))
        tensor([1.5708, 0.0000])
    """
    return xp(input).arccos(input)


@op(input=lambda grad, input: grad / (input * input + 1), kind="elementwise", operands="float", method=True, inplace=True)
def atan(input: Any) -> Any:
    """Elementwise inverse tangent.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.atan(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7854])
    """
    return xp(input).arctan(input)


def _atan2_rule(grad: Any, leg: Any, other_leg: Any) -> Any:
    """``grad * leg / (leg ** 2 + other_leg ** 2)``, and 0 at the origin."""
    square = leg * leg + other_leg * other_leg
    return grad * leg / (square + (square == 0))


@op(input=lambda grad, input, other: _atan2_rule(grad, other, input), other=lambda grad, input, other: -_atan2_rule(grad, input, other), kind="elementwise",
    operands="float", method=True, inplace=True)
def atan2(input: Any, other: Any) -> Any:
    """Angle of the point (`other`, `input`) in radians, from -pi to pi. Its derivatives at the origin are 0.

    Args:
        input: the ordinates, a real tensor.
        other: the abscissas, a tensor that broadcasts with it.

    Example:
        >>> tapegrad.atan2(tapegrad.tensor([1.0, 0.0]), tapegrad.tensor([1.0, -1.0]))
        tensor([0.7854, 3.1416])
    """
    return xp(input).arctan2(input, other)


@op(input=lambda grad, input: grad * cosh(input), kind="elementwise", operands="float", method=True, inplace=True)
def sinh(input: Any) -> Any:
    """Elementwise hyperbolic sine.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.sinh(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 1.1752])
    """
    return xp(input).sinh(input)


@op(input=lambda grad, input: grad * sinh(input), kind="elementwise", operands="float", method=True, inplace=True)
def cosh(input: Any) -> Any:
    """Elementwise hyperbolic cosine.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.cosh(tapegrad.tensor([0.0, 1.0]))
        tensor([1.0000, 1.5431])
    """
    return xp(input).cosh(input)


@op(input=lambda grad, result: grad * ((1 - result) * (1 + result)), kind="elementwise", operands="float", method=True, inplace=True,
    inplace_fn=lambda a: xp(a).tanh(a, out=a))
def tanh(input: Any) -> Any:
    """Elementwise hyperbolic tangent.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.tanh(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7616])
    """
    return xp(input).tanh(input)


@op(input=lambda grad, input: grad / sqrt(input * input + 1), kind="elementwise", operands="float", method=True, inplace=True)
def asinh(input: Any) -> Any:
    """Elementwise inverse hyperbolic sine.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.asinh(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8814])
    """
    return xp(input).arcsinh(input)


@op(input=lambda grad, input: grad / (sqrt(input - 1) * sqrt(input + 1)), kind="elementwise", operands="float", method=True, inplace=True)
def acosh(input: Any) -> Any:
    """Elementwise inverse hyperbolic cosine: NaN below 1.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.acosh(tapegrad.tensor([1.0, 2.0]))
        tensor([0.0000, 1.3170])
    """
    return xp(input).arccosh(input)


@op(input=lambda grad, input: grad / ((1 - input) * (1 + input)), kind="elementwise", operands="float", method=True, inplace=True)
def atanh(input: Any) -> Any:
    """Elementwise inverse hyperbolic tangent: infinite at -1 and 1, NaN beyond.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.atanh(tapegrad.tensor([0.0, 0.5]))
        tensor([0.0000, 0.5493])
    """
    return xp(input).arctanh(input)


def _sinc_rule(grad: Any, input: Any) -> Any:
    angle = input * math.pi
    square = angle * input
    slope = (angle * cos(angle) - sin(angle)) / (square + (square == 0))
    return grad * keep(slope, square != 0)


@op(input=lambda grad, input: _sinc_rule(grad, input), kind="elementwise", operands="float", method=True, inplace=True)
@in_float32
def sinc(input: Any) -> Any:
    """Elementwise ``sin(pi * input) / (pi * input)``, 1 at 0.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.sinc(tapegrad.tensor([0.0, 0.5]))
        tensor([1.0000, 0.6366])
    """
    at_zero = input == 0
    angle = (input + at_zero) * math.pi
    return xp(input).sin(angle) / angle * ~at_zero + at_zero


@op(input=lambda grad: grad * (math.pi / 180), kind="linear", operands="float", method=True, inplace=True, batch=over())
@in_float32
def deg2rad(input: Any) -> Any:
    """Degrees as radians.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.deg2rad(tapegrad.tensor([180.0]))
        tensor([3.1416])
    """
    return input * (math.pi / 180)


@op(input=lambda grad: grad * (180 / math.pi), kind="linear", operands="float", method=True, inplace=True, batch=over())
@in_float32
def rad2deg(input: Any) -> Any:
    """Radians as degrees.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> tapegrad.rad2deg(tapegrad.tensor([3.14159265]))
        tensor([180.])
    """
    return input * (180 / math.pi)


arcsin = alias(asin, "arcsin")
arccos = alias(acos, "arccos")
arctan = alias(atan, "arctan")
arctan2 = alias(atan2, "arctan2")
arcsinh = alias(asinh, "arcsinh")
arccosh = alias(acosh, "arccosh")
arctanh = alias(atanh, "arctanh")
