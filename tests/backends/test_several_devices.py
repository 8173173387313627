"""Several devices of one kind: what is computed with a tensor is computed where it is, whichever device is current.
Strict devices stand in for CUDA's.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
from op_checks import gradients, values, writes
from op_checks.case import Case
from op_table import ROWS

import tapegrad
from tapegrad import cuda
from tapegrad.autograd.core.gate import DEVICE, gate, state
from tapegrad.backends import Device, standing_in
from tapegrad.backends.strict.backend import StrictBackend


@pytest.fixture
def two():
    with standing_in("cuda", StrictBackend("cuda", devices=2)) as backend:
        yield backend


def test_with_one_device_nobody_looks():
    assert not gate.on and state.bits == 0
    with standing_in("cuda", StrictBackend("cuda", 2)):
        assert gate.on and state.bits == DEVICE
        with tapegrad.no_grad():
            assert state.bits & DEVICE and not tapegrad.is_grad_enabled()
        assert state.bits == DEVICE
    assert not gate.on and state.bits == 0 and not gate.needed()


def test_every_thread_hears_of_the_second_device():
    """A thread that has been in other states before, one inside `no_grad` when the devices come, and a new one."""
    ready, come, found = threading.Barrier(3), threading.Barrier(3), {}

    def before():
        with tapegrad.no_grad():
            pass
        ready.wait()
        come.wait()
        found["before"] = (tapegrad.ones(2, device="cuda:1") * 2).device

    def inside():
        with tapegrad.no_grad():
            ready.wait()
            come.wait()
        found["inside"] = (tapegrad.ones(2, device="cuda:1") * 2).device

    threads = [threading.Thread(target=before), threading.Thread(target=inside)]
    for thread in threads:
        thread.start()
    ready.wait()
    with standing_in("cuda", StrictBackend("cuda", 2)):
        come.wait()
        for thread in threads:
            thread.join()
        new = threading.Thread(target=lambda: found.update(new=(tapegrad.ones(2, device="cuda:1") * 2).device))
        new.start()
        new.join()
    assert found == dict.fromkeys(("before", "inside", "new"), Device("cuda:1"))
    assert not gate.on and not gate.needed()


def test_ops_run_on_the_device_of_their_operands(two):
    x = tapegrad.ones(3, device="cuda:1", requires_grad=True)
    y = tapegrad.ones(3, device="cuda:0", requires_grad=True)
    z = (x * 2 + x.exp()).to("cuda:0") * y
    assert z.device == Device("cuda:0") and cuda.current_device() == 0
    (z.sum() + y.sum() + x.sum().to(0)).backward()
    assert x.grad.device == x.device and y.grad.device == y.device
    np.testing.assert_allclose(x.grad.tolist(), 3 + np.e, rtol=1e-6)
    np.testing.assert_allclose(y.grad.tolist(), 3 + np.e, rtol=1e-6)
    with tapegrad.no_grad():
        x += 1
        x[0] = 5
        x[tapegrad.tensor([1], device="cuda:1")] = 7
    assert x.tolist() == [5, 7, 2] and tapegrad.zeros_like(x[:, None].expand(3, 2).t()).device == x.device
    assert tapegrad.tensor(x.detach().array).device == x.device
    (dx,) = tapegrad.autograd.grad((x**3).sum(), x, create_graph=True)
    assert tapegrad.autograd.grad(dx.sum(), x)[0].tolist() == [30, 42, 12]
    assert tapegrad.func.vmap(lambda row: row * row)(x.detach()[None]).device == x.device
    assert cuda.current_device() == 0


def test_operands_of_two_devices_are_refused(two):
    x, y = tapegrad.ones(3, device="cuda:0"), tapegrad.ones(3, device="cuda:1")
    words = (
        "Expected all tensors to be on the same device, but found at least two devices, cuda:(0 and cuda:1|1 and "
        "cuda:0)!"
    )
    for wrong in (
        lambda: x * y,
        lambda: x.add_(y),
        lambda: tapegrad.cat([x, y]),
        lambda: x.__setitem__(0, y[0]),
        lambda: tapegrad.exp(x, out=y),
    ):
        with pytest.raises(RuntimeError, match=words):
            wrong()
    assert (x + tapegrad.tensor(1.0)).device == x.device and y.copy_(x).device == y.device
    assert x.tolist() == [1.0] * 3


def test_hooks_and_watchers_see_all_devices(two):
    """What hooks compute on another device than the op's is computed there."""
    other = tapegrad.ones(2, device="cuda:0")
    x = tapegrad.ones(2, device="cuda:1", requires_grad=True)
    seen = []
    with tapegrad.autograd.graph.saved_tensors_hooks(
        lambda t: seen.append((other * 2).device) or t, lambda t: seen.append((other * 3).device) or t
    ):
        y = x.exp() * x
    y.register_hook(lambda grad: seen.append((other + 1).device))
    with pytest.warns(UserWarning, match="Anomaly Detection"), tapegrad.autograd.detect_anomaly(check_nan=True):
        y.sum().backward()
    assert set(seen) == {Device("cuda:0")} and len(seen) >= 4
    np.testing.assert_allclose(x.grad.tolist(), 2 * np.e, rtol=1e-6)


def test_training_on_two_devices(two):
    """A model whose halves are on two devices learns as one on the CPU does."""

    def train(first, second):
        tapegrad.manual_seed(0)
        a, b = tapegrad.nn.Linear(4, 8).to(first), tapegrad.nn.Linear(8, 1).to(second)
        parameters = [*a.parameters(), *b.parameters()]
        x, y = tapegrad.arange(20.0).reshape(5, 4) / 20, tapegrad.arange(5.0)[:, None]
        losses = []
        for optimizer in (tapegrad.optim.SGD(parameters, 0.1, momentum=0.9), tapegrad.optim.Adam(parameters, 0.01)):
            for _ in range(3):
                optimizer.zero_grad(set_to_none=False)
                loss = (b(a(x.to(first)).relu().to(second)) - y.to(second)).square().mean()
                loss.backward()
                tapegrad.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                losses.append(loss.item())
        return losses, [p.detach().cpu().tolist() for p in parameters]

    (ours, weights), (wanted, theirs) = train("cuda:1", "cuda:0"), train("cpu", "cpu")
    np.testing.assert_allclose(ours, wanted, rtol=1e-5)
    for w, t in zip(weights, theirs):
        np.testing.assert_allclose(w, t, rtol=1e-4, atol=1e-6)
    made = tapegrad.nn.Sequential(
        tapegrad.nn.Linear(3, 2, device="cuda:1"), tapegrad.nn.Embedding(4, 2, padding_idx=0, device="cuda:1")
    )
    assert {p.device for p in made.parameters()} == {Device("cuda:1")}
    assert made[1].weight[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("part", range(4))
def test_every_op_on_a_device_that_is_not_current(part):
    """The op table on the second of two devices while the first is current: an operand, result or gradient on the wrong
    one raises.
    """
    with standing_in("strict", StrictBackend("strict", 2)):
        for row in ROWS[part::4]:
            if row.name == "from_numpy":
                continue
            sample = row.samples(np.random.default_rng(0), np.dtype("float64"))[0]
            for check in [values.check_values] + [gradients.check_accumulation, writes.check_inplace] * row.values:
                check(Case(row, sample, "strict:1"))
