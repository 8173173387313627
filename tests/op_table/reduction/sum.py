"""Reductions: sums, products, moments, extremes, norms, order statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from op_table.pointwise.arithmetic import draw
from op_table.row import Row, Sample, sample

#: (shape, how it is reduced)
CASES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((3, 4), {}),
    ((3, 4), {"dim": 1}),
    ((3, 4), {"dim": -2, "keepdim": True}),
    ((2, 3, 4), {"dim": (0, 2)}),
    ((2, 3, 4), {"dim": [-1], "keepdim": True}),
    ((), {}),
    ((), {"dim": 0}),
    ((0, 3), {"dim": 0}),
    ((5,), {"dim": 0}),
)


def _axis(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list) else dim


def spread(rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that differ from each other by at least 0.1, in random order."""
    size = int(np.prod(shape))
    values = rng.permutation(size) * 0.2 + rng.uniform(0, 0.1, size) - size * 0.1
    return np.asarray(values.reshape(shape), dtype)


def reduced(
    cases: Any = CASES, low: float = -2.0, high: float = 2.0, apart: bool = False, **more: Any
) -> Callable[..., list[Sample]]:
    def samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        return [
            sample(spread(rng, dtype, shape) if apart else draw(rng, dtype, shape, low, high), **how, **more)
            for shape, how in cases
        ]

    return samples


