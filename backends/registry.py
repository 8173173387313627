"""Which backend serves an array, and which serves a device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.device import Device

_by_type: dict[str, Backend] = {}
_loaders: dict[str, Callable[[], Backend]] = {}
#: callbacks for whenever the backends in service have changed
service_changed: list[Callable[[], None]] = []
#: full name of an array class -> its device type, for arrays that the program may have before it first names the device
_foreign: dict[str, str] = {}


class _ByArrayType(dict[type, Any]):
    """Array class -> what was registered for it; NumPy's scalar classes, and classes whose backend is not loaded yet,
    are found at first use.
    """

    def __missing__(self, cls: type) -> Any:
        for base in cls.__mro__:
            type = _foreign.get(f"{base.__module__}.{base.__qualname__}")
            if type is not None and type not in _by_type:
                backend_for(Device(type))
                return self[cls]
        for known in list(self):
            if issubclass(cls, known) or (known is np.ndarray and issubclass(cls, np.generic)):
                value = self[cls] = self[known]
                return value
        raise TypeError(f"no backend is registered for {cls.__module__}.{cls.__qualname__}")


_backends: dict[type, Backend] = _ByArrayType()
_namespaces: dict[type, Any] = _ByArrayType()
#: the array classes of all loaded backends
ARRAYS: set[Any] = set()


def register(backend: Backend) -> None:
    """Make a backend known; it serves arrays of its `array_type` and devices of its `type`."""
    _by_type[backend.type] = backend
    serve(backend)
    _announce()


def _announce() -> None:
    for callback in service_changed:
        callback()


def in_service() -> list[Backend]:
    """The loaded backends."""
    return list(_by_type.values())


def serve(backend: Backend) -> None:
    """Register `backend` for the arrays of its `array_type`."""
    _backends[backend.array_type] = backend
    _namespaces[backend.array_type] = backend.xp
    ARRAYS.add(backend.array_type)


def register_loader(type: str, load: Callable[[], Backend], array: str | None = None) -> None:
    """Register a function that makes the backend of a device type, called at the first use of the type or of an array
    of the class of full name `array`.
    """
    _loaders[type] = load
    if array is not None:
        _foreign[array] = type


def xp(array: Array) -> Any:
    """The array namespace of `array`: numpy, cupy, or the strict device's."""
    return _namespaces[array.__class__]


def backend(array: Array) -> Backend:
    """The backend of `array`."""
    return _backends[array.__class__]


def is_array(value: object) -> bool:
    """Whether `value` is an array (or NumPy scalar) of a loaded backend."""
    try:
        _backends[value.__class__]
    except TypeError:
        return False
    return True


def loaded(type: str) -> bool:
    """Whether the backend of a device type has been used."""
    return type in _by_type


def backend_for(device: Device) -> Backend:
    """The backend that serves `device`, loaded at its first use.

    Raises:
        RuntimeError: the device is not available; the message says what is missing and what to install.
    """
    if device.type not in _by_type:
        register(_loaders[device.type]())
    return _by_type[device.type]


@contextlib.contextmanager
def standing_in(type: str, backend: Backend) -> Any:
    """Inside, `backend` serves the device type `type` (the strict device stands in for CUDA this way)."""
    before = _by_type.get(type)
    _by_type[type] = backend
    serve(backend)
    _announce()
    try:
        yield backend
    finally:
        if before is None:
            del _by_type[type]
        else:
            _by_type[type] = before
        _announce()
