"""Training steps on a device: nothing is copied to or from it, and the host never waits, unless the program says so."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from layers import LAYERS, arrays, made
from op_checks.crossings import nothing_crosses

import tapegrad
from tapegrad import nn, optim
from tapegrad.backends import registry
from tapegrad.backends.strict.backend import StrictBackend, counting, refusing
from tapegrad.nn import functional as F
from tapegrad.utils.checkpoint import checkpoint

FLOATS = ["float64", "float32", "float16", "bfloat16"]


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """Inside, everything stays on the device: no copy and no wait, not even one that an op makes under a name that
    counts as asked for.
    """
    with refusing(), counting() as crossed:
        yield
    assert not crossed.asked, dict(crossed.asked.causes)


def put(values: Any, dtype: str | None = None) -> Any:
    return tapegrad.tensor(values, dtype=None if dtype is None else getattr(tapegrad, dtype), device="strict")


def normal(dtype: str, *shape: int) -> Any:
    return put(np.random.default_rng(0).standard_normal(shape), dtype)


# ---- models


class Block(nn.Module):
    """A transformer encoder block over embedded tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 8, padding_idx=0), nn.Embedding(5, 8)
        self.first, self.second = nn.LayerNorm(8), nn.LayerNorm(8)
        self.project, self.back = nn.Linear(8, 24), nn.Linear(8, 8)
        self.wide, self.narrow = nn.Linear(8, 16), nn.Linear(16, 8)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(8, 11)

    def forward(self, ids: Any) -> Any:
        n, t = ids.shape
        x = self.tokens(ids) + self.places(tapegrad.arange(t, device=ids.device))
        q, k, v = self.project(self.first(x)).view(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0.0, is_causal=True)
        x = x + self.drop(self.back(mixed.transpose(1, 2).reshape(n, t, 8)))
        x = x + self.drop(self.narrow(F.gelu(self.wide(self.second(x)))))
        return self.out(x).transpose(1, 2)


def mlp(dtype: str) -> tuple[nn.Module, Any, Any]:
    model = nn.Sequential(
        nn.Linear(6, 16),
        nn.ReLU(),
        nn.BatchNorm1d(16),
        nn.Linear(16, 8, bias=False),
        nn.Tanh(),
        nn.Dropout(0.2),
        nn.Linear(8, 3),
    )
    return model, normal(dtype, 8, 6), put([0, 1, 2, 0, -100, 1, 2, 0])


def cnn(dtype: str) -> tuple[nn.Module, Any, Any]:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.GroupNorm(2, 4),
        nn.SiLU(),
        nn.AvgPool2d(2),
        nn.ConvTranspose2d(4, 4, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    return model, normal(dtype, 4, 2, 8, 8), put([0, 1, 2, -100])


def block(dtype: str) -> tuple[nn.Module, Any, Any]:
    ids = np.random.default_rng(0).integers(0, 11, (3, 5))
    return Block(), put(ids), put(np.where(ids == 0, -100, ids))


MODELS: dict[str, Callable[[str], tuple[nn.Module, Any, Any]]] = {"mlp": mlp, "cnn": cnn, "transformer": block}

OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "SGD nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, maximize=True),
    "SGD lr on the device": lambda p: optim.SGD(p, lr=put(0.1, "float32"), momentum=0.9),
    "SGD foreach": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, foreach=True),
    "SGD fused": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
    "Adam": lambda p: optim.Adam(p),
    "Adam amsgrad": lambda p: optim.Adam(p, amsgrad=True, weight_decay=0.01, maximize=True),
    "Adam capturable": lambda p: optim.Adam(p, lr=put(0.01, "float32"), capturable=True),
    "Adam foreach": lambda p: optim.Adam(p, foreach=True),
    "Adam fused": lambda p: optim.Adam(p, fused=True),
    "AdamW": lambda p: optim.AdamW(p),
    "AdamW amsgrad": lambda p: optim.AdamW(p, amsgrad=True),
    "AdamW capturable": lambda p: optim.AdamW(p, capturable=True, amsgrad=True),
    "AdamW fused": lambda p: optim.AdamW(p, fused=True),
}