def over(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's reduction, called as torch's."""

    def reference(x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
        if not np.ndim(x) and dim is not None:
            dim = None
        return function(x, axis=_axis(dim), keepdims=keepdim, **kwargs)

    return reference


NONEMPTY = tuple(case for case in CASES if 0 not in case[0])
ONE_DIM = tuple(case for case in NONEMPTY if not isinstance(case[1].get("dim"), (tuple, list)))
ALONG = tuple(case for case in ONE_DIM if "dim" in case[1])
SPREAD = tuple(case for case in NONEMPTY if case[0])


def _var(function: Callable[..., Any]) -> Callable[..., Any]:
    def reference(
        x: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, correction: float | None = None
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        ddof = correction if correction is not None else 1 if unbiased is None or unbiased else 0
        return function(x, axis=_axis(dim), keepdims=keepdim, ddof=ddof)

    return reference


def _moments(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        *reduced(SPREAD)(rng, dtype),
        sample(draw(rng, dtype, (3, 4)), False),
        sample(draw(rng, dtype, (3, 4)), 1, True, True),
        sample(draw(rng, dtype, (3, 4)), 0, correction=0),
        sample(draw(rng, dtype, (3, 4)), correction=2),
    ]


def _with_index(pick: Callable[..., Any]) -> Callable[..., Any]:
    """The reference of a function that returns values and indices along a dimension, a single value without one."""

    def reference(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        x = np.asarray(x)
        if dim is None:
            return np.asarray(x.reshape(-1)[pick(x.reshape(-1), 0)])
        index = np.expand_dims(pick(x, dim), dim) if x.ndim else np.asarray(0)
        values = np.take_along_axis(x, index, dim) if x.ndim else x
        return (values, index) if keepdim or not x.ndim else (values.squeeze(dim), index.squeeze(dim))

    return reference


def _extreme(pick: Callable[..., Any], ufunc: Callable[..., Any]) -> Callable[..., Any]:
    along = _with_index(pick)

    def reference(x: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
        other = dim if isinstance(dim, np.ndarray) else other
        return ufunc(x, other) if other is not None else along(x, dim, keepdim)

    return reference


def _pairwise(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    both = spread(rng, dtype, (2, 3, 4))
    return [sample(both[0], both[1]), sample(both[0], other=both[1, 0])]


def _norm(x: Any, p: Any = 2.0, dim: Any = None, keepdim: bool = False) -> Any:
    p = 2.0 if p == "fro" else p
    size = np.abs(x)
    axis = _axis(dim)
    if p in (np.inf, -np.inf):
        return (np.max if p > 0 else np.min)(size, axis=axis, keepdims=keepdim)
    return (
        np.sum(size != 0, axis=axis, keepdims=keepdim).astype(size.dtype)
        if p == 0
        else np.sum(size**p, axis=axis, keepdims=keepdim) ** (1 / p)
    )


def _norms(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    def d(*shape: int) -> np.ndarray:
        return np.asarray(
            (spread(rng, np.dtype("f8"), shape) + 0.03) * (1 if dtype.kind != "c" else np.exp(0.7j)), dtype
        )

    return [
        sample(d(3, 4)),
        *(sample(d(3, 4), p, 1) for p in (1, 2, 3, 0, float("inf"), float("-inf"), 1.5, 2.5)),
        sample(d(3, 4), 2, (0, 1), True),
        sample(d(2, 3, 4), 3, [0, 2]),
        sample(d(), 2),
    ]


def _distances(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    both = spread(rng, dtype, (2, 3, 4))
    return [sample(both[0], both[1]), sample(both[0], both[1, 0], 3), sample(both[0], both[1], 1)]


def _lower_median(x: Any, axis: int) -> Any:
    order = np.argsort(x, axis=axis, kind="stable")
    return np.take(order, (x.shape[axis] - 1) // 2, axis=axis)


def _nan_lower_median(x: Any, axis: int) -> Any:
    def one(row: Any) -> Any:
        good = np.flatnonzero(~np.isnan(row))
        return good[np.argsort(row[good], kind="stable")[(len(good) - 1) // 2]]

    return np.apply_along_axis(one, axis, x)


def _with_nan(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    a = spread(rng, dtype, (3, 4))
    a[0, 1] = a[2, 3] = np.nan
    return [sample(a), sample(a, 1), sample(a, 0, True)]


def _mode(x: Any, dim: int = -1, keepdim: bool = False) -> Any:
    def place(row: Any) -> int:
        values, counts = np.unique(row, return_counts=True)
        return int(np.flatnonzero(row == values[np.argmax(counts)])[-1])

    index = np.expand_dims(np.apply_along_axis(place, dim, x), dim)
    values = np.take_along_axis(x, index, dim)
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


def _modes(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    levels = spread(rng, dtype, (6,))
    tables = [np.array([[3, 1, 3, 1, 2], [0, 1, 2, 3, 4], [5, 5, 5, 5, 1]]), np.array([2, 2, 0, 0, 1])]
    return [sample(levels[tables[0]]), sample(levels[tables[0]], 0, True), sample(levels[tables[1]])]


def _quantile(function: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any, q: Any, dim: Any = None, keepdim: bool = False, interpolation: str = "linear") -> Any:
        return function(x, q, axis=dim, keepdims=keepdim, method=interpolation)

    return reference


def _quantiles(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    def d(*shape: int) -> np.ndarray:
        return spread(rng, dtype, shape)

    q = np.asarray([0.13, 0.5, 0.87], dtype)
    return [
        sample(d(3, 4), 0.37),
        sample(d(3, 4), 0.37, 1),
        sample(d(3, 4), q, 0),
        sample(d(3, 4), q, 1, True),
        sample(d(2, 3, 4), q),
        sample(d(), 0.5),
        *(sample(d(3, 5), 0.37, 1, interpolation=how) for how in ("lower", "higher", "midpoint", "nearest")),
    ]


def _nan_quantiles(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    a = spread(rng, dtype, (3, 6))
    a[0, 1] = a[2, 3] = np.nan
    return [sample(a, 0.37, 1), sample(a, np.asarray([0.13, 0.6], dtype), 1, True), sample(a, 0.37)]


def _truths(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    bits = rng.integers(0, 2, (2, 3, 4)).astype(bool)
    return [
        sample(bits),
        sample(bits, 1),
        sample(bits, (0, 2), True),
        sample(np.round(draw(rng, dtype, (3, 4))), 0),
        sample(np.zeros((0, 3), bool), 0),
        sample(np.array(True)),
    ]


def _with_zeros(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    a, b = draw(rng, dtype, (3, 4)), draw(rng, dtype, (3, 4))
    a[0, 1] = b[1, 0] = b[1, 2] = 0
    return [sample(x, **how) for x in (a, b) for how in ({}, {"dim": 1}, {"dim": 0, "keepdim": True})]


def _aminmax(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return over(np.min)(x, dim, keepdim), over(np.max)(x, dim, keepdim)


ROWS = [
    Row("sum", reduced(), over(np.sum), complex=True, integer=True),
    Row("mean", reduced(NONEMPTY), over(np.mean), complex=True),
    Row("nansum", lambda rng, dtype: [*reduced()(rng, dtype), *_with_nan(rng, dtype)], over(np.nansum)),
    Row("nanmean", lambda rng, dtype: [*reduced(NONEMPTY)(rng, dtype), *_with_nan(rng, dtype)], over(np.nanmean)),
    Row(
        "prod",
        lambda rng, dtype: [*reduced(ONE_DIM)(rng, dtype), *_with_zeros(rng, dtype)],
        over(np.prod),
        complex=True,
        integer=True,
    ),
    Row("logsumexp", reduced(tuple((shape, how) for shape, how in NONEMPTY if "dim" in how)), over(special.logsumexp)),
    Row("var", _moments, _var(np.var), complex=True),
    Row("std", _moments, _var(np.std), complex=True),
    Row(
        "var_mean",
        _moments,
        lambda *args, **kwargs: (_var(np.var)(*args, **kwargs), _mean_of_pair(*args, **kwargs)),
        complex=True,
    ),
    Row(
        "std_mean",
        _moments,
        lambda *args, **kwargs: (_var(np.std)(*args, **kwargs), _mean_of_pair(*args, **kwargs)),
        complex=True,
    ),
    Row("amax", reduced(NONEMPTY, apart=True), over(np.max), integer=True),
    Row("amin", reduced(NONEMPTY, apart=True), over(np.min), integer=True),
    Row("aminmax", reduced(ONE_DIM, apart=True), _aminmax),
    Row(
        "max",
        lambda rng, dtype: [*reduced(ONE_DIM, apart=True)(rng, dtype), *_pairwise(rng, dtype)],
        _extreme(np.argmax, np.maximum),
    ),
    Row(
        "min",
        lambda rng, dtype: [*reduced(ONE_DIM, apart=True)(rng, dtype), *_pairwise(rng, dtype)],
        _extreme(np.argmin, np.minimum),
    ),
    Row("argmax", reduced(ONE_DIM, apart=True), over(np.argmax), grad=False),
    Row("argmin", reduced(ONE_DIM, apart=True), over(np.argmin), grad=False),
    Row("all", _truths, over(np.all), grad=False),
    Row("any", _truths, over(np.any), grad=False),
    Row(
        "count_nonzero",
        lambda rng, dtype: [
            sample(np.round(draw(rng, dtype, (3, 4)))),
            sample(rng.integers(0, 2, (3, 4)), 1),
            sample(rng.integers(0, 2, (2, 3, 4)), (0, 2)),
        ],
        lambda x, dim=None: np.asarray(np.count_nonzero(x, axis=dim)),
        grad=False,
    ),
    Row("norm", _norms, _norm, complex=True),
    Row("dist", _distances, lambda a, b, p=2: _norm(a - b, p), complex=False),
    Row("median", reduced(ONE_DIM, apart=True), _with_index(_lower_median)),
    Row(
        "nanmedian",
        lambda rng, dtype: [*reduced(ONE_DIM, apart=True)(rng, dtype), *_with_nan(rng, dtype)],
        _with_index(_nan_lower_median),
    ),
    Row(
        "mode",
        _modes,
        _mode,
        gradgrad=False,
        why="equal elements stop being equal when one of them is moved",
        grad=False,
        tolerance=1e-9,
    ),
    Row(
        "kthvalue",
        lambda rng, dtype: [
            sample(spread(rng, dtype, (3, 5)), 2),
            sample(spread(rng, dtype, (3, 5)), 3, 0, True),
            sample(spread(rng, dtype, ()), 1),
        ],
        lambda x, k, dim=-1, keepdim=False: _with_index(
            lambda x, axis: np.take(np.argsort(x, axis=axis), k - 1, axis=axis)
        )(x, dim, keepdim),
        dtypes=("float32", "float64"),
    ),
    Row("quantile", _quantiles, _quantile(np.quantile), constant=(1,)),
    Row("nanquantile", _nan_quantiles, _quantile(np.nanquantile), constant=(1,)),
]


def _mean_of_pair(x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, correction: Any = None) -> Any:
    return np.mean(x, axis=None if isinstance(dim, bool) else _axis(dim), keepdims=keepdim)
