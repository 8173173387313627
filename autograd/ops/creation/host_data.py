"""Numbers, nested lists of numbers, tensors and arrays: what Python offers as data, as an array on the host with
torch's idea of its dtype.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import grad_enabled
from tapegrad.autograd.core.tensor import Tensor, requires_grad
from tapegrad.autograd.interchange.python_protocols import number_in
from tapegrad.autograd.modes.call_stack import warn_caller
from tapegrad.autograd.ops.common.dims import c_name
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.promotion import promoted
from tapegrad.autograd.types.trees import leaves

_BOOL, _LONG = np.dtype(bool), np.dtype(np.int64)
_TYPED = (Tensor, np.generic, np.ndarray)  # whose dtypes count among Python's numbers


def _classes(data: Any) -> set[type]:
    """The classes of what stands in nested lists."""
    found = set(map(type, data))
    if any(issubclass(item, (list, tuple)) for item in found):
        found.update(*[_classes(item) for item in data if isinstance(item, (list, tuple))])
    return found


def _item_dtype(item: Any) -> np.dtype | None:
    """The dtype that an item of a list asks for; None if it is neither tensor nor array nor number."""
    if isinstance(item, Tensor):
        return item._array.dtype
    if isinstance(item, (np.generic, np.ndarray)):
        dtype = item.dtype if item.dtype.isnative else item.dtype.newbyteorder("=")
        return None if dtype.kind in "OUSMm" else dtype
    if isinstance(item, (bool, int)):
        return _BOOL if isinstance(item, bool) else _LONG
    return (
        dtypes.default_float()
        if isinstance(item, float)
        else dtypes.default_complex()
        if isinstance(item, complex)
        else None
    )


def _promoted(data: Any) -> np.dtype | None:
    """What the dtypes of all items of nested lists promote to; None where an item has none."""
    found = list(dict.fromkeys(map(_item_dtype, leaves(data))))
    known = [dtype for dtype in found if dtype is not None]
    return functools.reduce(promoted, known) if len(known) == len(found) else None


_warned = False


def _tell_of_lost_gradient(t: Tensor) -> None:
    """PyTorch warns of it once in a process, and so does this."""
    global _warned
    if not _warned and requires_grad(t) and grad_enabled():
        _warned = True
        warn_caller(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\nConsider "
            "using tensor.detach() first."
        )


def _plain(data: Any) -> Any:
    """Nested lists with the tensors in them as Python numbers."""
    if isinstance(data, Tensor):
        _tell_of_lost_gradient(data)
        # read in passing: the program may not know that a list of a device's numbers is read one by one
        return number_in(data)
    return [_plain(item) for item in data] if isinstance(data, (list, tuple)) else data


def host_array(data: Any, dtype: Any = None) -> np.ndarray:
    """`data` (numbers, nested lists, anything NumPy takes) as a new host array with torch's idea of its dtype."""
    if dtype is not None:
        dtype = dtypes.numpy_dtype(dtype)
    if isinstance(data, (list, tuple)):
        classes = _classes(data)
        kinds = any(issubclass(item, _TYPED) for item in classes)
        if kinds and dtype is None:
            dtype = _promoted(data)
        if any(issubclass(item, Tensor) for item in classes):
            data = _plain(data)
    else:
        kinds = isinstance(data, (np.ndarray, np.generic))
    try:
        array = (
            np.array(data, dtype) if dtype is None or dtype.kind != "V" else np.array(np.array(data, np.float32), dtype)
        )
    except ValueError as error:
        if "inhomogeneous" in str(error):
            _find_ragged(data, 1)
        _refuse_items(data)
        raise
    except TypeError:
        _refuse_items(data)
        raise
    except OverflowError:
        assert dtype is not None
        array = wrapped(data, dtype)
    if array.dtype.kind in "OUS" or (array.dtype == np.uint64 and dtype is None and not kinds):
        _refuse_items(data)
        raise ValueError("Overflow when unpacking long long")
    if dtype is None and not kinds:
        # Python numbers: float is the default dtype, int is int64 (which NumPy gives on every platform since 2.0)
        if array.dtype.kind == "f":
            array = array.astype(dtypes.default_float())
        elif array.dtype.kind == "c":
            array = array.astype(dtypes.default_complex())
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return dtypes.canonical(array)


def wrapped(data: Any, dtype: np.dtype) -> np.ndarray:
    """Integers beyond an unsigned dtype's range: torch wraps negative ones, and refuses the others."""
    try:
        wide = np.array(data, np.int64)
    except OverflowError:
        raise ValueError("Overflow when unpacking long long") from None
    if dtype.kind != "u" or abs(wide).max() > np.iinfo(dtype).max:
        raise RuntimeError(f"value cannot be converted to type {c_name(dtype)} without overflow")
    return wide.astype(dtype)


def _find_ragged(data: Any, dim: int) -> None:
    """Raise torch's error for nested lists of different lengths."""
    if not isinstance(data, (list, tuple)) or not data:
        return
    first = len(data[0]) if isinstance(data[0], (list, tuple)) else None
    for item in data:
        length = len(item) if isinstance(item, (list, tuple)) else None
        if length != first:
            if first is None:
                raise TypeError(f"must be real number, not {type(item).__name__}")
            if length is None:
                raise TypeError(f"expected sequence at dim {dim}, not {type(item).__name__}")
            raise ValueError(f"expected sequence of length {first} at dim {dim} (got {length})")
    for item in data:
        _find_ragged(item, dim + 1)


def _refuse_items(data: Any, inside: bool = False) -> None:
    """Raise torch's error for what is no number."""
    if isinstance(data, (list, tuple)):
        for item in data:
            _refuse_items(item, True)
    elif isinstance(data, (str, bytes)) or (
        inside and not isinstance(data, (bool, int, float, complex, np.ndarray, np.generic))
    ):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    elif not isinstance(data, (bool, int, float, complex, np.ndarray, np.generic)):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    elif isinstance(data, np.ndarray):
        raise TypeError(
            f"can't convert np.ndarray of type {data.dtype.type.__module__}.{data.dtype.type.__qualname__}. The only "
            "supported types are: float64, "
            "float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and "
            "bool."
        )
