"""The slow paths of an op: what its generated source calls where a call is out of the ordinary.

In the order in which the source comes to them (`tapegrad.autograd.dispatch.codegen` shows it whole):

- `refuse_non_tensors`: no operand is a tensor, and none is an array.
- `to_float`: the one operand of an op on floats is an integer tensor.
- `constant`: the second of two operands is a Python number, the first a NumPy array of floats.
- `promote_operands`, `check_same_dtype`, `to_one_device`: operands differ in dtype or array type. Which of the three
  is called, the op's ``operands=`` says.
- `raise_shape_mismatch`: the array library has refused to broadcast.
- `mark_view`: the op may return a view of its first operand.
- `wrap_results`: the op has several results.
- `raise_not_a_tensor`: `core` has returned NotImplemented, and no operator but the user has called it.
- `sum_to`, in backward: operands were broadcast.
- `kept_result`, in backward with ``create_graph``: a rule reads a result.
"""

from __future__ import annotations

from functools import lru_cache
from inspect import isfunction
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tapegrad.autograd.core.node import kept_slots, make_slot
from tapegrad.autograd.core.tensor import Tensor, from_array, raw, requires_grad
from tapegrad.autograd.core.version import counter_of
from tapegrad.autograd.core.view import make_view
from tapegrad.autograd.dispatch.codegen import GLOBALS
from tapegrad.autograd.dispatch.primitives import cast, scalar_on
from tapegrad.autograd.types import dtypes, promotion
from tapegrad.autograd.types.return_types import return_type
from tapegrad.autograd.types.type_names import type_name
from tapegrad.backends import ARRAYS, backend, is_array

if TYPE_CHECKING:
    from tapegrad.autograd.dispatch.decorator import Op

NUMBERS = (bool, int, float, complex, np.generic)
_OPERANDS = (Tensor, *NUMBERS)


# ---- what is no operand


def _is_operand(value: Any) -> bool:
    return isinstance(value, _OPERANDS) or is_array(value)


def _refuse(op: Op, operand: Any, position: int) -> NoReturn:
    names = list(op.rules)
    name = names[min(position, len(names) - 1)]
    where = f"argument '{name}' (position {position + 1})"
    raise TypeError(f"{op.name}(): {where} must be Tensor, not {type_name(operand)}")


def raise_not_a_tensor(op: Op, *operands: Any) -> NoReturn:
    """Raise torch's error for the first of `operands` that cannot be one."""
    for i, operand in enumerate(operands):
        if not _is_operand(operand):
            _refuse(op, operand, i)
    raise AssertionError("every operand can be one")


def refuse_non_tensors(op: Op, args: tuple[Any, ...]) -> None:
    """Raise for an op called without any tensor or NumPy scalar, and for what is no tensor in a list."""
    first = args[0]
    if isinstance(first, (list, tuple)):
        if not first:
            raise RuntimeError(f"{op.name}(): expected a non-empty list of Tensors")
        for i, operand in enumerate(first):
            if not isinstance(operand, Tensor) and not is_array(operand):
                raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type_name(operand)}")
    elif not any(is_array(operand) for operand in args):
        _refuse(op, first, 0)


# ---- dtypes and devices


@lru_cache(4096)
def _constant(value: float, dtype: np.dtype) -> np.ndarray:
    array = np.array(value, dtype)
    array.flags.writeable = False
    return array


def constant(value: float, dtype: np.dtype) -> np.ndarray:
    """A number as a read-only 0-d array, made once; zero anew each time, since 0.0 and -0.0 are one key."""
    return _constant(value, dtype) if value else np.array(value, dtype)


def to_float(operand: Tensor) -> Tensor:
    """Integers and bool in the default dtype; anything else as it is."""
    array = operand._array
    dtype = promotion.float_dtype(array.dtype)
    return operand if dtype is array.dtype else from_array(array.astype(dtype))


def promote_operands(op: Op, *operands: Any) -> list[Any] | None:
    """Bring operands to one device and torch's result type; None where one of two is no operand at all.

    Tensors stay tensors (a cast of one that requires grad is recorded); numbers become what the backend takes with an
    array of the result's dtype.
    """
    binary = len(operands) == 2
    for i, operand in enumerate(operands):
        if _is_operand(operand) or (operand is None and not binary):
            continue
        if binary:
            return None
        _refuse(op, operand, i)
    operands = tuple(to_one_device(op, *operands))
    first: Any = None
    kinds = []
    for operand in operands:
        array = raw(operand)
        if array is None:
            continue
        if isinstance(operand, Tensor) or (is_array(array) and not isinstance(array, np.generic)):
            first = array if first is None else first
            kinds.append((array.dtype, promotion.DIMENSIONED if array.ndim else promotion.ZERO_DIM))
        else:
            kinds.append((promotion.number_dtype(array), promotion.NUMBER))
    dtype = promotion.result_type(kinds)
    if op.operands == "float":
        dtype = promotion.float_dtype(dtype)
    return [_converted(operand, dtype, first) for operand in operands]


def _converted(operand: Any, dtype: np.dtype, array: Any) -> Any:
    """`operand` in `dtype`; a number as what goes with `array`."""
    if operand is None:
        return None
    if isinstance(operand, Tensor):
        if operand._array.dtype is dtype:
            return operand
        return to_dtype(operand, dtype) if requires_grad(operand) else from_array(operand._array.astype(dtype))
    if not isinstance(operand, NUMBERS):
        return operand.astype(dtype, copy=False)
    # In the result's dtype at once: 0.1 with a float64 tensor must not pass through float32, nor 300 raise with a uint8
    # one, where torch wraps.
    if array.__class__ is np.ndarray:
        if dtype.kind in "iu" and not isinstance(operand, np.generic):
            return np.array(operand).astype(dtype)
        return np.array(operand, dtype)
    if dtype.kind == "V":
        # NumPy widens bfloat16 with a Python number, so a 0-d array of the dtype takes the number's place.
        return backend(array).xp.full((), operand, dtype)
    return operand if dtype.kind != "b" else bool(operand)


