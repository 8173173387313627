"""Python's operators on tensors."""
from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from tapegrad.autograd import inplace
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import is_array

_OPERANDS = (bool, int, float, complex)


def _takes(other: Any) -> bool:
    return isinstance(other, (Tensor, *_OPERANDS)) or is_array(other)


def forward(function: Callable[..., Any]) -> Callable[..., Any]:
    """``self <operator> other``."""

    def operator(self: Tensor, other: Any) -> Any:
        return function(self, other) if other.__class__ is Tensor or _takes(other) else NotImplemented

    return operator


def reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    """``other <operator> self``."""

    def operator(self: Tensor, other: Any) -> Any:
        return function(other, self) if _takes(other) else NotImplemented

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
        setattr(Tensor, f"__{name}__", _named(forward(function), f"__{name}__"))
        setattr(Tensor, f"__r{name}__", _named(reflected(function), f"__r{name}__"))
        if in_place is not None:
            setattr(Tensor, f"__i{name}__", _named(augmented(in_place), f"__i{name}__"))
    for name, function in unary.items():
        setattr(Tensor, f"__{name}__", function)
    for name, function in compare.items():
        setattr(Tensor, f"__{name}__", _named(forward(function), f"__{name}__"))


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    assert isinstance(function, FunctionType)
    function.__name__ = name
    function.__qualname__ = f"Tensor.{name}"
    return function
