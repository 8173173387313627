"""Tensors as text, exactly as PyTorch prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf, isfinite
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from tapegrad.autograd.types import dtypes

_DEFAULTS: Final = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80}
_PROFILES: Final[dict[str, dict[str, Any]]] = {
    "default": _DEFAULTS,
    "short": _DEFAULTS | {"precision": 2, "edgeitems": 2},
    "full": _DEFAULTS | {"threshold": inf},
}
_options: Final = SimpleNamespace(**_DEFAULTS, sci_mode=None)


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed, for the whole process; what is None stays, but for `sci_mode`.

    Args:
        precision: digits after the point (4).
        threshold: the number of elements above which only the edges are shown (1000).
        edgeitems: how many items are then shown at either end of a dimension (3).
        linewidth: columns in a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``, taken before the other arguments.
        sci_mode: scientific notation always (True), never (False), or where the numbers ask for it (None).

    Raises:
        ValueError: for another `profile`.

    Example:
        >>> tapegrad.set_printoptions(precision=2)
        >>> tapegrad.tensor([1.2345])
        tensor([1.23])
        >>> tapegrad.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"profile must be one of 'default', 'short', 'full', not {profile!r}")
        vars(_options).update(_PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    vars(_options).update((name, value) for name, value in given.items() if value is not None)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The current options, as keyword arguments for :func:`set_printoptions`."""
    return dict(vars(_options))


@contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """Print with other options inside a ``with`` block.

    Args:
        **kwargs: as for :func:`set_printoptions`.
    """
    before = get_printoptions()
    try:
        set_printoptions(**kwargs)
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(
    array: Any,
    *,
    dtype: dtypes.dtype | None = None,
    default_dtype: dtypes.dtype | None = None,
    device_suffix: str | None = None,
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    tangent: str | None = None,
    prefix: str = "tensor(",
    to_host: Callable[[Any], np.ndarray] = np.asarray,
) -> str:
    """The text of a tensor.

    Args:
        array: the values, of any shape and dtype.
        dtype: the dtype to name; the array's if None.
        default_dtype: the dtype that needs no naming; the process's if None.
        device_suffix: the device to name, such as ``"cuda:0"``.
        requires_grad: named only where `grad_fn_name` is None.
        grad_fn_name: the name of the node, such as ``"MulBackward0"``.
        tangent: the text of a dual number's tangent.
        prefix: what stands before the numbers; a subclass's name and a parenthesis.
        to_host: brings an array to NumPy. Of a large array only the edges are brought.

    Example:
        >>> tensor_repr(np.array([7, 9], "float32"), grad_fn_name="MulBackward0")
        'tensor([7., 9.], grad_fn=<MulBackward0>)'
    """
    dtype = dtypes.of(array.dtype) if dtype is None else dtype
    default = dtypes.get_default_dtype() if default_dtype is None else default_dtype
    # An empty tensor has no numbers to tell its dtype by.
    unnamed = (default, default.to_complex(), dtypes.int64, dtypes.bool_) if array.size else (default,)
    suffixes = []
    if device_suffix is not None:
        suffixes.append(f"device='{device_suffix}'")
    if array.ndim != 1 if array.size == 0 else not _options.edgeitems:
        suffixes.append(f"size={tuple(array.shape)}")
    if dtype not in unnamed:
        suffixes.append(f"dtype={dtype}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    return _with_suffixes(prefix + elements_text(array, len(prefix), to_host), suffixes, len(prefix))


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    column = len(text) - text.rfind("\n") + 1  # torch's count, two more than the columns there are
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


def elements_text(array: Any, indent: int, to_host: Callable[[Any], np.ndarray]) -> str:
    if array.size == 0:
        return "[]"
    edge = _options.edgeitems
    shorten = array.size > _options.threshold
    if shorten and array.ndim and edge == 0:
        return "[...]"
    elided = [shorten and n > 2 * edge for n in array.shape]
    shown = _edges(array, elided, edge, to_host)
    cells, width = _cells(shown.reshape(-1))
    per_line = max(1, (_options.linewidth - indent - len(elided) + 1) // (width + 2))
    return _nested(cells, shown.shape, elided, edge, indent, per_line)


def _edges(
    array: Any, elided: list[bool], edge: int, to_host: Callable[[Any], np.ndarray], axis: int = 0
) -> np.ndarray:
    """What is shown of an array, cut out where it lies and joined on the host."""
    if axis == len(elided):
        return np.asarray(to_host(array))
    if not elided[axis]:
        return _edges(array, elided, edge, to_host, axis + 1)
    before = (slice(None),) * axis
    ends = array[(*before, slice(None, edge))], array[(*before, slice(array.shape[axis] - edge, None))]
    return np.concatenate([_edges(end, elided, edge, to_host, axis + 1) for end in ends], axis)


def _cells(values: np.ndarray) -> tuple[list[str], int]:
    """The text of each number, and the width by which lines are broken."""
    if values.dtype.kind != "c":
        return _real_cells(values)
    reals, real_width = _real_cells(values.real)
    imags, imag_width = _real_cells(values.imag)
    signed = (imag.lstrip() for imag in imags)
    return [
        f"{real}{'' if imag[0] in '+-' else '+'}{imag}j" for real, imag in zip(reals, signed)
    ], real_width + imag_width + 1


def _real_cells(values: np.ndarray) -> tuple[list[str], int]:
    if values.dtype.kind in "biu":
        texts = [str(value) for value in values.tolist()]
        width = max(map(len, texts))
    else:
        with np.errstate(invalid="ignore"):  # a signalling NaN
            wide = values.astype(np.float64)
        # Only these decide on the form and the width: zeros, infinities and NaN are fitted in.
        deciding = np.isfinite(wide) & (wide != 0)
        spec, point = _form(np.abs(wide[deciding]))
        texts = [format(value, spec) + (point if isfinite(value) else "") for value in wide.tolist()]
        width = max((len(texts[i]) for i in np.flatnonzero(deciding)), default=1)
    return [text.rjust(width) for text in texts], width


def _form(magnitudes: np.ndarray) -> tuple[str, str]:
    """The format in which these print, and what follows a finite number."""
    if magnitudes.size == 0:
        return ".0f", "."
    low, high = float(magnitudes.min()), float(magnitudes.max())
    scientific = _options.sci_mode
    if scientific is None:
        scientific = high / low > 1000 or high > 1e8 or low < 1e-4
    if scientific:
        return f".{_options.precision}e", ""
    if bool((magnitudes == np.ceil(magnitudes)).all()):
        return ".0f", "."
    return f".{_options.precision}f", ""


def _nested(cells: list[str], shape: tuple[int, ...], elided: list[bool], edge: int, indent: int, per_line: int) -> str:
    if not shape:
        return cells[0]
    if len(shape) == 1:
        if elided[0]:
            cells = [*cells[:edge], " ...", *cells[edge:]]
        parts = [", ".join(cells[i : i + per_line]) for i in range(0, len(cells), per_line)]
    else:
        step = len(cells) // shape[0]
        parts = [
            _nested(cells[i : i + step], shape[1:], elided[1:], edge, indent + 1, per_line)
            for i in range(0, len(cells), step)
        ]
        if elided[0]:
            parts.insert(edge, "...")
    newlines = "\n" * max(1, len(shape) - 1)
    return "[" + f",{newlines}{' ' * (indent + 1)}".join(parts) + "]"
