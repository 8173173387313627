"""Dropout layers."""
from __future__ import annotations

from typing import Any

from tapegrad.nn import functional as F
from tapegrad.nn.module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """When training, sets elements to zero at random, and scales up the others.

    Args:
        p: the probability of zero.
        inplace: write to the input.

    Raises:
        ValueError: `p` is no probability.

    Source: Srivastava et al., "Dropout" (2014).

    Example:
        >>> tapegrad.nn.Dropout(0.5).eval()(tapegrad.ones(3))
        tensor([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """`Dropout` of whole channels of sequences: inputs of shape (N, C, L) or (C, L).

    Example:
        >>> tapegrad.nn.Dropout1d(0.5).eval()(tapegrad.ones(1, 2))
        tensor([[1., 1.]])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """`Dropout` of whole channels of images: inputs of shape (N, C, H, W) or (C, H, W).

    Example:
        >>> tapegrad.nn.Dropout2d(0.5).eval()(tapegrad.ones(1, 1, 2))
        tensor([[[1., 1.]]])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """`Dropout` of whole channels of volumes: inputs of shape (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> tapegrad.nn.Dropout3d(0.5).eval()(tapegrad.ones(1, 1, 1, 2))
        tensor([[[[1., 1.]]]])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


__all__ = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]
