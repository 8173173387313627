"""`tapegrad.testing`: comparing tensors, and running code on the strict device to see what it would do on a GPU.

The strict device (``device="strict"``) is an array type over NumPy that refuses what a GPU array refuses and counts
what costs there: it finds hidden copies and synchronisations on a machine without a GPU. `check_device` runs a function
there and tells of each, with the line that causes it.

Example:
    >>> from tapegrad.testing import counting
    >>> x = tapegrad.ones(3, device="strict")
    >>> with counting() as transfers:
    ...     y = (x * 2).sum()
    >>> transfers.device_to_host
    0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.interchange.python_protocols import host
from tapegrad.autograd.lazy import on_first_use
from tapegrad.autograd.ops.creation.factories import as_tensor
from tapegrad.autograd.types import dtypes

if TYPE_CHECKING:
    from tapegrad.backends.strict.backend import allowed, counting, refusing
    from tapegrad.utils.device_check.check import check_device

__all__ = ["allowed", "assert_close", "check_device", "counting", "refusing"]

if not TYPE_CHECKING:  # the strict device is loaded by those who use it
    _STRICT = "tapegrad.backends.strict.backend"
    __getattr__, __dir__ = on_first_use(
        __name__, check_device="tapegrad.utils.device_check.check", allowed=_STRICT, counting=_STRICT, refusing=_STRICT
    )


# (relative, absolute), as torch has them
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    msg: str | None = None,
) -> None:
    """Raise unless `actual` and `expected` are close: tensors, arrays, numbers, or sequences and mappings of them.

    Args:
        rtol: relative tolerance; with `atol`, by default according to the dtype.
        msg: text of the error, instead.

    Raises:
        ValueError: only one tolerance is given.

    Example:
        >>> tapegrad.testing.assert_close(tapegrad.ones(2), tapegrad.ones(2) + 1e-7)
    """
    if (rtol is None) != (atol is None):
        raise ValueError("Both 'rtol' and 'atol' must be either specified or unspecified, but got only one of them.")
    options = {
        "rtol": rtol,
        "atol": atol,
        "equal_nan": equal_nan,
        "check_device": check_device,
        "check_dtype": check_dtype,
        "msg": msg,
    }
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            raise AssertionError(
                msg
                or f"The keys of the mappings do not match: {sorted(map(str, actual))} and {sorted(map(str, expected))}"
            )
        for key in actual:
            assert_close(actual[key], expected[key], **options)  # type: ignore[arg-type]
        return
    if isinstance(actual, Sequence) and isinstance(expected, Sequence) and not isinstance(actual, str):
        if len(actual) != len(expected):
            raise AssertionError(msg or f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for a, b in zip(actual, expected):
            assert_close(a, b, **options)  # type: ignore[arg-type]
        return
    a, b = _tensor(actual), _tensor(expected)
    if a.shape != b.shape:
        raise AssertionError(msg or f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}.")
    if check_device and a.device != b.device:
        raise AssertionError(msg or f"The values for attribute 'device' do not match: {a.device} != {b.device}.")
    if check_dtype and a.dtype != b.dtype:
        raise AssertionError(msg or f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}.")
    if rtol is None or atol is None:
        rtol, atol = (
            max(pair)
            for pair in zip(_TOLERANCES.get(a.dtype.name, (0.0, 0.0)), _TOLERANCES.get(b.dtype.name, (0.0, 0.0)))
        )
    _compare(_wide(host(a)), _wide(host(b)), rtol, atol, equal_nan, msg)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else as_tensor(value)


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if dtypes.of(array.dtype).is_floating_point else array


def _compare(a: np.ndarray, b: np.ndarray, rtol: float, atol: float, equal_nan: bool, msg: str | None) -> None:
    close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
    if close.all():
        return
    if msg is not None:
        raise AssertionError(msg)
    if a.ndim == 0:
        raise AssertionError(
            f"Scalars are not close!\n\nExpected {b.item()} but got {a.item()}.\n"
            f"Absolute difference: {abs(a - b)} (up to {atol} allowed)"
        )
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.abs(a.astype(wide) - b.astype(wide))
        relative = difference / np.abs(b.astype(wide))
    masked = np.where(close, 0, np.nan_to_num(difference, nan=np.inf))
    masked_relative = np.where(close, 0, np.nan_to_num(relative, nan=np.inf))
    at, at_relative = (tuple(int(i) for i in np.unravel_index(m.argmax(), m.shape)) for m in (masked, masked_relative))
    wrong = int((~close).sum())
    raise AssertionError(
        f"Tensor-likes are not close!\n\nMismatched elements: {wrong} / {a.size} ({wrong / a.size:.1%})\n"
        f"Greatest absolute difference: {difference[at]} at index {at} (up to {atol} allowed)\n"
        f"Greatest relative difference: {relative[at_relative]} at index {at_relative} (up to {rtol} allowed)"
    )
