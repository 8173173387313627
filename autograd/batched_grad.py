"""Many backward passes through one graph as one: `vmap` over the gradients that the results are given."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapegrad.autograd.core.tensor import Tensor


def batched_gradients(outputs: Sequence[Tensor], inputs: Sequence[Tensor], vectors: Sequence[Tensor | None], create_graph: bool, retain_graph: bool | None,
                      chunk_size: int | None = None) -> list[Tensor | None]:
    """The gradients for each of many vectors, along a new first dimension; None for inputs that nothing depends on.

    Args:
        outputs: what to differentiate.
        inputs: with respect to what.
        vectors: for each output the gradients it is given, along a first dimension; None for one of a single element, which is given one.
        create_graph: record the passes.
        retain_graph: keep what the graph has saved.
        chunk_size: how many to do at once.
    """
    from tapegrad.autograd.tape.backward import grad
    from tapegrad.autograd.transforms.vmap import vmap
    there: list[bool] = []

    def vjp(*given: Tensor) -> tuple[Tensor, ...]:
        rest = iter(given)
        found = grad(outputs, inputs, [None if v is None else next(rest) for v in vectors], True if chunk_size is not None else retain_graph, create_graph,
                     allow_unused=True)
        there[:] = [d is not None for d in found]
        return tuple([d for d in found if d is not None])

    found: Any = iter(vmap(vjp, chunk_size=chunk_size)(*[v for v in vectors if v is not None]))
    return [next(found) if is_there else None for is_there in there]
