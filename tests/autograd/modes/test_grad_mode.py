"""no_grad, enable_grad, set_grad_enabled, inference_mode; requires_grad, leaves, detach, data."""

from __future__ import annotations

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

import tapegrad as tg


def test_modes_nest_and_restore():
    x = tg.ones(1, requires_grad=True)
    with tg.no_grad():
        assert not tg.is_grad_enabled()
        assert not (x * 2).requires_grad
        with tg.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert tg.is_grad_enabled()
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert tg.is_grad_enabled()


def test_decorators():
    x = tg.ones(1, requires_grad=True)

    @tg.no_grad
    def bare():
        return x * 2

    @tg.no_grad()
    def called():
        return x * 2

    @tg.set_grad_enabled(False)
    def enabled():
        return x * 2

    @tg.inference_mode
    def inference():
        return x * 2

    assert tg.is_grad_enabled()
    for f in (bare, called, enabled, inference):
        assert not f().requires_grad
        assert tg.is_grad_enabled()


def test_a_decorated_generator_switches_only_its_own_code():
    @tg.no_grad()
    def numbers():
        received = []
        try:
            while True:
                assert not tg.is_grad_enabled()
                received.append((yield len(received)))
        finally:
            assert not tg.is_grad_enabled()

    g = numbers()
    assert next(g) == 0
    assert tg.is_grad_enabled()
    assert g.send("a") == 1
    assert tg.is_grad_enabled()
    with pytest.raises(ValueError):
        g.throw(ValueError())
    assert tg.is_grad_enabled()


def test_set_grad_enabled_acts_at_once():
    tg.set_grad_enabled(False)
    assert not tg.is_grad_enabled()
    tg.set_grad_enabled(True)
    assert tg.is_grad_enabled()


def test_decorating_a_class_is_deprecated():
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @tg.no_grad()
        class Thing:
            def __init__(self):
                self.mode = tg.is_grad_enabled()

    assert not Thing().mode


def test_factories_make_leaves_under_no_grad():
    with tg.no_grad():
        assert tg.ones(1, requires_grad=True).requires_grad


def test_inference_mode():
    x = tg.ones(2, requires_grad=True)
    with tg.inference_mode():
        y = x * 2
        fresh = tg.ones(2)
        view = x[0]
        y.add_(1)
        assert y.is_inference() and fresh.is_inference()
        assert not view.is_inference()
        with tg.inference_mode(False):
            assert (x * 2).requires_grad
    assert not x.is_inference()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode is not allowed"):
        y.add_(1)
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        _ = y._version
    with pytest.raises(
        RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode is not allowed"
    ):
        y.requires_grad_()
    assert not (y + 1).is_inference()


def test_requires_grad_of_integers():
    for make in (
        lambda: tg.ones(1, dtype=tg.int64, requires_grad=True),
        lambda: tg.ones(1, dtype=tg.int64).requires_grad_(),
        lambda: tg.tensor([True], requires_grad=True),
    ):
        with pytest.raises(RuntimeError, match="floating point"):
            make()


def test_requires_grad_of_non_leaves():
    y = tg.ones(1, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        y.requires_grad_(False)
    y.requires_grad_(True)
    assert y.grad_fn is not None


def test_detach_shares_memory_and_version():
    x = tg.ones(2, requires_grad=True)
    y = x.exp()
    y.detach().zero_()
    assert y._version == 1
    with pytest.raises(RuntimeError, match="is at version 1; expected version 0 instead"):
        y.sum().backward()


def test_data_is_not_watched():
    x = tg.ones(2, requires_grad=True)
    y = x.exp()
    y.data.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]
    with pytest.raises(
        RuntimeError, match="data set to a tensor that requires gradients must be floating point or complex dtype"
    ):
        x.data = tg.ones(2, dtype=tg.int64)
    with pytest.raises(TypeError):
        x.data = None
    x.data = tg.zeros(2)
    assert x.tolist() == [0, 0] and x.requires_grad


def test_detach_in_place():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    assert y.detach_() is y
    assert y.is_leaf and not y.requires_grad
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (x * 2)[0].detach_()


def test_numpy_bridge():
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError,
        match=r"Can't call numpy\(\) on Tensor that requires grad. Use tensor.detach\(\).numpy\(\) instead.",
    ):
        x.numpy()
    with tg.no_grad():
        x.numpy()[0] = 5
    assert x.tolist() == [5, 1]
    a = np.zeros(3)
    t = tg.from_numpy(a)
    t[1] = 2
    assert a.tolist() == [0, 2, 0]
    assert t.array is a
    assert isinstance(a * t, tg.Tensor)
    assert isinstance(a + tg.ones(3), tg.Tensor)
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    tg.from_numpy(read_only)[0] = 1
    assert read_only.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="byte order"):
        tg.from_numpy(np.zeros(2, ">f8"))
    assert np.asarray(t).tolist() == [0, 2, 0]


def test_strict_tensors_do_not_slip_into_numpy():
    t = tg.ones(2, device="strict")
    with pytest.raises(TypeError, match="can't convert strict"):
        t.numpy()
    with pytest.raises(TypeError):
        np.asarray(t)
    assert t.cpu().numpy().tolist() == [1, 1]


def test_pickle_and_deepcopy_keep_what_a_tensor_is():
    x = tg.ones(2, requires_grad=True)
    x.note = {"a": 1}
    (x * 3).sum().backward()
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert again.requires_grad and again.tolist() == [1, 1] and again.note == {"a": 1}
        assert again.array is not x.array
    assert copy.deepcopy(x).grad.tolist() == [3, 3]
    with pytest.raises(
        RuntimeError,
        match=r"Only Tensors created explicitly by the user \(graph leaves\) support the deepcopy protocol",
    ):
        copy.deepcopy(x * 2)


def test_subclasses_and_attributes():
    class Mine(tg.Tensor):
        pass

    m = Mine(tg.ones(2))
    assert isinstance(m, Mine) and isinstance(m * 2, tg.Tensor)
    m.extra = 1
    assert m.extra == 1


def test_repr():
    x = tg.tensor([1.0], requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x.clone()) == "tensor([1.], grad_fn=<CloneBackward0>)"
    assert repr(tg.tensor(2)) == "tensor(2)"
    assert f"{tg.tensor(1.5):.2f}" == "1.50"


def test_python_numbers():
    t = tg.tensor(3)
    assert (int(t), float(t), bool(t), [10, 20, 30, 40][t], len(tg.ones(4, 2))) == (3, 3.0, True, 40, 4)
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"):
        bool(tg.ones(2))
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"):
        tg.ones(2).item()
    with pytest.raises(TypeError, match=r"len\(\) of a 0-d tensor"):
        len(t)
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(t)
    assert 2.0 in tg.tensor([1.0, 2.0])


def test_no_grad_keeps_no_intermediates():
    layers = [tg.nn.Linear(256, 256) for _ in range(10)]
    x = tg.ones(512, 256)

    def forward():
        y = x
        for layer in layers:
            y = layer(y).relu()
        return y

    def peak(f):
        f()
        tracemalloc.start()
        result = f()
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        del result
        return size

    activation = x.nbytes
    recording = peak(forward)
    with tg.no_grad():
        plain = peak(forward)
    assert plain <= 3 * activation * 1.05
    assert plain <= 0.4 * recording


def test_inference_tensors_are_no_part_of_a_recording():
    w = tg.ones(2, requires_grad=True)
    with tg.inference_mode():
        y = tg.ones(2) * 2
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        (w * y).sum().backward()
    (w + y).sum().backward()
    (w * y.clone()).sum().backward()
    assert w.grad.tolist() == [3, 3]
