"""Every op of the table against PyTorch: values, gradients of first and second order, dtypes, errors. One test per
row.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
from op_checks.case import Case, assert_close, inexact, mapped
from op_checks.gradients import Seeds
from op_table import ROWS, Row, Sample

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.types import dtypes

torch = pytest.importorskip("torch")

TOLERANCE = {"float16": 2e-2, "float32": 2e-4, "complex64": 2e-4}


def oracle(row: Row) -> Callable[..., Any]:
    """PyTorch's function of that name."""
    if callable(row.torch):
        return row.torch
    for place in (torch, torch.Tensor, torch.nn.functional):
        try:
            return reduce(getattr, (row.torch or row.name).split("."), place)  # type: ignore[return-value, arg-type]
        except AttributeError:
            continue
    raise AttributeError(f"PyTorch has no {row.name}: give the row `torch=`, or parity=False and the reason")


def theirs(array: np.ndarray, require: bool = False) -> Any:
    return torch.from_numpy(array.copy()).requires_grad_(require)


def torch_dtype(dtype: Any) -> Any:
    return getattr(torch, dtypes.of(np.dtype(dtype)).name if isinstance(dtype, np.dtype) else dtype.name)


def call(case: Case, operands: Sequence[Any]) -> Any:
    """PyTorch's result."""
    rest = iter(operands)
    args, kwargs = mapped(case.sample, lambda path, array: next(rest), torch_dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return oracle(case.row)(*args, **kwargs)


def parts(result: Any) -> list[Any]:
    if isinstance(result, torch.Size):
        return [result]
    return [part for item in result for part in parts(item)] if isinstance(result, (tuple, list)) else [result]


def host(value: Any) -> np.ndarray:
    """A result of PyTorch as NumPy's; bfloat16, which NumPy lacks, as float32."""
    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    value = value.detach().resolve_conj().resolve_neg()
    return np.asarray((value.float() if value.dtype == torch.bfloat16 else value).numpy(force=True))


def dtype_of(value: Any) -> str:
    """The dtype's name, or the Python type's."""
    return (
        str(value.dtype).removeprefix("torch.") if isinstance(value, (Tensor, torch.Tensor)) else type(value).__name__
    )


def check_values(case: Case) -> None:
    """Results have torch's values, shapes and dtypes."""
    compare(
        case,
        case.results(case.operands(require=())),
        parts(call(case, [theirs(a) for a in case.arrays])),
        case.row.tolerance,
    )


def compare(case: Case, mine: list[Any], right: list[Any], within: float) -> None:
    assert len(mine) == len(right), f"{len(mine)} results, torch has {len(right)}"
    for i, (a, b) in enumerate(zip(mine, right)):
        assert dtype_of(a) == dtype_of(b), f"result {i} is {dtype_of(a)}, torch's is {dtype_of(b)}"
        if case.row.values:
            assert_close(case.host(a), host(b), within, f"result {i}")
        else:
            assert case.host(a).shape == host(b).shape


def check_gradients(case: Case) -> None:
    """Gradients of first and second order are torch's."""
    if not case.wanted:
        return
    leaves = case.operands()
    results = [r for r in case.results(leaves) if isinstance(r, Tensor) and r.requires_grad]
    their_leaves = [theirs(a, i in case.wanted) for i, a in enumerate(case.arrays)]
    their_results = [r for r in parts(call(case, their_leaves)) if isinstance(r, torch.Tensor) and r.requires_grad]
    assert len(results) == len(their_results), f"{len(results)} results require grad, in torch {len(their_results)}"
    seeds = Seeds(case)
    cotangents = [seeds.like(case.host(r)) for r in results]
    inputs, their_inputs = [leaves[i] for i in case.wanted], [their_leaves[i] for i in case.wanted]
    weights = [from_array(case.put(c)).requires_grad_() for c in cotangents]
    their_weights = [theirs(c, True) for c in cotangents]
    got = grad(results, inputs, weights, create_graph=case.row.gradgrad, retain_graph=True, allow_unused=True)
    want = torch.autograd.grad(
        their_results, their_inputs, their_weights, create_graph=case.row.gradgrad, retain_graph=True, allow_unused=True
    )
    compare_gradients(case, "gradient", got, want, [case.arrays[i] for i in case.wanted])
    if not case.row.gradgrad:
        return
    tests = [seeds.like(case.arrays[i]) for i in case.wanted]
    got, tests_of_got = traced(got, tests)
    want, tests_of_want = traced(want, tests)
    if not got or not want:
        compare_gradients(
            case,
            "second derivative",
            got or [None] * len(want),
            want or [None] * len(got),
            [np.zeros(())] * max(len(got), len(want)),
        )
        return
    second = grad(got, [*inputs, *weights], [from_array(case.put(u)) for u in tests_of_got], allow_unused=True)
    their_second = torch.autograd.grad(
        want, [*their_inputs, *their_weights], [theirs(u) for u in tests_of_want], allow_unused=True
    )
    compare_gradients(
        case, "second derivative", second, their_second, [*(case.arrays[i] for i in case.wanted), *cotangents]
    )


def traced(grads: Sequence[Any], tests: Sequence[np.ndarray]) -> tuple[list[Any], list[np.ndarray]]:
    """Those gradients that have a history, with their cotangents."""
    pairs = [(g, u) for g, u in zip(grads, tests) if g is not None and g.requires_grad]
    return [g for g, _ in pairs], [u for _, u in pairs]


def compare_gradients(
    case: Case, what: str, got: Sequence[Any], want: Sequence[Any], like: Sequence[np.ndarray]
) -> None:
    """None and zeros are one: torch too has both, op by op."""
    for i, (a, b, array) in enumerate(zip(got, want, like)):
        if a is not None and b is not None:
            assert dtype_of(a) == dtype_of(b), f"{what} {i} is {dtype_of(a)}, torch's is {dtype_of(b)}"
        mine = np.zeros_like(array) if a is None else case.host(a)
        assert_close(mine, np.zeros_like(mine) if b is None else host(b), max(case.row.tolerance, 1e-8), f"{what} {i}")


def check_dtypes(case: Case) -> None:
    """With operands of other dtypes, where torch takes them, results have torch's dtype and values."""
    for name in case.row.dtypes:
        other = case.with_arrays([cast(a, np.dtype(name)) for a in case.arrays]) if case.arrays else case
        try:
            right = parts(call(other, [theirs(a) for a in other.arrays]))
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            continue  # torch does not take it; that we do is no fault
        with np.errstate(all="ignore"):
            mine = other.results(other.operands(require=()))
        if other.row.values and any(dtype_of(b) in TOLERANCE for b in right):
            compare(other, mine, right, max(TOLERANCE.get(dtype_of(b), 0.0) for b in right))
        else:
            compare(other, mine, right, case.row.tolerance)


def cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`array` in another dtype; what is no floating-point number (an index, a mask) as it is. Integers are small and
    positive.
    """
    if not inexact(array) or array.dtype.kind == "c":
        return array
    if dtype.kind == "i":
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(np.round(array)) % 4 + 1).astype(dtype)
    return np.asarray(array > 0) if dtype.kind == "b" else array.astype(dtype)


def wrong_calls(case: Case) -> list[tuple[str, Case]]:
    """Calls like the case's with something wrong about them: an operand of a shape that fits nothing, mixed dtypes, a
    dimension that is not there.
    """
    calls = []
    for i, array in enumerate(case.arrays):
        shape = (*array.shape[:-1], 7) if array.ndim else (5, 7)
        calls.append(
            (
                f"operand {i} with shape {shape}",
                case.with_arrays([np.ones(shape, a.dtype) if i == j else a for j, a in enumerate(case.arrays)]),
            )
        )
        if len(case.arrays) > 1 and array.dtype == np.float64:
            calls.append(
                (
                    f"operand {i} in float32",
                    case.with_arrays([a.astype(np.float32) if i == j else a for j, a in enumerate(case.arrays)]),
                )
            )
    if isinstance(case.sample.kwargs.get("dim"), int):
        calls.append(("dim=17", Case(case.row, Sample(case.sample.args, {**case.sample.kwargs, "dim": 17}), "cpu")))
    return calls


def check_errors(case: Case) -> None:
    """What torch refuses is refused, with an error of the same type."""
    if not case.row.errors:
        return
    for wrong, bad in wrong_calls(case):
        try:
            call(bad, [theirs(a) for a in bad.arrays])
        except Exception as error:  # whatever torch raises is what we are to raise
            expected = type(error)
            words = str(error)
        else:
            continue
        try:
            got = bad.call(bad.operands(require=()))
        except Exception as error:
            assert isinstance(error, expected) or type(error) is expected, (
                f"{wrong}: {type(error).__name__}: {error}\ntorch: {expected.__name__}: {words}"
            )
        else:
            raise AssertionError(f"{wrong}: no error, result {got}\ntorch: {expected.__name__}: {words}")


CHECKS = (check_values, check_gradients, check_dtypes, check_errors)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_op(row: Row) -> None:
    if not row.parity:
        assert row.why
        return
    found = []
    for dtype in ["float64", *["complex128"] * row.complex]:
        for number, sample in enumerate(row.samples(np.random.default_rng(0), np.dtype(dtype))):
            case = Case(row, sample, "cpu")
            for check in CHECKS:
                if dtype == "complex128" and check in (check_dtypes, check_errors):
                    continue
                try:
                    check(case)
                except Exception as error:  # every failure of the row is reported below
                    text = (
                        str(error)
                        if isinstance(error, AssertionError)
                        else "".join(traceback.format_exception(error)[-4:])
                    )
                    found.append(
                        f"{check.__name__.removeprefix('check_')} of {case} ({dtype} sample {number})\n    "
                        + text.strip().replace("\n", "\n    ")
                    )
    if found:
        pytest.fail(f"{len(found)} checks failed\n" + "\n".join(found[:20]), pytrace=False)
