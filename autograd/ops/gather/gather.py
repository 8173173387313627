"""Reading and writing by index tensors along a dimension, by masks, and by flat positions."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import along, over, sized
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.dims import wrap
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, xp
from tapegrad.backends.determinism import alert

# On the host, where looking costs little, indices are looked at; on a device that would mean to wait, so a kernel
# looks, and they wrap as CuPy's do.


#: the dtypes that an index may have
INDICES = frozenset((np.dtype(np.int64), np.dtype(np.int32)))
_UNSIGNED: dict[np.dtype, np.dtype] = {np.dtype(np.int64): np.dtype(np.uint64), np.dtype(np.int32): np.dtype(np.uint32)}


def scalar_type(array: Any) -> str:
    return dtypes.of(array.dtype).scalar_type


def ordered_copy(array: Any) -> Any:
    """A copy in memory in order; of a NumPy scalar, which a gradient may be, an array."""
    return xp(array).array(array, order="C")


def at_least_1d(array: Any) -> Any:
    return array if array.ndim else array.reshape((1,))


def outside(index: np.ndarray, n: int) -> bool:
    """Whether some index is negative, or not below `n`: read as unsigned, negative ones are large."""
    flat = index.reshape((-1,))
    return bool(np.maximum.reduce(flat.view(_UNSIGNED[flat.dtype])) >= n)


def check_range(
    name: str, index: Any, n: int, dim: int, error: type[Exception] = RuntimeError, text: str = "", lowest: int = 0
) -> None:
    """Raise unless all indices lie between `lowest` and `n`: on the host at once, on a device when it is next waited
    for.
    """
    if index.__class__ is not np.ndarray:
        backend(index).assert_index(index, lowest, n, name, dim)
    elif index.size and (outside(index, n) if lowest == 0 else not (lowest <= index.min() and index.max() < n)):
        wrong = next(i for i in index.reshape(-1).tolist() if not lowest <= i < n)
        raise error(f"{text}index {wrong} is out of bounds for dimension {dim} with size {n}")


def check_same_dtype(name: str, a: Any, b: Any) -> None:
    if a.dtype != b.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")


# ---- one index for each element, along a dimension


def check_index(name: str, input: Any, dim: Any, index: Any, src: Any = None) -> int:
    """The dimension counted from the front, once the shapes are known to fit."""
    dim = wrap(dim, input.ndim)
    if index.dtype not in INDICES:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if not index.size:
        return dim
    if (index.ndim or 1) != (input.ndim or 1):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as input tensor"
            if name == "gather"
            else "Index tensor must have the same number of dimensions as self tensor"
        )
    if src is not None and (src.ndim or 1) != (index.ndim or 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    too_large = None
    for k, (n, m) in enumerate(zip(index.shape, input.shape)):
        if n > m and k != dim:
            too_large = k
    if name == "gather":
        if too_large is not None:
            raise RuntimeError(
                f"Size does not match at dimension {too_large} expected index {list(index.shape)} to be no larger "
                f"than self {list(input.shape)} "
                f"apart from dimension {dim}"
            )
    elif too_large is not None or (src is not None and any(n > m for n, m in zip(index.shape, src.shape))):
        more = f" and to be no larger size than src {list(src.shape)}" if src is not None else ""
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from dimension "
            f"{dim}{more}"
        )
    check_range(name, index, input.shape[dim] if input.ndim else 1, dim)
    return dim


def flat_positions(index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """For each element of `index` the position, in memory in order, of the element of an array of `shape` that it names
    along `dim`.
    """
    if not shape:
        return index.reshape((-1,)) * 0
    step = math.prod(shape[dim + 1 :])
    result = index if step == 1 and index.dtype.itemsize == 8 else index.astype(np.int64) * step
    if len(shape) > 1:
        result = result + _starts(index, dim, shape)
    return result.reshape((-1,))


def _starts(index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """What the other dimensions add to the positions."""
    rest = (*index.shape[:dim], 1, *index.shape[dim + 1 :])
    if index.__class__ is np.ndarray and math.prod(rest) <= 4096:
        return _known_starts(rest, dim, shape)
    return _made_starts(xp(index), rest, dim, shape)


@lru_cache(256)
def _known_starts(rest: tuple[int, ...], dim: int, shape: tuple[int, ...]) -> Any:
    return _made_starts(np, rest, dim, shape)


def _made_starts(here: Any, rest: tuple[int, ...], dim: int, shape: tuple[int, ...]) -> Any:
    result: Any = 0
    for k, n in enumerate(rest):
        if k != dim:
            result = result + (here.arange(n) * math.prod(shape[k + 1 :])).reshape((n,) + (1,) * (len(shape) - 1 - k))
    return result


@op(
    input=lambda grad, input_shape, dim, index: scatter_zeros(grad, dim, index, input_shape),
    index=None,
    operands="free",
    kind="linear",
    method=True,
    batch=over(dim=along),
)
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """The elements that an index names along a dimension: ``out[i, j] = input[index[i, j], j]`` for `dim` 0.

    Args:
        index: an integer tensor of as many dimensions, no larger than `input` in the others.
        sparse_grad: accepted; gradients are dense.

    Raises:
        RuntimeError: the shapes do not fit, or an index is out of range.

    Example:
        >>> tapegrad.tensor([[1, 2], [3, 4]]).gather(1, tapegrad.tensor([[0], [1]]))
        tensor([[1],
                [4]])
    """
    dim = check_index("gather", input, dim, index)
    if not index.size:
        return xp(input).zeros(index.shape, input.dtype)
    return input.reshape((-1,)).take(flat_positions(index, dim, input.shape)).reshape(index.shape)


@op(
    src=lambda grad, dim, index: gather(grad, dim, index),
    index=None,
    operands="free",
    kind="linear",
    public=False,
    batch=over(dim=along, shape=sized),
)
def scatter_zeros(src: Any, dim: int, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape`, with `src` added where the index says: the adjoint of `gather`."""
    result = xp(src).zeros(math.prod(shape), src.dtype)
    if index.size:
        backend(src).scatter_add(result, flat_positions(index, dim % max(len(shape), 1), shape), src.reshape((-1,)))
    return result.reshape(shape)


