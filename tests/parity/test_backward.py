"""Passes over the graph against PyTorch's: the same program, the same gradients, the same layout, errors and warnings."""
from __future__ import annotations

import gc
import warnings

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")

CASES = {}


def case(program):
    """Enter `program`, a function of a library, in the table."""
    name = program.__name__.strip("_").replace("_", " ")
    assert name not in CASES
    CASES[name] = program
    return program


def told(value):
    """What can be compared of a result."""
    if isinstance(value, (tapegrad.Tensor, torch.Tensor)):
        array = value.detach().numpy() if value.dtype.itemsize > 2 else value.detach().float().numpy()
        return "tensor", array.tolist(), tuple(value.shape), str(value.dtype).removeprefix("torch."), value.requires_grad, value.is_leaf
    if isinstance(value, dict):
        return {k: told(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [told(v) for v in value]
    return value


def words(text):
    """A message without torch's hints to its own pages and source."""
    return text.partition("\n\nNOTE")[0].partition(" (Triggered internally")[0].partition("\nException raised from")[0].strip()


def attempt(action):
    """What `action` gives or raises."""
    try:
        return told(action())
    except Exception as error:
        return type(error).__name__, words(str(error))


def outcome(lib, program):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        result = attempt(lambda: program(lib))
    return result, [(w.category.__name__, words(str(w.message))) for w in warned]


def leaf(lib, *values, dtype="float64"):
    return lib.tensor(values or (1.0, 2.0, 3.0), dtype=getattr(lib, dtype), requires_grad=True)


def strides(t):
    """Strides in elements."""
    if isinstance(t, torch.Tensor):
        return t.stride()
    return tuple(s // t.array.itemsize for s in t.array.strides)


def memory(t):
    """Where the elements are."""
    return t.data_ptr() if isinstance(t, torch.Tensor) else t.array.__array_interface__["data"][0]


def function(lib, forward=None, backward=None):
    """A custom Function, by default the identity."""
    methods = {"forward": staticmethod(forward or (lambda ctx, x: x.clone())), "backward": staticmethod(backward or (lambda ctx, g: g))}
    return type("Foo", (lib.autograd.Function,), methods).apply


# ---- starting a pass

@case
def several_elements(lib):
    return (leaf(lib) * 2).backward()


@case
def no_element(lib):
    return lib.zeros(0, requires_grad=True).exp().backward()


@case
def one_complex_element(lib):
    return (leaf(lib, 1 + 2j, dtype="complex128") * 2).backward()


@case
def one_element_of_two_dimensions(lib):
    x = lib.ones(1, 1, requires_grad=True)
    (x * 3).backward()
    return x.grad


@case
def several_elements_in_grad(lib):
    x = leaf(lib)
    return lib.autograd.grad(x * 2, x)


@case
def complex_in_grad(lib):
    x = leaf(lib, 1 + 2j, dtype="complex128")
    return lib.autograd.grad(x * 2, x)


@case
def root_without_history(lib):
    return lib.ones(1).backward()


@case
def root_without_history_and_several_elements(lib):
    return lib.ones(3).backward()


@case
def root_of_integers(lib):
    return lib.ones(1, dtype=lib.int64).backward()


@case
def second_root_without_history(lib):
    x = leaf(lib, 1.0)
    return attempt(lambda: lib.autograd.backward([x * 2, lib.ones(1)])), x.grad


@case
def grad_of_root_without_history(lib):
    x = leaf(lib, 1.0)
    return lib.autograd.grad(lib.ones(1), x)


@case
def leaf_as_root(lib):
    x = leaf(lib)
    x.backward(lib.full((3,), 2.0, dtype=lib.float64))
    x.backward(lib.full((3,), 3.0, dtype=lib.float64))
    return x.grad


@case
def leaf_as_root_of_grad(lib):
    x = leaf(lib)
    g = lib.ones(3, dtype=lib.float64)
    (d,) = lib.autograd.grad(x, x, g)
    return d, d is g, memory(d) == memory(g)


@case
def no_roots(lib):
    return lib.autograd.backward([])


@case
def no_roots_in_grad(lib):
    return lib.autograd.grad([], leaf(lib))


@case
def wrong_shapes(lib):
    x = leaf(lib)
    return [attempt(lambda g=g: (x * 2).backward(g)) for g in (lib.ones(4), lib.ones(()), lib.ones(1, 3), lib.ones(3, 1))]


@case
def wrong_shape_of_second(lib):
    x = leaf(lib)
    return lib.autograd.backward([x * 2, x * 3], [lib.ones(3), lib.ones(2)])


@case
def dtypes_of_given_gradients(lib):
    found = []
    for have in ("float16", "bfloat16", "float32", "float64", "complex64", "complex128"):
        for given in ("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "int64", "bool"):
            x = leaf(lib, 1.0, 2.0, dtype=have)
            y = x * 2

            def run(x=x, y=y, given=given):
                y.backward(lib.ones(2, dtype=getattr(lib, given)))
                return x.grad

            found.append((have, given, attempt(run)))
    return found


@case
def given_gradients_of_other_types(lib):
    x = leaf(lib)
    return [attempt(lambda g=g: (x * 2).backward(g)) for g in (2.0, 1, "a", np.ones(3))]


@case
def given_gradients_of_other_types_in_grad(lib):
    x = leaf(lib)
    return [attempt(lambda g=g: lib.autograd.grad(x * 2, x, g)) for g in (2.0, [2.0], np.ones(3), (None,))]


@case
def too_few_given_gradients(lib):
    x = leaf(lib)
    return [attempt(lambda g=g: lib.autograd.backward([x * 2, x * 3], g)) for g in ([lib.ones(3)], [lib.ones(3)] * 3, lib.ones(3))]


@case
def given_none_for_several_elements(lib):
    x = leaf(lib)
    return lib.autograd.backward([(x * 2).sum(), x * 3], [None, None])


@case
def tuple_and_list_and_generator_of_roots(lib):
    x = leaf(lib, 2.0)
    lib.autograd.backward((x * 2, x * x))
    lib.autograd.backward(y for y in (x * 3, x))
    return x.grad


@case
def roots_share_repeat_and_depend(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    z = y * y
    w = z + y
    lib.autograd.backward([y, z, w, z, y, x], [lib.tensor([float(i)], dtype=lib.float64) for i in range(6)])
    return x.grad


@case
def roots_depend_in_grad(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    z = y * y
    return lib.autograd.grad([y, z, z, x], [x, y, z])


@case
def roots_of_several_outputs(lib):
    x = leaf(lib, 3.0, 1.0, 2.0)
    values, order = x.sort()
    lib.autograd.backward([values, values], [lib.tensor([1.0, 2, 3], dtype=lib.float64), lib.tensor([10.0, 20, 30], dtype=lib.float64)])
    return x.grad, order.requires_grad


@case
def unbound_parts_as_roots(lib):
    x = leaf(lib)
    a, b, c = (x * x).unbind()
    lib.autograd.backward([c, a, c])
    return x.grad


@case
def given_gradient_is_not_modified(lib):
    found = []
    for make in (lambda x: x, lambda x: x + 0, lambda x: x.view(3), lambda x: x * 1, lambda x: x.reshape(3, 1).squeeze(1), lambda x: x[:], lambda x: x.clone()):
        x = leaf(lib)
        given = lib.ones(3, dtype=lib.float64)
        for _ in range(2):
            lib.autograd.backward([make(x), make(x)], [given, given])
        x.grad.mul_(100)
        found.append((given, x.grad))
    return found


@case
def given_gradient_not_aliased_by_two_leaves(lib):
    x, w = leaf(lib), leaf(lib)
    given = lib.ones(3, dtype=lib.float64)
    (x + w).backward(given)
    found = x.grad is given, w.grad is given, memory(x.grad) == memory(w.grad), memory(given) in (memory(x.grad), memory(w.grad))
    given.mul_(7)
    x.grad.mul_(3)
    return found, x.grad, w.grad, given


@case
def given_gradient_that_requires_grad(lib):
    x = leaf(lib)
    given = lib.ones(3, dtype=lib.float64, requires_grad=True)
    (x * x).backward(given)
    return x.grad, given.grad


@case
def given_gradient_expanded(lib):
    x = leaf(lib)
    (x + 0).backward(lib.ones(1, dtype=lib.float64).expand(3))
    before = strides(x.grad)
    x.grad.add_(lib.tensor([0.0, 1, 2], dtype=lib.float64))
    return before, x.grad


# ---- inputs=

@case
def inputs_leaves_and_not(lib):
    x, w, u = leaf(lib, 1.0), leaf(lib, 2.0), leaf(lib, 5.0)
    y = x * w
    z = y * u
    z.backward(inputs=[w, y], retain_graph=True)
    first = x.grad, w.grad, u.grad, y.grad
    z.backward(inputs=x, retain_graph=True)
    z.backward(inputs=(u, u))
    return first, x.grad, w.grad, u.grad, y.grad, y.retains_grad


@case
def inputs_unreachable(lib):
    x, w = leaf(lib, 1.0), leaf(lib, 2.0)
    other = w * 2
    (x * 2).backward(inputs=[x, w, other])
    return x.grad, w.grad, other.grad


@case
def inputs_all_unreachable(lib):
    x, w = leaf(lib, 1.0), leaf(lib, 2.0)
    y = x * x
    y.backward(inputs=[w])
    return attempt(lambda: y.backward(inputs=[x])), x.grad, w.grad


@case
def inputs_empty(lib):
    x = leaf(lib, 1.0)
    return [attempt(lambda inputs=inputs: (x * 2).backward(inputs=inputs)) for inputs in ([], (), {})], x.grad


@case
def inputs_as_dict(lib):
    x, w = leaf(lib, 1.0), leaf(lib, 2.0)
    (x * w).backward(inputs={"a": x})
    return x.grad, w.grad, lib.autograd.grad(x * w, {"one": x, "two": w})


@case
def inputs_not_requiring(lib):
    x = leaf(lib, 1.0)
    return attempt(lambda: (x * 2).backward(inputs=[x, lib.ones(1)])), x.grad


@case
def inputs_root_itself(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    y.backward(inputs=[y])
    return y.grad, x.grad


@case
def inputs_hooks_of_others_do_not_run(lib):
    x, w, seen = leaf(lib, 1.0), leaf(lib, 2.0), []
    y = x * 2
    x.register_hook(lambda g: seen.append("x"))
    w.register_hook(lambda g: seen.append("w"))
    y.register_hook(lambda g: seen.append("y"))
    w.register_post_accumulate_grad_hook(lambda t: seen.append("post w"))
    x.register_post_accumulate_grad_hook(lambda t: seen.append("post x"))
    z = y * w
    z.register_hook(lambda g: seen.append("z"))
    z.backward(inputs=[x], retain_graph=True)
    seen.append("-")
    z.backward(inputs=[y], retain_graph=True)
    seen.append("-")
    z.backward(inputs=[w])
    return seen, w.grad, x.grad


@case
def inputs_accumulate_again(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    z = y * y
    z.backward(inputs=[y, x], retain_graph=True)
    kept = y.grad
    z.backward(inputs=[y, x], retain_graph=True)
    return y.grad, x.grad, kept is y.grad


@case
def inputs_run_only_what_leads_there(lib):
    seen = []
    loud = function(lib, backward=lambda ctx, g: seen.append("ran") or g)
    x, w = leaf(lib, 2.0), leaf(lib, 2.0)
    (loud(w) * x).backward(inputs=[x])
    lib.autograd.grad(loud(w) * x, x)
    return seen


@case
def inputs_free_only_what_ran(lib):
    x, w = leaf(lib, 2.0), leaf(lib, 3.0)
    a, b = x * x, w * w
    (a + b).backward(inputs=[x])
    return attempt(lambda: a.backward()), attempt(lambda: b.backward()), x.grad, w.grad


@case
def inputs_node_itself_not_run_nor_freed(lib):
    x = leaf(lib, 2.0)
    y = x * x
    z = y * 5
    lib.autograd.grad(z, y)
    y.backward()
    return x.grad, attempt(lambda: z.backward())


# ---- grad

@case
def grad_wants_what_requires(lib):
    x = leaf(lib, 1.0)
    return lib.autograd.grad(x * 2, lib.ones(1))


@case
def grad_unused(lib):
    x, w, v = leaf(lib, 1.0), leaf(lib, 1.0), leaf(lib)
    y = x * 2
    return [attempt(lambda more=more: lib.autograd.grad(y, [x, v, w], retain_graph=True, **more)) for more in (
        {}, {"allow_unused": True}, {"allow_unused": False}, {"materialize_grads": True}, {"materialize_grads": True, "allow_unused": True},
        {"materialize_grads": True, "allow_unused": False}, {"materialize_grads": True, "create_graph": True})]


@case
def grad_empty_inputs(lib):
    x = leaf(lib, 1.0)
    return [attempt(lambda i=i: lib.autograd.grad(x * 2, i)) for i in ([], ())]


@case
def grad_of_non_leaves_and_output(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    z = y * y
    return lib.autograd.grad(z, [z, y, x, y]), x.grad


@case
def grad_not_only_inputs(lib):
    x = leaf(lib, 2.0)
    return lib.autograd.grad(x * 2, x, only_inputs=False)


@case
def grad_of_one_output_of_many(lib):
    x = leaf(lib)
    a, b, c = (x * x).unbind()
    return lib.autograd.grad(b, [x, b], retain_graph=True), lib.autograd.grad(b, [a, b], allow_unused=True)


@case
def grad_with_respect_to_outputs_of_one_node(lib):
    x = leaf(lib)
    a, b, c = (x * x).unbind()
    z = a * b + b * b
    return lib.autograd.grad(z, [a, b, c], allow_unused=True, retain_graph=True), lib.autograd.grad(z, [b, x], retain_graph=True), lib.autograd.grad(z, c, allow_unused=True)


@case
def grads_handed_out_are_not_shared(lib):
    x, w = leaf(lib), leaf(lib)
    given = lib.ones(3, dtype=lib.float64)
    a, b = lib.autograd.grad(x + w, [x, w], given)
    given.mul_(5)
    return a, b


@case
def grad_twice_the_same_input(lib):
    x = leaf(lib, 2.0)
    return lib.autograd.grad(x * x, [x, x])


@case
def grad_of_leaf_that_lost_its_flag(lib):
    x, w = leaf(lib, 2.0), leaf(lib, 3.0)
    y = x * w
    x.requires_grad = False
    y.backward()
    return x.grad, w.grad


@case
def grad_after_in_place_change_means_new_version(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    z = y * 2
    y.mul_(5)
    return attempt(lambda: lib.autograd.grad(z, y, retain_graph=True)), lib.autograd.grad(y * 2, [y, x])


@case
def create_graph_of_grad(lib):
    x = leaf(lib, 2.0)
    (d,) = lib.autograd.grad(x ** 4, x, create_graph=True)
    (dd,) = lib.autograd.grad(d, x, create_graph=True)
    (ddd,) = lib.autograd.grad(dd, x)
    return d, dd, ddd


@case
def create_graph_of_constant_gradient(lib):
    x = leaf(lib, 2.0)
    (d,) = lib.autograd.grad(x * 2, x, create_graph=True)
    return d, attempt(lambda: lib.autograd.grad(d, x))


@case
def create_graph_with_given_gradient_that_requires(lib):
    x, v = leaf(lib, 2.0), leaf(lib, 3.0)
    (d,) = lib.autograd.grad(x * x, x, v, create_graph=True)
    return d, lib.autograd.grad(d, [v, x])


@case
def double_backward_trick(lib):
    x = leaf(lib, 2.0, 3.0)
    y = x * x
    v = lib.zeros(2, dtype=lib.float64, requires_grad=True)
    (d,) = lib.autograd.grad(y, x, v, create_graph=True)
    return lib.autograd.grad(d, v, lib.tensor([1.0, 10.0], dtype=lib.float64))


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
    for make in (lambda x: x + x, lambda x: x - 1, lambda x: x.view(3, 1), lambda x: x * 2, lambda x: x.sum(), lambda x: -x, lambda x: x[1:], lambda x: x.t(), lambda x: x / 2,
                 lambda x: x.expand(2, 3), lambda x: lib.cat([x, x]), lambda x: lib.stack([x, x]), lambda x: x.clone(), lambda x: x.to(lib.float32), lambda x: x.mean(),
                 lambda x: x.reshape(3, 1).squeeze(), lambda x: x.unbind()[0], lambda x: x.flip(0), lambda x: x.roll(1), lambda x: x.sum(0), lambda x: x.cumsum(0),
                 lambda x: x.detach() * x, lambda x: x.exp(), lambda x: x.relu(), lambda x: x.sort()[0], lambda x: x[[0, 0]], lambda x: x.matmul(x), lambda x: x.abs()):
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
    return attempt(lambda: (shared + other).backward()), x.grad, w.grad, attempt(lambda: other.backward()), w.grad


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
        names = [name for name in ("_saved_result", "_saved_self", "_saved_other", "_saved_exponent") if attempt(lambda y=y, name=name: getattr(y.grad_fn, name))[0] != "AttributeError"]
        y.backward()
        found.append([(name, attempt(lambda y=y, name=name: getattr(y.grad_fn, name))) for name in names])
    return found


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
    for make in (lambda: lib.ones(2, 3, 4, 5).to(memory_format=lib.channels_last), lambda: lib.ones(3, 2).t(), lambda: lib.ones(2, 1).expand(2, 3), lambda: lib.ones(2, 6)[:, ::2]):
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
    x, w, e = lib.ones(3, 1, requires_grad=True), lib.ones(2, 1, 4, requires_grad=True), lib.ones(0, 4, requires_grad=True)
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
    x, seen = leaf(lib, 2.0), []
    x.register_hook(lambda g: seen.append(g))
    y = function(lib, backward=lambda ctx, g: None)(x)
    (y * 2).backward()
    found = x.grad, seen
    return found, lib.autograd.grad(function(lib, backward=lambda ctx, g: None)(x), x, allow_unused=True)


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
    return attempt(lambda: lib.autograd.grad(y, x)), lib.autograd.grad(function(lib, backward=lambda ctx, g: None)(x), x, materialize_grads=True)


@case
def setter_checks(lib):
    x = leaf(lib)
    found = [attempt(lambda v=v: setattr(x, "grad", v)) for v in (1.0, "a", np.ones(3), lib.ones(2, dtype=lib.float64), lib.ones(3), x)]
    x.grad = lib.ones(3, dtype=lib.float64)
    del x.grad
    found.append(x.grad)
    x.grad = lib.ones(3, dtype=lib.float64)
    x.grad = None
    return found, x.grad, attempt(lambda: setattr(x, "grad", lib.ones((), dtype=lib.float64))), attempt(lambda: setattr(x, "grad", lib.ones(1, 3, dtype=lib.float64)))


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
    f, look = function(lib, backward=backward), function(lib, backward=lambda ctx, g: seen.append(lib.is_grad_enabled()) or g)
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
            (inner ** 3).sum().backward()
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


# ---- grad modes

@case
def generators_in_every_mode(lib):
    found = []
    for mode in (lib.no_grad, lib.enable_grad, lib.inference_mode, lambda: lib.set_grad_enabled(False), lambda: lib.set_grad_enabled(True)):
        for around in (True, False):
            seen = []

            def numbers(n, seen=seen):
                try:
                    for i in range(n):
                        try:
                            seen.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled(), (yield i)))
                        except ValueError as error:
                            seen.append((lib.is_grad_enabled(), str(error), (yield "thrown")))
                    return "end"
                finally:
                    seen.append(("finally", lib.is_grad_enabled(), lib.is_inference_mode_enabled()))

            with lib.set_grad_enabled(around):
                decorated = mode()(numbers)
                seen.append(lib.is_grad_enabled())
                g = decorated(5)
                seen += [next(g), lib.is_grad_enabled(), g.send("sent"), lib.is_grad_enabled(), g.throw(ValueError("v")), lib.is_grad_enabled()]
                seen += list(g) + [lib.is_grad_enabled()]

                def delegate(decorated=decorated):
                    return (yield from decorated(2))

                d = delegate()
                seen += [next(d), next(d), attempt(lambda d=d: next(d)), lib.is_grad_enabled()]
                g = decorated(3)
                seen += [next(g), g.close(), lib.is_grad_enabled()]
                g = decorated(3)
                seen += [next(g), attempt(lambda g=g: g.throw(KeyError("k"))), lib.is_grad_enabled(), attempt(lambda g=g: next(g))]
            found.append(seen)
    return found


@case
def generator_not_started(lib):
    seen = []

    @lib.no_grad()
    def numbers():
        seen.append("ran")
        yield 1

    numbers().close()
    g = numbers()
    return seen, attempt(lambda: g.throw(ValueError("v"))), attempt(lambda: numbers().send(3)), lib.is_grad_enabled(), seen


@case
def generator_that_yields_on_close(lib):
    @lib.no_grad()
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    g = stubborn()
    next(g)
    return attempt(g.close), lib.is_grad_enabled()


@case
def coroutines(lib):
    import asyncio
    seen = []

    @lib.no_grad()
    async def sleeper(name):
        seen.append((name, lib.is_grad_enabled()))
        await asyncio.sleep(0)
        seen.append((name, lib.is_grad_enabled()))
        return name

    @lib.no_grad()
    async def numbers():
        yield lib.is_grad_enabled()

    async def main():
        found = [await sleeper("a"), lib.is_grad_enabled()]
        async for value in numbers():
            found.append(value)
        return found

    return asyncio.run(main()), seen, asyncio.iscoroutinefunction(sleeper), lib.is_grad_enabled()


@case
def classes(lib):
    seen = []
    for mode in (lib.no_grad, lib.no_grad(), lib.inference_mode(), lib.set_grad_enabled(False)):
        @mode
        class Thing:
            def __init__(self, a, b=2):
                seen.append((a, b, lib.is_grad_enabled()))

            def now(self):
                return lib.is_grad_enabled()

        thing = Thing(1, b=3)
        seen.append((thing.now(), lib.is_grad_enabled(), Thing.__name__))
        lib.set_grad_enabled(True)
    return seen


@case
def recursion(lib):
    found = []
    for mode in (lib.no_grad(), lib.no_grad, lib.set_grad_enabled(False), lib.inference_mode()):
        lib.set_grad_enabled(True)
        seen = []

        @mode
        def again(n, seen=seen, mode=mode):
            seen.append(lib.is_grad_enabled())
            if n:
                with lib.enable_grad():
                    again(n - 1)
                    seen.append(lib.is_grad_enabled())
            seen.append(lib.is_grad_enabled())
            if not n:
                raise Boom("deep")

        attempt(lambda: again(2))
        found.append((seen, lib.is_grad_enabled()))
    return found


@case
def one_object_entered_twice(lib):
    found = []
    for mode in (lib.no_grad(), lib.enable_grad(), lib.inference_mode()):
        with mode:
            found.append(lib.is_grad_enabled())
        with mode:
            found.append(lib.is_grad_enabled())
        found.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled()))
    return found


@case
def set_grad_enabled_in_every_way(lib):
    found = []
    s = lib.set_grad_enabled(False)
    found.append(lib.is_grad_enabled())
    with s:
        found.append(lib.is_grad_enabled())
    found.append(lib.is_grad_enabled())
    s = lib.set_grad_enabled(False)
    lib.set_grad_enabled(True)
    with s:
        found.append(lib.is_grad_enabled())
    found.append(lib.is_grad_enabled())
    lib.set_grad_enabled(True)
    f = lib.set_grad_enabled(False)(lambda: lib.is_grad_enabled())
    found += [lib.is_grad_enabled(), f(), lib.is_grad_enabled()]
    return found, attempt(lambda: lib.set_grad_enabled()), attempt(lambda: lib.set_grad_enabled("yes")), lib.is_grad_enabled()


@case
def decorated_with_and_without_parentheses(lib):
    def f():
        """Says what it is."""
        return lib.is_grad_enabled(), lib.is_inference_mode_enabled()

    lib.set_grad_enabled(True)
    found = [(g(), g.__name__, g.__doc__, g.__wrapped__ is f) for g in (lib.no_grad(f), lib.no_grad()(f), lib.inference_mode(f), lib.inference_mode()(f), lib.inference_mode(False)(f),
                                                                        lib.inference_mode(mode=True)(f))]
    with lib.no_grad():
        found += [(g(), g.__name__) for g in (lib.enable_grad(f), lib.enable_grad()(f))]
    return found, lib.is_grad_enabled()


@case
def methods_and_statics_decorated(lib):
    class Thing:
        @lib.no_grad()
        def method(self):
            return lib.is_grad_enabled()

        @staticmethod
        @lib.no_grad()
        def static():
            return lib.is_grad_enabled()

        @classmethod
        @lib.no_grad()
        def of_class(cls):
            return lib.is_grad_enabled()

        @property
        @lib.no_grad()
        def attribute(self):
            return lib.is_grad_enabled()

        @lib.no_grad()
        def __call__(self):
            return lib.is_grad_enabled()

    thing = Thing()
    return thing.method(), Thing.static(), Thing.of_class(), thing.attribute, lib.no_grad()(thing.__call__)()


@case
def inference_mode_nests(lib):
    found = []

    def note():
        found.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled()))

    with lib.inference_mode():
        note()
        with lib.inference_mode(False):
            note()
            with lib.inference_mode():
                note()
            note()
        with lib.enable_grad():
            note()
        with lib.no_grad():
            note()
        note()
    with lib.no_grad(), lib.inference_mode(False):
        note()
    note()
    return found


@case
def requires_grad_in_enable_grad_in_inference_mode(lib):
    x = leaf(lib, 2.0)
    with lib.inference_mode(), lib.enable_grad():
        y = x * 2
    return y.requires_grad, y.is_inference()


@case
def multithreading_switch(lib):
    found = []

    def note():
        found.append(lib.autograd.is_multithreading_enabled())

    note()
    with lib.autograd.set_multithreading_enabled(False):
        note()
        with lib.autograd.set_multithreading_enabled(True):
            note()
        x = leaf(lib, 2.0)
        (x * x).backward()
        note()
    note()
    lib.autograd.set_multithreading_enabled(False)
    note()
    lib.autograd.set_multithreading_enabled(True)
    f = lib.autograd.set_multithreading_enabled(False)(lambda: lib.autograd.is_multithreading_enabled())
    note()
    lib.autograd.set_multithreading_enabled(True)
    found += [f(), x.grad]
    note()
    return found, attempt(lambda: lib.autograd.set_multithreading_enabled(1))


@pytest.mark.parametrize("name", CASES)
def test_as_torch(name):
    ours, theirs = outcome(tapegrad, CASES[name]), outcome(torch, CASES[name])
    for lib in (tapegrad, torch):
        lib.set_grad_enabled(True)
    gc.collect()
    assert ours == theirs
