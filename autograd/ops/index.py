"""Reading and writing by index."""
from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd import inplace
from tapegrad.autograd.cell import written
from tapegrad.autograd.gate import GRAD_OFF, gate, state
from tapegrad.autograd.node import At
from tapegrad.autograd.op import op
from tapegrad.autograd.tensor import Tensor, from_array, requires_grad
from tapegrad.backends import backend, xp

# An index in the array library's own terms: what `x[...]` of the array takes. Tensors in it have become arrays, masks stay masks.
_BASIC = (int, slice, type(None), type(Ellipsis))


def plain_index(index: Any, array: Any) -> Any:
    """A user's index for `array` as the array library takes it.

    Raises:
        IndexError: an index of a type that cannot index, too many indices, or one out of range.
    """
    if index.__class__ is int or index.__class__ is slice or index is None or index is Ellipsis:
        return index
    if index.__class__ is tuple:
        return tuple([i if i.__class__ in _BASIC else _plain_one(i, array) for i in index])
    if index.__class__ is list and index and any(isinstance(i, (slice, type(None), type(Ellipsis))) for i in index):
        return plain_index(tuple(index), array)
    return _plain_one(index, array)


def _plain_one(i: Any, array: Any) -> Any:
    if isinstance(i, Tensor):
        return _index_array(i._array)
    if i.__class__ in _BASIC:
        return i
    if isinstance(i, (bool, np.bool_)):
        return bool(i)
    if isinstance(i, (list, tuple, range)):
        from tapegrad.autograd.ops.creation import host_array
        found = host_array(list(i))
        if not found.size:
            found = found.astype(np.int64)
        return _index_array(backend(array).from_host(found, backend(array).device_of(array)))
    if isinstance(i, np.ndarray) and array.__class__ is not np.ndarray:
        return _index_array(backend(array).from_host(i, backend(array).device_of(array)))
    if hasattr(i, "dtype") and hasattr(i, "ndim"):
        return _index_array(i)
    if hasattr(i, "__index__"):
        return i.__index__()
    raise IndexError("only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
                     f"{type(i).__name__})")


def _index_array(i: Any) -> Any:
    kind = i.dtype.kind
    if kind not in "iub":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if i.dtype == np.uint8:
        return i.astype(bool)
    if i.__class__ is np.ndarray and i.ndim == 0 and kind != "b":
        return int(i)
    return i


def is_basic(index: Any) -> bool:
    """Whether reading by a plain index gives a view in which no element stands twice."""
    if index.__class__ is tuple:
        return all([i.__class__ in _BASIC for i in index])
    return index.__class__ in _BASIC


def _unique(index: Any) -> bool:
    """Whether no element can stand twice: basic indices, and masks."""
    parts = index if index.__class__ is tuple else (index,)
    return all([i.__class__ in _BASIC or (getattr(i, "dtype", None) is not None and i.dtype.kind == "b") for i in parts])


@op(input=lambda grad, index, input_shape: At(index, grad, input_shape, True), kind="view", public=False)
def _read(input: Any, index: Any) -> Any:
    return input[index]


@op(input=lambda grad, index, input_shape: At(index, grad, input_shape, _unique(index)), kind="linear", public=False)
def _gather(input: Any, index: Any) -> Any:
    return input[index]


@op(grad=lambda grad, index: read(grad, index), kind="linear", public=False)
def scatter_rows(grad: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape`, with `grad` added at `index`: the adjoint of reading."""
    whole = xp(grad).zeros(shape, grad.dtype)
    if _unique(index):
        whole[index] = grad
    else:
        backend(whole).scatter_add(whole, index, grad)
    return whole


def read(input: Any, index: Any) -> Any:
    """``input[index]`` for a plain index."""
    return _read(input, index) if is_basic(index) else _gather(input, index)


def getitem(self: Tensor, index: Any) -> Tensor:
    """``self[index]``: a view for integers, slices, None and Ellipsis; a copy for lists, tensors and masks."""
    index = plain_index(index, self._array)
    try:
        return read(self, index)  # type: ignore[no-any-return]
    except IndexError as error:
        raise _torch_error(error, index, self._array) from None


def _torch_error(error: IndexError, index: Any, array: Any) -> Exception:
    """NumPy's IndexError in torch's words."""
    parts = index if index.__class__ is tuple else (index,)
    used = sum(i.ndim if getattr(getattr(i, "dtype", None), "kind", "") == "b" else i is not None and i is not Ellipsis for i in parts)
    if array.ndim == 0:
        return IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number")
    if used > array.ndim:
        return IndexError(f"too many indices for tensor of dimension {array.ndim}")
    dim = 0
    for i in parts:
        if i.__class__ is int and dim < array.ndim and not -array.shape[dim] <= i < array.shape[dim]:
            return IndexError(f"index {i} is out of bounds for dimension {dim} with size {array.shape[dim]}")
        if i is Ellipsis:
            dim = array.ndim - sum(j is not None for j in parts[parts.index(i) + 1:])
        elif i is not None:
            dim += 1
    return error


@op(input=lambda grad, index: put(grad, index, None), value=lambda grad, index, value_shape: _to_value(read(grad, index), value_shape), kind="linear",
    types="free", public=False)
def put(input: Any, index: Any, value: Any) -> Any:
    """`input` with `value` (None: zero) written at `index`."""
    result = input.copy()
    result[index] = 0 if value is None else value
    return result


def _to_value(grad: Any, shape: tuple[int, ...]) -> Any:
    from tapegrad.autograd.runtime import sum_to
    while len(shape) > grad.ndim:
        shape = shape[1:] if shape[0] == 1 else shape
        grad = grad.reshape((1,) * (len(shape) - grad.ndim) + tuple(grad.shape))
    return sum_to(grad, shape)


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``, recorded where gradients flow."""
    array = self._array
    index = plain_index(index, array)
    recording = not (gate.on and state.bits & GRAD_OFF) and ((isinstance(value, Tensor) and requires_grad(value)) or requires_grad(self))
    inplace.check_writable(self, recording)
    given = value._array if isinstance(value, Tensor) else value
    if isinstance(value, Tensor):
        if given.__class__ is not array.__class__:
            if given.ndim:
                raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, {self.device} and {value.device}!")
            value = value.to(self.device)
            given = value._array
    elif isinstance(value, (list, tuple, np.ndarray)):
        from tapegrad.autograd.ops.creation import host_array
        here = backend(array)
        given = here.from_host(host_array(value, array.dtype), here.device_of(array))
    if not recording:
        _write(array, index, given)
        written(self)
        return
    node = put.op
    node.build()
    before = inplace.as_before(self, array)
    if value is self:
        given = given.copy()
        value = before
    _write(array, index, given)
    written(self)
    result = from_array(array)
    result._node = node.record(array, before, index, value if isinstance(value, Tensor) else given)
    result._rg = True
    inplace.rebase(self, result)


def _write(array: Any, index: Any, value: Any) -> None:
    """``array[index] = value``, in torch's words where it fails; a leading run of ones in the value's shape is dropped."""
    if getattr(value, "dtype", None) is not None and value.dtype.kind == "c" and array.dtype.kind != "c":
        value = value.real
    try:
        array[index] = value
    except IndexError as error:
        raise _torch_error(error, index, array) from None
    except ValueError:
        target = array[index].shape
        raise RuntimeError(f"shape mismatch: value tensor of shape {list(getattr(value, 'shape', []))} cannot be broadcast to indexing result of shape "
                           f"{list(target)}") from None


Tensor.__getitem__ = getitem  # type: ignore[attr-defined]
Tensor.__setitem__ = setitem  # type: ignore[attr-defined]
