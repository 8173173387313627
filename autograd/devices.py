"""Several devices of one kind: what is computed with a tensor is computed on its device, as in torch, whichever is current.

CuPy launches kernels and allocates on the current device, wherever the operands are (https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/_kernel.pyx,
`_check_peer_access`). So while a backend with more than one device is in service every thread is in the state `DEVICE`: an op first enters its operands' device,
and so do nodes, sums of gradients and writes. With one device, or none, nobody looks.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

from tapegrad.autograd import gate
from tapegrad.autograd.gate import DEVICE, state
from tapegrad.autograd.tensor import Tensor
from tapegrad.autograd.watch import Watcher, seen_array
from tapegrad.backends import Device, backend, is_array
from tapegrad.backends.registry import in_service, service_changed

F = TypeVar("F", bound=Callable[..., Any])
_anywhere: AbstractContextManager[Any] = nullcontext()


def several() -> bool:
    """Whether there may be arrays on another device than the current one."""
    return bool(gate.gate.always)


def on_device_of(value: Any) -> AbstractContextManager[Any]:
    """A context manager: inside, the device of an array, or of the first in a tensor, gradient or list, is the current one."""
    if not gate.gate.always:
        return _anywhere
    place = next(_places(value), None)
    return _anywhere if place is None else backend_of(place).use(place)


def on(place: Device) -> AbstractContextManager[Any]:
    """A context manager: inside, `place` is the current device of its kind."""
    return backend_of(place).use(place) if gate.gate.always and place.index is not None else _anywhere


def on_first(function: F) -> F:
    """`function`, which reckons with arrays itself, run on the device of its first argument."""

    @wraps(function)
    def run(first: Any, *args: Any, **kwargs: Any) -> Any:
        if not gate.gate.always:
            return function(first, *args, **kwargs)
        with on_device_of(first):
            return function(first, *args, **kwargs)

    return cast(F, run)


def backend_of(place: Device) -> Any:
    """The backend of a device in service."""
    from tapegrad.backends import backend_for
    return backend_for(place)


def _places(value: Any) -> Iterator[Device]:
    """The devices, of kinds that have several, of the arrays in `value`."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _places(item)
        return
    if not isinstance(value, Tensor):
        value = getattr(value, "grad", value)  # rows or a part of a gradient
    array = seen_array(value)
    if is_array(array):
        there = backend(array)
        if there.device_count() > 1:
            yield there.device_of(array)


def place_of(operands: Any, name: str) -> Device | None:
    """The one device of all operands of an op.

    Raises:
        RuntimeError: there are two.
    """
    first: Device | None = None
    for place in _places([operand for operand in operands if isinstance(operand, (Tensor, list, tuple))]):
        if first is None:
            first = place
        elif place != first and place.type == first.type:
            raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, {first} and {place}! (in {name})")
    return first


@contextmanager
def computing_on(place: Device | None) -> Iterator[None]:
    """Inside, ops are known to be on `place`, which is the current device."""
    bits = state.bits
    state.bits = bits & ~DEVICE
    try:
        if place is None:
            yield
        else:
            with backend_of(place).use(place):
                yield
    finally:
        state.bits = bits


def on_its_device(function: Callable[..., Any], name: str, *args: Any) -> Any:
    """``function(*args)``, the op `name`, on the device of its operands."""
    with computing_on(place_of(args, name)):
        return function(*args)


def _op_on_its_device(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with computing_on(place_of(args, op.op.name)):  # type: ignore[attr-defined]
        return op(*args, **kwargs)


class _EachOnItsDevice(Watcher):
    """Has a pass run each node, and add each gradient, on the gradient's device."""

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
    """Be in service exactly while a backend with several devices is."""
    wanted = any(there.device_count() > 1 for there in in_service())
    if wanted != several():
        gate.look_on(_each, wanted)
        gate.in_every_thread(DEVICE if wanted else 0)


gate.handlers[DEVICE] = _op_on_its_device
service_changed.append(_follow)
_follow()
