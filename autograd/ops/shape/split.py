"""Taking tensors apart: tuples of views."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tapegrad.autograd.core.node import At
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.dims import integer, wrap
from tapegrad.autograd.ops.indexing.getitem import FULL, slice_view
from tapegrad.autograd.ops.shape.cat import cat, index_along, stack
from tapegrad.backends import xp


@op(input=None, public=False, batch=lambda batched, input, shape: _zeros(input, (input.shape[0], *shape)))
def _zeros(input: Any, shape: tuple[int, ...]) -> Any:
    return xp(input).zeros(shape, input.dtype)


@op(input=lambda grad, input_shape, dim: _unbind_back(grad, input_shape, dim), kind="view", outs="many", method=True)
def unbind(input: Any, dim: int = 0) -> Any:
    """The items along a dimension, as a tuple of views without it.

    Raises:
        IndexError: there is no such dimension.

    Example:
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
        return At(index_along(dim, known[0]), some, shape, True)
    if len(known) < len(grads):
        zeros = _zeros(some, shape[:dim] + shape[dim + 1 :])
        grads = [zeros if g is None else g for g in grads]
    return stack(grads, dim)


def _pieces(input: Any, sizes: tuple[int, ...], dim: int) -> list[Any]:
    ends = list(itertools.accumulate(sizes))
    return [input[index_along(dim, slice(end - n, end))] for n, end in zip(sizes, ends)]


def _split_back(grads: list[Any], shape: tuple[int, ...], sizes: tuple[int, ...], dim: int) -> Any:
    known = [i for i, g in enumerate(grads) if g is not None]
    some = grads[known[0]]
    if len(known) == 1:
        start = sum(sizes[: known[0]])
        return At(index_along(dim, slice(start, start + sizes[known[0]])), some, shape, True)
    return cat(
        [_zeros(some, (*shape[:dim], n, *shape[dim + 1 :])) if g is None else g for n, g in zip(sizes, grads)], dim
    )


