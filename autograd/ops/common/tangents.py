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


def of_product(function: Any, d_a: Any, d_b: Any, a: Any, b: Any, *args: Any) -> Any:
    """The tangent of ``function(a, b, *args)``, which is linear in `a` and in `b`."""
    return added(through(function, d_a, b, *args), None if d_b is None else function(a, d_b, *args))
