"""Derivatives by central differences.

With respect to a complex input ``x + iy`` they are torch's gradient, ``d/dx + i d/dy`` of a real function.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.gradcheck.case import Case, GradcheckError, as_tuple, is_inexact, stacked, values
from tapegrad.backends import backend_for

#: for each result a number, vector or matrix; None for results that have no derivatives
Changes = list[np.ndarray | None]


def jacobians(case: Case, t: Tensor) -> Changes:
    """For each result the matrix of its derivatives, elements of the input `t` by elements of the result."""
    array = t._array
    rows: list[Changes] = []
    for where in itertools.product(*map(range, array.shape)):
        change = _difference(case, array, where, 1, f"on index {where} ")
        if array.dtype.kind == "c":
            change = _complex(change, _difference(case, array, where, 1j, f"on index {where} "))
        rows.append(change)
    if not rows:
        return [np.zeros((0, result._array.size)) if is_inexact(result) else None for result in case.results]
    return stacked(rows)


def directional(case: Case, t: Tensor, u: np.ndarray) -> Changes:
    """The derivative of each result when `t` moves along `u`; of a complex one, when its real and imaginary parts move
    along those of `u`.
    """
    change = _difference(case, t._array, ..., _shaped(t, u.real), "")
    return (
        _complex(change, _difference(case, t._array, ..., _shaped(t, 1j * u.imag), ""))
        if t._array.dtype.kind == "c"
        else change
    )


def check_constant(case: Case) -> None:
    """A function none of whose results has a gradient must be constant."""
    for t in case.sources:
        if any(matrix is not None and matrix.any() for matrix in jacobians(case, t)):
            raise GradcheckError("Numerical gradient for function expected to be zero")


def check_constant_along(case: Case, directions: list[np.ndarray]) -> None:
    """As `check_constant`, along one direction for each input."""
    for t, u in zip(case.sources, directions):
        if any(
            change is not None and np.abs(change).max(initial=0) > case.settings.nondet_tol
            for change in directional(case, t, u)
        ):
            raise GradcheckError("Numerical gradient for function expected to be zero")


def _shaped(t: Tensor, numbers: np.ndarray) -> Any:
    return backend_for(t.device).from_host(numbers.astype(t._array.dtype).reshape(t._array.shape), t.device)


def _complex(by_x: Changes, by_y: Changes) -> Changes:
    return [None if dx is None or dy is None else dx + 1j * dy for dx, dy in zip(by_x, by_y)]


def _difference(case: Case, array: Any, where: Any, step: Any, place: str) -> Changes:
    """The change of each result per unit when ``array[where]`` moves by plus and minus `step` times ``eps``.

    The array is changed in place, so that the function sees the very tensors that the caller gave.
    """
    eps = case.settings.eps
    before = array[where].copy()
    try:
        array[where] = before - step * eps
        behind = _results(case.function, case.inputs)
        array[where] = before + step * eps
        ahead = _results(case.function, case.inputs)
    finally:
        array[where] = before
    for a, b in zip(behind, ahead):
        for what in ("shape", "dtype"):
            one, other = getattr(a, what), getattr(b, what)
            if one != other:
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are perturbed {place}by "
                    f"{eps}, but got: {what}s "
                    f"{one} and {other}."
                )
    return [(values(b) - values(a)) / (2 * eps) if is_inexact(a) else None for a, b in zip(behind, ahead)]


def _results(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """What `function` returns, in memory of its own: it may return its input."""
    return tuple(t.clone() for t in as_tuple(function(*inputs)))
