"""vmap: random numbers, writes, arrays, what is left behind, and the gradients of single examples."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad import nn
from tapegrad.autograd.core.gate import gate, state
from tapegrad.backends.strict.backend import refusing
from tapegrad.func import functional_call, grad, jacfwd, jacrev, jvp, stack_module_state, vmap
from tapegrad.nn import functional as F

X = tapegrad.arange(12.0).reshape(3, 4)
MODES = ("same", "different")


def seeded(draw: Callable[[], tapegrad.Tensor]) -> tapegrad.Tensor:
    tapegrad.manual_seed(5)
    return draw()


def equal(a: tapegrad.Tensor, b: tapegrad.Tensor) -> bool:
    return a.shape == b.shape and bool((a == b).all())


# ---- random numbers


def test_draws_take_the_stream_that_one_call_would():
    """For each member: one draw of all; for all of them: one draw."""
    for draw in (
        lambda *size: tapegrad.rand(*size),
        lambda *size: tapegrad.randn(*size),
        lambda *size: tapegrad.randint(0, 100, size),
        lambda *size: (
            tapegrad.zeros(*size, dtype=tapegrad.float64).uniform_()
            if len(size) > 1
            else tapegrad.rand(*size, dtype=tapegrad.float64)
        ),
    ):
        each = seeded(lambda draw=draw: vmap(lambda _: draw(5), randomness="different")(X))
        assert equal(each, seeded(lambda draw=draw: draw(3, 5)))
        assert not equal(each[0], each[1])
        once = seeded(lambda draw=draw: vmap(lambda _: draw(5), randomness="same")(X))
        assert equal(once[0], once[2])
        assert equal(once[0], seeded(lambda draw=draw: draw(5)))
    each = seeded(lambda: vmap(lambda t: (t * 0).normal_(), randomness="different")(X))
    assert equal(each, seeded(lambda: tapegrad.empty(3, 4).normal_()))


def test_draws_are_those_of_the_device(device):
    """The same numbers on every device, none of which crosses to the host."""
    where = {} if device == "cpu" else {"device": device}
    x = tapegrad.tensor(X.numpy(), **where)
    with refusing() if device == "strict" else tapegrad.enable_grad():
        drawn = seeded(lambda: vmap(lambda t: F.dropout(t + 1, 0.5) + tapegrad.rand_like(t), randomness="different")(x))
    assert equal(
        drawn.cpu(),
        seeded(lambda: vmap(lambda t: F.dropout(t + 1, 0.5) + tapegrad.rand_like(t), randomness="different")(X)),
    )


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
@pytest.mark.parametrize(
    "draw",
    [
        lambda t: tapegrad.rand(40),
        lambda t: F.dropout(tapegrad.ones(40)),
        lambda t: F.dropout(t.expand(40)),
        lambda t: tapegrad.randperm(40),
        lambda t: tapegrad.rand_like(t.expand(40)),
        lambda t: t.expand(40).clone().uniform_(),
    ],
    ids=["rand", "dropout", "dropout of members", "perm", "like", "fill"],
)
def test_nested_randomness(outer: str, inner: str, draw: Any):
    found = vmap(vmap(draw, randomness=inner), randomness=outer)(tapegrad.ones(3, 4))
    assert found.shape == (3, 4, 40)
    assert equal(found[0], found[1]) == (outer == "same")
    assert equal(found[0, 0], found[0, 1]) == (inner == "same")


def test_errors_reach_through_levels():
    for outer, inner in (("error", "same"), ("different", "error")):
        with pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
            vmap(vmap(lambda t: tapegrad.rand(2), randomness=inner), randomness=outer)(X)
    with pytest.raises(RuntimeError, match="called random operation"):
        jacfwd(F.dropout)(X[0])
    assert jacfwd(F.dropout, randomness="same")(X[0] + 1).count_nonzero() <= 4


def test_permutations_are_permutations():
    each = vmap(lambda t: tapegrad.randperm(50), randomness="different")(X)
    assert equal(each.sort(-1).values, tapegrad.arange(50).expand(3, 50))


def test_each_member_draws_from_its_own_probabilities():
    p = tapegrad.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert vmap(lambda q: tapegrad.multinomial(q, 3, True), randomness="different")(p).tolist() == [[2] * 3, [0] * 3]
    assert equal(vmap(tapegrad.bernoulli, randomness="different")(p), p)
    assert equal(vmap(lambda q: tapegrad.zeros_like(q).bernoulli_(q), randomness="different")(p), p)
    assert equal(vmap(lambda q: tapegrad.normal(q, 0.0), randomness="different")(p), p)
    assert vmap(lambda q: tapegrad.normal(0.0, q, generator=tapegrad.Generator()), randomness="different")(p)[
        0, :2
    ].tolist() == [0, 0]


def test_gradients_of_dropout():
    """Each member's gradient goes through its own mask, whoever it is that the mask is for."""
    w = tapegrad.ones(200)
    for f in (lambda w, t: F.dropout(w * t).sum(), lambda w, t: (F.dropout(w) * t).sum()):
        found = vmap(grad(f), in_dims=(None, 0), randomness="different")(w, tapegrad.ones(3, 200))
        assert set(found.unique().tolist()) == {0, 2}
        assert not equal(found[0], found[1])
        shared = vmap(grad(f), in_dims=(None, 0), randomness="same")(w, tapegrad.ones(3, 200))
        assert set(shared.unique().tolist()) == {0, 2}
        assert equal(shared[0], shared[1])


