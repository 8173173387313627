"""`tapegrad.cuda` on strict devices that stand in for CUDA's, and without CUDA."""

from __future__ import annotations

import gc
import inspect
import pickle
import subprocess
import sys
import threading
import weakref

import pytest

import tapegrad
from tapegrad import cuda
from tapegrad.backends import Device, standing_in
from tapegrad.backends.strict.backend import StrictBackend, counting, refusing

MIB = 1 << 20


@pytest.fixture
def one():
    """One device that stands for CUDA's."""
    with standing_in("cuda", StrictBackend("cuda", memory=64 * MIB)) as backend:
        yield backend


@pytest.fixture
def two():
    with standing_in("cuda", StrictBackend("cuda", devices=2, memory=64 * MIB)) as backend:
        yield backend


@pytest.fixture
def none(monkeypatch):
    """No CUDA: whatever this machine has, CuPy is not installed."""
    from tapegrad.backends import registry

    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.delitem(registry._by_type, "cuda", raising=False)


# ---- devices


def test_devices(two):
    assert cuda.is_available() and cuda.is_initialized()
    cuda.init()
    assert cuda.device_count() == 2 and cuda.current_device() == 0
    cuda.set_device(1)
    assert cuda.current_device() == 1 and tapegrad.zeros(1, device="cuda").device == Device("cuda:1")
    assert tapegrad.zeros(1, device="cuda:0").device == Device("cuda:0")
    cuda.set_device(-1)
    assert cuda.current_device() == 1
    with cuda.device("cuda:0"):
        assert cuda.current_device() == 0
        with cuda.device(1):
            assert tapegrad.ones(2, device="cuda").device.index == 1
        assert cuda.current_device() == 0
        with cuda.device(None), cuda.device(-1), cuda.device("cuda"):
            assert cuda.current_device() == 0
    block = cuda.device(0)
    with block, block:
        pass
    assert cuda.current_device() == 1
    with cuda.device_of(tapegrad.ones(1, device="cuda:0")):
        assert cuda.current_device() == 0
        with cuda.device_of(tapegrad.ones(1)):
            assert cuda.current_device() == 0
    cuda.set_device(tapegrad.device("cuda:0"))
    assert not cuda.can_device_access_peer(0, 1)
    cuda.synchronize()
    cuda.synchronize(1)


def test_a_thread_has_its_own_current_device(two):
    seen = []
    cuda.set_device(1)
    thread = threading.Thread(target=lambda: seen.append(cuda.current_device()))
    thread.start()
    thread.join()
    assert seen == [0] and cuda.current_device() == 1


def test_properties(two):
    found = cuda.get_device_properties("cuda:1")
    assert (found.name, found.major, found.minor, found.total_memory, found.warp_size) == (
        "tapegrad's strict device",
        9,
        0,
        64 * MIB,
        32,
    )
    assert cuda.get_device_name() == found.name and cuda.get_device_capability(0) == (9, 0)
    assert (
        repr(found) == "_CudaDeviceProperties(name='tapegrad's strict device', major=9, minor=0, total_memory=64MB, "
        "multi_processor_count=1)"
    )
    assert cuda.get_device_properties(1) == found
    with pytest.raises(AttributeError, match="has no attribute 'L2_cache_size'"):
        found.L2_cache_size  # noqa: B018  the strict device does not say


def test_what_cupy_tells_has_torchs_names():
    from tapegrad.cuda.devices import CudaDeviceProperties

    given = {"l2CacheSize": 5, "regsPerMultiprocessor": 6}
    found = CudaDeviceProperties("gpu", 8, 6, 1, 2, 32, given)
    assert found.L2_cache_size == 5 and found.regs_per_multiprocessor == 6
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ("cpu", ValueError, "Expected a cuda device, but got: cpu"),
        (5, RuntimeError, "invalid device ordinal"),
        ("strict", ValueError, "Expected a cuda device"),
    ],
)
def test_wrong_devices(two, wrong, error, words):
    for function in (
        cuda.get_device_properties,
        cuda.memory_allocated,
        cuda.synchronize,
        cuda.current_stream,
        cuda.Stream,
        cuda.set_device,
        cuda.mem_get_info,
    ):
        with pytest.raises(error, match=words):
            function(wrong)
    with pytest.raises(error, match=words), cuda.device(wrong):
        pass
    with pytest.raises(
        ValueError, match=r"Expected a torch\.device with a specified index or an integer, but got:cuda"
    ):
        cuda.set_device("cuda")


