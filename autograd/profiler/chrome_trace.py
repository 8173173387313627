"""A profile in Chrome's format of traces (ph X: a complete event; s and f: an arrow; C: a counter), which Perfetto
reads too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from tapegrad.autograd.core.methods import method_of
from tapegrad.autograd.profiler.events import BACKWARD, EventList, FunctionEvent


@method_of(EventList)
def export_chrome_trace(self: EventList, path: str) -> None:
    """Write the events as JSON that chrome://tracing and Perfetto show; compressed where `path` ends in .gz."""
    document = {
        "traceEvents": list(trace_events(list(self))),
        "displayTimeUnit": "ms",
        "traceName": os.path.basename(path),
    }
    if str(path).endswith(".gz"):
        import gzip

        with gzip.open(path, "wt", encoding="utf-8") as file:
            json.dump(document, file)
    else:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)


def trace_events(events: list[FunctionEvent]) -> Iterator[dict[str, Any]]:
    """The entries of the trace; times in microseconds."""
    pid = os.getpid()
    yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "ts": 0, "args": {"name": "tapegrad"}}
    for thread in dict.fromkeys([event.thread for event in events]):
        yield {
            "ph": "M",
            "name": "thread_name",
            "pid": pid,
            "tid": thread,
            "ts": 0,
            "args": {"name": f"thread {thread}"},
        }
    forward: dict[int, FunctionEvent] = {}
    for event in events:
        start, end = event.time_range
        yield {
            "ph": "X",
            "cat": event.category,
            "name": event.name,
            "pid": pid,
            "tid": event.thread,
            "ts": start,
            "dur": end - start,
            "args": _args(event),
        }
        if event.category != BACKWARD:
            if event.sequence_nr >= 0:
                forward[event.sequence_nr] = event
        elif event.sequence_nr in forward:
            # From the op to the node of the same number.
            made = forward[event.sequence_nr]
            arrow = {"cat": "fwdbwd", "name": "fwdbwd", "id": event.sequence_nr, "pid": pid}
            yield {"ph": "s", **arrow, "tid": made.thread, "ts": made.time_range.start}
            yield {"ph": "f", "bp": "e", **arrow, "tid": event.thread, "ts": start}
        if event.allocated is not None:
            yield {
                "ph": "C",
                "name": f"memory of {event.device or 'cpu'}",
                "pid": pid,
                "ts": end,
                "args": {"allocated": event.allocated},
            }


def _args(event: FunctionEvent) -> dict[str, Any]:
    args: dict[str, Any] = {"External id": event.id}
    if event.sequence_nr >= 0:
        args["Sequence number"] = event.sequence_nr
    if event.input_shapes is not None:
        args["Input Dims"] = event.input_shapes
    if event.stack:
        args["Call stack"] = ";".join(event.stack)
    if event.device is not None:
        args["Device"] = str(event.device)
    if event.cpu_memory_usage or event.device_memory_usage:
        args["Bytes"] = event.cpu_memory_usage + event.device_memory_usage
    return args
