"""The one flag that every op tests first: is any thread in an unusual state?

While all threads are in the default state (grad mode on, no hooks on saved tensors, no inference mode ...) `gate.on` is
False and that is all an op looks at. Otherwise the op reads its thread's `state.bits`: `GRAD_OFF` alone is handled in
the op's own wrapper; anything else goes to `unusual`, which peels one level and calls the op again. The order of the
bits is the order of peeling: transforms are outermost, so that observers see the ops that are really computed.

`gate.on` may be True for nothing, which costs a look; it must never be False while some thread is in an unusual state.
It is therefore derived from the states of all threads (`settle`), not counted, and whoever changes a state keeps to an
order that a signal can interrupt anywhere::

    before = state.bits
    try:
        set_bits(...)
        ...
    finally:
        gate.on, state.bits = True, before | gate.always  # stores only: Python runs no signal handler between them
        settle()
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from tapegrad.backends.threads import handed_on

GRAD_OFF = 1
#: there are several devices of one kind: an op must enter that of its operands; all threads are in this
#: state or none, see `tapegrad.autograd.modes.device_guard`
DEVICE = 2
INFERENCE = 4
#: tensors that ops keep go through hooks
SAVED_HOOKS = 8
#: observers see each op and each node (`state.watchers`)
WATCHED = 16
#: forward mode or vmap (`state.levels`)
TRANSFORM = 32


class Gate:
    """`on` is True while any thread's `state.bits` is not 0, or an observer sees all threads.

    Attributes:
        always: the state that every thread is in: `DEVICE` or nothing.
        threads: the attributes of each thread's `state`.
        watchers: the observers of every thread's passes.
        anomaly: whether anomaly mode is on.
    """

    __slots__ = ("always", "anomaly", "lock", "on", "threads", "watchers")

    def __init__(self) -> None:
        self.always = 0
        self.anomaly = False
        self.lock = threading.RLock()  # a signal handler may run in the thread that holds it
        self.on = False
        self.threads: list[dict[str, Any]] = []
        self.watchers: tuple[Any, ...] = ()

    # At the end of the process, when threads still end, modules are emptied: a default is not.
    def needed(self, device: int = DEVICE) -> bool:
        """Whether some thread is in an unusual state, or observed."""
        if self.watchers:
            return True
        for values in tuple(self.threads):  # noqa: SIM110  `any` of a generator takes three times as long
            if values.get("bits", 0) & ~device:
                return True
        return False

    def derive(self) -> None:
        """Set `on` as the states of all threads ask for."""
        with self.lock:
            self.on = self.needed()
            while self.on != self.needed():  # a signal handler has changed this thread's state meanwhile
                self.on = not self.on


gate = Gate()
_ending = threading.local()


class _Ending:
    """Removed with its thread, which from then on is in no state."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __del__(self, gate: Gate = gate) -> None:
        # In place, and without a look at `state`, which would make this thread a new one.
        for i, values in enumerate(gate.threads):
            if values is self.values:
                del gate.threads[i]
                break
        # Not if the lock is taken: of a thread that a fork has cut off, it is for ever. A gate that stays on is only
        # looked at in vain.
        if self.values.get("bits", 0) and gate.lock.acquire(blocking=False):
            try:
                gate.derive()
            finally:
                gate.lock.release()


class State(threading.local):
    """The state of this thread.

    Attributes:
        bits: which of the states above it is in.
        watchers: its observers, the innermost last; see `tapegrad.autograd.modes.observers`.
        levels: the transforms that it is inside of, the innermost last; see `tapegrad.autograd.modes.levels`.
        dual: the level of `forward_ad.dual_level`; None outside of one.
        running: None outside of a pass, else its `Pass`, or what that is made of; see
            `tapegrad.autograd.tape.current_pass`.
        depth: how many passes it is in, not counting the outermost; see `tapegrad.autograd.tape.reentrant`.
        multithreading: the flag that `set_multithreading_enabled` sets.
    """

    bits = 0
    watchers: tuple[Any, ...] = ()
    levels: tuple[Any, ...] = ()
    dual: Any = None
    running: Any = None
    depth = 0
    multithreading = True

    def __init__(self) -> None:
        gate.threads.append(self.__dict__)
        _ending.values = _Ending(self.__dict__)


state = handed_on(State())

#: bit -> function(op, args, kwargs) that deals with that level and calls the op again with the bit cleared
handlers: dict[int, Callable[..., Any]] = {}


def settle() -> None:
    """Turn the gate off if no thread needs it."""
    if gate.on and not state.bits & ~DEVICE:
        gate.derive()


def set_bits(bits: int) -> int:
    """Put this thread in the state `bits`; returns the state it was in."""
    before = state.bits
    bits |= gate.always
    if bits & ~DEVICE:
        if before & ~DEVICE:
            state.bits = bits
        else:
            with gate.lock:
                gate.on, state.bits = True, bits
    elif bits != before:
        state.bits = bits
        settle()
    return before


def in_every_thread(bits: int) -> None:
    """Put every thread in the state `bits` (`DEVICE` or 0) beside its own."""
    gate.always = State.bits = bits
    for values in tuple(gate.threads):
        if "bits" in values:
            values["bits"] = values["bits"] & ~DEVICE | bits


def look_on(watcher: Any, on: bool) -> None:
    """Add `watcher` to the observers of every thread's passes, or remove it."""
    with gate.lock:
        others = tuple([other for other in gate.watchers if other is not watcher])
        if on:
            gate.on, gate.watchers = True, (*others, watcher)
        else:
            gate.watchers = others
    settle()


def _renew() -> None:
    """In the child of a fork this thread is alone, and a lock that another thread held is held for ever."""
    gate.lock = threading.RLock()
    gate.threads[:] = [values for values in gate.threads if values is state.__dict__]
    gate.on = gate.needed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def unusual(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `op` in a state that its wrapper does not know: the highest level is peeled off first."""
    return handlers[1 << (state.bits.bit_length() - 1)](op, args, kwargs)


def grad_enabled() -> bool:
    """Whether operations of this thread are recorded."""
    return not (gate.on and state.bits & GRAD_OFF)
