"""Copies with the elements at other places, or repeated, or some of them zero."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import along, over, raised
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.dims import integer, sequence, shape_arguments, wrap, wrap_all
from tapegrad.backends import xp


@op(input=lambda grad, dims: _flip(grad, dims), kind="linear", name="flip", public=False)
def _flip(input: Any, dims: tuple[int, ...]) -> Any:
    return input[tuple([slice(None, None, -1 if i in dims else None) for i in range(input.ndim)])].copy()


@composite(method=True)
def flip(input: Any, *dims: Any) -> Any:
    """A copy with the order of the elements along some dimensions reversed.

    Args:
        *dims: the dimensions, as integers or one sequence.

    Raises:
        RuntimeError: a dimension stands twice.

    Example:
        >>> tapegrad.arange(3).flip(0)
        tensor([2, 1, 0])
    """
    if not dims:
        raise TypeError('flip() missing 1 required positional arguments: "dims"')
    return _flip(input, wrap_all(sequence(dims), raw(input).ndim))


@composite(method=True)
def fliplr(input: Any) -> Any:
    """A copy with the order of the columns reversed.

    Raises:
        RuntimeError: it has fewer.

    Example:
        >>> tapegrad.tensor([[1, 2], [3, 4]]).fliplr()
        tensor([[2, 1],
                [4, 3]])
    """
    if raw(input).ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return _flip(input, (1,))


@composite(method=True)
def flipud(input: Any) -> Any:
    """A copy with the order of the rows reversed.

    Raises:
        RuntimeError: it has none.

    Example:
        >>> tapegrad.tensor([[1, 2], [3, 4]]).flipud()
        tensor([[3, 4],
                [1, 2]])
    """
    if raw(input).ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return _flip(input, (0,))


@composite(method=True)
def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """A copy turned by 90 degrees in the plane of two dimensions.

    Args:
        k: how many times; from the first dimension towards the second.
        dims: the two dimensions.

    Raises:
        RuntimeError: there are not two different dimensions.

    Example:
        >>> tapegrad.tensor([[1, 2], [3, 4]]).rot90()
        tensor([[2, 4],
                [1, 3]])
    """
    ndim = raw(input).ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    first, second = wrap(dims[0], ndim), wrap(dims[1], ndim)
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    return _rot90(input, k % 4, first, second)


@op(
    input=lambda grad, k, first, second: _rot90(grad, -k % 4, first, second),
    kind="linear",
    name="rot90",
    public=False,
    batch=over(first=along, second=along),
)
def _rot90(input: Any, k: int, first: int, second: int) -> Any:
    back = slice(None, None, -1)
    turned = (first, second) if k == 2 else (second,) if k == 1 else (first,) if k == 3 else ()
    input = input[tuple([back if i in turned else slice(None) for i in range(input.ndim)])]
    return (input.swapaxes(first, second) if k % 2 else input).copy()


@op(
    input=lambda grad, shifts, dims: _roll(grad, tuple([-shift for shift in shifts]), dims),
    kind="linear",
    name="roll",
    public=False,
    batch=lambda batched, input, shifts, dims: (
        _roll(input, shifts, along(dims, input.ndim - 1, 0))
        if dims
        else _roll(input.reshape((input.shape[0], -1)), shifts, (1,)).reshape(input.shape)
    ),
)
def _roll(input: Any, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    if not dims:
        return xp(input).roll(input, shifts[0]) if input.ndim else input.copy()
    return xp(input).roll(input, shifts, axis=dims)


@composite(method=True)
def roll(input: Any, shifts: Any, dims: Any = ()) -> Any:
    """A copy with the elements moved along dimensions; what leaves at one end comes in at the other.

    Args:
        shifts: how far, for each dimension.
        dims: the dimensions; none: the elements are moved in the order of their indices.

    Raises:
        RuntimeError: there are not as many shifts as dimensions.

    Example:
        >>> tapegrad.arange(4).roll(1)
        tensor([3, 0, 1, 2])
    """
    ndim = raw(input).ndim
    shifts = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    dims = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if len(shifts) != len(dims) and (dims or len(shifts) > 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if dims and not ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    return _roll(input, shifts, tuple([wrap(dim, ndim) for dim in dims]))


# ---- repeating


@op(
    input=lambda grad, input_shape, repeats: _unrepeat(grad, input_shape, repeats),
    kind="linear",
    name="repeat",
    public=False,
    batch=lambda batched, input, repeats: _repeat(raised(input, len(repeats)), (1, *repeats)),
)
def _repeat(input: Any, repeats: tuple[int, ...]) -> Any:
    return xp(input).tile(input, repeats)


def _unrepeat(grad: Any, shape: tuple[int, ...], repeats: tuple[int, ...]) -> Any:
    padded = (1,) * (len(repeats) - len(shape)) + tuple(shape)
    apart = [n for pair in zip(repeats, padded) for n in pair]
    together = [n for m in padded for n in (1, m)]
    return sum_to(grad.reshape(tuple(apart)), tuple(together)).reshape(tuple(shape))


@composite(method=True)
def repeat(input: Any, *repeats: Any) -> Any:
    """Copies of `input` side by side.

    Args:
        *repeats: how many along each dimension, as integers or one sequence; more than it has dimensions give new ones
            in front.

    Raises:
        RuntimeError: there are fewer numbers than dimensions.

    Example:
        >>> tapegrad.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    if not repeats:
        raise TypeError('repeat() missing 1 required positional arguments: "repeats"')
    times = shape_arguments(repeats)
    shape = raw(input).shape
    if len(times) < len(shape):
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(n < 0 for n in times):
        wanted = [n * m for n, m in zip(times, (1,) * (len(times) - len(shape)) + shape)]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(wanted)}: {wanted}")
    return _repeat(input, times)


@composite(method=True)
def tile(input: Any, *dims: Any) -> Any:
    """Copies of `input` side by side, as NumPy's `tile`.

    Args:
        *dims: how many along each dimension, as integers or one sequence; ones are put in front where they are fewer
            than the dimensions.

    Example:
        >>> tapegrad.tensor([[1, 2]]).tile(2)
        tensor([[1, 2, 1, 2]])
    """
    times = shape_arguments(dims)
    return repeat(input, (1,) * (raw(input).ndim - len(times)) + times)


# ---- triangles


@op(input=lambda grad, diagonal: tril(grad, diagonal), kind="linear", method=True, inplace=True, batch=over())
def tril(input: Any, diagonal: int = 0) -> Any:
    """The matrices of `input` with zeros above a diagonal.

    Args:
        diagonal: which: above the main diagonal if positive, below if negative.

    Raises:
        RuntimeError: it has fewer dimensions.

    Example:
        >>> tapegrad.ones(2, 2).tril()
        tensor([[1., 0.],
                [1., 1.]])
    """
    if input.ndim < 2:
        raise RuntimeError("tril: input tensor must have at least 2 dimensions")
    return xp(input).tril(input, integer(diagonal))


@op(input=lambda grad, diagonal: triu(grad, diagonal), kind="linear", method=True, inplace=True, batch=over())
def triu(input: Any, diagonal: int = 0) -> Any:
    """The matrices of `input` with zeros below a diagonal.

    Args:
        diagonal: which: above the main diagonal if positive, below if negative.

    Raises:
        RuntimeError: it has fewer dimensions.

    Example:
        >>> tapegrad.ones(2, 2).triu()
        tensor([[1., 1.],
                [0., 1.]])
    """
    if input.ndim < 2:
        raise RuntimeError("triu: input tensor must have at least 2 dimensions")
    return xp(input).triu(input, integer(diagonal))
