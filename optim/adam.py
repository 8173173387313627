"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.types import dtypes
from tapegrad.backends import Array, xp
from tapegrad.optim.optimizer import Optimizer, Params, R, check_implementation, check_one_element, value_of
from tapegrad.optim.passes import Update, prepare, scalar


def adam_update(
    *,
    beta1: Any,
    one_minus_beta1: Any,
    beta2: Any,
    one_minus_beta2: Any,
    lr: Any,
    eps: Any,
    l2: Any = None,
    keep: Any = None,
    maximize: bool = False,
    amsgrad: bool = False,
) -> Update:
    """Adam's update of (parameter, gradient, m, v) (Kingma and Ba, ICLR 2015, arXiv:1412.6980), in step t::

        m = beta1 * m + (1 - beta1) * grad
        v = beta2 * v + (1 - beta2) * grad ** 2
        p = p - lr * (m / (1 - beta1 ** t)) / (sqrt(v / (1 - beta2 ** t)) + eps)

    The corrections of the bias cost no pass when `lr` and `eps` hold them: see `_update`.

    Args:
        l2: adds ``l2 * p`` to the gradient first: Adam's weight decay.
        keep: makes the parameter ``keep * p`` first: AdamW's weight decay.
        amsgrad: divide by the largest v so far, the fifth array (Reddi et al., arXiv:1904.09237).
    """

    def update(xp: Any, arrays: tuple[Array, ...], temps: tuple[Array, ...]) -> None:
        p, grad, m, v = arrays[:4]
        t = temps[0]
        multiply, add = xp.multiply, xp.add
        if keep is not None:
            multiply(p, keep, out=p)
        if l2 is not None:
            grad = (xp.subtract if maximize else add)(multiply(p, l2, out=t), grad, out=temps[1])
        elif maximize:
            grad = xp.negative(grad, out=temps[1])
        multiply(m, beta1, out=m)
        multiply(grad, one_minus_beta1, out=t)
        add(m, t, out=m)
        multiply(v, beta2, out=v)
        multiply(grad, grad, out=t)
        multiply(t, one_minus_beta2, out=t)
        add(v, t, out=v)
        if amsgrad:
            v = xp.maximum(arrays[4], v, out=arrays[4])
        xp.sqrt(v, out=t)
        add(t, eps, out=t)
        xp.divide(m, t, out=t)
        multiply(t, lr, out=t)
        xp.subtract(p, t, out=p)

    return update


def _update(group: dict[str, Any], t: Any, array: Array) -> Update:
    """The update of `array` in step `t`, which is a number, or a 0-d array of the device.

    With ``c1 = 1 - beta1 ** t`` and ``c2 = 1 - beta2 ** t``, the third line of the formula is
    ``p = p - (lr * sqrt(c2) / c1) * m / (sqrt(v) + eps * sqrt(c2))``.
    """
    lr, decay = scalar(group["lr"], array), group["weight_decay"]
    beta1, beta2 = (scalar(beta, array) for beta in group["betas"])
    root = (1 - beta2**t) ** 0.5
    options = {
        "beta1": beta1,
        "one_minus_beta1": 1 - beta1,
        "beta2": beta2,
        "one_minus_beta2": 1 - beta2,
        "lr": lr * root / (1 - beta1**t),
        "eps": group["eps"] * root,
    }
    if decay != 0 and group["decoupled_weight_decay"]:
        options["keep"] = 1 - lr * decay
    elif decay != 0:
        options["l2"] = decay
    return adam_update(maximize=group["maximize"], amsgrad=group["amsgrad"], **prepare(options, array))


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square (Kingma and Ba, arXiv:1412.6980).

    Args:
        params: the tensors to optimize, named or not, or dicts for groups of them.
        lr: learning rate; a number or a one-element tensor.
        betas: how much of the two running means remains after a step.
        eps: added to the denominator.
        weight_decay: factor of the parameter that is added to the gradient.
        amsgrad: divide by the largest mean square so far (Reddi et al., ICLR 2018, arXiv:1904.09237).
        foreach: accepted as in torch; changes nothing, as does `fused`.
        maximize: ascend instead.
        capturable: keep the step count on the parameter's device.
        differentiable: only False.
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

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
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
        check_implementation(self.__class__.__name__, foreach, fused, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for p in group["params"]:
                step = self.state.get(p, {}).get("step")
                if step is not None and not isinstance(step, Tensor):
                    self.state[p]["step"] = _step_count(p._array, group["capturable"], float(step))

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
        amsgrad, maximize, capturable = group["amsgrad"], group["maximize"], group["capturable"]
        temps = 2 if maximize or group["weight_decay"] != 0 else 1
        run = self._passes.run
        # The parameters of a group mostly share step count and dtype, and with them the update.
        update_key: Any = None
        for p in group["params"]:
            grad = getattr(p, "_grad", None)
            if grad is None:
                continue
            array = p._array
            state = self.state[p]
            if not state:
                state["step"] = _step_count(array, capturable, 0.0)
                state["exp_avg"] = from_array(xp(array).zeros_like(array))
                state["exp_avg_sq"] = from_array(xp(array).zeros_like(array))
                if amsgrad:
                    state["max_exp_avg_sq"] = from_array(xp(array).zeros_like(array))
            t = state["step"]._array
            t += 1
            if capturable:  # the count stays on the device
                update = _update(group, t, array)
            else:
                key = t.item(), array.dtype, array.__class__
                if key != update_key:
                    update_key, update = key, _update(group, key[0], array)
            m, v = state["exp_avg"], state["exp_avg_sq"]
            if amsgrad:
                largest = state["max_exp_avg_sq"]
                run(update, (array, grad._array, m._array, v._array, largest._array), temps)
                bump(largest)
            else:
                run(update, (array, grad._array, m._array, v._array), temps)
            bump(m)
            bump(v)
            bump(p)


def _step_count(array: Array, on_device: bool, value: float) -> Tensor:
    """A step count: a 0-d tensor on the host, or on the device of `array`."""
    dtype = np.float64 if dtypes.get_default_dtype() is dtypes.float64 and not on_device else np.float32
    if on_device:
        count = xp(array).zeros((), dtype)
        count += value
        return from_array(count)
    return from_array(np.array(value, dtype))


class AdamW(Adam):
    """Adam that decays the parameter itself, not its gradient (Loshchilov and Hutter, ICLR 2019, arXiv:1711.05101).

    Args:
        weight_decay: the fraction, times `lr`, by which each step shrinks the parameter; the others are as in `Adam`.

    Example:
        >>> w = tapegrad.tensor([2.0], requires_grad=True)
        >>> optimizer = tapegrad.optim.AdamW([w], lr=0.1, weight_decay=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w
        tensor([1.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
