"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import along, over
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.cache_blocks import by_rows
from tapegrad.autograd.ops.common.dims import wrap
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.common.tangents import added, through
from tapegrad.autograd.ops.pointwise.exponential import exp
from tapegrad.autograd.ops.reduction.sum import as_type, sum
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


def _real(name: str, input: Array, dtype: Any) -> Array:
    if dtype is not None:
        input = as_type(input, dtype)
    if input.dtype.kind in "iub":
        raise NotImplementedError(f"\"{name}\" not implemented for '{dtypes.of(input.dtype).scalar_type}'")
    return input


def _exponents(x: Array, axis: int, out: Operand) -> Array:
    """`x` minus its largest along `axis`."""
    if x.__class__ is np.ndarray:
        return np.subtract(x, np.maximum.reduce(x, axis, keepdims=True), out)  # `out` None is a new array
    return x - x.max(axis=axis, keepdims=True)


def _softmax_of(axis: int, out: Operand, x: Array) -> Array:
    y = _exponents(x, axis, out)
    xp(x).exp(y, y)
    y /= xp(x).add.reduce(y, axis, None, None, True)
    return y


def _along(formula: Any, dim: int, *arrays: Array) -> Array:
    """A formula along `dim` of arrays in single or double precision; half types are computed in single."""
    dtype = arrays[0].dtype
    if dtype.itemsize == 2:
        return by_rows(formula, dim, *[wide(a) for a in arrays]).astype(dtype)
    return by_rows(formula, dim, *arrays)


@op(
    input=lambda grad, result, dim: _softmax_back(grad, result, dim),
    kind="general",
    method=True,
    jvp=lambda d_input, result, dim: _softmax_back(d_input, result, dim),
    batch=over(dim=along),
)
def softmax(input: Array, dim: int, *, dtype: Any = None) -> Array:
    """``exp(input)`` divided by its sum along a dimension.

    Args:
        dtype: to cast to first.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: `input` is integer or bool, and no dtype is given.

    Example:
        >>> tapegrad.softmax(tapegrad.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    x = _real("softmax_lastdim_kernel_impl", input, dtype)
    dim = wrap(dim, x.ndim)
    return _along(_softmax_of, dim, x) if x.size and x.ndim else exp.__wrapped__(x - x)  # type: ignore[attr-defined]


@op(
    input=lambda grad, output, dim: _softmax_back(grad, output, dim),
    output=lambda grad, input, output, dim: _twice(grad, input, output, dim),
    operands="free",
    public=False,
    jvp=lambda d_input, d_output, input, output, dim: added(
        through(_softmax_back, d_input, output, dim),
        through(lambda d: d * (input - sum(input * output, dim, True)) - output * sum(input * d, dim, True), d_output),
    ),
    batch=over(dim=along),
)
def _softmax_back(input: Array, output: Array, dim: int) -> Array:
    """The Jacobian of softmax, which is symmetric, times `input`."""
    return _along(_pulled, wrap(dim, output.ndim), input, output) if output.ndim else input * 0


def _pulled(axis: int, out: Operand, g: Array, y: Array) -> Array:
    product = g * y if out is None else np.multiply(g, y, out)
    product -= y * xp(g).add.reduce(product, axis, None, None, True)
    return product


def _twice(grad: Operand, input: Operand, output: Operand, dim: int) -> Operand:
    """The derivative of ``output * (input - sum(input * output))`` by `output`."""
    return grad * (input - sum(input * output, dim, True)) - input * sum(grad * output, dim, True)


def _log_softmax_of(axis: int, out: Operand, x: Array) -> Array:
    y = _exponents(x, axis, out)
    y -= xp(x).log(xp(x).add.reduce(xp(x).exp(y), axis, None, None, True))
    return y


@op(
    input=lambda grad, result, dim: _log_softmax_back(grad, result, dim),
    kind="general",
    method=True,
    jvp=lambda d_input, result, dim: d_input - sum(d_input * exp(result), dim, True),
    batch=over(dim=along),
)
def log_softmax(input: Array, dim: int, *, dtype: Any = None) -> Array:
    """The logarithm of `softmax`, without overflow or loss of precision.

    Args:
        dtype: to cast to first.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: `input` is integer or bool, and no dtype is given.

    Example:
        >>> tapegrad.log_softmax(tapegrad.tensor([0.0, 0.0]), dim=0)
        tensor([-0.6931, -0.6931])
    """
    x = _real("log_softmax_lastdim_kernel_impl", input, dtype)
    dim = wrap(dim, x.ndim)
    return _along(_log_softmax_of, dim, x) if x.size and x.ndim else x - x


@op(
    input=lambda grad, output, dim: grad - sum(grad * exp(output), dim, True),
    output=lambda grad, input, output, dim: -grad * exp(output) * sum(input, dim, True),
    operands="free",
    public=False,
    jvp=lambda d_input, d_output, input, output, dim: added(
        through(_log_softmax_back, d_input, output, dim),
        through(lambda d: -exp(output) * d * sum(input, dim, True), d_output),
    ),
    batch=over(dim=along),
)
def _log_softmax_back(input: Array, output: Array, dim: int) -> Array:
    """``input - exp(output) * sum(input)``."""
    return _along(_log_pulled, wrap(dim, output.ndim), input, output) if output.ndim else input * 0


def _log_pulled(axis: int, out: Operand, g: Array, y: Array) -> Array:
    result = xp(g).exp(y) if out is None else np.exp(y, out)
    result *= xp(g).add.reduce(g, axis, None, None, True)
    return xp(g).subtract(g, result, result)
