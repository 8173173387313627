"""Normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample


def _draw(rng: np.random.Generator, dtype: np.dtype, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [rng.uniform(-2, 2, shape).astype(dtype) for shape in shapes]


def _layer(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x, y, w, b, w2 = _draw(rng, dtype, (2, 3, 5), (70, 1000), (5,), (5,), (3, 5))
    return [
        sample(x, (5,), w, b),
        sample(x, (3, 5), w2),
        sample(x, (3, 5), eps=0.1),
        sample(y, (1000,)),
        sample(x[:0], (5,), w, b),
    ]


def _rms(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x, y, w, w2 = _draw(rng, dtype, (2, 3, 5), (70, 1000), (5,), (3, 5))
    return [sample(x, (5,), w, 1e-3), sample(x, (3, 5), w2, eps=0.1), sample(y, (1000,), None, 1e-5)]


def _group(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x, y, w, b = _draw(rng, dtype, (2, 4, 3, 2), (3, 4), (4,), (4,))
    return [sample(x, 2, w, b), sample(x, 4), sample(y, 1, w), sample(x, 1, eps=0.1)]


def _batch(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x, y, z, w, b, mean = _draw(rng, dtype, (3, 4, 3, 2), (5, 4), (20, 60, 8, 9), (4,), (4,), (4,))
    var = rng.uniform(0.5, 2, 4).astype(dtype)
    return [
        sample(x, None, None, w, b, True),
        sample(y, None, None, training=True),
        sample(z, None, None, training=True),
        sample(x, mean, var, w, b),
        sample(y, mean, var, w, b, False, 0.1, 0.2),
    ]


def _instance(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x, y, w, b, mean = _draw(rng, dtype, (3, 4, 3, 2), (3, 4, 7), (4,), (4,), (4,))
    var = rng.uniform(0.5, 2, 4).astype(dtype)
    return [sample(x, weight=w, bias=b), sample(y), sample(x, mean, var, w, b, False)]


def standard(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def affine(y: Any, weight: Any, bias: Any) -> Any:
    shape = (-1, *(1,) * (y.ndim - 2))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def layer_norm(
    x: Any, normalized_shape: tuple[int, ...], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    y = standard(x, tuple(range(-len(normalized_shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(x: Any, normalized_shape: tuple[int, ...], weight: Any, eps: float) -> Any:
    y = x / np.sqrt((x * x).mean(tuple(range(-len(normalized_shape), 0)), keepdims=True) + eps)
    return y if weight is None else y * weight


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    return affine(standard(x.reshape(len(x), num_groups, -1), (2,), eps).reshape(x.shape), weight, bias)


def batch_norm(
    x: Any,
    mean: Any,
    var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if training:
        return affine(standard(x, (0, *range(2, x.ndim)), eps), weight, bias)
    return affine(affine(x, 1 / np.sqrt(var + eps), -mean / np.sqrt(var + eps)), weight, bias)


def instance_norm(
    x: Any, mean: Any = None, var: Any = None, weight: Any = None, bias: Any = None, use_input_stats: bool = True
) -> Any:
    if use_input_stats:
        return affine(standard(x, tuple(range(2, x.ndim)), 1e-5), weight, bias)
    return batch_norm(x, mean, var, weight, bias)


ROWS = [
    Row("layer_norm", _layer, layer_norm),
    Row("rms_norm", _rms, rms_norm),
    Row("group_norm", _group, group_norm),
    Row("nn.functional.batch_norm", _batch, batch_norm, constant=(1, 2)),
    Row("nn.functional.instance_norm", _instance, instance_norm, constant=(1, 2)),
]
