"""How the strict device calls NumPy in CuPy's place: which arguments CuPy takes, which operands, and what it
returns.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.backends.strict import kernels as strict_kernels
from tapegrad.backends.strict.transfers import HOST_TO_DEVICE, SYNCHRONISATION, copy_out, note

#: what may be combined with an array: numbers of Python and of NumPy, never an array of the host
SCALARS = (bool, int, float, complex, np.generic)
#: CuPy warns of no overflow, division by zero or invalid value, so no operation may
quiet = np.errstate(all="ignore")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Facts from CuPy's sources that no signature tells.
#: functions that take a list of arrays first
LISTS = _words(
    "concatenate concat stack vstack hstack dstack column_stack row_stack einsum select choose lexsort histogramdd "
    "ravel_multi_index"
)
#: functions whose first argument is not an array
NO_ARRAY = _words("""
    arange bartlett base_repr binary_repr blackman can_cast diag_indices empty eye fftfreq full hamming hanning identity indices isscalar kaiser linspace
    logspace mask_indices ones rfftfreq tri tril_indices triu_indices zeros""")
#: parameters that take arrays and numbers only; a list there would be computed on the host
OPERANDS = _words("a b x y x1 x2 arr ar ar1 ar2 m v f array arys args xi condition a_min a_max element test_elements")
#: parameters that the host has to know; an array there cannot stand for a number, it has no __index__
ON_HOST_PARAMETERS = _words("""
    M N ax axes axis axis1 axis2 ddof decimals destination dtype k keepdims kth n newshape ndmin num offset order pad_width repeats reps s shape source""")
#: results that CuPy gives as Python values because they are known on the host; every other number is an array of no
#: dimension
ON_HOST = _words("""
    base_repr binary_repr can_cast common_type format_float_positional format_float_scientific iscomplexobj isfortran isrealobj isscalar may_share_memory
    min_scalar_type ndim result_type shape shares_memory size""")
#: results that keep their operand's memory order
KEEPS_ORDER = _words(
    "asfortranarray astype copy empty empty_like flatten full full_like ones ones_like ravel require reshape zeros "
    "zeros_like"
)
#: functions that wait for the device: the shape of the result, or an error, depends on values
SYNCHRONISES = _words("""
    argwhere array2string array_repr array_str asarray_chkfinite bincount compress cond delete extract flatnonzero histogram2d histogramdd intersect1d
    mask_indices nanmax nanmin nonzero place real_if_close setdiff1d setxor1d sliding_window_view tril_indices tril_indices_from trim_zeros triu_indices
    triu_indices_from union1d unique unique_all unique_counts unique_inverse unique_values unravel_index""")
#: functions that copy numbers or tables to the device on the way
UPLOADS = _words("nan_to_num sliding_window_view lstsq")
#: functions that sort by Thrust, which knows no bfloat16:
#: https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/include/cupy/type_dispatcher.cuh
SORTS = _words("""
    argpartition argsort in1d intersect1d isin lexsort median nanmedian partition percentile quantile setdiff1d setxor1d sort union1d unique unique_all
    unique_counts unique_inverse unique_values""")
#: functions that read files or call back: CuPy has them, the strict device does not offer them
NOT_OFFERED = _words("""
    apply_along_axis apply_over_axes from_dlpack fromfile fromfunction fromiter fromstring genfromtxt load loadtxt piecewise save savetxt savez
    savez_compressed show_config vectorize""")


def operand(cls: Any, value: Any) -> Any:
    """The NumPy array or number behind an operand.

    Raises:
        TypeError: it is neither an array of this device nor a number.
        ValueError: it is on another device than the current one.
    """
    if value.__class__ is cls:
        memory = cls._memory
        if memory.devices > 1 and value._index != memory.current:
            raise ValueError(
                f"Array device must be same as the current device: array device = {value._index} while current = "
                f"{memory.current}"
            )
        return value._array
    if isinstance(value, SCALARS):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


class Signature:
    """NumPy's function for a name, the parameters that CuPy's function of that name has, and how many of them may be
    passed by position.

    Where NumPy and CuPy have the same name at different places, only the part before is positional. `loops` are those
    of CuPy's function, where they are known.
    """

    def __init__(
        self, name: str, parameters: str, function: Callable[..., Any], method: bool = False, loops: str = "E"
    ) -> None:
        self.name = name
        #: whether a result in bfloat16 is one in float32, for want of a loop
        self.widens = "E" not in loops or name in ("tril", "triu")  # those are made of `where`
        self.run = quiet(function)
        self.crosses = name in SYNCHRONISES | UPLOADS | LISTS | NO_ARRAY | _words(
            "average percentile put quantile take where"
        )
        words = parameters.split(", ") if parameters else []
        self.unknown = parameters == "?"
        self.any_keyword = self.unknown or words[-1:] == ["**kwargs"]
        if name == "einsum":
            words, self.any_keyword = ["*operands", "*", "dtype", "optimize"], False
        stars = [i for i, word in enumerate(words) if word.startswith("*")]
        self.positional = words[: stars[0]] if stars else words
        self.keywords = {word for word in words if not word.startswith("*")}
        #: the name of ``*args``, where there is one
        self.rest = words[stars[0]].lstrip("*") if stars and not words[stars[0]].startswith("**") else ""
        self.limit = sys.maxsize if self.unknown or self.rest else _agreeing(self.positional, function)
        self.lists = name in LISTS
        if self.positional and not method and not self.lists and name not in NO_ARRAY:
            self.positional[:1] = ["a"]  # whatever it is called, it is an operand

    def parameter(self, i: int) -> str:
        """Name of the parameter that the argument at position `i` is passed to."""
        return self.positional[i] if i < len(self.positional) else self.rest

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for key in kwargs:
            if key not in self.keywords and not self.any_keyword:
                raise TypeError(f"{self.name}() got an unexpected keyword argument '{key}': CuPy's has none")
        if len(args) > self.limit:
            if len(args) > len(self.positional):
                raise TypeError(
                    f"{self.name}() takes {len(self.positional)} positional arguments but {len(args)} were given: "
                    "CuPy's takes no more"
                )
            raise TypeError(
                f"{self.name}(): pass '{self.positional[self.limit]}' by keyword, it stands at different places in "
                "NumPy and CuPy"
            )


def _agreeing(names: list[str], function: Callable[..., Any]) -> int:
    """How many leading parameters mean the same in NumPy's `function`."""
    try:
        theirs = [
            p.name
            for p in inspect.signature(function).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except ValueError:  # some of NumPy's C functions do not tell
        return len(names)
    for i, (name, other) in enumerate(zip(names, theirs)):
        if name != other and (name in theirs or other in names):
            return i
    return len(names)


def call(cls: Any, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """NumPy's function on strict arrays, as CuPy's of the same name would do it."""
    name = signature.name
    if kwargs or len(args) > signature.limit:
        signature.check(args, kwargs)
    if signature.crosses:
        crossings(cls, name, args, kwargs)
    used: list[Any] = []
    raw = [_unwrap(cls, value, used, signature, signature.parameter(i)) for i, value in enumerate(args)]
    named = {key: _unwrap(cls, value, used, signature, key) for key, value in kwargs.items()}
    if name in SORTS and any(array.dtype.name == "bfloat16" for array in used):
        raise ValueError("Unsupported dtype (bfloat16)")
    result = signature.run(*raw, **named)
    if name in ON_HOST:
        return result
    if signature.widens and kwargs.get("out") is None and getattr(result, "dtype", np.dtype(bool)).name == "bfloat16":
        result = result.astype(np.float32)
    if isinstance(result, (bool, int, float, complex)):
        result = np.asarray(result)
    return cls._result(result, used, "K" if name in KEEPS_ORDER else "C")


def _unwrap(cls: Any, value: Any, used: list[Any], signature: Signature, parameter: str) -> Any:
    """`value` for NumPy; the arrays of the device in it are added to `used`."""
    if value.__class__ is cls:
        if parameter in ON_HOST_PARAMETERS:
            raise TypeError(
                f"{signature.name}(): '{cls.__name__}' object cannot be interpreted as an integer ('{parameter}')"
            )
        used.append(value)
        return operand(cls, value)
    if isinstance(value, (tuple, list)):
        if signature.lists or parameter == "out":
            return type(value)(_unwrap(cls, item, used, signature, "") for item in value)
        if any(item.__class__ is cls for item in value):
            raise TypeError(
                f"{signature.name}(): an array cannot stand in a {value.__class__.__name__} ('{parameter}')"
            )
    if isinstance(value, np.ndarray) or hasattr(value, "_owner"):
        raise TypeError(f"Unsupported type {type(value)}")
    if parameter in OPERANDS and value is not None and not signature.lists:
        return operand(cls, value)
    return value


def crossings(cls: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Count what CuPy's function copies or waits for."""
    if name in SYNCHRONISES:
        (copy_out if name.startswith("array") else _wait)(f"{name}()")
    elif name == "where" and len(args) == 1:
        _wait("where() without values")
    elif kwargs.get("mode", "raise" if name in ("choose", "ravel_multi_index") else None) == "raise":
        _wait(f"{name}(mode='raise')")
    elif name == "average" and (len(args) > 2 or kwargs.get("weights") is not None):
        _wait("average(weights)")
    elif (
        name in NO_ARRAY
        and name not in ("full", "linspace", "logspace")
        and any(value.__class__ is cls for value in args)
    ):
        copy_out(f"{name}() with a number on the device")
    if name in UPLOADS:
        note(HOST_TO_DEVICE, f"{name}()")
    elif name in ("percentile", "quantile") and not hasattr(args[1] if len(args) > 1 else kwargs.get("q"), "_owner"):
        note(HOST_TO_DEVICE, f"{name}() with q on the host")
    elif name in ("take", "put") and any(isinstance(value, (list, tuple)) for value in args[1:2]):
        note(HOST_TO_DEVICE, f"{name}() with a list of indices")
    elif name in LISTS and args and isinstance(args[0], (tuple, list)) and _one_kernel(cls, args[0]):
        # CuPy hands a table of pointers to one kernel:
        # https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/_routines_manipulation.pyx
        note(HOST_TO_DEVICE, f"{name}() of more than 8 small arrays")


def _wait(cause: str) -> None:
    note(SYNCHRONISATION, cause)


def _one_kernel(cls: Any, arrays: Any) -> bool:
    return (
        len(arrays) > 8
        and all(array.__class__ is cls for array in arrays)
        and len({array.dtype for array in arrays}) == 1
        and sum(array.nbytes for array in arrays) < 2 * 1024 * 1024 * len(arrays)
    )


# Functions whose behaviour differs.
def matmul(a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """CuPy's batched product has no kernel for bfloat16: https://github.com/cupy/cupy/issues/9630."""
    if max(np.ndim(a), np.ndim(b)) > 2 and "bfloat16" in (np.asarray(a).dtype.name, np.asarray(b).dtype.name):
        raise TypeError("data type 'E' not understood: CuPy multiplies no stacks of bfloat16 matrices")
    return np.matmul(a, b, *args, **kwargs)


def _wrapped(indices: Any, n: int) -> Any:
    """Indices brought into range: NumPy's own way takes as long as they are large."""
    return np.mod(indices, n) if n else indices


def _take(a: Any, indices: Any, axis: Any = None, out: Any = None) -> Any:
    return np.take(a, _wrapped(indices, a.size if axis is None else a.shape[axis]), axis, out, mode="wrap")


def _take_along_axis(a: Any, indices: Any, axis: Any = -1) -> Any:
    return np.take_along_axis(a, indices % (a.size if axis is None else a.shape[axis]), axis)


def _put(a: Any, ind: Any, v: Any, mode: Any = "wrap") -> None:
    np.put(a, _wrapped(ind, a.size) if mode == "wrap" else ind, v, mode)


def _astype(a: Any, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True) -> Any:
    if casting is not None or subok is not None:
        raise TypeError("casting/subok is not supported in cupy.ndarray.astype")
    return a.astype(dtype, order, copy=copy)


def _stable(function: Callable[..., Any]) -> Callable[..., Any]:
    """CuPy sorts stably whatever it is asked for, and takes no other `kind` than None and "stable"."""

    def sort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
        if kind not in (None, "stable"):
            raise ValueError("kind can only be None or 'stable'")
        return function(a, axis, kind="stable")

    return sort


def _silent(function: Callable[..., Any]) -> Callable[..., Any]:
    """CuPy looks at no error flag of a factorisation (that would wait): a matrix that has no result gives garbage, here
    nan.
    """

    def linalg(a: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(a, *args, **kwargs)
        except np.linalg.LinAlgError:
            if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
                raise
            rest = [np.broadcast_to(b, np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:]) for b in args]
            if a.ndim > 2:
                return np.stack([linalg(a[i], *(b[i] for b in rest), **kwargs) for i in range(a.shape[0])])
            return np.full_like(rest[0] if rest else a, np.nan, dtype=np.result_type(a, *rest, np.float32))

    return linalg


#: path of the namespace and name -> what stands for NumPy's function
OVERRIDES: dict[tuple[str, str], Callable[..., Any]] = {
    ("", "floor_divide"): strict_kernels.floor_divide,
    ("", "remainder"): strict_kernels.remainder,
    ("", "mod"): strict_kernels.remainder,
    ("", "fmod"): strict_kernels.fmod,
    ("", "power"): strict_kernels.power,
    ("", "pow"): strict_kernels.power,
    ("", "matmul"): matmul,
    ("", "take"): _take,
    ("", "take_along_axis"): _take_along_axis,
    ("", "put"): _put,
    ("", "sort"): _stable(np.sort),
    ("", "argsort"): _stable(np.argsort),
    ("linalg", "cholesky"): _silent(np.linalg.cholesky),
    ("linalg", "inv"): _silent(np.linalg.inv),
    ("linalg", "solve"): _silent(np.linalg.solve),
    ("ndarray", "take"): _take,
    ("ndarray", "put"): _put,
    ("ndarray", "ptp"): np.ptp,
    ("ndarray", "astype"): _astype,
    ("ndarray", "sort"): _stable(np.ndarray.sort),
    ("ndarray", "argsort"): _stable(np.ndarray.argsort),
}
