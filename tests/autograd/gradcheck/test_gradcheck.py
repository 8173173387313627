"""`gradcheck` and `gradgradcheck`: they pass what is right, and name what is wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd import Function, gradcheck, gradgradcheck
from tapegrad.autograd.functions.function import once_differentiable
from tapegrad.autograd.gradcheck.check import GradcheckError


def made(forward, backward):
    return type("Foo", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}).apply


def leaf(*values, device="cpu", dtype=None, **more):
    return tapegrad.tensor(
        values,
        dtype=dtype or (tapegrad.complex128 if any(isinstance(v, complex) for v in values) else tapegrad.float64),
        device=device,
        requires_grad=True,
        **more,
    )


wrong = made(lambda ctx, x: x * 2, lambda ctx, g: g * 3)
CORRECT = {
    "product": (lambda a, b: a * b, [(1.0, 2.0), (3.0, -1.0)]),
    "several results": (lambda a: (a * a, a.exp().sum(), a > 1), [(1.0, 2.0)]),
    "unused": (lambda a, b: a * 2, [(1.0,), (2.0,)]),
    "input returned": (lambda a: a, [(1.0, 2.0)]),
    "broadcast": (lambda a, b: a.reshape(2, 1) * b, [(1.0, 2.0), (3.0, -1.0)]),
    "complex": (lambda a, b: a * b * b, [(1 + 2j, 2 - 1j), (3j, -1 + 1j)]),
    "complex beside real": (lambda a, b: a * b, [(1 + 2j, 2 - 1j), (3.0, -1.0)]),
    "complex to real": (lambda a: (a * a.conj()).real, [(1 + 2j, 2 - 1j)]),
    "real to complex": (lambda a: a * a * (2 + 1j), [(1.0, 2.0)]),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", CORRECT)
def test_correct_derivatives_pass(name, fast, device):
    function, values = CORRECT[name]
    inputs = tuple(leaf(*v, device=device) for v in values)
    before = [t.tolist() for t in inputs]
    assert (
        gradcheck(
            function,
            inputs,
            fast_mode=fast,
            check_forward_ad=True,
            check_batched_grad=True,
            check_batched_forward_grad=True,
        )
        is True
    )
    if name != "several results":
        assert gradgradcheck(function, inputs, fast_mode=fast, check_fwd_over_rev=True, check_batched_grad=True) is True
    assert [t.tolist() for t in inputs] == before, "the inputs are put back as they were"
    assert all(t.grad is None for t in inputs)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("number", range(4))
def test_a_wrong_element_is_found(number, fast):
    """One element of one derivative in four is off by a hundredth."""

    def backward(ctx, g):
        a, b = ctx.saved_tensors
        mask = tapegrad.tensor([float(i == number % 2) for i in range(2)], dtype=tapegrad.float64) * 0.01 + 1
        da, db = g * b, g * a
        return (da * mask, db) if number < 2 else (da, db * mask)

    f = made(lambda ctx, a, b: (ctx.save_for_backward(a, b), a * b)[1], backward)
    inputs = leaf(1.0, 2.0), leaf(3.0, -1.0)
    with pytest.raises(
        GradcheckError, match=f"Jacobian mismatch for output 0 with respect to input {number // 2},\nnumerical:"
    ):
        gradcheck(f, inputs, fast_mode=fast)
    assert gradcheck(f, inputs, fast_mode=fast, raise_exception=False) is False
    assert gradcheck(f, inputs, fast_mode=fast, rtol=0.1)


@pytest.mark.parametrize("fast", [False, True])
def test_the_output_at_fault_is_named(fast):
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 1 with respect to input 1"):
        gradcheck(lambda a, b: (a * b, wrong(b)), (leaf(1.0, 2.0), leaf(3.0, 4.0)), fast_mode=fast)


def test_wrong_complex_derivatives_are_found():
    z = leaf(1 + 2j, 2 - 1j)
    not_conjugated = made(
        lambda ctx, a: (ctx.save_for_backward(a), a * a)[1], lambda ctx, g: g * 2 * ctx.saved_tensors[0]
    )
    for fast in (False, True):
        with pytest.raises(
            GradcheckError,
            match="While considering the imaginary part of complex outputs only, Jacobian mismatch for output 0",
        ):
            gradcheck(not_conjugated, z, fast_mode=fast)
    half = made(lambda ctx, a: a.imag, lambda ctx, g: g * (0.5 + 1j))
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradcheck(half, z)


def test_a_wrong_second_derivative_is_found():
    f = made(
        lambda ctx, a: (ctx.save_for_backward(a), a * a * a)[1],
        lambda ctx, g: g * 3 * ctx.saved_tensors[0] * ctx.saved_tensors[0].detach(),
    )
    x = leaf(1.0, 2.0)
    assert gradcheck(f, x)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradgradcheck(f, x)
    once = made(
        lambda ctx, a: (ctx.save_for_backward(a), a * a)[1],
        once_differentiable(lambda ctx, g: g * 2 * ctx.saved_tensors[0]),
    )
    assert gradcheck(once, x)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradgradcheck(once, x)


def test_backward_that_does_not_repeat_itself():
    calls = itertools.count()
    f = made(lambda ctx, a: a * 2, lambda ctx, g: g * 2 + next(calls) * 1e-9)
    with pytest.raises(
        GradcheckError,
        match=r"Backward is not reentrant, i\.e\., running backward with same input and grad_output multiple times "
        r"gives ",
    ):
        gradcheck(f, leaf(1.0, 2.0))
    with pytest.raises(GradcheckError, match="backward not multiplied by grad_output"):
        gradcheck(f, leaf(1.0, 2.0), nondet_tol=1e-3)


def test_backward_that_ignores_the_gradient():
    f = made(lambda ctx, a: a * 2, lambda ctx, g: g * 2 + 1e-7)
    with pytest.raises(GradcheckError, match="backward not multiplied by grad_output"):
        gradcheck(f, leaf(1.0, 2.0))


def test_results_without_gradient_must_be_constant():
    f = made(lambda ctx, a: (lambda y: (ctx.mark_non_differentiable(y), y)[1])(a * 2), lambda ctx, g: g)
    for fast in (False, True):
        with pytest.raises(GradcheckError, match="Numerical gradient for function expected to be zero"):
            gradcheck(f, leaf(1.0, 2.0), fast_mode=fast)
        assert gradcheck(lambda a: a.detach() * 0, leaf(1.0, 2.0), fast_mode=fast)


def test_left_out_gradients():
    """Each result's gradient is left out once: backward must take that, and give zeros for zeros."""

    def forward(ctx, a):
        ctx.set_materialize_grads(False)
        return a * 2, a * 3, a * 4

    def one_is_left_out(grads):
        return sum(d is None for d in grads) == 1

    def tolerant(ctx, *grads):
        return sum(d * k for d, k in zip(grads, (2, 3, 4)) if d is not None)

    def inventive(ctx, *grads):
        return tolerant(ctx, *grads) + one_is_left_out(grads)

    def intolerant(ctx, *grads):
        if one_is_left_out(grads):
            raise RuntimeError("needs all or one")
        return tolerant(ctx, *grads)

    x = leaf(1.0, 2.0)
    assert gradcheck(made(forward, tolerant), x)
    for backward, text in (
        (inventive, "Expected all input grads to be undefined or zero"),
        (intolerant, "Expected backward function to handle undefined output grads"),
    ):
        f = made(forward, backward)
        assert gradcheck(f, x, check_undefined_grad=False)
        with (
            pytest.raises(GradcheckError, match=text),
            pytest.warns(UserWarning, match="New undefined gradient support checking feature"),
        ):
            gradcheck(f, x)


