"""`func` against PyTorch's: values, nesting, errors."""

from __future__ import annotations

import pytest
from parity.test_functional import x
from same_program import attempt, check


def ones(lib):
    return lib.ones(3, dtype=lib.float64)


def scalar(lib, value=2.0):
    return lib.tensor(value, dtype=lib.float64)


def check_func(program):
    """Run a program of a library and its `func`."""
    check(lambda lib: program(lib, lib.func), within=1e-12, warned=False)


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
    "outer variable within": lambda lib, F: F.grad(lambda a: F.grad(lambda b: a * a * b * b)(a + 1))(
        lib.tensor(2.0, dtype=lib.float64)
    ),
    "keyword": lambda lib, F: F.grad(lambda a, k=1: (a * k).sum())(x(lib), k=3),
    "in place": lambda lib, F: F.grad(lambda a: a.add_(1).sum())(x(lib)),
    "vjp": lambda lib, F: (lambda y, f: (y, f(x(lib)), f(x(lib))))(*F.vjp(lambda a: a * a, x(lib))),
    "vjp of two": lambda lib, F: (lambda y, f: (y, f((x(lib), x(lib)))))(
        *F.vjp(lambda a, b: (a * 2, a * b), x(lib), x(lib))
    ),
    "vjp nested wrongly": lambda lib, F: F.vjp(lambda a, b: (a * 2, a * b), x(lib), x(lib))[1](x(lib)),
    "vjp of the wrong shape": lambda lib, F: F.vjp(lambda a: a * 2, x(lib))[1](lib.ones(2)),
    "vjp aux": lambda lib, F: (lambda y, f, aux: (y, f(x(lib)), aux))(
        *F.vjp(lambda a: (a * 2, a + 1), x(lib), has_aux=True)
    ),
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
CALLS = {
    "jvp": lambda lib, F: F.jvp(lambda a: a * a, (x(lib),), (ones(lib),)),
    "jvp two": lambda lib, F: F.jvp(lambda a, b: (a * b, {"k": a.sum()}), (x(lib), x(lib)), (ones(lib), ones(lib))),
    "jvp dict": lambda lib, F: F.jvp(
        lambda p: p["a"] * p["b"], ({"a": x(lib), "b": x(lib)},), ({"a": ones(lib), "b": ones(lib)},)
    ),
    "jvp aux missing": lambda lib, F: F.jvp(lambda a: a * a, (x(lib),), (ones(lib),), has_aux=True),
    "jvp strict": lambda lib, F: F.jvp(lambda a: lib.ones(2), (x(lib),), (ones(lib),), strict=True),
    "jvp const": lambda lib, F: F.jvp(lambda a: lib.ones(2), (x(lib),), (ones(lib),)),
    "jvp strict2": lambda lib, F: F.jvp(lambda a, b: a * a, (x(lib), x(lib)), (ones(lib), ones(lib)), strict=True),
    "jvp list": lambda lib, F: F.jvp(lambda a: a * a, [x(lib)], [ones(lib)]),
    "jvp list2": lambda lib, F: F.jvp(lambda a: a * a, (x(lib),), [ones(lib)]),
    "jvp empty": lambda lib, F: F.jvp(lambda: 1, (), ()),
    "jvp number": lambda lib, F: F.jvp(lambda a: a * a, (3.0,), (ones(lib),)),
    "jvp number2": lambda lib, F: F.jvp(lambda a: a * a, (x(lib),), (3.0,)),
    "jvp struct": lambda lib, F: F.jvp(lambda a: a * a, (x(lib),), (ones(lib), ones(lib))),
    "jvp size": lambda lib, F: F.jvp(lambda a: a * a, (x(lib),), (lib.ones(2, dtype=lib.float64),)),
    "jvp dtype": lambda lib, F: F.jvp(lambda a: a * a, (x(lib),), (lib.ones(3),)),
    "jvp int": lambda lib, F: F.jvp(lambda a: a * a, (lib.tensor([1, 2]),), (lib.ones(2),)),
    "jvp int2": lambda lib, F: F.jvp(lambda a: a * a, (lib.ones(2),), (lib.tensor([1, 2]),)),
    "jvp ret": lambda lib, F: F.jvp(lambda a: 3.0, (x(lib),), (ones(lib),)),
    "jvp ret2": lambda lib, F: F.jvp(lambda a: (a, 3.0), (x(lib),), (ones(lib),)),
    "jvp intres": lambda lib, F: F.jvp(lambda a: (a.argmax(), a > 1), (x(lib),), (ones(lib),)),
    "jvp rg": lambda lib, F: F.jvp(lambda a: a * a, (x(lib, True),), (ones(lib),)),
    "jvp tangent rg": lambda lib, F: F.jvp(lambda a: a * a, (x(lib),), (ones(lib).requires_grad_(),)),
    "jvp nograd": lambda lib, F: lib.no_grad()(lambda: F.jvp(lambda a: a * a, (x(lib, True),), (ones(lib),)))(),
    "jvp nograd in": lambda lib, F: F.jvp(lambda a: lib.no_grad()(lambda: a * a)(), (x(lib, True),), (ones(lib),)),
    "jvp detach": lambda lib, F: F.jvp(lambda a: a.detach() * a, (x(lib),), (ones(lib),)),
    "jvp same": lambda lib, F: F.jvp(lambda a: a, (x(lib),), (ones(lib),)),
    "jvp inplace": lambda lib, F: (lambda v: (F.jvp(lambda a: a.mul_(2), (v,), (ones(lib),)), v))(x(lib)),
    "jvp inplace2": lambda lib, F: F.jvp(lambda a: a.clone().mul_(a), (x(lib),), (ones(lib),)),
    "jvp jvp": lambda lib, F: F.jvp(lambda a: F.jvp(lambda b: b**3, (a,), (ones(lib),))[1], (x(lib),), (ones(lib),)),
    "jvp 3": lambda lib, F: F.jvp(
        lambda c: F.jvp(lambda a: F.jvp(lambda b: b**4 * a * c, (a,), (ones(lib),))[1], (c,), (ones(lib),))[1],
        (x(lib),),
        (ones(lib),),
    ),
    "jvp perturb": lambda lib, F: F.jvp(
        lambda a: a * F.jvp(lambda b: a + b, (scalar(lib),), (scalar(lib, 1.0),))[1],
        (scalar(lib, 3.0),),
        (scalar(lib, 1.0),),
    ),
    "jvp grad": lambda lib, F: F.jvp(F.grad(lambda a: (a**3).sum()), (x(lib),), (ones(lib),)),
    "grad jvp": lambda lib, F: F.grad(lambda a: F.jvp(lambda b: b**3, (a,), (ones(lib),))[1].sum())(x(lib)),
    "jvp vmap": lambda lib, F: F.jvp(F.vmap(lambda a: a**3), (x(lib),), (ones(lib),)),
    "vmap jvp": lambda lib, F: F.vmap(lambda a, t: F.jvp(lambda b: b**3, (a,), (t,)))(x(lib), ones(lib)),
    "jacfwd": lambda lib, F: F.jacfwd(lambda a: a * a)(x(lib)),
    "jacfwd several": lambda lib, F: F.jacfwd(lambda a, b: (a * b, a.sum()), argnums=(0, 1))(x(lib), x(lib)),
    "jacfwd dict": lambda lib, F: F.jacfwd(lambda a: {"o": a["i"] * 2})({"i": x(lib)}),
    "jacfwd tuple1": lambda lib, F: F.jacfwd(lambda a: (a * 2,), argnums=(0,))(x(lib)),
    "jacfwd aux": lambda lib, F: F.jacfwd(lambda a: (a * 2, {"k": a + 1}), has_aux=True)(x(lib)),
    "jacfwd const": lambda lib, F: F.jacfwd(lambda a: ones(lib))(x(lib)),
    "jacfwd number": lambda lib, F: F.jacfwd(lambda a: 3)(x(lib)),
    "jacfwd 0d": lambda lib, F: F.jacfwd(lambda a: a * a)(scalar(lib)),
    "jacfwd rg": lambda lib, F: F.jacfwd(lambda a: a * a)(x(lib, True)),
    "jacfwd rand": lambda lib, F: attempt(lambda: F.jacfwd(lambda a: a * lib.rand(3))(x(lib))),
    "jacfwd rand2": lambda lib, F: F.jacfwd(lambda a: a * lib.rand(3, dtype=lib.float64) * 0, randomness="same")(
        x(lib)
    ),
    "jacfwd int": lambda lib, F: F.jacfwd(lambda a: a * a)(lib.tensor([1, 2])),
    "jacfwd unused": lambda lib, F: F.jacfwd(lambda a, b: a * a, argnums=(0, 1))(x(lib), x(lib)),
    "jacfwd jacfwd": lambda lib, F: F.jacfwd(F.jacfwd(lambda a: a**3))(x(lib)),
    "jacfwd jacrev": lambda lib, F: F.jacfwd(F.jacrev(lambda a: a**3))(x(lib)),
    "jacrev jacfwd": lambda lib, F: F.jacrev(F.jacfwd(lambda a: a**3))(x(lib)),
    "jacrev chunk": lambda lib, F: [F.jacrev(lambda a: a * a, chunk_size=k)(x(lib)) for k in (1, 2, 5)],
    "jacrev chunk0": lambda lib, F: F.jacrev(lambda a: a * a, chunk_size=0)(x(lib)),
    "jacrev argnums": lambda lib, F: [
        attempt(lambda k=k: F.jacrev(lambda a, b: a * b, argnums=k)(x(lib), x(lib)))
        for k in (2, -1, (0, 0), (), [0], "a", (0, -1))
    ],
    "jacrev const": lambda lib, F: F.jacrev(lambda a: ones(lib))(x(lib)),
    "jacrev int": lambda lib, F: F.jacrev(lambda a: a * a)(lib.tensor([1, 2])),
    "jacrev intres": lambda lib, F: F.jacrev(lambda a: a.argmax())(x(lib)),
    "jacrev mixed": lambda lib, F: F.jacrev(lambda a: (a.argmax(), a * 2))(x(lib)),
    "jacrev mixeddtype": lambda lib, F: F.jacrev(lambda a: (a.float() * 2, a * 2))(x(lib)),
    "jacrev aux missing": lambda lib, F: F.jacrev(lambda a: a, has_aux=True)(x(lib)),
    "jacrev complex": lambda lib, F: attempt(
        lambda: F.jacrev(lambda a: a * a)(lib.tensor([1 + 2j, 3 - 1j], dtype=lib.complex128))
    ),
    "jacfwd complex": lambda lib, F: attempt(
        lambda: F.jacfwd(lambda a: a * a)(lib.tensor([1 + 2j, 3 - 1j], dtype=lib.complex128))
    ),
    "jacrev unused": lambda lib, F: F.jacrev(lambda a, b: a * a, argnums=(0, 1))(x(lib), x(lib)),
    "hessian aux": lambda lib, F: attempt(lambda: F.hessian(lambda a: (a**3).sum(), argnums=[0])(x(lib))),
    "hessian vec": lambda lib, F: F.hessian(lambda a: a**3)(x(lib)),
    "hessian dict": lambda lib, F: F.hessian(lambda p: (p["a"] ** 2 * p["b"]).sum())({"a": x(lib), "b": x(lib)}),
    "hessian linear": lambda lib, F: F.hessian(lambda a: a.sum())(x(lib)),
    "hessian const": lambda lib, F: F.hessian(lambda a: lib.ones((), dtype=lib.float64))(x(lib)),
    "hessian argnums": lambda lib, F: F.hessian(lambda a, b: (a**2 * b**2).sum(), argnums=(0, 1))(x(lib), x(lib)),
    "linearize": lambda lib, F: (lambda y, f: (y, f(ones(lib)), f(x(lib))))(*F.linearize(lambda a: a**3, x(lib))),
    "linearize two": lambda lib, F: (lambda y, f: (y, f(ones(lib), x(lib))))(
        *F.linearize(lambda a, b: {"o": a * b, "s": a.sum()}, x(lib), x(lib))
    ),
    "linearize struct": lambda lib, F: F.linearize(lambda a: a**3, x(lib))[1]((ones(lib),)),
    "linearize size": lambda lib, F: F.linearize(lambda a: a**3, x(lib))[1](lib.ones(2, dtype=lib.float64)),
    "linearize dtype": lambda lib, F: F.linearize(lambda a: a**3, x(lib))[1](lib.ones(3)),
    "linearize kw": lambda lib, F: F.linearize(lambda a, k: a * k, x(lib), k=3),
    "linearize nargs": lambda lib, F: F.linearize(lambda a: a**3, x(lib))[1](ones(lib), ones(lib)),
    "linearize const": lambda lib, F: F.linearize(lambda a: ones(lib), x(lib))[1](ones(lib)),
    "linearize int": lambda lib, F: F.linearize(lambda a: a * 2, lib.tensor([1, 2])),
    "linearize rg": lambda lib, F: (lambda y, f: (y, f(ones(lib))))(*F.linearize(lambda a: a**3, x(lib, True))),
    "vjp kw": lambda lib, F: F.vjp(lambda a: a * 2, x(lib), k=1),
    "vjp none": lambda lib, F: F.vjp(lambda: 1),
    "vjp int": lambda lib, F: F.vjp(lambda a: a * 2, lib.tensor([1, 2])),
    "vjp intres": lambda lib, F: (lambda y, f: f(y))(*F.vjp(lambda a: a.argmax(), x(lib))),
    "vjp const": lambda lib, F: (lambda y, f: f(y))(*F.vjp(lambda a: ones(lib), x(lib))),
    "vjp after": lambda lib, F: (lambda y, f: (f(y), f(y), f(y, retain_graph=False), attempt(lambda: f(y))))(
        *F.vjp(lambda a: a.exp(), x(lib))
    ),
    "vjp dtype": lambda lib, F: (lambda y, f: f(lib.ones(3)))(*F.vjp(lambda a: a.exp(), x(lib))),
    "vjp cgraph": lambda lib, F: (lambda y, f: f(ones(lib).requires_grad_()))(*F.vjp(lambda a: a.exp(), x(lib))),
    "vjp nograd call": lambda lib, F: (lambda y, f: lib.no_grad()(lambda: f(ones(lib).requires_grad_()))())(
        *F.vjp(lambda a: a.exp(), x(lib, True))
    ),
    "vjp dict": lambda lib, F: (lambda y, f: f({"o": ones(lib)}))(*F.vjp(lambda a: {"o": a["i"] * 2}, {"i": x(lib)})),
    "vjp struct": lambda lib, F: (lambda y, f: f([ones(lib)]))(*F.vjp(lambda a: (a * 2,), x(lib))),
    "vjp args": lambda lib, F: (lambda y, f: f(ones(lib), ones(lib)))(*F.vjp(lambda a: (a * 2, a), x(lib))),
    "vjp aux bad": lambda lib, F: F.vjp(lambda a: a, x(lib), has_aux=True),
    "vjp list": lambda lib, F: (lambda y, f: (y, f([ones(lib), ones(lib)])))(*F.vjp(lambda a: [a * 2, a], x(lib))),
    "grad int": lambda lib, F: F.grad(lambda a: (a * 2).sum())(lib.tensor([1, 2])),
    "grad intres": lambda lib, F: F.grad(lambda a: a.argmax())(x(lib)),
    "grad complex": lambda lib, F: F.grad(lambda a: (a * a).sum())(lib.tensor([1 + 2j])),
    "grad complex2": lambda lib, F: F.grad(lambda a: (a * a.conj()).real.sum())(lib.tensor([1 + 2j])),
    "grad inplace arg": lambda lib, F: (lambda v: (F.grad(lambda a: a.mul_(2).sum())(v), v))(x(lib)),
    "grad inplace arg2": lambda lib, F: (lambda v: (F.grad(lambda a: a.clone().mul_(a).sum())(v), v))(x(lib)),
    "grad inplace view": lambda lib, F: (lambda v: (F.grad(lambda a: (a.__setitem__(0, 5.0), (a * a).sum())[1])(v), v))(
        x(lib)
    ),
    "grad inplace view2": lambda lib, F: (lambda v: (F.grad(lambda a: (a[1:].mul_(3), (a * a).sum())[1])(v), v))(
        x(lib)
    ),
    "grad rgquery": lambda lib, F: F.grad(lambda a: (a * a).sum() if a.requires_grad else a.sum())(x(lib)),
    "grad autograd inside": lambda lib, F: attempt(
        lambda: F.grad(lambda a: lib.autograd.grad((a * a * a).sum(), a, create_graph=True)[0].sum())(x(lib))
    ),
    "grad detach": lambda lib, F: F.grad(lambda a: (a.detach() * a).sum())(x(lib)),
    "grad kwargs": lambda lib, F: F.grad(lambda a, *, w: (a * w).sum())(x(lib), w=x(lib, True)),
    "grad num arg": lambda lib, F: F.grad(lambda a, k: (a * k).sum())(x(lib), 3),
    "grad none arg": lambda lib, F: F.grad(lambda a, k: a.sum())(x(lib), None),
    "grad bool argnum": lambda lib, F: attempt(
        lambda: F.grad(lambda a, k: (a * k).sum(), argnums=True)(x(lib), x(lib))
    ),
    "grad aux list": lambda lib, F: F.grad(lambda a: [a.sum(), a], has_aux=True)(x(lib)),
    "grad noargs": lambda lib, F: F.grad(lambda: 1)(),
    "grad shape1": lambda lib, F: F.grad(lambda a: a[:1])(x(lib)),
    "grad outer": lambda lib, F: (lambda w: F.grad(lambda a: (a * w).sum())(x(lib)))(x(lib, True)),
    "grad under nograd": lambda lib, F: lib.no_grad()(
        lambda: F.grad(lambda a: F.grad(lambda b: b**3)(a))(scalar(lib))
    )(),
    "grad nograd in": lambda lib, F: F.grad(lambda a: lib.no_grad()(lambda: a * 2)().sum() + a.sum())(x(lib)),
    "grad nograd nested": lambda lib, F: F.grad(lambda a: lib.no_grad()(lambda: F.grad(lambda b: b**3)(a))())(
        scalar(lib)
    ),
    "grad enable": lambda lib, F: lib.no_grad()(
        lambda: F.grad(lambda a: lib.enable_grad()(lambda: a * a)())(scalar(lib))
    )(),
    "grad inference": lambda lib, F: attempt(
        lambda: lib.inference_mode()(lambda: F.grad(lambda a: (a * a).sum())(x(lib)))()
    ),
    "three mix": lambda lib, F: F.jacfwd(F.jacrev(F.grad(lambda a: (a**4).sum())))(x(lib)),
}


