"""Arithmetic, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, op
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.common.errors import not_implemented
from tapegrad.autograd.ops.common.families import documented, elementwise
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.common.shared_rules import alias, array_among
from tapegrad.autograd.ops.pointwise.signs import sign
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


def scaled(array: Operand, factor: float) -> Operand:
    """`array` times a Python number, in the dtype of `array`."""
    if not hasattr(array, "dtype"):
        return array * factor
    if isinstance(factor, float) and array.dtype.kind in "iub":
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    product = array * factor
    return product if product.dtype == array.dtype else product.astype(array.dtype)


def _add_in_place(a: Array, b: Operand, alpha: float = 1) -> None:
    a += b if alpha == 1 else b * alpha


@op(
    input=lambda grad: grad,
    other=lambda grad, alpha: grad if alpha == 1 else grad * alpha,
    kind="elementwise",
    method=True,
    inplace=True,
    inplace_fn=_add_in_place,
)
def add(input: Operand, other: Operand, *, alpha: float = 1) -> Array:
    """Elementwise sum, ``input + alpha * other``.

    Example:
        >>> tapegrad.add(tapegrad.ones(2), 3, alpha=2)
        tensor([7., 7.])
    """
    return input + other if alpha == 1 else input + scaled(other, alpha)


# The operators + and - are ops of their own, since `alpha` costs a tenth of a small sum: of 64 floats `plus` takes 0.78
# us where it is recorded and 0.54 us under no_grad, `add` 0.86 and 0.62. `minus` and `sub` differ by 0.05 us.
@op(input=lambda grad: grad, other=lambda grad: grad, kind="elementwise", public=False, name="add")
def plus(input: Operand, other: Operand) -> Array:
    """The operator ``+``."""
    return input + other


def _sub_in_place(a: Array, b: Operand, alpha: float = 1) -> None:
    a -= b if alpha == 1 else b * alpha


def _difference(a: Operand, b: Operand) -> Array:
    try:
        return a - b
    except TypeError:
        if array_among(a, b).dtype.kind != "b":
            raise
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        ) from None


@op(
    input=lambda grad: grad,
    other=lambda grad, alpha: -grad if alpha == 1 else grad * -alpha,
    kind="elementwise",
    method=True,
    inplace=True,
    inplace_fn=_sub_in_place,
)
def sub(input: Operand, other: Operand, *, alpha: float = 1) -> Array:
    """Elementwise difference, ``input - alpha * other``.

    Raises:
        RuntimeError: both are bool.

    Example:
        >>> tapegrad.sub(tapegrad.ones(2), tapegrad.tensor([1.0, 2.0]))
        tensor([ 0., -1.])
    """
    return _difference(input, other if alpha == 1 else scaled(other, alpha))


@op(input=lambda grad: grad, other=lambda grad: -grad, kind="elementwise", public=False, name="sub")
def minus(input: Operand, other: Operand) -> Array:
    """The operator ``-``."""
    return _difference(input, other)


@op(input=lambda grad, alpha: -grad if alpha == 1 else grad * -alpha, other=lambda grad: grad, kind="elementwise")
def rsub(input: Operand, other: Operand, *, alpha: float = 1) -> Array:
    """Elementwise difference the other way round, ``other - alpha * input``.

    Raises:
        RuntimeError: both are bool.

    Example:
        >>> tapegrad.rsub(tapegrad.tensor([1.0, 2.0]), 1)
        tensor([ 0., -1.])
    """
    return _difference(other, input if alpha == 1 else scaled(input, alpha))


def _mul_in_place(a: Array, b: Operand) -> None:
    a *= b


@elementwise(input=lambda grad, other: grad * other, other=lambda grad, input: grad * input, inplace_fn=_mul_in_place)
def mul(input: Operand, other: Operand) -> Array:
    """Elementwise product.

    Example:
        >>> tapegrad.mul(tapegrad.tensor([1.0, 2.0]), 3)
        tensor([3., 6.])
    """
    return input * other


def _div_in_place(a: Array, b: Operand) -> None:
    if a.dtype.kind in "iub":
        integer = dtypes.of(a.dtype).scalar_type
        raise RuntimeError(f"result type Float can't be cast to the desired output type {integer}")
    a /= b


@op(
    input=lambda grad, other: grad / other,
    other=lambda grad, input, other: -(grad * (input / other / other)),
    kind="elementwise",
    operands="float",
    inplace_fn=_div_in_place,
    public=False,
    name="div",
)
def quotient(input: Operand, other: Operand) -> Array:
    """The operator ``/``: `div` without rounding, and without the 0.1 us that it takes to ask for that."""
    return input / other


@composite(method=True, inplace=True)
def div(input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Operand = None) -> Any:
    """Elementwise quotient; integers are divided as the default dtype.

    Args:
        rounding_mode: None; "trunc" rounds towards zero and "floor" down, and leaves integers integers.

    Raises:
        RuntimeError: an integer is divided by zero with rounding (on the CPU), or `rounding_mode` is something else.

    Example:
        >>> tapegrad.div(tapegrad.tensor([7, -7]), 2), tapegrad.div(tapegrad.tensor([7, -7]), 2, rounding_mode="floor")
        (tensor([ 3.5000, -3.5000]), tensor([ 3, -4]))
    """
    if rounding_mode is None:
        return quotient(input, other, out=out)
    if rounding_mode == "floor":
        return _floored(input, other, out=out)
    if rounding_mode == "trunc":
        return _truncated(input, other, out=out)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")


def _div_(self: Tensor, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """In-place form of `div`; returns the tensor."""
    if rounding_mode is None:
        return inplace.apply(quotient, self, (other,), {})
    return inplace.apply(div, self, (other,), {"rounding_mode": rounding_mode})


Tensor.div_ = _div_  # type: ignore[method-assign,assignment]


@composite(method=True, inplace=True)
def true_divide(input: Operand, other: Operand, *, out: Operand = None) -> Any:
    """Elementwise quotient; the same as `div` without rounding.

    Example:
        >>> tapegrad.true_divide(tapegrad.tensor([1, 2]), 2)
        tensor([0.5000, 1.0000])
    """
    return quotient(input, other, out=out)


def check_divisor(input: Operand, other: Operand) -> None:
    """Raise torch's error for an integer division by zero; a device is not asked."""
    if other.__class__ is np.ndarray and other.dtype.kind in "iub" and not other.all():
        raise RuntimeError("ZeroDivisionError")


