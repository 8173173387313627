"""The workloads; importing this package registers them in the order in which they are printed."""

# isort: off
from tapegrad.benchmarks.workload import WORKLOADS
from tapegrad.benchmarks.workloads import (
    op_overhead,
    arrays,
    training,
    inference,
    extremes,
    per_sample,
    transform_overhead,
)
# isort: on

__all__ = [
    "WORKLOADS",
    "arrays",
    "extremes",
    "inference",
    "op_overhead",
    "per_sample",
    "training",
    "transform_overhead",
]
