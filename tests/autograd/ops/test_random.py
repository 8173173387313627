"""Random tensors: reproducible, the same on every device, of the right distribution, without gradient."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tapegrad as tg

DRAWS = {
    "rand": lambda **k: tg.rand(1000, **k),
    "rand64": lambda **k: tg.rand(999, dtype=tg.float64, **k),
    "rand16": lambda **k: tg.rand(999, dtype=tg.float16, **k),
    "randn": lambda **k: tg.randn(31, 17, **k),
    "randint": lambda **k: tg.randint(-3, 12, (500,), **k),
    "randperm": lambda **k: tg.randperm(300, **k),
    "normal": lambda **k: tg.normal(2.0, 3.0, (200,), **k),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_gives_the_same_numbers_on_every_device(name, device):
    tg.manual_seed(7)
    here = DRAWS[name](device=device)
    again = DRAWS[name](device=device)
    tg.manual_seed(7)
    on_cpu = DRAWS[name](device="cpu")
    if name in ("randn", "normal"):
        np.testing.assert_allclose(here.cpu().numpy(), on_cpu.numpy(), rtol=1e-5, atol=1e-6)
    else:
        assert (here.cpu().numpy() == on_cpu.numpy()).all()
    assert (here.cpu().numpy() != again.cpu().numpy()).any()
    assert here.device.type == device


def test_distributions(device):
    tg.manual_seed(1)
    n = 100_000
    u = tg.rand(n, device=device, dtype=tg.float64).cpu().numpy()
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.002
    z = tg.randn(n, device=device).cpu().numpy()
    assert abs(z.mean()) < 0.015
    assert abs(z.std() - 1) < 0.01
    assert abs((z**4).mean() - 3) < 0.15
    empty = tg.zeros(n, device=device)
    for draw, mean, tolerance in (
        (lambda t: t.uniform_(-1, 3), 1, 0.02),
        (lambda t: t.normal_(5, 2), 5, 0.03),
        (lambda t: t.exponential_(4), 0.25, 0.005),
        (lambda t: t.bernoulli_(0.3), 0.3, 0.01),
        (lambda t: t.geometric_(0.25), 4, 0.06),
        (lambda t: t.random_(2, 7), 4, 0.03),
        (lambda t: t.log_normal_(0, 0.5), np.exp(0.125), 0.015),
    ):
        assert abs(draw(empty).cpu().numpy().mean() - mean) < tolerance
    assert abs(np.median(empty.cauchy_(3).cpu().numpy()) - 3) < 0.05


def test_randperm_is_a_permutation(device):
    for n in (0, 1, 2, 1000):
        assert sorted(tg.randperm(n, device=device).tolist()) == list(range(n))


def test_complex_normal_has_unit_variance(device):
    z = tg.randn(50_000, dtype=tg.complex64, device=device).cpu().numpy()
    assert abs((np.abs(z) ** 2).mean() - 1) < 0.02


def test_multinomial(device):
    tg.manual_seed(3)
    weights = tg.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]], device=device)
    drawn = tg.multinomial(weights, 20_000, replacement=True).cpu().numpy()
    assert abs((drawn[0] == 2).mean() - 0.75) < 0.01
    assert not (drawn[0] == 1).any()
    assert (drawn[1] == 1).all()
    without = tg.multinomial(tg.tensor([5.0, 1.0, 1.0, 1.0], device=device), 4).tolist()
    assert sorted(without) == [0, 1, 2, 3]


def test_multinomial_errors():
    with pytest.raises(RuntimeError, match="without replacement"):
        tg.multinomial(tg.ones(2), 3)
    with pytest.raises(RuntimeError, match="element < 0"):
        tg.multinomial(tg.tensor([1.0, -1.0]), 1)
    with pytest.raises(RuntimeError, match="sum of probabilities <= 0"):
        tg.multinomial(tg.zeros(2), 1)
    with pytest.raises(RuntimeError, match="1 or 2 dim"):
        tg.multinomial(tg.ones(2, 2, 2), 1)


def test_bernoulli(device):
    tg.manual_seed(0)
    p = tg.tensor([0.0, 0.2, 1.0], device=device).expand(20_000, 3)
    means = tg.bernoulli(p).mean(0).tolist()
    assert means[0] == 0 and means[2] == 1 and abs(means[1] - 0.2) < 0.01
    with pytest.raises(RuntimeError, match="p to be in"):
        tg.zeros(2).bernoulli_(1.5)


def test_state_can_be_saved_and_restored():
    state = tg.get_rng_state()
    a = tg.rand(5)
    tg.set_rng_state(state)
    assert (tg.rand(5) == a).all()
    with tg.random.fork_rng():
        b = tg.rand(5)
    assert (tg.rand(5) == b).all()
    with pytest.raises(RuntimeError, match="wrong size"):
        tg.set_rng_state(tg.zeros(3, dtype=tg.uint8))
    with pytest.raises(TypeError, match="ByteTensor"):
        tg.set_rng_state(tg.zeros(16))


def test_generator():
    g = tg.Generator().manual_seed(5)
    assert g.initial_seed() == 5
    a = tg.randn(4, generator=g)
    copies = [copy.deepcopy(g), pickle.loads(pickle.dumps(g)), tg.Generator()]
    copies[2].set_state(g.get_state())
    b = tg.randn(4, generator=g)
    for other in copies:
        assert (tg.randn(4, generator=other) == b).all()
    assert (tg.randn(4, generator=g.manual_seed(5)) == a).all()
    assert g.seed() != 5


def test_a_draw_into_a_tensor_cuts_its_history(device):
    x = tg.ones(3, device=device, requires_grad=True)
    y = x * 2
    y[1:].normal_()
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.uniform_()
    with tg.no_grad():
        x.uniform_()
    assert x.requires_grad


def test_errors():
    with pytest.raises(RuntimeError, match="from=3 >= to=3"):
        tg.randint(3, 3, (2,))
    with pytest.raises(RuntimeError, match="negative dimension"):
        tg.rand(-1)
    with pytest.raises(RuntimeError, match="std >= 0"):
        tg.normal(0.0, -1.0, (2,))
    with pytest.raises(RuntimeError, match=r"\[from, to\) range"):
        tg.zeros(2).uniform_(2, 1)
    with pytest.raises(RuntimeError, match="floating point and complex"):
        tg.randint(3, (2,), requires_grad=True)
    with pytest.raises(NotImplementedError, match="'Long'"):
        tg.zeros(2, dtype=tg.int64).normal_()


def test_requires_grad_and_out():
    assert tg.rand(2, requires_grad=True).requires_grad
    out = tg.empty(3)
    assert tg.rand(3, out=out) is out


def test_dropout_drops_and_scales(device):
    from tapegrad.autograd.ops.random.sampling import dropout

    tg.manual_seed(0)
    x = tg.ones(100_000, device=device, requires_grad=True)
    y = dropout(x, 0.25)
    values = y.detach().cpu().numpy()
    assert abs((values == 0).mean() - 0.25) < 0.01
    np.testing.assert_allclose(values[values != 0], 1 / 0.75, rtol=1e-6)
    y.sum().backward()
    assert (x.grad.cpu().numpy() == values).all()
    assert dropout(x, 1.0).sum().item() == 0
