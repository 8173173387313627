"""Reading and writing by index tensors along a dimension, by masks, and by flat positions."""
from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.gate import GRAD_OFF, gate, state
from tapegrad.autograd.op import composite, op
from tapegrad.autograd.ops.dims import c_name, raw, wrap
from tapegrad.autograd.ops.index import FULL, advanced, gather_by
from tapegrad.autograd.ops.shape import _expand_core, _reshape_core, common_shape
from tapegrad.autograd.ops.strided import diagonal
from tapegrad.autograd.size import Size
from tapegrad.autograd.tensor import Tensor, from_array, requires_grad
from tapegrad.backends import backend, xp

# On the host, where looking costs little, indices are looked at; on a device that would mean to wait, and they wrap as CuPy's do.


def _kind(array: Any) -> str:
    return dtypes.of(array.dtype).scalar_type


def _copy(array: Any) -> Any:
    """A copy in memory in order; of a NumPy scalar, which a gradient may be, an array."""
    return xp(array).array(array, order="C")


def _check_range(index: Any, n: int, dim: int, error: type[Exception] = RuntimeError, text: str = "", lowest: int = 0) -> None:
    """Raise unless all indices on the host lie between `lowest` and `n`."""
    if index.__class__ is np.ndarray and index.size and not (lowest <= index.min() and index.max() < n):
        wrong = next(i for i in index.reshape(-1).tolist() if not lowest <= i < n)
        raise error(f"{text}index {wrong} is out of bounds for dimension {dim} with size {n}")


def _check_same(name: str, a: Any, b: Any) -> None:
    if a.dtype != b.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")


# ---- one index for each element, along a dimension


