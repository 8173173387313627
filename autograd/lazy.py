"""Modules that are loaded when they are first asked for."""
from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def on_first_use(package: str, *names: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package that imports its modules `names` when they are asked for.

    Example:
        >>> tapegrad.profiler.__name__
        'tapegrad.profiler'
    """

    def find(name: str) -> Any:
        if name in names:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return find
