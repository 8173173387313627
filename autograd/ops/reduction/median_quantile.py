"""Order statistics: medians, quantiles, the k-th value, the most frequent value."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, from_array, raw
from tapegrad.autograd.dispatch.batch_rules import along, over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.modes.device_guard import on_first
from tapegrad.autograd.ops.common.dims import wrap
from tapegrad.autograd.ops.gather.along_dim import put_along, take_along
from tapegrad.autograd.ops.pointwise.arithmetic import lerp
from tapegrad.autograd.ops.pointwise.rounding import ceil, floor, round
from tapegrad.autograd.ops.pointwise.where import where
from tapegrad.autograd.ops.reduction.cumulative import scanned
from tapegrad.autograd.ops.reduction.max_min import check_not_empty, pair_tangent, rows, spread, store_pair
from tapegrad.autograd.ops.reduction.sort import order_of, sort_with_indices
from tapegrad.backends import xp


def _at(input: Array, index: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """The elements of an array at one index per slice, which has the dimension still, and the index."""
    values = xp(input).take_along_axis(input, index, axis=dim)
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


def _single(input: Array) -> tuple[Any, Any]:
    """The answer for a tensor without dimensions: itself."""
    return input.copy(), xp(input).zeros((), np.int64)


def _pair_rule(grad: Operand, indices: Operand, shape: tuple[int, ...], dim: int, keepdim: bool) -> Operand:
    return put_along(grad[0], indices, wrap(dim, len(shape)), shape, keepdim)


def _median_index(input: Array, dim: int, ignore_nan: bool) -> Array:
    """Where the median of each slice along `dim` is, the lower one of two; without `ignore_nan` at the first NaN, if
    there is one.
    """
    space = xp(input)
    order = order_of(input, dim)
    missing = input != input
    if ignore_nan:
        count = input.shape[dim] - missing.sum(axis=dim, keepdims=True)
        return space.take_along_axis(order, space.maximum(count - 1, 0) // 2, axis=dim)
    middle = order[(*(slice(None),) * dim, slice((input.shape[dim] - 1) // 2, (input.shape[dim] - 1) // 2 + 1))]
    return space.where(missing.any(axis=dim, keepdims=True), missing.argmax(axis=dim, keepdims=True), middle)


def _median_along(input: Array, dim: int, keepdim: bool, ignore_nan: bool) -> tuple[Any, Any]:
    if not input.size:
        check_not_empty("nanmedian" if ignore_nan else "median", input.shape, dim)
    dim = wrap(dim, input.ndim)
    return _at(input, _median_index(input, dim, ignore_nan), dim, keepdim) if input.ndim else _single(input)


def _median_of_all(input: Array, ignore_nan: bool) -> Array:
    flat = input.reshape(-1)
    if not flat.size:
        return xp(input).full((), np.nan, input.dtype)
    return _at(flat, _median_index(flat, 0, ignore_nan), 0, False)[0]


@op(
    input=lambda grad, input, result: spread(grad, input, result, None, False),
    kind="reduction",
    public=False,
    name="median",
    batch=lambda batched, input: _median_of_each(rows(input), 1, False),
)
def _median(input: Array) -> Array:
    return _median_of_all(input, False)


@op(
    input=lambda grad, input, result: spread(grad, input, result, None, False),
    kind="reduction",
    public=False,
    name="nanmedian",
    batch=lambda batched, input: _median_of_each(rows(input), 1, True),
)
def _nanmedian(input: Array) -> Array:
    return _median_of_all(input, True)


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
        return _median_along(input, dim, False, ignore_nan)[0]
    return xp(input).full(input.shape[:dim] + input.shape[dim + 1 :], np.nan, input.dtype)


@op(
    input=lambda grad, indices, input_shape, dim, keepdim: _pair_rule(grad, indices, input_shape, dim, keepdim),
    outs=("values", "indices"),
    kind="reduction",
    public=False,
    name="median",
    jvp=lambda d_input, indices, dim, keepdim: pair_tangent(d_input, indices, dim, keepdim),
)
def _median_dim(input: Array, dim: int, keepdim: bool) -> Array:
    return _median_along(input, dim, keepdim, False)


@op(
    input=lambda grad, indices, input_shape, dim, keepdim: _pair_rule(grad, indices, input_shape, dim, keepdim),
    outs=("values", "indices"),
    kind="reduction",
    public=False,
    name="nanmedian",
    jvp=lambda d_input, indices, dim, keepdim: pair_tangent(d_input, indices, dim, keepdim),
)
def _nanmedian_dim(input: Array, dim: int, keepdim: bool) -> Array:
    return _median_along(input, dim, keepdim, True)


@composite(method=True)
def median(input: Operand, dim: int | None = None, keepdim: bool = False, *, out: Operand = None) -> Any:
    """The median of all elements, or along a dimension with its indices: of an even number the lower one, and NaN where
    there is a NaN.

    Returns:
        A tensor, or along a dimension a named pair (values, indices).

    Example:
        >>> tapegrad.median(tapegrad.tensor([3.0, 1.0, 2.0, 4.0]))
        tensor(2.)
    """
    if dim is None:
        return stored("median", out, _median(input))
    return store_pair("median", out, _median_dim(input, dim, keepdim))


@composite(method=True)
def nanmedian(input: Operand, dim: int | None = None, keepdim: bool = False, *, out: Operand = None) -> Any:
    """The median of the elements that are not NaN, of all or along a dimension with its indices.

    Returns:
        A tensor, or along a dimension a named pair (values, indices).

    Example:
        >>> tapegrad.nanmedian(tapegrad.tensor([3.0, float("nan"), 2.0]))
        tensor(2.)
    """
    if dim is None:
        return stored("nanmedian", out, _nanmedian(input))
    return store_pair("nanmedian", out, _nanmedian_dim(input, dim, keepdim))


@op(
    input=lambda grad, indices, input_shape, dim, keepdim: _pair_rule(grad, indices, input_shape, dim, keepdim),
    outs=("values", "indices"),
    kind="reduction",
    public=False,
    name="kthvalue",
    jvp=lambda d_input, indices, dim, keepdim: pair_tangent(d_input, indices, dim, keepdim),
)
def _kthvalue(input: Array, k: int, dim: int, keepdim: bool) -> Array:
    dim = wrap(dim, input.ndim)
    if not 1 <= k <= (input.shape[dim] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    if not input.ndim:
        return _single(input)
    return _at(input, order_of(input, dim)[(*(slice(None),) * dim, slice(k - 1, k))], dim, keepdim)


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


@op(
    input=lambda grad, indices, input_shape, dim, keepdim: _pair_rule(grad, indices, input_shape, dim, keepdim),
    outs=("values", "indices"),
    kind="reduction",
    public=False,
    name="mode",
    jvp=lambda d_input, indices, dim, keepdim: pair_tangent(d_input, indices, dim, keepdim),
)
def _mode(input: Array, dim: int, keepdim: bool) -> Array:
    if not input.size:
        check_not_empty("mode", input.shape, dim)
    dim = wrap(dim, input.ndim)
    if not input.ndim:
        return _single(input)
    space, n = xp(input), input.shape[dim]
    order = order_of(input, dim)
    ranked = space.take_along_axis(input, order, axis=dim)
    place = space.arange(n).reshape([-1 if i == dim else 1 for i in range(input.ndim)])
    late, early = (*(slice(None),) * dim, slice(1, None)), (*(slice(None),) * dim, slice(None, -1))
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


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _checked(name: str, input: Array, q: Array, interpolation: str) -> Array:
    """`q` as a tensor, after torch's checks."""
    array = raw(input)
    if not array.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if array.dtype.kind != "f" or array.dtype.itemsize < 4:
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
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
    """The rank of the last element that counts of each sorted slice along `dim`: NaN where there is a NaN, unless they
    are ignored.
    """
    n = ranked.shape[dim]
    if ignore_nan:
        return xp(ranked).maximum(n - 1 - (ranked != ranked).sum(axis=dim, keepdims=True), 0).astype(ranked.dtype)
    last = ranked[(*(slice(None),) * dim, slice(n - 1, n))]
    return xp(ranked).where(last == last, xp(ranked).full((), n - 1, ranked.dtype), last)


