"""`Variable`, as code from before PyTorch 0.4 knows it: a tensor."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.creation.factories import finish


class _VariableMeta(type):
    """Every tensor is a Variable."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """``Variable(tensor)`` is a leaf over the tensor's memory; ``isinstance(t, Variable)`` holds for every tensor.

    Args:
        data: a tensor.
        requires_grad: whether gradients flow into the leaf.

    Raises:
        TypeError: `data` is no tensor.

    Example:
        >>> tapegrad.autograd.Variable(tapegrad.ones(2), requires_grad=True)
        tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False) -> Any:
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        result = data.detach()
        return finish(result._array, True) if requires_grad else result
