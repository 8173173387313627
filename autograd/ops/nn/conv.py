"""Convolution by im2col and one matrix product, in one, two and three dimensions, and transposed convolution.

im2col lays the input out as a matrix with a row for each channel and kernel element, and a column for each output
position; the convolution is then ``weight @ im2col(input)``. Its gradient for the input is ``col2im(weight.T @ grad)``,
where col2im, the adjoint of im2col, adds each column up where it came from; its gradient for the weight is ``grad @
im2col(input).T``. (Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for Document
Processing", 2006.) The columns are made for a few images at a time, so that they stay in the cache.

A convolution is trilinear in its input, its weight and the gradient of its output. The three ops `_conv`,
`_conv_to_input` and `_conv_to_weight` are its three forms, and the rules of each are the other two: derivatives of any
order are made of convolutions.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.common.tangents import added, through
from tapegrad.autograd.ops.nn.conv_batch import conv_in_batch, per_channel, to_weight_in_batch
from tapegrad.autograd.ops.nn.norms import channel_sum
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, xp

# Elements of the columns that are made at a time: what fits into the cache; on a device, where only memory counts, far
# more.
CPU_BLOCK, DEVICE_BLOCK = 1 << 19, 1 << 26


class Geometry(NamedTuple):
    """How a kernel moves over an input; each field has an entry for each dimension of the space.

    Attributes:
        stride: the step from one output position to the next.
        padding: pairs of how many zeros stand before and after.
        dilation: the step between the kernel's elements.
        groups: into how many groups the channels are cut.
    """

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    def output_space(self, space: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
        """The size of the output's space."""
        return tuple(
            (n + sum(p) - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(space, self.padding, self.dilation, kernel, self.stride)
        )

    def padded(self, space: tuple[int, ...]) -> tuple[int, ...]:
        """The size of the input's space with its padding."""
        return tuple(n + sum(p) for n, p in zip(space, self.padding))

    def interior(self, space: tuple[int, ...]) -> tuple[Any, ...]:
        """Where the input stands in its padding."""
        return (slice(None), slice(None), *(slice(p[0], p[0] + n) for n, p in zip(space, self.padding)))

    def is_pointwise(self, kernel: tuple[int, ...]) -> bool:
        """Whether the columns are the input itself."""
        return not any(map(any, self.padding)) and all(k == s == 1 for k, s in zip(kernel, self.stride))


# ---- arrays


class Rows(NamedTuple):
    """How the output positions lie in a row of the columns.

    With stride 1 a row is one stretch of the padded image, from the first position to the last: copying it is copying
    memory. It then also has elements for positions beyond the right edge, where a kernel would wrap around into the
    next line; they mean nothing.

    Attributes:
        length: of a row.
        steps: from one position to the next, in each dimension, in elements.
        is_stretch: whether rows are stretches of the padded image.
        pitch: the steps of the padded image.
    """

    length: int
    steps: tuple[int, ...]
    is_stretch: bool
    pitch: tuple[int, ...]

    def grid(self, rows: Any, images: int, positions: tuple[int, ...]) -> Any:
        """The positions of ``(groups, channels, images * length)`` as a view (images, all channels, *positions)."""
        n = rows.itemsize
        channels = rows.shape[0] * rows.shape[1]
        strides = (self.length * n, images * self.length * n, *(step * n for step in self.steps))
        return backend(rows).as_strided(rows, (images, channels, *positions), strides)


def row_pitch(space: tuple[int, ...]) -> tuple[int, ...]:
    """The distance, in elements, between neighbours in each dimension of `space`."""
    return tuple(prod(space[i + 1 :]) for i in range(len(space)))


def rows_of(geometry: Geometry, padded: tuple[int, ...], positions: tuple[int, ...]) -> Rows:
    pitch = row_pitch(padded)
    if all(s == 1 for s in geometry.stride):
        return Rows(sum((n - 1) * step for n, step in zip(positions, pitch)) + 1, pitch, True, pitch)
    return Rows(prod(positions), row_pitch(positions), False, pitch)


def _matmul(a: Any, b: Any) -> Any:
    """Products of matrices, one for each group."""
    if a.__class__ is not np.ndarray:
        return backend(a).matmul(a, b, convolution=True)
    return a[0].dot(b[0])[None] if len(a) == 1 else np.matmul(a, b)


def _chunks(x: Any, columns: int) -> list[slice]:
    """Images at a time."""
    step = max(1, (CPU_BLOCK if x.__class__ is np.ndarray else DEVICE_BLOCK) // max(1, columns))
    return [slice(i, min(i + step, len(x))) for i in range(0, len(x), step)]


def _pad(x: Any, geometry: Geometry) -> Any:
    """`x` with its padding, in one piece."""
    if not any(map(any, geometry.padding)):
        return xp(x).ascontiguousarray(x)
    space = x.shape[2:]
    whole = xp(x).zeros((*x.shape[:2], *geometry.padded(space)), x.dtype)
    whole[geometry.interior(space)] = x
    return whole


def im2col(x: Any, kernel: tuple[int, ...], positions: tuple[int, ...], geometry: Geometry, rows: Rows) -> Any:
    """The columns of padded images: (groups, channels * kernel, images * length)."""
    b, c = x.shape[:2]
    sb, sc, *steps = x.strides
    kernel_steps = [s * d for s, d in zip(steps, geometry.dilation)]
    if rows.is_stretch:
        windows = backend(x).as_strided(x, (c, *kernel, b, rows.length), (sc, *kernel_steps, sb, x.itemsize))
    else:
        windows = backend(x).as_strided(
            x, (c, *kernel, b, *positions), (sc, *kernel_steps, sb, *(s * t for s, t in zip(steps, geometry.stride)))
        )
    columns = xp(x).empty(windows.shape, x.dtype)
    columns[...] = windows
    return columns.reshape(geometry.groups, c // geometry.groups * prod(kernel), b * rows.length)


def to_rows(g: Any, positions: tuple[int, ...], geometry: Geometry, rows: Rows) -> Any:
    """(images, channels, *positions) as (groups, channels, images * length), zero where there is no position."""
    b, c = g.shape[:2]
    groups = geometry.groups
    make = xp(g).empty if rows.length == prod(positions) else xp(g).zeros
    laid_out = make((groups, c // groups, b * rows.length), g.dtype)
    rows.grid(laid_out, b, positions)[...] = g
    return laid_out


def kernel_offsets(
    kernel: tuple[int, ...], positions: tuple[int, ...], geometry: Geometry, rows: Rows
) -> list[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """For each kernel element its index, and the part of the padded images (flat ones, where rows are stretches) that
    it meets.
    """
    found: list[tuple[tuple[int, ...], tuple[Any, ...]]] = []
    for offset in product(*map(range, kernel)):
        if rows.is_stretch:
            start = sum(i * d * step for i, d, step in zip(offset, geometry.dilation, rows.pitch))
            found.append((offset, (slice(start, start + rows.length),)))
        else:
            found.append(
                (
                    offset,
                    tuple(
                        slice(i * d, i * d + s * (n - 1) + 1, s)
                        for i, d, s, n in zip(offset, geometry.dilation, geometry.stride, positions)
                    ),
                )
            )
    return found


def flattened(whole: Any, rows: Rows) -> Any:
    """Padded images in the shape that `kernel_offsets` indexes."""
    return whole.reshape(*whole.shape[:2], prod(whole.shape[2:])) if rows.is_stretch else whole


def col2im(
    columns: Any, whole: Any, kernel: tuple[int, ...], positions: tuple[int, ...], geometry: Geometry, rows: Rows
) -> None:
    """Add the columns up where they came from, in the padded images `whole`: the adjoint of `im2col`."""
    b, c = whole.shape[:2]
    columns = columns.reshape(c, *kernel, b, *((rows.length,) if rows.is_stretch else positions))
    flat = flattened(whole, rows)
    for offset, part in kernel_offsets(kernel, positions, geometry, rows):
        flat[(slice(None), slice(None), *part)] += columns[(slice(None), *offset)].swapaxes(0, 1)


def _grouped(weight: Any, groups: int) -> Any:
    return weight.reshape(groups, weight.shape[0] // groups, prod(weight.shape[1:]))


def _is_depthwise(weight_shape: tuple[int, ...], groups: int) -> bool:
    """Whether each channel has a kernel of its own: matrix products would then be products of vectors."""
    return groups > 1 and weight_shape[1] == 1 and weight_shape[0] == groups


def forward(x: Any, weight: Any, geometry: Geometry) -> Any:
    """The convolution of the array `x`."""
    kernel, groups = weight.shape[2:], geometry.groups
    positions = geometry.output_space(x.shape[2:], kernel)
    n, o = len(x), weight.shape[0]
    if not (n and o and weight.size and prod(positions)):
        return xp(x).zeros((n, o, *positions), x.dtype)
    rows = rows_of(geometry, geometry.padded(x.shape[2:]), positions)
    if _is_depthwise(weight.shape, groups):
        return _depthwise_forward(x, weight, positions, geometry, rows)
    w = _grouped(weight, groups)
    if geometry.is_pointwise(kernel):
        return _pointwise(w, x, (n, o, *positions))
    y = xp(x).empty((n, o, *positions), x.dtype)
    for i in _chunks(x, weight.size // o * groups * rows.length):
        products = _matmul(w, im2col(_pad(x[i], geometry), kernel, positions, geometry, rows))
        y[i] = rows.grid(products, i.stop - i.start, positions)
    return y


def _pointwise(w: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """A kernel of one element: a product for each image."""
    groups, _, c = w.shape
    n, size = len(x), prod(x.shape[2:])
    if groups == 1:
        return backend(x).matmul(w[0], x.reshape(n, c, size), convolution=True).reshape(shape)
    return backend(x).matmul(w, x.reshape(n, groups, c, size), convolution=True).reshape(shape)


def _per_channel(weight: Any, offset: tuple[int, ...], ndim: int) -> Any:
    """One element of each channel's kernel, beside images of `ndim` dimensions."""
    return weight[(slice(None), 0, *offset)].reshape(-1, *(1,) * (ndim - 2))


def _depthwise_forward(x: Any, weight: Any, positions: tuple[int, ...], geometry: Geometry, rows: Rows) -> Any:
    y = xp(x).empty((*x.shape[:2], *positions), x.dtype)
    for i in _chunks(x, 4 * y.size // len(x)):
        padded = flattened(_pad(x[i], geometry), rows)
        total: Any = None
        for offset, part in kernel_offsets(weight.shape[2:], positions, geometry, rows):
            term = padded[(slice(None), slice(None), *part)] * _per_channel(weight, offset, padded.ndim)
            if total is None:
                total = term
            else:
                total += term
        y[i] = from_stretch(total, positions, rows)
    return y


def from_stretch(total: Any, positions: tuple[int, ...], rows: Rows) -> Any:
    """(images, channels, length) as (images, channels, *positions)."""
    if not rows.is_stretch:
        return total
    n, line = total.itemsize, rows.length * total.itemsize
    return backend(total).as_strided(
        total, (*total.shape[:2], *positions), (total.shape[1] * line, line, *(step * n for step in rows.steps))
    )


def to_stretch(g: Any, positions: tuple[int, ...], rows: Rows) -> Any:
    """(images, channels, *positions) as (images, channels, length), zero where there is no position."""
    if not rows.is_stretch:
        return g
    laid_out = xp(g).zeros((*g.shape[:2], rows.length), g.dtype)
    from_stretch(laid_out, positions, rows)[...] = g
    return laid_out


def to_input(g: Any, weight: Any, shape: tuple[int, ...], geometry: Geometry) -> Any:
    """The gradient `g` of a convolution's output for its input of `shape`."""
    kernel, groups = weight.shape[2:], geometry.groups
    positions = g.shape[2:]
    if not (g.size and weight.size and prod(shape)):
        return xp(g).zeros(shape, g.dtype)
    w = _grouped(weight, groups).swapaxes(1, 2)
    depthwise = _is_depthwise(weight.shape, groups)
    if geometry.is_pointwise(kernel) and not depthwise:
        return _pointwise(w, g, shape)
    space = shape[2:]
    padded = geometry.padded(space)
    rows = rows_of(geometry, padded, positions)
    x = xp(g).empty(shape, g.dtype)
    for i in _chunks(
        g, 4 * shape[1] * prod(padded) if depthwise else weight.size // weight.shape[0] * groups * rows.length
    ):
        whole = xp(g).zeros((i.stop - i.start, shape[1], *padded), g.dtype)
        if depthwise:
            flat, laid_out = flattened(whole, rows), to_stretch(g[i], positions, rows)
            for offset, part in kernel_offsets(kernel, positions, geometry, rows):
                flat[(slice(None), slice(None), *part)] += laid_out * _per_channel(weight, offset, laid_out.ndim)
        else:
            col2im(_matmul(w, to_rows(g[i], positions, geometry, rows)), whole, kernel, positions, geometry, rows)
        x[i] = whole[geometry.interior(space)]
    return x


def to_weight(g: Any, x: Any, shape: tuple[int, ...], geometry: Geometry) -> Any:
    """The gradient `g` of a convolution's output for its weight of `shape`."""
    kernel, groups = shape[2:], geometry.groups
    positions = g.shape[2:]
    if not (g.size and x.size and prod(shape)):
        return xp(g).zeros(shape, g.dtype)
    rows = rows_of(geometry, geometry.padded(x.shape[2:]), positions)
    if _is_depthwise(shape, groups):
        return _depthwise_to_weight(g, x, shape, geometry, rows)
    w = xp(g).zeros((groups, shape[0] // groups, prod(shape[1:])), g.dtype)
    for i in _chunks(x, prod(shape[1:]) * groups * rows.length):
        columns = im2col(_pad(x[i], geometry), kernel, positions, geometry, rows)
        w += _matmul(to_rows(g[i], positions, geometry, rows), columns.swapaxes(1, 2))
    return w.reshape(shape)


def _depthwise_to_weight(g: Any, x: Any, shape: tuple[int, ...], geometry: Geometry, rows: Rows) -> Any:
    w = xp(g).zeros(shape, g.dtype)
    positions = g.shape[2:]
    for i in _chunks(x, 4 * g.size // len(g)):
        padded, laid_out = flattened(_pad(x[i], geometry), rows), to_stretch(g[i], positions, rows)
        for offset, part in kernel_offsets(shape[2:], positions, geometry, rows):
            met = padded[(slice(None), slice(None), *part)]
            if laid_out.__class__ is np.ndarray and laid_out.ndim == 3:
                w[(slice(None), 0, *offset)] += np.vecdot(met, laid_out).sum(axis=0)
            else:
                w[(slice(None), 0, *offset)] += (met * laid_out).sum(axis=(0, *range(2, laid_out.ndim)))
    return w


def _computed(function: Any, a: Any, b: Any, *args: Any) -> Any:
    """`function` of two arrays; half types are multiplied and added up in float32."""
    return function(a, b, *args) if a.dtype.itemsize > 2 else function(wide(a), wide(b), *args).astype(a.dtype)


def _is_single(x: Any, geometry: Geometry) -> bool:
    """Whether `x` is one image, without a dimension of images."""
    return bool(x.ndim == len(geometry.stride) + 1)


# ---- ops


def _with_bias(y: Any, bias: Any, single: bool) -> Any:
    if bias is not None:
        y += bias.reshape(-1, *(1,) * (y.ndim - 2))
    return y[0] if single else y


def _bias_gradient(grad: Any, geometry: Geometry) -> Any:
    images, channels, *space = (1, *grad.shape) if _is_single(grad, geometry) else grad.shape
    return channel_sum(grad.reshape(images, channels, prod(space)))


@op(
    input=lambda grad, weight, input_shape, geometry: _conv_to_input(grad, weight, input_shape, geometry),
    weight=lambda grad, input, weight_shape, geometry: _conv_to_weight(grad, input, weight_shape, geometry),
    bias=lambda grad, geometry: _bias_gradient(grad, geometry),
    operands="free",
    public=False,
    name="convolution",
    jvp=lambda d_input, d_weight, d_bias, input, weight, geometry, result: added(
        through(_conv, d_input, weight, geometry),
        through(lambda d: _conv(input, d, geometry), d_weight),
        through(per_channel, d_bias, geometry, result.shape),
    ),
    batch=lambda batched, input, weight, geometry, bias: conv_in_batch(
        _conv, batched, input, weight, None, geometry, bias
    ),
)
def _conv(input: Any, weight: Any, geometry: Geometry, bias: Any = None) -> Any:
    single = _is_single(input, geometry)
    return _with_bias(_computed(forward, input[None] if single else input, weight, geometry), bias, single)


@op(
    input=lambda grad, weight, geometry: _conv(grad, weight, geometry),
    weight=lambda grad, input, weight_shape, geometry: _conv_to_weight(input, grad, weight_shape, geometry),
    bias=lambda grad, geometry: _bias_gradient(grad, geometry),
    operands="free",
    public=False,
    name="convolution",
    jvp=lambda d_input, d_weight, d_bias, input, weight, shape, geometry, result: added(
        through(_conv_to_input, d_input, weight, shape, geometry),
        through(lambda d: _conv_to_input(input, d, shape, geometry), d_weight),
        through(per_channel, d_bias, geometry, result.shape),
    ),
    batch=lambda batched, input, weight, shape, geometry, bias: conv_in_batch(
        _conv_to_input, batched, input, weight, shape, geometry, bias
    ),
)
def _conv_to_input(input: Any, weight: Any, shape: tuple[int, ...], geometry: Geometry, bias: Any = None) -> Any:
    if _is_single(input, geometry):
        return _with_bias(_computed(to_input, input[None], weight, (1, *shape), geometry), bias, True)
    return _with_bias(_computed(to_input, input, weight, shape, geometry), bias, False)


@op(
    output=lambda grad, input, geometry: _conv(input, grad, geometry),
    input=lambda grad, output, input_shape, geometry: _conv_to_input(output, grad, input_shape, geometry),
    operands="free",
    public=False,
    jvp=lambda d_output, d_input, output, input, shape, geometry: added(
        through(_conv_to_weight, d_output, input, shape, geometry),
        through(lambda d: _conv_to_weight(output, d, shape, geometry), d_input),
    ),
    batch=lambda batched, output, input, shape, geometry: to_weight_in_batch(
        _conv_to_weight, batched, output, input, shape, geometry
    ),
)
def _conv_to_weight(output: Any, input: Any, shape: tuple[int, ...], geometry: Geometry) -> Any:
    if _is_single(input, geometry):
        output, input = output[None], input[None]
    return _computed(to_weight, output, input, shape, geometry)


# ---- what users call


def per_dimension(name: str, value: Any, dims: int) -> tuple[int, ...]:
    """A number for each dimension of the space."""
    if isinstance(value, int):
        return (value,) * dims
    value = tuple(value)
    if len(value) == 1:
        return value * dims
    if len(value) != dims:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {dims} values to match the convolution "
            "dimensions, but got "
            f"{name}={list(value)}"
        )
    return value


def _padding(
    padding: Any, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * len(kernel)
        if padding != "same":
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        sums = [d * (k - 1) for d, k in zip(dilation, kernel)]
        return tuple((n // 2, n - n // 2) for n in sums)
    pads = per_dimension("padding", padding, len(kernel))
    if any(p < 0 for p in pads):
        raise RuntimeError("negative padding is not supported")
    return tuple((p, p) for p in pads)


def _check(
    name: str,
    input: Any,
    weight: Any,
    bias: Any,
    dims: int,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
    transposed: bool,
) -> bool:
    """Raise torch's errors for operands that do not fit; returns whether there is a dimension of images."""
    x, w = raw(input), raw(weight)
    if x.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got input of size: "
            f"{list(x.shape)}"
        )
    if w.ndim != dims + 2:
        raise RuntimeError(
            f"weight should have at least three dimensions, and here {dims + 2} of them, but got weight of size "
            f"{list(w.shape)}"
        )
    for what, values in (("stride", stride), ("dilation", dilation)):
        if any(v <= 0 for v in values):
            raise RuntimeError(
                f"non-positive {what} is not supported" if what == "stride" else "dilation should be greater than zero"
            )
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if w.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            "size "
            f"[{list(w.shape)}] instead"
        )
    batched = x.ndim == dims + 2
    channels = x.shape[1 if batched else 0]
    wanted = w.shape[0] if transposed else w.shape[1] * groups
    if channels != wanted:
        size = x.shape if batched else (1, *x.shape)
        raise RuntimeError(
            f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size {list(w.shape)}, expected "
            f"input{list(size)} to have "
            f"{wanted} channels, but got {channels} channels instead"
        )
    if x.dtype != w.dtype:
        raise RuntimeError(
            f"expected scalar type {dtypes.of(x.dtype).scalar_type} but found {dtypes.of(w.dtype).scalar_type}"
        )
    if bias is not None:
        b = raw(bias)
        out = w.shape[1] * groups if transposed else w.shape[0]
        if b.shape != (out,):
            raise RuntimeError(
                f"Given {'transposed=1, ' if transposed else ''}weight of size {list(w.shape)}, expected bias to be "
                f"1-dimensional with {out} "
                f"elements, but got bias of size {list(b.shape)} instead"
            )
        if b.dtype != x.dtype:
            given, other = (dtypes.of(a.dtype).scalar_type.lower() for a in (x, b))
            raise RuntimeError(f"Input type ({given}) and bias type ({other}) should be the same")
    return batched


def _convolve(
    dims: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    stride, dilation = per_dimension("stride", stride, dims), per_dimension("dilation", dilation, dims)
    batched = _check(f"conv{dims}d", input, weight, bias, dims, stride, dilation, groups, False)
    kernel = tuple(raw(weight).shape[2:])
    geometry = Geometry(stride, _padding(padding, kernel, stride, dilation), dilation, groups)
    padded = geometry.padded(raw(input).shape[2 if batched else 1 :])
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel))
    if any(r > n for r, n in zip(reach, padded)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size: "
            f"({' x '.join(map(str, reach))}). "
            "Kernel size can't be greater than actual input size"
        )
    return _conv(input, weight, geometry, bias)


def _convolve_transposed(
    dims: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    stride, dilation = per_dimension("stride", stride, dims), per_dimension("dilation", dilation, dims)
    batched = _check(f"conv_transpose{dims}d", input, weight, bias, dims, stride, dilation, groups, True)
    more = per_dimension("output_padding", output_padding, dims)
    kernel = tuple(raw(weight).shape[2:])
    pads = _padding(padding, kernel, stride, dilation)
    if any(m < 0 for m in more):
        raise RuntimeError("negative output_padding is not supported")
    if any(m >= s and m >= d for m, s, d in zip(more, stride, dilation)):
        names = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}[dims]
        given = [
            f"{what}_{n}: {v}"
            for what, values in (("output_padding", more), ("stride", stride), ("dilation", dilation))
            for n, v in zip(names, values)
        ]
        raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {' '.join(given)}")
    size = raw(input).shape
    lead = size[:1] if batched else ()
    space = tuple(
        (n - 1) * s - 2 * p[0] + d * (k - 1) + m + 1
        for n, s, p, d, k, m in zip(size[1 + len(lead) :], stride, pads, dilation, kernel, more)
    )
    if any(n <= 0 for n in space):
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, size[1 + len(lead) :]))}). Calculated output size "
            "per channel: "
            f"({' x '.join(map(str, space))}). Output size is too small"
        )
    return _conv_to_input(
        input, weight, (*lead, raw(weight).shape[1] * groups, *space), Geometry(stride, pads, dilation, groups), bias
    )


@composite()
def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide a kernel over a sequence; arguments as in `conv2d`, with one dimension less.

    Example:
        >>> x = tapegrad.tensor([[[1.0, 2.0, 4.0]]])
        >>> tapegrad.nn.functional.conv1d(x, tapegrad.tensor([[[-1.0, 1.0]]]))
        tensor([[[1., 2.]]])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


@composite()
def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide a kernel over images.

    Args:
        input: of shape (N, C, H, W) or (C, H, W).
        weight: of shape (O, C / groups, kH, kW).
        bias: of shape (O,).
        stride: the step from one output position to the next; a number or a pair, as the next two.
        padding: zeros put on both sides; or "valid" (none), or "same" (as many as keep the size).
        dilation: the step between the kernel's elements.
        groups: into how many groups the channels are cut.

    Raises:
        RuntimeError: shapes, dtypes or numbers do not fit.

    Example:
        >>> tapegrad.nn.functional.conv2d(tapegrad.ones(1, 1, 3, 3), tapegrad.ones(1, 1, 2, 2))
        tensor([[[[4., 4.],
                  [4., 4.]]]])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


@composite()
def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide a kernel over volumes; arguments as in `conv2d`, with one dimension more.

    Example:
        >>> tapegrad.nn.functional.conv3d(tapegrad.ones(1, 1, 2, 2, 2), tapegrad.ones(1, 1, 2, 2, 2))
        tensor([[[[[8.]]]]])
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


@composite()
def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv1d`: its gradient for the input, as a layer; arguments as in `conv_transpose2d`, with one
    dimension less.

    Example:
        >>> tapegrad.nn.functional.conv_transpose1d(tapegrad.ones(1, 1, 2), tapegrad.tensor([[[1.0, 2.0]]]), stride=2)
        tensor([[[1., 2., 1., 2.]]])
    """
    return _convolve_transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite()
def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv2d`: its gradient for the input, as a layer.

    Args:
        input: of shape (N, C, H, W) or (C, H, W).
        weight: of shape (C, O / groups, kH, kW).
        bias: of shape (O,).
        stride: the step of the convolution whose transpose this is, as are padding and dilation.
        padding: cut off on both sides.
        output_padding: added to one side of the output's size.
        groups: into how many groups the channels are cut.
        dilation: the step between the kernel's elements.

    Raises:
        RuntimeError: shapes, dtypes or numbers do not fit.

    Example:
        >>> tapegrad.nn.functional.conv_transpose2d(tapegrad.ones(1, 1, 1, 2), tapegrad.ones(1, 1, 1, 2))
        tensor([[[[1., 2., 1.]]]])
    """
    return _convolve_transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite()
def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv3d`: its gradient for the input, as a layer; arguments as in `conv_transpose2d`, with one
    dimension more.

    Example:
        >>> tapegrad.nn.functional.conv_transpose3d(tapegrad.ones(1, 1, 1, 1, 1), tapegrad.ones(1, 1, 1, 1, 2))
        tensor([[[[[1., 1.]]]]])
    """
    return _convolve_transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
