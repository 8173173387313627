"""`tapegrad-bench gpu-report` where there is no GPU: its sections on the strict device, and that it goes on past
whatever crashes, hangs or fails.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import re
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import missing_gpu
from repository import ROOT

from tapegrad.backends import Device, backend_for
from tapegrad.backends.kernels import launch
from tapegrad.benchmarks import gpu
from tapegrad.benchmarks.cli import main
from tapegrad.benchmarks.gpu.items import launch_cost, numerics, pytest_run, sanitized, sanitizer, workload_runs
from tapegrad.benchmarks.gpu.items.fact import Facts, check, raised
from tapegrad.benchmarks.gpu.report import supervise as watched
from tapegrad.benchmarks.gpu.report.command import fill, gpu_report
from tapegrad.benchmarks.gpu.report.document import Document, Part, markdown, summary
from tapegrad.benchmarks.gpu.report.finding import Finding, Skip, failed, noted, ok
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.processes import run_for, start, stop
from tapegrad.benchmarks.gpu.report.section import Section, items_of
from tapegrad.benchmarks.gpu.report.sections import SECTIONS, TOTAL
from tapegrad.benchmarks.gpu.report.supervise import observe, serve
from tapegrad.benchmarks.workloads import WORKLOADS

FOLDER = Path(gpu.__file__).parent
FACTS = {
    f"{section.name}.{name}": fact
    for section in SECTIONS
    for name, fact in getattr(importlib.import_module(section.source.partition(":")[0]), "FACTS", {}).items()
}
posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in for a program is a shell script")

FAKE = """
import os, sys, time
from tapegrad.benchmarks.gpu.report.finding import Skip, failed, noted, ok

def skip(m): raise Skip("not here")
def broken(m): raise LookupError("gone\\naway")
def crash(m):
    print("last words", flush=True)
    os._exit(7)
def hang(m): time.sleep(600)

def poison(m):
    m.backend  # what never asked for the device cannot have broken it
    def fail(): raise RuntimeError("illegal memory access")
    m.synchronize = fail
    return ok("done")

def items():
    return {"good": lambda m: ok("fine", number=3), "skip": skip, "broken": broken, "crash": crash, "hang": hang, "poison": poison,
            "last": lambda m: noted(f"device {m.device}")}

