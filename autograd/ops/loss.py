"""Losses whose value and gradient are computed in one go."""
from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.op import composite, op
from tapegrad.autograd.ops.precision import wide
from tapegrad.autograd.ops.reduce import sum as total
from tapegrad.autograd.runtime import sum_to
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import xp

INT64 = np.dtype(np.int64)


def _array(t: Any) -> Any:
    return t._array if isinstance(t, Tensor) else t


def check_reduction(reduction: str) -> None:
    """Raise torch's error for a reduction that there is not."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def _reduced(loss: Any, reduction: str, dtype: Any) -> Any:
    """Single losses as asked for; they are added up in float32 at least."""
    if reduction == "none":
        return loss.astype(dtype, copy=False)
    y = loss.sum() if reduction == "sum" else _mean(loss)
    return y.astype(dtype, copy=False)


def _mean(losses: Any) -> Any:
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


# ---- classes

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


def _take(x: Any, places: tuple[Any, ...]) -> Any:
    try:
        return x[places]
    except IndexError:
        raise IndexError(f"Target {places[1].max()} is out of bounds.") from None


def _weighed_losses(losses: Any, target: Any, valid: Any, weight: Any, reduction: str) -> tuple[Any, Any]:
    """The reduced loss, and how much each single loss counts in it: a number, or an array of `target`'s shape."""
    if weight is None and valid is None:
        if reduction == "mean":
            return _mean(losses), 1 / target.size if target.size else 0.0
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


@op(input=lambda grad, input_shape, target, shares, ignore_index: _nll_back(grad, target, shares, input_shape, ignore_index), target=None, weight=None,
    keeps=("shares",), types="free", public=False, name="nll_loss")
def _nll(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    found, valid = _classes(target, input.shape[1], ignore_index)
    loss, shares = _weighed_losses(-wide(_take(input, _places(found))), found, valid, weight, reduction)
    return loss.astype(input.dtype, copy=False), shares


@op(output=lambda grad, target, shares, output_shape, ignore_index: _nll_take(grad, target, shares, output_shape, ignore_index), target=None, types="free",
    public=False)
def _nll_back(output: Any, target: Any, shares: Any, shape: tuple[int, ...], ignore_index: int) -> Any:
    found, _ = _classes(target, shape[1], ignore_index)
    d = xp(output).zeros(shape, output.dtype)
    d[_places(found)] = output * -shares
    return d


@op(output=lambda grad, target, shares, output_shape, ignore_index: _nll_back(grad, target, shares, output_shape, ignore_index), target=None, types="free",
    public=False)
def _nll_take(output: Any, target: Any, shares: Any, shape: tuple[int, ...], ignore_index: int) -> Any:
    """The adjoint of `_nll_back`: of `shape`, that of the single losses or ()."""
    found, _ = _classes(target, output.shape[1], ignore_index)
    losses = output[_places(found)] * -shares
    return losses.astype(output.dtype, copy=False) if shape == losses.shape else losses.sum().astype(output.dtype, copy=False)


@op(input=lambda grad, input, target, shares, exps, sums, ignore_index: _ce_back(grad, input, target, shares, exps, sums, ignore_index),
    target=None, weight=None, keeps=("shares", "exps", "sums"), types="free", public=False, name="nll_loss")
def _cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """`_nll` of the logarithm of the softmax of `input`, by which it may be as large as it likes."""
    found, valid = _classes(target, input.shape[1], ignore_index)
    z = wide(input)
    z = z - z.max(axis=1, keepdims=True)
    exps = xp(z).exp(z)
    sums = exps.sum(axis=1)
    loss = xp(z).log(sums) - _take(z, _places(found))
    loss, shares = _weighed_losses(loss, found, valid, weight, reduction)
    return loss.astype(input.dtype, copy=False), shares, exps, sums


@op(output=lambda grad, input, target, shares, exps, sums, ignore_index, output_shape:
        sum_to(_ce_take(grad, input, target, shares, exps, sums, ignore_index), output_shape),
    input=lambda grad, output, input, shares, exps, sums: _ce_back_input(grad, output, input, shares, exps, sums), target=None, types="free", public=False)
def _ce_back(output: Any, input: Any, target: Any, shares: Any, exps: Any, sums: Any, ignore_index: int) -> Any:
    """``(softmax(input) - one_hot(target)) * output * shares``."""
    found, _ = _classes(target, input.shape[1], ignore_index)
    g = wide(output) * shares
    d = exps * (g / sums)[:, None]
    d[_places(found)] -= g
    return d.astype(input.dtype, copy=False)


def _ce_take(grad: Any, input: Any, target: Any, shares: Any, exps: Any, sums: Any, ignore_index: int) -> Any:
    """The gradient of `_ce_back` for each single loss: what `grad` sums up to by ``softmax(input) - one_hot(target)``."""
    p = _softmax(input, exps, sums)
    return (total(grad * p, 1) - _pick(grad, target, ignore_index)) * shares


def _ce_back_input(grad: Any, output: Any, input: Any, shares: Any, exps: Any, sums: Any) -> Any:
    p = _softmax(input, exps, sums)
    pulled = p * (grad - total(grad * p, 1, True))
    g = output * shares
    return pulled * (g if g.ndim == 0 else g[:, None])


@op(input=lambda grad, input, exps, sums: _softmax_rule(grad, input, exps, sums), public=False)
def _softmax(input: Any, exps: Any, sums: Any) -> Any:
    """The softmax of `input`, whose parts are known already."""
    return (exps / sums[:, None]).astype(input.dtype, copy=False)


def _softmax_rule(grad: Any, input: Any, exps: Any, sums: Any) -> Any:
    p = _softmax(input, exps, sums)
    return p * (grad - total(grad * p, 1, True))


@op(input=lambda grad, input_shape, target, ignore_index: _unpick(grad, target, input_shape, ignore_index), target=None, types="free", public=False)
def _pick(input: Any, target: Any, ignore_index: int) -> Any:
    """The elements of class `target`."""
    return input[_places(_classes(target, input.shape[1], ignore_index)[0])]


@op(input=lambda grad, target, ignore_index: _pick(grad, target, ignore_index), target=None, types="free", public=False)
def _unpick(input: Any, target: Any, shape: tuple[int, ...], ignore_index: int) -> Any:
    d = xp(input).zeros(shape, input.dtype)
    d[_places(_classes(target, shape[1], ignore_index)[0])] = input
    return d


def _check_classes(input: Any, target: Any, weight: Any, reduction: str) -> None:
    """Raise torch's errors for operands that do not fit."""
    x, t = _array(input), _array(target)
    check_reduction(reduction)
    if x.ndim == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    if x.ndim > 1 and x.shape[0] != (t.shape[0] if t.ndim else 1):
        raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0] if t.ndim else 1}).")
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
        w = _array(weight)
        if w.ndim != 1 or w.shape[0] != classes:
            raise RuntimeError(f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: "
                               f"{list(w.shape)}")
        if w.dtype != x.dtype:
            raise RuntimeError(f"expected scalar type {dtypes.of(x.dtype).scalar_type} but found {dtypes.of(w.dtype).scalar_type}")


