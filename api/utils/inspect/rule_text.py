"""The source text of a rule: of one lambda among several in an op's decorator, or of a function."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any

#: helpers of so many lines tell more than their name does
_LONG = 12


def rule_text(rule: Callable[..., Any]) -> str:
    """The text of `rule`, and nothing of what stands around it; its signature where there is no source."""
    code = getattr(rule, "__code__", None)
    if code is None:
        return repr(rule)
    try:
        return (
            _lambda_text(rule, code)
            if code.co_name == "<lambda>"
            else _without_docstring(textwrap.dedent(inspect.getsource(rule)).rstrip())
        )
    except OSError:
        return f"{code.co_name}{inspect.signature(rule)}: its source is not at hand"


def _without_docstring(text: str) -> str:
    """The text of a function without its docstring, which tells of more than the rule."""
    function = ast.parse(text).body[0]
    if (
        not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        or ast.get_docstring(function) is None
        or len(function.body) == 1
    ):
        return text
    lines = text.split("\n")
    first = function.body[0]
    del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)


def _lambda_text(rule: Callable[..., Any], code: CodeType) -> str:
    inspect.getsourcelines(rule)  # fills the line cache, or raises OSError
    text = "".join(linecache.getlines(code.co_filename))
    candidates = [found for found in _lambdas(text) if found.lineno == code.co_firstlineno]
    if not candidates:
        raise OSError("the source has changed")
    # Of several lambdas that begin on one line, the byte code tells where the body stands; columns are left out of it
    # under -X no_debug_ranges.
    places = set(code.co_positions())
    names = code.co_varnames[: code.co_argcount]
    exact = [
        found
        for found in candidates
        if (found.body.lineno, found.body.end_lineno, found.body.col_offset, found.body.end_col_offset) in places
    ]
    alike = [found for found in candidates if tuple(a.arg for a in found.args.args) == names]
    found = (exact or alike or candidates)[0]
    segment = ast.get_source_segment(text, found)
    assert segment is not None
    return " ".join(segment.replace("\\\n", " ").split()) + _helper_text(rule, found.body)


def _helper_text(rule: Callable[..., Any], body: ast.expr) -> str:
    """Where all that a rule does is to call a private function, which is no op: its text."""
    if not (isinstance(body, ast.Call) and isinstance(body.func, ast.Name) and body.func.id.startswith("_")):
        return ""
    helper = rule.__globals__.get(body.func.id)
    if not inspect.isfunction(helper) or hasattr(helper, "op"):
        return ""
    text = rule_text(helper)
    return "\n" + text if text.count("\n") < _LONG else ""


@lru_cache(16)
def _lambdas(text: str) -> list[ast.Lambda]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:  # a notebook's cell with commands that are no Python
        raise OSError("no Python source") from error
    return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