def train(model: nn.Module, optimizer: optim.Optimizer, x: Any, t: Any, steps: int = 2) -> Any:
    """A few steps as one would write them; the loss is added up on the device."""
    total = tapegrad.zeros((), device=x.device)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t, ignore_index=-100, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.detach()
    return total


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_of_every_model(name: str, dtype: str) -> None:
    model, x, t = MODELS[name](dtype)
    model.to("strict", getattr(tapegrad, dtype))
    before = [p.detach().clone() for p in model.parameters()]
    with untouched():
        total = train(model, optim.AdamW(model.parameters(), lr=0.01), x, t)
        model.eval()
        with tapegrad.no_grad():
            right = (model(x).argmax(1) == t).sum()
    assert np.isfinite(total.item()) and right.item() >= 0
    assert all(p.dtype.name == dtype and not tapegrad.equal(p, was) for p, was in zip(model.parameters(), before))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_with_every_optimizer(name: str, dtype: str) -> None:
    model, x, t = mlp(dtype)
    model.to("strict", getattr(tapegrad, dtype))
    optimizer = OPTIMIZERS[name](model.parameters())
    with untouched():
        total = train(model, optimizer, x, t)
        optimizer.zero_grad(set_to_none=False)
    assert np.isfinite(total.item())


def test_every_optimizer_is_here() -> None:
    names = {
        name for name, value in vars(optim).items() if isinstance(value, type) and issubclass(value, optim.Optimizer)
    } - {"Optimizer"}
    assert names == {name.partition(" ")[0] for name in OPTIMIZERS}


# ---- modules


def runs(name: str, dtype: str) -> Any:
    """Output and gradients of a module of the table, on the device and on the CPU."""
    found = LAYERS[name]
    for device in ("strict", "cpu"):
        tapegrad.manual_seed(0)
        module = made(found, tapegrad).to(device, getattr(tapegrad, dtype))
        operands = [tapegrad.tensor(a, device=device) for a in arrays(found)]
        operands = [t.to(getattr(tapegrad, dtype)) if t.is_floating_point() else t for t in operands]
        for i, t in enumerate(operands):
            if t.is_floating_point() and i not in found.fixed:
                t.requires_grad_()
        with warnings.catch_warnings(), untouched() if device == "strict" else contextlib.nullcontext():
            warnings.simplefilter("ignore")
            result = module(*operands)
            if result.requires_grad:
                (result.float() ** 2).sum().backward()
        leaves = [t for t in (*operands, *module.parameters(), *module.buffers()) if t is not None]
        yield [result, *(t.grad for t in leaves if t.grad is not None), *module.buffers()]


TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", LAYERS)
def test_every_module(name: str, dtype: str) -> None:
    """Forward and backward on the device, with the CPU's numbers."""
    for a, b in itertools.zip_longest(*runs(name, dtype)):
        assert a.dtype == b.dtype
        a, b = (np.asarray(t.detach().cpu().double().numpy()) for t in (a, b))
        np.testing.assert_allclose(
            a,
            b,
            rtol=TOLERANCE[dtype],
            atol=TOLERANCE[dtype] * max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0))),
        )


# ---- what else a step is made of


def accumulated(model: nn.Module, x: Any, t: Any) -> None:
    """Gradients of two halves of a batch, divided and added up."""
    for half, wanted in zip(x.chunk(2), t.chunk(2)):
        (F.cross_entropy(model(half), wanted) / 2).backward()


def checkpointed(model: nn.Module, x: Any, t: Any) -> None:
    F.cross_entropy(checkpoint(model, x, use_reentrant=False), t).backward()


def reentrant(model: nn.Module, x: Any, t: Any) -> None:
    F.cross_entropy(checkpoint(model, x.requires_grad_(), use_reentrant=True), t).backward()


def hooked(model: nn.Module, x: Any, t: Any) -> None:
    with tapegrad.autograd.graph.saved_tensors_hooks(lambda s: s * 1, lambda s: s / 1):
        loss = F.cross_entropy(model(x), t)
    loss.register_hook(lambda grad: grad * 2)
    loss.backward()


def per_sample(model: nn.Module, x: Any, t: Any) -> None:
    params = {name: p.detach() for name, p in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def loss(params: Any, one: Any, wanted: Any) -> Any:
        return F.cross_entropy(tapegrad.func.functional_call(model, (params, buffers), one[None]), wanted[None])

    grads = tapegrad.func.vmap(tapegrad.func.grad(loss), (None, 0, 0))(params, x, t)
    assert all(g.shape == (x.shape[0], *params[name].shape) for name, g in grads.items())


def forward_mode(model: nn.Module, x: Any, t: Any) -> None:
    out, tangent = tapegrad.func.jvp(lambda x: F.cross_entropy(model(x), t), (x,), (tapegrad.ones_like(x),))
    assert tangent.shape == out.shape == ()


def penalised(model: nn.Module, x: Any, t: Any) -> None:
    """A gradient of gradients."""
    x = x.detach().requires_grad_()
    (d,) = tapegrad.autograd.grad(F.cross_entropy(model(x), t), x, create_graph=True)
    d.square().sum().backward()


def clipped(model: nn.Module, x: Any, t: Any) -> None:
    F.cross_entropy(model(x), t).backward()
    for norm in (1.0, 2.0, 3.0, float("inf")):
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, norm, error_if_nonfinite=False)
    nn.utils.clip_grad_value_(model.parameters(), 0.1)
    nn.utils.get_total_norm([p.grad for p in model.parameters()])


