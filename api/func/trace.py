"""One application of a reverse-mode transform: its arguments as tensors to differentiate by, and its results on their
way out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import INFERENCE, gate, set_bits, settle, state
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.modes.grad_mode import is_grad_enabled
from tapegrad.autograd.modes.levels import lifted, recording, without_history
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.trees import leaves, mapped
from tapegrad.backends import is_array, xp


class Trace:
    """The arguments by which a function is differentiated, as fresh tensors, and its results on their way out.

    Args:
        trees: the arguments.

    Attributes:
        trees: the same with fresh tensors.
        tensors: these, in order.
        raw: the arguments are arrays, and so are the results.
    """

    def __init__(self, trees: Sequence[Any]) -> None:
        self.nested = is_grad_enabled()
        self.tensors: list[Tensor] = []
        self.was_array: list[bool] = []
        self.depends = False
        with recording(True):
            self.trees = [mapped(self._fresh, tree) for tree in trees]
        self.raw = any(self.was_array)

    def _fresh(self, leaf: Any) -> Tensor:
        if not isinstance(leaf, Tensor) and not is_array(leaf):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")
        t = lifted(tensor_of(leaf))
        if t.requires_grad and self.nested:
            self.depends = True
            fresh = t.view_as(t)
        else:
            fresh = without_history(t).requires_grad_()
        self.tensors.append(fresh)
        self.was_array.append(not isinstance(leaf, Tensor))
        return fresh

    def records(self, outputs: Sequence[Tensor]) -> bool:
        """Whether the gradients must be differentiable: they depend on what another transform, or the caller,
        differentiates by.
        """
        if not self.nested:
            return False
        return self.depends or _reaches_others(outputs, {id(t) for t in self.tensors})

    def out(self, tree: Any, graph: bool) -> Any:
        """A result for the caller."""

        def leave(leaf: Any) -> Any:
            return leaving(leaf, self.raw, graph) if isinstance(leaf, Tensor) else leaf

        return mapped(leave, tree)

    def like_arguments(self, found: Sequence[Tensor], graph: bool) -> list[Any]:
        """Values for the fresh tensors, nested as the arguments."""
        values = iter(zip(found, self.was_array))

        def leave(_: Any) -> Any:
            return leaving(*next(values), graph)

        return [mapped(leave, tree) for tree in self.trees]


def leaving(t: Tensor, raw: bool, graph: bool) -> Any:
    """`t` for the caller: its array, or the tensor with or without its history."""
    if raw:
        return t._array
    return t if graph else without_history(t)


def in_any_mode(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, run in ordinary mode where the caller is in inference mode: it has to record."""

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        if not (gate.on and state.bits & INFERENCE):
            return function(*args, **kwargs)
        before = state.bits
        try:
            set_bits(state.bits & ~INFERENCE)
            return function(*args, **kwargs)
        finally:
            gate.on, state.bits = True, before | gate.always
            settle()

    return inside


def tensor_of(value: Any) -> Tensor:
    """An array as a tensor; a tensor as it is, or over the same memory as an ordinary one where it was made in
    inference mode.
    """
    if isinstance(value, Tensor):
        return from_array(value._array) if value.is_inference() else value
    return from_array(dtypes.canonical(np.asarray(value) if isinstance(value, np.generic) else value))


def _reaches_others(outputs: Sequence[Tensor], own: set[int]) -> bool:
    """Whether the outputs were computed from a leaf that requires grad besides those with ids in `own`."""
    seen: set[Any] = set()
    stack = [t._node or t for t in outputs if t.requires_grad]
    while stack:
        target = stack.pop()
        if target in seen:
            continue
        seen.add(target)
        if isinstance(target, Node):
            stack += [edge for edge in target.edges if edge is not None]
        elif id(target) not in own:
            return True
    return False


def arguments_of(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments that are not differentiated by: arrays as tensors, so that the function sees one kind."""

    def entered(leaf: Any) -> Any:
        return tensor_of(leaf) if isinstance(leaf, Tensor) or is_array(leaf) else leaf

    return tuple(mapped(entered, arg) for arg in args)


def positions_of(argnums: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    """The positions that `argnums` means, among `count` arguments."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    chosen = (argnums,) if isinstance(argnums, int) else argnums
    if not chosen:
        raise RuntimeError("argnums must be non-empty")
    for n in chosen:
        if not isinstance(n, int):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(n)}")
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")
    positions = tuple(n % count for n in chosen)
    if len(set(positions)) != len(positions):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return positions


def call(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    positions: tuple[int, ...],
    has_aux: bool,
    name: str,
) -> tuple[Trace, Any, Any]:
    """Call `func` with fresh tensors at `positions`; returns the trace, the result and the auxiliary result."""
    trace = Trace([args[n] for n in positions])
    given = list(arguments_of(args))
    for n, tree in zip(positions, trace.trees):
        given[n] = tree
    with recording(True):
        output = func(*given, **kwargs)
    return trace, *split(output, has_aux, name)


def split(output: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    """The result and the auxiliary result in what the function has returned."""
    if not has_aux:
        return output, None
    if not isinstance(output, tuple) or len(output) != 2:
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return output


def only_tensors(output: Any, expected: str) -> list[Tensor]:
    """The tensors in a result, in which there may be nothing else."""
    outputs = list(leaves(output))
    for t in outputs:
        if not isinstance(t, Tensor):
            raise RuntimeError(f"{expected} f(*primals) to return only tensors, got unsupported type {type(t)}")
    return outputs


def is_raw(leaf: Any) -> bool:
    """Whether `leaf` is an array and no tensor."""
    return not isinstance(leaf, Tensor) and is_array(leaf)


def check_real(tensors: Sequence[Tensor], function: str, what: str) -> None:
    """Refuse complex tensors, for which a Jacobian would need a convention."""
    for n, t in enumerate(tensors):
        if t.is_complex():
            raise RuntimeError(
                f"{function}: Expected all {what} to be real but received complex tensor at flattened input idx: {n}"
            )


def complete(found: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    """The gradients, zeros where there are none."""
    return [
        from_array(xp(t._array).zeros(t._array.shape, t._array.dtype)) if d is None else d for d, t in zip(found, like)
    ]
