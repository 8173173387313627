"""Sorting, sets, places in sorted sequences, counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_table.pointwise.arithmetic import draw
from op_table.reduction.sum import spread
from op_table.row import Row, Sample, sample


def _sorts(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(spread(rng, dtype, (3, 4))),
        sample(spread(rng, dtype, (3, 4)), 0, True),
        sample(spread(rng, dtype, (2, 5, 3)), 1),
        sample(spread(rng, dtype, ())),
        sample(np.zeros((0, 2), dtype), 0),
    ]


def _ranked(x: Any, dim: int = -1, descending: bool = False) -> Any:
    if not np.ndim(x):
        return np.asarray(x), np.asarray(0)
    index = np.argsort(-x if descending else x, axis=dim, kind="stable")
    return np.take_along_axis(x, index, dim), index


def _tops(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(spread(rng, dtype, (3, 5)), 2),
        sample(spread(rng, dtype, (3, 5)), 3, 0, False),
        sample(spread(rng, dtype, (2, 5, 3)), 0, 1),
        sample(spread(rng, dtype, ()), 1),
        sample(spread(rng, dtype, (1500,)), 3),
        sample(spread(rng, dtype, (2, 1500)), 4, 1, False),
    ]


def _top(x: Any, k: int, dim: int = -1, largest: bool = True) -> Any:
    values, index = _ranked(x, dim, largest)
    part = (*(slice(None),) * (dim % np.ndim(x)), slice(0, k)) if np.ndim(x) else ()
    return values[part], index[part]


def _levels(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    a = np.round(draw(rng, dtype, (4, 3)))
    rows = np.asarray([[1, 2], [0, 1], [1, 2], [0, 1]], dtype)
    return [
        sample(a),
        sample(a, return_inverse=True, return_counts=True),
        sample(rows, dim=0),
        sample(rows, True, True, True, 0),
        sample(np.array([3, 1, 3]), return_counts=True),
        sample(np.zeros(0, dtype)),
    ]


def _unique(
    x: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: Any = None
) -> Any:
    results = np.unique(x, return_inverse=return_inverse, return_counts=return_counts, axis=dim)
    if return_inverse:
        results = (results[0], results[1].reshape(x.shape if dim is None else -1), *results[2:])
    return results


def _consecutive(x: Any, return_inverse: bool = False, return_counts: bool = False, dim: Any = None) -> Any:
    table = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    starts = [i for i in range(len(table)) if i == 0 or not np.array_equal(table[i], table[i - 1])]
    values = table[starts] if dim is None else np.moveaxis(table[starts], 0, dim)
    inverse = np.array([sum(s <= i for s in starts) - 1 for i in range(len(table))], np.int64)
    counts = np.diff([*starts, len(table)]).astype(np.int64)
    results = [
        values,
        *[inverse.reshape(x.shape) if dim is None else inverse] * return_inverse,
        *[counts] * return_counts,
    ]
    return tuple(results) if len(results) > 1 else values


def _runs(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    a = np.asarray([1, 1, 2, 2, 2, 1, 3], dtype)
    rows = np.asarray([[1, 2], [1, 2], [0, 1], [1, 2]], dtype)
    return [
        sample(a),
        sample(a, True, True),
        sample(rows),
        sample(rows, True, True, 0),
        sample(np.zeros(0, dtype), return_counts=True),
    ]


def _places(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    line = np.asarray([1.0, 3.0, 3.0, 5.0], dtype)
    table = np.stack([line, line + 1])
    values = np.asarray([[0.0, 3.0, 6.0], [4.0, 2.0, 9.0]], dtype)
    return [
        sample(line, values),
        sample(line, values, right=True),
        sample(line, values, side="right"),
        sample(table, values),
        sample(line, 3.0),
        sample(line[::-1].copy(), values, sorter=np.array([3, 1, 2, 0])),
        sample(np.array([1, 2]), np.array([2]), out_int32=True),
        sample(line, np.asarray(3.0, dtype)),
    ]


def _searchsorted(
    a: Any, v: Any, right: bool = False, side: Any = None, sorter: Any = None, out_int32: bool = False
) -> Any:
    side = "right" if right or side == "right" else "left"
    a = a if sorter is None else np.take_along_axis(a, sorter, -1)
    places = (
        np.searchsorted(a, v, side) if a.ndim == 1 else np.stack([np.searchsorted(x, y, side) for x, y in zip(a, v)])
    )
    return np.asarray(places, np.int32 if out_int32 else np.int64)


def _weights(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x = rng.integers(0, 5, 8)
    return [
        sample(x),
        sample(x, minlength=9),
        sample(x, rng.random(8)),
        sample(np.zeros(0, np.int64)),
        sample(x, minlength=2),
    ]


def _histc(x: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    if min == max:
        min, max = x.min(), x.max()
    return np.histogram(x, bins, (min, max))[0].astype(x.dtype)


def _histograms(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    # inside the bins, whatever their ends are rounded to
    x = np.asarray(rng.integers(0, 40, (4, 5)) / 8 + 1 / 32, dtype)
    return [sample(x, 4, 0, 4), sample(x, 5, -1.0, 3.0), sample(np.asarray([0.0, 1.3, 2.7, 4.0], dtype), bins=4)]


ROWS = [
    Row("sort", _sorts, _ranked),
    Row("argsort", _sorts, lambda *args, **kwargs: _ranked(*args, **kwargs)[1], grad=False),
    Row(
        "msort",
        lambda rng, dtype: [sample(spread(rng, dtype, (4, 3))), sample(spread(rng, dtype, (5,)))],
        lambda x: np.sort(x, 0),
    ),
    Row("topk", _tops, _top, dtypes=("float32", "float64")),
    Row(
        "unique",
        _levels,
        _unique,
        grad=False,
        synchronises=True,
        batched=False,
        why="under vmap the shape of the result would depend on values",
    ),
    Row(
        "unique_consecutive",
        _runs,
        _consecutive,
        grad=False,
        synchronises=True,
        batched=False,
        why="under vmap the shape of the result would depend on values",
    ),
    Row("searchsorted", _places, _searchsorted, grad=False, torch=None),
    Row(
        "bucketize",
        lambda rng, dtype: [
            sample(np.asarray([0.0, 3.0, 6.0], dtype), np.asarray([1.0, 3.0, 5.0], dtype), right=r)
            for r in (False, True)
        ],
        lambda x, b, right=False: np.searchsorted(b, x, "right" if right else "left"),
        grad=False,
    ),
    Row(
        "bincount", _weights, lambda x, w=None, minlength=0: np.bincount(x, w, minlength), grad=False, synchronises=True
    ),
    Row("histc", _histograms, _histc, grad=False, synchronises=True),
]
