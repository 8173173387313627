"""What a call costs on the host: microseconds for a thousand elements, so few that the device is never what is waited for."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.backends.kernels import launch
from tapegrad.benchmarks.contender import Contender
from tapegrad.benchmarks.gpu.report.finding import Finding, Skip, noted
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.section import Items
from tapegrad.benchmarks.measure import Summary, calibrate, time_calls

SIZE = 1000
SIDE = 32
SAMPLES = 15
SECONDS = 0.01
Call = Callable[[], Any]
ROWS: dict[str, Callable[[Machine], Call]] = {}
SOURCE = 'extern "C" __global__ void copy(const float* x, float* y, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) y[i] = x[i]; }'


def row(name: str) -> Callable[[Callable[[Machine], Call]], Callable[[Machine], Call]]:
    """The decorated function makes the call that is timed."""
    def add(make: Callable[[Machine], Call]) -> Callable[[Machine], Call]:
        ROWS[name] = make
        return make
    return add


def items() -> Items:
    """One for each kind of call, and one for each op of ours with PyTorch's beside it."""
    found: Items = {name: functools.partial(arrays, make) for name, make in ROWS.items()}
    return found | {f"op {name}": functools.partial(ops, make) for name, make in OPS.items()}


def arrays(make: Callable[[Machine], Call], m: Machine) -> Finding:
    """Time a call on arrays."""
    told = timed(make(m), Contender("tapegrad", None, m.device))
    return noted(f"{told.median * 1e6:.2f} us (quartiles {told.q1 * 1e6:.2f} to {told.q3 * 1e6:.2f})", us=told.median * 1e6, q1=told.q1 * 1e6, q3=told.q3 * 1e6)


def timed(call: Call, contender: Contender) -> Summary:
    """Seconds that a call takes, the device waited for once per sample."""
    loops = calibrate(call, contender, SECONDS)
    return Summary.of([time_calls(call, loops, contender) for _ in range(SAMPLES)])


def vectors(m: Machine) -> tuple[Any, Any, Any]:
    """Two vectors of floats, and one for a result."""
    rng = np.random.default_rng(0)
    x, y = (m.put(rng.standard_normal(SIZE), np.float32) for _ in range(2))
    return x, y, m.xp.empty_like(x)


@row("empty array")
def empty(m: Machine) -> Call:
    """An allocation from the pool."""
    xp = m.xp
    return lambda: xp.empty(SIZE, np.float32)


@row("ufunc")
def ufunc(m: Machine) -> Call:
    """An addition."""
    x, y, _ = vectors(m)
    add = m.xp.add
    return lambda: add(x, y)


@row("ufunc with out=")
def ufunc_out(m: Machine) -> Call:
    """An addition into an array that is there."""
    x, y, out = vectors(m)
    add = m.xp.add
    return lambda: add(x, y, out)


@row("ufunc with a number")
def ufunc_number(m: Machine) -> Call:
    """A product with a Python float."""
    x, _, _ = vectors(m)
    return lambda: x * 2.5


@row("ElementwiseKernel")
def elementwise_kernel(m: Machine) -> Call:
    """A kernel of CuPy's generator."""
    kernel = m.cupy.ElementwiseKernel("T x, T y", "T z", "z = x + y", "tapegrad_report_add")
    x, y, _ = vectors(m)
    return lambda: kernel(x, y)


@row("RawKernel")
def raw_kernel(m: Machine) -> Call:
    """A kernel of our own through `cupy.RawKernel`, its result there already."""
    kernel = m.cupy.RawKernel(SOURCE, "copy")
    x, _, out = vectors(m)
    n = np.int32(SIZE)
    return lambda: kernel((4,), (256,), (x, out, n))


@row("Function")
def function(m: Machine) -> Call:
    """The same through `cupy.cuda.Function`, which a module gives."""
    module = m.cupy.cuda.Module()
    from cupy.cuda import compiler
    module.load(bytes(compiler.compile_using_nvrtc(SOURCE, (), m.cupy.cuda.Device().compute_capability, "report.cu")[0]))
    kernel = module.get_function("copy")
    x, _, out = vectors(m)
    n = np.int32(SIZE)
    return lambda: kernel((4,), (256,), (x, out, n))


@row("launch of ours")
def launch_of_ours(m: Machine) -> Call:
    """250 threads of `philox.words` through `launch`, which checks its arguments."""
    out = m.xp.empty(SIZE, np.uint64)
    if m.on_cuda:
        return lambda: launch.launch("philox.words", 1, 256, (out, SIZE, 0, 1, 2), like=out)
    raise Skip("kernels run compiled for the CPU here, which says nothing of a launch")


