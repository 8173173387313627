"""The kernels that add at repeated indices: their numbers are NumPy's, in all dtypes, at awkward sizes, for all kinds
of index.
"""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

import tapegrad
from tapegrad.backends import Device, standing_in
from tapegrad.backends.cupy.backend import ATOMIC
from tapegrad.backends.kernels import launch, scatter
from tapegrad.backends.strict.backend import StrictBackend, _add_rows, refusing

HALVES = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
DTYPES = [*[np.dtype(name) for name in scatter._SEEN], *HALVES]
strict = StrictBackend()


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """Compiled here and now, whatever the user's cache holds."""
    try:
        launch.cpu_compiler()
    except launch.Unavailable as why:
        pytest.skip(str(why))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAPEGRAD_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        launch._for_cpu.clear()
        launch.compile_for_cpu(scatter.kernels())
        yield
        launch._for_cpu.clear()


def put(array):
    return strict.from_host(array, Device("strict"))


def on_device(index):
    return (
        tuple(map(on_device, index))
        if isinstance(index, tuple)
        else put(index)
        if isinstance(index, np.ndarray)
        else index
    )


def some(rng, dtype, shape):
    """Small whole numbers: their sums are exact in every dtype, whatever the order."""
    values = np.asarray(rng.integers(-3, 4, shape))
    return np.asarray(values + 1j * rng.integers(-3, 4, shape), dtype) if dtype.kind == "c" else values.astype(dtype)


def check(target, index, values, run):
    want = target.copy()
    np.add.at(want, index, values)
    array = put(target)
    with refusing():
        scatter.add(strict.xp, array, on_device(index), put(values), run)
    np.testing.assert_array_equal(array.get(), want)


RUNS = {"any order": None, "in order": scatter.in_order(strict.xp), "NumPy": _add_rows}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rows_of_awkward_sizes(dtype, run, rng):
    for (n, k, width), row in itertools.product(
        [(1, 0, 3), (1, 1, 1), (7, 3, 0), (3, 255, 1), (5, 257, 3), (1, 40, 1), (1000, 600, 1)], [np.int32, np.int64]
    ):
        index = rng.integers(-n, n, k).astype(row)  # negative ones count from the end
        check(some(rng, dtype, (n, width)), index, some(rng, dtype, (k, width)), RUNS[run])


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("dtype", [np.dtype(name) for name in ("int8", "complex64", "bool")] + HALVES, ids=str)
def test_kinds_of_index(dtype, run, rng):
    everything = slice(None)

    def rows(n, *shape):
        return rng.integers(-n, n, shape)

    for shape, index in [
        ((6,), rows(6, 9)),
        ((6, 5), rows(6, 2, 3)),
        ((6, 5), (everything, rows(5, 9))),
        ((6, 5, 4), (everything, rows(5, 7), everything)),
        ((6, 5, 4), (everything, everything, rows(4, 2, 2))),
        ((6, 5, 4), (rows(6, 9), rows(5, 9))),
        ((6, 5, 4), (everything, rows(5, 3, 1), rows(4, 2))),
        ((6, 5, 4), (rows(6, 9), everything, rows(4, 9))),
        ((6, 5), (slice(1, 4), rows(5, 9))),
        ((6, 5), (rows(6, 9), 2)),
        ((6, 5), (Ellipsis, rows(5, 9))),
        ((6, 5), (rows(6, 9), None)),
        ((6, 5), 3),
        ((6, 5), slice(1, None, 2)),
        ((), ()),
        ((6, 5), rows(6, 9).astype(np.uint8) % np.uint8(6)),
        ((6, 5, 4), (rows(6, 9), rows(5, 9), rows(4, 9))),
        ((6, 5), np.array(2)),
        ((6,), np.array(-1)),
    ]:
        target = some(rng, dtype, shape)
        check(target, index, some(rng, dtype, target[index].shape), RUNS[run])
    mask = rng.integers(0, 2, (6, 5)) > 0
    array, want, values = some(rng, dtype, (6, 5)), None, some(rng, dtype, mask.sum())
    want = array.copy()
    np.add.at(want, mask, values)
    target = put(array)
    scatter.add(strict.xp, target, put(mask), put(values), RUNS[run])  # a mask makes the host wait, as it does in CuPy
    np.testing.assert_array_equal(target.get(), want)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_layouts_and_broadcasting(dtype, rng):
    index = rng.integers(0, 4, 9)
    whole = some(rng, dtype, (6, 9))
    for view in [
        lambda a: a[1:5, ::2],
        lambda a: a.T[::2, 1:5],
        lambda a: a[::-1][:4],
        lambda a: a[1:5, 3:4],
        lambda a: a[1:, 1:],
    ]:
        want, array = whole.copy(), put(whole)
        values = some(rng, dtype, (9, 1))
        np.add.at(view(want), index, values)
        scatter.add(strict.xp, view(array), put(index), put(values))
        np.testing.assert_array_equal(array.get(), want)  # what lies beside the view too


def test_indices_out_of_range_wrap_as_cupys_do():
    for run in RUNS.values():
        target = put(np.zeros(3, np.int8))
        scatter.add(strict.xp, target, put(np.array([3, 4, -4, 300, -1])), put(np.ones(5, np.int8)), run)
        assert target.get().tolist() == [2, 1, 2]
    for shape, index in [((0,), np.array([0])), ((2, 0), (np.array([0]), np.array([0])))]:
        with pytest.raises(IndexError, match=f"out of bounds for axis {len(shape) - 1} with size 0"):
            scatter.add(strict.xp, put(np.zeros(shape, np.int8)), on_device(index), put(np.ones(1, np.int8)))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("run", RUNS)
