"""`Finding`: one line of the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: what became of an item, the well ones first
WELL = ("ok", "noted", "skipped")
BAD = ("unexpected", "failed", "crashed", "hung", "not run")


class Skip(Exception):
    """An item is not possible here; the text says why."""


@dataclass
class Finding:
    """What one item of a section gave."""

    name: str  # the item's
    #: "ok"; "noted", a measurement of which nothing was expected; "skipped", it is not possible here;
    #: "unexpected", a fact is not what was expected; "failed", it raised or gave wrong numbers; "crashed", its
    #: process died; "hung", it took longer than it may; "not run", no time was left
    status: str
    text: str = ""  # one line
    values: dict[str, Any] = field(default_factory=dict)  # the same for programs
    seconds: float = 0.0  # how long it took

    @property
    def well(self) -> bool:
        """Whether there is nothing to look at."""
        return self.status in WELL


def ok(text: str, **values: Any) -> Finding:
    """A finding that is as it should be; whoever runs the item gives it its name."""
    return Finding("", "ok", text, values)


def noted(text: str, **values: Any) -> Finding:
    """A measurement of which nothing was expected."""
    return Finding("", "noted", text, values)


def failed(text: str, **values: Any) -> Finding:
    """Something is wrong."""
    return Finding("", "failed", text, values)
