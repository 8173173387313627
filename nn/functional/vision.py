"""Rearranging and resizing images."""

from __future__ import annotations

import math
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.creation.ranges import arange
from tapegrad.autograd.types import dtypes


def _check_shuffle(name: str, input: Tensor, factor_name: str, factor: int) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {factor_name}, but got {factor}")


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Turn groups of channels into finer pixels: (..., C r r, H, W) becomes (..., C, H r, W r).

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution" (2016).

    Example:
        >>> tapegrad.nn.functional.pixel_shuffle(tapegrad.ones(1, 8, 2, 2), 2).shape
        torch.Size([1, 2, 4, 4])
    """
    r = upscale_factor
    _check_shuffle("pixel_shuffle", input, "upscale_factor", r)
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    c //= r * r
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return input.reshape(*lead, c, r, r, h, w).permute(*order).reshape(*lead, c, h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Undo `pixel_shuffle`: (..., C, H r, W r) becomes (..., C r r, H, W).

    Example:
        >>> tapegrad.nn.functional.pixel_unshuffle(tapegrad.ones(1, 2, 4, 4), 2).shape
        torch.Size([1, 8, 2, 2])
    """
    r = downscale_factor
    _check_shuffle("pixel_unshuffle", input, "downscale_factor", r)
    *lead, c, h, w = input.shape
    for name, dim, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but input.size({dim})={size} is not divisible by {r}"
            )
    n = len(lead)
    h, w = h // r, w // r
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return input.reshape(*lead, c, h, r, w, r).permute(*order).reshape(*lead, c * r * r, h, w)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave the groups of channels: the first channel of each group, then the second of each, and so on.

    Example:
        >>> tapegrad.nn.functional.channel_shuffle(tapegrad.arange(4.0).reshape(1, 4, 1), 2).flatten()
        tensor([0., 2., 1., 3.])
    """
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    batch, channels, *space = input.shape
    if groups <= 0 or channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    split = input.reshape(batch, groups, channels // groups, *space)
    return split.transpose(1, 2).reshape(batch, channels, *space)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize sequences, images or volumes; each new element is the nearest old one.

    Args:
        input: of shape (N, C, ...), with one to three dimensions of space.
        size: of the new space; a number for all dimensions, or one for each.
        scale_factor: instead of `size`, how much larger it is.
        mode: "nearest" (the element whose left edge is nearest) or "nearest-exact" (whose middle is).
        align_corners: only for modes that are not offered, as is `antialias`.
        recompute_scale_factor: find elements by the ratio of the sizes, not by `scale_factor`.

    Raises:
        ValueError: neither or both of `size` and `scale_factor` are given, or they do not fit.
        NotImplementedError: another mode.

    Example:
        >>> tapegrad.nn.functional.interpolate(tapegrad.tensor([[[1.0, 2.0]]]), scale_factor=2)
        tensor([[[1., 1., 2., 2.]]])
    """
    if mode not in ("nearest", "nearest-exact"):
        raise NotImplementedError(
            f"interpolate(): mode '{mode}' is not offered; there are 'nearest' and 'nearest-exact'"
        )
    if align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    if antialias:
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        )
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    space = input.shape[2:]
    if size is not None:
        given = _per_dimension("output", "output size", size, space)
        sizes = [int(new) for new in given]
        scales = [n / new for n, new in zip(space, given)]
    elif scale_factor is not None:
        factors = _per_dimension("scale_factor", "scale_factor", scale_factor, space)
        sizes = [math.floor(n * factor) for n, factor in zip(space, factors)]
        scales = [1 / factor for factor in factors]
    else:
        raise ValueError("either size or scale_factor should be defined")
    if recompute_scale_factor:
        scales = [n / new for n, new in zip(space, sizes)]
    for i, (n, new, scale) in enumerate(zip(space, sizes, scales)):
        if new != n or scale != 1:
            input = _nearest(input, 2 + i, new, scale, 0.5 if mode == "nearest-exact" else 0.0)
    return input


def _per_dimension(what: str, kind: str, value: Any, space: tuple[int, ...]) -> list[Any]:
    if not isinstance(value, (tuple, list)):
        return [value] * len(space)
    if len(value) != len(space):
        raise ValueError(
            f"Input and {what} must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(space)} and {kind} of {value}."
        )
    return list(value)


def _nearest(input: Tensor, dim: int, size: int, scale: float, offset: float) -> Tensor:
    """`size` elements along `dim`, the nearest to ``(i + offset) * scale``."""
    n = input.shape[dim]
    index = [min(int((i + offset) * scale), n - 1) for i in range(size)]
    times = size // n
    if size % n == 0 and index == [i // times for i in range(size)]:
        before, after = input.shape[:dim], input.shape[dim + 1 :]
        return input.unsqueeze(dim + 1).expand(*before, n, times, *after).reshape(*before, size, *after)
    # The index is computed on the device: the list would be a copy from the host.
    positions = (arange(size, dtype=dtypes.float64, device=input.device) + offset) * scale
    return input.index_select(dim, positions.long().clamp(max=n - 1))


__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle"]
