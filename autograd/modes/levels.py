"""The transforms that a thread is inside of: forward mode and vmap, nested in any order.

Each application of a transform is a `Level` on the thread's stack. The innermost level takes an op, does its part, and
calls the op again on the tensors of the level below. The last call is an ordinary one, and is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, cast

from tapegrad.autograd.core import gate
from tapegrad.autograd.core.gate import GRAD_OFF, TRANSFORM, set_bits, state
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import counter_of


class Level:
    """One application of a transform; as a context manager it is the innermost level inside."""

    __slots__ = ("__weakref__", "grad_off", "hidden", "stack")
    #: the levels with this one as the innermost
    stack: tuple[Level, ...]
    #: its tensors wrap others, which are recorded separately
    separate = False

    def __init__(self) -> None:
        self.grad_off = 0
        self.hidden = False

    def outer_grad_off(self) -> int:
        """The grad-mode bit for the tensors that this level's wrap."""
        return self.grad_off | (0 if self.hidden else state.bits & GRAD_OFF)

    def op(self, core: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an op whose innermost level this is."""
        raise NotImplementedError

    def overwritten(self, t: Tensor, value: Any, name: str) -> None:
        """Called when the in-place form of the op `name` writes the array `value` over all of `t`."""

    def copied(self, t: Tensor, copy: Any) -> None:
        """Called when `copy` has been made of the array of `t`."""

    def tie(self, packed: Any, source: Any) -> None:
        """Know of `packed` what is known of `source`, which a pack hook has packed; of tuples, part by part."""

    def unpacked(self, packed: Any, t: Tensor) -> None:
        """Called when an unpack hook has made `t` of `packed`."""

    def check_out(self, name: str, out: Any, result: Any) -> None:
        """Raise if the function `name` must not write `result` to `out`."""

    def __enter__(self) -> Any:
        self.stack = (*state.levels, self)
        try:
            state.levels = self.stack
            set_bits(state.bits | TRANSFORM)
            return self
        except BaseException:
            self.leave()
            raise

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        # An exception may have interrupted the end of an inner level.
        assert kind is not None or state.levels == self.stack, "levels end in the reverse order of their beginning"
        self.leave()

    def leave(self) -> None:
        """End the level, and those inside it that an exception has left open."""
        levels = self.stack[:-1]
        bits = state.bits if levels else state.bits & ~TRANSFORM
        gate.gate.on, state.bits, state.levels = True, bits, levels
        gate.settle()


class below:
    """Inside, the thread is only in the levels around `level`."""

    __slots__ = ("before", "bits", "level")

    def __init__(self, level: Level) -> None:
        self.level = level

    def __enter__(self) -> None:
        self.before, self.bits = state.levels, state.bits
        try:
            levels = state.levels = self.level.stack[:-1]
            bits = state.bits if levels else state.bits & ~TRANSFORM
            if self.level.separate:
                bits = bits & ~GRAD_OFF | self.level.outer_grad_off()
            set_bits(bits)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc: Any) -> None:
        gate.gate.on, state.bits, state.levels = True, self.bits | gate.gate.always, self.before
        gate.settle()


class recording:
    """Inside, this thread records or not, for the innermost tensors only: those that batched tensors wrap keep the mode
    they had.

    Args:
        on: whether to record.
        own: the mode is the library's own, not the user's; it does not reach the tensors further out.
    """

    __slots__ = ("bits", "level", "off", "own", "was")

    def __init__(self, on: bool, own: bool = False) -> None:
        self.off = 0 if on else GRAD_OFF
        self.own = own

    def __enter__(self) -> None:
        self.bits = state.bits
        self.level = innermost_batch()
        if self.level is not None:
            self.was = self.level.grad_off, self.level.hidden
        try:
            if self.level is not None:
                self.level.grad_off, self.level.hidden = self.level.outer_grad_off(), self.own
            set_bits(state.bits & ~GRAD_OFF | self.off)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc: Any) -> None:
        gate.gate.on, state.bits = True, self.bits | gate.gate.always
        if self.level is not None:
            self.level.grad_off, self.level.hidden = self.was
        gate.settle()


def innermost_batch() -> Any:
    """The innermost level of vmap, if there is one."""
    return next((level for level in reversed(state.levels) if level.separate), None)


def lifted(t: Tensor) -> Tensor:
    """`t` as a tensor of the innermost level of vmap, with a gradient for each member of the batch."""
    level = innermost_batch()
    raised: Tensor = t if level is None else level.lift(t)
    return raised


def refuse_dynamic(array: Any, name: str) -> None:
    """Raise torch's error for an op whose result would have a shape that differs within a batch."""
    if hasattr(array, "level"):
        raise RuntimeError(
            "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over "
            f"aten::{name}. Please file an "
            "issue at https://github.com/pytorch/pytorch/issues if you need this feature."
        )


def without_history(t: Tensor) -> Tensor:
    """`t` for the levels further out: the same array and version counter, without the history it has here."""
    result = from_array(t._array)
    result._counter = counter_of(t)
    return result


def transforming() -> bool:
    """Whether the thread is inside a transform."""
    return bool(gate.gate.on and state.bits & TRANSFORM)


def _transformed(core: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    composed = core.op.composed  # type: ignore[attr-defined]
    if composed is not None:
        result = composed(*args, **kwargs)
        if result is not NotImplemented:
            return result
    return state.levels[-1].op(core, args, kwargs)


gate.handlers[TRANSFORM] = _transformed


def arguments(core: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an op by name; defaults are filled in already, since an op's wrapper hands on every
    parameter.
    """
    op = core.op  # type: ignore[attr-defined]
    return {**dict(zip(op.parameters(), args)), **kwargs}


def tensors_in(values: Any) -> list[Any]:
    """The operands, with list operands opened."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += value
        else:
            found.append(value)
    return found


def overwritten(t: Tensor, value: Any, name: str) -> bool:
    """Report to all levels that the in-place form of the op `name` writes `value` over `t`; returns whether it is
    written already.
    """
    for level in state.levels:
        level.overwritten(t, value, name)
    if not _is_deeper(value, t._array):
        return False
    # It is the same for the whole batch, and `t` is not of the batch.
    with below(value.level):
        t.copy_(value.tensor)
    return True


def _is_deeper(array: Any, other: Any) -> bool:
    """Whether `array` belongs to a level of vmap inside those of `other`."""
    level, outer = getattr(array, "level", None), getattr(other, "level", None)
    return level is not None and (outer is None or len(outer.stack) < len(level.stack))


def check_history(t: Tensor, result: Tensor, name: str) -> None:
    """Raise if `t`, which `result` of the op `name` is to overwrite, is not of the batch and cannot take its
    history.
    """
    if result._requires_grad and _is_deeper(result._array, t._array):
        refuse_write(name)


def check_out(name: str, out: Any, result: Any) -> None:
    """Raise if some level forbids the function `name` to write `result` to `out`."""
    for level in state.levels:
        level.check_out(name, out, result)


def copy_of(t: Tensor) -> Any:
    """A copy of the array of `t`, with what the levels know of it."""
    copy = t._array.copy()
    for level in state.levels:
        level.copied(t, copy)
    return copy


def like_batch_of(made: Tensor, source: Tensor) -> Tensor:
    """The tensor `made`, the same for all members, as one of its own for each member of the batches that `source` has,
    so that it can be written.
    """
    array = source._array
    if not hasattr(array, "level"):
        return made
    with below(array.level):
        if not array.batched:
            return cast(Tensor, array.level.wrap(like_batch_of(made, array.tensor), False))
        whole = made.expand(array.level.size, *made._array.shape).clone()
        return cast(Tensor, array.level.wrap(like_batch_of(whole, array.tensor)))


_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "masked_fill", "pow", "remainder", "floor_divide"})


def refuse_write(name: str) -> NoReturn:
    """Raise torch's error for a write of something batched, by the in-place form of the op `name`, to something that is
    not.
    """
    what = "inplace arithmetic" if name in _ARITHMETIC or name.startswith("_") else f"{name}_"
    raise RuntimeError(
        f"vmap: {what}(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that "
        "has more elements than "
        "`self`. This happened due to `other` being vmapped over but `self` not being vmapped over in a vmap. Please "
        "try to use out-of-place "
        f"operators instead of {what}. If said operator is being called inside the PyTorch framework, please file a "
        "bug report instead."
    )
