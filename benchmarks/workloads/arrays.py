"""Large arrays: what the arithmetic itself costs, forward and backward. No target: the backend's kernels set these."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tapegrad.benchmarks.workload import WORKLOADS, Setting

Step = Callable[[], list[Any]]
VECTOR, MATRIX = (1_000_000,), (1000, 1000)


def product(lib: Any, a: Any, b: Any) -> Any:
    """A product of matrices."""
    return a @ b


#: name -> what is measured, the function of a library and leaves, the shapes of the leaves
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "elementwise.mul_add": (
        "a * b + c on a million floats, forward and backward",
        lambda lib, a, b, c: a * b + c,
        VECTOR,
        VECTOR,
        VECTOR,
    ),
    "elementwise.broadcast": (
        "a 1000x1000 matrix times a row plus a column, forward and backward",
        lambda lib, a, row, column: a * row + column,
        MATRIX,
        (1000,),
        (1000, 1),
    ),
    "elementwise.exp": ("exp of a million floats, forward and backward", lambda lib, a: a.exp(), VECTOR),
    "elementwise.tanh": ("tanh of a million floats, forward and backward", lambda lib, a: a.tanh(), VECTOR),
    "elementwise.gelu": (
        "gelu (erf) of a million floats, forward and backward",
        lambda lib, a: lib.nn.functional.gelu(a),
        VECTOR,
    ),
    "reduction.sum": ("sum of a million floats, forward and backward", lambda lib, a: a.sum(), VECTOR),
    "reduction.sum_rows": (
        "sum of a 1000x1000 matrix over its rows (dim 0), forward and backward",
        lambda lib, a: a.sum(0),
        MATRIX,
    ),
    "reduction.max": (
        "largest value in each row of a 1000x1000 matrix, forward and backward",
        lambda lib, a: a.max(1).values,
        MATRIX,
    ),
    "reduction.var": (
        "variance of each row of a 1000x1000 matrix, forward and backward",
        lambda lib, a: a.var(1),
        MATRIX,
    ),
    "reduction.softmax": (
        "softmax of each row of a 1000x1000 matrix, forward and backward",
        lambda lib, a: a.softmax(1),
        MATRIX,
    ),
    "matmul.64": ("product of 64x64 matrices, forward and backward", product, (64, 64), (64, 64)),
    "matmul.256": ("product of 256x256 matrices, forward and backward", product, (256, 256), (256, 256)),
    "matmul.1024": ("product of 1024x1024 matrices, forward and backward", product, (1024, 1024), (1024, 1024)),
    "matmul.outer": (
        "a row of 784 floats times a 784x128 matrix, forward and backward (the backward holds an outer product)",
        product,
        (1, 784),
        (784, 128),
    ),
    "matmul.batched": (
        "64 products of 64x64 matrices at once, forward and backward",
        product,
        (64, 64, 64),
        (64, 64, 64),
    ),
}


def forward_backward(function: Callable[..., Any], shapes: list[tuple[int, ...]], s: Setting) -> Step:
    """A step: the function of leaves of these shapes, and its backward from a seed of its result's shape."""
    lib, leaves = s.lib, [s.randn(*shape, requires_grad=True) for shape in shapes]
    seed = lib.ones_like(function(lib, *leaves)).detach()

    def step() -> list[Any]:
        for leaf in leaves:
            leaf.grad = None
        y = function(lib, *leaves)
        y.backward(seed)
        return [y, *(leaf.grad for leaf in leaves)]

    return step


for _name, (_measures, _function, *_shapes) in FUNCTIONS.items():
    WORKLOADS.timed(_name, _measures)(partial(forward_backward, _function, _shapes))
