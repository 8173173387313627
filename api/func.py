"""Transforms of functions: `grad`, `value_and_grad`, `vjp`, `jacrev`, `hessian`, which nest.

They take tensors, and NumPy and CuPy arrays too: the function then receives tensors over the arrays' memory, and what comes back is arrays of the same device.
Arguments may be nested in lists, tuples and dicts.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapegrad.autograd.functional import gradients, matrices
from tapegrad.autograd.grad_mode import is_grad_enabled
from tapegrad.autograd.levels import lifted, recording, without_history
from tapegrad.autograd.node import Node
from tapegrad.autograd.tensor import Tensor, from_array
from tapegrad.autograd.trees import leaves, mapped, structure
from tapegrad.autograd.vmap import vmap
from tapegrad.backends import is_array, xp

__all__ = ["grad", "grad_and_value", "hessian", "jacrev", "value_and_grad", "vjp", "vmap"]


# ---- one application of a transform

class _Trace:
    """The arguments by which a function is differentiated, as fresh tensors, and its results on their way out.

    Args:
        trees: the arguments.

    Attributes:
        trees: the same with fresh tensors.
        tensors: these, in order.
        raw: the arguments are arrays, and so are the results.
    """

    def __init__(self, trees: Sequence[Any]) -> None:
        self.nested = is_grad_enabled()
        self.tensors: list[Tensor] = []
        self.was_array: list[bool] = []
        self.depends = False
        with recording(True):
            self.trees = [mapped(self._fresh, tree) for tree in trees]
        self.raw = any(self.was_array)

    def _fresh(self, leaf: Any) -> Tensor:
        if not isinstance(leaf, Tensor) and not is_array(leaf):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")
        t = lifted(leaf if isinstance(leaf, Tensor) else _tensor(leaf))
        if t.requires_grad and self.nested:
            self.depends = True
            fresh = t.view_as(t)
        else:
            fresh = without_history(t).requires_grad_()
        self.tensors.append(fresh)
        self.was_array.append(not isinstance(leaf, Tensor))
        return fresh

    def records(self, outputs: Sequence[Tensor]) -> bool:
        """Whether the gradients must be differentiable: they depend on what another transform, or the caller, differentiates by."""
        if not self.nested:
            return False
        return self.depends or _reaches_others(outputs, {id(t) for t in self.tensors})

    def out(self, tree: Any, graph: bool) -> Any:
        """A result for the caller."""
        def leave(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            return leaf._array if self.raw else leaf if graph else without_history(leaf)

        return mapped(leave, tree)

    def like_arguments(self, found: Sequence[Tensor], graph: bool) -> list[Any]:
        """Values for the fresh tensors, nested as the arguments."""
        values = iter(zip(found, self.was_array))

        def leave(_: Any) -> Any:
            value, array = next(values)
            return value._array if array else value if graph else without_history(value)

        return [mapped(leave, tree) for tree in self.trees]


def _tensor(array: Any) -> Tensor:
    return from_array(np.asarray(array) if isinstance(array, np.generic) else array)


def _reaches_others(outputs: Sequence[Tensor], own: set[int]) -> bool:
    """Whether the outputs were computed from a leaf that requires grad besides those with ids in `own`."""
    seen: set[Any] = set()
    stack = [t._node or t for t in outputs if t.requires_grad]
    while stack:
        target = stack.pop()
        if target in seen:
            continue
        seen.add(target)
        if isinstance(target, Node):
            stack += [edge for edge in target.edges if edge is not None]
        elif id(target) not in own:
            return True
    return False


def _arguments(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments that are not differentiated by: arrays as tensors, so that the function sees one kind."""
    return tuple(mapped(lambda leaf: _tensor(leaf) if not isinstance(leaf, Tensor) and is_array(leaf) else leaf, arg) for arg in args)


