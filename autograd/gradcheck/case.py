"""What `gradcheck` looks at: a function, its inputs, and its results."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend, backend_for


class GradcheckError(RuntimeError):
    """What `gradcheck` and `gradgradcheck` raise where derivatives are wrong."""


class Settings(NamedTuple):
    """How closely to look; as the arguments of `gradcheck`."""

    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    check_grad_dtypes: bool
    fast_mode: bool
    masked: bool


class Case(NamedTuple):
    """A function at certain inputs.

    Attributes:
        function: what is checked.
        inputs: its arguments.
        results: what it returned for them.
        settings: how closely to look.
        part: "real" | "imaginary", of a complex function of which only this part is looked at.
        complex_ones: the numbers of the results (in forward mode, of the inputs) that are complex.
    """

    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    results: tuple[Any, ...]
    settings: Settings
    part: str = ""
    complex_ones: frozenset[int] = frozenset()

    @property
    def wanted(self) -> list[int]:
        """The numbers of the inputs that require grad."""
        return wanted_of(self.inputs)

    @property
    def sources(self) -> list[Tensor]:
        """These inputs."""
        return [self.inputs[n] for n in self.wanted]

    @property
    def flowing(self) -> list[int]:
        """The numbers of the results that require grad."""
        return [n for n, t in enumerate(self.results) if t.requires_grad]

    def mismatch(self, i: int, j: int, analytical: Any, numerical: Any, forward: bool) -> str:
        """The text for derivatives of differentiable result number `i` by wanted input number `j` that do not agree."""
        n = self.wanted[j] if forward else self.flowing[i]
        prefix = (
            f"While considering the {self.part} part of complex {'inputs' if forward else 'outputs'} only, "
            if n in self.complex_ones
            else ""
        )
        mode = "computed with forward mode " if forward else ""
        return (
            f"{prefix}Jacobian {mode}mismatch for output {i} with respect to input "
            f"{j},\nnumerical:{shown(numerical)}\nanalytical:{shown(analytical)}\n"
        )


def shown(values: Any) -> Tensor:
    """Numbers as they are printed."""
    return from_array(np.asarray(values))


def as_tuple(value: Any) -> tuple[Any, ...]:
    """`value`, several or one, as a tuple."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def wanted_of(inputs: tuple[Any, ...]) -> list[int]:
    """The numbers of the inputs that require grad."""
    return [n for n, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]


def differentiable(outputs: Any) -> tuple[Tensor, ...]:
    """The results that require grad."""
    return tuple(t for t in as_tuple(outputs) if t.requires_grad)


def is_inexact(t: Any) -> bool:
    """Whether `t` is a tensor of a dtype that can have derivatives."""
    return isinstance(t, Tensor) and dtypes.is_inexact(t._array.dtype)


def is_complex(t: Any) -> bool:
    """Whether `t` is a complex tensor."""
    return isinstance(t, Tensor) and t._array.dtype.kind == "c"


def values(t: Tensor) -> np.ndarray:
    """The values on the host, in double precision, as a vector."""
    array = backend(t._array).to_host(t._array)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64).reshape(-1)


def like(t: Tensor, numbers: np.ndarray) -> Tensor:
    """A tensor of the shape, dtype and device of `t`."""
    array = numbers.astype(t._array.dtype).reshape(t._array.shape)
    return from_array(backend_for(t.device).from_host(array, t.device))


def stacked(rows: list[list[np.ndarray | None]]) -> list[np.ndarray | None]:
    """Rows of vectors as matrices; None where the rows have none."""
    columns = [[part for part in parts if part is not None] for parts in zip(*rows)]
    return [np.stack(column) if column else None for column in columns]


def close(a: Any, b: Any, rtol: float, atol: float) -> bool:
    """Whether numbers agree."""
    return bool(np.allclose(a, b, rtol, atol))


def check_inputs(inputs: tuple[Any, ...]) -> None:
    """Raise torch's errors for inputs whose derivatives cannot be checked."""
    for n in wanted_of(inputs):
        t = inputs[n]
        if t.dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(
                f"Input #{n} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the "
                "inputs are not of double precision floating point or complex. ",
                stacklevel=4,
            )
        if any(stride == 0 and size > 1 for stride, size in zip(t._array.strides, t._array.shape)):
            raise RuntimeError(
                f"The {n}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute "
                "the numerical gradients correctly. You should call .contiguous on the input before passing it to "
                "gradcheck."
            )
    if not wanted_of(inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
