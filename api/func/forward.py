"""Transforms by forward mode: `jvp`, `jacfwd`, `hessian`, `linearize`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.functional import basis_of, by_input
from tapegrad.autograd.modes.grad_mode import is_grad_enabled
from tapegrad.autograd.modes.levels import below, lifted, recording
from tapegrad.autograd.tape.backward import grad as gradients_of
from tapegrad.autograd.transforms.tangents import Tangents, zero_tangent
from tapegrad.autograd.transforms.vmap import vmap
from tapegrad.autograd.types.trees import leaves, mapped, spec
from tapegrad.backends import is_array
from tapegrad.func.reverse import jacrev
from tapegrad.func.trace import (
    Trace,
    arguments_of,
    check_real,
    in_any_mode,
    is_raw,
    leaving,
    only_tensors,
    positions_of,
    split,
    tensor_of,
)


@in_any_mode
def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """Compute `func`, and the product of its Jacobian and a vector, in one pass.

    Args:
        primals: its arguments.
        tangents: the vector: for each argument something of the same nesting, shapes and dtypes.
        strict: raise where a result does not depend on the arguments, instead of giving zeros.

    Returns:
        The results, and the product, nested as the results are; with `has_aux` also what else `func` returned.

    Raises:
        RuntimeError: the tangents do not fit, or `func` returns something that is no tensor.

    Example:
        >>> tapegrad.func.jvp(lambda x: x * x, (tapegrad.tensor([1.0, 2.0]),), (tapegrad.tensor([1.0, 0.0]),))
        (tensor([1., 4.]), tensor([2., 0.]))
    """
    name = f"jvp(f, primals, tangents{', strict=True' if strict else ''})"
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    if spec(primals) != spec(tangents):
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, if primals is a "
            "tuple of 3 tensors, "
            f"tangents also must be. Got primals with structure {spec(primals)} and tangents with structure "
            f"{spec(tangents)}"
        )
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not list(leaves(given)):
            raise RuntimeError(f"{name}: Expected {what} to contain at least one Tensor.")
        for leaf in leaves(given):
            if not isinstance(leaf, Tensor) and not is_array(leaf):
                raise RuntimeError(f"{name}: Expected {what} to only contain Tensors, got {type(leaf)}")
    raw = any(map(is_raw, leaves(primals)))
    vectors = iter([_vector(leaf, t) for leaf, t in zip(leaves(primals), leaves(tangents))])
    level = Tangents()
    with level:

        def dual(leaf: Any) -> Tensor:
            with below(level):
                t = lifted(tensor_of(leaf))
                t = t.view_as(t)
            level.give(t, next(vectors))
            return t

        output, aux = split(func(*[mapped(dual, primal) for primal in primals]), has_aux, name)
        found = []
        for t in only_tensors(output, f"{name}: expected"):
            tangent = level.of(t)
            if tangent is None:
                if strict:
                    raise RuntimeError(
                        f"{name}: The output of f is independent of the inputs. This is not allowed with strict=True."
                    )
                with below(level):
                    tangent = zero_tangent(t)
            found.append(tangent)
    products = iter(found)

    def out(tree: Any) -> Any:
        return mapped(lambda t: _out(t, raw), tree)

    result = out(output), out(mapped(lambda _: next(products), output))
    return (*result, out(aux)) if has_aux else result


def _vector(leaf: Any, tangent: Any) -> Tensor:
    """`tangent` as a tensor of the dtype of the primal `leaf`."""
    t, primal = tensor_of(tangent), tensor_of(leaf)
    _check_inexact(primal, "primal")
    _check_inexact(t, "tangent")
    return t if t.dtype == primal.dtype else t.to(primal.dtype)


def _check_inexact(t: Tensor, what: str) -> None:
    if not (t.is_floating_point() or t.is_complex()):
        raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The function that computes the Jacobian of `func` by one forward pass for all elements of its arguments (`vmap`
    of `jvp`).

    Returns:
        A function of the same arguments. Its result is nested as the results are, and within as the arguments: a tensor
        of shape ``output.shape + input.shape`` for each pair; with `has_aux` a pair of this and the rest.

    Example:
        >>> tapegrad.func.jacfwd(lambda x: x * x)(tapegrad.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """

    @in_any_mode
    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        positions = positions_of(argnums, len(args))
        raw = any(is_raw(leaf) for n in positions for leaf in leaves(args[n]))
        given = list(arguments_of(args))
        chosen = tuple(given[n] for n in positions)
        inputs = list(leaves(chosen))
        check_real(inputs, "jacfwd", "inputs")

        def along(*vectors: Tensor) -> Any:
            following = iter(vectors)

            def function(*moved: Any) -> Any:
                for n, value in zip(positions, moved):
                    given[n] = value
                return func(*given, **kwargs)

            output, product, *aux = jvp(function, chosen, mapped(lambda _: next(following), chosen), has_aux=has_aux)
            check_real(list(leaves(output)), "jacfwd", "outputs")
            return (product, *aux) if has_aux else product

        # What else `func` returns is the same for all directions, so that it comes out of vmap as it is.
        found = vmap(along, 0, (0, None) if has_aux else 0, randomness, chunk_size=chunk_size)(*basis_of(inputs))
        found, aux = found if has_aux else (found, None)

        def of(t: Tensor) -> Any:
            parts = iter(by_input(t, inputs))
            inner = [mapped(lambda _: _out(next(parts), raw), tree) for tree in chosen]
            return inner[0] if isinstance(argnums, int) else tuple(inner)

        result = mapped(of, found)
        return (result, mapped(lambda t: _out(t, raw), aux)) if has_aux else result

    return transformed


