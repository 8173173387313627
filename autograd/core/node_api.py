"""`Node`: what users can do with a node of the graph."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapegrad.autograd.core.tensor import Tensor
    from tapegrad.autograd.tape.handle import RemovableHandle
    from tapegrad.autograd.tape.input_metadata import InputMetadata


class Node:
    """A node of the graph: an operation that was recorded, or the end of the graph at a leaf.

    ``tensor.grad_fn`` is the node that made a tensor. It can be called with the gradients of its results, and returns those of its operands; no hook runs then.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> node = x.exp().grad_fn
        >>> isinstance(node, tapegrad.autograd.graph.Node), node.name()
        (True, 'ExpBackward0')
        >>> with tapegrad.no_grad():
        ...     node(tapegrad.ones(2))
        tensor([2.7183, 2.7183])
    """

    __slots__ = ()

    def name(self) -> str:
        """The node's name, such as ``MulBackward0``."""
        raise NotImplementedError

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """A pair (node, output number) for each differentiable operand, (None, 0) where no gradient flows."""
        raise NotImplementedError

    @property
    def metadata(self) -> dict[str, Any]:
        """A dict for whatever its user wants to know of the node; it lives as long as the node.

        Example:
            >>> y = tapegrad.ones(2, requires_grad=True) * 2
            >>> y.grad_fn.metadata["made"] = "here"
            >>> y.sum().grad_fn.next_functions[0][0].metadata
            {'made': 'here'}
        """
        store: dict[str, Any] = self._store().setdefault("metadata", {})
        return store

    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call ``fn(grad_inputs, grad_outputs)`` after the node has run in a pass.

        Args:
            fn: is given the gradients of the node's operands and those of its results, each as a tuple with None where there is none; it may return a tuple
                to be used in place of `grad_inputs`.

        Returns:
            A handle whose ``remove()`` removes the hook.

        Example:
            >>> x = tapegrad.ones(2, requires_grad=True)
            >>> y = x.exp()
            >>> handle = y.grad_fn.register_hook(lambda grad_inputs, grad_outputs: (grad_outputs[0] * 10,))
            >>> y.sum().backward()
            >>> x.grad
            tensor([10., 10.])
        """
        from tapegrad.autograd.tape.node_hooks import register_node_hook
        return register_node_hook(self, "after", fn)

    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call ``fn(grad_outputs)`` before the node runs in a pass.

        Args:
            fn: is given the gradients of the node's results, a tuple with None where there is none; it may return a tuple to be used in their place.

        Returns:
            A handle whose ``remove()`` removes the hook.

        Example:
            >>> x = tapegrad.ones(2, requires_grad=True)
            >>> y = x * 2
            >>> handle = y.grad_fn.register_prehook(lambda grad_outputs: (grad_outputs[0] * 10,))
            >>> y.sum().backward()
            >>> x.grad
            tensor([20., 20.])
        """
        from tapegrad.autograd.tape.node_hooks import register_node_hook
        return register_node_hook(self, "before", fn)

    def __call__(self, *grads: Tensor | None, **kwargs: Any) -> Any:
        from tapegrad.autograd.tape.node_call import call_node
        return call_node(self, grads, kwargs)

    def _sequence_nr(self) -> int:
        """A number that grows with each node made."""
        raise NotImplementedError

    @property
    def _input_metadata(self) -> tuple[InputMetadata, ...]:
        """What is known of the gradient of each result."""
        from tapegrad.autograd.tape.input_metadata import input_metadata
        return input_metadata(self)

    def _store(self) -> dict[str, Any]:
        """Where what belongs to the node is kept."""
        raise NotImplementedError
