"""The norms made of other ops: what forward mode and vmap follow in place of the fused ones, which keep arrays that no
transform knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.levels import innermost_batch

FLOAT32 = np.dtype(np.float32)


def _wide(t: Any) -> Any:
    """`t` in the type to compute in."""
    return t.float() if t is not None and t._array.dtype.itemsize == 2 else t


def _affine(y: Any, weight: Any, bias: Any, channels: tuple[int, ...]) -> Any:
    """`y`, of the shape `channels`, scaled and shifted channel by channel."""
    if weight is not None:
        y = y * _wide(weight).reshape((channels[1], 1))
    return y if bias is None else y + _wide(bias).reshape((channels[1], 1))


def normalize(
    input: Tensor, weight: Any, bias: Any, layout: Any, eps: float, center: bool, running: tuple[Any, Any, float] | None
) -> Tensor:
    """What `norms.normalize` computes; see there."""
    x = _wide(input).reshape(layout.view)
    mean = x.mean(layout.dims, True) if center else None
    x = x if mean is None else x - mean
    square = (x * x).mean(layout.dims, True)
    if running is not None:
        _move_both(running, mean, square, layout.elements)
    y = x * (square + eps).rsqrt()
    return (
        _affine(y.reshape(layout.channels), weight, bias, layout.channels).reshape(tuple(input.shape)).to(input.dtype)
    )


def move_towards(running: Any, seen: Any, momentum: float) -> None:
    """Move running statistics a step towards those `seen`."""
    if running is not None:
        # Of instances, which have statistics each, the mean counts.
        seen = seen.reshape(-1, len(running)).mean(axis=0)
        running *= 1 - momentum
        running += (seen * momentum).astype(running.dtype, copy=False)


def _move_both(running: tuple[Any, Any, float], mean: Any, square: Any, elements: int) -> None:
    if innermost_batch() is not None and any(hasattr(t._array, "level") for t in (mean, square)):
        raise RuntimeError(
            "Batch norm got a batched tensor as input while the running_mean or running_var, which will be updated "
            "in place, were not batched.\n"
            "Please visit https://pytorch.org/docs/stable/func.batch_norm.html for more details"
        )
    move_towards(running[0], mean._array, running[2])
    move_towards(running[1], square._array * (elements / (elements - 1)), running[2])


def by_statistics(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any, bias: Any, channels: tuple[int, ...], eps: float
) -> Tensor:
    """What `norms._batch_norm_eval` computes; see there."""
    x = _wide(input).reshape(channels)
    y = (x - _wide(running_mean).reshape((channels[1], 1))) * (
        _wide(running_var).reshape((channels[1], 1)) + eps
    ).rsqrt()
    return _affine(y, weight, bias, channels).reshape(tuple(input.shape)).to(input.dtype)


# ---- reverse rules of norms that were recorded before a transform began: the statistics are arrays, but they follow
# from the input


def _statistics(x: Tensor, mean: Any, rstd: Any, layout: Any) -> tuple[Any, Any]:
    """What is standardised, and by what factor, as tensors that depend on the input as the statistics do."""
    centred = x if mean is None else x - x.mean(layout.dims, True)
    square = (centred * centred).mean(layout.dims, True)
    # What was added to the variance is what is missing in the kept factor; it does not depend on the input.
    return centred, (square + (rstd**-2 - square.detach())).rsqrt()


def standardize(input: Tensor, mean: Any, rstd: Any, layout: Any) -> Tensor:
    """What `norms.standardize` computes."""
    centred, factor = _statistics(_wide(input).reshape(layout.view), mean, rstd, layout)
    return (centred * factor).to(input.dtype)


def rstd_of(input: Tensor, mean: Any, rstd: Any, layout: Any) -> Tensor:
    """What `norms.rstd_of` computes."""
    return _statistics(_wide(input).reshape(layout.view), mean, rstd, layout)[1].to(input.dtype)


def standardize_vjp(cotangent: Tensor, input: Tensor, weight: Any, mean: Any, rstd: Any, layout: Any) -> Tensor:
    """What `norms.standardize_vjp` computes."""
    g = _wide(cotangent)
    if weight is not None:
        g = g.reshape(layout.channels) * _wide(weight).reshape((layout.channels[1], 1))
    g = g.reshape(layout.view)
    centred, r = _statistics(_wide(input).reshape(layout.view), mean, rstd, layout)
    h = centred * r
    d = g - h * (g * h).mean(layout.dims, True)
    if mean is not None:
        d = d - g.mean(layout.dims, True)
    return (d * r).to(input.dtype).reshape(tuple(input.shape))


def weight_vjp(cotangent: Tensor, input: Tensor, mean: Any, rstd: Any, layout: Any) -> Tensor:
    """What `norms.weight_vjp` computes."""
    h = standardize(_wide(input), mean, rstd, layout).reshape(layout.channels)
    return (_wide(cotangent).reshape(layout.channels) * h).sum((0, 2)).to(input.dtype)
