"""A custom op inside of forward mode and vmap: its functions over raw arrays, called on what the tensors of each level
stand for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tapegrad.autograd.core.gate import TRANSFORM, grad_enabled, state
from tapegrad.autograd.core.node import Facts, facts_of
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.functions.custom_op import (
    asked_for,
    gradients,
    keep,
    once_text,
    only_once,
    pulled,
    values_for,
    wrapped,
)
from tapegrad.autograd.functions.function import Function, undifferentiable
from tapegrad.autograd.functions.in_vmap import Flags
from tapegrad.autograd.modes.levels import below, recording
from tapegrad.autograd.ops.shape.cat import stack
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.transforms.tangents import Tangents
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.trees import leaves, mapped
from tapegrad.backends import ARRAYS, backend_for

if TYPE_CHECKING:
    from tapegrad.autograd.functions.custom_op import CustomOp, Rule
    from tapegrad.autograd.transforms.batched_tensor import Batch


def transformed(op: CustomOp, args: tuple[Any, ...]) -> Any:
    """Call a custom op inside transforms."""
    *results, kept = _function_of(op).apply(*args)
    return tuple(results) if kept.several else results[0]


class _Kept:
    """What ``forward`` has kept, as the last result of the `Function` that stands behind an op here.

    Attributes:
        values: the kept values; at a level of vmap with their arrays as its tensors, or `_OfMembers`.
        several: ``forward`` has returned several results.
    """

    __slots__ = ("several", "values")

    def __init__(self, values: tuple[Any, ...], several: bool) -> None:
        self.values = values
        self.several = several


class _OfMembers:
    """One value for each member of the batch of `level`."""

    __slots__ = ("level", "values")

    def __init__(self, level: Batch, values: list[Any]) -> None:
        self.level = level
        self.values = values


def _function_of(op: CustomOp) -> type[Function]:
    if op.in_transforms is None:
        op.in_transforms = _made(op)
    return op.in_transforms


def _made(op: CustomOp) -> type[Function]:
    """The `Function` that stands behind an op here; its last result is what has been kept."""

    def forward(*inputs: Any) -> Any:
        returned, kept = op.run(inputs)
        several = isinstance(returned, (tuple, list))
        return (*wrapped(op, returned if several else (returned,), inputs), _Kept(kept, several))

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *results, kept = output
        ctx.kept, ctx.several, ctx.saves = kept.values, kept.several, False
        keep(ctx, op, inputs, results)
        # What rules on arrays cannot know of kept values: which tensors they were made from.
        sources = [t for t in inputs if isinstance(t, Tensor)]
        if op.vjp is not None and op.vjp.keeps():
            ctx.saves = True
            ctx.save_for_backward(*(ctx._node.to_save or [None] * len(ctx.plain)), *sources)
        rule = op.jvp or op.vjp
        values = [] if rule is None else values_for(rule, inputs, results)
        ctx.save_for_forward(
            *[t if isinstance(t, Tensor) else None for t in values],
            *sources,
            *[t if isinstance(t, Tensor) else None for t in results],
        )
        ctx.for_jvp = len(inputs), [None if isinstance(t, Tensor) else t for t in values], len(sources)
        ctx.constants = {
            i: facts_of(from_array(a))
            for i, a in enumerate(inputs)
            if a.__class__ in ARRAYS and dtypes.is_inexact(a.dtype)
        }

    def backward(ctx: Any, *grads: Any) -> Any:
        return pulled(ctx, op, grads[:-1])

    def jvp(ctx: Any, *tangents: Any) -> Any:
        return (*pushed(ctx, op, tangents), None)

    methods = {method.__name__: staticmethod(method) for method in (forward, setup_context, backward, jvp)}
    return type(op.name, (Function,), {**methods, "_batched_by": staticmethod(lambda *call: _for_batch(op, *call))})


# ---- forward mode


def pushed(ctx: Any, op: CustomOp, tangents: tuple[Any, ...]) -> list[Tensor | None]:
    """The tangents of the results, given those of the arguments.

    Raises:
        NotImplementedError: the op has no derivative that serves.
    """
    count, plain, sources = ctx.for_jvp
    saved = ctx.saved_tensors
    values, rest = saved[: len(plain)], saved[len(plain) :]
    given, results = rest[:sources], rest[sources:]
    if not any(t is not None and dtypes.is_inexact(t._array.dtype) for t in results):
        return [None] * len(results)
    rule = op.jvp or op.vjp
    if rule is None or (op.jvp is None and not rule.higher_order):
        raise NotImplementedError(
            f"Trying to use forward AD with custom op {op.name} that does not support it because it has not been "
            "implemented yet. Give "
            "the op a jvp=, or a vjp with higher_order=True"
        )
    known = _Context(count, plain, ctx, tuple([d is not None for d in tangents]))
    asked = asked_for(known, rule, values)
    if op.jvp is None:
        return _transposed(known, rule, asked, tangents, given, results)
    tangents = tuple([_zeros(ctx.constants[i]) if i in ctx.constants else d for i, d in enumerate(tangents)])
    first = (
        tangents[0]
        if len(op.parameters) == 1 and op.parameters[0].kind is not op.parameters[0].VAR_POSITIONAL
        else tangents
    )
    returned = (
        rule.function(first, *asked)
        if rule.higher_order
        else on_arrays(rule, (first, *asked), list(given) if rule.keeps() else [])
    )
    found = returned if isinstance(returned, (tuple, list)) else (returned,)
    if len(found) != len(results):
        raise RuntimeError(
            f"custom op {op.name}: its jvp returned an incorrect number of tangents (expected {len(results)}, got "
            f"{len(found)})"
        )
    tensors = [_tangent(rule, i, d, t) for i, (d, t) in enumerate(zip(found, results))]
    return (
        list(only_once(ctx, rule, tangents, tuple(tensors)))
        if not rule.higher_order and _recorded([*tangents, *given])
        else tensors
    )


def _zeros(facts: Facts) -> Tensor:
    shape, dtype, device = facts
    return from_array(backend_for(device).xp.zeros(shape, dtype))


class _Context:
    """The attributes of a `ctx` that a jvp may read."""

    def __init__(self, count: int, plain: list[Any], ctx: Any, needs_input_grad: tuple[bool, ...]) -> None:
        self.count = count
        self.plain = plain
        self.kept = ctx.kept
        self.several = ctx.several
        self.needs_input_grad = needs_input_grad


def _tangent(rule: Rule, i: int, d: Any, t: Tensor | None) -> Tensor | None:
    """Check a jvp's value as the tangent of the result `t`."""
    if d is None or t is None or not dtypes.is_inexact(t._array.dtype):
        return None
    if not isinstance(d, Tensor):
        if rule.higher_order or not (d.__class__ in ARRAYS or isinstance(d, (int, float, complex, np.generic))):
            wanted = "a tensor or None, since it has higher_order=True" if rule.higher_order else "an array or None"
            raise TypeError(
                f"custom op {rule.op.name}: its jvp returned a {type(d).__name__} at position {i}, where a tangent "
                f"is {wanted}"
            )
        d = from_array(d if d.__class__ in ARRAYS else np.asarray(d))
    return d.expand(t._array.shape) if not d._array.ndim and t._array.ndim else d


