"""Sums and other reductions."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.op import op
from tapegrad.backends import xp


def expand_reduced(grad: Any, shape: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """The gradient of a reduced result, for each element that went into it."""
    if not keepdim and dim is not None and len(shape) > 0:
        dims = (dim,) if isinstance(dim, int) else dim
        reduced = {d % len(shape) for d in dims} or set(range(len(shape)))
        grad = grad.reshape(tuple(1 if i in reduced else n for i, n in enumerate(shape)))
    return _expand(grad, shape)


@op(input=lambda grad, input_shape: _sum_to(grad, input_shape), kind="linear", view=True, public=False)
def _expand(input: Any, shape: tuple[int, ...]) -> Any:
    return xp(input).broadcast_to(input, shape)


def _sum_to(grad: Any, shape: tuple[int, ...]) -> Any:
    from tapegrad.autograd.runtime import sum_to
    return sum_to(grad, shape)


@op(input=lambda grad, input_shape, dim, keepdim: expand_reduced(grad, input_shape, dim, keepdim), kind="linear", method=True)
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum of all elements, or along dimensions.

    Args:
        input: a tensor; integers and bool are added up as int64.
        dim: a dimension or several; None: all.
        keepdim: keep the reduced dimensions with size 1.
        dtype: to cast to before adding up.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2, 3).sum(dim=0)
        tensor([2., 2., 2.])
    """
    return input.sum(axis=dim, keepdims=keepdim)
