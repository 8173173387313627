"""What a plan makes of an op's function and rules, before a line of source is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tapegrad.autograd.dispatch.decorator import each, op
from tapegrad.autograd.dispatch.plan import Plan, Rule, Saved, plan_of


def planned(fn: Callable[..., Any], **declared: Any) -> Plan:
    return plan_of(op(public=False, **declared)(fn).op)


def test_operands_rules_and_what_they_read():
    by_other, by_input = (lambda grad, other: grad * other), (lambda grad, input: grad * input)
    plan = planned(lambda input, other: input * other, input=by_other, other=by_input, kind="elementwise")
    assert plan.names == plan.operands == plan.differentiable == ("input", "other")
    assert plan.rules == (
        Rule("rule_input", by_other, ("input",), ("other",)),
        Rule("rule_other", by_input, ("other",), ("input",)),
    )
    assert plan.saved == (
        Saved("other", "operand", ("input",)),
        Saved("input", "operand", ("other",)),
        Saved("shapes", "shapes"),
    )
    assert plan.broadcasts and plan.frees and plan.is_operator
    assert not plan.several and not plan.takes_list


def test_what_is_saved_and_in_which_form():
    plan = planned(
        lambda input, weight, dim, *, scale=2: (input, weight),
        keeps=("mean",),
        input=lambda grad, input, result, mean, weight_shape, dim: None,
        weight=lambda grad, scale, result, weight_dtype, dim: None,
    )
    assert plan.saved == (
        Saved("input", "operand", ("input",)),
        Saved("result", "result"),
        Saved("mean", "intermediate", ("input",)),
        Saved("weight_shape", "fact"),
        Saved("weight_dtype", "fact"),
        Saved("dim", "argument"),
        Saved("scale", "argument"),
    )
    assert plan.frees and not plan.broadcasts and not plan.is_operator


def test_only_shapes_and_arguments_are_nothing_to_free():
    assert not planned(lambda input, dim: input, input=lambda grad, input_shape, dim: grad).frees


def test_a_fact_of_what_may_be_a_number_is_saved_only_for_the_rule_that_reads_it():
    rules = {"input": lambda grad: grad, "other": lambda grad, other_shape: grad}
    assert planned(lambda input, other: input, **rules).saved == (Saved("other_shape", "fact"),)
    free = planned(lambda input, other: input, operands="free", **rules)
    assert free.saved == (Saved("other_shape", "fact", ("other",)),)


def test_operands_without_a_rule_are_not_differentiable():
    plan = planned(
        lambda input, index, source=None: input, input=lambda grad, index: grad, index=None, source=lambda grad: grad
    )
    assert plan.operands == ("input", "index", "source")
    assert plan.differentiable == ("input", "source")
    assert plan.optional == {"source"}
    assert planned(lambda input: input, input=None).rules == ()


def test_a_joint_rule_serves_all_operands():
    joint = lambda grad, need, a, size: (None, None)
    plan = planned(lambda a, b, size: a, joint=joint, a=None, b=None)
    assert plan.rules == (Rule("rule_joint", joint, ("a", "b"), ("a", "size")),)
    assert plan.differentiable == ("a", "b")
    assert plan.saved == (Saved("a", "operand"), Saved("size", "argument"))


def test_results_by_name():
    plan = planned(lambda input: (input, input), outs=("values", "indices"), input=lambda grad, indices: grad)
    assert plan.several
    assert plan.saved == (Saved("indices", "result"),)
    with pytest.raises(TypeError, match="'result', which is neither"):
        planned(lambda input: (input, input), outs=("values", "indices"), input=lambda grad, result: grad)


def test_a_list_operand():
    plan = planned(lambda tensors, dim: tensors[0], tensors=each(lambda grad, tensors_shape, dim: [grad]))
    assert plan.takes_list and plan.differentiable == ("tensors",)
    assert plan.saved == (Saved("tensors_shape", "fact"), Saved("dim", "argument"))
    with pytest.raises(TypeError, match="a list operand must be the only operand"):
        planned(lambda tensors, other: other, tensors=each(lambda grad: [grad]), other=None)


def test_where_axis_can_stand_for_dim():
    assert planned(lambda input, dim: input, input=None).dim_is_last
    assert planned(lambda input, dim, keepdim=False: input, input=None).dim_is_last
    assert not planned(lambda input, dim, index: input, input=None).dim_is_last
    assert not planned(lambda input, dim=0: input, input=None).dim_is_last


def test_a_rule_for_no_parameter():
    with pytest.raises(TypeError, match=r"rules for \['knd'\], which are no parameters"):
        planned(lambda input: input, input=None, knd="linear")