@op(
    input=lambda grad: grad,
    index=None,
    src=lambda grad, dim, index: gather(grad, dim, index),
    operands="free",
    kind="linear",
    name="scatter_add",
    public=False,
    batch=over(dim=along),
)
def scatter_add_source(input: Any, dim: int, index: Any, src: Any) -> Any:
    result = ordered_copy(input)
    if index.size:
        backend(input).scatter_add(result.reshape((-1,)), flat_positions(index, dim, input.shape), src.reshape((-1,)))
    return result


@op(
    input=lambda grad, dim, index: scatter_value(grad, dim, index, 0),
    index=None,
    src=lambda grad, dim, index: gather(grad, dim, index),
    operands="free",
    kind="linear",
    name="scatter",
    public=False,
    batch=over(dim=along),
)
def scatter_source(input: Any, dim: int, index: Any, src: Any) -> Any:
    alert("scatter with src tensor and reduce=None", input)
    result = ordered_copy(input)
    if index.size:
        result.reshape((-1,))[flat_positions(index, dim, input.shape)] = src.reshape((-1,))
    return result


@op(
    input=lambda grad, dim, index: scatter_value(grad, dim, index, 0),
    index=None,
    operands="free",
    kind="linear",
    name="scatter",
    public=False,
    jvp=lambda d_input, dim, index: scatter_value(d_input, dim, index, 0),
    batch=over(dim=along),
)
def scatter_value(input: Any, dim: int, index: Any, value: Any) -> Any:
    result = ordered_copy(input)
    if index.size:
        result.reshape((-1,))[flat_positions(index, dim % max(input.ndim, 1), input.shape)] = xp(result).full(
            (), value, result.dtype
        )
    return result


def part_used(src: Any, index: Any) -> Any:
    """The part of `src` that an index uses."""
    have, used = raw(src).shape, raw(index).shape
    return src[tuple([slice(n) for n in used])] if have != used and len(have) == len(used) else src


@composite(method=True, inplace=True)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """`input` with elements added where an index says: ``out[index[i, j], j] += src[i, j]`` for `dim` 0.

    Args:
        index: an integer tensor of as many dimensions, no larger than `input` in the others.
        src: a tensor at least as large as `index`.

    Raises:
        RuntimeError: the shapes or dtypes do not fit, or an index is out of range.

    Example:
        >>> tapegrad.zeros(2).scatter_add(0, tapegrad.tensor([0, 0, 1]), tapegrad.ones(3))
        tensor([2., 1.])
    """
    check_same_dtype("scatter", raw(input), raw(src))
    dim = check_index("scatter", raw(input), dim, raw(index), raw(src))
    return scatter_add_source(input, dim, index, part_used(src, index))
