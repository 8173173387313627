"""`tapegrad.cuda`: the CUDA devices. Importing it loads nothing; the first question loads CuPy."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.generator import default_generator
from tapegrad.autograd.generator import manual_seed as _manual_seed
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import Backend, Device, backend_for

__all__ = ["current_device", "device_count", "empty_cache", "get_rng_state", "is_available", "manual_seed", "manual_seed_all", "max_memory_allocated",
           "memory_allocated", "reset_peak_memory_stats", "set_rng_state", "synchronize"]


def _backend() -> Backend:
    return backend_for(Device("cuda"))


def _device(device: Any) -> Device | None:
    if device is None:
        return None
    found = device if isinstance(device, Device) else Device(device)
    if found.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {found}")
    return found


def is_available() -> bool:
    """Whether CUDA can be used: CuPy is installed, and there is a driver and a device.

    Example:
        >>> import tapegrad
        >>> tapegrad.cuda.is_available() in (True, False)
        True
    """
    return device_count() > 0


def device_count() -> int:
    """The number of CUDA devices; 0 where CUDA cannot be had."""
    try:
        return _backend().device_count()
    except RuntimeError:  # the answer to the question, not an error: `tapegrad.zeros(1, device="cuda")` tells the reason
        return 0


def current_device() -> int:
    """The index of the device that ``device="cuda"`` means."""
    array = _backend().xp.empty(0)
    return _backend().device_of(array).index or 0


def synchronize(device: Any = None) -> None:
    """Wait until the device has done all its work."""
    _backend().synchronize(_device(device))


def memory_allocated(device: Any = None) -> int:
    """Bytes in use by tensors."""
    return _backend().memory_allocated(_device(device))


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes in use at once since `reset_peak_memory_stats`, which starts the counting."""
    return _backend().max_memory_allocated(_device(device))


def reset_peak_memory_stats(device: Any = None) -> None:
    """Count the peak of memory in use from now on; each allocation then costs a Python call more."""
    _backend().reset_peak_memory_stats(_device(device))


def empty_cache() -> None:
    """Give memory that no tensor uses back to the driver."""
    _backend().empty_cache()


def manual_seed(seed: int) -> None:
    """Seed the current device's default generator."""
    default_generator(Device("cuda", current_device())).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the default generators of all devices, which is what `tapegrad.manual_seed` does."""
    _manual_seed(seed)


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The state of the device's default generator, as a uint8 tensor on the CPU."""
    return default_generator(_indexed(device)).get_state()


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Continue the device's default generator from a state that `get_rng_state` returned."""
    default_generator(_indexed(device)).set_state(new_state)


def _indexed(device: Any) -> Device:
    found = _device(device)
    assert found is not None
    return found if found.index is not None else Device("cuda", current_device())
