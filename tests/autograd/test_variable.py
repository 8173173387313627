"""`Variable`, the tensor's name of old."""

from __future__ import annotations

import pytest

import tapegrad


def test_variable():
    Variable = tapegrad.autograd.Variable
    x = tapegrad.ones(1, requires_grad=True)
    v = Variable(x * 2)
    assert isinstance(x, Variable) and not isinstance(3, Variable) and v.grad_fn is None and not v.requires_grad
    v = Variable(x)
    v.add_(1)
    assert x.item() == 2 and Variable(tapegrad.ones(1), requires_grad=True).requires_grad
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got float"):
        Variable(3.0)
