"""Writes backends/strict/strict_names.json: what the installed CuPy offers, which is all that the strict device offers.

Needs CuPy but no GPU::

    python tests/tools/cupy_names.py
"""

from __future__ import annotations

import inspect
import json
import re
import types
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "backends" / "strict" / "strict_names.json"
NAMESPACES = ("", "linalg", "fft", "lib.stride_tricks")


def names() -> dict[str, Any]:
    """Everything public in CuPy's namespaces that the strict device covers, and in `cupy.ndarray`."""
    import cupy
    import numpy

    return {
        "cupy": cupy.__version__,
        "namespaces": {path: _namespace(cupy, _get(cupy, path), _get(numpy, path)) for path in NAMESPACES},
        "loops": _loops(),
        "ndarray": {
            name: _member(cupy.ndarray, name) for name in sorted(dir(cupy.ndarray)) if not name.startswith("_")
        },
    }


def _loops() -> dict[str, str]:
    """Loops of ufuncs and reductions that stand behind a plain function or a method of that name."""
    from cupy._core import _routines_logic, _routines_math, _routines_statistics, core
    from cupy._sorting import search

    behind = {
        "all": _routines_logic.all,
        "amax": _routines_statistics.amax,
        "amin": _routines_statistics.amin,
        "any": _routines_logic.any,
        "clip": _routines_math.clip,
        "max": _routines_statistics.amax,
        "min": _routines_statistics.amin,
        "prod": _routines_math.prod_auto_dtype,
        "round": core._round_ufunc,
        "sum": _routines_math.sum_auto_dtype,
        "where": search._where_ufunc,
    }
    return {
        name: " ".join(f"{_letters(op.in_types)}->{_letters(op.out_types)}" for op in function._ops.ops)
        for name, function in behind.items()
    }


def _letters(dtypes: Any) -> str:
    return "".join(dtype.char for dtype in dtypes)


def _get(module: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        module = getattr(module, name)
    return module


def _namespace(cupy: Any, module: Any, numpy: Any) -> dict[str, str]:
    """Name -> ``ufunc`` and its loops, ``def`` and its parameters (``?`` where it does not tell them), or one word for
    what else it is.
    """
    found: dict[str, str] = {}
    for name in sorted(dir(module)):
        value = getattr(module, name)
        if name.startswith("_"):
            continue
        if isinstance(value, types.ModuleType):
            found[name] = "module"
        elif getattr(numpy, name, module) is value:
            found[name] = "numpy's"
        elif isinstance(value, cupy.ufunc):
            found[name] = "ufunc " + " ".join(value.types)
        elif isinstance(value, type):
            found[name] = "class"
        elif callable(value):
            found[name] = "def " + _parameters(value)
        else:
            found[name] = "value"
    return found


def _member(cls: type, name: str) -> str:
    value = inspect.getattr_static(cls, name)
    return "def " + _parameters(value) if callable(value) else "attribute"


def _parameters(function: Any) -> str:
    """Parameter names as in a `def`, without defaults."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # Cython's methods tell theirs in the docstring
        first = (function.__doc__ or "").partition("\n")[0]
        inside = re.match(r"\w+\.\w+\((.*?)\)(?: ->.*)?$", first)
        if not inside:
            return "?"
        words = [word.partition("=")[0].split()[-1] for word in re.sub(r"\([^)]*\)", "", inside[1]).split(", ")]
        return ", ".join(words)
    out, marked = [], False
    for parameter in signature.parameters.values():
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        if star == "*":
            marked = True
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            out.append("*")
            marked = True
        out.append(star + parameter.name)
    return ", ".join(out)


if __name__ == "__main__":
    PATH.write_text(json.dumps(names(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(PATH)
