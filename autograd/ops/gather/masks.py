"""Reading and writing by a mask, and finding what is not zero."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import GRAD_OFF, gate, state
from tapegrad.autograd.core.tensor import Tensor, from_array, raw, requires_grad
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import store_out
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.modes.device_guard import on_first
from tapegrad.autograd.modes.levels import refuse_dynamic
from tapegrad.autograd.ops.common.dims import common_shape
from tapegrad.autograd.ops.gather.gather import at_least_1d, gather, ordered_copy, scalar_type
from tapegrad.autograd.ops.gather.scatter_reduce import scatter
from tapegrad.autograd.ops.indexing.getitem import advanced, gather_by
from tapegrad.autograd.ops.pointwise.where import where
from tapegrad.autograd.ops.shape.expand import expand_to
from tapegrad.autograd.ops.shape.reshape import reshape_to
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.size import Size
from tapegrad.backends import xp

# ---- by a mask


def _mask_of(mask: Any, error: str) -> Any:
    found = raw(mask)
    if found.dtype.kind != "b":
        raise RuntimeError(error)
    return found


@composite(method=True)
@on_first
def masked_select(input: Any, mask: Any, *, out: Any = None) -> Any:
    """The elements where a mask is True, as a vector.

    Args:
        mask: a bool tensor that broadcasts with it.

    Raises:
        RuntimeError: the mask is not of dtype bool, or the shapes do not fit.

    Example:
        >>> x = tapegrad.tensor([1, 2, 3])
        >>> x.masked_select(x > 1)
        tensor([2, 3])
    """
    found = _mask_of(mask, "masked_select: expected BoolTensor for mask")
    refuse_dynamic(found, "masked_select")
    shape = common_shape(found.shape, raw(input).shape)
    if not shape:
        input, found, shape = reshape_to(input, (1,)), found.reshape((1,)), (1,)
    recording = isinstance(input, Tensor) and not (gate.on and state.bits & GRAD_OFF) and requires_grad(input)
    if found.shape != shape:
        found = xp(found).broadcast_to(found, shape)
    if recording and isinstance(mask, Tensor):
        found = found.copy()
    result = gather_by(input if raw(input).shape == shape else expand_to(input, shape), advanced(((0, found),)))
    if out is None:
        return result
    return store_out("masked_select", out, result)


def _order(mask: Any) -> Any:
    """For each element the number of True before it."""
    return mask.reshape((-1,)).cumsum().reshape(mask.shape) - 1


@op(
    input=lambda grad, mask: _unless(grad, mask),
    mask=None,
    source=lambda grad, mask, source_shape: _picked(grad, mask, source_shape),
    operands="free",
    kind="linear",
    name="masked_scatter",
    public=False,
    batch=lambda batched, input, mask, source: _scatter_in_batch(
        *_all_batched(batched, input=input, mask=mask, source=source)
    ),
)
def _masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    if not source.size:
        return ordered_copy(input)
    return xp(input).where(mask, source.reshape((-1,)).take(xp(mask).clip(_order(mask), 0, source.size - 1)), input)


@op(
    input=lambda grad, mask: _unless(grad, mask),
    mask=None,
    operands="free",
    kind="linear",
    public=False,
    batch=lambda batched, input, mask: _unless(*_all_batched(batched, input=input, mask=mask)),
)
def _unless(input: Any, mask: Any) -> Any:
    return xp(input).where(mask, xp(input).zeros((), input.dtype), input)


@op(
    input=lambda grad, input_shape, mask: _unpicked(grad, mask),
    mask=None,
    operands="free",
    kind="linear",
    public=False,
    batch=lambda batched, input, mask, shape: _picked_in_batch(shape, *_all_batched(batched, input=input, mask=mask)),
)
def _picked(input: Any, mask: Any, shape: tuple[int, ...]) -> Any:
    """The elements where `mask` is True, in order, followed by zeros up to `shape`."""
    n = math.prod(shape)
    result = xp(input).zeros(n + 1, input.dtype)  # the last one takes what is not wanted
    positions = xp(mask).where(mask, xp(mask).minimum(_order(mask), n), n).reshape((-1,))
    result[positions] = input.reshape((-1,))
    return result[:n].reshape(shape)


@op(
    input=lambda grad, input_shape, mask: _picked(grad, mask, input_shape),
    mask=None,
    operands="free",
    kind="linear",
    public=False,
    batch=lambda batched, input, mask: _unpicked_in_batch(*_all_batched(batched, input=input, mask=mask)),
)
def _unpicked(input: Any, mask: Any) -> Any:
    """The adjoint of `_picked`: zeros, but for the elements of `input` where `mask` is True."""
    return _masked_scatter(xp(input).zeros(mask.shape, input.dtype), mask, input)


# ---- within a batch


def _all_batched(batched: frozenset[str], **operands: Any) -> list[Any]:
    """The operands, each with the batch in front."""
    size = next(t.shape[0] for name, t in operands.items() if name in batched)
    return [t if name in batched else t.expand(size, *t.shape) for name, t in operands.items()]


def _scatter_in_batch(input: Any, mask: Any, source: Any) -> Any:
    if not source.numel():
        return input.clone()
    source = source.flatten(1)
    order = (mask.flatten(1).cumsum(1) - 1).clamp(0, source.shape[1] - 1)
    return where(mask, gather(source, 1, order).reshape(mask.shape), input)


def _picked_in_batch(shape: tuple[int, ...], input: Any, mask: Any) -> Any:
    n = math.prod(shape)
    if not n:
        return zero_gradient(input).flatten(1)[:, :0].reshape((input.shape[0], *shape))
    marked = mask.flatten(1)
    positions = where(marked, (marked.cumsum(1) - 1).clamp(0, n), n)
    whole = zero_gradient(input.flatten(1)[:, :1]).expand(input.shape[0], n + 1)
    return scatter(whole, 1, positions, input.flatten(1))[:, :n].reshape((-1, *shape))


def _unpicked_in_batch(input: Any, mask: Any) -> Any:
    start = zero_gradient(mask).to(input.dtype)
    return _scatter_in_batch(start, mask, input)


@composite(method=True, inplace=True)
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """`input` with the first elements of `source`, in order, where a mask is True.

    Args:
        mask: a bool tensor that broadcasts with it.
        source: a tensor of the same dtype with at least as many elements as the mask has True.

    Raises:
        RuntimeError: the mask is not of dtype bool, the dtypes differ, or `source` is too short.

    Example:
        >>> tapegrad.zeros(3).masked_scatter(tapegrad.tensor([True, False, True]), tapegrad.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    found = _mask_of(
        mask, f"masked_scatter_ only supports boolean masks, but got mask with dtype {scalar_type(raw(mask))}"
    )
    array, given = raw(input), raw(source)
    if array.dtype != given.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got{scalar_type(array)} and "
            f"{scalar_type(given)}"
        )
    shape = common_shape(array.shape, found.shape)
    if found.shape != shape:
        mask = expand_to(mask, shape)
    if array.shape != shape:
        input = expand_to(input, shape)
    if found.__class__ is np.ndarray and np.count_nonzero(raw(mask)) > given.size:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    return _masked_scatter(input, mask, source)


