"""The report's sections, in order, and how long each may take."""

from __future__ import annotations

from tapegrad.benchmarks.gpu.report.section import Section

ITEMS = "tapegrad.benchmarks.gpu.items"
#: The tests come last, and have all the time that the others have left.
SECTIONS = (
    Section("environment", "Environment", "tapegrad.benchmarks.gpu.report.environment:items", 20, 15),
    Section("kernels", "Numbers of our kernels against NumPy", f"{ITEMS}.numerics:items", 40, 30),
    Section("types", "Facts about dtypes, ufuncs and indices", f"{ITEMS}.types:items", 30, 15),
    Section("products", "Facts about products and precision", f"{ITEMS}.products:items", 30, 20),
    Section("memory", "Facts about memory", f"{ITEMS}.memory:items", 30, 15),
    Section("streams", "Facts about streams and graphs", f"{ITEMS}.streams:items", 20, 10),
    Section("interop", "Facts about other libraries and devices", f"{ITEMS}.interop:items", 20, 15),
    Section("promises", "Promises of our own CUDA code", f"{ITEMS}.ours:items", 25, 15),
    Section("launches", "What a call costs (1000 elements)", f"{ITEMS}.launch_cost:items", 30, 10),
    Section("benchmarks", "Benchmarks", f"{ITEMS}.workload_runs:items", 50, 20),
    Section("peaks", "Peak memory", f"{ITEMS}.peak_memory:items", 20, 10),
    Section("sanitizer", "compute-sanitizer over the kernels", f"{ITEMS}.sanitizer:items", 90, 50),
    Section("tests", "The test suite on the device", f"{ITEMS}.pytest_run:items", 60, 600),
)
TOTAL = 470.0  # less than eight minutes
