"""How many threads the CPU libraries use: they read it from the environment, once, when they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

# OpenMP (torch among others), OpenBLAS, MKL, Apple's Accelerate, BLIS
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")


def are(threads: int) -> bool:
    """Whether this process was started with this number of threads."""
    return all(os.environ.get(name) == str(threads) for name in VARIABLES)


def start_with(threads: int, arguments: Sequence[str]) -> int:
    """Run the benchmarks in a new process that has this number of threads, and return its exit status."""
    environment = {**os.environ, **{name: str(threads) for name in VARIABLES}}
    return subprocess.call([sys.executable, "-m", "tapegrad.benchmarks", *arguments], env=environment)
