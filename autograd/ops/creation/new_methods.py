"""Factories of tensors of another tensor's kind: ``x.new_zeros(2)`` and its like."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.levels import like_batch_of, transforming
from tapegrad.autograd.ops.creation.factories import (
    empty_strided,
    filled,
    full_of,
    legacy_tensor,
    number_of,
    place,
    size_of,
    tensor,
)
from tapegrad.autograd.ops.creation.pin_memory import pin
from tapegrad.autograd.types import dtypes


def _like_batch_of(made: Tensor, source: Tensor) -> Tensor:
    """`made` itself; under vmap one for each member of the batch."""
    if not transforming():
        return made
    return like_batch_of(made, source).requires_grad_(made.requires_grad)


def _new(make: str) -> Any:
    def method(
        self: Tensor,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
    ) -> Tensor:
        made = filled(
            make,
            size_of(size),
            self._array.dtype if dtype is None else dtype,
            self.device if device is None else device,
            requires_grad,
        )
        made = _like_batch_of(made, self)
        return pin(made) if pin_memory else made

    method.__name__ = f"new_{make}"
    method.__qualname__ = f"Tensor.new_{make}"
    method.__doc__ = {"zeros": "A tensor of zeros", "ones": "A tensor of ones", "empty": "An uninitialised tensor"}[
        make
    ] + (
        " with this tensor's dtype, on its device, unless told otherwise; the shape is given as integers or one "
        "sequence."
    )
    return method


def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with every element `fill_value`, with this tensor's dtype, on its device, unless told otherwise.

    Args:
        dtype: another dtype.
        device: another device.

    Example:
        >>> tapegrad.ones(1).new_full((2,), 3)
        tensor([3., 3.])
    """
    wanted = self._array.dtype if dtype is None else dtypes.numpy_dtype(dtype)
    where = self.device if device is None else place(device)
    made = _like_batch_of(
        full_of(size_of((size,)), number_of(fill_value, "new_full", "fill_value", 2), wanted, where, requires_grad),
        self,
    )
    return pin(made) if pin_memory else made


def new_tensor(self: Tensor, data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`, with this tensor's dtype, on its device, unless told otherwise.

    Args:
        data: a number, nested lists of numbers, an array.
        dtype: another dtype.
        device: another device.

    Example:
        >>> tapegrad.ones(1).new_tensor([1, 2])
        tensor([1., 2.])
    """
    return tensor(
        data,
        dtype=self._array.dtype if dtype is None else dtype,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
    )


def new(self: Tensor, *args: Any) -> Tensor:
    """The oldest form of `new_empty` and `new_tensor`: ``x.new(2, 3)`` is uninitialised, ``x.new([1, 2])`` takes
    data.
    """
    return legacy_tensor(*args, dtype=self._array.dtype, device=self.device)


for _name, _method in {
    "new_zeros": _new("zeros"),
    "new_ones": _new("ones"),
    "new_empty": _new("empty"),
    "new_full": new_full,
    "new_tensor": new_tensor,
    "new": new,
    "new_empty_strided": lambda self, size, stride, dtype=None, device=None, requires_grad=False: empty_strided(
        size,
        stride,
        dtype=self._array.dtype if dtype is None else dtype,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
    ),
}.items():
    setattr(Tensor, _name, _method)
