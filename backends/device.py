"""`Device`: where a tensor's array lives, a value object such as ``Device("cuda", 1)``."""

from __future__ import annotations

import threading
from typing import Any

from tapegrad.backends.threads import handed_on

TYPES = ["cpu", "cuda", "strict"]


class _Entered(threading.local):
    """The devices whose ``with`` blocks this thread is in, the innermost last."""

    stack: tuple[Device, ...] = ()


_entered = handed_on(_Entered())


def entered() -> Device | None:
    """The device whose ``with`` block this thread is in; None outside."""
    stack = _entered.stack
    return stack[-1] if stack else None


class Device:
    """A device's type and, where it has one, its index. As a context manager it is the device of the tensors made
    inside.

    Args:
        type: ``"cpu"``, ``"cuda"``, ``"strict"``, ``"cuda:1"``, an index of a CUDA device, or a `Device`.
        index: the device's number; only where `type` names none.

    Raises:
        RuntimeError: the string names no device type, or the index is given twice.

    Example:
        >>> tapegrad.device("cuda:1")
        device(type='cuda', index=1)
        >>> with tapegrad.device("strict"):
        ...     tapegrad.zeros(2).device
        device(type='strict', index=0)
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __new__(cls, type: str | int | Device, index: int | None = None) -> Device:
        if isinstance(type, Device):
            return type
        if isinstance(type, int):
            return cls("cuda", type)
        if not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' must be str, int or device, not {type.__class__.__name__}")
        kind, colon, digits = type.partition(":")
        if kind not in TYPES:
            raise RuntimeError(f"Expected one of {', '.join(TYPES)} device type at start of device string: {type}")
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            if not digits.isdecimal():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(digits)
        self = object.__new__(cls)
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", index)
        return self

    def __enter__(self) -> Device:
        _entered.stack = (*_entered.stack, self)
        return self

    def __exit__(self, *exc: object) -> None:
        _entered.stack = _entered.stack[:-1]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"attribute '{name}' of 'tapegrad.device' objects is not writable")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[Any, ...]:
        return Device, (self.type, self.index)

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return (
            f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"
        )


DeviceLike = Device | str | int
