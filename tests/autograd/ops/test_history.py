"""What an op does must not depend on what its process has done before: each row of the op table in a process of its
own.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import traceback

import numpy as np
import pytest
from op_checks import halves
from op_table import ROWS, Row
from repository import ROOT

posix = pytest.mark.skipif(os.name != "posix", reason="needs fork")


def check_row(row: Row) -> str:
    """Run checks of `row` in random order, in this process; returns what failed."""
    from test_ops import failures, half_samples

    def ordinary(device: str) -> list[str]:
        return list(failures(row, device)) if device == "cpu" or row.strict else []

    def half() -> list[str]:
        for case in half_samples(row)[:1]:
            for name in random.sample(halves.HALVES, 2):
                halves.check_halves(case, name)
        return []

    checks = [lambda: ordinary("cpu"), lambda: ordinary("strict"), half]
    np.seterr(all="ignore")
    random.shuffle(checks)
    try:
        return "\n".join(line for check in checks for line in check())
    except Exception:
        return traceback.format_exc()


def check_rows(names: list[str]) -> None:
    """Check each row in a process of its own, which has done nothing but import; print what failed."""
    import test_ops  # noqa: F401  (here, once, and not in each process)

    for row in ROWS:
        if names and row.name not in names:
            continue
        child = os.fork()
        if not child:
            failed = check_row(row)
            if failed:
                print(f"{row.name}, alone in a process: {failed}", flush=True)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status:
            print(f"{row.name}, alone in a process: status {status}", flush=True)


def rows_alone(*names: str) -> str:
    folders = os.pathsep.join([str(ROOT / "tests"), os.path.dirname(__file__)])
    done = subprocess.run(
        [sys.executable, __file__, *names], env={**os.environ, "PYTHONPATH": folders}, capture_output=True, text=True
    )
    return done.stdout + done.stderr


@posix
def test_some_rows_alone() -> None:
    assert not rows_alone("atan", "mul", "where", "linear", "sum")


@posix
@pytest.mark.slow
def test_every_row_alone() -> None:
    assert not rows_alone()


if __name__ == "__main__":
    check_rows(sys.argv[1:])
