"""Nodes and edges against PyTorch's: the same program tells the same story."""

from __future__ import annotations

import functools
import gc
from typing import Any

import pytest
from same_program import Log, Programs, accumulator, attempt, check, comparable, leaf

torch = pytest.importorskip("torch")

case = Programs()


# ---- nodes


@case
def calling_nodes(lib: Any) -> Any:
    x, w = leaf(lib), leaf(lib, 3.0, 4.0)
    y = x * w
    node = y.grad_fn
    one = lib.ones(2, dtype=lib.float64)
    node.register_hook(lambda *grads: 1 / 0)
    node.register_prehook(lambda *grads: 1 / 0)
    y.register_hook(lambda *grads: 1 / 0)
    with lib.no_grad():
        plain = node(one)
    p, _ = x.unbind(0)
    zero = lib.tensor(1.0, dtype=lib.float64)
    z = leaf(lib, 1.0 + 2.0j, dtype="complex128") * (1 + 2j)
    return (
        node(one),
        plain,
        attempt(lambda: node()),
        attempt(lambda: node(one, one)),
        attempt(lambda: node(1)),
        attempt(lambda: node(None)),
        attempt(lambda: node(grad=one)),
        attempt(lambda: p.grad_fn(zero, None)),
        attempt(lambda: p.grad_fn(zero)),
        attempt(lambda: x[0].grad_fn(lib.tensor(3.0, dtype=lib.float64))),
        attempt(lambda: z.grad_fn(lib.ones(1, dtype=lib.complex128))),
    )


@case
def calling_a_freed_node(lib: Any) -> Any:
    x = leaf(lib)
    y = x * x
    y.sum().backward()
    return attempt(lambda: y.grad_fn(lib.ones(2, dtype=lib.float64)))


