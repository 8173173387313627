"""Products of vectors, matrices and stacks of matrices."""
from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.op import composite, op
from tapegrad.autograd.ops.dims import integer, raw, wrap
from tapegrad.autograd.ops.elementwise import add, mul
from tapegrad.autograd.ops.shape import _expand_core, _permute_core, _reshape_core, common_shape, expanded_shape, unsafe_view
from tapegrad.autograd.ops.strided import diagonal
from tapegrad.autograd.runtime import sum_to
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import is_array, xp

# ---- the product itself, on arrays


def _c_name(array: Any) -> str:
    """The dtype as torch names it in some of its errors."""
    return {"Float": "float", "Double": "double"}.get(kind := dtypes.of(array.dtype).scalar_type, kind)


def check_alike(a: Any, b: Any) -> None:
    """Raise torch's error unless both have one dtype."""
    if a.dtype != b.dtype:
        raise RuntimeError(f"expected scalar type {dtypes.of(a.dtype).scalar_type} but found {dtypes.of(b.dtype).scalar_type}")


def _differ(a: Any, b: Any) -> Exception:
    first, second = dtypes.of(a.dtype).scalar_type, dtypes.of(b.dtype).scalar_type
    if a.ndim == b.ndim == 1:
        return RuntimeError(f"dot : expected both vectors to have same dtype, but found {first} and {second}")
    if b.ndim == 1:
        return RuntimeError(f"addmv input tensors must have the same dtype, but got {second}, {first}, and {second}")
    if a.ndim > 2 and b.ndim > 2:
        return RuntimeError(f"expected scalar type {first} but found {second}")
    return RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {_c_name(a)} != {_c_name(b)}")


def _misfit(a: Any, b: Any) -> Exception:
    """torch's error for shapes that cannot be multiplied."""
    n, m = a.ndim, b.ndim
    if not n or not m:
        return RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D")
    if n == m == 1:
        return RuntimeError(f"inconsistent tensor size, expected tensor [{a.size}] and src [{b.size}] to have the same number of elements, but got "
                            f"{a.size} and {b.size} elements respectively")
    if m == 1:
        rows = math.prod(a.shape[:-1])
        return RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{a.shape[-1]}), vec ({b.size})")
    if m == 2:
        return RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({math.prod(a.shape[:-1])}x{a.shape[-1]} and {b.shape[0]}x{b.shape[1]})")
    batch = common_shape(a.shape[:-2], b.shape[:-2])
    size = math.prod(batch)
    return RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{size}, {a.shape[-1]}] but got: [{size}, {b.shape[-2]}].")


#: what BLAS multiplies as it stands
_BLAS = {np.dtype(name) for name in ("float32", "float64", "complex64", "complex128")}


def _product(input: Any, other: Any) -> Any:
    """NumPy's product of arrays of any rank, as stacks of matrices."""
    try:
        if input.dtype is not other.dtype and input.dtype != other.dtype:
            raise _differ(input, other)
        n, m = input.ndim, other.ndim
    except AttributeError:
        name, position, wrong = ("input", 1, input) if not hasattr(input, "ndim") else ("other", 2, other)
        raise TypeError(f"matmul(): argument '{name}' (position {position}) must be Tensor, not {type(wrong).__name__}") from None
    if input.dtype.kind not in "fc":
        if input.dtype.kind == "b" and input.size and other.size:
            raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")
        if input.dtype.kind == "V" and (input.__class__ is np.ndarray or n > 2 or m > 2):
            return _wide(input, other)
    elif input.dtype.itemsize == 2 and input.__class__ is np.ndarray:
        return _wide(input, other)
    try:
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
        return xp(input).matmul(_dense(input), _dense(other))
    except ValueError:
        raise _misfit(input, other) from None


def _wide(a: Any, b: Any) -> Any:
    """The product of half types through float32: NumPy has no fast product of them, and CuPy none of stacks of bfloat16."""
    from tapegrad.autograd.ops.convert import cast
    return cast(_product(a.astype(np.float32), b.astype(np.float32)), a.dtype)


