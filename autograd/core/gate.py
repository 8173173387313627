"""The one flag that every op tests first: is any thread in an unusual state?

While all threads are in the default state (grad mode on, no hooks on saved tensors, no inference mode ...) `gate.on` is False and that is
all an op looks at. Otherwise the op reads its thread's `state.bits`: `GRAD_OFF` alone is handled in the op's own wrapper; anything else goes
to `unusual`, which peels one level and calls the op again. The order of the bits is the order of peeling: transforms are outermost, so that
what looks at ops sees those that are really computed.
"""
from __future__ import annotations

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
#: something looks on at each op and each node (`state.watchers`)
WATCHED = 16
#: forward mode or vmap (`state.levels`)
TRANSFORM = 32


class Gate:
    """`on` is True while any thread's `state.bits` is not 0, or something looks on at all threads.

    Attributes:
        always: what every thread is in: `DEVICE` or nothing.
        threads: how many threads are in an unusual state, not counting `always`, and one more for `watchers`.
        watchers: what looks on at the passes of every thread.
        anomaly: whether anomaly mode is on.
    """

    __slots__ = ("always", "anomaly", "on", "threads", "watchers")

    def __init__(self) -> None:
        self.always = 0
        self.anomaly = False
        self.on = False
        self.threads = 0
        self.watchers: tuple[Any, ...] = ()


gate = Gate()
_lock = threading.Lock()
_ending = threading.local()


class _Ending:
    """Goes when its thread ends: a thread that ends in an unusual state is in none from then on."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    # What it needs is bound here: at the end of the process modules are emptied.
    def __del__(self, gate: Gate = gate, lock: threading.Lock = _lock) -> None:
        if self.values.get("bits", 0) & ~DEVICE:
            with lock:
                gate.threads -= 1
                gate.on = gate.threads > 0


class State(threading.local):
    """What is unusual in this thread.

    Attributes:
        bits: which of the states above it is in.
        watchers: what looks on, the innermost last; see `tapegrad.autograd.modes.observers`.
        levels: the transforms that it is inside of, the innermost last; see `tapegrad.autograd.modes.levels`.
        dual: the level of `forward_ad.dual_level`; None outside of one.
        running: None outside of a pass, else its `Pass`, or what that is made of; see `tapegrad.autograd.tape.current_pass`.
        depth: how many passes it is in, not counting the outermost; see `tapegrad.autograd.tape.reentrant`.
        multithreading: as `set_multithreading_enabled` has been told.
    """

    bits = 0
    watchers: tuple[Any, ...] = ()
    levels: tuple[Any, ...] = ()
    dual: Any = None
    running: Any = None
    depth = 0
    multithreading = True

    def __init__(self) -> None:
        _ending.values = _Ending(self.__dict__)


state = handed_on(State())

#: bit -> function(op, args, kwargs) that deals with that level and calls the op again with the bit cleared
handlers: dict[int, Callable[..., Any]] = {}


def set_bits(bits: int) -> int:
    """Put this thread in the state `bits`; returns the state it was in."""
    before = state.bits
    bits |= gate.always
    if bits != before:
        if bits == State.bits:
            del state.bits
        else:
            state.bits = bits
        counts = bool(bits & ~DEVICE)
        if counts != bool(before & ~DEVICE):
            with _lock:
                gate.threads += 1 if counts else -1
                gate.on = gate.threads > 0
    return before


def in_every_thread(bits: int) -> None:
    """Put every thread in the state `bits` (`DEVICE` or 0) beside its own; one that is in an unusual state now, when it next changes that."""
    # A thread in the usual state has no bits of its own, but sees the class's.
    gate.always = State.bits = bits
    set_bits(state.bits & ~DEVICE)


def look_on(watcher: Any, on: bool) -> None:
    """Have `watcher` look on at the passes of every thread, or no longer."""
    with _lock:
        had = bool(gate.watchers)
        others = tuple([other for other in gate.watchers if other is not watcher])
        gate.watchers = (*others, watcher) if on else others
        gate.threads += bool(gate.watchers) - had
        gate.on = gate.threads > 0


def unusual(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `op` in a state that its wrapper does not know: the highest level is peeled off first."""
    return handlers[1 << (state.bits.bit_length() - 1)](op, args, kwargs)


def grad_enabled() -> bool:
    """Whether operations of this thread are recorded."""
    return not (gate.on and state.bits & GRAD_OFF)
