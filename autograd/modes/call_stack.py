"""Where a call came from: the program's own lines, without those of the library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

#: modules whose lines are left out where they are the innermost
_MACHINERY = ("tapegrad.autograd.", "tapegrad.backends.", "tapegrad.profiler")


def _belongs(frame: FrameType, modules: str | tuple[str, ...]) -> bool:
    """Whether the frame's code belongs to an op or to `modules`. Code of a doctest or a prompt is the user's, in
    whatever module it runs.
    """
    file = frame.f_code.co_filename
    if file.startswith("<"):
        return file.startswith("<tapegrad op")
    name: str = frame.f_globals.get("__name__", "")
    return name.startswith(modules)


class Stack:
    """The calls in progress, the outermost first. Source lines are looked up only when shown.

    Iterating gives the texts of `traceback.format_stack`.
    """

    __slots__ = ("calls",)

    def __init__(self) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and _belongs(frame, _MACHINERY):
            frame = frame.f_back
        # Code and line, not the frame, which would keep the caller's variables alive.
        calls = []
        while frame is not None:
            calls.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        calls.reverse()
        self.calls = tuple(calls)

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[str]:
        import linecache
        import traceback

        linecache.checkcache()
        return iter(
            traceback.StackSummary.from_list(
                [(code.co_filename, line, code.co_name, None) for code, line in self.calls]
            ).format()
        )

    def __str__(self) -> str:
        return "".join(self)

    def places(self) -> list[str]:
        """The calls as ``file(line): function``, the innermost first."""
        return [f"{code.co_filename}({line}): {code.co_name}" for code, line in reversed(self.calls)]


def warn_caller(message: str) -> None:
    """Warn at the innermost line that is not tapegrad's."""
    import warnings

    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _belongs(frame, "tapegrad"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
