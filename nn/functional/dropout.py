"""Dropout: elements, or whole channels, set to zero at random."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.ops.random.sampling import dropout as draw


def _drop(name: str, input: Any, p: float, training: bool, inplace: bool, shape: tuple[int, ...] | None = None) -> Any:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0 or not input._array.size:
        return input
    result = draw(input, p, shape)
    return input.copy_(result) if inplace else result


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Set elements to zero with probability `p`, and divide the others by ``1 - p``.

    Args:
        input: any tensor.
        p: the probability of zero, held to 1/65536.
        training: if False, `input` is given back.
        inplace: write to `input`.

    Raises:
        ValueError: `p` is no probability.

    Example:
        >>> tapegrad.nn.functional.dropout(tapegrad.ones(2), 0.5, training=False)
        tensor([1., 1.])
    """
    return _drop("dropout", input, p, training, inplace)


def _drop_channels(name: str, dims: int, input: Any, p: float, training: bool, inplace: bool) -> Any:
    if input.ndim not in (dims + 1, dims + 2):
        import warnings
        warnings.warn(f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an error in a future release. To retain "
                      f"the behavior and silence this warning, please use dropout instead. Note that {name} exists to provide channel-wise dropout on inputs "
                      f"with {dims} spatial dimension(s), a channel dimension, and an optional batch dimension (i.e. {dims + 1}D or {dims + 2}D inputs).",
                      stacklevel=3)
    keep = 1 if input.ndim == dims + 1 else 2
    shape = (*input.shape[:keep], *(1,) * (input.ndim - keep))
    return _drop(name, input, p, training, inplace, shape)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of sequences.

    Args:
        input: of shape (N, C, L) or (C, L).
        p: the probability of zero.
        training: if False, `input` is given back.
        inplace: write to `input`.

    Example:
        >>> tapegrad.nn.functional.dropout1d(tapegrad.ones(1, 2), 1.0)
        tensor([[0., 0.]])
    """
    return _drop_channels("dropout1d", 1, input, p, training, inplace)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of images: inputs of shape (N, C, H, W) or (C, H, W); arguments as in `dropout1d`."""
    return _drop_channels("dropout2d", 2, input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of volumes: inputs of shape (N, C, D, H, W) or (C, D, H, W); arguments as in `dropout1d`."""
    return _drop_channels("dropout3d", 3, input, p, training, inplace)


__all__ = ["dropout", "dropout1d", "dropout2d", "dropout3d"]
