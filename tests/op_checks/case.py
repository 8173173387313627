"""`Case`: one sample of a row, on one device."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from op_table import AsIs, Row, Sample

import tapegrad
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.dispatch.decorator import OPS
from tapegrad.autograd.dispatch.plan import Each
from tapegrad.autograd.types import dtypes
from tapegrad.backends import Device, backend_for

Path = tuple[int | str, ...]


def function_of(name: str) -> Callable[..., Any]:
    """The public function that a row's name stands for."""
    if name in OPS:
        return OPS[name]
    return reduce(getattr, name.split("."), tapegrad)  # type: ignore[arg-type, return-value]


def mapped(
    sample: Sample, on_array: Callable[[Path, np.ndarray], Any], on_dtype: Callable[[Any], Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The sample's arguments, with what the functions make of each array and each dtype in its place."""
    args = [_visited((i,), arg, on_array, on_dtype) for i, arg in enumerate(sample.args)]
    return args, {name: _visited((name,), arg, on_array, on_dtype) for name, arg in sample.kwargs.items()}


def _visited(
    path: Path, value: Any, on_array: Callable[[Path, np.ndarray], Any], on_dtype: Callable[[Any], Any]
) -> Any:
    if isinstance(value, np.ndarray):
        return on_array(path, value)
    if isinstance(value, AsIs):
        return value.value
    if isinstance(value, (dtypes.dtype, np.dtype)):
        return on_dtype(value)
    if value.__class__ in (list, tuple):
        return value.__class__([_visited((*path, i), item, on_array, on_dtype) for i, item in enumerate(value)])
    return value


def flat(result: Any) -> list[Any]:
    """The results of a call in one list."""
    if isinstance(result, (tuple, list)) and not isinstance(result, tapegrad.Size):
        return [part for item in result for part in flat(item)]
    return [result]


def inexact(array: Any) -> bool:
    return dtypes.is_inexact(array.dtype)


def numpy_dtype(dtype: Any) -> np.dtype:
    return dtype.numpy if isinstance(dtype, dtypes.dtype) else dtype


def assert_close(got: np.ndarray, want: np.ndarray, tolerance: float, what: str) -> None:
    """Equal shapes, and values equal up to `tolerance` times the largest; NaN and infinities stand at the same
    places.
    """
    want = np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if got.dtype == want.dtype and np.array_equal(got, want):
        return
    if not (inexact(got) or want.dtype.kind in "fc"):
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    got, want = wide(got), wide(want)
    finite = np.abs(want[np.isfinite(want)])
    np.testing.assert_allclose(
        got, want, rtol=tolerance, atol=tolerance * min(float(finite.max(initial=0.0)) or 1.0, 1e300), err_msg=what
    )


def wide(array: np.ndarray) -> np.ndarray:
    """`array` in double precision."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


class Case:
    """One sample of a row, on one device.

    Attributes:
        arrays: the sample's arrays, in order, on the host.
        paths: where each stands: (position or keyword, position in a list ...).
        wanted: the numbers of those through which gradients should flow.
    """

    def __init__(self, row: Row, sample: Sample, device: str) -> None:
        self.row = row
        self.sample = sample
        self.function = function_of(row.name)
        self.op = getattr(self.function, "op", None)
        self.device = Device(device)
        self.backend = backend_for(self.device)
        self.arrays: list[np.ndarray] = []
        self.paths: list[Path] = []
        mapped(sample, self._note, lambda dtype: dtype)
        self.wanted = [
            i
            for i, (array, path) in enumerate(zip(self.arrays, self.paths))
            if row.grad and inexact(array) and path[0] not in row.constant
        ]

    def _note(self, path: Path, array: np.ndarray) -> None:
        self.arrays.append(array)
        self.paths.append(path)

    def __str__(self) -> str:
        def described(path: Path, array: np.ndarray) -> Any:
            return _Text(f"{array.dtype}{list(array.shape)}")

        args, kwargs = mapped(self.sample, described, str)
        return f"{self.row.name}({', '.join([*map(repr, args), *(f'{k}={v!r}' for k, v in kwargs.items())])})"

    def with_arrays(self, arrays: Sequence[np.ndarray]) -> Case:
        """The same call with other values."""
        rest = iter(arrays)
        args, kwargs = mapped(self.sample, lambda path, array: next(rest), lambda dtype: dtype)
        as_is = iter([a for a in (*self.sample.args, *self.sample.kwargs.values()) if isinstance(a, AsIs)])
        assert next(as_is, None) is None, "samples with AsIs arguments have no other values"
        return Case(self.row, Sample(tuple(args), kwargs), str(self.device))

    # ---- to and from the device

    def put(self, array: np.ndarray) -> Any:
        """A copy of `array` on the device."""
        return self.backend.from_host(array.copy(), self.device)

    def host(self, value: Any) -> np.ndarray:
        """A result's values on the host."""
        array = value._array if isinstance(value, Tensor) else value
        return (
            np.array(self.backend.to_host(array)) if array.__class__ is self.backend.array_type else np.asarray(array)
        )

    def hosts(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [self.host(value) for value in values]

    # ---- calls

    def operands(
        self, arrays: Sequence[np.ndarray] | None = None, require: Sequence[int] | None = None
    ) -> list[Tensor]:
        """Leaves on the device; those numbered in `require` (None: all wanted) require grad."""
        leaves = [from_array(self.put(array)) for array in (self.arrays if arrays is None else arrays)]
        for i in self.wanted if require is None else require:
            leaves[i].requires_grad_()
        return leaves

    def call(self, operands: Sequence[Any]) -> Any:
        """The op's result with `operands` in the arrays' places."""
        return self.call_with(self.function, operands)

    def call_with(
        self, function: Callable[..., Any], operands: Sequence[Any], more: dict[str, Any] | None = None
    ) -> Any:
        """What `function` makes of the arguments, and of further keywords."""
        rest = iter(operands)
        args, kwargs = mapped(self.sample, lambda path, array: next(rest), lambda dtype: dtype)
        if self.row.factory:
            kwargs["device"] = self.device
        return function(*args, **kwargs, **(more or {}))

    def results(self, operands: Sequence[Any]) -> list[Any]:
        return flat(self.call(operands))

    def reference(self, arrays: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
        """What NumPy says."""
        rest = iter(self.arrays if arrays is None else arrays)
        args, kwargs = mapped(self.sample, lambda path, array: next(rest).copy(), numpy_dtype)
        with np.errstate(all="ignore"):
            return [np.asarray(part) for part in flat(self.row.reference(*args, **kwargs))]

    # ---- what the op says of itself

    def name_of(self, i: int) -> str:
        """The op's name for the operand of array number `i`."""
        first = self.paths[i][0]
        return first if isinstance(first, str) else list(inspect.signature(self.op.fn).parameters)[first]

    def asked(self, require: Sequence[int]) -> set[str]:
        """What the op's rules read when gradients flow to the arrays numbered in `require`."""
        op = self.op
        if op.joint is not None:
            return set(list(inspect.signature(op.joint).parameters)[2:])
        rules = [op.rules[name] for name in {self.name_of(i) for i in require}]
        rules = [rule.rule if isinstance(rule, Each) else rule for rule in rules if rule is not None]
        return {name for rule in rules for name in list(inspect.signature(rule).parameters)[1:]}

    def shares(self, result: Tensor, operand: Tensor) -> bool:
        """Whether a result shares memory with an operand."""
        return bool(result._array.size) and np.shares_memory(_span(result._array), _span(operand._array))


def _span(array: Any) -> np.ndarray:
    """An array over the same addresses that NumPy can look at, without touching them."""
    raw = getattr(array, "_array", array)
    if isinstance(raw, np.ndarray):
        return raw
    interface = array.__cuda_array_interface__
    return np.asarray(_Addresses(interface))


class _Addresses:
    def __init__(self, interface: dict[str, Any]) -> None:
        self.__array_interface__ = {
            "shape": interface["shape"],
            "typestr": interface["typestr"],
            "data": interface["data"],
            "strides": interface["strides"],
            "version": 3,
        }


class _Text(str):
    __slots__ = ()
    __repr__ = str.__str__
