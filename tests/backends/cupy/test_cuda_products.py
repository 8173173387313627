"""Products on CUDA, as far as a machine without a GPU can show them: what cuBLAS would be told, and what it would
compute from that.

`HostCublas` computes on the host's memory what cuBLAS computes on the device's; the arrays are real `cupy.ndarray`
objects over host memory, so that shapes, strides and pointers are CuPy's own.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest

import tapegrad
from tapegrad.backends import Device, precision
from tapegrad.backends.cupy import products as cupy_products
from tapegrad.backends.cupy.products import Cublas, multiply
from tapegrad.backends.strict.backend import StrictBackend, counting
from tapegrad.backends.strict.products import HostCublas, to_tf32

DTYPES = [np.dtype(t) for t in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.complex64, np.complex128)]


@pytest.fixture(autouse=True)
def switches():
    before = precision.get_float32_matmul_precision(), precision.convolutions_allow_tf32
    yield
    precision.set_float32_matmul_precision(before[0])
    precision.convolutions_allow_tf32 = before[1]
    precision.matmul.allow_fp16_reduced_precision_reduction = (
        precision.matmul.allow_bf16_reduced_precision_reduction
    ) = True


class HostCupy:
    """The functions of `cupy` that `multiply` uses, over host memory; it knows what was allocated, and counts
    copies.
    """

    def __init__(self, cupy):
        self.cupy = cupy
        self.blocks = []
        self.copies = 0

    def own(self, array):
        """A cupy array of the values of `array`, with its strides."""
        low, high = np.lib.array_utils.byte_bounds(array)
        block = np.empty(max(high - low, 1), np.uint8)
        start = block.ctypes.data
        self.blocks.append((start, start + block.nbytes))
        memory = self.cupy.cuda.UnownedMemory(start, block.nbytes, block, 0)
        offset = array.ctypes.data - low if array.size else 0
        made = self.cupy.ndarray(array.shape, array.dtype, self.cupy.cuda.MemoryPointer(memory, offset), array.strides)
        if array.size:
            values(made)[...] = array
        return made

    def empty(self, shape, dtype):
        return self.own(np.full(shape, 77, dtype))

    def zeros(self, shape, dtype):
        return self.own(np.zeros(shape, dtype))

    def array(self, array, order):
        assert order == "C"
        self.copies += 1
        return self.own(np.array(values(array), order="C"))


def values(array):
    """The values of a cupy array over host memory, as a view."""
    if not array.size:
        return np.zeros(array.shape, array.dtype)
    import ctypes

    memory = array.data.mem
    block = np.frombuffer((ctypes.c_char * memory.size).from_address(memory.ptr), np.uint8)
    return np.ndarray(array.shape, array.dtype, block, array.data.ptr - memory.ptr, array.strides)


class Recorder(HostCublas):
    """Keeps the calls, and sees to it that none reaches beyond what was allocated."""

    def __init__(self, blocks):
        super().__init__()
        self.blocks = blocks
        self.calls = []
        self.modes = []

    def setMathMode(self, handle, mode):
        super().setMathMode(handle, mode)
        self.modes.append(mode)

    def gemmEx(self, *args):
        self.calls.append(("gemmEx", inspect.signature(HostCublas.gemmEx).bind(self, *args).arguments))
        super().gemmEx(*args)

    def gemmStridedBatchedEx(self, *args):
        told = inspect.signature(HostCublas.gemmStridedBatchedEx).bind(self, *args).arguments
        if not self.calls or self.calls[-1][0] != "gemmEx" or self.calls[-1][1]["A"] != told["A"]:
            self.calls.append(("gemmStridedBatchedEx", told))
        sizes = {
            kind.code: np.dtype(getattr(ml_dtypes, name, None) or name).itemsize
            for name, kind in cupy_products.KINDS.items()
        }
        for name, high, wide in (
            ("A", *_swapped(told["transa"], told["m"], told["k"])),
            ("B", *_swapped(told["transb"], told["k"], told["n"])),
            ("C", told["m"], told["n"]),
        ):
            ld, step, size = told[f"ld{name.lower()}"], told[f"stride{name}"], sizes[told[f"{name}type"]]
            assert ld >= max(1, high)
            end = told[name] + ((told["batchCount"] - 1) * step + (wide - 1) * ld + high) * size
            assert any(low <= told[name] and end <= stop for low, stop in self.blocks), name
        super().gemmStridedBatchedEx(*args)


def _swapped(transposed, rows, columns):
    return (columns, rows) if transposed else (rows, columns)


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy")


@pytest.fixture
def here(cupy):
    """A namespace and the recorder of what is told to cuBLAS."""
    xp = HostCupy(cupy)
    xp.told = Recorder(xp.blocks)
    xp.cublas = Cublas(xp.told, lambda: 1234, lambda: True)
    return xp


def random(shape, dtype, seed=0):
    rng = np.random.default_rng((seed, *shape))
    found = rng.standard_normal(shape)
    if dtype.kind == "c":
        found = found + 1j * rng.standard_normal(shape)
    return found.astype(dtype)


def product(a, b):
    """What must come out: half types are added up in float32."""
    if a.dtype.itemsize == 2:
        return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    return np.matmul(a, b)


def check(here, a, b):
    result = multiply(here, here.own(a), here.own(b), here.cublas)
    expected = product(a, b)
    assert result.shape == expected.shape and result.dtype == expected.dtype and result.flags.c_contiguous
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    tolerance = {
        2: 8e-3 if a.dtype.name == "bfloat16" else 1e-3,
        4: 1e-5,
        8: 1e-5 if a.dtype.kind == "c" else 1e-13,
        16: 1e-13,
    }[a.dtype.itemsize]
    np.testing.assert_allclose(values(result).astype(wide), expected.astype(wide), rtol=tolerance, atol=10 * tolerance)
    return result


# ---- layouts

#: a matrix of a stack in all ways that it may lie in memory, and whether cuBLAS can take it so
LAYOUTS = {
    "C": (lambda x: x, True),
    "F": (lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2), True),
    "rows of a wider one": (lambda x: np.concatenate([x, x], -1)[..., : x.shape[-1]], True),
    "columns of a higher one": (
        lambda x: np.ascontiguousarray(np.concatenate([x, x], -2).swapaxes(-1, -2)).swapaxes(-1, -2)[
            ..., : x.shape[-2], :
        ],
        True,
    ),
    "every other row": (lambda x: np.repeat(x, 2, -2)[..., ::2, :], True),
    "every other column": (lambda x: np.repeat(x, 2, -1)[..., ::2], False),
    "rows backwards": (lambda x: np.ascontiguousarray(x[..., ::-1, :])[..., ::-1, :], False),
    "columns backwards": (lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1], False),
    "an offset": (lambda x: np.concatenate([x[..., :1, :], x], -2)[..., 1:, :], True),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("stack", [(), (3,), (2, 3)], ids=str)
def test_every_layout_beside_every_other(here, dtype, stack):
    a, b = random((*stack, 4, 5), dtype), random((*stack, 5, 6), dtype, 1)
    for one, (left, taken_left) in LAYOUTS.items():
        for other, (right, taken_right) in LAYOUTS.items():
            here.copies = 0
            here.told.calls.clear()
            check(here, left(a), right(b))
            assert len(here.told.calls) == 1, (one, other)
            if len(stack) < 2:
                assert here.copies == (not taken_left) + (not taken_right), (one, other)


def test_real_and_imaginary_parts(here):
    z = random((4, 5), np.dtype(np.complex64))
    w = random((2, 5, 3), np.dtype(np.complex64))
    check(here, z.real, w.imag)
    assert here.copies == 2


@pytest.mark.parametrize("dtype", DTYPES[:3], ids=str)
def test_sizes_of_one_and_zero(here, dtype):
    for n, k, m in [
        (1, 1, 1),
        (1, 5, 1),
        (4, 1, 3),
        (1, 5, 3),
        (4, 5, 1),
        (1, 1, 3),
        (0, 5, 3),
        (4, 0, 3),
        (4, 5, 0),
        (0, 0, 0),
    ]:
        for stack in ((), (1,), (3,), (1, 3), (0,), (2, 0)):
            check(here, random((*stack, n, k), dtype), random((*stack, k, m), dtype))
            check(here, random((*stack, k, n), dtype).swapaxes(-1, -2), random((*stack, m, k), dtype).swapaxes(-1, -2))


def test_strides_of_size_one_dimensions_mean_nothing(here):
    """CuPy and NumPy leave any number there."""
    x = random((6, 5), np.dtype(np.float32))
    column, row = x[:, 2:3], x[2:3]
    odd = np.lib.stride_tricks.as_strided(row, (1, 5), (4, 4))
    for a, b in [(x.T, column), (column, row), (column, odd), (odd, x[:5]), (row.T, column.T)]:
        here.copies = 0
        check(here, a, b)
        assert here.copies == 0


def test_vectors(here):
    a, b, v, w = (
        random((3, 4, 5), DTYPES[2]),
        random((3, 5, 2), DTYPES[2]),
        random((5,), DTYPES[2]),
        random((4,), DTYPES[2]),
    )
    for left, right in [
        (v, v),
        (a[0], v),
        (w, a[0]),
        (a, v),
        (v, b),
        (v[::-1], b),
        (a, np.repeat(v, 2)[::2]),
        (np.broadcast_to(v[:1], (5,)), v),
    ]:
        check(here, left, right)


def test_expanded_factors(here):
    x = random((4, 5), DTYPES[2])
    check(here, np.broadcast_to(x[:1], (4, 5)), x.T)  # a row that repeats, which cuBLAS cannot be told
    assert here.copies == 1
    here.copies = 0
    stack = np.broadcast_to(x, (7, 4, 5))
    check(here, random((7, 3, 4), DTYPES[2]), stack)
    name, told = here.told.calls[-1]
    assert here.copies == 0 and name == "gemmEx"  # all rows at once
    check(here, stack, random((7, 5, 3), DTYPES[2]))
    name, told = here.told.calls[-1]
    assert here.copies == 0 and name == "gemmStridedBatchedEx" and told["strideB"] == 0 and told["batchCount"] == 7


def test_one_right_factor_for_a_stack_is_one_product(here):
    check(here, random((2, 3, 4, 5), DTYPES[0]), random((5, 6), DTYPES[0]))
    ((name, told),) = here.told.calls
    assert name == "gemmEx" and (told["m"], told["n"], told["k"]) == (6, 24, 5) and here.copies == 0


def test_a_turned_stack_keeps_its_memory(here):
    """``x.transpose(1, 2) @ w``: the rows of the members do not follow each other, so it is a stack with a step of
    zero.
    """
    check(here, random((2, 5, 4), DTYPES[2]).swapaxes(1, 2), random((5, 6), DTYPES[2]))
    ((name, told),) = here.told.calls
    assert name == "gemmStridedBatchedEx" and here.copies == 0 and told["strideA"] == 0 and told["transb"] == 1


def test_stacks_broadcast_by_steps_of_zero(here):
    check(here, random((4, 5), DTYPES[1]), random((3, 2, 5, 6), DTYPES[1]))
    ((name, told),) = here.told.calls
    assert (
        name == "gemmStridedBatchedEx"
        and told["strideB"] == 0
        and told["strideA"] == 30
        and told["batchCount"] == 6
        and here.copies == 0
    )


def test_stacks_that_cross_are_never_made_whole(here):
    check(here, random((3, 1, 4, 5), DTYPES[2]), random((1, 7, 5, 6), DTYPES[2]))
    assert [name for name, _ in here.told.calls] == ["gemmStridedBatchedEx"] * 3 and here.copies == 0
    assert {told["batchCount"] for _, told in here.told.calls} == {7}
    with pytest.raises(ValueError):
        check(here, random((2, 4, 5), DTYPES[2]), random((3, 5, 6), DTYPES[2]))


def test_heads_of_attention(here):
    """(batch, time, heads, size) seen as (batch, heads, time, size): copied, where that saves more calls than it
    makes.
    """
    q, k = (random((8, 6, 4, 5), DTYPES[1], seed).swapaxes(1, 2) for seed in (0, 1))
    check(here, q, k.swapaxes(-1, -2))
    assert len(here.told.calls) == 1 and here.copies == 2
    here.told.calls.clear()
    here.copies = 0
    check(here, q[:2], k[:2].swapaxes(-1, -2))
    assert len(here.told.calls) == 2 and here.copies == 0
    # Keys for all of the batch.
    check(here, q, np.broadcast_to(k[:1], q.shape).swapaxes(-1, -2))


_POSSIBLE = list(LAYOUTS)


@hypothesis.given(st.data())
@hypothesis.settings(
    max_examples=150, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None
)
def test_any_product(here, data):
    size = st.integers(1, 4)
    stack = data.draw(st.lists(size, max_size=3))
    n, k, m = data.draw(size), data.draw(size), data.draw(size)
    dtype = data.draw(st.sampled_from(DTYPES))

    def drawn(rows, columns, seed):
        dims = [data.draw(st.sampled_from([1, d])) for d in stack][data.draw(st.integers(0, len(stack))) :]
        x = random((*dims, rows, columns), dtype, seed)
        order = [*data.draw(st.permutations(range(len(dims)))), len(dims), len(dims) + 1]
        x = np.array(x.transpose(order), order="C").transpose(np.argsort(order))
        x = LAYOUTS[data.draw(st.sampled_from(_POSSIBLE))][0](x)
        if dims and data.draw(st.booleans()):
            x = x[::-1]
        return np.broadcast_to(x, (*stack, rows, columns)) if data.draw(st.booleans()) else x

    check(here, drawn(n, k, 0), drawn(k, m, 1))


@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 3), (4, 2)), ((5, 2, 3), (5, 2, 3)), ((3,), (4,)), ((2, 2, 3), (4, 3, 2)), ((), (3,)), ((2, 3), ())],
)
def test_misfits(here, a, b):
    with pytest.raises(ValueError):
        multiply(here, here.own(np.ones(a)), here.own(np.ones(b)), here.cublas)


# ---- precision


def last(here, dtype, **options):
    multiply(here, here.own(random((4, 5), dtype)), here.own(random((5, 6), dtype)), here.cublas, **options)
    return here.told.calls[-1][1]


def test_compute_types(here):
    names = {dtype.name: (told["Atype"], told["computeType"]) for dtype in DTYPES for told in [last(here, dtype)]}
    assert names == {
        "float16": (2, 68),
        "bfloat16": (14, 68),
        "float32": (0, 68),
        "float64": (1, 70),
        "complex64": (4, 68),
        "complex128": (5, 70),
    }
    assert {told["algo"] for _, told in here.told.calls} == {-1}
    allowed = {dtype.name: last(here, dtype, tf32=True)["computeType"] for dtype in DTYPES}
    assert allowed == {"float16": 68, "bfloat16": 68, "float32": 77, "float64": 70, "complex64": 77, "complex128": 70}
    here.cublas.has_tf32 = lambda: False
    assert last(here, np.dtype(np.float32), tf32=True)["computeType"] == 68


def test_reduced_precision_is_switched_by_the_math_mode(here):
    last(here, DTYPES[0])
    assert here.told.modes == []  # the way it is at first costs no call
    tapegrad.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    last(here, DTYPES[1])
    last(here, np.dtype(np.float32))
    assert here.told.modes == []
    here.told.mode = 3
    last(here, DTYPES[0])
    assert here.told.modes == [16, 3]

    def fail(*args):
        raise RuntimeError("cuBLAS")

    here.told.gemmEx = fail
    with pytest.raises(RuntimeError, match="cuBLAS"):
        last(here, DTYPES[0])
    assert here.told.mode == 3


def test_tf32_rounds_to_the_nearest():
    x = random((1000,), np.dtype(np.float32)) * np.logspace(-30, 30, 1000, dtype=np.float32)
    rounded = to_tf32(x)
    assert not np.any(rounded.view(np.uint32) & 0x1FFF)
    np.testing.assert_allclose(rounded, x, rtol=2.0**-11)
    odd = np.array([np.inf, -np.inf, 0, -0.0, 1 + 2.0**-11, 1 + 3 * 2.0**-11], np.float32)
    np.testing.assert_array_equal(to_tf32(odd), np.array([np.inf, -np.inf, 0, -0.0, 1, 1 + 2.0**-9], np.float32))
    assert np.isnan(to_tf32(np.array([np.nan], np.float32)))[0]


def test_switches_reach_the_ops():
    """The strict device multiplies as cuBLAS would."""
    x, w = (tapegrad.tensor(random(shape, np.dtype(np.float32)), device="strict") for shape in ((16, 64), (64, 8)))
    images, kernel = (
        tapegrad.tensor(random(shape, np.dtype(np.float32)), device="strict") for shape in ((2, 3, 9, 9), (4, 3, 3, 3))
    )
    exact, convolved = (x @ w).cpu(), tapegrad.conv2d(images, kernel).cpu()
    np.testing.assert_allclose(exact.numpy(), x.cpu().numpy() @ w.cpu().numpy(), rtol=1e-5, atol=1e-5)
    tapegrad.backends.cuda.matmul.allow_tf32 = True
    for y in (
        x @ w,
        tapegrad.nn.functional.linear(x, w.T),
        tapegrad.einsum("ij,jk->ik", x, w),
        tapegrad.addmm(tapegrad.zeros(8, device="strict"), x, w),
    ):
        error = (y.cpu() - exact).abs().max().item()
        assert 1e-5 < error < 0.1
    assert (tapegrad.conv2d(images, kernel).cpu() == convolved).all()
    tapegrad.set_float32_matmul_precision("highest")
    assert ((x @ w).cpu() == exact).all()
    tapegrad.backends.cudnn.allow_tf32 = True
    assert ((x @ w).cpu() == exact).all()
    assert 1e-5 < (tapegrad.conv2d(images, kernel).cpu() - convolved).abs().max().item() < 0.1


def test_old_devices_have_no_tf32():
    x = random((8, 8), np.dtype(np.float32))
    tapegrad.set_float32_matmul_precision("medium")
    for capability, same in (((7, 5), True), ((8, 0), False)):
        backend = StrictBackend(capability=capability)
        y = backend.matmul(*[backend.from_host(x, Device("strict"))] * 2).get()
        assert np.allclose(y, x @ x, rtol=1e-6, atol=1e-6) is same


def test_the_names_of_torch():
    matmul = tapegrad.backends.cuda.matmul
    assert (
        matmul.allow_tf32,
        matmul.allow_fp16_reduced_precision_reduction,
        matmul.allow_bf16_reduced_precision_reduction,
    ) == (False, True, True)
    for set_to, is_allowed in (("high", True), ("highest", False), ("medium", True)):
        tapegrad.set_float32_matmul_precision(set_to)
        assert tapegrad.get_float32_matmul_precision() == set_to and matmul.allow_tf32 is is_allowed
    matmul.allow_tf32 = False
    assert tapegrad.get_float32_matmul_precision() == "highest"
    matmul.allow_tf32 = True
    assert tapegrad.get_float32_matmul_precision() == "high"
    with pytest.warns(UserWarning, match="foo is not one of 'highest', 'high', or 'medium'"):
        tapegrad.set_float32_matmul_precision("foo")
    assert tapegrad.get_float32_matmul_precision() == "high"
    with pytest.raises(RuntimeError, match="set_float32_matmul_precision expects a str, but got int"):
        tapegrad.set_float32_matmul_precision(3)
    with pytest.raises(RuntimeError, match="set_allow_tf32_cublas expects a bool, but got int"):
        matmul.allow_tf32 = 1
    with pytest.raises(TypeError, match="allow_fp16_reduced_precision_reduction expects a bool"):
        matmul.allow_fp16_reduced_precision_reduction = 1
    with pytest.raises(AttributeError, match="Unknown attribute allow_tf23"):
        matmul.allow_tf23 = True
    with pytest.raises(AttributeError, match="Unknown attribute allow_tf23"):
        _ = matmul.allow_tf23


def test_cudnn_and_mps(monkeypatch):
    cudnn = tapegrad.backends.cudnn
    assert (
        cudnn.is_available(),
        cudnn.version(),
        cudnn.enabled,
        cudnn.benchmark,
        cudnn.deterministic,
        cudnn.allow_tf32,
    ) == (False, None, *[False] * 4)
    cudnn.benchmark = True
    assert cudnn.benchmark is True
    cudnn.benchmark = False
    with pytest.raises(RuntimeError, match="set_benchmark_cudnn expects a bool, but got int"):
        cudnn.benchmark = 1
    with pytest.raises(RuntimeError, match="expects a bool"):
        cudnn.allow_tf32 = None
    with pytest.raises(AttributeError, match="has no attribute 'foo'"):
        _ = cudnn.foo
    assert not tapegrad.backends.mps.is_available() and not tapegrad.backends.mps.is_built()
    assert tapegrad.backends.cuda.is_built() is (importlib.util.find_spec("cupy") is not None)


# ---- ops on the strict device


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "int64", "int32", "uint8"])
def test_a_product_on_the_device_costs_no_transfer(dtype):
    a, b = (
        tapegrad.tensor(np.arange(size).reshape(shape) % 5).to(getattr(tapegrad, dtype)).to("strict")
        for size, shape in ((24, (2, 3, 4)), (40, (2, 4, 5)))
    )
    with counting() as crossed:
        y = a @ b
    assert not crossed
    expected = a.cpu() @ b.cpu()
    assert y.dtype == expected.dtype and (y.cpu() == expected).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_products_are_added_up_in_float32(dtype):
    """4096 ones beside ones: in half precision the sum would stand still at 2048 or 256."""
    x = tapegrad.ones(2, 3, 4096, dtype=dtype, device="strict")
    assert ((x @ x.mT).cpu() == 4096).all()
    v = tapegrad.ones(4096, dtype=dtype, device="strict")
    assert (v @ v).item() == 4096


# ---- the real module


def _binary() -> Path:
    """CuPy's wrapper of cuBLAS."""
    found = importlib.util.find_spec("cupy_backends.cuda.libs")
    assert found is not None and found.submodule_search_locations
    return next(
        path
        for path in Path(next(iter(found.submodule_search_locations))).glob("cublas.*")
        if path.suffix in (".so", ".pyd")
    )


