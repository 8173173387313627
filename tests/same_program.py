"""The parity harness: a program runs with tapegrad and with PyTorch, and its results, errors and warnings must be the same."""
from __future__ import annotations

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


def check(program: Program) -> None:
    """Run `program` with both libraries, and compare."""
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        ours, theirs = outcome(tapegrad, program), outcome(torch, program)
    finally:
        torch.set_warn_always(always)
    assert ours == theirs


def comparable(value):
    """What can be compared of a result."""
    if isinstance(value, (tapegrad.Tensor, torch.Tensor)):
        array = value.detach().numpy() if value.dtype.itemsize > 2 else value.detach().float().numpy()
        return "tensor", array.tolist(), tuple(value.shape), str(value.dtype).removeprefix("torch."), value.requires_grad, value.is_leaf
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [comparable(v) for v in value]
    return value


def words(text):
    """A message without torch's hints to its own pages and source."""
    return text.partition("\n\nNOTE")[0].partition(" (Triggered internally")[0].partition("\nException raised from")[0].strip()


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
