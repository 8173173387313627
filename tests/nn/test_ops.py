"""Functional forms where the op table does not reach: state that is written in place, random numbers, edges, orders
beyond the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad import nn
from tapegrad.autograd.ops.nn import conv as conv_module
from tapegrad.backends.strict.backend import refusing
from tapegrad.nn import functional as F


def host(t: Any) -> np.ndarray:
    return np.asarray(t.detach().cpu().numpy())


def leaf(device: str, *shape: int, seed: int = 0) -> Any:
    return tapegrad.tensor(np.random.default_rng(seed).uniform(-1, 1, shape), device=device, requires_grad=True)


# ---- any order: a fused op against the same formula in plain ops


def standard(x: Any, dims: Any, eps: float = 1e-5) -> Any:
    x = x - x.mean(dims, keepdim=True)
    return x * ((x * x).mean(dims, keepdim=True) + eps).rsqrt()


def plain_cross_entropy(x: Any, t: Any) -> Any:
    z = x - x.detach().amax(1, keepdim=True)
    return (z.exp().sum(1).log() - (z * F.one_hot(t, x.shape[1]).to(x.dtype)).sum(1)).mean()


FUSED: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "linear": (F.linear, lambda x, w, b: (x[..., None, :] * w).sum(-1) + b, ((2, 3, 4), (5, 4), (5,))),
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x, (4,), w, b),
        lambda x, w, b: standard(x, -1) * w + b,
        ((3, 4), (4,), (4,)),
    ),
    "layer_norm-bias": (lambda x, b: F.layer_norm(x, (4,), None, b), lambda x, b: standard(x, -1) + b, ((3, 4), (4,))),
    "rms_norm": (
        lambda x, w: F.rms_norm(x, (4,), w, 1e-5),
        lambda x, w: x * ((x * x).mean(-1, keepdim=True) + 1e-5).rsqrt() * w,
        ((3, 4), (4,)),
    ),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: standard(x, (0, 2)) * w[:, None] + b[:, None],
        ((3, 2, 4), (2,), (2,)),
    ),
    "batch_norm-eval": (
        lambda x, b: F.batch_norm(x, b.detach(), b.detach() ** 2 + 1, None, b),
        lambda x, b: (x - b.detach()) * (b.detach() ** 2 + 1 + 1e-5).rsqrt() + b,
        ((3, 4), (4,)),
    ),
    "group_norm": (
        lambda x, b: F.group_norm(x, 2, None, b),
        lambda x, b: standard(x.reshape(3, 2, 4), -1).reshape(3, 4, 2) + b[:, None],
        ((3, 4, 2), (4,)),
    ),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, tapegrad.tensor([1, 0, 3], device=x.device)),
        lambda x: plain_cross_entropy(x, tapegrad.tensor([1, 0, 3], device=x.device)),
        ((3, 4),),
    ),
    "mse_loss": (F.mse_loss, lambda x, y: ((x - y) ** 2).mean(), ((3, 4), (3, 4))),
    "bce-logits": (
        F.binary_cross_entropy_with_logits,
        lambda x, y: ((1 - y) * x + (1 + (-x).exp()).log()).mean(),
        ((3, 4), (3, 4)),
    ),
    "conv2d": (
        lambda x, w, b: F.conv2d(x, w, b),
        lambda x, w, b: by_windows(x, w) + b[:, None, None],
        ((2, 2, 4, 3), (3, 2, 2, 2), (3,)),
    ),
    "max_pool2d": (
        lambda x: F.max_pool2d(x**3, 2) ** 2,
        lambda x: (x**3).reshape(2, 2, 2, 2, 2).amax((2, 4)) ** 2,
        ((2, 4, 4),),
    ),
    "avg_pool2d": (
        lambda x: F.avg_pool2d(x**3, 2) ** 2,
        lambda x: (x**3).reshape(2, 2, 2, 2, 2).mean((2, 4)) ** 2,
        ((2, 4, 4),),
    ),
    "embedding": (
        lambda w: F.embedding(tapegrad.tensor([1, 0, 1], device=w.device), w) ** 3,
        lambda w: tapegrad.stack([w[1], w[0], w[1]]) ** 3,
        ((3, 2),),
    ),
}


def by_windows(x: Any, w: Any) -> Any:
    parts = [
        x[:, :, i : i + 3, j : j + 2][:, None] * w[:, :, i, j][None, :, :, None, None]
        for i in range(2)
        for j in range(2)
    ]
    return sum(parts[1:], parts[0]).sum(2)


@pytest.mark.parametrize("name", FUSED)
def test_three_orders(name: str, device: str) -> None:
    fused, plain, shapes = FUSED[name]
    outcomes = []
    for function in (fused, plain):
        x = [leaf(device, *shape, seed=i) for i, shape in enumerate(shapes)]
        value = (function(*x) ** 2).sum()
        found = [host(value)]
        for _ in range(3):
            grads = tapegrad.autograd.grad(value, x, create_graph=True, allow_unused=True, materialize_grads=True)
            found += map(host, grads)
            value = sum(((g * g).sum() for g in grads), tapegrad.zeros((), dtype=tapegrad.float64, device=device))
        outcomes.append(found)
    for mine, right in zip(*outcomes):
        np.testing.assert_allclose(mine, right, rtol=1e-7, atol=1e-9)


# ---- large inputs, which NumPy takes in blocks, against small ones


@pytest.mark.parametrize(
    "make",
    [
        lambda x: F.layer_norm(x, (3000,), x[0].detach(), x[1].detach()),
        lambda x: F.rms_norm(x, (3000,), x[0].detach(), 1e-5),
        lambda x: F.group_norm(x.reshape(90, 30, 100), 5, x[0, :30].detach(), x[1, :30].detach()),
        lambda x: F.instance_norm(x.reshape(90, 30, 100), weight=x[0, :30].detach(), bias=x[1, :30].detach()),
        lambda x: F.batch_norm(x.reshape(90, 30, 100), None, None, x[0, :30].detach(), x[1, :30].detach(), True),
    ],
)
def test_blocks(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tapegrad.autograd.ops.nn import norms as normalize

    results = []
    for block in (normalize.BLOCK, 1 << 30):
        monkeypatch.setattr(normalize, "BLOCK", block)
        x = leaf("cpu", 90, 3000)
        y = make(x)
        y.backward(leaf("cpu", *y.shape, seed=1).detach())
        results.append((host(y), host(x.grad)))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "weight", "how"),
    [
        ((5, 4, 6, 5), (6, 2, 3, 2), {"groups": 2, "stride": (2, 1), "padding": 1}),
        ((5, 4, 6, 5), (4, 1, 3, 3), {"groups": 4, "padding": 1}),
        ((5, 3, 6, 5), (4, 3, 3, 3), {"padding": 1}),
    ],
)
def test_convolution_in_chunks(shape: Any, weight: Any, how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few images are taken at a time, the results are the same."""
    results = []
    for block in (1, 1 << 30):
        monkeypatch.setattr(conv_module, "CPU_BLOCK", block)
        x, w = leaf("cpu", *shape), leaf("cpu", *weight, seed=1)
        y = F.conv2d(x, w, **how)
        y.square().sum().backward()
        results.append((host(y), host(x.grad), host(w.grad)))
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


