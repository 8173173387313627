"""Activation functions. PyTorch has most of them in ``nn.functional`` only; the rest are in ``__all__``."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.op import composite, op
from tapegrad.autograd.ops.blocks import by_blocks
from tapegrad.autograd.ops.bounds import clipped
from tapegrad.autograd.ops.dims import wrap
from tapegrad.autograd.ops.exponential import exp, logistic, sigmoid
from tapegrad.autograd.ops.precision import floating, in_float32
from tapegrad.autograd.ops.select import choose, keep
from tapegrad.autograd.ops.signs import abs
from tapegrad.autograd.ops.trigonometry import tanh
from tapegrad.backends import backend, xp

_FEW = 1024
_zeros: dict[np.dtype, np.ndarray] = {}


def _zero(dtype: np.dtype) -> np.ndarray:
    """Zero as a 0-d NumPy array, beside which a comparison takes half as long as beside a Python number."""
    found = _zeros.get(dtype)
    if found is None:
        found = _zeros[dtype] = np.zeros((), dtype)
        found.flags.writeable = False
    return found


# ---- relu and its kin

@op(input=lambda grad, result: _relu_back(grad, result), kind="elementwise", method=True, inplace=True, inplace_fn=lambda a: xp(a).maximum(a, 0, out=a))
def relu(input: Any) -> Any:
    """Elementwise ``max(input, 0)``. Its derivative at 0 is 0.

    Args:
        input: a real tensor.

    Example:
        >>> import tapegrad
        >>> tapegrad.relu(tapegrad.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    if input.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
    if input.__class__ is np.ndarray:
        dtype = input.dtype
        if input.size > _FEW and dtype.kind == "f" and dtype.itemsize > 2:
            return input.clip(0.0, math.inf)
        return np.maximum(input, _zero(dtype))
    return xp(input).maximum(input, 0)


@op(input=lambda grad, output: _relu_back(grad, output), output=None, kind="linear", types="free", public=False)
def _relu_back(input: Any, output: Any) -> Any:
    dropped = output <= (_zero(output.dtype) if output.__class__ is np.ndarray else 0)  # not NaN
    return keep.__wrapped__(input, ~dropped)  # type: ignore[attr-defined]


@op(input=lambda grad, input, negative_slope: choose(input > 0, grad, grad * negative_slope), kind="elementwise", public=False)
@floating("leaky_relu_cpu")
def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """`input` where it is positive, `negative_slope` times it elsewhere.

    Args:
        input: a floating-point tensor.
        negative_slope: the slope for negative elements.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import leaky_relu
        >>> leaky_relu(tapegrad.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.5000,  2.0000])
    """
    lower = input * negative_slope
    if 0 <= negative_slope <= 1:
        return xp(input).maximum(input, lower)
    return choose.__wrapped__(input > 0, input, lower)  # type: ignore[attr-defined]


def _broadcast_weight(input: Any, weight: Any) -> Any:
    """`weight`, a number per channel, in the shape that broadcasts with `input`."""
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.ndim == 0 or weight.shape[0] == 1:
        return weight.reshape((1,) * input.ndim) if input.ndim else weight.reshape(())
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.shape[0] != channels:
        raise RuntimeError(f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.shape[0]} and channel size = {channels}.")
    return weight.reshape((1, -1) + (1,) * (input.ndim - 2))


@op(input=lambda grad, input, weight: choose(input > 0, grad, grad * weight), weight=lambda grad, input: keep(grad * input, ~(input > 0)),
    kind="elementwise", types="same", public=False, name="prelu")
def _prelu(input: Any, weight: Any) -> Any:
    return choose.__wrapped__(input > 0, input, input * weight)  # type: ignore[attr-defined]


@composite(method=True)
def prelu(input: Any, weight: Any) -> Any:
    """`input` where it is positive, `weight` times it elsewhere.

    Args:
        input: a floating-point tensor.
        weight: a single number, or one for each channel (dimension 1), as a tensor.

    Raises:
        RuntimeError: `weight` does not have one element or as many as there are channels.

    Example:
        >>> import tapegrad
        >>> tapegrad.prelu(tapegrad.tensor([-1.0, 2.0]), tapegrad.tensor([0.25]))
        tensor([-0.2500,  2.0000])
    """
    return _prelu(input, _broadcast_weight(input, weight))


@op(input=lambda grad, input, threshold: keep(grad, ~(input <= threshold)), kind="elementwise")
def threshold(input: Any, threshold: float, value: float) -> Any:
    """`input` where it is greater than `threshold`, `value` elsewhere.

    Args:
        input: a real tensor.
        threshold: the threshold.
        value: what replaces the elements that do not exceed it.

    Example:
        >>> import tapegrad
        >>> tapegrad.threshold(tapegrad.tensor([-1.0, 2.0]), 0.0, 20.0)
        tensor([20.,  2.])
    """
    return choose.__wrapped__(input <= threshold, xp(input).full((), value, input.dtype), input)  # type: ignore[attr-defined]


@op(input=lambda grad, input, min_val, max_val: keep(grad, (input > min_val) & (input < max_val)), kind="elementwise", public=False)
def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """`input` held within two numbers; no gradient passes at the bounds.

    Args:
        input: a real tensor.
        min_val: the lower bound.
        max_val: the upper bound.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import hardtanh
        >>> hardtanh(tapegrad.tensor([-2.0, 0.5, 2.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    return clipped(input, min_val, max_val)


@composite(public=False)
def relu6(input: Any) -> Any:
    """``min(max(input, 0), 6)``; no gradient passes at the bounds.

    Args:
        input: a real tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import relu6
        >>> relu6(tapegrad.tensor([-1.0, 2.0, 7.0]))
        tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0)