def _positions(argnums: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    """The positions that `argnums` means, among `count` arguments."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    chosen = (argnums,) if isinstance(argnums, int) else argnums
    if not chosen:
        raise RuntimeError("argnums must be non-empty")
    for n in chosen:
        if not isinstance(n, int):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(n)}")
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")
    positions = tuple(n % count for n in chosen)
    if len(set(positions)) != len(positions):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return positions


def _call(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], positions: tuple[int, ...], has_aux: bool,
          name: str) -> tuple[_Trace, Any, Any]:
    """Call `func` with fresh tensors at `positions`; what it returns, and beside it what it returns besides."""
    trace = _Trace([args[n] for n in positions])
    given = list(_arguments(args))
    for n, tree in zip(positions, trace.trees):
        given[n] = tree
    with recording(True):
        output = func(*given, **kwargs)
    if not has_aux:
        return trace, output, None
    if not isinstance(output, tuple) or len(output) != 2:
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return trace, *output


def _complete(found: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    """The gradients, zeros where there are none."""
    return [from_array(xp(t._array).zeros(t._array.shape, t._array.dtype)) if d is None else d for d, t in zip(found, like)]


# ---- transforms

def value_and_grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes `func` and its gradient.

    Args:
        func: returns a 0-d tensor; with `has_aux` a pair of it and anything else.
        argnums: the position of the argument to differentiate by, or several.
        has_aux: whether `func` returns a pair.

    Returns:
        A function of the same arguments. It returns ``(value, gradient)``, with `has_aux` ``((value, aux), gradient)``; the gradient is a tuple where `argnums`
        is.

    Raises:
        RuntimeError: when called, if `func` does not return a 0-d tensor.

    Example:
        >>> import numpy as np
        >>> from tapegrad import func
        >>> func.value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
        (array(5.), array([2., 4.]))
    """
    both = grad_and_value(func, argnums, has_aux)

    def value_first(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        gradient, value = both(*args, **kwargs)
        return value, gradient

    return value_first


def grad_and_value(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """As `value_and_grad`, but the gradient comes first.

    Args:
        func: returns a 0-d tensor; with `has_aux` a pair of it and anything else.
        argnums: the position of the argument to differentiate by, or several.
        has_aux: whether `func` returns a pair.

    Returns:
        A function that returns ``(gradient, value)``, with `has_aux` ``(gradient, (value, aux))``.

    Example:
        >>> import tapegrad
        >>> tapegrad.func.grad_and_value(lambda x: (x * x).sum())(tapegrad.tensor([1.0, 2.0]))
        (tensor([2., 4.]), tensor(5.))
    """
    def transformed(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        name = "grad_and_value(f)(*args)"
        trace, output, aux = _call(func, args, kwargs, _positions(argnums, len(args)), has_aux, name)
        if not isinstance(output, Tensor):
            raise RuntimeError(f"{name}: Expected f(*args) to return a Tensor, got {type(output)}")
        if output.ndim != 0:
            raise RuntimeError(f"{name}: Expected f(*args) to return a scalar Tensor, got tensor with {output.ndim} dims. Maybe you wanted to use the vjp or "
                               "jacrev APIs instead?")
        graph = trace.records([output])
        found = _complete(gradients([output], trace.tensors, None, graph), trace.tensors)
        inner = trace.like_arguments(found, graph)
        gradient = inner[0] if isinstance(argnums, int) else tuple(inner)
        value = trace.out(output, graph)
        return gradient, (value, trace.out(aux, graph)) if has_aux else value

    return transformed


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of `func`; applied again, the second derivative, and so on.

    Args:
        func: returns a 0-d tensor; with `has_aux` a pair of it and anything else.
        argnums: the position of the argument to differentiate by, or several.
        has_aux: whether `func` returns a pair.

    Returns:
        A function of the same arguments. It returns the gradient, a tuple where `argnums` is; with `has_aux` ``(gradient, aux)``.

    Raises:
        RuntimeError: when called, if `func` does not return a 0-d tensor.

    Example:
        >>> import tapegrad
        >>> from tapegrad.func import grad
        >>> grad(grad(lambda x: x * x * x))(tapegrad.tensor(2.0))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Compute `func`, and have the function that multiplies a vector with its Jacobian.

    Args:
        func: returns tensors, nested or not; with `has_aux` a pair of these and anything else.
        *primals: its arguments.
        has_aux: whether `func` returns a pair.

    Returns:
        The results, and a function that takes vectors nested as the results are and returns a tuple of products, one for each argument; with `has_aux` also
        what else `func` returned.

    Raises:
        RuntimeError: `func` returns something that is no tensor.

    Example:
        >>> import tapegrad
        >>> y, product = tapegrad.func.vjp(lambda x: x * x, tapegrad.tensor([1.0, 2.0]))
        >>> product(tapegrad.ones(2))
        (tensor([2., 4.]),)
    """
    trace, output, aux = _call(func, primals, {}, tuple(range(len(primals))), has_aux, "vjp(f, *primals)")
    outputs = _only_tensors(output)
    records = trace.records(outputs)

    def product(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple[Any, ...]:
        if structure(cotangents) != structure(output):
            raise RuntimeError("Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                               f"cotangents: {structure(cotangents)}, primal output: {structure(output)}")
        vectors = list(leaves(_arguments((cotangents,))))
        if create_graph is None:
            create_graph = is_grad_enabled() and (records or any(v.requires_grad for v in vectors))
        found = gradients(outputs, trace.tensors, vectors, create_graph, retain_graph)
        return tuple(trace.like_arguments(_complete(found, trace.tensors), create_graph))

    result = trace.out(output, records)
    return (result, product, trace.out(aux, records)) if has_aux else (result, product)


def _only_tensors(output: Any) -> list[Tensor]:
    outputs = list(leaves(output))
    for t in outputs:
        if not isinstance(t, Tensor):
            raise RuntimeError(f"vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type {type(t)}")
    return outputs


def jacrev(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None) -> Callable[..., Any]:
    """The function that computes the Jacobian of `func`, a backward pass for each element of its results.

    Args:
        func: returns tensors, nested or not; with `has_aux` a pair of these and anything else.
        argnums: the position of the argument to differentiate by, or several.
        has_aux: whether `func` returns a pair.
        chunk_size: accepted for torch's sake; changes nothing.

    Returns:
        A function of the same arguments. Its result is nested as the results are, and within as the arguments: a tensor of shape
        ``output.shape + input.shape`` for each pair; with `has_aux` a pair of this and the rest.

    Example:
        >>> import tapegrad
        >>> tapegrad.func.jacrev(lambda x: x * x)(tapegrad.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    def transformed(*args: Any, **kwargs: Any) -> Any:
        trace, output, aux = _call(func, args, kwargs, _positions(argnums, len(args)), has_aux, "jacrev(f)(*args)")
        graph = trace.records(_only_tensors(output))

        def of(t: Tensor) -> Any:
            with recording(True):
                found = matrices(t, trace.tensors, graph)
            shape = t._array.shape
            whole = [from_array(xp(x._array).zeros((*shape, *x._array.shape), x._array.dtype)) if m is None else m for m, x in zip(found, trace.tensors)]
            inner = trace.like_arguments(whole, graph)
            return inner[0] if isinstance(argnums, int) else tuple(inner)

        result = mapped(of, output)
        return (result, trace.out(aux, graph)) if has_aux else result

    return transformed


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that computes the second derivatives of `func`.

    Args:
        func: returns a tensor.
        argnums: the position of the argument to differentiate by, or several.

    Returns:
        A function of the same arguments; its result is nested as the arguments are, twice.

    Example:
        >>> import tapegrad
        >>> tapegrad.func.hessian(lambda x: (x * x * x).sum())(tapegrad.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacrev(jacrev(func, argnums), argnums)
