"""Products of matrices on CUDA: one call of cuBLAS for all shapes and layouts that it can take as they lie.

`cupy.dot` and `cupy.matmul` are not used for numbers with a fraction, because `matmul` of stacks copies transposed
factors, computes float16 in float32 and has nothing for bfloat16 (https://github.com/cupy/cupy/issues/9630), and
because both take TF32 from an environment variable
(https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/_routines_linalg.pyx). Here each call says how exactly it is to be
computed.

cuBLAS sees memory by columns, so it is asked for the transpose: a row-major matrix is the transpose of a column-major
one, and ``(a @ b).T == b.T @ a.T``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tapegrad.backends.precision import matmul

Array = Any

# cudaDataType, cublasComputeType_t, cublasMath_t and cublasGemmAlgo_t of library_types.h and cublas_api.h.
COMPUTE_32F, COMPUTE_64F, COMPUTE_32F_FAST_TF32 = 68, 70, 77
DISALLOW_REDUCED_PRECISION_REDUCTION = 16
# cuBLAS' own choice among the algorithms that the compute type allows.
GEMM_DEFAULT = -1


class Kind(NamedTuple):
    """A dtype in cuBLAS' terms."""

    code: int  # its cudaDataType
    compute: int  # in what its products are added up
    one: int  # the address of the factor of the product, in that type, on the host
    zero: int  # the address of the factor of what the result held
    numbers: np.ndarray  # the memory of both


def _kind(code: int, compute: int, scalar: str) -> Kind:
    numbers = np.array([1, 0], scalar)
    address = int(numbers.__array_interface__["data"][0])
    return Kind(code, compute, address, address + numbers.itemsize, numbers)


KINDS = {
    "float16": _kind(2, COMPUTE_32F, "f4"),
    "bfloat16": _kind(14, COMPUTE_32F, "f4"),
    "float32": _kind(0, COMPUTE_32F, "f4"),
    "float64": _kind(1, COMPUTE_64F, "f8"),
    "complex64": _kind(4, COMPUTE_32F, "c8"),
    "complex128": _kind(5, COMPUTE_64F, "c16"),
}
#: the same by dtype, as far as they have been met
_known: dict[np.dtype, Kind] = {}


def kind_of(dtype: np.dtype) -> Kind:
    """`dtype`, one of `KINDS`, in cuBLAS' terms."""
    kind = _known.get(dtype)
    if kind is None:
        kind = _known[dtype] = KINDS[dtype.name]
    return kind


class Factor(NamedTuple):
    """A matrix as cuBLAS takes it."""

    transposed: int  # 1 if its columns lie in one piece, 0 if its rows do
    lead: int  # elements from one such piece to the next


