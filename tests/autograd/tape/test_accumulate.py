"""What a pass leaves in `.grad`: whose memory it is, its dtype and layout, how the next pass adds to it."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.autograd import grad
from tapegrad.backends import backend


def leaf(*values, device="cpu", dtype=None):
    return tg.tensor(values or (1.0, 2.0, 3.0), dtype=dtype or tg.float64, device=device, requires_grad=True)


def ones(*shape, device="cpu"):
    return tg.ones(*shape, dtype=tg.float64, device=device)


def shared(a, b):
    return backend(a.array).shares_memory(a.array, b.array) or (
        isinstance(a.array, np.ndarray) and np.shares_memory(a.array, b.array)
    )


def function(backward, forward=lambda ctx, x: x.clone()):
    return type(
        "Foo", (tg.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    ).apply


def written(x):
    y = x + 0
    y[:1].add_(1)
    return y


#: results that hand a gradient on as it is, or a view of it
HANDED_ON = {
    "itself": lambda x: x,
    "add": lambda x: x + 0,
    "sub": lambda x: x - 1,
    "clone": lambda x: x.clone(),
    "view": lambda x: x.view(3, 1).view(3),
    "reshape": lambda x: x.reshape(1, 3).squeeze(0),
    "slice": lambda x: x[:],
    "transpose": lambda x: x.reshape(1, 3).t().reshape(3),
    "expand": lambda x: x.expand(3),
    "cat": lambda x: tg.cat([x]),
    "unbind": lambda x: tg.stack([x]).unbind()[0],
    "to": lambda x: x.to(tg.float32).to(tg.float64),
    "where": lambda x: tg.where(tg.ones_like(x) > 0, x, 0.0),
    "Function": lambda x: function(lambda ctx, g: g)(x),
    "chain": lambda x: ((x + 0).view(3) + 0).clone(),
    "flip": lambda x: x.flip(0).flip(0),
    "in place": lambda x: (x + 0).add_(1),
    "written through a view": written,
}


@pytest.mark.parametrize("kind", HANDED_ON)
def test_a_given_gradient_is_neither_changed_nor_kept(kind):
    """The caller's array is read-only: whoever writes to it raises."""
    f = HANDED_ON[kind]
    x, w = leaf(), leaf()
    given = ones(3)
    given.array.flags.writeable = False
    for n in (1, 2):
        tg.autograd.backward([f(x), f(x), f(w)], [given, given, given])
        assert x.grad.tolist() == [2 * n] * 3 and w.grad.tolist() == [n] * 3
    assert not shared(x.grad, given) and not shared(w.grad, given) and not shared(x.grad, w.grad)
    f(x).backward(given, inputs=[w, x])
    (d,) = grad(f(x), x, given)
    assert d.tolist() == [1.0] * 3
    assert not shared(d, given)
    d.mul_(7)
    assert given.tolist() == [1.0] * 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x.grad = None
        f(x).backward(given, create_graph=True)
    assert not shared(x.grad, given)
    x.grad = None


@pytest.mark.parametrize("kind", HANDED_ON)
def test_two_leaves_never_share_a_gradient(kind, device):
    f = HANDED_ON[kind]
    x, w = leaf(device=device), leaf(device=device)
    f(f(x) + f(w)).sum().backward()
    assert not shared(x.grad, w.grad)
    x.grad.zero_()
    assert w.grad.tolist() == [1, 1, 1]


def test_what_a_hook_or_function_keeps_does_not_change_later(device):
    kept = []
    x = leaf(1, device=device)
    double = function(lambda ctx, g: kept.append(g * 2) or kept[-1])
    x.register_hook(kept.append)
    y = x * 3
    y.retain_grad()
    y.register_hook(kept.append)
    for _ in range(2):
        double(y).backward(retain_graph=True)
        x.grad.mul_(100)
    assert [k.item() for k in kept] == [2, 2, 6] * 2
    assert y.grad.item() == 4


