"""Looking at the tape, and trading time for memory."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapegrad.utils import checkpoint
    from tapegrad.utils.inspect.explain import explain
    from tapegrad.utils.inspect.graph import graph
    from tapegrad.utils.inspect.kept import kept
    from tapegrad.utils.inspect.notes import notes

__all__ = ["checkpoint", "explain", "graph", "kept", "notes"]


def __getattr__(name: str) -> Any:
    # Loaded by those who use it.
    if name in __all__:
        from importlib import import_module
        if name not in _WHERE:
            return import_module(f"tapegrad.utils.{name}")
        found = getattr(import_module(f"tapegrad.utils.{_WHERE[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__


_WHERE = {name: f"inspect.{name}" for name in ("explain", "graph", "kept", "notes")}
