"""A user's program, for type checkers: it trains a small network, and says at each turn what a checker must know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, assert_type

import numpy as np

import tapegrad
import tapegrad.nn.functional as F
from tapegrad import (
    Generator,
    Size,
    Tensor,
    device,
    dtype,
    enable_grad,
    float32,
    float64,
    inference_mode,
    nn,
    no_grad,
    optim,
)
from tapegrad.autograd import Function, grad, gradcheck
from tapegrad.func import functional_call, hessian, jvp, value_and_grad, vjp, vmap
from tapegrad.func import grad as gradient_of
from tapegrad.profiler import profile
from tapegrad.testing import assert_close
from tapegrad.utils.checkpoint import checkpoint


@dataclass
class Options:
    """What is trained, where, and for how long."""

    features: int = 4
    hidden: int = 8
    classes: int = 3
    steps: int = 30
    where: device | str = "cpu"
    kind: dtype = float32


class Cube(Function):
    """``x ** 3`` with a derivative of our own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x: Tensor
        (x,) = ctx.saved_tensors
        return 3 * grad * x * x


class Block(nn.Module):
    """A layer with a skip connection and a running mean."""

    mean: Tensor

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.scale = nn.Parameter(tapegrad.ones(width))
        self.register_buffer("mean", tapegrad.zeros(width))

    def forward(self, x: Tensor, rate: float = 0.1) -> Tensor:
        assert_type(self.linear(x), Tensor)
        assert_type(self.scale, nn.Parameter)
        if self.training:
            with no_grad():
                self.mean.lerp_(x.mean(0), rate)
        return x + self.dropout(F.gelu(self.norm(self.linear(x)) * self.scale))


