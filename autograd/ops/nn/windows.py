"""The windows of convolutions and poolings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

from tapegrad.autograd.dispatch.decorator import composite
from tapegrad.autograd.ops.common.families import documented
from tapegrad.backends import Array, xp

#: a number for each dimension, or one for all
Dims = int | Sequence[int]
Shape = tuple[int, ...]


def per_dimension(value: Dims, dims: int) -> Shape:
    """A number for each dimension, if `value` has one or as many."""
    if isinstance(value, int):
        return (value,) * dims
    value = tuple(value)
    return value * dims if len(value) == 1 else value


def functional(
    function: Callable[..., Any], name: str, dims: int, summary: str, call: str, result: str
) -> Callable[..., Any]:
    """Publish a member of a family as ``nn.functional.<name>``.

    Args:
        function: the member of `dims` dimensions.
        summary: its docstring, with ``{dims}``, ``{inputs}``, ``{space}`` and ``{kernel}`` for what differs.
        call, result: what the docstring's example calls it with, and what that prints.
    """
    inputs = ("a sequence", "an image", "a volume")[dims - 1]
    space = ("L", "H, W", "D, H, W")[dims - 1]
    kernel = ", ".join(f"k{axis}" for axis in space.split(", "))
    summary = summary.format(dims=dims, inputs=inputs, space=space, kernel=kernel)
    return composite()(documented(function, name, summary, f"tapegrad.nn.functional.{name}({call})", result))


class Windows(NamedTuple):
    """The windows over the last dimensions of an input; each field has an entry for each of them.

    Attributes:
        kernel: the size of a window.
        stride: the step from one window to the next.
        padding: how much is put before the input, and after it.
        dilation: the step between a window's elements.
        positions: how many windows there are.
    """

    kernel: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    positions: Shape

    def slices(self) -> list[tuple[Any, ...]]:
        """For each element of a window, the index of what it meets in the padded input, in all windows."""
        return [
            (
                ...,
                *[
                    slice(i * d, i * d + s * (n - 1) + 1, s)
                    for i, d, s, n in zip(offset, self.dilation, self.stride, self.positions)
                ],
            )
            for offset in product(*map(range, self.kernel))
        ]

    def padded(self, shape: Shape) -> Shape:
        """The padded shape of an input of `shape`."""
        lead = len(shape) - len(self.kernel)
        return (*shape[:lead], *[n + sum(p) for n, p in zip(shape[lead:], self.padding)])

    def interior(self, shape: Shape) -> tuple[Any, ...]:
        """The index of an input of `shape` in the padded one."""
        space = shape[len(shape) - len(self.kernel) :]
        return (..., *[slice(p[0], p[0] + n) for n, p in zip(space, self.padding)])

    def pad(self, x: Array, value: float = 0) -> Array:
        """`x` with `value` around it."""
        if not any(map(any, self.padding)):
            return x
        shape = self.padded(x.shape)
        whole = xp(x).full(shape, value, x.dtype) if value else xp(x).zeros(shape, x.dtype)
        whole[self.interior(x.shape)] = x
        return whole
