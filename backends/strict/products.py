"""`cublas` of the strict device: what cuBLAS computes, from the same arguments, on the host's memory.

The strict device multiplies by `cupy_products`, as CUDA does, so that every test of a product there checks the
pointers, leading dimensions and steps that cuBLAS would be given.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from tapegrad.backends.cupy.products import COMPUTE_32F_FAST_TF32, KINDS, Cublas

_NAMES = {kind.code: name for name, kind in KINDS.items()}


def _dtype(code: int) -> np.dtype[Any]:
    if _NAMES[code] == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(_NAMES[code])


def _matrices(
    pointer: int, code: int, transposed: int, rows: int, columns: int, lead: int, count: int, step: int
) -> np.ndarray:
    """The memory that cuBLAS takes for `count` column-major matrices of `rows` times `columns`, once those that are
    `transposed` are turned.
    """
    dtype = _dtype(code)
    high, wide = (columns, rows) if transposed else (rows, columns)
    if lead < max(1, high):
        raise ValueError(f"cuBLAS: a leading dimension of {lead} for matrices of {high} rows")
    reach = ((count - 1) * step + (wide - 1) * lead + high) * dtype.itemsize
    memory: Any = (ctypes.c_char * reach).from_address(pointer)
    found: np.ndarray = np.ndarray(
        (count, high, wide), dtype, memory, strides=(step * dtype.itemsize, dtype.itemsize, lead * dtype.itemsize)
    )
    return found.swapaxes(1, 2) if transposed else found


def to_tf32(array: np.ndarray) -> np.ndarray:
    """float32 or complex64 rounded to 10 bits of mantissa."""
    bits = np.ascontiguousarray(array).view(np.uint32)
    special = bits & 0x7F800000 == 0x7F800000
    rounded: np.ndarray = np.where(special, bits, (bits + 0xFFF + (bits >> 13 & 1)) & np.uint32(0xFFFFE000))
    return rounded.view(array.dtype)


class HostCublas:
    """Functions of `cupy_backends.cuda.libs.cublas` on the host's memory."""

    def __init__(self) -> None:
        self.mode = 0

    def getMathMode(self, handle: int) -> int:
        return self.mode

    def setMathMode(self, handle: int, mode: int) -> None:
        self.mode = mode

    def gemmEx(
        self,
        handle: int,
        transa: int,
        transb: int,
        m: int,
        n: int,
        k: int,
        alpha: int,
        A: int,
        Atype: int,
        lda: int,
        B: int,
        Btype: int,
        ldb: int,
        beta: int,
        C: int,
        Ctype: int,
        ldc: int,
        computeType: int,
        algo: int,
    ) -> None:
        """One product."""
        self.gemmStridedBatchedEx(
            handle,
            transa,
            transb,
            m,
            n,
            k,
            alpha,
            A,
            Atype,
            lda,
            0,
            B,
            Btype,
            ldb,
            0,
            beta,
            C,
            Ctype,
            ldc,
            0,
            1,
            computeType,
            algo,
        )

    def gemmStridedBatchedEx(
        self,
        handle: int,
        transa: int,
        transb: int,
        m: int,
        n: int,
        k: int,
        alpha: int,
        A: int,
        Atype: int,
        lda: int,
        strideA: int,
        B: int,
        Btype: int,
        ldb: int,
        strideB: int,
        beta: int,
        C: int,
        Ctype: int,
        ldc: int,
        strideC: int,
        batchCount: int,
        computeType: int,
        algo: int,
    ) -> None:
        """``C = alpha * op(A) @ op(B) + beta * C`` for `batchCount` column-major matrices that follow each other in
        even steps.
        """
        a = _matrices(A, Atype, transa, m, k, lda, batchCount, strideA)
        b = _matrices(B, Btype, transb, k, n, ldb, batchCount, strideB)
        c = _matrices(C, Ctype, 0, m, n, ldc, batchCount, strideC)
        # The compute type says of which type both numbers are, and in which all is added up.
        real = np.float64 if computeType == KINDS["float64"].compute else np.float32
        wide = np.result_type(real, np.complex64) if c.dtype.kind == "c" else np.dtype(real)
        a, b = a.astype(wide, copy=False), b.astype(wide, copy=False)
        if computeType == COMPUTE_32F_FAST_TF32:
            a, b = to_tf32(a), to_tf32(b)
        with np.errstate(all="ignore"):
            result = _number(alpha, wide) * np.matmul(a, b)
            factor = _number(beta, wide)
            c[...] = (result + factor * c if factor else result).astype(c.dtype)


def _number(pointer: int, dtype: np.dtype[Any]) -> Any:
    memory: Any = (ctypes.c_char * dtype.itemsize).from_address(pointer)
    return np.frombuffer(memory, dtype)[0]


CUBLAS = Cublas(HostCublas(), lambda: 0, lambda: True)
