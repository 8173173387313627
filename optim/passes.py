"""Updates of parameters as passes of ufuncs over raw arrays.

An update is a function ``update(xp, arrays, temps, numbers)``: `arrays` are those of the parameter, its gradient and its state, all of one shape; `temps` are
as many working arrays as the update asks for; `numbers` are its coefficients. It writes the parameter and the state in place, by ufuncs with ``out=``, so it
runs on any backend.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.backends import xp

Update = Callable[[Any, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]], None]

# Bytes. An update makes a dozen passes; in blocks of this size its five or six arrays stay in a core's second-level cache from one pass to the next. Smaller
# blocks cost more in calls than they save.
BLOCK = 256 * 1024


def scalar(value: Any, beside: Any) -> Any:
    """A hyperparameter, number or one-element tensor, as what can be reckoned with beside the array `beside`: a number, or a 0-d array of its device.

    A tensor on the device is never read by the host.
    """
    if not isinstance(value, Tensor):
        return value
    array = value._array
    return array.reshape(()) if array.__class__ is beside.__class__ is not np.ndarray else array.item()


def numbers(values: tuple[Any, ...], beside: Any) -> tuple[Any, ...]:
    """Coefficients as ufuncs take them beside the array `beside`: 0-d arrays on NumPy, which needs three times as long for a Python number."""
    if beside.__class__ is not np.ndarray:
        return values
    dtype = _reckoned_in(beside.dtype)
    return tuple([np.array(value, dtype) for value in values])


def _reckoned_in(dtype: np.dtype) -> np.dtype:
    """The dtype of an update's arithmetic: half types are updated in float32, complex ones by parts."""
    if dtype.kind == "c":
        return np.dtype(f"f{dtype.itemsize // 2}")
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


class Passes:
    """Runs updates; keeps their working memory, which is at most a block for each dtype."""

    __slots__ = ("_shaped", "_temps")

    def __init__(self) -> None:
        self._temps: dict[np.dtype, list[np.ndarray]] = {}
        self._shaped: dict[Any, tuple[np.ndarray, ...]] = {}

    def run(self, update: Update, arrays: tuple[Any, ...], temps: int, numbers: tuple[Any, ...]) -> None:
        """Call `update` on `arrays` (parameter, gradient, state...), as a whole or block by block."""
        parameter = arrays[0]
        dtype = parameter.dtype
        if parameter.__class__ is np.ndarray and dtype.char in "fd":
            if parameter.nbytes <= BLOCK:
                update(np, arrays, self._like(parameter, temps), numbers)
            else:
                self._in_blocks(update, arrays, temps, numbers)
        elif dtype.kind == "c":
            self.run(update, tuple([a.real for a in arrays]), temps, numbers)
            self.run(update, tuple([a.imag for a in arrays]), temps, numbers)
        elif dtype.itemsize == 2:
            self._widened(update, arrays, temps, numbers)
        else:
            space = xp(parameter)
            update(space, arrays, tuple([space.empty(parameter.shape, dtype) for _ in range(temps)]), numbers)

    def _widened(self, update: Update, arrays: tuple[Any, ...], temps: int, numbers: tuple[Any, ...]) -> None:
        wide = tuple([a.astype(np.float32) for a in arrays])
        self.run(update, wide, temps, numbers)
        for i, array in enumerate(arrays):
            if i != 1:
                array[...] = wide[i]

    def _like(self, array: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
        """`count` working arrays of the shape and dtype of `array`, which is no larger than a block."""
        key = array.shape, array.dtype.char, count
        found = self._shaped.get(key)
        if found is None:
            found = self._shaped[key] = tuple([t[:array.size].reshape(array.shape) for t in self._flat(array.dtype, count)])
        return found

    def _flat(self, dtype: np.dtype, count: int) -> list[np.ndarray]:
        """`count` working arrays of a block each."""
        temps = self._temps.setdefault(dtype, [])
        while len(temps) < count:
            temps.append(np.empty(BLOCK // dtype.itemsize, dtype))
        return temps[:count]

    def _in_blocks(self, update: Update, arrays: tuple[Any, ...], temps: int, numbers: tuple[Any, ...]) -> None:
        parameter = arrays[0]
        if not all(a.flags.c_contiguous for a in arrays):
            if not all(a.flags.f_contiguous for a in arrays):
                update(np, arrays, tuple([np.empty(parameter.shape, parameter.dtype) for _ in range(temps)]), numbers)
                return
            arrays = tuple([a.T for a in arrays])
        flat = [a.reshape(-1) for a in arrays]
        working = self._flat(parameter.dtype, temps)
        size, block = parameter.size, BLOCK // parameter.itemsize
        for start in range(0, size, block):
            stop = min(start + block, size)
            update(np, tuple([a[start:stop] for a in flat]), tuple([t[:stop - start] for t in working]), numbers)
