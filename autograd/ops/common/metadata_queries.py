"""What can be asked of a tensor without computing: sizes, strides, kinds."""

from __future__ import annotations

import math
from typing import Any

from tapegrad.autograd.core.operand import Array
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import exported
from tapegrad.autograd.ops.common.dims import wrap
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.memory_format import is_ordered
from tapegrad.autograd.types.size import size_of
from tapegrad.backends import backend


def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one dimension.

    Example:
        >>> tapegrad.ones(2, 3).size(), tapegrad.ones(2, 3).size(-1)
        (torch.Size([2, 3]), 3)
    """
    shape = self._array.shape
    if dim is None:
        return size_of(shape)
    return shape[_dimension(dim, len(shape))]


def _dimension(dim: Any, ndim: int) -> int:
    if not ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap(dim, ndim)


def stride(self: Tensor, dim: int | None = None) -> Any:
    """How many elements of memory lie between neighbours, along each dimension or along one.

    Example:
        >>> tapegrad.ones(2, 3).stride()
        (3, 1)
    """
    steps = strides_of(self._array)
    return steps if dim is None else steps[_dimension(dim, len(steps))]


def strides_of(array: Array) -> tuple[int, ...]:
    """The strides of `array` in elements."""
    n = array.itemsize
    return tuple([s // n for s in array.strides])


def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return self._array.ndim


def numel_method(self: Tensor) -> int:
    """The number of elements."""
    return math.prod(self._array.shape)


@exported
def numel(input: Tensor) -> int:
    """The number of elements of a tensor.

    Raises:
        TypeError: `input` is no tensor.

    Example:
        >>> tapegrad.numel(tapegrad.ones(2, 3))
        6
    """
    return _tensor(input, "numel")._array.size


def _tensor(input: Any, name: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return input


def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return self._array.itemsize


def data_ptr(self: Tensor) -> int:
    """The address of the first element; 0 if there is none."""
    return backend(self._array).pointer(self._array) if self._array.size else 0


def owner_of(array: Array) -> Array:
    """The array whose memory `array` shows a part of; one of a batch counts as its own."""
    return array if hasattr(array, "level") else backend(array).owner_of(array)


def memory_of(array: Array) -> tuple[int, int]:
    """The address and the bytes of the memory that `array` shows a part of.

    The bytes are those between the owner's first and last element: an owner may be expanded (strides of 0, as NumPy's
    `as_strided` and DLPack give them), and then has less memory than elements.
    """
    owner = owner_of(array)
    if not owner.size:
        return backend(array).pointer(owner), 0
    reaches = [(n - 1) * step for n, step in zip(owner.shape, owner.strides)]
    low = sum(reach for reach in reaches if reach < 0)
    high = sum(reach for reach in reaches if reach > 0)
    return backend(array).pointer(owner) + low, high - low + owner.itemsize


def storage_offset(self: Tensor) -> int:
    """How many elements of the memory come before the first."""
    array = self._array
    return (backend(array).pointer(array) - memory_of(array)[0]) // array.itemsize


def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in memory in the order of their indices, or of `memory_format`, without gaps.

    Example:
        >>> tapegrad.ones(2, 3).is_contiguous(), tapegrad.ones(2, 3).t().is_contiguous()
        (True, False)
    """
    if memory_format is None:
        return self._array.flags.c_contiguous
    return is_ordered(self._array, memory_format) or not self._array.size


def get_device(self: Tensor) -> int:
    """The index of the device; -1 on the CPU."""
    device = self.device
    return -1 if device.type == "cpu" else device.index or 0


def is_same_size(self: Tensor, other: Tensor) -> bool:
    """Whether the shapes agree."""
    return self._array.shape == other._array.shape


@exported
def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor.

    Args:
        obj: anything.

    Example:
        >>> tapegrad.is_tensor([1, 2])
        False
    """
    return isinstance(obj, Tensor)


@exported
def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are real floating-point numbers.

    Example:
        >>> tapegrad.is_floating_point(tapegrad.ones(2))
        True
    """
    return dtypes.of(_tensor(input, "is_floating_point")._array.dtype).is_floating_point


@exported
def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers.

    Example:
        >>> tapegrad.is_complex(tapegrad.ones(2))
        False
    """
    return bool(_tensor(input, "is_complex")._array.dtype.kind == "c")


def is_signed(self: Tensor) -> bool:
    """Whether the dtype can hold negative numbers."""
    return dtypes.of(self._array.dtype).is_signed


@exported
def is_nonzero(input: Tensor) -> bool:
    """Whether a tensor of one element holds anything but zero.

    Raises:
        RuntimeError: it has another number of elements.

    Example:
        >>> tapegrad.is_nonzero(tapegrad.tensor([0.0]))
        False
    """
    return bool(_tensor(input, "is_nonzero"))


for _name, _method in {
    "size": size,
    "stride": stride,
    "dim": dim,
    "ndimension": dim,
    "numel": numel_method,
    "nelement": numel_method,
    "element_size": element_size,
    "data_ptr": data_ptr,
    "storage_offset": storage_offset,
    "is_contiguous": is_contiguous,
    "get_device": get_device,
    "is_same_size": is_same_size,
    "is_floating_point": is_floating_point,
    "is_complex": is_complex,
    "is_signed": is_signed,
    "is_nonzero": is_nonzero,
}.items():
    setattr(Tensor, _name, _method)
