"""Which packages there are: every folder of a layer with an `__init__.py`. All else is in pyproject.toml."""

import tomllib
from pathlib import Path

from setuptools import setup

layers = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
setup(
    packages=[
        ".".join((layer, *init.parent.relative_to(folder).parts))
        for layer, folder in layers.items()
        for init in sorted(Path(folder).rglob("__init__.py"))
    ]
)