def _dense(array: Any) -> Any:
    """`array` as BLAS takes its matrices: NumPy's loop for other strides is a hundred times as slow."""
    if array.ndim < 2 or array.flags.c_contiguous or array.__class__ is not np.ndarray:
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
            return _mm(other, grad)
        return _mm(grad, other.T)
    if m == 1:
        return grad * other if n == 1 else grad.reshape((*grad.shape, 1)) * other
    if n == 1:
        return sum_to(_mm(other, grad.reshape((*grad.shape, 1))).reshape((*other.shape[:-1],)), shape)
    return sum_to(_mm(grad, other.mT), shape)


def _to_right(grad: Any, input: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of the second factor, whose shape is `shape`."""
    n, m = input.ndim, len(shape)
    if n == 2 and m == 2:
        return _mm(input.T, grad)
    if n == 1:
        if m == 1:
            return grad * input
        return input.reshape((*input.shape, 1)) * grad.reshape((*grad.shape[:-1], 1, grad.shape[-1]))
    if m <= 2:
        rows = math.prod(input.shape[:-1])
        return _mm(input.reshape((rows, input.shape[-1])).T, grad.reshape((rows, *shape[1:])))
    return sum_to(_mm(input.mT, grad), shape)


def _product_op(name: str, **more: Any) -> Any:
    return op(input=lambda grad, other, input_shape: _to_left(grad, other, input_shape),
              other=lambda grad, input, other_shape: _to_right(grad, input, other_shape), types="free", name=name, **more)


@_product_op("mm", method=True)
def matmul(input: Any, other: Any) -> Any:
    """The product of two matrices, of stacks of them, or with vectors.

    Args:
        input: a tensor of at least one dimension: a vector, a matrix, or a stack of matrices.
        other: the same; stacks broadcast with each other.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3) @ tapegrad.ones(3, 2)
        tensor([[3., 3.],
                [3., 3.]])
    """
    return _product(input, other)


_matmul = matmul.op.core


def _mm(input: Any, other: Any) -> Any:
    """The product in a rule: of arrays at once, of tensors recorded."""
    return _matmul(input, other) if isinstance(input, Tensor) or isinstance(other, Tensor) else _product(input, other)


# Two matrices, much the most frequent case: their gradients need no shapes, and no choice by rank.


def _of_matrices(input: Any, other: Any) -> Any:
    if input.dtype is other.dtype and input.dtype in _BLAS and len(other) != 1:
        try:
            return input.dot(other)
        except ValueError:
            raise _misfit(input, other) from None
    return _product(input, other)


def _mm_of_matrices(input: Any, other: Any) -> Any:
    return _matrices(input, other) if isinstance(input, Tensor) or isinstance(other, Tensor) else _of_matrices(input, other)


_matrices = op(input=lambda grad, other: _mm_of_matrices(grad, other.T), other=lambda grad, input: _mm_of_matrices(input.T, grad), types="free", name="mm",
               public=False)(_of_matrices).op.core


def _operator(self: Any, other: Any) -> Any:
    if isinstance(other, Tensor):
        return _matrices(self, other) if self._array.ndim == 2 == other._array.ndim else _matmul(self, other)
    return _matmul(self, other) if is_array(other) else NotImplemented


def _reflected(self: Any, other: Any) -> Any:
    return _matmul(other, self) if is_array(other) else NotImplemented


Tensor.__matmul__ = _operator  # type: ignore[attr-defined]
Tensor.__rmatmul__ = _reflected  # type: ignore[attr-defined]


# ---- by rank


_mm_only, _bmm_only, _mv_only, _dot_only = (_product_op(name, public=False)(_product) for name in ("mm", "bmm", "mv", "dot"))


def _with_out(name: str, out: Any, result: Any) -> Any:
    if out is None:
        return result
    from tapegrad.autograd.inplace import store_out
    return store_out(name, out, result)


@composite(method=True)
def mm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """The product of two matrices.

    Args:
        input: a matrix.
        mat2: a matrix with as many rows as `input` has columns.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.mm(tapegrad.ones(2, 3), tapegrad.ones(3, 1))
        tensor([[3.],
                [3.]])
    """
    for name, x in (("self", input), ("mat2", mat2)):
        if raw(x).ndim != 2:
            raise RuntimeError(f"{name} must be a matrix")
    return _with_out("mm", out, _mm_only(input, mat2))


@composite(method=True)
def bmm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """The products of two stacks of matrices.

    Args:
        input: a stack of matrices, of three dimensions.
        mat2: as many matrices.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.bmm(tapegrad.ones(5, 2, 3), tapegrad.ones(5, 3, 1)).shape
        torch.Size([5, 2, 1])
    """
    a, b = raw(input), raw(mat2)
    for name, x in (("batch1", a), ("batch2", b)):
        if x.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] but got: "
                           f"[{b.shape[0]}, {b.shape[1]}].")
    return _with_out("bmm", out, _bmm_only(input, mat2))


@composite(method=True)
def mv(input: Any, vec: Any, *, out: Any = None) -> Any:
    """The product of a matrix and a vector.

    Args:
        input: a matrix.
        vec: a vector with as many elements as `input` has columns.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.mv(tapegrad.ones(2, 3), tapegrad.ones(3))
        tensor([3., 3.])
    """
    n, m = raw(input).ndim, raw(vec).ndim
    if n != 2 or m != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {n}, {m}")
    return _with_out("mv", out, _mv_only(input, vec))


@composite(method=True)
def dot(input: Any, tensor: Any, *, out: Any = None) -> Any:
    """The sum of the products of the elements of two vectors.

    Args:
        input: a vector.
        tensor: a vector with as many elements.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: they are no vectors, or their sizes or dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.dot(tapegrad.tensor([1, 2]), tapegrad.tensor([3, 4]))
        tensor(11)
    """
    n, m = raw(input).ndim, raw(tensor).ndim
    if n != 1 or m != 1:
        raise RuntimeError(f"1D tensors expected, but got {n}D and {m}D tensors")
    return _with_out("dot", out, _dot_only(input, tensor))


@composite(method=True)
def vdot(input: Any, other: Any, *, out: Any = None) -> Any:
    """The sum of the products of the elements of two vectors, those of the first conjugated.

    Args:
        input: a vector.
        other: a vector with as many elements.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: they are no vectors, or their sizes or dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.vdot(tapegrad.tensor([1j, 2]), tapegrad.tensor([1j, 3]))
        tensor(7.+0.j)
    """
    return dot(input.conj() if raw(input).dtype.kind == "c" else input, other, out=out)


@composite(method=True)
def inner(input: Any, other: Any, *, out: Any = None) -> Any:
    """The sums of products over the last dimension of both tensors.

    Args:
        input: a tensor.
        other: a tensor whose last dimension has the same size; or one of both has no dimensions.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the last dimensions differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.inner(tapegrad.tensor([[1, 2], [3, 4]]), tapegrad.tensor([1, 1]))
        tensor([3, 7])
    """
    a, b = raw(input), raw(other)
    if not a.ndim or not b.ndim:
        return mul(input, other, out=out)
    if a.shape[-1] != b.shape[-1]:
        raise RuntimeError(f"inner() the last dimension must match on both input tensors but got shapes {list(a.shape)} and {list(b.shape)}")
    return _with_out("inner", out, tensordot(input, other, ([-1], [-1])))


@composite(method=True)
def outer(input: Any, vec2: Any, *, out: Any = None) -> Any:
    """The products of each element of one vector and each of another.

    Args:
        input: a vector, along the rows.
        vec2: a vector, along the columns.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: one is no vector.

    Example:
        >>> import tapegrad
        >>> tapegrad.outer(tapegrad.tensor([1, 2]), tapegrad.tensor([1, 3]))
        tensor([[1, 3],
                [2, 6]])
    """
    for name, x in (("self", input), ("vec2", vec2)):
        if raw(x).ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {raw(x).ndim}-D")
    return mul(_reshape_core(input, (raw(input).size, 1)), vec2, out=out)


@composite(method=True)
def ger(input: Any, vec2: Any, *, out: Any = None) -> Any:
    """`outer` by BLAS' name.

    Args:
        input: a vector, along the rows.
        vec2: a vector, along the columns.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.ger(tapegrad.ones(2), tapegrad.ones(3)).shape
        torch.Size([2, 3])
    """
    return outer(input, vec2, out=out)


# ---- a product, and something added


def _scaled(value: Any, factor: float) -> Any:
    """`value` times a number, which is cut to an integer beside integers."""
    if factor.__class__ is float and raw(value).dtype not in dtypes.INEXACT:
        factor = int(factor)
    return value if factor == 1 else value * factor


@op(input=lambda grad, input_shape, beta: _scaled(sum_to(grad, input_shape), beta),
    mat1=lambda grad, mat2, alpha: _scaled(_mm(grad, mat2.T), alpha), mat2=lambda grad, mat1, alpha: _scaled(_mm(mat1.T, grad), alpha),
    types="free", method=True, inplace=True)
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)``.

    Args:
        input: a tensor that broadcasts to the product; not looked at where `beta` is 0.
        mat1: a matrix.
        mat2: a matrix with as many rows as `mat1` has columns.
        beta: the factor of `input`.
        alpha: the factor of the product.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.addmm(tapegrad.ones(2), tapegrad.ones(1, 3), tapegrad.ones(3, 2))
        tensor([[4., 4.]])
    """
    for name, x in (("mat1", mat1), ("mat2", mat2)):
        if x.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {x.ndim}-D tensor")
    if input.dtype != mat2.dtype:
        raise RuntimeError(f"self and mat2 must have the same dtype, but got {dtypes.of(input.dtype).scalar_type} and {dtypes.of(mat2.dtype).scalar_type}")
    result = _product(mat1, mat2)
    if input.shape != result.shape[-1:] and input.shape != result.shape:
        expanded_shape(input, result.shape)
    result = _scaled(result, alpha)
    if beta == 0:
        return result
    result += _scaled(input, beta)
    return result


