"""The peak memory of training steps, compared with PyTorch's, and the memory that the process has from the driver."""

from __future__ import annotations

import functools
from typing import Any

from tapegrad.benchmarks.gpu.report.finding import Finding, Skip, noted
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.section import Items
from tapegrad.benchmarks.report import quantity
from tapegrad.benchmarks.workload import Setting
from tapegrad.benchmarks.workloads import WORKLOADS

STEPS = ("train.mlp.adam.b32", "train.cnn.sgd.b32", "reduction.softmax")


def items() -> Items:
    """One for each step, and one for the process."""
    return {**{name: functools.partial(step, name) for name in STEPS}, "deep chain": chain, "process": process}


def step(name: str, m: Machine) -> Finding:
    """The peak of a workload's step above what was held before it."""
    return _compared(m, lambda c: WORKLOADS[name].build(Setting(c)))


def chain(m: Machine) -> Finding:
    """A chain of 20 tanh of 4 MiB each, forward and backward: the results are kept, and 20 of them are 80 MiB."""

    def build(c: Any) -> Any:
        x = c.lib.ones(2**20, device=c.device, requires_grad=True)

        def run() -> None:
            x.grad = None
            y = x
            for _ in range(20):
                y = y.tanh()
            y.sum().backward()

        return run

    return _compared(m, build)


def _compared(m: Machine, build: Any) -> Finding:
    peaks = {
        contender.name: memory[0]
        for contender in m.contenders
        if (memory := contender.memory(build(contender))) is not None
    }
    ours = peaks["tapegrad"]
    peers = "".join(
        f"; {name} {quantity(peak, 'B')}, ratio {ours / peak:.2f}"
        for name, peak in peaks.items()
        if name != "tapegrad" and peak
    )
    return noted(f"{quantity(ours, 'B')}{peers}", **peaks)


def process(m: Machine) -> Finding:
    """What the pool has, and what the driver says is used."""
    if not m.on_cuda:
        raise Skip("needs CuPy on a GPU")
    used, reserved = m.backend.memory_allocated(), m.backend.memory_reserved()
    free, total = m.backend.memory_info()
    return noted(
        f"{quantity(used, 'B')} in arrays, {quantity(reserved, 'B')} in the pool, {quantity(total - free, 'B')} of "
        f"{quantity(total, 'B')} in use on "
        "the device (contexts and other processes included)",
        used=used,
        reserved=reserved,
        device=total - free,
        total=total,
    )
