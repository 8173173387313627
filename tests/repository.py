"""Where the repository and the installed package are, and what is in them."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tapegrad.autograd.dispatch.decorator import Op
from tapegrad.autograd.dispatch.plan import Each

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: the layers below `tapegrad`; `api` is `tapegrad` itself
LAYERS = ("autograd", "backends", "benchmarks", "nn", "optim")


def module_names() -> Iterator[str]:
    """All modules of the package, installed or in a development tree, where each layer has a place of its own."""
    for layer in ("tapegrad", *(f"tapegrad.{name}" for name in LAYERS)):
        folder = Path(importlib.import_module(layer).__file__ or "").parent
        for path in sorted(folder.rglob("*.py")):
            parts = (*layer.split("."), *path.relative_to(folder).with_suffix("").parts)
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if not {"__main__", "suite"} & set(parts) and not (layer == "tapegrad" and parts[1] in LAYERS):
                yield name


#: folders of the layers that are for the repository alone
NOT_INSTALLED = ("benchmarks/suite", "benchmarks/results")
SUFFIXES = {".py", ".pyi", ".cu", ".cuh", ".h", ".json", ".typed"}


def installed_files() -> dict[str, Path]:
    """Every file of the layers that belongs into an installation: name in the wheel -> path in the repository."""
    found = {}
    for package, place in PROJECT["tool"]["setuptools"]["package-dir"].items():
        for path in sorted((ROOT / place).rglob("*")):
            inside = path.relative_to(ROOT)
            if (
                path.suffix not in SUFFIXES
                or "__pycache__" in inside.parts
                or inside.as_posix().startswith(NOT_INSTALLED)
            ):
                continue
            found["/".join([*package.split("."), *path.relative_to(ROOT / place).parts])] = inside
    return found


def documents() -> list[Path]:
    return [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))] if path.exists()]


def blocks(text: str) -> list[tuple[int, str]]:
    """The fenced blocks of Python in a document, with the lines on which they start."""
    return [
        (text.count("\n", 0, match.start()) + 2, match[1])
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def rules() -> Iterator[tuple[str, str, object]]:
    """Every rule of every op, public or not: op, operand, function."""
    for module in [
        importlib.import_module(name)
        for name in module_names()
        if name.startswith(("tapegrad.autograd", "tapegrad.nn"))
    ]:
        for value in vars(module).values():
            told = getattr(value, "op", None)
            if isinstance(told, Op) and value.__module__ == module.__name__:
                for operand, rule in [*told.rules.items(), ("all operands", told.joint)]:
                    if rule is not None:
                        yield told.name, operand, rule.rule if isinstance(rule, Each) else rule
