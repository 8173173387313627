"""Logic on truth values and on bits; nothing here has a gradient."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.shared_rules import array_among
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


def _truths(array: Any, name: str = "") -> Any:
    """`array` for a logical function; CuPy's take no complex numbers."""
    if not hasattr(array, "dtype"):
        raise TypeError(f"{name}(): argument 'other' (position 2) must be Tensor, not {type(array).__name__}")
    return array if array.dtype.kind != "c" else array != 0


@op(input=None, other=None, kind="elementwise", operands="free", method=True, inplace=True)
def logical_and(input: Any, other: Any) -> Any:
    """Elementwise "and"; numbers are true unless zero.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it; its dtype may be another.

    Example:
        >>> tapegrad.logical_and(tapegrad.tensor([True, True]), tapegrad.tensor([True, False]))
        tensor([ True, False])
    """
    return xp(input).logical_and(_truths(input), _truths(other, "logical_and"))


@op(input=None, other=None, kind="elementwise", operands="free", method=True, inplace=True)
def logical_or(input: Any, other: Any) -> Any:
    """Elementwise "or"; numbers are true unless zero.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it; its dtype may be another.

    Example:
        >>> tapegrad.logical_or(tapegrad.tensor([False, True]), tapegrad.tensor([False, False]))
        tensor([False,  True])
    """
    return xp(input).logical_or(_truths(input), _truths(other, "logical_or"))


@op(input=None, other=None, kind="elementwise", operands="free", method=True, inplace=True)
def logical_xor(input: Any, other: Any) -> Any:
    """Elementwise "either, not both"; numbers are true unless zero.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it; its dtype may be another.

    Example:
        >>> tapegrad.logical_xor(tapegrad.tensor([True, True]), tapegrad.tensor([True, False]))
        tensor([False,  True])
    """
    return xp(input).logical_xor(_truths(input), _truths(other, "logical_xor"))


@op(input=None, kind="elementwise", method=True, inplace=True)
def logical_not(input: Any) -> Any:
    """Elementwise "not"; numbers are true unless zero.

    Args:
        input: a tensor.

    Example:
        >>> tapegrad.logical_not(tapegrad.tensor([0, 2]))
        tensor([ True, False])
    """
    return xp(input).logical_not(_truths(input))


def _check_bits(name: str, array: Any) -> None:
    """Raise torch's error for numbers without bits to work on."""
    if array.dtype.kind not in "iub":
        raise NotImplementedError(f'"{name}_cpu" not implemented for \'{dtypes.of(array.dtype).scalar_type}\'')


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def bitwise_and(input: Any, other: Any) -> Any:
    """Bitwise "and" of integers, Python's ``&``; of bool the logical one.

    Args:
        input: an integer or bool tensor.
        other: a tensor that broadcasts with it, or a number.

    Raises:
        NotImplementedError: the tensors are of floating point.

    Example:
        >>> tapegrad.bitwise_and(tapegrad.tensor([1, 2]), 3)
        tensor([1, 2])
    """
    _check_bits("bitwise_and", array_among(input, other))
    return input & other


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def bitwise_or(input: Any, other: Any) -> Any:
    """Bitwise "or" of integers, Python's ``|``; of bool the logical one.

    Args:
        input: an integer or bool tensor.
        other: a tensor that broadcasts with it, or a number.

    Raises:
        NotImplementedError: the tensors are of floating point.

    Example:
        >>> tapegrad.bitwise_or(tapegrad.tensor([1, 4]), 2)
        tensor([3, 6])
    """
    _check_bits("bitwise_or", array_among(input, other))
    return input | other


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def bitwise_xor(input: Any, other: Any) -> Any:
    """Bitwise "xor" of integers, Python's ``^``; of bool the logical one.

    Args:
        input: an integer or bool tensor.
        other: a tensor that broadcasts with it, or a number.

    Raises:
        NotImplementedError: the tensors are of floating point.

    Example:
        >>> tapegrad.bitwise_xor(tapegrad.tensor([1, 3]), 1)
        tensor([0, 2])
    """
    _check_bits("bitwise_xor", array_among(input, other))
    return input ^ other


@op(input=None, kind="elementwise", method=True, inplace=True)
def bitwise_not(input: Any) -> Any:
    """Bitwise "not" of integers, Python's ``~``; of bool the logical one.

    Args:
        input: an integer or bool tensor.

    Raises:
        NotImplementedError: the tensor is of floating point.

    Example:
        >>> tapegrad.bitwise_not(tapegrad.tensor([True, False])), tapegrad.bitwise_not(tapegrad.tensor([0, 5]))
        (tensor([False,  True]), tensor([-1, -6]))
    """
    _check_bits("bitwise_not", input)
    return ~input


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def bitwise_left_shift(input: Any, other: Any) -> Any:
    """Bits shifted to the left, Python's ``<<``.

    Args:
        input: an integer tensor.
        other: by how many places; a tensor that broadcasts with it, or a number.

    Raises:
        NotImplementedError: the tensors are not integer.

    Example:
        >>> tapegrad.bitwise_left_shift(tapegrad.tensor([2, 3]), 2)
        tensor([ 8, 12])
    """
    _check_bits("lshift", array_among(input, other))
    return input << other


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def bitwise_right_shift(input: Any, other: Any) -> Any:
    """Bits shifted to the right, Python's ``>>``.

    Args:
        input: an integer tensor.
        other: by how many places; a tensor that broadcasts with it, or a number.

    Raises:
        NotImplementedError: the tensors are not integer.

    Example:
        >>> tapegrad.bitwise_right_shift(tapegrad.tensor([2, 4]), 2)
        tensor([0, 1])
    """
    _check_bits("rshift", array_among(input, other))
    return input >> other
