"""What the rules of forward mode are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.operand import Operand


def added(*tangents: Operand) -> Operand:
    """The sum of the tangents that are not None; None if all are."""
    total = None
    for tangent in tangents:
        if tangent is not None:
            total = tangent if total is None else total + tangent
    return total


def through(function: Callable[..., Any], tangent: Operand, *args: Any) -> Operand:
    """``function(tangent, *args)``, or None where `tangent` is None."""
    return None if tangent is None else function(tangent, *args)


def of_product(function: Any, d_a: Any, d_b: Any, a: Any, b: Any, *args: Any) -> Any:
    """The tangent of ``function(a, b, *args)``, which is linear in `a` and in `b`."""
    return added(through(function, d_a, b, *args), None if d_b is None else function(a, d_b, *args))
