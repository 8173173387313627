"""Names that are loaded when they are first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def on_first_use(package: str, *modules: str, **homes: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and the ``__dir__`` of a package some of whose names are loaded when they are asked for.

    Args:
        package: the package.
        *modules: names of its modules.
        **homes: further names, each with the module that defines it.

    Example:
        >>> tapegrad.profiler.__name__, "profiler" in dir(tapegrad)
        ('tapegrad.profiler', True)
    """

    def find(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name in homes:
            value = getattr(import_module(homes[name]), name)
            setattr(sys.modules[package], name, value)
            return value
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules, *homes})

    return find, names
