"""`autograd.functional` and `func` against PyTorch's: values, nesting, errors."""
from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")


def plain(value):
    """A result as what both libraries share: nested tuples of arrays, with what autograd knows of each tensor."""
    if isinstance(value, (tapegrad.Tensor, torch.Tensor)):
        return "tensor", value.detach().numpy(), str(value.dtype), value.requires_grad
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value), [plain(v) for v in value]
    return value


def assert_same(ours, theirs):
    if isinstance(theirs, tuple) and theirs and theirs[0] == "tensor":
        assert ours[0] == "tensor" and ours[2:] == theirs[2:], (ours, theirs)
        assert ours[1].shape == theirs[1].shape
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-12, atol=1e-14)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for k in theirs:
            assert_same(ours[k], theirs[k])
    elif isinstance(theirs, tuple) and theirs and isinstance(theirs[0], type):
        assert ours[0] is theirs[0] and len(ours[1]) == len(theirs[1])
        for a, b in zip(ours[1], theirs[1]):
            assert_same(a, b)
    else:
        assert ours == theirs


def outcome(lib, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(case(lib))
        except Exception as error:
            return type(error).__name__, str(error)


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
    made = tuple(lib.ones(t.shape, dtype=t.dtype) * 0.5 if isinstance(t, lib.Tensor) else None for t in (like if isinstance(like, tuple) else (like,)))
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

        assert_same(outcome(tapegrad, case), outcome(torch, case))


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
    "entry of the wrong size": lambda lib: lib.autograd.functional.vjp(lambda a: (a * 2, a), x(lib), (x(lib), lib.ones(2))),
    "v no tensor": lambda lib: lib.autograd.functional.vjp(lambda a: a * 2, x(lib), 3.0),
    "hessian of a vector": lambda lib: lib.autograd.functional.hessian(lambda a: a * 2, x(lib)),
    "hessian of a tuple": lambda lib: lib.autograd.functional.hessian(lambda a: (a.sum(),), x(lib)),
    "vhp of a vector": lambda lib: lib.autograd.functional.vhp(lambda a: a * 2, x(lib), x(lib)),
    "hvp of a tuple": lambda lib: lib.autograd.functional.hvp(lambda a: (a.sum(),), x(lib), x(lib)),
    "vectorized": lambda lib: lib.autograd.functional.jacobian(lambda a: a * a, x(lib), vectorize=True),
}


@pytest.mark.parametrize("name", MISUSES)
def test_functional_misuse(name):
    assert_same(outcome(tapegrad, MISUSES[name]), outcome(torch, MISUSES[name]))


def closure(lib, F):
    w = lib.tensor(2.0, dtype=lib.float64, requires_grad=True)
    return F.grad(lambda a: (a * w).sum())(x(lib))


