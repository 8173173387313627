"""Products with something added, and products of tensors of any rank."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import along, over, raised
from tapegrad.autograd.dispatch.decorator import composite, exported, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.dims import common_shape, expanded_shape, integer, wrap
from tapegrad.autograd.ops.common.tangents import added, through
from tapegrad.autograd.ops.linalg.matmul import (
    array_product,
    bmm,
    check_alike,
    matrix_product,
    multiplied,
    mv,
    outer,
    type_of,
)
from tapegrad.autograd.ops.pointwise.arithmetic import add, mul
from tapegrad.autograd.ops.shape.as_strided import diagonal
from tapegrad.autograd.ops.shape.expand import expand_to
from tapegrad.autograd.ops.shape.reshape import reshape_to, unsafe_view
from tapegrad.autograd.ops.shape.transpose import permute_to
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp

# ---- a product, and something added


def _scaled(value: Any, factor: float) -> Any:
    """`value` times a number, which is cut to an integer beside integers."""
    if factor.__class__ is float and not dtypes.is_inexact(raw(value).dtype):
        factor = int(factor)
    return value if factor == 1 else value * factor


@op(
    input=lambda grad, input_shape, beta: _scaled(sum_to(grad, input_shape), beta),
    mat1=lambda grad, mat2, alpha: _scaled(matrix_product(grad, mat2.T), alpha),
    mat2=lambda grad, mat1, alpha: _scaled(matrix_product(mat1.T, grad), alpha),
    operands="free",
    method=True,
    inplace=True,
    jvp=lambda d_input, d_mat1, d_mat2, mat1, mat2, beta, alpha: _addmm_tangent(
        d_input, d_mat1, d_mat2, mat1, mat2, beta, alpha
    ),
    batch=lambda batched, input, mat1, mat2, beta, alpha: _addmm_in_batch(batched, input, mat1, mat2, beta, alpha),
)
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
        >>> tapegrad.addmm(tapegrad.ones(2), tapegrad.ones(1, 3), tapegrad.ones(3, 2))
        tensor([[4., 4.]])
    """
    _check_addmm(input, mat1, mat2, mat1.ndim, mat2.ndim)
    result = array_product(mat1, mat2)
    if input.shape != result.shape[-1:] and input.shape != result.shape:
        expanded_shape(input, result.shape)
    result = _scaled(result, alpha)
    if beta == 0:
        return result
    result += _scaled(input, beta)
    return result


def _check_addmm(input: Any, mat1: Any, mat2: Any, n: int, m: int) -> None:
    for name, ndim in (("mat1", n), ("mat2", m)):
        if ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {ndim}-D tensor")
    if input.dtype != mat2.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {dtypes.of(input.dtype).scalar_type} and "
            f"{dtypes.of(mat2.dtype).scalar_type}"
        )


def _addmm_tangent(d_input: Any, d_mat1: Any, d_mat2: Any, mat1: Any, mat2: Any, beta: float, alpha: float) -> Any:
    product = added(through(matrix_product, d_mat1, mat2), None if d_mat2 is None else matrix_product(mat1, d_mat2))
    return added(through(_scaled, d_input if beta else None, beta), through(_scaled, product, alpha))


def _addmm_in_batch(batched: frozenset[str], input: Any, mat1: Any, mat2: Any, beta: float, alpha: float) -> Any:
    ours, theirs = "mat1" in batched, "mat2" in batched
    _check_addmm(raw(input), raw(mat1), raw(mat2), raw(mat1).ndim - ours, raw(mat2).ndim - theirs)
    product = _scaled(
        multiplied([name for name, given in (("input", ours), ("other", theirs)) if given], mat1, mat2), alpha
    )
    own = raised(input, 2) if "input" in batched else input
    size = next(raw(x).shape[0] for x, name in ((input, "input"), (mat1, "mat1"), (mat2, "mat2")) if name in batched)
    shape = (size, *raw(product).shape[-2:])
    expanded_shape(raw(own), shape)
    return expand_to(product, shape) if beta == 0 else add(_scaled(own, beta), product)


