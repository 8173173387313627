"""Views by strides: diagonals, sliding windows, and whatever `as_strided` is asked for."""

from __future__ import annotations

import math
from typing import Any

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import along, over, sized
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import store_out
from tapegrad.autograd.dispatch.primitives import lay_out, reach, steps_in_bytes
from tapegrad.autograd.ops.common.dims import integer, wrap
from tapegrad.autograd.ops.common.metadata_queries import memory_of, strides_of
from tapegrad.autograd.ops.shape.cat import stack
from tapegrad.autograd.ops.shape.reshape import ravel
from tapegrad.autograd.ops.shape.split import unbind
from tapegrad.backends import backend, xp

# A geometry: shape, strides in elements, offset in elements from the first element of the array it belongs to.
Geometry = tuple[tuple[int, ...], tuple[int, ...], int]


# ---- as_strided


@op(
    input=lambda grad, source, target: _exchange(grad, target, source, source),
    kind="view",
    name="as_strided",
    public=False,
    batch=lambda batched, input, source, target: _strided_in_batch(input, source, target),
)
def _as_strided(input: Any, source: Geometry, target: Geometry) -> Any:
    if strides_of(input) != source[1]:
        input = lay_out(input, source[1])
    return backend(input).as_strided(
        input, target[0], steps_in_bytes(target[1], input.itemsize), target[2] * input.itemsize
    )


@op(
    input=lambda grad, source, target, shared: _exchange(grad, target, source, shared),
    kind="linear",
    public=False,
    batch=lambda batched, input, source, target, shared: _exchange_in_batch(input, source, target, shared),
)
def _exchange(input: Any, source: Geometry, target: Geometry, shared: Geometry) -> Any:
    """`input` written to memory by the geometry `source`, where elements that meet add up, and read from it by
    `target`.

    Elements of memory that `shared` shows several times are divided among them.
    """
    lowest = min(source[2], target[2], 0)
    size = max(reach(*source[:2]) + source[2], reach(*target[:2]) + target[2], 0) - lowest
    memory = xp(input).zeros(max(size, 1), input.dtype)
    _add(memory, source, lowest, input)
    if _overlaps(shared):
        count = xp(input).zeros(memory.shape, memory.dtype)
        _add(count, shared, lowest, xp(input).ones(shared[0], memory.dtype))
        memory /= xp(input).maximum(count, 1)
    shape, steps, offset = target
    return (
        backend(memory)
        .as_strided(memory, shape, steps_in_bytes(steps, memory.itemsize), (offset - lowest) * memory.itemsize)
        .copy()
    )


def _member(input: Any) -> tuple[Any, int]:
    """A batch of arrays one after the other, and the distance from one to the next."""
    input = input.contiguous()
    return input, math.prod(input.shape[1:])


def _strided_in_batch(input: Any, source: Geometry, target: Geometry) -> Any:
    flat, step = _member(input)
    if flat.stride()[1:] != source[1]:
        raise RuntimeError(
            "vmap: as_strided needs the batch in the outermost dimension of the memory, and the rest contiguous."
        )
    shape, steps, offset = target
    return flat.as_strided((flat.shape[0], *shape), (step, *steps), flat.storage_offset() + offset)


def _exchange_in_batch(input: Any, source: Geometry, target: Geometry, shared: Geometry) -> Any:
    return stack([_exchange(part, source, target, shared) for part in unbind(input)])


def _add(memory: Any, geometry: Geometry, lowest: int, values: Any) -> None:
    shape, steps, offset = geometry
    if _overlaps(geometry):
        where = xp(memory).full(shape, offset - lowest, "int64")
        for axis, (n, step) in enumerate(zip(shape, steps)):
            where += (xp(memory).arange(n) * step).reshape((n,) + (1,) * (len(shape) - 1 - axis))
        backend(memory).scatter_add(memory, where.reshape(-1), values.reshape(-1))
    else:
        part = backend(memory).as_strided(
            memory, shape, steps_in_bytes(steps, memory.itemsize), (offset - lowest) * memory.itemsize
        )
        part[...] = values


def _overlaps(geometry: Geometry) -> bool:
    """Whether some element of memory may be shown twice."""
    shape, steps, _ = geometry
    last = 0
    for step, n in sorted([(step, n) for n, step in zip(shape, steps) if n > 1]):
        if step <= last:
            return True
        last += (n - 1) * step
    return False


