"""vmap against torch.func: what it takes and refuses, random numbers inside of it, and transforms of transforms."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")

LIBRARIES = (torch, tapegrad)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the type and text of its error."""
    try:
        return call()
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        kind = next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")
        return kind, str(error)


# ---- random numbers

P = np.array([[0.3, 0.5, 0.7, 0.4], [0.6, 0.2, 0.4, 0.5], [0.5, 0.5, 0.3, 0.6]], np.float32)
LONG = 200


def wide(t: Any) -> Any:
    return t.expand(LONG, 4)


DRAWS: dict[str, Callable[[Any, Any], Any]] = {
    "rand": lambda m, t: m.rand(LONG),
    "randn": lambda m, t: m.randn(LONG),
    "randint": lambda m, t: m.randint(3, 10000, (LONG,)),
    "randperm": lambda m, t: m.randperm(LONG),
    "rand with a generator": lambda m, t: m.rand(LONG, generator=m.Generator()),
    "normal of a size": lambda m, t: m.normal(0.0, 1.0, (LONG,)),
    "normal of means": lambda m, t: m.normal(wide(t), 1.0),
    "normal of deviations": lambda m, t: m.normal(1.0, wide(t)),
    "normal of both": lambda m, t: m.normal(wide(t), wide(t)),
    "rand_like": lambda m, t: m.rand_like(wide(t)),
    "randn_like": lambda m, t: m.randn_like(wide(t)),
    "randint_like": lambda m, t: m.randint_like(wide(t), 1000),
    "bernoulli": lambda m, t: m.bernoulli(wide(t)),
    "bernoulli of a number": lambda m, t: m.bernoulli(wide(t), 0.5),
    "multinomial": lambda m, t: m.multinomial(t, LONG, True),
    "multinomial without replacement": lambda m, t: m.multinomial(wide(t), 2),
    "dropout": lambda m, t: m.nn.functional.dropout(wide(t), 0.5),
    "dropout in place": lambda m, t: m.nn.functional.dropout(wide(t).clone(), 0.5, inplace=True),
    "dropout in evaluation": lambda m, t: m.nn.functional.dropout(t, 0.5, False),
    "dropout of nothing": lambda m, t: m.nn.functional.dropout(t, 0.0),
    "dropout of all": lambda m, t: m.nn.functional.dropout(t, 1.0),
    "dropout1d": lambda m, t: m.nn.functional.dropout1d(t.expand(LONG, 5, 4), 0.5),
    "dropout2d": lambda m, t: m.nn.functional.dropout2d(t.expand(LONG, 5, 2, 4), 0.5),
    "gumbel_softmax": lambda m, t: m.nn.functional.gumbel_softmax(wide(t)),
    "uniform_": lambda m, t: wide(t).clone().uniform_(),
    "uniform_ of zeros": lambda m, t: m.zeros(LONG).uniform_(),
    "normal_": lambda m, t: wide(t).clone().normal_(1, 2),
    "log_normal_": lambda m, t: wide(t).clone().log_normal_(),
    "exponential_": lambda m, t: wide(t).clone().exponential_(),
    "cauchy_": lambda m, t: wide(t).clone().cauchy_(),
    "geometric_": lambda m, t: wide(t).clone().geometric_(0.1),
    "random_": lambda m, t: wide(t).clone().random_(0, 1000),
    "random_ without bounds": lambda m, t: wide(t).clone().random_(),
    "bernoulli_": lambda m, t: wide(t).clone().bernoulli_(0.5),
    "bernoulli_ of probabilities": lambda m, t: wide(t).clone().bernoulli_(wide(t)),
    "bernoulli_ of zeros": lambda m, t: m.zeros(LONG).bernoulli_(),
}


