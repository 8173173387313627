"""The profiler, by the names of `torch.profiler`; `tapegrad.autograd.profiler.recorder` says what it measures, and what
that costs.
"""

from __future__ import annotations

import enum
import os
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from tapegrad import cuda
from tapegrad.autograd import profiler as _profiler
from tapegrad.autograd.profiler.events import EventList
from tapegrad.autograd.profiler.recorder import record_function


class ProfilerActivity(enum.Enum):
    """What is profiled: the host's work, or that of a device too."""

    CPU = 0
    CUDA = 2


class ProfilerAction(enum.Enum):
    """What a profiler does during a step: see `schedule`."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


_RECORDS = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities() -> set[ProfilerActivity]:
    """The activities that can be profiled here.

    Example:
        >>> tapegrad.profiler.ProfilerActivity.CPU in tapegrad.profiler.supported_activities()
        True
    """
    return {ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda.is_available() else [])}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0
) -> Callable[[int], ProfilerAction]:
    """Which steps to profile: of each cycle, some are waited for, some are profiled and thrown away, some are kept.

    Args:
        wait: steps without the profiler.
        warmup: steps whose profile is thrown away.
        active: steps whose profile is kept.
        repeat: the number of cycles; 0: no end.
        skip_first: steps before the first cycle.

    Returns:
        A function from the number of a step to what is done during it.

    Example:
        >>> plan = tapegrad.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
        >>> [plan(step).name for step in range(5)]
        ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if not (wait >= 0 and warmup >= 0 and active > 0 and repeat >= 0 and skip_first >= 0):
        raise AssertionError("Invalid profiler schedule arguments")
    if not warmup:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", stacklevel=2)
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        step -= skip_first
        if step < 0 or (repeat and step // cycle >= repeat):
            return ProfilerAction.NONE
        step %= cycle
        if step < wait:
            return ProfilerAction.NONE
        if step < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if step < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """A function for `on_trace_ready` that writes each trace to a file of its own in the folder `dir_name`.

    Args:
        dir_name: the folder, made if need be.
        worker_name: the beginning of the file's name; by default host and process.

    Example:
        >>> import os, tempfile, tapegrad
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     handler = tapegrad.profiler.tensorboard_trace_handler(folder, "worker")
        ...     with tapegrad.profiler.profile(on_trace_ready=handler):
        ...         y = tapegrad.ones(2) + 1
        ...     [name.split(".")[0] for name in os.listdir(folder)]
        ['worker']
    """

    def handle(prof: profile) -> None:
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError("Can't create directory: " + dir_name) from error
        import platform

        worker = worker_name or f"{platform.node()}_{os.getpid()}"
        prof.export_chrome_trace(
            os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}")
        )

    return handle


class profile:
    """A context manager that records the time, and on request the memory, of what this thread does inside.

    Methods that return or write results raise AssertionError before it has run.

    Args:
        activities: without ``ProfilerActivity.CUDA`` the host does not wait for devices, and times are those of
            starting work there. By default it does.
        schedule: which steps to profile, as `schedule` makes it; the program then calls ``step()`` after each.
        on_trace_ready: called with the profiler whenever there is a profile to look at.
        record_shapes: record the shapes of operands.
        profile_memory: record the memory of the arrays that are made.
        with_stack: record where each op was called.

    Example:
        >>> x = tapegrad.ones(4, 4, requires_grad=True)
        >>> with tapegrad.profiler.profile(profile_memory=True) as prof:
        ...     with tapegrad.profiler.record_function("loss"):
        ...         loss = (x @ x).tanh().sum()
        ...     loss.backward()
        >>> sums = prof.key_averages()
        >>> [(row.key, row.count, row.cpu_memory_usage) for row in sums][:4]
        [('loss', 1, 132), ('mm', 1, 64), ('tanh', 1, 64), ('sum', 1, 4)]
        >>> print(sums.table(sort_by="cpu_time_total", row_limit=3).splitlines()[1].split()[:4])
        ['Name', 'Self', 'time', '%']
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
    ) -> None:
        chosen = None if activities is None else set(activities)
        if chosen is not None and not chosen:
            raise AssertionError("No valid profiler activities found")
        self.schedule = schedule or _always
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.profiler: _profiler.profile | None = None
        self._stepping = schedule is not None
        self._range: record_function | None = None
        self._options = {
            "record_shapes": record_shapes,
            "profile_memory": profile_memory,
            "with_stack": with_stack,
            "synchronize": chosen is None or ProfilerActivity.CUDA in chosen,
        }

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, as entering does."""
        self._begin(ProfilerAction.NONE)

    def stop(self) -> None:
        """End, as leaving does."""
        self._end_step()
        if self.current_action is not ProfilerAction.NONE:
            self._stop(self.current_action in _RECORDS)
        self.current_action = ProfilerAction.NONE

    def step(self) -> None:
        """The program's next step begins."""
        self._end_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._stop(True)
        elif before is ProfilerAction.WARMUP and self.current_action is not ProfilerAction.WARMUP:
            self._stop(False)
        elif before is ProfilerAction.RECORD and self.current_action not in _RECORDS:
            self._stop(True)
        self._begin(before)

    def _begin(self, before: ProfilerAction) -> None:
        running = (
            before in _RECORDS and before is not ProfilerAction.RECORD_AND_SAVE and self.current_action in _RECORDS
        )
        running = running or before is self.current_action is ProfilerAction.WARMUP
        if self.current_action is not ProfilerAction.NONE and not running:
            self.profiler = _profiler.profile(**self._options).__enter__()
        if self._stepping and self.current_action is not ProfilerAction.NONE:
            self._range = record_function(f"ProfilerStep#{self.step_num}")
            self._range.__enter__()

    def _end_step(self) -> None:
        if self._range is not None:
            self._range.__exit__(None, None, None)
            self._range = None

    def _stop(self, ready: bool) -> None:
        assert self.profiler is not None
        self.profiler.__exit__(None, None, None)
        if ready and self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def events(self) -> EventList:
        """All events, as `tapegrad.autograd.profiler.FunctionEvent` objects in order of beginning."""
        return self._profiler("accessing events").function_events

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The events summed up by name.

        Args:
            group_by_input_shape: events of different shapes are summed up apart.
            group_by_stack_n: so are those called from different places, by that many of the innermost calls.
        """
        return self._profiler("getting key averages").key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as JSON that chrome://tracing and Perfetto show; compressed where `path` ends in .gz."""
        self._profiler("exporting chrome trace").export_chrome_trace(path)

    def _profiler(self, purpose: str) -> _profiler.profile:
        if self.profiler is None:
            raise AssertionError(f"Profiler must be initialized before {purpose}")
        return self.profiler


__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
