"""Facts about tapegrad's own CUDA code: what it promises where no GPU had been when it was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapegrad
from tapegrad.benchmarks.gpu.items.fact import Facts, raised
from tapegrad.benchmarks.gpu.report.finding import Skip
from tapegrad.benchmarks.gpu.report.machine import Machine

FACTS = Facts()
items = FACTS.as_items


@FACTS("rand, randint and bernoulli give the numbers of the CPU", [True, True, True])
def random_numbers(m: Machine) -> list[bool]:
    found = []
    draws: list[Callable[[str], Any]] = [
        lambda device: tapegrad.rand(1001, device=device),
        lambda device: tapegrad.randint(17, (1001,), device=device),
        lambda device: tapegrad.bernoulli(tapegrad.full((1001,), 0.3, device=device)),
    ]
    for draw in draws:
        values = []
        for device in ("cpu", m.device):
            tapegrad.manual_seed(3)
            values.append(np.asarray(draw(device).cpu().numpy()))
        found.append(bool(np.array_equal(values[0], values[1])))
    return found


@FACTS(
    "An index out of range raises in the call, at the next synchronisation, and then",
    ["nothing", "AcceleratorError", "the device works on"],
)
def index_errors(m: Machine) -> list[str]:
    x, index = tapegrad.arange(5.0, device=m.device), tapegrad.tensor([0, 7], device=m.device)
    found = [raised(lambda: x.index_select(0, index)), raised(m.synchronize)]
    total = float((x + 1).sum().item())
    return [*found, "the device works on" if total == 15 else f"the sum is {total}"]


@FACTS('In the mode "blocking" it raises in the call, and then', ["AcceleratorError", "the device works on"])
def index_errors_at_once(m: Machine) -> list[str]:
    before = tapegrad.cuda.get_index_assert_mode()
    tapegrad.cuda.set_index_assert_mode("blocking")
    try:
        x, index = tapegrad.arange(5.0, device=m.device), tapegrad.tensor([0, 7], device=m.device)
        found = raised(lambda: x.index_select(0, index))
        total = float((x + 1).sum().item())
    finally:
        tapegrad.cuda.set_index_assert_mode(before)
    return [found, "the device works on" if total == 15 else f"the sum is {total}"]


@FACTS(
    "A sum of 100000 float32 into 3 rows, ten times: by atomics, and with use_deterministic_algorithms, is",
    ["different", "the same"],
)
def deterministic_sums(m: Machine) -> list[str]:
    if not m.on_cuda:
        raise Skip("needs CuPy on a GPU")
    rng = np.random.default_rng(0)
    index = tapegrad.tensor(rng.integers(0, 3, 100_000), device=m.device)
    values = tapegrad.tensor(rng.standard_normal(100_000).astype(np.float32), device=m.device)
    found = []
    for mode in (False, True):
        tapegrad.use_deterministic_algorithms(mode)
        try:
            sums = {tuple(tapegrad.zeros(3, device=m.device).index_add(0, index, values).tolist()) for _ in range(10)}
        finally:
            tapegrad.use_deterministic_algorithms(False)
        found.append("the same" if len(sums) == 1 else "different")
    return found


@FACTS("After ten steps of Adam the loss of a small network agrees with the CPU's", "to 1e-05")
def training_step(m: Machine) -> str:
    losses = []
    for device in ("cpu", m.device):
        tapegrad.manual_seed(0)
        model = tapegrad.nn.Sequential(
            tapegrad.nn.Linear(20, 64), tapegrad.nn.GELU(), tapegrad.nn.LayerNorm(64), tapegrad.nn.Linear(64, 5)
        ).to(device)
        optimizer = tapegrad.optim.Adam(model.parameters(), lr=1e-2)
        rng = np.random.default_rng(0)
        x, y = (
            tapegrad.tensor(rng.standard_normal((32, 20)).astype(np.float32), device=device),
            tapegrad.tensor(rng.integers(0, 5, 32), device=device),
        )
        for _ in range(10):
            optimizer.zero_grad()
            loss = tapegrad.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        losses.append(float(loss.item()))
    difference = abs(losses[0] - losses[1]) / losses[0]
    return "to 1e-05" if difference < 1e-5 else f"only to {difference:.1e}"


@FACTS("A forward and backward of large products", "returns before the device is done")
def no_wait_in_a_step(m: Machine) -> str:
    import time

    if not m.on_cuda:
        raise Skip("needs CuPy on a GPU")
    w = tapegrad.randn(4096, 4096, device=m.device, requires_grad=True)

    def work() -> Any:
        y = w
        for _ in range(20):
            y = (y @ w).tanh()
        return tapegrad.autograd.grad(y.sum(), w)

    work()
    m.synchronize()
    begun = time.perf_counter()
    result = work()
    returned = time.perf_counter() - begun
    m.synchronize()
    whole = time.perf_counter() - begun
    del result
    return (
        "returns before the device is done"
        if returned < 0.7 * whole
        else f"takes {returned * 1e3:.0f} of {whole * 1e3:.0f} ms on the host"
    )


@FACTS(
    "The device of a tensor, whether .to() and back keeps the values, whether .numpy() refuses", ["cuda:0", True, True]
)
def tensors(m: Machine) -> list[object]:
    x = tapegrad.arange(6.0).reshape(2, 3)
    y = x.to(m.device)
    return [
        str(y.device).replace("strict", "cuda"),
        y.cpu().tolist() == x.tolist(),
        raised(lambda: y.numpy(), TypeError) == "TypeError",
    ]
