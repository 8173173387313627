"""Combining what an index brings together: sums, products, means, extrema."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import along, over, sized
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.gather.gather import (
    check_index,
    check_same_dtype,
    flat_positions,
    gather,
    ordered_copy,
    part_used,
    scatter_add_source,
    scatter_source,
    scatter_value,
    scatter_zeros,
)
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


def _combine(target: Any, positions: Any, values: Any, how: str) -> Any:
    """The vector `target` with `values` multiplied in, or compared, at `positions`."""
    here = xp(target)
    function = {"prod": here.multiply, "amax": here.maximum, "amin": here.minimum}[how]
    if target.__class__ is np.ndarray or (
        how != "prod" and target.dtype.name in ("float32", "float64", "int32", "uint32", "uint64")
    ):
        function.at(target, positions, values)
        return target
    # The devices have no atomic operation for the rest: values that meet are combined in log2(n) steps once they lie
    # side by side, and written once.
    order = positions.argsort()
    at, found = positions[order], values[order]
    step = 1
    while step < at.size:
        longer = found.copy()
        longer[step:] = here.where(at[step:] == at[:-step], function(found[step:], found[:-step]), found[step:])
        found, step = longer, step * 2
    last = here.ones(at.shape, bool)
    last[:-1] = at[1:] != at[:-1]
    wide = here.concatenate([target, here.zeros(1, target.dtype)])
    at = here.where(last, at, target.size)
    wide[at] = function(wide[at], found)
    return wide[:-1]


def _start(input: Any, positions: Any, how: str, include_self: bool) -> Any:
    """The vector to combine into: `input`, or the neutral element where something comes in."""
    start = ordered_copy(input).reshape((-1,))
    if not include_self:
        inexact = dtypes.is_inexact(input.dtype)
        if how == "prod":
            neutral: Any = 1
        elif inexact:
            neutral = -math.inf if how == "amax" else math.inf
        else:
            info = np.iinfo(input.dtype) if input.dtype.kind != "b" else None
            neutral = (how == "amin") if info is None else info.min if how == "amax" else info.max
        start[positions] = xp(start).full((), neutral, start.dtype)
    return start


def _reduced(input: Any, dim: int, index: Any, src: Any, how: str, include_self: bool) -> Any:
    if not index.size:
        return ordered_copy(input)
    positions = flat_positions(index, dim, input.shape)
    return _combine(_start(input, positions, how, include_self), positions, src.reshape((-1,)), how).reshape(
        input.shape
    )


@op(
    input=None,
    index=None,
    src=None,
    result=None,
    operands="free",
    outs=("own", "others"),
    public=False,
    batch=over(dim=along),
)
def _shares(input: Any, dim: int, index: Any, src: Any, result: Any, include_self: bool) -> Any:
    """How the gradient of each extremum is divided among the elements that are it: the shares of `input`, and of
    `src`.
    """
    own = (input == result).astype(input.dtype)
    if not include_self:
        own = scatter_value(own, dim, index, 0)
    others = (src == gather(result, dim, index)).astype(input.dtype)
    count = xp(input).maximum(scatter_add_source(own, dim, index, others), xp(input).ones((), input.dtype))
    return own / count, others / gather(count, dim, index)


def _extremum_back(
    grad: Any, need: tuple[bool, ...], input: Any, dim: int, index: Any, src: Any, include_self: bool, result: Any
) -> tuple[Any, ...]:
    own, others = _shares(input, dim, index, src, result, include_self)
    return grad * own, None, gather(grad, dim, index) * others


def _tangent(
    back: Any, d_input: Any, d_src: Any, input: Any, dim: int, index: Any, src: Any, include_self: bool, result: Any
) -> Any:
    """Each element goes into one result, with the weight that is its gradient."""
    own, _, others = back(
        zero_gradient(result) + 1,
        (d_input is not None, False, d_src is not None),
        input,
        dim,
        index,
        src,
        include_self,
        result,
    )
    start = zero_gradient(result) if d_input is None else d_input * own
    return start if d_src is None else scatter_add_source(start, dim, index, d_src * others)


@op(
    input=None,
    index=None,
    src=None,
    joint=_extremum_back,
    operands="free",
    name="scatter_reduce",
    public=False,
    batch=over(dim=along),
    jvp=lambda d_input, d_src, input, dim, index, src, include_self, result: _tangent(
        _extremum_back, d_input, d_src, input, dim, index, src, include_self, result
    ),
)
def _scatter_extremum(input: Any, dim: int, index: Any, src: Any, how: str, include_self: bool) -> Any:
    return _reduced(input, dim, index, src, how, include_self)


@op(input=None, public=False, batch=over())
def _where_zero(input: Any) -> Any:
    """1 where `input` is zero, else 0."""
    return (input == 0).astype(input.dtype)


@op(src=None, index=None, operands="free", public=False, batch=over(dim=along, shape=sized))
def _lone_zero(src: Any, dim: int, index: Any, shape: tuple[int, ...]) -> Any:
    """1 where `src` is the only zero among those that meet, else 0."""
    zero = _where_zero(src)
    return zero * (gather(scatter_zeros(zero, dim, index, shape), dim, index) == 1)


def _prod_back(
    grad: Any, need: tuple[bool, ...], input: Any, dim: int, index: Any, src: Any, include_self: bool, result: Any
) -> tuple[Any, ...]:
    """As torch's: the product of the others is the product by the element, and where that is zero, the product with a
    one in its place.
    """
    to_input = to_src = None
    if need[0]:
        # With a one for each zero, what is left is the product of what came in.
        zero = _where_zero(input)
        safe = input + zero
        if include_self:
            to_input = grad * _scatter_prod(safe, dim, index, src, True) / safe
        else:
            to_input = scatter_value(grad, dim, index, 0)
    if need[2]:
        zero = _where_zero(src)
        lone = _lone_zero(src, dim, index, input.shape)
        filled = _scatter_prod(input, dim, index, src + lone, include_self)
        shared = gather(grad * result, dim, index) / (src + zero)
        to_src = shared * (1 - lone) + gather(grad * filled, dim, index) * lone
    return to_input, None, to_src


@op(
    input=None,
    index=None,
    src=None,
    joint=_prod_back,
    operands="free",
    name="scatter_reduce",
    public=False,
    batch=over(dim=along),
    jvp=lambda d_input, d_src, input, dim, index, src, include_self, result: _tangent(
        _prod_back, d_input, d_src, input, dim, index, src, include_self, result
    ),
)
def _scatter_prod(input: Any, dim: int, index: Any, src: Any, include_self: bool) -> Any:
    return _reduced(input, dim, index, src, "prod", include_self)


@op(like=None, index=None, operands="free", public=False, batch=over(dim=along))
def _counts(like: Any, dim: int, index: Any, include_self: bool) -> Any:
    """How many come together in each element of an array like `like`, at least 1."""
    here = xp(like)
    count = (here.ones if include_self else here.zeros)(like.shape, like.dtype)
    return here.maximum(
        scatter_add_source(count, dim, index, here.ones(index.shape, like.dtype)), here.ones((), like.dtype)
    )


@composite(method=True, inplace=True)
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """`input` with elements combined where an index says, as in `scatter_add`.

    Where several extrema are equal, the gradient is divided among them. The second derivative of "prod" is not told
    where two or more zeros meet.

    Args:
        index: an integer tensor of as many dimensions, no larger than `input` in the others.
        src: a tensor at least as large as `index`.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: the elements of `input` themselves take part.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> tapegrad.ones(2).scatter_reduce(0, tapegrad.tensor([0, 0]), tapegrad.tensor([3.0, 5.0]), "amax")
        tensor([5., 1.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    array, where = raw(input), raw(index)
    check_same_dtype("scatter", array, raw(src))
    dim = check_index("scatter", array, dim, where, raw(src))
    src = part_used(src, index)
    if reduce in ("amax", "amin"):
        return _scatter_extremum(input, dim, index, src, reduce, include_self)
    if reduce == "prod":
        return _scatter_prod(input, dim, index, src, include_self)
    total = scatter_add_source(input if include_self else scatter_value(input, dim, index, 0), dim, index, src)
    if reduce == "sum":
        return total
    count = _counts(total, dim, index, include_self)
    return total / count if dtypes.is_inexact(array.dtype) else total // count


@composite(method=True, inplace=True)
def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """`input` with elements replaced where an index says: ``out[index[i, j], j] = src[i, j]`` for `dim` 0.

    Args:
        index: an integer tensor of as many dimensions, no larger than `input` in the others.
        src: a tensor at least as large as `index`, or a number.
        value: the number, by name.
        reduce: "add" or "multiply" to combine with what is there.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> tapegrad.zeros(2, 2).scatter(1, tapegrad.tensor([[0], [1]]), 5.0)
        tensor([[5., 0.],
                [0., 5.]])
    """
    src = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    array, where = raw(input), raw(index)
    if isinstance(src, (bool, int, float, complex)):
        dim = check_index("scatter", array, dim, where)
        if reduce is None:
            return scatter_value(input, dim, index, src)
        src = xp(array).full(where.shape, src, array.dtype)
    else:
        check_same_dtype("scatter", array, raw(src))
        dim = check_index("scatter", array, dim, where, raw(src))
        if reduce is None:
            return scatter_source(input, dim, index, part_used(src, index))
        warnings.warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future "
            "PyTorch release. Use "
            "torch.scatter_reduce instead for more reduction options.",
            stacklevel=2,
        )
    return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")
