"""Magnitudes and signs, of real and complex numbers."""
from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.common.half_precision import category
from tapegrad.autograd.ops.common.shared_rules import alias, no_rule
from tapegrad.backends import xp


@op(input=lambda grad, input: grad * _direction(input), kind="elementwise", method=True, inplace=True,
    jvp=lambda d_input, input: (d_input * _direction(input)).real)
def abs(input: Any) -> Any:
    """Elementwise magnitude; of complex numbers a real result. Its derivative at 0 is 0.

    Args:
        input: a tensor.

    Example:
        >>> tapegrad.abs(tapegrad.tensor([-1.5, 2.0]))
        tensor([1.5000, 2.0000])
    """
    return xp(input).absolute(input)


def _direction(input: Any) -> Any:
    """The derivative of the magnitude: the sign, conjugated."""
    signs = sgn(input)
    return signs.conj() if category(input) == "c" else signs


@op(input=lambda grad: zero_gradient(grad), kind="elementwise", method=True, inplace=True)
def sign(input: Any) -> Any:
    """-1, 0 or 1 as the element is negative, zero or positive.

    Args:
        input: a real tensor.

    Raises:
        RuntimeError: `input` is complex.

    Example:
        >>> tapegrad.sign(tapegrad.tensor([-2.0, 0.0, 3.0]))
        tensor([-1.,  0.,  1.])
    """
    if input.dtype.kind == "c":
        raise RuntimeError("Unlike NumPy, torch.sign doesn't return the complex sign. Use torch.sgn instead.")
    return _sign(input)


def _sign(x: Any) -> Any:
    """The signs of real numbers; 0 for NaN, as in PyTorch."""
    dtype = x.dtype
    if dtype.kind == "b":
        return x.copy()
    if x.__class__ is np.ndarray and x.ndim:  # faster than NumPy's own
        return ((x > 0).view(np.int8) - (x < 0).view(np.int8)).astype(dtype)
    return (x > 0).astype(dtype) - (x < 0).astype(dtype)


@op(input=lambda grad, input, result: _sgn_rule(grad, input, result), kind="elementwise", method=True, inplace=True,
    jvp=lambda d_input, input, result: _sgn_tangent(d_input, input, result))
def sgn(input: Any) -> Any:
    """The sign; of a complex number the number of magnitude 1 in its direction, and 0 at 0.

    Args:
        input: a tensor.

    Example:
        >>> tapegrad.sgn(tapegrad.tensor([3 + 4j, 0]))
        tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    if input.dtype.kind != "c":
        return _sign(input)
    size = xp(input).absolute(input)
    return input / (size + (size == 0))


def _sgn_rule(grad: Any, input: Any, result: Any) -> Any:
    if category(input) != "c":
        return zero_gradient(grad)
    size = abs(input)
    along = (grad * result).real  # a change along the direction itself turns nothing
    return (grad - result.conj() * along) * (size != 0) / (size + (size == 0))


def _sgn_tangent(d_input: Any, input: Any, result: Any) -> Any:
    if category(input) != "c":
        return zero_gradient(d_input)
    size = abs(input)
    return (d_input - result * (d_input * result.conj()).real) * (size != 0) / (size + (size == 0))


@op(input=no_rule("heaviside"), values=no_rule("heaviside"), kind="elementwise", operands="same", method=True, inplace=True)
def heaviside(input: Any, values: Any) -> Any:
    """0 where `input` is negative, 1 where it is positive, `values` where it is zero.

    Args:
        input: a real tensor.
        values: a tensor of the same dtype that broadcasts with it.

    Raises:
        RuntimeError: the tensors differ in dtype.

    Example:
        >>> tapegrad.heaviside(tapegrad.tensor([-2.0, 0.0, 3.0]), tapegrad.tensor([0.5]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return xp(input).where(input == 0, values, (input > 0).astype(input.dtype))


@op(input=None, kind="elementwise", method=True)
def signbit(input: Any) -> Any:
    """Whether the sign bit is set: true for negative numbers, and for -0.0.

    Args:
        input: a real tensor.

    Example:
        >>> tapegrad.signbit(tapegrad.tensor([-0.0, 0.0, -2.0]))
        tensor([ True, False,  True])
    """
    if input.dtype.kind == "b":
        return xp(input).zeros(input.shape, np.bool_)
    return xp(input).signbit(input) if input.dtype.kind not in "iu" else input < 0


absolute = alias(abs, "absolute")
