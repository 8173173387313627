"""Memory shared with NumPy and CuPy arrays, and what stands in the way of it."""
from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tapegrad
from tapegrad.backends.registry import standing_in
from tapegrad.backends.strict_backend import StrictBackend


def test_the_array_of_a_tensor_is_the_array_itself():
    array = np.arange(3.0)
    for t in (tapegrad.as_tensor(array), tapegrad.from_numpy(array)):
        assert t.array is array
        t[0] += 5
    assert array[0] == 10


def test_dlpack_goes_both_ways_without_a_copy():
    array = np.arange(6.0).reshape(2, 3)
    t = tapegrad.from_dlpack(array)
    back = np.from_dlpack(t)
    assert np.shares_memory(t.array, array) and np.shares_memory(back, array)
    assert t.tolist() == back.tolist() == array.tolist()
    assert tapegrad.from_dlpack(t).array is array or np.shares_memory(tapegrad.from_dlpack(t).array, array)
    with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
        np.from_dlpack(tapegrad.ones(2, requires_grad=True))
    with pytest.raises(BufferError, match="strict device"):
        np.from_dlpack(tapegrad.ones(2, device="strict"))


def test_dlpack_with_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.arange(4.0)
    ours = tapegrad.from_dlpack(theirs)
    ours[1] = 9
    assert theirs.tolist() == [0, 9, 2, 3]
    torch.from_dlpack(ours)[0] = 7
    assert ours.tolist() == [7, 9, 2, 3]


def test_numpy_takes_a_tensor_as_an_array():
    t = tapegrad.ones(2)
    assert np.shares_memory(np.asarray(t), t.array)
    assert not np.shares_memory(np.array(t), t.array)
    assert np.asarray(t, dtype=np.int64).tolist() == [1, 1]
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        np.asarray(t, dtype=np.int64, copy=False)
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        np.asarray(tapegrad.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="can't convert strict:0 device type tensor to numpy"):
        np.asarray(tapegrad.ones(2, device="strict"))


def test_the_cuda_array_interface_is_for_cuda():
    for device in ("cpu", "strict"):
        assert not hasattr(tapegrad.ones(2, device=device), "__cuda_array_interface__")
    with standing_in("cuda", StrictBackend("cuda")), pytest.raises(RuntimeError, match="on Variable that requires grad"):
        _ = tapegrad.ones(2, device="cuda", requires_grad=True).__cuda_array_interface__


def test_numbers_and_0d_cpu_tensors_mix_with_cuda():
    with standing_in("cuda", StrictBackend("cuda")):
        x = tapegrad.ones(3, device="cuda", requires_grad=True)
        k = tapegrad.tensor(2.0, requires_grad=True)
        y = x * k + 1
        assert y.device == tapegrad.device("cuda:0") and y.tolist() == [3, 3, 3]
        y.sum().backward()
        assert k.grad.device.type == "cpu" and k.grad.item() == 3
        assert x.grad.device.type == "cuda" and x.grad.tolist() == [2, 2, 2]
        for mixed in (lambda: x + tapegrad.ones(3), lambda: x + tapegrad.ones(1), lambda: x @ tapegrad.ones(3), lambda: tapegrad.cat([x, tapegrad.ones(3)])):
            with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"):
                mixed()


CUPY_FIRST = """
import numpy as np, cupy
import tapegrad
from tapegrad.backends import cupy_backend

# Shapes and views of CuPy arrays work without a GPU, kernels do not; what asks for the driver is left out.
cupy_backend.load = lambda: cupy_backend.CupyBackend(cupy, 1)
host = np.arange(6, dtype=np.float32).reshape(2, 3)
memory = cupy.cuda.UnownedMemory(host.ctypes.data, host.nbytes, host, 0)
array = cupy.ndarray(host.shape, host.dtype, cupy.cuda.MemoryPointer(memory, 0))
USE
"""
FIRST_USES = {
    "as_tensor": "t = tapegrad.as_tensor(array); assert t.array is array and t.is_cuda and t[0].array.data.ptr == array.data.ptr",
    "func": "y, _ = tapegrad.func.vjp(lambda x: x.reshape(3, 2), array); assert type(y) is cupy.ndarray and y.data.ptr == array.data.ptr",
    "op": "y = tapegrad.reshape(array, (6,)); assert type(y) is cupy.ndarray and y.shape == (6,)",
}


@pytest.mark.parametrize("use", FIRST_USES)
def test_a_cupy_array_is_known_before_cuda_was_asked_for(use):
    pytest.importorskip("cupy")
    code = CUPY_FIRST.replace("USE", FIRST_USES[use])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.returncode, done.stderr


@pytest.mark.cuda
def test_cupy_arrays_share_their_memory():
    cupy = pytest.importorskip("cupy")
    array = cupy.arange(3, dtype=np.float32)
    t = tapegrad.as_tensor(array)
    assert t.array is array and t.is_cuda
    t += 1
    assert array.tolist() == [1, 2, 3]
    assert cupy.asarray(t).data.ptr == cupy.from_dlpack(t).data.ptr == tapegrad.from_dlpack(array).array.data.ptr == array.data.ptr
    gradient = tapegrad.func.grad(lambda x: (x * x).sum())(array)
    assert type(gradient) is cupy.ndarray and gradient.tolist() == [2, 4, 6]
