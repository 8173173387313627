"""`fact`: something that was read in a source or inferred, and that a GPU confirms or refutes. Each is a small function."""
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
    """A fact.

    Args:
        name: as in the report, and in docs/cuda.md.
        about: one sentence.
        expected: what `look` returns where the fact holds; None where it measures and nothing is expected.
        look: finds out; it may return a `Finding` of its own.
    """

    name: str
    about: str
    expected: Any
    look: Callable[[Machine], Any]


class Facts(dict[str, Fact]):
    """The facts of one subject by name; calling it decorates one: ``@FACTS(expected="...")``."""

    def __call__(self, expected: Any = None) -> Callable[[Callable[[Machine], Any]], Callable[[Machine], Any]]:
        """The decorated function finds out about the fact that its docstring states."""
        def add(look: Callable[[Machine], Any]) -> Callable[[Machine], Any]:
            name = look.__name__
            self[name] = Fact(name, (look.__doc__ or "").strip().splitlines()[0], expected, look)
            return look
        return add


def items_of(facts: Facts) -> Items:
    """An item for each fact."""
    return {name: functools.partial(check, fact) for name, fact in facts.items()}


def check(fact: Fact, m: Machine) -> Finding:
    """Find out about a fact."""
    told = fact.look(m)
    if isinstance(told, Finding):
        told.text = f"{fact.about.rstrip('.')}: {told.text}"
        return told
    about = {"about": fact.about, "expected": fact.expected, "found": told}
    if told == fact.expected:
        return Finding("", "ok", f"{fact.about.rstrip('.')}: {shown(told)}", about)
    return Finding("", "unexpected", f"{fact.about.rstrip('.')}: {shown(told)}, where {shown(fact.expected)} was expected", about)


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
