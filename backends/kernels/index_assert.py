"""Checks indices on the device, by the kernel of `index_assert.cu`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.backends.kernels.launch import launch

Array = Any
_NAMES = {"int64": "long long", "int32": "int"}
BLOCK, MOST_BLOCKS = 256, 1024


def kernels() -> list[str]:
    """The names of all instances of the kernel."""
    return [f"index_assert.check<{name}>" for name in _NAMES.values()]


def look(xp: Any, index: Array, low: int, high: int, dim: int, code: int, note: Array) -> None:
    """Write to `note` if an element of `index` is not in ``range(low, high)``.

    Args:
        index: integers; those that do not lie in order, or have another type than int32 and int64, are copied.
        code: not 0.
        note: four int64: `code`, the wrong index, `dim` and `high`; left alone while there is a code in it.
    """
    index = xp.ascontiguousarray(index, np.int64 if index.dtype.name not in _NAMES else None)
    n = index.size
    launch(
        f"index_assert.check<{_NAMES[index.dtype.name]}>",
        min(-(-n // BLOCK), MOST_BLOCKS),
        BLOCK,
        (index, n, low, high, dim, code, note),
        like=index,
    )


def shared_note(cupy: Any) -> tuple[np.ndarray, Array]:
    """Pinned memory for a note of CuPy's current device, as the host's array and as an array that kernels write to.

    Pinned memory has one address for the host and all devices (unified addressing, on all 64-bit systems), so nothing
    is copied.
    """
    memory = cupy.cuda.alloc_pinned_memory(32)
    host = np.frombuffer(memory, np.int64, 4)
    host[:] = 0
    device = cupy.cuda.runtime.getDevice()
    pointer = cupy.cuda.MemoryPointer(cupy.cuda.UnownedMemory(memory.ptr, 32, memory, device), 0)
    return host, cupy.ndarray((4,), np.int64, pointer)
