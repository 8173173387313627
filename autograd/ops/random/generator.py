"""`Generator`: the state of a stream of random numbers, and each device's default stream."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.backends import CPU, Device, backend_for, loaded
from tapegrad.backends.numerics.philox import Stream


class Generator:
    """A stream of random numbers: a seed, and how many numbers have been drawn.

    The numbers depend on seed and position only, and are the same on every device; they are not PyTorch's.

    Args:
        device: whose default the generator is made for; it may be used on any.

    Example:
        >>> g = tapegrad.Generator().manual_seed(0)
        >>> a = tapegrad.rand(3, generator=g)
        >>> bool((tapegrad.rand(3, generator=g.manual_seed(0)) == a).all())
        True
    """

    __slots__ = ("device", "stream")

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device if isinstance(device, Device) else Device(device)
        self.stream = Stream(_FIRST_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed`, a 64-bit integer; returns the generator."""
        self.stream.set_state((int(seed), 0))
        return self

    def seed(self) -> int:
        """Start the stream of a seed from the operating system; returns the seed."""
        seed = _entropy()
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return self.stream.seed

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor of 16 bytes: seed and position."""
        return from_array(np.array(self.stream.state(), np.uint64).view(np.uint8))

    def set_state(self, new_state: Tensor) -> None:
        """Continue from a state that `get_state` returned.

        Raises:
            TypeError: the state is not a uint8 tensor on the CPU.
            RuntimeError: it has another size.
        """
        array = new_state._array if isinstance(new_state, Tensor) else None
        if array.__class__ is not np.ndarray or array.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if array.shape != (16,):
            raise RuntimeError(f"RNG state is wrong size: expected 16 bytes, got {array.size}")
        seed, position = np.ascontiguousarray(array).view(np.uint64).tolist()
        self.stream.set_state((seed, position))

    def words(self, n: int, device: Device) -> Any:
        """The next `n` uint64 words, as an array on `device`."""
        key, counter = self.stream.take(n)
        return backend_for(device).philox(key, counter, n, device)

    def __repr__(self) -> str:
        return f"<tapegrad.Generator seed={self.stream.seed} position={self.stream.counter} device='{self.device}'>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (str(self.device), self.stream.state())


# torch starts from this seed too.
_FIRST_SEED = 67280421310721
_lock = threading.Lock()
_defaults: dict[Device, Generator] = {}
_seed_of_all = _FIRST_SEED


def _entropy() -> int:
    """A seed from the operating system."""
    return int.from_bytes(os.urandom(8), "little") >> 1


def _revive(device: str, state: tuple[int, int]) -> Generator:
    generator = Generator(device)
    generator.stream.set_state(state)
    return generator


def default_generator(device: Device = CPU) -> Generator:
    """The generator that draws on `device` use by default."""
    if device.index is None and device is not CPU and device.type != "cpu":
        device = Device(device.type, backend_for(device).current_device() if loaded(device.type) else 0)
    generator = _defaults.get(device)
    if generator is None:
        with _lock:
            generator = _defaults.setdefault(device, Generator(device).manual_seed(_seed_of_all))
    return generator


def manual_seed(seed: int) -> Generator:
    """Seed the default generators of all devices.

    Args:
        seed: a 64-bit integer.

    Returns:
        The CPU's generator.

    Example:
        >>> g = tapegrad.manual_seed(0)
        >>> a = tapegrad.rand(2)
        >>> g = tapegrad.manual_seed(0)
        >>> bool((tapegrad.rand(2) == a).all())
        True
    """
    global _seed_of_all
    Stream(int(seed))  # a seed that is none must change nothing
    with _lock:
        _seed_of_all = int(seed)
        for generator in _defaults.values():
            generator.manual_seed(seed)
    return default_generator()


def seed() -> int:
    """Seed the default generators from the operating system; returns the seed."""
    value = _entropy()
    manual_seed(value)
    return value


def initial_seed() -> int:
    """The seed of the CPU's default generator."""
    return default_generator().initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's default generator, as a uint8 tensor."""
    return default_generator().get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the CPU's default generator from a state that `get_rng_state` returned."""
    default_generator().set_state(new_state)


def default_states() -> tuple[int, dict[Device, tuple[int, int]]]:
    """Where the default generators of all devices stand, and the seed of those that have not been used yet."""
    with _lock:
        return _seed_of_all, {device: generator.stream.state() for device, generator in _defaults.items()}


def set_default_states(states: tuple[int, dict[Device, tuple[int, int]]]) -> None:
    """Put all default generators back to what `default_states` returned."""
    seed, known = states
    with _lock:
        for device, generator in _defaults.items():
            generator.stream.set_state(known.get(device, (seed, 0)))


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """Inside, draw as usual; afterwards every default generator is where it was before.

    Args:
        devices: taken for torch's sake; all default generators are restored.
        enabled: False does nothing.
    """
    if not enabled:
        yield
        return
    with _lock:
        before = {device: generator.stream.state() for device, generator in _defaults.items()}
    first = default_generator().stream.state()
    before.setdefault(CPU, first)
    try:
        yield
    finally:
        for device, state in before.items():
            default_generator(device).stream.set_state(state)
