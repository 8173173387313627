"""Gradients of first and second order, against differences and against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from op_checks.case import Case, assert_close, flat, inexact
from op_checks.values import LAYOUTS, tolerance
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.tape.backward import backward, grad

# Fourth-order differences: with values of order one, truncation and rounding both stay below 1e-11, and no point is
# farther than 2e-4 away.
STEP = 1e-4
SLOPE_TOLERANCE = 1e-6


class Seeds:
    """The same random cotangents and directions for every run of a case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.random = np.random.default_rng(1)

    def like(self, array: np.ndarray) -> np.ndarray:
        """Uniform in (-1, 1), in the shape and dtype of `array`."""
        values = self.random.uniform(-1, 1, array.shape)
        if array.dtype.kind == "c":
            values = values + 1j * self.random.uniform(-1, 1, array.shape)
        return np.asarray(values).astype(array.dtype)

    def direction(self, i: int) -> np.ndarray:
        """A direction in which operand `i` may move."""
        v = self.like(self.case.arrays[i])
        return (v + v.conj().swapaxes(-1, -2)) / 2 if self.case.paths[i][0] in self.case.row.symmetric else v


def differentiable(results: Sequence[object]) -> list[Tensor]:
    """The results that gradients can start from."""
    return [r for r in results if isinstance(r, Tensor) and r.requires_grad]


def gradients(
    case: Case, operands: Sequence[Tensor], cotangents: Sequence[np.ndarray] | None = None, create_graph: bool = False
) -> list[Tensor | None]:
    """The gradients of those operands that require grad; without `cotangents`, those that `Seeds` gives first."""
    results = differentiable(case.results(operands))
    assert results, "no gradient flows: no result requires grad"
    if cotangents is None:
        cotangents = cotangents_of(case, results)
    seeds = [from_array(case.put(c)) for c in cotangents]
    inputs = [t for t in operands if t.requires_grad]
    return list(grad(results, inputs, seeds, create_graph=create_graph, allow_unused=True))


def cotangents_of(case: Case, results: Sequence[Tensor]) -> list[np.ndarray]:
    seeds = Seeds(case)
    return [seeds.like(case.host(r)) for r in results]


