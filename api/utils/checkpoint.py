"""Checkpointing: keep a function's arguments instead of its intermediate values, and compute those again in backward.
Memory for time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.grad_mode import is_grad_enabled
from tapegrad.autograd.saved.hooks import saved_tensors_hooks
from tapegrad.nn.container import Sequential
from tapegrad.utils.checkpointing.log import Comparison
from tapegrad.utils.checkpointing.recomputation import CheckpointError, Frame
from tapegrad.utils.checkpointing.reentrant import CheckpointFunction, check_backward_validity, detach_variable

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]

R = TypeVar("R")
ContextFn = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]

# What the context managers below ask for; None leaves it to the argument.
_early_stop: bool | None = None
_debug: bool | None = None


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two context managers that do nothing: what `checkpoint` enters if it is given no `context_fn`."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., R],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: ContextFn = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> R:
    """``function(*args, **kwargs)``, without the memory for its intermediate values: backward runs the function again.

    Without `use_reentrant` the result is recorded as usual, and every way to differentiate it works, also within
    another checkpoint; a function that does something else when it is run again is an error. With it the function runs
    unrecorded and backward runs a pass of its own: only ``backward()`` without `inputs` works, only tensors that are
    arguments themselves get gradients, and at least one of them must require grad.

    Args:
        function: called with `args` and `kwargs`, and again in backward.
        use_reentrant: which of the two; False is recommended, and will be what None means.
        context_fn: returns two context managers, entered for the function's first run and for its run in backward.
        determinism_check: "default" compares shape, dtype and device of what the two runs keep, "none" does not.
        debug: an error lists the operations of both runs.
        early_stop: end the run in backward as soon as all that is needed has been computed.
        preserve_rng_state: (by keyword) draw the same random numbers again; True by default.

    Returns:
        What the function returns.

    Raises:
        CheckpointError: (in backward) the function did something else when it was run again.
        ValueError: an argument is known to the other form only.

    Example:
        >>> from tapegrad.utils.checkpoint import checkpoint
        >>> x = tapegrad.tensor([0.0, 1.0], requires_grad=True)
        >>> y = checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False)
        >>> y.sum().backward()
        >>> x.grad
        tensor([ 0.5403, -2.4784])
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch "
            "2.9, calling checkpoint without "
            "use_reentrant will raise an exception. use_reentrant=False is recommended, but if you need to preserve "
            "the current default behavior, "
            "you can pass use_reentrant=True. Refer to docs for more details on the differences between the two "
            "variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if not use_reentrant:
        return _recorded(function, args, kwargs, preserve, context_fn, determinism_check, debug, early_stop)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    return CheckpointFunction.apply(function, preserve, *args)


def _recorded(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    preserve: bool,
    context_fn: ContextFn,
    determinism_check: str,
    debug: bool,
    early_stop: bool,
) -> Any:
    """The form that is not reentrant."""
    on_error = None
    if debug if _debug is None else _debug:
        if context_fn is not noop_context_fn:
            raise ValueError("debug=True is incompatible with non-default context_fn")
        comparison = Comparison()
        context_fn, on_error = comparison.context_fn, comparison.explain
    if determinism_check not in _FACTS:
        raise ValueError(f"determinism_check should be one of {list(_FACTS)}, but got {determinism_check}")
    first, again = context_fn()
    if not is_grad_enabled():
        return function(*args, **kwargs)
    frame = Frame(
        function,
        args,
        kwargs,
        preserve,
        again,
        _FACTS[determinism_check],
        early_stop if _early_stop is None else _early_stop,
        on_error,
    )
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        result = function(*args, **kwargs)
        frame.complete = True
    if not frame.complete:
        raise RuntimeError(
            "torch.utils.checkpoint: the forward context provided by context_fn suppressed an exception raised "
            "during the checkpointed forward. "
            "This is not supported because checkpoint cannot return a value for a failed forward."
        )
    return result


def _metadata(t: Tensor) -> dict[str, Any]:
    return {"shape": t.shape, "dtype": t.dtype, "device": t.device}


_FACTS: dict[str, Callable[[Tensor], Any]] = {"default": _metadata, "none": lambda t: None}


def checkpoint_sequential(
    functions: Sequential | Sequence[Callable[[Any], Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Run functions one after the other, in segments of which all but the last are under a `checkpoint`.

    Args:
        functions: a `Sequential`, or a list of modules or functions, each called with what the one before returned.
        segments: into how many segments to divide them.

    Returns:
        What the last function returns.

    Example:
        >>> x = tapegrad.tensor([1.0], requires_grad=True)
        >>> layers = [tapegrad.exp, tapegrad.sin, tapegrad.exp]
        >>> y = tapegrad.utils.checkpoint.checkpoint_sequential(layers, 2, x, use_reentrant=False)
        >>> y.backward()
        >>> x.grad
        tensor([-3.7373])
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. "
            "In version 2.9 we will raise an "
            "exception if use_reentrant is not passed. use_reentrant=False is recommended, but if you need to "
            "preserve the current default behavior, "
            "you can pass use_reentrant=True. Refer to docs for more details on the differences between the two "
            "variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    run = list(functions.children()) if isinstance(functions, Sequential) else functions
    size = len(run) // segments
    end = 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(
            _one_after_the_other(run[start:end]), input, use_reentrant=use_reentrant, preserve_rng_state=preserve
        )
    return _one_after_the_other(run[end:])(input)


def _one_after_the_other(functions: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def forward(input: Any) -> Any:
        for function in functions:
            input = function(input)
        return input

    return forward


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """For calls of `checkpoint` inside, whether backward runs the function only until all that is needed has been
    computed; overrides its argument.

    Example:
        >>> from tapegrad.utils.checkpoint import checkpoint, set_checkpoint_early_stop
        >>> x = tapegrad.ones(1, requires_grad=True)
        >>> def f(x):
        ...     y = x.exp()
        ...     print("to the end")
        ...     return y
        >>> with set_checkpoint_early_stop(False):
        ...     y = checkpoint(f, x, use_reentrant=False)
        to the end
        >>> y.backward()
        to the end
    """
    global _early_stop
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """For calls of `checkpoint` inside, whether errors list the operations of both runs; overrides its argument, unless
    it is None.
    """
    global _debug
    before, _debug = _debug, enabled
    try:
        yield
    finally:
        _debug = before
