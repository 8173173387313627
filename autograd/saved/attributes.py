"""What a node keeps: ``node._saved_<name>`` and ``node._raw_saved_<name>``."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.node import Node, check_kept, freed, overwritten
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.saved.packed_values import Packed, unpacked
from tapegrad.backends import ARRAYS

#: torch's names for what it saves, where they are not the operand's
TORCH_NAMES = {"self": "input"}


def saved_value(node: Node, name: str) -> Any:
    """The value of ``node._saved_<name>``."""
    name = TORCH_NAMES.get(name, name)
    if name not in node.saved_names:
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")
    if node.saved is None:
        freed(node)
    kept = node.saved[node.saved_names.index(name)]
    value = unpacked(node, kept, True)
    if isinstance(value, Tensor):
        if value._counter is not None and value._counter.last_write > node.seq:
            check_kept(node, value)
        return value
    if name == "result":
        if not isinstance(kept, Packed) and node.counter is not None and node.counter.last_write > node.seq:
            overwritten(node, node.counter, value, 0, node)
        t = from_array(value)
        t._node = node
        t._requires_grad = True
        t._counter = node.counter
        return t
    # An array without dimensions was a number.
    return from_array(value) if value.__class__ in ARRAYS and value.ndim else value
