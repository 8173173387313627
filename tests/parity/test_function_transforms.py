"""Custom Functions inside of forward mode, vmap and nested transforms: the same program as with PyTorch, the same
results and errors.
"""

from __future__ import annotations

import pytest
from same_program import check

import tapegrad

torch = pytest.importorskip("torch")


def same(case):
    check(lambda lib: case(lib, lib.autograd.forward_ad), within=1e-9, warned=False)


def made(lib, forward, jvp=None, **methods):
    """A Function; its methods in the order in which most tests give them."""
    if jvp is not None:
        methods["jvp"] = jvp
    methods.setdefault("backward", lambda ctx, g: g)
    methods["forward"] = forward
    return type(
        "Mine",
        (lib.autograd.Function,),
        {name: f if isinstance(f, bool) else staticmethod(f) for name, f in methods.items()},
    )


def values(lib, *numbers, **more):
    return lib.tensor(numbers, **{"dtype": lib.float64, **more})


def dual(lib, fw, primal=(1.0, 2.0), tangent=(1.0, 0.5), **more):
    return fw.make_dual(values(lib, *primal, **more), values(lib, *tangent))


def in_dual_level(case):
    def run(lib, fw):
        with fw.dual_level():
            return case(lib, fw)

    return run


def both(fw, t):
    """The value and the tangent; those of a plain result as it is."""
    if isinstance(t, (tuple, list)):
        return [both(fw, part) for part in t]
    return tuple(fw.unpack_dual(t)) if isinstance(t, (tapegrad.Tensor, torch.Tensor)) else t


def applied(forward, jvp=None, *rest, **primal):
    def case(lib, fw):
        function = made(lib, lambda *a: forward(lib, *a), jvp and (lambda *a: jvp(lib, *a)))
        return both(fw, function.apply(dual(lib, fw, **primal), *rest))

    return in_dual_level(case)


# ---- forward mode


def double(lib, ctx, x, *rest):
    return x * 2


def marked(lib, ctx, x):
    y, z = x * 2, x * 3
    ctx.mark_non_differentiable(z)
    return y, z


def in_place(lib, ctx, x):
    ctx.mark_dirty(x)
    x.mul_(2)
    return x


def multiplied_in_place(ctx, x, y):
    ctx.mark_dirty(x)
    x.mul_(y)
    return x


