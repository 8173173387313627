"""Hooks of modules: on calls (forward) and on the gradients that pass through them (backward)."""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.gate import grad_enabled
from tapegrad.autograd.core.node import Node, make_slot
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.core.version import tick
from tapegrad.autograd.modes.grad_mode import set_grad_enabled
from tapegrad.autograd.tape.handle import RemovableHandle, add_hook
from tapegrad.backends import xp


def enter(hooks: OrderedDict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    """Enter `hook` last, or first."""
    handle = add_hook(hooks, hook)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class Hooks:
    """The part of `Module` that registers hooks and runs them."""

    _forward_pre_hooks: OrderedDict[int, Any]
    _forward_hooks: OrderedDict[int, Any]
    _backward_hooks: OrderedDict[int, Any]
    _backward_pre_hooks: OrderedDict[int, Any]
    forward: Callable[..., Any]

    def _make_hooks(self) -> None:
        for name in ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks"):
            self.__dict__[name] = OrderedDict()

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Call ``hook(module, args)`` before each `forward`; what it returns, if not None, replaces the arguments.

        Args:
            hook: the function; with `with_kwargs` it is called as ``hook(module, args, kwargs)`` and returns None or a pair of new args and kwargs.
            prepend: run it before the hooks that are already there.
            with_kwargs: whether it sees the keyword arguments.

        Returns:
            A handle whose ``remove()`` removes the hook.
        """
        return enter(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each `forward`; what it returns, if not None, replaces the output.

        Args:
            hook: the function; with `with_kwargs` it is called as ``hook(module, args, kwargs, output)``.
            prepend: run it before the hooks that are already there.
            with_kwargs: whether it sees the keyword arguments.
            always_call: run it also when `forward` raised (the output is None then).

        Returns:
            A handle whose ``remove()`` removes the hook.

        Example:
            >>> layer = tapegrad.nn.Linear(2, 3)
            >>> handle = layer.register_forward_hook(lambda module, args, output: print(output.shape))
            >>> y = layer(tapegrad.ones(4, 2))
            torch.Size([4, 3])
        """
        return enter(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the module's inputs have been computed.

        Args:
            hook: the function; what it returns, if not None, replaces `grad_input`.
            prepend: run it before the hooks that are already there.

        Returns:
            A handle whose ``remove()`` removes the hook.
        """
        return enter(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the gradients of the module's inputs are computed.

        Args:
            hook: the function; what it returns, if not None, replaces `grad_output`.
            prepend: run it before the hooks that are already there.

        Returns:
            A handle whose ``remove()`` removes the hook.
        """
        return enter(self._backward_pre_hooks, hook, prepend)

    def _call_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`forward` with the hooks around it."""
        called: set[int] = set()
        result = None
        try:
            for hook, with_kwargs in list(self._forward_pre_hooks.values()):
                args, kwargs = _new_arguments(self, hook, with_kwargs, args, kwargs)
            around = None
            if self._backward_hooks or self._backward_pre_hooks:
                around = Around(self)
                args = around.enter(args)
            result = self.forward(*args, **kwargs)
            for id, (hook, with_kwargs, _) in list(self._forward_hooks.items()):
                called.add(id)
                changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                if changed is not None:
                    result = changed
            return result if around is None else around.leave(result)
        except Exception:
            for id, (hook, with_kwargs, always) in list(self._forward_hooks.items()):
                if always and id not in called:
                    _call_after_failure(hook, self, args, kwargs, result, with_kwargs)
            raise


def _new_arguments(module: Any, hook: Any, with_kwargs: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments after a forward pre-hook."""
    if with_kwargs:
        result = hook(module, args, kwargs)
        if result is None:
            return args, kwargs
        if isinstance(result, tuple) and len(result) == 2:
            return result
        raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {result}.")
    result = hook(module, args)
    if result is None:
        return args, kwargs
    return (result if isinstance(result, tuple) else (result,)), kwargs


def _call_after_failure(hook: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, with_kwargs: bool) -> None:
    """Run an `always_call` hook while `forward`'s exception is on its way; the hook's own becomes a warning, as in torch."""
    import warnings
    try:
        if with_kwargs:
            hook(module, args, kwargs, result)
        else:
            hook(module, args, result)
    except Exception as error:
        warnings.warn(f"module forward hook with ``always_call=True`` raised an exception that was silenced as another error was raised in forward: {error}",
                      stacklevel=4)


class _Pass(Node):
    """Identity of several tensors at once, which shows their gradients to a function on the way."""

    __slots__ = ("count", "like", "see")
    count: int
    like: tuple[tuple[Any, tuple[int, ...], Any] | None, ...]  # of each watched tensor: what makes zeros, shape, dtype
    see: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    op_name = "backward_hook_function"

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        given = tuple(_tensor(g, like) for g, like in zip(grad, self.like))
        with set_grad_enabled(graph):
            seen = self.see(given)
        return tuple(g if g is None or graph else g._array for g in seen)


_Pass.__name__ = _Pass.__qualname__ = "BackwardHookFunctionBackward"


def _tensor(grad: Any, like: Any) -> Tensor | None:
    """A gradient as a tensor: zeros for an output that was not used, None where none flows."""
    if like is None or isinstance(grad, Tensor):
        return grad
    zeros, shape, dtype = like
    return from_array(zeros(shape, dtype) if grad is None else grad)


def _through(values: tuple[Any, ...], see: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> tuple[Any, ...]:
    """The tensors among `values` that require grad, behind one node; all else as it is. `see` is given a gradient for each value."""
    if not grad_enabled():
        return values
    wanted = [isinstance(v, Tensor) and requires_grad(v) for v in values]
    if not any(wanted):
        return values
    node = _Pass()
    node.seq = tick()
    node.dtype = node.counter = None
    node.saved = ()
    node.edges = tuple((v._node or v) if need else None for v, need in zip(values, wanted))
    node.count = len(values)
    node.like = tuple((xp(v._array).zeros, v._array.shape, v._array.dtype) if need else None for v, need in zip(values, wanted))
    node.see = see
    behind = []
    for nr, (v, need) in enumerate(zip(values, wanted)):
        if need:
            t = from_array(v._array)
            t._counter = v._counter
            t._requires_grad = True
            t._node = make_slot(node, nr, v._array.dtype)
            v = t
        behind.append(v)
    return tuple(behind)


class Around:
    """The backward hooks of one call of a module: a node before its inputs, one after its outputs."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.hooks = list(module._backward_hooks.values())
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.grad_output: tuple[Any, ...] | None = None
        self.inputs = 0
        self.waits_for_inputs = False

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The module's arguments, watched."""
        self.inputs = len(args)
        behind = _through(args, self._inputs)
        self.waits_for_inputs = behind is not args
        return behind

    def leave(self, result: Any) -> Any:
        """The module's result, watched; tensors in a tuple or list are seen, those in other structures are not."""
        single = isinstance(result, Tensor)
        behind = _through((result,) if single else tuple(result) if isinstance(result, (tuple, list)) else (), self._outputs)
        if single:
            return behind[0]
        return type(result)(behind) if type(result) in (tuple, list) else result

    def _outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.pre_hooks:
            grads = _replaced(hook(self.module, grads), grads, "Backward pre hook", "grad_output")
        self.grad_output = grads
        if not self.waits_for_inputs:
            if self.hooks:
                import warnings
                warnings.warn("Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require gradients. "
                              "See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook "
                              "for more details.", stacklevel=5)
            for hook in self.hooks:
                if hook(self.module, (None,) * self.inputs, grads) is not None:
                    raise RuntimeError("Backward hook for Modules where no input requires gradient should always return None or None for all gradients.")
        return grads

    def _inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        # Without a gradient of the outputs the inputs were reached past them (through a tensor that forward kept), which is no backward of the module.
        if self.grad_output is None:
            return grads
        for hook in self.hooks:
            grads = _replaced(hook(self.module, grads, self.grad_output), grads, "Backward hook", "grad_input")
        self.grad_output = None
        return grads


def _replaced(result: Any, grads: tuple[Any, ...], what: str, which: str) -> tuple[Any, ...]:
    """What a hook returned, checked, in place of `grads`."""
    if result is None:
        return grads
    if not isinstance(result, tuple):
        result = (result,)
    if len(result) != len(grads):
        raise RuntimeError(f"{what} returned an invalid number of {which}, got {len(result)}, but expected {len(grads)}")
    return tuple(r if g is not None else None for r, g in zip(result, grads))