def _device_type(array: Any) -> str:
    return backend(array).type  # for a batched tensor's array that of what it stands for


def to_one_device(op: Op, *operands: Any) -> list[Any]:
    """Raise unless all arrays live on one device; a 0-d CPU tensor goes to another device's, as in torch."""
    home: Any = None
    stray: Any = None
    for operand in operands:
        array = raw(operand)
        if array is None or isinstance(array, NUMBERS):
            continue
        if home is None or (home.ndim == 0 and _device_type(home) == "cpu" != _device_type(array)):
            home, stray = array, home if home is not None else stray
        elif array.__class__ is not home.__class__:
            stray = array
    if stray is None or _device_type(stray) == _device_type(home):
        return list(operands)
    result = []
    for operand in operands:
        array = raw(operand)
        if array is None or isinstance(array, NUMBERS) or _device_type(array) == _device_type(home):
            result.append(operand)
        elif array.__class__ is np.ndarray and array.ndim == 0:
            result.append(scalar_on(operand, backend(home).device_of(home)))
        else:
            devices = sorted((str(backend(a).device_of(a)) for a in (home, array)), reverse=True)
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{' and '.join(devices)}! (in {op.name})"
            )
    return result


def check_same_dtype(op: Op, *operands: Any) -> list[Any]:
    """Raise unless all arrays have one dtype and one device."""
    operands = tuple(to_one_device(op, *operands))
    first: Any = None
    for i, operand in enumerate(operands):
        if operand is None:
            continue
        array = raw(operand)
        if not _is_operand(array):
            _refuse(op, array, i)
        if first is None:
            first = array
        elif array.dtype != first.dtype:
            a, b = (dtypes.of(dtype).scalar_type.lower() for dtype in (first.dtype, array.dtype))
            raise RuntimeError(f"{op.name}: expected operands of one dtype, but got {a} != {b}")
    return list(operands)


def to_dtype(operand: Tensor, dtype: np.dtype) -> Tensor:
    """A recorded cast."""
    return cast(operand, dtype)


# ---- broadcasting


def raise_shape_mismatch(error: ValueError, *arrays: Any) -> NoReturn:
    """Say in torch's words that shapes do not broadcast, if that is what `error` is about."""
    shapes = [array.shape for array in arrays if hasattr(array, "shape")]
    for i, a in enumerate(shapes):
        for b in shapes[i + 1 :]:
            for k in range(1, min(len(a), len(b)) + 1):
                if a[-k] != b[-k] and 1 not in (a[-k], b[-k]):
                    raise RuntimeError(
                        f"The size of tensor a ({a[-k]}) must match the size of tensor b ({b[-k]}) "
                        f"at non-singleton dimension {max(len(a), len(b)) - k}"
                    ) from None
    raise error


def sum_to(grad: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: add `grad` (an array or a Tensor) up until it has `shape`."""
    if grad.shape == shape:
        return grad
    lead = grad.ndim - len(shape)
    dims = (*range(lead), *(i + lead for i, n in enumerate(shape) if n == 1 and grad.shape[i + lead] != 1))
    if isinstance(grad, Tensor):
        if dims:
            grad = grad.sum(dims, True)
        return grad.reshape(shape) if grad.shape != shape else grad
    if dims:
        dtype = grad.dtype
        if dtype.itemsize > 2:
            grad = grad.sum(dims, keepdims=True, dtype=dtype)
        else:  # half types are added up in float32
            grad = grad.sum(dims, keepdims=True, dtype=np.float32).astype(dtype)
    return grad.reshape(shape)


# ---- results


def wrap_results(
    op: Op, node: Any, results: Any, source: Any, source_array: Any, args: tuple[Any, ...], bits: int
) -> Any:
    """An op's several results as tensors, tied to their node; `source` is the first operand, `args` are the others."""
    names = op.outs if isinstance(op.outs, tuple) else ("",) * len(results)
    if node is not None:
        node.count = len(names)
        node.takes = 0
    tensors = []
    for nr, (name, array) in enumerate(zip(names, results)):
        if array.__class__ not in ARRAYS:
            array = np.asarray(array)
        t = from_array(array)
        if node is not None and dtypes.is_inexact(array.dtype):
            t._requires_grad = True
            t._node = make_slot(node, nr, array.dtype)
            node.takes = nr + 1
            if name in node.saved_names:
                kept_slots[id(node), nr] = t._node
        elif node is not None and name in node.saved_names:
            # An index has no gradient, but backward reads it, and must notice writes to it.
            node.counter = {**(node.counter or {}), nr: counter_of(t)}
        if op.view and source is not source_array:
            mark_view(op.function, t, source, source_array, args, bits, nr)
        tensors.append(t)
    if not isinstance(op.outs, tuple):
        return tuple(tensors)
    return return_type(op.name, op.outs)(tensors)


def mark_view(
    function: Any,
    view: Tensor,
    source: Tensor,
    source_array: Any,
    args: tuple[Any, ...],
    bits: int,
    nr: int | None = None,
) -> None:
    """Make `view` a differentiable view of `source`, if it shares its memory."""
    if backend(source_array).shares_memory(view._array, source_array):
        make_view(function, view, source, args, bits, nr)


GLOBALS |= {name: value for name, value in vars().copy().items() if isfunction(value)}
