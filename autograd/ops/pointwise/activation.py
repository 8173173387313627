"""Activation functions made of pieces, beside the smooth ones."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import broadcasting
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.cache_blocks import by_blocks
from tapegrad.autograd.ops.common.half_precision import floating
from tapegrad.autograd.ops.pointwise.activation_smooth import celu, elu, gelu, logsigmoid, mish, selu, silu, softplus, softsign, tanhshrink  # noqa: F401
from tapegrad.autograd.ops.pointwise.clamp import clipped
from tapegrad.autograd.ops.pointwise.signs import abs
from tapegrad.autograd.ops.pointwise.where import choose, keep
from tapegrad.backends import xp

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
def relu(input: Array) -> Array:
    """Elementwise ``max(input, 0)``. Its derivative at 0 is 0.

    Example:
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


@op(input=lambda grad, output: _relu_back(grad, output), output=None, kind="linear", operands="free", public=False, batch=broadcasting())
def _relu_back(input: Array, output: Array) -> Array:
    dropped = output <= (_zero(output.dtype) if output.__class__ is np.ndarray else 0)  # not NaN
    return keep.__wrapped__(input, ~dropped)  # type: ignore[attr-defined]


@op(input=lambda grad, input, negative_slope: choose(input > 0, grad, grad * negative_slope), kind="elementwise", public=False)
@floating("leaky_relu_cpu")
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """`input` where it is positive, `negative_slope` times it elsewhere.

    Args:
        negative_slope: the slope for negative elements.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation import leaky_relu
        >>> leaky_relu(tapegrad.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.5000,  2.0000])
    """
    lower = input * negative_slope
    if 0 <= negative_slope <= 1:
        return xp(input).maximum(input, lower)
    return choose.__wrapped__(input > 0, input, lower)  # type: ignore[attr-defined]


def _broadcast_weight(input: Array, weight: Array) -> Array:
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
    kind="elementwise", operands="same", public=False, name="prelu")
def _prelu(input: Array, weight: Array) -> Array:
    return choose.__wrapped__(input > 0, input, input * weight)  # type: ignore[attr-defined]


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

    Args:
        threshold: the threshold.
        value: what replaces the elements that do not exceed it.

    Example:
        >>> tapegrad.threshold(tapegrad.tensor([-1.0, 2.0]), 0.0, 20.0)
        tensor([20.,  2.])
    """
    return choose.__wrapped__(input <= threshold, xp(input).full((), value, input.dtype), input)  # type: ignore[attr-defined]


@op(input=lambda grad, input, min_val, max_val: keep(grad, (input > min_val) & (input < max_val)), kind="elementwise", public=False)
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """`input` held within two numbers; no gradient passes at the bounds.

    Args:
        min_val: the lower bound.
        max_val: the upper bound.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation import hardtanh
        >>> hardtanh(tapegrad.tensor([-2.0, 0.5, 2.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    return clipped(input, min_val, max_val)


@composite(public=False)
def relu6(input: Operand) -> Any:
    """``min(max(input, 0), 6)``; no gradient passes at the bounds.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation import relu6
        >>> relu6(tapegrad.tensor([-1.0, 2.0, 7.0]))
        tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0)


@op(input=lambda grad, input: keep(grad * (1 / 6), (input > -3) & (input < 3)), kind="elementwise", public=False)
@floating("hardsigmoid_cpu")
def hardsigmoid(input: Array) -> Array:
    """``input / 6 + 1/2``, held within 0 and 1.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation import hardsigmoid
        >>> hardsigmoid(tapegrad.tensor([-4.0, 0.0, 3.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return clipped(input + 3, 0, 6) / 6


def _hardswish_rule(grad: Operand, input: Operand) -> Operand:
    return choose(input >= 3, grad, keep(grad * (input * (1 / 3) + 0.5), ~(input <= -3)))


@op(input=lambda grad, input: _hardswish_rule(grad, input), kind="elementwise", public=False)
@floating("hardswish_cpu")
def hardswish(input: Array) -> Array:
    """``input * hardsigmoid(input)``.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation import hardswish
        >>> hardswish(tapegrad.tensor([-4.0, 1.0, 4.0]))
        tensor([-0.0000,  0.6667,  4.0000])
    """
    return by_blocks(lambda x: x * clipped(x + 3, 0, 6) / 6, input)


@op(input=lambda grad, input, lambd: keep(grad, abs(input) > lambd), kind="elementwise", method=True)
@floating("hardshrink_cpu")
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """`input`, and 0 where its magnitude is at most `lambd`.

    Args:
        lambd: the threshold.

    Example:
        >>> tapegrad.hardshrink(tapegrad.tensor([-1.0, 0.3]))
        tensor([-1.,  0.])
    """
    return keep.__wrapped__(input, ~(xp(input).absolute(input) <= lambd))  # type: ignore[attr-defined]


@op(input=lambda grad, input, lambd: keep(grad, abs(input) > lambd), kind="elementwise", functional=True)
@floating("softshrink_cpu")
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """`input` moved towards 0 by `lambd`, and 0 where its magnitude is less.

    Args:
        lambd: how far, not negative.

    Raises:
        RuntimeError: `lambd` is negative.

    Example:
        >>> from tapegrad.autograd.ops.pointwise.activation import softshrink
        >>> softshrink(tapegrad.tensor([-1.0, 0.3, 2.0]))
        tensor([-0.5000,  0.0000,  1.5000])
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return input - clipped(input, -lambd, lambd)
