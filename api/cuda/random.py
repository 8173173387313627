"""Random numbers on CUDA devices: each device has a default generator of its own."""

from __future__ import annotations

from collections.abc import Iterable

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.random.generator import Generator, default_generator
from tapegrad.backends import Device
from tapegrad.backends.device import DeviceLike
from tapegrad.cuda.devices import at, current_device, device_count, is_initialized


def _own() -> Generator:
    """The current device's generator. It can be seeded before CUDA is used, and where there is none."""
    return default_generator(Device("cuda", current_device() if is_initialized() else 0))


def manual_seed(seed: int) -> None:
    """Seed the current device's default generator; without CUDA this does no harm.

    Example:
        >>> tapegrad.cuda.manual_seed(0)
    """
    _own().manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed the default generators of all CUDA devices; without CUDA this does no harm. `tapegrad.manual_seed` seeds the
    CPU's too.

    Example:
        >>> tapegrad.cuda.manual_seed_all(0)
    """
    for index in range(device_count()):
        default_generator(Device("cuda", index)).manual_seed(int(seed))


def seed() -> None:
    """Seed the current device's default generator from the operating system."""
    _own().seed()


def seed_all() -> None:
    """Seed the default generators of all CUDA devices with one seed from the operating system."""
    manual_seed_all(Generator().seed())


def initial_seed() -> int:
    """The seed of the current device's default generator."""
    return default_generator(at(None)).initial_seed()


def get_rng_state(device: DeviceLike = "cuda") -> Tensor:
    """The state of a device's default generator, as a uint8 tensor on the CPU."""
    return default_generator(at(device)).get_state()


def get_rng_state_all() -> list[Tensor]:
    """The states of all CUDA devices' default generators.

    Example:
        >>> len(tapegrad.cuda.get_rng_state_all()) == tapegrad.cuda.device_count()
        True
    """
    return [get_rng_state(index) for index in range(device_count())]


def set_rng_state(new_state: Tensor, device: DeviceLike = "cuda") -> None:
    """Continue a device's default generator from a state that `get_rng_state` returned.

    Raises:
        TypeError: the state is no uint8 tensor on the CPU.
        RuntimeError: it has another size.
    """
    default_generator(at(device)).set_state(new_state)


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Continue all CUDA devices' default generators from states that `get_rng_state_all` returned."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)