@row("sum of all")
def reduction(m: Machine) -> Call:
    """A reduction to one number."""
    x, _, _ = vectors(m)
    return lambda: x.sum()


@row("sum of rows")
def row_reduction(m: Machine) -> Call:
    """A reduction along an axis."""
    x = vectors(m)[0].reshape((10, 100))
    return lambda: x.sum(axis=1)


@row("matmul by CuPy")
def product_by_cupy(m: Machine) -> Call:
    """`xp.matmul` of 32 x 32 matrices."""
    x, y, out = matrices(m)
    matmul = m.xp.matmul
    return lambda: matmul(x, y, out)


@row("matmul of ours")
def product_of_ours(m: Machine) -> Call:
    """The backend's product of the same matrices: one call of cuBLAS."""
    x, y, _ = matrices(m)
    matmul = m.backend.matmul
    return lambda: matmul(x, y)


@row("view")
def view(m: Machine) -> Call:
    """A transposed view, which launches nothing."""
    x, _, _ = matrices(m)
    return lambda: x.T


def matrices(m: Machine) -> tuple[Any, Any, Any]:
    """Two square matrices of about a thousand floats, and one for a result."""
    rng = np.random.default_rng(0)
    x, y = (m.put(rng.standard_normal((SIDE, SIDE)), np.float32) for _ in range(2))
    return x, y, m.xp.empty_like(x)


# ---- whole ops, with torch's names: PyTorch runs the same functions

def _leaf(c: Contender, *shape: int) -> Any:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return c.lib.tensor(values, device=c.device, requires_grad=True)


def mul_unrecorded(c: Contender) -> Call:
    """A product under no_grad."""
    x, y, no_grad = _leaf(c, SIZE), _leaf(c, SIZE), c.lib.no_grad

    def call() -> Any:
        with no_grad():
            return x * y
    return call


def mul_forward(c: Contender) -> Call:
    """A recorded product."""
    x, y = _leaf(c, SIZE), _leaf(c, SIZE)
    return lambda: x * y


def mul_backward(c: Contender) -> Call:
    """A product, and its backward to both factors."""
    x, y = _leaf(c, SIZE), _leaf(c, SIZE)
    seed, grad = c.lib.ones(SIZE, device=c.device), c.lib.autograd.grad
    return lambda: grad(x * y, (x, y), seed)


def matmul_forward(c: Contender) -> Call:
    """A recorded product of matrices."""
    x, y = _leaf(c, SIDE, SIDE), _leaf(c, SIDE, SIDE)
    return lambda: x @ y


def matmul_backward(c: Contender) -> Call:
    """A product of matrices, and its backward."""
    x, y = _leaf(c, SIDE, SIDE), _leaf(c, SIDE, SIDE)
    seed, grad = c.lib.ones(SIDE, SIDE, device=c.device), c.lib.autograd.grad
    return lambda: grad(x @ y, (x, y), seed)


def softmax_backward(c: Contender) -> Call:
    """A softmax of rows, and its backward."""
    x = _leaf(c, 10, SIZE // 10)
    seed, grad = c.lib.ones(10, SIZE // 10, device=c.device), c.lib.autograd.grad
    return lambda: grad(x.softmax(1), x, seed)


def sum_backward(c: Contender) -> Call:
    """A sum of all, and its backward."""
    x, grad = _leaf(c, SIZE), c.lib.autograd.grad
    return lambda: grad(x.sum(), x)


OPS: dict[str, Callable[[Contender], Call]] = {
    "mul, no_grad": mul_unrecorded, "mul, forward": mul_forward, "mul, forward and backward": mul_backward, "matmul, forward": matmul_forward,
    "matmul, forward and backward": matmul_backward, "softmax, forward and backward": softmax_backward, "sum, forward and backward": sum_backward,
}


def ops(make: Callable[[Contender], Call], m: Machine) -> Finding:
    """Time a whole op, of ours and of PyTorch's."""
    told = {contender.name: timed(make(contender), contender).median * 1e6 for contender in m.contenders}
    ours = told["tapegrad"]
    beside = "".join(f"; {name} {us:.2f} us, ratio {ours / us:.2f}" for name, us in told.items() if name != "tapegrad")
    return noted(f"{ours:.2f} us{beside}", us=ours, **{f"{name}_us": us for name, us in told.items() if name != "tapegrad"})
