"""`explain`: one pass over the tape in words, node by node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import getsource, signature
from textwrap import dedent
from typing import Any

import numpy as np

from tapegrad.autograd.core.gate import WATCHED, set_bits, state
from tapegrad.autograd.core.node import At, Node, Slot
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.plan import Each
from tapegrad.autograd.dispatch.rebase import CopySlices
from tapegrad.autograd.modes.observers import Pull, Watcher
from tapegrad.autograd.saved.packed_values import Packed
from tapegrad.autograd.tape import engine as tape
from tapegrad.autograd.tape.backward import seeds_of
from tapegrad.autograd.tape.current_pass import Pass
from tapegrad.autograd.tape.function_node import BackwardCFunction, Output
from tapegrad.autograd.tape.sums import dense
from tapegrad.backends import ARRAYS
from tapegrad.utils.inspect.notes import note_of
from tapegrad.utils.inspect.rule_text import rule_text
from tapegrad.utils.inspect.values import array_text, kind_text
from tapegrad.utils.inspect.walk import (
    Edge,
    Names,
    arrays_in,
    edges_of,
    is_view,
    kept_by,
    made_by,
    nodes_below,
    op_of,
    operands,
    outputs_of,
    plain_class,
    resolved,
    result_names,
    writes_in_place,
)

_NOT_RUN = "   hooks     there are some, which have not been run"
#: values that take more columns than this stand below each other
_WIDE = 100
#: how many sources of one sum are shown
_SOURCES = 6


class Explanation:
    """What `explain` found; ``str()`` and a notebook show the text.

    Attributes:
        text: the whole text.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def explain(
    *outputs: Any,
    params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
    gradient: Any = None,
    max_nodes: int = 50,
) -> Explanation:
    """The tape of `outputs` in words: what each node computed, the rule that differentiates it, and the gradients that
    a pass brings.

    A real pass runs, with ``retain_graph=True``, and leaves every ``.grad`` alone. Hooks do not run, so the gradients
    shown are those without them; the ``backward`` of a custom Function runs, and what hooks have packed is unpacked.
    The result of a node is shown where some rule keeps it, and always for what was recorded inside ``with
    tapegrad.utils.notes(values=True):``.

    Args:
        params: names for tensors, leaves or not: a mapping such as ``dict(model.named_parameters())`` or ``locals()``.
        gradient: the gradient of the output, of its shape, or one for each of several; None for outputs of one element.
        max_nodes: how many nodes are shown, the first that run; the pass goes through all.

    Returns:
        An object whose text is the explanation.

    Raises:
        RuntimeError: as ``backward()`` does: no history, no scalar, the graph is freed, a kept value has been
            overwritten.

    Example:
        >>> x = tapegrad.tensor([2.0, 3.0], requires_grad=True)
        >>> y = x * x
        >>> print(tapegrad.utils.explain(y.sum(), params=locals()))
        The tape of 2 nodes, in the order in which backward runs them.
        <BLANKLINE>
        1. sum (SumBackward0)
           result    13.  float32 []
           gradient  1., to begin with
           to input, which is 2:
             rule      def expand_reduced(grad: Operand, input_shape: tuple[int, ...], dim: Dims | None, keepdim: bool) -> Operand:
                           if dim is not None or keepdim:
                               grad = kept_dims(grad, input_shape, dim, keepdim)
                           return _expand(grad, input_shape)
                       where input_shape = (2,), dim = None, keepdim = False
             gradient  [1., 1.]
        <BLANKLINE>
        2. y = mul (MulBackward0)
           result    not kept, for no rule reads it  float32 [2]
           gradient  [1., 1.], from 1
           to input, which is the leaf x:
             rule      lambda grad, other: grad * other
                       where other = [2., 3.]
             gradient  [2., 3.]
           to other, which is the leaf x:
             rule      lambda grad, input: grad * input
                       where input = [2., 3.]
             gradient  [2., 3.]
        <BLANKLINE>
        Leaves
           x         [2., 3.]  float32 [2]
           gradient  [4., 6.] = [2., 3.] (2, input) + [2., 3.] (2, other)
    """
    if max_nodes < 1:
        raise ValueError(f"max_nodes must be positive, not {max_nodes}")
    roots = outputs_of(outputs)
    if gradient is None or isinstance(gradient, Tensor):
        gradients = [gradient] * len(roots)
    else:
        gradients = list(gradient)
    if len(gradients) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(gradients)} gradients")
    explainer = _Explainer(roots, Names(params), max_nodes)
    explainer.run(seeds_of(roots, gradients, False))
    return Explanation(explainer.text())


