"""`FunctionLayer`: what most layers are, a function of `tapegrad.nn.functional` with its arguments as attributes."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "function" in cls.__dict__ and "forward" not in cls.__dict__:
            # Errors and `explain` show the name of the running `forward`: each layer's is its own, not its base's.
            forward: Any = cls.forward
            code = forward.__code__.replace(co_qualname=f"{cls.__qualname__}.forward")
            own = FunctionType(code, forward.__globals__, "forward", forward.__defaults__, forward.__closure__)
            own.__annotations__ = forward.__annotations__
            cls.forward = own  # type: ignore[method-assign]

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)
