"""Views with the dimensions in another order."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import over, permuted
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.dims import sequence, wrap


@op(input=lambda grad, dim0, dim1: transpose(grad, dim0, dim1), kind="view", method=True)
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """`input` with two dimensions exchanged; a view.

    Args:
        dim0: one dimension.
        dim1: the other.

    Raises:
        IndexError: a dimension is out of range.

    Example:
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
        axis0: one dimension.
        axis1: the other.

    Example:
        >>> tapegrad.ones(2, 3).swapaxes(0, 1).shape
        torch.Size([3, 2])
    """
    return transpose(input, axis0, axis1)


@composite(method=True)
def swapdims(input: Any, dim0: int, dim1: int) -> Any:
    """`transpose` by another name.

    Args:
        dim0: one dimension.
        dim1: the other.

    Example:
        >>> tapegrad.ones(2, 3).swapdims(0, 1).shape
        torch.Size([3, 2])
    """
    return transpose(input, dim0, dim1)


@op(
    input=lambda grad: t(grad),
    kind="view",
    method=True,
    batch=lambda batched, input: transpose(input, 1, 2) if input.ndim == 3 else input[:],
)
def t(input: Any) -> Any:
    """The transposed matrix, a view; a vector as it is.

    Args:
        input: a tensor of at most two dimensions.

    Raises:
        RuntimeError: it has more.

    Example:
        >>> tapegrad.ones(2, 3).t().shape
        torch.Size([3, 2])
    """
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input.T


@op(
    input=lambda grad, dims: permute_back(grad, dims),
    kind="view",
    name="permute",
    batch=over(dims=permuted),
    public=False,
)
def _permute(input: Any, dims: tuple[int, ...]) -> Any:
    return input.transpose(dims)


permute_to = _permute.op.core


def permute_back(grad: Any, dims: tuple[int, ...]) -> Any:
    """Undo `_permute`."""
    back = [0] * len(dims)
    for i, d in enumerate(dims):
        back[d] = i
    return permute_to(grad, tuple(back))


@composite(method=True)
def permute(input: Any, *dims: Any) -> Any:
    """`input` with its dimensions in the order `dims`; a view.

    Args:
        *dims: all its dimensions, as integers or one sequence.

    Raises:
        RuntimeError: a dimension is missing or stands twice.

    Example:
        >>> tapegrad.ones(2, 3, 4).permute(2, 0, 1).shape
        torch.Size([4, 2, 3])
    """
    if not dims:
        raise TypeError('permute() missing 1 required positional arguments: "dims"')
    order = sequence(dims)
    try:
        return permute_to(input, order)
    except (ValueError, TypeError):
        return permute_to(input, _permutation(order, raw(input).ndim))


def _permutation(dims: tuple[Any, ...], ndim: int) -> tuple[int, ...]:
    """`dims` checked, and counted from the front."""
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            "ordering of dimensions "
            f"i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}"
        )
    found = tuple([wrap(dim, ndim) for dim in dims])
    if len(set(found)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return found


@composite(method=True)
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """`input` with dimensions moved to other places, the rest in their order; a view.

    Args:
        source: a dimension or several.
        destination: where they go.

    Raises:
        RuntimeError: a dimension stands twice, or the numbers differ.

    Example:
        >>> tapegrad.ones(2, 3, 4).movedim(0, -1).shape
        torch.Size([3, 4, 2])
    """
    ndim = raw(input).ndim
    source = tuple(source) if isinstance(source, (tuple, list)) else (source,)
    destination = tuple(destination) if isinstance(destination, (tuple, list)) else (destination,)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same "
            "number of dims as "
            f"destination ({list(destination)} dims)"
        )
    at = [wrap(dim, ndim) for dim in source]
    to = [wrap(dim, ndim) for dim in destination]
    for name, given, found in (("source", source, at), ("destination", destination, to)):
        if len(set(found)) != len(found):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    rest = iter([dim for dim in range(ndim) if dim not in at])
    return permute_to(input, tuple([at[to.index(dim)] if dim in to else next(rest) for dim in range(ndim)]))


@composite(method=True)
def moveaxis(input: Any, source: Any, destination: Any) -> Any:
    """`movedim` by NumPy's name.

    Args:
        source: a dimension or several.
        destination: where they go.

    Example:
        >>> tapegrad.ones(2, 3, 4).moveaxis(0, -1).shape
        torch.Size([3, 4, 2])
    """
    return movedim(input, source, destination)


@composite(method=True)
def adjoint(input: Any) -> Any:
    """The matrices of `input` transposed and conjugated; a view where they are real.

    Raises:
        RuntimeError: it has one.

    Example:
        >>> tapegrad.ones(4, 2, 3).adjoint().shape
        torch.Size([4, 3, 2])
    """
    return _transposed(input, "adjoint()", " or batches of matrices", 2, True)


def _transposed(input: Any, name: str, more: str, least: int, conjugate: bool) -> Any:
    ndim = raw(input).ndim
    if ndim == 0:
        import warnings

        warnings.warn(
            f"{name if name == 'adjoint()' else f'Tensor.{name}'} is deprecated on 0-D tensors. This function is the "
            "identity in these cases.",
            stacklevel=3,
        )
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
            warnings.warn(
                "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it "
                "will throw an error in a future "
                "release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, "
                "-1, -1))` to reverse the "
                "dimensions of a tensor.",
                stacklevel=2,
            )
        else:
            warnings.warn(
                "Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases.", stacklevel=2
            )
    return permute_to(self, tuple(range(ndim))[::-1])


PROPERTIES = {
    "T": property(_t_property),
    "mT": property(
        lambda self: _transposed(self, "mT", " or batches of matrices", 2, False),
        doc="The matrices transposed; a view.",
    ),
    "mH": property(
        lambda self: _transposed(self, "mH", " or batches of matrices", 2, True),
        doc="The matrices transposed and conjugated.",
    ),
    "H": property(lambda self: _transposed(self, "H", "", 2, True), doc="The matrix transposed and conjugated."),
}
for name, value in PROPERTIES.items():
    setattr(Tensor, name, value)
