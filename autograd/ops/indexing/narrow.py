"""Reading and writing by index, by name: items, stretches, and what index tensors name."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.decorator import composite
from tapegrad.autograd.modes.device_guard import on_first
from tapegrad.autograd.ops.common.dims import integer, wrap
from tapegrad.autograd.ops.indexing.getitem import (
    FULL,
    advanced,
    assert_inside,
    parse,
    put_add,
    put_at,
    put_slices,
    select_view,
    slice_view,
    torch_error,
    view_by,
)
from tapegrad.autograd.types import dtypes


@composite(method=True)
def select(input: Any, dim: int, index: int) -> Any:
    """One item along a dimension, which is dropped; a view.

    Args:
        index: which item.

    Raises:
        IndexError: there is no such dimension or item.

    Example:
        >>> tapegrad.arange(6).reshape(2, 3).select(1, 2)
        tensor([2, 5])
    """
    shape = raw(input).shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = wrap(dim, len(shape)), integer(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    return select_view(input, (*[FULL] * dim, index))


@composite(method=True)
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """A stretch of a dimension; a view.

    Args:
        start: its first index, an integer or an integer tensor of one element.
        length: the number of items.

    Raises:
        RuntimeError: the stretch is not within the dimension.

    Example:
        >>> tapegrad.arange(5).narrow(0, 1, 3)
        tensor([1, 2, 3])
    """
    shape = raw(input).shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim, start, length = wrap(dim, len(shape)), integer(start), integer(length)
    n = shape[dim]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start = start + n if start < 0 else start
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return slice_view(input, (*[FULL] * dim, slice(start, start + length)))


@composite(method=True)
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """`input` with one item along a dimension replaced by `src`.

    Args:
        src: what to write, of the shape of ``input.select(dim, index)``.
        index: which item.

    Raises:
        RuntimeError: `src` has another shape.

    Example:
        >>> tapegrad.select_scatter(tapegrad.zeros(2, 2), tapegrad.ones(2), 0, 1)
        tensor([[0., 0.],
                [1., 1.]])
    """
    shape = raw(input).shape
    dim = wrap(dim, len(shape))
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {shape[dim]}")
    return _scatter_view(input, (*[FULL] * dim, index), src)


@composite(method=True)
def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """`input` with a slice of a dimension replaced by `src`.

    Args:
        src: what to write, of the shape of the slice.
        start: its first index.
        end: the index after its last.
        step: how far it is from one index to the next.

    Raises:
        RuntimeError: `src` has another shape.

    Example:
        >>> tapegrad.slice_scatter(tapegrad.zeros(4), tapegrad.ones(2), start=2)
        tensor([0., 0., 1., 1.])
    """
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    dim = wrap(dim, raw(input).ndim)
    return _scatter_view(input, (*[FULL] * dim, slice(start, end, step)), src)


def _scatter_view(input: Any, index: Any, src: Any) -> Any:
    part, given = raw(view_by(input, index)).shape, raw(src).shape
    if part != given:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(given)}, slice size = "
            f"{list(part)}"
        )
    return put_slices(input, index, src)


@composite(method=True, inplace=True)
@on_first
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """`input` with `values` written at ``input[indices]``.

    Args:
        indices: a tuple of index tensors or masks.
        values: a tensor of the same dtype that broadcasts to ``input[indices]``.
        accumulate: add to what is there; values whose index repeats add up.

    Raises:
        RuntimeError: the dtypes differ, or the shapes do not fit.

    Example:
        >>> i = tapegrad.tensor([0, 0, 1])
        >>> tapegrad.zeros(2).index_put((i,), tapegrad.ones(3), accumulate=True)
        tensor([2., 1.])
    """
    array, given = raw(input), raw(values)
    if given.dtype != array.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {dtypes.of(array.dtype).scalar_type} "
            "for the destination and "
            f"{dtypes.of(given.dtype).scalar_type} for the source."
        )
    try:
        parts = parse(tuple([FULL if i is None else i for i in indices]), array, True)
        if parts.basic is not None:  # an index without dimensions: as one of a single item
            parts = parse(
                tuple([FULL if i is None else i.reshape((1,)) if not i.ndim else i for i in indices]), array, True
            )
        assert_inside(array, parts.arrays, "index_put")
        index = advanced(parts.arrays)
        return (put_add if accumulate else put_at)(input, index, values)
    except IndexError as error:
        raise torch_error(error, indices, array) from None
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given.shape)} cannot be broadcast to indexing result of "
            "shape "
            f"{list(array[index].shape)}"
        ) from None
