"""Memory of CUDA tensors shared with others, as far as a machine without a GPU shows it: real cupy arrays over the
host's memory, real capsules that say "CUDA", and doubles of what would ask the driver. What the doubles stand for is
called with the arguments that the installed CuPy takes.
"""

from __future__ import annotations

import inspect
import warnings

import ml_dtypes
import numpy as np
import pytest
from host_cupy import on_host, serving, values

import tapegrad
from tapegrad.backends import dlpack

cupy = pytest.importorskip("cupy")
DTYPES = [
    np.dtype(name) for name in ("bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16")
] + [np.dtype(ml_dtypes.bfloat16)]
STREAM = 0x7F00  # the address of the current stream, so to speak


class Exporting(cupy.ndarray):
    """A cupy array over host memory that exports as CuPy's do, and notes what it was asked."""

    asked: list = []

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        self.asked.append({"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy})
        capsule = dlpack.export(values(self), max_version=max_version)
        dlpack.contents(capsule).device_type = dlpack.CUDA
        return capsule

    def __dlpack_device__(self):
        return 2, 0

    @property
    def __cuda_array_interface__(self):
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "descr": self.dtype.descr,
            "version": 3,
            "stream": STREAM,
            "strides": None if self.flags.c_contiguous else self.strides,
            "data": (self.data.ptr if self.size else 0, False),
        }


class Namespace:
    """CuPy, with doubles of the two functions that ask the driver for the current stream or for a pointer's device."""

    def __init__(self):
        self.waited = []

    def __getattr__(self, name):
        return getattr(cupy, name)

    def from_dlpack(self, array, *, device=None, copy=None):
        assert array.__dlpack_device__()[0] == 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
            # the rest of CuPy's function, which needs no driver
            return cupy.fromDlpack(array.__dlpack__(stream=STREAM, max_version=(1, 0)))

    def asarray(self, a):
        interface = a.__cuda_array_interface__
        self.waited.append(interface.get("stream"))
        memory = cupy.cuda.UnownedMemory(interface["data"][0], 1 << 20, a, 0)
        return cupy.ndarray(
            interface["shape"], np.dtype(interface["typestr"]), cupy.cuda.MemoryPointer(memory, 0), interface["strides"]
        )


@pytest.fixture
def xp():
    found = Namespace()
    with serving(cupy, found):
        yield found


@pytest.fixture
def exporting(xp):
    Exporting.asked.clear()
    with serving(cupy, xp, Exporting):
        yield lambda host: tapegrad.as_tensor(on_host(cupy, host, Exporting))


def test_the_doubles_have_cupys_signatures():
    text = cupy.ndarray.__dlpack__.__doc__.splitlines()[0]
    assert text == "_ndarray_base.__dlpack__(self, *, stream=None, tuple max_version=None, dl_device=None, copy=None)"
    assert cupy.from_dlpack.__doc__.splitlines()[0] == "from_dlpack(array, *, device=None, copy=None)"
    assert next(iter(inspect.signature(cupy.asarray).parameters)) == "a"


def spelt(host):
    return host[1:, ::2], host.T, host[0, :1].reshape(()), host[:0]


def host_of(dtype):
    return np.arange(12).reshape(3, 4).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_cuda_memory_comes_in_by_dlpack(dtype, xp):
    host = host_of(dtype)

    class Theirs:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, *, stream, max_version=None, dl_device=None, copy=None):
            assert stream == STREAM  # the consumer says on which stream it will work
            capsule = dlpack.export(self.array, max_version=max_version)
            dlpack.contents(capsule).device_type = dlpack.CUDA
            return capsule

        def __dlpack_device__(self):
            return 2, 0

    for view in spelt(host):
        for make in (
            tapegrad.from_dlpack,
            tapegrad.as_tensor,
            tapegrad.asarray,
            lambda source: tapegrad.from_dlpack(source.__dlpack__(stream=STREAM)),
        ):
            t = make(Theirs(view))
            assert type(t.array) is cupy.ndarray and t.is_cuda and t.dtype.numpy == dtype and t.shape == view.shape
            assert not view.size or (t.array.strides, t.data_ptr()) == (view.strides, view.ctypes.data)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_cuda_memory_goes_out_by_dlpack(dtype, exporting, xp):
    host = host_of(dtype)
    whole = exporting(host)
    for t, view in zip((whole[1:, ::2], whole.T, whole[0, 0], whole[:0]), spelt(host)):
        found = xp.from_dlpack(t)
        assert Exporting.asked.pop() == {"stream": STREAM, "max_version": (1, 0), "dl_device": None, "copy": None}
        assert found.shape == view.shape
        assert found.dtype == dtype or dtype.name == "bfloat16"
        assert not view.size or (found.strides, found.data.ptr) == (view.strides, view.ctypes.data)
    assert whole.__dlpack_device__() == (2, 0)
    # what another consumer reads in the capsule
    read = dlpack.contents(whole.__dlpack__(stream=-1))
    code = {"b": 6, "i": 0, "u": 1, "f": 2, "c": 5, "V": 4}[dtype.kind]
    assert (read.device_type, read.ndim, read.code, read.bits, read.lanes) == (2, 2, code, dtype.itemsize * 8, 1)


