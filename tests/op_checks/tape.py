"""What the tape keeps, for how long, and whether it notices writes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from op_checks.case import Case, assert_close, inexact
from op_checks.gradients import cotangents_of, differentiable, gradients, named, plain
from op_checks.values import tolerance
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.tape.backward import backward, grad
from tapegrad.backends import ARRAYS


def nodes_from(results: Sequence[Tensor]) -> list[Node]:
    """All nodes of the graph behind `results`."""
    stack: list[Any] = [r._node for r in results]
    seen: dict[int, Node] = {}
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and id(node) not in seen:
            seen[id(node)] = node
            stack += node.edges
    return list(seen.values())


def computed(case: Case, require: Sequence[int]) -> list[Tensor]:
    """Operands that are results of an op themselves, so that nobody but the caller holds their arrays."""
    return [t.clone() if i in require else t for i, t in enumerate(case.operands(require=require))]


def is_view_op(case: Case) -> bool:
    operands = case.operands(require=())
    return any(case.shares(r, t) for r in case.results(operands) if isinstance(r, Tensor) for t in operands)


def check_freed(case: Case) -> None:
    """A pass that does not retain the graph leaves no array of floating-point numbers in it; a second pass raises or
    gives the same.
    """
    if not case.wanted:
        return
    operands = case.operands()
    results = differentiable(case.results(operands))
    seeds = [from_array(case.put(c)) for c in cotangents_of(case, results)]
    inputs = [operands[i] for i in case.wanted]
    once = grad(results, inputs, seeds, allow_unused=True)
    nodes = nodes_from(results)
    for node in nodes:
        kept = [] if node.saved is None else [v for v in node.saved if holds_numbers(v)]
        assert not kept, f"{node.name()} still holds {[type(v).__name__ for v in kept]} after backward"
    if any(node.frees for node in nodes):
        try:
            grad(results, inputs, seeds, allow_unused=True)
        except RuntimeError as error:
            assert "Trying to backward through the graph a second time" in str(error), error
        else:
            raise AssertionError("a second pass over a freed graph raises nothing")
    else:
        again = grad(results, inputs, seeds, allow_unused=True)
        like = [case.arrays[i] for i in case.wanted]
        for a, b in zip(plain(case, again, like), plain(case, once, like)):
            assert_close(a, b, tolerance(case), "gradient of the second pass")


def holds_numbers(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(holds_numbers(item) for item in value)
    return (isinstance(value, Tensor) or value.__class__ in ARRAYS) and inexact(getattr(value, "_array", value))


def check_retained(case: Case) -> None:
    """With `retain_graph` a second pass gives the same gradients."""
    if not case.wanted:
        return
    operands = case.operands()
    results = differentiable(case.results(operands))
    seeds = [from_array(case.put(c)) for c in cotangents_of(case, results)]
    inputs, like = [operands[i] for i in case.wanted], [case.arrays[i] for i in case.wanted]
    first, second = (
        plain(case, grad(results, inputs, seeds, retain_graph=retain, allow_unused=True), like)
        for retain in (True, False)
    )
    for a, b in zip(second, first):
        assert_close(a, b, 0.0, "gradient of the second pass with retain_graph")


def check_kept(case: Case) -> None:
    """No operand and no result that no rule names outlives the caller's last reference to it."""
    if case.op is None or not case.wanted or is_view_op(case):
        return
    for require in [case.wanted] if len(case.wanted) == 1 else [case.wanted, *([i] for i in case.wanted)]:
        asked = case.asked(require)
        nodes, operands, results = _alive(case, require)
        if not nodes:
            continue
        for i, ref in operands:
            if case.name_of(i) not in asked:
                assert ref() is None, f"{named(case, [i])} is kept, and no rule of {named(case, require)} reads it"
        outs = case.op.outs or ("result",)
        for nr, ref in enumerate(results):
            name = outs[nr] if isinstance(outs, tuple) else "results"
            if name not in asked and "results" not in asked:
                assert ref() is None, f"result '{name}' is kept, and no rule of {named(case, require)} reads it"


def _alive(case: Case, require: Sequence[int]) -> tuple[list[Node], list[tuple[int, Any]], list[Any]]:
    """The nodes of a call, and weak references to the arrays of its operands and results, all of which are gone but for
    the nodes.
    """
    operands = computed(case, require)
    results = [r for r in case.results(operands) if isinstance(r, Tensor)]
    return (
        [r._node for r in results if r._node is not None],
        [(i, weakref.ref(t._array)) for i, t in enumerate(operands)],
        [weakref.ref(r._array) for r in results],
    )


