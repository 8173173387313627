"""Memory on CUDA devices: CuPy's pool, what it holds, and what happens when there is no more."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tapegrad.backends.out_of_memory import OutOfMemoryError, out_of_memory_text


@dataclass
class Peak:
    """What the pool of one device has held at most since the counting began."""

    bound: int  # at least the bytes in use: those at the last look at the pool, and all that was allocated since
    used: int  # the most bytes that arrays have held
    reserved: int  # the most bytes that the pool has held


class CupyMemory:
    """CuPy's memory pool; every function is about the current device.

    `watch` puts an allocator in front of the one that CuPy has (its pool, or what the program has set): a failure
    becomes `OutOfMemoryError`, and peaks are kept where they are asked for. So ops themselves have nothing to catch. An
    allocator that the program sets later is its own affair.
    """

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._peaks: dict[int, Peak] = {}
        self._lock = threading.RLock()  # collecting garbage may free, but also allocate
        #: by device: failures, and allocations that only went well after the pool had given back what it kept for reuse
        self.failures: dict[int, int] = {}
        self.retries: dict[int, int] = {}

    def watch(self) -> None:
        """Have CuPy allocate through this."""
        # Within `cupy.cuda.using_allocator` a thread can neither see nor set the allocator of the process; a thread of
        # its own can.
        thread = threading.Thread(
            target=lambda: self._cupy.cuda.set_allocator(self.allocator(self._cupy.cuda.get_allocator()))
        )
        thread.start()
        thread.join()

    def allocator(self, malloc: Callable[[int], Any]) -> Callable[[int], Any]:
        """`malloc`, whose failure becomes `OutOfMemoryError`."""
        full, peaks = self._cupy.cuda.memory.OutOfMemoryError, self._peaks

        def allocate(size: int) -> Any:
            try:
                memory = malloc(size)
            except full:
                memory = self._retry(malloc, size, full)
            if peaks:
                self._note(memory)
            return memory

        return allocate

    def _retry(self, malloc: Callable[[int], Any], size: int, full: type[BaseException]) -> Any:
        device = self._device()
        # Where a limit is set, CuPy fails without having given back what it keeps for reuse; where the device itself is
        # full, it has done all this. https://github.com/cupy/cupy/blob/v14.2.0/cupy/cuda/memory.pyx
        # (SingleDeviceMemoryPool._try_malloc)
        if self.pool.get_limit():
            for clean in (int, gc.collect):
                clean()
                self.pool.free_all_blocks()
                try:
                    memory = malloc(size)
                except full:
                    continue
                self.retries[device] = self.retries.get(device, 0) + 1
                return memory
        self.failures[device] = self.failures.get(device, 0) + 1
        free, total = self.info()
        text = out_of_memory_text(
            size,
            device,
            total=total,
            free=free,
            allocated=self.used(),
            reserved=self.reserved(),
            limit=self.pool.get_limit() or None,
        )
        raise _both(full)(text) from None

    # what it holds
    @property
    def pool(self) -> Any:
        """CuPy's memory pool."""
        return self._cupy.get_default_memory_pool()

    def used(self) -> int:
        """Bytes that arrays hold, rounded up to 512 each; CuPy adds them up array by array."""
        return self.pool.used_bytes()

    def reserved(self) -> int:
        """Bytes that the pool has from the driver."""
        return self.pool.total_bytes()

    def info(self) -> tuple[int, int]:
        """The device's free and total bytes, as the driver sees them."""
        free, total = self._cupy.cuda.runtime.memGetInfo()
        return free, total

    def _device(self) -> int:
        return self._cupy.cuda.runtime.getDevice()

    # peaks
    def peak(self) -> Peak | None:
        """The peaks since `start_peak`; None if it has not been called."""
        return self._peaks.get(self._device())

    def start_peak(self) -> None:
        """Keep the peaks from now on.

        CuPy's pool keeps none. An allocation is seen here, a release is not; so what is allocated is added up, and only
        when the sum passes the peak is the pool asked what is really in use. That is exact, for all threads, and costs
        an allocation about a microsecond; near the peak it costs what CuPy needs to add up the arrays in use, one by
        one.
        """
        with self._lock:
            used = self.used()
            self._peaks[self._device()] = Peak(used, used, self.reserved())

    def stop_peak(self) -> None:
        """Keep none any more; an allocation costs what it did before `start_peak`."""
        with self._lock:
            self._peaks.pop(self._device(), None)

    def _note(self, memory: Any) -> None:
        with self._lock:
            peak = self._peaks.get(memory.device_id)
            if peak is None:
                return
            peak.bound += memory.mem.size
            if peak.bound > peak.used:
                peak.bound = self.used()
                peak.used = max(peak.used, peak.bound)
            peak.reserved = max(peak.reserved, self.reserved())

    # the limit
    def set_limit(self, size: int | None) -> None:
        """Let the pool hold at most `size` bytes; None: all that the driver gives."""
        # CuPy takes 0 for no limit.
        self.pool.set_limit(size=0 if size is None else max(size, 1))

    def limit(self) -> int | None:
        """What the pool may hold; None: no limit."""
        return self.pool.get_limit() or None


def _both(full: type[BaseException]) -> type[OutOfMemoryError]:
    """An `OutOfMemoryError` that is CuPy's too: CuPy itself, and programs written for it, go on catching theirs."""
    return type(
        "OutOfMemoryError", (OutOfMemoryError, full), {"__module__": OutOfMemoryError.__module__, "__reduce__": _reduce}
    )


def _reduce(error: BaseException) -> tuple[Any, ...]:
    return OutOfMemoryError, error.args
