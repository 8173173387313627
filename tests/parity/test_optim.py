"""Optimizers against PyTorch's: twenty steps with every option, texts, and state dicts carried over."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (300, 300), (), (0,), (7,)]
SGDS = [
    {"lr": 0.1, "momentum": m, "dampening": d, "weight_decay": w, "nesterov": n, "maximize": x}
    for m, d, w, n, x in itertools.product((0, 0.9), (0, 0.3), (0, 0.01), (False, True), (False, True))
    if not (n and (d or not m))
]
ADAMS = [
    {"lr": 0.01, "weight_decay": w, "amsgrad": a, "maximize": x, "eps": e, "betas": b}
    for w, a, x, e, b in itertools.product(
        (0, 0.1), (False, True), (False, True), (1e-8, 1e-3), ((0.9, 0.999), (0.5, 0.9))
    )
]
CASES = [("SGD", SGDS), ("Adam", ADAMS), ("AdamW", ADAMS)]


def make(lib, name, arrays, dtype, options):
    params = [lib.tensor(a, dtype=getattr(lib, dtype), requires_grad=True) for a in arrays]
    return params, getattr(lib.optim, name)(params, **options)


def train(lib, params, optimizer, grads):
    for row in grads:
        for p, g in zip(params, row):
            p.grad = lib.tensor(g, dtype=p.dtype)
        optimizer.step()


@pytest.fixture
def data(rng):
    return [rng.standard_normal(s) for s in SHAPES], [[rng.standard_normal(s) for s in SHAPES] for _ in range(20)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, cases", CASES, ids=[name for name, _ in CASES])
def test_twenty_steps(name, cases, dtype, data):
    arrays, grads = data
    tolerance = {"rtol": 1e-12, "atol": 1e-14} if dtype == "float64" else {"rtol": 2e-5, "atol": 2e-6}
    for options in cases:
        results = []
        for lib in (tapegrad, torch):
            params, optimizer = make(lib, name, arrays, dtype, options)
            train(lib, params, optimizer, grads)
            results.append((params, optimizer))
        (ours, optimizer), (theirs, reference) = results
        assert repr(optimizer) == repr(reference)
        for i, (p, q) in enumerate(zip(ours, theirs)):
            np.testing.assert_allclose(
                p.detach().numpy(), q.detach().numpy(), **tolerance, err_msg=f"{options} parameter {i}"
            )
            state, expected = optimizer.state[p], reference.state[q]
            assert state.keys() == expected.keys()
            for key, value in expected.items():
                np.testing.assert_allclose(
                    state[key].numpy(), value.numpy(), **tolerance, err_msg=f"{options} {key} {i}"
                )
                assert str(state[key].dtype) == str(value.dtype)


@pytest.mark.parametrize("name, options", [("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {"amsgrad": True})])
def test_complex_parameters(name, options, rng):
    arrays, grads = (
        [rng.standard_normal((3, 2)) @ [1, 1j]],
        [[rng.standard_normal((3, 2)) @ [1, 1j]] for _ in range(20)],
    )
    results = []
    for lib in (tapegrad, torch):
        params, optimizer = make(lib, name, arrays, "complex128", {"lr": 0.01, **options})
        train(lib, params, optimizer, grads)
        results.append(params[0].detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-12)


@pytest.mark.parametrize(
    "name, options", [("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("AdamW", {"lr": 0.01})]
)
def test_state_dicts_are_the_same(name, options, data):
    """A state dict of torch's, its tensors as arrays, goes on here, and the other way round."""
    arrays, grads = data

    def swapped(value, lib):
        if isinstance(value, (torch.Tensor, tapegrad.Tensor)):
            return value.numpy().copy() if lib is tapegrad else torch.tensor(value.numpy())
        if isinstance(value, dict):
            return {k: swapped(v, lib) for k, v in value.items()}
        return value

    for source, target in ((torch, tapegrad), (tapegrad, torch)):
        params, optimizer = make(source, name, arrays, "float64", options)
        train(source, params, optimizer, grads[:8])
        again, loaded = make(target, name, [p.detach().numpy() for p in params], "float64", options)
        saved = optimizer.state_dict()
        assert saved["param_groups"] == loaded.state_dict()["param_groups"]
        loaded.load_state_dict({"state": swapped(saved["state"], target), "param_groups": saved["param_groups"]})
        train(source, params, optimizer, grads[8:])
        train(target, again, loaded, grads[8:])
        for p, q in zip(params, again):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_default_dtype_decides_that_of_the_count():
    for lib in (tapegrad, torch):
        p = lib.ones(2, requires_grad=True)
        p.grad = lib.ones(2)
        optimizer = lib.optim.Adam([p])
        lib.set_default_dtype(lib.float64)
        try:
            optimizer.step()
        finally:
            lib.set_default_dtype(lib.float32)
        assert str(optimizer.state[p]["step"].dtype) == "torch.float64"


