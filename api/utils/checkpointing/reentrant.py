"""The older form of checkpoint: the function runs unrecorded, and backward runs it again, recorded, with a pass of its
own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.functions.function import Function
from tapegrad.autograd.modes.grad_mode import enable_grad, no_grad
from tapegrad.autograd.ops.random import generator
from tapegrad.autograd.tape.backward import backward
from tapegrad.autograd.tape.current_pass import current_pass
from tapegrad.utils.checkpointing.recomputation import Streams


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """`inputs` with each tensor as a leaf over the same memory, which requires grad where the tensor does.

    Raises:
        RuntimeError: `inputs` is no tuple.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True) * 2
        >>> tapegrad.utils.checkpoint.detach_variable((x, 1))
        (tensor([2., 2.], requires_grad=True), 1)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple([t.detach().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else t for t in inputs])


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn if no tensor among `inputs` requires grad."""
    if not any(t.requires_grad for t in inputs if isinstance(t, Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class CheckpointFunction(Function):
    """A call of a function whose intermediate values are not kept: ``apply(function, preserve_rng_state, *args)``."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.streams = Streams() if preserve_rng_state else None
        ctx.others = [None if isinstance(arg, Tensor) else arg for arg in args]
        ctx.places = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        ctx.save_for_backward(*[args[i] for i in ctx.places])
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        this = current_pass()
        if this is not None and this.partial:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). "
                "To resolve this error, you can either set use_reentrant=False, or call .backward() without passing "
                "the `inputs` argument."
            )
        inputs = list(ctx.others)
        for i, t in zip(ctx.places, ctx.saved_tensors):
            inputs[i] = t
        detached = detach_variable(tuple(inputs))
        with generator.fork_rng(enabled=ctx.streams is not None):
            if ctx.streams is not None:
                ctx.streams.restore()
            with enable_grad():
                outputs = ctx.run_function(*detached)
        if isinstance(outputs, Tensor):
            outputs = (outputs,)
        pairs = [(y, grad) for y, grad in zip(outputs, grads) if isinstance(y, Tensor) and y.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([y for y, _ in pairs], [grad for _, grad in pairs])
        return (None, None, *[t.grad if isinstance(t, Tensor) else None for t in detached])
