"""Custom Functions and gradcheck against PyTorch's: the same program, the same results, errors and warnings."""

from __future__ import annotations

import pytest
from same_program import attempt, check, comparable, leaf

import tapegrad

torch = pytest.importorskip("torch")


def made(lib, forward, backward=None, **more):
    methods = {"forward": staticmethod(forward), **({"backward": staticmethod(backward)} if backward else {}), **more}
    return type("Foo", (lib.autograd.Function,), methods).apply


def once(lib):
    return __import__(f"{lib.__name__}.autograd.function", fromlist=["once_differentiable"]).once_differentiable


def backward(result, *inputs):
    """The gradients of a sum of results, and what it keeps to itself."""
    lib = tapegrad if isinstance(inputs[0], tapegrad.Tensor) else torch
    return lib.autograd.grad(result.sum(), inputs, allow_unused=True)


def with_seen(forward, *arguments, count=1, pick=0):
    """The gradients that backward received, when only result number `pick` has one."""

    def case(lib, x):
        seen = []
        f = made(
            lib,
            forward,
            lambda ctx, *g: (
                seen.append([d is not None and d.tolist() for d in g]) or (g[pick] * 2, *[None] * (count - 1))
            ),
        )
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
    f = made(
        lib,
        lambda ctx, a: (note(ctx, a), a * a * a)[1],
        lambda ctx, g: g * 3 * ctx.saved_tensors[0] * ctx.saved_tensors[0],
    )
    (d,) = lib.autograd.grad(f(x).sum(), x, create_graph=True)
    return backward(d, x)


def differentiated_twice(lib, x):
    w = leaf(lib, 1.0, 1.0, 1.0)
    f = made(lib, lambda ctx, a: a * 2, once(lib)(lambda ctx, g: g * 2))
    (d,) = lib.autograd.grad((f(x) * w).sum(), x, create_graph=True)
    return d, d.grad_fn.name(), d.sum().backward()


def setup(lib, x, *more, **keywords):
    seen = []
    f = made(
        lib,
        lambda a, k=3: a * k,
        lambda ctx, g: (g * ctx.k, None),
        setup_context=staticmethod(
            lambda ctx, inputs, output: seen.append((inputs[1], output.tolist())) or setattr(ctx, "k", inputs[1])
        ),
    )
    y = f(*([x] if not more else []), *more, **keywords)
    return y, seen, backward(y, x)


def saved(lib, x):
    def forward(ctx, a):
        y = a * 2
        ctx.save_for_backward(y, a, None, a + 1)
        return y

    def backward(ctx, g):
        seen.extend(
            [comparable(ctx.saved_tensors), ctx.saved_tensors[1] is x, ctx.needs_input_grad, lib.is_grad_enabled()]
        )
        return g

    seen = []
    y = made(lib, forward, backward)(x)
    first = comparable(y.grad_fn.saved_tensors), y.grad_fn.name(), len(y.grad_fn.next_functions)
    y.sum().backward()
    return seen, first, x.grad, y.grad_fn.saved_tensors


def as_leafless(forward):
    """A case that asks of ``forward(ctx, a, *rest)``, called with a tensor that is no leaf, who its result is."""

    def case(lib, x, backward_of=lambda ctx, *g: g[0] * 2):
        h = x * 1
        y = made(lib, forward, backward_of)(h)
        results = y if isinstance(y, tuple) else (y,)
        return (
            [r is h for r in results],
            [r._is_view() for r in results],
            h._version,
            h,
            y,
            attempt(lambda: backward(results[0], x)),
            attempt(lambda: h),
        )

    return case


def of_view(forward, how=lambda h: h[:2], factor=10):
    """A case that applies a Function to a view, and asks for the gradients of the view and of what it is a view of."""

    def case(lib, x):
        h = x * 1
        part = how(h)
        y = made(lib, forward, lambda ctx, g, *rest: g * factor)(part)
        return y is part, part.is_leaf, h.detach(), backward(h, x), attempt(lambda: backward(part, x))

    return case


def constant_result(how):
    """A case in which no gradient flows to a result, made by `how` from the argument: what it is, and whether it can be
    written.
    """

    def case(lib, x):
        found = []
        for start in (x, x * 1, x.detach()):

            def forward(ctx, a):
                y = how(ctx, a)
                ctx.mark_non_differentiable(y)
                return y

            y = made(lib, forward, lambda ctx, g: None)(start)
            found.append((y is start, y._is_view(), y, attempt(lambda y=y: y.mul_(2)), start))
        return found

    return case


