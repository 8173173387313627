"""What a function works with, on another device for a while: arguments, and the modules, optimizers and tensors that it
reaches by name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.ops.random.generator import default_states, set_default_states
from tapegrad.autograd.types import dtypes
from tapegrad.backends import Device, backend, backend_for
from tapegrad.nn.module import Module
from tapegrad.optim.optimizer import Optimizer
from tapegrad.optim.state_dict import pack, unpack
from tapegrad.utils.device_check.users import is_users, is_users_class

_UNSET = object()
_SLOTS = ("_array", "_requires_grad", "_node", "_view", "_counter")


class OnDevice:
    """Moves what a function works with to `device`, and afterwards restores it, whatever has been done to it.

    Tensors, parameters, modules and optimizers stay the same objects, and hold other arrays. Tensors that shared memory
    do so no longer; a computed tensor is a leaf for the time.

    Attributes:
        moved: what was moved, in words.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.moved: list[str] = []
        self._back: list[Callable[[], None]] = []
        self._seen: dict[int, Any] = {}
        self._optimizers: list[Optimizer] = []

    def __enter__(self) -> OnDevice:
        states = default_states()
        self._back.append(lambda: set_default_states(states))
        return self

    def __exit__(self, *exc: object) -> None:
        while self._back:
            self._back.pop()()

    # ---- arguments

    def argument(self, value: Any, name: str) -> Any:
        """An argument with everything in it on the device; NumPy arrays become arrays of the device, as if
        `cupy.asarray` had been called.
        """
        if isinstance(value, np.ndarray):
            try:
                dtypes.of(value.dtype)
            except (TypeError, ValueError):  # no tensor can have it
                return value
            self.moved.append(name)
            return self._put(value)
        if value.__class__ in (list, tuple, dict) or (isinstance(value, tuple) and hasattr(value, "_fields")):
            return self._rebuilt(value, name)
        self.reached(value, name)
        return value

    def _rebuilt(self, value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {key: self.argument(item, f"{name}[{key!r}]") for key, item in value.items()}
        items = [self.argument(item, f"{name}[{i}]") for i, item in enumerate(value)]
        return value.__class__(*items) if hasattr(value, "_fields") else value.__class__(items)

    # ---- what is reached

    def reached(self, value: Any, name: str) -> None:
        """Move what `value` is or holds: a tensor, a module, an optimizer, a function with all that it names, a
        container, an object of the user's.
        """
        if id(value) in self._seen or isinstance(
            value, (type, ModuleType, BuiltinFunctionType, str, bytes, int, float, complex, np.ndarray, type(None))
        ):
            return
        self._seen[id(value)] = value  # kept, so that no other object gets its id
        if isinstance(value, Tensor):
            self.moved.append(name)
            self._move(value)
        elif isinstance(value, Module):
            self.moved.append(f"{name} ({type(value).__name__})")
            self._module(value)
        elif isinstance(value, Optimizer):
            self.moved.append(f"{name} ({type(value).__name__})")
            self._optimizer(value)
        elif isinstance(value, functools.partial):
            self.reached(value.func, name)
            self.reached([*value.args, *value.keywords.values()], name)
        elif isinstance(value, MethodType):
            self.reached(value.__func__, name)
            self.reached(value.__self__, "self")
        elif isinstance(value, FunctionType):
            if is_users(value.__code__, value.__globals__):
                for key, found in _named_in(value):
                    self.reached(found, key)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.reached(item, f"{name}[{key!r}]")
        elif isinstance(value, (list, tuple, set, frozenset)):
            for i, item in enumerate(value):
                self.reached(item, f"{name}[{i}]")
        elif is_users_class(type(value)):
            for key, item in getattr(value, "__dict__", {}).items():
                self.reached(item, f"{name}.{key}")

    def called(self, function: Callable[..., Any]) -> None:
        """Move what a callable works with."""
        self.reached(function, getattr(function, "__name__", type(function).__name__))
        if is_users_class(type(function)) and not isinstance(function, Module):
            self.reached(type(function).__call__, "__call__")

    def ready(self) -> None:
        """Move the optimizers' state to their parameters' device, as `load_state_dict` does: after everything else has
        been moved.
        """
        for optimizer in self._optimizers:
            optimizer.state = unpack(optimizer.param_groups, pack(optimizer.param_groups, optimizer.state))["state"]

    # ---- moving

    def _put(self, array: Any) -> Any:
        there = backend_for(self.device)
        return there.from_host(np.array(backend(array).to_host(array)), self.device)

    def _tensor(self, t: Tensor) -> None:
        if id(t) not in self._seen:
            self._seen[id(t)] = t
            self._move(t)

    def _move(self, t: Tensor) -> None:
        before = {name: getattr(t, name) for name in _SLOTS}
        grad = getattr(t, "_grad", _UNSET)

        def back() -> None:
            for name, value in before.items():
                setattr(t, name, value)
            if grad is not _UNSET:
                t._grad = grad  # type: ignore[assignment]
            elif hasattr(t, "_grad"):
                del t._grad

        self._back.append(back)
        t._requires_grad = t.requires_grad
        t._array = self._put(t._array)
        t._node = t._view = t._counter = None
        if isinstance(grad, Tensor):
            t._grad = from_array(self._put(grad._array))

    def _module(self, module: Module) -> None:
        for part in module.modules():
            for held in (part._parameters, part._buffers):
                for t in held.values():
                    if t is not None:
                        self._tensor(t)
                self._back.append(functools.partial(_refill, held, dict(held)))

    def _optimizer(self, optimizer: Optimizer) -> None:
        state, groups = optimizer.state, [(group, dict(group)) for group in optimizer.param_groups]
        for group, _ in groups:
            for p in group["params"]:
                self._tensor(p)

        def back() -> None:
            optimizer.state = state
            optimizer.param_groups[:] = [group for group, _ in groups]
            for group, before in groups:
                _refill(group, before)

        self._back.append(back)
        self._optimizers.append(optimizer)


def _refill(held: dict[Any, Any], before: dict[Any, Any]) -> None:
    held.clear()
    held.update(before)


def _named_in(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function refers to: by closure, by default and by the global names in its code."""
    yield from inspect.getclosurevars(function).nonlocals.items()
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield "a default", value
    for name in _globals_in(function.__code__):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _globals_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_in(constant)
