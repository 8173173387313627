"""Reading and writing whole items that an index names along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array, raw
from tapegrad.autograd.dispatch.batch_rules import along, over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.modes.levels import refuse_dynamic
from tapegrad.autograd.ops.common.dims import c_name, wrap
from tapegrad.autograd.ops.gather.gather import INDICES, at_least_1d, check_range, ordered_copy, outside, scalar_type
from tapegrad.autograd.ops.gather.scatter_reduce import scatter_reduce
from tapegrad.autograd.ops.indexing.batch_rules import gather_in_batch, items, put_in_batch, scatter_in_batch
from tapegrad.autograd.ops.indexing.getitem import FULL, put_add, put_at
from tapegrad.autograd.ops.shape.expand import expand_to
from tapegrad.autograd.ops.shape.reshape import reshape_to
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


@op(
    input=lambda grad, input_shape, dim, index: _add_items(grad, input_shape, dim, index),
    index=None,
    operands="free",
    kind="linear",
    method=True,
    batch=lambda batched, input, dim, index: _select_in_batch(batched, input, dim, index),
)
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The items that an index names along a dimension.

    Args:
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
        return ordered_copy(input)
    return input.take(index.reshape((-1,)), dim)


@op(
    grad=lambda grad, dim, index: index_select(grad, dim, index),
    index=None,
    operands="free",
    kind="linear",
    public=False,
    batch=lambda batched, grad, shape, dim, index: _add_in_batch(batched, grad, shape, dim, index),
)
def _add_items(grad: Any, shape: tuple[int, ...], dim: int, index: Any) -> Any:
    """Zeros of `shape` with the items of `grad` added where the index says: the adjoint of `index_select`."""
    if not shape:
        return ordered_copy(grad)
    result = xp(grad).zeros(shape, grad.dtype)
    backend(grad).scatter_add(result, _items(result, dim % len(shape), index), grad)
    return result


def _check_source(name: str, input: Any, dim: Any, index: Any, source: Any) -> int:
    dim = wrap(dim, input.ndim)
    _check_vector(name, index)
    if source.ndim and dim >= source.ndim:
        raise RuntimeError(
            f"{name}_(): Indexing dim {dim} is out of bounds of the source tensor with dim {source.ndim}"
        )
    have = source.shape[dim] if source.ndim else 1
    if have != index.size:
        raise (
            IndexError(f"{name}_(): Number of indices ({index.size}) should be equal to source.size(dim) ({have})")
            if name == "index_copy"
            else RuntimeError(
                f"{name}_(): Number of indices ({index.size}) should be equal to source.size(dim): ({have}), for "
                f"dim: {dim}"
            )
        )
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"index_copy_(): self and source expected to have the same dtype, but got (self) {scalar_type(input)} "
            f"and (source) {scalar_type(source)}"
            if name == "index_copy"
            else f"{name}_(): self ({scalar_type(input)}) and source ({scalar_type(source)}) must have the same "
            "scalar type"
        )
    if name == "index_copy" and source.ndim and input.ndim and source.ndim != input.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            "dimensionality "
            f"({source.ndim}), destination dimensionality ({input.ndim})"
        )
    theirs, ours = source.shape[:dim] + source.shape[dim + 1 :], input.shape[:dim] + input.shape[dim + 1 :]
    if name == "index_copy" and theirs != ours:
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{' '.join(map(str, ours))} at dimension {dim} and source slice shape: {' '.join(map(str, theirs))} at "
            f"dimension {dim}."
        )
    if theirs != ours or (not input.ndim and source.size != 1):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input.shape)} source.shape = {list(source.shape)}"
        )
    return dim


@op(
    input=lambda grad: grad,
    index=None,
    source=lambda grad, dim, index, source_shape, alpha: _scaled(
        index_select(grad, dim, index).reshape(tuple(source_shape)), alpha
    ),
    operands="free",
    kind="linear",
    method=True,
    inplace=True,
    batch=lambda batched, input, dim, index, source, alpha: _write_in_batch(
        batched, input, dim, index, _scaled(source, alpha), put_add
    ),
)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """`input` with the items of `source` added where an index says along a dimension; those whose index repeats add up.

    Args:
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
    check_range("index_add", index, input.shape[dim] if input.ndim else 1, dim)
    if not dtypes.is_inexact(input.dtype):
        alpha = int(alpha)
    result = at_least_1d(ordered_copy(input))
    backend(result).scatter_add(
        result, _items(result, dim, index), at_least_1d(source if alpha == 1 else source * alpha)
    )
    return result.reshape(input.shape)


def _scaled(grad: Any, factor: float) -> Any:
    return grad if factor == 1 else grad * factor


