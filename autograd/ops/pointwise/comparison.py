"""Comparisons and tests of elements; their results are bool and have no gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.decorator import OpFunction, composite, op
from tapegrad.autograd.ops.common.errors import not_implemented
from tapegrad.autograd.ops.common.families import documented, elementwise
from tapegrad.autograd.ops.common.shared_rules import alias
from tapegrad.backends import xp


def _comparison(name: str, symbol: str, formula: Callable[..., Any], result: str) -> OpFunction:
    call = f"tapegrad.{name}(tapegrad.tensor([1, 2, 3]), 2)"
    summary = f"Elementwise ``input {symbol} other``; `other` is a tensor or a number."
    return elementwise(input=None, other=None)(documented(formula, name, summary, call, f"tensor({result})"))


def _real(name: str, input: Operand) -> Operand:
    """`input`, unless it is complex, of which NumPy would compare the real parts first."""
    if getattr(input, "dtype", None) is not None and input.dtype.kind == "c":
        raise not_implemented(f"{name}_cpu", input.dtype)
    return input


eq = _comparison("eq", "==", lambda input, other: input == other, "[False,  True, False]")
ne = _comparison("ne", "!=", lambda input, other: input != other, "[ True, False,  True]")
lt = _comparison("lt", "<", lambda input, other: _real("lt", input) < other, "[ True, False, False]")
le = _comparison("le", "<=", lambda input, other: _real("le", input) <= other, "[ True,  True, False]")
gt = _comparison("gt", ">", lambda input, other: _real("gt", input) > other, "[False, False,  True]")
ge = _comparison("ge", ">=", lambda input, other: _real("ge", input) >= other, "[False,  True,  True]")


def _element_test(name: str, meaning: str, formula: Callable[..., Any], result: str) -> OpFunction:
    call = f'tapegrad.{name}(tapegrad.tensor([1.0, float("nan"), float("inf"), float("-inf")]))'
    documented(formula, name, f"Whether an element is {meaning}.", call, f"tensor({result})")
    return elementwise(input=None, inplace=False)(formula)


def _of_library(name: str, of_integers: bool) -> Callable[..., Any]:
    """The library's function, which knows no integers; they all have the same answer."""

    def formula(input: Array) -> Array:
        if input.dtype.kind in "fcV":
            return getattr(xp(input), name)(input)
        return xp(input).full(input.shape, of_integers, np.bool_)

    return formula


def _is(name: str, value: float) -> Callable[..., Any]:
    def formula(input: Array) -> Array:
        if input.dtype.kind == "c":
            raise RuntimeError(f"{name} does not support complex inputs.")
        return input == value

    return formula


isnan = _element_test("isnan", "NaN", _of_library("isnan", False), "[False,  True, False, False]")
isinf = _element_test("isinf", "infinite", _of_library("isinf", False), "[False, False,  True,  True]")
isfinite = _element_test(
    "isfinite", "neither infinite nor NaN", _of_library("isfinite", True), "[ True, False, False, False]"
)
isposinf = _element_test("isposinf", "infinite and positive", _is("isposinf", np.inf), "[False, False,  True, False]")
isneginf = _element_test("isneginf", "infinite and negative", _is("isneginf", -np.inf), "[False, False, False,  True]")


@elementwise(input=None, other=None, operands="same", inplace=False)
def isclose(input: Array, other: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether elements differ by at most ``atol + rtol * abs(other)``; both tensors have the same dtype.

    Args:
        rtol: the tolerance relative to `other`.
        atol: the absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Example:
        >>> tapegrad.isclose(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([1.0 + 1e-7, 2.1]))
        tensor([ True, False])
    """
    if rtol < 0:
        raise RuntimeError(f"rtol must be greater than or equal to zero, but got {rtol}")
    if atol < 0:
        raise RuntimeError(f"atol must be greater than or equal to zero, but got {atol}")
    equal = input == other
    if equal_nan and input.dtype.kind in "fcV":
        equal = equal | ((input != input) & (other != other))
    if rtol == 0 and atol == 0:
        return equal
    if input.dtype.kind == "V":
        input, other = input.astype(np.float32), other.astype(np.float32)
    elif input.dtype.kind in "bu":  # whose differences could not be negative
        input, other = input.astype(np.float64), other.astype(np.float64)
    allowed = abs(other) * rtol + atol
    distance = abs(input - other)
    return equal | ((distance <= allowed) & xp(distance).isfinite(distance))


def _refuse_batch(text: str, *operands: Operand) -> None:
    """Raise torch's error for a single answer about tensors under vmap."""
    if any(hasattr(raw(x), "level") for x in operands):
        raise RuntimeError(text)


@composite(method=True)
def allclose(input: Operand, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close, as by `isclose`.

    Example:
        >>> tapegrad.allclose(tapegrad.tensor([1.0]), tapegrad.tensor([1.0 + 1e-7]))
        True
    """
    _refuse_batch(
        "vmap over torch.allclose isn't supported yet. Please file an issue at "
        "https://github.com/pytorch/pytorch/issues if you need this feature.",
        input,
        other,
    )
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@composite(method=True)
def equal(input: Operand, other: Operand) -> bool:
    """Whether two tensors have the same shape and equal elements.

    Example:
        >>> tapegrad.equal(tapegrad.tensor([1, 2]), tapegrad.tensor([1, 2]))
        True
    """
    _refuse_batch(
        "vmap: Batching rule not implemented for aten::equal. We could not generate a fallback.", input, other
    )
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all())


def _isin_in_batch(batched: frozenset[str], elements: Operand, test_elements: Operand, invert: bool) -> Tensor:
    if "test_elements" not in batched:
        return _isin(elements, test_elements, invert)
    size = test_elements.shape[0]
    tests = test_elements.reshape((size, math.prod(test_elements.shape[1:])))
    if isinstance(elements, Tensor):
        shape = elements.shape[1:] if "elements" in batched else elements.shape
        own = elements.reshape((size if "elements" in batched else 1, math.prod(shape), 1))
        inside = (own == tests[:, None]).any(2).reshape((size, *shape))
    else:
        inside = (tests == elements).any(1)
    return ~inside if invert else inside


@op(elements=None, test_elements=None, operands="promote", public=False, name="isin", batch=_isin_in_batch)
def _isin(elements: Array, test_elements: Array, invert: bool) -> Array:
    inside = xp(elements).isin(elements, test_elements.ravel())
    return ~inside if invert else inside


@composite()
def isin(
    elements: Operand, test_elements: Operand, *, assume_unique: bool = False, invert: bool = False, out: Operand = None
) -> Tensor:
    """Whether each element is one of `test_elements`; either may be a number.

    Args:
        assume_unique: promise that neither repeats an element; allowed, not used.
        invert: whether it is none of them.

    Example:
        >>> tapegrad.isin(tapegrad.tensor([1, 2, 3]), tapegrad.tensor([2, 5]))
        tensor([False,  True, False])
    """
    return _isin(elements, test_elements, invert, out=out)


not_equal = alias(ne, "not_equal")
less = alias(lt, "less")
less_equal = alias(le, "less_equal")
greater = alias(gt, "greater")
greater_equal = alias(ge, "greater_equal")
