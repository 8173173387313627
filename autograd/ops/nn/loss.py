"""Losses of numbers and of probabilities of yes, whose value and gradient are computed in one go.

`target` has the shape of `input`. `reduction` is "mean", "sum" or "none"; `size_average` and `reduce` are torch's old
arguments for it. `weight` says how much each element counts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import broadcasting
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, op
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.pointwise.exponential import sigmoid
from tapegrad.backends import xp


def check_reduction(reduction: str) -> None:
    """Raise torch's error for a reduction that there is not."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that torch's old arguments `size_average` and `reduce` mean."""
    if size_average is None and reduce is None:
        return reduction
    meant = "mean"
    if reduce is False:
        meant = "none"
    elif size_average is False:
        meant = "sum"
    text = f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead."
    warnings.warn(text, stacklevel=3)
    return meant


def reduced(losses: Operand, reduction: str) -> Operand:
    """What is asked for of single losses."""
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _reduced_array(losses: Array, reduction: str, dtype: np.dtype) -> Array:
    """What is asked for of single losses; they are added up in float32 at least."""
    if reduction == "mean":
        losses = mean_of(losses)
    elif reduction == "sum":
        losses = losses.sum()
    return losses.astype(dtype, copy=False)


def mean_of(losses: Array) -> Array:
    # The method `mean` takes three times as long as `sum` does on few elements.
    return losses.sum() / losses.size if losses.size else losses.sum() * float("nan")


def _spread(grad: Operand, reduction: str, shape: tuple[int, ...]) -> Operand:
    """The gradient of each single loss, as something that broadcasts with them."""
    count = prod(shape)
    return grad * (1 / count) if count and reduction == "mean" else grad


def _loss_op(name: str, operands: str = "promote", **rules: Any) -> Callable[[Callable[..., Array]], OpFunction]:
    """`op` for ``loss(input, target, reduction, *numbers)``."""

    def decorate(function: Callable[..., Array]) -> OpFunction:
        def composed(input: Operand, target: Operand, reduction: str, *numbers: float) -> Operand:
            if reduction == "none":
                return NotImplemented
            # The single losses are an elementwise op, which transforms can follow.
            return reduced(loss(input, target, "none", *numbers), reduction)

        loss = op(operands=operands, public=False, name=name, batch=broadcasting(), composed=composed, **rules)(
            function
        )
        return loss

    return decorate


def _weighed(loss: Callable[[str], Operand], weight: Operand, reduction: str) -> Operand:
    """``loss(reduction)``, or the mean or sum of the single losses times `weight`."""
    return loss(reduction) if weight is None else reduced(loss("none") * weight, reduction)


def _weighed_mean(loss: Callable[[str], Operand], weight: Operand, reduction: str, input: Operand) -> Operand:
    """The same with a weight for each element, by whose sum the mean divides."""
    if weight is not None and weight.shape != input.shape:
        raise ValueError("Inputs and weights must have the same size.")
    if weight is None or reduction != "mean":
        return _weighed(loss, weight, reduction)
    return (loss("none") * weight).sum() / weight.sum()


# ---- distances


def _broadcast(input: Operand, target: Operand) -> tuple[Operand, Operand]:
    """Both operands with one shape; torch warns where it has to broadcast."""
    a, b = raw(input), raw(target)
    if a.shape == b.shape:
        return input, target
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        ends = range(-1, -1 - min(a.ndim, b.ndim), -1)
        dim = next(i for i in ends if a.shape[i] != b.shape[i] and 1 not in (a.shape[i], b.shape[i]))
        raise RuntimeError(
            f"The size of tensor a ({a.shape[dim]}) must match the size of tensor b ({b.shape[dim]}) at "
            f"non-singleton dimension {max(a.ndim, b.ndim) + dim}"
        ) from None
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
        "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=4,
    )
    return input.expand(shape), target.expand(shape)


def _mse_rule(grad: Operand, input: Operand, target: Operand, reduction: str, input_shape: tuple[int, ...]) -> Operand:
    return (input - target) * (_spread(grad, reduction, input_shape) * 2)


@_loss_op(
    "mse_loss",
    input=_mse_rule,
    target=lambda grad, input, target, reduction, input_shape: _mse_rule(grad, target, input, reduction, input_shape),
)
def _mse(input: Array, target: Array, reduction: str) -> Array:
    d = wide(input) - wide(target)
    d *= d
    return _reduced_array(d, reduction, input.dtype)


@composite()
def mse_loss(
    input: Operand,
    target: Operand,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Operand = None,
) -> Operand:
    """The squared difference.

    Example:
        >>> tapegrad.nn.functional.mse_loss(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 2.0]))
        tensor(2.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    input, target = _broadcast(input, target)
    return _weighed_mean(lambda kind: _mse(input, target, kind), weight, reduction, input)


@op(input=lambda grad, input, limit: _inside(grad, input, limit), public=False, batch=broadcasting())
def _clamp(input: Array, limit: float) -> Array:
    return xp(input).clip(input, -limit, limit)


@op(
    grads=lambda grad, input, limit: _inside(grad, input, limit),
    input=None,
    operands="free",
    public=False,
    batch=broadcasting(),
)
def _inside(grads: Array, input: Array, limit: float) -> Array:
    """Gradients where the input is within the limits."""
    return grads * (abs(input) < limit)


@_loss_op(
    "huber_loss",
    input=lambda grad, input, target, reduction, delta, input_shape: (
        _clamp(input - target, delta) * _spread(grad, reduction, input_shape)
    ),
    target=lambda grad, input, target, reduction, delta, input_shape: (
        _clamp(target - input, delta) * _spread(grad, reduction, input_shape)
    ),
)
def _huber(input: Array, target: Array, reduction: str, delta: float) -> Array:
    d = abs(wide(input) - wide(target))
    losses = xp(d).where(d < delta, 0.5 * d * d, delta * (d - 0.5 * delta))
    return _reduced_array(losses, reduction, input.dtype)


@composite()
def huber_loss(
    input: Operand, target: Operand, reduction: str = "mean", delta: float = 1.0, weight: Operand = None
) -> Operand:
    """Half the square of a small difference, `delta` times a large one (less a constant).

    Args:
        delta: where the one turns into the other; positive.

    Example:
        >>> tapegrad.nn.functional.huber_loss(tapegrad.tensor([0.5, 3.0]), tapegrad.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    check_reduction(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    input, target = _broadcast(input, target)
    return _weighed_mean(lambda kind: _huber(input, target, kind, delta), weight, reduction, input)


@_loss_op(
    "smooth_l1_loss",
    input=lambda grad, input, target, reduction, beta, input_shape: (
        _clamp(input - target, beta) * (_spread(grad, reduction, input_shape) * (1 / beta))
    ),
    target=lambda grad, input, target, reduction, beta, input_shape: (
        _clamp(target - input, beta) * (_spread(grad, reduction, input_shape) * (1 / beta))
    ),
)
def _smooth_l1(input: Array, target: Array, reduction: str, beta: float) -> Array:
    d = abs(wide(input) - wide(target))
    return _reduced_array(xp(d).where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta), reduction, input.dtype)


@composite()
def smooth_l1_loss(
    input: Operand,
    target: Operand,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Operand:
    """`huber_loss` divided by `beta`: the absolute difference with a round tip.

    Args:
        beta: how wide the tip is; not negative; 0: `l1_loss`.

    Example:
        >>> tapegrad.nn.functional.smooth_l1_loss(tapegrad.tensor([0.5, 3.0]), tapegrad.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    input, target = _broadcast(input, target)
    return l1_loss(input, target, reduction=reduction) if beta == 0 else _smooth_l1(input, target, reduction, beta)


@composite()
def l1_loss(
    input: Operand,
    target: Operand,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Operand = None,
) -> Operand:
    """The absolute difference.

    Example:
        >>> tapegrad.nn.functional.l1_loss(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 2.0]))
        tensor(1.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    input, target = _broadcast(input, target)
    losses = abs(input - target)
    return _weighed_mean(lambda kind: reduced(losses, kind), weight, reduction, input)


# ---- probabilities of yes


@_loss_op(
    "binary_cross_entropy",
    operands="same",
    input=lambda grad, input, target, reduction, input_shape: (
        _spread(grad, reduction, input_shape) * ((input - target) / _variance(input))
    ),
    target=lambda grad, input, reduction, input_shape: _spread(grad, reduction, input_shape) * _bce_log_odds(input),
)
def _bce(input: Array, target: Array, reduction: str) -> Array:
    p, t = wide(input), wide(target)
    if p.__class__ is np.ndarray and p.size and not (p.min() >= 0 and p.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    # Logarithms are cut off at -100: in a loss a float32 cannot tell a smaller probability from zero.
    log, maximum, least = xp(p).log, xp(p).maximum, np.exp(-100.0).astype(p.dtype)
    yes, no = log(maximum(p, least)), log(maximum(1 - p, least))
    return _reduced_array((t - 1) * no - t * yes, reduction, input.dtype)


@op(input=lambda grad, input: grad * (1 - 2 * input) * _above(input), public=False, batch=broadcasting())
def _variance(input: Array) -> Array:
    """``p (1 - p)``, at least 1e-12."""
    p = wide(input)
    return xp(p).maximum(p * (1 - p), 1e-12).astype(input.dtype, copy=False)


@op(input=None, public=False, batch=broadcasting())
def _above(input: Array) -> Array:
    """One where `_variance` is not cut off."""
    return (input * (1 - input) > 1e-12).astype(input.dtype)


@op(input=lambda grad, input: -grad / _variance(input), public=False, batch=broadcasting())
def _bce_log_odds(input: Array) -> Array:
    """``log(1 - p) - log(p)``, which is not cut off."""
    p = wide(input)
    return (xp(p).log1p(-p) - xp(p).log(p)).astype(input.dtype, copy=False)


def _check_sizes(input: Operand, target: Operand, text: str) -> None:
    if raw(input).shape != raw(target).shape:
        raise ValueError(text.format(target=target.shape, input=input.shape))


@composite()
def binary_cross_entropy(
    input: Operand,
    target: Operand,
    weight: Operand = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Operand:
    """The cross entropy of yes-or-no targets, given probabilities; logarithms are cut off at -100.

    Args:
        input: probabilities.
        target: numbers from 0 to 1.
        weight: broadcasts with `input`.

    Raises:
        ValueError: the shapes differ.
        RuntimeError: an input is no probability (on the CPU).

    Example:
        >>> tapegrad.nn.functional.binary_cross_entropy(tapegrad.tensor([0.5, 1.0]), tapegrad.tensor([1.0, 1.0]))
        tensor(0.3466)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    text = "Using a target size ({target}) that is different to the input size ({input}) is deprecated. "
    _check_sizes(input, target, text + "Please ensure they have the same size.")
    return _weighed(lambda kind: _bce(input, target, kind), weight, reduction)


@_loss_op(
    "binary_cross_entropy_with_logits",
    input=lambda grad, input, target, reduction, input_shape: (
        (sigmoid(input) - target) * _spread(grad, reduction, input_shape)
    ),
    target=lambda grad, input, reduction, input_shape: -input * _spread(grad, reduction, input_shape),
)
def _bce_logits(input: Array, target: Array, reduction: str) -> Array:
    x, t = wide(input), wide(target)
    losses = (1 - t) * x
    losses += _softplus_of_minus(x)
    return _reduced_array(losses, reduction, input.dtype)


def _softplus_of_minus(x: Array) -> Array:
    """``log(1 + exp(-x))``, without overflow."""
    y = xp(x).log1p(xp(x).exp(-abs(x)))
    y -= xp(x).minimum(x, 0)
    return y


@op(input=lambda grad, input: grad * (sigmoid(input) - 1), kind="elementwise", public=False)
def log_loss(input: Array) -> Array:
    """``log(1 + exp(-input))``."""
    return _softplus_of_minus(wide(input)).astype(input.dtype, copy=False)


def binary_cross_entropy_with_logits(
    input: Operand,
    target: Operand,
    weight: Operand = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Operand = None,
) -> Operand:
    """`binary_cross_entropy` of ``sigmoid(input)``, for inputs of any size.

    Args:
        input: logarithms of odds.
        target: numbers from 0 to 1.
        weight: broadcasts with `input`.
        pos_weight: how much yes counts against no; broadcasts with `input`.

    Example:
        >>> logits = tapegrad.tensor([0.0, 1000.0])
        >>> tapegrad.nn.functional.binary_cross_entropy_with_logits(logits, tapegrad.ones(2))
        tensor(0.3466)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    _check_sizes(input, target, "Target size ({target}) must be the same as input size ({input})")

    def loss(kind: str) -> Operand:
        if pos_weight is None:
            return _bce_logits(input, target, kind)
        return reduced((1 - target) * input + ((pos_weight - 1) * target + 1) * log_loss(input), kind)

    return _weighed(loss, weight, reduction)


__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]
