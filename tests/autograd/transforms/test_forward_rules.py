"""Forward mode takes one pass: which ops have no rule of their own for it, and what rules must not get wrong."""

from __future__ import annotations

import numpy as np
import pytest
from op_checks import forward
from op_checks.case import Case
from op_table import ROWS

import tapegrad
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.transforms.tangents import Tangents

#: ops whose tangents take two reverse passes: right, but a few times as slow as a rule would be
TRANSPOSED = {"glu.glu", "loss._bce", "loss._bce_logits", "loss._huber", "loss._mse", "loss._smooth_l1"}


def test_one_pass() -> None:
    """All ops of the table push tangents forward by their kind or by a rule, but for those named above."""
    with forward.transposing() as found:
        for row in ROWS:
            if not (row.grad and row.values):
                continue
            for dtype in ["float64", *["complex128"] * row.complex]:
                for sample in row.samples(np.random.default_rng(0), np.dtype(dtype)):
                    case = Case(row, sample, "cpu")
                    if case.wanted:
                        forward.tangents(case, forward.directions_of(case))
    assert not sorted(found - TRANSPOSED), "these take two reverse passes: give them jvp="
    assert not sorted(TRANSPOSED - found), "these are transposed no longer"


def tangent(function, *pairs):  # type: ignore[no-untyped-def]
    """What `function` makes of values and tangents, given in pairs."""
    with Tangents() as level:
        values = [x for x, _ in pairs]
        for x, t in pairs:
            if t is not None:
                level.set(x, t)
        result = function(*values)
        return level.of(result)


@pytest.mark.parametrize("name", ["amax", "amin", "max", "min", "median", "nanmedian"])
def test_equal_elements_share(name: str) -> None:
    """As their gradients do."""
    x, d = tapegrad.tensor([2.0, 2.0, 2.0]), tapegrad.tensor([1.0, 2.0, 6.0])
    assert tangent(getattr(tapegrad, name), (x, d)).item() == 3.0


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_norm_of_zeros(p: float) -> None:
    x, d = tapegrad.zeros(3), tapegrad.ones(3)
    assert tangent(lambda x: tapegrad.norm(x, p), (x, d)).item() == 0.0
    assert tangent(tapegrad.std, (x, d)).item() == 0.0


def test_products_with_zeros() -> None:
    """Nothing is divided by."""
    x, d = tapegrad.tensor([2.0, 0.0, 3.0]), tapegrad.tensor([1.0, 1.0, 1.0])
    assert tangent(tapegrad.prod, (x, d)).item() == 6.0
    assert tangent(lambda x: tapegrad.cumprod(x, 0), (x, d)).tolist() == [1.0, 2.0, 6.0]
    index, ones = tapegrad.tensor([0, 0, 0]), tapegrad.ones(1)
    assert tangent(lambda x: ones.scatter_reduce(0, index, x, "prod"), (x, d)).tolist() == [6.0]


def test_nan_is_left_out() -> None:
    """`nansum` takes nothing of a NaN's tangent, and all of others'."""
    x, d = tapegrad.tensor([1.0, float("nan"), 3.0]), tapegrad.tensor([1.0, 10.0, 100.0])
    assert tangent(tapegrad.nansum, (x, d)).item() == 101.0


def test_logsumexp_of_minus_infinity() -> None:
    x, d = tapegrad.full((2,), -float("inf")), tapegrad.ones(2)
    assert tangent(lambda x: tapegrad.logsumexp(x, 0), (x, d)).item() == 0.0


def test_shift_brings_no_constant() -> None:
    """What is shifted in at the end of a running product is a constant."""
    from tapegrad.autograd.ops.reduction.cumulative import shifted, shifted_back

    x, d = tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 4.0])
    assert tangent(lambda x: shifted(x, 0, 1), (x, d)).tolist() == [0.0, 3.0]
    assert tangent(lambda x: shifted_back(x, 0, 1), (x, d)).tolist() == [4.0, 0.0]


def test_one_factor() -> None:
    """A factor without tangent is a constant."""
    a, b, d = tapegrad.ones(2, 3), tapegrad.ones(3, 2), tapegrad.full((2, 3), 2.0)
    got = tangent(tapegrad.mm, (a, d), (b, None))
    assert got.tolist() == [[6.0, 6.0], [6.0, 6.0]]
    assert tangent(tapegrad.mm, (a, None), (b, None)) is None


def test_addmm_without_input() -> None:
    """With ``beta=0`` the input is not looked at, NaN or not."""
    bias = tapegrad.full((2,), float("nan"))
    got = tangent(
        lambda x, a, b: tapegrad.addmm(x, a, b, beta=0),
        (bias, bias),
        (tapegrad.ones(2, 3), tapegrad.ones(2, 3)),
        (tapegrad.ones(3, 2), None),
    )
    assert got.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_tangents_of_pairs() -> None:
    """Values move, indices do not."""
    x, d = tapegrad.tensor([[3.0, 1.0, 2.0]]), tapegrad.tensor([[30.0, 10.0, 20.0]])
    with Tangents() as level:
        level.set(x, d)
        for values, indices, want in [
            (*tapegrad.sort(x, 1), [[10.0, 20.0, 30.0]]),
            (*tapegrad.topk(x, 2), [[30.0, 20.0]]),
            (*tapegrad.max(x, 1), [30.0]),
            (*tapegrad.kthvalue(x, 2), [20.0]),
            (*tapegrad.cummax(x, 1), [[30.0] * 3]),
        ]:
            assert isinstance(values, Tensor) and level.of(values).tolist() == want
            assert level.of(indices) is None


def test_a_wider_product() -> None:
    """``dtype=`` holds for tangents too."""
    x = tapegrad.tensor([2.0, 3.0])
    got = tangent(lambda x: tapegrad.cumprod(x, 0, dtype=tapegrad.float64), (x, tapegrad.ones(2)))
    assert got.dtype == tapegrad.float64 and got.tolist() == [1.0, 5.0]
