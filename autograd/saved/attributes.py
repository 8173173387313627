"""What a node keeps: ``node._saved_<name>`` and ``node._raw_saved_<name>``."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.methods import method_of
from tapegrad.autograd.core.node import Node, check_kept, freed, overwritten
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.core.version import VersionCounter
from tapegrad.autograd.saved.packed_values import Packed, PackHook, UnpackHook, given_result, guard, pack, unpacked
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


class SavedTensor:
    """A value that a node keeps, as ``node._raw_saved_<name>`` shows it."""

    __slots__ = ("_index", "_item", "_node")

    def __init__(self, node: Node, index: int, item: int | None) -> None:
        self._node = node
        self._index = index
        self._item = item

    def register_hooks(self, pack_hook: PackHook, unpack_hook: UnpackHook) -> None:
        """Send the value through `pack_hook` now, and keep what that returns; reading it calls `unpack_hook`.

        Raises:
            RuntimeError: the value is None, has been freed, or has hooks already.
            TypeError: a hook cannot be called.
        """
        if not (callable(pack_hook) and callable(unpack_hook)):
            raise TypeError(
                "register_hooks(): incompatible function arguments. The following argument types are supported:\n"
                "    1. (self: torch._C._autograd.SavedTensor, arg0: collections.abc.Callable, arg1: "
                "collections.abc.Callable) -> None\n"
            )
        node = self._node
        if node.saved is None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the "
                "graph are freed when you "
                "call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
                "graph a second time or if "
                "you need to access saved variables after calling backward."
            )
        value = node.saved[self._index]
        kept = value if self._item is None else value[self._item]
        if kept is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        if isinstance(kept, Packed):
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of "
                "hooks is allowed at a time."
            )
        packed = self._pack(kept, (pack_hook, unpack_hook))
        if self._item is not None:
            items = list(value)
            items[self._item] = packed
            packed = value.__class__(items)
        node.saved = (*node.saved[: self._index], packed, *node.saved[self._index + 1 :])
        if not hasattr(type(node), "saved_tensors"):  # a Function's node unpacks for itself
            guard(node)

    def _pack(self, kept: Any, hooks: tuple[PackHook, UnpackHook]) -> Packed:
        node = self._node
        if isinstance(kept, Tensor):
            # PyTorch gives this hook no history.
            target = (kept._node or kept) if requires_grad(kept) else None
            return pack(kept.detach(), hooks, False, target)
        array, nr = (kept, self._nr()) if kept.__class__ in ARRAYS else (kept.array, kept.nr)
        if nr is None:
            return pack(from_array(array), hooks, True)
        several = bool(node.op.outs) if node.op is not None else getattr(node, "several", False)
        counter = node.counter.get(nr) if several and node.counter is not None else node.counter
        return pack(
            given_result(node, array, nr, several, counter or VersionCounter()), hooks, node.op is not None, nr=nr
        )

    def _nr(self) -> int | None:
        """Which of an op's results the value is."""
        op, name = self._node.op, self._node.saved_names[self._index]
        if name == "results":
            return self._item
        names = op.outs if isinstance(op.outs, tuple) and op.outs else ("result",)
        return names.index(name) if name in names else None

    def __repr__(self) -> str:
        return f"<SavedTensor object at {id(self):#x}>"


def raw_saved(node: Node, name: str) -> Any:
    """The value of ``node._raw_saved_<name>``: one `SavedTensor`, or a tuple of them."""
    if name == "tensors" and hasattr(type(node), "saved_tensors"):
        if node.saved is None:
            freed(node)
        return tuple([SavedTensor(node, i, None) for i in range(len(node.saved))])
    known = TORCH_NAMES.get(name, name)
    if known not in node.saved_names:
        raise AttributeError(f"'{node.name()}' object has no attribute '_raw_saved_{name}'")
    index = node.saved_names.index(known)
    value = None if node.saved is None else node.saved[index]
    if isinstance(value, (tuple, list)):
        return tuple([SavedTensor(node, index, i) for i in range(len(value))])
    return SavedTensor(node, index, None)


@method_of(Node, "__getattr__")
def _saved_attribute(self: Node, name: str) -> Any:
    if name.startswith("_saved_"):
        return saved_value(self, name.removeprefix("_saved_"))
    if name.startswith("_raw_saved_"):
        return raw_saved(self, name.removeprefix("_raw_saved_"))
    raise AttributeError(f"'{self.__class__.__name__}' object has no attribute '{name}'")