def _out(t: Any, raw: bool) -> Any:
    return t._array if raw and isinstance(t, Tensor) else t


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that computes the second derivatives of `func`, which returns a tensor, forward over reverse.

    Returns:
        A function of the same arguments; its result is nested as the arguments are, twice.

    Example:
        >>> tapegrad.func.hessian(lambda x: (x * x * x).sum())(tapegrad.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


@in_any_mode
def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Compute ``func(*primals)``, and return with it the function that multiplies its Jacobian with vectors, without
    computing `func` again.

    The backward pass is linear in the vector it is given; it is recorded once, and each product is a backward pass
    through that record.

    Returns:
        The results, and a function that takes a tangent for each argument and returns the products, nested as the
        results are.

    Example:
        >>> y, product = tapegrad.func.linearize(lambda x: x * x, tapegrad.tensor([1.0, 2.0]))
        >>> product(tapegrad.tensor([1.0, 1.0]))
        tensor([2., 4.])
    """
    for leaf in leaves(primals):
        if isinstance(leaf, Tensor) or is_array(leaf):
            _check_inexact(tensor_of(leaf), "primal")
    trace = Trace(primals)
    with recording(True):
        output = func(*trace.trees)
        flowing = [t for t in only_tensors(output, "linearize(f, *primals): Expected") if t.requires_grad]
        graph = trace.records(flowing)
        seeds = [zero_tangent(t).requires_grad_() for t in flowing]
        first = gradients_of(flowing, trace.tensors, seeds, create_graph=True, allow_unused=True) if flowing else ()
    linear = [(d, n) for n, d in enumerate(first) if d is not None and d.requires_grad]

    @in_any_mode
    def product(*tangents: Any) -> Any:
        if spec(tangents) != spec(primals):
            raise RuntimeError(
                f"Expected the tangents {spec(tangents)} to have the same argspec as the primals {spec(primals)}"
            )
        vectors = []
        for n, (tangent, t) in enumerate(zip(leaves(tangents), trace.tensors)):
            vectors.append(tensor_of(tangent))
            for what in ("shape", "device", "dtype"):
                got, want = getattr(vectors[n], what), getattr(t, what)
                if got != want:
                    raise RuntimeError(
                        f"tangent:{n} with {what} {got} in flattened pytree doesn't match the {what} {want} of the "
                        "corresponding primal."
                    )
        record = is_grad_enabled() and (graph or any(v.requires_grad for v in vectors))
        found: Sequence[Any] = [None] * len(flowing)
        if linear:
            found = gradients_of(
                [d for d, _ in linear],
                seeds,
                [vectors[n] for _, n in linear],
                retain_graph=True,
                create_graph=record,
                allow_unused=True,
            )
        of_flowing = iter(found)

        def of(t: Tensor) -> Any:
            d = next(of_flowing) if t.requires_grad else None
            return _out(zero_tangent(t), trace.raw) if d is None else leaving(d, trace.raw, record)

        return mapped(of, output)

    return trace.out(output, graph), product
