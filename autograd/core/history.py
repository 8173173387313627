"""The history of a tensor that is written: what it was before, and its new node."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tapegrad.autograd.core.node import Node, extra_of
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.core.version import AFTER_ALL, VersionCounter, counter_of

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
    """The node of `t` as it was before a write: the gradient of what a view was goes to what its root was, by no hooks
    in between.
    """
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
    """`t` as an operand of the op that overwrites it: using it in backward raises, and it does not hold on to the new
    history.
    """
    alias = as_before(t, t._array)
    alias._counter = VersionCounter()
    alias._counter.last_write = AFTER_ALL
    alias._counter.version = counter_of(t).version + 1
    alias._counter.stamps = deque((AFTER_ALL,))
    return alias


def set_node(t: Tensor, node: Node) -> None:
    """Make `node` the one that made `t`; `retain_grad` follows the newest value."""
    let_go(t, node)
    if t.retains_grad:
        assert t._node is not None
        extra_of(node)["retained"] = t._node.extra.pop("retained")
    t._node = node
    t._requires_grad = True


def let_go(t: Tensor, node: Node) -> None:
    """Where a node below `node` keeps `t` or a view of it, have it keep what that was: else tensor and nodes would hold
    each other in a ring.

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
