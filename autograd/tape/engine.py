"""One pass over the tape, from results back to leaves.

In nine lines a pass is this::

    >>> from heapq import heappop, heappush
    >>> def run(root, seed):
    ...     ready, sums = [(-root.seq, root)], {root: seed}
    ...     while ready:
    ...         node = heappop(ready)[1]  # the latest: everything that uses its result has run
    ...         for target, grad in zip(node.edges, node.pull(sums.pop(node), False)):
    ...             if target is not None and target not in sums and isinstance(target, Node):
    ...                 heappush(ready, (-target.seq, target))
    ...             if target is not None:
    ...                 sums[target] = sums[target] + grad if target in sums else grad
    ...     return sums  # what is left belongs to leaves
    >>> x = tapegrad.tensor([1.0, 2.0], requires_grad=True)
    >>> run((x * x * x).sum().grad_fn, np.float32(1))[x]
    array([ 3., 12.], dtype=float32)

A result is always newer than its operands. So nodes run in falling order of creation (`seq`), each gradient is whole
when its node's turn comes, and no walk has to count in advance what a node will receive. Sums belong to the pass, never
to nodes: exceptions, threads and passes within passes cannot mix them.

What the real loop (`run_plain`) adds:

- The node whose gradient was just made is usually the next to run. It passes through no heap and no dictionary
  (`following`).
- Sums are made in place, in arrays that the pass owns (`Sums`).
- A node's saved tensors are freed as soon as it has run, unless the graph is retained.
- Leaves take their sums at the end of the pass. Where that could be observed (a hook, or an existing ``.grad``, whose
  memory would double for as long as the sum waits), a leaf takes its sum right after its last user has run
  (`last_users`).

A pass that asks for the gradients of certain `inputs`, or that is observed (by a profiler, say), takes `run_visiting`:
the nine lines with a call of `visit` in place of ``node.pull``.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Set
from heapq import heappop, heappush
from typing import Any

from tapegrad.autograd.core.gate import gate, state
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.dispatch.inplace import check_overlap
from tapegrad.autograd.modes.observers import watched_pull, watched_take
from tapegrad.autograd.tape.node_hooks import pull_between
from tapegrad.autograd.tape.sums import Sums, WatchedSums, own_array, own_copy
from tapegrad.autograd.tape.tensor_hooks import run_leaf_hooks, run_post_accumulate_hooks, run_tensor_hooks

#: accumulate(leaf, grad, owned, graph)
Accumulate = Callable[[Tensor, Any, bool, bool], None]
#: capture(target, grad, graph)
Capture = Callable[[Any, Any, bool], None]

_leaf_lock = threading.RLock()  # a signal handler may run a pass in the thread that holds it


def _renew() -> None:
    """In the child of a fork nobody releases a lock that another thread held."""
    global _leaf_lock
    _leaf_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def below(roots: Iterable[Any]) -> set[Any]:
    """The nodes and leaves that a pass from `roots` can reach, with the roots."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        target = stack.pop()
        if isinstance(target, Node):
            for edge in target.edges:
                if edge is not None and edge not in seen:
                    seen.add(edge)
                    stack.append(edge)
    return seen


def leading_to(inputs: set[Any], roots: Iterable[Any]) -> set[Any]:
    """The nodes between `roots` and `inputs`: those that must run to find the gradients of `inputs`."""
    reached = sorted([target for target in below(roots) if isinstance(target, Node)], key=lambda node: node.seq)
    needed: set[Any] = set()
    for node in reached:
        for edge in node.edges:
            if edge is not None and (edge in inputs or edge in needed):
                needed.add(node)
                break
    return needed


def last_users(nodes: Iterable[Node]) -> dict[Node, list[Tensor]]:
    """For each node below `nodes` the leaves that receive their last gradient from it."""
    last: dict[Tensor, Node] = {}
    seen = set(nodes)
    stack = list(seen)
    while stack:
        node = stack.pop()
        for edge in node.edges:
            if isinstance(edge, Node):
                if edge not in seen:
                    seen.add(edge)
                    stack.append(edge)
            elif edge is not None:
                have = last.get(edge)
                if have is None or node.seq < have.seq:
                    last[edge] = node
    users: dict[Node, list[Tensor]] = {}
    for leaf, node in last.items():
        users.setdefault(node, []).append(leaf)
    return users


