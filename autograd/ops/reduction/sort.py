"""Sorting, and the largest few."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.ops.common.dims import part, wrap
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.reduction.values_and_indices import itself, picks_several, store_pair
from tapegrad.backends import xp

_SHORT = 64  # elements along the dimension up to which sorting them all is no slower than partitioning


def order_of(input: Array, dim: int, descending: bool = False) -> Array:
    """The indices that sort an array along `dim`, stably; NaN counts as the largest."""
    if not input.ndim:
        return xp(input).zeros((), np.int64)
    if input.dtype.kind == "V":  # NumPy has no order for bfloat16 that knows NaN; float32 keeps it
        input = input.astype(np.float32)
    if not descending:
        return input.argsort(axis=dim, kind="stable")
    back = part(dim, None, None, -1)
    return input.shape[dim] - 1 - input[back].argsort(axis=dim, kind="stable")[back]


def taken(input: Array, index: Array, dim: int) -> Array:
    """The elements of an array at `index` along `dim`."""
    return xp(input).take_along_axis(input, index, axis=dim) if input.ndim else input.copy()


@picks_several(name="sort")
def sort_with_indices(input: Array, dim: int, descending: bool) -> tuple[Array, Array]:
    """The elements in order along `dim`, and their indices."""
    dim = wrap(dim, input.ndim)
    indices = order_of(input, dim, descending)
    return taken(input, indices, dim), indices


@composite(method=True)
def sort(
    input: Operand, dim: int = -1, descending: bool = False, stable: bool | None = None, *, out: Operand = None
) -> Any:
    """The elements in order along a dimension, and their indices; equal ones stay in order, NaN counts as the largest.

    Args:
        descending: whether the largest comes first.
        stable: allowed, and always so.

    Returns:
        A named pair (values, indices).

    Example:
        >>> tapegrad.sort(tapegrad.tensor([2.0, 3.0, 1.0]), descending=True)
        torch.return_types.sort(
        values=tensor([3., 2., 1.]),
        indices=tensor([1, 0, 2]))
    """
    return store_pair("sort", out, sort_with_indices(input, dim, descending))


@op(input=None, method=True)
def argsort(input: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Array:
    """The indices that `sort` a tensor along a dimension.

    Example:
        >>> tapegrad.argsort(tapegrad.tensor([2.0, 3.0, 1.0]))
        tensor([2, 0, 1])
    """
    return order_of(input, wrap(dim, input.ndim), descending)


@composite(method=True)
def msort(input: Operand, *, out: Operand = None) -> Any:
    """The elements in order along the first dimension.

    Example:
        >>> tapegrad.msort(tapegrad.tensor([[2, 1], [1, 3]]))
        tensor([[1, 1],
                [2, 3]])
    """
    return stored("msort", out, sort_with_indices(input, 0, False)[0])


def _top(input: Array, k: int, dim: int, largest: bool) -> Array:
    """The indices of the first `k` along `dim`, in order."""
    n = input.shape[dim]
    if n <= _SHORT or 4 * k > n or not k or input.__class__ is not np.ndarray:
        return order_of(input, dim, largest)[part(dim, 0, k)]
    few = np.moveaxis(_few(np.moveaxis(wide(input), dim, -1), k, largest), -1, dim)
    return taken(few, order_of(taken(input, few, dim), dim, largest), dim)


def _few(x: np.ndarray, k: int, largest: bool) -> np.ndarray:
    """The indices of the first `k` along the last dimension, in the array's order.

    Of equal elements they are the first, as a stable sort would choose.
    """
    n = x.shape[-1]
    place = n - k if largest else k - 1
    last = np.partition(x, place, axis=-1)[..., place : place + 1]
    missing, missing_last = x != x, last != last
    if largest:
        before = (x > last) | (missing & ~missing_last)
    else:
        before = (x < last) | (~missing & missing_last)
    equal = (x == last) | (missing & missing_last)
    room = k - before.sum(axis=-1, keepdims=True)
    return (before | (equal & (equal.cumsum(axis=-1) <= room))).nonzero()[-1].reshape(*x.shape[:-1], k)


@picks_several(name="topk")
def _topk(input: Array, k: int, dim: int, largest: bool) -> tuple[Array, Array]:
    dim = wrap(dim, input.ndim)
    if not 0 <= k <= (input.shape[dim] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if not input.ndim:
        return itself(input)
    indices = _top(input, k, dim, largest)
    return taken(input, indices, dim), indices


@composite(method=True)
def topk(
    input: Operand, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: Operand = None
) -> Any:
    """The `k` largest elements along a dimension, and their indices; NaN counts as the largest.

    Args:
        k: how many.
        largest: whether to return the largest, or the smallest.
        sorted: allowed; they are always in order.

    Returns:
        A named pair (values, indices).

    Raises:
        RuntimeError: there are less than `k` elements.

    Example:
        >>> tapegrad.topk(tapegrad.tensor([2.0, 3.0, 1.0]), 2)
        torch.return_types.topk(
        values=tensor([3., 2.]),
        indices=tensor([1, 0]))
    """
    return store_pair("topk", out, _topk(input, k, dim, largest))
