"""Hooks against PyTorch's: the same program tells the same story."""

from __future__ import annotations

import functools
import gc
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from same_program import Log, Programs, accumulator, attempt, check, comparable, leaf

torch = pytest.importorskip("torch")

case = Programs()


# ---- what hooks return


def named(name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
    hook.__name__ = name
    return hook


def after_returns(change: Callable[[Any, Any, Any], Any]) -> Callable[[Any], Any]:
    def program(lib: Any) -> Any:
        x, w = leaf(lib), leaf(lib, 3.0, 4.0)
        y = x * w
        y.grad_fn.register_hook(named("changing", lambda gi, go: change(lib, gi, go)))
        return attempt(lambda: y.sum().backward()), x.grad, w.grad

    return program


def before_returns(change: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def program(lib: Any) -> Any:
        x, w = leaf(lib), leaf(lib, 3.0, 4.0)
        y = x * w
        y.grad_fn.register_prehook(named("changing", lambda go: change(lib, go)))
        return attempt(lambda: y.sum().backward()), x.grad, w.grad

    return program


AFTER = {
    "nothing": lambda lib, gi, go: None,
    "others": lambda lib, gi, go: (gi[0] * 10, gi[1]),
    "the same": lambda lib, gi, go: gi,
    "a tensor": lambda lib, gi, go: gi[0] * 10,
    "a list": lambda lib, gi, go: [gi[0], gi[1]],
    "too few": lambda lib, gi, go: (gi[0],),
    "too many": lambda lib, gi, go: (gi[0], gi[1], gi[0]),
    "none at all": lambda lib, gi, go: (),
    "one None": lambda lib, gi, go: (None, gi[1]),
    "a number": lambda lib, gi, go: (3.0, gi[1]),
    "a string": lambda lib, gi, go: "abc",
    "a smaller one": lambda lib, gi, go: (gi[0].sum(), gi[1]),
    "a larger one": lambda lib, gi, go: (lib.ones(3, dtype=lib.float64), gi[1]),
    "another type": lambda lib, gi, go: (gi[0].float(), gi[1]),
    "a complex one": lambda lib, gi, go: (gi[0].to(lib.complex64), gi[1]),
}
BEFORE = {
    "others": lambda lib, go: (go[0] * 10,),
    "a tensor": lambda lib, go: go[0] * 10,
    "a list": lambda lib, go: [go[0]],
    "too many": lambda lib, go: (go[0], go[0]),
    "none at all": lambda lib, go: (),
    "None": lambda lib, go: (None,),
    "a number": lambda lib, go: (3.0,),
    "a smaller one": lambda lib, go: (go[0].sum(),),
    "another type": lambda lib, go: (go[0].float(),),
    "a complex one": lambda lib, go: (go[0].to(lib.complex128),),
}
for _what, _change in AFTER.items():
    case[f"after: {_what}"] = after_returns(_change)
for _what, _change in BEFORE.items():
    case[f"before: {_what}"] = before_returns(_change)


@case
def tensor_hooks_that_return_the_wrong_thing(lib: Any) -> Any:
    def run(change: Callable[[Any], Any]) -> Any:
        x = leaf(lib)
        x.register_hook(change)
        return attempt(lambda: (x * 2).sum().backward())

    class Hook:
        def __call__(self, grad: Any) -> Any:
            return grad.sum()

    return [
        run(named("summing", lambda g: g.sum())),
        run(Hook()),
        run(functools.partial(lambda g: g.sum())),
        run(lambda g: g.float()),
        run(lambda g: 3.0),
        run(lambda g: g.to(lib.complex128)),
    ]


@case
def none_is_not_replaced(lib: Any) -> Any:
    x = leaf(lib)
    y = lib.ones(2, dtype=lib.float64) * x
    y.grad_fn.register_hook(lambda gi, go: (lib.ones(2, dtype=lib.float64), gi[1]))
    return attempt(lambda: y.sum().backward())


@case
def hooks_of_a_constant_operand(lib: Any) -> Any:
    x, log = leaf(lib), Log()
    y = lib.ones(2, dtype=lib.float64) * x
    y.grad_fn.register_hook(log.hook("after"))
    y.sum().backward()
    return log


@case
def hooks_of_a_complex_node(lib: Any) -> Any:
    x, log = leaf(lib, 1.0 + 2.0j, 3.0 - 1.0j, dtype="complex128"), Log()
    y = x * (2 - 1j)
    y.register_hook(log.hook("tensor", lambda g: g * 1j))
    y.grad_fn.register_prehook(log.hook("before", lambda go: (go[0] * (1 + 1j),)))
    y.grad_fn.register_hook(log.hook("after", lambda gi, go: (gi[0] * 1j, gi[1])))
    accumulator(x).register_prehook(log.hook("leaf before", lambda go: (go[0] * (3 - 1j),)))
    accumulator(x).register_hook(log.hook("leaf after"))
    y.abs().sum().backward()
    return [(name, _rounded(args)) for name, args in log], _rounded(comparable(x.grad))


def _rounded(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple([_rounded(v) for v in value])
    return complex(round(value.real, 9), round(value.imag, 9)) if isinstance(value, complex) else value


# ---- order


@case
def order_at_a_node(lib: Any) -> Any:
    x, log = leaf(lib), Log()
    y = x * 3
    node = y.grad_fn
    node.register_hook(log.hook("after", lambda gi, go: (gi[0] * 10, gi[1])))
    node.register_prehook(log.hook("before", lambda go: (go[0] * 2,)))
    y.register_hook(log.hook("tensor", lambda g: g * 5))
    y.retain_grad()
    y.register_hook(log.hook("tensor again", lambda g: g + 1))
    node.register_prehook(log.hook("before again"))
    node.register_hook(log.hook("after again"))
    y.sum().backward()
    return log, y.grad, x.grad


@case
def order_at_a_leaf(lib: Any) -> Any:
    x, log = leaf(lib), Log()
    node = accumulator(x)
    node.register_hook(log.hook("after"))
    x.register_post_accumulate_grad_hook(lambda t: log.append(("accumulated", comparable(t.grad))))
    node.register_prehook(log.hook("before", lambda go: (go[0] * 2,)))
    x.register_hook(log.hook("tensor", lambda g: g + 1))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    return log, x.grad


@case
def order_over_a_small_graph(lib: Any) -> Any:
    order: list[int] = []

    def tensor_hook(g: Any) -> Any:
        order.append(1)
        return g * 3

    def before(gs: Any) -> Any:
        order.append(2)
        return tuple([g * 2 for g in gs])

    a = lib.tensor(1.0, requires_grad=True)
    b = a.clone()
    b.grad_fn.register_prehook(before)
    b.register_hook(tensor_hook)
    b.grad_fn.register_prehook(before)
    end = b.grad_fn.next_functions[0][0]
    a.register_hook(tensor_hook)
    end.register_prehook(before)
    a.register_hook(tensor_hook)
    b.sum().backward(retain_graph=True)
    first, order[:] = list(order), []
    lib.autograd.grad(b.sum(), inputs=(a,), retain_graph=True)
    second, order[:] = list(order), []
    b.sum().backward(inputs=(b,))
    return first, second, order, b.grad


@case
def retain_grad_sees_all_tensor_hooks(lib: Any) -> Any:
    a = lib.tensor(1.0, requires_grad=True)
    b = a.clone()
    b.register_hook(lambda g: g * 2)
    b.retain_grad()
    b.register_hook(lambda g: g * 2)
    b.clone().backward()
    return b.grad


@case
def which_hooks_run(lib: Any) -> Any:
    log = Log()
    a = lib.tensor(1.0, requires_grad=True)
    b = a * 2
    c = b * 2
    for name, t in (("a", a), ("b", b)):
        t.register_hook(log.hook(f"tensor {name}"))
    for name, node in (("a", accumulator(a)), ("b", b.grad_fn), ("c", c.grad_fn)):
        node.register_hook(log.hook(f"after {name}"))
        node.register_prehook(log.hook(f"before {name}"))
    stories = []
    for run in (
        lambda: lib.autograd.grad(c, [b], retain_graph=True),
        lambda: lib.autograd.grad(c, [a], retain_graph=True),
        lambda: lib.autograd.grad(c, [a, b], retain_graph=True),
        lambda: c.backward(inputs=[b], retain_graph=True),
        lambda: c.backward(inputs=[a], retain_graph=True),
        lambda: c.backward(inputs=[a, b], retain_graph=True),
        lambda: c.backward(),
    ):
        log.clear()
        result = run()
        stories.append((comparable(result), list(log)))
    return stories, a.grad, b.grad


@case
def hooks_of_a_node_with_several_results(lib: Any) -> Any:
    x, log = lib.arange(6.0).reshape(2, 3).requires_grad_(), Log()
    p, q = x.unbind(0)
    node = p.grad_fn
    assert node is q.grad_fn
    node.register_hook(log.hook("after"))
    node.register_prehook(log.hook("before"))
    (p * 2).sum().backward(retain_graph=True)
    (p * 2 + q).sum().backward(retain_graph=True)
    node.register_prehook(log.hook("changing", lambda go: (go[0] * 10, go[1])))
    (p * 2).sum().backward(retain_graph=True)
    log.append(attempt(lambda: lib.autograd.grad((p * 2).sum(), p, retain_graph=True)))
    (p + q).sum().backward(inputs=[q], retain_graph=True)
    node.register_prehook(lambda go: (go[0], lib.ones(3)))
    return attempt(lambda: p.sum().backward()), log, x.grad, q.grad


@case
def hooks_of_sort_and_max(lib: Any) -> Any:
    log = Log()
    for name in ("sort", "max"):
        x = leaf(lib, 3.0, 1.0, 2.0)
        values, _ = getattr(x, name)(0)
        values.grad_fn.register_prehook(log.hook("before"))
        values.grad_fn.register_hook(log.hook("after", lambda gi, go: (gi[0] + 1,)))
        (values * 2).sum().backward()
        log.append(comparable(x.grad))
    return log


@case
def hooks_of_a_function(lib: Any) -> Any:
    log = Log()

    class Two(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any, n: int) -> Any:
            return a * n, b * n, "text"

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            log.append(("backward", comparable(grads)))
            return grads[0], grads[1], None

    x, w = leaf(lib), leaf(lib, 3.0, 4.0)
    p, q, _ = Two.apply(x, w, 3)
    p.grad_fn.register_prehook(log.hook("before"))
    p.grad_fn.register_hook(log.hook("after"))
    p.sum().backward()
    p, q, _ = Two.apply(x, w, 3)
    p.grad_fn.register_prehook(log.hook("none", lambda go: (None, None, None)))
    p.grad_fn.register_hook(log.hook("after", lambda gi, go: (gi[0] + 5, gi[1])))
    (p.sum() + q.sum()).backward()
    return log, x.grad, w.grad


# ---- leaves


@case
def hooks_of_a_leaf_that_return_things(lib: Any) -> Any:
    results = []
    for kind, change in (
        ("hook", lambda gi, go: ()),
        ("hook", lambda gi, go: (go[0],)),
        ("hook", lambda gi, go: go[0]),
        ("prehook", lambda go: (None,)),
        ("prehook", lambda go: (go[0].sum(),)),
        ("prehook", lambda go: go[0]),
        ("prehook", lambda go: (go[0].float(),)),
    ):
        x, log = leaf(lib), Log()
        node = accumulator(x)
        node.register_hook(log.hook("after"))
        x.register_post_accumulate_grad_hook(log.hook("accumulated"))
        getattr(node, f"register_{kind}")(change)
        results.append((attempt(lambda: (x * 2).sum().backward()), list(log), x.grad))  # noqa: B023
    return results


@case
def hooks_outlive_the_accumulator_while_the_graph_lives(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    accumulator(x).register_prehook(lambda go: (go[0] * 10,))
    gc.collect()
    y.sum().backward()
    return x.grad


@case
def grad_mode_in_hooks(lib: Any) -> Any:
    modes = []
    for create in (False, True):
        x = leaf(lib)
        y = x * x
        y.register_hook(lambda g: modes.append(("tensor", lib.is_grad_enabled(), g.requires_grad)))
        y.grad_fn.register_prehook(lambda go: modes.append(("before", lib.is_grad_enabled(), go[0].requires_grad)))
        y.grad_fn.register_hook(
            lambda gi, go: modes.append(("after", lib.is_grad_enabled(), gi[0].requires_grad, go[0].requires_grad))
        )
        x.register_post_accumulate_grad_hook(lambda t: modes.append(("accumulated", lib.is_grad_enabled())))
        accumulator(x).register_prehook(
            lambda go: modes.append(("leaf before", lib.is_grad_enabled(), go[0].requires_grad))
        )
        accumulator(x).register_hook(
            lambda gi, go: modes.append(("leaf after", lib.is_grad_enabled(), go[0].requires_grad))
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y.sum().backward(create_graph=create)
    return modes


@case
def stepping_in_a_hook(lib: Any) -> Any:
    x = leaf(lib)

    def step(t: Any) -> None:
        t.add_(t.grad, alpha=-0.5)
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    (x * x).sum().backward()
    return x.detach(), x.grad


@case
def hooks_are_differentiated_through(lib: Any) -> Any:
    x = leaf(lib)
    y = x * x
    y.grad_fn.register_prehook(lambda go: (go[0] * x,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * x, gi[1]))
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return g, lib.autograd.grad(g.sum(), x)


# ---- registration


@case
def refused(lib: Any) -> Any:
    x = leaf(lib)
    plain = lib.ones(2)
    return [
        attempt(lambda: plain.register_hook(print)),
        attempt(lambda: plain.retain_grad()),
        attempt(lambda: plain.register_post_accumulate_grad_hook(print)),
        attempt(lambda: (x * 2).register_post_accumulate_grad_hook(print)),
        attempt(lambda: lib.autograd.graph.register_multi_grad_hook([x], print, mode="foo")),
        attempt(lambda: lib.autograd.graph.get_gradient_edge(plain)),
    ]


@case
def removing(lib: Any) -> Any:
    x, log = leaf(lib), Log()
    y = x * 2
    handles = [
        x.register_hook(log.hook("tensor")),
        y.grad_fn.register_hook(log.hook("after")),
        y.grad_fn.register_prehook(log.hook("before")),
        accumulator(x).register_hook(log.hook("leaf after")),
        accumulator(x).register_prehook(log.hook("leaf before")),
    ]
    for handle in handles:
        handle.remove()
        handle.remove()
    with y.register_hook(log.hook("within")):
        y.sum().backward(retain_graph=True)
    y.sum().backward()
    return log


@case
def removing_within_the_pass(lib: Any) -> Any:
    x, log = leaf(lib), Log()
    y = x * 2
    second: Any = None

    def first(g: Any) -> None:
        log.append("first")
        own.remove()
        second.remove()

    own = y.register_hook(first)
    second = y.register_hook(log.hook("second"))
    later = x.register_hook(log.hook("leaf"))
    y.grad_fn.register_hook(lambda gi, go: later.remove())
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    return log, x.grad


@case
def backward_hooks_of_a_tensor(lib: Any) -> Any:
    x = leaf(lib)
    before = x._backward_hooks
    handle = x.register_hook(print)
    one = list(x._backward_hooks.values())
    handle.remove()
    y = x * 2
    y.register_hook(print)
    count = len(y._backward_hooks)
    y._backward_hooks = None
    y.sum().backward()

    def delete() -> None:
        del x._backward_hooks

    return before, one == [print], len(x._backward_hooks), count, y._backward_hooks, attempt(delete)


@case
def hooks_and_writes(lib: Any) -> Any:
    x, log = leaf(lib), Log()
    y = x * 2
    y.register_hook(log.hook("old"))
    y.grad_fn.register_hook(log.hook("old node"))
    y.retain_grad()
    y.mul_(3)
    y.register_hook(log.hook("new"))
    y.grad_fn.register_prehook(log.hook("new node"))
    y.sum().backward()
    return log, y.grad, x.grad, y._backward_hooks is not None


# ---- several tensors


@case
def multi_grad_all(lib: Any) -> Any:
    log = Log()
    a, b = leaf(lib), leaf(lib, 3.0, 4.0)
    c, d = a * b, a * b
    handle = lib.autograd.graph.register_multi_grad_hook((a, b, c, d), log.hook("all"))
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=[a], retain_graph=True)
    (c + d).sum().backward(retain_graph=True)
    handle.remove()
    (c + d).sum().backward()
    return log


@case
def multi_grad_any(lib: Any) -> Any:
    log = Log()
    a, b = leaf(lib), leaf(lib, 3.0, 4.0)
    c = a * b
    handle = lib.autograd.graph.register_multi_grad_hook((a, c, lib.ones(2)), log.hook("any"), mode="any")
    c.sum().backward(retain_graph=True)
    (c.sum() + a.sum()).backward(retain_graph=True)
    lib.autograd.grad(c.sum(), b, retain_graph=True)
    handle.remove()
    c.sum().backward()
    return log


@case
def multi_grad_of_results_of_one_node(lib: Any) -> Any:
    log = Log()
    p, q = lib.ones(2, 3, requires_grad=True).unbind(0)
    lib.autograd.graph.register_multi_grad_hook((p, q), log.hook("all"))
    (p * 2).sum().backward(retain_graph=True)
    (p * 2 + q).sum().backward()
    return log


@case
def multi_grad_where_a_rule_gives_none(lib: Any) -> Any:
    class Half(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    log = Log()
    x = leaf(lib)
    a, b = x * 2, x * 3
    lib.autograd.graph.register_multi_grad_hook((a, b), log.hook("all"))
    Half.apply(a, b).sum().backward()
    return log


@case
def multi_grad_in_nested_passes(lib: Any) -> Any:
    log = Log()
    x, y = leaf(lib), leaf(lib)
    a, b = x * 2, y * 3
    lib.autograd.graph.register_multi_grad_hook((a, b), log.hook("all"))
    c = a * 1

    def inner(g: Any) -> None:
        with lib.enable_grad():
            log.append(comparable(lib.autograd.grad((a * b).sum(), [x, y], retain_graph=True)))

    c.register_hook(inner)
    (c + b).sum().backward()
    return log


@case
def multi_grad_in_threads(lib: Any) -> Any:
    x = leaf(lib)
    a, b = x * 2, x * 3
    seen = []
    lib.autograd.graph.register_multi_grad_hook((a, b), lambda grads: seen.append(comparable(grads)))
    gate = threading.Barrier(2)

    def run(k: int) -> None:
        first = a * k
        first.register_hook(lambda g: (gate.wait(10), None)[1])
        lib.autograd.grad((first + b * k).sum(), x, retain_graph=True)

    threads = [threading.Thread(target=run, args=(k,)) for k in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sorted(seen)


@pytest.mark.parametrize("name", case)
def test_as_torch(name: str) -> None:
    check(case[name])
