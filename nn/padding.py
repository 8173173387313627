"""Padding layers. `padding` is one number for all sides, or one for each: left, right, top, bottom, front, back."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.nn import functional as F
from tapegrad.nn.conv import tuple_of
from tapegrad.nn.function_layer import FunctionLayer


class _Pad(FunctionLayer):
    """A layer that pads the last `dims` dimensions."""

    dims: int
    mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = tuple_of(padding, 2 * self.dims)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ReflectionPad(_Pad):
    mode = "reflect"


class _ReplicationPad(_Pad):
    mode = "replicate"


class _CircularPad(_Pad):
    mode = "circular"


class ConstantPad1d(_ConstantPad):
    """A sequence with a constant around it. See `tapegrad.nn.functional.pad`."""

    dims = 1


class ConstantPad2d(_ConstantPad):
    """An image with a constant around it. See `tapegrad.nn.functional.pad`."""

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A volume with a constant around it. See `tapegrad.nn.functional.pad`."""

    dims = 3


class ZeroPad1d(_ZeroPad):
    """A sequence with zeros around it. See `tapegrad.nn.functional.pad`."""

    dims = 1


class ZeroPad2d(_ZeroPad):
    """An image with zeros around it. See `tapegrad.nn.functional.pad`."""

    dims = 2


class ZeroPad3d(_ZeroPad):
    """A volume with zeros around it. See `tapegrad.nn.functional.pad`."""

    dims = 3


class ReflectionPad1d(_ReflectionPad):
    """A sequence with its mirror image beyond each edge. See `tapegrad.nn.functional.pad`."""

    dims = 1


class ReflectionPad2d(_ReflectionPad):
    """An image with its mirror image beyond each edge. See `tapegrad.nn.functional.pad`."""

    dims = 2


class ReflectionPad3d(_ReflectionPad):
    """A volume with its mirror image beyond each edge. See `tapegrad.nn.functional.pad`."""

    dims = 3


class ReplicationPad1d(_ReplicationPad):
    """A sequence with its edges repeated. See `tapegrad.nn.functional.pad`."""

    dims = 1


class ReplicationPad2d(_ReplicationPad):
    """An image with its edges repeated. See `tapegrad.nn.functional.pad`."""

    dims = 2


class ReplicationPad3d(_ReplicationPad):
    """A volume with its edges repeated. See `tapegrad.nn.functional.pad`."""

    dims = 3


class CircularPad1d(_CircularPad):
    """A sequence with its other end before and after it. See `tapegrad.nn.functional.pad`."""

    dims = 1


class CircularPad2d(_CircularPad):
    """An image with its other end before and after it. See `tapegrad.nn.functional.pad`."""

    dims = 2


class CircularPad3d(_CircularPad):
    """A volume with its other end before and after it. See `tapegrad.nn.functional.pad`."""

    dims = 3


__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]
