"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import bump
from tapegrad.backends import Array, xp
from tapegrad.optim.optimizer import Optimizer, Params, R, check_implementation, check_one_element, value_of
from tapegrad.optim.passes import Update, prepare, scalar


def plain_update(lr: Any) -> Update:
    """``p = p - lr * grad``."""

    def update(xp: Any, arrays: tuple[Array, ...], temps: tuple[Array, ...]) -> None:
        p, grad = arrays
        (t,) = temps
        xp.multiply(grad, lr, out=t)
        xp.subtract(p, t, out=p)

    return update


def sgd_update(
    *,
    lr: Any,
    momentum: Any = None,
    one_minus_dampening: Any = None,
    l2: Any = None,
    nesterov: bool = False,
    maximize: bool = False,
    first: bool = False,
) -> Update:
    """The update of (parameter, gradient, m), as by Sutskever et al. (ICML 2013)::

        g = grad + l2 * p
        m = momentum * m + (1 - dampening) * g       # in the first step m = g
        p = p - lr * m                               # with Nesterov's momentum, p - lr * (g + momentum * m)

    Without `momentum` the last line is ``p = p - lr * g``. Coefficients that are None cost no pass.
    """

    def update(xp: Any, arrays: tuple[Array, ...], temps: tuple[Array, ...]) -> None:
        p, grad = arrays[:2]
        t, u = temps
        if l2 is not None:
            xp.multiply(p, l2, out=t)
            grad = (xp.subtract if maximize else xp.add)(t, grad, out=t)
        elif maximize:
            grad = xp.negative(grad, out=t)
        if momentum is not None:
            m = arrays[2]
            if first:
                m[...] = grad
            else:
                xp.multiply(m, momentum, out=m)
                added = grad if one_minus_dampening is None else xp.multiply(grad, one_minus_dampening, out=u)
                xp.add(m, added, out=m)
            if nesterov:
                xp.multiply(m, momentum, out=u)
                grad = xp.add(grad, u, out=u)
            else:
                grad = m
        xp.multiply(grad, lr, out=u)
        xp.subtract(p, u, out=p)

    return update


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum, Polyak's or Nesterov's (Sutskever et al., ICML 2013).

    Args:
        params: the tensors to optimize, named or not, or dicts for groups of them.
        lr: learning rate; a number or a one-element tensor.
        momentum: factor of the running sum of gradients.
        dampening: fraction of the gradient that is not added to that sum.
        weight_decay: factor of the parameter that is added to the gradient.
        nesterov: look ahead by the momentum.
        maximize: ascend instead.
        foreach: accepted as in torch; changes nothing, as does `fused`.
        differentiable: only False.

    Raises:
        ValueError: an option is out of its range, or there are no parameters.

    Example:
        >>> w = tapegrad.tensor([2.0], requires_grad=True)
        >>> optimizer = tapegrad.optim.SGD([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w
        tensor([1.6000], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_one_element("lr", lr)
        if value_of(lr) < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if value_of(weight_decay) < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_implementation("SGD", foreach, fused, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], R]) -> R: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters by their gradients, which `closure`, if there is one, computes first."""
        loss = self._loss(closure)
        self._on_devices(self._step_group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        momentum, nesterov, maximize = group["momentum"], group["nesterov"], group["maximize"]
        run = self._passes.run
        # The parameters of a group mostly share dtype and device, and with them the update.
        dtype = kind = None
        for p in group["params"]:
            grad = getattr(p, "_grad", None)
            if grad is None:
                continue
            array = p._array
            if array.dtype is not dtype or array.__class__ is not kind:
                dtype, kind = array.dtype, array.__class__
                values = _coefficients(group, array)
                plain = not (momentum or maximize or "l2" in values)
                update = plain_update(**values) if plain else sgd_update(nesterov=nesterov, maximize=maximize, **values)
            if momentum:
                state = self.state[p]
                m = state.get("momentum_buffer")
                if m is None:
                    m = state["momentum_buffer"] = from_array(xp(array).zeros_like(array))
                    first_update = sgd_update(nesterov=nesterov, maximize=maximize, first=True, **values)
                    run(first_update, (array, grad._array, m._array), 2)
                else:
                    run(update, (array, grad._array, m._array), 2)
                bump(m)
            else:
                run(update, (array, grad._array), 1 if plain else 2)
            bump(p)


def _coefficients(group: dict[str, Any], array: Array) -> dict[str, Any]:
    """The coefficients of `sgd_update`; those that change nothing are left out."""
    momentum, dampening, decay = group["momentum"], group["dampening"], group["weight_decay"]
    values = {"lr": scalar(group["lr"], array)}
    if isinstance(decay, Tensor) or decay != 0:
        values["l2"] = scalar(decay, array)
    if momentum:
        values["momentum"] = momentum
        if dampening != 0:
            values["one_minus_dampening"] = 1 - dampening
    return prepare(values, array)
