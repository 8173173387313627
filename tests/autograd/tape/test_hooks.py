"""Hooks: order, what they may change, how long they live. How they compare with PyTorch's is in
parity/test_hooks.py.
"""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import tapegrad as tg
from tapegrad.autograd.graph import register_multi_grad_hook
from tapegrad.utils.hooks import RemovableHandle, unserializable_hook


def leaf(*values: float, device: str = "cpu") -> tg.Tensor:
    return tg.tensor(list(values) or [1.0, 2.0], device=device, requires_grad=True)


def accumulator(x: tg.Tensor) -> Any:
    fn = x.view_as(x).grad_fn
    assert fn is not None
    return fn.next_functions[0][0]


def test_order_at_a_node_and_at_its_leaf(device: str) -> None:
    x = leaf(device=device)
    y = x * 2
    order: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *args: order.append(name)

    accumulator(x).register_hook(note("leaf after"))
    x.register_post_accumulate_grad_hook(note("accumulated"))
    accumulator(x).register_prehook(note("leaf before"))
    x.register_hook(note("leaf"))
    y.grad_fn.register_hook(note("after"))
    y.grad_fn.register_prehook(note("before"))
    y.register_hook(note("tensor"))
    y.sum().backward()
    assert order == ["tensor", "before", "after", "leaf", "leaf before", "accumulated", "leaf after"]


def test_hooks_change_gradients(device: str) -> None:
    x, w = leaf(device=device), leaf(3.0, 4.0, device=device)
    y = x * w
    y.register_hook(lambda g: g + 1)
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] + go[0], gi[1]))
    accumulator(x).register_prehook(lambda go: (-go[0],))
    y.sum().backward()
    assert x.grad.tolist() == [-80.0, -100.0] and w.grad.tolist() == [20.0, 40.0]
    assert x.grad.device == x.device


def test_a_gradient_that_a_hook_has_kept_stays_as_it_was() -> None:
    x = leaf()
    seen: list[tg.Tensor] = []
    y = x * 2
    y.grad_fn.register_hook(lambda gi, go: seen.extend((gi[0], go[0])))
    accumulator(x).register_hook(lambda gi, go: seen.append(go[0]))
    y.sum().backward(retain_graph=True)
    (x * 5).sum().backward()
    y.sum().backward()
    assert x.grad.tolist() == [9.0, 9.0]
    assert [g.tolist() for g in seen] == [
        [2.0, 2.0],
        [1.0, 1.0],
        [2.0, 2.0],
        [5.0, 5.0],
        [2.0, 2.0],
        [1.0, 1.0],
        [2.0, 2.0],
    ]


def test_what_a_hook_returns_is_not_written_to() -> None:
    mine = tg.full((2,), 7.0)
    x = leaf()
    y, z = x * 2, x * 3
    y.grad_fn.register_hook(lambda gi, go: (mine, gi[1]))
    z.grad_fn.register_hook(lambda gi, go: (mine, gi[1]))
    accumulator(x).register_prehook(lambda go: (mine,))
    for _ in range(2):
        (y + z).sum().backward(retain_graph=True)
    assert mine.tolist() == [7.0, 7.0] and x.grad.tolist() == [14.0, 14.0]


def test_row_reads_arrive_whole_at_hooks() -> None:
    x = leaf(1.0, 2.0, 3.0)
    seen: list[Any] = []
    y = x[1]
    y.grad_fn.register_hook(lambda gi, go: seen.append(gi[0].tolist()))
    (y * 5).backward()
    assert seen == [[0.0, 5.0, 0.0]] and x.grad.tolist() == [0.0, 5.0, 0.0]


def test_hooks_of_one_pass_see_what_broadcasting_has_added_up() -> None:
    x = tg.tensor(2.0, requires_grad=True)
    seen: list[Any] = []
    y = x * tg.ones(3)
    y.grad_fn.register_hook(lambda gi, go: seen.append((tuple(gi[0].shape), tuple(go[0].shape))))
    y.sum().backward()
    assert seen == [((), (3,))]


