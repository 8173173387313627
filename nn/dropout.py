"""Dropout layers, which do nothing in evaluation mode."""

from __future__ import annotations

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.nn import functional as F
from tapegrad.nn.function_layer import FunctionLayer
from tapegrad.nn.functional.dropout import check_probability


class _Dropout(FunctionLayer):
    shown = ("p", "inplace")

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.p, self.training, self.inplace)


class Dropout(_Dropout):
    """See `tapegrad.nn.functional.dropout`.

    Source: Srivastava et al., "Dropout" (2014).
    """

    function = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """`Dropout` of whole channels of sequences: inputs of shape (N, C, L) or (C, L)."""

    function = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """`Dropout` of whole channels of images: inputs of shape (N, C, H, W) or (C, H, W)."""

    function = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """`Dropout` of whole channels of volumes: inputs of shape (N, C, D, H, W) or (C, D, H, W)."""

    function = staticmethod(F.dropout3d)


__all__ = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]
