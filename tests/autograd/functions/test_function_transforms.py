"""Custom Functions and custom ops inside of forward mode and vmap: where PyTorch is no measure, because it refuses,
fails, or has no such thing.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd import forward_ad, gradcheck
from tapegrad.func import grad, hessian, jacfwd, jacrev, jvp, vmap


def values(*numbers: float, **more: Any) -> Any:
    return tapegrad.tensor(numbers, dtype=tapegrad.float64, **more)


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(
        found.detach().numpy(),
        wanted if isinstance(wanted, (list, float)) else wanted.detach().numpy(),
        rtol=1e-12,
        atol=1e-14,
    )


x, X = values(0.1, 0.7, -0.4), tapegrad.tensor([[0.1, 0.7, -0.4], [1.5, -2.0, 0.3]], dtype=tapegrad.float64)
one, ones = tapegrad.ones_like(x), tapegrad.ones_like(X)


class Cube(tapegrad.autograd.Function):
    """In the form without `setup_context`; 7 and 5 tell its derivatives from those of its forward."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * ctx.saved_tensors[0] ** 2 * 5

    @staticmethod
    def jvp(ctx: Any, tangent: Any) -> Any:
        return tangent * ctx.saved_tensors[0] ** 2 * 7


def test_forward_mode_nests():
    """PyTorch's tangent of a tangent is zero here."""
    value, second = jvp(lambda x: jvp(Cube.apply, (x,), (one,))[1], (x,), (one * 2,))
    close(value, x**2 * 7)
    close(second, x * 28)
    third = jvp(lambda x: jvp(lambda x: jvp(Cube.apply, (x,), (one,))[1], (x,), (one,))[1], (x,), (one,))[1]
    close(third, one * 14)


def test_the_form_without_setup_context():
    """PyTorch refuses it in its transforms; here only vmap has to, which must run `forward` without what is beside
    it.
    """
    close(grad(lambda x: Cube.apply(x).sum())(x), x**2 * 5)
    close(jvp(Cube.apply, (x,), (one,))[1], x**2 * 7)
    close(jvp(grad(lambda x: Cube.apply(x).sum()), (x,), (one,))[1], x * 10)
    close(grad(lambda x: jvp(Cube.apply, (x,), (one,))[1].sum())(x), x * 14)
    with pytest.raises(RuntimeError, match="it must override the setup_context staticmethod"):
        vmap(Cube.apply)(X)
    # What vmap does not concern passes through, whatever the Function offers.
    close(vmap(lambda row: row + Cube.apply(x))(X), X + x**3)


def test_a_tangent_does_not_depend_on_how_the_value_was_reached():
    with forward_ad.dual_level():
        base = forward_ad.make_dual(X.clone(), ones)
        h = base * 1
        for given in (base, base[0], h[1], h.transpose(0, 1)):
            found = forward_ad.unpack_dual(Cube.apply(given))
            close(found.tangent, found.primal.abs().pow(2 / 3) * 7)


def test_complex_tangents_of_real_results():
    class Wrong(tapegrad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, of: Any) -> Any:
            ctx.of = of
            return x * 2

        @staticmethod
        def jvp(ctx: Any, tangent: Any, _: Any) -> Any:
            return tangent.to(ctx.of)

    with pytest.raises(RuntimeError, match=r"forward gradient of torch\.complex128 for a result of torch\.float64"):
        jvp(lambda x: Wrong.apply(x, tapegrad.complex128), (x,), (one,))
    with pytest.raises(RuntimeError, match="Expected both tensor and its forward grad to be floating point or complex"):
        jvp(lambda x: Wrong.apply(x, tapegrad.int64), (x,), (one,))
    assert jvp(lambda x: Wrong.apply(x, tapegrad.float32), (x,), (one,))[1].dtype == tapegrad.float64


