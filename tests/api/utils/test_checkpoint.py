"""Checkpoints: the gradients are those without, to the bit; the memory is what was promised; what changes between the
two runs is told of.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from checkpointing import BOTH, Counted, leaf

import tapegrad
from tapegrad import nn
from tapegrad.autograd import Function, grad, gradcheck, gradgradcheck
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.graph import save_on_cpu
from tapegrad.backends import backend_for
from tapegrad.utils.checkpoint import checkpoint, checkpoint_sequential, noop_context_fn, set_checkpoint_early_stop

# ---- the same gradients


@BOTH
def test_gradients_are_the_same_to_the_bit(reentrant: bool, device: str) -> None:
    tapegrad.manual_seed(0)
    model = nn.Sequential(
        *[nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.LayerNorm(8), nn.Dropout(0.5)) for _ in range(4)]
    ).to(device)
    x = tapegrad.randn(16, 8, device=device)
    host = backend_for(x.device).to_host

    def gradients(run: Callable[[Any, Tensor], Tensor]) -> list[np.ndarray]:
        tapegrad.manual_seed(1)
        model.zero_grad()
        start = x.clone().requires_grad_()
        h: Any = start
        for layer in model:
            h = run(layer, h)
        h.square().mean().backward()
        return [host(t.grad.array) for t in (start, *model.parameters())]

    plain = gradients(lambda layer, h: layer(h))
    for a, b in zip(plain, gradients(lambda layer, h: checkpoint(layer, h, use_reentrant=reentrant))):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(d) for d in plain)


@BOTH
def test_random_numbers_are_drawn_again(reentrant: bool, device: str) -> None:
    x = tapegrad.ones(1000, device=device).requires_grad_()
    host = backend_for(x.device).to_host
    tapegrad.manual_seed(3)
    y = checkpoint(lambda x: nn.functional.dropout(x, 0.5) * 1.0 * x, x, use_reentrant=reentrant)
    between = tapegrad.rand(3, device=device)
    y.sum().backward()
    np.testing.assert_array_equal(host(x.grad.array), 2 * host(y.detach().array))
    after = tapegrad.rand(3, device=device)
    tapegrad.manual_seed(3)
    nn.functional.dropout(x, 0.5)
    np.testing.assert_array_equal(host(between.array), host(tapegrad.rand(3, device=device).array))
    np.testing.assert_array_equal(
        host(after.array), host(tapegrad.rand(3, device=device).array), err_msg="backward has drawn from the stream"
    )


@BOTH
def test_random_numbers_go_on_if_so_asked(reentrant: bool) -> None:
    tapegrad.manual_seed(3)
    x = tapegrad.ones(100, requires_grad=True)
    y = checkpoint(
        lambda x: nn.functional.dropout(x, 0.5) * 1.0 * x, x, use_reentrant=reentrant, preserve_rng_state=False
    )
    y.sum().backward()
    assert not np.array_equal(x.grad.array, 2 * y.detach().array)


def test_a_device_first_used_inside_starts_from_its_seed() -> None:
    from tapegrad.autograd.ops.random import generator

    device = tapegrad.device("strict", 0)
    before = generator._defaults.pop(device, None)
    try:
        tapegrad.manual_seed(5)
        x = tapegrad.ones(100, device="strict").requires_grad_()
        y = checkpoint(lambda x: nn.functional.dropout(x, 0.5) * 1.0 * x, x, use_reentrant=False)
        y.sum().backward()
        host = backend_for(device).to_host
        np.testing.assert_array_equal(host(x.grad.array), 2 * host(y.detach().array))
    finally:
        if before is not None:
            generator._defaults[device] = before


def test_arguments_of_all_kinds() -> None:
    x, w, b = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)

    def f(items: list[Any], scale: float, more: dict[str, Any], *, bias: Tensor, power: int = 2) -> dict[str, Any]:
        return {"y": (items[0] * items[1][0] * scale + bias) ** power, "z": [more["x"].exp(), None, "text"]}

    def total(result: dict[str, Any]) -> Tensor:
        return result["y"].sum() + result["z"][0].sum()

    expected = grad(total(f([x, (w,)], 2.0, {"x": x}, bias=b, power=3)), (x, w, b))
    found = grad(total(checkpoint(f, [x, (w,)], 2.0, {"x": x}, bias=b, power=3, use_reentrant=False)), (x, w, b))
    for a, d in zip(expected, found):
        np.testing.assert_array_equal(a.array, d.array)


def test_arguments_that_are_leaves_come_back_as_themselves() -> None:
    class Mine(Tensor):
        pass

    x, mask = leaf(1.0, 2.0), Mine(tapegrad.tensor([1.0, 0.0], dtype=tapegrad.float64))
    seen: list[Any] = []

    def f(x: Tensor, mask: Tensor) -> Tensor:
        seen.append((x, mask))
        return (x * mask).exp()

    checkpoint(f, x, mask, use_reentrant=False).sum().backward()
    assert len(seen) == 2 and all(a is x and b is mask for a, b in seen)


def test_results_without_gradient_and_detached_ones() -> None:
    x = leaf(1.0, 2.0)
    y, i, d = checkpoint(lambda x: (x.exp(), x.argmax(), x.exp().detach()), x, use_reentrant=False)
    assert y.requires_grad and not i.requires_grad and not d.requires_grad
    (y * d).sum().backward()
    np.testing.assert_allclose(x.grad.array, np.exp(2 * x.array))


def test_parameters_in_the_function_alone() -> None:
    layer = nn.Linear(3, 3)
    checkpoint(lambda x: layer(x).relu(), tapegrad.ones(2, 3), use_reentrant=False).sum().backward()
    assert layer.weight.grad is not None


# ---- ways to differentiate


def test_every_way_to_start_a_pass() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)

    def f(x: Tensor, w: Tensor) -> Tensor:
        return (x * w).sin() * x.exp()

    expected = [d.array for d in grad(f(x, w).sum(), (x, w))]
    y = checkpoint(f, x, w, use_reentrant=False).sum()
    np.testing.assert_array_equal(grad(y, x, retain_graph=True)[0].array, expected[0])
    np.testing.assert_array_equal(grad(y, w, retain_graph=True)[0].array, expected[1])
    y.backward(inputs=[w], retain_graph=True)
    np.testing.assert_array_equal(w.grad.array, expected[1])
    assert x.grad is None
    w.grad = None
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad.array, 2 * expected[0])
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_higher_order() -> None:
    def f(x: Tensor, w: Tensor) -> Any:
        return checkpoint(lambda x, w: (x * w).sin() * x.exp() + (x / w).tanh(), x, w, use_reentrant=False)

    x, w = leaf(0.3, 1.2), leaf(0.7, -0.4)
    assert gradcheck(f, (x, w)) and gradgradcheck(f, (x, w))
    third = [
        grad(grad(grad(g(x).sum(), x, create_graph=True)[0].sum(), x, create_graph=True)[0].sum(), x)[0].array
        for g in (lambda x: x.sin().exp(), lambda x: checkpoint(lambda x: x.sin().exp(), x, use_reentrant=False))
    ]
    np.testing.assert_allclose(*third, rtol=1e-14)


def test_without_recording() -> None:
    f = Counted(lambda x: x.exp())
    x = leaf(1.0)
    with tapegrad.no_grad():
        for reentrant in (False, True):
            assert not checkpoint(f, x, use_reentrant=reentrant).requires_grad
    with tapegrad.inference_mode():
        assert checkpoint(f, x, use_reentrant=False).is_inference()
    assert f.runs == 3
    y = checkpoint(f, x.detach(), use_reentrant=False)
    assert not y.requires_grad and f.runs == 4


def test_transforms() -> None:
    x = tapegrad.tensor([0.5, 1.5], dtype=tapegrad.float64)
    f = Counted(lambda x: (x.sin() * x).sum())
    d = tapegrad.func.grad(lambda x: checkpoint(f, x, use_reentrant=False))(x)
    np.testing.assert_allclose(d.array, np.cos(x.array) * x.array + np.sin(x.array))
    assert f.runs == 2


def test_transforms_around_transforms() -> None:
    """vmap, forward mode and Hessians through a checkpoint are those without."""
    rows = tapegrad.tensor(np.random.default_rng(0).random((4, 3)))
    w = tapegrad.tensor([0.3, 1.2, -0.7], dtype=tapegrad.float64)

    def f(w: Tensor, x: Tensor) -> Tensor:
        return ((w * x).sin().exp() * w).sum()

    def g(w: Tensor, x: Tensor) -> Tensor:
        return checkpoint(f, w, x, use_reentrant=False)

    func = tapegrad.func

    def all_of(h: Any) -> list[Tensor]:
        return [
            func.vmap(func.grad(h), (None, 0))(w, rows),
            func.hessian(h)(w, rows[0]),
            func.jvp(lambda w: h(w, rows[0]), (w,), (w,))[1],
        ]

    for a, b in zip(all_of(f), all_of(g)):
        np.testing.assert_array_equal(a.array, b.array)


def test_backward_in_another_thread() -> None:
    x = leaf(0.5, 1.5)
    y = checkpoint(lambda x: x.sin().exp(), x, use_reentrant=False).sum()
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    np.testing.assert_allclose(x.grad.array, np.cos(x.array) * np.exp(np.sin(x.array)))


def test_hooks_run_once() -> None:
    x = leaf(1.0)
    seen: list[str] = []

    def f(x: Tensor) -> Tensor:
        y = x.exp()
        y.register_hook(lambda d: seen.append("inside"))
        return y.sin()

    h = x * 1
    h.register_hook(lambda d: seen.append("before"))
    y = checkpoint(f, h, use_reentrant=False)
    y.register_hook(lambda d: seen.append("after"))
    y.backward()
    assert seen == ["after", "inside", "before"]


def test_with_other_hooks_and_functions() -> None:
    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, d: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return 3 * x * x * d

    def f(x: Tensor) -> Any:
        with save_on_cpu():
            y = checkpoint(lambda x: Cube.apply(x.sin()), x, use_reentrant=False)
            return y.exp()

    x = leaf(0.4, 0.9)
    assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


# ---- how often, and how far, the function runs


def test_one_run_for_each_pass_as_far_as_needed() -> None:
    x = leaf(1.0)
    reached: list[str] = []

    def f(x: Tensor) -> Tensor:
        y = x.exp().sin()
        reached.append("middle")
        z = y * 2
        reached.append("end")
        return z

    y = checkpoint(f, x, use_reentrant=False)
    reached.clear()
    y.backward(retain_graph=True)
    assert reached == [], "the run ends with the last value that is kept"
    y.backward(retain_graph=True)
    for stop in (lambda: set_checkpoint_early_stop(False), contextlib.nullcontext):
        with stop():
            y = checkpoint(f, x, use_reentrant=False, early_stop=stop is not contextlib.nullcontext)
        reached.clear()
        y.backward(retain_graph=True)
        assert reached == ["middle", "end"]
        y.backward()
        assert reached == ["middle", "end"] * 2
    with set_checkpoint_early_stop(True):
        y = checkpoint(f, x, use_reentrant=False, early_stop=False)
    reached.clear()
    y.backward()
    assert reached == []


def test_nested() -> None:
    x = leaf(0.7, 1.1)
    runs: list[str] = []

    def g(x: Tensor, name: str) -> Tensor:
        runs.append(name)
        return x.sin().exp()

    def f(x: Tensor) -> Tensor:
        runs.append("outer")
        a = checkpoint(g, x, "first", use_reentrant=False)
        b = checkpoint(lambda a: checkpoint(g, a.cos(), "second", use_reentrant=False), a * a, use_reentrant=False)
        return b.tanh()

    expected = grad(f(x).sum(), x)[0].array
    runs.clear()
    y = checkpoint(f, x, use_reentrant=False)
    assert runs == ["outer", "first", "second"]
    runs.clear()
    y.sum().backward(retain_graph=True)
    np.testing.assert_array_equal(x.grad.array, expected)
    assert runs == ["outer", "first", "second", "second", "first"], (
        "the outer one again for the arguments of the inner ones, then those"
    )
    x.grad = None
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, expected)
    assert gradgradcheck(lambda x: checkpoint(f, x, use_reentrant=False), (x,))


def test_one_form_within_the_other() -> None:
    x = leaf(0.7, 1.1)
    expected = grad(x.sin().exp().cos().sum(), x)[0].array
    for outer, inner in ((True, False), (False, True), (True, True)):
        x.grad = None
        y = checkpoint(
            lambda x, inner=inner: checkpoint(lambda x: x.sin().exp(), x, use_reentrant=inner).cos(),
            x,
            use_reentrant=outer,
        )
        y.sum().backward()
        np.testing.assert_array_equal(x.grad.array, expected)


@pytest.mark.parametrize("early_stop", [True, False])
def test_passes_within_the_function(early_stop: bool) -> None:
    def f(x: Tensor) -> Tensor:
        y = x.sin()
        z = y.cos()
        (d,) = grad(z.sum(), x, retain_graph=True, create_graph=True)
        return z.exp() * d

    def g(x: Tensor) -> Tensor:
        (d,) = grad(x.sin().cos().sum(), x)
        return x.cos() * d

    for function in (f, g):
        x = leaf(0.7, 1.1)
        expected = grad(function(x).sum(), x)[0].array
        grad(checkpoint(function, x, use_reentrant=False, early_stop=early_stop).sum(), x)
        y = checkpoint(function, x, use_reentrant=False, early_stop=early_stop)
        y.sum().backward()
        np.testing.assert_array_equal(x.grad.array, expected)


def test_access_outside_of_a_pass() -> None:
    x = leaf(1.0)
    f = Counted(lambda x: x.exp().sin())
    y = checkpoint(f, x, use_reentrant=False)
    for runs in (2, 3):
        assert y.grad_fn._saved_input.item() == np.e
        assert f.runs == runs
    y.backward()


def test_contexts() -> None:
    entered: list[str] = []

    @contextlib.contextmanager
    def noting(name: str) -> Iterator[None]:
        entered.append(name)
        try:
            yield
        finally:
            entered.append(f"end of {name}")

    x = leaf(1.0)
    y = checkpoint(lambda x: x.exp(), x, use_reentrant=False, context_fn=lambda: (noting("first"), noting("again")))
    assert entered == ["first", "end of first"]
    y.backward()
    assert entered == ["first", "end of first", "again", "end of again"]
    assert [type(context) for context in noop_context_fn()] == [contextlib.nullcontext, contextlib.nullcontext]


def test_the_default_device_is_that_of_the_first_run() -> None:
    x = tapegrad.ones(3, device="strict").requires_grad_()
    with tapegrad.device("strict"):
        y = checkpoint(lambda x: x * tapegrad.ones(3).exp(), x, use_reentrant=False)
    y.sum().backward()
    assert x.grad.device.type == "strict"


# ---- in a sequence


@BOTH
@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("segments", [1, 2, 3, 7])
def test_sequential(reentrant: bool, as_list: bool, segments: int) -> None:
    tapegrad.manual_seed(0)
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(7)])
    runs: list[int] = []
    for i, layer in enumerate(model):
        layer.register_forward_pre_hook(lambda module, args, i=i: runs.append(i))
    x = tapegrad.randn(3, 4).requires_grad_()
    model(x).sum().backward()
    expected = [t.grad.array for t in (x, *model.parameters())]
    model.zero_grad()
    x.grad = None
    runs.clear()
    y = checkpoint_sequential(list(model) if as_list else model, segments, x, use_reentrant=reentrant)
    assert runs == list(range(7))
    y.sum().backward()
    assert set(runs[7:]) == set(range(7 // segments * (segments - 1))), "all segments but the last have run again"
    for a, t in zip(expected, (x, *model.parameters())):
        np.testing.assert_array_equal(a, t.grad.array)
