"""`Row` and `Sample`: what the tests must know of an op."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Sample:
    """Arguments of one call; arrays (also in lists) become tensors on the device under test, all else is passed as it is."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)


def sample(*args: Any, **kwargs: Any) -> Sample:
    """A `Sample` written as the call it stands for."""
    return Sample(args, kwargs)


@dataclass
class Row:
    """One op of the table.

    Attributes:
        name: the public name: the key in ``tapegrad.autograd.op.OPS``.
        samples: called with a NumPy generator and a floating (or complex) dtype, returns calls to check; include 0-d, empty, broadcast and
            non-contiguous operands where they make sense. Values must stay away from kinks and poles by more than 1e-3: gradients are checked numerically.
        reference: the same function over NumPy arrays, by plain NumPy or SciPy and independent of ours; returns an array or a tuple of arrays.
        torch: the oracle for parity, called with torch tensors; None: ``torch.<name>``, or the method of that name.
        grad: whether gradients flow (then first and second order are checked).
        gradgrad: whether the second order is to be checked.
        complex: whether complex operands are allowed (checked in complex128 then).
        view: whether the result must share memory with the first operand ("maybe": where NumPy can).
        inplace: whether there is ``Tensor.<name>_``, which must give the same as the op.
        tolerance: of values and gradients, relative, in float64.
        constant: positions of floating operands through which no gradient flows.
        strict: whether it runs on the strict device (False only with a `why`).
        parity: whether it is compared with torch (False only with a `why`).
        why: the reason for whatever is switched off.
    """

    name: str
    samples: Callable[[np.random.Generator, np.dtype], list[Sample]]
    reference: Callable[..., Any]
    torch: Callable[..., Any] | None = None
    grad: bool = True
    gradgrad: bool = True
    complex: bool = False
    view: bool | str = False
    inplace: bool = False
    tolerance: float = 1e-9
    constant: tuple[int, ...] = ()
    strict: bool = True
    parity: bool = True
    why: str = ""
