"""Views and rearrangements."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.op import composite, op
from tapegrad.autograd.ops.creation import shape_arguments
from tapegrad.backends import backend


@op(input=lambda grad, input_shape: _reshape(grad, input_shape), kind="view", public=False)
def _reshape(input: Any, shape: tuple[int, ...]) -> Any:
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
    try:
        return _reshape(input, size)
    except ValueError:
        raise _bad_shape(input, size) from None


def _bad_shape(input: Any, size: tuple[int, ...]) -> Exception:
    if sum(n == -1 for n in size) > 1:
        return RuntimeError("only one dimension can be inferred")
    if any(n < -1 for n in size):
        return RuntimeError(f"invalid shape dimension {min(size)}")
    count = getattr(input, "_array", input).size
    if count == 0 and -1 in size:
        return RuntimeError(f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension size -1 can be any value and is ambiguous")
    return RuntimeError(f"shape '{list(size)}' is invalid for input of size {count}")


@composite(method=True)
def view(input: Any, *shape: Any) -> Any:
    """The same memory with another shape (or, given a dtype, with its bytes read as that).

    Args:
        input: a tensor.
        *shape: the new shape, as integers or one sequence; one dimension may be -1.

    Raises:
        RuntimeError: the shape does not have as many elements, or needs a copy.
    """
    size = shape_arguments(shape)
    result = reshape(input, size)
    array = getattr(input, "_array", input)
    if not backend(array).shares_memory(getattr(result, "_array", result), array) and array.size:
        raise RuntimeError("view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). "
                           "Use .reshape(...) instead.")
    return result


@op(input=lambda grad, dims: permute_back(grad, dims), kind="view", public=False)
def _permute(input: Any, dims: tuple[int, ...]) -> Any:
    return input.transpose(dims)


def permute_back(grad: Any, dims: tuple[int, ...]) -> Any:
    """Undo `_permute`."""
    back = [0] * len(dims)
    for i, d in enumerate(dims):
        back[d] = i
    return _permute(grad, tuple(back))
