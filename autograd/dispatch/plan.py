"""What an op's Node class and wrapper must do, worked out from its function and its rules; `codegen` prints it."""
from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapegrad.autograd.dispatch.decorator import Op


class Each:
    """Marks a rule whose operand is a list of tensors, and which returns a list of gradients."""

    __slots__ = ("rule",)

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Rule:
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


@dataclass(frozen=True, slots=True)
class Saved:
    """A value that the node saves.

    Attributes:
        name: the rules' name for it.
        form: "operand": the tensor. "result": the array of a result. "intermediate": what the function returns after its
            results. "fact": the shape or dtype of an operand. "argument": any other argument. "shapes": those of the operands where they were
            broadcast, else None.
        only_for: it is saved only where one of these operands requires grad; empty: in any case.
    """

    name: str
    form: str
    only_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What the source of an op must do.

    Attributes:
        op: as it was declared.
        parameters: of its function.
        operands: the parameters that are tensors.
        differentiable: the operands that a rule serves.
        rules: one for each differentiable operand, or one for all.
        saved: what the rules read, and the shapes of operands that broadcast.
    """

    op: Op
    parameters: tuple[inspect.Parameter, ...]
    operands: tuple[str, ...]
    differentiable: tuple[str, ...]
    rules: tuple[Rule, ...]
    saved: tuple[Saved, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return tuple(p.name for p in self.parameters)

    @property
    def takes_list(self) -> bool:
        """Whether the one operand is a list of tensors."""
        return any(isinstance(rule, Each) for rule in self.op.rules.values())

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
        TypeError: a rule is for no parameter or reads an unknown name, or there are operands beside a list.
    """
    parameters = tuple(inspect.signature(op.fn).parameters.values())
    operands = tuple(p.name for p in parameters if p.name in op.rules)
    unknown = set(op.rules) - set(operands)
    if unknown:
        raise TypeError(f"op {op.name}: rules for {sorted(unknown)}, which are no parameters")
    rules = _rules(op, operands)
    differentiable = tuple(x for x in operands if any(x in rule.operands for rule in rules))
    plan = Plan(op, parameters, operands, differentiable, rules, _saved(op, parameters, operands, differentiable, rules))
    if plan.takes_list and len(operands) != 1:
        raise TypeError(f"op {op.name}: a list operand must be the only operand")
    return plan


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


def _saved(op: Op, parameters: tuple[inspect.Parameter, ...], operands: tuple[str, ...], differentiable: tuple[str, ...],
           rules: tuple[Rule, ...]) -> tuple[Saved, ...]:
    forms = {
        **{p.name: "argument" for p in parameters},
        **{f"{x}_{fact}": "fact" for x in operands for fact in ("shape", "dtype")},
        **dict.fromkeys(op.keeps, "intermediate"),
        **dict.fromkeys(() if op.outs == "many" else op.outs or ("result",), "result"),
        **dict.fromkeys(operands, "operand"),
    }
    saved = []
    for name in dict.fromkeys(name for rule in rules for name in rule.reads):
        form = forms.get(name)
        if form is None:
            raise TypeError(f"op {op.name}: a rule asks for '{name}', which is neither an operand, a result, a shape nor an argument")
        readers = tuple(x for x in differentiable if any(x in rule.operands and name in rule.reads for rule in rules))
        # An argument costs nothing to save, nor does a fact; but an operand of a "free" op may be a number, which has none.
        always = readers == differentiable or form == "argument" or (form == "fact" and op.operands != "free")
        saved.append(Saved(name, form, () if always else readers))
    if op.kind == "elementwise" and len(operands) > 1:
        saved.append(Saved("shapes", "shapes"))
    return tuple(sorted(saved, key=lambda value: FORMS.index(value.form)))
