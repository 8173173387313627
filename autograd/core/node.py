"""`Node`: one recorded application of an op."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tapegrad.autograd.core import node_api as node_base
from tapegrad.autograd.core.gate import gate
from tapegrad.autograd.core.version import INFERENCE_COUNTER, DetachedCounter, VersionCounter, tick
from tapegrad.autograd.types import dtypes
from tapegrad.backends import CPU, Device, backend

new = object.__new__
#: what must hold of a tensor's gradient: shape, dtype, device
Facts = tuple[tuple[int, ...], np.dtype, Device]


class Special:
    """A gradient that is not an array: the engine knows what to do with it."""

    __slots__ = ()
    #: never a target's dtype, so that the engine's one test on dtypes finds these too
    dtype = object()
    #: nor can an array be added to one
    __array_ufunc__ = None


class At(Special):
    """A gradient that is zero except at `index`; the engine adds it into one buffer per target instead of making an
    array of zeros for each.

    Args:
        index: a basic or advanced index.
        grad: the gradient at that index.
        shape: the shape of the whole.
        unique: no element stands twice in `index`, so plain ``+=`` adds it.
    """

    __slots__ = ("grad", "index", "shape", "unique")

    def __init__(self, index: Any, grad: Any, shape: tuple[int, ...], unique: bool) -> None:
        self.index = index
        self.grad = grad
        self.shape = shape
        self.unique = unique


class Part(Special):
    """The gradient of one of a node's several outputs."""

    __slots__ = ("grad", "nr")

    def __init__(self, nr: int, grad: Any) -> None:
        self.nr = nr
        self.grad = grad


