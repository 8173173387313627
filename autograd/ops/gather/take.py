"""Reading and writing by positions in the flattened tensor, by an index that broadcasts, and on diagonals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import along, over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.dims import common_shape, wrap
from tapegrad.autograd.ops.gather.gather import gather, ordered_copy, scalar_type
from tapegrad.autograd.ops.indexing.batch_rules import put_flat_in_batch, take_in_batch, untake_in_batch
from tapegrad.autograd.ops.indexing.getitem import put_add
from tapegrad.autograd.ops.indexing.getitem import put_at as _put_there
from tapegrad.autograd.ops.shape.as_strided import diagonal
from tapegrad.autograd.ops.shape.expand import expand_to
from tapegrad.autograd.ops.shape.reshape import reshape_to
from tapegrad.backends import backend, xp
from tapegrad.backends.determinism import alert

# ---- by flat position


def _check_flat(name: str, index: Any, n: int) -> None:
    if index.__class__ is not np.ndarray:
        backend(index).assert_index(index, -n, n, name)
    elif index.size and not (index.min() >= -n and index.max() < n):
        wrong = next(i for i in index.reshape(-1).tolist() if not -n <= i < n)
        raise IndexError(f"out of range: tried to access index {wrong} on a tensor of {n} elements.")


def _check_long(name: str, index: Any) -> None:
    if index.dtype != np.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {scalar_type(index)}")


@op(
    input=lambda grad, input_shape, index: _untake(grad, input_shape, index),
    index=None,
    operands="free",
    kind="linear",
    method=True,
    batch=take_in_batch,
)
def take(input: Any, index: Any) -> Any:
    """The elements at positions in the flattened tensor.

    Args:
        index: an int64 tensor, of the shape of the result.

    Raises:
        IndexError: a position is out of range.

    Example:
        >>> tapegrad.tensor([[1, 2], [3, 4]]).take(tapegrad.tensor([0, 3]))
        tensor([1, 4])
    """
    _check_long("take", index)
    _check_flat("take", index, input.size)
    return input.reshape((-1,)).take(index)


@op(
    grad=lambda grad, index: take(grad, index),
    index=None,
    operands="free",
    kind="linear",
    public=False,
    batch=untake_in_batch,
)
def _untake(grad: Any, shape: tuple[int, ...], index: Any) -> Any:
    result = xp(grad).zeros(math.prod(shape), grad.dtype)
    backend(result).scatter_add(result, index.reshape((-1,)), grad.reshape((-1,)))
    return result.reshape(shape)


@op(
    input=lambda grad, index, accumulate: grad if accumulate else _put_zero(grad, index),
    index=None,
    source=lambda grad, index, source_shape: take(grad, index).reshape(tuple(source_shape)),
    operands="free",
    kind="linear",
    method=True,
    inplace=True,
    batch=lambda batched, input, index, source, accumulate: put_flat_in_batch(
        batched, input, index, source, put_add if accumulate else _put_there
    ),
)
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """`input` with elements written at positions in the flattened tensor.

    Args:
        index: an int64 tensor.
        source: a tensor of the same dtype with as many elements.
        accumulate: add to what is there; elements whose position repeats add up.

    Raises:
        IndexError: a position is out of range, or the numbers of elements differ.

    Example:
        >>> tapegrad.zeros(2, 2).put(tapegrad.tensor([0, 3]), tapegrad.tensor([1.0, 2.0]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    _check_long("put_", index)
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {scalar_type(input)} and "
            f"source.dtype = {scalar_type(source)}"
        )
    if index.size != source.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.size}, "
            f"index.numel() = {index.size}"
        )
    _check_flat("put", index, input.size)
    result = ordered_copy(input)
    flat = result.reshape((-1,))
    if accumulate:
        backend(result).scatter_add(flat, index.reshape((-1,)), source.reshape((-1,)))
    else:
        alert("put_", input)
        flat[index.reshape((-1,))] = source.reshape((-1,))
    return result


@op(
    input=lambda grad, index: _put_zero(grad, index),
    index=None,
    operands="free",
    kind="linear",
    public=False,
    batch=lambda batched, input, index: put_flat_in_batch(batched, input, index, None, _put_there),
)
def _put_zero(input: Any, index: Any) -> Any:
    result = ordered_copy(input)
    result.reshape((-1,))[index.reshape((-1,))] = xp(result).zeros((), result.dtype)
    return result


@composite(method=True)
def take_along_dim(
    input: Any, indices: Any, dim: int | None = None, *, axis: int | None = None, out: Any = None
) -> Any:
    """The elements that an index, broadcast in the other dimensions, names along a dimension.

    Args:
        indices: an int64 tensor of as many dimensions.
        dim: the dimension; None: of the flattened tensors.

    Raises:
        RuntimeError: the numbers of dimensions differ, or an index is out of range.

    Example:
        >>> x = tapegrad.tensor([[3, 1], [2, 4]])
        >>> tapegrad.take_along_dim(x, x.argsort(dim=1), dim=1)
        tensor([[1, 3],
                [2, 4]])
    """
    dim = dim if axis is None else axis
    array, where = raw(input), raw(indices)
    if where.dtype != np.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {scalar_type(where)}")
    if dim is None:
        return gather(reshape_to(input, (-1,)), 0, reshape_to(indices, (-1,)), out=out)
    if array.ndim != where.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{array.ndim} dimensions for input, "
            f"and {where.ndim} dimensions for indices"
        )
    dim = wrap(dim, array.ndim)
    one = (1,)
    shape = common_shape(
        array.shape[:dim] + one + array.shape[dim + 1 :], where.shape[:dim] + one + where.shape[dim + 1 :]
    )
    input = expand_to(input, shape[:dim] + array.shape[dim : dim + 1] + shape[dim + 1 :])
    return gather(input, dim, expand_to(indices, shape[:dim] + where.shape[dim : dim + 1] + shape[dim + 1 :]), out=out)


# ---- into a diagonal


@op(
    input=lambda grad, offset, dim1, dim2: _clear_diagonal(grad, offset, dim1, dim2),
    src=lambda grad, offset, dim1, dim2: diagonal(grad, offset, dim1, dim2),
    operands="free",
    kind="linear",
    method=True,
    batch=over(dim1=along, dim2=along),
)
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """`input` with a diagonal replaced by `src`.

    Args:
        src: what to write, of the shape of ``input.diagonal(offset, dim1, dim2)``.
        offset: which diagonal: above the main one if positive, below if negative.
        dim1: the dimension of the rows.
        dim2: the dimension of the columns.

    Raises:
        RuntimeError: `src` has another shape.

    Example:
        >>> tapegrad.zeros(2, 2).diagonal_scatter(tapegrad.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    result = ordered_copy(input)
    part = diagonal(result, offset, dim1, dim2)
    if part.shape != src.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(part.shape)}"
        )
    part[...] = src
    return result


@op(
    input=lambda grad, offset, dim1, dim2: _clear_diagonal(grad, offset, dim1, dim2),
    kind="linear",
    public=False,
    batch=over(dim1=along, dim2=along),
)
def _clear_diagonal(input: Any, offset: int, dim1: int, dim2: int) -> Any:
    result = ordered_copy(input)
    diagonal(result, offset, dim1, dim2)[...] = 0
    return result
