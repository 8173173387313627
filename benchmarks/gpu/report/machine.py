"""`Machine`: what an item works with: a device, its arrays, its clock."""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np

from tapegrad.backends import Device, backend_for
from tapegrad.backends.backend import Backend
from tapegrad.benchmarks.contender import Contender, find_contenders
from tapegrad.benchmarks.gpu.report.finding import Skip


class Machine:
    """The device under test.

    Args:
        device: "cuda", or "strict" for a dry run.
        seconds: how much time the section has left.
        few: whether a few cases of each kind are enough, because something makes them slow.
    """

    def __init__(self, device: str, seconds: float = 60.0, few: bool = False) -> None:
        self.device = device
        self.few = few
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the section's time is over."""
        return self._ends - time.monotonic()

    @property
    def on_cuda(self) -> bool:
        """Whether this is a GPU, and not a dry run."""
        return Device(self.device).type == "cuda"

    @functools.cached_property
    def backend(self) -> Backend:
        """tapegrad's backend for the device."""
        return backend_for(Device(self.device))

    @property
    def xp(self) -> Any:
        """The device's array namespace."""
        return self.backend.xp

    @functools.cached_property
    def cupy(self) -> Any:
        """CuPy.

        Raises:
            Skip: this is a dry run.
        """
        if not self.on_cuda:
            raise Skip("needs CuPy on a GPU")
        return self.backend.xp

    def put(self, array: Any, dtype: Any = None) -> Any:
        """A host array, or what makes one, on the device."""
        return self.backend.from_host(np.array(array, dtype), Device(self.device))

    def get(self, array: Any) -> np.ndarray:
        """A device array on the host."""
        return self.backend.to_host(array)

    def synchronize(self) -> None:
        """Wait until the device has done all its work."""
        self.backend.synchronize(Device(self.device))

    @functools.cached_property
    def contenders(self) -> list[Contender]:
        """tapegrad on the device, and PyTorch where it is available there."""
        return find_contenders([self.device], ["torch"] if self.on_cuda else [], 1)[0]

    @functools.cached_property
    def torch(self) -> Any:
        """PyTorch.

        Raises:
            Skip: it is not there, or does not see this GPU.
        """
        for contender in self.contenders:
            if not contender.ours:
                return contender.lib
        raise Skip("needs PyTorch with CUDA")
