"""Writes the source of an op's wrapper and Node class; see `tapegrad.autograd.dispatch.decorator` for what an op says of itself.

The text is what one would write by hand for that op and nothing more, so that a call costs about a microsecond above the array library's.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tapegrad.autograd.dispatch.decorator import Op


class Each:
    """Marks a rule whose operand is a list of tensors, and which returns a list of gradients."""

    __slots__ = ("rule",)

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule = rule


class Written(NamedTuple):
    """Source, and the values that it refers to by name."""

    source: str
    names: dict[str, Any]


class _Rule(NamedTuple):
    """What a rule asks for: its variable in the source, the operands it serves, its parameters after the gradient."""

    variable: str
    serves: tuple[str, ...]
    asks: tuple[str, ...]


# Byte code of one-expression functions -> the expression. A call of such a function costs as much as a fifth of the op itself.
_EXPRESSIONS = {f.__code__.co_code: text for f, text in (
    (lambda a: a, "{0}"), (lambda a: -a, "-{0}"), (lambda a, b: a + b, "{0} + {1}"), (lambda a, b: a - b, "{0} - {1}"), (lambda a, b: a * b, "{0} * {1}"),
    (lambda a, b: a / b, "{0} / {1}"), (lambda a, b: a @ b, "{0} @ {1}"))}


# Nodes that PyTorch has written by hand have names of their own.
_NODE_NAMES = {"copy_slices": "CopySlices", "copy": "CopyBackwards"}


def call(function: Callable[..., Any], variable: str, args: list[str]) -> str:
    """Text that calls `function`, known as `variable`; written out where it is one small expression."""
    expression = _EXPRESSIONS.get(function.__code__.co_code)
    return expression.format(*args) if expression is not None else f"{variable}({', '.join(args)})"


def write_op(op: Op) -> Written:
    """The source of `op`'s Node class, wrapper and record function."""
    return _Writer(op).write()


