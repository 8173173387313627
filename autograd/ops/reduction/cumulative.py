"""Running sums, products and extremes along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import along, over
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.dispatch.primitives import cast
from tapegrad.autograd.ops.common.dims import part, places, wrap
from tapegrad.autograd.ops.common.half_precision import FLOAT32, INT64, in_float32, is_half
from tapegrad.autograd.ops.common.tangents import added
from tapegrad.autograd.ops.gather.along_dim import put_along, take_along
from tapegrad.autograd.ops.pointwise.exponential import exp
from tapegrad.autograd.ops.reduction.max_min import one_dim_in_batch
from tapegrad.autograd.ops.reduction.sum import as_type, axes, expand_reduced, floored
from tapegrad.autograd.ops.reduction.values_and_indices import itself, store_pair
from tapegrad.autograd.ops.shape.cat import cat
from tapegrad.backends import xp


def _flipped(array: Array, dim: int) -> Array:
    return array[part(dim, None, None, -1)] if array.ndim else array


def _dtypes(input: Array, dtype: Any) -> tuple[np.dtype, np.dtype]:
    """The dtypes of a running sum or product and to compute it in; integers give int64, unless ``dtype=`` was given."""
    result = INT64 if input.dtype.kind in "iub" and dtype is None else input.dtype
    return result, FLOAT32 if is_half(result) else result


def _accumulated(input: Array, dim: int, name: str, dtype: Any, backward: bool) -> Array:
    """NumPy's `cumsum` or `cumprod` along a dimension, from its end if `backward`."""
    if dtype is not None:
        input = as_type(input, dtype)
    result_dtype, inner_dtype = _dtypes(input, dtype)
    dim = wrap(dim, input.ndim)
    if not input.ndim:
        return input.astype(result_dtype)
    x = _flipped(input, dim) if backward else input
    result = getattr(x, name)(axis=dim, dtype=inner_dtype)
    result = _flipped(result, dim) if backward else result
    return result if result.dtype == result_dtype else result.astype(result_dtype)


# ---- sums


@op(
    input=lambda grad, dim, backward: running_sum(grad, dim, not backward),
    kind="linear",
    public=False,
    name="cumsum",
    batch=over(dim=along),
)
def running_sum(input: Array, dim: int, backward: bool) -> Array:
    """The running sum along `dim`, from its end if `backward`."""
    return _accumulated(input, dim, "cumsum", None, backward)


@op(input=lambda grad, dim: running_sum(grad, dim, True), kind="linear", method=True, inplace=True)
def cumsum(input: Array, dim: int, *, dtype: Any = None) -> Array:
    """The running sum along a dimension; integers and bool are added up as int64.

    Example:
        >>> tapegrad.cumsum(tapegrad.tensor([1.0, 2.0, 3.0]), 0)
        tensor([1., 3., 6.])
    """
    return _accumulated(input, dim, "cumsum", dtype, False)


# ---- products
#
# With y_i the product of the first i elements, the gradient of x_i is the product of the elements before it times
# S_i = g_i + x_{i+1} g_{i+1} + x_{i+1} x_{i+2} g_{i+2} + ... = g_i + x_{i+1} S_{i+1}, a linear recurrence.
# Nothing is divided by, so zeros are no exception, and the gradient of such a recurrence is one that runs the other
# way, so all orders are made of the same few ops.


@op(
    input=lambda grad, dim: shifted_back(grad, dim),
    kind="linear",
    public=False,
    jvp=lambda d_input, dim: shifted(d_input, dim),
    batch=over(dim=along),
)
def shifted(input: Array, dim: int, fill: float = 0) -> Array:
    """``result[i] = input[i - 1]``, and `fill` at the front."""
    result = xp(input).full(input.shape, fill, input.dtype)
    if input.ndim:
        result[part(dim, 1, None)] = input[part(dim, None, -1)]
    return result


@op(
    input=lambda grad, dim: shifted(grad, dim),
    kind="linear",
    public=False,
    jvp=lambda d_input, dim: shifted_back(d_input, dim),
    batch=over(dim=along),
)
def shifted_back(input: Array, dim: int, fill: float = 0) -> Array:
    """``result[i] = input[i + 1]``, and `fill` at the end."""
    result = xp(input).full(input.shape, fill, input.dtype)
    if input.ndim:
        result[part(dim, None, -1)] = input[part(dim, 1, None)]
    return result


