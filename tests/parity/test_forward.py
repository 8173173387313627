"""Forward mode against PyTorch's, for a sample of each op."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from op_checks import forward
from op_checks.case import Case, assert_close, inexact
from op_table import ROWS, Row
from parity.test_ops import call, host, parts, theirs

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what PyTorch itself does at the first use
    from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

    with dual_level():
        make_dual(torch.zeros(()), torch.zeros(()))

#: row -> why its tangents are not compared
APART: dict[str, str] = {}


def oracle(case: Case, directions: list[np.ndarray]) -> list[Any]:
    """PyTorch's tangents of the results that may have some."""
    operands = [theirs(a) for a in case.arrays]
    with dual_level():
        for i, v in zip(case.wanted, directions):
            operands[i] = make_dual(operands[i], theirs(v))
        results = [
            unpack_dual(r)
            for r in parts(call(case, operands))
            if isinstance(r, torch.Tensor) and (r.is_floating_point() or r.is_complex())
        ]
        return [torch.zeros_like(r.primal) if r.tangent is None else r.tangent.clone() for r in results]


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.grad and row.values and row.parity and row.name not in APART],
    ids=lambda row: row.name,
)
def test_tangents(row: Row) -> None:
    for dtype in ["float64", *["complex128"] * row.complex]:
        case = Case(row, row.samples(np.random.default_rng(0), np.dtype(dtype))[0], "cpu")
        if not case.wanted:
            continue
        directions = forward.directions_of(case)
        try:
            want = oracle(case, directions)
        except NotImplementedError as error:
            assert "forward AD" in str(error), error
            continue
        _, results, found = forward.tangents(case, directions)
        got = forward.fully(case, results, found)
        assert len(got) == len(want)
        for n, (a, b) in enumerate(zip(got, want)):
            assert inexact(a)
            assert_close(a, host(b), max(case.row.tolerance, 1e-8), f"tangent of result {n} in {dtype}")
