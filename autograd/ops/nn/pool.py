"""Pooling: the largest or the mean value in each window of an input.

A window is met by one strided slice of the input for each of its elements, so pooling takes as many passes as a window
has elements and no index. Where the largest value stood is found again in backward, by comparing those slices with the
result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import over, sized
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.nn.windows import Dims, Shape, Windows, functional, per_dimension
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.backends import xp

_keep = keep.__wrapped__  # type: ignore[attr-defined]

# ---- the largest value


@op(
    input=lambda grad, input, result, windows: _max_back(grad, input, result, windows),
    public=False,
    name="max_pool2D_with_indices",
    jvp=lambda d_input, input, result, windows: _max_take(d_input, input, result, windows),
    batch=over(),
)
def _max_pool(input: Array, windows: Windows) -> Array:
    padded = _padded_with_lowest(input, windows)
    maximum = xp(input).maximum
    first, *rest = windows.slices()
    y = padded[first].copy()
    for part in rest:
        maximum(y, padded[part], out=y)
    return y


def _padded_with_lowest(input: Array, windows: Windows) -> Array:
    return windows.pad(input, -np.inf if input.dtype.kind in "fV" else int(np.iinfo(input.dtype).min))


def _chosen(input: Array, largest: Array, windows: Windows) -> Iterator[tuple[Any, Array]]:
    """For each element of a window: its index in the padded input, and in which windows it is the first largest."""
    padded = _padded_with_lowest(input, windows)
    free: Any = None
    for part in windows.slices():
        # Not less than the largest is the largest, or meets a NaN.
        here = ~(padded[part] < largest)
        if free is None:
            free = ~here
        else:
            here &= free
            free ^= here
        yield part, here


@op(
    output=lambda grad, input, largest, windows: _max_take(grad, input, largest, windows),
    input=None,
    largest=None,
    operands="free",
    public=False,
    kind="linear",
    batch=over(),
)
def _max_back(output: Array, input: Array, largest: Array, windows: Windows) -> Array:
    """Each gradient to the element that was the largest of its window."""
    x = xp(output).zeros(windows.padded(input.shape), output.dtype)
    # Where windows do not overlap, each element is met once.
    apart = all(d == 1 and s >= k for d, s, k in zip(windows.dilation, windows.stride, windows.kernel))
    for part, here in _chosen(input, largest, windows):
        if apart:
            x[part] = _keep(output, here)
        else:
            x[part] += _keep(output, here)
    return x[windows.interior(input.shape)]


@op(
    output=lambda grad, input, largest, windows: _max_back(grad, input, largest, windows),
    input=None,
    largest=None,
    operands="free",
    public=False,
    kind="linear",
    batch=over(),
)
def _max_take(output: Array, input: Array, largest: Array, windows: Windows) -> Array:
    """From each window of `output` the element that stands where `input` is largest: the adjoint of `_max_back`."""
    padded = windows.pad(output)
    y: Any = 0
    for part, here in _chosen(input, largest, windows):
        y = _keep(padded[part], here) + y
    return y


@op(input=None, largest=None, operands="free", public=False, batch=over())
def _max_where(input: Array, largest: Array, windows: Windows) -> Array:
    """The index, in the flattened space of the input, of the largest element of each window."""
    space = input.shape[-len(windows.kernel) :]
    numbers = windows.pad(xp(input).arange(prod(space)).reshape(space))
    y: Any = 0
    for part, here in _chosen(input, largest, windows):
        y = numbers[part] * here + y
    return y


# ---- the mean


@op(
    input=lambda grad, input_shape, windows, divisor: _avg_back(grad, input_shape, windows, divisor),
    kind="linear",
    public=False,
    name="avg_pool2D",
    batch=over(),
)
def _avg_pool(input: Array, windows: Windows, divisor: Any) -> Array:
    padded = windows.pad(wide(input))
    first, *rest = windows.slices()
    y = padded[first].copy()
    for part in rest:
        y += padded[part]
    if y.dtype.kind in "iu":
        return (y * _weights(y.astype(np.float64), windows, divisor)).astype(input.dtype)
    y *= _weights(y, windows, divisor)
    return y.astype(input.dtype, copy=False)


@op(
    input=lambda grad, windows, divisor: _avg_pool(grad, windows, divisor),
    kind="linear",
    public=False,
    batch=over(shape=sized),
)
def _avg_back(input: Array, shape: tuple[int, ...], windows: Windows, divisor: Any) -> Array:
    g = wide(input)
    g = g * _weights(g, windows, divisor)
    x = xp(g).zeros(windows.padded(shape), g.dtype)
    for part in windows.slices():
        x[part] += g
    return x[windows.interior(shape)].astype(input.dtype, copy=False)


def _weights(like: Array, windows: Windows, divisor: Any) -> Array:
    """One over how many elements each window counts: a number, or the product of one factor for each dimension."""
    if not isinstance(divisor, tuple):
        return 1 / divisor
    weights: Any = 1
    module = xp(like)
    for i, (low, high) in enumerate(divisor):
        # Made on the device: nothing is copied there.
        first = module.arange(windows.positions[i]) * windows.stride[i] - windows.padding[i][0]
        counts = module.minimum(first + windows.kernel[i], high) - module.maximum(first, low)
        weights = (1 / counts.astype(like.dtype)).reshape(-1, *(1,) * (len(divisor) - 1 - i)) * weights
    return weights


# ---- windows from arguments


def _per_dimension(name: str, value: Dims, dims: int) -> Shape:
    values = per_dimension(value, dims)
    if len(values) != dims:
        expected = {1: "", 2: "tuple of two ints", 3: "tuple of three ints"}[dims]
        raise RuntimeError(f"{name} must either be a single int, or a {expected}")
    return values


def _windows(
    function: str,
    dims: int,
    shape: Shape,
    kernel_size: Dims,
    stride: Dims | None,
    padding: Dims,
    dilation: Dims,
    ceil_mode: bool,
) -> Windows:
    """The windows of a pooling of an input of `shape`; raises torch's errors for arguments that do not fit."""
    kernel = _per_dimension("kernel_size", kernel_size, dims)
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        steps = kernel
    else:
        steps = _per_dimension("stride", stride, dims)
    pads, dilations = _per_dimension("padding", padding, dims), _per_dimension("dilation", dilation, dims)
    if len(shape) not in (dims + 1, dims + 2) or not all(shape[-dims - 1 :]):
        if dims == 2:
            raise RuntimeError("non-empty 3D or 4D (batch mode) tensor expected for input")
        raise RuntimeError(
            f"{function}: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(shape)}"
        )
    if not all(steps):
        raise RuntimeError("stride should not be zero")
    if any(k <= 0 for k in kernel) or any(s < 0 for s in steps):
        raise RuntimeError("kernel size should be greater than zero, and so should the stride")
    if any(d <= 0 for d in dilations):
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilations)}")
    positions, around = [], []
    for n, k, s, p, d in zip(shape[-dims:], kernel, steps, pads, dilations):
        reach = d * (k - 1) + 1
        _check_padding(function, p, k, d)
        free = n + 2 * p - reach
        count = free // s + 1
        # A last window that is cut off counts if it starts inside the input or the padding before it.
        if ceil_mode and free % s and count * s < n + p:
            count += 1
        positions.append(count)
        around.append((p, max(p, (count - 1) * s + reach - n - p)))
    if any(n <= 0 for n in positions):
        if function == "max_pool1d":
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {positions[0]}")
        lead = (shape[-dims - 1], *(1,) * (2 - dims))
        before, after = ("x".join(map(str, (*lead, *space))) for space in (shape[-dims:], positions))
        raise RuntimeError(f"Given input size: ({before}). Calculated output size: ({after}). Output size is too small")
    return Windows(kernel, steps, tuple(around), dilations, tuple(positions))


