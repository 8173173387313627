"""`autograd.functional` and `func` against PyTorch's: values, nesting, errors."""

from __future__ import annotations

import itertools

import pytest
from same_program import attempt, check


def x(lib, requires_grad=False, start=1.0):
    return lib.tensor([start, start + 1.0, start + 2.0], dtype=lib.float64, requires_grad=requires_grad)


FUNCTIONS = {
    "one": (lambda lib: lambda a: a * a * a, 1),
    "number": (lambda lib: lambda a: (a * a * a).sum(), 1),
    "matrix": (lambda lib: lambda a: a.reshape(3, 1) * a.exp(), 1),
    "several": (lambda lib: lambda a: (a * a, a.sum(), a * 2), 1),
    "two": (lambda lib: lambda a, b: a * a * b, 2),
    "two number": (lambda lib: lambda a, b: (a * a * b).sum(), 2),
    "two several": (lambda lib: lambda a, b: (a * b * b, (a * a).sum()), 2),
    "linear": (lambda lib: lambda a: a * 3, 1),
    "linear number": (lambda lib: lambda a: (a * 3).sum(), 1),
    "constant": (lambda lib: lambda a: lib.ones(2, dtype=lib.float64), 1),
    "unused": (lambda lib: lambda a, b: (a * a * a).sum(), 2),
    "identity": (lambda lib: lambda a: a, 1),
    "not a tensor": (lambda lib: lambda a: 3.0, 1),
    "tuple of numbers": (lambda lib: lambda a: (a, 3.0), 1),
}
NAMES = ["jacobian", "hessian", "vjp", "jvp", "vhp", "hvp"]
OPTIONS = list(itertools.product((False, True), (False, True), (False, True)))


def vectors(lib, name, outputs, inputs):
    """Vectors of the right shape for a product: of the results for vjp, of the inputs for the others."""
    if name in ("jacobian", "hessian"):
        return {}
    like = outputs if name == "vjp" else inputs
    made = tuple(
        lib.ones(t.shape, dtype=t.dtype) * 0.5 if isinstance(t, lib.Tensor) else None
        for t in (like if isinstance(like, tuple) else (like,))
    )
    return {"v": made if isinstance(like, tuple) else made[0]}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_functional(name, function):
    make, count = FUNCTIONS[function]
    for create_graph, strict, requires_grad in OPTIONS:

        def case(lib, create_graph=create_graph, strict=strict, requires_grad=requires_grad):
            f = make(lib)
            inputs = x(lib, requires_grad) if count == 1 else (x(lib, requires_grad), x(lib, False, 2.0))
            outputs = f(*(inputs if isinstance(inputs, tuple) else (inputs,)))
            more = vectors(lib, name, outputs, inputs)
            return getattr(lib.autograd.functional, name)(f, inputs, **more, create_graph=create_graph, strict=strict)

        check(case, within=1e-12, warned=False)


VECTORIZED = {
    "jacobian": [
        {"vectorize": True},
        {"vectorize": True, "strict": True},
        {"strategy": "forward-mode"},
        *[
            {"vectorize": True, "strategy": "forward-mode", **more}
            for more in ({}, {"create_graph": True}, {"strict": True})
        ],
    ],
    "hessian": [
        {"vectorize": True},
        {"vectorize": True, "strict": True},
        {"outer_jacobian_strategy": "sideways"},
        {"outer_jacobian_strategy": "forward-mode"},
        *[
            {"vectorize": True, "outer_jacobian_strategy": "forward-mode", **more}
            for more in ({}, {"create_graph": True}, {"strict": True})
        ],
    ],
}


def values_alone(result):
    """Without what PyTorch has otherwise in forward mode than it documents: lists for tuples, and results that require
    grad though nobody asked for it.
    """
    if isinstance(result, (tuple, list)):
        return tuple([values_alone(part) for part in result])
    return result.detach() if hasattr(result, "detach") else result


@pytest.mark.parametrize("name", VECTORIZED)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_vectorized(name, function):
    make, count = FUNCTIONS[function]
    for options in VECTORIZED[name]:
        for requires_grad in (False, True):

            def case(lib, options=options, requires_grad=requires_grad):
                inputs = x(lib, requires_grad) if count == 1 else (x(lib, requires_grad), x(lib, False, 2.0))
                result = getattr(lib.autograd.functional, name)(make(lib), inputs, **options)
                return values_alone(result) if "forward-mode" in options.values() else result

            check(case, within=1e-12, warned=False)


