"""What several modules of ops need: second names, gradients that are zero, and gradients that do not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import NAMES

F = TypeVar("F", bound=Callable[..., Any])


def alias(function: F, name: str) -> F:
    """`function` under another name of `tapegrad` too, and as a method and in place where it has these forms."""
    NAMES[name] = function
    own = function.__name__
    if Tensor.__dict__.get(own) is function:
        setattr(Tensor, name, function)
    if f"{own}_" in Tensor.__dict__:
        setattr(Tensor, f"{name}_", Tensor.__dict__[f"{own}_"])
    return function


def array_among(a: Operand, b: Operand) -> Array:
    """The array among two operands of an op: the other may be a Python number."""
    return a if hasattr(a, "dtype") else b


def no_rule(name: str) -> Callable[..., Any]:
    """The rule of an op that PyTorch does not differentiate: its result requires grad, and backward raises."""

    def rule(grad: Operand) -> Operand:
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    rule.missing = True  # type: ignore[attr-defined]  # forward mode has words of its own for it
    return rule
