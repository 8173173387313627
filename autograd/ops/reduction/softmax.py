"""Softmax and its logarithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import along, over
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.cache_blocks import by_rows
from tapegrad.autograd.ops.common.dims import wrap
from tapegrad.autograd.ops.common.errors import not_implemented
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.common.tangents import added
from tapegrad.autograd.ops.pointwise.exponential import exp
from tapegrad.autograd.ops.reduction.sum import as_type, sum
from tapegrad.backends import xp

# The formulas below are over arrays in single or double precision. `out` is an array to write to, or None.


def _shifted(x: Array, axis: int, out: Array | None) -> Array:
    """`x` minus its largest along `axis`."""
    if x.__class__ is np.ndarray:
        return np.subtract(x, np.maximum.reduce(x, axis, keepdims=True), out)
    return x - x.max(axis=axis, keepdims=True)


def _softmax(axis: int, out: Array | None, x: Array) -> Array:
    y = _shifted(x, axis, out)
    xp(x).exp(y, y)
    y /= xp(x).add.reduce(y, axis, None, None, True)
    return y


def _softmax_vjp(axis: int, out: Array | None, g: Array, y: Array) -> Array:
    product = g * y if out is None else np.multiply(g, y, out)
    product -= y * xp(g).add.reduce(product, axis, None, None, True)
    return product


def _log_softmax(axis: int, out: Array | None, x: Array) -> Array:
    y = _shifted(x, axis, out)
    y -= xp(x).log(xp(x).add.reduce(xp(x).exp(y), axis, None, None, True))
    return y


def _log_softmax_vjp(axis: int, out: Array | None, g: Array, y: Array) -> Array:
    result = xp(g).exp(y) if out is None else np.exp(y, out)
    result *= xp(g).add.reduce(g, axis, None, None, True)
    return xp(g).subtract(g, result, result)


def _along(formula: Callable[..., Array], dim: int, *arrays: Array) -> Array:
    """A formula along `dim`; half types are computed in single precision."""
    dtype = arrays[0].dtype
    if dtype.itemsize == 2:
        return by_rows(formula, dim, *[wide(a) for a in arrays]).astype(dtype)
    return by_rows(formula, dim, *arrays)


def _floating(kernel: str, input: Array, dtype: Any) -> Array:
    if dtype is not None:
        input = as_type(input, dtype)
    if input.dtype.kind in "iub":
        raise not_implemented(kernel, input.dtype)
    return input


# ---- softmax


@op(
    input=lambda grad, result, dim: _softmax_back(grad, result, dim),
    method=True,
    jvp=lambda d_input, result, dim: _softmax_back(d_input, result, dim),
    batch=over(dim=along),
)
def softmax(input: Array, dim: int, *, dtype: Any = None) -> Array:
    """``exp(input)`` divided by its sum along a dimension.

    Raises:
        NotImplementedError: `input` is integer or bool, and `dtype` is None.

    Example:
        >>> tapegrad.softmax(tapegrad.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    x = _floating("softmax_lastdim_kernel_impl", input, dtype)
    dim = wrap(dim, x.ndim)
    return _along(_softmax, dim, x) if x.size and x.ndim else xp(x).exp(x - x)


def _softmax_back_rule(grad: Operand, input: Operand, output: Operand, dim: int) -> Operand:
    """The derivative of ``output * (input - sum(input * output))`` by `output`."""
    return grad * (input - sum(input * output, dim, True)) - input * sum(grad * output, dim, True)


def _softmax_back_tangent(d_input: Operand, d_output: Operand, input: Operand, output: Operand, dim: int) -> Operand:
    by_input = None if d_input is None else _softmax_back(d_input, output, dim)
    if d_output is None:
        return by_input
    d_inner = input - sum(input * output, dim, True)
    return added(by_input, d_output * d_inner - output * sum(input * d_output, dim, True))


@op(
    input=lambda grad, output, dim: _softmax_back(grad, output, dim),
    output=_softmax_back_rule,
    operands="free",
    public=False,
    jvp=_softmax_back_tangent,
    batch=over(dim=along),
)
def _softmax_back(input: Array, output: Array, dim: int) -> Array:
    """The Jacobian of softmax, which is symmetric, times `input`."""
    return _along(_softmax_vjp, wrap(dim, output.ndim), input, output) if output.ndim else input * 0


# ---- log_softmax


@op(
    input=lambda grad, result, dim: _log_softmax_back(grad, result, dim),
    method=True,
    jvp=lambda d_input, result, dim: d_input - sum(d_input * exp(result), dim, True),
    batch=over(dim=along),
)
def log_softmax(input: Array, dim: int, *, dtype: Any = None) -> Array:
    """The logarithm of `softmax`, without overflow or loss of precision.

    Raises:
        NotImplementedError: `input` is integer or bool, and `dtype` is None.

    Example:
        >>> tapegrad.log_softmax(tapegrad.tensor([0.0, 0.0]), dim=0)
        tensor([-0.6931, -0.6931])
    """
    x = _floating("log_softmax_lastdim_kernel_impl", input, dtype)
    dim = wrap(dim, x.ndim)
    return _along(_log_softmax, dim, x) if x.size and x.ndim else x - x


def _log_softmax_back_tangent(
    d_input: Operand, d_output: Operand, input: Operand, output: Operand, dim: int
) -> Operand:
    by_input = None if d_input is None else _log_softmax_back(d_input, output, dim)
    return by_input if d_output is None else added(by_input, -exp(output) * d_output * sum(input, dim, True))


@op(
    input=lambda grad, output, dim: grad - sum(grad * exp(output), dim, True),
    output=lambda grad, input, output, dim: -grad * exp(output) * sum(input, dim, True),
    operands="free",
    public=False,
    jvp=_log_softmax_back_tangent,
    batch=over(dim=along),
)
def _log_softmax_back(input: Array, output: Array, dim: int) -> Array:
    """``input - exp(output) * sum(input)``."""
    return _along(_log_softmax_vjp, wrap(dim, output.ndim), input, output) if output.ndim else input * 0
