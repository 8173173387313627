"""`Function`: an operation whose derivative the user writes."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from tapegrad.autograd.core.gate import GRAD_OFF, SAVED_HOOKS, TRANSFORM, gate, grad_enabled, set_bits, settle, state
from tapegrad.autograd.core.node import Node, facts_of
from tapegrad.autograd.core.tensor import Tensor, requires_grad
from tapegrad.autograd.core.version import tick
from tapegrad.autograd.functions.outputs import pack_saved, wrap
from tapegrad.autograd.modes import levels
from tapegrad.autograd.tape.function_node import BackwardCFunction, FunctionCtx

F = TypeVar("F", bound=Callable[..., Any])
if TYPE_CHECKING:
    R = TypeVar("R", covariant=True)

    class _HasForward(Protocol[R]):
        @staticmethod
        def forward(*args: Any, **kwargs: Any) -> R: ...


class Function:
    """The base of operations that bring their own derivative: a subclass defines static methods and is called by
    ``apply``.

    ``forward(ctx, *args)`` computes; or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``. ``backward(ctx,
    *grads)`` receives the gradient of each result and returns one for each argument of ``forward``, None where there is
    none. It may use ops, and can then itself be differentiated.

    Example:
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
    _signature: tuple[Any, Any] = (None, None)
    #: vmap may take `forward`, `backward` and `jvp` as they are: they are made of ops
    generate_vmap_rule = False
    #: in place of `vmap`, for Functions of our own: ``(level, cls, args, kwargs, in_dims, flags)`` returns the results
    #: and which of their leaves are batched
    _batched_by: Callable[..., Any] | None = None
    #: what `tapegrad.autograd.functions.in_vmap.vmapped` has made of it
    _vmapped: type[Function] | None = None
    #: ``backward`` receives its gradients in one list, which it may empty as it goes
    boxed_grads_call = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._backward_cls = type(
            cls.__name__ + "Backward",
            (BackwardCFunction,),
            {"__slots__": (), "_forward_cls": cls, "op_name": cls.__name__, "__module__": __name__},
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke them on the class "
            "itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward "
            "method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the results; override it."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Save what ``backward`` needs; override it where ``forward`` takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any, **_: Any) -> Any:
        """The gradients of the arguments; override it."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any, **_: Any) -> Any:
        """The tangents of the results; override it."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any, **_: Any) -> Any:
        """``forward`` for batched arguments; override it."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def _derivative(cls) -> Callable[..., Any]:
        """``backward``, or its other name ``vjp``."""
        if cls.backward is not Function.backward and cls.vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only "
                "implement one of them."
            )
        return cls.vjp if cls.vjp is not Function.vjp else cls.backward

    @overload
    @classmethod
    def apply(cls: type[_HasForward[R]], *args: Any, **kwargs: Any) -> R: ...
    @overload
    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any: ...
    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call ``forward``, and record it.

        Args:
            *args: the arguments of ``forward``, tensors or not.

        Returns:
            What ``forward`` returns; its tensors are differentiable where some argument is.
        """
        separate = cls.setup_context is not Function.setup_context
        if separate or kwargs:
            args, kwargs = cls._bind(args, kwargs, separate)
        bits = 0
        if gate.on:
            bits = state.bits
            if bits & TRANSFORM:
                from tapegrad.autograd.functions.in_transforms import transformed

                return transformed(cls, args, kwargs, separate)
        inputs = (*args, *kwargs.values()) if kwargs else args
        # A stale view is replayed, which is recorded.
        asks = _flows if bits & GRAD_OFF else requires_grad
        needs = tuple([isinstance(t, Tensor) and (t._requires_grad if t._view is None else asks(t)) for t in inputs])
        recording = True in needs and not bits & GRAD_OFF
        tensors = [t for t in inputs if isinstance(t, Tensor)]
        node = cls._backward_cls()
        node.needs_input_grad = needs
        if recording:
            node.inputs = [facts_of(t) if isinstance(t, Tensor) else None for t in inputs]
            node.edges = tuple([(t._node or t) if t._requires_grad else None for t in tensors])
        ctx = FunctionCtx(node)
        before = state.bits
        try:
            set_bits(bits | GRAD_OFF)
            if separate:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args, **kwargs)
        finally:
            gate.on, state.bits = True, before | gate.always
            settle()
        result = wrap(node, tensors, output, recording, separate)
        if recording and bits & SAVED_HOOKS:
            pack_saved(node, result)
        return result

    @classmethod
    def _bind(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of ``forward`` in the order of its parameters, with the defaults of those between (for
        ``setup_context``, of all).
        """
        forward = cls.forward
        known, signature = cls._signature
        if known != forward:
            import inspect

            signature = inspect.signature(forward)
            cls._signature = forward, signature
        bound = signature.bind(*args, **kwargs) if separate else signature.bind(None, *args, **kwargs)
        given = list(bound.arguments)
        bound.apply_defaults()
        if separate:
            return bound.args, bound.kwargs
        end = list(bound.arguments).index(given[-1]) + 1
        return bound.args[1:end], {name: value for name, value in bound.kwargs.items() if name in kwargs}


def _flows(t: Tensor) -> bool:
    return t.requires_grad


class InplaceFunction(Function):
    """A `Function` of old programs, which say here that ``forward`` writes its argument."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Error(Node):
    """A node that raises in backward: its result must not be differentiated."""

    __slots__ = ("text",)
    text: str

    def name(self) -> str:
        return "torch::autograd::Error"

    def pull(self, grad: Any, graph: bool) -> tuple[Any, ...]:
        raise RuntimeError(self.text)


def undifferentiable(t: Any, text: str, edges: tuple[Any, ...] = ()) -> Any:
    """`t` as the result of an `Error` node.

    Args:
        t: what cannot be differentiated; handed on as it is unless it is a tensor.
        text: what the error says.
        edges: the targets that `t` was computed from, so that a pass that asks for their gradients comes here.
    """
    if not isinstance(t, Tensor):
        return t
    node = Error()
    node.seq = tick()
    node.edges = edges
    node.saved = ()
    node.dtype = t._array.dtype
    node.counter = None
    node.text = text
    result = t.detach()
    result._node = node
    result._requires_grad = True
    return result


def once_differentiable(backward: F) -> F:
    """Mark the ``backward`` of a `Function` as one that cannot be differentiated: it records nothing, and a second
    differentiation raises.
    """

    @functools.wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with levels.recording(False, own=True):
            results = backward(ctx, *grads)
        if not grad_enabled() or not any(isinstance(d, Tensor) and requires_grad(d) for d in grads):
            return results
        text = "trying to differentiate twice a function that was marked with @once_differentiable"
        return tuple([undifferentiable(t, text) for t in (results if isinstance(results, tuple) else (results,))])

    return cast(F, wrapper)


__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]
