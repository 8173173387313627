"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.shape.cat import cat


def _check_device(parameters: list[Tensor]) -> None:
    if len({p.device for p in parameters}) > 1:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of tensors on one device as one vector, in order; gradients flow through.

    Example:
        >>> tapegrad.nn.utils.parameters_to_vector([tapegrad.ones(1, 2), tapegrad.zeros(1)])
        tensor([1., 1., 0.])
    """
    parameters = list(parameters)
    _check_device(parameters)
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Replace the data of parameters on one device by views of a vector, in order.

    Example:
        >>> w = tapegrad.zeros(1, 2)
        >>> tapegrad.nn.utils.vector_to_parameters(tapegrad.tensor([1.0, 2.0]), [w])
        >>> w
        tensor([[1., 2.]])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__module__}.{type(vec).__name__}")
    parameters = list(parameters)
    _check_device(parameters)
    start = 0
    for p in parameters:
        shape = p._array.shape
        stop = start + prod(shape)
        p.data = vec.data[start:stop].reshape(shape).data
        start = stop


__all__ = ["parameters_to_vector", "vector_to_parameters"]