@pytest.mark.parametrize("name", ["gemmEx", "gemmStridedBatchedEx", "getMathMode", "setMathMode"])
def test_the_double_takes_what_the_real_function_takes(cupy, name):
    """CuPy's functions are compiled and cannot be imported without cuBLAS; their signatures stand in the file, as their
    docstrings.
    """
    found = re.search(rf"\0{name}\(([\w, ]+)\)".encode(), _binary().read_bytes())
    assert found, "CuPy has another function of this name, or none"
    theirs = [parameter.split()[-1] for parameter in found[1].decode().split(",")]
    assert list(inspect.signature(getattr(HostCublas, name)).parameters)[1:] == theirs


STUB = "int cublasSetMathMode(void* handle, int mode) { return 0; }\n"
PROGRAM = """
import ctypes, json, os, sys
if {stub!r}:
    ctypes.CDLL({stub!r}, ctypes.RTLD_GLOBAL)
    sys.setdlopenflags(os.RTLD_LAZY)
import importlib
cublas = importlib.import_module("cupy_backends.cuda.libs.cublas")
cublas.setMathMode(1, 16)
print(json.dumps({{name: getattr(cublas, name) for name in dir(cublas) if name.startswith("CUBLAS_")}}))
"""


def test_the_constants_are_cupys(cupy, tmp_path):
    """Imported with a library in cuBLAS' place that has next to nothing in it."""
    from tapegrad.backends.kernels import launch

    if sys.platform != "linux":
        pytest.skip("no CuPy library that a compiler could stand in for, but on Linux")
    soname = re.search(rb"libcublas\.so\.\d+", _binary().read_bytes())[0].decode()
    try:
        compiler = launch.cpu_compiler()
    except launch.Unavailable as error:
        pytest.skip(str(error))
    (tmp_path / "stub.cpp").write_text(f'extern "C" {STUB}')
    (tmp_path / "map").write_text(f"{soname} {{ global: *; }};")
    stub = tmp_path / soname
    options = ["-shared", "-fPIC", f"-Wl,-soname,{soname}", f"-Wl,--version-script={tmp_path / 'map'}"]
    subprocess.run([*compiler, *options, "-o", stub, tmp_path / "stub.cpp"], check=True)
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(stub=str(stub))], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    theirs = json.loads(done.stdout)
    assert (
        theirs["CUBLAS_COMPUTE_32F"],
        theirs["CUBLAS_COMPUTE_64F"],
        theirs["CUBLAS_COMPUTE_32F_FAST_TF32"],
        theirs["CUBLAS_GEMM_DEFAULT"],
        theirs["CUBLAS_DEFAULT_MATH"],
        theirs["CUBLAS_OP_N"],
        theirs["CUBLAS_OP_T"],
    ) == (
        cupy_products.COMPUTE_32F,
        cupy_products.COMPUTE_64F,
        cupy_products.COMPUTE_32F_FAST_TF32,
        cupy_products.GEMM_DEFAULT,
        0,
        0,
        1,
    )


def test_the_data_types_are_cupys(cupy):
    from cupy_backends.cuda.api import runtime

    names = {
        "float16": "CUDA_R_16F",
        "bfloat16": "CUDA_R_16BF",
        "float32": "CUDA_R_32F",
        "float64": "CUDA_R_64F",
        "complex64": "CUDA_C_32F",
        "complex128": "CUDA_C_64F",
    }
    assert {name: kind.code for name, kind in cupy_products.KINDS.items()} == {
        name: getattr(runtime, theirs) for name, theirs in names.items()
    }
