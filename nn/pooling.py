"""Pooling layers."""
from __future__ import annotations

from typing import Any

from tapegrad.nn import functional as F
from tapegrad.nn.conv import tuple_of
from tapegrad.nn.module import Module


class _MaxPool(Module):
    dims: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, return_indices: bool = False,
                 ceil_mode: bool = False) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        """The largest value of each window."""
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.dims - 1]
        return pool(input, self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode, return_indices=self.return_indices)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool):
    """The largest value in each window of a sequence.

    Args:
        kernel_size: the size of a window.
        stride: the step from one window to the next; None: `kernel_size`.
        padding: minus infinities put on both sides.
        dilation: the step between a window's elements.
        return_indices: also return where the largest values stand.
        ceil_mode: also use a last window that is cut off.

    Example:
        >>> tapegrad.nn.MaxPool1d(2)(tapegrad.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[3., 2.]])
    """

    dims = 1


class MaxPool2d(_MaxPool):
    """The largest value in each window of an image; arguments as in `MaxPool1d`, with a number or a pair for each of the sizes.

    Example:
        >>> tapegrad.nn.MaxPool2d(2)(tapegrad.ones(1, 3, 28, 28)).shape
        torch.Size([1, 3, 14, 14])
    """

    dims = 2


class MaxPool3d(_MaxPool):
    """The largest value in each window of a volume; arguments as in `MaxPool1d`, with a number or a triple for each of the sizes.

    Example:
        >>> tapegrad.nn.MaxPool3d(2)(tapegrad.ones(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    dims = 3


class AvgPool1d(Module):
    """The mean of each window of a sequence.

    Args:
        kernel_size: the size of a window.
        stride: the step from one window to the next; None: `kernel_size`.
        padding: zeros put on both sides.
        ceil_mode: also use a last window that is cut off.
        count_include_pad: count the padding among a window's elements.

    Example:
        >>> tapegrad.nn.AvgPool1d(2)(tapegrad.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[2., 1.]])
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True) -> None:
        super().__init__()
        self.kernel_size = tuple_of(kernel_size, 1)
        self.stride = tuple_of(kernel_size if stride is None else stride, 1)
        self.padding = tuple_of(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Any) -> Any:
        """The means."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window of an image.

    Args:
        kernel_size: the size of a window; a number or a pair, as the next two.
        stride: the step from one window to the next; None: `kernel_size`.
        padding: zeros put on both sides.
        ceil_mode: also use a last window that is cut off.
        count_include_pad: count the padding among a window's elements.
        divisor_override: divide by this instead of the number of elements.

    Example:
        >>> tapegrad.nn.AvgPool2d(2)(tapegrad.ones(1, 3, 28, 28)).shape
        torch.Size([1, 3, 14, 14])
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
                 divisor_override: int | None = None) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        """The means."""
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """The mean of each window of a volume; arguments as in `AvgPool2d`, with a number or a triple for each of the sizes.

    Example:
        >>> tapegrad.nn.AvgPool3d(2)(tapegrad.ones(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    def forward(self, input: Any) -> Any:
        """The means."""
        return F.avg_pool3d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override)


class _AdaptiveAvgPool(Module):
    dims: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """The means."""
        pool = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[self.dims - 1]
        return pool(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of a given number of windows of a sequence.

    Args:
        output_size: how many windows.

    Example:
        >>> tapegrad.nn.AdaptiveAvgPool1d(2)(tapegrad.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[2., 1.]])
    """

    dims = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of a given number of windows of an image.

    Args:
        output_size: how many windows, a number or a pair; None: as many as there are elements.

    Example:
        >>> tapegrad.nn.AdaptiveAvgPool2d((5, None))(tapegrad.ones(1, 3, 8, 9)).shape
        torch.Size([1, 3, 5, 9])
    """

    dims = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of a given number of windows of a volume; arguments as in `AdaptiveAvgPool2d`, with a triple for the pair.

    Example:
        >>> tapegrad.nn.AdaptiveAvgPool3d(1)(tapegrad.ones(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 1, 1, 1])
    """

    dims = 3


__all__ = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d"]
