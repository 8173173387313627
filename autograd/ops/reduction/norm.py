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
from tapegrad.autograd.ops.pointwise.signs import abs, sgn
from tapegrad.autograd.ops.pointwise.where import keep
from tapegrad.autograd.ops.reduction.max_min import shares
from tapegrad.autograd.ops.reduction.sum import axes, expand_reduced, kept_dims, total
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


def _norm_rule(grad: Operand, input: Operand, result: Operand, ord: float, dim: Dims | None, keepdim: bool) -> Operand:
    shape = input.shape
    if ord == 0:
        return expand_reduced(zero_gradient(grad), shape, dim, keepdim)
    direction = sgn(input)
    direction = direction.conj() if category(input) == "c" else direction
    if ord == 1:
        return expand_reduced(grad, shape, dim, keepdim) * direction
    if ord in (math.inf, -math.inf):
        return expand_reduced(grad, shape, dim, keepdim) * direction * shares(abs(input), result, dim, keepdim)
    # The norm of a zero vector has the gradient 0.
    at_zero = result == 0
    scale = keep(grad / power_of_number(result + at_zero, ord - 1), ~at_zero)
    scale = kept_dims(scale, shape, dim, keepdim)
    if ord == 2:
        return scale * (input.conj() if category(input) == "c" else input)
    missing = input == 0
    return scale * direction * keep(power_of_number(abs(input) + missing, ord - 1), ~missing)


@op(
    input=lambda grad, input, result, ord, dim, keepdim: _norm_rule(grad, input, result, ord, dim, keepdim),
    kind="reduction",
    public=False,
    name="linalg_vector_norm",
    batch=over(dim=reduced),
)
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
    real = dtypes.of(x.dtype).to_real().numpy if dtype.kind == "c" else x.dtype
    if ord == 2:
        square = x * x if dtype.kind != "c" else x.real * x.real + x.imag * x.imag
        result = xp(x).sqrt(total(square, axis, keepdim))
    else:
        size = xp(x).absolute(x)
        if ord in (math.inf, -math.inf):
            result = (
                getattr(size, "max" if ord > 0 else "min")(axis=axis, keepdims=keepdim)
                if size.size
                else total(size, axis, keepdim)
            )
        elif ord == 0:
            result = total((size != 0).astype(real), axis, keepdim)
        elif ord == 1:
            result = total(size, axis, keepdim)
        else:
            result = total(size ** float(ord), axis, keepdim) ** (1.0 / ord)
    return result if dtype.kind == "c" or result.dtype == dtype else result.astype(dtype)


@composite(method=True)
def norm(
    input: Operand,
    p: Operand = "fro",
    dim: Dims | None = None,
    keepdim: bool = False,
    out: Operand = None,
    dtype: Any = None,
) -> Any:
    """The norm of all elements as one vector, or along dimensions. Its gradient at the zero vector is 0.

    Args:
        p: the order, a number, infinity or minus infinity; "fro" means 2.
        dtype: to cast to first.

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
    """The norm of ``input - other`` as one vector.

    Args:
        p: the order of the norm.

    Example:
        >>> tapegrad.dist(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([4.0, 6.0]))
        tensor(5.)
    """
    return vector_norm(input - other, float(p), None, False)
