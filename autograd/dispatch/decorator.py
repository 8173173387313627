"""`@op`: a function over raw arrays and the rules of its gradients become one differentiable function.

The rules stand beside the maths, and their parameter names say what backward keeps::

    @op(input=lambda grad, other: grad * other,
        other=lambda grad, input: grad * input, kind="elementwise")
    def mul(input, other):
        return input * other

A rule's first parameter is the gradient of the result; each further name is an operand (that tensor is saved),
``result`` or another output's name (the output is saved), ``input_shape`` (only the operand's shape), or a plain
argument. A rule is made of operators, indexing and ops, so the same text serves both passes: on raw arrays it computes
and records nothing, on Tensors (``create_graph``) it records itself.

At its first call an op writes its own wrapper and `Node` class from its signature, as `dataclasses` does, so a call
packs no ``*args``, looks up no registry and makes no closure. ``print(tapegrad.mul.op.source())`` shows them.
"""

from __future__ import annotations

import linecache
import threading
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from types import FunctionType
from typing import Any, Protocol, TypeVar, cast

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.codegen import GLOBALS, source_of, values_of
from tapegrad.autograd.dispatch.plan import Each, plan_of

F = TypeVar("F", bound=Callable[..., Any])

#: every public op and composite function, by name; each is a row of the test table
OPS: dict[str, Callable[..., Any]] = {}
#: the names of `tapegrad`: public ops, second names of ops, and whatever is `exported`
NAMES: dict[str, Any] = {}
_building = threading.RLock()

each = Each


