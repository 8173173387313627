"""Losses that are made of other operations.

`reduction` is "mean", "sum" or "none"; `size_average` and `reduce` are torch's old arguments for it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.nn.loss import check_reduction, legacy_reduction, log_loss
from tapegrad.nn.functional.distance import pairwise_distance


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    check_reduction(reduction)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


# ---- likelihoods


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """The Kullback-Leibler divergence of `target` from the distribution whose logarithm is `input`, by element.

    Args:
        input: logarithms of probabilities.
        target: probabilities, or their logarithms if `log_target`.
        reduction: also "batchmean": the sum over the number of samples, which is the divergence.

    Example:
        >>> p = tapegrad.tensor([[0.5, 0.5]])
        >>> tapegrad.nn.functional.kl_div(p.log(), p, reduction="batchmean")
        tensor(0.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition. 'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    losses = target.exp() * (target - input) if log_target else target.xlogy(target) - target * input
    if reduction == "batchmean":
        return losses.sum() / input.shape[0] if input.ndim else losses.sum()
    return _reduced(losses, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts with a Poisson distribution.

    Args:
        input: the expected counts, or their logarithms if `log_input`.
        target: the counts.
        full: add Stirling's approximation of the logarithm of the counts' factorials.
        eps: added to expected counts before their logarithm is taken.

    Example:
        >>> tapegrad.nn.functional.poisson_nll_loss(tapegrad.zeros(2), tapegrad.tensor([1.0, 2.0]))
        tensor(1.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        losses = losses + stirling.masked_fill(target <= 1, 0)
    return _reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of `target` under normal distributions with the means `input`.

    Args:
        var: the variances, of the shape of `input`, or with a last dimension of 1 or none; or one number for all.
        full: add the constant term.
        eps: the least variance.

    Raises:
        ValueError: `var` has another shape, or is negative (on the CPU).

    Example:
        >>> tapegrad.nn.functional.gaussian_nll_loss(tapegrad.zeros(2), tapegrad.ones(2), tapegrad.ones(2))
        tensor(0.5000)
    """
    if isinstance(var, float):
        negative = var < 0
        variance: Tensor = input.new_full(input.shape, var)
    else:
        negative = var._array.__class__ is np.ndarray and bool((var < 0).any())
        variance = var
    if negative:
        raise ValueError("var has negative entry/entries")
    if variance.shape != input.shape:
        if input.shape[:-1] == variance.shape:
            variance = variance.unsqueeze(-1)
        elif variance.ndim != input.ndim or any(a not in (1, b) for a, b in zip(variance.shape, input.shape)):
            raise ValueError("var is of incorrect size")
    # No gradient flows through the bound.
    variance = variance + (variance.detach().clamp_min(eps) - variance.detach())
    losses = 0.5 * (variance.log() + (input - target) ** 2 / variance)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return _reduced(losses, reduction)


# ---- margins; targets are 1 and -1


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Tensor:
    """``log(1 + exp(-target * input))``.

    Example:
        >>> tapegrad.nn.functional.soft_margin_loss(tapegrad.zeros(2), tapegrad.tensor([1.0, -1.0]))
        tensor(0.6931)
    """
    return _reduced(log_loss(target * input), legacy_reduction(size_average, reduce, reduction))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(-target * (input1 - input2) + margin, 0)``: `input1` should be larger where `target` is 1.

    Example:
        >>> x, y, target = tapegrad.tensor([1.0]), tapegrad.tensor([3.0]), tapegrad.tensor([1.0])
        >>> tapegrad.nn.functional.margin_ranking_loss(x, y, target)
        tensor(2.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return _reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`input`, a distance, where `target` is 1; ``max(margin - input, 0)`` where -1.

    Example:
        >>> distances, target = tapegrad.tensor([0.2, 0.2]), tapegrad.tensor([1, -1])
        >>> tapegrad.nn.functional.hinge_embedding_loss(distances, target, reduction="none")
        tensor([0.2000, 0.8000])
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    alike, unlike = input, (margin - input).clamp_min(0)
    return _reduced(alike.masked_fill(target == -1, 0) + unlike.masked_fill(target == 1, 0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cosine`` of vectors where `target` is 1, ``max(cosine - margin, 0)`` where -1.

    Args:
        input1: vectors, of shape (N, D) or (D,).
        input2: vectors of the same shape.
        target: of shape (N,) or ().

    Example:
        >>> x, target = tapegrad.ones(1, 2), tapegrad.tensor([-1])
        >>> tapegrad.nn.functional.cosine_embedding_loss(x, -x, target)
        tensor(0.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs "
            f"with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    eps = 1e-12
    product = (input1 * input2).sum(-1)
    cosine = product / (((input1 * input1).sum(-1) + eps) * ((input2 * input2).sum(-1) + eps)).sqrt()
    alike, unlike = 1 - cosine, (cosine - margin).clamp_min(0)
    return _reduced(alike.masked_fill(target != 1, 0) + unlike.masked_fill(target != -1, 0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(distance(anchor, positive) - distance(anchor, negative) + margin, 0)`` of vectors of shape (N, D) or (D,).

    Args:
        p: of the norm that is the distance.
        eps: added to the differences.
        swap: use ``distance(positive, negative)`` where it is smaller than that of anchor and negative.

    Example:
        >>> a, b, c = tapegrad.zeros(1, 2), tapegrad.ones(1, 2), tapegrad.full((1, 2), 5.0)
        >>> tapegrad.nn.functional.triplet_margin_loss(a, b, c)
        tensor(0.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    _check_margin(margin)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with another distance; None: `pairwise_distance`."""
    _check_margin(margin)
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return _reduced((margin + near - far).clamp_min(0), reduction)


def _check_margin(margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")


__all__ = [
    "cosine_embedding_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "kl_div",
    "margin_ranking_loss",
    "poisson_nll_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]
