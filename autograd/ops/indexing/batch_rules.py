"""Reading and writing by index arrays within a batch.

The dimensions that are indexed are brought to the front, behind the batch, so that what the index arrays make of them
stands there too; afterwards all goes where the index says. An index array that is itself batched goes together with the
batch's own numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.dispatch.batch_rules import within
from tapegrad.autograd.ops.common.dims import common_shape
from tapegrad.autograd.ops.indexing.getitem import (
    fill_mask,
    gather_by,
    has_arrays,
    put_add,
    put_at,
    put_slices,
    put_whole,
    scatter_rows,
    where_mask,
)
from tapegrad.autograd.ops.pointwise.where import where
from tapegrad.backends import xp

FULL = slice(None)


class _Plan(NamedTuple):
    """An index of arrays, for tensors with the batch in front.

    Attributes:
        dims: which dimensions the arrays index.
        arrays: one for each of these.
        shape: which all of them broadcast to, without the batch.
        batched: the arrays have the batch in front.
        at: where the dimensions of `shape` stand in the result.
    """

    dims: tuple[int, ...]
    arrays: tuple[Any, ...]
    shape: tuple[int, ...]
    batched: bool
    at: int

    def front(self, ndim: int) -> tuple[int, ...]:
        """The order of the dimensions with those that are indexed in front."""
        return (0, *[d + 1 for d in self.dims], *[d + 1 for d in range(ndim) if d not in self.dims])

    def result(self, ndim: int) -> tuple[int, ...]:
        """The order that brings the result, in which the index's dimensions are in front, where the index says."""
        n = len(self.shape)
        rest = list(range(n + 1, 1 + n + ndim - len(self.dims)))
        return (0, *rest[: self.at], *range(1, n + 1), *rest[self.at :])


def _plan(index: Any) -> _Plan:
    items = index if isinstance(index, tuple) else (index,)
    dims: list[int] = []
    arrays: list[Any] = []
    dim = 0
    for item in items:
        if isinstance(item, slice):
            dim += 1
            continue
        kind = (item._array if isinstance(item, Tensor) else item).dtype.kind
        parts = item.nonzero() if kind == "b" else (item,)
        for part in parts:
            dims.append(dim)
            arrays.append(part)
            dim += 1
    batched = any(isinstance(a, Tensor) for a in arrays)
    shapes = [a._array.shape[1:] if isinstance(a, Tensor) else a.shape for a in arrays]
    shape = common_shape(*shapes)
    together = dims == list(range(dims[0], dims[0] + len(dims)))
    found = [_pad_index_dims(a, len(shape), batched) for a in arrays]
    return _Plan(tuple(dims), tuple(found), shape, batched, dims[0] if together else 0)


def _pad_index_dims(array: Any, ndim: int, batched: bool) -> Any:
    """An index array with as many dimensions as all of them need, for a batch."""
    if isinstance(array, Tensor):
        return array[(FULL, *(None,) * (ndim + 1 - array._array.ndim))]._array
    return array.reshape((1,) * (ndim + batched - array.ndim) + array.shape) if batched else array


def _index(plan: _Plan, size: int) -> Any:
    """The arrays as an index of a tensor with the batch in front."""
    if not plan.batched:
        return (FULL, *plan.arrays)
    inner = plan.arrays[0]
    while hasattr(inner, "tensor"):
        inner = inner.tensor._array
    members = xp(inner).arange(size).reshape((size,) + (1,) * len(plan.shape))
    return (members, *plan.arrays)


