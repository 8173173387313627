"""Prints the source of an op's Node class and wrapper from its `Plan`.

The text is what one would write by hand for that op and nothing more, so that a call costs about a microsecond above
the array library's. In it `input_` is the array of `input`, `y` the array of the result `t`, and `n` its node. This is
the whole text for `mul`, except `record`, which makes the node alone::

  class NodeClass(Node):
      __slots__ = ()
      op = op
      op_name = 'mul'
      saved_names = saved_names
      frees = True

      def pull(self, grad, graph):
          saved = self.saved
          if saved is None: freed(self)
          other, input, shapes = saved
          if isinstance(other, Tensor):
              counter = other._counter
              if counter is not None and counter.last_write > self.seq: check_kept(self, other)
              if not graph: other = other._array
          if isinstance(input, Tensor):
              counter = input._counter
              if counter is not None and counter.last_write > self.seq: check_kept(self, input)
              if not graph: input = input._array
          to_input, to_other = self.edges
          d_input = None if to_input is None else grad * other
          d_other = None if to_other is None else grad * input
          if shapes is not None:
              if d_input is not None: d_input = sum_to(d_input, shapes[0])
              if d_other is not None: d_other = sum_to(d_other, shapes[1])
          return d_input, d_other

  NodeClass.__name__ = NodeClass.__qualname__ = node_name

  def core(input, other):
      input_ = input._array if isinstance(input, Tensor) else input
      other_ = other._array if isinstance(other, Tensor) else other
      if input_ is input and other_ is other:
          if input.__class__ not in ARRAYS and other.__class__ not in ARRAYS: refuse_non_tensors(op, (input, other))
          return fn(input, other)
      bits = 0
      if gate.on:
          bits = state.bits
          if bits > 1: return unusual(core, (input, other), {})
      if input_.__class__ is not other_.__class__ or input_.dtype is not other_.dtype:
          number = other_.__class__ is float or other_.__class__ is int
          if number and input_.__class__ is ndarray and input_.dtype in INEXACT:
              other_ = other = constant(other_, input_.dtype)
          else:
              alike = promote_operands(op, input, other)
              if alike is None: return NotImplemented
              input, other = alike
              input_ = input._array if isinstance(input, Tensor) else input
              other_ = other._array if isinstance(other, Tensor) else other
      try:
          y = input_ * other_
      except ValueError as error:
          raise_shape_mismatch(error, input_, other_)
      if y.__class__ is not ndarray and y.__class__ not in ARRAYS: y = asarray(y)
      t = new(Tensor)
      t._array = y
      t._view = t._counter = None
      if not bits:
          try:
              need_input = input is not input_ and (input._requires_grad if input._view is None else needs_grad(input))
              need_other = other is not other_ and (other._requires_grad if other._view is None else needs_grad(other))
          except InferenceOperand: return with_inference_operands(core, (input, other), {})
          if need_input or need_other:
              n = NodeClass()
              n.seq = tick()
              n.dtype = y.dtype
              n.counter = None
              n.edges = ((input._node or input) if need_input else None, (other._node or other) if need_other else None)
              if need_input and need_other:
                  shapes = None if input_.shape == other_.shape else (input_.shape, other_.shape)
              elif need_input:
                  shapes = None if input_.shape == y.shape else (input_.shape, None)
              else:
                  shapes = None if other_.shape == y.shape else (None, other_.shape)
              n.saved = (other if need_input else None, input if need_other else None, shapes)
              t._requires_grad = True
              t._node = n
              return t
      t._requires_grad = False
      t._node = None
      return t

  def wrapper(input, other, *, out=None):
      if out is not None: return store_out('mul', out, core(input, other))
      t = core(input, other)
      if t is NotImplemented: raise_not_a_tensor(op, input, other)
      return t
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from inspect import Parameter
from textwrap import dedent
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import gate, state, unusual
from tapegrad.autograd.core.inference import InferenceOperand, needs_grad, with_inference_operands
from tapegrad.autograd.core.node import Node, check_kept, freed, overwritten
from tapegrad.autograd.core.tensor import Tensor, kept_result, new, requires_grad
from tapegrad.autograd.core.version import tick
from tapegrad.autograd.dispatch.plan import Plan, Saved
from tapegrad.autograd.types import dtypes
from tapegrad.backends import ARRAYS

#: what the source of every op refers to by name; `values_of` an op come on top
GLOBALS: dict[str, Any] = {"ARRAYS": ARRAYS, "INEXACT": dtypes.INEXACT, "asarray": np.asarray, "ndarray": np.ndarray}
GLOBALS |= {
    "Tensor": Tensor,
    "kept_result": kept_result,
    "new": new,
    "requires_grad": requires_grad,
    "missing": object(),
}
GLOBALS |= {"gate": gate, "state": state, "unusual": unusual, "needs_grad": needs_grad}
GLOBALS |= {"InferenceOperand": InferenceOperand, "with_inference_operands": with_inference_operands}
GLOBALS |= {"Node": Node, "check_kept": check_kept, "freed": freed, "overwritten": overwritten, "tick": tick}
GLOBALS |= {"no_shapes": (None,)}  # saved by all nodes whose rules read nothing and whose operands had one shape

# Byte code of one-expression functions -> the expression. A call of such a function costs a fifth of the op itself.
_EXPRESSIONS = {
    function.__code__.co_code: text
    for function, text in (
        (lambda a: a, "{0}"),
        (lambda a: -a, "-{0}"),
        (lambda a, b: a + b, "{0} + {1}"),
        (lambda a, b: a - b, "{0} - {1}"),
        (lambda a, b: a * b, "{0} * {1}"),
        (lambda a, b: a / b, "{0} / {1}"),
        (lambda a, b: a @ b, "{0} @ {1}"),
    )
}

# Nodes that PyTorch has written by hand have names of their own.
_NODE_NAMES = {"copy_slices": "CopySlices", "copy": "CopyBackwards"}

# How operands are brought together -> what does so when they differ.
_CONVERSIONS = {
    "promote": "promote_operands",
    "float": "promote_operands",
    "same": "check_same_dtype",
    "free": "to_one_device",
}


def source_of(plan: Plan) -> str:
    """The source of an op: its Node class, `core`, the public `wrapper`, and `record`."""
    node_class = [_node_class(plan)] if plan.differentiable else []
    return "\n\n".join([*node_class, _core(plan), _wrapper(plan), _record(plan)]) + "\n"


def values_of(plan: Plan) -> dict[str, Any]:
    """What the source of the op refers to by names of its own."""
    name = plan.op.name
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return {
        "node_name": _NODE_NAMES.get(name, f"{camel}Backward0"),
        "saved_names": tuple(saved.name for saved in plan.saved),
        **{rule.name: rule.function for rule in plan.rules},
        **{f"default_{p.name}": p.default for p in plan.parameters if p.default is not p.empty},
    }


def _fill(template: str, **parts: Any) -> str:
    """Fill in the names in `template`; a name alone on its line stands for any number of lines, indented like it."""
    text, names = _parsed(template)
    for indent, name in names:
        lines = parts[name]
        parts[name] = indent + lines.replace("\n", "\n" + indent) + "\n" if lines else ""
    return text.format(**parts).strip()


@cache
def _parsed(template: str) -> tuple[str, list[tuple[str, str]]]:
    """The template without line ends after names alone on their lines, and these names with their indentation."""
    text = dedent(template).strip() + "\n"
    return re.sub(r"(?m)^ *(\{\w+\})\n", r"\1", text), re.findall(r"(?m)^( *)\{(\w+)\}$", text)


def _tuple(items: Iterable[str]) -> str:
    items = list(items)
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def _call(function: Callable[..., Any], name: str, args: list[str]) -> str:
    """A call of `function`, known as `name`; written out where it is one small expression."""
    code = function.__code__
    if code.co_kwonlyargcount == 0 and code.co_code in _EXPRESSIONS:
        return _EXPRESSIONS[code.co_code].format(*args)
    return f"{name}({', '.join(args)})"


# ---- the Node class


def _node_class(plan: Plan) -> str:
    template = """
        class NodeClass(Node):
            __slots__ = {slots}
            op = op
            op_name = {name!r}
            saved_names = saved_names
            frees = {frees}

            def pull(self, grad, graph):
                {read_saved}
                {gradients}

        NodeClass.__name__ = NodeClass.__qualname__ = node_name
        """
    slots, read_saved = ("count", "takes") if plan.several else (), ""
    if plan.saved:
        lines = ["saved = self.saved"]  # once: another thread may free it in between
        lines += ["if saved is None: freed(self)"] * plan.frees
        lines += [f"{_tuple(saved.name for saved in plan.saved)[1:-1]} = saved"]
        lines += filter(None, (_read(plan, saved) for saved in plan.saved))
        read_saved = "\n".join(lines)
    return _fill(
        template, slots=slots, name=plan.op.name, frees=plan.frees, read_saved=read_saved, gradients=_gradients(plan)
    )


def _read(plan: Plan, saved: Saved) -> str:
    """Check that a value has not been written since, and give it the form that rules read."""
    nr, at, was_saved, number = 0, "", "", ""
    if saved.form == "operand" and plan.takes_list:
        template = """
            for x in {x}:
                counter = x._counter if isinstance(x, Tensor) else None
                if counter is not None and counter.last_write > self.seq: check_kept(self, x)
            if not graph: {x} = [x._array if isinstance(x, Tensor) else x for x in {x}]
            """
    elif saved.form == "operand":
        template = """
            if isinstance({x}, Tensor):
                counter = {x}._counter
                if counter is not None and counter.last_write > self.seq: check_kept(self, {x})
                if not graph: {x} = {x}._array
            """
    elif saved.form == "result":
        template = """
            counter = self.counter{at}
            written = {was_saved}counter is not None and counter.last_write > self.seq
            if written: overwritten(self, counter, {x}, {nr}, self)
            if {was_saved}graph: {x} = kept_result(self, {x}, counter{number})
            """
        if plan.several:
            nr = plan.op.outs.index(saved.name)
            at, number = f" and self.counter.get({nr})", f", {nr}"
        elif saved.only_for:
            was_saved = "result is not None and "
    else:
        return ""
    return _fill(template, x=saved.name, nr=nr, at=at, was_saved=was_saved, number=number)


def _gradients(plan: Plan) -> str:
    """Return the gradients of the operands."""
    operands, first = plan.operands, plan.rules[0]
    if plan.op.joint is not None:
        need = "tuple([edge is not None for edge in self.edges])"
        return f"return {first.name}({', '.join(['grad', need, *first.reads])})"
    gradients = {rule.operands[0]: _call(rule.function, rule.name, ["grad", *rule.reads]) for rule in plan.rules}
    if len(operands) == 1:
        return f"return {gradients[operands[0]]}" if plan.takes_list else f"return ({gradients[operands[0]]},)"
    lines = [f"{', '.join(f'to_{x}' for x in operands)} = self.edges"]
    lines += [f"d_{x} = None if to_{x} is None else {gradient}" for x, gradient in gradients.items()]
    if plan.broadcasts:
        lines += ["if shapes is not None:"]
        lines += [f"    if d_{x} is not None: d_{x} = sum_to(d_{x}, shapes[{operands.index(x)}])" for x in gradients]
    lines += [f"return {', '.join(f'd_{x}' if x in gradients else 'None' for x in operands)}"]
    return "\n".join(lines)


# ---- the wrapper


def _signature(plan: Plan, *more: str) -> str:
    """The function's own parameters, and keyword-only ones of the public form."""

    def text(p: Parameter) -> str:
        if p.default is not p.empty:
            return f"{p.name}=default_{p.name}"
        return "dim=missing" if p.name == "dim" and plan.dim_is_last and "axis=None" in more else p.name

    positional = [text(p) for p in plan.parameters if p.kind is not p.KEYWORD_ONLY]
    keyword = [*(text(p) for p in plan.parameters if p.kind is p.KEYWORD_ONLY), *more]
    return ", ".join([*positional, "*", *keyword] if keyword else positional)


