"""Whole models learn, on every device, without transfers nobody asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad import nn
from tapegrad.backends.strict.backend import refusing


class Attention(nn.Module):
    """Tokens that look at each other, then one answer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.mix = nn.Linear(8, 24)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 10)

    def forward(self, tokens: Any) -> Any:
        x = self.table(tokens)
        q, k, v = self.mix(self.norm(x)).chunk(3, -1)
        return self.out((x + nn.functional.scaled_dot_product_attention(q, k, v)).mean(1))


def images() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1, groups=2),
        nn.GroupNorm(2, 8),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(32, 10),
    )


MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 10)), (40, 8)),
    "images": (images, (40, 1, 8, 8)),
    "attention": (Attention, (40, 6)),
}


@pytest.mark.parametrize("name", MODELS)
def test_model_learns(name: str, device: str) -> None:
    """Forty random samples are learnt by heart; after the first step the strict device copies nothing and waits for
    nothing.
    """
    make, shape = MODELS[name]
    random = np.random.default_rng(0)
    data = random.integers(0, 10, shape) if name == "attention" else random.standard_normal(shape).astype(np.float32)
    x, t = tapegrad.tensor(data, device=device), tapegrad.tensor(np.arange(40) % 10, device=device)
    model = make().to(device)
    optimizer = tapegrad.optim.Adam(model.parameters(), lr=2e-2)
    criterion = nn.CrossEntropyLoss()

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), t)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    first = step().item()
    with refusing():
        for _ in range(60):
            last = step()
    assert last.item() < 0.2 * first
    model.eval()
    with tapegrad.no_grad():
        assert (model(x).argmax(1) == t).float().mean().item() > 0.8


def test_second_order_through_a_model(device: str) -> None:
    """The gradient of a gradient's norm, as a penalty needs it, against differences."""
    model = (
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softplus(), nn.Flatten(), nn.LayerNorm(18), nn.Linear(18, 3))
        .double()
        .to(device)
    )
    x = tapegrad.tensor(np.random.default_rng(0).standard_normal((2, 1, 5, 5)), device=device)
    t = tapegrad.tensor([0, 2], device=device)

    def penalty() -> Any:
        given = x.clone().requires_grad_()
        (d,) = tapegrad.autograd.grad(nn.functional.cross_entropy(model(given), t), given, create_graph=True)
        return d.square().sum()

    penalty().backward()
    for p in model.parameters():
        direction = tapegrad.tensor(np.random.default_rng(1).standard_normal(tuple(p.shape)), device=device)
        slope = 0.0 if p.grad is None else (p.grad * direction).sum().item()
        values = []
        for h in (1e-5, -1e-5):
            with tapegrad.no_grad():
                p.add_(direction * h)
            values.append(penalty().item())
            with tapegrad.no_grad():
                p.sub_(direction * h)
        assert slope == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-9)
