"""Views: the same memory with another shape, or its dimensions in another order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import over, sized
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.dims import sequence, shape_arguments, wrap, wrap_all
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend

# ---- another shape


@op(
    input=lambda grad, input_shape: _reshape(grad, input_shape),
    kind="view",
    name="view",
    batch=over(shape=sized),
    public=False,
)
def _reshape(input: Any, shape: tuple[int, ...]) -> Any:
    return input.reshape(shape)


reshape_to = _reshape.op.core


@op(input=lambda grad, input_shape: _reshape(grad, input_shape), kind="linear", batch=over(shape=sized), public=False)
def unsafe_view(input: Any, shape: tuple[int, ...]) -> Any:
    """A result of our own in another shape: a view that need not be known as one, since nobody else has the tensor that
    it is a view of.
    """
    return input.reshape(shape)


@composite(method=True)
def reshape(input: Any, *shape: Any) -> Any:
    """`input` with another shape: a view where the layout allows it, a copy otherwise.

    Args:
        *shape: the new shape, as integers or one sequence; one dimension may be -1.

    Raises:
        RuntimeError: the shape does not have as many elements.

    Example:
        >>> tapegrad.arange(4).reshape(2, -1)
        tensor([[0, 1],
                [2, 3]])
    """
    return _reshaped(input, shape)


def _reshaped(input: Any, shape: Any) -> Any:
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    for n in shape:
        if n.__class__ is not int:
            shape = shape_arguments(shape)
            break
        if n < -1:
            raise _bad_shape(input, shape)  # NumPy takes any negative number for -1
    try:
        return reshape_to(input, shape)
    except ValueError:
        raise _bad_shape(input, shape) from None


def _bad_shape(input: Any, size: tuple[int, ...]) -> Exception:
    if sum(n == -1 for n in size) > 1:
        return RuntimeError("only one dimension can be inferred")
    if any(n < -1 for n in size):
        i = next(i for i, n in enumerate(size) if n < -1)
        return RuntimeError(f"invalid shape dimension {size[i]} at index {i} of shape {list(size)}")
    count = raw(input).size
    if count == 0 and -1 in size:
        return RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension size -1 "
            "can be any value and is "
            "ambiguous"
        )
    return RuntimeError(f"shape '{list(size)}' is invalid for input of size {count}")


@composite(method=True)
def reshape_as(input: Any, other: Any) -> Any:
    """`input` with the shape of `other`.

    Args:
        other: a tensor of as many elements.

    Example:
        >>> tapegrad.arange(4).reshape_as(tapegrad.ones(2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    return reshape(input, raw(other).shape)


@composite(method=True)
def view(input: Any, *shape: Any, dtype: Any = None, size: Any = None) -> Any:
    """The same memory with another shape (or, given a dtype, with its bytes read as that).

    Args:
        *shape: the new shape, as integers or one sequence, where one dimension may be -1; or a dtype.
        dtype: the dtype, by name.

    Raises:
        RuntimeError: the shape does not have as many elements, or needs a copy.

    Example:
        >>> x = tapegrad.zeros(4)
        >>> x.view(2, 2)[0, 1] = 5
        >>> x
        tensor([0., 5., 0., 0.])
    """
    if shape and isinstance(shape[0], (dtypes.dtype, np.dtype)):
        dtype = shape[0]
    if dtype is not None:
        return _view_dtype(input, dtypes.numpy_dtype(dtype))
    if not shape:
        if size is None:
            raise TypeError(
                "view() received an invalid combination of arguments - got (), but expected one of:\n * (torch.dtype "
                "dtype)\n"
                " * (tuple of ints size)"
            )
        shape = (size,)
    result = _reshaped(input, shape)
    array = raw(input)
    if not array.flags.c_contiguous and array.size and not backend(array).shares_memory(raw(result), array):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
            "two contiguous subspaces). "
            "Use .reshape(...) instead."
        )
    return result


@composite(method=True)
def view_as(input: Any, other: Any) -> Any:
    """The same memory with the shape of `other`.

    Args:
        other: a tensor of as many elements.

    Example:
        >>> tapegrad.arange(4).view_as(tapegrad.ones(2, 2)).shape
        torch.Size([2, 2])
    """
    return view(input, raw(other).shape)


@op(input=None, kind="view", name="view", batch=lambda batched, input, dtype: _view_dtype(input, dtype), public=False)
def _view_dtype(input: Any, dtype: np.dtype) -> Any:
    before, after = input.dtype.itemsize, dtype.itemsize
    if before == after:
        return input.view(dtype)
    old, new = dtypes.of(input.dtype).scalar_type, dtypes.of(dtype).scalar_type
    if not input.ndim:
        raise RuntimeError(f"self.dim() cannot be 0 to view {old} as {new} (different element sizes)")
    last = input.strides[-1] // before
    if last != 1 and input.shape[-1] != 1:
        raise RuntimeError(
            f"self.stride(-1) must be 1 to view {old} as {new} (different element sizes), but got {last}"
        )
    if before < after:
        times = after // before
        if input.shape[-1] % times:
            raise RuntimeError(
                f"self.size(-1) must be divisible by {times} to view {old} as {new} (different element sizes), but "
                f"got {input.shape[-1]}"
            )
        if any(stride % after for stride in input.strides[:-1]):
            raise RuntimeError(
                f"self.stride() must be divisible by {times} to view {old} as {new} (different element sizes)"
            )
    return input.view(dtype)


@op(
    input=lambda grad, input_shape: _reshape(grad, input_shape),
    kind="view",
    method=True,
    batch=over(dim=lambda dim, ndim, size: wrap(dim, ndim + 1) + 1),
)
def unsqueeze(input: Any, dim: int) -> Any:
    """`input` with a dimension of size 1 more; a view.

    Args:
        dim: where the new dimension stands.

    Raises:
        IndexError: `dim` is out of range.

    Example:
        >>> tapegrad.ones(2, 3).unsqueeze(-1).shape
        torch.Size([2, 3, 1])
    """
    shape = input.shape
    dim = wrap(dim, len(shape) + 1)
    return input.reshape((*shape[:dim], 1, *shape[dim:]))


@op(
    input=lambda grad, input_shape: _reshape(grad, input_shape),
    kind="view",
    method=True,
    batch=lambda batched, input, dim: _squeeze_all(input, dim),
)
def squeeze(input: Any, dim: Any = None) -> Any:
    """`input` without its dimensions of size 1; a view.

    Args:
        dim: the dimension, or dimensions, to drop where their size is 1; None: all.

    Raises:
        IndexError: `dim` is out of range.

    Example:
        >>> x = tapegrad.ones(1, 2, 1)
        >>> x.squeeze().shape, x.squeeze(0).shape
        (torch.Size([2]), torch.Size([2, 1]))
    """
    shape = input.shape
    if dim is None:
        return input.reshape([n for n in shape if n != 1])
    dims = wrap_all(dim, len(shape)) if isinstance(dim, (tuple, list)) else (wrap(dim, len(shape)),)
    return input.reshape([n for i, n in enumerate(shape) if n != 1 or i not in dims])


def _squeeze_all(input: Any, dim: Any) -> Any:
    """`squeeze` within the batch: by number, since `dim` has no batch."""
    ndim = raw(input).ndim - 1
    dims = range(ndim) if dim is None else wrap_all(dim, ndim) if isinstance(dim, (tuple, list)) else (wrap(dim, ndim),)
    return squeeze(input, tuple([d + 1 for d in dims if d < ndim]))


@composite(method=True)
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """`input` with the dimensions from `start_dim` to `end_dim` made one.

    Args:
        input: a tensor; one without dimensions gets one.
        start_dim: the first of them.
        end_dim: the last of them.

    Raises:
        RuntimeError: `start_dim` comes after `end_dim`.

    Example:
        >>> tapegrad.ones(2, 3, 4).flatten(1).shape
        torch.Size([2, 12])
    """
    shape = raw(input).shape
    start, end = wrap(start_dim, len(shape)), wrap(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if shape and start == end:
        return input
    return reshape_to(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@composite(method=True)
def ravel(input: Any) -> Any:
    """`input` as one dimension; a view where the layout allows it.

    Example:
        >>> tapegrad.ones(2, 2).ravel()
        tensor([1., 1., 1., 1.])
    """
    return reshape_to(input, (raw(input).size,))


@composite(method=True)
def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """`input` with one dimension made several; a view.

    Args:
        dim: the dimension to divide.
        sizes: the sizes of the new dimensions; one may be -1.

    Raises:
        RuntimeError: the sizes do not multiply to that of `dim`.

    Example:
        >>> tapegrad.ones(2, 6).unflatten(1, (3, -1)).shape
        torch.Size([2, 3, 2])
    """
    shape = raw(input).shape
    dim = wrap(dim, len(shape))
    parts = tuple(sizes)
    if not parts:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if sum(n == -1 for n in parts) > 1:
        raise RuntimeError("unflatten got an unexpected error:\nonly one dimension can be inferred")
    known = math.prod([n for n in parts if n != -1])
    if -1 in parts and known:
        parts = tuple([shape[dim] // known if n == -1 else n for n in parts])
    if math.prod(parts) != shape[dim]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) in "
            "the input tensor"
        )
    return reshape_to(input, (*shape[:dim], *parts, *shape[dim + 1 :]))


def _atleast(ndim: int, tensors: tuple[Any, ...], widen: Any) -> Any:
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return widen(tensors[0])
    return tuple(widen(t) for t in sequence(tensors))


def _atleast_1d(input: Any) -> Any:
    return reshape_to(input, (1,)) if not raw(input).ndim else input


def _atleast_2d(input: Any) -> Any:
    shape = raw(input).shape
    return reshape_to(input, (1,) * (2 - len(shape)) + shape) if len(shape) < 2 else input


def _atleast_3d(input: Any) -> Any:
    shape = raw(input).shape
    return (
        input
        if len(shape) >= 3
        else unsqueeze(input, -1)
        if len(shape) == 2
        else reshape_to(input, (1, shape[0] if shape else 1, 1))
    )


@composite(method=True)
def atleast_1d(*tensors: Any) -> Any:
    """Views with at least one dimension.

    Args:
        *tensors: one tensor, or several, or a list of them; several give a tuple.

    Example:
        >>> tapegrad.atleast_1d(tapegrad.tensor(2.0))
        tensor([2.])
    """
    return _atleast(1, tensors, _atleast_1d)


@composite(method=True)
def atleast_2d(*tensors: Any) -> Any:
    """Views with at least two dimensions, new ones in front.

    Args:
        *tensors: one tensor, or several, or a list of them; several give a tuple.

    Example:
        >>> tapegrad.atleast_2d(tapegrad.ones(2))
        tensor([[1., 1.]])
    """
    return _atleast(2, tensors, _atleast_2d)


@composite(method=True)
def atleast_3d(*tensors: Any) -> Any:
    """Views with at least three dimensions, the last of them new where there were two.

    Args:
        *tensors: one tensor, or several, or a list of them; several give a tuple.

    Example:
        >>> tapegrad.atleast_3d(tapegrad.ones(2, 4)).shape
        torch.Size([2, 4, 1])
    """
    return _atleast(3, tensors, _atleast_3d)
