"""Padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _constant(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x = rng.uniform(-1, 1, (2, 3, 4)).astype(dtype)
    return [
        sample(x, (1, 2)),
        sample(x, (1, 0, 2, 1), 3.5),
        sample(x, (-1, 2, 0, -2)),
        sample(x[0, 0], (0, 0)),
        sample(x[:0], (1, 1, 1, 1, 1, 1)),
    ]


def _pad(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x = rng.uniform(-1, 1, (2, 3, 4)).astype(dtype)
    found = [sample(x, (2, 1, 1, 2), mode) for mode in ("reflect", "replicate", "circular")]
    return [
        *found,
        *(sample(x, (3, 0), mode) for mode in ("reflect", "replicate", "circular")),
        sample(x, (2, 1)),
        sample(x, [1, -1], "constant", 2.0),
    ]


def constant_pad_nd(x: Any, pad: Any, value: float = 0) -> Any:
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    y = np.pad(x, [(max(a, 0), max(b, 0)) for a, b in pairs], constant_values=value)
    return y[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, y.shape))]


def pad(x: Any, pad: Any, mode: str = "constant", value: float = 0) -> Any:
    if mode == "constant":
        return constant_pad_nd(x, pad, value)
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    return np.pad(x, pairs, mode=MODES[mode])  # type: ignore[call-overload]


ROWS = [Row("constant_pad_nd", _constant, constant_pad_nd), Row("pad", _pad, pad)]
