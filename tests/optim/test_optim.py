"""Optimizers against their textbook formulas, and the contract around a step: groups, state, hooks, saving, memory,
devices.
"""

from __future__ import annotations

import copy
import itertools
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.backends import Device, backend_for
from tapegrad.backends.strict.backend import counting, refusing
from tapegrad.optim import (
    SGD,
    Adam,
    AdamW,
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from tapegrad.optim.passes import BLOCK

STEPS = 20
MAKERS = {
    "SGD": SGD,
    "momentum": lambda params, **more: SGD(params, lr=0.1, momentum=0.9, **more),
    "Adam": Adam,
    "AdamW": AdamW,
}


def on(device: str, array: np.ndarray, **more: Any) -> Tensor:
    return tapegrad.tensor(array, dtype=array.dtype, device=device, **more)


def host(t: Tensor) -> np.ndarray:
    return backend_for(t.device).to_host(t.array)


def plain_sgd(p, g, state, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    g = (-g if maximize else g) + weight_decay * p
    if momentum:
        state["m"] = g if "m" not in state else momentum * state["m"] + (1 - dampening) * g
        g = g + momentum * state["m"] if nesterov else state["m"]
    return p - lr * g


def plain_adam(
    p, g, state, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False, decoupled=False
):
    state["t"] = t = state.get("t", 0) + 1
    g = -g if maximize else g
    if decoupled:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    m = state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    v = state["v"] = betas[1] * state.get("v", 0) + (1 - betas[1]) * g * g
    if amsgrad:
        v = state["largest"] = np.maximum(state.get("largest", 0), v)
    return p - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def plain_adamw(p, g, state, **options):
    return plain_adam(p, g, state, decoupled=True, **{"weight_decay": 1e-2, **options})


def grid(**options: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(options, values)) for values in itertools.product(*options.values())]


SGDS = [
    o
    for o in grid(
        lr=(0.1,),
        momentum=(0.0, 0.9),
        dampening=(0.0, 0.3),
        weight_decay=(0.0, 0.1),
        nesterov=(False, True),
        maximize=(False, True),
    )
    if not (o["nesterov"] and (o["dampening"] or not o["momentum"]))
]
ADAMS = grid(
    lr=(0.01,),
    betas=((0.9, 0.999), (0.5, 0.9)),
    eps=(1e-8, 1e-2),
    weight_decay=(0.0, 0.1),
    amsgrad=(False, True),
    maximize=(False, True),
)
FORMULAS = [(SGD, plain_sgd, SGDS), (Adam, plain_adam, ADAMS), (AdamW, plain_adamw, ADAMS)]


def train(optimizer: Optimizer, params: list[Tensor], grads: list[list[np.ndarray]]) -> None:
    for row in grads:
        for p, g in zip(params, row):
            p.grad = on(str(p.device), g)
        optimizer.step()


def drawn(
    rng: np.random.Generator, shapes: Any, dtype: Any = np.float64, steps: int = STEPS
) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    def one(shape: tuple[int, ...]) -> np.ndarray:
        values = rng.standard_normal(shape)
        if np.dtype(dtype).kind == "c":
            values = values + 1j * rng.standard_normal(shape)
        return np.asarray(values, dtype)

    return [one(s) for s in shapes], [[one(s) for s in shapes] for _ in range(steps)]


@pytest.mark.parametrize("make, formula, options", FORMULAS, ids=["SGD", "Adam", "AdamW"])
def test_twenty_steps_follow_the_formula(make, formula, options, device, rng):
    starts, grads = drawn(rng, [(3, 4), (), (0,), (5,)])
    for chosen in options:
        params = [on(device, a, requires_grad=True) for a in starts]
        train(make(params, **chosen), params, grads)
        for i, p in enumerate(params):
            expected, state = starts[i], {}
            for row in grads:
                expected = formula(expected, row[i], state, **chosen)
            np.testing.assert_allclose(host(p), expected, rtol=1e-10, atol=1e-12, err_msg=f"{chosen}, parameter {i}")


@pytest.mark.parametrize("name", MAKERS)
def test_no_transfer_and_no_synchronisation_on_a_device(name, rng):
    starts, grads = drawn(rng, [(3, 4), (5,)], np.float32)
    params = [on("strict", a, requires_grad=True) for a in starts]
    given = [[on("strict", g) for g in row] for row in grads]
    for more in (
        {},
        {"maximize": True, "weight_decay": 0.1},
        *([{"capturable": True, "amsgrad": True}] if "Adam" in name else []),
    ):
        optimizer = MAKERS[name](params, **more)
        with refusing(), counting() as crossed:
            for row in given:
                for p, g in zip(params, row):
                    p.grad = g
                optimizer.step()
                optimizer.zero_grad()
        assert not crossed.asked, (more, crossed)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("layout", ["C", "F", "strided", "mixed"])
def test_blocks_and_layouts_change_nothing(name, layout, rng):
    """An array of several blocks, in any layout, is updated as a small one is."""
    shape = (3, BLOCK // 8 + 7)
    values, grad = rng.standard_normal(shape), rng.standard_normal(shape)
    whole = {
        "C": values.copy(),
        "F": values.copy("F"),
        "strided": np.repeat(values, 2, 1)[:, ::2],
        "mixed": values.copy("F"),
    }[layout]
    p = from_array(whole).requires_grad_()
    few = [from_array(values[:, :11].copy()).requires_grad_(), from_array(values[:, -11:].copy()).requires_grad_()]
    pair = MAKERS[name]([p]), MAKERS[name](few)
    for _ in range(3):
        p.grad = from_array(grad.copy("C" if layout == "mixed" else "K"))
        few[0].grad, few[1].grad = from_array(grad[:, :11].copy()), from_array(grad[:, -11:].copy())
        for optimizer in pair:
            optimizer.step()
    assert p.array is whole
    np.testing.assert_array_equal(whole[:, :11], few[0].array)
    np.testing.assert_array_equal(whole[:, -11:], few[1].array)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_updated_in_float32(name, dtype, device, rng):
    """One step rounds once; Adam's eps, which is zero in float16, still keeps 0 / 0 away."""
    half = getattr(tapegrad, dtype).numpy
    start, (row,) = drawn(rng, [(50,)], np.float32, 1)
    start, grad = start[0].astype(half), row[0].astype(half)
    grad[:3] = 0
    p, wide = on(device, start, requires_grad=True), on(device, start.astype(np.float32), requires_grad=True)
    p.grad, wide.grad = on(device, grad), on(device, grad.astype(np.float32))
    optimizer = MAKERS[name]([p])
    optimizer.step()
    MAKERS[name]([wide]).step()
    assert p.dtype == half
    np.testing.assert_array_equal(host(p), host(wide).astype(half))
    assert all(value.dtype == half for key, value in optimizer.state[p].items() if key != "step")


@pytest.mark.parametrize("name", MAKERS)
def test_complex_parameters_are_updated_by_parts(name, device, rng):
    (start,), grads = drawn(rng, [(3, 2)], np.complex128)
    p = on(device, start, requires_grad=True)
    parts = [on(device, start.real.copy(), requires_grad=True), on(device, start.imag.copy(), requires_grad=True)]
    optimizers = MAKERS[name]([p]), MAKERS[name](parts)
    for (g,) in grads:
        p.grad, parts[0].grad, parts[1].grad = on(device, g), on(device, g.real.copy()), on(device, g.imag.copy())
        for optimizer in optimizers:
            optimizer.step()
    np.testing.assert_array_equal(host(p), host(parts[0]) + 1j * host(parts[1]))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("where", ["cpu", "there", "one element"])
def test_learning_rate_as_a_tensor(name, where, device, rng):
    (start,), grads = drawn(rng, [(4,)])
    for capturable in (False, True) if "Adam" in name else (False,):
        more = {"capturable": True} if capturable else {}
        rate = on("cpu" if where == "cpu" else device, np.array([0.05] if where == "one element" else 0.05))
        p, q = on(device, start, requires_grad=True), on(device, start, requires_grad=True)
        first, second = MAKERS[name]([p], **more), MAKERS[name]([q], **more)
        first.param_groups[0]["lr"], second.param_groups[0]["lr"] = rate, 0.05
        train(first, [p], grads)
        train(second, [q], grads)
        np.testing.assert_allclose(host(p), host(q), rtol=1e-6 if capturable else 1e-14)
        # A change of its value counts from the next step on.
        rate.array[...] *= 0
        before = host(p).copy()
        first.step()
        np.testing.assert_array_equal(host(p), before)


def test_capturable_keeps_the_count_on_the_device(device):
    p = on(device, np.ones(2, np.float32), requires_grad=True)
    p.grad = on(device, np.ones(2, np.float32))
    for capturable in (False, True):
        optimizer = Adam([p], capturable=capturable)
        optimizer.step()
        step = optimizer.state[p]["step"]
        assert (
            step.shape == ()
            and step.device.type == (device if capturable else "cpu")
            and step.item() == 1
            and step.dtype == tapegrad.float32
        )


def test_infinite_gradients_warn_of_nothing(device):
    for make in MAKERS.values():
        p = on(device, np.ones(3, np.float32), requires_grad=True)
        p.grad = on(device, np.array([np.inf, np.nan, 3e38], np.float32))
        make([p]).step()


# ---- what a step writes


@pytest.mark.parametrize("name", MAKERS)
def test_a_step_is_a_write(name):
    """A graph that has kept a parameter notices."""
    w, x = tapegrad.ones(2, requires_grad=True), tapegrad.ones(2, requires_grad=True)
    loss = (w * x).sum()
    w.grad = tapegrad.ones(2)
    version = w._version
    MAKERS[name]([w]).step()
    assert w._version == version + 1 and w.requires_grad and w.is_leaf
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation: \[torch.FloatTensor \[2\]\]"):
        loss.backward()


@pytest.mark.parametrize("name", MAKERS)
def test_parameters_without_gradient_are_left_alone(name):
    p, q = tapegrad.ones(2, requires_grad=True), tapegrad.ones(2, requires_grad=True)
    q.grad = tapegrad.ones(2)
    optimizer = MAKERS[name]([p, q])
    optimizer.step()
    assert p.array.tolist() == [1, 1] and p._version == 0 and p not in optimizer.state
    assert q.array[0] < 1 and (q in optimizer.state) == (name != "SGD")


@pytest.mark.parametrize("name", MAKERS)
def test_gradients_are_not_changed(name, device, rng):
    (start,), ((grad,),) = drawn(rng, [(4,)], steps=1)
    for more in ({}, {"maximize": True}, {"weight_decay": 0.1}, {"maximize": True, "weight_decay": 0.1}):
        p = on(device, start, requires_grad=True)
        p.grad = on(device, grad)
        MAKERS[name]([p], **more).step()
        np.testing.assert_array_equal(host(p.grad), grad)


@pytest.mark.parametrize("name", MAKERS)
def test_large_parameters_need_only_blocks_of_working_memory(name):
    p = tapegrad.zeros(1 << 20, requires_grad=True)
    p.grad = tapegrad.ones(1 << 20)
    optimizer = MAKERS[name]([p], weight_decay=0.1)
    optimizer.step()
    tracemalloc.start()
    optimizer.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BLOCK, "a step made arrays of the parameter's size"
    assert sum(t.nbytes for temps in optimizer._passes._temps.values() for t in temps) <= 2 * BLOCK


def test_closure_runs_with_gradients_and_gives_the_loss():
    w = tapegrad.tensor([3.0], requires_grad=True)
    for make in MAKERS.values():
        optimizer = make([w])

        def closure(optimizer=optimizer):
            optimizer.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            return loss

        before = w.item()
        with tapegrad.no_grad():
            loss = optimizer.step(closure)
        assert loss.item() == pytest.approx(before**2) and w.item() < before


def test_zero_grad():
    w = tapegrad.ones(2, requires_grad=True)
    optimizer = SGD([w])
    w.grad = tapegrad.ones(2)
    kept = w.grad
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is kept and kept.tolist() == [0, 0] and kept._version == 1
    x = tapegrad.ones(2, requires_grad=True)
    w.grad = x * 2
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.grad_fn is None and not w.grad.requires_grad and w.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert w.grad is None


# ---- groups


def leaf(*shape: int) -> Tensor:
    return tapegrad.ones(shape or (1,), requires_grad=True)


def test_groups_have_options_of_their_own():
    a, b, c = leaf(), leaf(), leaf()
    optimizer = SGD([{"params": a, "lr": 0.5}, {"params": iter([b])}], lr=0.25)
    optimizer.add_param_group({"params": [c], "lr": 1.0, "momentum": 0.9})
    for p in (a, b, c):
        p.grad = tapegrad.ones(1)
    optimizer.step()
    assert [a.item(), b.item(), c.item()] == [0.5, 0.75, 0.0]
    assert [g["momentum"] for g in optimizer.param_groups] == [0, 0, 0.9] and list(optimizer.state) == [c]
    assert SGD(p for p in (a, b)).param_groups[0]["params"] == [a, b]
    named = SGD(iter([("a", a), ("b", b)]))
    assert named.param_groups[0]["param_names"] == ["a", "b"] and named.param_groups[0]["params"] == [a, b]


def test_errors():
    a, b = leaf(), leaf()
    bad = [
        (
            TypeError,
            "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
            "torch.FloatTensor",
            lambda: SGD(a),
        ),
        (ValueError, "optimizer got an empty parameter list", lambda: SGD([])),
        (ValueError, "can't optimize a non-leaf Tensor", lambda: SGD([a * 2])),
        (TypeError, "optimizer can only optimize Tensors, but one of the params is float", lambda: SGD([a, 1.0])),
        (
            ValueError,
            "some parameters appear in more than one parameter group",
            lambda: SGD([{"params": a}, {"params": [b, a]}]),
        ),
        (TypeError, "optimizer parameters need to be organized in ordered collections", lambda: SGD([{"params": {a}}])),
        (TypeError, "param_group must be a dict, but got <class 'list'>", lambda: SGD([a]).add_param_group([b])),
        (
            ValueError,
            "all optimizer params should be with/without names. Some param names are missing",
            lambda: SGD([("a", a), b]),
        ),
        (
            ValueError,
            "cannot add param group without names to the optimizer",
            lambda: SGD([("a", a)]).add_param_group({"params": b}),
        ),
        (ValueError, "Invalid learning rate: -1", lambda: SGD([a], lr=-1)),
        (ValueError, "Invalid learning rate: -1", lambda: Adam([a], lr=-1)),
        (ValueError, "Tensor lr must be 1-element", lambda: SGD([a], lr=tapegrad.ones(2))),
        (ValueError, "Invalid momentum value: -1", lambda: SGD([a], momentum=-1)),
        (ValueError, "Invalid weight_decay value: -1", lambda: SGD([a], weight_decay=-1)),
        (ValueError, "Nesterov momentum requires a momentum and zero dampening", lambda: SGD([a], nesterov=True)),
        (ValueError, "Invalid epsilon value: -1", lambda: Adam([a], eps=-1)),
        (ValueError, "Invalid beta parameter at index 1: 1.0", lambda: Adam([a], betas=(0.9, 1.0))),
        (
            ValueError,
            "betas must be either both floats or both Tensors",
            lambda: Adam([a], betas=(0.9, tapegrad.tensor(0.99))),
        ),
        (
            ValueError,
            "Tensor betas[1] must be 1-element",
            lambda: Adam([a], betas=(tapegrad.tensor(0.9), tapegrad.ones(2))),
        ),
        (RuntimeError, "`fused` and `foreach` cannot be `True` together", lambda: Adam([a], fused=True, foreach=True)),
        (NotImplementedError, "AdamW: differentiable=True is not supported", lambda: AdamW([a], differentiable=True)),
        (NotImplementedError, "", lambda: Optimizer([a], {}).step()),
    ]
    for kind, text, call in bad:
        with pytest.raises(kind) as caught:
            call()
        assert text in str(caught.value)
    with pytest.warns(UserWarning, match="optimizer contains a parameter group with duplicate parameters"):
        SGD([a, a])


def test_a_retained_tensor_may_be_optimized():
    y = leaf() * 2
    y.retain_grad()
    (y * 3).sum().backward()
    SGD([y], lr=1.0).step()
    assert y.tolist() == [-1]


def test_foreach_and_fused_change_nothing():
    for make in (SGD, Adam, AdamW):
        results = []
        for more in ({}, {"foreach": True}, {"fused": True}, {"foreach": False, "fused": False}):
            p = leaf(3)
            p.grad = tapegrad.ones(3)
            make([p], **more).step()
            results.append(p.tolist())
        assert results == [results[0]] * 4


# ---- hooks and subclasses


def test_step_hooks():
    w = leaf()
    w.grad = tapegrad.ones(1)
    optimizer = SGD([w], lr=1.0)
    seen = []

    def closure():
        seen.append("closure")
        return 7

    handles = [
        optimizer.register_step_pre_hook(
            lambda o, args, kwargs: (
                seen.append(("pre", o is optimizer, args[1:], kwargs)) or (args, {"closure": closure})
            )
        ),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", w.item()))),
        register_optimizer_step_pre_hook(lambda o, args, kwargs: seen.append("all pre")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append("all post")),
    ]
    assert optimizer.step() == 7
    assert seen == ["all pre", ("pre", True, (), {}), "closure", ("post", 0.0), "all post"]
    for handle in handles:
        handle.remove()
    seen.clear()
    assert optimizer.step() is None and not seen
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        optimizer.step()


def test_pre_hooks_receive_the_optimizer_among_the_arguments():
    optimizer = SGD([leaf()])
    got = []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: got.append((args[0] is o, args[1:])) and None)
    optimizer.step(None)
    assert got == [(True, (None,))]


def test_a_subclass_runs_the_hooks_once():
    class Clipped(SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad.array.clip(-1, 1, out=p.grad.array)
            return super().step(closure)

    w = leaf()
    w.grad = tapegrad.tensor([5.0])
    optimizer = Clipped([w], lr=1.0)
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    optimizer.step()
    assert w.item() == 0 and seen == [1]


def test_an_optimizer_of_ones_own():
    class Sign(Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @tapegrad.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["steps"] = self.state[p].get("steps", 0) + 1
                    p.add_(tapegrad.tensor(np.sign(p.grad.numpy())), alpha=-group["lr"])

    w = leaf(2)
    w.grad = tapegrad.tensor([3.0, -2.0])
    optimizer = Sign([w], 0.5)
    optimizer.step()
    assert w.tolist() == [0.5, 1.5] and optimizer.state_dict()["state"] == {0: {"steps": 1}}


# ---- saving


def test_repr():
    assert repr(SGD([leaf()], lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n "
        "   lr: 0.1\n    maximize: False\n"
        "    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return (
            isinstance(second, Tensor)
            and first.dtype == second.dtype
            and first.device == second.device
            and np.array_equal(host(first), host(second))
        )
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


@pytest.mark.parametrize("name", MAKERS)
def test_a_loaded_optimizer_goes_on_as_the_saved_one(name, device, rng):
    starts, grads = drawn(rng, [(3, 2), (4,), (2,)], np.float32)
    params = [on(device, a, requires_grad=True) for a in starts]
    optimizer = MAKERS[name]([{"params": params[:2]}, {"params": params[2:], "lr": 0.5}])
    train(optimizer, params, grads[:7])
    state = optimizer.state_dict()
    assert [g["params"] for g in state["param_groups"]] == [[0, 1], [2]]
    for key, value in state["state"].items():
        assert value is optimizer.state[params[key]]
    copies = [on(device, host(p), requires_grad=True) for p in params]
    again = MAKERS[name]([{"params": copies[:2]}, {"params": copies[2:]}])
    again.load_state_dict(pickle.loads(pickle.dumps(state)))
    assert same(again.state_dict(), state)
    other = MAKERS[name]([{"params": copies[:2]}, {"params": copies[2:]}])
    other.load_state_dict(state)
    train(optimizer, params, grads[7:])
    train(again, copies, grads[7:])
    for p, q in zip(params, copies):
        np.testing.assert_array_equal(host(p), host(q))
    # What was loaded is nobody else's: the steps since have not changed it.
    assert all(value["step"].item() == 7 for value in other.state.values() if "step" in value)
    assert name == "SGD" or not same(other.state_dict(), optimizer.state_dict())


def test_load_state_dict_casts_to_the_parameter(device):
    p = on("cpu", np.ones(2, np.float64), requires_grad=True)
    p.grad = on("cpu", np.ones(2))
    saved = Adam([p])
    saved.step()
    q = on(device, np.ones(2, np.float32), requires_grad=True)
    q.grad = on(device, np.ones(2, np.float32))
    for capturable in (False, True):
        state = copy.deepcopy(saved.state_dict())
        state["param_groups"][0]["capturable"] = capturable
        loaded = Adam([q])
        loaded.load_state_dict(state)
        values = loaded.state[q]
        assert values["exp_avg"].dtype == tapegrad.float32 and values["exp_avg"].device.type == device
        assert values["step"].device.type == (device if capturable else "cpu") and values["step"].item() == 1
        loaded.step()
        assert values["step"].item() == 2
    assert saved.state[p]["step"].item() == 1


def test_load_state_dict_takes_arrays_and_fills_in_new_options():
    p = leaf(2)
    optimizer = Adam([p])
    optimizer.load_state_dict(
        {
            "state": {0: {"step": 3.0, "exp_avg": np.ones(2), "exp_avg_sq": np.ones(2, np.float32)}, "more": 5},
            "param_groups": [{"lr": 0.5, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "params": [0]}],
        }
    )
    assert (
        optimizer.state[p]["exp_avg"].dtype == tapegrad.float32
        and optimizer.state[p]["step"].item() == 3
        and optimizer.state["more"] == 5
    )
    assert (
        optimizer.param_groups[0]["lr"] == 0.5
        and optimizer.param_groups[0]["amsgrad"] is False
        and optimizer.param_groups[0]["params"] == [p]
    )
    p.grad = tapegrad.ones(2)
    optimizer.step()


def test_load_state_dict_errors_and_hooks():
    a, b = leaf(), leaf()
    optimizer = SGD([a], lr=0.1)
    with pytest.raises(ValueError, match="loaded state dict has a different number of parameter groups"):
        optimizer.load_state_dict(SGD([{"params": a}, {"params": b}]).state_dict())
    with pytest.raises(
        ValueError,
        match="loaded state dict contains a parameter group that doesn't match the size of optimizer's group",
    ):
        optimizer.load_state_dict(SGD([a, b]).state_dict())
    seen = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("save"))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append("load"))
    optimizer.register_load_state_dict_pre_hook(
        lambda o, state: seen.append("first") or {**state, "param_groups": [{**state["param_groups"][0], "lr": 9}]},
        prepend=True,
    )
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert state["more"] == 1 and seen == ["save", "first", "load", "loaded"] and optimizer.param_groups[0]["lr"] == 9
    assert state["param_groups"][0]["lr"] == 0.1


@pytest.mark.parametrize("name", MAKERS)
def test_pickle_and_deepcopy(name, rng):
    starts, grads = drawn(rng, [(3, 2), (4,)], np.float32)
    params = [on("cpu", a, requires_grad=True) for a in starts]
    optimizer = MAKERS[name](params)
    train(optimizer, params, grads[:3])
    for again in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        new = again.param_groups[0]["params"]
        assert (
            repr(again) == repr(optimizer)
            and same(again.state_dict(), optimizer.state_dict())
            and new[0] is not params[0]
        )
        train(again, new, grads[3:])
        train(copies := copy.deepcopy(optimizer), copies.param_groups[0]["params"], grads[3:])
        for p, q in zip(copies.param_groups[0]["params"], new):
            np.testing.assert_array_equal(p.array, q.array)


def test_devices_may_mix(rng):
    """Parameters of one optimizer may live on several devices."""
    start = rng.standard_normal(3)
    for make in MAKERS.values():
        params = [
            on("cpu", start, requires_grad=True),
            on("strict", start, requires_grad=True),
            on("cpu", start.astype(np.float32), requires_grad=True),
        ]
        optimizer = make(params)
        train(optimizer, params, [[np.ones(3), np.ones(3), np.ones(3, np.float32)]] * 3)
        np.testing.assert_allclose(params[0].array, host(params[1]), rtol=1e-14)
        np.testing.assert_allclose(params[0].array, params[2].array, rtol=1e-6)
        assert params[1].device == Device("strict", 0)