def floored_quotient(input: Operand, other: Operand) -> Array:
    """``input // other`` of arrays of one dtype."""
    array = array_among(input, other)
    if array.dtype.kind == "b":
        raise not_implemented("div_floor_cpu", array.dtype)
    check_divisor(input, other)
    return input // other if input.__class__ is np.ndarray else xp(array).floor_divide(input, other)


def _truncated_quotient(input: Operand, other: Operand) -> Array:
    array = array_among(input, other)
    if array.dtype.kind in "fV":
        return xp(array).trunc(input / other)
    check_divisor(input, other)
    quotient = input // other
    if array.dtype.kind == "i":  # rounding down is one too low where the signs differ and the division has a rest
        quotient += ((input < 0) != (other < 0)) & (quotient * other != input)
    return quotient


_rounded = op(input=zero_gradient, other=zero_gradient, kind="elementwise", public=False, name="div")
_floored, _truncated = _rounded(floored_quotient), _rounded(_truncated_quotient)


@elementwise(input=lambda grad: -grad, kind="linear", inplace_fn=lambda a: xp(a).negative(a, out=a), batch=over())
def neg(input: Array) -> Array:
    """Elementwise negative.

    Raises:
        RuntimeError: `input` is bool.

    Example:
        >>> tapegrad.neg(tapegrad.tensor([1.0, -2.0]))
        tensor([-1.,  2.])
    """
    try:
        return -input
    except TypeError:
        if input.dtype.kind != "b":
            raise
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert "
            "a mask, use the `~` or `logical_not()` operator instead."
        ) from None


@composite(method=True)
def positive(input: Operand) -> Any:
    """`input` itself.

    Raises:
        RuntimeError: `input` is bool.

    Example:
        >>> tapegrad.positive(tapegrad.tensor([1.0, -2.0]))
        tensor([ 1., -2.])
    """
    if raw(input).dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def _times(product: Operand, value: float) -> Operand:
    return product if value == 1 else product * value


