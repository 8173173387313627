"""Arithmetic, element by element."""
from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.common.half_precision import in_float32
from tapegrad.autograd.ops.common.shared_rules import alias, array_among
from tapegrad.autograd.ops.pointwise.signs import sign
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


def scaled(array: Any, factor: Any) -> Any:
    """`array` times a Python number, in the dtype of `array`."""
    if not hasattr(array, "dtype"):
        return array * factor
    if isinstance(factor, float) and array.dtype.kind in "iub":
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    product = array * factor
    return product if product.dtype == array.dtype else product.astype(array.dtype)


def _add_in_place(a: Any, b: Any, alpha: Any = 1) -> None:
    a += b if alpha == 1 else b * alpha


@op(input=lambda grad: grad, other=lambda grad, alpha: grad if alpha == 1 else grad * alpha, kind="elementwise", method=True, inplace=True,
    inplace_fn=_add_in_place)
def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Elementwise sum, ``input + alpha * other``.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.
        alpha: the factor of `other`.

    Example:
        >>> tapegrad.add(tapegrad.ones(2), 3, alpha=2)
        tensor([7., 7.])
    """
    return input + other if alpha == 1 else input + scaled(other, alpha)


# The operators + and - are ops of their own, since `alpha` costs a tenth of a small sum: of 64 floats `plus` takes 0.78 us
# where it is recorded and 0.54 us under no_grad, `add` 0.86 and 0.62. `minus` and `sub` differ by 0.05 us.
@op(input=lambda grad: grad, other=lambda grad: grad, kind="elementwise", public=False, name="add")
def plus(input: Any, other: Any) -> Any:
    """The operator ``+``."""
    return input + other


def _sub_in_place(a: Any, b: Any, alpha: Any = 1) -> None:
    a -= b if alpha == 1 else b * alpha


def _difference(a: Any, b: Any) -> Any:
    try:
        return a - b
    except TypeError:
        if array_among(a, b).dtype.kind != "b":
            raise
        raise RuntimeError("Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.") from None


@op(input=lambda grad: grad, other=lambda grad, alpha: -grad if alpha == 1 else grad * -alpha, kind="elementwise", method=True, inplace=True,
    inplace_fn=_sub_in_place)
def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Elementwise difference, ``input - alpha * other``.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.
        alpha: the factor of `other`.

    Raises:
        RuntimeError: both are bool.

    Example:
        >>> tapegrad.sub(tapegrad.ones(2), tapegrad.tensor([1.0, 2.0]))
        tensor([ 0., -1.])
    """
    return _difference(input, other if alpha == 1 else scaled(other, alpha))


@op(input=lambda grad: grad, other=lambda grad: -grad, kind="elementwise", public=False, name="sub")
def minus(input: Any, other: Any) -> Any:
    """The operator ``-``."""
    return _difference(input, other)


@op(input=lambda grad, alpha: -grad if alpha == 1 else grad * -alpha, other=lambda grad: grad, kind="elementwise")
def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Elementwise difference the other way round, ``other - alpha * input``.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.
        alpha: the factor of `input`.

    Raises:
        RuntimeError: both are bool.

    Example:
        >>> tapegrad.rsub(tapegrad.tensor([1.0, 2.0]), 1)
        tensor([ 0., -1.])
    """
    return _difference(other, input if alpha == 1 else scaled(input, alpha))


def _mul_in_place(a: Any, b: Any) -> None:
    a *= b


@op(input=lambda grad, other: grad * other, other=lambda grad, input: grad * input, kind="elementwise", method=True, inplace=True,
    inplace_fn=_mul_in_place)
def mul(input: Any, other: Any) -> Any:
    """Elementwise product.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.mul(tapegrad.tensor([1.0, 2.0]), 3)
        tensor([3., 6.])
    """
    return input * other


def _div_in_place(a: Any, b: Any) -> None:
    if a.dtype.kind in "iub":
        raise RuntimeError(f"result type Float can't be cast to the desired output type {_scalar_type(a.dtype)}")
    a /= b


def _scalar_type(dtype: np.dtype) -> str:
    return dtypes.of(dtype).scalar_type


@op(input=lambda grad, other: grad / other, other=lambda grad, input, other: -(grad * (input / other / other)), kind="elementwise", operands="float",
    inplace_fn=_div_in_place, public=False, name="div")
def quotient(input: Any, other: Any) -> Any:
    """The operator ``/``: `div` without rounding, and without the 0.1 us that it takes to ask for that."""
    return input / other


@composite(method=True, inplace=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """Elementwise quotient; integers are divided as the default dtype.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.
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


