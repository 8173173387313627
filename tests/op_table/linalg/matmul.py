"""Products of vectors, matrices, stacks of matrices and tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample
from op_table.shape.reshape import draw, of, row


def pairs(*shapes: tuple[tuple[int, ...], tuple[int, ...]], **kwargs: Any) -> Callable[..., list[Sample]]:
    """Samples with two operands."""
    return lambda rng, dtype: [sample(draw(rng, dtype, *a), draw(rng, dtype, *b), **kwargs) for a, b in shapes]


def threes(*shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]) -> Callable[..., list[Sample]]:
    """Samples with something to add, two factors, and numbers."""
    return lambda rng, dtype: [
        sample(*[draw(rng, dtype, *s) for s in three], **kwargs)
        for three in shapes
        for kwargs in ({}, {"beta": 0.5, "alpha": 2.0})
    ]


def plus(product: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda x, a, b, beta=1, alpha=1: beta * x + alpha * product(a, b)


EINSUMS: list[tuple[Any, ...]] = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ba", (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i", (3,), (3,)),
    ("...ij,...jk->...ik", (4, 2, 3), (3, 2)),
    ("bij,bjk->bik", (4, 2, 3), (4, 3, 2)),
    ("bij,bij->b", (4, 2, 3), (4, 2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("bij,b->ij", (4, 2, 3), (4,)),
    ("i...->...", (2, 3)),
    ("ij...->...", (2, 3, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("aij,bjk,ci->abck", (2, 3, 4), (3, 4, 2), (2, 3)),
    ("iij,jk->ik", (2, 2, 3), (3, 2)),
    ("ij,jk->k", (2, 1), (1, 4)),
    ("...,...", (2, 3), (3,)),
    ("", ()),
    ("ij,jk->ki", (0, 3), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 4)),
]


def einsums(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    found = [sample(formula, *[draw(rng, dtype, *shape) for shape in shapes]) for formula, *shapes in EINSUMS]
    return [*found, sample("ij,jk", [draw(rng, dtype, 2, 3), draw(rng, dtype, 3, 2)])]


def np_einsum(formula: str, *operands: Any) -> np.ndarray:
    return np.einsum(formula, *(operands[0] if isinstance(operands[0], list) else operands))


def np_kron(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.kron(a, b)


def crosses(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 3), draw(rng, dtype, 3), dim=0),
        sample(draw(rng, dtype, 2, 3), draw(rng, dtype, 1, 3), dim=-1),
        sample(draw(rng, dtype, 3, 2), draw(rng, dtype, 3, 2), dim=0),
    ]


def tensordots(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3, 4), draw(rng, dtype, 3, 4, 2)),
        sample(draw(rng, dtype, 2, 3), draw(rng, dtype, 3, 2), 1),
        sample(draw(rng, dtype, 2), draw(rng, dtype, 3), 0),
        sample(draw(rng, dtype, 2, 3, 4), draw(rng, dtype, 4, 5, 2), ([2, 0], [0, -1])),
        sample(draw(rng, dtype, 2, 3), draw(rng, dtype, 2, 3), ([0, 1], [0, 1])),
    ]


MATMULS = (
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((5, 2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((4, 1), (1, 3)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 3)),
    ((1, 2, 3), (5, 3, 1)),
    ((2, 2, 2, 3), (3, 2)),
)

ROWS: list[Row] = [
    row("matmul", pairs(*MATMULS), np.matmul, tolerance=1e-8),
    row("mm", pairs(((2, 3), (3, 4)), ((0, 3), (3, 2)), ((4, 1), (1, 2))), np.matmul),
    row("bmm", pairs(((5, 2, 3), (5, 3, 4)), ((0, 2, 3), (0, 3, 4)), ((2, 2, 0), (2, 0, 2))), np.matmul),
    row("mv", pairs(((2, 3), (3,)), ((2, 0), (0,))), np.matmul),
    row("dot", pairs(((3,), (3,)), ((0,), (0,))), np.dot),
    row("vdot", pairs(((3,), (3,))), np.vdot),
    row("inner", pairs(((2, 3), (4, 3)), ((3,), (3,)), ((2, 3), ()), ((5, 2, 3), (3,))), np.inner),
    row("outer", pairs(((2,), (3,)), ((0,), (2,))), np.outer),
    row("ger", pairs(((2,), (3,))), np.outer),
    row(
        "addmm",
        threes(((2, 4), (2, 3), (3, 4)), ((4,), (2, 3), (3, 4)), ((2, 1), (2, 3), (3, 4))),
        plus(np.matmul),
        inplace=True,
    ),
    row("addmv", threes(((2,), (2, 3), (3,)), ((1,), (2, 3), (3,))), plus(np.matmul), inplace=True),
    row("addr", threes(((2, 3), (2,), (3,)), ((3,), (2,), (3,))), plus(np.outer), inplace=True),
    row("addbmm", threes(((2, 4), (5, 2, 3), (5, 3, 4))), plus(lambda a, b: (a @ b).sum(0)), inplace=True),
    row(
        "baddbmm",
        threes(((5, 2, 4), (5, 2, 3), (5, 3, 4)), ((2, 1), (5, 2, 3), (5, 3, 4))),
        plus(np.matmul),
        inplace=True,
    ),
    row("tensordot", tensordots, lambda a, b, dims=2: np.tensordot(a, b, dims)),
    row("einsum", einsums, np_einsum, raw=False, dtypes=("float16", "float32", "float64", "int64")),
    row("kron", pairs(((2, 3), (3, 2)), ((2,), (2, 2)), ((), (2, 2))), np_kron),
    row("trace", of(((3, 3),), ((2, 4),), ((0, 0),)), np.trace),
    row("cross", crosses, lambda a, b, dim: np.cross(*np.broadcast_arrays(a, b), axis=dim)),
]