def without_grad(how):
    def case(lib, x):
        with lib.no_grad():
            y = made(lib, how)(x)
        return y is x, y._is_view(), y, attempt(lambda: y.mul_(2)), x

    return case


def squared_in_place(ctx, a):
    ctx.save_for_backward(a.clone())
    ctx.mark_dirty(a)
    return a.mul_(a)


def exp_in_place(ctx, a):
    a.exp_()
    ctx.mark_dirty(a)
    ctx.save_for_backward(a)
    return a


def exp_in_place_twice_differentiated(lib, x):
    h = x * 1
    y = made(lib, exp_in_place, lambda ctx, g: g * ctx.saved_tensors[0])(h)
    (d,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return d, backward(d, x), attempt(lambda: y.mul_(2)), attempt(lambda: backward(y, x))


def in_place_hooks(lib, x):
    seen = []
    h = x * 1
    h.register_hook(lambda g: seen.append(("before", g.tolist())))
    h.retain_grad()
    made(lib, dirty, lambda ctx, g: g * 10)(h)
    h.register_hook(lambda g: seen.append(("after", g.tolist())))
    h.sum().backward()
    return seen, h.grad, x.grad


def no_gradient_for(pick):
    """A Function above another whose backward returns None: what the one below receives."""

    def case(lib, x):
        seen = []
        below = made(lib, lambda ctx, a: (a * 2, a * 3), lambda ctx, *g: seen.append(comparable(g)) or g[0] + g[1])
        above = made(lib, lambda ctx, a, b: a * b, lambda ctx, g: (g, None) if pick else (None, None))
        a, b = below(x)
        return attempt(lambda: backward(above(a, b), x)), seen

    return case


def setup_saving(what, forward=lambda a: a, start=lambda x: x):
    return lambda lib, x: made(
        lib,
        forward,
        lambda ctx, g: (ctx.saved_tensors, g)[1],
        setup_context=staticmethod(
            lambda ctx, inputs, output: ctx.save_for_backward(inputs[0] if what == "input" else output)
        ),
    )(start(x))


def keywords(lib, x):
    w, seen = leaf(lib, 1.0, 2.0), []
    f = made(
        lib,
        lambda ctx, a, b, k=3: seen.append(ctx.needs_input_grad) or a.sum() * b.sum() * k,
        lambda ctx, g: (g.expand(3) * 2, g.expand(2) * 3, None),
    )
    return backward(f(x, b=w), x, w), backward(f(b=w, a=x), x, w), backward(f(b=w, k=2, a=x), x, w), seen


def context(lib, x):
    seen = []

    def forward(ctx, a):
        ctx.save_for_forward(a, None)
        seen.append((comparable(ctx.saved_tensors), comparable(ctx.saved_for_forward), ctx.saved_for_forward[0] is a))
        seen.append(attempt(lambda: ctx.save_for_forward(a, 3)))
        ctx.save_for_backward(a)
        ctx.mark_shared_storage((a, a))
        ctx.note = 1
        seen.append((hasattr(ctx, "note"), hasattr(ctx, "nothing"), attempt(lambda: ctx.nothing)))
        first.append(ctx)
        return a * 2

    def back(ctx, g):
        seen.append(
            (ctx == first[0], ctx == y.grad_fn, hash(ctx) == hash(first[0]), ctx.note, ctx.saved_variables[0] is x)
        )
        ctx.more = 2
        return g

    first = []
    y = made(lib, forward, back)(x)
    y.sum().backward()
    return (
        seen,
        y.grad_fn.saved_for_forward,
        y.grad_fn.more,
        y.grad_fn.to_save,
        attempt(lambda: y.grad_fn.saved_tensors),
    )


def methods_of_the_base(lib, x):
    base = lib.autograd.Function
    calls = (
        lambda: base.vmap(None, None),
        lambda: base.jvp(None),
        lambda: base.backward(None),
        lambda: base.vjp(None),
        base.forward,
        lambda: base.setup_context(None, (), None),
    )
    return base.generate_vmap_rule, [attempt(call) for call in calls]


def class_methods(lib, x):
    class Foo(lib.autograd.Function):
        factor = 3

        @classmethod
        def forward(cls, a, k=2):
            return a * cls.factor * k

        @classmethod
        def setup_context(cls, ctx, inputs, output):
            ctx.factor = cls.factor * inputs[1]

        @classmethod
        def backward(cls, ctx, g):
            return g * ctx.factor, None

    class Bar(Foo):
        factor = 5

    return [(f.apply(x), f.apply(a=x), backward(f.apply(x, k=7), x)) for f in (Foo, Bar)]


def not_materialized(lib, x):
    seen = []

    def forward(ctx, a):
        ctx._materialize_non_diff_grads = False
        flat = a * 3
        ctx.mark_non_differentiable(flat)
        return a * 2, flat, a.long(), a * 4

    y = made(lib, forward, lambda ctx, *g: seen.append([d is None for d in g]) or g[0])(x)
    return backward(y[0], x), seen


def functions_in_functions(lib, x):
    square = made(lib, lambda ctx, a: (note(ctx, a), a * a)[1], lambda ctx, g: g * 2 * ctx.saved_tensors[0])
    twice = made(
        lib,
        lambda ctx, a: (note(ctx, a), square(a) * 2)[1],
        lambda ctx, g: g * 4 * square(ctx.saved_tensors[0]) / ctx.saved_tensors[0],
    )
    y, found = twice(x), []
    for _ in range(3):
        (y,) = lib.autograd.grad(y.sum(), x, create_graph=True)
        found.append(y.detach())
    return found


def recursive(lib, x):
    class Pow(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a, n):
            ctx.save_for_backward(a)
            ctx.n = n
            return a**n

        @staticmethod
        def backward(ctx, g):
            return g * ctx.n * Pow.apply(ctx.saved_tensors[0], ctx.n - 1) if ctx.n else g * 0, None

    y, found = Pow.apply(x, 3), []
    for _ in range(4):
        (y,) = lib.autograd.grad(y.sum(), x, create_graph=True)
        found.append(y.detach())
    return found


def inner_pass(lib, x):
    def back(ctx, g):
        with lib.enable_grad():
            a = ctx.saved_tensors[0].detach().requires_grad_()
            (a**3).sum().backward()
        return g * a.grad

    made(lib, lambda ctx, a: (note(ctx, a), a**3)[1], back)(x).sum().backward()
    return x.grad


def recorded_inside(lib, x):
    def forward(ctx, a):
        with lib.enable_grad():
            ctx.a = a.detach().requires_grad_()
            ctx.y = ctx.a * ctx.a
        return ctx.y.detach()

    y = made(lib, forward, lambda ctx, g: lib.autograd.grad(ctx.y, ctx.a, g)[0])(x)
    return y, backward(y, x)


def with_history_of_its_own(lib, x):
    def forward(ctx, a):
        with lib.enable_grad():
            return a * 2

    y = made(lib, forward, lambda ctx, g: g * 5)(x)
    return y, backward(y, x)


def raises_in_backward(lib, x):
    import traceback

    def failing(ctx, g):
        raise LookupError("here")

    try:
        backward(made(lib, lambda ctx, a: a * 2, failing)(x), x)
    except LookupError as error:
        return (
            [frame.name for frame in traceback.extract_tb(error.__traceback__)].count("failing"),
            lib.is_grad_enabled(),
            backward(x * 2, x),
        )


def answered(answer, *more, dtype=None):
    """The gradients where backward gives `answer`, in a pass that is recorded and in one that is not."""

    def case(lib, x):
        start = x if dtype is None else leaf(lib, 1.0, dtype=dtype)

        def run(create_graph):
            y = made(lib, lambda ctx, a, *rest: a * 2, lambda ctx, g: answer(lib, g))(start, *more)
            return comparable(
                [
                    d if d is None else d.detach()
                    for d in lib.autograd.grad(y.sum(), start, create_graph=create_graph, allow_unused=True)
                ]
            )

        return attempt(lambda: run(False)), attempt(lambda: run(True))

    return case


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
        made(lib, lambda ctx, a: (note(ctx, a), a * 2)[1], lambda ctx, g: g * ctx.saved_tensors[0])(x).sum()
    ),
    "not used again": lambda lib, x: (lambda y: (y.backward(), y.backward(), x.grad))(
        made(lib, lambda ctx, a: (note(ctx, a), a * 2)[1], lambda ctx, g: g)(x).sum()
    ),
    "saved input changed": lambda lib, x: (
        lambda h: (lambda y: (h.add_(1), y.sum().backward()))(
            made(lib, lambda ctx, a: (note(ctx, a), a * 2)[1], lambda ctx, g: g * ctx.saved_tensors[0])(h)
        )
    )(x * 1),
    "saved result changed": lambda lib, x: (lambda y: (y.add_(1), y.sum().backward()))(
        made(lib, lambda ctx, a: (lambda y: (note(ctx, y), y)[1])(a * 2), lambda ctx, g: g * ctx.saved_tensors[0])(x)
    ),
    "saved number": lambda lib, x: made(lib, lambda ctx, a: (note(ctx, 3), a * 2)[1])(x),
    "returned as it is": lambda lib, x: (lambda y: (y is x, backward(y, x)))(
        made(lib, lambda ctx, a: a, lambda ctx, g: g * 5)(x)
    ),
    "returned as it is, no_grad": lambda lib, x: lib.no_grad()(lambda: made(lib, lambda ctx, a: a)(x))(),
    "another returned": lambda lib, x: made(lib, lambda ctx, a, b: b, lambda ctx, g: (g, None))(x, lib.ones(3)),
    "returned and overwritten": lambda lib, x: made(lib, lambda ctx, a: a, lambda ctx, g: g)(x).mul_(2),
    "returned and stale": stale,
    "view": lambda lib, x: backward(made(lib, lambda ctx, a: a.view(3, 1), lambda ctx, g: g.view(3) * 5)(x), x),
    "view overwritten": lambda lib, x: made(lib, lambda ctx, a: a.view(3, 1), lambda ctx, g: g)(x).mul_(2),
    "view among several overwritten": lambda lib, x: made(
        lib, lambda ctx, a: (a.view(3, 1), a * 2), lambda ctx, *g: g[1]
    )(x)[0].mul_(2),
    "dirty": lambda lib, x: (
        lambda h: (lambda y: (y is h, h._version, backward(h, x), h))(made(lib, dirty, lambda ctx, g: g * 2)(h))
    )(x * 1),
    "dirty leaf": lambda lib, x: made(lib, dirty)(x),
    "dirty leaf, no_grad": lambda lib, x: lib.no_grad()(lambda: made(lib, dirty)(x))(),
    "dirty view of a leaf": lambda lib, x: made(lib, dirty)(x[:2]),
    "dirty view": in_place_on_view,
    "dirty view among several": lambda lib, x: made(lib, lambda ctx, a: (dirty(ctx, a), a + 1))((x * 1)[:2]),
    "dirty without history": lambda lib, x: (
        lambda c: (made(lib, lambda ctx, a, b: dirty(ctx, b), lambda ctx, g: (g, None))(x, c) is c, c)
    )(lib.ones(3, dtype=lib.float64)),
    "dirty but not returned": lambda lib, x: made(lib, lambda ctx, a: (ctx.mark_dirty(a), a * 2)[1])(x * 1),
    "dirty but no input": lambda lib, x: made(
        lib, lambda ctx, a: (lambda y: (ctx.mark_dirty(y), y)[1])(a * 2), lambda ctx, g: g
    )(x),
    "too many gradients": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: (g, g))(x), x),
    "too many None": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: (g, None, None))(x), x),
    "too few gradients": lambda lib, x: backward(made(lib, lambda ctx, a, b: a * 2, lambda ctx, g: (g,))(x, x), x),
    "wrong shape": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: lib.ones(7))(x), x),
    "small shape": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: lib.ones(1))(x), x),
    "broadcast shape": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: lib.ones(5, 3))(x), x),
    "other dtype": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g.float())(x), x),
    "number for a gradient": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: 3.0)(x), x),
    "gradient for a number": lambda lib, x: backward(
        made(lib, lambda ctx, a, k: a * 2, lambda ctx, g: (g, g))(x, 3), x
    ),
    "no gradient": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: None)(x), x),
    "no backward": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2)(x), x),
    "backward and vjp": lambda lib, x: backward(
        made(lib, lambda ctx, a: a * 2, lambda ctx, g: g, vjp=staticmethod(lambda ctx, g: g))(x), x
    ),
    "vjp": lambda lib, x: backward(made(lib, lambda ctx, a: a * 2, vjp=staticmethod(lambda ctx, g: g * 2))(x), x),
    "no forward": lambda lib, x: type("Foo", (lib.autograd.Function,), {}).apply(x),
    "keywords": lambda lib, x: made(lib, lambda ctx, a, k=1: a * k, lambda ctx, g: (g, None))(x, k=3),
    "setup_context": setup,
    "setup_context with a keyword": lambda lib, x: setup(lib, x, k=5),
    "setup_context without argument": lambda lib, x: setup(lib, x, x, x, x),
    "complex": lambda lib, x: (
        lambda z: backward(
            (
                made(
                    lib, lambda ctx, a: (note(ctx, a), a * a)[1], lambda ctx, g: g * (2 * ctx.saved_tensors[0]).conj()
                )(z)
            ).real,
            z,
        )
    )(leaf(lib, 1 + 2j, 3 - 1j)),
    "keywords in any order": keywords,
    "context": context,
    "methods of the base": methods_of_the_base,
    "class methods": class_methods,
    "functions in functions": functions_in_functions,
    "recursive": recursive,
    "inner pass": inner_pass,
    "recorded inside": recorded_inside,
    "with history of its own": with_history_of_its_own,
    "raises in backward": raises_in_backward,
    "boxed": lambda lib, x: backward(
        made(lib, lambda ctx, a: (a * 2, a), lambda ctx, g: g.pop() + g.pop(), boxed_grads_call=True)(x)[0], x
    ),
    "not materialized": not_materialized,
    "none for both": no_gradient_for(0),
    "none for one": no_gradient_for(1),
    # results that are somebody else's
    "nested": as_leafless(lambda ctx, a: (a * 2, (a * 3, a), {"k": a})[0]),
    "one in a tuple": as_leafless(lambda ctx, a: (a * 2,)),
    "returned twice": as_leafless(lambda ctx, a: (a, a)),
    "returned beside a result": as_leafless(lambda ctx, a: (a, a * 2)),
    "two views": as_leafless(lambda ctx, a: (a[:], a[:2])),
    "detached": as_leafless(lambda ctx, a: a.detach()),
    "data": as_leafless(lambda ctx, a: a.data),
    "written without a word": as_leafless(lambda ctx, a: a.mul_(2)),
    "overwritten": as_leafless(dirty),
    "overwritten, several": as_leafless(lambda ctx, a: (dirty(ctx, a), a * 2)),
    "overwritten, returned twice": as_leafless(lambda ctx, a: (dirty(ctx, a), a)),
    "overwritten, marked twice": as_leafless(lambda ctx, a: (ctx.mark_dirty(a, a), a.mul_(2))[1]),
    "overwritten, a view returned": as_leafless(lambda ctx, a: dirty(ctx, a)[:2]),
    "overwritten, not differentiable": as_leafless(lambda ctx, a: (ctx.mark_non_differentiable(a), dirty(ctx, a))[1]),
    "overwritten, kept before": as_leafless(squared_in_place),
    "overwritten, kept after": as_leafless(exp_in_place),
    "overwritten, kept, second order": exp_in_place_twice_differentiated,
    "overwritten, hooks": in_place_hooks,
    "overwritten in setup_context": lambda lib, x: (
        lambda h: (lambda y: (y is h, h._version, backward(y, x)))(
            made(
                lib,
                lambda a: a.mul_(2),
                lambda ctx, g: g * 2,
                setup_context=staticmethod(lambda ctx, inputs, output: ctx.mark_dirty(inputs[0])),
            )(h)
        )
    )(x * 1),
    "overwritten alias": lambda lib, x: (
        lambda h: (made(lib, dirty, lambda ctx, g: g)(h.detach()), h._version, h, attempt(lambda: backward(h * h, x)))
    )(x * 1),
    "overwritten after use": lambda lib, x: (
        lambda h: (lambda z: (made(lib, dirty, lambda ctx, g: g)(h), attempt(lambda: backward(z, x))))(h * h)
    )(x * 1),
    "overwritten of two": lambda lib, x: (
        lambda h, k: (lambda y: (y[0] is k, y[1] is h, backward(y[0] * 10 + y[1], x)))(
            made(
                lib,
                lambda ctx, a, b: (a.mul_(2), b.mul_(3), ctx.mark_dirty(a, b), b, a)[3:],
                lambda ctx, g, h: (2 * h, 3 * g),
            )(h, k)
        )
    )(x * 1, x * 2),
    "overwritten view": of_view(dirty),
    "overwritten view, kept": of_view(exp_in_place),
    "overwritten view of a view": of_view(dirty, lambda h: h[:2].view(2, 1)),
    "overwritten view of several": of_view(dirty, lambda h: h.unbind()[0]),
    "overwritten view and a number": of_view(lambda ctx, a: (dirty(ctx, a), 3)),
    "overwritten view from no_grad": lambda lib, x: made(lib, dirty)(lib.no_grad()(lambda: (x * 1)[:2])()),
    "overwritten view of a leaf from no_grad": lambda lib, x: made(lib, dirty)(lib.no_grad()(lambda: x[:2])()),
    "overwritten view from a Function": lambda lib, x: made(lib, dirty)(
        made(lib, lambda ctx, a: a[:2], lambda ctx, g: g)(x * 1)
    ),
    "overwritten leaf and a number": lambda lib, x: made(lib, lambda ctx, a: (dirty(ctx, a), 3))(x),
    "overwritten integers": lambda lib, x: (
        lambda c: (made(lib, lambda ctx, a, b: dirty(ctx, b))(x, c) is c, c, c._version)
    )(lib.ones(3, dtype=lib.int64)),
    "constant as it is": constant_result(lambda ctx, a: a),
    "constant view": constant_result(lambda ctx, a: a[:2]),
    "constant result": constant_result(lambda ctx, a: a * 2),
    "without grad, as it is": without_grad(lambda ctx, a: a),
    "without grad, view": without_grad(lambda ctx, a: a[:2]),
    "without grad, overwritten": without_grad(dirty),
    "without grad, overwritten view": lambda lib, x: lib.no_grad()(
        lambda: (lambda p: (made(lib, dirty)(p) is p, x, x._version))(x[:2])
    )(),
    "views of a constant, written later": lambda lib, x: (
        lambda c: (lambda y: (attempt(lambda: y.mul_(x[:2])), attempt(lambda: c.mul_(x)), attempt(lambda: y)))(
            made(lib, lambda ctx, a: a[:2])(c)
        )
    )(x.detach()),
    "part of a result": lambda lib, x: (lambda y: (y[:2].mul_(3), backward(y, x), y)[1:])(
        made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 2)(x)
    ),
    "a view of a new tensor": lambda lib, x: (lambda y: (y._is_view(), attempt(lambda: y.mul_(3))))(
        made(lib, lambda ctx, a: (a * 2)[:2], lambda ctx, g: lib.cat([g, g[:1]]))(x)
    ),
    # setup_context
    **{
        f"setup_context keeps its {what} as it is, {name}": setup_saving(what, start=start)
        for what in ("input", "output")
        for name, start in {"leaf": lambda x: x, "constant": lambda x: x.detach()}.items()
    },
    "setup_context keeps its input, a view returned": setup_saving("input", lambda a: a.view_as(a)),
    "setup_context keeps its output, a view": setup_saving("output", lambda a: a.view_as(a)),
    "setup_context keeps its input, no_grad": lambda lib, x: lib.no_grad()(lambda: setup_saving("input")(lib, x))(),
    # what backward returns
    "a list": answered(lambda lib, g: [g]),
    "a list for two": answered(lambda lib, g: [g, None], 3),
    "a string": answered(lambda lib, g: "a"),
    "an empty tuple": answered(lambda lib, g: ()),
    "a tuple in a tuple": answered(lambda lib, g: ((g,),)),
    "an array": answered(lambda lib, g: g.detach().numpy()),
    "a number for a number": answered(lambda lib, g: (g, 3), 5),
    "nothing at first": answered(lambda lib, g: (None, None, g)),
    "nothing for two": answered(lambda lib, g: None, 3),
    "nothings": answered(lambda lib, g: (g, None, None, None)),
    "integers for a gradient": answered(lambda lib, g: g.long()),
    "bools": answered(lambda lib, g: g > 0),
    "half": answered(lambda lib, g: g.half()),
    "a scalar": answered(lambda lib, g: lib.ones(())),
    "nothing but a shape": answered(lambda lib, g: lib.ones(0)),
    "larger": answered(lambda lib, g: lib.ones(2, 4, 3)),
    "a column": answered(lambda lib, g: lib.ones(3, 1)),
    "wrong where nobody asks": lambda lib, x: backward(
        made(lib, lambda ctx, a, b: a * 2, lambda ctx, g: (g, lib.ones(7)))(x, lib.ones(3)), x
    ),
    "no tensor where nobody asks": lambda lib, x: backward(
        made(lib, lambda ctx, a, b: a * 2, lambda ctx, g: (g, 3))(x, lib.ones(3)), x
    ),
    "the second is wrong": lambda lib, x: backward(
        made(lib, lambda ctx, s, a, b: a * 2, lambda ctx, g: (None, g, lib.ones(7)))("s", x, leaf(lib, 1.0)), x
    ),
    "real for complex": lambda lib, x: (
        lambda z: backward(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g.real * 1)(z).real, z)
    )(leaf(lib, 1 + 2j, 3 - 1j)),
    # gradcheck
    "gradcheck": lambda lib, x: lib.autograd.gradcheck(lambda a: a * a, x),
    "gradcheck, wrong": lambda lib, x: lib.autograd.gradcheck(made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 3), x),
    "gradcheck, wrong second": lambda lib, x: lib.autograd.gradcheck(
        lambda a, b: (a * b, made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 3)(b)),
        (leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)),
    ),
    "gradcheck, wrong, no exception": lambda lib, x: lib.autograd.gradcheck(
        made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 3), x, raise_exception=False
    ),
    "gradcheck, random": lambda lib, x: lib.autograd.gradcheck(
        made(lib, lambda ctx, a: a * 2, lambda ctx, g, calls=[]: calls.append(1) or g * 2 + len(calls) * 1e-9), x
    ),
    "gradcheck, constant added": lambda lib, x: lib.autograd.gradcheck(
        made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 2 + 1e-7), x
    ),
    "gradcheck, nothing to check": lambda lib, x: lib.autograd.gradcheck(lambda a: a, x.detach()),
    "gradcheck, single precision": lambda lib, x: lib.autograd.gradcheck(
        lambda a: a * 2, leaf(lib, 1.0, dtype="float32"), eps=1e-2, atol=1e-2
    ),
    "gradcheck, expanded": lambda lib, x: lib.autograd.gradcheck(
        lambda a: a * 2, lib.ones(1, dtype=lib.float64).expand(3).requires_grad_()
    ),
    "gradcheck, no gradient": lambda lib, x: lib.autograd.gradcheck(
        made(lib, lambda ctx, a: (lambda y: (ctx.mark_non_differentiable(y), y)[1])(a * 2), lambda ctx, g: g), x
    ),
    "gradcheck, complex, wrong": lambda lib, x: lib.autograd.gradcheck(
        made(lib, lambda ctx, a: a * 2, lambda ctx, g: g * 3), leaf(lib, 1 + 1j, 2 - 1j)
    ),
    "gradcheck, no mode": lambda lib, x: lib.autograd.gradcheck(lambda a: a, x, check_backward_ad=False),
    "gradcheck, empty": lambda lib, x: lib.autograd.gradcheck(lambda a: a * a, x[:0].detach().requires_grad_()),
    "gradgradcheck": lambda lib, x: lib.autograd.gradgradcheck(lambda a: a * a * a, x),
    "gradgradcheck, fast": lambda lib, x: lib.autograd.gradgradcheck(lambda a: a * a * a, x, fast_mode=True),
    "gradgradcheck, linear": lambda lib, x: lib.autograd.gradgradcheck(lambda a: a * 2, x),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_as_in_torch(name):
    check(lambda lib: CASES[name](lib, leaf(lib, 1.0, 2.0, 3.0)))


def test_fast_gradcheck_finds_what_torch_finds():
    for scale in (1.0, 1.01, 1.5):
        results = []
        for lib in (tapegrad, torch):
            f = made(
                lib,
                lambda ctx, a: (note(ctx, a), a * a)[1],
                lambda ctx, g, scale=scale: g * 2 * scale * ctx.saved_tensors[0],
            )
            results.append(lib.autograd.gradcheck(f, leaf(lib, 1.0, 2.0), fast_mode=True, raise_exception=False))
        assert results == [scale == 1.0] * 2
