"""Running sums, products and extremes, and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from op_table.pointwise.arithmetic import draw
from op_table.reduction.sum import _with_zeros, spread
from op_table.row import Row, Sample, sample

CASES = (((3, 4), 1), ((3, 4), 0), ((2, 5, 3), -2), ((7,), 0), ((), 0), ((0, 3), 0))


def _scans(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [sample(draw(rng, dtype, shape), dim) for shape, dim in CASES]


def _apart(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [sample(spread(rng, dtype, shape), dim) for shape, dim in CASES if 0 not in shape]


def _zeros(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        *_scans(rng, dtype),
        *(sample(s.args[0], s.kwargs["dim"]) for s in _with_zeros(rng, dtype) if "dim" in s.kwargs),
    ]


def _running(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim: function(x, axis=dim) if np.ndim(x) else np.asarray(x)


def _extreme(ufunc: Any) -> Callable[..., Any]:
    def reference(x: Any, dim: int) -> Any:
        if not np.ndim(x):
            return np.asarray(x), np.asarray(0)
        values = ufunc.accumulate(x, axis=dim)
        places = np.arange(x.shape[dim]).reshape([-1 if i == dim % x.ndim else 1 for i in range(x.ndim)])
        return values, np.maximum.accumulate(np.where(x == values, places, 0), axis=dim)

    return reference


def _differences(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    def d(*shape: int) -> np.ndarray:
        return draw(rng, dtype, shape)

    return [
        sample(d(3, 4)),
        sample(d(3, 4), 2, 0),
        sample(d(5), prepend=d(2), append=d(1)),
        sample(d(3, 4), 1, 1, d(3, 1)),
        sample(d(2), 3),
    ]


def _diff(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    parts = [part for part in (prepend, x, append) if part is not None]
    return np.diff(np.concatenate(parts, dim), n, dim)


ROWS = [
    Row("cumsum", _scans, _running(np.cumsum), complex=True, inplace=True, integer=True),
    Row("cumprod", _zeros, _running(np.cumprod), complex=True, inplace=True, integer=True),
    Row("logcumsumexp", _scans, _running(np.logaddexp.accumulate)),
    Row("cummax", _apart, _extreme(np.maximum)),
    Row("cummin", _apart, _extreme(np.minimum)),
    Row("diff", _differences, _diff, complex=True),
]
