"""`StrictArray`: a NumPy array that behaves as a CuPy array does, so that code for CUDA can be checked without a GPU.

It refuses what CuPy refuses (implicit conversion, host operands, names and keywords that CuPy lacks), counts what would
copy or wait, and does the rest as CuPy does it: reductions and single elements are 0-d arrays, indices that are out of
range wrap, fresh results are in C order, floating-point warnings do not exist, and quotients, rests, integer powers and
results in bfloat16 are those of CuPy's formulas and loops. Facts about CuPy are those of its source, version 14.

What it cannot show: numbers that differ in the last places, sums that depend on the order of atomics, races of repeated
indices, and what kernels cost. Promotion with Python numbers is NumPy's, which for bfloat16 is not CuPy's.
"""

from __future__ import annotations

import json
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from tapegrad.backends.device import Device
from tapegrad.backends.out_of_memory import OutOfMemoryError, out_of_memory_text
from tapegrad.backends.registry import backend_for
from tapegrad.backends.strict import kernels as strict_kernels
from tapegrad.backends.strict.calls import NOT_OFFERED, OVERRIDES, Signature, call, matmul, operand, quiet
from tapegrad.backends.strict.transfers import DEVICE_TO_HOST, HOST_TO_DEVICE, SYNCHRONISATION, copy_out, note
from tapegrad.backends.threads import handed_on

NAMES: dict[str, Any] = json.loads(Path(__file__).with_name("strict_names.json").read_text(encoding="utf-8"))

Pointer = namedtuple("Pointer", "ptr device_id mem")


class CurrentDevice:
    """CuPy's object for a device, which is the current one inside a ``with`` block of it."""

    def __init__(self, memory: Memory, id: int) -> None:
        self.id = id
        self._memory = memory
        self._before: list[int] = []

    def __enter__(self) -> CurrentDevice:
        self._before.append(self._memory.current)
        self._memory.current = self.id
        return self

    def __exit__(self, *error: object) -> None:
        self._memory.current = self._before.pop()


