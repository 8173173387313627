"""Passes over the tape: starting one, what it accumulates and where, how long a graph lives."""

from __future__ import annotations

import gc
import re
import threading
import weakref

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.autograd import grad


def leaf(*values, device="cpu", dtype=None):
    return tg.tensor(values, dtype=dtype or tg.float64, device=device, requires_grad=True)


# ---- starting a pass


def test_a_non_scalar_needs_a_gradient(device):
    y = leaf(1, 2, device=device) * 2
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        y.backward()
    z = tg.tensor([1 + 2j], device=device, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for real scalar outputs"):
        z.backward()


def test_a_root_without_history():
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"):
        tg.ones(1).backward()
    x = leaf(1)
    with pytest.raises(RuntimeError, match="element 1 of tensors does not require grad"):
        tg.autograd.backward([x * 2, tg.ones(1)])
    assert x.grad is None


def test_a_leaf_may_be_the_root(device):
    x = leaf(3, device=device)
    x.backward()
    assert x.grad.tolist() == [1.0]


def test_shape_and_dtype_of_the_given_gradient():
    y = leaf(1, 2, 3) * 2
    mismatch = (
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([4]) and output[0] has a shape of torch.Size([3])"
    )
    with pytest.raises(RuntimeError, match=re.escape(mismatch)):
        y.backward(tg.ones(4))
    with pytest.raises(RuntimeError, match="required to have the same dtype"):
        y.backward(tg.ones(3, dtype=tg.complex128))
    with pytest.raises(TypeError, match="gradients can be either Tensors or None"):
        y.backward(2.0)
    y.backward(tg.ones(3, dtype=tg.float32))


def test_several_roots_may_repeat_and_depend_on_each_other(device):
    x = leaf(2, device=device)
    y = x * 3
    z = y * y
    tg.autograd.backward([y, z, y])
    assert x.grad.tolist() == [3 + 36 + 3]


def test_the_callers_gradient_is_neither_changed_nor_kept(device):
    x, w = leaf(1, 2, device=device), leaf(3, 4, device=device)
    given = tg.ones(2, dtype=tg.float64, device=device)
    (x + w).backward(given)
    (x + w).backward(given)
    x.grad.mul_(100)
    assert given.tolist() == [1, 1]
    assert w.grad.tolist() == [2, 2]


def test_two_leaves_never_share_a_gradient(device):
    x, w = leaf(1, 2, device=device), leaf(3, 4, device=device)
    (x + w).sum().backward()
    x.grad.zero_()
    assert w.grad.tolist() == [1, 1]


def test_inputs_restrict_what_is_accumulated(device):
    x, w = leaf(1, device=device), leaf(2, device=device)
    y = x * w
    z = y * 5
    z.backward(inputs=[w, y], retain_graph=True)
    assert x.grad is None
    assert w.grad.tolist() == [5.0]
    assert getattr(y, "_grad", None).tolist() == [5.0]
    z.backward(inputs=x)
    assert x.grad.tolist() == [10.0]
    with pytest.raises(RuntimeError, match=r"`inputs` argument to `backward\(\)` cannot be empty"):
        z.backward(inputs=[])


# ---- grad


def test_grad_leaves_dot_grad_alone(device):
    x = leaf(2, device=device)
    (d,) = grad(x * x, x)
    assert d.tolist() == [4.0]
    assert x.grad is None


def test_grad_of_non_leaves_and_of_the_output_itself(device):
    x = leaf(2, device=device)
    y = x * 3
    z = y * y
    dz, dy, dx = grad(z, [z, y, x])
    assert (dz.item(), dy.item(), dx.item()) == (1, 12, 36)


def test_grad_errors():
    x, unused = leaf(1), leaf(1)
    with pytest.raises(RuntimeError, match="One of the differentiated Tensors does not require grad"):
        grad(x * 2, tg.ones(1))
    with pytest.raises(
        RuntimeError,
        match=r"The differentiated Tensor at index 1 appears to not have been used in the graph\. Set "
        r"allow_unused=True",
    ):
        grad(x * 2, [x, unused])
    assert grad(x * 2, [x, unused], allow_unused=True)[1] is None
    assert grad(x * 2, [x, unused], materialize_grads=True)[1].tolist() == [0.0]
    with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed when"):
        grad(x * 2, x, allow_unused=False, materialize_grads=True)
    with pytest.raises(RuntimeError, match="cannot be empty"):
        grad(x * 2, [])


def test_grad_runs_only_what_leads_to_an_input():
    x, w = leaf(1), leaf(1)

    class Loud(tg.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a * 1

        @staticmethod
        def backward(ctx, g):
            raise AssertionError("nobody asked for this")

    y = Loud.apply(w) * x
    (d,) = grad(y, x)
    assert d.tolist() == [1.0]


def test_second_and_third_order(device):
    x = leaf(2, device=device)
    (d,) = grad(x * x * x * x, x, create_graph=True)
    (dd,) = grad(d, x, create_graph=True)
    (ddd,) = grad(dd, x)
    assert (d.item(), dd.item(), ddd.item()) == (32, 48, 48)


def test_create_graph_in_backward_warns():
    x = leaf(1)
    with pytest.warns(UserWarning, match=r"Using backward\(\) with create_graph=True will create a reference cycle"):
        (x * x).backward(create_graph=True)
    assert x.grad.requires_grad
    x.grad = None


# ---- the life of a graph


def test_a_second_pass_raises():
    x = leaf(1)
    y = x * x
    y.backward()
    with pytest.raises(
        RuntimeError, match=r"Trying to backward through the graph a second time.*Specify retain_graph=True"
    ):
        y.backward()
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        _ = y.grad_fn._saved_self


def test_a_graph_that_saved_nothing_can_be_walked_again():
    x = leaf(1, 2)
    y = (x + x).reshape(2, 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4, 4]


def test_retain_graph():
    x = leaf(3)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]


def test_a_million_deep():
    x = leaf(1)
    y = x
    for _ in range(1_000_000):
        y = -y
    y.backward()
    assert x.grad.tolist() == [1]
    del y


def test_a_graph_is_freed_without_the_collector(device):
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2, device=device)
        y = (x * x)[0].exp()
        alias = y.detach()
        node = weakref.ref(y.grad_fn)
        y.register_hook(lambda g: g)
        y.retain_grad()
        y.backward(retain_graph=True)
        del y
        assert node() is None
        assert alias.shape == ()
    finally:
        gc.enable()


