"""The checks of the op table find what they are for: each of these ops is wrong in one way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_checks import batched, forward, gradients, tape, values, writes
from op_checks.case import Case
from op_table import Row, Sample, sample

import tapegrad
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import OPS, op
from tapegrad.backends import xp
from tapegrad.backends.strict.backend import refusing


def two(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [sample(rng.standard_normal((2, 3)).astype(dtype), rng.standard_normal((2, 3)).astype(dtype))]


def one(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    return [sample(rng.standard_normal((2, 3)).astype(dtype))]


def case_of(
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[..., Any],
    device: str = "cpu",
    reference: Any = None,
    samples: Any = one,
    dtype: str = "float64",
    **facts: Any,
) -> Case:
    monkeypatch.setitem(OPS, "wrong", function)
    row = Row("wrong", samples, reference, **facts)
    return Case(row, row.samples(np.random.default_rng(0), np.dtype(dtype))[0], device)


def fails(check: Callable[[Case], None], case: Case, words: str) -> None:
    with pytest.raises((AssertionError, RuntimeError), match=words):
        check(case)


def product(first: Any, second: Any) -> Any:
    @op(input=first, other=second, kind="elementwise", public=False)
    def wrong(input: Any, other: Any) -> Any:
        return input * other

    return wrong


def pushing(tangent: Any) -> Any:
    @op(
        input=lambda grad, other: grad * other,
        other=lambda grad, input: grad * input,
        kind="elementwise",
        public=False,
        jvp=tangent,
    )
    def wrong(input: Any, other: Any) -> Any:
        return input * other

    return wrong


def negative(rule: Any, fn: Callable[[Any], Any] = lambda input: -input, **told: Any) -> Any:
    @op(input=rule, kind="linear", public=False, **told)
    def wrong(input: Any) -> Any:
        return fn(input)

    return wrong


@pytest.fixture(params=["cpu", "strict"])
def where(request: pytest.FixtureRequest) -> str:
    return request.param


def test_right(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """An op without a fault passes them all."""
    right = product(lambda grad, other: grad * other, lambda grad, input: grad * input)
    case = case_of(monkeypatch, right, where, lambda a, b: a * b, two)
    for module in (values, gradients, forward, batched, tape, writes):
        for name, check in vars(module).items():
            if name.startswith("check_") and name not in ("check_alone", "check_has_inplace"):
                check(case)


def test_a_gradient_that_is_slightly_off(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    off = product(lambda grad, other: grad * other * 1.0001, lambda grad, input: grad * input)
    fails(
        gradients.check_gradients,
        case_of(monkeypatch, off, where, samples=two),
        "gradient of operand 0, 1: .* differences say",
    )


def test_a_value_that_is_slightly_off(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    fails(
        values.check_values,
        case_of(monkeypatch, negative(lambda grad: -grad, lambda a: -a + 1e-8), where, np.negative),
        "result 0",
    )


def test_a_second_order_that_is_cut_off(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    @op(input=lambda grad, slope: grad * slope, keeps=("slope",), kind="elementwise", public=False)
    def wrong(input: Any) -> Any:
        result = xp(input).exp(input)
        return result, result.copy()

    case = case_of(monkeypatch, wrong, where, np.exp)
    gradients.check_gradients(case)
    fails(gradients.check_second_order, case, "second derivative")


def test_precision_that_grows(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    wrong = negative(lambda grad: -grad, lambda a: (-a).astype(np.float64))
    fails(
        values.check_precision,
        case_of(monkeypatch, wrong, where, dtype="float32"),
        "result 0 of float32 operands is torch.float64",
    )


def test_a_secret_view(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    fails(
        writes.check_view, case_of(monkeypatch, negative(lambda grad: grad, lambda a: a[...]), where), "shares memory"
    )


def test_a_rule_that_writes(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def negated(grad: Any) -> Any:
        grad *= -1
        return grad

    fails(
        tape.check_nothing_shared,
        case_of(monkeypatch, negative(negated), where),
        "the gradient that was given has changed",
    )


def test_a_forward_that_writes(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def doubled(a: Any) -> Any:
        a *= 2
        return a.copy()

    fails(
        tape.check_nothing_shared,
        case_of(monkeypatch, negative(lambda grad: grad * 2, doubled), where),
        "operand 0 has changed",
    )


def test_an_op_that_looks_at_strides(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    wrong = negative(lambda grad: -grad, lambda a: -a if a.flags.c_contiguous else a * 1)
    fails(values.check_layouts, case_of(monkeypatch, wrong, where), "for transposed operands")


def test_a_conjugate_too_many(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        return [sample((rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))).astype(dtype))]

    wrong = negative(lambda grad: grad * -2j, lambda a: a * 2j)
    fails(
        gradients.check_gradients,
        case_of(monkeypatch, wrong, where, samples=samples, dtype="complex128"),
        "differences say",
    )


def test_a_rule_that_asks_who_is_who(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    wrong = product(lambda grad, other: grad * other, lambda grad, input, other: grad * input * (input is not other))
    fails(gradients.check_twice, case_of(monkeypatch, wrong, where, samples=two), "one tensor as")


def test_an_operand_that_is_kept(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    kept = []

    def keeping(a: Any) -> Any:
        kept.append(a)
        return -a

    fails(tape.check_kept, case_of(monkeypatch, negative(lambda grad: -grad, keeping), where), "operand 0 is kept")


def test_a_write_that_goes_unnoticed(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """An intermediate that is really the operand's own array has no version."""

    @op(input=lambda grad, same: grad * same * 2, keeps=("same",), kind="elementwise", public=False)
    def wrong(input: Any) -> Any:
        return input * input, input

    fails(
        tape.check_overwritten, case_of(monkeypatch, wrong, where), r"after operand 0 was overwritten \(and no error\)"
    )


