"""Variance and standard deviation."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import over, reduced
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.ops.common.dims import Dims
from tapegrad.autograd.ops.common.half_precision import category, wide
from tapegrad.autograd.ops.reduction.sum import axes, expand_reduced, mean, reduced_count, squared_size, total
from tapegrad.backends import xp


def _variance(input: Array, dim: Dims | None, correction: float, keepdim: bool) -> Array:
    """The variance of an array, in float32 for half types."""
    if input.dtype.kind in "iub":
        raise RuntimeError("std and var only support floating point and complex dtypes")
    x = wide(input)
    axis = axes(dim, x.ndim)
    count = reduced_count(x.shape, dim)
    deviation = x - total(x, axis, True) / (count or math.nan)
    # As PyTorch: too few elements give 0/0 or x/0, never a negative correction.
    return total(squared_size(deviation), axis, keepdim) / max(count - correction, 0)


def _var_rule(grad: Operand, input: Operand, dim: Dims | None, correction: float, keepdim: bool) -> Operand:
    shape = input.shape
    freedom = reduced_count(shape, dim) - correction
    deviation = input - (mean(input) if dim is None else mean(input, dim, True))
    if category(input) == "c":
        deviation = deviation.conj()
    if freedom <= 0:  # infinite; NaN where an element is the mean
        return expand_reduced(grad * math.inf, shape, dim, keepdim) * (deviation * deviation)
    return expand_reduced(grad * (2 / freedom), shape, dim, keepdim) * deviation


@op(input=_var_rule, kind="reduction", public=False, name="var", batch=over(dim=reduced))
def _var(input: Array, dim: Dims | None, correction: float, keepdim: bool) -> Array:
    result = _variance(input, dim, correction, keepdim)
    return result if input.dtype.kind == "c" or result.dtype == input.dtype else result.astype(input.dtype)


def _std_rule(
    grad: Operand, input: Operand, result: Operand, dim: Dims | None, correction: float, keepdim: bool
) -> Operand:
    at_zero = result == 0
    grad = grad / (result * 2 + at_zero)
    return _var_rule(grad * ~at_zero, input, dim, correction, keepdim)


@op(input=_std_rule, kind="reduction", public=False, name="std", batch=over(dim=reduced))
def _std(input: Array, dim: Dims | None, correction: float, keepdim: bool) -> Array:
    result = xp(input).sqrt(_variance(input, dim, correction, keepdim))
    return result if input.dtype.kind == "c" or result.dtype == input.dtype else result.astype(input.dtype)


def _arguments(
    name: str,
    input: Operand,
    dim: Any,
    unbiased: bool | None,
    keepdim: bool,
    correction: float | None,
    axis: Any,
    keepdims: bool | None,
) -> tuple[Any, float, bool]:
    """What the several ways to call var and std mean: dim, correction, keepdim."""
    if axis is not None:
        dim = axis
    if keepdims is not None:
        keepdim = keepdims
    if dim.__class__ is bool:  # var(input, unbiased)
        dim, unbiased = None, dim
    if isinstance(dim, (tuple, list)) and not dim:
        dim = None
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{name}() received an invalid combination of arguments: unbiased and correction")
        correction = 1 if unbiased else 0
    elif correction is None:
        correction = 1
    if reduced_count(tuple(input.shape), dim) <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction "
            "factor (input numel divided by output numel).",
            stacklevel=3,
        )
    return dim, correction, keepdim


@composite(method=True)
def var(
    input: Operand,
    dim: Dims | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims | None = None,
    keepdims: bool | None = None,
    out: Operand = None,
) -> Any:
    """The variance of all elements, or along dimensions.

    Args:
        unbiased: another way to say ``correction=1`` (True) or 0 (False).
        correction: what is subtracted from the number of elements; None: 1.

    Raises:
        RuntimeError: `input` is integer or bool.

    Example:
        >>> tapegrad.var(tapegrad.tensor([1.0, 2.0, 6.0])), tapegrad.var(tapegrad.tensor([1.0, 2.0, 6.0]), correction=0)
        (tensor(7.), tensor(4.6667))
    """
    arguments = _arguments("var", input, dim, unbiased, keepdim, correction, axis, keepdims)
    return stored("var", out, _var(input, *arguments))


@composite(method=True)
def std(
    input: Operand,
    dim: Dims | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims | None = None,
    keepdims: bool | None = None,
    out: Operand = None,
) -> Any:
    """The square root of `var`, the standard deviation. Its gradient where all elements are equal is 0.

    Example:
        >>> tapegrad.std(tapegrad.tensor([1.0, 2.0, 6.0]))
        tensor(2.6458)
    """
    arguments = _arguments("std", input, dim, unbiased, keepdim, correction, axis, keepdims)
    return stored("std", out, _std(input, *arguments))


@composite()
def var_mean(
    input: Operand,
    dim: Dims | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims | None = None,
    keepdims: bool | None = None,
) -> tuple[Any, Any]:
    """A pair of `var` and `mean`.

    Example:
        >>> tapegrad.var_mean(tapegrad.tensor([1.0, 2.0, 6.0]))
        (tensor(7.), tensor(3.))
    """
    dim, correction, keep = _arguments("var_mean", input, dim, unbiased, keepdim, correction, axis, keepdims)
    return _var(input, dim, correction, keep), mean(input, dim, keep)


@composite()
def std_mean(
    input: Operand,
    dim: Dims | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims | None = None,
    keepdims: bool | None = None,
) -> tuple[Any, Any]:
    """A pair of `std` and `mean`.

    Example:
        >>> tapegrad.std_mean(tapegrad.tensor([1.0, 2.0, 6.0]))
        (tensor(2.6458), tensor(3.))
    """
    dim, correction, keep = _arguments("std_mean", input, dim, unbiased, keepdim, correction, axis, keepdims)
    return _std(input, dim, correction, keep), mean(input, dim, keep)
