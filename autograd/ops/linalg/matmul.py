"""Products of vectors, matrices and stacks of matrices."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import raised
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.dims import common_shape
from tapegrad.autograd.ops.common.tangents import added
from tapegrad.autograd.ops.pointwise.arithmetic import mul
from tapegrad.autograd.ops.shape.reshape import reshape_to
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, is_array

# ---- the product itself, on arrays


def type_of(array: Any) -> str:
    """The dtype as torch names it in some of its errors."""
    return {"Float": "float", "Double": "double"}.get(kind := dtypes.of(array.dtype).scalar_type, kind)


def check_alike(a: Any, b: Any) -> None:
    """Raise torch's error unless both have one dtype."""
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"expected scalar type {dtypes.of(a.dtype).scalar_type} but found {dtypes.of(b.dtype).scalar_type}"
        )


def _differ(a: Any, b: Any) -> Exception:
    first, second = dtypes.of(a.dtype).scalar_type, dtypes.of(b.dtype).scalar_type
    if a.ndim == b.ndim == 1:
        return RuntimeError(f"dot : expected both vectors to have same dtype, but found {first} and {second}")
    if b.ndim == 1:
        return RuntimeError(f"addmv input tensors must have the same dtype, but got {second}, {first}, and {second}")
    if a.ndim > 2 and b.ndim > 2:
        return RuntimeError(f"expected scalar type {first} but found {second}")
    return RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {type_of(a)} != {type_of(b)}")


def _misfit(a: Any, b: Any) -> Exception:
    """torch's error for shapes that cannot be multiplied."""
    n, m = a.ndim, b.ndim
    if not n or not m:
        return RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D")
    if n == m == 1:
        return RuntimeError(
            f"inconsistent tensor size, expected tensor [{a.size}] and src [{b.size}] to have the same number of "
            "elements, but got "
            f"{a.size} and {b.size} elements respectively"
        )
    if m == 1:
        rows = math.prod(a.shape[:-1])
        return RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{a.shape[-1]}), vec ({b.size})")
    if m == 2:
        return RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({math.prod(a.shape[:-1])}x{a.shape[-1]} and "
            f"{b.shape[0]}x{b.shape[1]})"
        )
    batch = common_shape(a.shape[:-2], b.shape[:-2])
    size = math.prod(batch)
    return RuntimeError(
        f"Expected size for first two dimensions of batch2 tensor to be: [{size}, {a.shape[-1]}] but got: [{size}, "
        f"{b.shape[-2]}]."
    )


ndarray = np.ndarray
#: what BLAS multiplies as it stands
_BLAS = {np.dtype(name) for name in ("float32", "float64", "complex64", "complex128")}


def array_product(input: Any, other: Any) -> Any:
    """The product of arrays of any rank, as stacks of matrices."""
    try:
        if input.dtype is not other.dtype and input.dtype != other.dtype:
            raise _differ(input, other)
        n, m = input.ndim, other.ndim
    except AttributeError:
        name, position, wrong = ("input", 1, input) if not hasattr(input, "ndim") else ("other", 2, other)
        raise TypeError(
            f"matmul(): argument '{name}' (position {position}) must be Tensor, not {type(wrong).__name__}"
        ) from None
    if input.dtype.kind == "b" and input.size and other.size:
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")
    try:
        if input.__class__ is not np.ndarray:
            return backend(input).matmul(input, other)
        if input.dtype.itemsize == 2 and input.dtype.kind in "fV":
            # NumPy has no fast product of half types
            return array_product(input.astype(np.float32), other.astype(np.float32)).astype(input.dtype)
        if m == 2 or m == 1:
            if n == 2:
                if m == 2 and input.shape[1] == 1 == other.shape[0]:
                    return input * other  # BLAS' product takes ten times as long here
                return input.dot(other)
            if n == 1:
                return input.dot(other)
            if n > 2:
                rows = math.prod(input.shape[:-1])
                return input.reshape((rows, input.shape[-1])).dot(other).reshape(input.shape[:-1] + other.shape[1:])
        if not n or not m:
            raise _misfit(input, other)
        if input.shape[-1] == 1 == other.shape[-2]:
            return input * other
        return np.matmul(_dense(input), _dense(other))
    except ValueError:
        raise _misfit(input, other) from None


def _dense(array: Any) -> Any:
    """`array` as BLAS takes its matrices: NumPy's loop for other strides is a hundred times as slow."""
    if array.ndim < 2 or array.flags.c_contiguous:
        return array
    rows, columns = array.strides[-2:]
    n, m = array.shape[-2:]
    size = array.itemsize
    if (columns == size and rows >= m * size) or (rows == size and columns >= n * size):
        return array
    return array.copy()


