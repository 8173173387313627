"""Hooks on tensors: functions that see, and may replace, a gradient on its way.

The hooks of a leaf are kept by the tensor, those of another tensor by the node that made it, whose class is swapped for a same-named one that runs them:
a node without hooks never looks for any. The order at one node: hooks of the tensor, `retain_grad`, pre-hooks of the node, the node, its hooks; at a leaf:
hooks of the tensor, pre-hooks of its `AccumulateGrad`, the accumulation, post-accumulate hooks, hooks of its `AccumulateGrad`.
"""
from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor, requires_grad
from tapegrad.autograd.tape.handle import RemovableHandle, add_hook, hooks_in
from tapegrad.autograd.tape.hook_values import hook_mode, seen, tensor_over, through
from tapegrad.autograd.tape.node_hooks import pull_between, run_after_accumulating, run_before_accumulating

H = TypeVar("H", bound=Callable[..., Any])


def more_of(t: Tensor) -> dict[str, Any]:
    """The dict where the tensor keeps its hooks, made if there is none."""
    more = getattr(t, "_extras", None)
    if more is None:
        more = t._extras = {}
    return more


def _hooked(cls: type[Node]) -> type[Node]:
    """The class for nodes of `cls` with hooks, made once and kept on `cls`, so that both are freed together."""
    found = cls.__dict__.get("hooked")
    if found is None:

        def pull(self: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
            return pull_between(self, run_tensor_hooks(self.extra, grad, graph), graph)

        found = type(cls.__name__, (cls,), {"__slots__": (), "pull": pull, "bare": cls})
        cls.hooked = found  # type: ignore[attr-defined]
    return found


def extra_of(node: Node) -> dict[str, Any]:
    """The dict where the node keeps its hooks; from now on the node runs them."""
    extra = node._store()
    if node.bare is None:
        node.__class__ = _hooked(type(node))
    return extra


# ---- registration

def _store_of(t: Tensor) -> dict[str, Any]:
    return more_of(t) if t._node is None else extra_of(t._node)


def register_tensor_hook(t: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call `hook` with each gradient of `t`."""
    if not requires_grad(t):
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return add_hook(hooks_in(_store_of(t), "hooks"), hook)


def register_post_accumulate_grad_hook(t: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call `hook` with the leaf after each accumulation."""
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if t._node is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return add_hook(hooks_in(more_of(t), "accumulated"), hook)


def retain_grad(t: Tensor) -> None:
    """Keep the gradient of a non-leaf in its ``.grad``."""
    if not t.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if t._node is None or t.retains_grad:
        return
    requires_grad(t)  # brings a view up to date, or says why it cannot be
    more_of(t)["retains_grad"] = True
    extra_of(t._node)["retained"] = weakref.ref(t)


def tensor_hooks(t: Tensor) -> OrderedDict[int, Any] | None:
    """The value of ``t._backward_hooks``: hooks by id; None if there never was one."""
    store = getattr(t, "_extras", None) if t._node is None else t._node._kept()
    found: OrderedDict[int, Any] | None = (store or {}).get("hooks")
    return found


def set_tensor_hooks(t: Tensor, hooks: OrderedDict[int, Any] | None) -> None:
    """Replace all hooks of `t`."""
    if hooks is not None:
        _store_of(t)["hooks"] = hooks
    elif tensor_hooks(t) is not None:
        del _store_of(t)["hooks"]


def unserializable_hook(hook: H) -> H:
    """Mark a hook as one that may be dropped without a warning when its tensor is pickled."""
    hook.__torch_unserializable__ = True  # type: ignore[attr-defined]
    return hook


def warn_if_has_hooks(t: Tensor) -> None:
    """Warn that the hooks of `t` are not pickled with it."""
    for hook in (tensor_hooks(t) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the function with "
                          "@torch.utils.hooks.unserializable_hook to suppress this warning", stacklevel=4)


# ---- in a pass

def run_tensor_hooks(store: dict[str, Any], grad: Any, graph: bool) -> Any:
    """`grad` after the hooks in `store`; keeps it for `retain_grad`."""
    if grad is None:
        return None
    hooks = store.get("hooks")
    if hooks:
        grad = through(list(hooks.values()), grad, graph)
    retained = store.get("retained")
    if retained is not None:
        t = retained()
        if t is not None:
            _keep(t, grad, graph)
    return grad


def _keep(t: Tensor, grad: Any, graph: bool) -> None:
    have = getattr(t, "_grad", None)
    with hook_mode(graph):
        value = seen(grad, graph)
        t._grad = value.clone() if have is None and not graph else value if have is None else have + value


def run_leaf_hooks(leaf: Tensor, grad: Any, owned: bool, graph: bool) -> tuple[Any, bool]:
    """The gradient of a leaf after its pre-accumulation hooks, and whether it still has no other owner."""
    more = leaf._extras
    after = run_tensor_hooks(more, grad, graph)
    if more.get("before"):
        after = run_before_accumulating(more, after, graph)
        if after is None:
            # Nothing is accumulated; post-hooks get None.
            run_post_accumulate_hooks(leaf, None, graph)
    # A hook may have kept its argument, or returned an array of its own.
    return after, owned and not (more.get("hooks") or more.get("before") or more.get("after"))


def run_post_accumulate_hooks(leaf: Tensor, grad: Any, graph: bool) -> None:
    """Call the hooks that run after an accumulation of `grad` (as users see it; None if nothing was accumulated)."""
    run_accumulated_hooks(leaf, graph)
    if leaf._extras.get("after"):
        run_after_accumulating(leaf._extras, grad if graph or grad is None else tensor_over(grad), graph)


def run_accumulated_hooks(leaf: Tensor, graph: bool) -> None:
    """Call the hooks that take the leaf itself."""
    hooks = leaf._extras.get("accumulated")
    if hooks:
        with hook_mode(graph):
            for hook in list(hooks.values()):
                result = hook(leaf)
                if not (result is None or isinstance(result, Tensor)):
                    raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
                if result is not None and result is not leaf:
                    raise RuntimeError("Tensor post accumulate grad hooks should return None.")


__all__ = ["RemovableHandle", "register_post_accumulate_grad_hook", "register_tensor_hook", "retain_grad", "unserializable_hook", "warn_if_has_hooks"]
