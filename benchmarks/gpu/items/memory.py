"""Facts about memory: the pool, peaks, what happens when there is no more, copies from and to the host."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import tapegrad
from tapegrad.backends import Device
from tapegrad.benchmarks.contender import Contender
from tapegrad.benchmarks.gpu.items.fact import Facts, raised
from tapegrad.benchmarks.gpu.items.launch_cost import timed
from tapegrad.benchmarks.gpu.report.finding import Finding, Skip, noted
from tapegrad.benchmarks.gpu.report.machine import Machine

FACTS = Facts()
items = FACTS.as_items
MIB = 2**20


def microseconds(m: Machine) -> float:
    """What an allocation of a small array takes, and its release."""
    empty = m.xp.empty

    def hundred() -> None:
        for _ in range(100):
            empty(1000, np.float32)

    return timed(hundred, Contender("tapegrad", None, m.device)).median * 1e4


@FACTS("An allocation costs, without and with one of CuPy's memory hooks in Python")
def memory_hook_cost(m: Machine) -> Finding:
    class Hook(m.cupy.cuda.MemoryHook):  # type: ignore[name-defined]
        name = "tapegrad.report.nothing"

        def malloc_postprocess(self, **allocation: Any) -> None:
            pass

    without = microseconds(m)
    with Hook():
        hooked = microseconds(m)
    return noted(f"{without:.2f} us and {hooked:.2f} us", without=without, hooked=hooked)


@FACTS("An allocation costs, before and after reset_peak_memory_stats")
def peak_cost(m: Machine) -> Finding:
    before = microseconds(m)
    m.backend.reset_peak_memory_stats()
    after = microseconds(m)
    m.backend.stop_peak_memory_stats()
    return noted(f"{before:.2f} us and {after:.2f} us", before=before, after=after)


@FACTS("Three arrays of 4 MiB, of which two go again, make a peak of", 3 * 4 * MIB)
def peak_is_exact(m: Machine) -> int:
    backend = m.backend
    backend.reset_peak_memory_stats()
    before = backend.memory_allocated()
    arrays = [m.xp.empty(MIB, np.float32) for _ in range(3)]
    del arrays[1:]
    again = m.xp.empty(1000, np.float32)
    peak = backend.max_memory_allocated() - before
    del arrays, again
    return peak


@FACTS("More than the device has raises, and the program", ["OutOfMemoryError", "and goes on"])
def out_of_memory(m: Machine) -> list[str]:
    if not m.on_cuda:
        raise Skip("needs CuPy on a GPU")
    total = m.backend.memory_info()[1]
    kept = tapegrad.ones(1000, device=m.device)
    # float32: twice what there is
    error = raised(lambda: tapegrad.empty(total // 2, device=m.device), tapegrad.cuda.OutOfMemoryError)
    return [
        error,
        "and goes on"
        if float((tapegrad.ones(MIB, device=m.device).sum() + kept.sum()).item()) == MIB + 1000
        else "is broken",
    ]


@FACTS("After it failed, with every array dropped, the pool holds what it held", "what was free is free")
def pool_after_out_of_memory(m: Machine) -> str:
    cupy = m.cupy
    pool = cupy.get_default_memory_pool()
    used, held = pool.used_bytes(), []
    size = max(m.backend.memory_info()[0] // 16, MIB)
    try:
        for _ in range(32):
            held.append(cupy.empty(size, np.uint8))
    except cupy.cuda.memory.OutOfMemoryError:
        pass  # it is what this is for: `count` below tells whether it came
    count = len(held)
    held.clear()
    pool.free_all_blocks()
    return (
        "what was free is free"
        if pool.used_bytes() == used and 0 < count < 32
        else f"{pool.used_bytes() - used} bytes are lost after {count} arrays"
    )


@FACTS("After 1000 steps of varied sizes the pool holds, of what it needed at most at once")
def fragmentation(m: Machine) -> Finding:
    cupy = m.cupy
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    rng, kept, most, start = np.random.default_rng(0), [], 0, pool.used_bytes()
    for _ in range(1000):
        kept.append(cupy.empty(int(2 ** rng.uniform(9, 24)), np.uint8))
        if len(kept) > 40:
            del kept[int(rng.integers(len(kept)))]
        most = max(most, pool.used_bytes() - start)
    share = pool.total_bytes() / (most + start)
    return noted(f"{share:.2f} times that ({pool.total_bytes() / MIB:.0f} MiB)", share=share)


@FACTS("Copies of 64 MiB to the device and back, from ordinary and from pinned memory")
def host_copies(m: Machine) -> Finding:
    if not m.on_cuda:
        raise Skip("needs CuPy on a GPU")
    plain = np.ones(16 * MIB, np.float32)
    pinned = m.backend.pin(plain)
    there = m.put(plain)
    target = m.cupy.empty_like(there)
    rates = {
        "to, ordinary": rate(m, lambda: target.set(plain), plain.nbytes),
        "to, pinned": rate(m, lambda: target.set(pinned), plain.nbytes),
        "back, ordinary": rate(m, lambda: there.get(out=plain), plain.nbytes),
        "back, pinned": rate(m, lambda: there.get(out=pinned), plain.nbytes),
        "on the device": rate(m, lambda: m.cupy.copyto(target, there), 2 * plain.nbytes),
    }
    return noted(", ".join(f"{way} {gigabytes:.1f} GB/s" for way, gigabytes in rates.items()), **rates)


def rate(m: Machine, call: Callable[[], Any], size: int) -> float:
    """Gigabytes in a second, the best of five."""
    best = float("inf")
    for _ in range(5):
        m.synchronize()
        begun = time.perf_counter()
        call()
        m.synchronize()
        best = min(best, time.perf_counter() - begun)
    return size / best / 1e9


@FACTS("A copy of 256 MiB to the host, and one into pinned memory with non_blocking", ["waits", "returns at once"])
def asynchronous_copies(m: Machine) -> list[str]:
    there = m.cupy.ones(64 * MIB, np.float32)
    words = []
    m.backend.to_host(there, non_blocking=True)  # the pinned memory is kept for the next
    for non_blocking in (False, True):
        m.synchronize()
        begun = time.perf_counter()
        m.backend.to_host(there, non_blocking=non_blocking)
        returned = time.perf_counter() - begun
        m.synchronize()
        whole = time.perf_counter() - begun
        words.append("returns at once" if returned < whole / 2 else "waits")
    return words


@FACTS("Values that are uploaded from pinned memory without blocking, and used at once, are", "the same")
def pinned_upload_order(m: Machine) -> str:
    pinned = m.backend.pin(np.arange(MIB, dtype=np.float32))
    there = m.backend.from_host(pinned, Device(m.device), non_blocking=True)
    return "the same" if np.array_equal(m.get(there * 2), pinned * 2) else "others"
