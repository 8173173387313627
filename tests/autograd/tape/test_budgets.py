"""What long graphs, inference and training may cost: memory, traffic with the host. Times are `tapegrad-bench`'s to
tell.
"""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

import tapegrad
from tapegrad import nn, optim
from tapegrad.backends import Device, backend_for
from tapegrad.testing import counting, refusing


@pytest.mark.slow
def test_a_long_chain_leaves_no_memory_behind():
    x = tapegrad.ones(1, requires_grad=True)

    def run(length):
        y = x
        for _ in range(length):
            y = y * 1.0
        y.backward()
        return tracemalloc.get_traced_memory()[0]

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        run(10_000)  # Python keeps some thousand freed tuples for itself
        before = tracemalloc.get_traced_memory()[0]
        with_graph = run(300_000)
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert with_graph - before > 20_000_000
    assert left - before < 64 * 1024


def test_no_grad_keeps_no_intermediates_in_the_pool(device):
    if device == "cpu":
        return  # the CPU's allocator is watched in test_grad_mode.py
    backend = backend_for(Device(device))
    layers = nn.Sequential(*[layer for _ in range(10) for layer in (nn.Linear(256, 256), nn.ReLU())]).to(device)
    x = tapegrad.ones(512, 256, device=device)

    def peak():
        layers(x)
        gc.collect()
        backend.reset_peak_memory_stats()
        before = backend.memory_allocated()
        result = layers(x)
        assert result.shape == (512, 256)
        return backend.max_memory_allocated() - before

    recording = peak()
    with tapegrad.no_grad():
        plain = peak()
    assert recording >= 10 * x.nbytes
    assert x.nbytes <= plain <= 3 * x.nbytes
    assert plain <= 0.4 * recording


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
        lambda p: optim.Adam(p, lr=0.01),
        lambda p: optim.AdamW(p, lr=0.01),
    ],
    ids=["SGD", "SGD with momentum", "Adam", "AdamW"],
)
def test_twenty_training_steps_leave_the_host_alone(make):
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(6, 16),
        nn.LayerNorm(16),
        nn.ReLU(),
        nn.Linear(16, 16),
        nn.BatchNorm1d(16),
        nn.Tanh(),
        nn.Dropout(0.1),
        nn.Linear(16, 3),
    )
    model.to("strict")
    inputs = tapegrad.tensor(rng.standard_normal((32, 6)), dtype=tapegrad.float32, device="strict")
    targets = tapegrad.tensor(rng.integers(0, 3, 32), device="strict")
    optimizer = make(model.parameters())
    losses = []
    with refusing(), counting() as crossed:
        for _ in range(20):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            losses.append(loss.detach())
    assert not crossed and not crossed.asked
    assert losses[-1].item() < losses[0].item()
