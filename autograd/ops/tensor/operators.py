"""Python's operators on tensors, in terms of the ops."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.ops.pointwise.arithmetic import add, minus, mul, neg, plus, positive, quotient, rsub, sub
from tapegrad.autograd.ops.pointwise.comparison import eq, ge, gt, le, lt, ne
from tapegrad.autograd.ops.pointwise.logic import (
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
)
from tapegrad.autograd.ops.pointwise.powers import pow, power_of_number, reciprocal
from tapegrad.autograd.ops.pointwise.rounding import floor_divide, remainder
from tapegrad.autograd.ops.pointwise.signs import abs
from tapegrad.autograd.types.dtypes import INEXACT
from tapegrad.backends import is_array

_OPERANDS = (bool, int, float, complex)
_COMMUTATIVE = {"add", "mul", "and", "or", "xor"}


def _takes(other: Any) -> bool:
    return isinstance(other, (Tensor, *_OPERANDS)) or is_array(other)


def core_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as operators call it: NotImplemented for what is no operand."""
    op = getattr(function, "op", None)
    if op is not None:
        return op.core

    def operator(self: Any, other: Any) -> Any:
        return function(self, other) if _takes(self) and _takes(other) else NotImplemented

    return operator


def reflected(core: Callable[..., Any]) -> Callable[..., Any]:
    """``other <operator> self``."""

    def operator(self: Tensor, other: Any) -> Any:
        return core(other, self)

    return operator


def augmented(function: Callable[..., Any]) -> Callable[..., Any]:
    """``self <operator>= other``."""

    def operator(self: Tensor, other: Any) -> Any:
        return inplace.apply(function, self, (other,), {}) if _takes(other) else NotImplemented

    return operator


def install(
    binary: dict[str, tuple[Callable[..., Any], Callable[..., Any] | None]],
    unary: dict[str, Callable[..., Any]],
    compare: dict[str, Callable[..., Any]],
) -> None:
    """Give `Tensor` its operators.

    Args:
        binary: name -> (function, in-place function or None), such as ``{"mul": (mul, mul)}``.
        unary: name -> function.
        compare: name -> function.
    """
    for name, (function, in_place) in binary.items():
        core = core_of(function)
        setattr(Tensor, f"__{name}__", core)
        setattr(Tensor, f"__r{name}__", core if name in _COMMUTATIVE else _named(reflected(core), f"__r{name}__"))
        if in_place is not None:
            setattr(Tensor, f"__i{name}__", _named(augmented(in_place), f"__i{name}__"))
    for name, function in unary.items():
        setattr(Tensor, f"__{name}__", function)
    for name, function in compare.items():
        setattr(Tensor, f"__{name}__", core_of(function))


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    assert isinstance(function, FunctionType)
    function.__name__ = name
    function.__qualname__ = f"Tensor.{name}"
    return function


def _over(self: Tensor, other: Any) -> Any:
    """``other / self``, as `self`'s reciprocal times `other`."""
    if other.__class__ is int or other.__class__ is float:
        return reciprocal(self) if other == 1 else reciprocal(self) * other
    return quotient.op.core(other, self)


def _inverted(self: Tensor) -> Any:
    """``~self``."""
    if self._array.dtype.kind not in "iub":
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(self)


install(
    {
        "add": (plus, add),
        "sub": (minus, sub),
        "mul": (mul, mul),
        "truediv": (quotient, quotient),
        "floordiv": (floor_divide, floor_divide),
        "mod": (remainder, remainder),
        "pow": (pow, pow),
        "and": (bitwise_and, bitwise_and),
        "or": (bitwise_or, bitwise_or),
        "xor": (bitwise_xor, bitwise_xor),
        "lshift": (bitwise_left_shift, bitwise_left_shift),
        "rshift": (bitwise_right_shift, bitwise_right_shift),
    },
    {"neg": neg, "pos": positive, "abs": abs, "invert": _inverted},
    {"eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge},
)

_pow = Tensor.__pow__


def _power(self: Tensor, exponent: Any) -> Any:
    """``self ** exponent``; a number beside floating-point elements, which is most of its use, takes the shortest
    way.
    """
    if (exponent.__class__ is int or exponent.__class__ is float) and self._array.dtype in INEXACT:
        return power_of_number.op.core(self, exponent)
    return _pow(self, exponent)


Tensor.__pow__ = _power  # type: ignore[method-assign,assignment]
Tensor.__rsub__ = rsub.op.core  # type: ignore[method-assign]
Tensor.__rtruediv__ = _over  # type: ignore[method-assign,assignment]
