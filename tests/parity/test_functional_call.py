"""Modules as functions of their parameters, against PyTorch's."""

from __future__ import annotations

import pytest
from parity.test_func import check_func
from same_program import attempt


def linear(lib, bias=True):
    layer = lib.nn.Linear(2, 2, bias=bias).double()
    with lib.no_grad():
        layer.weight.copy_(lib.tensor([[1.0, 2.0], [3.0, 4.0]]))
        if bias:
            layer.bias.copy_(lib.tensor([5.0, 6.0]))
    return layer


def Tied(lib):
    class M(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = linear(lib, False), linear(lib, False)
            self.b.weight = self.a.weight

        def forward(self, x, k=1):
            return self.b(self.a(x)) * k

    return M()


def batch_norm(lib):
    return lib.nn.BatchNorm1d(2).double()


def vector(lib):
    return lib.tensor([1.0, 2.0], dtype=lib.float64)


def weight(lib, value=1.0):
    return lib.full((2, 2), value, dtype=lib.float64)


MODULES = {
    "plain": lambda lib, F: F.functional_call(linear(lib), {"weight": weight(lib)}, (vector(lib),)),
    "single": lambda lib, F: F.functional_call(linear(lib), {"weight": weight(lib)}, vector(lib)),
    "none": lambda lib, F: attempt(lambda: F.functional_call(linear(lib), {}))[0],
    "kwargs": lambda lib, F: F.functional_call(Tied(lib), {}, vector(lib), {"k": 3}),
    "kwonly": lambda lib, F: F.functional_call(linear(lib), {}, kwargs={"input": vector(lib)}),
    "kwonly2": lambda lib, F: F.functional_call(linear(lib), {}, None, {"input": vector(lib)}),
    "dicts": lambda lib, F: F.functional_call(
        linear(lib), ({"weight": weight(lib)}, {"bias": vector(lib)}), vector(lib)
    ),
    "dictslist": lambda lib, F: F.functional_call(
        linear(lib), [{"weight": weight(lib)}, {"bias": vector(lib)}], vector(lib)
    ),
    "repeated": lambda lib, F: F.functional_call(
        linear(lib), ({"weight": weight(lib)}, {"weight": weight(lib)}), vector(lib)
    ),
    "repeated2": lambda lib, F: F.functional_call(
        linear(lib), ({"weight": weight(lib), "bias": 1}, {"bias": 2, "weight": weight(lib)}), vector(lib)
    ),
    "notdicts": lambda lib, F: F.functional_call(linear(lib), ({"weight": weight(lib)}, 3), vector(lib)),
    "notdict": lambda lib, F: F.functional_call(linear(lib), 3, vector(lib)),
    "unknown": lambda lib, F: F.functional_call(linear(lib), {"foo": weight(lib)}, vector(lib)),
    "unknown2": lambda lib, F: F.functional_call(Tied(lib), {"a.foo": weight(lib)}, vector(lib)),
    "unknown3": lambda lib, F: F.functional_call(Tied(lib), {"c.weight": weight(lib)}, vector(lib)),
    "strict missing": lambda lib, F: F.functional_call(linear(lib), {"weight": weight(lib)}, vector(lib), strict=True),
    "strict both": lambda lib, F: F.functional_call(linear(lib), {"z": weight(lib)}, vector(lib), strict=True),
    "strict tied": lambda lib, F: F.functional_call(Tied(lib), {"a.weight": weight(lib)}, vector(lib), strict=True),
    "strict tied2": lambda lib, F: F.functional_call(
        Tied(lib), {"a.weight": weight(lib)}, vector(lib), strict=True, tie_weights=False
    ),
    "tie": lambda lib, F: F.functional_call(Tied(lib), {"a.weight": weight(lib)}, vector(lib)),
    "tie b": lambda lib, F: F.functional_call(Tied(lib), {"b.weight": weight(lib)}, vector(lib)),
    "tie both": lambda lib, F: F.functional_call(
        Tied(lib), {"a.weight": weight(lib), "b.weight": weight(lib)}, vector(lib)
    ),
    "tie same": lambda lib, F: (lambda w: F.functional_call(Tied(lib), {"a.weight": w, "b.weight": w}, vector(lib)))(
        weight(lib)
    ),
    "tie off": lambda lib, F: F.functional_call(Tied(lib), {"a.weight": weight(lib)}, vector(lib), tie_weights=False),
    "tie off2": lambda lib, F: F.functional_call(
        Tied(lib), {"a.weight": weight(lib), "b.weight": weight(lib, 2.0)}, vector(lib), tie_weights=False
    ),
    "nontensor": lambda lib, F: attempt(lambda: F.functional_call(linear(lib), {"weight": 3}, vector(lib))),
    "noneval": lambda lib, F: attempt(lambda: F.functional_call(linear(lib), {"bias": None}, vector(lib))),
    "restored": lambda lib, F: (
        lambda m: (
            attempt(lambda: F.functional_call(m, {"weight": weight(lib)}, lib.ones(3, dtype=lib.float64)))[0],
            m.weight,
        )
    )(linear(lib)),
    "stack": lambda lib, F: F.stack_module_state([linear(lib), linear(lib)]),
    "stack bn": lambda lib, F: F.stack_module_state([batch_norm(lib), batch_norm(lib)]),
    "stack empty": lambda lib, F: F.stack_module_state([]),
    "stack mode": lambda lib, F: F.stack_module_state([linear(lib), linear(lib).eval()]),
    "stack class": lambda lib, F: F.stack_module_state([linear(lib), batch_norm(lib)]),
    "stack rg": lambda lib, F: F.stack_module_state([linear(lib), linear(lib).requires_grad_(False)]),
    "stack off": lambda lib, F: F.stack_module_state(
        [linear(lib).requires_grad_(False), linear(lib).requires_grad_(False)]
    ),
    "stack list": lambda lib, F: F.stack_module_state(lib.nn.ModuleList([linear(lib), linear(lib)])),
    "stack bias": lambda lib, F: attempt(lambda: F.stack_module_state([linear(lib), linear(lib, False)])),
    "stack bias2": lambda lib, F: F.stack_module_state([linear(lib, False), linear(lib)]),
    "leafs": lambda lib, F: [v.is_leaf for v in F.stack_module_state([linear(lib), linear(lib)])[0].values()],
}


@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    check_func(MODULES[name])


def test_buffers_are_given_and_given_back():
    def program(lib, F):
        m, x = batch_norm(lib), lib.ones(3, 2, dtype=lib.float64) * 2
        given = {"running_mean": lib.zeros(2, dtype=lib.float64), "running_var": lib.ones(2, dtype=lib.float64)}
        return F.functional_call(m, given, x), m.running_mean, m.num_batches_tracked, given

    check_func(program)


def test_a_module_that_replaces_its_buffer():
    def program(lib, F):
        class Counter(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("n", lib.zeros(()))

            def forward(self, x):
                self.n = self.n + 1
                return x + self.n

        m, given = Counter(), {"n": lib.tensor(5.0)}
        return (
            F.functional_call(m, given, vector(lib)),
            given,
            m.n,
            F.functional_call(m, (given,), vector(lib)),
            given,
            m.n,
        )

    check_func(program)


def test_gradients_and_ensembles():
    def program(lib, F):
        m = linear(lib)
        gradient = F.grad(lambda p: F.functional_call(m, p, vector(lib)).sum())(
            {"weight": weight(lib), "bias": vector(lib)}
        )
        params, buffers = F.stack_module_state([linear(lib), linear(lib)])
        many = F.vmap(lambda p, b, x: F.functional_call(m, (p, b), x), (0, 0, None))(params, buffers, vector(lib))
        return (
            gradient,
            many,
            attempt(lambda: F.functional_call(m, {"z": weight(lib), "y": weight(lib)}, vector(lib), strict=True)),
        )

    check_func(program)