def some(): return {"crash": crash, "broken": broken}
def sound(): return {"good": lambda m: ok("fine"), "noted": lambda m: noted("3 us")}
def slow(): return {"first": lambda m: ok("fine"), "hang": hang, "after": lambda m: ok("fine")}
def at_once(): os._exit(5)
def unknown(): raise ImportError("no such library")
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Sections made of the functions above, which the processes find on their path."""
    (tmp_path / "fake_sections.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])))
    return lambda name, seconds=100.0, each=2.0: Section(
        name, name.capitalize(), f"fake_sections:{name}", seconds, each
    )


def test_what_crashes_hangs_or_fails_costs_itself_only(fake):
    found = {finding.name: finding for finding in watched.run(fake("items"), "strict", 100)}
    assert {name: finding.status for name, finding in found.items()} == {
        "good": "ok",
        "skip": "skipped",
        "broken": "failed",
        "crash": "crashed",
        "hang": "hung",
        "poison": "failed",
        "last": "noted",
    }
    assert (
        found["good"].values == {"number": 3}
        and found["skip"].text == "not here"
        and found["last"].text == "device strict"
    )
    assert found["broken"].text == "LookupError: gone away" and "broken" in found["broken"].values["traceback"][-1]
    assert found["crash"].text == "the process ended with status 7" and found["crash"].values["output"] == [
        "last words"
    ]
    assert found["hang"].text == "stopped after 2 s"
    assert found["poison"].text == "done; afterwards the device fails: RuntimeError: illegal memory access"


def test_a_section_ends_when_its_time_is_over(fake):
    begun = time.monotonic()
    first, hung, after = watched.run(fake("slow", each=100.0), "strict", 8)
    assert time.monotonic() - begun < 8 + 10
    assert (first.status, after.status, after.text) == ("ok", "not run", "no time was left")
    assert hung.status == "hung" and "when the section's time was over" in hung.text


@pytest.mark.parametrize(("name", "text"), [("at_once", "status 5"), ("unknown", "status 1")])
def test_a_section_that_cannot_start(fake, name, text):
    (found,) = watched.run(fake(name), "strict", 60)
    assert (found.name, found.status) == (name, "crashed") and text in found.text
    if name == "unknown":
        assert found.values["output"][-1] == "ImportError: no such library"


def test_items_are_told_as_they_happen(tmp_path):
    file = tmp_path / "lines"
    seen = []
    items = {
        "a": lambda m: ok("1"),
        "b": lambda m: (seen.append(file.read_text()), ok("2"))[1],
        "c": lambda m: noted("3"),
    }
    assert serve(lambda: items, Machine("strict"), ["a"], file) == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == ["items", "begin", "finding", "begin", "finding"]
    assert lines[0]["items"] == ["a", "b", "c"] and seen[0].endswith('{"begin": "b"}\n')
    assert serve(lambda: items, Machine("strict", seconds=0), [], file) == 0
    assert "begin" not in file.read_text().splitlines()[-1]


def test_a_device_that_was_never_asked_for_is_not_asked_whether_it_works(monkeypatch):
    monkeypatch.setattr("tapegrad.benchmarks.gpu.report.supervise.loaded", lambda type: False)
    machine = Machine("cuda")
    assert observe("a", lambda m: ok("fine"), machine)[1] is False and "backend" not in vars(machine)


@posix
def test_a_stopped_process_takes_its_children_along(tmp_path):
    script = (
        "import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', 'import time; "
        "time.sleep(600)']).pid, flush=True); time.sleep(600)"
    )
    process = start([sys.executable, "-c", script], tmp_path / "out")
    while not (tmp_path / "out").read_text().strip():
        time.sleep(0.02)
    child = int((tmp_path / "out").read_text())
    os.kill(child, 0)
    stop(process)
    assert process.returncode is not None
    for _ in range(250):  # whoever adopts it may take a moment to bury it
        stat = Path(f"/proc/{child}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.02)
    else:
        pytest.fail("the child lives")


def test_a_command_that_takes_too_long_is_stopped(tmp_path):
    done = run_for(0.5, [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "out")
    assert done.status is None and done.seconds < 60
    done = run_for(60, [sys.executable, "-c", "print('said'); raise SystemExit(3)"], tmp_path / "out")
    assert (done.status, done.output.strip()) == (3, "said")


# ---- the command


def report(tmp_path, sections, *arguments):
    status = gpu_report(
        ["--device", "strict", "--out", str(tmp_path / "out"), "--commit", "abc123", *arguments], sections
    )
    (file,) = (tmp_path / "out").glob("*.json")
    return status, json.loads(file.read_text()), file.with_suffix(".md").read_text()


def test_a_report_of_which_all_is_well(fake, tmp_path, capsys):
    status, content, text = report(tmp_path, [fake("sound")])
    assert status == 0 and content["well"] and content["dry_run"] and content["schema"] == "gpu-report 1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-strict-report-abc123.json", next((tmp_path / "out").glob("*.json")).name)
    found = content["parts"][0]["findings"][1]
    assert found == {"name": "noted", "status": "noted", "text": "3 us", "values": {}, "seconds": found["seconds"]}
    assert (
        text.startswith("# Dry run of the GPU report, on the strict device\n")
        and "No GPU took part" in text
        and "| noted |  | 3 us |" in text
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3] == "all is well" and lines[-1].endswith("-abc123.md")


def test_a_report_of_which_not_all_is_well(fake, tmp_path, capsys):
    status, content, text = report(tmp_path, [fake("some"), fake("slow"), fake("sound")], "--only", "some, sound")
    assert status == 1 and not content["well"] and [part["name"] for part in content["parts"]] == ["some", "sound"]
    out = capsys.readouterr().out
    assert (
        "crashed: some: crash: the process ended with status 7" in out
        and "2 to look at" in out
        and "failed: some: broken" in out
    )
    assert "`crash`, output:" in text and "| broken | **failed** | LookupError: gone away |" in text


def test_a_report_that_has_no_time(fake, tmp_path):
    document = Document("2026-01-01", "strict", "abc", False)
    fill(document, [fake("sound"), fake("slow")], time.monotonic() - 10, 5, tmp_path, {})
    assert [finding.status for finding in document.findings] == ["not run", "not run"] and not document.well


def test_arguments(tmp_path, capsys):
    (tmp_path / "file").touch()
    for arguments, words in [
        (["--only", "nothing"], "there is no section 'nothing'; there is environment, kernels"),
        (["--device", "tpu"], "invalid choice"),
        (["--seconds", "0"], "must be positive"),
        (["--device", "strict", "--out", str(tmp_path / "file" / "out")], "cannot write to"),
    ]:
        with pytest.raises(SystemExit) as stopped:
            main(["gpu-report", *arguments])
        captured = capsys.readouterr()
        assert stopped.value.code == 2 and words in captured.err.splitlines()[-1]


def test_without_a_gpu_it_says_why(capsys, tmp_path):
    if missing_gpu() is None:
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit) as stopped:
        main(["gpu-report", "--out", str(tmp_path / "out")])
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        stopped.value.code == 2
        and line.startswith('tapegrad-bench: error: device "cuda" needs')
        and line.endswith("(--device strict makes a dry run)")
    )
    assert not (tmp_path / "out").exists()


def test_it_ends_in_under_eight_minutes():
    assert sum(section.seconds for section in SECTIONS[:-1]) + 60 <= TOTAL < 8 * 60
    assert len({section.name for section in SECTIONS}) == len(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_sections_have_items(section):
    assert items_of(section.source)


def test_what_the_document_shows():
    document = Document(
        "2026-01-01T00:00:00",
        "cuda",
        None,
        None,
        [
            Part("environment", "Environment", 1.0, [Finding("gpu", "noted", "NVIDIA Nothing")]),
            Part(
                "tests",
                "Tests",
                2.0,
                [Finding("pytest", "failed", "1 | 2", {"failures": ["a: b"], "skips": {"no torch": 3}})],
            ),
        ],
        3.0,
    )
    assert summary(document).splitlines()[0] == "NVIDIA Nothing; no commit known; 3 s"
    assert summary(document).splitlines()[-2:] == ["failed: tests: pytest: 1 | 2", "1 to look at"]
    text = markdown(document)
    assert (
        text.startswith("# GPU report\n")
        and "| pytest | **failed** | 1 \\| 2 |" in text
        and "a: b\n" in text
        and "3 x no torch" in text
    )


# ---- facts


@pytest.mark.parametrize("name", FACTS)
def test_facts_on_the_strict_device(name):
    """It holds what it claims to stand for; the rest needs CuPy."""
    finding, poisoned = observe(name, lambda m: check(FACTS[name], m), Machine("strict"))
    assert finding.status in ("ok", "noted", "skipped") and not poisoned, finding
    assert finding.status != "skipped" or re.match("needs (CuPy on a GPU|PyTorch with CUDA)$", finding.text)


def test_the_strict_device_confirms_some():
    held = [
        name
        for name, fact in FACTS.items()
        if observe(name, lambda m, fact=fact: check(fact, m), Machine("strict"))[0].status == "ok"
    ]
    assert len(held) >= 18 and "promises.index_errors" in held and "types.add_at_refuses" in held


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # CuPy's streams that could not be made
@pytest.mark.parametrize("name", FACTS)
def test_facts_ask_cupy_for_nothing_that_it_lacks(name):
    """With the real CuPy and no driver each gets as far as the device, and no error is of Python's making."""
    cupy = pytest.importorskip("cupy")
    if missing_gpu() is None:
        pytest.skip("there is a GPU: the report itself runs them")
    from tapegrad.backends.cupy.backend import CupyBackend

    machine = Machine("cuda")
    machine.backend = CupyBackend(cupy, 1)
    machine.cupy = cupy
    machine.contenders = []
    finding, _ = observe(name, lambda m: check(FACTS[name], m), machine)
    assert finding.status in ("failed", "unexpected", "skipped"), finding
    assert not re.search(
        r"\b(NameError|AttributeError|TypeError|KeyError|UnboundLocalError)\b", finding.text.partition(", where ")[0]
    ), finding