def _plus(input: Any, product: Any, beta: float, alpha: float, out: Any) -> Any:
    """``beta * input + alpha * product``, where `input` must broadcast to the product."""
    expanded_shape(raw(input), raw(product).shape)
    product = _scaled(product, alpha)
    if beta == 0:
        return stored("add", out, product)
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

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> tapegrad.addmv(tapegrad.ones(2), tapegrad.ones(2, 3), tapegrad.ones(3))
        tensor([4., 4.])
    """
    have, matrix = raw(input), raw(mat)
    if have.dtype != matrix.dtype:
        kinds = [dtypes.of(x.dtype).scalar_type for x in (have, matrix, raw(vec))]
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {kinds[0]}, {kinds[1]}, and {kinds[2]}"
        )
    product = mv(mat, vec)
    if have.ndim > 1 or have.size not in (1, matrix.shape[0]):
        raise RuntimeError(
            f"size mismatch, got input ({have.size}), mat ({matrix.shape[0]}x{matrix.shape[1]}), vec ({raw(vec).size})"
        )
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

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
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

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
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
        raise RuntimeError(
            f"Incompatible matrix sizes for bmm ({a.shape[1]}x{a.shape[2]} and {b.shape[1]}x{b.shape[2]})"
        )
    if raw(input).dtype != b.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {dtypes.of(raw(input).dtype).scalar_type} and "
            f"{dtypes.of(b.dtype).scalar_type}"
        )
    # One product of the matrices side by side.
    count, rows, between = a.shape
    left = reshape_to(permute_to(batch1, (1, 0, 2)), (rows, count * between))
    return _plus(input, matrix_product(left, reshape_to(batch2, (count * between, b.shape[2]))), beta, alpha, out)


@composite(method=True, inplace=True)
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2)``.

    Args:
        input: a tensor that broadcasts to the products; not looked at where `beta` is 0.
        batch1: a stack of matrices, of three dimensions.
        batch2: as many matrices.
        beta: the factor of `input`.
        alpha: the factor of the products.

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.

    Example:
        >>> tapegrad.baddbmm(tapegrad.ones(1, 1), tapegrad.ones(5, 1, 2), tapegrad.ones(5, 2, 1)).shape
        torch.Size([5, 1, 1])
    """
    names = [type_of(raw(x)) for x in (input, batch1, batch2)]
    if len(set(names)) > 1:
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {names[0]}, batch1: {names[1]}, batch2: {names[2]}"
        )
    return _plus(input, bmm(batch1, batch2), beta, alpha, out)


# ---- products of tensors


@composite()
def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """The sums of products over dimensions of both tensors.

    Args:
        a: a tensor.
        b: a tensor of the same dtype.
        dims: how many: the last ones of `a` with the first ones of `b`; or a list of dimensions for each.

    Raises:
        RuntimeError: the sizes of the dimensions differ.

    Example:
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
                raise RuntimeError(
                    f"contracted dimensions need to match, but first has size {first.shape[x]} in dim {p} and second "
                    "has size "
                    f"{second.shape[y]} in dim {q}"
                )
            if first.shape[x] == 1:
                b = b.sum(y, True)
            else:
                a = a.sum(x, True)
    first, second = raw(a), raw(b)
    rows = [i for i in range(first.ndim) if i not in left]
    columns = [i for i in range(second.ndim) if i not in right]
    between = math.prod([first.shape[i] for i in left])
    shape = tuple([first.shape[i] for i in rows]), tuple([second.shape[i] for i in columns])
    product = matrix_product(
        reshape_to(permute_to(a, (*rows, *left)), (math.prod(shape[0]), between)),
        reshape_to(permute_to(b, (*right, *columns)), (between, math.prod(shape[1]))),
    )
    return stored("tensordot", out, unsafe_view(product, shape[0] + shape[1]))


@composite(method=True)
def inner(input: Any, other: Any, *, out: Any = None) -> Any:
    """The sums of products over the last dimension of both tensors.

    Args:
        other: a tensor whose last dimension has the same size; or one of both has no dimensions.

    Raises:
        RuntimeError: the last dimensions differ.

    Example:
        >>> tapegrad.inner(tapegrad.tensor([[1, 2], [3, 4]]), tapegrad.tensor([1, 1]))
        tensor([3, 7])
    """
    a, b = raw(input), raw(other)
    if not a.ndim or not b.ndim:
        return mul(input, other, out=out)
    if a.shape[-1] != b.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(a.shape)} and "
            f"{list(b.shape)}"
        )
    return stored("inner", out, tensordot(input, other, ([-1], [-1])))


@composite(method=True)
def kron(input: Any, other: Any, *, out: Any = None) -> Any:
    """The Kronecker product: each element of `input` times all of `other`, in its place.

    Args:
        other: a tensor; where the numbers of dimensions differ, ones are put in front.

    Example:
        >>> tapegrad.kron(tapegrad.tensor([1, 2]), tapegrad.tensor([1, 1]))
        tensor([1, 1, 2, 2])
    """
    a, b = raw(input).shape, raw(other).shape
    ndim = max(len(a), len(b))
    a, b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    spread = reshape_to(input, tuple([n for m in a for n in (m, 1)]))
    product = mul(spread, reshape_to(other, tuple([n for m in b for n in (1, m)])))
    return stored("kron", out, unsafe_view(product, tuple([n * m for n, m in zip(a, b)])))


@composite(method=True)
def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix.

    Raises:
        RuntimeError: it has another number of dimensions.

    Example:
        >>> tapegrad.tensor([[1, 2], [3, 4]]).trace()
        tensor(5)
    """
    if raw(input).ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {raw(input).ndim}")
    return diagonal(input).sum()


