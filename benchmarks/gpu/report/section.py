"""`Section`: a part of the report, made of items that are run one after the other in a process of their own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from tapegrad.benchmarks.gpu.report.finding import Finding
from tapegrad.benchmarks.gpu.report.machine import Machine

Item = Callable[[Machine], Finding]
Items = dict[str, Item]


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    name: str  # what `--only` calls it
    title: str  # its heading
    # ``"module:function"``, the function that returns the items by name; the process that runs them imports it
    source: str
    seconds: float  # how long it may take
    item_seconds: float  # how long one item may take


def items_of(source: str) -> Items:
    """The items that a section's source names.

    Example:
        >>> from tapegrad.benchmarks.gpu.report.section import items_of
        >>> "python" in items_of("tapegrad.benchmarks.gpu.report.environment:items")
        True
    """
    module, _, function = source.partition(":")
    items: Items = getattr(importlib.import_module(module), function)()
    return items
