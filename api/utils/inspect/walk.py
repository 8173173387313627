"""Reading the tape without running it: its nodes in order, the operands that edges stand for, what nodes keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from inspect import signature
from typing import Any, NamedTuple

from tapegrad.autograd.core.node import Node, Slot
from tapegrad.autograd.core.tensor import Tensor, requires_grad
from tapegrad.autograd.dispatch.decorator import Op
from tapegrad.autograd.dispatch.plan import Each
from tapegrad.autograd.dispatch.rebase import CopySlices
from tapegrad.autograd.functions.function import Function
from tapegrad.autograd.saved.packed_values import Packed
from tapegrad.autograd.tape.function_node import BackwardCFunction, Output
from tapegrad.backends import is_array
from tapegrad.utils.inspect.notes import note_of


class Edge(NamedTuple):
    """What a node's gradient goes to."""

    operand: str
    target: Any  # the node that made it, or the leaf itself; None where no gradient is asked for
    nr: int  # which of the target's results it is


class KeptValue(NamedTuple):
    """A value that a node keeps: by which name, and as what."""

    name: str
    value: Any
    is_result: bool


def outputs_of(outputs: Iterable[Any]) -> list[Tensor]:
    """The tensors among `outputs`, nested or not, each with its history up to date.

    Raises:
        TypeError: something else is among them.
        RuntimeError: one has no history, or there is none at all.
    """
    found: list[Tensor] = []
    stack = list(outputs)[::-1]
    while stack:
        item = stack.pop()
        if isinstance(item, Tensor):
            if not requires_grad(item):
                raise RuntimeError(f"element {len(found)} of tensors does not require grad and does not have a grad_fn")
            found.append(item)
        elif isinstance(item, Mapping):
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        else:
            raise TypeError(f"expected tensors, or tuples, lists and dicts of them, but got {type(item).__name__}")
    if not found:
        raise RuntimeError("there is no tensor whose tape could be looked at")
    return found


def resolved(target: Any) -> tuple[Any, int]:
    """A slot stands for one result of a node: the node, and the result's number."""
    return (target.edges[0], target.nr) if isinstance(target, Slot) else (target, 0)


def made_by(t: Tensor) -> tuple[Any, int]:
    """The node that made `t` and the number of the result, or the leaf itself."""
    return resolved(t._node or t)


def nodes_below(outputs: Iterable[Tensor]) -> list[Node]:
    """All nodes from which `outputs` were made, in the order in which a pass runs them: the latest first."""
    seen: set[Any] = {made_by(t)[0] for t in outputs}
    stack = list(seen)
    nodes = []
    while stack:
        target = stack.pop()
        if isinstance(target, Node):
            nodes.append(target)
            for edge in target.edges:
                below = resolved(edge)[0]
                if below is not None and below not in seen:
                    seen.add(below)
                    stack.append(below)
    nodes.sort(key=lambda node: -node.seq)
    return nodes


def plain_class(node: Node) -> type[Node]:
    """The node's class, without the hooks that it may run."""
    return node.bare or type(node)


def op_of(node: Node) -> Op | None:
    """The op that the node is an application of; None for the nodes of Functions and of writes to views."""
    op = getattr(plain_class(node), "op", None)
    return op if isinstance(op, Op) else None


@cache
def operands(op: Op) -> tuple[str, ...]:
    """The names of an op's tensor operands, in order."""
    return tuple([name for name in signature(op.fn).parameters if name in op.rules])


def result_names(node: Node) -> tuple[str, ...]:
    """The names of the node's results."""
    op = op_of(node)
    count = getattr(node, "count", 1)
    if op is not None and isinstance(op.outs, tuple) and op.outs:
        return op.outs
    return ("result",) if count == 1 else tuple([f"result {i}" for i in range(count)])


def edges_of(node: Node) -> list[Edge]:
    """The node's edges, with the operands' names."""
    return [Edge(name, *resolved(target)) for name, target in zip(_edge_names(node), node.edges, strict=True)]


def _edge_names(node: Node) -> list[str]:
    count = len(node.edges)
    op = op_of(node)
    if op is not None:
        names = operands(op)
        if isinstance(op.rules[names[0]], Each):
            return [f"{names[0]}[{i}]" for i in range(count)]
        return list(names)
    if isinstance(node, CopySlices):
        return ["before", "value"]
    if isinstance(node, BackwardCFunction):
        return _function_arguments(node)
    return [f"operand {i}" for i in range(count)]


def _function_arguments(node: BackwardCFunction) -> list[str]:
    """The names of the tensors among the arguments of a Function's ``forward``."""
    cls = node._forward_cls
    parameters = list(signature(cls.forward).parameters.values())
    if cls.setup_context is Function.setup_context:
        del parameters[:1]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "argument")
    names += [f"{rest}[{i}]" for i in range(len(node.inputs) - len(names))]
    return [name for name, facts in zip(names, node.inputs) if facts is not None]


def kept_by(node: Node) -> list[KeptValue]:
    """What the node keeps for backward, arrays or not; nothing once it has been freed."""
    if isinstance(node, BackwardCFunction):
        saved = [
            KeptValue(f"saved_tensors[{i}]", kept, isinstance(kept, Output)) for i, kept in enumerate(node.saved or ())
        ]
        return saved + [KeptValue(f"ctx.{name}", value, False) for name, value in node.attributes.items()]
    if node.saved is None or len(node.saved) != len(node.saved_names):
        return [KeptValue(f"saved {i}", value, False) for i, value in enumerate(node.saved or ())]
    op = op_of(node)
    inputs = operands(op) if op is not None else node.saved_names
    made = {"result", "results", *((*op.outs, *op.keeps) if op is not None else ())}
    return [
        KeptValue(name, value, name in made and name not in inputs) for name, value in zip(node.saved_names, node.saved)
    ]


def arrays_in(value: Any) -> Iterator[tuple[Any, Tensor | None]]:
    """The arrays in a kept value, each with the tensor that it belongs to, if any; of what hooks have packed those that
    they have made of it.
    """
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Tensor):
            yield item._array, item
        elif isinstance(item, Output):
            yield item.array, None
        elif isinstance(item, Packed):
            stack.append(item.kept)
        elif isinstance(item, Mapping):
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        elif is_array(item) and hasattr(item, "nbytes"):
            yield item, None


def is_view(node: Node) -> bool:
    """Whether the op's result may share its operand's memory."""
    op = op_of(node)
    return op is not None and op.view


def writes_in_place(node: Node) -> bool:
    """Whether the node is known to stand for a write to memory: of an in-place form only a note tells."""
    note = note_of(node)
    return isinstance(node, CopySlices) or node.op_name == "copy_slices" or (note is not None and note.in_place)


class Names:
    """The names that a user has given to tensors.

    Args:
        params: a mapping from names to tensors, or pairs of the two, as ``model.named_parameters()`` gives; what is no
            tensor is passed over, so ``locals()`` will do.
    """

    def __init__(self, params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> None:
        pairs = params.items() if isinstance(params, Mapping) else params or ()
        self._leaves: dict[int, str] = {}
        self._results: dict[tuple[Node, int], str] = {}
        for name, t in list(pairs):
            if isinstance(t, Tensor) and requires_grad(t):
                if t._node is None:
                    self._leaves.setdefault(id(t), name)
                else:
                    self._results.setdefault(made_by(t), name)

    def of_leaf(self, leaf: Tensor) -> str | None:
        """The leaf's name."""
        return self._leaves.get(id(leaf))

    def of_result(self, node: Node, nr: int = 0) -> str | None:
        """The name of what the node made."""
        return self._results.get((node, nr))
