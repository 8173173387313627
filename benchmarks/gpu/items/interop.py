"""Facts about other libraries' arrays and tensors, and about several devices."""

from __future__ import annotations

import importlib.util

import numpy as np

import tapegrad
from tapegrad.benchmarks.gpu.items.fact import BFLOAT16, Facts, raised
from tapegrad.benchmarks.gpu.report.finding import Skip
from tapegrad.benchmarks.gpu.report.machine import Machine

FACTS = Facts()
items = FACTS.as_items


@FACTS("numpy.from_dlpack of an array on the GPU is", "refused")
def numpy_refuses_a_capsule(m: Machine) -> str:
    x = m.cupy.ones(3)
    return (
        "refused"
        if raised(lambda: np.from_dlpack(x), (RuntimeError, BufferError, TypeError, ValueError)) != "nothing"
        else "taken"
    )


@FACTS('numpy.from_dlpack(..., device="cpu") copies, to', [1.0, 1.0, 1.0])
def numpy_takes_a_copy(m: Machine) -> list[float]:
    return [float(v) for v in np.from_dlpack(m.cupy.ones(3), device="cpu")]


@FACTS("tapegrad to PyTorch and back through DLPack is", ["the same memory", "the same memory"])
def torch_by_dlpack(m: Machine) -> list[str]:
    torch = m.torch
    ours = tapegrad.ones(5, device=m.device)
    theirs = torch.from_dlpack(ours)
    back = tapegrad.from_dlpack(theirs)
    pointer = ours.array.data.ptr
    return ["the same memory" if found == pointer else "a copy" for found in (theirs.data_ptr(), back.array.data.ptr)]


@FACTS("A bfloat16 tensor of PyTorch's is through DLPack", "bfloat16, the same memory")
def torch_bfloat16_by_dlpack(m: Machine) -> str:
    theirs = m.torch.ones(5, device=m.device, dtype=m.torch.bfloat16)
    ours = tapegrad.from_dlpack(theirs)
    return f"{ours.dtype.name}, {'the same memory' if ours.array.data.ptr == theirs.data_ptr() else 'a copy'}"


@FACTS("torch.as_tensor of a tapegrad tensor is", "the same memory")
def torch_by_cuda_array_interface(m: Machine) -> str:
    ours = tapegrad.ones(5, device=m.device)
    return "the same memory" if m.torch.as_tensor(ours, device=m.device).data_ptr() == ours.array.data.ptr else "a copy"


@FACTS("numba.cuda.as_cuda_array of a tapegrad tensor is", "the same memory")
def numba(m: Machine) -> str:
    ours = tapegrad.ones(5, device=m.device)
    pointer = m.cupy.asarray(ours.array).data.ptr
    if importlib.util.find_spec("numba") is None:
        raise Skip("needs Numba")
    from numba import cuda

    return "the same memory" if cuda.as_cuda_array(ours).device_ctypes_pointer.value == pointer else "a copy"


@FACTS("A bfloat16 array of CuPy's through DLPack to itself has the dtype", "bfloat16")
def bfloat16_of_cupy(m: Machine) -> str:
    return m.cupy.from_dlpack(m.cupy.ones(3, BFLOAT16)).dtype.name


def second(m: Machine) -> None:
    """Skip where there is one device only."""
    if m.cupy.cuda.runtime.getDeviceCount() < 2:
        raise Skip("needs two GPUs")


@FACTS("A ufunc on an array of another device than the current one is right, or raises", True)
def ufunc_of_another_device(m: Machine) -> bool:
    second(m)
    with m.cupy.cuda.Device(1):
        x = m.cupy.arange(4.0)
    with m.cupy.cuda.Device(0):
        try:
            y = x + 1
        except (ValueError, RuntimeError):
            return True
        return bool(np.array_equal(m.get(y), np.arange(4.0) + 1))


@FACTS(
    "An op of tapegrad's on cuda:1, while cuda:0 is current, gives its result on the device, with the values",
    [1, [1.0, 2.0, 3.0, 4.0]],
)
def ops_of_another_device(m: Machine) -> list[object]:
    second(m)
    y = tapegrad.arange(4.0, device="cuda:1") + 1
    return [y.device.index, y.tolist()]
