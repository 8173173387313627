"""Forward mode: against differences, and of and under reverse mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from op_checks.case import Case, assert_close, flat, inexact
from op_checks.gradients import STEP, Seeds, differentiable, dot, named, plain
from op_checks.values import tolerance
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.dispatch.decorator import Op
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.transforms import tangents as forward
from tapegrad.autograd.transforms.tangents import Tangents

SLOPE_TOLERANCE = 1e-6


def directions_of(case: Case) -> list[np.ndarray]:
    """For each operand that gradients flow to, where it moves."""
    seeds = Seeds(case)
    return [seeds.direction(i) for i in case.wanted]


def tangents(
    case: Case, directions: Sequence[np.ndarray | None], require: Sequence[int] = ()
) -> tuple[list[Tensor], list[Tensor], list[Tensor | None]]:
    """The operands, those results that may have tangents, and these."""
    operands = case.operands(require=require)
    with Tangents() as level:
        for i, v in zip(case.wanted, directions):
            if v is not None:
                level.set(operands[i], from_array(case.put(v)))
        results = [r for r in flat(case.call(operands)) if isinstance(r, Tensor)]
        for n, r in enumerate(results):
            assert inexact(r._array) or level.of(r) is None, f"result {n}, of {r.dtype}, has a tangent"
        results = [r for r in results if inexact(r._array)]
        return operands, results, [level.of(r) for r in results]


def fully(case: Case, results: Sequence[Tensor], found: Sequence[Tensor | None]) -> list[np.ndarray]:
    """Tangents on the host, zero where there is none."""
    return plain(case, found, [case.host(r) for r in results])


def check_tangents(case: Case) -> None:
    """Tangents are those of central differences, and the sum of what each operand alone brings."""
    if not case.wanted:
        return
    directions = directions_of(case)
    _, results, found = tangents(case, directions)
    for n, (r, t) in enumerate(zip(results, found)):
        if t is not None:
            assert t._array.__class__ is case.backend.array_type, (
                f"the tangent of result {n} is a {type(t._array).__name__}"
            )
            assert (t.dtype, t.shape) == (r.dtype, r.shape), (
                f"the tangent of result {n} is {t.dtype}{list(t.shape)}, the result {r.dtype}{list(r.shape)}"
            )
    mine = fully(case, results, found)
    for n, (got, right, noise) in enumerate(zip(mine, *differences(case, directions))):
        size = np.abs(right).max(initial=0.0)
        within = max(SLOPE_TOLERANCE, case.row.tolerance) * size + noise + 1e-9
        assert got.shape == right.shape and (np.abs(got - right) <= within).all(), (
            f"tangent of result {n}: {got!r}, differences say {right!r}"
        )
    if len(case.wanted) < 2:
        return
    total = [np.zeros_like(t) for t in mine]
    for i in range(len(directions)):
        _, results, found = tangents(case, [v if j == i else None for j, v in enumerate(directions)])
        total = [a + b for a, b in zip(total, fully(case, results, found))]
    for n, (a, b) in enumerate(zip(total, mine)):
        assert_close(a, b, tolerance(case), f"tangent of result {n}, added up over operands that alone have one,")


def differences(case: Case, directions: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The derivatives of all results along directions, and the rounding error to expect of them."""

    def at(h: float) -> list[np.ndarray]:
        moved = list(case.arrays)
        for i, v in zip(case.wanted, directions):
            moved[i] = np.asarray(moved[i] + h * v)
        return [
            case.host(r)
            for r in flat(case.call(case.operands(moved, require=())))
            if isinstance(r, Tensor) and inexact(r._array)
        ]

    points = [at(h) for h in (STEP, -STEP, 2 * STEP, -2 * STEP)]
    with np.errstate(invalid="ignore"):
        slopes = [np.where(np.isfinite(a), (8 * (a - b) - (c - d)) / (12 * STEP), 0) for a, b, c, d in zip(*points)]
    return slopes, [1e-14 * np.abs(np.where(np.isfinite(a), a, 0)).max(initial=0.0) / STEP for a in points[0]]


def check_forward_over_reverse(case: Case) -> None:
    """The tangents of gradients, and the gradients of tangents, are the second derivatives that two reverse passes
    give.
    """
    if not case.wanted or not case.row.gradgrad:
        return
    directions = directions_of(case)
    like = [case.arrays[i] for i in case.wanted]
    operands = case.operands()
    results = differentiable(case.results(operands))
    inputs = [operands[i] for i in case.wanted]
    seeds = Seeds(case)
    cotangents = [seeds.like(case.host(r)) for r in results]
    found = grad(results, inputs, [from_array(case.put(c)) for c in cotangents], create_graph=True, allow_unused=True)
    want = plain(case, _pulled(case, found, inputs, directions), like)
    # The tangents' gradients.
    operands, results, moved = tangents(case, directions, case.wanted)
    pairs = [
        (t, c) for t, c in zip([t for r, t in zip(results, moved) if r.requires_grad], cotangents) if t is not None
    ]
    inputs = [operands[i] for i in case.wanted]
    got = plain(case, _pulled(case, [t for t, _ in pairs], inputs, [c for _, c in pairs]), like)
    for i, a, b in zip(case.wanted, got, want):
        assert_close(a, b, max(1e-8, tolerance(case)), f"gradient by {named(case, [i])} of the tangents")
    # The gradients' tangents.
    operands = case.operands()
    with Tangents() as level:
        for i, v in zip(case.wanted, directions):
            level.set(operands[i], from_array(case.put(v)))
        results = differentiable(case.results(operands))
        found = grad(
            results,
            [operands[i] for i in case.wanted],
            [from_array(case.put(c)) for c in cotangents],
            allow_unused=True,
        )
        changes = plain(case, [None if g is None else level.of(g) for g in found], like)
    tests = [seeds.like(a) for a in like]
    mine, size = dot(changes, tests)
    right, _ = dot(plain(case, _second(case, cotangents, tests), like), directions)
    within = max(1e-8, tolerance(case)) * (size + abs(right)) + 1e-12
    assert abs(mine - right) <= within, f"tangents of the gradients: {mine!r} along a direction, expected {right!r}"


def _second(case: Case, cotangents: Sequence[np.ndarray], tests: Sequence[np.ndarray]) -> Sequence[Tensor | None]:
    """The derivatives of the gradients' inner product with `tests`."""
    operands = case.operands()
    results = differentiable(case.results(operands))
    inputs = [operands[i] for i in case.wanted]
    found = grad(results, inputs, [from_array(case.put(c)) for c in cotangents], create_graph=True, allow_unused=True)
    return _pulled(case, found, inputs, tests)


def _pulled(
    case: Case, values: Sequence[Tensor | None], inputs: Sequence[Tensor], cotangents: Sequence[np.ndarray]
) -> Sequence[Tensor | None]:
    pairs = [(t, c) for t, c in zip(values, cotangents) if t is not None and t.requires_grad]
    if not pairs:
        return [None] * len(inputs)
    return grad([t for t, _ in pairs], inputs, [from_array(case.put(c)) for _, c in pairs], allow_unused=True)


@contextmanager
def transposing() -> Iterator[set[str]]:
    """Inside, the names of the ops whose tangents take two reverse passes are collected."""
    found: set[str] = set()
    original = forward.by_transposition

    def noted(core, given, tangents):  # type: ignore[no-untyped-def]
        op: Op = core.op
        found.add(f"{op.fn.__module__.rpartition('.')[2]}.{op.fn.__name__}")
        return original(core, given, tangents)

    forward.by_transposition = noted
    try:
        yield found
    finally:
        forward.by_transposition = original
