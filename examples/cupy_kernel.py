"""Write a CUDA kernel and its derivative, make them a differentiable operation in one call, and train a small network
with it.

    python examples/cupy_kernel.py [--device cpu|cuda|auto] [--epochs N]

On CUDA the operation is two raw kernels, compiled by CuPy. Without a GPU the same two formulas run in NumPy, and the
program says so.
"""

from __future__ import annotations

import argparse
import sys
from functools import cache
from typing import Any

import numpy as np

import tapegrad
from tapegrad import nn

# swish(x) = x * sigmoid(x), and the gradient of x given that of the result.
SOURCE = r"""
template <typename T>
__global__ void swish(const T* x, T* y, long long n) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] / (1 + exp(-x[i]));
}

template <typename T>
__global__ void swish_vjp(const T* grad, const T* x, T* d, long long n) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const T s = 1 / (1 + exp(-x[i]));
    d[i] = grad[i] * s * (1 + x[i] * (1 - s));
}
"""
BLOCK = 256
NAMES = {"float32": "float", "float64": "double"}


@cache
def kernel(name: str, dtype: str) -> Any:
    """A kernel for arrays of `dtype`: a `cupy.RawKernel`, compiled at its first use."""
    import cupy

    if dtype not in NAMES:
        raise TypeError(f"{name}: there is no kernel for {dtype}, only for {' and '.join(NAMES)}")
    instance = f"{name}<{NAMES[dtype]}>"
    return cupy.RawModule(code=SOURCE, options=("-std=c++17",), name_expressions=(instance,)).get_function(instance)


def launch(name: str, *arrays: Any) -> Any:
    """Run a kernel over `arrays`, which are read, and a new array, which it fills and which is returned.

    CuPy launches on the current stream of the current device: here that of the arrays. Whatever else runs on this
    stream, tapegrad's own work included, keeps its order.
    """
    import cupy

    with arrays[0].device:
        arrays = tuple(cupy.ascontiguousarray(a) for a in arrays)
        result = cupy.empty_like(arrays[0])
        run = kernel(name, str(result.dtype))
        if result.size:
            run((-(-result.size // BLOCK),), (BLOCK,), (*arrays, result, np.int64(result.size)))
    return result


def numpy_swish(x: np.ndarray) -> np.ndarray:
    """The first formula in NumPy."""
    return x / (1 + np.exp(-x))


def numpy_swish_vjp(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The second formula in NumPy."""
    s = 1 / (1 + np.exp(-x))
    return grad * s * (1 + x * (1 - s))


def second_vjp(
    d: tapegrad.Tensor, grad: tapegrad.Tensor, x: tapegrad.Tensor
) -> tuple[tapegrad.Tensor, tapegrad.Tensor]:
    """The derivative of the second kernel, made of tapegrad's functions, which have derivatives themselves."""
    s = x.sigmoid()
    return d * s * (1 + x * (1 - s)), d * grad * s * (1 - s) * (2 + x * (1 - 2 * s))


def differentiable(forward: Any, vjp: Any) -> Any:
    """The two functions over arrays as an operation to be differentiated as often as one likes: the second is the
    derivative of the first, and has one.
    """
    slope = tapegrad.custom_op(vjp, second_vjp, name="swish_vjp", higher_order=True)
    return tapegrad.custom_op(forward, slope, name="swish", higher_order=True)


on_cuda = differentiable(lambda x: launch("swish", x), lambda grad, x: launch("swish_vjp", grad, x))
on_cpu = differentiable(numpy_swish, numpy_swish_vjp)


class Swish(nn.Module):
    """The operation as a layer."""

    def forward(self, x: tapegrad.Tensor) -> tapegrad.Tensor:
        return (on_cuda if x.is_cuda else on_cpu)(x)  # type: ignore[no-any-return]


def main(argv: list[str] | None = None) -> float:
    """Check, train, print; returns the last loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda", "auto"),
        default="auto",
        help="auto: CUDA where there is one (default: auto)",
    )
    parser.add_argument("--epochs", type=int, default=300, help="steps of Adam (default: 300)")
    parser.error = lambda message: sys.exit(f"cupy_kernel.py: {message}")  # type: ignore[method-assign,assignment]
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error(f"argument --epochs: must be at least 1, not {args.epochs}")
    device = args.device if args.device != "auto" else "cuda" if tapegrad.cuda.is_available() else "cpu"

    tapegrad.manual_seed(0)
    try:
        x = tapegrad.linspace(-3, 3, 128, device=device).reshape(-1, 1)
    except RuntimeError as error:
        sys.exit(f"cupy_kernel.py: {error}")
    print(
        "running the CUDA kernels"
        if device == "cuda"
        else "no GPU in use: running the same formulas in NumPy, not the CUDA kernels"
    )

    sample = tapegrad.randn(4, 3, dtype=tapegrad.float64, device=device, requires_grad=True)
    tapegrad.autograd.gradcheck(Swish(), sample)
    tapegrad.autograd.gradgradcheck(Swish(), sample)
    print("the gradients of swish, and theirs, agree with finite differences")

    model = nn.Sequential(nn.Linear(1, 16), Swish(), nn.Linear(16, 1)).to(device)
    optimizer = tapegrad.optim.Adam(model.parameters(), lr=0.02)
    target = tapegrad.sin(2 * x)
    for epoch in range(args.epochs):
        loss = ((model(x) - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 50 == 0:
            print(f"Epoch {epoch}, Loss: {loss.item():.4f}")
    print(f"last loss: {loss.item():.4f}")
    return loss.item()


if __name__ == "__main__":
    main()
