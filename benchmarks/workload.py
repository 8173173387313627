"""`Workload`: one thing to measure, written once against torch's names so that every library that has them can run
it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tapegrad.benchmarks.contender import Contender


@dataclass
class Setting:
    """What a workload is built for: a library with torch's names, one of its devices, and numbers that are the same for
    every contender.
    """

    contender: Contender  # who runs the workload
    quick: bool = False  # whether to shrink what would take long; nothing is judged then
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def lib(self) -> Any:
        """The library: tapegrad, torch."""
        return self.contender.lib

    def array(self, *shape: int) -> np.ndarray:
        """Normal draws, float32."""
        return self.rng.standard_normal(shape, dtype=np.float32)

    def randn(self, *shape: int, requires_grad: bool = False) -> Any:
        """A leaf of normal draws, float32."""
        return self.tensor(self.array(*shape), requires_grad)

    def tensor(self, values: Any, requires_grad: bool = False) -> Any:
        """A leaf with these values on the contender's device."""
        return self.lib.tensor(values, device=self.contender.device, requires_grad=requires_grad)


@dataclass(frozen=True)
class Metric:
    """A measured quantity other than a step's time; smaller is better."""

    name: str  # what it is
    samples: Sequence[float]  # its values, one or more
    unit: str  # "s", "B", or "" for a plain number
    limit: float | None = None  # the most that it may be, on devices of ours


@dataclass(frozen=True)
class Workload:
    """One thing to measure."""

    name: str  # dotted, ``group.what``
    measures: str  # one sentence
    #: takes a `Setting` (and a variant's options). A timed workload returns the step to time, a function of no
    #: arguments that returns the tensors it computed; a probe measures by itself and returns its metrics
    build: Callable[..., Any]
    probe: bool = False  # whether `build` measures by itself
    limit: float | None = None  # the most that a step's time on the CPU may be, as a share of the peer's
    # further options with which the peer runs, by name
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    peers: bool = True  # whether peers run it


class Workloads(dict[str, Workload]):
    """The workloads by name; its methods are the decorators that add one."""

    def timed(
        self, name: str, measures: str, *, limit: float | None = None, variants: dict[str, dict[str, Any]] | None = None
    ) -> Callable[..., Any]:
        """Add the decorated function as a workload whose returned step is timed."""
        return partial(self._add, name, measures, limit=limit, variants=variants or {})

    def probe(self, name: str, measures: str, *, peers: bool = True) -> Callable[..., Any]:
        """Add the decorated function as a workload that measures by itself and returns a list of `Metric`."""
        return partial(self._add, name, measures, probe=True, peers=peers)

    def _add(self, name: str, measures: str, build: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        if name in self:
            raise ValueError(f"a workload named {name!r} exists already")
        self[name] = Workload(name, measures, build, **options)
        return build

    def matching(self, patterns: Sequence[str]) -> list[Workload]:
        """The workloads whose names match any of the patterns, in their own order.

        Raises:
            ValueError: a pattern matches no workload.
        """
        chosen = set()
        for pattern in patterns:
            names = fnmatch.filter(self, pattern)
            if not names:
                raise ValueError(f"no workload matches {pattern!r} (--list prints their names)")
            chosen.update(names)
        return [workload for name, workload in self.items() if name in chosen]


WORKLOADS = Workloads()
