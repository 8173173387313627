"""Two derivatives held against each other: whole matrices, or, in fast mode, their products with one random vector for
each input and each result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.gradcheck import finite_differences as differences
from tapegrad.autograd.gradcheck import forward, reverse
from tapegrad.autograd.gradcheck.case import Case, GradcheckError, close, shown


def compare(case: Case, forward_mode: bool) -> None:
    """Hold the derivatives of `case` by one of the modes against central differences."""
    (_compare_products if case.settings.fast_mode else _compare_matrices)(case, forward_mode)


def _matrices(case: Case, forward_mode: bool) -> list[list[Any]]:
    """``[j][i]``: of differentiable result number `i` by wanted input number `j`."""
    if forward_mode:
        found = [forward.jacobians(case, j) for j in range(len(case.wanted))]
        return [[row[n] for n in case.flowing] for row in found]
    return [list(row) for row in zip(*[reverse.jacobians(case, case.results[n]) for n in case.flowing])]


def _compare_matrices(case: Case, forward_mode: bool) -> None:
    if not case.flowing:
        differences.check_constant(case)
        return
    numerical = [differences.jacobians(case, t) for t in case.sources]
    analytical = _matrices(case, forward_mode)
    for i, n in enumerate(case.flowing):
        for j in range(len(case.wanted)):
            a, b = analytical[j][i], numerical[j][n]
            assert b is not None, "what requires grad has derivatives"
            if not close(a, b, case.settings.rtol, case.settings.atol):
                raise GradcheckError(case.mismatch(i, j, a, b, forward_mode))


def directions(case: Case) -> list[np.ndarray]:
    """For each wanted input a random direction."""
    rng = np.random.default_rng(0)
    return [_unit(rng, t) + (1j * _unit(rng, t) if t.is_complex() else 0) for t in case.sources]


def _unit(rng: np.random.Generator, t: Tensor) -> np.ndarray:
    """A vector of length one with no negative component."""
    vector = rng.random(t._array.size)
    unit: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-300)
    return unit


def _compare_products(case: Case, forward_mode: bool) -> None:
    us = directions(case)
    if not case.flowing:
        differences.check_constant_along(case, us)
        return
    settings = case.settings
    numerical = [differences.directional(case, t, u) for t, u in zip(case.sources, us)]
    rng = np.random.default_rng(1)
    along = [forward.products(case, j, u) for j, u in enumerate(us)] if forward_mode else []
    for i, n in enumerate(case.flowing):
        v = _unit(rng, case.results[n])
        back = [] if forward_mode else reverse.products(case, case.results[n], [v])
        for j, u in enumerate(us):
            change = numerical[j][n]
            assert change is not None, "what requires grad has derivatives"
            if forward_mode:
                a, b, weight = along[j][n], change, 1.0
            else:
                d = back[j][:, 0]
                # Each part of the gradient with that part of the direction, as the differences have it.
                a = d.real @ u.real + 1j * (d.imag @ u.imag) if np.iscomplexobj(u) else d @ u
                b, weight = change @ v, float(v.sum())
            if not close(a, b, settings.rtol, settings.atol * float(u.real.sum() + u.imag.sum()) * weight):
                raise GradcheckError(case.mismatch(i, j, a, b, forward_mode) + _closer_look(case, forward_mode, i, j))


def _closer_look(case: Case, forward_mode: bool, i: int, j: int) -> str:
    """The whole matrices, for who has to find the mistake."""
    n = case.flowing[i]
    numerical = differences.jacobians(case, case.sources[j])[n]
    analytical = forward.jacobians(case, j)[n] if forward_mode else reverse.jacobians(case, case.results[n])[j]
    assert numerical is not None and analytical is not None
    text = (
        "\nThe above quantities relating the numerical and analytical jacobians are computed \nin fast mode. See: "
        "https://github.com/pytorch/pytorch/issues/53876 for more background \nabout fast mode. Below, we recompute "
        "numerical and analytical jacobians in "
        f"slow mode:\n\nNumerical:\n {shown(numerical)}\nAnalytical:\n{shown(analytical)}\n\n"
        f"The max per-element difference (slow mode) is: {np.abs(numerical - analytical).max()}.\n"
    )
    if close(analytical, numerical, case.settings.rtol, case.settings.atol):
        text += (
            "Fast gradcheck failed but element-wise differences are small. This means that the\ntest might've passed "
            "in slow_mode!\n\n"
            "Call gradcheck/gradgradcheck with `fast_mode=False` as a keyword argument."
        )
    return text
