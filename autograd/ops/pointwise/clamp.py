"""The larger and the smaller of two values, and values held within bounds."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.dispatch.batch_rules import aligned
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.primitives import cast
from tapegrad.autograd.ops.common.half_precision import is_half
from tapegrad.autograd.ops.common.shared_rules import alias
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.autograd.types import dtypes, promotion
from tapegrad.backends import xp


@op(input=lambda grad, larger, smaller: _share(grad, larger, smaller), larger=None, smaller=None, kind="linear", operands="free", public=False,
    batch=lambda batched, input, larger, smaller: _share_in_batch(batched, input, larger, smaller))
def _share(input: Array, larger: Array, smaller: Array) -> Array:
    """The gradient of ``maximum(larger, smaller)`` for `larger`: all of it where it is larger (or a NaN is involved), half of it where both are equal."""
    grad = keep(input, ~(larger < smaller))
    equal = larger == smaller
    if equal.__class__ is np.ndarray and not equal.any():
        return grad
    half = grad * (1 - equal * 0.5)
    return half if half.dtype == grad.dtype else half.astype(grad.dtype)


def _share_in_batch(batched: frozenset[str], input: Operand, larger: Operand, smaller: Operand) -> Operand:
    given = {"input": input, "larger": larger, "smaller": smaller}
    moved = aligned(given, batched, given)
    if "input" not in batched:
        size = next(given[name] for name in batched).shape[0]
        moved["input"] = input.expand(size, *input.shape)
    return _share(**moved)


@op(input=lambda grad, input, other: _share(grad, input, other), other=lambda grad, input, other: _share(grad, other, input), kind="elementwise", method=True)
def maximum(input: Array, other: Array) -> Array:
    """The larger of two elements; NaN where one is NaN. Equal elements share the gradient.

    Example:
        >>> tapegrad.maximum(tapegrad.tensor([1.0, 4.0]), tapegrad.tensor([3.0, 2.0]))
        tensor([3., 4.])
    """
    return xp(input).maximum(input, other)


@op(input=lambda grad, input, other: _share(grad, other, input), other=lambda grad, input, other: _share(grad, input, other), kind="elementwise", method=True)
def minimum(input: Array, other: Array) -> Array:
    """The smaller of two elements; NaN where one is NaN. Equal elements share the gradient.

    Example:
        >>> tapegrad.minimum(tapegrad.tensor([1.0, 4.0]), tapegrad.tensor([3.0, 2.0]))
        tensor([1., 2.])
    """
    return xp(input).minimum(input, other)


def _is_first(input: Array, other: Array, first: Array) -> Array:
    """Where fmax and fmin take `input`: it comes `first`, or `other` is NaN."""
    return first | (other != other)


@op(input=lambda grad, input, other: keep(grad, _is_first(input, other, input >= other)),
    other=lambda grad, input, other: keep(grad, ~_is_first(input, other, input >= other)), kind="elementwise", method=True)
def fmax(input: Array, other: Array) -> Array:
    """The larger of two elements; where one is NaN, the other. The gradient goes to the element taken, of equal ones to `input`'s.

    Example:
        >>> tapegrad.fmax(tapegrad.tensor([1.0, float("nan")]), tapegrad.tensor([3.0, 2.0]))
        tensor([3., 2.])
    """
    return xp(input).fmax(input, other)


@op(input=lambda grad, input, other: keep(grad, _is_first(input, other, input <= other)),
    other=lambda grad, input, other: keep(grad, ~_is_first(input, other, input <= other)), kind="elementwise", method=True)
def fmin(input: Array, other: Array) -> Array:
    """The smaller of two elements; where one is NaN, the other. The gradient goes to the element taken, of equal ones to `input`'s.

    Example:
        >>> tapegrad.fmin(tapegrad.tensor([1.0, float("nan")]), tapegrad.tensor([3.0, 2.0]))
        tensor([1., 2.])
    """
    return xp(input).fmin(input, other)


def inside(input: Array, min: Array, max: Array) -> Array:
    """Where `input` lies within the bounds, the bounds included."""
    if min is None:
        return input <= max
    return input >= min if max is None else (input >= min) & (input <= max)


def clipped(x: Array, min: Array, max: Array) -> Array:
    """The array `x` held within two numbers, either of which may be None."""
    dtype = x.dtype
    if dtype.kind == "f" and dtype.itemsize > 2:
        # NumPy's clip is three times as fast as its maximum with a number; both let NaN through.
        return x.clip(-math.inf if min is None else min, math.inf if max is None else max)
    if is_half(dtype):
        return x.astype(np.float32).clip(-math.inf if min is None else min, math.inf if max is None else max).astype(dtype)
    limits = np.iinfo(dtype) if dtype.kind != "b" else None
    if limits is None:
        raise NotImplementedError("\"clamp_scalar_cpu\" not implemented for 'Bool'")
    return x.clip(*[None if bound is None else _within(int(bound), limits) for bound in (min, max)])


def _within(bound: int, limits: np.iinfo) -> int:
    return int(limits.min) if bound < limits.min else int(limits.max) if bound > limits.max else bound


@op(input=lambda grad, input, min, max: keep(grad, inside(input, min, max)), kind="elementwise", public=False, name="clamp",
    inplace_fn=lambda a, min, max: a.__setitem__(..., clipped(a, min, max)))
def clamp_by_numbers(input: Array, min: Array, max: Array) -> Array:
    """`input` held within two numbers, either of which may be None."""
    return clipped(input, min, max)


def _lower_rule(grad: Operand, input: Operand, min: Operand, max: Operand) -> Operand:
    below = input < min
    return keep(grad, below if max is None else below & (min < max))


def _upper_rule(grad: Operand, input: Operand, min: Operand, max: Operand) -> Operand:
    above = input > max
    return keep(grad, above if min is None else above | (max < min))


@op(input=lambda grad, input, min, max: keep(grad, inside(input, min, max)), min=_lower_rule, max=_upper_rule, kind="elementwise", public=False, name="clamp")
def _clamp_by_tensors(input: Array, min: Array = None, max: Array = None) -> Array:
    if min is not None:
        input = xp(input).maximum(input, min)
    return input if max is None else xp(input).minimum(input, max)


@composite(method=True, inplace=True)
def clamp(input: Operand, min: Operand = None, max: Operand = None, *, out: Operand = None) -> Any:
    """Elements held within bounds; the gradient passes at the bounds too.

    Args:
        min: the lower bound, a number or a tensor that broadcasts with `input`; None: no bound.
        max: the upper bound; it wins where it is less than `min`.

    Raises:
        RuntimeError: neither bound is given.

    Example:
        >>> tapegrad.clamp(tapegrad.tensor([-2.0, 0.5, 3.0]), min=-1, max=1)
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if _by_tensor(min) or _by_tensor(max):
        # Numbers beside tensors become tensors too.
        return _clamp_by_tensors(input, min, max, out=out)
    dtype = raw(input).dtype
    if dtype.kind not in "fV":
        input = _promoted(input, dtype, min, max)
    return clamp_by_numbers(input, min, max, out=out)


