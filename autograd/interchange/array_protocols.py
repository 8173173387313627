"""Memory shared with other libraries: DLPack and ``__cuda_array_interface__``, both ways.

Whoever writes to shared memory through another library is not seen by the tape: only tensors of tapegrad's that share
memory share its version counter.
"""

from __future__ import annotations

from typing import Any

from tapegrad.autograd.core.tensor import Tensor, from_array, requires_grad
from tapegrad.autograd.core.version import counter_of
from tapegrad.autograd.interchange.python_protocols import type_name
from tapegrad.autograd.types import dtypes
from tapegrad.backends import Device, backend, backend_for
from tapegrad.backends.dlpack import export, imported


def _exported(t: Tensor) -> Any:
    """The array of `t`, of whose memory others will know from now on."""
    if hasattr(t._array, "level"):
        t._array.tolist()  # raises: no array stands behind a tensor inside a transform
    counter_of(t)
    return t._array


def to_dlpack(
    self: Tensor,
    *,
    stream: int | None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of the tensor's memory; ``from_dlpack`` functions call it.

    Args:
        stream: of a CUDA tensor, the consumer's stream, which is made to wait for the tensor's: None or 1 is the legacy
            default stream, 2 the thread's default stream, -1 asks for no waiting, everything else is a stream's
            address.
        max_version: the newest version of DLPack that the consumer knows.
        dl_device: where the consumer wants the memory; a CUDA tensor can be copied to the CPU, ``(1, 0)``.
        copy: True: always copy; False: never.

    Raises:
        BufferError: the tensor requires grad, lives on the strict device, or has negative strides.
        TypeError: `stream` is no integer.
        AssertionError: a stream is given for a CPU tensor.
    """
    if requires_grad(self):
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if stream is not None and type(stream) is not int:
        raise TypeError("stream must be ``int`` or ``none``")
    options: dict[str, Any] = {"max_version": max_version, "dl_device": dl_device, "copy": copy}
    if self.is_cpu:
        if stream is not None and stream != -1:
            raise AssertionError("stream should be None on cpu.")
    else:
        options["stream"] = stream
    return export(_exported(self), **{name: value for name, value in options.items() if value is not None})


def dlpack_device(self: Tensor) -> tuple[int, int]:
    """The device as DLPack numbers it.

    Raises:
        BufferError: it is the strict device.
    """
    kind, index = _exported(self).__dlpack_device__()
    return int(kind), index


@property  # type: ignore[misc]
def cuda_array_interface(self: Tensor) -> dict[str, Any]:
    """The memory of a CUDA tensor, and the stream on which it is ready, for Numba and others (version 3).

    Raises:
        AttributeError: the tensor is not on CUDA.
        RuntimeError: it requires grad.
    """
    if not self.is_cuda:
        raise AttributeError(
            f"Can't get __cuda_array_interface__ on non-CUDA tensor type: {type_name(self)} If CUDA data is required "
            "use tensor.cuda() "
            "to copy tensor to device memory."
        )
    if requires_grad(self):
        raise RuntimeError(
            "Can't get __cuda_array_interface__ on Variable that requires grad. If gradients aren't required, use "
            "var.detach() to get "
            "Variable that doesn't require grad."
        )
    array = _exported(self)
    here = backend(array)
    with here.use(here.device_of(array)):
        interface: dict[str, Any] = array.__cuda_array_interface__
    return interface


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any array that speaks DLPack.

    Writes to either are seen by both, but the tape notices only those through tensors: a tensor handed in keeps its
    version counter, the memory of other libraries gets a new one.

    Args:
        ext_tensor: an array with ``__dlpack__`` and ``__dlpack_device__`` (NumPy's, CuPy's, PyTorch's, JAX's ...), or a
            DLPack capsule.
        device: where the tensor shall live; by default where the memory is.
        copy: True: always copy; False: never; None: where it must be, for another device or memory that cannot be
            written.

    Raises:
        RuntimeError: the array lives on a device that no backend serves, or the capsule has been used.
        BufferError: the memory cannot be shared (it belongs to a tensor that requires grad, it is read-only and `copy`
            is False ...).
        ValueError: `device` is another one, and `copy` is False.

    Example:
        >>> import numpy as np, tapegrad
        >>> a = np.ones(2, np.float32)
        >>> tapegrad.from_dlpack(a)[0] = 5.0
        >>> a
        array([5., 1.], dtype=float32)
    """
    if isinstance(ext_tensor, Tensor):
        if requires_grad(ext_tensor):
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        result = ext_tensor.detach()
        if copy:
            result = result.clone()
    else:
        result = from_array(dtypes.canonical(imported(ext_tensor, copy)))
    if device is not None:
        wanted, here = device if isinstance(device, Device) else Device(device), result.device
        if wanted.type != here.type or wanted.index not in (None, here.index):
            if copy is False:
                raise ValueError(
                    f"cannot move DLPack tensor from device {here} to {wanted} without copying. Set copy=None or "
                    "copy=True."
                )
            result = result.to(wanted)
    return result


def foreign_array(source: Any) -> Any:
    """An array over the memory of an object of another library; None if it offers none by DLPack or
    ``__cuda_array_interface__``.

    Raises:
        BufferError: its library refuses.
    """
    if hasattr(source, "__dlpack__") and hasattr(source, "__dlpack_device__"):
        return dtypes.canonical(imported(source))
    interface = getattr(source, "__cuda_array_interface__", None)
    if interface is None:
        return None
    array = backend_for(Device("cuda")).xp.asarray(source)
    if array.dtype.kind == "V" and interface["typestr"] == "<V2":
        from ml_dtypes import bfloat16

        array = array.view(bfloat16)
    return dtypes.canonical(array.copy() if interface["data"][1] else array)


for _attribute, _method in {
    "__dlpack__": to_dlpack,
    "__dlpack_device__": dlpack_device,
    "__cuda_array_interface__": cuda_array_interface,
}.items():
    setattr(Tensor, _attribute, _method)
__all__ = ["foreign_array", "from_dlpack"]