def _arguments(plan: Plan, operand: str = "{}") -> list[str]:
    """The arguments of a call that hands on all parameters, the operands as `operand` says."""
    values = [operand.format(name) if name in plan.operands else name for name in plan.names]
    return [f"{p.name}={x}" if p.kind is p.KEYWORD_ONLY else x for p, x in zip(plan.parameters, values)]


def _core(plan: Plan) -> str:
    """The function that operators and other modes call."""
    template = """
        def core({signature}):
            {arrays}
            if {no_tensor}:
                if {no_array}: refuse_non_tensors(op, {names})
                return fn({arguments}){results}
            bits = 0
            if gate.on:
                bits = state.bits
                if bits > 1: return unusual(core, {packed})
            {make_alike}
            {result}
        """
    x, results = plan.operands[0], ""
    if plan.takes_list:
        no_tensor = f"all([x is y for x, y in zip({x}, {x}_)])"
        no_array = f"not {x}_ or any([x.__class__ not in ARRAYS for x in {x}_])"
    else:
        no_tensor = " and ".join(f"{x}_ is {x}" for x in plan.operands)
        no_array = " and ".join(f"{x}.__class__ not in ARRAYS" for x in plan.operands)
    if plan.op.keeps:  # they are for nodes only
        results = f"[:{len(plan.op.outs)}]" if plan.several else "[0]"
    return _fill(
        template,
        signature=_signature(plan),
        arrays=_arrays(plan),
        no_tensor=no_tensor,
        no_array=no_array,
        names=_tuple(plan.names),
        arguments=", ".join(_arguments(plan)),
        results=results,
        packed=_packed(plan),
        make_alike=_make_alike(plan),
        result=_result(plan),
    )


