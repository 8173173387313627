"""`OutOfMemoryError`, and what it says."""

from __future__ import annotations


class OutOfMemoryError(RuntimeError):
    """A device has no memory left for what was asked. The program can go on: drop what holds memory, and try something
    smaller.
    """


def size_text(size: int) -> str:
    """A number of bytes as torch writes it: ``20.00 MiB``."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size > unit:
            return f"{size / unit:.2f} {name}"
    return f"{size} bytes"


def out_of_memory_text(
    asked: int, device: int, *, total: int, free: int, allocated: int, reserved: int, limit: int | None
) -> str:
    """torch's message for an allocation that failed; all sizes in bytes.

    Args:
        free: what the driver could still give.
        reserved: what the memory pool holds, for arrays and for reuse.
        limit: what the pool may hold; None: no limit.
    """
    allowed = "" if limit is None else f"{size_text(limit)} allowed; "
    return (
        f"CUDA out of memory. Tried to allocate {size_text(asked)}. GPU {device} has a total capacity of "
        f"{size_text(total)} of which {size_text(free)} "
        f"is free. {allowed}Of the allocated memory {size_text(allocated)} is allocated by arrays, and "
        f"{size_text(reserved - allocated)} is reserved by "
        "the memory pool but unallocated."
    )