def _plus(input: Any, product: Any, beta: float, alpha: float, out: Any) -> Any:
    """``beta * input + alpha * product``, where `input` must broadcast to the product."""
    expanded_shape(raw(input), raw(product).shape)
    product = _scaled(product, alpha)
    if beta == 0:
        return _with_out("add", out, product)
    return add(_scaled(input, beta), product, out=out)


@composite(method=True, inplace=True)
def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """``beta * input + alpha * (mat @ vec)``.

    Args:
        input: a tensor that broadcasts to the product; not looked at where `beta` is 0.
        mat: a matrix.
        vec: a vector with as many elements as `mat` has columns.
        beta: the factor of `input`.
        alpha: the factor of the product.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.addmv(tapegrad.ones(2), tapegrad.ones(2, 3), tapegrad.ones(3))
        tensor([4., 4.])
    """
    have, matrix = raw(input), raw(mat)
    if have.dtype != matrix.dtype:
        kinds = [dtypes.of(x.dtype).scalar_type for x in (have, matrix, raw(vec))]
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {kinds[0]}, {kinds[1]}, and {kinds[2]}")
    product = mv(mat, vec)
    if have.ndim > 1 or have.size not in (1, matrix.shape[0]):
        raise RuntimeError(f"size mismatch, got input ({have.size}), mat ({matrix.shape[0]}x{matrix.shape[1]}), vec ({raw(vec).size})")
    return _plus(input, product, beta, alpha, out)