@op(input=lambda grad, input: keep(grad * (1 / 6), (input > -3) & (input < 3)), kind="elementwise", public=False)
@floating("hardsigmoid_cpu")
def hardsigmoid(input: Any) -> Any:
    """``input / 6 + 1/2``, held within 0 and 1.

    Args:
        input: a floating-point tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import hardsigmoid
        >>> hardsigmoid(tapegrad.tensor([-4.0, 0.0, 3.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return clipped(input + 3, 0, 6) / 6


def _hardswish_rule(grad: Any, input: Any) -> Any:
    return choose(input >= 3, grad, keep(grad * (input * (1 / 3) + 0.5), ~(input <= -3)))


@op(input=lambda grad, input: _hardswish_rule(grad, input), kind="elementwise", public=False)
@floating("hardswish_cpu")
def hardswish(input: Any) -> Any:
    """``input * hardsigmoid(input)``.

    Args:
        input: a floating-point tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import hardswish
        >>> hardswish(tapegrad.tensor([-4.0, 1.0, 4.0]))
        tensor([-0.0000,  0.6667,  4.0000])
    """
    return by_blocks(lambda x: x * clipped(x + 3, 0, 6) / 6, input)


@op(input=lambda grad, input, lambd: keep(grad, abs(input) > lambd), kind="elementwise", method=True)
@floating("hardshrink_cpu")
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """`input`, and 0 where its magnitude is at most `lambd`.

    Args:
        input: a floating-point tensor.
        lambd: the threshold.

    Example:
        >>> import tapegrad
        >>> tapegrad.hardshrink(tapegrad.tensor([-1.0, 0.3]))
        tensor([-1.,  0.])
    """
    return keep.__wrapped__(input, ~(xp(input).absolute(input) <= lambd))  # type: ignore[attr-defined]


@op(input=lambda grad, input, lambd: keep(grad, abs(input) > lambd), kind="elementwise")
@floating("softshrink_cpu")
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """`input` moved towards 0 by `lambd`, and 0 where its magnitude is less.

    Args:
        input: a floating-point tensor.
        lambd: how far, not negative.

    Raises:
        RuntimeError: `lambd` is negative.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import softshrink
        >>> softshrink(tapegrad.tensor([-1.0, 0.3, 2.0]))
        tensor([-0.5000,  0.0000,  1.5000])
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return input - clipped(input, -lambd, lambd)


# ---- smooth ones

_SQRT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)
_K, _CUBIC = math.sqrt(2 / math.pi), 0.044715


def _gelu_exact(x: Any) -> Any:
    y = backend(x).erf(x * _SQRT_HALF)
    y += 1
    y *= x
    y *= 0.5
    return y


def _gelu_tanh(x: Any) -> Any:
    y = x * x
    y *= _K * _CUBIC
    y += _K
    y *= x
    y = xp(x).tanh(y)
    y += 1
    y *= x
    y *= 0.5
    return y


def _gelu_exact_back(g: Any, x: Any) -> Any:
    slope = xp(x).exp(x * x * -0.5)
    slope *= x
    slope *= _DENSITY
    normal = backend(x).erf(x * _SQRT_HALF)
    normal += 1
    normal *= 0.5
    slope += normal
    slope *= g
    return slope


