"""Memory formats: in what order a tensor's elements lie in memory."""

from __future__ import annotations

from typing import Any


class memory_format:
    """An order of a tensor's elements in memory; `contiguous_format`, `preserve_format`, `channels_last` and
    `channels_last_3d` are all there are.
    """

    __slots__ = ("name", "order")
    name: str
    #: the dimensions from the one whose neighbours lie furthest apart to that of neighbours in memory; None: as the
    #: shape, or as the source
    order: tuple[int, ...] | None

    def __init__(self, name: str, order: tuple[int, ...] | None) -> None:
        self.name = name
        self.order = order

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


contiguous_format = memory_format("contiguous_format", None)
preserve_format = memory_format("preserve_format", None)
channels_last = memory_format("channels_last", (0, 2, 3, 1))
channels_last_3d = memory_format("channels_last_3d", (0, 2, 3, 4, 1))


def ordered(array: Any, format: memory_format) -> Any:
    """A copy of `array` in a format that names an order.

    Raises:
        RuntimeError: the format is for another number of dimensions.
    """
    order = order_of(array, format)
    back = sorted(range(len(order)), key=order.__getitem__)
    return array.transpose(order).copy(order="C").transpose(back)


def order_of(array: Any, format: memory_format) -> tuple[int, ...]:
    """The order of the dimensions that `format` means for `array`."""
    order = format.order or tuple(range(array.ndim))
    if len(order) != array.ndim:
        raise RuntimeError(f"required rank {len(order)} tensor to use {format.name} format")
    return order


def is_ordered(array: Any, format: memory_format | None) -> bool:
    """Whether `array` lies in memory in the format's order without gaps; None: in the order of its indices."""
    if format is None or format.order is None:
        return bool(array.flags.c_contiguous)
    return len(format.order) == array.ndim and bool(array.transpose(format.order).flags.c_contiguous)


__all__ = ["channels_last", "channels_last_3d", "contiguous_format", "memory_format", "preserve_format"]