def _packed(plan: Plan) -> str:
    """The arguments as a tuple and a dict."""
    keyword = [p.name for p in plan.parameters if p.kind is p.KEYWORD_ONLY]
    positional = _tuple(name for name in plan.names if name not in keyword)
    return f"{positional}, {{{', '.join(f'{name!r}: {name}' for name in keyword)}}}"


def _arrays(plan: Plan) -> str:
    """The arrays of the operands."""
    if plan.takes_list:
        return "{x}_ = [x._array if isinstance(x, Tensor) else x for x in {x}]".format(x=plan.operands[0])
    return "\n".join(f"{x}_ = {x}._array if isinstance({x}, Tensor) else {x}" for x in plan.operands)


def _make_alike(plan: Plan) -> str:
    """The quick test that finds operands alike, and the call that makes them so."""
    how, (x, *others) = plan.op.operands, plan.operands
    tests = []
    for y in others:
        test = f"{x}_.__class__ is not {y}_.__class__" + (f" or {x}_.dtype is not {y}_.dtype" if how != "free" else "")
        tests.append(f"({y}_ is not None and ({test}))" if y in plan.optional else test)
    if how == "float":
        tests.append(f"{x}_.dtype not in INEXACT")
    convert = f"{', '.join(plan.operands)} = {_CONVERSIONS[how]}(op, {', '.join(plan.operands)})"
    if plan.takes_list:
        tests = [f"any([y.__class__ is not {x}_[0].__class__ or y.dtype is not {x}_[0].dtype for y in {x}_])"]
        convert = f"refuse_non_tensors(op, ({x},))\n{x} = {_CONVERSIONS[how]}(op, *{x})"
    elif not others:
        convert = f"{x} = to_float({x})"
    if not tests:
        return ""
    template = """
        if {test}:
            {convert}
            {arrays}
        """
    if plan.is_operator:
        # A number with a NumPy array becomes a 0-d array, made once: NumPy takes three times as long for a number.
        # An operator leaves what it does not know to the other operand's class.
        template = """
            if {test}:
                number = {y}_.__class__ is float or {y}_.__class__ is int
                if number and {x}_.__class__ is ndarray and {x}_.dtype in INEXACT:
                    {y}_ = {y} = constant({y}_, {x}_.dtype)
                else:
                    alike = promote_operands(op, {x}, {y})
                    if alike is None: return NotImplemented
                    {x}, {y} = alike
                    {arrays}
            """
    return _fill(template, test=" or ".join(tests), convert=convert, arrays=_arrays(plan), x=x, y=plan.operands[-1])


