"""Facts about streams, events and captured graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapegrad
from tapegrad.backends.kernels import launch
from tapegrad.backends.numerics import philox
from tapegrad.benchmarks.gpu.items.fact import Facts, raised
from tapegrad.benchmarks.gpu.report.finding import Finding, noted
from tapegrad.benchmarks.gpu.report.machine import Machine

FACTS = Facts()
items = FACTS.as_items
BUSY = """
extern "C" __global__ void busy(float* x, long long ticks) {
    const long long start = clock64();
    while (clock64() - start < ticks) {}
    if (threadIdx.x == 0) x[0] = 1;
}
"""
TICKS = 100_000_000  # some 50 to 100 ms


def busy(m: Machine, x: Any) -> None:
    """Keep the current stream busy, then write 1."""
    m.cupy.RawKernel(BUSY, "busy")((1,), (1,), (x, np.int64(TICKS)))


@FACTS("CuPy's stream, where none is set, is", "the legacy default stream")
def current_stream(m: Machine) -> str:
    return "the legacy default stream" if m.cupy.cuda.get_current_stream().ptr in (0, 1) else "another"


@FACTS(
    "A non-blocking stream, unasked and after wait_event, for work of the default stream", ["does not wait", "waits"]
)
def order_of_streams(m: Machine) -> list[str]:
    cupy = m.cupy
    busy(m, cupy.zeros(1, np.float32))  # compiled before anything is timed
    words = []
    for asked in (False, True):
        x = cupy.zeros(1, np.float32)
        m.synchronize()
        stream = cupy.cuda.Stream(non_blocking=True)
        busy(m, x)
        event = cupy.cuda.get_current_stream().record()
        if asked:
            stream.wait_event(event)
        with stream:
            y = x.copy()
        stream.synchronize()
        words.append("waits" if float(y.get(stream=stream)[0]) == 1 else "does not wait")
        m.synchronize()
    return words


@FACTS("The same with tapegrad.cuda.Stream, unasked and after wait_stream", ["does not wait", "waits"])
def our_streams(m: Machine) -> list[str]:
    cupy = m.cupy
    busy(m, cupy.zeros(1, np.float32))
    words = []
    for asked in (False, True):
        x = tapegrad.zeros(1, device=m.device)
        m.synchronize()
        stream = tapegrad.cuda.Stream()
        before = tapegrad.cuda.current_stream()
        busy(m, x.array)
        with tapegrad.cuda.stream(stream):
            if asked:
                stream.wait_stream(before)
            y = x.clone()
        stream.synchronize()
        with tapegrad.cuda.stream(stream):
            words.append("waits" if float(y.item()) == 1 else "does not wait")
        m.synchronize()
    return words


@FACTS("Memory that was allocated on a stream and freed on another", "goes back to its own stream")
def freed_memory(m: Machine) -> str:
    cupy = m.cupy
    stream = cupy.cuda.Stream(non_blocking=True)
    size = 3 * 2**20
    with stream:
        x = cupy.empty(size, np.uint8)
    pointer = x.data.ptr
    del x
    other = cupy.empty(size, np.uint8).data.ptr
    with stream:
        same = cupy.empty(size, np.uint8).data.ptr
    return (
        "goes back to its own stream"
        if same == pointer != other
        else f"goes elsewhere ({other == pointer}, {same == pointer})"
    )


@FACTS("A pair of events around a busy kernel", "measures")
def event_times(m: Machine) -> str:
    cupy = m.cupy
    x = cupy.zeros(1, np.float32)
    busy(m, x)
    first, last = cupy.cuda.Event(), cupy.cuda.Event()
    first.record()
    busy(m, x)
    last.record()
    last.synchronize()
    milliseconds = cupy.cuda.get_elapsed_time(first, last)
    return "measures" if 5 < milliseconds < 5000 else f"says {milliseconds} ms"


def captured(m: Machine, work: Callable[[], Any]) -> Any:
    """The graph of what `work` does; its first call goes before, outside."""
    stream = m.cupy.cuda.Stream(non_blocking=True)
    with stream:
        work()
        stream.synchronize()
        stream.begin_capture()
        try:
            work()
        finally:
            graph = stream.end_capture()
    return stream, graph


@FACTS("A graph of a ufunc, a reduction and a kernel of ours, launched three times", "replays right")
def capture(m: Machine) -> str:
    cupy = m.cupy
    x, total, words = cupy.arange(1000, dtype=np.float32), cupy.zeros((), np.float32), cupy.zeros(1000, np.uint64)

    def work() -> None:
        cupy.add(x, 1, x)
        cupy.sum(x, out=total)
        launch.launch("philox.words", 1, 256, (words, 1000, 0, 1, 2), like=words)

    m.synchronize()
    stream, graph = captured(m, work)
    words.fill(0)
    m.synchronize()
    for _ in range(3):
        graph.launch(stream)
    stream.synchronize()
    expected = float((np.arange(1000) + 4).sum())  # once before the capture, three times in it
    right = abs(float(total) - expected) < 1 and np.array_equal(m.get(words), philox.words((1, 2), 0, 1000))
    return "replays right" if right else f"gives {float(total)} instead of {expected}"


@FACTS("`cupy.matmul` in a capture raises (cupy#6290)", "NotImplementedError")
def capture_refuses_cublas(m: Machine) -> str:
    x = m.cupy.ones((8, 8), np.float32)
    m.cupy.matmul(x, x)
    m.synchronize()
    return in_capture(m, lambda: m.cupy.matmul(x, x))


@FACTS("`cupy.random.rand` in a capture raises", "NotImplementedError")
def capture_refuses_curand(m: Machine) -> str:
    m.cupy.random.rand(8)
    m.synchronize()
    return in_capture(m, lambda: m.cupy.random.rand(8))


@FACTS("float() of a device array in a capture raises", "RuntimeError")
def capture_refuses_reads(m: Machine) -> str:
    x = m.cupy.ones(())
    m.synchronize()
    return in_capture(m, lambda: float(x))


def in_capture(m: Machine, work: Callable[[], Any]) -> str:
    """What `work` raises in a capture, which is ended whatever happens."""
    stream = m.cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        try:
            return raised(work)
        finally:
            raised(stream.end_capture)  # of a capture that was broken this raises, and ends it


@FACTS("Compiling a kernel that no cache holds takes")
def first_call(m: Machine) -> Finding:
    import time

    begun = time.perf_counter()
    source = f"// {time.time_ns()}\n" + BUSY
    m.cupy.RawModule(code=source).get_function("busy")
    took = time.perf_counter() - begun
    return noted(f"{took * 1e3:.0f} ms", seconds=took)