def test_dtypes():
    f = made(lambda ctx, a: a * 2, lambda ctx, g: (g * 2).float())
    assert gradcheck(f, leaf(1.0, 2.0), check_grad_dtypes=True)  # the tape casts a gradient to its tensor's dtype
    with pytest.warns(
        UserWarning, match="Input #0 requires gradient and is not a double precision floating point or complex"
    ):
        assert gradcheck(lambda a: a * 2, leaf(1.0, 2.0, dtype=tapegrad.float32), eps=1e-2, atol=1e-2)


def test_misuse():
    x = leaf(1.0, 2.0)
    bad = [
        (
            ValueError,
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True.",
            lambda: gradcheck(lambda a: a, tapegrad.ones(2)),
        ),
        (
            RuntimeError,
            "The 1th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping",
            lambda: gradcheck(
                lambda a, b: a * b, (x, tapegrad.ones(1, dtype=tapegrad.float64).expand(2).requires_grad_())
            ),
        ),
        (
            AssertionError,
            "Expected at least one of check_forward_ad or check_backward_ad to be True",
            lambda: gradcheck(lambda a: a, x, check_backward_ad=False),
        ),
        (
            AssertionError,
            "Setting check_batched_grad=True requires check_backward_ad to be True",
            lambda: gradcheck(lambda a: a, x, check_forward_ad=True, check_backward_ad=False, check_batched_grad=True),
        ),
        (
            AssertionError,
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True",
            lambda: gradcheck(lambda a: a, x, check_batched_forward_grad=True),
        ),
        (
            AssertionError,
            "Setting check_batched_grad=True requires check_rev_over_rev to be True",
            lambda: gradgradcheck(
                lambda a: a,
                x,
                check_fwd_over_rev=True,
                check_rev_over_rev=False,
                check_undefined_grad=False,
                check_batched_grad=True,
            ),
        ),
        (
            AssertionError,
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev",
            lambda: gradgradcheck(lambda a: a, x, check_rev_over_rev=False),
        ),
    ]
    for kind, text, call in bad:
        with pytest.raises(kind) as caught:
            call()
        assert text in str(caught.value)


