"""`tapegrad.backends.cudnn`: what programs for PyTorch set at their start, as far as it means something here.

There is no cuDNN: convolutions are products of matrices, which cuBLAS computes, and are deterministic. So `benchmark`
has nothing to choose from, `deterministic` nothing to switch, and `enabled` is False; they can be set, to booleans.
`allow_tf32` does what it says.
"""

from __future__ import annotations

import sys
from types import ModuleType

from tapegrad.backends import precision

__all__ = ["is_available", "version"]


def is_available() -> bool:
    """Whether cuDNN is used: no.

    Example:
        >>> tapegrad.backends.cudnn.is_available()
        False
    """
    return False


def version() -> None:
    """The version of cuDNN: there is none.

    Example:
        >>> tapegrad.backends.cudnn.version()
    """


class _Cudnn(ModuleType):
    """The module, whose switches are properties."""

    _hints = {"benchmark": False, "deterministic": False, "enabled": False}

    @property
    def allow_tf32(self) -> bool:
        """Whether convolutions of float32 may use TF32; False unless it is set, where PyTorch's is True."""
        return precision.convolutions_allow_tf32

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError(f"set_allow_tf32_cublas expects a bool, but got {type(value).__name__}")
        precision.convolutions_allow_tf32 = value

    def __getattr__(self, name: str) -> bool:
        if name in self._hints:
            return self._hints[name]
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")

    def __setattr__(self, name: str, value: object) -> None:
        if name in self._hints:
            if not isinstance(value, bool):
                raise RuntimeError(f"set_{name}_cudnn expects a bool, but got {type(value).__name__}")
            self._hints[name] = value
        else:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Cudnn
