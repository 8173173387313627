"""Names of Python types as PyTorch's errors have them."""
from __future__ import annotations

from typing import Any

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a `class` statement


def type_name(value: Any) -> str:
    """The name of a value's type: one that is written in C carries its module."""
    cls = type(value)
    return cls.__name__ if cls.__flags__ & _HEAP_TYPE or cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