def test_out():
    assert vmap(lambda t: tapegrad.rand(4, out=tapegrad.empty_like(t)), randomness="different")(X).shape == (3, 4)
    assert equal(vmap(lambda t: tapegrad.add(t, t, out=tapegrad.zeros_like(t)))(X), X * 2)
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        vmap(lambda t: tapegrad.add(t, t, out=tapegrad.zeros(4)))(X)


# ---- writes


def through_views(t):
    z = tapegrad.zeros_like(t)
    first, last = z[:2], z[1:]
    first.mul_(3)
    last.add_(t[1:] * t[1:])
    first.copy_(t[2:] * last[0].clone())
    z.view(2, 2)[1] *= first[0].clone()
    return z * last.sum()


def on_itself(t):
    z = t * t
    z[1:].mul_(z[:3].clone())
    z.view(2, 2).t()[0] += t[:2]
    return z.mul_(t)


DERIVATIVES: dict[str, tuple[Any, Any]] = {
    "rev": (jacrev, jacrev),
    "fwd": (jacfwd, jacrev),
    "fwd of rev": (lambda f: jacfwd(jacrev(f)), lambda f: jacrev(jacrev(f))),
    "rev of fwd": (lambda f: jacrev(jacfwd(f)), lambda f: jacrev(jacrev(f))),
    "fwd of fwd": (lambda f: jacfwd(jacfwd(f)), lambda f: jacrev(jacrev(f))),
}


@pytest.mark.parametrize("f", [through_views, on_itself])
@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_of_writes(f: Any, name: str):
    """By reverse mode alone, which makes no levels, and by all others."""
    x = X.double() + 1
    derivative, exact = [how(f) for how in DERIVATIVES[name]]
    np.testing.assert_allclose(vmap(derivative)(x).numpy(), tapegrad.stack([exact(t) for t in x]).numpy(), rtol=1e-12)
    np.testing.assert_allclose(derivative(x[0]).numpy(), exact(x[0]).numpy(), rtol=1e-12)


def test_what_all_members_share_stays_shared():
    """A write of what is the same for all goes to the tensor itself, with its history."""
    w = tapegrad.tensor([1.0, 2.0], requires_grad=True)
    z = tapegrad.zeros(2)

    def f(t):
        jvp(lambda u: z.copy_(u * w), (tapegrad.ones(2) * 3,), (tapegrad.ones(2),))
        return t

    vmap(f)(tapegrad.ones(4, 2))
    z.sum().backward()
    assert z.tolist() == [3, 6]
    assert w.grad.tolist() == [3, 3]


def test_a_history_that_cannot_be_kept_is_refused():
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        vmap(lambda s: grad(lambda w: tapegrad.zeros(4).add_(w * w).sum())(X[0]) * s)(X)
    assert equal(vmap(lambda s: grad(lambda w: tapegrad.zeros_like(w).add_(w * w).sum())(X[0]) * s)(X), 2 * X[0] * X)