def _order_back(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([order.index(i) for i in range(len(order))])


def _whole(t: Tensor, is_batched: bool, size: int) -> Tensor:
    return t if is_batched else t.expand(size, *t._array.shape)


def _size(batched: frozenset[str], index: Any, **operands: Any) -> int:
    """The size of the batch."""
    for name, t in operands.items():
        if name in batched:
            return int(t._array.shape[0])
    return int(
        next(i for i in (index if isinstance(index, tuple) else (index,)) if isinstance(i, Tensor))._array.shape[0]
    )


def gather_in_batch(batched: frozenset[str], input: Tensor, index: Any) -> Tensor:
    """``input[index]`` for each member of the batch."""
    plan = _plan(index)
    ndim = input._array.ndim - ("input" in batched)
    if "input" in batched:
        found = gather_by(input.permute(plan.front(ndim)), _index(plan, input._array.shape[0]))
    else:
        front = tuple([d - 1 for d in plan.front(ndim)[1:]])
        found = gather_by(input.permute(front), plan.arrays if len(plan.arrays) > 1 else plan.arrays[0])
    order = plan.result(ndim)
    # What is read by index is laid out in order, as users expect who `view` it.
    return found if order == tuple(range(len(order))) else found.permute(order).contiguous()


def scatter_in_batch(batched: frozenset[str], grad: Tensor, index: Any, shape: tuple[int, ...]) -> Tensor:
    """The adjoint of `gather_in_batch`, and of a view by index."""
    size = _size(batched, index, grad=grad)
    grad = _whole(grad, "grad" in batched, size)
    if not has_arrays(index) and not any(
        isinstance(i, Tensor) for i in (index if isinstance(index, tuple) else (index,))
    ):
        return scatter_rows(grad, within(index, 0, 0), (size, *shape))
    plan = _plan(index)
    front = plan.front(len(shape))
    grad = grad.permute(_order_back(plan.result(len(shape))))
    return scatter_rows(grad, _index(plan, size), tuple([(size, *shape)[d] for d in front])).permute(_order_back(front))


def put_in_batch(
    batched: frozenset[str], input: Tensor, index: Any, value: Any, write: Callable[..., Tensor]
) -> Tensor:
    """``write(input, index, value)``, which writes to what the index says, for each member of the batch."""
    size = _size(batched, index, input=input, value=value)
    input = _whole(input, "input" in batched, size)
    shape = input._array.shape[1:]
    if not has_arrays(index) and not any(
        isinstance(i, Tensor) for i in (index if isinstance(index, tuple) else (index,))
    ):
        if "value" in batched:
            value = value[(FULL, *(None,) * (input[within(index, 0, 0)]._array.ndim - value._array.ndim))]
        return write(input, within(index, 0, 0), value)
    plan = _plan(index)
    front = plan.front(len(shape))
    if isinstance(value, Tensor):
        rest = [n for d, n in enumerate(shape) if d not in plan.dims]
        wanted = (size, *rest[: plan.at], *plan.shape, *rest[plan.at :])
        if "value" in batched:
            value = value[(FULL, *(None,) * (len(wanted) - value._array.ndim))]
        value = value.expand(wanted).permute(_order_back(plan.result(len(shape))))
    return write(input.permute(front), _index(plan, size), value).permute(_order_back(front))


def fill_in_batch(batched: frozenset[str], input: Tensor, mask: Any, value: Any) -> Tensor:
    """`input` with one value (None: zero) wherever `mask` is true, for each member of the batch."""
    size = int(
        next(t._array.shape[0] for name, t in (("input", input), ("mask", mask), ("value", value)) if name in batched)
    )
    input = _whole(input, "input" in batched, size)
    if not isinstance(mask, Tensor):
        mask = from_array(mask)
    if value is None:
        return input.masked_fill(mask, 0)
    if isinstance(value, Tensor) and "value" in batched:
        value = value.reshape((size,) + (1,) * (input._array.ndim - 1))
    return where(mask, value, input)


# ---- an index operand along one dimension, or into the elements in order


def _plain(batched: frozenset[str], index: Any) -> Any:
    """An index operand as an index array: a Tensor where it is batched."""
    return index if "index" in batched or not isinstance(index, Tensor) else index._array


def items(batched: frozenset[str], index: Any, dim: int, ndim: int) -> Any:
    """The index of the items that a vector of indices (or one index) names along `dim`."""
    index = _plain(batched, index)
    one = (-1,) if not isinstance(index, Tensor) else (index._array.shape[0], -1)
    return (*(FULL,) * (dim % max(ndim, 1)), index.reshape(one))


def flat(batched: frozenset[str], name: str, t: Tensor) -> Tensor:
    """The elements of the operand `name` in order."""
    return t.reshape((t._array.shape[0], -1) if name in batched else (-1,))


def take_in_batch(batched: frozenset[str], input: Tensor, index: Any) -> Tensor:
    """`take` for each member of the batch."""
    return gather_in_batch(batched, flat(batched, "input", input), _plain(batched, index))


def untake_in_batch(batched: frozenset[str], grad: Tensor, shape: tuple[int, ...], index: Any) -> Tensor:
    """The adjoint of `take_in_batch`."""
    found = scatter_in_batch(batched, grad, _plain(batched, index), (math.prod(shape),))
    return found.reshape((found._array.shape[0], *shape))


def put_flat_in_batch(
    batched: frozenset[str], input: Tensor, index: Any, source: Any, write: Callable[..., Tensor]
) -> Tensor:
    """`put` for each member of the batch."""
    shape = input._array.shape["input" in batched :]
    names = frozenset("value" if name == "source" else name for name in batched)
    index = _plain(batched, index)
    index = flat(batched, "index", index) if isinstance(index, Tensor) else index.reshape((-1,))
    value = None if source is None else flat(batched, "source", source)
    found = put_in_batch(names, flat(batched, "input", input), index, value, write)
    return found.reshape((found._array.shape[0], *shape))


# The rules are made of these ops, so they join them here.
gather_by.op.batch = gather_in_batch
scatter_rows.op.batch = scatter_in_batch
for _op in (put_whole, put_slices, put_at):
    _op.op.batch = lambda batched, input, index, value: put_in_batch(batched, input, index, value, put_at)
put_add.op.batch = lambda batched, input, index, value: put_in_batch(batched, input, index, value, put_add)
fill_mask.op.batch = fill_in_batch
where_mask.op.batch = lambda batched, input, mask: fill_in_batch(batched, input, ~mask, None)
