"""In-place forms and views."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_checks.case import Case, assert_close, inexact
from op_checks.gradients import Seeds, cotangents_of, gradients, named, plain
from op_checks.values import tolerance
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.tape.backward import grad


def check_has_inplace(case: Case) -> None:
    """The row says whether there is an in-place form; that of a view op, which changes shape and strides, and of a
    random one have tests of their own.
    """
    if case.row.view or not case.row.values:
        return
    has = hasattr(Tensor, f"{case.row.name}_")
    assert has == case.row.inplace, (
        f"Tensor.{case.row.name}_ is {'there' if has else 'missing'}, and the row says inplace={case.row.inplace}"
    )


def check_inplace(case: Case) -> None:
    """The in-place form gives the op's values and gradients, on tensors and on views, or raises where the result does
    not fit.
    """
    if not case.row.inplace or not case.paths or case.paths[0] != (0,):
        return
    method = getattr(Tensor, f"{case.row.name}_")
    operands = case.operands(require=())
    result = case.call(operands)
    target = operands[0]
    if result.shape != target.shape:
        _must_raise(case, method, operands, "doesn't match the broadcast shape")
        return
    if not np.can_cast(result._array.dtype, target._array.dtype, "same_kind"):
        _must_raise(case, method, operands, "can't be cast to the desired output type")
        return
    want = case.host(result).astype(case.arrays[0].dtype)
    array = target._array
    written = case.call_with(method, operands)
    assert written is target and written._array is array, (
        "the in-place form does not return its tensor with its own array"
    )
    assert target._version == 1, f"after one write the tensor is at version {target._version}"
    assert_close(case.host(target), want, tolerance(case), "value of the in-place form")
    if 0 not in case.wanted or not result._array.size:
        return
    like = [case.arrays[i] for i in case.wanted]
    expected = plain(case, gradients(case, case.operands()), like)
    for how, prepare in (("", lambda x: x.clone()), (" on a view", _whole_view)):
        leaves = case.operands()
        root = prepare(leaves[0])
        operands = [root if how == "" else root[...], *leaves[1:]]
        written = case.call_with(method, operands)
        assert_close(case.host(root), want, tolerance(case), f"value of the in-place form{how}")
        seeds = [from_array(case.put(c)) for c in cotangents_of(case, [root])]
        got = plain(case, grad([root], [leaves[i] for i in case.wanted], seeds, allow_unused=True), like)
        for i, mine, right in zip(case.wanted, got, expected):
            assert_close(mine, right, tolerance(case), f"gradient of {named(case, [i])} through the in-place form{how}")


def _whole_view(x: Tensor) -> Tensor:
    return x.clone()


def _must_raise(case: Case, method: Any, operands: list[Tensor], words: str) -> None:
    try:
        case.call_with(method, operands)
    except RuntimeError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"the in-place form raises nothing, where it should say: {words}")


def check_leaf_refused(case: Case) -> None:
    """Writing to a leaf that requires grad is torch's error."""
    if case.row.inplace and 0 in case.wanted and case.paths[0] == (0,):
        _must_raise(
            case,
            getattr(Tensor, f"{case.row.name}_"),
            case.operands(),
            "a leaf Variable that requires grad is being used in an in-place operation.",
        )


def check_view(case: Case) -> None:
    """A result is a view exactly where it shares memory, and then shares writes with its base."""
    if not case.paths or case.paths[0] != (0,):
        return
    operands = case.operands(require=())
    base = operands[0]
    for i, result in enumerate(case.results(operands)):
        if not isinstance(result, Tensor) or result is base or not result._array.size:
            assert result is not base or case.row.view, f"result {i} is the operand itself"
            continue
        shared = case.shares(result, base)
        assert result._is_view() == shared, (
            f"result {i} {'shares' if shared else 'does not share'} memory, and _is_view() is {result._is_view()}"
        )
        if case.row.view != "maybe":
            assert shared == case.row.view, (
                f"result {i} {'shares' if shared else 'does not share'} the operand's memory, and the row says "
                f"view={case.row.view}"
            )
        if shared:
            assert result._counter is base._counter, "view and base do not share their write history"


def check_write_to_base(case: Case) -> None:
    """After a write to its base, a view has the new history."""
    if not case.row.view or 0 not in case.wanted or not _is_view(case):
        return
    leaf = case.operands()[0]
    base = leaf.clone()
    view = case.call([base, *case.operands()[1:]])
    if not isinstance(view, Tensor):
        return
    cotangents = cotangents_of(case, [view])
    want = case.host(grad(view, leaf, from_array(case.put(cotangents[0])), retain_graph=True)[0])
    base.mul_(3.0)
    got = grad(view, leaf, from_array(case.put(cotangents[0])))[0]
    assert_close(case.host(got), 3 * want, tolerance(case), "gradient through a view whose base was written")


def check_write_to_view(case: Case) -> None:
    """A write to a view is recorded in its base; where elements stand twice, or an op has made several views at once,
    it is torch's error.
    """
    if not case.row.view or 0 not in case.wanted or not _is_view(case):
        return
    leaf = case.operands()[0]
    base = leaf.clone()
    view = case.call([base, *case.operands()[1:]])
    if not isinstance(view, Tensor):
        for part in view:
            if inexact(part._array) and part._view is not None and part._view.origin == "multi":
                _refuses(part, "This view is the output of a function that returns multiple views.")
        return
    strides, shape = view._array.strides, view._array.shape
    if any(s == 0 and n > 1 for s, n in zip(strides, shape)):
        _refuses(view, "more than one element of the written-to tensor refers to a single memory location")
        return
    c = Seeds(case).like(case.arrays[0])
    ones = np.ones(view._array.shape, view._array.dtype)
    touched = case.host(grad(view, leaf, from_array(case.put(ones)), retain_graph=True)[0])
    if not np.isin(touched, (0, 1)).all() or view._array.dtype != leaf._array.dtype:
        # a view of parts of numbers, or that changes them (conj): the mask of what was written is not its gradient
        return
    view.mul_(3.0)
    assert_close(
        case.host(base), case.arrays[0] * (1 + 2 * touched), tolerance(case), "value of a base whose view was written"
    )
    got = grad(base, leaf, from_array(case.put(c)))[0]
    assert_close(
        case.host(got), c * (1 + 2 * touched), tolerance(case), "gradient through a base whose view was written"
    )


def _refuses(view: Tensor, words: str) -> None:
    try:
        view.mul_(3.0)
    except RuntimeError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"writing to the view raises nothing, where it should say: {words}")


def _is_view(case: Case) -> bool:
    operands = case.operands(require=())
    results = [r for r in case.results(operands) if isinstance(r, Tensor)]
    return bool(results) and all(
        r is not operands[0] and r._array.size > 0 and case.shares(r, operands[0]) for r in results
    )
