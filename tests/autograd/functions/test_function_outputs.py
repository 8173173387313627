"""What a Function may return: new tensors, its inputs, views of them, and inputs that it has overwritten."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd import Function, grad


def made(forward: Any, backward: Any = None, name: str = "Foo", **more: Any) -> Any:
    """The `apply` of a Function with these methods."""
    methods = {"forward": staticmethod(forward), **({"backward": staticmethod(backward)} if backward else {}), **more}
    return type(name, (Function,), methods).apply


def leaf(*values: float) -> Any:
    return tapegrad.tensor(values, dtype=tapegrad.float64, requires_grad=True)


def test_an_input_returned_as_it_is():
    x = leaf(1.0, 2.0)
    f = made(lambda ctx, a: a, lambda ctx, g: g * 5)
    y = f(x)
    assert y is not x and np.shares_memory(y.array, x.array) and y.grad_fn.name() == "FooBackward" and x.grad_fn is None
    y.sum().backward()
    assert x.grad.tolist() == [5, 5]
    with pytest.raises(
        RuntimeError,
        match=r"Output 0 of Foo is a view and is being modified inplace\. This view was created inside a custom "
        r"Function",
    ):
        y.mul_(2)
    part = y[:1]
    with tapegrad.no_grad():
        x.mul_(2)
    for stale, name in ((y, "Foo"), (part, "Slice")):
        with pytest.raises(
            RuntimeError,
            match=rf"Output 0 of {name} is a view and its base or another view of its base has been modified "
            rf"inplace\. This view",
        ):
            stale + 1
    assert "grad_fn=<Invalid>" in repr(y)
    with tapegrad.no_grad():
        y = f(x)
    assert y is not x and not y.requires_grad
    c = tapegrad.ones(2, dtype=tapegrad.float64)
    assert f(c) is not c and not f(c).requires_grad
    y = made(lambda ctx, a, b: b, lambda ctx, g: (g * 5, None))(x, c)
    assert y.requires_grad and not c.requires_grad
    c.zero_()
    with pytest.raises(RuntimeError, match="its base or another view of its base has been modified inplace"):
        y + 1


def test_views_of_inputs():
    x = leaf(1.0, 2.0)
    y = made(lambda ctx, a: a.view(2, 1), lambda ctx, g: g.view(2) * 5)(x)
    assert np.shares_memory(y.array, x.array)
    y.sum().backward()
    assert x.grad.tolist() == [5, 5]
    with pytest.raises(RuntimeError, match="This view was created inside a custom Function"):
        y.mul_(2)
    y, z = made(lambda ctx, a: (a.view(2, 1), a * 2), lambda ctx, g, h: g.view(2) + h)(x)
    with pytest.raises(RuntimeError, match="This view is the output of a function that returns multiple views"):
        y.mul_(2)
    z.mul_(2)


def test_the_same_result_twice():
    seen = []

    def forward(ctx, x):
        y = x * 2
        return y, y

    x = leaf(1.0, 2.0)
    a, b = made(forward, lambda ctx, *g: seen.append([d.tolist() for d in g]) or (g[0] + g[1]) * 2)(x)
    assert a is b
    (a + 3 * b).sum().backward()
    assert seen == [[[0, 0], [4, 4]]] and x.grad.tolist() == [8, 8]


def doubling(ctx, a, *rest):
    a.mul_(2)
    ctx.mark_dirty(a)
    return a


def test_mark_dirty():
    x = leaf(1.0, 2.0)
    h = x * 3
    version = h._version
    y = made(doubling, lambda ctx, g: g * 2)(h)
    assert y is h and h.grad_fn.name() == "FooBackward" and h._version > version
    h.sum().backward()
    assert x.grad.tolist() == [6, 6]
    c = tapegrad.ones(2, dtype=tapegrad.float64)
    y = made(lambda ctx, a, b: doubling(ctx, b), lambda ctx, g: (g, None))(x, c)
    assert y is c and c.requires_grad and c.tolist() == [2, 2]
    plain = tapegrad.ones(2)
    assert made(doubling)(plain) is plain and plain._version == 2
    two = made(lambda ctx, a: (doubling(ctx, a), a + 1), lambda ctx, g, h: g * 2 + h * 2)
    h = x * 1
    a, b = two(h)
    assert a is h
    x.grad = None
    (a + 10 * b).sum().backward()
    assert x.grad.tolist() == [22, 22]


def test_mark_dirty_on_a_view():
    x = leaf(1.0, 2.0, 3.0)
    h = x * 1
    part = h[:2]
    y = made(doubling, lambda ctx, g: g * 10)(part)
    assert y is part and h.tolist() == [2, 4, 3]
    h.sum().backward()
    assert x.grad.tolist() == [10, 10, 1]


def test_mark_dirty_refusals():
    x = leaf(1.0, 2.0)
    bad = [
        ("a leaf Variable that requires grad has been used in an in-place operation.", lambda: made(doubling)(x)),
        (
            "a view of a leaf Variable that requires grad is being used in an in-place operation.",
            lambda: made(doubling)(x[:1]),
        ),
        (
            "Some elements marked as dirty during the forward method were not returned as output.",
            lambda: made(lambda ctx, a: (ctx.mark_dirty(a), a * 2)[1])(x * 1),
        ),
        (
            "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot "
            "return more than one Tensor",
            lambda: made(lambda ctx, a: (doubling(ctx, a), a + 1))((x * 1)[:1]),
        ),
        ("mark_dirty can only accept variables", lambda: made(lambda ctx, a: ctx.mark_dirty(3))(x)),
        (
            "mark_non_differentiable only accepts variable arguments",
            lambda: made(lambda ctx, a: ctx.mark_non_differentiable(3))(x),
        ),
    ]
    for text, call in bad:
        with pytest.raises(RuntimeError) as caught:
            call()
        assert text in str(caught.value)
    with pytest.warns(UserWarning, match=r"ctx.mark_dirty\(\) received a tensor that was not an input"):
        made(lambda ctx, a: (lambda y: (ctx.mark_dirty(y), y)[1])(a * 2))(x)
    with pytest.raises(TypeError, match="set_materialize_grads received an invalid combination of arguments"):
        made(lambda ctx, a: ctx.set_materialize_grads(3))(x)


def test_integers_have_no_gradient():
    y = made(lambda ctx, a: a.long())(leaf(1.5))
    assert not y.requires_grad and y.grad_fn is None


def test_a_leaf_from_elsewhere_keeps_its_own_history():
    w, x = leaf(3.0), leaf(1.0)
    y = made(lambda ctx, a: w, lambda ctx, g: g * 7)(x)
    assert y is not w and w.is_leaf and w.requires_grad
    y.backward()
    assert x.grad.item() == 7 and w.grad is None


# ---- what is overwritten and kept


def kept_in_place(which):
    """A Function that overwrites its first argument and keeps one of those that share its memory."""

    def forward(ctx, a, b):
        a.exp_()
        ctx.mark_dirty(a)
        ctx.save_for_backward({"written": a, "other": b, "its view": a[:1]}[which])
        return a

    return made(forward, lambda ctx, g: (g * float(ctx.saved_tensors[0].sum()), None))


@pytest.mark.parametrize("written", ["base", "view"])
@pytest.mark.parametrize("which", ["written", "other", "its view"])
def test_no_cycle_through_what_is_overwritten(written, which):
    x = leaf(1.0, 2.0, 3.0)
    gc.collect()
    gc.disable()
    try:
        h = x * 1
        part, other = h[:2], h[1:]
        y = kept_in_place(which)(*((h, part) if written == "base" else (part, other)))
        nodes = [weakref.ref(y.grad_fn), weakref.ref(h.grad_fn), weakref.ref(h)]
        h.sum().backward()
        assert h.grad_fn.name() == ("FooBackward" if written == "base" else "torch::autograd::CopySlices")
        del h, part, other, y
        assert [node() for node in nodes] == [None] * 3
    finally:
        gc.enable()


def test_overwritten_input_kept_as_the_result():
    """The in-place form that keeps its result: what it has written itself is no write after the fact."""
    x = leaf(0.5, 1.0)
    h = x * 2
    made(
        lambda ctx, a: (a.exp_(), ctx.mark_dirty(a), ctx.save_for_backward(a), a)[3],
        lambda ctx, g: g * ctx.saved_tensors[0],
    )(h)
    (first,) = grad(h.sum(), x, create_graph=True)
    np.testing.assert_allclose(first.detach().numpy(), 2 * np.exp([1, 2]))
    (second,) = grad(first.sum(), x, retain_graph=True)
    np.testing.assert_allclose(second.numpy(), 4 * np.exp([1, 2]))
    h.mul_(2)
    with pytest.raises(RuntimeError, match="which is output 0 of Foo, is at version 3; expected version 2 instead"):
        h.sum().backward()
