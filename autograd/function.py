"""`Function`: an operation whose derivative the user writes."""
from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.cell import tick
from tapegrad.autograd.function_node import BackwardCFunction, FunctionCtx, facts_of
from tapegrad.autograd.function_outputs import wrap
from tapegrad.autograd.gate import GRAD_OFF, gate, set_bits, state
from tapegrad.autograd.node import Node
from tapegrad.autograd.tensor import Tensor, requires_grad


class Function:
    """The base of operations that bring their own derivative: a subclass defines static methods and is called by ``apply``.

    ``forward(ctx, *args)`` computes; or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``. ``backward(ctx, *grads)`` receives the gradient of each
    result and returns one for each argument of ``forward``, None where there is none. It may use ops, and can then itself be differentiated.

    Example:
        >>> import tapegrad
        >>> class Cube(tapegrad.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x * x
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         x, = ctx.saved_tensors
        ...         return grad * 3 * x * x
        >>> x = tapegrad.tensor([2.0], requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor([12.])
    """

    _backward_cls: type[BackwardCFunction] = BackwardCFunction
    generate_vmap_rule = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._backward_cls = type(cls.__name__ + "Backward", (BackwardCFunction,),
                                 {"__slots__": (), "_forward_cls": cls, "op_name": cls.__name__, "__module__": cls.__module__})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(f"{self.__class__} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the class "
                      "itself. Instantiating an autograd function will raise an error in a future version of PyTorch.", DeprecationWarning, stacklevel=2)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static forward "
                           "method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the results; to be overridden."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Note what ``backward`` needs; to be overridden where ``forward`` takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments; to be overridden."""
        raise NotImplementedError("You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.")

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the results; to be overridden."""
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with forward mode AD.")

    @classmethod
    def _derivative(cls) -> Callable[..., Any]:
        """``backward``, or its other name ``vjp``."""
        if cls.backward is not Function.backward and cls.vjp is not Function.vjp:
            raise RuntimeError("Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them.")
        return cls.vjp if cls.vjp is not Function.vjp else cls.backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call ``forward``, and record it.

        Args:
            *args: the arguments of ``forward``, tensors or not.

        Returns:
            What ``forward`` returns; its tensors are differentiable where some argument is.
        """
        separate = cls.setup_context is not Function.setup_context
        if separate:
            from inspect import signature
            bound = signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        inputs = (*args, *kwargs.values()) if kwargs else args
        needs = tuple([isinstance(t, Tensor) and (t._rg if t._base is None else requires_grad(t)) for t in inputs])
        bits = state.bits if gate.on else 0
        recording = True in needs and not bits & GRAD_OFF
        tensors = [t for t in inputs if isinstance(t, Tensor)]
        node = cls._backward_cls()
        node.needs_input_grad = needs
        if recording:
            node.inputs = [facts_of(t) if isinstance(t, Tensor) else None for t in inputs]
            # A view is up to date: `needs` has asked for its history.
            node.edges = tuple([(t._node or t) if t._rg else None for t in tensors])
        ctx = FunctionCtx(node)
        before = set_bits(bits | GRAD_OFF)
        try:
            if separate:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args, **kwargs)
        finally:
            set_bits(before)
        node.seq = tick()
        return wrap(node, tensors, output, recording)


class Error(Node):
    """The node of what must not be differentiated: says so in backward."""

    __slots__ = ("text",)
    text: str

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        raise RuntimeError(self.text)


def _undifferentiable(t: Any, text: str) -> Any:
    """`t` as the result of an `Error` node."""
    if not isinstance(t, Tensor):
        return t
    node = Error()
    node.seq = tick()
    node.edges = node.saved = ()
    node.dtype = t._array.dtype
    node.cell = None
    node.text = text
    result = t.detach()
    result._node = node
    result._rg = True
    return result


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark the ``backward`` of a `Function` as one that cannot be differentiated: it records nothing, and a second differentiation raises."""

    @functools.wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        before = set_bits(state.bits | GRAD_OFF)
        try:
            results = backward(ctx, *grads)
        finally:
            set_bits(before)
        if before & GRAD_OFF or not any(isinstance(d, Tensor) and requires_grad(d) for d in grads):
            return results
        text = "trying to differentiate twice a function that was marked with @once_differentiable"
        return tuple([_undifferentiable(t, text) for t in (results if isinstance(results, tuple) else (results,))])

    return wrapper


__all__ = ["Function", "FunctionCtx", "once_differentiable"]
