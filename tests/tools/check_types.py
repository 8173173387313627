"""`mypy -p tapegrad` over the working tree: mypy does not follow an editable install, so the layers are laid out by
links as they are installed.

    python tests/tools/check_types.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lay_out(folder: Path) -> None:
    """Make `folder`/tapegrad, with a link to each file of `api/` and to each layer."""
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
    package = folder / "tapegrad"
    package.mkdir()
    for entry in (ROOT / layers.pop("tapegrad")).iterdir():
        (package / entry.name).symlink_to(entry)
    for name, place in layers.items():
        (package / name.removeprefix("tapegrad.")).symlink_to(ROOT / place)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder))
        command = [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(ROOT / ".mypy_cache"),
            "-p",
            "tapegrad",
        ]
        sys.exit(subprocess.run(command, cwd=folder, env={**os.environ, "MYPYPATH": folder}).returncode)