def _recur(x: Array, c: Array, dim: int) -> Array:
    """``y[i] = x[i] + c[i] * y[i - 1]``, in log2(n) steps of the whole array."""
    y = x.copy()
    if not x.ndim:
        return y
    c = c.copy()
    distance = 1
    while distance < x.shape[dim]:
        late, early = part(dim, distance, None), part(dim, None, -distance)
        y[late] += c[late] * y[early]
        c[late] = c[late] * c[early]
        distance *= 2
    return y


def _recurrence_factor_rule(grad: Operand, factor: Operand, result: Operand, dim: int) -> Operand:
    return recurrence_back(grad, factor, dim) * shifted(result, dim)


def _recurrence_tangent(d_input: Operand, d_factor: Operand, factor: Operand, result: Operand, dim: int) -> Operand:
    by_factor = None if d_factor is None else d_factor * shifted(result, dim)
    return recurrence(added(d_input, by_factor), factor, dim)


@op(
    input=lambda grad, factor, dim: recurrence_back(grad, factor, dim),
    factor=_recurrence_factor_rule,
    public=False,
    batch=over(dim=along),
    jvp=_recurrence_tangent,
)
def recurrence(input: Array, factor: Array, dim: int) -> Array:
    """``y[i] = input[i] + factor[i] * y[i - 1]`` along `dim`."""
    return _recur(input, factor, dim)


def _recurrence_back_factor_rule(grad: Operand, factor: Operand, result: Operand, dim: int) -> Operand:
    return shifted(recurrence(grad, factor, dim), dim) * result


def _recurrence_back_tangent(
    d_input: Operand, d_factor: Operand, factor: Operand, result: Operand, dim: int
) -> Operand:
    by_factor = None if d_factor is None else shifted_back(d_factor * result, dim)
    return recurrence_back(added(d_input, by_factor), factor, dim)


@op(
    input=lambda grad, factor, dim: recurrence(grad, factor, dim),
    factor=_recurrence_back_factor_rule,
    public=False,
    batch=over(dim=along),
    jvp=_recurrence_back_tangent,
)
def recurrence_back(input: Array, factor: Array, dim: int) -> Array:
    """``y[i] = input[i] + factor[i + 1] * y[i + 1]`` along `dim`."""
    return _flipped(_recur(_flipped(input, dim), shifted(_flipped(factor, dim), dim), dim), dim)


def _in_type_of(result: Operand, input: Operand) -> Operand:
    """`input` in the dtype of `result`, which ``dtype=`` may have changed."""
    return input if raw(input).dtype == raw(result).dtype else cast(input, raw(result).dtype)


def _divisible(product: Operand) -> bool:
    """Whether a product of arrays can be divided by its factors again: nothing is lost where none of it is zero."""
    return product.__class__ is np.ndarray and bool(product.all() and np.isfinite(product).all())


def _cumprod_rule(grad: Operand, input: Operand, result: Operand, dim: int) -> Operand:
    dim = wrap(dim, input.ndim)
    if _divisible(result):  # which is faster
        return running_sum(grad * result, dim, True) / input
    return shifted(result, dim, 1) * recurrence_back(grad, _in_type_of(result, input), dim)


def _cumprod_tangent(d_input: Operand, input: Operand, result: Operand, dim: int) -> Operand:
    """``dy[i] = dx[i] * y[i - 1] + x[i] * dy[i - 1]``."""
    dim = wrap(dim, raw(input).ndim)
    return recurrence(shifted(result, dim, 1) * d_input, _in_type_of(result, input), dim)


@op(input=_cumprod_rule, method=True, inplace=True, jvp=_cumprod_tangent)
def cumprod(input: Array, dim: int, *, dtype: Any = None) -> Array:
    """The running product along a dimension; its gradient is exact where elements are zero.

    Integers and bool are multiplied as int64.

    Example:
        >>> tapegrad.cumprod(tapegrad.tensor([1.0, 2.0, 3.0]), 0)
        tensor([1., 2., 6.])
    """
    return _accumulated(input, dim, "cumprod", dtype, False)


