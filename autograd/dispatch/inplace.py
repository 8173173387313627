"""Writing to tensors: in-place forms of ops, `out=`.

The in-place form of an op is derived from the op. Its node is recorded as if the result were new, then becomes the node
of the written tensor: its history is rebased, see `tapegrad.autograd.dispatch.rebase`. A rule that reads the written
operand gets a copy of it, made before the write.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from tapegrad.autograd.core.gate import DEVICE, GRAD_OFF, INFERENCE, SAVED_HOOKS, WATCHED, gate, state
from tapegrad.autograd.core.history import as_before, stale_alias
from tapegrad.autograd.core.tensor import Tensor, from_array, raw, requires_grad
from tapegrad.autograd.core.version import INFERENCE_COUNTER, bump, tick
from tapegrad.autograd.core.view import refuse_view
from tapegrad.autograd.dispatch.codegen import GLOBALS
from tapegrad.autograd.dispatch.plan import plan_of
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.dispatch.rebase import rebase
from tapegrad.autograd.modes.device_guard import check_one_place, on_device_of, on_its_device
from tapegrad.autograd.modes.levels import check_history, check_out, copy_of, overwritten, transforming
from tapegrad.autograd.modes.observers import watched_write
from tapegrad.autograd.saved.hooks import before_write
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend

# ---- in-place forms


def apply(function: Callable[..., Any], t: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """``function(t, *args, **kwargs)``, written into `t`; returns `t`."""
    if gate.on and state.bits > GRAD_OFF:
        return _in_modes(function, t, args, kwargs)
    return _write(function, t, args, kwargs)


def _in_modes(function: Callable[..., Any], t: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """`_write`, with observers outermost, then on the tensors' device."""
    write: Callable[[], Tensor] = partial(_write, function, t, args, kwargs)
    if state.bits & DEVICE and not transforming():
        write = partial(on_its_device, _write, function.__name__, (function, t, args, kwargs))
    return watched_write(write, function, t, args) if state.bits & WATCHED else write()


def _write(function: Callable[..., Any], t: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Write `t` in a thread without observers, and record it where it must be."""
    grad_on = True
    if gate.on:
        if state.bits & SAVED_HOOKS:
            before_write(t)
        grad_on = not state.bits & GRAD_OFF
    recording = grad_on and (t.requires_grad or any_requires_grad(args) or any_requires_grad(kwargs.values()))
    check_writable(t, recording)
    if recording or function.__name__ != "fill":  # which writes the same everywhere
        check_overlap(t._array)
    if recording:
        _recorded(function, t, args, kwargs)
    else:
        _unrecorded(function, t, args, kwargs)
    return t


def _unrecorded(function: Callable[..., Any], t: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    name, op = function.__name__, getattr(function, "op", None)
    if op is not None and op.inplace_fn is not None and not transforming() and _can_write_directly(t, args, kwargs):
        try:
            op.inplace_fn(t._array, *map(raw, args), **kwargs)
        except (ValueError, OverflowError, TypeError):
            # The op itself says what is wrong: shapes that do not broadcast, or a result of another shape or type.
            overwrite(name, t, function(from_array(t._array), *args, **kwargs)._array)
    else:
        check_operands(name, t, (*args, *kwargs.values()))
        array = t._array
        if transforming() and (op is None or reads_in_backward(op)[0]):
            array = copy_of(t)  # what a batched tensor stands for may be recorded, though it itself is not
        overwrite(name, t, function(from_array(array), *args, **kwargs)._array)
    bump(t)


def _recorded(function: Callable[..., Any], t: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    name, op = function.__name__, getattr(function, "op", None)
    check_operands(name, t, (*args, *kwargs.values()))
    reads_target, saves_result = reads_in_backward(op) if op is not None else (True, False)
    before = as_before(t, copy_of(t) if reads_target or transforming() else t._array)
    result = function(before, *[stale_alias(t) if a is t else a for a in args], **kwargs)
    if transforming():
        check_history(t, result, name)
    overwrite(name, t, result._array)
    bump(t)
    if result._node is None and before._requires_grad:
        # An op without gradients: that of what it has overwritten is zero.
        result = zero_gradient(before)
    elif saves_result:
        _save_target(result, t)
    rebase(t, result)


def _can_write_directly(t: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the array library's own in-place form does what torch asks: one dtype, one device, no shared memory."""
    array = t._array
    for arg in args:
        if isinstance(arg, Tensor):
            other = arg._array
            if other.__class__ is not array.__class__ or other.dtype is not array.dtype or other.ndim > array.ndim:
                return False
            if other is not array and arg._counter is not None and arg._counter is t._counter:
                return False
        elif arg.__class__ is float:
            if not dtypes.is_inexact(array.dtype):
                return False
        elif arg.__class__ is not int and arg.__class__ is not bool:
            return False
    return not kwargs or not any(isinstance(v, Tensor) for v in kwargs.values())


@cache
def reads_in_backward(op: Any) -> tuple[bool, bool]:
    """Whether a rule of `op` reads the first operand, and whether rules read the result and no operand at all."""
    read = {saved.name for saved in plan_of(op).saved}
    return next(iter(op.rules)) in read, "result" in read and not op.keeps and read.isdisjoint(op.rules)


def _save_target(result: Tensor, t: Tensor) -> None:
    """Let the node of `result` save the array of `t`, which now holds the same values, instead of one of its own."""
    node = result._node
    if node is None or result._array.dtype is not t._array.dtype:
        return
    node.saved = tuple([t._array if value is result._array else value for value in node.saved])
    node.seq = tick()  # after the write
    node.counter = t._counter


def any_requires_grad(values: Any) -> bool:
    """Whether a tensor among `values` requires grad."""
    for value in values:  # noqa: SIM110 (`any` of a generator takes 0.1 us longer, and a write asks twice)
        if isinstance(value, Tensor) and requires_grad(value):
            return True
    return False


def overwrite(name: str, t: Tensor, value: Any) -> None:
    """Write the array `value` over `t`'s, by torch's rules for dtype and shape."""
    array = t._array
    if value.shape != array.shape:
        raise RuntimeError(
            f"output with shape {list(array.shape)} doesn't match the broadcast shape {list(value.shape)}"
        )
    if value.dtype is not array.dtype and dtypes.category(value.dtype) > dtypes.category(array.dtype):
        source, target = dtypes.of(value.dtype).scalar_type, dtypes.of(array.dtype).scalar_type
        raise RuntimeError(f"result type {source} can't be cast to the desired output type {target}")
    if transforming() and overwritten(t, value, name):
        return
    array[...] = value


# ---- what must not be written


def check_writable(t: Tensor, recording: bool) -> None:
    """Raise torch's error where autograd forbids to write `t` now; `recording`: the write is to be recorded."""
    if t._counter is INFERENCE_COUNTER and not state.bits & INFERENCE:
        INFERENCE_COUNTER.write()
    if recording:
        view = t._view
        if view is not None:
            if view.origin:
                refuse_view(t, "is being")
            view.settle()
            if requires_grad(t) and view.root.is_leaf:
                raise RuntimeError(
                    "a view of a leaf Variable that requires grad is being used in an in-place operation."
                )
        if t._node is None and t._requires_grad:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")


def repeats(array: Any) -> bool:
    """Whether the array shows an element of memory twice."""
    return array.size > 1 and 0 in array.strides and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape))