def cupy_names():
    """Every dotted name below `cupy` or `m.cupy` in the report's sources, with where it is."""
    for path in sorted(FOLDER.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        local = (
            {"cupy"}
            if re.search(
                r"^\s+import cupy$|\bcupy = m\.cupy$|cupy, \w+ = m\.cupy",
                path.read_text(encoding="utf-8"),
                re.MULTILINE,
            )
            else set()
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in (
                "cupy",
                "cupyx",
                "cupy_backends",
            ):
                yield from ((f"{node.module}.{alias.name}", path.name) for alias in node.names)
            names, inner = [], node
            while isinstance(inner, ast.Attribute):
                names.append(inner.attr)
                inner = inner.value
            if names and isinstance(inner, ast.Name):
                names = [inner.id, *reversed(names)]
                if names[:2] == ["m", "cupy"] and len(names) > 2:
                    yield ".".join(names[1:]), path.name
                elif names[0] in local:
                    yield ".".join(names), path.name


def test_the_names_of_cupy_exist():
    pytest.importorskip("cupy")
    found = list(cupy_names())
    assert len(found) > 60 and "cupy.cuda.get_elapsed_time" in {name for name, _ in found}
    missing = []
    for name, file in found:
        first, *rest = name.split(".")
        try:
            value = importlib.import_module(first)
            for i, part in enumerate(rest, 1):
                value = (
                    getattr(value, part)
                    if hasattr(value, part)
                    else importlib.import_module(".".join([first, *rest[:i]]))
                )
        except ImportError as error:
            if re.search(r"lib\w+\.so|DLL", str(error)):  # a library of CUDA that only a GPU's machine has
                continue
            missing.append(f"{name} in {file}")
    assert not missing, missing


def test_the_methods_of_cupys_objects_exist():
    """What is asked of streams, events, graphs, pools and arrays."""
    cupy = pytest.importorskip("cupy")
    for kind, names in [
        (cupy.cuda.Stream, "begin_capture end_capture synchronize wait_event record ptr __enter__"),
        (cupy.cuda.Event, "record synchronize"),
        (cupy.cuda.Graph, "launch"),
        (cupy.cuda.MemoryPool, "used_bytes total_bytes free_all_blocks"),
        (cupy.cuda.MemoryHook, "malloc_postprocess __enter__"),
        (cupy.ndarray, "get set copy fill astype sum max mean argmax argmin data flags nbytes"),
        (cupy.cuda.Device, "id compute_capability __enter__"),
        (cupy.RawModule, "get_function"),
        (cupy.cuda.Module, "load get_function"),
        (cupy.ufunc, "at"),
    ]:
        stream = cupy.cuda.Stream.null if kind is cupy.cuda.Stream else kind
        assert not [name for name in names.split() if not hasattr(stream, name)], kind


def test_facts_are_compared():
    facts = Facts()

    @facts("Something is", [1, "two"])
    def something(m):
        return [1, "two"] if m.device == "strict" else [1]

    @facts("It takes")
    def measured(m):
        return noted("3 us")

    assert check(facts["something"], Machine("strict")).text == "Something is: 1, two"
    finding = check(facts["something"], Machine("cuda"))
    assert (finding.status, finding.text) == ("unexpected", "Something is: 1, where 1, two was expected")
    assert check(facts["measured"], Machine("strict")).text == "It takes: 3 us"
    with pytest.raises(Skip):
        raised(lambda: Machine("strict").cupy)


def test_facts_are_told_apart():
    names = [fact.name for fact in FACTS.values()]
    assert len(set(names)) == len(names) and all(fact.about for fact in FACTS.values())


def test_the_document_names_every_fact():
    """docs/cuda.md lists what no GPU has confirmed; each fact of the report is there."""
    text = (ROOT / "docs" / "cuda.md").read_text(encoding="utf-8")
    assert not [fact.name for fact in FACTS.values() if f"`{fact.name}`" not in text]


# ---- kernels


@pytest.mark.parametrize("name", numerics.declared())
def test_kernels_on_the_strict_device(name):
    try:
        launch.cpu_compiler()
    except launch.Unavailable as why:
        pytest.skip(str(why))
    finding = numerics.run(name, Machine("strict"))
    assert finding.status == "ok" and finding.values["cases"] >= 20, finding


def test_every_kernel_has_a_check():
    assert sorted(numerics.CHECKS) == numerics.declared() != []


def test_wrong_numbers_are_found(monkeypatch):
    monkeypatch.setitem(
        numerics.CHECKS,
        "philox.words",
        lambda m: iter(
            [
                (np.arange(3.0), np.arange(3.0), "a"),
                (np.array([1.0, np.nan]), np.array([1.0, np.nan]), "b"),
                (np.arange(3), np.array([0, 5, 2]), "c"),
                (np.zeros(2), np.zeros(3), "d"),
            ]
        ),
    )
    finding = numerics.run("philox.words", Machine("strict"))
    assert (finding.status, finding.values["cases"]) == ("failed", 4)
    assert finding.values["wrong"] == [
        "c: 1 of 3 differ; at 1 1 instead of 5",
        "d: float64 (2,) instead of float64 (3,)",
    ]
    assert numerics.run("philox.nothing", Machine("strict")).text == "nothing here checks this kernel"


def test_the_program_that_the_sanitizer_watches(capsys):
    try:
        launch.cpu_compiler()
    except launch.Unavailable as why:
        pytest.skip(str(why))
    assert sanitized.main("strict") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == numerics.declared() and re.fullmatch(
        r"[1-9]\d* cases", lines[-1]
    )


def test_memory_that_the_sanitizer_sees_ends_with_a_whole_word(monkeypatch):
    cupy = pytest.importorskip("cupy")
    made, cleared = [], []

    def memory(size):
        block = np.empty(size, np.uint8)
        made.append(size)
        return cupy.cuda.UnownedMemory(block.ctypes.data, size, block, 0)

    for function, signature in (
        (cupy.cuda.Memory, "Memory(size_t size)"),
        (cupy.cuda.runtime.memset, "memset(intptr_t ptr, int value, size_t size)"),
    ):
        assert function.__doc__.startswith(signature)
    monkeypatch.setattr(cupy.cuda, "Memory", memory)
    monkeypatch.setattr(
        cupy.cuda.runtime, "memset", lambda pointer, value, size: cleared.append((pointer, value, size))
    )
    allocate = sanitized.allocator(cupy)
    found = [allocate(size) for size in (3, 8, 1, 0)]
    assert made == [4, 8, 4, 0] and cleared == [(found[0].ptr + 3, 0, 1), (found[2].ptr + 1, 0, 3)]


@posix
@pytest.mark.parametrize(
    ("script", "status", "text"),
    [
        ("echo '30 cases'; echo '========= ERROR SUMMARY: 0 errors'", "ok", "30 cases, 0 errors"),
        (
            "echo '30 cases'; echo '========= ERROR SUMMARY: 2 errors'; exit 99",
            "failed",
            "memcheck found errors: 2 errors",
        ),
        (
            "echo '========= Error: Device not supported. Please refer'; exit 1",
            "skipped",
            "cannot be used on this machine: Device not supported",
        ),
        ("echo 'Traceback'; echo 'ValueError: x'; exit 1", "failed", "the program ended with status 1: ValueError: x"),
        ("sleep 600", "hung", "stopped after"),
        (None, "skipped", "compute-sanitizer is not installed"),
    ],
)
def test_the_sanitizers_answers(script, status, text, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    if script is not None:
        (tools / "compute-sanitizer").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n{script}\n')
        (tools / "compute-sanitizer").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}/bin{os.pathsep}/usr/bin" if script else str(tools))
    finding, _ = observe(
        "memcheck", sanitizer.items()["memcheck"], Machine("strict", seconds=6 if "sleep" in (script or "") else 60)
    )
    assert finding.status == status and text in finding.text
    if script is not None:
        called = (tmp_path / "called").read_text().split()
        assert called[:2] == ["--tool", "memcheck"] and called[-3:] == [
            "-m",
            "tapegrad.benchmarks.gpu.items.sanitized",
            "strict",
        ]


# ---- the other sections on the strict device


def test_what_calls_cost(monkeypatch):
    monkeypatch.setattr(launch_cost, "SAMPLES", 2)
    monkeypatch.setattr(launch_cost, "SECONDS", 1e-4)
    found = {name: observe(name, item, Machine("strict"))[0] for name, item in launch_cost.items().items()}
    skipped = {name for name, finding in found.items() if finding.status == "skipped"}
    assert skipped == {"ElementwiseKernel", "RawKernel", "Function", "launch of ours"}
    assert all(
        finding.status == "noted" and finding.values["us"] > 0 for name, finding in found.items() if name not in skipped
    ), found


def test_ops_beside_a_peer(monkeypatch):
    monkeypatch.setattr(
        launch_cost,
        "timed",
        lambda call, contender: (call(), launch_cost.Summary.of([2e-6 if contender.ours else 4e-6]))[1],
    )
    machine = Machine("strict")
    import tapegrad

    machine.contenders = [
        launch_cost.Contender("tapegrad", tapegrad, "strict"),
        launch_cost.Contender("torch", tapegrad, "cpu"),
    ]
    for name, item in launch_cost.items().items():
        if name.startswith("op "):
            finding = item(machine)
            assert finding.text == "2.00 us; torch 4.00 us, ratio 0.50" and finding.values == {
                "us": 2.0,
                "torch_us": 4.0,
            }


def test_the_peaks():
    items = items_of("tapegrad.benchmarks.gpu.items.peak_memory:items")
    finding = items["deep chain"](Machine("strict"))
    assert finding.status == "noted" and 21 * 4 * 2**20 <= finding.values["tapegrad"] < 30 * 4 * 2**20
    assert observe("process", items["process"], Machine("strict"))[0].status == "skipped"


def test_a_benchmark(monkeypatch):
    assert [workload.name for workload in WORKLOADS.matching(workload_runs.NAMES)]
    monkeypatch.setattr(workload_runs, "PLAN", workload_runs.Plan(rounds=2, seconds=1e-4, quick=True))
    monkeypatch.setattr(workload_runs, "PEERS", ())
    finding = workload_runs.items()["op.matmul"](Machine("strict"))
    assert finding.status == "noted" and re.search(r"^tapegrad cpu .*; tapegrad strict .* of the CPU's", finding.text)
    assert finding.values["rows"][0]["workload"] == "op.matmul"
    monkeypatch.setitem(
        WORKLOADS, "op.matmul", workload_runs.WORKLOADS["op.add"].__class__("op.matmul", "fails", lambda s: 1 / 0)
    )
    assert "ZeroDivisionError" in workload_runs.items()["op.matmul"](Machine("strict")).text


def test_the_environment(monkeypatch):
    monkeypatch.setenv("CUPY_TF32", "1")
    monkeypatch.setenv("CUPY_CACHE_DIR", str(ROOT))
    monkeypatch.setenv(pytest_run.FOLDER, str(ROOT))
    found = {
        name: observe(name, item, Machine("strict"))[0]
        for name, item in items_of("tapegrad.benchmarks.gpu.report.environment:items").items()
    }
    assert (
        found["python"].values["numpy"] == np.__version__
        and found["device"].text == "strict: 1 of them"
        and found["cpu"].values["cores"] == os.cpu_count()
    )
    assert all(finding.status in ("noted", "skipped") for finding in found.values())
    assert found["settings"].text.startswith("CUPY_CACHE_DIR=(a path), CUPY_TF32=1") and str(ROOT) not in json.dumps(
        [f.values for f in found.values()]
    )


@posix
def test_clocks_are_read(tmp_path, monkeypatch):
    from tapegrad.benchmarks.gpu.report import environment

    row = ", ".join(f"{name}!" for name in environment.QUERY)
    (tmp_path / "nvidia-smi").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\necho "{row}"\n')
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    finding = environment.clocks(Machine("strict"))
    assert (
        finding.values["gpus"] == [{name: f"{name}!" for name in environment.QUERY}]
        and "driver driver_version!" in finding.text
    )
    assert (tmp_path / "called").read_text().split()[0].startswith("--query-gpu=name,")  # it asks, and sets nothing


# ---- the test suite

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--device", action="append")

def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", metafunc.config.getoption("device"))
"""
TESTS = """
import time
import pytest

def test_passes(): pass
def test_fails(): assert 1 == 2, "one is not two"
def test_skips(): pytest.skip("no torch")
@pytest.mark.xfail(strict=True)
def test_expected(): assert False
@pytest.fixture
def broken(): raise OSError("no fixture")
def test_setup(broken): pass
@pytest.fixture
def late():
    yield
    raise OSError("no end")
def test_teardown(late): pass
def test_device(device): assert device == "strict"
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text(CONFTEST)
    (tmp_path / "tests" / "test_some.py").write_text(TESTS)
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(pytest_run.FOLDER, str(tmp_path))
    monkeypatch.setenv(pytest_run.WORKERS, "1")
    return tmp_path / "tests"


@pytest.mark.parametrize("processes", [[], ["-n", "0"]])
def test_the_tests_are_run_and_counted(suite, monkeypatch, processes):
    if not processes and importlib.util.find_spec("xdist") is None:
        pytest.skip("needs pytest-xdist, which is something else")
    monkeypatch.setenv(pytest_run.ARGUMENTS, json.dumps(processes))
    finding = pytest_run.run(Machine("strict", seconds=120))
    assert finding.status == "failed" and finding.text == "2 passed, 3 failed, 1 skipped, 1 failed as expected"
    assert [name.partition("::")[2].partition(":")[0] for name in sorted(finding.values["failures"])] == [
        "test_fails",
        "test_setup",
        "test_teardown",
    ]
    assert any("one is not two" in line for line in finding.values["failures"]) and finding.values["skips"] == {
        "no torch": 1
    }


def test_the_device_is_tested_first(suite, monkeypatch):
    monkeypatch.setenv(pytest_run.ARGUMENTS, json.dumps(["-n", "0", "-x"]))
    finding = pytest_run.run(Machine("strict", seconds=120))
    assert finding.text == "2 passed, 1 failed, 0 skipped"
    assert {line.partition("::")[2] for line in finding.values["slowest"]} >= {"test_device[strict]", "test_passes"}


def test_all_tests_pass(suite, monkeypatch):
    (suite / "test_some.py").write_text("def test_passes(): pass\n")
    monkeypatch.setenv(pytest_run.ARGUMENTS, json.dumps(["-n", "0"]))
    assert pytest_run.run(Machine("strict", seconds=120)).status == "ok"


def test_a_file_of_tests_that_cannot_be_imported(suite, monkeypatch):
    (suite / "test_other.py").write_text("import no_such_library\n")
    monkeypatch.setenv(pytest_run.ARGUMENTS, json.dumps(["-n", "0"]))
    finding = pytest_run.run(Machine("strict", seconds=120))
    assert (
        finding.status == "failed"
        and finding.text.startswith("2 passed, 4 failed")
        and "pytest ended" not in finding.text
    )
    assert any(
        line.startswith("tests/test_other.py: ModuleNotFoundError") and "no_such_library" in line
        for line in finding.values["failures"]
    )


def test_tests_that_hang_are_stopped(suite, monkeypatch):
    (suite / "test_some.py").write_text(
        textwrap.dedent("""
        import time
        def test_passes(): pass
        def test_hangs(): time.sleep(600)
    """)
    )
    monkeypatch.setenv(pytest_run.ARGUMENTS, json.dumps(["-n", "0"]))
    begun = time.monotonic()
    finding = pytest_run.run(Machine("strict", seconds=pytest_run.RESERVE + 6))
    assert time.monotonic() - begun < 30
    assert finding.status == "hung" and finding.text.startswith("1 passed, 0 failed, 0 skipped; stopped")
    assert finding.values["running"] == ["tests/test_some.py::test_hangs"]


def test_where_there_are_no_tests(tmp_path, monkeypatch):
    monkeypatch.setenv(pytest_run.FOLDER, str(tmp_path))
    assert "run it in a clone" in observe("pytest", pytest_run.run, Machine("strict"))[0].text


def test_how_many_processes():
    assert [pytest_run.workers_of(cores) for cores in (1, 2, 8, 64)] == [1, 1, 7, 12]


def test_findings_are_well_or_not():
    assert [finding.well for finding in (ok(""), noted(""), failed(""), Finding("", "unexpected"))] == [
        True,
        True,
        False,
        False,
    ]
    assert backend_for(Device("strict")) is Machine("strict").backend
