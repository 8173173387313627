"""Largest and smallest elements, and where they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import along, over, reduced
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, op
from tapegrad.autograd.ops.common.dims import Dims, wrap
from tapegrad.autograd.ops.common.families import documented
from tapegrad.autograd.ops.pointwise.clamp import maximum, minimum
from tapegrad.autograd.ops.reduction.sum import axes, expand_reduced, kept_dims, reduced_shape
from tapegrad.autograd.ops.reduction.values_and_indices import itself, picks_one, store_pair
from tapegrad.autograd.types.return_types import return_type
from tapegrad.backends import xp


def check_not_empty(name: str, shape: tuple[int, ...], dim: Dims | None) -> None:
    """Raise torch's error for a dimension without elements, which has no largest."""
    if dim is None or dim == ():
        if 0 in shape:
            message = f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
            if name.startswith("arg"):
                raise IndexError(message)
            raise RuntimeError(f"{message} Specify the reduction dim with the 'dim' argument.")
        return
    for d in dim if isinstance(dim, (tuple, list)) else (dim,):
        place = wrap(d, len(shape))
        if shape and not shape[place]:
            raise IndexError(f"{name}(): Expected reduction dim {place} to have non-zero size.")


def rows(input: Tensor, name: str | None = None) -> Tensor:
    """The members of a batch as vectors, which must not be empty if `name` is given."""
    shape = raw(input).shape
    if name is not None:
        check_not_empty(name, shape[1:], None)
    return input if len(shape) == 2 else input.reshape((shape[0], math.prod(shape[1:])))


def one_dim_in_batch(
    function: Callable[..., Any], input: Tensor, dim: int | None, keepdim: bool, name: str | None = None, **more: Any
) -> Tensor:
    """A batch rule for a reduction over all dimensions or one; members must not be empty if `name` is given."""
    ndim = raw(input).ndim - 1
    if dim is not None:
        dim = along(dim, ndim, 0)
        if ndim:
            return function(input, dim, keepdim, **more)
    result = function(rows(input, name), 1, **more)
    return result.reshape((raw(input).shape[0],) + (1,) * ndim) if keepdim and ndim else result


# ---- the gradient, shared among equal elements


def _shares_in_batch(batched: frozenset[str], input: Tensor, result: Tensor, dim: Dims | None, keepdim: bool) -> Tensor:
    shape = raw(input).shape[1:]
    if not shape:
        return shares(input.unsqueeze(1), result.unsqueeze(1), 1, True).squeeze(1)
    result = result.reshape((raw(result).shape[0], *reduced_shape(shape, dim)))
    return shares(input, result, reduced(dim, len(shape), 0), True)


@op(input=None, result=None, operands="free", public=False, batch=_shares_in_batch)
def shares(input: Array, result: Array, dim: Dims | None, keepdim: bool) -> Array:
    """1/n at each of the n elements that are the extreme one of their slice, 0 elsewhere."""
    result = kept_dims(result, input.shape, dim, keepdim)
    extreme = (input == result) | ((input != input) & (result != result))
    wide = input.dtype if input.dtype.itemsize > 2 else np.float32
    count = xp(input).add.reduce(extreme, axes(dim, input.ndim), wide, None, True)
    return (extreme / count).astype(input.dtype)


def spread(grad: Operand, input: Operand, result: Operand, dim: Dims | None, keepdim: bool) -> Operand:
    """The gradient of an extreme element, in equal parts for all that are equal to it."""
    return expand_reduced(grad, input.shape, dim, keepdim) * shares(input, result, dim, keepdim)


# ---- over several dimensions: amax, amin


#: the methods of arrays that reduce, of numbers and of bool
_METHODS = {"max": "max", "amax": "max", "min": "min", "amin": "min"}
_METHODS_OF_BOOL = {"max": "any", "amax": "any", "min": "all", "amin": "all"}


def _reduced(name: str, input: Array, dim: Dims | None, keepdim: bool) -> Array:
    if not input.size:
        check_not_empty(name, input.shape, dim)
    method = (_METHODS_OF_BOOL if input.dtype.kind == "b" else _METHODS)[name]
    return getattr(input, method)(axis=axes(dim, input.ndim), keepdims=keepdim)


def _over_dims(name: str, which: str, result: str) -> OpFunction:
    def function(input: Array, dim: Dims = (), keepdim: bool = False) -> Array:
        return _reduced(name, input, dim, keepdim)

    summary = f"The {which} of all elements, or along dimensions; equal ones share the gradient."
    documented(function, name, summary, f"tapegrad.{name}(tapegrad.tensor([[1.0, 2.0], [4.0, 3.0]]), 1)", result)
    return op(input=spread, kind="reduction", method=True, batch=over(dim=reduced))(function)


amax = _over_dims("amax", "largest", "tensor([2., 4.])")
amin = _over_dims("amin", "smallest", "tensor([1., 3.])")


