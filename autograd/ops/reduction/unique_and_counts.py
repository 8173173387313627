"""Sets, places in sorted sequences, and counts; nothing here has a gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, from_array, raw
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.modes.device_guard import on_first
from tapegrad.autograd.modes.levels import refuse_dynamic
from tapegrad.autograd.ops.common.dims import part, wrap
from tapegrad.autograd.ops.shape.cat import stack
from tapegrad.autograd.types import dtypes
from tapegrad.backends import is_array, xp
from tapegrad.backends.determinism import alert

# ---- sets


def _wrapped(input: Operand, results: list[Array]) -> Any:
    """One result or a tuple of several, tensors where `input` is one."""
    if isinstance(input, Tensor):
        results = [from_array(np.asarray(r) if isinstance(r, np.generic) else r) for r in results]
    return results[0] if len(results) == 1 else tuple(results)


@composite(method=True)
@on_first
def unique(
    input: Operand,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements in order; along a dimension, the different slices.

    Args:
        sorted: allowed; they are always in order.
        return_inverse: also return where each element of `input` is among them.
        return_counts: also return how often each occurs.

    Returns:
        A tensor, or a tuple of the two or three that were asked for.

    Example:
        >>> tapegrad.unique(tapegrad.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    array = raw(input)
    refuse_dynamic(array, "_unique2" if dim is None else "unique_dim")
    axis = None if dim is None else wrap(dim, array.ndim)
    if array.ndim == 0:
        axis = None
    # NumPy has no order for bfloat16; float32 keeps it.
    values = array.astype(np.float32) if array.dtype.kind == "V" else array
    unique = xp(array).unique(
        values, return_inverse=return_inverse, return_counts=return_counts, axis=axis, equal_nan=False
    )
    results = list(unique) if return_inverse or return_counts else [unique]
    results[0] = results[0].astype(array.dtype, copy=False)
    if return_inverse:
        results[1] = results[1].reshape(array.shape if axis is None else -1)
    return _wrapped(input, results)


@composite(method=True)
@on_first
def unique_consecutive(
    input: Operand, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements without those that equal the one before; along a dimension, the slices.

    Args:
        return_inverse: also return where each element of `input` is among them.
        return_counts: also return how many equal ones stood together.

    Returns:
        A tensor, or a tuple of the two or three that were asked for.

    Example:
        >>> tapegrad.unique_consecutive(tapegrad.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    array = raw(input)
    refuse_dynamic(array, "unique_consecutive")
    space = xp(array)
    x = array.reshape(-1) if dim is None or not array.ndim else array
    axis = 0 if x is not array or dim is None else wrap(dim, array.ndim)
    n = x.shape[axis]
    first = space.ones(n, np.bool_)
    if n:
        others = tuple([i for i in range(x.ndim) if i != axis])
        differs = x[part(axis, 1, None)] != x[part(axis, None, -1)]
        first[1:] = differs.any(axis=others) if others else differs
    starts = first.nonzero()[0]
    results = [x[(*(slice(None),) * axis, starts)]]
    if return_inverse:
        inverse = first.astype(np.int64).cumsum() - 1
        results.append(inverse.reshape(array.shape) if dim is None else inverse)
    if return_counts:
        ends = space.concatenate([starts[1:], space.full(min(n, 1), n, starts.dtype)])
        results.append(ends - starts)
    return _wrapped(input, results)


# ---- places in sorted sequences


def _searchsorted_in_batch(
    batched: frozenset[str], sequence: Operand, input: Operand, sorter: Operand, right: bool, out_int32: bool
) -> Tensor:
    if batched == {"input"} and raw(sequence).ndim == 1:
        return _searchsorted(sequence, input, sorter, right, out_int32)
    operands = {"sorted_sequence": sequence, "input": input, "sorter": sorter}
    size = raw(next(operands[name] for name in batched)).shape[0]
    sequence, input, sorter = [
        x if x is None or name in batched else x.expand(size, *x.shape) for name, x in operands.items()
    ]
    shape = raw(input).shape
    if raw(sequence).ndim == 2:
        input = input.reshape((size, math.prod(shape[1:])))
    return _searchsorted(sequence, input, sorter, right, out_int32).reshape(shape)


@op(
    sorted_sequence=None,
    input=None,
    sorter=None,
    operands="free",
    public=False,
    name="searchsorted",
    batch=_searchsorted_in_batch,
)
def _searchsorted(
    sorted_sequence: Array, input: Array, sorter: Array | None = None, right: bool = False, out_int32: bool = False
) -> Array:
    side = "right" if right else "left"
    space = xp(sorted_sequence)
    if sorter is not None:
        sorted_sequence = space.take_along_axis(sorted_sequence, sorter, axis=-1)
    if sorted_sequence.dtype.kind == "V":  # bfloat16, whose order float32 keeps
        sorted_sequence, input = sorted_sequence.astype(np.float32), input.astype(np.float32)
    if sorted_sequence.ndim == 1:
        places = space.searchsorted(sorted_sequence, input, side=side)
    else:
        rows, values = sorted_sequence.reshape(-1, sorted_sequence.shape[-1]), input.reshape(-1, input.shape[-1])
        places = space.empty(values.shape, np.int64)
        for i in range(len(rows)):
            places[i] = space.searchsorted(rows[i], values[i], side=side)
        places = places.reshape(input.shape)
    return places.astype(np.int32) if out_int32 else places


def _operand(input: Operand, like: Operand) -> Operand:
    """A number as a 0-d tensor (or array) for an op with `like`."""
    if isinstance(input, Tensor) or is_array(input):
        return input
    array = raw(like)
    dtype = np.float64 if array.dtype.kind in "iub" and isinstance(input, float) else array.dtype
    value = xp(array).full((), input, dtype)
    return from_array(value) if isinstance(like, Tensor) else value


def _checked(sequence: Operand, input: Operand, number: bool, sorter: Operand, right: bool, side: str | None) -> bool:
    """Whether equal elements are passed, after torch's checks."""
    a, b = raw(sequence), raw(input)
    if a.dtype != b.dtype and not number:
        raise RuntimeError(
            "torch.searchsorted(): boundary tensor and input value tensor should have same dtype, but "
            f"got boundary tensor dtype {dtypes.of(a.dtype).scalar_type} and input value tensor dtype "
            f"{dtypes.of(b.dtype).scalar_type}"
        )
    if not a.ndim:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension")
    if a.ndim > 1 and a.shape[:-1] != b.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions "
            "of boundaries tensor and input value tensor must match, but we got boundaries tensor "
            f"{list(a.shape)} and input value tensor {list(b.shape)}"
        )
    if sorter is not None and tuple(sorter.shape) != tuple(a.shape):
        raise RuntimeError(
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
            f"{list(a.shape)}and got sorter tensor {list(sorter.shape)}"
        )
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    return right or side == "right"