def test_the_stream_is_handed_on_as_it_was_said(exporting):
    t = exporting(host_of(np.float32))
    for stream in (-1, 1, 2, STREAM):
        t.__dlpack__(stream=stream)
        assert Exporting.asked.pop()["stream"] == stream
    for call in (lambda: t.__dlpack__(), lambda: t.__dlpack__(stream=None)):
        call()
        assert Exporting.asked.pop()["stream"] is None  # which is the legacy default stream
    with pytest.raises(TypeError, match="stream must be ``int`` or ``none``"):
        t.__dlpack__(stream="1")
    t.__dlpack__(dl_device=(1, 0), copy=True, max_version=(1, 1))
    assert Exporting.asked.pop() == {"stream": None, "max_version": (1, 1), "dl_device": (1, 0), "copy": True}
    with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
        t.requires_grad_().__dlpack__()
    assert not Exporting.asked


def test_the_cuda_array_interface_goes_out(exporting):
    host = host_of(np.float32)
    t = exporting(host)
    assert t.__cuda_array_interface__ == {
        "shape": (3, 4),
        "typestr": "<f4",
        "descr": [("", "<f4")],
        "version": 3,
        "stream": STREAM,
        "strides": None,
        "data": (host.ctypes.data, False),
    }
    part = t[1:, ::2].__cuda_array_interface__
    assert (part["shape"], part["strides"], part["data"]) == ((2, 2), (16, 8), (host.ctypes.data + 16, False))
    assert t[:0].__cuda_array_interface__["data"] == (0, False)
    with pytest.raises(RuntimeError, match="on Variable that requires grad"):
        _ = t.requires_grad_().__cuda_array_interface__
    assert t.detach().__cuda_array_interface__["shape"] == (3, 4)


class DeviceArray:
    """What Numba's device arrays show."""

    def __init__(self, host, read_only=False, **more):
        self.host = host
        self.__cuda_array_interface__ = {
            "shape": host.shape,
            "typestr": host.dtype.str,
            "strides": None if host.flags.c_contiguous else host.strides,
            "data": (host.ctypes.data, read_only),
            "version": 3,
            **more,
        }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_cuda_array_interface_comes_in(dtype, xp):
    host = host_of(dtype)
    for make in (tapegrad.as_tensor, tapegrad.asarray, lambda a: tapegrad.asarray(a, copy=False)):
        for view in spelt(host)[:3]:
            t = make(DeviceArray(view, stream=STREAM))
            assert t.is_cuda and t.dtype.numpy == dtype and t.shape == view.shape
            assert (t.array.strides, t.data_ptr()) == (view.strides, view.ctypes.data)
            assert xp.waited.pop() == STREAM
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):  # it would copy, for which it takes a GPU
        tapegrad.as_tensor(DeviceArray(host, read_only=True))
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        tapegrad.tensor(DeviceArray(host))


def test_a_cupy_array_is_taken_as_it_is(xp):
    array = on_host(cupy, host_of(np.float32))
    for make in (
        tapegrad.as_tensor,
        tapegrad.asarray,
        tapegrad.from_dlpack,
        lambda a: tapegrad.from_dlpack(a, device="cuda", copy=False),
    ):
        assert make(array).array is array
    t = tapegrad.as_tensor(array)
    assert tapegrad.from_dlpack(t).array is array and tapegrad.from_dlpack(t)._version == t._version == 0
    with pytest.raises(ValueError, match="cannot move DLPack tensor from device cuda:0 to cpu without copying"):
        tapegrad.from_dlpack(array, device="cpu", copy=False)


def test_what_is_no_memory_is_data():
    class Nothing:
        @property
        def __cuda_array_interface__(self):
            raise AttributeError("a CPU array has none")

        def __array__(self, dtype=None, copy=None):
            return np.ones(2, np.float32)

    assert tapegrad.as_tensor(Nothing()).tolist() == [1, 1]