@op(
    input=lambda grad, other, dim: _cross(other, grad, dim),
    other=lambda grad, input, dim: _cross(grad, input, dim),
    name="linalg_cross",
    public=False,
    batch=over(dim=along),
    jvp=lambda d_input, d_other, input, other, dim: added(
        None if d_input is None else _cross(d_input, other, dim),
        None if d_other is None else _cross(input, d_other, dim),
    ),
)
def _cross(input: Any, other: Any, dim: int) -> Any:
    a0, a1, a2 = (input[(*[slice(None)] * dim, i)] for i in range(3))
    b0, b1, b2 = (other[(*[slice(None)] * dim, i)] for i in range(3))
    return xp(input).stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=dim)


@composite(method=True)
def cross(input: Any, other: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """The vector products along a dimension of size 3.

    Args:
        other: a tensor that broadcasts with it, of as many dimensions.
        dim: the dimension; None: the first of size 3, which is deprecated.

    Raises:
        RuntimeError: the dimension has another size, or the numbers of dimensions differ.

    Example:
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
            warnings.warn(
                "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim "
                "explicitly or simply use "
                "torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross in a "
                "future release.",
                stacklevel=2,
            )
    dim = wrap(dim, a.ndim)
    check_alike(a, b)
    if a.shape[dim] != 3 or b.shape[dim] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {a.shape[dim]} and {b.shape[dim]}"
        )
    shape = common_shape(a.shape, b.shape)
    return stored("cross", out, _cross(expand_to(input, shape), expand_to(other, shape), dim))


@exported
def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of several matrices, in the order that takes the fewest multiplications.

    Args:
        *matrices: matrices, each with as many rows as the one before has columns.

    Raises:
        RuntimeError: one is no matrix, or the shapes do not fit.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("ignore")
        >>> tapegrad.chain_matmul(tapegrad.ones(2, 3), tapegrad.ones(3, 4), tapegrad.ones(4, 1))
        tensor([[12.],
                [12.]])
    """
    warnings.warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use "
        "torch.linalg.multi_dot instead, which accepts a list "
        "of two or more tensors rather than multiple parameters.",
        stacklevel=2,
    )
    for x in matrices:
        if raw(x).ndim != 2:
            raise RuntimeError(f"multi_dot(): all tensors must be 2D but got {raw(x).ndim}D")
    return stored("chain_matmul", out, multiply_chain(list(matrices)))


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
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        return matrices[i] if i == j else matrix_product(product(i, cut[i][j]), product(cut[i][j] + 1, j))

    return product(0, n - 1)