@composite(method=True)
def as_strided(input: Any, size: Any, stride: Any, storage_offset: Any = None) -> Any:
    """A view of the tensor's memory with any shape and strides.

    Args:
        size: the shape of the view.
        stride: for each dimension, how many elements of memory lie between neighbours.
        storage_offset: the element of memory to begin at; None: the first of `input`.

    Raises:
        RuntimeError: a stride is negative, or the view would leave the memory.

    Example:
        >>> tapegrad.arange(4).as_strided((2, 3), (1, 1))
        tensor([[0, 1, 2],
                [1, 2, 3]])
    """
    shape, steps = tuple([integer(n) for n in size]), tuple([integer(n) for n in stride])
    if len(shape) != len(steps):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(step < 0 for step in steps):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(steps)}")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)} and strides={list(steps)}")
    array = raw(input)
    start, nbytes = memory_of(array)
    begins = (backend(array).pointer(array) - start) // array.itemsize
    offset = begins if storage_offset is None else integer(storage_offset)
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    has = nbytes // array.itemsize
    if offset + reach(shape, steps) > has and 0 not in shape:
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {offset}, and itemsize "
            f"{array.itemsize} requiring a "
            f"storage size of {(offset + reach(shape, steps)) * array.itemsize} are out of bounds for storage of "
            f"size {nbytes}"
        )
    return _as_strided(input, (array.shape, strides_of(array), 0), (shape, steps, offset - begins))


# ---- diagonals


def diagonal_length(rows: int, columns: int, offset: int) -> int:
    """The number of elements on a diagonal of a matrix."""
    return max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)


