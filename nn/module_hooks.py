"""Hooks of modules: on calls (forward) and on the gradients that pass through them (backward)."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import grad_enabled
from tapegrad.autograd.core.node import Node, make_slot
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.core.version import tick
from tapegrad.autograd.modes.grad_mode import set_grad_enabled
from tapegrad.autograd.tape.handle import RemovableHandle, add_hook
from tapegrad.backends import xp

Gradients = tuple[Tensor | None, ...]


def register(hooks: OrderedDict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    """Add `hook` as the last of `hooks`, or the first."""
    handle = add_hook(hooks, hook)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class Hooks:
    """The part of `Module` that registers hooks and runs them."""

    _forward_pre_hooks: OrderedDict[int, tuple[Callable[..., Any], bool]]
    _forward_hooks: OrderedDict[int, tuple[Callable[..., Any], bool, bool]]
    _backward_hooks: OrderedDict[int, Callable[..., Any]]
    _backward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    forward: Callable[..., Any]

    def _make_hooks(self) -> None:
        for name in ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks"):
            self.__dict__[name] = OrderedDict()

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each `forward`; what it returns, if not None, replaces the arguments.

        Args:
            prepend: run it before the hooks registered so far.
            with_kwargs: call ``hook(module, args, kwargs)``, which returns None or a pair of new args and kwargs.
        """
        return register(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each `forward`; what it returns, if not None, replaces the output.

        Args:
            prepend: run it before the hooks registered so far.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: run it also when `forward` raises (the output is None then).

        Example:
            >>> layer = tapegrad.nn.Linear(2, 3)
            >>> handle = layer.register_forward_hook(lambda module, args, output: print(output.shape))
            >>> y = layer(tapegrad.ones(4, 2))
            torch.Size([4, 3])
            >>> handle.remove()
        """
        return register(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the module's inputs are computed.

        What it returns, if not None, replaces `grad_input`. With `prepend` it runs before the hooks registered so far.
        """
        return register(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the gradients of the module's inputs are computed.

        What it returns, if not None, replaces `grad_output`. With `prepend` it runs before the hooks registered so far.
        """
        return register(self._backward_pre_hooks, hook, prepend)

    def _call_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`forward` between its hooks."""
        called: set[int] = set()
        result = None
        try:
            for hook, with_kwargs in list(self._forward_pre_hooks.values()):
                args, kwargs = _new_arguments(self, hook, with_kwargs, args, kwargs)
            backward_hooks = None
            if self._backward_hooks or self._backward_pre_hooks:
                backward_hooks = BackwardHooks(self)
                args = backward_hooks.watch_inputs(args)
            result = self.forward(*args, **kwargs)
            for id, (hook, with_kwargs, _) in list(self._forward_hooks.items()):
                called.add(id)
                changed = _call(hook, with_kwargs, self, args, kwargs, result)
                if changed is not None:
                    result = changed
            return result if backward_hooks is None else backward_hooks.watch_outputs(result)
        except Exception:
            for id, (hook, with_kwargs, always) in list(self._forward_hooks.items()):
                if not always or id in called:
                    continue
                try:
                    _call(hook, with_kwargs, self, args, kwargs, result)
                except Exception as error:  # torch makes it a warning, too
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that was silenced "
                        f"as another error was raised in forward: {error}",
                        stacklevel=3,
                    )
            raise


def _call(
    hook: Callable[..., Any],
    with_kwargs: bool,
    module: Hooks,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *result: Any,
) -> Any:
    return hook(module, args, kwargs, *result) if with_kwargs else hook(module, args, *result)


def _new_arguments(
    module: Hooks, hook: Callable[..., Any], with_kwargs: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments after a forward pre-hook."""
    result = _call(hook, with_kwargs, module, args, kwargs)
    if result is None:
        return args, kwargs
    if not with_kwargs:
        return (result if isinstance(result, tuple) else (result,)), kwargs
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {result}.")


# ---- backward hooks


class _HookNode(Node):
    """The identity of several tensors, which passes their gradients through a function."""

    __slots__ = ("count", "hook", "zeros")
    count: int
    hook: Callable[[Gradients], Gradients]
    #: of each tensor that requires grad: the array function `zeros`, shape and dtype
    zeros: tuple[tuple[Callable[..., Any], tuple[int, ...], np.dtype] | None, ...]
    op_name = "backward_hook_function"

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        gradients = tuple(_gradient(g, zeros) for g, zeros in zip(grad, self.zeros))
        with set_grad_enabled(graph):
            gradients = self.hook(gradients)
        return tuple(g if g is None or graph else g._array for g in gradients)


_HookNode.__name__ = _HookNode.__qualname__ = "BackwardHookFunctionBackward"


def _gradient(grad: Any, zeros: tuple[Callable[..., Any], tuple[int, ...], np.dtype] | None) -> Tensor | None:
    """A gradient as a tensor: zeros for an output that was not used, None for a tensor that does not require grad."""
    if zeros is None or isinstance(grad, Tensor):
        return grad
    make, shape, dtype = zeros
    return from_array(make(shape, dtype) if grad is None else grad)


def _behind_hook(values: tuple[Any, ...], hook: Callable[[Gradients], Gradients]) -> tuple[Any, ...]:
    """`values`, with the tensors that require grad behind one node that calls `hook` with a gradient for each value."""
    if not grad_enabled():
        return values
    watched = [isinstance(v, Tensor) and requires_grad(v) for v in values]
    if not any(watched):
        return values
    node = _HookNode()
    node.seq = tick()
    node.dtype = node.counter = None
    node.saved = ()
    node.edges = tuple((v._node or v) if needed else None for v, needed in zip(values, watched))
    node.count = len(values)
    node.zeros = tuple(
        (xp(v._array).zeros, v._array.shape, v._array.dtype) if needed else None for v, needed in zip(values, watched)
    )
    node.hook = hook
    behind = []
    for nr, (value, needed) in enumerate(zip(values, watched)):
        if needed:
            t = from_array(value._array)
            t._counter = value._counter
            t._requires_grad = True
            t._node = make_slot(node, nr, value._array.dtype)
            value = t
        behind.append(value)
    return tuple(behind)


class BackwardHooks:
    """The backward hooks of one call of a module: a node before its inputs, and one after its outputs."""

    def __init__(self, module: Hooks) -> None:
        self.module = module
        self.hooks = list(module._backward_hooks.values())
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.grad_output: Gradients | None = None
        self.inputs = 0
        self.input_requires_grad = False

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.inputs = len(args)
        behind = _behind_hook(args, self._inputs_pulled)
        self.input_requires_grad = behind is not args
        return behind

    def watch_outputs(self, result: Any) -> Any:
        """Tensors in a tuple or list are watched, those in other structures are not."""
        if isinstance(result, Tensor):
            return _behind_hook((result,), self._outputs_pulled)[0]
        if type(result) in (tuple, list):
            return type(result)(_behind_hook(tuple(result), self._outputs_pulled))
        return result

    def _outputs_pulled(self, grads: Gradients) -> Gradients:
        for hook in self.pre_hooks:
            grads = _replaced(hook(self.module, grads), grads, "Backward pre hook", "grad_output")
        self.grad_output = grads
        if self.hooks and not self.input_requires_grad:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no "
                "inputs require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.register_full_backward_hook for more details.",
                stacklevel=5,
            )
            for hook in self.hooks:
                if hook(self.module, (None,) * self.inputs, grads) is not None:
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always "
                        "return None or None for all gradients."
                    )
        return grads

    def _inputs_pulled(self, grads: Gradients) -> Gradients:
        # Without a gradient of the outputs, the pass came past them, through a tensor that `forward` kept:
        # that is no backward pass of the module.
        if self.grad_output is None:
            return grads
        for hook in self.hooks:
            grads = _replaced(hook(self.module, grads, self.grad_output), grads, "Backward hook", "grad_input")
        self.grad_output = None
        return grads


def _replaced(result: Any, grads: Gradients, what: str, which: str) -> Gradients:
    """What a hook returned, checked, in place of `grads`."""
    if result is None:
        return grads
    if not isinstance(result, tuple):
        result = (result,)
    if len(result) != len(grads):
        raise RuntimeError(
            f"{what} returned an invalid number of {which}, got {len(result)}, but expected {len(grads)}"
        )
    return tuple(r if g is not None else None for r, g in zip(result, grads))
