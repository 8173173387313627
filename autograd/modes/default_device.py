"""The device on which factories make tensors."""

from __future__ import annotations

from typing import Any

from tapegrad.backends import CPU, Device
from tapegrad.backends.device import entered

_process_wide = CPU


def default_device() -> Device:
    """The device of new tensors whose ``device=`` is not given."""
    return entered() or _process_wide


def get_default_device() -> Device:
    """The device on which factories make tensors when none is given.

    Example:
        >>> tapegrad.get_default_device()
        device(type='cpu')
    """
    return default_device()


def set_default_device(device: Any) -> None:
    """Make `device` the one on which factories make tensors; None means the CPU.

    Args:
        device: a `Device`, its name, or None.
    """
    global _process_wide
    _process_wide = CPU if device is None else device if isinstance(device, Device) else Device(device)
