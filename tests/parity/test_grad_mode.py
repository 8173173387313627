"""Grad modes as context managers and decorators: as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from same_program import Programs, attempt, check, leaf

case = Programs()


# ---- grad modes


@case
def generators_in_every_mode(lib):
    found = []
    for mode in (
        lib.no_grad,
        lib.enable_grad,
        lib.inference_mode,
        lambda: lib.set_grad_enabled(False),
        lambda: lib.set_grad_enabled(True),
    ):
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
                seen += [
                    next(g),
                    lib.is_grad_enabled(),
                    g.send("sent"),
                    lib.is_grad_enabled(),
                    g.throw(ValueError("v")),
                    lib.is_grad_enabled(),
                ]
                seen += list(g) + [lib.is_grad_enabled()]

                def delegate(decorated=decorated):
                    return (yield from decorated(2))

                d = delegate()
                seen += [next(d), next(d), attempt(lambda d=d: next(d)), lib.is_grad_enabled()]
                g = decorated(3)
                seen += [next(g), g.close(), lib.is_grad_enabled()]
                g = decorated(3)
                seen += [
                    next(g),
                    attempt(lambda g=g: g.throw(KeyError("k"))),
                    lib.is_grad_enabled(),
                    attempt(lambda g=g: next(g)),
                ]
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
    return (
        seen,
        attempt(lambda: g.throw(ValueError("v"))),
        attempt(lambda: numbers().send(3)),
        lib.is_grad_enabled(),
        seen,
    )


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
        seen.append((thing.now(), lib.is_grad_enabled()))
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
                raise KeyError("deep")

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
    wrong = [
        attempt(lib.set_grad_enabled),
        *(attempt(lambda v=v: lib.set_grad_enabled(v)) for v in (np.bool_(True), "yes", 1, None)),
    ]
    return found, wrong, lib.is_grad_enabled()


@case
def decorated_with_and_without_parentheses(lib):
    def f():
        """Says what it is."""
        return lib.is_grad_enabled(), lib.is_inference_mode_enabled()

    lib.set_grad_enabled(True)
    modes = (
        lib.no_grad,
        lib.no_grad(),
        lib.inference_mode,
        lib.inference_mode(),
        lib.inference_mode(False),
        lib.inference_mode(mode=True),
    )
    decorated = [mode(f) for mode in modes]
    found = [(g(), g.__name__, g.__doc__, g.__wrapped__ is f) for g in decorated]
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


@pytest.mark.parametrize("name", case)
def test_as_torch(name):
    check(case[name])
