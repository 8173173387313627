"""The workloads under pytest-benchmark: ``pytest benchmarks --benchmark-only``.

Set ``OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1`` for figures of one thread; ``--benchmark-group-by=group`` puts the
contenders of a workload together. The contenders run one after the other here. `tapegrad-bench` lets them take turns,
and is what targets are judged by.
"""

import gc
import os

import pytest

pytest.importorskip("pytest_benchmark")

from tapegrad.benchmarks.contender import PEERS, find_contenders
from tapegrad.benchmarks.workload import Setting
from tapegrad.benchmarks.workloads import WORKLOADS

CONTENDERS, _ = find_contenders(["cpu", "cuda"], list(PEERS), threads=int(os.environ.get("OMP_NUM_THREADS", "1")))
CASES = [
    pytest.param(
        workload,
        contender,
        options,
        id="-".join(filter(None, (workload.name, contender.name, variant, contender.device))),
    )
    for workload in WORKLOADS.values()
    for contender in CONTENDERS
    if contender.ours or workload.peers
    for variant, options in {"": {}, **({} if contender.ours else workload.variants)}.items()
]


@pytest.mark.parametrize(("workload", "contender", "options"), CASES)
def test_workload(benchmark, workload, contender, options):
    benchmark.group = workload.name
    setting = Setting(contender)
    if workload.probe:
        metrics = benchmark.pedantic(workload.build, args=(setting,), rounds=1)
        benchmark.extra_info.update({metric.name: list(metric.samples) for metric in metrics})
    else:
        step = workload.build(setting, **options)
        step()

        def run():
            step()
            contender.synchronize()

        gc.collect()
        benchmark(run)
