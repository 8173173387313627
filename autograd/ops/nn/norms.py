"""Layer, RMS, batch, group and instance normalisation: standardise, then scale and shift by channel.

With N elements to a statistic, and c = 1 (0 for RMS norm, which does not centre)::

    mean = c sum(x) / N
    rstd = (sum((x - mean)^2) / N + eps)^(-1/2)
    h = (x - mean) rstd
    y = h weight + bias

``J = dh/dx = rstd (1 - c/N - h h^T / N)`` is symmetric, so its vjp is ``J`` itself::

    standardize_vjp(v) = J v = rstd (v - c mean(v) - h mean(v h))
    d<g, J v>/dv = J g
    d<g, J v>/dx = -rstd (rstd (k - a b) h + a J v + b J g)
    with a = mean(g h), b = mean(v h), k = mean(g v) - c mean(g) mean(v)

The last line is `standardize_vjp_vjp`; it is made of ops, so gradients of any order follow. The statistics that the
forward pass kept reach the rules as plain arguments. The gradients of weight and bias are sums by channel
(`weight_vjp`, `channel_sum`). Source: Ioffe and Szegedy, "Batch Normalization" (2015), section 3; Ba, Kiros and Hinton,
"Layer Normalization" (2016).
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.half_precision import FLOAT32, wide
from tapegrad.autograd.ops.nn import norms_composed as composed
from tapegrad.autograd.ops.nn.norms_composed import move_towards
from tapegrad.autograd.ops.reduction.sum import sum as total
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, xp

# Elements of a block: passes that stay in the processor's cache are two to three times as fast as passes over a large
# array.
BLOCK = 1 << 16


class Layout(NamedTuple):
    """How an input is standardised.

    Attributes:
        view: (rows, elements), where each row is standardised, or (samples, channels, elements), where each channel is.
        channels: (before, channels, after): the shape in which weight and bias scale and shift it.
    """

    view: tuple[int, ...]
    channels: tuple[int, int, int]

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions of `view` that statistics are taken over."""
        return (1,) if len(self.view) == 2 else (0, 2)

    @property
    def elements(self) -> int:
        """How many elements go into a statistic."""
        return prod(self.view[d] for d in self.dims)

    def blocks(self, x: Any) -> list[Any]:
        """Indices that cut a large NumPy array of shape `view` where no statistic is cut, and no sample from its
        parameters; statistics are cut alike.
        """
        if x.__class__ is not np.ndarray or x.size <= 2 * BLOCK:
            return []
        rows = len(self.view) == 2
        n = self.view[0 if rows else 1]
        unit = max(1, n // self.channels[0]) if rows else 1
        step = max(1, BLOCK * n // (x.size * unit)) * unit
        cuts = [slice(i, i + step) for i in range(0, n, step)]
        return cuts if rows else [(slice(None), cut) for cut in cuts]

    def parameter(self, p: Any, i: Any = None) -> Any:
        """Weight or bias, shaped for block `i`."""
        if p is None:
            return None
        p = p.reshape(self.channels[1], 1)
        return p[i[1]] if i.__class__ is tuple else p

    def as_channels(self, block: Any) -> Any:
        """A block of the view in the shape of `channels`."""
        return block.reshape(-1, *self.channels[1:]) if block.ndim == 2 else block


def sum_over(x: Any, dims: tuple[int, ...]) -> Any:
    """The sum over `dims`, which are kept."""
    if x.__class__ is not np.ndarray:
        return x.sum(axis=dims, keepdims=True)
    # Products with ones take BLAS, which is two to three times as fast as NumPy's sum along a dimension.
    if dims == (1,):
        return x.dot(np.ones(x.shape[1], x.dtype))[:, None]
    channels = x[:, :, 0] if x.shape[2] == 1 else x @ np.ones(x.shape[2], x.dtype)
    return np.ones(len(x), x.dtype).dot(channels)[None, :, None]


def sum_of_product(x: Any, y: Any, dims: tuple[int, ...]) -> Any:
    """The sum of ``x * y`` over `dims`, which are kept."""
    if x.__class__ is not np.ndarray:
        return (x * y).sum(axis=dims, keepdims=True)
    if dims == (1,):
        return np.vecdot(x, y)[:, None]
    channels = x[:, :, 0] * y[:, :, 0] if x.shape[2] == 1 else np.vecdot(x, y)
    return np.ones(len(x), x.dtype).dot(channels)[None, :, None]


# ---- blocks


def standardize_block(
    x: Any, dims: tuple[int, ...], count: int, eps: float, center: bool, out: Any = None
) -> tuple[Any, Any, Any, Any]:
    """`x` standardised (in `out` if given), its mean (None unless `center`), its variance (its mean square) and the
    reciprocal of the root of that.
    """
    mean = None
    if center:
        mean = sum_over(x, dims)
        mean /= count
        x = out = xp(x).subtract(x, mean, out=out)
    square = sum_of_product(x, x, dims)
    square /= count
    rstd = 1 / xp(x).sqrt(square + eps)
    return xp(x).multiply(x, rstd, out=out), mean, square, rstd


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    """``y * weight + bias``, in place."""
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y


def vjp_block(
    g: Any, x: Any, mean: Any, rstd: Any, dims: tuple[int, ...], count: int, out: Any = None, scratch: Any = None
) -> Any:
    """``J g`` (in `out` if given, with `scratch` to work in)."""
    module = xp(x)
    if mean is None:
        h = module.multiply(x, rstd, out=scratch)
    else:
        h = module.subtract(x, mean, out=scratch)
        h *= rstd
    share = sum_of_product(g, h, dims)
    share *= rstd
    share /= count
    h *= share
    if mean is not None:
        share = sum_over(g, dims)
        share *= rstd
        share /= count
        h += share
    d = module.multiply(g, rstd, out=out)
    d -= h
    return d


def standardize_with(x: Any, mean: Any, rstd: Any) -> Any:
    """`x` standardised with known statistics."""
    return x * rstd if mean is None else (x - mean) * rstd


def channel_sum_of_product(g: Any, h: Any) -> Any:
    """The sum of ``g * h`` by channel; both have the shape of `channels`."""
    if g.__class__ is not np.ndarray:
        return (g * h).sum(axis=(0, 2))
    channels = g[:, :, 0] * h[:, :, 0] if g.shape[2] == 1 else np.vecdot(g, h)
    return np.ones(len(g), g.dtype).dot(channels)


def block_of(statistic: Any, i: Any) -> Any:
    return None if statistic is None else statistic[i]


# ---- ops on whole arrays, with total derivatives


@op(
    input=lambda grad, input, mean, rstd, layout: standardize_vjp(grad, input, None, mean, rstd, layout),
    public=False,
    composed=composed.standardize,
)
def standardize(input: Any, mean: Any, rstd: Any, layout: Layout) -> Any:
    """`input` standardised, cotangent its statistics, in the shape of the view."""
    return standardize_with(wide(input).reshape(layout.view), mean, rstd).astype(input.dtype, copy=False)


@op(
    cotangent=lambda grad, cotangent_shape, input, weight, mean, rstd, layout: _scaled(
        standardize_vjp(grad, input, None, mean, rstd, layout), weight, layout
    ).reshape(cotangent_shape),
    input=lambda grad, cotangent, input, weight, mean, rstd, layout: standardize_vjp_vjp(
        grad, _scaled(cotangent, weight, layout), input, mean, rstd, layout
    ),
    weight=lambda grad, cotangent, input, mean, rstd, layout, weight_shape: channel_sum(
        cotangent.reshape(layout.channels)
        * standardize_vjp(grad, input, None, mean, rstd, layout).reshape(layout.channels)
    ).reshape(weight_shape),
    operands="free",
    public=False,
    composed=composed.standardize_vjp,
)
def standardize_vjp(
    cotangent: Any, input: Any, weight: Any = None, mean: Any = None, rstd: Any = None, layout: Any = None
) -> Any:
    """``J(input) (cotangent * weight)``."""
    view, dims, count = layout.view, layout.dims, layout.elements
    g, x = cotangent.reshape(view), input.reshape(view)
    blocks = layout.blocks(x)
    if not blocks:
        g = wide(g)
        if weight is not None:
            g = (layout.as_channels(g) * layout.parameter(wide(weight))).reshape(view)
        return vjp_block(g, wide(x), mean, rstd, dims, count).astype(input.dtype, copy=False).reshape(input.shape)
    d = np.empty(view, input.dtype)
    scratch = None if input.itemsize == 2 else np.empty(x[blocks[0]].shape, input.dtype)
    weight = None if weight is None else wide(weight)
    for i in blocks:
        part, to = wide(g[i]), None
        if scratch is not None:
            to = d[i]
            if to.shape != scratch.shape:
                scratch = np.empty(to.shape, input.dtype)
        if weight is not None:
            # The result's own place holds the scaled gradient meanwhile.
            channels = layout.as_channels(part)
            part = np.multiply(
                channels, layout.parameter(weight, i), out=None if to is None else to.reshape(channels.shape)
            ).reshape(part.shape)
        result = vjp_block(part, wide(x[i]), block_of(mean, i), rstd[i], dims, count, to, scratch)
        if to is None:
            d[i] = result
    return d.reshape(input.shape)


def _scaled(grad: Any, weight: Any, layout: Layout) -> Any:
    """``grad * weight`` in the shape of the view."""
    return (grad if weight is None else grad.reshape(layout.channels) * weight.reshape(layout.channels[1], 1)).reshape(
        layout.view
    )


def standardize_vjp_vjp(grad: Any, cotangent: Any, input: Any, mean: Any, rstd: Any, layout: Layout) -> Any:
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


@op(
    input=lambda grad, input, mean, rstd, layout: rstd_vjp(grad, input, mean, rstd, layout),
    public=False,
    composed=composed.rstd_of,
)
def rstd_of(input: Any, mean: Any, rstd: Any, layout: Layout) -> Any:
    """The reciprocal standard deviation of `input`: the kept one, with its derivative."""
    return rstd.astype(input.dtype)


def rstd_vjp(grad: Any, input: Any, mean: Any, rstd: Any, layout: Layout) -> Any:
    r = rstd_of(input, mean, rstd, layout)
    return (standardize(input, mean, rstd, layout) * (grad * r * r * (-1 / layout.elements))).reshape(input.shape)


@op(
    cotangent=lambda grad, input, mean, rstd, layout, cotangent_shape: (
        standardize(input, mean, rstd, layout).reshape(layout.channels) * grad[:, None]
    ).reshape(cotangent_shape),
    input=lambda grad, cotangent, input, mean, rstd, layout: standardize_vjp(
        cotangent.reshape(layout.channels) * grad[:, None], input, None, mean, rstd, layout
    ),
    operands="free",
    public=False,
    composed=composed.weight_vjp,
)
def weight_vjp(cotangent: Any, input: Any, mean: Any, rstd: Any, layout: Layout) -> Any:
    """The sum by channel of `cotangent` times the standardised input."""
    g, x = cotangent.reshape(layout.view), input.reshape(layout.view)
    blocks = layout.blocks(x)
    if not blocks:
        h = standardize_with(wide(x), mean, rstd)
        return channel_sum_of_product(wide(g).reshape(layout.channels), h.reshape(layout.channels)).astype(
            input.dtype, copy=False
        )
    sums: Any = np.zeros(layout.channels[1], wide(x[:0]).dtype)
    for i in blocks:
        h = standardize_with(wide(x[i]), block_of(mean, i), rstd[i])
        sums[i[1] if i.__class__ is tuple else slice(None)] += channel_sum_of_product(
            layout.as_channels(wide(g[i])), layout.as_channels(h)
        )
    return sums.astype(input.dtype, copy=False)


@op(
    input=lambda grad, input_shape: spread_over_channels(grad, input_shape),
    kind="linear",
    public=False,
    batch=lambda batched, input: input.sum((1, 3)),
)
def channel_sum(input: Any) -> Any:
    """The sum by channel of an array of shape (before, channels, after)."""
    x = wide(input)
    if x.__class__ is not np.ndarray or x.dtype.kind != "f":
        return x.sum(axis=(0, 2)).astype(input.dtype, copy=False)
    before, channels, after = x.shape
    sums = (
        x.reshape(before * channels, after).dot(np.ones(after, x.dtype)).reshape(before, channels)
        if after > 1
        else x.reshape(before, channels)
    )
    return np.ones(before, x.dtype).dot(sums).astype(input.dtype, copy=False)


@op(
    input=lambda grad: channel_sum(grad),
    kind="linear",
    public=False,
    batch=lambda batched, input, shape: input[:, None, :, None].expand((input.shape[0], *shape)).clone(),
)
def spread_over_channels(input: Any, shape: tuple[int, ...]) -> Any:
    return xp(input).broadcast_to(input.reshape(shape[1], 1), shape).copy()


_RULES: dict[str, Any] = {
    "input": lambda grad, input, weight, mean, rstd, layout: standardize_vjp(grad, input, weight, mean, rstd, layout),
    "weight": lambda grad, input, mean, rstd, layout, weight_shape: weight_vjp(grad, input, mean, rstd, layout).reshape(
        weight_shape
    ),
    "bias": lambda grad, layout, bias_shape: channel_sum(grad.reshape(layout.channels)).reshape(bias_shape),
    "keeps": ("mean", "rstd"),
    "operands": "free",
    "public": False,
    "composed": composed.normalize,
}


def normalize(
    input: Any,
    weight: Any = None,
    bias: Any = None,
    layout: Any = None,
    eps: float = 1e-5,
    center: bool = True,
    running: tuple[Any, Any, float] | None = None,
) -> Any:
    """Standardise, scale and shift; `running` are a mean and a variance to move towards the input's by a fraction."""
    x = input.reshape(layout.view)
    dims, count = layout.dims, layout.elements
    weight, bias = wide(weight) if weight is not None else None, wide(bias) if bias is not None else None
    blocks = layout.blocks(x)
    if not blocks:
        y, mean, square, rstd = standardize_block(wide(x), dims, count, eps, center)
        _affine(layout.as_channels(y), layout.parameter(weight), layout.parameter(bias))
        y = y.astype(input.dtype, copy=False)
    else:
        y = np.empty(layout.view, input.dtype)
        rstd = np.empty([1 if d in dims else n for d, n in enumerate(layout.view)], wide(x[:0]).dtype)
        square = np.empty_like(rstd)
        mean = np.empty_like(rstd) if center else None
        for i in blocks:
            h, m, square[i], rstd[i] = standardize_block(
                wide(x[i]), dims, count, eps, center, None if y.itemsize == 2 else y[i]
            )
            _affine(layout.as_channels(h), layout.parameter(weight, i), layout.parameter(bias, i))
            if y.itemsize == 2:
                y[i] = h
            if mean is not None:
                mean[i] = m
    if running is not None:
        move_towards(running[0], mean, running[2])
        move_towards(running[1], square * (count / (count - 1)), running[2])
    return y.reshape(input.shape), mean, rstd


_layer_norm = op(**_RULES, name="native_layer_norm")(normalize)
_batch_norm = op(**_RULES, name="native_batch_norm")(normalize)
_group_norm = op(**_RULES, name="native_group_norm")(normalize)
_rms_norm = op(**_RULES, name="fused_rms_norm")(normalize)


@op(
    input=lambda grad, weight, rstd, channels, input_shape: _eval_scaled(grad, weight, rstd, channels).reshape(
        input_shape
    ),
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
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    channels: tuple[int, ...] = (),
    eps: float = 1e-5,
) -> Any:
    x = wide(input).reshape(channels)
    mean = running_mean.reshape(channels[1], 1)
    rstd = 1 / xp(x).sqrt(running_var.reshape(channels[1], 1) + eps)
    scale = rstd if weight is None else rstd * weight.reshape(channels[1], 1)
    shift = -mean * scale if bias is None else bias.reshape(channels[1], 1) - mean * scale
    y = (x * scale).astype(x.dtype, copy=False)
    y += shift
    # What is kept must not follow later writes to the running statistics.
    return y.reshape(input.shape).astype(input.dtype, copy=False), mean.astype(input.dtype), rstd.astype(input.dtype)


def _eval_scaled(grad: Any, weight: Any, rstd: Any, channels: tuple[int, ...]) -> Any:
    grad = grad.reshape(channels) * rstd
    return grad if weight is None else grad * weight.reshape(channels[1], 1)


# ---- what users call


def _check_dtype(input: Any, *parameters: Any) -> None:
    """Parameters have the input's dtype, or float32 beside a half type."""
    dtype = raw(input).dtype
    for parameter in parameters:
        found = None if parameter is None else raw(parameter).dtype
        if found is not None and found != dtype and not (dtype.itemsize == 2 and found == FLOAT32):
            raise RuntimeError(
                f"mixed dtype (CPU): expect parameter to have scalar type of {dtypes.of(dtype).scalar_type}"
            )


def _trailing(input: Any, normalized_shape: Any, **parameters: Any) -> Layout:
    """The layout of normalisation over the last dimensions, which must be `normalized_shape`."""
    shape = tuple(normalized_shape) if not isinstance(normalized_shape, int) else (normalized_shape,)
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
                f"{list(parameter.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    if size[len(size) - len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but "
            "got input of size"
            f"{list(size)}"
        )
    n = prod(shape)
    before = prod(size[: len(size) - len(shape)])
    _check_dtype(input, *parameters.values())
    return Layout((before, n), (before, n, 1))


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
        >>> tapegrad.nn.functional.layer_norm(tapegrad.tensor([[1.0, 3.0]]), (2,))
        tensor([[-1.0000,  1.0000]])
    """
    return _layer_norm(input, weight, bias, _trailing(input, normalized_shape, weight=weight, bias=bias), eps)


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
        >>> tapegrad.nn.functional.rms_norm(tapegrad.tensor([[3.0, 3.0]]), (2,))
        tensor([[1., 1.]])
    """
    layout = _trailing(input, normalized_shape, weight=weight)
    if eps is None:
        eps = float(dtypes.finfo(dtypes.of(wide(raw(input)[:0] if raw(input).ndim else raw(input)).dtype)).eps)
    return _rms_norm(input, weight, None, layout, eps, False)


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
        >>> tapegrad.nn.functional.group_norm(tapegrad.tensor([[[1.0, 3.0], [5.0, 9.0]]]), 2)
        tensor([[[-1.0000,  1.0000],
                 [-1.0000,  1.0000]]])
    """
    size = raw(input).shape
    if len(size) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(size)}")
    batch, channels, rest = size[0], size[1], prod(size[2:])
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(size)} and "
            f"num_groups={num_groups}"
        )
    _check_channels(input, channels, weight=weight, bias=bias)
    layout = Layout((batch * num_groups, channels // num_groups * rest), (batch, channels, rest))
    return _group_norm(input, weight, bias, layout, eps)


def _check_channels(input: Any, channels: int, **parameters: Any) -> None:
    for what, parameter in parameters.items():
        if parameter is not None and (parameter.ndim != 1 or parameter.shape[0] != channels):
            raise RuntimeError(
                f"Expected {what} to be a vector of size equal to the number of channels in input, but got {what} of "
                "shape "
                f"{list(parameter.shape)} and input of shape {list(input.shape)}"
            )
    _check_dtype(input, *parameters.values())


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Standardise each channel over the batch (or by running statistics), then scale and shift.

    Args:
        input: of shape (N, C, ...).
        running_mean: of shape (C,); when training, moved in place towards the batch's mean; None: not tracked.
        running_var: of shape (C,); when training, moved in place towards the batch's unbiased variance; None: not
            tracked.
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
        >>> tapegrad.nn.functional.batch_norm(tapegrad.tensor([[1.0], [3.0]]), None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    size = raw(input).shape
    batch, count, rest = size[0], size[1], prod(size[2:])
    _check_statistics(count, running_mean, running_var, weight, bias)
    _check_dtype(input, weight, bias)
    channels = (batch, count, rest)
    if not training:
        if running_mean is None:
            raise RuntimeError("running_mean must be defined in evaluation mode")
        given = raw(input).dtype
        for found in (raw(running_mean).dtype, raw(running_var).dtype):
            if found != given and not (given.itemsize == 2 and found == FLOAT32):
                raise RuntimeError(
                    f"expected scalar type {dtypes.of(given).scalar_type} but found {dtypes.of(found).scalar_type}"
                )
        return _batch_norm_eval(input, running_mean, running_var, weight, bias, channels, eps)
    if batch * rest == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    return _with_statistics(
        _batch_norm, input, running_mean, running_var, weight, bias, Layout(channels, channels), momentum, eps
    )


def _with_statistics(
    norm: Any,
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    layout: Layout,
    momentum: float,
    eps: float,
) -> Any:
    """A norm by the input's own statistics, towards which the running ones move."""
    running = None
    if running_mean is not None or running_var is not None:
        for t in (running_mean, running_var):
            if t is not None and backend(raw(t)).type != backend(raw(input)).type:
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but found at least two devices, {input.device} "
                    f"and {t.device}! "
                    "(in batch_norm)"
                )
        running = (raw(running_mean), raw(running_var), momentum)
    result = norm(input, weight, bias, layout, eps, True, running)
    for t in (running_mean, running_var):
        if isinstance(t, Tensor):
            bump(t)
    return result


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
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
        >>> tapegrad.nn.functional.instance_norm(tapegrad.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """
    size = raw(input).shape
    batch, count, rest = size[0], size[1], prod(size[2:])
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if rest == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    _check_statistics(count, running_mean, running_var, weight, bias)
    _check_dtype(input, weight, bias)
    layout = Layout((batch * count, rest), (batch, count, rest))
    return _with_statistics(_batch_norm, input, running_mean, running_var, weight, bias, layout, momentum, eps)


def _check_statistics(count: int, running_mean: Any, running_var: Any, weight: Any, bias: Any) -> None:
    for what, t in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if t is not None and t.shape[0] != count:
            raise RuntimeError(f"{what} should contain {count} elements not {t.shape[0]}")
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
