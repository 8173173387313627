"""The windows of convolutions and poolings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

from tapegrad.backends import Array, xp

#: a number for each dimension, or one for all
Dims = int | Sequence[int]


def per_dimension(value: Dims, dims: int) -> tuple[int, ...]:
    """A number for each dimension, if `value` has one or as many."""
    if isinstance(value, int):
        return (value,) * dims
    value = tuple(value)
    return value * dims if len(value) == 1 else value


class Windows(NamedTuple):
    """The windows over the last dimensions of an input; each field has an entry for each of them.

    Attributes:
        kernel: the size of a window.
        stride: the step from one window to the next.
        padding: how much is put before the input, and after it.
        dilation: the step between a window's elements.
        positions: how many windows there are.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    positions: tuple[int, ...]

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

    def padded(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The padded shape of an input of `shape`."""
        lead = len(shape) - len(self.kernel)
        return (*shape[:lead], *[n + sum(p) for n, p in zip(shape[lead:], self.padding)])

    def interior(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
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