def _cumprod_back_rule(grad: Operand, input: Operand, result: Operand, dim: int) -> Operand:
    return shifted_back(result, dim, 1) * recurrence(grad, shifted(input, dim), dim)


def _cumprod_back_tangent(d_input: Operand, input: Operand, result: Operand, dim: int) -> Operand:
    return recurrence_back(shifted_back(result, dim, 1) * d_input, shifted(input, dim), dim)


@op(input=_cumprod_back_rule, public=False, jvp=_cumprod_back_tangent)
def _cumprod_back(input: Array, dim: int) -> Array:
    """The running product from the end."""
    return _accumulated(input, dim, "cumprod", None, True)


def _products_of_others(input: Operand, dim: int) -> Operand:
    """For each element the product of the others along `dim`, exact where some are zero."""
    if input.__class__ is np.ndarray and input.ndim and not is_half(input.dtype):
        whole = input.prod(axis=dim, keepdims=True)
        if _divisible(whole):
            return whole / input
    return shifted(cumprod(input, dim), dim, 1) * shifted_back(_cumprod_back(input, dim), dim, 1)


def _prod_rule(grad: Operand, input: Operand, dim: int | None, keepdim: bool) -> Operand:
    shape = input.shape
    if dim is None:
        others = _products_of_others(input.reshape(-1), 0).reshape(shape)
    else:
        others = _products_of_others(input, wrap(dim, len(shape)))
    return expand_reduced(grad, shape, dim, keepdim) * others


def _prod_in_batch(batched: frozenset[str], input: Tensor, dim: int | None, keepdim: bool, dtype: Any) -> Tensor:
    return one_dim_in_batch(prod, input, dim, keepdim, dtype=dtype)


