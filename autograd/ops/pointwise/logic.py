"""Logic on truth values and on bits; nothing here has a gradient."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.decorator import OpFunction
from tapegrad.autograd.ops.common.errors import not_implemented
from tapegrad.autograd.ops.common.families import documented, elementwise
from tapegrad.autograd.ops.common.shared_rules import array_among
from tapegrad.backends import xp

# ---- on truth values


def _logical(name: str, meaning: str, result: str) -> OpFunction:
    def function(input: Array, other: Array) -> Array:
        return getattr(xp(input), name)(_truths(input), _truths(other, name))

    call = f"tapegrad.{name}(tapegrad.tensor([True, True, False]), tapegrad.tensor([True, False, False]))"
    documented(function, name, f"Elementwise {meaning}; numbers are true unless zero.", call, f"tensor({result})")
    return elementwise(input=None, other=None, operands="free")(function)


def _truths(array: Operand, name: str = "") -> Array:
    """`array` for a logical function; CuPy's take no complex numbers."""
    if not hasattr(array, "dtype"):
        raise TypeError(f"{name}(): argument 'other' (position 2) must be Tensor, not {type(array).__name__}")
    return array if array.dtype.kind != "c" else array != 0


logical_and = _logical("logical_and", '"and"', "[ True, False, False]")
logical_or = _logical("logical_or", '"or"', "[ True,  True, False]")
logical_xor = _logical("logical_xor", '"either, not both"', "[False,  True, False]")


@elementwise(input=None)
def logical_not(input: Array) -> Array:
    """Elementwise "not"; numbers are true unless zero.

    Example:
        >>> tapegrad.logical_not(tapegrad.tensor([0, 2]))
        tensor([ True, False])
    """
    return xp(input).logical_not(_truths(input))


# ---- on bits


def _bitwise(
    name: str, meaning: str, symbol: str, operate: Callable[..., Any], result: str, kernel: str = ""
) -> OpFunction:
    kernel = f"{kernel or name}_cpu"

    def function(input: Operand, other: Operand) -> Array:
        _check_bits(kernel, array_among(input, other))
        return operate(input, other)

    call = f"tapegrad.{name}(tapegrad.tensor([1, 6, 12]), 2)"
    documented(function, name, f"{meaning} of integers or bool, Python's ``{symbol}``.", call, f"tensor({result})")
    return elementwise(input=None, other=None)(function)


def _check_bits(kernel: str, array: Array) -> None:
    """Raise torch's error for numbers without bits to work on."""
    if array.dtype.kind not in "iub":
        raise not_implemented(kernel, array.dtype)


bitwise_and = _bitwise("bitwise_and", 'Bitwise "and"', "&", operator.and_, "[0, 2, 0]")
bitwise_or = _bitwise("bitwise_or", 'Bitwise "or"', "|", operator.or_, "[ 3,  6, 14]")
bitwise_xor = _bitwise("bitwise_xor", 'Bitwise "xor"', "^", operator.xor, "[ 3,  4, 14]")
bitwise_left_shift = _bitwise("bitwise_left_shift", "Left shift", "<<", operator.lshift, "[ 4, 24, 48]", "lshift")
bitwise_right_shift = _bitwise("bitwise_right_shift", "Right shift", ">>", operator.rshift, "[0, 1, 3]", "rshift")


@elementwise(input=None)
def bitwise_not(input: Array) -> Array:
    """Bitwise "not" of integers or bool, Python's ``~``.

    Example:
        >>> tapegrad.bitwise_not(tapegrad.tensor([True, False])), tapegrad.bitwise_not(tapegrad.tensor([0, 5]))
        (tensor([False,  True]), tensor([-1, -6]))
    """
    _check_bits("bitwise_not_cpu", input)
    return ~input
