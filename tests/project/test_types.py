"""What type checkers know of the package: the stubs are in step with it, and a user's programs pass mypy and
pyright.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
import runpy
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from op_checks.case import function_of, mapped
from op_table import ROWS, AsIs, Row
from repository import ROOT, installed_files
from tools import make_stubs

import tapegrad
from tapegrad.autograd.types import dtypes

PROGRAM = Path(__file__).with_name("typed_program.py")

# ---- the stubs are in step


@pytest.mark.parametrize("path", make_stubs.STUBS)
def test_stubs_are_in_step(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == make_stubs.STUBS[path](), "run python tests/tools/make_stubs.py"


def declared(body: list[ast.stmt]) -> Iterator[str]:
    """The names that a stub declares or takes over."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from [alias.name for alias in node.names if alias.name == alias.asname]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            yield ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)


def stub(path: str) -> list[ast.stmt]:
    return ast.parse((ROOT / path).read_text(encoding="utf-8")).body


def test_every_public_name_has_a_type() -> None:
    public = {
        name for name, value in vars(tapegrad).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    lazy = set(dir(tapegrad)) - set(vars(tapegrad))
    assert public | lazy <= set(declared(stub("api/__init__.pyi"))), "names that the stub of tapegrad lacks"
    (methods,) = [
        node
        for node in stub("autograd/core/tensor_methods.pyi")
        if isinstance(node, ast.ClassDef) and node.name == "TensorMethods"
    ]
    (own,) = [
        node
        for node in ast.parse(inspect.getsource(inspect.getmodule(tapegrad.Tensor))).body  # type: ignore[arg-type]
        if isinstance(node, ast.ClassDef) and node.name == "Tensor"
    ]
    missing = {name for name in dir(tapegrad.Tensor) if not name.startswith("_")} - {
        *declared(methods.body),
        *declared(own.body),
    }
    assert not missing, f"names of Tensor without a type: {sorted(missing)}"


def test_nothing_passes_for_any_name() -> None:
    """`__getattr__` would let every misspelt name pass."""
    assert not [path for path in make_stubs.STUBS if "__getattr__" in (ROOT / path).read_text(encoding="utf-8")]
    assert "__getattr__" not in {
        name
        for node in stub("autograd/core/tensor.py")
        if isinstance(node, ast.ClassDef)
        for name in declared(node.body)
    }


@pytest.mark.parametrize(
    "namespace, places",
    [
        ("functions", [tapegrad, tapegrad.nn.functional]),
        ("methods", [tapegrad.Tensor]),
        ("func", [tapegrad.func]),
        ("autograd", [tapegrad.autograd]),
    ],
)
def test_signatures_by_hand_name_real_parameters(namespace: str, places: list[Any]) -> None:
    wrong = []
    for name, signatures in make_stubs.hand_written(namespace).items():
        own = make_stubs.parameters_of(next(getattr(place, name) for place in places if hasattr(place, name)))
        if any(p.kind is p.VAR_KEYWORD for p in own):
            continue
        for signature in signatures:
            texts = signature.parameters
            by_name = {
                text.partition(":")[0]
                for text in texts[texts.index("/") if "/" in texts else 0 :]
                if text[0] not in "*/"
            }
            wrong += [
                f"{name}: {unknown}"
                for unknown in by_name - {p.name for p in own if p.kind is not p.VAR_POSITIONAL} - {"self"}
            ]
    assert not wrong, f"parameters that a function does not have: {wrong}"


# ---- what is loaded on first use can be completed


@pytest.mark.parametrize(
    "package, names",
    [
        ("tapegrad", ["func", "profiler"]),
        ("tapegrad.autograd", ["forward_ad", "functional", "profiler"]),
        ("tapegrad.backends", ["cuda", "cudnn", "mps"]),
        ("tapegrad.utils", ["checkpoint", "explain", "graph", "kept", "notes"]),
        ("tapegrad.testing", ["allowed", "check_device", "counting", "refusing"]),
    ],
)
def test_dir_lists_lazy_names(package: str, names: list[str]) -> None:
    code = (
        f"import {package} as p; lazy = {names}; print([n for n in lazy if n not in dir(p)], [n for n in lazy if "
        "not hasattr(p, n)], hasattr(p, 'sinn'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["[]", "[]", "False"], done.stdout + done.stderr


# ---- programs of users


def test_the_typed_program_runs() -> None:
    runpy.run_path(str(PROGRAM), run_name="__main__")


#: each is an error, of a kind that a misspelling makes
TYPOS = """\
tapegrad.sinn(x)
tapegrad.float23
x.summ()
x.max(dim=0).vaules
x.sum(dimm=0)
x.reshape("3")
x + "1"
F.relu(x, inplce=True)
nn.Linear(3)
model.last_layer
model("x")
model(x, y=1)
nn.Lineer(3, 3)
optim.SGD(model.parameters(), learning_rate=0.1)
tapegrad.zeros(2, dtpye=tapegrad.float32)
tapegrad.zeros(2, device=1.5)
tapegrad.func.gradd(f)
tapegrad.func.grad(f)("x")
tapegrad.autograd.grad(x).sum()
tapegrad.cuda.is_avaliable()
tapegrad.utils.explan(x)
tapegrad.testing.assert_closed(x, x)
with tapegrad.nograd(): pass
"""
BEFORE_TYPOS = """\
import tapegrad
import tapegrad.func, tapegrad.testing, tapegrad.utils
import tapegrad.nn.functional as F
from tapegrad import Tensor, nn, optim

class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x)

def f(x: Tensor) -> Tensor:
    return x.sum()

x, model = tapegrad.ones(3), Model()
"""


def literal(value: Any) -> str:
    """The text of an argument of a row's sample."""
    if isinstance(value, AsIs):
        return "a" if isinstance(value.value, np.ndarray) else literal(value.value)
    if isinstance(value, np.ndarray):
        return "x"
    if isinstance(value, dtypes.dtype):
        return f"tapegrad.{value.name}"
    if isinstance(value, np.dtype):
        return f"tapegrad.{value.name}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({''.join(literal(item) + ', ' for item in value)})"
    if isinstance(value, float):
        return f'float("{value}")'
    return "tapegrad." + repr(value).partition(".")[2] if repr(value).startswith("torch.") else repr(value)


def calls(row: Row) -> Iterator[str]:
    """Lines that call a row's function, and the method of its name, with its samples, and say what comes back."""
    for sample in row.samples(np.random.default_rng(0), np.dtype("float32")):
        args, kwargs = mapped(sample, lambda path, array: tapegrad.tensor(array), dtypes.of)
        result = kind_of(function_of(row.name)(*args, **kwargs))
        texts = [literal(arg) for arg in sample.args] + [
            f"{name}={literal(value)}" for name, value in sample.kwargs.items()
        ]
        name = row.name if hasattr(tapegrad, row.name.partition(".")[0]) else f"nn.functional.{row.name}"
        yield f"r{next(NUMBER)}: {result} = tapegrad.{name}({', '.join(texts)})"
        methods = [row.name] * row.method + [f"{row.name}_"] * row.inplace
        for method in methods if texts[:1] == ["x"] else []:
            if callable(getattr(tapegrad.Tensor, method, None)):
                yield f"r{next(NUMBER)}: {result} = x.{method}({', '.join(texts[1:])})"


def kind_of(result: Any) -> str:
    """The type of a result, as an annotation."""
    if isinstance(result, tapegrad.Size):
        return "tapegrad.Size"
    return "tuple[Tensor, ...]" if isinstance(result, tuple) else type(result).__name__


NUMBER = itertools.count()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in whose site-packages the package lies as pip puts it there."""
    pytest.importorskip("mypy")
    pytest.importorskip("pyright")
    place = tmp_path_factory.mktemp("checked")
    venv.create(place, with_pip=False)
    (site,) = place.glob("lib/python*/site-packages") if sys.platform != "win32" else place.glob("Lib/site-packages")
    for name, path in installed_files().items():
        target = site / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target)
    (site / "others.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages")), encoding="utf-8"
    )
    return next(place.glob("bin/python")) if sys.platform != "win32" else place / "Scripts" / "python.exe"


def errors_of_mypy(python: Path, file: Path) -> dict[int, str]:
    """The first error of each line."""
    options = [
        "--strict",
        "--no-error-summary",
        f"--python-executable={python}",
        f"--cache-dir={python.parent / 'mypy'}",
    ]
    command = [sys.executable, "-m", "mypy", *options, file.name]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True)
    found = {int(m[1]): m[2] for m in re.finditer(rf"^{file.name}:(\d+): error: (.*)$", done.stdout, re.MULTILINE)}
    assert done.returncode in (0, 1) and bool(found) == bool(done.returncode), done.stdout + done.stderr
    return found


def errors_of_pyright(python: Path, file: Path) -> dict[int, str]:
    """The first error of each line."""
    command = [sys.executable, "-m", "pyright", "--outputjson", f"--pythonpath={python}", file.name]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    reports = json.loads(done.stdout)["generalDiagnostics"]
    return {
        report["range"]["start"]["line"] + 1: report["message"] for report in reports if report["severity"] == "error"
    }


CHECKERS = [errors_of_mypy, errors_of_pyright]
Checker = Callable[[Path, Path], dict[int, str]]


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_the_typed_program_passes(checker: Checker, python: Path, tmp_path: Path) -> None:
    shutil.copy(PROGRAM, tmp_path)
    assert not checker(python, tmp_path / PROGRAM.name)


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_typos_are_errors(checker: Checker, python: Path, tmp_path: Path) -> None:
    file = tmp_path / "typos.py"
    file.write_text(BEFORE_TYPOS + TYPOS, encoding="utf-8")
    found, first = checker(python, file), BEFORE_TYPOS.count("\n") + 1
    assert not [error for line, error in found.items() if line < first]
    passed = [line for number, line in enumerate(TYPOS.splitlines(), first) if number not in found]
    assert not passed, f"typos that pass: {passed}"


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_calls_of_the_op_table_pass(checker: Checker, python: Path, tmp_path: Path) -> None:
    """The stubs allow what the ops take, and promise what they return."""
    lines = [line for row in ROWS for line in calls(row)]
    file = tmp_path / "calls.py"
    before = "import numpy as np\nimport tapegrad\nfrom tapegrad import Tensor\nx, a = tapegrad.ones(1), np.ones(1)\n"
    file.write_text(before + "\n".join(lines) + "\n", encoding="utf-8")
    wrong = [f"{lines[number - 5]}: {error}" for number, error in checker(python, file).items()]
    assert not wrong, "\n".join(wrong)