def test_inputs_of_every_kind():
    assert gradcheck(lambda a: a * a, tapegrad.tensor(2.0, dtype=tapegrad.float64, requires_grad=True))
    assert gradcheck(lambda a: a * a, tapegrad.zeros(0, dtype=tapegrad.float64, requires_grad=True))
    assert gradcheck(lambda a, k, b: a * k + b, (leaf(1.0, 2.0), 3, tapegrad.ones(2, dtype=tapegrad.float64)))
    columns = tapegrad.tensor(np.arange(6.0).reshape(2, 3)).t().requires_grad_()
    assert gradcheck(lambda a: a * a, columns) and gradgradcheck(
        lambda a: a * a * a, columns, gen_non_contig_grad_outputs=True
    )
    assert gradcheck(lambda a: [a * a, a], [leaf(1.0, 2.0)])
    assert gradgradcheck(lambda a: a * a * a, leaf(1.0, 2.0), leaf(0.5, -0.5))


def test_an_error_in_the_function_leaves_the_inputs_alone():
    x = leaf(1.0, 2.0)
    calls = itertools.count()

    def fails_later(a):
        if next(calls) == 2:
            raise KeyError("third call")
        return a * 2

    with pytest.raises(KeyError):
        gradcheck(fails_later, x)
    assert x.tolist() == [1, 2]


# ---- forward mode and vmap


def test_a_wrong_tangent_is_found():
    """One element of one tangent is off by a hundredth; reverse mode is right."""

    def jvp(ctx, da, db):
        a, b = ctx.saved_tensors
        return da * b + db * a * tapegrad.tensor([1.0, 1.01], dtype=tapegrad.float64)

    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        ctx.save_for_forward(a, b)
        return a * b

    f = type(
        "Foo",
        (Function,),
        {
            "forward": staticmethod(forward),
            "jvp": staticmethod(jvp),
            "backward": staticmethod(lambda ctx, g: (g * ctx.saved_tensors[1], g * ctx.saved_tensors[0])),
        },
    ).apply
    inputs = leaf(1.0, 2.0), leaf(3.0, -1.0)
    for fast in (False, True):
        assert gradcheck(f, inputs, fast_mode=fast)
        with pytest.raises(
            GradcheckError,
            match=r"^Jacobian computed with forward mode mismatch for output 0 with respect to input 1,\nnumerical:",
        ):
            gradcheck(f, inputs, check_forward_ad=True, fast_mode=fast)
        assert gradcheck(f, inputs, check_forward_ad=True, rtol=0.1, fast_mode=fast)
        assert gradcheck(f, inputs, check_forward_ad=True, fast_mode=fast, raise_exception=False) is False


def test_missing_tangents_must_be_zeros():
    """This ``jvp`` adds what it likes where an argument has no tangent."""

    def jvp(ctx, da, db):
        return (0 if da is None else da * 2) + (5 * da if db is None else db * 3)

    def forward(ctx, a, b):
        ctx.set_materialize_grads(False)
        return a * 2 + b * 3

    f = type(
        "Foo",
        (Function,),
        {
            "forward": staticmethod(forward),
            "jvp": staticmethod(jvp),
            "backward": staticmethod(lambda ctx, g: (g * 2, g * 3)),
        },
    ).apply
    inputs = leaf(1.0, 2.0), leaf(3.0, -1.0)
    assert gradcheck(f, inputs, check_forward_ad=True, check_undefined_grad=False)
    with pytest.raises(GradcheckError, match="Mismatch in tangent values for output with index: 0 when input: "):
        gradcheck(f, inputs, check_forward_ad=True)