FORWARD = {
    "plain": applied(double, lambda lib, ctx, g: g * 2),
    "not the derivative": applied(double, lambda lib, ctx, g: g * 7),
    "no jvp": applied(double),
    "too many": applied(double, lambda lib, ctx, g: (g, g)),
    "too few": applied(lambda lib, ctx, x: (x * 2, x * 3), lambda lib, ctx, g: g),
    "a float": applied(double, lambda lib, ctx, g: 3.0),
    "a list": applied(double, lambda lib, ctx, g: [g]),
    "another shape": applied(double, lambda lib, ctx, g: lib.ones(3, dtype=lib.float64)),
    "no broadcasting": applied(double, lambda lib, ctx, g: lib.ones(1, dtype=lib.float64)),
    "several": applied(lambda lib, ctx, x: (x * 2, x * 3), lambda lib, ctx, g: (g * 2, g * 3)),
    "not differentiable": applied(marked, lambda lib, ctx, g: (g, g)),
    "not differentiable, None": applied(marked, lambda lib, ctx, g: (g, None)),
    "no tensor": applied(lambda lib, ctx, x: (x * 2, 5), lambda lib, ctx, g: (g * 2, None)),
    "no tensor, and something": applied(lambda lib, ctx, x: (x * 2, 5), lambda lib, ctx, g: (g * 2, g)),
    "a list alone": applied(lambda lib, ctx, x: [x * 2], lambda lib, ctx, g: None),
    "integers": applied(lambda lib, ctx, x: (x * 2, x.argmax()), lambda lib, ctx, g: (g, g[0])),
    "integers, None": applied(lambda lib, ctx, x: (x * 2, x.argmax()), lambda lib, ctx, g: (g * 2, None)),
    "written": applied(in_place, lambda lib, ctx, g: g.mul_(2)),
    "written, tangent not": applied(in_place, lambda lib, ctx, g: g * 2),
    "written, another tangent": applied(in_place, lambda lib, ctx, g: (g.mul_(2), (g * 1).mul_(1))[1]),
    "written, a new version": applied(in_place, lambda lib, ctx, g: (g * 1).add_(1).add_(1)),
    "written, None": applied(in_place, lambda lib, ctx, g: None),
    "as it is": applied(lambda lib, ctx, x: x, lambda lib, ctx, g: g),
    "as it is, copied": applied(lambda lib, ctx, x: x, lambda lib, ctx, g: g * 1),
    "as it is, a view": applied(lambda lib, ctx, x: x, lambda lib, ctx, g: g.view_as(g)),
    "a view": applied(lambda lib, ctx, x: x[0], lambda lib, ctx, g: g[0]),
    "a view, copied": applied(lambda lib, ctx, x: x[0], lambda lib, ctx, g: g[0] * 1),
    "a view of another": applied(lambda lib, ctx, x: x[0], lambda lib, ctx, g: lib.ones(2, dtype=lib.float64)[0]),
    "raising": applied(double, lambda lib, ctx, g: {}["missing"]),
    "no tensor saved": applied(lambda lib, ctx, x: ctx.save_for_forward(3) or x * 2, lambda lib, ctx, g: g),
    "saved for backward": applied(
        lambda lib, ctx, x: ctx.save_for_backward(x) or x * 2, lambda lib, ctx, g: g * (1 + len(ctx.saved_tensors))
    ),
    "saved for backward, requires grad": applied(
        lambda lib, ctx, x: ctx.save_for_backward(x) or x * 2,
        lambda lib, ctx, g: g * (1 + len(ctx.saved_tensors)),
        requires_grad=True,
    ),
    "saved for both": applied(
        lambda lib, ctx, x: ctx.save_for_backward(x) or ctx.save_for_forward(x, None, x) or x * x,
        lambda lib, ctx, g: g * ctx.saved_tensors[0] * len(ctx.saved_tensors),
        requires_grad=True,
    ),
    "attributes": applied(lambda lib, ctx, x, k: setattr(ctx, "k", k) or x * k, lambda lib, ctx, g, _: g * ctx.k, 3.0),
}


@pytest.mark.parametrize("name", FORWARD)
def test_jvp(name):
    same(FORWARD[name])


def test_what_jvp_receives():
    def seen(materialize, second):
        def case(lib, fw):
            found = []

            def forward(ctx, x, y, k):
                ctx.set_materialize_grads(materialize)
                found.append((both(fw, x * 1)[1], x.requires_grad))
                return x * k

            def jvp(ctx, *tangents):
                found.append((tangents, lib.is_grad_enabled(), ctx.needs_input_grad))
                return tangents[0] * 3

            y = {"float": lib.ones(2, dtype=lib.float64), "int": lib.ones(2, dtype=lib.int64), "text": "text"}[second]
            result = made(lib, forward, jvp).apply(dual(lib, fw, requires_grad=True), y, 3.0)
            return found, both(fw, result)

        return in_dual_level(case)

    for materialize in (True, False):
        for second in ("float", "int", "text"):
            same(seen(materialize, second))


def test_without_tangents_jvp_is_not_called():
    same(in_dual_level(lambda lib, fw: both(fw, made(lib, lambda ctx, x: x * 2).apply(values(lib, 1.0)))))


def test_saved_for_forward_is_gone_afterwards():
    @in_dual_level
    def case(lib, fw):
        contexts = []
        made(lib, lambda ctx, x: contexts.append(ctx) or ctx.save_for_forward(x) or x * 2, lambda ctx, g: g).apply(
            dual(lib, fw)
        )
        return contexts[0].saved_tensors

    same(case)


