"""Smooth activation functions: those made of exponentials, of the error function, of tanh."""
from __future__ import annotations

import math
from typing import Any

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.cache_blocks import by_blocks
from tapegrad.autograd.ops.common.half_precision import floating, in_float32
from tapegrad.autograd.ops.pointwise.exponential import exp, logistic, sigmoid
from tapegrad.autograd.ops.pointwise.signs import abs
from tapegrad.autograd.ops.pointwise.trigonometry import tanh
from tapegrad.autograd.ops.pointwise.where import choose, keep
from tapegrad.backends import backend, xp

_SQRT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)
_K, _CUBIC = math.sqrt(2 / math.pi), 0.044715


def _gelu_exact(x: Array) -> Array:
    y = backend(x).erf(x * _SQRT_HALF)
    y += 1
    y *= x
    y *= 0.5
    return y


def _gelu_tanh(x: Array) -> Array:
    y = x * x
    y *= _K * _CUBIC
    y += _K
    y *= x
    y = xp(x).tanh(y)
    y += 1
    y *= x
    y *= 0.5
    return y


def _gelu_exact_back(g: Array, x: Array) -> Array:
    slope = xp(x).exp(x * x * -0.5)
    slope *= x
    slope *= _DENSITY
    normal = backend(x).erf(x * _SQRT_HALF)
    normal += 1
    normal *= 0.5
    slope += normal
    slope *= g
    return slope


def _gelu_tanh_back(g: Array, x: Array) -> Array:
    square = x * x
    t = xp(x).tanh(x * (square * (_K * _CUBIC) + _K))
    inner = square * (3 * _K * _CUBIC)
    inner += _K
    inner *= x
    inner *= (1 - t) * (1 + t)
    inner += t
    inner += 1
    inner *= 0.5
    inner *= g
    return inner


