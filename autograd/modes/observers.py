"""Observers: objects that see each op as it is called and each node as a pass runs it (anomaly mode, the profiler).

Observers belong to a thread (`state.watchers`), except those that see the passes of all threads (`gate.watchers`).
While there is none, neither an op nor a pass looks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tapegrad.autograd.core import gate
from tapegrad.autograd.core.gate import WATCHED, set_bits, state
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor

Call = Callable[[tuple[Any, ...], dict[str, Any]], Any]
Pull = Callable[[Node, Any, bool], tuple[Any, ...]]


class Watcher:
    """Base of observers; as a context manager it observes what runs inside."""

    def op(self, call: Call, op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Called for the op ``op.op``: run it by ``call(args, kwargs)`` and return its result."""
        return call(args, kwargs)

    def pull(self, pull: Pull, node: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
        """Called when a pass reaches `node`: run it by ``pull(node, grad, graph)`` and return the gradients of its
        operands.
        """
        return pull(node, grad, graph)

    def write(self, call: Callable[[], Any], function: Callable[..., Any], t: Any, args: tuple[Any, ...]) -> Any:
        """Called when ``function(t, *args)`` is written into `t`: do it by ``call()`` and return the result. An op that
        this calls is observed too.
        """
        return call()

    def take(self, take: Callable[..., Any], target: Any, *args: Any) -> Any:
        """Called when the gradient of `target`, a leaf or a captured node, is whole: hand it over by ``take(target,
        *args)``.
        """
        return take(target, *args)

    def add(self, add: Callable[..., None], target: Any, d: Any, source: Any) -> None:
        """Called when a pass adds `d`, which a rule made from `source`, to the sum of `target`: add it by ``add(target,
        d, source)``.
        """
        add(target, d, source)

    def __enter__(self) -> Any:
        before = state.watchers
        try:
            state.watchers = (*before, self)
            set_bits(state.bits | WATCHED)
            return self
        except BaseException:
            self._leave(before)
            raise

    def __exit__(self, *exc: Any) -> None:
        watchers = list(state.watchers)
        watchers.reverse()
        watchers.remove(self)
        self._leave(tuple(reversed(watchers)))

    def _leave(self, watchers: tuple[Watcher, ...]) -> None:
        bits = state.bits if watchers else state.bits & ~WATCHED
        gate.gate.on, state.bits, state.watchers = True, bits, watchers
        gate.settle()


@contextmanager
def observing_passes(watcher: Watcher) -> Iterator[None]:
    """Inside, `watcher` sees the passes of every thread."""
    gate.look_on(watcher, True)
    try:
        yield
    finally:
        gate.look_on(watcher, False)


def seen_array(value: Any) -> Any:
    """The array of a tensor; under vmap that of the whole batch."""
    array = value._array if isinstance(value, Tensor) else value
    while hasattr(array, "tensor"):
        array = array.tensor._array
    return array


def watched_pull(watchers: tuple[Watcher, ...], pull: Pull) -> Pull:
    """`pull`, observed by `watchers`."""
    for watcher in watchers:
        pull = partial(watcher.pull, pull)
    return pull


def watched_take(watchers: tuple[Watcher, ...], take: Callable[..., Any]) -> Callable[..., Any]:
    """`take`, observed by `watchers`."""
    for watcher in watchers:
        take = partial(watcher.take, take)
    return take


def watched_write(call: Callable[[], Any], function: Callable[..., Any], t: Any, args: tuple[Any, ...]) -> Any:
    """Write in place, observed by this thread's watchers."""
    for watcher in state.watchers:
        call = partial(watcher.write, call, function, t, args)
    return call()


def _watched_op(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = state.bits
        try:
            set_bits(state.bits & ~WATCHED)
            return op(*args, **kwargs)
        finally:
            gate.gate.on, state.bits = True, before | gate.gate.always
            gate.settle()

    for watcher in state.watchers:
        call = partial(watcher.op, call, op)
    return call(args, kwargs)


gate.handlers[WATCHED] = _watched_op
