"""Custom Functions and gradcheck against PyTorch's: the same program, the same results, errors and warnings."""
from __future__ import annotations

import warnings

import pytest

import tapegrad

torch = pytest.importorskip("torch")


def made(lib, forward, backward=None, **more):
    methods = {"forward": staticmethod(forward), **({"backward": staticmethod(backward)} if backward else {}), **more}
    return type("Foo", (lib.autograd.Function,), methods).apply


def once(lib):
    return __import__(f"{lib.__name__}.autograd.function", fromlist=["once_differentiable"]).once_differentiable


def leaf(lib, *values, **more):
    return lib.tensor(values, **{"dtype": lib.complex128 if isinstance(values[0], complex) else lib.float64, "requires_grad": True, **more})


def told(value):
    """What can be compared of a result."""
    if isinstance(value, (tapegrad.Tensor, torch.Tensor)):
        return value.detach().numpy().tolist(), str(value.dtype), value.requires_grad, value.grad_fn and value.grad_fn.name()
    if isinstance(value, (tuple, list)):
        return [told(v) for v in value]
    return value


def outcome(lib, case):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            result = told(case(lib, leaf(lib, 1.0, 2.0, 3.0)))
        except Exception as error:
            # torch says at length what to do about operations that do not repeat themselves
            result = type(error).__name__, str(error).partition("\n\nNOTE")[0].strip()
    return result, [(w.category.__name__, str(w.message).partition(" (Triggered")[0]) for w in warned]


def backward(result, *inputs):
    """The gradients of a sum of results, and what it keeps to itself."""
    lib = tapegrad if isinstance(inputs[0], tapegrad.Tensor) else torch
    return lib.autograd.grad(result.sum(), inputs, allow_unused=True)


def with_seen(forward, *arguments, count=1, pick=0):
    """The gradients that backward received, when only result number `pick` has one."""
    def case(lib, x):
        seen = []
        f = made(lib, forward, lambda ctx, *g: seen.append([d is not None and d.tolist() for d in g]) or (g[pick] * 2, *[None] * (count - 1)))
        results = f(x, *arguments)
        backward(results[pick] if isinstance(results, tuple) else results, x)
        return seen, results

    return case


def dirty(ctx, a, *rest):
    a.mul_(2)
    ctx.mark_dirty(a)
    return a


def note(ctx, *tensors):
    ctx.save_for_backward(*tensors)
    return ctx


def in_place_on_view(lib, x):
    h = x * 1
    part = h[:2]
    y = made(lib, dirty, lambda ctx, g: g * 10)(part)
    return y is part, backward(h, x), h.detach()


def stale(lib, x):
    y = made(lib, lambda ctx, a: a, lambda ctx, g: g)(x)
    with lib.no_grad():
        x.add_(1)
    return y * 2


def doubled_twice(lib, x):
    def forward(ctx, a):
        y = a * 2
        return y, y

    y, z = made(lib, forward, lambda ctx, *g: g[0] * 2 + g[1] * 20)(x)
    return y is z, y.output_nr, backward(y + 3 * z, x)


def second_order(lib, x):
    f = made(lib, lambda ctx, a: (note(ctx, a), a * a * a)[1], lambda ctx, g: g * 3 * ctx.saved_tensors[0] * ctx.saved_tensors[0])
    d, = lib.autograd.grad(f(x).sum(), x, create_graph=True)
    return backward(d, x)


def differentiated_twice(lib, x):
    w = leaf(lib, 1.0, 1.0, 1.0)
    f = made(lib, lambda ctx, a: a * 2, once(lib)(lambda ctx, g: g * 2))
    d, = lib.autograd.grad((f(x) * w).sum(), x, create_graph=True)
    return d, d.grad_fn.name(), d.sum().backward()


def setup(lib, x, *more, **keywords):
    seen = []
    f = made(lib, lambda a, k=3: a * k, lambda ctx, g: (g * ctx.k, None),
             setup_context=staticmethod(lambda ctx, inputs, output: seen.append((inputs[1], output.tolist())) or setattr(ctx, "k", inputs[1])))
    y = f(*([x] if not more else []), *more, **keywords)
    return y, seen, backward(y, x)


def saved(lib, x):
    def forward(ctx, a):
        y = a * 2
        ctx.save_for_backward(y, a, None, a + 1)
        return y

    def backward(ctx, g):
        seen.extend([told(ctx.saved_tensors), ctx.saved_tensors[1] is x, ctx.needs_input_grad, lib.is_grad_enabled()])
        return g

    seen = []
    y = made(lib, forward, backward)(x)
    first = told(y.grad_fn.saved_tensors), y.grad_fn.name(), len(y.grad_fn.next_functions)
    y.sum().backward()
    return seen, first, x.grad, y.grad_fn.saved_tensors


