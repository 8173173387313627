"""Results: values, shapes, dtypes, devices, and the other ways to call."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import tapegrad
from op_checks.case import Case, assert_close, flat, inexact
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.backends import backend

#: of results and gradients, relative to the largest; beside float64's, which is the row's
TOLERANCE = {"float32": 2e-4, "complex64": 2e-4, "float16": 2e-2, "bfloat16": 1e-1}


def tolerance(case: Case) -> float:
    """What results may differ by, given the least precise operand."""
    loosest = max((TOLERANCE.get(array.dtype.name, 0.0) for array in case.arrays), default=0.0)
    return max(case.row.tolerance, loosest, 1e5 * case.row.tolerance if loosest else 0.0)


def check_values(case: Case) -> None:
    """The results are NumPy's, on the operands' device."""
    got = case.results(case.operands(require=()))
    want = case.reference(
        [a.astype(np.complex128 if a.dtype.kind == "c" else np.float64) if inexact(a) else a for a in case.arrays]
    )
    assert len(got) == len(want), f"{len(got)} results, expected {len(want)}"
    compare(case, got, want, tolerance(case))


def compare(case: Case, got: list[Any], want: list[np.ndarray], within: float) -> None:
    for i, (mine, right) in enumerate(zip(got, want)):
        if isinstance(mine, Tensor):
            assert mine._array.__class__ is case.backend.array_type, (
                f"result {i} is a {type(mine._array).__name__}, not an array of {case.device}"
            )
            assert mine.device.type == case.device.type
        array = case.host(mine)
        assert kind(array) == kind(right), f"result {i} has dtype {array.dtype}, expected a {right.dtype}"
        if case.row.values:
            assert_close(array, right, within, f"result {i}")
        else:
            assert array.shape == right.shape, f"result {i}: shape {array.shape}, expected {right.shape}"


def kind(array: np.ndarray) -> str:
    """bool, integer, floating point or complex."""
    return {"b": "b", "i": "i", "u": "i", "c": "c"}.get(array.dtype.kind, "f")


def check_precision(case: Case) -> None:
    """Results have the precision of their operands."""
    operands = [array for array in case.arrays if inexact(array)]
    if not operands or _names_a_dtype(case):
        return
    precision = np.result_type(*[array.real.dtype for array in operands])
    for i, result in enumerate(case.results(case.operands(require=()))):
        if isinstance(result, Tensor) and inexact(result._array):
            assert result._array.real.dtype == precision, f"result {i} of {precision} operands is {result.dtype}"


def _names_a_dtype(case: Case) -> bool:
    return any(
        isinstance(value, (np.dtype, tapegrad.dtype)) for value in (*case.sample.args, *case.sample.kwargs.values())
    )


def check_integers(case: Case) -> None:
    """Small positive integers give what they give in NumPy; where the op computes in floating point, in the default
    dtype.
    """
    whole = [
        np.asarray(np.abs(np.round(a)) % 4 + 1).astype(np.int64) if a.dtype.kind == "f" else a for a in case.arrays
    ]
    case = case.with_arrays(whole)
    computes_in_float = case.op is not None and case.op.operands == "float"
    want = case.reference([a.astype(np.float64) if computes_in_float and a.dtype.kind == "i" else a for a in whole])
    got = case.results(case.operands(require=()))
    for i, result in enumerate(got):
        if inexact(result._array) and not _names_a_dtype(case):
            assert result._array.real.dtype == np.float32, (
                f"result {i} of integers is {result.dtype}, not the default dtype"
            )
    compare(case, got, want, 2e-4)


def check_layouts(case: Case) -> None:
    """Operands that are transposed or strided in memory give the same results."""
    want = case.hosts(case.results(case.operands(require=())))
    for layout in LAYOUTS:
        operands = [from_array(layout(case, array)) for array in case.arrays]
        for i, (got, right) in enumerate(zip(case.results(operands), want)):
            assert_close(case.host(got), right, tolerance(case), f"result {i} for {layout.__name__} operands")


def transposed(case: Case, array: np.ndarray) -> Any:
    """`array` in column order."""
    return case.put(np.ascontiguousarray(array.T)).transpose() if array.ndim else case.put(array)


def strided(case: Case, array: np.ndarray) -> Any:
    """`array` as every second element of a larger one, along each dimension."""
    wide = np.zeros(tuple(2 * n + 1 for n in array.shape), array.dtype)
    part = tuple(slice(1, None, 2) for _ in array.shape)
    wide[part] = array
    return case.put(wide)[part] if array.ndim else case.put(array)


LAYOUTS = (transposed, strided)


def check_raw(case: Case) -> None:
    """Raw arrays give raw arrays of equal values."""
    if not case.arrays:
        return
    want = case.results(case.operands(require=()))
    got = case.results([case.put(array) for array in case.arrays])
    assert len(got) == len(want), f"{len(got)} results from raw arrays, {len(want)} from tensors"
    for i, (raw, right) in enumerate(zip(got, want)):
        assert not isinstance(raw, Tensor), f"result {i} of raw arrays is a tensor"
        if isinstance(right, Tensor):
            assert isinstance(raw, np.generic) or raw.__class__ is case.backend.array_type, (
                f"result {i} of raw arrays is a {type(raw).__name__}"
            )
        assert_close(case.host(raw), case.host(right), tolerance(case), f"result {i} of raw arrays")


def check_method(case: Case) -> None:
    """The method of that name does the same."""
    method = getattr(Tensor, case.row.name, None)
    if not case.row.method or not callable(method) or not case.paths or case.paths[0] != (0,):
        return
    operands = case.operands(require=())
    for i, (got, want) in enumerate(zip(flat(case.call_with(method, operands)), case.results(operands))):
        assert_close(case.host(got), case.host(want), tolerance(case), f"result {i} of the method")


def check_aliases(case: Case) -> None:
    """`axis` and `keepdims` mean `dim` and `keepdim`."""
    other = {"dim": "axis", "keepdim": "keepdims"}
    if case.op is None or not other.keys() & case.sample.kwargs.keys():
        return
    operands = case.operands(require=())
    want = case.results(operands)

    def renamed(*args: Any, **kwargs: Any) -> Any:
        return case.function(*args, **{other.get(name, name): value for name, value in kwargs.items()})

    for i, (got, right) in enumerate(zip(flat(case.call_with(renamed, operands)), want)):
        assert_close(case.host(got), case.host(right), tolerance(case), f"result {i} with axis=")


def check_out(case: Case) -> None:
    """`out=` takes the result, and refuses to be recorded."""
    operands = case.operands(require=())
    want = case.call(operands)
    if not isinstance(want, Tensor) or "out" not in inspect.signature(case.function, follow_wrapped=False).parameters:
        return
    out = from_array(backend(want._array).xp.zeros(want._array.shape, want._array.dtype))
    got = case.call_with(case.function, operands, {"out": out})
    assert got is out, "out= is not what is returned"
    assert_close(case.host(out), case.host(want), 0.0, "out=")
    assert out._version == 1, f"out= was written, but is at version {out._version}"
    if case.wanted and inexact(out._array):
        try:
            case.call_with(case.function, case.operands(), {"out": out})
        except RuntimeError as error:
            assert "functions with out=... arguments don't support automatic differentiation" in str(error), error
        else:
            raise AssertionError("out= of operands that require grad raises nothing")


def check_no_grad(case: Case) -> None:
    """Under `no_grad` nothing is recorded (a view requires grad as its base does), and what is no floating-point number
    never requires grad.
    """
    with tapegrad.no_grad():
        for i, result in enumerate(case.results(case.operands())):
            if isinstance(result, Tensor):
                assert result.grad_fn is None and (result._is_view() or not result.requires_grad), (
                    f"result {i} was recorded under no_grad"
                )
    for i, result in enumerate(case.results(case.operands())):
        if isinstance(result, Tensor) and not inexact(result._array):
            assert not result.requires_grad and result.grad_fn is None, f"result {i}, of {result.dtype}, requires grad"
