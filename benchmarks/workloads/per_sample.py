"""The gradients of each example of a batch by itself: `vmap` of `grad`, and a loop over the examples."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from tapegrad.benchmarks.workload import WORKLOADS, Metric, Setting
from tapegrad.benchmarks.workloads.models import prepared, small_cnn

SAMPLES = 64
#: a loop takes at least three times as long
SHARE = 1 / 3

Call = Callable[[], Any]


def small_encoder(s: Setting, width: int = 32, heads: int = 4, layers: int = 2, tokens: int = 100) -> Any:
    """A transformer encoder with an embedding before it and a linear layer on the mean of its outputs behind it."""
    nn, functional = s.lib.nn, s.lib.nn.functional
    Module: Any = nn.Module

    class Layer(Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
            self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

        def forward(self, x: Any) -> Any:
            n, length, _ = x.shape
            query, key, value = [
                t.reshape(n, length, heads, width // heads).transpose(1, 2) for t in self.attend(x).chunk(3, -1)
            ]
            found = ((query @ key.transpose(-2, -1)) * (width // heads) ** -0.5).softmax(-1) @ value
            x = self.first(x + self.out(found.transpose(1, 2).reshape(n, length, width)))
            return self.second(x + self.down(functional.gelu(self.up(x))))

    class Encoder(Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(tokens, width)
            self.layers = nn.Sequential(*(Layer() for _ in range(layers)))
            self.head = nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.layers(self.embed(x)).mean(1))

    return prepared(s, Encoder())


def both_ways(s: Setting, model: Any, inputs: Any) -> tuple[Call, Call]:
    """The gradients of all examples by `vmap`, and by a loop, as functions of no arguments."""
    func, functional = s.lib.func, s.lib.nn.functional
    params = {name: p.detach() for name, p in model.named_parameters()}
    labels = s.tensor(s.rng.integers(0, 10, len(inputs)))

    def loss(params: Any, x: Any, y: Any) -> Any:
        return functional.cross_entropy(func.functional_call(model, params, (x.unsqueeze(0),)), y.unsqueeze(0))

    one = func.grad(loss)
    all_at_once = func.vmap(one, in_dims=(None, 0, 0))
    return lambda: all_at_once(params, inputs, labels), lambda: [one(params, x, y) for x, y in zip(inputs, labels)]


def compared(s: Setting, model: Any, inputs: Any) -> list[Metric]:
    """How long `vmap` takes, and its share of the loop's time, the two taking turns."""
    batched, loop = both_ways(s, model, inputs)
    times = []
    for _ in range(1 if s.quick else 15):
        pair = []
        for call in (batched, loop):
            call()  # what the other has left in the caches and to the allocator is gone
            s.contender.synchronize()
            start = perf_counter()
            call()
            s.contender.synchronize()
            pair.append(perf_counter() - start)
        times.append(pair)
    return [
        Metric("vmap", [a for a, _ in times], "s"),
        Metric("vmap / loop", [a / b for a, b in times], "", limit=SHARE),
    ]


@WORKLOADS.probe(
    "func.per_sample.cnn",
    "gradients of each of 64 images of 28x28 through a small CNN: vmap of grad, and its time as a share of a "
    "loop's over the images",
)
def cnn(s: Setting) -> list[Metric]:
    return compared(s, small_cnn(s), s.randn(SAMPLES, 1, 28, 28))


@WORKLOADS.probe(
    "func.per_sample.encoder",
    "gradients of each of 64 sentences of 16 words through a small transformer encoder: vmap of grad, and its "
    "time as a share of a loop's",
)
def encoder(s: Setting) -> list[Metric]:
    return compared(s, small_encoder(s), s.tensor(s.rng.integers(0, 100, (SAMPLES, 16))))
