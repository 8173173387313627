"""How exactly products are computed on CUDA: PyTorch's switches, which hold for the whole process. The CPU knows none
of them.

They are for products of matrices. Decompositions, inverses and solutions come from cuSOLVER by way of CuPy, which
computes them in their dtype; where CuPy multiplies matrices on the way there (`pinv`, `matrix_power`), its own
environment variable CUPY_TF32 decides, which is off unless it is set.
"""

from __future__ import annotations

import warnings
from typing import Any


class Matmul:
    """The switches for products of matrices: `tapegrad.backends.cuda.matmul`.

    Attributes:
        allow_tf32: products of float32 and complex64 may round their factors to TF32, which has 10 bits of mantissa
            instead of 23, for the tensor cores of devices of compute capability 8.0 and later. False unless it is set.
        allow_fp16_reduced_precision_reduction: cuBLAS may add parts of a float16 product up in float16; within a part
            it adds in float32 in any case.
        allow_bf16_reduced_precision_reduction: the same for bfloat16.

    Example:
        >>> tapegrad.backends.cuda.matmul.allow_tf32
        False
        >>> tapegrad.backends.cuda.matmul.allow_tf32 = True
        >>> tapegrad.get_float32_matmul_precision()
        'high'
        >>> tapegrad.set_float32_matmul_precision("highest")
    """

    __slots__ = ("_bfloat16", "_float16", "_float32")

    def __init__(self) -> None:
        object.__setattr__(self, "_float32", "highest")
        object.__setattr__(self, "_float16", True)
        object.__setattr__(self, "_bfloat16", True)

    @property
    def allow_tf32(self) -> bool:
        return bool(self._float32 != "highest")

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError(f"set_allow_tf32_cublas expects a bool, but got {type(value).__name__}")
        self._float32 = "high" if value else "highest"

    @property
    def allow_fp16_reduced_precision_reduction(self) -> bool:
        return bool(self._float16)

    @allow_fp16_reduced_precision_reduction.setter
    def allow_fp16_reduced_precision_reduction(self, value: bool) -> None:
        self._float16 = _bool("allow_fp16_reduced_precision_reduction", value)

    @property
    def allow_bf16_reduced_precision_reduction(self) -> bool:
        return bool(self._bfloat16)

    @allow_bf16_reduced_precision_reduction.setter
    def allow_bf16_reduced_precision_reduction(self, value: bool) -> None:
        self._bfloat16 = _bool("allow_bf16_reduced_precision_reduction", value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"Unknown attribute {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name):  # a misspelt switch would change nothing
            raise AttributeError(f"Unknown attribute {name}")
        object.__setattr__(self, name, value)


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} expects a bool, but got {type(value)!r}")
    return value


matmul = Matmul()


def set_float32_matmul_precision(precision: str) -> None:
    """Set how exactly float32 matrices are multiplied on CUDA; on the CPU they are multiplied in float32 in any case.

    Args:
        precision: "highest": in float32. "high" or "medium": their factors may be rounded to TF32; there is no
            difference between the two here, nor in PyTorch on CUDA.

    Raises:
        RuntimeError: `precision` is no string.

    Example:
        >>> tapegrad.set_float32_matmul_precision("high")
        >>> tapegrad.backends.cuda.matmul.allow_tf32
        True
        >>> tapegrad.set_float32_matmul_precision("highest")
    """
    if not isinstance(precision, str):
        raise RuntimeError(f"set_float32_matmul_precision expects a str, but got {type(precision).__name__}")
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current setFloat32MatmulPrecision call "
            "has no effect.",
            stacklevel=2,
        )
        return
    matmul._float32 = precision


def get_float32_matmul_precision() -> str:
    """How exactly float32 matrices are multiplied on CUDA: "highest", "high" or "medium".

    Example:
        >>> tapegrad.get_float32_matmul_precision()
        'highest'
    """
    return matmul._float32


#: Whether convolutions, which are products of matrices here, may use TF32: `tapegrad.backends.cudnn.allow_tf32`.
convolutions_allow_tf32 = False
