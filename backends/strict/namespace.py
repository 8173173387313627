"""`StrictNamespace`: the names of CuPy's namespaces, and no others, over strict arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.backends.strict.array import NAMES
from tapegrad.backends.strict.calls import NOT_OFFERED, OVERRIDES, Signature, call, operand, quiet
from tapegrad.backends.strict.transfers import HOST_TO_DEVICE, note


class StrictNamespace:
    """A namespace of CuPy's, filled in as its names are used."""

    def __init__(self, cls: Any, path: str = "") -> None:
        self._cls = cls
        self._path = path
        self._kinds: dict[str, str] = NAMES["namespaces"].get(path, {})
        self.__name__ = ".".join(filter(None, ["strict", path]))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._make(name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted(self._kinds)

    def __repr__(self) -> str:
        return f"<namespace '{self.__name__}'>"

    def _make(self, name: str) -> Any:
        cls, path = self._cls, self._path
        full = ".".join(filter(None, [path, name]))
        if any(known == full or known.startswith(full + ".") for known in NAMES["namespaces"]):
            return StrictNamespace(cls, full)
        kind, _, rest = self._kinds.get(name, "").partition(" ")
        if not kind:
            raise AttributeError(f"CuPy {NAMES['cupy']} has no {full}, so neither has the strict device")
        if (path, name) in _OWN:
            return functools.partial(_OWN[path, name], cls)
        if (path, name) == ("", "ndarray"):
            return cls
        function = OVERRIDES.get((path, name)) or getattr(
            functools.reduce(getattr, filter(None, path.split(".")), np), name, None
        )
        if kind == "numpy's":
            return function
        if kind not in ("ufunc", "def") or function is None or name in NOT_OFFERED:
            raise AttributeError(f"the strict device does not offer {full}, though CuPy has it")
        if kind == "ufunc":
            return StrictUfunc(cls, name, rest, function)
        return _function(cls, Signature(name, rest, function, loops="E" if path else NAMES["loops"].get(name, "E")))


def _function(cls: Any, signature: Signature) -> Callable[..., Any]:
    def strict(*args: Any, **kwargs: Any) -> Any:
        return call(cls, signature, args, kwargs)

    strict.__name__ = strict.__qualname__ = signature.name
    return strict


class StrictUfunc:
    """A universal function with CuPy's arguments, loops and methods."""

    def __init__(self, cls: Any, name: str, loops: str, function: Any) -> None:
        self.name = self.__name__ = name
        self.types = loops.split()
        inputs, _, outputs = self.types[0].partition("->")
        self.nin, self.nout = len(inputs), len(outputs)
        self.nargs = self.nin + self.nout
        self._cls = cls
        self._function = function
        # CuPy's has an `out`, some of NumPy's plain functions of these names have none, and none of those has an
        # `order`
        self._order = {"order": "C"} if isinstance(function, np.ufunc) else {}
        self._outputs: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def __repr__(self) -> str:
        return f"<ufunc 'cupy_{self.name}'>"

    @quiet
    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: Any = None) -> Any:
        cls = self._cls
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(
                f"Wrong number of arguments for '{self.name}'. It must be either {self.nin} or {self.nargs} (with "
                f"outputs), but given {len(args)}."
            )
        if len(args) > self.nin:
            args, out = args[: self.nin], args[self.nin] if self.nout == 1 else args[self.nin :]
        raw = [operand(cls, value) for value in args]
        dtypes = self._loop(raw) if dtype is None else ()
        options: dict[str, Any] = dict(self._order)
        if out is not None:
            targets = out if isinstance(out, tuple) else (out,)
            options["out"] = tuple(None if target is None else operand(cls, target) for target in targets)
            if len(targets) == 1:
                options["out"] = options["out"][0]
        else:
            targets = ()
        if dtype is not None:
            options["dtype"] = dtype
        if casting is not None:
            options["casting"] = casting
        result = self._function(*raw, **options)
        if targets:
            return cls._result(result, [target for target in targets if target is not None])
        parts = result if isinstance(result, tuple) else (result,)
        made = [
            cls._own(np.array(part, dtypes[i] if dtypes else None, copy=None, order="C"))
            for i, part in enumerate(parts)
        ]
        return made[0] if self.nout == 1 else tuple(made)

    def _loop(self, operands: list[Any]) -> tuple[Any, ...]:
        """Dtypes of the outputs of CuPy's first loop for arrays of these dtypes; none where a number takes part, whose
        weight NumPy decides.

        Raises:
            TypeError: CuPy has no loop for them.
        """
        key = tuple(value.dtype if isinstance(value, np.ndarray) else None for value in operands)
        found = self._outputs.get(key)
        if found is None:
            bfloat16 = next((known for known in key if known is not None and known.name == "bfloat16"), None)
            for loop in self.types:
                if all(known is None or _fits(known, loop[i], bfloat16) for i, known in enumerate(key)):
                    break
            else:
                raise TypeError(f"Wrong type ({key}) of arguments for cupy_{self.name}")
            outputs = tuple(bfloat16 if letter == "E" else np.dtype(letter) for letter in loop.partition("->")[2])
            found = self._outputs[key] = () if None in key else outputs
        return found

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        """In place and unbuffered, for the functions and dtypes that CuPy has atomics for."""
        if self.name not in _ATOMIC:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        if a.dtype.name not in _ATOMIC[self.name]:
            raise TypeError(f"scatter_{self.name} only supports {', '.join(_ATOMIC[self.name])}, as data type")
        target = operand(self._cls, a)
        key, _ = a._key(indices, "an index")
        if not isinstance(b, self._cls):
            note(HOST_TO_DEVICE, f"{self.name}.at() with a {type(b).__name__}")
        quiet(self._function.at)(target, key, operand(self._cls, b))

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._method(
            "reduce", {"add": "sum", "multiply": "prod"}, array, axis=axis, dtype=dtype, out=out, keepdims=keepdims
        )

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        return self._method(
            "accumulate", {"add": "cumsum", "multiply": "cumprod"}, array, axis=axis, dtype=dtype, out=out
        )

    def outer(self, a: Any, b: Any, **kwargs: Any) -> Any:
        return self(a.reshape(a.shape + (1,) * b.ndim), b, **kwargs)

    def _method(self, name: str, methods: dict[str, str], array: Any, **kwargs: Any) -> Any:
        if self.name not in methods:
            raise NotImplementedError(f"`{self.name}.{name}` is not supported yet")
        operand(self._cls, array)
        return getattr(array, methods[self.name])(**kwargs)


