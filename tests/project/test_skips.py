"""In CI a test may be skipped for want of a GPU only; elsewhere skips are told at the end."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from repository import ROOT


@pytest.mark.parametrize("reason, ci, status", [
    ("needs a GPU: there is none", "true", 0), ("could not import 'torch'", "true", 1), ("too tired", "true", 1), ("too tired", "", 0),
    ("could not import 'torch'", "", 0)])
@pytest.mark.parametrize("where", ["test", "module"])
def test_skips(tmp_path, reason, ci, status, where):
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    skip = {"test": f"def test_one():\n    pytest.skip({reason!r})\n", "module": f"pytest.skip({reason!r}, allow_module_level=True)\n"}[where]
    (tmp_path / "test_it.py").write_text(f"import pytest\n\n{skip}", encoding="utf-8")
    (tmp_path / "test_other.py").write_text("def test_two():\n    pass\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    cuda: needs a CUDA device\n    slow: runs only with --full\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    assert "what was skipped" in done.stdout and reason in done.stdout
    assert ("not allowed in CI" in done.stdout) == bool(status)