# ---- its gradients


def _to_left(grad: Any, other: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of the first factor, whose shape is `shape`."""
    n, m = len(shape), other.ndim
    if m == 2:
        if n == 1:
            return matrix_product(other, grad)
        return matrix_product(grad, other.T)
    if m == 1:
        return grad * other if n == 1 else grad.reshape((*grad.shape, 1)) * other
    if n == 1:
        return sum_to(matrix_product(other, grad.reshape((*grad.shape, 1))).reshape((*other.shape[:-1],)), shape)
    return sum_to(matrix_product(grad, other.mT), shape)


def _to_right(grad: Any, input: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of the second factor, whose shape is `shape`."""
    n, m = input.ndim, len(shape)
    if n == 2 and m == 2:
        return matrix_product(input.T, grad)
    if n == 1:
        if m == 1:
            return grad * input
        return input.reshape((*input.shape, 1)) * grad.reshape((*grad.shape[:-1], 1, grad.shape[-1]))
    if m <= 2:
        rows = math.prod(input.shape[:-1])
        return matrix_product(input.reshape((rows, input.shape[-1])).T, grad.reshape((rows, *shape[1:])))
    return sum_to(matrix_product(input.mT, grad), shape)


# ---- its tangent, and the product in a batch


def _tangent(d_input: Any, d_other: Any, input: Any, other: Any) -> Any:
    return added(
        None if d_input is None else _matmul(d_input, other), None if d_other is None else _matmul(input, d_other)
    )


def multiplied(batched: Container[str], input: Any, other: Any) -> Any:
    """The products of a batch, in one: `batched` names the factors that have the batch as a dimension more, in
    front.
    """
    n, m = raw(input).ndim - ("input" in batched), raw(other).ndim - ("other" in batched)
    if not n or not m:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D")
    if "other" not in batched and m <= 2:
        return _matmul(input, other)
    if "input" not in batched and m == 1 and n <= 2:
        return _matmul(other, input if n == 1 else input.mT)
    if n == 1:
        input = input[..., None, :]
    if m == 1:
        other = other[..., None]
    most = max(n, m, 2)
    product = _matmul(
        raised(input, most) if "input" in batched else input, raised(other, most) if "other" in batched else other
    )
    if m == 1:
        product = product[..., 0]
    return product[..., 0, :] if n == 1 and m > 1 else product[..., 0] if n == 1 else product


def _product_op(name: str, **more: Any) -> Any:
    return op(
        input=lambda grad, other, input_shape: _to_left(grad, other, input_shape),
        other=lambda grad, input, other_shape: _to_right(grad, input, other_shape),
        operands="free",
        name=name,
        jvp=_tangent,
        batch=multiplied,
        **more,
    )


@_product_op("mm", method=True)
def matmul(input: Any, other: Any) -> Any:
    """The product of two matrices, of stacks of them, or with vectors.

    Args:
        input: a tensor of at least one dimension: a vector, a matrix, or a stack of matrices.
        other: the same; stacks broadcast with each other.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> tapegrad.ones(2, 3) @ tapegrad.ones(3, 2)
        tensor([[3., 3.],
                [3., 3.]])
    """
    return array_product(input, other)


_matmul = matmul.op.core


def matrix_product(input: Any, other: Any) -> Any:
    """The product in a rule: of arrays at once, of tensors recorded."""
    return (
        _matmul(input, other) if isinstance(input, Tensor) or isinstance(other, Tensor) else array_product(input, other)
    )


# Two matrices, much the most frequent case: their gradients need no shapes, and no choice by rank.


def _of_matrices(input: Any, other: Any) -> Any:
    if (dtype := input.dtype) is other.dtype and dtype in _BLAS and len(other) != 1 and input.__class__ is ndarray:
        try:
            return input.dot(other)
        except ValueError:
            raise _misfit(input, other) from None
    return array_product(input, other)


def _mm_of_matrices(input: Any, other: Any) -> Any:
    return (
        _matrices(input, other)
        if isinstance(input, Tensor) or isinstance(other, Tensor)
        else _of_matrices(input, other)
    )


_matrices = op(
    input=lambda grad, other: _mm_of_matrices(grad, other.T),
    other=lambda grad, input: _mm_of_matrices(input.T, grad),
    operands="free",
    name="mm",
    jvp=_tangent,
    batch=multiplied,
    public=False,
)(_of_matrices).op.core


def _operator(self: Any, other: Any) -> Any:
    if isinstance(other, Tensor):
        return _matrices(self, other) if self._array.ndim == 2 == other._array.ndim else _matmul(self, other)
    return _matmul(self, other) if is_array(other) else NotImplemented


def _reflected(self: Any, other: Any) -> Any:
    return _matmul(other, self) if is_array(other) else NotImplemented


Tensor.__matmul__ = _operator  # type: ignore[method-assign]
Tensor.__rmatmul__ = _reflected  # type: ignore[method-assign]


# ---- by rank


_mm_only, _bmm_only, _mv_only, _dot_only = (
    _product_op(name, public=False)(array_product) for name in ("mm", "bmm", "mv", "dot")
)


@composite(method=True)
def mm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """The product of two matrices.

    Args:
        mat2: a matrix with as many rows as `input` has columns.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> tapegrad.mm(tapegrad.ones(2, 3), tapegrad.ones(3, 1))
        tensor([[3.],
                [3.]])
    """
    for name, x in (("self", input), ("mat2", mat2)):
        if raw(x).ndim != 2:
            raise RuntimeError(f"{name} must be a matrix")
    return stored("mm", out, _mm_only(input, mat2))


@composite(method=True)
def bmm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """The products of two stacks of matrices.

    Args:
        input: a stack of matrices, of three dimensions.
        mat2: as many matrices.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> tapegrad.bmm(tapegrad.ones(5, 2, 3), tapegrad.ones(5, 3, 1)).shape
        torch.Size([5, 2, 1])
    """
    a, b = raw(input), raw(mat2)
    for name, x in (("batch1", a), ("batch2", b)):
        if x.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] but got: "
            f"[{b.shape[0]}, {b.shape[1]}]."
        )
    return stored("bmm", out, _bmm_only(input, mat2))


