"""Writes to tensors and views, and who holds which memory afterwards; each of these has been wrong once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd import backward, grad


def leaf(*values, dtype=tapegrad.float64):
    return tapegrad.tensor(list(values), dtype=dtype, requires_grad=True)


# ---- whose memory


def test_what_a_hook_returns_is_never_taken_over():
    x, w, mine = leaf(1.0, 2.0), leaf(1.0, 2.0), tapegrad.tensor([5.0, 6.0], dtype=tapegrad.float64)
    y = x + w
    y.register_hook(lambda g: mine)
    y.sum().backward()
    x.grad.mul_(10)
    assert w.grad.tolist() == mine.tolist() == [5.0, 6.0]


def test_the_seed_is_never_taken_over():
    x, seed = leaf(2.0), tapegrad.ones(1, dtype=tapegrad.float64)
    (given,) = grad(x + 1, x, seed)
    seed.mul_(5)
    assert given.tolist() == [1.0]
    with pytest.warns(UserWarning, match="create_graph"):
        (x + 1).backward(seed, create_graph=True)
    seed.mul_(5)
    assert x.grad.tolist() == [5.0]


def test_create_graph_gives_each_leaf_a_gradient_of_its_own():
    x, w = leaf(2.0), leaf(3.0)
    with pytest.warns(UserWarning, match="create_graph"):
        (x + w).sum().backward(create_graph=True)
    assert x.grad is not w.grad and not np.shares_memory(x.grad.array, w.grad.array)


def test_one_input_asked_for_twice():
    x = leaf(1.0, 2.0)
    a, b = grad((x * x).sum(), [x, x])
    assert a.tolist() == b.tolist() == [2.0, 4.0] and not np.shares_memory(a.array, b.array)


def test_a_plain_pass_adds_to_a_recorded_gradient_in_place():
    x = tapegrad.tensor(2.0, dtype=tapegrad.float64, requires_grad=True)
    with pytest.warns(UserWarning, match="create_graph"):
        (x**3).backward(create_graph=True)
    before = x.grad
    (x * x).backward()
    assert x.grad is before and isinstance(x.grad.array, np.ndarray) and x.grad.item() == 16.0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.filterwarnings("ignore:Using backward")
def test_the_gradient_is_laid_out_as_the_leaf(order, create_graph):
    x = tapegrad.ones(2, 3, 4, dtype=tapegrad.float64).permute(*order).detach().requires_grad_()
    for y in (x * 2, x + 0):
        x.grad = None
        y.sum().backward(create_graph=create_graph)
        assert x.grad.stride() == x.stride()


def test_a_gradient_that_repeats_elements_cannot_be_added_to():
    x = leaf(1.0, 2.0)
    x.grad = tapegrad.ones((), dtype=tapegrad.float64).expand(2)
    with pytest.raises(
        RuntimeError, match="more than one element of the written-to tensor refers to a single memory location"
    ):
        (x * x).sum().backward()


# ---- passes


def test_hooks_of_an_input_on_the_way_run_once():
    seen = []
    x = leaf(1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.retain_grad()
    dx, dy = grad((y * y).sum(), [x, y])
    assert seen == [[4.0, 8.0]] and y.grad.tolist() == dy.tolist() == [4.0, 8.0] and dx.tolist() == [8.0, 16.0]


def test_a_hook_changes_what_an_input_on_the_way_hands_on():
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    assert [d.item() for d in grad(y * 3, [x, y])] == [60.0, 30.0]


def test_a_non_leaf_input_of_backward_retains_its_gradient():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = (y * y).sum()
    z.backward(inputs=[y, x], retain_graph=True)
    assert y.retains_grad and y.grad.tolist() == [4.0, 8.0] and x.grad.tolist() == [8.0, 16.0]
    z.backward()
    assert y.grad.tolist() == [8.0, 16.0]


def test_a_root_that_is_an_ancestor_of_another():
    x = leaf(1.0, 2.0)
    y = x * 2
    one = tapegrad.ones(2, dtype=tapegrad.float64)
    backward([y, y * 3], [one, one])
    assert x.grad.tolist() == [8.0, 8.0]


def test_a_leaf_that_no_longer_asks_gets_nothing():
    x = leaf(1.0)
    y = x * 2
    x.requires_grad_(False)
    y.backward(retain_graph=True)
    assert x.grad is None
    x.add_(leaf(1.0))
    with pytest.raises(RuntimeError, match="leaf variable has been moved into the graph interior"):
        y.backward()


def test_a_hook_must_keep_the_type():
    y = leaf(1.0) * 2
    y.register_hook(lambda g: g.float())
    with pytest.raises(
        RuntimeError,
        match=r"hook '<lambda>' has changed the type of value \(was torch.DoubleTensor got torch.FloatTensor\)",
    ):
        y.backward()


def test_threads_that_free_a_shared_graph_raise_torchs_error():
    x = leaf(*range(1000))
    errors = []

    def walk(y):
        try:
            y.backward()
        except RuntimeError as error:
            errors.append(str(error))

    for _ in range(20):
        y = x
        for _ in range(20):
            y = y * y.detach()
        y = y.sum()
        threads = [threading.Thread(target=walk, args=(y,)) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert all("Specify retain_graph=True" in e for e in errors)


# ---- detached


def test_a_kept_tensor_that_was_detached_in_place_cannot_be_used():
    x = leaf(2.0)
    y = x * 2
    z = y * y
    y.detach_()
    with pytest.raises(RuntimeError, match="Trying to use a saved tensor that has been detached in-place"):
        z.backward()
    (y * x).backward()
    assert x.grad.tolist() == [4.0]


def test_a_detached_tensor_retains_nothing():
    x = leaf(2.0)
    y = x * 2
    y.retain_grad()
    y.detach_()
    y.add_(x)
    y.mul_(2)
    assert not y.retains_grad
    y.backward()
    assert x.grad.tolist() == [2.0]


def test_writes_through_a_detached_tensor_are_still_noticed():
    x = leaf(2.0)
    y = x * 2
    alias = y.detach()
    y.detach_()
    z = alias * x
    y.mul_(3)
    assert y._version == alias._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_a_view_whose_base_was_detached_and_overwritten_passes_nothing_back():
    x = leaf(1.0, 2.0)
    y = x * 1
    v = y.view(2)
    y.detach_()
    y.fill_(3.0)
    assert v.requires_grad
    (v.sum() + x.sum()).backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_a_view_of_a_detached_base_cannot_be_written():
    x = leaf(1.0, 2.0)
    y = x * 1
    v = y.view(2)
    y.detach_()
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        v.mul_(2)


# ---- views


@pytest.mark.parametrize(
    "part",
    [lambda z: z.imag, lambda z: z.real, lambda z: tapegrad.view_as_real(z)[:, 1]],
    ids=["imag", "real", "view_as_real"],
)
def test_writing_to_a_part_of_complex_numbers(part):
    """Against the same without a write."""
    values, w = tapegrad.tensor([1 + 2j, 3 - 1j], dtype=tapegrad.complex128), leaf(2.0, 3.0)
    weight = tapegrad.tensor([1 + 1j, 2 - 1j], dtype=tapegrad.complex128)
    x = values.clone().requires_grad_()
    z = x * (1 + 2j)
    part(z).mul_(w)
    got = grad((z * weight).real.sum(), [x, w])
    x = values.clone().requires_grad_()
    z = x * (1 + 2j)
    scaled = (
        tapegrad.complex(z.real * w, z.imag)
        if part(z).array is None or np.array_equal(part(z).detach().numpy(), z.real.detach().numpy())
        else tapegrad.complex(z.real, z.imag * w)
    )
    wanted = grad((scaled * weight).real.sum(), [x, w])
    assert [g.tolist() for g in got] == [g.tolist() for g in wanted]


def test_a_view_that_retains_its_gradient_follows_the_newest_value():
    x = leaf(1.0, 2.0)
    for write, through, wanted in (
        (lambda y, v: y.mul_(3), True, [5.0]),
        (lambda y, v: v.mul_(3), True, [5.0]),
        (lambda y, v: v.mul_(3), False, None),
    ):
        y = x * 1
        v = y[:1]
        v.retain_grad()
        write(y, v)
        ((v if through else y) * 5).sum().backward()
        assert (v.grad if v.grad is None else v.grad.tolist()) == wanted


@pytest.mark.parametrize("made", ["no_grad", "unbind"])
def test_a_view_that_cannot_follow_a_write_to_its_base(made):
    y = leaf(1.0, 2.0) * 1
    if made == "no_grad":
        with tapegrad.no_grad():
            v = y[:1]
    else:
        v = y.unbind(0)[0]
    y.mul_(2)
    assert v.requires_grad
    with tapegrad.no_grad():
        assert (v * 2).sum().item() == 4.0 and v.numpy().sum() == 2.0 and v[None].sum().item() == 2.0
    before = y.detach().clone()
    for use in (
        lambda: v * 2,
        lambda: v.grad_fn,
        lambda: v.register_hook(print),
        lambda: y.__setitem__(slice(None), v),
    ):
        with pytest.raises(RuntimeError, match="its base or another view of its base has been modified inplace"):
            use()
    assert y.tolist() == before.tolist() and y._version == 1


def test_a_view_made_before_its_base_requires_grad():
    base = tapegrad.zeros(2, dtype=tapegrad.float64)
    alias = base.detach()
    v = base.view(2)
    alias.add_(1)
    assert not v.requires_grad
    base.add_(leaf(1.0, 2.0))
    assert v.requires_grad


def test_a_part_of_an_expanded_view_that_repeats_nothing_can_be_written():
    x = leaf(1.0, 2.0)
    y = x * 1
    v = y.expand(2, 2)
    v[0, 0] = 0.5
    (v * 2).sum().backward()
    assert y.tolist() == [0.5, 2.0] and x.grad.tolist() == [0.0, 4.0]
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        v[:, 0] = 0.5


# ---- what a write leaves behind


@pytest.mark.parametrize(
    "write",
    [
        lambda y: y.zero_(),
        lambda y: y.fill_(3.0),
        lambda y: y.gt_(1.5),
        lambda y: y.copy_(tapegrad.ones(2)),
        lambda y: y.__setitem__(slice(None), 0.5),
    ],
    ids=["zero_", "fill_", "gt_", "copy_", "setitem"],
)
@pytest.mark.parametrize("part", [lambda y: y, lambda y: y.view(2)], ids=["whole", "view"])
def test_nothing_flows_back_from_what_was_overwritten(write, part):
    x = leaf(1.0, 2.0)
    y = x * 1
    write(part(y))
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_copying_a_tensor_to_itself_is_a_write():
    x = leaf(1.0, 2.0)
    y = x * 1
    y.copy_(y)
    assert y._version == 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="a leaf Variable"):
        x.copy_(x)


def test_an_in_place_op_keeps_no_second_array_for_its_result():
    y = leaf(1.0, 2.0) * 1
    y.exp_()
    assert y.grad_fn.saved[0] is y.array
    y.sum().backward(retain_graph=True)
    y.add_(1)
    with pytest.raises(RuntimeError, match="output 0 of Exp, is at version 2; expected version 1 instead"):
        y.sum().backward()


def test_writing_an_alias_that_is_no_view_is_recorded():
    x = leaf(1.0)
    alias = x.detach()
    alias[...] = x.view(1)
    assert alias.requires_grad and not x.grad_fn


def test_a_zero_dimensional_tensor_written_by_index():
    x = tapegrad.tensor(2.0, dtype=tapegrad.float64, requires_grad=True)
    y = x * 1
    y[...] = 0.5
    (y / 2).backward()
    assert x.grad.item() == 0.0


def test_rows_read_by_a_list_are_contiguous():
    x = tapegrad.arange(6).reshape(2, 3)
    assert x[:, [2, 0]].view(-1).tolist() == [2, 0, 5, 3]


def _freed_by_refcount(make):
    """Whether what `make` returns takes its graph with it when dropped, with the garbage collector off."""
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        t = make()
        node = weakref.ref(t.grad_fn)
        del t
        return node() is None
    finally:
        gc.enable()


def test_a_tensor_overwritten_with_what_was_made_of_it_makes_no_ring():
    x = tapegrad.ones(3, dtype=tapegrad.float64, requires_grad=True)

    def itself():
        y = x * 1
        y.add_(y * y)
        return y

    def a_view():
        y = x * 1
        y[0].add_((y[1] * y[2]).exp())
        return y

    def a_constant():
        y = tapegrad.ones(3, dtype=tapegrad.float64)
        y.add_(y * x)
        return y

    def in_a_list():
        y = x * 1
        y.mul_(tapegrad.cat([y * y, y])[:3])
        return y

    for make in (itself, a_view, a_constant, in_a_list):
        assert _freed_by_refcount(make), make.__name__
    with pytest.raises(RuntimeError, match="is at version 1; expected version 0 instead"):
        itself().sum().backward()


def test_views_with_hooks_and_functions_make_no_ring():
    class Tripled(tapegrad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(3)
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = tapegrad.ones(3, dtype=tapegrad.float64, requires_grad=True)

    def hooked_view():
        y = x * 1
        v = y[:2]
        v.register_hook(lambda g: g * 2)
        v.retain_grad()
        v.mul_(v)
        return y

    def siblings():
        y = x * 1
        v, w = y[:2], y[1:]
        v.exp_()
        w.mul_(v.sum())
        return w

    def function_on_view():
        y = x * 1
        Tripled.apply(y[:2])
        return y

    def turned():
        y = (x * 1).view(3, 1)
        row = y[0]
        y.t_()
        y.mul_(row.exp())
        return y

    def no_grad_view():
        y = x * 1
        with tapegrad.no_grad():
            v = y[:2]
        return y * v.sum()

    for make in (hooked_view, siblings, function_on_view, turned, no_grad_view):
        assert _freed_by_refcount(make), make.__name__


def test_hooks_of_what_a_view_was_see_nothing_of_what_was_written():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    v = y[:2]
    before = v * 5
    v.register_hook(lambda g: g * 10)
    v.mul_(2)
    (y.sum() + v.sum() + before.sum()).backward()
    assert x.grad.tolist() == [54.0, 54.0, 1.0]


def test_an_in_place_op_that_reads_its_target_twice_names_the_right_versions():
    y = leaf(1.0, 2.0) * 1
    y.mul_(y)
    with pytest.raises(RuntimeError, match="output 0 of Mul, is at version 1; expected version 0 instead"):
        y.sum().backward()


def test_requires_grad_takes_a_bool():
    x = tapegrad.zeros(2)
    with pytest.raises(RuntimeError, match="requires_grad must be a bool"):
        x.requires_grad = 1
    with pytest.raises(
        TypeError, match=r"requires_grad_\(\): argument 'requires_grad' \(position 1\) must be bool, not int"
    ):
        x.requires_grad_(1)
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype can require gradients"):
        x.long().requires_grad_()
    x.long().requires_grad_(False)


def test_what_cannot_be_deleted():
    x = leaf(1.0)
    for name, text in (
        ("data", "Deleting tensor data is not allowed. Delete tensor instead!"),
        ("requires_grad", "requires_grad must be a bool"),
        ("_backward_hooks", "Deletion of _backwards_hooks not allowed!"),
    ):
        with pytest.raises(RuntimeError, match=text):
            delattr(x, name)
    assert x._backward_hooks is None
    x.register_hook(lambda g: g)
    assert len(x._backward_hooks) == 1
    y = x * 1
    assert y._backward_hooks is None
    y.register_hook(lambda g: g)
    assert len(y._backward_hooks) == 1


def test_new_data_keeps_the_version_counter():
    x = leaf(1.0, 2.0)
    alias = x.detach()
    x.data = tapegrad.zeros(2, dtype=tapegrad.float64)
    alias.add_(1)
    assert x._version == alias._version == 1 and x.tolist() == [0.0, 0.0]


def test_the_nodes_of_writes_have_torchs_names():
    y = leaf(1.0, 2.0) * 1
    y[0] = 5.0
    assert y.grad_fn.name() == "torch::autograd::CopySlices" and repr(y).endswith("grad_fn=<CopySlices>)")
    y[:1].mul_(2)
    assert y.grad_fn.name() == "torch::autograd::CopySlices" and type(y.grad_fn).__name__ == "CopySlices"
    y.copy_(leaf(1.0, 2.0))
    assert y.grad_fn.name() == "torch::autograd::CopyBackwards"


def test_overlap_is_found_in_operands_by_name():
    x = tapegrad.arange(4.0)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to tensor"):
        x[1:].add_(other=x[:-1])
