"""The strict device refuses what CuPy refuses, counts what crosses, and is otherwise NumPy."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest

from tapegrad.backends import Device, registry
from tapegrad.backends.strict.array import NAMES
from tapegrad.backends.strict.backend import StrictArray, StrictBackend, allowed, counting, refusing


@pytest.fixture
def strict():
    with registry.standing_in("strict", StrictBackend()) as backend:
        yield backend


@pytest.fixture
def xp(strict):
    return strict.xp


def put(strict, array):
    return strict.from_host(np.asarray(array), Device("strict"))


def evaluate(expression, **names):
    return eval(expression.strip(), {"np": np, "copy": copy, "HOST": HOST, **names})


HOST = np.arange(12.0).reshape(3, 4)

BINARY = ["+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "!=", ">", ">="]


@pytest.mark.parametrize("symbol", BINARY)
def test_operators_are_numpys_and_refuse_host_arrays(strict, symbol):
    other = HOST[::-1] + 1
    x, y = put(strict, HOST), put(strict, other)

    def f(a, b):
        return evaluate(f"a {symbol} b", a=a, b=b)

    three = np.float64(3)
    for a, b, c, d in [
        (x, y, HOST, other),
        (x, 2, HOST, 2),
        (2.0, y, 2.0, other),
        (three, y, three, other),
        (x, x[0], HOST, HOST[0]),
    ]:
        with np.errstate(all="ignore"):
            want = f(c, d)
        got = f(a, b)
        assert type(got) is strict.array_type
        np.testing.assert_array_equal(got.get(), want)
        assert got.dtype == want.dtype
    for a, b in [(x, other), (other, y), (x, [1.0]), (x, None), (x, "x")]:
        with pytest.raises(TypeError):
            f(a, b)


def test_more_operators(strict):
    bits = np.array([5, 3, 250], np.uint8)
    x = put(strict, bits)
    for expression in ["a & 6", "a | 8", "9 ^ a", "a << 1", "a >> 1", "~a", "-a", "+a", "abs(a)", "2 ** a"]:
        np.testing.assert_array_equal(evaluate(expression, a=x).get(), evaluate(expression, a=bits))
    quotient, rest = divmod(x, 4)
    np.testing.assert_array_equal((quotient * 4 + rest).get(), bits)
    a = put(strict, HOST)
    np.testing.assert_array_equal((a @ a.T).get(), HOST @ HOST.T)
    assert (a[0] @ a[0]).shape == ()
    before = a
    a += 1
    a *= a
    assert a is before
    np.testing.assert_array_equal(a.get(), (HOST + 1) ** 2)
    with pytest.raises(TypeError):
        a += HOST
    with pytest.raises(TypeError):
        x += 0.5
    a @= a.T
    assert a is not before


def test_the_host_is_refused(strict, xp):
    x = put(strict, HOST)
    with pytest.raises(TypeError, match=r"Implicit conversion to a NumPy array is not allowed. Please use `.get\(\)`"):
        np.asarray(x)
    with pytest.raises(TypeError, match=r"numpy.sum was called"):
        np.sum(x)
    with pytest.raises(TypeError):
        np.exp(x)
    with pytest.raises(TypeError, match=r"Unsupported type <class 'numpy\.ndarray'>"):
        x + HOST
    for call in """
        xp.sum(HOST)
        xp.add(x, HOST)
        xp.where(x > 1, x, HOST)
        xp.matmul(x, HOST.T)
        xp.concatenate([x, HOST])
        xp.stack([HOST])
        xp.dot(x, [1, 2, 3, 4])
        xp.sum([1, 2])
        x.dot(HOST)
        xp.einsum("ij,ij", x, HOST)
        xp.atleast_1d([1.0])
        xp.exp([1.0])
        xp.linalg.norm(HOST)
        xp.fft.fft(HOST)
        xp.sum(x, out=np.array(0.0))
    """.strip().splitlines():
        with pytest.raises(TypeError):
            evaluate(call, xp=xp, x=x)
    with pytest.raises(BufferError):
        x.__dlpack__()
    assert not hasattr(x, "__array_interface__")
    with pytest.raises(TypeError):
        hash(x)
    with pytest.raises(AttributeError):
        x.tag = 1


def test_only_cupys_names_and_keywords(strict, xp):
    x = put(strict, HOST)
    for name in ["vecdot", "matvec", "unstack", "spacing", "errstate", "object_", "no_such_name"]:
        with pytest.raises(AttributeError, match=f"CuPy .* has no {name}"):
            getattr(xp, name)
    with pytest.raises(AttributeError):
        _ = xp.linalg.multi_dot
    for name in ["ctypes", "setflags", "resize", "to_device", "__index__", "__contains__", "__imatmul__"]:
        assert not hasattr(x, name)
    for call in """
        xp.sum(x, initial=1.0)
        xp.mean(x, where=x > 1)
        x.max(initial=1)
        xp.sort(x, order=None)
        xp.zeros(3, device="cpu")
        xp.exp(x, where=x > 1)
        xp.einsum("ij", x, out=x)
        xp.take(x, x.astype(int), mode="clip")
        x.astype("f4", casting="safe")
    """.strip().splitlines():
        with pytest.raises(TypeError):
            evaluate(call, xp=xp, x=x)
    with pytest.raises(TypeError, match="different places"):
        xp.argmax(x, 1, None)
    with pytest.raises(TypeError, match="cupy_floor"):
        xp.floor(x * 1j)
    with pytest.raises(TypeError, match="cupy_logical_not"):
        xp.logical_not(x * 1j)
    assert xp.sinc(x.astype(ml_dtypes.bfloat16)).dtype.name == "bfloat16"
    with pytest.raises(NotImplementedError):
        xp.maximum.reduce(x)
    with pytest.raises(TypeError, match="bfloat16"):
        xp.matmul(x.astype(ml_dtypes.bfloat16)[None], x.astype(ml_dtypes.bfloat16).T[None])


def test_constants_and_dtypes_pass_through(xp):
    assert xp.pi == np.pi
    assert xp.newaxis is None
    assert xp.float32 is np.float32
    assert xp.dtype is np.dtype
    assert xp.finfo(xp.float32).eps == np.finfo(np.float32).eps
    assert xp.result_type(xp.zeros(1, "f4"), 1.0) == np.float32
    assert issubclass(xp.ndarray, StrictArray)
    assert "exp" in dir(xp)


FUNCTIONS = """
    np.exp(a)
    np.sum(a, axis=1, keepdims=True)
    np.concatenate([a, a], axis=1)
    np.stack([a, a])
    np.where(a > 3, a, 0.0)
    np.einsum("ij,kj->ik", a, a)
    np.tensordot(a, a, 2)
    np.pad(a, 1)
    np.cumsum(a, axis=0)
    np.sort(-a, axis=0)
    np.argsort(-a, axis=1)
    np.maximum(a, 3)
    np.clip(a, 1, 5)
    np.linalg.svd(a)[1]
    np.fft.fft(a)
    np.fft.fftfreq(4)
    np.linalg.norm(a)
    np.take(a, np.asarray([2, 0]), axis=0)
    np.take_along_axis(a, np.argsort(-a, axis=1), axis=1)
    np.moveaxis(a, 0, 1)
    np.broadcast_to(a, (2, 3, 4))
    np.split(a, 2, axis=1)[1]
    np.arange(3, 9, 2)
    np.full((2, 2), 7.0)
    np.eye(3)
    np.linspace(0, 1, 5)
    np.zeros_like(a)
    np.tril(a)
    np.repeat(a, 2, axis=0)
    np.roll(a, 1)
    np.flip(a, 0)
    np.allclose(a, a)
    np.array_equal(a, a)
    np.count_nonzero(a)
    np.add.reduce(a, axis=1)
    np.add.accumulate(a, axis=1)
    np.multiply.outer(a, a)
    np.modf(a + 0.5)[0]
    a.mean(axis=0)
    a.var(axis=1, ddof=1)
    a.astype(np.float32)
    a.clip(1, 2)
    np.sinc(a)
    np.array([[1, 2], [3, 4]], dtype=np.int8)
    np.lib.stride_tricks.sliding_window_view(a, 2, axis=1)
    np.meshgrid(a[0], a[1])[1]
    np.diagonal(a)
    a.argmax()
    np.unique(a)
    np.linalg.solve(a @ a.T + np.eye(3), a)
    np.nonzero(a)[0]