@composite(method=True)
def aminmax(input: Operand, *, dim: int | None = None, keepdim: bool = False, out: Operand = None) -> Any:
    """The smallest and the largest of all elements, or along a dimension; equal ones share the gradient.

    Returns:
        A named pair (min, max).

    Raises:
        RuntimeError: there are no elements.

    Example:
        >>> tapegrad.aminmax(tapegrad.tensor([2.0, 1.0, 3.0])).max
        tensor(3.)
    """
    array = raw(input)
    if not array.size:
        check_not_empty("aminmax", array.shape, dim)
    dims = () if dim is None else dim
    pair = return_type("aminmax", ("min", "max"))((amin(input, dims, keepdim), amax(input, dims, keepdim)))
    return store_pair("aminmax", out, pair)


# ---- of all elements, along a dimension, or of two tensors: max, min


def _of_all(name: str, along_dim: OpFunction) -> OpFunction:
    return op(
        input=lambda grad, input, result: spread(grad, input, result, None, False),
        kind="reduction",
        public=False,
        name=name,
        batch=lambda batched, input: along_dim(rows(input, name), 1),
    )(lambda input: _reduced(name, input, None, False))


def _with_index(name: str) -> OpFunction:
    def function(input: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        if not input.size:
            check_not_empty(name, input.shape, dim)
        axis = wrap(dim, input.ndim)
        if not input.ndim:
            return itself(input)
        return _reduced(name, input, axis, keepdim), getattr(input, f"arg{name}")(axis=axis, keepdims=keepdim)

    return picks_one(name=name)(function)


_max, _max_along = _of_all("max", amax), _with_index("max")
_min, _min_along = _of_all("min", amin), _with_index("min")
_OPS = {"max": (_max, _max_along, maximum), "min": (_min, _min_along, minimum)}


def _choose(name: str, input: Operand, dim: Operand, keepdim: bool, other: Operand, out: Any) -> Any:
    """One of the three functions that go by the name of max (or min)."""
    of_all, along_dim, of_two = _OPS[name]
    if hasattr(dim, "ndim"):
        other = dim
    if other is not None:
        return of_two(input, other, out=out)
    if dim is None:
        return of_all(input, out=out)
    return store_pair(name, out, along_dim(input, dim, keepdim))


@composite(method=True)
def max(
    input: Operand,
    dim: Operand = None,
    keepdim: bool = False,
    *,
    other: Operand = None,
    axis: int | None = None,
    keepdims: bool | None = None,
    out: Operand = None,
) -> Any:
    """The largest of all elements; along a dimension, with its indices; or of two tensors, elementwise.

    Of equal elements, the whole reduction gives each an equal part of the gradient, and the one along a dimension all
    of it to the one at the index.

    Args:
        dim: a dimension; None: all. A tensor here is taken for `other`.
        other: a tensor to compare with, elementwise.

    Returns:
        A tensor, or along a dimension a named pair (values, indices).

    Raises:
        RuntimeError: there are no elements.

    Example:
        >>> x = tapegrad.tensor([[1.0, 2.0], [4.0, 3.0]])
        >>> x.max()
        tensor(4.)
        >>> x.max(dim=1)
        torch.return_types.max(
        values=tensor([2., 4.]),
        indices=tensor([1, 0]))
    """
    return _choose("max", input, dim if axis is None else axis, keepdim if keepdims is None else keepdims, other, out)


@composite(method=True)
def min(
    input: Operand,
    dim: Operand = None,
    keepdim: bool = False,
    *,
    other: Operand = None,
    axis: int | None = None,
    keepdims: bool | None = None,
    out: Operand = None,
) -> Any:
    """The smallest of all elements; along a dimension, with its indices; or of two tensors. As `max` otherwise.

    Example:
        >>> tapegrad.tensor([[1.0, 2.0], [4.0, 3.0]]).min(dim=1).indices
        tensor([0, 1])
    """
    return _choose("min", input, dim if axis is None else axis, keepdim if keepdims is None else keepdims, other, out)


# ---- places


def _place(name: str, which: str, result: str) -> OpFunction:
    def function(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        if input.dtype.kind == "b":
            raise RuntimeError(f"{name}(): does not support bool input")
        if not input.size:
            check_not_empty(name, input.shape, dim)
        axis = None if dim is None else wrap(dim, input.ndim)
        if not input.ndim:
            return xp(input).zeros((), np.int64)
        return getattr(input, name)(axis=axis, keepdims=keepdim)

    def in_batch(batched: frozenset[str], input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
        return one_dim_in_batch(place, input, dim, keepdim, name)

    summary = f"The index of the {which} element, of equal ones the first; in the flattened tensor, or along `dim`."
    documented(function, name, summary, f"tapegrad.{name}(tapegrad.tensor([2.0, 1.0, 3.0]))", result)
    place = op(input=None, method=True, batch=in_batch)(function)
    return place


argmax = _place("argmax", "largest", "tensor(2)")
argmin = _place("argmin", "smallest", "tensor(1)")
