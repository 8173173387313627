"""Methods of `Tensor` and `Node` that are written on a higher floor, beside what they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def method_of(cls: type, name: str | None = None) -> Callable[[F], F]:
    """Make a function a method of `cls`, under its own name or another.

    Example:
        >>> tapegrad.Tensor.backward.__qualname__, tapegrad.Tensor.backward.__module__
        ('Tensor.backward', 'tapegrad.autograd.tape.backward')
    """

    def install(function: F) -> F:
        function.__name__ = name or function.__name__
        function.__qualname__ = f"{cls.__name__}.{function.__name__}"
        setattr(cls, function.__name__, function)
        return function

    return install


def property_of(cls: type) -> Callable[[F], F]:
    """Make a function a property of `cls`."""

    def install(function: F) -> F:
        setattr(cls, function.__name__, property(function))
        return function

    return install