@op(
    input=lambda grad, dim, index: index_fill(grad, dim, index, 0),
    index=None,
    source=lambda grad, dim, index, source_shape: index_select(grad, dim, index).reshape(tuple(source_shape)),
    operands="free",
    kind="linear",
    method=True,
    inplace=True,
    batch=lambda batched, input, dim, index, source: _write_in_batch(batched, input, dim, index, source, put_at),
)
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """`input` with the items of `source` in the places that an index names along a dimension.

    Args:
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
    check_range("index_copy", index, input.shape[dim] if input.ndim else 1, dim, IndexError, "index_copy_(): ")
    result = at_least_1d(ordered_copy(input))
    alert("index_copy", input)
    result[_items(result, dim, index)] = at_least_1d(source)
    return result.reshape(input.shape)


@op(
    input=lambda grad, dim, index: index_fill(grad, dim, index, 0),
    index=None,
    value=lambda grad, dim, index, value_shape: None if value_shape is None else index_select(grad, dim, index).sum(),
    operands="free",
    kind="linear",
    method=True,
    inplace=True,
    jvp=lambda d_input, d_value, input, dim, index: index_fill(
        zero_gradient(input) if d_input is None else d_input, dim, index, 0 if d_value is None else d_value
    ),
    batch=lambda batched, input, dim, index, value: _write_in_batch(batched, input, dim, index, value, put_at),
)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """`input` with one value in the places that an index names along a dimension.

    Args:
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
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    n = input.shape[dim] if input.ndim else 1
    check_range("index_fill", index, n, dim, IndexError, lowest=-n)
    result = at_least_1d(ordered_copy(input))
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
        index = expand_to(reshape_to(index, (-1,) + (1,) * (given.ndim - 1 - dim)), given.shape)
    return scatter_reduce(input, dim, index, source, reduce, include_self=include_self)


# ---- items several times


@op(
    input=lambda grad, input_shape, repeats, dim: _unrepeat_each(grad, input_shape, repeats, dim),
    kind="linear",
    name="repeat_interleave",
    public=False,
    batch=over(dim=along),
)
def _repeat_each(input: Any, repeats: int, dim: int) -> Any:
    return xp(input).repeat(input, repeats, axis=dim)


def _unrepeat_each(grad: Any, shape: tuple[int, ...], repeats: int, dim: int) -> Any:
    apart = (*shape[: dim + 1], repeats, *shape[dim + 1 :])
    return sum_to(grad.reshape(apart), (*shape[: dim + 1], 1, *shape[dim + 1 :])).reshape(tuple(shape))


@composite(method=True)
def repeat_interleave(input: Any, repeats: Any = None, dim: Any = None, *, output_size: int | None = None) -> Any:
    """Each element, or each item along a dimension, several times in a row.

    Args:
        input: a tensor; or, alone, the integer tensor `repeats`: then each index that many times.
        repeats: how many times: an integer, or an integer tensor with a number for each item.
        dim: the dimension; None: the elements of the flattened tensor.
        output_size: the sum of `repeats` where it is known; saves a wait for the device.

    Raises:
        RuntimeError: `repeats` is negative or of the wrong size.

    Example:
        >>> tapegrad.tensor([1, 2]).repeat_interleave(tapegrad.tensor([1, 3]))
        tensor([1, 2, 2, 2])
    """
    if repeats is None:
        return from_array(_interleaved(raw(input), output_size))
    if isinstance(repeats, bool) or not (isinstance(repeats, (int, Tensor)) or hasattr(repeats, "dtype")):
        raise TypeError(
            "repeat_interleave() received an invalid combination of arguments - got "
            f"({type(repeats).__name__}), but expected one of:\n * (Tensor repeats, int dim = None, *, int "
            "output_size = None)\n"
            " * (int repeats, int dim = None, *, int output_size = None)"
        )
    if dim is None:
        input, dim = input.reshape((-1,)), 0
    if not raw(input).ndim:
        input = input.reshape((1,))
    dim = wrap(dim, raw(input).ndim)
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        return _repeat_each(input, repeats, dim)
    times = raw(repeats)
    refuse_dynamic(times, "repeat_interleave")
    if times.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    n = raw(input).shape[dim]
    if times.size == 1:
        times = xp(times).broadcast_to(times.reshape((1,)), (n,))
    if times.size != n:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {times.size} and "
            f"input.size({dim}) = {n}"
        )
    return index_select(input, dim, _interleaved(times, output_size))


def _interleaved(times: Any, total: int | None) -> Any:
    """Each index as often as `times` says."""
    if times.dtype not in (np.int64, np.int32):
        raise NotImplementedError(
            f"\"repeat_interleave_cpu\" not implemented for '{dtypes.of(times.dtype).scalar_type}'"
        )
    if times.__class__ is np.ndarray and times.size and times.min() < 0:
        raise RuntimeError("repeats can not be negative")
    ends = times.cumsum()
    if total is None or times.__class__ is np.ndarray:
        found = int(ends[-1].item()) if times.size else 0
        if total is not None and total != found:
            raise RuntimeError("allocated size does not match required size")
        total = found
    return xp(times).searchsorted(ends, xp(times).arange(total, dtype=ends.dtype), side="right")
