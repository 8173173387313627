"""Softmax and its logarithm."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd import dtypes
from tapegrad.autograd.op import op
from tapegrad.autograd.ops.blocks import by_rows
from tapegrad.autograd.ops.dims import wrap
from tapegrad.autograd.ops.exponential import exp
from tapegrad.autograd.ops.precision import in_float32
from tapegrad.autograd.ops.reduce import as_type, sum, total
from tapegrad.backends import xp


def _real(name: str, input: Any, dtype: Any) -> Any:
    if dtype is not None:
        input = as_type(input, dtype)
    if input.dtype.kind in "iub":
        raise NotImplementedError(f'"{name}" not implemented for \'{dtypes.of(input.dtype).scalar_type}\'')
    return input


def _softmax_of(x: Any, axis: int) -> Any:
    y = x - x.max(axis=axis, keepdims=True)
    xp(x).exp(y, y)
    y /= total(y, axis, True)
    return y


@in_float32
def _softmax(x: Any, dim: int) -> Any:
    dim = wrap(dim, x.ndim)
    if not x.ndim or not x.size:
        return xp(x).ones(x.shape, x.dtype) * (x == x)
    return by_rows(lambda piece: _softmax_of(piece, -1 if dim == x.ndim - 1 else dim), dim, x)


@op(input=lambda grad, result, dim: _softmax_back(grad, result, dim), kind="general", method=True)
def softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """``exp(input)`` divided by its sum along a dimension.

    Args:
        input: a floating-point tensor.
        dim: the dimension.
        dtype: to cast to first.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: `input` is integer or bool, and no dtype is given.

    Example:
        >>> import tapegrad
        >>> tapegrad.softmax(tapegrad.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    return _softmax(_real("softmax_lastdim_kernel_impl", input, dtype), dim)


@op(input=lambda grad, output, dim: _softmax_back(grad, output, dim), output=lambda grad, input, output, dim: _twice(grad, input, output, dim),
    types="free", public=False)
def _softmax_back(input: Any, output: Any, dim: int) -> Any:
    """The Jacobian of softmax, which is symmetric, times `input`."""
    dim = wrap(dim, output.ndim)
    if not output.ndim:
        return input * 0
    axis = -1 if dim == output.ndim - 1 else dim
    return by_rows(lambda g, y: _pulled(g, y, axis), dim, input, output)


@in_float32
def _pulled(g: Any, y: Any, axis: int) -> Any:
    product = g * y
    product -= y * total(product, axis, True)
    return product


def _twice(grad: Any, input: Any, output: Any, dim: int) -> Any:
    """The derivative of ``output * (input - sum(input * output))`` by `output`."""
    return grad * (input - sum(input * output, dim, True)) - input * sum(grad * output, dim, True)


def _log_softmax_of(x: Any, axis: int) -> Any:
    y = x - x.max(axis=axis, keepdims=True)
    y -= xp(x).log(total(xp(x).exp(y), axis, True))
    return y


@in_float32
def _log_softmax(x: Any, dim: int) -> Any:
    dim = wrap(dim, x.ndim)
    if not x.ndim or not x.size:
        return x - x
    return by_rows(lambda piece: _log_softmax_of(piece, -1 if dim == x.ndim - 1 else dim), dim, x)


@op(input=lambda grad, result, dim: grad - exp(result) * sum(grad, dim, True), kind="general", method=True)
def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """The logarithm of `softmax`, without overflow or loss of precision.

    Args:
        input: a floating-point tensor.
        dim: the dimension.
        dtype: to cast to first.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: `input` is integer or bool, and no dtype is given.

    Example:
        >>> import tapegrad
        >>> tapegrad.log_softmax(tapegrad.tensor([0.0, 0.0]), dim=0)
        tensor([-0.6931, -0.6931])
    """
    return _log_softmax(_real("log_softmax_lastdim_kernel_impl", input, dtype), dim)


__all__ = ["log_softmax", "softmax"]
