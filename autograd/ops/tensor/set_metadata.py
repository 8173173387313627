"""Changing a tensor's shape and strides in place: ``t_()``, ``squeeze_()``, ``resize_()`` and their like."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.gate import GRAD_OFF, gate, state
from tapegrad.autograd.core.history import as_before, set_node
from tapegrad.autograd.core.tensor import Tensor, from_array, new, requires_grad
from tapegrad.autograd.core.version import INFERENCE_COUNTER, bump, counter_of
from tapegrad.autograd.core.view import Former, View
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.ops.common.dims import shape_arguments
from tapegrad.autograd.ops.common.metadata_queries import memory_of
from tapegrad.autograd.ops.shape.as_strided import as_strided
from tapegrad.autograd.ops.shape.reshape import squeeze, unsqueeze
from tapegrad.autograd.ops.shape.transpose import t, transpose
from tapegrad.backends import backend, xp


def _rename(self: Tensor, function: Callable[..., Any], args: tuple[Any, ...]) -> Tensor:
    """Make `self` the view ``function(self, *args)`` of what it was."""
    recording = not (gate.on and state.bits & GRAD_OFF) and requires_grad(self)
    inplace.check_writable(self, recording)
    if self._counter is INFERENCE_COUNTER:
        self._array = function(self, *args)._array
        return self
    if self._view is None and (self._counter is None or (self._requires_grad and not recording)):
        # Nobody else shares the memory, so nobody needs to know what the tensor was; or the tensor keeps a history that
        # knows nothing of this.
        before = as_before(self, self._array) if recording else from_array(self._array)
        after = function(before, *args)
        self._array = after._array
        if recording:
            set_node(self, after._node)
        bump(self)
        return self
    view = self._view or _moved_out(self)
    after = function(self, *args)
    version = counter_of(self).version
    current = view.seen == version
    bump(self)
    self._array = after._array
    if recording:
        set_node(self, after._node)
    # One that was not up to date, or keeps a history that knows nothing of this, is to find its history again.
    seen = counter_of(self).version if recording or (current and not self._requires_grad) else view.seen
    self._view = View(view.root, (*view.replay, (function, args, None)), seen, view.origin)
    return self


def _moved_out(self: Tensor) -> View:
    """Make `self` a view of a tensor that is what `self` was: views that were made of it live on as views of that."""
    root = new(Former)
    root._array, root._requires_grad, root._node, root._view, root._counter = (
        self._array,
        self._requires_grad,
        self._node,
        None,
        counter_of(self),
    )
    root.now = weakref.ref(self)
    view = self._view = View(root, (), counter_of(self).version, "")
    return view


def t_(self: Tensor) -> Tensor:
    """Transpose the matrix in place; returns it."""
    if self._array.ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self._array.ndim}D")
    return _rename(self, t, ())


def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dimensions in place; returns the tensor."""
    return _rename(self, transpose, (dim0, dim1))


def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """Drop dimensions of size 1 in place; returns the tensor."""
    return _rename(self, squeeze, (dim,))


def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """Put in a dimension of size 1 in place; returns the tensor."""
    return _rename(self, unsqueeze, (dim,))


def as_strided_(self: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
    """Give the tensor another shape and other strides over its memory, in place; returns it."""
    return _rename(self, as_strided, (size, stride, storage_offset))


def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give the tensor another shape over its memory, in order, with more memory where it needs more; what is new in it
    is uninitialised.

    Args:
        *sizes: the shape, as integers or one sequence.

    Raises:
        RuntimeError: the tensor requires grad.

    Example:
        >>> tapegrad.tensor([1, 2, 3, 4]).resize_(2)
        tensor([1, 2])
    """
    shape = shape_arguments(sizes)
    if requires_grad(self):
        raise RuntimeError("cannot resize variables that require grad")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"requested resize to {list(shape)} with a negative dimension")
    array = self._array
    if array.shape == shape:
        return self
    here, (start, nbytes) = backend(array), memory_of(array)
    size = array.itemsize
    has = max(0, start + nbytes - here.pointer(array)) // size
    wanted = math.prod(shape)
    if wanted > has:
        memory = xp(array).empty(wanted, array.dtype)
        memory[:has] = here.as_strided(array, (has,), (size,))
        array = memory
    steps, step = [], size
    for n in reversed(shape):
        steps.append(step)
        step *= max(n, 1)
    self._array = here.as_strided(array, shape, tuple(reversed(steps)))
    if self._counter is not INFERENCE_COUNTER:
        self._view = None
    bump(self)
    return self


def resize_as_(self: Tensor, other: Tensor, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    return resize_(self, other._array.shape)


for _method in (t_, transpose_, squeeze_, unsqueeze_, as_strided_, resize_, resize_as_):
    setattr(Tensor, _method.__name__, _method)
for _name in ("swapaxes_", "swapdims_"):
    setattr(Tensor, _name, transpose_)