def _of_classes(loss: Any, input: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    _check_classes(input, target, weight, reduction)
    if _array(input).ndim > 1:
        return loss(input, target, weight, ignore_index, reduction)
    y = loss(input.reshape(1, -1), target.reshape(1), weight, ignore_index, reduction)
    return y.reshape(target.shape) if reduction == "none" else y


@composite()
def nll_loss(input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
             reduction: str = "mean") -> Any:
    """The negative log-likelihood of classes, given the logarithms of their probabilities.

    Args:
        input: logarithms of probabilities, of shape (N, C, ...) or (C,).
        target: int64 class numbers, of shape (N, ...) or ().
        weight: how much each class counts, of shape (C,).
        ignore_index: targets that do not count.
        reduction: "mean" (weighted), "sum" or "none".

    Raises:
        ValueError, RuntimeError: the operands do not fit.
        IndexError: a target is no class (on the CPU).

    Example:
        >>> import tapegrad
        >>> tapegrad.nn.functional.nll_loss(tapegrad.tensor([[-1.0, -2.0], [-3.0, -4.0]]), tapegrad.tensor([0, 1]))
        tensor(2.5000)
    """
    return _of_classes(_nll, input, target, weight, ignore_index, legacy_reduction(size_average, reduce, reduction))


@composite()
def cross_entropy(input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
                  reduction: str = "mean", label_smoothing: float = 0.0) -> Any:
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
        IndexError: a target is no class (on the CPU).

    Example:
        >>> import tapegrad
        >>> tapegrad.nn.functional.cross_entropy(tapegrad.tensor([[0.0, 0.0]]), tapegrad.tensor([1]))
        tensor(0.6931)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    x, t = _array(input), _array(target)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if x.shape == t.shape and t.dtype.kind in "fV":
        return _of_probabilities(input, target, weight, reduction, label_smoothing)
    if not label_smoothing:
        return _of_classes(_cross_entropy, input, target, weight, ignore_index, reduction)
    return _smoothed(input, target, weight, ignore_index, reduction, label_smoothing)


def _of_probabilities(input: Any, target: Any, weight: Any, reduction: str, smoothing: float) -> Any:
    from tapegrad.autograd.ops.softmax import log_softmax
    check_reduction(reduction)
    x = _array(input)
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
    from tapegrad.autograd.ops.softmax import log_softmax
    _check_classes(input, target, weight, reduction)
    x = _array(input)
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


@op(target=None, like=None, types="free", public=False)
def _valid(target: Any, like: Any, ignore_index: int) -> Any:
    """One for each target that counts, zero for the others."""
    return (target != ignore_index).astype(like.dtype)


@op(target=None, like=None, weight=None, types="free", public=False)
def _share_sum(target: Any, like: Any, weight: Any = None, ignore_index: int = -100) -> Any:
    """What the targets that count weigh together."""
    valid = target != ignore_index
    if weight is None:
        return valid.sum().astype(like.dtype)
    return (weight[xp(target).where(valid, target, 0)] * valid).sum().astype(like.dtype)


def legacy_reduction(size_average: Any, reduce: Any, reduction: str) -> str:
    """The reduction that torch's old arguments `size_average` and `reduce` mean."""
    if size_average is None and reduce is None:
        return reduction
    import warnings
    meant = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.", stacklevel=3)
    return meant


# ---- distances

def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both operands with one shape and dtype; torch warns where it has to broadcast."""
    a, b = _array(input), _array(target)
    if a.shape == b.shape:
        return input, target
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        dim = next(i for i in range(-1, -1 - min(a.ndim, b.ndim), -1) if a.shape[i] != b.shape[i] and 1 not in (a.shape[i], b.shape[i]))
        raise RuntimeError(f"The size of tensor a ({a.shape[dim]}) must match the size of tensor b ({b.shape[dim]}) at non-singleton dimension "
                           f"{max(a.ndim, b.ndim) + dim}") from None
    import warnings
    warnings.warn(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely lead to incorrect results "
                  "due to broadcasting. Please ensure they have the same size.", stacklevel=4)
    return input.expand(shape), target.expand(shape)


@op(input=lambda grad, input, target, reduction, input_shape: (input - target) * (_spread(grad, reduction, input_shape) * 2),
    target=lambda grad, input, target, reduction, input_shape: (target - input) * (_spread(grad, reduction, input_shape) * 2),
    types="promote", public=False, name="mse_loss")
def _mse(input: Any, target: Any, reduction: str) -> Any:
    d = wide(input) - wide(target)
    d *= d
    return _reduced(d, reduction, input.dtype)


@composite()
def mse_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None) -> Any:
    """The squared difference.

    Args:
        input: any tensor.
        target: a tensor of the same shape.
        reduction: "mean", "sum" or "none".
        weight: how much each element counts, of the same shape.

    Example:
        >>> import tapegrad
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


@op(input=lambda grad, input, limit: _inside(grad, input, limit), public=False)
def _clamp(input: Any, limit: float) -> Any:
    return xp(input).clip(input, -limit, limit)


@op(grads=lambda grad, input, limit: _inside(grad, input, limit), input=None, types="free", public=False)
def _inside(grads: Any, input: Any, limit: float) -> Any:
    """Gradients where the input is within the limits."""
    return grads * (abs(input) < limit)


@op(input=lambda grad, input, target, reduction, delta, input_shape: _clamped(input, target, delta) * _spread(grad, reduction, input_shape),
    target=lambda grad, input, target, reduction, delta, input_shape: -_clamped(input, target, delta) * _spread(grad, reduction, input_shape),
    types="promote", public=False, name="huber_loss")
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
        >>> import tapegrad
        >>> tapegrad.nn.functional.huber_loss(tapegrad.tensor([0.5, 3.0]), tapegrad.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    check_reduction(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    input, target = _pair("huber_loss", input, target)
    return weighted(lambda kind: _huber(input, target, kind, delta), weight, reduction, input)


@op(input=lambda grad, input, target, reduction, beta, input_shape: _clamped(input, target, beta) * (_spread(grad, reduction, input_shape) * (1 / beta)),
    target=lambda grad, input, target, reduction, beta, input_shape: -_clamped(input, target, beta) * (_spread(grad, reduction, input_shape) * (1 / beta)),
    types="promote", public=False, name="smooth_l1_loss")
def _smooth_l1(input: Any, target: Any, reduction: str, beta: float) -> Any:
    d = abs(wide(input) - wide(target))
    return _reduced(xp(d).where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta), reduction, input.dtype)


@composite()
def smooth_l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0) -> Any:
    """`huber_loss` divided by `beta`: the absolute difference with a round tip.

    Args:
        input: any tensor.
        target: a tensor of the same shape.
        reduction: "mean", "sum" or "none".
        beta: how wide the tip is; 0: `l1_loss`.

    Raises:
        RuntimeError: `beta` is negative.

    Example:
        >>> import tapegrad
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
def l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None) -> Any:
    """The absolute difference.

    Args:
        input: any tensor.
        target: a tensor of the same shape.
        reduction: "mean", "sum" or "none".
        weight: how much each element counts, of the same shape.

    Example:
        >>> import tapegrad
        >>> tapegrad.nn.functional.l1_loss(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 2.0]))
        tensor(1.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    input, target = _pair("l1_loss", input, target)
    losses = abs(input - target)
    return weighted(lambda kind: losses if kind == "none" else losses.mean() if kind == "mean" else losses.sum(), weight, reduction, input)


# ---- probabilities of yes

@op(input=lambda grad, input, target, reduction, input_shape: _spread(grad, reduction, input_shape) * _bce_slope(input, target),
    target=lambda grad, input, reduction, input_shape: _spread(grad, reduction, input_shape) * _bce_log_odds(input),
    types="same", public=False, name="binary_cross_entropy")
def _bce(input: Any, target: Any, reduction: str) -> Any:
    p, t = wide(input), wide(target)
    if p.__class__ is np.ndarray and p.size and not (p.min() >= 0 and p.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    yes, no = _logs(p)
    return _reduced((t - 1) * no - t * yes, reduction, input.dtype)


def _logs(p: Any) -> tuple[Any, Any]:
    """log(p) and log(1 - p), neither below -100."""
    # A probability so near to zero that its logarithm is less than -100 is none that a float32 can tell from zero in a loss.
    tiny = np.exp(-100.0).astype(p.dtype)
    return xp(p).log(xp(p).maximum(p, tiny)), xp(p).log(xp(p).maximum(1 - p, tiny))


def _bce_slope(input: Any, target: Any) -> Any:
    return (input - target) / _variance(input)


@op(input=lambda grad, input: grad * (1 - 2 * input) * _above(input), public=False)
def _variance(input: Any) -> Any:
    """``p (1 - p)``, at least 1e-12."""
    p = wide(input)
    return xp(p).maximum(p * (1 - p), 1e-12).astype(input.dtype, copy=False)


@op(input=None, public=False)
def _above(input: Any) -> Any:
    """One where `_variance` is not cut off."""
    return (input * (1 - input) > 1e-12).astype(input.dtype)


@op(input=lambda grad, input: -grad / _variance(input), public=False)
def _bce_log_odds(input: Any) -> Any:
    """``log(1 - p) - log(p)``, which is not cut off."""
    p = wide(input)
    return (xp(p).log1p(-p) - xp(p).log(p)).astype(input.dtype, copy=False)


def _sizes(input: Any, target: Any, text: str) -> None:
    if _array(input).shape != _array(target).shape:
        raise ValueError(text.format(target=target.shape, input=input.shape))


@composite()
def binary_cross_entropy(input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
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
        >>> import tapegrad
        >>> tapegrad.nn.functional.binary_cross_entropy(tapegrad.tensor([0.5, 1.0]), tapegrad.tensor([1.0, 1.0]))
        tensor(0.3466)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    _sizes(input, target, "Using a target size ({target}) that is different to the input size ({input}) is deprecated. Please ensure they have the same size.")
    return _weighed(lambda kind: _bce(input, target, kind), weight, reduction)


def _weighed(loss: Any, weight: Any, reduction: str) -> Any:
    """``loss(reduction)``, or the mean or sum of the single losses times `weight`."""
    if weight is None:
        return loss(reduction)
    losses = loss("none") * weight
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


@op(input=lambda grad, input, target, reduction, input_shape: (_sigmoid(input) - target) * _spread(grad, reduction, input_shape),
    target=lambda grad, input, reduction, input_shape: -input * _spread(grad, reduction, input_shape),
    types="promote", public=False, name="binary_cross_entropy_with_logits")
def _bce_logits(input: Any, target: Any, reduction: str) -> Any:
    x, t = wide(input), wide(target)
    loss = _softplus_of_minus(x)
    loss += (1 - t) * x
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


def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
                                     pos_weight: Any = None) -> Any:
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
        >>> import tapegrad
        >>> tapegrad.nn.functional.binary_cross_entropy_with_logits(tapegrad.tensor([0.0, 1000.0]), tapegrad.tensor([1.0, 1.0]))
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


__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss"]
