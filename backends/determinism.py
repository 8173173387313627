"""`use_deterministic_algorithms`: the same numbers in every run, also of sums and writes at repeated indices."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


class Setting:
    """The mode of the process.

    Attributes:
        on: the numbers must be the same.
        warn_only: where they cannot be, a warning is enough.
    """

    on = False
    warn_only = False


setting = Setting()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Make every operation give the same numbers in every run, or raise.

    On CUDA the threads of a kernel come in no order. Floating-point sums at repeated indices (gradients of indexing,
    `gather` and `embedding`; `scatter_add`, `index_add` ...) are then taken in the order of the values: slower, and by
    a sort, for which the host may wait. Writes where a repeated index would leave the value to chance raise. On the CPU
    all numbers are the same always.

    Args:
        warn_only: warn instead of raising.

    Raises:
        TypeError: `mode` is no bool.

    Example:
        >>> tapegrad.use_deterministic_algorithms(True)
        >>> tapegrad.are_deterministic_algorithms_enabled()
        True
        >>> tapegrad.use_deterministic_algorithms(False)
    """
    if not isinstance(mode, bool):
        raise TypeError(
            f"_set_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}"
        )
    setting.on, setting.warn_only = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms` is on."""
    return setting.on


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it is on and only warns."""
    return setting.on and setting.warn_only


def alert(name: str, array: Any) -> None:
    """Raise, or warn, if the numbers must be the same and the operation `name` on `array`'s device is not
    deterministic.
    """
    if not setting.on or array.__class__ is np.ndarray:
        return
    text = (
        f"{name} does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True)'. You can turn off determinism just "
        "for this operation, or you can use the 'warn_only=True' option, if that's acceptable for your application."
    )
    if not setting.warn_only:
        raise RuntimeError(text)
    warnings.warn(text, stacklevel=2)


def alert_write(array: Any, index: Any, value: Any) -> None:
    """`alert` for ``array[index] = value``, unless no index can repeat with another value: there is one value, or the
    index has a mask.
    """
    if (
        setting.on
        and value.size > 1
        and not any(
            hasattr(i, "dtype") and i.dtype.kind == "b" for i in (index if index.__class__ is tuple else (index,))
        )
    ):
        alert("index_put_ with accumulate=False", array)
