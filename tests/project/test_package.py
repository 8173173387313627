"""What is installed: every package folder and every data file, in wheel and sdist."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from repository import PROJECT, ROOT, installed_files

import tapegrad

SETUPTOOLS = PROJECT["tool"]["setuptools"]


def test_every_folder_is_a_package() -> None:
    """setup.py finds folders by their `__init__.py`."""
    missing = sorted(
        str(folder)
        for folder in {path.parent for path in installed_files().values()}
        if not (ROOT / folder / "__init__.py").is_file()
    )
    assert not missing, f"folders with files and without __init__.py: {missing}"


def test_every_data_file_is_package_data() -> None:
    data = {package.replace(".", "/"): patterns for package, patterns in SETUPTOOLS["package-data"].items()}
    forgotten = [
        str(path)
        for name, path in installed_files().items()
        if path.suffix != ".py"
        and not any(
            fnmatch.fnmatch(path.name, pattern) for pattern in data["*"] + data.get(name.rpartition("/")[0], [])
        )
    ]
    assert not forgotten, f"files that package-data does not name: {forgotten}"


def test_nothing_shadows_the_package() -> None:
    """A folder `tapegrad` in the root would be imported instead of the installed package by everything started
    there.
    """
    assert not (ROOT / "tapegrad").exists()


def test_version() -> None:
    assert tapegrad.__version__ == PROJECT["project"]["version"]


# ---- what is built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel and an sdist, built from a copy of the repository."""
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    hidden = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "out")
    shutil.copytree(ROOT, source, ignore=hidden)
    return build("wheel", source, folder), build("sdist", source, folder)


def build(what: str, source: Path, folder: Path) -> Path:
    code = f"from setuptools import build_meta; print(build_meta.build_{what}({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr
    return folder / done.stdout.strip().splitlines()[-1]


def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.mark.slow
def test_wheel_has_everything_and_nothing_else(built: tuple[Path, Path]) -> None:
    names = names_in_wheel(built[0])
    code = {name for name in names if ".dist-info/" not in name}
    assert code == set(installed_files()), {
        "missing": sorted(set(installed_files()) - code),
        "extra": sorted(code - set(installed_files())),
    }
    about = {name.partition(".dist-info/")[2] for name in names - code}
    assert {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"} <= about, about


@pytest.mark.slow
def test_sdist_builds_the_same_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, sdist = built
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert {"pyproject.toml", "README.md", "LICENSE"} <= {path.name for path in source.iterdir()}
    out = tmp_path / "again"
    out.mkdir()
    assert names_in_wheel(build("wheel", source, out)) == names_in_wheel(wheel)


@pytest.mark.slow
def test_wheel_works_from_the_repository_root(built: tuple[Path, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(tmp_path)
    code = (
        "import tapegrad; x = tapegrad.ones(2, requires_grad=True); (x * x).sum().backward(); "
        "print(tapegrad.__file__, x.grad.tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    where, _, value = done.stdout.strip().partition(" ")
    assert Path(where).is_relative_to(tmp_path) and value == "[2.0, 2.0]"
