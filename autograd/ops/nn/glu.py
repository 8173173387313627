"""Gated linear units."""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.dispatch.batch_rules import along, over
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.ops.common.dims import wrap
from tapegrad.autograd.ops.common.half_precision import floating
from tapegrad.autograd.ops.pointwise.exponential import logistic, sigmoid
from tapegrad.autograd.ops.shape.cat import cat


def _halves(input: Any, dim: int) -> tuple[Any, Any]:
    n = input.shape[dim] // 2
    before = (slice(None),) * dim
    return input[(*before, slice(0, n))], input[(*before, slice(n, None))]


@op(input=lambda grad, input, dim: _glu_back(grad, input, dim), batch=over(dim=along))
@floating("glu_cpu")
def glu(input: Any, dim: int = -1) -> Any:
    """The first half along a dimension times the sigmoid of the second.

    Args:
        input: a floating-point tensor.
        dim: the dimension, of even size.

    Raises:
        RuntimeError: the size is odd, or `input` has no dimensions.

    Example:
        >>> from tapegrad.autograd.ops.nn.glu import glu
        >>> glu(tapegrad.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])
    """
    if not input.ndim:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = wrap(dim, input.ndim)
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    a, b = _halves(input, dim)
    return a * logistic(b)


def _glu_back(grad: Any, input: Any, dim: int) -> Any:
    dim = wrap(dim, len(input.shape))
    a, b = _halves(input, dim)
    s = sigmoid(b)
    return cat([grad * s, grad * a * s * (1 - s)], dim)
