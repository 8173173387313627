"""Several devices of one kind: an op runs on the device of its operands, as in torch, whichever device is current.

CuPy launches kernels and allocates on the current device, wherever the operands are
(https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/_kernel.pyx, `_check_peer_access`). So while a backend with more
than one device is in use every thread is in the state `DEVICE`: an op first enters its operands' device, and so do
nodes, sums of gradients and writes. With one device, or none, this costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

from tapegrad.autograd.core import gate
from tapegrad.autograd.core.gate import DEVICE, state
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.observers import Watcher, seen_array
from tapegrad.backends import Backend, Device, backend_for
from tapegrad.backends.registry import in_service, service_changed

F = TypeVar("F", bound=Callable[..., Any])
_anywhere: AbstractContextManager[Any] = nullcontext()
_NOTHING: dict[str, Any] = {}
#: class of arrays -> its backend, where that has several devices
_homes: dict[type, Backend] = {}


def several() -> bool:
    """Whether arrays may be on another device than the current one."""
    return bool(gate.gate.always)


def on_device_of(value: Any) -> AbstractContextManager[Any]:
    """A context manager: inside, the device of an array, or of the first in a tensor, gradient or list, is the current
    one.
    """
    if not gate.gate.always:
        return _anywhere
    place = next(_places(value), None)
    return _anywhere if place is None else backend_for(place).use(place)


def on(place: Device) -> AbstractContextManager[Any]:
    """A context manager: inside, `place` is the current device of its kind."""
    return backend_for(place).use(place) if gate.gate.always and place.index is not None else _anywhere


def on_first(function: F) -> F:
    """Decorator: `function`, which computes with arrays itself, runs on the device of its first argument."""

    @wraps(function)
    def run(first: Any, *args: Any, **kwargs: Any) -> Any:
        if not gate.gate.always:
            return function(first, *args, **kwargs)
        with on_device_of(first):
            return function(first, *args, **kwargs)

    return cast(F, run)


def _places(value: Any) -> Iterator[Device]:
    """The devices, of kinds that have several, of the arrays in `value`."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _places(item)
        return
    if not isinstance(value, Tensor):
        value = getattr(value, "grad", value)  # rows or a part of a gradient
    array = seen_array(value)
    home = _homes.get(array.__class__)
    if home is not None:
        yield home.device_of(array)


def check_one_place(operands: Any, name: str) -> Device | None:
    """The one device of all operands of the op `name`.

    Raises:
        RuntimeError: there are two.
    """
    first: Device | None = None
    for operand in operands:
        if isinstance(operand, Tensor):
            home = _homes.get(operand._array.__class__)
            places: Any = () if home is None else (home.device_of(operand._array),)
        elif isinstance(operand, (list, tuple)):
            places = _places([item for item in operand if isinstance(item, Tensor)])
        else:
            continue
        for place in places:
            if first is None:
                first = place
            elif place != first and place.type == first.type:
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but found at least two devices, {first} and "
                    f"{place}! (in {name})"
                )
    return first


def on_its_device(
    function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Any = _NOTHING, operands: Any = ()
) -> Any:
    """``function(*args, **kwargs)``, the op `name`, on the device of its operands: `args`, and others where there are
    any.
    """
    place = check_one_place((*args, *operands) if operands else args, name)
    bits = state.bits
    state.bits = bits & ~DEVICE
    try:
        if place is None:
            return function(*args, **kwargs)
        home = backend_for(place)
        if home.current_device() == place.index:
            return function(*args, **kwargs)
        with home.use(place):
            return function(*args, **kwargs)
    finally:
        state.bits = bits


def _op_on_its_device(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return on_its_device(op, op.op.name, args, kwargs)  # type: ignore[attr-defined]


class _EachOnItsDevice(Watcher):
    """Makes a pass run each node, and add each gradient, on the gradient's device."""

    def pull(self, pull: Any, node: Any, grad: Any, graph: bool) -> tuple[Any, ...]:
        with on_device_of(grad):
            return super().pull(pull, node, grad, graph)

    def take(self, take: Callable[..., Any], target: Any, *args: Any) -> Any:
        with on_device_of(args):
            return super().take(take, target, *args)

    def add(self, add: Callable[..., None], target: Any, d: Any, source: Any) -> None:
        with on_device_of(d):
            super().add(add, target, d, source)


_each = _EachOnItsDevice()


def _follow() -> None:
    """Switch the state `DEVICE` on exactly while a backend with several devices is in use."""
    _homes.clear()
    _homes.update((home.array_type, home) for home in in_service() if home.device_count() > 1)
    wanted = bool(_homes)
    if wanted != several():
        gate.look_on(_each, wanted)
        gate.in_every_thread(DEVICE if wanted else 0)


gate.handlers[DEVICE] = _op_on_its_device
service_changed.append(_follow)
_follow()