def test_two_leaves_given_one_buffer(device):
    def same(ctx, g):
        d = g * 2
        return d, d, d.view(-1)

    f = function(same, lambda ctx, a, b, c: a + b + c)
    x, w, u = leaf(device=device), leaf(device=device), leaf(device=device)
    f(x, w, u).sum().backward()
    assert not shared(x.grad, w.grad) and not shared(x.grad, u.grad) and not shared(w.grad, u.grad)
    x.grad.zero_()
    w.grad.zero_()
    assert u.grad.tolist() == [2, 2, 2]


def test_a_buffer_that_nobody_holds_is_taken_over():
    x = tg.ones(1000, requires_grad=True)
    # The product's rule makes an array, which the hookless leaf gets as it is.
    y = x * tg.full((1000,), 2.0)
    y.sum().backward()
    first = x.grad.array
    assert first.base is None and first.flags.owndata
    (x * 3).sum().backward()
    assert x.grad.array is first


def test_an_expanded_gradient_gets_memory_of_its_own(device):
    x = leaf(device=device)
    x.sum().backward()
    x.grad[0] = 5
    assert x.grad.tolist() == [5, 1, 1]
    w = leaf(device=device)
    function(lambda ctx, g: ones(1, device=device).expand(3))(w).sum().backward()
    w.grad[0] = 5
    assert w.grad.tolist() == [5, 1, 1]


def test_added_to_in_place(device):
    x = leaf(1, device=device)
    (x * 2).backward()
    first, version, array = x.grad, x.grad._version, x.grad.array
    alias = first.detach()
    (x * 3).backward()
    assert x.grad is first and x.grad.array is array and first._version == version + 1
    assert alias.item() == 5


def test_added_to_out_of_place_with_create_graph(device):
    x = leaf(2, device=device)
    (x * 2).backward()
    first = x.grad
    with pytest.warns(UserWarning, match="will create a reference cycle"):
        (x * x).backward(create_graph=True)
    assert x.grad is not first
    assert (first.item(), x.grad.item()) == (2, 6)
    assert x.grad.requires_grad and not first.requires_grad
    second = x.grad
    assert grad(second, x)[0].item() == 2
    x.grad = None


def test_what_the_user_has_put_there_is_added_to(device):
    x = leaf(device=device)
    flat = tg.zeros(5, dtype=tg.float64, device=device)
    x.grad = flat[1:4]
    for _ in range(2):
        (x * 2).sum().backward()
    assert flat.tolist() == [0, 4, 4, 4, 0]
    x.grad = ones(1, device=device).expand(3)
    with pytest.raises(
        RuntimeError, match="more than one element of the written-to tensor refers to a single memory location"
    ):
        (x * 2).sum().backward()


