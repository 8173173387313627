"""Arrays: what a device can do. Knows nothing of gradients."""

from importlib import import_module
from typing import TYPE_CHECKING

from tapegrad.backends.backend import Array, Backend
from tapegrad.backends.device import Device
from tapegrad.backends.numpy.backend import CPU, NumpyBackend
from tapegrad.backends.registry import (
    ARRAYS,
    backend,
    backend_for,
    is_array,
    loaded,
    register,
    register_loader,
    standing_in,
    xp,
)

__all__ = [
    "ARRAYS",
    "Array",
    "Backend",
    "CPU",
    "Device",
    "backend",
    "backend_for",
    "is_array",
    "loaded",
    "register",
    "register_loader",
    "standing_in",
    "xp",
]


def _cupy() -> Backend:
    from tapegrad.backends.cupy.backend import load

    return load()


def _strict() -> Backend:
    from tapegrad.backends.strict.backend import StrictBackend

    return StrictBackend()


if TYPE_CHECKING:
    from tapegrad.backends import cuda as cuda
    from tapegrad.backends import cudnn as cudnn
    from tapegrad.backends import mps as mps
else:
    # PyTorch's switches, which share this package's name: `tapegrad.backends.cuda`.
    _SWITCHES = ("cuda", "cudnn", "mps")

    def __getattr__(name):
        if name in _SWITCHES:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")

    def __dir__():
        return sorted({*globals(), *_SWITCHES})


register(NumpyBackend())
register_loader("cuda", _cupy, array="cupy.ndarray")
register_loader("strict", _strict)
