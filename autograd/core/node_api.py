"""`Node`: what users can do with a node of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


class Node:
    """A node of the graph: an operation that was recorded, or the end of the graph at a leaf.

    ``tensor.grad_fn`` is the node that made a tensor. It can be called with the gradients of its results, and returns
    those of its operands; no hook runs then.

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

    if TYPE_CHECKING:
        # `tape/` puts these here.
        _input_metadata: Any

        def register_hook(self, fn: Any) -> Any: ...
        def register_prehook(self, fn: Any) -> Any: ...
        def __call__(self, *grads: Any, **kwargs: Any) -> Any: ...

    def _sequence_nr(self) -> int:
        """A number that grows with each node made."""
        raise NotImplementedError

    def _store(self) -> dict[str, Any]:
        """Where what belongs to the node is kept."""
        raise NotImplementedError
