"""`RemovableHandle`: removes a hook."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from typing import Any

_ids = itertools.count()


class RemovableHandle:
    """Removes a hook; also a context manager that does so at its end.

    It does not keep the hooks alive: a hook may hold the handle that removes it.
    """

    id: int

    def __init__(self, hooks: OrderedDict[int, Any]) -> None:
        self._hooks = weakref.ref(hooks)
        self.id = next(_ids)

    def remove(self) -> None:
        """Remove the hook; a second time has no effect."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()

    def __getstate__(self) -> tuple[Any, ...]:
        return self._hooks(), self.id

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        global _ids
        hooks, self.id = state
        # Without its hooks a handle removes nothing.
        self._hooks = weakref.ref(OrderedDict() if hooks is None else hooks)
        _ids = itertools.count(max(next(_ids), self.id + 1))


def add_hook(hooks: OrderedDict[int, Any], hook: Any) -> RemovableHandle:
    """Enter `hook` under a fresh id."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def hooks_in(store: dict[str, Any], kind: str) -> OrderedDict[int, Any]:
    """The hooks of one kind in `store`, made if there are none."""
    hooks = store.get(kind)
    if hooks is None:
        hooks = store[kind] = OrderedDict()
    return hooks
