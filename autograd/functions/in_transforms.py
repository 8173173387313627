"""A `Function`'s application inside of forward mode and vmap.

Each level of forward mode around the application calls the Function's ``jvp`` once. At a level of vmap the results come
from the Function's rule for batches (`tapegrad.autograd.functions.in_vmap`), and the node is one of what the function
that is mapped sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapegrad.autograd.core.gate import GRAD_OFF, SAVED_HOOKS, TRANSFORM, state
from tapegrad.autograd.core.node import facts_of
from tapegrad.autograd.core.tensor import Tensor, requires_grad
from tapegrad.autograd.functions.in_vmap import batched
from tapegrad.autograd.functions.outputs import pack_saved, wrap
from tapegrad.autograd.modes.levels import below, recording
from tapegrad.autograd.tape.function_node import BackwardCFunction, FunctionCtx
from tapegrad.autograd.transforms.tangents import Tangents, zero_tangent
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.trees import leaves
from tapegrad.autograd.types.type_names import type_name

if TYPE_CHECKING:
    from tapegrad.autograd.functions.function import Function


def transformed(cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool) -> Any:
    """Apply a Function in a thread that is inside of transforms; the arguments are as its ``apply`` takes them.

    Args:
        cls: the Function.
        args: the arguments, with defaults filled in.
        kwargs: those that go by name.
        separate: the Function has a ``setup_context``.
    """
    application = _Application(cls, args, kwargs, separate)
    try:
        return application.run()
    finally:
        application.node.saved_for_forward = None


class _Application:
    """One call of ``apply``, on its way through the thread's levels.

    Attributes:
        inputs: all arguments.
        node: the node of the application, once `run` has come to where it is made.
        pushes: some level of forward mode will call ``jvp``.
        returned: what ``forward`` has returned, as a tuple.
        to_save: what is to be kept for ``backward``.
        dirty, flat: the ids of what ``forward`` has marked as written, and as not differentiable.
    """

    __slots__ = (
        "args",
        "cls",
        "dirty",
        "flat",
        "inputs",
        "kwargs",
        "node",
        "pushes",
        "returned",
        "separate",
        "to_save",
    )

    def __init__(self, cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool) -> None:
        self.cls = cls
        self.args = args
        self.kwargs = kwargs
        self.separate = separate
        self.inputs = (*args, *kwargs.values())
        self.node: BackwardCFunction = cls._backward_cls()
        self.pushes = False

    def run(self) -> Any:
        """The results, at the innermost of the thread's levels."""
        if not state.bits & TRANSFORM:
            return self._recorded(None, None)
        level = state.levels[-1]
        if isinstance(level, Tangents):
            return self._with_tangents(level)
        if any(level.holds(leaf) for leaf in leaves(self.inputs)):
            return self._recorded(level, batched(level, self.cls, self.args, self.kwargs, self.separate))
        with below(level):
            return self.run()

    # ---- at the level where the node is made

    def _recorded(self, level: Any, output: Any) -> Any:
        """Tie the results to the node: what ``forward`` returns, or at a level of vmap what its rule for batches has
        made, `output`.
        """
        node, inputs = self.node, self.inputs
        tensors = [t for t in inputs if isinstance(t, Tensor)]
        flows = {id(t) for t in tensors if (level is None or level.holds(t)) and requires_grad(t)}
        node.needs_input_grad = tuple([id(t) in flows for t in inputs])
        record = bool(flows) and not state.bits & GRAD_OFF
        if level is not None and not record and not self.pushes:
            return output
        if record:
            node.inputs = [facts_of(t) if isinstance(t, Tensor) else None for t in inputs]
            node.edges = tuple([(t._node or t) if id(t) in flows else None for t in tensors])
        ctx = FunctionCtx(node)
        with recording(False, own=True):
            if level is None:
                output = (
                    self.cls.forward(*self.args, **self.kwargs)
                    if self.separate
                    else self.cls.forward(ctx, *self.args, **self.kwargs)
                )
            if self.separate:
                self.cls.setup_context(ctx, self.args, output)
        self.returned = output if isinstance(output, tuple) else (output,)
        self.dirty = {id(t) for t in node.dirty_tensors or ()}
        self.flat = {id(t) for t in node.non_differentiable or ()}
        for_jvp = node.saved_for_forward
        self.to_save = node.to_save
        result = wrap(node, tensors, output, record, self.separate)
        if record and level is None and state.bits & SAVED_HOOKS:
            pack_saved(node, result)
        if self.pushes:
            node.saved_for_forward = for_jvp or ()
        return result

    # ---- forward mode

    def _with_tangents(self, level: Tangents) -> Any:
        tangents = [level.of(t) for t in self.inputs]
        if all(d is None for d in tangents):
            with below(level):
                return self.run()
        self.pushes = True
        versions = [0 if d is None else _version(d) for d in tangents]
        with below(level):
            result = self.run()
            found = self._jvp(tangents)
            results = result if isinstance(result, tuple) else (result,)
            if len(found) != len(results):
                raise RuntimeError(
                    f"Function's jvp returned an invalid number of forward gradients (expected {len(results)} but "
                    f"got {len(found)})"
                )
            for i, (t, raw, d) in enumerate(zip(results, self.returned, found)):
                if not isinstance(t, Tensor):
                    continue
                if id(raw) in self.flat or not dtypes.is_inexact(t._array.dtype):
                    if d is not None:
                        raise RuntimeError(
                            f"Function's jvp returned a gradient at position {i}, but  the corresponding forward "
                            "output is not a differentiable "
                            "Tensor.You should return None at that position instead."
                        )
                elif id(raw) in self.dirty:
                    place = next((n for n, x in enumerate(self.inputs) if x is raw), None)
                    self._overwritten(
                        level, t, d, None if place is None else tangents[place], 0 if place is None else versions[place]
                    )
                else:
                    self._made(level, t, d, tangents)
            if state.bits & SAVED_HOOKS:
                level.tie(self.node.saved, self.to_save)
        return result

    def _jvp(self, tangents: list[Tensor | None]) -> tuple[Tensor | None, ...]:
        """What ``jvp`` returns."""
        given = [
            zero_tangent(t)
            if d is None and self.node.materialize_grads and isinstance(t, Tensor) and dtypes.is_inexact(t._array.dtype)
            else d
            for t, d in zip(self.inputs, tangents)
        ]
        returned = self.cls.jvp(FunctionCtx(self.node), *given)
        found = returned if isinstance(returned, tuple) else (returned,)
        for i, d in enumerate(found):
            if d is not None and not isinstance(d, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type_name(d)}) for grad output {i}.")
        return found

    def _overwritten(self, level: Tangents, t: Tensor, d: Tensor | None, before: Tensor | None, version: int) -> None:
        """Set the tangent of an input that ``forward`` has written; it was `before`."""
        if before is None:
            if d is not None:
                _set_through(level, t, _checked(d, t))
        elif d is None or _version(d) == version:
            raise RuntimeError(
                "An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is "
                "modifying an input inplace, "
                "then the jvp function must modify the corresponding gradient inplace."
            )
        elif d is not before:
            raise RuntimeError(
                "An inplace custom Function is not returning the forward mode gradients as-is. If the forward is "
                "modifying an input inplace, "
                "then the jvp function must modify the gradient inplace and return it as-is."
            )
        else:
            level.set(t, d)

    def _made(self, level: Tangents, t: Tensor, d: Tensor | None, tangents: list[Tensor | None]) -> None:
        """`t` is new, or a view of an input."""
        root = _root(t)
        sources = [
            tangent
            for x, tangent in zip(self.inputs, tangents)
            if root is not t and isinstance(x, Tensor) and _root(x) is root
        ]
        if not sources:
            if d is not None:
                level.set(t, _checked(d, t))
            return
        source = next((tangent for tangent in sources if tangent is not None), None)
        if source is None:
            if d is not None:
                _set_through(level, t, _checked(d, t))
            return
        if d is None or d._view is None:
            raise RuntimeError(
                "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a "
                "view."
            )
        if _root(d) is not _root(source):
            same = (
                "a view of the same base as the given grad input"
                if source._view is not None
                else "a view of the given grad input"
            )
            raise RuntimeError(f"A custom Function is returning a view but the jvp is not returning {same}.")
        d = _checked(d, t)
        if any(isinstance(x, Tensor) and x._array is t._array for x in self.inputs):
            t._array = _another(t._array)
        level.set(t, d)


