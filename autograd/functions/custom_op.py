"""`custom_op`: a function over raw arrays, and the rule of its derivative, become one differentiable operation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import INFERENCE, TRANSFORM, gate, grad_enabled, state
from tapegrad.autograd.core.inference import mark
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.functions.function import Function, undifferentiable
from tapegrad.autograd.types import dtypes
from tapegrad.backends import ARRAYS, backend

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NUMBERS = (int, float, complex, np.generic, np.ndarray)


class Rule:
    """A derivative as the user wrote it, and the names of what it takes.

    Attributes:
        what: "vjp" or "jvp".
        function: what was given.
        higher_order: it takes tensors and is made of ops.
        asks: the names of what it asks for after its first argument, ``*`` for all arguments.
    """

    def __init__(self, op: CustomOp, what: str, function: Callable[..., Any], higher_order: bool) -> None:
        if higher_order and op.keeps:
            raise ValueError(
                f"custom op {op.name}: a {what} with higher_order=True cannot have keeps=: it would take the kept "
                "values for constants when it is "
                "itself differentiated"
            )
        self.op = op
        self.what = what
        self.function = function
        self.higher_order = higher_order
        self.asks = self._asked_by(function)
        self._layouts: dict[int, tuple[dict[str, Any], frozenset[int]]] = {}

    def _asked_by(self, function: Callable[..., Any]) -> tuple[str, ...]:
        op, what = self.op, self.what
        offered = [
            *[p.name for p in op.parameters],
            "result",
            *(["needs_input_grad"] if what == "vjp" else []),
            *op.keeps,
        ]
        parameters = list(_signature_of(function).parameters.values())
        if not parameters:
            raise TypeError(
                f"custom op {op.name}: its {what} takes no argument, where the first is the "
                f"{'gradient of the result' if what == 'vjp' else 'tangent of the argument'}"
            )
        names = []
        for i, p in enumerate(parameters):
            if p.kind is Parameter.VAR_POSITIONAL:
                names.append("*")
            elif i and p.name in offered and p.kind in _POSITIONAL:
                names.append(p.name)
            elif i and p.default is Parameter.empty:
                raise TypeError(
                    f"custom op {op.name}: its {what} asks for '{p.name}', which is none of {', '.join(offered)}"
                )
        return tuple(names)

    def layout(self, count: int) -> tuple[dict[str, Any], frozenset[int]]:
        """Where among `count` arguments those of each name stand, under ``*`` all; and which of them the rule asks
        for.
        """
        layout = self._layouts.get(count)
        if layout is None:
            op = self.op
            places: dict[str, Any] = {"*": range(count)}
            first = 0
            for p in op.parameters:
                if p.kind is Parameter.VAR_POSITIONAL:
                    after = count - len(op.by_keyword)
                    places[p.name] = range(first, after)
                    first = after
                else:
                    places[p.name] = first
                    first += 1
            wanted = [places[name] for name in self.asks if name in places]
            layout = self._layouts[count] = (
                places,
                frozenset(i for place in wanted for i in (place if isinstance(place, range) else (place,))),
            )
        return layout

    def keeps(self) -> bool:
        """Whether it takes values that ``forward`` keeps."""
        return any(name in self.op.keeps for name in self.asks)


class CustomOp:
    """The result of `custom_op`. Called with tensors it records; called with arrays it is ``forward``.

    Attributes:
        name: what its node and its errors are called after.
        forward: the function it was made of.
        vjp, jvp: its derivatives, None where there is none.
        batch: what it does under vmap: "front", "loop", or None.
        keeps: names of the values that ``forward`` returns after its results, for its derivatives.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        vjp: Callable[..., Any] | None,
        name: str | None,
        keeps: tuple[str, ...] | str,
        higher_order: bool,
        jvp: Callable[..., Any] | None,
        batch: str | None,
    ) -> None:
        functools.update_wrapper(self, forward)
        named = getattr(forward, "__name__", type(forward).__name__)
        self.name = name or (named if named.isidentifier() else "custom_op")
        self.forward = forward
        self.keeps = (keeps,) if isinstance(keeps, str) else tuple(keeps)
        self._signature = _signature_of(forward)
        self.parameters = tuple(self._signature.parameters.values())
        self._ordinary = all(p.kind in _POSITIONAL for p in self.parameters)
        self.by_keyword = tuple([p.name for p in self.parameters if p.kind is Parameter.KEYWORD_ONLY])
        if any(p.kind is Parameter.VAR_KEYWORD for p in self.parameters):
            raise TypeError(
                f"custom op {self.name}: forward must name its arguments, and take no **{self.parameters[-1].name}"
            )
        if batch not in (None, "front", "loop"):
            raise ValueError(f"custom op {self.name}: batch must be 'front', 'loop' or None, but got {batch!r}")
        self.batch = batch
        self.vjp: Rule | None = None
        self.jvp: Rule | None = None
        if vjp is not None:
            self.defvjp(vjp, higher_order=higher_order)
        if jvp is not None:
            self.defjvp(jvp, higher_order=higher_order)
        self._function = _function_of(self)
        self.in_transforms: type[Function] | None = None

    def __repr__(self) -> str:
        return f"<custom op {self.name}>"

    def defvjp(self, vjp: Callable[..., Any], *, higher_order: bool = False) -> Callable[..., Any]:
        """Give the op its derivative; a decorator.

        Args:
            vjp: see `custom_op`.
            higher_order: see `custom_op`.

        Returns:
            `vjp` itself.

        Raises:
            TypeError: a parameter of `vjp` is none of the values that it can ask for.
            ValueError: `higher_order`, and ``forward`` keeps values.

        Example:
            >>> @tapegrad.custom_op
            ... def square(x):
            ...     return x * x
            >>> @square.defvjp
            ... def square_vjp(grad, x):
            ...     return grad * 2 * x
            >>> x = tapegrad.tensor([3.0], requires_grad=True)
            >>> square(x).backward()
            >>> x.grad
            tensor([6.])
        """
        self.vjp = Rule(self, "vjp", vjp, higher_order)
        return vjp

    def defjvp(self, jvp: Callable[..., Any], *, higher_order: bool = False) -> Callable[..., Any]:
        """Give the op its derivative for forward mode; a decorator.

        Args:
            jvp: see `custom_op`.
            higher_order: `jvp` takes and returns tensors, and is made of operators and tapegrad's functions.

        Returns:
            `jvp` itself.

        Raises:
            TypeError: a parameter of `jvp` is none of the values that it can ask for.
            ValueError: `higher_order`, and ``forward`` keeps values.

        Example:
            >>> @tapegrad.custom_op
            ... def square(x):
            ...     return x * x
            >>> @square.defjvp
            ... def square_jvp(tangent, x):
            ...     return tangent * 2 * x
            >>> x = tapegrad.tensor([3.0])
            >>> tapegrad.func.jvp(square, (x,), (tapegrad.ones(1),))[1]
            tensor([6.])
        """
        self.jvp = Rule(self, "jvp", jvp, higher_order)
        return jvp

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or not self._ordinary or len(args) != len(self.parameters):
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args = (*bound.args, *bound.kwargs.values())
        for value in args:
            if isinstance(value, Tensor):
                if gate.on and state.bits & TRANSFORM:
                    from tapegrad.autograd.functions.custom_op_in_transforms import transformed

                    return transformed(self, args)
                return self._function.apply(*args)
        return self.run(args)[0]

    def run(self, inputs: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Call ``forward`` on the arrays of `inputs`; returns the results, and the kept values."""
        values = [t._array if isinstance(t, Tensor) else t for t in inputs]
        for value in values:
            if isinstance(value, (list, tuple)) and any(isinstance(t, Tensor) for t in value):
                raise TypeError(
                    f"custom op {self.name}: no gradient flows to tensors in a {type(value).__name__}; let each be "
                    "an argument of its own, as in "
                    "forward(*arrays)"
                )
        count = len(values) - len(self.by_keyword)
        returned = self.forward(*values[:count], **dict(zip(self.by_keyword, values[count:])))
        if not self.keeps:
            return returned, ()
        kept = len(self.keeps)
        if not isinstance(returned, tuple) or len(returned) <= kept:
            raise TypeError(
                f"custom op {self.name}: forward must return, in one tuple, its results and then "
                f"{', '.join(self.keeps)}"
            )
        results = returned[:-kept]
        return results[0] if len(results) == 1 else results, returned[-kept:]


def custom_op(
    forward: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    keeps: tuple[str, ...] | str = (),
    higher_order: bool = False,
    jvp: Callable[..., Any] | None = None,
    batch: str | None = None,
) -> Any:
    """Make a function over NumPy or CuPy arrays an operation that autograd knows.

    Args:
        forward: takes arrays (and whatever else), returns an array, a number, or a tuple of them. Neither it nor `vjp`
            may write to its arguments.
        vjp: ``vjp(grad, ...)`` returns the gradient of each of forward's arguments, in order, as a tuple (or alone if
            it is one); None where there is none. `grad` is the gradient of the result; of several results a tuple,
            zeros for those without gradient. What else `vjp` needs it asks for by the names of its parameters, and only
            that is kept: an argument of `forward` by its name, all of them by ``*inputs``, the result (a tuple of
            several) by ``result``, what `keeps` names, and by ``needs_input_grad`` a tuple that tells whose gradient is
            wanted.
        name: what the op is called in errors and graphs; by default the function's own name.
        keeps: names of further values that `forward` returns after its results, to be handed to `vjp` and `jvp` and to
            nobody else.
        higher_order: `vjp` and `jvp` take and return tensors, and are made of operators and tapegrad's functions: then
            gradients of gradients exist. By default they take and return arrays, and a second differentiation raises.
        jvp: ``jvp(tangents, ...)``, for forward mode, returns the tangent of the result, of several results a tuple.
            `tangents` is the tangent of forward's argument, of several arguments a tuple: zeros for arrays without,
            None for integers and what is no array. What else it needs it asks for as `vjp` does. Without it, forward
            mode goes by a `vjp` with `higher_order`.
        batch: what `vmap` does: "front" calls all the functions once, with a dimension more in front of each array that
            is an argument or a result (what is the same for all members is repeated), so they must be written for that;
            "loop" calls them for each member. By default vmap raises.

    Returns:
        A function with the arguments of `forward`. Given tensors it returns tensors, and is differentiable; given
        arrays alone it returns arrays. Without `forward` a decorator of it.

    Raises:
        TypeError: `vjp` or `jvp` asks for something that there is not.
        ValueError: `higher_order` together with `keeps`, or an unknown `batch`.

    Example:
        >>> import numpy as np, tapegrad
        >>> @tapegrad.custom_op(vjp=lambda grad, result: grad * result)
        ... def exp(x):
        ...     return np.exp(x)
        >>> x = tapegrad.tensor([0.0, 1.0], requires_grad=True)
        >>> exp(x).sum().backward()
        >>> x.grad
        tensor([1.0000, 2.7183])
        >>> exp(np.zeros(2))
        array([1., 1.])
    """
    if forward is None:
        return functools.partial(
            custom_op, vjp=vjp, name=name, keeps=keeps, higher_order=higher_order, jvp=jvp, batch=batch
        )
    return CustomOp(forward, vjp, name, keeps, higher_order, jvp, batch)


def _signature_of(function: Callable[..., Any]) -> Signature:
    """The signature of `function`; of a ufunc, and of what is written in C and does not tell, ``*inputs``."""
    try:
        if not hasattr(function, "nin"):
            return signature(function)
    except ValueError:
        pass
    return Signature([Parameter("inputs", Parameter.VAR_POSITIONAL)])


# ---- the Function of an op


def _function_of(op: CustomOp) -> type[Function]:
    """A `Function` of the op's name."""

    def forward(ctx: Any, *inputs: Any) -> Any:
        returned, ctx.kept = op.run(inputs)
        ctx.several = isinstance(returned, (tuple, list))
        results = wrapped(op, returned if ctx.several else (returned,), inputs)
        keep(ctx, op, inputs, results)
        return tuple(results) if ctx.several else results[0]

    def backward(ctx: Any, *grads: Any) -> Any:
        return pulled(ctx, op, grads)

    return type(op.name, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def pulled(ctx: Any, op: CustomOp, grads: tuple[Any, ...]) -> tuple[Any, ...]:
    """The vjp: the gradients of the arguments from those of the results."""
    rule = op.vjp
    if rule is None:
        raise NotImplementedError(f"the derivative for '{op.name}' is not implemented.")
    saved = ctx.saved_tensors if ctx.saves else ()
    if rule.higher_order:
        return gradients(
            op, rule.function(grads if ctx.several else grads[0], *asked_for(ctx, rule, saved)), ctx.needs_input_grad
        )
    if gate.on and state.bits & TRANSFORM:
        from tapegrad.autograd.functions.custom_op_in_transforms import on_arrays

        returned = on_arrays(
            rule, (grads if ctx.several else grads[0], *asked_for(ctx, rule, saved)), [t for t in saved if rule.keeps()]
        )
    else:
        given = tuple([None if d is None else d._array for d in grads])
        returned = rule.function(
            given if ctx.several else given[0], *asked_for(ctx, rule, [None if t is None else t._array for t in saved])
        )
    found = gradients(op, returned, ctx.needs_input_grad)
    return only_once(ctx, rule, grads, found) if grad_enabled() else found


def wrapped(op: CustomOp, returned: Any, inputs: tuple[Any, ...]) -> list[Any]:
    """What ``forward`` returned, its arrays and numbers as tensors with memory of their own."""
    others = [
        t._array if isinstance(t, Tensor) else t for t in inputs if isinstance(t, Tensor) or t.__class__ in ARRAYS
    ]
    results: list[Any] = []
    for value in returned:
        if value.__class__ not in ARRAYS and isinstance(value, _NUMBERS):
            value = np.asarray(value)
        if value.__class__ in ARRAYS:
            value = _own(dtypes.canonical(value), others)
            others.append(value)
            results.append(from_array(value))
            if gate.on and state.bits & INFERENCE:
                mark(results[-1])
        elif value is None or len(returned) > 1:
            results.append(value)
        else:
            raise TypeError(
                f"custom op {op.name}: forward returned a {type(value).__name__}, where a result is an array or a "
                "number"
            )
    return results


def _own(array: Any, others: list[Any]) -> Any:
    """`array`, or a copy where it cannot be written, or shares memory with an argument or another result, which a write
    would change too.
    """
    if array.__class__ is np.ndarray and not array.flags.writeable:
        return array.copy()
    shares = backend(array).shares_memory
    return (
        array.copy()
        if any(x.__class__ is array.__class__ and (shares(array, x) or shares(x, array)) for x in others)
        else array
    )


def values_for(rule: Rule, inputs: tuple[Any, ...], results: list[Any]) -> list[Any]:
    """The arguments and results, None in the place of an argument that `rule` does not ask for; without the results if
    it does not ask for those.
    """
    wanted = rule.layout(len(inputs))[1]
    return [value if i in wanted else None for i, value in enumerate(inputs)] + (
        results if "result" in rule.asks else []
    )


def keep(ctx: Any, op: CustomOp, inputs: tuple[Any, ...], results: list[Any]) -> None:
    """Save the arguments and results that the vjp takes."""
    if op.vjp is None:
        return
    values = values_for(op.vjp, inputs, results)
    saved = [t if isinstance(t, Tensor) else None for t in values]
    ctx.count = len(inputs)
    ctx.plain = [None if isinstance(t, Tensor) else t for t in values]
    ctx.saves = any(t is not None for t in saved)
    if ctx.saves:
        ctx.save_for_backward(*saved)


def asked_for(ctx: Any, rule: Rule, saved: Any) -> list[Any]:
    """What `rule` receives after its first argument; `saved` are the kept tensors, as it is to see them."""
    values = [plain if t is None else t for t, plain in zip(saved, ctx.plain)] if saved else list(ctx.plain)
    if rule.higher_order:
        values = [from_array(value) if value.__class__ in ARRAYS else value for value in values]
    inputs, results = values[: ctx.count], values[ctx.count :]
    kept = dict(zip(rule.op.keeps, ctx.kept))
    places = rule.layout(ctx.count)[0]
    asked: list[Any] = []
    for name in rule.asks:
        if name == "*":
            asked += inputs
        elif name in places:
            place = places[name]
            asked.append(tuple(inputs[place.start : place.stop]) if isinstance(place, range) else inputs[place])
        elif name in kept:
            asked.append(kept[name])
        else:
            asked.append(
                ctx.needs_input_grad if name == "needs_input_grad" else tuple(results) if ctx.several else results[0]
            )
    return asked


def gradients(op: CustomOp, returned: Any, needs: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """What the vjp returned, as a tensor or None for each argument.

    Raises:
        RuntimeError: there are too many or too few.
        TypeError: one is no array; with higher_order, no tensor.
    """
    given = returned if isinstance(returned, (tuple, list)) else (returned,)
    if len(given) > len(needs) or any(needs[len(given) :]):
        raise RuntimeError(
            f"custom op {op.name}: its vjp returned an incorrect number of gradients (expected {len(needs)}, got "
            f"{len(given)})"
        )
    higher_order = op.vjp is not None and op.vjp.higher_order
    found: list[Tensor | None] = [None] * len(needs)
    for i, (d, need) in enumerate(zip(given, needs)):
        if d is None or not need:
            continue
        if isinstance(d, Tensor):
            found[i] = d
        elif higher_order or not (d.__class__ in ARRAYS or isinstance(d, _NUMBERS)):
            wanted = "a tensor or None, since it has higher_order=True" if higher_order else "an array or None"
            raise TypeError(
                f"custom op {op.name}: its vjp returned a {type(d).__name__} at position {i}, where a gradient is "
                f"{wanted}"
            )
        else:
            found[i] = from_array(d if d.__class__ in ARRAYS else np.asarray(d))
    return tuple(found)


def once_text(rule: Rule) -> str:
    """The error text of a second differentiation."""
    return (
        f"custom op {rule.op.name} can be differentiated only once, because its {rule.what} works on arrays. To "
        "differentiate it again, write the "
        f"{rule.what} with tapegrad's functions and pass higher_order=True"
    )


def only_once(ctx: Any, rule: Rule, given: tuple[Any, ...], found: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
    """The gradients or tangents `found`, made from those `given` by a rule on arrays, as tensors that a second
    differentiation cannot pass.
    """
    edges = tuple(
        [(d._node or d) for d in given if d is not None and d.requires_grad]
        + [edge for edge in ctx._node.edges if edge is not None]
    )
    return tuple([undifferentiable(d, once_text(rule), edges) for d in found])


__all__ = ["CustomOp", "custom_op"]
