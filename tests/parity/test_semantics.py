"""Corners of autograd where several of its parts meet: the same programs here and in PyTorch."""

from __future__ import annotations

import copy
import importlib
import pickle

import pytest
from same_program import Programs, attempt, check, function, leaf, memory

import tapegrad

torch = pytest.importorskip("torch")

case = Programs()


def doubled_in_place(lib):
    def forward(ctx, t):
        ctx.mark_dirty(t)
        return t.mul_(2)

    return function(lib, forward, lambda ctx, g: g * 2)


# ---- custom Functions


@case
def a_function_of_stale_views_under_no_grad(lib):
    f = function(lib)
    y = leaf(lib) * 1
    several = y.unbind()
    with lib.no_grad():
        unrecorded = y.view(3)
    y.mul_(2)
    with lib.no_grad():
        found = f(several[0]), f(unrecorded)
    return found, attempt(lambda: f(several[0])), attempt(lambda: f(unrecorded))


@case
def a_function_keeps_an_inference_tensor(lib):
    with lib.inference_mode():
        t = lib.ones(3, dtype=lib.float64)

    def forward(ctx, x):
        ctx.save_for_backward(t)
        return x * t

    f = function(lib, forward)
    with lib.no_grad():
        unrecorded = f(leaf(lib))
    return unrecorded, attempt(lambda: f(leaf(lib)))


@case
def hooks_of_a_view_that_a_function_writes(lib):
    f, seen = doubled_in_place(lib), []
    x = leaf(lib)
    y = x * 1
    v = y[:2]
    v.register_hook(lambda g: seen.append(("view", g.tolist())))
    y.register_hook(lambda g: seen.append(("base", g.tolist())))
    f(v)
    v.register_hook(lambda g: seen.append(("view, new", g.tolist())))
    (y * v.sum()).sum().backward()
    return seen, x.grad, y


@case
def retained_gradient_of_a_view_that_a_function_writes(lib):
    f = doubled_in_place(lib)
    y = leaf(lib) * 1
    v = y[:2]
    v.retain_grad()
    f(v)
    (v * 5).sum().backward()
    return v.grad, v.retains_grad


@case
def grad_of_what_a_function_writes(lib):
    f = doubled_in_place(lib)
    y = leaf(lib) * 1
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    before = y.grad
    f(y)
    return before, y.grad, y.retains_grad


@case
def a_function_whose_result_is_asked_for_runs(lib):
    ran = []
    f = function(lib, backward=lambda ctx, g: ran.append(1) or g)
    p = f(leaf(lib))
    p.sum().backward(inputs=[p])
    lib.autograd.grad(f(p).sum(), p)
    return ran, p.grad


@case
def values_of_a_function_after_they_are_freed(lib):
    f = function(lib, lambda ctx, x: (ctx.save_for_backward(x), x.clone())[1])
    y = f(leaf(lib))
    count = len(y.grad_fn._raw_saved_tensors)
    y.sum().backward()
    return count, attempt(lambda: y.grad_fn._raw_saved_tensors)


# ---- views and writes


@case
def edge_to_a_view_without_history(lib):
    x = leaf(lib)
    with lib.no_grad():
        v = x.view(3)
    y = x * v
    (node, _), nothing = y.grad_fn.next_functions
    y.sum().backward()
    return node.name(), nothing, v.requires_grad, x.grad, v.grad


@case
def edge_to_a_leaf_that_no_longer_requires_grad(lib):
    x = leaf(lib)
    y = x * 2
    x.requires_grad_(False)
    return y.grad_fn.next_functions[0][0].name()


@case
def what_made_a_value_that_is_written(lib):
    x = leaf(lib)
    y = x * 1
    z = y * y
    y[0] = 0
    y[1] = 0
    pair = (x * 1).max(0)
    pair.indices.add_(0)
    w = x * 1
    w[0] = 0
    u = w * w
    w[0] = 1
    return (
        attempt(lambda: z.sum().backward()),
        attempt(lambda: pair.values.backward()),
        attempt(lambda: u.sum().backward()),
    )


@case
def writes_of_another_type(lib):
    t, i = lib.ones(2).bool(), lib.arange(2)
    return (
        attempt(lambda: t.add_(1)),
        attempt(lambda: i.sqrt_()),
        attempt(lambda: i.add_(0.5)),
        attempt(lambda: i.mul_(lib.ones(2))),
        attempt(lambda: t.logical_not_()),
        attempt(lambda: i.exp_()),
        t,
        i,
    )


# ---- leaves


@case
def requires_grad_of_what_is_no_leaf(lib):
    y = leaf(lib) * 2

    def assign(t, value):
        t.requires_grad = value

    with lib.no_grad():
        v = y.view(3)
    y.mul_(2)
    return (
        attempt(lambda: assign(y, True)),
        attempt(lambda: assign(y, False)),
        attempt(lambda: y.requires_grad_()),
        attempt(lambda: y.requires_grad_(False)),
        attempt(lambda: assign(v, True)),
        v.requires_grad,
    )


@case
def pickled_and_copied_results(lib):
    y = leaf(lib) * 2
    shallow = copy.copy(y)
    again = pickle.loads(pickle.dumps(y))
    y.register_hook(print)
    pickle.dumps(y)
    return again, shallow, shallow is y, memory(shallow.detach()) == memory(y.detach()), copy.copy(y[:1])._is_view()


@case
def parameters_of_inference_tensors(lib):
    with lib.inference_mode():
        t = lib.ones(2)
        inside = lib.nn.Parameter(t).is_inference()
    return inside, attempt(lambda: lib.nn.Parameter(t)), lib.nn.Parameter(t, requires_grad=False).is_inference()


@case
def results_of_post_accumulate_hooks(lib):
    found = []
    for hook in (lambda p: None, lambda p: p, lambda p: p * 2, lambda p: 3):
        x = leaf(lib)
        x.register_post_accumulate_grad_hook(hook)
        found.append(attempt(lambda: x.sum().backward()))  # noqa: B023
    return found


# ---- starting a pass


@case
def what_is_no_tensor(lib):
    x = leaf(lib)
    y = x * 2
    return [
        attempt(call)[0]
        for call in (
            lambda: lib.autograd.backward(None),
            lambda: lib.autograd.backward(5),
            lambda: lib.autograd.grad(y, None),
            lambda: lib.autograd.grad(y.sum(), 3),
            lambda: y.backward(2.0),
            lambda: y.sum().backward(inputs=3),
            lambda: y.sum().backward(inputs=[None]),
        )
    ]


@pytest.mark.parametrize("name", case)
def test_as_torch(name):
    check(case[name])


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
def test_direction_of_complex_zero():
    """It does not turn, whatever is added."""
    for lib in (tapegrad, torch):
        z, turn = (
            lib.tensor([0j, 3 + 4j], dtype=lib.complex128, requires_grad=True),
            lib.tensor([1 + 0j, 1 + 0j], dtype=lib.complex128),
        )
        sgn = z.sgn()
        assert lib.autograd.grad(sgn.real.sum(), z, retain_graph=True)[0].tolist() == pytest.approx([0, 0.128 - 0.096j])
        assert lib.autograd.grad(sgn.imag.sum(), z)[0].tolist() == pytest.approx([0, -0.096 + 0.072j])
        forward = importlib.import_module(f"{lib.__name__}.autograd.forward_ad")
        with forward.dual_level():
            assert forward.unpack_dual(forward.make_dual(z.detach(), turn).sgn()).tangent.tolist() == pytest.approx(
                [0, 0.128 - 0.096j]
            )
