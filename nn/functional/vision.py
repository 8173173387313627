"""Rearranging and resizing images."""
from __future__ import annotations

import math
from typing import Any

from tapegrad.autograd.ops.creation.ranges import arange
from tapegrad.autograd.types import dtypes


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Turn groups of channels into finer pixels: (..., C r r, H, W) becomes (..., C, H r, W r).

    Raises:
        RuntimeError: the channels cannot be cut so.

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution" (2016).

    Example:
        >>> tapegrad.nn.functional.pixel_shuffle(tapegrad.ones(1, 8, 2, 2), 2).shape
        torch.Size([1, 2, 4, 4])
    """
    if input.ndim < 3:
        raise RuntimeError(f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)")
    r = upscale_factor
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)="
                           f"{c} is not divisible by {r * r}")
    n = len(lead)
    return (input.reshape(*lead, c // (r * r), r, r, h, w).permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
            .reshape(*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Undo `pixel_shuffle`: (..., C, H r, W r) becomes (..., C r r, H, W).

    Raises:
        RuntimeError: height or width cannot be cut so.

    Example:
        >>> tapegrad.nn.functional.pixel_unshuffle(tapegrad.ones(1, 2, 4, 4), 2).shape
        torch.Size([1, 8, 2, 2])
    """
    if input.ndim < 3:
        raise RuntimeError(f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)")
    r = downscale_factor
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    for name, n in (("height", h), ("width", w)):
        if n % r:
            dim = -2 if name == "height" else -1
            raise RuntimeError(f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({dim})={n} is not divisible by {r}")
    n = len(lead)
    return (input.reshape(*lead, c, h // r, r, w // r, r).permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
            .reshape(*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: Any, groups: int) -> Any:
    """Deal the channels out anew: those of each group go to all groups.

    Example:
        >>> tapegrad.nn.functional.channel_shuffle(tapegrad.arange(4.0).reshape(1, 4, 1), 2).flatten()
        tensor([0., 2., 1., 3.])
    """
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    batch, channels, *space = input.shape
    if groups <= 0 or channels % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups.")
    return input.reshape(batch, groups, channels // groups, *space).transpose(1, 2).reshape(batch, channels, *space)


def interpolate(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
                recompute_scale_factor: bool | None = None, antialias: bool = False) -> Any:
    """Resize sequences, images or volumes by taking, for each new place, the nearest old one.

    Args:
        input: of shape (N, C, ...), with one to three dimensions of space.
        size: of the new space; a number for all dimensions, or one for each.
        scale_factor: instead of `size`, how much larger it is.
        mode: "nearest" (the place whose left edge is nearest) or "nearest-exact" (whose middle is).
        align_corners: only for modes that are not offered.
        recompute_scale_factor: use the ratio of the sizes, not `scale_factor`, to find places.
        antialias: only for modes that are not offered.

    Raises:
        ValueError: neither or both of `size` and `scale_factor` are given, or they do not fit.
        NotImplementedError: another mode.

    Example:
        >>> tapegrad.nn.functional.interpolate(tapegrad.tensor([[[1.0, 2.0]]]), scale_factor=2)
        tensor([[[1., 1., 2., 2.]]])
    """
    if mode not in ("nearest", "nearest-exact"):
        raise NotImplementedError(f"interpolate(): mode '{mode}' is not offered; there are 'nearest' and 'nearest-exact'")
    if align_corners is not None:
        raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
    if antialias:
        raise ValueError("Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input")
    space = input.shape[2:]
    dims = len(space)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    what = "size" if size is not None else "scale_factor"
    given = size if size is not None else scale_factor
    if isinstance(given, (tuple, list)):
        if len(given) != dims:
            raise ValueError(f"Input and {'output' if what == 'size' else what} must have the same number of spatial dimensions, but got input with spatial "
                             f"dimensions of {list(space)} and {'output size' if what == 'size' else what} of {given}.")
    else:
        given = [given] * dims
    if size is None:
        scales = [1 / s for s in given]
        sizes = [math.floor(n * s) for n, s in zip(space, given)]
    else:
        scales = [n / s for n, s in zip(space, given)]
        sizes = [int(s) for s in given]
    if recompute_scale_factor:
        scales = [n / s for n, s in zip(space, sizes)]
    for i, (n, new, scale) in enumerate(zip(space, sizes, scales)):
        if new != n or scale != 1:
            input = _nearest(input, 2 + i, new, scale, 0.5 if mode == "nearest-exact" else 0.0)
    return input


def _nearest(input: Any, dim: int, size: int, scale: float, offset: float) -> Any:
    """The elements along `dim` that are nearest to `size` new places."""
    n = input.shape[dim]
    places = [min(int((i + offset) * scale), n - 1) for i in range(size)]
    if size % n == 0 and places == [i // (size // n) for i in range(size)]:
        return input.unsqueeze(dim + 1).expand(*input.shape[:dim + 1], size // n, *input.shape[dim + 1:]).reshape(*input.shape[:dim], size,
                                                                                                              *input.shape[dim + 1:])
    on_device = ((arange(size, dtype=dtypes.float64, device=input.device) + offset) * scale).long().clamp(max=n - 1)  # made there: a list would be a copy
    return input.index_select(dim, on_device)


__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle"]