TRANSFORMS = {
    "grad": lambda lib, F: F.grad(lambda a: (a * a).sum())(x(lib)),
    "vector": lambda lib, F: F.grad(lambda a: a * 2)(x(lib)),
    "one element": lambda lib, F: F.grad(lambda a: a[:1] * 2)(x(lib)),
    "number": lambda lib, F: F.grad(lambda a: 3.0)(x(lib)),
    "tuple": lambda lib, F: F.grad(lambda a: (a.sum(), a))(x(lib)),
    "float argument": lambda lib, F: F.grad(lambda a: a * 2)(3.0),
    "aux": lambda lib, F: F.grad(lambda a: (a.sum(), {"a": a * 2}), has_aux=True)(x(lib)),
    "aux missing": lambda lib, F: F.grad(lambda a: a.sum(), has_aux=True)(x(lib)),
    "aux of three": lambda lib, F: F.grad(lambda a: (a.sum(), 1, 2), has_aux=True)(x(lib)),
    "value": lambda lib, F: F.grad_and_value(lambda a: (a * a).sum())(x(lib, True)),
    "value and aux": lambda lib, F: F.grad_and_value(lambda a: (a.sum(), [a * 2, {"k": a + 1}]), has_aux=True)(x(lib)),
    "argnums": lambda lib, F: F.grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(x(lib), x(lib)),
    "argnums list": lambda lib, F: F.grad(lambda a, b: (a * b).sum(), argnums=[0])(x(lib), x(lib)),
    "argnums negative": lambda lib, F: F.grad(lambda a, b: (a * b).sum(), argnums=-1)(x(lib), x(lib)),
    "argnums too large": lambda lib, F: F.grad(lambda a, b: (a * b).sum(), argnums=2)(x(lib), x(lib)),
    "argnums twice": lambda lib, F: F.grad(lambda a, b: (a * b).sum(), argnums=(0, 0))(x(lib), x(lib)),
    "argnums text": lambda lib, F: F.grad(lambda a, b: (a * b).sum(), argnums="a")(x(lib), x(lib)),
    "argnums empty": lambda lib, F: F.grad(lambda a, b: (a * b).sum(), argnums=())(x(lib), x(lib)),
    "argnums of one": lambda lib, F: F.grad(lambda a, b: (a * b).sum(), argnums=(0,))(x(lib), x(lib)),
    "dict": lambda lib, F: F.grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": x(lib), "b": [x(lib, start=2.0)]}),
    "dict with a number": lambda lib, F: F.grad(lambda p: (p["a"] * p["b"]).sum())({"a": x(lib), "b": 3}),
    "unused": lambda lib, F: F.grad(lambda a, b: (a * a).sum(), argnums=(0, 1))(x(lib), x(lib)),
    "constant": lambda lib, F: F.grad(lambda a: lib.ones(()))(x(lib)),
    "closure": lambda lib, F: closure(lib, F),
    "requires grad": lambda lib, F: F.grad(lambda a: (a * a).sum())(x(lib, True)),
    "under no_grad": lambda lib, F: lib.no_grad()(lambda: F.grad(lambda a: (a * a).sum())(x(lib, True)))(),
    "no_grad within": lambda lib, F: F.grad(lambda a: lib.no_grad()(lambda: (a * a).sum())())(x(lib)),
    "nested": lambda lib, F: F.grad(lambda a: F.grad(lambda b: b * b * b)(a) * a)(lib.tensor(2.0, dtype=lib.float64)),
    "three times": lambda lib, F: F.grad(F.grad(F.grad(lambda a: a * a * a * a)))(lib.tensor(2.0, dtype=lib.float64)),
    "outer variable within": lambda lib, F: F.grad(lambda a: F.grad(lambda b: a * a * b * b)(a + 1))(lib.tensor(2.0, dtype=lib.float64)),
    "keyword": lambda lib, F: F.grad(lambda a, k=1: (a * k).sum())(x(lib), k=3),
    "in place": lambda lib, F: F.grad(lambda a: a.add_(1).sum())(x(lib)),
    "vjp": lambda lib, F: (lambda y, f: (y, f(x(lib)), f(x(lib))))(*F.vjp(lambda a: a * a, x(lib))),
    "vjp of two": lambda lib, F: (lambda y, f: (y, f((x(lib), x(lib)))))(*F.vjp(lambda a, b: (a * 2, a * b), x(lib), x(lib))),
    "vjp nested wrongly": lambda lib, F: F.vjp(lambda a, b: (a * 2, a * b), x(lib), x(lib))[1](x(lib)),
    "vjp of the wrong shape": lambda lib, F: F.vjp(lambda a: a * 2, x(lib))[1](lib.ones(2)),
    "vjp aux": lambda lib, F: (lambda y, f, aux: (y, f(x(lib)), aux))(*F.vjp(lambda a: (a * 2, a + 1), x(lib), has_aux=True)),
    "vjp of no tensor": lambda lib, F: F.vjp(lambda a: 3, x(lib)),
    "vjp at a number": lambda lib, F: F.vjp(lambda a: a * 3, 3.0),
    "jacrev": lambda lib, F: F.jacrev(lambda a: a * a)(x(lib)),
    "jacrev of several": lambda lib, F: F.jacrev(lambda a, b: (a * b, a.sum()), argnums=(0, 1))(x(lib), x(lib)),
    "jacrev of dicts": lambda lib, F: F.jacrev(lambda a: {"o": a["i"] * 2})({"i": x(lib)}),
    "jacrev of one": lambda lib, F: F.jacrev(lambda a: (a * 2,), argnums=(0,))(x(lib)),
    "jacrev aux": lambda lib, F: F.jacrev(lambda a: (a * 2, a + 1), has_aux=True)(x(lib)),
    "jacrev of no tensor": lambda lib, F: F.jacrev(lambda a: 3)(x(lib)),
    "jacrev requires grad": lambda lib, F: F.jacrev(lambda a: a * a)(x(lib, True)),
    "grad of jacrev": lambda lib, F: F.grad(lambda a: F.jacrev(lambda b: b * b * b)(a).sum())(x(lib)),
    "hessian": lambda lib, F: F.hessian(lambda a: (a * a * a).sum())(x(lib)),
    "hessian of two": lambda lib, F: F.hessian(lambda a, b: (a * a * a * b).sum(), argnums=(0, 1))(x(lib), x(lib)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_func(name):
    def case(lib):
        return TRANSFORMS[name](lib, tapegrad.func if lib is tapegrad else torch.func)

    assert_same(outcome(tapegrad, case), outcome(torch, case))
