"""Comparisons, tests of elements, and logic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from op_table.pointwise.arithmetic import PAIRS, draw
from op_table.row import Row, Sample, sample


def whole(rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.round(draw(rng, dtype, shape)))


def _close(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    """Pairs with equal, nearly equal and different elements."""
    pairs = [sample(whole(rng, dtype, a), whole(rng, dtype, b)) for a, b in PAIRS]
    return [*pairs, sample(whole(rng, dtype, (3, 4)), 1), sample(whole(rng, dtype, (3, 4)), 0.5)]


def _odd(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(np.asarray([1.0, np.nan, np.inf, -np.inf, -0.0], dtype)),
        sample(np.asarray(np.nan, dtype)),
        sample(np.zeros((0, 2), dtype)),
    ]


def _truths(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    bits = rng.integers(0, 2, (3, 4)).astype(bool)
    return [
        sample(bits, bits[0]),
        sample(whole(rng, dtype, (3, 4)), bits),
        sample(rng.integers(0, 3, (3, 4)), rng.integers(0, 2, ())),
    ]


def _integers(*numbers: int, low: int = -9, high: int = 9, truths: bool = True) -> Callable[..., list[Sample]]:
    def samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        calls = [
            sample(rng.integers(low, high, (3, 4)), rng.integers(max(low, 0), high, (4,))),
            *(sample(rng.integers(low, high, (3, 4)), n) for n in numbers),
        ]
        bits = rng.integers(0, 2, (3, 4)).astype(bool)
        return [*calls, sample(bits, ~bits[0])] if truths else calls

    return samples


def _compare(name: str, reference: Callable[..., Any], **kwargs: Any) -> Row:
    return Row(name, _close, reference, grad=False, **{"inplace": True, **kwargs})


def _isclose_samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    a = np.asarray([1.0, 1e3, np.nan, np.inf, 0.0], dtype)
    b = np.asarray([1.0 + 1e-6, 1001.0, np.nan, np.inf, 1e-9], dtype)
    return [
        sample(a, b),
        sample(a, b, equal_nan=True),
        sample(a, b, rtol=1e-2),
        sample(a, b, 0, 0),
        sample(np.array([1, 2]), np.array([1, 3]), rtol=0.5),
    ]


def _isin(elements: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    return np.isin(elements, test_elements, invert=invert)


ROWS = [
    _compare("eq", np.equal, complex=True),
    _compare("ne", np.not_equal, complex=True),
    _compare("lt", np.less),
    _compare("le", np.less_equal),
    _compare("gt", np.greater),
    _compare("ge", np.greater_equal),
    Row("isnan", _odd, np.isnan, grad=False, integer=False),
    Row("isinf", _odd, np.isinf, grad=False, integer=False),
    Row("isfinite", _odd, np.isfinite, grad=False, integer=False),
    Row("isposinf", _odd, np.isposinf, grad=False, integer=False),
    Row("isneginf", _odd, np.isneginf, grad=False, integer=False),
    Row("isclose", _isclose_samples, np.isclose, grad=False),
    Row(
        "allclose",
        _isclose_samples,
        np.allclose,
        grad=False,
        synchronises=True,
        batched=False,
        why="under vmap there is no single value",
    ),
    Row(
        "equal",
        lambda rng, dtype: [
            sample(np.ones(2, dtype), np.ones(2, dtype)),
            sample(np.ones(2, dtype), np.zeros(2, dtype)),
            sample(np.ones(2, dtype), np.ones((1, 2), dtype)),
        ],
        np.array_equal,
        grad=False,
        synchronises=True,
        batched=False,
        why="under vmap there is no single value",
    ),
    Row(
        "isin",
        lambda rng, dtype: [
            sample(whole(rng, dtype, (3, 4)), np.asarray([1.0, 2.0], dtype)),
            sample(np.array([1, 2, 3]), np.array([[2, 5]]), invert=True),
            sample(np.array([1, 2, 3]), np.array([2]), assume_unique=True),
        ],
        _isin,
        grad=False,
    ),
    Row("logical_and", _truths, np.logical_and, grad=False, inplace=True, integer=True),
    Row("logical_or", _truths, np.logical_or, grad=False, inplace=True),
    Row("logical_xor", _truths, np.logical_xor, grad=False, inplace=True),
    Row(
        "logical_not",
        lambda rng, dtype: [sample(np.array([True, False])), sample(np.asarray([0.0, 1.5, np.nan], dtype))],
        np.logical_not,
        grad=False,
        inplace=True,
        integer=False,
    ),
    Row("bitwise_and", _integers(3), np.bitwise_and, grad=False, inplace=True),
    Row("bitwise_or", _integers(3), np.bitwise_or, grad=False, inplace=True),
    Row("bitwise_xor", _integers(3), np.bitwise_xor, grad=False, inplace=True),
    Row(
        "bitwise_not",
        lambda rng, dtype: [sample(np.array([True, False])), sample(rng.integers(-5, 5, (3, 4)))],
        np.bitwise_not,
        grad=False,
        inplace=True,
    ),
    Row("bitwise_left_shift", _integers(2, truths=False), np.left_shift, grad=False, inplace=True),
    Row("bitwise_right_shift", _integers(2, truths=False), np.right_shift, grad=False, inplace=True),
]
