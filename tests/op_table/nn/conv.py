"""Convolutions and their transposes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from op_table.row import Row, Sample, sample

Case = tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]

CONV: dict[int, list[Case]] = {
    1: [
        ((2, 3, 7), (4, 3, 3), {}),
        ((3, 7), (4, 3, 2), {"stride": 2, "padding": 1, "dilation": 3}),
        ((0, 3, 7), (4, 3, 3), {}),
    ],
    2: [
        ((2, 3, 5, 4), (4, 3, 3, 2), {}),
        ((2, 4, 5, 4), (6, 2, 3, 2), {"groups": 2, "padding": (1, 0), "stride": (2, 1)}),
        ((3, 5, 4), (4, 3, 3, 2), {"padding": "same", "dilation": (1, 2)}),
        ((2, 4, 5, 4), (4, 1, 3, 3), {"groups": 4, "padding": 1}),
        ((2, 3, 3, 4), (5, 3, 1, 1), {}),
        ((2, 4, 3, 4), (6, 2, 1, 1), {"groups": 2, "stride": 2}),
    ],
    3: [((2, 2, 3, 4, 3), (3, 2, 2, 3, 2), {"padding": 1, "stride": (1, 2, 1)})],
}
TRANSPOSED: dict[int, list[Case]] = {
    1: [((2, 3, 4), (3, 4, 3), {"stride": 2, "padding": 1, "output_padding": 1}), ((3, 4), (3, 2, 3), {})],
    2: [
        ((2, 4, 3, 2), (4, 3, 3, 2), {"stride": 2, "groups": 2, "dilation": (2, 1)}),
        ((2, 4, 3, 2), (4, 3, 1, 1), {}),
        ((2, 4, 3, 2), (4, 1, 3, 3), {"groups": 4, "padding": 1, "output_padding": 1, "stride": 2}),
    ],
    3: [((1, 2, 2, 3, 2), (2, 2, 2, 2, 2), {"stride": 2})],
}


def samples(cases: list[Case], transposed: bool = False) -> Callable[..., list[Sample]]:
    def drawn(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        found = []
        for i, (shape, weight, how) in enumerate(cases):
            out = weight[1] * how.get("groups", 1) if transposed else weight[0]
            bias = [rng.uniform(-1, 1, out).astype(dtype)] if i % 2 == 0 else []
            found.append(
                sample(rng.uniform(-1, 1, shape).astype(dtype), rng.uniform(-1, 1, weight).astype(dtype), *bias, **how)
            )
        return found

    return drawn


def each(value: Any, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


def conv(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """The sum that defines a convolution, place by place."""
    dims = weight.ndim - 2
    if input.ndim == dims + 1:
        return conv(input[None], weight, bias, stride, padding, dilation, groups)[0]
    stride, dilation, kernel = each(stride, dims), each(dilation, dims), weight.shape[2:]
    if padding == "same":
        pads = [((d * (k - 1)) // 2, d * (k - 1) - (d * (k - 1)) // 2) for d, k in zip(dilation, kernel)]
    else:
        pads = [(p, p) for p in each(padding, dims)]
    x = np.pad(input, [(0, 0), (0, 0), *pads])
    places = [(n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(x.shape[2:], dilation, kernel, stride)]
    y = np.zeros((len(x), weight.shape[0], *places), x.dtype)
    o, c = weight.shape[0] // groups, weight.shape[1]
    for place in product(*map(range, places)):
        window = x[
            (
                slice(None),
                slice(None),
                *(slice(i * s, i * s + d * (k - 1) + 1, d) for i, s, d, k in zip(place, stride, dilation, kernel)),
            )
        ]
        for g in range(groups):
            part = window[:, g * c : (g + 1) * c].reshape(len(x), c * int(np.prod(kernel)))
            y[(slice(None), slice(g * o, (g + 1) * o), *place)] = part @ weight[g * o : (g + 1) * o].reshape(o, -1).T
    return y if bias is None else y + bias.reshape(-1, *(1,) * dims)


def conv_transpose(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Each element sends the kernel, times itself, to its places."""
    dims = weight.ndim - 2
    if input.ndim == dims + 1:
        return conv_transpose(input[None], weight, bias, stride, padding, output_padding, groups, dilation)[0]
    stride, padding, more, dilation = (each(v, dims) for v in (stride, padding, output_padding, dilation))
    kernel = weight.shape[2:]
    c, o = weight.shape[0] // groups, weight.shape[1]
    whole = [
        (n - 1) * s + d * (k - 1) + 1 + m for n, s, d, k, m in zip(input.shape[2:], stride, dilation, kernel, more)
    ]
    y = np.zeros((len(input), o * groups, *whole), input.dtype)
    for place in product(*map(range, input.shape[2:])):
        for g in range(groups):
            sent = np.einsum(
                "nc,co...->no...", input[(slice(None), slice(g * c, (g + 1) * c), *place)], weight[g * c : (g + 1) * c]
            )
            part = tuple(
                slice(i * s, i * s + d * (k - 1) + 1, d) for i, s, d, k in zip(place, stride, dilation, kernel)
            )
            y[(slice(None), slice(g * o, (g + 1) * o), *part)] += sent
    y = y[(slice(None), slice(None), *(slice(p, n - p) for p, n in zip(padding, whole)))]
    return y if bias is None else y + bias.reshape(-1, *(1,) * dims)


ROWS = [
    *(Row(f"conv{d}d", samples(CONV[d]), conv) for d in (1, 2, 3)),
    *(Row(f"conv_transpose{d}d", samples(TRANSPOSED[d], True), conv_transpose) for d in (1, 2, 3)),
]
