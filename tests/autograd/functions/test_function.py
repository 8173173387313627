"""Functions with a derivative of the user's own: what they may return, keep, overwrite, and what they are refused."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd import Function, grad, gradcheck, gradgradcheck
from tapegrad.autograd.functions.function import FunctionCtx, InplaceFunction, once_differentiable
from tapegrad.backends import backend_for
from tapegrad.backends.strict.backend import refusing


def made(forward: Any, backward: Any = None, name: str = "Foo", **more: Any) -> Any:
    """The `apply` of a Function with these methods."""
    methods = {"forward": staticmethod(forward), **({"backward": staticmethod(backward)} if backward else {}), **more}
    return type(name, (Function,), methods).apply


def leaf(*values: float, device: str = "cpu", dtype: Any = tapegrad.float64) -> Any:
    return tapegrad.tensor(values, dtype=dtype, device=device, requires_grad=True)


def host(t: Any) -> np.ndarray:
    return backend_for(t.device).to_host(t.array)


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x * x


class Exp(Function):
    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad):
        (result,) = ctx.saved_tensors
        return grad * result


@pytest.mark.parametrize("function", [Cube, Exp])
def test_first_and_higher_derivatives(function, device):
    with refusing() if device == "strict" else tapegrad.enable_grad():
        x = leaf(0.5, -1.5, device=device)
        function.apply(x).sum().backward()
    expected = 3 * host(x.detach()) ** 2 if function is Cube else np.exp(host(x.detach()))
    np.testing.assert_allclose(host(x.grad), expected)
    assert gradcheck(function.apply, x) and gradgradcheck(function.apply, x)
    (y,) = grad(function.apply(x).sum(), x, create_graph=True)
    (z,) = grad(y.sum(), x, create_graph=True)
    (third,) = grad(z.sum(), x)
    np.testing.assert_allclose(host(third), [6, 6] if function is Cube else expected)


def test_the_node():
    x, y = leaf(1.0), leaf(2.0)

    def forward(ctx, a, k, b):
        ctx.note = "kept"
        assert isinstance(ctx, FunctionCtx) and ctx.needs_input_grad == (True, False, True) and ctx.saved_tensors == ()
        assert not tapegrad.is_grad_enabled()
        ctx.save_for_backward(a, None, b)
        return a * k * b

    out = made(forward)(x, 3, y)
    node = out.grad_fn
    assert node.name() == "FooBackward" and type(node).__name__ == "FooBackward" and node.note == "kept"
    assert [f.variable for f, _ in node.next_functions] == [x, y]
    assert node.saved_tensors[0] is x and node.saved_tensors[1] is None and node.saved_tensors[2] is y
    assert repr(out) == "tensor([6.], dtype=torch.float64, grad_fn=<FooBackward>)"


def test_attributes_of_any_name():
    """What the user calls his attributes does not disturb the tape, and what he wrote is what he reads."""
    names = (
        "dtype",
        "saved",
        "edges",
        "seq",
        "counter",
        "extra",
        "inputs",
        "outputs",
        "count",
        "several",
        "to_save",
        "pull",
        "name",
        "needs_input_grad",
    )

    def forward(ctx, x):
        for name in names:
            setattr(ctx, name, f"my {name}")
        ctx.save_for_backward(x)
        ctx.gone = 1
        del ctx.gone
        return x * 2

    def backward(ctx, grad):
        assert all(getattr(ctx, name) == f"my {name}" for name in names) and not hasattr(ctx, "gone")
        ctx.more = 3
        return grad * ctx.saved_tensors[0] * 2

    x = leaf(3.0)
    out = made(forward, backward)(x)
    out.backward()
    assert x.grad.item() == 6 and out.grad_fn.more == 3


def test_arguments_and_results_of_any_kind():
    seen = []

    def forward(ctx, a, text, b=None, *, k=1):
        return a * k, text, None, a * 3, [b]

    def backward(ctx, *grads):
        seen.extend(grads)
        return grads[0] * 10 + grads[3], None, None, None

    x = leaf(1.0, 2.0)
    first, text, none, second, rest = made(forward, backward)(x, "text", k=2)
    assert text == "text" and none is None and rest == [None]
    (first.sum() + second.sum()).backward()
    assert [g if g is None else g.tolist() for g in seen] == [[1, 1], None, None, [1, 1], None]
    assert x.grad.tolist() == [11, 11]
    assert made(lambda ctx, a: a + 1)(3) == 4
    assert made(lambda ctx, a: [a * 2])(x)[0].requires_grad is False


def test_setup_context_binds_defaults_and_keywords():
    seen = []

    class Scale(Function):
        @staticmethod
        def forward(x, k=3):
            return x * k

        @staticmethod
        def setup_context(ctx, inputs, output):
            seen.append((len(inputs), inputs[1], output.tolist()))
            ctx.k = inputs[1]

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.k, None

    x = leaf(2.0)
    Scale.apply(x).backward()
    Scale.apply(x, k=5).backward()
    assert seen == [(2, 3, [6]), (2, 5, [10])] and x.grad.item() == 8
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        Scale.apply()


def test_class_methods_and_vjp():
    class Twice(Function):
        factor = 2

        @classmethod
        def forward(cls, ctx, x):
            return x * cls.factor

        @classmethod
        def vjp(cls, ctx, grad):
            return grad * cls.factor

    x = leaf(2.0)
    Twice.apply(x).backward()
    assert x.grad.item() == 2


# ---- gradients on their way


def test_missing_gradients_are_zeros_or_none():
    seen = []

    def forward(ctx, x, materialize):
        ctx.set_materialize_grads(materialize)
        flat = x * 3
        ctx.mark_non_differentiable(flat)
        return x * 2, flat, x * 4

    def backward(ctx, *grads):
        seen.append([g if g is None else g.tolist() for g in grads])
        return grads[0] * 2, None

    f, x = made(forward, backward), leaf(1.0, 2.0)
    for materialize in (True, False):
        a, flat, c = f(x, materialize)
        assert not flat.requires_grad and flat.grad_fn is None and c.requires_grad
        a.sum().backward()
    zeros = [0, 0]
    assert seen == [[[1, 1], zeros, zeros], [[1, 1], None, None]]


def test_gradients_are_never_aliased():
    """What backward returns may be kept by it: accumulation leaves it as it was."""
    kept = tapegrad.ones(3, dtype=tapegrad.float64)
    f = made(lambda ctx, a, b: a + b, lambda ctx, grad: (kept, kept))
    x, y = leaf(0.0, 0.0, 0.0), leaf(0.0, 0.0, 0.0)
    for _ in range(3):
        f(x, y).sum().backward()
        f(x * 1, x).sum().backward()
    assert kept.tolist() == [1, 1, 1] and x.grad.tolist() == [9, 9, 9] and y.grad.tolist() == [3, 3, 3]
    (result,) = grad(f(x, y).sum(), x)
    result.array[:] = 5
    assert kept.tolist() == [1, 1, 1]


def test_the_given_gradient_may_be_kept():
    seen = []
    f = made(lambda ctx, x: x * 1, lambda ctx, g: seen.append(g) or g)
    x = leaf(1.0, 2.0)
    given = tapegrad.tensor([5.0, 7.0], dtype=tapegrad.float64)
    f(x).backward(given)
    f(x).backward(given)
    assert given.tolist() == [5, 7] and x.grad.tolist() == [10, 14] and all(g.tolist() == [5, 7] for g in seen)


def test_shapes_dtypes_and_counts_of_gradients():
    x, three = leaf(1.0, 2.0, 3.0), (3,)

    def answering(answer: Any, *more: Any) -> Any:
        return made(lambda ctx, a, *rest: a * 2, lambda ctx, g: answer(g))(x, *more).sum()

    bad = [
        (lambda g: (g, g), (), "function FooBackward returned an incorrect number of gradients (expected 1, got 2)"),
        (lambda g: (g,), (x,), "function FooBackward returned an incorrect number of gradients (expected 2, got 1)"),
        (
            lambda g: tapegrad.ones(7),
            (),
            "Function FooBackward returned an invalid gradient at index 0 - got [7] but expected shape compatible "
            "with [3]",
        ),
        (
            lambda g: tapegrad.ones(1),
            (),
            "Function FooBackward returned an invalid gradient at index 0 - got [1] but expected shape compatible "
            "with [3]",
        ),
        (lambda g: (None, tapegrad.ones(2)), (leaf(1.0),), None),
        (
            lambda g: (g, tapegrad.ones(2, 5)),
            (leaf(1.0, 2.0),),
            "invalid gradient at index 1 - got [2, 5] but expected shape compatible with [2]",
        ),
        (
            lambda g: tapegrad.ones(3, device="strict"),
            (),
            "invalid gradient at index 0 - expected device cpu but got strict:0",
        ),
        (
            lambda g: g * (2 + 3j),
            (),
            "FooBackward returned an invalid gradient at index 0 - got torch.complex128 for an input of torch.float64",
        ),
        (lambda g: 3.0, (), "expected Variable or None (got float)"),
        (lambda g: [g], (), "expected Variable or None (got list)"),
        (
            lambda g: (g, g),
            (3,),
            "returned a gradient different than None at position 2, but the corresponding forward input was not a "
            "Variable",
        ),
    ]
    for answer, more, text in bad:
        if text is None:
            answering(answer, *more).backward()
            continue
        with pytest.raises(RuntimeError) as caught:
            answering(answer, *more).backward()
        assert text in str(caught.value)
    answering(lambda g: (g, None, None)).backward()
    (d,) = grad(answering(lambda g: tapegrad.ones(5, 3)), x)
    assert d.tolist() == [5, 5, 5] and d.dtype == tapegrad.float64 and d.shape == three
    (d,) = grad(answering(lambda g: None), x, allow_unused=True)
    assert d is None


def test_complex_gradients_follow_torch():
    """backward sees and returns the conjugate Wirtinger convention, as `.grad` does."""
    z = tapegrad.tensor([1 + 2j, 3 - 1j], dtype=tapegrad.complex128, requires_grad=True)
    f = made(lambda ctx, a: (ctx.save_for_backward(a), a * a)[1], lambda ctx, g: g * (2 * ctx.saved_tensors[0]).conj())
    assert gradcheck(f, z) and gradgradcheck(f, z)


def test_grad_mode_within_backward():
    seen = []

    def backward(ctx, g):
        seen.append(tapegrad.is_grad_enabled())
        tapegrad.set_grad_enabled(not tapegrad.is_grad_enabled())
        return g * 2

    f, x = made(lambda ctx, a: a * 2, backward), leaf(1.0)
    f(x).backward()
    assert tapegrad.is_grad_enabled()
    with tapegrad.no_grad():
        y = f(x)
    assert not y.requires_grad
    grad(f(x), x, create_graph=True)
    assert seen == [False, True] and tapegrad.is_grad_enabled()


def test_backward_within_backward():
    def backward(ctx, g):
        (a,) = ctx.saved_tensors
        with tapegrad.enable_grad():
            b = a.detach().requires_grad_()
            (inner,) = grad((b * b).sum(), b)
        return g * inner

    f, x = made(lambda ctx, a: (ctx.save_for_backward(a), a * a)[1], backward), leaf(3.0)
    f(f(x)).backward()
    assert x.grad.item() == 4 * 27


def test_errors_in_backward_come_through():
    class Mine(Exception):
        pass

    def backward(ctx, g):
        raise Mine("here")

    x = leaf(1.0)
    y = made(lambda ctx, a: a * 2, backward)(x)
    with pytest.raises(Mine, match="here"):
        y.backward()
    assert tapegrad.is_grad_enabled()
    (x * 2).backward()
    assert x.grad.item() == 2


def test_once_differentiable():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    f = made(lambda ctx, a: a * 2, once_differentiable(lambda ctx, g: g * 2))
    (d,) = grad((f(x) * w).sum(), x)
    assert d.tolist() == [6, 8] and d.grad_fn is None
    (d,) = grad((f(x) * w).sum(), x, create_graph=True)
    assert d.requires_grad and d.grad_fn.name() == "torch::autograd::Error"
    with pytest.raises(
        RuntimeError, match="trying to differentiate twice a function that was marked with @once_differentiable"
    ):
        d.sum().backward()


# ---- what is kept


def test_saved_tensors_are_freed_with_the_graph():
    x = leaf(2.0)
    y = Cube.apply(x)
    y.backward()
    for again in (y.backward, lambda: y.grad_fn.saved_tensors):
        with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
            again()
    y = Cube.apply(x)
    y.backward(retain_graph=True)
    y.backward()
    f = made(lambda ctx, a: a * 2, lambda ctx, g: g * 2)
    y = f(x)
    y.backward()
    y.backward()


def test_saved_tensors_know_of_writes():
    x = leaf(2.0)
    h = x * 1
    y = Cube.apply(h)
    h.add_(1)
    with pytest.raises(
        RuntimeError,
        match=r"one of the .*\[torch.DoubleTensor \[1\]\], which is output 0 of Add, is at version 1; expected "
        r"version 0 instead",
    ):
        y.backward()
    y = Exp.apply(x)
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"which is output 0 of Exp, is at version 1; expected version 0"):
        y.backward()
    f = made(lambda ctx, a: (ctx.save_for_backward(a + 1), a * 2)[1], lambda ctx, g: g * ctx.saved_tensors[0])
    y = f(x)
    y.grad_fn.saved_tensors[0].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
    two = made(
        lambda ctx, a: (lambda r: (ctx.save_for_backward(*r), r)[1])((a * 2, a * 3)),
        lambda ctx, g, h: g * ctx.saved_tensors[1] + h,
    )
    a, b = two(x)
    a.add_(1)
    with pytest.raises(RuntimeError, match="which is output 0 of Foo, is at version 1"):
        b.backward()


def test_only_tensors_can_be_saved():
    f = made(lambda ctx, a: (ctx.save_for_backward(a, 3), a * 2)[1])
    with pytest.raises(TypeError, match="save_for_backward can only save variables, but argument 1 is of type int"):
        f(leaf(1.0))


@pytest.mark.parametrize("keep", ["input", "output", "intermediate", "view of the output", "all"])
def test_no_cycle_through_what_is_kept(keep):
    def forward(ctx, x):
        inner, y = x + 1, x * 2
        kept = {
            "input": [x],
            "output": [y],
            "intermediate": [inner],
            "view of the output": [y[:1]],
            "all": [x, y, inner, y[:1], inner[:1]],
        }
        ctx.save_for_backward(*kept[keep])
        del kept
        return y

    f, x = made(forward, lambda ctx, g: g * 2), leaf(1.0, 2.0)
    gc.collect()
    gc.disable()
    try:
        y = f(x)
        node, out = weakref.ref(y.grad_fn), weakref.ref(y)
        assert [t.tolist() for t in y.grad_fn.saved_tensors][-1] in ([1, 2], [2, 4], [2, 3], [2], [2])
        del y
        assert node() is None and out() is None
    finally:
        gc.enable()


def test_arguments_by_keyword_stand_in_the_order_of_the_parameters():
    x, y, seen = leaf(1.0), leaf(2.0, 3.0), []
    f = made(
        lambda ctx, a, b, k=1: seen.append(ctx.needs_input_grad) or a.sum() * b.sum() * k,
        lambda ctx, g: (g.expand(1) * 2, g.expand(2) * 3, None),
    )
    assert [d.tolist() for d in grad(f(b=y, a=x), (x, y))] == [[2], [3, 3]]
    assert [d.tolist() for d in grad(f(k=4, b=y, a=x), (x, y))] == [[2], [3, 3]]
    assert seen == [(True, True), (True, True, False)]
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        f(x, y, c=3)


def test_a_function_below_one_that_gives_no_gradient():
    """It is run, with zeros, as in PyTorch; one that asks for no zeros is not."""
    seen = []
    below = made(lambda ctx, a: (a * 2, a * 3), lambda ctx, g, h: seen.append((g.tolist(), h.tolist())) or g + h)
    above = made(lambda ctx, a: a * 1, lambda ctx, g: None)
    x = leaf(1.0)
    for create_graph in (False, True):
        (d,) = grad(above(below(x)[1]), x, create_graph=create_graph)
        assert d.tolist() == [0]
    assert seen == [([0], [0])] * 2


def test_the_context_is_the_application():
    seen = []
    f = made(lambda ctx, a: seen.append(ctx) or a * 2, lambda ctx, g: seen.append(ctx) or g)
    x = leaf(1.0)
    y, z = f(x), f(x)
    y.backward()
    assert seen[0] == seen[2] == y.grad_fn and seen[0] != seen[1] and seen[0] != z.grad_fn and len({*seen}) == 2
    assert repr(y.grad_fn).startswith("<tapegrad.autograd.function.FooBackward object at 0x")


def test_old_names():
    seen = []
    f = made(
        lambda ctx, a: (ctx.mark_shared_storage((a, a)), ctx.save_for_backward(a), a * 2)[2],
        lambda ctx, g: seen.append(ctx.saved_variables) or g,
    )
    x = leaf(1.0)
    with pytest.warns(FutureWarning, match="`mark_shared_storage` is deprecated"):
        y = f(x)
    with pytest.warns(DeprecationWarning, match="'saved_variables' is deprecated; use 'saved_tensors'"):
        y.backward()
    assert seen[0][0] is x
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        assert InplaceFunction(inplace=True).inplace


def test_a_cycle_of_the_users_own_is_collected():
    def forward(ctx, x):
        ctx.me = y = x * 2
        ctx.x = x
        return y

    y = made(forward, lambda ctx, g: g)(leaf(1.0))
    node = weakref.ref(y.grad_fn)
    del y
    gc.collect()
    assert node() is None


# ---- the class


def test_misuse_of_the_class():
    x = leaf(1.0)
    with pytest.raises(
        NotImplementedError, match=r"You must implement the forward function for custom autograd\.Function\."
    ):
        type("Foo", (Function,), {}).apply(x)
    with pytest.raises(NotImplementedError, match="You must implement either the backward or vjp method"):
        made(lambda ctx, a: a * 2)(x).backward()
    with pytest.raises(RuntimeError, match="Implementing both 'backward' and 'vjp'"):
        made(lambda ctx, a: a * 2, lambda ctx, g: g, vjp=staticmethod(lambda ctx, g: g))(x).backward()
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        instance = Cube()
    with pytest.raises(RuntimeError, match="Legacy autograd function with non-static forward method is deprecated"):
        instance(x)


def test_hooks_on_results():
    x = leaf(1.0, 2.0)
    y = Cube.apply(x)
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    assert y.grad.tolist() == [2, 2] and x.grad.tolist() == [6, 24]
    a, b = made(lambda ctx, a: (a * 2, a * 3), lambda ctx, g, h: g * 2 + h * 3)(x)
    a.register_hook(lambda g: g * 10)
    (d,) = grad(a.sum() + b.sum(), x)
    assert d.tolist() == [23, 23]


def test_deep_chains_are_walked_and_freed():
    f, x = made(lambda ctx, a: a * 1, lambda ctx, g: g * 1), leaf(1.0)
    y = x
    for _ in range(20000):
        y = f(y)
    y.backward()
    assert x.grad.item() == 1
    del y


def test_threads():
    results = []

    def work(k: int) -> None:
        x = leaf(float(k))
        for _ in range(50):
            Cube.apply(Exp.apply(x)).backward()
        results.append(x.grad.item() / (50 * 3 * np.exp(3.0 * k)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_allclose(results, np.ones(4))