def _div_(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """In-place form of `div`; returns the tensor."""
    if rounding_mode is None:
        return inplace.apply(quotient, self, (other,), {})
    return inplace.apply(div, self, (other,), {"rounding_mode": rounding_mode})


Tensor.div_ = _div_  # type: ignore[method-assign,assignment]


@composite(method=True, inplace=True)
def true_divide(input: Any, other: Any, *, out: Any = None) -> Any:
    """Elementwise quotient; the same as `div` without rounding.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.true_divide(tapegrad.tensor([1, 2]), 2)
        tensor([0.5000, 1.0000])
    """
    return quotient(input, other, out=out)


def check_divisor(input: Any, other: Any) -> None:
    """Raise torch's error for an integer division by zero; a device is not asked."""
    if other.__class__ is np.ndarray and other.dtype.kind in "iub" and not other.all():
        raise RuntimeError("ZeroDivisionError")


def floored_quotient(input: Any, other: Any) -> Any:
    """``input // other`` of arrays of one dtype."""
    if array_among(input, other).dtype.kind == "b":
        raise NotImplementedError("\"div_floor_cpu\" not implemented for 'Bool'")
    check_divisor(input, other)
    if input.__class__ is np.ndarray:
        return input // other
    return xp(array_among(input, other)).floor_divide(input, other)


def _truncated_quotient(input: Any, other: Any) -> Any:
    array = array_among(input, other)
    if array.dtype.kind in "fV":
        return xp(array).trunc(input / other)
    check_divisor(input, other)
    quotient = input // other
    if array.dtype.kind == "i":  # rounding down is one too low where the signs differ and the division has a rest
        quotient += ((input < 0) != (other < 0)) & (quotient * other != input)
    return quotient


_floored = op(input=lambda grad: zero_gradient(grad), other=lambda grad: zero_gradient(grad), kind="elementwise", public=False, name="div")(
    lambda input, other: floored_quotient(input, other))
_truncated = op(input=lambda grad: zero_gradient(grad), other=lambda grad: zero_gradient(grad), kind="elementwise", public=False, name="div")(
    lambda input, other: _truncated_quotient(input, other))


@op(input=lambda grad: -grad, kind="linear", method=True, inplace=True, inplace_fn=lambda a: xp(a).negative(a, out=a), batch=over())
def neg(input: Any) -> Any:
    """Elementwise negative.

    Args:
        input: a tensor, not of bool.

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
        raise RuntimeError("Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
                           "`logical_not()` operator instead.") from None


@composite(method=True)
def positive(input: Any) -> Any:
    """`input` itself.

    Args:
        input: a tensor, not of bool.

    Raises:
        RuntimeError: `input` is bool.

    Example:
        >>> tapegrad.positive(tapegrad.tensor([1.0, -2.0]))
        tensor([ 1., -2.])
    """
    if raw(input).dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@op(input=lambda grad: grad, tensor1=lambda grad, tensor2, value: grad * tensor2 if value == 1 else grad * tensor2 * value,
    tensor2=lambda grad, tensor1, value: grad * tensor1 if value == 1 else grad * tensor1 * value, kind="elementwise", method=True, inplace=True)
@in_float32
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """``input + value * tensor1 * tensor2``, elementwise.

    Args:
        input: a tensor.
        tensor1: a tensor; all three broadcast.
        tensor2: a tensor.
        value: the factor of the product.

    Example:
        >>> tapegrad.addcmul(tapegrad.ones(2), tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 4.0]), value=0.5)
        tensor([2.5000, 5.0000])
    """
    product = tensor1 * tensor2
    return input + (product if value == 1 else product * value)


@op(input=lambda grad: grad, tensor1=lambda grad, tensor2, value: grad * value / tensor2,
    tensor2=lambda grad, tensor1, tensor2, value: -(grad * (tensor1 * value / tensor2 / tensor2)), kind="elementwise", method=True, inplace=True)
@in_float32
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """``input + value * tensor1 / tensor2``, elementwise.

    Args:
        input: a tensor.
        tensor1: a tensor; all three broadcast.
        tensor2: a tensor.
        value: the factor of the quotient.

    Raises:
        RuntimeError: both of the quotient are integers.

    Example:
        >>> tapegrad.addcdiv(tapegrad.zeros(2), tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([2.0, 4.0]))
        tensor([0.5000, 0.5000])
    """
    if tensor2.dtype.kind in "iub":
        raise RuntimeError("Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division of tensor1 and "
                           "tensor2.")
    return input + tensor1 * value / tensor2


@op(input=lambda grad, weight: grad * (1 - weight), end=lambda grad, weight: grad * weight, weight=lambda grad, input, end: grad * (end - input),
    kind="elementwise", operands="same", public=False, name="lerp")
@in_float32
def _lerp_by_tensor(input: Any, end: Any, weight: Any) -> Any:
    # From the nearer end, so that weight 0 gives `input` and weight 1 gives `end` exactly.
    way = end - input
    return xp(input).where(abs(weight) < 0.5, input + weight * way, end - way * (1 - weight))


@op(input=lambda grad, weight: grad * (1 - weight), end=lambda grad, weight: grad * weight, kind="elementwise", operands="same", public=False, name="lerp")
@in_float32
def _lerp_by_number(input: Any, end: Any, weight: float) -> Any:
    return input + (end - input) * weight if abs(weight) < 0.5 else end - (end - input) * (1 - weight)


@composite(method=True, inplace=True)
def lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> Any:
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


@op(input=lambda grad, input, other, result: grad * _sign_ratio(input, result), other=lambda grad: zero_gradient(grad), kind="elementwise", operands="float",
    method=True, inplace=True)
def copysign(input: Any, other: Any) -> Any:
    """The magnitude of `input` with the sign of `other`.

    Args:
        input: a tensor; integers are taken as the default dtype.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.copysign(tapegrad.tensor([1.0, -2.0]), -1)
        tensor([-1., -2.])
    """
    return xp(array_among(input, other)).copysign(input, other)


def _sign_ratio(input: Any, result: Any) -> Any:
    """Whether the sign was kept (1) or turned (-1); 0 at zero."""
    return sign(input) * sign(result)


@op(input=lambda grad, input, result: grad * (input / result), other=lambda grad, other, result: grad * (other / result), kind="elementwise", operands="float",
    method=True, inplace=True)
def hypot(input: Any, other: Any) -> Any:
    """The hypotenuse, ``sqrt(input ** 2 + other ** 2)``, without overflow.

    Args:
        input: a real tensor.
        other: a real tensor that broadcasts with it.

    Example:
        >>> tapegrad.hypot(tapegrad.tensor([3.0]), tapegrad.tensor([4.0]))
        tensor([5.])
    """
    return xp(array_among(input, other)).hypot(input, other)


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def gcd(input: Any, other: Any) -> Any:
    """Greatest common divisor of integers.

    Args:
        input: an integer tensor.
        other: an integer tensor that broadcasts with it.

    Raises:
        NotImplementedError: the tensors are not integer.

    Example:
        >>> tapegrad.gcd(tapegrad.tensor([12, 18]), tapegrad.tensor([8, 27]))
        tensor([4, 9])
    """
    _integers(array_among(input, other), "gcd")
    return xp(array_among(input, other)).gcd(input, other)


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def lcm(input: Any, other: Any) -> Any:
    """Least common multiple of integers.

    Args:
        input: an integer tensor.
        other: an integer tensor that broadcasts with it.

    Raises:
        NotImplementedError: the tensors are not integer.

    Example:
        >>> tapegrad.lcm(tapegrad.tensor([4, 6]), tapegrad.tensor([6, 9]))
        tensor([12, 18])
    """
    _integers(array_among(input, other), "lcm")
    return xp(array_among(input, other)).lcm(input, other)


def _integers(input: Any, name: str) -> None:
    if input.dtype.kind not in "iu":
        raise NotImplementedError(f'"{name}_cpu" not implemented for \'{_scalar_type(input.dtype)}\'')


@op(input=lambda grad, input, other: keep(grad, input != other), other=lambda grad: zero_gradient(grad), kind="elementwise", method=True,
    inplace=True)
def nextafter(input: Any, other: Any) -> Any:
    """The next floating-point number from `input` in the direction of `other`.

    Args:
        input: a real floating-point tensor.
        other: a tensor that broadcasts with it.

    Example:
        >>> tapegrad.nextafter(tapegrad.ones(1), tapegrad.zeros(1)) < 1
        tensor([True])
    """
    space = xp(array_among(input, other))
    if array_among(input, other).dtype.kind in "iub":
        raise NotImplementedError(f'"nextafter_cpu" not implemented for \'{_scalar_type(array_among(input, other).dtype)}\'')
    return space.nextafter(input, other)


divide = alias(div, "divide")
multiply = alias(mul, "multiply")
subtract = alias(sub, "subtract")
negative = alias(neg, "negative")