@pytest.mark.parametrize("mode", ["error", "same", "different"])
@pytest.mark.parametrize("name", DRAWS)
def test_random_functions(name: str, mode: str) -> None:
    """Who may draw, with torch's words where it may not, and whether the members of the batch have the same numbers."""

    def drawn(m: Any, given: np.ndarray, in_dim: int | None) -> Any:
        y = m.func.vmap(lambda _, t: DRAWS[name](m, t), in_dims=(0, in_dim), randomness=mode)(
            m.zeros(3), m.tensor(given)
        )
        return tuple(y.shape), [bool((y[i] == y[j]).all()) for i, j in ((0, 1), (1, 2), (0, 2))]

    for given, in_dim in ((P, 0), (P[0], None)):
        theirs, ours = [outcome(partial(drawn, m, given, in_dim)) for m in LIBRARIES]
        assert theirs == ours, f"in_dims={in_dim}"


# ---- what vmap takes and refuses

X = np.arange(12.0).reshape(3, 4)


def one(m: Any, function: Callable[[Any], Any], values: np.ndarray = X, **how: Any) -> Any:
    """What `function` says of a batched tensor."""
    said = []

    def seen(t: Any) -> Any:
        said.append(function(t))
        return t

    m.func.vmap(seen, **how)(m.tensor(values))
    return said[0]


