"""Comparisons and tests of elements; their results are bool and have no gradient."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.ops.common.shared_rules import alias
from tapegrad.autograd.types.dtypes import of
from tapegrad.backends import xp


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def eq(input: Any, other: Any) -> Any:
    """Elementwise ``input == other``.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.eq(tapegrad.tensor([1, 2]), 2)
        tensor([False,  True])
    """
    return input == other


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def ne(input: Any, other: Any) -> Any:
    """Elementwise ``input != other``.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.ne(tapegrad.tensor([1, 2]), 2)
        tensor([ True, False])
    """
    return input != other


def _real(name: str, input: Any) -> Any:
    """`input`, unless it is complex, of which NumPy would compare the real parts first."""
    if getattr(input, "dtype", None) is not None and input.dtype.kind == "c":
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{of(input.dtype).scalar_type}'")
    return input


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def lt(input: Any, other: Any) -> Any:
    """Elementwise ``input < other``.

    Args:
        input: a real tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.lt(tapegrad.tensor([1, 2]), 2)
        tensor([ True, False])
    """
    return _real("lt", input) < other


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def le(input: Any, other: Any) -> Any:
    """Elementwise ``input <= other``.

    Args:
        input: a real tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.le(tapegrad.tensor([1, 2, 3]), 2)
        tensor([ True,  True, False])
    """
    return _real("le", input) <= other


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def gt(input: Any, other: Any) -> Any:
    """Elementwise ``input > other``.

    Args:
        input: a real tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.gt(tapegrad.tensor([1, 2, 3]), 2)
        tensor([False, False,  True])
    """
    return _real("gt", input) > other


@op(input=None, other=None, kind="elementwise", method=True, inplace=True)
def ge(input: Any, other: Any) -> Any:
    """Elementwise ``input >= other``.

    Args:
        input: a real tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> tapegrad.ge(tapegrad.tensor([1, 2, 3]), 2)
        tensor([False,  True,  True])
    """
    return _real("ge", input) >= other


def _inexact(array: Any) -> bool:
    return array.dtype.kind in "fcV"


@op(input=None, kind="elementwise", method=True)
def isnan(input: Any) -> Any:
    """Whether an element is NaN.

    Args:
        input: a tensor.

    Example:
        >>> tapegrad.isnan(tapegrad.tensor([1.0, float("nan")]))
        tensor([False,  True])
    """
    return xp(input).isnan(input) if _inexact(input) else xp(input).zeros(input.shape, np.bool_)


@op(input=None, kind="elementwise", method=True)
def isinf(input: Any) -> Any:
    """Whether an element is infinite.

    Args:
        input: a tensor.

    Example:
        >>> tapegrad.isinf(tapegrad.tensor([1.0, float("-inf")]))
        tensor([False,  True])
    """
    return xp(input).isinf(input) if _inexact(input) else xp(input).zeros(input.shape, np.bool_)


@op(input=None, kind="elementwise", method=True)
def isfinite(input: Any) -> Any:
    """Whether an element is neither infinite nor NaN.

    Args:
        input: a tensor.

    Example:
        >>> tapegrad.isfinite(tapegrad.tensor([1.0, float("inf")]))
        tensor([ True, False])
    """
    return xp(input).isfinite(input) if _inexact(input) else xp(input).ones(input.shape, np.bool_)


@op(input=None, kind="elementwise", method=True)
def isposinf(input: Any) -> Any:
    """Whether an element is infinite and positive.

    Args:
        input: a real tensor.

    Example:
        >>> tapegrad.isposinf(tapegrad.tensor([float("inf"), float("-inf")]))
        tensor([ True, False])
    """
    if input.dtype.kind == "c":
        raise RuntimeError("isposinf does not support complex inputs.")
    return input == np.inf


@op(input=None, kind="elementwise", method=True)
def isneginf(input: Any) -> Any:
    """Whether an element is infinite and negative.

    Args:
        input: a real tensor.

    Example:
        >>> tapegrad.isneginf(tapegrad.tensor([float("inf"), float("-inf")]))
        tensor([False,  True])
    """
    if input.dtype.kind == "c":
        raise RuntimeError("isneginf does not support complex inputs.")
    return input == -np.inf


@op(input=None, other=None, kind="elementwise", operands="same", method=True)
def isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether elements differ by at most ``atol + rtol * abs(other)``.

    Args:
        input: a tensor.
        other: a tensor of the same dtype that broadcasts with it.
        rtol: the tolerance relative to `other`.
        atol: the absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Raises:
        RuntimeError: the dtypes differ.

    Example:
        >>> tapegrad.isclose(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([1.0 + 1e-7, 2.1]))
        tensor([ True, False])
    """
    if rtol < 0:
        raise RuntimeError(f"rtol must be greater than or equal to zero, but got {rtol}")
    if atol < 0:
        raise RuntimeError(f"atol must be greater than or equal to zero, but got {atol}")
    equal = input == other
    if equal_nan and _inexact(input):
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


def _refuse_batch(text: str, *operands: Any) -> None:
    """Raise torch's error for a single answer about tensors under vmap."""
    if any(hasattr(raw(x), "level") for x in operands):
        raise RuntimeError(text)


@composite(method=True)
def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close, as by `isclose`.

    Args:
        input: a tensor.
        other: a tensor of the same dtype that broadcasts with it.
        rtol: the tolerance relative to `other`.
        atol: the absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Raises:
        RuntimeError: the dtypes differ.

    Example:
        >>> tapegrad.allclose(tapegrad.tensor([1.0]), tapegrad.tensor([1.0 + 1e-7]))
        True
    """
    _refuse_batch("vmap over torch.allclose isn't supported yet. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature.",
                  input, other)
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@composite(method=True)
def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and equal elements.

    Args:
        input: a tensor.
        other: a tensor.

    Example:
        >>> tapegrad.equal(tapegrad.tensor([1, 2]), tapegrad.tensor([1, 2]))
        True
    """
    _refuse_batch("vmap: Batching rule not implemented for aten::equal. We could not generate a fallback.", input, other)
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all())


def _isin_in_batch(batched: frozenset[str], elements: Any, test_elements: Any, invert: bool) -> Any:
    if "test_elements" not in batched:
        return _isin(elements, test_elements, invert)
    size = test_elements.shape[0]
    tests = test_elements.reshape((size, math.prod(test_elements.shape[1:])))
    if isinstance(elements, Tensor):
        shape = elements.shape[1:] if "elements" in batched else elements.shape
        own = elements.reshape((size if "elements" in batched else 1, math.prod(shape), 1))
        found = (own == tests[:, None]).any(2).reshape((size, *shape))
    else:
        found = (tests == elements).any(1)
    return ~found if invert else found


@op(elements=None, test_elements=None, operands="promote", public=False, name="isin",
    batch=lambda batched, elements, test_elements, invert: _isin_in_batch(batched, elements, test_elements, invert))
def _isin(elements: Any, test_elements: Any, invert: bool) -> Any:
    found = xp(elements).isin(elements, test_elements.ravel())
    return ~found if invert else found


@composite()
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False, out: Any = None) -> Any:
    """Whether each element is one of `test_elements`.

    Args:
        elements: a tensor or a number.
        test_elements: a tensor or a number.
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
