"""Dual numbers: how long tangents live, threads, devices, levels within levels."""

from __future__ import annotations

import threading
import weakref

import numpy as np
import pytest

import tapegrad
from tapegrad import func
from tapegrad.autograd import forward_ad
from tapegrad.autograd.forward_ad import dual_level, make_dual, unpack_dual


def t(*values: float, **more: object) -> tapegrad.Tensor:
    return tapegrad.tensor(values, dtype=tapegrad.float64, **more)


def tangent(x: tapegrad.Tensor) -> list[float] | None:
    found = unpack_dual(x).tangent
    return None if found is None else found.tolist()


def test_a_tangent_lives_as_long_as_its_value(without_collector) -> None:
    with dual_level():
        d = make_dual(t(1, 2), t(1, 10))
        y = d.exp()
        of_y = weakref.ref(unpack_dual(y).tangent._array)
        view = y[:1]
        del y
        assert of_y() is not None, "the view shows its base's tangent"
        assert tangent(view) == [np.e]
        del view
        assert of_y() is None
        z = d * 2
        z = z * 2
        assert tangent(z) == [4, 40]


def test_a_long_chain_keeps_no_tangents(without_collector) -> None:
    """Memory stays what it is for one value."""
    with dual_level():
        y = make_dual(t(1, 2), t(1, 10))
        alive = []
        for _ in range(20):
            y = y * 1.5
            alive.append(weakref.ref(unpack_dual(y).tangent._array))
        assert [r() is not None for r in alive] == [False] * 19 + [True]


@pytest.mark.parametrize("requires_grad", [False, True])
def test_leaving_the_level_drops_tangents_of_living_values(without_collector, requires_grad: bool) -> None:
    x = t(1, 2, requires_grad=requires_grad)
    with dual_level():
        d = make_dual(x, t(1, 10))
        y = d.exp()
        refs = [weakref.ref(unpack_dual(v).tangent._array) for v in (d, y)]
    assert [r() for r in refs] == [None, None]
    value = weakref.ref(y._array)
    del y, d
    assert value() is None


def test_a_transform_leaves_nothing_behind(without_collector) -> None:
    arrays = []

    def f(x: tapegrad.Tensor) -> tapegrad.Tensor:
        y = x.exp()
        arrays.append(weakref.ref(y._array))
        return y * y

    func.jvp(f, (t(1, 2),), (t(1, 1),))
    func.jacfwd(f)(t(1, 2))
    func.hessian(lambda x: f(x).sum())(t(1, 2))
    assert [r() for r in arrays] == [None] * 3


def test_a_level_belongs_to_its_thread() -> None:
    found: list[object] = []
    with dual_level():
        d = make_dual(t(1, 2), t(1, 10))

        def elsewhere() -> None:
            found.append(tangent(d * 2))
            with dual_level():
                found.append(tangent(make_dual(t(3), t(4)) * 2))
            found.append(forward_ad.unpack_dual(d).primal is d)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert found == [None, [8], True]
        assert tangent(d * 2) == [2, 20]


def test_threads_at_the_same_time() -> None:
    start = threading.Barrier(4)
    found: list[object] = []

    def work(k: float) -> None:
        start.wait()
        for _ in range(50):
            with dual_level():
                y = make_dual(t(k), t(1))
                for _ in range(5):
                    y = y * k
                found.append(tangent(y) == [k**5])

    threads = [threading.Thread(target=work, args=(k,)) for k in (1.0, 2.0, 3.0, 4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200 and all(found)


def test_what_pytorch_gets_wrong() -> None:
    """A tensor multiplied by itself in place; a result that shares its operand's tangent; a gradient's own tangent, of
    the first pass as of the second.
    """
    with dual_level():
        d = make_dual(t(1, 2), t(1, 10))
        assert tangent(d.mul_(d)) == [2, 40]
        v = t(1, 10)
        d = make_dual(t(1, 2), v)
        tapegrad.addcmul(
            d, tapegrad.tensor(0.0, dtype=tapegrad.float64), tapegrad.tensor(0.0, dtype=tapegrad.float64)
        ).mul_(2)
        assert v.tolist() == [1, 10]
        x = t(1, 2, requires_grad=True)
        d = make_dual(x, t(1, 10))
        for n in (1, 2):
            (d**3).sum().backward()
            assert x.grad.tolist() == [3 * n, 12 * n] and tangent(x.grad) == [6 * n, 120 * n]


def test_levels_within_levels() -> None:
    """A dual level and the transforms of `func` nest in any order."""
    with dual_level():
        d = make_dual(t(1, 2), t(1, 10))
        value, along = func.jvp(lambda x: x * x * d, (t(1, 2),), (t(1, 1),))
        assert tangent(value) == [1, 40] and along.tolist() == [2, 8] and tangent(along) == [2, 40]
        assert tangent(func.grad(lambda x: (x * x * x).sum())(d)) == [6, 120]
        assert tangent(func.vmap(lambda x: x * x)(d)) == [2, 40]
        assert func.jacfwd(lambda x: x * x)(d).tolist() == [[2, 0], [0, 4]]

    def cube(x: tapegrad.Tensor) -> tapegrad.Tensor:
        with dual_level():
            return unpack_dual(make_dual(x * 1, t(1, 1)) ** 3).tangent

    assert func.jvp(cube, (t(1, 2),), (t(1, 1),))[1].tolist() == [6, 12]
    assert func.grad(lambda x: cube(x).sum())(t(1, 2)).tolist() == [6, 12]
    assert func.vmap(cube)(tapegrad.ones(3, 2, dtype=tapegrad.float64)).tolist() == [[3, 3]] * 3


def test_ops_are_recorded_as_ever_inside() -> None:
    x = t(1, 2, requires_grad=True)
    with dual_level():
        y = (x * x).sum()
        y.backward()
        assert y.grad_fn.name() == "SumBackward0"
    assert x.grad.tolist() == [2, 4] and x.grad.grad_fn is None


def test_on_devices(device: str, rng: np.random.Generator) -> None:
    values, direction = rng.standard_normal((2, 3, 4))
    x, v = tapegrad.tensor(values, device=device), tapegrad.tensor(direction, device=device)
    with dual_level():
        d = make_dual(x, v)
        y = unpack_dual((d.tanh() @ d.t()).softmax(0).sum(1))
        d[0].mul_(2)
        d[:, 1] = 0.0
        written = unpack_dual(d).tangent
    eps = 1e-6
    before, after = (
        (lambda x: (x.tanh() @ x.t()).softmax(0).sum(1))(tapegrad.tensor(values + h * direction)).numpy()
        for h in (-eps, eps)
    )
    assert y.tangent.device == x.device and written is v
    np.testing.assert_allclose(y.tangent.tolist(), (after - before) / (2 * eps), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(written.tolist(), direction * [[2, 0, 2, 2], [1, 0, 1, 1], [1, 0, 1, 1]])


def test_other_libraries_see_no_tangents() -> None:
    """`make_dual` makes no copy, and NumPy sees the primal."""
    x = np.array([1.0, 2.0])
    with dual_level():
        d = make_dual(tapegrad.from_numpy(x), t(1, 10))
        d.mul_(2)
        assert x.tolist() == [2, 4] and d.numpy().tolist() == [2, 4]
