"""The CuPy backend: what differs from NumPy's, each with its reason. CuPy itself is imported by `load`, at the first
use of CUDA.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from tapegrad.backends import determinism, precision, threads
from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.cupy import products as cupy_products
from tapegrad.backends.cupy.index_asserts import IndexAsserts
from tapegrad.backends.cupy.memory import CupyMemory
from tapegrad.backends.cupy.namespace import CupyNamespace
from tapegrad.backends.device import Device
from tapegrad.backends.kernels import launch, scatter
from tapegrad.backends.kernels.index_assert import look, shared_note

_INSTALL = 'pip install "tapegrad[cuda13]" for CUDA 13, or "tapegrad[cuda12]" for CUDA 12'
_NO_DEVICE = 100  # cudaErrorNoDevice


def load() -> Backend:
    """The backend.

    Raises:
        RuntimeError: CuPy, the driver or a device is missing; the message says which.
    """
    try:
        import cupy
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "cupy"
        why = "which is not installed" if missing else f"which is installed but cannot be imported ({error})"
        raise RuntimeError(f'device "cuda" needs CuPy, {why}: {_INSTALL}') from error
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if error.status != _NO_DEVICE:
            raise RuntimeError(
                f'device "cuda" needs an NVIDIA driver, and CuPy {cupy.__version__} finds none that it can use '
                f"({error}): "
                "install or update it, https://www.nvidia.com/drivers"
            ) from error
        devices = 0
    if not devices:
        raise RuntimeError(
            f'device "cuda" needs a CUDA device, and there is none: CuPy {cupy.__version__} and the driver are in '
            "order, but "
            "no GPU is visible (is CUDA_VISIBLE_DEVICES set?)"
        )
    made = CupyBackend(cupy, devices)
    made.memory.watch()
    threads.settings.append(made.here)
    return made


class CupyBackend(Backend):
    """Arrays are `cupy.ndarray`; made by `load`."""

    type = "cuda"

    def __init__(self, cupy: Any, devices: int) -> None:
        self.xp: Any = CupyNamespace(cupy)
        self.array_type = cupy.ndarray
        self.streams = cupy.cuda
        self.memory = CupyMemory(cupy)
        self._count = devices
        self._devices = [Device("cuda", index) for index in range(devices)]
        self._cublas: Any = None
        self._asserts = IndexAsserts(
            lambda: shared_note(cupy), partial(look, cupy), lambda: cupy.cuda.get_current_stream().synchronize()
        )

    def device_of(self, array: Array) -> Device:
        return self._devices[array.data.device_id]

    def device_count(self) -> int:
        return self._count

    def current_device(self) -> int:
        return self.xp.cuda.runtime.getDevice()

    def set_device(self, index: int) -> None:
        self.use(Device("cuda", index)).use()

    def can_access_peer(self, index: int, peer: int) -> bool:
        return bool(self.xp.cuda.runtime.deviceCanAccessPeer(index, peer))

    def properties(self, device: Device | None = None) -> dict[str, Any]:
        return self.xp.cuda.runtime.getDeviceProperties(self._index(device))

    def use(self, device: Device | None) -> Any:
        """A context manager that makes `device` CuPy's current one: CuPy allocates and launches there, wherever the
        operands are.
        """
        if device is None or device.index is None:
            return contextlib.nullcontext()
        if device.index >= self._count:
            raise RuntimeError(f"CUDA error: invalid device ordinal: {device}, there are {self._count}")
        return self.xp.cuda.Device(device.index)

    @contextlib.contextmanager
    def _on(self, device: Any, stream: Any) -> Iterator[None]:
        with device, stream:
            yield

    def here(self) -> Any:
        """A context manager that gives the thread which enters it this thread's current device and stream."""
        return self._on(self.xp.cuda.Device(), self.xp.cuda.get_current_stream())

    def from_host(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Array:
        with self.use(device):
            # CuPy stages ordinary memory in pinned memory of its own, after which the caller may change the array; from
            # pinned memory it copies later.
            return self.xp.array(array, blocking=not non_blocking and self.is_pinned(array))

    def to_host(self, array: Array, non_blocking: bool = False) -> np.ndarray:
        if not non_blocking:
            result = array.get()
            self._asserts.report(array.data.device_id)
            return result
        # A copy into ordinary memory would wait.
        with self.use(self.device_of(array)):
            target = self._pinned(array.shape, array.dtype)
            array.get(out=target, blocking=False)
            # While the copy is under way CuPy must not reuse this memory, even if the result is dropped.
            event = self.streams.get_current_stream().record(self.streams.Event(disable_timing=True))
            self.streams.pinned_memory._add_to_watch_list(event, target)
        return target

    def pin(self, array: np.ndarray) -> np.ndarray:
        target = self._pinned(array.shape, array.dtype)
        target[...] = array
        return target

    def _pinned(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        from cupyx import empty_pinned

        return empty_pinned(shape, dtype)

    def is_pinned(self, array: np.ndarray) -> bool:
        return bool(array.size) and self.streams.pinned_memory.is_memory_pinned(array.ctypes.data)

    def to_device(self, array: Array, device: Device) -> Array:
        here = self.device_of(array)
        if device.index is None or device == here:
            return array
        # The copy runs on the stream of the new device, after the old device's work so far and before its later work.
        # https://github.com/pytorch/pytorch/blob/v2.9.0/aten/src/ATen/native/cuda/Copy.cu
        with self.use(here):
            # CuPy would do it itself, on this device, but after `written`: nothing would make the new device's stream
            # wait for it. https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/core.pyx (_ndarray_base.copy)
            array = array.astype(array.dtype, order="C", copy=False)
            source = self.streams.get_current_stream()
            written = source.record(self.streams.Event(disable_timing=True))
        with self.use(device):
            target = self.streams.get_current_stream()
            target.wait_event(written)
            result = array.copy()
            read = target.record(self.streams.Event(disable_timing=True))
        with self.use(here):
            source.wait_event(read)
        return result

    def shares_memory(self, view: Array, array: Array) -> bool:
        # `.base` is None for the arrays of `as_strided` below, and for those of DLPack; the memory object is the same
        # for all views.
        return view.data.mem is array.data.mem

    def pointer(self, array: Array) -> int:
        return array.data.ptr

    def scatter_add(self, target: Array, index: Any, values: Array) -> None:
        with self.use(self.device_of(target)):
            scatter_add(self.xp, target, index, values)

    def matmul(self, a: Array, b: Array, convolution: bool = False) -> Array:
        if a.dtype.kind in "biu":
            return self.xp.matmul(a, b)
        if self._cublas is None:
            self._cublas = cupy_products.load(self.xp)
        tf32 = precision.convolutions_allow_tf32 if convolution else precision.matmul.allow_tf32
        if self._count == 1:
            return cupy_products.multiply(self.xp, a, b, self._cublas, tf32=tf32)
        with self.use(self.device_of(a)):
            return cupy_products.multiply(self.xp, a, b, self._cublas, tf32=tf32)

    def assert_index(self, index: Array, low: int, high: int, name: str, dim: int = 0) -> None:
        device = index.data.device_id
        with self.use(Device("cuda", device)) if self._count > 1 else contextlib.nullcontext():
            self._asserts.check(device, index, low, high, name, dim)

    def report_asserts(self, device: Device | None = None) -> None:
        self._asserts.report(self._index(device))

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
        begins = array.data.mem
        part = _part(self.xp)(begins, array.data.ptr + offset - begins.ptr)
        part.owner = self.owner_of(array)
        return self.xp.ndarray(shape, array.dtype, part, strides)

    def owner_of(self, array: Array) -> Array:
        owner = super().owner_of(array)
        return getattr(owner.data, "owner", owner)  # an array of `as_strided` has no `base`

    def erf(self, x: Array) -> Array:
        return _special("erf", x)

    def erfc(self, x: Array) -> Array:
        return _special("erfc", x)

    def erfinv(self, x: Array) -> Array:
        return _special("erfinv", x)

    def lgamma(self, x: Array) -> Array:
        return _special("gammaln", x)

    def digamma(self, x: Array) -> Array:
        return _special("digamma", x)

    def philox(self, key: tuple[int, int], counter: int, words: int, device: Device) -> Array:
        with self.use(device):
            return launch.philox_words(key, counter, words)

    def synchronize(self, device: Device | None = None) -> None:
        with self.use(device):
            self.xp.cuda.runtime.deviceSynchronize()
        self.report_asserts(device)

    # The pool's own count of bytes in arrays; cuBLAS' workspaces and the context are not in it.
    def memory_allocated(self, device: Device | None = None) -> int:
        with self.use(device):
            return self.memory.used()

    def memory_reserved(self, device: Device | None = None) -> int:
        with self.use(device):
            return self.memory.reserved()

    def max_memory_allocated(self, device: Device | None = None) -> int:
        with self.use(device):
            peak = self.memory.peak()
            return self.memory.used() if peak is None else peak.used

    def max_memory_reserved(self, device: Device | None = None) -> int:
        with self.use(device):
            peak = self.memory.peak()
            return self.memory.reserved() if peak is None else peak.reserved

    def reset_peak_memory_stats(self, device: Device | None = None) -> None:
        with self.use(device):
            self.memory.start_peak()

    def stop_peak_memory_stats(self, device: Device | None = None) -> None:
        with self.use(device):
            self.memory.stop_peak()

    def memory_info(self, device: Device | None = None) -> tuple[int, int]:
        with self.use(device):
            return self.memory.info()

    def memory_failures(self, device: Device | None = None) -> tuple[int, int]:
        index = self._index(device)
        return self.memory.failures.get(index, 0), self.memory.retries.get(index, 0)

    def memory_limit(self, device: Device | None = None) -> int | None:
        with self.use(device):
            return self.memory.limit()

    def set_memory_limit(self, size: int | None, device: Device | None = None) -> None:
        with self.use(device):
            self.memory.set_limit(size)

    def empty_cache(self) -> None:
        for index in range(self._count):
            with self.use(Device("cuda", index)):
                self.memory.pool.free_all_blocks()
        self.xp.get_default_pinned_memory_pool().free_all_blocks()

    def _index(self, device: Device | None) -> int:
        return self.xp.cuda.runtime.getDevice() if device is None or device.index is None else device.index


@cache
def _part(cupy: Any) -> Any:
    return type(
        "Part",
        (cupy.cuda.MemoryPointer,),
        {"__slots__": ("owner",), "__doc__": "Where an array begins in the memory of another, its owner."},
    )


def _special(name: str, x: Array) -> Array:
    """CuPy's function, in float32 for half types: it has no loops for them, and gives float64 for float16, float32 for
    bfloat16.

    https://github.com/cupy/cupy/blob/v14.2.0/cupyx/scipy/special/_erf.py and its neighbours.
    """
    from cupyx.scipy import special

    function = getattr(special, name)
    return function(x.astype(np.float32)).astype(x.dtype) if x.dtype.itemsize == 2 else function(x)


#: dtypes that CuPy's `add.at` adds as they should be:
#: https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/_routines_indexing.pyx
ATOMIC = frozenset(("float32", "float64", "int32", "int64", "uint32", "uint64"))


def scatter_add(cupy: Any, target: Array, index: Any, values: Array, run: Any = None) -> None:
    """``target[index] += values`` with repeated indices, for every dtype.

    CuPy's `add.at` knows neither bfloat16 nor complex numbers nor the small integers, and rounds to float16 after every
    addition, so that a sum of ones stops at 2048: those are added by `run`, which is a kernel of our own if not given.
    """
    if values.dtype != target.dtype:
        values = values.astype(target.dtype)
    ordered = determinism.setting.on and target.dtype.kind not in "biu"  # sums of integers are the same in any order
    if target.dtype.name in ATOMIC and not ordered:
        cupy.add.at(target, index, values)
    else:
        scatter.add(cupy, target, index, values, run or (scatter.in_order(cupy) if ordered else None))
