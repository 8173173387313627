"""Views of views, written in place, as in PyTorch: values and gradients after random chains of every view op over
memory of any layout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tapegrad

torch = pytest.importorskip("torch")

LAYOUTS = {
    "in order": "x * 2",
    "transposed": "(x * 2).permute(2, 1, 0)",
    "by columns": "x.permute(2, 0, 1) * 2",
    "a part": "(x * 2)[:, 1:, ::2]",
}

#: view ops of a tensor `v`, as text; those that its shape does not allow raise in both libraries
VIEWS = [
    "v[0]",
    "v[-1]",
    "v[1:]",
    "v[..., ::2]",
    "v[None]",
    "v[:, 1]",
    "v.view(-1)",
    "v.view(2, -1)",
    "v.t()",
    "v.transpose(0, -1)",
    "v.permute(*range(v.dim()))",
    "v.permute(*reversed(range(v.dim())))",
    "v.movedim(0, -1)",
    "v.unsqueeze(1)",
    "v.squeeze()",
    "v.squeeze(0)",
    "v.flatten(0, 1)",
    "v.unflatten(0, (1, -1))",
    "v.narrow(0, 0, 1)",
    "v.select(-1, 0)",
    "v.diagonal()",
    "v.diagonal(-1, -1, 0)",
    "v.unfold(0, 2, 2)",
    "v.unfold(-1, 1, 2)",
    "v.expand(2, *v.shape)",
    "v.unbind(0)[0]",
    "v.split(1, -1)[0]",
    "v.chunk(2)[0]",
    "v.tensor_split(2)[1]",
    "v.hsplit(2)[0]",
    "v.view_as(v)",
    "v.mT",
    "v.swapaxes(0, 1)",
    "v[:]",
    "v[()]",
    "v.real",
    "v.reshape(-1)",
    "v.contiguous()",
    "v.T",
]

#: beginnings of a chain; as_strided of a view may show what the view does not, and there torch's gradient depends on
#: whether anything was written
FIRST = ["v", "v.as_strided((2, 2), (1, 2))", "v.as_strided((2,), (3,), v.storage_offset() + 1)"]

#: writes to a tensor `v`; `w` is a leaf without dimensions, `y` the base
WRITES = [
    "v.mul_(3)",
    "v.mul_(w)",
    "v.add_(w)",
    "v.copy_(w.expand(v.shape))",
    "v.fill_(2)",
    "v.zero_()",
    "v[0] = w",
    "v[..., 0] = 5",
    "v[..., 0] *= w",
    "v[v > 0] = w",
    "v.sub_(v.detach() * 0.5)",
    "v.clamp_(min=-0.5)",
    "y.mul_(2)",
    "y[0] = w",
    "v.div_(2)",
    "v.index_fill_(0, torch.tensor([0]), 3)",
    "v.exp_()",
    "v.t_().mul_(w)",
    "v.unsqueeze_(0).add_(w)",
    "v.squeeze_().mul_(2)",
    "y.transpose_(0, 1)",
]


def outcome(library: Any, layout: str, chain: list[str], writes: list[str], reads: list[str]) -> Any:
    x = library.tensor(np.random.default_rng(0).normal(size=(2, 3, 4)), requires_grad=True)
    w = library.tensor(1.5, dtype=library.float64, requires_grad=True)
    y = eval(LAYOUTS[layout], {"x": x})
    space = {"torch": library, "w": w, "y": y, "v": y}
    views = [y]
    try:
        for text in chain:
            space["v"] = eval(text, space)
            views.append(space["v"])
        for text in writes:
            exec(text, space)
        for text in reads:
            space["v"] = views[len(text) % len(views)]
            views.append(eval(text, space))
        total = 0
        for i, view in enumerate(views):
            weights = np.arange(1.0, view.numel() + 1).reshape(tuple(view.shape)) + i
            total = total + (view * library.tensor(weights)).sum()
        total.backward()
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        return error
    return [view.detach().numpy().copy() for view in views], [
        None if leaf.grad is None else leaf.grad.numpy() for leaf in (x, w)
    ]


@settings(max_examples=250)
@given(
    st.sampled_from(list(LAYOUTS)),
    st.sampled_from(FIRST),
    st.lists(st.sampled_from(VIEWS), max_size=3),
    st.lists(st.sampled_from(WRITES), max_size=3),
    st.lists(st.sampled_from(VIEWS), max_size=2),
)
@pytest.mark.filterwarnings(
    "ignore:The use of `x.T`:UserWarning",
    "ignore:.*non-writable:UserWarning",
    "ignore:Tensor.m?T is deprecated:UserWarning",
    "ignore:Use of .* on expanded tensors:UserWarning",
)
def test_chain(layout: str, first: str, chain: list[str], writes: list[str], reads: list[str]) -> None:
    chain = [first, *chain] if layout != "a part" else chain
    right = outcome(torch, layout, chain, writes, reads)
    mine = outcome(tapegrad, layout, chain, writes, reads)
    if isinstance(right, Exception):
        assert isinstance(mine, Exception), f"torch: {type(right).__name__}: {right}"
        return
    if isinstance(mine, Exception):
        # Some writes to expanded tensors torch only warns of.
        assert "refers to a single memory location" in str(mine) and any("expand" in text for text in chain), mine
        return
    for a, b in zip(mine[0], right[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    for a, b in zip(mine[1], right[1]):
        np.testing.assert_allclose(0 if a is None else a, 0 if b is None else b, rtol=1e-10, atol=1e-12)
