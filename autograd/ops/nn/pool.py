"""Pooling: the largest or the mean value in each window of an input.

A window is met by one strided slice of the input for each of its elements, so pooling takes as many passes as a window
has elements and no index. Where the largest value stood is found again in backward, by comparing those slices with the
result.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import over, sized
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.backends import xp


class Windows(NamedTuple):
    """The windows of a pooling, over the last dimensions; each field has an entry for each of them.

    Attributes:
        kernel: the size of a window.
        stride: the step from one window to the next.
        padding: how much is put before the input, and after it.
        dilation: the step between a window's elements.
        places: how many windows there are.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    places: tuple[int, ...]

    def slices(self) -> list[tuple[Any, ...]]:
        """For each element of a window, an index of the padded input that meets it in all windows."""
        return [
            (
                ...,
                *(
                    slice(i * d, i * d + s * (n - 1) + 1, s)
                    for i, d, s, n in zip(tap, self.dilation, self.stride, self.places)
                ),
            )
            for tap in product(*map(range, self.kernel))
        ]

    def pad(self, x: Any, value: float) -> Any:
        """`x` with `value` around it."""
        if not any(map(any, self.padding)):
            return x
        lead, space = x.shape[: -len(self.kernel)], x.shape[-len(self.kernel) :]
        whole = xp(x).full((*lead, *(n + sum(p) for n, p in zip(space, self.padding))), value, x.dtype)
        whole[self.interior(space)] = x
        return whole

    def interior(self, space: tuple[int, ...]) -> tuple[Any, ...]:
        """Where the input stands in its padding."""
        return (..., *(slice(p[0], p[0] + n) for n, p in zip(space, self.padding)))

    def whole(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The padded shape of an input of `shape`."""
        lead = len(shape) - len(self.kernel)
        return (*shape[:lead], *(n + sum(p) for n, p in zip(shape[lead:], self.padding)))


_keep = keep.__wrapped__  # type: ignore[attr-defined]


def _lowest(dtype: np.dtype) -> float:
    return -np.inf if dtype.kind in "fV" else int(np.iinfo(dtype).min)


# ---- the largest value


@op(
    input=lambda grad, input, result, windows: _max_back(grad, input, result, windows),
    public=False,
    name="max_pool2D_with_indices",
    jvp=lambda d_input, input, result, windows: _max_take(d_input, input, result, windows),
    batch=over(),
)
def _max_pool(input: Any, windows: Windows) -> Any:
    whole = windows.pad(input, _lowest(input.dtype))
    maximum = xp(input).maximum
    first, *rest = windows.slices()
    y = whole[first].copy()
    for part in rest:
        maximum(y, whole[part], out=y)
    return y


def _chosen(input: Any, largest: Any, windows: Windows) -> Any:
    """For each element of a window, the windows whose largest value it is, and no earlier element; and where in the
    padded input it stands.
    """
    whole = windows.pad(input, _lowest(input.dtype))
    slices = windows.slices()
    free: Any = None
    for part in slices:
        # Not less than the largest is the largest, or meets a NaN.
        here = ~(whole[part] < largest)
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
def _max_back(output: Any, input: Any, largest: Any, windows: Windows) -> Any:
    """Each gradient to the element that was the largest of its window."""
    x = xp(output).zeros(windows.whole(input.shape), output.dtype)
    # Where windows do not overlap, each element is met once.
    apart = all(d == 1 and s >= k for d, s, k in zip(windows.dilation, windows.stride, windows.kernel))
    for part, here in _chosen(input, largest, windows):
        if apart:
            x[part] = _keep(output, here)
        else:
            x[part] += _keep(output, here)
    return x[windows.interior(input.shape[-len(windows.kernel) :])]


@op(
    output=lambda grad, input, largest, windows: _max_back(grad, input, largest, windows),
    input=None,
    largest=None,
    operands="free",
    public=False,
    kind="linear",
    batch=over(),
)
def _max_take(output: Any, input: Any, largest: Any, windows: Windows) -> Any:
    """From each window of `output` the element that stands where `input` is largest: the adjoint of `_max_back`."""
    whole = windows.pad(output, 0)
    y: Any = 0
    for part, here in _chosen(input, largest, windows):
        y = _keep(whole[part], here) + y
    return y


@op(input=None, largest=None, operands="free", public=False, batch=over())
def _max_where(input: Any, largest: Any, windows: Windows) -> Any:
    """The index, in the flattened space of the input, of the largest element of each window."""
    space = input.shape[-len(windows.kernel) :]
    numbers = windows.pad(xp(input).arange(prod(space)).reshape(space), 0)
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
def _avg_pool(input: Any, windows: Windows, divisor: Any) -> Any:
    whole = windows.pad(wide(input), 0)
    first, *rest = windows.slices()
    y = whole[first].copy()
    for part in rest:
        y += whole[part]
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
def _avg_back(input: Any, shape: tuple[int, ...], windows: Windows, divisor: Any) -> Any:
    g = wide(input)
    g = g * _weights(g, windows, divisor)
    x = xp(g).zeros(windows.whole(shape), g.dtype)
    for part in windows.slices():
        x[part] += g
    return x[windows.interior(shape[-len(windows.kernel) :])].astype(input.dtype, copy=False)


def _weights(like: Any, windows: Windows, divisor: Any) -> Any:
    """One over how many elements each window counts: a number, or the product of one factor for each dimension."""
    if not isinstance(divisor, tuple):
        return 1 / divisor
    weights: Any = 1
    module = xp(like)
    for i, (low, high) in enumerate(divisor):
        # Made on the device: nothing is copied there.
        first = module.arange(windows.places[i]) * windows.stride[i] - windows.padding[i][0]
        counts = module.minimum(first + windows.kernel[i], high) - module.maximum(first, low)
        weights = (1 / counts.astype(like.dtype)).reshape(-1, *(1,) * (len(divisor) - 1 - i)) * weights
    return weights


# ---- windows from arguments


def _each(name: str, value: Any, dims: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * dims
    value = tuple(value)
    if len(value) == 1:
        return value * dims
    if len(value) != dims:
        names = {1: "", 2: "tuple of two ints", 3: "tuple of three ints"}[dims]
        raise RuntimeError(f"{name} must either be a single int, or a {names}")
    return value


def _windows(
    function: str,
    shape: tuple[int, ...],
    dims: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Windows:
    kernel = _each("kernel_size", kernel_size, dims)
    steps = (
        kernel
        if stride is None or (isinstance(stride, (tuple, list)) and not stride)
        else _each("stride", stride, dims)
    )
    pads, dilations = _each("padding", padding, dims), _each("dilation", dilation, dims)
    if len(shape) not in (dims + 1, dims + 2) or not all(shape[-dims - 1 :]):
        if dims == 2:
            raise RuntimeError("non-empty 3D or 4D (batch mode) tensor expected for input")
        raise RuntimeError(
            f"{function}: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch size for "
            "input, but got:"
            f"{list(shape)}"
        )
    if not all(steps):
        raise RuntimeError("stride should not be zero")
    if any(k <= 0 for k in kernel) or any(s < 0 for s in steps):
        raise RuntimeError("kernel size should be greater than zero, and so should the stride")
    if any(d <= 0 for d in dilations):
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilations)}")
    for p, k, d in zip(pads, kernel, dilations):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"{function}() padding should be at most half of kernel size, but got padding={p} and kernel_size={k}"
                if dims == 1
                else f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
    space = shape[-dims:]
    places, around = [], []
    for n, k, s, p, d in zip(space, kernel, steps, pads, dilations):
        free = n + 2 * p - d * (k - 1) - 1
        count = free // s + 1
        # A last window that is cut off counts if it starts inside the input or the padding before it.
        if ceil_mode and free % s and count * s < n + p:
            count += 1
        places.append(count)
        around.append((p, max(p, (count - 1) * s + d * (k - 1) + 1 - n - p)))
    if any(n <= 0 for n in places):
        if function == "max_pool1d":
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {places[0]}")
        ones = (1,) * (2 - dims)
        before, after = (f"({'x'.join(map(str, (shape[-dims - 1], *ones, *size)))})" for size in (space, places))
        raise RuntimeError(f"Given input size: {before}. Calculated output size: {after}. Output size is too small")
    return Windows(kernel, steps, tuple(around), dilations, tuple(places))


def _max(
    dims: int,
    name: str,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    windows = _windows(name, tuple(raw(input).shape), dims, kernel_size, stride, padding, dilation, ceil_mode)
    y = _max_pool(input, windows)
    return (y, _max_where(input, y, windows)) if return_indices else y


@composite()
def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window of a sequence.

    Args:
        input: of shape (N, C, L) or (C, L).
        kernel_size: the size of a window.
        stride: the step from one window to the next; None: `kernel_size`.
        padding: minus infinities put on both sides.
        dilation: the step between a window's elements.
        ceil_mode: also use a last window that is cut off.
        return_indices: also return where the largest values stand.

    Raises:
        RuntimeError: the numbers do not fit.

    Example:
        >>> tapegrad.nn.functional.max_pool1d(tapegrad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[3., 2.]])
    """
    return _max(1, "max_pool1d", input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite()
def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window of an image.

    Args:
        input: of shape (N, C, H, W) or (C, H, W).
        kernel_size: the size of a window; a number or a pair, as the next three.
        stride: the step from one window to the next; None: `kernel_size`.
        padding: minus infinities put on both sides.
        dilation: the step between a window's elements.
        ceil_mode: also use a last window that is cut off.
        return_indices: also return where, in the flattened image, the largest values stand.

    Raises:
        RuntimeError: the numbers do not fit.

    Example:
        >>> tapegrad.nn.functional.max_pool2d(tapegrad.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2)
        tensor([[[3.]]])
    """
    return _max(2, "max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite()
def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window of a volume; arguments as in `max_pool2d`, with one dimension more.

    Example:
        >>> tapegrad.nn.functional.max_pool3d(tapegrad.ones(1, 2, 2, 2), 2)
        tensor([[[[1.]]]])
    """
    return _max(3, "max_pool3d", input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _avg(
    dims: int,
    name: str,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    shape = tuple(raw(input).shape)
    windows = _windows(name, shape, dims, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None:
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        return _avg_pool(input, windows, divisor_override)
    return _avg_pool(
        input, windows, _divisor(windows, shape[-dims:], _each("padding", padding, dims), count_include_pad)
    )


def _divisor(windows: Windows, space: tuple[int, ...], pads: tuple[int, ...], count_include_pad: bool) -> Any:
    """How many elements each window counts: one number for all, or for each dimension the bounds between which elements
    count.
    """
    bounds = tuple((-p, n + p) if count_include_pad else (0, n) for n, p in zip(space, pads))
    inside = all(
        first >= low and first + (places - 1) * s + k <= high
        for first, (low, high), places, s, k in zip(
            (-p for p in pads), bounds, windows.places, windows.stride, windows.kernel
        )
    )
    return prod(windows.kernel) if inside else bounds


@composite()
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of a sequence.

    Args:
        input: of shape (N, C, L) or (C, L).
        kernel_size: the size of a window.
        stride: the step from one window to the next; None: `kernel_size`.
        padding: zeros put on both sides.
        ceil_mode: also use a last window that is cut off.
        count_include_pad: count the padding among a window's elements.

    Raises:
        RuntimeError: the numbers do not fit.

    Example:
        >>> tapegrad.nn.functional.avg_pool1d(tapegrad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    return _avg(1, "avg_pool1d", input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@composite()
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of an image.

    Args:
        input: of shape (N, C, H, W) or (C, H, W).
        kernel_size: the size of a window; a number or a pair, as the next two.
        stride: the step from one window to the next; None: `kernel_size`.
        padding: zeros put on both sides.
        ceil_mode: also use a last window that is cut off.
        count_include_pad: count the padding among a window's elements.
        divisor_override: divide by this instead of the number of elements.

    Raises:
        RuntimeError: the numbers do not fit.

    Example:
        >>> tapegrad.nn.functional.avg_pool2d(tapegrad.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2)
        tensor([[[1.5000]]])
    """
    return _avg(2, "avg_pool2d", input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@composite()
def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of a volume; arguments as in `avg_pool2d`, with one dimension more.

    Example:
        >>> tapegrad.nn.functional.avg_pool3d(tapegrad.ones(1, 2, 2, 2), 2)
        tensor([[[[1.]]]])
    """
    return _avg(3, "avg_pool3d", input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


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
def _adaptive_avg(input: Any, places: tuple[int, ...]) -> Any:
    y = wide(input)
    for i, count in enumerate(places):
        y = _mean_windows(y, y.ndim - len(places) + i, count)
    return y.astype(input.dtype, copy=False)


def _mean_windows(x: Any, dim: int, count: int) -> Any:
    n = x.shape[dim]
    if n % count == 0:
        return x.reshape(*x.shape[:dim], count, n // count, *x.shape[dim + 1 :]).mean(axis=dim + 1)
    lead = (slice(None),) * dim
    return xp(x).stack([x[(*lead, slice(a, b))].mean(axis=dim) for a, b in _bounds(n, count)], axis=dim)


@op(input=lambda grad, places: _adaptive_avg(grad, places), kind="linear", public=False, batch=over(shape=sized))
def _adaptive_back(input: Any, shape: tuple[int, ...], places: tuple[int, ...]) -> Any:
    x = wide(input)
    for i in range(len(places)):
        dim = x.ndim - len(places) + i
        x = _spread_windows(x, dim, shape[dim])
    return x.astype(input.dtype, copy=False)


def _spread_windows(g: Any, dim: int, n: int) -> Any:
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


def _adaptive(dims: int, name: str, input: Any, output_size: Any, pool: Callable[[Any, tuple[int, ...]], Any]) -> Any:
    shape = tuple(raw(input).shape)
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"{name}(): Expected {dims + 1}D or {dims + 2}D tensor, but got {list(shape)}")
    if isinstance(output_size, int):
        output_size = (output_size,) * dims
    if len(output_size) != dims:
        raise RuntimeError(f"{name}: output_size must be {dims}")
    places = tuple(n if o is None else o for n, o in zip(shape[-dims:], output_size))
    if any(n < 0 for n in places):
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{', '.join(map(str, places))}}}"
        )
    if not all(shape[-dims:]):
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
            f"{list(shape)}"
        )
    if not all(places):
        return (
            input.new_zeros((*shape[:-dims], *places))
            if isinstance(input, Tensor)
            else xp(input).zeros((*shape[:-dims], *places), input.dtype)
        )
    return pool(input, places)


@composite()
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The means of a given number of windows of a sequence.

    Args:
        input: of shape (N, C, L) or (C, L).
        output_size: how many windows.

    Raises:
        RuntimeError: the input has another number of dimensions.

    Example:
        >>> tapegrad.nn.functional.adaptive_avg_pool1d(tapegrad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    return _adaptive(1, "adaptive_avg_pool1d", input, output_size, _adaptive_avg)


@composite()
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of a given number of windows of an image.

    Args:
        input: of shape (N, C, H, W) or (C, H, W).
        output_size: how many windows, a number or a pair; None: as many as there are elements.

    Raises:
        RuntimeError: the input has another number of dimensions.

    Example:
        >>> tapegrad.nn.functional.adaptive_avg_pool2d(tapegrad.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 1)
        tensor([[[1.5000]]])
    """
    return _adaptive(2, "adaptive_avg_pool2d", input, output_size, _adaptive_avg)


@composite()
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The means of a given number of windows of a volume; arguments as in `adaptive_avg_pool2d`, with one dimension
    more.

    Example:
        >>> tapegrad.nn.functional.adaptive_avg_pool3d(tapegrad.ones(1, 2, 2, 2), 1)
        tensor([[[[1.]]]])
    """
    return _adaptive(3, "adaptive_avg_pool3d", input, output_size, _adaptive_avg)


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