@case
def calling_the_node_of_a_function(lib: Any) -> Any:
    class Same(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    node = Same.apply(leaf(lib)).grad_fn
    one = lib.ones(2, dtype=lib.float64)
    return (
        attempt(lambda: node(one)),
        attempt(lambda: node.apply(one)),
        node.name(),
        node.metadata,
        isinstance(node, lib.autograd.graph.Node),
    )


@case
def calling_an_accumulator(lib: Any) -> Any:
    x, log = leaf(lib, 1.0, 2.0), Log()
    node = accumulator(x)
    node.register_prehook(log.hook("before"))
    node.register_hook(log.hook("after"))
    x.register_hook(log.hook("tensor"))
    x.register_post_accumulate_grad_hook(lambda t: log.append(comparable(t.grad)))
    results = []
    for mode in (lib.no_grad, lib.enable_grad):
        with mode():
            results += [
                node(lib.ones(2, dtype=lib.float64)),
                node(lib.ones(2, dtype=lib.float64)),
                attempt(lambda: node(lib.ones(3, dtype=lib.float64))),
                attempt(node),
                attempt(lambda: node(1)),
                node(None),
                x.grad,
            ]
    return results, log


@case
def what_nodes_tell(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    z = y + 5
    (same, nr), (nothing, none_nr) = z.grad_fn.next_functions
    end = y.grad_fn.next_functions[0][0]
    return (
        same is y.grad_fn,
        nr,
        nothing,
        none_nr,
        end.name(),
        end.variable is x,
        end.next_functions,
        end.metadata,
        end is accumulator(x),
        z.grad_fn.name(),
        y.grad_fn.metadata,
        isinstance(y.grad_fn, lib.autograd.graph.Node),
        isinstance(end, lib.autograd.graph.Node),
        isinstance(x, lib.autograd.graph.Node),
        end._sequence_nr(),
        y.grad_fn._sequence_nr() < z.grad_fn._sequence_nr(),
        attempt(lambda: y.grad_fn.foo),
        attempt(lambda: end.foo),
    )


@case
def metadata_lives_with_the_node(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    y.grad_fn.metadata["a"] = 1
    z = y * 1
    accumulator(x).metadata["k"] = 5
    del y
    gc.collect()
    return z.grad_fn.next_functions[0][0].metadata, accumulator(x).metadata


@case
def input_metadata(lib: Any) -> Any:
    x = leaf(lib)
    found = []
    for t in (x * 2, x.sum(), x.to(lib.complex64), (x.unsqueeze(0) * lib.ones(3, 1, dtype=lib.float64))):
        (meta,) = t.grad_fn._input_metadata
        found.append(
            (tuple(meta.shape), str(meta.dtype).removeprefix("torch."), str(meta.device), meta.is_nested_tensor)
        )
    (meta,) = accumulator(x)._input_metadata
    return found, tuple(meta.shape), str(meta.device), x.output_nr, [t.output_nr for t in x.unbind(0)]


# ---- edges


@case
def edges_as_inputs(lib: Any) -> Any:
    edge = lib.autograd.graph.get_gradient_edge
    x = leaf(lib)
    y = x * 2
    z = (y * y).sum()
    p, q = x.unbind(0)
    both = p * 5 + q * 7
    return (
        edge(x) == edge(x),
        edge(x).node.variable is x,
        edge(y).node is y.grad_fn,
        edge(q).output_nr,
        lib.autograd.grad(z, edge(x), retain_graph=True),
        lib.autograd.grad(z, [edge(y), x], retain_graph=True),
        lib.autograd.grad(z, (edge(z),)),
        lib.autograd.grad(both, edge(q), retain_graph=True),
        attempt(lambda: lib.autograd.grad(p * 5, edge(q))),
        lib.autograd.grad(both, lib.autograd.graph.GradientEdge(q.grad_fn, 0)),
    )


@case
def edges_as_outputs(lib: Any) -> Any:
    edge = lib.autograd.graph.get_gradient_edge
    x = leaf(lib)
    y = x * x
    one = lib.ones(2, dtype=lib.float64)
    s = lib.tensor(2.0, requires_grad=True)
    return (
        attempt(lambda: lib.autograd.grad(edge(y), x)),
        attempt(lambda: lib.autograd.grad(edge(y), x, lib.ones(3, dtype=lib.float64))),
        attempt(lambda: lib.autograd.grad(edge(y), x, one.to(lib.complex128))),
        lib.autograd.grad(edge(y), x, one.float(), retain_graph=True),
        lib.autograd.grad([edge(y), edge(y.sum())], x, [one, None]),
        lib.autograd.grad(edge(x.unbind(0)[1]), x),
        lib.autograd.grad(edge(s), s),
    )


@case
def edges_in_backward(lib: Any) -> Any:
    edge = lib.autograd.graph.get_gradient_edge
    x = leaf(lib)
    y = x * x
    z = y * 3
    one = lib.ones(2, dtype=lib.float64)
    lib.autograd.backward(edge(z), one, inputs=edge(x), retain_graph=True)
    first = x.grad.clone()
    lib.autograd.backward([edge(z)], [one], retain_graph=True)
    y.retain_grad()
    z.sum().backward(inputs=[edge(y)], retain_graph=True)
    z.backward(gradient=one, inputs=edge(x))
    return first, x.grad, y.grad


@case
def edges_that_are_not_used(lib: Any) -> Any:
    edge = lib.autograd.graph.get_gradient_edge
    x, u = leaf(lib), leaf(lib)
    z = (x * 2).sum()
    grad = functools.partial(lib.autograd.grad, z, retain_graph=True)
    return (
        attempt(lambda: grad(edge(u))),
        attempt(lambda: grad(edge(u), allow_unused=True)),
        attempt(lambda: grad(edge(u), materialize_grads=True)),
        attempt(lambda: grad([edge(x), edge(u * 2)], materialize_grads=True)),
        attempt(lambda: grad([edge(x), u], materialize_grads=True)),
    )


@case
def edges_mean_the_old_version(lib: Any) -> Any:
    edge = lib.autograd.graph.get_gradient_edge
    x = leaf(lib)
    y = x * 2
    old = edge(y)
    y.mul_(3)
    base = x * 1
    view = base[0]
    before = edge(view)
    base.mul_(5)
    return (
        lib.autograd.grad(y.sum(), [old, y]),
        edge(y) == old,
        lib.autograd.grad(view * 1, [before, view], allow_unused=True),
    )


@case
def wrong_edges(lib: Any) -> Any:
    x = leaf(lib)
    z = (x * x).sum()
    make = lib.autograd.graph.GradientEdge
    return (
        attempt(lambda: lib.autograd.grad(z, make(None, 0))),
        attempt(lambda: lib.autograd.grad(z, make(3, 0))),
        attempt(lambda: lib.autograd.grad(z, [3])),
        attempt(lambda: lib.autograd.grad(make(z.grad_fn, 1), x)),
        attempt(lambda: lib.autograd.grad([3], [x])),
    )


# ---- versions


@case
def incrementing_the_version(lib: Any) -> Any:
    increment = lib.autograd.graph.increment_version
    t = lib.ones(2)
    increment(t)
    increment([t, t])
    with lib.inference_mode():
        untracked = lib.ones(2)
    increment(untracked)
    x = leaf(lib)
    increment(x)
    z = x.exp()
    increment(z)
    return (
        t._version,
        x._version,
        attempt(lambda: increment(3)),
        attempt(lambda: increment([3])),
        attempt(lambda: z.sum().backward()),
    )


@pytest.mark.parametrize("name", case)
def test_as_torch(name: str) -> None:
    check(case[name])