MISUSES = {
    "a tensor": lambda lib, a, b: lib.optim.SGD(a),
    "nothing": lambda lib, a, b: lib.optim.SGD([]),
    "non-leaf": lambda lib, a, b: lib.optim.SGD([a * 2]),
    "number": lambda lib, a, b: lib.optim.SGD([a, 1.0]),
    "None": lambda lib, a, b: lib.optim.SGD([None]),
    "twice": lambda lib, a, b: lib.optim.SGD([{"params": a}, {"params": [b, a]}]),
    "duplicate": lambda lib, a, b: lib.optim.SGD([a, a]),
    "set": lambda lib, a, b: lib.optim.SGD([{"params": {a}}]),
    "list group": lambda lib, a, b: lib.optim.SGD([a]).add_param_group([b]),
    "some names": lambda lib, a, b: lib.optim.SGD([("a", a), b]),
    "unnamed group": lambda lib, a, b: lib.optim.SGD([("a", a)]).add_param_group({"params": b}),
    "named group": lambda lib, a, b: lib.optim.SGD([a]).add_param_group({"params": [("b", b)]}),
    "lr": lambda lib, a, b: lib.optim.SGD([a], lr=-0.5),
    "lr tensor": lambda lib, a, b: lib.optim.Adam([a], lr=lib.ones(2)),
    "negative lr tensor": lambda lib, a, b: lib.optim.Adam([a], lr=lib.tensor(-1.0)),
    "foreach lr tensor": lambda lib, a, b: lib.optim.Adam([a], lr=lib.tensor(1.0), foreach=True),
    "adam lr": lambda lib, a, b: lib.optim.AdamW([a], lr=-0.5),
    "momentum": lambda lib, a, b: lib.optim.SGD([a], momentum=-1),
    "decay": lambda lib, a, b: lib.optim.SGD([a], weight_decay=-1),
    "adam decay": lambda lib, a, b: lib.optim.Adam([a], weight_decay=-1),
    "nesterov": lambda lib, a, b: lib.optim.SGD([a], nesterov=True),
    "eps": lambda lib, a, b: lib.optim.Adam([a], eps=-1),
    "beta": lambda lib, a, b: lib.optim.Adam([a], betas=(1.0, 0.9)),
    "second beta": lambda lib, a, b: lib.optim.Adam([a], betas=(0.9, -0.1)),
    "mixed betas": lambda lib, a, b: lib.optim.Adam([a], betas=(0.9, lib.tensor(0.9))),
    "fused": lambda lib, a, b: lib.optim.SGD([a], fused=True, foreach=True),
    "groups": lambda lib, a, b: lib.optim.SGD([a]).load_state_dict(
        lib.optim.SGD([{"params": a}, {"params": b}]).state_dict()
    ),
    "group size": lambda lib, a, b: lib.optim.SGD([a]).load_state_dict(lib.optim.SGD([a, b]).state_dict()),
    "base step": lambda lib, a, b: lib.optim.Optimizer([a], {}).step(),
}


@pytest.mark.parametrize("name", MISUSES)
def test_misuse_is_answered_as_torch_answers(name):
    answers = []
    for lib in (tapegrad, torch):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                MISUSES[name](lib, lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True))
                error = None
            except Exception as caught:
                error = type(caught), str(caught)
        answers.append((error, [(w.category, str(w.message)) for w in warned]))
    assert answers[0] == answers[1]
    assert answers[0] != (None, [])
