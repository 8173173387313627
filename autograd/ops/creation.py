"""Factories: tensors from data, from shapes, from other tensors."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.cell import INFERENCE_CELL
from tapegrad.autograd.defaults import default_device
from tapegrad.autograd.gate import INFERENCE, gate, state
from tapegrad.autograd.op import composite
from tapegrad.autograd.tensor import Tensor, from_array
from tapegrad.backends import Device, backend, backend_for, is_array


def finish(array: Any, requires_grad: bool) -> Tensor:
    """A new leaf over `array`."""
    t = from_array(array)
    if gate.on and state.bits & INFERENCE:
        t._cell = INFERENCE_CELL
    if requires_grad:
        if array.dtype not in dtypes.INEXACT:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        t._rg = True
    return t


def place(device: Any) -> Device:
    """The device that ``device=`` means; None is the default device."""
    if device is None:
        return default_device()
    return device if isinstance(device, Device) else Device(device)


def size_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that ``(2, 3)`` or ``((2, 3),)`` means."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    shape = tuple(n if n.__class__ is int else _dimension(n) for n in size)
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def _dimension(n: Any) -> int:
    if isinstance(n, (float, str)) or not hasattr(n, "__index__"):
        raise TypeError(f"size must be a tuple of ints, but found element of type {type(n).__name__}")
    return int(n.__index__())


def _has_tensor(data: Any) -> bool:
    return isinstance(data, Tensor) or (isinstance(data, (list, tuple)) and any(_has_tensor(item) for item in data))


def _plain(data: Any) -> Any:
    """Nested lists with the tensors in them as Python numbers."""
    if isinstance(data, Tensor):
        return data.tolist()
    return [_plain(item) for item in data] if isinstance(data, (list, tuple)) else data


def host_array(data: Any, dtype: Any = None) -> np.ndarray:
    """`data` (numbers, nested lists, anything NumPy takes) as a new host array with torch's idea of its dtype."""
    if dtype is not None:
        dtype = dtypes.numpy_dtype(dtype)
    if isinstance(data, (list, tuple)):
        data = _plain(data) if _has_tensor(data) else data
        kinds = _numpy_leaf(data)
    else:
        kinds = isinstance(data, (np.ndarray, np.generic))
    try:
        array = np.array(data, dtype) if dtype is None or dtype.kind != "V" else np.array(np.array(data, np.float32), dtype)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise ValueError(f"expected sequence of equal length at every dim ({error})") from None
        raise
    except OverflowError:
        raise RuntimeError(f"value cannot be converted to type {dtype} without overflow") from None
    if dtype is None and not kinds:
        # Python numbers: float is the default dtype, int is int64 (which NumPy gives on every platform since 2.0)
        if array.dtype.kind == "f":
            array = array.astype(dtypes.default_float())
        elif array.dtype.kind == "c":
            array = array.astype(dtypes.default_complex())
        elif array.dtype.kind == "O":
            raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    dtypes.of(array.dtype)
    return array


def _numpy_leaf(data: Any) -> bool:
    """Whether the first leaf of nested lists is NumPy's, whose dtype then counts."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic))


@composite()
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A tensor with a copy of `data`.

    Args:
        data: a number, nested lists of numbers, an array.
        dtype: of the result; by default that of the data, with the default dtype for Python floats.
        device: where the tensor lives.
        requires_grad: whether gradients flow into it.

    Raises:
        ValueError: the lists are ragged.
        RuntimeError: `requires_grad` for a dtype that is not floating point or complex.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
    """
    if isinstance(data, Tensor):
        import warnings
        warnings.warn("To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
                      "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).", stacklevel=2)
        return finish(_move(data._array, dtype, device or data.device, True), requires_grad)
    if is_array(data) and not isinstance(data, np.generic) and data.__class__ is not np.ndarray:
        return finish(_move(data, dtype, device or backend(data).device_of(data), True), requires_grad)
    where = place(device)
    return finish(backend_for(where).from_host(host_array(data, dtype), where), requires_grad)


