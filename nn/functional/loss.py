"""Losses that are made of other operations."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.ops.nn.loss import check_reduction, legacy_reduction, log_loss
from tapegrad.nn.functional.distance import pairwise_distance


def _reduced(losses: Any, reduction: str) -> Any:
    check_reduction(reduction)
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def kl_div(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False) -> Any:
    """The Kullback-Leibler divergence of `target` from the distribution whose logarithm `input` is, element by element.

    Args:
        input: logarithms of probabilities.
        target: probabilities, or their logarithms if `log_target`.
        reduction: "batchmean" (the sum over the number of samples, which is the divergence), "mean", "sum" or "none".
        log_target: whether `target` is logarithms.

    Example:
        >>> p = tapegrad.tensor([[0.5, 0.5]])
        >>> tapegrad.nn.functional.kl_div(p.log(), p, reduction="batchmean")
        tensor(0.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction == "mean":
        import warnings
        warnings.warn("reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides only by the batch size, and "
                      "aligns with the KL div math definition. 'mean' will be changed to behave the same as 'batchmean' in the next major release.",
                      stacklevel=2)
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = target.xlogy(target) - target * input
    if reduction == "batchmean":
        return losses.sum() / input.shape[0] if input.ndim else losses.sum()
    return _reduced(losses, reduction)


def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-8, reduce: Any = None,
                     reduction: str = "mean") -> Any:
    """The negative log-likelihood of counts that follow a Poisson distribution.

    Args:
        input: the expected counts, or their logarithms if `log_input`.
        target: counts.
        log_input: whether `input` is logarithms.
        full: add Stirling's approximation of the logarithm of the counts' factorials.
        eps: added to `input` before its logarithm is taken.
        reduction: "mean", "sum" or "none".

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


def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Any:
    """The negative log-likelihood of numbers that follow normal distributions.

    Args:
        input: the expected numbers.
        target: the numbers.
        var: the variances, of the shape of `input`, or with a last dimension of 1 or none; or one number for all.
        full: add the constant term.
        eps: the least variance.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: `var` has another shape, or is negative (on the CPU).

    Example:
        >>> tapegrad.nn.functional.gaussian_nll_loss(tapegrad.zeros(2), tapegrad.ones(2), tapegrad.ones(2))
        tensor(0.5000)
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.new_full(input.shape, var)
    elif var._array.__class__.__module__ == "numpy" and bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif not (input.shape[:-1] == var.shape[:-1] and var.shape[-1] == 1) and not _broadcasts(var.shape, input.shape):
            raise ValueError("var is of incorrect size")
    # The bound is no part of the gradient.
    var = var + (var.detach().clamp_min(eps) - var.detach())
    losses = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return _reduced(losses, reduction)


