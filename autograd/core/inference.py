"""Tensors made in inference mode: they track no version, so no node may keep them.

An op tests of each operand whether it is a view before it asks whether it requires grad. An inference tensor says there
that it is one, and so gets a say in what is recorded, while an op whose operands are all ordinary tensors never looks
for any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.node import Slot, refuse_inference
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import INFERENCE_COUNTER
from tapegrad.autograd.core.view import View


class InferenceOperand(Exception):
    """An op that is about to be recorded has met an operand made in inference mode."""


class _Inference(View):
    """Stands where a view says how it was made, in every inference tensor."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(from_array(np.empty(0)), (), 0, "")

    def sync(self, view: Tensor) -> bool:
        return view._requires_grad

    def asked(self, view: Tensor) -> bool:
        raise InferenceOperand

    def base(self, view: Tensor) -> Tensor | None:
        return None


_INFERENCE = _Inference()


def mark(t: Tensor) -> None:
    """Make `t` an inference tensor."""
    t._counter = INFERENCE_COUNTER
    t._view = _INFERENCE


def is_inference(input: Tensor) -> bool:
    """Whether a tensor was made in inference mode.

    Args:
        input: any tensor.

    Example:
        >>> with tapegrad.inference_mode():
        ...     x = tapegrad.ones(2)
        >>> tapegrad.is_inference(x)
        True
    """
    return input.is_inference()


def needs_grad(t: Tensor) -> bool:
    """`requires_grad` of a view or an inference tensor as an op asks it of its operands.

    Raises:
        InferenceOperand: it is an inference tensor.
    """
    return t._requires_grad if t._view is None else t._view.asked(t)


def with_inference_operands(core: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call an op, outside inference mode and recorded, on operands of which some are inference tensors.

    Raises:
        RuntimeError: backward would read one of them.
    """
    stands_for: dict[Tensor, Tensor] = {}

    def plain(x: Any) -> Any:
        if not isinstance(x, Tensor) or x._view is not _INFERENCE:
            return x
        t = from_array(x._array)
        t._requires_grad = x._requires_grad
        stands_for[t] = x
        return t

    result = core(*[plain(x) for x in args], **{name: plain(x) for name, x in kwargs.items()})
    for t in result if isinstance(result, tuple) else (result,):
        if not isinstance(t, Tensor):
            continue
        node = t._node.edges[0] if isinstance(t._node, Slot) else t._node
        if node is not None:
            if any(isinstance(value, Tensor) and value in stands_for for value in node.saved):
                refuse_inference()
            node.edges = tuple(
                [stands_for.get(edge, edge) if isinstance(edge, Tensor) else edge for edge in node.edges]
            )
        if t._view is not None and t._view.root in stands_for:
            mark(t)
    return result
