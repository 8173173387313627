"""Giving a tensor that has been written the history of what was written to it.

A write to a view also rebases the tensor it views, by a `CopySlices` node: part of that tensor's gradient then goes to
what was written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.history import as_before, run, set_node
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import tick
from tapegrad.autograd.dispatch.primitives import cast, lay_out
from tapegrad.backends import ARRAYS


def rebase(t: Tensor, result: Tensor) -> None:
    """Give `t`, whose memory has been overwritten with `result`, the history of `result`; where it is a view, its root
    too.
    """
    if result._node is None:
        return
    if result._array.dtype is not t._array.dtype:
        result = cast(result, t._array.dtype)
    assert result._node is not None
    base = t._view
    if base is None:
        set_node(t, result._node)
        return
    base.settle()
    root = base.root
    before = as_before(root, root._array) if root._requires_grad else from_array(root._array)
    set_node(root, copy_slices_node(before, result, base.replay))
    if t.retains_grad:
        base.sync(t)  # the gradient of the old value is not what it retains


class CopySlices(Node):
    """The node of a tensor that has been written through a view of it: part of its gradient goes to what was
    written.
    """

    __slots__ = ()
    op_name = "copy_slices"
    saved_names = ("replay", "steps")

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        # Views of real memory as complex, or the other way round, show a gradient by PyTorch's convention: the
        # conjugate of what the tape carries.
        rest, part = self._parts(_conjugated(grad), graph)
        return _conjugated(rest), _conjugated(part)

    def _parts(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        replay, steps = self.saved
        to_before, to_value = self.edges
        # The steps repeat what was done to the root, and give views of its like only where the memory is laid out as
        # the root's.
        if graph:
            rest = grad.clone() if steps is None and grad._array.flags.c_contiguous else laid_out(grad, steps)
            part = run(replay, rest).clone() if to_value is not None else None
            if to_before is not None:
                run(replay, rest).zero_()
            return rest, part
        rest = (
            np.array(grad) if grad.__class__ not in ARRAYS else grad.copy() if steps is None else laid_out(grad, steps)
        )
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
    if steps is None:
        shape = grad.shape
        steps = tuple([math.prod(shape[i + 1 :]) for i in range(len(shape))])
    return lay_out(grad, steps)


def copy_slices_node(before: Tensor, value: Tensor, replay: Any) -> Node:
    """The node of `before` after `value` has been written to the part of it that `replay` views."""
    node = CopySlices()
    node.seq = tick()
    node.dtype = before._array.dtype
    node.counter = None
    node.edges = ((before._node or before) if before._requires_grad else None, value._node)
    array = before._array
    node.saved = (replay, None if array.flags.c_contiguous else tuple([s // array.itemsize for s in array.strides]))
    return node
