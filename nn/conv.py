"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.creation.factories import empty
from tapegrad.nn import functional as F
from tapegrad.nn import init
from tapegrad.nn.function_layer import FunctionLayer
from tapegrad.nn.parameter import Parameter


def tuple_of(value: Any, n: int) -> tuple[Any, ...]:
    """`value`, or `n` times that."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


class _Conv(FunctionLayer):
    """What convolutions have in common; `dims` is the number of spatial dimensions."""

    dims: int
    transposed = False
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        self.stride = tuple_of(stride, self.dims)
        if isinstance(padding, str):
            strings = {"same", "valid"}
            if padding not in strings:
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {strings}")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        modes = {"zeros", "reflect", "replicate", "circular"}
        if padding_mode not in modes:
            raise ValueError(f"padding_mode must be one of {modes}, but got padding_mode='{padding_mode}'")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = tuple_of(kernel_size, self.dims)
        self.padding = padding if isinstance(padding, str) else tuple_of(padding, self.dims)
        self.dilation = tuple_of(dilation, self.dims)
        self.output_padding = tuple_of(output_padding, self.dims)
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._pads()
        shape = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty(*shape, *self.kernel_size, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def _pads(self) -> list[int]:
        """The padding as `functional.pad` takes it: last dimension first, before and after."""
        if isinstance(self.padding, str):
            sums = [d * (k - 1) if self.padding == "same" else 0 for d, k in zip(self.dilation, self.kernel_size)]
            pairs = [(n // 2, n - n // 2) for n in sums]
        else:
            pairs = [(p, p) for p in self.padding]
        return [n for pair in reversed(pairs) for n in pair]

    def reset_parameters(self) -> None:
        """Draw weight and bias from a uniform distribution within one over the root of the fan-in."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        zeros, ones = (0,) * self.dims, (1,) * self.dims
        for name, usual in (("padding", zeros), ("dilation", ones), ("output_padding", zeros), ("groups", 1)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _PlainConv(_Conv):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return self.function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_PlainConv):
    """See `tapegrad.nn.functional.conv1d`; weight and bias are learnt.

    Args:
        padding_mode: "zeros", "reflect", "replicate" or "circular".

    Example:
        >>> tapegrad.nn.Conv1d(3, 8, 5)(tapegrad.ones(2, 3, 20)).shape
        torch.Size([2, 8, 16])
    """

    dims = 1
    function = staticmethod(F.conv1d)


class Conv2d(_PlainConv):
    """`Conv1d` for images: inputs of shape (N, C, H, W) or (C, H, W); each size is a number or a pair.

    Example:
        >>> tapegrad.nn.Conv2d(3, 8, 3, padding=1)(tapegrad.ones(2, 3, 28, 28)).shape
        torch.Size([2, 8, 28, 28])
    """

    dims = 2
    function = staticmethod(F.conv2d)


class Conv3d(_PlainConv):
    """`Conv1d` for volumes: inputs of shape (N, C, D, H, W) or (C, D, H, W); each size is a number or a triple."""

    dims = 3
    function = staticmethod(F.conv3d)


class _ConvTranspose(_Conv):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The transposed convolution.

        Args:
            output_size: which of the sizes that a convolution would reduce to the input's, instead of `output_padding`.
        """
        output_padding = self.output_padding if output_size is None else self._output_padding_for(input, output_size)
        return self.function(
            input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation
        )

    def _output_padding_for(self, input: Tensor, size: Sequence[int]) -> tuple[int, ...]:
        d = self.dims
        lead = input.ndim - d
        if len(size) == lead + d:
            size = size[lead:]
        if len(size) != d:
            raise ValueError(
                f"ConvTranspose{d}D: for {input.ndim}D input, output_size must have {d} or {lead + d} "
                f"elements (got {len(size)})"
            )
        least = [
            (n - 1) * s - 2 * p + (f * (k - 1) + 1 if f else k)
            for n, s, p, f, k in zip(input.shape[lead:], self.stride, self.padding, self.dilation, self.kernel_size)
        ]
        most = [n + s - 1 for n, s in zip(least, self.stride)]
        if any(not low <= n <= high for low, n, high in zip(least, size, most)):
            raise ValueError(
                f"requested an output size of {size}, but valid sizes range from {least} to {most} "
                f"(for an input of {input.size()[2:]})"
            )
        return tuple(n - low for n, low in zip(size, least))


class ConvTranspose1d(_ConvTranspose):
    """See `tapegrad.nn.functional.conv_transpose1d`; weight and bias are learnt, `padding_mode` is "zeros".

    Example:
        >>> tapegrad.nn.ConvTranspose1d(3, 8, 4, stride=2)(tapegrad.ones(2, 3, 10)).shape
        torch.Size([2, 8, 22])
    """

    dims = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """`ConvTranspose1d` for images: inputs of shape (N, C, H, W) or (C, H, W); each size is a number or a pair."""

    dims = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """`ConvTranspose1d` for volumes: inputs of shape (N, C, D, H, W) or (C, D, H, W); sizes are numbers or triples."""

    dims = 3
    function = staticmethod(F.conv_transpose3d)


__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]
