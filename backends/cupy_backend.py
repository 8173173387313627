"""The CuPy backend: what differs from NumPy's, each with its reason. CuPy itself is imported by `load`, at the first use of CUDA."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tapegrad.backends import threads
from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.device import Device

_INSTALL = 'pip install "tapegrad[cuda13]" for CUDA 13, or "tapegrad[cuda12]" for CUDA 12'
_NO_DEVICE = 100  # cudaErrorNoDevice


def load() -> Backend:
    """The backend, where CUDA can be had.

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
            raise RuntimeError(f'device "cuda" needs an NVIDIA driver, and CuPy {cupy.__version__} finds none that it can use ({error}): '
                               "install or update it, https://www.nvidia.com/drivers") from error
        devices = 0
    if not devices:
        raise RuntimeError(f'device "cuda" needs a CUDA device, and there is none: CuPy {cupy.__version__} and the driver are in order, but '
                           "no GPU is visible (is CUDA_VISIBLE_DEVICES set?)")
    made = CupyBackend(cupy, devices)
    threads.settings.append(made.here)
    return made


class CupyBackend(Backend):
    """Arrays are `cupy.ndarray`; made by `load`."""

    type = "cuda"

    def __init__(self, cupy: Any, devices: int) -> None:
        self.xp = cupy
        self.array_type = cupy.ndarray
        self._count = devices
        self._peak: Any = None

    def device_of(self, array: Array) -> Device:
        return Device("cuda", array.data.device_id)

    def device_count(self) -> int:
        return self._count

    def use(self, device: Device | None) -> Any:
        """A context manager that makes `device` CuPy's current one: CuPy allocates and launches there, wherever the operands are."""
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

    def from_host(self, array: np.ndarray, device: Device) -> Array:
        with self.use(device):
            return self.xp.array(array)

    def to_host(self, array: Array) -> np.ndarray:
        return array.get()

    def to_device(self, array: Array, device: Device) -> Array:
        if device.index is None or device.index == array.data.device_id:
            return array
        with self.use(device):
            return array.copy()

    def shares_memory(self, view: Array, array: Array) -> bool:
        # `.base` is None for the arrays of `as_strided` below, and for those of DLPack; the memory object is the same for all views.
        return view.data.mem is array.data.mem

    def pointer(self, array: Array) -> int:
        return array.data.ptr

    def scatter_add(self, target: Array, index: Any, values: Array) -> None:
        with self.use(self.device_of(target)):
            scatter_add(self.xp, target, index, values)

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
        return self.xp.ndarray(shape, array.dtype, array.data + offset, strides)

    def erf(self, x: Array) -> Array:
        from cupyx.scipy import special
        return special.erf(x)

    def erfc(self, x: Array) -> Array:
        from cupyx.scipy import special
        return special.erfc(x)

    def erfinv(self, x: Array) -> Array:
        from cupyx.scipy import special
        return special.erfinv(x)

    def lgamma(self, x: Array) -> Array:
        from cupyx.scipy import special
        return special.gammaln(x)

    def digamma(self, x: Array) -> Array:
        from cupyx.scipy import special
        return special.digamma(x)

    def philox(self, key: tuple[int, int], counter: int, words: int, device: Device) -> Array:
        from tapegrad.backends.kernels import launch
        with self.use(device):
            return launch.philox_words(key, counter, words)

    def synchronize(self, device: Device | None = None) -> None:
        with self.use(device):
            self.xp.cuda.runtime.deviceSynchronize()

    # The pool's own count of bytes in arrays; cuBLAS' workspaces and the context are not in it.
    def memory_allocated(self, device: Device | None = None) -> int:
        with self.use(device):
            return self.xp.get_default_memory_pool().used_bytes()

    def max_memory_allocated(self, device: Device | None = None) -> int:
        """Peak since the first `reset_peak_memory_stats`; until then the bytes in use now, since CuPy's pool keeps no peak."""
        used = self.memory_allocated(device)
        return used if self._peak is None else max(used, self._peak.bytes.get(self._index(device), 0))

    def reset_peak_memory_stats(self, device: Device | None = None) -> None:
        """Start a new peak.

        CuPy keeps no peak, so from here on every allocation of this thread calls a Python hook that asks the pool for its bytes in use: some
        microseconds each, growing with the number of arrays where the pool counts them one by one. Other threads' allocations show in the
        peak when this thread allocates next. Those who never ask for a peak pay nothing.
        """
        if self._peak is None:
            self._peak = _peak_hook(self.xp)
        if self._peak.name not in self.xp.cuda.memory_hook.get_memory_hooks():
            self._peak.__enter__()
        self._peak.bytes[self._index(device)] = self.memory_allocated(device)

    def empty_cache(self) -> None:
        self.xp.get_default_memory_pool().free_all_blocks()

    def _index(self, device: Device | None) -> int:
        return self.xp.cuda.runtime.getDevice() if device is None or device.index is None else device.index


def scatter_add(cupy: Any, target: Array, index: Any, values: Array) -> None:
    """``target[index] += values`` with repeated indices, for every dtype.

    CuPy's `add.at` has kernels for a few dtypes only (https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/_routines_indexing.pyx):
    complex is added as its real and imaginary parts, int64 as uint64 (the same bits), and what has no atomic addition, bfloat16 and the
    small integers, in a wider copy of the target.
    """
    dtype = target.dtype
    if values.dtype != dtype:
        values = values.astype(dtype)
    if dtype.kind == "c":
        cupy.add.at(target.real, index, values.real)
        cupy.add.at(target.imag, index, values.imag)
    elif dtype == np.int64:
        cupy.add.at(target.view(np.uint64), index, values.view(np.uint64))
    elif dtype.name in ("float16", "float32", "float64", "int32", "uint32", "uint64"):
        cupy.add.at(target, index, values)
    else:
        wide = target.astype(np.float32 if dtype.name == "bfloat16" else np.int32)
        cupy.add.at(wide, index, values.astype(wide.dtype))
        target[...] = wide.astype(dtype)


def _peak_hook(cupy: Any) -> Any:
    class Peak(cupy.cuda.MemoryHook):
        """The largest number of bytes in use that the pool had, by device."""

        name = "tapegrad peak"

        def __init__(self) -> None:
            self.bytes: dict[int, int] = {}

        def malloc_postprocess(self, *, device_id: int, **kwargs: Any) -> None:
            self.bytes[device_id] = max(self.bytes.get(device_id, 0), cupy.get_default_memory_pool().used_bytes())

    return Peak()
