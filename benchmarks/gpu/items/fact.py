"""`fact`: something that was read in a source or inferred, and that a GPU confirms or refutes. Each is a small
function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from tapegrad.benchmarks.gpu.report.finding import Finding, Skip
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.section import Items

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = (*map(np.dtype, "?bBhHiIqQe"), BFLOAT16, *map(np.dtype, "fdFD"))
HALVES = (np.dtype(np.float16), BFLOAT16)


@dataclass(frozen=True)
class Fact:
    """A fact."""

    name: str  # as in the report, and in docs/cuda.md
    about: str  # one sentence
    expected: Any  # what `look` returns where the fact holds; None where it measures and nothing is expected
    look: Callable[[Machine], Any]  # finds out; it may return a `Finding` of its own


class Facts(dict[str, Fact]):
    """The facts of one subject by name: ``@FACTS("what it says", expected)`` enters one, ``FACTS.as_items()`` are the
    items of a section.
    """

    def __call__(
        self, about: str, expected: Any = None
    ) -> Callable[[Callable[[Machine], Any]], Callable[[Machine], Any]]:
        """Enter the decorated function, which finds out whether the fact `about` is as `expected`."""

        def add(look: Callable[[Machine], Any]) -> Callable[[Machine], Any]:
            self[look.__name__] = Fact(look.__name__, about, expected, look)
            return look

        return add

    def as_items(self) -> Items:
        """An item for each fact."""
        return {name: functools.partial(check, fact) for name, fact in self.items()}


def check(fact: Fact, m: Machine) -> Finding:
    """Find out about a fact."""
    result = fact.look(m)
    if isinstance(result, Finding):
        result.text = f"{fact.about}: {result.text}"
        return result
    values = {"about": fact.about, "expected": fact.expected, "found": result}
    if result == fact.expected:
        return Finding("", "ok", f"{fact.about}: {shown(result)}", values)
    return Finding(
        "", "unexpected", f"{fact.about}: {shown(result)}, where {shown(fact.expected)} was expected", values
    )


def shown(value: Any) -> str:
    """A value in words."""
    return ", ".join(map(shown, value)) if isinstance(value, (list, tuple)) else str(value)


def raised(call: Callable[[], Any], errors: type[BaseException] | tuple[type[BaseException], ...] = Exception) -> str:
    """The name of the error that a call raises, or "nothing"."""
    try:
        call()
    except Skip:
        raise
    except errors as error:
        return error.__class__.__name__
    return "nothing"


def relative_error(got: np.ndarray, exact: np.ndarray) -> float:
    """The largest error, as a share of the largest number."""
    return float(np.abs(got.astype(exact.dtype) - exact).max() / np.abs(exact).max())
