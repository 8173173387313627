"""Layer, RMS, batch, group and instance normalisation.

All of them standardise, ``h = (x - mean) * rstd`` over some dimensions of a view of the input, then scale and shift by parameters. The Jacobian of
standardising is symmetric, ``J = rstd (1 - mean - h h^T / N)``, so the op that pulls gradients back through it is its own adjoint, and a few small
ops with total derivatives give gradients of any order. The statistics that the forward pass kept reach them as plain arguments.

How an input is laid out is said by three arguments: `view`, the shape in which it is standardised, `dims` of that view, and `lanes`, a shape
(before, parameters, after) in which the parameters scale it.
"""
from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.cell import written
from tapegrad.autograd.op import composite, op
from tapegrad.autograd.ops.precision import FLOAT32, wide
from tapegrad.autograd.ops.reduce import sum as total
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import backend, xp

# Elements of a block: passes that stay in the processor's cache are two to three times as fast as passes over a large array.
BLOCK = 1 << 15


def _blocks(x: Any, dims: tuple[int, ...]) -> list[Any]:
    """Indices that cut a large NumPy array, and its statistics alike, where no sum over `dims` is cut."""
    if x.__class__ is not np.ndarray or x.size <= 2 * BLOCK:
        return []
    along = 1 if dims == (0, 2) else 0
    step = max(1, BLOCK * x.shape[along] // x.size)
    cuts = [slice(i, i + step) for i in range(0, x.shape[along], step)]
    return [(slice(None), cut) for cut in cuts] if along else cuts


def _part(array: Any, index: Any) -> Any:
    """The block of something that has the array's dimensions, or 1 in their place."""
    if array is None or (index.__class__ is slice and len(array) == 1):
        return array
    return array[index]


def _standardize(x: Any, dims: tuple[int, ...], eps: float, center: bool) -> tuple[Any, Any, Any, Any]:
    """`x` standardised, its mean (None unless `center`), its variance (its mean square) and the reciprocal of the root of that."""
    mean = None
    if center:
        mean = x.mean(axis=dims, keepdims=True)
        x = x - mean
    square = (x * x).mean(axis=dims, keepdims=True)
    rstd = 1 / xp(x).sqrt(square + eps)
    return x * rstd, mean, square, rstd


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    """``y * weight + bias``, in place."""
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y


def _forward(x: Any, weight: Any, bias: Any, dims: tuple[int, ...], eps: float, center: bool) -> tuple[Any, Any, Any, Any]:
    """`_standardize` with `_affine` after it, block by block."""
    blocks = _blocks(x, dims)
    if not blocks:
        h, mean, square, rstd = _standardize(x, dims, eps, center)
        return _affine(h, weight, bias), mean, square, rstd
    y = np.empty(x.shape, x.dtype)
    rstd = np.empty([1 if d in dims else n for d, n in enumerate(x.shape)], x.dtype)
    square = np.empty_like(rstd)
    mean = np.empty_like(rstd) if center else None
    for i in blocks:
        h, m, square[i], rstd[i] = _standardize(x[i], dims, eps, center)
        y[i] = _affine(h, _part(weight, i), _part(bias, i))
        if mean is not None:
            mean[i] = m
    return y, mean, square, rstd


def _again(x: Any, mean: Any, rstd: Any) -> Any:
    """`x` standardised with known statistics."""
    return x * rstd if mean is None else (x - mean) * rstd


@op(input=lambda grad, input, mean, rstd, view, dims: _pull(grad, input, mean, rstd, view, dims), public=False)
def _standardized(input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """`input` standardised, given its statistics, in the shape `view`."""
    return _again(wide(input).reshape(view), mean, rstd).astype(input.dtype, copy=False)


def _pulled(g: Any, x: Any, mean: Any, rstd: Any, dims: tuple[int, ...]) -> Any:
    h = _again(x, mean, rstd)
    d = g * h
    h *= d.mean(axis=dims, keepdims=True)
    xp(x).subtract(g, h, out=d)
    if mean is not None:
        d -= g.mean(axis=dims, keepdims=True)
    d *= rstd
    return d


@op(given=lambda grad, given_shape, input, mean, rstd, view, dims: _pull(grad, input, mean, rstd, view, dims).reshape(given_shape),
    input=lambda grad, given, input, mean, rstd, view, dims: _pull_input(grad, given, input, mean, rstd, view, dims), types="free", public=False)
def _pull(given: Any, input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """``J(input) given``: the gradient `given` of `_standardized` pulled back to `input`."""
    g, x = wide(given).reshape(view), wide(input).reshape(view)
    blocks = _blocks(x, dims)
    if not blocks:
        return _pulled(g, x, mean, rstd, dims).astype(input.dtype, copy=False).reshape(input.shape)
    d = np.empty(view, input.dtype)
    for i in blocks:
        d[i] = _pulled(g[i], x[i], _part(mean, i), rstd[i], dims)
    return d.reshape(input.shape)


def _pull_input(grad: Any, given: Any, input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """The gradient of ``<grad, J(input) given>`` with respect to `input`."""
    share = 1 / prod(view[d] for d in dims)
    h = _standardized(input, mean, rstd, view, dims)
    r = _rstd(input, mean, rstd, view, dims)
    g, v = grad.reshape(view), given.reshape(view)
    a, b, c = total(g * h, dims, True) * share, total(v * h, dims, True) * share, total(g * v, dims, True) * share
    if mean is not None:
        c = c - total(g, dims, True) * total(v, dims, True) * share ** 2
    pulled = _pull(v, input, mean, rstd, view, dims).reshape(view) * a + _pull(g, input, mean, rstd, view, dims).reshape(view) * b
    return -(r * r * (c - a * b) * h + r * pulled).reshape(input.shape)


@op(input=lambda grad, input, mean, rstd, view, dims: _rstd_pull(grad, input, mean, rstd, view, dims), public=False)
def _rstd(input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """The reciprocal standard deviation of `input`, which is known already."""
    return rstd.astype(input.dtype)


def _rstd_pull(grad: Any, input: Any, mean: Any, rstd: Any, view: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    r = _rstd(input, mean, rstd, view, dims)
    h = _standardized(input, mean, rstd, view, dims)
    return (h * (grad * r * r * (-1 / prod(view[d] for d in dims)))).reshape(input.shape)


@op(input=lambda grad, input_shape: _spread(grad, input_shape), kind="linear", public=False)
def lane_sum(input: Any) -> Any:
    """The sum of an array of shape (before, parameters, after) for each parameter."""
    before, lanes, after = input.shape
    if input.__class__ is np.ndarray and input.dtype.kind == "f" and input.itemsize > 2:
        # A product with ones takes BLAS, which is two to three times as fast as NumPy's sum along a dimension.
        sums = input.reshape(before * lanes, after).dot(np.ones(after, input.dtype)).reshape(before, lanes) if after > 1 else input.reshape(before, lanes)
        return np.ones(before, input.dtype).dot(sums)
    return wide(input).sum(axis=(0, 2)).astype(input.dtype, copy=False)


@op(input=lambda grad: lane_sum(grad), kind="linear", public=False)
def _spread(input: Any, shape: tuple[int, ...]) -> Any:
    return xp(input).broadcast_to(input.reshape(shape[1], 1), shape).copy()


def _scaled(grad: Any, weight: Any, view: tuple[int, ...], lanes: tuple[int, ...]) -> Any:
    """The gradient of the standardised input."""
    return (grad if weight is None else grad.reshape(lanes) * weight.reshape(lanes[1], 1)).reshape(view)


_RULES: dict[str, Any] = {
    "input": lambda grad, input, weight, mean, rstd, view, dims, lanes: _pull(_scaled(grad, weight, view, lanes), input, mean, rstd, view, dims),
    "weight": lambda grad, input, mean, rstd, view, dims, lanes, weight_shape:
        lane_sum(grad.reshape(lanes) * _standardized(input, mean, rstd, view, dims).reshape(lanes)).reshape(weight_shape),
    "bias": lambda grad, lanes, bias_shape: lane_sum(grad.reshape(lanes)).reshape(bias_shape),
    "keeps": ("mean", "rstd"), "types": "free", "public": False,
}


def _normalized(input: Any, weight: Any = None, bias: Any = None, view: tuple[int, ...] = (), dims: tuple[int, ...] = (), lanes: tuple[int, ...] = (),
                eps: float = 1e-5, center: bool = True, running: tuple[Any, Any, float] | None = None) -> Any:
    """Standardise, scale and shift; `running` are a mean and a variance to move towards the input's by a fraction."""
    x = wide(input).reshape(view)
    at_once = view in (lanes, lanes[:2])
    shape = (1, lanes[1], 1)[:len(view)]
    # Where a row holds one group of several, the parameters cannot be applied row by row.
    at_once = at_once and (len(view) == 3 or lanes[2] == 1)
    w, b = ((None if p is None else p.reshape(shape)) for p in (weight, bias)) if at_once else (None, None)
    y, mean, square, rstd = _forward(x, w, b, dims, eps, center)
    if not at_once:
        y = y.reshape(lanes)
        _affine(y, *(None if p is None else p.reshape(lanes[1], 1) for p in (weight, bias)))
    if running is not None:
        count = prod(view[d] for d in dims)
        _move(running[0], mean, running[2])
        _move(running[1], square * (count / (count - 1)), running[2])
    return y.reshape(input.shape).astype(input.dtype, copy=False), mean, rstd


def _move(running: Any, seen: Any, momentum: float) -> None:
    if running is not None:
        # Of instances, which have statistics each, the mean counts.
        seen = seen.reshape(-1, len(running)).mean(axis=0)
        running *= 1 - momentum
        running += (seen * momentum).astype(running.dtype, copy=False)


_layer_norm = op(**_RULES, name="native_layer_norm")(_normalized)
_batch_norm = op(**_RULES, name="native_batch_norm")(_normalized)
_group_norm = op(**_RULES, name="native_group_norm")(_normalized)
_rms_norm = op(**_RULES, name="fused_rms_norm")(_normalized)


@op(input=lambda grad, weight, rstd, lanes, input_shape: _scaled(grad.reshape(lanes) * rstd, weight, lanes, lanes).reshape(input_shape),
    weight=lambda grad, input, mean, rstd, lanes: lane_sum(grad.reshape(lanes) * ((input.reshape(lanes) - mean) * rstd)),
    bias=lambda grad, lanes: lane_sum(grad.reshape(lanes)), running_mean=None, running_var=None, keeps=("mean", "rstd"), types="free", public=False,
    name="native_batch_norm")
def _batch_norm_eval(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, lanes: tuple[int, ...] = (),
                     eps: float = 1e-5) -> Any:
    x = wide(input).reshape(lanes)
    mean = running_mean.reshape(lanes[1], 1)
    rstd = 1 / xp(x).sqrt(running_var.reshape(lanes[1], 1) + eps)
    scale = rstd if weight is None else rstd * weight.reshape(lanes[1], 1)
    shift = -mean * scale if bias is None else bias.reshape(lanes[1], 1) - mean * scale
    y = (x * scale).astype(x.dtype, copy=False)
    y += shift
    # What is kept must not follow later writes to the running statistics.
    return y.reshape(input.shape).astype(input.dtype, copy=False), mean.astype(input.dtype), rstd.astype(input.dtype)


# ---- what users call

def _array(t: Any) -> Any:
    return t._array if isinstance(t, Tensor) else t


def _check_dtype(input: Any, *parameters: Any) -> None:
    """Parameters have the input's dtype, or float32 beside a half type."""
    dtype = _array(input).dtype
    for parameter in parameters:
        found = None if parameter is None else _array(parameter).dtype
        if found is not None and found != dtype and not (dtype.itemsize == 2 and found == FLOAT32):
            raise RuntimeError(f"mixed dtype (CPU): expect parameter to have scalar type of {dtypes.of(dtype).scalar_type}")


def _trailing(name: str, input: Any, normalized_shape: Any, **parameters: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The view and lanes for normalisation over the last dimensions, which must be `normalized_shape`."""
    shape = tuple(normalized_shape) if not isinstance(normalized_shape, int) else (normalized_shape,)
    size = tuple(_array(input).shape)
    if not shape:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []")
    for what, parameter in parameters.items():
        if parameter is not None and tuple(parameter.shape) != shape:
            raise RuntimeError(f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape {list(parameter.shape)} and "
                               f"normalized_shape = {list(shape)}")
    if size[len(size) - len(shape):] != shape:
        raise RuntimeError(f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got input of size"
                           f"{list(size)}")
    n = prod(shape)
    before = prod(size[:len(size) - len(shape)])
    _check_dtype(input, *parameters.values())
    return (before, n), (before, n, 1)


@composite()
def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Standardise over the last dimensions, then scale and shift.

    Args:
        input: of shape (..., *normalized_shape).
        normalized_shape: the sizes of the last dimensions.
        weight: of shape `normalized_shape`; None: one.
        bias: of shape `normalized_shape`; None: zero.
        eps: added to the variance.

    Raises:
        RuntimeError: the shapes or dtypes do not match.

    Example:
        >>> import tapegrad
        >>> tapegrad.nn.functional.layer_norm(tapegrad.tensor([[1.0, 3.0]]), (2,))
        tensor([[-1.0000,  1.0000]])
    """
    view, lanes = _trailing("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return _layer_norm(input, weight, bias, view, (1,), lanes, eps, True)


@composite()
def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Divide by the root of the mean square over the last dimensions, then scale.

    Args:
        input: of shape (..., *normalized_shape).
        normalized_shape: the sizes of the last dimensions.
        weight: of shape `normalized_shape`; None: one.
        eps: added to the mean square; None: the dtype's machine epsilon.

    Raises:
        RuntimeError: the shapes or dtypes do not match.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).

    Example:
        >>> import tapegrad
        >>> tapegrad.nn.functional.rms_norm(tapegrad.tensor([[3.0, 3.0]]), (2,))
        tensor([[1., 1.]])
    """
    view, lanes = _trailing("rms_norm", input, normalized_shape, weight=weight)
    if eps is None:
        eps = float(dtypes.finfo(dtypes.of(wide(_array(input)[:0] if _array(input).ndim else _array(input)).dtype)).eps)
    return _rms_norm(input, weight, None, view, (1,), lanes, eps, False)


@composite()
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Standardise each sample over groups of channels, then scale and shift by channel.

    Args:
        input: of shape (N, C, ...).
        num_groups: how many groups the channels are cut into.
        weight: of shape (C,); None: one.
        bias: of shape (C,); None: zero.
        eps: added to the variance.

    Raises:
        RuntimeError: the channels cannot be cut so, or shapes or dtypes do not match.

    Source: Wu and He, "Group Normalization" (2018).

    Example:
        >>> import tapegrad
        >>> tapegrad.nn.functional.group_norm(tapegrad.tensor([[[1.0, 3.0], [5.0, 9.0]]]), 2)
        tensor([[[-1.0000,  1.0000],
                 [-1.0000,  1.0000]]])
    """
    size = _array(input).shape
    if len(size) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(size)}")
    batch, channels, rest = size[0], size[1], prod(size[2:])
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(size)} and "
                           f"num_groups={num_groups}")
    _check_channels(input, channels, weight=weight, bias=bias)
    return _group_norm(input, weight, bias, (batch * num_groups, channels // num_groups * rest), (1,), (batch, channels, rest), eps, True)


def _check_channels(input: Any, channels: int, **parameters: Any) -> None:
    for what, parameter in parameters.items():
        if parameter is not None and (parameter.ndim != 1 or parameter.shape[0] != channels):
            raise RuntimeError(f"Expected {what} to be a vector of size equal to the number of channels in input, but got {what} of shape "
                               f"{list(parameter.shape)} and input of shape {list(input.shape)}")
    _check_dtype(input, *parameters.values())


def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False, momentum: float = 0.1,
               eps: float = 1e-5) -> Any:
    """Standardise each channel over the batch (or by running statistics), then scale and shift.

    Args:
        input: of shape (N, C, ...).
        running_mean: of shape (C,); when training, moved in place towards the batch's mean; None: not tracked.
        running_var: of shape (C,); when training, moved in place towards the batch's unbiased variance; None: not tracked.
        weight: of shape (C,); None: one.
        bias: of shape (C,); None: zero.
        training: use the batch's statistics.
        momentum: the fraction by which the running statistics move.
        eps: added to the variance.

    Raises:
        ValueError: there is but one value per channel when training.
        RuntimeError: shapes or dtypes do not match, or there are no statistics.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015).

    Example:
        >>> import tapegrad
        >>> tapegrad.nn.functional.batch_norm(tapegrad.tensor([[1.0], [3.0]]), None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    size = _array(input).shape
    batch, channels, rest = size[0], size[1], prod(size[2:])
    _check_statistics(channels, running_mean, running_var, weight, bias)
    _check_dtype(input, weight, bias)
    lanes = (batch, channels, rest)
    if not training:
        if running_mean is None:
            raise RuntimeError("running_mean must be defined in evaluation mode")
        given = _array(input).dtype
        for found in (_array(running_mean).dtype, _array(running_var).dtype):
            if found != given and not (given.itemsize == 2 and found == FLOAT32):
                raise RuntimeError(f"expected scalar type {dtypes.of(given).scalar_type} but found {dtypes.of(found).scalar_type}")
        return _batch_norm_eval(input, running_mean, running_var, weight, bias, lanes, eps)
    if batch * rest == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    return _with_statistics(_batch_norm, input, running_mean, running_var, weight, bias, lanes, (0, 2), lanes, momentum, eps)


def _with_statistics(norm: Any, input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, view: tuple[int, ...], dims: tuple[int, ...],
                     lanes: tuple[int, ...], momentum: float, eps: float) -> Any:
    """A norm by the input's own statistics, towards which the running ones move."""
    running = None
    if running_mean is not None or running_var is not None:
        for t in (running_mean, running_var):
            if t is not None and backend(_array(t)) is not backend(_array(input)):
                raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, {input.device} and {t.device}! "
                                   "(in batch_norm)")
        running = (_array(running_mean), _array(running_var), momentum)
    result = norm(input, weight, bias, view, dims, lanes, eps, True, running)
    for t in (running_mean, running_var):
        if isinstance(t, Tensor):
            written(t)
    return result


def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None, use_input_stats: bool = True,
                  momentum: float = 0.1, eps: float = 1e-5) -> Any:
    """Standardise each channel of each sample (or by running statistics), then scale and shift.

    Args:
        input: of shape (N, C, ...).
        running_mean: of shape (C,); moved in place towards the mean of the samples' means; None: not tracked.
        running_var: of shape (C,); moved in place towards the mean of their unbiased variances; None: not tracked.
        weight: of shape (C,); None: one.
        bias: of shape (C,); None: zero.
        use_input_stats: standardise by the input's own statistics.
        momentum: the fraction by which the running statistics move.
        eps: added to the variance.

    Raises:
        ValueError: there is but one value per channel.
        RuntimeError: shapes or dtypes do not match.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization" (2016).

    Example:
        >>> import tapegrad
        >>> tapegrad.nn.functional.instance_norm(tapegrad.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """
    size = _array(input).shape
    batch, channels, rest = size[0], size[1], prod(size[2:])
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if rest == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    _check_statistics(channels, running_mean, running_var, weight, bias)
    _check_dtype(input, weight, bias)
    return _with_statistics(_batch_norm, input, running_mean, running_var, weight, bias, (batch * channels, rest), (1,), (batch, channels, rest), momentum, eps)


def _check_statistics(channels: int, running_mean: Any, running_var: Any, weight: Any, bias: Any) -> None:
    for what, t in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if t is not None and t.shape[0] != channels:
            raise RuntimeError(f"{what} should contain {channels} elements not {t.shape[0]}")
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