def test_without_cuda(none):
    assert not cuda.is_available() and not cuda.is_initialized() and cuda.device_count() == 0
    for function in (cuda.memory_allocated, cuda.memory_reserved, cuda.max_memory_allocated, cuda.max_memory_reserved):
        assert function() == 0
    assert cuda.memory_stats() == {}
    cuda.empty_cache()
    cuda.manual_seed(0)
    cuda.manual_seed_all(0)
    cuda.seed()
    cuda.seed_all()
    assert cuda.get_rng_state_all() == []
    with cuda.stream(None), cuda.device(-1), cuda.device_of(tapegrad.ones(1)):
        pass
    for function in (
        cuda.init,
        cuda.current_device,
        cuda.get_device_name,
        cuda.synchronize,
        cuda.Stream,
        cuda.Event,
        cuda.current_stream,
        cuda.mem_get_info,
        cuda.reset_peak_memory_stats,
        cuda.get_rng_state,
        cuda.initial_seed,
        cuda.memory_summary,
        tapegrad.ones(1).pin_memory,
    ):
        with pytest.raises(RuntimeError, match="needs CuPy, which is not installed"):
            function()
    assert not tapegrad.ones(2).is_pinned()
    with pytest.raises(RuntimeError, match="pin_memory=True requires a CUDA or other accelerator backend"):
        tapegrad.zeros(2, pin_memory=True)


def test_importing_it_loads_nothing():
    code = (
        "import sys, tapegrad, tapegrad.cuda, tapegrad.backends.cupy.memory; print('cupy' in sys.modules, "
        "'tapegrad.backends.strict.array' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split() == [
        "False",
        "False",
    ]


def test_signatures_are_torchs():
    torch = pytest.importorskip("torch")
    ours_alone = {"get_index_assert_mode", "set_index_assert_mode"}
    for name in set(cuda.__all__) - ours_alone:
        theirs, ours = getattr(torch.cuda, name), getattr(cuda, name)
        if inspect.isfunction(theirs):
            parameters = [
                [(p.name, p.default) for p in inspect.signature(f).parameters.values()] for f in (theirs, ours)
            ]
            assert parameters[0] == parameters[1], name
        elif name not in ("Event", "ExternalStream", "OutOfMemoryError", "Stream", "StreamContext"):
            assert inspect.isclass(ours), name
    assert issubclass(tapegrad.OutOfMemoryError, RuntimeError) and cuda.OutOfMemoryError is tapegrad.OutOfMemoryError


# ---- memory