@composite()
def searchsorted(
    sorted_sequence: Operand,
    input: Operand,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Operand = None,
    out: Operand = None,
) -> Any:
    """Where elements would have to be inserted into sorted sequences.

    Args:
        sorted_sequence: a tensor whose last dimension is sorted.
        input: a number, or a tensor of the same dtype; its dimensions but the last are those of the sequence, where
            that has several.
        out_int32: return int32 rather than int64.
        right: the place after equal elements, rather than before.
        side: "left" or "right", another way to say so.
        sorter: indices that sort `sorted_sequence`, where it is not sorted.

    Raises:
        RuntimeError: dtypes or shapes do not match.

    Example:
        >>> tapegrad.searchsorted(tapegrad.tensor([1, 3, 5]), tapegrad.tensor([3, 4]))
        tensor([1, 2])
    """
    values = _operand(input, sorted_sequence)
    right = _checked(sorted_sequence, values, values is not input, sorter, right, side)
    return _searchsorted(sorted_sequence, values, sorter, right, out_int32, out=out)


@composite()
def bucketize(
    input: Operand, boundaries: Operand, *, out_int32: bool = False, right: bool = False, out: Operand = None
) -> Any:
    """Which of the intervals between boundaries each element lies in.

    Args:
        boundaries: a sorted 1-dimensional tensor of the same dtype.
        out_int32: return int32 rather than int64.
        right: whether an interval holds its left boundary, rather than its right one.

    Raises:
        RuntimeError: `boundaries` is not 1-dimensional, or of another dtype.

    Example:
        >>> tapegrad.bucketize(tapegrad.tensor([2, 6]), tapegrad.tensor([1, 3, 5]))
        tensor([1, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


# ---- counts


def _for_each(function: Callable[..., Any], batched: frozenset[str], operands: dict[str, Any], *args: Any) -> Tensor:
    """The results for each member of a batch, which must have one shape."""
    size = raw(next(operands[name] for name in batched)).shape[0]
    members = [[x[i] if name in batched else x for name, x in operands.items()] for i in range(size)]
    return stack([function(*member, *args) for member in members])


def _bincount_in_batch(batched: frozenset[str], input: Operand, weights: Operand, minlength: int) -> Tensor:
    return _for_each(_bincount, batched, {"input": input, "weights": weights}, minlength)


@op(input=None, weights=None, operands="free", public=False, name="bincount", batch=_bincount_in_batch)
def _bincount(input: Array, weights: Array | None, minlength: int) -> Array:
    if input.ndim != 1 or input.dtype.kind not in "iu" or (input.size and bool(input.min() < 0)):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if weights is not None:
        alert("bincount with weights", input)
    counts = xp(input).bincount(input, weights=weights, minlength=minlength)
    return counts if weights is None else counts.astype(np.float32 if weights.dtype == np.float32 else np.float64)


@composite(method=True)
def bincount(input: Operand, weights: Operand = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, 2, ... occurs, or the sum of its weights.

    Args:
        input: a 1-dimensional tensor of non-negative integers.
        minlength: the least length of the result.

    Raises:
        RuntimeError: `input` is not 1-dimensional, not integer or has negative elements, or `weights` has another
            shape.

    Example:
        >>> tapegrad.bincount(tapegrad.tensor([1, 3, 1]))
        tensor([0, 2, 0, 1])
    """
    return _bincount(input, weights, minlength)


