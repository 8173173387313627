"""Writing to tensors: in-place forms of ops, views, `out=`.

The in-place form of an op is derived from the op: its node is recorded as if the result were new, then becomes the node of the tensor written
(its history is rebased). A rule that reads the written operand gets a copy of it, made before the write. A write to a view also rebases the tensor
it views, by a `copy_slices` node; other views notice that their memory has a new version and find their node again by repeating how they were made.
"""
from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.cell import INFERENCE_CELL, Cell, cell_of, tick, written
from tapegrad.autograd.gate import GRAD_OFF, INFERENCE, gate, set_bits, state
from tapegrad.autograd.node import Node, Slot, plain_name
from tapegrad.autograd.tensor import Tensor, from_array, requires_grad
from tapegrad.backends import ARRAYS, backend


class View:
    """How a tensor was made as a view of another.

    Attributes:
        root: the tensor that is no view itself.
        replay: the steps from `root`: (function, arguments, number of the result or None).
        seen: the version of the memory for which the view's node is right.
        origin: "" | "multi" (one of several views an op returned) | "no_grad" | "custom" (made in a custom Function).
    """

    __slots__ = ("origin", "replay", "root", "seen")

    def __init__(self, root: Tensor, replay: tuple[tuple[Callable[..., Any], tuple[Any, ...], int | None], ...], seen: int, origin: str) -> None:
        self.root = root
        self.replay = replay
        self.seen = seen
        self.origin = origin

    def sync(self, view: Tensor) -> bool:
        """Bring the view's node up to date with writes to the memory; returns whether it requires grad."""
        version = cell_of(view).version
        if version != self.seen and view._array.dtype in dtypes.INEXACT:
            self.settle()
            flows = requires_grad(self.root)
            if self.origin and (flows or view._node is not None):
                refuse_view(view, self, "its base or another view of its base has been")
            if flows:
                before = set_bits(0)
                try:
                    again = run(self.replay, self.root)
                finally:
                    set_bits(before)
                if again._node is not None:
                    set_node(view, again._node)
                else:
                    view._node, view._rg = None, again._rg
                self.seen = version
            elif view._node is not None:
                # The root has been detached in place, and then written: nothing flows back from what is there now.
                set_node(view, rootless(view))
                self.seen = version
        return view._rg

    def flows(self, view: Tensor) -> bool:
        """Whether the view requires grad, also where `sync` can only raise."""
        if self.origin and cell_of(view).version != self.seen and view._array.dtype in dtypes.INEXACT:
            return view._rg or requires_grad(self.root)
        return self.sync(view)

    def settle(self) -> None:
        """A root that has itself been made a view in place (``t_()``) is replaced by what it was."""
        while self.root._base is not None:
            self.root = self.root._base.root


def rootless(view: Tensor) -> Node:
    """A node for `view` from which no gradient flows on."""
    from tapegrad.autograd.ops.common import zeros
    before = from_array(view._array)
    before._rg, before._node = True, view._node
    op: Any = zeros.op
    op.build()
    node: Node = op.record(view._array, before)
    node.edges = (None,)
    return node


def run(replay: tuple[tuple[Callable[..., Any], tuple[Any, ...], int | None], ...], root: Any) -> Any:
    """The view of `root` (a tensor or an array) that the steps make."""
    for function, args, nr in replay:
        root = function(root, *args)
        if nr is not None:
            root = root[nr]
    return root


def make_view(function: Callable[..., Any], view: Tensor, source: Tensor, args: tuple[Any, ...], bits: int, nr: int | None = None) -> None:
    """Make `view`, just made from `source` by ``function(source, *args)``, a differentiable view of it."""
    cell = cell_of(source)
    view._cell = cell
    if cell is INFERENCE_CELL:
        return
    origin = "no_grad" if bits & GRAD_OFF else "multi" if nr is not None else ""
    step = (function, args, nr)
    base = source._base
    if base is None:
        view._base = View(source, (step,), cell.version, origin)
    else:
        view._base = View(base.root, (*base.replay, step), cell.version, origin or base.origin)


