"""`Cell`: when and how often a piece of memory was written.

A tensor has none until its first alias (a view, `detach()`) or write; all aliases of the memory then share it. A write takes its stamp from the counter
that numbers the nodes of the tape, so backward compares one number: a value kept by a node was overwritten iff `cell.written > node.seq`.
A cell never refers to a tensor or a node, so it makes no reference cycle.
"""
from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapegrad.autograd.core.tensor import Tensor

#: the process-wide clock of nodes and writes
tick = itertools.count(1).__next__

# Only the error text needs the times of single writes, and only of those since the value was kept.
REMEMBERED = 64


class Cell:
    """The write history of one piece of memory."""

    __slots__ = ("stamps", "version", "written")

    def __init__(self) -> None:
        self.written = 0
        self.version = 0
        self.stamps: deque[int] | None = None

    def write(self) -> None:
        """Note that the memory has been written."""
        self.written = tick()
        self.version += 1
        if self.stamps is None:
            self.stamps = deque(maxlen=REMEMBERED)
        self.stamps.append(self.written)

    def version_at(self, seq: int) -> int:
        """The version the memory had when node number `seq` was made."""
        return self.version - sum(stamp > seq for stamp in self.stamps or ())


class DetachedCell(Cell):
    """The cell of a tensor that `detach_` has cut off from its history: whoever kept the tensor before can no longer use it.

    Attributes:
        memory: the cell of the memory, which its other aliases still have.
        detached: when it happened.
    """

    __slots__ = ("detached", "memory")

    def __init__(self, memory: Cell) -> None:
        self.memory = memory
        self.detached = tick()

    def write(self) -> None:
        self.memory.write()

    def version_at(self, seq: int) -> int:
        return self.memory.version_at(seq)

    @property
    def written(self) -> int:  # type: ignore[override]
        """The last write, or the detachment where that came later."""
        return max(self.memory.written, self.detached)

    @property
    def version(self) -> int:  # type: ignore[override]
        """As the memory's."""
        return self.memory.version


class InferenceCell(Cell):
    """The cell of tensors made in inference mode, which track no version: a node that keeps one finds it written."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.written = 1 << 62

    def write(self) -> None:
        from tapegrad.autograd.core.gate import INFERENCE, state
        if not state.bits & INFERENCE:
            raise RuntimeError("Inplace update to inference tensor outside InferenceMode is not allowed."
                               "You can make a clone to get a normal tensor before doing inplace update."
                               "See https://github.com/pytorch/rfcs/pull/17 for more details.")


INFERENCE_CELL = InferenceCell()


def cell_of(tensor: Tensor) -> Cell:
    """The tensor's cell, born now if need be, and known to the node whose kept result the tensor is."""
    cell = tensor._cell
    if cell is None:
        cell = tensor._cell = Cell()
        if tensor._node is not None:
            tensor._node.take_cell(cell)
    return cell


def written(tensor: Tensor) -> None:
    """Note that the tensor's memory has been written."""
    cell_of(tensor).write()