def _split_op(name: str, kind: str) -> Any:
    return op(
        input=lambda grad, input_shape, sizes, dim: _split_back(grad, input_shape, sizes, dim),
        kind=kind,
        outs="many",
        name=name,
        public=False,
    )


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
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(found)}"
        )
    if sum(found) != n:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {dim}), "
            "but got "
            f"split_sizes={list(found)}"
        )
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

    Raises:
        RuntimeError: the sizes do not add up to that of the dimension.

    Example:
        >>> tapegrad.arange(3).split(2)
        (tensor([0, 1]), tensor([2]))
    """
    dim, n = _split_dim(tensor, dim)
    if isinstance(split_size_or_sections, (tuple, list)):
        return _split_with_sizes(tensor, _given_sizes(split_size_or_sections, n, dim), dim)
    return _split(tensor, _equal_sizes(n, integer(split_size_or_sections)), dim)


@composite(method=True)
def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """A dimension cut into pieces of given sizes, as a tuple of views.

    Args:
        split_sizes: the sizes.

    Raises:
        RuntimeError: the sizes do not add up to that of the dimension.

    Example:
        >>> tapegrad.arange(3).split_with_sizes([1, 2])
        (tensor([0]), tensor([1, 2]))
    """
    dim, n = _split_dim(input, dim)
    return _split_with_sizes(input, _given_sizes(split_sizes, n, dim), dim)


@composite(method=True)
def unsafe_split(tensor: Any, split_size: int, dim: int = 0) -> tuple[Any, ...]:
    """`split` whose results are tensors of their own, so that they may be written in place.

    Args:
        tensor: a tensor of at least one dimension.
        split_size: the size of the pieces, of which the last may be smaller.

    Example:
        >>> tapegrad.arange(3).unsafe_split(2)
        (tensor([0, 1]), tensor([2]))
    """
    dim, n = _split_dim(tensor, dim)
    return _unsafe_split(tensor, _equal_sizes(n, split_size), dim)


@composite(method=True)
def unsafe_split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """`split_with_sizes` into pieces that share no memory with `input`, so that they may be written in place.

    Args:
        split_sizes: the sizes of the pieces.

    Raises:
        RuntimeError: the sizes do not add up to that of `dim`.

    Example:
        >>> tapegrad.unsafe_split_with_sizes(tapegrad.arange(3), (1, 2))
        (tensor([0]), tensor([1, 2]))
    """
    dim, n = _split_dim(input, dim)
    return _unsafe_split(input, _given_sizes(split_sizes, n, dim), dim)


def _chunk_sizes(n: int, chunks: int) -> tuple[int, ...]:
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return _equal_sizes(n, -(-n // chunks)) if n else (0,) * chunks


@composite(method=True)
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """A dimension cut into at most `chunks` pieces of one size, the last perhaps smaller, as a tuple of views.

    Args:
        chunks: how many pieces are wanted.

    Raises:
        RuntimeError: `chunks` is not positive.

    Example:
        >>> tapegrad.arange(5).chunk(2)
        (tensor([0, 1, 2]), tensor([3, 4]))
    """
    dim, n = _split_dim(input, dim, "chunk")
    return _split(input, _chunk_sizes(n, chunks), dim)


@composite(method=True)
def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """`chunk` whose results are tensors of their own, so that they may be written in place.

    Args:
        chunks: how many pieces are wanted.

    Example:
        >>> tapegrad.arange(3).unsafe_chunk(2)
        (tensor([0, 1]), tensor([2]))
    """
    dim, n = _split_dim(input, dim, "chunk")
    return _unsafe_split(input, _chunk_sizes(n, chunks), dim)


@composite(method=True)
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """A dimension cut into a number of nearly equal pieces, or cut at given indices, as a tuple of views.

    Args:
        indices_or_sections: the number of pieces, or the indices at which to cut; a tensor on the CPU stands for what
            it holds.

    Raises:
        RuntimeError: the number of pieces is not positive.

    Example:
        >>> tapegrad.arange(5).tensor_split((1, 3))
        (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    shape = raw(input).shape
    if not shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap(dim, len(shape))
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections._array.dtype != np.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{indices_or_sections.dtype.scalar_type}"
            )
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
    return tuple(slice_view(input, index_along(dim, slice(start, end))) for start, end in bounds)


def _split_at(input: Any, indices_or_sections: Any, dim: int, name: str, least: int) -> tuple[Any, ...]:
    shape = raw(input).shape
    if len(shape) < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {len(shape)} "
            "dimensions!"
        )
    if not isinstance(indices_or_sections, (tuple, list)) and (
        indices_or_sections <= 0 or shape[dim] % indices_or_sections
    ):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {shape[dim]} is "
            "not divisible by the "
            f"split_size {indices_or_sections}!"
        )
    return tensor_split(input, indices_or_sections, dim)


@composite(method=True)
def hsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """The second dimension (the first of a vector) cut into equal pieces, or at given indices, as a tuple of views.

    Args:
        indices_or_sections: the number of pieces, or the indices at which to cut.

    Raises:
        RuntimeError: the dimension is not divisible by the number.

    Example:
        >>> [piece.shape for piece in tapegrad.ones(2, 4).hsplit(2)]
        [torch.Size([2, 2]), torch.Size([2, 2])]
    """
    return _split_at(input, indices_or_sections, min(raw(input).ndim - 1, 1), "hsplit", 1)


@composite(method=True)
def vsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """The first dimension cut into equal pieces, or at given indices, as a tuple of views.

    Args:
        indices_or_sections: the number of pieces, or the indices at which to cut.

    Raises:
        RuntimeError: the dimension is not divisible by the number.

    Example:
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
        >>> [piece.shape for piece in tapegrad.ones(1, 2, 4).dsplit(2)]
        [torch.Size([1, 2, 2]), torch.Size([1, 2, 2])]
    """
    return _split_at(input, indices_or_sections, 2, "dsplit", 3)