def _gelu_tanh_back(g: Any, x: Any) -> Any:
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


@op(input=lambda grad, input, approximate: _gelu_back(grad, input, approximate), kind="elementwise")
@floating("GeluKernelImpl")
def gelu(input: Any, *, approximate: str = "none") -> Any:
    """`input` times the normal distribution's cumulative probability at it.

    Args:
        input: a floating-point tensor.
        approximate: "none" uses the error function, "tanh" a formula that comes near it.

    Raises:
        RuntimeError: `approximate` is something else.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import gelu
        >>> gelu(tapegrad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
    """
    _check_approximate(approximate)
    return by_blocks(_gelu_exact if approximate == "none" else _gelu_tanh, input)


@op(input=lambda grad, other, approximate: _gelu_back(grad, other, approximate), other=lambda grad, input, other, approximate: grad * input *
    _gelu_curvature(other, approximate), types="free", public=False)
@in_float32
def _gelu_back(input: Any, other: Any, approximate: str) -> Any:
    """`input` times the derivative of gelu at `other`."""
    return by_blocks(_gelu_exact_back if approximate == "none" else _gelu_tanh_back, input, other)


def _gelu_curvature(x: Any, approximate: str) -> Any:
    """The second derivative of gelu."""
    square = x * x
    if approximate == "none":
        return exp(square * -0.5) * (2 - square) * _DENSITY
    t = tanh(x * (square * (_K * _CUBIC) + _K))
    slope = square * (3 * _K * _CUBIC) + _K
    return (1 - t * t) * (slope + x * (x * (3 * _K * _CUBIC) - t * slope * slope))


def _silu(x: Any) -> Any:
    y = logistic(x)
    y *= x
    return y


def _silu_derived(g: Any, x: Any) -> Any:
    s = logistic(x)
    slope = 1 - s
    slope *= x
    slope += 1
    slope *= s
    slope *= g
    return slope


@op(input=lambda grad, input: _silu_back(grad, input), kind="elementwise", public=False)
@floating("silu_cpu")
def silu(input: Any) -> Any:
    """``input * sigmoid(input)``.

    Args:
        input: a floating-point tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import silu
        >>> silu(tapegrad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2689,  0.0000,  0.7311])
    """
    return by_blocks(_silu, input)


def _silu_curvature(x: Any) -> Any:
    s = sigmoid(x)
    return s * (1 - s) * (x * (1 - 2 * s) + 2)


@op(input=lambda grad, other: _silu_back(grad, other), other=lambda grad, input, other: grad * input * _silu_curvature(other), types="free", public=False)
@in_float32
def _silu_back(input: Any, other: Any) -> Any:
    """`input` times the derivative of silu at `other`."""
    return by_blocks(_silu_derived, input, other)


def _elu_rule(grad: Any, input: Any, alpha: float, scale: float, input_scale: float) -> Any:
    lower = grad * exp(keep(input, ~(input > 0)) * input_scale) * (alpha * scale * input_scale)
    return choose(input > 0, grad * scale if scale != 1 else grad, lower)