class Node(node_base.Node):
    """An op's application on the tape.

    Attributes:
        seq: number in order of creation, from the clock that also stamps writes.
        edges: for each differentiable operand the node that made it, the leaf itself, or None where no gradient is
            asked for.
        saved: what the rules read; None once it has been freed.
        dtype: of the result, so that the engine hands `pull` a gradient of that dtype (None where there are several
            results).
        counter: of the result's memory, once the result is aliased or written.
        extra: unset, or what hooks and the like keep.
    """

    __slots__ = ("__weakref__", "counter", "dtype", "edges", "extra", "saved", "seq")
    seq: int
    edges: tuple[Any, ...]
    saved: Any
    dtype: np.dtype | None
    counter: Any
    extra: dict[str, Any]

    #: whether a pass that does not retain the graph frees `saved`
    frees = False
    #: names of the values in `saved`, for `_saved_*`
    saved_names: tuple[str, ...] = ()
    #: the op's name
    op_name = ""
    #: the op itself, where the node is one's
    op: Any = None
    #: how many of several results can have a gradient, the others coming last; None for all
    takes: int | None = None
    #: of a node that runs hooks, the class without them
    bare: type[Node] | None = None

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        """The gradients of the operands, given that of the result; arrays, or Tensors that record where `graph`."""
        raise NotImplementedError

    def take_counter(self, counter: VersionCounter) -> None:
        """The result has been aliased or written: `counter` tells what becomes of it."""
        self.counter = counter

    @property
    def origin(self) -> Node:
        """The node that is on the tape: another one, of a stand-in that a pass runs in its place."""
        return self

    def name(self) -> str:
        """The node's name, such as ``MulBackward0``; those that PyTorch has written by hand carry its namespace."""
        name = self.__class__.__name__
        return f"torch::autograd::{name}" if name in ("CopySlices", "CopyBackwards") else name

    def _sequence_nr(self) -> int:
        return self.seq

    def _store(self) -> dict[str, Any]:
        extra = self._kept()
        if extra is None:
            extra = self.extra = {}
        return extra

    def _kept(self) -> dict[str, Any] | None:
        """`extra`, None where it is unset; past `__getattr__`, which may know another attribute of that name."""
        try:
            extra: dict[str, Any] = Node.extra.__get__(self)  # type: ignore[attr-defined, misc]
        except AttributeError:
            return None
        return extra

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # `saved/attributes.py` has it

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} object at {id(self):#x}>"


class Slot(Node):
    """Stands between one of several results and the node that made them all."""

    __slots__ = ("nr",)
    nr: int

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        return (Part(self.nr, grad),)

    def take_counter(self, counter: VersionCounter) -> None:
        node = self.edges[0]
        if node.counter is None:
            node.counter = {}
        node.counter[self.nr] = counter


def make_slot(node: Node, nr: int, dtype: np.dtype) -> Slot:
    """The slot that stands for result number `nr` of `node`."""
    slot = new(Slot)
    slot.seq = tick()
    slot.nr = nr
    slot.dtype = dtype
    slot.counter = None
    slot.saved = ()
    slot.edges = (node,)
    return slot


#: by the node's id and the number of the result: the slots of results that their own node keeps, for as long as the
#: result is referred to
kept_slots: weakref.WeakValueDictionary[tuple[int, int], Slot] = weakref.WeakValueDictionary()


def facts_of(t: Any) -> Facts:
    """The facts of the gradient of the tensor `t`."""
    array = t._array
    return array.shape, array.dtype, CPU if array.__class__ is np.ndarray else t.device


def keep_facts(made: Node, t: Any) -> None:
    """Store the facts of `t`, which `made` (a node, or the slot of one of its results) has made.

    A node keeps no shape for this alone: it is stored where a tensor is asked for the node that made it.
    """
    node, nr = (made.edges[0], made.nr) if isinstance(made, Slot) else (made, 0)
    if node is None:  # of a tensor that a pack hook was given, and kept for longer than its graph
        return
    facts = node._store().setdefault("facts", {})
    if nr not in facts:
        facts[nr] = facts_of(t)


def hooked(cls: type[Node]) -> type[Node]:
    """The class for nodes of `cls` with hooks, made once and kept on `cls`, so that both are freed together."""
    made = cls.__dict__.get("hooked")
    if made is None:

        def pull(self: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
            return self.pull_with_hooks(grad, graph)

        made = type(cls.__name__, (cls,), {"__slots__": (), "pull": pull, "bare": cls})
        cls.hooked = made  # type: ignore[attr-defined]
    return made


def extra_of(node: Node) -> dict[str, Any]:
    """The dict where the node keeps its hooks; from now on the node runs them."""
    extra = node._store()
    if node.bare is None:
        node.__class__ = hooked(type(node))
    return extra


def freed(node: Node) -> NoReturn:
    """Raise torch's error for a graph that is gone."""
    raise RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have "
        "already been freed). "
        "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
        "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
        "saved tensors after calling backward."
    )


def plain_name(node: Node) -> str:
    """The name by which torch's errors call a node: ``Mul``."""
    return node.name().removesuffix("0").removesuffix("Backward")


def overwritten(node: Node, counter: VersionCounter, kept: Any, nr: int, producer: Node | None) -> NoReturn:
    """Raise torch's error for a kept value that has been written since; `producer` made it (None: a leaf)."""
    array = kept._array if hasattr(kept, "_counter") else kept
    kind = f"{dtypes.of(array.dtype).scalar_type}Tensor"
    place = "torch." if backend(array).type == "cpu" else "torch.cuda."
    # Nothing is said of what has made an integer: no gradient flows there.
    made = (
        f", which is output {nr} of {plain_name(producer)},"
        if producer is not None and dtypes.is_inexact(array.dtype)
        else ""
    )
    if gate.anomaly:
        hint = (
            "the backtrace further above shows the operation that failed to compute its gradient. The variable in "
            "question was changed in there or "
            "anywhere later. Good luck!"
        )
    else:
        hint = (
            "enable anomaly detection to find the operation that failed to compute its gradient, with "
            "torch.autograd.set_detect_anomaly(True, "
            "check_nan=False)."
        )
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{place}{kind} {list(array.shape)}]{made} "
        f"is at version {counter.version}; expected version {counter.version_at(node.seq)} instead. "
        f"Hint: {hint}"
    )


def refuse_inference() -> NoReturn:
    """Raise torch's error for a node that would keep, or has kept, an inference tensor."""
    raise RuntimeError(
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
        "computation tracked by "
        "autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use "
        "`torch.no_grad()` "
        "instead of `torch.inference_mode()`."
    ) from None


def check_kept(node: Node, kept: Any) -> None:
    """Raise if the kept tensor `kept` has been written since `node` was recorded (called once its counter says so)."""
    counter = kept._counter
    if counter is INFERENCE_COUNTER:
        refuse_inference()
    if isinstance(counter, DetachedCounter) and counter.memory.last_write <= node.seq:
        raise RuntimeError(
            "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not "
            "supported, please use "
            "out-of-place `.detach()` instead"
        )
    producer = kept._node
    nr = producer.nr if isinstance(producer, Slot) else 0
    overwritten(node, kept._counter, kept, nr, producer.edges[0] if isinstance(producer, Slot) else producer)
