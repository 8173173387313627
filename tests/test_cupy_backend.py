"""The CuPy backend as far as a machine without a GPU can show it: errors, views of real cupy arrays over host memory, and its use where there is a GPU."""
from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tapegrad.backends import Device, cupy_backend


def test_without_cupy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match=r'needs CuPy, which is not installed: pip install "tapegrad\[cuda13\]".*"tapegrad\[cuda12\]"'):
        cupy_backend.load()


def test_a_broken_cupy_is_not_called_missing(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise ImportError("libcudart.so.13: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(RuntimeError, match=r"installed but cannot be imported \(libcudart"):
        cupy_backend.load()


def test_tapegrad_does_not_import_cupy():
    code = "import sys, tapegrad.backends; assert 'cupy' not in sys.modules; import tapegrad.backends.cupy_backend; assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy")


@pytest.mark.parametrize(("status", "words"), [(35, "needs an NVIDIA driver"), (100, "needs a CUDA device, and there is none")])
def test_driver_and_device_are_told_apart(cupy, monkeypatch, status, words):
    def fail():
        raise cupy.cuda.runtime.CUDARuntimeError(status)
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", fail)
    with pytest.raises(RuntimeError, match=words):
        cupy_backend.load()


def test_no_visible_device(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 0)
    with pytest.raises(RuntimeError, match="CUDA_VISIBLE_DEVICES"):
        cupy_backend.load()


def on_host(cupy, array):
    """A real cupy.ndarray whose memory is the host's: shapes and views work, kernels do not."""
    memory = cupy.cuda.UnownedMemory(array.ctypes.data, array.nbytes, array, 0)
    return cupy.ndarray(array.shape, array.dtype, cupy.cuda.MemoryPointer(memory, 0), array.strides)


def values(array):
    """The values behind an array made by `on_host`."""
    import ctypes
    size = array.data.mem.size
    memory = np.frombuffer((ctypes.c_char * size).from_address(array.data.mem.ptr), np.uint8)
    return np.ndarray(array.shape, array.dtype, memory, array.data.ptr - array.data.mem.ptr, array.strides)


@pytest.fixture
def backend(cupy):
    return cupy_backend.CupyBackend(cupy, 1)


def test_views_of_cupy_arrays(cupy, backend):
    host = np.arange(24, dtype=np.float32).reshape(4, 6)
    x = on_host(cupy, host)
    views = [x[1:], x[0, 0], x.T, x.reshape(6, 4), x.ravel(), x[None], x.view(np.int32), x.swapaxes(0, 1), x.diagonal(), x[::-1]]
    for view in [*views, cupy.broadcast_to(x, (2, 4, 6))]:
        assert backend.shares_memory(view, x)
        assert backend.shares_memory(view[...], view)
    assert not backend.shares_memory(on_host(cupy, host.copy()), x)
    part = backend.as_strided(x[1:, 2:], (2, 3), (48, 4), offset=4)
    np.testing.assert_array_equal(values(part), host[1::2, 3:])
    assert backend.shares_memory(part, x)
    assert backend.pointer(x[1, 2]) - backend.pointer(x) == 32
    assert backend.device_of(x) == Device("cuda:0")
    assert backend.to_device(x, Device("cuda")) is x
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        backend.use(Device("cuda:7"))


def test_strict_views_have_cupys_strides(cupy):
    """What the strict device says of views is what CuPy says."""
    from tapegrad.backends.strict_backend import StrictBackend
    host = np.arange(24, dtype=np.float32).reshape(4, 6)
    strict = StrictBackend()
    pair = on_host(cupy, host), strict.from_host(host, Device("strict"))
    changes = [
        lambda a: a[1:, ::-2], lambda a: a[0, 0], lambda a: a.T, lambda a: a.reshape(3, 8), lambda a: a[None, ..., 0], lambda a: a.swapaxes(0, 1)[1:],
        lambda a: a[:, None].squeeze(), lambda a: a.diagonal(1), lambda a: a.view(np.int16), lambda a: a.T.T, lambda a: a.mT, lambda a: a.real,
        lambda a: a.ravel(),
    ]
    for change in changes:
        theirs, ours = map(change, pair)
        assert (theirs.shape, theirs.strides, theirs.dtype) == (ours.shape, ours.strides, ours.dtype)
        assert (theirs.base is None) is (ours.base is None)
        flags = "c_contiguous", "f_contiguous", "owndata"
        assert [getattr(theirs.flags, flag) for flag in flags] == [getattr(ours.flags, flag) for flag in flags]
        np.testing.assert_array_equal(values(theirs), ours.get())


def test_the_peak_hook_keeps_the_largest(cupy, monkeypatch):
    used = 0

    class Pool:
        def used_bytes(self):
            return used
    monkeypatch.setattr(cupy, "get_default_memory_pool", Pool)
    hook = cupy_backend._peak_hook(cupy)
    with hook:
        for used in [512, 4096, 1024]:  # noqa: B007
            hook.malloc_postprocess(device_id=0, size=1, mem_size=512, mem_ptr=1, pmem_id=1)
    assert hook.bytes == {0: 4096}


@pytest.mark.cuda
def test_on_a_gpu():
    try:
        backend = cupy_backend.load()
    except RuntimeError as error:
        pytest.skip(str(error))
    device = Device("cuda:0")
    host = np.arange(6.0).reshape(2, 3)
    x = backend.from_host(host, device)
    assert backend.device_of(x) == device
    np.testing.assert_array_equal(backend.to_host(x), host)
    backend.reset_peak_memory_stats()
    before = backend.memory_allocated()
    y = backend.xp.zeros((256, 256)) + 1
    assert backend.memory_allocated() - before == 256 * 256 * 8
    assert backend.max_memory_allocated() - before == 2 * 256 * 256 * 8
    backend.synchronize()
    index = backend.xp.asarray([0, 1, 0])
    import ml_dtypes
    for dtype in [np.float32, np.float16, ml_dtypes.bfloat16, np.complex64, np.int64, np.int8, np.bool_]:
        target, want = np.zeros(2, dtype), np.zeros(2, dtype)
        new = np.ones(3, dtype)
        target = backend.from_host(target, device)
        backend.scatter_add(target, index, backend.from_host(new, device))
        np.add.at(want, [0, 1, 0], new)
        np.testing.assert_array_equal(backend.to_host(target), want)
    assert not backend.shares_memory(y, x)
    assert backend.shares_memory(x[0], x)
    one = backend.from_host(np.ones(1), device)
    assert abs(float(backend.erf(one)[0]) - 0.8427007929497149) < 1e-15
