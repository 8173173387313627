"""`@op`: a function over raw arrays and the rules of its gradients become one differentiable function.

The rules stand beside the maths, and their parameter names say what backward keeps::

    @op(input=lambda grad, other: grad * other,
        other=lambda grad, input: grad * input, kind="elementwise")
    def mul(input, other):
        return input * other

A rule's first parameter is the gradient of the result; each further name is an operand (that tensor is kept), ``result`` or another output's name
(the output is kept), ``input_shape`` (only the operand's shape), or a plain argument. A rule is made of operators, indexing and ops, so the same text
serves both passes: on raw arrays it computes and records nothing, on Tensors (``create_graph``) it records itself.

At its first call an op writes its own wrapper and `Node` class from its signature, as `dataclasses` does, so a call packs no ``*args``, looks up no
registry and makes no closure. ``print(tapegrad.mul.op.source())`` shows what was written.
"""
from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from tapegrad.autograd.core.gate import gate, state, unusual
from tapegrad.autograd.core.node import Node, check_kept, freed, overwritten
from tapegrad.autograd.core.tensor import Tensor, new, requires_grad
from tapegrad.autograd.core.version import tick
from tapegrad.autograd.dispatch.codegen import Each, write_op
from tapegrad.autograd.types import dtypes
from tapegrad.backends import ARRAYS

F = TypeVar("F", bound=Callable[..., Any])

#: every public op and composite function, by name; each is a row of the test table
OPS: dict[str, Callable[..., Any]] = {}
#: what is a name of `tapegrad` too: public ops, second names of ops, and whatever is `exported`
NAMES: dict[str, Any] = {}
#: name -> what the written wrappers call when something is out of the ordinary; `slow_paths` and `inplace` enter it
CALLED: dict[str, Any] = {}
_building = threading.RLock()

each = Each


