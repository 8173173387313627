"""Putting tensors together, and taking them apart."""
from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np

from tapegrad.autograd.node import At
from tapegrad.autograd.op import composite, each, op
from tapegrad.autograd.ops.dims import integer, raw, sequence, wrap
from tapegrad.autograd.ops.index import FULL, _slice_core, gather_by
from tapegrad.autograd.ops.shape import _expand_core, _reshape_core, atleast_1d, atleast_2d, atleast_3d
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import backend, xp


def _along(dim: int, i: Any) -> tuple[Any, ...]:
    """The index `i` for the dimension `dim`."""
    return (*[FULL] * dim, i)


# ---- putting together


@op(tensors=each(lambda grad, tensors_shape, dim: _cat_back(grad, tensors_shape, dim)), types="promote", name="cat", public=False)
def _cat(tensors: Any, dim: int = 0) -> Any:
    try:
        return xp(tensors[0]).concatenate(tensors, axis=dim)
    except ValueError:  # a wrong shape, a wrong dimension, or empty vectors, which torch leaves out
        kept = _kept(tensors)
        dim = _cat_dim(kept, dim, tensors)
        return xp(kept[0]).concatenate(kept, axis=dim)


_cat_core = _cat.op.core  # type: ignore[attr-defined]


@composite()
def cat(tensors: Any, dim: int = 0, *, axis: Any = None, out: Any = None) -> Any:
    """Tensors one after the other along a dimension.

    Args:
        tensors: a list of tensors whose shapes agree in the other dimensions; their dtypes are promoted.
        dim: the dimension.
        axis: the same by NumPy's name.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the shapes do not agree.
        ValueError: there is no tensor.

    Example:
        >>> import tapegrad
        >>> tapegrad.cat([tapegrad.zeros(2), tapegrad.ones(1)])
        tensor([0., 0., 1.])
    """
    _check_list("cat", tensors)
    if not len(tensors):
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    result = _cat_core(tensors, dim if axis is None else axis)
    if out is None:
        return result
    from tapegrad.autograd.inplace import store_out
    return store_out("cat", out, result)


def _check_list(name: str, tensors: Any) -> None:
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}")
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor) and isinstance(x, (bool, int, float, complex)):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")


def _kept(tensors: Any) -> list[Any]:
    """The tensors without empty vectors, if there are others."""
    return [x for x in tensors if x.shape != (0,)] or [tensors[0]]


def _cat_dim(kept: list[Any], dim: int, tensors: Any) -> int:
    """The dimension counted from the front, once the shapes are known to fit."""
    first = kept[0].shape
    for i, x in enumerate(tensors):
        if not x.shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    dim = wrap(dim, len(first))
    for i, x in enumerate(tensors):
        if x.shape == (0,):
            continue
        if len(x.shape) != len(first):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(x.shape)}")
        for k, (n, m) in enumerate(zip(first, x.shape)):
            if k != dim and n != m:
                raise RuntimeError(f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but got size {m} for tensor number {i} in "
                                   "the list.")
    return dim


def _cat_back(grad: Any, shapes: list[tuple[int, ...]], dim: int) -> list[Any]:
    dim = dim % grad.ndim
    parts, start = [], 0
    for shape in shapes:
        if shape == (0,) and grad.ndim > 1:
            parts.append(None)
            continue
        parts.append(grad[_along(dim, slice(start, start + shape[dim]))])
        start += shape[dim]
    return parts


@composite()
def concat(tensors: Any, dim: int = 0, *, axis: Any = None, out: Any = None) -> Any:
    """`cat` by another name.

    Args:
        tensors: a list of tensors whose shapes agree in the other dimensions.
        dim: the dimension.
        axis: the same by NumPy's name.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.concat([tapegrad.zeros(2), tapegrad.ones(1)])
        tensor([0., 0., 1.])
    """
    return cat(tensors, dim if axis is None else axis, out=out)


@composite()
def concatenate(tensors: Any, dim: int = 0, *, axis: Any = None, out: Any = None) -> Any:
    """`cat` by NumPy's name.

    Args:
        tensors: a list of tensors whose shapes agree in the other dimensions.
        dim: the dimension.
        axis: the same by NumPy's name.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.concatenate([tapegrad.zeros(2), tapegrad.ones(1)], axis=0)
        tensor([0., 0., 1.])
    """
    return cat(tensors, dim if axis is None else axis, out=out)


