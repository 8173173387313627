"""Rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample


def _samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    table = rng.uniform(-1, 1, (5, 3)).astype(dtype)
    return [
        sample(np.array([[1, 4, 1], [0, 2, 4]]), table),
        sample(np.array(2), table),
        sample(np.array([3, 3], np.int32), table),
    ]


def embedding(indices: Any, weight: Any) -> Any:
    return (
        np.stack([weight[i] for i in indices.reshape(-1)]).reshape(*indices.shape, -1)
        if indices.size
        else np.zeros((*indices.shape, weight.shape[1]))
    )


ROWS = [Row("nn.functional.embedding", _samples, embedding)]
