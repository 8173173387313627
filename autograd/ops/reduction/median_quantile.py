"""Order statistics: medians, quantiles, the k-th value, the most frequent value."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, from_array, raw
from tapegrad.autograd.dispatch.batch_rules import along, over
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.modes.device_guard import on_first
from tapegrad.autograd.ops.common.dims import part, places, wrap
from tapegrad.autograd.ops.gather.along_dim import take_along
from tapegrad.autograd.ops.pointwise.arithmetic import lerp
from tapegrad.autograd.ops.pointwise.rounding import ceil, floor, round
from tapegrad.autograd.ops.pointwise.where import where
from tapegrad.autograd.ops.reduction.cumulative import scanned
from tapegrad.autograd.ops.reduction.max_min import check_not_empty, rows, spread
from tapegrad.autograd.ops.reduction.sort import order_of, sort_with_indices
from tapegrad.autograd.ops.reduction.values_and_indices import itself, picks_one, store_pair
from tapegrad.backends import xp


def _at(input: Array, index: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """The elements of an array at one index per slice, which has the dimension still, and the index."""
    values = xp(input).take_along_axis(input, index, axis=dim)
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


# ---- medians


def _median_index(input: Array, dim: int, ignore_nan: bool) -> Array:
    """Where the median of each slice along `dim` is, the lower one of two.

    Without `ignore_nan` it is at the first NaN, if there is one.
    """
    space = xp(input)
    order = order_of(input, dim)
    missing = input != input
    if ignore_nan:
        count = input.shape[dim] - missing.sum(axis=dim, keepdims=True)
        return space.take_along_axis(order, space.maximum(count - 1, 0) // 2, axis=dim)
    middle = (input.shape[dim] - 1) // 2
    first_nan = missing.argmax(axis=dim, keepdims=True)
    return space.where(missing.any(axis=dim, keepdims=True), first_nan, order[part(dim, middle, middle + 1)])


@op(
    input=lambda grad, input, result, dim: spread(grad, input, result, dim, False),
    kind="reduction",
    public=False,
    name="median",
    batch=over(dim=along),
)
def _median_of_each(input: Array, dim: int, ignore_nan: bool) -> Array:
    """The medians along a dimension, with the gradient that those of all elements have."""
    if input.shape[dim]:
        return _at(input, _median_index(input, dim, ignore_nan), dim, False)[0]
    return xp(input).full(input.shape[:dim] + input.shape[dim + 1 :], np.nan, input.dtype)


def _of_all(name: str, ignore_nan: bool) -> OpFunction:
    def function(input: Array) -> Array:
        return _median_of_each(input.reshape(-1), 0, ignore_nan)

    return op(
        input=lambda grad, input, result: spread(grad, input, result, None, False),
        kind="reduction",
        public=False,
        name=name,
        batch=lambda batched, input: _median_of_each(rows(input), 1, ignore_nan),
    )(function)


def _along_dim(name: str, ignore_nan: bool) -> OpFunction:
    def function(input: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        if not input.size:
            check_not_empty(name, input.shape, dim)
        dim = wrap(dim, input.ndim)
        return _at(input, _median_index(input, dim, ignore_nan), dim, keepdim) if input.ndim else itself(input)

    return picks_one(name=name)(function)


_MEDIANS = {
    "median": (_of_all("median", False), _along_dim("median", False)),
    "nanmedian": (_of_all("nanmedian", True), _along_dim("nanmedian", True)),
}


def _median(name: str, input: Operand, dim: int | None, keepdim: bool, out: Any) -> Any:
    of_all, along_dim = _MEDIANS[name]
    if dim is None:
        return stored(name, out, of_all(input))
    return store_pair(name, out, along_dim(input, dim, keepdim))


@composite(method=True)
def median(input: Operand, dim: int | None = None, keepdim: bool = False, *, out: Operand = None) -> Any:
    """The median of all elements, or along a dimension with its indices.

    It is the lower one of an even number, and NaN where there is a NaN.

    Returns:
        A tensor, or along a dimension a named pair (values, indices).

    Example:
        >>> tapegrad.median(tapegrad.tensor([3.0, 1.0, 2.0, 4.0]))
        tensor(2.)
    """
    return _median("median", input, dim, keepdim, out)


@composite(method=True)
def nanmedian(input: Operand, dim: int | None = None, keepdim: bool = False, *, out: Operand = None) -> Any:
    """The `median` of the elements that are not NaN, of all or along a dimension with its indices.

    Example:
        >>> tapegrad.nanmedian(tapegrad.tensor([3.0, float("nan"), 2.0]))
        tensor(2.)
    """
    return _median("nanmedian", input, dim, keepdim, out)


# ---- kthvalue, mode


@picks_one(name="kthvalue")
def _kthvalue(input: Array, k: int, dim: int, keepdim: bool) -> tuple[Array, Array]:
    dim = wrap(dim, input.ndim)
    if not 1 <= k <= (input.shape[dim] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    if not input.ndim:
        return itself(input)
    return _at(input, order_of(input, dim)[part(dim, k - 1, k)], dim, keepdim)


@composite(method=True)
def kthvalue(input: Operand, k: int, dim: int = -1, keepdim: bool = False, *, out: Operand = None) -> Any:
    """The `k`-th smallest element along a dimension, and its index; NaN counts as the largest.

    Args:
        k: which, from 1 on.

    Returns:
        A named pair (values, indices).

    Raises:
        RuntimeError: there is no such element.

    Example:
        >>> tapegrad.kthvalue(tapegrad.tensor([3.0, 1.0, 2.0]), 2)
        torch.return_types.kthvalue(
        values=tensor(2.),
        indices=tensor(2))
    """
    return store_pair("kthvalue", out, _kthvalue(input, k, dim, keepdim))


@picks_one(name="mode")
def _mode(input: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    if not input.size:
        check_not_empty("mode", input.shape, dim)
    dim = wrap(dim, input.ndim)
    if not input.ndim:
        return itself(input)
    space = xp(input)
    order = order_of(input, dim)
    ranked = space.take_along_axis(input, order, axis=dim)
    place = places(input, dim)
    late, early = part(dim, 1, None), part(dim, None, -1)
    # In sorted order equal elements stand in runs; the last of the first longest run is the answer.
    start = space.zeros(input.shape, np.int64)
    start[late] = (ranked[late] != ranked[early]) * place[late]
    length = place - scanned(start, dim, "maximum")
    last = length.argmax(axis=dim, keepdims=True)
    return _at(input, space.take_along_axis(order, last, axis=dim), dim, keepdim)


@composite(method=True)
def mode(input: Operand, dim: int = -1, keepdim: bool = False, *, out: Operand = None) -> Any:
    """The most frequent element along a dimension, of several the smallest, and the index of its last occurrence.

    Returns:
        A named pair (values, indices).

    Example:
        >>> tapegrad.mode(tapegrad.tensor([3, 1, 3, 1, 2]))
        torch.return_types.mode(
        values=tensor(1),
        indices=tensor(3))
    """
    return store_pair("mode", out, _mode(input, dim, keepdim))


# ---- quantiles

#: how the rank of a quantile becomes that of an element, the first of two where the interpolation takes two
_ROUNDINGS = {"linear": floor, "midpoint": floor, "lower": floor, "higher": ceil, "nearest": round}


def _checked(name: str, input: Operand, q: Operand, interpolation: str) -> Operand:
    """`q` as a tensor, after torch's checks."""
    array = raw(input)
    if not array.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if array.dtype.kind != "f" or array.dtype.itemsize < 4:
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in _ROUNDINGS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    if isinstance(q, (int, float)):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        value = xp(array).full((), q, array.dtype)
        return from_array(value) if isinstance(input, Tensor) else value
    values = raw(q)
    if values.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if values.dtype != array.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if values.__class__ is np.ndarray and not ((values >= 0) & (values <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return q


@op(ranked=None, operands="free", public=False, batch=over(dim=along))
def _last_rank(ranked: Array, dim: int, ignore_nan: bool) -> Array:
    """The rank of the last element that counts of each sorted slice along `dim`.

    It is NaN where there is a NaN, unless they are ignored.
    """
    n = ranked.shape[dim]
    if ignore_nan:
        missing = (ranked != ranked).sum(axis=dim, keepdims=True)
        return xp(ranked).maximum(n - 1 - missing, 0).astype(ranked.dtype)
    last = ranked[part(dim, n - 1, n)]
    return xp(ranked).where(last == last, xp(ranked).full((), n - 1, ranked.dtype), last)


@op(rank=None, operands="free", public=False, batch=over())
def _index(rank: Array, last: int) -> Array:
    """Ranks as an index; a rank that is NaN is the last, which is NaN itself."""
    rank = xp(rank).where(rank == rank, rank, xp(rank).full((), last, rank.dtype))
    return xp(rank).clip(rank, 0, last).astype(np.int64)


def _quantile(
    name: str, input: Operand, q: Operand, dim: int | None, keepdim: bool, interpolation: str, out: Any
) -> Any:
    q = _checked(name, input, q, interpolation)
    shape = tuple(input.shape)
    axis = 0 if dim is None else wrap(dim, len(shape))
    ranked = sort_with_indices(input.reshape(-1) if dim is None or not shape else input, axis, False)[0]

    def at(rank: Operand) -> Operand:
        return take_along(ranked, _index(rank, ranked.shape[axis] - 1), axis, True, False)

    along_axis = [-1 if i == axis else 1 for i in range(ranked.ndim)]
    rank = q.reshape(along_axis) * _last_rank(ranked, axis, name == "nanquantile")
    first = _ROUNDINGS[interpolation](rank)
    result = at(first)
    if interpolation == "linear":
        weight = rank - first
        result = lerp(result, at(ceil(rank)), where(weight == weight, weight, 0.0))
    elif interpolation == "midpoint":
        result = lerp(result, at(ceil(rank)), 0.5)
    # The quantiles stand along the dimension that they were taken of; torch has them in front, or not at all.
    rest = tuple(
        [
            1 if dim is None or i == axis else n
            for i, n in enumerate(shape)
            if keepdim or (dim is not None and i != axis)
        ]
    )
    return stored(name, out, _in_front(result, axis, (result.shape[axis], *rest) if q.ndim else rest))


def _in_front_in_batch(batched: frozenset[str], input: Tensor, dim: int, shape: tuple[int, ...]) -> Tensor:
    moved = input.movedim(dim + 1, 1) if raw(input).ndim > 1 else input
    return moved.reshape((raw(input).shape[0], *shape))


@op(
    input=lambda grad, dim, input_shape: _from_front(grad, dim, input_shape),
    kind="linear",
    public=False,
    batch=_in_front_in_batch,
)
def _in_front(input: Array, dim: int, shape: tuple[int, ...]) -> Array:
    """`input` with `dim` first, then in another shape."""
    return xp(input).moveaxis(input, dim, 0).reshape(shape) if input.ndim else input.reshape(shape)


def _from_front_in_batch(batched: frozenset[str], input: Tensor, dim: int, shape: tuple[int, ...]) -> Tensor:
    size = raw(input).shape[0]
    if not shape:
        return input.reshape((size,))
    return input.reshape((size, shape[dim], *shape[:dim], *shape[dim + 1 :])).movedim(1, dim + 1)


@op(
    input=lambda grad, dim, input_shape: _in_front(grad, dim, input_shape),
    kind="linear",
    public=False,
    batch=_from_front_in_batch,
)
def _from_front(input: Array, dim: int, shape: tuple[int, ...]) -> Array:
    """The transposed of `_in_front`; `shape` is that of the result."""
    if not shape:
        return input.reshape(shape)
    moved = (shape[dim], *shape[:dim], *shape[dim + 1 :])
    return xp(input).moveaxis(input.reshape(moved), 0, dim)


@composite(method=True)
@on_first
def quantile(
    input: Operand,
    q: Operand,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Operand = None,
) -> Any:
    """The quantiles of all elements, or along a dimension; NaN where there is a NaN.

    Args:
        q: a number in [0, 1], or a 1-dimensional tensor of such, which gives the result a first dimension.
        interpolation: between two elements: "linear", "lower", "higher", "midpoint" or "nearest".

    Raises:
        RuntimeError: `q` is out of range, or the tensor is empty, or neither of float32 nor of float64.

    Example:
        >>> tapegrad.quantile(tapegrad.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
        tensor(1.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out)


@composite(method=True)
@on_first
def nanquantile(
    input: Operand,
    q: Operand,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Operand = None,
) -> Any:
    """The quantiles of the elements that are not NaN, of all or along a dimension; see `quantile`.

    Example:
        >>> tapegrad.nanquantile(tapegrad.tensor([0.0, 1.0, float("nan")]), 0.5)
        tensor(0.5000)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out)
