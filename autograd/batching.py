"""How an op is done for a whole batch: rules that kinds give, and what the rules that ops bring are made of.

A rule ``batch(batched, <the op's arguments>)`` receives the names of the operands that are batched; these have the batch as their first dimension, which is not
counted in the op's own arguments. It returns the results with the batch in front, made by ops.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from tapegrad.autograd.op import Op
from tapegrad.autograd.tensor import Tensor
from tapegrad.autograd.writer import Each

_DIMS = frozenset({"dim", "dims", "dim0", "dim1", "dim2", "dimension"})

#: ``rule(level, batched, moved, given)``: the arguments as they are computed with, and as the function under vmap sees them
Rule = Callable[[Any, frozenset[str], dict[str, Any], dict[str, Any]], Any]


@cache
def batch_of(op: Op) -> Rule:
    """The rule of an op.

    Raises:
        RuntimeError: it has none.
    """
    if op.batch is not None:
        return lambda level, batched, moved, given: op.batch(batched, *[moved[p] for p in op.parameters()],
                                                             **{k: v for k, v in moved.items() if k not in op.parameters()})
    if op.kind == "elementwise":
        return lambda level, batched, moved, given: op.call(aligned(op.rules, batched, moved))
    names = set(op.names())
    if len(op.rules) == 1 and not isinstance(next(iter(op.rules.values())), Each) and names & _DIMS and names - _DIMS <= _HARMLESS | set(op.rules):
        return lambda level, batched, moved, given: _along(op, moved)
    raise RuntimeError(f"vmap: there is no batching rule for '{op.name}'. Please write the function with other operations, or call it in a loop.")


#: parameters whose meaning does not depend on the number of dimensions
_HARMLESS = frozenset({"keepdim", "dtype", "correction", "descending", "stable", "k", "largest", "unbiased", "ord"})


def aligned(operands: Iterable[str], batched: frozenset[str], moved: dict[str, Any]) -> dict[str, Any]:
    """Arguments whose operands broadcast: the batch is in front of all dimensions that any of them has."""
    operands = list(operands)
    most = max([moved[x].ndim - (x in batched) for x in operands if isinstance(moved[x], Tensor)])
    result = dict(moved)
    for x in batched:
        if x in operands:
            result[x] = raised(moved[x], most)
    return result


def raised(t: Tensor, ndim: int) -> Tensor:
    """A batched tensor as one of `ndim` dimensions besides the batch."""
    missing = ndim + 1 - t._array.ndim
    return t[(slice(None), *(None,) * missing)] if missing > 0 else t


def shifted(dim: Any, ndim: int) -> Any:
    """A dimension, or several, of a tensor of `ndim` dimensions as counted with the batch in front; None means all."""
    if dim is None:
        return tuple(range(1, ndim + 1))
    if isinstance(dim, (list, tuple)):
        return type(dim)([shifted(d, ndim) for d in dim])
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexError(f"Dimension out of range (expected to be in range of [{-max(ndim, 1)}, {max(ndim, 1) - 1}], but got {dim})")
    return dim % max(ndim, 1) + 1


def _along(op: Op, moved: dict[str, Any]) -> Any:
    """An op of one operand that works along dimensions."""
    x = next(iter(op.rules))
    t = moved[x]
    ndim = t._array.ndim - 1
    moved = {name: shifted(value, ndim) if name in _DIMS else value for name, value in moved.items()}
    if ndim:
        return op.call(moved)
    # A number counts as a vector of one element.
    moved[x] = t.unsqueeze(1)
    if any(moved[name] == () for name in _DIMS & set(moved)):
        moved.update({name: 1 for name in _DIMS & set(moved)})
    result = op.call(moved)
    return tuple([_dropped(r) for r in result]) if isinstance(result, tuple) else _dropped(result)


def _dropped(t: Tensor) -> Tensor:
    return t.squeeze(1) if t._array.ndim == 2 else t
