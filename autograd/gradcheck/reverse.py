"""Derivatives by reverse mode, as `gradcheck` compares them, and what must hold of a backward besides."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.gradcheck.case import Case, GradcheckError, close, differentiable, like, values
from tapegrad.autograd.tape.backward import grad

_NONDETERMINISTIC = (
    "\n\n\nNOTE: If your op relies on non-deterministic operations, this failure might be expected: call "
    "gradcheck/gradgradcheck with "
    "`nondet_tol=<tol>` as a keyword argument."
)


def jacobians(case: Case, output: Tensor) -> list[np.ndarray]:
    """For each wanted input the matrix of derivatives of `output`, elements of the input by elements of the output."""
    return products(case, output, np.eye(output._array.size))


def products(case: Case, output: Tensor, vectors: Iterable[np.ndarray]) -> list[np.ndarray]:
    """For each wanted input the products of `vectors` with these matrices. Each is made twice, to see whether they
    repeat.
    """
    settings, sources = case.settings, case.sources
    same_shapes = same_dtypes = repeats = True
    found: list[list[np.ndarray]] = [[] for _ in sources]
    for vector in vectors:
        seed = like(output, vector)
        first, second = (grad(output, sources, seed, retain_graph=True, allow_unused=True) for _ in range(2))
        for t, rows, d, again in zip(sources, found, first, second):
            zeros = np.zeros(t._array.size)
            rows.append(zeros if d is None else values(d))
            if d is not None:
                same_shapes &= d.shape == t.shape
                same_dtypes &= d.dtype == t.dtype
            other = zeros if again is None else values(again)
            # Also false where one of them is NaN.
            repeats &= bool(
                np.all((np.abs(rows[-1] - other) <= settings.nondet_tol) | (np.isnan(rows[-1]) & np.isnan(other)))
            )
    if not same_dtypes and settings.check_grad_dtypes:
        raise GradcheckError("Gradient has dtype mismatch")
    if not same_shapes:
        raise GradcheckError("Analytical gradient has incorrect size")
    if not repeats:
        raise GradcheckError(
            "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
            "different values, "
            "although analytical gradient matches numerical gradient.The tolerance for nondeterminism was "
            f"{settings.nondet_tol}."
            f"{_NONDETERMINISTIC}"
        )
    return [np.stack(rows, 1) if rows else np.zeros((t._array.size, 0)) for t, rows in zip(sources, found)]


def check_zero_gradients(case: Case) -> None:
    """For gradients of zero backward must give zeros, like its inputs."""
    outputs = [case.results[n] for n in case.flowing]
    if not outputs:
        return
    zeros = [like(output, np.zeros(output._array.size)) for output in outputs]
    for d, t in zip(grad(outputs, case.sources, zeros, retain_graph=True, allow_unused=True), case.sources):
        if d is None:
            continue
        if not close(values(d), 0, 1e-5, 1e-8) if case.settings.masked else values(d).any():
            raise GradcheckError("backward not multiplied by grad_output")
        for what, name in (("dtype", "type"), ("device", "device"), ("shape", "size")):
            if getattr(d, what) != getattr(t, what):
                raise GradcheckError(f"grad is incorrect {name}")


def check_missing_gradients(case: Case) -> None:
    """Of several results the gradient of one at a time is left out, which must count as zeros."""
    notes = 'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
    count = len(case.flowing)
    for i in range(count if count > 1 else 0):
        outputs = [output for k, output in enumerate(differentiable(case.function(*case.inputs))) if k != i]
        zeros = [like(output, np.zeros(output._array.size)) for output in outputs]
        try:
            found = grad(outputs, case.sources, zeros, allow_unused=True)
        except RuntimeError as error:
            _warn_of_missing()
            raise GradcheckError(f"Expected backward function to handle undefined output grads. {notes}") from error
        if any(d is not None and values(d).any() for d in found):
            _warn_of_missing()
            raise GradcheckError(
                f"Expected all input grads to be undefined or zero when all output grads are undefined or zero. {notes}"
            )


def _warn_of_missing() -> None:
    warnings.warn(
        "Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it may "
        "break existing callers of this "
        'function. If this is true for you, you can call this function with "check_undefined_grad=False" to disable '
        "the feature",
        stacklevel=5,
    )
