"""Checkpoints and memory: the peak is what was promised, and everything is freed by reference count."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from checkpointing import leaf
from collector import no_collector

import tapegrad
from tapegrad import nn
from tapegrad.autograd import grad
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.utils.checkpoint import checkpoint


def test_frees_by_reference_count() -> None:
    class Box:
        pass

    def run(reentrant: bool) -> tuple[Any, list[weakref.ref[Any]]]:
        x, box = leaf(1.0, 2.0), Box()
        h = x * 2

        def f(h: Tensor) -> Tensor:
            assert box is not None
            return checkpoint(lambda h: h.exp().sin(), h, use_reentrant=reentrant).exp()

        y = checkpoint(f, h, use_reentrant=reentrant)
        return y, [weakref.ref(box), weakref.ref(h), weakref.ref(y.grad_fn), weakref.ref(x)]

    with no_collector():
        for reentrant in (False, True):
            for use in (lambda y: None, lambda y: y.sum().backward(), lambda y: y.sum().backward(retain_graph=True)):
                y, refs = run(reentrant)
                use(y)
                del y
                assert [ref() for ref in refs] == [None] * 4
        y, refs = run(False)
        (d,) = grad(y.sum(), refs[3](), create_graph=True)
        del y, d
        assert [ref() for ref in refs] == [None] * 4


def test_frees_where_an_argument_is_written_with_the_result() -> None:
    with no_collector():
        w = leaf(3.0)
        y = tapegrad.ones(1, dtype=tapegrad.float64)
        z = checkpoint(lambda y: (y * w).sin(), y, use_reentrant=False)
        y += z
        refs = [weakref.ref(z.grad_fn), weakref.ref(y)]
        del y, z
        assert [ref() for ref in refs] == [None, None]


def test_what_a_pass_leaves_over_goes_with_it() -> None:
    arrays: list[weakref.ref[Any]] = []

    def f(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.exp(), w.exp()
        arrays.extend([weakref.ref(a.array), weakref.ref(b.array)])
        return a.sin(), b.sin()

    with no_collector():
        x, w = leaf(1.0), leaf(2.0)
        y, z = checkpoint(f, x, w, use_reentrant=False)
        assert [array() for array in arrays] == [None, None]
        expected = y + z
        (d,) = grad(y, x, retain_graph=True)
        assert [array() for array in arrays] == [None] * 4, "that of the other result was computed too, and not read"
        del expected, d
        z.backward()
        assert w.grad is not None


def peak(run: Callable[[], Any]) -> int:
    """The most bytes that `run` has held at once beyond what was there."""
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


N, WIDTH, LAYERS = 256, 128, 64
ACTIVATION = N * WIDTH * 4


def test_peak_memory_is_that_of_one_segment() -> None:
    """A stack of 64 layers that each keep 3 activations: without checkpoints the peak is all of them, with 8 segments 8
    arguments and 8 layers.
    """
    weights = [(tapegrad.randn(WIDTH, WIDTH) / WIDTH**0.5).requires_grad_() for _ in range(LAYERS)]
    for w in weights:
        w.grad = tapegrad.zeros(WIDTH, WIDTH)
    x = tapegrad.randn(N, WIDTH)

    def layers(weights: list[Tensor], h: Tensor) -> Tensor:
        for w in weights:
            h = h + (h @ w).tanh().sigmoid() / LAYERS
        return h

    def whole() -> None:
        layers(weights, x).sum().backward()

    def segments(size: int, reentrant: bool) -> Callable[[], None]:
        def run() -> None:
            h = x.clone().requires_grad_() if reentrant else x
            for start in range(0, LAYERS, size):
                h = checkpoint(
                    lambda h, start=start: layers(weights[start : start + size], h), h, use_reentrant=reentrant
                )
            h.sum().backward()

        return run

    def nested(start: int, size: int, h: Tensor) -> Tensor:
        """Halves within halves: memory that grows with the logarithm of the depth."""
        if size == 1:
            return layers(weights[start : start + 1], h)
        half = size // 2
        for at in (start, start + half):
            h = checkpoint(nested, at, half, h, use_reentrant=False)
        return h

    whole()
    expected = [w.grad.array.copy() for w in weights]
    assert peak(whole) > 3 * LAYERS * ACTIVATION
    root = 8
    for reentrant in (False, True):
        for w in weights:
            w.grad.zero_()
        run = segments(root, reentrant)
        run()
        for w, d in zip(weights, expected):
            np.testing.assert_array_equal(w.grad.array, d)
        assert peak(run) < (LAYERS // root + 3 * root + 8) * ACTIVATION
    for w in weights:
        w.grad.zero_()
    nested(0, LAYERS, x).sum().backward()
    for w, d in zip(weights, expected):
        np.testing.assert_array_equal(w.grad.array, d)
    assert peak(lambda: nested(0, LAYERS, x).sum().backward()) < (2 * 6 + 3 + 8) * ACTIVATION


class Block(nn.Module):
    """Attention and a small network, each behind a norm, with dropout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.first(x)).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)
        x = x + self.dropout(self.out(attended))
        return x + self.dropout(self.network(self.second(x)))


def test_peak_memory_of_a_transformer() -> None:
    tapegrad.manual_seed(0)
    depth = 8
    blocks = nn.Sequential(*[Block(32) for _ in range(depth)])
    x = tapegrad.randn(4, 64, 32)

    def run(each: Callable[[Any, Tensor], Tensor]) -> Callable[[], list[np.ndarray]]:
        def step() -> list[np.ndarray]:
            tapegrad.manual_seed(1)
            blocks.zero_grad()
            h = x
            for block in blocks:
                h = each(block, h)
            h.square().mean().backward()
            return [p.grad.array for p in blocks.parameters() if p.grad is not None]

        return step

    plain = run(lambda block, h: block(h))
    saving = run(lambda block, h: checkpoint(block, h, use_reentrant=False))
    for a, b in zip(plain(), saving()):
        np.testing.assert_array_equal(a, b)
    one = peak(run(lambda block, h: block(h) if block is blocks[0] else h))
    assert peak(plain) > depth / 2 * one
    assert peak(saving) < 2 * one