def _histc_in_batch(batched: frozenset[str], input: Tensor, bins: int, min: float, max: float) -> Tensor:
    return _for_each(histc, batched, {"input": input}, bins, min, max)


@op(input=None, method=True, batch=_histc_in_batch)
def histc(input: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
    """How many elements lie in each of equally wide bins; those outside are not counted.

    Args:
        min: the lower end; where it equals `max`, the smallest and largest elements are the ends.
        max: the upper end, which the last bin holds too.

    Raises:
        RuntimeError: there are no bins, or the ends are not finite or in the wrong order.

    Example:
        >>> tapegrad.histc(tapegrad.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    if bins <= 0:
        raise RuntimeError("bins must be > 0")
    x, space = input.reshape(-1), xp(input)
    if min == max and x.size:
        min, max = (float(end) for end in space.stack([x.min(), x.max()]).tolist())  # torch waits for the device too
    if min == max:
        min, max = min - 1, max + 1
    if not (abs(min) < np.inf and abs(max) < np.inf):
        raise RuntimeError(f"range of [{min}, {max}] is not finite")
    if min > max:
        raise RuntimeError("max must be larger than min")
    inside = (x >= min) & (x <= max)
    x = space.where(inside, x, space.full((), min, x.dtype))
    bin = space.clip((x - min) / (max - min) * bins, 0, bins - 1).astype(np.int64)
    # What lies outside is counted in a bin of its own, which is left out.
    return space.bincount(space.where(inside, bin, bins), minlength=bins + 1)[:bins].astype(x.dtype)
