"""The pass that a thread is in, for hooks and checkpoints, which must tell one pass from another."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from tapegrad.autograd.core.gate import state
from tapegrad.autograd.tape.engine import below, leading_to


class Pass:
    """One pass; usable as a key of a weak dictionary.

    Attributes:
        pairs: the roots with their seeds.
        inputs: the targets whose gradients are asked for; None for all leaves.
        partial: whether this pass, or one around it, has `inputs`.
        at_end: called when all gradients have arrived.
    """

    def __init__(self, pairs: list[tuple[Any, Any]], inputs: set[Any] | None, outer: Any) -> None:
        self.pairs = pairs
        self.inputs = inputs
        self.partial = inputs is not None
        while outer is not None and not self.partial:
            # A pass that nobody has asked for is still the tuple that `current_pass` makes it of.
            self.partial, outer = (outer.partial, None) if isinstance(outer, Pass) else (outer[1] is not None, outer[2])
        self.at_end: list[Callable[[], None]] = []

    @cached_property
    def reaches(self) -> set[Any]:
        """The targets that may get a gradient."""
        roots = [target for target, _ in self.pairs]
        reached = below(roots)
        return reached if self.inputs is None else leading_to(self.inputs, roots) | (self.inputs & reached)

    def end(self) -> None:
        """Run what waits for the end of the pass: all gradients have arrived."""
        for call in self.at_end:
            call()


def current_pass() -> Pass | None:
    """The pass that this thread runs; None outside of a pass."""
    running = state.running
    if running is None or isinstance(running, Pass):
        return running
    # Made at the first request: most passes are never asked for.
    made = state.running = Pass(*running)
    return made
