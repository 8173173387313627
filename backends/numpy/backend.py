"""The NumPy backend: the specification that every other backend is held to."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np

from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.device import Device
from tapegrad.backends.numerics import philox

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

    def from_host(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Array:
        return array

    def to_host(self, array: Array, non_blocking: bool = False) -> np.ndarray:
        return array

    def to_device(self, array: Array, device: Device) -> Array:
        return array

    def shares_memory(self, view: Array, array: Array) -> bool:
        # `.base` alone lies: a reshape that had to copy has one too. NumPy points a view at the array that owns the
        # memory, but for arrays over the memory of others (DLPack, PyTorch) and those of `as_strided`; a copy never
        # lies within the bounds of the array it was made of.
        base = view.base
        return view is array or (
            base is not None and (base is array or base is array.base or np.may_share_memory(view, array))
        )

    def pointer(self, array: Array) -> int:
        return int(array.__array_interface__["data"][0])

    def scatter_add(self, target: Array, index: Any, values: Array) -> None:
        axis, rows = _single_rows(index)
        if rows is not None and target.ndim > 1 and target.flags.c_contiguous:
            _add_rows(target, axis, rows, values)
        else:
            np.add.at(target, index, values)

    def matmul(self, a: Array, b: Array, convolution: bool = False) -> Array:
        if a.dtype.itemsize == 2 and a.dtype.kind in "fV":
            return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
        return np.matmul(a, b)

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
        # `stride_tricks.as_strided` takes seven times as long, and checks no bounds.
        if array.flags.c_contiguous:
            try:
                return np.ndarray(shape, array.dtype, array, offset, strides)
            except ValueError:
                pass  # it does not stay within this array, but perhaps within the memory that it is a part of
        begins, owner = _offset_of(array), _memory_of(array)
        owner = owner.transpose(sorted(range(owner.ndim), key=lambda axis: -owner.strides[axis]))
        if not owner.flags.c_contiguous:
            # Memory that is not NumPy's own, of which only this array is known.
            if offset:
                raise ValueError("as_strided: the memory of this array is not NumPy's own")
            return np.lib.stride_tricks.as_strided(array, shape, strides)
        return np.ndarray(shape, array.dtype, owner, begins + offset, strides)

    def philox(self, key: tuple[int, int], counter: int, words: int, device: Device) -> Array:
        return philox.words(key, counter, words)

    def synchronize(self, device: Device | None = None) -> None:
        pass

    # NumPy reports its allocations to tracemalloc, so its counters exist while tracemalloc runs and cost nothing
    # otherwise.
    def memory_allocated(self, device: Device | None = None) -> int:
        import tracemalloc

        return tracemalloc.get_traced_memory()[0]

    def max_memory_allocated(self, device: Device | None = None) -> int:
        import tracemalloc

        return tracemalloc.get_traced_memory()[1]

    def reset_peak_memory_stats(self, device: Device | None = None) -> None:
        import tracemalloc

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


def _single_rows(index: Any) -> tuple[int, np.ndarray | None]:
    """The axis and the integer array of an index that has one array, after full slices; None for any other."""
    if index.__class__ is tuple:
        *before, rows = index
        if not all(i.__class__ is slice and i == slice(None) for i in before):
            return 0, None
        axis = len(before)
    else:
        axis, rows = 0, index
    return (axis, rows) if isinstance(rows, np.ndarray) and rows.dtype.kind in "iu" else (0, None)


#: elements that `_add_rows` looks at in one go, so that their indices stay in the cache
_CHUNK = 1 << 15


def _add_rows(target: np.ndarray, axis: int, rows: np.ndarray, values: np.ndarray) -> None:
    """``np.add.at`` for whole rows along an axis, by the index of each element: NumPy is four times as fast for a
    single index into a vector.
    """
    n = target.shape[axis]
    rows = rows.astype(np.int64, copy=False)
    if rows.size and not -n <= rows.min() <= rows.max() < n:
        wrong = next(i for i in rows.reshape(-1).tolist() if not -n <= i < n)
        raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {n}")
    values = np.broadcast_to(values, target.shape[:axis] + rows.shape + target.shape[axis + 1 :])
    rows = rows.reshape(-1) % n if n else rows.reshape(-1)
    before = math.prod(target.shape[:axis])
    width = math.prod(target.shape[axis + 1 :])
    rows = (np.arange(before)[:, None] * n + rows).reshape(-1) * width
    flat, values, columns = target.reshape(-1), values.reshape(rows.size, width), np.arange(width)
    step = max(_CHUNK // max(width, 1), 1)
    for start in range(0, rows.size, step):
        part = slice(start, start + step)
        np.add.at(flat, (rows[part, None] + columns).reshape(-1), values[part].reshape(-1))
