"""Arithmetic and the elementary functions, element by element."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.op import op
from tapegrad.backends import xp


@op(input=lambda grad: grad, other=lambda grad, alpha: grad if alpha == 1 else grad * alpha, kind="elementwise", method=True, inplace=True,
    inplace_fn=lambda a, b, alpha=1: a.__iadd__(b if alpha == 1 else b * alpha))
def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Elementwise sum, ``input + alpha * other``.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.
        alpha: the factor of `other`.

    Example:
        >>> import tapegrad
        >>> tapegrad.add(tapegrad.ones(2), 3, alpha=2)
        tensor([7., 7.])
    """
    return input + other if alpha == 1 else input + alpha * other


@op(input=lambda grad, other: grad * other, other=lambda grad, input: grad * input, kind="elementwise", method=True, inplace=True,
    inplace_fn=lambda a, b: a.__imul__(b))
def mul(input: Any, other: Any) -> Any:
    """Elementwise product.

    Args:
        input: a tensor.
        other: a tensor that broadcasts with it, or a number.

    Example:
        >>> import tapegrad
        >>> tapegrad.mul(tapegrad.tensor([1.0, 2.0]), 3)
        tensor([3., 6.])
    """
    return input * other


@op(input=lambda grad, result: grad * result, kind="elementwise", types="float", method=True, inplace=True)
def exp(input: Any) -> Any:
    """Elementwise exponential.

    Args:
        input: a tensor; integers are taken as the default dtype.

    Example:
        >>> import tapegrad
        >>> tapegrad.exp(tapegrad.tensor([0.0]))
        tensor([1.])
    """
    return xp(input).exp(input)


@op(input=lambda grad: -grad, kind="linear", method=True, inplace=True)
def neg(input: Any) -> Any:
    """Elementwise negative."""
    return -input


from tapegrad.autograd.operators import install  # noqa: E402

install({"add": (add, add), "mul": (mul, mul)}, {"neg": neg}, {})
