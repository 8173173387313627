"""Nodes and edges: what they tell, calling them, passes that start or end at them. How they compare with PyTorch's is
in parity/test_hooks.py.
"""

from __future__ import annotations

import weakref
from typing import Any

import pytest

import tapegrad as tg
from tapegrad.autograd.graph import GradientEdge, Node, get_gradient_edge, increment_version


def leaf(*values: float, device: str = "cpu") -> tg.Tensor:
    return tg.tensor(list(values) or [1.0, 2.0], device=device, requires_grad=True)


# ---- what nodes tell


def test_the_same_objects_each_time() -> None:
    x = leaf()
    y = x * x
    z = y + y
    assert z.grad_fn.next_functions == ((y.grad_fn, 0), (y.grad_fn, 0))
    end = y.grad_fn.next_functions[0][0]
    assert y.grad_fn.next_functions == ((end, 0), (end, 0)) and end.variable is x
    assert isinstance(end, Node) and isinstance(y.grad_fn, Node) and not isinstance(x, Node)


def test_metadata_lives_as_long_as_the_node(without_collector: None) -> None:
    class Mark:
        pass

    x = leaf()
    y = x * 2
    y.grad_fn.metadata["mark"] = Mark()
    mark = weakref.ref(y.grad_fn.metadata["mark"])
    end_mark = Mark()
    y.grad_fn.next_functions[0][0].metadata["mark"] = end_mark
    z = y + 1
    del y
    assert z.grad_fn.next_functions[0][0].metadata["mark"] is mark()
    assert (x * 3).grad_fn.next_functions[0][0].metadata == {"mark": end_mark}
    del z
    assert mark() is None