""".strip().splitlines()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_numpys(strict, xp, function):
    got, want = evaluate(function, np=xp, a=put(strict, HOST)), evaluate(function, np=np, a=HOST)
    assert type(got) is strict.array_type
    assert got.dtype == np.asarray(want).dtype
    assert got.shape == np.shape(want)
    np.testing.assert_array_equal(got.get(), want)


def test_results_are_zero_dimensional_arrays_in_c_order_without_warnings(strict, xp):
    x = put(strict, HOST)
    for y in [
        x.sum(),
        x[1, 2],
        x.max(),
        xp.dot(x[0], x[0]),
        x[0, 0] * 2,
        xp.exp(x[0, 0]),
        xp.exp(1.0),
        xp.trace(x),
        -x[1, 1],
    ]:
        assert type(y) is strict.array_type
        assert y.shape == ()
    f = put(strict, np.asfortranarray(HOST))
    assert f.flags.f_contiguous
    for y in [
        f + 1,
        xp.exp(f),
        f.sum(axis=0, keepdims=True),
        x.T * 2,
        xp.where(x.T > 1, x.T, 0),
        x.T[xp.asarray([0, 1])],
    ]:
        assert y.flags.c_contiguous
        assert y.flags.owndata
    assert np.isnan((xp.zeros(2) / 0).get()).all()  # without a warning, which pytest would make an error
    np.testing.assert_array_equal((xp.ones(2, dtype=int) // 0).get(), 0)
    assert np.isnan(xp.linalg.inv(xp.zeros((2, 2, 2))).get()).all()
    assert xp.ndim(x) == 2
    assert xp.shape(x) == (3, 4)


INDICES = [
    np.s_[1],
    np.s_[-1, 2],
    np.s_[1:, ::2],
    np.s_[..., 0],
    np.s_[None, :, None],
    np.s_[::-1],
    np.s_[1, ...],
    np.s_[()],
    np.s_[np.array([2, 0]), :],
    np.s_[np.array([[2], [0]]), np.array([1, 3])],
    np.s_[:, np.array([1, 1])],
    np.s_[np.array([0, 1]), None, np.array([1, 2])],
    np.s_[HOST > 4],
    np.s_[np.array([True, False, True])],
    np.s_[np.array([True, False, True]), np.array([1, 2])],
    np.s_[..., np.array(2)],
    np.s_[np.int64(1)],
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing(strict, index):
    items = index if isinstance(index, tuple) else (index,)
    moved = tuple(put(strict, item) if isinstance(item, np.ndarray) else item for item in items)
    moved = moved if isinstance(index, tuple) else moved[0]
    x, y = put(strict, HOST), HOST.copy()
    np.testing.assert_array_equal(x[moved].get(), HOST[index])
    x[moved] = x[moved] * 10
    y[index] = y[index] * 10
    np.testing.assert_array_equal(x.get(), y)
    advanced = any(isinstance(item, np.ndarray) for item in items)
    assert strict.shares_memory(x[moved], x) is not advanced
    x[moved] = 7
    y[index] = 7
    np.testing.assert_array_equal(x.get(), y)


def test_indices_wrap_and_host_indices_are_transfers(strict, xp):
    x = put(strict, HOST)
    np.testing.assert_array_equal(x[xp.asarray([3, -4])].get(), HOST[[0, 2]])
    np.testing.assert_array_equal(x[:, xp.asarray([4, 9])].get(), HOST[:, [0, 1]])
    np.testing.assert_array_equal(x[..., xp.asarray([4])].get(), HOST[:, [0]])
    np.testing.assert_array_equal(xp.take(x, xp.asarray([3]), axis=0).get(), HOST[[0]])
    with pytest.raises(IndexError):
        x[3]
    with pytest.raises(IndexError):
        x[x]
    with pytest.raises(TypeError):
        x[: x[0, 0].astype(int)]
    with pytest.raises(TypeError):
        [1, 2][x[0, 0].astype(int)]
    with pytest.raises(ValueError, match="non-scalar"):
        x[:] = HOST
    with counting() as crossed:
        np.testing.assert_array_equal(x[[0, 2]].get(), HOST[[0, 2]])
        x[np.array([1])]
        assert crossed.host_to_device == 2
        assert crossed.device_to_host == 1
        x[xp.asarray([1])] = 3.0
        assert crossed.host_to_device == 4  # asarray, and CuPy makes an array of the number
        x[0] = 3.0
        assert crossed.host_to_device == 4


def test_views_share_memory_and_know_their_base(strict, xp):
    x = put(strict, HOST)
    for expression in """
        x[1:]
        x.T
        x.T.T
        x.reshape(4, 3)
        x.ravel()
        x[0, 0]
        x[None]
        x.view(np.int64)
        x.swapaxes(0, 1)
        xp.broadcast_to(x, (2, 3, 4))
        xp.squeeze(x[None])
        xp.split(x, 3)[1]
        xp.moveaxis(x, 0, 1)[1:]
        xp.diagonal(x)
        xp.lib.stride_tricks.as_strided(x, (2, 2), (8, 8))
        xp.lib.stride_tricks.sliding_window_view(x, 2, axis=0)
    """.strip().splitlines():
        view = evaluate(expression, xp=xp, x=x)
        assert view.base is x
        assert strict.shares_memory(view, x)
        assert not view.flags.owndata
    for fresh in [x.T.reshape(12), x + 0, x.copy(), x[xp.asarray([0])], x.T.ravel(), x.astype(np.float32), xp.array(x)]:
        assert fresh.base is None
        assert not strict.shares_memory(fresh, x)
    assert x.real is x
    assert xp.asarray(x) is x
    assert x.astype(x.dtype, copy=False) is x
    assert x.conj() is x
    z = put(strict, HOST + 1j)
    z.real[0] = 9
    assert z.imag.base is z
    assert float(z.real[0, 0]) == 9
    row = x[1]
    row += 100
    np.testing.assert_array_equal(x[1].get(), HOST[1] + 100)
    part = strict.as_strided(x[1:, 1:], (2, 2), (32, 8), offset=8)
    np.testing.assert_array_equal(part.get(), x.get()[1:, 2:])
    assert strict.pointer(x[1, 1]) - strict.pointer(x) == 40
    with pytest.raises(ValueError):
        strict.as_strided(x, (100,), (8,))
    out = xp.empty((3, 4))
    assert xp.multiply(x, 2, out=out) is out
    assert xp.sum(x, axis=0, out=out[0]).base is out


def test_conversions_are_counted_once_each(strict):
    x = put(strict, [2.5])
    for convert in """
        float(x)
        int(x)
        bool(x)
        complex(x)
        str(x)
        repr(x)
        x.item()
        x.tolist()
        x.get()
        x.tobytes()
        f"{x:.1f}"
        x.__reduce__()
        xp.asnumpy(x)
        xp.array_repr(x)
    """.strip().splitlines():
        with counting() as crossed:
            evaluate(convert, xp=strict.xp, x=x[0])
        assert (crossed.host_to_device, crossed.device_to_host, crossed.synchronisations) == (0, 1, 1)
        with refusing(), pytest.raises(RuntimeError, match="refusing"):
            evaluate(convert, xp=strict.xp, x=x[0])
    assert f"{x[0]:.1f}" == "2.5"
    assert x.item() == 2.5
    assert len(x) == 1
    assert [y.shape for y in x] == [()]
    with pytest.raises(ValueError, match="ambiguous"):
        bool(put(strict, [1, 2]))
    with pytest.raises(ValueError, match="size 1"):
        put(strict, [1, 2]).item()
    with pytest.raises(TypeError):
        len(x[0])


WAITS = """
    xp.nonzero(x)
    xp.where(x > 1)
    x[x > 1]
    xp.unique(x)
    xp.argwhere(x)
    x.nonzero()
    xp.bincount(x.astype(int))
    xp.nanmax(x)
    xp.average(x, weights=x)
    xp.tril_indices(3)