def test_writes_to_what_had_no_tangent():
    @in_dual_level
    def whole(lib, fw):
        x = values(lib, 3.0, 4.0)
        y = made(lib, multiplied_in_place, lambda ctx, gx, gy: gy * 2).apply(x, dual(lib, fw))
        return y is x, both(fw, x)

    @in_dual_level
    def part(lib, fw):
        base = lib.ones(2, 2, dtype=lib.float64)
        view = base[0]
        y = made(lib, multiplied_in_place, lambda ctx, gx, gy: gy * 2).apply(view, dual(lib, fw))
        return y is view, both(fw, base), both(fw, view)

    @in_dual_level
    def view_of_constant(lib, fw):
        x = values(lib, 1.0, 2.0)
        y = made(lib, lambda ctx, x, y: x[0], lambda ctx, gx, gy: gy[0] * 3).apply(x, dual(lib, fw))
        return both(fw, y), both(fw, x)

    @in_dual_level
    def view_with_tangent(lib, fw):
        base = fw.make_dual(lib.ones(2, 2, dtype=lib.float64), lib.ones(2, 2, dtype=lib.float64))
        made(lib, in_place.__get__(lib), lambda ctx, g: g.mul_(2)).apply(base[0])
        return both(fw, base)

    for case in (whole, part, view_of_constant, view_with_tangent):
        same(case)


class Cubes:
    """x cubed times k, with derivatives that are not those of its forward, so that no other way can be taken for the
    right one.
    """

    def __init__(self, separate=True, generate=True):
        self.separate = separate
        self.generate = generate

    def __call__(self, lib):
        def setup(ctx, inputs, output):
            x, ctx.k = inputs
            ctx.save_for_backward(x, output)
            ctx.save_for_forward(x, output)  # PyTorch's vmap asks for the same as for backward

        def forward(ctx, x, k):
            y = x**3 * k
            setup(ctx, (x, k), y)
            return y

        more = {"setup_context": setup} if self.separate else {}
        if self.generate:
            more["generate_vmap_rule"] = True
        function = made(
            lib,
            (lambda x, k: x**3 * k) if self.separate else forward,
            lambda ctx, t, _: t * ctx.saved_tensors[0] ** 2 * ctx.k * 7,
            backward=lambda ctx, g: (g * ctx.saved_tensors[0] * ctx.saved_tensors[1] * ctx.k, None),
            **more,
        )
        return lambda x: function.apply(x, 2.0)


def rows(lib):
    return lib.tensor([[1.0, 2.0, 3.0], [0.5, 0.25, -1.0]], dtype=lib.float64)


NESTED = {
    "jvp": lambda T, f, x, one: T.jvp(f, (x[0],), (one[0],)),
    "grad": lambda T, f, x, one: T.grad(lambda x: f(x).sum())(x[0]),
    "grad of grad": lambda T, f, x, one: T.grad(lambda x: T.grad(lambda x: f(x).sum())(x).sum())(x[0]),
    "grad of jvp": lambda T, f, x, one: T.grad(lambda x: T.jvp(f, (x,), (one[0],))[1].sum())(x[0]),
    "jvp of grad": lambda T, f, x, one: T.jvp(lambda x: T.grad(lambda x: f(x).sum())(x), (x[0],), (one[0],)),
    "vmap": lambda T, f, x, one: T.vmap(f)(x),
    "vmap of scalars": lambda T, f, x, one: T.vmap(f)(x[0]),
    "vmap, other dim": lambda T, f, x, one: T.vmap(f, in_dims=1, out_dims=1)(x),
    "vmap of grad": lambda T, f, x, one: T.vmap(T.grad(lambda x: f(x).sum()))(x),
    "grad of vmap": lambda T, f, x, one: T.grad(lambda x: T.vmap(f)(x).sum())(x),
    "vmap of grad of grad": lambda T, f, x, one: T.vmap(T.grad(T.grad(f)))(x[0]),
    "grad of vmap of grad": lambda T, f, x, one: T.grad(lambda x: T.vmap(T.grad(f))(x).sum())(x[0]),
    "vmap of jvp": lambda T, f, x, one: T.vmap(lambda x, t: T.jvp(f, (x,), (t,)))(x, one),
    "jvp of vmap": lambda T, f, x, one: T.jvp(T.vmap(f), (x,), (one,)),
    "jvp of vmap of grad": lambda T, f, x, one: T.jvp(T.vmap(T.grad(lambda x: f(x).sum())), (x,), (one,)),
    "vmap of jvp of grad": lambda T, f, x, one: T.vmap(lambda x, t: T.jvp(T.grad(lambda x: f(x).sum()), (x,), (t,)))(
        x, one
    ),
    "vmap of tangents alone": lambda T, f, x, one: T.vmap(lambda t: T.jvp(f, (x[0],), (t,))[1])(one),
    "vmap of vmap": lambda T, f, x, one: T.vmap(T.vmap(f))(x),
    "vmap of vmap, crossed": lambda T, f, x, one: T.vmap(T.vmap(f), in_dims=1)(x),
    "vmap of vmap of grad": lambda T, f, x, one: T.vmap(T.vmap(T.grad(f)))(x),
    "grad of vmap of vmap": lambda T, f, x, one: T.grad(lambda x: T.vmap(T.vmap(f))(x).sum())(x),
    "jvp of vmap of vmap": lambda T, f, x, one: T.jvp(T.vmap(T.vmap(f)), (x,), (one,)),
    "vmap of grad of vmap": lambda T, f, x, one: T.vmap(T.grad(lambda x: T.vmap(f)(x).sum()))(x),
    "jacrev": lambda T, f, x, one: T.jacrev(f)(x[0]),
    "jacfwd": lambda T, f, x, one: T.jacfwd(f)(x[0]),
    "vmap of jacrev": lambda T, f, x, one: T.vmap(T.jacrev(f))(x),
    "hessian": lambda T, f, x, one: T.hessian(lambda x: f(x).sum())(x[0]),
    "jacrev of jacfwd": lambda T, f, x, one: T.jacrev(T.jacfwd(f))(x[0]),
    "unbatched": lambda T, f, x, one: T.vmap(lambda r: r + f(x[0]))(x),
}