def written(model: nn.Module, x: Any, t: Any) -> None:
    """In-place ops, masks and device indices."""
    y = model(x).clone()
    y[:, 0] *= 2
    y[0] = 1.5
    y[x[:, :1].expand(-1, 3) > 0] = 0.5
    y.masked_fill_(y > 3, 3.0)
    y.clamp_(-2, 2).add_(1).mul_(0.5)
    y[t[:2]] = y[t[2:4]]
    z = tapegrad.where(y > 0, y, 0.01 * y) + y.gather(1, t[:, None]) + y.index_select(0, t) + y[t, t][:, None]
    z.scatter_add(1, t[:, None], z).sum().backward()


STEPS = {
    f.__name__: f
    for f in (accumulated, checkpointed, reentrant, hooked, per_sample, forward_mode, penalised, clipped, written)
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", STEPS)
def test_other_ways_to_a_gradient(name: str, dtype: str) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3)).to(
        "strict", getattr(tapegrad, dtype)
    )
    x, t = normal(dtype, 8, 6), put([0, 1, 2, 0, 0, 1, 2, 0])
    with untouched():
        STEPS[name](model, x, t)


INITS: dict[str, Callable[[Any], Any]] = {
    "uniform_": lambda t: nn.init.uniform_(t, -1, 1),
    "normal_": lambda t: nn.init.normal_(t, 1, 2),
    "trunc_normal_": nn.init.trunc_normal_,
    "constant_": lambda t: nn.init.constant_(t, 0.3),
    "ones_": nn.init.ones_,
    "zeros_": nn.init.zeros_,
    "eye_": nn.init.eye_,
    "dirac_": lambda t: nn.init.dirac_(t[:, :, None]),
    "xavier_uniform_": nn.init.xavier_uniform_,
    "xavier_normal_": nn.init.xavier_normal_,
    "kaiming_uniform_": nn.init.kaiming_uniform_,
    "kaiming_normal_": nn.init.kaiming_normal_,
    "orthogonal_": nn.init.orthogonal_,
    "sparse_": lambda t: nn.init.sparse_(t, 0.5),
}


@pytest.mark.parametrize("name", INITS)
def test_weights_are_drawn_on_the_device(name: str) -> None:
    with untouched():
        for dtype in FLOATS:
            INITS[name](tapegrad.empty(4, 6, dtype=getattr(tapegrad, dtype), device="strict"))


def test_layers_are_made_on_the_device() -> None:
    with untouched():
        nn.Sequential(
            nn.Linear(3, 4, device="strict"),
            nn.Conv2d(3, 4, 3, device="strict"),
            nn.Embedding(5, 3, padding_idx=1, device="strict"),
            nn.BatchNorm2d(3, device="strict"),
            nn.LayerNorm(3, device="strict"),
            nn.Bilinear(2, 3, 4, device="strict"),
        )


DRAWS: dict[str, Callable[[str], Any]] = {
    "rand": lambda d: tapegrad.rand(5, device=d),
    "randn": lambda d: tapegrad.randn(5, device=d),
    "randint": lambda d: tapegrad.randint(3, 9, (5,), device=d),
    "randperm": lambda d: tapegrad.randperm(7, device=d),
    "bernoulli": lambda d: tapegrad.full((5,), 0.3, device=d).bernoulli(),
    "multinomial": lambda d: tapegrad.multinomial(tapegrad.ones(2, 5, device=d), 3),
    "normal_": lambda d: tapegrad.empty(5, device=d).normal_(),
    "exponential_": lambda d: tapegrad.empty(5, device=d).exponential_(),
    "rand_like": lambda d: tapegrad.rand_like(tapegrad.ones(5, device=d)),
    "dropout": lambda d: F.dropout(tapegrad.ones(5, device=d), 0.5, True),
    "tril_indices": lambda d: tapegrad.tril_indices(3, 4, 1, device=d),
    "triu_indices": lambda d: tapegrad.triu_indices(3, 4, -1, device=d),
    "linspace": lambda d: tapegrad.linspace(0, 1, 5, device=d),
    "eye": lambda d: tapegrad.eye(3, device=d),
}


