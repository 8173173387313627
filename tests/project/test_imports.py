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
    """The layers of tapegrad that a file imports, inside functions too; names for type checkers alone are no
    imports.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    only_typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
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
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {other}"
        for path in sources(layer)
        for line, other in imported(path, layer)
        if other != layer and other not in BELOW[layer]
    ]
    assert not wrong, "\n".join(wrong)


#: the folders of autograd/ from the ground up: a file imports from its own folder and from those above it in this list
FLOORS = (
    "types",
    "core",
    "interchange",
    "modes",
    "saved",
    "dispatch",
    "ops/common",
    "ops/creation",
    "ops/pointwise",
    "ops/indexing",
    "ops/shape",
    "ops/gather",
    "ops/reduction",
    "ops/linalg",
    "ops/nn",
    "ops/random",
    "ops/tensor",
    "ops",
    "tape",
    "transforms",
    "functions",
    "profiler",
    "gradcheck",
    "",
)

#: imports of our own inside functions: (file, module) -> why it stands there. The list may shrink; an entry that is not
#: needed fails.
INSIDE = {
    (
        "autograd/gradcheck/check.py",
        "tapegrad.autograd.gradcheck",
    ): "loaded by those who check, with forward mode: 2 ms",
    (
        "autograd/dispatch/decorator.py",
        "tapegrad.autograd.dispatch",
    ): "an upcall: in-place writes are recorded with ops, which this file makes",
    (
        "autograd/functions/function.py",
        "tapegrad.autograd.functions.in_transforms",
    ): "an upcall: a Function's application under a transform is itself a Function",
    (
        "autograd/functions/custom_op.py",
        "tapegrad.autograd.functions.custom_op_in_transforms",
    ): "an upcall, as for Function",
    (
        "autograd/tape/backward.py",
        "tapegrad.autograd.transforms.vmap",
    ): "an upcall: is_grads_batched runs the pass under vmap",
    ("backends/__init__.py", "tapegrad.backends.cupy.backend"): "optional: CuPy",
    ("backends/__init__.py", "tapegrad.backends.strict.backend"): "loaded by those who use it: 4 ms",
    ("backends/kernels/launch.py", "tapegrad.backends.strict.array"): "loaded by those who use the strict device: 4 ms",
    (
        "backends/strict/backend.py",
        "tapegrad.backends.cupy.backend",
    ): "CuPy's own way of adding, tried without CuPy where it is asked for",
    ("benchmarks/cli.py", "tapegrad.benchmarks.gpu.report.command"): "loaded by one command only",
    ("optim/optimizer.py", "tapegrad.autograd.profiler.recorder"): "loaded by those who profile: 3 ms",
}


def modules() -> dict[str, Path]:
    """Every module of the library, by its dotted name."""
    found = {}
    for layer in BELOW:
        for path in sources(layer):
            parts = path.relative_to(ROOT / layer).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join(("tapegrad", *(() if layer == "api" else (layer,)), *parts))] = path
    return found


MODULES = modules()


def own_imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """The modules of ours that a file imports: the module, the line, and whether it stands inside a function. Type
    checkers' own are left out.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for s in node.body
        for inner in ast.walk(s)
    }
    inside = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tapegrad":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module or "", node.lineno, id(node) in inside
        elif isinstance(node, ast.Import):
            yield from (
                (alias.name, node.lineno, id(node) in inside)
                for alias in node.names
                if alias.name.partition(".")[0] == "tapegrad"
            )


def floor_of(module: str) -> int:
    """The floor on which a module of autograd stands."""
    folder = MODULES[module].parent.relative_to(ROOT / "autograd").as_posix()
    return FLOORS.index("" if folder == "." else folder)


def test_every_folder_is_a_floor() -> None:
    folders = {path.parent.relative_to(ROOT / "autograd").as_posix() for path in sources("autograd")}
    assert folders == {floor or "." for floor in FLOORS}


