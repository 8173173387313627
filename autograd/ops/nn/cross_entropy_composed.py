"""The losses of classes made of other ops: what forward mode and vmap follow in place of the fused ones, which keep
arrays that no transform knows.
"""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.gather.gather import gather
from tapegrad.autograd.ops.gather.scatter_reduce import scatter
from tapegrad.autograd.ops.pointwise.where import where
from tapegrad.autograd.ops.reduction.softmax import log_softmax, softmax


def _chosen(target: Any, ignore_index: int) -> tuple[Any, Any]:
    """The classes as an index along dimension 1, with class 0 for what is ignored, and where nothing is."""
    target = target.long()
    valid = target != ignore_index
    return where(valid, target, 0).unsqueeze(1), valid


def nll(input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str) -> Tensor:
    """What `cross_entropy._nll` computes; see there."""
    classes, valid = _chosen(target, ignore_index)
    losses = -gather(input, 1, classes).squeeze(1)
    shares = valid.to(input.dtype)
    if weight is not None:
        shares = shares * weight.to(input.dtype)[classes.squeeze(1)]
    losses = where(valid, losses * shares, 0)
    if reduction == "none":
        return losses
    return losses.sum() / shares.sum() if reduction == "mean" else losses.sum()


def cross_entropy(input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str) -> Tensor:
    """What `cross_entropy._cross_entropy` computes; see there."""
    return nll(log_softmax(input, 1), target, weight, ignore_index, reduction)


# ---- reverse rules of losses that were recorded before a transform began: the shares are an array or a number


def nll_back(output: Tensor, target: Tensor, shares: Any, shape: tuple[int, ...], ignore_index: int) -> Tensor:
    """What `cross_entropy._nll_back` computes."""
    classes, valid = _chosen(target, ignore_index)
    d = where(valid, (output * -shares).expand(valid.shape), 0).unsqueeze(1)
    return scatter(zero_gradient(d).expand(shape), 1, classes, d)


def nll_take(output: Tensor, target: Tensor, shares: Any, shape: tuple[int, ...], ignore_index: int) -> Tensor:
    """What `cross_entropy._nll_take` computes."""
    classes, valid = _chosen(target, ignore_index)
    losses = where(valid, gather(output, 1, classes).squeeze(1) * -shares, 0)
    return losses if len(shape) == losses.ndim else losses.sum()


def ce_back(
    output: Tensor, input: Tensor, target: Tensor, shares: Any, exps: Any, sums: Any, ignore_index: int
) -> Tensor:
    """What `cross_entropy._ce_back` computes."""
    classes, valid = _chosen(target, ignore_index)
    g = where(valid, (output * shares).expand(valid.shape), 0).unsqueeze(1)
    p = softmax(input, 1)
    return p * g - scatter(zero_gradient(p), 1, classes, g)


def softmax_of(input: Tensor, exps: Any, sums: Any) -> Tensor:
    """What `cross_entropy._softmax` computes."""
    return softmax(input, 1)


def pick(input: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """What `cross_entropy._pick` computes."""
    return gather(input, 1, _chosen(target, ignore_index)[0]).squeeze(1)


def unpick(input: Tensor, target: Tensor, shape: tuple[int, ...], ignore_index: int) -> Tensor:
    """What `cross_entropy._unpick` computes."""
    d = input.unsqueeze(1)
    return scatter(zero_gradient(d).expand(shape), 1, _chosen(target, ignore_index)[0], d)


def share_sum(target: Tensor, like: Tensor, weight: Any, ignore_index: int) -> Tensor:
    """What `cross_entropy._share_sum` computes."""
    classes, valid = _chosen(target, ignore_index)
    shares = valid.to(like.dtype)
    return (shares if weight is None else shares * weight[classes.squeeze(1)]).sum()