def _broadcasts(shape: Any, whole: Any) -> bool:
    return len(shape) == len(whole) and all(a in (1, b) for a, b in zip(shape, whole))


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0, size_average: Any = None, reduce: Any = None,
                        reduction: str = "mean") -> Any:
    """By how much `input1` fails to be larger than `input2` where `target` is 1, or smaller where it is -1.

    Args:
        input1: a tensor.
        input2: a tensor of the same number of dimensions.
        target: 1 or -1 for each pair.
        margin: by how much the one should be larger.
        reduction: "mean", "sum" or "none".

    Raises:
        RuntimeError: the numbers of dimensions differ.

    Example:
        >>> tapegrad.nn.functional.margin_ranking_loss(tapegrad.tensor([1.0]), tapegrad.tensor([3.0]), tapegrad.tensor([1.0]))
        tensor(2.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(f"margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: {input1.size()}, input2: "
                           f"{input2.size()}, target: {target.size()} ")
    return _reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
    """A distance where `target` is 1; by how much it falls short of `margin` where `target` is -1.

    Args:
        input: distances.
        target: 1 or -1 for each.
        margin: the distance that unlike things should have.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.functional.hinge_embedding_loss(tapegrad.tensor([0.2, 0.2]), tapegrad.tensor([1, -1]), reduction="none")
        tensor([0.2000, 0.8000])
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _reduced(input.masked_fill(target == -1, 0) + (margin - input).clamp_min(0).masked_fill(target == 1, 0), reduction)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0, size_average: Any = None, reduce: Any = None,
                          reduction: str = "mean") -> Any:
    """One minus the cosine where `target` is 1; by how much the cosine exceeds `margin` where `target` is -1.

    Args:
        input1: vectors, of shape (N, D) or (D,).
        input2: vectors of the same shape.
        target: 1 or -1 for each pair.
        margin: the cosine that unlike things may have.
        reduction: "mean", "sum" or "none".

    Raises:
        RuntimeError: the shapes do not match.

    Example:
        >>> tapegrad.nn.functional.cosine_embedding_loss(tapegrad.ones(1, 2), -tapegrad.ones(1, 2), tapegrad.tensor([-1]))
        tensor(0.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.ndim == 1 and not input1.ndim == input2.ndim == 2:
        raise RuntimeError(f"1D target tensor expects 2D input tensors, but found inputs with sizes {list(input1.shape)} and {list(input2.shape)}.")
    if target.ndim == 0 and not input1.ndim == input2.ndim == 1:
        raise RuntimeError(f"0D target tensor expects 1D input tensors, but found inputs with sizes {list(input1.shape)} and {list(input2.shape)}.")
    eps = 1e-12
    product = (input1 * input2).sum(-1)
    cosine = product / (((input1 * input1).sum(-1) + eps) * ((input2 * input2).sum(-1) + eps)).sqrt()
    losses = (1 - cosine).masked_fill(target != 1, 0) + (cosine - margin).clamp_min(0).masked_fill(target != -1, 0)
    return _reduced(losses, reduction)


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-6, swap: bool = False,
                        size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
    """By how much an anchor's distance to a like thing, and a margin, exceed its distance to an unlike one.

    Args:
        anchor: of shape (N, D) or (D,).
        positive: of the same shape.
        negative: of the same shape.
        margin: how much nearer the like thing should be.
        p: of the norm.
        eps: added to the differences.
        swap: use the like thing's distance to the unlike one where it is smaller.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: `margin` is not positive.
        RuntimeError: the numbers of dimensions differ.

    Example:
        >>> a, b, c = tapegrad.zeros(1, 2), tapegrad.ones(1, 2), tapegrad.full((1, 2), 5.0)
        >>> tapegrad.nn.functional.triplet_margin_loss(a, b, c)
        tensor(0.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor {anchor.ndim}D, "
                           f"positive {positive.ndim}D, and negative {negative.ndim}D inputs")
    return triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=lambda a, b: pairwise_distance(a, b, p, eps), margin=margin,
                                             swap=swap, reduction=reduction)


def triplet_margin_with_distance_loss(anchor: Any, positive: Any, negative: Any, *, distance_function: Callable[[Any, Any], Any] | None = None,
                                      margin: float = 1.0, swap: bool = False, reduction: str = "mean") -> Any:
    """`triplet_margin_loss` with another distance.

    Args:
        anchor: of shape (N, ...).
        positive: of the same shape.
        negative: of the same shape.
        distance_function: of two tensors; None: `pairwise_distance`.
        margin: how much nearer the like thing should be.
        swap: use the like thing's distance to the unlike one where it is smaller.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: `margin` is not positive.
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return _reduced((margin + near - far).clamp_min(0), reduction)


def soft_margin_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
    """``log(1 + exp(-target * input))``.

    Args:
        input: any tensor.
        target: 1 or -1 for each element.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tapegrad.nn.functional.soft_margin_loss(tapegrad.zeros(2), tapegrad.tensor([1.0, -1.0]))
        tensor(0.6931)
    """
    return _reduced(log_loss(target * input), legacy_reduction(size_average, reduce, reduction))


__all__ = ["cosine_embedding_loss", "gaussian_nll_loss", "hinge_embedding_loss", "kl_div", "margin_ranking_loss", "poisson_nll_loss", "soft_margin_loss",
           "triplet_margin_loss", "triplet_margin_with_distance_loss"]
