"""What one checkpoint keeps in place of its function's intermediate values, and how it computes them again.

While the function runs, what its operations keep goes through `Frame.pack`, which keeps an empty `Holder` in its place.
The first of them that a pass asks for makes the frame run the function again; what that run keeps, in the same order,
fills the holders for this pass. Each is emptied as it is read, and whatever is left vanishes with the pass. The
arguments are kept as an operation would keep them: those of a checkpoint within another are the outer one's to compute
again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tapegrad.autograd.core.gate import state
from tapegrad.autograd.core.node import Node, overwritten
from tapegrad.autograd.core.tensor import Tensor, new
from tapegrad.autograd.core.version import VersionCounter, counter_of, tick
from tapegrad.autograd.modes.default_device import default_device
from tapegrad.autograd.modes.grad_mode import enable_grad
from tapegrad.autograd.ops.random import generator
from tapegrad.autograd.saved.hooks import saved_tensors_hooks, this_thread
from tapegrad.autograd.saved.packed_values import Packed, pack_operand
from tapegrad.autograd.tape.current_pass import Pass, current_pass

TIP = """
Tip: To see a more detailed error message, either pass `debug=True` to
`torch.utils.checkpoint.checkpoint(...)` or wrap the code block
with `with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):` to
enable checkpoint\N{NON-BREAKING HYPHEN}debug mode globally.
"""


class CheckpointError(RuntimeError):
    """A function under a checkpoint did something else when it was run again."""


class _Enough(Exception):
    """All that is needed has been computed again."""


class Streams:
    """Where the default generators of all devices stand."""

    def __init__(self) -> None:
        self.states = generator.default_states()

    def restore(self) -> None:
        """Put the generators back there."""
        generator.set_default_states(self.states)


class Arguments:
    """The arguments of a call, its tensors kept as an operation keeps its operands."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.node = node = new(Node)
        node.seq = tick()
        hooks = this_thread.hooks[-1] if this_thread.hooks else (_as_it_is, _as_it_is)
        self.own = not this_thread.hooks

        def kept(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            packed = pack_operand(node, value, hooks)
            for level in state.levels:
                level.tie(packed, value)
            return _Argument(value, packed)

        self.args = tuple([kept(value) for value in args])
        self.kwargs = {name: kept(value) for name, value in kwargs.items()}

    def again(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments, for another call."""
        return tuple([self._unpacked(value) for value in self.args]), {
            name: self._unpacked(value) for name, value in self.kwargs.items()
        }

    def _unpacked(self, value: Any) -> Any:
        if not isinstance(value, _Argument):
            return value
        t = value.packed.tied(value.packed.unpacked(self.node), self.node)
        same = value.tensor() if self.own else None
        # The tensor itself, if it still is what it was: it may be of a class of the user's.
        if (
            same is not None
            and same._array is t._array
            and (same._node or same) is (t._node or same)
            and same._requires_grad == t._requires_grad
        ):
            return same
        return t


class _Argument:
    __slots__ = ("packed", "tensor")

    def __init__(self, tensor: Tensor, packed: Packed) -> None:
        # Not the tensor: written later, it could come to have a history that holds the frame.
        self.tensor = weakref.ref(tensor)
        self.packed = packed


def _as_it_is(value: Any) -> Any:
    return value


class Holder:
    """Stands for a value that is to be computed again.

    Attributes:
        values: pass -> the value, or None once it has been read.
    """

    __slots__ = ("__weakref__", "values")

    def __init__(self) -> None:
        self.values: weakref.WeakKeyDictionary[Pass, _Value | None] = weakref.WeakKeyDictionary()


class _Value:
    """A value that has been computed again, and how often its memory had been written by then."""

    __slots__ = ("counter", "seq", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()
        self.counter: VersionCounter = counter_of(tensor)
        self.seq = tick()


class Frame:
    """One call of a function under a checkpoint.

    Args:
        preserve: start the run again from the same random numbers.
        context: entered for the run again.
        facts: what of a kept tensor must be the same again.
        early_stop: run only until all that is needed has been computed.
        on_error: called with a `CheckpointError`; raises one that tells more.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        preserve: bool,
        context: AbstractContextManager[Any],
        facts: Callable[[Tensor], Any],
        early_stop: bool,
        on_error: Callable[[CheckpointError], None] | None,
    ) -> None:
        self.function = function
        self.arguments = Arguments(args, kwargs)
        self.streams = Streams() if preserve else None
        self.device = default_device()
        self.context = context
        self.facts_of = facts
        self.early_stop = early_stop
        self.on_error = on_error
        self.holders: list[weakref.ref[Holder]] = []
        self.facts: list[Any] = []
        self.complete = False  # the first run has ended
        self.extra_saves = False  # a pass within the function has made it run again before that
        self.runs: weakref.WeakKeyDictionary[Pass, int] = weakref.WeakKeyDictionary()

    # ---- the first run

    def pack(self, t: Tensor) -> Holder:
        """Keep nothing but where `t` belongs."""
        holder = Holder()
        self.holders.append(weakref.ref(holder))
        self.facts.append(self.facts_of(t))
        return holder

    def unpack(self, holder: Holder) -> Tensor:
        """The value that belongs to `holder`, computed again."""
        if self.on_error is None:
            return self._unpack(holder)
        try:
            return self._unpack(holder)
        except CheckpointError as error:
            self.on_error(error)
            raise

    def _unpack(self, holder: Holder) -> Tensor:
        this = current_pass() or Pass([], None, None)  # outside of any, one for this value alone
        if this not in self.runs:
            self._run(this)
            self._check(this)
        value = holder.values[this]
        if value is None:
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. If "
                "you are calling "
                "ctx.saved_tensors in backward, make sure to do so only once. Otherwise please open an issue with "
                "details on your use case."
            )
        holder.values[this] = None
        if value.counter.last_write > value.seq:
            node = new(Node)
            node.seq = value.seq
            overwritten(node, value.counter, value.tensor, 0, None)
        return value.tensor

    # ---- the run again

    def _run(self, this: Pass) -> None:
        args, kwargs = self.arguments.again()
        run = _Run(self, this)
        with generator.fork_rng(enabled=self.streams is not None):
            if self.streams is not None:
                self.streams.restore()
            try:
                with saved_tensors_hooks(run.pack, _as_it_is), enable_grad(), self.context, self.device:
                    self.function(*args, **kwargs)
            except _Enough:
                pass
        self.runs[this] = run.count

    def _check(self, this: Pass) -> None:
        if self.extra_saves:
            return
        count = self.runs[this]
        if len(self.holders) != count:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                "recomputation.\n"
                f"Number of tensors saved during forward: {len(self.holders)}\n"
                f"Number of tensors saved during recomputation: {count}.\n{TIP}"
            )
        wrong = ""
        for position, (known, facts) in enumerate(zip(self.holders, self.facts)):
            holder = known()
            value = holder.values[this] if holder is not None else None
            if value is not None:
                again = self.facts_of(value.tensor)
                if again != facts:
                    wrong += f"tensor at position {position}:\nsaved metadata: {facts}\nrecomputed metadata: {again}\n"
        if wrong:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                "during the forward pass.\n"
                f"{wrong}.\n{TIP}"
            )


class _Run:
    """What one run again has come to: so many values kept."""

    __slots__ = ("count", "frame", "this")

    def __init__(self, frame: Frame, this: Pass) -> None:
        self.frame = frame
        self.this = this
        self.count = 0

    def pack(self, t: Tensor) -> Tensor:
        """The next value."""
        frame, position = self.frame, self.count
        self.count += 1
        value = _Value(t)
        if position >= len(frame.holders):
            if frame.complete:
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than during the "
                    "original forward pass.\n"
                    f"{TIP}"
                )
            # A pass within the function, which the first run has not gone beyond.
            frame.extra_saves = True
            return value.tensor
        holder = frame.holders[position]()
        if holder is not None:  # else nobody can ask for it any more
            holder.values[self.this] = value
        if frame.early_stop and self.count == len(frame.holders):
            raise _Enough
        # Kept by the run's own nodes, so that the function may differentiate within.
        return value.tensor