def factor(shape: tuple[int, ...], strides: tuple[int, ...], size: int) -> Factor | None:
    """The matrices of `shape`, with elements of `size` bytes, or None if cuBLAS cannot take them as they lie."""
    rows, columns, row, column = shape[-2], shape[-1], strides[-2], strides[-1]
    if (column == size or columns == 1) and (rows == 1 or (row >= columns * size and row % size == 0)):
        return Factor(0, columns if rows == 1 else row // size)
    if (row == size or rows == 1) and (columns == 1 or (column >= rows * size and column % size == 0)):
        return Factor(1, rows if columns == 1 else column // size)
    return None


#: a dimension of a stack: its size, and the steps of both factors in bytes, 0 where one factor serves all
Dim = tuple[int, int, int]


def collapsed(dims: list[Dim]) -> list[Dim]:
    """The dimensions with those in one that both factors walk through in even steps."""
    found: list[Dim] = []
    for n, a, b in reversed(dims):
        if n == 1:
            continue
        if found:
            inner, step_a, step_b = found[-1]
            if a == step_a * inner and b == step_b * inner:
                found[-1] = n * inner, step_a, step_b
                continue
        found.append((n, a, b))
    return found[::-1]


def _steps(array: Array, ndim: int) -> tuple[int, ...]:
    """Steps of the stack's dimensions for a result with `ndim` of them, 0 for those that `array` lacks or has once."""
    shape, steps = array.shape[:-2], array.strides[:-2]
    if 1 in shape:
        steps = tuple([0 if n == 1 else step for n, step in zip(shape, steps)])
    return (0,) * (ndim - len(steps)) + steps


def _calls(dims: list[Dim]) -> int:
    """How many calls the stack takes: one for each matrix of all dimensions but the longest."""
    return prod([n for n, _, _ in dims]) // max([n for n, _, _ in dims], default=1)


def _is_awkward(strides: tuple[int, ...], size: int) -> bool:
    """Whether cuBLAS cannot express a stack's steps."""
    return bool([step for step in strides[:-2] if step < 0 or step % size])


def _compact(xp: Any, array: Array) -> Array:
    """`array` in memory in order; a matrix that the stack repeats stays one."""
    if 0 in array.strides[:-2]:
        array = array[tuple([slice(0, 1) if step == 0 else slice(None) for step in array.strides[:-2]])]
    return xp.array(array, order="C")


def _compact_steps(array: Array, ndim: int) -> tuple[int, ...]:
    """What `_steps` will be of the compact array."""
    step, found = array.shape[-1] * array.shape[-2] * array.itemsize, []
    for n, now in zip(array.shape[-3::-1], array.strides[-3::-1]):
        found.append(0 if n == 1 or now == 0 else step)
        step *= n if found[-1] else 1
    return (0,) * (ndim - len(found)) + tuple(found[::-1])


def _stack(xp: Any, a: Array, b: Array, shape: tuple[int, ...]) -> tuple[Array, Array, list[Dim]]:
    """The factors, copied where copies are fewer than the calls that they save, and the dimensions of the stack."""
    ndim = len(shape)
    steps_a, steps_b = _steps(a, ndim), _steps(b, ndim)
    best = collapsed(list(zip(shape, steps_a, steps_b)))
    if len(best) < 2:
        return a, b, best
    cost, choice = _calls(best), (False, False)
    compact_a, compact_b = _compact_steps(a, ndim), _compact_steps(b, ndim)
    for copies in ((True, False), (False, True), (True, True)):
        dims = collapsed(list(zip(shape, compact_a if copies[0] else steps_a, compact_b if copies[1] else steps_b)))
        if _calls(dims) + sum(copies) < cost:
            best, cost, choice = dims, _calls(dims) + sum(copies), copies
    return _compact(xp, a) if choice[0] else a, _compact(xp, b) if choice[1] else b, best


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return a if a == b else np.broadcast_shapes(a, b)


def multiply(xp: Any, a: Array, b: Array, cublas: Cublas, *, tf32: bool = False) -> Array:
    """``a @ b`` as `numpy.matmul` has it, in memory in order.

    Args:
        a: an array of at least one dimension, of a dtype in `KINDS`.
        tf32: whether float32 may be rounded to TF32.

    Raises:
        ValueError: the shapes do not fit.
    """
    n, m = a.ndim, b.ndim
    if not n or not m:
        raise ValueError("matmul: the operands need a dimension")
    if n == 1:
        a = a[None]
    if m == 1:
        b = b[:, None]
    dtype, size = a.dtype, a.itemsize
    rows, inner = a.shape[-2:]
    depth, columns = b.shape[-2:]
    if inner != depth:
        raise ValueError(f"matmul: the factors' sizes {inner} and {depth} differ")
    stack = () if n <= 2 and m <= 2 else _common(a.shape[:-2], b.shape[:-2])
    shape = (*stack, *(() if n == 1 else (rows,)), *(() if m == 1 else (columns,)))
    if not inner or not prod(shape):
        return xp.zeros(shape, dtype)
    c = xp.empty(shape, dtype)
    left, right = factor(a.shape, a.strides, size), factor(b.shape, b.strides, size)
    if left is None or (n > 2 and _is_awkward(a.strides, size)):
        a, left = _compact(xp, a), Factor(0, inner)
    if right is None or (m > 2 and _is_awkward(b.strides, size)):
        b, right = _compact(xp, b), Factor(0, columns)
    dims: list[Dim] = []
    if stack:
        first, second, dims = _stack(xp, a, b, stack)
        if first is not a:
            a, left = first, Factor(0, inner)
        if second is not b:
            b, right = second, Factor(0, columns)
    if len(dims) == 1 and dims[0][2] == 0:
        # One right factor for all: the rows of all left factors are those of one, if they lie in even steps.
        count, step, _ = dims[0]
        row = step if rows == 1 else a.strides[-2]
        whole = factor((count * rows, inner), (row, a.strides[-1]), size) if step == row * rows else None
        if whole is not None:
            rows, left, dims = count * rows, whole, []
    sizes, at_a, at_b, at_c = (columns, rows, inner), a.data.ptr, b.data.ptr, c.data.ptr
    if not dims:
        cublas.gemm(dtype, tf32, right, left, sizes, at_b, at_a, at_c)
        return c
    for offset_a, offset_b, offset_c, (count, step_a, step_b, step_c) in _walk(dims, rows * columns * size):
        cublas.gemm(
            dtype,
            tf32,
            right,
            left,
            sizes,
            at_b + offset_b,
            at_a + offset_a,
            at_c + offset_c,
            (count, step_b // size, step_a // size, step_c // size),
        )
    return c


def _walk(dims: list[Dim], matrix: int) -> Iterator[tuple[int, int, int, tuple[int, int, int, int]]]:
    """For each call the offsets of both factors and the result, and the longest dimension with its steps, all in
    bytes.
    """
    if len(dims) == 1:
        yield 0, 0, 0, (*dims[0], matrix)
        return
    with_result = [(*dim, matrix * prod([n for n, _, _ in dims[i + 1 :]])) for i, dim in enumerate(dims)]
    longest = max(with_result)
    with_result.remove(longest)
    for place in itertools.product(*[range(dim[0]) for dim in with_result]):
        a, b, c = (sum([i * dim[k] for i, dim in zip(place, with_result)]) for k in (1, 2, 3))
        yield a, b, c, longest


class Cublas:
    """cuBLAS, with the precision that the program asked for.

    Args:
        module: `cupy_backends.cuda.libs.cublas`, or what computes as it does.
        handle: gives cuBLAS' handle for the current device and thread; the functions of the module put it on the
            current stream.
        has_tf32: tells whether the current device has TF32.
    """

    def __init__(self, module: Any, handle: Any, has_tf32: Any) -> None:
        self.module = module
        self.handle = handle
        self.has_tf32 = has_tf32

    def gemm(
        self,
        dtype: np.dtype,
        tf32: bool,
        first: Factor,
        second: Factor,
        sizes: tuple[int, int, int],
        a: int,
        b: int,
        c: int,
        batch: tuple[int, int, int, int] | None = None,
    ) -> None:
        """``c = a @ b`` by columns, of `sizes` (rows, columns, inner); `batch`: how many, and the steps of a, b and c
        in elements.
        """
        kind = kind_of(dtype)
        code, compute = kind.code, kind.compute
        if tf32 and compute == COMPUTE_32F and dtype.itemsize > 2 and self.has_tf32():
            compute = COMPUTE_32F_FAST_TF32
        handle = self.handle()
        exact = dtype.itemsize == 2 and not (matmul._float16 if code == 2 else matmul._bfloat16)
        if exact:
            before = self.module.getMathMode(handle)
            self.module.setMathMode(handle, DISALLOW_REDUCED_PRECISION_REDUCTION)
        try:
            if batch is None:
                self.module.gemmEx(
                    handle,
                    first.transposed,
                    second.transposed,
                    *sizes,
                    kind.one,
                    a,
                    code,
                    first.lead,
                    b,
                    code,
                    second.lead,
                    kind.zero,
                    c,
                    code,
                    sizes[0],
                    compute,
                    GEMM_DEFAULT,
                )
            else:
                count, step_a, step_b, step_c = batch
                self.module.gemmStridedBatchedEx(
                    handle,
                    first.transposed,
                    second.transposed,
                    *sizes,
                    kind.one,
                    a,
                    code,
                    first.lead,
                    step_a,
                    b,
                    code,
                    second.lead,
                    step_b,
                    kind.zero,
                    c,
                    code,
                    sizes[0],
                    step_c,
                    count,
                    compute,
                    GEMM_DEFAULT,
                )
        finally:
            if exact:
                self.module.setMathMode(handle, before)


def load(cupy: Any) -> Cublas:
    """cuBLAS as CuPy has it."""
    from cupy.cuda.device import get_compute_capability, get_cublas_handle
    from cupy_backends.cuda.libs import cublas

    return Cublas(cublas, get_cublas_handle, lambda: int(get_compute_capability()) >= 80)