class _Explainer(Watcher):
    """Observes a pass, and turns gradients into text at once, so that none is kept."""

    def __init__(self, roots: list[Tensor], names: Names, most: int) -> None:
        self.names = names
        self.nodes = nodes_below(roots)
        self.numbers: dict[Node, int] = {node: i for i, node in enumerate(self.nodes[:most], 1)}
        self.results = _results_kept(self.nodes[:most], roots)
        self.leaves: dict[int, Tensor] = {}
        #: (node or id of a leaf, number of the result) -> what has arrived there, and from where
        self.arrived: dict[Any, list[tuple[str, str]]] = {}
        self.left_out: dict[Any, int] = {}
        self.sums: dict[int, str] = {}
        self.paragraphs: dict[Node, list[str]] = {}
        #: nodes with hooks on one of several results
        self.hooked: set[Node] = set()

    def run(self, seeds: list[tuple[Any, Any]]) -> None:
        for target, seed in seeds:
            self._note_arrival(*resolved(target), seed, "to begin with")
        # A pass that finds gradients for itself and accumulates none, as `autograd.grad` does: what can only accumulate
        # says so.
        this = Pass(
            seeds, {edge for node in self.nodes for edge in node.edges if isinstance(edge, Tensor)}, state.running
        )
        before = state.watchers, state.running
        state.watchers, state.running = (), this
        try:
            with self:
                tape.run(seeds, False, True, self._leaf_done)
            this.end()
        finally:
            state.watchers, state.running = before
            if before[0]:
                set_bits(state.bits | WATCHED)

    # ---- what the pass calls

    def pull(self, pull: Pull, node: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
        """Run the node, and describe it."""
        if isinstance(node, Slot):
            if _has_hooks(node):
                self.hooked.add(node.edges[0])
            return Slot.pull(node, grad, graph)
        grads = plain_class(node).pull(node, grad, graph)
        number = self.numbers.get(node)
        if number is not None:
            edges = edges_of(node)
            for edge, d in zip(edges, grads):
                if edge.target is not None and d is not None:
                    self._note_arrival(edge.target, edge.nr, d, f"{number}, {edge.operand}")
            self.paragraphs[node] = self._paragraph(node, number, grad, edges, grads)
        else:
            for edge in node.edges:
                if isinstance(edge, Tensor) and id(edge) in self.leaves:
                    self.left_out[id(edge), 0] = self.left_out.get((id(edge), 0), 0) + 1
        return grads

    def _note_arrival(self, target: Any, nr: int, d: Any, source: str) -> None:
        key = (target, nr)
        if isinstance(target, Tensor):
            self.leaves[id(target)] = target
            key = (id(target), 0)
        elif target not in self.numbers:
            return
        known = self.arrived.setdefault(key, [])
        if len(known) < _SOURCES:
            known.append((_gradient_text(d), source))
        else:
            self.left_out[key] = self.left_out.get(key, 0) + 1

    def _leaf_done(self, leaf: Tensor, grad: Any, owned: bool, graph: bool) -> None:
        if id(leaf) in self.leaves:
            self.sums[id(leaf)] = _gradient_text(grad)

    # ---- the text

    def text(self) -> str:
        count = len(self.nodes)
        lines = [f"The tape of {count} node{'s' * (count != 1)}, in the order in which backward runs them."]
        for node in self.numbers:
            lines += ["", *self.paragraphs.get(node, self._unreached(node))]
        if count > len(self.numbers):
            lines += ["", f"... and {count - len(self.numbers)} more nodes."]
        if self.leaves:
            lines += ["", "Leaves"]
            for leaf in self.leaves.values():
                lines += self._leaf(leaf)
        return "\n".join(lines)

    def _title(self, node: Node) -> str:
        note = note_of(node)
        named = self.names.of_result(node) if len(result_names(node)) == 1 else None
        title = node.op_name or node.name()
        marks = []
        if is_view(node):
            marks.append("a view")
        if writes_in_place(node):
            marks.append("in place")
        place = (
            f"  {note.place}: {note.source}{f', in {note.inside}' if note.inside else ''}"
            if note is not None and note.line
            else ""
        )
        return (
            f"{self.numbers[node]}. {f'{named} = ' if named else ''}{title} ({', '.join([node.name(), *marks])}){place}"
        )

    def _unreached(self, node: Node) -> list[str]:
        return [self._title(node), "   no gradient arrives here"]

    def _paragraph(self, node: Node, number: int, grad: Any, edges: list[Edge], grads: tuple[Any, ...]) -> list[str]:
        lines = [self._title(node)]
        names = result_names(node)
        several = isinstance(grad, list)
        note = note_of(node)
        for nr, d in enumerate(grad if several else [grad]):
            word = names[nr] if len(names) > 1 else "result"
            value = self.results.get((node, nr)) or (
                note.values[nr] if note is not None and nr < len(note.values) else "not kept, for no rule reads it"
            )
            known = self.names.of_result(node, nr) if len(names) > 1 else None
            lines.append(
                f"   {f'{known} = {word}' if known else word:<9} {value}"
                + (f"  {_facts_of(d)}" if d is not None else "")
            )
            lines += (
                [f"   gradient  {text}" for text in self._sum_text((node, nr), d)]
                if d is not None
                else ["   gradient  none has arrived"]
            )
        if _has_hooks(node) or node in self.hooked:
            lines.append(_NOT_RUN)
        joint = self._joint(node)
        lines += joint
        for edge, d in zip(edges, grads):
            if edge.target is None:
                continue
            lines.append(f"   to {edge.operand}, which is {self._target(edge)}:")
            lines += [] if joint else self._rule(node, edge)
            lines.append(f"     gradient  {_gradient_text(d)}" if d is not None else "     gradient  none")
        return lines

    def _sum_text(self, key: Any, total: Any) -> list[str]:
        parts = self.arrived.get(key, [])
        more = self.left_out.get(key, 0)
        if len(parts) == 1 and not more:
            text, source = parts[0]
            return [f"{text}, {source if source == 'to begin with' else 'from ' + source.partition(',')[0]}"]
        whole = total if isinstance(total, str) else _gradient_text(total)
        if not parts:
            return [whole]
        sum_of = " + ".join(f"{text} ({source})" for text, source in parts)
        return [f"{whole} = {sum_of}{f' + {more} more' if more else ''}"]

    def _target(self, edge: Edge) -> str:
        if isinstance(edge.target, Tensor):
            name = self.names.of_leaf(edge.target)
            return f"the leaf {name}" if name else f"a leaf of shape {list(edge.target._array.shape)}"
        number = self.numbers.get(edge.target)
        names = result_names(edge.target)
        which = f"{names[edge.nr]} of " if len(names) > 1 else ""
        return f"{which}{number}" if number is not None else f"{which}a node left out here, {edge.target.name()}"

    def _leaf(self, leaf: Tensor) -> list[str]:
        name = self.names.of_leaf(leaf) or "leaf"
        lines = [f"   {name:<9} {array_text(leaf._array)}  {kind_text(leaf._array.shape, leaf._array.dtype)}"]
        total = self.sums.get(id(leaf))
        lines += [f"   gradient  {text}" for text in self._sum_text((id(leaf), 0), total)] if total is not None else []
        return (
            [*lines, _NOT_RUN]
            if any(getattr(leaf, "_extras", {}).get(kind) for kind in ("hooks", "before", "after", "accumulated"))
            else lines
        )

    # ---- rules

    def _joint(self, node: Node) -> list[str]:
        """The one rule for all operands, where there is no rule for each."""
        op = op_of(node)
        if op is not None:
            if op.joint is not None:
                return self._written("   ", op.joint, node, 2)
            each = next((rule.rule for rule in op.rules.values() if isinstance(rule, Each)), None)
            return self._written("   ", each, node, 1) if each is not None else []
        if isinstance(node, BackwardCFunction):
            values = [(kept.name, kept.value) for kept in kept_by(node)]
            return [*_indented("   rule      ", rule_text(node._forward_cls._derivative())), *_where("   ", values)]
        if isinstance(node, CopySlices):
            steps = ", ".join(getattr(function, "__name__", "?") for function, _, _ in node.saved[0])
            return [
                f"   rule      memory was written through a view, made by {steps}: what was there before gets the "
                "gradient",
                "             with zeros in that part, the value that was written gets the part",
            ]
        try:
            return _indented("   rule      ", dedent(getsource(plain_class(node).pull)).rstrip())
        except OSError:
            return ["   rule      its source is not at hand"]

    def _rule(self, node: Node, edge: Edge) -> list[str]:
        op = op_of(node)
        assert op is not None
        lines = self._written("     ", op.rules[edge.operand], node, 1)
        if "shapes" in node.saved_names:
            shapes = node.saved[node.saved_names.index("shapes")]
            shape = shapes[operands(op).index(edge.operand)] if shapes is not None else None
            if shape is not None:
                lines.append(f"               then summed to shape {list(shape)}, over what broadcasting repeated")
        return lines

    def _written(self, indent: str, rule: Any, node: Node, given: int) -> list[str]:
        asked = list(signature(rule).parameters)[given:]
        kept = {kept.name: kept.value for kept in kept_by(node)}
        return [
            *_indented(f"{indent}rule      ", rule_text(rule)),
            *_where(indent, [(name, kept[name]) for name in asked if name in kept]),
        ]


def _has_hooks(node: Node) -> bool:
    return node.bare is not None and any(getattr(node, "extra", {}).get(kind) for kind in ("hooks", "before", "after"))


def _indented(start: str, text: str) -> list[str]:
    first, *rest = text.split("\n")
    return [start + first, *(f"{' ' * len(start)}{line}".rstrip() for line in rest)]


def _where(indent: str, values: list[tuple[str, Any]]) -> list[str]:
    if not values:
        return []
    texts = [f"{name} = {_value_text(value)}" for name, value in values]
    start = f"{indent}          where "
    if sum(map(len, texts)) <= _WIDE:
        return [start + ", ".join(texts)]
    return [start + texts[0], *(" " * len(start) + text for text in texts[1:])]


def _value_text(value: Any) -> str:
    """A kept value in one line."""
    if isinstance(value, Packed):
        return f"packed by a hook as {_value_text(value.kept)}"
    arrays = list(arrays_in(value))
    if isinstance(value, (Tensor, Output)) or value.__class__ in ARRAYS or isinstance(value, np.generic):
        array = arrays[0][0]
        text = array_text(array)
        return text if text[0] in "[-0123456789tTF" else f"({kind_text(array.shape, array.dtype)}: {text})"
    if arrays:
        texts = [_value_text(t if t is not None else array) for array, t in arrays[:4]]
        return f"({', '.join(texts)}{', ...' if len(arrays) > 4 else ''})"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _facts_of(d: Any) -> str:
    return kind_text(d.shape, getattr(d.grad if isinstance(d, At) else d, "dtype", None))


def _gradient_text(d: Any) -> str:
    """A gradient as a user would see it: conjugated where it is complex, and with its zeros."""
    if isinstance(d, At):
        d = dense(d, False)
    array = d if d.__class__ in ARRAYS else np.asarray(d)
    return array_text(array.conj() if array.dtype.kind == "c" else array)


def _results_kept(nodes: Iterable[Node], roots: Iterable[Tensor]) -> dict[tuple[Node, int], str]:
    """The results of nodes that are at hand: of the outputs, and what nodes keep."""
    found: dict[tuple[Any, int], Any] = {}
    for root in roots:
        found.setdefault(made_by(root), root._array)
    for node in nodes:
        names = result_names(node)
        for kept in kept_by(node):
            if kept.is_result and kept.name in names and hasattr(kept.value, "shape"):
                found.setdefault((node, names.index(kept.name)), kept.value)
            elif isinstance(kept.value, Output):
                found.setdefault((node, kept.value.nr), kept.value.array)
            for array, t in arrays_in(kept.value):
                if t is not None and t._node is not None:
                    found.setdefault(made_by(t), array)
    return {result: array_text(array) for result, array in found.items() if isinstance(result[0], Node)}
