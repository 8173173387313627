"""Factories: tensors from data, from shapes, from other tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import INFERENCE, gate, state
from tapegrad.autograd.core.inference import mark
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.dispatch.decorator import composite, exported
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.interchange.array_protocols import foreign_array
from tapegrad.autograd.modes.default_device import default_device
from tapegrad.autograd.modes.device_guard import on_device_of
from tapegrad.autograd.modes.levels import like_batch_of, transforming
from tapegrad.autograd.ops.common.dims import c_name
from tapegrad.autograd.ops.creation.host_data import host_array, wrapped
from tapegrad.autograd.ops.creation.pin_memory import pin
from tapegrad.autograd.types import dtypes
from tapegrad.backends import Device, backend, backend_for, is_array, xp


def finish(array: Any, requires_grad: bool) -> Tensor:
    """A new leaf over `array`."""
    t = from_array(array)
    if gate.on and state.bits & INFERENCE:
        mark(t)
    if requires_grad:
        if not dtypes.is_inexact(array.dtype):
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        t._requires_grad = True
    return t


def place(device: Any) -> Device:
    """The device that ``device=`` means; None is the default device."""
    if device is None:
        return default_device()
    return device if isinstance(device, Device) else Device(device)


def size_of(size: tuple[Any, ...], named: Any = None, function: str = "zeros") -> tuple[int, ...]:
    """The shape that ``(2, 3)``, ``((2, 3),)`` or ``size=(2, 3)`` means."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    elif not size:
        if named is None:
            raise TypeError(f'{function}() missing 1 required positional arguments: "size"')
        size = tuple(named)
    shape = tuple([n if n.__class__ is int else _dimension(n) for n in size])
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def _dimension(n: Any) -> int:
    if isinstance(n, (float, str)) or not hasattr(n, "__index__"):
        raise TypeError(f"size must be a tuple of ints, but found element of type {type(n).__name__}")
    return int(n.__index__())


@composite()
def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A tensor with a copy of `data`.

    Args:
        data: a number, nested lists of numbers, an array.
        dtype: of the result; by default that of the data, with the default dtype for Python floats.

    Raises:
        ValueError: the lists are ragged.
        RuntimeError: `requires_grad` for a dtype that is not floating point or complex.

    Example:
        >>> tapegrad.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
    """
    if data.__class__ not in _PLAIN and not isinstance(data, Tensor):
        data = _shared(data)
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            stacklevel=2,
        )
        made = finish(_move(data._array, dtype, device or data.device, True), requires_grad)
    elif is_array(data) and not isinstance(data, np.generic) and data.__class__ is not np.ndarray:
        made = finish(_move(data, dtype, device or backend(data).device_of(data), True), requires_grad)
    else:
        where = place(device)
        made = finish(backend_for(where).from_host(host_array(data, dtype), where), requires_grad)
    return pin(made) if pin_memory else made


def _move(array: Any, dtype: Any, device: Any, copy: bool) -> Any:
    """`array` with `dtype` on `device`; itself if nothing needs to change and `copy` is not asked for."""
    source = array
    wanted = array.dtype if dtype is None else dtypes.numpy_dtype(dtype)
    with on_device_of(array):
        if array.dtype != wanted:
            array = array.astype(wanted)
        if device is not None:
            where = device if isinstance(device, Device) else Device(device)
            here, there = backend(array), backend_for(where)
            array = here.to_device(array, where) if there is here else there.from_host(here.to_host(array), where)
        return array.copy() if copy and array is source else array


@composite()
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, which shares its memory where dtype and device allow it.

    Args:
        data: a tensor, a NumPy or CuPy array, an object of another library that offers its memory by DLPack or
            ``__cuda_array_interface__``, numbers or nested lists.
        dtype: of the result; by default that of the data.
        device: where the tensor lives; by default where the data is.

    Example:
        >>> import numpy as np, tapegrad
        >>> a = np.zeros(2)
        >>> tapegrad.as_tensor(a)[0] = 5.0
        >>> a
        array([5., 0.])
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype) if dtype is not None or device is not None else data
    data = _shared(data)
    if is_array(data) and not isinstance(data, np.generic):
        array = _usable(data)
        default = default_device() if data.__class__ is np.ndarray and device is None else device
        return finish(_move(array, dtype, default, False), False)
    return tensor(data, dtype=dtype, device=device)


_PLAIN = frozenset((bool, int, float, complex, list, tuple, str, np.ndarray))


def _shared(data: Any) -> Any:
    """`data`, or an array over its memory if it is another library's and offers that."""
    if data.__class__ in _PLAIN or is_array(data):
        return data
    array = foreign_array(data)
    return data if array is None else array


