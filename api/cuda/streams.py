"""Streams: queues of work for a device, and events, which are points in them.

All that this library computes is put on CuPy's current stream of the thread that asks for it: CUDA's default stream,
unless the program chooses another by `stream` (or by CuPy's own ``with``). That holds for backward passes too: they run
on the stream that is current where ``backward()`` is called, not, as in PyTorch, on those that the forward pass ran on.
So a program that computes on a stream of its own and calls ``backward()`` outside of it says, as for any other use of
the values there, ``tapegrad.cuda.current_stream().wait_stream(s)``.

Memory that an array releases is kept for the stream on which it was allocated. Before an array that another stream
still reads is released, the stream that allocated it must wait for the other:
``s.wait_stream(tapegrad.cuda.current_stream())``.

Example:
    >>> if tapegrad.cuda.is_available():
    ...     s = tapegrad.cuda.Stream()
    ...     with tapegrad.cuda.stream(s):
    ...         y = tapegrad.ones(1000, device="cuda") * 2
    ...     tapegrad.cuda.current_stream().wait_stream(s)
    ...     y.sum().item()
    ... else:
    ...     2000.0
    2000.0
"""

from __future__ import annotations

import contextlib
from typing import Any

from tapegrad.backends import Device
from tapegrad.backends.device import DeviceLike
from tapegrad.cuda.devices import at, backend


class Event:
    """A point in a stream's work, which others can wait for.

    Args:
        enable_timing: whether `elapsed_time` can be asked for.
        blocking: `synchronize` lets the processor sleep instead of asking over and over.
        interprocess: the event can be shared between processes; it then knows no time.

    Example:
        >>> if tapegrad.cuda.is_available():
        ...     start, end = tapegrad.cuda.Event(enable_timing=True), tapegrad.cuda.Event(enable_timing=True)
        ...     start.record()
        ...     y = tapegrad.ones(1000, device="cuda").exp()
        ...     end.record()
        ...     end.synchronize()
        ...     assert start.elapsed_time(end) >= 0
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        backend()
        self._options = {"block": blocking, "disable_timing": not enable_timing, "interprocess": interprocess}
        self._timed = enable_timing
        # Made at its first record, on the stream's device.
        self._event: Any = None
        self._device: Device | None = None

    @property
    def device(self) -> Device | None:
        """The device whose work it was recorded in; None before."""
        return self._device

    @property
    def cuda_event(self) -> int:
        """The address of CUDA's event; 0 before it is recorded."""
        return 0 if self._event is None else int(self._event.ptr)

    def record(self, stream: Stream | None = None) -> None:
        """Mark the point that a stream's work has come to now.

        Raises:
            RuntimeError: the event was recorded on another device before.
        """
        stream = current_stream() if stream is None else stream
        if self._device is not None and self._device != stream.device:
            raise RuntimeError(
                f"Event device {self._device.index} does not match recording stream's device {stream.device.index}."
            )
        with backend().use(stream.device):
            if self._event is None:
                self._event = backend().streams.Event(**self._options)
                self._device = stream.device
            self._event.record(stream.stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Make the later work of a stream wait for the event; the program itself does not wait."""
        if self._event is not None:
            stream = current_stream() if stream is None else stream
            with backend().use(stream.device):
                stream.stream.wait_event(self._event)

    def query(self) -> bool:
        """Whether the work before the event is done."""
        return self._event is None or bool(self._event.done)

    def synchronize(self) -> None:
        """Wait until the work before the event is done."""
        if self._event is not None:
            self._event.synchronize()
            backend().report_asserts(self._device)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between this event and a later one, both done.

        Raises:
            ValueError: an event was made without ``enable_timing=True``, or has not been recorded.
        """
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._event is None or end_event._event is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return float(backend().streams.get_elapsed_time(self._event, end_event._event))

    def __repr__(self) -> str:
        return (
            f"<torch.cuda.Event {self.cuda_event:#x}>"
            if self._event is not None
            else "<torch.cuda.Event uninitialized>"
        )


class Stream:
    """A queue of work for a device: what is in one queue is done in order, different queues do not wait for each other.

    Args:
        priority: lower numbers go first.
    """

    def __init__(self, device: DeviceLike | None = None, priority: int = 0) -> None:
        where = at(device)
        with backend().use(where):
            self._set(backend().streams.Stream(non_blocking=True, priority=priority), where)

    def _set(self, stream: Any, device: Device) -> None:
        #: CuPy's stream
        self.stream = stream
        self.device = device
        self.cuda_stream = int(stream.ptr)

    def query(self) -> bool:
        """Whether all its work is done."""
        return bool(self.stream.done)

    def synchronize(self) -> None:
        """Wait until all its work is done."""
        with backend().use(self.device):
            self.stream.synchronize()
        backend().report_asserts(self.device)

    def record_event(self, event: Event | None = None) -> Event:
        """Mark the point that its work has come to now by an event, a new one if none is given; returns the event."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Make its later work wait for an event; the program itself does not wait."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Make its later work wait for all the work that another stream has now, on any device; the program itself does
        not wait.
        """
        self.wait_event(stream.record_event())

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.cuda_stream

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.cuda_stream, self.device) == (other.cuda_stream, other.device)

    def __hash__(self) -> int:
        return hash((self.cuda_stream, self.device))

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class ExternalStream(Stream):
    """A stream that another library has made, and looks after.

    Args:
        stream_ptr: the address of CUDA's stream.
    """

    def __init__(self, stream_ptr: int, device: DeviceLike | None = None) -> None:
        where = at(device)
        with backend().use(where):
            self._set(backend().streams.Stream.from_external(_Known(stream_ptr)), where)


class _Known:
    """A stream of which the address is known, as CuPy asks for it."""

    def __init__(self, pointer: int) -> None:
        self.pointer = pointer

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.pointer


def _of(stream: Any, device: Device) -> Stream:
    """CuPy's stream as ours."""
    result = object.__new__(Stream)
    result._set(stream, device)
    return result


def current_stream(device: DeviceLike | None = None) -> Stream:
    """The stream on which this thread puts work for a device."""
    where = at(device)
    return _of(backend().streams.get_current_stream(where.index), where)


def default_stream(device: DeviceLike | None = None) -> Stream:
    """CUDA's default stream of a device."""
    where = at(device)
    with backend().use(where):
        return _of(backend().streams.Stream(null=True), where)


def set_stream(stream: Stream | None) -> None:
    """Put this thread's work on a stream, and make its device the current one; None changes nothing. `stream` does so
    for a block.
    """
    if stream is not None:
        assert stream.device.index is not None
        backend().set_device(stream.device.index)
        stream.stream.use()


class StreamContext:
    """A context manager: inside, this thread's work is put on a stream, and its device is the current one; None changes
    nothing.
    """

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._inside: list[contextlib.ExitStack] = []

    def __enter__(self) -> None:
        with contextlib.ExitStack() as stack:
            if self.stream is not None:
                stack.enter_context(backend().use(self.stream.device))
                stack.enter_context(self.stream.stream)
            self._inside.append(stack.pop_all())

    def __exit__(self, *exc: Any) -> None:
        self._inside.pop().close()


def stream(stream: Stream | None) -> StreamContext:
    """A context manager: inside, this thread's work is put on a stream, and its device is the current one; None changes
    nothing.

    Example:
        >>> with tapegrad.cuda.stream(None):
        ...     pass
    """
    return StreamContext(stream)
