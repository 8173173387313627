"""Anomaly mode tells what PyTorch tells: the same errors, the same warnings in the same order, pointing at the same
lines of the forward pass.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import tapegrad

torch = pytest.importorskip("torch")

#: each takes torch or tapegrad and fails in backward, inside the mode but for what it says itself
PROGRAMS: list[Callable[[Any], Any]] = []


def program(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS.append(f)
    return f


def bad(lib: Any, error: Exception | None = None) -> Any:
    class Bad(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            if error is not None:
                raise error
            return grad * float("nan")

    return Bad


def raising(grad: Any) -> Any:
    raise ZeroDivisionError("division by zero")


@program
def nan_of_an_op(lib):
    x = lib.tensor([0.0, 1.0], requires_grad=True)
    y = x.sqrt()
    (y * 0).sum().backward()


@program
def nan_of_a_function(lib):
    x = lib.ones(3, requires_grad=True)
    bad(lib).apply(x).sum().backward()


@program
def error_of_a_function(lib):
    x = lib.ones(3, requires_grad=True)
    y = bad(lib, ValueError("mine")).apply(x)
    y.sum().backward()


@program
def forward_without_the_mode(lib):
    x = lib.zeros(1, requires_grad=True)
    with lib.autograd.set_detect_anomaly(False):
        y = x.sqrt()
    (y * 0).backward()


@program
def second_derivative(lib):
    x = lib.tensor([0.0], requires_grad=True)
    y = x**1.5
    (dy,) = lib.autograd.grad(y, [x], create_graph=True)
    (ddy,) = lib.autograd.grad(dy, [x], create_graph=True)
    lib.autograd.grad(ddy * 0, [x])


@program
def second_derivative_of_a_graph_made_without_the_mode(lib):
    x = lib.tensor([0.0], requires_grad=True)
    with lib.autograd.set_detect_anomaly(False):
        y = x**1.5
        (dy,) = lib.autograd.grad(y, [x], create_graph=True)
        (ddy,) = lib.autograd.grad(dy, [x], create_graph=True)
    lib.autograd.grad(ddy * 0, [x])


@program
def hook_of_a_tensor(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 3
    y.register_hook(raising)
    y.sum().backward()


@program
def hook_of_a_leaf(lib):
    x = lib.ones(2, requires_grad=True)
    x.register_hook(raising)
    y = x * 3
    y.sum().backward()


@program
def hook_of_a_leaf_used_before(lib):
    x = lib.ones(2, requires_grad=True)
    with lib.autograd.set_detect_anomaly(False):
        y = x * 3
    x.register_hook(raising)
    y.sum().backward()


@program
def hook_of_what_is_asked_for(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 3
    y.register_hook(raising)
    lib.autograd.grad(y.sum(), y)


@program
def hook_of_one_of_several_results(lib):
    x = lib.ones(4, requires_grad=True)
    a, b = (x * 2).split(2)
    a.register_hook(raising)
    (a + b).sum().backward()


@program
def overwritten(lib):
    x = lib.ones(2, requires_grad=True)
    y = x.exp()
    y.mul_(2)
    y.sum().backward()


@program
def freed(lib):
    x = lib.ones(2, requires_grad=True)
    y = x.exp().sum()
    y.backward()
    y.backward()


@program
def in_place(lib):
    x = lib.ones(2, requires_grad=True)
    y = x.clone()
    y.mul_(float("nan"))
    y.sum().backward()


@program
def through_a_view(lib):
    x = lib.ones(3, requires_grad=True)
    y = x.clone()
    v = y[:2]
    v.mul_(2)
    y.backward(lib.tensor([1.0, 1.0, float("nan")]))


@program
def second_operand(lib):
    x = lib.ones(2, requires_grad=True)
    y = lib.full((2,), float("nan"))
    (y * x).sum().backward()


@program
def operand_without_gradient(lib):
    x = lib.ones(2, requires_grad=True)
    y = lib.where(lib.tensor([True, False]), x, lib.zeros(2))
    y.backward(lib.tensor([float("nan"), 1.0]))


@program
def rows(lib):
    x = lib.ones(3, requires_grad=True)
    x[lib.tensor([0, 2])].backward(lib.tensor([1.0, float("nan")]))


@program
def a_pass_within_a_pass(lib):
    inner = bad(lib)

    class Outer(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx, x):
            with lib.enable_grad():
                ctx.y = inner.apply(x.detach().requires_grad_())
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            ctx.y.backward()
            return grad

    Outer.apply(lib.ones(1, requires_grad=True)).sum().backward()


@program
def complex_numbers(lib):
    x = lib.tensor([1 + 1j], requires_grad=True)
    (x * complex(float("nan"), 0)).abs().sum().backward()


@program
def half_precision(lib):
    x = lib.tensor([-1.0], requires_grad=True, dtype=lib.float16)
    x.log().sqrt().sum().backward()


@program
def bfloat16(lib):
    x = lib.tensor([-1.0], requires_grad=True, dtype=lib.bfloat16)
    x.log().sqrt().sum().backward()


@program
def under_func_grad(lib):
    lib.func.grad(lambda x: (x.sqrt() * 0).sum())(lib.zeros(3))


@program
def under_vmap(lib):
    lib.func.vmap(lib.func.grad(lambda x: (x.sqrt() * 0).sum()))(lib.zeros(3, 2))


def outcome(lib: Any, f: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
    """The error, and of each warning its first line and the line of `f` that it shows last."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        with pytest.raises(Exception) as raised, lib.autograd.set_detect_anomaly(True):
            f(lib)
    told = []
    for warning in caught:
        text = str(warning.message).partition(" (Triggered internally")[0]
        shown = re.findall(rf'File "{re.escape(__file__)}", line (\d+), in ', text)
        told.append((text.strip().splitlines()[0].strip(), int(shown[-1]) if shown else None))
    return (type(raised.value), str(raised.value)), told


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_tells_the_same(f):
    expected, found = outcome(torch, f), outcome(tapegrad, f)
    assert found == expected
    assert expected[1], "the program is told of"
    first = f.__code__.co_firstlineno
    lines = range(first, first + len(inspect.getsource(f).splitlines()))
    assert all(line is None or line in lines or f is nan_of_a_function for _, line in expected[1])


def test_the_mode_itself():
    for lib in (torch, tapegrad):
        states = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with lib.autograd.detect_anomaly(check_nan=False):
                states.append((lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()))
                with lib.autograd.set_detect_anomaly(False):
                    states.append((lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()))
                states.append((lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()))
            states.append((lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()))
        assert states == [(True, False), (False, True), (True, False), (False, True)]
        assert [str(warning.message) for warning in caught] == [
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging."
        ]
        assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.autograd.set_detect_anomaly(1),
        lambda lib: lib.autograd.set_detect_anomaly(True, 3),
        lambda lib: lib.set_anomaly_enabled("on"),
        lambda lib: lib.autograd.set_detect_anomaly(),
    ],
)
def test_arguments(call):
    texts = []
    for lib in (torch, tapegrad):
        with pytest.raises(TypeError) as raised:
            call(lib)
        texts.append(str(raised.value))
    assert texts[0] == texts[1]
