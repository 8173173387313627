"""CUDA sources compile for the architectures they are meant for, and their numbers are right: run on the CPU,
unchanged.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from tapegrad.backends.kernels import index_assert, launch, scatter
from tapegrad.backends.numerics import philox
from tapegrad.backends.strict.backend import StrictBackend

# A block reduction by shuffles and shared memory, as real kernels have it; the template's number is the block size.
SOURCE = """
#include "sums.cuh"

/* y = x minus its row's mean,
   for rows of n */
template <typename T, int BLOCK>
__global__ void __launch_bounds__(BLOCK) center(const T* __restrict__ x, T* y, int n) {
    const T* row = x + (size_t)blockIdx.x * n;
    T sum = 0;
    for (int i = threadIdx.x; i < n; i += BLOCK) sum += row[i];
    const T mean = block_sum<T, BLOCK>(sum) / n;
    for (int i = threadIdx.x; i < n; i += BLOCK) y[(size_t)blockIdx.x * n + i] = row[i] - mean;
}

extern "C" __global__ void histogram(const int* x, unsigned* counts, long long n, float unused, bool twice) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;  // no comment
    atomicAdd(&counts[x[i]], twice ? 2u : 1u);
}

extern "C" __global__ void diverging(int* out) {
    if (threadIdx.x == 3) return;
    __syncthreads();
    out[threadIdx.x] = 1;
}

extern "C" __global__ void lanes(int* out) {
    const int i = threadIdx.x;
    int v = i;
    for (int k = 0; k < 3; ++k) v = __shfl_down_sync(0xffffffffu, v, 1);  // lane + 3, where there is one
    out[i] = v;
    out[blockDim.x + i] = __shfl_up_sync(0xffffffffu, i, 2);
    out[2 * blockDim.x + i] = __shfl_sync(0xffffffffu, i, 5);
}
"""
HEADER = """
#pragma once
template <typename T, int BLOCK>
__device__ T block_sum(T v) {
    __shared__ T parts[32];
    for (int bits = 16; bits; bits >>= 1) v += __shfl_xor_sync(0xffffffffu, v, bits);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;
    __syncthreads();
    T sum = 0;
    for (int i = 0; i < BLOCK / 32; ++i) sum += parts[i];
    __syncthreads();
    return sum;
}
"""


def clear_caches():
    launch.source.cache_clear()
    launch.kernel.cache_clear()
    launch._for_cpu.clear()


@pytest.fixture(scope="module", autouse=True)
def compiled_kernels(tmp_path_factory):
    """Compiled here and now, whatever the user's cache holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAPEGRAD_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        clear_caches()
        yield
        clear_caches()


@pytest.fixture
def compiler():
    try:
        return launch.cpu_compiler()
    except launch.Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture
def own_sources(tmp_path, monkeypatch):
    (tmp_path / "sums.cu").write_text(SOURCE)
    (tmp_path / "sums.cuh").write_text(HEADER)
    monkeypatch.setattr(launch, "FOLDER", tmp_path)
    clear_caches()
    yield
    clear_caches()


@pytest.fixture
def nvrtc(monkeypatch):
    """A function that compiles CUDA C++ to a cubin, without a GPU or a driver."""
    pytest.importorskip("cupy", exc_type=ImportError)
    from cupy.cuda import compiler
    from cupy_backends.cuda.libs import nvrtc

    try:
        nvrtc.getVersion()
    except (ImportError, RuntimeError) as why:
        pytest.skip(f"no NVRTC: {why}")

    def compile(text, architecture, names=()):
        monkeypatch.setattr(
            compiler, "_get_arch_for_options_for_nvrtc", lambda arch=None: (f"-arch=sm_{architecture}", "cubin")
        )
        return compiler.compile_using_nvrtc(
            text, launch.OPTIONS, arch=architecture, filename="kernel.cu", name_expressions=names
        )[0]

    return compile


FILES = sorted(path.name for path in launch.FOLDER.glob("*.cu"))
#: what is launched of files whose kernels are templates
TEMPLATES = {"index_assert.cu": index_assert.kernels(), "scatter.cu": scatter.kernels()}


@pytest.mark.parametrize("architecture", ["80", "90", "100"])
@pytest.mark.parametrize("file", FILES)
def test_every_source_compiles_for_every_architecture(nvrtc, file, architecture):
    names = TEMPLATES.get(file, ())
    found = launch._declarations(file.removesuffix(".cu"))
    assert {launch.kernel(name).symbol.partition("<")[0] for name in names} == {
        symbol for symbol, match in found.items() if match["template"]
    }
    cubin = nvrtc(launch.source(file), architecture, tuple([launch.kernel(name).symbol for name in names]))
    assert cubin[:4] == b"\x7fELF"
    for symbol in found:
        assert symbol.encode() in cubin


def test_templates_compile_under_their_launch_names(nvrtc, own_sources):
    assert nvrtc(launch.source("sums.cu"), "90", (launch.kernel("sums.center<float, 64>").symbol,))[:4] == b"\x7fELF"


