"""Timing: the contenders take turns within every round, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import contextlib
import gc
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter
from typing import Any

from tapegrad.benchmarks.contender import Contender
from tapegrad.benchmarks.workload import Metric, Setting, Workload


@dataclass(frozen=True)
class Plan:
    """How to measure."""

    rounds: int = 25  # samples of each contender
    seconds: float = 0.01  # how long a sample lasts at least; the step is repeated within it
    collect: bool = True  # whether Python's garbage collector stays on, as it does in a user's program
    quick: bool = False  # whether this is a look rather than a measurement: long workloads shrink, nothing is judged
    threads: int = 1  # threads of the CPU libraries

    @property
    def judges(self) -> bool:
        """Whether results are held to the targets, which are set for whole runs on one thread."""
        return not self.quick and self.threads == 1


@dataclass(frozen=True)
class Summary:
    """A sample's median, quartiles and extremes."""

    median: float
    q1: float
    q3: float
    min: float
    max: float
    count: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Summary:
        """Summarise one sample or more.

        Example:
            >>> from tapegrad.benchmarks.measure import Summary
            >>> Summary.of([4.0, 1.0, 2.0, 3.0, 5.0])
            Summary(median=3.0, q1=2.0, q3=4.0, min=1.0, max=5.0, count=5)
        """
        q1, median, q3 = (
            statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else list(samples) * 3
        )
        return cls(median, q1, q3, min(samples), max(samples), len(samples))


@dataclass
class Measured:
    """What one contender gave in one workload; a sample averages `loops` calls, or is a probe's own where that is 0."""

    workload: str
    metric: str
    unit: str
    contender: Contender
    variant: str
    samples: list[float]
    loops: int
    peak_bytes: int | None = None
    limit: float | None = None
    limit_of_peer: bool = False


def measure(workload: Workload, contenders: Sequence[Contender], plan: Plan) -> tuple[list[Measured], list[str]]:
    """Run a workload on every contender.

    Returns:
        What was measured, for a timed workload one entry for each contender and variant, for a probe one for each
        metric; and a line for each contender on which the workload raised: the others' results are worth having.
    """
    if not workload.peers:
        contenders = [contender for contender in contenders if contender.ours]
    with _collector(plan.collect):
        return (_probe if workload.probe else _time)(workload, contenders, plan)


def _time(workload: Workload, contenders: Sequence[Contender], plan: Plan) -> tuple[list[Measured], list[str]]:
    pairs: list[tuple[Measured, Callable[[], Any]]] = []
    failed: list[str] = []
    for contender in contenders:
        variants: dict[str, dict[str, Any]] = {"": {}, **({} if contender.ours else workload.variants)}
        for variant, options in variants.items():
            try:
                step = workload.build(Setting(contender, plan.quick), **options)
                loops = calibrate(step, contender, plan.seconds)
            except Exception as error:
                failed.append(_failure(workload, contender, variant, error))
            else:
                limit = workload.limit if contender.ours and contender.device == "cpu" else None
                pairs.append(
                    (
                        Measured(
                            workload.name, "time", "s", contender, variant, [], loops, limit=limit, limit_of_peer=True
                        ),
                        step,
                    )
                )
    gc.collect()
    for turn in range(plan.rounds):
        first = turn % max(len(pairs), 1)
        for result, step in pairs[first:] + pairs[:first]:
            result.samples.append(time_calls(step, result.loops, result.contender))
    for result, step in pairs:
        memory = result.contender.memory(step)
        result.peak_bytes = None if memory is None else memory[0]
    return [result for result, _ in pairs], failed


def _probe(workload: Workload, contenders: Sequence[Contender], plan: Plan) -> tuple[list[Measured], list[str]]:
    results: list[Measured] = []
    failed: list[str] = []
    for contender in contenders:
        try:
            metrics: list[Metric] = workload.build(Setting(contender, plan.quick))
        except Exception as error:
            failed.append(_failure(workload, contender, "", error))
            continue
        for metric in metrics:
            limit = metric.limit if contender.ours else None
            results.append(
                Measured(
                    workload.name, metric.name, metric.unit, contender, "", list(metric.samples), loops=0, limit=limit
                )
            )
    order = list(dict.fromkeys(result.metric for result in results))
    return sorted(results, key=lambda result: order.index(result.metric)), failed


def _failure(workload: Workload, contender: Contender, variant: str, error: Exception) -> str:
    who = f"{contender.name} {variant}".rstrip()
    return f"{workload.name}: {who} on {contender.device}: {error.__class__.__name__}: {' '.join(str(error).split())}"


def time_calls(step: Callable[[], Any], loops: int, contender: Contender) -> float:
    """Seconds that one call of `step` takes, from `loops` of them between two synchronisations of the device."""
    contender.synchronize()
    start = perf_counter()
    for _ in repeat(None, loops):
        step()
    contender.synchronize()
    return (perf_counter() - start) / loops


def calibrate(step: Callable[[], Any], contender: Contender, seconds: float) -> int:
    """Warm `step` up, and find how many calls of it fill a sample of `seconds`."""
    step()  # apart: what a first call does once
    loops = 1
    while (taken := time_calls(step, loops, contender) * loops) < seconds / 2:
        loops *= 2
    return max(1, round(loops * seconds / taken))


@contextlib.contextmanager
def _collector(on: bool) -> Iterator[None]:
    was_on = gc.isenabled()
    (gc.enable if on else gc.disable)()
    try:
        yield
    finally:
        (gc.enable if was_on else gc.disable)()
