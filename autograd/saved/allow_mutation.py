"""`allow_mutation_on_saved_tensors`: a saved tensor is copied just before it is written."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from tapegrad.autograd.core.gate import GRAD_OFF, gate, set_bits, settle, state
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.core.version import VersionCounter, counter_of, tick
from tapegrad.autograd.saved.hooks import saved_tensors_hooks, this_thread


class _Handle:
    """What a node keeps in place of a tensor; the context has the tensor."""

    __slots__ = ("__weakref__",)


class MutableSaved:
    """What is kept within one `allow_mutation_on_saved_tensors`.

    Attributes:
        original: handle -> the tensor in the memory that was kept.
        cloned: handle -> a copy made before that memory was written.
    """

    def __init__(self) -> None:
        self.original: MutableMapping[_Handle, Tensor] = weakref.WeakKeyDictionary()
        self.cloned: MutableMapping[_Handle, Tensor] = weakref.WeakKeyDictionary()
        # A version counter -> the handles of tensors in its memory, by array and version.
        self._of_counter: dict[VersionCounter, dict[tuple[int, int], weakref.ref[_Handle]]] = {}

    def clear(self) -> None:
        """Drop all tensors."""
        self.original.clear()
        self.cloned.clear()
        self._of_counter.clear()

    def pack(self, t: Tensor) -> _Handle:
        counter = counter_of(t)
        handles = self._of_counter.setdefault(counter, {})
        key = id(t._array), counter.version
        known = handles.get(key)
        handle = known() if known is not None else None
        if handle is None:
            handle = _Handle()
            handles[key] = weakref.ref(handle)
            if counter.last_write > tick():  # the very op that keeps it will write it
                self.cloned[handle] = _copy(t)
            else:
                self.original[handle] = t.detach()
        return handle

    def unpack(self, handle: _Handle) -> Tensor:
        t = self.cloned.get(handle)
        if t is None:
            t = self.original.get(handle)
        if t is None:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' contextin which the graph was "
                "originally recorded."
            )
        return t

    def before_write(self, t: Tensor) -> None:
        """The memory of `t` is about to be written."""
        if t._counter is None:
            return
        for known in self._of_counter.pop(t._counter, {}).values():
            handle = known()
            if handle is not None:
                self.cloned[handle] = _copy(self.original.pop(handle))


def _copy(t: Tensor) -> Tensor:
    before = state.bits
    try:
        set_bits(state.bits | GRAD_OFF)
        return t.clone()
    finally:
        gate.on, state.bits = True, before | gate.always
        settle()


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[MutableSaved]:
    """Inside, saved tensors may be written: they are copied just before, and backward reads the copies.

    This covers in-place operations, assignments to elements and ``out=``. After other writes (an optimizer's step, say)
    backward raises as elsewhere. Forward and backward must both run inside.

    Returns:
        The saved tensors, for debugging: ``.original`` and ``.cloned``, emptied at the end.

    Raises:
        RuntimeError: the contexts are nested.

    Example:
        >>> a = tapegrad.ones(2, requires_grad=True)
        >>> with tapegrad.autograd.graph.allow_mutation_on_saved_tensors():
        ...     b = a.clone()
        ...     y = (b ** 2).sum()
        ...     c = b.zero_()
        ...     y.backward()
        >>> a.grad
        tensor([2., 2.])
    """
    if this_thread.before_write is not None:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    kept = MutableSaved()
    with saved_tensors_hooks(kept.pack, kept.unpack):
        this_thread.before_write = kept.before_write
        try:
            yield kept
        finally:
            this_thread.before_write = None
            kept.clear()
