"""The parity harness: a program runs with tapegrad and with PyTorch, and its results, errors and warnings must be the
same.
"""

from __future__ import annotations

import re
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import tapegrad

torch = pytest.importorskip("torch")

Program = Callable[[types.ModuleType], Any]


class Programs(dict[str, Program]):
    """A table of programs, each a function of a library; an object of it is the decorator that enters them."""

    def __call__(self, program: Program) -> Program:
        name = program.__name__.strip("_").replace("_", " ")
        assert name not in self
        self[name] = program
        return program


def check(program: Program, within: float = 0.0, warned: bool = True) -> None:
    """Run `program` with both libraries, and compare.

    Args:
        within: how far numbers may be apart.
        warned: compare the warnings too.
    """
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        ours, theirs = outcome(tapegrad, program), outcome(torch, program)
    finally:
        torch.set_warn_always(always)
    assert_same(ours[0], theirs[0], within)
    assert not warned or ours[1] == theirs[1]


def assert_same(ours: Any, theirs: Any, within: float = 0.0) -> None:
    """Raise unless both results, as `comparable` gives them, are equal; NaN equals NaN."""
    if repr(ours) != repr(theirs):
        assert ours == approximately(theirs, within)


def approximately(value: Any, within: float) -> Any:
    """`value` with numbers that equal all that are near."""
    if isinstance(value, (float, complex)):
        return pytest.approx(value, rel=within, abs=within / 100, nan_ok=True)
    if isinstance(value, dict):
        return {k: approximately(v, within) for k, v in value.items()}
    return type(value)([approximately(v, within) for v in value]) if isinstance(value, (tuple, list)) else value


def comparable(value):
    """What can be compared of a result."""
    if isinstance(value, (tapegrad.Tensor, torch.Tensor)):
        array = value.detach().numpy() if value.dtype.itemsize > 2 else value.detach().float().numpy()
        return (
            "tensor",
            array.tolist(),
            tuple(value.shape),
            str(value.dtype).removeprefix("torch."),
            value.requires_grad,
            value.is_leaf,
        )
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [comparable(v) for v in value]
    return value


def words(text):
    """A message without torch's hints to its own pages, source and compiler, and without addresses."""
    for hint in (
        "\n\nNOTE",
        " (Triggered internally",
        "\nException raised from",
        "\nPlease file",
        "\nIf this error occurs under torch.compile",
    ):
        text = text.partition(hint)[0]
    text = text.replace("satisfy -0 ", "satisfy 0 ")  # torch has two vmaps, of which the older one writes 0
    return re.sub("0x[0-9a-f]+", "0x", text).strip()


def attempt(action):
    """What `action` gives or raises."""
    try:
        return comparable(action())
    except NameError:  # of the program itself
        raise
    except Exception as error:
        return type(error).__name__, words(str(error))


def outcome(lib, program):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        result = attempt(lambda: program(lib))
    lib.set_grad_enabled(True)
    return result, [(w.category.__name__, words(str(w.message))) for w in warned]


def leaf(lib, *values, dtype=None, requires_grad=True):
    """A tensor of `values`, in double precision if no dtype is named."""
    dtype = dtype or ("complex128" if any(isinstance(v, complex) for v in values) else "float64")
    return lib.tensor(values or (1.0, 2.0, 3.0), dtype=getattr(lib, dtype), requires_grad=requires_grad)


def strides(t):
    """Strides in elements."""
    if isinstance(t, torch.Tensor):
        return t.stride()
    return tuple(s // t.array.itemsize for s in t.array.strides)


def memory(t):
    """Where the elements are."""
    return t.data_ptr() if isinstance(t, torch.Tensor) else t.array.__array_interface__["data"][0]


def function(lib, forward=None, backward=None, **more):
    """A custom Function, by default the identity."""
    methods = {"forward": forward or (lambda ctx, x: x.clone()), "backward": backward or (lambda ctx, g: g), **more}
    return type("Foo", (lib.autograd.Function,), {name: staticmethod(method) for name, method in methods.items()}).apply


def accumulator(x):
    """The `AccumulateGrad` node of a leaf."""
    return x.view_as(x).grad_fn.next_functions[0][0]


class Log(list):
    """What has happened, in order."""

    def hook(self, name, change=None):
        def hook(*args):
            self.append((name, comparable(args)))
            return change(*args) if change is not None else None

        return hook
