"""Pack and unpack hooks on saved tensors: to hold them elsewhere, compressed, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tapegrad.autograd.core import gate
from tapegrad.autograd.core.gate import GRAD_OFF, SAVED_HOOKS, set_bits, state
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.saved.packed_values import PackHook, UnpackHook, pack_kept
from tapegrad.backends import CPU, Device
from tapegrad.backends.threads import handed_on

if TYPE_CHECKING:
    pass


class _Thread(threading.local):
    """A thread's hooks.

    Attributes:
        hooks: the active pairs, the innermost last.
        disabled: the error that setting hooks raises, or None.
        before_write: called with a tensor that is about to be written, or None.
    """

    hooks: tuple[tuple[PackHook, UnpackHook], ...] = ()
    disabled: str | None = None
    before_write: Callable[[Tensor], None] | None = None


this_thread = handed_on(_Thread())


class saved_tensors_hooks:
    """Inside, each tensor saved for backward goes through `pack_hook`, and its result is kept instead; backward reads
    it through `unpack_hook`.

    The hooks belong to the thread; of nested contexts only the innermost pair is used. Python numbers do not go through
    hooks. The hook receives an operand itself, and a result as another tensor over the same memory. If a hook keeps
    that memory, backward notices writes to it.

    Args:
        pack_hook: ``pack_hook(tensor)`` returns anything; it must not write to the tensor.
        unpack_hook: ``unpack_hook(packed)`` returns a tensor with the values, shape, dtype and device of the one that
            was packed.

    Example:
        >>> x = tapegrad.tensor([1.0, 2.0], requires_grad=True)
        >>> with tapegrad.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), tapegrad.tensor):
        ...     y = x.exp().sum()
        >>> y.backward()
        >>> x.grad
        tensor([2.7183, 7.3891])
    """

    def __init__(self, pack_hook: PackHook, unpack_hook: UnpackHook) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        if this_thread.disabled is not None:
            raise RuntimeError(this_thread.disabled)
        if not (callable(self.pack_hook) and callable(self.unpack_hook)):
            raise TypeError(
                "saved_tensors_hooks: pack_hook and unpack_hook must be callable, but got "
                f"{type(self.pack_hook).__name__} and {type(self.unpack_hook).__name__}"
            )
        before = this_thread.hooks
        try:
            this_thread.hooks = (*before, (self.pack_hook, self.unpack_hook))
            set_bits(state.bits | SAVED_HOOKS)
        except BaseException:
            self._leave(before)
            raise

    def __exit__(self, *exc: object) -> None:
        self._leave(this_thread.hooks[:-1])

    def _leave(self, hooks: tuple[tuple[PackHook, UnpackHook], ...]) -> None:
        bits = state.bits if hooks else state.bits & ~SAVED_HOOKS
        gate.gate.on, state.bits, this_thread.hooks = True, bits, hooks
        gate.settle()


class save_on_cpu(saved_tensors_hooks):
    """Inside, saved tensors are moved to host memory, and back when backward needs them. This trades time for device
    memory.

    Args:
        pin_memory: keep the copies in pinned memory, so that the host does not wait for them.
        device_type: ignored; PyTorch has it.

    Example:
        >>> x = tapegrad.tensor([1.0, 2.0], requires_grad=True)
        >>> with tapegrad.autograd.graph.save_on_cpu():
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 4.])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(partial(_to_host, pin_memory), partial(_from_host, pin_memory))


def _to_host(pinned: bool, t: Tensor) -> tuple[Device, Tensor]:
    device = t.device
    # Detached: its history may hold the node that keeps it, a reference cycle.
    return device, t.detach() if device == CPU else t.to(CPU, non_blocking=pinned)


def _from_host(pinned: bool, packed: tuple[Device, Tensor]) -> Tensor:
    device, t = packed
    return t.to(device, non_blocking=pinned)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, setting hooks on saved tensors raises an error.

    Args:
        error_message: the text of the error.

    Raises:
        RuntimeError: hooks are set already.

    Example:
        >>> from tapegrad.autograd import graph
        >>> with graph.disable_saved_tensors_hooks("not here"), graph.save_on_cpu():
        ...     pass
        Traceback (most recent call last):
            ...
        RuntimeError: not here
    """
    before = this_thread.disabled
    if this_thread.hooks:
        raise RuntimeError(error_message)
    this_thread.disabled = error_message
    try:
        yield
    finally:
        this_thread.disabled = before


def _op_with_hooks(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    before = state.bits
    try:
        set_bits(state.bits & ~SAVED_HOOKS)
        result = op(*args, **kwargs)
    finally:
        gate.gate.on, state.bits = True, before | gate.gate.always
        gate.settle()
    if not before & GRAD_OFF:
        results = result if isinstance(result, tuple) else (result,)
        node = next((t.grad_fn for t in results if isinstance(t, Tensor) and t._node is not None), None)
        if node is not None:
            pack_made(node, results)
    return result


gate.handlers[SAVED_HOOKS] = _op_with_hooks


def pack_made(node: Node, results: tuple[Tensor, ...]) -> None:
    """Send what an op's new node keeps through this thread's hooks; `results` are the op's."""
    pack_kept(node, results, this_thread.hooks[-1])


def before_write(t: Tensor) -> None:
    """The memory of `t` is about to be written, in a thread that has hooks."""
    if this_thread.before_write is not None:
        this_thread.before_write(t)
