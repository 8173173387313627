"""A very long graph, and the import of the package."""
from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter

from tapegrad.benchmarks.workload import WORKLOADS, Metric, Setting


@WORKLOADS.probe("extreme.long_chain")
def long_chain(s: Setting) -> list[Metric]:
    """a chain of 1,000,000 ops, forward and backward, with the garbage collector off: its time, and the memory that is left after it"""
    x = s.randn(8, requires_grad=True)
    w, seed = s.randn(8), s.randn(8)

    def chain(ops: int) -> Callable[[], None]:
        def run() -> None:
            x.grad = None
            y = x
            for _ in range(ops):
                y = y + w
            y.backward(seed)
        return run

    ops = 10_000 if s.quick else 1_000_000
    run, short = chain(ops), chain(20_000)  # the short one fills the caches of freed objects that Python and NumPy keep
    short()
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = perf_counter()
        run()
        s.contender.synchronize()
        seconds = perf_counter() - start
        memory = s.contender.memory(run, short)
    finally:
        if collecting:
            gc.enable()
    metrics = [Metric("time", [seconds], "s")]
    if memory is not None:
        # A chain that left anything behind for each op would leave megabytes.
        metrics += [Metric("peak memory", [memory[0]], "B"), Metric("memory left", [max(memory[1], 0)], "B", limit=64 * 1024)]
    return metrics


@WORKLOADS.probe("extreme.import", peers=False)
def import_time(s: Setting) -> list[Metric]:
    """import in a fresh process: what it takes beyond `import numpy`"""
    package = s.lib.__name__
    fresh_import(package), fresh_import("numpy")
    pairs = [(fresh_import(package), fresh_import("numpy")) for _ in range(3 if s.quick else 15)]
    return [
        Metric("time", [own for own, _ in pairs], "s"),
        Metric("time of numpy", [numpys for _, numpys in pairs], "s"),
        Metric("beyond numpy", [own - numpys for own, numpys in pairs], "s", limit=0.080),
    ]


def fresh_import(package: str) -> float:
    """Seconds that ``import package`` takes in a new interpreter."""
    program = f"from time import perf_counter; start = perf_counter(); import {package}; print(perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)
