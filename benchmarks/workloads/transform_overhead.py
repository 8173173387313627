"""What a transform costs beyond the arithmetic: chains of elementwise ops on small arrays."""

from __future__ import annotations

from typing import Any

from tapegrad.benchmarks.workload import WORKLOADS, Setting
from tapegrad.benchmarks.workloads.op_overhead import Step

STEPS = 50


def relaxed(x: Any) -> Any:
    """200 elementwise ops."""
    for _ in range(STEPS):
        x = x * 0.99 + x.sin() * 0.01
    return x


@WORKLOADS.timed("func.vmap.small", "vmap of 200 elementwise ops over 20 rows of 6 floats")
def small_vmap(s: Setting) -> Step:
    function, x = s.lib.func.vmap(relaxed), s.randn(20, 6)
    return lambda: [function(x)]


@WORKLOADS.timed("func.jvp.small", "jvp of 200 elementwise ops on 64 floats")
def small_jvp(s: Setting) -> Step:
    x, v, jvp = s.randn(64), s.randn(64), s.lib.func.jvp
    return lambda: list(jvp(relaxed, (x,), (v,)))