@op(tensors=each(lambda grad, tensors_shape, dim: _stack_back(grad, len(tensors_shape), dim)), types="promote")
def stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors of one shape side by side along a new dimension.

    Args:
        tensors: a list of tensors; their dtypes are promoted.
        dim: where the new dimension stands.

    Raises:
        RuntimeError: the shapes differ, or there is no tensor.

    Example:
        >>> import tapegrad
        >>> tapegrad.stack([tapegrad.zeros(2), tapegrad.ones(2)], dim=1)
        tensor([[0., 1.],
                [0., 1.]])
    """
    if not len(tensors):
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = tensors[0].shape
    for i, x in enumerate(tensors):
        if x.shape != shape:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and {list(x.shape)} at entry {i}")
    dim = wrap(dim, len(shape) + 1)
    shape = (*shape[:dim], 1, *shape[dim:])
    return xp(tensors[0]).concatenate([x.reshape(shape) for x in tensors], axis=dim)


def _stack_back(grad: Any, count: int, dim: int) -> list[Any]:
    dim = dim % grad.ndim
    return [grad[_along(dim, i)] for i in range(count)]


@composite()
def hstack(tensors: Any, *, out: Any = None) -> Any:
    """Tensors side by side: along the second dimension, or the first of vectors.

    Args:
        tensors: a list of tensors; ones without dimensions are taken for vectors.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.hstack([tapegrad.zeros(2, 1), tapegrad.ones(2, 2)])
        tensor([[0., 1., 1.],
                [0., 1., 1.]])
    """
    parts = [atleast_1d(x) for x in _some(tensors, "hstack")]
    return cat(parts, 0 if raw(parts[0]).ndim == 1 else 1, out=out)


@composite()
def vstack(tensors: Any, *, out: Any = None) -> Any:
    """Tensors below each other, vectors taken for rows.

    Args:
        tensors: a list of tensors.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.vstack([tapegrad.zeros(2), tapegrad.ones(2)])
        tensor([[0., 0.],
                [1., 1.]])
    """
    return cat([atleast_2d(x) for x in _some(tensors, "vstack")], 0, out=out)


@composite()
def row_stack(tensors: Any, *, out: Any = None) -> Any:
    """`vstack` by another name.

    Args:
        tensors: a list of tensors.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.row_stack([tapegrad.zeros(2), tapegrad.ones(2)]).shape
        torch.Size([2, 2])
    """
    return vstack(tensors, out=out)


@composite()
def dstack(tensors: Any, *, out: Any = None) -> Any:
    """Tensors behind each other, along the third dimension.

    Args:
        tensors: a list of tensors; ones of fewer dimensions are given three.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.dstack([tapegrad.zeros(2), tapegrad.ones(2)])
        tensor([[[0., 1.],
                 [0., 1.]]])
    """
    return cat([atleast_3d(x) for x in _some(tensors, "dstack")], 2, out=out)


@composite()
def column_stack(tensors: Any, *, out: Any = None) -> Any:
    """Tensors side by side, vectors taken for columns.

    Args:
        tensors: a list of tensors.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.column_stack([tapegrad.zeros(2), tapegrad.ones(2)])
        tensor([[0., 1.],
                [0., 1.]])
    """
    columns = [_reshape_core(x, (raw(x).size, 1)) if raw(x).ndim <= 1 else x for x in _some(tensors, "column_stack")]
    return cat(columns, 1, out=out)


def _some(tensors: Any, name: str) -> Any:
    if not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tensors


@op(tensors=each(lambda grad, tensors_shape: _blocks(grad, tensors_shape)), types="promote", name="block_diag", public=False)
def _block_diag(tensors: Any) -> Any:
    shapes = [_matrix(x.shape) for x in tensors]
    result = xp(tensors[0]).zeros((sum([n for n, _ in shapes]), sum([m for _, m in shapes])), tensors[0].dtype)
    row = column = 0
    for x, (n, m) in zip(tensors, shapes):
        result[row:row + n, column:column + m] = x
        row, column = row + n, column + m
    return result


def _matrix(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (2 - len(shape)) + shape


def _blocks(grad: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    parts: list[Any] = []
    row = column = 0
    for shape in shapes:
        n, m = _matrix(shape)
        parts.append(grad[row:row + n, column:column + m].reshape(shape))
        row, column = row + n, column + m
    return parts


@composite()
def block_diag(*tensors: Any) -> Any:
    """The matrix that has the given matrices along its diagonal, and zeros elsewhere.

    Args:
        *tensors: tensors of at most two dimensions; vectors are rows.

    Raises:
        RuntimeError: one has more dimensions.

    Example:
        >>> import tapegrad
        >>> tapegrad.block_diag(tapegrad.ones(1, 2), tapegrad.tensor([[5.0]]))
        tensor([[1., 1., 0.],
                [0., 0., 5.]])
    """
    for i, x in enumerate(tensors):
        if raw(x).ndim > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {raw(x).ndim} dimensions")
    return _block_diag(list(tensors))


# ---- grids


@composite()
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """For vectors of n, m, ... elements, the coordinates of the n x m x ... points that they span: one view of each.

    Args:
        *tensors: vectors, or tensors without dimensions, of one dtype.
        indexing: "ij", or "xy" to exchange the first two dimensions.

    Raises:
        RuntimeError: a tensor has more dimensions, or `indexing` is neither.

    Example:
        >>> import tapegrad
        >>> tapegrad.meshgrid(tapegrad.tensor([1, 2]), tapegrad.tensor([3, 4]), indexing="ij")[0]
        tensor([[1, 1],
                [2, 2]])
    """
    given = sequence(tensors)
    if not given:
        raise ValueError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        warnings.warn("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", stacklevel=2)
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for x in given:
        if raw(x).ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {raw(x).ndim}D")
        if raw(x).dtype != raw(given[0]).dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[:2] = [1, 0]
    sizes = [raw(x).size for x in given]
    shape = tuple([sizes[i] for i in order])
    return tuple(_expand_core(_reshape_core(x, tuple([sizes[i] if k == i else 1 for k in order])), shape) for i, x in enumerate(given))


@composite()
def cartesian_prod(*tensors: Any) -> Any:
    """All ways to take an element from each vector, one in a row.

    Args:
        *tensors: vectors.

    Example:
        >>> import tapegrad
        >>> tapegrad.cartesian_prod(tapegrad.tensor([1, 2]), tapegrad.tensor([3, 4]))
        tensor([[1, 3],
                [1, 4],
                [2, 3],
                [2, 4]])
    """
    for x in tensors:
        if raw(x).ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(raw(x).shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([_reshape_core(x, (-1,)) for x in meshgrid(*tensors, indexing="ij")], 1)


@composite()
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All ways to take `r` elements of a vector, one in a row.

    Args:
        input: a vector.
        r: how many elements.
        with_replacement: an element may be taken again.

    Raises:
        RuntimeError: `input` is no vector, or `r` is negative.

    Example:
        >>> import tapegrad
        >>> tapegrad.combinations(tapegrad.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    array = raw(input)
    if array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(array.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        from tapegrad.autograd.ops.creation import like
        return like("empty", _reshape_core(input, (-1,)), None, None, False)[:0]
    ways = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    table = np.array(list(ways(range(array.shape[0]), r)), np.int64).reshape(-1, r)
    here = backend(array)
    return gather_by(input, here.from_host(table, here.device_of(array)))


# ---- taking apart


@op(input=None, public=False)
def _zeros(input: Any, shape: tuple[int, ...]) -> Any:
    return xp(input).zeros(shape, input.dtype)


@op(input=lambda grad, input_shape, dim: _unbind_back(grad, input_shape, dim), kind="view", outs="many", method=True)
def unbind(input: Any, dim: int = 0) -> Any:
    """The items along a dimension, as a tuple of views without it.

    Args:
        input: a tensor of at least one dimension.
        dim: the dimension.

    Raises:
        IndexError: there is no such dimension.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([[1, 2], [3, 4]]).unbind(1)
        (tensor([1, 3]), tensor([2, 4]))
    """
    if not input.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap(dim, input.ndim)
    before = (FULL,) * dim
    return [input[(*before, i, ...)] for i in range(input.shape[dim])]


def _unbind_back(grads: list[Any], shape: tuple[int, ...], dim: int) -> Any:
    dim = dim % len(shape)
    known = [i for i, g in enumerate(grads) if g is not None]
    some = grads[known[0]]
    if len(known) == 1:
        return At(_along(dim, known[0]), some, shape, True)
    if len(known) < len(grads):
        zeros = _zeros(some, shape[:dim] + shape[dim + 1:])
        grads = [zeros if g is None else g for g in grads]
    return stack(grads, dim)


def _pieces(input: Any, sizes: tuple[int, ...], dim: int) -> list[Any]:
    ends = list(itertools.accumulate(sizes))
    return [input[_along(dim, slice(end - n, end))] for n, end in zip(sizes, ends)]


def _split_back(grads: list[Any], shape: tuple[int, ...], sizes: tuple[int, ...], dim: int) -> Any:
    known = [i for i, g in enumerate(grads) if g is not None]
    some = grads[known[0]]
    if len(known) == 1:
        start = sum(sizes[:known[0]])
        return At(_along(dim, slice(start, start + sizes[known[0]])), some, shape, True)
    return cat([_zeros(some, (*shape[:dim], n, *shape[dim + 1:])) if g is None else g for n, g in zip(sizes, grads)], dim)


def _split_op(name: str, kind: str) -> Any:
    return op(input=lambda grad, input_shape, sizes, dim: _split_back(grad, input_shape, sizes, dim), kind=kind, outs="many", name=name, public=False)


_split, _split_with_sizes = (_split_op(name, "view")(_pieces) for name in ("split", "split_with_sizes"))


@_split_op("unsafe_split", "linear")
def _unsafe_split(input: Any, sizes: tuple[int, ...], dim: int) -> Any:
    return [piece.copy() for piece in _pieces(input, sizes, dim)]


def _equal_sizes(n: int, size: int) -> tuple[int, ...]:
    """`n` divided into pieces of `size`, the last perhaps smaller."""
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0:
        if n:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        return (0,)
    full, rest = divmod(n, size)
    return (size,) * full + ((rest,) if rest or not full else ())


def _given_sizes(sizes: Any, n: int, dim: int) -> tuple[int, ...]:
    found = tuple([integer(size) for size in sizes])
    if any(size < 0 for size in found):
        raise RuntimeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(found)}")
    if sum(found) != n:
        raise RuntimeError(f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {dim}), but got "
                           f"split_sizes={list(found)}")
    return found


def _split_dim(tensor: Any, dim: Any, name: str = "split") -> tuple[int, int]:
    shape = raw(tensor).shape
    if not shape:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    dim = wrap(dim, len(shape))
    return dim, shape[dim]


@composite(method=True)
def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """A dimension cut into pieces, as a tuple of views.

    Args:
        tensor: a tensor of at least one dimension.
        split_size_or_sections: the size of the pieces, of which the last may be smaller; or a list of sizes.
        dim: the dimension.

    Raises:
        RuntimeError: the sizes do not add up to that of the dimension.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(3).split(2)
        (tensor([0, 1]), tensor([2]))
    """
    dim, n = _split_dim(tensor, dim)
    if isinstance(split_size_or_sections, (tuple, list)):
        return _split_with_sizes(tensor, _given_sizes(split_size_or_sections, n, dim), dim)  # type: ignore[no-any-return]
    return _split(tensor, _equal_sizes(n, integer(split_size_or_sections)), dim)  # type: ignore[no-any-return]


@composite(method=True)
def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """A dimension cut into pieces of given sizes, as a tuple of views.

    Args:
        input: a tensor of at least one dimension.
        split_sizes: the sizes.
        dim: the dimension.

    Raises:
        RuntimeError: the sizes do not add up to that of the dimension.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(3).split_with_sizes([1, 2])
        (tensor([0]), tensor([1, 2]))
    """
    dim, n = _split_dim(input, dim)
    return _split_with_sizes(input, _given_sizes(split_sizes, n, dim), dim)  # type: ignore[no-any-return]


@composite(method=True)
def unsafe_split(tensor: Any, split_size: int, dim: int = 0) -> tuple[Any, ...]:
    """`split` whose results are tensors of their own, so that they may be written in place.

    Args:
        tensor: a tensor of at least one dimension.
        split_size: the size of the pieces, of which the last may be smaller.
        dim: the dimension.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(3).unsafe_split(2)
        (tensor([0, 1]), tensor([2]))
    """
    dim, n = _split_dim(tensor, dim)
    return _unsafe_split(tensor, _equal_sizes(n, split_size), dim)  # type: ignore[no-any-return]


def _chunk_sizes(n: int, chunks: int) -> tuple[int, ...]:
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return _equal_sizes(n, -(-n // chunks)) if n else (0,) * chunks


@composite(method=True)
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """A dimension cut into at most `chunks` pieces of one size, the last perhaps smaller, as a tuple of views.

    Args:
        input: a tensor of at least one dimension.
        chunks: how many pieces are wanted.
        dim: the dimension.

    Raises:
        RuntimeError: `chunks` is not positive.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(5).chunk(2)
        (tensor([0, 1, 2]), tensor([3, 4]))
    """
    dim, n = _split_dim(input, dim, "chunk")
    return _split(input, _chunk_sizes(n, chunks), dim)  # type: ignore[no-any-return]


@composite(method=True)
def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """`chunk` whose results are tensors of their own, so that they may be written in place.

    Args:
        input: a tensor of at least one dimension.
        chunks: how many pieces are wanted.
        dim: the dimension.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(3).unsafe_chunk(2)
        (tensor([0, 1]), tensor([2]))
    """
    dim, n = _split_dim(input, dim, "chunk")
    return _unsafe_split(input, _chunk_sizes(n, chunks), dim)  # type: ignore[no-any-return]


@composite(method=True)
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """A dimension cut into a number of nearly equal pieces, or cut at given indices, as a tuple of views.

    Args:
        input: a tensor of at least one dimension.
        indices_or_sections: the number of pieces, or the indices at which to cut; a tensor on the CPU stands for what it holds.
        dim: the dimension.

    Raises:
        RuntimeError: the number of pieces is not positive.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(5).tensor_split((1, 3))
        (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    shape = raw(input).shape
    if not shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap(dim, len(shape))
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections._array.dtype != np.int64:
            raise RuntimeError("tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                               f"{indices_or_sections.dtype.scalar_type}")
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, (tuple, list)):
        cuts = [0, *[integer(i) for i in indices_or_sections]]
        bounds = list(zip(cuts, [*cuts[1:], shape[dim]]))
    else:
        sections = integer(indices_or_sections)
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        least, more = divmod(shape[dim], sections)
        ends = list(itertools.accumulate([least + (i < more) for i in range(sections)]))
        bounds = list(zip([0, *ends], ends))
    return tuple(_slice_core(input, _along(dim, slice(start, end))) for start, end in bounds)


def _split_at(input: Any, indices_or_sections: Any, dim: int, name: str, least: int) -> tuple[Any, ...]:
    shape = raw(input).shape
    if len(shape) < least:
        raise RuntimeError(f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {len(shape)} dimensions!")
    if not isinstance(indices_or_sections, (tuple, list)) and (indices_or_sections <= 0 or shape[dim] % indices_or_sections):
        raise RuntimeError(f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {shape[dim]} is not divisible by the "
                           f"split_size {indices_or_sections}!")
    return tensor_split(input, indices_or_sections, dim)


@composite(method=True)
def hsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """The second dimension (the first of a vector) cut into equal pieces, or at given indices, as a tuple of views.

    Args:
        input: a tensor of at least one dimension.
        indices_or_sections: the number of pieces, or the indices at which to cut.

    Raises:
        RuntimeError: the dimension is not divisible by the number.

    Example:
        >>> import tapegrad
        >>> [piece.shape for piece in tapegrad.ones(2, 4).hsplit(2)]
        [torch.Size([2, 2]), torch.Size([2, 2])]
    """
    return _split_at(input, indices_or_sections, min(raw(input).ndim - 1, 1), "hsplit", 1)


@composite(method=True)
def vsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """The first dimension cut into equal pieces, or at given indices, as a tuple of views.

    Args:
        input: a tensor of at least two dimensions.
        indices_or_sections: the number of pieces, or the indices at which to cut.

    Raises:
        RuntimeError: the dimension is not divisible by the number.

    Example:
        >>> import tapegrad
        >>> [piece.shape for piece in tapegrad.ones(4, 2).vsplit(2)]
        [torch.Size([2, 2]), torch.Size([2, 2])]
    """
    return _split_at(input, indices_or_sections, 0, "vsplit", 2)


@composite(method=True)
def dsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """The third dimension cut into equal pieces, or at given indices, as a tuple of views.

    Args:
        input: a tensor of at least three dimensions.
        indices_or_sections: the number of pieces, or the indices at which to cut.

    Raises:
        RuntimeError: the dimension is not divisible by the number.

    Example:
        >>> import tapegrad
        >>> [piece.shape for piece in tapegrad.ones(1, 2, 4).dsplit(2)]
        [torch.Size([1, 2, 2]), torch.Size([1, 2, 2])]
    """
    return _split_at(input, indices_or_sections, 2, "dsplit", 3)


__all__ = [
    "block_diag", "cartesian_prod", "cat", "chunk", "column_stack", "combinations", "concat", "concatenate", "dsplit", "dstack", "hsplit", "hstack", "meshgrid",
    "row_stack", "split", "split_with_sizes", "stack", "tensor_split", "unbind", "unsafe_chunk", "unsafe_split", "vsplit", "vstack",
]
