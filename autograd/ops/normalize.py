"""Layer, RMS, batch and group normalisation.

All of them standardise: ``h = (x - mean) * rstd`` over some dimensions of a view of the input. The Jacobian of that is symmetric,
``J = rstd (1 - mean - h h^T / N)``, so the op that pulls gradients back through it is its own adjoint, and four small ops with total derivatives
give gradients of any order. The statistics that the forward pass kept reach them as plain arguments.
"""
from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.cell import written
from tapegrad.autograd.op import composite, op
from tapegrad.autograd.ops.reduce import sum as total
from tapegrad.autograd.runtime import sum_to
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import xp

FLOAT32 = np.dtype(np.float32)

# NumPy passes over rows that fit into the processor's cache are two to three times as fast as passes over a large array.
BLOCK = 1 << 15


def wide(array: Any) -> Any:
    """Half types as float32, in which they are added up."""
    return array.astype(FLOAT32) if array.dtype.itemsize == 2 else array


def _blocks(array: Any, dims: tuple[int, ...]) -> list[slice]:
    """How to cut a large NumPy array along its first dimension, where each row is standardised by itself."""
    if dims != (1,) or array.__class__ is not np.ndarray or array.size <= 2 * BLOCK:
        return []
    step = max(1, BLOCK // array.shape[1])
    return [slice(i, i + step) for i in range(0, len(array), step)]


def _statistics(x: Any, dims: tuple[int, ...], eps: float, center: bool) -> tuple[Any, Any, Any]:
    """``x`` standardised, its mean (None unless `center`) and the reciprocal of its standard deviation."""
    mean = None
    if center:
        mean = x.mean(axis=dims, keepdims=True)
        x = x - mean
    square = (x * x).mean(axis=dims, keepdims=True)
    square += eps
    rstd = 1 / xp(x).sqrt(square)
    return x * rstd, mean, rstd


def _standardize(x: Any, dims: tuple[int, ...], eps: float, center: bool) -> tuple[Any, Any, Any]:
    """As `_statistics`, in `x`'s dtype and cut into blocks; the statistics of half types are float32."""
    blocks = _blocks(x, dims)
    if not blocks:
        h, mean, rstd = _statistics(wide(x), dims, eps, center)
        return h.astype(x.dtype, copy=False), mean, rstd
    h = np.empty_like(x)
    rstd = np.empty((len(x), 1), wide(x[:0]).dtype)
    mean = np.empty_like(rstd) if center else None
    for rows in blocks:
        h[rows], m, rstd[rows] = _statistics(wide(x[rows]), dims, eps, center)
        if mean is not None:
            mean[rows] = m
    return h, mean, rstd


def _again(x: Any, mean: Any, rstd: Any) -> Any:
    """`x` standardised with known statistics."""
    return x * rstd if mean is None else (x - mean) * rstd


@op(input=lambda grad, input, mean, rstd, view, dims: _pull(grad, input, mean, rstd, view, dims), public=False)
def _standardized(input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """`input` standardised, given its statistics."""
    x = input.reshape(view)
    blocks = _blocks(x, dims)
    if not blocks:
        return _again(wide(x), mean, rstd).astype(input.dtype, copy=False).reshape(input.shape)
    h = np.empty(view, input.dtype)
    for rows in blocks:
        h[rows] = _again(wide(x[rows]), None if mean is None else mean[rows], rstd[rows])
    return h.reshape(input.shape)


def _pull_view(g: Any, x: Any, mean: Any, rstd: Any, dims: tuple[int, ...]) -> Any:
    h = _again(x, mean, rstd)
    d = h * -(g * h).mean(axis=dims, keepdims=True)
    d += g
    if mean is not None:
        d -= g.mean(axis=dims, keepdims=True)
    d *= rstd
    return d


@op(y=lambda grad, input, mean, rstd, view, dims: _pull(grad, input, mean, rstd, view, dims),
    input=lambda grad, y, input, mean, rstd, view, dims: _pull_input(grad, y, input, mean, rstd, view, dims), types="free", public=False)
def _pull(y: Any, input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """The gradient `y` of `_standardized` pulled back to `input`."""
    g, x = y.reshape(view), input.reshape(view)
    blocks = _blocks(x, dims)
    if not blocks:
        return _pull_view(wide(g), wide(x), mean, rstd, dims).astype(input.dtype, copy=False).reshape(input.shape)
    d = np.empty(view, input.dtype)
    for rows in blocks:
        d[rows] = _pull_view(wide(g[rows]), wide(x[rows]), None if mean is None else mean[rows], rstd[rows], dims)
    return d.reshape(input.shape)


def _pull_input(grad: Any, y: Any, input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """The gradient of ``<grad, J(input) y>`` with respect to `input`."""
    n = prod(view[d] for d in dims)
    h = _standardized(input, mean, rstd, view, dims).reshape(view)
    r = _rstd(input, mean, rstd, view, dims)
    g, v = grad.reshape(view), y.reshape(view)
    a, b, c = total(g * h, dims, True) * (1 / n), total(v * h, dims, True) * (1 / n), total(g * v, dims, True) * (1 / n)
    if mean is not None:
        c = c - total(g, dims, True) * total(v, dims, True) * (1 / n ** 2)
    pulled = _pull(y, input, mean, rstd, view, dims).reshape(view) * a + _pull(grad, input, mean, rstd, view, dims).reshape(view) * b
    return -(r * r * (c - a * b) * h + r * pulled).reshape(input.shape)


@op(input=lambda grad, input, mean, rstd, view, dims: _rstd_pull(grad, input, mean, rstd, view, dims), public=False)
def _rstd(input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """The reciprocal standard deviation of `input`, which is known already."""
    return rstd.astype(input.dtype)


def _rstd_pull(grad: Any, input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    n = prod(view[d] for d in dims)
    r = _rstd(input, mean, rstd, view, dims)
    h = _standardized(input, mean, rstd, view, dims).reshape(view)
    return (h * (grad * r * r * (-1 / n))).reshape(input.shape)


def _scaled(grad: Any, weight: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of the standardised input."""
    return grad if weight is None else grad * weight.reshape(shape)


def _summed(grad: Any, shape: tuple[int, ...], of: tuple[int, ...]) -> Any:
    """`grad` added up to `shape` (with ones), for a parameter of shape `of`."""
    lead = tuple(i for i in range(grad.ndim) if i >= len(shape) or shape[i] == 1 != grad.shape[i])
    return total(grad, lead, True).reshape(of) if lead else grad.reshape(of)


@op(input=lambda grad, input, weight, mean, rstd, view, dims, shape: _pull(_scaled(grad, weight, shape), input, mean, rstd, view, dims),
    weight=lambda grad, input, mean, rstd, view, dims, shape, weight_shape:
        _summed(grad * _standardized(input, mean, rstd, view, dims), shape, weight_shape),
    bias=lambda grad, shape, bias_shape: _summed(grad, shape, bias_shape), keeps=("mean", "rstd"), types="free", public=False, name="native_layer_norm")
def _layer_norm(input: Any, weight: Any, bias: Any, view: tuple[int, ...], dims: tuple[int, ...], shape: tuple[int, ...], eps: float, center: bool) -> Any:
    """Standardise over `dims` of `input` seen as `view`, then scale and shift by parameters of `shape`."""
    h, mean, rstd = _standardize(input.reshape(view), dims, eps, center)
    return _affine(h.reshape(input.shape), weight, bias, shape), mean, rstd


def _affine(y: Any, weight: Any, bias: Any, shape: tuple[int, ...]) -> Any:
    """``y * weight + bias``, in place."""
    if weight is not None:
        y *= weight.reshape(shape)
    if bias is not None:
        y += bias.reshape(shape)
    return y
