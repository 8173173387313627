"""Layer, RMS, batch, group and instance normalisation: standardise, then scale and shift by channel.

With N elements to a statistic, and c = 1 (0 for RMS norm, which does not centre)::

    mean = c sum(x) / N
    rstd = (sum((x - mean)^2) / N + eps)^(-1/2)
    h = (x - mean) rstd
    y = h weight + bias

``J = dh/dx = rstd (1 - c/N - h h^T / N)`` is symmetric, so its vjp is ``J`` itself::

    standardize_vjp(v) = J v = rstd (v - c mean(v) - h mean(v h))

and the vjp of that, by which gradients of any order are made of ops, is::

    d<g, J v>/dv = J g
    d<g, J v>/dx = -rstd (rstd (c(g, v) - a b) h + a J v + b J g)
        with a = mean(g h), b = mean(v h), c(g, v) = mean(g v) - c mean(g) mean(v)

The gradients of weight and bias are sums by channel (`weight_vjp`, `channel_sum`).

Sources: Ioffe and Szegedy, "Batch Normalization" (2015), section 3; Ba, Kiros and Hinton, "Layer Normalization" (2016);
Ulyanov, Vedaldi and Lempitsky, "Instance Normalization" (2016); Wu and He, "Group Normalization" (2018);
Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.half_precision import FLOAT32, is_half, wide
from tapegrad.autograd.ops.nn import norms_composed as composed
from tapegrad.autograd.ops.nn.norms_composed import move_towards
from tapegrad.autograd.ops.reduction.sum import expand_reduced
from tapegrad.autograd.ops.reduction.sum import sum as total
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, xp

# Elements of a block: passes that stay in the processor's cache are two to three times as fast as over a large array.
BLOCK = 1 << 16

Shape = tuple[int, ...]


class Layout(NamedTuple):
    """How an input is standardised.

    Attributes:
        view: (rows, elements), where each row is standardised, or (samples, channels, elements), where each channel is.
        channels: (before, channels, after): the shape in which weight and bias scale and shift it.
        dims: the dimensions of `view` that statistics are taken over.
        elements: how many elements go into a statistic.
    """

    view: tuple[int, ...]
    channels: tuple[int, int, int]
    dims: tuple[int, ...]
    elements: int

    def blocks(self, x: Array) -> list[Any]:
        """Indices that cut a large NumPy array of shape `view`; none for any other.

        No statistic is cut, and no sample from its parameters.
        """
        if x.__class__ is not np.ndarray or x.size <= 2 * BLOCK:
            return []
        rows = len(self.view) == 2
        n = self.view[0 if rows else 1]
        unit = max(1, n // self.channels[0]) if rows else 1
        step = max(1, BLOCK * n // (x.size * unit)) * unit
        cuts = [slice(i, i + step) for i in range(0, n, step)]
        return cuts if rows else [(slice(None), cut) for cut in cuts]

    def parameter(self, p: Array) -> Array:
        """Weight or bias in a shape that broadcasts with `channels`, and that an index of `blocks` can cut."""
        if p is None:
            return None
        shape = (self.channels[1], 1) if len(self.view) == 2 else (1, self.channels[1], 1)
        return wide(p).reshape(shape)

    def as_channels(self, block: Array) -> Array:
        """A block of the view in the shape of `channels`."""
        return block.reshape(-1, *self.channels[1:]) if block.ndim == 2 else block


def layout_of(view: tuple[int, ...], channels: tuple[int, int, int]) -> Layout:
    dims = (1,) if len(view) == 2 else (0, 2)
    return Layout(view, channels, dims, prod([view[d] for d in dims]))


def sum_over(x: Array, dims: tuple[int, ...]) -> Array:
    """The sum over `dims`, which are kept."""
    if x.__class__ is not np.ndarray:
        return x.sum(axis=dims, keepdims=True)
    # Products with ones take BLAS, which is two to three times as fast as NumPy's sum along a dimension.
    if dims == (1,):
        return x.dot(np.ones(x.shape[1], x.dtype))[:, None]
    channels = x[:, :, 0] if x.shape[2] == 1 else x @ np.ones(x.shape[2], x.dtype)
    return np.ones(len(x), x.dtype).dot(channels)[None, :, None]


def sum_of_product(x: Array, y: Array, dims: tuple[int, ...]) -> Array:
    """The sum of ``x * y`` over `dims`, which are kept."""
    if x.__class__ is not np.ndarray:
        return (x * y).sum(axis=dims, keepdims=True)
    if dims == (1,):
        return np.vecdot(x, y)[:, None]
    channels = x[:, :, 0] * y[:, :, 0] if x.shape[2] == 1 else np.vecdot(x, y)
    return np.ones(len(x), x.dtype).dot(channels)[None, :, None]


# ---- blocks


def in_blocks(
    layout: Layout, compute: Callable[..., tuple[Array, ...]], arrays: tuple[Array, ...], parameters: tuple[Array, ...]
) -> tuple[Array, ...]:
    """``compute(out, *arrays, *parameters)``, or the same for blocks of them, put together.

    Args:
        layout: of the first array.
        compute: returns a result, which it makes in `out` unless that is None, and statistics.
        arrays: of the shape `layout.view`, or statistics, or None.
        parameters: what `layout.parameter` made of weight and bias.
    """
    blocks = layout.blocks(arrays[0])
    if not blocks:
        return compute(None, *arrays, *parameters)
    whole = np.empty(layout.view, arrays[0].dtype)
    statistics = []
    if len(layout.view) == 3:
        arrays, parameters = (*arrays, *parameters), ()  # channels are cut, and so are their parameters
    for i in blocks:
        out = None if whole.itemsize == 2 else whole[i]
        result, *parts = compute(out, *cut(arrays, i), *parameters)
        if out is None:
            whole[i] = result
        statistics.append(parts)
    axis = len(layout.view) - 2
    return (whole, *[None if parts[0] is None else np.concatenate(parts, axis) for parts in zip(*statistics)])


def cut(arrays: tuple[Array, ...], i: Any) -> list[Array]:
    """Block `i` of each array that there is."""
    return [None if array is None else array[i] for array in arrays]


def _normalize_block(
    layout: Layout, eps: float, center: bool, out: Array, x: Array, weight: Array, bias: Array
) -> tuple[Array, ...]:
    """A block normalised, its mean (None unless `center`), its variance (else its mean square), and rstd."""
    x, mean = wide(x), None
    if center:
        mean = sum_over(x, layout.dims)
        mean /= layout.elements
        x = out = xp(x).subtract(x, mean, out=out)
    square = sum_of_product(x, x, layout.dims)
    square /= layout.elements
    rstd = 1 / xp(x).sqrt(square + eps)
    y = xp(x).multiply(x, rstd, out=out)
    channels = layout.as_channels(y)
    if weight is not None:
        channels *= weight
    if bias is not None:
        channels += bias
    return y, mean, square, rstd


def standardize_with(x: Array, mean: Array, rstd: Array) -> Array:
    """`x` standardised with known statistics."""
    if mean is None:
        return x * rstd
    h = x - mean
    h *= rstd
    return h


def _vjp_block(
    layout: Layout, out: Array, x: Array, g: Array, mean: Array, rstd: Array, weight: Array
) -> tuple[Array, ...]:
    """``J (g * weight)`` of a block."""
    g = wide(g)
    if weight is not None:
        g = (layout.as_channels(g) * weight).reshape(x.shape)
    h = standardize_with(wide(x), mean, rstd)
    share = sum_of_product(g, h, layout.dims)
    share *= rstd
    share /= layout.elements
    h *= share
    if mean is not None:
        share = sum_over(g, layout.dims)
        share *= rstd
        share /= layout.elements
        h += share
    d = xp(h).multiply(g, rstd, out=out)
    d -= h
    return (d,)


def _weight_vjp_block(layout: Layout, g: Array, x: Array, mean: Array, rstd: Array) -> Array:
    h = standardize_with(wide(x), mean, rstd)
    return sum_of_product(layout.as_channels(wide(g)), layout.as_channels(h), (0, 2)).reshape(-1)


# ---- ops on whole arrays, with total derivatives


@op(
    input=lambda grad, input, mean, rstd, layout: standardize_vjp(grad, input, None, mean, rstd, layout),
    public=False,
    composed=composed.standardize,
)
def standardize(input: Array, mean: Array, rstd: Array, layout: Layout) -> Array:
    """`input` standardised, in the shape of the view."""
    return standardize_with(wide(input).reshape(layout.view), mean, rstd).astype(input.dtype, copy=False)


def _by_channel(x: Operand, weight: Operand, channels: Shape) -> Operand:
    """``x * weight`` in the shape `channels`."""
    x = x.reshape(channels)
    return x if weight is None else x * weight.reshape(channels[1], 1)


@op(
    cotangent=lambda grad, input, weight, mean, rstd, layout, cotangent_shape: _by_channel(
        standardize_vjp(grad, input, None, mean, rstd, layout), weight, layout.channels
    ).reshape(cotangent_shape),
    input=lambda grad, cotangent, input, weight, mean, rstd, layout: standardize_vjp_vjp(
        grad, _by_channel(cotangent, weight, layout.channels), input, mean, rstd, layout
    ),
    weight=lambda grad, cotangent, input, mean, rstd, layout, weight_shape: channel_sum(
        (cotangent * standardize_vjp(grad, input, None, mean, rstd, layout)).reshape(layout.channels)
    ).reshape(weight_shape),
    operands="free",
    public=False,
    composed=composed.standardize_vjp,
)
def standardize_vjp(
    cotangent: Array, input: Array, weight: Array = None, mean: Array = None, rstd: Array = None, layout: Any = None
) -> Array:
    """``J(input) (cotangent * weight)``."""
    g, x = cotangent.reshape(layout.view), input.reshape(layout.view)
    (d,) = in_blocks(layout, partial(_vjp_block, layout), (x, g, mean, rstd), (layout.parameter(weight),))
    return d.astype(input.dtype, copy=False).reshape(input.shape)


def standardize_vjp_vjp(
    grad: Operand, cotangent: Operand, input: Operand, mean: Array, rstd: Array, layout: Layout
) -> Operand:
    """The gradient of ``<grad, J(input) cotangent>`` with respect to `input`."""
    view, dims, share = layout.view, layout.dims, 1 / layout.elements
    h = standardize(input, mean, rstd, layout)
    r = rstd_of(input, mean, rstd, layout)
    g, v = grad.reshape(view), cotangent.reshape(view)
    a, b, c = total(g * h, dims, True) * share, total(v * h, dims, True) * share, total(g * v, dims, True) * share
    if mean is not None:
        c = c - total(g, dims, True) * total(v, dims, True) * share**2
    jv = standardize_vjp(v, input, None, mean, rstd, layout).reshape(view)
    jg = standardize_vjp(g, input, None, mean, rstd, layout).reshape(view)
    return -(r * r * (c - a * b) * h + r * (a * jv + b * jg)).reshape(input.shape)


def _rstd_vjp(grad: Operand, input: Operand, mean: Array, rstd: Array, layout: Layout) -> Operand:
    r = rstd_of(input, mean, rstd, layout)
    return (standardize(input, mean, rstd, layout) * (grad * r * r * (-1 / layout.elements))).reshape(input.shape)


@op(input=_rstd_vjp, public=False, composed=composed.rstd_of)
def rstd_of(input: Array, mean: Array, rstd: Array, layout: Layout) -> Array:
    """The reciprocal standard deviation of `input`: the kept one, with its derivative."""
    return rstd.astype(input.dtype)


@op(
    cotangent=lambda grad, input, mean, rstd, layout, cotangent_shape: _by_channel(
        standardize(input, mean, rstd, layout), grad, layout.channels
    ).reshape(cotangent_shape),
    input=lambda grad, cotangent, input, mean, rstd, layout: standardize_vjp(
        _by_channel(cotangent, grad, layout.channels), input, None, mean, rstd, layout
    ),
    operands="free",
    public=False,
    composed=composed.weight_vjp,
)
def weight_vjp(cotangent: Array, input: Array, mean: Array, rstd: Array, layout: Layout) -> Array:
    """The sum by channel of `cotangent` times the standardised input."""
    g, x = cotangent.reshape(layout.view), input.reshape(layout.view)
    blocks = layout.blocks(x)
    if not blocks:
        return _weight_vjp_block(layout, g, x, mean, rstd).astype(input.dtype, copy=False)
    parts = [_weight_vjp_block(layout, *cut((g, x, mean, rstd), i)) for i in blocks]
    sums = np.add.reduce(parts) if len(layout.view) == 2 else np.concatenate(parts)
    return sums.astype(input.dtype, copy=False)


@op(
    input=lambda grad, input_shape: expand_reduced(grad, input_shape, (0, 2), False),
    kind="linear",
    public=False,
    batch=lambda batched, input: input.sum((1, 3)),
)
def channel_sum(input: Array) -> Array:
    """The sum by channel of an array of shape (before, channels, after)."""
    x = wide(input)
    if x.__class__ is not np.ndarray or x.dtype.kind != "f":
        return x.sum(axis=(0, 2)).astype(input.dtype, copy=False)
    before, channels, after = x.shape
    if after > 1:
        x = x.reshape(before * channels, after).dot(np.ones(after, x.dtype))
    return np.ones(before, x.dtype).dot(x.reshape(before, channels)).astype(input.dtype, copy=False)


_norm_op = partial(
    op,
    input=lambda grad, input, weight, mean, rstd, layout: standardize_vjp(grad, input, weight, mean, rstd, layout),
    weight=lambda grad, input, mean, rstd, layout, weight_shape: weight_vjp(grad, input, mean, rstd, layout).reshape(
        weight_shape
    ),
    bias=lambda grad, layout, bias_shape: channel_sum(grad.reshape(layout.channels)).reshape(bias_shape),
    keeps=("mean", "rstd"),
    operands="free",
    public=False,
    composed=composed.normalize,
)


def normalize(
    input: Array,
    weight: Array = None,
    bias: Array = None,
    layout: Any = None,
    eps: float = 1e-5,
    center: bool = True,
    running: tuple[Array, Array, float] | None = None,
) -> tuple[Array, Array, Array]:
    """Standardise, scale and shift; `running` are a mean and a variance to move towards the input's by a fraction."""
    y, mean, square, rstd = in_blocks(
        layout,
        partial(_normalize_block, layout, eps, center),
        (input.reshape(layout.view),),
        (layout.parameter(weight), layout.parameter(bias)),
    )
    if running is not None:
        move_towards(running[0], mean, running[2])
        move_towards(running[1], square * (layout.elements / (layout.elements - 1)), running[2])
    return y.astype(input.dtype, copy=False).reshape(input.shape), mean, rstd


