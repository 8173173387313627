"""Views with dimensions repeated, and the shapes that tensors have together."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.dispatch.batch_rules import raised
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.dims import common_shape, expanded_shape, sequence, shape_arguments
from tapegrad.autograd.types.size import Size
from tapegrad.backends import backend


@op(
    input=lambda grad, input_shape: sum_to(grad, input_shape),
    kind="view",
    name="expand",
    public=False,
    batch=lambda batched, input, shape: expand_to(raised(input, len(shape)), (raw(input).shape[0], *shape)),
)
def _expand(input: Any, shape: tuple[int, ...]) -> Any:
    old, strides = input.shape, input.strides
    lead = len(shape) - len(old)
    steps = (0,) * lead + tuple([s if n == m else 0 for n, m, s in zip(old, shape[lead:], strides)])
    return backend(input).as_strided(input, shape, steps)


expand_to = _expand.op.core


@composite(method=True)
def expand(input: Any, *sizes: Any) -> Any:
    """`input` repeated along its dimensions of size 1, and along new ones in front, without a copy.

    Args:
        *sizes: the new shape, as integers or one sequence; -1 keeps a size.

    Raises:
        RuntimeError: a size does not fit.

    Example:
        >>> tapegrad.tensor([[1], [2]]).expand(2, 2, -1).shape
        torch.Size([2, 2, 1])
    """
    return expand_to(input, expanded_shape(raw(input), shape_arguments(sizes)))


@composite(method=True)
def expand_as(input: Any, other: Any) -> Any:
    """`input` expanded to the shape of `other`.

    Args:
        other: a tensor to whose shape it can be broadcast.

    Example:
        >>> tapegrad.ones(1, 2).expand_as(tapegrad.zeros(3, 2)).shape
        torch.Size([3, 2])
    """
    return expand(input, raw(other).shape)


@composite(method=True)
def broadcast_to(input: Any, *size: Any) -> Any:
    """`input` expanded to the shape `size`.

    Args:
        size: a shape to which it can be broadcast.

    Example:
        >>> tapegrad.broadcast_to(tapegrad.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, *size)


@composite()
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes have together.

    Args:
        *shapes: shapes, or single sizes.

    Raises:
        RuntimeError: they do not fit together.

    Example:
        >>> tapegrad.broadcast_shapes((2, 1), (3,))
        torch.Size([2, 3])
    """
    found = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    result = [1] * max(map(len, found), default=0)
    for which, shape in enumerate(found):
        for i in range(-1, -1 - len(shape), -1):
            n = shape[i]
            if n < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            if n == 1 or n == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {n} at {i}! Mismatching argument at index "
                    f"{which} had {shape}; but expected "
                    f"shape should be broadcastable to {result}"
                )
            result[i] = n
    return Size(result)


@composite()
def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """The tensors, each expanded to the shape that they have together.

    Args:
        *tensors: tensors that broadcast with each other.

    Raises:
        RuntimeError: they do not.

    Example:
        >>> [t.shape for t in tapegrad.broadcast_tensors(tapegrad.ones(2, 1), tapegrad.ones(3))]
        [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    given = sequence(tensors)
    shape = common_shape(*[raw(t).shape for t in given])
    return tuple(expand_to(t, shape) for t in given)


@composite(method=True)
def sum_to_size(input: Any, *size: Any) -> Any:
    """`input` added up to the shape `size`: what expanding from that shape has as its gradient.

    Args:
        *size: a shape that can be broadcast to that of `input`, as integers or one sequence.

    Raises:
        RuntimeError: it cannot.

    Example:
        >>> tapegrad.ones(2, 3).sum_to_size(2, 1)
        tensor([[3.],
                [3.]])
    """
    if not size:
        raise TypeError('sum_to_size() missing 1 required positional arguments: "size"')
    shape = shape_arguments(size)
    have = raw(input).shape
    if len(shape) > len(have) or any(n not in (1, m) for n, m in zip(shape[::-1], have[::-1])):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(have)}}}.")
    return input if shape == have else _sum_to_size(input, shape)


@op(
    input=lambda grad, input_shape: _expand(grad, input_shape),
    kind="linear",
    name="sum_to_size",
    public=False,
    batch=lambda batched, input, shape: _sum_to_size(
        input, (raw(input).shape[0], *(1,) * (raw(input).ndim - 1 - len(shape)), *shape)
    ).reshape((-1, *shape)),
)
def _sum_to_size(input: Any, shape: tuple[int, ...]) -> Any:
    return sum_to(input.astype(np.int64) if input.dtype.kind in "biu" else input, shape)
