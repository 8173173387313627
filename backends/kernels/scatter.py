"""``target[index] += values`` by kernels of our own, for the dtypes that CuPy's `add.at` has no atomics for, or rounds
to 16 bits after every addition.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tapegrad.backends.kernels.launch import launch

Array = Any
#: dtype -> the dtype that its memory is seen as, that dtype's name in CUDA, how many of them an element is
_SEEN: dict[str, tuple[Any, str, int]] = {
    "bool": (np.bool_, "bool", 1),
    "int8": (np.uint8, "unsigned char", 1),
    "uint8": (np.uint8, "unsigned char", 1),
    "int16": (np.uint16, "unsigned short", 1),
    "uint16": (np.uint16, "unsigned short", 1),
    "int32": (np.uint32, "unsigned", 1),
    "uint32": (np.uint32, "unsigned", 1),
    "int64": (np.uint64, "unsigned long long", 1),
    "uint64": (np.uint64, "unsigned long long", 1),
    "float32": (np.float32, "float", 1),
    "float64": (np.float64, "double", 1),
    "complex64": (np.float32, "float", 2),
    "complex128": (np.float64, "double", 2),
}
#: 16-bit floats, which are added in float32 and rounded once -> how many bits of exponent they have
_HALVES = {"float16": 5, "bfloat16": 8}
BLOCK = 256


class Rows(NamedTuple):
    """An index as rows of an array of shape (outer, n, width)."""

    outer: int
    n: int
    width: int
    rows: Array  # integers, of which -1 is the last row; a vector
    shape: tuple[int, ...]  # that of what the index names


class Addition(NamedTuple):
    """``target[:, rows] += values``: what a kernel is to do, its arrays C-contiguous."""

    target: Array  # of shape (outer, n, width)
    # of shape (outer, k, width), with the target's dtype; or the bits of 16-bit floats, for a target of float32
    values: Array
    rows: Array  # a vector of k integers
    exponent: int  # how many bits of exponent such a 16-bit float has; 0 for all others


def add(xp: Any, target: Array, index: Any, values: Array, run: Callable[[Addition], None] | None = None) -> None:
    """``target[index] += values`` in place; values whose index repeats add up, 16-bit floats in float32. Indices out of
    range wrap around, as CuPy's do.

    Args:
        target: an array of any dtype and layout.
        values: an array of the target's dtype, of a shape that broadcasts to that of ``target[index]``.
        run: adds; by default the kernel that takes sums in any order.

    Raises:
        IndexError: the index names something along an axis that has nothing.
    """
    found = rows_of(xp, target.shape, index)
    if not math.prod(found.shape):
        return
    values = xp.ascontiguousarray(xp.broadcast_to(values, found.shape))
    exponent = _HALVES.get(target.dtype.name, 0)
    whole = target
    if exponent:
        whole = target.astype(np.float32, order="C")
    elif not target.flags.c_contiguous:
        whole = target.copy(order="C")
    seen, _, parts = (np.uint16, "", 1) if exponent else _SEEN[target.dtype.name]
    width = found.width * parts
    flat = whole.reshape((-1,)) if exponent else whole.reshape((-1,)).view(seen)
    (run or in_any_order)(
        Addition(
            flat.reshape((found.outer, found.n, width)),
            values.reshape((-1,)).view(seen).reshape((found.outer, -1, width)),
            found.rows,
            exponent,
        )
    )
    if whole is not target:
        target[...] = whole.astype(target.dtype)


def in_any_order(todo: Addition) -> None:
    """By atomics: sums of floating-point numbers differ in their last bits from run to run."""
    target, values, rows, _ = todo
    launch(
        _kernel("add", todo),
        -(-values.size // BLOCK),
        BLOCK,
        (target, values, rows, values.size, target.shape[1], rows.size, target.shape[2]),
        like=target,
    )


def in_order(xp: Any) -> Callable[[Addition], None]:
    """A function that adds in the order of the values, the same in every run: by sorting the rows, which CuPy may wait
    for.
    """

    def run(todo: Addition) -> None:
        target, values, rows, _ = todo
        rows = rows % target.shape[1]
        order = xp.argsort(rows)
        rows = rows[order]
        launch(
            _kernel("add_sorted", todo),
            -(-values.size // BLOCK),
            BLOCK,
            (target, values, rows, order, values.size, target.shape[1], rows.size, target.shape[2]),
            like=target,
        )

    return run


def _kernel(name: str, todo: Addition) -> str:
    element = next(c for seen, c, _ in _SEEN.values() if todo.target.dtype == seen)
    value = "unsigned short" if todo.exponent else element
    return (
        f"scatter.{name}<{element}, {value}, {'int' if todo.rows.dtype == np.int32 else 'long long'}, {todo.exponent}>"
    )


def kernels() -> list[str]:
    """The names of all kernels that there are here, one for each kind of target, values and rows."""
    kinds = [(element, element, 0) for element in dict.fromkeys(c for _, c, _ in _SEEN.values())]
    kinds += [("float", "unsigned short", exponent) for exponent in _HALVES.values()]
    return [
        f"scatter.{name}<{element}, {value}, {row}, {exponent}>"
        for name in ("add", "add_sorted")
        for element, value, exponent in kinds
        for row in ("int", "long long")
    ]


def rows_of(xp: Any, shape: tuple[int, ...], index: Any) -> Rows:
    """`index`, of an array of `shape`, as rows.

    Raises:
        IndexError: it names something along an axis that has nothing.
    """
    items = index if index.__class__ is tuple else (index,)
    whole = [item.__class__ is slice and item == slice(None) for item in items]
    first = next((i for i, full in enumerate(whole) if not full), len(items))
    last = next((i for i in range(len(items), first, -1) if not whole[i - 1]), first)
    arrays = items[first:last]
    if not arrays or not all(hasattr(item, "dtype") and item.dtype.kind in "iu" for item in arrays):
        return _positions(xp, shape, index)
    sizes = shape[first:last]
    n, width = math.prod(sizes), math.prod(shape[last:])
    if len(arrays) == 1:
        rows = arrays[0]
    else:
        arrays = xp.broadcast_arrays(*arrays)
        if arrays[0].size and n:
            rows = arrays[0].astype(np.int64) % sizes[0]
            for array, size in zip(arrays[1:], sizes[1:]):
                rows = rows * size + array % size
        else:
            rows = arrays[0]
    named = shape[:first] + rows.shape + shape[last:]
    if not n and math.prod(named):
        axis = first + sizes.index(0)
        raise IndexError(f"index is out of bounds for axis {axis} with size 0")
    if rows.dtype not in (np.int32, np.int64):
        rows = rows.astype(np.int64)
    return Rows(math.prod(shape[:first]), n, width, xp.ascontiguousarray(rows.reshape((-1,))), named)


def _positions(xp: Any, shape: tuple[int, ...], index: Any) -> Rows:
    """Any index: where in memory, in order, the elements are that it names."""
    size = math.prod(shape)
    where = xp.arange(size).reshape(shape)[index]
    return Rows(1, size, 1, xp.ascontiguousarray(where.reshape((-1,))), where.shape)