def test_attributes_of_a_function_do_not_get_in_the_way() -> None:
    class Marked(tg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.extra = "mine"
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            assert ctx.extra == "mine"
            return g * 2

    x = leaf()
    y = Marked.apply(x)
    y.grad_fn.metadata["a"] = 1
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert x.grad.tolist() == [40.0, 40.0] and y.grad_fn.metadata == {"a": 1} and y.grad_fn.name() == "MarkedBackward"


def test_numbers_in_order_of_creation() -> None:
    x = leaf()
    y = x * 2
    z = y * 2
    assert (
        x.view_as(x).grad_fn.next_functions[0][0]._sequence_nr()
        == 2**64 - 1
        > z.grad_fn._sequence_nr()
        > y.grad_fn._sequence_nr()
    )


def test_input_metadata(device: str) -> None:
    x = leaf(device=device)
    (meta,) = (x.unsqueeze(1) * x).sum(0).grad_fn._input_metadata
    assert (meta.shape, meta.dtype, meta.device) == (x.shape, tg.float32, x.device)
    first, second = x.split(1)[0].grad_fn._input_metadata
    assert first.shape == tg.Size([1]) and second.dtype is None
    with pytest.raises(RuntimeError, match="the shape of this node's result is not known"):
        second.shape  # noqa: B018
    (inner,) = (x * 2).exp().grad_fn.next_functions[0][0]._input_metadata
    assert inner.dtype == tg.float32
    with pytest.raises(RuntimeError, match=r"tensor\.grad_fn"):
        inner.device  # noqa: B018


def test_an_op_without_derivative_says_so_in_backward() -> None:
    x = leaf()
    y = x // 2
    assert y.requires_grad and y.grad_fn is not None
    with pytest.raises(NotImplementedError, match=r"^the derivative for 'floor_divide' is not implemented\.$"):
        y.sum().backward()


# ---- calling


def test_calling_a_node_gives_the_gradients_of_its_operands(device: str) -> None:
    x, w = leaf(device=device), leaf(3.0, 4.0, device=device)
    y = x * w
    one = tg.ones(2, device=device)
    dx, dw = y.grad_fn(one)
    assert dx.tolist() == [3.0, 4.0] and dw.tolist() == [1.0, 2.0] and dx.requires_grad
    assert tg.autograd.grad(dx.sum(), w)[0].tolist() == [1.0, 1.0]
    with tg.no_grad():
        dx, dw = y.grad_fn(one)
    assert not dx.requires_grad and x.grad is None
    y.sum().backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.grad_fn(one)


def test_calling_a_node_with_several_results() -> None:
    x = leaf()
    a, b = x.unbind(0)
    assert a.grad_fn(tg.tensor(2.0), None).tolist() == [2.0, 0.0]
    values, _ = x.sort(descending=True)
    assert values.grad_fn(tg.tensor([5.0, 6.0])).tolist() == [6.0, 5.0]
    with pytest.raises(TypeError, match=r"^expected 2 arguments, got 1 instead$"):
        b.grad_fn(tg.tensor(2.0))


def test_calling_a_node_that_reads_rows() -> None:
    x = leaf(1.0, 2.0, 3.0)
    assert x[1].grad_fn(tg.tensor(5.0)).tolist() == [0.0, 5.0, 0.0]


# ---- edges


def test_an_edge_keeps_its_graph_alive(without_collector: None) -> None:
    x = leaf()
    y = x * x
    edges = [get_gradient_edge(y), get_gradient_edge(y.unbind(0)[1])]
    del y
    one = tg.ones(2)
    assert tg.autograd.grad(edges[0], x, one, retain_graph=True)[0].tolist() == [2.0, 4.0]
    assert tg.autograd.grad(edges[1], x)[0].tolist() == [0.0, 4.0]
    gone = weakref.ref(edges[0].node)
    edges.clear()
    assert gone() is None


def test_an_edge_of_a_leaf_keeps_it_alive(without_collector: None) -> None:
    x = leaf()
    loss = (x * x).sum()
    edge = get_gradient_edge(x)
    del x
    assert tg.autograd.grad(loss, edge, retain_graph=True)[0].tolist() == [2.0, 4.0]
    tg.autograd.backward(loss, inputs=edge)
    assert edge.node.variable.grad.tolist() == [2.0, 4.0]


def test_edges_from_next_functions() -> None:
    x = leaf()
    a, b = (x * 3).unbind(0)
    out = a * 2 + b * 5
    to_a = GradientEdge(*out.grad_fn.next_functions[0][0].next_functions[0])
    assert to_a.output_nr == 0 and to_a.ownership_token is None
    assert [g.tolist() for g in tg.autograd.grad(out, [to_a, get_gradient_edge(b)], retain_graph=True)] == [2.0, 5.0]
    inner = GradientEdge(*a.grad_fn.next_functions[0])
    assert tg.autograd.grad(out, inner, retain_graph=True)[0].tolist() == [2.0, 5.0]
    assert tg.autograd.grad(inner, x, tg.ones(2), retain_graph=True)[0].tolist() == [3.0, 3.0]
    assert tg.autograd.grad(to_a, x, tg.tensor(1.0), retain_graph=True)[0].tolist() == [3.0, 0.0]
    with pytest.raises(RuntimeError, match="grad_outputs must be given for a GradientEdge"):
        tg.autograd.grad(GradientEdge(*(x * 2).sum().exp().grad_fn.next_functions[0]), x)


def test_hooks_of_the_tensor_run_where_an_edge_stands_for_it() -> None:
    x = leaf()
    y = x * 2
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    assert [g.tolist() for g in tg.autograd.grad((y * 1).sum(), [get_gradient_edge(x), get_gradient_edge(y)])] == [
        [21.0, 21.0],
        [10.0, 10.0],
    ]


def test_complex_edges() -> None:
    x = tg.tensor([1 + 2j], requires_grad=True)
    y = x * (2 - 1j)
    loss = y.abs().sum()
    plain = tg.autograd.grad(loss, [x, y], retain_graph=True)
    assert [g.tolist() for g in plain] == [
        g.tolist() for g in tg.autograd.grad(loss, [get_gradient_edge(x), get_gradient_edge(y)], retain_graph=True)
    ]
    one = tg.ones(1, dtype=tg.complex64)
    assert (
        tg.autograd.grad(get_gradient_edge(y), x, one, retain_graph=True)[0].tolist()
        == tg.autograd.grad(y, x, one)[0].tolist()
    )


def test_edges_in_second_order() -> None:
    x = leaf()
    y = x * x
    (g,) = tg.autograd.grad((y * y).sum(), get_gradient_edge(y), create_graph=True)
    assert g.requires_grad and tg.autograd.grad(g.sum(), get_gradient_edge(x))[0].tolist() == [4.0, 8.0]


# ---- versions


def test_a_write_behind_the_tapes_back() -> None:
    x = leaf()
    y = x.exp()
    view = y[:1]
    y.array[0] = 5.0
    increment_version(view)
    assert y._version == view._version == 1
    with pytest.raises(RuntimeError, match=r"which is output 0 of Exp, is at version 1; expected version 0 instead"):
        y.sum().backward()
    increment_version([x, x])
    assert x._version == 2 and x.requires_grad and x.grad_fn is None


def test_a_result_that_a_function_of_several_results_keeps_is_the_result():
    class Twice(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y, z = x.exp(), x * 2
            ctx.save_for_backward(y)
            return y, z

        @staticmethod
        def backward(ctx, to_y, to_z):
            (y,) = ctx.saved_tensors
            return to_y * y + to_z * 2

    x = tg.tensor([0.5, 1.0], requires_grad=True)
    y, _ = Twice.apply(x)
    (g,) = tg.autograd.grad(y.sum(), x, create_graph=True)
    (d,) = tg.autograd.grad(g.sum(), y)
    assert d.tolist() == [1.0, 1.0]


def test_a_kept_result_that_was_overwritten_is_not_shown():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    node = y.grad_fn
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        _ = node._saved_result


def test_kept_arrays_are_shown_as_tensors():
    x = tg.tensor([[1.0, 3.0]], requires_grad=True)
    assert x.max(1)[0].grad_fn._saved_indices.tolist() == [1]
    assert isinstance(x.max(1)[0].grad_fn._saved_indices, tg.Tensor)


def test_a_retained_gradient_is_added_to_without_recording():
    x = tg.tensor([1.0, 1.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    with pytest.warns(UserWarning, match="create_graph"):
        (y**3).sum().backward(create_graph=True)
    (y * 2).sum().backward()
    assert y.grad.tolist() == [14.0, 14.0] and not y.grad.requires_grad
    x.grad = y.grad = None
