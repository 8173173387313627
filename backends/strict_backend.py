"""The strict device: NumPy's numbers behind CuPy's manners, for checking on any machine that code will run on CUDA.

``device="strict"`` is a device like any other: what runs on it runs on CUDA too, as far as names, keywords, dtypes, copies and waits go.
`counting`, `refusing` and `allowed` watch what crosses between it and the host; see `strict_transfers`.
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tapegrad.backends import strict_transfers
from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.device import Device
from tapegrad.backends.strict_array import Memory, StrictArray
from tapegrad.backends.strict_namespace import StrictNamespace, strided
from tapegrad.backends.strict_transfers import HOST_TO_DEVICE, SYNCHRONISATION, Transfers, allowed, counting, note, refusing

__all__ = ["StrictArray", "StrictBackend", "Transfers", "allowed", "counting", "refusing"]


class StrictBackend(Backend):
    """Arrays are `StrictArray`, of a class of this backend's own.

    Args:
        type: the device type it stands for; with ``"cuda"`` and `registry.standing_in`, code for CUDA runs on it.
        devices: how many devices there are.

    Example:
        >>> import numpy as np
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

    def __init__(self, type: str = "strict", devices: int = 1) -> None:
        self.type = type
        self._memory = Memory(devices)
        self._devices = [Device(type, index) for index in range(devices)]
        self.array_type = _class(type, self._memory)
        self.xp: Any = StrictNamespace(self.array_type)

    @property
    def transfers(self) -> Transfers:
        """What crossed between the host and all strict devices since the program began."""
        return strict_transfers.total

    def device_of(self, array: Array) -> Device:
        return self._devices[array._index]

    def device_count(self) -> int:
        return len(self._devices)

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

    def from_host(self, array: np.ndarray, device: Device) -> Array:
        index = self._index(device)
        with allowed():
            note(HOST_TO_DEVICE, "from_host()")
        return self.array_type._own(np.array(array), index)  # type: ignore[attr-defined]

    def to_host(self, array: Array) -> np.ndarray:
        with allowed():
            return array.get()

    def to_device(self, array: Array, device: Device) -> Array:
        index = self._index(device)
        return array if index == array._index else array._own(array._array.copy(), index)

    def shares_memory(self, view: Array, array: Array) -> bool:
        return view is array or view._owner is (array if array._owner is None else array._owner)

    def pointer(self, array: Array) -> int:
        return array.data.ptr

    def scatter_add(self, target: Array, index: Any, values: Array) -> None:
        from tapegrad.backends.cupy_backend import scatter_add
        scatter_add(self.xp, target, index, values)  # CUDA's own way: the strict `add.at` has CuPy's dtypes

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
        return array._view(strided(array, shape, strides, offset))

    # Written over any namespace: here they show that CuPy could run them.
    def erf(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.erf(self.xp, x)

    def erfc(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.erfc(self.xp, x)

    def erfinv(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.erfinv(self.xp, x)

    def lgamma(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.lgamma(self.xp, x)

    def digamma(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.digamma(self.xp, x)

    def philox(self, key: tuple[int, int], counter: int, words: int, device: Device) -> Array:
        from tapegrad.backends import philox
        # a kernel makes them on CUDA, so this is no copy from the host
        return self.array_type._own(np.array(philox.words(key, counter, words)), self._index(device))  # type: ignore[attr-defined]

    def synchronize(self, device: Device | None = None) -> None:
        self._index(device)
        with allowed():
            note(SYNCHRONISATION, "synchronize()")

    def memory_allocated(self, device: Device | None = None) -> int:
        return self._memory.used[self._index(device)]

    def max_memory_allocated(self, device: Device | None = None) -> int:
        return self._memory.peak[self._index(device)]

    def reset_peak_memory_stats(self, device: Device | None = None) -> None:
        self._memory.reset_peak(self._index(device))


def _class(name: str, memory: Memory) -> type:
    """A class of strict arrays that live in `memory`."""
    return type("StrictArray", (StrictArray,), {"__slots__": (), "__module__": StrictArray.__module__, "_memory": memory, "_type": name})
