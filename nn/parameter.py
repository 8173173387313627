"""`Parameter` and `Buffer`: tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import Tensor, check_not_inference, from_array
from tapegrad.autograd.core.version import counter_of
from tapegrad.autograd.interchange.python_protocols import deepcopy, tensor_repr
from tapegrad.autograd.types import dtypes


class Parameter(Tensor):
    """A tensor that is learnt: a module that it is assigned to lists it among its parameters.

    Args:
        data: the values, whose memory is shared; None: an empty tensor.

    Example:
        >>> tapegrad.nn.Parameter(tapegrad.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise AttributeError(f"'{type(data).__name__}' object has no attribute 'detach'")
        if requires_grad and not dtypes.is_inexact(data._array.dtype):
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        if requires_grad:
            check_not_inference(data)
        self: Parameter = object.__new__(cls)
        self._array = data._array
        self._requires_grad = bool(requires_grad)
        self._node = self._view = None
        self._counter = counter_of(data)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        known = memo.get(id(self))
        if known is not None:
            return known
        copy = deepcopy(self, memo)
        copy._grad = None
        return copy

    def __repr__(self) -> str:
        return "Parameter containing:\n" + tensor_repr(self)


class _BufferType(type(Tensor)):  # type: ignore[misc]
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Tensor) and bool(value.__dict__.get("_is_buffer"))


class Buffer(Tensor, metaclass=_BufferType):
    """A tensor that is not learnt but part of a module's state: assigned to a module, it becomes its buffer.

    Args:
        data: the values, whose memory is shared; None: an empty tensor.
        persistent: whether it is part of the module's state_dict.

    Example:
        >>> module = tapegrad.nn.Module()
        >>> module.scale = tapegrad.nn.Buffer(tapegrad.ones(2))
        >>> list(module.state_dict())
        ['scale']
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:  # type: ignore[misc]
        source = Tensor() if data is None else data
        t = from_array(source._array)
        t._counter = counter_of(source)
        t._requires_grad = source.requires_grad
        t.__dict__["_is_buffer"] = True
        t.__dict__["persistent"] = persistent
        return t


__all__ = ["Buffer", "Parameter"]
