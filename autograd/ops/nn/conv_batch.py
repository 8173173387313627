"""Convolutions within a batch: the members are more images, or, where each has a weight of its own, more groups."""

from __future__ import annotations

from typing import Any


def per_channel(bias: Any, geometry: Any, shape: tuple[int, ...]) -> Any:
    """A bias as large as the result."""
    return bias.reshape((-1,) + (1,) * len(geometry.stride)).expand(shape)


def _images(t: Any, is_batched: bool, geometry: Any) -> Any:
    """`t` as (members, images, channels, ...); one member where it is the same for all."""
    if not is_batched:
        t = t[None]
    return t if t.ndim == len(geometry.stride) + 3 else t[:, None]


def _as_groups(t: Any, size: int) -> Any:
    """Images of all members as (images, members * channels, ...)."""
    t = t.expand(size, *t.shape[1:]).transpose(0, 1)
    return t.reshape((t.shape[0], t.shape[1] * t.shape[2], *t.shape[3:]))


def _size(batched: frozenset[str], **operands: Any) -> int:
    return int(next(t.shape[0] for name, t in operands.items() if name in batched))


def conv_in_batch(
    conv: Any, batched: frozenset[str], input: Any, weight: Any, shape: tuple[int, ...] | None, geometry: Any, bias: Any
) -> Any:
    """``conv(input, weight, [shape,] geometry, bias)`` for each member.

    Args:
        conv: a convolution, or (with `shape`, that of the result) its adjoint.
        batched: which operands have the members in front.
        input, weight, bias: the operands.
        shape: of one member's result; None for a convolution.
        geometry: of one member's convolution.
    """
    size = _size(batched, input=input, weight=weight, bias=bias)
    single = (input.ndim - ("input" in batched)) == len(geometry.stride) + 1
    if "weight" not in batched and "input" not in batched:
        y = conv(input, weight, geometry) if shape is None else conv(input, weight, shape, geometry)
        y = y[None] if not single else y[None, None]
    else:
        x = _images(input, "input" in batched, geometry)
        n = x.shape[1]
        if "weight" not in batched:
            folded = x.reshape((x.shape[0] * n, *x.shape[2:]))
            if shape is None and "bias" not in batched:
                y = conv(folded, weight, geometry, bias)
                bias = None
            else:
                y = (
                    conv(folded, weight, geometry)
                    if shape is None
                    else conv(folded, weight, (len(folded), *shape[-len(geometry.stride) - 1 :]), geometry)
                )
            y = y.reshape((size, n, *y.shape[1:]))
        else:
            folded, kernels = _as_groups(x, size), weight.reshape((size * weight.shape[1], *weight.shape[2:]))
            groups = geometry._replace(groups=geometry.groups * size)
            if shape is None:
                y = conv(folded, kernels, groups)
            else:
                channels, *space = shape[-len(geometry.stride) - 1 :]
                y = conv(folded, kernels, (n, size * channels, *space), groups)
            y = y.reshape((n, size, y.shape[1] // size, *y.shape[2:])).transpose(0, 1)
    if bias is not None:
        y = y + bias.reshape((-1 if "bias" in batched else 1, 1, bias.shape[-1]) + (1,) * len(geometry.stride))
    return y[:, 0] if single else y


def to_weight_in_batch(
    to_weight: Any, batched: frozenset[str], output: Any, input: Any, shape: tuple[int, ...], geometry: Any
) -> Any:
    """The gradient of the weight for each member: members are groups."""
    size = _size(batched, output=output, input=input)
    y, x = _images(output, "output" in batched, geometry), _images(input, "input" in batched, geometry)
    found = to_weight(
        _as_groups(y, size),
        _as_groups(x, size),
        (size * shape[0], *shape[1:]),
        geometry._replace(groups=geometry.groups * size),
    )
    return found.reshape((size, *shape))
