"""Looking at the tape, and trading time for memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapegrad.autograd.lazy import on_first_use

if TYPE_CHECKING:
    from tapegrad.utils import checkpoint
    from tapegrad.utils.inspect.explain import explain
    from tapegrad.utils.inspect.graph import graph
    from tapegrad.utils.inspect.kept import kept
    from tapegrad.utils.inspect.notes import notes

__all__ = ["checkpoint", "explain", "graph", "kept", "notes"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(
        __name__,
        "checkpoint",
        explain="tapegrad.utils.inspect.explain",
        graph="tapegrad.utils.inspect.graph",
        kept="tapegrad.utils.inspect.kept",
        notes="tapegrad.utils.inspect.notes",
    )
