"""Calling a node: the gradients of its operands for given gradients of its results, outside of any pass."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core import node_api as node_base
from tapegrad.autograd.core.methods import method_of
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.grad_mode import is_grad_enabled, no_grad
from tapegrad.autograd.tape.accumulate_grad import AccumulateGrad
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.autograd.tape.hook_values import seen
from tapegrad.autograd.tape.input_metadata import count_of
from tapegrad.autograd.tape.sums import Sums, own_copy
from tapegrad.autograd.tape.tensor_hooks import run_accumulated_hooks


@method_of(node_base.Node, "__call__")
def call_node(self: Any, *grads: Tensor | None, **kwargs: Any) -> Any:
    """Run the node outside of any pass; recorded where grad mode is on. No hook of a tensor or node runs.

    Args:
        grads: a gradient for each of its results; None where there is none.
        kwargs: refused.

    Returns:
        The gradient of the operand, or a tuple of those of several.

    Raises:
        TypeError: wrong arguments, or the node of a Function.
    """
    if isinstance(self, BackwardCFunction):
        raise TypeError(f"'{type(self).__name__}' object is not callable")
    if kwargs:
        raise TypeError("keyword arguments are not supported")
    count = count_of(self)
    if len(grads) != count:
        raise TypeError(f"expected {count} arguments, got {len(grads)} instead")
    for i, grad in enumerate(grads):
        if grad is not None and not isinstance(grad, Tensor):
            raise TypeError(f"argument {i} is not a Variable")
    if isinstance(self, AccumulateGrad):
        _accumulate(self.variable, grads[0])
        return ()
    results = _pull(self, grads)
    return results[0] if len(results) == 1 else results


def _pull(node: Node, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    arrived = [None if grad is None else seen(grad, True) for grad in grads]
    if all(grad is None for grad in arrived):
        return (None,) * len(node.edges)
    if node.dtype is None:
        # Integer results have no gradient.
        arrived += [None] * (node.count - len(arrived))
    found = (node.bare or type(node)).pull(node, arrived if node.dtype is None else arrived[0], True)
    results: list[Tensor | None] = []
    for d, target in zip(found, node.edges):
        sums = Sums(True)
        if d is not None and target is not None:
            sums.add(target, d, None)
        total = sums.take(target)
        results.append(None if total is None else seen(total, True))
    return tuple(results)


def _accumulate(leaf: Tensor, grad: Tensor | None) -> None:
    """Add `grad` to ``leaf.grad``, and call the hooks that come after an accumulation."""
    graph = is_grad_enabled()
    if grad is not None:
        have = leaf.grad
        if grad.shape != leaf.shape:
            leaf.detach() + grad  # tells what is wrong, where the shapes do not even broadcast
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(grad.shape)}' to a tensor of size "
                f"'{list(leaf.shape)}'. "
                "Please ensure that the gradient and the tensor are the same size"
            )
        if have is None:
            leaf.grad = own_copy(grad, leaf._array) if graph else grad.detach().clone()
        elif graph:
            leaf.grad = have + grad
        else:
            with no_grad():
                have += grad
    if getattr(leaf, "_extras", None) is not None:
        run_accumulated_hooks(leaf, graph)