def _usable(array: Any) -> Any:
    """`array`, or a copy where it cannot be shared (byte-swapped, or read-only)."""
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders "
            "is currently not supported."
        )
    array = dtypes.canonical(array)
    if array.__class__ is np.ndarray and not array.flags.writeable:
        return array.copy()
    known = backend(array).array_type
    return array if array.__class__ is known else array.view(array.dtype, known)


@composite()
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor over the memory of a NumPy array; writes to either are seen by both.

    Args:
        ndarray: a writeable array in native byte order; a read-only one is copied.

    Raises:
        TypeError: the argument is no NumPy array, or its dtype is not supported.
        ValueError: its byte order is not the machine's.

    Example:
        >>> import numpy as np, tapegrad
        >>> tapegrad.from_numpy(np.arange(3))
        tensor([0, 1, 2])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return finish(_usable(ndarray), False)


def legacy_tensor(*args: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``Tensor(2, 3)`` is uninitialised, ``Tensor([1, 2])`` takes data: the oldest way to make a tensor."""
    if len(args) == 1 and isinstance(args[0], (list, tuple, np.ndarray)) and not hasattr(args[0], "numel"):
        return tensor(args[0], dtype=dtype or dtypes.get_default_dtype(), device=device)
    return empty(*(args or (0,)), dtype=dtype, device=device)


Tensor._legacy = legacy_tensor


def filled(make: str, size: tuple[int, ...], dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    where = place(device)
    there = backend_for(where)
    wanted = dtypes.default_float() if dtype is None else dtypes.numpy_dtype(dtype)
    if where.index is not None:
        with there.use(where):
            return finish(getattr(there.xp, make)(size, wanted), requires_grad)
    return finish(getattr(there.xp, make)(size, wanted), requires_grad)


@composite()
def zeros(
    *sizes: Any,
    size: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros.

    Args:
        *sizes: the shape, as integers or one sequence.

    Example:
        >>> tapegrad.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    made = stored("factory", out, filled("zeros", size_of(sizes, size), dtype, device, requires_grad))
    return pin(made) if pin_memory else made


@composite()
def ones(
    *sizes: Any,
    size: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones.

    Args:
        *sizes: the shape, as integers or one sequence.

    Example:
        >>> tapegrad.ones(2, dtype=tapegrad.int64)
        tensor([1, 1])
    """
    made = stored("factory", out, filled("ones", size_of(sizes, size, "ones"), dtype, device, requires_grad))
    return pin(made) if pin_memory else made


@composite()
def empty(
    *sizes: Any,
    size: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor whose values are whatever the memory holds.

    Args:
        *sizes: the shape, as integers or one sequence.

    Example:
        >>> tapegrad.empty(2, 3).shape
        torch.Size([2, 3])
    """
    made = stored("factory", out, filled("empty", size_of(sizes, size, "empty"), dtype, device, requires_grad))
    return pin(made) if pin_memory else made


def like(make: str, input: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A tensor of `input`'s shape, dtype and device, unless told otherwise."""
    if not isinstance(input, Tensor):
        if not is_array(input):
            raise TypeError(f"{make}_like(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        array = input
    else:
        array = input._array
    if gate.on and transforming() and device is None and hasattr(array, "level"):
        plain = filled(
            make, array.shape, array.dtype if dtype is None else dtype, backend(array).device_of(array), False
        )
        return finish(like_batch_of(plain, input)._array, requires_grad)
    if device is None and not array.flags.c_contiguous:  # laid out as `input` is
        with on_device_of(array):
            return finish(
                getattr(xp(array), f"{make}_like")(
                    array, dtype=array.dtype if dtype is None else dtypes.numpy_dtype(dtype)
                ),
                requires_grad,
            )
    return filled(
        make,
        array.shape,
        array.dtype if dtype is None else dtype,
        backend(array).device_of(array) if device is None else device,
        requires_grad,
    )


@composite()
def zeros_like(
    input: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Zeros of the shape, dtype and device of `input`.

    Example:
        >>> tapegrad.zeros_like(tapegrad.ones(2))
        tensor([0., 0.])
    """
    return like("zeros", input, dtype, device, requires_grad)


@composite()
def ones_like(
    input: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Ones of the shape, dtype and device of `input`.

    Example:
        >>> tapegrad.ones_like(tapegrad.zeros(2))
        tensor([1., 1.])
    """
    return like("ones", input, dtype, device, requires_grad)


@composite()
def empty_like(
    input: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """An uninitialised tensor of the shape, dtype and device of `input`.

    Example:
        >>> tapegrad.empty_like(tapegrad.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return like("empty", input, dtype, device, requires_grad)


@composite()
def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """`obj` as a tensor, which shares its memory where dtype and device allow it.

    Args:
        obj: a tensor, an array, a number or nested lists.
        dtype: of the result; by default that of `obj`.
        device: where the tensor lives; by default where `obj` is.
        copy: True: always copy; False: never.

    Raises:
        ValueError: a copy is needed, and forbidden.

    Example:
        >>> tapegrad.asarray([1, 2])
        tensor([1, 2])
    """
    if not isinstance(obj, Tensor):
        obj = _shared(obj)
    if copy is False and not (isinstance(obj, Tensor) or is_array(obj)):
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    result = as_tensor(obj, dtype=dtype, device=device)
    source = obj._array if isinstance(obj, Tensor) else obj
    shares = is_array(source) and not isinstance(source, np.generic) and (result._array is source)
    if copy is False and not shares:
        raise ValueError("can't alias tensor with another dtype or on another device")
    if copy and shares:
        result = result.clone()
    if requires_grad and not result.requires_grad:
        result = result.detach().requires_grad_()
    return result


@composite()
def full(
    size: Any,
    fill_value: Any,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with every element `fill_value`.

    Args:
        dtype: of the result; by default that which a tensor of the number would have.

    Raises:
        TypeError: `size` is no sequence.

    Example:
        >>> tapegrad.full((2,), 1.5)
        tensor([1.5000, 1.5000])
    """
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    value = number_of(fill_value, "full", "fill_value", 2)
    if dtype is None:
        dtype = (
            np.dtype(bool)
            if isinstance(value, bool)
            else np.dtype(np.int64)
            if isinstance(value, int)
            else (dtypes.default_complex() if isinstance(value, complex) else dtypes.default_float())
        )
    made = stored(
        "factory", out, full_of(size_of((size,)), value, dtypes.numpy_dtype(dtype), place(device), requires_grad)
    )
    return pin(made) if pin_memory else made


def number_of(value: Any, function: str, name: str, position: int) -> Any:
    """`value`, a number or a tensor without dimensions, as a Python number."""
    if isinstance(value, Tensor) and not value._array.ndim:
        value = value.item()
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be Number, not {type(value).__name__}"
        )
    return value


def full_of(size: tuple[int, ...], value: Any, dtype: np.dtype, where: Device, requires_grad: bool) -> Tensor:
    if isinstance(value, complex) and dtype.kind != "c":
        raise RuntimeError(f"value cannot be converted to type {c_name(dtype)} without overflow")
    there = backend_for(where)
    with there.use(where):
        array = there.xp.empty(size, dtype)
        try:
            array[...] = value
        except OverflowError:
            array[...] = wrapped(value, dtype)[()]
    return finish(array, requires_grad)


@composite()
def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of the shape, dtype and device of `input` with every element `fill_value`.

    Args:
        dtype: another dtype.
        device: another device.

    Example:
        >>> tapegrad.full_like(tapegrad.zeros(2), 3)
        tensor([3., 3.])
    """
    result = like("empty", input, dtype, device, False)
    value = number_of(fill_value, "full_like", "fill_value", 2)
    return finish(full_of(result._array.shape, value, result._array.dtype, result.device, False)._array, requires_grad)


@composite()
def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor without dimensions that holds a number.

    Args:
        s: the number.

    Example:
        >>> tapegrad.scalar_tensor(3)
        tensor(3.)
    """
    wanted = dtypes.default_float() if dtype is None else dtypes.numpy_dtype(dtype)
    made = full_of((), number_of(s, "scalar_tensor", "s", 1), wanted, place(device), requires_grad)
    return pin(made) if pin_memory else made


@exported
def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """An uninitialised tensor whose strides, in elements, are given.

    Args:
        stride: the strides.

    Example:
        >>> tapegrad.empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    shape, steps = size_of((tuple(size),)), tuple(stride)
    reach = 1 + sum([(n - 1) * step for n, step in zip(shape, steps)]) if 0 not in shape else 0
    memory = filled("empty", (reach,), dtype, device, False)._array
    made = finish(
        backend(memory).as_strided(memory, shape, tuple([step * memory.itemsize for step in steps])), requires_grad
    )
    return pin(made) if pin_memory else made
