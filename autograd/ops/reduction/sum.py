"""Sums and other reductions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import along, over, raised, reduced
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import store_out
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.dims import Dims, wrap, wrap_all
from tapegrad.autograd.ops.common.half_precision import FLOAT32, INT64, wide
from tapegrad.autograd.ops.pointwise.exponential import exp
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp

_FEW = 8192


def axes(dim: Dims | None, ndim: int) -> Array:
    """`dim` as users give it, as the ``axis`` of an array function: a number, several, or None for all."""
    if dim is None:
        return None
    if dim.__class__ is int and 0 <= dim < ndim:
        return dim
    if isinstance(dim, (tuple, list)):
        found = wrap_all(dim, ndim)
        return found if found and ndim else None
    place = wrap(dim, ndim)
    return place if ndim else None


def reduced_shape(shape: tuple[int, ...], dim: Dims | None) -> tuple[int, ...]:
    """The shape of a reduced result that keeps its dimensions."""
    axis = axes(dim, len(shape))
    if axis is None:
        return (1,) * len(shape)
    if axis.__class__ is int:
        return (*shape[:axis], 1, *shape[axis + 1 :])
    return tuple([1 if i in axis else n for i, n in enumerate(shape)])


def reduced_count(shape: tuple[int, ...], dim: Dims | None) -> int:
    """How many elements go into one element of a reduced result."""
    axis = axes(dim, len(shape))
    if axis is None:
        return math.prod(shape)
    return shape[axis] if axis.__class__ is int else math.prod([shape[i] for i in axis])


def kept_dims(value: Array, shape: tuple[int, ...], dim: Dims | None, keepdim: bool) -> Array:
    """A reduced result (a tensor or an array) with its dimensions."""
    return value if keepdim or not shape else value.reshape(reduced_shape(shape, dim))


def expand_reduced(grad: Operand, shape: tuple[int, ...], dim: Dims | None, keepdim: bool) -> Operand:
    """The gradient of a reduced result, for each element that went into it."""
    return _expand(grad if dim is None and not keepdim else kept_dims(grad, shape, dim, keepdim), shape)


@op(
    input=lambda grad, input_shape: _sum_to(grad, input_shape),
    kind="linear",
    view=True,
    public=False,
    batch=lambda batched, input, shape: _expand(raised(input, len(shape)), (raw(input).shape[0], *shape)),
)
def _expand(input: Array, shape: tuple[int, ...]) -> Array:
    if input.__class__ is not np.ndarray and not isinstance(input, np.generic):
        return xp(input).broadcast_to(input, shape)
    if math.prod(shape) <= _FEW:  # a small array is made sooner than a view
        result = np.empty(shape, input.dtype)
        result[...] = input
        return result
    return np.broadcast_to(input, shape)


def _sum_to(grad: Operand, shape: tuple[int, ...]) -> Operand:
    return sum_to(grad, shape)


def as_type(input: Array, dtype: Any) -> Array:
    """The array with elements of what ``dtype=`` says."""
    wanted = dtypes.numpy_dtype(dtype)
    return input if input.dtype == wanted else input.astype(wanted)


def total(input: Array, axis: Dims | None, keepdim: bool) -> Array:
    """The sum of an array of floating-point or complex numbers; that of half types is float32."""
    return xp(input).add.reduce(input, axis, FLOAT32 if input.dtype.itemsize == 2 else None, None, keepdim)


@op(
    input=lambda grad, input_shape, dim, keepdim: expand_reduced(grad, input_shape, dim, keepdim),
    kind="linear",
    method=True,
    batch=over(dim=reduced),
)
def sum(input: Array, dim: Dims | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The sum of all elements, or along dimensions.

    Args:
        input: a tensor; integers and bool are added up as int64.
        dtype: to cast to before adding up.

    Raises:
        IndexError: there is no such dimension.

    Example:
        >>> tapegrad.ones(2, 3).sum(dim=0)
        tensor([2., 2., 2.])
    """
    if dtype is not None:
        input = as_type(input, dtype)
    axis = None if dim is None else axes(dim, input.ndim)
    kind = input.dtype.kind
    if kind == "f" or kind == "c":
        if input.dtype.itemsize != 2:
            return xp(input).add.reduce(input, axis, None, None, keepdim)
    elif kind != "V":
        return xp(input).add.reduce(input, axis, INT64 if dtype is None else input.dtype, None, keepdim)
    return total(input, axis, keepdim).astype(input.dtype)


