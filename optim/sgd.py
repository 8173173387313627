"""Stochastic gradient descent."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import bump
from tapegrad.backends import xp
from tapegrad.optim.optimizer import Optimizer, Params, check_fused, check_not_differentiable, check_one_element, value_of
from tapegrad.optim.passes import numbers, scalar


def _descend(xp: Any, arrays: tuple[Any, ...], temps: tuple[Any, ...], numbers: tuple[Any, ...]) -> None:
    """Without momentum, decay and the like."""
    p, grad = arrays
    t, = temps
    xp.multiply(grad, numbers[0], out=t)
    xp.subtract(p, t, out=p)


class _Descend:
    """With whatever is asked for; `first`: the momentum starts here."""

    __slots__ = ("damped", "decay", "first", "maximize", "momentum", "nesterov")

    def __init__(self, decay: bool, maximize: bool, momentum: bool, damped: bool, nesterov: bool, first: bool) -> None:
        self.decay = decay
        self.maximize = maximize
        self.momentum = momentum
        self.damped = damped
        self.nesterov = nesterov
        self.first = first

    def __call__(self, xp: Any, arrays: tuple[Any, ...], temps: tuple[Any, ...], numbers: tuple[Any, ...]) -> None:
        p, grad = arrays[:2]
        t, u = temps
        lr, decay, momentum, undamped = numbers
        if self.decay:
            xp.multiply(p, decay, out=t)
            grad = (xp.subtract if self.maximize else xp.add)(t, grad, out=t)
        elif self.maximize:
            grad = xp.negative(grad, out=t)
        if self.momentum:
            buffer = arrays[2]
            if self.first:
                buffer[...] = grad
            else:
                xp.multiply(buffer, momentum, out=buffer)
                xp.add(buffer, xp.multiply(grad, undamped, out=u) if self.damped else grad, out=buffer)
            if self.nesterov:
                xp.multiply(buffer, momentum, out=u)
                grad = xp.add(grad, u, out=u)
            else:
                grad = buffer
        xp.multiply(grad, lr, out=u)
        xp.subtract(p, u, out=p)


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum (Polyak's, as in Sutskever et al., ICML 2013, or Nesterov's).

    Args:
        params: the tensors to optimize, named or not, or dicts for groups of them.
        lr: learning rate; a number or a one-element tensor.
        momentum: factor of the running sum of gradients.
        dampening: what is taken off the gradient before it is added to that sum.
        weight_decay: factor of the parameter that is added to the gradient.
        nesterov: look ahead by the momentum.
        maximize: ascend instead.
        foreach: accepted for torch's sake; changes nothing.
        differentiable: only False.
        fused: accepted for torch's sake; changes nothing.

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

    def __init__(self, params: Params, lr: float | Tensor = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float | Tensor = 0,
                 nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
                 fused: bool | None = None) -> None:
        check_one_element("lr", lr)
        if value_of(lr) < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if value_of(weight_decay) < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_not_differentiable("SGD", differentiable)
        check_fused(fused, foreach)
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
                                  "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters by their gradients.

        Args:
            closure: computes the gradients anew, and returns the loss.
        """
        loss = self._loss(closure)
        self._on_devices(self._step_group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        momentum, decay, maximize = group["momentum"], group["weight_decay"], group["maximize"]
        decays = isinstance(decay, Tensor) or decay != 0
        plain = not (momentum or maximize or decays)
        run = self._passes.run
        # Parameters of a group mostly share dtype and device, and with them the coefficients.
        dtype = kind = None
        for p in group["params"]:
            grad = getattr(p, "_grad", None)
            if grad is None:
                continue
            array = p._array
            if array.dtype is not dtype or array.__class__ is not kind:
                dtype, kind = array.dtype, array.__class__
                coefficients = numbers((scalar(group["lr"], array), scalar(decay, array), momentum, 1 - group["dampening"]), array)
            if plain:
                run(_descend, (array, grad._array), 1, coefficients)
            else:
                arrays: tuple[Any, ...] = array, grad._array
                first = False
                if momentum:
                    state = self.state[p]
                    buffer = state.get("momentum_buffer")
                    if buffer is None:
                        first = True
                        buffer = state["momentum_buffer"] = from_array(xp(array).zeros_like(array))
                    arrays += buffer._array,
                    bump(buffer)
                run(_Descend(decays, maximize, momentum != 0, group["dampening"] != 0, group["nesterov"], first), arrays, 2, coefficients)
            bump(p)
