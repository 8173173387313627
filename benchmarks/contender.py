"""`Contender`: a library on one of its devices, how to wait for it and how to read its memory; and who can take part at
all.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tapegrad
from tapegrad.backends import Device, backend_for

PEERS = ("torch",)


@dataclass(frozen=True)
class Contender:
    """A library with torch's names on one of its devices."""

    name: str  # "tapegrad" or a peer's name
    lib: Any  # the module
    device: str  # the device's name, such as ``"cuda:1"``

    @property
    def ours(self) -> bool:
        """Whether it is tapegrad."""
        return self.name == "tapegrad"

    @property
    def on_cuda(self) -> bool:
        """Whether it computes on a GPU."""
        return Device(self.device).type == "cuda"

    def synchronize(self) -> None:
        """Wait until the device has done all its work."""
        if self.ours:
            backend_for(Device(self.device)).synchronize(Device(self.device))
        elif self.on_cuda:
            self.lib.cuda.synchronize(self.device)

    def memory(self, run: Callable[[], Any], warm_up: Callable[[], Any] | None = None) -> tuple[int, int] | None:
        """Bytes of one call of `run` above what was held before it: their peak, and what is left when its result is
        dropped.

        One call of `warm_up`, or of `run`, goes before, so that what happens once only is not counted. On host devices
        this is everything that Python and NumPy allocate, traced; on a GPU it is what its memory pool hands out. None
        where the library tells nothing (PyTorch on the CPU).
        """
        if self.on_cuda:
            return self._memory_on_cuda(run, warm_up or run)
        if not self.ours:
            return None
        tracing = tracemalloc.is_tracing()
        if not tracing:
            tracemalloc.start()
        try:
            gc.collect()  # before the warm-up: a collection also empties the caches of freed objects that Python keeps
            (warm_up or run)()
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            run()
            after, peak = tracemalloc.get_traced_memory()
        finally:
            if not tracing:
                tracemalloc.stop()
        return peak - before, after - before

    def _memory_on_cuda(self, run: Callable[[], Any], warm_up: Callable[[], Any]) -> tuple[int, int]:
        source: Any = backend_for(Device(self.device)) if self.ours else self.lib.cuda
        device: Any = Device(self.device) if self.ours else self.device
        gc.collect()
        warm_up()
        self.synchronize()
        source.reset_peak_memory_stats(device)
        try:
            before = source.memory_allocated(device)
            run()
            self.synchronize()
            return source.max_memory_allocated(device) - before, source.memory_allocated(device) - before
        finally:
            if self.ours:
                source.stop_peak_memory_stats(device)  # to keep a peak burdens every allocation, and so the next timing


def find_contenders(devices: list[str], peers: list[str], threads: int) -> tuple[list[Contender], list[str]]:
    """Those who can run on these devices, tapegrad first, and a line for each who cannot, saying why.

    Args:
        threads: how many threads a peer may use on the CPU.

    Returns:
        The contenders and the lines.
    """
    found: list[Contender] = []
    lines: list[str] = []
    for device in devices:
        _try(found, lines, Contender("tapegrad", tapegrad, device))
    for name in peers:
        if importlib.util.find_spec(name) is None:
            lines.append(f"{name}: not installed, so nothing is compared with it (pip install {name})")
            continue
        try:
            lib = importlib.import_module(name)
        except (ImportError, OSError) as error:
            # a broken installation is the user's to know, and no reason to measure nothing
            lines.append(f"{name}: cannot be imported: {_first_line(error)}")
            continue
        lib.set_num_threads(threads)
        for device in devices:
            if Device(device).type == "strict":
                lines.append(f"{name} on {device}: it has no such device")
            else:
                _try(found, lines, Contender(name, lib, device))
    return found, lines


def _try(found: list[Contender], lines: list[str], contender: Contender) -> None:
    try:
        contender.lib.zeros(1, device=contender.device)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA raises AssertionError
        lines.append(f"{contender.name} on {contender.device}: {_first_line(error)}")
    else:
        found.append(contender)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [error.__class__.__name__])[0]
