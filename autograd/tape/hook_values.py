"""Gradients as hooks see them, and the checks on what hooks return."""

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
    """A tensor of the user's as the pass takes it."""
    if value._array.dtype.kind == "c":
        value = value.conj()
    # A view: the array may have another owner, and the pass must not take it over.
    return value if graph else value._array[...]


def hook_mode(graph: bool) -> Any:
    """The grad mode in which hooks run: they record only in a recorded pass."""
    return set_grad_enabled(graph and is_grad_enabled())


def through(hooks: Iterable[Any], grad: Any, graph: bool) -> Any:
    """`grad` after `hooks`, each of which may replace it."""
    value = after = seen(grad, graph)
    with hook_mode(graph):
        for hook in hooks:
            result = hook(after)
            if result is not None:
                after = checked(result, after, hook)
        return grad if after is value else unseen(after, graph)


def through_all(
    hooks: Iterable[Any], values: tuple[Seen, ...], call: Callable[[Any, tuple[Seen, ...]], Any]
) -> tuple[Seen, ...]:
    """`values` after hooks, called as ``call(hook, values)``, each of which may replace them all."""
    for hook in hooks:
        result = call(hook, values)
        if result is None:
            continue
        if not isinstance(result, tuple):
            raise TypeError(f"expected tuple, but hook returned '{type(result).__name__}'")
        if len(result) != len(values):
            raise RuntimeError(
                f"hook '{hook_name(hook)}' has returned an incorrect number of values (got {len(result)}, but "
                f"expected {len(values)})"
            )
        values = tuple([None if new is None else checked(new, old, hook) for new, old in zip(result, values)])
    return values


def checked(new: Any, old: Seen, hook: Any) -> Tensor:
    """Check `new`, which `hook` returned in place of `old`."""
    if old is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if not isinstance(new, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    if new._array.dtype != old._array.dtype or new.device != old.device:
        raise RuntimeError(
            f"hook '{hook_name(hook)}' has changed the type of value (was {_kind(old)} got {_kind(new)})"
        )
    if new._array.shape != old._array.shape:
        raise RuntimeError(f"hook '{hook_name(hook)}' has changed the size of value")
    return new


def hook_name(hook: Any) -> str:
    """The name by which torch's errors call a hook."""
    return getattr(hook, "__name__", "<unknown>")


def _kind(t: Tensor) -> str:
    """The old type name of a tensor, as in torch's errors; complex tensors have none."""
    return f"{t.device.type.upper()}{t.dtype.scalar_type}Type" if t._array.dtype.kind == "c" else type_name(t)
