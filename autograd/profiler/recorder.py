"""The profiler: how much time and memory each op, each node of a backward pass and each named range takes.

It looks on at the thread that it was started in. An op on a device only starts work there, so while profiled the host
waits for the device before and after each op: the times are those of the op itself, and what would otherwise overlap
does not. An op's first call writes its code, which takes milliseconds: profile a step that has run before. Each event
costs some ten microseconds, more with shapes, memory and stacks; they count to the event around it, never to its own.

Memory is that of the arrays which an op returns or keeps for backward and did not receive. Temporaries inside an op do
not show, but in the count of a device's own pool (`FunctionEvent.allocated`), which NumPy's arrays have too while
`tracemalloc` runs.

What is no op, such as making a tensor or reading a value, shows as part of what is around it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from threading import get_native_id
from time import perf_counter_ns as clock
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import gate, state
from tapegrad.autograd.core.node import At, Node, Part, Slot
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.call_stack import Stack
from tapegrad.autograd.modes.observers import Call, Pull, Watcher, seen_array
from tapegrad.autograd.profiler.events import BACKWARD, OP, RANGE, EventList, FunctionEvent, FunctionEventAvg, Interval
from tapegrad.backends import ARRAYS, backend


def _arrays(values: Iterable[Any]) -> list[Any]:
    """The arrays behind operands, results or gradients, those in lists too."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += _arrays(value)
        elif isinstance(value, (At, Part)):
            found += _arrays([value.grad])
        else:
            array = seen_array(value)
            if array.__class__ in ARRAYS:
                found.append(array)
    return found


def _owner(array: Any) -> Any:
    """The array whose memory `array` is a view of."""
    while isinstance(base := array.base, array.__class__):
        array = base
    return array


def _new_bytes(made: list[Any], given: list[Any]) -> int:
    """Bytes of memory behind `made` that is not behind `given`."""
    old = {id(_owner(array)) for array in given}
    return sum(
        [owner.nbytes for owner in {id(owner): owner for owner in map(_owner, made)}.values() if id(owner) not in old]
    )


