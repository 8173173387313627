"""Derivatives by forward mode, as `gradcheck` compares them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.gradcheck.case import Case, GradcheckError, as_tuple, close, is_inexact, like, stacked, values
from tapegrad.autograd.transforms.dual import dual_level, make_dual, unpack_dual


def jacobians(case: Case, j: int) -> list[np.ndarray | None]:
    """For each result the matrix of its derivatives by wanted input number `j`, elements of the input by elements of
    the result.
    """
    size = case.sources[j]._array.size
    if not size:
        return [np.zeros((0, result._array.size)) if is_inexact(result) else None for result in case.results]
    rows = [products(case, j, unit) for unit in np.eye(size)]
    return stacked(rows)


def products(case: Case, j: int, u: np.ndarray) -> list[np.ndarray | None]:
    """For each result its derivative when wanted input number `j` moves along `u`."""
    with dual_level():
        zeros = [np.zeros(t._array.size) for t in case.sources]
        found = list(_tangents(case, [*zeros[:j], u, *zeros[j + 1 :]]))
        if case.settings.check_grad_dtypes and any(
            d is not None and d.is_complex() != value.is_complex() for value, d in found
        ):
            raise GradcheckError("Forward AD gradient has dtype mismatch.")
        return [
            None if not is_inexact(value) else np.zeros(value._array.size) if d is None else values(d)
            for value, d in found
        ]


def _tangents(case: Case, directions: list[np.ndarray | None]) -> Iterator[tuple[Any, Tensor | None]]:
    """Call the function with dual numbers: each result and its tangent. A wanted input whose direction is None has no
    tangent.
    """
    inputs = list(case.inputs)
    for n, u in zip(case.wanted, directions):
        t = inputs[n].detach()
        inputs[n] = t if u is None else make_dual(t, like(t, u))
    for result in as_tuple(case.function(*inputs)):
        yield unpack_dual(result) if is_inexact(result) else (result, None)


def check_missing_tangents(case: Case, directions: list[np.ndarray]) -> None:
    """The tangent of one input at a time is left out, which must be the same as zeros."""
    for i, n in enumerate(case.wanted):
        with dual_level():
            zeros = np.zeros(len(directions[i]))
            given, left_out = ([*_tangents(case, [*directions[:i], u, *directions[i + 1 :]])] for u in (zeros, None))
            for k, ((_, a), (_, b)) in enumerate(zip(given, left_out)):
                if a is not None and b is not None and not close(values(a), values(b), 1e-5, 1e-8):
                    raise GradcheckError(
                        f"Mismatch in tangent values for output with index: {k} when input: {case.inputs[n]} has an "
                        "undefined tangent value. "
                        f"Got: {a} but expected: {b}"
                    )
