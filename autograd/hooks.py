"""Hooks on tensors: functions that see, and may replace, a gradient on its way.

The hooks of a leaf are kept by the tensor, those of another tensor by the node that made it, whose class is swapped for a same-named one that runs them:
a node without hooks never looks for any.
"""
from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tapegrad.autograd.node import Node
from tapegrad.autograd.tensor import Tensor, from_array, requires_grad
from tapegrad.backends import ARRAYS

_ids = itertools.count().__next__


class RemovableHandle:
    """Removes a hook again; also a context manager that does so at its end."""

    def __init__(self, hooks: dict[int, Any], id: int) -> None:
        self._hooks = hooks
        self.id = id

    def remove(self) -> None:
        """Remove the hook; a second time has no effect."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


def add_hook(hooks: dict[int, Any], hook: Any) -> RemovableHandle:
    """Enter `hook` under a fresh id."""
    id = _ids()
    hooks[id] = hook
    return RemovableHandle(hooks, id)


def more_of(t: Tensor) -> dict[str, Any]:
    """Where the tensor keeps hooks and the like."""
    more = getattr(t, "_more", None)
    if more is None:
        more = t._more = {}
    return more


@cache
def _hooked(cls: type[Node]) -> type[Node]:
    """The class of `cls`'s nodes that have hooks."""

    def pull(self: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
        return cls.pull(self, run_tensor_hooks(self.extra, grad, graph), graph)

    return type(cls.__name__, (cls,), {"__slots__": (), "pull": pull, "bare": cls})


def extra_of(node: Node) -> dict[str, Any]:
    """Where the node keeps hooks and the like; from now on it runs them."""
    if node.bare is None:
        node.extra = {}
        node.__class__ = _hooked(type(node))  # type: ignore[arg-type]
    return node.extra


def register_tensor_hook(t: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call `hook` with each gradient of `t`."""
    if not requires_grad(t):
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    store = more_of(t) if t._node is None else extra_of(t._node)
    return add_hook(store.setdefault("hooks", {}), hook)


def register_post_accumulate_grad_hook(t: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call `hook` with the leaf after each accumulation."""
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if t._node is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return add_hook(more_of(t).setdefault("post", {}), hook)


def retain_grad(t: Tensor) -> None:
    """Keep the gradient of a non-leaf in its ``.grad``."""
    if not t.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if t._node is None or t.retains_grad:
        return
    requires_grad(t)  # brings a view up to date, or says why it cannot be
    more_of(t)["retains_grad"] = True
    extra_of(t._node)["retained"] = weakref.ref(t)


def run_tensor_hooks(store: dict[str, Any], grad: Any, graph: bool) -> Any:
    """`grad` after the hooks in `store`, and the gradient kept for `retain_grad`."""
    hooks = store.get("hooks")
    if hooks and grad is not None:
        grad = _through(list(hooks.values()), grad, graph)
    retained = store.get("retained")
    if retained is not None and grad is not None:
        t = retained()
        if t is not None:
            _keep(t, grad, graph)
    return grad


def _keep(t: Tensor, grad: Any, graph: bool) -> None:
    value = _seen(grad, graph)
    have = getattr(t, "_grad", None)
    t._grad = value.clone() if have is None and not graph else value if have is None else have + value


def _seen(grad: Any, graph: bool) -> Tensor:
    """The gradient as a user sees it: a tensor, in torch's convention for complex numbers."""
    t = grad if graph else from_array(grad if grad.__class__ in ARRAYS else np.asarray(grad))
    return t.conj() if t._array.dtype.kind == "c" else t


def _through(hooks: list[Any], grad: Any, graph: bool) -> Any:
    from tapegrad.autograd.conversion import type_name
    from tapegrad.autograd.grad_mode import is_grad_enabled, set_grad_enabled
    value = _seen(grad, graph)
    changed = False
    with set_grad_enabled(graph and is_grad_enabled()):
        for hook in hooks:
            result = hook(value)
            if result is None:
                continue
            if not isinstance(result, Tensor):
                raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
            if result._array.dtype != value._array.dtype:
                raise RuntimeError(f"hook '{_name(hook)}' has changed the type of value (was {type_name(value)} got {type_name(result)})")
            if result._array.shape != value._array.shape:
                raise RuntimeError(f"hook '{_name(hook)}' has changed the size of value")
            value = result
            changed = True
        if not changed:
            return grad
        if value._array.dtype.kind == "c":
            value = value.conj()
    # What a hook returns may be somebody else's; a view says so to those who would take the array over.
    return value if graph else value._array[...]


def _name(hook: Any) -> str:
    return getattr(hook, "__name__", type(hook).__name__)


def run_leaf_hooks(leaf: Tensor, grad: Any, owned: bool, graph: bool) -> tuple[Any, bool]:
    """The gradient of a leaf after its hooks, and whether it is still nobody else's."""
    after = run_tensor_hooks(leaf._more, grad, graph)
    # A hook may have kept what it was given, or returned something of its own.
    return after, owned and not leaf._more.get("hooks")


def run_post_accumulate_hooks(leaf: Tensor) -> None:
    """Call the hooks that run after an accumulation."""
    for hook in list(leaf._more.get("post", {}).values()):
        if hook(leaf) is not None:
            raise RuntimeError("hooks should return None.")


__all__ = ["RemovableHandle", "register_post_accumulate_grad_hook", "register_tensor_hook", "retain_grad"]