@op(input=_prod_rule, kind="reduction", method=True, batch=_prod_in_batch)
def prod(input: Array, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The product of all elements, or along a dimension; its gradient is exact where elements are zero.

    Integers and bool are multiplied as int64.

    Example:
        >>> x = tapegrad.tensor([2.0, 0.0, 3.0], requires_grad=True)
        >>> x.prod().backward()
        >>> x.grad
        tensor([0., 6., 0.])
    """
    if dtype is not None:
        input = as_type(input, dtype)
    result_dtype, inner_dtype = _dtypes(input, dtype)
    result = xp(input).multiply.reduce(input, axes(dim, input.ndim), inner_dtype, None, keepdim)
    return result if result.dtype == result_dtype else result.astype(result_dtype)


# ---- running extremes


def scanned(x: Array, dim: int, name: str) -> Array:
    """A ufunc such as `maximum` accumulated along a dimension.

    NumPy does that itself, CuPy in log2(n) steps of the whole array.
    """
    function = getattr(xp(x), name)
    if x.__class__ is np.ndarray:
        return function.accumulate(x, axis=dim)
    y = x.copy()
    distance = 1
    while distance < x.shape[dim]:
        late, early = part(dim, distance, None), part(dim, None, -distance)
        y[late] = function(y[late], y[early])
        distance *= 2
    return y


def _extreme_so_far(input: Array, dim: int, name: str) -> tuple[Array, Array]:
    dim = wrap(dim, input.ndim)
    if not input.ndim:
        return itself(input)
    if input.dtype.kind == "b":
        values, indices = _extreme_so_far(input.astype(np.uint8), dim, name)
        return values.astype(np.bool_), indices
    space = xp(input)
    values = scanned(input, dim, name)
    # The index of the latest element that is the extreme so far: the largest index up to here of such.
    indices = space.where((input == values) | (input != input), places(input, dim), space.zeros((), np.int64))
    return values, scanned(indices, dim, "maximum")


def _extreme_rule(grad: Operand, indices: Operand, input_shape: tuple[int, ...], dim: int) -> Operand:
    return put_along(grad[0], indices, wrap(dim, len(input_shape)), input_shape, True, False)


def _extreme_tangent(d_input: Operand, indices: Operand, dim: int) -> tuple[Operand, None]:
    return take_along(d_input, indices, wrap(dim, raw(d_input).ndim), True, False), None


def _running_extreme(name: str, ufunc: str) -> OpFunction:
    def function(input: Array, dim: int) -> tuple[Array, Array]:
        return _extreme_so_far(input, dim, ufunc)

    return op(input=_extreme_rule, outs=("values", "indices"), public=False, name=name, jvp=_extreme_tangent)(function)


_cummax, _cummin = _running_extreme("cummax", "maximum"), _running_extreme("cummin", "minimum")


@composite(method=True)
def cummax(input: Operand, dim: int, *, out: Operand = None) -> Any:
    """The largest element so far along a dimension, and its index; of equal ones the latest.

    Returns:
        A named pair (values, indices).

    Example:
        >>> tapegrad.cummax(tapegrad.tensor([1.0, 3.0, 2.0]), 0)
        torch.return_types.cummax(
        values=tensor([1., 3., 3.]),
        indices=tensor([0, 1, 1]))
    """
    return store_pair("cummax", out, _cummax(input, dim))


@composite(method=True)
def cummin(input: Operand, dim: int, *, out: Operand = None) -> Any:
    """The smallest element so far along a dimension, and its index; of equal ones the latest.

    Example:
        >>> tapegrad.cummin(tapegrad.tensor([2.0, 1.0, 3.0]), 0).values
        tensor([2., 1., 1.])
    """
    return store_pair("cummin", out, _cummin(input, dim))


# ---- logcumsumexp


def _logcumsumexp_rule(grad: Operand, input: Operand, result: Operand, dim: int) -> Operand:
    """The sum over k >= i of ``g[k] * exp(x[i] - y[k])``, as a recurrence whose factors are at most 1."""
    dim = wrap(dim, input.ndim)
    result = floored(result)
    return recurrence_back(grad, exp(shifted(result, dim) - result), dim) * exp(input - result)


def _logcumsumexp_tangent(d_input: Operand, input: Operand, result: Operand, dim: int) -> Operand:
    dim = wrap(dim, raw(input).ndim)
    result = floored(result)
    return recurrence(exp(input - result) * d_input, exp(shifted(result, dim) - result), dim)


@op(input=_logcumsumexp_rule, operands="float", method=True, jvp=_logcumsumexp_tangent)
@in_float32
def logcumsumexp(input: Array, dim: int) -> Array:
    """The logarithm of the running sum of exponentials along a dimension, without overflow.

    Example:
        >>> tapegrad.logcumsumexp(tapegrad.tensor([0.0, 0.0]), 0)
        tensor([0.0000, 0.6931])
    """
    dim = wrap(dim, input.ndim)
    if input.dtype.kind == "c":
        raise NotImplementedError('"logcumsumexp" not implemented for complex numbers')
    return scanned(input, dim, "logaddexp") if input.ndim else input.copy()


# ---- differences


@op(input=lambda grad, dim: _minus_diff_back(grad, dim), kind="linear", public=False, name="diff")
def _diff(input: Array, dim: int) -> Array:
    late, early = input[part(dim, 1, None)], input[part(dim, None, -1)]
    return late - early if input.dtype.kind != "b" else late != early


@op(input=lambda grad, dim: _diff(grad, dim), kind="linear", public=False)
def _minus_diff_back(input: Array, dim: int) -> Array:
    """The transposed of `_diff`: ``result[i] = input[i - 1] - input[i]``, with zeros beyond the ends."""
    shape = list(input.shape)
    shape[dim] += 1
    result = xp(input).zeros(shape, input.dtype)
    result[part(dim, 1, None)] = input
    result[part(dim, None, -1)] -= input
    return result


@composite(method=True)
def diff(
    input: Operand, n: int = 1, dim: int = -1, prepend: Operand = None, append: Operand = None, *, out: Operand = None
) -> Any:
    """Differences of neighbours along a dimension, `n` times over.

    Args:
        prepend: a tensor to put before `input` along `dim` first.
        append: a tensor to put after it.

    Raises:
        RuntimeError: `input` has no dimensions, or `n` is negative.

    Example:
        >>> tapegrad.diff(tapegrad.tensor([1, 4, 9]))
        tensor([3, 5])
    """
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap(dim, input.ndim)
    if prepend is not None or append is not None:
        input = cat([piece for piece in (prepend, input, append) if piece is not None], dim)
    result = input.clone() if n == 0 and hasattr(input, "clone") else input
    for _ in range(min(n, result.shape[dim])):
        result = _diff(result, dim)
    return stored("diff", out, result)
