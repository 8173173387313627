"""`tapegrad.cuda`: the CUDA devices, their memory, streams and random numbers, by the names of `torch.cuda`.

Importing it loads nothing; what needs CUDA loads CuPy at its first call, and raises RuntimeError where CUDA is not available, saying why.
A parameter `device` takes an index, a `Device`, its name, or None for the current device of the thread; an index of no device is a RuntimeError.
"""
from tapegrad.backends.cupy.index_asserts import get_index_assert_mode, set_index_assert_mode
from tapegrad.backends.out_of_memory import OutOfMemoryError
from tapegrad.cuda.devices import (
    can_device_access_peer,
    current_device,
    device,
    device_count,
    device_of,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    is_available,
    is_initialized,
    set_device,
    synchronize,
)
from tapegrad.cuda.memory import (
    empty_cache,
    get_per_process_memory_fraction,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from tapegrad.cuda.random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from tapegrad.cuda.streams import Event, ExternalStream, Stream, StreamContext, current_stream, default_stream, set_stream, stream

__all__ = [
    "Event", "ExternalStream", "OutOfMemoryError", "Stream", "StreamContext", "can_device_access_peer", "current_device", "current_stream", "default_stream",
    "device", "device_count", "device_of", "empty_cache", "get_device_capability", "get_device_name", "get_device_properties", "get_index_assert_mode",
    "get_per_process_memory_fraction", "get_rng_state", "get_rng_state_all", "init", "initial_seed", "is_available", "is_initialized", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_reserved", "memory_stats", "memory_summary",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_index_assert_mode", "set_per_process_memory_fraction", "set_rng_state",
    "set_rng_state_all", "set_stream", "stream", "synchronize",
]
