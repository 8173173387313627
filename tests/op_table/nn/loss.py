"""Losses with a gradient of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from op_table.row import Row, Sample, sample

REDUCTIONS = ("mean", "sum", "none")


def _classes(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x, space, w = (
        rng.uniform(-2, 2, (3, 4)).astype(dtype),
        rng.uniform(-2, 2, (2, 4, 3, 2)).astype(dtype),
        rng.uniform(0.5, 2, 4).astype(dtype),
    )
    t, s = np.array([0, 3, 1]), rng.integers(0, 4, (2, 3, 2))
    found = [sample(x, t, reduction=r) for r in REDUCTIONS]
    found += [sample(x, t, w, reduction=r, ignore_index=3) for r in REDUCTIONS]
    return [*found, sample(space, s), sample(space, np.where(s == 1, -100, s), w), sample(x[0], np.array(2))]


def _smooth(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x, w = rng.uniform(-2, 2, (3, 4)).astype(dtype), rng.uniform(0.5, 2, 4).astype(dtype)
    p = special.softmax(rng.uniform(-1, 1, (3, 4)), 1).astype(dtype)
    return [
        *_classes(rng, dtype),
        *(sample(x, np.array([0, 3, 1]), w, label_smoothing=0.2, ignore_index=0, reduction=r) for r in REDUCTIONS),
        *(sample(x, p, w, label_smoothing=0.1, reduction=r) for r in REDUCTIONS),
        sample(x, p),
    ]


def _pairs(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    a = rng.uniform(-1, 1, (3, 4)).astype(dtype)
    # Differences away from 0, 0.5 and 1.
    d = (
        rng.choice([-1.0, 1.0], (3, 4)) * rng.choice([0.25, 0.75, 1.5], (3, 4)) + rng.uniform(-0.1, 0.1, (3, 4))
    ).astype(dtype)
    return [
        *(sample(a, a + d, reduction=r) for r in REDUCTIONS),
        sample(np.asarray(a[0, 0]), np.asarray((a + d)[0, 0])),
        sample(a.T, (a + d).T),
    ]


def _extras(name: str) -> Callable[..., list[Sample]]:
    def drawn(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        found = _pairs(rng, dtype)
        return [*found, *(sample(*s.args, **s.kwargs, **{name: 0.5}) for s in found)]

    return drawn


def _probabilities(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    p, t, w = (rng.uniform(0.1, 0.9, (3, 4)).astype(dtype) for _ in range(3))
    return [*(sample(p, t, reduction=r) for r in REDUCTIONS), sample(p, t, w), sample(p, t, w[0], reduction="none")]


def _logits(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    x, t, w = (
        rng.uniform(-3, 3, (3, 4)).astype(dtype),
        rng.uniform(0, 1, (3, 4)).astype(dtype),
        rng.uniform(0.5, 2, 4).astype(dtype),
    )
    return [
        *(sample(x, t, reduction=r) for r in REDUCTIONS),
        sample(x, t, w, pos_weight=w[::-1]),
        sample(x, t, pos_weight=w, reduction="none"),
    ]


def reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def nll_loss(log_p: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    if log_p.ndim == 1:
        return nll_loss(log_p[None], target[None], weight, ignore_index, "sum")
    weight = np.ones(log_p.shape[1]) if weight is None else weight
    losses, shares = np.zeros(target.shape), np.zeros(target.shape)
    for place in np.ndindex(*target.shape):
        t = target[place]
        if t != ignore_index:
            shares[place] = weight[t]
            losses[place] = -weight[t] * log_p[(place[0], t, *place[1:])]
    return losses.sum() / shares.sum() if reduction == "mean" else reduced(losses, reduction)


def cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    log_p = special.log_softmax(x, 0 if x.ndim == 1 else 1)
    if target.dtype.kind == "f":
        w = 1 if weight is None else weight
        mixed = target * (1 - label_smoothing) + label_smoothing / x.shape[1]
        return reduced(-(mixed * log_p * w).sum(1), reduction)
    plain = nll_loss(log_p, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return plain
    valid = target != ignore_index
    w = np.ones(x.shape[1]) if weight is None else weight
    losses = np.where(valid, -(log_p * w).sum(1), 0)
    smooth = losses.sum() / np.where(valid, w[target], 0).sum() if reduction == "mean" else reduced(losses, reduction)
    return (1 - label_smoothing) * plain + label_smoothing / x.shape[1] * smooth


def of_difference(function: Callable[..., Any]) -> Callable[..., Any]:
    def reference(a: Any, b: Any, reduction: str = "mean", **kwargs: Any) -> Any:
        return reduced(np.asarray(function(abs(a - b), **kwargs)), reduction)

    return reference


def huber(d: Any, delta: float = 1.0) -> Any:
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


def binary_cross_entropy(p: Any, t: Any, weight: Any = 1, reduction: str = "mean") -> Any:
    return reduced(-weight * (t * np.log(p) + (1 - t) * np.log(1 - p)), reduction)


def with_logits(x: Any, t: Any, weight: Any = 1, reduction: str = "mean", pos_weight: Any = 1) -> Any:
    p = special.expit(x)
    return reduced(-weight * (pos_weight * t * np.log(p) + (1 - t) * np.log(1 - p)), reduction)


ROWS = [
    Row("nll_loss", _classes, nll_loss, constant=(2,)),
    Row("cross_entropy", _smooth, cross_entropy, constant=(2,)),
    Row("mse_loss", _pairs, of_difference(np.square)),
    Row("l1_loss", _pairs, of_difference(np.abs)),
    Row("huber_loss", _extras("delta"), of_difference(huber)),
    Row("smooth_l1_loss", _extras("beta"), of_difference(lambda d, beta=1.0: huber(d, beta) / beta)),
    Row("binary_cross_entropy", _probabilities, binary_cross_entropy, constant=(2,)),
    Row("nn.functional.binary_cross_entropy_with_logits", _logits, with_logits, constant=(2, "pos_weight")),
]