@composite(method=True, inplace=True)
def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """``beta * input + alpha * outer(vec1, vec2)``.

    Args:
        input: a tensor that broadcasts to the product; not looked at where `beta` is 0.
        vec1: a vector.
        vec2: a vector.
        beta: the factor of `input`.
        alpha: the factor of the product.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import tapegrad
        >>> tapegrad.addr(tapegrad.ones(1, 2), tapegrad.ones(1), tapegrad.ones(2))
        tensor([[2., 2.]])
    """
    for name, x in (("vec1", vec1), ("vec2", vec2)):
        if raw(x).ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {raw(x).ndim}-D")
    return _plus(input, outer(vec1, vec2), beta, alpha, out)


@composite(method=True, inplace=True)
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``.

    Args:
        input: a tensor that broadcasts to one product; not looked at where `beta` is 0.
        batch1: a stack of matrices, of three dimensions.
        batch2: as many matrices.
        beta: the factor of `input`.
        alpha: the factor of the sum of products.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.addbmm(tapegrad.ones(1, 1), tapegrad.ones(5, 1, 2), tapegrad.ones(5, 2, 1))
        tensor([[11.]])
    """
    a, b = raw(batch1), raw(batch2)
    for name, x in (("batch1", a), ("batch2", b)):
        if x.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if a.shape[0] != b.shape[0]:
        raise RuntimeError(f"batch1 and batch2 must have same number of batches, got {a.shape[0]} and {b.shape[0]}")
    if a.shape[2] != b.shape[1]:
        raise RuntimeError(f"Incompatible matrix sizes for bmm ({a.shape[1]}x{a.shape[2]} and {b.shape[1]}x{b.shape[2]})")
    if raw(input).dtype != b.dtype:
        raise RuntimeError(f"self and mat2 must have the same dtype, but got {dtypes.of(raw(input).dtype).scalar_type} and {dtypes.of(b.dtype).scalar_type}")
    # One product of the matrices side by side.
    count, rows, between = a.shape
    left = _reshape_core(_permute_core(batch1, (1, 0, 2)), (rows, count * between))
    return _plus(input, _mm(left, _reshape_core(batch2, (count * between, b.shape[2]))), beta, alpha, out)


@composite(method=True, inplace=True)
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2)``.

    Args:
        input: a tensor that broadcasts to the products; not looked at where `beta` is 0.
        batch1: a stack of matrices, of three dimensions.
        batch2: as many matrices.
        beta: the factor of `input`.
        alpha: the factor of the products.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.baddbmm(tapegrad.ones(1, 1), tapegrad.ones(5, 1, 2), tapegrad.ones(5, 2, 1)).shape
        torch.Size([5, 1, 1])
    """
    names = [_c_name(raw(x)) for x in (input, batch1, batch2)]
    if len(set(names)) > 1:
        raise RuntimeError(f"Input dtypes must be the same, got: input {names[0]}, batch1: {names[1]}, batch2: {names[2]}")
    return _plus(input, bmm(batch1, batch2), beta, alpha, out)