def run(
    roots: list[tuple[Any, Any]],
    graph: bool,
    retain: bool,
    accumulate: Accumulate,
    inputs: set[Any] | None = None,
    capture: Capture | None = None,
    also: Set[Node] = frozenset(),
) -> None:
    """One pass.

    Args:
        roots: targets (a node, or a leaf) with their gradients; arrays, or Tensors where `graph`.
        graph: gradients are Tensors and rules run on Tensors: the pass is recorded, where grad mode is on.
        retain: keep what the nodes have saved.
        accumulate: called as ``accumulate(leaf, grad, owned, graph)`` for each leaf whose sum is whole; `owned`: `grad`
            has no other owner.
        inputs: run only what leads to these targets.
        capture: called as ``capture(target, grad, graph)`` for each of `inputs` whose sum is whole: of a leaf as it
            arrives, of a node after its hooks.
        also: nodes to run beside those that lead to `inputs`.
    """
    watchers = gate.watchers + state.watchers if gate.on else ()
    if inputs is None and not watchers:
        run_plain(roots, graph, retain, accumulate)
        return
    needed = None if inputs is None else leading_to(inputs | also, [root for root, _ in roots]) | also
    if watchers:
        accumulate = watched_take(watchers, accumulate)
        capture = watched_take(watchers, capture) if capture is not None else None
    sums = WatchedSums(graph, watchers) if watchers else Sums(graph)
    run_visiting(sums, roots, retain, accumulate, needed, inputs, capture, watchers)


def begin(sums: Sums, roots: list[tuple[Any, Any]]) -> tuple[list[tuple[int, Node]], dict[Tensor, None]]:
    """The nodes among `roots` as a heap, the latest first, and the leaves, in order of arrival."""
    ready: list[tuple[int, Node]] = []
    leaves: dict[Tensor, None] = {}
    for root, grad in roots:
        if root not in sums.whole and root not in sums.partial:
            if isinstance(root, Node):
                heappush(ready, (-root.seq, root))
            else:
                leaves[root] = None
        sums.add(root, grad, None)
    return ready, leaves


def run_plain(roots: list[tuple[Any, Any]], graph: bool, retain: bool, accumulate: Accumulate) -> None:
    """A pass to all leaves that nothing observes."""
    sums = Sums(graph)
    whole, partial = sums.whole, sums.partial
    ready, leaves = begin(sums, roots)
    closing: dict[Node, list[Tensor]] | None = None
    following: Node | None = None  # the node to run next, where its gradient was just made and it is the latest
    grad = None
    while True:
        if following is None:
            if not ready:
                break
            node = heappop(ready)[1]
            grad = sums.take(node)
        else:
            node, following = following, None
        source, edges = grad, node.edges
        grads = node.pull(source, graph)
        if node.frees and not retain:
            node.saved = None
        for target, d in zip(edges, grads):
            if d is None or target is None:
                continue
            have = whole.get(target)
            if have is not None:
                if graph:
                    sums.add(target, d, source)
                else:
                    try:
                        have += d
                    except TypeError:  # not an array, or complex where the target is real
                        sums.add(target, d, source)
            elif partial and target in partial:
                sums.add(target, d, source)
            elif target is following:
                sums.add(target, grad, None)
                sums.add(target, d, source)
                heappush(ready, (-following.seq, following))
                following = None
            elif isinstance(target, Node):
                if following is None and d.dtype is target.dtype and not graph:
                    following, grad = target, d
                else:
                    sums.add(target, d, source)
                    heappush(ready, (-target.seq, target))
            else:
                sums.add(target, d, source)
                leaves[target] = None
                if closing is None and is_observed(target):
                    running = [node, *(n for _, n in ready), *([following] if following is not None else [])]
                    closing = last_users(running)
        if closing is not None and node in closing:
            for leaf in closing[node]:
                if leaf in leaves:
                    del leaves[leaf]
                    finish_leaf(leaf, sums, accumulate, None, None)
        if following is not None and ready and -ready[0][0] > following.seq:
            sums.add(following, grad, None)
            heappush(ready, (-following.seq, following))
            following = None
    for leaf in leaves:
        finish_leaf(leaf, sums, accumulate, None, None)


