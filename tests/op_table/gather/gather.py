"""Reading and writing by index tensors, masks and positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample
from op_table.shape.reshape import draw, row


def along(index: np.ndarray, dim: int) -> tuple[Any, ...]:
    """The index of the elements that `index` names along `dim`."""
    dim = dim % max(index.ndim, 1)
    return tuple(
        index if k == dim else np.arange(n).reshape((n,) + (1,) * (index.ndim - 1 - k))
        for k, n in enumerate(index.shape)
    )


def np_gather(x: np.ndarray, dim: int, index: np.ndarray) -> np.ndarray:
    return x[along(index, dim)] if x.ndim else np.broadcast_to(x, index.shape)


def cut(src: np.ndarray, index: np.ndarray) -> np.ndarray:
    return src[tuple(slice(n) for n in index.shape)]


def np_scatter(x: np.ndarray, dim: int, index: np.ndarray, src: Any) -> np.ndarray:
    result = x.copy()
    if not index.size:
        return result
    if x.ndim:
        result[along(index, dim)] = cut(src, index) if isinstance(src, np.ndarray) else src
    else:
        result[...] = src.reshape(()) if isinstance(src, np.ndarray) else src
    return result


def np_scatter_add(x: np.ndarray, dim: int, index: np.ndarray, src: np.ndarray) -> np.ndarray:
    result = x.copy()
    if index.size:
        np.add.at(result, along(index, dim) if x.ndim else (), cut(src, index) if x.ndim else src.sum())
    return result


def np_scatter_reduce(
    x: np.ndarray, dim: int, index: np.ndarray, src: np.ndarray, how: str, include_self: bool = True
) -> np.ndarray:
    result, touched = x.copy(), np.zeros(x.shape, bool)
    count = np.ones(x.shape) if include_self else np.zeros(x.shape)
    for at in np.ndindex(*index.shape):
        to = list(at)
        to[dim] = index[at]
        place = tuple(to)
        have, new = result[place], src[at]
        count[place] += 1
        if not include_self and not touched[place]:
            result[place] = new
        else:
            result[place] = {
                "sum": have + new,
                "mean": have + new,
                "prod": have * new,
                "amax": max(have, new),
                "amin": min(have, new),
            }[how]
        touched[place] = True
    return result / np.maximum(count, 1) if how == "mean" else result


GATHERS: list[tuple[tuple[int, ...], int, Any]] = [
    ((2, 3), 1, [[0, 2], [1, 1]]),
    ((2, 3), 0, [[0, 1, 0], [1, 1, 0], [0, 0, 0]]),
    ((3,), 0, [2, 0, 0, 1]),
    ((2, 3, 2), -2, [[[0, 2], [1, 1]]]),
    ((), 0, 0),
]


def gathers(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [sample(draw(rng, dtype, *shape), dim, np.array(index)) for shape, dim, index in GATHERS] + [
        sample(draw(rng, dtype, 2, 3), 1, np.zeros((2, 0), np.int64))
    ]


def scatters(distinct: bool, *more: Any) -> Callable[..., list[Sample]]:
    """Samples with a source; where `distinct`, no element is named twice."""
    places: list[tuple[tuple[int, ...], int, Any]] = (
        [
            ((2, 3), 1, [[0, 2], [1, 0]]),
            ((2, 3), 0, [[0, 1, 0], [1, 0, 1]]),
            ((3,), 0, [2, 0]),
            ((2, 3, 2), -2, [[[0, 2], [1, 1]]]),
        ]
        if distinct
        else GATHERS[:4]
    )

    def samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        found = [
            sample(draw(rng, dtype, *shape), dim, np.array(index), draw(rng, dtype, *np.array(index).shape), *more)
            for shape, dim, index in places
        ]
        return [*found, sample(draw(rng, dtype, 2, 3), 1, np.zeros((2, 0), np.int64), draw(rng, dtype, 2, 0), *more)]

    return samples


def larger(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [*scatters(True)(rng, dtype), sample(draw(rng, dtype, 2, 3), 1, np.array([[0, 2]]), 1.5)]


def reductions(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    # Where one number alone is the product, torch's second derivative is not zero but what rounding leaves of it.
    return [
        sample(*s.args, how, include_self=own)
        for how in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
        if own or how != "prod"
        for s in scatters(False)(rng, dtype)[:4]
    ]


def items(*more: Any, distinct: bool = False, **kwargs: Any) -> Callable[..., list[Sample]]:
    """Samples with an index of items and a source."""

    def samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        return [
            sample(
                draw(rng, dtype, 3, 2),
                0,
                np.array([2, 0] if distinct else [2, 0, 2]),
                draw(rng, dtype, 2 if distinct else 3, 2),
                *more,
                **kwargs,
            ),
            sample(draw(rng, dtype, 2, 3), -1, np.array([1]), draw(rng, dtype, 2, 1), *more, **kwargs),
            sample(draw(rng, dtype, 3), 0, np.array([1, 2]), draw(rng, dtype, 2), *more, **kwargs),
        ]

    return samples


def np_index_add(x: np.ndarray, dim: int, index: np.ndarray, source: np.ndarray, alpha: float = 1) -> np.ndarray:
    result = x.copy()
    np.add.at(np.moveaxis(result, dim, 0), index, alpha * np.moveaxis(source, dim, 0))
    return result


def np_index_copy(x: np.ndarray, dim: int, index: np.ndarray, source: Any) -> np.ndarray:
    if not x.ndim:
        return np.asarray(source, x.dtype)
    result = x.copy()
    np.moveaxis(result, dim, 0)[index] = np.moveaxis(source, dim, 0) if np.ndim(source) else source
    return result


def np_index_reduce(
    x: np.ndarray, dim: int, index: np.ndarray, source: np.ndarray, how: str, include_self: bool = True
) -> np.ndarray:
    dim %= x.ndim
    wide = np.broadcast_to(index.reshape((-1,) + (1,) * (x.ndim - 1 - dim)), source.shape)
    return np_scatter_reduce(x, dim, wide, source, how, include_self)


def fills(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 3, 2), 0, np.array([0, 2]), 1.5),
        sample(draw(rng, dtype, 2, 3), -1, np.array([1]), draw(rng, dtype)),
        sample(draw(rng, dtype), 0, np.array([0]), 2),
    ]


def index_reductions(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        s
        for how in ("prod", "mean", "amax", "amin")
        for own in (True, False)
        if own or how != "prod"
        for s in items(how, include_self=own)(rng, dtype)
    ]


MASK = np.array([[True, False, True], [False, True, True]])


def masked(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), MASK),
        sample(draw(rng, dtype, 2, 3), MASK[0]),
        sample(draw(rng, dtype, 3), MASK),
        sample(draw(rng, dtype), np.array(True)),
        sample(draw(rng, dtype, 2, 3), np.zeros((2, 3), bool)),
    ]


def masked_sources(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), MASK, draw(rng, dtype, 6)),
        sample(draw(rng, dtype, 2, 3), MASK[0], draw(rng, dtype, 2, 2)),
        sample(draw(rng, dtype, 2, 3), np.zeros((2, 3), bool), draw(rng, dtype, 0)),
    ]


def np_masked_scatter(x: np.ndarray, mask: np.ndarray, source: np.ndarray) -> np.ndarray:
    mask = np.broadcast_to(mask, np.broadcast_shapes(x.shape, mask.shape))
    result = np.broadcast_to(x, mask.shape).copy()
    result[mask] = source.reshape(-1)[: mask.sum()]
    return result


def takes(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), np.array([[0, 5], [-1, 0]])),
        sample(draw(rng, dtype, 3), np.array(1)),
        sample(draw(rng, dtype), np.array([0, 0])),
    ]


def np_put(x: np.ndarray, index: np.ndarray, source: np.ndarray, accumulate: bool = False) -> np.ndarray:
    result = x.copy()
    if accumulate:
        np.add.at(result.reshape(-1), index.reshape(-1), source.reshape(-1))
    else:
        result.reshape(-1)[index.reshape(-1)] = source.reshape(-1)
    return result


def puts(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), np.array([[0], [5]]), draw(rng, dtype, 2)),
        sample(draw(rng, dtype, 2, 3), np.array([1, 1, -1]), draw(rng, dtype, 3), True),
    ]


def np_take_along(x: np.ndarray, index: np.ndarray, dim: int | None = None) -> np.ndarray:
    if dim is None:
        return np.take(x, index.reshape(-1))
    return np.take_along_axis(x, index, dim)


def take_alongs(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), np.array([[0], [2]]), 1),
        sample(draw(rng, dtype, 2, 3), np.array([[1]]), 1),
        sample(draw(rng, dtype, 2, 3), np.array([0, 5])),
        sample(draw(rng, dtype, 1, 3), np.array([[0], [2]]), dim=1),
    ]


def zeros_among(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]], dtype)),
        sample(np.array(2.0, dtype)),
        sample(np.array(0.0, dtype)),
        sample(np.zeros((0, 2), dtype)),
    ]


def np_nonzero(x: np.ndarray, as_tuple: bool = False) -> Any:
    found = np.atleast_1d(x).nonzero()
    return found if as_tuple else np.stack(found, 1)[:, : x.ndim]


def diagonals(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 3, 3), draw(rng, dtype, 3)),
        sample(draw(rng, dtype, 2, 4), draw(rng, dtype, 2), 1),
        sample(draw(rng, dtype, 2, 3, 2), draw(rng, dtype, 3, 2), 0, 0, 2),
    ]


def np_diagonal_scatter(x: np.ndarray, src: np.ndarray, offset: int = 0, dim1: int = 0, dim2: int = 1) -> np.ndarray:
    result = x.copy()
    part = np.moveaxis(result, (dim1, dim2), (-2, -1))
    for i in range(src.shape[-1]):
        part[..., i + max(-offset, 0), i + max(offset, 0)] = src[..., i]
    return result


ROWS: list[Row] = [
    row("gather", gathers, np_gather),
    row("scatter", larger, np_scatter, inplace=True),
    row("scatter_add", scatters(False), np_scatter_add, inplace=True),
    Row("scatter_reduce", reductions, np_scatter_reduce, inplace=True),
    row(
        "index_select",
        lambda rng, dtype: [
            sample(draw(rng, dtype, 2, 3), 0, np.array([1, 0, 1])),
            sample(draw(rng, dtype, 2, 3), -1, np.array([2])),
            sample(draw(rng, dtype), 0, np.array([0])),
            sample(draw(rng, dtype, 2, 3), 0, np.zeros(0, np.int64)),
            sample(draw(rng, dtype, 2, 3), 1, np.array([2, 0], np.int32)),
        ],
        lambda x, dim, index: x.take(index, dim) if x.ndim else x,
    ),
    row(
        "index_add", lambda rng, dtype: [*items()(rng, dtype), *items(alpha=2)(rng, dtype)], np_index_add, inplace=True
    ),
    row("index_copy", items(distinct=True), np_index_copy, inplace=True),
    row("index_fill", fills, np_index_copy, inplace=True),
    Row("index_reduce", index_reductions, np_index_reduce, inplace=True),
    row(
        "masked_select",
        masked,
        lambda x, mask: np.broadcast_arrays(x, mask)[0][np.broadcast_arrays(x, mask)[1]].reshape(-1),
        synchronises=True,
        batched=False,
        why="under vmap the shape of the result would depend on values",
    ),
    row("masked_scatter", masked_sources, np_masked_scatter, inplace=True),
    row("take", takes, np.take),
    row("put", puts, np_put, inplace=True),
    row("take_along_dim", take_alongs, np_take_along),
    Row(
        "nonzero",
        lambda rng, dtype: zeros_among(rng, dtype) + [sample(*s.args, as_tuple=True) for s in zeros_among(rng, dtype)],
        np_nonzero,
        grad=False,
        synchronises=True,
        batched=False,
        why="under vmap the shape of the result would depend on values",
    ),
    Row(
        "argwhere",
        zeros_among,
        np_nonzero,
        grad=False,
        synchronises=True,
        batched=False,
        why="under vmap the shape of the result would depend on values",
    ),
    Row(
        "unravel_index",
        lambda rng, dtype: [
            sample(np.array([0, 5, 3]), (2, 3)),
            sample(np.array([[7]]), (2, 2, 2)),
            sample(np.array([1]), 3),
        ],
        np.unravel_index,
        grad=False,
    ),
    Row("diagonal_scatter", diagonals, np_diagonal_scatter),
]
