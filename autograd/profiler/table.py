"""A profile as a table of text."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.methods import method_of
from tapegrad.autograd.profiler.events import EventList, sort_key


def format_time(us: float) -> str:
    """A time given in microseconds."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def format_memory(nbytes: int) -> str:
    """An amount of memory."""
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(nbytes) >= size:
            return f"{nbytes / size:.2f} {unit}"
    return f"{nbytes} B"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "NaN"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


@method_of(EventList)
def table(
    self: EventList,
    sort_by: str | None = None,
    row_limit: int = 100,
    max_src_column_width: int = 75,
    max_name_column_width: int = 55,
    max_shapes_column_width: int = 80,
    header: str | None = None,
    top_level_events_only: bool = False,
) -> str:
    """The events as a table to print.

    Args:
        sort_by: the figure to sort by, the largest first, such as "self_cpu_time_total", "cpu_time_total",
            "cpu_memory_usage", "count"; None: as they are.
        row_limit: how many rows to show, -1 for all.
        max_src_column_width, max_name_column_width, max_shapes_column_width: what is longer is cut.
        header: a line above the table.
        top_level_events_only: show only events that are not inside others.

    Raises:
        AttributeError: `sort_by` names no figure.
    """
    if not self:
        return ""
    whole = self.self_cpu_time_total
    rows: list[Any] = list(self)
    if sort_by is not None:
        rows.sort(key=sort_key(sort_by), reverse=True)
    if top_level_events_only:
        rows = [event for event in rows if getattr(event, "cpu_parent", None) is None]
    if row_limit >= 0:
        rows = rows[:row_limit]
    columns: list[tuple[str, list[str]]] = [
        ("Name", [_cut(event.key, max_name_column_width) for event in rows]),
        ("Self time %", [_share(event.self_cpu_time_total, whole) for event in rows]),
        ("Self time", [format_time(event.self_cpu_time_total) for event in rows]),
        ("Total time %", [_share(event.cpu_time_total, whole) for event in rows]),
        ("Total time", [format_time(event.cpu_time_total) for event in rows]),
        ("Time avg", [format_time(event.cpu_time) for event in rows]),
    ]
    if self._profile_memory:
        columns += [
            ("Host mem", [format_memory(event.cpu_memory_usage) for event in rows]),
            ("Self host mem", [format_memory(event.self_cpu_memory_usage) for event in rows]),
        ]
        if any(event.device_memory_usage for event in self):
            columns += [
                ("Device mem", [format_memory(event.device_memory_usage) for event in rows]),
                ("Self device mem", [format_memory(event.self_device_memory_usage) for event in rows]),
            ]
    columns.append(("# of Calls", [str(event.count) for event in rows]))
    if any(event.input_shapes for event in self):
        columns.append(
            ("Input Shapes", [_cut(str(event.input_shapes or ""), max_shapes_column_width) for event in rows])
        )
    if any(event.stack for event in self):
        columns.append(
            ("Source Location", [_cut(event.stack[0], max_src_column_width) if event.stack else "" for event in rows])
        )
    backward = sum([event.self_backward_time_total for event in self])
    return (
        f"{_text(columns, header)}\nSelf time total: {format_time(whole)} (forward "
        f"{format_time(whole - backward)}, backward {format_time(backward)})\n"
    )


def _text(columns: list[tuple[str, list[str]]], header: str | None) -> str:
    widths = [max(map(len, [title, *cells])) for title, cells in columns]
    rule = "  ".join("-" * width for width in widths)
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths))
        for row in zip(*([title, *cells] for title, cells in columns))
    ]
    return "\n".join([*([header] if header else []), rule, lines[0], rule, *lines[1:], rule])
