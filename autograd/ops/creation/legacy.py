"""The oldest constructors: ``FloatTensor(2, 3)``, ``LongTensor([1, 2])`` and their like, which are also classes to
`isinstance`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import NAMES
from tapegrad.autograd.ops.creation.factories import legacy_tensor
from tapegrad.autograd.types import dtypes


class _Legacy(type):
    """The class of the constructors: a tensor is an instance of the one for its dtype and device."""

    legacy_dtype: str
    legacy_device: str

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, Tensor)
            and instance.dtype.name == cls.legacy_dtype
            and instance.device.type == cls.legacy_device
        )

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        device = cls.legacy_device if device is None else device
        dtype = dtypes.numpy_dtype(cls.legacy_dtype)
        if len(args) == 1 and isinstance(args[0], Tensor):
            source = args[0]
            if source._array.dtype != dtype:
                raise TypeError(
                    f"expected TensorOptions(dtype={cls.legacy_dtype}) (got TensorOptions(dtype={source.dtype.name}))"
                )
            return source.detach()
        if len(args) == 1 and isinstance(args[0], (list, tuple)) and not hasattr(args[0], "numel"):
            args = (np.array(args[0]).astype(dtype) if args[0] else np.zeros(0, dtype),)
        return legacy_tensor(*args, dtype=dtype, device=device)


_NAMES = {
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "BFloat16Tensor": "bfloat16",
    "ByteTensor": "uint8",
    "CharTensor": "int8",
    "ShortTensor": "int16",
    "IntTensor": "int32",
    "LongTensor": "int64",
    "BoolTensor": "bool",
    "ComplexFloatTensor": "complex64",
    "ComplexDoubleTensor": "complex128",
}


def constructors(device: str) -> dict[str, type]:
    """The constructors of tensors on a type of device, by name.

    Args:
        device: the device type.

    Example:
        >>> constructors("cpu")["LongTensor"]([1, 2])
        tensor([1, 2])
    """
    return {
        name: _Legacy(
            name,
            (),
            {
                "legacy_dtype": dtype,
                "legacy_device": device,
                "__doc__": f"Tensors of dtype {dtype}, as the oldest code makes them.",
            },
        )
        for name, dtype in _NAMES.items()
    }


NAMES.update(constructors("cpu"))
