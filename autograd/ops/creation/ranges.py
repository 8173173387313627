"""Factories of numbers in order, and of indices."""

from __future__ import annotations

import builtins
import math
import warnings
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import composite, exported
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.ops.creation.factories import finish, number_of, place
from tapegrad.autograd.ops.creation.pin_memory import pin
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend_for


def _real(value: Any, function: str, name: str, position: int) -> Any:
    value = number_of(value, function, name, position)
    if isinstance(value, complex):
        raise RuntimeError("value cannot be converted to type double without overflow")
    return int(value) if isinstance(value, bool) else value


def _steps(start: Any, end: Any, step: Any, dtype: np.dtype, device: Any, count: int) -> Any:
    """`count` numbers from `start` on, as an array."""
    where = place(device)
    there = backend_for(where)
    with there.use(where):
        if dtype.kind in "iu":
            first, by = int(start), int(step)
            return there.xp.arange(first, first + count * by, by, dtype) if by else there.xp.full(count, first, dtype)
        return (there.xp.arange(count, dtype=np.float64) * step + start).astype(dtype)


@composite()
def arange(
    *args: Any,
    start: Any = None,
    end: Any = None,
    step: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from `start` (0) to `end`, which is left out, by `step` (1).

    Args:
        *args: ``end``, ``start, end`` or ``start, end, step``.
        start: the first number.
        end: the bound.
        step: how far it is from one number to the next.
        dtype: of the result; int64, or the default dtype if a number is a float.

    Raises:
        RuntimeError: `step` is zero, or leads away from `end`.

    Example:
        >>> tapegrad.arange(1, 6, 2)
        tensor([1, 3, 5])
    """
    if len(args) == 1 and end is None:
        end = args[0]
    elif args:
        given = dict(zip(("start", "end", "step"), args))
        start, end, step = given.get("start", start), given.get("end", end), given.get("step", step)
    if end is None or len(args) > 3:
        raise TypeError(
            "arange() received an invalid combination of arguments - got "
            f"({', '.join([type(a).__name__ for a in args])})"
        )
    start = 0 if start is None else start if start.__class__ is int else _real(start, "arange", "start", 1)
    end = end if end.__class__ is int else _real(end, "arange", "end", 2)
    step = 1 if step is None else step if step.__class__ is int else _real(step, "arange", "step", 3)
    whole = start.__class__ is int and end.__class__ is int and step.__class__ is int
    wanted = (np.dtype(np.int64) if whole else dtypes.default_float()) if dtype is None else dtypes.numpy_dtype(dtype)
    if wanted.kind not in "iufV":
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{dtypes.of(wanted).scalar_type}'")
    if not step:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * (1 if step > 0 else -1) < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    made = stored("factory", out, finish(_steps(start, end, step, wanted, device, count), requires_grad))
    return pin(made) if pin_memory else made


@exported
def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from `start` to `end`, which belongs to them, by `step`; `arange` is what to use.

    Args:
        start: the first number.
        end: the last number.
        step: how far it is from one number to the next.

    Raises:
        RuntimeError: `step` is zero, or leads away from `end`.
    """
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. "
        "Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    start, end, step = _real(start, "range", "start", 1), _real(end, "range", "end", 2), _real(step, "range", "step", 3)
    if not step:
        raise RuntimeError("step must be nonzero")
    if (end - start) * (1 if step > 0 else -1) < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    wanted = dtypes.default_float() if dtype is None else dtypes.numpy_dtype(dtype)
    return stored(
        "factory",
        out,
        finish(_steps(start, end, step, wanted, device, math.floor((end - start) / step) + 1), requires_grad),
    )


def _end(value: Any, function: str, name: str, position: int) -> Any:
    if isinstance(value, Tensor) and value._array.ndim:
        raise RuntimeError(
            f"{function} only supports 0-dimensional start and end tensors, but got {name} with {value._array.ndim} "
            "dimension(s)."
        )
    return number_of(value, function, name, position)


def _between(start: Any, end: Any, steps: int, xp: Any) -> Any:
    """Numbers in equal steps in double precision, exact at both ends."""
    if steps == 1:
        return xp.full(1, start, np.complex128 if isinstance(start, complex) else np.float64)
    up = xp.arange(steps, dtype=np.float64)
    by = (end - start) / max(steps - 1, 1)
    return xp.where(up < steps // 2, start + up * by, end - (steps - 1 - up) * by)


def _spaced(
    start: Any, end: Any, steps: Any, base: Any, function: str, out: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    start, end = _end(start, function, "start", 1), _end(end, function, "end", 2)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    has_complex = isinstance(start, complex) or isinstance(end, complex)
    wanted = (
        (dtypes.default_complex() if has_complex else dtypes.default_float())
        if dtype is None
        else dtypes.numpy_dtype(dtype)
    )
    where = place(device)
    there = backend_for(where)
    with there.use(where):
        values = _between(start, end, steps, there.xp)
        if base is not None:
            values = (
                there.xp.power(float(base), values) if not isinstance(base, complex) else there.xp.power(base, values)
            )
        array = values.astype(wanted)
    return stored("factory", out, finish(array, requires_grad))


@composite()
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers in equal steps from `start` to `end`, which both belong to them.

    Args:
        start: the first number, or a tensor without dimensions.
        end: the last number, or a tensor without dimensions.
        steps: how many.

    Raises:
        RuntimeError: `steps` is negative.

    Example:
        >>> tapegrad.linspace(0, 1, 3)
        tensor([0.0000, 0.5000, 1.0000])
    """
    made = _spaced(start, end, steps, None, "linspace", out, dtype, device, requires_grad)
    return pin(made) if pin_memory else made


@composite()
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` powers of `base`, whose exponents go in equal steps from `start` to `end`.

    Args:
        start: the first exponent.
        end: the last exponent.
        steps: how many.
        base: the base.

    Raises:
        RuntimeError: `steps` is negative.

    Example:
        >>> tapegrad.logspace(0, 2, 3, base=2)
        tensor([1., 2., 4.])
    """
    made = _spaced(start, end, steps, base, "logspace", out, dtype, device, requires_grad)
    return pin(made) if pin_memory else made


@composite()
def eye(
    n: int,
    m: int | None = None,
    *,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The matrix with ones on its diagonal and zeros elsewhere.

    Args:
        n: the number of rows.
        m: the number of columns; None: `n`.

    Raises:
        RuntimeError: a number is negative.

    Example:
        >>> tapegrad.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    for name, size in (("n", n), ("m", n if m is None else m)):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    wanted = dtypes.default_float() if dtype is None else dtypes.numpy_dtype(dtype)
    where = place(device)
    there = backend_for(where)
    with there.use(where):
        made = stored("factory", out, finish(there.xp.eye(n, m, dtype=wanted), requires_grad))
    return pin(made) if pin_memory else made


def _triangle(lower: bool, row: int, col: int, offset: int, dtype: Any, device: Any) -> Tensor:
    for name, size in (("row", row), ("col", col)):
        if size < 0:
            raise RuntimeError(f"{name} must be non-negative, got{size}")
    where = place(device)
    wanted = np.dtype(np.int64) if dtype is None else dtypes.numpy_dtype(dtype)
    there = backend_for(where)
    with there.use(where):
        return finish(_places(there.xp, lower, row, col, offset).astype(wanted), False)


def _places(xp: Any, lower: bool, row: int, col: int, offset: int) -> Any:
    """Rows and columns of a triangle's elements, made on the device: CuPy's `tril_indices` waits for it, to count what
    the host can count.
    """
    size = builtins.sum(min(max(r + offset + lower, 0), col) for r in builtins.range(row))
    size = size if lower else row * col - size
    if not size:
        return xp.zeros((2, 0), np.int64)
    rows = xp.arange(row, dtype=np.int64)
    ends = xp.clip(rows + (offset + lower), 0, col)  # where the columns of each row end, or of the upper triangle begin
    counts = ends if lower else col - ends
    upto = xp.cumsum(counts)
    place = xp.arange(size, dtype=np.int64)
    at = xp.searchsorted(upto, place, side="right")
    first = upto - counts if lower else upto - col
    return xp.stack([at.astype(np.int64), place - first[at]])


@composite()
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """The indices of the elements on and below a diagonal: a row of row numbers, and one of column numbers.

    Args:
        row: the number of rows.
        col: the number of columns.
        offset: which diagonal: above the main one if positive, below if negative.
        dtype: of the result; int64 if not given.

    Raises:
        RuntimeError: a number of rows or columns is negative.

    Example:
        >>> tapegrad.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _triangle(True, row, col, offset, dtype, device)


@composite()
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """The indices of the elements on and above a diagonal: a row of row numbers, and one of column numbers.

    Args:
        row: the number of rows.
        col: the number of columns.
        offset: which diagonal: above the main one if positive, below if negative.
        dtype: of the result; int64 if not given.

    Raises:
        RuntimeError: a number of rows or columns is negative.

    Example:
        >>> tapegrad.triu_indices(2, 2)
        tensor([[0, 0, 1],
                [0, 1, 1]])
    """
    return _triangle(False, row, col, offset, dtype, device)
