"""Rearranging and resizing images, as layers."""
from __future__ import annotations

from typing import Any

from tapegrad.nn import functional as F
from tapegrad.nn.module import Module


class PixelShuffle(Module):
    """Turns groups of channels into finer pixels: (..., C r r, H, W) becomes (..., C, H r, W r).

    Args:
        upscale_factor: the r.

    Example:
        >>> tapegrad.nn.PixelShuffle(2)(tapegrad.ones(1, 8, 2, 2)).shape
        torch.Size([1, 2, 4, 4])
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Any) -> Any:
        """The finer image."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Undoes `PixelShuffle`: (..., C, H r, W r) becomes (..., C r r, H, W).

    Args:
        downscale_factor: the r.

    Example:
        >>> tapegrad.nn.PixelUnshuffle(2)(tapegrad.ones(1, 2, 4, 4)).shape
        torch.Size([1, 8, 2, 2])
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Any) -> Any:
        """The coarser image."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Deals the channels out anew: those of each group go to all groups.

    Args:
        groups: how many groups.

    Example:
        >>> tapegrad.nn.ChannelShuffle(2)(tapegrad.arange(4.0).reshape(1, 4, 1)).flatten()
        tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Upsample(Module):
    """Resizes sequences, images or volumes by taking, for each new place, the nearest old one.

    Args:
        size: of the new space.
        scale_factor: instead of `size`, how much larger it is.
        mode: "nearest" or "nearest-exact".
        align_corners: only for modes that are not offered.
        recompute_scale_factor: use the ratio of the sizes, not `scale_factor`, to find places.

    Example:
        >>> tapegrad.nn.Upsample(scale_factor=2)(tapegrad.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
                 recompute_scale_factor: bool | None = None) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            scale_factor = tuple(float(s) for s in scale_factor)
        self.scale_factor = float(scale_factor) if isinstance(scale_factor, (int, float)) and scale_factor else scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Any) -> Any:
        """The resized input."""
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        what = f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else f"size={self.size!r}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images.

    Args:
        size: of the new image.
        scale_factor: instead of `size`, how much larger it is.

    Example:
        >>> tapegrad.nn.UpsamplingNearest2d(scale_factor=2)(tapegrad.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Upsample", "UpsamplingNearest2d"]
