"""Pinned host memory, from and to which a device copies by itself while the program goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.interchange.python_protocols import type_name
from tapegrad.backends import Device, backend_for, loaded


@op(input=lambda grad: grad, kind="linear", name="pin_memory", public=False, batch=over())
def _pinned(input: Any, device: Device) -> Any:
    return backend_for(device).pin(input)


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """The tensor in pinned host memory, from which ``to(device, non_blocking=True)`` copies while the program goes on;
    itself where it is there.

    Args:
        device: for which kind of device; CUDA by default.

    Raises:
        RuntimeError: the tensor is not on the CPU, or there is no such device.

    Example:
        >>> x = tapegrad.ones(2)
        >>> x.pin_memory("strict").is_pinned("strict")
        True
    """
    where = _device(device)
    if not self.is_cpu:
        raise RuntimeError(f"cannot pin '{type_name(self)}' only dense CPU tensors can be pinned")
    return self if is_pinned(self, where) else _pinned(self, where)


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether the tensor is in pinned host memory.

    Args:
        device: for which kind of device; CUDA by default.

    Example:
        >>> tapegrad.ones(2).is_pinned()
        False
    """
    where = _device(device)
    # As long as the device has not been used nothing is pinned for it.
    return self.is_cpu and loaded(where.type) and backend_for(where).is_pinned(np.asarray(self._array))


def _device(device: Any) -> Device:
    return Device("cuda") if device is None else device if isinstance(device, Device) else Device(device)


def pin(made: Tensor) -> Tensor:
    """`made`, which a factory has just made, in pinned memory.

    Raises:
        RuntimeError: it is not on the CPU, or there is no device that copies by itself.
    """
    if not made.is_cpu:
        raise RuntimeError("Only dense CPU tensors can be pinned")
    try:
        there = backend_for(_device(None))
    except RuntimeError as error:
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory allocator is available "
            "on this system."
        ) from error
    made._array = there.pin(made._array)
    return made


for _method in (pin_memory, is_pinned):
    setattr(Tensor, _method.__name__, _method)
