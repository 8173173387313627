"""Hooks on saved tensors beside forward mode: what a rule reads again has the tangent of what was packed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad import Tensor
from tapegrad.autograd import Function, forward_ad
from tapegrad.autograd.graph import saved_tensors_hooks
from tapegrad.func import grad, hessian, jvp, vmap
from tapegrad.nn.functional import layer_norm
from tapegrad.utils.checkpoint import checkpoint


class Exp(Function):
    """Keeps an input and a result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.exp()
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[1]

    @staticmethod
    def jvp(ctx: Any, t: Tensor) -> Tensor:
        return t * ctx.saved_tensors[0]


FUNCTIONS = {
    "operand": lambda x: (x * x * x).sum(),
    "result": lambda x: x.exp().sum(),
    "list": lambda x: tapegrad.cat([x.sin(), x.cos()]).prod(),
    "several results": lambda x: x.topk(2)[0].prod() + tapegrad.stack(x.unbind()).tanh().sum(),
    "kept intermediates": lambda x: layer_norm(x, (4,)).pow(3).sum(),
    "products": lambda x: x.view(2, 2).mm(x.view(2, 2)).sum().sin(),
    "a write": lambda x: x.clone().mul_(x).mul_(x).sum(),
    "a checkpoint": lambda x: checkpoint(lambda x: x.exp() * x.sin(), x, use_reentrant=False).sum(),
    "types": lambda x: (x * x.float()).double().exp().sum(),
}


def by_dual_numbers(f: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x.clone().requires_grad_(), v)
        (gradient,) = tapegrad.autograd.grad(f(dual), dual)
        return forward_ad.unpack_dual(gradient).tangent


WAYS = {
    "jvp": lambda f, x, v: jvp(grad(f), (x,), (v,))[1],
    "dual numbers": by_dual_numbers,
    "hessian": lambda f, x, v: hessian(f)(x) @ v,
    "inside vmap": lambda f, x, v: vmap(lambda x: jvp(grad(f), (x,), (v,))[1])(x[None])[0],
    "outside vmap": lambda f, x, v: jvp(vmap(grad(f)), (x[None],), (v[None],))[1][0],
    "three times": lambda f, x, v: jvp(lambda x: jvp(grad(f), (x,), (v,))[1], (x,), (v,))[1],
}
HOOKS = {
    "the same": (lambda t: t, lambda t: t),
    "a copy": (lambda t: t.clone(), lambda t: t),
    "without history": (lambda t: [t.detach()], lambda kept: kept[0].clone()),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_gradients(name: str, way: str) -> None:
    f, of = FUNCTIONS[name], WAYS[way]
    x, v = (
        tapegrad.tensor([0.3, -1.2, 0.8, 1.7], dtype=tapegrad.float64),
        tapegrad.tensor([1.0, 0.5, -2.0, 0.1], dtype=tapegrad.float64),
    )
    expected = of(f, x, v).numpy()
    assert np.abs(expected).max() > 1e-3
    for pack, unpack in HOOKS.values():
        with saved_tensors_hooks(pack, unpack):
            found = of(f, x, v)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("hooks", HOOKS)
@pytest.mark.parametrize("way", ["jvp", "dual numbers", "three times"])
def test_derivatives_of_a_functions_gradient(way: str, hooks: str) -> None:
    x, v = tapegrad.tensor([0.3, -1.2], dtype=tapegrad.float64), tapegrad.tensor([1.0, 0.5], dtype=tapegrad.float64)
    with saved_tensors_hooks(*HOOKS[hooks]):
        found = WAYS[way](lambda x: Exp.apply(x).sum(), x, v)
    np.testing.assert_allclose(
        found.numpy(), np.exp(x.numpy()) * v.numpy() ** (2 if way == "three times" else 1), rtol=1e-12
    )
