"""Putting tensors together, and taking them apart."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import along
from tapegrad.autograd.dispatch.decorator import composite, each, op
from tapegrad.autograd.dispatch.inplace import store_out
from tapegrad.autograd.ops.common.dims import sequence, wrap
from tapegrad.autograd.ops.creation.factories import like
from tapegrad.autograd.ops.creation.host_operands import to_device_of
from tapegrad.autograd.ops.indexing.getitem import FULL, gather_by
from tapegrad.autograd.ops.shape.expand import expand_to
from tapegrad.autograd.ops.shape.pad import constant_pad_nd
from tapegrad.autograd.ops.shape.reshape import atleast_1d, atleast_2d, atleast_3d, reshape_to
from tapegrad.autograd.types.type_names import type_name
from tapegrad.backends import is_array, xp


def index_along(dim: int, i: Any) -> tuple[Any, ...]:
    """The index `i` for the dimension `dim`."""
    return (*[FULL] * dim, i)


# ---- putting together


@op(
    tensors=each(lambda grad, tensors_shape, dim: _cat_back(grad, tensors_shape, dim)),
    operands="promote",
    name="cat",
    public=False,
    kind="linear",
    batch=lambda batched, tensors, dim: _cat(
        [x for x in tensors if x.ndim != 2 or x.shape[1]] or tensors[:1],
        along(dim, max([x.ndim for x in tensors]) - 1, 0),
    ),
)
def _cat(tensors: Any, dim: int = 0) -> Any:
    try:
        return xp(tensors[0]).concatenate(tensors, axis=dim)
    except ValueError:  # a wrong shape, a wrong dimension, or empty vectors, which torch leaves out
        kept = _kept(tensors)
        dim = _cat_dim(kept, dim, tensors)
        return xp(kept[0]).concatenate(kept, axis=dim)


_cat_core = _cat.op.core


@composite()
def cat(tensors: Any, dim: int = 0, *, axis: Any = None, out: Any = None) -> Any:
    """Tensors one after the other along a dimension.

    Args:
        tensors: a list of tensors whose shapes agree in the other dimensions; their dtypes are promoted.

    Raises:
        RuntimeError: the shapes do not agree.
        ValueError: there is no tensor.

    Example:
        >>> tapegrad.cat([tapegrad.zeros(2), tapegrad.ones(1)])
        tensor([0., 0., 1.])
    """
    _check_list("cat", tensors)
    if not len(tensors):
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    result = _cat_core(tensors, dim if axis is None else axis)
    if out is None:
        return result
    return store_out("cat", out, result)


def _check_list(name: str, tensors: Any) -> None:
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor) and (isinstance(x, (bool, int, float, complex)) or not is_array(x)):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type_name(x)}")


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
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but got size {m} for "
                    f"tensor number {i} in "
                    "the list."
                )
    return dim


def _cat_back(grad: Any, shapes: list[tuple[int, ...]], dim: int) -> list[Any]:
    dim = dim % grad.ndim
    parts: list[Any] = []
    start = 0
    for shape in shapes:
        if shape == (0,) and grad.ndim > 1:
            parts.append(None)
            continue
        parts.append(grad[index_along(dim, slice(start, start + shape[dim]))])
        start += shape[dim]
    return parts


@composite()
def concat(tensors: Any, dim: int = 0, *, axis: Any = None, out: Any = None) -> Any:
    """`cat` by another name.

    Args:
        tensors: a list of tensors whose shapes agree in the other dimensions.

    Example:
        >>> tapegrad.concat([tapegrad.zeros(2), tapegrad.ones(1)])
        tensor([0., 0., 1.])
    """
    return cat(tensors, dim if axis is None else axis, out=out)


@composite()
def concatenate(tensors: Any, dim: int = 0, *, axis: Any = None, out: Any = None) -> Any:
    """`cat` by NumPy's name.

    Args:
        tensors: a list of tensors whose shapes agree in the other dimensions.

    Example:
        >>> tapegrad.concatenate([tapegrad.zeros(2), tapegrad.ones(1)], axis=0)
        tensor([0., 0., 1.])
    """
    return cat(tensors, dim if axis is None else axis, out=out)


@op(
    tensors=each(lambda grad, tensors_shape, dim: _stack_back(grad, len(tensors_shape), dim)),
    operands="promote",
    kind="linear",
    batch=lambda batched, tensors, dim: stack(tensors, wrap(dim, tensors[0].ndim) + 1),
)
def stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors of one shape side by side along a new dimension.

    Args:
        tensors: a list of tensors; their dtypes are promoted.
        dim: where the new dimension stands.

    Raises:
        RuntimeError: the shapes differ, or there is no tensor.

    Example:
        >>> tapegrad.stack([tapegrad.zeros(2), tapegrad.ones(2)], dim=1)
        tensor([[0., 1.],
                [0., 1.]])
    """
    if not len(tensors):
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = tensors[0].shape
    if len({x.shape for x in tensors}) > 1:
        i = next(i for i, x in enumerate(tensors) if x.shape != shape)
        raise RuntimeError(
            f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
            f"{list(tensors[i].shape)} at entry {i}"
        )
    dim = wrap(dim, len(shape) + 1)
    shape = (*shape[:dim], 1, *shape[dim:])
    return xp(tensors[0]).concatenate([x.reshape(shape) for x in tensors], axis=dim)


