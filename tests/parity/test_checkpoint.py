"""Checkpoints: one program on both libraries runs its function as often, gives the same gradients and the same
errors.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from same_program import attempt, check


class Lib:
    """A library, and what it has run."""

    def __init__(self, lib: Any) -> None:
        self.lib = lib
        self.module = importlib.import_module(f"{lib.__name__}.utils.checkpoint")
        self.runs: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lib, name)

    def checkpoint(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self.module.checkpoint(function, *args, **{"use_reentrant": False, **kwargs})

    def leaf(self, *values: float) -> Any:
        return self.lib.tensor(values, requires_grad=True)

    def ran(self, name: str) -> None:
        self.runs.append(name)


def check_runs(program: Callable[[Any], Any]) -> None:
    """Compare what the program returns or raises, what it has run, and the warnings."""

    def run(library: Any) -> Any:
        lib = Lib(library)
        return attempt(lambda: program(lib)), lib.runs

    check(run, within=1e-5)


# ---- runs and gradients


def early_stop(lib: Any) -> Any:
    def f(x: Any) -> Any:
        lib.ran("start")
        y = x.exp().sin()
        lib.ran("middle")
        z = y * 2
        lib.ran("end")
        return z

    x = lib.leaf(1.0, 2.0)
    for stop in (True, False):
        for argument in (True, False):
            with lib.module.set_checkpoint_early_stop(stop):
                y = lib.checkpoint(f, x, early_stop=argument)
            y.sum().backward(retain_graph=True)
            lib.ran("again")
            y.sum().backward()
    lib.checkpoint(f, x, early_stop=False).sum().backward()
    return x.grad


def nested(lib: Any) -> Any:
    def g(x: Any, name: str) -> Any:
        lib.ran(name)
        return x.sin().exp()

    def f(x: Any) -> Any:
        lib.ran("outer")
        a = lib.checkpoint(g, x, "first")
        b = lib.checkpoint(lambda a: lib.checkpoint(g, a.cos(), "second"), a * a)
        lib.ran("between")
        return lib.checkpoint(g, b, "third").tanh()

    x = lib.leaf(0.7, 1.1)
    y = lib.checkpoint(f, x)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    (d,) = lib.autograd.grad(lib.checkpoint(f, x).sum(), x, create_graph=True)
    return x.grad, d, lib.autograd.grad(d.sum(), x)


def partial(lib: Any) -> Any:
    def f(x: Any, w: Any) -> Any:
        lib.ran("f")
        return x.exp().sin(), w.exp().sin()

    x, w = lib.leaf(1.0), lib.leaf(2.0)
    y, z = lib.checkpoint(f, x, w)
    first = lib.autograd.grad(y + z, x, retain_graph=True)
    (y + z).backward(inputs=[w], retain_graph=True)
    (y * z).backward()
    return first, x.grad, w.grad


def pass_within(create: bool, stop: bool) -> Callable[[Any], Any]:
    def program(lib: Any) -> Any:
        def f(x: Any) -> Any:
            lib.ran("f")
            z = x.sin().cos()
            (d,) = lib.autograd.grad(z.sum(), x, retain_graph=create, create_graph=create)
            return z.exp() * d if create else x.cos() * d

        x = lib.leaf(0.7, 1.1)
        y = lib.checkpoint(f, x, early_stop=stop)
        y.sum().backward()
        return x.grad

    return program


def hooks_run_once(lib: Any) -> Any:
    def f(x: Any) -> Any:
        y = x.exp()
        y.register_hook(lambda d: lib.ran("inside"))
        return y.sin()

    h = lib.leaf(1.0) * 1
    h.register_hook(lambda d: lib.ran("before"))
    y = lib.checkpoint(f, h)
    y.register_hook(lambda d: lib.ran("after"))
    y.backward()


def keywords_and_structures(lib: Any) -> Any:
    x, w, b = lib.leaf(1.0, 2.0), lib.leaf(3.0, 4.0), lib.leaf(5.0, 6.0)

    def f(items: Any, scale: float, *, bias: Any) -> Any:
        lib.ran("f")
        return {"y": (items[0] * items[1]["w"] * scale + bias).exp().log().sin()}

    f_of = lib.checkpoint(f, [x, {"w": w}], 2.0, bias=b)
    return lib.autograd.grad(f_of["y"].sum(), (x, w, b))


def reentrant(lib: Any) -> Any:
    def f(n: int, x: Any, w: Any) -> Any:
        lib.ran("f")
        return x**n * w, (x + w).detach(), "text"

    x, w = lib.leaf(1.0, 2.0), lib.leaf(3.0, 4.0)
    y, d, text = lib.checkpoint(f, 3, x, w, use_reentrant=True)
    (y.sum() + d.sum()).backward()
    return y, d, text, x.grad, w.grad, y.grad_fn.name()


def mixed(outer: bool, inner: bool) -> Callable[[Any], Any]:
    def program(lib: Any) -> Any:
        def g(x: Any) -> Any:
            lib.ran("inner")
            return x.sin().exp()

        def f(x: Any) -> Any:
            lib.ran("outer")
            return lib.checkpoint(g, x, use_reentrant=inner).cos()

        x = lib.leaf(0.7, 1.1)
        lib.checkpoint(f, x, use_reentrant=outer).sum().backward()
        return x.grad

    return program


def sequential(use_reentrant: bool, segments: int) -> Callable[[Any], Any]:
    def program(lib: Any) -> Any:
        def layer(i: int) -> Any:
            def run(x: Any) -> Any:
                lib.ran(str(i))
                return (x * (i + 1)).sin()

            return run

        x = lib.leaf(0.7, 1.1)
        lib.module.checkpoint_sequential(
            [layer(i) for i in range(7)], segments, x, use_reentrant=use_reentrant
        ).sum().backward()
        return x.grad

    return program


def without_grad(lib: Any) -> Any:
    x = lib.leaf(1.0)
    with lib.no_grad():
        return [lib.checkpoint(lib.sin, x, use_reentrant=form) for form in (False, True)]


# ---- errors


def changes(first: Callable[[Any], Any], again: Callable[[Any], Any], **more: Any) -> Callable[[Any], Any]:
    """A function that does something else when it is run again."""

    def program(lib: Any) -> Any:
        def f(x: Any) -> Any:
            lib.ran("f")
            return (first if len(lib.runs) == 1 else again)(x)

        x = lib.leaf(1.0, 2.0)
        lib.checkpoint(f, x, **more).sum().backward()
        return x.grad

    return program


def read_twice(lib: Any) -> Any:
    class Twice(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, d: Any) -> Any:
            return d * ctx.saved_tensors[0] / ctx.saved_tensors[0]

    lib.checkpoint(Twice.apply, lib.leaf(1.0)).backward()


def second_pass(lib: Any) -> Any:
    y = lib.checkpoint(lib.sin, lib.leaf(1.0))
    y.backward()
    y.backward()


def hooks_on_hooks(lib: Any) -> Any:
    y = lib.checkpoint(lib.sin, lib.leaf(1.0))
    y.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t)


def call(text: str) -> Callable[[Any], Any]:
    return lambda lib: eval(text, {"lib": lib, "x": lib.leaf(1.0), "cp": lib.module, "context": lambda: (None, None)})


CALLS = [
    "lib.autograd.grad(lib.checkpoint(lib.sin, x, use_reentrant=True), x)",
    "lib.checkpoint(lib.sin, x, use_reentrant=True).backward(inputs=[x])",
    "lib.checkpoint(lambda x: x.detach(), x, use_reentrant=True).backward()",
    "lib.checkpoint(lib.sin, x.detach(), use_reentrant=True)",
    "lib.checkpoint(lib.sin, x.detach())",
    "cp.checkpoint(lib.sin, x)",
    "cp.checkpoint_sequential([lib.sin, lib.cos], 2, x)",
    "cp.checkpoint_sequential([lib.sin, lib.cos], 2, x, use_reentrant=False, foo=1)",
    "lib.checkpoint(lib.sin, x, use_reentrant=True, foo=1, bar=2)",
    "lib.checkpoint(lib.sin, x, use_reentrant=True, debug=True)",
    "lib.checkpoint(lib.sin, x, use_reentrant=True, context_fn=context)",
    "lib.checkpoint(lib.sin, x, debug=True, context_fn=context)",
    "lib.checkpoint(lib.sin, x, determinism_check='foo')",
    "cp.detach_variable([x])",
    "cp.detach_variable((x, 1, x * 2, x.detach()))",
    "cp.check_backward_validity([x.detach(), 1])",
    "cp.check_backward_validity([x, 1])",
    "lib.checkpoint(lib.sin, 1)",
    "lib.checkpoint()",
]

PROGRAMS = {
    "early stop": early_stop,
    "nested": nested,
    "partial": partial,
    "hooks": hooks_run_once,
    "keywords": keywords_and_structures,
    "reentrant": reentrant,
    "without grad": without_grad,
    "read twice": read_twice,
    "second pass": second_pass,
    "hooks on hooks": hooks_on_hooks,
    **{
        f"pass within, create={create}, stop={stop}": pass_within(create, stop)
        for create in (True, False)
        for stop in (True, False)
    },
    **{f"mixed {outer} {inner}": mixed(outer, inner) for outer in (True, False) for inner in (True, False)},
    **{f"sequential {form} {n}": sequential(form, n) for form in (True, False) for n in (1, 2, 3, 7)},
    "fewer": changes(lambda x: x.sin().cos(), lambda x: x.sin()),
    "more": changes(lambda x: x.sin(), lambda x: x.sin().cos(), early_stop=False),
    "more, stopped early": changes(lambda x: x.sin(), lambda x: x.sin().cos()),
    "another shape": changes(lambda x: x.sin(), lambda x: x[:1].sin()),
    "another dtype": changes(lambda x: x.sin().cos(), lambda x: x.double().sin().cos()),
    "unchecked": changes(lambda x: x.sin(), lambda x: x.double().sin(), determinism_check="none"),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_programs(program: Callable[[Any], Any]) -> None:
    check_runs(program)


@pytest.mark.parametrize("text", CALLS)
def test_calls(text: str) -> None:
    check_runs(call(text))
