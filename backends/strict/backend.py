"""The strict device: NumPy's numbers behind CuPy's manners, for checking on any machine that code will run on CUDA.

``device="strict"`` is a device like any other: what runs on it runs on CUDA too, as far as names, keywords, dtypes,
copies and waits go. `counting`, `refusing` and `allowed` watch what crosses between it and the host; see
`strict_transfers`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tapegrad.backends import precision
from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.cupy.index_asserts import IndexAsserts
from tapegrad.backends.cupy.namespace import CupyNamespace
from tapegrad.backends.cupy.products import multiply
from tapegrad.backends.device import Device
from tapegrad.backends.numerics import philox
from tapegrad.backends.strict import transfers as strict_transfers
from tapegrad.backends.strict.array import Memory, StrictArray
from tapegrad.backends.strict.calls import operand
from tapegrad.backends.strict.namespace import StrictNamespace, strided
from tapegrad.backends.strict.products import CUBLAS
from tapegrad.backends.strict.streams import StrictStreams
from tapegrad.backends.strict.transfers import (
    HOST_TO_DEVICE,
    SYNCHRONISATION,
    Transfers,
    allowed,
    counting,
    note,
    refusing,
)

__all__ = ["StrictArray", "StrictBackend", "Transfers", "allowed", "counting", "refusing"]


class StrictBackend(Backend):
    """Arrays are `StrictArray`, of a class of this backend's own.

    Args:
        type: the device type it stands for; with ``"cuda"`` and `registry.standing_in`, code for CUDA runs on it.
        devices: how many devices there are.
        memory: bytes that each pretends to have.
        capability: the compute capability that each pretends to have.

    Example:
        >>> from tapegrad.backends import Device, standing_in
        >>> with standing_in("cuda", StrictBackend("cuda")) as cuda:
        ...     x = cuda.from_host(np.arange(6.0), Device("cuda"))
        ...     print(cuda.device_of(x), x.sum())
        cuda:0 15.0
        >>> x * np.arange(6.0)
        Traceback (most recent call last):
        ...
        TypeError: Unsupported type <class 'numpy.ndarray'>
    """

    counting = staticmethod(counting)
    refusing = staticmethod(refusing)
    allowed = staticmethod(allowed)

    def __init__(
        self, type: str = "strict", devices: int = 1, memory: int = 80 << 30, capability: tuple[int, int] = (9, 0)
    ) -> None:
        self.type = type
        self._memory = Memory(devices, memory)
        self._capability = capability
        self.streams = StrictStreams(self._memory)
        self._asserts = IndexAsserts(_new_note, _look, _wait)
        self._devices = [Device(type, index) for index in range(devices)]
        self.array_type = _class(type, self._memory)
        self.xp: Any = CupyNamespace(StrictNamespace(self.array_type))

    @property
    def transfers(self) -> Transfers:
        """What crossed between the host and all strict devices since the program began."""
        return strict_transfers.total

    def device_of(self, array: Array) -> Device:
        return self._devices[array._index]

    def device_count(self) -> int:
        return len(self._devices)

    def current_device(self) -> int:
        return self._memory.current

    def set_device(self, index: int) -> None:
        self._memory.current = self._index(Device(self.type, index))

    def can_access_peer(self, index: int, peer: int) -> bool:
        return False

    def properties(self, device: Device | None = None) -> dict[str, Any]:
        self._index(device)
        major, minor = self._capability
        return {
            "name": b"tapegrad's strict device",
            "major": major,
            "minor": minor,
            "totalGlobalMem": self._memory.total,
            "multiProcessorCount": 1,
            "warpSize": 32,
        }

    @contextlib.contextmanager
    def use(self, device: Device) -> Iterator[None]:
        before = self._memory.current
        self._memory.current = self._index(device)
        try:
            yield
        finally:
            self._memory.current = before

    def _index(self, device: Device | None) -> int:
        if device is None or device.index is None:
            return self._memory.current
        if device.index >= len(self._devices):
            raise RuntimeError(f"CUDA error: invalid device ordinal: {device}, there are {len(self._devices)}")
        return device.index

    def from_host(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Array:
        index = self._index(device)
        with allowed():
            note(HOST_TO_DEVICE, "from_host()", array.nbytes)
            if not non_blocking and self.is_pinned(array):
                note(SYNCHRONISATION, "from_host() of pinned memory")
        return self.array_type._own(np.array(array), index)  # type: ignore[attr-defined]

    def to_host(self, array: Array, non_blocking: bool = False) -> np.ndarray:
        with allowed():
            if non_blocking:
                return array.get(out=_pinned(array.shape, array.dtype), blocking=False)
            result = array.get()
        self._asserts.report(array._index)
        return result

    def pin(self, array: np.ndarray) -> np.ndarray:
        target = _pinned(array.shape, array.dtype)
        target[...] = array
        return target

    def is_pinned(self, array: np.ndarray) -> bool:
        owner: Any = array
        while isinstance(owner, np.ndarray):
            owner = owner.base
        return isinstance(owner, PinnedMemory)

    def to_device(self, array: Array, device: Device) -> Array:
        index = self._index(device)
        return array if index == array._index else array._own(array._array.copy(), index)

    def shares_memory(self, view: Array, array: Array) -> bool:
        return view is array or view._owner is (array if array._owner is None else array._owner)

    def pointer(self, array: Array) -> int:
        return array.data.ptr

    def scatter_add(self, target: Array, index: Any, values: Array) -> None:
        from tapegrad.backends.cupy.backend import scatter_add

        scatter_add(self.xp, target, index, values, _add_rows)  # CUDA's own way, but for the kernel

    def matmul(self, a: Array, b: Array, convolution: bool = False) -> Array:
        if operand(self.array_type, a).dtype.kind in "biu":
            return self.xp.matmul(a, b)
        operand(self.array_type, b)
        tf32 = precision.convolutions_allow_tf32 if convolution else precision.matmul.allow_tf32
        return multiply(self.xp, a, b, CUBLAS, tf32=tf32 and self._capability >= (8, 0))

    def assert_index(self, index: Array, low: int, high: int, name: str, dim: int = 0) -> None:
        self._asserts.check(index._index, index, low, high, name, dim)

    def report_asserts(self, device: Device | None = None) -> None:
        self._asserts.report(self._index(device))

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
        return array._view(strided(array, shape, strides, offset))

    def philox(self, key: tuple[int, int], counter: int, words: int, device: Device) -> Array:
        # a kernel makes them on CUDA, so this is no copy from the host
        return self.array_type._own(np.array(philox.words(key, counter, words)), self._index(device))  # type: ignore[attr-defined]

    def synchronize(self, device: Device | None = None) -> None:
        self._index(device)
        with allowed():
            note(SYNCHRONISATION, "synchronize()")
        self.report_asserts(device)

    def memory_allocated(self, device: Device | None = None) -> int:
        return self._memory.used[self._index(device)]

    def max_memory_allocated(self, device: Device | None = None) -> int:
        return self._memory.peak[self._index(device)]

    # There is no pool.
    memory_reserved = memory_allocated
    max_memory_reserved = max_memory_allocated

    def reset_peak_memory_stats(self, device: Device | None = None) -> None:
        self._memory.reset_peak(self._index(device))

    def memory_info(self, device: Device | None = None) -> tuple[int, int]:
        return self._memory.total - self._memory.used[self._index(device)], self._memory.total

    def memory_failures(self, device: Device | None = None) -> tuple[int, int]:
        return self._memory.failures[self._index(device)], 0

    def memory_limit(self, device: Device | None = None) -> int | None:
        return self._memory.limit[self._index(device)]

    def set_memory_limit(self, size: int | None, device: Device | None = None) -> None:
        self._memory.limit[self._index(device)] = size


class PinnedMemory(bytearray):
    """Host memory that stands for pinned memory."""


def _pinned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.ndarray(shape, dtype, PinnedMemory(math.prod(shape) * dtype.itemsize))


def _wait() -> None:
    with allowed():
        note(SYNCHRONISATION, "looking at indices")


def _new_note() -> tuple[np.ndarray, np.ndarray]:
    """Memory that host and device share."""
    note = np.zeros(4, np.int64)
    return note, note


def _look(index: Array, low: int, high: int, dim: int, code: int, note: np.ndarray) -> None:
    """What the kernel of `kernels.index_assert` does."""
    values = index._array
    wrong = values[(values < low) | (values >= high)]
    if wrong.size and not note[0]:
        note[:] = code, wrong[0], dim, high


def _add_rows(todo: Any) -> None:
    """What the kernel of `kernels.scatter` does."""
    target, values, rows = (array._array for array in todo[:3])
    if todo.exponent:
        if todo.exponent == 8:
            from ml_dtypes import bfloat16 as half
        else:
            half = np.float16
        values = values.view(half).astype(np.float32)
    place: Any = (slice(None), rows % target.shape[1])
    np.add.at(target, place, values)


def _class(name: str, memory: Memory) -> type:
    """A class of strict arrays that live in `memory`."""
    return type(
        "StrictArray",
        (StrictArray,),
        {"__slots__": (), "__module__": StrictArray.__module__, "_memory": memory, "_type": name},
    )
