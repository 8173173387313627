"""Dropout: elements, or whole channels, set to zero at random."""

from __future__ import annotations

import warnings

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.random.sampling import dropout as draw


def check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set elements to zero with probability `p`, and divide the others by ``1 - p``.

    Args:
        p: the probability of zero, held to 1/65536.
        training: if False, `input` is returned.
        inplace: write to `input`.

    Raises:
        ValueError: `p` is not a probability.

    Example:
        >>> tapegrad.nn.functional.dropout(tapegrad.ones(2), 0.5, training=False)
        tensor([1., 1.])
    """
    return _drop(input, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of sequences: inputs of shape (N, C, L) or (C, L)."""
    return _drop_channels("dropout1d", 1, input, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of images: inputs of shape (N, C, H, W) or (C, H, W)."""
    return _drop_channels("dropout2d", 2, input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of volumes: inputs of shape (N, C, D, H, W) or (C, D, H, W)."""
    return _drop_channels("dropout3d", 3, input, p, training, inplace)


def _drop_channels(name: str, dims: int, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    if input.ndim not in (dims + 1, dims + 2):
        warnings.warn(
            f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an error in a "
            f"future release. To retain the behavior and silence this warning, please use dropout instead. Note that "
            f"{name} exists to provide channel-wise dropout on inputs with {dims} spatial dimension(s), a channel "
            f"dimension, and an optional batch dimension (i.e. {dims + 1}D or {dims + 2}D inputs).",
            stacklevel=3,
        )
    lead = 1 if input.ndim == dims + 1 else 2
    return _drop(input, p, training, inplace, (*input.shape[:lead], *(1,) * (input.ndim - lead)))


def _drop(input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...] | None = None) -> Tensor:
    check_probability(p)
    if not training or p == 0 or not input._array.size:
        return input
    result = draw(input, p, shape)
    return input.copy_(result) if inplace else result


__all__ = ["dropout", "dropout1d", "dropout2d", "dropout3d"]