@pytest.mark.parametrize("name", DRAWS)
def test_numbers_are_drawn_on_the_device(name: str) -> None:
    """The same as the CPU draws."""
    with untouched():
        tapegrad.manual_seed(5)
        got = DRAWS[name]("strict")
    tapegrad.manual_seed(5)
    tapegrad.testing.assert_close(got.cpu(), DRAWS[name]("cpu"))


def test_numbers_of_the_host_are_arguments_of_kernels() -> None:
    """Python and NumPy numbers and 0-d tensors of the CPU stand beside a tensor of the device without a copy."""
    numbers = (2, 2.5, np.float64(2.5), np.int64(2), tapegrad.tensor(2.5))
    for dtype, number in itertools.product(("float32", "float16", "bfloat16", "int64", "complex64"), numbers):
        x = put([1.0, 2.0], dtype)
        with untouched():
            results = [
                x * number,
                number - x,
                x / number,
                tapegrad.where(x == number, x, number),
                tapegrad.add(x, number, alpha=2),
                x == number,
            ]
        wide = {"bfloat16": np.float32}.get(dtype, dtype)
        np.testing.assert_allclose(
            results[0].cpu().to(tapegrad.complex64).numpy(), np.array([1, 2], wide) * np.asarray(number), rtol=1e-2
        )


def test_the_gradient_of_a_number_of_the_host_is_a_copy_that_is_told_of() -> None:
    w = tapegrad.tensor(2.0, requires_grad=True)
    loss = (put([1.0, 2.0], "float32") * w).sum()
    with counting() as crossed:
        loss.backward()
    assert w.grad.item() == 3.0 and w.grad.is_cpu
    assert (crossed.device_to_host, crossed.asked.device_to_host) == (1, 0)
    with refusing(), pytest.raises(RuntimeError, match="from the device to the host"):
        (put([1.0, 2.0], "float32") * w).sum().backward()


@pytest.mark.parametrize(
    "act",
    [
        bool,
        float,
        int,
        complex,
        lambda x: [0, 1, 2][x],
        lambda x: x.new_zeros(3)[:x],
        lambda x: 1 in x,
        lambda x: x and 3,
    ],
)
def test_python_s_protocols_are_no_request(act: Callable[[Any], Any]) -> None:
    """What reads a value without saying so is refused; what says so is not."""
    x = put(1)
    with counting() as crossed:
        act(x)
    assert (crossed.device_to_host, crossed.asked.device_to_host) == (1, 0)
    with refusing():
        with pytest.raises(RuntimeError, match="copy from the device to the host"):
            act(x)
        assert (x.item(), x.tolist(), x.cpu().numpy(), f"{x}", repr(x)) == (
            1,
            1,
            1,
            "1",
            "tensor(1, device='strict:0')",
        )


@pytest.mark.parametrize(
    "act",
    [
        lambda x: x[[0, 1]],
        lambda x: x[np.array([0])],
        lambda x: x.__setitem__(0, np.ones(2)),
        lambda x: x.__setitem__(0, [1.0, 2.0]),
        lambda x: x[tapegrad.tensor([0])],
        lambda x: x.__setitem__(0, tapegrad.ones(2, dtype=tapegrad.float64)),
        lambda x: tapegrad.combinations(x[0]),
    ],
)
def test_data_of_the_host_beside_the_device_s_is_a_copy_that_is_told_of(act: Callable[[Any], Any]) -> None:
    x = put(np.ones((3, 2)))
    with counting() as crossed:
        act(x)
    assert (crossed.host_to_device, crossed.asked.host_to_device) == (1, 0)


@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_where_the_strict_device_is_cuda(name: str) -> None:
    """The branches that only CUDA takes."""
    with registry.standing_in("cuda", StrictBackend("cuda")):
        model, x, t = MODELS[name]("float32")
        model, x, t = model.cuda(), x.cpu().cuda(), t.cpu().cuda()
        with untouched():
            total = train(model, optim.Adam(model.parameters()), x, t)
        assert total.is_cuda and np.isfinite(total.item())


def test_the_op_tests_see_what_an_op_asks_for_by_itself() -> None:
    """What the library copies under a name that counts as asked for fails a row, what the test copies does not."""
    x = put([1.0])
    with nothing_crosses():
        assert x.tolist() == [1.0] and put([2.0]).shape == (1,)
    with pytest.raises(AssertionError, match="has_nan makes a device_to_host"), nothing_crosses():
        tapegrad.autograd.anomaly_mode.has_nan(x._array)
    with pytest.raises(RuntimeError, match="refusing"), nothing_crosses():
        float(x)
