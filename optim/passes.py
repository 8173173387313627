"""Updates of parameters as passes of ufuncs over raw arrays.

An update is a function ``update(xp, arrays, temps)``: `arrays` are those of the parameter, its gradient and its state,
all of one shape; `temps` are as many working arrays as the update asks for. It writes the parameter and the state in
place, by ufuncs with ``out=``, so it runs on any backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.backends import Array, xp

Update = Callable[[Any, tuple[Array, ...], tuple[Array, ...]], None]

# Bytes. An update makes a dozen passes; in blocks of this size its five or six arrays stay in a core's second-level
# cache from one pass to the next. Smaller blocks cost more in calls than they save.
BLOCK = 256 * 1024


def scalar(value: Any, array: Array) -> Any:
    """A hyperparameter for arithmetic with `array`: a number, or a 0-d array of its device.

    The host never reads a tensor on the device.
    """
    if not isinstance(value, Tensor):
        return value
    own = value._array
    return own.reshape(()) if own.__class__ is array.__class__ is not np.ndarray else own.item()


def prepare(coefficients: dict[str, Any], array: Array) -> dict[str, Any]:
    """Coefficients for ufuncs with `array`: NumPy takes three times as long for a number as for a 0-d array."""
    if array.__class__ is np.ndarray:
        dtype = _computation_dtype(array.dtype)
        for name, value in coefficients.items():
            coefficients[name] = np.array(value, dtype)
    return coefficients


def _computation_dtype(dtype: np.dtype) -> np.dtype:
    """Half types are updated in float32, complex ones by parts."""
    if dtype.kind == "c":
        return np.dtype(f"f{dtype.itemsize // 2}")
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


class Passes:
    """Runs updates; keeps their working memory, which is at most a block for each dtype and working array."""

    __slots__ = ("_shaped", "_temps")

    def __init__(self) -> None:
        self._temps: dict[np.dtype, list[np.ndarray]] = {}
        self._shaped: dict[Any, tuple[np.ndarray, ...]] = {}

    def run(self, update: Update, arrays: tuple[Array, ...], temps: int) -> None:
        """Call `update` on `arrays` (parameter, gradient, state...), as a whole or block by block."""
        parameter = arrays[0]
        dtype = parameter.dtype
        if parameter.__class__ is np.ndarray and dtype.char in "fd":
            if parameter.nbytes <= BLOCK:
                update(np, arrays, self._temps_like(parameter, temps))
            else:
                self._in_blocks(update, arrays, temps)
        elif dtype.kind == "c":
            self.run(update, tuple([a.real for a in arrays]), temps)
            self.run(update, tuple([a.imag for a in arrays]), temps)
        elif dtype.itemsize == 2:
            self._in_float32(update, arrays, temps)
        else:
            space = xp(parameter)
            update(space, arrays, tuple([space.empty(parameter.shape, dtype) for _ in range(temps)]))

    def _in_float32(self, update: Update, arrays: tuple[Array, ...], temps: int) -> None:
        wide = tuple([a.astype(np.float32) for a in arrays])
        self.run(update, wide, temps)
        for i, array in enumerate(arrays):
            if i != 1:  # the gradient is not written
                array[...] = wide[i]

    def _temps_like(self, array: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
        """`count` working arrays of the shape and dtype of `array`, which is no larger than a block."""
        key = array.shape, array.dtype.char, count
        temps = self._shaped.get(key)
        if temps is None:
            blocks = self._blocks(array.dtype, count)
            temps = self._shaped[key] = tuple([block[: array.size].reshape(array.shape) for block in blocks])
        return temps

    def _blocks(self, dtype: np.dtype, count: int) -> list[np.ndarray]:
        """`count` working arrays of a block each."""
        temps = self._temps.setdefault(dtype, [])
        while len(temps) < count:
            temps.append(np.empty(BLOCK // dtype.itemsize, dtype))
        return temps[:count]

    def _in_blocks(self, update: Update, arrays: tuple[Array, ...], temps: int) -> None:
        parameter = arrays[0]
        if not all(a.flags.c_contiguous for a in arrays):
            if not all(a.flags.f_contiguous for a in arrays):
                update(np, arrays, tuple([np.empty(parameter.shape, parameter.dtype) for _ in range(temps)]))
                return
            arrays = tuple([a.T for a in arrays])
        flat = [a.reshape(-1) for a in arrays]
        working = self._blocks(parameter.dtype, temps)
        size, block = parameter.size, BLOCK // parameter.itemsize
        for start in range(0, size, block):
            stop = min(start + block, size)
            update(np, tuple([a[start:stop] for a in flat]), tuple([t[: stop - start] for t in working]))
