"""Memory shared with NumPy and CuPy arrays, and what stands in the way of it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

import tapegrad
from tapegrad.backends.registry import standing_in
from tapegrad.backends.strict.backend import StrictBackend


def test_the_array_of_a_tensor_is_the_array_itself():
    array = np.arange(3.0)
    for t in (tapegrad.as_tensor(array), tapegrad.from_numpy(array)):
        assert t.array is array
        t[0] += 5
    assert array[0] == 10


DTYPES = [
    tapegrad.bool,
    tapegrad.uint8,
    tapegrad.int8,
    tapegrad.uint16,
    tapegrad.int16,
    tapegrad.uint32,
    tapegrad.int32,
    tapegrad.uint64,
    tapegrad.int64,
    tapegrad.float16,
    tapegrad.bfloat16,
    tapegrad.float32,
    tapegrad.float64,
    tapegrad.complex64,
    tapegrad.complex128,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dlpack_goes_both_ways_without_a_copy(dtype):
    t = tapegrad.ones(2, 3, dtype=dtype)
    for part in (t, t.T, t[:, 1:], t[:, ::2], t[0, 0], t[:0], t[1:].expand(4, 3)):
        again = tapegrad.from_dlpack(part.__dlpack__(max_version=(1, 0)))
        assert again.dtype == dtype and again.shape == part.shape and again._version == 0
        assert not part.numel() or (again.array.strides, again.data_ptr()) == (part.array.strides, part.data_ptr())
    again = tapegrad.from_dlpack(t.__dlpack__())
    again[0, 1] = 0
    assert not t[0, 1] and t[0, 0] and t.__dlpack_device__() == (1, 0)
    if dtype != tapegrad.bfloat16:
        assert np.shares_memory(np.from_dlpack(t), t.array)
        assert tapegrad.from_dlpack(t.array).array is t.array


def test_memory_lives_as_long_as_anyone_sees_it():
    t = tapegrad.from_dlpack(tapegrad.arange(1000.0).__dlpack__())
    view = np.from_dlpack(t)
    del t
    gc.collect()
    assert view.sum() == 499500
    unused = tapegrad.arange(1000.0)
    gone = weakref.ref(unused.array)
    capsule = unused.__dlpack__(max_version=(1, 0))
    del unused
    assert gone() is not None
    del capsule
    assert gone() is None


def test_what_dlpack_refuses():
    x = tapegrad.ones(2, requires_grad=True)
    for export in (
        x.__dlpack__,
        lambda: np.from_dlpack(x),
        lambda: tapegrad.from_dlpack(x),
        lambda: tapegrad.from_dlpack(x * 2),
    ):
        with pytest.raises(BufferError, match="Can't export tensors that require gradient, use tensor\\.detach"):
            export()
    for export in (x.detach().__dlpack__, (x * 2).detach().__dlpack__):
        assert tapegrad.from_dlpack(export()).requires_grad is False
    with pytest.raises(BufferError, match="negative strides"):
        tapegrad.from_numpy(np.arange(3.0)[::-1]).__dlpack__()
    with pytest.raises(TypeError, match="stream must be ``int`` or ``none``"):
        tapegrad.ones(2).__dlpack__(stream="1")
    for stream in (0, 1, 2):
        with pytest.raises(AssertionError, match="stream should be None on cpu"):
            tapegrad.ones(2).__dlpack__(stream=stream)
    assert tapegrad.from_dlpack(tapegrad.ones(2).__dlpack__(stream=-1)).tolist() == [1, 1]
    capsule = tapegrad.ones(2).__dlpack__()
    tapegrad.from_dlpack(capsule)
    for used in (capsule, 3, None, [1.0]):
        with pytest.raises(RuntimeError, match="from_dlpack received an invalid capsule"):
            tapegrad.from_dlpack(used)
    with pytest.raises(BufferError, match="native byte order"):
        tapegrad.from_dlpack(np.arange(3, dtype=">i4"))


def test_tensors_inside_transforms_have_no_memory_to_share():
    for share in (lambda x: x.__dlpack__(), lambda x: x.__dlpack_device__(), np.from_dlpack):
        with pytest.raises(RuntimeError, match="vmap"):
            tapegrad.vmap(lambda x, share=share: (share(x), x)[1])(tapegrad.ones(2, 3))


def test_the_strict_device_exports_nothing():
    x = tapegrad.ones(2, device="strict")
    for export in (
        lambda: np.from_dlpack(x),
        x.__dlpack__,
        x.__dlpack_device__,
        lambda: x.__dlpack__(dl_device=(1, 0)),
        lambda: x.__dlpack__(copy=True),
    ):
        with pytest.raises(BufferError, match="strict device"):
            export()
    shared = tapegrad.from_dlpack(x)
    assert shared.data_ptr() == x.data_ptr() and tapegrad.from_dlpack(x.array).array is x.array
    with standing_in("cuda", StrictBackend("cuda")):
        assert not hasattr(tapegrad.ones(2, device="cuda"), "__cuda_array_interface__")


def test_from_dlpack_onto_a_device_and_with_a_copy():
    array = np.arange(3.0)
    for source in (array, tapegrad.from_numpy(array)):
        assert (
            tapegrad.from_dlpack(source, copy=False).data_ptr()
            == tapegrad.from_dlpack(source, device="cpu").data_ptr()
            == array.ctypes.data
        )
        assert tapegrad.from_dlpack(source, copy=True).data_ptr() != array.ctypes.data
        moved = tapegrad.from_dlpack(source, device="strict")
        assert moved.device.type == "strict" and moved.tolist() == [0, 1, 2]
        with pytest.raises(ValueError, match="cannot move DLPack tensor from device cpu to strict without copying"):
            tapegrad.from_dlpack(source, device="strict", copy=False)


def test_memory_that_cannot_be_written_is_copied_or_refused():
    array = np.arange(3.0)
    array.flags.writeable = False
    for make in (
        tapegrad.from_dlpack,
        tapegrad.from_numpy,
        tapegrad.as_tensor,
        lambda a: tapegrad.from_dlpack(a.__dlpack__(max_version=(1, 0))),
    ):
        t = make(array)
        t += 1
        assert t.tolist() == [1, 2, 3] and array.tolist() == [0, 1, 2]
    with pytest.raises(BufferError, match="read-only"):
        tapegrad.from_dlpack(array, copy=False)


def test_who_shares_a_version_counter():
    """Tensors that share memory do; memory that comes through another library has a counter of its own, and writes by
    that library count nowhere.
    """
    t = tapegrad.ones(3)
    again = tapegrad.from_dlpack(t)
    again.add_(1)
    assert t._version == again._version == 1
    through = tapegrad.from_dlpack(np.from_dlpack(t))
    through.add_(1)
    assert (t._version, through._version) == (1, 1) and t.tolist() == [3, 3, 3]
    w = tapegrad.ones(3, requires_grad=True)
    y = (w * t).sum()
    tapegrad.from_dlpack(t).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


class OldProducer:
    """Speaks DLPack as it was before version 1."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, stream=None):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return 1, 0


