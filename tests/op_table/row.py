"""`Row` and `Sample`: what the tests must know of an op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Sample:
    """Arguments of one call; arrays (also in lists and tuples) become tensors on the device under test, dtypes are
    given to each library as its own, and all else is passed as it is.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)


def sample(*args: Any, **kwargs: Any) -> Sample:
    """A `Sample` written as the call it stands for."""
    return Sample(args, kwargs)


@dataclass
class AsIs:
    """An argument of a `Sample` that is passed as it is, though it is an array: data for `tensor` or `from_numpy`."""

    value: Any


@dataclass
class Row:
    """One op of the table.

    Attributes:
        name: the public name: the key in ``tapegrad.autograd.dispatch.decorator.OPS``, or a path below ``tapegrad``
            such as ``nn.functional.linear``.
        samples: called with a NumPy generator and a floating (or complex) dtype, returns calls to check; include 0-d,
            empty, broadcast and non-contiguous operands where they make sense. Values must stay away from kinks and
            poles by more than 1e-3: gradients are checked numerically.
        reference: the same function over NumPy arrays, by plain NumPy or SciPy and independent of ours; returns an
            array or a tuple of arrays.
        torch: the oracle for parity, called with torch tensors, or its name below ``torch`` ("Tensor.reshape"); None:
            ``torch.<name>``, or the method or the function of ``nn.functional`` of that name.
        grad: whether gradients flow (then first and second order are checked).
        gradgrad: whether the second order is to be checked.
        complex: whether complex operands are allowed (checked in complex128 then).
        view: whether the result must share memory with the first operand ("maybe": where NumPy can).
        inplace: whether there is ``Tensor.<name>_``, which must give the same as the op.
        tolerance: of values and gradients, relative, in float64.
        constant: positions (or keywords) of floating operands through which no gradient flows.
        strict: whether it runs on the strict device (False only with a `why`).
        parity: whether it is compared with torch (False only with a `why`).
        why: the reason for whatever is switched off.
        factory: the op takes ``device=``, and is given the device under test.
        values: False where values are random or uninitialised: only shapes and kinds of dtype are compared.
        synchronises: the op must wait for the device, as in torch, because a shape or an error depends on values, or
            copies a table to it: on the strict device that is then allowed.
        symmetric: positions of matrices that must stay symmetric (Hermitian): gradients are checked along such
            directions.
        twice: whether one tensor may stand for the first two operands of equal shape.
        layouts: whether it takes operands of any memory layout (`view` does not).
        method: whether the method of that name, where there is one, takes its arguments in the same order.
        raw: whether the op takes raw arrays and then returns raw arrays.
        integer: whether it takes small positive integers and agrees with the reference there; None: if it is an
            elementwise op that promotes.
        errors: whether parity compares the types of errors of wrong calls with torch's (False only with a `why`).
        batched: whether vmap takes it (False only with a `why`: its shapes or its errors depend on values, say).
        dtypes: names of the operand dtypes that parity compares with torch, where torch takes them.
    """

    name: str
    samples: Callable[[np.random.Generator, np.dtype], list[Sample]]
    reference: Callable[..., Any]
    torch: Callable[..., Any] | str | None = None
    grad: bool = True
    gradgrad: bool = True
    complex: bool = False
    view: bool | str = False
    inplace: bool = False
    tolerance: float = 1e-9
    constant: tuple[int | str, ...] = ()
    strict: bool = True
    parity: bool = True
    why: str = ""
    factory: bool = False
    values: bool = True
    synchronises: bool = False
    symmetric: tuple[int | str, ...] = ()
    twice: bool = True
    layouts: bool = True
    method: bool = True
    raw: bool = True
    integer: bool | None = None
    errors: bool = True
    batched: bool = True
    dtypes: tuple[str, ...] = ("float16", "float32", "float64", "int64", "bool")
