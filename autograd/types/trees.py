"""Nested arguments and results: lists, tuples, named tuples and dicts, with anything else as leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves, in order."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from leaves(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from leaves(value)
    else:
        yield tree


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with `function` of each leaf in the leaf's place."""
    if isinstance(tree, dict):
        return type(tree)((key, mapped(function, value)) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(mapped(function, value) for value in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(mapped(function, value) for value in tree)
    return function(tree)


def spread(prefix: Any, tree: Any) -> list[Any] | None:
    """For each leaf of `tree` the leaf of `prefix` at or above its place; None where `prefix` is nested otherwise."""
    if not isinstance(prefix, (dict, list, tuple)):
        return [prefix] * sum(1 for _ in leaves(tree))
    if (
        type(prefix) is not type(tree)
        or len(prefix) != len(tree)
        or (isinstance(prefix, dict) and set(prefix) != set(tree))
    ):
        return None
    pairs = [(prefix[key], tree[key]) for key in tree] if isinstance(prefix, dict) else zip(prefix, tree)
    found: list[Any] = []
    for p, t in pairs:
        part = spread(p, t)
        if part is None:
            return None
        found += part
    return found


def spec(tree: Any, indent: int = 0) -> str:
    """The nesting of a tree in the words of torch's tree library."""
    if not isinstance(tree, (dict, list, tuple)):
        return "*"
    if isinstance(tree, dict):
        context: Any = list(tree)
    else:
        context = type(tree) if hasattr(tree, "_fields") else None
    kind = "namedtuple" if hasattr(tree, "_fields") else type(tree).__name__
    inner = [spec(value, indent + 2) for value in (tree.values() if isinstance(tree, dict) else tree)]
    return f"TreeSpec({kind}, {context}, [{(',' + chr(10) + ' ' * (indent + 2)).join(inner)}])"


def structure(tree: Any) -> str:
    """The nesting of a tree, as errors show it."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"'{key}': {structure(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return f"[{', '.join(map(structure, tree))}]"
    if isinstance(tree, tuple):
        return f"({', '.join(map(structure, tree))}{',' if len(tree) == 1 else ''})"
    return "*"
