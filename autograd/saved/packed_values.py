"""`Packed`: a saved value wrapped by a pack/unpack hook pair, and the nodes that keep such values.

A node with packed values gets a same-named class whose `pull` unpacks them into a twin of the node and runs the rule on
the twin. No other code knows of hooks.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from operator import is_
from typing import Any

from tapegrad.autograd.core.gate import GRAD_OFF, gate, set_bits, settle, state
from tapegrad.autograd.core.node import Node, Part, Slot, check_kept, freed, hooked, new, overwritten
from tapegrad.autograd.core.tensor import Tensor, from_array, kept_result, requires_grad
from tapegrad.autograd.core.version import INFERENCE_COUNTER, VersionCounter, counter_of, tick
from tapegrad.autograd.modes.levels import transforming
from tapegrad.autograd.types import dtypes
from tapegrad.backends import ARRAYS

PackHook = Callable[[Tensor], Any]
UnpackHook = Callable[[Any], Tensor]


class Packed:
    """A saved value that went through a pack hook.

    Attributes:
        kept: what the hook returned.
        unpack: the unpack hook.
        as_array: the rule reads an array, not a tensor.
        target: where the value's gradient flows: a node, a leaf, or None.
        nr: which of the node's results the value is; None for all other values.
        counter: the version counter of the value's memory.
    """

    __slots__ = ("__weakref__", "as_array", "counter", "kept", "nr", "target", "unpack")

    def __init__(
        self, kept: Any, unpack: UnpackHook, as_array: bool, target: Any, nr: int | None, counter: VersionCounter
    ) -> None:
        self.kept = kept
        self.unpack = unpack
        self.as_array = as_array
        self.target = target
        self.nr = nr
        self.counter = counter

    def unpacked(self, node: Node) -> Tensor:
        """What the unpack hook returns.

        Raises:
            TypeError: it is no tensor.
            RuntimeError: it is in the memory that was kept, which has been written since.
        """
        t = self.unpack(self.kept)
        if not isinstance(t, Tensor):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t).__name__}"
            )
        if t._counter is self.counter and self.counter.last_write > node.seq:
            made_by = node if self.nr is not None else self.target
            nr = self.nr or 0
            if isinstance(made_by, Slot):
                made_by, nr = made_by.edges[0], made_by.nr
            overwritten(node, self.counter, t, nr, made_by if isinstance(made_by, Node) else None)
        if transforming():
            for level in state.levels:
                level.unpacked(self, t)
        return t

    def value(self, node: Node, history: bool) -> Any:
        """The value for the rule of `node`; with its history where that is to be recorded."""
        t = self.unpacked(node)
        if self.as_array:
            return t._array
        return self.tied(t, node) if history else from_array(t._array)

    def tied(self, t: Tensor, node: Node) -> Tensor:
        """`t` with the history of the value that was packed."""
        target = self.target
        if t is target:
            return t
        if self.nr is not None:
            return kept_result(node, t._array, None, self.nr if getattr(node, "several", False) else None)
        result = from_array(t._array)
        if target is not None:
            result._requires_grad = True
            result._node = target if isinstance(target, Node) else to_leaf(target)
        return result


# ---- what hooks receive


class MadeBy(Slot):
    """The `grad_fn` of a result that a pack hook receives. It refers to the node weakly: the node keeps what the hook
    returns, which may hold the tensor.
    """

    __slots__ = ("node", "several")
    node: weakref.ref[Node]
    several: bool

    @property
    def edges(self) -> tuple[Any, ...]:  # type: ignore[override]
        return (self.node(),)

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        node = self.node()
        if node is None:
            raise RuntimeError("the graph of a tensor that a pack hook received is gone")
        return (Part(self.nr, grad) if self.several else grad,)

    def take_counter(self, counter: VersionCounter) -> None:
        raise AssertionError("the tensor had its counter from the start")


def given_result(node: Node, array: Any, nr: int, several: bool, counter: VersionCounter) -> Tensor:
    """A saved result as a pack hook receives it."""
    t = from_array(array)
    t._counter = counter
    if dtypes.is_inexact(array.dtype):
        slot = new(MadeBy)
        slot.seq = tick()
        slot.nr = nr
        slot.dtype = array.dtype
        slot.counter = None
        slot.saved = ()
        slot.node = weakref.ref(node)
        slot.several = several
        t._requires_grad = True
        t._node = slot
    return t


class ToLeaf(Node):
    """Between an unpacked value and the leaf that was packed."""

    __slots__ = ()

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        return (grad,)


def to_leaf(leaf: Tensor) -> ToLeaf:
    """A node whose gradient is that of `leaf`."""
    node = new(ToLeaf)
    node.seq = tick()
    node.edges = (leaf,)
    node.saved = ()
    node.dtype = leaf._array.dtype
    node.counter = None
    return node


# ---- packing


def pack(
    given: Tensor, hooks: tuple[PackHook, UnpackHook], as_array: bool, target: Any = None, nr: int | None = None
) -> Packed:
    """Send the value `given` through a pack hook.

    Raises:
        RuntimeError: the hook has written to it.
    """
    counter = counter_of(given)
    version = counter.version
    before = state.bits
    try:
        set_bits(state.bits | GRAD_OFF)
        kept = hooks[0](given)
    finally:
        gate.on, state.bits = True, before | gate.always
        settle()
    if counter.version != version:
        raise RuntimeError(
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot "
            "be modified by in-place "
            "operations as this can lead to unexpected side-effects. Please open an issue if you need to perform "
            "in-place operations on the "
            "input to a pack hook."
        )
    if kept is given and target is not given and nr is None:
        # Written later, `given` could come to have a history that holds the node.
        kept = given.detach()
    return Packed(kept, hooks[1], as_array, target, nr, counter)


def pack_operand(node: Node, t: Tensor, hooks: tuple[PackHook, UnpackHook]) -> Packed:
    """Send a tensor that `node` is about to keep through a pack hook."""
    if t._counter is INFERENCE_COUNTER:
        check_kept(node, t)
    return pack(t, hooks, False, (t._node or t) if requires_grad(t) else None)


class _Packing:
    """What one node keeps, on its way through hooks."""

    __slots__ = ("hooks", "names", "node", "op", "results")

    def __init__(self, node: Node, results: tuple[Tensor, ...], hooks: tuple[PackHook, UnpackHook]) -> None:
        self.node = node
        self.op = node.op
        self.names = self.op.outs if isinstance(self.op.outs, tuple) and self.op.outs else ("result",)
        self.results = results
        self.hooks = hooks

    def packed(self, name: str, value: Any) -> Any:
        if isinstance(value, Tensor):
            return pack_operand(self.node, value, self.hooks)
        if value.__class__ in ARRAYS:
            if name in self.names:
                return self.result(self.names.index(name), value)
            # A 0-d array among the operands was a number.
            return pack(from_array(value), self.hooks, True) if value.ndim or name in self.op.keeps else value
        if name == "results":
            return type(value)([self.result(nr, y) for nr, y in enumerate(value)])
        if value.__class__ is tuple or value.__class__ is list:
            items = [self.packed(name, item) for item in value]
            return value if all(map(is_, items, value)) else value.__class__(items)
        return value

    def result(self, nr: int, array: Any) -> Packed:
        given = given_result(self.node, array, nr, bool(self.op.outs), counter_of(self.results[nr]))
        return pack(given, self.hooks, True, nr=nr)


def pack_kept(node: Node, results: tuple[Tensor, ...], hooks: tuple[PackHook, UnpackHook]) -> None:
    """Send all that the node of an op keeps through hooks; `results` are the tensors it has made."""
    if node.saved:
        packing = _Packing(node, results, hooks)
        saved = tuple([packing.packed(name, value) for name, value in zip(node.saved_names, node.saved)])
        if not all(map(is_, saved, node.saved)):
            node.saved = saved
            guard(node)


# ---- unpacking


def guard(node: Node) -> None:
    """Make `node` unpack what it keeps."""
    if node.bare is None:
        node.__class__ = _unpacking(type(node))
    else:
        node.__class__ = hooked(_unpacking(node.bare))


def _unpacking(cls: Any) -> Any:
    """The class for nodes of `cls` with packed values, made once and kept on `cls`."""
    if "guarded" not in cls.__dict__:
        cls.guarded = _guarded(cls)
    return cls.guarded


def _guarded(cls: Any) -> Any:
    twins = type(cls.__name__, (cls,), {"__slots__": ("origin",)})

    def pull(self: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
        saved = self.saved
        if saved is None:
            freed(self)
        twin: Any = new(twins)
        twin.seq = self.seq
        twin.edges = self.edges
        twin.dtype = self.dtype
        twin.origin = self
        twin.counter = None if any(map(_has_result, saved)) else self.counter
        before = state.bits
        try:
            set_bits(state.bits if graph else state.bits | GRAD_OFF)
            twin.saved = tuple([unpacked(self, value, graph) for value in saved])
        finally:
            gate.on, state.bits = True, before | gate.always
            settle()
        return cls.pull(twin, grad, graph)

    guarded = type(cls.__name__, (cls,), {"__slots__": (), "pull": pull})
    guarded.guarded = guarded  # type: ignore[attr-defined]
    return guarded


def _has_result(value: Any) -> bool:
    """Whether one of the node's own results is packed: writes to the result itself then do not matter."""
    return (isinstance(value, Packed) and value.nr is not None) or (
        isinstance(value, (tuple, list)) and any(map(_has_result, value))
    )


def unpacked(node: Node, value: Any, history: bool) -> Any:
    """A saved value as the rule of `node` reads it."""
    if value.__class__ is Packed:
        return value.value(node, history)
    if value.__class__ is tuple or value.__class__ is list:
        return value.__class__([unpacked(node, item, history) for item in value])
    return value
