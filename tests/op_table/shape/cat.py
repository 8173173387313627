"""Putting tensors together, and taking them apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample
from op_table.shape.reshape import draw, of, row


def lists(*calls: tuple[Any, ...]) -> Callable[..., list[Sample]]:
    """Samples: the shapes of a list of operands, followed by the other arguments."""
    return lambda rng, dtype: [sample([draw(rng, dtype, *shape) for shape in shapes], *rest) for shapes, *rest in calls]


def several(*calls: tuple[Any, ...]) -> Callable[..., list[Sample]]:
    """Samples: the shapes of operands that are passed one by one."""
    return lambda rng, dtype: [sample(*[draw(rng, dtype, *shape) for shape in shapes]) for shapes in calls]


def np_cat(xs: Any, dim: int = 0) -> np.ndarray:
    return np.concatenate([x for x in xs if x.shape != (0,)] or xs, dim)


def np_split(x: np.ndarray, sizes: Any, dim: int = 0) -> list[np.ndarray]:
    if isinstance(sizes, int):
        return np.split(x, range(sizes, x.shape[dim], sizes), dim)
    return np.split(x, list(itertools.accumulate(sizes))[:-1], dim)


def np_chunk(x: np.ndarray, chunks: int, dim: int = 0) -> list[np.ndarray]:
    return np_split(x, -(-x.shape[dim] // chunks), dim)


def np_unbind(x: np.ndarray, dim: int = 0) -> list[np.ndarray]:
    return list(np.moveaxis(x, dim, 0))


def np_block_diag(*xs: np.ndarray) -> np.ndarray:
    blocks = [np.atleast_2d(x) for x in xs]
    result = np.zeros(np.sum([b.shape for b in blocks], 0), np.result_type(*blocks))
    at = np.zeros(2, int)
    for block in blocks:
        result[at[0] : at[0] + block.shape[0], at[1] : at[1] + block.shape[1]] = block
        at += block.shape
    return result


def meshes(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    lists = [((2,), (3,)), ((2,), (), (4,))]
    return [
        sample([draw(rng, dtype, *shape) for shape in shapes], indexing=indexing)
        for indexing in ("ij", "xy")
        for shapes in lists
    ]


def np_meshgrid(xs: Any, indexing: Any) -> Any:
    return np.meshgrid(*xs, indexing=indexing)


def np_combinations(x: np.ndarray, r: int = 2, with_replacement: bool = False) -> np.ndarray:
    ways = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return np.array(list(ways(x, r)), x.dtype).reshape(-1, r)


def np_tensor_split(x: np.ndarray, parts: Any, dim: int = 0) -> list[np.ndarray]:
    return np.array_split(x, parts, dim)


ROWS: list[Row] = [
    row(
        "cat",
        lists(
            (((2, 3), (1, 3)),),
            (((2, 3), (2, 1)), -1),
            (((0,), (2, 3)),),
            (((2,),),),
            (((0, 2), (3, 2)),),
            (((2, 3), (2, 3), (2, 3)), 1),
        ),
        np_cat,
    ),
    row("concat", lists((((2, 3), (1, 3)),)), np_cat),
    row("concatenate", lists((((2, 3), (2, 1)), 1)), np_cat),
    row("stack", lists((((2, 3), (2, 3)),), (((2, 3), (2, 3)), -1), (((), ()),), (((0, 2), (0, 2)), 1)), np.stack),
    row("hstack", lists((((2, 3), (2, 1)),), (((2,), (3,)),), (((), ()),)), np.hstack),
    row("vstack", lists((((2, 3), (1, 3)),), (((3,), (3,)),), (((), ()),)), np.vstack),
    row("row_stack", lists((((2, 3), (1, 3)),)), np.vstack),
    row("dstack", lists((((2, 3), (2, 3)),), (((3,), (3,)),), (((), ()),)), np.dstack),
    row("column_stack", lists((((2,), (2, 3)),), (((3,), (3,)),), (((), ()),)), np.column_stack),
    row("block_diag", several(((2, 3), (3, 1)), ((), (3,), (1, 2)), ((2, 2),)), np_block_diag),
    row("meshgrid", meshes, np_meshgrid, view="maybe"),
    row(
        "cartesian_prod", several(((2,), (3,)), ((2,), (1,), (2,))), lambda *xs: np.array(list(itertools.product(*xs)))
    ),
    row("combinations", of(((4,),), ((4,), 3), ((3,), 2, True), ((2,), 3)), np_combinations, synchronises=True),
    row("unbind", of(((3, 2),), ((2, 3), -1), ((3,),), ((2, 3, 4), 1)), np_unbind, view=True),
    row("split", of(((5, 2), 2), ((2, 5), 3, 1), ((5,), [1, 4]), ((2, 4), [0, 4], -1)), np_split, view=True),
    row("split_with_sizes", of(((5, 2), [2, 3]), ((2, 5), [4, 0, 1], 1)), np_split, view=True),
    row("unsafe_split", of(((5, 2), 2), ((2, 5), 3, 1)), np_split),
    row(
        "unsafe_split_with_sizes",
        of(((5, 2), (2, 3)), ((2, 5), (1, 4), 1)),
        lambda x, sizes, dim=0: np_split(x, sizes, dim),
    ),
    row("chunk", of(((5, 2), 2), ((2, 5), 4, 1), ((3,), 5)), np_chunk, view=True),
    row("unsafe_chunk", of(((5, 2), 2), ((2, 5), 4, 1)), np_chunk),
    row("tensor_split", of(((5, 2), 2), ((2, 5), (1, 3), 1), ((5,), 7), ((5,), (2, -1))), np_tensor_split, view=True),
    row("hsplit", of(((2, 4), 2), ((4,), 2), ((2, 4), (1, 3))), np.hsplit, view=True),
    row("vsplit", of(((4, 2), 2), ((4, 2), (1,))), np.vsplit, view=True),
    row("dsplit", of(((1, 2, 4), 2), ((1, 2, 4), (1,))), np.dsplit, view=True),
]
