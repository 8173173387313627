"""What an op meets on the host, beside arrays of a device: it goes there in passing, which counts as no copy that the
program asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.primitives import scalar_on
from tapegrad.autograd.ops.common.dims import c_name
from tapegrad.autograd.ops.creation.host_data import host_array
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend


def to_device_of(value: Any, array: Any) -> Any:
    """Data of the host on the device of `array`, not by `from_host`, which the program asks for."""
    here = backend(array)
    with here.use(here.device_of(array)):
        return here.xp.asarray(value)


def tensor_for_write(value: Tensor, self: Tensor) -> Any:
    """A tensor of another device that is to be written to `self`: from the CPU a copy in passing, of a single number
    none.
    """
    if value._array.__class__ is not np.ndarray:
        return value.to(self.device)
    return scalar_on(value, self.device)


def value_for_write(value: Any, array: Any) -> Any:
    """What is to be written, as an array beside `array` or a number."""
    if isinstance(value, (bool, int, float, complex, np.generic)):
        if isinstance(value, (complex, np.complexfloating)) and array.dtype.kind != "c":
            raise RuntimeError(f"value cannot be converted to type {c_name(array.dtype)} without overflow")
        return value
    if isinstance(value, (list, tuple, np.ndarray)):
        return to_device_of(host_array(value, array.dtype), array)
    if value.__class__ is array.__class__:
        return value
    raise TypeError(f"can't assign a {type(value).__name__} to a torch.{dtypes.of(array.dtype).scalar_type}Tensor")
