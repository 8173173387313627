"""Mistakes that other autograd libraries have made, each by name."""

from __future__ import annotations

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd import gradcheck, gradgradcheck


def leaf(values, device="cpu"):
    return tapegrad.tensor(values, dtype=tapegrad.float64, device=device, requires_grad=True)


def test_the_same_operand_twice(device):
    """x - x: the second gradient must be added to the first, not take its place."""
    for f, expected in [
        (lambda x: x - x, [0, 0]),
        (lambda x: x * x, [4, 6]),
        (lambda x: x / x, [0, 0]),
        (lambda x: x**x, None),
    ]:
        x = leaf([2.0, 3.0], device)
        f(x).sum().backward()
        wanted = [4 * (1 + np.log(2)), 27 * (1 + np.log(3))] if expected is None else expected
        np.testing.assert_allclose(x.grad.tolist(), wanted, atol=1e-12)


def test_prod_at_zero(device):
    """The gradient is the product of the others, which result / input does not give."""
    for values, expected in [([0.0, 2.0, 3.0], [6, 0, 0]), ([0.0, 0.0, 3.0], [0, 0, 0])]:
        x = leaf(values, device)
        x.prod().backward()
        assert x.grad.tolist() == expected
    x = leaf([0.0, 2.0, 3.0], device)
    assert gradcheck(tapegrad.prod, (x,)) and gradgradcheck(tapegrad.prod, (x,))


def test_an_output_that_is_dropped(device):
    """Only the second output is used, or only the first: the other counts as zero."""
    for take, expected in [(0, [1, 1, 0]), (1, [0, 0, 1])]:
        x = leaf([1.0, 2.0, 3.0], device)
        x.split([2, 1])[take].sum().backward()
        assert x.grad.tolist() == expected
    x = leaf([3.0, 1.0, 2.0], device)
    x.sort()[0][0].backward()
    assert x.grad.tolist() == [0, 1, 0]


def test_a_constant_changed_before_backward(device):
    """A factor without gradient is kept for backward too: overwritten, it raises instead of giving another gradient."""
    x, c = leaf([1.0, 2.0], device), tapegrad.ones(2, dtype=tapegrad.float64, device=device)
    y = (x * c).sum()
    c.mul_(5)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_batched_matmul(device):
    """Operands of different numbers of dimensions, and batches that broadcast."""
    rng = np.random.default_rng(0)
    for a, b in [
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((4,), (2, 4, 3)),
        ((2, 3, 4), (4,)),
        ((4,), (4,)),
    ]:
        x, y = leaf(rng.standard_normal(a), device), leaf(rng.standard_normal(b), device)
        np.testing.assert_allclose((x @ y).detach().cpu().numpy(), x.detach().cpu().numpy() @ y.detach().cpu().numpy())
        assert gradcheck(tapegrad.matmul, (x, y)) and gradgradcheck(tapegrad.matmul, (x, y))


def test_numpys_warnings_are_off_unless_they_are_asked_to_raise():
    zero = tapegrad.zeros(2)
    assert (zero / zero).isnan().all()
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        zero / zero