""".strip().splitlines()
STAYS = """
    xp.where(x > 1, x, 0)
    xp.exp(x).sum()
    xp.concatenate([x] * 8)
    x[1:]
    x[x.astype(int)]
    xp.zeros((2, 2))
    xp.arange(5)
    xp.full(3, 1.5)
    xp.matmul(x, x)
    xp.argsort(x)
    xp.linalg.inv(xp.eye(2))
    xp.linspace(0, 1, 4)
    x.__setitem__(0, 5.0)
    xp.allclose(x, x)
    copy.deepcopy(x)
""".strip().splitlines()


@pytest.mark.parametrize("function", WAITS)
def test_what_waits_is_counted_and_refused(strict, xp, function):
    x = put(strict, [3.0, 1.0, 2.0])
    with counting() as crossed:
        evaluate(function, xp=xp, x=x)
    assert crossed.synchronisations == 1
    with refusing(transfers=False), pytest.raises(RuntimeError, match="wait of the host"):
        evaluate(function, xp=xp, x=x)


@pytest.mark.parametrize("function", STAYS)
def test_what_stays_on_the_device_is_not(strict, xp, function):
    x = put(strict, [3.0, 1.0, 2.0])
    with refusing(), counting() as crossed:
        evaluate(function, xp=xp, x=x)
    assert not crossed
    assert not crossed.asked


def test_uploads_are_counted(strict, xp):
    x = put(strict, [3.0, 1.0, 2.0])
    for upload in """
        xp.asarray(1.0)
        xp.array(HOST)
        xp.asarray([1, 2])
        xp.concatenate([x] * 9)
        xp.stack([x[0]] * 9)
        xp.nan_to_num(x)
        x.set(np.zeros(3))
        xp.percentile(x, 50)
        xp.take(x, [0, 1])
    """.strip().splitlines():
        with counting() as crossed:
            evaluate(upload, xp=xp, x=x)
        assert (crossed.host_to_device, crossed.device_to_host) == (1, 0)
        with refusing(synchronisations=False), pytest.raises(RuntimeError, match="from the host to the device"):
            evaluate(upload, xp=xp, x=x)


def test_what_was_asked_for_is_counted_apart(strict):
    with refusing(), counting() as crossed:
        x = put(strict, HOST)
        strict.to_host(x)
        strict.synchronize()
        with allowed():
            float(x.sum())
            assert bool((x > -1).all())
    assert not crossed
    assert (crossed.asked.host_to_device, crossed.asked.device_to_host, crossed.asked.synchronisations) == (1, 3, 4)
    assert crossed.asked.causes["device_to_host", "float()"] == 1
    before = strict.transfers.device_to_host
    float(x.sum())
    assert strict.transfers.device_to_host == before + 1


def test_permission_belongs_to_a_thread_and_counts_do_not(strict):
    x = put(strict, HOST)
    inside, done = threading.Event(), threading.Event()

    def asks():
        with allowed():
            inside.set()
            done.wait(10)

    with ThreadPoolExecutor(1) as pool, counting() as crossed:
        asking = pool.submit(asks)
        inside.wait(10)
        float(x[0, 0])
        done.set()
        asking.result()
        pool.submit(lambda: float(x[0, 0])).result()
    assert crossed.device_to_host == 2
    assert not crossed.asked


def test_memory_is_that_of_owners_and_has_a_peak(strict, xp):
    gc.disable()
    try:
        start = strict.memory_allocated()
        x = xp.zeros((1024, 4), dtype=np.float32)
        assert strict.memory_allocated() - start == 16384
        views = [x[1:], x.T, x.reshape(-1)]
        assert strict.memory_allocated() - start == 16384
        strict.reset_peak_memory_stats()
        y = x + x + x
        assert strict.memory_allocated() - start == 2 * 16384
        assert strict.max_memory_allocated() - start == 3 * 16384
        tiny = xp.zeros(1)
        assert strict.memory_allocated() - start == 2 * 16384 + 512
        del tiny, y, x
        assert strict.memory_allocated() - start == 16384
        del views
        assert strict.memory_allocated() == start
    finally:
        gc.enable()


def test_it_stands_in_for_cuda():
    with registry.standing_in("cuda", StrictBackend("cuda")) as cuda:
        assert registry.backend_for(Device("cuda")) is cuda
        x = cuda.from_host(HOST, Device("cuda"))
        assert cuda.device_of(x) == Device("cuda:0")
        assert registry.backend(x) is cuda
        assert registry.xp(x) is cuda.xp
        assert registry.is_array(x)
        assert x.__class__ in registry.ARRAYS
        assert cuda.device_count() == 1
        again = pickle.loads(pickle.dumps(x))
        assert type(again) is type(x)
        np.testing.assert_array_equal(again.get(), HOST)
        other = StrictBackend()
        with pytest.raises(TypeError):
            x + put(other, HOST)
        with pytest.raises(TypeError):
            cuda.xp.add(x, put(other, HOST))
        with pytest.raises(RuntimeError, match="invalid device ordinal"):
            cuda.from_host(HOST, Device("cuda:1"))


def test_several_devices_do_not_mix():
    backend = StrictBackend("cuda", devices=2)
    one = backend.from_host(HOST, Device("cuda:1"))
    assert backend.device_of(one) == Device("cuda:1")
    with pytest.raises(ValueError, match="array device = 1 while current = 0"):
        one + one
    with backend.use(Device("cuda:1")):
        two = one + one
        assert backend.device_of(two) == Device("cuda:1")
        assert backend.device_of(backend.xp.zeros(3)) == Device("cuda:1")
    moved = backend.to_device(two, Device("cuda:0"))
    assert backend.device_of(moved + 1) == Device("cuda:0")
    assert backend.to_device(moved, Device("cuda:0")) is moved
    assert backend.memory_allocated(Device("cuda:1")) == 3 * 512 - 512
    assert two[0].base is two


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "complex64", "int64", "int8", "bool"])
def test_scatter_add(strict, xp, dtype):
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    host = np.zeros((4, 2), dtype)
    values = (np.arange(10).reshape(5, 2) % 3).astype(dtype)
    if dtype.kind == "c":
        values = values * dtype.type(1 + 2j)
    index = np.array([0, 2, 0, 0, 3])
    target = put(strict, host)
    strict.scatter_add(target, xp.asarray(index), put(strict, values))
    np.add.at(host, index, values)
    np.testing.assert_array_equal(target.get(), host)
    columns = put(strict, np.zeros((2, 4), dtype)).T
    strict.scatter_add(columns, (xp.asarray(index), slice(None)), put(strict, values))
    np.testing.assert_array_equal(columns.get(), host)
    if dtype.name in ("bfloat16", "complex64", "int8", "bool"):
        with pytest.raises(TypeError):
            xp.add.at(target, xp.asarray(index), put(strict, values))


@pytest.mark.parametrize("name", ["erf", "erfc", "erfinv", "lgamma", "digamma"])
def test_special_functions_need_nothing_that_cupy_lacks(strict, name):
    scipy = pytest.importorskip("scipy.special")
    host = np.linspace(-0.9, 0.9, 7)
    with refusing():
        got = getattr(strict, name)(put(strict, host))
    reference = getattr(scipy, {"lgamma": "gammaln"}.get(name, name))(host)
    np.testing.assert_allclose(got.get(), reference, rtol=1e-12)


def test_philox_is_numpys_and_no_transfer(strict):
    numpy_backend = registry.backend_for(Device("cpu"))
    with refusing(), counting() as crossed:
        words = strict.philox((7, 9), 5, 12, Device("strict"))
    assert not crossed.asked
    np.testing.assert_array_equal(words.get(), numpy_backend.philox((7, 9), 5, 12, Device("cpu")))


def test_the_recorded_names_are_those_of_the_installed_cupy():
    cupy = pytest.importorskip("cupy")
    from tools.cupy_names import names

    installed = names()
    if installed["cupy"] == NAMES["cupy"]:
        assert installed == NAMES, "run python tests/tools/cupy_names.py"
        return
    for path, recorded in NAMES["namespaces"].items():
        assert set(recorded) <= set(installed["namespaces"][path]), (
            f"CuPy {cupy.__version__} has lost names: run python tests/tools/cupy_names.py"
        )
    assert set(NAMES["ndarray"]) <= set(installed["ndarray"])
