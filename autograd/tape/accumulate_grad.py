"""`AccumulateGrad`: stands for a leaf among the nodes."""
from __future__ import annotations

import weakref
from typing import Any

from tapegrad.autograd.core.node_api import Node
from tapegrad.autograd.core.tensor import Tensor


class AccumulateGrad(Node):
    """The end of the graph at a leaf: ``.variable`` is the leaf.

    It is made when somebody asks for it and goes when nobody holds it, so what belongs to it, its hooks too, is kept by the leaf.
    """

    __slots__ = ("__weakref__", "variable")
    next_functions: tuple[Any, ...] = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        """The name torch gives it."""
        return "torch::autograd::AccumulateGrad"

    def _sequence_nr(self) -> int:
        # After all others: a pass hands a leaf its gradient as soon as that is whole.
        return (1 << 64) - 1

    def _store(self) -> dict[str, Any]:
        from tapegrad.autograd.tape.tensor_hooks import more_of
        return more_of(self.variable)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


# By the leaf's id, and weak: leaf and proxy must not hold each other.
_proxies: weakref.WeakValueDictionary[int, AccumulateGrad] = weakref.WeakValueDictionary()


def accumulate_grad_of(leaf: Tensor) -> AccumulateGrad:
    """The `AccumulateGrad` of a leaf, the same one as long as somebody holds it."""
    proxy = _proxies.get(id(leaf))
    if proxy is None:
        proxy = _proxies.setdefault(id(leaf), AccumulateGrad(leaf))
    return proxy