def _result(plan: Plan) -> str:
    """Compute the result and wrap it, with a node where an operand requires grad, or several results with one node."""
    x, rest = plan.operands[0], _tuple(name for name in plan.names if name != plan.operands[0])
    arguments = _arguments(plan, "{}_")
    if plan.several:
        template = """
            results = fn({arguments})
            n = None
            {if_recorded}
            return wrap_results(op, n, results, {x}, {x}_, {rest}, bits)
            """
        return _fill(template, arguments=", ".join(arguments), if_recorded=_if_recorded(plan, ""), x=x, rest=rest)
    template = """
        {compute}
        if y.__class__ is not ndarray and y.__class__ not in ARRAYS: y = asarray(y)
        t = new(Tensor)
        t._array = y
        t._view = t._counter = None
        {if_recorded}
        t._requires_grad = False
        t._node = None
        {mark_view}
        return t
        """
    compute = f"{', '.join(['y', *plan.op.keeps])} = {_call(plan.op.fn, 'fn', arguments)}"
    if plan.broadcasts:
        mismatch = f"raise_shape_mismatch(error, {', '.join(f'{x}_' for x in plan.operands)})"
        compute = f"try:\n    {compute}\nexcept ValueError as error:\n    {mismatch}"
    mark_view = [f"if {x} is not {x}_: mark_view(function, t, {x}, {x}_, {rest}, bits)"] * plan.op.view
    then = "\n".join(["t._requires_grad = True", "t._node = n", *mark_view, "return t"])
    return _fill(template, compute=compute, if_recorded=_if_recorded(plan, then), mark_view="".join(mark_view))


