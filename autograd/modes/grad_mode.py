"""Switching the tape off and on: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast, overload

from tapegrad.autograd.core import gate
from tapegrad.autograd.core.gate import GRAD_OFF, INFERENCE, set_bits, state
from tapegrad.autograd.core.inference import mark
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.types.type_names import type_name

F = TypeVar("F", bound=Callable[..., Any])
_GENERATOR = 0x20  # inspect.CO_GENERATOR; the module itself is slow to import


class Mode:
    """A context manager that is also a decorator, with or without parentheses where it needs no argument."""

    #: the bits of the state that it sets, and restores at its end
    own = GRAD_OFF

    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    @overload
    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def __new__(cls, function: Any = None, *args: Any, **kwargs: Any) -> Any:
        if callable(function) and not args and not kwargs:
            return cls()(function)
        return object.__new__(cls)

    def bits(self, now: int) -> int:
        """The state inside, where `now` is the state outside."""
        raise NotImplementedError

    def copy(self) -> Mode:
        """A copy: a decorated function may be entered again while it runs."""
        return type(self)()

    def __enter__(self) -> None:
        self.before = state.bits
        self.enter()

    def enter(self) -> None:
        """Put the thread in the mode, or raise and leave it as it was."""
        try:
            set_bits(self.bits(state.bits))
        except BaseException:
            self.restore()
            raise

    def __exit__(self, *exc: Any) -> None:
        self.restore()

    def restore(self) -> None:
        """Leave the mode; other bits stay as they are now."""
        gate.gate.on, state.bits = True, state.bits & ~self.own | self.before & self.own
        gate.settle()

    def __call__(self, function: F) -> F:
        if isinstance(function, type):
            import warnings

            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
                "functions or methods. To "
                "preserve the current behavior of class decoration, you can directly decorate the `__init__` method "
                "and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            for name, wrap in (("__new__", staticmethod), ("__init__", _same)):
                method = getattr(function, name)
                if method is not getattr(object, name):
                    setattr(function, name, wrap(self(method)))
            return function
        if getattr(function, "__code__", None) is not None and function.__code__.co_flags & _GENERATOR:
            return self._generator(function)

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.copy():
                return function(*args, **kwargs)

        return cast(F, inside)

    def _generator(self, function: Any) -> Any:
        """A generator function whose own code runs in the mode; its caller's does not."""

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.copy():
                generator = function(*args, **kwargs)
            send, value = generator.send, None
            while True:
                try:
                    with self.copy():
                        item = send(value)
                except StopIteration as stop:
                    return stop.value
                try:
                    value = yield item
                    send = generator.send
                except GeneratorExit:
                    with self.copy():
                        generator.close()
                    raise
                except BaseException as error:
                    send, value = generator.throw, error

        return inside


def _same(function: Any) -> Any:
    return function


def _check_bool(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name}(): argument 'enabled' (position 1) must be bool, not {type_name(value)}")


class no_grad(Mode):
    """Record nothing inside: results require no grad, and no memory is kept for backward.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> with tapegrad.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    def bits(self, now: int) -> int:
        return now | GRAD_OFF


class enable_grad(Mode):
    """Record inside, also within `no_grad`.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> with tapegrad.no_grad(), tapegrad.enable_grad():
        ...     y = x * 2
        >>> y.requires_grad
        True
    """

    def bits(self, now: int) -> int:
        return now & ~GRAD_OFF


class set_grad_enabled(Mode):
    """Record or not, from the call on; as a context manager until its end, as a decorator only inside the function.

    Args:
        mode: whether to record.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> with tapegrad.set_grad_enabled(False):
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        _check_bool("set_grad_enabled", mode)
        self.mode = mode
        self.before = state.bits
        self.enter()

    def bits(self, now: int) -> int:
        return now & ~GRAD_OFF if self.mode else now | GRAD_OFF

    def copy(self) -> Mode:
        return _set(self.mode)

    def __enter__(self) -> None:
        # At its end the mode of the time it was made comes back, as in torch.
        self.enter()

    def __call__(self, function: F) -> F:
        self.restore()
        return super().__call__(function)


class _set(Mode):
    """`set_grad_enabled` that takes effect when it is entered."""

    def __new__(cls, mode: bool) -> Self:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def bits(self, now: int) -> int:
        return now & ~GRAD_OFF if self.mode else now | GRAD_OFF


class inference_mode(Mode):
    """`no_grad`, and more: tensors made inside track no version and cannot be recorded later.

    Args:
        mode: whether the mode is on; ``inference_mode(False)`` leaves it for a while.

    Example:
        >>> with tapegrad.inference_mode():
        ...     y = tapegrad.ones(2) * 2
        >>> y.is_inference()
        True
    """

    own = GRAD_OFF | INFERENCE

    if not TYPE_CHECKING:

        def __new__(cls, mode=True):
            return cls()(mode) if callable(mode) else object.__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def bits(self, now: int) -> int:
        return now | GRAD_OFF | INFERENCE if self.mode else now & ~(GRAD_OFF | INFERENCE)

    def copy(self) -> Mode:
        return inference_mode(self.mode)


def _op_in_inference_mode(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    before = state.bits
    try:
        set_bits(state.bits & ~INFERENCE | GRAD_OFF)
        result = op(*args, **kwargs)
    finally:
        gate.gate.on, state.bits = True, before | gate.gate.always
        gate.settle()
    for t in result if isinstance(result, tuple) else (result,):
        if not isinstance(t, Tensor) or any(t is x for x in args):
            continue
        if t._view is None:
            mark(t)
        elif t._view.origin:
            # A view of an ordinary tensor stays one, but cannot be replayed after a write.
            t._view.origin = "inference"
    return result


gate.handlers[INFERENCE] = _op_in_inference_mode


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded."""
    return gate.grad_enabled()


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in inference mode."""
    return bool(state.bits & INFERENCE)


class set_multithreading_enabled(Mode):
    """Set the flag that PyTorch has for multithreaded backward passes, from the call on; as a context manager until its
    end.

    It changes nothing but itself: a pass always runs in the thread that starts it. (A pass nested in a score of others
    continues in a fresh thread, which its own waits for.) The flag belongs to the thread.

    Args:
        mode: the flag.

    Example:
        >>> with tapegrad.autograd.set_multithreading_enabled(False):
        ...     tapegrad.autograd.is_multithreading_enabled()
        False
        >>> tapegrad.autograd.is_multithreading_enabled()
        True
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        _check_bool("set_multithreading_enabled", mode)
        self.mode = mode
        self.was = state.multithreading
        state.multithreading = mode

    def copy(self) -> Mode:
        return set_multithreading_enabled(self.mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        state.multithreading = self.was


def is_multithreading_enabled() -> bool:
    """Whether backward passes of this thread may use several threads; see `set_multithreading_enabled`."""
    return state.multithreading
