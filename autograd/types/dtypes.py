"""The dtypes: torch's names and attributes, equal to NumPy's dtypes, which is what everything inside works with."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

BOOL, INT, FLOAT, COMPLEX = range(4)  # the categories, in the order in which promotion climbs them


class dtype:
    """The type of a tensor's elements; each exists once, prints as PyTorch's, and equals (and hashes as) the NumPy
    dtype.

    Attributes:
        name: NumPy's name, such as ``"float32"``.
        scalar_type: the name in PyTorch's error messages, such as ``"Float"``.
        category: ``BOOL``, ``INT``, ``FLOAT`` or ``COMPLEX``.
        numpy: the ``numpy.dtype``.
        is_floating_point, is_complex, is_signed, itemsize: as in PyTorch.

    Example:
        >>> from tapegrad.autograd.types.dtypes import float32
        >>> float32, float32.itemsize, float32 == np.dtype("float32")
        (torch.float32, 4, True)
    """

    __slots__ = ("category", "is_complex", "is_floating_point", "is_signed", "itemsize", "name", "numpy", "scalar_type")

    name: str
    scalar_type: str
    category: builtins.int
    itemsize: builtins.int
    is_floating_point: builtins.bool
    is_complex: builtins.bool
    is_signed: builtins.bool
    numpy: np.dtype

    def __new__(cls, *args: Any, **kwargs: Any) -> dtype:
        raise TypeError("cannot create 'torch.dtype' instances")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Reached only while a slot is empty: bfloat16's `numpy`, before its first use.
            if name == "numpy" and self.name == "bfloat16":
                return _load_bfloat16()
            raise AttributeError(f"'torch.dtype' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"'torch.dtype' object attribute '{name}' is read-only")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"'torch.dtype' object attribute '{name}' is read-only")

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __eq__(self, other: object) -> builtins.bool:
        if self is other:
            return True
        if isinstance(other, np.dtype):
            # Not `self.numpy == other`: to ask whether something is bfloat16 must not load it.
            found = _BY_NUMPY.get(other)
            return found is self if found is not None else self is bfloat16 and _is_bfloat16(other)
        if isinstance(other, type) and issubclass(other, np.generic):
            return self.name == other.__name__
        return NotImplemented

    def __hash__(self) -> builtins.int:
        return hash(self.numpy)

    def __reduce__(self) -> tuple[Callable[[str], dtype], tuple[str]]:
        return _named, (self.name,)

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: Any) -> dtype:
        return self

    def to_complex(self) -> dtype:
        """The complex dtype of this precision; complex64 for the half types, since there is no smaller one.

        Raises:
            RuntimeError: for an integer or boolean dtype.
        """
        if self.is_complex:
            return self
        if not self.is_floating_point:
            raise RuntimeError(f"Unknown Complex ScalarType for {self.scalar_type}")
        return complex128 if self is float64 else complex64

    def to_real(self) -> dtype:
        """The dtype of the real part; a dtype that is not complex is its own."""
        if not self.is_complex:
            return self
        return float64 if self is complex128 else float32


_NAMED: dict[str, dtype] = {}


def _named(name: str) -> dtype:
    return _NAMED[name]


def _is_bfloat16(numpy: np.dtype) -> builtins.bool:
    return numpy.kind == "V" and numpy.name == "bfloat16" and numpy == bfloat16.numpy


class _ByNumpy(dict[np.dtype, dtype]):
    """NumPy dtype -> dtype; what is not in it yet is looked at once."""

    def __missing__(self, key: np.dtype) -> dtype:
        key = np.dtype(key)
        if not key.isnative:
            raise ValueError(
                "given numpy array has byte order different from the native byte order. Conversion between byte "
                "orders is currently not supported."
            )
        if _is_bfloat16(key):
            return bfloat16
        raise TypeError(
            f"can't convert np.ndarray of type {key.type.__module__}.{key.type.__qualname__}. The only supported "
            "types are: float64, float32, float16, "
            "complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
        )


_BY_NUMPY: Final = _ByNumpy()

of: Final[Callable[[np.dtype], dtype]] = _BY_NUMPY.__getitem__
"""The dtype of a NumPy dtype: a dictionary's own look-up, because every ``tensor.dtype`` goes through it."""

INEXACT: Final[set[np.dtype]] = set()
"""The floating-point and complex dtypes, without bfloat16 until its NumPy dtype has been met. For the wrappers of ops
only: they can afford a look into a set, and what is not in it takes the slow path, which asks :func:`is_inexact`."""


