"""Norms of vectors, and distances."""

from __future__ import annotations

import math
from typing import Any

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.dispatch.batch_rules import over, reduced
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.primitives import cast, zero_gradient
from tapegrad.autograd.ops.common.dims import Dims
from tapegrad.autograd.ops.common.half_precision import category, wide
from tapegrad.autograd.ops.pointwise.powers import power_of_number
from tapegrad.autograd.ops.pointwise.signs import abs, direction
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.autograd.ops.reduction.max_min import shares
from tapegrad.autograd.ops.reduction.sum import axes, expand_reduced, kept_dims, squared_size, total
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


def _norm_rule(grad: Operand, input: Operand, result: Operand, ord: float, dim: Dims | None, keepdim: bool) -> Operand:
    shape = input.shape
    if ord == 0:
        return expand_reduced(zero_gradient(grad), shape, dim, keepdim)
    if ord == 1:
        return expand_reduced(grad, shape, dim, keepdim) * direction(input)
    if ord in (math.inf, -math.inf):
        share = shares(abs(input), result, dim, keepdim)
        return expand_reduced(grad, shape, dim, keepdim) * direction(input) * share
    # The norm of a zero vector has the gradient 0.
    at_zero = result == 0
    scale = keep(grad / power_of_number(result + at_zero, ord - 1), ~at_zero)
    scale = kept_dims(scale, shape, dim, keepdim)
    if ord == 2:
        return scale * (input.conj() if category(input) == "c" else input)
    missing = input == 0
    return scale * direction(input) * keep(power_of_number(abs(input) + missing, ord - 1), ~missing)


def _norm_of(size: Array, ord: float, axis: Any, keepdim: bool) -> Array:
    """The norm of an order other than 2 of an array of magnitudes."""
    if ord in (math.inf, -math.inf) and size.size:
        return getattr(size, "max" if ord > 0 else "min")(axis=axis, keepdims=keepdim)
    if ord == 0:
        size = (size != 0).astype(size.dtype)
    if ord in (0, 1, math.inf, -math.inf):
        return total(size, axis, keepdim)
    return total(size ** float(ord), axis, keepdim) ** (1.0 / ord)


@op(input=_norm_rule, kind="reduction", public=False, name="linalg_vector_norm", batch=over(dim=reduced))
def vector_norm(input: Array, ord: float, dim: Dims | None, keepdim: bool) -> Array:
    """The norm of order `ord` over all elements, or along dimensions; `ord` is any number, infinities included.

    Raises:
        RuntimeError: `input` is integer or bool.
    """
    dtype = input.dtype
    if dtype.kind in "iub":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.of(dtype).scalar_type}"
        )
    x = wide(input)
    axis = axes(dim, x.ndim)
    if ord == 2:
        result = xp(x).sqrt(total(squared_size(x), axis, keepdim))
    else:
        result = _norm_of(xp(x).absolute(x), ord, axis, keepdim)
    return result if dtype.kind == "c" or result.dtype == dtype else result.astype(dtype)


@composite(method=True)
def norm(
    input: Operand,
    p: float | str | None = "fro",
    dim: Dims | None = None,
    keepdim: bool = False,
    out: Operand = None,
    dtype: Any = None,
) -> Any:
    """The norm of all elements as one vector, or along dimensions. Its gradient at the zero vector is 0.

    Args:
        p: the order, a number, infinity or minus infinity; "fro" means 2.

    Raises:
        RuntimeError: `input` is integer or bool, or `p` is another word.

    Example:
        >>> tapegrad.norm(tapegrad.tensor([3.0, 4.0]))
        tensor(5.)
    """
    if p in ("fro", None):
        p = 2.0
    elif p == "nuc":
        raise NotImplementedError("norm(p='nuc'): use linalg.matrix_norm(input, 'nuc')")
    elif isinstance(p, str):
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    if dtype is not None:
        input = cast(input, dtypes.numpy_dtype(dtype))
    return vector_norm(input, float(p), dim, keepdim, out=out)


@composite(method=True)
def dist(input: Operand, other: Operand, p: float = 2) -> Any:
    """The norm of order `p` of ``input - other`` as one vector.

    Example:
        >>> tapegrad.dist(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([4.0, 6.0]))
        tensor(5.)
    """
    return vector_norm(input - other, float(p), None, False)
