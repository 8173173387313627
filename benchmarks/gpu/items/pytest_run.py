"""The whole test suite on the device."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tapegrad.backends import Device
from tapegrad.benchmarks.gpu.report.finding import Finding, Skip
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.outcomes import VARIABLE
from tapegrad.benchmarks.gpu.report.processes import ended, lines_of, run_for
from tapegrad.benchmarks.gpu.report.section import Items

#: what of the command line the run needs: the folder with the tests, how many processes, further arguments for pytest
FOLDER, WORKERS, ARGUMENTS = "TAPEGRAD_REPORT_TESTS", "TAPEGRAD_REPORT_WORKERS", "TAPEGRAD_REPORT_PYTEST"
SHOWN = 40
RESERVE = 6.0  # seconds to stop it and to read what it wrote


def items() -> Items:
    """One: the run."""
    return {"pytest": run}


def run(m: Machine) -> Finding:
    """Run pytest in the folder of the tests for as long as there is time."""
    root = Path(os.environ.get(FOLDER, "."))
    if not (root / "tests" / "conftest.py").is_file():
        raise Skip("there are no tests here: run it in a clone of the repository, or say --root")
    if importlib.util.find_spec("pytest") is None:
        raise Skip("pytest is not installed")
    workers = int(os.environ.get(WORKERS) or workers_of(os.cpu_count() or 1))
    command = [sys.executable, "-m", "pytest", "tests", "--device", Device(m.device).type, "-q"]
    command += [
        "--continue-on-collection-errors",
        "-p",
        "no:cacheprovider",
        "-p",
        "tapegrad.benchmarks.gpu.report.outcomes",
    ]
    if importlib.util.find_spec("xdist") is not None:
        command += ["-n", str(workers), "--dist", "loadgroup"]
    command += json.loads(os.environ.get(ARGUMENTS, "[]"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder, "outcomes")
        file.touch()
        done = run_for(m.left - RESERVE, command, Path(folder, "output"), {**os.environ, VARIABLE: str(file)}, root)
        lines = [json.loads(line) for line in lines_of(file)]
    return summed_up(lines, done.status, done.output)


def workers_of(cores: int) -> int:
    """How many processes: each has a context of its own on the GPU."""
    return max(1, min(12, cores - 1))


def summed_up(lines: list[dict[str, Any]], status: int | None, output: str) -> Finding:
    """The finding of a run.

    Args:
        lines: what `outcomes` wrote.
        status: pytest's exit status; None if it was stopped.
        output: what it printed.
    """
    last: dict[str, dict[str, Any]] = {}
    for line in lines:
        # of a test and its teardown, the worse
        if "end" in line and last.get(line["end"], {}).get("outcome") != "failed":
            last[line["end"]] = line
    counts = Counter(line["outcome"] for line in last.values())
    failures = [f"{name}: {line['why']}" for name, line in last.items() if line["outcome"] == "failed"]
    open_tests = [line["begin"] for line in lines if "begin" in line and line["begin"] not in last]
    whys = Counter(line["why"] for line in last.values() if line["outcome"] == "skipped")
    slowest = sorted(((line["seconds"], name) for name, line in last.items() if "seconds" in line), reverse=True)[:10]
    values: dict[str, Any] = {
        "passed": counts["passed"],
        "failed": counts["failed"],
        "skipped": counts["skipped"],
        "failures": failures[:SHOWN],
        "skips": dict(whys.most_common(20)),
        "slowest": [f"{seconds:.1f} s {name}" for seconds, name in slowest],
    }
    text = f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"
    if counts["xfailed"]:
        text += f", {counts['xfailed']} failed as expected"
    if status is None:
        values["running"] = open_tests[:SHOWN]
        return Finding(
            "", "hung", f"{text}; stopped, as no time was left, in {', '.join(open_tests[:3]) or 'no test'}", values
        )
    if status not in (0, 1) or not last:
        values["output"] = [line[:300] for line in output.rstrip().splitlines()[-12:]]
        return Finding("", "failed", f"{text}; pytest {ended(status)}", values)
    return Finding("", "failed" if status or failures else "ok", text, values)
