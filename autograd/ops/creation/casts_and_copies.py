"""Casts, copies, and moves between devices."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.primitives import cast, zero_gradient
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.interchange import python_protocols
from tapegrad.autograd.ops.common.dims import c_name, common_shape
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.memory_format import contiguous_format, is_ordered, order_of, ordered, preserve_format
from tapegrad.autograd.types.type_names import type_name
from tapegrad.backends import CPU, Device, backend, backend_for, xp


@op(
    input=lambda grad, source: _transfer(grad, source, None, False),
    kind="linear",
    name="to_copy",
    public=False,
    batch=over(),
)
def _transfer(input: Any, device: Device, source: Device | None, non_blocking: bool) -> Any:
    there = backend_for(device)
    here = backend(input)
    if there is here:
        moved = here.to_device(input, device)
        return moved.copy() if moved is input else moved
    # Between two devices the host must have the values before it hands them on.
    host = here.to_host(input, non_blocking and there.type == "cpu")
    return there.from_host(host.copy() if host is input and there.type == "cpu" else host, device, non_blocking)


def transfer(input: Any, device: Device, non_blocking: bool = False) -> Any:
    """`input`, a tensor or an array, copied to `device`; `non_blocking`: the host need not wait for the copy."""
    array = raw(input)
    return _transfer(input, device, backend(array).device_of(array), non_blocking)


def is_on(array: Any, device: Device) -> bool:
    """Whether `array` lives on `device`; a device without an index is any of its type."""
    here = backend(array).device_of(array)
    return here == device or (device.index is None and here.type == device.type)


# ---- copies


@op(
    input=lambda grad: grad,
    kind="linear",
    method=True,
    batch=lambda batched, input, memory_format: clone(
        input, memory_format=contiguous_format if memory_format is contiguous_format else None
    ),
)
def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy that gradients flow through; its memory is laid out as that of `input`, without gaps.

    Args:
        memory_format: another order in memory.

    Example:
        >>> tapegrad.ones(2).clone()
        tensor([1., 1.])
    """
    if memory_format is not None and memory_format is not preserve_format:
        return ordered(input, memory_format)
    return input.copy() if input.flags.c_contiguous else input.copy(order="K")


@composite(method=True, public=False)
def contiguous(input: Any, memory_format: Any = None) -> Any:
    """The tensor itself where its elements lie in memory in the order of their indices, else a copy in which they do.

    Args:
        memory_format: another order in memory.

    Example:
        >>> tapegrad.ones(2, 3).t().contiguous().stride()
        (2, 1)
    """
    array = raw(input)
    if memory_format is None:
        return input if array.flags.c_contiguous else clone(input, memory_format=contiguous_format)
    if memory_format is preserve_format:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    order_of(array, memory_format)
    return input if is_ordered(array, memory_format) else clone(input, memory_format=memory_format)


@op(
    input=lambda grad: zero_gradient(grad),
    src=lambda grad, src_shape: sum_to(grad, src_shape),
    kind="linear",
    operands="free",
    name="copy",
    public=False,
    batch=over(),
)
def _copied(input: Any, src: Any) -> Any:
    result = xp(input).empty(input.shape, input.dtype)
    result[...] = src
    return result


