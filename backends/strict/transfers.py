"""What crosses between the host and the strict device: counted always, refused on request.

There are three kinds: copies from the host to the device, copies back, and waits of the host for the device (every copy
back is also a wait). What happens inside `allowed()` was asked for by the program: it is counted apart, in
`Transfers.asked`, and never refused. The backend's own `from_host`, `to_host`, `to_device` and `synchronize`, behind
``.to()``, ``.cpu()`` and ``.numpy()``, count as asked; what an operation does in passing (``float(x)``, ``if x:``, a
mask as index, a list as index) does not.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tapegrad.backends.threads import handed_on

HOST_TO_DEVICE = "host_to_device"
DEVICE_TO_HOST = "device_to_host"
SYNCHRONISATION = "synchronisations"
_WORDS = {
    HOST_TO_DEVICE: "a copy from the host to the device",
    DEVICE_TO_HOST: "a copy from the device to the host",
    SYNCHRONISATION: "a wait of the host for the device",
}


@dataclass
class Transfers:
    """How often something crossed unasked, what it was (``(kind, cause)`` -> times), and the same of what was asked
    for.
    """

    host_to_device: int = 0
    device_to_host: int = 0
    synchronisations: int = 0
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: Transfers | None = None

    def __bool__(self) -> bool:
        return bool(self.host_to_device or self.device_to_host or self.synchronisations)

    def _add(self, kind: str, cause: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        self.causes[kind, cause] += 1


def _new() -> Transfers:
    return Transfers(asked=Transfers())


#: everything since the program began, on all strict devices
total = _new()
_counters = [total]
_refused: list[frozenset[str]] = []
#: called by `watching` with kind, cause, bytes where known, whether it was asked for
Watcher = Callable[[str, str, int | None, bool], None]
_watchers: list[Watcher] = []
_lock = threading.Lock()
_permits = handed_on(threading.local())


def note(kind: str, cause: str, size: int | None = None) -> None:
    """Count a crossing (of `size` bytes, where that is known), or refuse it.

    Raises:
        RuntimeError: it was not asked for, and `refusing` is on.
    """
    asked = getattr(_permits, "depth", 0) > 0
    if not asked and any(kind in kinds for kinds in _refused):
        raise RuntimeError(f"strict device: {cause} makes {_WORDS[kind]}, which refusing() forbids here")
    with _lock:
        for counter in _counters:
            (counter.asked if asked and counter.asked is not None else counter)._add(kind, cause)
    for watcher in _watchers:
        watcher(kind, cause, size, asked)


def copy_out(cause: str, size: int | None = None) -> None:
    """Count a copy to the host, which waits for the device too."""
    note(DEVICE_TO_HOST, cause, size)
    note(SYNCHRONISATION, cause)


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Calls `watcher` for each crossing inside, in the thread and at the place of its call; what it raises is raised
    there.
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@contextlib.contextmanager
def counting() -> Iterator[Transfers]:
    """Counts what crosses inside, in all threads.

    Returns:
        A context manager that yields the `Transfers`; it is false as long as nothing crossed unasked.

    Example:
        >>> from tapegrad.backends.strict.backend import StrictBackend, counting
        >>> xp = StrictBackend().xp
        >>> x = xp.ones(3)
        >>> with counting() as crossed:
        ...     y = (x * 2).sum()
        ...     print(bool(crossed))
        ...     print(float(y), crossed.device_to_host)
        False
        6.0 1
    """
    counter = _new()
    with _lock:
        _counters.append(counter)
    try:
        yield counter
    finally:
        with _lock:
            _counters[:] = [other for other in _counters if other is not counter]


@contextlib.contextmanager
def refusing(transfers: bool = True, synchronisations: bool = True) -> Iterator[None]:
    """Makes what crosses unasked inside an error, in all threads.

    Args:
        transfers: whether copies are refused, in either direction.
        synchronisations: whether waits for the device are refused (a copy to the host is one).

    Raises:
        RuntimeError: inside, at the call that copies or waits; the message names it.

    Example:
        >>> from tapegrad.backends.strict.backend import StrictBackend, refusing
        >>> x = StrictBackend().xp.ones(3)
        >>> with refusing():
        ...     float(x.sum())
        Traceback (most recent call last):
        ...
        RuntimeError: strict device: float() makes a copy from the device to the host, which refusing() forbids here
    """
    kinds = frozenset([HOST_TO_DEVICE, DEVICE_TO_HOST] * transfers + [SYNCHRONISATION] * synchronisations)
    _refused.append(kinds)
    try:
        yield
    finally:
        _refused.remove(kinds)


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Marks what crosses inside, in this thread, as asked for by the program: counted apart and never refused."""
    _permits.depth = getattr(_permits, "depth", 0) + 1
    try:
        yield
    finally:
        _permits.depth -= 1
