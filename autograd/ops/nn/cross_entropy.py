"""The cross entropy of classes, with the softmax inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.nn import cross_entropy_composed as composed
from tapegrad.autograd.ops.nn.loss import check_reduction, legacy_reduction, mean_of
from tapegrad.autograd.ops.reduction.softmax import log_softmax
from tapegrad.autograd.ops.reduction.sum import sum as total
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, xp

INT64 = np.dtype(np.int64)


def _places(target: Any) -> tuple[Any, ...]:
    """An index that takes from (N, C, ...) the element of class `target` (N, ...)."""
    n = target.ndim
    numbers = [xp(target).arange(size).reshape(-1, *(1,) * (n - 1 - i)) for i, size in enumerate(target.shape)]
    return (numbers[0], target, *numbers[1:])


def _classes(target: Any, count: int, ignore_index: int) -> tuple[Any, Any]:
    """Class numbers that can be used as an index, and which of them count (None: all)."""
    if target.dtype is not INT64:
        target = target.astype(INT64)
    # On the host a look at the values saves the mask.
    if target.__class__ is np.ndarray and not 0 <= ignore_index < count and (not target.size or target.min() >= 0):
        return target, None
    valid = target != ignore_index
    target = xp(target).where(valid, target, 0)
    if target.__class__ is np.ndarray and target.size and target.min() < 0:
        raise IndexError(f"Target {target.min()} is out of bounds.")
    return target, valid


def _take(name: str, x: Any, places: tuple[Any, ...]) -> Any:
    """The elements at `places`, whose second part holds class numbers, of which wrong ones are reported."""
    if x.__class__ is not np.ndarray:
        backend(x).assert_index(places[1], 0, x.shape[1], name, 1)
    try:
        return x[places]
    except IndexError:
        raise IndexError(f"Target {places[1].max()} is out of bounds.") from None


def _weighed_losses(losses: Any, target: Any, valid: Any, weight: Any, reduction: str) -> tuple[Any, Any]:
    """The reduced loss, and how much each single loss counts in it: a number, or an array of `target`'s shape."""
    if weight is None and valid is None:
        if reduction == "mean":
            return mean_of(losses), 1 / target.size if target.size else 0.0
        return (losses if reduction == "none" else losses.sum()), 1
    shares = valid.astype(losses.dtype) if weight is None else weight.astype(losses.dtype, copy=False)[target]
    if weight is not None and valid is not None:
        shares = shares * valid
    # What is ignored may be NaN.
    losses = losses * shares if valid is None else xp(losses).where(valid, losses * shares, 0)
    if reduction == "none":
        return losses, shares
    if reduction == "sum":
        return losses.sum(), shares
    weights = shares.sum()
    # Where nothing counts, the mean is NaN and the gradient zero, as in torch.
    return losses.sum() / weights, shares / xp(weights).where(weights == 0, 1, weights)


