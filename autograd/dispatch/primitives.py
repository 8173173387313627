"""The ops that the engine itself calls: casts, zeros, copies with other strides, scalars from the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.types import dtypes
from tapegrad.backends import CPU, Device, backend, backend_for, xp


def _as_type(input: Any, dtype: np.dtype) -> Any:
    if input.dtype.kind == "c" and dtype.kind not in "cb":
        input = input.real
    if (
        (dtype.itemsize < input.dtype.itemsize or dtype.kind in "iu")
        and input.dtype.kind in "fcV"
        and isinstance(input, (np.ndarray, np.generic))
    ):
        with np.errstate(all="ignore"):  # too large a number becomes inf, inf and nan some integer, as in torch
            return input.astype(dtype)
    return input.astype(dtype)


_cast = op(
    input=lambda grad, input_dtype: _cast(grad, input_dtype), kind="linear", name="to_copy", public=False, batch=over()
)(_as_type)
_cast_away = op(input=None, name="to_copy", public=False, batch=over())(_as_type)


def cast(input: Any, dtype: np.dtype) -> Any:
    """`input`, a tensor or an array, with elements of the NumPy dtype `dtype`; a real result takes the real part, and
    gradients end at integers and bool.
    """
    return _cast(input, dtype) if dtypes.is_inexact(dtype) else _cast_away(input, dtype)


@op(input=lambda grad: zero_gradient(grad), kind="linear", public=False, batch=over())
def zero_gradient(input: Any) -> Any:
    """Zeros in the shape of `input`: the gradient of a step function."""
    return xp(input).zeros(input.shape, input.dtype)


def steps_in_bytes(steps: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    return tuple([step * itemsize for step in steps])


def reach(shape: tuple[int, ...], steps: tuple[int, ...]) -> int:
    """How many elements the memory must have from the first element on."""
    return 1 + sum([(n - 1) * step for n, step in zip(shape, steps)]) if 0 not in shape else 0


@op(
    input=lambda grad: grad,
    kind="linear",
    public=False,
    batch=lambda batched, input, steps: lay_out(input, (max(reach(input.shape[1:], steps), 1), *steps)),
)
def lay_out(input: Any, steps: tuple[int, ...]) -> Any:
    """A copy whose strides, in elements, are `steps`."""
    memory = xp(input).zeros(max(reach(input.shape, steps), 1), input.dtype)
    result = backend(input).as_strided(memory, input.shape, steps_in_bytes(steps, input.itemsize))
    result[...] = input
    return result


@op(
    input=lambda grad, device, source: _to_host(grad, device, source),
    kind="linear",
    name="to_copy",
    public=False,
    batch=over(),
)
def _to_device(input: Any, device: Device, source: Device) -> Any:
    """What an op meets on the host, on its device. A number is the argument of a kernel: no copy. A copy of more is
    none that the program asked for.
    """
    there = backend_for(device)
    with there.use(device):
        if input.ndim:
            return there.xp.asarray(input)
        value = input.item()
        return there.xp.full((), value if isinstance(value, (int, float, complex)) else float(value), input.dtype)


@op(
    grad=lambda grad, device, source: _to_device(grad, device, source),
    kind="linear",
    name="to_copy",
    public=False,
    batch=over(),
)
def _to_host(grad: Any, device: Device, source: Device) -> Any:
    """The gradient of a number of the host, for which the host has to wait, as in torch."""
    return grad.get()


def scalar_on(input: Tensor, device: Device) -> Any:
    """A tensor of the CPU on `device`, for an op whose other operands are there; one without dimensions goes there
    without a copy.
    """
    return _to_device(input, device, CPU)
