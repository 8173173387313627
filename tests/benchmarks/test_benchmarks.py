"""The benchmark command line. What it measures is not asserted: only that it measures, says and writes what it
should.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from repository import ROOT

import tapegrad
from tapegrad.backends import standing_in
from tapegrad.backends.strict.backend import StrictBackend
from tapegrad.benchmarks import threads
from tapegrad.benchmarks.cli import main
from tapegrad.benchmarks.cli import run as run_workloads
from tapegrad.benchmarks.compare import comparison
from tapegrad.benchmarks.contender import Contender, find_contenders
from tapegrad.benchmarks.measure import Measured, Plan, Summary, measure
from tapegrad.benchmarks.report import Report, rows_of, table, verdict
from tapegrad.benchmarks.workload import Metric, Setting, Workloads
from tapegrad.benchmarks.workloads import WORKLOADS

QUICK = Plan(rounds=2, seconds=1e-4, quick=True)
TIMED = [workload.name for workload in WORKLOADS.values() if not workload.probe]


@pytest.fixture
def one_thread(monkeypatch):
    """What `threads.start_with(1, ...)` gives the process that it starts."""
    for name in threads.VARIABLES:
        monkeypatch.setenv(name, "1")


@pytest.fixture
def cpu():
    contenders, _ = find_contenders(["cpu"], [], 1)
    return contenders[0]


def outcome(arguments, capsys):
    """Exit status, output and error output of the command line."""
    try:
        status = main(arguments)
    except SystemExit as stopped:
        status = stopped.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_run_prints_a_table_and_writes_what_it_printed(one_thread, capsys, tmp_path):
    file = tmp_path / "report.json"
    status, out, _ = outcome(
        ["run", "--quick", "--peers", "none", "--workloads", "op.add,op.rows", "--json", str(file)], capsys
    )
    assert status == 0
    lines = out.splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("op.")] == [
        ["op.add", "tapegrad", "cpu"],
        ["op.rows", "tapegrad", "cpu"],
    ]
    assert "<= 0.50 of a peer  not judged" in out
    content = json.loads(file.read_text())
    assert content["schema"] == 1
    assert content["facts"]["versions"]["numpy"] == np.__version__
    assert content["facts"]["machine"]["cores"] == os.cpu_count()
    assert content["plan"] == {"rounds": 3, "seconds": 0.001, "collect": True, "quick": True, "threads": 1}
    row = content["rows"][0]
    assert row["summary"]["count"] == 3
    assert (
        0
        < row["summary"]["min"]
        <= row["summary"]["q1"]
        <= row["summary"]["median"]
        <= row["summary"]["q3"]
        <= row["summary"]["max"]
    )
    assert row["peak_bytes"] > 64 * 4
    assert table(Report.read(file)) == out.rstrip("\n")


def test_the_module_runs_from_the_root_on_the_threads_asked_for(tmp_path):
    file = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "tapegrad.benchmarks",
        "--quick",
        "--peers",
        "none",
        "--workloads",
        "op.add",
        "--threads",
        "2",
        "--json",
        str(file),
    ]
    environment = {name: value for name, value in os.environ.items() if name not in threads.VARIABLES}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 threads" in done.stdout
    assert Report.read(file).plan["threads"] == 2


def test_peaks_are_not_kept_while_the_next_workload_is_timed(monkeypatch):
    with standing_in("cuda", StrictBackend("cuda")) as backend:
        stopped = []
        monkeypatch.setattr(backend, "stop_peak_memory_stats", lambda device: stopped.append(str(device)))
        contender = Contender("tapegrad", tapegrad, "cuda")
        assert contender.memory(lambda: tapegrad.ones(256, device="cuda")) == (1024, 0) and stopped == ["cuda"]

        def fail():
            raise ValueError("as asked")

        with pytest.raises(ValueError, match="as asked"):
            contender.memory(fail, warm_up=lambda: None)
        assert stopped == ["cuda", "cuda"]


def test_strict_device_beside_the_cpu(one_thread, capsys):
    status, out, _ = outcome(["--device", "cpu,strict", "--quick", "--peers", "none", "--workloads", "op.add"], capsys)
    assert status == 0
    assert "/ cpu" in out
    assert [line.split()[0] for line in out.splitlines() if " strict " in line] == ["tapegrad"]


def test_a_missing_device_is_a_line_that_says_why(one_thread, capsys):
    status, out, _ = outcome(
        ["--devices", "cpu,cuda:63", "--quick", "--peers", "none", "--workloads", "op.add"], capsys
    )
    assert status == 0
    (line,) = [line for line in out.splitlines() if line.startswith("skipped:")]
    assert line.startswith("skipped: tapegrad on cuda:63: ")
    assert len(line) > len("skipped: tapegrad on cuda:63: ")


def test_nothing_to_run_on_is_no_crash(one_thread, capsys):
    status, out, _ = outcome(["--devices", "cuda:63", "--quick", "--peers", "none"], capsys)
    assert status == 0
    assert "\nskipped: tapegrad on cuda:63: " in out
    assert "workload" not in out


def test_a_missing_peer_is_a_line_that_says_why():
    report = run_workloads([WORKLOADS["op.add"]], ["cpu"], ["no_such_library"], QUICK)
    assert report.skipped == [
        "no_such_library: not installed, so nothing is compared with it (pip install no_such_library)"
    ]
    assert [row.contender for row in report.rows] == ["tapegrad"]
    assert "skipped: no_such_library: not installed" in table(report)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workloads", "op.nothing"], "no workload matches 'op.nothing'"),
        (["--devices", "tpu"], "Expected one of cpu, cuda, strict device type"),
        (["--devices", "cpu,"], "'cpu,' has an empty name"),
        (["--peers", "jax"], "'jax' is no peer; there is torch"),
        (["--rounds", "0"], "'0' is not a positive whole number"),
        (["--threads", "many"], "'many' is not a positive whole number"),
        (["--json", "no_such_folder/report.json"], "there is no such folder"),
        (["--sideways"], "unrecognized arguments: --sideways"),
        (["compare", "one.json"], "the following arguments are required: B.json"),
        (["compare", "no_such.json", "no_such.json"], "cannot read no_such.json"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, message, capsys):
    status, out, err = outcome(arguments, capsys)
    assert (status, out) == (2, "")
    assert err.startswith("tapegrad-bench: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_list_names_every_workload(capsys):
    status, out, _ = outcome(["--list"], capsys)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(WORKLOADS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "is not JSON"),
        ("[1]", "is not a report"),
        ('{"schema": 0}', "another schema"),
        ('{"schema": 1}', "not a whole"),
    ],
)
def test_compare_refuses_what_is_no_report(content, message, tmp_path, capsys):
    file = tmp_path / "report.json"
    file.write_text(content)
    status, _, err = outcome(["compare", str(file), str(file)], capsys)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1


def report_of(samples, **changes):
    plan = Plan(rounds=len(samples))
    contender = Contender("tapegrad", None, "cpu")
    rows = rows_of([Measured("op.some", "time", "s", contender, "", samples, 1)], plan)
    machine = {"cpu": "a", "cores": 2, "system": "b", "gpu": None, "load": 0.1}
    facts = {"versions": {"tapegrad": "1"}, "machine": machine, "source": {"commit": None, "changed": None}}
    return Report("today", facts, asdict(plan), [replace(row, **changes) for row in rows])


def test_compare_flags_what_the_spread_does_not_explain(tmp_path, capsys):
    files = [tmp_path / name for name in ("a.json", "b.json")]
    report_of([1.0, 1.1, 1.2]).write(files[0])
    report_of([2.0, 2.1, 2.3]).write(files[1])
    status, out, _ = outcome(["compare", *map(str, files)], capsys)
    assert status == 0
    (line,) = [line for line in out.splitlines() if line.startswith("op.some")]
    assert line.split()[-2:] == ["1.91", "slower"]
    assert "1 compared, 1 changed" in out
    status, out, _ = outcome(["compare", *map(str, reversed(files))], capsys)
    assert "faster" in out


def test_compare_does_not_flag_noise_and_names_what_only_one_has():
    text = comparison(report_of([1.0, 1.5, 2.0]), report_of([1.2, 1.7, 2.2]))
    assert "1 compared, 0 changed" in text
    text = comparison(report_of([1.0]), report_of([1.0], workload="op.other"))
    assert "only in A: op.some time tapegrad cpu" in text
    assert "only in B: op.other time tapegrad cpu" in text


def test_a_busy_machine_is_named():
    report = report_of([1.0])
    assert "busy" not in table(report)
    report.facts["machine"]["load"] = 1.5
    assert "the machine was busy before the run began (load 1.5 on 2 cores)" in table(report)


def test_a_target_is_judged_by_ratios_of_the_same_round():
    ours, peer = Contender("tapegrad", None, "cpu"), Contender("torch", None, "cpu")

    def judged(mine, theirs, plan):
        results = [
            Measured("op.some", "time", "s", ours, "", mine, 1, limit=0.5, limit_of_peer=True),
            Measured("op.some", "time", "s", peer, "", theirs, 1),
            Measured("op.some", "time", "s", peer, "fused", [0.1] * len(theirs), 1),
        ]
        return rows_of(results, plan)[0]

    # The machine slowed down: the medians are 2 and 8, and yet each round's ratio is 0.5 or more.
    row = judged([1.0, 2.0, 9.0], [2.0, 4.0, 8.0], Plan())
    assert (row.of_peer.median, row.reached, verdict(row), row.target) == (0.5, True, "reached", "<= 0.50 of torch")
    row = judged([1.2, 2.4, 9.0], [2.0, 4.0, 8.0], Plan())
    assert (row.reached, verdict(row)) == (False, "MISSED")
    assert verdict(judged([1.0], [2.0], Plan(quick=True))) == "not judged"
    assert verdict(judged([1.0], [2.0], Plan(threads=2))) == "not judged"


def test_a_probes_limit_is_judged_without_a_peer():
    result = Measured("probe", "bytes", "B", Contender("tapegrad", None, "cpu"), "", [2048.0], 0, limit=1024)
    (row,) = rows_of([result], Plan())
    assert (row.target, row.reached) == ("<= 1.00 KiB", False)


def test_summary_is_numpys_quartiles():
    samples = np.random.default_rng(0).random(11)
    found = Summary.of(list(samples))
    assert np.allclose([found.q1, found.median, found.q3], np.quantile(samples, [0.25, 0.5, 0.75]))


def test_contenders_take_turns(cpu):
    order = []
    workloads = Workloads()

    @workloads.timed("turns", "who runs")
    def turns(s):
        return lambda: order.append(s.contender.name)

    one, other = replace(cpu, name="tapegrad"), replace(cpu, name="other")
    results, failed = measure(workloads["turns"], [one, other], Plan(rounds=4, seconds=0.0))
    assert failed == []
    assert [len(result.samples) for result in results] == [4, 4]
    assert all(result.loops == 1 for result in results)
    # After the warm-up (two calls each), who begins changes every round; the last calls read the memory.
    assert order[4:12] == ["tapegrad", "other", "other", "tapegrad"] * 2


def test_a_workload_that_raises_is_reported_and_the_rest_runs(cpu):
    workloads = Workloads()

    @workloads.timed("broken", "fails")
    def broken(s):
        raise LookupError("gone")

    @workloads.probe("sound", "works")
    def sound(s):
        return [Metric("number", [1.0], "")]

    report = run_workloads(workloads.matching(["*"]), ["cpu"], [], QUICK)
    assert report.failed == ["broken: tapegrad on cpu: LookupError: gone"]
    assert [row.workload for row in report.rows] == ["sound"]
    assert "failed: broken: tapegrad on cpu: LookupError: gone" in table(report)


def test_two_workloads_cannot_share_a_name():
    workloads = Workloads()

    def nothing(s):
        return []

    workloads.probe("same", "measures nothing")(nothing)
    with pytest.raises(ValueError, match="exists already"):
        workloads.timed("same", "measures nothing")(nothing)


def test_memory_is_what_a_call_allocates_and_keeps(cpu):
    kept = []
    peak, left = cpu.memory(lambda: np.ones(1_000_000, np.uint8))
    assert 1_000_000 <= peak < 1_100_000
    assert left < 10_000
    peak, left = cpu.memory(lambda: kept.append(np.ones(1_000_000, np.uint8)))
    assert 1_000_000 <= left <= peak


@pytest.mark.parametrize("name", [workload.name for workload in WORKLOADS.values() if workload.probe])
def test_probes_measure(name, cpu):
    metrics = WORKLOADS[name].build(Setting(cpu, quick=True))
    assert metrics
    for metric in metrics:
        assert np.isfinite(metric.samples).all()
        assert metric.unit in ("s", "B", "")


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch calls it at its first jvp
@pytest.mark.parametrize("name", TIMED)
def test_workloads_compute_what_torch_computes(name, cpu):
    torch = pytest.importorskip("torch")
    steps = [
        WORKLOADS[name].build(Setting(contender, quick=True)) for contender in (cpu, Contender("torch", torch, "cpu"))
    ]
    for _ in range(2):
        ours, theirs = ([np.asarray(result.detach().numpy()) for result in step()] for step in steps)
        assert len(ours) == len(theirs)
        for mine, torchs in zip(ours, theirs):
            assert mine.dtype == torchs.dtype
            np.testing.assert_allclose(mine, torchs, rtol=2e-4, atol=2e-4 * max(1.0, np.abs(torchs).max(initial=0.0)))


@pytest.mark.slow
def test_pytest_benchmark_suite_collects_every_workload():
    pytest.importorskip("pytest_benchmark")
    command = [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q", "-p", "no:cacheprovider"]
    # under xdist the suite would refuse to measure
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in WORKLOADS:
        assert f"test_workload[{name}-tapegrad-cpu]" in done.stdout
