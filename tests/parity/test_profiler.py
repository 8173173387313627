"""The profiler's schedules are PyTorch's, and it counts the same nodes and ranges."""

from __future__ import annotations

import itertools
import warnings

import pytest

import tapegrad

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("repeat, skip_first", list(itertools.product((0, 1, 2), (0, 3))))
@pytest.mark.parametrize("wait, warmup, active", [(0, 0, 1), (0, 1, 1), (1, 0, 2), (1, 1, 3), (2, 3, 2)])
def test_schedules(wait, warmup, active, repeat, skip_first):
    plans = []
    for lib in (torch, tapegrad):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            plans.append(
                lib.profiler.schedule(wait=wait, warmup=warmup, active=active, repeat=repeat, skip_first=skip_first)
            )
        assert [str(warning.message) for warning in told] == [
            "Profiler won't be using warmup, this can skew profiler results"
        ] * (not warmup)
    for step in range(25):
        expected, found = [plan(step).name for plan in plans]
        assert found == expected, f"step {step}"


def test_counts_of_nodes_and_ranges():
    def counts(lib):
        x = lib.ones(3, 3, requires_grad=True)
        with lib.profiler.profile(activities=[lib.profiler.ProfilerActivity.CPU]) as prof:
            for _ in range(2):
                with lib.profiler.record_function("forward"):
                    y = (x.exp() * x).tanh().sum()
                y.backward()
        return {row.key: row.count for row in prof.key_averages()}

    expected, found = counts(torch), counts(tapegrad)
    for name in (
        "forward",
        "ExpBackward0",
        "MulBackward0",
        "TanhBackward0",
        "SumBackward0",
        "torch::autograd::AccumulateGrad",
    ):
        assert found[name] == expected[name] == 2
    for name in ("exp", "mul", "tanh", "sum"):
        assert found[name] == 2
