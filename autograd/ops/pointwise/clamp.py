"""The larger and the smaller of two values, and values held within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Number, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.dispatch.batch_rules import aligned
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, op
from tapegrad.autograd.dispatch.primitives import cast
from tapegrad.autograd.ops.common.errors import not_implemented
from tapegrad.autograd.ops.common.families import documented, elementwise
from tapegrad.autograd.ops.common.half_precision import is_half
from tapegrad.autograd.ops.common.shared_rules import alias
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.autograd.types import dtypes, promotion
from tapegrad.backends import xp

# ---- the larger and the smaller of two


def _share_in_batch(batched: frozenset[str], input: Operand, larger: Operand, smaller: Operand) -> Tensor:
    operands = {"input": input, "larger": larger, "smaller": smaller}
    moved = aligned(operands, batched, operands)
    if "input" not in batched:
        size = next(operands[name] for name in batched).shape[0]
        moved["input"] = input.expand(size, *input.shape)
    return _share(**moved)


@op(
    input=lambda grad, larger, smaller: _share(grad, larger, smaller),
    larger=None,
    smaller=None,
    kind="linear",
    operands="free",
    public=False,
    batch=_share_in_batch,
)
def _share(input: Array, larger: Array, smaller: Array) -> Array:
    """The gradient of ``maximum(larger, smaller)`` for `larger`.

    It is all of `input` where `larger` is larger or a NaN is involved, half of it where both are equal.
    """
    grad = keep(input, ~(larger < smaller))
    equal = larger == smaller
    if equal.__class__ is np.ndarray and not equal.any():
        return grad
    half = grad * (1 - equal * 0.5)
    return half if half.dtype == grad.dtype else half.astype(grad.dtype)


def _of_two(name: str, text: str, result: str, input: Callable[..., Any], other: Callable[..., Any]) -> OpFunction:
    """One of the array library's functions of two operands; `input` and `other` are their rules."""

    def function(input: Array, other: Array) -> Array:
        return getattr(xp(input), name)(input, other)

    call = f'tapegrad.{name}(tapegrad.tensor([1.0, 4.0, float("nan")]), tapegrad.tensor([3.0, 2.0, 5.0]))'
    documented(function, name, text, call, f"tensor({result})")
    return elementwise(input=input, other=other, inplace=False)(function)


_SHARED = "NaN where one is NaN. Equal elements share the gradient."
_TAKEN = "where one is NaN, the other. The gradient goes to the element taken, of equal ones to `input`'s."

maximum = _of_two(
    "maximum",
    f"The larger of two elements; {_SHARED}",
    "[3., 4., nan]",
    input=lambda grad, input, other: _share(grad, input, other),
    other=lambda grad, input, other: _share(grad, other, input),
)
minimum = _of_two(
    "minimum",
    f"The smaller of two elements; {_SHARED}",
    "[1., 2., nan]",
    input=lambda grad, input, other: _share(grad, other, input),
    other=lambda grad, input, other: _share(grad, input, other),
)


def _or_nan(first: Operand, other: Operand) -> Operand:
    """Where fmax and fmin take `input`: it comes `first`, or `other` is NaN."""
    return first | (other != other)


fmax = _of_two(
    "fmax",
    f"The larger of two elements; {_TAKEN}",
    "[3., 4., 5.]",
    input=lambda grad, input, other: keep(grad, _or_nan(input >= other, other)),
    other=lambda grad, input, other: keep(grad, ~_or_nan(input >= other, other)),
)
fmin = _of_two(
    "fmin",
    f"The smaller of two elements; {_TAKEN}",
    "[1., 2., 5.]",
    input=lambda grad, input, other: keep(grad, _or_nan(input <= other, other)),
    other=lambda grad, input, other: keep(grad, ~_or_nan(input <= other, other)),
)


# ---- bounds


def inside(input: Operand, min: Operand, max: Operand) -> Operand:
    """Where `input` lies within the bounds, the bounds included."""
    if min is None:
        return input <= max
    return input >= min if max is None else (input >= min) & (input <= max)