def plain(case: Case, grads: Sequence[Tensor | None], like: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Gradients on the host, zero where there is none."""
    return [np.zeros_like(a) if g is None else case.host(g) for g, a in zip(grads, like)]


def dot(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> tuple[float, float]:
    """The real inner product, and the sum of the magnitudes that went into it."""
    terms = [np.real(np.conj(x) * y) for x, y in zip(a, b)]
    return float(sum(t.sum() for t in terms)), float(sum(np.abs(t).sum() for t in terms))


def slope(f: Callable[[float], tuple[float, float]]) -> tuple[float, float]:
    """f'(0), and the rounding error to expect of it."""
    (a, size), (b, _), (c, _), (d, _) = f(STEP), f(-STEP), f(2 * STEP), f(-2 * STEP)
    return (8 * (a - b) - (c - d)) / (12 * STEP), 1e-14 * size / STEP


def assert_slope(found: tuple[float, float], expected: tuple[float, float], loosest: float, what: str) -> None:
    (value, size), (numeric, noise) = found, expected
    within = max(SLOPE_TOLERANCE, loosest) * size + noise + 1e-9
    assert abs(value - numeric) <= within, (
        f"{what}: the derivative along a random direction is {value!r}, differences say {numeric!r}"
    )


def check_gradients(case: Case) -> None:
    """The gradients are those of central differences, in double precision."""
    if not case.wanted:
        return
    operands = case.operands()
    results = differentiable(case.results(operands))
    assert results, "no gradient flows: no result requires grad"
    seeds = Seeds(case)
    cotangents = [seeds.like(case.host(r)) for r in results]
    outputs = [i for i, r in enumerate(flat(case.call(operands))) if isinstance(r, Tensor) and r.requires_grad]
    grads = gradients(case, operands, cotangents)
    for i, g in zip(case.wanted, grads):
        if g is not None:
            assert g._array.__class__ is case.backend.array_type, (
                f"the gradient of operand {i} is a {type(g._array).__name__}"
            )
            assert g._array.dtype == case.arrays[i].dtype, f"the gradient of operand {i} has dtype {g.dtype}"
            assert g._array.shape == case.arrays[i].shape, (
                f"the gradient of operand {i} has shape {list(g._array.shape)}"
            )
    mine = plain(case, grads, [case.arrays[i] for i in case.wanted])

    def along(directions: dict[int, np.ndarray]) -> Callable[[float], tuple[float, float]]:
        def f(h: float) -> tuple[float, float]:
            moved = [np.asarray(a + h * directions[i]) if i in directions else a for i, a in enumerate(case.arrays)]
            got = case.results(case.operands(moved, require=()))
            return dot(cotangents, [case.host(got[i]) for i in outputs])

        return f

    # All operands at once finds any error; one at a time names the operand.
    for operands_at_once in [case.wanted] if len(case.wanted) == 1 else [case.wanted, *([i] for i in case.wanted)]:
        directions = {i: seeds.direction(i) for i in operands_at_once}
        found = dot([mine[case.wanted.index(i)] for i in directions], list(directions.values()))
        assert_slope(
            found, slope(along(directions)), case.row.tolerance, f"gradient of {named(case, operands_at_once)}"
        )
    check_alone(case, cotangents, mine)


def named(case: Case, numbers: Sequence[int]) -> str:
    return "operand " + ", ".join(
        "".join(f"[{p}]" if k else str(p) for k, p in enumerate(case.paths[i])) for i in numbers
    )


def check_alone(case: Case, cotangents: Sequence[np.ndarray], together: Sequence[np.ndarray]) -> None:
    """An operand that alone requires grad gets the gradient that it gets beside others."""
    if len(case.wanted) < 2:
        return
    for i, want in zip(case.wanted, together):
        operands = case.operands(require=[i])
        results = differentiable(case.results(operands))
        if len(results) != len(cotangents):
            continue
        got = plain(case, gradients(case, operands, cotangents), [case.arrays[i]])
        assert_close(got[0], want, tolerance(case), f"gradient of {named(case, [i])}, which alone requires grad")


def check_second_order(case: Case) -> None:
    """`create_graph` gives the same gradients, and theirs are those of differences."""
    if not case.wanted or not case.row.gradgrad:
        return
    operands = case.operands()
    results = differentiable(case.results(operands))
    seeds = Seeds(case)
    cotangents = [seeds.like(case.host(r)) for r in results]
    like = [case.arrays[i] for i in case.wanted]
    once = plain(case, gradients(case, operands, cotangents), like)
    weights = [from_array(case.put(c)).requires_grad_() for c in cotangents]
    inputs = [operands[i] for i in case.wanted]
    recorded = grad(results, inputs, weights, create_graph=True, allow_unused=True)
    for i, a, b in zip(case.wanted, plain(case, recorded, like), once):
        assert_close(a, b, tolerance(case), f"gradient of {named(case, [i])} with create_graph")
    for i, g in zip(case.wanted, recorded):
        assert g is None or g._array.dtype == case.arrays[i].dtype, (
            f"the gradient of {named(case, [i])} with create_graph has dtype {g.dtype}"
        )
    tests = [seeds.like(a) for a in like]
    traced = [(g, u) for g, u in zip(recorded, tests) if g is not None and g.requires_grad]
    targets = [*inputs, *weights]
    second: Sequence[Tensor | None] = [None] * len(targets)
    if traced:
        second = grad([g for g, _ in traced], targets, [from_array(case.put(u)) for _, u in traced], allow_unused=True)
    mine = plain(case, second, [*like, *cotangents])
    directions = [*(seeds.direction(i) for i in case.wanted), *(seeds.like(c) for c in cotangents)]

    def f(h: float) -> tuple[float, float]:
        moved = list(case.arrays)
        for i, v in zip(case.wanted, directions):
            moved[i] = np.asarray(moved[i] + h * v)
        seeded = [np.asarray(c + h * v) for c, v in zip(cotangents, directions[len(like) :])]
        return dot(tests, plain(case, gradients(case, case.operands(moved), seeded), like))

    assert_slope(dot(mine, directions), slope(f), case.row.tolerance, "second derivative")


def check_single_precision(case: Case) -> None:
    """In float32 the gradients are float32, and near those of float64."""
    if not case.wanted:
        return
    doubled = case.with_arrays([a.astype(np.float64) if a.dtype == np.float32 else a for a in case.arrays])
    operands = case.operands()
    results = differentiable(case.results(operands))
    cotangents = cotangents_of(case, results)
    got = gradients(case, operands, cotangents)
    wide = [c.astype(np.float64) if c.dtype == np.float32 else c for c in cotangents]
    want = plain(doubled, gradients(doubled, doubled.operands(), wide), [case.arrays[i] for i in case.wanted])
    for i, g, right in zip(case.wanted, got, want):
        if g is not None:
            assert g._array.dtype == case.arrays[i].dtype, f"the gradient of {named(case, [i])} has dtype {g.dtype}"
            assert_close(case.host(g), right, tolerance(case), f"gradient of {named(case, [i])} in float32")


def check_gradient_layouts(case: Case) -> None:
    """Operands that are transposed or strided in memory have the same gradients."""
    if not case.wanted:
        return
    want = plain(case, gradients(case, case.operands()), [case.arrays[i] for i in case.wanted])
    for layout in LAYOUTS:
        operands = [from_array(layout(case, array)) for array in case.arrays]
        for i in case.wanted:
            operands[i].requires_grad_()
        got = plain(case, gradients(case, operands), [case.arrays[i] for i in case.wanted])
        for i, mine, right in zip(case.wanted, got, want):
            assert_close(mine, right, tolerance(case), f"gradient of {named(case, [i])} for {layout.__name__} operands")


def check_twice(case: Case) -> None:
    """One tensor in two places gets the sum of the gradients that two tensors get."""
    pair = next(
        (
            (i, j)
            for i in case.wanted
            for j in case.wanted
            if i < j and case.arrays[i].shape == case.arrays[j].shape and case.arrays[i].dtype == case.arrays[j].dtype
        ),
        None,
    )
    if pair is None:
        return
    i, j = pair
    equal = list(case.arrays)
    equal[j] = equal[i]
    apart = case.operands(equal, require=pair)
    first, second = plain(case, gradients(case, apart), [equal[i], equal[j]])
    one = case.operands(equal, require=[i])
    one[j] = one[i]
    results = differentiable(case.results(one))
    (got,) = grad(results, [one[i]], [from_array(case.put(c)) for c in cotangents_of(case, results)])
    assert_close(
        case.host(got),
        first + second,
        tolerance(case),
        f"gradient of one tensor as {named(case, [i])} and {named(case, [j])}",
    )


def check_accumulation(case: Case) -> None:
    """`backward` leaves in ``.grad`` what `autograd.grad` returns, and a second pass adds to it."""
    if not case.wanted:
        return
    operands = case.operands()
    want = plain(case, gradients(case, operands), [case.arrays[i] for i in case.wanted])
    for times in (1, 2):
        results = differentiable(case.results(operands))
        backward(results, [from_array(case.put(c)) for c in cotangents_of(case, results)])
        for i, right in zip(case.wanted, want):
            leaf = operands[i]
            got = np.zeros_like(right) if leaf.grad is None else case.host(leaf.grad)
            assert_close(got, times * right, tolerance(case), f".grad of {named(case, [i])} after {times} backward")
            assert leaf.grad is None or not inexact(leaf._array) or leaf.grad._array is not leaf._array