def check_overwritten(case: Case) -> None:
    """Writing to a value that backward reads raises torch's error, writing to one that it does not read changes
    nothing.
    """
    if not case.wanted or is_view_op(case):
        return
    like = [case.arrays[i] for i in case.wanted]
    leaves = case.operands()
    want = plain(case, gradients(case, leaves), like)
    asked = None if case.op is None else case.asked(case.wanted)
    count = len(case.results(leaves))
    for nr in range(-count, len(case.arrays)):
        leaves = case.operands()
        operands = [t.clone() if t.requires_grad else t for t in leaves]
        results = case.results(operands)
        victim = operands[nr] if nr >= 0 else results[nr]
        if not isinstance(victim, Tensor):
            continue
        roots = differentiable(results)
        seeds = [from_array(case.put(c)) for c in cotangents_of(case, roots)]
        victim._array[...] = 1
        bump(victim)
        try:
            got = grad(roots, [leaves[i] for i in case.wanted], seeds, allow_unused=True)
        except RuntimeError as error:
            assert "has been modified by an inplace operation" in str(error), error
            raised = True
        else:
            raised = False
            for i, a, b in zip(case.wanted, plain(case, got, like), want):
                assert_close(
                    a,
                    b,
                    tolerance(case),
                    f"gradient of {named(case, [i])} after {what(case, nr)} was overwritten (and no error)",
                )
        # What an op reads it reads itself, unless integers were cast first; of functions made of ops only the outcome
        # can be judged.
        if asked is not None and inexact(victim._array):
            reads = reads_of(case, nr, count, asked)
            assert raised == reads, (
                f"{what(case, nr)} was overwritten: "
                f"{'no error, though a rule reads it' if reads else 'an error, though no rule reads it'}"
            )


def reads_of(case: Case, nr: int, count: int, asked: set[str]) -> bool:
    if nr >= 0:
        return case.name_of(nr) in asked
    outs = case.op.outs or ("result",)
    return "results" in asked or (isinstance(outs, tuple) and outs[nr + count] in asked)


def what(case: Case, nr: int) -> str:
    return named(case, [nr]) if nr >= 0 else "a result"


def check_cycles(case: Case) -> None:
    """Dropping the results frees the graph without the garbage collector, before a pass, after it, and after one that
    was recorded.
    """
    if not case.wanted:
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        for stage in ("before backward", "after backward", "after a recorded backward"):
            if stage == "after a recorded backward" and not case.row.gradgrad:
                continue
            refs = _nodes_after(case, stage)
            alive = [node.name() for ref in refs if (node := ref()) is not None]
            assert not alive, f"{stage}, the graph is not freed by reference counting: {alive}"
    finally:
        if enabled:
            gc.enable()


def _nodes_after(case: Case, stage: str) -> list[Any]:
    operands = computed(case, case.wanted)
    results = differentiable(case.results(operands))
    found = nodes_from(results)
    if stage != "before backward":
        recorded = stage == "after a recorded backward"
        seeds = [from_array(case.put(c)).requires_grad_(recorded) for c in cotangents_of(case, results)]
        grads = grad(results, [operands[i] for i in case.wanted], seeds, create_graph=recorded, allow_unused=True)
        if recorded:
            found += nodes_from([g for g in grads if g is not None and g.requires_grad])
    return [weakref.ref(node) for node in found]


def check_nothing_shared(case: Case) -> None:
    """Backward writes neither to the operands nor to the gradient it was given, and what it leaves in ``.grad`` is
    nobody else's array.
    """
    if not case.wanted:
        return
    operands = case.operands()
    results = differentiable(case.results(operands))
    cotangents = cotangents_of(case, results)
    seeds = [from_array(case.put(c)) for c in cotangents]
    backward(results, seeds, retain_graph=True)
    leaves = [operands[i] for i in case.wanted]
    before = [None if leaf.grad is None else case.host(leaf.grad) for leaf in leaves]
    for round, leaf in enumerate(leaves):
        for other, value in list(zip(leaves, before))[round:]:
            if value is not None:
                np.testing.assert_array_equal(
                    case.host(other.grad), value, err_msg="two leaves share one gradient array"
                )
        if leaf.grad is not None:
            assert leaf.grad._array.__class__ is case.backend.array_type, (
                f"the .grad of {named(case, case.wanted)} is a {type(leaf.grad._array).__name__}"
            )
            leaf.grad._array[...] = 7
    for seed, c in zip(seeds, cotangents):
        np.testing.assert_array_equal(
            case.host(seed), c, err_msg="the gradient that was given has changed, or has become a .grad"
        )
    for i, (t, a) in enumerate(zip(operands, case.arrays)):
        np.testing.assert_array_equal(
            case.host(t), a, err_msg=f"{named(case, [i])} has changed, or its array has become a .grad"
        )
