"""Methods of `Tensor` and `Node` that are written on a higher floor, beside what they call."""
from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

M = TypeVar("M")


def method_of(cls: type, name: str | None = None) -> Callable[[M], M]:
    """Make a function or a property a member of `cls`, under its own name or another.

    Example:
        >>> tapegrad.Tensor.backward.__qualname__, tapegrad.Tensor.backward.__module__
        ('Tensor.backward', 'tapegrad.autograd.tape.backward')
    """

    def install(member: M) -> M:
        function = member.fget if isinstance(member, property) else member
        function.__name__ = name or function.__name__  # type: ignore[union-attr]
        function.__qualname__ = f"{cls.__name__}.{function.__name__}"  # type: ignore[union-attr]
        setattr(cls, function.__name__, member)  # type: ignore[union-attr]
        return member

    return install