def clipped(x: Array, min: float | None, max: float | None) -> Array:
    """The array `x` held within two numbers, either of which may be None."""
    dtype = x.dtype
    if dtype.kind == "f" and dtype.itemsize > 2:
        # NumPy's clip is three times as fast as its maximum with a number; both let NaN through.
        return x.clip(-math.inf if min is None else min, math.inf if max is None else max)
    if is_half(dtype):
        return clipped(x.astype(np.float32), min, max).astype(dtype)
    if dtype.kind == "b":
        raise not_implemented("clamp_scalar_cpu", dtype)
    return x.clip(*[None if bound is None else _in_range(int(bound), dtype) for bound in (min, max)])


def _in_range(bound: int, dtype: np.dtype) -> int:
    """`bound`, or the nearest integer that `dtype` can hold."""
    limits = np.iinfo(dtype)
    if bound < limits.min:
        return int(limits.min)
    return int(limits.max if bound > limits.max else bound)


@op(
    input=lambda grad, input, min, max: keep(grad, inside(input, min, max)),
    kind="elementwise",
    public=False,
    name="clamp",
    inplace_fn=lambda a, min, max: a.__setitem__(..., clipped(a, min, max)),
)
def clamp_by_numbers(input: Array, min: float | None, max: float | None) -> Array:
    """`input` held within two numbers, either of which may be None."""
    return clipped(input, min, max)


def _lower_rule(grad: Operand, input: Operand, min: Operand, max: Operand) -> Operand:
    below = input < min
    return keep(grad, below if max is None else below & (min < max))


def _upper_rule(grad: Operand, input: Operand, min: Operand, max: Operand) -> Operand:
    above = input > max
    return keep(grad, above if min is None else above | (max < min))


@op(
    input=lambda grad, input, min, max: keep(grad, inside(input, min, max)),
    min=_lower_rule,
    max=_upper_rule,
    kind="elementwise",
    public=False,
    name="clamp",
)
def _clamp_by_tensors(input: Array, min: Array | None = None, max: Array | None = None) -> Array:
    if min is not None:
        input = xp(input).maximum(input, min)
    return input if max is None else xp(input).minimum(input, max)


def _has_tensor(min: Operand, max: Operand) -> bool:
    return hasattr(min, "ndim") or hasattr(max, "ndim")


def _promoted(input: Operand, dtype: np.dtype, *bounds: Number | None) -> Operand:
    """Integers in floating point, where a bound is."""
    numbers = [(promotion.number_dtype(bound), promotion.NUMBER) for bound in bounds if bound is not None]
    result = promotion.result_type([(dtype, promotion.DIMENSIONED), *numbers])
    if dtypes.category(result) == dtypes.COMPLEX:
        raise RuntimeError("clamp is not supported for complex types")
    return input if result == dtype else cast(input, result)


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
    if _has_tensor(min, max):
        return _clamp_by_tensors(input, min, max, out=out)
    dtype = raw(input).dtype
    if dtype.kind not in "fV":
        input = _promoted(input, dtype, min, max)
    return clamp_by_numbers(input, min, max, out=out)


def _clamp_(self: Tensor, min: Operand = None, max: Operand = None) -> Tensor:
    """In-place form of `clamp`; returns the tensor."""
    bounded = min is not None or max is not None
    direct = bounded and self._array.dtype.kind in "fV" and not _has_tensor(min, max)
    return inplace.apply(clamp_by_numbers if direct else clamp, self, (min, max), {})


Tensor.clamp_ = _clamp_  # type: ignore[method-assign,assignment]


@composite(method=True, inplace=True)
def clamp_min(input: Operand, min: Operand, *, out: Operand = None) -> Any:
    """Elements held above a lower bound, a number or a tensor.

    Example:
        >>> tapegrad.clamp_min(tapegrad.tensor([-2.0, 0.5]), 0)
        tensor([0.0000, 0.5000])
    """
    return clamp(input, min, out=out)


@composite(method=True, inplace=True)
def clamp_max(input: Operand, max: Operand, *, out: Operand = None) -> Any:
    """Elements held below an upper bound, a number or a tensor.

    Example:
        >>> tapegrad.clamp_max(tapegrad.tensor([-2.0, 0.5]), 0)
        tensor([-2.,  0.])
    """
    return clamp(input, None, max, out=out)


clip = alias(clamp, "clip")