def test_in_place_on_a_view_makes_no_cycle():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2)
        y = x * 2
        y[0].mul_(3)
        y.exp_()
        y.mul_(y.detach().clone())
        nodes = [weakref.ref(y.grad_fn)]
        del y
        assert nodes[0]() is None
    finally:
        gc.enable()


def test_constants_are_not_kept():
    x = leaf(1)
    big = tg.ones(1, dtype=tg.float64)
    kept = weakref.ref(big)
    y = big + x
    del big
    assert kept() is None
    value = x * 1
    held = weakref.ref(value)
    y = value * tg.ones(1, dtype=tg.float64)
    del value
    assert held() is None
    y.backward()


# ---- accumulation


def test_grad_is_added_to_in_place(device):
    x = leaf(1, device=device)
    (x * 2).backward()
    first = x.grad
    (x * 3).backward()
    assert x.grad is first
    assert first.tolist() == [5.0]


def test_grad_setter():
    x = leaf(1, 2, 3)
    with pytest.raises(TypeError, match="expected to be a Tensor or None"):
        x.grad = 1.0
    with pytest.raises(
        RuntimeError, match=r"attempting to assign a gradient of size '\[2\]' to a tensor of size '\[3\]'"
    ):
        x.grad = tg.ones(2, dtype=tg.float64)
    with pytest.raises(RuntimeError, match="dtype"):
        x.grad = tg.ones(3)
    with pytest.raises(RuntimeError, match="can't assign Variable as its own grad"):
        x.grad = x
    x.grad = tg.ones(3, dtype=tg.float64)
    del x.grad
    assert x.grad is None


def test_reading_grad_of_a_non_leaf_warns():
    y = leaf(1) * 2
    with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf Tensor is being accessed"):
        assert y.grad is None
    y.retain_grad()
    assert y.grad is None


def test_broadcast_gradients_are_summed_back(device):
    x = tg.ones(3, 1, device=device, requires_grad=True)
    w = tg.ones(2, 1, 4, device=device, requires_grad=True)
    s = tg.tensor(2.0, device=device, requires_grad=True)
    (x * w * s).sum().backward()
    assert x.grad.tolist() == [[16.0]] * 3
    assert w.grad.shape == w.shape
    assert w.grad.tolist()[0][0][0] == 6
    assert s.grad.item() == 24