_layer_norm = _norm_op(name="native_layer_norm")(normalize)
_batch_norm = _norm_op(name="native_batch_norm")(normalize)
_group_norm = _norm_op(name="native_group_norm")(normalize)
_rms_norm = _norm_op(name="fused_rms_norm")(normalize)


@op(
    input=lambda grad, weight, rstd, channels, input_shape: _by_channel(
        grad.reshape(channels) * rstd, weight, channels
    ).reshape(input_shape),
    weight=lambda grad, input, mean, rstd, channels: channel_sum(
        grad.reshape(channels) * ((input.reshape(channels) - mean) * rstd)
    ),
    bias=lambda grad, channels: channel_sum(grad.reshape(channels)),
    running_mean=None,
    running_var=None,
    keeps=("mean", "rstd"),
    operands="free",
    public=False,
    composed=composed.by_statistics,
    name="native_batch_norm",
)
def _batch_norm_eval(
    input: Array,
    running_mean: Array,
    running_var: Array,
    weight: Array = None,
    bias: Array = None,
    channels: tuple[int, ...] = (),
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    x = wide(input).reshape(channels)
    mean = running_mean.reshape(channels[1], 1)
    rstd = 1 / xp(x).sqrt(running_var.reshape(channels[1], 1) + eps)
    scale = rstd if weight is None else rstd * weight.reshape(channels[1], 1)
    shift = -mean * scale if bias is None else bias.reshape(channels[1], 1) - mean * scale
    y = (x * scale).astype(x.dtype, copy=False)
    y += shift
    # What is kept must not follow later writes to the running statistics.
    return y.reshape(input.shape).astype(input.dtype, copy=False), mean.astype(input.dtype), rstd.astype(input.dtype)


# ---- what users call


def _fits(parameter: Operand, dtype: np.dtype) -> bool:
    """Whether a parameter has the input's dtype, or float32 for a half type."""
    own = raw(parameter).dtype
    return bool(own == dtype or (own == FLOAT32 and dtype.itemsize == 2))


def _check_dtype(input: Operand, *parameters: Operand) -> None:
    dtype = raw(input).dtype
    if not all(p is None or _fits(p, dtype) for p in parameters):
        kind = dtypes.of(dtype).scalar_type
        raise RuntimeError(f"mixed dtype (CPU): expect parameter to have scalar type of {kind}")


def _trailing(input: Operand, normalized_shape: int | Sequence[int], **parameters: Operand) -> Layout:
    """The layout of normalisation over the last dimensions, which must be `normalized_shape`."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    size = tuple(raw(input).shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for what, parameter in parameters.items():
        if parameter is not None and tuple(parameter.shape) != shape:
            raise RuntimeError(
                f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape "
                f"{list(parameter.shape)} and normalized_shape = {list(shape)}"
            )
    lead = len(size) - len(shape)
    if size[lead:] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but "
            "got "
            f"input of size{list(size)}"
        )
    _check_dtype(input, *parameters.values())
    before, n = prod(size[:lead]), prod(shape)
    return layout_of((before, n), (before, n, 1))


@composite()
def layer_norm(
    input: Operand,
    normalized_shape: int | Sequence[int],
    weight: Operand = None,
    bias: Operand = None,
    eps: float = 1e-5,
) -> Operand:
    """Standardise over the last dimensions, then scale and shift.

    Args:
        normalized_shape: the sizes of the last dimensions, and the shape of weight and bias.
        eps: added to the variance.

    Example:
        >>> tapegrad.nn.functional.layer_norm(tapegrad.tensor([[1.0, 3.0]]), (2,))
        tensor([[-1.0000,  1.0000]])
    """
    return _layer_norm(input, weight, bias, _trailing(input, normalized_shape, weight=weight, bias=bias), eps)


@composite()
def rms_norm(
    input: Operand, normalized_shape: int | Sequence[int], weight: Operand = None, eps: float | None = None
) -> Operand:
    """Divide by the root of the mean square over the last dimensions, then scale.

    Args:
        normalized_shape: the sizes of the last dimensions, and the shape of weight.
        eps: added to the mean square; None: the machine epsilon of the input's dtype (of float32 for a half type).

    Example:
        >>> tapegrad.nn.functional.rms_norm(tapegrad.tensor([[3.0, 3.0]]), (2,))
        tensor([[1., 1.]])
    """
    layout = _trailing(input, normalized_shape, weight=weight)
    if eps is None:
        dtype = raw(input).dtype
        eps = float(dtypes.finfo(dtypes.of(FLOAT32 if is_half(dtype) else dtype)).eps)
    return _rms_norm(input, weight, None, layout, eps, False)


@composite()
def group_norm(
    input: Operand, num_groups: int, weight: Operand = None, bias: Operand = None, eps: float = 1e-5
) -> Operand:
    """Standardise each sample over groups of channels, then scale and shift by channel.

    Args:
        input: of shape (N, C, ...).
        num_groups: how many groups the channels are cut into.
        weight, bias: of shape (C,).
        eps: added to the variance.

    Example:
        >>> tapegrad.nn.functional.group_norm(tapegrad.tensor([[[1.0, 3.0], [5.0, 9.0]]]), 2)
        tensor([[[-1.0000,  1.0000],
                 [-1.0000,  1.0000]]])
    """
    size = raw(input).shape
    if len(size) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(size)}")
    batch, count, rest = channels = _channels(size)
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if count % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(size)} and "
            f"num_groups={num_groups}"
        )
    for what, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and (parameter.ndim != 1 or parameter.shape[0] != count):
            raise RuntimeError(
                f"Expected {what} to be a vector of size equal to the number of channels in input, but got {what} of "
                "shape "
                f"{list(parameter.shape)} and input of shape {list(input.shape)}"
            )
    _check_dtype(input, weight, bias)
    return _group_norm(input, weight, bias, layout_of((batch * num_groups, count // num_groups * rest), channels), eps)


def _channels(size: Shape) -> tuple[int, int, int]:
    return size[0], size[1], prod(size[2:])


def batch_norm(
    input: Operand,
    running_mean: Operand,
    running_var: Operand,
    weight: Operand = None,
    bias: Operand = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Operand:
    """Standardise each channel over the batch (or by running statistics), then scale and shift.

    Args:
        input: of shape (N, C, ...).
        running_mean, running_var: of shape (C,); when training, moved in place towards the batch's mean and unbiased
            variance; None: not tracked.
        weight, bias: of shape (C,).
        training: use the batch's statistics.
        momentum: the fraction by which the running statistics move.
        eps: added to the variance.

    Raises:
        ValueError: there is but one value per channel when training.
        RuntimeError: shapes or dtypes do not match, or there are no statistics.

    Example:
        >>> tapegrad.nn.functional.batch_norm(tapegrad.tensor([[1.0], [3.0]]), None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    channels = _channels(raw(input).shape)
    _check_statistics(channels[1], running_mean, running_var, weight, bias)
    _check_dtype(input, weight, bias)
    if training:
        if channels[0] * channels[2] == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
        layout = layout_of(channels, channels)
        return _by_own_statistics(input, running_mean, running_var, weight, bias, layout, momentum, eps)
    if running_mean is None:
        raise RuntimeError("running_mean must be defined in evaluation mode")
    dtype = raw(input).dtype
    for statistic in (running_mean, running_var):
        if not _fits(statistic, dtype):
            own = dtypes.of(raw(statistic).dtype).scalar_type
            raise RuntimeError(f"expected scalar type {dtypes.of(dtype).scalar_type} but found {own}")
    return _batch_norm_eval(input, running_mean, running_var, weight, bias, channels, eps)


def _by_own_statistics(
    input: Operand,
    running_mean: Operand,
    running_var: Operand,
    weight: Operand,
    bias: Operand,
    layout: Layout,
    momentum: float,
    eps: float,
) -> Operand:
    """Normalise by the input's own statistics, towards which the running ones move."""
    running = None
    tracked = [t for t in (running_mean, running_var) if t is not None]
    if tracked:
        for t in tracked:
            if backend(raw(t)).type != backend(raw(input)).type:
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two devices, "
                    f"{input.device} and {t.device}! (in batch_norm)"
                )
        running = (raw(running_mean), raw(running_var), momentum)
    result = _batch_norm(input, weight, bias, layout, eps, True, running)
    for t in tracked:
        if isinstance(t, Tensor):
            bump(t)
    return result


def instance_norm(
    input: Operand,
    running_mean: Operand = None,
    running_var: Operand = None,
    weight: Operand = None,
    bias: Operand = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Operand:
    """Standardise each channel of each sample (or by running statistics), then scale and shift.

    Arguments as in `batch_norm`; the running statistics move towards the mean of the samples' statistics.

    Example:
        >>> tapegrad.nn.functional.instance_norm(tapegrad.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    batch, count, rest = channels = _channels(raw(input).shape)
    if rest == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    _check_statistics(count, running_mean, running_var, weight, bias)
    _check_dtype(input, weight, bias)
    layout = layout_of((batch * count, rest), channels)
    return _by_own_statistics(input, running_mean, running_var, weight, bias, layout, momentum, eps)


def _check_statistics(count: int, running_mean: Operand, running_var: Operand, weight: Operand, bias: Operand) -> None:
    parameters = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for what, t in parameters.items():
        if t is not None and t.shape[0] != count:
            raise RuntimeError(f"{what} should contain {count} elements not {t.shape[0]}")
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
