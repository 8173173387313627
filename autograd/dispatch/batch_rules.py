"""How an op is done for a whole batch: rules that kinds give, and what the rules that ops bring are made of.

A rule ``batch(batched, <the op's arguments>)`` receives the names of the operands that are batched; these have the batch as their first dimension, which is not
counted in the op's own arguments. It returns the results with the batch in front, made by ops.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.dispatch.plan import Each
from tapegrad.autograd.dispatch.decorator import Op

_DIMS = frozenset({"dim", "dims", "dim0", "dim1", "dim2", "dimension"})

#: ``rule(level, batched, moved, given)``: the arguments as they are computed with, and as the function under vmap sees them
Rule = Callable[[Any, frozenset[str], dict[str, Any], dict[str, Any]], Any]


@cache
def batch_of(op: Op) -> Rule:
    """The rule of an op.

    Raises:
        RuntimeError: it has none.
    """
    if isinstance(op.batch, (over, broadcasting)):
        how: Any = op.batch
        return lambda level, batched, moved, given: how.run(op, level, batched, moved)
    if op.batch is not None:
        positional, by_keyword = op.parameters(), [name for name in op.names() if name not in op.parameters()]
        return lambda level, batched, moved, given: op.batch(batched, *[moved[name] for name in positional], **{name: moved[name] for name in by_keyword})
    if op.kind == "elementwise":
        by_element = broadcasting()
        return lambda level, batched, moved, given: by_element.run(op, level, batched, moved)
    names = set(op.names()) - set(op.rules)
    if len(op.rules) == 1 and not isinstance(next(iter(op.rules.values())), Each) and names & _DIMS and names - _DIMS <= _HARMLESS:
        by_name = over(**dict.fromkeys(names & _DIMS, along))
        return lambda level, batched, moved, given: by_name.run(op, level, batched, moved)
    raise RuntimeError(f"vmap: there is no batching rule for '{op.name}'. Please write the function with other operations, or call it in a loop.")


#: parameters whose meaning does not depend on the number of dimensions
_HARMLESS = frozenset({"keepdim", "dtype", "correction", "descending", "stable", "k", "largest", "unbiased", "ord", "sizes", "size", "step", "offset"})


def aligned(operands: Iterable[str], batched: frozenset[str], moved: dict[str, Any]) -> dict[str, Any]:
    """Arguments whose operands broadcast: the batch is in front of all dimensions that any of them has."""
    operands = list(operands)
    most = max([raw_ndim(moved[x]) - (x in batched) for x in operands])
    result = dict(moved)
    for x in batched:
        if x in operands:
            result[x] = raised(moved[x], most)
    return result


def raised(t: Tensor, ndim: int) -> Tensor:
    """A batched tensor as one of `ndim` dimensions besides the batch."""
    missing = ndim + 1 - t._array.ndim
    return t[(slice(None), *(None,) * missing)] if missing > 0 else t


def raw_ndim(t: Any) -> int:
    """The dimensions of a tensor, or of an array or number."""
    return getattr(getattr(t, "_array", t), "ndim", 0)


# ---- rules by what the arguments mean

def along(dim: Any, ndim: int, size: int) -> Any:
    """A dimension, or several, of a tensor of `ndim` dimensions, as counted with the batch in front; None means all."""
    if dim is None:
        return tuple(range(1, ndim + 1))
    if isinstance(dim, (list, tuple)):
        return type(dim)([along(d, ndim, size) for d in dim])
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexError(f"Dimension out of range (expected to be in range of [{-max(ndim, 1)}, {max(ndim, 1) - 1}], but got {dim})")
    return dim % max(ndim, 1) + 1


def reduced(dim: Any, ndim: int, size: int) -> Any:
    """The dimensions that are reduced, of which none given means all."""
    return along(None if dim.__class__ in (tuple, list) and not dim else dim, ndim, size)


def permuted(dims: tuple[int, ...], ndim: int, size: int) -> tuple[int, ...]:
    """An order of all dimensions."""
    return (0, *along(dims, ndim, size))


def sized(shape: tuple[int, ...], ndim: int, size: int) -> tuple[int, ...]:
    """The shape of all operands and results."""
    return (size, *shape)


def within(index: Any, ndim: int, size: int) -> Any:
    """An index, in the array library's terms."""
    return (slice(None), *(index if isinstance(index, tuple) else (index,)))


def unpadded(pads: tuple[Any, ...], ndim: int, size: int) -> tuple[Any, ...]:
    """Something given for each dimension in pairs of numbers."""
    return ((0, 0), *pads)


class broadcasting:
    """A rule for an op whose operands broadcast."""

    def run(self, op: Op, level: Any, batched: frozenset[str], moved: dict[str, Any]) -> Any:
        """Call the op."""
        return op.call(aligned(op.rules, batched, moved))


class over:
    """A rule for an op all of whose operands have the batch in front: what becomes of its other arguments.

    Args:
        **how: for each argument that speaks of dimensions a function ``(value, ndim, size)``, such as `along` or `sized`; `ndim` is the length of the argument
            `shape` where there is one, else the number of dimensions of the first operand.
    """

    def __init__(self, **how: Callable[[Any, int, int], Any]) -> None:
        self.how = how

    def run(self, op: Op, level: Any, batched: frozenset[str], moved: dict[str, Any]) -> Any:
        """Call the op."""
        arrays = {x: from_array(moved[x]) for x in op.rules if not isinstance(moved[x], Tensor) and raw_ndim(moved[x])}  # what a node has kept
        moved = {**moved, **arrays}
        operands = [x for x in op.rules if isinstance(moved[x], Tensor)]
        moved = {**moved, **{x: moved[x].expand(level.size, *moved[x]._array.shape) for x in operands if x not in batched}}
        shape = moved["shape"] if "shape" in self.how else None
        ndim = len(shape) if shape is not None else raw_ndim(moved[operands[0]]) - 1
        # What has no dimensions counts as a vector of one element.
        flat = not ndim and any(how is along or how is reduced for how in self.how.values())
        if flat:
            moved.update({x: moved[x].unsqueeze(1) for x in operands if raw_ndim(moved[x]) == 1})
            moved.update({"shape": (1,)} if shape is not None else {})
            moved.update({"keepdim": True} if "keepdim" in moved else {})
            ndim = 1
        result = op.call({name: self.how[name](value, ndim, level.size) if name in self.how else value for name, value in moved.items()})
        if not flat:
            return result
        return tuple([_dropped(r) for r in result]) if isinstance(result, tuple) else _dropped(result)


def _dropped(t: Tensor) -> Tensor:
    return t.squeeze(1) if t._array.ndim == 2 else t
