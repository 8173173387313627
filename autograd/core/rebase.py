"""Giving a tensor that has been written the history of what was written to it.

A write to a view also rebases the tensor it views, by a `CopySlices` node: part of that tensor's gradient then goes to what was written.
"""
from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.core.version import AFTER_ALL, VersionCounter, counter_of, tick
from tapegrad.backends import ARRAYS

if TYPE_CHECKING:
    from tapegrad.autograd.core.view import View


def as_before(t: Tensor, array: Any) -> Tensor:
    """`t` as it was before a write, over `array`."""
    snapshot = from_array(array)
    snapshot._requires_grad = requires_grad(t)
    snapshot._node = past_hooks(t)
    if t._requires_grad and t._node is None:
        raise AssertionError("a leaf that requires grad has no earlier self")
    return snapshot


def past_hooks(t: Tensor) -> Node | None:
    """The node of `t` as it was before a write: the gradient of what a view was goes to what its root was, by no hooks in between."""
    view = t._view
    node: Node | None = run(view.replay, view.root)._node if view is not None and _hooked(t, view) else t._node
    return node


def _hooked(t: Tensor, view: View) -> bool:
    """Whether there are hooks on the way from a view to its root."""
    node: Any = t._node
    for _ in view.replay:
        if not isinstance(node, Node):
            return False
        if node.bare is not None:
            return True
        node = node.edges[0]
    return False


def stale_alias(t: Tensor) -> Tensor:
    """`t` as an operand of the op that overwrites it: using it in backward raises, and it does not hold on to the new history."""
    alias = as_before(t, t._array)
    alias._counter = VersionCounter()
    alias._counter.last_write = AFTER_ALL
    alias._counter.version = counter_of(t).version + 1
    alias._counter.stamps = deque((AFTER_ALL,))
    return alias


def rebase(t: Tensor, result: Tensor) -> None:
    """Give `t`, whose memory has been overwritten with `result`, the history of `result`; where it is a view, its root too."""
    if result._node is None:
        return
    if result._array.dtype is not t._array.dtype:
        from tapegrad.autograd.ops.creation.casts_and_copies import cast
        result = cast(result, t._array.dtype)
    assert result._node is not None
    base = t._view
    if base is None:
        set_node(t, result._node)
        return
    base.settle()
    root = base.root
    before = as_before(root, root._array) if root._requires_grad else from_array(root._array)
    set_node(root, copy_slices_node(before, result, base.replay))
    if t.retains_grad:
        base.sync(t)  # the gradient of the old value is not what it retains


def set_node(t: Tensor, node: Node) -> None:
    """Make `node` the one that made `t`; `retain_grad` follows the newest value."""
    let_go(t, node)
    if t.retains_grad:
        from tapegrad.autograd.tape.tensor_hooks import extra_of
        assert t._node is not None
        extra_of(node)["retained"] = t._node.extra.pop("retained")
    t._node = node
    t._requires_grad = True


def let_go(t: Tensor, node: Node) -> None:
    """Where a node below `node` keeps `t` or a view of it, have it keep what that was: else tensor and nodes would hold each other in a ring.

    Only nodes made since `t` got the node it has can keep it as it is now, so no other is looked at.
    """
    since = t._node.seq if t._node is not None else 0
    seen = {node}
    stack = [node]
    while stack:
        kept = stack.pop()
        if kept.saved and any(_holds(value, t) for value in kept.saved):
            kept.saved = tuple([_former(value, t) for value in kept.saved])
        for edge in kept.edges:
            if isinstance(edge, Node) and edge.seq > since and edge not in seen:
                seen.add(edge)
                stack.append(edge)


def _holds(value: Any, t: Tensor) -> bool:
    if isinstance(value, Tensor):
        return value is t or (value._view is not None and value._view.root is t)
    return isinstance(value, tuple) and any(_holds(item, t) for item in value)


def _former(value: Any, t: Tensor) -> Any:
    """What a node keeps, with `t` and its views as they were; the counter they share tells of the write."""
    if isinstance(value, tuple):
        return tuple([_former(item, t) for item in value])
    if not _holds(value, t):
        return value
    former = from_array(value._array)
    former._requires_grad = value._requires_grad
    former._node = value._node
    former._counter = value._counter
    return former


def run(replay: tuple[tuple[Callable[..., Any], tuple[Any, ...], int | None], ...], root: Any) -> Any:
    """The view of `root` (a tensor or an array) that the steps make."""
    for function, args, nr in replay:
        root = function(root, *args)
        if nr is not None:
            root = root[nr]
    return root


class CopySlices(Node):
    """The node of a tensor that has been written through a view of it: part of its gradient goes to what was written."""

    __slots__ = ()
    op_name = "copy_slices"
    saved_names = ("replay", "steps")

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        # Views of real memory as complex, or the other way round, show a gradient by PyTorch's convention: the conjugate of what the tape carries.
        rest, part = self._parts(_conjugated(grad), graph)
        return _conjugated(rest), _conjugated(part)

    def _parts(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        replay, steps = self.saved
        to_before, to_value = self.edges
        # The steps repeat what was done to the root, and give views of its like only where the memory is laid out as the root's.
        if graph:
            rest = grad.clone() if steps is None and grad._array.flags.c_contiguous else laid_out(grad, steps)
            part = run(replay, rest).clone() if to_value is not None else None
            if to_before is not None:
                run(replay, rest).zero_()
            return rest, part
        rest = np.array(grad) if grad.__class__ not in ARRAYS else grad.copy() if steps is None else laid_out(grad, steps)
        part = run(replay, rest)
        copy = part.copy() if to_value is not None else None
        part[...] = 0
        return rest, copy


def _conjugated(grad: Any) -> Any:
    if grad is None:
        return None
    return grad.conj() if (grad._array if isinstance(grad, Tensor) else grad).dtype.kind == "c" else grad


def laid_out(grad: Any, steps: tuple[int, ...] | None) -> Any:
    """A copy with the strides `steps` in elements; None: in the order of the indices."""
    from tapegrad.autograd.ops.shape.as_strided import lay_out
    if steps is None:
        shape = grad.shape
        steps = tuple([math.prod(shape[i + 1:]) for i in range(len(shape))])
    return lay_out(grad, steps)


def copy_slices_node(before: Tensor, value: Tensor, replay: Any) -> Node:
    """The node of `before` after `value` has been written to the part of it that `replay` views."""
    node = CopySlices()
    node.seq = tick()
    node.dtype = before._array.dtype
    node.counter = None
    node.edges = ((before._node or before) if before._requires_grad else None, value._node)
    array = before._array
    node.saved = (replay, None if array.flags.c_contiguous else tuple([s // array.itemsize for s in array.strides]))
    return node
