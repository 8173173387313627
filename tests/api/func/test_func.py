"""`func` on arrays and tensors of every device."""

from __future__ import annotations

import numpy as np
import pytest

import tapegrad
from tapegrad import func
from tapegrad.autograd import functional
from tapegrad.backends import Device, backend_for
from tapegrad.backends.strict.backend import refusing


def to(device: str, values) -> object:
    return backend_for(Device(device)).from_host(np.asarray(values), Device(device))


def back(array) -> np.ndarray:
    return backend_for(Device("cpu" if isinstance(array, np.ndarray) else "strict")).to_host(array)


def test_arrays_in_arrays_out(device):
    x, w = to(device, [1.0, 2.0]), to(device, [3.0, 4.0])

    def loss(a, b):
        assert isinstance(a, tapegrad.Tensor) and isinstance(b, tapegrad.Tensor)
        return (a * a * b).sum()

    def aux(a, b):
        return loss(a, b), {"twice": b * 2, "text": "kept"}

    with refusing() if device == "strict" else tapegrad.enable_grad():
        value, gradient = func.value_and_grad(loss)(x, w)
        both = func.grad(loss, argnums=(0, 1))(x, w)
        (_, extra), _ = func.value_and_grad(aux, has_aux=True)(x, w)
        matrix = func.jacrev(lambda a: a * a)(x)
        second = func.hessian(loss)(x, w)
        y, product = func.vjp(lambda a: a * a, x)
        (direction,) = product(w)
    for result, expected in [
        (value, 19.0),
        (gradient, [6, 16]),
        (both[0], [6, 16]),
        (both[1], [1, 4]),
        (extra["twice"], [6, 8]),
        (matrix, [[2, 0], [0, 4]]),
        (second, [[6, 0], [0, 8]]),
        (y, [1, 4]),
        (direction, [6, 16]),
    ]:
        assert type(result) is type(x)
        np.testing.assert_allclose(back(result), expected)
    assert extra["text"] == "kept"
    np.testing.assert_array_equal(back(x), [1, 2])


def test_arrays_in_forward_mode(device):
    x, v = to(device, [1.0, 2.0]), to(device, [1.0, 10.0])

    def f(a):
        assert isinstance(a, tapegrad.Tensor)
        return a * a * a, {"sum": a.sum()}

    with refusing() if device == "strict" else tapegrad.enable_grad():
        (value, _), (along, total) = func.jvp(f, (x,), (v,))
        matrix, sums = func.jacfwd(f)(x)
        (again, _), product = func.linearize(f, x)
        linear, _ = product(v)
        value_of, twice = func.jvp(lambda a: (a * 2, a), (x,), (v,), has_aux=True)[1:]
    for result, expected in [
        (value, [1, 8]),
        (along, [3, 120]),
        (total["sum"], 11),
        (matrix, [[3, 0], [0, 12]]),
        (sums["sum"], [1, 1]),
        (again, [1, 8]),
        (linear, [3, 120]),
        (value_of, [2, 20]),
        (twice, [1, 2]),
    ]:
        assert type(result) is type(x)
        np.testing.assert_allclose(back(result), expected)
    np.testing.assert_array_equal(back(x), [1, 2])


def test_inference_mode():
    """A transform differentiates there as anywhere, by tensors made there too."""
    with tapegrad.inference_mode():
        x, k = tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 4.0])
        results = [
            func.grad(lambda a, b: (a * a * b).sum())(x, k),
            func.jacrev(lambda a: a * a)(x),
            func.jacfwd(lambda a: a * a)(x),
            func.jvp(lambda a: a * a, (x,), (k,))[1],
            func.vjp(lambda a: a * a, x)[1](k)[0],
            func.linearize(lambda a: a * a, x)[1](k),
            func.hessian(lambda a: (a * a * a).sum())(x),
            func.grad(lambda a: func.grad(lambda b: b * b * b)(a))(x[0]),
        ]
        assert tapegrad.is_inference_mode_enabled() and not tapegrad.is_grad_enabled()
    diagonal = [[2, 0], [0, 4]]
    assert [r.tolist() for r in results] == [
        [6, 16],
        diagonal,
        diagonal,
        [6, 16],
        [6, 16],
        [6, 16],
        [[6, 0], [0, 12]],
        6,
    ]
    assert not any(r.requires_grad for r in results)


def test_each_gradient_is_of_its_arguments_kind():
    x = np.array([1.0, 2.0])
    t = tapegrad.tensor(x)
    first, second = func.grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(x, t)
    assert isinstance(first, np.ndarray) and isinstance(second, tapegrad.Tensor)
    g = func.grad(lambda p: (p["w"] * p["b"][0]).sum())({"w": x, "b": (x, x)})
    assert g["w"].tolist() == [1, 2] and g["b"][1].tolist() == [0, 0] and isinstance(g["b"], tuple)
    assert func.grad(lambda a: a * a)(np.float64(3.0)) == 6
    assert func.grad(lambda a: (a * a).sum())(x.astype(np.float32)).dtype == np.float32