def _fill_in_batch(batched: frozenset[str], input: Any, value: Any) -> Any:
    if "value" in batched:
        value = value.reshape((-1,) + (1,) * (input.ndim - ("input" in batched)))
    if "input" not in batched:
        input = input.expand(value.shape[0], *input.shape)
    return (
        fill(input, value)
        if "value" not in batched
        else _copied(input, cast(value, raw(input).dtype).expand(input.shape))
    )


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write `src` over this tensor's elements; returns it.

    Args:
        src: a tensor of any dtype and on any device that broadcasts to this tensor's shape, or a number.
        non_blocking: a copy from pinned memory to a device may happen later; `src` must not be written until then. To
            the host it always waits.

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> tapegrad.zeros(2, 2).copy_(tapegrad.tensor([1, 2]))
        tensor([[1., 2.],
                [1., 2.]])
    """
    if not isinstance(src, Tensor):
        if not isinstance(src, (bool, int, float, complex)):
            raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type_name(src)}")
        return inplace.apply(fill, self, (src,), {})
    array, given = self._array, src._array
    if given.shape != array.shape:
        shape = common_shape(array.shape, given.shape)
        if shape != array.shape:
            raise RuntimeError(f"output with shape {list(array.shape)} doesn't match the broadcast shape {list(shape)}")
        if self._counter is not None:
            inplace.check_operands("copy", self, (src,))
        src = src.expand(array.shape)
        given = src._array
    if given.__class__ is not array.__class__ or not is_on(given, backend(array).device_of(array)):
        src = transfer(src, backend(array).device_of(array), non_blocking and array.__class__ is not np.ndarray)
        given = src._array
    if given.dtype is not array.dtype:
        if given.dtype.kind == "c" and array.dtype.kind not in "cb":
            warnings.warn("Casting complex values to real discards the imaginary part", stacklevel=2)
        src = cast(src, array.dtype)
    return inplace.apply(_copied, self, (src,), {})


@op(
    input=lambda grad: zero_gradient(grad),
    value=lambda grad, value_shape: sum_to(grad, value_shape),
    kind="linear",
    operands="free",
    method=True,
    inplace=True,
    inplace_fn=lambda a, value: a.__setitem__(..., value),
    batch=lambda batched, input, value: _fill_in_batch(batched, input, value),
)
def fill(input: Any, value: Any) -> Any:
    """A tensor of the shape and dtype of `input` with every element `value`.

    Args:
        value: a number, or a tensor without dimensions.

    Raises:
        RuntimeError: `value` has dimensions.

    Example:
        >>> tapegrad.zeros(2).fill_(3)
        tensor([3., 3.])
    """
    if getattr(value, "ndim", 0):
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    if input.dtype.kind != "c" and (value.__class__ is complex or getattr(value, "dtype", input.dtype).kind == "c"):
        raise RuntimeError(f"value cannot be converted to type {c_name(input.dtype)} without overflow")
    result = xp(input).empty(input.shape, input.dtype)
    try:
        result[...] = value
    except OverflowError:
        raise RuntimeError(f"value cannot be converted to type {c_name(input.dtype)} without overflow") from None
    return result


def zero_(self: Tensor) -> Tensor:
    """Set all elements to zero; returns the tensor.

    Example:
        >>> tapegrad.ones(2).zero_()
        tensor([0., 0.])
    """
    return inplace.apply(fill, self, (0,), {})


# ---- dtypes and devices


def to_place(
    input: Tensor, dtype: np.dtype | None, device: Device | None, copy: bool = False, non_blocking: bool = False
) -> Tensor:
    """`input` with another dtype, on another device; itself where nothing changes and no copy is asked for."""
    result = input
    array = input._array
    narrow = dtype is not None and dtype is not array.dtype and dtype.itemsize < array.dtype.itemsize
    if narrow:  # the smaller of both is what travels
        result = _cast_warned(result, dtype)
    if device is not None and not is_on(array, device):
        wider = dtype is not None and dtype is not result._array.dtype
        # the host may not cast what has not arrived
        result = transfer(result, device, non_blocking and not (wider and device.type == "cpu"))
    if dtype is not None and dtype is not result._array.dtype:
        result = _cast_warned(result, dtype)
    return clone(result) if copy and result is input else result


def _cast_warned(input: Tensor, dtype: Any) -> Tensor:
    if input._array.dtype.kind == "c" and dtype.kind not in "cb":
        warnings.warn("Casting complex values to real discards the imaginary part", stacklevel=4)
    return cast(input, dtype)


def to(
    self: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    other: Tensor | None = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """The tensor with another dtype, on another device, or as another tensor has both; itself where nothing changes.

    Args:
        *args: a dtype; a device and perhaps a dtype; or another tensor. Then, as in torch, `non_blocking` and `copy`.
        dtype: the dtype, by name.
        device: the device, by name.
        other: the other tensor, by name.
        non_blocking: do not wait for the copy. From pinned memory to a device: the tensor must not be written until the
            copy is made. To the host: the result is in pinned memory, and must not be read before the stream is
            synchronised.
        copy: copy even where nothing changes.
        memory_format: another order in memory.

    Raises:
        RuntimeError: the device is not available.

    Example:
        >>> tapegrad.ones(2).to(tapegrad.float64).dtype
        torch.float64
    """
    flags = []
    for arg in args:
        if isinstance(arg, Tensor):
            other = arg
        elif isinstance(arg, (dtypes.dtype, np.dtype)) or (
            isinstance(arg, type) and issubclass(arg, (np.generic, bool, int, float, complex))
        ):
            dtype = arg
        elif isinstance(arg, bool):
            flags.append(arg)
        elif isinstance(arg, (str, Device, int)):
            device = arg
        elif arg is not None:
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({', '.join(type(a).__name__ for a in args)})"
            )
    copy = flags[1] if len(flags) > 1 else copy
    if other is not None:
        dtype, device = other._array.dtype, other.device
    result = self
    if dtype is not None or device is not None or copy:
        where = None if device is None else Device(device)
        # What is to be put in order on the host must have arrived.
        later = (non_blocking or (bool(flags) and flags[0])) and memory_format in (None, preserve_format)
        result = to_place(self, None if dtype is None else dtypes.numpy_dtype(dtype), where, copy, later)
    if memory_format is not None and memory_format is not preserve_format:
        result = contiguous(result, memory_format)
    return result


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the CPU; itself where it is there."""
    return to_place(self, None, CPU)


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """The tensor on a CUDA device; itself where it is there.

    Args:
        device: which; None: the current one.
        non_blocking: from pinned memory the copy may happen later; the tensor must not be written until then.

    Raises:
        RuntimeError: CUDA is not available; the message says why.
    """
    return to_place(self, None, Device("cuda") if device is None else Device(device), non_blocking=non_blocking)


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type as old code knows it; or, given a dtype or such a name, the tensor cast to it.

    Args:
        dtype: a dtype, a name such as ``"torch.FloatTensor"``, or one of the old constructors.

    Example:
        >>> tapegrad.ones(2).type(), tapegrad.ones(2).type("torch.LongTensor").dtype
        ('torch.FloatTensor', torch.int64)
    """
    if dtype is None:
        return python_protocols.type_name(self)
    device = None
    if isinstance(dtype, str) and dtype.endswith("Tensor"):
        device = Device("cuda") if ".cuda." in dtype else CPU if dtype.startswith("torch.") else None
        kind = dtype.rpartition(".")[2].removesuffix("Tensor")
        dtype = _BY_SCALAR_TYPE.get(kind) if kind else dtypes.get_default_dtype().name
        if dtype is None:
            raise ValueError(f"invalid type: '{kind}Tensor'")
    elif hasattr(dtype, "legacy_dtype"):
        dtype = dtype.legacy_dtype
    return to_place(self, dtypes.numpy_dtype(dtype), device)


_BY_SCALAR_TYPE = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Byte": "uint8",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype, and on the device, of `other`."""
    return to_place(self, other._array.dtype, other.device)


def _caster(name: str, dtype: str) -> Callable[..., Tensor]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return to_place(self, dtypes.numpy_dtype(dtype), None)

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = f"The tensor with elements of dtype {dtype}; itself where it has them."
    return method


for _name, _dtype in {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
    "cfloat": "complex64",
    "cdouble": "complex128",
}.items():
    setattr(Tensor, _name, _caster(_name, _dtype))
for _name, _method in {
    "to": to,
    "cpu": cpu,
    "cuda": cuda,
    "type": type_,
    "type_as": type_as,
    "copy_": copy_,
    "zero_": zero_,
}.items():
    setattr(Tensor, _name, _method)
