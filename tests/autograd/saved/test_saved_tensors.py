"""Hooks on what the tape keeps: what they are given, when they are called, what becomes of memory, and what they must
not do.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from collector import no_collector
from op_checks.case import Case
from op_checks.gradients import cotangents_of, differentiable
from op_checks.tape import nodes_from
from op_table import ROWS, Row

import tapegrad
from tapegrad.autograd import Function, grad, gradcheck, gradgradcheck
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.graph import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks
from tapegrad.autograd.saved.packed_values import Packed
from tapegrad.backends import ARRAYS, backend_for
from tapegrad.backends.strict.backend import counting


def leaf(*values: float, device: str = "cpu") -> Tensor:
    return tapegrad.tensor(values, dtype=tapegrad.float64, device=device, requires_grad=True)


def plain() -> saved_tensors_hooks:
    return saved_tensors_hooks(lambda t: t, lambda t: t)


def copying() -> saved_tensors_hooks:
    """What is kept is a copy, in an object that is no tensor."""
    return saved_tensors_hooks(lambda t: (t.clone(),), lambda packed: packed[0])


@contextlib.contextmanager
def noting() -> Iterator[list[Any]]:
    """Keeps what it is given as it is, and notes it."""
    given: list[Any] = []

    def pack(t: Tensor) -> Tensor:
        given.append(t)
        return t.detach()

    with saved_tensors_hooks(pack, lambda t: t):
        yield given


# ---- every op


def arrays_in(value: Any) -> Iterator[Any]:
    if isinstance(value, Tensor):
        yield value._array
    elif value.__class__ in ARRAYS:
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from arrays_in(item)


@pytest.mark.parametrize("row", [row for row in ROWS if row.grad], ids=lambda row: row.name)
def test_every_op_keeps_what_the_hook_returns(row: Row, device: str) -> None:
    """Through hooks that copy, gradients of first and second order are those without hooks, to the bit, and nodes hold
    no array of their own.
    """
    if device == "strict" and not row.strict:
        return
    for sample in row.samples(np.random.default_rng(0), np.dtype("float64")):
        case = Case(row, sample, device)
        if not case.wanted:
            continue

        def gradients(hooks: Any, case: Case = case) -> list[Any]:
            tapegrad.manual_seed(0)
            operands = case.operands()
            inputs = [operands[i] for i in case.wanted]
            with hooks:
                results = differentiable(case.results(operands))
            if isinstance(hooks, saved_tensors_hooks):
                loose = {
                    (node.name(), name)
                    for node in nodes_from(results)
                    for name, value in zip(node.saved_names, node.saved or ())
                    for array in arrays_in(value)
                    if array.ndim and node.op is not None
                }
                assert not loose, f"{case}: kept without the hook: {loose}"
            seeds = [from_array(case.put(c)) for c in cotangents_of(case, results)]
            first = grad(results, inputs, seeds, retain_graph=True, allow_unused=True)
            with np.errstate(all="ignore"):
                recorded = [
                    d
                    for d in grad(results, inputs, seeds, create_graph=True, allow_unused=True)
                    if d is not None and d.requires_grad
                ]
                second = grad([d.abs().sum() for d in recorded], inputs, allow_unused=True) if recorded else ()
            return [None if d is None else case.host(d) for d in (*first, *second)]

        without, through = gradients(contextlib.nullcontext()), gradients(copying())
        assert len(without) == len(through)
        for a, b in zip(without, through):
            np.testing.assert_array_equal(a, b, err_msg=str(case))


# ---- what is packed, and when


def test_operands_as_they_are_results_as_themselves() -> None:
    x, w = leaf(1.0, 2.0), tapegrad.tensor([3.0, 4.0], dtype=tapegrad.float64)
    with noting() as given:
        y = x * 2
        assert given == []  # a number
        z = y * w
        assert len(given) == 1 and given[0] is w
        e = z.exp()
    assert (
        given[1].array is e.array and given[1].grad_fn is e.grad_fn and given[1].requires_grad and not given[1].is_leaf
    )
    product = given.copy()
    given.clear()
    with noting() as given:
        x * x
    assert [t is x for t in given] == [True, True]
    del product


def test_results_of_several_are_packed() -> None:
    x = leaf(3.0, 1.0, 2.0)
    with noting() as given:
        values, indices = x.sort()
    assert any(t.array is indices.array for t in given)
    (values * leaf(1.0, 2.0, 3.0)).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [3.0, 1.0, 2.0])
    u = tapegrad.rand(3, 3, dtype=tapegrad.float64).requires_grad_()

    def f(u: Tensor) -> Any:
        with copying():
            return u.max(1).values * u.sort(0).values.prod(0)

    assert gradcheck(f, (u,)) and gradgradcheck(f, (u,))


def test_lists_of_operands_are_packed() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with noting() as given:
        y = tapegrad.einsum("i,i,i->", a, b, b)
    assert len(given) >= 3
    y.backward()
    np.testing.assert_array_equal(a.grad.array, [9.0, 16.0])


def test_unpacked_at_each_access_and_not_before() -> None:
    x = leaf(1.0, 2.0)
    calls: list[str] = []
    with saved_tensors_hooks(lambda t: (calls.append("pack"), t.detach())[1], lambda t: (calls.append("unpack"), t)[1]):
        y = x.exp()
    assert calls == ["pack"]
    y.sum().backward(retain_graph=True)
    assert y.grad_fn._saved_result.tolist() == y.grad_fn._saved_result.tolist() == y.tolist()
    assert calls == ["pack", "unpack", "unpack", "unpack"]


def test_innermost_hooks_alone_and_those_of_the_time_of_saving() -> None:
    x = leaf(1.0)
    calls: list[str] = []

    def hooks(name: str) -> saved_tensors_hooks:
        return saved_tensors_hooks(
            lambda t: (calls.append(f"pack {name}"), t.detach())[1], lambda t: (calls.append(f"unpack {name}"), t)[1]
        )

    with hooks("outer"):
        a = x.exp()
        with hooks("inner"):
            b = a.exp()
        c = b.exp()
    assert calls == ["pack outer", "pack inner", "pack outer"]
    calls.clear()
    with hooks("later"):
        c.backward()
    assert calls == ["unpack outer", "unpack inner", "unpack outer"]
    assert x.exp().grad_fn.saved[0].__class__ is np.ndarray, "the hooks have ended"


def test_hooks_belong_to_the_thread() -> None:
    x = leaf(1.0)
    found: list[bool] = []
    with copying():
        thread = threading.Thread(target=lambda: found.append(isinstance(x.exp().grad_fn.saved[0], Packed)))
        thread.start()
        thread.join()
        found.append(isinstance(x.exp().grad_fn.saved[0], Packed))
    assert found == [False, True]


def test_two_threads_may_unpack_one_node() -> None:
    x = tapegrad.rand(1000, dtype=tapegrad.float64).requires_grad_()
    with copying():
        y = (x.exp() * x.sin()).sum()
    expected = grad(y, x, retain_graph=True)[0].array
    wrong: list[Any] = []

    def work() -> None:
        for create in (False, True) * 20:
            (d,) = grad(y, x, retain_graph=True, create_graph=create)
            if not np.array_equal(d.array, expected):
                wrong.append(d)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_modes_inside_hooks() -> None:
    x = leaf(1.0)
    modes: list[tuple[str, bool]] = []
    with saved_tensors_hooks(
        lambda t: (modes.append(("pack", tapegrad.is_grad_enabled())), t.detach())[1],
        lambda t: (modes.append(("unpack", tapegrad.is_grad_enabled())), t)[1],
    ):
        y = x.exp()
    y.backward(retain_graph=True)
    grad(y, x, create_graph=True)
    assert modes == [("pack", False), ("unpack", False), ("unpack", True)]
    assert tapegrad.is_grad_enabled()


def test_nothing_is_packed_without_recording() -> None:
    x = leaf(1.0)
    with noting() as given, tapegrad.no_grad():
        assert x.exp().grad_fn is None
    with noting() as given:
        tapegrad.tensor([1.0]).exp()
    assert given == []


def test_in_place_forms() -> None:
    x = leaf(0.5, 2.0)
    for change, slope in [
        (lambda t: t.exp_(), np.exp),
        (lambda t: t.mul_(t), lambda v: 2 * v),
        (lambda t: t.pow_(3), lambda v: 3 * v**2),
        (lambda t: t.sigmoid_(), lambda v: np.exp(-v) / (1 + np.exp(-v)) ** 2),
    ]:
        with copying():
            y = x.clone()
            change(y)
        (d,) = grad(y.sum(), x)
        np.testing.assert_allclose(d.array, slope(x.array), rtol=1e-14)


def test_views_and_writes_through_them() -> None:
    x = leaf(1.0, 2.0, 3.0)
    with copying():
        y = x.clone()
        y[1:].mul_(y[:1].exp())
        y[0] = 5.0
    y.sum().backward()
    np.testing.assert_allclose(x.grad.array, [5 * np.e, np.e, np.e])


def test_assignments_to_elements() -> None:
    x, w = leaf(1.0, 2.0, 3.0), leaf(4.0, 5.0)
    index = np.array([0, 2])
    with noting() as given:
        y = x.clone()
        y[index] = w
    assert any(t.array.dtype == np.int64 for t in given)
    assert not list(
        arrays_in([value for node in nodes_from([y]) for value in node.saved if not isinstance(value, Packed)])
    )
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [0.0, 4.0, 0.0])
    np.testing.assert_array_equal(w.grad.array, [8.0, 10.0])


# ---- memory


def test_what_the_hook_drops_is_freed() -> None:
    x = leaf(1.0, 2.0)
    store: dict[int, Any] = {}

    def pack(t: Tensor) -> int:
        store[len(store)] = t.array.copy()
        return len(store) - 1

    with no_collector():
        y = x * 2
        with saved_tensors_hooks(pack, lambda i: from_array(store[i])):
            z = y * y
            e = z.exp()
        gone = [weakref.ref(t.array) for t in (y, e)]
        s = e.sum()
        del y, e
        assert [ref() for ref in gone] == [None, None]
    s.backward()
    v = 2 * x.array
    np.testing.assert_allclose(x.grad.array, np.exp(v * v) * 2 * v * 2)


@pytest.mark.parametrize(
    "keep",
    [lambda t: t, lambda t: (t,), lambda t: t.detach(), lambda t: {"t": t}],
    ids=["tensor", "tuple", "detached", "dict"],
)
def test_results_that_the_hook_holds_make_no_cycle(keep: Any) -> None:
    def unpack(packed: Any) -> Any:
        return packed[0] if isinstance(packed, tuple) else packed["t"] if isinstance(packed, dict) else packed

    class Exp(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, d: Tensor) -> Tensor:
            return d * ctx.saved_tensors[0]

    with no_collector():
        for f in (
            tapegrad.exp,
            Exp.apply,
            lambda x: tapegrad.sort(x).values,
            lambda x: x.clone().exp_(),
            lambda x: x.max(0).values,
        ):
            x = leaf(1.0, 2.0)
            with saved_tensors_hooks(keep, unpack):
                y = f(x)
            node, array = weakref.ref(y.grad_fn), weakref.ref(y.array)
            grad(y.sum(), x, retain_graph=True)
            grad(grad((y * y).sum(), x, create_graph=True)[0].sum(), x, retain_graph=True)
            del y
            assert node() is None and array() is None


def test_an_operand_that_is_written_with_its_own_result_makes_no_cycle() -> None:
    with no_collector():
        w = leaf(3.0)
        y = tapegrad.ones(1, dtype=tapegrad.float64)
        with plain():
            z = y * w
        y += z
        refs = [weakref.ref(z.grad_fn), weakref.ref(y)]
        del y, z
        assert [ref() for ref in refs] == [None, None]


def test_backward_frees_what_is_packed() -> None:
    class Box:
        def __init__(self, t: Tensor) -> None:
            self.t = t

    boxes: list[Any] = []

    def pack(t: Tensor) -> Box:
        box = Box(t.clone())
        boxes.append(weakref.ref(box))
        return box

    with no_collector():
        x = leaf(1.0)
        with saved_tensors_hooks(pack, lambda box: box.t):
            y = x.exp().sin()
        y.backward(retain_graph=True)
        assert all(box() is not None for box in boxes)
        y.backward()
        assert all(box() is None for box in boxes)
        with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
            y.backward()
        with pytest.raises(RuntimeError, match="after they have already been freed"):
            y.grad_fn._saved_input.sum()


# ---- history of what is unpacked


def test_second_order_through_hooks() -> None:
    def f(x: Tensor, w: Tensor) -> Tensor:
        with saved_tensors_hooks(lambda t: t.array.tobytes(), lambda b: from_array(np.frombuffer(b).copy())):
            return (x * w).exp() * x.sigmoid() + (w / x).tanh()

    assert gradgradcheck(f, (leaf(0.3, 1.2), leaf(0.7, -0.4)))


def test_the_unpacked_value_stands_where_the_kept_one_stood() -> None:
    x = leaf(2.0)
    y = x * 3
    with copying():
        z = y * y
        e = z.exp()
    assert z.grad_fn._saved_self.grad_fn is y.grad_fn
    assert e.grad_fn._saved_result.grad_fn is e.grad_fn
    with copying():
        z = x * x
    z.grad_fn._saved_self.sum().backward()
    assert x.grad.item() == 1.0
    (d,) = grad(z, x, create_graph=True)
    names = {fn.name() for fn, _ in d.grad_fn.next_functions[0][0].next_functions if fn is not None}
    assert names == {"torch::autograd::AccumulateGrad"}


def test_hooks_on_nodes_and_on_what_they_keep_go_together() -> None:
    x = leaf(2.0)
    seen: list[float] = []
    with copying():
        y = x.exp()
    y.register_hook(lambda d: seen.append(d.item()))
    y.retain_grad()
    y.backward(retain_graph=True)
    assert seen == [1.0] and y.grad.item() == 1.0
    e = x.exp()
    e.register_hook(lambda d: d * 2)
    e.grad_fn._raw_saved_result.register_hooks(lambda t: t * 10, lambda t: t)
    (d,) = grad(e, x)
    assert d.item() == pytest.approx(20 * np.exp(2.0))


# ---- Functions


class Times(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        y = x * w
        ctx.save_for_backward(x, w, y, None)
        return y, x + w

    @staticmethod
    def backward(ctx: Any, d: Tensor, e: Tensor) -> Any:
        x, w, y, nothing = ctx.saved_tensors
        assert nothing is None
        return d * w + e, d * x + e + 0 * y, None


def test_functions() -> None:
    x, w = leaf(2.0), leaf(3.0)
    with noting() as given:
        y, _ = Times.apply(x, w, 2.0)
    assert (
        given[0] is x
        and given[1] is w
        and given[2].array is y.array
        and given[2].grad_fn is y.grad_fn
        and len(given) == 3
    )

    def f(x: Tensor, w: Tensor) -> Any:
        with copying():
            return Times.apply(x, w, 2.0)

    assert gradcheck(f, (x, w)) and gradgradcheck(f, (x, w))
    assert len(y.grad_fn._raw_saved_tensors) == 4
    y.grad_fn._raw_saved_tensors[3]
    with pytest.raises(RuntimeError, match="value None is forbidden"):
        y.grad_fn._raw_saved_tensors[3].register_hooks(lambda t: t, lambda t: t)
    y, _ = Times.apply(x, w, 2.0)
    y.grad_fn._raw_saved_tensors[1].register_hooks(lambda t: t, lambda t: t * 100)
    y.backward()
    assert x.grad.item() == 300.0


# ---- what is refused


def test_pack_must_not_write() -> None:
    x = leaf(1.0)
    text = r"A saved tensor pack hook is modifying its input in place\. Tensors provided as input"
    with saved_tensors_hooks(lambda t: t.add_(1), lambda t: t), pytest.raises(RuntimeError, match=text):
        x.exp()
    with pytest.raises(RuntimeError, match=text):
        x.exp().grad_fn._raw_saved_result.register_hooks(lambda t: t.mul_(2), lambda t: t)


def test_unpack_must_return_a_tensor() -> None:
    x = leaf(1.0)
    with saved_tensors_hooks(lambda t: t, lambda t: 1):
        y = x.exp()
    with pytest.raises(
        TypeError, match="Output of saved tensor unpack_hook expected to be a Tensor but got result of type int"
    ):
        y.backward()
    with pytest.raises(TypeError, match="expected to be a Tensor"):
        y.grad_fn._saved_result.sum()


def test_errors_of_hooks_are_their_own() -> None:
    class Mine(Exception):
        pass

    def fail(*args: Any) -> Any:
        raise Mine("boo")

    x = leaf(1.0)
    with saved_tensors_hooks(fail, lambda t: t), pytest.raises(Mine, match="boo"):
        x.exp()
    with saved_tensors_hooks(lambda t: t, fail):
        y = x.exp()
    with pytest.raises(Mine, match="boo"):
        y.backward()
    assert x.grad is None and x.exp().grad_fn.saved[0].__class__ is np.ndarray
    with pytest.raises(TypeError, match="must be callable"), saved_tensors_hooks(1, 2):  # type: ignore[arg-type]
        pass


def test_writes_to_memory_that_a_hook_has_kept_are_noticed() -> None:
    """PyTorch does not look once there are hooks, and gives wrong gradients."""
    x = leaf(1.0)
    y = x * 2
    with plain():
        z, e = y * y, y.exp()
    e.add_(1)
    y.add_(1)
    for t in (z, e):
        with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
            t.backward(retain_graph=True)
    y = x * 2
    with copying():
        z, e = y * y, y.exp()
        s = z.sum() + e.sum()
    e.add_(1)
    y.add_(1)
    s.backward()
    np.testing.assert_allclose(x.grad.array, 8 + 2 * np.exp(2.0))


def test_inference_tensors_cannot_be_kept() -> None:
    with tapegrad.inference_mode():
        a = tapegrad.ones(1, dtype=tapegrad.float64)
    with plain(), pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        leaf(1.0) * a


def test_disabled() -> None:
    with disable_saved_tensors_hooks("outer"):
        with pytest.raises(RuntimeError, match="inner"), disable_saved_tensors_hooks("inner"), save_on_cpu():
            pass
        with pytest.raises(RuntimeError, match="outer"), save_on_cpu():
            pass
    with pytest.raises(RuntimeError, match="boo"), plain(), disable_saved_tensors_hooks("boo"):
        pass
    with plain():
        assert isinstance(leaf(1.0).exp().grad_fn.saved[0], Packed)


# ---- on the host


def test_save_on_cpu() -> None:
    x = leaf(1.0, 2.0)
    with save_on_cpu():
        y = (x * x).exp()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.array, np.exp(x.array**2) * 2 * x.array)


def test_save_on_cpu_leaves_nothing_on_the_device() -> None:
    """Of what a layer keeps nothing is on the device between its two passes, and each value crosses once in each
    direction.
    """
    strict = backend_for(tapegrad.device("strict"))
    x = tapegrad.rand(4, 3, device="strict", dtype=tapegrad.float64).requires_grad_()
    w = tapegrad.rand(3, 3, device="strict", dtype=tapegrad.float64).requires_grad_()

    def f() -> Tensor:
        return ((x @ w).tanh() * 2).sum()

    expected = [strict.to_host(d.array) for d in grad(f(), (x, w))]
    with no_collector():
        with save_on_cpu():
            hidden = x @ w
            h = hidden.tanh()
        gone = [weakref.ref(t.array) for t in (hidden, h)]
        y = (h * 2).sum()
        del h, hidden
        assert [ref() for ref in gone] == [None, None]
        kept = [value.kept for node in nodes_from([y]) for value in node.saved or () if isinstance(value, Packed)]
        assert len(kept) == 3 and all(device == x.device and t.device == tapegrad.device("cpu") for device, t in kept)
        with counting() as crossed:
            found = grad(y, (x, w))
    for a, b in zip(expected, found):
        assert b.device == x.device
        np.testing.assert_array_equal(a, strict.to_host(b.array))
    assert crossed.asked.host_to_device == 3 and not crossed
