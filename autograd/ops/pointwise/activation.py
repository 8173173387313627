"""Activation functions: those made of pieces, and smooth ones. `nn.functional` documents those that it wraps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import broadcasting, over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.cache_blocks import by_blocks
from tapegrad.autograd.ops.common.families import elementwise
from tapegrad.autograd.ops.common.half_precision import floating, in_float32
from tapegrad.autograd.ops.pointwise.clamp import clipped
from tapegrad.autograd.ops.pointwise.exponential import exp, logistic, sigmoid
from tapegrad.autograd.ops.pointwise.signs import abs
from tapegrad.autograd.ops.pointwise.trigonometry import tanh
from tapegrad.autograd.ops.pointwise.where import choose, keep, kept, select
from tapegrad.backends import backend, xp

_SMALL = 1024  # elements up to which `maximum` is faster than `clip`
_zeros: dict[np.dtype, np.ndarray] = {}


def _zero(dtype: np.dtype) -> np.ndarray:
    """Zero as a 0-d NumPy array, beside which a comparison takes half as long as beside a Python number."""
    zero = _zeros.get(dtype)
    if zero is None:
        zero = _zeros[dtype] = np.zeros((), dtype)
        zero.flags.writeable = False
    return zero


# ---- relu and its kin


@elementwise(input=lambda grad, result: _relu_back(grad, result), inplace_fn=lambda a: xp(a).maximum(a, 0, out=a))
def relu(input: Array) -> Array:
    """Elementwise ``max(input, 0)``. Its derivative at 0 is 0.

    Example:
        >>> tapegrad.relu(tapegrad.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    dtype = input.dtype
    if dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
    if input.__class__ is not np.ndarray:
        return xp(input).maximum(input, 0)
    if input.size > _SMALL and dtype.kind == "f" and dtype.itemsize > 2:
        return input.clip(0.0, math.inf)
    return np.maximum(input, _zero(dtype))


@op(
    input=lambda grad, output: _relu_back(grad, output),
    output=None,
    kind="linear",
    operands="free",
    public=False,
    batch=broadcasting(),
)
def _relu_back(input: Array, output: Array) -> Array:
    dropped = output <= (_zero(output.dtype) if output.__class__ is np.ndarray else 0)  # not NaN
    return kept(input, ~dropped)


@op(
    input=lambda grad, input, negative_slope: choose(input > 0, grad, grad * negative_slope),
    kind="elementwise",
    public=False,
)
@floating("leaky_relu_cpu")
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """`input` where it is positive, `negative_slope` times it elsewhere."""
    lower = input * negative_slope
    return xp(input).maximum(input, lower) if 0 <= negative_slope <= 1 else select(input > 0, input, lower)


def _broadcast_weight(input: Operand, weight: Operand) -> Operand:
    """`weight`, a number per channel, in the shape that broadcasts with `input`."""
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.ndim == 0 or weight.shape[0] == 1:
        return weight.reshape((1,) * input.ndim)
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.shape[0] != channels:
        raise RuntimeError(
            "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
            f"{weight.shape[0]} and channel size = {channels}."
        )
    return weight.reshape((1, -1) + (1,) * (input.ndim - 2))


@op(
    input=lambda grad, input, weight: choose(input > 0, grad, grad * weight),
    weight=lambda grad, input: keep(grad * input, ~(input > 0)),
    kind="elementwise",
    operands="same",
    public=False,
    name="prelu",
)
def _prelu(input: Array, weight: Array) -> Array:
    return select(input > 0, input, input * weight)


@composite(method=True)
def prelu(input: Operand, weight: Operand) -> Any:
    """`input` where it is positive, `weight` times it elsewhere.

    Args:
        weight: a single number, or one for each channel (dimension 1), as a tensor.

    Raises:
        RuntimeError: `weight` does not have one element or as many as there are channels.

    Example:
        >>> tapegrad.prelu(tapegrad.tensor([-1.0, 2.0]), tapegrad.tensor([0.25]))
        tensor([-0.2500,  2.0000])
    """
    return _prelu(input, _broadcast_weight(input, weight))


@op(input=lambda grad, input, threshold: keep(grad, ~(input <= threshold)), kind="elementwise")
def threshold(input: Array, threshold: float, value: float) -> Array:
    """`input` where it is greater than `threshold`, `value` elsewhere.

    Example:
        >>> tapegrad.threshold(tapegrad.tensor([-1.0, 2.0]), 0.0, 20.0)
        tensor([20.,  2.])
    """
    return select(input <= threshold, xp(input).full((), value, input.dtype), input)


@op(
    input=lambda grad, input, min_val, max_val: keep(grad, (input > min_val) & (input < max_val)),
    kind="elementwise",
    public=False,
)
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """`input` held within two numbers; no gradient passes at the bounds."""
    return clipped(input, min_val, max_val)


@composite(public=False)
def relu6(input: Operand) -> Any:
    """``min(max(input, 0), 6)``; no gradient passes at the bounds."""
    return hardtanh(input, 0.0, 6.0)


@op(input=lambda grad, input: keep(grad * (1 / 6), (input > -3) & (input < 3)), kind="elementwise", public=False)
@floating("hardsigmoid_cpu")
def hardsigmoid(input: Array) -> Array:
    """``input / 6 + 1/2``, held within 0 and 1."""
    return clipped(input + 3, 0, 6) / 6


def _hardswish_rule(grad: Operand, input: Operand) -> Operand:
    return choose(input >= 3, grad, keep(grad * (input * (1 / 3) + 0.5), ~(input <= -3)))


@op(input=_hardswish_rule, kind="elementwise", public=False)
@floating("hardswish_cpu")
def hardswish(input: Array) -> Array:
    """``input * hardsigmoid(input)``."""
    return by_blocks(lambda x: x * clipped(x + 3, 0, 6) / 6, input)


def _shrink_rule(grad: Operand, input: Operand, lambd: float) -> Operand:
    return keep(grad, abs(input) > lambd)


@elementwise(input=_shrink_rule, inplace=False)
@floating("hardshrink_cpu")
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """`input`, and 0 where its magnitude is at most `lambd`.

    Example:
        >>> tapegrad.hardshrink(tapegrad.tensor([-1.0, 0.3]))
        tensor([-1.,  0.])
    """
    return kept(input, ~(xp(input).absolute(input) <= lambd))


@op(input=_shrink_rule, kind="elementwise", functional=True)
@floating("softshrink_cpu")
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """`input` moved towards 0 by `lambd`, and 0 where its magnitude is less.

    Raises:
        RuntimeError: `lambd` is negative.

    Example:
        >>> tapegrad.nn.functional.softshrink(tapegrad.tensor([-1.0, 0.3, 2.0]))
        tensor([-0.5000,  0.0000,  1.5000])
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return input - clipped(input, -lambd, lambd)


# ---- gelu

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


@op(input=lambda grad, input, approximate: _gelu_back(grad, input, approximate), kind="elementwise", functional=True)
@floating("GeluKernelImpl")
def gelu(input: Array, *, approximate: str = "none") -> Array:
    """`input` times the normal distribution's cumulative probability at it.

    Args:
        approximate: "none" uses the error function, "tanh" a formula that comes near it.

    Raises:
        RuntimeError: `approximate` is something else.

    Example:
        >>> tapegrad.nn.functional.gelu(tapegrad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return by_blocks(_gelu_exact if approximate == "none" else _gelu_tanh, input)


@op(
    input=lambda grad, other, approximate: _gelu_back(grad, other, approximate),
    other=lambda grad, input, other, approximate: grad * input * _gelu_curvature(other, approximate),
    operands="free",
    public=False,
    batch=over(),
)
@in_float32
def _gelu_back(input: Array, other: Array, approximate: str) -> Array:
    """`input` times the derivative of gelu at `other`."""
    return by_blocks(_gelu_exact_back if approximate == "none" else _gelu_tanh_back, input, other)


def _gelu_curvature(x: Operand, approximate: str) -> Operand:
    """The second derivative of gelu."""
    square = x * x
    if approximate == "none":
        return exp(square * -0.5) * (2 - square) * _DENSITY
    t = tanh(x * (square * (_K * _CUBIC) + _K))
    slope = square * (3 * _K * _CUBIC) + _K
    return (1 - t * t) * (slope + x * (x * (3 * _K * _CUBIC) - t * slope * slope))


# ---- silu


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
    """``input * sigmoid(input)``."""
    return by_blocks(_silu, input)


def _silu_curvature(x: Operand) -> Operand:
    s = sigmoid(x)
    return s * (1 - s) * (x * (1 - 2 * s) + 2)


@op(
    input=lambda grad, other: _silu_back(grad, other),
    other=lambda grad, input, other: grad * input * _silu_curvature(other),
    operands="free",
    public=False,
    batch=over(),
)
@in_float32
def _silu_back(input: Array, other: Array) -> Array:
    """`input` times the derivative of silu at `other`."""
    return by_blocks(_silu_derived, input, other)


# ---- elu and its kin


def _elu_rule(grad: Operand, input: Operand, alpha: float, scale: float, input_scale: float) -> Operand:
    lower = grad * exp(keep(input, ~(input > 0)) * input_scale) * (alpha * scale * input_scale)
    return choose(input > 0, grad * scale if scale != 1 else grad, lower)


@op(input=_elu_rule, kind="elementwise", public=False)
@floating("elu_cpu")
def elu(input: Array, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Array:
    """`input` where it is positive, ``alpha * (exp(input * input_scale) - 1)`` elsewhere; all of it times `scale`."""
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

    Raises:
        RuntimeError: `alpha` is 0.

    Example:
        >>> tapegrad.celu(tapegrad.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return elu(input, alpha, 1.0, 1.0 / alpha)


# ---- softplus and its kin


def _softplus(z: Array) -> Array:
    """``log(1 + exp(z))`` of an array."""
    space = xp(z)
    return space.log1p(space.exp(-space.absolute(z))) + space.maximum(z, 0)


def _softplus_rule(grad: Operand, input: Operand, beta: float, threshold: float) -> Operand:
    z = input * beta
    return choose(z > threshold, grad, grad * sigmoid(z))


@op(input=_softplus_rule, kind="elementwise", functional=True)
@floating("softplus_cpu")
def softplus(input: Array, beta: float = 1, threshold: float = 20) -> Array:
    """``log(1 + exp(beta * input)) / beta``, a smooth relu; `input` itself where ``beta * input`` exceeds `threshold`.

    Example:
        >>> tapegrad.nn.functional.softplus(tapegrad.tensor([0.0, 30.0]))
        tensor([ 0.6931, 30.0000])
    """
    z = input * beta
    return select(z > threshold, input, _softplus(z) / beta)


@op(input=lambda grad, input: grad * sigmoid(-input), kind="elementwise", functional=True)
@floating("log_sigmoid_cpu")
def logsigmoid(input: Array) -> Array:
    """``log(sigmoid(input))``, without overflow.

    Example:
        >>> tapegrad.nn.functional.logsigmoid(tapegrad.tensor([0.0, -100.0]))
        tensor([  -0.6931, -100.0000])
    """
    return -_softplus(-input)


def _mish_rule(grad: Operand, input: Operand) -> Operand:
    t = tanh(softplus(input, 1, math.inf))
    return grad * (t + input * sigmoid(input) * ((1 - t) * (1 + t)))


@op(input=_mish_rule, kind="elementwise", public=False)
@floating("mish_cpu")
def mish(input: Array) -> Array:
    """``input * tanh(softplus(input))``."""
    return by_blocks(lambda x: x * xp(x).tanh(_softplus(x)), input)


# ---- softsign, tanhshrink


def _softsign_rule(grad: Operand, input: Operand) -> Operand:
    size = abs(input) + 1
    return grad / (size * size)


@op(input=_softsign_rule, kind="elementwise", operands="float", functional=True)
@in_float32
def softsign(input: Array) -> Array:
    """``input / (1 + abs(input))``.

    Example:
        >>> tapegrad.nn.functional.softsign(tapegrad.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """
    return input / (xp(input).absolute(input) + 1)


def _tanhshrink_rule(grad: Operand, input: Operand) -> Operand:
    t = tanh(input)
    return grad * (t * t)


@op(input=_tanhshrink_rule, kind="elementwise", operands="float", functional=True)
@in_float32
def tanhshrink(input: Array) -> Array:
    """``input - tanh(input)``.

    Example:
        >>> tapegrad.nn.functional.tanhshrink(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.2384,  1.0360])
    """
    return input - xp(input).tanh(input)
