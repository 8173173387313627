"""Large NumPy arrays in pieces that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tapegrad.autograd.core.operand import Array

# A formula of several passes is two to three times as fast on pieces of this many elements as on an array that has to
# come from memory for each pass.
BLOCK = 1 << 16


def by_blocks(formula: Callable[..., Array], *arrays: Array) -> Array:
    """``formula(*arrays)``, an elementwise formula of arrays of one shape whose result has the first one's dtype."""
    first = arrays[0]
    if first.__class__ is not np.ndarray or first.size <= 2 * BLOCK or not _simple(first.shape, arrays):
        return formula(*arrays)
    result = np.empty(first.shape, first.dtype)
    flat, lines = result.reshape(-1), [a.reshape(-1) for a in arrays]
    for i in range(0, first.size, BLOCK):
        flat[i : i + BLOCK] = formula(*[line[i : i + BLOCK] for line in lines])
    return result


def by_rows(formula: Callable[..., Array], axis: int, *arrays: Array) -> Array:
    """``formula(axis, None, *arrays)``, a formula along one dimension of arrays of one shape.

    The formula writes to its second argument where that is an array.
    """
    first = arrays[0]
    if first.__class__ is not np.ndarray or first.size <= 2 * BLOCK or axis != first.ndim - 1 or not axis:
        return formula(axis, None, *arrays)
    if not _simple(first.shape, arrays):
        return formula(axis, None, *arrays)
    result = np.empty(first.shape, first.dtype)
    n = first.shape[-1]
    rows, tables, step = result.reshape(-1, n), [a.reshape(-1, n) for a in arrays], max(1, BLOCK // n)
    for i in range(0, len(rows), step):
        formula(1, rows[i : i + step], *[table[i : i + step] for table in tables])
    return result


def _simple(shape: tuple[int, ...], arrays: tuple[Array, ...]) -> bool:
    return all(a.shape == shape and a.flags.c_contiguous for a in arrays)
