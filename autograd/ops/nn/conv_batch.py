"""Convolutions within a batch: the members are more images, or, where each has a weight of its own, more groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.operand import Operand


def per_channel(bias: Operand, geometry: Any, shape: tuple[int, ...]) -> Operand:
    """A bias as large as the result."""
    return bias.reshape((-1,) + (1,) * len(geometry.stride)).expand(shape)


def _images(t: Operand, is_batched: bool, geometry: Any) -> Operand:
    """`t` as (members, images, channels, ...); one member where it is the same for all."""
    if not is_batched:
        t = t[None]
    return t if t.ndim == len(geometry.stride) + 3 else t[:, None]


def _as_groups(t: Operand, size: int) -> Operand:
    """Images of all members as (images, members * channels, ...)."""
    t = t.expand(size, *t.shape[1:]).transpose(0, 1)
    return t.reshape((t.shape[0], t.shape[1] * t.shape[2], *t.shape[3:]))


def _size(batched: frozenset[str], **operands: Operand) -> int:
    return int(next(t.shape[0] for name, t in operands.items() if name in batched))


def conv_in_batch(
    conv: Callable[..., Operand],
    batched: frozenset[str],
    input: Operand,
    weight: Operand,
    shape: tuple[int, ...] | None,
    geometry: Any,
    bias: Operand,
) -> Operand:
    """``conv(input, weight, [shape,] geometry, bias)`` for each member.

    Args:
        conv: a convolution, or (with `shape`, that of the result) its adjoint.
        batched: which operands have the members in front.
        shape: of one member's result; None for a convolution.
        geometry: of one member's convolution.
    """
    dims = len(geometry.stride)

    def of_images(x: Operand, w: Operand, members: int, bias: Operand) -> Operand:
        in_groups = geometry._replace(groups=geometry.groups * members)
        if shape is None:
            return conv(x, w, in_groups, bias)
        channels, *space = shape[-dims - 1 :]
        return conv(x, w, (len(x), channels * members, *space), in_groups, bias)

    single = (input.ndim - ("input" in batched)) == dims + 1
    x = _images(input, "input" in batched, geometry)
    members, n = x.shape[:2]
    if "weight" in batched:
        size = _size(batched, input=input, weight=weight)
        y = of_images(_as_groups(x, size), weight.reshape((size * weight.shape[1], *weight.shape[2:])), size, None)
        y = y.reshape((n, size, y.shape[1] // size, *y.shape[2:])).transpose(0, 1)
    else:
        common = None if "bias" in batched else bias
        y = of_images(x.reshape((members * n, *x.shape[2:])), weight, 1, common)
        y = y.reshape((members, n, *y.shape[1:]))
        bias = bias if common is None else None
    if bias is not None:
        y = y + bias.reshape((-1 if "bias" in batched else 1, 1, bias.shape[-1]) + (1,) * dims)
    return y[:, 0] if single else y


def to_weight_in_batch(
    to_weight: Callable[..., Operand],
    batched: frozenset[str],
    output: Operand,
    input: Operand,
    shape: tuple[int, ...],
    geometry: Any,
) -> Operand:
    """The gradient of the weight for each member: members are groups."""
    size = _size(batched, output=output, input=input)
    y, x = _images(output, "output" in batched, geometry), _images(input, "input" in batched, geometry)
    in_groups = geometry._replace(groups=geometry.groups * size)
    d = to_weight(_as_groups(y, size), _as_groups(x, size), (size * shape[0], *shape[1:]), in_groups)
    return d.reshape((size, *shape))