@pytest.mark.parametrize("name", NESTED)
def test_nested(name):
    same(lambda lib, fw: NESTED[name](lib.func, Cubes()(lib), rows(lib), rows(lib) * 0 + 1))


@pytest.mark.parametrize("separate", [True, False])
def test_forward_mode_and_backward(separate):
    @in_dual_level
    def case(lib, fw):
        x = dual(lib, fw, requires_grad=True)
        y = Cubes(separate, False)(lib)(x)
        value, tangent = fw.unpack_dual(y)
        (first,) = lib.autograd.grad(y.sum(), x, retain_graph=True)
        return value, tangent, both(fw, first), lib.autograd.grad(tangent.sum(), x)

    same(case)


def test_grad_mode_and_inference_mode():
    @in_dual_level
    def case(lib, fw):
        x, f = dual(lib, fw, requires_grad=True), Cubes(False, False)(lib)
        with lib.no_grad():
            quiet = f(x)
        with lib.inference_mode():
            inferred = f(x * 1)
        return quiet.grad_fn, quiet.requires_grad, both(fw, quiet), inferred.is_inference(), both(fw, inferred)

    same(case)


def test_saved_tensor_hooks_and_checkpoint():
    from torch.utils.checkpoint import checkpoint as theirs

    from tapegrad.utils.checkpoint import checkpoint as ours

    @in_dual_level
    def hooked(lib, fw):
        x, packed = dual(lib, fw, requires_grad=True), []
        with lib.autograd.graph.saved_tensors_hooks(
            lambda t: packed.append(t.shape) or t.detach().numpy().copy(), lambda a: lib.as_tensor(a)
        ):
            y = made(
                lib,
                lambda ctx, x: ctx.save_for_backward(x) or ctx.save_for_forward(x) or x**3,
                lambda ctx, t: t * ctx.saved_tensors[0].detach() * 7,
                backward=lambda ctx, g: g * ctx.saved_tensors[0],
            ).apply(x)
        return len(packed), both(fw, y), lib.autograd.grad(y.sum(), x)

    def of_batch(lib, fw):
        x, packed = rows(lib).requires_grad_(), []
        with lib.autograd.graph.saved_tensors_hooks(
            lambda t: packed.append(t.shape) or t.detach().numpy().copy(), lambda a: lib.as_tensor(a)
        ):
            y = lib.func.vmap(Cubes()(lib))(x)
        return len(packed), lib.autograd.grad(y.sum(), x)

    def again(lib, fw):
        x = rows(lib).requires_grad_()
        y = (ours if lib is tapegrad else theirs)(lambda x: lib.func.vmap(Cubes()(lib))(x), x, use_reentrant=False)
        return y, lib.autograd.grad(y.sum(), x)

    for case in (hooked, of_batch, again):
        same(case)


