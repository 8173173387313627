"""Elements picked along one dimension by an index that came from sorting or searching, and the way back."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.dispatch.batch_rules import along, over, sized
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.backends import backend, xp


@op(
    input=lambda grad, index, dim, input_shape, keepdim, unique: put_along(
        grad, index, dim, input_shape, keepdim, unique
    ),
    index=None,
    kind="linear",
    operands="free",
    public=False,
    batch=over(dim=along),
)
def take_along(input: Any, index: Any, dim: int, keepdim: bool = True, unique: bool = True) -> Any:
    """The elements of `input` at `index` along `dim`; without `keepdim` the index has no such dimension, nor has the
    result.

    `unique` promises that no element is taken twice.
    """
    if not input.ndim:
        return input.copy()
    if not keepdim:
        return xp(input).take_along_axis(input, xp(input).expand_dims(index, dim), axis=dim).squeeze(dim)
    return xp(input).take_along_axis(input, index, axis=dim)


@op(
    input=lambda grad, index, dim, keepdim, unique: take_along(grad, index, dim, keepdim, unique),
    index=None,
    kind="linear",
    operands="free",
    public=False,
    batch=over(dim=along, shape=sized),
)
def put_along(
    input: Any, index: Any, dim: int, shape: tuple[int, ...], keepdim: bool = True, unique: bool = True
) -> Any:
    """Zeros of `shape`, with the elements of `input` added at `index` along `dim`."""
    if not shape:
        return input.reshape(()).copy()
    space = xp(input)
    result = space.zeros(shape, input.dtype)
    if not keepdim:
        input, index = space.expand_dims(input, dim), space.expand_dims(index, dim)
    if unique:
        space.put_along_axis(result, index, input, axis=dim)
        return result
    place = tuple(
        [
            index if d == dim else space.arange(n).reshape([-1 if i == d else 1 for i in range(len(shape))])
            for d, n in enumerate(index.shape)
        ]
    )
    backend(result).scatter_add(result, place, input)
    return result
