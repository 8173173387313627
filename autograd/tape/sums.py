"""The gradients that have arrived at targets that have not run."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tapegrad.autograd.core.node import At, Part
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.primitives import cast
from tapegrad.autograd.dispatch.rebase import laid_out
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.indexing.getitem import scatter_rows
from tapegrad.backends import ARRAYS, backend, xp


class Sums:
    """The gradients that have arrived at targets that have not run.

    Attributes:
        whole: sums in arrays of the pass's own, which may be added to in place.
        partial: single gradients that may have another owner; for a node with several results, a list with the gradient
            of each.
        graph: gradients are Tensors, and their sums are recorded.
    """

    __slots__ = ("graph", "partial", "whole")

    def __init__(self, graph: bool) -> None:
        self.whole: dict[Any, Any] = {}
        self.partial: dict[Any, Any] = {}
        self.graph = graph

    def take(self, target: Any) -> Any:
        """Remove and return the sum for `target`; None if nothing arrived."""
        grad = self.whole.pop(target, None)
        return self.partial.pop(target, None) if grad is None else grad

    def add(self, target: Any, d: Any, source: Any) -> None:
        """Add the gradient `d`, which a rule made from `source` (None: a root's seed)."""
        graph = self.graph
        if d.__class__ is Part:
            parts = self.partial.get(target)
            if parts is None:
                parts = self.partial[target] = [None] * target.count
            parts[d.nr] = d.grad if parts[d.nr] is None else parts[d.nr] + d.grad
            return
        have = self.whole.get(target)
        if d.__class__ is At:
            if not graph and have is not None and have.dtype is d.grad.dtype:
                add_at(have, d)
                return
            d, fresh = dense(d, graph), not graph
        else:
            # An array that a rule made belongs to the pass; the incoming gradient handed on, a view, or a seed does
            # not.
            fresh = (
                d is not source
                and source is not None
                and source.__class__ is not list
                and not graph
                and d.__class__ in ARRAYS
                and d.base is None
            )
        is_leaf = isinstance(target, Tensor)
        dtype = target._array.dtype if is_leaf else target.dtype
        if (d._array if graph else d).dtype is not dtype and dtype is not None:
            d = to_dtype(d, dtype, graph)
        if is_leaf and d.shape != target._array.shape:
            d = sum_to(d, target._array.shape)
        if have is not None:
            if graph:
                self.whole[target] = have + d
            else:
                have += d
            return
        have = self.partial.pop(target, None)
        if have is not None:
            total = have + d
            self.whole[target] = total if graph or total.__class__ in ARRAYS else np.asarray(total)
        elif fresh:
            self.whole[target] = d
        else:
            self.partial[target] = d


class WatchedSums(Sums):
    """Sums that report each addition to observers."""

    __slots__ = ("watchers",)

    def __init__(self, graph: bool, watchers: Any) -> None:
        super().__init__(graph)
        self.watchers = watchers

    def add(self, target: Any, d: Any, source: Any) -> None:
        add = super().add
        for watcher in self.watchers:
            add = functools.partial(watcher.add, add)
        add(target, d, source)


def to_dtype(d: Any, dtype: np.dtype, graph: bool) -> Any:
    """`d` in the dtype of its target; a real target takes the real part of a complex gradient."""
    if (d._array if graph else d).dtype.kind == "c" and dtype.kind != "c":
        d = d.real
    if graph:
        return cast(d, dtype)
    return d.astype(dtype)


def dense(d: At, graph: bool) -> Any:
    """The gradient as a whole array, zeros included."""
    if graph:
        return scatter_rows(d.grad, d.index, d.shape)
    whole = xp(d.grad).zeros(d.shape, d.grad.dtype)
    add_at(whole, d)
    return whole


def add_at(whole: Any, d: At) -> None:
    """Add the gradient into `whole`, in place."""
    if d.unique:
        whole[d.index] += d.grad
    else:
        backend(whole).scatter_add(whole, d.index, d.grad)


def own_array(grad: Any, owned: bool, like: Any) -> Any:
    """`grad` as an array with no other owner, laid out as the leaf's array where that is dense."""
    if grad.__class__ not in ARRAYS:
        return np.asarray(grad)
    if like.flags.c_contiguous:
        return grad if owned and grad.flags.c_contiguous else grad.copy(order="C")
    if owned and grad.strides == like.strides:
        return grad
    axes = dense_order(like)
    return (
        grad.copy(order="C")
        if axes is None
        else grad.transpose(axes).copy(order="C").transpose(np.argsort(axes).tolist())
    )


def own_copy(grad: Tensor, like: Any) -> Tensor:
    """`grad` as a tensor with no other owner, recorded; laid out as by `own_array`."""
    if like.flags.c_contiguous or dense_order(like) is None:
        return grad.clone() if grad._array.flags.c_contiguous else laid_out(grad, None)
    return laid_out(grad, tuple([step // like.itemsize for step in like.strides]))


def dense_order(array: Any) -> tuple[int, ...] | None:
    """The order of the dimensions in which the elements fill a piece of memory, or None if they do not."""
    strides = array.strides
    axes = tuple(sorted(range(array.ndim), key=lambda i: -strides[i]))
    return axes if array.transpose(axes).flags.c_contiguous else None
