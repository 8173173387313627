"""The models that the workloads run; every contender's starts from the same parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.benchmarks.workload import Setting


def small_mlp(s: Setting) -> Any:
    """784-128-10 with ReLU."""
    nn = s.lib.nn
    return prepared(s, nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)))


def deep_mlp(s: Setting, width: int, layers: int = 10) -> Any:
    """Ten layers of one width, each with ReLU."""
    nn = s.lib.nn
    return prepared(
        s, nn.Sequential(*(module for _ in range(layers) for module in (nn.Linear(width, width), nn.ReLU())))
    )


def small_cnn(s: Setting) -> Any:
    """Two 3x3 convolutions with ReLU and pooling, and a linear layer, for 28x28 images."""
    nn = s.lib.nn
    return prepared(
        s,
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 7 * 7, 10),
        ),
    )


def prepared(s: Setting, model: Any) -> Any:
    """The model on the contender's device, with parameters that keep activations near one and are the same for every
    contender.
    """
    with s.lib.no_grad():
        for parameter in model.parameters():
            shape = tuple(parameter.shape)
            scale = math.sqrt(2 / math.prod(shape[1:])) if shape[1:] else 0.0
            parameter.copy_(s.lib.tensor(s.array(*shape) * np.float32(scale)))
    return model.to(s.contender.device)
