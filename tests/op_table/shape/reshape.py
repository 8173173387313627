"""Views: other shapes, dimensions in another order, broadcasting, strides; and rearrangements that copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample


def draw(rng: np.random.Generator, dtype: np.dtype, *shape: int) -> np.ndarray:
    """Normal numbers."""
    return np.asarray(rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype.kind == "c" else 0), dtype)


def of(*calls: tuple[Any, ...], **kwargs: Any) -> Callable[..., list[Sample]]:
    """Samples: the shape of an operand, followed by the other arguments."""
    return lambda rng, dtype: [sample(draw(rng, dtype, *shape), *rest, **kwargs) for shape, *rest in calls]


def row(
    name: str, samples: Callable[..., list[Sample]], reference: Callable[..., Any], torch: Any = None, **more: Any
) -> Row:
    return Row(name, samples, reference, torch, complex=True, **more)


def flat_args(args: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(args[0]) if len(args) == 1 and isinstance(args[0], (tuple, list)) else args


def np_squeeze(x: np.ndarray, dim: Any = None) -> np.ndarray:
    if dim is None:
        return x.squeeze()
    dims = dim if isinstance(dim, tuple) else (dim,)
    return x.squeeze(tuple(d for d in dims if x.ndim and x.shape[d] == 1))


def np_unfold(x: np.ndarray, dim: int, size: int, step: int) -> np.ndarray:
    if not x.ndim:
        return x.reshape(1)[:size]
    dim %= x.ndim
    starts = range(0, x.shape[dim] - size + 1, step)
    return np.stack([np.moveaxis(x.take(range(start, start + size), dim), dim, -1) for start in starts], dim)


def np_expand(x: np.ndarray, *sizes: Any) -> np.ndarray:
    shape = flat_args(sizes)
    lead = len(shape) - x.ndim
    return np.broadcast_to(x, [x.shape[i - lead] if n == -1 else n for i, n in enumerate(shape)])


def np_unflatten(x: np.ndarray, dim: int, sizes: Any) -> np.ndarray:
    dim %= x.ndim
    return x.reshape(x.shape[:dim] + tuple(sizes) + x.shape[dim + 1 :])


def np_flatten(x: np.ndarray, start: int = 0, end: int = -1) -> np.ndarray:
    if not x.ndim:
        return x.reshape(1)
    start, end = start % x.ndim, end % x.ndim
    return x.reshape((*x.shape[:start], int(np.prod(x.shape[start : end + 1])), *x.shape[end + 1 :]))


def np_diag_embed(x: np.ndarray, offset: int = 0, dim1: int = -2, dim2: int = -1) -> np.ndarray:
    n = x.shape[-1] + abs(offset)
    result = np.zeros((*x.shape[:-1], n, n), x.dtype)
    for i in range(x.shape[-1]):
        result[..., i + max(-offset, 0), i + max(offset, 0)] = x[..., i]
    return np.moveaxis(result, (-2, -1), (dim1, dim2))


def np_as_strided(x: np.ndarray, size: Any, stride: Any, offset: int | None = None) -> np.ndarray:
    memory = x.reshape(-1)
    index = np.full(size, offset or 0)
    for axis, (n, step) in enumerate(zip(size, stride)):
        index += (np.arange(n) * step).reshape((n,) + (1,) * (len(size) - 1 - axis))
    return memory[index]


def np_sum_to(x: np.ndarray, *size: Any) -> np.ndarray:
    shape = flat_args(size)
    lead = x.ndim - len(shape)
    x = x.sum(tuple(range(lead)))
    return x.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def broadcast_lists(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample([draw(rng, dtype, 2, 1), draw(rng, dtype, 3)]),
        sample([draw(rng, dtype), draw(rng, dtype, 2, 2)]),
        sample([draw(rng, dtype, 0, 1), draw(rng, dtype, 3)]),
    ]


def widened(*shapes: tuple[int, ...]) -> Callable[..., list[Sample]]:
    """Samples: one operand of each of `shapes`, and all of them in a list."""
    return lambda rng, dtype: [
        *[sample(draw(rng, dtype, *shape)) for shape in shapes],
        sample([draw(rng, dtype, *shape) for shape in shapes]),
    ]


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda xs: [function(x) for x in xs] if isinstance(xs, list) else function(xs)


def repeats_samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [
        sample(draw(rng, dtype, 2, 3), 2),
        sample(draw(rng, dtype, 2, 3), 3, 1),
        sample(draw(rng, dtype), 2),
        sample(draw(rng, dtype, 2, 3), 0, 0),
        sample(draw(rng, dtype, 2, 3), np.array([2, 1]), 0),
        sample(draw(rng, dtype, 2, 3), np.array([0, 3, 1]), -1),
        sample(draw(rng, dtype, 3), np.array([2])),
        sample(draw(rng, dtype, 2), np.array([1, 2]), output_size=3),
    ]


def np_repeat_interleave(
    x: np.ndarray, repeats: Any, dim: int | None = None, output_size: int | None = None
) -> np.ndarray:
    return np.repeat(x, repeats, dim)


ROWS: list[Row] = [
    row(
        "reshape",
        of(((2, 3), 3, 2), ((2, 3), (-1,)), ((), 1, 1), ((0, 3), 3, 0), ((2, 3, 4), (2, -1))),
        lambda x, *s: x.reshape(flat_args(s)),
        "Tensor.reshape",
        view="maybe",
    ),
    row(
        "reshape_as",
        lambda rng, dtype: [sample(draw(rng, dtype, 2, 3), np.ones((6, 1), int))],
        lambda x, y: x.reshape(y.shape),
        "Tensor.reshape_as",
        view="maybe",
    ),
    row(
        "view",
        of(((2, 3), 3, 2), ((2, 3), (-1,)), ((), 1, 1), ((0, 3), 3, 0)),
        lambda x, *s: x.reshape(flat_args(s)),
        "Tensor.view",
        view=True,
        layouts=False,
        why="a view of another layout may not exist",
    ),
    row(
        "view_as",
        lambda rng, dtype: [sample(draw(rng, dtype, 2, 3), np.ones((6, 1), int))],
        lambda x, y: x.reshape(y.shape),
        "Tensor.view_as",
        view=True,
        layouts=False,
        why="a view of another layout may not exist",
    ),
    row("unsqueeze", of(((2, 3), 0), ((2, 3), -1), ((), 0), ((0, 3), 1)), np.expand_dims, view=True),
    row(
        "squeeze",
        of(((1, 3, 1),), ((1, 3, 1), 0), ((1, 3, 1), (0, -1)), ((2, 3), 0), ((),), ((0, 1),)),
        np_squeeze,
        view=True,
    ),
    row("flatten", of(((2, 3, 4),), ((2, 3, 4), 1), ((2, 3, 4), 0, 1), ((),), ((0, 3),)), np_flatten, view="maybe"),
    row("ravel", of(((2, 3),), ((),), ((0, 2),)), lambda x: x.reshape(-1), view="maybe"),
    row("unflatten", of(((2, 6), 1, (3, 2)), ((6,), 0, (2, -1)), ((4, 3), -2, (2, 2))), np_unflatten, view=True),
    row("atleast_1d", widened(()), each(np.atleast_1d), view=True),
    row("atleast_2d", widened((), (3,)), each(np.atleast_2d), view=True),
    row("atleast_3d", widened((), (3,), (2, 3)), each(np.atleast_3d), view=True),
    row(
        "transpose",
        of(((2, 3), 0, 1), ((2, 3, 4), -1, 0), ((), 0, -1), ((0, 3), 1, 0)),
        lambda x, i, j: x.swapaxes(i, j) if x.ndim else x,
        view=True,
    ),
    row("swapaxes", of(((2, 3), 0, 1)), np.swapaxes, view=True),
    row("swapdims", of(((2, 3), 0, 1)), np.swapaxes, view=True),
    row("t", of(((2, 3),), ((3,),), ((),), ((0, 2),)), np.transpose, view=True),
    row("permute", of(((2, 3, 4), (2, 0, 1)), ((2, 3), (-1, 0)), ((), ()), ((0, 3), (1, 0))), np.transpose, view=True),
    row("movedim", of(((2, 3, 4), 0, -1), ((2, 3, 4), (0, 1), (2, 0)), ((3,), 0, 0)), np.moveaxis, view=True),
    row("moveaxis", of(((2, 3, 4), 0, -1), ((2, 3, 4), (0, 1), (2, 0))), np.moveaxis, view=True),
    row("adjoint", of(((2, 3),), ((4, 2, 3),)), lambda x: x.swapaxes(-2, -1).conj(), view="maybe"),
    row(
        "expand",
        of(((2, 1), 2, 3), ((3,), (2, -1)), ((), 2, 2), ((1, 0), 2, -1), ((2, 3), -1, -1)),
        np_expand,
        "Tensor.expand",
        view=True,
    ),
    row(
        "expand_as",
        lambda rng, dtype: [sample(draw(rng, dtype, 1, 3), np.ones((2, 3), int))],
        lambda x, y: np.broadcast_to(x, y.shape),
        "Tensor.expand_as",
        view=True,
    ),
    row("broadcast_to", of(((2, 1), (2, 3)), ((), (2,))), np.broadcast_to, view=True),
    row(
        "broadcast_tensors",
        broadcast_lists,
        lambda xs: np.broadcast_arrays(*xs),
        lambda xs: __import__("torch").broadcast_tensors(*xs),
        view=True,
    ),
    Row(
        "broadcast_shapes",
        lambda rng, dtype: [sample((2, 1), (3,)), sample((), (2,)), sample(2, (3, 1)), sample()],
        lambda *s: np.array(np.broadcast_shapes(*s)),
        grad=False,
    ),
    row(
        "sum_to_size",
        of(((2, 3), 2, 1), ((2, 3), (3,)), ((4, 2, 3), 1, 1), ((0, 3), 1, 1)),
        np_sum_to,
        "Tensor.sum_to_size",
    ),
    row(
        "as_strided",
        of(((2, 3), (2, 2), (1, 2)), ((6,), (3, 3), (1, 1)), ((2, 3), (2,), (3,), 1), ((4,), (), ())),
        np_as_strided,
        view=True,
        layouts=False,
        why="what it shows depends on the layout",
    ),
    row(
        "diagonal",
        of(((3, 3),), ((2, 4), 1), ((4, 2), -2), ((2, 3, 4), 0, 0, 2), ((2, 3), 5), ((0, 3),)),
        lambda x, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2),
        view=True,
    ),
    row("diag", of(((3,),), ((3,), 1), ((2, 3),), ((3, 3), -1), ((0,),)), np.diag),
    row("diag_embed", of(((2, 3),), ((3,), 1), ((2, 3), -1, 0, 2), ((0,),)), np_diag_embed),
    row("diagflat", of(((2, 2),), ((3,), -1), ((),)), np.diagflat),
    row(
        "unfold",
        of(((5,), 0, 3, 1), ((5, 2), 0, 2, 2), ((2, 7), -1, 3, 3), ((2, 5, 2), 1, 4, 1), ((), 0, 1, 1)),
        np_unfold,
        "Tensor.unfold",
        view=True,
    ),
    row(
        "flip",
        of(((2, 3), (0,)), ((2, 3), (0, -1)), ((), (0,)), ((2, 3), ())),
        lambda x, dims: np.flip(x, dims) if x.ndim else x,
    ),
    row("fliplr", of(((2, 3),)), np.fliplr),
    row("flipud", of(((2, 3),), ((3,),)), np.flipud),
    row("rot90", of(((2, 3),), ((2, 3), 2), ((2, 3), -1), ((2, 3), 4), ((2, 3, 4), 1, (2, 0))), np.rot90),
    row(
        "roll",
        of(((2, 3), 1), ((2, 3), 2, 1), ((2, 3), (1, -1), (0, 1)), ((), 1), ((0, 3), 1, 0)),
        lambda x, shifts, dims=None: np.roll(x, shifts, dims) if x.size else x,
    ),
    row(
        "repeat",
        of(((2, 3), 2, 1), ((3,), 2, 2), ((), 2), ((2,), (0,)), ((2, 1), (1, 2, 3))),
        lambda x, *r: np.tile(x, flat_args(r)),
        "Tensor.repeat",
    ),
    row("tile", of(((2, 3), (2, 1)), ((3,), (2, 2)), ((2, 3), (2,)), ((), (2,))), np.tile),
    row("repeat_interleave", repeats_samples, np_repeat_interleave, synchronises=True),
    row("tril", of(((3, 3),), ((2, 4), 1), ((2, 3, 2), -1), ((0, 3),)), np.tril, inplace=True),
    row("triu", of(((3, 3),), ((2, 4), 1), ((2, 3, 2), -1), ((0, 3),)), np.triu, inplace=True),
]
