"""Thread-local state that a worker thread takes over from the thread that waits for it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T", bound=threading.local)

#: such states, with the values that one thread has in them
Taken = list[tuple[threading.local, dict[str, Any]]]

_states: weakref.WeakSet[threading.local] = weakref.WeakSet()
#: each is called in the thread that waits, and returns a context manager that the worker enters
settings: list[Callable[[], AbstractContextManager[Any]]] = []


def handed_on(state: T) -> T:
    """Register `state` to be handed on to worker threads."""
    _states.add(state)
    return state


def snapshot() -> Taken:
    """This thread's values of all such states."""
    return [(state, dict(state.__dict__)) for state in list(_states)]


def adopt(taken: Taken) -> None:
    """Take over the values of another thread."""
    for state, values in taken:
        state.__dict__.clear()
        state.__dict__.update(values)
