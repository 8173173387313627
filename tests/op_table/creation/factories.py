"""Factories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapegrad
from op_table.row import AsIs, Row, Sample, sample
from op_table.shape.reshape import draw

SIZES = [
    sample(2, 3),
    sample((2, 3)),
    sample(()),
    sample(0, 2),
    sample(2, dtype=tapegrad.int64),
    sample(2, dtype=tapegrad.bool),
]


def given(*samples: Sample) -> Callable[..., list[Sample]]:
    """The same samples for every dtype."""
    return lambda rng, dtype: list(samples)


def shape_of(args: tuple[Any, ...]) -> Any:
    return args[0] if len(args) == 1 else args


def filled(make: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda *size, dtype=np.float32: make(shape_of(size), dtype)


def likes(*more: Any) -> Callable[..., list[Sample]]:
    return lambda rng, dtype: [
        sample(draw(rng, dtype, 2, 3), *more),
        sample(draw(rng, dtype), *more),
        sample(draw(rng, dtype, 0, 2), *more),
        sample(draw(rng, dtype, 2, 3), *more, dtype=tapegrad.int64),
    ]


def factory(name: str, samples: Callable[..., list[Sample]], reference: Callable[..., Any], **more: Any) -> Row:
    return Row(name, samples, reference, grad=False, factory=True, raw=False, **more)


def np_linspace(start: float, end: float, steps: int, dtype: Any = np.float32) -> np.ndarray:
    return np.linspace(start, end, steps).astype(dtype)


def np_logspace(start: float, end: float, steps: int, base: float = 10.0, dtype: Any = np.float32) -> np.ndarray:
    return np.logspace(start, end, steps, base=base).astype(dtype)


def np_full(size: Any, value: Any, dtype: Any = None) -> np.ndarray:
    return np.full(size, value, dtype or (np.float32 if isinstance(value, float) else None))


def np_arange(*args: Any, dtype: Any = None) -> np.ndarray:
    return np.arange(*args).astype(dtype or (np.float32 if any(isinstance(a, float) for a in args) else np.int64))


DATA = [AsIs([[1, 2], [3, 4]]), AsIs([1.5, 2]), AsIs(3), AsIs(True), AsIs([1j, 2]), AsIs([])]


def np_tensor(data: Any, dtype: Any = None) -> np.ndarray:
    array = np.array(data)
    return array.astype(dtype or {"f": np.float32, "c": np.complex64}.get(array.dtype.kind, array.dtype))


ARANGES = given(
    sample(5),
    sample(1, 6, 2),
    sample(5, 1, -2),
    sample(0, 1, 0.25),
    sample(2.5),
    sample(3, dtype=tapegrad.float64),
    sample(0),
    sample(-3, 3),
)
TRIANGLES = given(sample(3, 3), sample(2, 4, 1), sample(4, 2, -1), sample(0, 3), sample(3, 3, -5))

ROWS: list[Row] = [
    factory("zeros", given(*SIZES), filled(np.zeros)),
    factory("ones", given(*SIZES), filled(np.ones)),
    factory("empty", given(*SIZES), filled(np.empty), values=False),
    factory(
        "empty_strided",
        given(sample((2, 3), (1, 2)), sample((), ())),
        lambda size, stride: np.empty(size, np.float32),
        values=False,
    ),
    factory("zeros_like", likes(), lambda x, dtype=None: np.zeros_like(x, dtype)),
    factory("ones_like", likes(), lambda x, dtype=None: np.ones_like(x, dtype)),
    factory("empty_like", likes(), lambda x, dtype=None: np.empty_like(x, dtype), values=False),
    factory("full_like", likes(3), lambda x, value, dtype=None: np.full_like(x, value, dtype)),
    factory(
        "full",
        given(
            sample((2, 3), 2),
            sample((2,), 2.5),
            sample((), True),
            sample((0,), 1),
            sample((2,), 3, dtype=tapegrad.float64),
        ),
        np_full,
    ),
    factory("tensor", given(*[sample(data) for data in DATA], sample(AsIs([1, 2]), dtype=tapegrad.float64)), np_tensor),
    factory(
        "as_tensor",
        given(*[sample(data) for data in DATA], sample(AsIs(np.arange(3.0)), dtype=tapegrad.float32)),
        np_tensor,
    ),
    factory("asarray", given(*[sample(data) for data in DATA]), np_tensor),
    Row(
        "from_numpy",
        given(sample(AsIs(np.arange(3))), sample(AsIs(np.ones((2, 3), np.float32)))),
        lambda a: a,
        grad=False,
        raw=False,
        strict=False,
        why="it makes CPU tensors",
    ),
    factory(
        "scalar_tensor",
        given(sample(3), sample(2, dtype=tapegrad.int64)),
        lambda s, dtype=np.float32: np.array(s, dtype),
    ),
    factory("arange", ARANGES, np_arange),
    factory(
        "linspace",
        given(
            sample(0, 1, 5),
            sample(-2.5, 3, 4),
            sample(1, 2, 1),
            sample(1, 2, 0),
            sample(0, 10, 4, dtype=tapegrad.float64),
        ),
        np_linspace,
        tolerance=1e-6,
    ),
    factory(
        "logspace",
        given(sample(0, 2, 3), sample(0, 3, 4, 2.0), sample(-1, 1, 3, dtype=tapegrad.float64)),
        np_logspace,
        tolerance=1e-6,
    ),
    factory(
        "eye",
        given(sample(3), sample(2, 4), sample(0), sample(2, dtype=tapegrad.int64)),
        lambda n, m=None, dtype=np.float32: np.eye(n, m, dtype=dtype),
    ),
    factory("tril_indices", TRIANGLES, lambda n, m, k=0: np.stack(np.tril_indices(n, k, m))),
    factory("triu_indices", TRIANGLES, lambda n, m, k=0: np.stack(np.triu_indices(n, k, m))),
]