def test_operands_kept_as_arrays_are_aligned():
    """As many members as there are elements, so that what is misaligned would broadcast."""
    x = tapegrad.tensor(np.random.default_rng(0).standard_normal((3, 3)), requires_grad=True)
    y = F.cross_entropy(x, tapegrad.tensor([0, 2, 1]), tapegrad.tensor([0.5, 1.0, 2.0], dtype=tapegrad.float64))
    many = tapegrad.autograd.grad(
        y, x, tapegrad.tensor([1.0, 2.0, -1.0], dtype=tapegrad.float64), is_grads_batched=True, retain_graph=True
    )[0]
    one = tapegrad.autograd.grad(y, x)[0]
    np.testing.assert_allclose(many.numpy(), np.stack([one.numpy() * c for c in (1, 2, -1)]))


def test_copies_in_the_order_of_indices():
    said = []

    def f(t):
        for copy in (t.contiguous(), t.clone(memory_format=tapegrad.contiguous_format)):
            said.append((copy.is_contiguous(), copy.stride()))
        return t

    vmap(f, in_dims=-1)(tapegrad.ones(2, 3, 4).transpose(0, 1))
    assert said == [(True, (2, 1))] * 2


# ---- arrays, keywords, ensembles


def test_arrays_in_arrays_out():
    a = np.ones((3, 2))
    product, parts = vmap(lambda x, y: (x * y, {"sum": x.sum()}))(a, a * 2)
    assert type(product) is type(parts["sum"]) is np.ndarray
    assert parts["sum"].tolist() == [2, 2, 2]
    assert type(vmap(lambda x, y: x * y)(a, tapegrad.ones(3, 2))) is np.ndarray
    shared = vmap(lambda x, y=None: x * y)(a, y=np.arange(2.0))
    assert type(shared) is np.ndarray
    assert shared.tolist() == [[0, 1]] * 3
    assert equal(vmap(lambda t: np.arange(4.0, dtype=np.float32) * t)(X), tapegrad.arange(4.0) * X)


def test_dicts_are_matched_by_their_keys():
    found = vmap(lambda p: p["a"] + p["b"], in_dims=({"b": None, "a": 1},))({"a": X, "b": tapegrad.ones(3)})
    assert equal(found, X.t() + 1)


def test_ensembles():
    models = [nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2)).eval() for _ in range(3)]
    params, buffers = stack_module_state(models)
    together = vmap(lambda p, b, x: functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None))(params, buffers, X)
    np.testing.assert_allclose(together.detach().numpy(), np.stack([m(X).detach().numpy() for m in models]), atol=1e-6)
    each = vmap(lambda p, b, x: functional_call(models[0], (p, b), (x.unsqueeze(0),))[0], randomness="different")(
        params, buffers, X
    )
    np.testing.assert_allclose(
        each.detach().numpy(), np.stack([m(X[i : i + 1])[0].detach().numpy() for i, m in enumerate(models)]), atol=1e-6
    )
    together.square().sum().backward()
    assert params["0.weight"].grad.shape == (3, 5, 4)


def test_grad_inside_of_the_function():
    """Leaves, hooks and passes inside are those of each member."""
    log = []

    def f(t):
        leaf = t.detach().requires_grad_()
        twice = leaf * 2
        twice.register_hook(lambda g: log.append(tuple(g.shape)))
        twice.retain_grad()
        for retain in (True, False):
            (twice * twice).sum().backward(retain_graph=retain)
        with tapegrad.no_grad():
            assert not (leaf * 2).requires_grad
        return leaf.grad, twice.grad

    leaf, twice = vmap(f)(X)
    assert equal(leaf, X * 16)
    assert equal(twice, X * 8)
    assert log == [(4,), (4,)]


# ---- what is left behind


def boom(*args: Any) -> Any:
    raise KeyError("boom")


def in_a_hook(t):
    t = t * 1
    t.register_hook(boom)
    return t.sum()


def unrecorded(t):
    with tapegrad.no_grad():
        boom()