def is_inexact(spec: np.dtype) -> builtins.bool:
    """Whether a NumPy dtype is floating point or complex, which is what can require a gradient.

    Example:
        >>> is_inexact(np.dtype("complex64")), is_inexact(np.dtype("int64"))
        (True, False)
    """
    # Anybody may have imported ml_dtypes, so an array of bfloat16 may come before tapegrad has looked for the dtype.
    return spec in INEXACT or _is_bfloat16(spec)


def canonical(array: Any) -> Any:
    """`array` with the dtype object that NumPy itself hands out: every array that a user brings comes through here.

    An unpickled array has a dtype object of its own, and long and long long are two dtypes where both have 64 bits.
    They are equal, but ops compare dtypes by `is`, and would take their slow paths for all that is computed from such
    an array.

    Returns:
        The array itself, or a view of it.

    Raises:
        TypeError: tensors cannot have its dtype.
        ValueError: its byte order is not the machine's.
    """
    dtype = of(array.dtype).numpy
    return array if array.dtype is dtype else array.view(dtype)


def _enter(self: dtype, numpy: np.dtype) -> None:
    object.__setattr__(self, "numpy", numpy)
    _BY_NUMPY[numpy] = self
    if self.category >= FLOAT:
        INEXACT.add(numpy)


def _make(name: str, scalar_type: str, category: builtins.int, itemsize: builtins.int) -> dtype:
    self: dtype = object.__new__(dtype)
    write = object.__setattr__
    write(self, "name", name)
    write(self, "scalar_type", scalar_type)
    write(self, "category", category)
    write(self, "itemsize", itemsize)
    write(self, "is_floating_point", category == FLOAT)
    write(self, "is_complex", category == COMPLEX)
    write(self, "is_signed", category != BOOL and name[0] != "u")
    if name != "bfloat16":
        _enter(self, np.dtype(name))
    _NAMED[name] = self
    return self


def _load_bfloat16() -> np.dtype:
    import ml_dtypes

    numpy: np.dtype = np.dtype(ml_dtypes.bfloat16)
    _enter(bfloat16, numpy)
    return numpy


float16 = _make("float16", "Half", FLOAT, 2)
bfloat16 = _make("bfloat16", "BFloat16", FLOAT, 2)
float32 = _make("float32", "Float", FLOAT, 4)
float64 = _make("float64", "Double", FLOAT, 8)
complex64 = _make("complex64", "ComplexFloat", COMPLEX, 8)
complex128 = _make("complex128", "ComplexDouble", COMPLEX, 16)
uint8 = _make("uint8", "Byte", INT, 1)
uint16 = _make("uint16", "UInt16", INT, 2)
uint32 = _make("uint32", "UInt32", INT, 4)
uint64 = _make("uint64", "UInt64", INT, 8)
int8 = _make("int8", "Char", INT, 1)
int16 = _make("int16", "Short", INT, 2)
int32 = _make("int32", "Int", INT, 4)
int64 = _make("int64", "Long", INT, 8)
bool_ = _make("bool", "Bool", BOOL, 1)

_OF_PYTHON: dict[type, dtype] = {
    builtins.bool: bool_,
    builtins.int: int64,
    builtins.float: float64,
    builtins.complex: complex128,
}

_default: dtype = float32


def get_default_dtype() -> dtype:
    """The dtype that Python floats become, float32 unless :func:`set_default_dtype` said otherwise.

    Example:
        >>> tapegrad.get_default_dtype()
        torch.float32
    """
    return _default


def set_default_dtype(d: Any, /) -> None:
    """Make `d` the dtype that Python floats become, in every thread; complex numbers become the complex dtype of its
    precision.

    Raises:
        TypeError: `d` is no floating-point dtype.

    Example:
        >>> tapegrad.set_default_dtype(tapegrad.float64)
        >>> tapegrad.get_default_dtype()
        torch.float64
        >>> tapegrad.set_default_dtype(tapegrad.float32)
    """
    global _default
    try:
        chosen = as_dtype(d)
    except TypeError as error:
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type") from error
    if not chosen.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default = chosen


def default_float() -> np.dtype:
    """The default dtype as NumPy's."""
    return _default.numpy


def default_complex() -> np.dtype:
    """The complex dtype of the default dtype's precision, as NumPy's."""
    return _default.to_complex().numpy


