"""Factories, casts and moves: what they are made of, where they live, and when they are the tensor itself."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd.ops.creation import host_data as numbers
from tapegrad.backends.registry import standing_in
from tapegrad.backends.strict.backend import StrictBackend, counting

# ---- devices


def test_a_device_as_context():
    with tapegrad.device("strict") as strict:
        assert (
            strict == tapegrad.device("strict")
            and tapegrad.zeros(2).device.type == "strict"
            and tapegrad.tensor([1]).device.type == "strict"
        )
        with tapegrad.device("cpu"):
            assert tapegrad.arange(3).device.type == "cpu" and tapegrad.get_default_device() == tapegrad.device("cpu")
        found = []
        thread = threading.Thread(target=lambda: found.append(tapegrad.zeros(1).device.type))
        thread.start()
        thread.join()
        assert found == ["cpu"] and tapegrad.eye(2).device.type == "strict"
    assert tapegrad.zeros(2).device.type == "cpu"


def test_the_context_is_left_on_errors():
    with pytest.raises(KeyError), tapegrad.device("strict"):
        raise KeyError
    assert tapegrad.get_default_device().type == "cpu"


def test_the_default_device():
    tapegrad.set_default_device("strict")
    try:
        assert tapegrad.ones(2).device.type == "strict"
        with tapegrad.device("cpu"):
            assert tapegrad.ones(2).device.type == "cpu"
    finally:
        tapegrad.set_default_device(None)


def test_factories_cross_nothing():
    with counting() as crossed, tapegrad.device("strict"):
        x = tapegrad.zeros(2, 3)
        y = [
            tapegrad.ones(2),
            tapegrad.full((2,), 3.0),
            tapegrad.arange(5),
            tapegrad.arange(0, 1, 0.25),
            tapegrad.linspace(0, 1, 5),
            tapegrad.eye(3),
            tapegrad.zeros_like(x),
            tapegrad.full_like(x, 2),
            x.new_zeros(2),
            x.new_full((2,), 1),
            tapegrad.scalar_tensor(3),
            x.fill_(2),
            x.zero_(),
            x.copy_(tapegrad.ones(3)),
            x.to(tapegrad.float64),
            x.clone(),
            tapegrad.logspace(0, 1, 3),
        ]
        assert all(t.device.type == "strict" for t in y)
    assert not crossed, crossed.causes


def test_cuda_that_cannot_be_had():
    try:
        tapegrad.zeros(1, device="cuda")
    except RuntimeError as error:
        words = str(error)
        for ask in (
            lambda: tapegrad.ones(1).cuda(),
            lambda: tapegrad.ones(1).to("cuda"),
            lambda: tapegrad.tensor([1.0], device="cuda"),
        ):
            with pytest.raises(RuntimeError) as caught:
                ask()
            assert str(caught.value) == words and "cuda" in words
    else:
        pytest.skip("there is a GPU")


# ---- moves and casts


def test_moves_are_recorded():
    with standing_in("cuda", StrictBackend("cuda", devices=2)):
        x = tapegrad.ones(2, requires_grad=True)
        y = x.cuda()
        assert (
            y.is_cuda
            and y.cuda() is y
            and y.to("cuda") is y
            and y.to("cuda:0") is y
            and y.to(1).device == tapegrad.device("cuda:1")
        )
        (y.to("cuda:1").cpu() * 3).sum().backward()
        assert x.grad.tolist() == [3, 3] and x.grad.device.type == "cpu"
        assert y.detach().to("cpu", tapegrad.int64).dtype is tapegrad.int64 and x.detach().to(y).device == y.device
        assert y.type() == "torch.cuda.FloatTensor" and x.type("torch.cuda.DoubleTensor").dtype is tapegrad.float64


def test_casts():
    x = tapegrad.tensor([1.7, -2.2, 0.0], requires_grad=True)
    for name in (
        "float",
        "double",
        "half",
        "bfloat16",
        "long",
        "int",
        "short",
        "char",
        "byte",
        "bool",
        "cfloat",
        "cdouble",
    ):
        y = getattr(x, name)()
        assert y.requires_grad == (y.is_floating_point() or y.is_complex()), name
    assert x.long().tolist() == [1, -2, 0] and x.bool().tolist() == [True, True, False] and x.float() is x
    x.double().mul(2).sum().backward()
    assert x.grad.dtype is tapegrad.float32 and x.grad.tolist() == [2, 2, 2]
    assert x.to(tapegrad.float32, copy=True) is not x and x.to(torch_like := tapegrad.float64).dtype is torch_like
    assert tapegrad.tensor([float("nan"), float("inf")]).long().shape == (2,) and tapegrad.tensor(
        1e300, dtype=tapegrad.float64
    ).float().item() == float("inf")
    with pytest.warns(UserWarning, match="Casting complex values to real discards the imaginary part"):
        assert tapegrad.tensor(1 + 2j).to(tapegrad.float32).item() == 1
    with pytest.raises(TypeError, match=r"to\(\) received an invalid combination of arguments"):
        x.to(3.5)


def test_type_names():
    x = tapegrad.ones(2)
    assert (
        x.type() == "torch.FloatTensor"
        and x.type("torch.LongTensor").type() == "torch.LongTensor"
        and x.type(tapegrad.int64).dtype is tapegrad.int64
    )
    assert x.type(tapegrad.DoubleTensor).dtype is tapegrad.float64 and x.type_as(x.long()).dtype is tapegrad.int64
    with pytest.raises(ValueError, match="invalid type: 'FooTensor'"):
        x.type("torch.FooTensor")


def test_copy_is_recorded():
    source = tapegrad.tensor([1, 2, 3], dtype=tapegrad.float64, requires_grad=True)
    x = tapegrad.ones(2, 3, requires_grad=True)
    y = x * 1
    y.copy_(source)
    (y * y).sum().backward()
    assert y.tolist() == [[1, 2, 3]] * 2 and source.grad.tolist() == [4, 8, 12] and x.grad.tolist() == [[0] * 3] * 2
    with pytest.raises(
        RuntimeError,
        match=r"The size of tensor a \(3\) must match the size of tensor b \(4\) at non-singleton dimension 1",
    ):
        y.copy_(tapegrad.ones(4))
    with pytest.raises(RuntimeError, match=r"output with shape \[2, 3\] doesn't match the broadcast shape \[1, 2, 3\]"):
        y.copy_(tapegrad.ones(1, 2, 3))
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.copy_(y)


def test_fill_is_recorded():
    value = tapegrad.tensor(3.0, requires_grad=True)
    x = tapegrad.ones(2, requires_grad=True)
    y = x * 2
    y.fill_(value)
    y.sum().backward()
    assert value.grad.item() == 2 and x.grad.tolist() == [0, 0]
    with pytest.raises(
        RuntimeError, match="fill_ only supports 0-dimension value tensor but got tensor with 1 dimensions"
    ):
        y.fill_(tapegrad.ones(1))


# ---- data


@pytest.mark.parametrize(
    "data, words",
    [
        ([[1, 2], [3]], "expected sequence of length 2 at dim 1 (got 1)"),
        (None, "Could not infer dtype of NoneType"),
        ([1, "a"], "new(): invalid data type 'str'"),
        (2**70, "Overflow when unpacking long long"),
        ({1}, "Could not infer dtype of set"),
    ],
    ids=str,
)
def test_what_is_no_data(data, words):
    with pytest.raises((ValueError, RuntimeError, TypeError)) as caught:
        tapegrad.tensor(data)
    assert words in str(caught.value)


def test_integers_out_of_range():
    assert tapegrad.tensor(-1, dtype=tapegrad.uint8).item() == 255
    with pytest.raises(RuntimeError, match="value cannot be converted to type uint8 without overflow"):
        tapegrad.tensor(300, dtype=tapegrad.uint8)


def test_dtypes_of_data():
    for value, name in (
        (1, "int64"),
        (1.5, "float32"),
        (True, "bool"),
        (1j, "complex64"),
        (np.float64(2), "float64"),
        (np.int8(3), "int8"),
    ):
        assert tapegrad.tensor(value).dtype is getattr(tapegrad, name) and tapegrad.tensor([value]).dtype is getattr(
            tapegrad, name
        )
    for value, name in (([True, 2], "int64"), ([1, 2.5], "float32"), ([], "float32")):
        assert tapegrad.tensor(value).dtype is getattr(tapegrad, name)
    assert tapegrad.tensor([tapegrad.tensor(1), tapegrad.tensor(2.5)]).tolist() == [1, 2.5]


def test_sharing():
    array = np.zeros(3)
    assert (
        tapegrad.as_tensor(array).numpy() is array
        and tapegrad.from_numpy(array).numpy() is array
        and tapegrad.asarray(array).numpy() is array
    )
    assert tapegrad.tensor(array).numpy() is not array and tapegrad.asarray(array, copy=True).numpy() is not array
    x = tapegrad.ones(2)
    assert tapegrad.as_tensor(x) is x and tapegrad.asarray(x) is x
    with pytest.raises(ValueError, match="can't alias"):
        tapegrad.asarray([1, 2], copy=False)
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        tapegrad.from_numpy([1])
    frozen = np.arange(3)
    frozen.flags.writeable = False
    tapegrad.from_numpy(frozen)[0] = 5
    assert frozen[0] == 0


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: tapegrad.arange(5, 1), "upper bound and lower bound inconsistent with step sign"),
        (lambda: tapegrad.arange(1, 5, 0), "step must be nonzero"),
        (lambda: tapegrad.arange(float("nan")), "unsupported range: 0 -> nan"),
        (
            lambda: tapegrad.arange(3, requires_grad=True),
            "Only Tensors of floating point and complex dtype can require gradients",
        ),
        (lambda: tapegrad.zeros(2, -1), "Trying to create tensor with negative dimension -1: [2, -1]"),
        (lambda: tapegrad.linspace(0, 1, -1), "number of steps must be non-negative"),
        (lambda: tapegrad.eye(-1), "n must be greater or equal to 0, got -1"),
        (lambda: tapegrad.full(2, 3), "full(): argument 'size' (position 1) must be tuple of ints, not int"),
        (
            lambda: tapegrad.full((2,), 1j, dtype=tapegrad.float32),
            "value cannot be converted to type float without overflow",
        ),
        (lambda: tapegrad.zeros_like([1]), "zeros_like(): argument 'input' (position 1) must be Tensor, not list"),
        (
            lambda: tapegrad.is_nonzero(tapegrad.ones(2)),
            "Boolean value of Tensor with more than one value is ambiguous",
        ),
    ],
)
def test_error_texts(call, words):
    with pytest.raises((RuntimeError, TypeError)) as caught:
        call()
    assert words in str(caught.value)


def test_new_of_the_same_kind():
    x = tapegrad.ones(2, dtype=tapegrad.float64)
    for y in (
        x.new_zeros(2, 3),
        x.new_ones((2, 3)),
        x.new_empty(2, 3),
        x.new_full((2, 3), 4),
        x.new_tensor([[1, 2, 3]] * 2),
        x.new(2, 3),
    ):
        assert y.dtype is tapegrad.float64 and y.shape == (2, 3) and not y.requires_grad
    assert (
        x.new_zeros(2, dtype=tapegrad.int64).dtype is tapegrad.int64 and x.new_ones(1, requires_grad=True).requires_grad
    )
    assert x.new_empty_strided((2, 2), (1, 2)).stride() == (1, 2)


def test_old_constructors():
    assert tapegrad.FloatTensor([1, 2]).tolist() == [1.0, 2.0] and tapegrad.LongTensor([1.5, 2]).tolist() == [1, 2]
    assert (
        tapegrad.FloatTensor(2, 3).shape == (2, 3)
        and tapegrad.FloatTensor().shape == (0,)
        and tapegrad.Tensor(3).shape == (3,)
    )
    assert tapegrad.IntTensor(tapegrad.Size([2])).dtype is tapegrad.int32
    x = tapegrad.ones(2)
    assert (
        isinstance(x, tapegrad.FloatTensor)
        and not isinstance(x, tapegrad.LongTensor)
        and tapegrad.is_tensor(x)
        and not tapegrad.is_tensor([1])
    )
    with pytest.raises(TypeError, match="expected TensorOptions"):
        tapegrad.FloatTensor(tapegrad.LongTensor([1]))


def test_names_that_warn():
    with pytest.warns(UserWarning, match=r"torch\.range is deprecated"):
        assert tapegrad.range(1, 4).tolist() == [1, 2, 3, 4]
    a, b, c = tapegrad.ones(2, 3), tapegrad.ones(3, 4), tapegrad.ones(4, 1)
    with pytest.warns(UserWarning, match=r"torch\.chain_matmul is deprecated"):
        assert tapegrad.chain_matmul(a, b, c).tolist() == [[12], [12]]
    with pytest.warns(UserWarning, match="it will be required to pass the indexing argument"):
        assert tapegrad.meshgrid(tapegrad.ones(2), tapegrad.ones(3))[0].shape == (2, 3)


# ---- lists


def test_a_gradient_lost_in_a_list_is_told_of_once(monkeypatch):
    monkeypatch.setattr(numbers, "_warned", False)
    x = tapegrad.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True to a scalar") as found:
        assert not tapegrad.tensor([x[0], x[1]]).requires_grad
    assert found[0].filename == __file__
    tapegrad.tensor([x[0], x[1]])
    monkeypatch.setattr(numbers, "_warned", False)
    with tapegrad.no_grad():
        assert tapegrad.tensor([x[0], x[1]]).tolist() == [1.0, 2.0]
    assert tapegrad.tensor([x.detach()[0], 3]).tolist() == [1.0, 3.0]


def test_a_list_of_batched_tensors_is_refused():
    with pytest.raises(RuntimeError, match=r"vmap: It looks like you're calling .item\(\) on a Tensor"):
        tapegrad.vmap(lambda a: tapegrad.tensor([a[0], 1.0]))(tapegrad.ones(3, 2))
