"""What belongs to a thread and must be handed on to one that works in its place."""
from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T", bound=threading.local)

#: states of which each thread sees its own, with what one thread has in them
Taken = list[tuple[threading.local, dict[str, Any]]]

_states: weakref.WeakSet[threading.local] = weakref.WeakSet()
#: each is called in the thread that waits, and gives what the thread that works is to do its work inside of
settings: list[Callable[[], AbstractContextManager[Any]]] = []


def handed_on(state: T) -> T:
    """Have `state` go with the work that one thread does for another."""
    _states.add(state)
    return state


def snapshot() -> Taken:
    """What this thread has in all such states."""
    return [(state, dict(state.__dict__)) for state in list(_states)]


def adopt(taken: Taken) -> None:
    """Make what another thread had this one's."""
    for state, values in taken:
        state.__dict__.clear()
        state.__dict__.update(values)
