"""In float16 and bfloat16 these ops have PyTorch's dtypes, and its values and gradients to the precision of the
type.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest
from op_checks.case import Case, mapped
from op_checks.gradients import cotangents_of, differentiable, gradients
from op_table import Row

import tapegrad

torch = pytest.importorskip("torch")
ml_dtypes = pytest.importorskip("ml_dtypes")

BFLOAT16, FLOAT16 = np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16)
ROWS = [
    row
    for name in (
        "pointwise.arithmetic",
        "pointwise.comparison",
        "reduction.sum",
        "reduction.cumulative",
        "reduction.sort",
    )
    for row in importlib.import_module(f"op_table.{name}").ROWS
    if row.parity
]
APART = {
    "topk": "which of several equal elements are taken is not said",
    "sinc": "PyTorch's derivative loses its digits near the zeros of the function",
    "view_as_complex": "there is no complex32",
    "complex": "there is no complex32",
    "hardsigmoid": "its oracle is made of other functions",
}


def theirs(array: np.ndarray, require: bool = False) -> Any:
    if array.dtype == BFLOAT16:
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16).requires_grad_(require)
    return torch.from_numpy(array.copy()).requires_grad_(require)


def call(case: Case, operands: list[Any]) -> list[Any]:
    """PyTorch's results that are tensors."""
    rest = iter(operands)
    name = case.row.name
    function = (
        case.row.torch
        or getattr(torch, name, None)
        or getattr(torch.nn.functional, name, None)
        or getattr(torch.Tensor, name)
    )
    args, kwargs = mapped(case.sample, lambda path, array: next(rest), lambda dtype: getattr(torch, dtype.name))
    result = function(*args, **kwargs)
    return [r for r in (result if isinstance(result, (tuple, list)) else [result]) if isinstance(r, torch.Tensor)]


def compare(what: str, mine: Any, right: Any, within: float) -> None:
    assert str(mine.dtype) == str(right.dtype), f"{what} is {mine.dtype}, torch's is {right.dtype}"
    got, want = (np.array((t.detach() + 0).tolist(), np.float64).reshape(tuple(t.shape)) for t in (mine, right))
    scale = np.abs(want[np.isfinite(want)]).max(initial=1e-3)
    np.testing.assert_allclose(got, want, rtol=within, atol=within * scale, err_msg=what)


def check(case: Case, within: float) -> None:
    try:
        right = call(case, [theirs(a) for a in case.arrays])
    except (RuntimeError, TypeError, NotImplementedError):
        return  # torch does not take it
    mine = [r for r in case.results(case.operands(require=())) if isinstance(r, tapegrad.Tensor)]
    for i, (a, b) in enumerate(zip(mine, right, strict=True)):
        compare(f"{case}: result {i}", a, b, within)
    if not (case.row.grad and case.wanted):
        return
    leaves = case.operands()
    cotangents = cotangents_of(case, differentiable(case.results(leaves)))
    their_leaves = [theirs(a, i in case.wanted) for i, a in enumerate(case.arrays)]
    their_results = [r for r in call(case, their_leaves) if r.requires_grad]
    seeds = [theirs(np.asarray(c)).to(r.dtype) for c, r in zip(cotangents, their_results, strict=True)]
    want = torch.autograd.grad(their_results, [their_leaves[i] for i in case.wanted], seeds, allow_unused=True)
    for i, a, b in zip(case.wanted, gradients(case, leaves, cotangents), want, strict=True):
        if a is not None and b is not None:
            compare(f"{case}: gradient of operand {i}", a, b, 3 * within)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_op(row: Row) -> None:
    if row.name in APART:
        assert APART[row.name]
        return
    for dtype, within in ((BFLOAT16, 0.02), (FLOAT16, 3e-3)):
        for sample in row.samples(np.random.default_rng(0), np.dtype(np.float32)):
            case = Case(row, sample, "cpu")
            if not any(a.dtype.kind == "c" for a in case.arrays):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    check(
                        case.with_arrays([a.astype(dtype) if a.dtype.kind == "f" else a for a in case.arrays]), within
                    )


def test_sums_of_many() -> None:
    """Sums are added up in float32: bfloat16 would stop at 256, float16 at 2048."""
    for dtype in (tapegrad.bfloat16, tapegrad.float16):
        x = tapegrad.ones(4096, 2, dtype=dtype)
        assert x.sum(0).tolist() == [4096.0, 4096.0]
        assert x.mean().item() == 1.0
        assert x.cumsum(0)[-1].tolist() == [4096.0, 4096.0]
        assert x.norm(1, 0).tolist() == [4096.0, 4096.0]
        bias = tapegrad.zeros(2, dtype=dtype, requires_grad=True)
        (x + bias).backward(x)
        assert bias.grad.tolist() == [4096.0, 4096.0]
