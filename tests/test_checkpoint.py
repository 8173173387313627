"""Checkpoints: the gradients are those without, to the bit; the memory is what was promised; what changes between the two runs is told of."""
from __future__ import annotations

import contextlib
import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad import nn
from tapegrad.autograd import Function, grad, gradcheck, gradgradcheck
from tapegrad.autograd.graph import disable_saved_tensors_hooks, save_on_cpu
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import backend_for
from tapegrad.utils.checkpoint import (
    CheckpointError,
    check_backward_validity,
    checkpoint,
    checkpoint_sequential,
    detach_variable,
    noop_context_fn,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)

BOTH = pytest.mark.parametrize("reentrant", [False, True], ids=["recorded", "reentrant"])


def leaf(*values: float) -> Tensor:
    return tapegrad.tensor(values, dtype=tapegrad.float64, requires_grad=True)


class Counted:
    """A function that counts its runs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.runs = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.runs += 1
        return self.function(*args, **kwargs)


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# ---- the same gradients

@BOTH
def test_gradients_are_the_same_to_the_bit(reentrant: bool, device: str) -> None:
    tapegrad.manual_seed(0)
    model = nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.LayerNorm(8), nn.Dropout(0.5)) for _ in range(4)]).to(device)
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
    np.testing.assert_array_equal(host(after.array), host(tapegrad.rand(3, device=device).array), err_msg="backward has drawn from the stream")


@BOTH
def test_random_numbers_go_on_if_so_asked(reentrant: bool) -> None:
    tapegrad.manual_seed(3)
    x = tapegrad.ones(100, requires_grad=True)
    y = checkpoint(lambda x: nn.functional.dropout(x, 0.5) * 1.0 * x, x, use_reentrant=reentrant, preserve_rng_state=False)
    y.sum().backward()
    assert not np.array_equal(x.grad.array, 2 * y.detach().array)


def test_a_device_first_used_inside_starts_from_its_seed() -> None:
    from tapegrad.autograd import generator
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
    third = [grad(grad(grad(g(x).sum(), x, create_graph=True)[0].sum(), x, create_graph=True)[0].sum(), x)[0].array
             for g in (lambda x: x.sin().exp(), lambda x: checkpoint(lambda x: x.sin().exp(), x, use_reentrant=False))]
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
            return x ** 3

        @staticmethod
        def backward(ctx: Any, d: Tensor) -> Tensor:
            x, = ctx.saved_tensors
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
    assert runs == ["outer", "first", "second", "second", "first"], "the outer one again for the arguments of the inner ones, then those"
    x.grad = None
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, expected)
    assert gradgradcheck(lambda x: checkpoint(f, x, use_reentrant=False), (x,))


def test_one_form_within_the_other() -> None:
    x = leaf(0.7, 1.1)
    expected = grad(x.sin().exp().cos().sum(), x)[0].array
    for outer, inner in ((True, False), (False, True), (True, True)):
        x.grad = None
        y = checkpoint(lambda x, inner=inner: checkpoint(lambda x: x.sin().exp(), x, use_reentrant=inner).cos(), x, use_reentrant=outer)
        y.sum().backward()
        np.testing.assert_array_equal(x.grad.array, expected)


@pytest.mark.parametrize("early_stop", [True, False])
def test_passes_within_the_function(early_stop: bool) -> None:
    def f(x: Tensor) -> Tensor:
        y = x.sin()
        z = y.cos()
        d, = grad(z.sum(), x, retain_graph=True, create_graph=True)
        return z.exp() * d

    def g(x: Tensor) -> Tensor:
        d, = grad(x.sin().cos().sum(), x)
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


# ---- what is told of

def test_another_number_of_values() -> None:
    for deeper_first, text in ((True, "A different number of tensors was saved during the original forward and recomputation.\nNumber of tensors saved during "
                                      "forward: 2\nNumber of tensors saved during recomputation: 1."),
                               (False, "trying to save more tensors during recomputation than during the original forward pass.")):
        f = Counted(lambda x: x)
        f.function = lambda x, f=f, first=deeper_first: x.sin().cos() if (f.runs == 1) is first else x.sin()
        y = checkpoint(f, leaf(1.0), use_reentrant=False, early_stop=deeper_first)
        with pytest.raises(CheckpointError) as error:
            y.backward()
        assert str(error.value).startswith(f"torch.utils.checkpoint: {text}") and "Tip: To see a more detailed error message" in str(error.value)


def test_other_metadata() -> None:
    x = leaf(1.0, 2.0)
    for change, fact in ((lambda x: x[:1], "'shape': torch.Size([1])"), (lambda x: x.float(), "'dtype': torch.float32")):
        for check in ("default", "none"):
            f = Counted(lambda x: x)
            f.function = lambda x, f=f, change=change: (x if f.runs == 1 else change(x)).sin()
            y = checkpoint(f, x, use_reentrant=False, determinism_check=check)
            if check == "none":
                with contextlib.suppress(RuntimeError, ValueError):
                    y.sum().backward()
                continue
            with pytest.raises(CheckpointError) as error:
                y.sum().backward()
            text = str(error.value)
            assert text.startswith("torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than during the forward pass.\n"
                                   "tensor at position 0:\nsaved metadata: {'shape': torch.Size([2]), 'dtype': torch.float64, 'device': device(type='cpu')}")
            assert fact in text.partition("recomputed metadata: ")[2]


def test_debug() -> None:
    def run(**more: Any) -> Tensor:
        f = Counted(lambda x: x)
        f.function = lambda x: x.sin().cos() if f.runs == 1 else x.sin()
        return checkpoint(f, leaf(1.0, 2.0), use_reentrant=False, **more)

    with set_checkpoint_debug_enabled(True):
        within = run()
    for y in (run(debug=True), within):
        with pytest.raises(CheckpointError) as error:
            y.sum().backward()
        text = str(error.value)
        first, again = text.partition("Operations executed during the original forward:")[2].split("Operations executed during recomputation:")
        assert "float64[2] = sin(float64[2])\nfloat64[2] = cos(float64[2])" in first
        assert "float64[2] = sin(float64[2])" in again and "cos" not in again
        assert "test_checkpoint.py(" in text and "(1 of 2 in original)" in text and "checkpoint_log.py" not in text
        assert isinstance(error.value.__cause__, CheckpointError)
    with set_checkpoint_debug_enabled(False):
        y = run(debug=True)
    with pytest.raises(CheckpointError, match="A different number of tensors"):
        y.sum().backward()
    with pytest.raises(ValueError, match="debug=True is incompatible with non-default context_fn"):
        run(debug=True, context_fn=lambda: noop_context_fn())


def test_a_value_that_is_read_twice() -> None:
    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, d: Tensor) -> Tensor:
            return d * ctx.saved_tensors[0] / ctx.saved_tensors[0]

    y = checkpoint(Twice.apply, leaf(1.0), use_reentrant=False)
    with pytest.raises(CheckpointError, match="Unpack is being triggered for a tensor that was already unpacked once"):
        y.backward()


def test_arguments_that_are_written_between() -> None:
    h = leaf(1.0) * 2
    y = checkpoint(lambda h: h.sin(), h, use_reentrant=False)
    h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_values_that_the_function_writes_after_they_were_kept() -> None:
    """PyTorch computes a wrong gradient here; without a checkpoint it raises."""
    def f(x: Tensor) -> Tensor:
        h = x * 2
        k = h.sin()
        h.add_(1)
        return k.exp()

    x = leaf(1.0)
    for y in (f(x), checkpoint(f, x, use_reentrant=False)):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.backward()


def test_wrong_arguments() -> None:
    x = leaf(1.0)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: foo,bar"):
        checkpoint(tapegrad.sin, x, use_reentrant=True, foo=1, bar=2)
    with pytest.raises(ValueError, match="Passing `context_fn` or `debug` is only supported when use_reentrant=False"):
        checkpoint(tapegrad.sin, x, use_reentrant=True, debug=True)
    with pytest.raises(ValueError, match=r"determinism_check should be one of \['default', 'none'\], but got foo"):
        checkpoint(tapegrad.sin, x, use_reentrant=False, determinism_check="foo")
    with pytest.raises(ValueError, match="Unexpected keyword arguments: foo"):
        checkpoint_sequential([tapegrad.sin, tapegrad.cos], 2, x, use_reentrant=False, foo=1)
    with pytest.warns(UserWarning, match="the use_reentrant parameter should be passed explicitly"):
        checkpoint(tapegrad.sin, x)
    with pytest.warns(UserWarning, match="checkpoint_sequential: the use_reentrant parameter should be passed explicitly"):
        checkpoint_sequential([tapegrad.sin, tapegrad.cos], 2, x)
    with disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        checkpoint(tapegrad.sin, x, use_reentrant=False)


@BOTH
def test_errors_of_the_function(reentrant: bool) -> None:
    def fail(x: Tensor) -> Tensor:
        raise KeyError("mine")

    x = leaf(1.0)
    with pytest.raises(KeyError, match="mine"):
        checkpoint(fail, x, use_reentrant=reentrant)
    f = Counted(lambda x: x)
    f.function = lambda x: x.exp() if f.runs == 1 else fail(x)
    y = checkpoint(f, x, use_reentrant=reentrant)
    with pytest.raises(KeyError, match="mine"):
        y.backward()
    assert x.grad is None and tapegrad.is_grad_enabled()
    z = x.exp()
    z.backward()
    assert x.grad.item() == z.item()


def test_a_context_that_swallows_errors() -> None:
    class Swallow(contextlib.nullcontext):  # type: ignore[type-arg]
        def __exit__(self, *exc: Any) -> bool:  # type: ignore[override]
            return True

    def fail(x: Tensor) -> Tensor:
        raise KeyError("mine")

    with pytest.raises(RuntimeError, match="the forward context provided by context_fn suppressed an exception"):
        checkpoint(fail, leaf(1.0), use_reentrant=False, context_fn=lambda: (Swallow(), Swallow()))


def test_reentrant_refuses() -> None:
    x = leaf(1.0)
    text = r"When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad\(\) or passing an `inputs` parameter to .backward\(\)"
    with pytest.raises(RuntimeError, match=text):
        grad(checkpoint(tapegrad.sin, x, use_reentrant=True), x)
    with pytest.raises(RuntimeError, match=text):
        checkpoint(tapegrad.sin, x, use_reentrant=True).backward(inputs=[x])
    with pytest.raises(RuntimeError, match=r"none of output has requires_grad=True, this checkpoint\(\) is not necessary"):
        checkpoint(lambda x: x.detach(), x, use_reentrant=True).backward()
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True. Gradients will be None"):
        assert not checkpoint(tapegrad.sin, x.detach(), use_reentrant=True).requires_grad
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        check_backward_validity([x.detach(), 1])
    with pytest.raises(RuntimeError, match=r"Only tuple of tensors is supported\. Got Unsupported input type: list"):
        detach_variable([x])  # type: ignore[arg-type]


def test_reentrant_with_several_results_and_other_arguments() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    f = Counted(lambda n, x, w, flag: (x ** n * w, (x + w).detach(), "text") if flag else None)
    y, d, text = checkpoint(f, 3, x, w, True, use_reentrant=True)
    assert text == "text" and type(y.grad_fn).__name__ == "CheckpointFunctionBackward"
    (y.sum() + d.sum()).backward()
    assert f.runs == 2
    np.testing.assert_allclose(x.grad.array, 3 * x.array ** 2 * w.array)
    np.testing.assert_allclose(w.grad.array, x.array ** 3)


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


# ---- memory

def test_frees_by_reference_count() -> None:
    class Box:
        pass

    def run(reentrant: bool) -> tuple[Any, list[weakref.ref[Any]]]:
        x, box = leaf(1.0, 2.0), Box()
        h = x * 2

        def f(h: Tensor) -> Tensor:
            assert box is not None
            return checkpoint(lambda h: h.exp().sin(), h, use_reentrant=reentrant).exp()

        y = checkpoint(f, h, use_reentrant=reentrant)
        return y, [weakref.ref(box), weakref.ref(h), weakref.ref(y.grad_fn), weakref.ref(x)]

    with no_collector():
        for reentrant in (False, True):
            for use in (lambda y: None, lambda y: y.sum().backward(), lambda y: y.sum().backward(retain_graph=True)):
                y, refs = run(reentrant)
                use(y)
                del y
                assert [ref() for ref in refs] == [None] * 4
        y, refs = run(False)
        d, = grad(y.sum(), refs[3](), create_graph=True)
        del y, d
        assert [ref() for ref in refs] == [None] * 4


def test_frees_where_an_argument_is_written_with_the_result() -> None:
    with no_collector():
        w = leaf(3.0)
        y = tapegrad.ones(1, dtype=tapegrad.float64)
        z = checkpoint(lambda y: (y * w).sin(), y, use_reentrant=False)
        y += z
        refs = [weakref.ref(z.grad_fn), weakref.ref(y)]
        del y, z
        assert [ref() for ref in refs] == [None, None]


def test_what_a_pass_leaves_over_goes_with_it() -> None:
    arrays: list[weakref.ref[Any]] = []

    def f(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.exp(), w.exp()
        arrays.extend([weakref.ref(a.array), weakref.ref(b.array)])
        return a.sin(), b.sin()

    with no_collector():
        x, w = leaf(1.0), leaf(2.0)
        y, z = checkpoint(f, x, w, use_reentrant=False)
        assert [array() for array in arrays] == [None, None]
        expected = y + z
        d, = grad(y, x, retain_graph=True)
        assert [array() for array in arrays] == [None] * 4, "that of the other result was computed too, and not read"
        del expected, d
        z.backward()
        assert w.grad is not None


def peak(run: Callable[[], Any]) -> int:
    """The most bytes that `run` has held at once beyond what was there."""
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


N, WIDTH, LAYERS = 256, 128, 64
ACTIVATION = N * WIDTH * 4


def test_peak_memory_is_that_of_one_segment() -> None:
    """A stack of 64 layers that each keep 3 activations: without checkpoints the peak is all of them, with 8 segments 8 arguments and 8 layers."""
    weights = [(tapegrad.randn(WIDTH, WIDTH) / WIDTH ** 0.5).requires_grad_() for _ in range(LAYERS)]
    for w in weights:
        w.grad = tapegrad.zeros(WIDTH, WIDTH)
    x = tapegrad.randn(N, WIDTH)

    def layers(weights: list[Tensor], h: Tensor) -> Tensor:
        for w in weights:
            h = h + (h @ w).tanh().sigmoid() / LAYERS
        return h

    def whole() -> None:
        layers(weights, x).sum().backward()

    def segments(size: int, reentrant: bool) -> Callable[[], None]:
        def run() -> None:
            h = x.clone().requires_grad_() if reentrant else x
            for start in range(0, LAYERS, size):
                h = checkpoint(lambda h, start=start: layers(weights[start:start + size], h), h, use_reentrant=reentrant)
            h.sum().backward()

        return run

    def nested(start: int, size: int, h: Tensor) -> Tensor:
        """Halves within halves: memory that grows with the logarithm of the depth."""
        if size == 1:
            return layers(weights[start:start + 1], h)
        half = size // 2
        for at in (start, start + half):
            h = checkpoint(nested, at, half, h, use_reentrant=False)
        return h

    whole()
    expected = [w.grad.array.copy() for w in weights]
    assert peak(whole) > 3 * LAYERS * ACTIVATION
    root = 8
    for reentrant in (False, True):
        for w in weights:
            w.grad.zero_()
        run = segments(root, reentrant)
        run()
        for w, d in zip(weights, expected):
            np.testing.assert_array_equal(w.grad.array, d)
        assert peak(run) < (LAYERS // root + 3 * root + 8) * ACTIVATION
    for w in weights:
        w.grad.zero_()
    nested(0, LAYERS, x).sum().backward()
    for w, d in zip(weights, expected):
        np.testing.assert_array_equal(w.grad.array, d)
    assert peak(lambda: nested(0, LAYERS, x).sum().backward()) < (2 * 6 + 3 + 8) * ACTIVATION


class Block(nn.Module):
    """Attention and a small network, each behind a norm, with dropout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.first(x)).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)
        x = x + self.dropout(self.out(attended))
        return x + self.dropout(self.network(self.second(x)))


def test_peak_memory_of_a_transformer() -> None:
    tapegrad.manual_seed(0)
    depth = 8
    blocks = nn.Sequential(*[Block(32) for _ in range(depth)])
    x = tapegrad.randn(4, 64, 32)

    def run(each: Callable[[Any, Tensor], Tensor]) -> Callable[[], list[np.ndarray]]:
        def step() -> list[np.ndarray]:
            tapegrad.manual_seed(1)
            blocks.zero_grad()
            h = x
            for block in blocks:
                h = each(block, h)
            h.square().mean().backward()
            return [p.grad.array for p in blocks.parameters() if p.grad is not None]

        return step

    plain = run(lambda block, h: block(h))
    saving = run(lambda block, h: checkpoint(block, h, use_reentrant=False))
    for a, b in zip(plain(), saving()):
        np.testing.assert_array_equal(a, b)
    one = peak(run(lambda block, h: block(h) if block is blocks[0] else h))
    assert peak(plain) > depth / 2 * one
    assert peak(saving) < 2 * one
