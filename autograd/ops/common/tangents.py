"""What the rules of forward mode are made of."""

from __future__ import annotations

from typing import Any


def added(*parts: Any) -> Any:
    """The sum of the tangents that there are; None if there is none."""
    found = [part for part in parts if part is not None]
    total = found[0] if found else None
    for part in found[1:]:
        total = total + part
    return total


def through(function: Any, tangent: Any, *args: Any) -> Any:
    """``function(tangent, *args)``, None where there is no tangent."""
    return None if tangent is None else function(tangent, *args)
