"""The node of a `Function`'s application, and the ``ctx`` through which its methods see it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tapegrad.autograd.core.gate import GRAD_OFF, gate, set_bits, settle, state
from tapegrad.autograd.core.node import Facts, Node, Slot, check_kept, freed, overwritten
from tapegrad.autograd.core.tensor import Tensor, from_array, kept_result
from tapegrad.autograd.dispatch.primitives import cast
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.saved.packed_values import Packed
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.type_names import type_name
from tapegrad.backends import ARRAYS, CPU, backend_for

if TYPE_CHECKING:
    from tapegrad.autograd.functions.function import Function


class Output:
    """One of a Function's results as its node keeps it: the array alone, since the tensor holds the node."""

    __slots__ = ("array", "nr")

    def __init__(self, nr: int, array: Any) -> None:
        self.nr = nr
        self.array = array


class FunctionCtx:
    """The ``ctx`` of a Function's methods: what ``forward`` saves for ``backward``, and any attribute that they set.

    The attributes live in a dict of the node's, so that none of them, whatever its name, collides with the tape's own.
    """

    __slots__ = ("__weakref__", "_node")
    _node: BackwardCFunction

    def __init__(self, node: BackwardCFunction) -> None:
        object.__setattr__(self, "_node", node)

    def __getattr__(self, name: str) -> Any:
        attributes = self._node.attributes
        return attributes[name] if name in attributes else getattr(self._node, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._node.attributes[name] = value

    def __delattr__(self, name: str) -> None:
        del self._node.attributes[name]

    # One application is one context, in PyTorch the node itself.
    def __eq__(self, other: Any) -> bool:
        return self._node is (other._node if isinstance(other, FunctionCtx) else other)

    def __hash__(self) -> int:
        return hash(self._node)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` kept; within ``jvp`` what ``save_for_forward`` kept."""
        return self._node.saved_tensors

    @property
    def saved_variables(self) -> tuple[Tensor | None, ...]:
        """The old name of `saved_tensors`."""
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2)
        return self._node.saved_tensors

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for ``backward``, which finds them in ``ctx.saved_tensors``; a write to one before then is an
        error.

        Args:
            *tensors: inputs, outputs, or intermediates; None is kept as None.
        """
        self._node.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for ``jvp``, which finds them in ``ctx.saved_tensors``.

        Args:
            *tensors: as for `save_for_backward`.
        """
        for t in tensors:
            if not (t is None or isinstance(t, Tensor)):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes "
                    "on ctx."
                )
        self._node.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Name the inputs that ``forward`` writes to; each must be among its results."""
        self._node.dirty_tensors = args

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Does nothing; PyTorch has it. Shared memory is detected."""
        warnings.warn(
            "`mark_shared_storage` is deprecated. Tensors with shared storages are automatically tracked. Note that "
            "calls to `set_()` are not "
            "tracked",
            FutureWarning,
            stacklevel=2,
        )

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Name the results through which no gradient flows."""
        self._node.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` receives zeros (as it does by default) for a result without gradient, or None."""
        if not isinstance(value, bool):
            raise TypeError(
                f"set_materialize_grads received an invalid combination of arguments - got ({type(value).__name__}), "
                "but expected (bool)"
            )
        self._node.materialize_grads = value


class BackwardCFunction(Node):
    """The node of a Function's application.

    Attributes:
        attributes: what the Function's methods have set on their `ctx`; seen on the node too.
        needs_input_grad: for each argument of ``forward``, whether its gradient is asked for.
        inputs: for each argument the facts of its gradient; None for what is no tensor.
        outputs: for each result the facts of its gradient; None for what is no tensor.
        several: there are several results, `count`, and slots stand between them and this node.
        to_save, saved_for_forward, dirty_tensors, non_differentiable, materialize_grads: what ``forward`` has told its
            ``ctx``.
    """

    # What seldom differs from the class's values stands in __dict__.
    __slots__ = ("__dict__", "attributes", "inputs", "needs_input_grad", "outputs", "to_save")
    frees = True
    several = False
    count = 1
    saved_for_forward: tuple[Any, ...] | None = None
    dirty_tensors: tuple[Any, ...] | None = None
    non_differentiable: tuple[Any, ...] | None = None
    materialize_grads = True
    needs_input_grad: tuple[bool, ...]
    inputs: list[Facts | None]
    outputs: list[Facts | None]
    _forward_cls: type[Function]

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}
        self.to_save: tuple[Any, ...] | None = None
        self.saved = self.edges = ()
        self.counter = self.dtype = None

    def __getattr__(self, name: str) -> Any:
        if name != "attributes" and name in self.attributes:
            return self.attributes[name]
        return super().__getattr__(name)

    def __repr__(self) -> str:
        return f"<tapegrad.autograd.function.{self.__class__.__name__} object at {id(self):#x}>"

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` kept, or ``save_for_forward`` as long as ``jvp`` may read it.

        Raises:
            RuntimeError: it has been freed by an earlier pass, or written since.
        """
        if self.saved_for_forward is not None:
            return self.saved_for_forward
        if self.saved is None:
            freed(self)
        return tuple([self._unpacked(kept) for kept in self.saved])

    def _unpacked(self, kept: Any) -> Tensor | None:
        if kept.__class__ is Packed:
            return kept.tied(kept.unpacked(self), self)
        if isinstance(kept, Output):
            counter = self.counter.get(kept.nr) if self.several and self.counter is not None else self.counter
            if counter is not None and counter.last_write > self.seq:
                overwritten(self, counter, kept.array, kept.nr, self)
            return kept_result(self, kept.array, counter, kept.nr if self.several else None)
        if kept is not None and kept._counter is not None and kept._counter.last_write > self.seq:
            check_kept(self, kept)
        return kept

    def apply(self, *grads: Any) -> Any:
        """Call ``backward``, or its other name ``vjp``."""
        function = self._forward_cls
        derivative = function._derivative()
        return (
            derivative(FunctionCtx(self), list(grads))
            if function.boxed_grads_call
            else derivative(FunctionCtx(self), *grads)
        )

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        grads = [self._given(d, facts, graph) for d, facts in zip(grad if self.several else (grad,), self.outputs)]
        before = state.bits
        try:
            set_bits(state.bits if graph else state.bits | GRAD_OFF)
            results = self.apply(*grads)
        finally:
            gate.on, state.bits = True, before | gate.always
            settle()
        return self._checked(results if isinstance(results, tuple) else (results,), graph)

    def _given(self, d: Any, facts: Facts | None, graph: bool) -> Tensor | None:
        """The gradient of one result as ``backward`` receives it."""
        if d is None:
            if facts is None or not self.materialize_grads:
                return None
            shape, dtype, device = facts
            return from_array(backend_for(device).xp.zeros(shape, dtype))
        t = d if graph else from_array(d if d.__class__ in ARRAYS else np.asarray(d))
        return t.conj() if t._array.dtype.kind == "c" else t

    def _checked(self, results: tuple[Any, ...], graph: bool) -> tuple[Any, ...]:
        """What ``backward`` returned, for the engine: a gradient for each edge."""
        count = len(self.inputs)
        if len(results) != count:
            if len(results) < count or any(d is not None for d in results[count:]):
                raise RuntimeError(
                    f"function {self.name()} returned an incorrect number of gradients (expected {count}, got "
                    f"{len(results)})"
                )
            results = results[:count]
        grads: list[Any] = []
        for position, (d, facts) in enumerate(zip(results, self.inputs), 1):
            if facts is None:
                if d is not None:
                    raise RuntimeError(
                        f"function {self.name()} returned a gradient different than None at position {position}, but "
                        "the corresponding forward "
                        "input was not a Variable"
                    )
                continue
            if d is not None and not isinstance(d, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type_name(d)})")
            i = len(grads)
            target = self.edges[i]
            grads.append(
                None if target is None else _undefined(target, graph) if d is None else self._fitted(d, facts, i, graph)
            )
        return tuple(grads)

    def _fitted(self, d: Tensor, facts: Facts, i: int, graph: bool) -> Any:
        """A gradient in its input's shape."""
        array = d._array
        shape, dtype, device = facts
        if (array.__class__ is not np.ndarray or device is not CPU) and d.device != device:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {i} - expected device {device} but "
                f"got {d.device}"
            )
        if array.shape != shape:
            if not expands_to(shape, array.shape):
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient at index {i} - got {list(array.shape)} but "
                    "expected shape compatible "
                    f"with {list(shape)}"
                )
            d = sum_to(d, shape)
        if dtype.kind == "c":
            d = (d if array.dtype.kind == "c" else cast(d, dtype)).conj()
        elif array.dtype.kind == "c":
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {i} - got {dtypes.of(array.dtype)} "
                "for an input of "
                f"{dtypes.of(dtype)}: the gradient of a real tensor is real"
            )
        # Returned as a view: the array may have another owner, so the engine must not add in place and a leaf must copy
        # it.
        return d if graph else d._array[...]


def expands_to(shape: tuple[int, ...], larger: tuple[int, ...]) -> bool:
    """Whether an array of `shape` broadcasts to `larger`."""
    return len(shape) <= len(larger) and all(n in (1, m) for n, m in zip(reversed(shape), reversed(larger)))


def _undefined(target: Any, graph: bool) -> Any:
    """The gradient of `target` where there is none: zeros if its Function materialises gradients, else None."""
    node, nr = (target.edges[0], target.nr) if isinstance(target, Slot) else (target, 0)
    if not isinstance(node, BackwardCFunction) or not node.materialize_grads:
        return None
    facts = node.outputs[nr]
    assert facts is not None
    shape, dtype, device = facts
    zeros = backend_for(device).xp.zeros(shape, dtype)
    return from_array(zeros) if graph else zeros
