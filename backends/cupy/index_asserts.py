"""Indices that are out of range on a device: found by a kernel, without a wait, and reported when the program next
waits for the device.

CuPy wraps such indices silently: to raise it would have to wait. So before an op reads or writes by an index, a kernel
checks the index (one launch, which reads it once), and writes what is wrong to memory that the host sees too. The next
wait for the device, for a value, a copy or `synchronize`, looks there, which costs a read of the host's memory, and
raises. Until then the program goes on with wrapped indices. PyTorch does the same by device-side asserts, after which,
though, a program cannot use the device any more.

Three modes: "deferred" is this; "blocking" waits after each kernel, so that the error is raised in the call that is to
blame (the environment variable CUDA_LAUNCH_BLOCKING=1 chooses it); "off" launches nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any


class AcceleratorError(RuntimeError):
    """Exception raised while executing on device."""


AcceleratorError.__module__ = "tapegrad"


class _IndexAssert(AcceleratorError, IndexError):
    """An index out of range, which on the CPU is an IndexError."""


_IndexAssert.__name__ = _IndexAssert.__qualname__ = "AcceleratorError"
_IndexAssert.__module__ = "tapegrad"

MODES = ("deferred", "blocking", "off")
_mode = "blocking" if os.environ.get("CUDA_LAUNCH_BLOCKING") == "1" else "deferred"


def set_index_assert_mode(mode: str) -> None:
    """Choose when indices that are out of range on a device are reported, in all threads.

    Args:
        mode: "deferred": when the program next waits for the device, at the cost of one kernel for each index.
            "blocking": in the call that is to blame, which waits for the device. "off": never; they wrap.

    Example:
        >>> before = tapegrad.cuda.get_index_assert_mode()
        >>> tapegrad.cuda.set_index_assert_mode("blocking")
        >>> tapegrad.ones(3, device="strict").take(tapegrad.tensor([5], device="strict"))
        Traceback (most recent call last):
        ...
        tapegrad.AcceleratorError: CUDA error: device-side assert triggered
        take(): index 5 is out of bounds for dimension 0 with size 3
        >>> tapegrad.cuda.set_index_assert_mode(before)
    """
    if mode not in MODES:
        raise ValueError(f"invalid value of mode: {mode!r}, expected one of 'deferred', 'blocking', 'off'")
    global _mode
    _mode = mode


def get_index_assert_mode() -> str:
    """When indices that are out of range on a device are reported: "deferred", "blocking" or "off".

    Example:
        >>> tapegrad.cuda.get_index_assert_mode() in ("deferred", "blocking", "off")
        True
    """
    return _mode


#: who asked, by code; the code 0 means that there is no note
_names: list[str] = [""]
_codes: dict[str, int] = {}


def _code(name: str) -> int:
    code = _codes.get(name)
    if code is None:
        _names.append(name)
        code = _codes[name] = len(_names) - 1
    return code


_LATER = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect."
    "\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1"
)


class IndexAsserts:
    """The notes of one backend.

    Args:
        new_note: makes the memory of a device's note, four int64 that both sides see, and gives it twice: as the host's
            array, as the device's.
        run: has the device look: ``run(index, low, high, dim, code, note)``, with the device's note.
        wait: waits until the device that is current has looked.
    """

    def __init__(
        self, new_note: Callable[[], tuple[np.ndarray, Any]], run: Callable[..., None], wait: Callable[[], None]
    ) -> None:
        self._new_note = new_note
        self._run = run
        self._wait = wait
        self._notes: dict[int, tuple[np.ndarray, Any]] = {}

    def check(self, device: int, index: Array, low: int, high: int, name: str, dim: int) -> None:
        """Record it if an element of `index` is not in ``range(low, high)``; `device` is the current one."""
        if _mode == "off" or not index.size:
            return
        note = self._notes.get(device)
        if note is None:
            note = self._notes.setdefault(device, self._new_note())
        self._run(index, low, high, dim, _code(name), note[1])
        if _mode == "blocking":
            self._wait()
            self.report(device, "")

    def report(self, device: int, more: str = _LATER) -> None:
        """Raise what is recorded for a device that has been waited for.

        Raises:
            AcceleratorError: an index was out of range; it is an IndexError too.
        """
        note = self._notes.get(device)
        if note is not None and note[0][0]:
            code, value, dim, size = note[0].tolist()
            note[0][0] = 0
            raise _IndexAssert(
                f"CUDA error: device-side assert triggered\n{_names[code]}(): index {value} is out of bounds for "
                f"dimension {dim} "
                f"with size {size}{more}"
            )
