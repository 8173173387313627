"""What an op copies, or waits for, under a name that counts as asked for."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType

from tapegrad.backends.strict.transfers import refusing, watching

#: where a program asks: what calls these asks for a crossing, and is blamed for it
_ASKED = (
    "tapegrad.backends.",
    "tapegrad.autograd.interchange.python_protocols",
    "tapegrad.autograd.ops.creation.factories",
    "tapegrad.autograd.interchange.printing",
)


def asker() -> str:
    """The module and function that asked for the crossing under way."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_ASKED):
        frame = frame.f_back
    return (
        "" if frame is None else f"{frame.f_globals.get('__name__', frame.f_code.co_filename)}.{frame.f_code.co_name}"
    )


@contextlib.contextmanager
def nothing_crosses() -> Iterator[None]:
    """Inside, whatever crosses must be asked for by the test itself."""

    def watch(kind: str, cause: str, size: int | None, asked: bool) -> None:
        who = asker()
        if (
            asked
            and who.startswith(("tapegrad.", "<tapegrad"))
            and not who.startswith("tapegrad.autograd.ops.creation.casts_and_copies")
        ):
            raise AssertionError(f"{who} makes a {kind} by {cause}, which nobody asked for")

    with refusing(), watching(watch):
        yield
