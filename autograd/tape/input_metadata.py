"""What is known of the gradients that a node takes: their shapes, dtypes, devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core import node_api as node_base
from tapegrad.autograd.core.methods import property_of
from tapegrad.autograd.core.node import Facts, Node, facts_of
from tapegrad.autograd.tape.accumulate_grad import AccumulateGrad
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.size import Size
from tapegrad.backends import Device


class InputMetadata:
    """What must hold of the gradient of one result; its shape and device may be unknown, and then raise.

    Attributes:
        dtype: its type; None where the result takes no gradient.
    """

    __slots__ = ("_facts", "dtype")
    is_nested_tensor = is_cpp_nested_tensor = False

    def __init__(self, facts: Facts | None, dtype: np.dtype | None) -> None:
        self._facts = facts
        self.dtype = None if dtype is None else dtypes.of(dtype)

    @property
    def _known(self) -> Facts:
        if self._facts is None:
            raise RuntimeError(
                "the shape of this node's result is not known: nodes keep it only where they were reached through "
                "the tensor they made "
                "(`tensor.grad_fn`, `get_gradient_edge(tensor)`)"
            )
        return self._facts

    @property
    def shape(self) -> Size:
        """The result's size."""
        return Size(self._known[0])

    @property
    def device(self) -> Device:
        """Where the result lives."""
        return self._known[2]

    def __repr__(self) -> str:
        return (
            f"InputMetadata(dtype={self.dtype})"
            if self._facts is None
            else f"InputMetadata(shape={self.shape}, dtype={self.dtype}, device={self.device})"
        )


def count_of(node: Any) -> int:
    """How many gradients the node takes: one for each result, but for indices and the like."""
    # Only what has several results has no dtype of its own.
    if not isinstance(node, Node) or node.dtype is not None:
        return 1
    return node.count if node.takes is None else node.takes


def facts_of_result(node: Any, nr: int) -> Facts | None:
    """What is known of result number `nr`."""
    if isinstance(node, AccumulateGrad):
        return facts_of(node.variable)
    if isinstance(node, BackwardCFunction):
        return node.outputs[nr]
    found: Facts | None = (node._kept() or {}).get("facts", {}).get(nr)
    return found


@property_of(node_base.Node)
def _input_metadata(self: node_base.Node) -> tuple[InputMetadata, ...]:
    """What is known of the gradient of each result."""
    known = []
    for nr in range(count_of(self)):
        facts = facts_of_result(self, nr)
        known.append(InputMetadata(facts, facts[1] if facts is not None else getattr(self, "dtype", None)))
    return tuple(known)
