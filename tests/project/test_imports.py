"""What imports what: layers point downward, and `import tapegrad` brings in NumPy and nothing else from outside."""
from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT

import tapegrad
from tapegrad.autograd.dispatch.decorator import OPS

#: layer -> the layers it may import
BELOW = {
    "backends": set(),
    "autograd": {"backends"},
    "nn": {"autograd", "backends"},
    "optim": {"autograd", "backends"},
    "api": {"autograd", "backends", "nn", "optim"},
    "benchmarks": {"api", "autograd", "backends", "nn", "optim"},
    "examples": {"api", "nn", "optim"},
}


def sources(layer: str) -> list[Path]:
    return sorted(path for path in (ROOT / layer).rglob("*.py") if "suite" not in path.relative_to(ROOT / layer).parts)


def imported(path: Path, layer: str) -> Iterator[tuple[int, str]]:
    """The layers of tapegrad that a file imports, inside functions too; names for type checkers alone are no imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    only_typing = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
                   for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if id(node) in only_typing:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "tapegrad":
                first = rest.partition(".")[0]
                yield node.lineno, first if first in BELOW else "api"


@pytest.mark.parametrize("layer", BELOW)
def test_imports_point_downward(layer: str) -> None:
    wrong = [f"{path.relative_to(ROOT)}:{line} imports {other}" for path in sources(layer) for line, other in imported(path, layer)
             if other != layer and other not in BELOW[layer]]
    assert not wrong, "\n".join(wrong)


def test_the_layers_are_there() -> None:
    """A layer that is renamed must not slip through the test above."""
    assert all(sources(layer) for layer in ("backends", "autograd", "api", "benchmarks"))
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py")) and path.name not in ("tests", "docs", "build")
               and not path.name.startswith(".")}
    assert folders <= set(BELOW), f"folders with Python files that are no layer: {sorted(folders - set(BELOW))}"


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_brings_in_numpy_only() -> None:
    code = """
import sys
before = set(sys.modules)
import numpy
import tapegrad
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(name for name in new if name not in sys.stdlib_module_names and not name.startswith("_")))
"""
    assert set(fresh(code).split()) == {"numpy", "tapegrad"}


def test_import_of_layers_starts_nothing() -> None:
    """Every module can be imported first, in a process of its own order: no layer needs another to have been imported before it."""
    for module in ("backends", "autograd.core.tensor", "autograd.dispatch.decorator", "autograd.ops.pointwise.arithmetic"):
        fresh(f"import importlib; importlib.import_module('tapegrad.{module}')")


def test_public_ops_are_reachable() -> None:
    """An op is a name of `tapegrad`, a method of Tensor, or both, and the name means the op."""
    unreachable = [name for name, function in OPS.items()
                   if getattr(tapegrad, name, None) is not function and not hasattr(tapegrad.Tensor, name) and not _below(function)]
    assert not unreachable, f"public ops that no name reaches: {unreachable}"


def _below(function: object) -> bool:
    """Whether a public module of tapegrad has the function under its own name."""
    modules = [getattr(tapegrad, name, None) for name in ("linalg", "fft", "special", "nn")]
    modules += [getattr(tapegrad.nn, "functional", None)] if hasattr(tapegrad, "nn") else []
    return any(getattr(module, getattr(function, "__name__", ""), None) is function for module in modules if module is not None)


def test_names_of_torch() -> None:
    """What PyTorch has at top level is at top level here."""
    torch = pytest.importorskip("torch")
    missing = [name for name in OPS if hasattr(torch, name) and not hasattr(tapegrad, name)]
    assert not missing, f"torch has these at top level: {missing}"
    methods = [name for name in OPS if callable(getattr(torch.Tensor, name, None)) and not name.startswith("_") and not hasattr(tapegrad.Tensor, name)]
    assert not methods, f"torch.Tensor has these: {methods}"
