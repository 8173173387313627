"""Rules of the house that a machine can see."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT, rules

from tapegrad.autograd.dispatch.decorator import OPS

LAYERS = ("api", "autograd", "backends", "benchmarks", "examples", "nn", "optim", "tests")


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", sorted(OPS))
def test_public_ops_are_documented(name: str) -> None:
    text = OPS[name].__doc__ or ""
    assert text.strip(), f"{name} has no docstring"
    assert ">>> " in text, f"the docstring of {name} has no example"


def test_rules_are_made_of_ops() -> None:
    """A rule runs on arrays and on tensors alike, so it names neither an array library nor what only arrays have."""
    found = list(rules())
    assert len(found) > 10
    wrong = [
        f"{op}, rule of {operand}: {sorted(names)}"
        for op, operand, rule in found
        if (names := set(rule.__code__.co_names) & {"np", "numpy", "xp", "cupy", "astype", "backend"})
    ]
    assert not wrong, "\n".join(wrong)


def test_errors_are_not_swallowed() -> None:
    """`except:` and `except Exception` that do not raise again hide errors; the library has none."""
    wrong = []
    for path in sources("api", "autograd", "backends", "nn", "optim"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
                )
                if broad and not any(
                    isinstance(inner, ast.Raise) or _hands_on(inner, node.name) for inner in ast.walk(node)
                ):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, wrong


def _hands_on(node: ast.AST, name: str | None) -> bool:
    """Whether the error caught is used by name: kept for another thread, thrown into a generator."""
    return name is not None and isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)


def test_no_paths_of_a_machine() -> None:
    local = re.compile(r"(?<![\w.])/(home|root|Users|work|farm)/\w")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in [*sources(*LAYERS), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        if path.name != "test_style.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if local.search(line)
    ]
    assert not wrong, wrong


def test_files_are_short() -> None:
    """One idea fits into eight hundred lines of 120 columns."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in sources(*LAYERS)
        if (count := path.read_text(encoding="utf-8").count("\n")) > 800
    }
    assert not long, long


def test_names_say_what_they_hold() -> None:
    """Words that name nothing are no identifiers; the words of the code are in docs/words.md."""
    vague = {"told", "hear", "beside", "somebody", "_told", "_beside"}
    wrong = [
        f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}"
        for path in sources(*LAYERS)
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.NAME and token.string in vague and "tests" not in path.parts
    ]
    assert not wrong, wrong
