"""What a profile has seen: single events, and their sums by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

#: what an event is: an op's call, a node of the tape in a backward pass, a range of the user's
OP, BACKWARD, RANGE = "op", "backward", "user_annotation"


class Interval(NamedTuple):
    """From when to when, in microseconds since the profile began."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        """The time between."""
        return self.end - self.start


class _Figures:
    """What single events and sums have in common; times in microseconds, memory in bytes.

    Attributes:
        cpu_time_total: time from begin to end; of an op on a device with the wait until it was done.
        self_cpu_time_total: the part of it that no event inside accounts for.
        device_time_total, self_device_time_total: the same of what ran on a device, 0 for the rest.
        cpu_memory_usage, self_cpu_memory_usage: of arrays made on the host, in all and outside of events inside.
        device_memory_usage, self_device_memory_usage: of arrays made on devices.
        self_backward_time_total: the part of `self_cpu_time_total` that was spent in a backward pass.
    """

    __slots__ = ()
    count: int
    cpu_time_total: float
    device_time_total: float

    @property
    def cpu_time(self) -> float:
        """`cpu_time_total` of one call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def device_time(self) -> float:
        """`device_time_total` of one call."""
        return self.device_time_total / self.count if self.count else 0.0


class FunctionEvent(_Figures):
    """One call: of an op, of a node in a backward pass, or of a range named by `record_function`.

    Attributes:
        id: number in order of beginning.
        name: of the op, the node, or the range.
        category: "op" | "backward" | "user_annotation".
        time_range: its begin and end, as an `Interval`.
        thread: the number of the thread.
        cpu_parent, cpu_children: the event around it, or None, and those directly inside.
        input_shapes: the shape of each tensor operand, [] for another argument; None unless shapes are recorded.
        stack: the calls that led to it as ``file(line): function``, the innermost first; of a node, those that led to
            its op. Empty unless recorded.
        sequence_nr: the number of the node that an op recorded or that a pass ran; -1 where there is none.
        device: the device that it ran on, None for the host.
        allocated: bytes in use on that device at its end, as the device's own pool counts; None unless memory is
            profiled.
    """

    __slots__ = (
        "_began",
        "_bytes",
        "allocated",
        "category",
        "cpu_children",
        "cpu_parent",
        "device",
        "id",
        "input_shapes",
        "name",
        "sequence_nr",
        "stack",
        "thread",
        "time_range",
    )
    count = 1

    def __init__(self, id: int, name: str, category: str, thread: int, cpu_parent: FunctionEvent | None) -> None:
        self.id = id
        self.name = name
        self.category = category
        self.thread = thread
        self.cpu_parent = cpu_parent
        self.cpu_children: list[FunctionEvent] = []
        self.time_range = Interval(0.0, 0.0)
        self.input_shapes: list[Any] | None = None
        self.stack: list[str] = []
        self.sequence_nr = -1
        self.device: Any = None
        self.allocated: int | None = None
        self._bytes = 0
        self._began = 0

    @property
    def key(self) -> str:
        """The name under which it is summed up."""
        return self.name

    @property
    def is_user_annotation(self) -> bool:
        """Whether it is a range named by `record_function`."""
        return self.category == RANGE

    @property
    def in_backward(self) -> bool:
        """Whether it is part of a backward pass."""
        event: FunctionEvent | None = self
        while event is not None:
            if event.category == BACKWARD:
                return True
            event = event.cpu_parent
        return False

    @property
    def self_backward_time_total(self) -> float:
        return self.self_cpu_time_total if self.in_backward else 0.0

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:
        return self.cpu_time_total - sum([child.cpu_time_total for child in self.cpu_children])

    @property
    def device_time_total(self) -> float:  # type: ignore[override]
        return (
            self.cpu_time_total
            if self.device is not None
            else sum([child.device_time_total for child in self.cpu_children])
        )

    @property
    def self_device_time_total(self) -> float:
        return self.self_cpu_time_total if self.device is not None else 0.0

    @property
    def self_cpu_memory_usage(self) -> int:
        return self._bytes if self.device is None else 0

    @property
    def cpu_memory_usage(self) -> int:
        return self.self_cpu_memory_usage + sum([child.cpu_memory_usage for child in self.cpu_children])

    @property
    def self_device_memory_usage(self) -> int:
        return self._bytes if self.device is not None else 0

    @property
    def device_memory_usage(self) -> int:
        return self.self_device_memory_usage + sum([child.device_memory_usage for child in self.cpu_children])

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} category={self.category} "
            f"cpu_time={self.cpu_time_total:.3f}us>"
        )