def _check_approximate(approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")


@op(input=lambda grad, input, approximate: _gelu_back(grad, input, approximate), kind="elementwise", functional=True)
@floating("GeluKernelImpl")
def gelu(input: Array, *, approximate: str = "none") -> Array:
    """`input` times the normal distribution's cumulative probability at it.

    Args:
        approximate: "none" uses the error function, "tanh" a formula that comes near it.

    Raises:
        RuntimeError: `approximate` is something else.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation_smooth import gelu
        >>> gelu(tapegrad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
    """
    _check_approximate(approximate)
    return by_blocks(_gelu_exact if approximate == "none" else _gelu_tanh, input)


@op(input=lambda grad, other, approximate: _gelu_back(grad, other, approximate), other=lambda grad, input, other, approximate: grad * input *
    _gelu_curvature(other, approximate), operands="free", public=False, batch=over())
@in_float32
def _gelu_back(input: Array, other: Array, approximate: str) -> Array:
    """`input` times the derivative of gelu at `other`."""
    return by_blocks(_gelu_exact_back if approximate == "none" else _gelu_tanh_back, input, other)


def _gelu_curvature(x: Array, approximate: str) -> Array:
    """The second derivative of gelu."""
    square = x * x
    if approximate == "none":
        return exp(square * -0.5) * (2 - square) * _DENSITY
    t = tanh(x * (square * (_K * _CUBIC) + _K))
    slope = square * (3 * _K * _CUBIC) + _K
    return (1 - t * t) * (slope + x * (x * (3 * _K * _CUBIC) - t * slope * slope))


def _silu(x: Array) -> Array:
    y = logistic(x)
    y *= x
    return y


def _silu_derived(g: Array, x: Array) -> Array:
    s = logistic(x)
    slope = 1 - s
    slope *= x
    slope += 1
    slope *= s
    slope *= g
    return slope


@op(input=lambda grad, input: _silu_back(grad, input), kind="elementwise", public=False)
@floating("silu_cpu")
def silu(input: Array) -> Array:
    """``input * sigmoid(input)``.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation_smooth import silu
        >>> silu(tapegrad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2689,  0.0000,  0.7311])
    """
    return by_blocks(_silu, input)


def _silu_curvature(x: Array) -> Array:
    s = sigmoid(x)
    return s * (1 - s) * (x * (1 - 2 * s) + 2)


@op(input=lambda grad, other: _silu_back(grad, other), other=lambda grad, input, other: grad * input * _silu_curvature(other), operands="free", public=False,
    batch=over())
@in_float32
def _silu_back(input: Array, other: Array) -> Array:
    """`input` times the derivative of silu at `other`."""
    return by_blocks(_silu_derived, input, other)


def _elu_rule(grad: Operand, input: Operand, alpha: float, scale: float, input_scale: float) -> Operand:
    lower = grad * exp(keep(input, ~(input > 0)) * input_scale) * (alpha * scale * input_scale)
    return choose(input > 0, grad * scale if scale != 1 else grad, lower)


@op(input=lambda grad, input, alpha, scale, input_scale: _elu_rule(grad, input, alpha, scale, input_scale), kind="elementwise", public=False)
@floating("elu_cpu")
def elu(input: Array, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Array:
    """`input` where it is positive, ``alpha * (exp(input) - 1)`` elsewhere.

    Args:
        alpha: the factor for negative elements.
        scale: a factor for all elements.
        input_scale: the factor of `input` in the exponential.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation_smooth import elu
        >>> elu(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    lower = xp(input).expm1(xp(input).minimum(input, 0) * input_scale)
    lower *= alpha
    result = xp(input).maximum(input, 0) + lower
    return result if scale == 1 else result * scale


@composite()
def selu(input: Operand) -> Any:
    """`elu` with the two constants for which activations keep mean 0 and variance 1.

    Example:
        >>> tapegrad.selu(tapegrad.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """
    return elu(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


@composite()
def celu(input: Operand, alpha: float = 1.0) -> Any:
    """`input` where it is positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere.

    Args:
        alpha: the scale of negative elements, not 0.

    Raises:
        RuntimeError: `alpha` is 0.

    Example:
        >>> tapegrad.celu(tapegrad.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return elu(input, alpha, 1.0, 1.0 / alpha)


def _softplus_rule(grad: Operand, input: Operand, beta: float, threshold: float) -> Operand:
    z = input * beta
    return choose(z > threshold, grad, grad * sigmoid(z))


@op(input=lambda grad, input, beta, threshold: _softplus_rule(grad, input, beta, threshold), kind="elementwise", functional=True)
@floating("softplus_cpu")
def softplus(input: Array, beta: float = 1, threshold: float = 20) -> Array:
    """``log(1 + exp(beta * input)) / beta``, a smooth relu.

    Args:
        beta: how sharp the bend is.
        threshold: where ``beta * input`` exceeds it, the result is `input` itself.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation_smooth import softplus
        >>> softplus(tapegrad.tensor([0.0, 30.0]))
        tensor([ 0.6931, 30.0000])
    """
    z = input * beta
    soft = _softplus(z)
    return choose.__wrapped__(z > threshold, input, soft / beta)  # type: ignore[attr-defined]


def _softplus(z: Array) -> Array:
    """``log(1 + exp(z))`` of an array."""
    space = xp(z)
    return space.log1p(space.exp(-space.absolute(z))) + space.maximum(z, 0)


@op(input=lambda grad, input: grad * sigmoid(-input), kind="elementwise", functional=True)
@floating("log_sigmoid_cpu")
def logsigmoid(input: Array) -> Array:
    """``log(sigmoid(input))``, without overflow.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation_smooth import logsigmoid
        >>> logsigmoid(tapegrad.tensor([0.0, -100.0]))
        tensor([  -0.6931, -100.0000])
    """
    return -_softplus(-input)


def _mish_rule(grad: Operand, input: Operand) -> Operand:
    t = tanh(softplus(input, 1, math.inf))
    return grad * (t + input * sigmoid(input) * ((1 - t) * (1 + t)))


@op(input=lambda grad, input: _mish_rule(grad, input), kind="elementwise", public=False)
@floating("mish_cpu")
def mish(input: Array) -> Array:
    """``input * tanh(softplus(input))``.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation_smooth import mish
        >>> mish(tapegrad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.3034,  0.0000,  0.8651])
    """
    return by_blocks(lambda x: x * xp(x).tanh(_softplus(x)), input)


def _softsign_rule(grad: Operand, input: Operand) -> Operand:
    size = abs(input) + 1
    return grad / (size * size)


@op(input=lambda grad, input: _softsign_rule(grad, input), kind="elementwise", operands="float", functional=True)
@in_float32
def softsign(input: Array) -> Array:
    """``input / (1 + abs(input))``.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation_smooth import softsign
        >>> softsign(tapegrad.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """
    return input / (xp(input).absolute(input) + 1)


@op(input=lambda grad, input: grad * _squared_tanh(input), kind="elementwise", operands="float", functional=True)
@in_float32
def tanhshrink(input: Array) -> Array:
    """``input - tanh(input)``.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation_smooth import tanhshrink
        >>> tanhshrink(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.2384,  1.0360])
    """
    return input - xp(input).tanh(input)


def _squared_tanh(input: Array) -> Array:
    t = tanh(input)
    return t * t
