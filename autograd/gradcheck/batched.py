"""Derivatives under `vmap`, as `gradcheck` compares them: many at once must be what they are one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.gradcheck.case import Case, GradcheckError, as_tuple, close, is_inexact, like, values
from tapegrad.autograd.ops.shape.cat import stack
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.transforms.dual import dual_level, make_dual, unpack_dual
from tapegrad.autograd.transforms.vmap import vmap

_REVERSE = (
    "gradcheck or gradgradcheck failed while testing batched gradient computation.\nCall gradcheck/gradgradcheck "
    "with `check_batched_grad=False` as a "
    "keyword argument to leave this test out.\n\nTo compute batched grads (e.g., jacobians, hessians), we vmap over "
    "the backward computation. The most "
    "common failure case is if there is a 'vmap-incompatible operation' in the backward pass."
)
_FORWARD = (
    "gradcheck failed while testing batched gradient computation with forward-mode AD.\nCall gradcheck with "
    "`check_batched_forward_grad=False` as a "
    "keyword argument to leave this test out."
)


def check_batched_gradients(case: Case) -> None:
    """Two backward passes from each result, and the same in one."""
    sources = case.sources
    for i, n in enumerate(case.flowing):

        def back(v: Tensor, output: Tensor = case.results[n]) -> tuple[Tensor, ...]:
            found = grad(output, sources, v, retain_graph=True, allow_unused=True)
            return tuple(t.new_zeros(t.shape) if d is None else d for t, d in zip(sources, found))

        _compare(back, case.results[n], _REVERSE, i)


def check_batched_tangents(case: Case) -> None:
    """Two forward passes for each input, and the same in one."""
    for n in case.wanted:

        def along(tangent: Tensor, n: int = n) -> tuple[Tensor, ...]:
            with dual_level():
                inputs = [t.detach() if isinstance(t, Tensor) else t for t in case.inputs]
                inputs[n] = make_dual(inputs[n], tangent)
                found = [unpack_dual(result) for result in as_tuple(case.function(*inputs)) if is_inexact(result)]
                return tuple(value.new_zeros(value.shape) if d is None else d for value, d in found)

        _compare(along, case.inputs[n].detach(), _FORWARD, None)


def _compare(
    function: Callable[[Tensor], tuple[Tensor, ...]], like_this: Tensor, text: str, output: int | None
) -> None:
    vectors = [
        like(like_this, numbers) for numbers in np.random.default_rng(0).standard_normal((2, like_this._array.size))
    ]
    expected = [stack(shards) for shards in zip(*map(function, vectors))]
    try:
        results = vmap(function)(stack(vectors))
    except RuntimeError as error:
        raise GradcheckError(f"While computing batched gradients, got: {error}\n\n{text}") from error
    for j, (got, want) in enumerate(zip(results, expected)):
        if not close(values(got), values(want), 1e-5, 1e-8):
            raise GradcheckError(
                f"For output {j if output is None else output} and input "
                f"{j}:\n\n{text}\n\nGot:\n{got}\n\nExpected:\n{want}"
            )
