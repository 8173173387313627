"""Keeping gradients within bounds."""
from __future__ import annotations

import math
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.modes.device_guard import on, on_device_of
from tapegrad.autograd.ops.common.half_precision import wide
from tapegrad.autograd.ops.creation.factories import tensor
from tapegrad.backends import backend, xp


def _grads(parameters: Any) -> list[Tensor]:
    found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in found if p.grad is not None]


def _norm(array: Any, norm_type: float) -> Any:
    """The norm of all elements, on the array's device."""
    x = wide(array).reshape(-1)
    if norm_type == 2 and x.dtype.kind == "f":
        return xp(x).sqrt(x.dot(x))
    size = xp(x).abs(x)
    if not x.size:
        return size.sum()
    if norm_type == math.inf:
        return size.max()
    if norm_type == -math.inf:
        return size.min()
    if norm_type == 0:
        return (size != 0).sum().astype(size.dtype)
    return (size ** norm_type).sum() ** (1.0 / norm_type)


def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None) -> Tensor:
    """The norm of tensors, taken for one long vector; it stays on their device.

    Args:
        tensors: one or several.
        norm_type: the p of the norm; may be infinite.
        error_if_nonfinite: raise if it is infinite or NaN (which has to look at its value).
        foreach: ignored.

    Raises:
        RuntimeError: the norm is not finite.

    Example:
        >>> tapegrad.nn.utils.get_total_norm([tapegrad.tensor([3.0]), tapegrad.tensor([4.0])])
        tensor(5.)
    """
    found = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not found:
        return tensor(0.0)
    norm_type = float(norm_type)
    first = found[0]._array
    home = backend(first).device_of(first)
    # On a device the norms are gathered where the first tensor is; nothing goes to the host.
    norms = []
    for t in found:
        with on_device_of(t):
            norms.append(backend(t._array).to_device(_norm(t._array, norm_type), home))
    total = norms[0]
    if len(norms) > 1:
        with on(home):
            together = xp(first).empty(len(norms), norms[0].dtype)
            for i, norm in enumerate(norms):
                together[i] = norm
            total = _norm(together, norm_type)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To disable this error "
                           "and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`")
    with on(home):
        return from_array(xp(first).asarray(total))


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None) -> None:
    """Scale gradients down, in place, by what `total_norm` exceeds `max_norm`.

    Args:
        parameters: one or several tensors, whose ``.grad`` is scaled.
        max_norm: the largest norm.
        total_norm: the norm.
        foreach: ignored.
    """
    with on_device_of(total_norm):
        limit = float(max_norm) / (total_norm._array + 1e-6)
        factor = xp(total_norm._array).minimum(limit, 1.0)
    for grad in _grads(parameters):
        array = grad._array
        with on_device_of(total_norm):
            own = backend(array).to_device(xp(array).asarray(factor, dtype=array.dtype), backend(array).device_of(array))
        with on_device_of(grad):
            array *= own
        bump(grad)


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None) -> Tensor:
    """Scale gradients down, in place, so that their norm, taken as one vector, is at most `max_norm`.

    Args:
        parameters: one or several tensors, whose ``.grad`` is scaled.
        max_norm: the largest norm.
        norm_type: the p of the norm; may be infinite.
        error_if_nonfinite: raise if the norm is infinite or NaN (which has to look at its value).
        foreach: ignored.

    Returns:
        The norm before.

    Raises:
        RuntimeError: the norm is not finite.

    Example:
        >>> w = tapegrad.ones(2, requires_grad=True)
        >>> (3 * w[0] + 4 * w[1]).backward()
        >>> tapegrad.nn.utils.clip_grad_norm_([w], 1.0), w.grad
        (tensor(5.), tensor([0.6000, 0.8000]))
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_grads(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Cut gradients off, in place, at ``-clip_value`` and `clip_value`.

    Args:
        parameters: one or several tensors, whose ``.grad`` is cut off.
        clip_value: the bound.
        foreach: ignored.

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
