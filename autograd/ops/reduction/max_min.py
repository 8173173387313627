"""Largest and smallest elements, and where they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import along, over, reduced
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import store_out
from tapegrad.autograd.ops.common.dims import Dims, wrap
from tapegrad.autograd.ops.gather.along_dim import put_along, take_along
from tapegrad.autograd.ops.pointwise.clamp import maximum, minimum
from tapegrad.autograd.ops.reduction.sum import axes, expand_reduced, kept_dims, reduced_shape
from tapegrad.autograd.types.return_types import return_type
from tapegrad.backends import xp


def check_not_empty(name: str, shape: tuple[int, ...], dim: Dims | None) -> None:
    """Raise torch's error for a dimension without elements, which has no largest."""
    if dim is None or dim == ():
        if 0 in shape:
            error = IndexError if name.startswith("arg") else RuntimeError
            more = "" if name.startswith("arg") else " Specify the reduction dim with the 'dim' argument."
            raise error(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.{more}")
        return
    for d in dim if isinstance(dim, (tuple, list)) else (dim,):
        place = wrap(d, len(shape))
        if shape and not shape[place]:
            raise IndexError(f"{name}(): Expected reduction dim {place} to have non-zero size.")


@op(
    input=None,
    result=None,
    operands="free",
    public=False,
    batch=lambda batched, input, result, dim, keepdim: _shares_in_batch(input, result, dim, keepdim),
)
def shares(input: Array, result: Array, dim: Dims | None, keepdim: bool) -> Array:
    """1/n at each of the n elements that are the extreme one of their slice, 0 elsewhere."""
    result = kept_dims(result, input.shape, dim, keepdim)
    extreme = (input == result) | ((input != input) & (result != result))
    count = xp(input).add.reduce(
        extreme, axes(dim, input.ndim), input.dtype if input.dtype.itemsize > 2 else np.float32, None, True
    )
    return (extreme / count).astype(input.dtype)


def _shares_in_batch(input: Operand, result: Operand, dim: Dims | None, keepdim: bool) -> Operand:
    shape = raw(input).shape[1:]
    if not shape:
        return shares(input.unsqueeze(1), result.unsqueeze(1), 1, True).squeeze(1)
    return shares(
        input, result.reshape((raw(result).shape[0], *reduced_shape(shape, dim))), reduced(dim, len(shape), 0), True
    )


def spread(grad: Operand, input: Operand, result: Operand, dim: Dims | None, keepdim: bool) -> Operand:
    """The gradient of an extreme element, in equal parts for all that are equal to it."""
    return expand_reduced(grad, input.shape, dim, keepdim) * shares(input, result, dim, keepdim)


def rows(input: Array, name: str | None = None) -> Array:
    """The members of a batch as vectors, which must not be empty if `name` is given."""
    shape = raw(input).shape
    if name is not None:
        check_not_empty(name, shape[1:], None)
    return input if len(shape) == 2 else input.reshape((shape[0], math.prod(shape[1:])))


def _reduced(name: str, input: Array, dim: Dims | None, keepdim: bool, function: str) -> Array:
    if not input.size:
        check_not_empty(name, input.shape, dim)
    if input.dtype.kind == "b":
        return getattr(input, "any" if function == "max" else "all")(axis=axes(dim, input.ndim), keepdims=keepdim)
    return getattr(input, function)(axis=axes(dim, input.ndim), keepdims=keepdim)


@op(
    input=lambda grad, input, result, dim, keepdim: spread(grad, input, result, dim, keepdim),
    kind="reduction",
    method=True,
    batch=over(dim=reduced),
)
def amax(input: Array, dim: Dims = (), keepdim: bool = False) -> Array:
    """The largest of all elements, or along dimensions; equal ones share the gradient.

    Raises:
        RuntimeError: there are no elements.

    Example:
        >>> tapegrad.amax(tapegrad.tensor([[1.0, 2.0], [4.0, 3.0]]), 1)
        tensor([2., 4.])
    """
    return _reduced("amax", input, dim, keepdim, "max")


@op(
    input=lambda grad, input, result, dim, keepdim: spread(grad, input, result, dim, keepdim),
    kind="reduction",
    method=True,
    batch=over(dim=reduced),
)
def amin(input: Array, dim: Dims = (), keepdim: bool = False) -> Array:
    """The smallest of all elements, or along dimensions; equal ones share the gradient.

    Raises:
        RuntimeError: there are no elements.

    Example:
        >>> tapegrad.amin(tapegrad.tensor([[1.0, 2.0], [4.0, 3.0]]), 1)
        tensor([1., 3.])
    """
    return _reduced("amin", input, dim, keepdim, "min")


@op(
    input=lambda grad, input, result: spread(grad, input, result, None, False),
    kind="reduction",
    public=False,
    name="max",
    batch=lambda batched, input: amax(rows(input, "max"), 1),
)
def _largest(input: Array) -> Array:
    return _reduced("max", input, None, False, "max")


@op(
    input=lambda grad, input, result: spread(grad, input, result, None, False),
    kind="reduction",
    public=False,
    name="min",
    batch=lambda batched, input: amin(rows(input, "min"), 1),
)
def _smallest(input: Array) -> Array:
    return _reduced("min", input, None, False, "min")


def pair_tangent(
    d_input: Operand, indices: Operand, dim: Dims | None, keepdim: bool = True, unique: bool = True
) -> tuple[Any, None]:
    """The tangents of elements taken along a dimension, and of their indices."""
    return take_along(d_input, indices, wrap(dim, raw(d_input).ndim), keepdim, unique), None


def _pick(grad: Operand, indices: Operand, shape: tuple[int, ...], dim: Dims | None, keepdim: bool) -> Operand:
    return put_along(grad[0], indices, wrap(dim, len(shape)), shape, keepdim)


def _with_index(name: str, input: Array, dim: Dims | None, keepdim: bool) -> tuple[Any, Any]:
    if not input.size:
        check_not_empty(name, input.shape, dim)
    axis = wrap(dim, input.ndim)
    if not input.ndim:
        return input.copy(), xp(input).zeros((), np.int64)
    where = input.argmax if name == "max" else input.argmin
    return _reduced(name, input, axis, keepdim, name), where(axis=axis, keepdims=keepdim)


@op(
    input=lambda grad, indices, input_shape, dim, keepdim: _pick(grad, indices, input_shape, dim, keepdim),
    outs=("values", "indices"),
    kind="reduction",
    public=False,
    name="max",
    jvp=lambda d_input, indices, dim, keepdim: pair_tangent(d_input, indices, dim, keepdim),
)
def _largest_along(input: Array, dim: Dims | None, keepdim: bool) -> Array:
    return _with_index("max", input, dim, keepdim)


@op(
    input=lambda grad, indices, input_shape, dim, keepdim: _pick(grad, indices, input_shape, dim, keepdim),
    outs=("values", "indices"),
    kind="reduction",
    public=False,
    name="min",
    jvp=lambda d_input, indices, dim, keepdim: pair_tangent(d_input, indices, dim, keepdim),
)
def _smallest_along(input: Array, dim: Dims | None, keepdim: bool) -> Array:
    return _with_index("min", input, dim, keepdim)


def store_pair(name: str, out: Operand, results: Array) -> Array:
    """Write several results to the tensors in `out`, where it is given."""
    if out is None:
        return results
    stored = [store_out(name, target, result) for target, result in zip(out, results)]
    return return_type(f"{name}_out", type(results)._fields)(stored) if hasattr(results, "_fields") else tuple(stored)


def _choose(
    name: str,
    whole: Any,
    along: Any,
    pairwise: Any,
    input: Array,
    dim: Dims | None,
    keepdim: bool,
    other: Array,
    axis: Dims | None,
    keepdims: bool | None,
    out: Operand,
) -> Array:
    """The three functions that go by the name of max (or min)."""
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    other = dim if hasattr(dim, "ndim") else other
    if other is not None:
        return pairwise(input, other, out=out)
    if dim is None:
        return whole(input, out=out)
    return store_pair(name, out, along(input, dim, keepdim))


@composite(method=True)
def max(
    input: Operand,
    dim: Dims | None = None,
    keepdim: bool = False,
    *,
    other: Operand = None,
    axis: Dims | None = None,
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
    return _choose("max", _largest, _largest_along, maximum, input, dim, keepdim, other, axis, keepdims, out)


@composite(method=True)
def min(
    input: Operand,
    dim: Dims | None = None,
    keepdim: bool = False,
    *,
    other: Operand = None,
    axis: Dims | None = None,
    keepdims: bool | None = None,
    out: Operand = None,
) -> Any:
    """The smallest of all elements; along a dimension, with its indices; or of two tensors, elementwise.

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
        >>> tapegrad.tensor([[1.0, 2.0], [4.0, 3.0]]).min(dim=1).indices
        tensor([0, 1])
    """
    return _choose("min", _smallest, _smallest_along, minimum, input, dim, keepdim, other, axis, keepdims, out)


def _place(name: str, input: Array, dim: Dims | None, keepdim: bool) -> Array:
    if input.dtype.kind == "b":
        raise RuntimeError(f"{name}(): does not support bool input")
    if not input.size:
        check_not_empty(name, input.shape, dim)
    axis = None if dim is None else wrap(dim, input.ndim)
    if not input.ndim:
        return xp(input).zeros((), np.int64)
    return getattr(input, name)(axis=axis, keepdims=keepdim)


def _place_in_batch(function: Any, input: Operand, dim: Dims | None, keepdim: bool) -> Operand:
    ndim = raw(input).ndim - 1
    if dim is not None and ndim:
        return function(input, along(dim, ndim, 0), keepdim)
    if dim is not None:
        along(dim, 0, 0)
    found = function(rows(input, function.__name__), 1)
    return found.reshape((-1,) + (1,) * ndim) if keepdim and ndim else found


@op(input=None, method=True, batch=lambda batched, input, dim, keepdim: _place_in_batch(argmax, input, dim, keepdim))
def argmax(input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """The index of the largest element; of equal ones the first.

    Args:
        dim: a dimension; None: the index into the flattened tensor.

    Raises:
        IndexError: there are no elements.

    Example:
        >>> tapegrad.argmax(tapegrad.tensor([1.0, 3.0, 2.0]))
        tensor(1)
    """
    return _place("argmax", input, dim, keepdim)


@op(input=None, method=True, batch=lambda batched, input, dim, keepdim: _place_in_batch(argmin, input, dim, keepdim))
def argmin(input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """The index of the smallest element; of equal ones the first.

    Args:
        dim: a dimension; None: the index into the flattened tensor.

    Raises:
        IndexError: there are no elements.

    Example:
        >>> tapegrad.argmin(tapegrad.tensor([2.0, 1.0, 3.0]))
        tensor(1)
    """
    return _place("argmin", input, dim, keepdim)


@composite(method=True)
def aminmax(input: Operand, *, dim: Dims | None = None, keepdim: bool = False, out: Operand = None) -> Any:
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
    return store_pair(
        "aminmax", out, return_type("aminmax", ("min", "max"))((amin(input, dims, keepdim), amax(input, dims, keepdim)))
    )
