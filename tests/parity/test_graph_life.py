"""How long a graph lives, exceptions, passes inside passes: as in PyTorch."""

from __future__ import annotations

import pytest
from same_program import Programs, attempt, check, function, leaf

case = Programs()


# ---- how long a graph lives


@case
def second_pass(lib):
    x = leaf(lib, 2.0)
    y = x * x
    y.backward()
    return attempt(y.backward), attempt(lambda: y.grad_fn._saved_self), x.grad


@case
def second_grad(lib):
    x = leaf(lib, 2.0)
    y = x * x
    lib.autograd.grad(y, x)
    return attempt(lambda: lib.autograd.grad(y, x))


@case
def graphs_that_saved_nothing(lib):
    found = []
    for make in (
        lambda x: x + x,
        lambda x: x - 1,
        lambda x: x.view(3, 1),
        lambda x: x * 2,
        lambda x: x.sum(),
        lambda x: -x,
        lambda x: x[1:],
        lambda x: x.t(),
        lambda x: x / 2,
        lambda x: x.expand(2, 3),
        lambda x: lib.cat([x, x]),
        lambda x: lib.stack([x, x]),
        lambda x: x.clone(),
        lambda x: x.mean(),
        lambda x: x.to(lib.float32),
        lambda x: x.reshape(3, 1).squeeze(),
        lambda x: x.unbind()[0],
        lambda x: x.flip(0),
        lambda x: x.roll(1),
        lambda x: x.sum(0),
        lambda x: x.cumsum(0),
        lambda x: x.detach() * x,
        lambda x: x.exp(),
        lambda x: x.relu(),
        lambda x: x.sort()[0],
        lambda x: x.matmul(x),
        lambda x: x.abs(),
    ):
        x = leaf(lib)
        y = make(x).sum()
        y.backward()
        found.append((attempt(y.backward), x.grad))
    return found


@case
def create_graph_retains(lib):
    x = leaf(lib, 2.0)
    y = x * x
    lib.autograd.grad(y, x, create_graph=True)
    lib.autograd.grad(y, x, create_graph=True, retain_graph=False)
    return attempt(lambda: lib.autograd.grad(y, x))


@case
def freed_graph_under_another(lib):
    x = leaf(lib, 2.0)
    shared = x * x
    a, b = shared * 2, shared * 3
    a.backward()
    return attempt(b.backward), x.grad


@case
def freed_in_part_then_the_rest(lib):
    x, w = leaf(lib, 2.0), leaf(lib, 3.0)
    shared = x * x
    other = w * w
    (shared * 2).backward()
    return attempt(lambda: (shared + other).backward()), x.grad


@case
def attributes_of_ctx_survive(lib):
    def forward(ctx, x):
        ctx.mine = "kept"
        ctx.save_for_backward(x)
        return x * 2

    x = leaf(lib, 2.0)
    y = function(lib, forward)(x)
    node = y.grad_fn
    y.backward()
    return node.mine, attempt(lambda: node.saved_tensors), attempt(y.backward)


@case
def function_that_saved_nothing_runs_again(lib):
    x = leaf(lib, 2.0)
    y = function(lib)(x)
    y.backward()
    y.backward()
    return x.grad


@case
def saved_values_after_the_pass(lib):
    x = leaf(lib, 2.0)
    found = []
    for y in (x.exp(), x.sin(), x * x, x.pow(2), x.sum(), x.sigmoid()):

        def saved(node=y.grad_fn):
            names = "_saved_result", "_saved_self", "_saved_other", "_saved_exponent"
            values = {name: attempt(lambda name=name: getattr(node, name)) for name in names}
            return {name: value for name, value in values.items() if value[0] != "AttributeError"}

        before = saved()
        y.backward()
        found.append((before, saved()))
    return found


# ---- exceptions


class Boom(Exception):
    pass


def explode(*args):
    raise Boom("mine")


@case
def exception_in_a_hook(lib):
    x, w = leaf(lib, 2.0), leaf(lib, 3.0)
    y = x * x
    handle = y.register_hook(explode)
    z = y * w
    first = attempt(lambda: z.backward(retain_graph=True)), x.grad
    handle.remove()
    x.grad = w.grad = None
    z.backward()
    return first, x.grad, w.grad


@case
def exception_in_a_leaf_hook(lib):
    x = leaf(lib, 2.0)
    handle = x.register_hook(explode)
    y = x * x
    first = attempt(lambda: y.backward(retain_graph=True)), x.grad
    handle.remove()
    y.backward()
    return first, x.grad


@case
def exception_in_a_post_accumulate_hook(lib):
    x = leaf(lib, 2.0)
    handle = x.register_post_accumulate_grad_hook(explode)
    y = x * x
    first = attempt(lambda: y.backward(retain_graph=True)), x.grad.clone()
    handle.remove()
    y.backward()
    return first, x.grad


@case
def exception_in_a_function(lib):
    bombs = [True]

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        if bombs:
            bombs.pop()
            raise Boom("mine")
        return g * 2 * x

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    x = leaf(lib, 2.0)
    z = (function(lib, forward, backward)(x * 1) * 3).exp()
    first = attempt(lambda: z.backward(retain_graph=True)), x.grad
    z.backward()
    return first, x.grad


