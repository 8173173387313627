"""The report's sections, in order, and how long each may take."""
from __future__ import annotations

from tapegrad.benchmarks.gpu.section import Section

HERE = "tapegrad.benchmarks.gpu"
#: The tests come last, and have all the time that the others have left.
SECTIONS = (
    Section("environment", "Environment", f"{HERE}.environment:items", 20, 15),
    Section("kernels", "Numbers of our kernels against NumPy", f"{HERE}.numerics:items", 40, 30),
    Section("types", "Facts about dtypes, ufuncs and indices", f"{HERE}.facts_types:items", 30, 15),
    Section("products", "Facts about products and precision", f"{HERE}.facts_products:items", 30, 20),
    Section("memory", "Facts about memory", f"{HERE}.facts_memory:items", 30, 15),
    Section("streams", "Facts about streams and graphs", f"{HERE}.facts_streams:items", 20, 10),
    Section("interop", "Facts about other libraries and devices", f"{HERE}.facts_interop:items", 20, 15),
    Section("promises", "Promises of our own CUDA code", f"{HERE}.facts_ours:items", 25, 15),
    Section("launches", "What a call costs (1000 elements)", f"{HERE}.launch_cost:items", 30, 10),
    Section("benchmarks", "Benchmarks", f"{HERE}.workload_runs:items", 50, 20),
    Section("peaks", "Peak memory", f"{HERE}.peak_memory:items", 20, 10),
    Section("sanitizer", "compute-sanitizer over the kernels", f"{HERE}.sanitizer:items", 90, 50),
    Section("tests", "The test suite on the device", f"{HERE}.pytest_run:items", 60, 600),
)
TOTAL = 470.0  # less than eight minutes