def camel(name: str) -> str:
    """``log_softmax`` -> ``LogSoftmaxBackward0``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Backward0"


class _Writer:
    def __init__(self, op: Op) -> None:
        self.op = op
        self.names: dict[str, Any] = {}
        self.lines: list[str] = []
        self.params = list(inspect.signature(op.fn).parameters.values())
        self.operands = [p.name for p in self.params if p.name in op.rules]
        unknown = set(op.rules) - set(self.operands)
        if unknown:
            raise TypeError(f"op {op.name}: rules for {sorted(unknown)}, which are no parameters")
        self.listed = any(isinstance(rule, Each) for rule in op.rules.values())
        if self.listed and len(self.operands) != 1:
            raise TypeError(f"op {op.name}: a list operand must be the only operand")
        self.many = bool(op.outs)
        self.rules = self._rules()
        self.differentiable = [x for x in self.operands if any(x in rule.serves for rule in self.rules)]
        self.raw = {x: f"{x}_" for x in self.operands}
        self.takes_foreign = op.operands in ("promote", "float") and len(self.operands) == 2
        self.broadcasts = op.kind == "elementwise" and len(self.operands) > 1
        self._sort_asks()

    def _rules(self) -> list[_Rule]:
        rules = []
        if self.op.joint is not None:
            self.names["rule_joint"] = self.op.joint
            rules.append(_Rule("rule_joint", tuple(self.operands), tuple(inspect.signature(self.op.joint).parameters)[2:]))
        else:
            for x in self.operands:
                rule = self.op.rules[x]
                if rule is None:
                    continue
                if isinstance(rule, Each):
                    rule = rule.rule
                self.names[f"rule_{x}"] = rule
                rules.append(_Rule(f"rule_{x}", (x,), tuple(inspect.signature(rule).parameters)[1:]))
        return rules

    def _sort_asks(self) -> None:
        """Decide what the node keeps: operands, results, shapes and dtypes of operands, intermediates, plain arguments."""
        asked = list(dict.fromkeys(a for rule in self.rules for a in rule.asks))
        results = self.op.outs if isinstance(self.op.outs, tuple) and self.op.outs else ("result",)
        plain = {p.name for p in self.params} - set(self.operands)
        self.kept = [a for a in asked if a in self.operands]
        self.kept_results = [a for a in asked if a in results or a == "results"]
        self.facts = [a for a in asked if a.endswith(("_shape", "_dtype")) and a.rpartition("_")[0] in self.operands]
        self.intermediates = [a for a in asked if a in self.op.keeps]
        self.plain = [a for a in asked if a in plain]
        known = {*self.kept, *self.kept_results, *self.facts, *self.intermediates, *self.plain}
        for a in asked:
            if a not in known:
                raise TypeError(f"op {self.op.name}: a rule asks for '{a}', which is neither an operand, a result, a shape nor an argument")
        self.saved = [*self.kept, *self.kept_results, *self.intermediates, *self.facts, *self.plain] + ["shapes"] * self.broadcasts

    @property
    def frees(self) -> bool:
        """Whether the node keeps values, which a pass frees; without any the graph can be walked again."""
        return bool(self.kept or self.kept_results or self.intermediates)

    def _users(self, name: str) -> list[str]:
        """The operands whose rules ask for `name`."""
        return [x for x in self.differentiable if any(x in rule.serves and name in rule.asks for rule in self.rules)]

    def add(self, *lines: str) -> None:
        self.lines += lines

    # ---- the Node class

    def write(self) -> Written:
        op = self.op
        self.names["saved_names"] = tuple(self.saved)
        self.names["node_name"] = _NODE_NAMES.get(op.name) or camel(op.name)
        self.add("class NodeClass(Node):",
                 f"    __slots__ = {('count', 'takes') if self.many else ()}",
                 "    op = op",
                 f"    op_name = {op.name!r}",
                 "    saved_names = saved_names",
                 f"    frees = {self.frees}")
        self.add("", "    def pull(self, grad, graph):")
        self._pull()
        self.add("", "NodeClass.__name__ = NodeClass.__qualname__ = node_name", "")
        self._core()
        self._public()
        self._record()
        return Written("\n".join(self.lines) + "\n", self.names)

    def _pull(self) -> None:
        if not self.rules:
            self.add("        no_derivative(self)")
            return
        if self.saved:
            # Read once: another thread may free it in between.
            self.add("        saved = self.saved")
            if self.frees:
                self.add("        if saved is None: freed(self)")
            self.add(f"        {', '.join(self.saved)}{',' if len(self.saved) == 1 else ''} = saved")
        for x in self.kept:
            self._check_operand(x)
        for r in self.kept_results:
            self._check_result(r)
        if self.listed:
            rule = self.rules[0]
            self.add(f"        return rule_{self.operands[0]}({', '.join(['grad', *rule.asks])})")
        elif self.op.joint is not None:
            need = "tuple([edge is not None for edge in self.edges])"
            self.add(f"        return rule_joint({', '.join(['grad', need, *self.rules[0].asks])})")
        elif len(self.operands) == 1:
            self.add(f"        return ({self._apply(self.rules[0])},)")
        else:
            gradients = {rule.serves[0]: f"{self._apply(rule)} if to_{rule.serves[0]} is not None else None" for rule in self.rules}
            self.add(f"        {', '.join('to_' + x for x in self.operands)} = self.edges")
            if self.broadcasts:
                self.add("        if shapes is not None:",
                         *(f"            d_{x} = {gradients.get(x)}" for x in self.operands),
                         "            return " + ", ".join(f"d_{x} if d_{x} is None else sum_to(d_{x}, shapes[{i}])" for i, x in enumerate(self.operands)))
            self.add(f"        return {', '.join(str(gradients.get(x)) for x in self.operands)}")

    def _apply(self, rule: _Rule) -> str:
        return call(self.names[rule.variable], rule.variable, ["grad", *rule.asks])

    def _check_operand(self, x: str) -> None:
        if self.listed:
            self.add(f"        for x in {x}:",
                     "            if isinstance(x, Tensor) and x._counter is not None and x._counter.last_write > self.seq: check_kept(self, x)",
                     f"        if not graph: {x} = [x._array if isinstance(x, Tensor) else x for x in {x}]")
            return
        self.add(f"        if isinstance({x}, Tensor):",
                 f"            counter = {x}._counter",
                 f"            if counter is not None and counter.last_write > self.seq: check_kept(self, {x})",
                 f"            if not graph: {x} = {x}._array")

    def _check_result(self, r: str) -> None:
        if not self.many:
            # Where only some of the rules read it, it may not have been kept.
            kept = "" if len(self._users(r)) == len(self.differentiable) else "result is not None and "
            self.add("        counter = self.counter",
                     f"        if {kept}counter is not None and counter.last_write > self.seq: overwritten(self, counter, result, 0, self)",
                     f"        if {kept}graph: result = kept_result(self, result, counter)")
            return
        nr = self.op.outs.index(r)
        self.add(f"        counter = self.counter and self.counter.get({nr})",
                 f"        if counter is not None and counter.last_write > self.seq: overwritten(self, counter, {r}, {nr}, self)",
                 f"        if graph: {r} = kept_result(self, {r}, counter, {nr})")

    # ---- the wrapper

    def _signature(self, more: Iterable[str] = ()) -> str:
        """The function's own parameters, and keyword-only ones of the public form."""
        extra = list(more)
        parts = []
        star = False
        for p in self.params:
            if p.kind is inspect.Parameter.KEYWORD_ONLY and not star:
                parts.append("*")
                star = True
            if p.default is inspect.Parameter.empty:
                parts.append("dim=missing" if p.name == "dim" and "axis=None" in extra and self._dim_is_last else p.name)
            else:
                self.names[f"default_{p.name}"] = p.default
                parts.append(f"{p.name}=default_{p.name}")
        return ", ".join(parts + (["*"] if extra and not star else []) + extra)

    @property
    def _dim_is_last(self) -> bool:
        """Whether `dim` is the last argument that must be given, so that ``axis=`` can be given in its place."""
        required = [p.name for p in self.params if p.default is inspect.Parameter.empty and p.kind is not inspect.Parameter.KEYWORD_ONLY]
        return bool(required) and required[-1] == "dim"

    def _public(self) -> None:
        """The function users call: `core`, with NumPy's spellings of `dim` and `keepdim`, and ``out=``."""
        names = {p.name for p in self.params}
        more = ["axis=None"] * ("dim" in names) + ["keepdims=None"] * ("keepdim" in names) + ["out=None"] * (not self.op.view and "out" not in names)
        own = self._call(p.name for p in self.params)
        self.add(f"def wrapper({self._signature(more)}):")
        if "dim" in names:
            self.add("    if axis is not None: dim = axis")
            if self._dim_is_last:
                self.names["missing"] = object()
                self.add(f"    if dim is missing: raise TypeError('{self.op.name}() missing 1 required positional arguments: \"dim\"')")
        if "keepdim" in names:
            self.add("    if keepdims is not None: keepdim = keepdims")
        if "out=None" in more:
            self.add(f"    if out is not None: return store(op, out, core({own}))")
        if self.takes_foreign:
            self.add(f"    t = core({own})",
                     f"    if t is NotImplemented: refuse(op, {', '.join(self.operands)})",
                     "    return t", "")
        else:
            self.add(f"    return core({own})", "")

    def _call(self, names: Iterable[str]) -> str:
        return ", ".join(f"{p.name}={n}" if p.kind is inspect.Parameter.KEYWORD_ONLY else n for p, n in zip(self.params, names))

    def _core(self) -> None:
        op, params = self.op, [p.name for p in self.params]
        own = self._call(params)
        raw = self._call(self.raw.get(p, p) for p in params)
        self.add(f"def core({self._signature()}):")
        if self.listed:
            self._listed_wrapper(own, raw)
            return
        for x in self.operands:
            self.add(f"    {self.raw[x]} = {x}._array if isinstance({x}, Tensor) else {x}")
        self.add(f"    if {' and '.join(f'{self.raw[x]} is {x}' for x in self.operands)}:",
                 f"        if {' or '.join(f'{x}.__class__ in ARRAYS' for x in self.operands)}: return {self._raw_call(own)}",
                 f"        foreign(op, ({''.join(p + ', ' for p in params)}))",
                 f"        return {self._raw_call(own)}")
        self._gate()
        self._bring_together()
        results = ["y", *op.keeps] if not self.many else []
        if self.many:
            self.add(f"    results = fn({raw})")
        else:
            positional = all(p.kind is not inspect.Parameter.KEYWORD_ONLY for p in self.params)
            value = call(op.fn, "fn", [self.raw.get(p, p) for p in params]) if positional else f"fn({raw})"
            if self.broadcasts:
                self.add("    try:", f"        {', '.join(results)} = {value}",
                         "    except ValueError as error:", f"        shapes_differ(error, {', '.join(self.raw[x] for x in self.operands)})")
            else:
                self.add(f"    {', '.join(results)} = {value}")
            self.add("    if y.__class__ is not ndarray and y.__class__ not in ARRAYS: y = asarray(y)",
                     "    t = new(Tensor)",
                     "    t._array = y",
                     "    t._view = t._counter = None")
        if not self.differentiable and not self.many:
            if self.rules or not op.rules or all(rule is None for rule in op.rules.values()):
                self.add("    t._requires_grad = False", "    t._node = None")
            if op.view:
                self._alias(params)
            self.add("    return t")
            return
        if self.many:
            self._many(params)
            return
        self.add("    if not bits:")
        self._asks()
        self.add(f"        if {' or '.join('need_' + x for x in self.differentiable)}:")
        self._node("            ")
        self.add("            t._requires_grad = True",
                 "            t._node = n")
        if op.view:
            self._alias(params, "            ")
        self.add("            return t",
                 "    t._requires_grad = False",
                 "    t._node = None")
        if op.view:
            self._alias(params)
        self.add("    return t", "")

    def _alias(self, params: list[str], indent: str = "    ") -> None:
        first = self.operands[0]
        rest = "".join(f"{p}, " for p in params if p != first)
        self.add(f"{indent}if {first} is not {self.raw[first]}: aliased(function, t, {first}, {self.raw[first]}, ({rest}), bits)")

    def _gate(self) -> None:
        self.add("    bits = 0",
                 "    if gate.on:",
                 "        bits = state.bits",
                 f"        if bits > 1: return unusual(core, {self._packed()})")

    def _bring_together(self) -> None:
        """Operand types: the quick test that finds them alike, and the call for when they are not."""
        types, xs = self.op.operands, self.operands
        raws = [self.raw[x] for x in xs]
        if types == "float" and len(xs) == 1:
            self.add(f"    if {raws[0]}.dtype not in INEXACT:",
                     f"        {xs[0]} = to_float({xs[0]})",
                     f"        {raws[0]} = {xs[0]}._array")
            return
        if len(xs) == 1:
            return
        first = raws[0]
        optional = {p.name for p in self.params if p.default is None}
        self.names["optional"] = optional
        if types == "free":
            tests = [f"{first}.__class__ is not {r}.__class__" for r in raws[1:]]
        else:
            tests = [f"{first}.__class__ is not {r}.__class__ or {first}.dtype is not {r}.dtype" for r in raws[1:]]
        tests = [f"({r} is not None and ({t}))" if x in optional else t for x, r, t in zip(xs[1:], raws[1:], tests)]
        if types == "float":
            tests.append(f"{first}.dtype not in INEXACT")
        again = [f"        {r} = {x}._array if isinstance({x}, Tensor) else {x}" for x, r in zip(xs, raws)]
        how = {"promote": "mix", "float": "mix", "same": "same", "free": "together"}[types]
        call = f"        {', '.join(xs)} = {how}(op, {', '.join(xs)})"
        self.add(f"    if {' or '.join(tests)}:")
        if types in ("promote", "float") and len(xs) == 2:
            # A number beside a NumPy array becomes a 0-d array, made once: NumPy needs three times as long for a Python number.
            other = raws[1]
            self.add(f"        if ({other}.__class__ is float or {other}.__class__ is int) and {first}.__class__ is ndarray and {first}.dtype in INEXACT:",
                     f"            {other} = {xs[1]} = constant({other}, {first}.dtype)",
                     "        else:",
                     *self._mixed("            ", how, xs), *(f"    {line}" for line in again))
        else:
            self.add(call, *again)

    def _mixed(self, indent: str, how: str, xs: list[str]) -> list[str]:
        """The call that brings operands together; an operator leaves what it does not know to the other operand's class."""
        return [f"{indent}mixed = {how}(op, {', '.join(xs)})",
                f"{indent}if mixed is None: return NotImplemented",
                f"{indent}{', '.join(xs)} = mixed"]

    def _needs(self, indent: str, ask: str = "requires_grad") -> None:
        for x in self.differentiable:
            self.add(f"{indent}need_{x} = {x} is not {self.raw[x]} and ({x}._requires_grad if {x}._view is None else {ask}({x}))")

    def _asks(self) -> None:
        """`_needs` in a call; one that has met an inference tensor is made elsewhere."""
        self.add("        try:")
        self._needs("            ", "needs_grad")
        self.add(f"        except InferenceOperand: return with_inference_operands(core, {self._packed()})")

    def _packed(self) -> str:
        """The arguments as a tuple and a dict."""
        positional = [p.name for p in self.params if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        keyword = [p.name for p in self.params if p.kind is inspect.Parameter.KEYWORD_ONLY]
        return f"({''.join(p + ', ' for p in positional)}), {{{', '.join(f'{k!r}: {k}' for k in keyword)}}}"

    def _node(self, indent: str) -> None:
        """Make the node `n` of the result `y`."""
        self.add(f"{indent}n = NodeClass()",
                 f"{indent}n.seq = tick()",
                 f"{indent}n.dtype = {'None' if self.many else 'y.dtype'}",
                 f"{indent}n.counter = None",
                 f"{indent}n.edges = ({''.join(self._edge(x) + ', ' for x in self.operands)})")
        if self.broadcasts:
            self._shapes(indent)
        if self.saved == ["shapes"]:
            self.names["alike"] = (None,)  # one tuple for all nodes whose operands were of one shape
            self.add(f"{indent}n.saved = alike if shapes is None else (shapes,)")
        else:
            self.add(f"{indent}n.saved = ({''.join(self._kept(s) + ', ' for s in self.saved)})")

    def _edge(self, x: str) -> str:
        if x not in self.differentiable:
            return "None"
        if len(self.differentiable) == 1:
            return f"{x}._node or {x}"
        return f"({x}._node or {x}) if need_{x} else None"

    def _kept(self, name: str) -> str:
        if name == "shapes":
            return "shapes"
        value = {"result": "y", "results": "results"}.get(name, name)
        if name in self.facts:
            operand, _, fact = name.rpartition("_")
            value = f"{self.raw[operand]}.{fact}"
            if operand in self.names.get("optional", ()):
                value = f"None if {operand} is None else {value}"
            if self.op.operands != "free":
                return value
            # The operand may be a number.
        elif self.many and isinstance(self.op.outs, tuple) and name in (*self.op.outs, *self.op.keeps):
            value = f"results[{(*self.op.outs, *self.op.keeps).index(name)}]"
        if name in self.plain:
            return value
        users = self._users(name)
        if len(users) == len(self.differentiable):
            return value
        return f"{value} if {' or '.join('need_' + u for u in users)} else None"

    def _shapes(self, indent: str) -> None:
        """What broadcasting did, if it did anything: the gradients must be summed back."""
        raws = [self.raw[x] for x in self.operands]
        if len(self.differentiable) == len(self.operands) == 2:
            a, b = raws
            (x, y) = self.operands
            self.add(f"{indent}if need_{x} and need_{y}:",
                     f"{indent}    shapes = None if {a}.shape == {b}.shape else ({a}.shape, {b}.shape)",
                     f"{indent}elif need_{x}:",
                     f"{indent}    shapes = None if {a}.shape == y.shape else ({a}.shape, None)",
                     f"{indent}else:",
                     f"{indent}    shapes = None if {b}.shape == y.shape else (None, {b}.shape)")
            return
        parts = "".join(f"{r}.shape if need_{x} else None, " if x in self.differentiable else "None, " for x, r in zip(self.operands, raws))
        self.add(f"{indent}shapes = ({parts})")

    def _many(self, params: list[str]) -> None:
        """Several results: a node for all, and a slot for each result that can have a gradient."""
        first = self.operands[0]
        if self.differentiable:
            self.add("    n = None", "    if not bits:")
            self._asks()
            self.add(f"        if {' or '.join('need_' + x for x in self.differentiable)}:")
            self._node("            ")
        else:
            self.add("    n = None")
        rest = "".join(f"{p}, " for p in params if p != first)
        self.add(f"    return deliver(op, n, results, {first}, {self.raw[first]}, ({rest}), bits)")

    def _raw_call(self, own: str) -> str:
        """The call on raw arrays alone, without the intermediates that only nodes keep."""
        count = len(self.op.outs) if isinstance(self.op.outs, tuple) else 0
        return f"fn({own})" + ("" if not self.op.keeps else f"[:{count}]" if count else "[0]")

    def _listed_wrapper(self, own: str, raw: str) -> None:
        x, params = self.operands[0], [p.name for p in self.params]
        self.add(f"    {x}_ = [x._array if isinstance(x, Tensor) else x for x in {x}]",
                 f"    if all([x is y for x, y in zip({x}, {x}_)]):",
                 f"        if {x}_ and all([x.__class__ in ARRAYS for x in {x}_]): return {self._raw_call(own)}",
                 f"        foreign(op, ({''.join(p + ', ' for p in params)}))",
                 f"        return {self._raw_call(own)}")
        self._gate()
        how = {"promote": "mix", "float": "mix", "same": "same", "free": "together"}[self.op.operands]
        self.add(f"    if len({x}_) > 1 and any([y.__class__ is not {x}_[0].__class__ or y.dtype is not {x}_[0].dtype for y in {x}_]):",
                 f"        foreign(op, ({x}, ))",
                 f"        {x} = {how}(op, *{x})",
                 f"        {x}_ = [x._array if isinstance(x, Tensor) else x for x in {x}]",
                 f"    y = fn({raw})",
                 "    if y.__class__ is not ndarray and y.__class__ not in ARRAYS: y = asarray(y)",
                 "    t = new(Tensor)",
                 "    t._array = y",
                 "    t._view = t._counter = None",
                 f"    if not bits and any(needs := [isinstance(x, Tensor) and requires_grad(x) for x in {x}]):")
        self._listed_node("        ")
        self.add("        t._requires_grad = True",
                 "        t._node = n",
                 "        return t",
                 "    t._requires_grad = False",
                 "    t._node = None",
                 "    return t", "")

    def _listed_node(self, indent: str) -> None:
        """Make the node `n` of the result `y` of a list."""
        x = self.operands[0]
        self.add(f"{indent}n = NodeClass()",
                 f"{indent}n.seq = tick()",
                 f"{indent}n.dtype = y.dtype",
                 f"{indent}n.counter = None",
                 f"{indent}n.edges = tuple([(x._node or x) if need else None for x, need in zip({x}, needs)])",
                 f"{indent}n.saved = ({''.join(self._kept_of_list(s) + ', ' for s in self.saved)})")

    def _kept_of_list(self, name: str) -> str:
        if name in self.facts:
            operand, _, fact = name.rpartition("_")
            return f"[x.{fact} for x in {operand}_]"
        return {"result": "y", self.operands[0]: f"tuple({self.operands[0]})"}.get(name, name)

    def _record(self) -> None:
        """The node alone, for a result that was made elsewhere (in place, or under vmap)."""
        made = "results" if self.many else "y"
        self.add(f"def record({', '.join([made, *self.op.keeps, *(p.name for p in self.params)])}):")
        if not self.differentiable:
            self.add("    return None")
            return
        if self.listed:
            x = self.operands[0]
            self.add(f"    {x}_ = [x._array if isinstance(x, Tensor) else x for x in {x}]",
                     f"    needs = [isinstance(x, Tensor) and requires_grad(x) for x in {x}]",
                     "    if not any(needs): return None")
            self._listed_node("    ")
        else:
            for x in self.operands:
                self.add(f"    {self.raw[x]} = {x}._array if isinstance({x}, Tensor) else {x}")
            self._needs("    ")
            self.add(f"    if not ({' or '.join('need_' + x for x in self.differentiable)}): return None")
            self._node("    ")
        self.add("    return n")