class Classifier(nn.Module):
    """Blocks between two linear layers."""

    def __init__(self, options: Options, depth: int = 2) -> None:
        super().__init__()
        self.first = nn.Linear(options.features, options.hidden, dtype=options.kind, device=options.where)
        self.blocks = nn.Sequential(*(Block(options.hidden) for _ in range(depth)))
        self.last = nn.Linear(options.hidden, options.classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.blocks(self.first(x).relu())
        return self.last(hidden), hidden


def batches(x: Tensor, y: Tensor, size: int, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    order = tapegrad.randperm(len(x), generator=generator)
    for part in order.split(size):
        yield x[part], y[part]


@no_grad()
def accuracy(model: Classifier, x: Tensor, y: Tensor) -> float:
    logits, _ = model.eval()(x)
    best = logits.max(dim=1)
    assert_type(best.values, Tensor)
    return float((best.indices == y).float().mean().item())


def train(options: Options) -> tuple[Classifier, list[float]]:
    generator = tapegrad.manual_seed(0)
    x = tapegrad.randn(60, options.features, dtype=options.kind, device=options.where)
    y = x[:, : options.classes].argmax(dim=1)
    model = Classifier(options).to(options.where)
    assert_type(model, Classifier)
    optimizer = optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-3)
    losses: list[float] = []
    for _ in range(options.steps):
        for inputs, targets in batches(x, y, 20, generator):
            optimizer.zero_grad()
            logits, hidden = model(inputs)
            assert_type(logits, Tensor)
            loss = F.cross_entropy(logits, targets, label_smoothing=0.1) + 1e-4 * hidden.pow(2).mean()
            assert_type(loss, Tensor)
            loss.backward()
            assert_type(nn.utils.clip_grad_norm_(model.parameters(), 1.0), Tensor)
            assert_type(optimizer.step(), None)
            losses.append(loss.item())
    assert accuracy(model, x, y) > 0.8
    return model, losses


def loss_of_one(params: dict[str, Tensor], model: nn.Linear, x: Tensor, y: Tensor) -> Tensor:
    return ((functional_call(model, params, (x,)) - y) ** 2).sum()


def transforms() -> None:
    layer = nn.Linear(3, 1)
    x, y = tapegrad.randn(5, 3), tapegrad.randn(5, 1)
    params = {name: p.detach() for name, p in layer.named_parameters()}
    each = vmap(gradient_of(loss_of_one), in_dims=(None, None, 0, 0))(params, layer, x, y)
    assert_type(each, dict[str, Tensor])
    assert_type(value_and_grad(loss_of_one)(params, layer, x[0], y[0]), tuple[Tensor, dict[str, Tensor]])

    def energy(a: Tensor) -> Tensor:
        return (a**3).sum()

    assert_type(gradient_of(energy)(x), Tensor)
    assert_type(hessian(energy)(x[0]), Tensor)
    assert_type(jvp(energy, (x,), (x,)), tuple[Tensor, Tensor])
    value, pull = vjp(energy, x)
    assert_type(value, Tensor)
    (pulled,) = pull(tapegrad.ones(()))
    assert_close(pulled, gradient_of(energy)(x))


def derivatives() -> None:
    x = tapegrad.tensor([1.0, 2.0], dtype=float64, requires_grad=True)
    y = Cube.apply(x)
    assert_type(y, Tensor)
    first = grad(y.sum(), x, create_graph=True)
    assert_type(first, tuple[Tensor, ...])
    assert_type(grad(first[0].sum(), [x], allow_unused=True), tuple[Tensor | None, ...])
    assert_type(x.grad, Tensor | None)
    handle = x.register_hook(lambda g: g * 2)
    checkpoint(Cube.apply, x, use_reentrant=False).sum().backward()
    handle.remove()
    assert x.grad is not None and gradcheck(Cube.apply, (x,))
    with inference_mode(), enable_grad(), profile() as report:
        assert_type(x.detach() * 2, Tensor)
    assert_type(report.key_averages().table(row_limit=3), str)


def values() -> None:
    x = tapegrad.arange(12, dtype=float32).reshape(3, 4)
    assert_type(x.shape, Size)
    assert_type((x.size(), x.size(0), x.stride(1)), tuple[Size, int, int])
    assert_type((x.device, x.dtype, x.requires_grad), tuple[device, dtype, bool])
    assert_type((x.sum(), x.sum(dim=(0, 1)), x.max(), tapegrad.max(x, x)), tuple[Tensor, Tensor, Tensor, Tensor])
    top, where = x.topk(2)
    assert_type((top, where, x.sort().indices), tuple[Tensor, Tensor, Tensor])
    assert_type(tapegrad.unique(x, return_counts=True), tuple[Tensor, Tensor])
    assert_type((tapegrad.unique(x), x.nonzero(as_tuple=True)), tuple[Tensor, tuple[Tensor, ...]])
    assert_type(
        (x.split(2), x.unbind(), tapegrad.where(x > 1)),
        tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]],
    )
    assert_type((x[0, 1:], x[x > 1], x[None, ..., ::2]), tuple[Tensor, Tensor, Tensor])
    assert_type((2 * x + np.ones(4, np.float32), -x @ x.T, x > 0, x == 1), tuple[Tensor, Tensor, Tensor, Tensor])
    assert_type((tapegrad.equal(x, x), x.allclose(x), x.type()), tuple[bool, bool, str])
    assert_type(
        (x.to("cpu"), x.to(float64), x.double().type(float32), x.new_zeros(2)), tuple[Tensor, Tensor, Tensor, Tensor]
    )
    assert_type(tapegrad.zeros(2, 3) + tapegrad.zeros((2, 3)) + tapegrad.stack([x[:2, :3]])[0], Tensor)
    assert_type(tapegrad.einsum("ij,kj->ik", x, x), Tensor)
    assert_type((x.std(), x.norm(dim=1), tapegrad.std_mean(x)), tuple[Tensor, Tensor, tuple[Tensor, Tensor]])
    x += 1
    x[0] = 0.0
    assert_type(x.add_(1).clamp_(min=0), Tensor)
    assert_type(F.max_pool2d(x[None], 2, return_indices=True), tuple[Tensor, Tensor])
    assert_type(tapegrad.cuda.is_available(), bool)
    array = x.numpy()
    array[0] = 1


if __name__ == "__main__":
    losses = train(Options())[1]
    assert losses[-1] < losses[0]
    transforms()
    derivatives()
    values()
