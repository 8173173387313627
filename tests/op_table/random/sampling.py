"""Random tensors: shapes and dtypes; tests/test_random.py has the distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapegrad
from op_table.creation.factories import factory, given
from op_table.row import Row, sample

SIZES = given(sample(2, 3), sample((4,)), sample(()), sample(0, 2), sample(2, dtype=tapegrad.float64))


def sized(*size: Any, dtype: Any = np.float32) -> np.ndarray:
    return np.zeros(size[0] if size and isinstance(size[0], tuple) else size, getattr(dtype, "numpy", dtype))


def like(input: np.ndarray, *bounds: int, dtype: Any = None) -> np.ndarray:
    return np.zeros(input.shape, input.dtype if dtype is None else dtype.numpy)


def likes(*args: Any) -> Any:
    return lambda rng, dtype: [
        sample(rng.random((2, 3)).astype(dtype), *args),
        sample(np.zeros((0,), dtype), *args),
        sample(np.array(0.5, dtype), *args),
    ]


def np_randint(low: int, high: Any, size: Any = None, *, dtype: Any = np.int64) -> np.ndarray:
    return np.zeros(high if size is None else size, getattr(dtype, "numpy", dtype))


def probabilities(rng: np.random.Generator, dtype: np.dtype) -> list[Any]:
    return [sample(rng.random(shape).astype(dtype)) for shape in ((3, 2), (), (0,))]


def weights(rng: np.random.Generator, dtype: np.dtype) -> list[Any]:
    return [
        sample((rng.random(shape) + 0.1).astype(dtype), 2, replacement)
        for shape in ((3,), (2, 4))
        for replacement in (True, False)
    ]


def np_normal(mean: Any, std: Any = 1.0, size: Any = None) -> np.ndarray:
    dtype = next((a.dtype for a in (mean, std) if isinstance(a, np.ndarray)), np.dtype(np.float32))
    return np.zeros(np.broadcast_shapes(np.shape(mean), np.shape(std)) if size is None else size, dtype)


def normals(rng: np.random.Generator, dtype: np.dtype) -> list[Any]:
    mean = rng.standard_normal((2, 3)).astype(dtype)
    return [sample(mean, 2.0), sample(mean, np.abs(mean)), sample(1.5, np.abs(mean))]


FLOATS = ("float16", "float32", "float64")

ROWS: list[Row] = [
    factory("rand", SIZES, sized, values=False),
    factory("randn", SIZES, sized, values=False),
    factory(
        "randint",
        given(sample(5, (2, 3)), sample(2, 9, (4,)), sample(1, 3, (), dtype=tapegrad.int8)),
        np_randint,
        values=False,
    ),
    factory(
        "randperm",
        given(sample(5), sample(0), sample(3, dtype=tapegrad.int32)),
        lambda n, dtype=np.int64: sized(n, dtype=dtype),
        values=False,
    ),
    factory("rand_like", likes(), like, values=False, dtypes=FLOATS),
    factory("randn_like", likes(), like, values=False, dtypes=FLOATS),
    factory("randint_like", likes(1, 5), like, values=False),
    Row(
        "normal",
        normals,
        np_normal,
        grad=False,
        values=False,
        raw=False,
        method=False,
        twice=False,
        why="a standard deviation must not be negative",
        dtypes=FLOATS,
    ),
    Row(
        "bernoulli",
        probabilities,
        lambda p: np.zeros(p.shape, p.dtype),
        grad=False,
        values=False,
        raw=False,
        method=False,
        dtypes=FLOATS,
    ),
    Row(
        "multinomial",
        weights,
        lambda w, n, replacement: np.zeros((*w.shape[:-1], n), np.int64),
        grad=False,
        values=False,
        raw=False,
        layouts=True,
    ),
]