#: dtypes of `ufunc.at`: https://github.com/cupy/cupy/blob/v14.2.0/cupy/_core/_routines_indexing.pyx
_NUMBERS = ("int32", "float32", "float64", "uint32", "uint64")
_ATOMIC = {"add": (*_NUMBERS, "int64", "float16"), "maximum": _NUMBERS, "minimum": _NUMBERS}


def _fits(dtype: np.dtype, letter: str, bfloat16: np.dtype | None) -> bool:
    """Whether CuPy casts `dtype` for a loop; E is its letter for bfloat16, tried where an operand has it."""
    if letter == "E":
        return bfloat16 is not None and np.can_cast(dtype, bfloat16)
    return np.can_cast(dtype, letter)


def _array(cls: Any, value: Any, dtype: Any = None, copy: bool | None = None, order: Any = "K", ndmin: int = 0) -> Any:
    """An array of the device from anything; from host data this is a copy to the device."""
    used: list[Any] = []
    host = _host(cls, value, used)
    if not used:
        note(HOST_TO_DEVICE, f"making an array of a {type(value).__name__}", np.asarray(host, dtype).nbytes)
    if value.__class__ is cls:
        result = np.array(host, dtype, copy=copy, order=order, ndmin=ndmin)
        return cls._result(result, [value], "K")
    result = np.array(host, dtype, copy=True, order=order, ndmin=ndmin)
    return cls._own(result if result.base is None else result.copy())


def _host(cls: Any, value: Any, used: list[Any]) -> Any:
    if value.__class__ is cls:
        used.append(value)
        return operand(cls, value)
    if isinstance(value, (list, tuple)):
        return [_host(cls, item, used) for item in value]
    if hasattr(value, "_owner"):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _make_array(
    cls: Any,
    obj: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> Any:
    return _array(cls, obj, dtype, copy or None, order, ndmin)


def _asarray(
    cls: Any, a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, blocking: bool = False
) -> Any:
    return _array(cls, a, dtype, copy, order or "K")


def _ascontiguousarray(cls: Any, a: Any, dtype: Any = None) -> Any:
    return _array(cls, a, dtype, None, "C", ndmin=1)


def _asfortranarray(cls: Any, a: Any, dtype: Any = None) -> Any:
    return _array(cls, a, dtype, None, "F", ndmin=1)


def _frombuffer(cls: Any, *args: Any, **kwargs: Any) -> Any:
    return _array(cls, np.frombuffer(*args, **kwargs))


def _asnumpy(
    cls: Any, a: Any, stream: Any = None, order: Any = "C", out: Any = None, *, blocking: bool = True
) -> np.ndarray:
    return a.get(stream, order, out, blocking) if isinstance(a, cls) else np.asarray(a, order=order)


def _as_strided(cls: Any, x: Any, shape: Any = None, strides: Any = None) -> Any:
    operand(cls, x)
    return x._view(strided(x, x.shape if shape is None else shape, x.strides if strides is None else strides))


def strided(array: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> np.ndarray:
    """A view of a strict array's memory; NumPy checks that it stays inside."""
    owner = (array if array._owner is None else array._owner)._array
    start = array._array.__array_interface__["data"][0] - owner.__array_interface__["data"][0] + offset
    buffer = owner if owner.flags.c_contiguous else owner.T
    return np.ndarray(shape, array.dtype, buffer, start, strides)


_OWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("", "array"): _make_array,
    ("", "asarray"): _asarray,
    ("", "asanyarray"): _asarray,
    ("", "ascontiguousarray"): _ascontiguousarray,
    ("", "asfortranarray"): _asfortranarray,
    ("", "frombuffer"): _frombuffer,
    ("", "asnumpy"): _asnumpy,
    ("lib.stride_tricks", "as_strided"): _as_strided,
}
