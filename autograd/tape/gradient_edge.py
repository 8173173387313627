"""`GradientEdge`: a place in the graph where a gradient arrives, without the tensor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tapegrad.autograd.core import node_api as node_base
from tapegrad.autograd.core.methods import property_of
from tapegrad.autograd.core.node import Node, Slot, keep_facts, make_slot
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.saved.packed_values import ToLeaf
from tapegrad.autograd.tape.accumulate_grad import AccumulateGrad, accumulate_grad_of
from tapegrad.autograd.tape.engine import below
from tapegrad.autograd.tape.input_metadata import count_of, facts_of_result
from tapegrad.backends import backend_for


class GradientEdge(NamedTuple):
    """A place in the graph where a gradient arrives: `autograd.grad` and `autograd.backward` take it in place of a
    tensor.

    An edge keeps its part of the graph alive. It goes on to mean the value that its tensor had when the edge was taken,
    also after the tensor has been changed in place.

    Attributes:
        node: the node whose result it is.
        output_nr: which of the node's results.
        ownership_token: what else must live.
    """

    node: node_base.Node
    output_nr: int
    ownership_token: node_base.Node | None = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge at which the gradient of a tensor arrives.

    Args:
        tensor: a tensor that requires grad.

    Raises:
        RuntimeError: it does not.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> y = x * 2
        >>> edge = tapegrad.autograd.graph.get_gradient_edge(y)
        >>> loss = (y * y).sum()
        >>> del y
        >>> tapegrad.autograd.grad(loss, edge)
        (tensor([4., 4.]),)
    """
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn
    made = tensor._node
    if node is None or made is None:
        return GradientEdge(accumulate_grad_of(tensor), 0)
    keep_facts(made, tensor)
    return GradientEdge(node, tensor.output_nr, made if isinstance(made, Slot) else None)


def function_of(target: Any) -> tuple[Any, int]:
    """A target of the tape as torch shows it: (node, output number)."""
    if target is None:
        return None, 0
    if isinstance(target, Slot):
        return target.edges[0], target.nr
    if isinstance(target, ToLeaf):
        return function_of(target.edges[0])
    if isinstance(target, Node):
        return target, 0
    # A view made under `no_grad` requires grad as its base does, and no gradient flows to it.
    return (accumulate_grad_of(target), 0) if target._requires_grad or target._view is None else (None, 0)


@property_of(Node)
def next_functions(self: Node) -> tuple[tuple[Any, int], ...]:
    """A pair (node, output number) for each differentiable operand, (None, 0) where no gradient flows."""
    return tuple(function_of(target) for target in self.edges)


def check_edge(edge: GradientEdge) -> None:
    """Raise for what cannot be an edge."""
    if not isinstance(edge.node, node_base.Node):
        raise RuntimeError(
            f"GradientEdge's first object must be an autograd.graph.Node but got {type(edge.node).__name__}"
        )
    if not 0 <= edge.output_nr < count_of(edge.node):
        raise IndexError("tuple index out of range")


def target_of(edge: GradientEdge, roots: Iterable[Any]) -> Any:
    """The target that an edge names: a leaf, a node, or the slot of one of a node's several results. `roots` are those
    of the pass.
    """
    check_edge(edge)
    node: Any = edge.node
    if isinstance(node, AccumulateGrad):
        return node.variable
    if node.dtype is not None:
        return node
    token = edge.ownership_token
    if isinstance(token, Slot) and token.edges[0] is node and token.nr == edge.output_nr:
        return token
    slots = [
        target
        for target in below(roots)
        if isinstance(target, Slot) and target.nr == edge.output_nr and target.edges[0] is node
    ]
    # The first is the result's own; later ones stand for what rules have read of it.
    return min(slots, key=lambda slot: slot.seq) if slots else make_slot(node, edge.output_nr, None)  # type: ignore[arg-type]


def tensor_at(edge: Any, grad: Tensor | None) -> Tensor:
    """A stand-in for the tensor at `edge`, to start a pass from: of its shape, dtype, device and history.

    Args:
        edge: where to start.
        grad: the gradient to start with, of the shape of the result where that is not known.

    Raises:
        RuntimeError: neither a shape is known nor a gradient given.
    """
    if not isinstance(edge, GradientEdge):
        raise AssertionError("Expected output to be a torch.Tensor")
    target = target_of(edge, ())
    if isinstance(target, Tensor):
        return target
    facts = facts_of_result(edge.node, edge.output_nr)
    if facts is not None:
        shape, dtype, device = facts
    elif grad is not None:
        shape, dtype, device = grad._array.shape, target.dtype or grad._array.dtype, grad.device
    else:
        raise RuntimeError(
            "grad_outputs must be given for a GradientEdge whose node was not reached through the tensor it made: "
            "the shape there is not known"
        )
    xp = backend_for(device).xp
    t = from_array(xp.broadcast_to(xp.zeros((), dtype), shape))
    t._node = target
    t._requires_grad = True
    return t
