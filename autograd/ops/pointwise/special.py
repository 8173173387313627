"""The error function, the gamma function, and their relatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, inplace_form, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.ops.common.families import documented, elementwise
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.pointwise.exponential import exp
from tapegrad.backends import backend, xp

_ROOT_PI = math.sqrt(math.pi)


def _special(name: str, rule: Callable[..., Any], summary: str, of: str, result: str) -> OpFunction:
    """A function of real numbers that backends bring."""

    def function(input: Array) -> Array:
        return getattr(backend(input), name)(input)

    call = f"tapegrad.{name}(tapegrad.tensor({of}))"
    return elementwise(input=rule, operands="float")(documented(function, name, summary, call, f"tensor({result})"))


erf = _special(
    "erf",
    lambda grad, input: grad * (exp(-(input * input)) * (2 / _ROOT_PI)),
    "The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t * t)`` from 0 to `input`.",
    "[0.0, 1.0]",
    "[0.0000, 0.8427]",
)
erfc = _special(
    "erfc",
    lambda grad, input: grad * (exp(-(input * input)) * (-2 / _ROOT_PI)),
    "The complementary error function, ``1 - erf(input)``.",
    "[0.0, 1.0]",
    "[1.0000, 0.1573]",
)
erfinv = _special(
    "erfinv",
    lambda grad, result: grad * (exp(result * result) * (_ROOT_PI / 2)),
    "The inverse of `erf`: infinite at -1 and 1, NaN beyond.",
    "[0.0, 0.5]",
    "[0.0000, 0.4769]",
)
lgamma = _special(
    "lgamma",
    lambda grad, input: grad * digamma(input),
    "The logarithm of the magnitude of the gamma function.",
    "[1.0, 5.0]",
    "[0.0000, 3.1781]",
)
digamma = _special(
    "digamma",
    lambda grad, input: grad * _polygamma(input, 1),
    "The derivative of the logarithm of the gamma function.",
    "[1.0, 2.0]",
    "[-0.5772,  0.4228]",
)


# Bernoulli numbers B2, B4, ... over their factorials (2k)!: the terms of Euler's and Maclaurin's sum.
_BERNOULLI = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
)
_SHIFT = 10


def _zeta(s: int, x: Array) -> Array:
    """Hurwitz' zeta function, the sum of ``(x + k) ** -s`` over k >= 0, for positive x.

    By Euler's and Maclaurin's formula (NIST DLMF 25.11.43).
    """
    total = x ** -float(s)
    for k in range(1, _SHIFT):
        total = total + (x + k) ** -float(s)
    x = x + _SHIFT
    power = x ** -float(s)
    total = total + x ** -float(s - 1) / (s - 1) + power * 0.5
    square = 1 / (x * x)
    power = power * s / x
    for i, b in enumerate(_BERNOULLI):
        total = total + power * b
        power = power * ((s + 2 * i + 1) * (s + 2 * i + 2)) * square
    return total


def _reflected(n: int, x: Array) -> Array:
    """``d^n/dx^n`` of ``pi * cot(pi x)``, by the polynomial in the cotangent that it is."""
    slope = [0.0, 1.0]
    for _ in range(n):  # d/dx p(c) = -pi (1 + c^2) p'(c)
        derived = [i * c for i, c in enumerate(slope)][1:]
        slope = [-math.pi * c for c in derived] + [0.0, 0.0]
        for i, c in enumerate(derived):
            slope[i + 2] -= math.pi * c
    cot = 1 / xp(x).tan(math.pi * x)
    value = slope.pop()
    for c in reversed(slope):
        value = value * cot + c
    return math.pi * value


@op(
    input=lambda grad, input, order: grad * _polygamma(input, order + 1),
    kind="elementwise",
    operands="float",
    public=False,
    name="polygamma",
)
@in_float32
def _polygamma(input: Array, order: int) -> Array:
    space = xp(input)
    sign = (-1) ** (order + 1) * math.factorial(order)
    below = input <= 0
    right = space.where(below, 1 - input, input)
    value = _zeta(order + 1, right) * sign
    # psi_n(1 - x) (-1)^n = psi_n(x) + d^n/dx^n pi cot(pi x)
    mirrored = value * (-1) ** order - _reflected(order, space.where(below, input, 0.25))
    return space.where(below, mirrored, value)


@composite()
def polygamma(n: int, input: Operand, *, out: Operand = None) -> Any:
    """The derivative of order `n` of `digamma`.

    Raises:
        RuntimeError: `n` is negative.

    Example:
        >>> tapegrad.polygamma(1, tapegrad.tensor([1.0]))
        tensor([1.6449])
    """
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return digamma(input, out=out) if n == 0 else _polygamma(input, n, out=out)


def _polygamma_method(self: Tensor, n: int) -> Any:
    """``polygamma(n, self)``."""
    return polygamma(n, self)


_polygamma_method.__name__ = "polygamma"
Tensor.polygamma = _polygamma_method  # type: ignore[method-assign,assignment]
Tensor.polygamma_ = inplace_form(_polygamma_method)  # type: ignore[method-assign]


@composite(method=True, inplace=True)
def mvlgamma(input: Operand, p: int, *, out: Operand = None) -> Any:
    """The logarithm of the multivariate gamma function of dimension `p`; elements exceed ``(p - 1) / 2``.

    Example:
        >>> tapegrad.mvlgamma(tapegrad.tensor([3.0]), 2)
        tensor([1.5502])
    """
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    result = lgamma(input)
    for j in range(1, p):
        result = result + lgamma(input - j / 2)
    return stored("mvlgamma", out, result + p * (p - 1) / 4 * math.log(math.pi))
