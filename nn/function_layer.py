"""`FunctionLayer`: what most layers are, a function of `tapegrad.nn.functional` with its arguments as attributes."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.nn.module import Module


class FunctionLayer(Module):
    """A layer of one function.

    Attributes:
        function: what it computes; a layer that passes on more than its input defines `forward`.
        shown: the names of the attributes in its repr.
    """

    function: Callable[..., Any]
    shown: tuple[str, ...] = ()

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)