def _if_recorded(plan: Plan, then: str) -> str:
    """Make the node `n` where an operand requires grad, and go on with `then`."""
    template = """
        if not bits:
            {needs}
            if {any_needs}:
                {make_node}
                {then}
        """
    if not plan.differentiable:
        return ""
    needs, any_needs = _needs(plan, "requires_grad" if plan.takes_list else "needs_grad")
    if not plan.takes_list:  # an op that has met an inference tensor is done elsewhere
        elsewhere = f"except InferenceOperand: return with_inference_operands(core, {_packed(plan)})"
        needs = _fill("try:\n    {needs}\n{elsewhere}", needs=needs, elsewhere=elsewhere)
    return _fill(template, needs=needs, any_needs=any_needs, make_node=_make_node(plan), then=then)


def _needs(plan: Plan, ask: str) -> tuple[str, str]:
    """Find out which operands require grad, and whether any does."""
    if plan.takes_list:
        return f"needs = [isinstance(x, Tensor) and {ask}(x) for x in {plan.operands[0]}]", "any(needs)"
    needs = [
        f"need_{x} = {x} is not {x}_ and ({x}._requires_grad if {x}._view is None else {ask}({x}))"
        for x in plan.differentiable
    ]
    return "\n".join(needs), " or ".join(f"need_{x}" for x in plan.differentiable)


def _make_node(plan: Plan) -> str:
    """Make the node `n`."""
    template = """
        n = NodeClass()
        n.seq = tick()
        n.dtype = {dtype}
        n.counter = None
        n.edges = {edges}
        {shapes}
        n.saved = {saved}
        """
    if plan.takes_list:
        edges = f"tuple([(x._node or x) if need else None for x, need in zip({plan.operands[0]}, needs)])"
    elif len(plan.differentiable) == 1:
        edges = _tuple(f"{x}._node or {x}" if x in plan.differentiable else "None" for x in plan.operands)
    else:
        edges = _tuple(
            f"({x}._node or {x}) if need_{x} else None" if x in plan.differentiable else "None" for x in plan.operands
        )
    saved = _tuple(_value(plan, value) for value in plan.saved)
    if saved == "(shapes,)":
        saved = "no_shapes if shapes is None else (shapes,)"
    dtype = "None" if plan.several else "y.dtype"
    return _fill(template, dtype=dtype, edges=edges, shapes=_shapes(plan) if plan.broadcasts else "", saved=saved)