def _stack_back(grad: Any, count: int, dim: int) -> list[Any]:
    dim = dim % grad.ndim
    return [grad[index_along(dim, i)] for i in range(count)]


@composite()
def hstack(tensors: Any, *, out: Any = None) -> Any:
    """Tensors side by side: along the second dimension, or the first of vectors.

    Args:
        tensors: a list of tensors; ones without dimensions are taken for vectors.

    Example:
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

    Example:
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

    Example:
        >>> tapegrad.row_stack([tapegrad.zeros(2), tapegrad.ones(2)]).shape
        torch.Size([2, 2])
    """
    return vstack(tensors, out=out)


@composite()
def dstack(tensors: Any, *, out: Any = None) -> Any:
    """Tensors behind each other, along the third dimension.

    Args:
        tensors: a list of tensors; ones of fewer dimensions are given three.

    Example:
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

    Example:
        >>> tapegrad.column_stack([tapegrad.zeros(2), tapegrad.ones(2)])
        tensor([[0., 1.],
                [0., 1.]])
    """
    columns = [reshape_to(x, (raw(x).size, 1)) if raw(x).ndim <= 1 else x for x in _some(tensors, "column_stack")]
    return cat(columns, 1, out=out)


def _some(tensors: Any, name: str) -> Any:
    if not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tensors


@op(
    tensors=each(lambda grad, tensors_shape: _blocks(grad, tensors_shape)),
    operands="promote",
    name="block_diag",
    public=False,
    kind="linear",
    batch=lambda batched, tensors: _blocks_of_batch(tensors),
)
def _block_diag(tensors: Any) -> Any:
    shapes = [_matrix(x.shape) for x in tensors]
    result = xp(tensors[0]).zeros((sum([n for n, _ in shapes]), sum([m for _, m in shapes])), tensors[0].dtype)
    row = column = 0
    for x, (n, m) in zip(tensors, shapes):
        result[row : row + n, column : column + m] = x
        row, column = row + n, column + m
    return result


def _blocks_of_batch(tensors: Any) -> Any:
    """`block_diag` within a batch: each block widened by zeros."""
    shapes = [_matrix(x.shape[1:]) for x in tensors]
    width = sum([m for _, m in shapes])
    ends = list(itertools.accumulate([m for _, m in shapes]))
    return cat(
        [
            constant_pad_nd(x.reshape((-1, *shape)), (end - shape[1], width - end))
            for x, shape, end in zip(tensors, shapes, ends)
        ],
        1,
    )


def _matrix(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (2 - len(shape)) + shape


def _blocks(grad: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    parts: list[Any] = []
    row = column = 0
    for shape in shapes:
        n, m = _matrix(shape)
        parts.append(grad[row : row + n, column : column + m].reshape(shape))
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
        >>> tapegrad.block_diag(tapegrad.ones(1, 2), tapegrad.tensor([[5.0]]))
        tensor([[1., 1., 0.],
                [0., 0., 5.]])
    """
    for i, x in enumerate(tensors):
        if raw(x).ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {raw(x).ndim} "
                "dimensions"
            )
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
        >>> tapegrad.meshgrid(tapegrad.tensor([1, 2]), tapegrad.tensor([3, 4]), indexing="ij")[0]
        tensor([[1, 1],
                [2, 2]])
    """
    given = sequence(tensors)
    if not given:
        raise ValueError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", stacklevel=2
        )
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
    return tuple(
        expand_to(reshape_to(x, tuple([sizes[i] if k == i else 1 for k in order])), shape) for i, x in enumerate(given)
    )


@composite()
def cartesian_prod(*tensors: Any) -> Any:
    """All ways to take an element from each vector, one in a row.

    Args:
        *tensors: vectors.

    Example:
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
    return stack([reshape_to(x, (-1,)) for x in meshgrid(*tensors, indexing="ij")], 1)


@composite()
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All ways to take `r` elements of a vector, one in a row.

    Args:
        r: how many elements.
        with_replacement: an element may be taken again.

    Raises:
        RuntimeError: `input` is no vector, or `r` is negative.

    Example:
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
        return like("empty", reshape_to(input, (-1,)), None, None, False)[:0]
    ways = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    table = np.array(list(ways(range(array.shape[0]), r)), np.int64).reshape(-1, r)
    return gather_by(input, to_device_of(table, array))
