"""What can be seen of the graph: `next_functions`, `_saved_*`, a leaf's `AccumulateGrad`."""
from __future__ import annotations

import weakref
from typing import Any

from tapegrad.autograd.node import Node, Slot, check_kept, freed
from tapegrad.autograd.tensor import Tensor, from_array


class AccumulateGrad:
    """Stands for a leaf among the nodes: ``.variable`` is the leaf."""

    __slots__ = ("__weakref__", "metadata", "variable")
    next_functions: tuple[Any, ...] = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable
        self.metadata: dict[str, Any] = {}

    def name(self) -> str:
        """The name torch gives it."""
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


# By the leaf's id, and weak: leaf and proxy must not hold each other.
_proxies: weakref.WeakValueDictionary[int, AccumulateGrad] = weakref.WeakValueDictionary()


def accumulate_grad_of(leaf: Tensor) -> AccumulateGrad:
    """The `AccumulateGrad` of a leaf, the same one as long as somebody holds it."""
    proxy = _proxies.get(id(leaf))
    if proxy is None:
        proxy = _proxies[id(leaf)] = AccumulateGrad(leaf)
    return proxy


def function_of(target: Any) -> tuple[Any, int]:
    """An edge's target as torch shows it: (node, output number)."""
    if target is None:
        return None, 0
    if isinstance(target, Slot):
        return target.edges[0], target.nr
    if isinstance(target, Node):
        return target, 0
    return accumulate_grad_of(target), 0


#: torch's names for what it saves, where they are not the operand's
_TORCH_NAMES = {"self": "input"}


def saved_value(node: Node, name: str) -> Any:
    """The value of ``node._saved_<name>``."""
    name = _TORCH_NAMES.get(name, name)
    if name not in node.saved_names:
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")
    if node.saved is None:
        freed(node)
    value = node.saved[node.saved_names.index(name)]
    if isinstance(value, Tensor):
        if value._cell is not None and value._cell.written > node.seq:
            check_kept(node, value)
        return value
    if name == "result":
        t = from_array(value)
        t._node = node
        t._rg = True
        t._cell = node.cell
        return t
    return value
