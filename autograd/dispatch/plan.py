"""What an op's Node class and wrapper must do, worked out from its function and its rules; `codegen` prints it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tapegrad.autograd.dispatch.decorator import Op


class Each:
    """Marks a rule whose operand is a list of tensors, and which returns a list of gradients."""

    __slots__ = ("rule",)

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule = rule


class Rule(NamedTuple):
    """A rule, and what it reads.

    Attributes:
        name: what the source calls it.
        function: the rule itself.
        operands: those whose gradients it returns.
        reads: the names of what it reads beside the gradient.
    """

    name: str
    function: Callable[..., Any]
    operands: tuple[str, ...]
    reads: tuple[str, ...]


#: what a saved value can be, in the order in which a node saves them
FORMS = ("operand", "result", "intermediate", "fact", "argument", "shapes")


class Saved(NamedTuple):
    """A value that the node saves.

    Attributes:
        name: the rules' name for it.
        form: "operand": the tensor. "result": the array of a result. "intermediate": what the function returns after
            its results. "fact": the shape or dtype of an operand. "argument": any other argument. "shapes": those of
            the operands where they were broadcast, else None.
        only_for: it is saved only where one of these operands requires grad; empty: in any case.
    """

    name: str
    form: str
    only_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan:
    """What the source of an op must do.

    Attributes:
        op: as it was declared.
        parameters: of its function.
        names: their names.
        operands: the names of those that are tensors.
        takes_list: the one operand is a list of tensors.
        differentiable: the operands that a rule serves.
        rules: one for each differentiable operand, or one for all.
        saved: what the rules read, and the shapes of operands that broadcast.
    """

    op: Op
    parameters: tuple[inspect.Parameter, ...]
    names: tuple[str, ...]
    operands: tuple[str, ...]
    takes_list: bool
    differentiable: tuple[str, ...]
    rules: tuple[Rule, ...]
    saved: tuple[Saved, ...]

    @property
    def several(self) -> bool:
        """Whether there are several results."""
        return bool(self.op.outs)

    @property
    def broadcasts(self) -> bool:
        """Whether operands of different shapes are broadcast, and their gradients summed back."""
        return any(value.form == "shapes" for value in self.saved)

    @property
    def is_operator(self) -> bool:
        """Whether one of Python's operators may call it, and must get NotImplemented for what is no operand."""
        return self.op.operands in ("promote", "float") and len(self.operands) == 2

    @property
    def optional(self) -> frozenset[str]:
        """The operands that may be None."""
        return frozenset(p.name for p in self.parameters if p.default is None and p.name in self.operands)

    @property
    def dim_is_last(self) -> bool:
        """Whether `dim` is the last argument that must be given, so that ``axis=`` can be given in its place."""
        required = [p.name for p in self.parameters if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
        return bool(required) and required[-1] == "dim"

    @property
    def frees(self) -> bool:
        """Whether the node saves arrays, which a pass frees; without any the graph can be walked again."""
        return any(value.form in ("operand", "result", "intermediate") for value in self.saved)


def plan_of(op: Op) -> Plan:
    """The plan of an op.

    Raises:
        TypeError: a rule is for no parameter or reads an unknown name, or a list is not the only operand.
    """
    signature = inspect.signature(op.fn).parameters
    parameters, names = tuple(signature.values()), tuple(signature)
    operands = tuple(name for name in names if name in op.rules)
    unknown = set(op.rules) - set(operands)
    if unknown:
        raise TypeError(f"op {op.name}: rules for {sorted(unknown)}, which are no parameters")
    takes_list = any(isinstance(rule, Each) for rule in op.rules.values())
    if takes_list and len(operands) != 1:
        raise TypeError(f"op {op.name}: a list operand must be the only operand")
    rules = _rules(op, operands)
    differentiable = tuple(x for x in operands if any(x in rule.operands for rule in rules))
    saved = _saved(op, names, operands, differentiable, rules)
    return Plan(op, parameters, names, operands, takes_list, differentiable, rules, saved)


def _rules(op: Op, operands: tuple[str, ...]) -> tuple[Rule, ...]:
    if op.joint is not None:
        return (Rule("rule_joint", op.joint, operands, tuple(inspect.signature(op.joint).parameters)[2:]),)
    rules = []
    for x in operands:
        rule = op.rules[x]
        function = rule.rule if isinstance(rule, Each) else rule
        if function is not None:
            rules.append(Rule(f"rule_{x}", function, (x,), tuple(inspect.signature(function).parameters)[1:]))
    return tuple(rules)


def _saved(
    op: Op,
    names: tuple[str, ...],
    operands: tuple[str, ...],
    differentiable: tuple[str, ...],
    rules: tuple[Rule, ...],
) -> tuple[Saved, ...]:
    results = () if op.outs == "many" else op.outs or ("result",)
    forms = {
        **dict.fromkeys(names, "argument"),
        **{f"{x}_{fact}": "fact" for x in operands for fact in ("shape", "dtype")},
        **dict.fromkeys(op.keeps, "intermediate"),
        **dict.fromkeys(results, "result"),
        **dict.fromkeys(operands, "operand"),
    }
    saved = []
    for name in dict.fromkeys(name for rule in rules for name in rule.reads):
        form = forms.get(name)
        if form is None:
            kinds = "neither an operand, a result, a shape nor an argument"
            raise TypeError(f"op {op.name}: a rule asks for '{name}', which is {kinds}")
        readers = tuple(x for rule in rules if name in rule.reads for x in rule.operands)
        # Arguments and facts cost nothing to save; but an operand of a "free" op may be a number, which has no facts.
        always = readers == differentiable or form == "argument" or (form == "fact" and op.operands != "free")
        saved.append(Saved(name, form, () if always else readers))
    if op.kind == "elementwise" and len(operands) > 1:
        saved.append(Saved("shapes", "shapes"))
    return tuple(sorted(saved, key=lambda value: FORMS.index(value.form)))
