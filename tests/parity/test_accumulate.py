"""What a pass leaves in `.grad`, its dtype, layout and memory: as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from same_program import Programs, attempt, check, function, leaf, memory, strides

case = Programs()


# ---- .grad


@case
def grad_is_added_to_in_place(lib):
    x = leaf(lib, 2.0)
    (x * 2).backward()
    first, where, version = x.grad, memory(x.grad), x.grad._version
    (x * 3).backward()
    return x.grad is first, memory(x.grad) == where, x.grad._version - version, x.grad


@case
def grad_is_added_out_of_place_with_create_graph(lib):
    x = leaf(lib, 2.0)
    (x * 2).backward()
    first = x.grad
    (x * x).backward(create_graph=True)
    second = x.grad
    (x * x).backward()
    found = first, second is first, second, x.grad is second, x.grad
    x.grad = None
    return found


@case
def accumulating_into_grad_that_requires(lib):
    x = leaf(lib, 2.0)
    (x * x * x).backward(create_graph=True)
    first = x.grad
    (x * 5).backward()
    found = x.grad is first, x.grad, first
    x.grad.backward()
    found = *found, x.grad
    x.grad = None
    return found


@case
def accumulating_with_create_graph_into_detached(lib):
    x = leaf(lib, 2.0)
    x.grad = lib.ones(1, dtype=lib.float64)
    mine = x.grad
    (x * x).backward(create_graph=True)
    found = mine, x.grad, x.grad is mine
    x.grad = None
    return found


@case
def accumulating_into_what_the_user_set(lib):
    x = leaf(lib)
    mine = lib.ones(3, dtype=lib.float64)
    x.grad = mine
    (x * 2).sum().backward()
    return x.grad is mine, mine


@case
def accumulating_into_expanded_grad(lib):
    x = leaf(lib)
    x.grad = lib.ones(1, dtype=lib.float64).expand(3)
    return attempt(lambda: (x * 2).sum().backward()), x.grad


@case
def accumulating_into_a_view(lib):
    x = leaf(lib)
    flat = lib.zeros(6, dtype=lib.float64)
    x.grad = flat[1:4]
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    return flat, x.grad


@case
def layouts_of_grad(lib):
    found = []
    channels_last = {"memory_format": lib.channels_last}
    leaves = {
        "plain": lambda: lib.ones(2, 3, 4, 5),
        "channels last": lambda: lib.ones(2, 3, 4, 5).to(**channels_last),
        "transposed": lambda: lib.ones(3, 2, 5, 4).permute(1, 0, 3, 2),
        "every other": lambda: lib.ones(2, 3, 4, 10)[..., ::2],
        "expanded": lambda: lib.ones(2, 3, 4, 1).expand(2, 3, 4, 5),
        "part of transposed": lambda: lib.ones(5, 4, 3, 4).permute(3, 2, 1, 0)[:2],
    }
    results = {
        "times": lambda x: (x * 2).sum(),
        "sum": lambda x: x.sum(),
        "square": lambda x: (x * x).sum(),
        "permuted": lambda x: (x.permute(3, 2, 1, 0) * lib.arange(120.0).reshape(5, 4, 3, 2)).sum(),
        "several": lambda x: (x * 2 + x.exp() + x).sum(),
        "weights": lambda x: (x * lib.arange(120.0).reshape(2, 3, 4, 5)).sum(),
        "part": lambda x: x[0].sum(),
        "clone": lambda x: x.clone().sum(),
    }
    for kind, make in leaves.items():
        for result, f in results.items():
            x = make().detach().requires_grad_()
            f(x).backward()
            first = strides(x.grad)
            f(x).backward()
            found.append((kind, result, first, strides(x.grad), x.grad.sum()))
    return found


@case
def layout_with_create_graph(lib):
    found = []
    for make in (
        lambda: lib.ones(2, 3, 4, 5).to(memory_format=lib.channels_last),
        lambda: lib.ones(3, 2).t(),
        lambda: lib.ones(2, 1).expand(2, 3),
        lambda: lib.ones(2, 6)[:, ::2],
    ):
        x = make().detach().requires_grad_()
        (x * x).sum().backward(create_graph=True)
        found.append((strides(x.grad), x.grad))
        x.grad = None
    return found


@case
def two_leaves_given_one_buffer(lib):
    def same(ctx, g):
        d = g * 2
        return d, d

    x, w = leaf(lib), leaf(lib)
    f = function(lib, lambda ctx, a, b: a + b, same)
    f(x, w).sum().backward()
    apart = memory(x.grad) != memory(w.grad)
    x.grad.zero_()
    return apart, w.grad


@case
def buffer_given_back_and_kept(lib):
    kept = []

    def keep(ctx, g):
        kept.append(g * 2)
        return kept[0]

    x = leaf(lib)
    function(lib, backward=keep)(x).sum().backward()
    x.grad.zero_()
    return kept[0]


@case
def expanded_gradient_of_function(lib):
    x = leaf(lib)
    function(lib, backward=lambda ctx, g: lib.ones(1, dtype=lib.float64).expand(3))(x).sum().backward()
    before = strides(x.grad)
    x.grad[0] = 5
    return before, x.grad


@case
def broadcast_and_empty(lib):
    x, w, e = (
        lib.ones(3, 1, requires_grad=True),
        lib.ones(2, 1, 4, requires_grad=True),
        lib.ones(0, 4, requires_grad=True),
    )
    s = lib.tensor(2.0, requires_grad=True)
    (x * w * s).sum().backward()
    (e * s).sum().backward()
    (e + lib.ones(1, 4, requires_grad=True)).sum().backward()
    return x.grad, w.grad, s.grad, e.grad


@case
def dtype_of_grad(lib):
    found = []
    for first in ("float16", "bfloat16", "float32", "float64", "complex64"):
        for second in ("float16", "bfloat16", "float32", "float64", "complex64"):
            x, w = leaf(lib, 1.0, 2.0, dtype=first), leaf(lib, 3.0, 4.0, dtype=second)
            y = (x * w).sum()
            (y.real if y.dtype.is_complex else y).backward()
            found.append((x.grad, w.grad))
    return found


@case
def undefined_gradient_stays_undefined(lib):
    x = leaf(lib, 2.0)
    y = function(lib, backward=lambda ctx, g: None)(x)
    (y * 2).backward()
    return x.grad, lib.autograd.grad(function(lib, backward=lambda ctx, g: None)(x), x, allow_unused=True)


@case
def undefined_gradient_through_ops(lib):
    x, w = leaf(lib, 2.0), leaf(lib, 3.0)
    y = function(lib, backward=lambda ctx, g: None)(x.exp() * 2)
    (y * 2 + w).backward()
    return x.grad, w.grad


@case
def undefined_given_to_grad(lib):
    x = leaf(lib, 2.0)
    y = function(lib, backward=lambda ctx, g: None)(x.exp())
    return attempt(lambda: lib.autograd.grad(y, x)), lib.autograd.grad(
        function(lib, backward=lambda ctx, g: None)(x), x, materialize_grads=True
    )


@case
def setter_checks(lib):
    x = leaf(lib)
    found = [
        attempt(lambda v=v: setattr(x, "grad", v)) for v in (1.0, "a", np.ones(3), lib.ones(2, dtype=lib.float64), x)
    ]
    kind, text = attempt(lambda: setattr(x, "grad", lib.ones(3)))
    found += [kind, text.partition("with dtype")[0]]
    x.grad = lib.ones(3, dtype=lib.float64)
    del x.grad
    found.append(x.grad)
    x.grad = lib.ones(3, dtype=lib.float64)
    x.grad = None
    found += [
        attempt(lambda v=v: setattr(x, "grad", v))
        for v in (lib.ones((), dtype=lib.float64), lib.ones(1, 3, dtype=lib.float64))
    ]
    return found, x.grad


@case
def setting_grad_of_what_does_not_require(lib):
    x = lib.ones(3)
    x.grad = lib.ones(3)
    return x.grad


@case
def grad_of_a_non_leaf(lib):
    y = leaf(lib, 1.0) * 2
    first = y.grad
    y.retain_grad()
    return first, y.grad


@case
def grad_of_non_leaf_after_inputs(lib):
    y = leaf(lib, 1.0) * 2
    (y * 3).backward(inputs=[y])
    return y.grad


@case
def grad_keeps_the_device_and_class(lib):
    x = lib.nn.Parameter(lib.ones(2))
    (x * 2).sum().backward()
    return type(x.grad) is lib.Tensor, x.grad.is_leaf, x.grad.requires_grad, x.grad.grad_fn


@pytest.mark.parametrize("name", case)
def test_as_torch(name):
    check(case[name])
