"""`AccumulateGrad`: a leaf as a node."""

from __future__ import annotations

import weakref
from typing import Any

from tapegrad.autograd.core.node_api import Node
from tapegrad.autograd.core.tensor import Tensor, extras_of


class AccumulateGrad(Node):
    """The end of the graph at a leaf: ``.variable`` is the leaf.

    A proxy, made on demand and cached weakly: the leaf keeps its hooks and whatever else must last.
    """

    __slots__ = ("__weakref__", "variable")
    next_functions: tuple[Any, ...] = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        """The name torch gives it."""
        return "torch::autograd::AccumulateGrad"

    def _sequence_nr(self) -> int:
        # Larger than any other: a leaf takes its gradient as soon as that is whole.
        return (1 << 64) - 1

    def _store(self) -> dict[str, Any]:
        return extras_of(self.variable)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


# By the leaf's id, weakly: leaf and proxy must form no reference cycle.
_proxies: weakref.WeakValueDictionary[int, AccumulateGrad] = weakref.WeakValueDictionary()


def accumulate_grad_of(leaf: Tensor) -> AccumulateGrad:
    """The `AccumulateGrad` of a leaf: the same object for as long as it is referred to."""
    proxy = _proxies.get(id(leaf))
    if proxy is None:
        proxy = _proxies.setdefault(id(leaf), AccumulateGrad(leaf))
    return proxy