# ---- products of tensors


@composite()
def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """The sums of products over dimensions of both tensors.

    Args:
        a: a tensor.
        b: a tensor of the same dtype.
        dims: how many: the last ones of `a` with the first ones of `b`; or a list of dimensions for each.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the sizes of the dimensions differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensordot(tapegrad.ones(2, 3, 4), tapegrad.ones(4, 3), ([1, 2], [1, 0]))
        tensor([12., 12.])
    """
    first, second = raw(a), raw(b)
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, (tuple, list)):
        ours, theirs = ([x] if isinstance(x, int) else list(x) for x in dims)
    else:
        count = integer(dims)
        if count < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={count}")
        if count > min(first.ndim, second.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={count}")
        ours, theirs = [*range(-count, 0)], [*range(count)]
    if len(ours) != len(theirs):
        raise RuntimeError("both dimension lists should have same length")
    left, right = [wrap(x, first.ndim) for x in ours], [wrap(x, second.ndim) for x in theirs]
    for x, y, p, q in zip(left, right, ours, theirs):
        if first.shape[x] != second.shape[y]:
            if 1 not in (first.shape[x], second.shape[y]):
                raise RuntimeError(f"contracted dimensions need to match, but first has size {first.shape[x]} in dim {p} and second has size "
                                   f"{second.shape[y]} in dim {q}")
            if first.shape[x] == 1:
                b = b.sum(y, True)
            else:
                a = a.sum(x, True)
    first, second = raw(a), raw(b)
    rows = [i for i in range(first.ndim) if i not in left]
    columns = [i for i in range(second.ndim) if i not in right]
    between = math.prod([first.shape[i] for i in left])
    shape = tuple([first.shape[i] for i in rows]), tuple([second.shape[i] for i in columns])
    product = _mm(_reshape_core(_permute_core(a, (*rows, *left)), (math.prod(shape[0]), between)),
                  _reshape_core(_permute_core(b, (*right, *columns)), (between, math.prod(shape[1]))))
    return _with_out("tensordot", out, unsafe_view(product, shape[0] + shape[1]))


@composite(method=True)
def kron(input: Any, other: Any, *, out: Any = None) -> Any:
    """The Kronecker product: each element of `input` times all of `other`, in its place.

    Args:
        input: a tensor.
        other: a tensor; where the numbers of dimensions differ, ones are put in front.
        out: a tensor to write the result to.

    Example:
        >>> import tapegrad
        >>> tapegrad.kron(tapegrad.tensor([1, 2]), tapegrad.tensor([1, 1]))
        tensor([1, 1, 2, 2])
    """
    a, b = raw(input).shape, raw(other).shape
    ndim = max(len(a), len(b))
    a, b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    spread = _reshape_core(input, tuple([n for m in a for n in (m, 1)]))
    product = mul(spread, _reshape_core(other, tuple([n for m in b for n in (1, m)])))
    return _with_out("kron", out, unsafe_view(product, tuple([n * m for n, m in zip(a, b)])))


@composite(method=True)
def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix.

    Args:
        input: a matrix.

    Raises:
        RuntimeError: it has another number of dimensions.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([[1, 2], [3, 4]]).trace()
        tensor(5)
    """
    if raw(input).ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {raw(input).ndim}")
    return diagonal(input).sum()


@op(input=lambda grad, other, dim: _cross(other, grad, dim), other=lambda grad, input, dim: _cross(grad, input, dim), name="linalg_cross",
    public=False)
def _cross(input: Any, other: Any, dim: int) -> Any:
    a0, a1, a2 = (input[(*[slice(None)] * dim, i)] for i in range(3))
    b0, b1, b2 = (other[(*[slice(None)] * dim, i)] for i in range(3))
    return xp(input).stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=dim)


@composite(method=True)
def cross(input: Any, other: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """The vector products along a dimension of size 3.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, of as many dimensions.
        dim: the dimension; None: the first of size 3, which is deprecated.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the dimension has another size, or the numbers of dimensions differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.cross(tapegrad.tensor([1, 0, 0]), tapegrad.tensor([0, 1, 0]), dim=0)
        tensor([0, 0, 1])
    """
    a, b = raw(input), raw(other)
    if a.ndim != b.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if dim is None:
        dim = next((i for i, n in enumerate(a.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
        if a.ndim > 1:
            warnings.warn("Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or simply use "
                          "torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross in a future release.", stacklevel=2)
    dim = wrap(dim, a.ndim)
    check_alike(a, b)
    if a.shape[dim] != 3 or b.shape[dim] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {a.shape[dim]} and {b.shape[dim]}")
    shape = common_shape(a.shape, b.shape)
    return _with_out("cross", out, _cross(_expand_core(input, shape), _expand_core(other, shape), dim))


@composite(public=False)
def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of several matrices, in the order that takes the fewest multiplications.

    Args:
        *matrices: matrices, each with as many rows as the one before has columns.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: one is no matrix, or the shapes do not fit.

    Example:
        >>> import tapegrad, warnings
        >>> warnings.simplefilter("ignore")
        >>> tapegrad.chain_matmul(tapegrad.ones(2, 3), tapegrad.ones(3, 4), tapegrad.ones(4, 1))
        tensor([[12.],
                [12.]])
    """
    warnings.warn("torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot instead, which accepts a list "
                  "of two or more tensors rather than multiple parameters.", stacklevel=2)
    for x in matrices:
        if raw(x).ndim != 2:
            raise RuntimeError(f"multi_dot(): all tensors must be 2D but got {raw(x).ndim}D")
    return _with_out("chain_matmul", out, multiply_chain(list(matrices)))


def multiply_chain(matrices: list[Any]) -> Any:
    """The product of matrices, in the order that takes the fewest multiplications.

    Source: Cormen, Leiserson, Rivest and Stein, Introduction to Algorithms, section "Matrix-chain multiplication".
    """
    n = len(matrices)
    sizes = [raw(matrices[0]).shape[0], *[raw(x).shape[1] for x in matrices]]
    cost = [[0] * n for _ in matrices]
    cut = [[0] * n for _ in matrices]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min((cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))

    def product(i: int, j: int) -> Any:
        return matrices[i] if i == j else _mm(product(i, cut[i][j]), product(cut[i][j] + 1, j))

    return product(0, n - 1)


__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "chain_matmul", "cross", "dot", "ger", "inner", "kron", "matmul", "mm", "mv", "outer", "tensordot",
    "trace", "vdot",
]
