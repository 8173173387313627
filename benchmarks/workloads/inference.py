"""Forward passes with and without recording, and the memory that they need."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapegrad.benchmarks.workload import WORKLOADS, Metric, Setting
from tapegrad.benchmarks.workloads.models import deep_mlp, small_cnn, small_mlp

Step = Callable[[], list[Any]]


def recording(model: Any, inputs: Any) -> Step:
    """A step: the model's output, with its graph."""
    return lambda: [model(inputs)]


def unrecorded(s: Setting, model: Any, inputs: Any) -> Step:
    """A step: the model's output under `no_grad`."""
    no_grad = s.lib.no_grad

    def step() -> list[Any]:
        with no_grad():
            return [model(inputs)]
    return step


@WORKLOADS.timed("inference.mlp.recording")
def mlp_recording(s: Setting) -> Step:
    """forward pass of an MLP 784-128-10 on 32 rows, recorded"""
    return recording(small_mlp(s), s.randn(32, 784))


@WORKLOADS.timed("inference.mlp.no_grad")
def mlp_no_grad(s: Setting) -> Step:
    """forward pass of an MLP 784-128-10 on 32 rows under no_grad"""
    return unrecorded(s, small_mlp(s), s.randn(32, 784))


@WORKLOADS.timed("inference.deep.recording")
def deep_recording(s: Setting) -> Step:
    """forward pass of ten layers of 256 on 2048 rows, recorded"""
    return recording(deep_mlp(s, 256), s.randn(2048, 256))


@WORKLOADS.timed("inference.deep.no_grad")
def deep_no_grad(s: Setting) -> Step:
    """forward pass of ten layers of 256 on 2048 rows under no_grad"""
    return unrecorded(s, deep_mlp(s, 256), s.randn(2048, 256))


@WORKLOADS.timed("inference.cnn.no_grad")
def cnn_no_grad(s: Setting) -> Step:
    """forward pass of a small CNN on 32 images of 28x28 under no_grad"""
    return unrecorded(s, small_cnn(s), s.randn(32, 1, 28, 28))


@WORKLOADS.probe("inference.deep.memory")
def deep_memory(s: Setting) -> list[Metric]:
    """memory above the weights while ten layers of 256 run on 2048 rows: under no_grad in activations, and as a share of the recording pass's peak"""
    rows, width = 2048, 256
    model, inputs = deep_mlp(s, width), s.randn(rows, width)
    free, recorded = s.contender.memory(unrecorded(s, model, inputs)), s.contender.memory(recording(model, inputs))
    if free is None or recorded is None:
        return []
    activation = rows * width * 4
    return [
        Metric("no_grad peak / activation", [free[0] / activation], "", limit=3.0),
        Metric("no_grad peak / recording peak", [free[0] / recorded[0]], "", limit=0.4),
    ]
