"""A test double: tapegrad's CuPy backend over real `cupy.ndarray` objects whose memory is the host's.

Shapes, strides, views and memory objects are CuPy's own work, and need no GPU. Kernels, copies and streams do: what
would use them raises CuPy's error.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any

import numpy as np

from tapegrad.backends import registry
from tapegrad.backends.cupy.backend import CupyBackend


def on_host(cupy: Any, array: np.ndarray, cls: Any = None) -> Any:
    """A cupy array over the memory of a NumPy array that owns it."""
    memory = cupy.cuda.UnownedMemory(array.ctypes.data, max(array.nbytes, 1), array, 0)
    return (cls or cupy.ndarray)(array.shape, array.dtype, cupy.cuda.MemoryPointer(memory, 0), array.strides)


def values(array: Any) -> np.ndarray:
    """The values behind an array made by `on_host`, or behind a view of one."""
    memory = np.frombuffer((ctypes.c_char * array.data.mem.size).from_address(array.data.mem.ptr), np.uint8)
    return np.ndarray(array.shape, array.dtype, memory, array.data.ptr - array.data.mem.ptr, array.strides)


class HostCupy(CupyBackend):
    """The CuPy backend, without the driver's idea of a current device."""

    def use(self, device: Any) -> Any:
        return contextlib.nullcontext()


@contextlib.contextmanager
def serving(cupy: Any, xp: Any = None, cls: Any = None) -> Any:
    """Inside, arrays of the class `cls`, or CuPy's, are served by a `HostCupy` with the namespace `xp`; afterwards
    everything is as before.
    """
    tables = registry._backends, registry._namespaces
    before = [dict(table) for table in tables]
    arrays = set(registry.ARRAYS)
    backend = HostCupy(cupy, 1)
    backend.xp = xp or cupy
    backend.array_type = cls or cupy.ndarray
    try:
        with registry.standing_in("cuda", backend):
            yield backend
    finally:
        for table, entries in zip(tables, before):
            table.clear()
            table.update(entries)
        registry.ARRAYS.clear()
        registry.ARRAYS.update(arrays)
