"""compute-sanitizer over the kernels: accesses outside their arrays, races, reads of what nobody wrote, barriers that
not all threads reach.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tapegrad.benchmarks.gpu.report.finding import Finding, Skip, failed, ok
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.processes import ended, run_for
from tapegrad.benchmarks.gpu.report.section import Items

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
FOUND = 99  # the exit status that it is asked to give for an error of the program
SECONDS = 40.0


def items() -> Items:
    """One for each of its tools."""
    return {tool: functools.partial(check, tool) for tool in TOOLS}


def check(tool: str, m: Machine) -> Finding:
    """Run all kernels under one of the tools."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        raise Skip("compute-sanitizer is not installed (it comes with the CUDA toolkit)")
    seconds = min(SECONDS, m.left - 5)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            program,
            "--tool",
            tool,
            "--error-exitcode",
            str(FOUND),
            sys.executable,
            "-m",
            "tapegrad.benchmarks.gpu.items.sanitized",
            m.device,
        ]
        done = run_for(seconds, command, Path(folder, "output"), dict(os.environ))
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    cases = re.search(r"^(\d+) cases", done.output, re.MULTILINE)
    summary = re.findall(r"=+ (?:ERROR SUMMARY|RACECHECK SUMMARY): (.*)", done.output)
    if refused := re.search(r"Device not supported|is not supported on this (?:device|platform)", done.output):
        raise Skip(f"compute-sanitizer cannot be used on this machine: {refused[0]}")
    if done.status is None:
        return Finding("", "hung", f"stopped after {done.seconds:.0f} s", {"output": lines[-12:]})
    if done.status == FOUND:
        return failed(f"{tool} found errors: {summary[-1] if summary else lines[-1]}", output=lines[:40])
    if done.status or cases is None or not summary:
        return failed(
            f"{tool}: the program {ended(done.status)}: {lines[-1][:200] if lines else 'it wrote nothing'}",
            output=lines[-12:],
        )
    return ok(f"{cases[1]} cases, {summary[-1]}", cases=int(cases[1]), summary=summary[-1])