# ---- vmap


def nothing(ctx, inputs, output):
    pass


def over_rows(**methods):
    return lambda lib, fw: lib.func.vmap(made(lib, lambda x: x * 2, **{"setup_context": nothing, **methods}).apply)(
        rows(lib)
    )


VMAP = {
    "no rule": over_rows(),
    "both": over_rows(vmap=lambda info, dims, x: (x * 2, 0), generate_vmap_rule=True),
    "generated": over_rows(generate_vmap_rule=True),
    "static": over_rows(vmap=lambda info, dims, x: (x * 3, 0)),
    "transposed": over_rows(vmap=lambda info, dims, x: (x.transpose(0, 1) * 3, 1)),
    "negative": over_rows(vmap=lambda info, dims, x: (x.transpose(0, 1) * 3, -1)),
    "not batched": over_rows(vmap=lambda info, dims, x: (x[0] * 3, None)),
    "information": over_rows(
        vmap=lambda info, dims, x: (x * info.batch_size * len(info.randomness) * (dims == (0,)) * len(info), 0)
    ),
    "several, one dim": over_rows(vmap=lambda info, dims, x: ((x * 2, x * 3), 0)),
    "several, dims": over_rows(vmap=lambda info, dims, x: ((x * 2, x[0] * 3), (0, None))),
    "three": over_rows(vmap=lambda info, dims, x: (x, 0, 0)),
    "out of range": over_rows(vmap=lambda info, dims, x: (x * 2, 7)),
    "raising": over_rows(vmap=lambda info, dims, x: {}["missing"]),
}


@pytest.mark.parametrize("name", VMAP)
def test_vmap(name):
    same(VMAP[name])


def test_errors_that_name_types():
    """PyTorch's texts with its own names of types."""
    for lib, fw in ((tapegrad, None), (torch, None)):
        with pytest.raises(
            RuntimeError,
            match=rf"pytree structure compatible with the output. Got a <class '{lib.__name__}.*Tensor'> instead",
        ):
            over_rows(vmap=lambda info, dims, x: x)(lib, fw)
        with pytest.raises(
            RuntimeError,
            match=r"Expected out_dims=\(0, 0\) to be compatible with the structure of `output`. out_dims has structure",
        ):
            over_rows(vmap=lambda info, dims, x: (x, (0, 0)))(lib, fw)
        with pytest.raises(
            RuntimeError, match=r"it must override the setup_context staticmethod\. For more details, please see"
        ):
            lib.func.vmap(made(lib, lambda ctx, x: x * 2, generate_vmap_rule=True).apply)(rows(lib))


def test_arguments_of_vmap():
    def nested(lib, fw):
        seen = []
        f = made(
            lib,
            lambda pair, k: pair[0] * pair[1],
            setup_context=nothing,
            vmap=lambda info, dims, pair, k: seen.append(dims) or (pair[0] * pair[1], 0),
        )
        return lib.func.vmap(lambda x: f.apply([x, 3], "k"))(rows(lib)), seen

    def some(lib, fw):
        seen = []
        f = made(
            lib,
            lambda x, y: x * y,
            setup_context=nothing,
            vmap=lambda info, dims, x, y: seen.append(dims) or (x * y, 0),
        )
        return (
            lib.func.vmap(f.apply, in_dims=(0, None))(rows(lib), rows(lib)[0]),
            lib.func.vmap(f.apply, in_dims=(None, 0))(rows(lib)[0], rows(lib)),
            seen,
        )

    def generated(lib, fw):
        f = made(lib, lambda x, y, k: (x * y.sum() * k, k), setup_context=nothing, generate_vmap_rule=True)
        return [
            lib.func.vmap(lambda *a: f.apply(*a, 3)[0], in_dims=dims)(rows(lib), rows(lib))
            for dims in ((0, None), (None, 0), (0, 0), (1, 1))
        ]

    for case in (nested, some, generated):
        same(case)


