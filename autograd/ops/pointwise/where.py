"""Choosing between two values, element by element: where, masked_fill, and the masks that gradients pass through."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Number, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import broadcasting
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.dispatch.primitives import cast
from tapegrad.autograd.dispatch.slow_paths import promote_operands, to_one_device
from tapegrad.autograd.modes.device_guard import on_first
from tapegrad.autograd.ops.common.dims import c_name
from tapegrad.autograd.ops.common.half_precision import BOOL
from tapegrad.autograd.types import dtypes, promotion
from tapegrad.backends import xp

# NumPy's `where` branches at each element, ten times as slow on a random mask as arithmetic on the bits.
_BITS = {n: np.dtype(f"i{n}") for n in (1, 2, 4, 8)}
_INT8 = _BITS[1]
_FEW = 1024


def kept(input: Array, mask: Array) -> Array:
    """The array `input` where `mask` is true, zero elsewhere, whatever stands there."""
    dtype = input.dtype
    if input.__class__ is np.ndarray and mask.__class__ is np.ndarray and mask.ndim and dtype.itemsize in _BITS:
        bits = np.negative(mask.view(_INT8))
        return np.bitwise_and(input.view(_BITS[dtype.itemsize]), bits).view(dtype)
    return xp(input).where(mask, input, xp(input).zeros((), dtype))


#: `kept` as an op, for tensors too
keep = op(
    input=lambda grad, mask: keep(grad, mask),
    mask=None,
    kind="linear",
    operands="free",
    public=False,
    name="keep",
    batch=broadcasting(),
)(kept)


def select(mask: Array, a: Array, b: Array) -> Array:
    """The array of `a` where `mask` is true and of `b` elsewhere; all three broadcast, `a` and `b` have one dtype."""
    arrays = a.__class__ is np.ndarray and b.__class__ is np.ndarray and mask.__class__ is np.ndarray
    dtype = a.dtype
    if not arrays or mask.size <= _FEW or dtype.itemsize not in _BITS:
        return xp(mask).where(mask, a, b)
    bits = np.negative(mask.view(_INT8))
    whole = _BITS[dtype.itemsize]
    a, b = a.view(whole), b.view(whole)
    picked = a ^ b
    picked = np.bitwise_and(picked, bits, out=picked if picked.shape == bits.shape else None)
    return np.bitwise_xor(picked, b, out=picked if b.ndim <= picked.ndim else None).view(dtype)


@op(
    condition=None,
    input=lambda grad, condition: keep(grad, condition),
    other=lambda grad, condition: keep(grad, ~condition),
    kind="elementwise",
    operands="free",
    public=False,
    name="where",
)
def choose(condition: Array, input: Array, other: Array) -> Array:
    """`input` where the bool `condition` is true, `other` elsewhere; both of one dtype."""
    return select(condition, input, other)


@composite(method=False)
def where(condition: Operand, input: Operand = None, other: Operand = None, *, out: Operand = None) -> Any:
    """`input` where `condition` is true, `other` elsewhere.

    Args:
        condition: a bool tensor.
        input: a tensor or a number; without `input` and `other` the indices of the true elements are returned, as by
            ``nonzero(condition, as_tuple=True)``.

    Raises:
        RuntimeError: `condition` is not bool.

    Example:
        >>> x = tapegrad.tensor([-1.0, 2.0])
        >>> tapegrad.where(x > 0, x, 0.0)
        tensor([0., 2.])
    """
    if input is None and other is None:
        if isinstance(condition, Tensor):
            return condition.nonzero(as_tuple=True)
        return xp(condition).atleast_1d(condition).nonzero()
    if input is None or other is None:
        raise TypeError("where(): takes one argument (the condition) or three")
    mask = raw(condition)
    if not hasattr(mask, "dtype"):
        raise TypeError(f"where(): argument 'condition' (position 1) must be Tensor, not {type(condition).__name__}")
    if mask.dtype.kind != "b":
        if mask.dtype != np.uint8:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{dtypes.of(mask.dtype).scalar_type}"
            )
        condition = condition != 0
    a, b = raw(input), raw(other)
    if a.__class__ is not mask.__class__ or b.__class__ is not mask.__class__ or a.dtype is not b.dtype:
        input, other = _alike(condition, input, other)
    return stored("where", out, choose(condition, input, other))


def _alike(condition: Operand, input: Operand, other: Operand) -> list[Operand]:
    """The two values, numbers among them, as tensors or arrays of one dtype on the device of `condition`."""
    _, input, other = to_one_device(choose.op, condition, input, other)
    values = promote_operands(_promoting.op, input, other)
    if values is None:
        raise TypeError(
            f"where(): argument must be a tensor or a number, not {type(input).__name__} and {type(other).__name__}"
        )
    mask = raw(condition)
    partner = next((v for v in values if hasattr(v, "dtype")), None)
    dtype = raw(partner).dtype if partner is not None else _number_dtype(values)
    return [
        v if isinstance(v, Tensor) or v.__class__ is mask.__class__ else xp(mask).full((), v, dtype) for v in values
    ]


@op(input=None, other=None, kind="elementwise", public=False)
def _promoting(input: Array, other: Array) -> Array:
    return input


def _number_dtype(values: list[Operand]) -> np.dtype:
    return promotion.result_type([(promotion.number_dtype(v), promotion.NUMBER) for v in values])


def where_method(self: Tensor, condition: Operand, other: Operand) -> Any:
    """``where(condition, self, other)``."""
    return where(condition, self, other)


Tensor.where = where_method  # type: ignore[method-assign,assignment]


@op(
    input=lambda grad, mask: keep(grad, ~mask),
    mask=None,
    value=lambda grad, mask: keep(grad, mask),
    kind="elementwise",
    operands="free",
    public=False,
    name="masked_fill",
)
def _filled(input: Array, mask: Array, value: Array) -> Array:
    return select(mask, value, input)


def _fill_value(value: Number, array: Array) -> Array:
    """A number in the dtype of `array`."""
    if not isinstance(value, complex) or array.dtype.kind == "c":
        with contextlib.suppress(OverflowError):
            return xp(array).full((), value, array.dtype)
    raise RuntimeError(f"value cannot be converted to type {c_name(array.dtype)} without overflow")


@composite(method=True, inplace=True)
@on_first
def masked_fill(input: Operand, mask: Operand, value: Operand) -> Any:
    """`input` with `value` wherever `mask` is true.

    Args:
        mask: a bool tensor that broadcasts with it.
        value: a number, or a tensor without dimensions.

    Raises:
        RuntimeError: `mask` is not bool, or `value` has dimensions or does not fit the dtype of `input`.

    Example:
        >>> tapegrad.ones(2).masked_fill(tapegrad.tensor([True, False]), -1.0)
        tensor([-1.,  1.])
    """
    array, bits = raw(input), raw(mask)
    if bits.dtype is not BOOL:
        raise RuntimeError(
            "masked_fill_ only supports boolean masks, but got mask with dtype "
            + dtypes.of(bits.dtype).scalar_type.lower()
        )
    filler = raw(value)
    if hasattr(filler, "ndim") and filler.ndim:
        raise RuntimeError(
            f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {filler.ndim} dimension(s)."
        )
    if not hasattr(filler, "ndim"):
        value = _fill_value(value, array)
    elif filler.dtype is not array.dtype:
        value = cast(value, array.dtype)
    return _filled(input, mask, value)
