"""Magnitudes and signs, of real and complex numbers."""

from __future__ import annotations

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.common.families import elementwise
from tapegrad.autograd.ops.common.half_precision import category
from tapegrad.autograd.ops.common.shared_rules import alias, no_rule
from tapegrad.backends import xp


@elementwise(
    input=lambda grad, input: grad * direction(input), jvp=lambda d_input, input: (d_input * direction(input)).real
)
def abs(input: Array) -> Array:
    """Elementwise magnitude; of complex numbers a real result. Its derivative at 0 is 0.

    Example:
        >>> tapegrad.abs(tapegrad.tensor([-1.5, 2.0]))
        tensor([1.5000, 2.0000])
    """
    return xp(input).absolute(input)


def direction(input: Operand) -> Operand:
    """The derivative of the magnitude: the sign, conjugated."""
    signs = sgn(input)
    return signs.conj() if category(input) == "c" else signs


@elementwise(input=zero_gradient)
def sign(input: Array) -> Array:
    """-1, 0 or 1 as the element is negative, zero or positive.

    Raises:
        RuntimeError: `input` is complex.

    Example:
        >>> tapegrad.sign(tapegrad.tensor([-2.0, 0.0, 3.0]))
        tensor([-1.,  0.,  1.])
    """
    if input.dtype.kind == "c":
        raise RuntimeError("Unlike NumPy, torch.sign doesn't return the complex sign. Use torch.sgn instead.")
    return _sign(input)


def _sign(x: Array) -> Array:
    """The signs of real numbers; 0 for NaN, as in PyTorch."""
    dtype = x.dtype
    if dtype.kind == "b":
        return x.copy()
    if x.__class__ is np.ndarray and x.ndim:  # faster than NumPy's own
        return ((x > 0).view(np.int8) - (x < 0).view(np.int8)).astype(dtype)
    return (x > 0).astype(dtype) - (x < 0).astype(dtype)


def _sgn_rule(grad: Operand, input: Operand, result: Operand) -> Operand:
    """A change along the direction itself turns nothing."""
    if category(input) != "c":
        return zero_gradient(grad)
    return _per_size(grad - result.conj() * (grad * result).real, input)


def _sgn_tangent(d_input: Operand, input: Operand, result: Operand) -> Operand:
    if category(input) != "c":
        return zero_gradient(d_input)
    return _per_size(d_input - result * (d_input * result.conj()).real, input)


def _per_size(change: Operand, input: Operand) -> Operand:
    """`change` divided by the magnitude of `input`, 0 where that is 0."""
    size = abs(input)
    return change * (size != 0) / (size + (size == 0))


@elementwise(input=_sgn_rule, jvp=_sgn_tangent)
def sgn(input: Array) -> Array:
    """The sign; of a complex number the number of magnitude 1 in its direction, and 0 at 0.

    Example:
        >>> tapegrad.sgn(tapegrad.tensor([3 + 4j, 0]))
        tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    if input.dtype.kind != "c":
        return _sign(input)
    size = xp(input).absolute(input)
    return input / (size + (size == 0))


@elementwise(input=no_rule("heaviside"), values=no_rule("heaviside"), operands="same")
def heaviside(input: Array, values: Array) -> Array:
    """0 where `input` is negative, 1 where it is positive, `values` where it is zero.

    Raises:
        RuntimeError: the tensors differ in dtype.

    Example:
        >>> tapegrad.heaviside(tapegrad.tensor([-2.0, 0.0, 3.0]), tapegrad.tensor([0.5]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return xp(input).where(input == 0, values, (input > 0).astype(input.dtype))


@elementwise(input=None, inplace=False)
def signbit(input: Array) -> Array:
    """Whether the sign bit is set: true for negative numbers, and for -0.0.

    Example:
        >>> tapegrad.signbit(tapegrad.tensor([-0.0, 0.0, -2.0]))
        tensor([ True, False,  True])
    """
    if input.dtype.kind == "b":
        return xp(input).zeros(input.shape, np.bool_)
    return input < 0 if input.dtype.kind in "iu" else xp(input).signbit(input)


absolute = alias(abs, "absolute")