class Doubled(tapegrad.autograd.Function):
    """Writes its argument."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Any) -> Any:
        return x.mul_(2)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_dirty(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 3

    @staticmethod
    def jvp(ctx: Any, tangent: Any) -> Any:
        return tangent.mul_(5)


def test_writes_under_vmap():
    """PyTorch's rule for batches loses sight of what was written."""

    def f(x: Any) -> Any:
        y = x * 1
        assert Doubled.apply(y) is y
        return y

    close(vmap(f)(X), X * 2)
    close(vmap(grad(lambda x: f(x).sum()))(X), ones * 3)
    close(grad(lambda x: vmap(f)(x).sum())(X), ones * 3)
    close(jvp(vmap(f), (X,), (X,))[1], X * 5)
    close(vmap(lambda x: jvp(f, (x,), (x,))[1])(X), X * 5)


def test_a_view_made_under_vmap_is_not_written():
    class Head(tapegrad.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any) -> Any:
            return x[:2]

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return tapegrad.cat([grad, grad[:1] * 0])

    with pytest.raises(RuntimeError, match="This view was created inside a custom Function"):
        vmap(grad(lambda x: Head.apply(x * 1).mul_(2).sum()))(X)


def test_what_vmap_returns_must_have_the_batch():
    class Short(tapegrad.autograd.Function):
        forward = staticmethod(lambda x: x)
        setup_context = staticmethod(lambda ctx, inputs, output: None)
        vmap = staticmethod(lambda info, in_dims, x: (x[:1], 0))

    with pytest.raises(
        RuntimeError,
        match=r"vmap staticmethod of Short returned a tensor of shape \[1, 3\] .* where the batch has 2 members",
    ):
        vmap(Short.apply)(X)


def test_gradients_and_tangents_of_the_generated_rule_are_checked():
    def function(backward: Any = None, jvp: Any = None) -> Any:
        return type(
            "Bad",
            (tapegrad.autograd.Function,),
            {
                "forward": staticmethod(lambda x: x * 2),
                "setup_context": staticmethod(lambda ctx, inputs, output: None),
                "generate_vmap_rule": True,
                "backward": staticmethod(backward),
                "jvp": staticmethod(jvp),
            },
        )

    for text, backward in (
        (
            r"function BadBackward returned an incorrect number of gradients \(expected 1, got 2\)",
            lambda ctx, g: (g, g),
        ),
        (
            r"Function BadBackward returned an invalid gradient at index 0 - got \[2\] but expected shape compatible "
            r"with \[3\]",
            lambda ctx, g: g[:2],
        ),
    ):
        mapped = vmap(function(backward).apply)
        with pytest.raises(RuntimeError, match=text):
            grad(lambda X, mapped=mapped: mapped(X).sum())(X)
    for text, push in (
        (r"invalid number of forward gradients \(expected 1 but got 2\)", lambda ctx, t: (t, t)),
        (r"Tensor is of size \[2, 3\] while the given forward gradient is of size \[2, 2\]", lambda ctx, t: t[:2]),
    ):
        with pytest.raises(RuntimeError, match=text):
            jvp(vmap(function(jvp=push).apply), (X,), (X,))


def test_no_cycle():
    class Both(Cube):
        generate_vmap_rule = True
        forward = staticmethod(lambda x: x**3)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs, output)
            ctx.save_for_forward(*inputs, output)

    op = tapegrad.custom_op(
        np.sin, lambda g, result, *x: g * tapegrad.cos(x[0]) + 0 * result, higher_order=True, batch="front"
    )
    gc.collect()
    gc.disable()
    try:
        for f in (Both.apply, op):
            with forward_ad.dual_level():
                y = f(forward_ad.make_dual(x.clone().requires_grad_(), one))
                forward_ad.unpack_dual(y)
            nodes = [weakref.ref(y.grad_fn)]
            y = vmap(f)(X.clone().requires_grad_())
            nodes.append(weakref.ref(y.grad_fn))
            vmap(grad(lambda x, f=f: f(x).sum()))(X)
            del y
            assert [node() for node in nodes] == [None, None]
    finally:
        gc.enable()


# ---- custom ops


