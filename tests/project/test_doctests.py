"""The examples in docstrings, in README and in docs run, and print what they say."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import inspect
import io
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from repository import LAYERS, ROOT, blocks, documents, module_names

import tapegrad


def test_modules_are_found() -> None:
    """One for each file of the layers: none is left out because of how the package is installed."""
    files = [
        path
        for layer in ("api", *LAYERS)
        for path in (ROOT / layer).rglob("*.py")
        if path.name != "__main__.py" and "suite" not in path.parts
    ]
    assert len(set(module_names())) == len(files)


@pytest.mark.parametrize("name", list(module_names()))
def test_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL, verbose=False
    )
    report = io.StringIO()
    for test in examples(module):
        runner.run(test, out=report.write)
    assert not runner.failures, report.getvalue()


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """The module's docstrings with examples, ops included, which are functions of their own namespaces; all have
    `tapegrad` and `np` imported.
    """
    finder = doctest.DocTestFinder(exclude_empty=True)
    given = {"tapegrad": tapegrad, "np": np}
    found = {test.name: test for test in finder.find(module, module.__name__, extraglobs=given) if test.examples}
    for key, value in vars(module).items():
        if (
            inspect.isfunction(value)
            and value.__module__ == module.__name__
            and f"{module.__name__}.{key}" not in found
        ):
            tests = finder.find(value, f"{module.__name__}.{key}", module=False, globs={**vars(module), **given})
            found.update((test.name, test) for test in tests if test.examples)
    return list(found.values())


def test_an_op_of_every_kind_is_tested() -> None:
    """The finder sees ops, whose functions have namespaces of their own."""
    names = {test.name for test in examples(importlib.import_module("tapegrad.autograd.ops.pointwise.arithmetic"))}
    assert "tapegrad.autograd.ops.pointwise.arithmetic.mul" in names


# ---- README and docs


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_document(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a document run in order, in one namespace; a comment behind a `print` begins with what is
    printed.
    """
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line, block in blocks(path.read_text(encoding="utf-8")):
        if block.lstrip().startswith(">>>"):
            run_session(block, namespace, f"{path.name}:{line}", line)
        else:
            run_block(block, namespace, f"{path.name}:{line}")


def run_session(block: str, namespace: dict[str, object], name: str, line: int) -> None:
    test = doctest.DocTestParser().get_doctest(block, namespace, name, name, line)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    report = io.StringIO()
    runner.run(test, out=report.write, clear_globs=False)
    namespace.update(test.globs)
    assert not runner.failures, report.getvalue()


def run_block(block: str, namespace: dict[str, object], name: str) -> None:
    lines = block.split("\n")
    for statement in ast.parse(block).body:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.Module([statement], []), name, "exec"), namespace)
        last = lines[(statement.end_lineno or 1) - 1]
        promised = re.search(r"\)\s+# (.*)$", last) if last.lstrip().startswith("print(") else None
        if promised:
            said, prints = (" ".join(text.split()) for text in (promised[1], printed.getvalue()))
            assert prints and said.startswith(prints), f"{name}: {last.strip()}\nprints {prints}"


def test_blocks_are_checked() -> None:
    """A block that prints something else than it promises fails."""
    run_block("x = 2\nprint(x)  # 2: the value of x\n", {}, "here")
    with pytest.raises(AssertionError):
        run_block("print(3)  # 2\n", {}, "here")
