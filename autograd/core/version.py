"""`VersionCounter`: when and how often a piece of memory was written.

A tensor has none until its first alias (a view, `detach()`) or write; all aliases of the memory then share it. A write
takes its stamp from the counter that numbers the nodes of the tape, so backward compares one number: a value kept by a
node was overwritten iff `counter.last_write > node.seq`. A counter never refers to a tensor or a node, so it makes no
reference cycle.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

from tapegrad.autograd.core.gate import INFERENCE, state

if TYPE_CHECKING:
    from tapegrad.autograd.core.tensor import Tensor

#: the process-wide clock of nodes and writes
tick = itertools.count(1).__next__

# Only the error text needs the times of single writes, and only of those since the value was kept.
REMEMBERED = 64


class VersionCounter:
    """The write history of one piece of memory."""

    __slots__ = ("last_write", "stamps", "version")

    def __init__(self) -> None:
        self.last_write = 0
        self.version = 0
        self.stamps: deque[int] | None = None

    def write(self) -> None:
        """Note that the memory has been written."""
        self.last_write = tick()
        self.version += 1
        if self.stamps is None:
            self.stamps = deque(maxlen=REMEMBERED)
        self.stamps.append(self.last_write)

    def version_at(self, seq: int) -> int:
        """The version the memory had when node number `seq` was made."""
        return self.version - sum(stamp > seq for stamp in self.stamps or ())


class DetachedCounter(VersionCounter):
    """The counter of a tensor that `detach_` has cut off from its history: whoever kept the tensor before can no longer
    use it.

    Attributes:
        memory: the counter of the memory, which its other aliases still have.
        detached: when it happened.
    """

    __slots__ = ("detached", "memory")

    def __init__(self, memory: VersionCounter) -> None:
        self.memory = memory
        self.detached = tick()

    def write(self) -> None:
        self.memory.write()

    def version_at(self, seq: int) -> int:
        return self.memory.version_at(seq)

    @property
    def last_write(self) -> int:  # type: ignore[override]
        """The last write, or the detachment where that came later."""
        return max(self.memory.last_write, self.detached)

    @property
    def version(self) -> int:  # type: ignore[override]
        """As the memory's."""
        return self.memory.version


#: later than every node: what has it has always been written since
AFTER_ALL = 1 << 62


class InferenceCounter(VersionCounter):
    """The counter of tensors made in inference mode, which track no version: a node that keeps one finds it written."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.last_write = AFTER_ALL

    def write(self) -> None:
        if not state.bits & INFERENCE:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed."
                "You can make a clone to get a normal tensor before doing inplace update."
                "See https://github.com/pytorch/rfcs/pull/17 for more details."
            )


INFERENCE_COUNTER = InferenceCounter()


def counter_of(tensor: Tensor) -> VersionCounter:
    """The tensor's counter, born now if need be, and known to the node whose kept result the tensor is."""
    counter = tensor._counter
    if counter is None:
        counter = tensor._counter = VersionCounter()
        if tensor._node is not None:
            tensor._node.take_counter(counter)
    return counter


def bump(tensor: Tensor) -> None:
    """Note that the tensor's memory has been written."""
    counter_of(tensor).write()