def _two_dims(input: Any, dim1: Any, dim2: Any, ndim: int) -> tuple[int, int]:
    first, second = wrap(dim1, ndim), wrap(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return first, second


@op(
    input=lambda grad, input_shape, offset, dim1, dim2: _on_diagonal(grad, input_shape, offset, dim1, dim2),
    kind="view",
    method=True,
)
def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonals of the matrices in two dimensions of `input`, as the last dimension; a view.

    Args:
        offset: which diagonal: above the main one if positive, below if negative.
        dim1: the dimension of the rows.
        dim2: the dimension of the columns.

    Raises:
        IndexError: a dimension is out of range.

    Example:
        >>> tapegrad.arange(4).reshape(2, 2).diagonal()
        tensor([0, 3])
    """
    first, second = _two_dims(input, dim1, dim2, input.ndim)
    shape, strides = input.shape, input.strides
    n = diagonal_length(shape[first], shape[second], offset)
    start = (offset * strides[second] if offset > 0 else -offset * strides[first]) if n else 0
    rest = [i for i in range(len(shape)) if i not in (first, second)]
    return backend(input).as_strided(
        input, (*[shape[i] for i in rest], n), (*[strides[i] for i in rest], strides[first] + strides[second]), start
    )


@op(
    input=lambda grad, offset, dim1, dim2: diagonal(grad, offset, dim1, dim2),
    kind="linear",
    public=False,
    batch=over(shape=sized, dim1=along, dim2=along),
)
def _on_diagonal(input: Any, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Any:
    """Zeros of `shape` with `input` on a diagonal: the adjoint of `diagonal`."""
    result = xp(input).zeros(shape, input.dtype)
    diagonal(result, offset, dim1, dim2)[...] = input
    return result


@op(
    input=lambda grad, offset, dim1, dim2: diagonal(grad, offset, dim1, dim2),
    kind="linear",
    method=True,
    batch=over(
        dim1=lambda dim, ndim, size: wrap(dim, ndim + 1) + 1, dim2=lambda dim, ndim, size: wrap(dim, ndim + 1) + 1
    ),
)
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension of `input` on a diagonal, and zeros beside it.

    Args:
        offset: which diagonal: above the main one if positive, below if negative.
        dim1: the dimension of the rows in the result.
        dim2: the dimension of the columns in the result.

    Raises:
        IndexError: a dimension is out of range.

    Example:
        >>> tapegrad.tensor([1, 2]).diag_embed()
        tensor([[1, 0],
                [0, 2]])
    """
    ndim = input.ndim + 1
    first, second = _two_dims(input, dim1, dim2, ndim)
    n = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    return _on_diagonal(
        input, tuple([n if i in (first, second) else next(rest) for i in range(ndim)]), offset, first, second
    )


@composite(method=True)
def diag(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """The matrix with a vector on its diagonal, or a copy of the diagonal of a matrix.

    Args:
        input: a tensor of one or two dimensions.
        diagonal: which diagonal: above the main one if positive, below if negative.

    Raises:
        RuntimeError: `input` has another number of dimensions.

    Example:
        >>> tapegrad.diag(tapegrad.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    ndim = raw(input).ndim
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    result = diag_embed(input, diagonal) if ndim == 1 else _diagonal_copy(input, diagonal)
    if out is None:
        return result
    return store_out("diag", out, result)


@op(
    input=lambda grad, input_shape, offset: _on_diagonal(grad, input_shape, offset, 0, 1),
    kind="linear",
    name="diag",
    public=False,
    batch=lambda batched, input, offset: diagonal(input, offset, 1, 2).clone(),
)
def _diagonal_copy(input: Any, offset: int) -> Any:
    return diagonal(input, offset).copy()


@composite(method=True)
def diagflat(input: Any, offset: int = 0) -> Any:
    """The matrix with all elements of `input` on its diagonal.

    Args:
        offset: which diagonal: above the main one if positive, below if negative.

    Example:
        >>> tapegrad.diagflat(tapegrad.tensor([1, 2]), 1)
        tensor([[0, 1, 0],
                [0, 0, 2],
                [0, 0, 0]])
    """
    return diag_embed(ravel(input), offset)


# ---- windows


@op(
    input=lambda grad, input_shape, dimension, step: _fold_back(grad, input_shape, dimension, step),
    kind="view",
    method=True,
    batch=lambda batched, input, dimension, size, step: (
        unfold(input, along(dimension, input.ndim - 1, 0), size, step) if input.ndim > 1 else input[:, None][:, :size]
    ),
)
def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """The windows of `size` elements along a dimension, every `step`, as a new last dimension; a view.

    Args:
        dimension: along which the windows lie.
        size: the number of elements of each.
        step: how far it is from one to the next.

    Raises:
        RuntimeError: the dimension is shorter than a window, or the step is not positive.

    Example:
        >>> tapegrad.arange(5).unfold(0, 3, 1)
        tensor([[0, 1, 2],
                [1, 2, 3],
                [2, 3, 4]])
    """
    ndim = input.ndim
    dim = wrap(dimension, ndim)
    length = input.shape[dim] if ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > length:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {length} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not ndim:
        return input.reshape((1,))[:size]
    shape, strides = input.shape, input.strides
    return backend(input).as_strided(
        input,
        (*shape[:dim], (length - size) // step + 1, *shape[dim + 1 :], size),
        (*strides[:dim], strides[dim] * step, *strides[dim + 1 :], strides[dim]),
    )


@op(
    input=lambda grad, size, dimension, step: unfold(grad, dimension, size, step),
    kind="linear",
    public=False,
    batch=lambda batched, input, shape, dimension, size, step: (
        _fold_windows(input, (input.shape[0], *shape), along(dimension, len(shape), 0), size, step)
        if shape
        else input.sum(1)
    ),
)
def _fold_windows(input: Any, shape: tuple[int, ...], dimension: int, size: int, step: int) -> Any:
    """Zeros of `shape` with the windows in `input` added where they came from: the adjoint of `unfold`."""
    result = xp(input).zeros(shape, input.dtype)
    if not shape:
        if size:
            result += input[0]
        return result
    dim = dimension % len(shape)
    before = (slice(None),) * dim
    count = input.shape[dim]
    if size <= count:
        for i in range(size):
            result[(*before, slice(i, i + (count - 1) * step + 1, step))] += input[..., i]
    else:
        for i in range(count):
            window = result[(*before, slice(i * step, i * step + size))]
            window += xp(input).moveaxis(input[(*before, i)], -1, dim)
    return result


def _fold_back(grad: Any, shape: tuple[int, ...], dimension: int, step: int) -> Any:
    return _fold_windows(grad, shape, dimension, grad.shape[-1], step)