def test_old_producers_share_writeable_memory():
    array = np.arange(3.0)
    t = tapegrad.from_dlpack(OldProducer(array))
    t[0] = 7
    assert array[0] == 7 and t[1:].data_ptr() == t.data_ptr() + 8
    kept = weakref.ref(array)
    del array
    gc.collect()
    assert kept() is not None and t.tolist() == [7, 1, 2]
    v = t.view(3, 1)
    v.add_(1)
    assert t._version == 2 and t.tolist() == [8, 2, 3]
    for make in (tapegrad.as_tensor, tapegrad.asarray):
        made = make(OldProducer(t.array))
        assert made.data_ptr() == t.data_ptr()
    assert tapegrad.asarray(OldProducer(t.array), copy=False).data_ptr() == t.data_ptr()
    assert (
        tapegrad.asarray(OldProducer(t.array), copy=True).data_ptr()
        != t.data_ptr()
        != tapegrad.tensor(OldProducer(t.array)).data_ptr()
    )
    assert tapegrad.as_tensor(OldProducer(t.array), dtype=tapegrad.int64).dtype == tapegrad.int64


def test_devices_that_nobody_serves():
    class Elsewhere(OldProducer):
        def __dlpack_device__(self):
            return 10, 0

    with pytest.raises(RuntimeError, match="no backend serves DLPack device type 10"):
        tapegrad.from_dlpack(Elsewhere(np.ones(1)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dlpack_with_torch(dtype):
    torch = pytest.importorskip("torch")
    theirs = torch.ones(2, 3, dtype=getattr(torch, str(dtype).partition(".")[2]))
    for make in (
        tapegrad.from_dlpack,
        tapegrad.as_tensor,
        lambda t: tapegrad.from_dlpack(torch.utils.dlpack.to_dlpack(t)),
    ):
        for view in (
            lambda t: t,
            lambda t: t.T,
            lambda t: t[:, 1:],
            lambda t: t[1, 2],
            lambda t: t[:, :0],
            lambda t: t[:1].expand(4, 3),
        ):
            ours = make(view(theirs))
            assert ours.dtype == dtype and ours.shape == view(theirs).shape
            assert not ours.numel() or (ours.stride(), ours.data_ptr()) == (
                view(theirs).stride(),
                view(theirs).data_ptr(),
            )
            back = torch.from_dlpack(ours)
            assert back.dtype == theirs.dtype and (
                not ours.numel() or (back.stride(), back.data_ptr()) == (ours.stride(), ours.data_ptr())
            )
    ours = tapegrad.from_dlpack(theirs)
    ours[0, 1] = 0
    torch.from_dlpack(ours)[1, 1] = 0
    assert theirs.tolist() == ours.tolist() == [[1, 0, 1], [1, 0, 1]]
    if dtype.is_floating_point or dtype.is_complex:
        with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
            tapegrad.as_tensor(theirs.requires_grad_())
        with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
            torch.from_dlpack(ours.requires_grad_())
    if dtype.is_complex:
        with pytest.raises(BufferError, match="conjugate bit"):
            tapegrad.from_dlpack(theirs.detach().conj())


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
    with (
        standing_in("cuda", StrictBackend("cuda")),
        pytest.raises(RuntimeError, match="on Variable that requires grad"),
    ):
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
        for mixed in (
            lambda: x + tapegrad.ones(3),
            lambda: x + tapegrad.ones(1),
            lambda: x @ tapegrad.ones(3),
            lambda: tapegrad.cat([x, tapegrad.ones(3)]),
        ):
            with pytest.raises(
                RuntimeError,
                match="Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
            ):
                mixed()


CUPY_FIRST = """
import numpy as np, cupy
import tapegrad
from tapegrad.backends.cupy import backend as cupy_backend

# Shapes and views of CuPy arrays work without a GPU, kernels do not; what asks for the driver is left out.
cupy_backend.load = lambda: cupy_backend.CupyBackend(cupy, 1)
host = np.arange(6, dtype=np.float32).reshape(2, 3)
memory = cupy.cuda.UnownedMemory(host.ctypes.data, host.nbytes, host, 0)
array = cupy.ndarray(host.shape, host.dtype, cupy.cuda.MemoryPointer(memory, 0))
USE
"""
FIRST_USES = {
    "as_tensor": "t = tapegrad.as_tensor(array); assert t.array is array and t.is_cuda and t[0].array.data.ptr == "
    "array.data.ptr",
    "func": "y, _ = tapegrad.func.vjp(lambda x: x.reshape(3, 2), array); assert type(y) is cupy.ndarray and "
    "y.data.ptr == array.data.ptr",
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
    assert (
        cupy.asarray(t).data.ptr
        == cupy.from_dlpack(t).data.ptr
        == tapegrad.from_dlpack(array).array.data.ptr
        == array.data.ptr
    )
    gradient = tapegrad.func.grad(lambda x: (x * x).sum())(array)
    assert type(gradient) is cupy.ndarray and gradient.tolist() == [2, 4, 6]


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_cuda_memory_goes_both_ways(dtype):
    cupy = pytest.importorskip("cupy")
    t = tapegrad.ones(3, 4, device="cuda").to(dtype)
    for part in (t, t.T, t[1:, ::2], t[0, 0], t[:0]):
        for found in (
            tapegrad.from_dlpack(part.__dlpack__(stream=1, max_version=(1, 0))),
            tapegrad.as_tensor(cupy.from_dlpack(part)),
        ):
            assert found.dtype == dtype and found.shape == part.shape
            assert not part.numel() or (found.stride(), found.data_ptr()) == (part.stride(), part.data_ptr())
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        big = tapegrad.ones(1 << 24, device="cuda")
        for _ in range(20):
            big = big + 1
        capsule = big.__dlpack__(stream=1)  # the legacy default stream waits for this one
    assert tapegrad.from_dlpack(capsule).sum().item() == 21 << 24
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        theirs = torch.from_dlpack(t)
        assert theirs.data_ptr() == t.data_ptr() == tapegrad.as_tensor(theirs).data_ptr()
        assert dtype == tapegrad.bfloat16 or torch.as_tensor(t, device="cuda").data_ptr() == t.data_ptr()
