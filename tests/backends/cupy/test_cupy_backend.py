"""The CuPy backend as far as a machine without a GPU can show it: errors, views of real cupy arrays over host memory,
and its use where there is a GPU.
"""

from __future__ import annotations

import gc
import inspect
import pickle
import subprocess
import sys
import threading
import types
import weakref

import ml_dtypes
import numpy as np
import pytest

import tapegrad
from tapegrad.backends import Device
from tapegrad.backends.cupy import backend as cupy_backend


def test_without_cupy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(
        RuntimeError,
        match=r'needs CuPy, which is not installed: pip install "tapegrad\[cuda13\]".*"tapegrad\[cuda12\]"',
    ):
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
    code = (
        "import sys, tapegrad.backends; assert 'cupy' not in sys.modules; import tapegrad.backends.cupy.backend; "
        "assert 'cupy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy")


@pytest.mark.parametrize(
    ("status", "words"), [(35, "needs an NVIDIA driver"), (100, "needs a CUDA device, and there is none")]
)
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
    views = [
        x[1:],
        x[0, 0],
        x.T,
        x.reshape(6, 4),
        x.ravel(),
        x[None],
        x.view(np.int32),
        x.swapaxes(0, 1),
        x.diagonal(),
        x[::-1],
    ]
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
    from tapegrad.backends.strict.backend import StrictBackend

    host = np.arange(24, dtype=np.float32).reshape(4, 6)
    strict = StrictBackend()
    pair = on_host(cupy, host), strict.from_host(host, Device("strict"))
    changes = [
        lambda a: a[1:, ::-2],
        lambda a: a[0, 0],
        lambda a: a.T,
        lambda a: a.reshape(3, 8),
        lambda a: a[None, ..., 0],
        lambda a: a.swapaxes(0, 1)[1:],
        lambda a: a[:, None].squeeze(),
        lambda a: a.diagonal(1),
        lambda a: a.view(np.int16),
        lambda a: a.T.T,
        lambda a: a.mT,
        lambda a: a.real,
        lambda a: a.ravel(),
    ]
    for change in changes:
        theirs, ours = map(change, pair)
        assert (theirs.shape, theirs.strides, theirs.dtype) == (ours.shape, ours.strides, ours.dtype)
        assert (theirs.base is None) is (ours.base is None)
        flags = "c_contiguous", "f_contiguous", "owndata"
        assert [getattr(theirs.flags, flag) for flag in flags] == [getattr(ours.flags, flag) for flag in flags]
        np.testing.assert_array_equal(values(theirs), ours.get())


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("erf", "erf"), ("erfc", "erfc"), ("erfinv", "erfinv"), ("lgamma", "gammaln"), ("digamma", "digamma")],
)
def test_special_functions_keep_the_dtype(cupy, backend, monkeypatch, name, theirs):
    """CuPy's have no loops for half types."""
    from cupyx.scipy import special

    loops = getattr(special, theirs).types
    assert {"f->f", "d->d"} <= set(loops) and not {"e->e", "E->E"} & set(loops)
    seen = []

    def stand_in(x):
        seen.append(x.dtype.name)
        return x

    monkeypatch.setattr(special, theirs, stand_in)
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64):
        assert getattr(backend, name)(np.ones(3, dtype)).dtype == dtype
    assert seen == ["float32", "float32", "float32", "float64"]


# ---- memory


