"""A plugin of pytest's that writes the outcome of each test as it happens, so that the outcomes of a run which is
stopped are known.

The environment variable TAPEGRAD_TEST_OUTCOMES names the file. Tests of the device under test come first.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "TAPEGRAD_TEST_OUTCOMES"
LONGEST = 300


def pytest_configure(config: Any) -> None:
    """Write where the variable says; of several processes only the one that hears of all tests."""
    if VARIABLE in os.environ and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(os.environ[VARIABLE]))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    """What asks for the device first."""
    items.sort(key=lambda item: "device" not in getattr(item, "fixturenames", ()))


class Outcomes:
    """Writes a line of JSON when a test begins and when it ends.

    Args:
        file: its name; it is open until pytest ends.
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file).open("a", encoding="utf-8")  # noqa: SIM115

    def _write(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be imported."""
        if report.failed:
            self._write(end=report.nodeid or "collection", outcome="failed", why=_why(report))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self._write(begin=nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A test's setup, call or teardown has ended."""
        if report.when == "call" or report.outcome != "passed":
            outcome = "xfailed" if hasattr(report, "wasxfail") and report.skipped else report.outcome
            self._write(
                end=report.nodeid,
                outcome=outcome,
                why="" if report.passed else _why(report),
                seconds=round(report.duration, 3),
            )

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """The run ends."""
        self._write(status=int(exitstatus))

    def pytest_unconfigure(self) -> None:
        """Close the file."""
        self._file.close()


def _why(report: Any) -> str:
    """The reason, in a line."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")[:LONGEST]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    errors = [line[1:] for line in text.splitlines() if line.startswith("E ")]  # of a file that cannot be imported
    text = "\n".join(errors) or text
    return " ".join(text.split())[:LONGEST]
