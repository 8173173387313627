"""Families of elementwise ops: what their members share is said once, so that each is a short declaration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array
from tapegrad.autograd.dispatch.decorator import OpFunction, op
from tapegrad.backends import xp

#: `op` for an elementwise function that is a method and has an in-place form, as most are
elementwise = partial(op, kind="elementwise", method=True, inplace=True)


def documented(function: Callable[..., Any], name: str, summary: str, call: str, result: str) -> Callable[..., Any]:
    """`function` under the name `name`, with a docstring that shows what `call` gives."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary}\n\nExample:\n    >>> {call}\n    {result}\n"
    return function


def elementary(
    ufunc: np.ufunc, meaning: str, result: str, rule: Callable[..., Any], of: str = "[0.0, 1.0]"
) -> OpFunction:
    """The op that calls one function of the array library; it takes integers as the default dtype.

    Args:
        ufunc: NumPy's function; CuPy's has the same name.
        meaning: what the docstring says of it.
        result: what the docstring's example prints for the numbers `of`.
        rule: the gradient of the operand.
    """
    library_name = ufunc.__name__
    name = library_name.replace("arc", "a")  # torch's name

    def function(input: Array) -> Array:
        # Looked up by name the function of a NumPy array costs 40 ns more.
        return ufunc(input) if input.__class__ is np.ndarray else getattr(xp(input), library_name)(input)

    def write(input: Array) -> None:
        if input.dtype.kind in "iub":
            raise TypeError("the result is floating point")  # `inplace` asks the op then, which raises torch's error
        getattr(xp(input), library_name)(input, out=input)

    function.__module__ = rule.__module__
    call = f"tapegrad.{name}(tapegrad.tensor({of}))"
    documented(function, name, f"Elementwise {meaning}.", call, f"tensor({result})")
    return elementwise(input=rule, operands="float", inplace_fn=write)(function)