@pytest.mark.parametrize("name", ["jacobian", "hessian"])
def test_vectorized_results_can_be_differentiated(name):
    def case(lib):
        a = x(lib, True)
        found = getattr(lib.autograd.functional, name)(lambda a: (a**4).sum(), a, create_graph=True, vectorize=True)
        return found, lib.autograd.grad(found.sum(), a)

    check(case, within=1e-12, warned=False)


IN_PLACE = lambda a: a.mul_(2).sum()
CIRCUMSTANCES = {
    "no_grad": lambda lib, f: lib.no_grad()(
        lambda: [f("jacobian"), f("hessian"), f("vjp"), f("jvp", v=x(lib)), f("vhp", v=x(lib)), f("hvp", v=x(lib))]
    )(),
    "no_grad and create_graph": lambda lib, f: lib.no_grad()(
        lambda: [f(n, at=x(lib, True), create_graph=True) for n in ("jacobian", "hessian", "vjp")]
    )(),
    "inference": lambda lib, f: lib.inference_mode()(
        lambda: [f("jacobian"), f("hessian"), f("vjp"), f("jvp", v=x(lib)), f("hvp", v=x(lib))]
    )(),
    "integers": lambda lib, f: [f(name, at=lib.tensor([1, 2])) for name in NAMES],
    "integer results": lambda lib, f: (
        [f("jacobian", lambda a: a.argmax(), vectorize=v) for v in (False, True)] + [f("vjp", lambda a: a.argmax())]
    ),
    "complex": lambda lib, f: [
        f("jacobian", g, lib.tensor([1 + 2j, 3 - 1j]), **more)
        for g in (lambda a: a * a, lambda a: a.abs(), lambda a: a.real)
        for more in ({}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"})
    ],
    "complex vectors": lambda lib, f: [
        f(name, lambda a: a * a, lib.tensor([1 + 2j, 3 - 1j]), v=lib.ones(2, dtype=dtype))
        for name in ("vjp", "jvp")
        for dtype in (lib.float32, lib.complex64)
    ],
    "dtypes": lambda lib, f: [
        f("jacobian", g, lib.tensor([1.0, 2.0]), vectorize=v)
        for g in (lambda a: a.double() * 2, lambda a: (a, a.double()))
        for v in (False, True)
    ],
    "vectors": lambda lib, f: [
        f(name, lambda a: a * 2, v=v)
        for name in ("vjp", "jvp")
        for v in (3.0, "a", [x(lib)], (x(lib),), x(lib)[:2], x(lib).float(), lib.tensor([1, 2, 3]))
    ],
    "in place": lambda lib, f: [
        f("jacobian", IN_PLACE),
        f("jacobian", IN_PLACE, vectorize=True, strategy="forward-mode"),
        f("vjp", IN_PLACE),
        f("jvp", IN_PLACE, v=x(lib)),
    ],
    "vector that requires grad": lambda lib, f: f("jvp", lambda a: a * a, v=x(lib, True), create_graph=True),
}


@pytest.mark.parametrize("name", CIRCUMSTANCES)
def test_functional_under_circumstances(name):
    def case(lib):
        def f(name, function=lambda a: (a * a).sum(), at=None, **options):
            return attempt(
                lambda: getattr(lib.autograd.functional, name)(function, x(lib) if at is None else at, **options)
            )

        return CIRCUMSTANCES[name](lib, f)

    check(case, within=1e-12, warned=False)


# ---- many gradients at once


def eye(lib):
    return lib.eye(3, dtype=lib.float64)


def retained(lib, grad, a):
    y = a * a
    return grad(y, a, eye(lib), retain_graph=True), grad(y, a, eye(lib)), attempt(lambda: grad(y, a, eye(lib)))


BATCHED = {
    "matrix": lambda lib, grad, a, b: grad(a * a, a, eye(lib)),
    "create_graph": lambda lib, grad, a, b: grad(a * a, a, eye(lib), create_graph=True),
    "create_graph of seeds": lambda lib, grad, a, b: grad(a.exp(), a, eye(lib).requires_grad_(), create_graph=True),
    "shape": lambda lib, grad, a, b: grad(a * a, a, lib.ones(3, dtype=lib.float64)),
    "no seed": lambda lib, grad, a, b: grad(a * a, a, None),
    "no seed for a number": lambda lib, grad, a, b: grad((a * a).sum(), a, None),
    "no seed for one": lambda lib, grad, a, b: grad([(a * a).sum(), a * 3], a, [None, eye(lib)]),
    "number": lambda lib, grad, a, b: grad((a * a).sum(), a, lib.ones(2, dtype=lib.float64)),
    "sizes": lambda lib, grad, a, b: grad([a * a, a * 3], a, [lib.ones(2, 3, dtype=lib.float64), eye(lib)]),
    "unused": lambda lib, grad, a, b: grad(a * a, [a, b], eye(lib)),
    "allow_unused": lambda lib, grad, a, b: grad(a * a, [a, b], eye(lib), allow_unused=True),
    "dict": lambda lib, grad, a, b: grad(a * a, {"k": a}, eye(lib)),
    "dtype": lambda lib, grad, a, b: grad(a * a, a, lib.eye(3)),
    "complex": lambda lib, grad, a, b: grad(a * a, a, lib.eye(3, dtype=lib.complex128)),
    "twice": lambda lib, grad, a, b: retained(lib, grad, a),
    "no history": lambda lib, grad, a, b: grad(a.detach(), a.detach(), eye(lib)),
}


@pytest.mark.parametrize("name", BATCHED)
def test_is_grads_batched(name):
    def case(lib):
        def grad(*args, **options):
            return lib.autograd.grad(*args, is_grads_batched=True, **options)

        return BATCHED[name](lib, grad, x(lib, True), x(lib, True))

    check(case, within=1e-12, warned=False)


MISUSES = {
    "list": lambda lib: lib.autograd.functional.jacobian(lambda a: a, [x(lib)]),
    "tuple with a number": lambda lib: lib.autograd.functional.jacobian(lambda a, b: a, (x(lib), 3)),
    "strategy": lambda lib: lib.autograd.functional.jacobian(lambda a: a, x(lib), strategy="sideways"),
    "strict vectorize": lambda lib: lib.autograd.functional.jacobian(lambda a: a, x(lib), strict=True, vectorize=True),
    "vjp without v": lambda lib: lib.autograd.functional.vjp(lambda a: a * 2, x(lib)),
    "vjp of one": lambda lib: lib.autograd.functional.vjp(lambda a: a.sum(), x(lib)),
    "jvp without v": lambda lib: lib.autograd.functional.jvp(lambda a: a * 2, x(lib)),
    "vhp without v": lambda lib: lib.autograd.functional.vhp(lambda a: a.sum(), x(lib)),
    "v too long": lambda lib: lib.autograd.functional.vjp(lambda a: a * 2, x(lib), (x(lib), x(lib))),
    "v too long for a tuple": lambda lib: lib.autograd.functional.vjp(lambda a: (a * 2, a), x(lib), x(lib)),
    "v of the wrong size": lambda lib: lib.autograd.functional.vjp(lambda a: a * 2, x(lib), lib.ones(2)),
    "entry of the wrong size": lambda lib: lib.autograd.functional.vjp(
        lambda a: (a * 2, a), x(lib), (x(lib), lib.ones(2))
    ),
    "v no tensor": lambda lib: lib.autograd.functional.vjp(lambda a: a * 2, x(lib), 3.0),
    "hessian of a vector": lambda lib: lib.autograd.functional.hessian(lambda a: a * 2, x(lib)),
    "hessian of a tuple": lambda lib: lib.autograd.functional.hessian(lambda a: (a.sum(),), x(lib)),
    "vhp of a vector": lambda lib: lib.autograd.functional.vhp(lambda a: a * 2, x(lib), x(lib)),
    "hvp of a tuple": lambda lib: lib.autograd.functional.hvp(lambda a: (a.sum(),), x(lib), x(lib)),
    "vectorized": lambda lib: lib.autograd.functional.jacobian(lambda a: a * a, x(lib), vectorize=True),
}


@pytest.mark.parametrize("name", MISUSES)
def test_functional_misuse(name):
    check(MISUSES[name], within=1e-12, warned=False)