def _move(array: Any, dtype: Any, device: Any, copy: bool) -> Any:
    """`array` with `dtype` on `device`; itself if nothing needs to change and `copy` is not asked for."""
    source = array
    wanted = array.dtype if dtype is None else dtypes.numpy_dtype(dtype)
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
        data: a tensor, a NumPy or CuPy array, numbers or nested lists.
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
    if is_array(data) and not isinstance(data, np.generic):
        array = _usable(data)
        default = default_device() if data.__class__ is np.ndarray and device is None else device
        return finish(_move(array, dtype, default, False), False)
    return tensor(data, dtype=dtype, device=device)


def _usable(array: Any) -> Any:
    """`array`, or a copy where it cannot be shared (byte-swapped, or read-only)."""
    if not array.dtype.isnative:
        raise ValueError("given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.")
    dtypes.of(array.dtype)
    if array.__class__ is np.ndarray and not array.flags.writeable:
        return array.copy()
    return array if array.__class__ is not np.memmap else np.asarray(array)


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
    return empty(*args, dtype=dtype, device=device)


def _filled(make: str, size: tuple[int, ...], dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    where = place(device)
    there = backend_for(where)
    wanted = dtypes.default_float() if dtype is None else dtypes.numpy_dtype(dtype)
    if where.index:
        with there.use(where):
            return finish(getattr(there.xp, make)(size, wanted), requires_grad)
    return finish(getattr(there.xp, make)(size, wanted), requires_grad)


def _no_out(out: Any, made: Tensor) -> Tensor:
    if out is None:
        return made
    from tapegrad.autograd.inplace import store_out
    return store_out("factory", out, made)  # type: ignore[no-any-return]


@composite()
def zeros(*size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
          requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    Args:
        *size: the shape, as integers or one sequence.
        dtype: of the result; the default dtype if not given.
        device: where the tensor lives.
        requires_grad: whether gradients flow into it.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    return _no_out(out, _filled("zeros", size_of(size), dtype, device, requires_grad))


@composite()
def ones(*size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
         requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    Args:
        *size: the shape, as integers or one sequence.
        dtype: of the result; the default dtype if not given.
        device: where the tensor lives.
        requires_grad: whether gradients flow into it.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, dtype=tapegrad.int64)
        tensor([1, 1])
    """
    return _no_out(out, _filled("ones", size_of(size), dtype, device, requires_grad))


@composite()
def empty(*size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
          memory_format: Any = None) -> Tensor:
    """A tensor whose values are whatever the memory holds.

    Args:
        *size: the shape, as integers or one sequence.
        dtype: of the result; the default dtype if not given.
        device: where the tensor lives.
        requires_grad: whether gradients flow into it.

    Example:
        >>> import tapegrad
        >>> tapegrad.empty(2, 3).shape
        torch.Size([2, 3])
    """
    return _no_out(out, _filled("empty", size_of(size), dtype, device, requires_grad))


def like(make: str, input: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A tensor of `input`'s shape, dtype and device, unless told otherwise."""
    array = input._array if isinstance(input, Tensor) else input
    return _filled(make, array.shape, array.dtype if dtype is None else dtype, backend(array).device_of(array) if device is None else device, requires_grad)


@composite()
def zeros_like(input: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """Zeros of the shape, dtype and device of `input`.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros_like(tapegrad.ones(2))
        tensor([0., 0.])
    """
    return like("zeros", input, dtype, device, requires_grad)


@composite()
def ones_like(input: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """Ones of the shape, dtype and device of `input`.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones_like(tapegrad.zeros(2))
        tensor([1., 1.])
    """
    return like("ones", input, dtype, device, requires_grad)


@composite()
def empty_like(input: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """An uninitialised tensor of the shape, dtype and device of `input`."""
    return like("empty", input, dtype, device, requires_grad)


def shape_arguments(sizes: Sequence[Any]) -> tuple[int, ...]:
    """The shape in ``view(2, 3)`` or ``view((2, 3))``, where -1 is allowed."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    return tuple(n if n.__class__ is int else _dimension(n) for n in sizes)