def ops(batch: str | None) -> dict[str, Any]:
    def kept(x: Any, k: float) -> Any:
        return np.sin(x) * k, np.cos(x)

    keeping = tapegrad.custom_op(
        kept, lambda g, c, k: (g * c * k, None), jvp=lambda t, c, k: t[0] * c * k, keeps="c", batch=batch, name="kept"
    )
    return {
        "arrays": tapegrad.custom_op(
            lambda x: np.sin(x) * 2,
            lambda g, x: g * np.cos(x) * 2,
            jvp=lambda t, x: t * np.cos(x) * 2,
            batch=batch,
            name="arrays",
        ),
        "tensors": tapegrad.custom_op(
            lambda x: np.sin(x) * 2,
            lambda g, x: g * tapegrad.cos(x) * 2,
            higher_order=True,
            batch=batch,
            name="tensors",
        ),
        "both rules": tapegrad.custom_op(
            lambda x: np.sin(x) * 2,
            lambda g, x: g * tapegrad.cos(x) * 2,
            jvp=lambda t, x: t * tapegrad.cos(x) * 2,
            higher_order=True,
            batch=batch,
            name="both",
        ),
        "kept": lambda x: keeping(x, 2.0),
    }


def f(x: Any) -> Any:
    return x.sin() * 2


FIRST = {
    "jvp": lambda f: jvp(f, (x,), (x,))[1],
    "vmap": lambda f: vmap(f)(X),
    "vmap of scalars": lambda f: vmap(f)(x),
    "vmap, other dims": lambda f: vmap(f, in_dims=1, out_dims=1)(X),
    "vmap of grad": lambda f: vmap(grad(lambda x: f(x).sum()))(X),
    "grad of vmap": lambda f: grad(lambda X: vmap(f)(X).sum())(X),
    "vmap of jvp": lambda f: vmap(lambda x: jvp(f, (x,), (x,))[1])(X),
    "jvp of vmap": lambda f: jvp(vmap(f), (X,), (X,))[1],
    "vmap of vmap": lambda f: vmap(vmap(f))(X),
    "vmap of vmap of grad": lambda f: vmap(vmap(grad(f)))(X),
    "grad of vmap of vmap": lambda f: grad(lambda X: vmap(vmap(f))(X).sum())(X),
    "vmap of grad of vmap": lambda f: vmap(grad(lambda x: vmap(f)(x).sum()))(X),
    "jacrev": lambda f: jacrev(f)(x),
    "jacfwd": lambda f: jacfwd(f)(x),
    "vmap of jacrev": lambda f: vmap(jacrev(f))(X),
    "vmap of jacfwd": lambda f: vmap(jacfwd(f))(X),
}
SECOND = {
    "hessian": lambda f: hessian(lambda x: f(x).sum())(x),
    "jvp of jvp": lambda f: jvp(lambda x: jvp(f, (x,), (one,))[1], (x,), (x,))[1],
    "grad of jvp": lambda f: grad(lambda x: jvp(f, (x,), (one,))[1].sum())(x),
    "jvp of grad": lambda f: jvp(grad(lambda x: f(x).sum()), (x,), (x,))[1],
    "vmap of grad of grad": lambda f: vmap(grad(grad(f)))(x),
    "grad of vmap of grad": lambda f: grad(lambda X: vmap(grad(lambda x: f(x).sum()))(X).sum())(X),
}


@pytest.mark.parametrize("batch", ["front", "loop"])
@pytest.mark.parametrize("kind", ["arrays", "tensors", "both rules", "kept"])
def test_custom_op(batch, kind):
    op = ops(batch)[kind]
    for transform in FIRST.values():
        close(transform(op), transform(f))
    for transform in SECOND.values():
        if kind in ("tensors", "both rules"):
            close(transform(op), transform(f))
        else:
            with pytest.raises(
                RuntimeError,
                match=r"custom op (arrays|kept) can be differentiated only once, because its (vjp|jvp) works on arrays",
            ):
                transform(op)


def test_what_a_custom_op_does_not_say():
    silent = tapegrad.custom_op(lambda x: np.sin(x), lambda g, x: g * np.cos(x), name="silent")
    with pytest.raises(
        RuntimeError,
        match=r"vmap: there is no batching rule for custom op silent\. Give the op batch='loop', or batch='front' if",
    ):
        vmap(silent)(X)
    with pytest.raises(RuntimeError, match="vmap: there is no batching rule for custom op silent"):
        jacrev(silent)(x)
    for op in (silent, tapegrad.custom_op(lambda x: np.sin(x), name="silent")):
        with pytest.raises(
            NotImplementedError,
            match=r"Trying to use forward AD with custom op silent that does not support it .* jvp=, or a vjp with",
        ):
            jvp(op, (x,), (one,))
    close(jvp(lambda t: t + silent(x), (x,), (one,))[1], one)
    close(vmap(lambda t: t + silent(x))(X), X + x.sin())
    rough = tapegrad.custom_op(lambda x: np.sin(x), jvp=lambda t, x: t * np.cos(x), name="rough")
    close(jvp(rough, (x,), (one,))[1], x.cos())
    with pytest.raises(NotImplementedError, match="the derivative for 'rough' is not implemented"):
        grad(lambda x: rough(x).sum())(x)