class Memory:
    """The devices of one strict backend: which is current, and the bytes in use on each.

    Sizes are rounded up to 512 bytes as CuPy's memory pool rounds them. There is no pool: what is freed is free.

    Attributes:
        total: bytes that each device has.
        limit: bytes that may be used of each; None: all.
        failures: how often a device had no memory left.
    """

    def __init__(self, devices: int, total: int) -> None:
        self.devices = devices
        self.total = total
        self.limit: list[int | None] = [None] * devices
        self.used = [0] * devices
        self.peak = [0] * devices
        self.failures = [0] * devices
        self._lock = threading.RLock()  # an array may be collected while another is made
        self._thread = handed_on(threading.local())

    @property
    def current(self) -> int:
        return getattr(self._thread, "current", 0)

    @current.setter
    def current(self, index: int) -> None:
        self._thread.current = index

    def take(self, index: int, size: int) -> int:
        asked, size = size, -(-size // 512) * 512
        with self._lock:
            limit = self.limit[index]
            if self.used[index] + size > (self.total if limit is None else min(limit, self.total)):
                self.failures[index] += 1
                self._refuse(index, asked)
            self.used[index] += size
            self.peak[index] = max(self.peak[index], self.used[index])
        return size

    def _refuse(self, index: int, asked: int) -> NoReturn:
        used = self.used[index]
        raise OutOfMemoryError(
            out_of_memory_text(
                asked,
                index,
                total=self.total,
                free=self.total - used,
                allocated=used,
                reserved=used,
                limit=self.limit[index],
            )
        )

    def free(self, index: int, size: int) -> None:
        with self._lock:
            self.used[index] -= size

    def reset_peak(self, index: int) -> None:
        with self._lock:
            self.peak[index] = self.used[index]


class StrictArray:
    """An array of the strict device; made by the functions of its backend's `xp`, never directly.

    Each backend has a subclass of its own, so that arrays of different backends do not mix.
    """

    __slots__ = ("__weakref__", "_array", "_index", "_owner", "_size")
    __array_priority__ = 100
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]
    _memory: Memory
    _type: str
    # put in at the end of this file, with the operators
    shape: tuple[int, ...]
    dtype: np.dtype
    ndim: int
    size: int
    copy: Callable[..., Any]
    _array: np.ndarray
    _owner: StrictArray | None
    _index: int
    _size: int

    def __init__(self) -> None:
        raise TypeError("strict arrays are made by the functions of the strict device's namespace")

    # making arrays
    @classmethod
    def _own(cls, array: np.ndarray, index: int | None = None) -> Any:
        """An array that owns `array`, which nothing else refers to."""
        self = object.__new__(cls)
        self._owner = None
        self._index = cls._memory.current if index is None and cls._memory.devices > 1 else index or 0
        self._array = array
        self._size = 0  # there is nothing to free if there is no memory left
        self._size = cls._memory.take(self._index, array.nbytes)
        return self

    def _view(self, array: np.ndarray) -> Any:
        """`array`, which shares this array's memory."""
        view = object.__new__(self.__class__)
        view._owner = self if self._owner is None else self._owner
        view._index = self._index
        view._array = array
        view._size = 0
        return view

    @classmethod
    def _result(cls, value: Any, operands: list[StrictArray], order: Any = "C") -> Any:
        """What a NumPy function returned, as what CuPy's would return."""
        if isinstance(value, np.ndarray):
            root: Any = value
            while getattr(root, "base", None) is not None:
                root = root.base
            for operand in operands:
                if value is operand._array:
                    return operand
                if root is (operand if operand._owner is None else operand._owner)._array:
                    return operand._view(value)
            if root is not value or (order == "C" and not value.flags.c_contiguous):
                value = value.copy(order)
            return cls._own(value)
        if isinstance(value, np.generic):
            return cls._own(np.asarray(value))
        if isinstance(value, (tuple, list)):
            parts = [cls._result(part, operands, order) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
        return value

    def __del__(self) -> None:
        if self._owner is None:
            self._memory.free(self._index, self._size)

    # what the host may not do
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(
            f"numpy.{function.__name__} was called on an array of the {self._type} device; call its own namespace"
        )

    def __dlpack__(self, **kwargs: Any) -> Any:
        raise BufferError("memory of the strict device cannot be exported: it only looks like a GPU's")

    __dlpack_device__ = __dlpack__

    # copies to the host
    def get(
        self, stream: Any = None, order: Any = "C", out: np.ndarray | None = None, blocking: bool = True
    ) -> np.ndarray:
        if blocking:
            copy_out("get()", self._array.nbytes)
        else:
            note(DEVICE_TO_HOST, "get(blocking=False)", self._array.nbytes)
        if out is None:
            return self._array.copy(order)
        out[...] = self._array
        return out

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError(
                f"{arr.dtype} array of shape {arr.shape} cannot be set to {self.dtype} array of shape {self.shape}"
            )
        note(HOST_TO_DEVICE, "set()", arr.nbytes)
        self._array[...] = arr

    def item(self) -> Any:
        copy_out("item()", self._array.nbytes)
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self._array.item()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        copy_out("bool()", self._array.nbytes)
        return bool(self._array)

    def __format__(self, spec: str) -> str:
        copy_out("format()", self._array.nbytes)
        return format(self._array.item() if spec and self.size == 1 else self._array, spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (self._type, self._index, self.get())

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    # facts
    @property
    def base(self) -> Any:
        return self._owner

    @property
    def T(self) -> Any:
        return self._view(self._array.T)

    @property
    def mT(self) -> Any:
        return self._view(self._array.mT)

    @property
    def real(self) -> Any:
        return self._view(self._array.real) if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Any:
        return (
            self._view(self._array.imag)
            if self.dtype.kind == "c"
            else self._own(np.zeros_like(self._array, order="C"), self._index)
        )

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            raise TypeError("cannot set imag of an array of real numbers")
        self.imag[...] = value

    @property
    def flags(self) -> Flags:
        return Flags(self._array.flags.c_contiguous, self._array.flags.f_contiguous, self._owner is None)

    @property
    def data(self) -> Pointer:
        return Pointer(
            self._array.__array_interface__["data"][0], self._index, self if self._owner is None else self._owner
        )

    @property
    def device(self) -> CurrentDevice:
        return CurrentDevice(self._memory, self._index)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    # indexing
    def __getitem__(self, key: Any) -> Any:
        key, advanced = self._key(key, "an index")
        if not advanced:
            return self._view(self._array[key])
        return self._result(self._array[key], [])

    @quiet
    def __setitem__(self, key: Any, value: Any) -> None:
        key, advanced = self._key(key, "an index")
        if value.__class__ is self.__class__:
            value = value._array
        elif not advanced and np.ndim(value):
            raise ValueError(f"non-scalar {type(value).__module__}.{type(value).__qualname__} cannot be used for fill")
        elif advanced:
            # CuPy makes an array of a value that is none, a number included, unless the index is only slices and
            # integers
            note(HOST_TO_DEVICE, f"writing a {type(value).__name__} through an index array", np.asarray(value).nbytes)
        self._array[key] = value

    def _key(self, key: Any, what: str) -> tuple[tuple[Any, ...], bool]:
        """The index for NumPy, and whether it holds arrays. Without arrays it ends in an ellipsis: a single element is
        a 0-d view.
        """
        items = list(key) if isinstance(key, tuple) else [key]
        advanced = mask = ellipsis = False
        axes = 0  # that are indexed
        for i, item in enumerate(items):
            kind = item.__class__
            if kind is slice or kind is int:
                axes += 1
            elif item is Ellipsis:
                ellipsis = True
            elif item is not None:
                if kind is self.__class__:
                    item = item._array
                elif isinstance(item, (bool, np.bool_, list, tuple, np.ndarray)):
                    item = np.asarray(item)
                    note(HOST_TO_DEVICE, f"a {kind.__name__} as an index", item.nbytes)
                    item = item.astype(np.int32) if not item.size else item
                elif isinstance(item, StrictArray):
                    raise TypeError(f"Unsupported type {kind}")
                else:
                    axes += 1
                    continue
                if item.dtype.kind not in "biu":
                    raise IndexError(
                        f"arrays used as indices must be of integer or boolean type. (actual: {item.dtype.type})"
                    )
                advanced = True
                mask = mask or item.dtype.kind == "b"
                axes += item.ndim if item.dtype.kind == "b" else 1
                items[i] = item
        if not ellipsis:
            items.append(Ellipsis)
        if advanced:
            self._wrap(items, self.ndim - axes)
        if mask:
            note(SYNCHRONISATION, f"a mask as {what}")
        return tuple(items), advanced

    def _wrap(self, items: list[Any], rest: int) -> None:
        """Bring index arrays into range, as CuPy's kernels do; the ellipsis stands for `rest` axes."""
        axis = 0
        for i, item in enumerate(items):
            if isinstance(item, np.ndarray):
                if item.dtype.kind == "b":
                    axis += item.ndim
                    continue
                if axis < self.ndim and self.shape[axis]:
                    items[i] = item.astype(np.int64, copy=False) % self.shape[axis]
            axis += rest if item is Ellipsis else item is not None


class Flags(namedtuple("Flags", "c_contiguous f_contiguous owndata")):
    """CuPy's array flags; there is no `writeable`."""

    @property
    def forc(self) -> bool:
        return self.c_contiguous or self.f_contiguous

    @property
    def fnc(self) -> bool:
        return self.f_contiguous and not self.c_contiguous

    def __getitem__(self, name: Any) -> Any:
        return getattr(self, name.lower())


def _revive(type: str, index: int, array: np.ndarray) -> Any:
    device = Device(type, index)
    return backend_for(device).from_host(array, device)


def _binary(function: Callable[..., Any], reflected: bool) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        if getattr(type(other), "__array_ufunc__", 0) is None and other.__class__ is not self.__class__:
            return NotImplemented  # it wants to handle arrays itself
        a, b = operand(self.__class__, self), operand(self.__class__, other)
        result = function(b, a, order="C") if reflected else function(a, b, order="C")
        if result.__class__ is np.ndarray:
            return self._own(result)
        return (
            tuple(self._own(np.asarray(part)) for part in result)
            if isinstance(result, tuple)
            else self._own(np.asarray(result))
        )

    return quiet(method)


def _inplace(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        function(operand(self.__class__, self), operand(self.__class__, other), out=self._array)
        return self

    return quiet(method)


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any) -> Any:
        return self._own(np.asarray(function(operand(self.__class__, self), order="C")))

    return quiet(method)


def _host_value(convert: Callable[[Any], Any], name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        copy_out(name, self._array.nbytes)
        return convert(self._array, *args, **kwargs)

    return method


def _fact(name: str) -> property:
    return property(lambda self: getattr(self._array, name))


def _method(name: str, parameters: str, function: Callable[..., Any]) -> Callable[..., Any]:
    signature = Signature(name, parameters, function, method=True, loops=NAMES["loops"].get(name, "E"))

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return call(self.__class__, signature, (self, *args), kwargs)

    method.__name__ = name
    return method


def _fill_in() -> None:
    """Give `StrictArray` its operators and plain attributes."""
    operators: dict[str, Callable[..., Any]] = {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "truediv": np.true_divide,
        "floordiv": strict_kernels.floor_divide,
        "mod": strict_kernels.remainder,
        "divmod": np.divmod,
        "pow": strict_kernels.power,
        "matmul": matmul,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
        "lshift": np.left_shift,
        "rshift": np.right_shift,
    }
    for name, function in operators.items():
        setattr(StrictArray, f"__{name}__", _binary(function, False))
        setattr(StrictArray, f"__r{name}__", _binary(function, True))
        if name not in ("divmod", "matmul"):  # CuPy has no in-place matmul: a @= b gives a new array
            setattr(StrictArray, f"__i{name}__", _inplace(function))
    for name in ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal"):
        method = {
            "less": "lt",
            "less_equal": "le",
            "equal": "eq",
            "not_equal": "ne",
            "greater": "gt",
            "greater_equal": "ge",
        }[name]
        setattr(StrictArray, f"__{method}__", _binary(getattr(np, name), False))
    for name, function in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
        setattr(StrictArray, f"__{name}__", _unary(function))
    for convert in (float, int, complex, str, repr):
        setattr(StrictArray, f"__{convert.__name__}__", _host_value(convert, f"{convert.__name__}()"))
    for name in ("tolist", "tobytes", "tofile", "dump", "dumps"):
        setattr(StrictArray, name, _host_value(getattr(np.ndarray, name), f"{name}()"))
    for name in ("shape", "dtype", "ndim", "size", "strides", "itemsize", "nbytes"):
        setattr(StrictArray, name, _fact(name))
    for name, kind in NAMES["ndarray"].items():
        found = OVERRIDES.get(("ndarray", name), getattr(np.ndarray, name, None))
        if kind.startswith("def ") and found is not None and name not in NOT_OFFERED and name not in vars(StrictArray):
            setattr(StrictArray, name, _method(name, kind.removeprefix("def "), found))


_fill_in()
