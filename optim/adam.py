"""Adam and AdamW."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp
from tapegrad.optim.optimizer import Optimizer, Params, check_fused, check_not_differentiable, check_one_element, value_of
from tapegrad.optim.passes import numbers, scalar


class _Adapt:
    """One step of Adam.

    Kingma and Ba's form with the corrections of the bias moved out of the passes: with ``c1 = 1 - beta1**t``, ``c2 = 1 - beta2**t``,
    ``lr / c1 * m / (sqrt(v / c2) + eps) = (lr * sqrt(c2) / c1) * m / (sqrt(v) + eps * sqrt(c2))``.
    """

    __slots__ = ("amsgrad", "decay", "decoupled", "maximize")

    def __init__(self, amsgrad: bool, decay: bool, decoupled: bool, maximize: bool) -> None:
        self.amsgrad = amsgrad
        self.decay = decay
        self.decoupled = decoupled
        self.maximize = maximize

    def __call__(self, xp: Any, arrays: tuple[Any, ...], temps: tuple[Any, ...], numbers: tuple[Any, ...]) -> None:
        p, grad, m, v = arrays[:4]
        t = temps[0]
        beta1, fresh1, beta2, fresh2, eps, lr, decay = numbers
        multiply, add = xp.multiply, xp.add
        if self.decay and self.decoupled:
            multiply(p, decay, out=p)
            if self.maximize:
                grad = xp.negative(grad, out=temps[1])
        elif self.decay:
            grad = (xp.subtract if self.maximize else add)(multiply(p, decay, out=t), grad, out=temps[1])
        elif self.maximize:
            grad = xp.negative(grad, out=temps[1])
        multiply(m, beta1, out=m)
        multiply(grad, fresh1, out=t)
        add(m, t, out=m)
        multiply(v, beta2, out=v)
        multiply(grad, grad, out=t)
        multiply(t, fresh2, out=t)
        add(v, t, out=v)
        if self.amsgrad:
            v = xp.maximum(arrays[4], v, out=arrays[4])
        xp.sqrt(v, out=t)
        add(t, eps, out=t)
        xp.divide(m, t, out=t)
        multiply(t, lr, out=t)
        xp.subtract(p, t, out=p)


class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015, arXiv:1412.6980): steps scaled by running means of the gradient and of its square.

    Args:
        params: the tensors to optimize, named or not, or dicts for groups of them.
        lr: learning rate; a number or a one-element tensor.
        betas: how much of the two running means remains after a step.
        eps: added to the denominator.
        weight_decay: factor of the parameter that is added to the gradient.
        amsgrad: divide by the largest mean square so far (Reddi et al., ICLR 2018).
        foreach: accepted for torch's sake; changes nothing.
        maximize: ascend instead.
        capturable: keep the step count on the parameter's device.
        differentiable: only False.
        fused: accepted for torch's sake; changes nothing.
        decoupled_weight_decay: decay the parameter itself instead, as `AdamW` does.

    Raises:
        ValueError: an option is out of its range, or there are no parameters.

    Example:
        >>> w = tapegrad.tensor([2.0], requires_grad=True)
        >>> optimizer = tapegrad.optim.Adam([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w
        tensor([1.9000], requires_grad=True)
    """

    def __init__(self, params: Params, lr: float | Tensor = 1e-3, betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False, fused: bool | None = None, decoupled_weight_decay: bool = False) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_one_element("lr", lr)
        if not value_of(lr) >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            check_one_element(f"betas[{i}]", beta)
            if not 0.0 <= value_of(beta) < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not (all(isinstance(beta, float) for beta in betas) or all(isinstance(beta, Tensor) for beta in betas)):
            raise ValueError("betas must be either both floats or both Tensors")
        check_not_differentiable(self.__class__.__name__, differentiable)
        check_fused(fused, foreach)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
                                  "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
                                  "decoupled_weight_decay": decoupled_weight_decay})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for p in group["params"]:
                step = self.state.get(p, {}).get("step")
                if step is not None and not isinstance(step, Tensor):
                    self.state[p]["step"] = _count(p._array, group["capturable"], float(step))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters by their gradients.

        Args:
            closure: computes the gradients anew, and returns the loss.
        """
        loss = self._loss(closure)
        self._on_devices(self._step_group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        amsgrad, decay, maximize, capturable = group["amsgrad"], group["weight_decay"] != 0, group["maximize"], group["capturable"]
        update = _Adapt(amsgrad, decay, group["decoupled_weight_decay"], maximize)
        temps = 2 if decay or maximize else 1
        run = self._passes.run
        # Parameters of a group mostly share step count and dtype, and with them all coefficients.
        of: Any = None
        coefficients: tuple[Any, ...] = ()
        for p in group["params"]:
            grad = getattr(p, "_grad", None)
            if grad is None:
                continue
            array = p._array
            state = self.state[p]
            if not state:
                state["step"] = _count(array, capturable, 0.0)
                state["exp_avg"] = from_array(xp(array).zeros_like(array))
                state["exp_avg_sq"] = from_array(xp(array).zeros_like(array))
                if amsgrad:
                    state["max_exp_avg_sq"] = from_array(xp(array).zeros_like(array))
            count = state["step"]._array
            count += 1
            if capturable:
                coefficients = numbers(_coefficients(group, count, array), array)
            else:
                now = count.item(), array.dtype, array.__class__
                if now != of:
                    of, coefficients = now, numbers(_coefficients(group, now[0], array), array)
            m, v = state["exp_avg"], state["exp_avg_sq"]
            if amsgrad:
                largest = state["max_exp_avg_sq"]
                run(update, (array, grad._array, m._array, v._array, largest._array), temps, coefficients)
                bump(largest)
            else:
                run(update, (array, grad._array, m._array, v._array), temps, coefficients)
            bump(m)
            bump(v)
            bump(p)


def _count(beside: Any, on_device: bool, value: float) -> Tensor:
    """A step count: a 0-d tensor on the host, or on the device of the array `beside`."""
    dtype = np.float64 if dtypes.get_default_dtype() is dtypes.float64 and not on_device else np.float32
    if on_device:
        count = xp(beside).zeros((), dtype)
        count += value
        return from_array(count)
    return from_array(np.array(value, dtype))


def _coefficients(group: dict[str, Any], count: Any, beside: Any) -> tuple[Any, ...]:
    """The numbers of `_Adapt` at step `count`: a number, or a 0-d array of the device."""
    lr, decay = scalar(group["lr"], beside), group["weight_decay"]
    beta1, beta2 = (scalar(beta, beside) for beta in group["betas"])
    root = (1 - beta2 ** count) ** 0.5
    return (beta1, 1 - beta1, beta2, 1 - beta2, group["eps"] * root, lr * root / (1 - beta1 ** count),
            1 - lr * decay if group["decoupled_weight_decay"] else decay)


class AdamW(Adam):
    """Adam with the weight decay taken off the parameter itself (Loshchilov and Hutter, ICLR 2019, arXiv:1711.05101).

    Args:
        params: the tensors to optimize, named or not, or dicts for groups of them.
        lr: learning rate; a number or a one-element tensor.
        betas: how much of the two running means remains after a step.
        eps: added to the denominator.
        weight_decay: by which fraction, times `lr`, each step shrinks the parameter.
        amsgrad: divide by the largest mean square so far.
        maximize: ascend instead.
        foreach: accepted for torch's sake; changes nothing.
        capturable: keep the step count on the parameter's device.
        differentiable: only False.
        fused: accepted for torch's sake; changes nothing.

    Raises:
        ValueError: an option is out of its range, or there are no parameters.

    Example:
        >>> w = tapegrad.tensor([2.0], requires_grad=True)
        >>> optimizer = tapegrad.optim.AdamW([w], lr=0.1, weight_decay=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w
        tensor([1.8000], requires_grad=True)
    """

    def __init__(self, params: Params, lr: float | Tensor = 1e-3, betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None, capturable: bool = False,
                 differentiable: bool = False, fused: bool | None = None) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
                         differentiable=differentiable, fused=fused, decoupled_weight_decay=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