def test_nvrtc_says_what_is_wrong(nvrtc):
    from cupy.cuda.compiler import CompileException

    with pytest.raises(CompileException, match="undeclared_name"):
        nvrtc('extern "C" __global__ void f(int* x) { *x = undeclared_name; }', "90")


def test_there_are_sources():
    assert "philox.cu" in FILES


@pytest.mark.parametrize(
    "counter, n", [(0, 0), (0, 1), (3, 1), (1, 7), (0, 1024), (2, 1023), (5, 1025), (2**40 + 1, 5003), (2**64 - 9, 9)]
)
def test_philox_kernel_makes_numpys_words(compiler, counter, n):
    key = philox.key_of(11)
    guarded = np.full(n + 2, 77, np.uint64)  # what lies beside the words stays as it is
    out = guarded[1 : n + 1]
    blocks = -(-((counter % 4 + n + 3) // 4) // 256)
    launch.launch_on_cpu("philox.words", blocks, 256, (out, n, counter, *key))
    np.testing.assert_array_equal(out, philox.words(key, counter, n))
    assert guarded[0] == guarded[-1] == 77


@pytest.mark.parametrize("n", [0, 1, 1027])
def test_philox_words_on_the_strict_device(compiler, n):
    strict = StrictBackend()
    with strict.refusing():
        words = launch.philox_words((3, 2**63 + 1), 6, n, strict.xp)
    assert words.__class__ is strict.array_type
    np.testing.assert_array_equal(strict.to_host(words), philox.words((3, 2**63 + 1), 6, n))


def test_philox_words_refuses_what_no_stream_has():
    strict = StrictBackend()
    for counter, n in [(-1, 1), (0, -1), (2**64 - 1, 2)]:
        with pytest.raises(ValueError, match="a random stream has words 0 to"):
            launch.philox_words((0, 0), counter, n, strict.xp)


@pytest.mark.parametrize("dtype, name", [(np.float32, "float"), (np.float64, "double")])
@pytest.mark.parametrize("n", [1, 63, 65, 200])
def test_barriers_and_shuffles(compiler, own_sources, dtype, name, n):
    x = np.random.default_rng(n).standard_normal((3, n)).astype(dtype)
    y = np.empty_like(x)
    launch.launch_on_cpu(f"sums.center<{name}, 64>", 3, 64, (x, y, n))
    np.testing.assert_allclose(y, x - x.mean(1, keepdims=True), atol=10 * np.finfo(dtype).eps)


def test_a_warp_of_fewer_threads_and_threads_that_run_ahead(compiler, own_sources):
    out = np.empty(3 * 40, np.int32)
    launch.launch_on_cpu("sums.lanes", 1, 40, (out,))
    down, up, fixed = out.reshape(3, 40)
    expected = list(range(3, 32)) + [31] * 3 + list(range(35, 40)) + [39] * 3
    assert down.tolist() == expected
    assert up.tolist() == [0, 1, *range(30), 32, 33, *range(32, 38)]
    assert fixed.tolist() == [5] * 32 + [37] * 8


@pytest.mark.parametrize("n", [0, 1, 300, 1001])
def test_atomics(compiler, own_sources, n):
    x = np.random.default_rng(0).integers(0, 7, n, np.int32)
    counts = np.zeros(7, np.uint32)
    for twice in (False, True):
        launch.launch_on_cpu("sums.histogram", -(-n // 256), 256, (x, counts, n, 0.5, twice))
    np.testing.assert_array_equal(counts, 3 * np.bincount(x, minlength=7))


def test_a_barrier_that_not_all_threads_reach_is_an_error(compiler, own_sources):
    out = np.zeros(64, np.int32)
    for _ in range(2):
        with pytest.raises(
            RuntimeError, match=r"kernel sums\.diverging: the threads of a block do not all reach the same barrier"
        ):
            launch.launch_on_cpu("sums.diverging", 1, 64, (out,))
    launch.launch_on_cpu("sums.diverging", 1, 3, (out,))
    assert out.tolist() == [1] * 3 + [0] * 61


def test_a_strided_or_wrong_array_is_refused(own_sources):
    x, counts = np.zeros(8, np.int32), np.zeros(7, np.uint32)
    good = (x, counts, 8, 0.5, False)
    for position, wrong, message in [
        (0, x[::2], "x must be a C-contiguous array of int32"),
        (0, x.astype(np.int64), "x must be a C-contiguous array of int32, not one of int64"),
        (1, 5, "counts must be an array of the type ndarray, not int"),
        (2, x, "n must be a number, not ndarray"),
        (2, 8.0, "'float' object cannot be interpreted as an integer"),
    ]:
        args = [*good[:position], wrong, *good[position + 1 :]]
        with pytest.raises(TypeError, match=message):
            launch.launch_on_cpu("sums.histogram", 1, 256, args)
    with pytest.raises(OverflowError):
        launch.launch_on_cpu("sums.histogram", 1, 256, (x, counts, 2**63, 0.5, False))
    with pytest.raises(TypeError, match="expected 5 arguments, got 4"):
        launch.launch_on_cpu("sums.histogram", 1, 256, good[:4])


def test_launch_wants_a_device_array():
    with pytest.raises(TypeError, match=r"kernels run on CuPy's and strict arrays, not on numpy\.ndarray"):
        launch.launch("philox.words", 1, 256, (), like=np.empty(1))
    strict = StrictBackend()
    out = strict.xp.empty(3, np.uint64)
    with pytest.raises(TypeError, match="out must be an array of the type StrictArray, not ndarray"):
        launch.launch("philox.words", 1, 256, (np.empty(3, np.uint64), 3, 0, 0, 0), like=out)


def test_what_a_launch_hands_to_cupy(own_sources, monkeypatch):
    """CuPy passes numbers as they are: each must have its parameter's type, and the kernel must run on the array's
    device.
    """
    calls, entered = [], []

    class Module:
        def __init__(self, code, options, name_expressions):
            assert code == launch.source("sums.cu") and options == ("-std=c++17",)
            self.names = name_expressions

        def get_function(self, symbol):
            return lambda grid, block, args: calls.append((self.names, symbol, grid, block, args, list(entered)))

    class Device:
        def __init__(self, index):
            self.index = index

        def __enter__(self):
            entered.append(self.index)

        def __exit__(self, *error):
            entered.pop()

    class Array(np.ndarray):
        data = types.SimpleNamespace(device_id=1)

    Array.__module__ = "cupy"
    current = [1]
    runtime = types.SimpleNamespace(getDevice=lambda: current[0])
    monkeypatch.setitem(
        sys.modules,
        "cupy",
        types.SimpleNamespace(RawModule=Module, cuda=types.SimpleNamespace(runtime=runtime, Device=Device)),
    )
    launch._compiled.cache_clear()
    x, y = np.zeros(8, np.float32).view(Array), np.zeros(8, np.float32).view(Array)
    counts, indices = np.zeros(8, np.uint32).view(Array), np.zeros(8, np.int32).view(Array)
    launch.launch("sums.center<float, 64>", 2, 64, (x, y, 4), like=x)
    current[0] = 0
    launch.launch("sums.histogram", 1, 256, (indices, counts, 8, 1, True), like=counts)
    launch.launch("sums.histogram", 0, 256, (indices, counts, 8, 1, True), like=counts)
    launch._compiled.cache_clear()
    (names, symbol, grid, block, args, devices), (names2, symbol2, _, _, args2, devices2) = calls
    assert (names, symbol, grid, block, devices) == (("center<float, 64>",), "center<float, 64>", (2,), (64,), [])
    assert args[0] is x and args[1] is y and [type(arg) for arg in args[2:]] == [np.int32]
    assert (names2, symbol2, devices2) == (None, "histogram", [1])
    assert [type(arg) for arg in args2[2:]] == [np.int64, np.float32, np.bool_]


def test_unknown_kernels_and_parameters(own_sources):
    with pytest.raises(ValueError, match=r"sums\.cu has no kernel nothing"):
        launch.kernel("sums.nothing")
    with pytest.raises(ValueError, match="expected 2 template arguments, got 1"):
        launch.kernel("sums.center<float>")
    with pytest.raises(ValueError, match=r"a launch cannot pass the parameter 'const T\* __restrict__ x'"):
        launch.kernel("sums.center<half, 64>")


def test_a_kernel_that_does_not_compile_says_why(compiler, tmp_path, monkeypatch):
    (tmp_path / "broken.cu").write_text('extern "C" __global__ void f(int* x) { *x = undeclared_name; }')
    monkeypatch.setattr(launch, "FOLDER", tmp_path)
    with pytest.raises(RuntimeError, match=r"(?s)broken\.cu does not compile for the CPU with .*undeclared_name"):
        launch.launch_on_cpu("broken.f", 1, 1, (np.zeros(1, np.int32),))


def test_without_a_compiler_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(launch.Unavailable):
        launch.cpu_compiler()


def test_the_compiled_library_is_kept(compiler, own_sources, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("TAPEGRAD_CACHE_DIR", str(cache))
    (tmp_path / "one.cu").write_text('extern "C" __global__ void one(int* out) { out[threadIdx.x] = 1; }')
    out = np.zeros(3, np.int32)
    launch.launch_on_cpu("one.one", 1, 3, (out,))
    kept = [(path.name, path.stat().st_mtime_ns) for path in cache.iterdir()]
    assert len(kept) == 1 and kept[0][0].startswith("one-")
    monkeypatch.setattr(launch.subprocess, "run", None)
    launch._for_cpu.clear()
    launch.launch_on_cpu("one.one", 1, 2, (out,))
    assert [(path.name, path.stat().st_mtime_ns) for path in cache.iterdir()] == kept


def test_headers_beside_the_source_are_part_of_its_text():
    text = launch.source("philox.cu")
    assert '#include "' not in text and text.count("struct PhiloxBlock") == 1
    assert Path(launch.FOLDER, "philox.cuh").read_text().splitlines()[-1] in text
