"""Casts, copies, and moves between devices."""
from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.op import op
from tapegrad.backends import Device, backend, backend_for


@op(input=lambda grad, input_dtype: cast(grad, input_dtype), kind="linear", public=False)
def cast(input: Any, dtype: np.dtype) -> Any:
    """`input` with elements of the NumPy dtype `dtype`; a real result takes the real part."""
    if input.dtype.kind == "c" and dtype.kind not in "cb":
        input = input.real
    return input.astype(dtype)


@op(input=lambda grad, source: transfer(grad, source), kind="linear", public=False)
def _transfer(input: Any, device: Device, source: Device) -> Any:
    there = backend_for(device)
    here = backend(input)
    if there is here:
        return here.to_device(input, device)
    return there.from_host(here.to_host(input), device)


def transfer(input: Any, device: Device) -> Any:
    """`input`, a tensor or an array, copied to `device`."""
    array = getattr(input, "_array", input)
    return _transfer(input, device, backend(array).device_of(array))


@op(input=lambda grad: grad, kind="linear", method=True)
def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy that gradients flow through.

    Args:
        input: any tensor.

    Example:
        >>> import tapegrad
        >>> tapegrad.ones(2).clone()
        tensor([1., 1.])
    """
    return input.copy()
