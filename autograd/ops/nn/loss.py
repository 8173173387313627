"""Losses of numbers and of probabilities of yes, whose value and gradient are computed in one go."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import broadcasting
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.backends import xp


def check_reduction(reduction: str) -> None:
    """Raise torch's error for a reduction that there is not."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def legacy_reduction(size_average: Any, reduce: Any, reduction: str) -> str:
    """The reduction that torch's old arguments `size_average` and `reduce` mean."""
    if size_average is None and reduce is None:
        return reduction
    import warnings

    meant = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.", stacklevel=3
    )
    return meant


def _reduced(loss: Any, reduction: str, dtype: Any) -> Any:
    """Single losses as asked for; they are added up in float32 at least."""
    if reduction == "none":
        return loss.astype(dtype, copy=False)
    y = loss.sum() if reduction == "sum" else mean_of(loss)
    return y.astype(dtype, copy=False)


def mean_of(losses: Any) -> Any:
    # The method `mean` takes three times as long as `sum` does on few elements.
    return losses.sum() / losses.size if losses.size else losses.sum() * float("nan")


def _spread(grad: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    """The gradient of each single loss, as something that broadcasts with them."""
    if reduction != "mean":
        return grad
    count = 1
    for n in shape:
        count *= n
    return grad * (1 / count) if count else grad


def _apart(loss: Any, input: Any, target: Any, reduction: str, *more: Any) -> Any:
    """A loss for transforms: its elements first, which are an elementwise op, then what is made of them."""
    if reduction == "none":
        return NotImplemented
    losses = loss(input, target, "none", *more)
    return losses.sum() if reduction == "sum" else losses.mean()


# ---- distances


def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both operands with one shape and dtype; torch warns where it has to broadcast."""
    a, b = raw(input), raw(target)
    if a.shape == b.shape:
        return input, target
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        dim = next(
            i
            for i in range(-1, -1 - min(a.ndim, b.ndim), -1)
            if a.shape[i] != b.shape[i] and 1 not in (a.shape[i], b.shape[i])
        )
        raise RuntimeError(
            f"The size of tensor a ({a.shape[dim]}) must match the size of tensor b ({b.shape[dim]}) at "
            "non-singleton dimension "
            f"{max(a.ndim, b.ndim) + dim}"
        ) from None
    import warnings

    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
        "lead to incorrect results "
        "due to broadcasting. Please ensure they have the same size.",
        stacklevel=4,
    )
    return input.expand(shape), target.expand(shape)


@op(
    input=lambda grad, input, target, reduction, input_shape: (
        (input - target) * (_spread(grad, reduction, input_shape) * 2)
    ),
    target=lambda grad, input, target, reduction, input_shape: (
        (target - input) * (_spread(grad, reduction, input_shape) * 2)
    ),
    operands="promote",
    public=False,
    name="mse_loss",
    batch=broadcasting(),
    composed=lambda input, target, reduction: _apart(_mse, input, target, reduction),
)
def _mse(input: Any, target: Any, reduction: str) -> Any:
    d = wide(input) - wide(target)
    d *= d
    return _reduced(d, reduction, input.dtype)


@composite()
def mse_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """The squared difference.

    Args:
        input: any tensor.
        target: a tensor of the same shape.
        reduction: "mean", "sum" or "none".
        weight: how much each element counts, of the same shape.

    Example:
        >>> tapegrad.nn.functional.mse_loss(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 2.0]))
        tensor(2.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    input, target = _pair("mse_loss", input, target)
    return weighted(lambda kind: _mse(input, target, kind), weight, reduction, input)


def weighted(loss: Any, weight: Any, reduction: str, input: Any) -> Any:
    """``loss(reduction)``, or the weighted mean or sum of the single losses."""
    if weight is None:
        return loss(reduction)
    if weight.shape != input.shape:
        raise ValueError("Inputs and weights must have the same size.")
    losses = loss("none") * weight
    if reduction == "none":
        return losses
    return losses.sum() / weight.sum() if reduction == "mean" else losses.sum()


def _clamped(input: Any, target: Any, limit: float) -> Any:
    return _clamp(input - target, limit)


@op(input=lambda grad, input, limit: _inside(grad, input, limit), public=False, batch=broadcasting())
def _clamp(input: Any, limit: float) -> Any:
    return xp(input).clip(input, -limit, limit)


@op(
    grads=lambda grad, input, limit: _inside(grad, input, limit),
    input=None,
    operands="free",
    public=False,
    batch=broadcasting(),
)
def _inside(grads: Any, input: Any, limit: float) -> Any:
    """Gradients where the input is within the limits."""
    return grads * (abs(input) < limit)


@op(
    input=lambda grad, input, target, reduction, delta, input_shape: (
        _clamped(input, target, delta) * _spread(grad, reduction, input_shape)
    ),
    target=lambda grad, input, target, reduction, delta, input_shape: (
        -_clamped(input, target, delta) * _spread(grad, reduction, input_shape)
    ),
    operands="promote",
    public=False,
    name="huber_loss",
    batch=broadcasting(),
    composed=lambda input, target, reduction, delta: _apart(_huber, input, target, reduction, delta),
)
def _huber(input: Any, target: Any, reduction: str, delta: float) -> Any:
    d = abs(wide(input) - wide(target))
    loss = xp(d).where(d < delta, 0.5 * d * d, delta * (d - 0.5 * delta))
    return _reduced(loss, reduction, input.dtype)


@composite()
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Half the square of a small difference, `delta` times a large one (less a constant).

    Args:
        input: any tensor.
        target: a tensor of the same shape.
        reduction: "mean", "sum" or "none".
        delta: where the one turns into the other.
        weight: how much each element counts, of the same shape.

    Raises:
        RuntimeError: `delta` is not positive.

    Example:
        >>> tapegrad.nn.functional.huber_loss(tapegrad.tensor([0.5, 3.0]), tapegrad.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    check_reduction(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    input, target = _pair("huber_loss", input, target)
    return weighted(lambda kind: _huber(input, target, kind, delta), weight, reduction, input)


@op(
    input=lambda grad, input, target, reduction, beta, input_shape: (
        _clamped(input, target, beta) * (_spread(grad, reduction, input_shape) * (1 / beta))
    ),
    target=lambda grad, input, target, reduction, beta, input_shape: (
        -_clamped(input, target, beta) * (_spread(grad, reduction, input_shape) * (1 / beta))
    ),
    operands="promote",
    public=False,
    name="smooth_l1_loss",
    batch=broadcasting(),
    composed=lambda input, target, reduction, beta: _apart(_smooth_l1, input, target, reduction, beta),
)
def _smooth_l1(input: Any, target: Any, reduction: str, beta: float) -> Any:
    d = abs(wide(input) - wide(target))
    return _reduced(xp(d).where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta), reduction, input.dtype)


@composite()
def smooth_l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
) -> Any:
    """`huber_loss` divided by `beta`: the absolute difference with a round tip.

    Args:
        input: any tensor.
        target: a tensor of the same shape.
        reduction: "mean", "sum" or "none".
        beta: how wide the tip is; 0: `l1_loss`.

    Raises:
        RuntimeError: `beta` is negative.

    Example:
        >>> tapegrad.nn.functional.smooth_l1_loss(tapegrad.tensor([0.5, 3.0]), tapegrad.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    input, target = _pair("smooth_l1_loss", input, target)
    return l1_loss(input, target, reduction=reduction) if beta == 0 else _smooth_l1(input, target, reduction, beta)


@composite()
def l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """The absolute difference.

    Args:
        input: any tensor.
        target: a tensor of the same shape.
        reduction: "mean", "sum" or "none".
        weight: how much each element counts, of the same shape.

    Example:
        >>> tapegrad.nn.functional.l1_loss(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 2.0]))
        tensor(1.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    input, target = _pair("l1_loss", input, target)
    losses = abs(input - target)
    return weighted(
        lambda kind: losses if kind == "none" else losses.mean() if kind == "mean" else losses.sum(),
        weight,
        reduction,
        input,
    )


# ---- probabilities of yes


@op(
    input=lambda grad, input, target, reduction, input_shape: (
        _spread(grad, reduction, input_shape) * _bce_slope(input, target)
    ),
    target=lambda grad, input, reduction, input_shape: _spread(grad, reduction, input_shape) * _bce_log_odds(input),
    operands="same",
    public=False,
    name="binary_cross_entropy",
    batch=broadcasting(),
    composed=lambda input, target, reduction: _apart(_bce, input, target, reduction),
)
def _bce(input: Any, target: Any, reduction: str) -> Any:
    p, t = wide(input), wide(target)
    if p.__class__ is np.ndarray and p.size and not (p.min() >= 0 and p.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    yes, no = _logs(p)
    return _reduced((t - 1) * no - t * yes, reduction, input.dtype)


def _logs(p: Any) -> tuple[Any, Any]:
    """log(p) and log(1 - p), neither below -100."""
    # A probability so near to zero that its logarithm is less than -100 is none that a float32 can tell from zero in a
    # loss.
    tiny = np.exp(-100.0).astype(p.dtype)
    return xp(p).log(xp(p).maximum(p, tiny)), xp(p).log(xp(p).maximum(1 - p, tiny))


def _bce_slope(input: Any, target: Any) -> Any:
    return (input - target) / _variance(input)


@op(input=lambda grad, input: grad * (1 - 2 * input) * _above(input), public=False, batch=broadcasting())
def _variance(input: Any) -> Any:
    """``p (1 - p)``, at least 1e-12."""
    p = wide(input)
    return xp(p).maximum(p * (1 - p), 1e-12).astype(input.dtype, copy=False)


@op(input=None, public=False, batch=broadcasting())
def _above(input: Any) -> Any:
    """One where `_variance` is not cut off."""
    return (input * (1 - input) > 1e-12).astype(input.dtype)


@op(input=lambda grad, input: -grad / _variance(input), public=False, batch=broadcasting())
def _bce_log_odds(input: Any) -> Any:
    """``log(1 - p) - log(p)``, which is not cut off."""
    p = wide(input)
    return (xp(p).log1p(-p) - xp(p).log(p)).astype(input.dtype, copy=False)


def _sizes(input: Any, target: Any, text: str) -> None:
    if raw(input).shape != raw(target).shape:
        raise ValueError(text.format(target=target.shape, input=input.shape))


@composite()
def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """The cross entropy of yes-or-no targets, given probabilities; logarithms are cut off at -100.

    Args:
        input: probabilities.
        target: numbers from 0 to 1, of the same shape.
        weight: how much each element counts; broadcasts with `input`.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the shapes differ.
        RuntimeError: an input is no probability (on the CPU).

    Example:
        >>> tapegrad.nn.functional.binary_cross_entropy(tapegrad.tensor([0.5, 1.0]), tapegrad.tensor([1.0, 1.0]))
        tensor(0.3466)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    _sizes(
        input,
        target,
        "Using a target size ({target}) that is different to the input size ({input}) is deprecated. Please ensure "
        "they have the same size.",
    )
    return _weighed(lambda kind: _bce(input, target, kind), weight, reduction)


def _weighed(loss: Any, weight: Any, reduction: str) -> Any:
    """``loss(reduction)``, or the mean or sum of the single losses times `weight`."""
    if weight is None:
        return loss(reduction)
    losses = loss("none") * weight
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


@op(
    input=lambda grad, input, target, reduction, input_shape: (
        (_sigmoid(input) - target) * _spread(grad, reduction, input_shape)
    ),
    target=lambda grad, input, reduction, input_shape: -input * _spread(grad, reduction, input_shape),
    operands="promote",
    public=False,
    name="binary_cross_entropy_with_logits",
    batch=broadcasting(),
    composed=lambda input, target, reduction: _apart(_bce_logits, input, target, reduction),
)
def _bce_logits(input: Any, target: Any, reduction: str) -> Any:
    x, t = wide(input), wide(target)
    loss = (1 - t) * x
    loss += _softplus_of_minus(x)
    return _reduced(loss, reduction, input.dtype)


def _softplus_of_minus(x: Any) -> Any:
    """``log(1 + exp(-x))``, without overflow."""
    y = xp(x).log1p(xp(x).exp(-abs(x)))
    y -= xp(x).minimum(x, 0)
    return y


@op(input=lambda grad, result: grad * result * (1 - result), kind="elementwise", public=False)
def _sigmoid(input: Any) -> Any:
    x = wide(input)
    e = xp(x).exp(-abs(x))
    return (xp(x).where(x >= 0, 1, e) / (1 + e)).astype(input.dtype, copy=False)


@op(input=lambda grad, input: grad * (_sigmoid(input) - 1), kind="elementwise", public=False)
def log_loss(input: Any) -> Any:
    """``log(1 + exp(-input))``."""
    return _softplus_of_minus(wide(input)).astype(input.dtype, copy=False)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """`binary_cross_entropy` of ``sigmoid(input)``, for inputs of any size.

    Args:
        input: logarithms of odds.
        target: numbers from 0 to 1, of the same shape.
        weight: how much each element counts; broadcasts with `input`.
        reduction: "mean", "sum" or "none".
        pos_weight: how much yes counts against no; broadcasts with `input`.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> logits = tapegrad.tensor([0.0, 1000.0])
        >>> tapegrad.nn.functional.binary_cross_entropy_with_logits(logits, tapegrad.ones(2))
        tensor(0.3466)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    _sizes(input, target, "Target size ({target}) must be the same as input size ({input})")

    def loss(kind: str) -> Any:
        if pos_weight is None:
            return _bce_logits(input, target, kind)
        losses = (1 - target) * input + ((pos_weight - 1) * target + 1) * log_loss(input)
        return losses if kind == "none" else losses.mean() if kind == "mean" else losses.sum()

    return _weighed(loss, weight, reduction)


__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]
