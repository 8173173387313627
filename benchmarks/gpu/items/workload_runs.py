"""A few of the benchmarks, on the CPU, the device and PyTorch on both."""

from __future__ import annotations

import functools
from dataclasses import asdict

from tapegrad.benchmarks.cli import run as run_workloads
from tapegrad.benchmarks.contender import PEERS
from tapegrad.benchmarks.gpu.report.finding import Finding, failed, noted
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.section import Items
from tapegrad.benchmarks.measure import Plan
from tapegrad.benchmarks.report import quantity
from tapegrad.benchmarks.workloads import WORKLOADS

NAMES = (
    "op.elementwise",
    "op.matmul",
    "elementwise.mul_add",
    "reduction.softmax",
    "matmul.1024",
    "train.mlp.adam.b32",
    "train.cnn.sgd.b32",
)
PLAN = Plan(rounds=7, seconds=0.01)


def items() -> Items:
    """One for each workload."""
    return {name: functools.partial(run, name) for name in NAMES}


def run(name: str, m: Machine) -> Finding:
    """Run a workload as ``tapegrad-bench`` does."""
    report = run_workloads([WORKLOADS[name]], ["cpu", m.device], list(PEERS), PLAN)
    values = {"rows": [asdict(row) for row in report.rows], "skipped": report.skipped}
    if report.failed:
        return failed("; ".join(report.failed), **values)
    words = []
    for row in report.rows:
        if not row.variant:
            ratios = "".join(
                f", {ratio.median:.2f} of {of}"
                for ratio, of in ((row.of_peer, "PyTorch's"), (row.of_cpu, "the CPU's"))
                if ratio
            )
            peak = f", peak {quantity(row.peak_bytes, 'B')}" if row.peak_bytes is not None else ""
            words.append(f"{row.contender} {row.device} {quantity(row.summary.median, 's')}{ratios}{peak}")
    return noted("; ".join(words), **values)
