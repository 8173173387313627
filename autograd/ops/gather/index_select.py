"""Reading and writing whole items that an index names along a dimension."""
from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.dims import c_name, wrap
from tapegrad.autograd.ops.common.shared_rules import zero_gradient
from tapegrad.autograd.ops.gather.gather import INDICES, _at_least_1d, _check_range, _copy, _kind, outside
from tapegrad.autograd.ops.gather.scatter_reduce import scatter_reduce
from tapegrad.autograd.ops.indexing.batch_rules import gather_in_batch, items, put_in_batch, scatter_in_batch
from tapegrad.autograd.ops.indexing.getitem import FULL, _put, _put_add
from tapegrad.autograd.ops.shape.expand import _expand_core
from tapegrad.autograd.ops.shape.reshape import _reshape_core
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, xp
from tapegrad.backends.determinism import alert


def _check_vector(name: str, index: Any) -> None:
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype not in INDICES:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")


def _items(input: Any, dim: int, index: Any) -> Any:
    """`input` as one with dimensions, and the index that names items of it."""
    return (*[FULL] * dim, index.reshape((-1,))) if dim else index.reshape((-1,))


@op(input=lambda grad, input_shape, dim, index: _add_items(grad, input_shape, dim, index), index=None, operands="free", kind="linear", method=True,
    batch=lambda batched, input, dim, index: _select_in_batch(batched, input, dim, index))
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The items that an index names along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.

    Raises:
        IndexError: an index is out of range.

    Example:
        >>> tapegrad.tensor([[1, 2], [3, 4]]).index_select(1, tapegrad.tensor([1, 0]))
        tensor([[2, 1],
                [4, 3]])
    """
    dim = wrap(dim, input.ndim)
    _check_vector("index_select", index)
    if not input.ndim and index.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.size} value(s)")
    n = input.shape[dim] if input.ndim else 1
    if index.__class__ is not np.ndarray:
        backend(index).assert_index(index, 0, n, "index_select", dim)
    elif index.size and outside(index, n):
        raise IndexError("index out of range in self")
    if not input.ndim:
        return _copy(input)
    return input.take(index.reshape((-1,)), dim)


@op(grad=lambda grad, dim, index: index_select(grad, dim, index), index=None, operands="free", kind="linear", public=False,
    batch=lambda batched, grad, shape, dim, index: _add_in_batch(batched, grad, shape, dim, index))
def _add_items(grad: Any, shape: tuple[int, ...], dim: int, index: Any) -> Any:
    """Zeros of `shape` with the items of `grad` added where the index says: the adjoint of `index_select`."""
    if not shape:
        return _copy(grad)
    result = xp(grad).zeros(shape, grad.dtype)
    backend(grad).scatter_add(result, _items(result, dim % len(shape), index), grad)
    return result


def _check_source(name: str, input: Any, dim: Any, index: Any, source: Any) -> int:
    dim = wrap(dim, input.ndim)
    _check_vector(name, index)
    if source.ndim and dim >= source.ndim:
        raise RuntimeError(f"{name}_(): Indexing dim {dim} is out of bounds of the source tensor with dim {source.ndim}")
    have = source.shape[dim] if source.ndim else 1
    if have != index.size:
        raise (IndexError(f"{name}_(): Number of indices ({index.size}) should be equal to source.size(dim) ({have})") if name == "index_copy" else
               RuntimeError(f"{name}_(): Number of indices ({index.size}) should be equal to source.size(dim): ({have}), for dim: {dim}"))
    if input.dtype != source.dtype:
        raise RuntimeError(f"index_copy_(): self and source expected to have the same dtype, but got (self) {_kind(input)} and (source) {_kind(source)}"
                           if name == "index_copy" else f"{name}_(): self ({_kind(input)}) and source ({_kind(source)}) must have the same scalar type")
    if name == "index_copy" and source.ndim and input.ndim and source.ndim != input.ndim:
        raise IndexError("index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality "
                         f"({source.ndim}), destination dimensionality ({input.ndim})")
    theirs, ours = source.shape[:dim] + source.shape[dim + 1:], input.shape[:dim] + input.shape[dim + 1:]
    if name == "index_copy" and theirs != ours:
        raise RuntimeError("index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
                           f"{' '.join(map(str, ours))} at dimension {dim} and source slice shape: {' '.join(map(str, theirs))} at dimension {dim}.")
    if theirs != ours or (not input.ndim and source.size != 1):
        raise RuntimeError("source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
                           f"{list(input.shape)} source.shape = {list(source.shape)}")
    return dim


@op(input=lambda grad: grad, index=None,
    source=lambda grad, dim, index, source_shape, alpha: _scaled(index_select(grad, dim, index).reshape(tuple(source_shape)), alpha),
    operands="free", kind="linear", method=True, inplace=True,
    batch=lambda batched, input, dim, index, source, alpha: _write_in_batch(batched, input, dim, index, _scaled(source, alpha), _put_add))
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """`input` with the items of `source` added where an index says along a dimension; those whose index repeats add up.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.
        source: a tensor of the same dtype, with as many items as `index`.
        alpha: the factor of `source`.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> tapegrad.zeros(2).index_add(0, tapegrad.tensor([1, 1]), tapegrad.tensor([3.0, 4.0]))
        tensor([0., 7.])
    """
    dim = _check_source("index_add", input, dim, index, source)
    _check_range("index_add", index, input.shape[dim] if input.ndim else 1, dim)
    if not dtypes.is_inexact(input.dtype):
        alpha = int(alpha)
    result = _at_least_1d(_copy(input))
    backend(result).scatter_add(result, _items(result, dim, index), _at_least_1d(source if alpha == 1 else source * alpha))
    return result.reshape(input.shape)


def _scaled(grad: Any, factor: float) -> Any:
    return grad if factor == 1 else grad * factor


@op(input=lambda grad, dim, index: index_fill(grad, dim, index, 0), index=None,
    source=lambda grad, dim, index, source_shape: index_select(grad, dim, index).reshape(tuple(source_shape)), operands="free", kind="linear", method=True,
    inplace=True, batch=lambda batched, input, dim, index, source: _write_in_batch(batched, input, dim, index, source, _put))
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """`input` with the items of `source` in the places that an index names along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.
        source: a tensor of the same dtype, with as many items as `index`.

    Raises:
        RuntimeError: the shapes or dtypes do not fit.
        IndexError: an index is out of range.

    Example:
        >>> tapegrad.zeros(3).index_copy(0, tapegrad.tensor([2, 0]), tapegrad.tensor([3.0, 4.0]))
        tensor([4., 0., 3.])
    """
    dim = _check_source("index_copy", input, dim, index, source)
    _check_range("index_copy", index, input.shape[dim] if input.ndim else 1, dim, IndexError, "index_copy_(): ")
    result = _at_least_1d(_copy(input))
    alert("index_copy", input)
    result[_items(result, dim, index)] = _at_least_1d(source)
    return result.reshape(input.shape)


@op(input=lambda grad, dim, index: index_fill(grad, dim, index, 0), index=None,
    value=lambda grad, dim, index, value_shape: None if value_shape is None else index_select(grad, dim, index).sum(), operands="free", kind="linear", method=True,
    inplace=True, jvp=lambda d_input, d_value, input, dim, index: index_fill(
        zero_gradient(input) if d_input is None else d_input, dim, index, 0 if d_value is None else d_value),
    batch=lambda batched, input, dim, index, value: _write_in_batch(batched, input, dim, index, value, _put))
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """`input` with one value in the places that an index names along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.
        value: a number, or a tensor without dimensions.

    Raises:
        IndexError: an index is out of range.

    Example:
        >>> tapegrad.zeros(3).index_fill(0, tapegrad.tensor([0, 2]), 5)
        tensor([5., 0., 5.])
    """
    dim = wrap(dim, input.ndim)
    if index.dtype not in INDICES:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if getattr(value, "ndim", 0):
        raise RuntimeError(f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    n = input.shape[dim] if input.ndim else 1
    _check_range("index_fill", index, n, dim, IndexError, lowest=-n)
    result = _at_least_1d(_copy(input))
    if not hasattr(value, "ndim"):
        if isinstance(value, complex) and result.dtype.kind != "c":
            raise RuntimeError(f"value cannot be converted to type {c_name(result.dtype)} without overflow")
        value = xp(result).full((), value, result.dtype)
    result[_items(result, dim, index)] = value
    return result.reshape(input.shape)


# ---- within a batch

def _select_in_batch(batched: frozenset[str], input: Any, dim: int, index: Any) -> Any:
    ndim = input.ndim - ("input" in batched)
    if not ndim:
        return input if "input" in batched else input.expand(index.shape[0])
    return gather_in_batch(batched, input, items(batched, index, dim, ndim))


def _add_in_batch(batched: frozenset[str], grad: Any, shape: tuple[int, ...], dim: int, index: Any) -> Any:
    if not shape:
        return grad.reshape((-1,)) if "grad" in batched else grad.reshape((1,)).expand(index.shape[0])
    return scatter_in_batch(batched, grad, items(batched, index, dim, len(shape)), shape)


def _write_in_batch(batched: frozenset[str], input: Any, dim: int, index: Any, value: Any, write: Any) -> Any:
    """``write`` at the items that `index` names; without dimensions the input counts as a vector."""
    names = frozenset("value" if name == "source" else name for name in batched)
    ndim = input.ndim - ("input" in batched)
    place = items(batched, index, dim, ndim)
    if not isinstance(value, Tensor):
        value = input.new_full((), value)  # on a device, what is written lies there
    if ndim:
        if isinstance(value, Tensor) and value.ndim - ("value" in names) == 0:
            value = value.reshape((-1,) + (1,) * ndim if "value" in names else (1,) * ndim)
        return put_in_batch(names, input, place, value, write)
    if isinstance(value, Tensor):
        value = value.reshape((-1, 1) if "value" in names else (-1,))
    return put_in_batch(names, input.reshape((-1, 1) if "input" in batched else (1,)), place, value, write).squeeze(1)


@composite(method=True, inplace=True)
def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """`input` with the items of `source` combined where an index says along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.
        source: a tensor of the same dtype, with as many items as `index`.
        reduce: "prod", "mean", "amax" or "amin".
        include_self: the items of `input` themselves take part.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> tapegrad.ones(2).index_reduce(0, tapegrad.tensor([1, 1]), tapegrad.tensor([3.0, 5.0]), "prod")
        tensor([ 1., 15.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    given = raw(source)
    dim = _check_source("index_reduce", raw(input), dim, raw(index), given)
    if given.ndim:
        index = _expand_core(_reshape_core(index, (-1,) + (1,) * (given.ndim - 1 - dim)), given.shape)
    return scatter_reduce(input, dim, index, source, reduce, include_self=include_self)


__all__ = ["index_add", "index_copy", "index_fill", "index_reduce", "index_select"]