def test_half_types_are_added_in_float32_and_rounded_once(dtype, run, rng):
    target = put(np.zeros(2, dtype))
    scatter.add(strict.xp, target, put(np.zeros(3000, np.int64)), put(np.ones(3000, dtype)), RUNS[run])
    assert target.get().astype(np.float32).tolist() == [np.float32(3000).astype(dtype), 0]
    bits = np.arange(2**16, dtype=np.uint16).view(dtype)  # all there are: zeros, subnormal numbers, infinities, nan
    target = put(np.zeros(2**16, dtype))
    scatter.add(strict.xp, target, put(np.arange(2**16)), put(bits), RUNS[run])
    np.testing.assert_array_equal(target.get().astype(np.float32), bits.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64], ids=lambda dtype: dtype.__name__)
def test_in_order_is_the_same_to_the_last_bit(dtype, rng):
    index = rng.integers(0, 5, 2000)
    values = rng.standard_normal((2000, 3)).astype(dtype)
    check(rng.standard_normal((5, 3)).astype(dtype), index, values, RUNS["in order"])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_small_integers_leave_their_neighbours_alone(dtype, rng):
    whole = some(rng, np.dtype(dtype), 11)
    for start, stop in itertools.combinations(range(12), 2):
        array, want = put(whole), whole.copy()
        index = rng.integers(0, stop - start, 20)
        values = some(rng, np.dtype(dtype), 20)
        np.add.at(want[start:stop], index, values)
        scatter.add(strict.xp, array[start:stop], put(index), put(values))
        np.testing.assert_array_equal(array.get(), want)


def test_which_dtypes_the_kernel_serves(monkeypatch):
    """CuPy's own function serves the dtypes that it serves well."""
    asked = []
    monkeypatch.setattr(scatter, "add", lambda xp, target, *rest: asked.append(target.dtype.name))
    for dtype in DTYPES:
        target = put(np.zeros(3, dtype))
        strict.scatter_add(target, put(np.array([0, 0])), put(np.ones(2, dtype)))
        assert dtype.name not in ATOMIC or target.get().tolist() == [2, 0, 0]
    assert sorted(asked) == sorted({dtype.name for dtype in DTYPES} - ATOMIC)
    assert {"bfloat16", "float16", "complex64", "complex128", "int8", "bool"} <= set(asked)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "complex64"])
def test_gradients_through_the_kernels(dtype, monkeypatch):
    """Where the strict device stands in for CUDA and launches the kernels itself, gradients are those of the CPU."""
    monkeypatch.setattr("tapegrad.backends.strict.backend._add_rows", None)
    launched = []
    monkeypatch.setattr(
        scatter, "launch", lambda name, *args, **kwargs: (launched.append(name), launch.launch(name, *args, **kwargs))
    )

    def gradients(device):
        table = tapegrad.arange(12, device=device).reshape(4, 3).to(getattr(tapegrad, dtype)).requires_grad_()
        index = tapegrad.tensor([[0, 3, 3], [1, 0, 0]], device=device)
        x = table * 1
        parts = [
            tapegrad.nn.functional.embedding(index, x),
            x[index],
            x[:, index[0] % 3],
            x.gather(0, index),
            x[index, index % 3],
            x.index_select(0, index[0]),
        ]
        sum((part * part).sum() for part in parts).real.backward() if dtype == "complex64" else sum(
            (part * part).sum() for part in parts
        ).backward()
        added = (
            (table.detach() * 0)
            .index_add(0, index[0], table.detach()[:3])
            .scatter_add(1, index % 3, table.detach()[:2])
        )
        return table.grad.cpu(), added.cpu()

    with standing_in("cuda", StrictBackend("cuda")):
        for ours, theirs in zip(gradients("cuda"), gradients("cpu")):
            assert ours.tolist() == theirs.tolist()
    assert {
        "bfloat16": "add<float, unsigned short, long long, 8>",
        "float16": "add<float, unsigned short, long long, 5>",
        "complex64": "add<float, float, long long, 0>",
    }[dtype] in {name.partition(".")[2] for name in launched}


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_on_a_gpu(dtype, rng):
    cuda = tapegrad.backends.backend_for(Device("cuda"))
    for n, k, width in [(1, 0, 3), (1, 1, 1), (3, 255, 1), (5, 257, 3), (1, 40, 1), (1000, 60000, 5)]:
        target, index, values = some(rng, dtype, (n, width)), rng.integers(-n, n, k), some(rng, dtype, (k, width))
        want = target.copy()
        np.add.at(want, index, values)
        for run in (scatter.in_any_order, scatter.in_order(cuda.xp)):
            array = cuda.from_host(target, Device("cuda"))
            scatter.add(
                cuda.xp, array, cuda.from_host(index, Device("cuda")), cuda.from_host(values, Device("cuda")), run
            )
            if dtype in HALVES:  # NumPy rounds after every addition
                exact = target.astype(np.float32)
                np.add.at(exact, index, values.astype(np.float32))
                want = exact.astype(dtype)
            np.testing.assert_array_equal(cuda.to_host(array), want)