def test_a_cycle(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    right = negative(lambda grad: -grad)

    def cyclic(input: Any) -> Any:
        result = right(input)
        if isinstance(result, Tensor) and result.requires_grad:
            result._node.saved = (result,)
        return result

    fails(tape.check_cycles, case_of(monkeypatch, cyclic, where), "not freed by reference counting")


def test_no_gradient(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    fails(gradients.check_gradients, case_of(monkeypatch, negative(None), where), "no gradient flows")


def test_a_look_from_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = negative(lambda grad: -grad, lambda a: -a if float(a.sum()) < 1e9 else a)
    case = case_of(monkeypatch, wrong, "strict", np.negative)
    values.check_values(case)
    with refusing():
        fails(values.check_values, case, "a copy from the device to the host")


def test_an_inplace_form_that_differs(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    wrong = negative(lambda grad: -grad, inplace=True, inplace_fn=lambda a: a.__imul__(-1.001))
    try:
        fails(writes.check_inplace, case_of(monkeypatch, wrong, where, inplace=True), "value of the in-place form")
    finally:
        del tapegrad.Tensor.wrong_


def test_a_tangent_that_is_slightly_off(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    off = pushing(
        lambda d_input, d_other, input, other: (
            (0 if d_input is None else d_input * other * 1.0001) + (0 if d_other is None else d_other * input)
        )
    )
    fails(
        forward.check_tangents,
        case_of(monkeypatch, off, where, samples=two),
        "(?s)tangent of result 0: .* differences say",
    )


def test_a_tangent_for_all_or_nothing(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """An operand that alone has a tangent is forgotten."""
    wrong = pushing(
        lambda d_input, d_other, input, other: (
            None if d_other is None or d_input is None else d_input * other + d_other * input
        )
    )
    fails(forward.check_tangents, case_of(monkeypatch, wrong, where, samples=two), "added up over operands")


def test_a_tangent_of_something_affine(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A constant is added, and the op says that it is linear."""
    wrong = negative(lambda grad: -grad, lambda a: 1 - a)
    gradients.check_gradients(case_of(monkeypatch, wrong, where))
    fails(forward.check_tangents, case_of(monkeypatch, wrong, where), "differences say")


def test_a_tangent_without_history(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """The tangent is right, and cut off from what it depends on."""
    cut = pushing(
        lambda d_input, d_other, input, other: (
            (0 if d_input is None else d_input * other.detach()) + (0 if d_other is None else d_other * input.detach())
        )
    )
    case = case_of(monkeypatch, cut, where, samples=two)
    forward.check_tangents(case)
    fails(forward.check_forward_over_reverse, case, "of the tangents")


def test_a_gradient_whose_tangent_is_off(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """An op that only rules call has a wrong tangent."""

    @op(input=lambda grad: grad * 2, kind="linear", public=False, jvp=lambda d_input: d_input * 2.001)
    def doubled(input: Any) -> Any:
        return input * 2

    @op(
        input=lambda grad, input: grad * doubled(input),
        kind="elementwise",
        public=False,
        jvp=lambda d_input, input: d_input * (input * 2),
    )
    def wrong(input: Any) -> Any:
        return input * input

    case = case_of(monkeypatch, wrong, where)
    forward.check_tangents(case)
    gradients.check_second_order(case)
    fails(forward.check_forward_over_reverse, case, "tangents of the gradients")


def test_two_passes_for_a_tangent(monkeypatch: pytest.MonkeyPatch) -> None:
    @op(input=lambda grad: -grad, public=False)
    def wrong(input: Any) -> Any:
        return -input

    case = case_of(monkeypatch, wrong)
    with forward.transposing() as found:
        forward.check_tangents(case)
    assert found == {"test_op_checks.wrong"}


# ---- in batches


def members_of(rule: Any, **told: Any) -> Any:
    """A product of two that vmap does by `rule`."""

    @op(
        input=lambda grad, other: grad * other, other=lambda grad, input: grad * input, public=False, batch=rule, **told
    )
    def wrong(input: Any, other: Any) -> Any:
        return input * other

    return wrong


def of_one(rule: Any, gradient: Any = lambda grad: grad * 2) -> Any:
    """Twice its operand, which vmap does by `rule`."""

    @op(input=gradient, public=False, batch=rule)
    def wrong(input: Any) -> Any:
        return input * 2

    return wrong


def test_a_batch_that_is_right(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    case = case_of(monkeypatch, members_of(lambda batched, input, other: input * other), where, samples=two)
    for check in (batched.check_batched, batched.check_batched_gradients, batched.check_batched_cotangents):
        check(case)


def test_a_batch_that_is_slightly_off(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    case = case_of(monkeypatch, of_one(lambda batched, input: input * (2 + 1e-8)), where)
    fails(batched.check_batched, case, r"result 0 with \(0,\) batched")


def test_members_that_are_mixed_up(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    fails(
        batched.check_batched, case_of(monkeypatch, of_one(lambda batched, input: input.flip(0) * 2), where), "result 0"
    )


def test_an_operand_that_only_looks_batched(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """The rows of an operand that all members share are taken for members."""
    wrong = members_of(lambda batched, input, other: input * (other if "other" in batched else other[:, None]))
    fails(batched.check_batched, case_of(monkeypatch, wrong, where, samples=two), r"result 0 with \(0,\) batched")


def test_a_batch_of_another_type(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    fails(
        batched.check_batched,
        case_of(monkeypatch, of_one(lambda batched, input: (input * 2).float()), where),
        "float32, not float64",
    )


def test_a_batch_that_is_refused(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """There is no rule, and the row does not say so."""
    fails(batched.check_batched, case_of(monkeypatch, of_one(None), where), "no batching rule for 'wrong'")


def test_a_batch_that_should_be_refused(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    case = case_of(monkeypatch, of_one(lambda batched, input: input * 2), where, batched=False, why="a test")
    fails(batched.check_batched, case, "0 of 1 ways to batch it were refused")


def test_a_refusal_that_says_nothing_of_vmap(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def rule(batched: Any, input: Any) -> Any:
        raise RuntimeError("no")

    fails(batched.check_batched, case_of(monkeypatch, of_one(rule), where, batched=False, why="a test"), "no")


def test_a_gradient_whose_batch_is_off(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """An op that only rules call has a wrong rule."""

    @op(input=lambda grad: grad * 2, public=False, batch=lambda batched, input: input.flip(0) * 2)
    def doubled(input: Any) -> Any:
        return input * 2

    case = case_of(monkeypatch, of_one(lambda batched, input: input * 2, lambda grad: doubled(grad)), where)
    batched.check_batched(case)
    fails(batched.check_batched_cotangents, case, "gradient of operand 0")


def test_a_gradient_that_takes_all_for_batched(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """An op that only rules call, and that is right only where what is kept is batched too."""

    @op(
        input=lambda grad, other: grad * other,
        other=lambda grad, input: grad * input,
        public=False,
        batch=lambda batched, input, other: input * (other if "other" in batched else other[:1]),
    )
    def times(input: Any, other: Any) -> Any:
        return input * other

    @op(input=lambda grad, input: times(grad, input) * 2, public=False, batch=lambda batched, input: input * input)
    def wrong(input: Any) -> Any:
        return input * input

    case = case_of(monkeypatch, wrong, where)
    batched.check_batched(case)
    batched.check_batched_gradients(case)
    fails(batched.check_batched_cotangents, case, "gradient of operand 0 of what was recorded before")


def test_a_gradient_of_mixed_members(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    @op(
        input=lambda grad, other: grad * other,
        other=lambda grad, input: grad * input,
        public=False,
        batch=lambda batched, input, other: input * (other.flip(0) if "other" in batched else other),
    )
    def times(input: Any, other: Any) -> Any:
        return input * other

    @op(input=lambda grad, input: times(grad, input) * 2, public=False, batch=lambda batched, input: input * input)
    def wrong(input: Any) -> Any:
        return input * input

    case = case_of(monkeypatch, wrong, where)
    batched.check_batched(case)
    fails(batched.check_batched_gradients, case, "gradient of operand 0")
