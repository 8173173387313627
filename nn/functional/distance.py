"""Distances, angles and norms between and of rows."""

from __future__ import annotations

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.ops.creation.factories import zeros
from tapegrad.autograd.ops.pointwise.arithmetic import div
from tapegrad.backends import backend, xp


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """`input` divided by its p-norm along a dimension, or by `eps` where the norm is less.

    Example:
        >>> tapegrad.nn.functional.normalize(tapegrad.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps)
    return input / norm if out is None else div(input, norm.expand_as(input), out=out)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along a dimension.

    Args:
        x1: a tensor.
        x2: a tensor that broadcasts with it.
        dim: the dimension.
        eps: the least norm to divide by.

    Example:
        >>> tapegrad.nn.functional.cosine_similarity(tapegrad.tensor([[1.0, 0.0]]), tapegrad.tensor([[1.0, 1.0]]))
        tensor([0.7071])
    """
    return (normalize(x1, 2, dim, eps) * normalize(x2, 2, dim, eps)).sum(dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` along the last dimension.

    Example:
        >>> tapegrad.nn.functional.pairwise_distance(tapegrad.tensor([[3.0, 4.0]]), tapegrad.zeros(1, 2))
        tensor([5.0000])
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Rows that are 1 at a class number and 0 elsewhere.

    Args:
        tensor: int64 class numbers of any shape.
        num_classes: the size of a row; -1: one more than the largest number.

    Raises:
        RuntimeError: a number is negative or not smaller than `num_classes`.

    Example:
        >>> tapegrad.nn.functional.one_hot(tapegrad.tensor([1, 0]), 3)
        tensor([[0, 1, 0],
                [1, 0, 0]])
    """
    array = tensor._array
    if array.dtype != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not array.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return zeros(*array.shape, num_classes, dtype=tensor.dtype, device=tensor.device)
    # As torch does, this looks at the values; on a device only where it has to.
    if num_classes == -1 or array.__class__ is np.ndarray:
        if int(array.min()) < 0:
            raise RuntimeError("Class values must be non-negative.")
        largest = int(array.max())
        if num_classes == -1:
            num_classes = largest + 1
        elif largest >= num_classes > 0:
            raise RuntimeError("Class values must be smaller than num_classes.")
    else:
        backend(array).assert_index(array, 0, num_classes, "one_hot", -1)
    if num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    return from_array((array[..., None] == xp(array).arange(num_classes)).astype(np.int64))


__all__ = ["cosine_similarity", "normalize", "one_hot", "pairwise_distance"]