def _check_padding(function: str, pad: int, kernel: int, dilation: int) -> None:
    if pad < 0:
        raise RuntimeError(f"pad must be non-negative, but got pad: {pad}")
    if pad > (dilation * (kernel - 1) + 1) // 2:
        if function.endswith("1d"):
            text = f"{function}() padding should be at most half of kernel size, but got padding={pad} and "
            raise RuntimeError(f"{text}kernel_size={kernel}")
        raise RuntimeError(
            f"pad should be at most half of effective kernel size, but got pad={pad}, kernel_size={kernel} and "
            f"dilation={dilation}"
        )


_MAX = """The largest value in each window of {inputs}.

Args:
    input: of shape (N, C, {space}) or (C, {space}).
    kernel_size: the size of a window; one number, or one for each dimension, as the next three.
    stride: the step from one window to the next; None: `kernel_size`.
    padding: minus infinities put on both sides.
    dilation: the step between a window's elements.
    ceil_mode: also use a last window that is cut off.
    return_indices: also return where, in the flattened {space}, the largest values stand."""


def _max_pooling(dims: int, call: str, result: str) -> Callable[..., Any]:
    name = f"max_pool{dims}d"

    def max_pool(
        input: Operand,
        kernel_size: Dims,
        stride: Dims | None = None,
        padding: Dims = 0,
        dilation: Dims = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Operand:
        windows = _windows(name, dims, tuple(raw(input).shape), kernel_size, stride, padding, dilation, ceil_mode)
        y = _max_pool(input, windows)
        return (y, _max_where(input, y, windows)) if return_indices else y

    return functional(max_pool, name, dims, _MAX, call, result)


_SEQUENCE, _IMAGE = "tapegrad.tensor([[1.0, 3.0, 2.0, 0.0]])", "tapegrad.tensor([[[1.0, 3.0], [2.0, 0.0]]])"
_VOLUME = "tapegrad.ones(1, 2, 2, 2)"

max_pool1d = _max_pooling(1, f"{_SEQUENCE}, 2", "tensor([[3., 2.]])")
max_pool2d = _max_pooling(2, f"{_IMAGE}, 2", "tensor([[[3.]]])")
max_pool3d = _max_pooling(3, f"{_VOLUME}, 2", "tensor([[[[1.]]]])")


def _divisor(windows: Windows, shape: Shape, padding: Dims, count_include_pad: bool) -> Any:
    """How many elements each window counts: one number for all, or the bounds of what counts, for each dimension."""
    dims = len(windows.kernel)
    pads = per_dimension(padding, dims)
    bounds = tuple([(-p, n + p) if count_include_pad else (0, n) for n, p in zip(shape[-dims:], pads)])
    inside = all(
        -p >= low and (positions - 1) * s + k - p <= high
        for p, (low, high), positions, s, k in zip(pads, bounds, windows.positions, windows.stride, windows.kernel)
    )
    return prod(windows.kernel) if inside else bounds


_AVG = """The mean of each window of {inputs}.

Args:
    input: of shape (N, C, {space}) or (C, {space}).
    kernel_size: the size of a window; one number, or one for each dimension, as the next two.
    stride: the step from one window to the next; None: `kernel_size`.
    padding: zeros put on both sides.
    ceil_mode: also use a last window that is cut off.
    count_include_pad: count the padding among a window's elements.
    divisor_override: divide by this instead."""


def _average(dims: int) -> Callable[..., Any]:
    def avg_pool(
        input: Operand,
        kernel_size: Dims,
        stride: Dims | None = None,
        padding: Dims = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Operand:
        shape = tuple(raw(input).shape)
        windows = _windows(f"avg_pool{dims}d", dims, shape, kernel_size, stride, padding, 1, ceil_mode)
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        return _avg_pool(input, windows, divisor_override or _divisor(windows, shape, padding, count_include_pad))

    return avg_pool


_average1d = _average(1)


@composite()
def avg_pool1d(
    input: Operand,
    kernel_size: Dims,
    stride: Dims | None = None,
    padding: Dims = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Operand:
    """The mean of each window of a sequence; arguments as in `avg_pool2d`, with one dimension less.

    Example:
        >>> tapegrad.nn.functional.avg_pool1d(tapegrad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    return _average1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


avg_pool2d = functional(_average(2), "avg_pool2d", 2, _AVG, f"{_IMAGE}, 2", "tensor([[[1.5000]]])")
avg_pool3d = functional(_average(3), "avg_pool3d", 3, _AVG, f"{_VOLUME}, 2", "tensor([[[[1.]]]])")

# ---- a given number of windows


def _bounds(n: int, places: int) -> list[tuple[int, int]]:
    """Where the windows of an adaptive pooling start and end; they differ in size by at most one where they must."""
    return [(i * n // places, -(-(i + 1) * n // places)) for i in range(places)]


@op(
    input=lambda grad, input_shape, places: _adaptive_back(grad, input_shape, places),
    kind="linear",
    public=False,
    name="adaptive_avg_pool2D",
    batch=over(),
)
def _adaptive_avg(input: Array, places: tuple[int, ...]) -> Array:
    y = wide(input)
    for i, count in enumerate(places):
        y = _mean_windows(y, y.ndim - len(places) + i, count)
    return y.astype(input.dtype, copy=False)


def _mean_windows(x: Array, dim: int, count: int) -> Array:
    n = x.shape[dim]
    if n % count == 0:
        return x.reshape(*x.shape[:dim], count, n // count, *x.shape[dim + 1 :]).mean(axis=dim + 1)
    lead = (slice(None),) * dim
    return xp(x).stack([x[(*lead, slice(a, b))].mean(axis=dim) for a, b in _bounds(n, count)], axis=dim)


@op(input=lambda grad, places: _adaptive_avg(grad, places), kind="linear", public=False, batch=over(shape=sized))
def _adaptive_back(input: Array, shape: tuple[int, ...], places: tuple[int, ...]) -> Array:
    x = wide(input)
    for i in range(len(places)):
        dim = x.ndim - len(places) + i
        x = _spread_windows(x, dim, shape[dim])
    return x.astype(input.dtype, copy=False)


def _spread_windows(g: Array, dim: int, n: int) -> Array:
    """The adjoint of `_mean_windows`."""
    count = g.shape[dim]
    if n % count == 0:
        wider = xp(g).broadcast_to(
            (g * (count / n)).reshape(*g.shape[: dim + 1], 1, *g.shape[dim + 1 :]),
            (*g.shape[: dim + 1], n // count, *g.shape[dim + 1 :]),
        )
        return wider.reshape(*g.shape[:dim], n, *g.shape[dim + 1 :])
    x = xp(g).zeros((*g.shape[:dim], n, *g.shape[dim + 1 :]), g.dtype)
    lead = (slice(None),) * dim
    for i, (a, b) in enumerate(_bounds(n, count)):
        x[(*lead, slice(a, b))] += g[(*lead, slice(i, i + 1))] / (b - a)
    return x


_ADAPTIVE = """The means of a given number of windows of {inputs}.

Args:
    input: of shape (N, C, {space}) or (C, {space}).
    output_size: how many windows; one number, or one for each dimension, where None means as many as elements."""


def _adaptive_pooling(dims: int, call: str, result: str) -> Callable[..., Any]:
    name = f"adaptive_avg_pool{dims}d"

    def adaptive_avg_pool(input: Operand, output_size: int | Sequence[int | None]) -> Operand:
        shape = tuple(raw(input).shape)
        if len(shape) not in (dims + 1, dims + 2):
            raise RuntimeError(f"{name}(): Expected {dims + 1}D or {dims + 2}D tensor, but got {list(shape)}")
        sizes = (output_size,) * dims if isinstance(output_size, int) else output_size
        if len(sizes) != dims:
            raise RuntimeError(f"{name}: output_size must be {dims}")
        positions = tuple([n if o is None else o for n, o in zip(shape[-dims:], sizes)])
        if any(n < 0 for n in positions):
            listed = ", ".join(map(str, positions))
            raise RuntimeError(
                f"{name}: elements of output_size must be greater than or equal to 0 but received {{{listed}}}"
            )
        if not all(shape[-dims:]):
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(shape)}"
            )
        if all(positions):
            return _adaptive_avg(input, positions)
        size = (*shape[:-dims], *positions)
        return input.new_zeros(size) if isinstance(input, Tensor) else xp(input).zeros(size, input.dtype)

    return functional(adaptive_avg_pool, name, dims, _ADAPTIVE, call, result)


adaptive_avg_pool1d = _adaptive_pooling(1, f"{_SEQUENCE}, 2", "tensor([[2., 1.]])")
adaptive_avg_pool2d = _adaptive_pooling(2, f"{_IMAGE}, 1", "tensor([[[1.5000]]])")
adaptive_avg_pool3d = _adaptive_pooling(3, f"{_VOLUME}, 1", "tensor([[[[1.]]]])")


__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]
