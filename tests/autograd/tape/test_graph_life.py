"""How long a graph lives and what frees it; passes that fail, nest, or are very long or very wide."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import warnings
import weakref

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.autograd import forward_ad, grad
from tapegrad.autograd.core.gate import gate
from tapegrad.autograd.tape import reentrant


class Boom(Exception):
    pass


def explode(*args):
    raise Boom("mine")


def leaf(*values, device="cpu"):
    return tg.tensor(values or (1.0, 2.0, 3.0), dtype=tg.float64, device=device, requires_grad=True)


def function(forward=lambda ctx, x: x.clone(), backward=lambda ctx, g: g):
    return type(
        "Foo", (tg.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    ).apply


def keeping(ctx, x):
    ctx.save_for_backward(x)
    return x * 1


def keeping_result(ctx, x):
    y = x * 1
    ctx.save_for_backward(y)
    return y


# ---- long and wide


def hooked(x):
    y = -x
    y.register_hook(lambda g: None)
    return y


def retained(x):
    y = -x
    y.retain_grad()
    return y


def written_through_a_view(x):
    y = x * 1
    y[0] = x[0]
    return y


def holding_its_operand(x):
    y = -x
    y.operand = x
    return y


two_results = function(lambda ctx, a, b: (a * 1, b * 1), lambda ctx, a, b: (a, b))
mean = function(lambda ctx, a, b: (a + b) * 0.5, lambda ctx, g: (g * 0.5, g * 0.5))

STEPS = {
    "branches": lambda x: x * 0.5 + x * 0.5,
    "saved results": lambda x: x.tanh(),
    "in place": lambda x: x.mul_(1.0),
    "views": lambda x: -x.view(1),
    "written through a view": written_through_a_view,
    "several results": lambda x: tg.stack([x, x]).unbind()[1],
    "lists": lambda x: tg.cat([x, x])[:1],
    "hooks": hooked,
    "hooks that hold a tensor": lambda x: (lambda y: y.register_hook(lambda g: x and None) and y)(-x),
    "retain_grad": retained,
    "attributes": holding_its_operand,
    "Functions": function(keeping),
    "Functions that keep their result": function(keeping_result),
    "Functions of several results": lambda x: two_results(x, x)[0],
    "branching Functions": lambda x: mean(x, x),
}


def on_a_small_stack(work):
    """Call `work` where a recursion of some thousand levels in C would be the end of the process."""
    errors = []

    def run():
        try:
            work()
        except Exception as error:
            errors.append(error)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if errors:
        raise errors[0]


def dropped_and_walked(step, depth):
    for walk in (False, True):
        x = leaf(0.5)
        y = x * 1
        first = weakref.ref(y.grad_fn)
        for _ in range(depth):
            y = STEPS[step](y)
        if walk:
            y.sum().backward()
            assert np.isfinite(x.grad.item())
        assert first() is not None
        del y
        assert first() is None


@pytest.mark.parametrize("step", STEPS)
def test_a_long_chain_is_dropped_and_walked_without_recursion(step, without_collector):
    on_a_small_stack(lambda: dropped_and_walked(step, 10_000))


@pytest.mark.slow
@pytest.mark.parametrize("step", ["branches", "saved results", "Functions", "branching Functions"])
def test_150_000_deep(step, without_collector):
    dropped_and_walked(step, 150_000)


def test_a_million_deep_is_dropped_without_a_walk(without_collector):
    x = leaf(0.5)
    y = -x
    first = weakref.ref(y.grad_fn)
    for _ in range(1_000_000):
        y = -y
    del y
    assert first() is None


def test_150_000_functions_deep(without_collector):
    f = function(keeping, lambda ctx, g: g * ctx.saved_tensors[0])
    x = leaf(1)
    y = x
    for _ in range(150_000):
        y = f(y)
    node = weakref.ref(y.grad_fn)
    y.backward()
    assert x.grad.item() == 1
    del y
    assert node() is None


def sum_of(x, n):
    y = x * 1
    for _ in range(n - 1):
        y = y + x
    return y


joined = function(lambda ctx, *xs: tg.cat([t.detach() for t in xs]), lambda ctx, g: tuple(g.split(1)))

WIDE = {
    "one leaf used again and again": sum_of,
    "one leaf with a hook": lambda x, n: (x.register_hook(lambda g: g), sum_of(x, n))[1],
    "one node of many operands": lambda x, n: tg.cat([x] * n).sum(),
    "many nodes into one": lambda x, n: tg.stack([x * 1 for _ in range(n)]).sum(),
    "many users of one node": lambda x, n: (lambda h: tg.cat([-h for _ in range(n)]).sum() * -1)(x * 1),
    "many leaves": lambda x, n: tg.cat([leaf(1) * x for _ in range(n)]).sum(),
    "many results of one node": lambda x, n: sum(x.expand(n).clone().unbind(), tg.zeros((), dtype=tg.float64)),
    "many rows": lambda x, n: (lambda h: tg.stack([h[i] for i in range(n)]).sum())(x.expand(n).clone()),
    "a Function of many operands": lambda x, n: joined(*[x * 1] * n).sum(),
    "many roots": None,
}


@pytest.mark.parametrize("shape", WIDE)
def test_width(shape, without_collector):
    n = 5000
    x = leaf(1)
    if shape == "many roots":
        tg.autograd.backward([x * 1 for _ in range(n)])
    else:
        y = WIDE[shape](x, n)
        node = weakref.ref(y.grad_fn)
        y.backward()
        del y
        assert node() is None
    assert x.grad.item() == n


def test_a_million_wide():
    x = leaf(1)
    tg.cat([x] * 1_000_000).sum().backward()
    assert x.grad.item() == 1_000_000


@pytest.mark.slow
def test_a_leaf_used_a_million_times():
    x = leaf(1)
    sum_of(x, 1_000_000).backward()
    assert x.grad.item() == 1_000_000


def test_a_leaf_of_many_uses_gets_its_sum_in_one_buffer():
    """Gradients are added up as they come; a list of them would grow with the number of uses."""
    x = tg.ones(100_000, requires_grad=True)
    y = sum_of(x, 200).sum()
    tracemalloc.start()
    y.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * x.nbytes
    assert x.grad[0].item() == 200


def test_what_is_kept_goes_as_the_pass_goes():
    x = tg.ones(100_000, requires_grad=True)
    y = x
    for _ in range(30):
        y = (y * 1.0).exp().log()
    tracemalloc.start()
    y.sum().backward()
    assert tracemalloc.get_traced_memory()[1] < 8 * x.nbytes
    tracemalloc.stop()


# ---- failed passes


def test_a_failed_pass_leaves_leaves_alone_and_a_retained_graph_usable(device):
    x, w, u = leaf(2, device=device), leaf(3, device=device), leaf(5, device=device)
    y = x * x
    bombs = [1, 1]
    y.register_hook(lambda g: explode() if bombs and bombs.pop() else None)
    z = (y * w).exp().log() * u
    for _ in range(2):
        with pytest.raises(Boom):
            z.backward(retain_graph=True)
    assert x.grad is None
    for t in (w, u):
        t.grad = None
    z.backward(retain_graph=True)
    np.testing.assert_allclose([x.grad.item(), w.grad.item(), u.grad.item()], [4 * 3 * 5, 4 * 5, 12])
    z.backward()
    np.testing.assert_allclose([x.grad.item(), w.grad.item(), u.grad.item()], [8 * 3 * 5, 8 * 5, 24])


@pytest.mark.parametrize("how", ["backward", "grad", "inputs", "create_graph"])
def test_a_failed_pass_frees_everything(how, without_collector):
    failing = function(keeping, explode)
    x, w = leaf(2), leaf(3)
    h = x * x
    arrays = weakref.ref(h.array)
    y = failing(h.tanh()) * w
    y.register_hook(lambda g: g * 1)
    nodes = [weakref.ref(y.grad_fn), weakref.ref(h.grad_fn)]
    try:
        if how == "grad":
            grad(y, x)
        elif how == "create_graph":
            grad(y, x, create_graph=True)
        else:
            y.backward(inputs=[x] if how == "inputs" else None)
    except Boom:
        pass
    else:
        raise AssertionError
    assert x.grad is None
    del y, h
    assert [n() for n in nodes] == [None, None]
    assert arrays() is None


def test_an_exception_holds_the_graph_only_as_long_as_it_is_held(without_collector):
    x = leaf(2)
    y = function(keeping, explode)(x.exp())
    node = weakref.ref(y.grad_fn)
    try:
        y.backward()
    except Boom as error:
        kept = error
    del y
    assert node() is not None  # its traceback's frames
    del kept
    assert node() is None


def test_a_graph_freed_in_part_says_so_and_the_rest_works():
    x, w = leaf(2), leaf(3)
    shared, other = x * x, w * w
    (shared * 1).backward()
    with pytest.raises(RuntimeError, match="Specify retain_graph=True"):
        (shared + other.exp()).backward()
    w.grad = None
    fresh = w * w
    (fresh + x).backward()
    assert (x.grad.item(), w.grad.item()) == (5, 6)


def test_an_exception_of_a_rule_names_the_op_and_later_passes_work():
    x = leaf(2)
    h = x * 1
    y = h * h
    h.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
    assert x.grad is None
    (x * 3).backward()
    assert x.grad.item() == 3


# ---- passes inside passes


def nest(depth, at_end=lambda: None, seen=lambda: None, how="backward"):
    """A Function whose backward starts a pass inside of which another starts, and so on."""

    def backward(ctx, g):
        seen()
        if not ctx.depth:
            at_end()
            return g, None
        with tg.enable_grad():
            inner = tg.ones_like(g).requires_grad_()
            out = f(inner * 1, ctx.depth - 1)
        if how == "grad":
            return g + grad(out, inner)[0], None
        out.backward()
        return g + inner.grad, None

    def forward(ctx, x, depth):
        ctx.depth = depth
        return x.clone()

    f = function(forward, backward)
    return lambda x: f(x, depth)


@pytest.mark.parametrize("how", ["backward", "grad"])
def test_nested_two_thousand_deep(how, device):
    threads = threading.active_count()
    x = leaf(1, device=device)
    nest(2000, how=how)(x * 1).backward()
    assert x.grad.item() == 2001
    assert threading.active_count() == threads
    assert not gate.on


def test_hooks_nested_two_thousand_deep():
    x = leaf(1)
    left = [2000]

    def hook(g):
        if left[0]:
            left[0] -= 1
            with tg.enable_grad():
                y = x * 1
            y.register_hook(hook)
            y.backward()

    y = x * 1
    y.register_hook(hook)
    y.backward()
    assert x.grad.item() == 2001


def test_an_exception_comes_up_through_all_nested_passes(without_collector):
    x = leaf(1)
    h = x * x
    y = nest(200, at_end=explode)(h)
    nodes = weakref.ref(y.grad_fn), weakref.ref(h.grad_fn)
    try:
        y.backward()
    except Boom as error:
        text = str(error)
    assert text == "mine"
    assert x.grad is None
    del y, h
    assert [node() for node in nodes] == [None, None]
    assert not gate.on
    y = nest(50)(x * 1)
    y.backward()
    assert x.grad.item() == 51


def test_an_interrupt_waits_for_the_nested_pass(monkeypatch):
    join = threading.Thread.join
    pressed = []

    def interrupted(self, timeout=None):
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt
        join(self, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    threads = threading.active_count()
    x, ended = leaf(1), []
    with pytest.raises(KeyboardInterrupt):
        nest(reentrant.PER_THREAD, at_end=lambda: ended.append(True))(x * 1).backward()
    assert ended and x.grad is None
    assert threading.active_count() == threads
    assert tg.is_grad_enabled() and not gate.on


def test_a_nested_pass_has_the_callers_state():
    found = set()

    def look():
        found.add(
            (
                tg.is_grad_enabled(),
                tg.is_inference_mode_enabled(),
                tg.autograd.is_multithreading_enabled(),
                np.geterr()["divide"],
                tg.zeros(1).device.type,
            )
        )

    with tg.autograd.set_multithreading_enabled(False), np.errstate(divide="raise"), tg.device("strict"):
        nest(3 * reentrant.PER_THREAD, seen=look)(leaf(1, device="strict") * 1).backward()
    assert found == {(False, False, False, "raise", "strict")}


def test_a_nested_pass_hands_its_state_back():
    modes = []

    def change():
        tg.autograd.set_multithreading_enabled(False)

    nest(reentrant.PER_THREAD, at_end=change, seen=lambda: modes.append(tg.is_grad_enabled()))(leaf(1) * 1).backward()
    assert not tg.autograd.is_multithreading_enabled()
    tg.autograd.set_multithreading_enabled(True)
    assert tg.is_grad_enabled()
    assert not any(modes)


def test_a_nested_pass_is_watched_as_its_caller_is():
    depth = 2 * reentrant.PER_THREAD

    @tg.enable_grad()
    def nan():
        leaf(0.0).sqrt().backward(tg.zeros(1, dtype=tg.float64))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with tg.autograd.detect_anomaly():
            x = leaf(1)
            nest(depth)(x * 1).backward()
            with pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values"):
                nest(depth, at_end=nan)(x * 1).backward()
    assert x.grad.item() == depth + 1
    assert not gate.on


def test_forward_mode_goes_into_nested_passes():
    tangents = []

    def at_end():
        with tg.enable_grad():
            tangents.append(forward_ad.unpack_dual(dual * 3).tangent.tolist())

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(tg.ones(1, dtype=tg.float64), tg.full((1,), 2.0, dtype=tg.float64))
        nest(2 * reentrant.PER_THREAD, at_end)(leaf(1) * 1).backward()
    assert tangents == [[6.0]]
    assert not gate.on


def test_a_nested_pass_into_the_same_leaf():
    x = leaf(2)
    inner = x * 10
    y = x * x
    y.register_hook(lambda g: inner.backward(retain_graph=True))
    for n in (1, 2):
        (y * 3).backward(retain_graph=True)
        assert x.grad.item() == n * (10 + 12)


def test_recursion_without_end_is_told_of():
    """Not an endless row of threads: in a hook that calls itself it is Python's own limit that ends it."""

    def endless(g):
        return endless(g)

    x = leaf(1)
    x.register_hook(endless)
    with pytest.raises(RecursionError):
        (x * 2).backward()
    assert sys.getrecursionlimit() < 100_000


