"""Shapes and dtypes of the results of nodes, as far as they are known: a node keeps neither its result nor its shape
unless some rule reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tapegrad.autograd.core.node import Node, Slot
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.rebase import CopySlices
from tapegrad.autograd.tape.function_node import BackwardCFunction, Output
from tapegrad.utils.inspect.notes import note_of
from tapegrad.utils.inspect.walk import arrays_in, kept_by, made_by, op_of, operands, resolved, result_names

Shape = tuple[int, ...]


class ResultFacts:
    """What is known of the results of `nodes`; nothing here is guessed.

    Args:
        nodes: the latest first.
        outputs: the tensors that were made last.
    """

    def __init__(self, nodes: list[Node], outputs: Iterable[Tensor]) -> None:
        self._shapes: dict[tuple[Any, int], Shape] = {}
        self._dtypes: dict[tuple[Any, int], np.dtype] = {}
        for t in outputs:
            self._know(made_by(t), t._array.shape, t._array.dtype)
        for node in nodes:
            self._read(node)
        # Through elementwise ops a shape is known on one side where it is on the other.
        for node in nodes:
            self._to_operands(node)
        for node in reversed(nodes):
            self._from_operands(node)
        for node in nodes:
            self._to_operands(node)

    def shape(self, target: Any, nr: int = 0) -> Shape | None:
        """The shape of a leaf or of a result; None if it is not known."""
        return target._array.shape if isinstance(target, Tensor) else self._shapes.get((target, nr))

    def dtype(self, target: Any, nr: int = 0) -> np.dtype | None:
        """The dtype of a leaf or of a result; None if it is not known."""
        if isinstance(target, Tensor):
            dtype: np.dtype = target._array.dtype
            return dtype
        return self._dtypes.get((target, nr)) or target.dtype

    def _know(self, result: tuple[Any, int], shape: Shape | None, dtype: np.dtype | None = None) -> None:
        if shape is not None:
            self._shapes.setdefault(result, tuple(shape))
        if dtype is not None:
            self._dtypes.setdefault(result, dtype)

    def _read(self, node: Node) -> None:
        """What the node itself says of its results and operands."""
        note = note_of(node)
        for nr, (shape, dtype) in enumerate(note.results if note is not None else ()):
            self._know((node, nr), shape, dtype)
        for edge in node.edges:
            if isinstance(edge, Slot):
                self._know(resolved(edge), None, edge.dtype)
        for kept in kept_by(node):
            for array, t in arrays_in(kept.value):
                if t is not None and t._node is not None:
                    self._know(made_by(t), array.shape, array.dtype)
        if isinstance(node, BackwardCFunction):
            self._read_function(node)
        elif node.saved is not None and not isinstance(node, CopySlices):
            self._read_op(node)

    def _read_function(self, node: BackwardCFunction) -> None:
        for nr, facts in enumerate(node.outputs):
            if facts is not None:
                self._know((node, nr), facts[0], facts[1])
        for edge, facts in zip(node.edges, [facts for facts in node.inputs if facts is not None]):
            if edge is not None:
                self._know(resolved(edge), facts[0], facts[1])
        for kept in node.saved or ():
            if isinstance(kept, Output):
                self._know((node, kept.nr), kept.array.shape, kept.array.dtype)

    def _read_op(self, node: Node) -> None:
        names = result_names(node)
        for name, value in zip(node.saved_names, node.saved):
            if name in names and hasattr(value, "shape"):
                self._know((node, names.index(name)), value.shape, value.dtype)
        op = op_of(node)
        if op is None:
            return
        kept = dict(zip(node.saved_names, node.saved))
        inputs = operands(op)
        shapes = (
            kept.get(f"{inputs[0]}_shape")
            if len(node.edges) != len(inputs)
            else [kept.get(f"{name}_shape") for name in inputs]
        )
        for edge, shape in [*zip(node.edges, shapes or ()), *zip(node.edges, kept.get("shapes") or ())]:
            if edge is not None:
                self._know(resolved(edge), shape)

    def _alike(self, node: Node) -> bool:
        """Whether each operand that has an edge is known to be of the result's shape."""
        op = op_of(node)
        if isinstance(node, CopySlices):
            return True
        if op is None or op.kind != "elementwise" or op.outs or node.saved is None:
            return False
        return len(operands(op)) == 1 or (
            "shapes" in node.saved_names and node.saved[node.saved_names.index("shapes")] is None
        )

    def _to_operands(self, node: Node) -> None:
        shape = self._shapes.get((node, 0))
        if shape is not None and self._alike(node):
            for edge in node.edges[:1] if isinstance(node, CopySlices) else node.edges:
                if edge is not None:
                    self._know(resolved(edge), shape)

    def _from_operands(self, node: Node) -> None:
        if (node, 0) in self._shapes:
            return
        if self._alike(node):
            for edge in node.edges[:1] if isinstance(node, CopySlices) else node.edges:
                if edge is not None:
                    self._know((node, 0), self.shape(*resolved(edge)))
            return
        op = op_of(node)
        if op is not None and op.kind == "elementwise" and not op.outs and None not in node.edges:
            shapes = [self.shape(*resolved(edge)) for edge in node.edges]
            if None not in shapes:
                self._know((node, 0), np.broadcast_shapes(*[shape for shape in shapes if shape is not None]))
