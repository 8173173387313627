"""Which pass over the tape a thread is in, for those few that must tell one pass from another."""
from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from tapegrad.autograd.core.gate import state


class Pass:
    """One pass; a weak dictionary can have it as a key.

    Attributes:
        pairs: where it begins: targets with their gradients.
        inputs: what it is asked for; None for all leaves.
        partial: it, or one that it runs inside of, finds the gradients of certain inputs only.
        at_end: called when all gradients have arrived.
    """

    def __init__(self, pairs: list[tuple[Any, Any]], inputs: set[Any] | None, outer: Any) -> None:
        self.pairs = pairs
        self.inputs = inputs
        self.partial = inputs is not None
        while outer is not None and not self.partial:
            # What has not been asked for is still a tuple.
            self.partial, outer = (outer.partial, None) if isinstance(outer, Pass) else (outer[1] is not None, outer[2])
        self.at_end: list[Callable[[], None]] = []

    @cached_property
    def reaches(self) -> set[Any]:
        """The targets that may get a gradient."""
        from tapegrad.autograd.tape.engine import below, leading_to
        roots = [target for target, _ in self.pairs]
        reached = below(roots)
        return reached if self.inputs is None else leading_to(self.inputs, roots) | (self.inputs & reached)

    def end(self) -> None:
        """All gradients have arrived."""
        for call in self.at_end:
            call()


def current_pass() -> Pass | None:
    """The pass that this thread runs; None outside of any."""
    running = state.running
    if running is None or isinstance(running, Pass):
        return running
    # Nobody has asked before: until then it is known only what it would be made of.
    made = state.running = Pass(*running)
    return made