def test_memory_is_counted(one):
    assert cuda.memory_allocated() == 0
    x = tapegrad.zeros(MIB // 4, device="cuda")
    assert cuda.memory_allocated() == cuda.memory_reserved() == MIB
    cuda.reset_peak_memory_stats()
    y = x + x
    del y
    assert cuda.memory_allocated() == MIB and cuda.max_memory_allocated() == cuda.max_memory_reserved() == 2 * MIB
    assert cuda.mem_get_info() == (63 * MIB, 64 * MIB)
    stats = cuda.memory_stats()
    assert (
        stats["allocated_bytes.all.current"] == MIB
        and stats["allocated_bytes.all.peak"] == 2 * MIB
        and stats["num_ooms"] == 0
    )
    assert list(stats) == sorted(stats)
    summary = cuda.memory_summary()
    assert (
        "device ID 0" in summary
        and "2.00 MiB" in summary
        and "64.00 MiB" in summary
        and "64.00 MiB" not in cuda.memory_summary(abbreviated=True)
    )
    assert len({len(line) for line in summary.splitlines()}) == 1
    cuda.empty_cache()


def test_out_of_memory_says_what_was_asked_and_what_there_is(one):
    held = tapegrad.zeros(48 * MIB // 4, device="cuda")
    with pytest.raises(tapegrad.OutOfMemoryError) as caught:
        tapegrad.zeros(20 * MIB // 4, device="cuda")
    assert str(caught.value) == (
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 64.00 MiB of which 16.00 MiB "
        "is free. Of the "
        "allocated memory 48.00 MiB is allocated by arrays, and 0 bytes is reserved by the memory pool but unallocated."
    )
    del held
    one.set_memory_limit(512)
    with pytest.raises(
        cuda.OutOfMemoryError, match=r"Tried to allocate 1.00 KiB.* 64.00 MiB is free. 512 bytes allowed; Of the"
    ):
        tapegrad.zeros(257, device="cuda")
    assert cuda.memory_stats()["num_ooms"] == 2 and cuda.memory_allocated() == 0


def test_sizes_as_torch_writes_them():
    from tapegrad.backends.out_of_memory import size_text

    assert [size_text(n) for n in (0, 1024, 1025, MIB, MIB + 1, 20 * MIB, 3 << 29)] == [
        "0 bytes",
        "1024 bytes",
        "1.00 KiB",
        "1024.00 KiB",
        "1.00 MiB",
        "20.00 MiB",
        "1.50 GiB",
    ]


def test_a_part_of_the_memory(one):
    assert cuda.get_per_process_memory_fraction() == 1.0
    cuda.set_per_process_memory_fraction(0.25)
    assert cuda.get_per_process_memory_fraction() == 0.25 and one.memory_limit() == 16 * MIB
    tapegrad.zeros(16 * MIB // 4, device="cuda")
    with pytest.raises(cuda.OutOfMemoryError, match=r"16\.00 MiB allowed"):
        tapegrad.zeros(16 * MIB // 4 + 1, device="cuda")
    cuda.set_per_process_memory_fraction(0.0)
    with pytest.raises(cuda.OutOfMemoryError):
        tapegrad.zeros(1, device="cuda")
    with pytest.raises(TypeError, match="Invalid type for fraction argument, must be `float`"):
        cuda.set_per_process_memory_fraction(1)
    with pytest.raises(ValueError, match=r"Invalid fraction value: 1\.5\. Allowed range: 0~1"):
        cuda.set_per_process_memory_fraction(1.5)


def runs_out(where):
    """What needs more memory than there is: in an op, a factory, a backward pass, a copy, an optimizer."""
    big = 20 * MIB // 4
    if where == "op":
        x = tapegrad.zeros(big, device="cuda")
        return (x + 1) * (x + 2)
    if where == "in place":
        x = tapegrad.zeros(big, device="cuda")
        return x.add_(x.reshape(2, -1).t().reshape(-1) * 2 + x * 3)
    if where == "factory":
        return [tapegrad.rand(big, device="cuda") for _ in range(4)]
    if where == "transfer":
        return [tapegrad.zeros(big).to("cuda") for _ in range(4)]
    if where == "optimizer":
        x = tapegrad.zeros(big, device="cuda", requires_grad=True)
        x.grad = tapegrad.zeros(big, device="cuda")
        return tapegrad.optim.Adam([x]).step()
    x = tapegrad.zeros(24 * MIB // 4, device="cuda", requires_grad=True)
    y = (x * x).sum()
    return y.backward()


@pytest.mark.parametrize("where", ["op", "in place", "factory", "transfer", "optimizer", "backward"])
def test_out_of_memory_wherever_it_happens(one, where):
    """The error leaves nothing behind: without the garbage collector all memory is free again, and the program goes
    on.
    """
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            with pytest.raises(cuda.OutOfMemoryError) as caught:
                runs_out(where)
            assert caught.value.__cause__ is None
            del caught
            assert cuda.memory_allocated() == 0
    finally:
        gc.enable()
    x = tapegrad.ones(4, device="cuda", requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0] * 4


def test_catch_halve_the_batch_and_go_on(one):
    """The loop that programs write, with the collector off: what the first try held is gone when its error is."""
    model = tapegrad.nn.Sequential(tapegrad.nn.Linear(64, 1024), tapegrad.nn.ReLU(), tapegrad.nn.Linear(1024, 1)).to(
        "cuda"
    )
    data = tapegrad.ones(1 << 13, 64, device="cuda")
    before = cuda.memory_allocated()
    tried, held = [], []

    def step(batch):
        hidden = model[0](batch)
        held.append(weakref.ref(hidden))
        model[2](model[1](hidden)).mean().backward()

    gc.collect()
    gc.disable()
    try:
        batch = data
        while True:
            tried.append(len(batch))
            try:
                step(batch)
                break
            except cuda.OutOfMemoryError:
                batch = batch[: len(batch) // 2]
            model.zero_grad()
            assert cuda.memory_allocated() == before and all(seen() is None for seen in held)
    finally:
        gc.enable()
    assert len(tried) > 1 and tried[-1] == 8192 >> (len(tried) - 1)
    assert all(p.grad is not None for p in model.parameters())
    tapegrad.optim.SGD(model.parameters(), 0.1).step()


def test_a_nested_pass_that_runs_out(one):
    """Errors come out of threads that work for others without being held by them."""
    big = 20 * MIB // 4

    @tapegrad.enable_grad()
    def deep(depth):
        x = tapegrad.zeros(1, device="cuda", requires_grad=True)
        y = x * 2
        y.register_hook(lambda grad: deep(depth - 1) if depth else runs_out("op"))
        y.backward()

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(cuda.OutOfMemoryError) as caught:
            deep(25)
        del caught
        assert cuda.memory_allocated() < big
    finally:
        gc.enable()
    gc.collect()
    assert cuda.memory_allocated() == 0


# ---- streams and events


def test_streams(two):
    default = cuda.default_stream()
    assert cuda.current_stream() == default and default.cuda_stream == 0 and default.device == Device("cuda:0")
    a, b = cuda.Stream(), cuda.Stream(device=1, priority=-1)
    assert a != b and a.device == Device("cuda:0") and b.device == Device("cuda:1")
    assert repr(default) == "<torch.cuda.Stream device=cuda:0 cuda_stream=0x0>"
    with cuda.stream(a):
        assert cuda.current_stream() == a and {cuda.current_stream(): 1}[a] == 1
        with cuda.stream(b):
            assert cuda.current_device() == 1 and cuda.current_stream() == b and cuda.current_stream(0) == a
            assert tapegrad.ones(2, device="cuda").device.index == 1
        assert cuda.current_device() == 0 and cuda.current_stream(1) == cuda.default_stream(1)
        with cuda.stream(None):
            assert cuda.current_stream() == a
    assert cuda.current_stream() == default
    with pytest.raises(KeyError), cuda.stream(b):
        raise KeyError
    assert cuda.current_device() == 0 and cuda.current_stream(1) == cuda.default_stream(1)
    cuda.set_stream(b)
    assert cuda.current_device() == 1 and cuda.current_stream() == b
    cuda.set_stream(None)
    cuda.set_stream(default)
    assert a.query() and a.__cuda_stream__() == (0, a.cuda_stream)
    a.wait_stream(b)
    a.wait_event(b.record_event())
    assert cuda.ExternalStream(77, device=1) == cuda.ExternalStream(77, "cuda:1") != cuda.ExternalStream(77)
    with counting() as crossed:
        a.synchronize()
    assert crossed.asked.synchronisations == 1 and not crossed


def test_a_pass_that_works_in_another_thread_is_on_the_callers_stream(two):
    seen = []

    @tapegrad.enable_grad()
    def deep(depth):
        x = tapegrad.ones(1, device="cuda", requires_grad=True)
        y = x * 2
        y.register_hook(
            lambda grad: (
                deep(depth - 1)
                if depth
                else seen.append((threading.current_thread(), cuda.current_device(), cuda.current_stream()))
            )
        )
        y.backward()

    stream = cuda.Stream(1)
    with cuda.stream(stream):
        deep(25)
    ((thread, device, found),) = seen
    assert thread is not threading.current_thread() and (device, found) == (1, stream)


def test_events(two):
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    assert (
        repr(start) == "<torch.cuda.Event uninitialized>"
        and start.cuda_event == 0
        and start.query()
        and start.device is None
    )
    start.synchronize()
    start.wait()
    with pytest.raises(ValueError, match="Both events must be recorded before calculating elapsed time"):
        start.elapsed_time(end)
    start.record()
    end.record(cuda.Stream())
    assert 0 <= start.elapsed_time(end) < 1e5 and start.cuda_event and start.device == Device("cuda:0")
    with refusing(), counting() as crossed:
        end.wait()
        end.wait(cuda.Stream(1))
        assert end.query()
        end.synchronize()
    assert crossed.asked.synchronisations == 1
    with pytest.raises(ValueError, match="Both events must be created with argument 'enable_timing=True'"):
        start.elapsed_time(cuda.Event())
    with pytest.raises(RuntimeError, match="Event device 0 does not match recording stream's device 1"):
        start.record(cuda.current_stream(1))


def test_the_strict_streams_are_cupys():
    """What the stand-in has of CuPy's streams has CuPy's names and parameters."""
    cupy = pytest.importorskip("cupy")
    from tapegrad.backends.strict.streams import StrictEvent, StrictStream

    for ours, theirs in ((StrictStream, cupy.cuda.Stream), (StrictEvent, cupy.cuda.Event)):
        for name in [name for name in vars(ours) if not name.startswith("_")] + ["__init__"]:
            mine, other = inspect.getattr_static(ours, name), inspect.getattr_static(theirs, name)
            if callable(mine):
                assert [(p.name, p.default) for p in inspect.signature(mine).parameters.values()] == [
                    (p.name, p.default) for p in inspect.signature(other).parameters.values()
                ], name
            else:
                assert type(mine) is type(other), name
    assert callable(cupy.cuda.get_current_stream) and callable(cupy.cuda.get_elapsed_time)


# ---- pinned memory


def test_pinned_memory(one):
    x = tapegrad.arange(6.0).reshape(2, 3).t()
    pinned = x.pin_memory()
    assert pinned.is_pinned() and not x.is_pinned() and pinned.tolist() == x.tolist()
    assert pinned.pin_memory() is pinned and pinned[1:].is_pinned() and not pinned.clone().is_pinned()
    assert not tapegrad.ones(2, device="cuda").is_pinned()
    with pytest.raises(
        RuntimeError, match=r"cannot pin 'torch\.cuda\.FloatTensor' only dense CPU tensors can be pinned"
    ):
        tapegrad.ones(2, device="cuda").pin_memory()
    leaf = tapegrad.ones(2, requires_grad=True)
    leaf.pin_memory().sum().backward()
    assert leaf.grad.tolist() == [1.0, 1.0]
    makers = [
        lambda **k: tapegrad.tensor([1.0], **k),
        lambda **k: tapegrad.tensor(tapegrad.ones(1).numpy(), **k),
        lambda **k: tapegrad.zeros(2, **k),
        lambda **k: tapegrad.ones(2, **k),
        lambda **k: tapegrad.empty(2, **k),
        lambda **k: tapegrad.full((2,), 3.0, **k),
        lambda **k: tapegrad.rand(2, **k),
        lambda **k: tapegrad.randn(2, **k),
        lambda **k: tapegrad.randint(0, 3, (2,), **k),
        lambda **k: tapegrad.randperm(3, **k),
        lambda **k: tapegrad.arange(3, **k),
        lambda **k: tapegrad.linspace(0, 1, 3, **k),
        lambda **k: tapegrad.eye(2, **k),
        lambda **k: x.new_zeros(2, **k),
        lambda **k: tapegrad.empty_strided((2, 2), (1, 2), **k),
    ]
    for make in makers:
        assert make(pin_memory=True).is_pinned() and not make().is_pinned()
    assert tapegrad.zeros(2, pin_memory=True, requires_grad=True).requires_grad
    with pytest.raises(RuntimeError, match="Only dense CPU tensors can be pinned"):
        tapegrad.zeros(2, device="cuda", pin_memory=True)


def crossings(function):
    """What `function` made cross: copies to the device, copies back, waits, all of them asked for."""
    with counting() as crossed:
        function()
    assert not crossed
    return crossed.asked.host_to_device, crossed.asked.device_to_host, crossed.asked.synchronisations


def test_copies_that_do_not_wait(one):
    host, there = tapegrad.ones(4), tapegrad.ones(4, device="cuda")
    pinned = host.pin_memory()
    assert crossings(lambda: host.to("cuda")) == (1, 0, 0)  # staged: the caller may change its array at once
    assert crossings(lambda: pinned.to("cuda")) == (1, 0, 1)
    for move in (
        lambda: pinned.to("cuda", non_blocking=True),
        lambda: pinned.cuda(non_blocking=True),
        lambda: pinned.to("cuda", tapegrad.float64, True),
        lambda: there.copy_(pinned, non_blocking=True),
    ):
        assert crossings(move) == (1, 0, 0)
    assert crossings(lambda: there.cpu()) == (0, 1, 1)
    assert crossings(lambda: there.to("cpu")) == (0, 1, 1)
    assert crossings(lambda: there.to("cpu", non_blocking=True)) == (0, 1, 0)
    back = there.to("cpu", non_blocking=True)
    cuda.synchronize()
    assert back.is_pinned() and back.tolist() == [1.0] * 4
    # What the host must read in order to go on has to have arrived.
    assert crossings(lambda: there.to("cpu", tapegrad.float64, non_blocking=True)) == (0, 1, 1)
    assert crossings(lambda: tapegrad.ones(4).copy_(there, non_blocking=True)) == (0, 1, 1)
    leaf = tapegrad.ones(4, requires_grad=True)
    (leaf.pin_memory().to("cuda", non_blocking=True) * 3).sum().backward()
    assert leaf.grad.tolist() == [3.0] * 4


def test_what_backward_needs_waits_in_pinned_memory(one):
    x = tapegrad.ones(4, device="cuda", requires_grad=True)

    def step(pin_memory):
        with tapegrad.autograd.graph.save_on_cpu(pin_memory=pin_memory):
            y = (x * 2).exp()
        y.sum().backward()

    down, up, waits = crossings(lambda: step(True))
    assert down == up > 0 and waits == 0
    assert crossings(lambda: step(False)) == (down, up, down)


# ---- random numbers


def test_random_numbers(two):
    cuda.manual_seed(5)
    a = tapegrad.rand(3, device="cuda").tolist()
    with cuda.device(1):
        cuda.manual_seed(5)
        assert tapegrad.rand(3, device="cuda").tolist() == a and cuda.initial_seed() == 5
    cpu = tapegrad.get_rng_state()
    cuda.manual_seed_all(7)
    assert bool((cpu == tapegrad.get_rng_state()).all())
    states = cuda.get_rng_state_all()
    b = [tapegrad.rand(3, device=f"cuda:{i}").tolist() for i in range(2)]
    assert b[0] == b[1] != a
    tapegrad.rand(5, device="cuda:1")
    cuda.set_rng_state_all(states)
    assert [tapegrad.rand(3, device=f"cuda:{i}").tolist() for i in range(2)] == b
    cuda.set_rng_state(states[1], "cuda:1")
    assert bool((cuda.get_rng_state(1) == states[1]).all()) and not bool((cuda.get_rng_state() == states[0]).all())
    cuda.seed_all()
    assert tapegrad.rand(3, device="cuda:0").tolist() == tapegrad.rand(3, device="cuda:1").tolist()
    cuda.seed()
    assert tapegrad.rand(3, device="cuda:0").tolist() != tapegrad.rand(3, device="cuda:1").tolist()
