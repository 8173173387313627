"""How vmap runs an op on a whole batch: the rules that kinds give, and the pieces from which ops make their own.

A rule ``batch(batched, <the op's arguments>)`` gets the names of the batched operands. Their first dimension is the
batch, which the op's other arguments do not count. It returns the results with the batch in front, made by ops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.dispatch.decorator import Op
from tapegrad.autograd.dispatch.plan import Each

_DIMS = frozenset({"dim", "dims", "dim0", "dim1", "dim2", "dimension"})
# Parameters whose meaning does not depend on the number of dimensions.
_HARMLESS = frozenset(
    (
        "keepdim",
        "dtype",
        "correction",
        "descending",
        "stable",
        "k",
        "largest",
        "unbiased",
        "ord",
        "sizes",
        "size",
        "step",
        "offset",
    )
)

#: ``rule(level, batched, arguments)``: the level of vmap, the names of the batched operands, the op's arguments by name
Rule = Callable[[Any, frozenset[str], dict[str, Any]], Any]


@cache
def batch_of(op: Op) -> Rule:
    """The rule of an op.

    Raises:
        RuntimeError: it has none.
    """
    if isinstance(op.batch, (over, broadcasting)):
        return partial(op.batch.run, op)
    if op.batch is not None:
        return partial(_by_own_rule, op)
    if op.kind == "elementwise":
        return partial(broadcasting().run, op)
    names = set(op.names()) - set(op.rules)
    rules = list(op.rules.values())
    if len(rules) == 1 and not isinstance(rules[0], Each) and names & _DIMS and names - _DIMS <= _HARMLESS:
        return partial(over(**dict.fromkeys(names & _DIMS, along)).run, op)
    raise RuntimeError(
        f"vmap: there is no batching rule for '{op.name}'. Please write the function with other operations, "
        "or call it in a loop."
    )


def _by_own_rule(op: Op, level: Any, batched: frozenset[str], arguments: dict[str, Any]) -> Any:
    positional = op.parameters()
    keyword = {name: arguments[name] for name in op.names() if name not in positional}
    return op.batch(batched, *[arguments[name] for name in positional], **keyword)


def aligned(operands: Iterable[str], batched: frozenset[str], arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments whose operands broadcast: the batch is in front of all dimensions that any of them has."""
    operands = list(operands)
    ndim = max([raw_ndim(arguments[x]) - (x in batched) for x in operands])
    return {**arguments, **{x: raised(arguments[x], ndim) for x in batched if x in operands}}


def raised(t: Tensor, ndim: int) -> Tensor:
    """A batched tensor with `ndim` dimensions besides the batch."""
    missing = ndim + 1 - t._array.ndim
    return t[(slice(None), *(None,) * missing)] if missing > 0 else t


def raw_ndim(t: Any) -> int:
    """The number of dimensions of a tensor, array or number."""
    return getattr(getattr(t, "_array", t), "ndim", 0)


# ---- rules by what the arguments mean: `value` speaks of a tensor of `ndim` dimensions, of which `size` form a batch


def along(dim: Any, ndim: int, size: int) -> Any:
    """A dimension, or several; None means all."""
    if dim is None:
        return tuple(range(1, ndim + 1))
    if isinstance(dim, (list, tuple)):
        return type(dim)([along(d, ndim, size) for d in dim])
    count = max(ndim, 1)
    if not -count <= dim < count:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})")
    return dim % count + 1


def reduced(dim: Any, ndim: int, size: int) -> Any:
    """The dimensions that are reduced; none means all."""
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
    """A pair of numbers for each dimension."""
    return ((0, 0), *pads)


class broadcasting:
    """The rule of an op whose operands broadcast."""

    def run(self, op: Op, level: Any, batched: frozenset[str], arguments: dict[str, Any]) -> Any:
        """Call the op."""
        return op.call(aligned(op.rules, batched, arguments))


class over:
    """The rule of an op that runs on operands which all have the batch in front.

    Args:
        **how: for each argument that speaks of dimensions a function ``(value, ndim, size)``, such as `along`. `ndim`
            is the length of the argument `shape` where there is one, else the first operand's.
    """

    def __init__(self, **how: Callable[[Any, int, int], Any]) -> None:
        self.how = how

    def run(self, op: Op, level: Any, batched: frozenset[str], arguments: dict[str, Any]) -> Any:
        """Call the op."""
        arguments = dict(arguments)
        for x in op.rules:
            value = arguments[x]
            if not isinstance(value, Tensor) and raw_ndim(value):
                value = from_array(value)  # an array that a node has saved
            if isinstance(value, Tensor) and x not in batched:
                value = value.expand(level.size, *value._array.shape)
            arguments[x] = value
        operands = [x for x in op.rules if isinstance(arguments[x], Tensor)]
        has_shape = "shape" in self.how and arguments["shape"] is not None
        ndim = len(arguments["shape"]) if has_shape else raw_ndim(arguments[operands[0]]) - 1
        # What has no dimensions counts as a vector of one element.
        is_scalar = not ndim and any(how is along or how is reduced for how in self.how.values())
        if is_scalar:
            ndim = 1
            arguments.update({x: arguments[x].unsqueeze(1) for x in operands if raw_ndim(arguments[x]) == 1})
            if has_shape:
                arguments["shape"] = (1,)
            if "keepdim" in arguments:
                arguments["keepdim"] = True
        for name, how in self.how.items():
            if name in arguments:
                arguments[name] = how(arguments[name], ndim, level.size)
        result = op.call(arguments)
        if not is_scalar:
            return result
        return tuple(map(_as_scalar, result)) if isinstance(result, tuple) else _as_scalar(result)


def _as_scalar(t: Tensor) -> Tensor:
    return t.squeeze(1) if t._array.ndim == 2 else t
