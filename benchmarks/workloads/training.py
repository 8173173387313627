"""Whole training steps: forward, loss, backward, optimizer."""
from __future__ import annotations

from collections.abc import Callable
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


def mlp_sgd(s: Setting, batch: int, **form: Any) -> Step:
    """The MLP's step with SGD."""
    model = small_mlp(s)
    return training_step(s, model, s.lib.optim.SGD(model.parameters(), lr=0.01, **form), s.randn(batch, 784), labels(s, batch))


def mlp_adam(s: Setting, batch: int, **form: Any) -> Step:
    """The MLP's step with Adam."""
    model = small_mlp(s)
    return training_step(s, model, s.lib.optim.Adam(model.parameters(), **form), s.randn(batch, 784), labels(s, batch))


@WORKLOADS.timed("train.mlp.sgd.b1", limit=0.9, variants=FORMS)
def mlp_sgd_1(s: Setting, **form: Any) -> Step:
    """training step of an MLP 784-128-10, SGD, batch 1"""
    return mlp_sgd(s, 1, **form)


@WORKLOADS.timed("train.mlp.sgd.b32", limit=0.9, variants=FORMS)
def mlp_sgd_32(s: Setting, **form: Any) -> Step:
    """training step of an MLP 784-128-10, SGD, batch 32"""
    return mlp_sgd(s, 32, **form)


@WORKLOADS.timed("train.mlp.adam.b1", limit=0.9, variants=FORMS)
def mlp_adam_1(s: Setting, **form: Any) -> Step:
    """training step of an MLP 784-128-10, Adam, batch 1"""
    return mlp_adam(s, 1, **form)


@WORKLOADS.timed("train.mlp.adam.b32", limit=0.9, variants=FORMS)
def mlp_adam_32(s: Setting, **form: Any) -> Step:
    """training step of an MLP 784-128-10, Adam, batch 32"""
    return mlp_adam(s, 32, **form)


@WORKLOADS.timed("train.cnn.sgd.b32")
def cnn_sgd(s: Setting) -> Step:
    """training step of a small CNN (two 3x3 convolutions with pooling) on 32 images of 28x28, SGD"""
    model = small_cnn(s)
    return training_step(s, model, s.lib.optim.SGD(model.parameters(), lr=0.01), s.randn(32, 1, 28, 28), labels(s, 32))
