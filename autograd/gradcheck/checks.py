"""The checks of one case, by mode: reverse, forward, and what a backward pass may be asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapegrad.autograd.gradcheck.batched import check_batched_gradients, check_batched_tangents
from tapegrad.autograd.gradcheck.case import (
    Case,
    as_tuple,
    is_complex,
)
from tapegrad.autograd.gradcheck.compare import compare, directions
from tapegrad.autograd.gradcheck.forward import check_missing_tangents
from tapegrad.autograd.gradcheck.reverse import check_missing_gradients, check_zero_gradients

PARTS = ("imaginary", "real")


def _of_results(part: str, function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """`function` with the real or imaginary part of its complex results."""

    def parts(*inputs: Any) -> tuple[Any, ...]:
        return tuple(
            (t.imag if part == "imaginary" else t.real) if is_complex(t) else t for t in as_tuple(function(*inputs))
        )

    return parts


def _of_inputs(part: str, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Callable[..., tuple[Any, ...]]:
    """`function` of the real or imaginary part of its complex inputs; the other part is as it is in `inputs`."""

    def whole(t: Any, at: Any) -> Any:
        if not is_complex(at):
            return t
        return at.real + t * 1j if part == "imaginary" else t + at.imag * 1j

    return lambda *parts: as_tuple(function(*map(whole, parts, inputs)))


def check_reverse(case: Case) -> None:
    numbers = frozenset(n for n, t in enumerate(case.results) if is_complex(t))
    for part in PARTS if numbers else ("",):
        function = _of_results(part, case.function) if part else case.function
        results = as_tuple(function(*case.inputs)) if part else case.results
        compare(case._replace(function=function, results=results, part=part, complex_ones=numbers), False)


def check_forward(case: Case, missing: bool) -> None:
    numbers = frozenset(n for n, t in enumerate(case.inputs) if is_complex(t))
    parts = []
    for part in PARTS if numbers else ("",):
        this = case
        if part:
            function = _of_inputs(part, case.function, case.inputs)
            inputs = tuple((t.imag if part == "imaginary" else t.real) if is_complex(t) else t for t in case.inputs)
            this = case._replace(
                function=function, inputs=inputs, results=function(*inputs), part=part, complex_ones=numbers
            )
        compare(this, True)
        parts.append(this)
    for this in parts if missing else ():
        check_missing_tangents(this, directions(this))


def check_backward(case: Case, batched: bool, missing: bool) -> None:
    """What must hold of a backward besides the numbers."""
    if batched:
        check_batched_gradients(case)
    check_zero_gradients(case)
    if missing:
        check_missing_gradients(case)


__all__ = ["check_backward", "check_batched_tangents", "check_forward", "check_reverse"]