def check_overlap(array: Any) -> None:
    """Raise torch's error where an array to be written shows an element of memory twice."""
    if repeats(array):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


PARTLY = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
    "location. Please clone() the tensor before performing the operation."
)
# What these write, they have read before: operands may share the memory in any way.
_READ_FIRST = frozenset(("addbmm", "addmm", "addmv", "addr", "baddbmm", "fill", "masked_fill", "masked_scatter"))
# These write here what they read there, so operands may not share the memory at all.
_READ_ELSEWHERE = frozenset(
    ("index_add", "index_copy", "index_put", "index_reduce", "put", "scatter", "scatter_add", "scatter_reduce")
)


def check_operands(name: str, t: Tensor, operands: tuple[Any, ...]) -> None:
    """Raise torch's error where an operand of the op `name`, which is to write `t`, must not share memory with it."""
    if name in _READ_FIRST:
        return
    for other in operands:
        if isinstance(other, Tensor) and (other is t or (other._counter is t._counter and t._counter is not None)):
            shared = overlap(t._array, other._array)
            if shared == "partly" or (shared == "wholly" and name in _READ_ELSEWHERE):
                raise RuntimeError(PARTLY)


def overlap(a: Any, b: Any) -> str:
    """How two arrays share memory: "wholly" | "partly" | "" (not, or one has gaps, where torch does not look)."""
    if a is b:
        return "wholly"
    if not a.size or not b.size or not fills(a) or not fills(b):
        return ""
    first, second = backend(a).pointer(a), backend(b).pointer(b)
    if first == second and a.nbytes == b.nbytes:
        alike = a.shape == b.shape and all(x == y for x, y, n in zip(a.strides, b.strides, a.shape) if n != 1)
        return "wholly" if alike else "partly"
    return "partly" if first < second + b.nbytes and second < first + a.nbytes else ""


def fills(array: Any) -> bool:
    """Whether the elements fill a piece of memory without gaps, each standing in it once."""
    step = array.itemsize
    for stride, n in sorted([(stride, n) for stride, n in zip(array.strides, array.shape) if n != 1]):
        if stride != step:
            return False
        step *= n
    return True


# ---- out=


def store_out(name: str, out: Any, result: Any) -> Any:
    """Write `result` to the tensor or array `out`, or several results to several, as ``out=`` asks; returns `out`."""
    if isinstance(out, (tuple, list)):
        for o, r in zip(out, result, strict=True):
            store_out(name, o, r)
        return type(result)(out) if isinstance(result, tuple) else out
    if transforming():
        check_out(name, out, result)
    if not isinstance(out, Tensor):
        out[...] = raw(result)
        return out
    _check_out(name, out, result)
    value = result._array
    with on_device_of(value):
        if value.shape != out._array.shape:
            _resize_out(out, value)
        if gate.on and state.bits & SAVED_HOOKS:
            before_write(out)
        overwrite(name, out, value)
    bump(out)
    return out


def _check_out(name: str, out: Tensor, result: Tensor) -> None:
    if not (gate.on and state.bits & GRAD_OFF) and (requires_grad(out) or result._requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if result._array.__class__ is not out._array.__class__ and not (transforming() and result.device == out.device):
        raise RuntimeError(f"Expected out tensor to have device {result.device}, but got {out.device} instead")
    if gate.on and state.bits & DEVICE:
        check_one_place((out, result), name)


def _resize_out(out: Tensor, like: Any) -> None:
    if out._array.size:
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(out._array.shape)}, which does "
            f"not match the required output shape {list(like.shape)}. This behavior is deprecated, and in a future "
            "PyTorch release outputs will not be resized unless they have zero elements. You can explicitly reuse an "
            "out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
            stacklevel=4,
        )
    out._array = backend(like).xp.empty(like.shape, out._array.dtype)


def stored(name: str, out: Any, result: Any) -> Any:
    """`result`, or `out` with `result` written to it where there is an ``out=``."""
    return result if out is None else store_out(name, out, result)


GLOBALS["store_out"] = store_out