def test_imports_go_down_the_floors() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {other}, which stands higher"
        for name, path in MODULES.items()
        if name.startswith("tapegrad.autograd")
        for other, line, inside in own_imports(path)
        if not inside and other.startswith("tapegrad.autograd.") and floor_of(other) > floor_of(name)
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_inside_functions_have_a_reason() -> None:
    layers = [
        path
        for name, path in MODULES.items()
        if not path.is_relative_to(ROOT / "examples") and path.name != "__main__.py"
    ]
    found = {
        (
            path.relative_to(ROOT).as_posix(),
            other if (path.relative_to(ROOT).as_posix(), other) in INSIDE else other.rpartition(".")[0],
        ): line
        for path in layers
        for other, line, inside in own_imports(path)
        if inside
    }
    assert not found.keys() - INSIDE.keys(), {key: found[key] for key in found.keys() - INSIDE.keys()}
    assert not INSIDE.keys() - found.keys(), "no longer needed"


def test_no_circle_leaves_a_folder() -> None:
    """Of files that import each other at their top, directly or not, all stand in one folder."""
    arrows = {
        name: {
            other
            for other, _, inside in own_imports(path)
            if not inside and other in MODULES and MODULES[other].name != "__init__.py"
        }
        for name, path in MODULES.items()
    }

    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        stack = [name]
        while stack:
            for other in arrows[stack.pop()] - seen:
                seen.add(other)
                stack.append(other)
        return seen

    below = {name: reached(name) for name in arrows}
    circles = {
        frozenset(other for other in below[name] if name in below[other]) for name in arrows if name in below[name]
    }
    wrong = [sorted(circle) for circle in circles if len({MODULES[name].parent for name in circle}) > 1]
    assert not wrong, wrong


def test_the_layers_are_there() -> None:
    """A layer that is renamed must not slip through the test above."""
    assert all(sources(layer) for layer in ("backends", "autograd", "api", "benchmarks"))
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir()
        and any(path.rglob("*.py"))
        and path.name not in ("tests", "docs", "build")
        and not path.name.startswith(".")
    }
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
    """Every module can be imported first, in a process of its own order: no layer needs another to have been imported
    before it.
    """
    for module in (
        "backends",
        "autograd.core.tensor",
        "autograd.dispatch.decorator",
        "autograd.ops.pointwise.arithmetic",
    ):
        fresh(f"import importlib; importlib.import_module('tapegrad.{module}')")


def test_public_ops_are_reachable() -> None:
    """An op is a name of `tapegrad`, a method of Tensor, or both, and the name means the op."""
    unreachable = [
        name
        for name, function in OPS.items()
        if getattr(tapegrad, name, None) is not function and not hasattr(tapegrad.Tensor, name) and not _below(function)
    ]
    assert not unreachable, f"public ops that no name reaches: {unreachable}"


def _below(function: object) -> bool:
    """Whether a public module of tapegrad has the function under its own name."""
    modules = [getattr(tapegrad, name, None) for name in ("linalg", "fft", "special", "nn")]
    modules += [getattr(tapegrad.nn, "functional", None)] if hasattr(tapegrad, "nn") else []
    return any(
        getattr(module, getattr(function, "__name__", ""), None) is function for module in modules if module is not None
    )


def test_names_of_torch() -> None:
    """What PyTorch has at top level is at top level here."""
    torch = pytest.importorskip("torch")
    missing = [name for name in OPS if hasattr(torch, name) and not hasattr(tapegrad, name)]
    assert not missing, f"torch has these at top level: {missing}"
    methods = [
        name
        for name in OPS
        if callable(getattr(torch.Tensor, name, None))
        and not name.startswith("_")
        and not hasattr(tapegrad.Tensor, name)
    ]
    assert not methods, f"torch.Tensor has these: {methods}"


@pytest.mark.parametrize(
    "name", ["anomaly_mode", "forward_ad", "function", "functional", "grad_mode", "graph", "profiler", "variable"]
)
def test_modules_of_torch_autograd_are_there(name: str) -> None:
    """Programs write `torch.autograd.function.once_differentiable` without an import of their own."""
    assert fresh(f"import tapegrad; print(tapegrad.autograd.{name}.__name__)").strip() == f"tapegrad.autograd.{name}"
