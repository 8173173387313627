"""Random programs under random nestings of transforms give what torch.func gives."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")
# PyTorch's own forward mode still compiles scripts.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")

# What may be done to two 3 x 3 tensors; `c` is a number, `i` and `j` are indices. (layer_norm is not here: PyTorch 2.13
# differentiates its tangent wrongly.)
Step = Callable[[Any, Any, Any, float, int, int], tuple[Any, Any]]


def _written(L: Any, a: Any, b: Any, c: float, i: int, j: int) -> tuple[Any, Any]:
    a = a.clone()
    a[i] = b[j] * c
    return a, b


def _column(L: Any, a: Any, b: Any, c: float, i: int, j: int) -> tuple[Any, Any]:
    product = a * b
    product[:, j].mul_(a[i].sin())
    return product, b


def _strided(L: Any, a: Any, b: Any, c: float, i: int, j: int) -> tuple[Any, Any]:
    product = a * b
    part = product.view(9)[::2]
    part.add_(c)
    part *= a[0, 1].cos()
    return product, b


STEPS: list[Step] = [
    lambda L, a, b, c, i, j: (a * b + c, b),
    lambda L, a, b, c, i, j: (L.tanh(a @ b), b),
    lambda L, a, b, c, i, j: (L.softmax(a, -1), b),
    lambda L, a, b, c, i, j: (a, b.t() * c),
    lambda L, a, b, c, i, j: (L.cat([a, b], 0)[i : i + 3], b),
    lambda L, a, b, c, i, j: ((a - a.mean(0, keepdim=True)) / (a.var(0, keepdim=True) + c), b),
    lambda L, a, b, c, i, j: (b, a),
    _written,
    _column,
    _strided,
    lambda L, a, b, c, i, j: (L.where(a > 0, a * c, b), b),
    lambda L, a, b, c, i, j: (a.index_select(0, L.tensor([i, j, 0])), b),
    lambda L, a, b, c, i, j: (a.sum(1, keepdim=True) + b, b),
    lambda L, a, b, c, i, j: (L.cumsum(a, 0).sin(), b),
    lambda L, a, b, c, i, j: (a.sort(1)[0] * b, b),
    lambda L, a, b, c, i, j: (a.max(0)[0].unsqueeze(0) + b, b),
    lambda L, a, b, c, i, j: (L.stack([a[0], b[1], a[2] * c]), b),
    lambda L, a, b, c, i, j: (a.reshape(9)[i : i + 3].expand(3, 3) * b, b),
    lambda L, a, b, c, i, j: (L.logsumexp(a, 1).unsqueeze(1) * b, b),
    lambda L, a, b, c, i, j: (L.nn.functional.group_norm(a, 1) + b, b),
    lambda L, a, b, c, i, j: (L.einsum("ij,kj->ik", a, b), b),
    lambda L, a, b, c, i, j: (L.gather(a, 1, L.tensor([[i, j, 0], [0, i, j], [j, j, i]])) * c, b),
]

Two = Callable[[Any, Any], Any]
TRANSFORMS: dict[str, Callable[[Any, Two], Two]] = {
    "grad": lambda F, f: F.grad(lambda x, y: (f(x, y) ** 2).sum()),
    "vjp": lambda F, f: lambda x, y: F.vjp(lambda x: f(x, y), x)[1](f(x, y))[0],
    "jvp": lambda F, f: lambda x, y: F.jvp(lambda x: f(x, y), (x,), (y,))[1],
    "jacrev": lambda F, f: lambda x, y: F.jacrev(lambda x: f(x, y))(x).sum((0, 1)),
    "jacfwd": lambda F, f: lambda x, y: F.jacfwd(lambda x: f(x, y))(x).sum((0, 1)),
    "vmap": lambda F, f: lambda x, y: F.vmap(lambda row: f(x * row.sum(), y))(y).sum(0),
    "vmap of two": lambda F, f: (
        lambda x, y: F.vmap(lambda row, column: f(x + row, y * column.sum()), in_dims=(0, 1), out_dims=1)(y, x).sum(1)
    ),
}


def program(seed: int, L: Any, F: Any) -> Two:
    rng = random.Random(seed)
    names = rng.choices(list(TRANSFORMS), k=rng.randrange(1, 4))
    steps = [
        (rng.choice(STEPS), 0.5 + rng.random(), rng.randrange(3), rng.randrange(3)) for _ in range(rng.randrange(3, 7))
    ]

    def function(a: Any, b: Any) -> Any:
        for step, c, i, j in steps:
            a, b = step(L, a, b, c, i, j)
        return a

    for name in names:
        function = TRANSFORMS[name](F, function)
    return function


def differences(seeds: range) -> list[str]:
    found, refused = [], 0
    for seed in seeds:
        numbers = np.random.default_rng(seed)
        x, y = numbers.standard_normal((3, 3)), numbers.standard_normal((3, 3))
        try:
            want = program(seed, torch, torch.func)(torch.tensor(x), torch.tensor(y)).detach().numpy()
        except RuntimeError:
            refused += 1  # an in-place form that torch cannot batch, say
            continue
        try:
            got = program(seed, tapegrad, tapegrad.func)(tapegrad.tensor(x), tapegrad.tensor(y)).detach().numpy()
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-8 * max(1.0, np.abs(want).max()))
        except (RuntimeError, AssertionError) as error:
            found.append(f"seed {seed}: {error}")
    assert refused < len(seeds) / 10
    return found


@pytest.mark.parametrize("start", range(0, 60, 15))
def test_nested_transforms(start: int) -> None:
    assert not differences(range(start, start + 15))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 1300, 50))
def test_more_nested_transforms(start: int) -> None:
    assert not differences(range(start, start + 50))