# ---- running statistics


def test_running_statistics(device: str) -> None:
    x = np.random.default_rng(0).normal(3, 2, (8, 4, 5))
    layer = nn.BatchNorm1d(4, momentum=0.25).double().to(device)
    mean = layer.running_mean
    layer(tapegrad.tensor(x, device=device))
    assert layer.running_mean is mean and layer.num_batches_tracked.item() == 1
    np.testing.assert_allclose(host(mean), 0.25 * x.mean((0, 2)))
    np.testing.assert_allclose(host(layer.running_var), 0.75 + 0.25 * x.var((0, 2), ddof=1))
    layer.eval()(tapegrad.tensor(x, device=device))
    assert layer.num_batches_tracked.item() == 1


def test_cumulative_statistics(device: str) -> None:
    """Without a momentum the statistics are means of all batches; the count stays on the device."""
    x = np.random.default_rng(0).normal(3, 2, (3, 8, 4))
    layer = nn.BatchNorm1d(4, momentum=None).double().to(device)
    batches = [tapegrad.tensor(part, device=device) for part in x]
    with refusing():
        for batch in batches:
            layer(batch)
    np.testing.assert_allclose(host(layer.running_mean), x.mean(1).mean(0))
    np.testing.assert_allclose(host(layer.running_var), x.var(1, ddof=1).mean(0))


