"""Hooks on one of the values that a node keeps: ``node._raw_saved_<name>.register_hooks``."""

from __future__ import annotations

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd import grad
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.graph import saved_tensors_hooks


def leaf(*values: float) -> Tensor:
    return tapegrad.tensor(values, dtype=tapegrad.float64, requires_grad=True)


def test_raw_saved() -> None:
    x = leaf(3.0)
    y = x * x
    y.grad_fn._raw_saved_self.register_hooks(lambda t: 2 * t, lambda t: t / 2)
    assert y.grad_fn._saved_self.item() == 3.0
    y.backward()
    assert x.grad.item() == 6.0
    y = x * x
    y.grad_fn._raw_saved_other.register_hooks(lambda t: 2 * t, lambda t: t)
    assert y.grad_fn._saved_other.item() == 6.0 and y.grad_fn._saved_self is x
    assert grad(y, x)[0].item() == 9.0
    e = x.exp()
    e.grad_fn._raw_saved_result.register_hooks(lambda t: t * 2, lambda t: t)
    assert grad(e, x)[0].item() == pytest.approx(2 * np.exp(3.0))


def test_raw_saved_of_one_operand_leaves_the_others_checked() -> None:
    a, b = leaf(1.0) * 1, leaf(2.0) * 1
    y = a * b
    y.grad_fn._raw_saved_self.register_hooks(lambda t: t.clone(), lambda t: t)
    a.add_(1)
    y.backward(retain_graph=True)
    b.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_raw_saved_refuses() -> None:
    x = leaf(3.0)
    y = x * x
    raw = y.grad_fn._raw_saved_self
    raw.register_hooks(lambda t: t, lambda t: t)
    with pytest.raises(RuntimeError, match="whose hooks have already been set"):
        raw.register_hooks(lambda t: t, lambda t: t)
    with pytest.raises(TypeError):
        raw.register_hooks(lambda t: t)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        y.grad_fn._raw_saved_other.register_hooks(1, 2)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        y.grad_fn._raw_saved_other.register_hooks(lambda a, b: a, lambda t: t)
    with pytest.raises(RuntimeError, match="value None is forbidden"):
        (x * tapegrad.ones(1, dtype=tapegrad.float64)).grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t)
    with saved_tensors_hooks(lambda t: t, lambda t: t):
        z = x * x
    with pytest.raises(RuntimeError, match="already been set"):
        z.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t)
    y.backward()
    with pytest.raises(RuntimeError, match="after it has been freed"):
        y.grad_fn._raw_saved_other.register_hooks(lambda t: t, lambda t: t)
    with pytest.raises(AttributeError, match="'MulBackward0' object has no attribute '_raw_saved_nothing'"):
        y.grad_fn._raw_saved_nothing.unpack()
