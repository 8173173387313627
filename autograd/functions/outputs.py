"""The results of a `Function`: new tensors, inputs returned or overwritten, views."""

from __future__ import annotations

import warnings
from typing import Any

from tapegrad.autograd.core.history import let_go, past_hooks
from tapegrad.autograd.core.node import Node, Slot, facts_of, kept_slots, make_slot, refuse_inference
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import INFERENCE_COUNTER, bump, counter_of, tick
from tapegrad.autograd.core.view import View, refuse_view
from tapegrad.autograd.dispatch.rebase import rebase
from tapegrad.autograd.saved.hooks import this_thread
from tapegrad.autograd.saved.packed_values import given_result, pack, pack_operand
from tapegrad.autograd.tape.function_node import BackwardCFunction, Output
from tapegrad.autograd.types import dtypes


def wrap(made_by: BackwardCFunction, inputs: list[Tensor], output: Any, recording: bool, separate: bool) -> Any:
    """Tie what ``forward`` returned to its node.

    Args:
        made_by: the node.
        inputs: the tensors that ``forward`` was called with.
        output: what it returned.
        recording: gradients flow through this application.
        separate: ``setup_context`` has set the context up, which has seen what ``forward`` returned and not what
            becomes of it here.
    """
    dirty = made_by.dirty_tensors
    if (
        recording
        and isinstance(output, Tensor)
        and not (dirty or made_by.non_differentiable)
        and _is_new(output, inputs)
    ):
        made_by.seq = tick()
        made_by.outputs = [facts_of(output)]
        made_by.dtype = output._array.dtype
        output._node = made_by
        output._requires_grad = True
        if output._counter is not None:
            made_by.take_counter(output._counter)
        result: Any = output
        results = [output]
    else:
        results = _wrap_each(made_by, inputs, output if isinstance(output, tuple) else (output,), recording, separate)
        result = tuple(results) if isinstance(output, tuple) else results[0]
    if made_by.to_save:
        if recording:
            made_by.saved = _kept(made_by.to_save, results, inputs)
            for t in dirty or ():
                let_go(t, made_by)
                if t._view is not None:
                    let_go(t._view.root, made_by)
        made_by.to_save = None
    if made_by.saved_for_forward is not None:
        made_by.saved_for_forward = None
    return result


def _is_new(t: Tensor, inputs: list[Tensor]) -> bool:
    """Whether the result `t` is a tensor of its own that only needs to be told what made it."""
    if t._requires_grad or t._view is not None or not dtypes.is_inexact(t._array.dtype):
        return False
    return not _among(t, inputs)


def _among(t: Any, tensors: list[Any]) -> bool:
    """Whether `t` itself is one of `tensors`."""
    for x in tensors:  # noqa: SIM110  a generator costs more than the loop
        if x is t:
            return True
    return False


def _wrap_each(
    made_by: BackwardCFunction, inputs: list[Tensor], returned: tuple[Any, ...], recording: bool, separate: bool
) -> list[Any]:
    tensors = [t for t in returned if isinstance(t, Tensor)]
    given = {id(t) for t in inputs}
    dirty = _dirty(made_by, given)
    made_by.seq = tick()  # after the writes
    flat = _non_differentiable(made_by)
    differentiable = [
        recording and isinstance(t, Tensor) and id(t) not in flat and dtypes.is_inexact(t._array.dtype)
        for t in returned
    ]
    made_by.outputs = [facts_of(t) if isinstance(t, Tensor) else None for t in returned]
    if made_by.attributes.get("_materialize_non_diff_grads") is False:
        made_by.outputs = [facts if flows else None for facts, flows in zip(made_by.outputs, differentiable)]
    made_by.dirty_tensors = made_by.non_differentiable = None
    made_by.several = len(returned) > 1
    made_by.count = len(returned)
    made_by.dtype = returned[0]._array.dtype if len(returned) == 1 and tensors else None
    origin = "multi" if sum(differentiable) > 1 else "custom"
    kept = {id(t) for t in made_by.to_save or ()} if separate else set()
    results = []
    for nr, (t, flows) in enumerate(zip(returned, differentiable)):
        if isinstance(t, Tensor):
            is_input, is_dirty = id(t) in given, id(t) in dirty
            if is_input and not is_dirty and id(t) in kept and (flows or not t.requires_grad):
                raise RuntimeError(
                    "An input that has been returned as-is as output is being saved for backward. This is not "
                    "supported if you override "
                    "setup_context. You should return and save a view of the input instead, e.g. with x.view_as(x) "
                    "or setup ctx inside the "
                    "forward function itself."
                )
            if not flows:
                t = _constant(t, is_input, is_dirty, origin)
            else:
                node = make_slot(made_by, nr, t._array.dtype) if made_by.several else made_by
                if is_dirty:
                    _overwritten_input(t, node, len(returned))
                else:
                    t = _result(t, node, is_input, origin)
                if t._counter is not None:
                    node.take_counter(t._counter)
        results.append(t)
    if not dirty <= {id(t) for t in tensors}:
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that "
            "are modified inplace must all "
            "be outputs of the Function."
        )
    return results


