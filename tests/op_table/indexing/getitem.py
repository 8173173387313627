"""Reading and writing stretches, items and elements by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample
from op_table.shape.reshape import draw, of, row


def np_select_scatter(x: np.ndarray, src: np.ndarray, dim: int, index: int) -> np.ndarray:
    result = x.copy()
    np.moveaxis(result, dim, 0)[index] = src
    return result


def np_slice_scatter(
    x: np.ndarray, src: np.ndarray, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> np.ndarray:
    result = x.copy()
    np.moveaxis(result, dim, 0)[start:end:step] = np.moveaxis(src, dim, 0)
    return result


def select_scatters(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), draw(rng, dtype, 3), 0, 1),
        sample(draw(rng, dtype, 2, 3), draw(rng, dtype, 2), -1, -1),
        sample(draw(rng, dtype, 3), draw(rng, dtype), 0, 0),
    ]


def slice_scatters(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 4, 3), draw(rng, dtype, 2, 3), 0, 1, 3),
        sample(draw(rng, dtype, 2, 5), draw(rng, dtype, 2, 2), 1, 0, 4, 2),
        sample(draw(rng, dtype, 2, 3), draw(rng, dtype, 2, 3)),
        sample(draw(rng, dtype, 4), draw(rng, dtype, 2), start=-2),
    ]


def puts(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 3, 4), (np.array([0, 2]),), draw(rng, dtype, 2, 4)),
        sample(draw(rng, dtype, 3, 4), (np.array([0, 2]), np.array([1, -1])), draw(rng, dtype, 2)),
        sample(draw(rng, dtype, 3, 4), (np.array([[0, 2]]), np.array([[1], [3]])), draw(rng, dtype)),
        sample(draw(rng, dtype, 3, 4), (np.array([0, 0, 2]),), draw(rng, dtype, 3, 4), True),
        sample(draw(rng, dtype, 3), (np.array([1]),), draw(rng, dtype, 1), True),
        sample(draw(rng, dtype, 3, 4), (np.array(1),), draw(rng, dtype, 4)),
        sample(draw(rng, dtype, 3), (np.zeros(0, np.int64),), draw(rng, dtype, 0)),
    ]


def masked_puts(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), (np.array([[True, False, True], [False, True, False]]),), draw(rng, dtype, 3))
    ]


def np_index_put(x: np.ndarray, indices: tuple[Any, ...], values: np.ndarray, accumulate: bool = False) -> np.ndarray:
    result = x.copy()
    if accumulate:
        np.add.at(result, indices, values)
    else:
        result[indices] = values
    return result


ROWS: list[Row] = [
    row("select", of(((2, 3), 0, 1), ((2, 3), -1, -2), ((3,), 0, 0)), lambda x, dim, i: x.take(i, dim), view=True),
    row(
        "narrow",
        of(((4, 3), 0, 1, 2), ((2, 5), -1, -3, 3), ((3,), 0, 1, 0)),
        lambda x, dim, start, n: x.take(range(start, start + n), dim),
        view=True,
    ),
    Row("select_scatter", select_scatters, np_select_scatter),
    Row("slice_scatter", slice_scatters, np_slice_scatter),
    row("index_put", puts, np_index_put, inplace=True),
]
