"""Names of Python types as PyTorch's errors have them."""

from __future__ import annotations

from typing import Any

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a `class` statement


def type_name(value: Any) -> str:
    """The name of a value's type: one that is written in C carries its module, and so does another library's Tensor."""
    cls = type(value)
    if cls.__name__ == "Tensor" and not cls.__module__.startswith("tapegrad."):
        return f"{cls.__module__}.Tensor"
    return (
        cls.__name__
        if cls.__flags__ & _HEAP_TYPE or cls.__module__ == "builtins"
        else f"{cls.__module__}.{cls.__name__}"
    )