@pytest.mark.parametrize("training", [True, False])
def test_statistics_do_not_disturb_backward(training: bool) -> None:
    """The running statistics may move between forward and backward; the gradient is that of the ones forward used."""
    layer = nn.BatchNorm1d(3).train(training)
    grads = []
    for moves in (False, True):
        x = leaf("cpu", 5, 3).detach().float().requires_grad_()
        y = layer(x).square().sum()
        if moves:
            with tapegrad.no_grad():
                layer.running_mean.add_(1)
                layer.running_var.mul_(2)
        y.backward()
        grads.append(host(x.grad))
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-6)


# ---- embedding


def test_embedding_padding_and_frequency(device: str) -> None:
    w = leaf(device, 4, 2)
    t = tapegrad.tensor([1, 3, 1, 0], device=device)
    F.embedding(t, w, padding_idx=-1, scale_grad_by_freq=True).sum().backward()
    assert host(w.grad).tolist() == [[1, 1], [1, 1], [0, 0], [0, 0]]


def test_embedding_max_norm_writes_the_table(device: str) -> None:
    w = tapegrad.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]], device=device)
    y = F.embedding(tapegrad.tensor([0, 1, 0], device=device), w, max_norm=1.0)
    np.testing.assert_allclose(host(w), [[0.6, 0.8], [0.3, 0.4], [6.0, 8.0]], rtol=1e-6)
    np.testing.assert_allclose(host(y), host(w)[[0, 1, 0]])
    assert w._version == 1


def test_embedding_of_nothing(device: str) -> None:
    w = leaf(device, 4, 2)
    y = F.embedding(tapegrad.zeros(0, 3, dtype=tapegrad.int64, device=device), w)
    y.sum().backward()
    assert y.shape == (0, 3, 2) and not host(w.grad).any()


def test_embedding_padding_row_starts_as_zero() -> None:
    layer = nn.Embedding(5, 3, padding_idx=2)
    assert not host(layer.weight)[2].any() and host(layer.weight)[3].all()
    table = tapegrad.ones(3, 2)
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad and np.shares_memory(host(frozen.weight), host(table))


# ---- dropout


