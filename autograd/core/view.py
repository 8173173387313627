"""`View`: how a tensor was made as a view of another, and what writes to either mean for both.

A view finds its history again, by repeating how it was made, once it notices that its memory has a new version.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NoReturn

from tapegrad.autograd.core.gate import GRAD_OFF, TRANSFORM, gate, set_bits, settle, state
from tapegrad.autograd.core.history import run, set_node
from tapegrad.autograd.core.node import Node, Slot, plain_name
from tapegrad.autograd.core.tensor import Tensor, requires_grad
from tapegrad.autograd.core.version import INFERENCE_COUNTER, counter_of, tick
from tapegrad.autograd.types import dtypes


class Former(Tensor):
    """What a tensor was before a view of it took its place (``t_()``): the root of the views made until then, and of
    the tensor itself.

    Attributes:
        now: the tensor, weakly.
    """

    __slots__ = ("now",)
    now: weakref.ref[Tensor]


class View:
    """How a tensor was made as a view of another.

    Attributes:
        root: the tensor that is no view itself.
        replay: the steps from `root`: (function, arguments, number of the result or None).
        seen: the version of the memory for which the view's node is right.
        origin: "" | "multi" (one of several views an op returned) | "no_grad" | "inference" (made in inference mode) |
            "custom" (made in a custom Function).
    """

    __slots__ = ("origin", "replay", "root", "seen")

    def __init__(
        self,
        root: Tensor,
        replay: tuple[tuple[Callable[..., Any], tuple[Any, ...], int | None], ...],
        seen: int,
        origin: str,
    ) -> None:
        self.root = root
        self.replay = replay
        self.seen = seen
        self.origin = origin

    def sync(self, view: Tensor) -> bool:
        """Bring the view's node up to date with writes to the memory; returns whether the view requires grad."""
        version = counter_of(view).version
        if version != self.seen and dtypes.is_inexact(view._array.dtype):
            self.settle()
            flows = requires_grad(self.root)
            if self.origin and (flows or view._node is not None):
                refuse_view(view, "its base or another view of its base has been")
            if flows:
                before = state.bits
                try:
                    set_bits(state.bits & TRANSFORM)
                    again = run(self.replay, self.root)
                finally:
                    gate.on, state.bits = True, before | gate.always
                    settle()
                if again._node is not None:
                    set_node(view, again._node)
                else:
                    view._node, view._requires_grad = None, again._requires_grad
                self.seen = version
            elif view._node is not None:
                # The root has been detached in place, and then written: nothing flows back from what is there now.
                set_node(view, rootless(view))
                self.seen = version
        return view._requires_grad or self.flows(view)

    def asked(self, view: Tensor) -> bool:
        """`sync`, as an op asks it of its operands."""
        return self.sync(view)

    def flows(self, view: Tensor) -> bool:
        """Whether the view requires grad, of itself or because its root does."""
        return view._requires_grad or (requires_grad(self.root) and dtypes.is_inexact(view._array.dtype))

    def settle(self) -> None:
        """A root that has itself been made a view in place (``t_()``) is replaced by what it was."""
        while self.root._view is not None:
            self.root = self.root._view.root

    def base(self, view: Tensor) -> Tensor | None:
        """The tensor that `view` is a view of, as users see it: None for one that only stands for what it was before
        ``t_()``.
        """
        self.settle()
        root = self.root
        if isinstance(root, Former):
            now = root.now()
            return None if now is view else root if now is None else now
        return root


class ZeroGradientBackward0(Node):
    """The node of a view whose root has been detached in place and then written: no gradient flows on from it."""

    __slots__ = ()
    op_name = "zero_gradient"

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        return (None,)


def rootless(view: Tensor) -> Node:
    """A node for `view` from which no gradient flows on."""
    node = ZeroGradientBackward0()
    node.seq = tick()
    node.edges = (None,)
    node.saved = ()
    node.dtype = view._array.dtype
    node.counter = None
    return node


def make_view(
    function: Callable[..., Any], view: Tensor, source: Tensor, args: tuple[Any, ...], bits: int, nr: int | None = None
) -> None:
    """Make `view`, just made from `source` by ``function(source, *args)``, a differentiable view of it."""
    counter = counter_of(source)
    view._counter = counter
    if counter is INFERENCE_COUNTER:
        return
    origin = "no_grad" if bits & GRAD_OFF else "multi" if nr is not None else ""
    step = (function, args, nr)
    base = source._view
    if base is None:
        view._view = View(source, (step,), counter.version, origin)
    else:
        view._view = View(base.root, (*base.replay, step), counter.version, origin or base.origin)


_BOTH = (
    " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving "
    "both the view and the inplace either "
    "both inside the {0} block (if you don't want the inplace to be tracked) or both outside (if you want the "
    "inplace to be tracked)."
)
_WHY = {
    "no_grad": _BOTH.format("no_grad"),
    "inference": _BOTH.format("inference_mode"),
    "multi": " This view is the output of a function that returns multiple views. Such functions do not allow the "
    "output views to be modified inplace. You "
    "should replace the inplace operation by an out-of-place one.",
    "custom": " This view was created inside a custom Function (or because an input was returned as-is) and the "
    "autograd logic to handle view+inplace would "
    "override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior "
    "is forbidden. You can fix this "
    "by cloning the output of the custom Function.",
}


def refuse_view(view: Tensor, happening: str) -> NoReturn:
    """Raise torch's error for a write that autograd could not follow; `happening` tells how the view and it are
    related.
    """
    assert view._view is not None
    origin, node = view._view.origin, view._node
    made = (
        None
        if node is None
        else f"Output {view.output_nr} of {plain_name(node.edges[0] if isinstance(node, Slot) else node)} is a view"
    )
    if made is not None and origin not in ("no_grad", "inference"):
        what = f"{made} and {happening} modified inplace."
    else:
        mode, outside = (
            ("inference mode", "in normal mode")
            if origin == "inference"
            else ("no_grad mode", "with grad mode enabled")
        )
        what = (
            f"{'A view was' if made is None else made + ' of a view which was'} created in {mode} and {happening} "
            f"modified inplace {outside}."
        )
    raise RuntimeError(what + _WHY[origin])
