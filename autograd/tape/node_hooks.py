"""Hooks on nodes: functions that see, and may replace, the gradients that a node takes and gives.

They are kept with the tensor hooks, in the node's `extra`, or by the leaf where the node is an `AccumulateGrad`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tapegrad.autograd.core import node_api as node_base
from tapegrad.autograd.core.methods import method_of
from tapegrad.autograd.core.node import Node, extra_of
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.autograd.tape.handle import RemovableHandle, add_hook, hooks_in
from tapegrad.autograd.tape.hook_values import Seen, hook_mode, seen, through_all, unseen
from tapegrad.autograd.tape.input_metadata import count_of
from tapegrad.autograd.tape.sums import Sums


def _register(node: Any, kind: str, fn: Callable[..., Any]) -> RemovableHandle:
    return add_hook(hooks_in(extra_of(node) if isinstance(node, Node) else node._store(), kind), fn)


@method_of(node_base.Node)
def register_hook(self: Any, fn: Callable[..., Any]) -> RemovableHandle:
    """Call ``fn(grad_inputs, grad_outputs)`` after the node has run in a pass.

    Args:
        fn: is given the gradients of the node's operands and those of its results, each as a tuple with None where
            there is none; it may return a tuple to be used in place of `grad_inputs`.

    Returns:
        A handle whose ``remove()`` removes the hook.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> y = x.exp()
        >>> handle = y.grad_fn.register_hook(lambda grad_inputs, grad_outputs: (grad_outputs[0] * 10,))
        >>> y.sum().backward()
        >>> x.grad
        tensor([10., 10.])
    """
    return _register(self, "after", fn)


@method_of(node_base.Node)
def register_prehook(self: Any, fn: Callable[..., Any]) -> RemovableHandle:
    """Call ``fn(grad_outputs)`` before the node runs in a pass.

    Args:
        fn: is given the gradients of the node's results, a tuple with None where there is none; it may return a tuple
            to be used in their place.

    Returns:
        A handle whose ``remove()`` removes the hook.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> y = x * 2
        >>> handle = y.grad_fn.register_prehook(lambda grad_outputs: (grad_outputs[0] * 10,))
        >>> y.sum().backward()
        >>> x.grad
        tensor([20., 20.])
    """
    return _register(self, "before", fn)


def pull_between(node: Node, grad: Any, graph: bool, wanted: Sequence[bool] | None = None) -> tuple[Any, ...]:
    """Run the node on `grad`, which its tensor hooks have seen, with its own hooks before and after.

    Args:
        node: the node, of a class that runs hooks.
        grad: the gradient of its result; a list of several.
        graph: gradients are Tensors.
        wanted: for each operand whether the pass needs its gradient; None for all.
    """
    assert node.bare is not None
    before, after = node.extra.get("before"), node.extra.get("after")
    if not before and not after:
        return node.bare.pull(node, grad, graph)
    several = grad.__class__ is list
    arrived = grad[: count_of(node)] if several else [grad]
    values = tuple([None if d is None else seen(d, graph) for d in arrived])
    if before:
        with hook_mode(graph):
            replaced = through_all(list(before.values()), values, lambda hook, grads: hook(grads))
            if replaced is not values:
                arrived = [
                    d if new is old else None if new is None else unseen(new, graph)
                    for d, old, new in zip(arrived, values, replaced)
                ]
                values = replaced
    if any(d is not None for d in arrived) or isinstance(node, BackwardCFunction):
        given = node.bare.pull(node, arrived + grad[len(arrived) :] if several else arrived[0], graph)
    else:
        given = (None,) * len(node.edges)
    return _after(list(after.values()), node, given, values, graph, wanted) if after else given


def _after(
    hooks: list[Any],
    node: Node,
    given: tuple[Any, ...],
    taken: tuple[Seen, ...],
    graph: bool,
    wanted: Sequence[bool] | None,
) -> tuple[Any, ...]:
    """The gradients that the node has `given`, after its hooks."""
    if wanted is not None:
        given = tuple([d if want else None for d, want in zip(given, wanted)])
    values = tuple([_as_arrives(d, target, graph) for d, target in zip(given, node.edges)])
    with hook_mode(graph):
        values = through_all(hooks, values, lambda hook, grads: hook(grads, taken))
        return tuple([None if value is None else unseen(value, graph) for value in values])


def _as_arrives(d: Any, target: Any, graph: bool) -> Seen:
    """A rule's gradient, made dense, in its target's dtype and shape."""
    if d is None or target is None:
        return None
    sums = Sums(graph)
    sums.add(target, d, None)
    return seen(sums.take(target), graph)


def run_before_accumulating(store: dict[str, Any], grad: Any, graph: bool) -> Any:
    """A leaf's gradient after the pre-hooks of its `AccumulateGrad`."""
    value = seen(grad, graph)
    with hook_mode(graph):
        (after,) = through_all(list(store["before"].values()), (value,), lambda hook, grads: hook(grads))
        return grad if after is value else None if after is None else unseen(after, graph)


def run_after_accumulating(store: dict[str, Any], grad: Seen, graph: bool) -> None:
    """Call the post-hooks of a leaf's `AccumulateGrad`; `grad` is as users see it."""
    with hook_mode(graph):
        through_all(list(store["after"].values()), (), lambda hook, grads: hook(grads, (grad,)))
