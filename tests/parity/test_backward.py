"""Starting a pass, asking for certain gradients: as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from same_program import Programs, attempt, check, function, leaf, memory, strides

case = Programs()


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
    return lib.autograd.grad(x, x, g)


@case
def no_roots(lib):
    return lib.autograd.backward([])


@case
def no_roots_in_grad(lib):
    return lib.autograd.grad([], leaf(lib))


@case
def wrong_shapes(lib):
    x = leaf(lib)
    return [
        attempt(lambda g=g: (x * 2).backward(g)) for g in (lib.ones(4), lib.ones(()), lib.ones(1, 3), lib.ones(3, 1))
    ]


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
    return [attempt(lambda g=g: (x * 2).backward(g)) for g in ("a", np.ones(3), [2.0])]


@case
def given_gradients_of_other_types_in_grad(lib):
    x = leaf(lib)
    return [attempt(lambda g=g: lib.autograd.grad(x * 2, x, g)) for g in ([2.0], np.ones(3), (None,))]


@case
def too_few_given_gradients(lib):
    x = leaf(lib)
    return [attempt(lambda g=g: lib.autograd.backward([x * 2, x * 3], g)) for g in ([lib.ones(3)], lib.ones(3))]


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
    lib.autograd.backward(
        [values, values], [lib.tensor([1.0, 2, 3], dtype=lib.float64), lib.tensor([10.0, 20, 30], dtype=lib.float64)]
    )
    return x.grad, order.requires_grad


@case
def unbound_parts_as_roots(lib):
    x = leaf(lib)
    a, _, c = (x * x).unbind()
    lib.autograd.backward([c, a, c])
    return x.grad


@case
def given_gradient_is_not_modified(lib):
    found = []
    for make in (
        lambda x: x,
        lambda x: x + 0,
        lambda x: x.view(3),
        lambda x: x * 1,
        lambda x: x.reshape(3, 1).squeeze(1),
        lambda x: x[:],
        lambda x: x.clone(),
    ):
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
    found = (
        x.grad is given,
        w.grad is given,
        memory(x.grad) == memory(w.grad),
        memory(given) in (memory(x.grad), memory(w.grad)),
    )
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
    return [
        attempt(lambda more=more: lib.autograd.grad(y, [x, v, w], retain_graph=True, **more))
        for more in (
            {},
            {"allow_unused": True},
            {"allow_unused": False},
            {"materialize_grads": True},
            {"materialize_grads": True, "allow_unused": True},
            {"materialize_grads": True, "allow_unused": False},
            {"materialize_grads": True, "create_graph": True},
        )
    ]


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
    a, b, _ = (x * x).unbind()
    return lib.autograd.grad(b, [x, b], retain_graph=True), lib.autograd.grad(b, [a, b], allow_unused=True)


@case
def grad_with_respect_to_outputs_of_one_node(lib):
    x = leaf(lib)
    a, b, c = (x * x).unbind()
    z = a * b + b * b
    return (
        lib.autograd.grad(z, [a, b, c], allow_unused=True, retain_graph=True),
        lib.autograd.grad(z, [b, x], retain_graph=True),
        lib.autograd.grad(z, c, allow_unused=True),
    )


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
    (d,) = lib.autograd.grad(x**4, x, create_graph=True)
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


@pytest.mark.parametrize("name", case)
def test_as_torch(name):
    check(case[name])