_SUMS = ("cpu_time_total", "device_time_total", "cpu_memory_usage", "device_memory_usage")
_SELF_SUMS = (*["self_" + name for name in _SUMS], "self_backward_time_total")


class FunctionEventAvg(_Figures):
    """The sums over all events of one name.

    Attributes:
        key: the name.
        count: how many there were.
        input_shapes, stack: what they have in common, where they are told apart by it.
    """

    __slots__ = (*_SUMS, *_SELF_SUMS, "category", "count", "input_shapes", "key", "stack")
    self_cpu_time_total: float
    self_device_time_total: float
    cpu_memory_usage: int
    self_cpu_memory_usage: int
    device_memory_usage: int
    self_device_memory_usage: int
    self_backward_time_total: float

    def __init__(self, key: str, category: str = OP) -> None:
        self.key = key
        self.category = category
        self.count = 0
        self.input_shapes = ""
        self.stack: list[str] = []
        for name in (*_SUMS, *_SELF_SUMS):
            setattr(self, name, 0)

    def add(self, event: FunctionEvent) -> None:
        """Count an event in. What lies within another of the same name adds to the sums of self alone, so that no time
        counts twice.
        """
        self.count += 1
        for name in _SELF_SUMS:
            setattr(self, name, getattr(self, name) + getattr(event, name))
        around = event.cpu_parent
        while around is not None:
            if around.key == event.key:
                return
            around = around.cpu_parent
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(event, name))

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} count={self.count} self_cpu_time={self.self_cpu_time_total:.3f}us "
            f"cpu_time={self.cpu_time:.3f}us "
            f"cpu_memory_usage={self.cpu_memory_usage}>"
        )


class EventList(list[Any]):
    """Events in order of beginning, or their sums by name."""

    # `table` and `chrome_trace` put these here.
    table: Callable[..., str]
    export_chrome_trace: Callable[..., None]

    def __init__(self, events: Iterable[Any] = (), profile_memory: bool = False) -> None:
        super().__init__(events)
        self._profile_memory = profile_memory

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The events summed up by name.

        Args:
            group_by_input_shape: events of different shapes are told apart.
            group_by_stack_n: so are those called from different places, by that many of the innermost calls.

        Returns:
            `FunctionEventAvg` objects, in order of first appearance.
        """
        found: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = str(event.input_shapes) if group_by_input_shape and event.input_shapes is not None else ""
            stack = event.stack[:group_by_stack_n]
            key = (event.name, event.category, shapes, *stack)
            if key not in found:
                found[key] = FunctionEventAvg(event.name, event.category)
                found[key].input_shapes = shapes
                found[key].stack = stack
            found[key].add(event)
        return EventList(found.values(), self._profile_memory)

    def total_average(self) -> FunctionEventAvg:
        """The sums over everything."""
        total = FunctionEventAvg("Total")
        for event in self:
            total.count += event.count
            for name in _SELF_SUMS:
                setattr(total, name, getattr(total, name) + getattr(event, name))
        for name in _SUMS:
            setattr(total, name, getattr(total, "self_" + name))
        return total

    @property
    def self_cpu_time_total(self) -> float:
        """The time that the events account for, in microseconds."""
        return sum([event.self_cpu_time_total for event in self])

    def __str__(self) -> str:
        return self.table()


def sort_key(name: str) -> Callable[[Any], Any]:
    """The figure of that name, by whatever device PyTorch calls it."""
    name = name.replace("cuda", "device")
    return lambda event: getattr(event, name)