def _clamp_(self: Tensor, min: Array = None, max: Array = None) -> Tensor:
    """In-place form of `clamp`; returns the tensor."""
    function = clamp_by_numbers if self._array.dtype.kind in "fV" and not _by_tensor(min) and not _by_tensor(max) and (min, max) != (None, None) else clamp
    return inplace.apply(function, self, (min, max), {})


Tensor.clamp_ = _clamp_  # type: ignore[method-assign,assignment]


def _by_tensor(bound: Array) -> bool:
    return bound is not None and hasattr(bound, "ndim")


def _promoted(input: Array, dtype: np.dtype, *bounds: Array) -> Array:
    """Integers in floating point, where a bound is."""
    result = promotion.result_type([(dtype, promotion.DIMENSIONED), *((promotion.number_dtype(b), promotion.NUMBER) for b in bounds if b is not None)])
    if dtypes.category(result) == dtypes.COMPLEX:
        raise RuntimeError("clamp is not supported for complex types")
    return input if result == dtype else cast(input, result)


@composite(method=True, inplace=True)
def clamp_min(input: Operand, min: Operand, *, out: Operand = None) -> Any:
    """Elements held above a lower bound.

    Args:
        min: a number, or a tensor that broadcasts with `input`.

    Example:
        >>> tapegrad.clamp_min(tapegrad.tensor([-2.0, 0.5]), 0)
        tensor([0.0000, 0.5000])
    """
    return clamp(input, min, out=out)


@composite(method=True, inplace=True)
def clamp_max(input: Operand, max: Operand, *, out: Operand = None) -> Any:
    """Elements held below an upper bound.

    Args:
        max: a number, or a tensor that broadcasts with `input`.

    Example:
        >>> tapegrad.clamp_max(tapegrad.tensor([-2.0, 0.5]), 0)
        tensor([-2.,  0.])
    """
    return clamp(input, None, max, out=out)


clip = alias(clamp, "clip")
