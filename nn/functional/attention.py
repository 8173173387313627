"""`scaled_dot_product_attention`."""

from __future__ import annotations

import math

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.creation.factories import ones
from tapegrad.autograd.ops.reduction.softmax import softmax
from tapegrad.nn.functional.dropout import dropout


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.T * scale + mask) @ value``.

    Args:
        query: of shape (..., L, E).
        key: of shape (..., S, E).
        value: of shape (..., S, V).
        attn_mask: True where a query attends to a key, or numbers added to the scores; broadcasts to (..., L, S).
        dropout_p: the probability with which a weight is set to zero.
        is_causal: query i attends to keys 0 to i.
        scale: None: one over the root of E.
        enable_gqa: let groups of heads (the third dimension from the end) share keys and values.

    Raises:
        RuntimeError: both `attn_mask` and `is_causal` are given.

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    Example:
        >>> q, k, v = tapegrad.zeros(1, 2, 4), tapegrad.ones(1, 3, 4), tapegrad.ones(1, 3, 5)
        >>> tapegrad.nn.functional.scaled_dot_product_attention(q, k, v).shape
        torch.Size([1, 2, 5])
    """
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    rows, columns = query.shape[-2], key.shape[-2]
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        attn_mask = ones(rows, columns, dtype="bool", device=query.device).tril()
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    # The query is scaled, not the scores, which are larger.
    scores = (query * scale) @ key.transpose(-2, -1)
    blocked = None
    if attn_mask is not None:
        if attn_mask.dtype.is_floating_point:
            scores = scores + attn_mask
        else:
            blocked = ~attn_mask
            scores = scores.masked_fill(blocked, -math.inf)
    weights = softmax(scores, -1)
    if blocked is not None and not is_causal:
        # A query that attends to nothing gets zeros.
        weights = weights.masked_fill(blocked.all(-1, keepdim=True), 0.0)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return weights @ value


__all__ = ["scaled_dot_product_attention"]
