"""`Flatten` and `Unflatten`."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.nn.function_layer import FunctionLayer


class Flatten(FunctionLayer):
    """Joins the dimensions from `start_dim` to `end_dim`; see `tapegrad.flatten`.

    Example:
        >>> tapegrad.nn.Flatten()(tapegrad.ones(2, 3, 4)).shape
        torch.Size([2, 12])
    """

    shown = ("start_dim", "end_dim")

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(FunctionLayer):
    """Cuts the dimension `dim` into several, of the sizes `unflattened_size`; see `tapegrad.unflatten`.

    Example:
        >>> tapegrad.nn.Unflatten(1, (3, 4))(tapegrad.ones(2, 12)).shape
        torch.Size([2, 3, 4])
    """

    shown = ("dim", "unflattened_size")

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}"
            )
        for i, n in enumerate(unflattened_size):
            if not isinstance(n, int):
                raise TypeError(
                    f"unflattened_size must be tuple of ints, but found element of type {type(n).__name__} at pos {i}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)


__all__ = ["Flatten", "Unflatten"]