@pytest.mark.parametrize(
    "f",
    [
        boom,
        vmap(boom),
        grad(boom),
        grad(in_a_hook),
        unrecorded,
        lambda t: jvp(boom, (t,), (t,)),
        lambda t: jacfwd(boom)(t),
        lambda t: t.item(),
        lambda t: 1.0,
        lambda t: t @ tapegrad.ones(3),
    ],
)
def test_errors_leave_the_thread_as_it_was(f: Any):
    before = state.levels, state.bits, gate.needed(), gate.on
    with pytest.raises((KeyError, RuntimeError, ValueError)):
        vmap(vmap(f))(tapegrad.ones(2, 3, 4))
    assert (state.levels, state.bits, gate.needed(), gate.on) == before


def test_threads_have_levels_of_their_own():
    found: dict[Any, tapegrad.Tensor] = {}

    def work(n: int) -> None:
        found[n] = vmap(grad(lambda t: (t * t * n).sum()))(X)

    def inside(t):
        thread = threading.Thread(target=work, args=(1,))
        thread.start()
        thread.join()
        return t + found[1][0]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2, 6)]
    for thread in threads:
        thread.start()
    assert equal(vmap(inside)(X), X + 2 * X[0])
    for thread in threads:
        thread.join()
    assert all(equal(t, 2 * n * X) for n, t in found.items())


def test_everything_is_freed():
    kept = []

    def f(t):
        inner = grad(lambda u: (kept.append(weakref.ref(u)), (u * u).sin().sum())[1])(t)
        kept.append(weakref.ref(inner))
        return inner

    w = tapegrad.ones(4, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        y = vmap(f)(X * w)
        y.sum().backward()
        kept += [weakref.ref(y), weakref.ref(y.grad_fn)]
        del y
        assert [reference() for reference in kept] == [None] * len(kept)
    finally:
        gc.enable()


# ---- the gradients of single examples


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3, stride=2)
        self.norm = nn.GroupNorm(2, 4)
        self.head = nn.Linear(4 * 3 * 3, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        return self.head(F.gelu(self.norm(self.second(x))).flatten(1))


class Encoder(nn.Module):
    """A transformer's layer, with the norm before attention and with a mask."""

    def __init__(self, width: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(11, width)
        self.attend, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 12), nn.Linear(12, width)
        self.head = nn.Linear(width, 5)

    def forward(self, tokens):
        x = self.embed(tokens)
        n, length, width = x.shape
        query, key, value = [
            t.reshape(n, length, self.heads, -1).transpose(1, 2) for t in self.attend(self.first(x)).chunk(3, -1)
        ]
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(found.transpose(1, 2).reshape(n, length, width))
        return self.head((x + self.down(F.silu(self.up(self.second(x))))).mean(1))


@pytest.mark.parametrize("kind", [Cnn, Encoder])
def test_gradients_of_single_examples(kind: Any, rng):
    """vmap of grad agrees with a loop over 64 examples, and with what backward accumulates."""
    model = kind().double()
    inputs = tapegrad.tensor(rng.standard_normal((64, 1, 14, 14)) if kind is Cnn else rng.integers(0, 11, (64, 6)))
    labels = tapegrad.tensor(rng.integers(0, 5, 64))
    params = {name: p.detach() for name, p in model.named_parameters()}

    def loss(params, x, y):
        return F.cross_entropy(functional_call(model, params, (x.unsqueeze(0),)), y.unsqueeze(0))

    found = vmap(grad(loss), in_dims=(None, 0, 0))(params, inputs, labels)
    in_chunks = vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=25)(params, inputs, labels)
    loop = [grad(loss)(params, x, y) for x, y in zip(inputs, labels)]
    F.cross_entropy(model(inputs), labels, reduction="sum").backward()
    for name, p in model.named_parameters():
        want = np.stack([g[name].numpy() for g in loop])
        tolerance = {"rtol": 1e-12, "atol": 1e-13 * np.abs(want).max()}
        np.testing.assert_allclose(found[name].numpy(), want, **tolerance)
        np.testing.assert_allclose(in_chunks[name].numpy(), want, **tolerance)
        np.testing.assert_allclose(found[name].sum(0).numpy(), p.grad.numpy(), rtol=1e-10, atol=1e-12)
