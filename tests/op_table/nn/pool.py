"""Pooling."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from op_table.reduction.sum import spread
from op_table.row import Row, Sample, sample

SHAPES = {1: (2, 3, 7), 2: (2, 2, 5, 6), 3: (1, 2, 4, 5, 4)}
MAX: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 2, "dilation": 2, "stride": 1},
]
AVG: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False, "ceil_mode": True},
]
ADAPTIVE: dict[int, list[Any]] = {1: [3, 1, 7], 2: [(2, 3), 1, (None, 4)], 3: [2, (1, 2, 3)]}


def samples(dims: int, cases: list[dict[str, Any]]) -> Callable[..., list[Sample]]:
    def drawn(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        found = [sample(spread(rng, dtype, SHAPES[dims]), **how) for how in cases]
        return [
            *found,
            sample(spread(rng, dtype, SHAPES[dims][1:]), **cases[0]),
            sample(spread(rng, dtype, (0, *SHAPES[dims][1:])), **cases[0]),
        ]

    return drawn


def adaptive(dims: int) -> Callable[..., list[Sample]]:
    def drawn(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        return [sample(spread(rng, dtype, SHAPES[dims]), size) for size in ADAPTIVE[dims]]

    return drawn


def pool(dims: int, of: Callable[..., Any]) -> Callable[..., Any]:
    """Window by window; `of` is given the elements, how many count, and where the window is cut off."""

    def reference(
        input: Any,
        kernel_size: int,
        stride: int | None = None,
        padding: int = 0,
        dilation: int = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Any:
        stride = kernel_size if stride is None else stride
        space = input.shape[-dims:]
        places = []
        for n in space:
            free = n + 2 * padding - dilation * (kernel_size - 1) - 1
            count = (-(-free // stride) if ceil_mode else free // stride) + 1
            places.append(count - 1 if (count - 1) * stride >= n + padding else count)
        y = np.zeros((*input.shape[:-dims], *places), input.dtype)
        for place in product(*map(range, places)):
            inside, counted = [], 1
            for i, n in zip(place, space):
                steps = [i * stride - padding + k * dilation for k in range(kernel_size)]
                inside.append([s for s in steps if 0 <= s < n])
                counted *= len([s for s in steps if s < n + padding]) if count_include_pad else len(inside[-1])
            window = input[(..., *np.ix_(*inside))].reshape(
                *input.shape[:-dims], int(np.prod([len(i) for i in inside]))
            )
            y[(..., *place)] = of(window, counted)
        return y

    return reference


def adaptive_avg(dims: int) -> Callable[..., Any]:
    def reference(input: Any, output_size: Any) -> Any:
        sizes = (output_size,) * dims if isinstance(output_size, int) else output_size
        for i, count in enumerate(sizes):
            axis = input.ndim - dims + i
            n = input.shape[axis]
            count = n if count is None else count
            parts = [
                input.take(range(j * n // count, -((-(j + 1) * n) // count)), axis).mean(axis) for j in range(count)
            ]
            input = np.stack(parts, axis)
        return input

    return reference


ROWS = [
    *(
        Row(f"max_pool{d}d", samples(d, MAX), pool(d, lambda w, n: w.max(-1)), torch=f"nn.functional.max_pool{d}d")
        for d in (1, 2, 3)
    ),
    *(
        Row(f"avg_pool{d}d", samples(d, AVG), pool(d, lambda w, n: w.sum(-1) / n), torch=f"nn.functional.avg_pool{d}d")
        for d in (1, 2, 3)
    ),
    *(
        Row(f"adaptive_avg_pool{d}d", adaptive(d), adaptive_avg(d), torch=f"nn.functional.adaptive_avg_pool{d}d")
        for d in (1, 2, 3)
    ),
]
