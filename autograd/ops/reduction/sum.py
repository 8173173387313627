"""Sums and other reductions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import along, over, raised, reduced
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.dims import Dims, wrap, wrap_all
from tapegrad.autograd.ops.common.families import documented
from tapegrad.autograd.ops.common.half_precision import FLOAT32, INT64, wide
from tapegrad.autograd.ops.pointwise.exponential import exp
from tapegrad.autograd.ops.pointwise.where import keep, kept
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp

_SMALL = 8192  # elements up to which an array is made sooner than a view


def axes(dim: Dims | None, ndim: int) -> Any:
    """`dim` as users give it, as the ``axis`` of an array function: a number, several, or None for all."""
    if dim is None:
        return None
    if dim.__class__ is int and 0 <= dim < ndim:
        return dim
    if isinstance(dim, (tuple, list)):
        several = wrap_all(dim, ndim)
        return several if several and ndim else None
    one = wrap(dim, ndim)
    return one if ndim else None


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


def kept_dims(value: Operand, shape: tuple[int, ...], dim: Dims | None, keepdim: bool) -> Operand:
    """A reduced result (a tensor or an array) with its dimensions."""
    return value if keepdim or not shape else value.reshape(reduced_shape(shape, dim))


def expand_reduced(grad: Operand, input_shape: tuple[int, ...], dim: Dims | None, keepdim: bool) -> Operand:
    """The gradient of a reduced result, for each element that went into it."""
    if dim is not None or keepdim:
        grad = kept_dims(grad, input_shape, dim, keepdim)
    return _expand(grad, input_shape)


def _expand_in_batch(batched: frozenset[str], input: Tensor, shape: tuple[int, ...]) -> Tensor:
    return _expand(raised(input, len(shape)), (raw(input).shape[0], *shape))


@op(
    input=lambda grad, input_shape: sum_to(grad, input_shape),
    kind="linear",
    view=True,
    public=False,
    batch=_expand_in_batch,
)
def _expand(input: Array, shape: tuple[int, ...]) -> Array:
    if input.__class__ is not np.ndarray and not isinstance(input, np.generic):
        return xp(input).broadcast_to(input, shape)
    if math.prod(shape) > _SMALL:
        return np.broadcast_to(input, shape)
    result = np.empty(shape, input.dtype)
    result[...] = input
    return result


def as_type(input: Array, dtype: Any) -> Array:
    """The array with elements of what ``dtype=`` says."""
    numpy_dtype = dtypes.numpy_dtype(dtype)
    return input if input.dtype == numpy_dtype else input.astype(numpy_dtype)


def total(input: Array, axis: Dims | None, keepdim: bool) -> Array:
    """The sum of an array of floating-point or complex numbers; that of half types is float32."""
    return xp(input).add.reduce(input, axis, FLOAT32 if input.dtype.itemsize == 2 else None, None, keepdim)


def squared_size(x: Array) -> Array:
    """The squared magnitudes of an array of floating-point or complex numbers."""
    return x * x if x.dtype.kind != "c" else x.real * x.real + x.imag * x.imag


@op(input=expand_reduced, kind="linear", method=True, batch=over(dim=reduced))
def sum(input: Array, dim: Dims | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The sum of all elements, or along dimensions; integers and bool are added up as int64.

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


def _mean_rule(grad: Operand, input_shape: tuple[int, ...], dim: Dims | None, keepdim: bool) -> Operand:
    return expand_reduced(grad / reduced_count(input_shape, dim), input_shape, dim, keepdim)


@op(input=_mean_rule, kind="linear", method=True, batch=over(dim=reduced))
def mean(input: Array, dim: Dims | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The mean of all elements, or along dimensions.

    Raises:
        RuntimeError: `input` is integer or bool, and `dtype` is None.

    Example:
        >>> tapegrad.mean(tapegrad.tensor([[1.0, 2.0], [3.0, 6.0]]), 1)
        tensor([1.5000, 4.5000])
    """
    if dtype is not None:
        input = as_type(input, dtype)
    if input.dtype.kind in "iub":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {dtypes.of(input.dtype).scalar_type}"
        )
    count = input.size if dim is None else reduced_count(input.shape, dim)
    result = total(input, axes(dim, input.ndim), keepdim) / (count or math.nan)
    return result if result.dtype == input.dtype else result.astype(input.dtype)