# ---- in-place forms

def check_writable(t: Tensor, recording: bool) -> None:
    """Raise torch's error where autograd forbids to write `t` now."""
    if t._cell is INFERENCE_CELL and not state.bits & INFERENCE:
        INFERENCE_CELL.write()
    if not (gate.on and state.bits & GRAD_OFF):
        base = t._base
        if base is None:
            if t._rg and t._node is None:
                raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        else:
            if base.origin and recording:
                refuse_view(t, base, "is being")
            base.settle()
            root = base.root
            if root._node is None and (root._rg or t._rg) and t._array.dtype in dtypes.INEXACT:
                raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")

def check_overlap(array: Any) -> None:
    """Raise torch's error where an array to be written shows an element of memory twice."""
    if array.size > 1 and 0 in array.strides and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape)):
        raise RuntimeError("unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
                           "Please clone() the tensor before performing the operation.")


def refuse_view(t: Tensor, base: View, happening: str) -> NoReturn:
    """Raise torch's error for a write that autograd could not follow; `happening` tells how `t` and it are related."""
    node = t._node
    if node is None:
        what = f"A view was created in no_grad mode and {happening} modified inplace with grad mode enabled."
    else:
        what = f"Output {t.output_nr} of {plain_name(node.edges[0] if isinstance(node, Slot) else node)} is a view and {happening} modified inplace."
    if base.origin == "no_grad":
        raise RuntimeError(f"{what} Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the "
                           "view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you "
                           "want the inplace to be tracked).")
    if base.origin == "multi":
        raise RuntimeError(f"{what} This view is the output of a function that returns multiple views. Such functions do not allow the output views to be "
                           "modified inplace. You should replace the inplace operation by an out-of-place one.")
    raise RuntimeError(f"{what} This view was created inside a custom Function (or because an input was returned as-is) and "
                       "the autograd logic to handle view+inplace would override the custom backward associated with the custom Function, leading to "
                       "incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function.")


def as_before(t: Tensor, array: Any) -> Tensor:
    """`t` as it was before a write, over `array`."""
    snapshot = from_array(array)
    snapshot._rg = requires_grad(t)
    snapshot._node = t._node
    if t._rg and t._node is None:
        raise AssertionError("a leaf that requires grad has no earlier self")
    return snapshot


def stale_alias(t: Tensor) -> Tensor:
    """`t` as an operand of the op that overwrites it: using it in backward raises, and it does not hold on to the new history."""
    alias = as_before(t, t._array)
    alias._cell = Cell()
    alias._cell.written = 1 << 62
    alias._cell.version = cell_of(t).version + 1
    return alias


