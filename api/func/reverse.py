"""Transforms by reverse mode: `grad`, `value_and_grad`, `vjp`, `jacrev`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.functional import gradients, matrices
from tapegrad.autograd.modes.grad_mode import is_grad_enabled
from tapegrad.autograd.modes.levels import recording
from tapegrad.autograd.types.trees import leaves, mapped, structure
from tapegrad.backends import xp
from tapegrad.func.trace import arguments_of, call, check_real, complete, in_any_mode, only_tensors, positions_of


def value_and_grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that computes `func`, which returns a 0-d tensor, and its gradient.

    Returns:
        A function of the same arguments that returns ``(value, gradient)``, with `has_aux` ``((value, aux),
        gradient)``; the gradient is a tuple where `argnums` is.

    Raises:
        RuntimeError: when called, if `func` does not return a 0-d tensor.

    Example:
        >>> from tapegrad import func
        >>> func.value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
        (array(5.), array([2., 4.]))
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def value_first(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        gradient, value = both(*args, **kwargs)
        return value, gradient

    return value_first


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `value_and_grad`, but the gradient comes first: ``(gradient, value)``, with `has_aux` ``(gradient, (value,
    aux))``.

    Example:
        >>> tapegrad.func.grad_and_value(lambda x: (x * x).sum())(tapegrad.tensor([1.0, 2.0]))
        (tensor([2., 4.]), tensor(5.))
    """

    @in_any_mode
    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        name = "grad_and_value(f)(*args)"
        trace, output, aux = call(func, args, kwargs, positions_of(argnums, len(args)), has_aux, name)
        if not isinstance(output, Tensor):
            raise RuntimeError(f"{name}: Expected f(*args) to return a Tensor, got {type(output)}")
        if output.ndim != 0:
            raise RuntimeError(
                f"{name}: Expected f(*args) to return a scalar Tensor, got tensor with {output.ndim} dims. Maybe you "
                "wanted to use the vjp or "
                "jacrev APIs instead?"
            )
        graph = trace.records([output])
        found = complete(gradients([output], trace.tensors, None, graph), trace.tensors)
        inner = trace.like_arguments(found, graph)
        gradient = inner[0] if isinstance(argnums, int) else tuple(inner)
        value = trace.out(output, graph)
        return gradient, (value, trace.out(aux, graph)) if has_aux else value

    return transformed


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of `func`, which returns a 0-d tensor; applied again, the second
    derivative, and so on.

    Returns:
        A function of the same arguments. It returns the gradient, a tuple where `argnums` is; with `has_aux`
        ``(gradient, aux)``.

    Raises:
        RuntimeError: when called, if `func` does not return a 0-d tensor.

    Example:
        >>> from tapegrad.func import grad
        >>> grad(grad(lambda x: x * x * x))(tapegrad.tensor(2.0))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


@in_any_mode
def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Compute ``func(*primals)``, and return with it the function that multiplies a vector with its Jacobian.

    Returns:
        The results, and a function that takes vectors nested as the results are and returns a tuple of products, one
        for each argument; with `has_aux` also what else `func` returned.

    Raises:
        RuntimeError: `func` returns something that is no tensor.

    Example:
        >>> y, product = tapegrad.func.vjp(lambda x: x * x, tapegrad.tensor([1.0, 2.0]))
        >>> product(tapegrad.ones(2))
        (tensor([2., 4.]),)
    """
    trace, output, aux = call(func, primals, {}, tuple(range(len(primals))), has_aux, "vjp(f, *primals)")
    outputs = _inexact_tensors(output)
    records = trace.records(outputs)

    @in_any_mode
    def product(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple[Any, ...]:
        if structure(cotangents) != structure(output):
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                "function. "
                f"cotangents: {structure(cotangents)}, primal output: {structure(output)}"
            )
        vectors = list(leaves(arguments_of((cotangents,))))
        if create_graph is None:
            create_graph = is_grad_enabled() and (records or any(v.requires_grad for v in vectors))
        found = gradients(outputs, trace.tensors, vectors, create_graph, retain_graph)
        return tuple(trace.like_arguments(complete(found, trace.tensors), create_graph))

    result = trace.out(output, records)
    return (result, product, trace.out(aux, records)) if has_aux else (result, product)


def _inexact_tensors(output: Any) -> list[Tensor]:
    outputs = only_tensors(output, "vjp(f, *primals): expected")
    for t in outputs:
        if not (t.is_floating_point() or t.is_complex()):
            raise RuntimeError(
                "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype "
                f"{t.dtype}"
            )
    return outputs


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that computes the Jacobian of `func` by one backward pass for all elements of its results (`vmap` of
    `vjp`).

    Args:
        chunk_size: 1: one after the other, without `vmap`.

    Returns:
        A function of the same arguments. Its result is nested as the results are, and within as the arguments: a tensor
        of shape ``output.shape + input.shape`` for each pair; with `has_aux` a pair of this and the rest.

    Raises:
        ValueError: `chunk_size` is less than 1.

    Example:
        >>> tapegrad.func.jacrev(lambda x: x * x)(tapegrad.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @in_any_mode
    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        trace, output, aux = call(func, args, kwargs, positions_of(argnums, len(args)), has_aux, "vjp(f, *primals)")
        check_real(trace.tensors, "jacrev", "inputs")
        outputs = _inexact_tensors(output)
        check_real(outputs, "jacrev", "outputs")
        graph = trace.records(outputs)

        def of(t: Tensor) -> Any:
            with recording(True):
                found = matrices(t, trace.tensors, graph, chunk_size)
            shape = t._array.shape
            whole = [
                from_array(xp(x._array).zeros((*shape, *x._array.shape), x._array.dtype)) if m is None else m
                for m, x in zip(found, trace.tensors)
            ]
            inner = trace.like_arguments(whole, graph)
            return inner[0] if isinstance(argnums, int) else tuple(inner)

        result = mapped(of, output)
        return (result, trace.out(aux, graph)) if has_aux else result

    return transformed