def _shapes(plan: Plan) -> str:
    """What broadcasting did, if anything: the gradients must be summed back."""
    if len(plan.differentiable) != 2 or len(plan.operands) != 2:
        shapes = (f"{x}_.shape if need_{x} else None" if x in plan.differentiable else "None" for x in plan.operands)
        return f"shapes = {_tuple(shapes)}"
    template = """
        if need_{a} and need_{b}:
            shapes = None if {a}_.shape == {b}_.shape else ({a}_.shape, {b}_.shape)
        elif need_{a}:
            shapes = None if {a}_.shape == y.shape else ({a}_.shape, None)
        else:
            shapes = None if {b}_.shape == y.shape else (None, {b}_.shape)
        """
    return _fill(template, a=plan.operands[0], b=plan.operands[1])


def _value(plan: Plan, saved: Saved) -> str:
    """What the node saves, as an expression."""
    value = name = saved.name
    if saved.form == "fact":
        x, _, fact = name.rpartition("_")
        value = f"{x}_.{fact}"
        if plan.takes_list:
            value = f"[x.{fact} for x in {x}_]"
        elif x in plan.optional:
            value = f"None if {x} is None else {value}"
    elif saved.form == "operand" and plan.takes_list:
        value = f"tuple({name})"
    elif saved.form in ("result", "intermediate") and plan.several:
        value = f"results[{(*plan.op.outs, *plan.op.keeps).index(name)}]"
    elif saved.form == "result":
        value = "y"
    return f"{value} if {' or '.join(f'need_{x}' for x in saved.only_for)} else None" if saved.only_for else value


def _wrapper(plan: Plan) -> str:
    """The function that users call: `core`, with NumPy's spellings of `dim` and `keepdim`, and ``out=``."""
    name, names, core = plan.op.name, plan.names, f"core({', '.join(_arguments(plan))})"
    more, lines = [], []
    if "dim" in names:
        more += ["axis=None"]
        lines += ["if axis is not None: dim = axis"]
        if plan.dim_is_last:
            error = f'{name}() missing 1 required positional arguments: "dim"'
            lines += [f"if dim is missing: raise TypeError({error!r})"]
    if "keepdim" in names:
        more += ["keepdims=None"]
        lines += ["if keepdims is not None: keepdim = keepdims"]
    if not plan.op.view and "out" not in names:
        more += ["out=None"]
        lines += [f"if out is not None: return store_out({name!r}, out, {core})"]
    if plan.is_operator:
        refuse = f"raise_not_a_tensor(op, {', '.join(plan.operands)})"
        lines += [f"t = {core}", f"if t is NotImplemented: {refuse}", "return t"]
    else:
        lines += [f"return {core}"]
    return "\n    ".join([f"def wrapper({_signature(plan, *more)}):", *lines])


def _record(plan: Plan) -> str:
    """The node alone, for a result that was made elsewhere (in place, or under vmap)."""
    template = """
        def record({signature}):
            {arrays}
            {needs}
            if not ({any_needs}): return None
            {make_node}
            return n
        """
    signature = ", ".join(["results" if plan.several else "y", *plan.op.keeps, *plan.names])
    if not plan.differentiable:
        return f"def record({signature}):\n    return None"
    arrays, (needs, any_needs) = _arrays(plan), _needs(plan, "requires_grad")
    make_node = _make_node(plan)
    return _fill(template, signature=signature, arrays=arrays, needs=needs, any_needs=any_needs, make_node=make_node)
