"""Large arrays: what the arithmetic itself costs, forward and backward. No target: the backend's kernels set these."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.benchmarks.workload import WORKLOADS, Setting

Step = Callable[[], list[Any]]
LARGE = 1_000_000


def forward_backward(s: Setting, function: Callable[..., Any], *arrays: np.ndarray) -> Step:
    """A step: the function of these leaves, and its backward from a seed of its result's shape."""
    leaves = [s.tensor(array, requires_grad=True) for array in arrays]
    seed = s.lib.ones_like(function(*leaves)).detach()

    def step() -> list[Any]:
        for leaf in leaves:
            leaf.grad = None
        y = function(*leaves)
        y.backward(seed)
        return [y, *(leaf.grad for leaf in leaves)]
    return step


@WORKLOADS.timed("elementwise.mul_add")
def mul_add(s: Setting) -> Step:
    """a * b + c on a million floats, forward and backward"""
    return forward_backward(s, lambda a, b, c: a * b + c, s.array(LARGE), s.array(LARGE), s.array(LARGE))


@WORKLOADS.timed("elementwise.broadcast")
def broadcast(s: Setting) -> Step:
    """a 1000x1000 matrix times a row plus a column, forward and backward"""
    return forward_backward(s, lambda a, row, column: a * row + column, s.array(1000, 1000), s.array(1000), s.array(1000, 1))


@WORKLOADS.timed("elementwise.exp")
def exp(s: Setting) -> Step:
    """exp of a million floats, forward and backward"""
    return forward_backward(s, lambda a: a.exp(), s.array(LARGE))


@WORKLOADS.timed("elementwise.tanh")
def tanh(s: Setting) -> Step:
    """tanh of a million floats, forward and backward"""
    return forward_backward(s, lambda a: a.tanh(), s.array(LARGE))


@WORKLOADS.timed("elementwise.gelu")
def gelu(s: Setting) -> Step:
    """gelu (erf) of a million floats, forward and backward"""
    return forward_backward(s, s.lib.nn.functional.gelu, s.array(LARGE))


@WORKLOADS.timed("reduction.sum")
def sum_all(s: Setting) -> Step:
    """sum of a million floats, forward and backward"""
    return forward_backward(s, lambda a: a.sum(), s.array(LARGE))


@WORKLOADS.timed("reduction.sum_rows")
def sum_rows(s: Setting) -> Step:
    """sum of a 1000x1000 matrix over its rows (dim 0), forward and backward"""
    return forward_backward(s, lambda a: a.sum(0), s.array(1000, 1000))


@WORKLOADS.timed("reduction.max")
def max_columns(s: Setting) -> Step:
    """largest value in each row of a 1000x1000 matrix, forward and backward"""
    return forward_backward(s, lambda a: a.max(1).values, s.array(1000, 1000))


@WORKLOADS.timed("reduction.var")
def var(s: Setting) -> Step:
    """variance of each row of a 1000x1000 matrix, forward and backward"""
    return forward_backward(s, lambda a: a.var(1), s.array(1000, 1000))


@WORKLOADS.timed("reduction.softmax")
def softmax(s: Setting) -> Step:
    """softmax of each row of a 1000x1000 matrix, forward and backward"""
    return forward_backward(s, lambda a: a.softmax(1), s.array(1000, 1000))


def product(s: Setting, rows: int, inner: int, columns: int) -> Step:
    """A matrix product's step."""
    return forward_backward(s, lambda a, b: a @ b, s.array(rows, inner), s.array(inner, columns))


@WORKLOADS.timed("matmul.64")
def matmul_64(s: Setting) -> Step:
    """product of 64x64 matrices, forward and backward"""
    return product(s, 64, 64, 64)


@WORKLOADS.timed("matmul.256")
def matmul_256(s: Setting) -> Step:
    """product of 256x256 matrices, forward and backward"""
    return product(s, 256, 256, 256)


@WORKLOADS.timed("matmul.1024")
def matmul_1024(s: Setting) -> Step:
    """product of 1024x1024 matrices, forward and backward"""
    return product(s, 1024, 1024, 1024)


@WORKLOADS.timed("matmul.outer")
def matmul_outer(s: Setting) -> Step:
    """a row of 784 floats times a 784x128 matrix, forward and backward (the backward holds an outer product)"""
    return product(s, 1, 784, 128)


@WORKLOADS.timed("matmul.batched")
def matmul_batched(s: Setting) -> Step:
    """64 products of 64x64 matrices at once, forward and backward"""
    return forward_backward(s, lambda a, b: a @ b, s.array(64, 64, 64), s.array(64, 64, 64))