LAYOUTS = {
    "in order": (lambda t: t, True),
    "channels last": (lambda t: t.to(memory_format=tg.channels_last), True),
    "transposed": (lambda t: t.permute(3, 1, 0, 2), True),
    "every other": (lambda t: t[..., ::2], False),
    "expanded": (lambda t: t[:, :1].expand(2, 3, 4, 6), False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("recorded", [False, True])
def test_layout(layout, recorded, device):
    """A leaf that fills a piece of memory has a gradient of its strides; any other has one in order."""
    make, dense = LAYOUTS[layout]
    weights = tg.arange(144.0, device=device)
    for f in (
        lambda x: x * 2,
        lambda x: x * x,
        lambda x: x + 1,
        lambda x: x.exp() + x,
        lambda x: x.clone(),
        lambda x: x[0],
        lambda x: x.permute(3, 2, 1, 0) * weights[: x.numel()].reshape(x.shape[::-1]),
    ):
        x = make(tg.ones(2, 3, 4, 6, device=device)).detach().requires_grad_()
        for _ in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                f(x).sum().backward(create_graph=recorded)
            assert x.grad.stride() == (x.stride() if dense else ones(*x.shape).stride())
            if recorded:
                break
        x.grad = None


def test_dtypes_of_seeds_and_gradients(device):
    real = [tg.float16, tg.bfloat16, tg.float32, tg.float64]
    for have in real:
        for given in [*real, tg.int64, tg.bool]:
            x = leaf(1.0, 2.0, device=device, dtype=have)
            (x * 2).backward(tg.ones(2, dtype=given, device=device))
            assert x.grad.dtype is have and x.grad.tolist() == [2, 2]
    z = tg.tensor([1 + 2j], device=device, requires_grad=True)
    mismatch = (
        "Mismatch in dtype: grad_output[0] has a dtype of torch.float32 and output[0] has a dtype of torch.complex64."
    )
    with pytest.raises(RuntimeError, match=re.escape(mismatch)):
        (z * 2).backward(tg.ones(1, device=device))
    (z * 2).backward(tg.ones(1, dtype=tg.complex128, device=device))
    assert z.grad.dtype is tg.complex64


def test_a_given_gradient_on_another_device():
    x = leaf(device="strict")
    with pytest.raises(RuntimeError, match="strict:0"):
        (x * 2).backward(ones(3))
    with pytest.raises(
        RuntimeError,
        match="attempting to assign a gradient with device type 'cpu' to a tensor with device type 'strict'",
    ):
        x.grad = ones(3)


def test_undefined_stays_undefined(device):
    x, w = leaf(1, device=device), leaf(2, device=device)
    nothing = function(lambda ctx, g: None)
    (nothing(x.exp() * 2) + w).backward()
    assert x.grad is None
    assert w.grad.item() == 1
    assert grad(nothing(x), x, allow_unused=True) == (None,)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        grad(nothing(x), x)
    (zeros,) = grad(nothing(x), x, materialize_grads=True)
    assert zeros.tolist() == [0]


def test_materialized_zeros_require_grad_where_the_pass_is_recorded():
    x, unused = leaf(1), leaf(1, 2)
    for recorded in (False, True):
        _, zeros = grad(x * x, [x, unused], create_graph=recorded, materialize_grads=True)
        assert zeros.tolist() == [0, 0] and zeros.requires_grad is recorded


def test_inputs_as_a_dict():
    x, w = leaf(1), leaf(2)
    found = grad(x * w, {"x": x, "w": w})
    assert {k: v.item() for k, v in found.items()} == {"x": 2, "w": 1}
    (x * w).backward(inputs={"x": x})
    assert (x.grad.item(), w.grad) == (2, None)
    with pytest.raises(TypeError, match=r"`inputs` argument to `grad\(\)` must be a dict, not mappingproxy"):
        grad(x * w, type(vars(int))({"x": x}))


def test_only_inputs_is_deprecated():
    x = leaf(1)
    with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
        grad(x * 2, x, only_inputs=False)


def test_as_many_gradients_as_roots():
    x = leaf(1)
    for count in (1, 3):
        with pytest.raises(RuntimeError, match=f"got 2 tensors and {count} gradients"):
            tg.autograd.backward([x * 2, x * 3], [ones(1)] * count)
    with pytest.raises(TypeError, match="gradients can be either Tensors or None, but got float64"):
        (x * 2).backward(np.ones(1))
    assert x.grad is None


def test_of_two_roots_the_second_may_be_at_fault():
    x = leaf()
    with pytest.raises(
        RuntimeError,
        match=re.escape("grad_output[1] has a shape of torch.Size([2]) and output[1] has a shape of torch.Size([3])"),
    ):
        tg.autograd.backward([x * 2, x * 3], [ones(3), ones(2)])
    assert x.grad is None


def test_the_names_of_wrong_types():
    x = leaf()
    for value, name in ((1.0, "float"), (np.ones(3), "numpy.ndarray"), ("a", "str"), (type("Mine", (), {})(), "Mine")):
        with pytest.raises(
            TypeError, match=f"assigned grad expected to be a Tensor or None but got grad of type {re.escape(name)}$"
        ):
            x.grad = value
