"""Between tensors and everything else: NumPy, Python numbers and lists, text, pickles."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import grad_enabled, state
from tapegrad.autograd.core.tensor import Tensor, requires_grad
from tapegrad.autograd.core.version import counter_of
from tapegrad.autograd.interchange import printing
from tapegrad.autograd.types import dtypes
from tapegrad.backends import CPU, Device, backend, backend_for


def host(t: Tensor) -> np.ndarray:
    """The tensor's values on the host: a copy, and a wait, that the program asked for."""
    return backend(t._array).to_host(t._array)


def _waited(array: Any) -> None:
    """Raise what the device of `array`, which has been waited for, has to report."""
    if array.__class__ is not np.ndarray:
        here = backend(array)
        here.report_asserts(here.device_of(array))


def number_in(t: Tensor) -> Any:
    """The one value of a tensor, for Python's protocols: it is copied to the host in passing, by a program that may not
    know it.
    """
    if t._array.size != 1 and not hasattr(t._array, "level"):
        raise ValueError("only one element tensors can be converted to Python scalars")
    value = t._array.item()
    _waited(t._array)
    return value if isinstance(value, (int, float, complex)) else float(value)


def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The tensor as a `numpy.ndarray`, which shares its memory.

    Args:
        force: detach, move to the CPU and resolve whatever stands in the way.

    Raises:
        RuntimeError: the tensor requires grad, and grad mode is on.
        TypeError: the tensor is not on the CPU.

    Example:
        >>> tapegrad.ones(2).numpy()
        array([1., 1.], dtype=float32)
    """
    if force:
        return host(self)
    if hasattr(self._array, "level"):
        self._array.tolist()
    if grad_enabled() and requires_grad(self):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    array = self._array
    if array.__class__ is not np.ndarray:
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
            "memory first."
        )
    counter_of(self)
    return array


def item(self: Tensor) -> Any:
    """The value of a one-element tensor as a Python number.

    Raises:
        RuntimeError: the tensor does not have exactly one element.

    Example:
        >>> tapegrad.tensor([2.5]).item()
        2.5
    """
    if self._array.size != 1 and not hasattr(self._array, "level"):
        raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
    value = host(self).item()
    return value if isinstance(value, (int, float, complex)) else float(value)


def tolist(self: Tensor) -> Any:
    """The values as nested lists of Python numbers; a number for a 0-d tensor."""
    array = self._array if hasattr(self._array, "level") else host(self)
    return array.astype(np.float32).tolist() if array.dtype.kind == "V" else array.tolist()


def tensor_repr(t: Tensor) -> str:
    """The tensor as torch prints it."""
    if hasattr(t._array, "level"):
        text: str = t._array.text(t)
        return text
    try:
        node = t.grad_fn
        name = None if node is None else node.name().rpartition("::")[2]
    except RuntimeError:  # a view that could not follow a write to its base
        name = "Invalid"
    suffix = None if t.is_cpu else str(t.device)
    tangent = None if state.dual is None else state.dual.of(t)
    return printing.tensor_repr(
        t._array,
        to_host=backend(t._array).to_host,
        dtype=t.dtype,
        default_dtype=dtypes.get_default_dtype(),
        device_suffix=suffix,
        requires_grad=t.requires_grad,
        grad_fn_name=name,
        tangent=None if tangent is None else f"{tangent}",
    )


# ---- Python's number protocol


def _bool(self: Tensor) -> bool:
    if hasattr(self._array, "level"):
        return bool(self._array)
    if self._array.size != 1:
        if self._array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    value = bool(self._array)
    _waited(self._array)
    return value


def _float(self: Tensor) -> float:
    return float(number_in(self))


def _int(self: Tensor) -> int:
    return int(number_in(self))


def _complex(self: Tensor) -> complex:
    return complex(number_in(self))


def _index(self: Tensor) -> int:
    if self._array.dtype.kind not in "iub" or (self._array.size != 1 and not hasattr(self._array, "level")):
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(number_in(self))


def _len(self: Tensor) -> int:
    if self._array.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    return len(self._array)


def _iter(self: Tensor) -> Any:
    if self._array.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def _contains(self: Tensor, value: Any) -> bool:
    if isinstance(value, (Tensor, int, float, complex, bool)):
        return bool(number_in((self == value).any()))
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(value)}.")


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    array = numpy(self)
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        return array.astype(dtype)
    return array.copy() if copy else array


def type_name(t: Tensor) -> str:
    """The name of the tensor's type as old code knows it, such as ``torch.FloatTensor``."""
    return f"{'torch.cuda' if t.is_cuda else 'torch'}.{t.dtype.scalar_type}Tensor"


# ---- copies and pickles


def deepcopy(t: Tensor, memo: dict[int, Any]) -> Tensor:
    """A copy of a leaf, with its gradient and attributes."""
    if t._node is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. "
            " If you were attempting "
            "to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
            "https://github.com/pytorch/pytorch/pull/103001"
        )
    if id(t) in memo:
        return memo[id(t)]
    result: Tensor = object.__new__(type(t))
    memo[id(t)] = result
    _fill(result, t._array.copy(), t.requires_grad)
    grad = getattr(t, "_grad", None)
    if grad is not None:
        result._grad = deepcopy(grad, memo) if grad._node is None else grad.detach().clone()
    result.__dict__.update(copy.deepcopy(t.__dict__, memo))
    return result


def _fill(t: Tensor, array: Any, rg: bool) -> None:
    t._array = array
    t._requires_grad = rg
    t._node = t._view = t._counter = None


def warn_if_has_hooks(t: Tensor) -> None:
    """Warn that the hooks of `t` are not pickled with it."""
    for hook in (t._backward_hooks or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate "
                "the function with "
                "@torch.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=4,
            )


def reduce(t: Tensor) -> tuple[Any, ...]:
    """How a tensor is pickled: values on the host, device, whether it requires grad, attributes; not its history."""
    if type(t) is Tensor and (t._node is not None or getattr(t, "_extras", None) is not None):
        warn_if_has_hooks(t)
    return _rebuild, (type(t), host(t), t.dtype.name, str(t.device), t.requires_grad, dict(t.__dict__))


def _reduce_ex(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    return reduce(self)


def _rebuild(
    cls: type[Tensor], array: np.ndarray, dtype: str, device: str, rg: bool, attributes: dict[str, Any]
) -> Tensor:
    result = object.__new__(cls)
    where = Device(device)
    array = dtypes.canonical(array)  # an unpickled array
    _fill(result, array if where == CPU else backend_for(where).from_host(array, where), rg)
    result.__dict__.update(attributes)
    return result


for _name, _method in {
    "numpy": numpy,
    "item": item,
    "tolist": tolist,
    "__bool__": _bool,
    "__float__": _float,
    "__int__": _int,
    "__complex__": _complex,
    "__index__": _index,
    "__len__": _len,
    "__iter__": _iter,
    "__contains__": _contains,
    "__array__": _array,
    "__repr__": tensor_repr,
    "__deepcopy__": deepcopy,
    "__reduce_ex__": _reduce_ex,
}.items():
    setattr(Tensor, _name, _method)
__all__ = ["deepcopy", "host", "reduce", "tensor_repr", "type_name"]
