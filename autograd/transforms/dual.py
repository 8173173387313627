"""Forward-mode differentiation by dual tensors, as `torch.autograd.forward_ad` offers it.

Inside `dual_level` a tensor may carry a tangent, and so does all that is computed from it.

    >>> from tapegrad.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([1.0, 0.0]))
    ...     y = forward_ad.unpack_dual(x * x)
    >>> y.tangent
    tensor([2., 0.])
"""

from __future__ import annotations

from typing import NamedTuple, Self

from tapegrad.autograd.core.gate import state
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.grad_mode import Mode
from tapegrad.autograd.modes.levels import below, lifted
from tapegrad.autograd.transforms.tangents import Tangents
from tapegrad.autograd.types.type_names import type_name

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """A value and its tangent, which is None for a tensor that is no dual."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Begin a dual level; see `dual_level`.

    Raises:
        RuntimeError: there is one already.

    Example:
        >>> from tapegrad.autograd import forward_ad
        >>> forward_ad.enter_dual_level()
        0
        >>> forward_ad.exit_dual_level()
    """
    if state.dual is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    level = Tangents()
    try:
        state.dual = level.__enter__()
        return 0
    except BaseException:
        state.dual = None
        if level in state.levels:
            level.leave()
        raise


def exit_dual_level(*, level: int | None = None) -> None:
    """End the dual level: what was computed inside is ordinary from now on.

    Args:
        level: 0, or None for the innermost.

    Raises:
        RuntimeError: there is none, or `level` is another.

    Example:
        >>> from tapegrad.autograd import forward_ad
        >>> _ = forward_ad.enter_dual_level()
        >>> forward_ad.exit_dual_level(level=0)
    """
    known = state.dual
    if level is not None and level != (-1 if known is None else 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    if known is None:
        raise RuntimeError("Dual level must be a positive number.")
    state.dual = None
    known.leave()


class dual_level(Mode):
    """A context inside which tensors may carry tangents; also a decorator, ``@dual_level()``.

    The level belongs to the thread that has entered it: in another thread the same tensors have no tangents.

    Raises:
        RuntimeError: it is entered within another.

    Example:
        >>> from tapegrad.autograd import forward_ad
        >>> with forward_ad.dual_level():
        ...     x = forward_ad.make_dual(tapegrad.tensor(3.0), tapegrad.tensor(1.0))
        ...     forward_ad.unpack_dual(x ** 2).tangent
        tensor(6.)
    """

    def __new__(cls) -> Self:
        return object.__new__(cls)

    def __enter__(self) -> int:  # type: ignore[override]
        return enter_dual_level()

    def restore(self) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of `tensor` that carries `tangent`.

    Args:
        tensor: of a floating point or complex dtype.
        tangent: of the same shape. Where its memory is laid out as the tensor's, it is what `unpack_dual` gives back;
            otherwise that is a copy.
        level: 0, or None.

    Raises:
        RuntimeError: no dual level has been entered, or the tangent does not fit.
        ValueError: the dtype is another.

    Example:
        >>> from tapegrad.autograd import forward_ad
        >>> with forward_ad.dual_level():
        ...     forward_ad.unpack_dual(forward_ad.make_dual(tapegrad.zeros(2), tapegrad.ones(2)))
        UnpackedDualTensor(primal=tensor([0., 0.]), tangent=tensor([1., 1.]))
    """
    known = state.dual
    if (0 if level is None and known is not None else -1 if level is None else level) < 0:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for t, what in ((tensor, "primal"), (tangent, "tangent")):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    if level:
        raise RuntimeError("Invalid level given to _make_dual")
    if known is None:
        raise RuntimeError(
            "Trying to access a forward AD level with an invalid index. This index was either not created or is "
            "already deleted."
        )
    if known.of(tensor) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not "
            "supported."
        )
    with below(known):
        dual = lifted(tensor)
        dual = dual.view_as(dual)
    known.give(dual, tangent)
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent of `tensor`.

    Args:
        tensor: any tensor.
        level: 0, or None.

    Returns:
        A view of the value alone, and the tangent, None where there is none.

    Example:
        >>> from tapegrad.autograd import forward_ad
        >>> forward_ad.unpack_dual(tapegrad.zeros(2)).tangent is None
        True
    """
    known = state.dual
    if known is None or (level is not None and level < 0):
        return UnpackedDualTensor(tensor, None)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"_unpack_dual(): argument 'dual' (position 1) must be Tensor, not {type_name(tensor)}")
    if level:
        raise RuntimeError("Invalid level given to _fw_primal")
    with below(known):
        return UnpackedDualTensor(tensor.view_as(tensor), known.of(tensor))
