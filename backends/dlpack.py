"""DLPack, through which arrays of different libraries share memory: what NumPy and CuPy lack of it, which is bfloat16,
capsules, and old producers.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.device import Device
from tapegrad.backends.registry import backend, backend_for, is_array

# https://github.com/dmlc/dlpack/blob/v1.1/include/dlpack/dlpack.h
CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
UINT, BFLOAT = 1, 4


class DLTensor(ctypes.Structure):
    """DLPack's description of an array."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    ]


#: capsule name -> where its DLTensor lies: after the version, the manager's pointer, the deleter and the flags, where
#: it has a version
_OFFSETS = {b"dltensor": 0, b"dltensor_versioned": 32}
_name = ctypes.pythonapi.PyCapsule_GetName
_name.restype, _name.argtypes = ctypes.c_char_p, [ctypes.py_object]
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_INVALID = (
    "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might "
    "have already constructed a tensor "
    "from it once."
)


def contents(capsule: Any) -> DLTensor:
    """A capsule's description of its array; writing to it changes the capsule.

    Raises:
        RuntimeError: it is no capsule of DLPack's, or was used before.
    """
    name = _name(capsule) if type(capsule).__name__ == "PyCapsule" else b""
    if name not in _OFFSETS:
        raise RuntimeError(_INVALID)
    return DLTensor.from_address(_pointer(capsule, name) + _OFFSETS[name])


def export(array: Array, **options: Any) -> Any:
    """A capsule of `array`'s memory.

    Args:
        **options: the consumer's: stream, max_version, dl_device, copy.

    Raises:
        BufferError: the memory cannot be exported.
    """
    if any(stride < 0 for stride in array.strides):
        # PyTorch ends the whole process over them.
        raise BufferError("Can't export tensors with negative strides, use tensor.contiguous()")
    here = backend(array)
    with here.use(here.device_of(array)):
        if array.dtype.name != "bfloat16":
            return array.__dlpack__(**options)
        capsule = array.view(np.uint16).__dlpack__(**options)  # NumPy's DLPack knows no bfloat16
    contents(capsule).code = BFLOAT
    return capsule


def imported(source: Any, copy: bool | None = None) -> Array:
    """An array over the memory of an object that speaks DLPack, or of a capsule.

    Args:
        copy: True: always copy; False: never; None: only memory that cannot be written.

    Raises:
        RuntimeError: `source` is neither, or no backend serves its device.
        BufferError: its producer refuses, or the memory cannot be written, and `copy` is False.
    """
    if is_array(source) and not isinstance(source, np.generic):
        array = source
        if not array.dtype.isnative:
            raise BufferError("DLPack only supports native byte order.")
    else:
        if not hasattr(source, "__dlpack__"):
            source = _Capsule(source)
        kind, index = source.__dlpack_device__()
        there = _backend_of(int(kind), index)
        producer = _Producer(source)
        with there.use(Device(there.type, index if there.type == "cuda" else None)):
            array = there.xp.from_dlpack(producer)
        if array.__class__ is np.ndarray and not array.flags.writeable and not producer.versioned:
            array = np.asarray(_Writeable(array))  # a capsule without version does not say, and NumPy is cautious
        if producer.is_bfloat16:
            from ml_dtypes import bfloat16

            array = array.view(bfloat16)
    frozen = isinstance(array, np.ndarray) and not array.flags.writeable
    if frozen and copy is False:
        raise BufferError("from_dlpack: the memory is read-only, which tensors are not. Set copy=None or copy=True.")
    return array.copy() if copy or frozen else array


def _backend_of(kind: int, index: int) -> Backend:
    if kind in (CPU, CUDA_HOST):
        return backend_for(Device("cpu"))
    if kind in (CUDA, CUDA_MANAGED):
        return backend_for(Device("cuda", index))
    raise RuntimeError(f"from_dlpack: no backend serves DLPack device type {kind}")


class _Capsule:
    """A bare capsule as an object that speaks DLPack."""

    def __init__(self, capsule: Any) -> None:
        found = contents(capsule)
        self._capsule = capsule
        self._device = found.device_type, found.device_id

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


class _Producer:
    """An object that speaks DLPack, its bfloat16 called uint16.

    Attributes:
        is_bfloat16: whether it was; known once the memory has been handed over.
        versioned: whether its capsule says if the memory may be written.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self.is_bfloat16 = self.versioned = False

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self._source.__dlpack__(**options)
        found = contents(capsule)
        self.versioned = _name(capsule) == b"dltensor_versioned"
        if found.code == BFLOAT and found.bits == 16:
            self.is_bfloat16 = True
            found.code = UINT
        return capsule

    def __dlpack_device__(self) -> Any:
        return self._source.__dlpack_device__()


class _Writeable:
    """The memory of a NumPy array, which it keeps alive, as memory that may be written."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}
