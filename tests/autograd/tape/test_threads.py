"""Several threads: sums are exact, modes and hooks are each thread's own, a graph that threads share is walked by one
of them or kept for all.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.autograd import grad
from tapegrad.autograd.core.gate import gate

N = 4


@pytest.fixture(autouse=True)
def _impatient():
    """Threads take turns after every few steps, not every five milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
    assert not gate.on


def together(work, n=N):
    """Call ``work(i)`` in `n` threads at once; returns what each gave or raised."""
    start = threading.Barrier(n)
    results = [None] * n

    def run(i):
        start.wait()
        try:
            results[i] = work(i)
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def fine(results):
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def leaf(*values, device="cpu"):
    return tg.tensor(values or (1.0, 2.0, 3.0), dtype=tg.float64, device=device, requires_grad=True)


# ---- sums


def test_shared_leaves(device):
    """Small whole numbers: a lost or doubled gradient shows exactly."""
    x, w = leaf(2, device=device), leaf(3, device=device)

    def work(i):
        for n in range(100):
            (x * w * (i + 1) + x[0] * n).backward()

    fine(together(work))
    times = 100 * sum(range(1, N + 1))
    assert x.grad.item() == 3 * times + N * sum(range(100))
    assert w.grad.item() == 2 * times


def test_the_first_gradient_of_a_leaf():
    for _ in range(100):
        x = leaf(1)
        fine(together(lambda i, x=x: (x * 1).backward()))
        assert x.grad.item() == N


def test_with_hooks_on_the_shared_leaf():
    x = leaf(1)
    seen = Counter()
    x.register_hook(lambda g: seen.update([g.item()]) or g * 2)
    x.register_post_accumulate_grad_hook(lambda t: seen.update(["after"]))

    def work(i):
        for _ in range(50):
            (x * float(i + 1)).backward()

    fine(together(work))
    assert x.grad.item() == 2 * 50 * sum(range(1, N + 1))
    assert seen == {**{float(i + 1): 50 for i in range(N)}, "after": 50 * N}


def test_create_graph_in_several_threads():
    x = leaf(2)

    def work(i):
        for _ in range(20):
            (d,) = grad(x**3, x, create_graph=True)
            (dd,) = grad(d, x)
            assert (d.item(), dd.item()) == (12, 12)

    fine(together(work))
    assert x.grad is None


def test_rows_and_branches():
    x = tg.arange(12.0, dtype=tg.float64).reshape(4, 3).requires_grad_()

    def work(i):
        for _ in range(50):
            (x[i] * 2 + x[[0, 0, i]].sum(0)).sum().backward()

    fine(together(work))
    expected = np.full((4, 3), 150.0)
    expected[0] = 100 + 400 + 50
    np.testing.assert_array_equal(x.grad.numpy(), expected)


# ---- a graph that threads share


def test_a_shared_graph_is_walked_by_one_at_least():
    for _ in range(50):
        x = leaf(1)
        shared = x
        for _ in range(5):
            shared = (shared * shared).exp().log()
        tops = [shared * float(i + 1) for i in range(N)]
        results = together(lambda i, tops=tops: tops[i].backward())
        failed = [r for r in results if r is not None]
        assert len(failed) < N
        for error in failed:
            assert isinstance(error, RuntimeError) and "Specify retain_graph=True" in str(error)


def test_a_shared_graph_that_is_kept(device):
    for _ in range(30):
        x = leaf(2, device=device)
        shared = (x * x) * (x + 1)
        tops = [shared * float(i + 1) for i in range(N)]
        fine(together(lambda i, tops=tops: tops[i].backward(retain_graph=True)))
        assert x.grad.item() == (3 * 4 + 2 * 2) * sum(range(1, N + 1))


def test_the_same_root_in_every_thread():
    x, w = leaf(2), leaf(5)
    y = ((x * w).exp().log() * x).sum()
    results = fine(together(lambda i: [grad(y, [x, w], retain_graph=True) for _ in range(50)]))
    for result in results:
        for dx, dw in result:
            np.testing.assert_allclose([dx.item(), dw.item()], [20, 4])
    y.backward()


