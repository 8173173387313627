"""What a call costs on the host: microseconds for a thousand elements, so few that the device is never what is waited
for.
"""

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
SOURCE = (
    'extern "C" __global__ void copy(const float* x, float* y, int n) { int i = blockIdx.x * blockDim.x + '
    "threadIdx.x; if (i < n) y[i] = x[i]; }"
)


def row(name: str) -> Callable[[Callable[[Machine], Call]], Callable[[Machine], Call]]:
    """The decorated function makes the call that is timed."""

    def add(make: Callable[[Machine], Call]) -> Callable[[Machine], Call]:
        ROWS[name] = make
        return make

    return add


def items() -> Items:
    """One for each kind of call, and one for each op of ours and PyTorch's."""
    found: Items = {name: functools.partial(arrays, make) for name, make in ROWS.items()}
    return found | {f"op {name}": functools.partial(ops, make) for name, make in OPS.items()}


def arrays(make: Callable[[Machine], Call], m: Machine) -> Finding:
    """Time a call on arrays."""
    took = timed(make(m), Contender("tapegrad", None, m.device))
    return noted(
        f"{took.median * 1e6:.2f} us (quartiles {took.q1 * 1e6:.2f} to {took.q3 * 1e6:.2f})",
        us=took.median * 1e6,
        q1=took.q1 * 1e6,
        q3=took.q3 * 1e6,
    )


def timed(call: Call, contender: Contender) -> Summary:
    """Seconds that a call takes, the device waited for once per sample."""
    loops = calibrate(call, contender, SECONDS)
    return Summary.of([time_calls(call, loops, contender) for _ in range(SAMPLES)])


def operands(m: Machine, *shape: int) -> tuple[Any, Any, Any]:
    """Two arrays of floats, and one for a result."""
    rng = np.random.default_rng(0)
    x, y = (m.put(rng.standard_normal(shape or SIZE), np.float32) for _ in range(2))
    return x, y, m.xp.empty_like(x)


@row("empty array")
def empty(m: Machine) -> Call:
    xp = m.xp
    return lambda: xp.empty(SIZE, np.float32)


@row("ufunc")
def ufunc(m: Machine) -> Call:
    (x, y, _), add = operands(m), m.xp.add
    return lambda: add(x, y)


@row("ufunc with out=")
def ufunc_out(m: Machine) -> Call:
    (x, y, out), add = operands(m), m.xp.add
    return lambda: add(x, y, out)


@row("ufunc with a number")
def ufunc_number(m: Machine) -> Call:
    x, _, _ = operands(m)
    return lambda: x * 2.5


@row("ElementwiseKernel")
def elementwise_kernel(m: Machine) -> Call:
    kernel = m.cupy.ElementwiseKernel("T x, T y", "T z", "z = x + y", "tapegrad_report_add")
    x, y, _ = operands(m)
    return lambda: kernel(x, y)


def copies(m: Machine, kernel: Any) -> Call:
    """A call of a compiled `SOURCE`, its result there already."""
    x, _, out = operands(m)
    n = np.int32(SIZE)
    return lambda: kernel((4,), (256,), (x, out, n))


@row("RawKernel")
def raw_kernel(m: Machine) -> Call:
    return copies(m, m.cupy.RawKernel(SOURCE, "copy"))


@row("Function")
def function(m: Machine) -> Call:
    module = m.cupy.cuda.Module()
    from cupy.cuda import compiler

    module.load(
        bytes(compiler.compile_using_nvrtc(SOURCE, (), m.cupy.cuda.Device().compute_capability, "report.cu")[0])
    )
    return copies(m, module.get_function("copy"))


@row("launch of ours")
def launch_of_ours(m: Machine) -> Call:
    """250 threads of `philox.words` through `launch`, which checks its arguments."""
    out = m.xp.empty(SIZE, np.uint64)
    if m.on_cuda:
        return lambda: launch.launch("philox.words", 1, 256, (out, SIZE, 0, 1, 2), like=out)
    raise Skip("kernels run compiled for the CPU here, which says nothing of a launch")


@row("sum of all")
def reduction(m: Machine) -> Call:
    x, _, _ = operands(m)
    return lambda: x.sum()


@row("sum of rows")
def row_reduction(m: Machine) -> Call:
    x = operands(m)[0].reshape((10, 100))
    return lambda: x.sum(axis=1)


@row("matmul by CuPy")
def product_by_cupy(m: Machine) -> Call:
    (x, y, out), matmul = operands(m, SIDE, SIDE), m.xp.matmul
    return lambda: matmul(x, y, out)


@row("matmul of ours")
def product_of_ours(m: Machine) -> Call:
    (x, y, _), matmul = operands(m, SIDE, SIDE), m.backend.matmul
    return lambda: matmul(x, y)


@row("view")
def view(m: Machine) -> Call:
    x, _, _ = operands(m, SIDE, SIDE)
    return lambda: x.T


# ---- whole ops, with torch's names: PyTorch runs the same functions


def leaves(c: Contender, count: int, *shape: int) -> list[Any]:
    """Leaves of the same numbers for every contender."""
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return [c.lib.tensor(values, device=c.device, requires_grad=True) for _ in range(count)]


def mul_unrecorded(c: Contender) -> Call:
    """A product under no_grad."""
    (x, y), no_grad = leaves(c, 2, SIZE), c.lib.no_grad

    def call() -> Any:
        with no_grad():
            return x * y

    return call


def mul_forward(c: Contender) -> Call:
    x, y = leaves(c, 2, SIZE)
    return lambda: x * y


def mul_backward(c: Contender) -> Call:
    (x, y), seed, grad = leaves(c, 2, SIZE), c.lib.ones(SIZE, device=c.device), c.lib.autograd.grad
    return lambda: grad(x * y, (x, y), seed)


def matmul_forward(c: Contender) -> Call:
    x, y = leaves(c, 2, SIDE, SIDE)
    return lambda: x @ y


def matmul_backward(c: Contender) -> Call:
    (x, y), seed, grad = leaves(c, 2, SIDE, SIDE), c.lib.ones(SIDE, SIDE, device=c.device), c.lib.autograd.grad
    return lambda: grad(x @ y, (x, y), seed)


def softmax_backward(c: Contender) -> Call:
    (x,), seed, grad = leaves(c, 1, 10, SIZE // 10), c.lib.ones(10, SIZE // 10, device=c.device), c.lib.autograd.grad
    return lambda: grad(x.softmax(1), x, seed)


def sum_backward(c: Contender) -> Call:
    (x,), grad = leaves(c, 1, SIZE), c.lib.autograd.grad
    return lambda: grad(x.sum(), x)


OPS: dict[str, Callable[[Contender], Call]] = {
    "mul, no_grad": mul_unrecorded,
    "mul, forward": mul_forward,
    "mul, forward and backward": mul_backward,
    "matmul, forward": matmul_forward,
    "matmul, forward and backward": matmul_backward,
    "softmax, forward and backward": softmax_backward,
    "sum, forward and backward": sum_backward,
}


def ops(make: Callable[[Contender], Call], m: Machine) -> Finding:
    """Time a whole op, of ours and of PyTorch's."""
    us = {contender.name: timed(make(contender), contender).median * 1e6 for contender in m.contenders}
    ours = us.pop("tapegrad")
    peers = "".join(f"; {name} {theirs:.2f} us, ratio {ours / theirs:.2f}" for name, theirs in us.items())
    return noted(f"{ours:.2f} us{peers}", us=ours, **{f"{name}_us": theirs for name, theirs in us.items()})
