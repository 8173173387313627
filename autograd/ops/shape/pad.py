"""Padding: values put around an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.batch_rules import over, unpadded
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.backends import xp

Pads = tuple[tuple[int, int], ...]


def _pairs(pad: Sequence[int], ndim: int) -> Pads:
    """For each dimension how much is put before and after it; `pad` has the last dimension first."""
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)]
    return tuple([(0, 0)] * (ndim - len(pairs)) + pairs[::-1])


def _inside(pads: Pads, size: Sequence[int], sign: int) -> tuple[slice, ...]:
    """Where the input and its padded form meet; in the padded form (`sign` 1) or in the input (-1). Negative padding
    cuts off.
    """
    return tuple(slice(max(sign * a, 0), n - max(sign * b, 0)) for (a, b), n in zip(pads, size))


@op(
    input=lambda grad, pads: _constant_pad(grad, tuple((-a, -b) for a, b in pads), 0),
    kind="linear",
    public=False,
    name="constant_pad_nd",
    jvp=lambda d_input, pads: _constant_pad(d_input, pads, 0),
    batch=over(pads=unpadded),
)
def _constant_pad(input: Any, pads: Pads, value: Any) -> Any:
    shape = tuple(n + a + b for n, (a, b) in zip(input.shape, pads))
    whole = xp(input).zeros(shape, input.dtype) if value == 0 else xp(input).full(shape, value, input.dtype)
    whole[_inside(pads, shape, 1)] = input[_inside(pads, input.shape, -1)]
    return whole


@composite()
def constant_pad_nd(input: Any, pad: Sequence[int], value: Any = 0) -> Any:
    """`input` with a constant around it.

    Args:
        pad: how much is put before and after the last dimension, then the one before it, and so on; negative numbers
            cut off.
        value: the constant.

    Raises:
        RuntimeError: there are more numbers than sides, or nothing is left.

    Example:
        >>> tapegrad.nn.functional.pad(tapegrad.ones(2), (1, 2))
        tensor([0., 1., 1., 0., 0.])
    """
    shape = (input._array if isinstance(input, Tensor) else input).shape
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)} while the input has "
            f"{len(shape)} dimensions."
        )
    pads = _pairs(pad, len(shape))
    if any(n + min(a, 0) + min(b, 0) < 0 for n, (a, b) in zip(shape, pads)):
        raise RuntimeError("narrow(): length must be non-negative.")
    return _constant_pad(input, pads, value)


# ---- what is put there comes from the input


def _flipped(part: Any, dim: int) -> Any:
    return part[(slice(None),) * dim + (slice(None, None, -1),)]


def _extend(x: Any, dim: int, before: int, after: int, mode: str) -> Any:
    """`x` with its own values before and after it along one dimension."""
    n = x.shape[dim]

    def part(start: int, stop: int) -> Any:
        return x[(slice(None),) * dim + (slice(start, stop),)]

    if mode == "reflect":
        left, right = _flipped(part(1, before + 1), dim), _flipped(part(n - 1 - after, n - 1), dim)
    elif mode == "circular":
        left, right = part(n - before, n), part(0, after)
    else:

        def repeated(edge: Any, times: int) -> Any:
            return xp(x).broadcast_to(edge, (*x.shape[:dim], times, *x.shape[dim + 1 :]))

        left, right = repeated(part(0, 1), before), repeated(part(n - 1, n), after)
    return xp(x).concatenate([left, x, right], axis=dim)


def _fold(g: Any, dim: int, before: int, after: int, mode: str) -> Any:
    """The adjoint of `_extend`."""
    n = g.shape[dim] - before - after
    lead = (slice(None),) * dim
    y = g[(*lead, slice(before, before + n))].copy()
    left, right = g[(*lead, slice(0, before))], g[(*lead, slice(before + n, None))]
    if mode == "reflect":
        y[(*lead, slice(1, before + 1))] += _flipped(left, dim)
        y[(*lead, slice(n - 1 - after, n - 1))] += _flipped(right, dim)
    elif mode == "circular":
        y[(*lead, slice(n - before, n))] += left
        y[(*lead, slice(0, after))] += right
    else:
        y[(*lead, slice(0, 1))] += left.sum(axis=dim, keepdims=True)
        y[(*lead, slice(n - 1, n))] += right.sum(axis=dim, keepdims=True)
    return y


@op(
    input=lambda grad, pads, mode: _mode_pad_back(grad, pads, mode),
    kind="linear",
    public=False,
    name="pad",
    batch=over(pads=unpadded),
)
def _mode_pad(input: Any, pads: Pads, mode: str) -> Any:
    for dim, (before, after) in enumerate(pads):
        if before or after:
            input = _extend(input, dim, before, after, mode)
    return input


@op(input=lambda grad, pads, mode: _mode_pad(grad, pads, mode), kind="linear", public=False, batch=over(pads=unpadded))
def _mode_pad_back(input: Any, pads: Pads, mode: str) -> Any:
    for dim in reversed(range(len(pads))):
        if any(pads[dim]):
            input = _fold(input, dim, *pads[dim], mode)
    return input


@composite(functional=True)
def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """`input` with values around it.

    Args:
        input: any tensor; for modes other than "constant" one with one or two dimensions that are not padded.
        pad: how much is put before and after the last dimension, then the one before it, and so on; negative numbers
            cut off.
        mode: "constant", "reflect" (mirrored at the edge), "replicate" (the edge itself) or "circular" (the other end).
        value: for "constant"; None: zero.

    Raises:
        RuntimeError: the numbers do not fit.
        NotImplementedError: there is no such mode, or not for so many dimensions.

    Example:
        >>> tapegrad.nn.functional.pad(tapegrad.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
        tensor([[3., 2., 1., 2., 3., 2.]])
    """
    shape = (input._array if isinstance(input, Tensor) else input).shape
    pad = tuple(pad)
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of "
            f"dimension {len(shape)}"
        )
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if len(pad) not in (2, 4, 6) or len(shape) - len(pad) // 2 not in (1, 2):
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now")
    pads = _pairs(pad, len(shape))
    _check(shape, pads, mode)
    if any(n < 0 for n in pad):
        input = constant_pad_nd(input, [min(n, 0) for n in pad])
        pads = tuple((max(a, 0), max(b, 0)) for a, b in pads)
    return _mode_pad(input, pads, mode)


def _check(shape: Sequence[int], pads: Pads, mode: str) -> None:
    for dim, (n, (a, b)) in enumerate(zip(shape, pads)):
        if mode == "reflect" and (a >= n or b >= n) and (a or b):
            raise RuntimeError(
                f"Argument #{2 * (len(shape) - dim) + 2}: Padding size should be less than the corresponding input "
                "dimension, but got: padding "
                f"({a}, {b}) at dimension {dim} of input {list(shape)}"
            )
        if mode == "circular" and (a > n or b > n):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if mode == "replicate" and n == 0 and (a or b):
            raise RuntimeError(
                f"Expected non-zero size for dimension {dim} of an input that is to be padded, but got input of "
                f"size: {list(shape)}"
            )
        if n + a + b < 1 and (a or b):
            raise RuntimeError(f"input (size {n}) is too small for the padding ({a}, {b}) at dimension {dim}")


__all__ = ["constant_pad_nd", "pad"]
