"""vmap's tensors: each stands for a tensor with one dimension more, of which the function that is mapped sees nothing.

A batched tensor is a `Tensor` whose array is a `Batched`: it has the shape that the function sees, and holds the tensor
that is really computed with, the batch in front. An op on such tensors is done once for the whole batch, by a rule that
its kind gives or that it brings (`tapegrad.autograd.dispatch.batch_rules`); where gradients flow into them the op is
also recorded for what the function sees, so that reverse rules run on batched tensors like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from textwrap import indent
from typing import Any, NoReturn

import numpy as np

from tapegrad.autograd.core.gate import GRAD_OFF, state
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.dispatch.batch_rules import batch_of
from tapegrad.autograd.dispatch.slow_paths import NUMBERS, mark_view, wrap_results
from tapegrad.autograd.modes.levels import Level, arguments, below, refuse_write, tensors_in
from tapegrad.autograd.types import dtypes, promotion
from tapegrad.backends import Backend, Device, backend
from tapegrad.backends.registry import serve


class NotAnArray(RuntimeError, AttributeError):
    """A batched array has no such attribute."""


class Batched:
    """An array as the function under vmap sees it.

    Attributes:
        level: the `Batch` it belongs to.
        tensor: what is computed with.
        batched: the first dimension of `tensor` is the batch; otherwise `tensor` is the same for all of it.
    """

    __slots__ = ("__weakref__", "batched", "level", "tensor")

    def __init__(self, level: Batch, tensor: Tensor, batched: bool) -> None:
        self.level = level
        self.tensor = tensor
        self.batched = batched

    def text(self, t: Tensor) -> str:
        """The tensor `t`, whose array this is, as torch prints it, and whether gradients flow into it."""
        with below(self.level):
            value = indent(repr(self.tensor), "    ")
        flows = ", requires_grad=True" if t.requires_grad else ""
        return (
            f"BatchedTensor(lvl={len(self.level.stack)}, bdim={0 if self.batched else None}{flows}, value=\n{value}\n)"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.tensor._array.shape
        return shape[1:] if self.batched else shape

    @property
    def strides(self) -> tuple[int, ...]:
        strides: tuple[int, ...] = self.tensor._array.strides
        return strides[1:] if self.batched else strides

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def dtype(self) -> np.dtype:
        return self.tensor._array.dtype

    @property
    def itemsize(self) -> int:
        return self.tensor._array.itemsize

    @property
    def flags(self) -> Any:
        return self.tensor._array.flags

    @property
    def base(self) -> Any:
        return self.tensor._array.base

    def __setitem__(self, index: Any, value: Any) -> None:
        """Overwrite the whole array; ``index`` must be an ellipsis or a full slice."""
        assert index is ...
        self.check_alive()
        with below(self.level):
            self.tensor.copy_(self.level.to_write(self, value))

    def copy(self, order: str = "C") -> Batched:
        """A copy."""
        self.check_alive()
        with below(self.level):
            return type(self)(self.level, self.tensor.clone(), self.batched)

    def detached(self) -> Batched:
        """The same memory without history or tangents."""
        self.check_alive()
        with below(self.level):
            return type(self)(self.level, self.tensor.detach(), self.batched)

    def check_alive(self) -> None:
        """Raise torch's error for a tensor that is used after the vmap that made it."""
        if self.level.ended:
            raise NotAnArray(
                "Either your tensor may have escaped from inside a function being vmapped and this is a user error "
                "(see "
                "https://pytorch.org/functorch/stable/ux_limitations.html), or there is an internal error: a batched "
                "tensor means nothing after "
                "its vmap has ended. Return it from the function instead."
            )

    def __getattr__(self, name: str) -> NoReturn:
        self.check_alive()
        raise NotAnArray(
            f"vmap: this operation does not work on a batch: it looks into the array itself (for its '{name}'). "
            "Please write the function with "
            "other operations, or call it in a loop."
        )

    def __len__(self) -> int:
        return self.shape[0]

    def _no_values(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.check_alive()
        raise RuntimeError(
            "Cannot access data pointer of Tensor that doesn't have storage: vmap: the values of a batched tensor "
            "cannot be had as an array, "
            "since inside the function under vmap there is one tensor for the whole batch."
        )

    def tolist(self) -> NoReturn:
        """Raise: a member has no values of its own."""
        self._no_values()

    def item(self) -> NoReturn:
        """Raise: there is no single value."""
        self.check_alive()
        raise RuntimeError(
            "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a "
            "Tensor, please try "
            "to rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch "
            "internals, please file a bug "
            "report."
        )

    def nonzero(self) -> NoReturn:
        """What an index makes of a mask: the shape of the result would depend on the values."""
        self.check_alive()
        raise RuntimeError(
            "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over "
            "indexing with a boolean mask."
        )

    def __bool__(self) -> NoReturn:
        self.check_alive()
        raise RuntimeError(
            "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't "
            "support that yet, please file "
            "an issue at https://github.com/pytorch/pytorch/issues ."
        )

    __array__ = __array_ufunc__ = __array_function__ = __getitem__ = __iter__ = _no_values
    # What ops do with arrays: only an array whose vmap has ended comes to it.
    __add__ = __sub__ = __mul__ = __matmul__ = __truediv__ = __floordiv__ = __mod__ = __pow__ = _no_values
    __and__ = __or__ = __xor__ = __lshift__ = __rshift__ = _no_values
    __radd__ = __rsub__ = __rmul__ = __rmatmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = __rand__ = (
        __ror__
    ) = __rxor__ = _no_values
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __imod__ = __ipow__ = __iand__ = __ior__ = (
        __ixor__
    ) = _no_values
    __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __pos__ = __abs__ = __invert__ = _no_values


class _BatchedBackend(Backend):
    """The backend of the arrays that batched tensors of one class of arrays have."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.type = inner.type
        self.xp = inner.xp

    def device_of(self, array: Any) -> Device:
        array = array.tensor._array
        return backend(array).device_of(array)

    def use(self, device: Device) -> Any:
        return self.inner.use(device)

    def from_host(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Any:
        return self.inner.from_host(array, device, non_blocking)

    def to_host(self, array: Any, non_blocking: bool = False) -> np.ndarray:
        array.item()
        raise AssertionError("a batched array has no value")

    def shares_memory(self, view: Any, array: Any) -> bool:
        if not isinstance(view, Batched) or not isinstance(array, Batched):
            return False
        first, second = view.tensor._array, array.tensor._array
        return backend(first).shares_memory(first, second)

    def pointer(self, array: Any) -> int:
        array = array.tensor._array
        return backend(array).pointer(array)

    def _of_values(self, array: Any, *args: Any, **kwargs: Any) -> Any:
        return array.tolist()  # which refuses

    as_strided = scatter_add = matmul = erf = erfc = erfinv = lgamma = digamma = _of_values  # type: ignore[assignment]

    def assert_index(self, index: Any, low: int, high: int, name: str, dim: int = 0) -> None:
        array = index.tensor._array
        backend(array).assert_index(array, low, high, name, dim)


#: the class for batches of arrays of a class
_CLASSES: dict[type, type[Batched]] = {}
#: arguments that are no tensors and hold none
_PLAIN = frozenset({int, float, bool, complex, str, slice, type(None), type(Ellipsis)})


def _class_for(array: Any) -> type[Batched]:
    """The class for batches of arrays such as `array`, which may be a batch itself."""
    made = _CLASSES[array.__class__] = type(array) if isinstance(array, Batched) else _class_over(backend(array))
    return made


@cache
def _class_over(inner: Backend) -> type[Batched]:
    """The class for arrays of one backend, which is known to the registry."""
    made = type("Batched", (Batched,), {"__slots__": (), "__module__": __name__})
    made_backend = _BatchedBackend(inner)
    made_backend.array_type = made
    serve(made_backend)
    return made


class Batch(Level):
    """One application of vmap.

    Attributes:
        size: of the batch.
        randomness: "error", "same" or "different", as `vmap` takes it.
        ended: its tensors mean nothing any more.
    """

    __slots__ = ("ended", "randomness", "size")
    separate = True

    def __init__(self, size: int, randomness: str) -> None:
        super().__init__()
        self.size = size
        self.randomness = randomness
        self.ended = False

    def __exit__(self, *exc: Any) -> None:
        self.ended = True
        super().__exit__(*exc)

    # ---- wrapping and unwrapping

    def wrap(self, tensor: Tensor, batched: bool = True) -> Tensor:
        """The batched tensor over `tensor`, whose first dimension is the batch."""
        array = tensor._array
        made = _CLASSES.get(array.__class__) or _class_for(array)
        return from_array(made(self, tensor, batched))

    def unwrap(self, t: Any) -> tuple[Any, bool]:
        """The tensor below `t`, and whether its first dimension is the batch."""
        if isinstance(t, Tensor) and isinstance(t._array, Batched) and t._array.level is self:
            return t._array.tensor, t._array.batched
        return t, False

    def whole(self, t: Tensor) -> Tensor:
        """The tensor below `t`, expanded by the batch in front where it has none."""
        tensor, batched = self.unwrap(t)
        return tensor if batched else tensor.expand(self.size, *tensor._array.shape)

    def lift(self, t: Tensor) -> Tensor:
        """`t` as a tensor of this level: gradients with respect to it are those of each member of the batch."""
        if isinstance(t._array, Batched) and t._array.level is self:
            return t
        return self.wrap(t, False)

    # ---- ops

    def op(self, core: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        op = core.op  # type: ignore[attr-defined]
        if op.kind == "elementwise" and not kwargs and (plain := self._plain(op, args)) is not None:
            with below(self):
                result = core(*plain)
            return result if result is NotImplemented else self.wrap(result)
        given = arguments(core, args, kwargs)
        moved, batched, here = self._lowered(given)
        if not here:
            with below(self):
                return core(*args, **kwargs)
        if cast := alike(op, given):
            given.update(cast)
            moved, batched, _ = self._lowered(given)
        with below(self):
            result = batch_of(op)(self, frozenset(batched), moved) if batched else op.call(moved)
        if result is NotImplemented:
            return result
        return self._deliver(op, given, result, bool(batched))

    def _plain(self, op: Any, args: tuple[Any, ...]) -> list[Any] | None:
        """What an elementwise op is really called with, where there is nothing to think about: all tensors batched, of
        one type and one number of dimensions, and nothing to record. None otherwise.
        """
        first, found = None, []
        for value in args:
            if isinstance(value, Tensor):
                array = value._array
                if (
                    not isinstance(array, Batched)
                    or array.level is not self
                    or not array.batched
                    or value._requires_grad
                    or value._view is not None
                ):
                    return None
                physical = array.tensor._array
                if first is None:
                    first = physical
                elif physical.dtype is not first.dtype or physical.ndim != first.ndim:
                    return None
                value = array.tensor
            elif value.__class__ not in _PLAIN:
                return None
            found.append(value)
        return found if first is not None and not op.outs else None

    def _lowered(self, given: dict[str, Any]) -> tuple[dict[str, Any], list[str], bool]:
        """Arguments as they are computed with, the names of those that are batched, and whether any is of this level at
        all.
        """
        moved, batched, here = given.copy(), [], False
        for name, value in given.items():
            if isinstance(value, Tensor):
                array = value._array
                if not (isinstance(array, Batched) and array.level is self):
                    continue
                moved[name] = array.tensor
                is_batched = array.batched
            elif value.__class__ in _PLAIN or not self.holds(value):
                continue
            else:
                moved[name] = self.lowered(value)
                is_batched = self.is_batched(value)
            here = True
            if is_batched:
                batched.append(name)
        return moved, batched, here

    def holds(self, value: Any) -> bool:
        """Whether `value` is or contains a tensor of this level."""
        if isinstance(value, Tensor):
            return isinstance(value._array, Batched) and value._array.level is self
        if isinstance(value, (list, tuple)):
            return any(v.__class__ not in _PLAIN and self.holds(v) for v in value)
        return isinstance(value, Batched) and value.level is self

    def is_batched(self, value: Any) -> bool:
        """Whether `value` differs within the batch."""
        if isinstance(value, Tensor):
            return self.unwrap(value)[1]
        if isinstance(value, (list, tuple)):
            return any(self.is_batched(v) for v in value)
        return isinstance(value, Batched) and value.level is self

    def lowered(self, value: Any) -> Any:
        """`value` with what its tensors stand for; in a list of which some are batched, all are made so."""
        if isinstance(value, Tensor):
            return self.unwrap(value)[0]
        if isinstance(value, Batched) and value.level is self:
            with below(self):
                return self.whole(from_array(value))
        if isinstance(value, (list, tuple)) and self.holds(value):
            if value and all(isinstance(v, Tensor) for v in value) and self.is_batched(value):
                with below(self):
                    return [self.whole(v) for v in value]
            return type(value)([self.lowered(v) for v in value])
        return value

    def _deliver(self, op: Any, given: dict[str, Any], result: Any, batched: bool) -> Any:
        """The results as this level's tensors, tied to a node where gradients flow into the operands."""
        several = isinstance(result, tuple)
        wrapped = [self.wrap(t, batched) for t in (result if several else (result,))]
        bits = state.bits & GRAD_OFF
        node = None
        if not bits and any(
            isinstance(t, Tensor) and requires_grad(t) and self.holds(t)
            for t in tensors_in([given[name] for name in op.rules])
        ):
            if op.record is None:
                op.build()
            record: Any = op.record
            arrays = tuple([t._array for t in wrapped])
            node = record(arrays if several else arrays[0], **given)
        t = wrapped[0]
        if node is not None and not several:
            t._requires_grad, t._node = True, node
        if several or op.view:
            first = next(iter(op.rules))
            source = given[first]
            rest = tuple([given[name] for name in op.parameters() if name != first])
            if several:
                return wrap_results(op, node, [t._array for t in wrapped], source, source._array, rest, bits)
            if isinstance(source, Tensor):
                mark_view(op.function, t, source, source._array, rest, bits)
        return t

    # ---- writes

    def to_write(self, target: Batched, value: Any) -> Tensor:
        """The array `value` as a tensor to be written to what `target` stands for."""
        tensor, batched = self.unwrap(from_array(value))
        if not batched:
            return tensor
        if not target.batched:
            refuse_write("_copied")
        return tensor[(slice(None), *(None,) * (target.ndim - tensor._array.ndim + 1))]

    def overwritten(self, t: Tensor, value: Any, name: str) -> None:
        if isinstance(value, Batched) and value.level is self and value.batched and not self.unwrap(t)[1]:
            refuse_write(name)


def lacks_batch(t: Tensor, other: Tensor) -> bool:
    """Whether `other` differs within a batch in which `t` is the same for all members."""
    return not _batches_of(other) <= _batches_of(t)


def _batches_of(t: Tensor) -> set[Batch]:
    found = set()
    while isinstance(t._array, Batched):
        if t._array.batched:
            found.add(t._array.level)
        t = t._array.tensor
    return found


def alike(op: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The operands that must be cast so that all have the result's dtype: a tensor without dimensions may have one in
    what it stands for, and another say.
    """
    if op.operands not in ("promote", "float"):
        return {}
    operands = [given[name] for name in op.rules]
    if len({t._array.dtype for t in operands if isinstance(t, Tensor)}) == 1 and not any(
        isinstance(t, (list, tuple)) for t in operands
    ):
        return {}
    found, several = [], []
    for name in op.rules:
        for t in tensors_in([given[name]]):
            array = t._array if isinstance(t, Tensor) else t
            if isinstance(t, Tensor):
                found.append((array.dtype, promotion.DIMENSIONED if array.ndim else promotion.ZERO_DIM))
                several.append(array.dtype)
            elif isinstance(t, NUMBERS):
                found.append((promotion.number_dtype(array), promotion.NUMBER))
    if len(set(several)) < 2:
        return {}
    dtype = promotion.result_type(found)
    if op.operands == "float":
        dtype = promotion.float_dtype(dtype)
    to = dtypes.of(dtype)
    return {
        name: [t.to(to) for t in given[name]] if isinstance(given[name], (list, tuple)) else given[name].to(to)
        for name in op.rules
        if isinstance(given[name], (Tensor, list, tuple))
    }
