"""Hooks on saved tensors: one program on both libraries gives the same calls, values and errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import same_program
from same_program import check

leaf = functools.partial(same_program.leaf, dtype="float32")


def hooks(lib: Any, pack: Any = lambda t: t.detach(), unpack: Any = lambda t: t) -> Any:
    return lib.autograd.graph.saved_tensors_hooks(pack, unpack)


def packs(operation: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """What is packed in an operation on x."""

    def program(lib: Any) -> Any:
        x, found = leaf(lib, 0.5, 2.0), []

        def pack(t: Any) -> Any:
            found.append((t.is_leaf, t.requires_grad, list(t.shape), t.detach()))
            return t.detach()

        with hooks(lib, pack):
            operation(lib, x)
        return found

    return program


def of_itself(text: str) -> Callable[[Any, Any], Any]:
    return lambda lib, x: eval(text, {"lib": lib, "x": x})


OPERATIONS = [
    "x * x",
    "x * 2",
    "2 * x",
    "x / 2",
    "x + 1",
    "x ** 2",
    "x ** 2.5",
    "x.exp()",
    "x.sin()",
    "x.sigmoid()",
    "x.tanh()",
    "x.relu()",
    "x.sqrt()",
    "x.sum()",
    "x * lib.tensor(2.0)",
    "x @ x",
    "x.softmax(0)",
    "x.log_softmax(0)",
    "x[lib.tensor([1, 0])]",
    "x[x > 1]",
    "lib.where(x > 1, x, x * 2)",
    "x.clone().exp_()",
    "x.clone().mul_(x)",
    "x.clone().sigmoid_()",
    "lib.stack([x, x])",
    "x.reshape(1, 2).transpose(0, 1)",
    "x.cumsum(0)",
    "x.abs()",
    "x.log()",
    "lib.nn.functional.softplus(x)",
    "lib.nn.functional.embedding(lib.tensor([0]), x.reshape(2, 1))",
]


@pytest.mark.parametrize("text", OPERATIONS)
def test_what_is_packed(text: str) -> None:
    check(packs(of_itself(text)), within=1e-5, warned=False)


def order_of_calls(lib: Any) -> Any:
    x, calls = leaf(lib, 0.1), []

    def named(name: str) -> Any:
        return hooks(
            lib,
            lambda t: (calls.append(f"pack {name} {lib.is_grad_enabled()}"), t.detach())[1],
            lambda t: (calls.append(f"unpack {name} {lib.is_grad_enabled()}"), t)[1],
        )

    with named("outer"):
        a = x.exp()
        with named("inner"):
            b = a.exp()
        c = (b * b).sin()
    c.backward(retain_graph=True)
    lib.autograd.grad(c, x, create_graph=True)
    return [calls, c.grad_fn._saved_self.item(), calls, x.grad]


def unpack_no_tensor(lib: Any) -> Any:
    with hooks(lib, unpack=lambda t: 1):
        y = leaf(lib, 1.0).exp()
    y.backward()


def pack_writes(lib: Any) -> Any:
    with hooks(lib, lambda t: t.add_(1)):
        leaf(lib, 1.0).exp()


def own_error(lib: Any) -> Any:
    def fail(t: Any) -> Any:
        raise KeyError("mine")

    with hooks(lib, unpack=fail):
        y = leaf(lib, 1.0).exp()
    y.backward()


def disabled(lib: Any) -> Any:
    with lib.autograd.graph.disable_saved_tensors_hooks("outer"):
        try:
            with lib.autograd.graph.disable_saved_tensors_hooks("inner"), lib.autograd.graph.save_on_cpu():
                pass
        except RuntimeError as error:
            assert str(error) == "inner"
        with lib.autograd.graph.save_on_cpu():
            pass


def disabled_too_late(lib: Any) -> Any:
    with hooks(lib), lib.autograd.graph.disable_saved_tensors_hooks("too late"):
        return "inside"


def inference(lib: Any) -> Any:
    with lib.inference_mode():
        a = lib.ones(1)
    with hooks(lib):
        leaf(lib, 1.0) * a


def history(lib: Any) -> Any:
    x = leaf(lib, 2.0)
    y = x * 3
    with hooks(lib):
        z, e = y * y, y.exp()
    grads = [lib.autograd.grad(d, x)[0] for d in lib.autograd.grad(z + e, x, create_graph=True)]
    return [z.grad_fn._saved_self.grad_fn is y.grad_fn, e.grad_fn._saved_result.grad_fn is e.grad_fn, grads]


def leaf_history(lib: Any) -> Any:
    x = leaf(lib, 2.0)
    with hooks(lib):
        z = x * x
    (z.grad_fn._saved_self * 3).backward()
    return x.grad


def raw(pack: Any, unpack: Any, name: str = "_raw_saved_self", form: str = "x * x") -> Callable[[Any], Any]:
    def program(lib: Any) -> Any:
        x = leaf(lib, 3.0)
        y = eval(form, {"lib": lib, "x": x})
        getattr(y.grad_fn, name).register_hooks(pack, unpack)
        seen = getattr(y.grad_fn, name.replace("_raw", "")).item()
        return seen, lib.autograd.grad(y, x)

    return program


def raw_twice(lib: Any) -> Any:
    y = leaf(lib, 3.0) ** 2
    for _ in range(2):
        y.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t)


def raw_freed(lib: Any) -> Any:
    y = leaf(lib, 3.0) ** 2
    saved = y.grad_fn._raw_saved_self
    y.backward()
    saved.register_hooks(lambda t: t, lambda t: t)


def raw_none(lib: Any) -> Any:
    (leaf(lib, 3.0) * lib.ones(1)).grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t)


def raw_unknown(lib: Any) -> Any:
    return (leaf(lib, 3.0) * lib.ones(1)).grad_fn._raw_saved_nothing


def raw_of_functions(lib: Any) -> Any:
    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x, None)
            return x * x

        @staticmethod
        def backward(ctx: Any, d: Any) -> Any:
            x, _ = ctx.saved_tensors
            return 2 * d * x

    x = leaf(lib, 3.0)
    y = Square.apply(x)
    first, _ = y.grad_fn._raw_saved_tensors
    first.register_hooks(lambda t: t, lambda t: t * 10)
    y.backward()
    return x.grad


def mutation(lib: Any) -> Any:
    a = leaf(lib, 0.5, 2.0)
    with lib.autograd.graph.allow_mutation_on_saved_tensors() as kept:
        b = a.clone()
        y = (b**2).sum() + b.exp().sum() + (b * b).sum()
        b.sin_()
        b[0] = 3.0
        count = len(kept.cloned)
        y.backward()
        return count, len(kept.cloned), a.grad, b


def mutation_outside(lib: Any) -> Any:
    with lib.autograd.graph.allow_mutation_on_saved_tensors():
        y = leaf(lib, 1.0) ** 2
    y.backward()


def mutation_nested(lib: Any) -> Any:
    with lib.autograd.graph.allow_mutation_on_saved_tensors(), lib.autograd.graph.allow_mutation_on_saved_tensors():
        pass


PROGRAMS = [
    order_of_calls,
    unpack_no_tensor,
    pack_writes,
    own_error,
    disabled,
    disabled_too_late,
    inference,
    history,
    leaf_history,
    raw_twice,
    raw_freed,
    raw_none,
    raw_unknown,
    raw_of_functions,
    mutation,
    mutation_outside,
    mutation_nested,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_programs(program: Callable[[Any], Any]) -> None:
    check(program, within=1e-5, warned=False)


@pytest.mark.parametrize(
    ("pack", "unpack", "name", "form"),
    [
        (lambda t: 2 * t, lambda t: t / 2, "_raw_saved_self", "x * x"),
        (lambda t: 2 * t, lambda t: t, "_raw_saved_other", "x * x"),
        (lambda t: t, lambda t: t * 2, "_raw_saved_result", "x.exp()"),
        (lambda t: t * 2, lambda t: t, "_raw_saved_self", "x ** 3"),
        (lambda t: t, lambda t: 1, "_raw_saved_self", "x * x"),
    ],
    ids=["there and back", "other", "result", "power", "no tensor"],
)
def test_hooks_on_one_value(pack: Any, unpack: Any, name: str, form: str) -> None:
    program = raw(pack, unpack, name, form)
    check(program, within=1e-5, warned=False)
