"""Tensors made in inference mode: what may be done with them there, outside, and in what is recorded."""

from __future__ import annotations

import gc
import weakref

import pytest

import tapegrad
from tapegrad.autograd import Function, grad

KEPT = "Inference tensors cannot be saved for backward"
WRITTEN = "Inplace update to inference tensor outside InferenceMode is not allowed"


@pytest.fixture
def made(device):
    with tapegrad.inference_mode():
        return tapegrad.ones(3, device=device) * 2


@pytest.fixture
def leaf(device):
    return tapegrad.ones(3, device=device, requires_grad=True)


def test_what_is_one(made, device):
    assert (
        made.is_inference()
        and made[:2].is_inference()
        and made.view(3).is_inference()
        and made.detach().is_inference()
        and made.data.is_inference()
    )
    assert not (made * 2).is_inference() and not made.clone().is_inference()
    assert not made[:2]._is_view() and made[:2]._base is None
    with tapegrad.inference_mode():
        assert all(
            t.is_inference()
            for t in (
                tapegrad.zeros(2, device=device),
                made.to(tapegrad.float64),
                *made.unbind(),
                tapegrad.zeros_like(made),
            )
        )
        assert made.contiguous() is made


def test_an_ordinary_tensor_stays_one(leaf):
    with tapegrad.inference_mode():
        assert leaf.contiguous() is leaf and leaf.view(3)._base is leaf
    assert not leaf.is_inference() and (leaf * 2).requires_grad


def test_writes(made, leaf):
    with tapegrad.inference_mode():
        made.add_(1)
        made[0] = 7
        made.unsqueeze_(0).squeeze_(0).t_().resize_(3)
        assert made.is_inference() and not made._is_view() and made[:1].is_inference()
        assert made.tolist() == [7, 3, 3]
        with tapegrad.inference_mode(False), pytest.raises(RuntimeError, match=WRITTEN):
            made.add_(1)
    for write in (
        lambda: made.add_(1),
        lambda: made.mul_(leaf),
        lambda: made.__setitem__(0, 1.0),
        lambda: made[:1].zero_(),
        lambda: made.t_(),
    ):
        with pytest.raises(RuntimeError, match=WRITTEN):
            write()
    assert made.tolist() == [7, 3, 3]
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        _ = made._version


@pytest.mark.parametrize(
    "use",
    [
        lambda w, a: w * a,
        lambda w, a: a * w,
        lambda w, a: w / a,
        lambda w, a: a.exp() * w * a,
        lambda w, a: a @ w,
        lambda w, a: w * a[:1],
        lambda w, a: tapegrad.where(a > 0, w, a) * a,
        lambda w, a: tapegrad.addcmul(w, w, a),
        lambda w, a: tapegrad.nn.functional.linear(w, a[None]),
    ],
)
def test_one_that_backward_would_read_is_refused_at_once(use, made, leaf):
    with pytest.raises(RuntimeError, match=KEPT) as caught:
        use(leaf, made)
    assert caught.value.__suppress_context__
    with tapegrad.no_grad():
        use(leaf, made)
    use(leaf, made.clone()).sum().backward()


@pytest.mark.parametrize(
    "use",
    [lambda w, a: w + a, lambda w, a: a - w, lambda w, a: tapegrad.cat([w, a]), lambda w, a: w + a[:1] + a.view(3)],
)
def test_one_that_backward_does_not_read_takes_part(use, made, leaf):
    use(leaf, made).sum().backward()
    assert leaf.grad.abs().tolist() == [1, 1, 1]


def test_in_what_is_written(made, leaf):
    y = leaf * 1
    y.add_(made)
    y[0] = made[0]
    y.sum().backward()
    assert leaf.grad.tolist() == [0, 1, 1]


def test_an_index_made_there_is_refused_in_backward(leaf, device):
    with tapegrad.inference_mode():
        index = tapegrad.tensor([0, 1], device=device)
    with pytest.raises(RuntimeError, match=KEPT):
        leaf.index_select(0, index).sum().backward()


def test_one_that_requires_grad(device):
    with tapegrad.inference_mode():
        a = tapegrad.ones(2, device=device, requires_grad=True)
        assert a.requires_grad and not (a * 2).requires_grad
    (a * 3 + 1).sum().backward()
    assert a.grad.tolist() == [3, 3]
    with pytest.raises(
        RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode is not allowed"
    ):
        a.detach().requires_grad_()


def test_a_view_of_an_ordinary_tensor_made_there(leaf):
    y = leaf * 1
    with tapegrad.inference_mode():
        v = y[:2]
    assert not v.is_inference() and v.requires_grad and v.grad_fn is None and v._base is y and v._version == 0
    with pytest.raises(
        RuntimeError,
        match=r"A view was created in inference mode and is being modified inplace in normal mode\. .* the "
        r"inference_mode",
    ):
        v.mul_(2)
    with pytest.raises(
        RuntimeError,
        match="Output 0 of Slice is a view of a view which was created in inference mode and is being modified inplace",
    ):
        v[:1].mul_(2)
    y.mul_(2)
    with pytest.raises(
        RuntimeError,
        match="A view was created in inference mode and its base or another view of its base has been modified "
        "inplace in normal",
    ):
        _ = v.grad_fn
    assert "grad_fn=<Invalid>" in repr(v)


def test_custom_functions(made, leaf):
    class Sum(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    assert grad(Sum.apply(leaf, made).sum(), leaf)[0].tolist() == [1, 1, 1]
    with tapegrad.inference_mode():
        assert Sum.apply(leaf, made).is_inference()


def test_modes_nest():
    with tapegrad.inference_mode():
        with tapegrad.inference_mode(False):
            assert (
                not tapegrad.is_inference_mode_enabled()
                and tapegrad.is_grad_enabled()
                and not tapegrad.ones(1).is_inference()
            )
        with tapegrad.enable_grad():
            assert tapegrad.is_inference_mode_enabled() and tapegrad.ones(1).is_inference()
        with tapegrad.no_grad():
            assert tapegrad.ones(1).is_inference()
        assert tapegrad.is_inference_mode_enabled() and not tapegrad.is_grad_enabled()
    assert tapegrad.is_grad_enabled()


def test_inference_tensors_make_no_ring(made, leaf):
    gc.collect()
    gc.disable()
    try:
        y = (leaf + made) * 2
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()
