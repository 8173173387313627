"""Derivatives of functions: `jacobian`, `hessian`, and their products with vectors.

A function takes one tensor or several, and returns one or a tuple; results are nested as its results and inputs are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.modes.grad_mode import enable_grad, is_grad_enabled, set_grad_enabled
from tapegrad.autograd.modes.levels import below, lifted, without_history
from tapegrad.autograd.ops.shape.cat import stack
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.transforms.tangents import Tangents, zero_tangent
from tapegrad.autograd.transforms.vmap import batched_gradients, vmap
from tapegrad.backends import xp

Tensors = tuple[Tensor, ...]
R = TypeVar("R")
T = TypeVar("T", bound=Tensor | Tensors)
NOT_STRICT = "This is not allowed in strict mode"


# ---- one tensor or several


def _as_tuple(value: Any, what: str, function: str) -> tuple[bool, Tensors]:
    """Whether `value` is a tuple, and it as one."""
    several = isinstance(value, tuple)
    values = value if several else (value,)
    for i, t in enumerate(values):
        if not isinstance(t, Tensor):
            where = f"value at index {i}" if several else f"given {what}"
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the {where} has "
                f"type {type(t)}."
            )
    return several, values


def _one_or_all(values: Sequence[Any], several: bool) -> Any:
    return tuple(values) if several else values[0]


def _fresh(tensors: Tensors, create_graph: bool, requires_grad: bool) -> Tensors:
    """The tensors as new ones to differentiate by, which with `create_graph` still depend on those that require
    grad.
    """
    return tuple(
        t.view_as(t) if create_graph and t.requires_grad else without_history(lifted(t)).requires_grad_(requires_grad)
        for t in tensors
    )


def _result(tensors: Sequence[Tensor], several: bool, create_graph: bool) -> Any:
    return _one_or_all(tensors if create_graph else [t.detach() for t in tensors], several)


def _vector(
    v: Any, function: str, like: Tensors, several: bool, create_graph: bool, otherwise: str
) -> tuple[Tensor | None, ...]:
    """The vector `v` for a product, checked; None for each of `like` where it may be left out, which is where there is
    one number.
    """
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {otherwise} a single Tensor with a single element.")
        return (None,)
    _, given = _as_tuple(v, "v", function)
    if len(given) != len(like):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}."
            if several
            else "The given v should contain a single Tensor."
        )
    for i, (a, b) in enumerate(zip(given, like)):
        if a.shape != b.shape:
            raise RuntimeError(
                f"{f'Entry {i} in ' if several else ''}v has invalid size: should be {b.shape} but got {a.shape}."
            )
    return _fresh(given, create_graph, False)


# ---- what strict mode refuses


def _check_outputs(outputs: Tensors, strict: bool) -> None:
    for i, t in enumerate(outputs if strict else ()):
        if not t.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed "
                "in a differentiable manner "
                "from the input when running in strict mode."
            )


def _check_jacobian(jacobian: Sequence[Tensor | None], strict: bool) -> None:
    for i, t in enumerate(jacobian if strict else ()):
        if t is None:
            raise RuntimeError(f"The output of the user-provided function is independent of input {i}. {NOT_STRICT}.")
        if not t.requires_grad:
            raise RuntimeError(
                "While computing the hessian, found that the jacobian of the user-provided function with respect to "
                f"input {i} is independent "
                f"of the input. {NOT_STRICT}. You should ensure that your function is twice differentiable and that "
                "the jacobian depends on the "
                "inputs (this would be violated by a linear function for example)."
            )


def _filled(
    grads: Sequence[Tensor | None], like: Tensors, strict: bool, create_graph: bool, missing: str, constant: str
) -> list[Tensor]:
    """The gradients with zeros for those that are missing; strict mode has `missing` and `constant` to say of input
    number i.
    """
    for i, d in enumerate(grads if strict else ()):
        if d is None:
            raise RuntimeError(missing.format(i=i))
        if create_graph and not d.requires_grad:
            raise RuntimeError(
                f"The {constant} of the user-provided function is independent of input {i}. {NOT_STRICT} when "
                "create_graph=True."
            )
    return [_zeros(t) if d is None else d for d, t in zip(grads, like)]


# ---- derivatives


def _zeros(t: Tensor) -> Tensor:
    return from_array(xp(t._array).zeros(t._array.shape, t._array.dtype))


def gradients(
    outputs: Sequence[Tensor | None],
    inputs: Sequence[Tensor],
    vectors: Sequence[Tensor | None] | None = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> tuple[Tensor | None, ...]:
    """`autograd.grad`, for outputs some of which are None or require no grad."""
    pairs = [(t, v) for t, v in zip(outputs, vectors or [None] * len(outputs)) if t is not None and t.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    return grad([t for t, _ in pairs], inputs, [v for _, v in pairs], retain_graph, create_graph, allow_unused=True)


def basis_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The unit vectors of the space of all elements: for each tensor its part of every vector, along a new first
    dimension.
    """
    count = sum(t._array.size for t in tensors)
    found, start = [], 0
    for t in tensors:
        array = t._array
        here = xp(array)
        ones = here.arange(count)[:, None] == here.arange(start, start + array.size)
        found.append(from_array(ones.astype(array.dtype).reshape((count, *array.shape))))
        start += array.size
    return found


