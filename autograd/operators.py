"""Python's operators on tensors."""
from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch import inplace
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


def install(binary: dict[str, tuple[Callable[..., Any], Callable[..., Any] | None]], unary: dict[str, Callable[..., Any]],
            compare: dict[str, Callable[..., Any]]) -> None:
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