@pytest.mark.parametrize("name", [*TRANSFORMS, *CALLS])
def test_func(name):
    check_func({**TRANSFORMS, **CALLS}[name])


def test_exceptions_leave_no_state():
    def program(lib, F):
        def fail(a):
            raise KeyError("k")

        found = [
            attempt(lambda call=call: call())
            for call in (
                lambda: F.grad(fail)(x(lib)),
                lambda: F.jvp(fail, (x(lib),), (ones(lib),)),
                lambda: F.vmap(fail)(x(lib)),
                lambda: F.jacfwd(fail)(x(lib)),
                lambda: F.jacrev(fail)(x(lib)),
                lambda: F.hessian(fail)(x(lib)),
                lambda: F.grad(F.grad(fail))(x(lib)),
                lambda: F.vjp(fail, x(lib)),
            )
        ]
        return found, F.grad(lambda a: (a * a).sum())(x(lib)), lib.is_grad_enabled(), (x(lib, True) * 2).requires_grad

    check_func(program)


def test_negative_positions():
    """PyTorch's `jacfwd` takes them for arguments of their own."""

    def f(a, b):
        return a * b

    for argnums in (-1, (0, -1)):
        check_func(lambda lib, F: (F.jacrev if lib.__name__ == "torch" else F.jacfwd)(f, argnums)(x(lib), x(lib)))  # noqa: B023


def test_names():
    def program(lib, F):
        return [
            getattr(F, name)(abs).__name__ for name in ("grad", "grad_and_value", "jacrev", "jacfwd", "hessian", "vmap")
        ]

    check_func(program)