def by_input(derivatives: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The derivatives along the vectors of `basis_of`, which lie along the first dimension, for each input: of shape
    ``output.shape + input.shape``.
    """
    shape = derivatives._array.shape[1:]
    parts = derivatives.split([x._array.size for x in inputs])
    return [part.movedim(0, -1).reshape((*shape, *x._array.shape)) for part, x in zip(parts, inputs)]


def matrices(
    output: Tensor, inputs: Sequence[Tensor], create_graph: bool, chunk_size: int | None = None
) -> list[Tensor | None]:
    """The derivatives of each element of `output` by each element of each input, of shape ``output.shape +
    input.shape``; None where there are none.

    Args:
        output: any tensor.
        inputs: what it was computed from.
        create_graph: record the passes.
        chunk_size: the number of elements for which one pass goes back; None: all of them. With 1 there is a pass for
            each.
    """
    array = output._array
    if not output.requires_grad or not array.size:
        return [None] * len(inputs)
    seeds = basis_of([output])[0]
    if chunk_size == 1:
        rows = [gradients([output], inputs, [seed], create_graph, True) for seed in seeds]
        columns = [
            None if all(d is None for d in column) else stack([_zeros(t) if d is None else d for d in column])
            for column, t in zip(zip(*rows), inputs)
        ]
    else:
        columns = batched_gradients([output], inputs, [seeds], create_graph, True, chunk_size)
    return [None if d is None else d.reshape((*array.shape, *t._array.shape)) for d, t in zip(columns, inputs)]


@overload
def jacobian(
    func: Callable[[Tensor], Tensor],
    inputs: Tensor,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Tensor: ...
@overload
def jacobian(
    func: Callable[..., Any],
    inputs: Tensor | Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any: ...
def jacobian(
    func: Callable[..., Any],
    inputs: Tensor | Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivatives of every element of the results by every element of the inputs.

    Args:
        func: takes tensors, and returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        create_graph: make the result differentiable.
        strict: raise where a result does not depend on an input, instead of giving zeros.
        vectorize: differentiate by all elements in one pass (by `vmap`) instead of one after the other.
        strategy: ``"reverse-mode"``, or with `vectorize` ``"forward-mode"``, which is faster where there are more
            results than inputs.

    Returns:
        A tensor of shape ``output.shape + input.shape``; for several inputs a tuple of these, for several results a
        tuple of what there is for each.

    Raises:
        RuntimeError: in strict mode, as said above.

    Example:
        >>> tapegrad.autograd.functional.jacobian(lambda x: x * x, tapegrad.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more '
            "outputs than inputs, "
            '"forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not '
                "supported together "
                '(yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
            )
        if strict:
            raise RuntimeError(
                'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not supported '
                "together (yet). Please "
                'either set `strict=False` or `strategy="reverse-mode"`.'
            )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for "
                "`vectorize=True`."
            )
        return _forward_jacobian(func, inputs)
    with enable_grad():
        several_inputs, given = _as_tuple(inputs, "inputs", "jacobian")
        given = _fresh(given, create_graph, True)
        several_outputs, outputs = _as_tuple(func(*given), "outputs of the user-provided function", "jacobian")
        _check_outputs(outputs, strict)
        if strict and vectorize:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
                "Please either set "
                "`strict=False` or `vectorize=False`."
            )
        result = []
        for i, output in enumerate(outputs):
            if not vectorize and output.requires_grad and output.is_complex():
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
                )
            found = matrices(output, given, create_graph, None if vectorize else 1)
            for k, m in enumerate(found if strict else ()):
                if m is None:
                    raise RuntimeError(
                        f"Output {i} of the user-provided function is independent of input {k}. {NOT_STRICT}."
                    )
                if create_graph and not m.requires_grad:
                    raise RuntimeError(
                        f"The jacobian of the user-provided function is independent of input {i}. {NOT_STRICT} when "
                        "create_graph=True."
                    )
            shape = output._array.shape
            zeros = [
                from_array(xp(t._array).zeros((*shape, *t._array.shape), t._array.dtype)) if m is None else m
                for m, t in zip(found, given)
            ]
            result.append(_result(zeros, several_inputs, create_graph))
    return _one_or_all(result, several_outputs)


def _forward_jacobian(func: Callable[..., Any], inputs: Any) -> Any:
    several_inputs, given = _as_tuple(inputs, "inputs", "jacobian")
    several: list[bool] = []

    def along(*vectors: Tensor) -> Tensors:
        with Tangents() as level:
            duals = []
            for t, v in zip(given, vectors):
                with below(level):
                    duals.append(lifted(t).detach())
                level.set(duals[-1], v)
            is_tuple, outputs = _as_tuple(func(*duals), "outputs", "None")
            several[:] = [is_tuple]
            found = []
            for t in outputs:
                tangent = level.of(t)
                with below(level):
                    found.append(zero_tangent(t) if tangent is None else tangent)
        return tuple(found)

    return _one_or_all(
        [_one_or_all(by_input(t, given), several_inputs) for t in vmap(along)(*basis_of(given))], several[0]
    )


def _single(output: Any, function: str, strict: bool) -> Tensor:
    """The one number that a function for second derivatives must return."""
    several, outputs = _as_tuple(output, "outputs of the user-provided function", function)
    _check_outputs(outputs, strict)
    if several:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {function} should contain a single element")
    return outputs[0]


@overload
def hessian(
    func: Callable[..., Tensor],
    inputs: Tensor,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Tensor: ...
@overload
def hessian(
    func: Callable[..., Tensor],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> tuple[Tensors, ...]: ...
def hessian(
    func: Callable[..., Any],
    inputs: Tensor | Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function of one number by every pair of elements of the inputs.

    Args:
        func: takes tensors, and returns a tensor of one element.
        inputs: a tensor or a tuple of them.
        create_graph: make the result differentiable.
        strict: raise where the first derivative does not depend on an input, instead of giving zeros.
        vectorize: differentiate by all elements in one pass (by `vmap`) instead of one after the other.
        outer_jacobian_strategy: how the second derivative is taken: ``"reverse-mode"``, or with `vectorize`
            ``"forward-mode"``.

    Returns:
        A tensor of shape ``input.shape + input.shape``; for several inputs a tuple of tuples, first by the one, then by
        the other.

    Raises:
        RuntimeError: the function returns anything else; in strict mode, as said above.

    Example:
        >>> tapegrad.autograd.functional.hessian(lambda x: (x * x * x).sum(), tapegrad.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    several, given = _as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def number(*arguments: Tensor) -> Tensor:
        return _single(func(*arguments), "hessian", strict).reshape(())

    def first(*arguments: Tensor) -> Tensors:
        result: Tensors = jacobian(number, arguments, create_graph=True)
        _check_jacobian(result, strict)
        return result

    result = jacobian(first, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return _one_or_all([_one_or_all(row, several) for row in result], several)


def vjp(
    func: Callable[..., R],
    inputs: T,
    v: Tensor | Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[R, T]:
    """The product of a vector and the Jacobian, which is one backward pass.

    Args:
        func: takes tensors, and returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        v: of the shape of the results; may be left out for one number.
        create_graph: make both results differentiable.
        strict: raise where the results do not depend on an input, instead of giving zeros.

    Returns:
        What the function returns, and the product, of the shape of the inputs.

    Raises:
        RuntimeError: `v` does not fit; in strict mode, as said above.

    Example:
        >>> tapegrad.autograd.functional.vjp(lambda x: x * x, tapegrad.tensor([1.0, 2.0]), tapegrad.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        several_inputs, given = _as_tuple(inputs, "inputs", "vjp")
        given = _fresh(given, create_graph, True)
        several_outputs, outputs = _as_tuple(func(*given), "outputs of the user-provided function", "vjp")
        _check_outputs(outputs, strict)
        vectors = _vector(v, "vjp", outputs, several_outputs, create_graph, "the user-provided function returns")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(
            gradients(outputs, given, vectors, create_graph),
            given,
            strict,
            create_graph,
            f"The output of the user-provided function is independent of input {{i}}. {NOT_STRICT}.",
            "jacobian",
        )
    return _result(outputs, several_outputs, create_graph), _result(product, several_inputs, create_graph)


def jvp(
    func: Callable[..., R], inputs: T, v: T | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[R, R]:
    """The product of the Jacobian and a vector: the derivative along `v`.

    It takes two backward passes: the first result is linear in the vector it is asked for, so the second, through the
    first, is the product.

    Args:
        func: takes tensors, and returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        v: of the shape of the inputs; may be left out for one number.
        create_graph: make both results differentiable.
        strict: raise where a result does not depend on the inputs, instead of giving zeros.

    Returns:
        What the function returns, and the product, of the same shape.

    Raises:
        RuntimeError: `v` does not fit; in strict mode, as said above.

    Example:
        >>> tapegrad.autograd.functional.jvp(lambda x: x * x, tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([1.0, 0.0]))
        (tensor([1., 4.]), tensor([2., 0.]))
    """
    with enable_grad():
        several_inputs, given = _as_tuple(inputs, "inputs", "jvp")
        given = _fresh(given, create_graph, True)
        vectors = _vector(v, "jvp", given, several_inputs, create_graph, "the input to the user-provided function is")
        several_outputs, outputs = _as_tuple(func(*given), "outputs of the user-provided function", "jvp")
        _check_outputs(outputs, strict)
        seeds = [_zeros(t).requires_grad_() for t in outputs]
        first = gradients(outputs, given, seeds, True)
        for i, d in enumerate(first if strict else ()):
            if d is None:
                raise RuntimeError(
                    f"The output of the user-provided function is independent of input {i}. {NOT_STRICT}."
                )
            if not d.requires_grad:
                raise RuntimeError(
                    f"The gradient with respect to input {i} is independent of the inputs of the user-provided "
                    f"function. {NOT_STRICT}."
                )
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(
            gradients(first, seeds, vectors, create_graph),
            outputs,
            strict,
            create_graph,
            "The gradient with respect to the input is independent of entry {i} in the grad_outputs when using the "
            "double backward trick to "
            f"compute forward mode gradients. {NOT_STRICT}.",
            "jacobian",
        )
    return _result(outputs, several_outputs, create_graph), _result(product, several_outputs, create_graph)


def _differentiated(
    func: Callable[..., Any], inputs: Any, v: Any, name: str, create_graph: bool, strict: bool
) -> tuple[Any, ...]:
    """Whether there are several inputs, these, the vector, the result of `func` and its gradients."""
    several, given = _as_tuple(inputs, "inputs", name)
    given = _fresh(given, create_graph, True)
    vectors = _vector(v, name, given, several, create_graph, "the input to the user-provided function is")
    output = _single(func(*given), name, strict)
    first = gradients([output], given, None, True)
    _check_jacobian(first, strict)
    return several, given, vectors, output, first


def vhp(
    func: Callable[..., Any], inputs: T, v: T | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Tensor, T]:
    """The product of a vector and the Hessian of a function of one number.

    Args:
        func: takes tensors, and returns a tensor of one element.
        inputs: a tensor or a tuple of them.
        v: of the shape of the inputs; may be left out for one number.
        create_graph: make both results differentiable.
        strict: raise where the first derivative does not depend on an input, instead of giving zeros.

    Returns:
        What the function returns, and the product, of the shape of the inputs.

    Raises:
        RuntimeError: `v` does not fit, or the function returns anything else; in strict mode, as said above.

    Example:
        >>> tapegrad.autograd.functional.vhp(lambda x: (x * x * x).sum(), tapegrad.tensor([1.0, 2.0]), tapegrad.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, given, vectors, output, first = _differentiated(func, inputs, v, "vhp", create_graph, strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(
            gradients(first, given, vectors, create_graph),
            given,
            strict,
            create_graph,
            f"The jacobian of the user-provided function is independent of input {{i}}. {NOT_STRICT}.",
            "hessian",
        )
    return _result([output], False, create_graph), _result(product, several, create_graph)


def hvp(
    func: Callable[..., Any], inputs: T, v: T | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Tensor, T]:
    """The product of the Hessian of a function of one number and a vector.

    For functions with continuous second derivatives it equals `vhp`, which is faster.

    Args:
        func: takes tensors, and returns a tensor of one element.
        inputs: a tensor or a tuple of them.
        v: of the shape of the inputs; may be left out for one number.
        create_graph: make both results differentiable.
        strict: raise where the first derivative does not depend on an input, instead of giving zeros.

    Returns:
        What the function returns, and the product, of the shape of the inputs.

    Raises:
        RuntimeError: `v` does not fit, or the function returns anything else; in strict mode, as said above.

    Example:
        >>> tapegrad.autograd.functional.hvp(lambda x: (x * x * x).sum(), tapegrad.tensor([1.0, 2.0]), tapegrad.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, given, vectors, output, first = _differentiated(func, inputs, v, "hvp", create_graph, strict)
        seeds = [_zeros(t).requires_grad_() for t in given]
        second = gradients(first, given, seeds, True)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(
            gradients(second, seeds, vectors, create_graph),
            given,
            strict,
            create_graph,
            "The hessian of the user-provided function is independent of entry {i} in the grad_jacobian. "
            f"{NOT_STRICT} as it prevents from using the double backward trick to replace forward mode AD.",
            "hessian",
        )
    return _result([output], False, create_graph), _result(product, several, create_graph)


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
