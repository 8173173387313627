"""Padding layers."""
from __future__ import annotations

from typing import Any

from tapegrad.nn import functional as F
from tapegrad.nn.conv import tuple_of
from tapegrad.nn.module import Module


class _Pad(Module):
    """A layer that pads `dims` dimensions in a mode."""

    dims: int
    mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = tuple_of(padding, 2 * self.dims)

    def forward(self, input: Any) -> Any:
        """`input` with values around it."""
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """`input` with the constant around it."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad1d(_ConstantPad):
    """A sequence with a constant around it.

    Args:
        padding: a number, or one for each end.
        value: the constant.

    Example:
        >>> tapegrad.nn.ConstantPad1d((1, 2), 3.5)(tapegrad.ones(1, 1, 4)).shape
        torch.Size([1, 1, 7])
    """

    dims = 1


class ConstantPad2d(_ConstantPad):
    """An image with a constant around it.

    Args:
        padding: a number, or one for each side (left, right, top, bottom).
        value: the constant.

    Example:
        >>> tapegrad.nn.ConstantPad2d((1, 2, 0, 1), 3.5)(tapegrad.ones(1, 1, 4, 4)).shape
        torch.Size([1, 1, 5, 7])
    """

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A volume with a constant around it.

    Args:
        padding: a number, or one for each side (left, right, top, bottom, front, back).
        value: the constant.

    Example:
        >>> tapegrad.nn.ConstantPad3d((1, 2, 0, 1, 1, 0), 3.5)(tapegrad.ones(1, 1, 4, 4, 4)).shape
        torch.Size([1, 1, 5, 5, 7])
    """

    dims = 3


class ZeroPad1d(_ZeroPad):
    """A sequence with zeros around it.

    Args:
        padding: a number, or one for each end.

    Example:
        >>> tapegrad.nn.ZeroPad1d((1, 2))(tapegrad.ones(1, 1, 4)).shape
        torch.Size([1, 1, 7])
    """

    dims = 1


class ZeroPad2d(_ZeroPad):
    """An image with zeros around it.

    Args:
        padding: a number, or one for each side (left, right, top, bottom).

    Example:
        >>> tapegrad.nn.ZeroPad2d((1, 2, 0, 1))(tapegrad.ones(1, 1, 4, 4)).shape
        torch.Size([1, 1, 5, 7])
    """

    dims = 2


class ZeroPad3d(_ZeroPad):
    """A volume with zeros around it.

    Args:
        padding: a number, or one for each side (left, right, top, bottom, front, back).

    Example:
        >>> tapegrad.nn.ZeroPad3d((1, 2, 0, 1, 1, 0))(tapegrad.ones(1, 1, 4, 4, 4)).shape
        torch.Size([1, 1, 5, 5, 7])
    """

    dims = 3


class ReflectionPad1d(_Pad):
    """A sequence mirrored at its edges.

    Args:
        padding: a number, or one for each end.

    Example:
        >>> tapegrad.nn.ReflectionPad1d((1, 2))(tapegrad.ones(1, 1, 4)).shape
        torch.Size([1, 1, 7])
    """

    dims = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """An image mirrored at its edges.

    Args:
        padding: a number, or one for each side (left, right, top, bottom).

    Example:
        >>> tapegrad.nn.ReflectionPad2d((1, 2, 0, 1))(tapegrad.ones(1, 1, 4, 4)).shape
        torch.Size([1, 1, 5, 7])
    """

    dims = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """A volume mirrored at its edges.

    Args:
        padding: a number, or one for each side (left, right, top, bottom, front, back).

    Example:
        >>> tapegrad.nn.ReflectionPad3d((1, 2, 0, 1, 1, 0))(tapegrad.ones(1, 1, 4, 4, 4)).shape
        torch.Size([1, 1, 5, 5, 7])
    """

    dims = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """A sequence with its edges repeated.

    Args:
        padding: a number, or one for each end.

    Example:
        >>> tapegrad.nn.ReplicationPad1d((1, 2))(tapegrad.ones(1, 1, 4)).shape
        torch.Size([1, 1, 7])
    """

    dims = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """An image with its edges repeated.

    Args:
        padding: a number, or one for each side (left, right, top, bottom).

    Example:
        >>> tapegrad.nn.ReplicationPad2d((1, 2, 0, 1))(tapegrad.ones(1, 1, 4, 4)).shape
        torch.Size([1, 1, 5, 7])
    """

    dims = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """A volume with its edges repeated.

    Args:
        padding: a number, or one for each side (left, right, top, bottom, front, back).

    Example:
        >>> tapegrad.nn.ReplicationPad3d((1, 2, 0, 1, 1, 0))(tapegrad.ones(1, 1, 4, 4, 4)).shape
        torch.Size([1, 1, 5, 5, 7])
    """

    dims = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """A sequence with its other end before and after it.

    Args:
        padding: a number, or one for each end.

    Example:
        >>> tapegrad.nn.CircularPad1d((1, 2))(tapegrad.ones(1, 1, 4)).shape
        torch.Size([1, 1, 7])
    """

    dims = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """An image with its other end before and after it.

    Args:
        padding: a number, or one for each side (left, right, top, bottom).

    Example:
        >>> tapegrad.nn.CircularPad2d((1, 2, 0, 1))(tapegrad.ones(1, 1, 4, 4)).shape
        torch.Size([1, 1, 5, 7])
    """

    dims = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """A volume with its other end before and after it.

    Args:
        padding: a number, or one for each side (left, right, top, bottom, front, back).

    Example:
        >>> tapegrad.nn.CircularPad3d((1, 2, 0, 1, 1, 0))(tapegrad.ones(1, 1, 4, 4, 4)).shape
        torch.Size([1, 1, 5, 5, 7])
    """

    dims = 3
    mode = "circular"


__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d",
    "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]
