"""Transforms of transforms, against a loop over the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import tapegrad
from op_checks.batched import SIZE, batch, looped
from op_checks.case import Case, assert_close, flat, inexact
from op_checks.gradients import Seeds, differentiable
from op_checks.values import tolerance
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.modes.levels import lifted
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.transforms.tangents import Tangents

Function = Callable[..., tuple[Tensor, ...]]


def check_nested(case: Case) -> None:
    """Gradients and tangents of vmap, vmap of tangents, of their gradients' tangents and of itself give what a loop
    gives.
    """
    if not case.wanted or not case.row.batched:
        return
    every = tuple(range(len(case.arrays)))
    try:
        tapegrad.vmap(_function(case), batch(case, every)[1])(*batch(case, every)[0])
    except RuntimeError as error:
        assert "dynamic shape" in str(error), error
        every = tuple(case.wanted)
    directions = [
        np.stack([v, v[::-1] * 0.5 if v.ndim else v * 0.5]) for v in (Seeds(case).direction(i) for i in case.wanted)
    ]
    for name, nested in (
        ("gradient of vmap", _gradient_of_vmap),
        ("tangent of vmap", _tangent_of_vmap),
        ("vmap of tangents", _vmap_of_tangents),
        ("vmap of vmap", _vmap_of_vmap),
        *[("vmap of tangents of gradients", _vmap_of_second)] * case.row.gradgrad,
    ):
        got, want = nested(case, every, directions)
        assert len(got) == len(want), name
        for n, (a, b) in enumerate(zip(got, want)):
            assert_close(a, b, max(1e-8, tolerance(case)), f"{name}, part {n}")


def _function(case: Case) -> Function:
    return lambda *given: tuple(r for r in flat(case.call(given)) if isinstance(r, Tensor) and inexact(r._array))


def _members(case: Case, every: Sequence[int]) -> list[list[Tensor]]:
    return [[from_array(case.put(np.asarray(a))) for a in arrays] for arrays in looped(case, every)]


def _stacked(case: Case, parts: Sequence[Sequence[Tensor]]) -> list[np.ndarray]:
    return [np.stack([case.host(x) for x in column]) for column in zip(*parts)]


def _filled(values: Sequence[Tensor | None], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(x * 0 if d is None else d for d, x in zip(values, like))


def _gradient_of_vmap(
    case: Case, every: Sequence[int], directions: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    operands, in_dims = batch(case, every)
    inputs = [operands[i].requires_grad_() for i in case.wanted]
    results = tapegrad.vmap(_function(case), in_dims)(*operands)
    seeds = Seeds(case)
    cotangents = [seeds.like(case.host(r)) for r in results]
    got = _back(case, results, inputs, cotangents)
    parts = []
    for k, member in enumerate(_members(case, every)):
        inputs = [member[i].requires_grad_() for i in case.wanted]
        parts.append(_back(case, _function(case)(*member), inputs, [c[k] for c in cotangents]))
    return case.hosts(got), _stacked(case, parts)


def _back(
    case: Case, results: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[np.ndarray]
) -> tuple[Tensor, ...]:
    pairs = [(r, from_array(case.put(np.asarray(c)))) for r, c in zip(results, cotangents) if r.requires_grad]
    return _filled(
        grad([r for r, _ in pairs], inputs, [c for _, c in pairs], allow_unused=True), [x.detach() for x in inputs]
    )


def _pushed(case: Case, function: Function, operands: Sequence[Tensor], moves: Sequence[Tensor]) -> tuple[Tensor, ...]:
    with Tangents() as level:
        for i, v in zip(case.wanted, moves):
            level.set(operands[i], v)
        results = function(*operands)
        found = [level.of(r) for r in results]
    return _filled(found, results)


def _looped_tangents(
    case: Case, function: Function, every: Sequence[int], directions: Sequence[np.ndarray]
) -> list[np.ndarray]:
    moves = [[from_array(case.put(np.asarray(v[k]))) for v in directions] for k in range(SIZE)]
    return _stacked(case, [_pushed(case, function, member, moves[k]) for k, member in enumerate(_members(case, every))])


def _tangent_of_vmap(
    case: Case, every: Sequence[int], directions: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    operands, in_dims = batch(case, every)
    got = _pushed(
        case, tapegrad.vmap(_function(case), in_dims), operands, [from_array(case.put(v)) for v in directions]
    )
    return case.hosts(got), _looped_tangents(case, _function(case), every, directions)


def _vmap_of_tangents(
    case: Case, every: Sequence[int], directions: Sequence[np.ndarray], function: Function | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    function = function or _function(case)
    operands, in_dims = batch(case, every)
    n = len(operands)

    def moved(*given: Tensor) -> tuple[Tensor, ...]:
        return _pushed(case, function, given[:n], given[n:])

    got = tapegrad.vmap(moved, (*in_dims, *[0] * len(directions)))(
        *operands, *[from_array(case.put(v)) for v in directions]
    )
    return case.hosts(got), _looped_tangents(case, function, every, directions)


def _vmap_of_second(
    case: Case, every: Sequence[int], directions: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    def gradient(*given: Tensor) -> tuple[Tensor, ...]:
        leaves = list(given)
        for i in case.wanted:
            leaves[i] = lifted(given[i]).view_as(given[i]).requires_grad_()
        results = differentiable(flat(case.call(leaves)))
        seeds = Seeds(case)
        inputs = [leaves[i] for i in case.wanted]
        found = grad(
            results,
            inputs,
            [from_array(case.put(seeds.like(np.empty(r.shape, r.dtype.numpy)))) for r in results],
            allow_unused=True,
        )
        return _filled(found, [given[i] for i in case.wanted])

    return _vmap_of_tangents(case, every, directions, gradient)


def _vmap_of_vmap(
    case: Case, every: Sequence[int], directions: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    operands, in_dims = batch(case, every)
    inner = tapegrad.vmap(_function(case), in_dims)
    outer = int(case.row.layouts)  # dimension 1 means that the inner batch does not lie in order
    twice = [tapegrad.stack([x, x.flip(0)], outer) if dim is not None else x for x, dim in zip(operands, in_dims)]
    got = tapegrad.vmap(inner, tuple(None if dim is None else outer for dim in in_dims))(*twice)
    return case.hosts(got), [np.stack([a, a[::-1]]) for a in case.hosts(inner(*operands))]