class Pool:
    """Stands for CuPy's pool: memory of the host, of which there is only so much, some of it kept for reuse."""

    def __init__(self, cupy, room, limit=0):
        self.cupy, self.room, self.limit = cupy, room, limit
        self.live = weakref.WeakValueDictionary()
        self.kept = self.looks = 0

    def malloc(self, size):
        size = -(-size // 512) * 512
        if self.used() + self.kept + size > (self.limit or self.room):
            raise self.cupy.cuda.memory.OutOfMemoryError(size, self.used(), self.limit)
        block = np.zeros(size, np.uint8)
        self.live[id(block)] = block
        return self.cupy.cuda.MemoryPointer(self.cupy.cuda.UnownedMemory(block.ctypes.data, size, block, 0), 0)

    def used(self):
        return sum(len(block) for block in self.live.values())

    def used_bytes(self):
        self.looks += 1
        return self.used()

    def total_bytes(self):
        return self.used() + self.kept

    def free_all_blocks(self):
        self.kept = 0

    def get_limit(self):
        return self.limit

    def set_limit(self, size=None, fraction=None):
        self.limit = size


@pytest.fixture
def pool(cupy, monkeypatch):
    """A pool of 64 KiB, of which CuPy allocates what it needs for real arrays, through the backend's allocator."""
    pool = Pool(cupy, 1 << 16)
    monkeypatch.setattr(cupy, "get_default_memory_pool", lambda: pool)
    monkeypatch.setattr(cupy.cuda.runtime, "getDevice", lambda: 0)
    monkeypatch.setattr(cupy.cuda.runtime, "memGetInfo", lambda: (pool.room - pool.total_bytes(), pool.room))
    before = cupy.cuda.get_allocator()
    cupy.cuda.set_allocator(pool.malloc)
    yield pool
    cupy.cuda.set_allocator(before)


@pytest.fixture
def watched(cupy, backend, pool):
    backend.memory.watch()
    return backend


def test_the_double_has_what_cupys_pool_has(cupy):
    for name in ("malloc", "used_bytes", "total_bytes", "free_all_blocks", "get_limit", "set_limit"):
        assert callable(getattr(cupy.cuda.MemoryPool, name))
    assert callable(cupy.cuda.pinned_memory.is_memory_pinned) and callable(cupy.cuda.pinned_memory._add_to_watch_list)
    assert callable(cupy.cuda.Stream.from_external) and "blocking" in inspect.signature(cupy.array).parameters
    assert "blocking=True" in cupy.ndarray.get.__doc__


def test_cupy_out_of_memory_is_ours_and_cupys(cupy, watched, pool):
    held = cupy.ndarray(12 << 10, np.float32)
    for make in (lambda: cupy.ndarray(8 << 10, np.float32), lambda: cupy.empty((2, 4 << 10), np.float32)):
        with pytest.raises(tapegrad.OutOfMemoryError) as caught:
            make()
        assert isinstance(caught.value, cupy.cuda.memory.OutOfMemoryError) and isinstance(caught.value, MemoryError)
        assert str(caught.value) == (
            "CUDA out of memory. Tried to allocate 32.00 KiB. GPU 0 has a total capacity of 64.00 KiB of which 16.00 "
            "KiB is free. Of "
            "the allocated memory 48.00 KiB is allocated by arrays, and 0 bytes is reserved by the memory pool but "
            "unallocated."
        )
        copied = pickle.loads(pickle.dumps(caught.value))
        assert type(copied) is tapegrad.OutOfMemoryError and copied.args == caught.value.args
    assert watched.memory_failures(Device("cuda")) == (2, 0)
    del held, caught
    assert cupy.ndarray(8 << 10, np.float32).nbytes == 32 << 10
    assert pool.used() == 0


def test_nothing_of_a_failed_step_is_held_by_its_error(cupy, watched, pool):
    gc.collect()
    gc.disable()
    try:

        def step():
            first = cupy.ndarray(10 << 10, np.float32)
            return first, cupy.ndarray(10 << 10, np.float32)

        for _ in range(2):
            try:
                step()
            except tapegrad.OutOfMemoryError:
                assert pool.used() == 40 << 10
            assert pool.used() == 0
    finally:
        gc.enable()


def test_within_a_limit_what_is_kept_is_given_back_first(cupy, watched, pool):
    """CuPy's pool refuses at its limit though it keeps memory for reuse."""
    watched.set_memory_limit(32 << 10)
    pool.kept = 24 << 10
    x = cupy.ndarray(4 << 10, np.float32)
    assert pool.kept == 0 and watched.memory_failures() == (0, 1)

    class Cycle:
        def __init__(self, array):
            self.array, self.me = array, self

    Cycle(x)
    del x
    cupy.ndarray(6 << 10, np.float32)  # only the garbage collector can make room
    assert watched.memory_failures() == (0, 2)
    with pytest.raises(tapegrad.OutOfMemoryError, match=r"32\.00 KiB allowed"):
        cupy.ndarray(9 << 10, np.float32)
    watched.set_memory_limit(0)
    assert pool.limit == 1 and watched.memory_limit() == 1
    watched.set_memory_limit(None)
    assert pool.limit == 0 and watched.memory_limit() is None


def test_other_errors_pass(cupy, watched):
    with pytest.raises(ValueError, match="not this one"):
        watched.memory.allocator(lambda size: (_ for _ in ()).throw(ValueError("not this one")))(5)


def test_the_allocator_is_set_within_using_allocator_too(cupy, backend, pool):
    own = []
    with cupy.cuda.using_allocator(lambda size: own.append(size) or pool.malloc(size)):
        backend.memory.watch()
        cupy.ndarray(1, np.float32)
    assert own == [4]
    with pytest.raises(tapegrad.OutOfMemoryError):
        cupy.ndarray(1 << 20, np.float32)


def test_peaks_are_exact_though_releases_are_not_seen(cupy, watched, pool, rng):
    """The pool is asked only when the sum of what was allocated passes the peak."""
    assert watched.max_memory_allocated() == watched.memory_allocated() == 0
    held = [cupy.ndarray(1024, np.uint8) for _ in range(4)]
    assert watched.max_memory_allocated() == 4096  # not counted yet: what is in use
    watched.reset_peak_memory_stats()
    held.pop()
    peak, allocations = 4096, 0
    for _ in range(300):
        if held and rng.random() < 0.5:
            held.pop(rng.integers(len(held)))
        elif pool.used() < 40 << 10:
            held.append(cupy.ndarray(int(rng.integers(1, 3000)), np.uint8))
            allocations += 1
        peak = max(peak, pool.used())
        assert watched.memory.peak().used == peak
    assert watched.max_memory_allocated() == watched.max_memory_reserved() == peak
    assert pool.looks < allocations
    held.clear()
    watched.reset_peak_memory_stats()
    assert watched.max_memory_allocated() == 0
    watched.stop_peak_memory_stats()
    looks = pool.looks
    held = [cupy.ndarray(1024, np.uint8)]
    assert pool.looks == looks and watched.memory.peak() is None and watched.max_memory_allocated() == 1024


def test_peaks_of_several_threads(cupy, watched, pool):
    watched.reset_peak_memory_stats()
    meet = threading.Barrier(4)

    def work():
        mine = [cupy.ndarray(512, np.uint8) for _ in range(20)]
        meet.wait()
        del mine

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watched.memory.peak().used == 80 * 512


# ---- copies between devices, and from and to the host


class Log(list):
    """What was done, in order."""

    def __call__(self, *what):
        self.append(what)


class FakeCupy:
    """Stands for the module where a driver would be needed: two devices, streams that note what they are told."""

    def __init__(self, log, pinned=()):
        self.log, self.current, outer = log, 0, self
        self.pinned = pinned

        class Event:
            def __init__(self, block=False, disable_timing=False, interprocess=False):
                assert disable_timing

        class Stream:
            def __init__(self, device):
                self.device = device

            def record(self, event=None):
                log("record", self.device)
                return event

            def wait_event(self, event):
                assert isinstance(event, Event)
                log("wait", self.device)

        class Current:
            def __init__(self, index):
                self.index = index

            def __enter__(self):
                self.before, outer.current = outer.current, self.index

            def __exit__(self, *exc):
                outer.current = self.before

        class ndarray:
            def __init__(self, device):
                self.data = types.SimpleNamespace(device_id=device)
                self.shape, self.dtype = (3,), np.dtype(np.float32)

            def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
                assert dtype == self.dtype and order == "C" and not copy
                log("in order", outer.current)
                return self

            def copy(self):
                log("copy", outer.current)
                return ndarray(outer.current)

            def get(self, stream=None, order="C", out=None, blocking=True):
                log("get", outer.current, out is not None, blocking)
                return np.zeros(3, np.float32) if out is None else out

        self.ndarray = ndarray
        streams = [Stream(0), Stream(1)]
        self.cuda = types.SimpleNamespace(
            Event=Event,
            Device=Current,
            get_current_stream=lambda device_id=-1: streams[self.current if device_id == -1 else device_id],
            memory=types.SimpleNamespace(OutOfMemoryError=MemoryError),
            runtime=types.SimpleNamespace(getDevice=lambda: self.current),
            pinned_memory=types.SimpleNamespace(
                is_memory_pinned=lambda pointer: pointer in self.pinned,
                _add_to_watch_list=lambda event, kept: log("kept", self.current),
            ),
        )

    def array(self, obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
        self.log("array", self.current, blocking)
        return self.ndarray(self.current)


def test_a_copy_to_another_device_is_ordered_on_both():
    log = Log()
    fake = FakeCupy(log)
    backend = cupy_backend.CupyBackend(fake, 2)
    x = fake.ndarray(0)
    assert backend.to_device(x, Device("cuda:0")) is x and backend.to_device(x, Device("cuda")) is x and not log
    y = backend.to_device(x, Device("cuda:1"))
    assert backend.device_of(y) == Device("cuda:1") and fake.current == 0
    assert log == [("in order", 0), ("record", 0), ("wait", 1), ("copy", 1), ("record", 1), ("wait", 0)]


def test_copies_wait_only_where_the_host_could_notice(monkeypatch):
    log = Log()
    host, pinned = np.zeros(3, np.float32), np.zeros(3, np.float32)
    fake = FakeCupy(log, [pinned.ctypes.data])
    backend = cupy_backend.CupyBackend(fake, 2)
    monkeypatch.setattr(backend, "_pinned", np.empty)
    backend.from_host(host, Device("cuda"))
    backend.from_host(pinned, Device("cuda:1"))
    backend.from_host(pinned, Device("cuda:1"), non_blocking=True)
    assert log == [("array", 0, False), ("array", 1, True), ("array", 1, False)]
    assert backend.is_pinned(pinned) and not backend.is_pinned(host) and not backend.is_pinned(pinned[:0])
    log.clear()
    # A stream may come to this copy when nobody holds the result any more: the memory must not be given to others
    # before.
    backend.to_host(fake.ndarray(1), non_blocking=True)
    assert log == [("get", 1, True, False), ("record", 1), ("kept", 1)]


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
    memory_on_a_gpu(backend)
    streams_on_a_gpu(backend)
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


def memory_on_a_gpu(backend):
    free, total = backend.memory_info()
    assert 0 < free <= total == backend.properties()["totalGlobalMem"]
    failures, _ = backend.memory_failures()
    with pytest.raises(tapegrad.OutOfMemoryError, match=r"CUDA out of memory\. Tried to allocate"):
        backend.xp.empty(2 * total, np.uint8)
    backend.set_memory_limit(backend.memory_reserved() + (1 << 20))
    try:
        with pytest.raises(tapegrad.OutOfMemoryError, match="allowed"):
            backend.xp.empty(1 << 28, np.uint8)
        assert float(backend.xp.ones(100).sum()) == 100
    finally:
        backend.set_memory_limit(None)
    assert backend.memory_failures()[0] == failures + 2


def streams_on_a_gpu(backend):
    cuda = tapegrad.cuda
    start, end, side = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True), cuda.Stream()
    pinned = tapegrad.arange(1 << 20).pin_memory()
    assert pinned.is_pinned() and not tapegrad.ones(2).is_pinned()
    with cuda.stream(side):
        assert cuda.current_stream() == side
        start.record()
        x = pinned.to("cuda", non_blocking=True) * 2
        end.record()
    cuda.current_stream().wait_stream(side)
    back = x.to("cpu", non_blocking=True)
    cuda.synchronize()
    assert side.query() and start.elapsed_time(end) > 0 and back.is_pinned()
    np.testing.assert_array_equal(back.numpy(), pinned.numpy() * 2)
    assert cuda.ExternalStream(side.cuda_stream) == side
