"""Keeping gradients within bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.modes.device_guard import on, on_device_of
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.creation.factories import tensor
from tapegrad.backends import Array, backend, xp

Tensors = Tensor | Iterable[Tensor]


def _tensors(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _grads(parameters: Tensors) -> list[Tensor]:
    return [p.grad for p in _tensors(parameters) if p.grad is not None]


def _norm(array: Array, norm_type: float) -> Array:
    """The norm of all elements, on the array's device."""
    x = wide(array).reshape(-1)
    if norm_type == 2 and x.dtype.kind == "f":
        return xp(x).sqrt(x.dot(x))
    magnitude = xp(x).abs(x)
    if not x.size:
        return magnitude.sum()
    if norm_type == math.inf:
        return magnitude.max()
    if norm_type == -math.inf:
        return magnitude.min()
    if norm_type == 0:
        return (magnitude != 0).sum().astype(magnitude.dtype)
    return (magnitude**norm_type).sum() ** (1.0 / norm_type)


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of one or several tensors, taken as one vector; it stays on their device.

    Args:
        norm_type: the p of the norm; may be infinite.
        error_if_nonfinite: raise a RuntimeError if the norm is infinite or NaN, which the host has to wait for.
        foreach: ignored.

    Example:
        >>> tapegrad.nn.utils.get_total_norm([tapegrad.tensor([3.0]), tapegrad.tensor([4.0])])
        tensor(5.)
    """
    tensors = _tensors(tensors)
    if not tensors:
        return tensor(0.0)
    norm_type = float(norm_type)
    first = tensors[0]._array
    home = backend(first).device_of(first)
    # The norms are gathered on the device of the first tensor; nothing goes to the host.
    norms = []
    for t in tensors:
        with on_device_of(t):
            norms.append(backend(t._array).to_device(_norm(t._array, norm_type), home))
    total = norms[0]
    if len(norms) > 1:
        with on(home):
            gathered = xp(first).empty(len(norms), norms[0].dtype)
            for i, norm in enumerate(norms):
                gathered[i] = norm
            total = _norm(gathered, norm_type)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite norm "
            "anyway, set `error_if_nonfinite=False`"
        )
    with on(home):
        return from_array(xp(first).asarray(total))


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients of one or several tensors by ``max_norm / total_norm``, in place, if that is less than 1."""
    with on_device_of(total_norm):
        limit = float(max_norm) / (total_norm._array + 1e-6)
        factor = xp(total_norm._array).minimum(limit, 1.0)
    for grad in _grads(parameters):
        array = grad._array
        with on_device_of(total_norm):
            local_factor = backend(array).to_device(
                xp(array).asarray(factor, dtype=array.dtype), backend(array).device_of(array)
            )
        with on_device_of(grad):
            array *= local_factor
        bump(grad)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of one or several tensors, in place, so that their norm is at most `max_norm`.

    Returns the norm before; the arguments are as in `get_total_norm`.

    Example:
        >>> w = tapegrad.ones(2, requires_grad=True)
        >>> (3 * w[0] + 4 * w[1]).backward()
        >>> tapegrad.nn.utils.clip_grad_norm_([w], 1.0), w.grad
        (tensor(5.), tensor([0.6000, 0.8000]))
    """
    parameters = _tensors(parameters)
    total = get_total_norm(_grads(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Clamp the gradients of one or several tensors, in place, to ``-clip_value`` and `clip_value`.

    Example:
        >>> w = tapegrad.ones(2, requires_grad=True)
        >>> (3 * w[0] - 0.5 * w[1]).backward()
        >>> tapegrad.nn.utils.clip_grad_value_([w], 1.0)
        >>> w.grad
        tensor([ 1.0000, -0.5000])
    """
    bound = float(clip_value)
    for grad in _grads(parameters):
        array = grad._array
        xp(array).clip(array, -bound, bound, out=array)
        bump(grad)


__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]