def test_linear_rules_on_arrays_are_constants_of_a_second_derivative():
    """What a rule has not read cannot make its result vary."""
    op = tapegrad.custom_op(lambda x: x * 3, lambda g: g * 3, jvp=lambda t: t * 3, name="triple")
    close(jvp(lambda x: jvp(op, (x,), (one,))[1], (x,), (one,))[1], one * 0)
    close(jvp(lambda x: grad(lambda x: op(x).sum())(x) * x, (x,), (one,))[1], one * 3)


def test_what_a_jvp_asks_for_and_returns():
    seen: dict[str, Any] = {}

    def forward(x, shift, count, *, scale):
        return (x + shift) * scale, x.argmax(), x * shift

    def push(tangents, scale, result, x, shift):
        seen.update(locals())
        return (tangents[0] + tangents[1]) * scale, None, tangents[0] * shift + x * tangents[1]

    op = tapegrad.custom_op(forward, jvp=push)
    (_, index, _), tangents = jvp(lambda x: op(x, np.full(3, 2.0), 3, scale=2.0), (x,), (one,))
    assert [d if d is None else d.tolist() for d in seen["tangents"]] == [[1, 1, 1], [0, 0, 0], None, None]
    close(tangents[2], one * 2)
    assert index.item() == 1 and tangents[1].dtype == index.dtype and seen["result"][1].__class__ is np.ndarray
    shift = values(1.0, 2.0, 3.0)
    _, tangents = jvp(lambda x: op(x, shift, tapegrad.tensor(3), scale=2.0), (x,), (one,))
    assert seen["tangents"][1].tolist() == [0, 0, 0] and seen["tangents"][2] is None
    close(tangents[0], one * 2)

    def wrong(text: str, error: type[Exception], **rule: Any) -> None:
        with pytest.raises(error, match=text):
            jvp(tapegrad.custom_op(lambda x: x * 2, name="mine", **rule), (x,), (one,))

    wrong(
        r"custom op mine: its jvp returned an incorrect number of tangents \(expected 1, got 2\)",
        RuntimeError,
        jvp=lambda t: (t, t),
    )
    wrong(
        "custom op mine: its jvp returned a str at position 0, where a tangent is an array or None",
        TypeError,
        jvp=lambda t: "t",
    )
    wrong(
        "a tangent is a tensor or None, since it has higher_order=True",
        TypeError,
        jvp=lambda t: np.ones(3),
        higher_order=True,
    )
    wrong("custom op mine: its jvp asks for 'z', which is none of x, result", TypeError, jvp=lambda t, z: t)
    wrong(
        "custom op mine: its jvp takes no argument, where the first is the tangent of the argument",
        TypeError,
        jvp=lambda: 0,
    )
    wrong(r"size \[3\] while the given forward gradient is of size \[2\]", RuntimeError, jvp=lambda t: t[:2])
    wrong("custom op mine: batch must be 'front', 'loop' or None, but got 'first'", ValueError, batch="first")
    decorated = tapegrad.custom_op(lambda *arrays: arrays[0] * arrays[1])

    @decorated.defjvp
    def both(tangents, *arrays):
        return tangents[0] * arrays[1] + arrays[0] * tangents[1]

    assert decorated.jvp.function is both
    close(jvp(decorated, (x, shift), (one, one))[1], x + shift)


