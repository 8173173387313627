"""The program that compute-sanitizer watches: all kernels, a few cases of each kind, every array in memory of its
own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tapegrad.backends import Device
from tapegrad.benchmarks.gpu.items import numerics
from tapegrad.benchmarks.gpu.report.machine import Machine


def allocator(cupy: Any) -> Callable[[int], Any]:
    """Gives every array memory of its own: within a pool's block the sanitizer would not see where an array ends.

    It ends with a whole word, as all memory of a GPU does: `scatter.cu` exchanges the four bytes among which an element
    of one or two lies.
    """

    def allocate(size: int) -> Any:
        whole = -(-size // 4) * 4
        found = cupy.cuda.MemoryPointer(cupy.cuda.Memory(whole), 0)
        if whole > size:  # else initcheck would report them
            cupy.cuda.runtime.memset(found.ptr + size, 0, whole - size)
        return found

    return allocate


def main(device: str) -> int:
    """Run the kernels; the exit status is 1 if one gave wrong numbers."""
    if Device(device).type == "cuda":
        import cupy

        cupy.cuda.set_allocator(allocator(cupy))
    machine = Machine(device, few=True)
    findings = {name: numerics.run(name, machine) for name in numerics.declared()}
    for name, finding in findings.items():
        print(f"{name}: {finding.status}: {finding.text}")
    print(f"{sum(finding.values.get('cases', 0) for finding in findings.values())} cases")
    return 0 if all(finding.well for finding in findings.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