def product(lib, seen=None, generate=True):
    def setup(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    def backward(ctx, g):
        x, y = ctx.saved_tensors
        if seen is not None:
            seen.append((ctx.needs_input_grad, tuple(g.shape)))
        return g * y * 5, g * x * 7

    def jvp(ctx, dx, dy):
        x, y = ctx.saved_tensors
        return dx * y * 3 + dy * x * 11

    return made(lib, lambda x, y: x * y, jvp, setup_context=setup, backward=backward, generate_vmap_rule=generate).apply


@pytest.mark.parametrize("dims", [(0, None), (None, 0), (0, 0)])
def test_derivatives_where_some_arguments_are_shared(dims):
    def arguments(lib):
        return [rows(lib) if d == 0 else rows(lib)[0] for d in dims]

    def of_vmap(lib, fw):
        seen = []
        return lib.func.grad(lambda x, y: lib.func.vmap(product(lib, seen), in_dims=dims)(x, y).sum(), argnums=(0, 1))(
            *arguments(lib)
        ), [s[0] for s in seen]

    def in_vmap(lib, fw):
        seen = []
        return lib.func.vmap(lib.func.grad(lambda x, y: product(lib, seen)(x, y).sum(), argnums=(0, 1)), in_dims=dims)(
            *arguments(lib)
        ), seen

    def one_only(lib, fw):
        seen = []
        return lib.func.vmap(lib.func.grad(lambda x, y: product(lib, seen)(x, y).sum(), argnums=1), in_dims=dims)(
            *arguments(lib)
        ), seen

    def tangents(lib, fw):
        x, y = arguments(lib)
        f = lib.func.vmap(product(lib), in_dims=dims)
        return lib.func.jvp(f, (x, y), (x * 2, y * 3)), lib.func.jvp(lambda y: f(x, y), (y,), (y * 3,))

    def leaves(lib, fw):
        x, y = [t.requires_grad_() for t in arguments(lib)]
        return lib.autograd.grad(lib.func.vmap(product(lib), in_dims=dims)(x, y).sum(), (x, y))

    for case in (of_vmap, in_vmap, one_only, tangents, leaves):
        same(case)


def test_a_gradient_that_broadcasting_has_made_larger():
    def case(lib, fw):
        f = made(
            lib,
            lambda x: x * 2,
            setup_context=nothing,
            backward=lambda ctx, g: g * lib.ones(4, 3, dtype=lib.float64),
            generate_vmap_rule=True,
        )
        x = rows(lib).requires_grad_()
        return lib.autograd.grad(lib.func.vmap(f.apply)(x).sum(), x), lib.func.vmap(
            lib.func.grad(lambda x: f.apply(x).sum())
        )(rows(lib))

    same(case)


def test_the_static_method_and_derivatives():
    """The static method calls what is recorded below the level; inside it, `setup_context` and `backward` see single
    members.
    """

    def sort(lib, seen):
        def setup(ctx, inputs, output):
            seen.append(tuple(inputs[0].shape))
            ctx.mark_non_differentiable(output[1])
            ctx.save_for_backward(output[1])
            ctx.save_for_forward(output[1])
            ctx.dim = inputs[1]

        def vmap(info, in_dims, x, dim):
            x = x.movedim(in_dims[0], 0)
            return f.apply(x, dim if dim < 0 else dim + 1), (0, 0)

        f = made(
            lib,
            lambda x, dim: tuple(x.sort(dim)),
            lambda ctx, t, _: (lib.gather(t, ctx.dim, ctx.saved_tensors[0]) * 5, None),
            setup_context=setup,
            vmap=vmap,
            backward=lambda ctx, g, _: (lib.zeros_like(g).scatter(ctx.dim, ctx.saved_tensors[0], g) * 3, None),
        )
        return f

    def case(lib, fw):
        T, x, weights, seen = lib.func, rows(lib), rows(lib)[1], []
        f = sort(lib, seen)
        sorts = T.vmap(lambda x: f.apply(x, 0))
        return (
            sorts(x),
            T.vmap(T.grad(lambda x: (f.apply(x, -1)[0] * weights).sum()))(x),
            T.grad(lambda x: (sorts(x)[0] * weights).sum())(x),
            T.jvp(lambda x: sorts(x)[0], (x,), (x,)),
            T.vmap(lambda x: T.jvp(lambda x: f.apply(x, 0)[0], (x,), (x,)))(x),
            T.vmap(sorts)(x[None]),
            seen[0],
        )

    same(case)


def test_views_under_vmap():
    def case(lib, fw):
        f = made(
            lib,
            lambda x: x[:2],
            lambda ctx, t: t[:2],
            setup_context=nothing,
            generate_vmap_rule=True,
            backward=lambda ctx, g: lib.cat([g * 3, g[:1] * 0]),
        ).apply
        T, x = lib.func, rows(lib)
        return (
            T.vmap(f)(x),
            T.vmap(T.grad(lambda x: f(x).sum()))(x),
            T.grad(lambda x: T.vmap(f)(x).sum())(x),
            T.jvp(T.vmap(f), (x,), (x,)),
            T.vmap(lambda x: T.jvp(f, (x,), (x,)))(x),
        )

    same(case)


def test_attributes_that_are_tensors():
    """Kept on the context by themselves instead of by `save_for_backward`."""

    def case(lib, fw):
        f = made(
            lib,
            lambda x: (x * 2).sum(),
            setup_context=lambda ctx, inputs, output: setattr(ctx, "mask", inputs[0] > 0),
            generate_vmap_rule=True,
            backward=lambda ctx, g: g * ctx.mask * 3,
        ).apply
        x = rows(lib).requires_grad_()
        return lib.func.vmap(lib.func.grad(f))(rows(lib)), lib.autograd.grad(lib.func.vmap(f)(x).sum(), x)

    same(case)


def test_materialized_gradients_under_vmap():
    def case(lib, fw, materialize):
        seen = []

        def backward(ctx, g, h):
            seen.append(h is None)
            return g * 3

        f = made(
            lib,
            lambda x: (x * 2, x * 3),
            lambda ctx, t: (t * 5, None if not materialize else t),
            backward=backward,
            generate_vmap_rule=True,
            setup_context=lambda ctx, inputs, output: ctx.set_materialize_grads(materialize),
        ).apply
        x = rows(lib).requires_grad_()
        return (
            lib.func.vmap(lib.func.grad(lambda x: f(x)[0].sum()))(rows(lib)),
            lib.autograd.grad(lib.func.vmap(f)(x)[0].sum(), x),
            seen,
        )

    for materialize in (True, False):
        same(lambda lib, fw, materialize=materialize: case(lib, fw, materialize))


def test_once_differentiable_in_transforms():
    def case(lib, fw):
        once = __import__(f"{lib.__name__}.autograd.function", fromlist=["once_differentiable"]).once_differentiable
        f = made(
            lib,
            lambda x: x * x,
            setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
            generate_vmap_rule=True,
            backward=once(lambda ctx, g: g * ctx.saved_tensors[0] * 3),
        ).apply
        T, x = lib.func, rows(lib)
        return T.vmap(T.grad(lambda x: f(x).sum()))(x), T.grad(lambda x: T.vmap(f)(x).sum())(x)

    same(case)


def test_randomness():
    """Asking for random numbers is an error, the same for all members, or anew for each, as for any function under
    vmap.
    """

    def noisy(lib):
        return made(
            lib, lambda x: x * 0 + lib.rand(3, dtype=lib.float64), setup_context=nothing, generate_vmap_rule=True
        ).apply

    for lib in (tapegrad, torch):
        x = rows(lib)
        alike = lib.func.vmap(noisy(lib), randomness="same")(x)
        other = lib.func.vmap(noisy(lib), randomness="different")(x)
        assert (alike[0] == alike[1]).all() and not (other[0] == other[1]).any()
        with pytest.raises(RuntimeError, match="vmap: called random operation while in randomness error mode"):
            lib.func.vmap(noisy(lib))(x)
