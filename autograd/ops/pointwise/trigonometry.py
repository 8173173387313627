"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

import math

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.ops.common.families import elementary, elementwise
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.common.shared_rules import alias
from tapegrad.autograd.ops.pointwise.powers import rsqrt, sqrt
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.backends import xp

sin = elementary(np.sin, "sine, of radians", "[0.0000, 0.8415]", lambda grad, input: grad * cos(input))
cos = elementary(np.cos, "cosine, of radians", "[1.0000, 0.5403]", lambda grad, input: -(grad * sin(input)))
tan = elementary(np.tan, "tangent, of radians", "[0.0000, 1.5574]", lambda grad, result: grad * (result * result + 1))

asin = elementary(
    np.arcsin,
    "inverse sine, NaN outside [-1, 1]",
    "[0.0000, 1.5708]",
    lambda grad, input: grad * rsqrt((1 - input) * (1 + input)),
)
acos = elementary(
    np.arccos,
    "inverse cosine, NaN outside [-1, 1]",
    "[1.5708, 0.0000]",
    lambda grad, input: -(grad * rsqrt((1 - input) * (1 + input))),
)
atan = elementary(np.arctan, "inverse tangent", "[0.0000, 0.7854]", lambda grad, input: grad / (input * input + 1))

sinh = elementary(np.sinh, "hyperbolic sine", "[0.0000, 1.1752]", lambda grad, input: grad * cosh(input))
cosh = elementary(np.cosh, "hyperbolic cosine", "[1.0000, 1.5431]", lambda grad, input: grad * sinh(input))
tanh = elementary(
    np.tanh, "hyperbolic tangent", "[0.0000, 0.7616]", lambda grad, result: grad * ((1 - result) * (1 + result))
)

asinh = elementary(
    np.arcsinh, "inverse hyperbolic sine", "[0.0000, 0.8814]", lambda grad, input: grad / sqrt(input * input + 1)
)
acosh = elementary(
    np.arccosh,
    "inverse hyperbolic cosine, NaN below 1",
    "[0.0000, 1.3170]",
    lambda grad, input: grad / (sqrt(input - 1) * sqrt(input + 1)),
    of="[1.0, 2.0]",
)
atanh = elementary(
    np.arctanh,
    "inverse hyperbolic tangent, infinite at -1 and 1, NaN beyond",
    "[0.0000, 0.5493]",
    lambda grad, input: grad / ((1 - input) * (1 + input)),
    of="[0.0, 0.5]",
)


def _atan2_rule(grad: Operand, leg: Operand, other_leg: Operand) -> Operand:
    """``grad * leg / (leg ** 2 + other_leg ** 2)``, and 0 at the origin."""
    square = leg * leg + other_leg * other_leg
    return grad * leg / (square + (square == 0))


@elementwise(
    input=lambda grad, input, other: _atan2_rule(grad, other, input),
    other=lambda grad, input, other: -_atan2_rule(grad, input, other),
    operands="float",
)
def atan2(input: Array, other: Array) -> Array:
    """Angle of the point (`other`, `input`) in radians, from -pi to pi. Its derivatives at the origin are 0.

    Example:
        >>> tapegrad.atan2(tapegrad.tensor([1.0, 0.0]), tapegrad.tensor([1.0, -1.0]))
        tensor([0.7854, 3.1416])
    """
    return xp(input).arctan2(input, other)


def _sinc_rule(grad: Operand, input: Operand) -> Operand:
    angle = input * math.pi
    square = angle * input
    slope = (angle * cos(angle) - sin(angle)) / (square + (square == 0))
    return grad * keep(slope, square != 0)


@elementwise(input=_sinc_rule, operands="float")
@in_float32
def sinc(input: Array) -> Array:
    """Elementwise ``sin(pi * input) / (pi * input)``, 1 at 0.

    Example:
        >>> tapegrad.sinc(tapegrad.tensor([0.0, 0.5]))
        tensor([1.0000, 0.6366])
    """
    at_zero = input == 0
    angle = (input + at_zero) * math.pi
    return xp(input).sin(angle) / angle * ~at_zero + at_zero


@elementwise(input=lambda grad: grad * (math.pi / 180), kind="linear", operands="float", batch=over())
@in_float32
def deg2rad(input: Array) -> Array:
    """Degrees as radians.

    Example:
        >>> tapegrad.deg2rad(tapegrad.tensor([180.0]))
        tensor([3.1416])
    """
    return input * (math.pi / 180)


@elementwise(input=lambda grad: grad * (180 / math.pi), kind="linear", operands="float", batch=over())
@in_float32
def rad2deg(input: Array) -> Array:
    """Radians as degrees.

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
