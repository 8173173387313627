"""vmap against a loop over the batch: values and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import tapegrad
from op_checks.case import Case, assert_close, flat
from op_checks.gradients import Seeds, cotangents_of, differentiable
from op_checks.values import tolerance
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.modes.levels import lifted
from tapegrad.autograd.tape.backward import grad

SIZE = 2


def members(array: np.ndarray) -> list[np.ndarray]:
    """The values of the members of a batch: other numbers of the same kind, so that what is mixed up shows."""
    other = array * np.asarray(0.99, array.dtype) if array.dtype.kind in "fc" else np.flip(array).copy()
    return [array, other.astype(array.dtype)]


def choices(case: Case) -> list[tuple[int, ...]]:
    """Which arrays are batched: each alone, and all."""
    every = tuple(range(len(case.arrays)))
    return [every] if len(every) < 2 else [*[(i,) for i in every], every]


def looped(case: Case, chosen: Sequence[int]) -> list[list[np.ndarray]]:
    """The arrays of each member."""
    return [[members(a)[k] if i in chosen else a for i, a in enumerate(case.arrays)] for k in range(SIZE)]


def batch(case: Case, chosen: Sequence[int]) -> tuple[list[Tensor], tuple[int | None, ...]]:
    operands = [from_array(case.put(np.stack(members(a)) if i in chosen else a)) for i, a in enumerate(case.arrays)]
    return operands, tuple(0 if i in chosen else None for i in range(len(case.arrays)))


def tensors(values: Sequence[Any]) -> tuple[Tensor, ...]:
    return tuple(v for v in values if isinstance(v, Tensor))


def check_batched(case: Case) -> None:
    """vmap gives what a loop over the batch gives."""
    if not case.arrays:
        return
    refused = 0
    for chosen in choices(case):
        operands, in_dims = batch(case, chosen)

        def function(*given: Tensor) -> tuple[Tensor, ...]:
            return tensors(case.results(given))

        try:
            got = case.hosts(tapegrad.vmap(function, in_dims)(*operands))
        except (RuntimeError, ValueError) as error:
            assert not case.row.batched or "dynamic shape" in str(error), error
            assert "vmap" in str(error), error
            refused += 1
            continue
        want = [
            case.hosts(tensors(case.results([from_array(case.put(a)) for a in arrays])))
            for arrays in looped(case, chosen)
        ]
        assert len(got) == len(want[0])
        for n, (a, *parts) in enumerate(zip(got, *want)):
            assert a.dtype == parts[0].dtype, f"result {n} with {chosen} batched: {a.dtype}, not {parts[0].dtype}"
            assert_close(a, np.stack(parts), tolerance(case), f"result {n} with {chosen} batched")
    assert refused < len(choices(case)) if case.row.batched else refused or not got, (
        f"{refused} of {len(choices(case))} ways to batch it were refused"
    )


def check_batched_gradients(case: Case) -> None:
    """vmap of the gradients gives what a loop over the batch gives."""
    if not case.wanted or not case.row.batched:
        return

    def function(*given: Tensor) -> tuple[Tensor, ...]:
        leaves = list(given)
        for i in case.wanted:
            leaves[i] = lifted(given[i]).detach().requires_grad_()
        results = differentiable(flat(case.call(leaves)))
        seeds = Seeds(case)
        cotangents = [from_array(case.put(seeds.like(np.empty(r.shape, r.dtype.numpy)))) for r in results]
        found = grad(results, [leaves[i] for i in case.wanted], cotangents, allow_unused=True)
        return tuple(leaves[i].detach() * 0 if d is None else d for i, d in zip(case.wanted, found))

    every = tuple(range(len(case.arrays)))
    try:
        operands, in_dims = batch(case, every)
        got = case.hosts(tapegrad.vmap(function, in_dims)(*operands))
    except RuntimeError as error:
        assert "dynamic shape" in str(error), error
        every = tuple(case.wanted)
        operands, in_dims = batch(case, every)
        got = case.hosts(tapegrad.vmap(function, in_dims)(*operands))
    want = [case.hosts(function(*[from_array(case.put(a)) for a in arrays])) for arrays in looped(case, every)]
    for i, (a, *parts) in zip(case.wanted, zip(got, *want)):
        assert_close(a, np.stack(parts), max(tolerance(case), 1e-8), f"gradient of operand {i}")


def check_batched_cotangents(case: Case) -> None:
    """Many cotangents by one pass give what a loop over them gives, whether the op was called before the batch began or
    inside, on what all members share.
    """
    if not case.wanted or not case.row.batched:
        return
    stacked: list[Tensor] = []
    known: list[bool] = []

    def gradients_of(leaves: list[Tensor], cotangents: Sequence[Tensor]) -> tuple[Tensor, ...]:
        found = grad(
            differentiable(flat(case.call(leaves))),
            [leaves[i] for i in case.wanted],
            list(cotangents),
            allow_unused=True,
        )
        known[:] = [d is not None for d in found]
        return tuple(d for d in found if d is not None)

    def fresh(shared: bool) -> list[Tensor]:
        leaves = [from_array(case.put(a)) for a in case.arrays]
        for i in case.wanted:
            leaves[i] = (lifted(leaves[i]).detach() if shared else leaves[i]).requires_grad_()
        return leaves

    outside = fresh(False)
    results = differentiable(flat(case.call(outside)))
    if not results:
        return
    stacked = [from_array(case.put(np.stack(members(c)))) for c in cotangents_of(case, results)]
    want = [case.hosts(gradients_of(fresh(False), [c[k] for c in stacked])) for k in range(SIZE)]
    wanted = [i for i, there in zip(case.wanted, known) if there]
    if not wanted:
        return
    before = tapegrad.vmap(lambda *given: tuple(grad(results, [outside[i] for i in wanted], list(given))))(*stacked)
    inside = tapegrad.vmap(lambda *given: gradients_of(fresh(True), given))(*stacked)
    for how, got in (("of what was recorded before", before), ("of what is shared", inside)):
        for i, (a, *parts) in zip(wanted, zip(case.hosts([t.detach() for t in got]), *want)):
            assert_close(a, np.stack(parts), max(tolerance(case), 1e-8), f"gradient of operand {i} {how}")