def _nansum_rule(grad: Operand, input: Operand, dim: Dims | None, keepdim: bool) -> Operand:
    return keep(expand_reduced(grad, input.shape, dim, keepdim), input == input)


def _nansum_tangent(d_input: Operand, input: Operand, dim: Dims | None, keepdim: bool, dtype: Any) -> Operand:
    return sum(keep(d_input, input == input), dim, keepdim, dtype=dtype)


@op(input=_nansum_rule, kind="linear", method=True, jvp=_nansum_tangent, batch=over(dim=reduced))
def nansum(input: Array, dim: Dims | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The sum of all elements, or along dimensions, with NaN taken as zero.

    Example:
        >>> tapegrad.nansum(tapegrad.tensor([1.0, float("nan")]))
        tensor(1.)
    """
    if input.dtype.kind == "c":
        raise RuntimeError("nansum does not support complex inputs")
    return sum(kept(input, input == input), dim, keepdim, dtype=dtype)


@composite(method=True)
def nanmean(
    input: Operand, dim: Dims | None = None, keepdim: bool = False, *, dtype: Any = None, out: Operand = None
) -> Any:
    """The mean of the elements that are not NaN, of all or along dimensions.

    Example:
        >>> tapegrad.nanmean(tapegrad.tensor([1.0, float("nan"), 2.0]))
        tensor(1.5000)
    """
    if raw(input).dtype.kind not in "fV":
        kind = dtypes.of(raw(input).dtype).scalar_type
        raise RuntimeError(f"nanmean(): expected input to have floating point or complex dtype but got {kind}")
    return stored("nanmean", out, nansum(input, dim, keepdim, dtype=dtype) / sum(input == input, dim, keepdim))


@op(input=lambda grad: grad, kind="elementwise", public=False)
def floored(input: Array) -> Array:
    """`input` with minus infinity replaced by the smallest finite number."""
    x = input.astype(np.float32) if input.dtype.kind == "V" else input
    return xp(x).maximum(x, np.finfo(x.dtype).min).astype(input.dtype, copy=False)


def _logsumexp_rule(grad: Operand, input: Operand, result: Operand, dim: Dims | None, keepdim: bool) -> Operand:
    shape = input.shape
    # Where all is minus infinity nothing has a share, rather than NaN.
    result = floored(kept_dims(result, shape, dim, keepdim))
    return kept_dims(grad, shape, dim, keepdim) * exp(input - result)


@op(input=_logsumexp_rule, kind="reduction", operands="float", method=True, batch=over(dim=reduced))
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


def _truth_test(name: str, meaning: str, result: str) -> OpFunction:
    """`all` or `any`; along no dimensions, ``dim=()``, each element is tested for itself."""

    def function(input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
        if dim == ():
            truth = input != 0
        else:
            truth = getattr(input, name)(axis=axes(dim, input.ndim), keepdims=keepdim)
        return truth if input.dtype != np.uint8 else truth.astype(np.uint8)

    def in_batch(batched: frozenset[str], input: Tensor, dim: Dims | None, keepdim: bool) -> Tensor:
        ndim = raw(input).ndim - 1
        if dim == ():
            return test(input, ())
        dims = along(dim, ndim, 0)
        return test(input, dims, keepdim) if ndim else test(input.unsqueeze(1), 1)

    call = f"tapegrad.{name}(tapegrad.tensor([[True, False], [True, True], [False, False]]), dim=1)"
    documented(function, name, f"Whether {meaning} true (not zero), of all or along dimensions.", call, result)
    test = op(input=None, method=True, batch=in_batch)(function)
    return test


all = _truth_test("all", "all elements are", "tensor([False,  True, False])")
any = _truth_test("any", "any element is", "tensor([ True,  True, False])")


@op(input=None, method=True, batch=over(dim=reduced))
def count_nonzero(input: Array, dim: Dims | None = None) -> Array:
    """How many elements are not zero, of all or along dimensions.

    Example:
        >>> tapegrad.count_nonzero(tapegrad.tensor([[0, 1], [2, 3]]), dim=0)
        tensor([1, 2])
    """
    return xp(input).add.reduce(input != 0, axes(dim, input.ndim), INT64, None, False)