CASES = {
    "one result": with_seen(lambda ctx, a: a * 2),
    "results of several kinds": with_seen(lambda ctx, a: (a * 2, 5, None, a * 3), pick=3),
    "arguments of several kinds": with_seen(lambda ctx, a, k, text: (a * k, text), 3, "text", count=3),
    "not differentiable": with_seen(lambda ctx, a: (lambda z: (ctx.mark_non_differentiable(z), (a * 2, z))[1])(a * 3)),
    "no zeros": with_seen(lambda ctx, a: (ctx.set_materialize_grads(False), (a * 2, a * 3))[1]),
    "the same twice": doubled_twice,
    "list": lambda lib, x: made(lib, lambda ctx, a: [a * 2])(x),
    "no tensors": lambda lib, x: made(lib, lambda ctx, a: a + 1)(3),
    "integers": lambda lib, x: made(lib, lambda ctx, a: a.long())(x),
    "second order": second_order,
    "differentiated twice": differentiated_twice,
    "saved": saved,
    "saved used again": lambda lib, x: (lambda y: (y.backward(), y.backward()))(
        made(lib, lambda ctx, a: (note(ctx, a), a * 2)[1], lambda ctx, g: g * ctx.saved_tensors[0])(x).sum()),
    "not used again": lambda lib, x: (lambda y: (y.backward(), y.backward(), x.grad))(
        made(lib, lambda ctx, a: (note(ctx, a), a * 2)[1], lambda ctx, g: g)(x).sum()),
    "saved input changed": lambda lib, x: (lambda h: (lambda y: (h.add_(1), y.sum().backward()))(
        made(lib, lambda ctx, a: (note(ctx, a), a * 2)[1], lambda ctx, g: g * ctx.saved_tensors[0])(h)))(x * 1),
    "saved result changed": lambda lib, x: (lambda y: (y.add_(1), y.sum().backward()))(
        made(lib, lambda ctx, a: (lambda y: (note(ctx, y), y)[1])(a * 2), lambda ctx, g: g * ctx.saved_tensors[0])(x)),
    "saved number": lambda lib, x: made(lib, lambda ctx, a: (note(ctx, 3), a * 2)[1])(x),
    "returned as it is": lambda lib, x: (lambda y: (y is x, backward(y, x)))(made(lib, lambda ctx, a: a, lambda ctx, g: g * 5)(x)),
    "returned as it is, no_grad": lambda lib, x: lib.no_grad()(lambda: made(lib, lambda ctx, a: a)(x))(),
    "another returned": lambda lib, x: made(lib, lambda ctx, a, b: b, lambda ctx, g: (g, None))(x, lib.ones(3)),
    "returned and overwritten": lambda lib, x: made(lib, lambda ctx, a: a, lambda ctx, g: g)(x).mul_(2),
    "returned and stale": stale,
    "view": lambda lib, x: backward(made(lib, lambda ctx, a: a.view(3, 1), lambda ctx, g: g.view(3) * 5)(x), x),
    "view overwritten": lambda lib, x: made(lib, lambda ctx, a: a.view(3, 1), lambda ctx, g: g)(x).mul_(2),
    "view among several overwritten": lambda lib, x: made(lib, lambda ctx, a: (a.view(3, 1), a * 2), lambda ctx, *g: g[1])(x)[0].mul_(2),
    "dirty": lambda lib, x: (lambda h: (lambda y: (y is h, h._version, backward(h, x), h))(made(lib, dirty, lambda ctx, g: g * 2)(h)))(x * 1),
    "dirty leaf": lambda lib, x: made(lib, dirty)(x),
    "dirty leaf, no_grad": lambda lib, x: lib.no_grad()(lambda: made(lib, dirty)(x))(),
    "dirty view of a leaf": lambda lib, x: made(lib, dirty)(x[:2]),
    "dirty view": in_place_on_view,
    "dirty view among several": lambda lib, x: made(lib, lambda ctx, a: (dirty(ctx, a), a + 1))((x * 1)[:2]),
    "dirty without history": lambda lib, x: (lambda c: (made(lib, lambda ctx, a, b: dirty(ctx, b), lambda ctx, g: (g, None))(x, c) is c, c))(
        lib.ones(3, dtype=lib.float64)),
    "dirty but not returned": lambda lib, x: made(lib, lambda ctx, a: (ctx.mark_dirty(a), a * 2)[1])(x * 1),
    "dirty but no input": lambda lib, x: made(lib, lambda ctx, a: (lambda y: (ctx.mark_dirty(y), y)[1])(a * 2), lambda ctx, g: g)(x),
    "too many gradients": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: (g, g))(x), x),
    "too many None": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: (g, None, None))(x), x),
    "too few gradients": lambda lib, x: backward(made(lib, lambda ctx, a, b: a * 2, lambda ctx, g: (g,))(x, x), x),
    "wrong shape": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: lib.ones(7))(x), x),
    "small shape": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: lib.ones(1))(x), x),
    "broadcast shape": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: lib.ones(5, 3))(x), x),
    "other dtype": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g.float())(x), x),
    "number for a gradient": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: 3.0)(x), x),
    "gradient for a number": lambda lib, x: backward(made(lib, lambda ctx, a, k: a * 2, lambda ctx, g: (g, g))(x, 3), x),
    "no gradient": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: None)(x), x),
    "no backward": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2)(x), x),
    "backward and vjp": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g, vjp=staticmethod(lambda ctx, g: g))(x), x),
    "vjp": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, vjp=staticmethod(lambda ctx, g: g * 2))(x), x),
    "no forward": lambda lib, x: type("Foo", (lib.autograd.Function,), {}).apply(x),
    "keywords": lambda lib, x: made(lib, lambda ctx, a, k=1: a * k, lambda ctx, g: (g, None))(x, k=3),
    "setup_context": setup,
    "setup_context with a keyword": lambda lib, x: setup(lib, x, k=5),
    "setup_context without argument": lambda lib, x: setup(lib, x, x, x, x),
    "complex": lambda lib, x: (lambda z: backward((made(lib, lambda ctx, a: (note(ctx, a), a * a)[1],
                                                       lambda ctx, g: g * (2 * ctx.saved_tensors[0]).conj())(z)).real, z))(leaf(lib, 1 + 2j, 3 - 1j)),
    # gradcheck
    "gradcheck": lambda lib, x: lib.autograd.gradcheck(lambda a: a * a, x),
    "gradcheck, wrong": lambda lib, x: lib.autograd.gradcheck(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 3), x),
    "gradcheck, wrong second": lambda lib, x: lib.autograd.gradcheck(
        lambda a, b: (a * b, made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 3)(b)), (leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0))),
    "gradcheck, wrong, no exception": lambda lib, x: lib.autograd.gradcheck(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 3), x, raise_exception=False),
    "gradcheck, random": lambda lib, x: lib.autograd.gradcheck(
        made(lib, lambda ctx, a: a * 2, lambda ctx, g, calls=[]: calls.append(1) or g * 2 + len(calls) * 1e-9), x),
    "gradcheck, constant added": lambda lib, x: lib.autograd.gradcheck(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 2 + 1e-7), x),
    "gradcheck, nothing to check": lambda lib, x: lib.autograd.gradcheck(lambda a: a, x.detach()),
    "gradcheck, single precision": lambda lib, x: lib.autograd.gradcheck(lambda a: a * 2, leaf(lib, 1.0, dtype=lib.float32), eps=1e-2, atol=1e-2),
    "gradcheck, expanded": lambda lib, x: lib.autograd.gradcheck(lambda a: a * 2, lib.ones(1, dtype=lib.float64).expand(3).requires_grad_()),
    "gradcheck, no gradient": lambda lib, x: lib.autograd.gradcheck(
        made(lib, lambda ctx, a: (lambda y: (ctx.mark_non_differentiable(y), y)[1])(a * 2), lambda ctx, g: g), x),
    "gradcheck, complex, wrong": lambda lib, x: lib.autograd.gradcheck(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 3), leaf(lib, 1 + 1j, 2 - 1j)),
    "gradcheck, no mode": lambda lib, x: lib.autograd.gradcheck(lambda a: a, x, check_backward_ad=False),
    "gradcheck, empty": lambda lib, x: lib.autograd.gradcheck(lambda a: a * a, x[:0].detach().requires_grad_()),
    "gradgradcheck": lambda lib, x: lib.autograd.gradgradcheck(lambda a: a * a * a, x),
    "gradgradcheck, fast": lambda lib, x: lib.autograd.gradgradcheck(lambda a: a * a * a, x, fast_mode=True),
    "gradgradcheck, linear": lambda lib, x: lib.autograd.gradgradcheck(lambda a: a * 2, x),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_as_in_torch(name):
    (ours, warned), (theirs, expected) = outcome(tapegrad, CASES[name]), outcome(torch, CASES[name])
    assert repr(ours) == repr(theirs)
    assert warned == expected


def test_fast_gradcheck_finds_what_torch_finds():
    for scale in (1.0, 1.01, 1.5):
        results = []
        for lib in (tapegrad, torch):
            f = made(lib, lambda ctx, a: (note(ctx, a), a * a)[1], lambda ctx, g, scale=scale: g * 2 * scale * ctx.saved_tensors[0])
            results.append(lib.autograd.gradcheck(f, leaf(lib, 1.0, 2.0), fast_mode=True, raise_exception=False))
        assert results == [scale == 1.0] * 2
