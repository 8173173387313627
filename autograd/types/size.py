"""A shape as a tuple that prints and behaves as ``torch.Size``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from math import prod
from operator import index
from typing import Any, Final, SupportsIndex, overload


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of ints.

    Args:
        iterable: integers, or what has ``__index__``.

    Raises:
        TypeError: for an item that is no integer.

    Example:
        >>> Size([2, 3, 4])[1:], Size([2, 3]).numel()
        (torch.Size([3, 4]), 6)
    """

    __slots__ = ()

    def __new__(cls, iterable: Iterable[SupportsIndex] = ()) -> Size:
        items = list(iterable)
        for i, item in enumerate(items):
            if item.__class__ is not int:
                try:
                    items[i] = int(index(item))
                except TypeError:
                    kind = type(item)
                    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
                    raise TypeError(f"torch.Size() takes an iterable of 'int' (item {i} is '{name}')") from None
        return tuple.__new__(cls, items)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(repr, self))}])"

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return prod(self)

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> Size: ...
    def __getitem__(self, key: Any) -> Any:
        item = tuple.__getitem__(self, key)
        return tuple.__new__(Size, item) if item.__class__ is tuple else item

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to torch.Size")
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple.__add__(other, self))

    def __mul__(self, count: SupportsIndex) -> Size:
        if not hasattr(count, "__index__"):
            raise TypeError(f"can't multiply sequence by non-int of type '{type(count).__name__}'")
        return tuple.__new__(Size, tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple[type[Size], tuple[tuple[int, ...]]]:
        return Size, (tuple(self),)


size_of: Final[Callable[[tuple[int, ...]], Size]] = partial(tuple.__new__, Size)
"""The Size of an array's shape, whose items are known to be ints and are not looked at."""
