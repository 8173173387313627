"""`Backend`: what a device offers beyond its array namespace. Knows nothing of gradients."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tapegrad.backends.device import Device
from tapegrad.backends.numerics import special

Array = Any  # an array of some backend: numpy.ndarray, cupy.ndarray, StrictArray


class Backend:
    """One kind of array: its namespace, and the few operations whose spelling differs between namespaces.

    The NumPy backend is the specification; the others override what they must. Methods take and return arrays of their
    own backend, unless their name says `host`.
    """

    #: the device type it serves: "cpu", "cuda", "strict"
    type: str
    #: the class of its arrays
    array_type: builtins.type
    #: the array namespace, spelt as NumPy's main namespace is
    xp: Any
    #: a device with streams of work: a namespace with `Stream`, `Event`, `get_current_stream` and `get_elapsed_time`,
    #: as `cupy.cuda` has them
    streams: Any

    # where arrays live
    def device_of(self, array: Array) -> Device:
        """The device of `array`, with its index where the type has one."""
        raise NotImplementedError

    def device_count(self) -> int:
        """How many devices of this type there are."""
        raise NotImplementedError

    def current_device(self) -> int:
        """The index of the device on which arrays are made where none is named; each thread has its own."""
        raise NotImplementedError

    def set_device(self, index: int) -> None:
        """Make a device this thread's current one."""
        raise NotImplementedError

    def use(self, device: Device) -> Any:
        """A context manager: arrays made inside it live on `device`."""
        raise NotImplementedError

    def can_access_peer(self, index: int, peer: int) -> bool:
        """Whether a device can read the memory of another directly."""
        raise NotImplementedError

    def properties(self, device: Device | None = None) -> dict[str, Any]:
        """What the device is, by the names of CUDA's `cudaDeviceProp`."""
        raise NotImplementedError

    def from_host(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Array:
        """`array`'s values on `device`; on the CPU the array itself. `non_blocking`: from pinned memory the copy may
        happen later.
        """
        raise NotImplementedError

    def to_host(self, array: Array, non_blocking: bool = False) -> np.ndarray:
        """`array`'s values on the host; on the CPU the array itself. `non_blocking`: the values are there only when the
        current stream has come so far.
        """
        raise NotImplementedError

    def pin(self, array: np.ndarray) -> np.ndarray:
        """A copy of the host array `array` in pinned memory, from and to which the device copies by itself."""
        raise NotImplementedError

    def is_pinned(self, array: np.ndarray) -> bool:
        """Whether a host array lies in pinned memory."""
        raise NotImplementedError

    def to_device(self, array: Array, device: Device) -> Array:
        """`array` on another device of this backend; the array itself where it is there already."""
        raise NotImplementedError

    # facts about arrays
    def shares_memory(self, view: Array, array: Array) -> bool:
        """Whether `view`, made from `array` by one shape or index operation, is a view of it rather than a copy."""
        raise NotImplementedError

    def pointer(self, array: Array) -> int:
        """Address of the first element."""
        raise NotImplementedError

    def owner_of(self, array: Array) -> Array:
        """The array whose memory `array` shows a part of."""
        while (base := array.base) is not None and hasattr(base, "strides"):
            array = base
        return array

    # operations whose spelling differs
    def scatter_add(self, target: Array, index: Any, values: Array) -> None:
        """``target[index] += values`` in place; values whose index repeats add up."""
        raise NotImplementedError

    def matmul(self, a: Array, b: Array, convolution: bool = False) -> Array:
        """``a @ b`` as `numpy.matmul` has it, of arrays of one dtype; half types are added up in float32.
        `convolution`: which switch allows TF32.

        Raises:
            ValueError: the shapes do not fit.
        """
        raise NotImplementedError

    def assert_index(self, index: Array, low: int, high: int, name: str, dim: int = 0) -> None:
        """Report, when the program next waits for the device, if an element of `index` is not in ``range(low, high)``.

        Ops check indices on the host themselves, and raise at once.
        """

    def report_asserts(self, device: Device | None = None) -> None:
        """Raise what `assert_index` found on a device that the program has waited for.

        Raises:
            AcceleratorError: an index was out of range.
        """

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
        """A view of `array`'s memory; `strides` and `offset` in bytes, from its first element."""
        raise NotImplementedError

    def erf(self, x: Array) -> Array:
        """`special.erf`, as the four below."""
        return special.erf(self.xp, x)

    def erfc(self, x: Array) -> Array:
        return special.erfc(self.xp, x)

    def erfinv(self, x: Array) -> Array:
        return special.erfinv(self.xp, x)

    def lgamma(self, x: Array) -> Array:
        return special.lgamma(self.xp, x)

    def digamma(self, x: Array) -> Array:
        return special.digamma(self.xp, x)

    def philox(self, key: tuple[int, int], counter: int, words: int, device: Device) -> Array:
        """`words` uint64 words of NumPy's Philox4x64-10 stream with `key`, from word number `counter` on."""
        raise NotImplementedError

    # the device's life
    def synchronize(self, device: Device | None = None) -> None:
        """Wait until the device has done all its work."""
        raise NotImplementedError

    def memory_allocated(self, device: Device | None = None) -> int:
        """Bytes in use by arrays, or 0 where the backend does not count."""
        raise NotImplementedError

    def memory_reserved(self, device: Device | None = None) -> int:
        """Bytes that the backend has from the system, in use or kept for reuse."""
        raise NotImplementedError

    def max_memory_allocated(self, device: Device | None = None) -> int:
        """Peak of `memory_allocated` since the last `reset_peak_memory_stats`; a backend may keep none before the
        first.
        """
        raise NotImplementedError

    def max_memory_reserved(self, device: Device | None = None) -> int:
        """Peak of `memory_reserved`, likewise."""
        raise NotImplementedError

    def reset_peak_memory_stats(self, device: Device | None = None) -> None:
        """Start new peaks."""
        raise NotImplementedError

    def stop_peak_memory_stats(self, device: Device | None = None) -> None:
        """Stop keeping peaks, where that costs something."""

    def memory_info(self, device: Device | None = None) -> tuple[int, int]:
        """The device's free and total bytes, whoever uses them."""
        raise NotImplementedError

    def memory_failures(self, device: Device | None = None) -> tuple[int, int]:
        """How often there was no memory left, and how often only after what was kept for reuse had been given back."""
        raise NotImplementedError

    def memory_limit(self, device: Device | None = None) -> int | None:
        """How many bytes the backend may have; None: no limit."""
        raise NotImplementedError

    def set_memory_limit(self, size: int | None, device: Device | None = None) -> None:
        """Limit the backend to `size` bytes; None: no limit."""
        raise NotImplementedError

    def empty_cache(self) -> None:
        """Give memory that no array uses back to the system, where the backend keeps any."""