def result(m: Any, function: Callable[..., Any], *args: Any, **how: Any) -> Any:
    """The shapes and the values of what a function under vmap returns."""
    given = [m.tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    out = m.func.vmap(function, **how)(*given)
    return [(tuple(t.shape), t.detach().numpy().tolist()) for t in flat(out)]


def flat(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in flat(value)]
    if isinstance(tree, (list, tuple)):
        return [leaf for value in tree for leaf in flat(value)]
    return [tree]


def same(*a: Any) -> Any:
    return a if len(a) > 1 else a[0]


CALLS: dict[str, Callable[[Any], Any]] = {
    "no inputs": lambda m: m.func.vmap(lambda: 1)(),
    "keywords only": lambda m: m.func.vmap(lambda a=None: a)(a=m.tensor(X)),
    "keywords are passed on": lambda m: (
        result(m, lambda a, b=None: a, X)
        + [tuple(m.func.vmap(lambda a, b=None: a + b)(m.tensor(X), b=m.tensor(X)).shape)]
    ),
    "a number by keyword": lambda m: tuple(m.func.vmap(lambda a, b: a + b)(m.tensor(X), b=2.0).shape),
    "in_dims of text": lambda m: result(m, same, X, in_dims="0"),
    "in_dims as a list": lambda m: result(m, same, X, in_dims=[0]),
    "in_dims of None": lambda m: result(m, same, X, in_dims=None),
    "in_dims without a batch": lambda m: result(m, same, X, in_dims=(None,)),
    "too many in_dims": lambda m: result(m, same, X, in_dims=(0, 0)),
    "in_dims nested otherwise": lambda m: m.func.vmap(lambda a: a[0], in_dims=((0, 0),))([m.tensor(X), m.tensor(X)]),
    "in_dims nested": lambda m: tuple(
        m.func.vmap(lambda a: a[0] + a[1], in_dims=([0, None],))([m.tensor(X), m.tensor(X[0])]).shape
    ),
    "in_dims in a dict": lambda m: tuple(
        m.func.vmap(lambda a: a["p"] + a["q"], in_dims=({"p": 1, "q": None},))({"p": m.tensor(X), "q": m.ones(3)}).shape
    ),
    "in_dims with a wrong key": lambda m: m.func.vmap(same, in_dims=({"z": None},))({"p": m.tensor(X)}),
    "in_dims of a fraction": lambda m: result(m, same, X, X, in_dims=(0, 0.5)),
    "in_dims for a number": lambda m: result(m, same, X, 2.0),
    "a number that is shared": lambda m: result(m, lambda a, b: a * b, X, 2.0, in_dims=(0, None)),
    "in_dims beyond": lambda m: result(m, same, X, in_dims=2),
    "in_dims before": lambda m: result(m, same, X, in_dims=-3),
    "no dimensions": lambda m: result(m, same, np.array(1.0)),
    "negative in_dims": lambda m: result(m, same, X, in_dims=-1),
    "negative dims": lambda m: result(m, same, X, in_dims=-1, out_dims=-1),
    "different sizes": lambda m: result(m, same, X, X[0]),
    "unknown randomness": lambda m: result(m, same, X, randomness="x"),
    "chunk_size of 0": lambda m: result(m, same, X, chunk_size=0),
    "chunk_size of 2": lambda m: result(m, lambda a: (a * 2, a.sum()), X, chunk_size=2, out_dims=(1, 0)),
    "chunks of what is not batched": lambda m: result(m, lambda a: m.ones(2), X, chunk_size=2),
    "nobody": lambda m: result(m, lambda a: (a * 2, a.sum(), a.reshape(2, 2) @ a.reshape(2, 2), m.ones(2)), X[:0]),
    "a number returned": lambda m: result(m, lambda a: 1.0, X),
    "nothing returned": lambda m: result(m, lambda a: None, X),
    "a number among results": lambda m: result(m, lambda a: (a, 1.0), X),
    "nested results": lambda m: result(m, lambda a: {"p": a, "q": (a.sum(), [a * 2])}, X),
    "no results": lambda m: m.func.vmap(lambda a: ())(m.tensor(X)),
    "out_dims of text": lambda m: result(m, same, X, out_dims="a"),
    "out_dims of a fraction": lambda m: result(m, same, X, out_dims=0.5),
    "out_dims of None": lambda m: result(m, same, X, out_dims=None),
    "out_dims of None for what is not batched": lambda m: result(m, lambda a: m.ones(2), X, out_dims=None),
    "out_dims in a tuple": lambda m: result(m, same, X, out_dims=(1,)),
    "out_dims in a list": lambda m: result(m, same, X, out_dims=[0]),
    "too many out_dims": lambda m: result(m, same, X, out_dims=(0, 1)),
    "too few out_dims": lambda m: result(m, lambda a: (a, a), X, out_dims=(0,)),
    "out_dims for each": lambda m: result(m, lambda a: (a, (a, m.ones(1))), X, out_dims=(1, (0, None))),
    "out_dims of None within": lambda m: result(m, lambda a: (a, a), X, out_dims=(0, None)),
    "out_dims in a dict": lambda m: result(m, lambda a: {"p": a}, X, out_dims={"p": 1}),
    "out_dims beyond": lambda m: result(m, same, X, out_dims=2),
    "out_dims before": lambda m: result(m, same, X, out_dims=-3),
    "negative out_dims": lambda m: result(m, lambda a: a.reshape(2, 2), X, out_dims=-1),
    "repr": lambda m: one(m, repr),
    "str of integers": lambda m: one(m, lambda t: str((t * 2).long())),
    "format": lambda m: one(m, lambda t: f"{t}", X[0]),
    "repr in two": lambda m: one(m, lambda t: one_more(m, t)),
    "len": lambda m: one(m, len),
    "len of no dimensions": lambda m: one(m, len, X[0]),
    "iteration": lambda m: one(m, lambda t: [tuple(a.shape) for a in t]),
    "iteration over no dimensions": lambda m: one(m, list, X[0]),
    "sizes": lambda m: one(
        m,
        lambda t: (
            tuple(t.shape),
            t.dim(),
            t.ndim,
            tuple(t.size()),
            t.size(-1),
            t.numel(),
            t.nelement(),
            tuple(t.stride()),
            t.nbytes,
        ),
    ),
    "kinds": lambda m: one(
        m,
        lambda t: (
            t.element_size(),
            t.itemsize,
            t.is_floating_point(),
            t.is_complex(),
            t.is_contiguous(),
            t.is_leaf,
            str(t.device),
        ),
    ),
    "strides of a transposed one": lambda m: one(
        m, lambda t: (tuple(t.stride()), t.is_contiguous(), tuple(t.reshape(3, 1).t().shape)), in_dims=1
    ),
    "item": lambda m: one(m, lambda t: t.item(), X[0]),
    "item of several": lambda m: one(m, lambda t: t.item()),
    "float": lambda m: one(m, float, X[0]),
    "int": lambda m: one(m, int, X[0]),
    "complex": lambda m: one(m, complex, X[0]),
    "range": lambda m: one(m, lambda t: range(t.long()), X[0]),
    "bool": lambda m: one(m, lambda t: 1 if t > 0 else 2, X[0]),
    "bool of several": lambda m: one(m, bool),
    "is_nonzero": lambda m: one(m, lambda t: m.is_nonzero(t.sum())),
    "in": lambda m: one(m, lambda t: 1.0 in t),
    "nonzero": lambda m: one(m, lambda t: t.nonzero()),
    "a mask as an index": lambda m: one(m, lambda t: t[t > 0]),
    "unique": lambda m: one(m, m.unique),
    "allclose": lambda m: one(m, lambda t: m.allclose(t, t)),
    "copy_ to what is shared": lambda m: result(m, lambda t: m.zeros(4).double().copy_(t), X),
    "mul_ of what is shared": lambda m: result(m, lambda t: m.zeros(4).double().mul_(t), X),
    "index_put_ to what is shared": lambda m: result(
        m, lambda t: m.zeros(4).double().index_put_((m.tensor([0]),), t[:1]), X
    ),
    "scatter_add_ to what is shared": lambda m: result(
        m, lambda t: m.zeros(4).double().scatter_add_(0, m.tensor([0]), t[:1]), X
    ),
    "index_add_ to what is shared": lambda m: result(
        m, lambda t: m.zeros(4).double().index_add_(0, m.tensor([0]), t[:1]), X
    ),
    "fill_ of what is shared": lambda m: result(m, lambda t: m.zeros(4).double().fill_(t[0]), X),
    "writes to what is shared": lambda m: written_to_shared(m),
    "an item of what is shared": lambda m: result(m, lambda t: m.zeros(4).double().__setitem__(0, t[0]), X),
    "new_zeros": lambda m: result(m, lambda t: t.new_zeros(4).add_(t), X),
    "zeros_like": lambda m: result(m, lambda t: m.zeros_like(t).add_(t), X),
    "a write through a view": lambda m: result(m, lambda t: through_view(t.clone()), X),
    "a write to the argument": lambda m: written_argument(m),
    "no_grad inside": lambda m: one(m, lambda t: unrecorded(m, t)),
}


def one_more(m: Any, t: Any) -> str:
    said = []
    m.func.vmap(lambda u: (said.append(repr(u)), u)[1])(t)
    return said[0]


def written_to_shared(m: Any) -> Any:
    shared = m.zeros(4)
    m.func.vmap(lambda t: (shared.add_(1), t)[1])(m.tensor(X))
    return shared.tolist()


def through_view(t: Any) -> Any:
    t.reshape(2, 2)[0].mul_(2.0)
    t[1:3] = t[:2].clone()
    return t


def written_argument(m: Any) -> Any:
    t = m.tensor(X)
    m.func.vmap(lambda u: u.add_(1), in_dims=1)(t)
    return t.tolist()


def unrecorded(m: Any, t: Any) -> Any:
    with m.no_grad():
        return (t * 2).requires_grad, m.is_grad_enabled()


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    theirs, ours = [outcome(partial(CALLS[name], m)) for m in LIBRARIES]
    assert theirs == ours


def test_values_cannot_be_had() -> None:
    """torch's words, and a hint after them."""
    for take in (lambda t: t.numpy(), lambda t: t.tolist(), np.asarray):
        theirs, ours = [outcome(partial(one, m, take)) for m in LIBRARIES]
        assert theirs[0] == ours[0] == "RuntimeError" and ours[1].startswith(theirs[1])


def test_escaped() -> None:
    """A batched tensor that outlives its vmap can be looked at, but not used."""
    for m in LIBRARIES:
        kept: list[Any] = []
        m.func.vmap(lambda t, kept=kept: (kept.append(t), t)[1])(m.tensor(X))
        escaped = kept[0]
        assert repr(escaped).startswith("BatchedTensor(lvl=1, bdim=0, value=")
        assert tuple(escaped.shape) == (4,)
        for name in USES:
            kind, text = outcome(partial(USES[name], m, escaped))
            assert kind == "RuntimeError"
            assert text.startswith(
                "Either your tensor may have escaped from inside a function being vmapped and this is a user error"
            ), name


USES: dict[str, Callable[[Any, Any], Any]] = {
    "mul": lambda m, t: t * 2,
    "add": lambda m, t: t + m.ones(4),
    "add to": lambda m, t: m.ones(4) + t,
    "sum": lambda m, t: t.sum(),
    "sin": lambda m, t: t.sin(),
    "erf": lambda m, t: t.erf(),
    "add_": lambda m, t: t.add_(1),
    "neg": lambda m, t: -t,
    "index": lambda m, t: t[0],
    "matmul": lambda m, t: t @ m.ones(4).double(),
    "zero_": lambda m, t: t.zero_(),
    "reshape": lambda m, t: t.reshape(2, 2),
    "copy_": lambda m, t: t.copy_(m.ones(4)),
    "clone": lambda m, t: t.clone(),
    "exp": lambda m, t: m.exp(t),
}


def test_escaped_into_another() -> None:
    kept: list[Any] = []
    tapegrad.vmap(lambda t: (kept.append(t), t)[1])(tapegrad.ones(3, 4))
    with pytest.raises(RuntimeError, match="escaped from inside"):
        tapegrad.vmap(lambda t: t + kept[0])(tapegrad.ones(3, 4))


# ---- transforms of transforms

rng = np.random.default_rng(0)


def draws(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def mlp(m: Any, p: Any, x: Any) -> Any:
    return m.nn.functional.linear(m.tanh(m.nn.functional.linear(x, p["w"], p["b"])), p["v"]).pow(2).sum(-1)


def cnn(m: Any, p: Any, x: Any) -> Any:
    F = m.nn.functional
    return F.linear(F.max_pool2d(F.relu(F.conv2d(x, p["k"], p["b"], padding=1)), 2).flatten(), p["h"]).logsumexp(-1)


def attention(m: Any, p: Any, x: Any) -> Any:
    query, key, value = (x @ p[name] for name in "qkv")
    return (m.nn.functional.softmax(query @ key.transpose(-1, -2) / 2.0, -1) @ value).sin().sum()


def rnn(m: Any, p: Any, x: Any) -> Any:
    h = m.zeros(3, dtype=m.float64)
    for t in range(x.shape[0]):
        h = m.tanh(x[t] @ p["u"] + h @ p["w"])
    return (h * h).sum()


def norms(m: Any, p: Any, x: Any) -> Any:
    F = m.nn.functional
    return F.gelu(F.layer_norm(F.group_norm(x, 2, p["g"], p["b"]).pow(3), (3,))).sum()


def words(m: Any, p: Any, x: Any) -> Any:
    F = m.nn.functional
    return F.cross_entropy(F.embedding(m.tensor([1, 0, 2]), p["e"]) * x, m.tensor([0, 1, 1]))


PROGRAMS: dict[str, tuple[Callable[..., Any], dict[str, np.ndarray], np.ndarray]] = {
    "mlp": (mlp, {"w": draws(4, 3), "b": draws(4), "v": draws(2, 4)}, draws(5, 3)),
    "cnn": (cnn, {"k": draws(2, 1, 3, 3), "b": draws(2), "h": draws(3, 8)}, draws(4, 1, 4, 4)),
    "attention": (attention, {name: draws(3, 2) for name in "qkv"}, draws(4, 3, 3)),
    "rnn": (rnn, {"u": draws(2, 3), "w": draws(3, 3)}, draws(4, 3, 2)),
    "norms": (norms, {"g": draws(4), "b": draws(4)}, draws(3, 2, 4, 3)),
    "words": (words, {"e": draws(4, 2)}, draws(4, 3, 2)),
}

NESTED: dict[str, Callable[..., Any]] = {
    "vmap of an ensemble": lambda T, f, p, x, dp, dx, many: T.vmap(T.vmap(f, in_dims=(None, 0)), in_dims=(0, None))(
        many, x
    ),
    "vmap(grad)": lambda T, f, p, x, dp, dx, many: T.vmap(T.grad(f), in_dims=(None, 0))(p, x),
    "vmap(vmap(grad))": lambda T, f, p, x, dp, dx, many: T.vmap(
        T.vmap(T.grad(f), in_dims=(None, 0)), in_dims=(0, None)
    )(many, x),
    "grad(vmap)": lambda T, f, p, x, dp, dx, many: T.grad(lambda p: T.vmap(f, in_dims=(None, 0))(p, x).sum())(p),
    "grad(vmap(grad))": lambda T, f, p, x, dp, dx, many: T.grad(
        lambda p: (T.vmap(T.grad(f, argnums=1), in_dims=(None, 0))(p, x) ** 2).sum()
    )(p),
    "vmap(jvp)": lambda T, f, p, x, dp, dx, many: T.vmap(lambda x, d: T.jvp(lambda x: f(p, x), (x,), (d,))[1])(x, dx),
    "vmap(jvp) by what is shared": lambda T, f, p, x, dp, dx, many: T.vmap(
        lambda x: T.jvp(lambda p: f(p, x), (p,), (dp,))[1]
    )(x),
    "jvp(vmap)": lambda T, f, p, x, dp, dx, many: T.jvp(lambda x: T.vmap(f, in_dims=(None, 0))(p, x), (x,), (dx,)),
    "jvp(vmap(grad))": lambda T, f, p, x, dp, dx, many: T.jvp(
        lambda p: T.vmap(T.grad(f), in_dims=(None, 0))(p, x), (p,), (dp,)
    )[1],
    "vmap(vjp)": lambda T, f, p, x, dp, dx, many: T.vmap(lambda x: T.vjp(lambda p: f(p, x), p)[1](f(p, x))[0])(x),
    "vmap(jacrev)": lambda T, f, p, x, dp, dx, many: T.vmap(T.jacrev(f, argnums=1), in_dims=(None, 0))(p, x),
    "vmap(jacfwd)": lambda T, f, p, x, dp, dx, many: T.vmap(T.jacfwd(f, argnums=1), in_dims=(None, 0))(p, x),
    "vmap(hessian)": lambda T, f, p, x, dp, dx, many: T.vmap(T.hessian(f, argnums=1), in_dims=(None, 0))(p, x),
    "jacfwd(vmap)": lambda T, f, p, x, dp, dx, many: T.jacfwd(lambda x: T.vmap(f, in_dims=(None, 0))(p, x))(x),
    "jacrev(vmap)": lambda T, f, p, x, dp, dx, many: T.jacrev(lambda p: T.vmap(f, in_dims=(None, 0))(p, x))(p),
    "vmap(jvp(grad))": lambda T, f, p, x, dp, dx, many: T.vmap(
        lambda x, d: T.jvp(T.grad(lambda x: f(p, x)), (x,), (d,))[1]
    )(x, dx),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_transforms_of_transforms(name: str) -> None:
    function, parameters, inputs = PROGRAMS[name]
    random = np.random.default_rng(1)
    directions = {key: random.standard_normal(value.shape) for key, value in parameters.items()}
    dx = random.standard_normal(inputs.shape)
    found: dict[str, list[list[np.ndarray]]] = {how: [] for how in NESTED}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is slow here and there, and says so
        for m in LIBRARIES:
            p, dp, many = [
                {key: m.tensor(np.stack([value, value * 0.9]) if twice else value) for key, value in tree.items()}
                for tree, twice in ((parameters, False), (directions, False), (parameters, True))
            ]
            for how, transformed in NESTED.items():
                result = transformed(
                    m.func, lambda p, x, m=m: function(m, p, x), p, m.tensor(inputs), dp, m.tensor(dx), many
                )
                found[how].append([leaf.detach().numpy() for leaf in flat(result)])
    for how, (theirs, ours) in found.items():
        assert len(theirs) == len(ours)
        for a, b in zip(theirs, ours):
            np.testing.assert_allclose(
                b, a, rtol=1e-10, atol=1e-10 * max(1.0, float(np.abs(a).max(initial=0))), err_msg=how
            )
