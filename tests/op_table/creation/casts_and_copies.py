"""Copies, casts and fills."""

from __future__ import annotations

import numpy as np

from op_table.row import Row, Sample, sample
from op_table.shape.reshape import draw, of


def fills(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), 2.5),
        sample(draw(rng, dtype, 2), draw(rng, dtype)),
        sample(draw(rng, dtype, 0, 2), 1),
        sample(draw(rng, dtype), 3),
    ]


ROWS: list[Row] = [
    Row("clone", of(((2, 3),), ((),), ((0, 2),)), np.copy, complex=True),
    Row("fill", fills, lambda x, value: np.full_like(x, value), complex=True, inplace=True),
]
