"""Looking on: what sees each op as it is called, and each node as a pass runs it (anomaly detection, the profiler).

Watchers are kept per thread (`state.watchers`), but for those that look on at the passes of all threads (`gate.watchers`); while there is none, neither an op
nor a pass looks for any.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tapegrad.autograd.core import gate
from tapegrad.autograd.core.gate import WATCHED, set_bits, state
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor

Call = Callable[[tuple[Any, ...], dict[str, Any]], Any]
Pull = Callable[[Node, Any, bool], tuple[Any, ...]]


class Watcher:
    """Base of what looks on; a context manager that does so inside."""

    def op(self, call: Call, op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The op ``op.op`` is called: do so by ``call(args, kwargs)``, and return its result."""
        return call(args, kwargs)

    def pull(self, pull: Pull, node: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
        """A pass runs `node`: do so by ``pull(node, grad, graph)``, and return the gradients of its operands."""
        return pull(node, grad, graph)

    def write(self, call: Callable[[], Any], function: Callable[..., Any], t: Any, args: tuple[Any, ...]) -> Any:
        """``function(t, *args)`` is written into the tensor `t`: have it done by ``call()``, and return the result; an op called for it is seen too."""
        return call()

    def take(self, take: Callable[..., Any], target: Any, *args: Any) -> Any:
        """A pass hands over the whole gradient of `target`, a leaf or a node that is asked for: do so by ``take(target, *args)``."""
        return take(target, *args)

    def add(self, add: Callable[..., None], target: Any, d: Any, source: Any) -> None:
        """A pass adds the gradient `d`, which a rule made from `source`, to that of `target`: have it done by ``add(target, d, source)``."""
        add(target, d, source)

    def __enter__(self) -> Any:
        state.watchers += (self,)
        set_bits(state.bits | WATCHED)
        return self

    def __exit__(self, *exc: Any) -> None:
        watchers = list(state.watchers)
        watchers.reverse()
        watchers.remove(self)
        state.watchers = tuple(reversed(watchers))
        if not watchers:
            set_bits(state.bits & ~WATCHED)


def seen_array(value: Any) -> Any:
    """The array that is really computed with: a tensor's, and of one under vmap that of the whole batch."""
    array = value._array if isinstance(value, Tensor) else value
    while hasattr(array, "tensor"):
        array = array.tensor._array
    return array


def watched_pull(watchers: tuple[Watcher, ...], pull: Pull) -> Pull:
    """`pull` with `watchers` looking on."""
    for watcher in watchers:
        pull = partial(watcher.pull, pull)
    return pull


def watched_take(watchers: tuple[Watcher, ...], take: Callable[..., Any]) -> Callable[..., Any]:
    """`take`, which hands over gradients, with `watchers` looking on."""
    for watcher in watchers:
        take = partial(watcher.take, take)
    return take


def watched_write(call: Callable[[], Any], function: Callable[..., Any], t: Any, args: tuple[Any, ...]) -> Any:
    """Write in place, with this thread's watchers looking on."""
    for watcher in state.watchers:
        call = partial(watcher.write, call, function, t, args)
    return call()


def _watched_op(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = set_bits(state.bits & ~WATCHED)
        try:
            return op(*args, **kwargs)
        finally:
            set_bits(before)

    for watcher in state.watchers:
        call = partial(watcher.op, call, op)
    return call(args, kwargs)


gate.handlers[WATCHED] = _watched_op
