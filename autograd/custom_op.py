"""`custom_op`: a function over raw arrays, and the rule of its derivative, become one differentiable operation."""
from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.function import Function, undifferentiable
from tapegrad.autograd.gate import grad_enabled
from tapegrad.autograd.tensor import Tensor, from_array
from tapegrad.backends import ARRAYS, backend

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NUMBERS = (int, float, complex, np.generic, np.ndarray)


class CustomOp:
    """What `custom_op` makes: called with tensors it records, called with arrays it is ``forward``.

    Attributes:
        name: what its node and its errors are called after.
        forward, vjp: the functions it was made of; `vjp` is None where there is no derivative.
        keeps: names of the values that ``forward`` returns after its results, for `vjp`.
        higher_order: `vjp` takes tensors and is made of ops.
    """

    def __init__(self, forward: Callable[..., Any], vjp: Callable[..., Any] | None, name: str | None, keeps: tuple[str, ...] | str, higher_order: bool) -> None:
        functools.update_wrapper(self, forward)
        named = getattr(forward, "__name__", type(forward).__name__)
        self.name = name or (named if named.isidentifier() else "custom_op")
        self.forward = forward
        self.keeps = (keeps,) if isinstance(keeps, str) else tuple(keeps)
        self._signature = _signature_of(forward)
        self._parameters = tuple(self._signature.parameters.values())
        self._ordinary = all(p.kind in _POSITIONAL for p in self._parameters)
        self._by_keyword = tuple([p.name for p in self._parameters if p.kind is Parameter.KEYWORD_ONLY])
        if any(p.kind is Parameter.VAR_KEYWORD for p in self._parameters):
            raise TypeError(f"custom op {self.name}: forward must name its arguments, and take no **{self._parameters[-1].name}")
        self.vjp: Callable[..., Any] | None = None
        self.higher_order = False
        self._asks: tuple[str, ...] = ()
        self._layouts: dict[int, tuple[dict[str, Any], frozenset[int]]] = {}
        if vjp is not None:
            self.defvjp(vjp, higher_order=higher_order)
        self._function = _function_of(self)

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
            >>> import tapegrad
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
        if higher_order and self.keeps:
            raise ValueError(f"custom op {self.name}: a vjp with higher_order=True cannot have keeps=: it would take the kept values for constants when it is "
                             "itself differentiated")
        self._asks = self._asked_by(vjp)
        self._layouts = {}
        self.vjp = vjp
        self.higher_order = higher_order
        return vjp

    def _asked_by(self, vjp: Callable[..., Any]) -> tuple[str, ...]:
        """The names of what `vjp` asks for after the gradient, ``*`` for all arguments."""
        offered = [*[p.name for p in self._parameters], "result", "needs_input_grad", *self.keeps]
        parameters = list(_signature_of(vjp).parameters.values())
        if not parameters:
            raise TypeError(f"custom op {self.name}: its vjp takes no argument, where the first is the gradient of the result")
        names = []
        for i, p in enumerate(parameters):
            if p.kind is Parameter.VAR_POSITIONAL:
                names.append("*")
            elif i and p.name in offered and p.kind in _POSITIONAL:
                names.append(p.name)
            elif i and p.default is Parameter.empty:
                raise TypeError(f"custom op {self.name}: its vjp asks for '{p.name}', which is none of {', '.join(offered)}")
        return tuple(names)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or not self._ordinary or len(args) != len(self._parameters):
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args = (*bound.args, *bound.kwargs.values())
        for value in args:
            if isinstance(value, Tensor):
                return self._function.apply(*args)
        return self._run(args)[0]

    def _run(self, inputs: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Call ``forward`` on the arrays of `inputs`; returns the results, and the kept values."""
        values = [t._array if isinstance(t, Tensor) else t for t in inputs]
        for value in values:
            if isinstance(value, (list, tuple)) and any(isinstance(t, Tensor) for t in value):
                raise TypeError(f"custom op {self.name}: no gradient flows to tensors in a {type(value).__name__}; let each be an argument of its own, as in "
                                "forward(*arrays)")
        count = len(values) - len(self._by_keyword)
        returned = self.forward(*values[:count], **dict(zip(self._by_keyword, values[count:])))
        if not self.keeps:
            return returned, ()
        kept = len(self.keeps)
        if not isinstance(returned, tuple) or len(returned) <= kept:
            raise TypeError(f"custom op {self.name}: forward must return, in one tuple, its results and then {', '.join(self.keeps)}")
        results = returned[:-kept]
        return results[0] if len(results) == 1 else results, returned[-kept:]

    def _layout(self, count: int) -> tuple[dict[str, Any], frozenset[int]]:
        """Where among `count` arguments those of each name stand, under ``*`` all; and which of them the vjp asks for."""
        layout = self._layouts.get(count)
        if layout is None:
            places: dict[str, Any] = {"*": range(count)}
            first = 0
            for p in self._parameters:
                if p.kind is Parameter.VAR_POSITIONAL:
                    after = count - len(self._by_keyword)
                    places[p.name] = range(first, after)
                    first = after
                else:
                    places[p.name] = first
                    first += 1
            wanted = [places[name] for name in self._asks if name in places]
            layout = self._layouts[count] = places, frozenset(i for place in wanted for i in (place if isinstance(place, range) else (place,)))
        return layout


def custom_op(forward: Callable[..., Any] | None = None, vjp: Callable[..., Any] | None = None, *, name: str | None = None,
              keeps: tuple[str, ...] | str = (), higher_order: bool = False) -> Any:
    """Make a function over NumPy or CuPy arrays an operation that autograd knows.

    Args:
        forward: takes arrays (and whatever else), returns an array, a number, or a tuple of them. Neither it nor `vjp` may write to its arguments.
        vjp: ``vjp(grad, ...)`` returns the gradient of each of forward's arguments, in order, as a tuple (or alone if it is one); None where there is none.
            `grad` is the gradient of the result; of several results a tuple, zeros for those without gradient. What else `vjp` needs it asks for by the names
            of its parameters, and only that is kept: an argument of `forward` by its name, all of them by ``*inputs``, the result (a tuple of several) by
            ``result``, what `keeps` names, and by ``needs_input_grad`` a tuple that tells whose gradient is wanted.
        name: what the op is called in errors and graphs; by default the function's own name.
        keeps: names of further values that `forward` returns after its results, to be handed to `vjp` and to nobody else.
        higher_order: `vjp` takes and returns tensors, and is made of operators and tapegrad's functions: then gradients of gradients exist.
            By default it takes and returns arrays, and a second differentiation raises.

    Returns:
        A function with the arguments of `forward`. Given tensors it returns tensors, and is differentiable; given arrays alone it returns arrays. Without
        `forward` a decorator of it.

    Raises:
        TypeError: `vjp` asks for something that there is not.

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
        return functools.partial(custom_op, vjp=vjp, name=name, keeps=keeps, higher_order=higher_order)
    return CustomOp(forward, vjp, name, keeps, higher_order)


def _signature_of(function: Callable[..., Any]) -> Signature:
    """The signature of `function`; of a ufunc, and of what is written in C and does not tell, ``*inputs``."""
    try:
        if not hasattr(function, "nin"):
            return signature(function)
    except ValueError:
        pass
    return Signature([Parameter("inputs", Parameter.VAR_POSITIONAL)])


# ---- the Function that stands behind an op

def _function_of(op: CustomOp) -> type[Function]:
    """A `Function` of the op's name."""

    def forward(ctx: Any, *inputs: Any) -> Any:
        returned, ctx.kept = op._run(inputs)
        ctx.several = isinstance(returned, (tuple, list))
        results = _wrapped(op, returned if ctx.several else (returned,), inputs)
        _keep(ctx, op, inputs, results)
        return tuple(results) if ctx.several else results[0]

    def backward(ctx: Any, *grads: Any) -> Any:
        if op.vjp is None:
            raise NotImplementedError(f"the derivative for '{op.name}' is not implemented.")
        asked = _asked(ctx, op)
        given = grads if op.higher_order else tuple([None if d is None else d._array for d in grads])
        found = _gradients(op, op.vjp(given if ctx.several else given[0], *asked), ctx.needs_input_grad)
        return found if op.higher_order or not grad_enabled() else _only_once(ctx, op, grads, found)

    return type(op.name, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def _wrapped(op: CustomOp, returned: Any, inputs: tuple[Any, ...]) -> list[Any]:
    """What ``forward`` returned, its arrays and numbers as tensors with memory of their own."""
    others = [t._array if isinstance(t, Tensor) else t for t in inputs if isinstance(t, Tensor) or t.__class__ in ARRAYS]
    results: list[Any] = []
    for value in returned:
        if value.__class__ not in ARRAYS and isinstance(value, _NUMBERS):
            value = np.asarray(value)
        if value.__class__ in ARRAYS:
            dtypes.of(value.dtype)
            value = _own(value, others)
            others.append(value)
            results.append(from_array(value))
        elif value is None or len(returned) > 1:
            results.append(value)
        else:
            raise TypeError(f"custom op {op.name}: forward returned a {type(value).__name__}, where a result is an array or a number")
    return results


def _own(array: Any, others: list[Any]) -> Any:
    """`array`, or a copy where it cannot be written, or shares memory with an argument or another result, which a write would change too."""
    if array.__class__ is np.ndarray and not array.flags.writeable:
        return array.copy()
    shares = backend(array).shares_memory
    return array.copy() if any(x.__class__ is array.__class__ and (shares(array, x) or shares(x, array)) for x in others) else array


def _keep(ctx: Any, op: CustomOp, inputs: tuple[Any, ...], results: list[Any]) -> None:
    """Keep the arguments and results that the vjp asks for."""
    wanted = op._layout(len(inputs))[1]
    values = [value if i in wanted else None for i, value in enumerate(inputs)] + (results if "result" in op._asks else [])
    saved = [t if isinstance(t, Tensor) else None for t in values]
    ctx.count = len(inputs)
    ctx.plain = [None if isinstance(t, Tensor) else t for t in values]
    ctx.saves = any(t is not None for t in saved)
    if ctx.saves:
        ctx.save_for_backward(*saved)


def _asked(ctx: Any, op: CustomOp) -> list[Any]:
    """What the vjp receives after the gradient."""
    saved = ctx.saved_tensors if ctx.saves else [None] * len(ctx.plain)
    values = [plain if t is None else t if op.higher_order else t._array for t, plain in zip(saved, ctx.plain)]
    if op.higher_order:
        values = [from_array(value) if value.__class__ in ARRAYS else value for value in values]
    inputs, results = values[:ctx.count], values[ctx.count:]
    kept = dict(zip(op.keeps, ctx.kept))
    places = op._layout(ctx.count)[0]
    asked: list[Any] = []
    for name in op._asks:
        if name == "*":
            asked += inputs
        elif name in places:
            place = places[name]
            asked.append(tuple(inputs[place.start:place.stop]) if isinstance(place, range) else inputs[place])
        elif name in kept:
            asked.append(kept[name])
        else:
            asked.append(ctx.needs_input_grad if name == "needs_input_grad" else tuple(results) if ctx.several else results[0])
    return asked


def _gradients(op: CustomOp, returned: Any, needs: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """What the vjp returned, as a tensor or None for each argument.

    Raises:
        RuntimeError: there are too many or too few.
        TypeError: one is no array; with higher_order, no tensor.
    """
    given = returned if isinstance(returned, (tuple, list)) else (returned,)
    if len(given) > len(needs) or any(needs[len(given):]):
        raise RuntimeError(f"custom op {op.name}: its vjp returned an incorrect number of gradients (expected {len(needs)}, got {len(given)})")
    found: list[Tensor | None] = [None] * len(needs)
    for i, (d, need) in enumerate(zip(given, needs)):
        if d is None or not need:
            continue
        if isinstance(d, Tensor):
            found[i] = d
        elif op.higher_order or not (d.__class__ in ARRAYS or isinstance(d, _NUMBERS)):
            wanted = "a tensor or None, since it has higher_order=True" if op.higher_order else "an array or None"
            raise TypeError(f"custom op {op.name}: its vjp returned a {type(d).__name__} at position {i}, where a gradient is {wanted}")
        else:
            found[i] = from_array(d if d.__class__ in ARRAYS else np.asarray(d))
    return tuple(found)


def _only_once(ctx: Any, op: CustomOp, grads: tuple[Any, ...], found: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
    """The gradients `found`, made by a vjp on arrays, as tensors that a second differentiation cannot pass."""
    edges = tuple([(d._node or d) for d in grads if d is not None and d.requires_grad] + [edge for edge in ctx._node.edges if edge is not None])
    text = (f"custom op {op.name} can be differentiated only once, because its vjp works on arrays. To differentiate it again, write the vjp with tapegrad's "
            "functions and pass higher_order=True")
    return tuple([undifferentiable(d, text, edges) for d in found])


__all__ = ["CustomOp", "custom_op"]
