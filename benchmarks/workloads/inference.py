"""Forward passes with and without recording, and the memory that they need."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tapegrad.benchmarks.workload import WORKLOADS, Metric, Setting
from tapegrad.benchmarks.workloads.models import deep_mlp, small_cnn, small_mlp

Step = Callable[[], list[Any]]


#: name -> what runs, the model, the shape of its input
MODELS: dict[str, tuple[str, Callable[[Setting], Any], tuple[int, ...]]] = {
    "mlp": ("an MLP 784-128-10 on 32 rows", small_mlp, (32, 784)),
    "deep": ("ten layers of 256 on 2048 rows", partial(deep_mlp, width=256), (2048, 256)),
    "cnn": ("a small CNN on 32 images of 28x28", small_cnn, (32, 1, 28, 28)),
}


def recording(name: str, s: Setting) -> Step:
    """A step: a model's output, with its graph."""
    _, build, shape = MODELS[name]
    model, inputs = build(s), s.randn(*shape)
    return lambda: [model(inputs)]


def unrecorded(name: str, s: Setting) -> Step:
    """A step: a model's output under `no_grad`."""
    run, no_grad = recording(name, s), s.lib.no_grad

    def step() -> list[Any]:
        with no_grad():
            return run()

    return step


for _name, (_what, *_) in MODELS.items():
    if _name != "cnn":
        WORKLOADS.timed(f"inference.{_name}.recording", f"forward pass of {_what}, recorded")(partial(recording, _name))
    WORKLOADS.timed(f"inference.{_name}.no_grad", f"forward pass of {_what} under no_grad")(partial(unrecorded, _name))


@WORKLOADS.probe(
    "inference.deep.memory",
    "memory above the weights while ten layers of 256 run on 2048 rows: under no_grad in activations, and as a share "
    "of "
    "the recording pass's peak",
)
def deep_memory(s: Setting) -> list[Metric]:
    free, recorded = s.contender.memory(unrecorded("deep", s)), s.contender.memory(recording("deep", s))
    if free is None or recorded is None:
        return []
    activation = 2048 * 256 * 4
    return [
        Metric("no_grad peak / activation", [free[0] / activation], "", limit=3.0),
        Metric("no_grad peak / recording peak", [free[0] / recorded[0]], "", limit=0.4),
    ]