@op(
    input=lambda grad, input_shape, target, shares, ignore_index: _nll_back(
        grad, target, shares, input_shape, ignore_index
    ),
    target=None,
    weight=None,
    keeps=("shares",),
    operands="free",
    public=False,
    name="nll_loss",
    composed=composed.nll,
)
def _nll(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    found, valid = _classes(target, input.shape[1], ignore_index)
    loss, shares = _weighed_losses(-wide(_take("nll_loss", input, _places(found))), found, valid, weight, reduction)
    return loss.astype(input.dtype, copy=False), shares


@op(
    output=lambda grad, target, shares, output_shape, ignore_index: _nll_take(
        grad, target, shares, output_shape, ignore_index
    ),
    target=None,
    operands="free",
    public=False,
    composed=composed.nll_back,
)
def _nll_back(output: Any, target: Any, shares: Any, shape: tuple[int, ...], ignore_index: int) -> Any:
    found, _ = _classes(target, shape[1], ignore_index)
    d = xp(output).zeros(shape, output.dtype)
    d[_places(found)] = output * -shares
    return d


@op(
    output=lambda grad, target, shares, output_shape, ignore_index: _nll_back(
        grad, target, shares, output_shape, ignore_index
    ),
    target=None,
    operands="free",
    public=False,
    composed=composed.nll_take,
)
def _nll_take(output: Any, target: Any, shares: Any, shape: tuple[int, ...], ignore_index: int) -> Any:
    """The adjoint of `_nll_back`: of `shape`, that of the single losses or ()."""
    found, _ = _classes(target, output.shape[1], ignore_index)
    losses = output[_places(found)] * -shares
    return (
        losses.astype(output.dtype, copy=False)
        if shape == losses.shape
        else losses.sum().astype(output.dtype, copy=False)
    )


@op(
    input=lambda grad, input, target, shares, exps, sums, ignore_index: _ce_back(
        grad, input, target, shares, exps, sums, ignore_index
    ),
    target=None,
    weight=None,
    keeps=("shares", "exps", "sums"),
    operands="free",
    public=False,
    name="nll_loss",
    composed=composed.cross_entropy,
)
def _cross_entropy(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """`_nll` of the logarithm of the softmax of `input`, by which it may be as large as it likes."""
    found, valid = _classes(target, input.shape[1], ignore_index)
    z = wide(input)
    z = z - z.max(axis=1, keepdims=True)
    exps = xp(z).exp(z)
    sums = exps.sum(axis=1)
    loss = xp(z).log(sums) - _take("cross_entropy", z, _places(found))
    loss, shares = _weighed_losses(loss, found, valid, weight, reduction)
    return loss.astype(input.dtype, copy=False), shares, exps, sums


@op(
    output=lambda grad, input, target, shares, exps, sums, ignore_index, output_shape: sum_to(
        _ce_take(grad, input, target, shares, exps, sums, ignore_index), output_shape
    ),
    input=lambda grad, output, input, shares, exps, sums: _ce_back_input(grad, output, input, shares, exps, sums),
    target=None,
    operands="free",
    public=False,
    composed=composed.ce_back,
)
def _ce_back(output: Any, input: Any, target: Any, shares: Any, exps: Any, sums: Any, ignore_index: int) -> Any:
    """``(softmax(input) - one_hot(target)) * output * shares``."""
    found, _ = _classes(target, input.shape[1], ignore_index)
    g = wide(output) * shares
    d = exps * (g / sums)[:, None]
    d[_places(found)] -= g
    return d.astype(input.dtype, copy=False)


def _ce_take(grad: Any, input: Any, target: Any, shares: Any, exps: Any, sums: Any, ignore_index: int) -> Any:
    """The gradient of `_ce_back` for each single loss: what `grad` sums up to by ``softmax(input) -
    one_hot(target)``.
    """
    p = _softmax(input, exps, sums)
    return (total(grad * p, 1) - _pick(grad, target, ignore_index)) * shares


def _ce_back_input(grad: Any, output: Any, input: Any, shares: Any, exps: Any, sums: Any) -> Any:
    p = _softmax(input, exps, sums)
    pulled = p * (grad - total(grad * p, 1, True))
    g = output * shares
    return pulled * (g if g.ndim == 0 else g[:, None])


@op(
    input=lambda grad, input, exps, sums: _softmax_rule(grad, input, exps, sums),
    public=False,
    composed=composed.softmax_of,
)
def _softmax(input: Any, exps: Any, sums: Any) -> Any:
    """The softmax of `input`, whose parts are known already."""
    return (exps / sums[:, None]).astype(input.dtype, copy=False)


def _softmax_rule(grad: Any, input: Any, exps: Any, sums: Any) -> Any:
    p = _softmax(input, exps, sums)
    return p * (grad - total(grad * p, 1, True))


@op(
    input=lambda grad, input_shape, target, ignore_index: _unpick(grad, target, input_shape, ignore_index),
    target=None,
    operands="free",
    public=False,
    composed=composed.pick,
)
def _pick(input: Any, target: Any, ignore_index: int) -> Any:
    """The elements of class `target`."""
    return input[_places(_classes(target, input.shape[1], ignore_index)[0])]


@op(
    input=lambda grad, target, ignore_index: _pick(grad, target, ignore_index),
    target=None,
    operands="free",
    public=False,
    composed=composed.unpick,
)
def _unpick(input: Any, target: Any, shape: tuple[int, ...], ignore_index: int) -> Any:
    d = xp(input).zeros(shape, input.dtype)
    d[_places(_classes(target, shape[1], ignore_index)[0])] = input
    return d


def _check_classes(input: Any, target: Any, weight: Any, reduction: str) -> None:
    """Raise torch's errors for operands that do not fit."""
    x, t = raw(input), raw(target)
    check_reduction(reduction)
    if x.ndim == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    if x.ndim > 1 and x.shape[0] != (t.shape[0] if t.ndim else 1):
        raise ValueError(
            f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0] if t.ndim else 1})."
        )
    if x.ndim > 1 and (x.shape[0], *x.shape[2:]) != t.shape:
        if x.ndim == 2:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        raise RuntimeError(f"size mismatch (got input: {list(x.shape)} , target: {list(t.shape)}")
    if x.ndim == 1 and t.size != 1:
        raise RuntimeError(f"size mismatch (got input: {list(x.shape)}, target: {list(t.shape)})")
    if t.dtype != np.int64 and t.dtype != np.uint8:
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {dtypes.of(t.dtype).scalar_type}")
    if weight is not None:
        classes = x.shape[1 if x.ndim > 1 else 0]
        w = raw(weight)
        if w.ndim != 1 or w.shape[0] != classes:
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got weight "
                "tensor of shape: "
                f"{list(w.shape)}"
            )
        if w.dtype != x.dtype:
            raise RuntimeError(
                f"expected scalar type {dtypes.of(x.dtype).scalar_type} but found {dtypes.of(w.dtype).scalar_type}"
            )