def test_the_gradient_has_the_leafs_dtype():
    x = tg.ones(2, requires_grad=True)
    y = tg.ones(2, dtype=tg.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype is tg.float32
    assert y.grad.dtype is tg.float64
    z = tg.ones(2, requires_grad=True)
    (z * tg.tensor([1 + 1j, 2 - 1j])).real.sum().backward()
    assert z.grad.dtype is tg.float32
    assert z.grad.tolist() == [1, 2]


def test_complex_gradients_follow_torchs_convention():
    z0, w0 = np.array([1 + 2j, 0.3 - 1j]), np.array([0.5 - 1j, 2 + 0.1j])
    z, w = tg.tensor(z0, requires_grad=True), tg.tensor(w0, requires_grad=True)
    ((z * w).exp() * z).abs().sum().backward()
    e = np.exp(z0 * w0)
    v = e * z0
    direct = v / np.abs(v)
    np.testing.assert_allclose(z.grad.numpy(), direct * np.conj(e + v * w0))
    np.testing.assert_allclose(w.grad.numpy(), direct * np.conj(v * z0))


def test_many_rows_of_a_leaf(device):
    x = tg.arange(12.0, device=device).reshape(4, 3).requires_grad_()
    total = sum((x[i] * (i + 1) for i in range(4)), tg.zeros(3, device=device))
    (total.sum() + x[[0, 0, 2]].sum() + x[1:3, 0].sum()).backward()
    assert x.grad.tolist() == [[3, 3, 3], [3, 2, 2], [5, 4, 4], [4, 4, 4]]


# ---- hooks


def test_tensor_hooks(device):
    x = leaf(1, 2, device=device)
    y = x * 2
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    handle = y.register_hook(lambda g: g + 1)
    y.retain_grad()
    y.sum().backward()
    assert y.grad.tolist() == [11, 11]
    assert seen == [[22, 22]]
    handle.remove()
    x.grad = None
    (x * 2).register_hook(lambda g: None)
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        tg.ones(1).register_hook(print)
    y = x * 2
    y.register_hook(lambda g: tg.ones(3, dtype=tg.float64, device=device))
    with pytest.raises(RuntimeError, match="has changed the size of value"):
        y.sum().backward()
    y = x * 2
    y.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="expected Variable, but hook returned"):
        y.sum().backward()


def test_a_hook_sees_the_whole_sum_once():
    x = leaf(1)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3 + x).backward()
    assert seen == [6.0]


def test_a_gradient_kept_by_a_hook_does_not_change_later():
    x = leaf(1)
    kept = []
    x.register_hook(kept.append)
    (x * 2).backward()
    (x * 2).backward()
    assert [k.item() for k in kept] == [2, 2]
    assert x.grad.item() == 4


def test_post_accumulate_hooks():
    x = leaf(1)
    x.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(3) and None)
    (x * 2).backward()
    assert x.grad.item() == 6
    with pytest.raises(RuntimeError, match="post accumulate grad hooks cannot be registered on non-leaf tensors"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_retain_grad_follows_the_newest_value():
    x = leaf(1)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * 5).backward()
    assert y.grad.item() == 5
    assert x.grad.item() == 30
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        tg.ones(1).retain_grad()


# ---- exceptions and threads


def test_an_exception_leaves_other_gradients_alone():
    x, w = leaf(1), leaf(1)
    y = x * 2

    def explode(g):
        raise KeyError("mine")

    handle = y.register_hook(explode)
    z = y * w
    with pytest.raises(KeyError, match="mine"):
        z.backward(retain_graph=True)
    assert x.grad is None
    handle.remove()
    w.grad = None
    z.backward()
    assert x.grad.item() == 2
    assert w.grad.item() == 2


def test_threads_sum_exactly():
    x = leaf(0)

    def work():
        for _ in range(200):
            (x * 1).backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.item() == 800


def test_grad_mode_is_per_thread():
    results = []
    with tg.no_grad():
        t = threading.Thread(target=lambda: results.append((leaf(1) * 2).requires_grad))
        t.start()
        t.join()
        assert not (leaf(1) * 2).requires_grad
    assert results == [True]


def test_backward_inside_backward():
    class Inner(tg.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            with tg.enable_grad():
                b = a.detach().requires_grad_()
                (b * b).sum().backward()
            return g * b.grad

    x = leaf(3)
    Inner.apply(x).backward()
    assert x.grad.item() == 6