@op(input=lambda grad, input, alpha, scale, input_scale: _elu_rule(grad, input, alpha, scale, input_scale), kind="elementwise", public=False)
@floating("elu_cpu")
def elu(input: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """`input` where it is positive, ``alpha * (exp(input) - 1)`` elsewhere.

    Args:
        input: a floating-point tensor.
        alpha: the factor for negative elements.
        scale: a factor for all elements.
        input_scale: the factor of `input` in the exponential.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import elu
        >>> elu(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    lower = xp(input).expm1(xp(input).minimum(input, 0) * input_scale)
    lower *= alpha
    result = xp(input).maximum(input, 0) + lower
    return result if scale == 1 else result * scale


@composite()
def selu(input: Any) -> Any:
    """`elu` with the two constants for which activations keep mean 0 and variance 1.

    Args:
        input: a floating-point tensor.

    Example:
        >>> import tapegrad
        >>> tapegrad.selu(tapegrad.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """
    return elu(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


@composite()
def celu(input: Any, alpha: float = 1.0) -> Any:
    """`input` where it is positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere.

    Args:
        input: a floating-point tensor.
        alpha: the scale of negative elements, not 0.

    Raises:
        RuntimeError: `alpha` is 0.

    Example:
        >>> import tapegrad
        >>> tapegrad.celu(tapegrad.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return elu(input, alpha, 1.0, 1.0 / alpha)


def _softplus_rule(grad: Any, input: Any, beta: float, threshold: float) -> Any:
    z = input * beta
    return choose(z > threshold, grad, grad * sigmoid(z))


@op(input=lambda grad, input, beta, threshold: _softplus_rule(grad, input, beta, threshold), kind="elementwise")
@floating("softplus_cpu")
def softplus(input: Any, beta: float = 1, threshold: float = 20) -> Any:
    """``log(1 + exp(beta * input)) / beta``, a smooth relu.

    Args:
        input: a floating-point tensor.
        beta: how sharp the bend is.
        threshold: where ``beta * input`` exceeds it, the result is `input` itself.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import softplus
        >>> softplus(tapegrad.tensor([0.0, 30.0]))
        tensor([ 0.6931, 30.0000])
    """
    z = input * beta
    soft = _softplus(z)
    return choose.__wrapped__(z > threshold, input, soft / beta)  # type: ignore[attr-defined]


def _softplus(z: Any) -> Any:
    """``log(1 + exp(z))`` of an array."""
    space = xp(z)
    return space.log1p(space.exp(-space.absolute(z))) + space.maximum(z, 0)


@op(input=lambda grad, input: grad * sigmoid(-input), kind="elementwise")
@floating("log_sigmoid_cpu")
def logsigmoid(input: Any) -> Any:
    """``log(sigmoid(input))``, without overflow.

    Args:
        input: a floating-point tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import logsigmoid
        >>> logsigmoid(tapegrad.tensor([0.0, -100.0]))
        tensor([  -0.6931, -100.0000])
    """
    return -_softplus(-input)


def _mish_rule(grad: Any, input: Any) -> Any:
    t = tanh(softplus(input, 1, math.inf))
    return grad * (t + input * sigmoid(input) * ((1 - t) * (1 + t)))


@op(input=lambda grad, input: _mish_rule(grad, input), kind="elementwise", public=False)
@floating("mish_cpu")
def mish(input: Any) -> Any:
    """``input * tanh(softplus(input))``.

    Args:
        input: a floating-point tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import mish
        >>> mish(tapegrad.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.3034,  0.0000,  0.8651])
    """
    return by_blocks(lambda x: x * xp(x).tanh(_softplus(x)), input)


def _softsign_rule(grad: Any, input: Any) -> Any:
    size = abs(input) + 1
    return grad / (size * size)


@op(input=lambda grad, input: _softsign_rule(grad, input), kind="elementwise", types="float")
@in_float32
def softsign(input: Any) -> Any:
    """``input / (1 + abs(input))``.

    Args:
        input: a floating-point tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import softsign
        >>> softsign(tapegrad.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """
    return input / (xp(input).absolute(input) + 1)


@op(input=lambda grad, input: grad * _squared_tanh(input), kind="elementwise", types="float")
@in_float32
def tanhshrink(input: Any) -> Any:
    """``input - tanh(input)``.

    Args:
        input: a floating-point tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import tanhshrink
        >>> tanhshrink(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.2384,  1.0360])
    """
    return input - xp(input).tanh(input)


def _squared_tanh(input: Any) -> Any:
    t = tanh(input)
    return t * t


# ---- gates

def _halves(input: Any, dim: int) -> tuple[Any, Any]:
    n = input.shape[dim] // 2
    before = (slice(None),) * dim
    return input[(*before, slice(0, n))], input[(*before, slice(n, None))]


@op(input=lambda grad, input, dim: _glu_back(grad, input, dim))
@floating("glu_cpu")
def glu(input: Any, dim: int = -1) -> Any:
    """The first half along a dimension times the sigmoid of the second.

    Args:
        input: a floating-point tensor.
        dim: the dimension, of even size.

    Raises:
        RuntimeError: the size is odd, or `input` has no dimensions.

    Example:
        >>> import tapegrad
        >>> from tapegrad.autograd.ops.activation import glu
        >>> glu(tapegrad.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])
    """
    if not input.ndim:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = wrap(dim, input.ndim)
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    a, b = _halves(input, dim)
    return a * logistic(b)


def _glu_back(grad: Any, input: Any, dim: int) -> Any:
    from tapegrad.autograd.ops.join import cat
    dim = wrap(dim, len(input.shape))
    a, b = _halves(input, dim)
    s = sigmoid(b)
    return cat([grad * s, grad * a * s * (1 - s)], dim)


__all__ = ["celu", "hardshrink", "prelu", "relu", "selu", "threshold"]