def test_a_failing_thread_does_not_disturb_the_others():
    x, w = leaf(2), leaf(3)
    shared = x * x

    def work(i):
        y = shared * w
        if i == 0:
            y.register_hook(lambda g: 1 / 0)
        for _ in range(50):
            y.backward(retain_graph=True)

    first, *others = together(work)
    assert isinstance(first, ZeroDivisionError)
    fine(others)
    assert x.grad.item() == 4 * 3 * 50 * (N - 1)
    assert w.grad.item() == 4 * 50 * (N - 1)


def test_passes_nested_in_several_threads():
    class Nested(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x, depth):
            ctx.depth = depth
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            if ctx.depth:
                with tg.enable_grad():
                    Nested.apply(shared * 1, ctx.depth - 1).backward()
            return g, None

    shared = leaf(1)
    fine(together(lambda i: Nested.apply(shared * 1, 60 + i).backward()))
    assert shared.grad.item() == sum(61 + i for i in range(N))


# ---- what is each thread's own


def test_modes():
    modes = [tg.no_grad, tg.enable_grad, tg.inference_mode, lambda: tg.autograd.set_multithreading_enabled(False)]
    x = leaf(1)

    def look():
        y = x * 2
        return (
            tg.is_grad_enabled(),
            tg.is_inference_mode_enabled(),
            tg.autograd.is_multithreading_enabled(),
            y.requires_grad,
            y.is_inference(),
        )

    def work(i):
        found = set()
        for _ in range(50):
            with modes[i]():
                found.add(look())
            assert look() == (True, False, True, True, False)
        return found

    expected = [
        (False, False, True, False, False),
        (True, False, True, True, False),
        (False, True, True, False, True),
        (True, False, False, True, False),
    ]
    assert fine(together(work)) == [{e} for e in expected]


def test_a_mode_goes_with_the_thread_that_never_left_it():
    def work(i):
        tg.set_grad_enabled(False)
        tg.autograd.set_multithreading_enabled(False)

    fine(together(work))
    assert not gate.on
    assert (
        fine(together(lambda i: (tg.is_grad_enabled(), tg.autograd.is_multithreading_enabled()))) == [(True, True)] * N
    )


def test_a_new_thread_starts_in_the_default_modes():
    with tg.no_grad(), tg.inference_mode():
        assert fine(together(lambda i: (tg.is_grad_enabled(), tg.is_inference_mode_enabled()))) == [(True, False)] * N


def test_grad_mode_inside_a_pass_is_the_threads():
    seen = [set() for _ in range(N)]
    x = leaf(1)

    def work(i):
        for _ in range(20):
            y = x * 2
            y.register_hook(lambda g: seen[i].add(tg.is_grad_enabled()))
            grad(y, x, create_graph=bool(i % 2))

    fine(together(work))
    assert seen == [{bool(i % 2)} for i in range(N)]


def test_saved_tensor_hooks():
    x = leaf(1)

    def work(i):
        packed = []
        if i % 2:
            with tg.autograd.graph.saved_tensors_hooks(lambda t: packed.append(i) or t, lambda t: t):
                y = x * x
        else:
            y = x * x
        y.backward()
        return len(packed)

    assert fine(together(work)) == [0, 2, 0, 2]
    assert x.grad.item() == 2 * N


def test_set_multithreading_enabled_takes_a_bool():
    with pytest.raises(
        TypeError, match=r"set_multithreading_enabled\(\): argument 'enabled' \(position 1\) must be bool, not int"
    ):
        tg.autograd.set_multithreading_enabled(1)

    @tg.autograd.set_multithreading_enabled(False)
    def inside():
        return tg.autograd.is_multithreading_enabled()

    tg.autograd.set_multithreading_enabled(True)
    assert not inside()
    assert tg.autograd.is_multithreading_enabled()


# ---- Python without its global lock


def test_it_is_said_that_the_lock_is_needed():
    """Python 3.13 and later can run without the lock that keeps threads apart."""
    program = "import sys; sys._is_gil_enabled = lambda: {}; import tapegrad"
    for enabled, told in ((True, False), (False, True)):
        result = subprocess.run(
            [sys.executable, "-c", program.format(enabled)], capture_output=True, text=True, check=True
        )
        assert ("RuntimeWarning: tapegrad relies on Python's global interpreter lock" in result.stderr) is told