@op(
    input=lambda grad, input_shape, dim, keepdim: expand_reduced(
        grad / reduced_count(input_shape, dim), input_shape, dim, keepdim
    ),
    kind="linear",
    method=True,
    batch=over(dim=reduced),
)
def mean(input: Array, dim: Dims | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The mean of all elements, or along dimensions.

    Args:
        dtype: to cast to before adding up.

    Raises:
        RuntimeError: `input` is integer or bool, and no dtype is given.
        IndexError: there is no such dimension.

    Example:
        >>> tapegrad.mean(tapegrad.tensor([[1.0, 2.0], [3.0, 6.0]]), 1)
        tensor([1.5000, 4.5000])
    """
    if dtype is not None:
        input = as_type(input, dtype)
    if input.dtype.kind in "iub":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            + dtypes.of(input.dtype).scalar_type
        )
    count = input.size if dim is None else reduced_count(input.shape, dim)
    result = total(input, axes(dim, input.ndim), keepdim) / (count or math.nan)
    return result if result.dtype == input.dtype else result.astype(input.dtype)


@op(
    input=lambda grad, input, dim, keepdim: keep(expand_reduced(grad, input.shape, dim, keepdim), input == input),
    kind="linear",
    method=True,
    jvp=lambda d_input, input, dim, keepdim, dtype: sum(keep(d_input, input == input), dim, keepdim, dtype=dtype),
    batch=over(dim=reduced),
)
def nansum(input: Array, dim: Dims | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The sum of all elements, or along dimensions, with NaN taken as zero.

    Args:
        input: a real tensor; integers and bool are added up as int64.
        dtype: to cast to before adding up.

    Example:
        >>> tapegrad.nansum(tapegrad.tensor([1.0, float("nan")]))
        tensor(1.)
    """
    if input.dtype.kind == "c":
        raise RuntimeError("nansum does not support complex inputs")
    return sum.__wrapped__(keep.__wrapped__(input, input == input), dim, keepdim, dtype=dtype)  # type: ignore[attr-defined]


@composite(method=True)
def nanmean(
    input: Operand, dim: Dims | None = None, keepdim: bool = False, *, dtype: Any = None, out: Operand = None
) -> Any:
    """The mean of the elements that are not NaN, of all or along dimensions.

    Args:
        dtype: to cast to before adding up.

    Example:
        >>> tapegrad.nanmean(tapegrad.tensor([1.0, float("nan"), 2.0]))
        tensor(1.5000)
    """
    if raw(input).dtype.kind not in "fV":
        kind = dtypes.of(raw(input).dtype).scalar_type
        raise RuntimeError(f"nanmean(): expected input to have floating point or complex dtype but got {kind}")
    result = nansum(input, dim, keepdim, dtype=dtype) / sum(input == input, dim, keepdim)
    if out is None:
        return result
    return store_out("nanmean", out, result)


def _lowest(x: Array) -> Array:
    """`x` with minus infinity replaced by the smallest number."""
    return xp(x).maximum(x, np.finfo(x.dtype).min)


@op(
    input=lambda grad, input, result, dim, keepdim: _logsumexp_rule(grad, input, result, dim, keepdim),
    kind="reduction",
    operands="float",
    method=True,
    batch=over(dim=reduced),
)
def logsumexp(input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """``log(sum(exp(input)))`` along dimensions, without overflow.

    Example:
        >>> tapegrad.logsumexp(tapegrad.tensor([1.0, 1.0]), 0)
        tensor(1.6931)
    """
    x = wide(input)
    axis = axes(dim, x.ndim)
    if not x.size:
        return xp(x).log(total(x, axis, keepdim)).astype(input.dtype)
    top = x.max(axis=axis, keepdims=True)
    top = xp(x).where(abs(top) == np.inf, xp(x).zeros((), top.dtype), top)
    result = xp(x).log(total(xp(x).exp(x - top), axis, keepdim))
    result = result + (top if keepdim else top.reshape(result.shape))
    return result if result.dtype == input.dtype else result.astype(input.dtype)


def _logsumexp_rule(grad: Operand, input: Operand, result: Operand, dim: Dims | None, keepdim: bool) -> Operand:
    shape = input.shape
    # Where all is minus infinity nothing has a share, rather than NaN.
    result = floored(kept_dims(result, shape, dim, keepdim))
    return kept_dims(grad, shape, dim, keepdim) * exp(input - result)


@op(input=lambda grad: grad, kind="elementwise", public=False)
def floored(input: Array) -> Array:
    """`input` with minus infinity replaced by the smallest finite number."""
    if input.dtype.kind == "V":
        return _lowest(input.astype(np.float32)).astype(input.dtype)
    return _lowest(input)


@op(input=None, method=True, batch=lambda batched, input, dim, keepdim: _tested(all, input, dim, keepdim))
def all(input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """Whether all elements are true (not zero), of all or along dimensions.

    Example:
        >>> tapegrad.all(tapegrad.tensor([[True, False], [True, True]]), dim=1)
        tensor([False,  True])
    """
    result = input.all(axis=axes(dim, input.ndim), keepdims=keepdim) if dim != () else input != 0
    return result if input.dtype != np.uint8 else result.astype(np.uint8)


@op(input=None, method=True, batch=lambda batched, input, dim, keepdim: _tested(any, input, dim, keepdim))
def any(input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """Whether any element is true (not zero), of all or along dimensions.

    Example:
        >>> tapegrad.any(tapegrad.tensor([[True, False], [False, False]]), dim=1)
        tensor([ True, False])
    """
    result = input.any(axis=axes(dim, input.ndim), keepdims=keepdim) if dim != () else input != 0
    return result if input.dtype != np.uint8 else result.astype(np.uint8)


def _tested(function: Any, input: Array, dim: Dims | None, keepdim: bool) -> Array:
    """`all` or `any` in a batch; of no dimensions each element is tested for itself."""
    ndim = raw(input).ndim - 1
    if dim == ():
        return function(input, ())
    if not ndim:
        along(dim, 0, 0)
        return function(input.unsqueeze(1), 1)
    return function(input, along(dim, ndim, 0), keepdim)


@op(input=None, method=True, batch=over(dim=reduced))
def count_nonzero(input: Array, dim: Dims | None = None) -> Array:
    """How many elements are not zero, of all or along dimensions.

    Example:
        >>> tapegrad.count_nonzero(tapegrad.tensor([[0, 1], [2, 3]]), dim=0)
        tensor([1, 2])
    """
    return xp(input).add.reduce(input != 0, axes(dim, input.ndim), INT64, None, False)