def test_nothing_is_left_behind():
    """The caller's tensors gain neither gradients nor history, and results hold no graph unless they depend on what
    requires grad.
    """
    x, w = tapegrad.ones(2), tapegrad.ones(2, requires_grad=True)
    value, gradient = func.value_and_grad(lambda a: (a * a).sum())(x)
    assert not (x.requires_grad or value.requires_grad or gradient.requires_grad) and value.grad_fn is None
    value, gradient = func.value_and_grad(lambda a: (a * w).sum())(x)
    assert value.requires_grad and gradient.requires_grad and w.grad is None
    gradient.sum().backward()
    assert w.grad.tolist() == [1, 1]


def test_gradients_of_gradients_reach_outer_variables():
    w = tapegrad.tensor(2.0, dtype=tapegrad.float64, requires_grad=True)
    inner = func.grad(lambda x: w * w * x * x * x)(tapegrad.tensor(3.0, dtype=tapegrad.float64))
    assert inner.item() == 108
    inner.backward()
    assert w.grad.item() == 108

    def step(p, rate):
        """One step of descent, differentiated through."""
        return p - rate * func.grad(lambda q: q * q * q)(p)

    assert func.grad(lambda p: step(p, 0.1) * 2)(tapegrad.tensor(1.0, dtype=tapegrad.float64)).item() == pytest.approx(
        2 * (1 - 0.1 * 6)
    )


def test_it_agrees_with_functional(rng):
    x = tapegrad.tensor(rng.standard_normal(4))

    def f(a):
        return (a * a).exp() * a.sum()

    np.testing.assert_allclose(func.jacrev(f)(x).numpy(), functional.jacobian(f, x).numpy())
    np.testing.assert_allclose(
        func.hessian(lambda a: f(a).sum())(x).numpy(), functional.hessian(lambda a: f(a).sum(), x).numpy()
    )


def test_functional_on_devices(device, rng):
    x = tapegrad.tensor(rng.standard_normal(3), device=device)
    v = tapegrad.tensor(rng.standard_normal(3), device=device)

    def f(a):
        return (a * a * a).sum()

    with refusing() if device == "strict" else tapegrad.enable_grad():
        second = functional.hessian(f, x)
        left, right = functional.vhp(f, x, v)[1], functional.hvp(f, x, v)[1]
        along = functional.jvp(lambda a: a * a, x, v)[1]
        back_along = functional.vjp(lambda a: a * a, x, v)[1]
        rows = functional.jacobian(lambda a: (a * a, a.sum()), x, create_graph=True)
    values, direction = back(x.array), back(v.array)
    np.testing.assert_allclose(back(second.array), np.diag(6 * values))
    for product in (left, right):
        np.testing.assert_allclose(back(product.array), 6 * values * direction)
    for product in (along, back_along):
        np.testing.assert_allclose(back(product.array), 2 * values * direction)
    np.testing.assert_allclose(back(rows[0].array), np.diag(2 * values))
    np.testing.assert_allclose(back(rows[1].array), np.ones(3))


def test_empty_results_and_arguments():
    empty, x = tapegrad.zeros(0), tapegrad.ones(2)
    assert functional.jacobian(lambda a: a * a, empty).shape == (0, 0)
    assert functional.jacobian(lambda a: a[:0] * 2, x).shape == (0, 2)
    assert func.jacrev(lambda a: a.sum())(empty).shape == (0,)


def test_misuse():
    x = tapegrad.ones(2)
    with pytest.raises(NotImplementedError, match="vectorize=True"):
        functional.jacobian(lambda a: a * a, x, strategy="forward-mode")
    with pytest.raises(ValueError, match="Thing passed to transform API must be Tensor, got <class 'str'>"):
        func.grad(lambda a: a)("text")
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype can require gradients"):
        func.grad(lambda a: a.sum())(np.arange(3))


def test_random_functions_have_a_jacobian():
    x = tapegrad.tensor([1.0, 2.0])
    assert tapegrad.func.jacfwd(lambda x: x * 2 + tapegrad.rand_like(x), randomness="different")(x).tolist() == [
        [2.0, 0.0],
        [0.0, 2.0],
    ]


def test_tangents_made_in_inference_mode():
    with tapegrad.inference_mode():
        v = tapegrad.ones(2)
    x = tapegrad.tensor([1.0, 2.0], requires_grad=True)
    _, product = tapegrad.func.linearize(lambda x: x * x, x)
    assert product(v).tolist() == tapegrad.func.jvp(lambda x: x * x, (x,), (v,))[1].tolist() == [2.0, 4.0]
