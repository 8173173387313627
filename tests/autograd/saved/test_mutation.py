"""`allow_mutation_on_saved_tensors`: writes to what backward needs."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd import backward
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.graph import allow_mutation_on_saved_tensors


def leaf(*values: float) -> Tensor:
    return tapegrad.tensor(values, dtype=tapegrad.float64, requires_grad=True)


def test_allow_mutation() -> None:
    def f(a: Tensor) -> Tensor:
        b = a.clone()
        y = (b**2).sum() + (b * b).sum() + b.exp().sum()
        b.sin_()
        return y

    a = leaf(0.5, 2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        f(a).backward()
    with allow_mutation_on_saved_tensors() as kept:
        y = f(a)
        assert len(kept.cloned) == 1, "one copy for all nodes that keep the tensor"
        y.backward()
        assert len(kept.cloned) == 0
    np.testing.assert_allclose(a.grad.array, 4 * a.array + np.exp(a.array))


@pytest.mark.parametrize(
    "write",
    [
        lambda b: b.sin_(),
        lambda b: b[:1].zero_(),
        lambda b: b.detach().mul_(3),
        lambda b: b.__setitem__(0, 7.0),
        lambda b: b.__setitem__([0, 1], 7.0),
        lambda b: b.view(1, 2).add_(1),
        lambda b: tapegrad.sin(tapegrad.ones(2, dtype=tapegrad.float64), out=b.detach()),
        lambda b: b.mul_(b),
    ],
    ids=["in place", "view", "alias", "element", "elements", "view of all", "out", "itself"],
)
def test_allow_mutation_by_every_way_to_write(write: Any) -> None:
    a = leaf(0.5, 2.0)
    with allow_mutation_on_saved_tensors() as kept:
        b = a.clone()
        y, e = b * b, b.exp()
        write(b)
        e.zero_()
        assert len(kept.cloned) == 2 + (b.grad_fn.name() == "MulBackward0"), (
            "one copy of each, and one for the node of the write"
        )
        y.sum().backward()
        np.testing.assert_allclose(a.grad.array, 2 * a.array)


def test_allow_mutation_by_the_op_that_keeps_what_it_writes() -> None:
    a = leaf(0.5, 2.0)
    with allow_mutation_on_saved_tensors():
        b = a.clone()
        b.mul_(b)
        b.sum().backward()
    np.testing.assert_allclose(a.grad.array, 2 * a.array)


def test_allow_mutation_refuses() -> None:
    a = leaf(0.5)
    with allow_mutation_on_saved_tensors() as kept:
        y = a * a
    assert not kept.original and not kept.cloned
    with pytest.raises(
        AssertionError, match="Trying to backward outside of the 'allow_mutation_on_saved_tensors' context"
    ):
        y.backward()
    with allow_mutation_on_saved_tensors():
        with pytest.raises(AssertionError, match="outside of the"):
            y.backward()
        with (
            pytest.raises(RuntimeError, match="allow_mutation_on_saved_tensors contexts cannot be nested"),
            allow_mutation_on_saved_tensors(),
        ):
            pass
        z = a.clone()
        e = z.exp()
        z.zero_()
        backward(e)


def test_allow_mutation_frees_with_the_graph() -> None:
    gc.collect()
    gc.disable()
    try:
        with allow_mutation_on_saved_tensors() as kept:
            a = leaf(0.5)
            b = a.clone()
            y = b * b
            b.zero_()
            assert len(kept.cloned) == 1
            refs = [weakref.ref(y.grad_fn), weakref.ref(b)]
            del y, b
            assert [ref() for ref in refs] == [None, None] and not kept.cloned and not kept.original
    finally:
        gc.enable()