def _check_index(name: str, input: Any, dim: Any, index: Any, src: Any = None) -> int:
    """The dimension counted from the front, once the shapes are known to fit."""
    dim = wrap(dim, input.ndim)
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if not index.size:
        return dim
    if (index.ndim or 1) != (input.ndim or 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor" if name == "gather" else
                           "Index tensor must have the same number of dimensions as self tensor")
    if src is not None and (src.ndim or 1) != (index.ndim or 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    too_large = next((k for k, (n, m) in enumerate(zip(index.shape, input.shape)) if k != dim and n > m), None)
    if name == "gather":
        if too_large is not None:
            raise RuntimeError(f"Size does not match at dimension {too_large} expected index {list(index.shape)} to be no larger than self {list(input.shape)} "
                               f"apart from dimension {dim}")
    elif too_large is not None or (src is not None and any(n > m for n, m in zip(index.shape, src.shape))):
        more = f" and to be no larger size than src {list(src.shape)}" if src is not None else ""
        raise RuntimeError(f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from dimension {dim}{more}")
    _check_range(index, input.shape[dim] if input.ndim else 1, dim)
    return dim


def _positions(index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """For each element of `index` the position, in memory in order, of the element of an array of `shape` that it names along `dim`."""
    if not shape:
        return index.reshape((-1,)) * 0
    steps = [math.prod(shape[k + 1:]) for k in range(len(shape))]
    result = index.astype(np.int64) * steps[dim]
    for k, (n, step) in enumerate(zip(index.shape, steps)):
        if k != dim and n > 1:
            result += (xp(index).arange(n) * step).reshape((n,) + (1,) * (len(shape) - 1 - k))
    return result.reshape((-1,))


@op(input=lambda grad, input_shape, dim, index: _scatter_zeros(grad, dim, index, input_shape), index=None, types="free", kind="linear", method=True)
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """The elements that an index names along a dimension: ``out[i, j] = input[index[i, j], j]`` for `dim` 0.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer tensor of as many dimensions, no larger than `input` in the others.
        sparse_grad: accepted; gradients are dense.

    Raises:
        RuntimeError: the shapes do not fit, or an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([[1, 2], [3, 4]]).gather(1, tapegrad.tensor([[0], [1]]))
        tensor([[1],
                [4]])
    """
    dim = _check_index("gather", input, dim, index)
    if not index.size:
        return xp(input).zeros(index.shape, input.dtype)
    return input.reshape((-1,)).take(_positions(index, dim, input.shape)).reshape(index.shape)


@op(src=lambda grad, dim, index: gather(grad, dim, index), index=None, types="free", kind="linear", public=False)
def _scatter_zeros(src: Any, dim: int, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape`, with `src` added where the index says: the adjoint of `gather`."""
    result = xp(src).zeros(math.prod(shape), src.dtype)
    if index.size:
        backend(src).scatter_add(result, _positions(index, dim % max(len(shape), 1), shape), src.reshape((-1,)))
    return result.reshape(shape)


@op(input=lambda grad: grad, index=None, src=lambda grad, dim, index: gather(grad, dim, index), types="free", kind="linear", name="scatter_add", public=False)
def _scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    result = _copy(input)
    if index.size:
        backend(input).scatter_add(result.reshape((-1,)), _positions(index, dim, input.shape), src.reshape((-1,)))
    return result


@op(input=lambda grad, dim, index: _scatter_value(grad, dim, index, 0), index=None, src=lambda grad, dim, index: gather(grad, dim, index), types="free",
    kind="linear", name="scatter", public=False)
def _scatter(input: Any, dim: int, index: Any, src: Any) -> Any:
    result = _copy(input)
    if index.size:
        result.reshape((-1,))[_positions(index, dim, input.shape)] = src.reshape((-1,))
    return result


@op(input=lambda grad, dim, index: _scatter_value(grad, dim, index, 0), index=None, types="free", kind="linear", name="scatter", public=False)
def _scatter_value(input: Any, dim: int, index: Any, value: Any) -> Any:
    result = _copy(input)
    if index.size:
        result.reshape((-1,))[_positions(index, dim % max(input.ndim, 1), input.shape)] = xp(result).full((), value, result.dtype)
    return result


def _fitting(src: Any, index: Any) -> Any:
    """The part of `src` that an index uses."""
    have, used = raw(src).shape, raw(index).shape
    return src[tuple([slice(n) for n in used])] if have != used and len(have) == len(used) else src


@composite(method=True, inplace=True)
def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """`input` with elements replaced where an index says: ``out[index[i, j], j] = src[i, j]`` for `dim` 0.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer tensor of as many dimensions, no larger than `input` in the others.
        src: a tensor at least as large as `index`, or a number.
        value: the number, by name.
        reduce: "add" or "multiply" to combine with what is there.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(2, 2).scatter(1, tapegrad.tensor([[0], [1]]), 5.0)
        tensor([[5., 0.],
                [0., 5.]])
    """
    src = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    array, where = raw(input), raw(index)
    if isinstance(src, (bool, int, float, complex)):
        dim = _check_index("scatter", array, dim, where)
        if reduce is None:
            return _scatter_value(input, dim, index, src)
        src = xp(array).full(where.shape, src, array.dtype)
    else:
        _check_same("scatter", array, raw(src))
        dim = _check_index("scatter", array, dim, where, raw(src))
        if reduce is None:
            return _scatter(input, dim, index, _fitting(src, index))
        warnings.warn("The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future PyTorch release. Use "
                      "torch.scatter_reduce instead for more reduction options.", stacklevel=2)
    return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")


@composite(method=True, inplace=True)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """`input` with elements added where an index says: ``out[index[i, j], j] += src[i, j]`` for `dim` 0.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer tensor of as many dimensions, no larger than `input` in the others.
        src: a tensor at least as large as `index`.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(2).scatter_add(0, tapegrad.tensor([0, 0, 1]), tapegrad.ones(3))
        tensor([2., 1.])
    """
    _check_same("scatter", raw(input), raw(src))
    dim = _check_index("scatter", raw(input), dim, raw(index), raw(src))
    return _scatter_add(input, dim, index, _fitting(src, index))


# ---- combining what meets


def _combine(target: Any, positions: Any, values: Any, how: str) -> Any:
    """The vector `target` with `values` multiplied in, or compared, at `positions`."""
    here = xp(target)
    function = {"prod": here.multiply, "amax": here.maximum, "amin": here.minimum}[how]
    if target.__class__ is np.ndarray or (how != "prod" and target.dtype.name in ("float32", "float64", "int32", "uint32", "uint64")):
        function.at(target, positions, values)
        return target
    # The devices have no atomic operation for the rest: values that meet are combined in log2(n) steps once they lie side by side, and written once.
    order = positions.argsort()
    at, found = positions[order], values[order]
    step = 1
    while step < at.size:
        longer = found.copy()
        longer[step:] = here.where(at[step:] == at[:-step], function(found[step:], found[:-step]), found[step:])
        found, step = longer, step * 2
    last = here.ones(at.shape, bool)
    last[:-1] = at[1:] != at[:-1]
    wide = here.concatenate([target, here.zeros(1, target.dtype)])
    at = here.where(last, at, target.size)
    wide[at] = function(wide[at], found)
    return wide[:-1]


def _start(input: Any, positions: Any, how: str, include_self: bool) -> Any:
    """The vector to combine into: `input`, or the neutral element where something comes in."""
    start = _copy(input).reshape((-1,))
    if not include_self:
        inexact = input.dtype in dtypes.INEXACT
        if how == "prod":
            neutral: Any = 1
        elif inexact:
            neutral = -math.inf if how == "amax" else math.inf
        else:
            info = np.iinfo(input.dtype) if input.dtype.kind != "b" else None
            neutral = (how == "amin") if info is None else info.min if how == "amax" else info.max
        start[positions] = xp(start).full((), neutral, start.dtype)
    return start


def _reduced(input: Any, dim: int, index: Any, src: Any, how: str, include_self: bool) -> Any:
    if not index.size:
        return _copy(input)
    positions = _positions(index, dim, input.shape)
    return _combine(_start(input, positions, how, include_self), positions, src.reshape((-1,)), how).reshape(input.shape)


@op(input=None, index=None, src=None, result=None, types="free", outs=("own", "others"), public=False)
def _shares(input: Any, dim: int, index: Any, src: Any, result: Any, include_self: bool) -> Any:
    """How the gradient of each extremum is divided among the elements that are it: the shares of `input`, and of `src`."""
    own = (input == result).astype(input.dtype)
    if not include_self:
        own = _scatter_value(own, dim, index, 0)
    others = (src == gather(result, dim, index)).astype(input.dtype)
    count = xp(input).maximum(_scatter_add(own, dim, index, others), xp(input).ones((), input.dtype))
    return own / count, others / gather(count, dim, index)


def _extremum_back(grad: Any, need: tuple[bool, ...], input: Any, dim: int, index: Any, src: Any, include_self: bool, result: Any) -> tuple[Any, ...]:
    own, others = _shares(input, dim, index, src, result, include_self)
    return grad * own, None, gather(grad, dim, index) * others


@op(input=None, index=None, src=None, joint=_extremum_back, types="free", name="scatter_reduce", public=False)
def _scatter_extremum(input: Any, dim: int, index: Any, src: Any, how: str, include_self: bool) -> Any:
    return _reduced(input, dim, index, src, how, include_self)


@op(input=None, public=False)
def _where_zero(input: Any) -> Any:
    """1 where `input` is zero, else 0."""
    return (input == 0).astype(input.dtype)


@op(src=None, index=None, types="free", public=False)
def _lone_zero(src: Any, dim: int, index: Any, shape: tuple[int, ...]) -> Any:
    """1 where `src` is the only zero among those that meet, else 0."""
    zero = _where_zero(src)
    return zero * (gather(_scatter_zeros(zero, dim, index, shape), dim, index) == 1)


def _prod_back(grad: Any, need: tuple[bool, ...], input: Any, dim: int, index: Any, src: Any, include_self: bool, result: Any) -> tuple[Any, ...]:
    """As torch's: the product of the others is the product by the element, and where that is zero, the product with a one in its place."""
    to_input = to_src = None
    if need[0]:
        # With a one for each zero, what is left is the product of what came in.
        zero = _where_zero(input)
        safe = input + zero
        if include_self:
            to_input = grad * _scatter_prod(safe, dim, index, src, True) / safe
        else:
            to_input = _scatter_value(grad, dim, index, 0)
    if need[2]:
        zero = _where_zero(src)
        lone = _lone_zero(src, dim, index, input.shape)
        filled = _scatter_prod(input, dim, index, src + lone, include_self)
        shared = gather(grad * result, dim, index) / (src + zero)
        to_src = shared * (1 - lone) + gather(grad * filled, dim, index) * lone
    return to_input, None, to_src


@op(input=None, index=None, src=None, joint=_prod_back, types="free", name="scatter_reduce", public=False)
def _scatter_prod(input: Any, dim: int, index: Any, src: Any, include_self: bool) -> Any:
    return _reduced(input, dim, index, src, "prod", include_self)


@composite(method=True, inplace=True)
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """`input` with elements combined where an index says, as in `scatter_add`.

    Where several extrema are equal, the gradient is divided among them. The second derivative of "prod" is not told where two or more zeros meet.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer tensor of as many dimensions, no larger than `input` in the others.
        src: a tensor at least as large as `index`.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: the elements of `input` themselves take part.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2).scatter_reduce(0, tapegrad.tensor([0, 0]), tapegrad.tensor([3.0, 5.0]), "amax")
        tensor([5., 1.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    array, where = raw(input), raw(index)
    _check_same("scatter", array, raw(src))
    dim = _check_index("scatter", array, dim, where, raw(src))
    src = _fitting(src, index)
    if reduce in ("amax", "amin"):
        return _scatter_extremum(input, dim, index, src, reduce, include_self)
    if reduce == "prod":
        return _scatter_prod(input, dim, index, src, include_self)
    total = _scatter_add(input if include_self else _scatter_value(input, dim, index, 0), dim, index, src)
    if reduce == "sum":
        return total
    count = (xp(array).ones if include_self else xp(array).zeros)(array.shape, array.dtype)
    count = xp(array).maximum(_scatter_add(count, dim, where, xp(array).ones(where.shape, array.dtype)), xp(array).ones((), array.dtype))
    return total / count if array.dtype in dtypes.INEXACT else total // count


# ---- one index for each item, along a dimension


def _check_vector(name: str, index: Any) -> None:
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")


def _items(input: Any, dim: int, index: Any) -> Any:
    """`input` as one with dimensions, and the index that names items of it."""
    return (*[FULL] * dim, index.reshape((-1,))) if dim else index.reshape((-1,))


def _at_least_1d(array: Any) -> Any:
    return array if array.ndim else array.reshape((1,))


@op(input=lambda grad, input_shape, dim, index: _add_items(grad, input_shape, dim, index), index=None, types="free", kind="linear", method=True)
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The items that an index names along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.

    Raises:
        IndexError: an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([[1, 2], [3, 4]]).index_select(1, tapegrad.tensor([1, 0]))
        tensor([[2, 1],
                [4, 3]])
    """
    dim = wrap(dim, input.ndim)
    _check_vector("index_select", index)
    if not input.ndim and index.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.size} value(s)")
    n = input.shape[dim] if input.ndim else 1
    if index.__class__ is np.ndarray and index.size and not (index.min() >= 0 and index.max() < n):
        raise IndexError("index out of range in self")
    if not input.ndim:
        return _copy(input)
    return input.take(index.reshape((-1,)), dim)


@op(grad=lambda grad, dim, index: index_select(grad, dim, index), index=None, types="free", kind="linear", public=False)
def _add_items(grad: Any, shape: tuple[int, ...], dim: int, index: Any) -> Any:
    """Zeros of `shape` with the items of `grad` added where the index says: the adjoint of `index_select`."""
    if not shape:
        return _copy(grad)
    result = xp(grad).zeros(shape, grad.dtype)
    backend(grad).scatter_add(result, _items(result, dim % len(shape), index), grad)
    return result


def _check_source(name: str, input: Any, dim: Any, index: Any, source: Any) -> int:
    dim = wrap(dim, input.ndim)
    _check_vector(name, index)
    if source.ndim and dim >= source.ndim:
        raise RuntimeError(f"{name}_(): Indexing dim {dim} is out of bounds of the source tensor with dim {source.ndim}")
    have = source.shape[dim] if source.ndim else 1
    if have != index.size:
        raise (IndexError(f"{name}_(): Number of indices ({index.size}) should be equal to source.size(dim) ({have})") if name == "index_copy" else
               RuntimeError(f"{name}_(): Number of indices ({index.size}) should be equal to source.size(dim): ({have}), for dim: {dim}"))
    if input.dtype != source.dtype:
        raise RuntimeError(f"index_copy_(): self and source expected to have the same dtype, but got (self) {_kind(input)} and (source) {_kind(source)}"
                           if name == "index_copy" else f"{name}_(): self ({_kind(input)}) and source ({_kind(source)}) must have the same scalar type")
    if name == "index_copy" and source.ndim and input.ndim and source.ndim != input.ndim:
        raise IndexError("index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality "
                         f"({source.ndim}), destination dimensionality ({input.ndim})")
    theirs, ours = source.shape[:dim] + source.shape[dim + 1:], input.shape[:dim] + input.shape[dim + 1:]
    if name == "index_copy" and theirs != ours:
        raise RuntimeError("index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
                           f"{' '.join(map(str, ours))} at dimension {dim} and source slice shape: {' '.join(map(str, theirs))} at dimension {dim}.")
    if theirs != ours or (not input.ndim and source.size != 1):
        raise RuntimeError("source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
                           f"{list(input.shape)} source.shape = {list(source.shape)}")
    return dim


@op(input=lambda grad: grad, index=None,
    source=lambda grad, dim, index, source_shape, alpha: _scaled(index_select(grad, dim, index).reshape(tuple(source_shape)), alpha),
    types="free", kind="linear", method=True, inplace=True)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """`input` with the items of `source` added where an index says along a dimension; those whose index repeats add up.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.
        source: a tensor of the same dtype, with as many items as `index`.
        alpha: the factor of `source`.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(2).index_add(0, tapegrad.tensor([1, 1]), tapegrad.tensor([3.0, 4.0]))
        tensor([0., 7.])
    """
    dim = _check_source("index_add", input, dim, index, source)
    _check_range(index, input.shape[dim] if input.ndim else 1, dim)
    if input.dtype not in dtypes.INEXACT:
        alpha = int(alpha)
    result = _at_least_1d(_copy(input))
    backend(result).scatter_add(result, _items(result, dim, index), _at_least_1d(source if alpha == 1 else source * alpha))
    return result.reshape(input.shape)


def _scaled(grad: Any, factor: float) -> Any:
    return grad if factor == 1 else grad * factor


@op(input=lambda grad, dim, index: index_fill(grad, dim, index, 0), index=None,
    source=lambda grad, dim, index, source_shape: index_select(grad, dim, index).reshape(tuple(source_shape)), types="free", kind="linear", method=True,
    inplace=True)
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """`input` with the items of `source` in the places that an index names along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.
        source: a tensor of the same dtype, with as many items as `index`.

    Raises:
        RuntimeError: the shapes or dtypes do not fit.
        IndexError: an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(3).index_copy(0, tapegrad.tensor([2, 0]), tapegrad.tensor([3.0, 4.0]))
        tensor([4., 0., 3.])
    """
    dim = _check_source("index_copy", input, dim, index, source)
    _check_range(index, input.shape[dim] if input.ndim else 1, dim, IndexError, "index_copy_(): ")
    result = _at_least_1d(_copy(input))
    result[_items(result, dim, index)] = _at_least_1d(source)
    return result.reshape(input.shape)


@op(input=lambda grad, dim, index: index_fill(grad, dim, index, 0), index=None,
    value=lambda grad, dim, index, value_shape: None if value_shape is None else index_select(grad, dim, index).sum(), types="free", kind="linear", method=True,
    inplace=True)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """`input` with one value in the places that an index names along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.
        value: a number, or a tensor without dimensions.

    Raises:
        IndexError: an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(3).index_fill(0, tapegrad.tensor([0, 2]), 5)
        tensor([5., 0., 5.])
    """
    dim = wrap(dim, input.ndim)
    if index.dtype not in (np.int64, np.int32):
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if getattr(value, "ndim", 0):
        raise RuntimeError(f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    n = input.shape[dim] if input.ndim else 1
    _check_range(index, n, dim, IndexError, lowest=-n)
    result = _at_least_1d(_copy(input))
    if not hasattr(value, "ndim"):
        if isinstance(value, complex) and result.dtype.kind != "c":
            raise RuntimeError(f"value cannot be converted to type {c_name(result.dtype)} without overflow")
        value = xp(result).full((), value, result.dtype)
    result[_items(result, dim, index)] = value
    return result.reshape(input.shape)


@composite(method=True, inplace=True)
def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """`input` with the items of `source` combined where an index says along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: an integer vector.
        source: a tensor of the same dtype, with as many items as `index`.
        reduce: "prod", "mean", "amax" or "amin".
        include_self: the items of `input` themselves take part.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2).index_reduce(0, tapegrad.tensor([1, 1]), tapegrad.tensor([3.0, 5.0]), "prod")
        tensor([ 1., 15.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    given = raw(source)
    dim = _check_source("index_reduce", raw(input), dim, raw(index), given)
    if given.ndim:
        index = _expand_core(_reshape_core(index, (-1,) + (1,) * (given.ndim - 1 - dim)), given.shape)
    return scatter_reduce(input, dim, index, source, reduce, include_self=include_self)


# ---- by a mask


def _mask_of(mask: Any, error: str) -> Any:
    found = raw(mask)
    if found.dtype.kind != "b":
        raise RuntimeError(error)
    return found


@composite(method=True)
def masked_select(input: Any, mask: Any, *, out: Any = None) -> Any:
    """The elements where a mask is True, as a vector.

    Args:
        input: a tensor.
        mask: a bool tensor that broadcasts with it.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the mask is not of dtype bool, or the shapes do not fit.

    Example:
        >>> import tapegrad
        >>> x = tapegrad.tensor([1, 2, 3])
        >>> x.masked_select(x > 1)
        tensor([2, 3])
    """
    found = _mask_of(mask, "masked_select: expected BoolTensor for mask")
    shape = common_shape(found.shape, raw(input).shape)
    if not shape:
        input, found, shape = _reshape_core(input, (1,)), found.reshape((1,)), (1,)
    recording = isinstance(input, Tensor) and not (gate.on and state.bits & GRAD_OFF) and requires_grad(input)
    if found.shape != shape:
        found = xp(found).broadcast_to(found, shape)
    if recording and isinstance(mask, Tensor):
        found = found.copy()
    result = gather_by(input if raw(input).shape == shape else _expand_core(input, shape), advanced(((0, found),)))
    if out is None:
        return result
    from tapegrad.autograd.inplace import store_out
    return store_out("masked_select", out, result)


def _order(mask: Any) -> Any:
    """For each element the number of True before it."""
    return mask.reshape((-1,)).cumsum().reshape(mask.shape) - 1


@op(input=lambda grad, mask: _unless(grad, mask), mask=None, source=lambda grad, mask, source_shape: _picked(grad, mask, source_shape), types="free",
    kind="linear", name="masked_scatter", public=False)
def _masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    if not source.size:
        return _copy(input)
    return xp(input).where(mask, source.reshape((-1,)).take(xp(mask).clip(_order(mask), 0, source.size - 1)), input)


@op(input=lambda grad, mask: _unless(grad, mask), mask=None, types="free", kind="linear", public=False)
def _unless(input: Any, mask: Any) -> Any:
    return xp(input).where(mask, xp(input).zeros((), input.dtype), input)


@op(input=lambda grad, input_shape, mask: _unpicked(grad, mask), mask=None, types="free", kind="linear", public=False)
def _picked(input: Any, mask: Any, shape: tuple[int, ...]) -> Any:
    """The elements where `mask` is True, in order, followed by zeros up to `shape`."""
    n = math.prod(shape)
    result = xp(input).zeros(n + 1, input.dtype)  # the last one takes what is not wanted
    positions = xp(mask).where(mask, xp(mask).minimum(_order(mask), n), n).reshape((-1,))
    result[positions] = input.reshape((-1,))
    return result[:n].reshape(shape)


@op(input=lambda grad, input_shape, mask: _picked(grad, mask, input_shape), mask=None, types="free", kind="linear", public=False)
def _unpicked(input: Any, mask: Any) -> Any:
    """The adjoint of `_picked`: zeros, but for the elements of `input` where `mask` is True."""
    return _masked_scatter(xp(input).zeros(mask.shape, input.dtype), mask, input)


@composite(method=True, inplace=True)
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """`input` with the first elements of `source`, in order, where a mask is True.

    Args:
        input: a tensor.
        mask: a bool tensor that broadcasts with it.
        source: a tensor of the same dtype with at least as many elements as the mask has True.

    Raises:
        RuntimeError: the mask is not of dtype bool, the dtypes differ, or `source` is too short.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(3).masked_scatter(tapegrad.tensor([True, False, True]), tapegrad.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    found = _mask_of(mask, f"masked_scatter_ only supports boolean masks, but got mask with dtype {_kind(raw(mask))}")
    array, given = raw(input), raw(source)
    if array.dtype != given.dtype:
        raise RuntimeError(f"masked_scatter: expected self and source to have same dtypes but got{_kind(array)} and {_kind(given)}")
    shape = common_shape(array.shape, found.shape)
    if found.shape != shape:
        mask = _expand_core(mask, shape)
    if array.shape != shape:
        input = _expand_core(input, shape)
    if found.__class__ is np.ndarray and np.count_nonzero(raw(mask)) > given.size:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    return _masked_scatter(input, mask, source)


# ---- by flat position


def _check_flat(index: Any, n: int) -> None:
    if index.__class__ is np.ndarray and index.size and not (index.min() >= -n and index.max() < n):
        wrong = next(i for i in index.reshape(-1).tolist() if not -n <= i < n)
        raise IndexError(f"out of range: tried to access index {wrong} on a tensor of {n} elements.")


def _check_long(name: str, index: Any) -> None:
    if index.dtype != np.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {_kind(index)}")


@op(input=lambda grad, input_shape, index: _untake(grad, input_shape, index), index=None, types="free", kind="linear", method=True)
def take(input: Any, index: Any) -> Any:
    """The elements at positions in the flattened tensor.

    Args:
        input: a tensor.
        index: an int64 tensor, of the shape of the result.

    Raises:
        IndexError: a position is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([[1, 2], [3, 4]]).take(tapegrad.tensor([0, 3]))
        tensor([1, 4])
    """
    _check_long("take", index)
    _check_flat(index, input.size)
    return input.reshape((-1,)).take(index)


@op(grad=lambda grad, index: take(grad, index), index=None, types="free", kind="linear", public=False)
def _untake(grad: Any, shape: tuple[int, ...], index: Any) -> Any:
    result = xp(grad).zeros(math.prod(shape), grad.dtype)
    backend(result).scatter_add(result, index.reshape((-1,)), grad.reshape((-1,)))
    return result.reshape(shape)


@op(input=lambda grad, index, accumulate: grad if accumulate else _put_zero(grad, index), index=None,
    source=lambda grad, index, source_shape: take(grad, index).reshape(tuple(source_shape)), types="free", kind="linear", method=True, inplace=True)
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """`input` with elements written at positions in the flattened tensor.

    Args:
        input: a tensor.
        index: an int64 tensor.
        source: a tensor of the same dtype with as many elements.
        accumulate: add to what is there; elements whose position repeats add up.

    Raises:
        IndexError: a position is out of range, or the numbers of elements differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(2, 2).put(tapegrad.tensor([0, 3]), tapegrad.tensor([1.0, 2.0]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    _check_long("put_", index)
    if input.dtype != source.dtype:
        raise RuntimeError(f"put_(): self and source expected to have the same dtype, but got self.dtype = {_kind(input)} and source.dtype = {_kind(source)}")
    if index.size != source.size:
        raise IndexError(f"put_(): Expected source and index to have the same number of elements, but got source.numel() = {source.size}, "
                         f"index.numel() = {index.size}")
    _check_flat(index, input.size)
    result = _copy(input)
    flat = result.reshape((-1,))
    if accumulate:
        backend(result).scatter_add(flat, index.reshape((-1,)), source.reshape((-1,)))
    else:
        flat[index.reshape((-1,))] = source.reshape((-1,))
    return result


@op(input=lambda grad, index: _put_zero(grad, index), index=None, types="free", kind="linear", public=False)
def _put_zero(input: Any, index: Any) -> Any:
    result = _copy(input)
    result.reshape((-1,))[index.reshape((-1,))] = xp(result).zeros((), result.dtype)
    return result


@composite(method=True)
def take_along_dim(input: Any, indices: Any, dim: int | None = None, *, axis: int | None = None, out: Any = None) -> Any:
    """The elements that an index, broadcast in the other dimensions, names along a dimension.

    Args:
        input: a tensor.
        indices: an int64 tensor of as many dimensions.
        dim: the dimension; None: of the flattened tensors.
        axis: the same by NumPy's name.
        out: a tensor to write the result to.

    Raises:
        RuntimeError: the numbers of dimensions differ, or an index is out of range.

    Example:
        >>> import tapegrad
        >>> x = tapegrad.tensor([[3, 1], [2, 4]])
        >>> tapegrad.take_along_dim(x, x.argsort(dim=1), dim=1)
        tensor([[1, 3],
                [2, 4]])
    """
    dim = dim if axis is None else axis
    array, where = raw(input), raw(indices)
    if where.dtype != np.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {_kind(where)}")
    if dim is None:
        return gather(_reshape_core(input, (-1,)), 0, _reshape_core(indices, (-1,)), out=out)
    if array.ndim != where.ndim:
        raise RuntimeError(f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got {array.ndim} dimensions for input, "
                           f"and {where.ndim} dimensions for indices")
    dim = wrap(dim, array.ndim)
    one = (1,)
    shape = common_shape(array.shape[:dim] + one + array.shape[dim + 1:], where.shape[:dim] + one + where.shape[dim + 1:])
    input = _expand_core(input, shape[:dim] + array.shape[dim:dim + 1] + shape[dim + 1:])
    return gather(input, dim, _expand_core(indices, shape[:dim] + where.shape[dim:dim + 1] + shape[dim + 1:]), out=out)


# ---- where the nonzero elements are


def _as(input: Any, array: Any) -> Any:
    """`array` as `input` is: a tensor, or an array."""
    return from_array(array) if isinstance(input, Tensor) else array


@composite(method=True)
def nonzero(input: Any, *, out: Any = None, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero, one in a row; or a vector of indices for each dimension.

    Args:
        input: a tensor.
        out: a tensor to write the result to.
        as_tuple: give a tuple of vectors, as an index.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([[0, 1], [2, 0]]).nonzero()
        tensor([[0, 1],
                [1, 0]])
    """
    array = raw(input)
    found = _at_least_1d(array).nonzero()
    if as_tuple:
        return tuple(_as(input, i) for i in found)
    result = _as(input, xp(array).stack(found, axis=1) if array.ndim else xp(array).zeros((found[0].size, 0), np.int64))
    if out is None:
        return result
    from tapegrad.autograd.inplace import store_out
    return store_out("nonzero", out, result)


@composite(method=True)
def argwhere(input: Any) -> Any:
    """The indices of the elements that are not zero, one in a row.

    Args:
        input: a tensor.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([0, 3]).argwhere()
        tensor([[1]])
    """
    return nonzero(input)


@composite()
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Positions in a flattened tensor as indices of each dimension.

    Args:
        indices: an integer tensor.
        shape: the shape of the tensor.

    Raises:
        TypeError: `indices` is no integer tensor.

    Example:
        >>> import tapegrad
        >>> tapegrad.unravel_index(tapegrad.tensor([0, 5]), (2, 3))
        (tensor([0, 1]), tensor([0, 2]))
    """
    array = raw(indices)
    if array.dtype.kind not in "iu":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {dtypes.of(array.dtype)}")
    shape = Size((shape,) if isinstance(shape, int) else shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(shape)}")
    return tuple(_as(indices, array // math.prod(shape[k + 1:]) % n) for k, n in enumerate(shape))


# ---- into a diagonal


@op(input=lambda grad, offset, dim1, dim2: _clear_diagonal(grad, offset, dim1, dim2), src=lambda grad, offset, dim1, dim2: diagonal(grad, offset, dim1, dim2),
    types="free", kind="linear", method=True)
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """`input` with a diagonal replaced by `src`.

    Args:
        input: a tensor of at least two dimensions.
        src: what to write, of the shape of ``input.diagonal(offset, dim1, dim2)``.
        offset: which diagonal: above the main one if positive, below if negative.
        dim1: the dimension of the rows.
        dim2: the dimension of the columns.

    Raises:
        RuntimeError: `src` has another shape.

    Example:
        >>> import tapegrad
        >>> tapegrad.zeros(2, 2).diagonal_scatter(tapegrad.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    result = _copy(input)
    part = diagonal(result, offset, dim1, dim2)
    if part.shape != src.shape:
        raise RuntimeError(f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(part.shape)}")
    part[...] = src
    return result


@op(input=lambda grad, offset, dim1, dim2: _clear_diagonal(grad, offset, dim1, dim2), kind="linear", public=False)
def _clear_diagonal(input: Any, offset: int, dim1: int, dim2: int) -> Any:
    result = _copy(input)
    diagonal(result, offset, dim1, dim2)[...] = 0
    return result


__all__ = [
    "argwhere", "diagonal_scatter", "gather", "index_add", "index_copy", "index_fill", "index_reduce", "index_select", "masked_scatter", "masked_select",
    "nonzero", "put", "scatter", "scatter_add", "scatter_reduce", "take", "take_along_dim", "unravel_index",
]
