"""Whose code it is: the user's, tapegrad's or Python's own."""

from __future__ import annotations

import os
import sys
import sysconfig
from types import CodeType
from typing import Any

_PYTHON = tuple(
    os.path.join(os.path.normcase(path), "")
    for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
)
_INSTALLED = tuple(os.path.join(part, "") for part in ("site-packages", "dist-packages"))


def is_users(code: CodeType, namespace: dict[str, Any]) -> bool:
    """Whether code, run with these globals, is neither tapegrad's nor of the standard library. What a prompt or a
    doctest runs is the user's.
    """
    file = code.co_filename
    if file.startswith("<"):
        return not file.startswith(("<tapegrad op", "<frozen"))
    if namespace.get("__name__", "").partition(".")[0] == "tapegrad":
        return False
    file = os.path.normcase(file)
    return not file.startswith(_PYTHON) or any(part in file for part in _INSTALLED)


def is_users_class(cls: type) -> bool:
    """Whether a class was defined by neither tapegrad, nor the standard library, nor an installed package."""
    top = cls.__module__.partition(".")[0]
    if top == "__main__":
        return True
    file = os.path.normcase(getattr(sys.modules.get(cls.__module__), "__file__", None) or "")
    return top not in sys.stdlib_module_names and top != "tapegrad" and not any(part in file for part in _INSTALLED)