@composite(method=True)
def mv(input: Any, vec: Any, *, out: Any = None) -> Any:
    """The product of a matrix and a vector.

    Args:
        vec: a vector with as many elements as `input` has columns.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> tapegrad.mv(tapegrad.ones(2, 3), tapegrad.ones(3))
        tensor([3., 3.])
    """
    n, m = raw(input).ndim, raw(vec).ndim
    if n != 2 or m != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {n}, {m}")
    return stored("mv", out, _mv_only(input, vec))


@composite(method=True)
def dot(input: Any, tensor: Any, *, out: Any = None) -> Any:
    """The sum of the products of the elements of two vectors.

    Args:
        tensor: a vector with as many elements.

    Raises:
        RuntimeError: they are no vectors, or their sizes or dtypes differ.

    Example:
        >>> tapegrad.dot(tapegrad.tensor([1, 2]), tapegrad.tensor([3, 4]))
        tensor(11)
    """
    n, m = raw(input).ndim, raw(tensor).ndim
    if n != 1 or m != 1:
        raise RuntimeError(f"1D tensors expected, but got {n}D and {m}D tensors")
    return stored("dot", out, _dot_only(input, tensor))


@composite(method=True)
def vdot(input: Any, other: Any, *, out: Any = None) -> Any:
    """The sum of the products of the elements of two vectors, those of the first conjugated.

    Args:
        other: a vector with as many elements.

    Raises:
        RuntimeError: they are no vectors, or their sizes or dtypes differ.

    Example:
        >>> tapegrad.vdot(tapegrad.tensor([1j, 2]), tapegrad.tensor([1j, 3]))
        tensor(7.+0.j)
    """
    return dot(input.conj() if raw(input).dtype.kind == "c" else input, other, out=out)


@composite(method=True)
def outer(input: Any, vec2: Any, *, out: Any = None) -> Any:
    """The products of each element of one vector and each of another.

    Args:
        input: a vector, along the rows.
        vec2: a vector, along the columns.

    Raises:
        RuntimeError: one is no vector.

    Example:
        >>> tapegrad.outer(tapegrad.tensor([1, 2]), tapegrad.tensor([1, 3]))
        tensor([[1, 3],
                [2, 6]])
    """
    for name, x in (("self", input), ("vec2", vec2)):
        if raw(x).ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {raw(x).ndim}-D")
    return mul(reshape_to(input, (raw(input).size, 1)), vec2, out=out)


@composite(method=True)
def ger(input: Any, vec2: Any, *, out: Any = None) -> Any:
    """`outer` by BLAS' name.

    Args:
        input: a vector, along the rows.
        vec2: a vector, along the columns.

    Example:
        >>> tapegrad.ger(tapegrad.ones(2), tapegrad.ones(3)).shape
        torch.Size([2, 3])
    """
    return outer(input, vec2, out=out)