def run_visiting(
    sums: Sums,
    roots: list[tuple[Any, Any]],
    retain: bool,
    accumulate: Accumulate,
    needed: set[Any] | None,
    inputs: set[Any] | None,
    capture: Capture | None,
    watchers: Any,
) -> None:
    """A pass that asks for certain gradients, or that is observed."""
    ready, leaves = begin(sums, roots)
    closing: dict[Node, list[Tensor]] | None = None
    while ready:
        node = heappop(ready)[1]
        edges = node.edges
        grad, grads = visit(node, sums.take(node), sums.graph, needed, inputs, capture, watchers)
        if needed is not None and node not in needed:
            continue
        if node.frees and not retain:
            node.saved = None
        for target, d in zip(edges, grads):
            if d is None or target is None:
                continue
            is_node = isinstance(target, Node)
            if not is_node and inputs is not None and target not in inputs:
                continue
            if is_node and target not in sums.whole and target not in sums.partial:
                heappush(ready, (-target.seq, target))
            sums.add(target, d, grad)
            if not is_node:
                leaves[target] = None
                if closing is None and inputs is None and is_observed(target):
                    closing = last_users([node, *(n for _, n in ready)])
        for leaf in closing.get(node, ()) if closing is not None else ():
            if leaf in leaves:
                del leaves[leaf]
                finish_leaf(leaf, sums, accumulate, inputs, capture)
    for leaf in leaves:
        finish_leaf(leaf, sums, accumulate, inputs, capture)


def is_observed(leaf: Tensor) -> bool:
    """Whether the program could tell when in a pass the leaf takes its sum."""
    return getattr(leaf, "_extras", None) is not None or getattr(leaf, "_grad", None) is not None


def visit(
    node: Node, grad: Any, graph: bool, needed: set[Any] | None, inputs: Any, capture: Any, watchers: Any
) -> tuple[Any, tuple[Any, ...]]:
    """Run a node in a pass that asks for certain gradients, or that is observed.

    Returns:
        The node's gradient, after its hooks where it is one of `inputs`, and the gradients of its operands where the
        node is needed.
    """
    pull = type(node).pull
    asked = inputs is not None and node in inputs
    runs = needed is None or node in needed
    if needed is not None and node.bare is not None and (asked or runs):
        hooks: Callable[..., Any] = lambda node, grad: run_tensor_hooks(node.extra, grad, graph)
        grad = watched_take(watchers, hooks)(node, grad)
        pull = functools.partial(pull_between, wanted=[edge in inputs or edge in needed for edge in node.edges])
    if asked:
        capture(node, grad, graph)
    return grad, watched_pull(watchers, pull)(node, grad, graph) if runs else ()


def finish_leaf(
    leaf: Tensor, sums: Sums, accumulate: Accumulate, inputs: set[Any] | None, capture: Capture | None
) -> None:
    """Hand over a leaf's sum, which is whole."""
    owned = leaf in sums.whole
    grad = sums.take(leaf)
    if grad is None:
        return
    if inputs is None:
        accumulate(leaf, grad, owned, sums.graph)
    elif leaf in inputs:
        assert capture is not None
        capture(leaf, grad, sums.graph)


def accumulate_grad(leaf: Tensor, grad: Any, owned: bool, graph: bool) -> None:
    """Add `grad`, the whole of what one pass brought, to ``leaf.grad``."""
    if not leaf._requires_grad:  # switched off since the graph was recorded
        return
    if leaf._node is not None:
        raise RuntimeError("leaf variable has been moved into the graph interior")
    extras = getattr(leaf, "_extras", None)
    if extras is not None:
        grad, owned = run_leaf_hooks(leaf, grad, owned, graph)
        if grad is None:
            return
    if leaf._array.dtype.kind == "c":
        grad = grad.conj()
    with _leaf_lock:
        have = getattr(leaf, "_grad", None)
        if graph:
            leaf._grad = own_copy(grad, leaf._array) if have is None else have + grad
        elif have is None:
            leaf._grad = from_array(own_array(grad, owned, leaf._array))
        else:
            if have._view is not None:
                check_overlap(have._array)
            array = have._array
            array += grad
            bump(have)
    if extras is not None:
        run_post_accumulate_hooks(leaf, grad, graph)
