"""Whole training steps: forward, loss, backward, optimizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tapegrad.benchmarks.workload import WORKLOADS, Setting
from tapegrad.benchmarks.workloads.models import small_cnn, small_mlp

Step = Callable[[], list[Any]]
# PyTorch has the same optimizers in faster forms that one must ask for.
FORMS: dict[str, dict[str, Any]] = {"foreach": {"foreach": True}, "fused": {"fused": True}}


def training_step(s: Setting, model: Any, optimizer: Any, inputs: Any, labels: Any) -> Step:
    """A step: train the model on one batch, and return the loss."""
    cross_entropy = s.lib.nn.functional.cross_entropy

    def step() -> list[Any]:
        optimizer.zero_grad()
        loss = cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return [loss]

    return step


def labels(s: Setting, batch: int) -> Any:
    """Class numbers below ten."""
    return s.tensor(s.rng.integers(0, 10, batch))


def mlp(optimizer: str, batch: int, s: Setting, **form: Any) -> Step:
    """The MLP's step."""
    model = small_mlp(s)
    options = {"lr": 0.01} if optimizer == "SGD" else {}
    return training_step(
        s,
        model,
        getattr(s.lib.optim, optimizer)(model.parameters(), **options, **form),
        s.randn(batch, 784),
        labels(s, batch),
    )


for _optimizer in ("SGD", "Adam"):
    for _batch in (1, 32):
        WORKLOADS.timed(
            f"train.mlp.{_optimizer.lower()}.b{_batch}",
            f"training step of an MLP 784-128-10, {_optimizer}, batch {_batch}",
            limit=0.9,
            variants=FORMS,
        )(partial(mlp, _optimizer, _batch))


@WORKLOADS.timed(
    "train.cnn.sgd.b32", "training step of a small CNN (two 3x3 convolutions with pooling) on 32 images of 28x28, SGD"
)
def cnn_sgd(s: Setting) -> Step:
    model = small_cnn(s)
    return training_step(s, model, s.lib.optim.SGD(model.parameters(), lr=0.01), s.randn(32, 1, 28, 28), labels(s, 32))