def _dirty(made_by: BackwardCFunction, given: set[int]) -> set[int]:
    """The ids of the inputs that ``forward`` marked as dirty."""
    found = set()
    for i, t in enumerate(made_by.dirty_tensors or ()):
        if not isinstance(t, Tensor):
            raise RuntimeError(f"mark_dirty can only accept variables, but argument {i} is of type {type(t).__name__}")
        if id(t) in given:
            found.add(id(t))
            bump(t)
        else:
            warnings.warn(
                "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated "
                "should be passed to "
                "ctx.mark_dirty().",
                stacklevel=4,
            )
    return found


def _non_differentiable(made_by: BackwardCFunction) -> set[int]:
    marked = made_by.non_differentiable or ()
    for t in marked:
        if not isinstance(t, Tensor):
            raise RuntimeError(f"mark_non_differentiable only accepts variable arguments, but got {type(t).__name__}")
    return {id(t) for t in marked}


class _FixedView(View):
    """A view whose history is the Function's, so that it cannot be brought up to date after a write to the memory."""

    __slots__ = ()

    def sync(self, view: Tensor) -> bool:
        if counter_of(view).version != self.seen:
            refuse_view(view, "its base or another view of its base has been")
        return view._requires_grad


def fixed_view(source: Tensor, replay: tuple[Any, ...]) -> View:
    """The `View` of a tensor that a Function made as a view of `source`."""
    return _FixedView(
        source if source._view is None else source._view.root, replay, counter_of(source).version, "custom"
    )


def _constant(t: Tensor, is_input: bool, is_dirty: bool, origin: str) -> Tensor:
    """A result through which no gradient flows."""
    if not t.requires_grad:
        if is_input and not is_dirty:
            t = t.view_as(t)
    elif is_input or t._view is None:
        return t.detach()
    # A view of what requires grad does so itself, as one made under `no_grad`.
    if t._view is not None and not is_dirty:
        t._view.origin = origin
    return t


def _result(t: Tensor, node: Node, is_input: bool, origin: str) -> Tensor:
    """A result that `node` made. An input, or a leaf from elsewhere, keeps its own history and is returned as a
    view.
    """
    base = t._view
    if is_input or (t._node is None and t._requires_grad):
        result = from_array(t._array)
        result._counter = counter_of(t)
    else:
        result = t
    if base is not None:
        result._view = _FixedView(base.root, base.replay, counter_of(t).version, origin)
    elif result is not t:
        result._view = _FixedView(t, (), counter_of(t).version, origin)
    result._node = node
    result._requires_grad = True
    return result


def _overwritten_input(t: Tensor, node: Node, count: int) -> None:
    """Make `node` the history of the input `t`, one of `count` results, which ``forward`` has written."""
    base = t._view
    if t._node is None and t._requires_grad if base is None else t._node is None and base.flows(t):
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    if base is not None:
        if count > 1:
            raise RuntimeError(
                "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot "
                "return more than one Tensor. This is not "
                "supported by the current autograd engine. You should either make sure the input is not a view "
                "(using .clone() for example) or make your "
                "Function only return one Tensor (potentially splitting it into two Functions: one doing the inplace "
                "that returns a single Tensor and a second "
                "one that does the other operations). You can ask on the forum https://discuss.pytorch.org/ if you "
                "need help to do this change."
            )
        if base.origin:
            refuse_view(t, "is being")
        base.settle()
        if base.flows(t) and base.root.is_leaf:
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
        former = past_hooks(t)
        if former is not t._node:
            node.edges = tuple([former if edge is t._node else edge for edge in node.edges])
            node.seq = tick()  # after `former`
    t._grad = None
    made = from_array(t._array)
    made._node = node
    made._requires_grad = True
    rebase(t, made)


def _kept(to_save: tuple[Any, ...], results: list[Any], inputs: list[Tensor]) -> tuple[Any, ...]:
    """What ``save_for_backward`` asks for, held so that the node holds no tensor that holds the node."""
    kept: list[Any] = []
    for i, t in enumerate(to_save):
        if t is not None and not isinstance(t, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
            )
        if t is not None and t._counter is INFERENCE_COUNTER:
            refuse_inference()
        numbers = [nr for nr, y in enumerate(results) if y is t] if t is not None and t._node is not None else []
        if t is not None and numbers:
            kept.append(Output(numbers[-1], t._array))
            if isinstance(t._node, Slot):
                kept_slots[id(t._node.edges[0]), numbers[-1]] = t._node
        elif t is None or t._view is None or _among(t, inputs):
            kept.append(t)
        else:
            # A view of an intermediate, which may be a result.
            kept.append(t.detach())
    return tuple(kept)


def pack_saved(node: BackwardCFunction, result: Any) -> None:
    """Send what a Function has saved through this thread's hooks; `result` is what `apply` returns."""
    hooks = this_thread.hooks[-1]
    results = result if isinstance(result, tuple) else (result,)

    def packed(kept: Any) -> Any:
        if isinstance(kept, Output):
            return pack(
                given_result(node, kept.array, kept.nr, node.several, counter_of(results[kept.nr])),
                hooks,
                False,
                nr=kept.nr,
            )
        return None if kept is None else pack_operand(node, kept, hooks)

    node.saved = tuple([packed(kept) for kept in node.saved])