def numpy_dtype(spec: Any) -> np.dtype:
    """The NumPy dtype that `spec` means.

    Args:
        spec: a dtype of ours or NumPy's, a NumPy scalar type, ``float``, ``int``, ``bool`` or ``complex`` (float64,
            int64, bool and complex128, as in NumPy), or a name such as ``"float32"``.

    Raises:
        TypeError: if it means none, or one that tensors cannot have.

    Example:
        >>> numpy_dtype(int16), numpy_dtype("int16"), numpy_dtype(np.int16)
        (dtype('int16'), dtype('int16'), dtype('int16'))
    """
    if spec.__class__ is dtype:
        return spec.numpy
    if isinstance(spec, np.dtype):
        return of(spec).numpy
    if isinstance(spec, type):
        if spec in _OF_PYTHON:
            return _OF_PYTHON[spec].numpy
        if issubclass(spec, np.generic):
            if spec.__name__ in _NAMED:
                return _NAMED[spec.__name__].numpy
            # not an abstract type such as np.floating, which older NumPy takes for float64
            if spec in np.sctypeDict.values():
                return of(np.dtype(spec)).numpy
    elif isinstance(spec, str) and spec in _NAMED:
        return _NAMED[spec].numpy
    raise TypeError(
        "dtype must be a dtype, a NumPy dtype or scalar type, one of float, int, bool, complex, or a name such as "
        "'float32', not " + (repr(spec) if isinstance(spec, (str, type)) else type(spec).__name__)
    )


def as_dtype(spec: Any) -> dtype:
    """The dtype that `spec` means; takes what :func:`numpy_dtype` takes."""
    return spec if spec.__class__ is dtype else of(numpy_dtype(spec))


def category(spec: np.dtype) -> builtins.int:
    """``BOOL``, ``INT``, ``FLOAT`` or ``COMPLEX``, of a NumPy dtype."""
    return of(spec).category


def can_cast(from_: Any, to: Any) -> builtins.bool:
    """Whether promotion lets a result of the first dtype be written to a tensor of the second: never down in category
    (bool, integer, float, complex).

    Example:
        >>> tapegrad.can_cast(tapegrad.float64, tapegrad.float32), tapegrad.can_cast(tapegrad.float32, tapegrad.int64)
        (True, False)
    """
    return as_dtype(from_).category <= as_dtype(to).category


# name: (bits of the fraction, greatest exponent, decimal digits that survive)
_FORMATS: Final = {"float16": (10, 15, 3), "bfloat16": (7, 127, 2), "float32": (23, 127, 6), "float64": (52, 1023, 15)}


class finfo:
    """The numerical properties of a floating-point dtype (of a complex one: of its parts).

    Args:
        type: the dtype; the default dtype if left out.

    Raises:
        TypeError: for an integer dtype or bool.

    Example:
        >>> tapegrad.finfo(tapegrad.float16).max
        65504.0
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: Any = None) -> None:
        real = _default if type is None else as_dtype(type).to_real()
        if not real.is_floating_point:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        fraction, exponent, digits = _FORMATS[real.name]
        self.bits: builtins.int = 8 * real.itemsize
        self.dtype: str = real.name
        self.eps: builtins.float = 2.0**-fraction
        self.max: builtins.float = (2.0 - self.eps) * 2.0**exponent
        self.min: builtins.float = -self.max
        self.resolution: builtins.float = builtins.float(f"1e-{digits}")
        self.smallest_normal: builtins.float = 2.0 ** (1 - exponent)
        self.tiny: builtins.float = self.smallest_normal

    def __repr__(self) -> str:
        values = ", ".join(
            f"{name}={getattr(self, name):g}" for name in ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        )
        return f"finfo({values}, dtype={self.dtype})"

    def __eq__(self, other: object) -> builtins.bool:
        return self.dtype == other.dtype if isinstance(other, finfo) else NotImplemented

    def __hash__(self) -> builtins.int:
        return hash(self.dtype)


class iinfo:
    """The range of an integer dtype.

    Args:
        type: the dtype.

    Raises:
        TypeError: for any other dtype, bool included.

    Example:
        >>> tapegrad.iinfo(tapegrad.int8)
        iinfo(min=-128, max=127, dtype=int8)
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: Any) -> None:
        d = as_dtype(type)
        if d is bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if d.category != INT:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        self.bits: builtins.int = 8 * d.itemsize
        self.dtype: str = d.name
        self.min: builtins.int = -(1 << self.bits - 1) if d.is_signed else 0
        self.max: builtins.int = self.min + (1 << self.bits) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> builtins.bool:
        return self.dtype == other.dtype if isinstance(other, iinfo) else NotImplemented

    def __hash__(self) -> builtins.int:
        return hash(self.dtype)


# Last, because they hide Python's names: torch's short ones.
half = float16
float = float32
double = float64
cfloat = complex64
cdouble = complex128
short = int16
int = int32
long = int64
bool = bool_
