"""Every op of the table, on every device: one test per row, which loops over its samples and checks."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from op_checks import batched, forward, gradients, halves, nested, tape, values, writes
from op_checks.case import Case, function_of
from op_checks.crossings import nothing_crosses
from op_table import ROWS, Row

from tapegrad.autograd.dispatch.decorator import OPS

Check = Callable[[Case], None]

#: on the samples in float64; in complex128 too, where the op takes complex numbers
ALWAYS: list[Check] = [
    values.check_values,
    values.check_precision,
    values.check_method,
    values.check_aliases,
    values.check_out,
    values.check_no_grad,
    gradients.check_gradients,
    gradients.check_accumulation,
    gradients.check_second_order,
    forward.check_tangents,
    tape.check_freed,
    tape.check_retained,
    tape.check_kept,
    tape.check_overwritten,
    tape.check_cycles,
    tape.check_nothing_shared,
    writes.check_inplace,
    writes.check_leaf_refused,
    writes.check_view,
    writes.check_write_to_base,
    writes.check_write_to_view,
]
#: on the first sample; on the others with --full
FIRST: list[Check] = [forward.check_forward_over_reverse]
SINGLE: list[Check] = [values.check_values, values.check_precision, gradients.check_single_precision]


def integer(row: Row) -> bool:
    """Whether the row's integers are compared with the reference."""
    op = getattr(function_of(row.name), "op", None)
    return (
        op is not None and op.kind == "elementwise" and op.operands in ("promote", "float")
        if row.integer is None
        else row.integer
    )


def plan(row: Row) -> Iterator[tuple[str, list[Check]]]:
    """The dtypes in which a row's samples are drawn, and what is checked of each."""
    checks = [*ALWAYS, *FIRST]
    checks += [values.check_layouts, gradients.check_gradient_layouts] * row.layouts
    checks += (
        [gradients.check_twice] * row.twice + [values.check_raw] * row.raw + [values.check_integers] * integer(row)
    )
    if not row.values:
        checks = [values.check_values, values.check_precision, values.check_no_grad]
    yield (
        "float64",
        [
            *checks,
            *[batched.check_batched, batched.check_batched_gradients, batched.check_batched_cotangents] * row.values,
        ],
    )
    if row.complex:
        yield "complex128", [check for check in checks if check is not values.check_integers]
    yield "float32", [check for check in SINGLE if row.values or check is not gradients.check_single_precision]


def failures(row: Row, device: str) -> Iterator[str]:
    for dtype, checks in plan(row):
        samples = row.samples(np.random.default_rng(0), np.dtype(dtype))
        assert samples, f"row {row.name} has no samples in {dtype}"
        for number, sample in enumerate(samples):
            case = Case(row, sample, device)
            for check in checks if number == 0 else [check for check in checks if check not in FIRST]:
                try:
                    check(case)
                except Exception as error:  # every failure of the row is reported, by `test_op`
                    yield told(case, f"{dtype} sample {number}", check, error)


def told(case: Case, where: str, check: Check, error: Exception) -> str:
    """Which check failed on which sample, and how; an error that is no assertion with the place where it was raised."""
    text = (
        str(error).strip()
        if isinstance(error, AssertionError)
        else "".join(traceback.format_exception(error)[-6:]).strip()
    )
    return (
        f"{check.__name__.removeprefix('check_')} of {case} on {case.device} ({where}): {check.__doc__}\n    "
        + text.replace("\n", "\n    ")
    )


def watched(row: Row, device: str) -> Any:
    """On the strict device nothing may cross to or from the host unasked."""
    return nothing_crosses() if device == "strict" and not row.synchronises else contextlib.nullcontext()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_op(row: Row, device: str) -> None:
    if device == "strict" and not row.strict:
        assert row.why
        return
    with watched(row, device):
        found = list(failures(row, device))
    if found:
        pytest.fail(f"{len(found)} checks failed\n" + "\n".join(found[:20]), pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.grad and row.batched and row.values], ids=lambda row: row.name
)
def test_transforms_of_transforms(row: Row, device: str) -> None:
    """Forward mode, reverse mode and vmap, nested in each other."""
    for dtype in ["float64", *["complex128"] * row.complex]:
        for sample in row.samples(np.random.default_rng(0), np.dtype(dtype)):
            with watched(row, device):
                for check in (*FIRST, nested.check_nested):
                    check(Case(row, sample, device))


def half_samples(row: Row) -> list[Case]:
    samples = row.samples(np.random.default_rng(0), np.dtype("float64")) if row.strict and row.values else []
    return [case for case in (Case(row, sample, "strict") for sample in samples) if case.arrays]


@pytest.mark.parametrize("row", [row for row in ROWS if row.values], ids=lambda row: row.name)
def test_half_types_on_the_strict_device(row: Row) -> None:
    """Forward and backward in float16 and bfloat16: the first sample; all with --full."""
    for case in half_samples(row)[:1]:
        for name in halves.HALVES:
            with watched(row, "strict"):
                halves.check_halves(case, name)


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row.values], ids=lambda row: row.name)
def test_half_types_of_all_samples_on_the_strict_device(row: Row) -> None:
    for case in half_samples(row)[1:]:
        for name in halves.HALVES:
            with watched(row, "strict"):
                halves.check_halves(case, name)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_strict_device_takes_the_same_dtypes(row: Row) -> None:
    """In every dtype the strict device gives what the CPU gives, or refuses what the CPU refuses."""
    if not (row.strict and row.values):
        assert row.why or not row.values
        return
    samples = row.samples(np.random.default_rng(0), np.dtype("float64"))
    for sample in [s for s in samples if Case(row, s, "cpu").arrays]:
        for name in ("bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "complex64"):
            outcomes = []
            for device in ("cpu", "strict"):
                case = Case(row, sample, device)
                case = case.with_arrays([halves.cast(a, name) for a in case.arrays])
                with watched(row, device):
                    outcomes.append(halves.outcome(case))
            halves.agree(case, *outcomes)


def test_every_op_has_a_row() -> None:
    names = {row.name for row in ROWS}
    assert not sorted(set(OPS) - names), f"public ops without a row in tests/op_table: {sorted(set(OPS) - names)}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(row: Row) -> None:
    """A row names an op, says why something is switched off, and agrees with the op about its in-place form."""
    assert callable(function_of(row.name))
    if not (
        row.strict
        and row.parity
        and row.errors
        and row.batched
        and row.twice
        and row.layouts
        and (row.gradgrad or not row.grad)
    ):
        assert row.why, f"row {row.name} switches something off, and says not why"
    sample = row.samples(np.random.default_rng(0), np.dtype("float64"))[0]
    writes.check_has_inplace(Case(row, sample, "cpu"))