# ---- where the nonzero elements are


def _as(input: Any, array: Any) -> Any:
    """`array` as `input` is: a tensor, or an array."""
    return from_array(array) if isinstance(input, Tensor) else array


@composite(method=True)
@on_first
def nonzero(input: Any, *, out: Any = None, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero, one in a row; or a vector of indices for each dimension.

    Args:
        as_tuple: give a tuple of vectors, as an index.

    Example:
        >>> tapegrad.tensor([[0, 1], [2, 0]]).nonzero()
        tensor([[0, 1],
                [1, 0]])
    """
    array = raw(input)
    refuse_dynamic(array, "nonzero")
    found = at_least_1d(array).nonzero()
    if as_tuple:
        return tuple(_as(input, i) for i in found)
    result = _as(input, xp(array).stack(found, axis=1) if array.ndim else xp(array).zeros((found[0].size, 0), np.int64))
    if out is None:
        return result
    return store_out("nonzero", out, result)


@composite(method=True)
def argwhere(input: Any) -> Any:
    """The indices of the elements that are not zero, one in a row.

    Example:
        >>> tapegrad.tensor([0, 3]).argwhere()
        tensor([[1]])
    """
    return nonzero(input)


@composite()
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Positions in a flattened tensor as indices of each dimension.

    Args:
        indices: an integer tensor.
        shape: the shape of the tensor.

    Raises:
        TypeError: `indices` is no integer tensor.

    Example:
        >>> tapegrad.unravel_index(tapegrad.tensor([0, 5]), (2, 3))
        (tensor([0, 1]), tensor([0, 2]))
    """
    array = raw(indices)
    if array.dtype.kind not in "iu":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {dtypes.of(array.dtype)}")
    shape = Size((shape,) if isinstance(shape, int) else shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(shape)}")
    return tuple(indices // math.prod(shape[k + 1 :]) % n for k, n in enumerate(shape))
