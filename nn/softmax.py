"""Softmax and its kin as layers."""
from __future__ import annotations

from typing import Any

from tapegrad.nn import functional as F
from tapegrad.nn.module import Module


class Softmax(Module):
    """``exp(input)`` over its sum along a dimension.

    Args:
        dim: the dimension.

    Example:
        >>> tapegrad.nn.Softmax(0)(tapegrad.tensor([0.0, 0.0]))
        tensor([0.5000, 0.5000])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.softmax(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """`Softmax` of ``-input``.

    Args:
        dim: the dimension.

    Example:
        >>> tapegrad.nn.Softmin(0)(tapegrad.tensor([0.0, 0.0]))
        tensor([0.5000, 0.5000])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.softmin(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of `Softmax`, without overflow.

    Args:
        dim: the dimension.

    Example:
        >>> tapegrad.nn.LogSoftmax(0)(tapegrad.tensor([0.0, 0.0]))
        tensor([-0.6931, -0.6931])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.log_softmax(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """`Softmax` over the channels of images: inputs of shape (N, C, H, W) or (C, H, W).

    Raises:
        ValueError: the input has another number of dimensions.

    Example:
        >>> tapegrad.nn.Softmax2d()(tapegrad.zeros(2, 1, 1)).flatten()
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3, _stacklevel=5)


__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]