def _shape_of(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
        return [_shape_of(item) for item in value]
    return list(value._array.shape) if isinstance(value, Tensor) else []


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    return [
        t
        for value in values
        for t in (value if isinstance(value, (list, tuple)) else (value,))
        if isinstance(t, Tensor)
    ]


def _made_by(result: Any, given: Iterable[Any]) -> Node | None:
    """The node that an op recorded, if it did."""
    known = [t._node for t in _tensors(given)]
    for t in _tensors([result]):
        if t._node is not None and not any(node is t._node for node in known):
            return t._node.edges[0] if isinstance(t._node, Slot) else t._node
    return None


class _Recorder(Watcher):
    """Looks on, and notes an event for everything it sees.

    Attributes:
        innermost: thread -> the event that is under way there.
        places: number of a node -> the calls that led to its op.
        devices: the devices seen so far.
    """

    def __init__(self, shapes: bool, memory: bool, stack: bool, wait: bool) -> None:
        self.shapes, self.memory, self.stack, self.wait = shapes, memory, stack, wait
        self.events: list[FunctionEvent] = []
        self.innermost: dict[int, FunctionEvent | None] = {}
        self.places: dict[int, list[str]] = {}
        self.devices: dict[Any, Any] = {}
        self.closed = False
        self.began = clock()

    # ---- what is seen

    def op(self, call: Call, op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.closed:
            return call(args, kwargs)
        given = (*args, *kwargs.values())
        event = self._begin(op.op.name, OP, given)  # type: ignore[attr-defined]

        def made(result: Any) -> list[Any]:
            node = _made_by(result, given)
            self._link(event, node)
            # A 0-d array that a node keeps is a constant, made once for all.
            return (
                [result]
                if node is None
                else [result, [value for value in node.saved or () if getattr(value, "ndim", 1)]]
            )

        return self._measure(event, lambda: call(args, kwargs), given, made)

    def write(self, call: Callable[[], Any], function: Callable[..., Any], t: Any, args: tuple[Any, ...]) -> Any:
        if self.closed:
            return call()
        given = (t, *args)
        op = getattr(function, "op", None)
        event = self._begin(f"{function.__name__ if op is None else op.name}_", OP, given)

        def made(result: Any) -> list[Any]:
            self._link(event, t._node)
            return [t]

        return self._measure(event, call, given, made)

    def pull(self, pull: Pull, node: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
        if self.closed or isinstance(node, Slot):
            return pull(node, grad, graph)
        event = self._begin(node.name(), BACKWARD, grad if isinstance(grad, list) else (grad,), node.seq)
        event.sequence_nr = node.seq
        result: tuple[Any, ...] = self._measure(
            event, lambda: pull(node, grad, graph), (grad, node.saved), lambda grads: grads
        )
        return result

    def take(self, take: Callable[..., Any], target: Any, *args: Any) -> Any:
        # A leaf that is only asked for is handed over without `owned`, and nothing is added up.
        if self.closed or not isinstance(target, Tensor) or len(args) != 3:
            return take(target, *args)
        event = self._begin("torch::autograd::AccumulateGrad", BACKWARD, (args[0],))
        return self._measure(
            event,
            lambda: take(target, *args),
            (args[0], getattr(target, "_grad", None)),
            lambda _: (getattr(target, "_grad", None),),
        )

    def begin_range(self, name: str) -> FunctionEvent:
        """A range of the user's begins."""
        event = self._begin(name, RANGE, ())
        event.input_shapes = None
        self._wait_for_all()
        event._began = clock()
        return event

    def end_range(self, event: FunctionEvent) -> None:
        """It ends, unless the profile did before."""
        if not self.closed:
            self._wait_for_all()
            self._end(event, clock())

    # ---- how it is noted

    def _begin(self, name: str, category: str, given: Iterable[Any], seq: int | None = None) -> FunctionEvent:
        thread = get_native_id()
        around = self.innermost.get(thread)
        event = FunctionEvent(len(self.events), name, category, thread, around)
        self.events.append(event)
        if around is not None:
            around.cpu_children.append(event)
        self.innermost[thread] = event
        if self.shapes:
            event.input_shapes = [
                _shape_of(value) if isinstance(value, (Tensor, list, tuple)) else list(getattr(value, "shape", ()))
                for value in given
            ]
        if self.stack:
            event.stack = self.places.get(seq, []) if seq is not None else []
            event.stack = event.stack or Stack().places()
        return event

    def _measure(
        self, event: FunctionEvent, call: Callable[[], Any], given: Iterable[Any], made: Callable[[Any], Iterable[Any]]
    ) -> Any:
        looks = self.memory or len(ARRAYS) > 1  # otherwise all arrays are NumPy's
        before = _arrays(given) if looks else []
        self._wait_for(event, before)
        event._began = clock()
        try:
            result = call()
        except BaseException:
            self._end(event, clock())
            raise
        if looks:
            self._wait_for(event, before)
        self._end(event, clock())
        after = made(result)
        if looks:
            self._note_memory(event, _arrays(after), before)
        return result

    def _wait_for(self, event: FunctionEvent, arrays: list[Any]) -> None:
        for array in arrays:
            if array.__class__ is not np.ndarray:
                here = backend(array)
                device = here.device_of(array)
                if event.device != device:
                    event.device = device
                    self.devices[device] = here
                if self.wait:
                    here.synchronize(device)
                return

    def _wait_for_all(self) -> None:
        if self.wait:
            for device, here in self.devices.items():
                here.synchronize(device)

    def _note_memory(self, event: FunctionEvent, after: list[Any], before: list[Any]) -> None:
        if event.device is None:
            self._wait_for(event, after)
        if self.memory:
            event._bytes = _new_bytes(after, before)
            if after:
                event.allocated = backend(after[0]).memory_allocated(event.device) or None

    def _link(self, event: FunctionEvent, node: Node | None) -> None:
        if node is not None:
            event.sequence_nr = node.seq
            if self.stack:
                self.places[node.seq] = event.stack

    def _end(self, event: FunctionEvent, now: int) -> None:
        if self.closed:
            return
        event.time_range = Interval((event._began - self.began) / 1e3, (now - self.began) / 1e3)
        self.innermost[event.thread] = event.cpu_parent

    def close(self) -> None:
        """Note no more; what is under way ends now."""
        self._wait_for_all()
        now = clock()
        for event in list(self.innermost.values()):
            while event is not None:
                self._end(event, now)
                event = event.cpu_parent
        self.closed = True


class profile:
    """A context manager that notes the time, and on request the memory, of what this thread does inside.

    Args:
        enabled: False makes it do nothing.
        record_shapes: note the shapes of operands.
        profile_memory: note the memory of the arrays that are made.
        with_stack: note where each op was called.
        synchronize: wait for a device after each op, so that the time is that of the op and not of starting it.

    Raises:
        RuntimeError: it is entered twice.

    Example:
        >>> x = tapegrad.ones(3, requires_grad=True)
        >>> with tapegrad.autograd.profiler.profile(record_shapes=True) as prof:
        ...     (x * x).sum().backward()
        >>> [(event.name, event.category, event.input_shapes) for event in prof.function_events][:2]
        [('mul', 'op', [[3], [3]]), ('sum', 'op', [[3], [], [], []])]
        >>> [event.name for event in prof.function_events if event.category == "backward"]
        ['SumBackward0', 'MulBackward0', 'torch::autograd::AccumulateGrad']
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        synchronize: bool = True,
    ) -> None:
        self.enabled = enabled
        self.record_shapes = record_shapes
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.synchronize = synchronize
        self.entered = False
        self._recorder: _Recorder | None = None

    def __enter__(self) -> profile:
        if self.enabled:
            if self.entered:
                raise RuntimeError("Profiler context manager is not reentrant")
            self.entered = True
            self._recorder = _Recorder(self.record_shapes, self.profile_memory, self.with_stack, self.synchronize)
            self._recorder.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._recorder is not None:
            self._recorder.close()
            self._recorder.__exit__(*exc)

    @property
    def function_events(self) -> EventList:
        """All events, as `FunctionEvent` objects in order of beginning.

        Raises:
            RuntimeError: the profiler has not run to its end.
        """
        if self._recorder is None or not self._recorder.closed:
            raise RuntimeError("Profiler didn't finish running")
        return EventList(self._recorder.events, self.profile_memory)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The events summed up by name; see `EventList.key_averages`."""
        return self.function_events.key_averages(group_by_input_shape, group_by_stack_n)

    def total_average(self) -> FunctionEventAvg:
        """The sums over everything."""
        return self.function_events.total_average()

    def table(self, **options: Any) -> str:
        """All events as a table; see `EventList.table`."""
        return self.function_events.table(**options)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as JSON that chrome://tracing and Perfetto show; compressed where `path` ends in .gz."""
        self.function_events.export_chrome_trace(path)

    @property
    def self_cpu_time_total(self) -> float:
        """The time that the events account for, in microseconds."""
        return self.function_events.self_cpu_time_total

    def __str__(self) -> str:
        return (
            self.table()
            if self._recorder is not None and self._recorder.closed
            else "<unfinished torch.autograd.profile>"
        )


class record_function(contextlib.ContextDecorator):
    """Gives a range of the program a name in the profile: a context manager, or a decorator of a function. Without a
    profiler it does nothing.

    Args:
        name: the name.
        args: a text that is kept as the attribute `args`.

    Example:
        >>> with tapegrad.profiler.profile() as prof:
        ...     with tapegrad.profiler.record_function("forward"):
        ...         y = tapegrad.ones(2) + 1
        >>> [(event.name, len(event.cpu_children)) for event in prof.events()]
        [('forward', 1), ('add', 0)]
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args
        self._open: list[tuple[_Recorder, FunctionEvent]] = []

    def _recreate_cm(self) -> record_function:
        return record_function(self.name, self.args)

    def __enter__(self) -> record_function:
        if gate.on:
            self._open = [
                (watcher, watcher.begin_range(self.name))
                for watcher in state.watchers
                if isinstance(watcher, _Recorder) and not watcher.closed
            ]
        return self

    def __exit__(self, *exc: Any) -> None:
        for recorder, event in reversed(self._open):
            recorder.end_range(event)


__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]