@op(rank=None, operands="free", public=False, batch=over())
def _index(rank: Array, last: int) -> Array:
    """Ranks as an index; a rank that is NaN is the last, which is NaN itself."""
    rank = xp(rank).where(rank == rank, rank, xp(rank).full((), last, rank.dtype))
    return xp(rank).clip(rank, 0, last).astype(np.int64)


def _quantile(
    name: str, input: Array, q: Array, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Array:
    q = _checked(name, input, q, interpolation)
    shape = tuple(input.shape)
    scalar = not q.ndim
    place = 0 if dim is None else wrap(dim, len(shape))
    x = input.reshape(-1) if dim is None or not shape else input
    ranked = sort_with_indices(x, place, False)[0]
    n = ranked.shape[place]
    along = [1] * ranked.ndim
    along[place] = -1
    rank = q.reshape(along) * _last_rank(ranked, place, ignore_nan)
    low, high = floor(rank), ceil(rank)
    if interpolation == "nearest":
        low = high = round(rank)
    elif interpolation == "lower":
        high = low
    elif interpolation == "higher":
        low = high

    def at(r: Array) -> Array:
        return take_along(ranked, _index(r, n - 1), place, True, False)

    result = at(low)
    if interpolation == "linear":
        result = lerp(result, at(high), _no_nan(rank - low))
    elif interpolation == "midpoint":
        result = lerp(result, at(high), 0.5)
    return _shaped(result, shape, None if dim is None else place, keepdim, scalar)


def _no_nan(weight: Array) -> Array:
    return where(weight == weight, weight, 0.0)


def _shaped(result: Array, shape: tuple[int, ...], dim: int | None, keepdim: bool, scalar: bool) -> Array:
    """Quantiles that stand along the dimension they were taken of, as torch returns them: in front."""
    count = result.shape[0 if dim is None else dim]
    if dim is None or not shape:
        rest: tuple[int, ...] = (1,) * len(shape) if keepdim else ()
    else:
        rest = tuple([1 if i == dim else n for i, n in enumerate(shape) if keepdim or i != dim])
    return _in_front(result, 0 if dim is None else dim, rest if scalar else (count, *rest))


@op(
    input=lambda grad, dim, input_shape: _from_front(grad, dim, input_shape),
    kind="linear",
    public=False,
    batch=lambda batched, input, dim, shape: _in_front_of_batch(input, dim, shape),
)
def _in_front(input: Array, dim: int, shape: tuple[int, ...]) -> Array:
    """`input` with `dim` first, then in another shape."""
    return xp(input).moveaxis(input, dim, 0).reshape(shape) if input.ndim else input.reshape(shape)


@op(
    input=lambda grad, dim, input_shape: _in_front(grad, dim, input_shape),
    kind="linear",
    public=False,
    batch=lambda batched, input, dim, shape: _from_front_of_batch(input, dim, shape),
)
def _from_front(input: Array, dim: int, shape: tuple[int, ...]) -> Array:
    """The transposed of `_in_front`; `shape` is that of the result."""
    if not shape:
        return input.reshape(shape)
    moved = (shape[dim], *shape[:dim], *shape[dim + 1 :])
    return xp(input).moveaxis(input.reshape(moved), 0, dim)


def _in_front_of_batch(input: Operand, dim: int, shape: tuple[int, ...]) -> Operand:
    moved = input.movedim(dim + 1, 1) if raw(input).ndim > 1 else input
    return moved.reshape((raw(input).shape[0], *shape))


def _from_front_of_batch(input: Operand, dim: int, shape: tuple[int, ...]) -> Operand:
    size = raw(input).shape[0]
    if not shape:
        return input.reshape((size,))
    return input.reshape((size, shape[dim], *shape[:dim], *shape[dim + 1 :])).movedim(1, dim + 1)


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
        RuntimeError: `q` is out of range, or the tensor is empty or of another dtype.

    Example:
        >>> tapegrad.quantile(tapegrad.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
        tensor(1.5000)
    """
    return stored("quantile", out, _quantile("quantile", input, q, dim, keepdim, interpolation, False))


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
    """The quantiles of the elements that are not NaN, of all or along a dimension.

    Args:
        q: a number in [0, 1], or a 1-dimensional tensor of such, which gives the result a first dimension.
        interpolation: between two elements: "linear", "lower", "higher", "midpoint" or "nearest".

    Raises:
        RuntimeError: `q` is out of range, or the tensor is empty or of another dtype.

    Example:
        >>> tapegrad.nanquantile(tapegrad.tensor([0.0, 1.0, float("nan")]), 0.5)
        tensor(0.5000)
    """
    return stored("nanquantile", out, _quantile("nanquantile", input, q, dim, keepdim, interpolation, True))
