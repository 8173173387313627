"""`kept`: what the tape keeps for backward, node by node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.saved.packed_values import Packed
from tapegrad.utils.inspect.notes import note_of
from tapegrad.utils.inspect.values import bytes_text, kind_text
from tapegrad.utils.inspect.walk import KeptValue, arrays_in, kept_by, nodes_below, outputs_of


class Row(NamedTuple):
    """What one node keeps.

    Attributes:
        activations: bytes of values made by ops.
        data: bytes of tensors without history, and of arrays.
        leaves: bytes of leaves that require grad, such as parameters.
        keeps: each value, in words.
        place: ``file:line`` of the line that made the node; empty without notes.
        inside: the innermost ``forward`` in which it was made.
        number: the node's number in order of creation, from 1.
    """

    node: str
    activations: int
    data: int
    leaves: int
    keeps: str
    place: str
    source: str
    inside: str
    number: int

    @property
    def bytes(self) -> int:
        """All bytes that were not counted for an earlier node."""
        return self.activations + self.data + self.leaves


class KeptMemory:
    """What `kept` found; ``str()`` and a notebook show the table.

    Attributes:
        rows: a `Row` for each node that keeps arrays, the largest first.
        activations: bytes of values made by ops, which the tape alone may keep alive.
        data: bytes of tensors without history, and of arrays.
        leaves: bytes of leaves that require grad.
    """

    def __init__(self, rows: list[Row], nodes: int, freed: int, shown: int) -> None:
        self.rows = rows
        self.activations = sum(row.activations for row in rows)
        self.data = sum(row.data for row in rows)
        self.leaves = sum(row.leaves for row in rows)
        self._nodes = nodes
        self._freed = freed
        self._shown = shown

    def __str__(self) -> str:
        total = self.activations + self.data + self.leaves
        lines = [
            f"{bytes_text(total)} kept for backward by {len(self.rows)} of {self._nodes} "
            f"node{'s' * (self._nodes != 1)}",
            f"  {bytes_text(self.activations):>9}  activations: made by operations",
            f"  {bytes_text(self.data):>9}  data: tensors without history, arrays",
            f"  {bytes_text(self.leaves):>9}  leaves: parameters, and what else requires grad",
        ]
        if self._freed:
            lines.append(f"  {self._freed} node{'s have' if self._freed != 1 else ' has'} been freed by a pass")
        shown = self.rows[: self._shown]
        if shown:
            widths = [max(len(row.node) for row in shown), max(len(row.keeps) for row in shown)]
            lines += ["", f"{'bytes':>13}  {'node':<{widths[0]}}  {'keeps':<{widths[1]}}  made at"]
        for row in shown:
            made = "  ".join(part for part in (row.place, row.source, f"in {row.inside}" if row.inside else "") if part)
            lines.append(f"{row.bytes:>13,}  {row.node:<{widths[0]}}  {row.keeps:<{widths[1]}}  {made}".rstrip())
        if len(self.rows) > len(shown):
            rest = self.rows[len(shown) :]
            lines.append(f"{sum(row.bytes for row in rest):>13,}  {len(rest)} more nodes")
        return "\n".join(lines)

    __repr__ = __str__


def kept(*outputs: Any, max_rows: int = 30) -> KeptMemory:
    """What the tape of `outputs` keeps for backward: which node keeps how many bytes, the largest first.

    Each piece of memory is counted once, whole, for the earliest node that keeps it or a view of it; later ones show it
    as shared. Freeing the graph gives back the activations that nothing else holds; data and leaves usually belong to
    the program. Lines are shown for nodes recorded inside ``with tapegrad.utils.notes():``.

    Args:
        max_rows: how many rows the table shows; `rows` has all.

    Raises:
        RuntimeError: an output does not require grad.

    Example:
        >>> x = tapegrad.ones(100, 50)
        >>> w = tapegrad.ones(50, 200, requires_grad=True)
        >>> table = tapegrad.utils.kept(((x @ w).tanh() ** 2).mean())
        >>> print(table)
        100 kB kept for backward by 3 of 4 nodes
            80 kB  activations: made by operations
            20 kB  data: tensors without history, arrays
              0 B  leaves: parameters, and what else requires grad
        <BLANKLINE>
                bytes  node           keeps                               made at
               80,000  TanhBackward0  result float32 [100, 200]
               20,000  MmBackward0    input float32 [100, 50]
                    0  PowBackward0   input float32 [100, 200] (shared)
        >>> table.activations
        80000
    """
    roots = outputs_of(outputs)
    nodes = nodes_below(roots)
    count = _Count(nodes, roots)
    rows = [row for number, node in enumerate(reversed(nodes), 1) if (row := count.row(node, number)) is not None]
    rows.sort(key=lambda row: (-row.bytes, row.number))
    return KeptMemory(rows, len(nodes), sum(node.frees and node.saved is None for node in nodes), max_rows)


class _Count:
    """Counts pieces of memory, each once."""

    def __init__(self, nodes: Iterable[Node], roots: Iterable[Tensor]) -> None:
        leaves = [edge for node in nodes for edge in node.edges if isinstance(edge, Tensor)]
        self.leaves = {_memory(leaf._array)[0] for leaf in [*leaves, *(t for t in roots if t._node is None)]}
        self.counted: set[Any] = set()

    def row(self, node: Node, number: int) -> Row | None:
        """What `node` keeps; None if that is no array."""
        amounts = {"activations": 0, "data": 0, "leaves": 0}
        words = []
        for value in kept_by(node):
            for array, t in arrays_in(value.value):
                key, size = _memory(array)
                new = key not in self.counted
                self.counted.add(key)
                amounts[self._sort(key, value, t)] += size if new else 0
                partly = f" of {bytes_text(size)}" if new and size > array.nbytes else ""
                words.append(f"{value.name} {kind_text(array.shape, array.dtype)}{partly}{'' if new else ' (shared)'}")
        if not words:
            return None
        note = note_of(node)
        place, source, inside = (
            (note.place, note.source, note.inside) if note is not None and note.line else ("", "", "")
        )
        return Row(
            node.name(), **amounts, keeps=", ".join(words), place=place, source=source, inside=inside, number=number
        )

    def _sort(self, key: Any, value: KeptValue, t: Tensor | None) -> str:
        if key in self.leaves or (t is not None and t._node is None and t._requires_grad):
            return "leaves"
        packed = value.value if isinstance(value.value, Packed) else None
        if packed is not None:
            return "activations" if packed.nr is not None or packed.target is not None else "data"
        if value.is_result or (t is not None and t._node is not None):
            return "activations"
        return "data"


def _memory(array: Any) -> tuple[Any, int]:
    """An identity of a piece of memory, the same for all views of it, and its size in bytes."""
    if not isinstance(array, np.ndarray):
        memory = array.data.mem  # CuPy's memory object, or the strict device's
        return id(memory), memory.nbytes if hasattr(memory, "nbytes") else memory.size
    while True:
        base: Any = array.base
        if not isinstance(base, np.ndarray):
            # `as_strided` puts an object of its own in between.
            base = getattr(base, "base", None)
        if not isinstance(base, np.ndarray):
            # Memory that is not NumPy's own is that of an object which several arrays may have as their base.
            return id(array if array.base is None else array.base), array.nbytes
        array = base
