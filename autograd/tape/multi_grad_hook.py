"""`register_multi_grad_hook`: one hook for the gradients of several tensors."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, requires_grad
from tapegrad.autograd.tape.current_pass import Pass, current_pass
from tapegrad.autograd.tape.handle import RemovableHandle

MODES = ("all", "any")


class MultiHandle(RemovableHandle):
    """Removes a hook from all of its tensors."""

    def __init__(self, handles: tuple[RemovableHandle, ...]) -> None:
        self.handles = handles

    def remove(self) -> None:
        """Remove the hook; a second time has no effect."""
        for handle in self.handles:
            handle.remove()

    def __getstate__(self) -> tuple[Any, ...]:
        return self.handles

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.handles = state


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> RemovableHandle:
    """Call `fn` once in each pass that computes gradients of `tensors`, in each thread for itself.

    Args:
        tensors: tensors that require grad.
        fn: with mode "all" called with the list of gradients once the pass has computed the last of them (None for
            those it does not compute); with "any" called with the first.
        mode: "all" or "any".

    Returns:
        A handle whose ``remove()`` removes the hook.

    Raises:
        ValueError: another mode.

    Example:
        >>> a, b = tapegrad.ones(2, requires_grad=True), tapegrad.ones(2, requires_grad=True)
        >>> c = a * b
        >>> d = a + b
        >>> hook = lambda grads: print([g is not None for g in grads])
        >>> handle = tapegrad.autograd.graph.register_multi_grad_hook((a, b, c, d), hook)
        >>> c.sum().backward(retain_graph=True)
        [True, True, True, False]
        >>> c.sum().backward(inputs=[a])
        [True, False, True, False]
    """
    if mode not in MODES:
        raise ValueError(f"Expects mode to be one of {MODES} but got {mode}")
    if mode == "any":
        first = _First(fn)
        return MultiHandle(tuple([t.register_hook(first) for t in tensors if t.requires_grad]))
    tensors = tuple(tensors)
    together = _All(fn, [_target(t) for t in tensors])
    return MultiHandle(tuple([t.register_hook(together.hook(i)) for i, t in enumerate(tensors)]))


def _target(t: Tensor) -> Any:
    if not requires_grad(t):
        raise AssertionError("Expected gradient function to be set")
    return t._node or t


def _running() -> Pass:
    this = current_pass()
    if this is None:
        raise AssertionError("expected this hook to be called inside a backward call")
    return this


class _First:
    """Calls `fn` with the first gradient of a pass."""

    def __init__(self, fn: Callable[[Tensor], None]) -> None:
        self.fn = fn
        self.seen: weakref.WeakSet[Pass] = weakref.WeakSet()

    def __call__(self, grad: Tensor) -> None:
        this = _running()
        if this not in self.seen:
            self.seen.add(this)
            self.fn(grad)


class _Arrived:
    """The gradients of one pass, `missing` of which have not arrived."""

    def __init__(self, count: int, missing: int) -> None:
        self.grads: list[Tensor | None] = [None] * count
        self.missing = missing


class _All:
    """Calls `fn` with all gradients of a pass."""

    def __init__(self, fn: Callable[[list[Tensor | None]], None], targets: list[Any]) -> None:
        self.fn = fn
        # Weak: the targets hold the hooks, which hold this.
        self.targets = [weakref.ref(target) for target in targets]
        self.arrived: weakref.WeakKeyDictionary[Pass, _Arrived] = weakref.WeakKeyDictionary()

    def hook(self, i: int) -> Callable[[Tensor], None]:
        """The hook for tensor number `i`."""

        def hook(grad: Tensor) -> None:
            this = _running()
            arrived = self.arrived.get(this)
            if arrived is None:
                arrived = self.arrived[this] = _Arrived(
                    len(self.targets), sum([ref() in this.reaches for ref in self.targets])
                )
                # A rule may give no gradient to a tensor that the pass reaches.
                this.at_end.append(lambda: self.finish(arrived) if arrived.missing > 0 else None)
            arrived.grads[i] = grad
            arrived.missing -= 1
            if arrived.missing == 0:
                self.finish(arrived)

        return hook

    def finish(self, arrived: _Arrived) -> None:
        """Call `fn` with what has arrived."""
        self.fn(arrived.grads)