@case
def exception_frees_what_ran(lib):
    x = leaf(lib, 2.0)
    y = x * x
    handle = y.register_hook(explode)
    z = y.exp()
    first = attempt(z.backward)
    handle.remove()
    return first, attempt(z.backward), attempt(lambda: y.backward()), x.grad


@case
def exception_in_a_rule(lib):
    x, w = leaf(lib, 2.0), leaf(lib, 3.0)
    h = x * 1
    y = h * h
    h.mul_(2)
    z = y + w * 2
    first = attempt(lambda: z.backward())
    return first[0], x.grad


@case
def none_of_the_state_is_left(lib):
    x = leaf(lib, 2.0)
    f = function(lib, backward=explode)
    found = []
    for grad_mode in (True, False):
        y = f(x)
        with lib.set_grad_enabled(grad_mode):
            attempt(lambda y=y: y.backward())
            attempt(lambda y=y: lib.autograd.grad(y, x, create_graph=True))
            found.append(lib.is_grad_enabled())
    return found


# ---- passes inside passes


@case
def grad_mode_inside(lib):
    seen = []
    f = function(lib, backward=lambda ctx, g: seen.append((lib.is_grad_enabled(), g.requires_grad)) or g * 1)
    x = leaf(lib, 2.0)
    x.register_hook(lambda g: seen.append(("hook", lib.is_grad_enabled(), g.requires_grad)))
    for enabled in (True, False):
        for create in (False, True):
            y = f(x * x)
            with lib.set_grad_enabled(enabled):
                lib.autograd.grad(y, x, create_graph=create)
                seen.append(lib.is_grad_enabled())
    return seen


@case
def mode_changed_inside_does_not_leak(lib):
    seen = []

    def backward(ctx, g):
        lib.set_grad_enabled(True)
        seen.append(lib.is_grad_enabled())
        return g

    x = leaf(lib, 2.0)
    f, look = (
        function(lib, backward=backward),
        function(lib, backward=lambda ctx, g: seen.append(lib.is_grad_enabled()) or g),
    )
    look(f(look(x))).backward()
    seen.append(lib.is_grad_enabled())
    with lib.no_grad():
        f(x)
    y = f(look(x))
    with lib.no_grad():
        y.backward()
        seen.append(lib.is_grad_enabled())
    return seen


@case
def mode_changed_in_a_hook(lib):
    seen = []
    x = leaf(lib, 2.0)
    y = x * 2
    y.register_hook(lambda g: lib.set_grad_enabled(True) and None)
    x.register_hook(lambda g: seen.append(lib.is_grad_enabled()))
    y.backward()
    seen.append(lib.is_grad_enabled())
    return seen


@case
def backward_in_a_function(lib):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        with lib.enable_grad():
            inner = x.detach().requires_grad_()
            (inner**3).sum().backward()
        return g * inner.grad

    x = leaf(lib, 3.0)
    function(lib, forward, backward)(x * 2).backward()
    return x.grad


@case
def backward_in_a_hook_into_the_same_leaf(lib):
    x = leaf(lib, 2.0)
    y = x * x
    inner = x * 10
    y.register_hook(lambda g: inner.backward(retain_graph=True))
    (y * 3).backward()
    return x.grad


@case
def backward_in_a_hook_through_the_same_graph(lib):
    x, depth, seen = leaf(lib, 2.0), [0], []
    y = x * x
    z = y * 3

    def hook(g):
        seen.append(g.item())
        if depth[0] < 3:
            depth[0] += 1
            z.backward(retain_graph=True)

    y.register_hook(hook)
    z.backward(retain_graph=True)
    return x.grad, seen


@case
def grad_in_a_backward(lib):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        with lib.enable_grad():
            inner = x.detach().requires_grad_()
            (d,) = lib.autograd.grad(inner.exp(), inner, create_graph=True)
            (dd,) = lib.autograd.grad(d, inner)
        return g * dd

    x = leaf(lib, 1.0)
    return lib.autograd.grad(function(lib, forward, backward)(x), x)


@case
def exception_in_a_nested_pass(lib):
    x, w = leaf(lib, 1.0), leaf(lib, 2.0)
    inner = function(lib, backward=explode)(w)
    y = x * x
    y.register_hook(lambda g: inner.backward())
    z = y * 2
    first = attempt(lambda: z.backward(retain_graph=True)), x.grad, w.grad
    inner = w * 5
    z.backward()
    return first, x.grad, w.grad


@case
def nested_two_thousand_deep(lib):
    order = []

    def forward(ctx, x, n):
        ctx.n = n
        return x.clone()

    def backward(ctx, g):
        order.append(ctx.n)
        if ctx.n:
            with lib.enable_grad():
                inner = lib.ones(1, dtype=lib.float64, requires_grad=True)
                f(inner, ctx.n - 1).backward()
            return g + inner.grad, None
        return g, None

    f = function(lib, forward, backward)
    x = leaf(lib, 1.0)
    f(x, 2000).backward()
    return x.grad, order == list(range(2000, -1, -1))


@pytest.mark.parametrize("name", case)
def test_as_torch(name):
    check(case[name])