@elementwise(
    input=lambda grad: grad,
    tensor1=lambda grad, tensor2, value: _times(grad * tensor2, value),
    tensor2=lambda grad, tensor1, value: _times(grad * tensor1, value),
)
@in_float32
def addcmul(input: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> Array:
    """``input + value * tensor1 * tensor2``, elementwise; all three broadcast.

    Example:
        >>> tapegrad.addcmul(tapegrad.ones(2), tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 4.0]), value=0.5)
        tensor([2.5000, 5.0000])
    """
    return input + _times(tensor1 * tensor2, value)


@elementwise(
    input=lambda grad: grad,
    tensor1=lambda grad, tensor2, value: grad * value / tensor2,
    tensor2=lambda grad, tensor1, tensor2, value: -(grad * (tensor1 * value / tensor2 / tensor2)),
)
@in_float32
def addcdiv(input: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> Array:
    """``input + value * tensor1 / tensor2``, elementwise; all three broadcast.

    Raises:
        RuntimeError: both of the quotient are integers.

    Example:
        >>> tapegrad.addcdiv(tapegrad.zeros(2), tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([2.0, 4.0]))
        tensor([0.5000, 0.5000])
    """
    if tensor2.dtype.kind in "iub":
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will "
            "perform a true division of tensor1 and tensor2."
        )
    return input + tensor1 * value / tensor2


@op(
    input=lambda grad, weight: grad * (1 - weight),
    end=lambda grad, weight: grad * weight,
    weight=lambda grad, input, end: grad * (end - input),
    kind="elementwise",
    operands="same",
    public=False,
    name="lerp",
)
@in_float32
def _lerp_by_tensor(input: Array, end: Array, weight: Array) -> Array:
    # From the nearer end, so that weight 0 gives `input` and weight 1 gives `end` exactly.
    way = end - input
    return xp(input).where(abs(weight) < 0.5, input + weight * way, end - way * (1 - weight))


@op(
    input=lambda grad, weight: grad * (1 - weight),
    end=lambda grad, weight: grad * weight,
    kind="elementwise",
    operands="same",
    public=False,
    name="lerp",
)
@in_float32
def _lerp_by_number(input: Array, end: Array, weight: float) -> Array:
    way = end - input
    return input + way * weight if abs(weight) < 0.5 else end - way * (1 - weight)


@composite(method=True, inplace=True)
def lerp(input: Operand, end: Operand, weight: Operand, *, out: Operand = None) -> Any:
    """Linear interpolation, ``input + weight * (end - input)``.

    Args:
        input: the value at weight 0.
        end: the value at weight 1.
        weight: a number, or a tensor that broadcasts with them.

    Raises:
        RuntimeError: the tensors differ in dtype.

    Example:
        >>> tapegrad.lerp(tapegrad.zeros(2), tapegrad.tensor([1.0, 10.0]), 0.5)
        tensor([0.5000, 5.0000])
    """
    if isinstance(weight, (int, float)):
        return _lerp_by_number(input, end, weight, out=out)
    return _lerp_by_tensor(input, end, weight, out=out)


def _copysign_rule(grad: Operand, input: Operand, result: Operand) -> Operand:
    """`grad` where the sign was kept, ``-grad`` where it was turned; 0 at zero."""
    return grad * (sign(input) * sign(result))


@elementwise(input=_copysign_rule, other=zero_gradient, operands="float")
def copysign(input: Operand, other: Operand) -> Array:
    """The magnitude of `input` with the sign of `other`; integers are taken as the default dtype.

    Example:
        >>> tapegrad.copysign(tapegrad.tensor([1.0, -2.0]), -1)
        tensor([-1., -2.])
    """
    return xp(array_among(input, other)).copysign(input, other)


@elementwise(
    input=lambda grad, input, result: grad * (input / result),
    other=lambda grad, other, result: grad * (other / result),
    operands="float",
)
def hypot(input: Operand, other: Operand) -> Array:
    """The hypotenuse, ``sqrt(input ** 2 + other ** 2)``, without overflow.

    Example:
        >>> tapegrad.hypot(tapegrad.tensor([3.0]), tapegrad.tensor([4.0]))
        tensor([5.])
    """
    return xp(array_among(input, other)).hypot(input, other)


def _of_integers(name: str, meaning: str, result: str) -> OpFunction:
    def function(input: Operand, other: Operand) -> Array:
        array = array_among(input, other)
        if array.dtype.kind not in "iu":
            raise not_implemented(f"{name}_cpu", array.dtype)
        return getattr(xp(array), name)(input, other)

    call = f"tapegrad.{name}(tapegrad.tensor([12, 18]), tapegrad.tensor([8, 27]))"
    return elementwise(input=None, other=None)(documented(function, name, meaning, call, f"tensor({result})"))


gcd = _of_integers("gcd", "Greatest common divisor of integers.", "[4, 9]")
lcm = _of_integers("lcm", "Least common multiple of integers.", "[24, 54]")


@elementwise(input=lambda grad, input, other: keep(grad, input != other), other=zero_gradient)
def nextafter(input: Operand, other: Operand) -> Array:
    """The next floating-point number from `input` in the direction of `other`.

    Example:
        >>> tapegrad.nextafter(tapegrad.ones(1), tapegrad.zeros(1)) < 1
        tensor([True])
    """
    array = array_among(input, other)
    if array.dtype.kind in "iub":
        raise not_implemented("nextafter_cpu", array.dtype)
    return xp(array).nextafter(input, other)


divide = alias(div, "divide")
multiply = alias(mul, "multiply")
subtract = alias(sub, "subtract")
negative = alias(neg, "negative")
