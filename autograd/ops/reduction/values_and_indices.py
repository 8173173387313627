"""Ops that pick elements along a dimension and return them with their indices, as `max`, `median` and `sort` do."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.dispatch.inplace import store_out
from tapegrad.autograd.ops.common.dims import wrap
from tapegrad.autograd.ops.gather.along_dim import put_along, take_along
from tapegrad.autograd.types.return_types import return_type
from tapegrad.backends import xp


def pair_rule(grad: Operand, indices: Operand, input_shape: tuple[int, ...], dim: int, keepdim: bool) -> Operand:
    """The gradient of the values, put where they were picked."""
    return put_along(grad[0], indices, wrap(dim, len(input_shape)), input_shape, keepdim)


def pair_tangent(d_input: Operand, indices: Operand, dim: int, keepdim: bool) -> tuple[Operand, None]:
    """The tangents of the values, and of the indices."""
    return take_along(d_input, indices, wrap(dim, raw(d_input).ndim), keepdim), None


#: `op` for a function with arguments `dim` and `keepdim` that picks one element of each slice
picks_one = partial(op, input=pair_rule, jvp=pair_tangent, outs=("values", "indices"), kind="reduction", public=False)

#: `op` for a function with an argument `dim` that picks several
picks_several = partial(
    op,
    input=lambda grad, indices, input_shape, dim: pair_rule(grad, indices, input_shape, dim, True),
    jvp=lambda d_input, indices, dim: pair_tangent(d_input, indices, dim, True),
    outs=("values", "indices"),
    public=False,
)


def itself(input: Array) -> tuple[Array, Array]:
    """What is picked of an array without dimensions, and its index."""
    return input.copy(), xp(input).zeros((), np.int64)


def store_pair(name: str, out: Any, results: Any) -> Any:
    """Write several results to the tensors in `out`, where it is not None."""
    if out is None:
        return results
    written = [store_out(name, target, result) for target, result in zip(out, results)]
    return return_type(f"{name}_out", type(results)._fields)(written) if hasattr(results, "_fields") else tuple(written)