def _transposed(
    known: _Context,
    rule: Rule,
    asked: list[Any],
    tangents: tuple[Any, ...],
    given: tuple[Any, ...],
    results: tuple[Any, ...],
) -> list[Tensor | None]:
    """By a vjp made of ops: the gradient is linear in the gradient that it is given, and its derivative by that is what
    forward mode asks for.
    """
    record = _recorded([*tangents, *given])
    with recording(True, own=True):
        seeds: list[Any] = []
        for t in results:
            seeds.append(None if t is None else from_array(t._array))
            if t is not None and dtypes.is_inexact(t._array.dtype):
                seeds[-1]._requires_grad = True
        first = gradients(
            rule.op, rule.function(tuple(seeds) if known.several else seeds[0], *asked), known.needs_input_grad
        )
        pairs = [(sum_to(d, v._array.shape), v) for d, v in zip(first, tangents) if d is not None and d.requires_grad]
        flowing = [seed for seed in seeds if seed is not None and seed._requires_grad]
        found: Any = [None] * len(flowing)
        if pairs:
            found = grad(
                [d for d, _ in pairs], flowing, [v.to(d.dtype) for d, v in pairs], create_graph=True, allow_unused=True
            )
    of_flowing = iter([d if d is None or record else from_array(d._array) for d in found])
    return [next(of_flowing) if seed is not None and seed._requires_grad else None for seed in seeds]


def _recorded(tensors: list[Any]) -> bool:
    """Whether an op on `tensors` is recorded."""
    return grad_enabled() and any(isinstance(t, Tensor) and requires_grad(t) for t in tensors)


# ---- functions of arrays, given tensors


def on_arrays(rule: Rule, values: tuple[Any, ...], sources: list[Any]) -> Any:
    """What a rule on arrays gives for tensors, at the thread's levels.

    Args:
        rule: the rule.
        values: its arguments, with tensors for arrays.
        sources: tensors that some of these values were made from unseen.

    Raises:
        RuntimeError: the result would have to be differentiated, or there is no rule for batches.
    """
    every = [leaf for leaf in leaves((values, sources)) if isinstance(leaf, Tensor)]
    if not state.bits & TRANSFORM:
        returned = rule.function(*mapped(lambda leaf: leaf._array if isinstance(leaf, Tensor) else leaf, values))
        found = _each(returned, lambda d: from_array(d) if d.__class__ in ARRAYS else d)
        if not _recorded(every):
            return found
        edges = tuple([t._node or t for t in every if requires_grad(t)])
        return _each(found, lambda d: undifferentiable(d, once_text(rule), edges))
    level = state.levels[-1]
    if isinstance(level, Tangents):
        if any(level.of(t) is not None for t in every):
            raise RuntimeError(once_text(rule))
    elif any(
        level.holds(leaf) or (isinstance(leaf, _OfMembers) and leaf.level is level)
        for leaf in leaves((values, sources))
    ):
        return _at_batch(level, rule, values, sources)
    with below(level):
        return on_arrays(rule, values, sources)