def test_forward_mode_by_a_vjp_of_ops():
    def vjp(grads, x, y, needs_input_grad):
        return grads[0] * y + grads[1], (grads[0] * x).sum(0) if needs_input_grad[1] else None, None

    op = tapegrad.custom_op(lambda x, y, k: (x * y, x * 1, "text"), vjp, higher_order=True, name="pair")
    (product, _), (d_product, d_copy) = jvp(lambda x: op(x, x[0], 3)[:2], (X,), (ones,))
    close(product, X * X[0])
    close(d_product, X[0] + X)
    close(d_copy, ones)
    assert not d_product.requires_grad
    z = tapegrad.tensor([1 + 2j, 0.5 - 1j], dtype=tapegrad.complex128)
    square = tapegrad.custom_op(lambda z: z * z, lambda g, z: g * (2 * z).conj(), higher_order=True)
    found = jvp(square, (z,), (z * 1j,))[1]
    np.testing.assert_allclose(found.numpy(), (2 * z * z * 1j).numpy())


def test_front_and_loop_give_the_functions_what_they_promise():
    shapes: list[Any] = []

    def forward(a, b, k):
        shapes.append((a.shape, b.shape, k))
        return (a * b).sum(-1)

    def vjp(g, a, b):
        shapes.append((g.shape, a.shape, b.shape))
        return g[..., None] * b, g[..., None] * a, None

    front, loop = [tapegrad.custom_op(forward, vjp, batch=batch) for batch in ("front", "loop")]
    constant = np.array([1.0, 2.0, 3.0])
    close(vmap(lambda a: front(a, constant, 5))(X), X @ tapegrad.as_tensor(constant))
    assert shapes == [((2, 3), (2, 3), 5)]
    shapes.clear()
    close(vmap(grad(lambda a: front(a, x, 5)))(X), x.expand(2, 3))
    assert shapes == [((2, 3), (2, 3), 5), ((2,), (2, 3), (2, 3))]
    shapes.clear()
    close(vmap(grad(lambda a: loop(a, x, 5)))(X), x.expand(2, 3))
    assert shapes == [((3,), (3,), 5)] * 2 + [((), (3,), (3,))] * 2
    assert gradcheck(vmap(lambda a: front(a, x, 5)), X.clone().requires_grad_()) and gradcheck(
        vmap(lambda a: loop(a, x, 5)), X.clone().requires_grad_()
    )
    total = tapegrad.custom_op(lambda x: x.sum(), lambda g, x: g * np.ones_like(x), batch="front", name="total")
    with pytest.raises(
        RuntimeError,
        match=r"custom op total has batch='front', but its forward returned an array of shape \[\], where the batch "
        r"of 2 ",
    ):
        vmap(total)(X)
    total = tapegrad.custom_op(lambda x: float(x.sum()), lambda g, x: g * np.ones_like(x), batch="loop", name="total")
    close(vmap(total)(X), X.sum(1))
    close(vmap(grad(total))(X), ones)
    with pytest.raises(
        RuntimeError, match="custom op total has batch='loop', and cannot be called for no member at all"
    ):
        vmap(total)(X[:0])


def test_kept_values_of_members():
    """What is no array (here a dict) is kept for each member; arrays that are kept have the batch in front."""

    def vjp(g, state):
        return g * state["cos"]

    loop = tapegrad.custom_op(
        lambda x: (np.sin(x), {"cos": np.cos(x)}),
        vjp,
        keeps="state",
        batch="loop",
        jvp=lambda t, state: t * state["cos"],
    )
    for transform in FIRST.values():
        close(transform(lambda x: loop(x) * 2), transform(f))


def test_several_results_under_vmap():
    def forward(x):
        return x * 2, "text", x.argmax(-1)

    op = tapegrad.custom_op(forward, lambda grads: grads[0] * 2, batch="loop")
    doubled, index = vmap(lambda x: op(x)[::2])(X)
    close(doubled, X * 2)
    assert index.tolist() == [1, 0] and index.dtype == tapegrad.int64
    close(vmap(grad(lambda x: op(x)[0].sum()))(X), ones * 2)


def test_arrays_and_integers_pass_by():
    op = ops("front")["arrays"]
    assert vmap(lambda t: t + float(op(3.0)))(x).shape == (3,)
    count = tapegrad.custom_op(lambda x: np.argmax(x, -1), batch="front")
    assert vmap(count)(X).tolist() == [1, 0]
    assert not jvp(lambda x: count(x) + x, (x,), (one,))[1].requires_grad
