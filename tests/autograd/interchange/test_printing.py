"""Tensors as text, against strings that PyTorch 2.13 printed."""

import numpy as np
import pytest

from tapegrad.autograd.interchange.printing import get_printoptions, printoptions, set_printoptions, tensor_repr
from tapegrad.autograd.types import dtypes


def f4(*values):
    return np.array(values, "float32")


@pytest.mark.parametrize(
    ("array", "kwargs", "expected"),
    [
        (f4(7, 9), {}, "tensor([7., 9.])"),
        (f4(1, 2), {"requires_grad": True}, "tensor([1., 2.], requires_grad=True)"),
        (f4(3)[0], {"grad_fn_name": "SumBackward0", "requires_grad": True}, "tensor(3., grad_fn=<SumBackward0>)"),
        (np.array(3.0), {}, "tensor(3., dtype=torch.float64)"),
        (np.array(3.0), {"default_dtype": dtypes.float64}, "tensor(3.)"),
        (np.zeros((0, 3), "float32"), {}, "tensor([], size=(0, 3))"),
        (f4(), {}, "tensor([])"),
        (np.zeros((2, 0), "int64"), {}, "tensor([], size=(2, 0), dtype=torch.int64)"),
        (np.array([1, -10]), {}, "tensor([  1, -10])"),
        (np.array([1, 200], "uint8"), {}, "tensor([  1, 200], dtype=torch.uint8)"),
        (np.array([True, False]), {}, "tensor([ True, False])"),
        (np.array(True), {}, "tensor(True)"),
        (np.array([1 + 2j, -3.5 - 1j], "complex64"), {}, "tensor([ 1.0000+2.j, -3.5000-1.j])"),
        (np.array(1 + 2j, "complex64"), {}, "tensor(1.+2.j)"),
        (f4(np.nan, np.inf, -np.inf, 1.5), {}, "tensor([   nan,    inf,   -inf, 1.5000])"),
        (f4(np.nan, np.inf), {}, "tensor([nan, inf])"),
        (f4(-0.0, 0.0), {}, "tensor([-0., 0.])"),
        (f4(1e-5, 1), {}, "tensor([1.0000e-05, 1.0000e+00])"),
        (f4(1e9), {}, "tensor([1.0000e+09])"),
        (np.array([1.5, 2], "float16"), {}, "tensor([1.5000, 2.0000], dtype=torch.float16)"),
        (f4(1, 2), {"device_suffix": "cuda:0"}, "tensor([1., 2.], device='cuda:0')"),
        (
            np.zeros((2, 0), "float16"),
            {"device_suffix": "cuda:0", "requires_grad": True},
            "tensor([], device='cuda:0', size=(2, 0), dtype=torch.float16,\n       requires_grad=True)",
        ),
        (f4(1, 2), {"tangent": "tensor([3., 4.])"}, "tensor([1., 2.], tangent=tensor([3., 4.]))"),
        (f4(1, 2).reshape(2, 1), {"prefix": "Mine("}, "Mine([[1.],\n      [2.]])"),
        (
            f4(*range(8)).reshape(2, 2, 2),
            {},
            "tensor([[[0., 1.],\n         [2., 3.]],\n\n        [[4., 5.],\n         [6., 7.]]])",
        ),
        (
            np.arange(30, dtype="float32"),
            {"grad_fn_name": "MulBackward0"},
            "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
            "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n"
            "        28., 29.], grad_fn=<MulBackward0>)",
        ),
        (np.arange(1001), {}, "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
        (np.arange(1000)[::-1][:1], {}, "tensor([999])"),
        (
            np.arange(40000, dtype="float32").reshape(200, 200),
            {},
            "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 1.9700e+02, 1.9800e+02,\n"
            "         1.9900e+02],\n"
            "        [2.0000e+02, 2.0100e+02, 2.0200e+02,  ..., 3.9700e+02, 3.9800e+02,\n"
            "         3.9900e+02],\n"
            "        [4.0000e+02, 4.0100e+02, 4.0200e+02,  ..., 5.9700e+02, 5.9800e+02,\n"
            "         5.9900e+02],\n"
            "        ...,\n"
            "        [3.9400e+04, 3.9401e+04, 3.9402e+04,  ..., 3.9597e+04, 3.9598e+04,\n"
            "         3.9599e+04],\n"
            "        [3.9600e+04, 3.9601e+04, 3.9602e+04,  ..., 3.9797e+04, 3.9798e+04,\n"
            "         3.9799e+04],\n"
            "        [3.9800e+04, 3.9801e+04, 3.9802e+04,  ..., 3.9997e+04, 3.9998e+04,\n"
            "         3.9999e+04]])",
        ),
    ],
)
def test_repr(array, kwargs, expected):
    assert tensor_repr(array, **kwargs) == expected


def test_bfloat16():
    assert tensor_repr(np.array([1.5, -2], dtypes.bfloat16.numpy)) == "tensor([ 1.5000, -2.0000], dtype=torch.bfloat16)"
    assert tensor_repr(np.array([3, np.nan], dtypes.bfloat16.numpy)) == "tensor([3., nan], dtype=torch.bfloat16)"


def test_default_dtype_is_the_process_s():
    dtypes.set_default_dtype(dtypes.float64)
    try:
        assert (
            tensor_repr(np.ones(2)) == "tensor([1., 1.])"
            and tensor_repr(np.ones(2, "complex128")) == "tensor([1.+0.j, 1.+0.j])"
        )
        assert tensor_repr(f4(1)) == "tensor([1.], dtype=torch.float32)"
        assert tensor_repr(np.zeros(0, "complex128")) == "tensor([], dtype=torch.complex128)"
    finally:
        dtypes.set_default_dtype(dtypes.float32)


def test_signalling_nan_is_silent():
    assert tensor_repr(np.array([0x7F800001, 0x3F800000], "uint32").view("float32")) == "tensor([nan, 1.])"


def test_only_the_edges_of_a_large_array_reach_the_host():
    brought = []

    def to_host(array):
        brought.append(array.size)
        return np.asarray(array)

    array = np.zeros((300, 2, 200), "float32")
    assert tensor_repr(array, to_host=to_host) == tensor_repr(array)
    assert sum(brought) == 6 * 2 * 6 and len(brought) == 4


def test_options():
    before = get_printoptions()
    assert before == {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
    x = f4(1.25, 2)
    with printoptions(precision=2):
        assert tensor_repr(x) == "tensor([1.25, 2.00])"
        with printoptions(sci_mode=True):
            assert tensor_repr(x) == "tensor([1.25e+00, 2.00e+00])"
        assert tensor_repr(x) == "tensor([1.25, 2.00])"
    with printoptions(sci_mode=False):
        assert tensor_repr(f4(1e-5, 1)) == "tensor([0.0000, 1.0000])"
    with printoptions(threshold=4, edgeitems=1):
        assert tensor_repr(np.arange(6)) == "tensor([0,  ..., 5])"
    with printoptions(threshold=4, edgeitems=0):
        assert tensor_repr(np.arange(6).reshape(2, 3)) == "tensor([...], size=(2, 3))"
    with printoptions(linewidth=20):
        assert tensor_repr(np.arange(6)) == "tensor([0, 1, 2, 3,\n        4, 5])"
    with printoptions(profile="short"):
        assert get_printoptions() == {
            "precision": 2,
            "threshold": 1000,
            "edgeitems": 2,
            "linewidth": 80,
            "sci_mode": None,
        }
    with printoptions(profile="full"):
        assert "..." not in tensor_repr(np.arange(2000))
    with pytest.raises(KeyError), printoptions(precision=7):
        raise KeyError
    assert get_printoptions() == before


def test_options_refuse_an_unknown_profile():
    before = get_printoptions()
    with pytest.raises(ValueError, match="profile must be one of"):
        set_printoptions(profile="tiny")
    with pytest.raises(ValueError, match="profile must be one of"), printoptions(profile="tiny"):
        pass
    assert get_printoptions() == before


def test_set_printoptions_keeps_what_is_not_given():
    try:
        set_printoptions(precision=1, sci_mode=True)
        set_printoptions(edgeitems=2)
        assert get_printoptions() == {
            "precision": 1,
            "threshold": 1000,
            "edgeitems": 2,
            "linewidth": 80,
            "sci_mode": None,
        }
    finally:
        set_printoptions(profile="default")
