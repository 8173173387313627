"""A very long graph, and the import of the package."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from time import perf_counter

from tapegrad.benchmarks.workload import WORKLOADS, Metric, Setting


@WORKLOADS.probe(
    "extreme.long_chain",
    "a chain of 1,000,000 ops, forward and backward, with the garbage collector off: its time, and the memory that "
    "is left after it",
)
def long_chain(s: Setting) -> list[Metric]:
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
        metrics += [
            Metric("peak memory", [memory[0]], "B"),
            Metric("memory left", [max(memory[1], 0)], "B", limit=64 * 1024),
        ]
    return metrics


@WORKLOADS.probe("extreme.import", "import in a fresh process: what it takes beyond `import numpy`", peers=False)
def import_time(s: Setting) -> list[Metric]:
    package = s.lib.__name__
    with tempfile.TemporaryDirectory() as cache:
        fresh_import(package, cache), fresh_import("numpy", cache)
        pairs = [(fresh_import(package, cache), fresh_import("numpy", cache)) for _ in range(3 if s.quick else 15)]
    return [
        Metric("time", [own for own, _ in pairs], "s"),
        Metric("time of numpy", [numpys for _, numpys in pairs], "s"),
        Metric("beyond numpy", [own - numpys for own, numpys in pairs], "s", limit=0.080),
    ]


def fresh_import(package: str, cache: str) -> float:
    """Seconds that ``import package`` takes in a new interpreter that finds or leaves its compiled files in `cache`, as
    an installed package has them.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    program = f"from time import perf_counter; start = perf_counter(); import {package}; print(perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"import {package}: {done.stderr.splitlines()[-1]}")
    return float(done.stdout)
