"""Indices out of range on a device: reported when the program next waits for it, by the name of the op, without a
transfer.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import types

import numpy as np
import pytest

import tapegrad
from tapegrad.backends import Device, backend_for, standing_in
from tapegrad.backends.cupy import backend as cupy_backend
from tapegrad.backends.cupy.index_asserts import IndexAsserts
from tapegrad.backends.kernels import index_assert, launch
from tapegrad.backends.strict.backend import StrictBackend, _look, _new_note, counting, refusing

F = tapegrad.nn.functional


@pytest.fixture(autouse=True)
def deferred():
    before = tapegrad.cuda.get_index_assert_mode()
    tapegrad.cuda.set_index_assert_mode("deferred")
    yield
    tapegrad.cuda.set_index_assert_mode(before)
    for note, _ in backend_for(Device("strict"))._asserts._notes.values():
        note[0] = 0


def on_device(values, dtype=tapegrad.int64):
    return tapegrad.tensor(values, dtype=dtype, device="strict")


def floats(*shape):
    return tapegrad.arange(float(np.prod(shape)), device="strict").reshape(*shape)


def set_item(x, index, value):
    x[index] = value


#: what is called with an index for a dimension of size 5, the name in the error, the smallest index that is right
CASES = {
    "gather": (lambda i: floats(5, 5).gather(0, i[None]), "gather", 0),
    "scatter": (lambda i: floats(5).scatter(0, i, floats(len(i))), "scatter", 0),
    "scatter of a number": (lambda i: floats(5).scatter(0, i, 2.0), "scatter", 0),
    "scatter_": (lambda i: floats(5).scatter_(0, i, floats(len(i))), "scatter", 0),
    "scatter_add": (lambda i: floats(5).scatter_add(0, i, floats(len(i))), "scatter", 0),
    "scatter_reduce": (lambda i: floats(5).scatter_reduce(0, i, floats(len(i)), "prod"), "scatter", 0),
    "take_along_dim": (lambda i: floats(5).take_along_dim(i, 0), "gather", 0),
    "index_select": (lambda i: floats(3, 5).index_select(1, i), "index_select", 0),
    "index_add": (lambda i: floats(5).index_add(0, i, floats(len(i))), "index_add", 0),
    "index_copy": (lambda i: floats(5).index_copy(0, i, floats(len(i))), "index_copy", 0),
    "index_fill": (lambda i: floats(5).index_fill(0, i, 1.0), "index_fill", -5),
    "index_reduce": (lambda i: floats(5).index_reduce(0, i, floats(len(i)), "amax"), "scatter", 0),
    "take": (lambda i: floats(5).take(i), "take", -5),
    "put": (lambda i: floats(5).put(i, floats(len(i))), "put", -5),
    "put, accumulating": (lambda i: floats(5).put(i, floats(len(i)), True), "put", -5),
    "an index": (lambda i: floats(5, 2)[i], "index", -5),
    "an index behind a slice": (lambda i: floats(2, 5)[:, i], "index", -5),
    "an index beside another": (lambda i: floats(9, 5)[on_device([0] * len(i)), i], "index", -5),
    "an index behind a mask": (
        lambda i: floats(2, 2, 5)[on_device([[True, False], [False, False]], tapegrad.bool), i],
        "index",
        -5,
    ),
    "writing by an index": (lambda i: set_item(floats(5), i, 1.0), "index_put", -5),
    "writing by an index, recorded": (
        lambda i: set_item(floats(5).requires_grad_() * 1, i, floats(len(i))),
        "index_put",
        -5,
    ),
    "embedding": (lambda i: F.embedding(i, floats(5, 3)), "embedding", 0),
    "nll_loss": (lambda i: F.nll_loss(floats(len(i), 5), i, ignore_index=-100), "nll_loss", 0),
    "cross_entropy": (lambda i: F.cross_entropy(floats(len(i), 5), i), "cross_entropy", 0),
    "cross_entropy in two dimensions": (
        lambda i: F.cross_entropy(floats(1, 5, 1, len(i)), i[None, None]),
        "cross_entropy",
        0,
    ),
    "one_hot": (lambda i: F.one_hot(i, 5), "one_hot", 0),
    "vmap": (lambda i: tapegrad.vmap(lambda x, j: x[j])(floats(2, 5), tapegrad.stack([i, i])), "index", -5),
    "vmap of gather": (
        lambda i: tapegrad.vmap(lambda x, j: x.gather(0, j))(floats(2, 5), tapegrad.stack([i, i])),
        "gather",
        0,
    ),
}
MASKED = ("an index behind a mask",)  # a mask makes the host wait by itself


def quietly(name):
    return refusing() if name not in MASKED else refusing(transfers=True, synchronisations=False)


@pytest.mark.parametrize("name", CASES)
def test_out_of_range_is_reported_at_the_next_wait(name):
    call, said, lowest = CASES[name]
    for wrong in (5, 17, lowest - 1, -100 if lowest else -101, 2**40):
        index = on_device([0, 4, wrong])
        with quietly(name):
            call(index)  # raises nothing
        with pytest.raises(
            tapegrad.AcceleratorError,
            match=rf"CUDA error: device-side assert triggered\n{said}\(\): index {wrong} is out of bounds for "
            r"dimension -?\d with size 5\nCUDA kernel errors might be .*\n.*CUDA_LAUNCH_BLOCKING=1",
        ):
            floats(1).item()
        assert floats(1).item() == 0  # reported once; the program can go on


@pytest.mark.parametrize("name", CASES)
def test_in_range_is_not(name):
    call, _, lowest = CASES[name]
    with quietly(name):
        call(on_device([0, 4, lowest]))
        call(on_device([0, 4, 2]))
    backend_for(Device("strict")).synchronize()


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("vmap")])
def test_int32_and_turned_indices(name):
    call, said, _ = CASES[name]
    if said in ("take", "put", "nll_loss", "cross_entropy", "one_hot") or name == "take_along_dim":
        index = on_device([[0, 1], [9, 1], [2, 1]])[:, 0]
    else:
        index = on_device([[0, 1], [9, 1], [2, 1]], tapegrad.int32)[:, 0]
    call(index)
    with pytest.raises(IndexError, match=rf"{said}\(\): index 9 "):
        backend_for(Device("strict")).synchronize()


def test_ignored_targets_are_not_wrong():
    x = floats(3, 5).requires_grad_()
    for loss in (F.cross_entropy, F.nll_loss):
        loss(x, on_device([0, -100, 4])).backward()
        loss(x, on_device([0, 7, 4]), ignore_index=7).backward()
    backend_for(Device("strict")).synchronize()


def test_empty_indices():
    floats(5)[on_device([])]
    F.embedding(on_device([]), floats(5, 2))
    floats(5).gather(0, on_device([]))
    backend_for(Device("strict")).synchronize()


def test_gradients_report_too():
    x = floats(5).requires_grad_()
    y = x.gather(0, on_device([1, 5])).sum()
    with pytest.raises(tapegrad.AcceleratorError, match="gather"):
        y.item()
    y.backward()
    assert x.grad.shape == (5,)


# ---- what waits

WAITS = {
    "item": lambda x: x.item(),
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to("cpu"),
    "tolist": lambda x: x.tolist(),
    "bool": bool,
    "float": float,
    "int": int,
    "repr": repr,
    "numpy": lambda x: x.numpy(force=True),
    "equal": lambda x: tapegrad.equal(x, x),
    "format": lambda x: f"{x:.1f}",
    "synchronize": lambda x: backend_for(Device("strict")).synchronize(Device("strict", 0)),
}


@pytest.mark.parametrize("name", WAITS)
def test_every_wait_reports(name):
    floats(5).take(on_device([5]))
    with pytest.raises(tapegrad.AcceleratorError, match=r"take\(\)"):
        WAITS[name](floats(1)[0])


def test_cuda_streams_events_and_synchronize_report():
    with standing_in("cuda", StrictBackend("cuda", devices=2)):
        waits = [
            lambda: tapegrad.cuda.synchronize(),
            lambda: tapegrad.cuda.synchronize(0),
            lambda: tapegrad.cuda.current_stream().synchronize(),
            lambda: tapegrad.cuda.current_stream().record_event().synchronize(),
        ]
        for wait in waits:
            tapegrad.ones(5, device="cuda").take(tapegrad.tensor([5], device="cuda"))
            with pytest.raises(tapegrad.AcceleratorError, match=r"take\(\)"):
                wait()
        # Each device has its own.
        with tapegrad.cuda.device(1):
            tapegrad.ones(5, device="cuda:1").take(tapegrad.tensor([5], device="cuda:1"))
        tapegrad.cuda.synchronize(0)
        with pytest.raises(tapegrad.AcceleratorError):
            tapegrad.cuda.synchronize(1)


def test_the_first_error_is_the_one_that_is_told():
    floats(5).take(on_device([7]))
    floats(6).gather(0, on_device([8]))
    with pytest.raises(
        tapegrad.AcceleratorError, match=r"take\(\): index 7 is out of bounds for dimension 0 with size 5"
    ):
        floats(1).item()
    floats(1).item()


def test_the_error_is_both():
    assert issubclass(tapegrad.AcceleratorError, RuntimeError)
    floats(5)[on_device([7])]
    with pytest.raises(IndexError) as caught:
        floats(1).item()
    assert isinstance(caught.value, tapegrad.AcceleratorError) and type(caught.value).__name__ == "AcceleratorError"


# ---- modes


def test_blocking_raises_at_once():
    tapegrad.cuda.set_index_assert_mode("blocking")
    for call, said, _ in CASES.values():
        with pytest.raises(
            tapegrad.AcceleratorError, match=rf"{said}\(\): index 9 is out of bounds for dimension -?\d with size 5$"
        ):
            call(on_device([0, 9, 1]))
    with counting() as crossed:
        floats(5).take(on_device([1]))
    assert not crossed and crossed.asked.causes["synchronisations", "looking at indices"] == 1


def test_off_looks_at_nothing(monkeypatch):
    tapegrad.cuda.set_index_assert_mode("off")
    monkeypatch.setattr(backend_for(Device("strict"))._asserts, "_run", None)
    for call, _, _ in CASES.values():
        call(on_device([0, 9, 1]))
    backend_for(Device("strict")).synchronize()


def test_modes_have_names():
    with pytest.raises(ValueError, match="'deferred', 'blocking', 'off'"):
        tapegrad.cuda.set_index_assert_mode("on")
    assert tapegrad.cuda.get_index_assert_mode() == "deferred"


@pytest.mark.parametrize(("value", "mode"), [("1", "blocking"), ("0", "deferred"), (None, "deferred")])
def test_the_environment_chooses(value, mode):
    environment = {key: known for key, known in os.environ.items() if key != "CUDA_LAUNCH_BLOCKING"}
    if value is not None:
        environment["CUDA_LAUNCH_BLOCKING"] = value
    code = "import tapegrad; print(tapegrad.cuda.get_index_assert_mode())"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        == mode
    )


def test_one_look_for_each_index(monkeypatch):
    """What it costs: a kernel for each call with an index, and none in backward but for rules that read by it again."""
    looks = []
    backend = backend_for(Device("strict"))
    monkeypatch.setattr(backend._asserts, "_run", lambda index, *rest: looks.append(index.size))
    for name, (call, _, _) in CASES.items():
        looks.clear()
        call(on_device([0, 1, 2]))
        assert len(looks) == 1 + (name == "an index beside another")
    looks.clear()
    weight = floats(5, 2).requires_grad_()
    F.embedding(on_device([0, 1, 2]), weight).sum().backward()
    x = floats(3, 5).requires_grad_()
    F.cross_entropy(x, on_device([0, 1, 2])).backward()
    x[on_device([0, 1])].sum().backward()
    assert looks == [3, 3, 2]


# ---- the kernel


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 300_000])
def test_the_kernel_is_what_the_strict_device_does(n, dtype):
    try:
        launch.cpu_compiler()
    except launch.Unavailable as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(n)
    name = {np.int32: "int", np.int64: "long long"}[dtype]
    for low, high, wrong in [
        (0, 5, None),
        (0, 5, 5),
        (0, 5, -1),
        (-5, 5, -6),
        (-5, 5, None),
        (-5, 5, np.iinfo(dtype).max),
        (0, 0, 0),
    ]:
        index = rng.integers(low, max(high, low + 1), n).astype(dtype) if high else np.zeros(n, dtype)
        if wrong is not None:
            index[rng.integers(n)] = wrong
        found = {}
        for who in ("kernel", "strict"):
            note = np.zeros(4, np.int64)
            if who == "kernel":
                launch.launch_on_cpu(
                    f"index_assert.check<{name}>", min(-(-n // 256), 1024), 256, (index, n, low, high, 3, 17, note)
                )
            else:
                strict = backend_for(Device("strict"))
                _look(strict.from_host(index, Device("strict")), low, high, 3, 17, note)
            found[who] = note.tolist()
        assert found["kernel"] == found["strict"]
        assert found["kernel"] == ([0, 0, 0, 0] if wrong is None else [17, wrong, 3, high])


def test_a_note_is_left_alone():
    try:
        launch.cpu_compiler()
    except launch.Unavailable as error:
        pytest.skip(str(error))
    note = np.array([4, 3, 2, 1])
    launch.launch_on_cpu("index_assert.check<long long>", 1, 256, (np.array([9]), 1, 0, 5, 0, 17, note))
    assert note.tolist() == [4, 3, 2, 1]


def test_looking_launches_the_kernel_for_any_index(monkeypatch):
    """Strict arrays through the launch that a GPU has: turned indices and other types are brought into the form that
    the kernel takes.
    """
    try:
        launch.cpu_compiler()
    except launch.Unavailable as error:
        pytest.skip(str(error))
    strict = backend_for(Device("strict"))
    for dtype in (np.int64, np.int32, np.int16, np.uint8):
        index = strict.from_host(np.array([[0, 1, 2], [3, 9, 5]], dtype), Device("strict")).T
        note = strict.from_host(np.zeros(4, np.int64), Device("strict"))
        index_assert.look(strict.xp, index, 0, 6, 1, 2, note)
        assert note.get().tolist() == [2, 9, 1, 6]


# ---- CuPy's backend, whose driver is played by a double


def test_the_cupy_backend_reports():
    cupy = pytest.importorskip("cupy")
    backend = cupy_backend.CupyBackend(cupy, 1)
    waited = []
    backend._asserts = IndexAsserts(_new_note, _look, lambda: waited.append(1))

    class Array:
        size = 1
        _array = np.array([7])
        dtype = np.dtype(np.int64)

        class data:
            device_id = 0

        def get(self):
            return self._array

    backend.use = lambda device: contextlib.nullcontext()
    backend.assert_index(Array(), 0, 5, "gather", 2)
    with pytest.raises(
        tapegrad.AcceleratorError, match=r"gather\(\): index 7 is out of bounds for dimension 2 with size 5"
    ):
        backend.to_host(Array())
    assert backend.to_host(Array()).tolist() == [7] and not waited
    tapegrad.cuda.set_index_assert_mode("blocking")
    with pytest.raises(tapegrad.AcceleratorError):
        backend.assert_index(Array(), 0, 5, "gather", 2)
    assert waited == [1]


def test_the_note_is_one_memory_for_both(monkeypatch):
    cupy = pytest.importorskip("cupy")
    block = np.full(32, 255, np.uint8)

    memory = cupy.cuda.PinnedMemoryPointer(types.SimpleNamespace(ptr=block.ctypes.data, size=32), 0)
    made = []
    monkeypatch.setattr(cupy.cuda, "alloc_pinned_memory", lambda size: made.append(size) or memory)
    monkeypatch.setattr(cupy.cuda.runtime, "getDevice", lambda: 0)
    host, device = index_assert.shared_note(cupy)
    assert made == [32] and host.tolist() == [0, 0, 0, 0]
    assert (
        device.data.ptr == host.ctypes.data == block.ctypes.data
        and device.shape == (4,)
        and device.dtype == np.int64
        and device.flags.c_contiguous
    )