def _version(t: Tensor) -> int:
    return t._counter.version if t._counter is not None else 0


def _root(t: Tensor) -> Tensor:
    base = None if t._view is None else t._view.base(t)
    return t if base is None else base


def _another(array: Any) -> Any:
    """Another object over the same memory, with a tangent of its own."""
    return type(array)(array.level, array.tensor, array.batched) if hasattr(array, "level") else array[...]


def _set_through(level: Tangents, t: Tensor, d: Tensor) -> None:
    """Give `t` a tangent; where it is a view, of memory that has had none, the rest of that has zeros."""
    root = _root(t)
    if root is t:
        level.set(t, d)
        return
    whole = level.of(root)
    if whole is None:
        whole = zero_tangent(root)
        level.set(root, whole)
    part = level.of(t)
    assert part is not None
    part.copy_(d)


def _checked(d: Tensor, t: Tensor) -> Tensor:
    """Check the tangent of `t` that ``jvp`` returned."""
    if d._array.shape != t._array.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is "
            "not supported. Tensor is of "
            f"size {list(t._array.shape)} while the given forward gradient is of size {list(d._array.shape)}."
        )
    if not dtypes.is_inexact(d._array.dtype):
        raise RuntimeError("Expected both tensor and its forward grad to be floating point or complex")
    if d._array.dtype.kind == "c" != t._array.dtype.kind:
        raise RuntimeError(
            f"Function's jvp returned a forward gradient of {d.dtype} for a result of {t.dtype}: the tangent of a "
            "real tensor is real"
        )
    return d if d._array.dtype == t._array.dtype else d.to(t.dtype)