def apply(function: Callable[..., Any], t: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """``function(t, *args, **kwargs)``, written into `t`; returns `t`."""
    grad_on = not (gate.on and state.bits & GRAD_OFF)
    recording = grad_on and (t.requires_grad or any_requires_grad(args) or any_requires_grad(kwargs.values()))
    check_writable(t, recording)
    check_overlap(t._array)
    op = getattr(function, "op", None)
    if not recording:
        raw = op.inplace_fn if op is not None else None
        if raw is None or not _direct(t, args, kwargs):
            result = function(from_array(t._array), *args, **kwargs)
            overwrite(function.__name__, t, result._array)
        else:
            try:
                raw(t._array, *[a._array if isinstance(a, Tensor) else a for a in args], **kwargs)
            except (ValueError, OverflowError):
                # The op itself tells what is wrong: shapes that do not broadcast, or a result larger than the target.
                overwrite(function.__name__, t, function(from_array(t._array), *args, **kwargs)._array)
        written(t)
        return t
    reads_target, keeps_result = reads_in_backward(op) if op is not None else (True, False)
    before = as_before(t, t._array.copy() if reads_target else t._array)
    args = tuple(stale_alias(t) if a is t else a for a in args)
    result = function(before, *args, **kwargs)
    overwrite(function.__name__, t, result._array)
    written(t)
    if result._node is None and before._rg:
        # An op without gradients: that of what it has overwritten is zero.
        from tapegrad.autograd.ops.common import zeros
        result = zeros(before)
    elif keeps_result:
        keep_in_place(result, t)
    rebase(t, result)
    return t


@cache
def reads_in_backward(op: Any) -> tuple[bool, bool]:
    """Whether a rule of `op` reads the first operand, and whether rules read the result and no operand at all."""
    operands = list(op.rules)
    return op.reads(operands[0]), op.reads("result") and not op.keeps and not any(map(op.reads, operands))


def keep_in_place(result: Tensor, t: Tensor) -> None:
    """Let the node of `result` keep the array of `t`, which now holds the same values, instead of one of its own."""
    node = result._node
    if node is None or result._array.dtype is not t._array.dtype:
        return
    node.saved = tuple([t._array if value is result._array else value for value in node.saved])
    node.seq = tick()  # after the write
    node.cell = t._cell


def _direct(t: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the array library's own in-place form does what torch asks: one dtype, one device, no operand that must be looked at first."""
    array = t._array
    for a in args:
        if isinstance(a, Tensor):
            if a._array.__class__ is not array.__class__ or a._array.dtype is not array.dtype or a._array.ndim > array.ndim:
                return False
            if a._array is not array and a._cell is not None and a._cell is t._cell:
                return False
        elif not (a.__class__ is float and array.dtype in dtypes.INEXACT) and a.__class__ is not int and a.__class__ is not bool:
            return False
    return not any(isinstance(v, Tensor) for v in kwargs.values())


def any_requires_grad(values: Any) -> bool:
    """Whether a tensor among `values` requires grad."""
    return any(isinstance(v, Tensor) and requires_grad(v) for v in values)


def overwrite(name: str, t: Tensor, value: Any) -> None:
    """Write the array `value` over `t`'s, by torch's rules for dtype and shape."""
    array = t._array
    if value.shape != array.shape:
        raise RuntimeError(f"output with shape {list(array.shape)} doesn't match the broadcast shape {list(value.shape)}")
    if value.dtype is not array.dtype and dtypes.category(value.dtype) > dtypes.category(array.dtype):
        raise RuntimeError(f"result type {dtypes.of(value.dtype).scalar_type} can't be cast to the desired output type {dtypes.of(array.dtype).scalar_type}")
    array[...] = value


def rebase(t: Tensor, result: Tensor) -> None:
    """Give `t`, whose memory has been overwritten with `result`, the history of `result`; where it is a view, its root too."""
    if result._node is None:
        return
    if result._array.dtype is not t._array.dtype:
        from tapegrad.autograd.ops.convert import cast
        result = cast(result, t._array.dtype)
    assert result._node is not None
    base = t._base
    if base is None:
        set_node(t, result._node)
        return
    base.settle()
    root = base.root
    before = as_before(root, root._array) if root._rg else from_array(root._array)
    set_node(root, copy_slices_node(before, result, base.replay))
    if t.retains_grad:
        base.sync(t)  # the gradient of the old value is not what it retains


def set_node(t: Tensor, node: Node) -> None:
    """Make `node` the one that made `t`; `retain_grad` follows the newest value."""
    let_go(t, node)
    if t.retains_grad:
        from tapegrad.autograd.hooks import extra_of
        assert t._node is not None
        extra_of(node)["retained"] = t._node.extra.pop("retained")
    t._node = node
    t._rg = True


def let_go(t: Tensor, node: Node) -> None:
    """Where a node below `node` keeps `t` or a view of it, have it keep what that was: else tensor and nodes would hold each other in a ring.

    Only nodes made since `t` got the node it has can keep it as it is now, so no other is looked at.
    """
    since = t._node.seq if t._node is not None else 0
    seen = {node}
    stack = [node]
    while stack:
        kept = stack.pop()
        if kept.saved and any(_holds(value, t) for value in kept.saved):
            kept.saved = tuple([_former(value, t) for value in kept.saved])
        for edge in kept.edges:
            if isinstance(edge, Node) and edge.seq > since and edge not in seen:
                seen.add(edge)
                stack.append(edge)


def _holds(value: Any, t: Tensor) -> bool:
    if isinstance(value, Tensor):
        return value is t or (value._base is not None and value._base.root is t)
    return isinstance(value, tuple) and any(_holds(item, t) for item in value)


def _former(value: Any, t: Tensor) -> Any:
    """What a node keeps, with `t` and its views as they were; the cell they share tells of the write."""
    if isinstance(value, tuple):
        return tuple([_former(item, t) for item in value])
    if not _holds(value, t):
        return value
    former = from_array(value._array)
    former._rg = value._rg
    former._node = value._node
    former._cell = value._cell
    return former


class CopySlices(Node):
    """The node of a tensor that has been written through a view of it: part of its gradient goes to what was written."""

    __slots__ = ()
    op_name = "copy_slices"
    saved_names = ("replay", "steps")

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        # Views of real memory as complex, or the other way round, show a gradient by PyTorch's convention: the conjugate of what the tape carries.
        rest, part = self._parts(_conjugated(grad), graph)
        return _conjugated(rest), _conjugated(part)

    def _parts(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        replay, steps = self.saved
        to_before, to_value = self.edges
        # The steps repeat what was done to the root, and give views of its like only where the memory is laid out as the root's.
        if graph:
            rest = grad.clone() if steps is None and grad._array.flags.c_contiguous else laid_out(grad, steps)
            part = run(replay, rest).clone() if to_value is not None else None
            if to_before is not None:
                run(replay, rest).zero_()
            return rest, part
        rest = np.array(grad) if grad.__class__ not in ARRAYS else grad.copy() if steps is None else laid_out(grad, steps)
        part = run(replay, rest)
        copy = part.copy() if to_value is not None else None
        part[...] = 0
        return rest, copy


def _conjugated(grad: Any) -> Any:
    if grad is None:
        return None
    return grad.conj() if (grad._array if isinstance(grad, Tensor) else grad).dtype.kind == "c" else grad


def laid_out(grad: Any, steps: tuple[int, ...] | None) -> Any:
    """A copy with the strides `steps` in elements; None: in the order of the indices."""
    from tapegrad.autograd.ops.strided import lay_out
    if steps is None:
        shape = grad.shape
        steps = tuple([math.prod(shape[i + 1:]) for i in range(len(shape))])
    return lay_out(grad, steps)


def copy_slices_node(before: Tensor, value: Tensor, replay: Any) -> Node:
    """The node of `before` after `value` has been written to the part of it that `replay` views."""
    node = object.__new__(CopySlices)
    node.seq = tick()
    node.dtype = before._array.dtype
    node.cell = None
    node.edges = ((before._node or before) if before._rg else None, value._node)
    array = before._array
    node.saved = (replay, None if array.flags.c_contiguous else tuple([s // array.itemsize for s in array.strides]))
    return node


# ---- out=

def store_out(name: str, out: Any, result: Any) -> Any:
    """Write `result` to `out`, as ``out=`` asks."""
    if isinstance(out, (tuple, list)):
        for o, r in zip(out, result, strict=True):
            store_out(name, o, r)
        return type(result)(out) if isinstance(result, tuple) else out
    if not isinstance(out, Tensor):
        out[...] = result._array if isinstance(result, Tensor) else result
        return out
    if not (gate.on and state.bits & GRAD_OFF) and (requires_grad(out) or result._rg):
        raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.")
    value = result._array
    if value.__class__ is not out._array.__class__:
        raise RuntimeError(f"Expected out tensor to have device {backend(value).device_of(value)}, but got {out.device} instead")
    if value.shape != out._array.shape:
        if out._array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out._array.shape)}, which does not match the required output "
                f"shape {list(value.shape)}. This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero "
                "elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).", stacklevel=4)
        out._array = backend(value).xp.empty(value.shape, out._array.dtype)
    overwrite(name, out, value)
    written(out)
    return out