def test_batched_derivatives():
    """A vmap rule that confuses the members of the batch, and a backward that cannot be batched."""

    def info_vmap(info, in_dims, g):
        return (g * 2).flip(0), in_dims[0]

    twisted = type(
        "Twice",
        (Function,),
        {
            "forward": staticmethod(lambda g: g * 2),
            "setup_context": staticmethod(lambda ctx, inputs, output: None),
            "backward": staticmethod(lambda ctx, g: g * 2),
            "jvp": staticmethod(lambda ctx, t: t * 2),
            "vmap": staticmethod(info_vmap),
        },
    ).apply
    in_backward = made(lambda ctx, a: a * 2, lambda ctx, g: twisted(g))
    x = leaf(1.0, 2.0)
    assert gradcheck(in_backward, x)
    with pytest.raises(
        GradcheckError,
        match="For output 0 and input 0:\n\ngradcheck or gradgradcheck failed while testing batched gradient "
        "computation",
    ):
        gradcheck(in_backward, x, check_batched_grad=True)
    in_forward = made_with_jvp(lambda t: twisted(t))
    assert gradcheck(in_forward, x, check_forward_ad=True)
    with pytest.raises(
        GradcheckError,
        match="For output 0 and input 0:\n\ngradcheck failed while testing batched gradient computation with "
        "forward-mode AD",
    ):
        gradcheck(in_forward, x, check_forward_ad=True, check_batched_forward_grad=True)

    def asks(g):
        return g * 2 if g.sum().item() > -1e9 else g

    with pytest.raises(
        GradcheckError, match=r"While computing batched gradients, got: vmap: It looks like you're calling \.item\(\)"
    ):
        gradcheck(made(lambda ctx, a: a * 2, lambda ctx, g: asks(g)), x, check_batched_grad=True)
    with pytest.raises(
        GradcheckError, match=r"While computing batched gradients, got: vmap: It looks like you're calling \.item\(\)"
    ):
        gradcheck(made_with_jvp(lambda t: asks(t)), x, check_forward_ad=True, check_batched_forward_grad=True)


def made_with_jvp(jvp):
    methods = {
        "forward": lambda a: a * 2,
        "setup_context": lambda ctx, inputs, output: None,
        "backward": lambda ctx, g: g * 2,
        "jvp": lambda ctx, t: jvp(t),
    }
    return type(
        "Foo",
        (Function,),
        {"generate_vmap_rule": True, **{name: staticmethod(method) for name, method in methods.items()}},
    ).apply


def test_random_numbers_of_the_program_are_left_alone():
    tapegrad.manual_seed(0)
    state = tapegrad.get_rng_state()
    gradcheck(
        lambda a: a * a,
        leaf(1.0, 2.0),
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
        fast_mode=True,
    )
    assert (tapegrad.get_rng_state() == state).all()


def test_a_difference_that_fast_mode_alone_finds():
    """In fast mode many small differences add up; the report says so."""
    n = 400
    x = tapegrad.tensor(np.linspace(1, 2, n), requires_grad=True)
    f = made(lambda ctx, a: (a * 2).sum(), lambda ctx, g: (g * 2.004).expand(n))
    assert gradcheck(f, x, rtol=2.5e-3)
    with pytest.raises(GradcheckError, match=r"The max per-element difference \(slow mode\) is: 0.00[34]"):
        gradcheck(f, x, fast_mode=True, rtol=1e-4)


def test_results_must_keep_their_shape():
    with pytest.raises(
        AssertionError,
        match=r"the same shape when inputs are perturbed on index \(0,\) by 1e-06, but got: shapes "
        r"torch\.Size\(\[1\]\) and",
    ):
        gradcheck(lambda a: a.expand(2) if a.item() > 1 else a * 1, leaf(1.0))
    with pytest.raises(
        AssertionError,
        match=r"with the same dtype when inputs are perturbed by 1e-06, but got: dtypes torch\.float64 and "
        r"torch\.float32",
    ):
        gradcheck(lambda a: a.float() if a.item() > 1 else a * 1, leaf(1.0), fast_mode=True)