# ---- cycles that users make


def test_cycles_that_users_make_are_collected():
    x = leaf(1)
    y = x * 2
    y.register_hook(lambda g, y=y: y and None)
    f = function(lambda ctx, a: setattr(ctx, "mine", a * 1) or ctx.mine)
    z = f(x)
    z.grad_fn.again = z
    nodes = [weakref.ref(y.grad_fn), weakref.ref(z.grad_fn)]
    gc.collect()
    z.backward()
    assert x.grad.item() == 1
    del y, z
    gc.collect()
    assert [node() for node in nodes] == [None, None]


def test_the_collector_breaks_no_graph_that_can_be_reached():
    x = leaf(1)
    y = x * 2
    y.register_hook(lambda g, y=y: y and None)
    z = y.exp()
    del y
    for _ in range(3):
        gc.collect()
    z.backward()
    np.testing.assert_allclose(x.grad.item(), 2 * np.exp(2))


def test_create_graph_leaves_nothing_behind_where_grad_is_used(without_collector):
    x = leaf(2)
    (d,) = grad(x**3, x, create_graph=True)
    (dd,) = grad(d, x, create_graph=True)
    nodes = [weakref.ref(d.grad_fn), weakref.ref(dd.grad_fn)]
    del d, dd
    assert [node() for node in nodes] == [None, None]
