"""Convolution by im2col and one matrix product, in one, two and three dimensions, and transposed convolution.

im2col lays the input out as a matrix with a row for each channel and kernel element, and a column for each output
position; the convolution is then ``weight @ im2col(input)``. Its gradient for the input is ``col2im(weight.T @ grad)``,
where col2im, the adjoint of im2col, adds each column up where it came from; its gradient for the weight is
``grad @ im2col(input).T``. (Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for Document
Processing", 2006.) The columns are made for a few images at a time, so that they stay in the cache.

A convolution is trilinear in its input, its weight and the gradient of its output. The three ops `_conv`,
`_conv_to_input` and `_conv_to_weight` are its three forms, and the rules of each are the other two: derivatives of any
order are made of convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.common.tangents import added, of_product, through
from tapegrad.autograd.ops.nn.conv_batch import conv_in_batch, per_channel, to_weight_in_batch
from tapegrad.autograd.ops.nn.norms import channel_sum
from tapegrad.autograd.ops.nn.windows import Dims, Shape, Windows, functional, per_dimension
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, xp

# Elements of the columns that are made at a time: what fits into the cache; on a device, where only memory counts, far
# more.
CPU_BLOCK, DEVICE_BLOCK = 1 << 19, 1 << 26


class Geometry(NamedTuple):
    """How a kernel moves over an input; each field but the last has an entry for each dimension of the space.

    Attributes:
        stride: the step from one output position to the next.
        padding: pairs of how many zeros stand before and after.
        dilation: the step between the kernel's elements.
        groups: into how many groups the channels are cut.
    """

    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int

    def positions(self, space: Shape, kernel: Shape) -> Shape:
        """The size of the output's space."""
        return tuple(
            (n + sum(p) - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(space, self.padding, self.dilation, kernel, self.stride)
        )

    def is_pointwise(self, kernel: Shape) -> bool:
        """Whether the columns are the input itself."""
        return not any(map(any, self.padding)) and all(k == s == 1 for k, s in zip(kernel, self.stride))


# ---- arrays


def row_pitch(space: Shape) -> Shape:
    """The distance, in elements, between neighbours in each dimension of `space`."""
    return tuple([prod(space[i + 1 :]) for i in range(len(space))])


class Columns:
    """How padded images are laid out as columns.

    A row of the columns holds the output positions. With stride 1 it is one stretch of the padded image, from the first
    position to the last: copying it is copying memory. It then also has elements for positions beyond the right edge,
    where a kernel would wrap around into the next line; they mean nothing.

    Attributes:
        windows: of the kernel over the input.
        groups: into how many groups the channels are cut.
        is_stretch: whether rows are stretches of the padded image.
        pitch: `row_pitch` of the padded image.
        steps: from one position to the next in a row, in each dimension, in elements.
        row: the shape of a row: `positions`, or the length of the stretch.
    """

    def __init__(self, geometry: Geometry, space: Shape, kernel: Shape, positions: Shape) -> None:
        self.windows = Windows(kernel, geometry.stride, geometry.padding, geometry.dilation, positions)
        self.groups = geometry.groups
        self.is_stretch = all(s == 1 for s in geometry.stride)
        self.pitch = row_pitch(self.windows.padded(space))
        self.steps = self.pitch if self.is_stretch else row_pitch(positions)
        self.row = positions
        if self.is_stretch:
            self.row = (sum([(n - 1) * step for n, step in zip(positions, self.pitch)]) + 1,)
        self.length = prod(self.row)

    def pad(self, x: Array) -> Array:
        """`x` with its padding, in one piece."""
        return xp(x).ascontiguousarray(self.windows.pad(x))

    def im2col(self, x: Array) -> Array:
        """The columns of padded images: (groups, channels * kernel, images * length)."""
        kernel, stride, _, dilation, _ = self.windows
        images, channels = x.shape[:2]
        image_step, channel_step, *steps = x.strides
        kernel_steps = [s * d for s, d in zip(steps, dilation)]
        row_steps = [x.itemsize] if self.is_stretch else [s * t for s, t in zip(steps, stride)]
        windows = backend(x).as_strided(
            x, (channels, *kernel, images, *self.row), (channel_step, *kernel_steps, image_step, *row_steps)
        )
        columns = xp(x).empty(windows.shape, x.dtype)
        columns[...] = windows
        return columns.reshape(self.groups, channels // self.groups * prod(kernel), images * self.length)

    def col2im(self, columns: Array, padded: Array) -> None:
        """Add the columns up where they came from, in padded images: the adjoint of `im2col`."""
        images, channels = padded.shape[:2]
        columns = columns.reshape(channels, *self.windows.kernel, images, *self.row)
        flat = self.flattened(padded)
        for offset, part in self.kernel_offsets():
            flat[part] += columns[(slice(None), *offset)].swapaxes(0, 1)

    def kernel_offsets(self) -> list[tuple[Shape, tuple[Any, ...]]]:
        """For each kernel element its index, and the index of what it meets in the `flattened` padded images."""
        kernel, dilation = self.windows.kernel, self.windows.dilation
        offsets = list(product(*map(range, kernel)))
        if not self.is_stretch:
            return list(zip(offsets, self.windows.slices()))
        starts = [sum([i * d * step for i, d, step in zip(offset, dilation, self.pitch)]) for offset in offsets]
        return [(offset, (..., slice(i, i + self.length))) for offset, i in zip(offsets, starts)]

    def flattened(self, padded: Array) -> Array:
        """Padded images in the shape that `kernel_offsets` indexes."""
        return padded.reshape(*padded.shape[:2], prod(padded.shape[2:])) if self.is_stretch else padded

    def grid(self, rows: Array, images: int) -> Array:
        """(groups, channels, images * length) as a view (images, all channels, *positions)."""
        channels, n = rows.shape[0] * rows.shape[1], rows.itemsize * self.length
        return self._at_positions(rows, (images, channels), (n, images * n))

    def to_rows(self, g: Array) -> Array:
        """(images, channels, *positions) as (groups, channels, images * length), zero where there is no position."""
        images, channels = g.shape[:2]
        make = xp(g).empty if self.length == prod(self.windows.positions) else xp(g).zeros
        rows = make((self.groups, channels // self.groups, images * self.length), g.dtype)
        self.grid(rows, images)[...] = g
        return rows

    def from_row_of_each(self, rows: Array) -> Array:
        """(images, channels, *row) as (images, channels, *positions)."""
        return self._at_positions(rows, rows.shape[:2], rows.strides[:2]) if self.is_stretch else rows

    def to_row_of_each(self, g: Array) -> Array:
        """(images, channels, *positions) as (images, channels, *row), zero where there is no position."""
        if not self.is_stretch:
            return g
        rows = xp(g).zeros((*g.shape[:2], self.length), g.dtype)
        self.from_row_of_each(rows)[...] = g
        return rows

    def _at_positions(self, rows: Array, lead: Shape, strides: Shape) -> Array:
        n = rows.itemsize
        return backend(rows).as_strided(
            rows, (*lead, *self.windows.positions), (*strides, *[step * n for step in self.steps])
        )


def _matmul(a: Array, b: Array) -> Array:
    """Products of matrices, one for each group."""
    if a.__class__ is not np.ndarray:
        return backend(a).matmul(a, b, convolution=True)
    return a[0].dot(b[0])[None] if len(a) == 1 else np.matmul(a, b)


def _chunks(x: Array, columns: int) -> list[slice]:
    """Images at a time."""
    step = max(1, (CPU_BLOCK if x.__class__ is np.ndarray else DEVICE_BLOCK) // max(1, columns))
    return [slice(i, min(i + step, len(x))) for i in range(0, len(x), step)]


def _grouped(weight: Array, groups: int) -> Array:
    return weight.reshape(groups, weight.shape[0] // groups, prod(weight.shape[1:]))


def _is_depthwise(weight_shape: Shape, groups: int) -> bool:
    """Whether each channel has a kernel of its own: matrix products would then be products of vectors."""
    return groups > 1 and weight_shape[1] == 1 and weight_shape[0] == groups


def forward(x: Array, weight: Array, geometry: Geometry) -> Array:
    """The convolution of the array `x`."""
    kernel, groups, n, o = weight.shape[2:], geometry.groups, len(x), weight.shape[0]
    positions = geometry.positions(x.shape[2:], kernel)
    shape = (n, o, *positions)
    if not (prod(shape) and weight.size):
        return xp(x).zeros(shape, x.dtype)
    layout = Columns(geometry, x.shape[2:], kernel, positions)
    if _is_depthwise(weight.shape, groups):
        return _depthwise_forward(x, weight, layout)
    w = _grouped(weight, groups)
    if geometry.is_pointwise(kernel):
        return _pointwise(w, x, shape)
    y = xp(x).empty(shape, x.dtype)
    for i in _chunks(x, weight.size // o * groups * layout.length):
        y[i] = layout.grid(_matmul(w, layout.im2col(layout.pad(x[i]))), i.stop - i.start)
    return y


def _pointwise(w: Array, x: Array, shape: Shape) -> Array:
    """A kernel of one element: a product for each image."""
    groups, _, c = w.shape
    lead = (len(x),) if groups == 1 else (len(x), groups)
    columns = x.reshape(*lead, c, prod(x.shape[2:]))
    return backend(x).matmul(w[0] if groups == 1 else w, columns, convolution=True).reshape(shape)


def _kernel_element(weight: Array, offset: Shape, ndim: int) -> Array:
    """One element of each channel's kernel, to multiply images of `ndim` dimensions with."""
    return weight[(slice(None), 0, *offset)].reshape(-1, *(1,) * (ndim - 2))


def _depthwise_forward(x: Array, weight: Array, layout: Columns) -> Array:
    y = xp(x).empty((*x.shape[:2], *layout.windows.positions), x.dtype)
    for i in _chunks(x, 4 * y.size // len(x)):
        padded = layout.flattened(layout.pad(x[i]))
        total: Any = None
        for offset, part in layout.kernel_offsets():
            term = padded[part] * _kernel_element(weight, offset, padded.ndim)
            if total is None:
                total = term
            else:
                total += term
        y[i] = layout.from_row_of_each(total)
    return y


def to_input(g: Array, weight: Array, shape: Shape, geometry: Geometry) -> Array:
    """The gradient `g` of a convolution's output for its input of `shape`."""
    kernel, groups = weight.shape[2:], geometry.groups
    if not (g.size and weight.size and prod(shape)):
        return xp(g).zeros(shape, g.dtype)
    w = _grouped(weight, groups).swapaxes(1, 2)
    depthwise = _is_depthwise(weight.shape, groups)
    if geometry.is_pointwise(kernel) and not depthwise:
        return _pointwise(w, g, shape)
    layout = Columns(geometry, shape[2:], kernel, g.shape[2:])
    padded_shape = layout.windows.padded(shape)
    interior = layout.windows.interior(shape)
    x = xp(g).empty(shape, g.dtype)
    columns = 4 * prod(padded_shape[1:]) if depthwise else weight.size // weight.shape[0] * groups * layout.length
    for i in _chunks(g, columns):
        padded = xp(g).zeros((i.stop - i.start, *padded_shape[1:]), g.dtype)
        if depthwise:
            flat, rows = layout.flattened(padded), layout.to_row_of_each(g[i])
            for offset, part in layout.kernel_offsets():
                flat[part] += rows * _kernel_element(weight, offset, rows.ndim)
        else:
            layout.col2im(_matmul(w, layout.to_rows(g[i])), padded)
        x[i] = padded[interior]
    return x


def to_weight(g: Array, x: Array, shape: Shape, geometry: Geometry) -> Array:
    """The gradient `g` of a convolution's output for its weight of `shape`."""
    kernel, groups = shape[2:], geometry.groups
    if not (g.size and x.size and prod(shape)):
        return xp(g).zeros(shape, g.dtype)
    layout = Columns(geometry, x.shape[2:], kernel, g.shape[2:])
    if _is_depthwise(shape, groups):
        return _depthwise_to_weight(g, x, shape, layout)
    w = xp(g).zeros((groups, shape[0] // groups, prod(shape[1:])), g.dtype)
    for i in _chunks(x, prod(shape[1:]) * groups * layout.length):
        w += _matmul(layout.to_rows(g[i]), layout.im2col(layout.pad(x[i])).swapaxes(1, 2))
    return w.reshape(shape)


def _depthwise_to_weight(g: Array, x: Array, shape: Shape, layout: Columns) -> Array:
    w = xp(g).zeros(shape, g.dtype)
    for i in _chunks(x, 4 * g.size // len(g)):
        padded, rows = layout.flattened(layout.pad(x[i])), layout.to_row_of_each(g[i])
        for offset, part in layout.kernel_offsets():
            if rows.__class__ is np.ndarray and rows.ndim == 3:
                products = np.vecdot(padded[part], rows).sum(axis=0)
            else:
                products = (padded[part] * rows).sum(axis=(0, *range(2, rows.ndim)))
            w[(slice(None), 0, *offset)] += products
    return w


# ---- ops


def _computed(function: Callable[..., Array], a: Array, b: Array, *args: Any) -> Array:
    """`function` of two arrays; half types are multiplied and added up in float32."""
    return function(a, b, *args) if a.dtype.itemsize > 2 else function(wide(a), wide(b), *args).astype(a.dtype)


def _is_single(x: Operand, geometry: Geometry) -> bool:
    """Whether `x` is one image, without a dimension of images."""
    return bool(x.ndim == len(geometry.stride) + 1)


def _with_bias(y: Array, bias: Array, single: bool) -> Array:
    if bias is not None:
        y += bias.reshape(-1, *(1,) * (y.ndim - 2))
    return y[0] if single else y


def _bias_gradient(grad: Operand, geometry: Geometry) -> Operand:
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
        of_product(_conv, d_input, d_weight, input, weight, geometry),
        through(per_channel, d_bias, geometry, result.shape),
    ),
    batch=lambda batched, input, weight, geometry, bias: conv_in_batch(
        _conv, batched, input, weight, None, geometry, bias
    ),
)
def _conv(input: Array, weight: Array, geometry: Geometry, bias: Array = None) -> Array:
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
        of_product(_conv_to_input, d_input, d_weight, input, weight, shape, geometry),
        through(per_channel, d_bias, geometry, result.shape),
    ),
    batch=lambda batched, input, weight, shape, geometry, bias: conv_in_batch(
        _conv_to_input, batched, input, weight, shape, geometry, bias
    ),
)
def _conv_to_input(input: Array, weight: Array, shape: Shape, geometry: Geometry, bias: Array = None) -> Array:
    single = _is_single(input, geometry)
    if single:
        input, shape = input[None], (1, *shape)
    return _with_bias(_computed(to_input, input, weight, shape, geometry), bias, single)


@op(
    output=lambda grad, input, geometry: _conv(input, grad, geometry),
    input=lambda grad, output, input_shape, geometry: _conv_to_input(output, grad, input_shape, geometry),
    operands="free",
    public=False,
    jvp=lambda d_output, d_input, output, input, shape, geometry: of_product(
        _conv_to_weight, d_output, d_input, output, input, shape, geometry
    ),
    batch=lambda batched, output, input, shape, geometry: to_weight_in_batch(
        _conv_to_weight, batched, output, input, shape, geometry
    ),
)
def _conv_to_weight(output: Array, input: Array, shape: Shape, geometry: Geometry) -> Array:
    if _is_single(input, geometry):
        output, input = output[None], input[None]
    return _computed(to_weight, output, input, shape, geometry)


# ---- what users call


def _per_dimension(name: str, value: Dims, dims: int) -> Shape:
    values = per_dimension(value, dims)
    if len(values) != dims:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {dims} values to match the convolution "
            f"dimensions, but got {name}={list(values)}"
        )
    return values


def _padding(padding: Dims | str, kernel: Shape, stride: Shape, dilation: Shape) -> tuple[tuple[int, int], ...]:
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * len(kernel)
        if padding != "same":
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        sums = [d * (k - 1) for d, k in zip(dilation, kernel)]
        return tuple([(n // 2, n - n // 2) for n in sums])
    pads = _per_dimension("padding", padding, len(kernel))
    if any(p < 0 for p in pads):
        raise RuntimeError("negative padding is not supported")
    return tuple([(p, p) for p in pads])


def _check(
    name: str,
    input: Operand,
    weight: Operand,
    bias: Operand,
    stride: Shape,
    dilation: Shape,
    groups: int,
    transposed: bool,
) -> bool:
    """Raise torch's errors for operands that do not fit; returns whether there is a dimension of images."""
    x, w, dims = raw(input), raw(weight), len(stride)
    if x.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got input of size: "
            f"{list(x.shape)}"
        )
    weight_size = list(w.shape)
    if w.ndim != dims + 2:
        raise RuntimeError(
            f"weight should have at least three dimensions, and here {dims + 2} of them, but got weight of size "
            f"{weight_size}"
        )
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError("dilation should be greater than zero")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if w.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{weight_size}] instead"
        )
    batched = x.ndim == dims + 2
    size = x.shape if batched else (1, *x.shape)
    expected, out = w.shape[1] * groups, w.shape[0]
    if transposed:
        expected, out = out, expected
    if size[1] != expected:
        raise RuntimeError(
            f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size {weight_size}, expected "
            f"input{list(size)} to have {expected} channels, but got {size[1]} channels instead"
        )
    kinds = [dtypes.of(t.dtype).scalar_type for t in (x, w)]
    if kinds[0] != kinds[1]:
        raise RuntimeError(f"expected scalar type {kinds[0]} but found {kinds[1]}")
    if bias is not None:
        b = raw(bias)
        if b.shape != (out,):
            raise RuntimeError(
                f"Given {'transposed=1, ' if transposed else ''}weight of size {weight_size}, expected bias to be "
                f"1-dimensional with {out} elements, but got bias of size {list(b.shape)} instead"
            )
        if b.dtype != x.dtype:
            kinds = [dtypes.of(t.dtype).scalar_type.lower() for t in (x, b)]
            raise RuntimeError(f"Input type ({kinds[0]}) and bias type ({kinds[1]}) should be the same")
    return batched


def _by_x(sizes: Shape) -> str:
    return " x ".join(map(str, sizes))


_CONV = """Slide a kernel over {inputs}.

Args:
    input: of shape (N, C, {space}) or (C, {space}).
    weight: of shape (O, C / groups, {kernel}).
    bias: of shape (O,).
    stride: the step from one output position to the next; one number, or one for each dimension, as the next two.
    padding: zeros put on both sides; or "valid" (none), or "same" (as many as keep the size).
    dilation: the step between the kernel's elements.
    groups: into how many groups the channels are cut."""


def _convolution(dims: int, call: str, result: str) -> Callable[..., Any]:
    name = f"conv{dims}d"

    def conv(
        input: Operand,
        weight: Operand,
        bias: Operand = None,
        stride: Dims = 1,
        padding: Dims | str = 0,
        dilation: Dims = 1,
        groups: int = 1,
    ) -> Operand:
        steps, dilations = _per_dimension("stride", stride, dims), _per_dimension("dilation", dilation, dims)
        batched = _check(name, input, weight, bias, steps, dilations, groups, False)
        kernel = tuple(raw(weight).shape[2:])
        pads = _padding(padding, kernel, steps, dilations)
        padded = tuple([n + sum(p) for n, p in zip(raw(input).shape[1 + batched :], pads)])
        reach = tuple([d * (k - 1) + 1 for d, k in zip(dilations, kernel)])
        if any(r > n for r, n in zip(reach, padded)):
            raise RuntimeError(
                f"Calculated padded input size per channel: ({_by_x(padded)}). Kernel size: ({_by_x(reach)}). Kernel "
                "size can't be greater than actual input size"
            )
        return _conv(input, weight, Geometry(steps, pads, dilations, groups), bias)

    return functional(conv, name, dims, _CONV, call, result)


conv1d = _convolution(
    1, "tapegrad.tensor([[[1.0, 2.0, 4.0]]]), tapegrad.tensor([[[-1.0, 1.0]]])", "tensor([[[1., 2.]]])"
)
conv2d = _convolution(2, "tapegrad.ones(1, 1, 2, 3), tapegrad.ones(1, 1, 2, 2)", "tensor([[[[4., 4.]]]])")
conv3d = _convolution(3, "tapegrad.ones(1, 1, 2, 2, 2), tapegrad.ones(1, 1, 2, 2, 2)", "tensor([[[[[8.]]]]])")


_TRANSPOSED = """The transpose of `conv{dims}d`: its gradient for the input, as a layer.

Args:
    input: of shape (N, C, {space}) or (C, {space}).
    weight: of shape (C, O / groups, {kernel}).
    bias: of shape (O,).
    stride: the step of the convolution whose transpose this is, as are padding and dilation.
    padding: cut off on both sides.
    output_padding: added to one side of the output's size.
    groups: into how many groups the channels are cut.
    dilation: the step between the kernel's elements."""


def _transposed(dims: int, call: str, result: str) -> Callable[..., Any]:
    name = f"conv_transpose{dims}d"
    axes = ("depth", "height", "width")[3 - dims :]

    def conv_transpose(
        input: Operand,
        weight: Operand,
        bias: Operand = None,
        stride: Dims = 1,
        padding: Dims = 0,
        output_padding: Dims = 0,
        groups: int = 1,
        dilation: Dims = 1,
    ) -> Operand:
        steps, dilations = _per_dimension("stride", stride, dims), _per_dimension("dilation", dilation, dims)
        batched = _check(name, input, weight, bias, steps, dilations, groups, True)
        extras = _per_dimension("output_padding", output_padding, dims)
        size, weight_size = raw(input).shape, raw(weight).shape
        kernel = tuple(weight_size[2:])
        pads = _padding(padding, kernel, steps, dilations)
        if any(m < 0 for m in extras):
            raise RuntimeError("negative output_padding is not supported")
        if any(m >= s and m >= d for m, s, d in zip(extras, steps, dilations)):
            values = {"output_padding": extras, "stride": steps, "dilation": dilations}
            listed = " ".join(f"{what}_{axis}: {n}" for what, ns in values.items() for axis, n in zip(axes, ns))
            raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {listed}")
        space = size[1 + batched :]
        output = tuple(
            (n - 1) * s - 2 * p[0] + d * (k - 1) + m + 1
            for n, s, p, d, k, m in zip(space, steps, pads, dilations, kernel, extras)
        )
        if any(n <= 0 for n in output):
            raise RuntimeError(
                f"Given input size per channel: ({_by_x(space)}). Calculated output size per channel: "
                f"({_by_x(output)}). Output size is too small"
            )
        shape = (*size[:batched], weight_size[1] * groups, *output)
        return _conv_to_input(input, weight, shape, Geometry(steps, pads, dilations, groups), bias)

    return functional(conv_transpose, name, dims, _TRANSPOSED, call, result)


conv_transpose1d = _transposed(
    1, "tapegrad.ones(1, 1, 2), tapegrad.tensor([[[1.0, 2.0]]]), stride=2", "tensor([[[1., 2., 1., 2.]]])"
)
conv_transpose2d = _transposed(2, "tapegrad.ones(1, 1, 1, 2), tapegrad.ones(1, 1, 1, 2)", "tensor([[[[1., 2., 1.]]]])")
conv_transpose3d = _transposed(
    3, "tapegrad.ones(1, 1, 1, 1, 1), tapegrad.ones(1, 1, 1, 1, 2)", "tensor([[[[[1., 1.]]]]])"
)


__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
