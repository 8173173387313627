"""`gradcheck` and `gradgradcheck` as PyTorch's: what passes, what fails, and in which words."""

from __future__ import annotations

import warnings

import pytest
from same_program import check, function, leaf, words


def wrong(lib):
    return function(lib, lambda ctx, x: x * 2, lambda ctx, g: g * 3, jvp=lambda ctx, t: t * 5)


def saving(f):
    return lambda ctx, a: (ctx.save_for_backward(a), f(a))[1]


WRONG_CUBE = {
    "forward": saving(lambda a: a * a * a),
    "backward": lambda ctx, g: g * 3 * ctx.saved_tensors[0] * ctx.saved_tensors[0].detach(),
    "jvp": lambda ctx, t: t,
}
FORWARD = {"check_forward_ad": True, "check_backward_ad": False}
ALL = {"check_forward_ad": True, "check_batched_grad": True, "check_batched_forward_grad": True}
CHECKS = {
    "right": lambda lib: (lambda a, b: (a * b, a.exp()), (leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)), ALL),
    "complex": lambda lib: (lambda z: (z * z, z.abs(), z.imag.exp()), leaf(lib, 1 + 2j, 3 - 1j), ALL),
    "real to complex": lambda lib: (
        lambda x: (x * (1 + 2j), lib.complex(x, x * x)),
        leaf(lib, 1.0, 3.0),
        {"check_forward_ad": True},
    ),
    "complex beside real": lambda lib: (
        lambda a, z: a * z,
        (leaf(lib, 1.0), leaf(lib, 1 + 2j)),
        {"check_forward_ad": True},
    ),
    "complex constant": lambda lib: (
        lambda a, z: a * z,
        (leaf(lib, 1.0), leaf(lib, 1 + 2j, requires_grad=False)),
        {"check_forward_ad": True},
    ),
    "constants": lambda lib: (
        lambda a, k, b: a * k + b,
        (leaf(lib, 1.0), 3, leaf(lib, 2.0, requires_grad=False)),
        {"check_forward_ad": True},
    ),
    "in place": lambda lib: (lambda a: a.clone().mul_(a * 2), leaf(lib, 1.0), {"check_forward_ad": True}),
    "number": lambda lib: (
        lambda a: a * a,
        lib.tensor(2.0, dtype=lib.float64, requires_grad=True),
        {"check_forward_ad": True},
    ),
    "empty": lambda lib: (
        lambda a: a * a,
        lib.zeros(0, dtype=lib.float64, requires_grad=True),
        {"check_forward_ad": True},
    ),
    "list": lambda lib: (lambda a: [a * 2, a], [leaf(lib, 1.0)], {}),
    "constant result": lambda lib: (lambda a: a.detach() * 0, leaf(lib, 1.0), {}),
    "wrong backward": lambda lib: (wrong(lib), leaf(lib, 1.0), {}),
    "wrong jvp": lambda lib: (wrong(lib), leaf(lib, 1.0), FORWARD),
    "wrong jvp of the second": lambda lib: (
        lambda a, b: (a * b, wrong(lib)(b)),
        (leaf(lib, 1.0), leaf(lib, 2.0)),
        FORWARD,
    ),
    "no jvp": lambda lib: (
        function(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 2),
        leaf(lib, 1.0),
        {"check_forward_ad": True},
    ),
    "not conjugated": lambda lib: (
        function(lib, saving(lambda a: a * a), lambda ctx, g: g * 2 * ctx.saved_tensors[0]),
        leaf(lib, 1 + 2j),
        {},
    ),
    "conjugated tangent": lambda lib: (
        function(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 2, jvp=lambda ctx, t: t.conj() * 2),
        leaf(lib, 1 + 2j),
        FORWARD,
    ),
    "hidden derivative": lambda lib: (lambda a: a.detach() * 2, leaf(lib, 1.0), {}),
    "ignores the gradient": lambda lib: (
        function(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 2 + 1e-7),
        leaf(lib, 1.0),
        {},
    ),
    "shape": lambda lib: (lambda a: a.expand(2) if a.item() > 1 else a * 1, leaf(lib, 1.0), {}),
    "dtype": lambda lib: (lambda a: a.float() if a.item() > 1 else a * 1, leaf(lib, 1.0), {}),
    "no tensor": lambda lib: (lambda a: 3.0, leaf(lib, 1.0), {}),
    "nothing to check": lambda lib: (lambda a: a, leaf(lib, 1.0, requires_grad=False), {}),
    "stride": lambda lib: (lambda a: a, lib.ones(1, dtype=lib.float64).expand(2).requires_grad_(), {}),
    "float32": lambda lib: (lambda a: a * 2, leaf(lib, 1.0, dtype="float32"), {"eps": 1e-2, "atol": 1e-2}),
    "not raised": lambda lib: (wrong(lib), leaf(lib, 1.0), {"raise_exception": False}),
    "neither": lambda lib: (lambda a: a, leaf(lib, 1.0), {"check_backward_ad": False}),
    "batched without backward": lambda lib: (lambda a: a, leaf(lib, 1.0), {**FORWARD, "check_batched_grad": True}),
    "batched without forward": lambda lib: (lambda a: a, leaf(lib, 1.0), {"check_batched_forward_grad": True}),
}


