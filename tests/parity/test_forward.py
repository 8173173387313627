"""Forward mode against PyTorch's, for a sample of each op."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_checks import forward
from op_checks.case import Case, assert_close, inexact
from op_table import ROWS, Row

from parity.test_ops import call, host, parts, theirs

torch = pytest.importorskip("torch")

#: row -> why its tangents are not compared
APART: dict[str, str] = {
}


def oracle(case: Case, directions: list[np.ndarray]) -> list[Any]:
    """PyTorch's tangents of the results that may have some."""
    leaves = [theirs(a) for a in case.arrays]

    def function(*moved: Any) -> tuple[Any, ...]:
        operands = list(leaves)
        for i, x in zip(case.wanted, moved):
            operands[i] = x
        return tuple(r for r in parts(call(case, operands)) if isinstance(r, torch.Tensor) and (r.is_floating_point() or r.is_complex()))

    return list(torch.func.jvp(function, tuple(leaves[i] for i in case.wanted), tuple(theirs(v) for v in directions))[1])


@pytest.mark.parametrize("row", [row for row in ROWS if row.grad and row.values and row.parity and row.name not in APART], ids=lambda row: row.name)
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
