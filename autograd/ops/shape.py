"""Views: the same memory with another shape, or its dimensions in another order."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.op import composite, op
from tapegrad.autograd.ops.dims import raw, sequence, shape_arguments, wrap, wrap_all
from tapegrad.autograd.runtime import sum_to
from tapegrad.autograd.size import Size
from tapegrad.autograd.tensor import Tensor
from tapegrad.backends import backend

# ---- another shape


@op(input=lambda grad, input_shape: _reshape(grad, input_shape), kind="view", name="view", public=False)
def _reshape(input: Any, shape: tuple[int, ...]) -> Any:
    return input.reshape(shape)


_reshape_core = _reshape.op.core


@op(input=lambda grad, input_shape: _reshape(grad, input_shape), kind="linear", public=False)
def unsafe_view(input: Any, shape: tuple[int, ...]) -> Any:
    """A result of our own in another shape: a view that need not be known as one, since nobody else has the tensor that it is a view of."""
    return input.reshape(shape)


@composite(method=True)
def reshape(input: Any, *shape: Any) -> Any:
    """`input` with another shape: a view where the layout allows it, a copy otherwise.

    Args:
        input: a tensor.
        *shape: the new shape, as integers or one sequence; one dimension may be -1.

    Raises:
        RuntimeError: the shape does not have as many elements.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(4).reshape(2, -1)
        tensor([[0, 1],
                [2, 3]])
    """
    size = shape_arguments(shape)
    if size and min(size) < -1:
        raise _bad_shape(input, size)  # NumPy takes any negative number for -1
    try:
        return _reshape_core(input, size)
    except ValueError:
        raise _bad_shape(input, size) from None


def _bad_shape(input: Any, size: tuple[int, ...]) -> Exception:
    if sum(n == -1 for n in size) > 1:
        return RuntimeError("only one dimension can be inferred")
    if any(n < -1 for n in size):
        i = next(i for i, n in enumerate(size) if n < -1)
        return RuntimeError(f"invalid shape dimension {size[i]} at index {i} of shape {list(size)}")
    count = raw(input).size
    if count == 0 and -1 in size:
        return RuntimeError(f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension size -1 can be any value and is "
                            "ambiguous")
    return RuntimeError(f"shape '{list(size)}' is invalid for input of size {count}")


@composite(method=True)
def reshape_as(input: Any, other: Any) -> Any:
    """`input` with the shape of `other`.

    Args:
        input: a tensor.
        other: a tensor of as many elements.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(4).reshape_as(tapegrad.ones(2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    return reshape(input, raw(other).shape)


@composite(method=True)
def view(input: Any, *shape: Any, dtype: Any = None, size: Any = None) -> Any:
    """The same memory with another shape (or, given a dtype, with its bytes read as that).

    Args:
        input: a tensor.
        *shape: the new shape, as integers or one sequence, where one dimension may be -1; or a dtype.
        dtype: the dtype, by name.
        size: the shape, by name.

    Raises:
        RuntimeError: the shape does not have as many elements, or needs a copy.

    Example:
        >>> import tapegrad
        >>> x = tapegrad.zeros(4)
        >>> x.view(2, 2)[0, 1] = 5
        >>> x
        tensor([0., 5., 0., 0.])
    """
    if dtype is None and len(shape) == 1 and isinstance(shape[0], (dtypes.dtype, np.dtype)):
        dtype = shape[0]
    if dtype is not None:
        return _view_dtype(input, dtypes.numpy_dtype(dtype))
    if not shape and size is None:
        raise TypeError("view() received an invalid combination of arguments - got (), but expected one of:\n * (torch.dtype dtype)\n * (tuple of ints size)")
    result = reshape(input, *shape) if size is None else reshape(input, size)
    array = raw(input)
    if not array.flags.c_contiguous and array.size and not backend(array).shares_memory(raw(result), array):
        raise RuntimeError("view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). "
                           "Use .reshape(...) instead.")
    return result


@composite(method=True)
def view_as(input: Any, other: Any) -> Any:
    """The same memory with the shape of `other`.

    Args:
        input: a tensor.
        other: a tensor of as many elements.

    Example:
        >>> import tapegrad
        >>> tapegrad.arange(4).view_as(tapegrad.ones(2, 2)).shape
        torch.Size([2, 2])
    """
    return view(input, raw(other).shape)


@op(input=None, kind="view", name="view", public=False)
def _view_dtype(input: Any, dtype: np.dtype) -> Any:
    before, after = input.dtype.itemsize, dtype.itemsize
    if before == after:
        return input.view(dtype)
    old, new = dtypes.of(input.dtype).scalar_type, dtypes.of(dtype).scalar_type
    if not input.ndim:
        raise RuntimeError(f"self.dim() cannot be 0 to view {old} as {new} (different element sizes)")
    last = input.strides[-1] // before
    if last != 1 and input.shape[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 to view {old} as {new} (different element sizes), but got {last}")
    if before < after:
        times = after // before
        if input.shape[-1] % times:
            raise RuntimeError(f"self.size(-1) must be divisible by {times} to view {old} as {new} (different element sizes), but got {input.shape[-1]}")
        if any(stride % after for stride in input.strides[:-1]):
            raise RuntimeError(f"self.stride() must be divisible by {times} to view {old} as {new} (different element sizes)")
    return input.view(dtype)


@op(input=lambda grad, input_shape: _reshape(grad, input_shape), kind="view", method=True)
def unsqueeze(input: Any, dim: int) -> Any:
    """`input` with a dimension of size 1 more; a view.

    Args:
        input: a tensor.
        dim: where the new dimension stands.

    Raises:
        IndexError: `dim` is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3).unsqueeze(-1).shape
        torch.Size([2, 3, 1])
    """
    shape = input.shape
    dim = wrap(dim, len(shape) + 1)
    return input.reshape((*shape[:dim], 1, *shape[dim:]))


@op(input=lambda grad, input_shape: _reshape(grad, input_shape), kind="view", method=True)
def squeeze(input: Any, dim: Any = None) -> Any:
    """`input` without its dimensions of size 1; a view.

    Args:
        input: a tensor.
        dim: the dimension, or dimensions, to drop where their size is 1; None: all.

    Raises:
        IndexError: `dim` is out of range.

    Example:
        >>> import tapegrad
        >>> x = tapegrad.ones(1, 2, 1)
        >>> x.squeeze().shape, x.squeeze(0).shape
        (torch.Size([2]), torch.Size([2, 1]))
    """
    shape = input.shape
    if dim is None:
        return input.reshape([n for n in shape if n != 1])
    dims = wrap_all(dim, len(shape)) if isinstance(dim, (tuple, list)) else (wrap(dim, len(shape)),)
    return input.reshape([n for i, n in enumerate(shape) if n != 1 or i not in dims])


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
        >>> import tapegrad
        >>> tapegrad.ones(2, 3, 4).flatten(1).shape
        torch.Size([2, 12])
    """
    shape = raw(input).shape
    start, end = wrap(start_dim, len(shape)), wrap(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if shape and start == end:
        return input
    return _reshape_core(input, (*shape[:start], math.prod(shape[start:end + 1]), *shape[end + 1:]))


@composite(method=True)
def ravel(input: Any) -> Any:
    """`input` as one dimension; a view where the layout allows it.

    Args:
        input: a tensor.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 2).ravel()
        tensor([1., 1., 1., 1.])
    """
    return _reshape_core(input, (raw(input).size,))


@composite(method=True)
def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """`input` with one dimension made several; a view.

    Args:
        input: a tensor.
        dim: the dimension to divide.
        sizes: the sizes of the new dimensions; one may be -1.

    Raises:
        RuntimeError: the sizes do not multiply to that of `dim`.

    Example:
        >>> import tapegrad
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
        raise RuntimeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) in the input tensor")
    return _reshape_core(input, (*shape[:dim], *parts, *shape[dim + 1:]))


def _atleast(ndim: int, tensors: tuple[Any, ...], widen: Any) -> Any:
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return widen(tensors[0])
    return tuple(widen(t) for t in sequence(tensors))


def _atleast_1d(input: Any) -> Any:
    return _reshape_core(input, (1,)) if not raw(input).ndim else input


def _atleast_2d(input: Any) -> Any:
    shape = raw(input).shape
    return _reshape_core(input, (1,) * (2 - len(shape)) + shape) if len(shape) < 2 else input


def _atleast_3d(input: Any) -> Any:
    shape = raw(input).shape
    return input if len(shape) >= 3 else unsqueeze(input, -1) if len(shape) == 2 else _reshape_core(input, (1, shape[0] if shape else 1, 1))


@composite(method=True)
def atleast_1d(*tensors: Any) -> Any:
    """Views with at least one dimension.

    Args:
        *tensors: one tensor, or several, or a list of them; several give a tuple.

    Example:
        >>> import tapegrad
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
        >>> import tapegrad
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
        >>> import tapegrad
        >>> tapegrad.atleast_3d(tapegrad.ones(2, 4)).shape
        torch.Size([2, 4, 1])
    """
    return _atleast(3, tensors, _atleast_3d)


# ---- the dimensions in another order


@op(input=lambda grad, dim0, dim1: transpose(grad, dim0, dim1), kind="view", method=True)
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """`input` with two dimensions exchanged; a view.

    Args:
        input: a tensor.
        dim0: one dimension.
        dim1: the other.

    Raises:
        IndexError: a dimension is out of range.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3, 4).transpose(0, 2).shape
        torch.Size([4, 3, 2])
    """
    try:
        return input.swapaxes(dim0, dim1)
    except (ValueError, TypeError):
        dim0, dim1 = wrap(dim0, input.ndim), wrap(dim1, input.ndim)
        return input.swapaxes(dim0, dim1) if input.ndim else input[...]


@composite(method=True)
def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """`transpose` by NumPy's name.

    Args:
        input: a tensor.
        axis0: one dimension.
        axis1: the other.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3).swapaxes(0, 1).shape
        torch.Size([3, 2])
    """
    return transpose(input, axis0, axis1)


@composite(method=True)
def swapdims(input: Any, dim0: int, dim1: int) -> Any:
    """`transpose` by another name.

    Args:
        input: a tensor.
        dim0: one dimension.
        dim1: the other.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3).swapdims(0, 1).shape
        torch.Size([3, 2])
    """
    return transpose(input, dim0, dim1)


@op(input=lambda grad: t(grad), kind="view", method=True)
def t(input: Any) -> Any:
    """The transposed matrix, a view; a vector as it is.

    Args:
        input: a tensor of at most two dimensions.

    Raises:
        RuntimeError: it has more.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3).t().shape
        torch.Size([3, 2])
    """
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input.T


@op(input=lambda grad, dims: permute_back(grad, dims), kind="view", name="permute", public=False)
def _permute(input: Any, dims: tuple[int, ...]) -> Any:
    return input.transpose(dims)


_permute_core = _permute.op.core


def permute_back(grad: Any, dims: tuple[int, ...]) -> Any:
    """Undo `_permute`."""
    back = [0] * len(dims)
    for i, d in enumerate(dims):
        back[d] = i
    return _permute_core(grad, tuple(back))


@composite(method=True)
def permute(input: Any, *dims: Any) -> Any:
    """`input` with its dimensions in the order `dims`; a view.

    Args:
        input: a tensor.
        *dims: all its dimensions, as integers or one sequence.

    Raises:
        RuntimeError: a dimension is missing or stands twice.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3, 4).permute(2, 0, 1).shape
        torch.Size([4, 2, 3])
    """
    if not dims:
        raise TypeError('permute() missing 1 required positional arguments: "dims"')
    order = sequence(dims)
    try:
        return _permute_core(input, order)
    except (ValueError, TypeError):
        return _permute_core(input, _permutation(order, raw(input).ndim))


def _permutation(dims: tuple[Any, ...], ndim: int) -> tuple[int, ...]:
    """`dims` checked, and counted from the front."""
    if len(dims) != ndim:
        raise RuntimeError(f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions "
                           f"i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}")
    found = tuple([wrap(dim, ndim) for dim in dims])
    if len(set(found)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return found


@composite(method=True)
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """`input` with dimensions moved to other places, the rest in their order; a view.

    Args:
        input: a tensor.
        source: a dimension or several.
        destination: where they go.

    Raises:
        RuntimeError: a dimension stands twice, or the numbers differ.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3, 4).movedim(0, -1).shape
        torch.Size([3, 4, 2])
    """
    ndim = raw(input).ndim
    source = tuple(source) if isinstance(source, (tuple, list)) else (source,)
    destination = tuple(destination) if isinstance(destination, (tuple, list)) else (destination,)
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of dims as "
                           f"destination ({list(destination)} dims)")
    at = [wrap(dim, ndim) for dim in source]
    to = [wrap(dim, ndim) for dim in destination]
    for name, given, found in (("source", source, at), ("destination", destination, to)):
        if len(set(found)) != len(found):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    rest = iter([dim for dim in range(ndim) if dim not in at])
    return _permute_core(input, tuple([at[to.index(dim)] if dim in to else next(rest) for dim in range(ndim)]))


@composite(method=True)
def moveaxis(input: Any, source: Any, destination: Any) -> Any:
    """`movedim` by NumPy's name.

    Args:
        input: a tensor.
        source: a dimension or several.
        destination: where they go.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3, 4).moveaxis(0, -1).shape
        torch.Size([3, 4, 2])
    """
    return movedim(input, source, destination)


@composite(method=True)
def adjoint(input: Any) -> Any:
    """The matrices of `input` transposed and conjugated; a view where they are real.

    Args:
        input: a tensor of at least two dimensions.

    Raises:
        RuntimeError: it has one.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(4, 2, 3).adjoint().shape
        torch.Size([4, 3, 2])
    """
    return _transposed(input, "adjoint()", " or batches of matrices", 2, True)


def _transposed(input: Any, name: str, more: str, least: int, conjugate: bool) -> Any:
    ndim = raw(input).ndim
    if ndim == 0:
        import warnings
        warnings.warn(f"{name if name == 'adjoint()' else f'Tensor.{name}'} is deprecated on 0-D tensors. This function is the identity in these cases.",
                      stacklevel=3)
        result = input
    elif ndim < least or (least == 2 and not more and ndim != 2):
        hint = " For batches of matrices, consider using tensor.mH" if name == "H" and ndim > 2 else ""
        what = f"matrices{more if more else ' (2-D tensors)'}"
        raise RuntimeError(f"tensor.{name} is only supported on {what}. Got {ndim}-D tensor.{hint}")
    else:
        result = transpose(input, -2, -1)
    return result.conj() if conjugate and raw(input).dtype.kind == "c" else result


def _t_property(self: Tensor) -> Tensor:
    """The tensor with its dimensions in reverse order; a view."""
    ndim = self._array.ndim
    if ndim != 2:
        import warnings
        if ndim:
            warnings.warn("The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error in a future "
                          "release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the "
                          "dimensions of a tensor.", stacklevel=2)
        else:
            warnings.warn("Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases.", stacklevel=2)
    return _permute_core(self, tuple(range(ndim))[::-1])  # type: ignore[no-any-return]


Tensor.T = property(_t_property)  # type: ignore[attr-defined]
Tensor.mT = property(lambda self: _transposed(self, "mT", " or batches of matrices", 2, False), doc="The matrices transposed; a view.")  # type: ignore[attr-defined]
Tensor.mH = property(lambda self: _transposed(self, "mH", " or batches of matrices", 2, True), doc="The matrices transposed and conjugated.")  # type: ignore[attr-defined]
Tensor.H = property(lambda self: _transposed(self, "H", "", 2, True), doc="The matrix transposed and conjugated.")  # type: ignore[attr-defined]


# ---- broadcasting


@op(input=lambda grad, input_shape: sum_to(grad, input_shape), kind="view", name="expand", public=False)
def _expand(input: Any, shape: tuple[int, ...]) -> Any:
    old, strides = input.shape, input.strides
    lead = len(shape) - len(old)
    steps = (0,) * lead + tuple([s if n == m else 0 for n, m, s in zip(old, shape[lead:], strides)])
    return backend(input).as_strided(input, shape, steps)


_expand_core = _expand.op.core


@composite(method=True)
def expand(input: Any, *sizes: Any) -> Any:
    """`input` repeated along its dimensions of size 1, and along new ones in front, without a copy.

    Args:
        input: a tensor.
        *sizes: the new shape, as integers or one sequence; -1 keeps a size.

    Raises:
        RuntimeError: a size does not fit.

    Example:
        >>> import tapegrad
        >>> tapegrad.tensor([[1], [2]]).expand(2, 2, -1).shape
        torch.Size([2, 2, 1])
    """
    return _expand_core(input, expanded_shape(raw(input), shape_arguments(sizes)))


def expanded_shape(array: Any, size: tuple[int, ...]) -> tuple[int, ...]:
    """`size` with its -1 replaced by what `array` has there.

    Raises:
        RuntimeError: `array` cannot be broadcast to it.
    """
    shape = array.shape
    lead = len(size) - len(shape)
    if lead < 0:
        kind = f"torch.{dtypes.of(array.dtype).scalar_type}Tensor"
        raise RuntimeError(f"expand({kind}{{{list(shape)}}}, size={list(size)}): the number of sizes provided ({len(size)}) must be greater or equal to the "
                           f"number of dimensions in the tensor ({len(shape)})")
    result = []
    for i, n in enumerate(size):
        if i < lead:
            if n < 0:
                raise RuntimeError(f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}")
            result.append(n)
            continue
        m = shape[i - lead]
        if n == -1:
            n = m
        elif (n != m and m != 1) or n < 0:
            raise RuntimeError(f"The expanded size of the tensor ({n}) must match the existing size ({m}) at non-singleton dimension {i}.  "
                               f"Target sizes: {list(size)}.  Tensor sizes: {list(shape)}")
        result.append(n)
    return tuple(result)


@composite(method=True)
def expand_as(input: Any, other: Any) -> Any:
    """`input` expanded to the shape of `other`.

    Args:
        input: a tensor.
        other: a tensor to whose shape it can be broadcast.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(1, 2).expand_as(tapegrad.zeros(3, 2)).shape
        torch.Size([3, 2])
    """
    return expand(input, raw(other).shape)


@composite(method=True)
def broadcast_to(input: Any, *size: Any) -> Any:
    """`input` expanded to the shape `size`.

    Args:
        input: a tensor.
        size: a shape to which it can be broadcast.

    Example:
        >>> import tapegrad
        >>> tapegrad.broadcast_to(tapegrad.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, *size)


@composite()
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes have together.

    Args:
        *shapes: shapes, or single sizes.

    Raises:
        RuntimeError: they do not fit together.

    Example:
        >>> import tapegrad
        >>> tapegrad.broadcast_shapes((2, 1), (3,))
        torch.Size([2, 3])
    """
    found = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    result = [1] * max(map(len, found), default=0)
    for which, shape in enumerate(found):
        for i in range(-1, -1 - len(shape), -1):
            n = shape[i]
            if n < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            if n == 1 or n == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(f"Attempting to broadcast a dimension of length {n} at {i}! Mismatching argument at index {which} had {shape}; but expected "
                                   f"shape should be broadcastable to {result}")
            result[i] = n
    return Size(result)


def common_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that `shapes` have together, or the error that an op of tensors of these shapes raises."""
    result: list[int] = []
    for shape in shapes:
        if len(shape) > len(result):
            result[:0] = [1] * (len(shape) - len(result))
        for i in range(-1, -1 - len(shape), -1):
            if result[i] == 1:
                result[i] = shape[i]
            elif shape[i] not in (1, result[i]):
                raise RuntimeError(f"The size of tensor a ({result[i]}) must match the size of tensor b ({shape[i]}) at non-singleton dimension "
                                   f"{len(result) + i}")
    return tuple(result)


@composite()
def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """The tensors, each expanded to the shape that they have together.

    Args:
        *tensors: tensors that broadcast with each other.

    Raises:
        RuntimeError: they do not.

    Example:
        >>> import tapegrad
        >>> [t.shape for t in tapegrad.broadcast_tensors(tapegrad.ones(2, 1), tapegrad.ones(3))]
        [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    given = sequence(tensors)
    shape = common_shape(*[raw(t).shape for t in given])
    return tuple(_expand_core(t, shape) for t in given)


@composite(method=True)
def sum_to_size(input: Any, *size: Any) -> Any:
    """`input` added up to the shape `size`: what expanding from that shape has as its gradient.

    Args:
        input: a tensor.
        *size: a shape that can be broadcast to that of `input`, as integers or one sequence.

    Raises:
        RuntimeError: it cannot.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3).sum_to_size(2, 1)
        tensor([[3.],
                [3.]])
    """
    if not size:
        raise TypeError('sum_to_size() missing 1 required positional arguments: "size"')
    shape = shape_arguments(size)
    have = raw(input).shape
    if len(shape) > len(have) or any(n not in (1, m) for n, m in zip(shape[::-1], have[::-1])):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(have)}}}.")
    return input if shape == have else _sum_to_size(input, shape)


@op(input=lambda grad, input_shape: _expand(grad, input_shape), kind="linear", name="sum_to_size", public=False)
def _sum_to_size(input: Any, shape: tuple[int, ...]) -> Any:
    return sum_to(input.astype(np.int64) if input.dtype.kind in "biu" else input, shape)


__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "expand", "expand_as", "flatten", "moveaxis",
    "movedim", "permute", "ravel", "reshape", "reshape_as", "squeeze", "sum_to_size", "swapaxes", "swapdims", "t", "transpose", "unflatten", "unsqueeze",
    "view", "view_as",
]
