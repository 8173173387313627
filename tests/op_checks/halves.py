"""Half types on a device against the CPU: results and gradients."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import tapegrad
from op_checks.case import Case, assert_close
from op_checks.gradients import Seeds, differentiable
from op_checks.values import TOLERANCE, tolerance
from tapegrad.autograd.core.tensor import from_array
from tapegrad.autograd.tape.backward import grad

HALVES = ("float16", "bfloat16")
#: what a program may be refused with
REFUSALS = (RuntimeError, TypeError, ValueError, NotImplementedError, IndexError)


def cast(array: np.ndarray, name: str) -> np.ndarray:
    """A floating or complex array in another dtype, if that can hold it."""
    dtype = np.dtype(getattr(ml_dtypes, name) if name == "bfloat16" else name)
    if array.dtype.kind not in "fc" or (array.dtype.kind == "c" and dtype.kind != "c"):
        return array
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(array) if dtype.kind == "u" else array).astype(dtype)


def outcome(case: Case, gradients: bool = False) -> Any:
    """The results, and on request the gradients, on the host; or the error."""
    try:
        with np.errstate(all="ignore"):
            operands = case.operands(require=None if gradients else ())
            results = case.results(operands)
            found = case.hosts(results)
            flowing = differentiable(results) if gradients else []
            if flowing:
                seeds = Seeds(case)
                inputs = [t for t in operands if t.requires_grad]
                starts = [from_array(case.put(seeds.like(np.zeros(r.shape, r._array.dtype)))) for r in flowing]
                found += [
                    np.zeros(0) if g is None else case.host(g) for g in grad(flowing, inputs, starts, allow_unused=True)
                ]
            return found
    except REFUSALS as error:
        return error


def agree(case: Case, cpu: Any, device: Any) -> None:
    """Raise unless two outcomes are the same, as far as the dtype's precision goes."""
    if isinstance(cpu, RuntimeError) and "negative integer powers" in str(cpu):
        return  # an error for the sake of a value, at which a device does not look
    assert type(cpu) is type(device), f"{case}: {cpu!r} on the CPU, {device!r} on the device"
    if not isinstance(cpu, list):
        return
    assert len(cpu) == len(device)
    for a, b in zip(cpu, device):
        assert a.dtype == b.dtype and a.shape == b.shape, (
            f"{case}: {a.dtype}{a.shape} on the CPU, {b.dtype}{b.shape} on the device"
        )
        assert_close(b, a, max(tolerance(case), TOLERANCE.get(a.dtype.name, 0.0)), str(case))


def check_halves(case: Case, name: str) -> None:
    """Results and gradients in a half type are those of the CPU."""
    outcomes = []
    for device in ("cpu", str(case.device)):
        tapegrad.manual_seed(0)
        there = Case(case.row, case.sample, device).with_arrays([cast(a, name) for a in case.arrays])
        outcomes.append(outcome(there, gradients=True))
    agree(case, *outcomes)