def _of_classes(loss: Any, input: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    _check_classes(input, target, weight, reduction)
    if raw(input).ndim > 1:
        return loss(input, target, weight, ignore_index, reduction)
    y = loss(input.reshape(1, -1), target.reshape(1), weight, ignore_index, reduction)
    return y.reshape(target.shape) if reduction == "none" else y


@composite()
def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """The negative log-likelihood of classes, given the logarithms of their probabilities.

    Args:
        input: logarithms of probabilities, of shape (N, C, ...) or (C,).
        target: int64 class numbers, of shape (N, ...) or ().
        weight: how much each class counts, of shape (C,).
        ignore_index: targets that do not count.
        reduction: "mean" (weighted), "sum" or "none".

    Raises:
        ValueError, RuntimeError: the operands do not fit.
        IndexError: a target is no class (on a device, when the program next waits for it).

    Example:
        >>> tapegrad.nn.functional.nll_loss(tapegrad.tensor([[-1.0, -2.0], [-3.0, -4.0]]), tapegrad.tensor([0, 1]))
        tensor(2.5000)
    """
    return _of_classes(_nll, input, target, weight, ignore_index, legacy_reduction(size_average, reduce, reduction))


@composite()
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """The cross entropy of classes, or of probabilities of classes, given unnormalised logarithms of probabilities.

    Args:
        input: of shape (N, C, ...) or (C,).
        target: int64 class numbers of shape (N, ...) or (), or probabilities of the shape of `input`.
        weight: how much each class counts, of shape (C,).
        ignore_index: targets that do not count.
        reduction: "mean" (weighted), "sum" or "none".
        label_smoothing: how much of the target's probability is spread over all classes.

    Raises:
        ValueError, RuntimeError: the operands do not fit.
        IndexError: a target is no class (on a device, when the program next waits for it).

    Example:
        >>> tapegrad.nn.functional.cross_entropy(tapegrad.tensor([[0.0, 0.0]]), tapegrad.tensor([1]))
        tensor(0.6931)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    x, t = raw(input), raw(target)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if x.shape == t.shape and t.dtype.kind in "fV":
        return _of_probabilities(input, target, weight, reduction, label_smoothing)
    if not label_smoothing:
        return _of_classes(_cross_entropy, input, target, weight, ignore_index, reduction)
    return _smoothed(input, target, weight, ignore_index, reduction, label_smoothing)


def _of_probabilities(input: Any, target: Any, weight: Any, reduction: str, smoothing: float) -> Any:
    check_reduction(reduction)
    x = raw(input)
    dim = 0 if x.ndim == 1 else 1
    classes = x.shape[dim]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    log_p = log_softmax(input, dim)
    if weight is not None:
        log_p = log_p * weight.reshape(-1, *(1,) * (x.ndim - dim - 1))
    losses = -total(log_p * target, dim)
    if reduction == "none":
        return losses
    return losses.sum() / (x.size // max(classes, 1)) if reduction == "mean" else losses.sum()


def _smoothed(input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float) -> Any:
    """A mixture of the cross entropy with the classes, and with all classes alike."""
    _check_classes(input, target, weight, reduction)
    x = raw(input)
    dim = 0 if x.ndim == 1 else 1
    log_p = log_softmax(input, dim)
    of_class = nll_loss(log_p, target, weight, ignore_index=ignore_index, reduction=reduction)
    weighted = log_p if weight is None else log_p * weight.reshape(-1, *(1,) * (x.ndim - dim - 1))
    losses = -total(weighted, dim) * _valid(target, log_p, ignore_index)
    if reduction == "none":
        of_all = losses
    else:
        of_all = losses.sum()
        if reduction == "mean":
            of_all = of_all / _share_sum(target, log_p, weight, ignore_index)
    return of_class * (1 - smoothing) + of_all * (smoothing / x.shape[dim])


@op(
    target=None,
    like=None,
    operands="free",
    public=False,
    composed=lambda target, like, ignore_index: (target != ignore_index).to(like.dtype),
)
def _valid(target: Any, like: Any, ignore_index: int) -> Any:
    """One for each target that counts, zero for the others."""
    return (target != ignore_index).astype(like.dtype)


@op(target=None, like=None, weight=None, operands="free", public=False, composed=composed.share_sum)
def _share_sum(target: Any, like: Any, weight: Any = None, ignore_index: int = -100) -> Any:
    """What the targets that count weigh together."""
    valid = target != ignore_index
    if weight is None:
        return valid.sum().astype(like.dtype)
    return (weight[xp(target).where(valid, target, 0)] * valid).sum().astype(like.dtype)


__all__ = ["cross_entropy", "nll_loss"]
