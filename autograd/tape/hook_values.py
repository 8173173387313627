"""What hooks see of a gradient, and what they may put in its place."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.interchange.python_protocols import type_name
from tapegrad.autograd.modes.grad_mode import is_grad_enabled, set_grad_enabled
from tapegrad.backends import ARRAYS

#: a gradient as a user sees it
Seen = Tensor | None


def tensor_over(grad: Any) -> Tensor:
    """A tensor over what a rule made: an array, or a NumPy scalar."""
    return from_array(grad if grad.__class__ in ARRAYS else np.asarray(grad))


def seen(grad: Any, graph: bool) -> Tensor:
    """The gradient `grad` of a pass as a user sees it: a tensor, in torch's convention for complex numbers."""
    t = grad if graph else tensor_over(grad)
    return t.conj() if t._array.dtype.kind == "c" else t


def unseen(value: Tensor, graph: bool) -> Any:
    """What a user has seen, or given, as the pass takes it."""
    if value._array.dtype.kind == "c":
        value = value.conj()
    # It may be somebody else's; a view says so to those who would take the array over.
    return value if graph else value._array[...]


def hook_mode(graph: bool) -> Any:
    """The grad mode in which hooks run: recording only where the pass is recorded."""
    return set_grad_enabled(graph and is_grad_enabled())


def through(hooks: Iterable[Any], grad: Any, graph: bool) -> Any:
    """The gradient `grad` after hooks that each see it, and may return another."""
    value = after = seen(grad, graph)
    with hook_mode(graph):
        for hook in hooks:
            result = hook(after)
            if result is not None:
                after = checked(result, after, hook)
        return grad if after is value else unseen(after, graph)


def through_all(hooks: Iterable[Any], values: tuple[Seen, ...], call: Callable[[Any, tuple[Seen, ...]], Any]) -> tuple[Seen, ...]:
    """`values` after hooks that each see all of them, by ``call(hook, values)``, and may return as many others."""
    for hook in hooks:
        result = call(hook, values)
        if result is None:
            continue
        if not isinstance(result, tuple):
            raise TypeError(f"expected tuple, but hook returned '{type(result).__name__}'")
        if len(result) != len(values):
            raise RuntimeError(f"hook '{hook_name(hook)}' has returned an incorrect number of values (got {len(result)}, but expected {len(values)})")
        values = tuple([None if new is None else checked(new, old, hook) for new, old in zip(result, values)])
    return values


def checked(new: Any, old: Seen, hook: Any) -> Tensor:
    """`new`, which `hook` has returned in place of `old`."""
    if old is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if not isinstance(new, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    if new._array.dtype != old._array.dtype or new.device != old.device:
        raise RuntimeError(f"hook '{hook_name(hook)}' has changed the type of value (was {_kind(old)} got {_kind(new)})")
    if new._array.shape != old._array.shape:
        raise RuntimeError(f"hook '{hook_name(hook)}' has changed the size of value")
    return new


def hook_name(hook: Any) -> str:
    """The name by which torch's errors call a hook."""
    return getattr(hook, "__name__", "<unknown>")


def _kind(t: Tensor) -> str:
    """Of complex tensors torch has no old name."""
    return f"{t.device.type.upper()}{t.dtype.scalar_type}Type" if t._array.dtype.kind == "c" else type_name(t)
