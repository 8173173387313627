"""The NumPy backend: the specification that every other backend is held to."""
from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import numpy as np

from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.device import Device

CPU = Device("cpu")


class NumpyBackend(Backend):
    """Arrays are `numpy.ndarray`; there is one device."""

    type = "cpu"
    array_type = np.ndarray
    xp: Any = np

    def device_of(self, array: Array) -> Device:
        return CPU

    def device_count(self) -> int:
        return 1

    def use(self, device: Device) -> Any:
        return contextlib.nullcontext()

    def from_host(self, array: np.ndarray, device: Device) -> Array:
        return array

    def to_host(self, array: Array) -> np.ndarray:
        return array

    def to_device(self, array: Array, device: Device) -> Array:
        return array

    def shares_memory(self, view: Array, array: Array) -> bool:
        # `.base` alone lies: a reshape that had to copy has one too. NumPy points every view at the array that owns the memory.
        return view is array or view.base is (array if array.base is None else array.base)

    def pointer(self, array: Array) -> int:
        return int(array.__array_interface__["data"][0])

    def scatter_add(self, target: Array, index: Any, values: Array) -> None:
        np.add.at(target, index, values)

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
        if offset:
            array = np.ndarray((), array.dtype, _memory_of(array), _offset_of(array) + offset)
        return np.lib.stride_tricks.as_strided(array, shape, strides)

    def erf(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.erf(np, x)

    def erfc(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.erfc(np, x)

    def erfinv(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.erfinv(np, x)

    def lgamma(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.lgamma(np, x)

    def digamma(self, x: Array) -> Array:
        from tapegrad.backends import special
        return special.digamma(np, x)

    def philox(self, key: tuple[int, int], counter: int, words: int, device: Device) -> Array:
        from tapegrad.backends import philox
        return philox.words(key, counter, words)

    def synchronize(self, device: Device | None = None) -> None:
        pass

    # NumPy reports its allocations to tracemalloc, so its counters exist while tracemalloc runs and cost nothing otherwise.
    def memory_allocated(self, device: Device | None = None) -> int:
        return tracemalloc.get_traced_memory()[0]

    def max_memory_allocated(self, device: Device | None = None) -> int:
        return tracemalloc.get_traced_memory()[1]

    def reset_peak_memory_stats(self, device: Device | None = None) -> None:
        tracemalloc.reset_peak()


def _memory_of(array: np.ndarray) -> np.ndarray:
    """The array that owns `array`'s memory."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    return base


def _offset_of(array: np.ndarray) -> int:
    owner = _memory_of(array)
    return int(array.__array_interface__["data"][0] - owner.__array_interface__["data"][0])