def check_words(call, shortened=str):
    """Run a check with both libraries; of errors with random numbers in them the first line is compared."""

    def program(lib):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*(vmap|jit)")
            try:
                return call(lib)
            except Exception as error:
                return type(error).__name__, shortened(words(str(error)))

    check(program)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", CHECKS)
def test_gradcheck(name, fast):
    def run(lib):
        function, inputs, options = CHECKS[name](lib)
        return lib.autograd.gradcheck(function, inputs, fast_mode=fast, **options)

    check_words(run)


@pytest.mark.parametrize("nondet_tol", [0.0, 1e-3])
def test_nondeterminism(nondet_tol):
    def run(lib):
        counter = iter(range(1000))
        f = function(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 2 + next(counter) * 1e-9)
        return lib.autograd.gradcheck(f, leaf(lib, 1.0, 2.0), nondet_tol=nondet_tol)

    check_words(run)


SECOND = {
    "right": lambda lib: (
        lambda a: a**3,
        leaf(lib, 1.0, 2.0),
        {"check_fwd_over_rev": True, "check_batched_grad": True},
    ),
    "complex": lambda lib: (lambda z: z**3, leaf(lib, 1 + 2j), {"check_fwd_over_rev": True}),
    "wrong": lambda lib: (function(lib, **WRONG_CUBE), leaf(lib, 1.0, 2.0), {}),
    "wrong forward": lambda lib: (
        function(lib, **WRONG_CUBE),
        leaf(lib, 1.0, 2.0),
        {"check_fwd_over_rev": True, "check_rev_over_rev": False, "check_undefined_grad": False},
    ),
    "not raised": lambda lib: (function(lib, **WRONG_CUBE), leaf(lib, 1.0, 2.0), {"raise_exception": False}),
    "gradients": lambda lib: (lambda a: a**3, leaf(lib, 1.0, 2.0), {"grad_outputs": leaf(lib, 3.0, 4.0)}),
    "constant gradients": lambda lib: (
        lambda a: a**3,
        leaf(lib, 1.0, 2.0),
        {"grad_outputs": leaf(lib, 3.0, 4.0, requires_grad=False)},
    ),
    "several": lambda lib: (
        lambda a: (a**3, a),
        leaf(lib, 1.0, 2.0),
        {"grad_outputs": (leaf(lib, 3.0, 4.0), leaf(lib, 3.0, 4.0))},
    ),
    "non-contiguous": lambda lib: (lambda a: a**3, leaf(lib, 1.0, 2.0), {"gen_non_contig_grad_outputs": True}),
    "neither": lambda lib: (lambda a: a, leaf(lib, 1.0), {"check_rev_over_rev": False}),
    "undefined": lambda lib: (lambda a: a, leaf(lib, 1.0), {"check_rev_over_rev": False, "check_fwd_over_rev": True}),
    "batched": lambda lib: (
        lambda a: a,
        leaf(lib, 1.0),
        {
            "check_rev_over_rev": False,
            "check_fwd_over_rev": True,
            "check_undefined_grad": False,
            "check_batched_grad": True,
        },
    ),
}


@pytest.mark.parametrize("name", SECOND)
def test_gradgradcheck(name):
    def run(lib):
        function, inputs, options = SECOND[name](lib)
        return lib.autograd.gradgradcheck(function, inputs, **options)

    check_words(run, lambda text: text.partition(",\n")[0])