def test_dropout(device: str) -> None:
    x = tapegrad.ones(100, 100, device=device, requires_grad=True)
    y = F.dropout(x, 0.25)
    kept = host(y) != 0
    assert abs(kept.mean() - 0.75) < 0.02
    np.testing.assert_allclose(host(y)[kept], 1 / 0.75, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(host(x.grad), host(y))
    assert F.dropout(x, 0.5, training=False) is x


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_dropout_of_channels(dims: int, device: str) -> None:
    drop = (F.dropout1d, F.dropout2d, F.dropout3d)[dims - 1]
    y = host(drop(tapegrad.ones(20, 30, *(3,) * dims, device=device), 0.5))
    channels = y.reshape(20, 30, -1)
    assert (channels == channels[:, :, :1]).all() and 0.3 < (channels[:, :, 0] == 0).mean() < 0.7
    single = host(drop(tapegrad.ones(200, *(3,) * dims, device=device), 0.5)).reshape(200, -1)
    assert (single == single[:, :1]).all() and 0.3 < (single[:, 0] == 0).mean() < 0.7
    with pytest.warns(UserWarning, match=f"dropout{dims}d: Received a {dims + 3}-D input"):
        drop(tapegrad.ones(2, 2, *(2,) * (dims + 1), device=device))


def test_dropout_in_place(device: str) -> None:
    x = tapegrad.ones(50, device=device)
    assert F.dropout(x, 0.5, inplace=True) is x and 0 < (host(x) == 0).sum() < 50


def test_dropout_needs_no_random_numbers_when_not_used() -> None:
    before = tapegrad.get_rng_state().tolist()
    nn.Dropout(0.5).eval()(tapegrad.ones(3))
    nn.Dropout(0.0)(tapegrad.ones(3))
    assert tapegrad.get_rng_state().tolist() == before


# ---- stability


def test_large_logits(device: str) -> None:
    x = tapegrad.tensor([[1e4, -1e4, 0.0], [-1e30, 1e30, 0.0]], device=device, requires_grad=True)
    loss = F.cross_entropy(x, tapegrad.tensor([0, 1], device=device))
    loss.backward()
    assert loss.item() == 0 and np.isfinite(host(x.grad)).all()
    y = tapegrad.tensor([1e30, -1e30, 100.0], device=device, requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(y, tapegrad.tensor([1.0, 0.0, 0.0], device=device), reduction="sum")
    loss.backward()
    assert loss.item() == 100 and host(y.grad).tolist() == [0, 0, 1]


def test_half_losses_do_not_overflow(device: str) -> None:
    """A sum of squares beyond float16's largest number has a mean within it."""
    x = tapegrad.full((3000,), 10.0, dtype=tapegrad.float16, device=device)
    assert F.mse_loss(x, tapegrad.zeros_like(x)).item() == 100.0
    assert abs(F.l1_loss(x, tapegrad.zeros_like(x)).item() - 10) < 0.01
    logits, classes = (
        tapegrad.zeros(3000, 10, dtype=tapegrad.float16, device=device),
        tapegrad.zeros(3000, dtype=tapegrad.int64, device=device),
    )
    assert F.cross_entropy(logits, classes).item() == pytest.approx(np.log(10), rel=1e-3)


def test_norm_of_large_offset() -> None:
    """Values near 10000 that differ by one: the variance is of differences, not a difference of large numbers."""
    x = tapegrad.tensor(np.tile([10000.0, 10001.0], (4, 300)), dtype=tapegrad.float32)
    np.testing.assert_allclose(np.abs(host(F.layer_norm(x, (600,)))), 1, rtol=2e-2)


def test_pooling_of_minus_infinity(device: str) -> None:
    x = tapegrad.full((1, 1, 2, 2), -np.inf, device=device)
    assert host(F.max_pool2d(x, 2)).item() == -np.inf


def test_zero_size_batches(device: str) -> None:
    for layer, shape in (
        (nn.Linear(3, 2), (0, 3)),
        (nn.Conv2d(3, 2, 3), (0, 3, 5, 5)),
        (nn.LayerNorm(3), (0, 3)),
        (nn.MaxPool2d(2), (0, 3, 4, 4)),
    ):
        x = tapegrad.zeros(*shape, device=device, requires_grad=True)
        y = layer.to(device)(x)
        y.sum().backward()
        assert y.shape[0] == 0 and x.grad.shape == shape


# ---- clipping


def test_clipping_stays_on_the_device() -> None:
    w = tapegrad.ones(3, device="strict", requires_grad=True)
    (w * 4).sum().backward()
    with refusing():
        total = nn.utils.clip_grad_norm_([w], 1.0)
        nn.utils.clip_grad_value_(w, 0.5)
    assert total.item() == pytest.approx(48**0.5) and host(w.grad).tolist() == [0.5] * 3


def test_clipping_without_gradients() -> None:
    assert nn.utils.clip_grad_norm_([tapegrad.ones(2, requires_grad=True)], 1.0).item() == 0.0
    nn.utils.clip_grad_value_([], 1.0)


def test_parameters_as_a_vector(device: str) -> None:
    layer = nn.Linear(2, 3).to(device)
    parameters = list(layer.parameters())
    vector = nn.utils.parameters_to_vector(parameters)
    assert vector.shape == (9,) and vector.requires_grad
    nn.utils.vector_to_parameters(tapegrad.arange(9.0, device=device), parameters)
    assert (
        layer.weight.tolist() == [[0, 1], [2, 3], [4, 5]]
        and layer.bias.tolist() == [6, 7, 8]
        and list(layer.parameters()) == parameters
    )
    with pytest.raises(TypeError, match=r"expected torch\.Tensor, but got: builtins\.list"):
        nn.utils.vector_to_parameters([1.0], parameters)
