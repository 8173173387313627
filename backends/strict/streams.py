"""Streams and events of the strict device, by the names of `cupy.cuda`. Nothing runs late here, so all work is always
done; waits are counted.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

from tapegrad.backends.strict.transfers import SYNCHRONISATION, allowed, note
from tapegrad.backends.threads import handed_on


class StrictEvent:
    """A point in a stream's work, made with CuPy's arguments."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        if interprocess and not disable_timing:
            raise ValueError("Timing must be disabled for interprocess events")
        self.ptr = id(self)
        self._timed = not disable_timing
        self._time: float | None = None

    @property
    def done(self) -> bool:
        return True

    def record(self, stream: StrictStream | None = None) -> None:
        self._time = time.perf_counter()

    def synchronize(self) -> None:
        _waited("Event.synchronize()")


class StrictStream:
    """A queue of work for the current device, made with CuPy's arguments; each namespace has a subclass of its own."""

    _streams: StrictStreams

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> None:
        if ptds:
            raise ValueError("the strict device has no default stream for each thread")
        self._is(0 if null else next(self._streams.count), -1 if null else self._streams.memory.current)

    @classmethod
    def from_external(cls, obj: Any) -> StrictStream:
        """The stream of another library, on the current device."""
        version, pointer = obj.__cuda_stream__()
        if version != 0:
            raise ValueError(f"__cuda_stream__() returned unsupported version {version}, only version 0 is supported")
        stream = cls.__new__(cls)
        stream._is(pointer, cls._streams.memory.current)
        return stream

    def _is(self, ptr: int, device_id: int) -> None:
        self.ptr = ptr
        self.device_id = device_id

    @property
    def done(self) -> bool:
        return True

    def synchronize(self) -> None:
        _waited("Stream.synchronize()")

    def record(self, event: StrictEvent | None = None) -> StrictEvent:
        event = StrictEvent() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: StrictEvent) -> None:
        if not isinstance(event, StrictEvent):
            raise TypeError(f"a stream waits for an event, not for {type(event).__name__}")

    def use(self) -> StrictStream:
        current = self._streams.memory.current
        if self.device_id not in (-1, current):
            raise RuntimeError(
                f"The device that the stream is created on ({self.device_id}) does not match with the current device "
                f"({current})"
            )
        self._streams.set_current(self, current)
        return self

    def __enter__(self) -> StrictStream:
        before = self._streams.get_current_stream()
        self.use()
        self._streams.entered.append((self._streams.memory.current, before))
        return self

    def __exit__(self, *exc: object) -> None:
        device, before = self._streams.entered.pop()
        self._streams.set_current(before, device)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StrictStream) and self.ptr == other.ptr

    def __hash__(self) -> int:
        return self.ptr


class StrictStreams:
    """The namespace, over the devices of `memory`."""

    Event = StrictEvent

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        self.count = itertools.count(1)
        self._thread = handed_on(threading.local())
        self.Stream = type("Stream", (StrictStream,), {"_streams": self, "__module__": __name__})
        self.null = self.Stream(null=True)

    def get_current_stream(self, device_id: int = -1) -> StrictStream:
        """This thread's current stream on a device; of the current device by default."""
        return self._current.get(self.memory.current if device_id == -1 else device_id, self.null)

    def set_current(self, stream: StrictStream, device: int) -> None:
        """Make a stream this thread's current one on a device."""
        self._thread.current = {**self._current, device: stream}

    @property
    def _current(self) -> dict[int, StrictStream]:
        return getattr(self._thread, "current", {})

    @property
    def entered(self) -> list[tuple[int, StrictStream]]:
        """The ``with`` blocks that this thread is in, as (device, the stream that was current)."""
        if not hasattr(self._thread, "entered"):
            self._thread.entered = []
        return self._thread.entered

    def get_elapsed_time(self, start_event: StrictEvent, end_event: StrictEvent) -> float:
        """Milliseconds between two events that were recorded."""
        if not (start_event._timed and end_event._timed) or start_event._time is None or end_event._time is None:
            raise RuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
        return 1000 * (end_event._time - start_event._time)


def _waited(cause: str) -> None:
    # A stream or an event waits only when the program says so.
    with allowed():
        note(SYNCHRONISATION, cause)
