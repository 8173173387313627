"""Products with a weight and a bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample


def _linear(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    def draw(*shape: int) -> np.ndarray:
        return rng.uniform(-1, 1, shape).astype(dtype)

    return [
        sample(draw(3, 4), draw(5, 4), draw(5)),
        sample(draw(2, 3, 4), draw(5, 4), draw(5)),
        sample(draw(4), draw(5, 4)),
        sample(draw(1, 4), draw(5, 4), draw(5)),
        sample(draw(3, 4), draw(4)),
        sample(draw(0, 4), draw(5, 4), draw(5)),
        sample(draw(3, 0), draw(5, 0), draw(5)),
        sample(draw(4, 3).T, draw(4, 5).T, draw(5)),
        sample(draw(70, 80), draw(90, 80), bias=draw(90)),
    ]


def _bilinear(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    def draw(*shape: int) -> np.ndarray:
        return rng.uniform(-1, 1, shape).astype(dtype)

    return [
        sample(draw(2, 3), draw(2, 4), draw(5, 3, 4), draw(5)),
        sample(draw(2, 2, 3), draw(2, 2, 4), draw(1, 3, 4)),
        sample(draw(3), draw(4), draw(5, 3, 4)),
    ]


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    y = np.einsum("...i,oi->...o" if weight.ndim == 2 else "...i,i->...", input, weight)
    return y if bias is None else y + bias


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    y = np.einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias


ROWS = [
    Row(
        "linear",
        _linear,
        linear,
        complex=True,
        errors=False,
        why="torch refuses some half-typed products by name of the kernel",
    ),
    Row("bilinear", _bilinear, bilinear),
]
