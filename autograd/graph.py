"""The graph, as users see and name its parts: nodes, edges, hooks on several tensors at once, what nodes keep."""

from __future__ import annotations

from collections.abc import Iterable

from tapegrad.autograd.core.node_api import Node
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.core.version import INFERENCE_COUNTER, bump
from tapegrad.autograd.saved import attributes as _attributes  # noqa: F401  Node's `_saved_*`
from tapegrad.autograd.saved.allow_mutation import allow_mutation_on_saved_tensors
from tapegrad.autograd.saved.hooks import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks
from tapegrad.autograd.tape import node_call as _node_call  # noqa: F401  Node's `__call__`
from tapegrad.autograd.tape.gradient_edge import GradientEdge, get_gradient_edge
from tapegrad.autograd.tape.multi_grad_hook import register_multi_grad_hook

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Tell the tape that the memory of a tensor has been written, where it cannot know: by a kernel, or through
    ``tensor.array``.

    A backward pass that needs what was there before then raises. Inference tensors track no version and are left alone.

    Args:
        tensor: a tensor, or several.

    Raises:
        RuntimeError: it is none.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> y = x.exp()
        >>> y.array[0] = 5.0
        >>> tapegrad.autograd.graph.increment_version(y)
        >>> y._version
        1
    """
    if isinstance(tensor, Tensor):
        tensors = [tensor]
    elif isinstance(tensor, Iterable):
        tensors = list(tensor)
    else:
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    for t in tensors:
        if not isinstance(t, Tensor):
            raise RuntimeError("increment_version expects each element of the iterable to be a tensor")
        if t._counter is not INFERENCE_COUNTER:
            bump(t)
