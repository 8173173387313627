"""Which CUDA devices there are, what they are, and which is current."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from tapegrad.backends import Backend, Device, backend_for, loaded
from tapegrad.backends.device import DeviceLike


def backend() -> Backend:
    """CUDA's backend."""
    return backend_for(Device("cuda"))


def index_of(value: Any) -> int:
    """The index of the device that `value` means; ``"cuda"`` means the current one."""
    index = explicit_index(value)
    if index is None:
        return backend().current_device()
    count = backend().device_count()
    if not 0 <= index < count:
        raise RuntimeError(f"CUDA error: invalid device ordinal: cuda:{index}, there are {count}")
    return index


def explicit_index(value: Any) -> int | None:
    """The index that `value` names, or None."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, device):
        return value.idx
    found = Device(value)
    if found.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {found}")
    return found.index


def at(value: Any) -> Device:
    """The device that `value` means, with its index."""
    return Device("cuda", index_of(value))


def is_available() -> bool:
    """Whether CUDA can be used: CuPy is installed, and there is a driver and a device.

    Example:
        >>> tapegrad.cuda.is_available() in (True, False)
        True
    """
    return device_count() > 0


def is_initialized() -> bool:
    """Whether CUDA has been used.

    Example:
        >>> tapegrad.cuda.is_initialized() in (True, False)
        True
    """
    return loaded("cuda")


def init() -> None:
    """Load CuPy and start using CUDA, which its first use does anyway."""
    backend()


def device_count() -> int:
    """The number of CUDA devices; 0 where CUDA is not available.

    Example:
        >>> tapegrad.cuda.device_count() >= 0
        True
    """
    try:
        return backend().device_count()
    except RuntimeError:  # `init` gives the reason
        return 0


def current_device() -> int:
    """The index of the device that ``device="cuda"`` means in this thread.

    Example:
        >>> tapegrad.cuda.current_device() if tapegrad.cuda.is_available() else 0
        0
    """
    return backend().current_device()


def set_device(device: DeviceLike) -> None:
    """Make a device this thread's current one, CuPy's too; a negative index changes nothing.

    Raises:
        ValueError: the device is not CUDA's, or has no index.
    """
    index = explicit_index(device)
    if index is None:
        raise ValueError(f"Expected a torch.device with a specified index or an integer, but got:{device}")
    if index >= 0:
        backend().set_device(index_of(index))


class device:
    """A context manager: inside, a device is the current one. A negative index or None changes nothing.

    Example:
        >>> with tapegrad.cuda.device(-1):
        ...     pass
    """

    def __init__(self, device: DeviceLike | None) -> None:
        index = explicit_index(device)
        if index is None and device is not None:
            index = current_device()
        self.idx = -1 if index is None else index
        self._inside: list[Any] = []

    def __enter__(self) -> None:
        inside: Any = contextlib.nullcontext()
        if self.idx >= 0:
            inside = backend().use(at(self.idx))
        inside.__enter__()
        self._inside.append(inside)

    def __exit__(self, *exc: Any) -> None:
        self._inside.pop().__exit__(*exc)


class device_of(device):
    """A context manager: inside, the device of the tensor `obj` is the current one; for a tensor that is not on CUDA it
    changes nothing.

    Example:
        >>> with tapegrad.cuda.device_of(tapegrad.ones(2)):
        ...     pass
    """

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.device.index if obj.is_cuda else -1)


def synchronize(device: DeviceLike | None = None) -> None:
    """Wait until a device has done all its work, on all streams.

    Raises:
        RuntimeError: earlier work of the device has failed.
    """
    backend().synchronize(at(device))


@dataclass(frozen=True)
class CudaDeviceProperties:
    """What a device is."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    warp_size: int
    #: all properties, by the names of `cudaDeviceProp`
    all: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        properties = object.__getattribute__(self, "__dict__").get("all", {})
        key = _NAMES.get(name)
        if key not in properties:
            raise AttributeError(f"'_CudaDeviceProperties' object has no attribute '{name}'")
        return properties[key]

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory >> 20}MB, "
            f"multi_processor_count={self.multi_processor_count})"
        )


# torch's names for further properties
_NAMES = {
    "L2_cache_size": "l2CacheSize",
    "clock_rate": "clockRate",
    "is_integrated": "integrated",
    "is_multi_gpu_board": "isMultiGpuBoard",
    "max_threads_per_block": "maxThreadsPerBlock",
    "max_threads_per_multi_processor": "maxThreadsPerMultiProcessor",
    "memory_bus_width": "memoryBusWidth",
    "memory_clock_rate": "memoryClockRate",
    "pci_bus_id": "pciBusID",
    "pci_device_id": "pciDeviceID",
    "pci_domain_id": "pciDomainID",
    "regs_per_multiprocessor": "regsPerMultiprocessor",
    "shared_memory_per_block": "sharedMemPerBlock",
    "shared_memory_per_block_optin": "sharedMemPerBlockOptin",
    "shared_memory_per_multiprocessor": "sharedMemPerMultiprocessor",
    "uuid": "uuid",
}


def get_device_properties(device: DeviceLike | None = None) -> CudaDeviceProperties:
    """What a device is: name, compute capability (`major`, `minor`), `total_memory`, `multi_processor_count`,
    `warp_size` and more.

    Example:
        >>> if tapegrad.cuda.is_available():
        ...     assert tapegrad.cuda.get_device_properties(0).total_memory > 0
    """
    found = backend().properties(at(device))
    return CudaDeviceProperties(
        found["name"].decode(),
        found["major"],
        found["minor"],
        found["totalGlobalMem"],
        found["multiProcessorCount"],
        found["warpSize"],
        found,
    )


def get_device_name(device: DeviceLike | None = None) -> str:
    """The name of a device, such as ``"NVIDIA H200"``."""
    return get_device_properties(device).name


def get_device_capability(device: DeviceLike | None = None) -> tuple[int, int]:
    """The compute capability of a device, such as ``(9, 0)``."""
    found = get_device_properties(device)
    return found.major, found.minor


def can_device_access_peer(device: DeviceLike, peer_device: DeviceLike) -> bool:
    """Whether a device can read the memory of another directly."""
    return backend().can_access_peer(index_of(device), index_of(peer_device))
