"""The memory of CUDA devices: what is used, what is kept for reuse, and how much may be used.

Memory comes from CuPy's pool, which keeps what arrays release for later arrays. When a device, or what
`set_per_process_memory_fraction` allows of it, is full, the pool gives back what it keeps; if that is not enough
`OutOfMemoryError` is raised, wherever it happens: in an op, a factory, a backward pass or a copy. The program can catch
it and go on; what the failed step held is released when the ``except`` block is left, as always in Python.

Example:
    >>> def largest_that_fits(step, batch):
    ...     while True:
    ...         try:
    ...             return step(batch)
    ...         except tapegrad.cuda.OutOfMemoryError:
    ...             batch = batch[:len(batch) // 2]
    >>> largest_that_fits(lambda batch: batch.sum(), tapegrad.ones(4))
    tensor(4.)
"""

from __future__ import annotations

from tapegrad.backends.device import DeviceLike
from tapegrad.backends.out_of_memory import size_text
from tapegrad.cuda.devices import at, backend, is_initialized


def memory_allocated(device: DeviceLike | None = None) -> int:
    """Bytes that arrays hold on a device; 0 as long as CUDA has not been used. CuPy's own are among them, what cuBLAS
    and the driver take is not.

    Example:
        >>> tapegrad.cuda.memory_allocated() >= 0
        True
    """
    return backend().memory_allocated(at(device)) if is_initialized() else 0


def memory_reserved(device: DeviceLike | None = None) -> int:
    """Bytes that the memory pool has of a device, for arrays and for reuse; 0 as long as CUDA has not been used."""
    return backend().memory_reserved(at(device)) if is_initialized() else 0


def max_memory_allocated(device: DeviceLike | None = None) -> int:
    """The most bytes that arrays have held at once since the last `reset_peak_memory_stats`, which starts the counting;
    before it, the bytes held now.
    """
    return backend().max_memory_allocated(at(device)) if is_initialized() else 0


def max_memory_reserved(device: DeviceLike | None = None) -> int:
    """The most bytes that the memory pool has had since the last `reset_peak_memory_stats`, which starts the counting;
    before it, the bytes it has now.
    """
    return backend().max_memory_reserved(at(device)) if is_initialized() else 0


def reset_peak_memory_stats(device: DeviceLike | None = None) -> None:
    """Keep the peaks of memory from now on.

    CuPy keeps none, so programs that never call this pay nothing for them. From the first call on, each allocation
    takes about a microsecond longer, and near the peak as much more as CuPy needs to add up the arrays in use, one by
    one.
    """
    backend().reset_peak_memory_stats(at(device))


def mem_get_info(device: DeviceLike | None = None) -> tuple[int, int]:
    """The free and the total bytes of a device, whoever uses them."""
    return backend().memory_info(at(device))


def empty_cache() -> None:
    """Give the memory that the pool keeps for reuse back to the driver, so that other programs can have it."""
    if is_initialized():
        backend().empty_cache()


def set_per_process_memory_fraction(fraction: float, device: DeviceLike | None = None) -> None:
    """Allow this process a part of a device's memory; asking for more raises `OutOfMemoryError`.

    Args:
        fraction: from 0 to 1, of the total memory.

    Raises:
        TypeError: `fraction` is no float.
        ValueError: it is out of range.
    """
    where = at(device)
    if not isinstance(fraction, float):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    backend().set_memory_limit(int(fraction * backend().memory_info(where)[1]), where)


def get_per_process_memory_fraction(device: DeviceLike | None = None) -> float:
    """The part of a device's memory that this process may use."""
    where = at(device)
    limit = backend().memory_limit(where)
    return 1.0 if limit is None else limit / backend().memory_info(where)[1]


def memory_stats(device: DeviceLike | None = None) -> dict[str, int]:
    """What is known of a device's memory, by torch's names; empty as long as CUDA has not been used.

    Those that torch has of the insides of its own allocator are missing.

    Example:
        >>> tapegrad.cuda.memory_stats().get("num_ooms", 0) >= 0
        True
    """
    if not is_initialized():
        return {}
    there, where = backend(), at(device)
    failures, retries = there.memory_failures(where)
    return {
        "allocated_bytes.all.current": there.memory_allocated(where),
        "allocated_bytes.all.peak": there.max_memory_allocated(where),
        "num_alloc_retries": retries,
        "num_ooms": failures,
        "reserved_bytes.all.current": there.memory_reserved(where),
        "reserved_bytes.all.peak": there.max_memory_reserved(where),
    }


def memory_summary(device: DeviceLike | None = None, abbreviated: bool = False) -> str:
    """A table of a device's memory, to be printed.

    Args:
        abbreviated: leave out what belongs to the whole device.
    """
    where = at(device)
    stats = memory_stats(where)
    free, total = mem_get_info(where)
    limit = backend().memory_limit(where)
    rows = [
        (name, size_text(stats[f"{key}.all.current"]), size_text(stats[f"{key}.all.peak"]))
        for name, key in (("Allocated memory", "allocated_bytes"), ("GPU reserved memory", "reserved_bytes"))
    ]
    if not abbreviated:
        rows += [
            ("Free memory of the device", size_text(free), ""),
            ("Total memory of the device", size_text(total), ""),
            ("Allowed memory", size_text(total if limit is None else limit), ""),
        ]
    line = "=" * 63
    head = [
        line,
        f"{f'tapegrad CUDA memory summary, device ID {where.index}':^63}",
        "-" * 63,
        f"{'CUDA OOMs: ' + str(stats['num_ooms']):^31}|"
        + f"{'cudaMalloc retries: ' + str(stats['num_alloc_retries']):^31}",
        line,
    ]
    table = [
        f" {name:<30}|{current:>15}|{peak:>15}"
        for name, current, peak in [("Metric", "Cur Usage", "Peak Usage"), *rows]
    ]
    return "".join(f"|{text}|\n" for text in [*head, table[0], "-" * 63, *table[1:], line])
