"""Forward mode: tangents computed along with values.

A `Tangents` level knows the tangent of each array; it holds arrays weakly, so a tangent lives as long as its value
does. An op's tangents come from its kind where that says enough: a linear op is its own derivative; an elementwise
rule, which multiplies a gradient by the derivative at each element, does the same to a tangent (of complex numbers,
where the derivative is a complex number too); in a reduction each element has its gradient as its weight. Other ops
bring ``jvp=``, and for the rest the reverse rules are transposed: the gradient is linear in the gradient that it is
given, so the derivative of the one by the other, a second reverse pass, is the forward derivative [J. Townsend, "A new
trick for calculating Jacobian vector products", 2017].
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

from tapegrad.autograd.core.gate import GRAD_OFF, INFERENCE, SAVED_HOOKS, gate, set_bits, settle, state
from tapegrad.autograd.core.history import run
from tapegrad.autograd.core.node import Slot
from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.core.version import counter_of
from tapegrad.autograd.dispatch.inplace import repeats
from tapegrad.autograd.dispatch.plan import Each
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.dispatch.rebase import laid_out
from tapegrad.autograd.modes.levels import Level, arguments, below, like_batch_of, recording, tensors_in
from tapegrad.autograd.ops.creation.factories import zeros
from tapegrad.autograd.saved.packed_values import Packed
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.tape.sums import dense_order
from tapegrad.autograd.transforms.batched_tensor import alike, lacks_batch
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend


class Tangents(Level):
    """One forward derivative: the tangents of all values that depend on what it differentiates by."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        super().__init__()
        # By the array's id: arrays are neither hashed nor compared.
        self._known: dict[int, tuple[weakref.ref[Any], Tensor]] = {}

    def leave(self) -> None:
        super().leave()
        self._known.clear()

    def set(self, t: Tensor, tangent: Tensor) -> None:
        """Set the tangent of `t`."""
        self._know(t._array, tangent)

    def _know(self, what: Any, tangent: Tensor) -> None:
        """Keep the tangent of an array, or of what hooks have packed, for as long as that lives."""
        key, known = id(what), self._known
        known[key] = weakref.ref(what, lambda _: known.pop(key, None)), tangent

    def give(self, t: Tensor, tangent: Tensor) -> None:
        """`set`, for a tangent that somebody else has made: refused where it does not fit; copied where views of it
        would not be laid out as those of `t`.
        """
        if self.of(tangent) is not None:
            raise RuntimeError(
                "Setting a forward grad that itself has a forward gradient at the same level0 is not supported."
            )
        shape, given = t._array.shape, tangent._array.shape
        if shape != given:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this "
                "is not supported. Tensor is "
                f"of size {list(shape)} while the given forward gradient is of size {list(given)}."
            )
        with below(self):
            self.set(t, _laid_out_as(t, tangent))

    def of(self, t: Any) -> Tensor | None:
        """The tangent of `t`, None if it has none. A view has that of its base, seen as the base is. In inference mode
        there are none.
        """
        if not isinstance(t, Tensor) or state.bits & INFERENCE:
            return None
        found = self._known.get(id(t._array))
        if found is not None:
            return found[1]
        base = t._view
        if base is None:
            return None
        base.settle()
        found = self._known.get(id(base.root._array))
        if found is None:
            return None
        with below(self):
            self.set(t, run(base.replay, found[1]))
        return self._known[id(t._array)][1]

    def op(self, core: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        op = core.op  # type: ignore[attr-defined]
        given = arguments(core, args, kwargs)
        tangents = self._of_operands(op, given)
        cast = alike(op, given) if tangents else {}
        if cast:
            # A node keeps the operands as they are cast, so that these must have tangents too.
            given.update(cast)
            tangents = self._of_operands(op, given)
        with below(self):
            result = op.call(given) if cast else core(*args, **kwargs)
            if tangents and result is not NotImplemented:
                several = isinstance(result, tuple)
                results = result if several else (result,)
                if any(dtypes.is_inexact(t._array.dtype) for t in results):
                    of_operands = [d for d in tensors_in(tangents.values()) if d is not None]
                    for t, tangent in zip(results, pushed(core, given, tangents, result)):
                        if (
                            tangent is not None
                            and dtypes.is_inexact(t._array.dtype)
                            and all(t is not x for x in given.values())
                        ):
                            self.set(t, _fitted(t, tangent, of_operands))
                if state.bits & SAVED_HOOKS:
                    self._keep_for_packed(op, given, results)
        return result

    def _keep_for_packed(self, op: Any, given: dict[str, Any], results: Any) -> None:
        """What hooks have packed of the operands and results has tangents too, once a rule reads it again."""
        node = next(
            (t._node.edges[0] if isinstance(t._node, Slot) else t._node for t in results if t._node is not None), None
        )
        if node is not None and node.op is op and node.saved:
            outs = dict(zip(op.outs if isinstance(op.outs, tuple) and op.outs else ("result",), results))
            for name, value in zip(node.saved_names, node.saved):
                self.tie(value, {**given, **outs, "results": results}.get(name))

    def tie(self, packed: Any, source: Any) -> None:
        if isinstance(packed, Packed):
            tangent = self.of(source)
            if tangent is not None:
                self._know(packed, tangent)
        elif isinstance(packed, (tuple, list)) and isinstance(source, (tuple, list)):
            for part, t in zip(packed, source):
                self.tie(part, t)

    def unpacked(self, packed: Any, t: Tensor) -> None:
        found = self._known.get(id(packed))
        if found is not None:
            self.set(t, found[1])

    def _of_operands(self, op: Any, given: dict[str, Any]) -> dict[str, Any]:
        """The tangents of the operands that have one, by name; of a list operand a list, with None."""
        tangents: dict[str, Any] = {}
        for name, rule in op.rules.items():
            if rule is None and op.joint is None:
                continue
            value = given[name]
            if isinstance(value, (list, tuple)):
                parts = [self.of(t) for t in value]
                if any(t is not None for t in parts):
                    tangents[name] = parts
            elif (tangent := self.of(value)) is not None:
                tangents[name] = tangent
        return tangents

    def overwritten(self, t: Tensor, value: Any, name: str) -> None:
        if state.bits & INFERENCE:
            return
        found = self._known.get(id(value))
        tangent = self.of(t)
        if found is None and tangent is None:
            return
        with below(self):
            if tangent is None:
                root = t if t._view is None else t._view.root
                self.set(root, _laid_out_as(root, zero_tangent(root)))
                tangent = self.of(t)
                assert tangent is not None
            if found is None:
                tangent.fill_(0)
            elif repeats(tangent._array):
                # only what is the same everywhere may be written where elements share their memory
                tangent.fill_(found[1].flatten()[0])
            elif lacks_batch(tangent, found[1]):
                self._batch_as(t, found[1])
                self.of(t).copy_(found[1])  # type: ignore[union-attr]
            else:
                tangent.copy_(found[1])

    def _batch_as(self, t: Tensor, source: Tensor) -> None:
        """Let the tangent of `t`, and of all that shares its memory, differ within the batches that `source` differs
        in.
        """
        root = t if t._view is None else t._view.root
        before = self._known[id(root._array)][1]
        shared = before if before._view is None else before._view.root
        for key, (_, tangent) in list(self._known.items()):
            if tangent._view is not None and tangent._view.root is shared:
                del self._known[key]  # it is made anew, of the new one, when it is asked for
        plain = zeros(before._array.shape, dtype=before.dtype, device=before.device)
        self.set(root, _laid_out_as(root, before + like_batch_of(plain, source)))

    def check_out(self, name: str, out: Any, result: Any) -> None:
        if self.of(out) is not None or self.of(result) is not None:
            raise NotImplementedError(
                f"Trying to use forward AD with {name}_out that does not support it because it is an out= function"
            )

    def copied(self, t: Tensor, copy: Any) -> None:
        found = self.of(t)
        if found is not None:
            with below(self):
                self.set(from_array(copy), found.clone())


def zero_tangent(t: Tensor) -> Tensor:
    """Zeros with the shape, dtype and device of `t`."""
    before = state.bits
    try:
        set_bits(state.bits | GRAD_OFF)
        made: Tensor = zero_gradient(t)
        return made
    finally:
        gate.on, state.bits = True, before | gate.always
        settle()


def _fitted(t: Tensor, tangent: Tensor, of_operands: list[Tensor]) -> Tensor:
    """A tangent for the result `t`, in its dtype and shape; its memory is its own, or, where `t` is a view, that of an
    operand's tangent.
    """
    if tangent._array.dtype is not t._array.dtype:
        tangent = tangent.to(t.dtype)
    if tangent._array.shape != t._array.shape:
        tangent = tangent.expand(t._array.shape)
    fitted = _laid_out_as(t, tangent)
    if fitted is tangent and t._view is None and any(_shares_memory(tangent, d) for d in of_operands):
        return tangent.clone()
    return fitted


def _shares_memory(a: Tensor, b: Tensor) -> bool:
    return a._array is b._array or (
        a._array.__class__ is b._array.__class__ and backend(a._array).shares_memory(a._array, b._array)
    )


def _laid_out_as(t: Tensor, tangent: Tensor) -> Tensor:
    """`tangent` in memory that is laid out as that of `t`, so that what is a view of the one is a view of the other; a
    copy where it is not yet.
    """
    array, other = t._array, tangent._array
    if not array.size or all(a == b for a, b, n in zip(array.strides, other.strides, array.shape) if n != 1):
        return tangent
    if array.flags.c_contiguous:
        return tangent.contiguous()
    if array.__class__ is not other.__class__ or hasattr(array, "level"):
        return tangent  # of a batch
    if dense_order(array) is None:
        return tangent.contiguous()
    return laid_out(tangent, tuple([step // array.itemsize for step in array.strides]))


# ---- what an op does to tangents


def pushed(core: Callable[..., Any], given: dict[str, Any], tangents: dict[str, Any], result: Any) -> Any:
    """The tangent of each result, None where there is none.

    Args:
        core: the op.
        given: its arguments by name.
        tangents: for each operand that has one, the tangent; for a list operand a list, with None.
        result: what the op returned.
    """
    op = core.op  # type: ignore[attr-defined]
    several = isinstance(result, tuple)
    if op.jvp is not None:
        found = _by_rule(op.jvp, given, tangents, result)
        return found if several else (found,)
    if op.kind in ("linear", "view"):
        found = _by_linearity(core, given, tangents)
        return found if several else (found,)
    if op.kind == "elementwise" and not several:
        return (_by_element(op, given, tangents, result),)
    if op.kind == "reduction" and not several:
        return (_by_weights(op, given, tangents, result),)
    return by_transposition(core, given, tangents)


@cache
def _asks(rule: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(signature(rule).parameters)


def _value_of(name: str, given: dict[str, Any], result: Any) -> Any:
    """The value that a rule's parameter `name` stands for."""
    if name in given:
        return given[name]
    if name == "result":
        return result
    operand, _, fact = name.rpartition("_")
    if operand in given and fact in ("shape", "dtype"):
        array = getattr(given[operand], "_array", None)
        return None if array is None else getattr(array, fact)
    return getattr(result, name)


def _by_rule(rule: Callable[..., Any], given: dict[str, Any], tangents: dict[str, Any], result: Any) -> Any:
    """``jvp=``: parameters named ``d_<operand>`` receive tangents (None where there is none), the others what reverse
    rules receive.
    """
    return rule(
        *[tangents.get(name[2:]) if name.startswith("d_") else _value_of(name, given, result) for name in _asks(rule)]
    )


def _by_linearity(core: Callable[..., Any], given: dict[str, Any], tangents: dict[str, Any]) -> Any:
    op = core.op  # type: ignore[attr-defined]
    moved = dict(given)
    for name, rule in op.rules.items():
        if rule is None and op.joint is None:
            continue
        if isinstance(rule, Each):
            moved[name] = [zero_tangent(t) if d is None else d for t, d in zip(given[name], tangents[name])]
        elif name in tangents:
            moved[name] = tangents[name]
        elif isinstance(given[name], Tensor):
            moved[name] = zero_tangent(given[name])
        elif given[name] is not None:
            moved[name] = 0
    return op.call(moved)


def _by_element(op: Any, given: dict[str, Any], tangents: dict[str, Any], result: Tensor) -> Tensor | None:
    total = None
    for name, tangent in tangents.items():
        rule = op.rules[name]
        if rule is None:
            continue
        if getattr(rule, "missing", False):
            raise NotImplementedError(f"Trying to use forward AD with aten::{op.name} that does not support it.")
        d = rule(*[tangent if i == 0 else _value_of(asked, given, result) for i, asked in enumerate(_asks(rule))])
        if d is not None:
            total = d if total is None else total + d
    return total


def _by_weights(op: Any, given: dict[str, Any], tangents: dict[str, Any], result: Tensor) -> Tensor:
    """Each element goes into one result, with the weight that is its gradient."""
    ((name, tangent),) = tangents.items()
    rule = op.rules[name]
    one = zero_tangent(result) + 1
    weighted = tangent * rule(
        *[one if i == 0 else _value_of(asked, given, result) for i, asked in enumerate(_asks(rule))]
    )
    if weighted._array.dtype.kind == "c" != result._array.dtype.kind:
        weighted = weighted.real
    return weighted.sum(given.get("dim"), given.get("keepdim", False))


def alias(t: Tensor) -> Tensor:
    """`t` as a tensor to differentiate by: of the same array, so that all levels know it; where `t` has a history, it
    is continued.
    """
    if requires_grad(t):
        return t.view_as(t)
    fresh = from_array(t._array)
    fresh._counter = counter_of(t)
    fresh._requires_grad = True
    return fresh


def by_transposition(core: Callable[..., Any], given: dict[str, Any], tangents: dict[str, Any]) -> list[Tensor | None]:
    """The tangents of the results by two reverse passes through the op alone."""
    op = core.op  # type: ignore[attr-defined]
    record = not state.bits & GRAD_OFF
    with recording(True, own=True):
        moved = dict(given)
        sources, vectors = [], []
        for name, tangent in tangents.items():
            if isinstance(tangent, list):
                moved[name] = [t if d is None else alias(t) for t, d in zip(given[name], tangent)]
                sources += [t for t, d in zip(moved[name], tangent) if d is not None]
                vectors += [d for d in tangent if d is not None]
            else:
                moved[name] = alias(given[name])
                sources.append(moved[name])
                vectors.append(tangent)
        result = op.call(moved)
        results = result if isinstance(result, tuple) else (result,)
        flowing = [t for t in results if t.requires_grad]
        if not flowing:
            return [None] * len(results)
        # Their values do not matter; of the results' own arrays, they are batched where those are.
        seeds = []
        for t in flowing:
            seed = from_array(t._array)
            seed._requires_grad = True
            seeds.append(seed)
        first = grad(flowing, sources, seeds, create_graph=True, allow_unused=True)
        pairs = [(d, v) for d, v in zip(first, vectors) if d is not None and d.requires_grad]
        if not pairs:
            return [None] * len(results)
        found = grad(
            [d for d, _ in pairs], seeds, [v.to(d.dtype) for d, v in pairs], create_graph=True, allow_unused=True
        )
    if not record or not any(
        isinstance(t, Tensor) and requires_grad(t) for t in tensors_in((*given.values(), *tangents.values()))
    ):
        # that they depend on the seeds is nobody's business
        found = [d if d is None else from_array(d._array) for d in found]
    of_flowing = iter(found)
    return [next(of_flowing) if t.requires_grad else None for t in results]