@dataclass(slots=True, eq=False, repr=False)
class Op:
    """An op as it was declared, in the keywords of `op`, and what has been made of it.

    Attributes:
        fn: the function over raw arrays.
        rules: operand -> its rule, or None, or `Each`.
        function: the public function.
        core: `function` without ``out=`` and NumPy's spellings, for Python's operators: a binary op returns
            NotImplemented where an operand is no number, array or tensor.
        record: makes the node of a result that was made elsewhere; None until the op's first call.
    """

    fn: Callable[..., Any]
    name: str
    rules: dict[str, Any]
    kind: str
    operands: str
    outs: tuple[str, ...] | str
    keeps: tuple[str, ...]
    joint: Any
    inplace_fn: Any
    view: bool
    jvp: Any
    batch: Any
    composed: Any
    function: Any = None
    core: Any = None
    record: Any = None
    _parameters: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def source(self) -> str:
        """The text of the op's `Node` class and wrapper, as written at its first call."""
        return source_of(plan_of(self))

    def build(self) -> None:
        """Write the wrapper and the Node class, and put the wrapper's code into the stub that stands for it."""
        with _building:  # of two threads that meet at an op's first call one waits
            if self.record is None:
                self._build()

    def _build(self) -> None:
        plan = plan_of(self)
        source = source_of(plan)
        space = self.function.__globals__
        space.update(GLOBALS, **values_of(plan), op=self, fn=self.fn, function=self.function)
        filename = f"<tapegrad op {self.name}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        exec(compile(source, filename, "exec"), space)
        made = ((self.core, space["core"]), (self.function, space["wrapper"]))
        space["core"] = self.core
        for stub, written in made:
            stub.__defaults__ = written.__defaults__
            stub.__kwdefaults__ = written.__kwdefaults__
            stub.__code__ = written.__code__
        self.record = space["record"]

    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that are given by position."""
        return self._signature()[0]

    def names(self) -> tuple[str, ...]:
        """The names of all parameters."""
        positional, keyword = self._signature()
        return positional + keyword

    def call(self, arguments: dict[str, Any]) -> Any:
        """Call the op with arguments by name."""
        positional, keyword = self._signature()
        return self.core(*[arguments[name] for name in positional], **{name: arguments[name] for name in keyword})

    def _signature(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self._parameters is None:
            params = signature(self.fn).parameters.values()
            keyword = tuple([p.name for p in params if p.kind is p.KEYWORD_ONLY])
            self._parameters = tuple([p.name for p in params if p.name not in keyword]), keyword
        return self._parameters


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


def op(
    *,
    kind: str = "general",
    operands: str | None = None,
    outs: tuple[str, ...] | str = (),
    keeps: tuple[str, ...] = (),
    joint: Any = None,
    inplace_fn: Any = None,
    view: bool = False,
    jvp: Any = None,
    batch: Any = None,
    composed: Any = None,
    method: bool = False,
    inplace: bool = False,
    public: bool = True,
    functional: bool = False,
    name: str | None = None,
    **rules: Any,
) -> Callable[[Callable[..., Any]], OpFunction]:
    """Make a function over raw arrays differentiable.

    ===========  ======================================================  ============================================
    keyword      meaning                                                 example
    ===========  ======================================================  ============================================
    <operand>    its rule; None: a tensor without gradient               ``other=lambda grad, input: grad * input``
    kind         how results depend on operands, see below               ``kind="elementwise"``
    operands     how operands are made alike, see below                  ``operands="float"``
    outs         the names of several results; "many": a plain tuple     ``outs=("values", "indices")``
    keeps        what the function returns after results, for rules      ``keeps=("mean", "rstd")``
    joint        one rule for all operands; `need`: which to compute     ``joint=lambda grad, need, a, b: (d_a, d_b)``
    inplace_fn   does the work in the array of the first operand         ``inplace_fn=_add_in_place``
    view         the result may share the first operand's memory         ``view=True``
    jvp          the results' tangents from the operands'                ``jvp=lambda d_input, n: d_input * n``
    batch        the op for a batch, see `batch_rules`                   ``batch=over(dim=along)``
    composed     the same made of other ops, for forward mode and vmap   ``composed=_made_of_matmul``
    method       also a method of `Tensor`                               ``method=True``
    inplace      the method also has an in-place form, ``add_``          ``inplace=True``
    public       False: only rules call it, and it has no test row       ``public=False``
    functional   PyTorch has it in `nn.functional` only                  ``functional=True``
    name         torch's name, if another; the node is named after it    ``name="div"``
    ===========  ======================================================  ============================================

    The rule of an operand that is a list of tensors is marked: ``tensors=each(lambda grad, dim: ...)``.

    `kind` gives the op a tangent and a batch rule, where it can:

    - "elementwise": each result element depends on one element of each operand, and operands broadcast. The tangent is
      the rule applied to the operand's; vmap adds a dimension in front.
    - "linear", "view": the tangent is the op applied to the operand's.
    - "reduction": each element goes into one result, weighted by its gradient.
    - "general": the tangent comes from two passes backward.

    `operands` is one of

    - "promote": torch's result type. This is what elementwise ops do by default.
    - "float": the same, but integers become the default dtype.
    - "same": they must agree. This is what other ops do by default.
    - "free": only the devices must agree.

    `composed` may return NotImplemented, and the op itself is used.
    """

    def decorate(fn: Callable[..., Any]) -> OpFunction:
        conversion = operands or ("promote" if kind == "elementwise" else "same")
        declared = Op(
            fn=fn,
            name=name or fn.__name__.lstrip("_"),
            rules=rules,
            kind=kind,
            operands=conversion,
            outs=outs,
            keeps=keeps,
            joint=joint,
            inplace_fn=inplace_fn,
            view=view or kind == "view",
            jvp=jvp,
            batch=batch,
            composed=composed,
        )
        space: dict[str, Any] = {"__name__": fn.__module__, "__builtins__": __builtins__, "build": declared.build}
        space["core"] = declared.core = FunctionType(_core_stub.__code__, space, fn.__name__)
        space["function"] = declared.function = function = FunctionType(_stub.__code__, space, fn.__name__)
        function.__module__ = fn.__module__
        function.__qualname__ = fn.__qualname__
        function.__doc__ = fn.__doc__
        function.__dict__["__wrapped__"] = fn
        function.__dict__["op"] = declared.core.__dict__["op"] = declared
        publish(function, method, inplace, public, functional)
        return cast(OpFunction, function)

    return decorate


def composite(
    *,
    method: bool = False,
    inplace: bool = False,
    public: bool = True,
    functional: bool = False,
) -> Callable[[F], F]:
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
        # `ops/nn/` and `nn/` hold what PyTorch has in `nn.functional`.
        if not functional and ".nn." not in function.__module__:
            NAMES[name] = function
    if method and name not in Tensor.__dict__:
        setattr(Tensor, name, function)
    if inplace:
        setattr(Tensor, f"{name}_", inplace_form(function))


def exported(function: F) -> F:
    """Decorator: a name of `tapegrad` that is no public op."""
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