class Op:
    """What the decorator was told about an op.

    Attributes:
        name: torch's name.
        fn: the function over raw arrays.
        rules: operand -> rule, None for an operand without gradient, or `Each`.
        kind: elementwise | linear | reduction | view | general.
        operands: how operand types are brought together: "promote" to torch's result type; "float", the same and integers to the default dtype;
            "same", they must agree as they are; "free", each operand for itself.
        outs: names of the results.
        keeps: names of further values the function returns after its results, for the rules.
        joint: one rule for several operands, ``joint(grad, need, ...)`` returns a gradient for each; `rules` then only names them.
        inplace_fn: ``inplace_fn(array, ...)`` does the work in the first operand's array.
        view: the result may share the first operand's memory.
        function: the public function. `core` is the same without ``out=`` and NumPy's spellings, and returns NotImplemented where a binary op's operand is
            no number, array or tensor: what Python's operators call.
        jvp: the tangents of the results, ``jvp(d_<operand>, ..., <what rules ask for>)``, where the kind does not give them; see `forward`.
        batch: the same op with a dimension more, ``batch(batched, <arguments>)``, where the kind does not give it; see `batching`.
        composed: the same function made of other ops, which forward mode and vmap follow in place of this one; it may return
            NotImplemented to say that this one will do.
    """

    __slots__ = (
        "_parameters",
        "batch",
        "composed",
        "core",
        "fn",
        "function",
        "inplace_fn",
        "joint",
        "jvp",
        "keeps",
        "kind",
        "name",
        "operands",
        "outs",
        "record",
        "rules",
        "view",
    )

    def __init__(self, fn: Callable[..., Any], name: str | None, rules: dict[str, Any], kind: str, operands: str, outs: tuple[str, ...] | str,
                 keeps: tuple[str, ...], joint: Any, inplace_fn: Any, view: bool, jvp: Any, batch: Any,
                 composed: Any) -> None:
        self.fn = fn
        self.name = name or fn.__name__.lstrip("_")
        self.rules = rules
        self.kind = kind
        self.operands = operands
        self.outs = outs
        self.keeps = keeps
        self.joint = joint
        self.inplace_fn = inplace_fn
        self.view = view
        self.jvp = jvp
        self.batch = batch
        self.composed = composed
        self._parameters: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self.record: Any = None
        self.function: Any = None
        self.core: Any = None

    def source(self) -> str:
        """The text of the op's `Node` class and wrapper, as written at its first call."""
        return write_op(self).source

    def build(self) -> None:
        """Write the wrapper and the Node class, and put the wrapper's code into the stub that stands for it."""
        with _building:  # of two threads that meet at an op's first call one waits
            if self.record is None:
                self._build()

    def _build(self) -> None:
        import linecache  # slow to import, and most programs that are timed at import call no op
        written = write_op(self)
        space = self.function.__globals__
        space.update(
            Tensor=Tensor, Node=Node, new=new, gate=gate, state=state, unusual=unusual, tick=tick, freed=freed, overwritten=overwritten,
            check_kept=check_kept, requires_grad=requires_grad, ARRAYS=ARRAYS, ndarray=np.ndarray, asarray=np.asarray, INEXACT=dtypes.INEXACT,
            **CALLED, op=self, fn=self.fn, function=self.function, **written.names)
        filename = f"<tapegrad op {self.name}>"
        linecache.cache[filename] = (len(written.source), None, written.source.splitlines(True), filename)
        exec(compile(written.source, filename, "exec"), space)
        wrapper, core = space["wrapper"], space["core"]
        space["core"] = self.core
        for stub, made in ((self.core, core), (self.function, wrapper)):
            stub.__defaults__ = made.__defaults__
            stub.__kwdefaults__ = made.__kwdefaults__
            stub.__code__ = made.__code__
        self.record = space.get("record", True)

    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that are given by position."""
        return self._signature()[0]

    def names(self) -> tuple[str, ...]:
        """The names of all parameters."""
        positional, keyword = self._signature()
        return positional + keyword

    def call(self, given: dict[str, Any]) -> Any:
        """Call the op with arguments by name."""
        positional, keyword = self._signature()
        return self.core(*[given[name] for name in positional], **{name: given[name] for name in keyword})

    def _signature(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self._parameters is None:
            from inspect import Parameter, signature
            params = signature(self.fn).parameters.values()
            self._parameters = (tuple([p.name for p in params if p.kind is not Parameter.KEYWORD_ONLY]),
                                tuple([p.name for p in params if p.kind is Parameter.KEYWORD_ONLY]))
        return self._parameters

    def reads(self, name: str) -> bool:
        """Whether some rule reads the operand or result `name`."""
        from inspect import signature
        rules = [r.rule if isinstance(r, Each) else r for r in self.rules.values() if r is not None] + ([self.joint] if self.joint else [])
        return any(name in signature(rule).parameters for rule in rules)


class OpFunction(Protocol):
    """What `op` makes of a function."""

    op: Op
    __name__: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


def _stub(*args: Any, **kwargs: Any) -> Any:
    build()  # type: ignore[name-defined]  # noqa: F821
    return function(*args, **kwargs)  # noqa: F821


def _core_stub(*args: Any, **kwargs: Any) -> Any:
    build()  # type: ignore[name-defined]  # noqa: F821
    return core(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


def op(*, kind: str = "general", operands: str | None = None, outs: tuple[str, ...] | str = (), keeps: tuple[str, ...] = (), joint: Any = None,
       inplace_fn: Any = None, view: bool = False, jvp: Any = None, batch: Any = None, composed: Any = None, method: bool = False, inplace: bool = False,
       public: bool = True, functional: bool = False, name: str | None = None, **rules: Any) -> Callable[[Callable[..., Any]], OpFunction]:
    """Make a function over raw arrays differentiable; see the module and `Op` for what can be said.

    Args:
        method: the op is also a method of `Tensor`.
        inplace: the op also has a form ``Tensor.name_`` that writes its first operand.
        public: the op has a row in the test table of its own; False for the adjoints that only rules call.
        functional: PyTorch has the function in `nn.functional` only.
        name: torch's name, where the function has another; the node is called after it.
        **rules: for each tensor operand its rule, or None.
    """

    def decorate(fn: Callable[..., Any]) -> OpFunction:
        how = operands or ("promote" if kind == "elementwise" else "same")
        told = Op(fn, name, rules, kind, how, outs, keeps, joint, inplace_fn, view or kind == "view", jvp, batch, composed)
        space: dict[str, Any] = {"__name__": fn.__module__, "__builtins__": __builtins__}
        function = FunctionType(_stub.__code__, space, fn.__name__)
        space["build"] = told.build
        space["function"] = told.function = function
        space["core"] = told.core = FunctionType(_core_stub.__code__, space, fn.__name__)
        function.__module__ = fn.__module__
        function.__qualname__ = fn.__qualname__
        function.__doc__ = fn.__doc__
        function.__dict__["__wrapped__"] = fn
        function.__dict__["op"] = told.core.__dict__["op"] = told
        publish(function, method, inplace, public, functional)
        return cast(OpFunction, function)

    return decorate


def composite(*, method: bool = False, inplace: bool = False, public: bool = True, functional: bool = False) -> Callable[[F], F]:
    """Publish a function made of ops (an overloaded name that chooses among them, say) as `op` does."""

    def decorate(fn: F) -> F:
        publish(fn, method, inplace, public, functional)
        return fn

    return decorate


def publish(function: Callable[..., Any], method: bool, inplace: bool, public: bool, functional: bool) -> None:
    """Enter `function` in the list of ops, in the names of `tapegrad`, and in `Tensor` where it is a method."""
    name = function.__name__
    if public:
        if name in OPS:
            raise ValueError(f"two functions are called {name}")
        OPS[name] = function
        if not functional and ".nn." not in function.__module__:  # `ops/nn/` and `nn/` hold what PyTorch has in `nn.functional`
            NAMES[name] = function
    if method and name not in Tensor.__dict__:
        setattr(Tensor, name, function)
    if inplace:
        setattr(Tensor, f"{name}_", inplace_form(function))


def exported(function: F) -> F:
    """Make a function that is no op a name of `tapegrad`."""
    NAMES[function.__name__] = function
    return function


def inplace_form(function: Callable[..., Any]) -> Callable[..., Any]:
    """The method that writes the result of `function` into its first operand."""
    from tapegrad.autograd.dispatch import inplace  # its writes are recorded with ops, which this file makes

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return inplace.apply(function, self, args, kwargs)

    method.__name__ = f"{function.__name__}_"
    method.__qualname__ = f"Tensor.{method.__name__}"
    method.__doc__ = f"In-place form of `{function.__name__}`; returns the tensor."
    return method
