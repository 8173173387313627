"""Arrays in one line of text: small ones in full, of large ones what matters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tapegrad.autograd.interchange.printing import elements_text
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend

#: arrays of up to so many elements are shown in full
SMALL = 12


def array_text(array: Any) -> str:
    """The values of `array`: ``[7., 9.]``, or ``min -1.2, mean 0.01, max 3.4``."""
    if array.size <= SMALL:
        return " ".join(elements_text(array, 0, backend(array).to_host).split()).replace("[ ", "[")
    host = backend(array).to_host(array)
    if host.dtype.kind == "b":
        return f"{int(host.sum())} of {host.size} True"
    if host.dtype.kind == "c":
        return f"magnitudes: {_summary(np.abs(host))}"
    if host.dtype.kind == "V":  # bfloat16
        host = host.astype(np.float32)
    return _summary(host)


def _summary(host: np.ndarray) -> str:
    if host.dtype.kind in "iu":
        return f"min {host.min()}, mean {host.mean():.4g}, max {host.max()}"
    wide = host.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    parts = [f"min {finite.min():.4g}, mean {finite.mean():.4g}, max {finite.max():.4g}"] if finite.size else []
    if np.isnan(wide).any():
        parts.append(f"{int(np.isnan(wide).sum())} NaN")
    if np.isinf(wide).any():
        parts.append(f"{int(np.isinf(wide).sum())} inf")
    return ", ".join(parts)


def kind_text(shape: Iterable[int] | None, dtype: np.dtype | None) -> str:
    """Dtype and shape: ``float32 [2, 3]``; what is not known is left out."""
    parts = []
    if dtype is not None:
        parts.append(dtypes.of(dtype).name)
    if shape is not None:
        parts.append(str(list(shape)))
    return " ".join(parts)


def bytes_text(count: int) -> str:
    """``1.5 MB``; below a thousand bytes the number itself."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5 or unit == "GB":
            break
    return f"{amount:.3g} {unit}"
