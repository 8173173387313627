"""Runs a section's items in another process, and watches it: what crashes or hangs costs that item, and the rest goes
on.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tapegrad.backends.registry import loaded
from tapegrad.benchmarks import threads
from tapegrad.benchmarks.gpu.report.finding import Finding, Skip
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.processes import ended, lines_of, start, stop
from tapegrad.benchmarks.gpu.report.section import Items, Section

#: exit status of a process whose device answers every call with the error of an earlier one: the items left need
#: another process
POISONED = 75
LOOK_EVERY = 0.05
START = 60.0  # seconds until a process has imported what it needs
TAIL = 12


def run(section: Section, device: str, seconds: float, environment: Mapping[str, str] | None = None) -> list[Finding]:
    """Run a section, in as many processes as it takes.

    Args:
        environment: variables for the processes, added to this one's.

    Returns:
        A finding for each item, whatever happened to it.
    """
    found: list[Finding] = []
    ends = time.monotonic() + seconds
    while True:
        names, new, again = _one_process(section, device, ends, [finding.name for finding in found], environment or {})
        found += new
        if not again:
            done = {finding.name for finding in found}
            return found + [Finding(name, "not run", "no time was left") for name in names if name not in done]


def _one_process(
    section: Section, device: str, ends: float, skip: list[str], environment: Mapping[str, str]
) -> tuple[list[str], list[Finding], bool]:
    """One process: the names of all items, the new findings, and whether another process is to run the rest."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file, said = Path(folder, "findings"), Path(folder, "output")
        file.touch()
        wanted = {
            "source": section.source,
            "device": device,
            "seconds": ends - time.monotonic(),
            "skip": skip,
            "file": str(file),
        }
        variables = {**os.environ, **dict.fromkeys(threads.VARIABLES, "1"), **environment}
        process = start([sys.executable, "-m", "tapegrad.benchmarks.gpu", json.dumps(wanted)], said, variables)
        try:
            since, seen = time.monotonic(), 0
            while process.poll() is None:
                time.sleep(LOOK_EVERY)
                now, size = time.monotonic(), file.stat().st_size
                if size != seen:
                    since, seen = now, size
                if now > ends or now - since > (section.item_seconds if seen else START):
                    break
            hung = process.poll() is None
        finally:
            stop(process)
        lines = [json.loads(line) for line in lines_of(file)]
        took = time.monotonic() - since
        names: list[str] = next((line["items"] for line in lines if "items" in line), [])
        findings = [Finding(**line["finding"]) for line in lines if "finding" in line]
        begun = [line["begin"] for line in lines if "begin" in line]
        current = begun[-1] if len(begun) > len(findings) else None
        text = said.read_text(encoding="utf-8", errors="replace")
    time_left = time.monotonic() < ends
    if hung:
        if current is None:
            return (
                names,
                [
                    *findings,
                    Finding(section.name, "hung", "before its first item" if not begun else "between two items"),
                ],
                False,
            )
        why = f"stopped after {took:.0f} s" + ("" if time_left else ", when the section's time was over")
        return names, [*findings, Finding(current, "hung", why, {"output": tail(text)}, took)], time_left
    if process.returncode == POISONED:
        return names, findings, time_left
    if process.returncode == 0:
        return names, findings, False
    if current is None:
        return (
            names,
            [
                *findings,
                Finding(section.name, "crashed", f"the process {ended(process.returncode)}", {"output": tail(text)}),
            ],
            False,
        )
    return (
        names,
        [
            *findings,
            Finding(current, "crashed", f"the process {ended(process.returncode)}", {"output": tail(text)}, took),
        ],
        time_left,
    )


def tail(text: str) -> list[str]:
    """The last lines of a process's output."""
    return [line[:300] for line in text.rstrip().splitlines()[-TAIL:]]


# ---- in the other process


def serve(source: Callable[[], Items], machine: Machine, skip: list[str], file: Path) -> int:
    """Run items, and write what becomes of each as it happens, a line of JSON each.

    Args:
        source: returns the items.
        skip: names of those that an earlier process ran.
        file: where the lines go.

    Returns:
        The exit status: 0, or `POISONED`.
    """
    with file.open("a", encoding="utf-8") as out:

        def write(**line: Any) -> None:
            out.write(json.dumps(line, default=str) + "\n")
            out.flush()

        items = source()
        write(items=list(items))
        for name, item in items.items():
            if name in skip:
                continue
            if machine.left <= 0:
                return 0
            write(begin=name)
            finding, poisoned = observe(name, item, machine)
            write(finding=asdict(finding))
            if poisoned:
                return POISONED
    return 0


def observe(name: str, item: Callable[[Machine], Finding], machine: Machine) -> tuple[Finding, bool]:
    """Run an item; whatever it raises is what was found. Also whether the device still works."""
    begun = time.monotonic()
    try:
        finding = item(machine)
    except Skip as why:
        finding = Finding(name, "skipped", str(why))
    except Exception as error:
        finding = Finding(name, "failed", one_line(error), {"traceback": _where(error)})
    finding.name, finding.seconds = name, round(time.monotonic() - begun, 3)
    poisoned = False
    # After an illegal access every call fails, and only a new process has a working device. What never asked for the
    # device has not broken it.
    if loaded(machine.device):
        try:
            machine.synchronize()
        except Exception as error:
            poisoned = True
            if finding.well:
                finding.status = "failed"
            finding.text = f"{finding.text}; afterwards the device fails: {one_line(error)}".removeprefix("; ")
    return finding, poisoned


def one_line(error: BaseException) -> str:
    """An error's type and text."""
    return f"{error.__class__.__name__}: {' '.join(str(error).split())}"[:300]


def _where(error: BaseException) -> list[str]:
    import traceback

    return [
        f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-4:]
    ]