def test_an_error_in_a_hook_leaves_leaves_alone_and_the_graph_usable() -> None:
    x, w = leaf(), leaf()
    y = x * 2
    z = w * 3

    def fail(*args: Any) -> None:
        raise KeyError("mine")

    for register in (
        y.register_hook,
        y.grad_fn.register_hook,
        y.grad_fn.register_prehook,
        accumulator(x).register_prehook,
    ):
        handle = register(fail)
        with pytest.raises(KeyError, match="mine"):
            (y + z).sum().backward(retain_graph=True)
        assert x.grad is None
        w.grad = None
        handle.remove()
    (y + z).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0] and w.grad.tolist() == [3.0, 3.0]


def test_the_same_node_in_two_threads() -> None:
    x = leaf()
    y = x * 2
    meet = threading.Barrier(2)
    seen: list[Any] = []

    def before(go: Any) -> Any:
        meet.wait(20)
        return (go[0] * 10,)

    y.grad_fn.register_prehook(before)
    y.grad_fn.register_hook(lambda gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    threads = [threading.Thread(target=lambda k=k: (y * k).sum().backward(retain_graph=True)) for k in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(seen) == [([20.0, 20.0], [10.0, 10.0]), ([40.0, 40.0], [20.0, 20.0])]
    assert x.grad.tolist() == [60.0, 60.0]


def test_a_pass_within_a_hook() -> None:
    x = leaf()
    inner: list[Any] = []
    y = x * x

    def before(go: Any) -> None:
        with tg.enable_grad():
            inner.append(tg.autograd.grad((x * 3).sum(), x)[0].tolist())

    y.grad_fn.register_prehook(before)
    y.sum().backward()
    assert inner == [[3.0, 3.0]] and x.grad.tolist() == [2.0, 4.0]


def test_hooks_see_tensors_that_record_in_second_order() -> None:
    x = leaf()
    y = x * x * x
    y.grad_fn.register_prehook(lambda go: (go[0] * x,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * x, gi[1]))
    (g,) = tg.autograd.grad(y.sum(), x, create_graph=True)
    # (x * x) * x: x*(2x*x)*x from the first operand, x*x*x from the second
    assert g.tolist() == [3.0, 40.0]
    (second,) = tg.autograd.grad(g.sum(), x)
    assert second.tolist() == [11.0, 76.0]


def test_hooks_within_transforms() -> None:
    seen: list[Any] = []

    def f(x: tg.Tensor) -> tg.Tensor:
        y = x * x
        y.grad_fn.register_prehook(lambda go: seen.append(type(go[0]).__name__))
        y.grad_fn.register_hook(lambda gi, go: (gi[0] * 2, gi[1]))
        y.register_hook(lambda g: g * 3)
        return y.sum()

    x = tg.tensor([1.0, 2.0])
    assert tg.func.grad(f)(x).tolist() == [9.0, 18.0]
    assert tg.func.vmap(tg.func.grad(f))(tg.stack([x, x * 10])).tolist() == [[9.0, 18.0], [90.0, 180.0]]
    assert seen and set(seen) == {"Tensor"}


# ---- handles


def test_a_handle_removes_once_and_works_as_a_context() -> None:
    x = leaf()
    count = [0]

    def hook(g: tg.Tensor) -> None:
        count[0] += 1

    with x.register_hook(hook) as handle:
        assert isinstance(handle, RemovableHandle)
        x.sum().backward()
    x.sum().backward()
    handle.remove()
    assert count == [1]


def test_a_handle_outlives_its_tensor_and_does_not_hold_it(without_collector: None) -> None:
    x = leaf()
    y = x * 2
    handles = [
        x.register_hook(print),
        y.register_hook(print),
        y.grad_fn.register_hook(print),
        accumulator(x).register_hook(print),
    ]
    gone = weakref.ref(x), weakref.ref(y), weakref.ref(y.grad_fn)
    del x, y
    assert [ref() for ref in gone] == [None] * 3
    for handle in handles:
        handle.remove()


def test_handles_and_hooks_are_copied_and_pickled() -> None:
    x = leaf()
    handle = pickle.loads(pickle.dumps(x.register_hook(leaf)))
    handle.remove()
    assert list(x._backward_hooks.values()) == [leaf]
    later = x.register_hook(print)
    assert later.id > handle.id
    net = tg.nn.Linear(2, 2)
    net.handle = net.register_forward_hook(lambda *args: None)
    twin = copy.deepcopy(net)
    twin.handle.remove()
    assert len(net._forward_hooks) == 1 and not twin._forward_hooks


def test_pickling_a_tensor_warns_of_its_hooks() -> None:
    x = leaf()
    handle = x.register_hook(print)
    with pytest.warns(
        UserWarning,
        match=r"^backward hook <built-in function print> on tensor will not be serialized\.  If this is expected, "
        r"you can",
    ) as told:
        twin = pickle.loads(pickle.dumps(x))
    assert told[0].filename == __file__
    assert twin.requires_grad and twin._backward_hooks is None
    handle.remove()
    x.register_hook(unserializable_hook(lambda g: None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.dumps(x)


# ---- life


def test_graphs_with_hooks_are_freed_by_reference_counts(without_collector: None) -> None:
    x = leaf()
    y = x * 2
    p, q = y.unbind(0)
    z = p * q
    out = z.exp()
    for t in (x, y, p, q, z):
        t.register_hook(lambda g: g * 1)
        t.retain_grad()
    for node in (y.grad_fn, p.grad_fn, z.grad_fn, out.grad_fn, accumulator(x)):
        node.register_hook(lambda gi, go: None)
        node.register_prehook(lambda go: None)
        node.metadata["mark"] = object()
    handle = register_multi_grad_hook([x, y, p, z], lambda grads: None)
    first = register_multi_grad_hook([x, y], lambda grad: None, mode="any")
    gone = [weakref.ref(t) for t in (y, p, q, z, out)] + [weakref.ref(t.grad_fn) for t in (y, p, z, out)]
    out.backward(retain_graph=True)
    tg.autograd.grad(out, [x, p])
    assert x.grad is not None
    del y, p, q, z, out, t, node
    assert [ref() for ref in gone] == [None] * 9
    leaf_gone = weakref.ref(x)
    del x
    assert leaf_gone() is None
    handle.remove()
    first.remove()


def test_a_hook_that_removes_itself_makes_no_cycle(without_collector: None) -> None:
    def register(t: tg.Tensor) -> None:
        handle = t.register_hook(lambda g: handle.remove())

    x = leaf()
    y = x * 2
    gone = weakref.ref(y)
    register(y)
    y.sum().backward()
    assert not y._backward_hooks
    register(y)
    del y
    assert gone() is None


@pytest.mark.parametrize("kind", ["register_hook", "register_prehook"])
def test_cycles_of_the_users_own_are_collected(kind: str) -> None:
    x = leaf()
    y = x * 2
    node = y.grad_fn
    getattr(node, kind)(lambda *args, node=node, y=y: None)
    getattr(accumulator(x), kind)(lambda *args, x=x: None)
    node.metadata["self"] = node
    y.register_hook(lambda g, y=y: None)
    gone = weakref.ref(node), weakref.ref(y), weakref.ref(x)
    out = y.sum()
    del node, y
    gc.collect()
    # What the loss still needs is kept.
    out.backward()
    assert x.grad.tolist() == [2.0, 2.0]
    del out, x
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3


def test_classes_of_functions_with_hooks_go_with_them() -> None:
    def use() -> weakref.ref[Any]:
        class Same(tg.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                return x * 1

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return g

        y = Same.apply(leaf())
        y.grad_fn.register_hook(lambda gi, go: None)
        assert type(y.grad_fn).__name__ == "SameBackward"
        y.sum().backward()
        return weakref.ref(Same)

    gone = use()
    gc.collect()
    assert gone() is None


def test_hooks_on_a_leaf_do_not_need_its_accumulator(without_collector: None) -> None:
    x = leaf()
    node = accumulator(x)
    node.register_prehook(lambda go: (go[0] * 10,))
    gone = weakref.ref(node)
    del node
    assert gone() is None
    x.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]


def test_nodes_without_hooks_are_of_the_plain_class() -> None:
    x = leaf()
    y = x * 2
    plain = type(y.grad_fn)
    assert y.grad_fn.metadata == {} and y.grad_fn._input_metadata and type(y.grad_fn) is plain
    y.grad_fn.register_hook(lambda gi, go: None)
    assert (
        type(y.grad_fn) is not plain
        and type(y.grad_fn).__name__ == "MulBackward0"
        and repr(y.grad_fn).startswith("<MulBackward0 object at ")
    )
    assert type((x * 2).grad_fn) is plain


def test_captured_gradients_come_after_tensor_hooks() -> None:
    x = leaf()
    y = x * 2
    y.register_hook(lambda g: g * 10)
    for inputs in ([y], [y, x], [x, y]):
        assert tg.autograd.grad(y.sum(), inputs, retain_graph=True)[
            inputs.index(y) if inputs[0] is y else 1
        ].tolist() == [10.0, 10.0]


# ---- several tensors at once


def test_multi_grad_hooks_wait_for_no_gradient_that_never_comes() -> None:
    class Half(tg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    x = leaf()
    a, b = x * 2, x * 3
    seen: list[Any] = []
    register_multi_grad_hook((a, b), lambda grads: seen.append([g is not None for g in grads]))
    Half.apply(a, b).sum().backward(retain_graph=True)
    (a + b).sum().backward()
    assert seen == [[True, False], [True, True]]


def test_a_multi_grad_hook_is_called_once_in_each_pass() -> None:
    x = leaf()
    a, b = x * 2, x * 3
    calls: list[Any] = []
    handle = register_multi_grad_hook(
        [a, b, x], lambda grads: calls.append([None if g is None else g.tolist() for g in grads])
    )
    for _ in range(2):
        (a * a + b + a).sum().backward(retain_graph=True)
    assert calls == [[[5.0, 9.0], [1.0, 1.0], [13.0, 21.0]]] * 2
    tg.autograd.grad(b.sum(), x, retain_graph=True)
    assert calls[2:] == [[None, [1.0, 1.0], [3.0, 3.0]]]
    twin = copy.copy(handle)
    twin.remove()
    b.sum().backward()
    assert len(calls) == 3


def test_a_pass_that_fails_leaves_nothing_for_the_next() -> None:
    x = leaf()
    a, b = x * 2, x * 3
    calls: list[Any] = []
    register_multi_grad_hook([a, b], lambda grads: calls.append([g.tolist() for g in grads]))
    failing = b * 1
    failing.register_hook(lambda g: 1 / 0)
    c = a * 1 + failing
    late = c * 1
    with pytest.raises(ZeroDivisionError):
        (late + a * 1).sum().backward(retain_graph=True)
    assert calls == []
    (a * 4 + b * 5).sum().backward()
    assert calls == [[[4.0, 4.0], [5.0, 5.0]]]


def test_multi_grad_hooks_refuse_constants_and_other_modes() -> None:
    with pytest.raises(ValueError, match=r"^Expects mode to be one of \('all', 'any'\) but got foo$"):
        register_multi_grad_hook([], print, mode="foo")
    with pytest.raises(AssertionError, match="Expected gradient function to be set"):
        register_multi_grad_hook([tg.ones(1)], print)