def _at_batch(level: Batch, rule: Rule, values: tuple[Any, ...], sources: list[Any]) -> Any:
    op = rule.op
    _need_rule(op)
    with below(level):
        seen = [level.unwrap(t)[0] for t in sources]
        if op.batch == "front":
            returned = on_arrays(rule, mapped(lambda leaf: _in_front(level, leaf), values), seen)
            return _each(returned, lambda d: _batch_of(level, d, op, rule.what))

        def result_of(i: int) -> Any:
            return on_arrays(rule, mapped(lambda leaf: _member(level, leaf, i), values), seen)

        return _stacked(level, [result_of(i) for i in range(level.size)])


def _each(returned: Any, function: Any) -> Any:
    return (
        type(returned)([function(d) for d in returned]) if returned.__class__ in (tuple, list) else function(returned)
    )


# ---- vmap


def _need_rule(op: CustomOp) -> None:
    if op.batch is None:
        raise RuntimeError(
            f"vmap: there is no batching rule for custom op {op.name}. Give the op batch='loop', or batch='front' if "
            "its functions can take "
            "arrays that have a dimension more in front"
        )


def _for_batch(
    op: CustomOp,
    level: Batch,
    function: type[Function],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    in_dims: Any,
    flags: Flags,
) -> tuple[Any, list[bool]]:
    """The results for a whole batch, of arguments as they are outside of `level`, and which of them are batched."""
    _need_rule(op)
    if op.batch == "front":
        *results, kept = function.apply(
            *[_expanded(level, value, bool(its) and its[0]) for value, its in zip(args, flags)]
        )
        for t in results:
            _check_front(level, t, op, "forward")
        values = mapped(
            lambda leaf: _batch_of(level, from_array(leaf) if leaf.__class__ in ARRAYS else leaf, op, "forward"),
            kept.values,
        )
        return (*results, _Kept(values, kept.several)), [*[isinstance(t, Tensor) for t in results], False]
    members = [
        function.apply(
            *[value[i] if any(its) and isinstance(value, Tensor) else value for value, its in zip(args, flags)]
        )
        for i in range(level.size)
    ]
    if not members:
        raise RuntimeError(f"vmap: custom op {op.name} has batch='loop', and cannot be called for no member at all")
    results = [_stack(column) for column in list(zip(*members))[:-1]]
    values = tuple([_OfMembers(level, list(column)) for column in zip(*[kept.values for *_, kept in members])])
    return (*results, _Kept(values, members[0][-1].several)), [*[isinstance(t, Tensor) for t in results], False]


def _expanded(level: Batch, value: Any, is_batched: bool) -> Any:
    """`leaf` with the batch in front, if it is an array."""
    if value.__class__ in ARRAYS:
        value = from_array(value)
    return value.expand(level.size, *value._array.shape) if isinstance(value, Tensor) and not is_batched else value


def _in_front(level: Batch, leaf: Any) -> Any:
    if isinstance(leaf, Tensor) or leaf.__class__ in ARRAYS:
        t, is_batched = level.unwrap(leaf if isinstance(leaf, Tensor) else from_array(leaf))
        return _expanded(level, t, is_batched)
    return leaf


def _member(level: Batch, leaf: Any, i: int) -> Any:
    if isinstance(leaf, _OfMembers) and leaf.level is level:
        return leaf.values[i]
    t, is_batched = level.unwrap(leaf)
    return t[i] if is_batched else t


def _batch_of(level: Batch, d: Any, op: CustomOp, what: str) -> Any:
    """What stands for `d` within the batch; a number is the same for all of it."""
    if not isinstance(d, Tensor) or not d._array.ndim:
        return d
    _check_front(level, d, op, what)
    return level.wrap(d)


def _check_front(level: Batch, t: Any, op: CustomOp, what: str) -> None:
    if isinstance(t, Tensor) and (not t._array.ndim or t._array.shape[0] != level.size):
        raise RuntimeError(
            f"custom op {op.name} has batch='front', but its {what} returned an array of shape "
            f"{list(t._array.shape)}, where the batch of "
            f"{level.size} members must be in front"
        )


def _stacked(level: Batch, members: list[Any]) -> Any:
    """Stack the results of a rule, one set for each member, into results of the batch."""
    if members[0].__class__ not in (tuple, list):
        return _as_batch(level, _stack(members))
    return tuple([_as_batch(level, _stack(column)) for column in zip(*members)])


def _as_batch(level: Batch, t: Any) -> Any:
    return level.wrap(t) if isinstance(t, Tensor) else t


def _stack(column: Any) -> Any:
    """One tensor for the whole batch, of a tensor or a number for each member; of anything else the first."""
    tensors = [from_array(np.asarray(d)) if isinstance(d, (int, float, complex, np.generic)) else d for d in column]
    given = next((t for t in tensors if isinstance(t, Tensor)), None)
    if given is None:
        return column[0]
    return stack([given.new_zeros(given.shape) if t is None else t for t in tensors])


__all__ = ["on_arrays", "transformed"]
