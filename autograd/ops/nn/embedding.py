"""`embedding`: rows of a table by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.node import At
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.indexing.batch_rules import gather_in_batch
from tapegrad.autograd.ops.shape.cat import stack
from tapegrad.autograd.ops.shape.split import unbind
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, xp


def _scattered(
    grad: Any, indices: Any, shape: tuple[int, ...], padding_idx: int | None, scale_grad_by_freq: bool
) -> At:
    if padding_idx is not None or scale_grad_by_freq:
        grad = grad * _row_factors(indices, grad, shape[0], padding_idx, scale_grad_by_freq)
    return At(raw(indices), grad, shape, False)


@op(
    indices=None,
    like=None,
    operands="free",
    public=False,
    batch=lambda batched, indices, like, *facts: _factors_in_batch(batched, indices, like, *facts),
)
def _row_factors(indices: Any, like: Any, rows: int, padding_idx: int | None, scale_grad_by_freq: bool) -> Any:
    """What each looked-up row's gradient counts for: nothing at `padding_idx`, one by its frequency if so asked."""
    factors: Any = xp(indices).ones(indices.shape, like.dtype)
    if scale_grad_by_freq:
        flat = indices.reshape(-1)
        # `bincount` has to look for the largest index, and CuPy's host waits for it
        counts = xp(indices).zeros(rows, np.int64)
        backend(counts).scatter_add(counts, flat, xp(indices).ones(flat.shape, np.int64))
        factors /= counts[indices].astype(like.dtype)
    if padding_idx is not None:
        factors *= indices != padding_idx
    return factors[..., None]


def _factors_in_batch(
    batched: frozenset[str], indices: Any, like: Any, rows: int, padding_idx: int | None, scale_grad_by_freq: bool
) -> Any:
    if "indices" not in batched:
        return _row_factors(indices, like, rows, padding_idx, scale_grad_by_freq)[None]
    return stack([_row_factors(part, like, rows, padding_idx, scale_grad_by_freq) for part in unbind(indices)])


@op(
    weight=lambda grad, indices, weight_shape, padding_idx, scale_grad_by_freq: _scattered(
        grad, indices, weight_shape, padding_idx, scale_grad_by_freq
    ),
    indices=None,
    operands="free",
    public=False,
    name="embedding",
    kind="linear",
    batch=lambda batched, weight, indices, padding_idx, scale_grad_by_freq: (
        gather_in_batch(frozenset({"input"}), weight, indices if "indices" in batched else indices._array)
        if "weight" in batched
        else _embedding(weight, indices, None, False)
    ),
)
def _embedding(weight: Any, indices: Any, padding_idx: int | None, scale_grad_by_freq: bool) -> Any:
    if indices.__class__ is not np.ndarray:
        backend(indices).assert_index(indices, 0, len(weight), "embedding")
    elif indices.size and (indices.min() < 0 or indices.max() >= len(weight)):
        raise IndexError("index out of range in self")
    return weight.take(indices, axis=0)


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of a table by number.

    Args:
        input: int64 or int32 tensor of any shape: numbers of rows.
        weight: the table, of shape (rows, size).
        padding_idx: a row that no gradient flows into.
        max_norm: first scale the rows that are looked up down to at most this norm, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it is looked up.
        sparse: not offered.

    Raises:
        IndexError: a number is out of range (on a device, when the program next waits for it).
        RuntimeError: the operands are of the wrong kind.

    Example:
        >>> table = tapegrad.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> tapegrad.nn.functional.embedding(tapegrad.tensor([1, 0, 1]), table)
        tensor([[3., 4.],
                [1., 2.],
                [3., 4.]])
    """
    table, indices = raw(weight), raw(input)
    if sparse:
        raise NotImplementedError("embedding(): sparse gradients are not offered")
    if indices.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{dtypes.of(indices.dtype).scalar_type}Tensor instead (while checking arguments for embedding)"
        )
    if table.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if padding_idx is not None:
        if not -len(table) <= padding_idx < len(table):
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= len(table)
    if max_norm is not None:
        _renormalize(weight, indices, max_norm, norm_type)
    return _embedding(weight, input, padding_idx, scale_grad_by_freq)


def _renormalize(weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
    """Scale the rows of `weight` that `indices` name down to at most `max_norm`, in place."""
    table = raw(weight)
    if backend(table) is not backend(indices):
        return  # the look-up will raise
    chosen = table.take(indices.reshape(-1), axis=0)
    size = xp(table).abs(wide(chosen))
    norms = size.max(axis=1) if norm_type == float("inf") else (size**norm_type).sum(axis=1) ** (1 / norm_type)
    scale = xp(table).where(norms > max_norm, max_norm / (norms + 1e-7), 1)
    # A row that is looked up twice is written twice, with the same values.
    table[indices.reshape(-1)] = (chosen * scale[:, None]).astype(table.dtype)
    if isinstance(weight, Tensor):
        bump(weight)


__all__ = ["embedding"]
