"""Random draws inside of vmap: one for all members of a batch, one for each, or none at all: ``randomness=``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tapegrad.autograd.core.gate import state
from tapegrad.autograd.core.operand import Array
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.modes.levels import below, transforming


def drawn(make: Callable[[tuple[int, ...]], Array], shape: tuple[int, ...]) -> Array:
    """The array ``make(shape)`` of random numbers; inside of vmap one that may differ within the batch.

    Args:
        make: draws an array of a shape that has dimensions more in front, where there is a draw for each member.
        shape: as the function under vmap sees it.

    Raises:
        RuntimeError: the function under vmap may not draw.
    """
    if not transforming():
        return make(shape)
    levels = [level for level in _batches() if level.randomness == "different"]
    numbers = from_array(make((*[level.size for level in levels], *shape)))
    for level in levels:
        numbers = level.wrap(numbers)
    return numbers._array


def drawn_from(make: Callable[..., Array], *operands: Tensor) -> Array:
    """The array ``make(*arrays)`` of random numbers that depend on the values of operands of one shape.

    Inside of vmap they may differ within the batch: then the arrays have dimensions more in front.

    Raises:
        RuntimeError: the function under vmap may not draw, or all members are to have the same numbers but not the same
            operands.
    """
    levels = _batches() if transforming() else []
    if not levels:
        return make(*[t._array for t in operands])
    check_operands(operands)
    level = levels[-1]
    with below(level):
        if level.randomness == "different":
            return level.wrap(from_array(drawn_from(make, *[level.whole(t) for t in operands])))._array
        return drawn_from(make, *[level.unwrap(t)[0] for t in operands])


def check_operands(operands: Sequence[Tensor]) -> None:
    """Raise torch's error for operands that differ within a batch whose members are all to have the same numbers."""
    for level in reversed(_batches() if transforming() else []):
        unwrapped = [level.unwrap(t) for t in operands]
        if level.randomness == "same" and any(batched for _, batched in unwrapped):
            raise RuntimeError(
                "Vmap does not currently support same randomness with a batched tensor input. Please "
                "file an issue with functorch"
            )
        operands = [t for t, _ in unwrapped]


def check_target(t: Tensor) -> None:
    """Raise torch's error for a tensor to be filled with random numbers, which cannot hold those of each member."""
    for level in reversed(_batches() if transforming() else []):
        t, batched = level.unwrap(t)
        if level.randomness == "different" and not batched:
            raise RuntimeError(
                "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will "
                "appear like same randomness. If this is necessary for your usage, please file an issue "
                "with functorch."
            )


def _batches() -> list[Any]:
    """The levels of vmap that this thread is inside of, the innermost last, all of which allow draws."""
    levels = [level for level in state.levels if level.separate]
    if any(level.randomness == "error" for level in levels):
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' "
            "or 'different' randomness flags on vmap or perform the randomness operation out of vmap"
        )
    return levels
