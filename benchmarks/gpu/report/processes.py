"""Processes that are started, watched and ended with all that they started themselves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POSIX = os.name == "posix"
GRACE = 3.0  # seconds between the request to end and the end


def start(
    command: Sequence[str], output: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a group of its own, its output and errors in a file."""
    with output.open("wb") as out:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=POSIX,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process of `start` that still runs, and all of its group."""
    if process.poll() is not None:
        return
    process.terminate()  # asks: it may have started groups of their own
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    if POSIX:
        # nobody is left; macOS: only those who have ended
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int | None  # its exit status; None if it was stopped
    output: str  # what it wrote
    seconds: float  # how long it ran


def run_for(
    seconds: float,
    command: Sequence[str],
    output: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Done:
    """Run a command for so long at most.

    Args:
        seconds: after these it is stopped.
        environment: its variables; this process's by default.
    """
    begun = time.monotonic()
    process = start(command, output, environment, folder)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(seconds, 0.0))
        status = process.poll()
    finally:
        stop(process)
    return Done(status, output.read_text(encoding="utf-8", errors="replace"), time.monotonic() - begun)


def ended(status: int) -> str:
    """How a process ended, in words.

    Example:
        >>> from tapegrad.benchmarks.gpu.report.processes import ended
        >>> ended(1)
        'ended with status 1'
    """
    if status < 0:
        try:
            return f"was killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"was killed by signal {-status}"
    return f"ended with status {status}"


def lines_of(file: Path) -> list[str]:
    """The whole lines of a file that another process may be writing."""
    text = file.read_text(encoding="utf-8", errors="replace")
    return [line for line in text[: text.rfind("\n") + 1].splitlines() if line]


def end_on_request() -> None:
    """Have a request to end raise `SystemExit`, so that what this process started is ended by its `finally` clauses."""
    if POSIX:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
