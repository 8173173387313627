"""Hooks on tensors: functions that see, and may replace, a gradient on its way.

The hooks of a leaf are kept by the tensor, those of another tensor by the node that made it, whose class is swapped for
a same-named one that runs them: a node without hooks never looks for any. The order at one node: hooks of the tensor,
`retain_grad`, pre-hooks of the node, the node, its hooks; at a leaf: hooks of the tensor, pre-hooks of its
`AccumulateGrad`, the accumulation, post-accumulate hooks, hooks of its `AccumulateGrad`.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from tapegrad.autograd.core.methods import method_of
from tapegrad.autograd.core.node import Node, extra_of
from tapegrad.autograd.core.tensor import Tensor, extras_of, requires_grad
from tapegrad.autograd.tape.handle import RemovableHandle, add_hook, hooks_in
from tapegrad.autograd.tape.hook_values import hook_mode, seen, tensor_over, through
from tapegrad.autograd.tape.node_hooks import pull_between, run_after_accumulating, run_before_accumulating

H = TypeVar("H", bound=Callable[..., Any])


# ---- registration


def _store_of(t: Tensor) -> dict[str, Any]:
    return extras_of(t) if t._node is None else extra_of(t._node)


@method_of(Tensor)
def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook(grad)`` whenever this tensor's gradient is computed; what it returns, if not None, replaces the
    gradient.

    Returns:
        A handle whose ``remove()`` removes the hook.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda grad: grad * 10)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
    """
    if not requires_grad(self):
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return add_hook(hooks_in(_store_of(self), "hooks"), hook)


@method_of(Tensor)
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call ``hook(tensor)`` whenever a gradient has been accumulated into this leaf; returns a handle to remove it."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self._node is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return add_hook(hooks_in(extras_of(self), "accumulated"), hook)


@method_of(Tensor)
def retain_grad(self: Tensor) -> None:
    """Have backward keep this non-leaf's gradient in ``.grad``."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self._node is None or self.retains_grad:
        return
    requires_grad(self)  # brings a view up to date, or says why it cannot be
    extras_of(self)["retains_grad"] = True
    extra_of(self._node)["retained"] = weakref.ref(self)


def _hooks(self: Tensor) -> OrderedDict[int, Any] | None:
    """The hooks of this tensor by id; None where there never was one."""
    store = getattr(self, "_extras", None) if self._node is None else self._node._kept()
    hooks: OrderedDict[int, Any] | None = (store or {}).get("hooks")
    return hooks


def _set_hooks(self: Tensor, hooks: OrderedDict[int, Any] | None) -> None:
    if hooks is not None:
        _store_of(self)["hooks"] = hooks
    elif _hooks(self) is not None:
        del _store_of(self)["hooks"]


def _delete_hooks(self: Tensor) -> None:
    raise RuntimeError("Deletion of _backwards_hooks not allowed!")


setattr(Tensor, "_backward_hooks", property(_hooks, _set_hooks, _delete_hooks))  # noqa: B010  mypy knows no attribute


def unserializable_hook(hook: H) -> H:
    """Mark a hook as one that may be dropped without a warning when its tensor is pickled."""
    hook.__torch_unserializable__ = True  # type: ignore[attr-defined]
    return hook


# ---- in a pass


@method_of(Node)
def pull_with_hooks(self: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
    """`pull` between the hooks of the node and of its tensor."""
    return pull_between(self, run_tensor_hooks(self.extra, grad, graph), graph)


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
