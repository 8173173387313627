"""What an op's written wrapper calls when something is out of the ordinary: mixed types or devices, no tensor at all, several results."""
from __future__ import annotations

from functools import lru_cache
from typing import Any, NoReturn

import numpy as np

from tapegrad.autograd.core.inference import InferenceOperand, needs_grad, with_inference_operands
from tapegrad.autograd.core.node import Node, kept_slots, make_slot
from tapegrad.autograd.core.tensor import Tensor, from_array, kept_result, raw, requires_grad
from tapegrad.autograd.core.version import counter_of
from tapegrad.autograd.core.view import make_view
from tapegrad.autograd.dispatch.decorator import CALLED, Op
from tapegrad.autograd.dispatch.primitives import cast, scalar_on
from tapegrad.autograd.types import dtypes, promotion
from tapegrad.autograd.types.return_types import return_type
from tapegrad.autograd.types.type_names import type_name
from tapegrad.backends import ARRAYS, backend, is_array

NUMBERS = (bool, int, float, complex, np.generic)


# ---- types and devices

@lru_cache(4096)
def _constant(value: float, dtype: np.dtype) -> np.ndarray:
    array = np.array(value, dtype)
    array.flags.writeable = False
    return array


def constant(value: float, dtype: np.dtype) -> np.ndarray:
    """A number as a read-only 0-d array, made once; zero anew each time, since 0.0 and -0.0 are one key."""
    return _constant(value, dtype) if value else np.array(value, dtype)


def _check_operand(op: Op, operand: Any, position: int) -> None:
    if not (isinstance(operand, NUMBERS) or is_array(operand)):
        names = list(op.rules)
        name = names[position] if position < len(names) else names[-1]
        raise TypeError(f"{op.name}(): argument '{name}' (position {position + 1}) must be Tensor, not {type_name(operand)}")


def refuse(op: Op, *operands: Any) -> NoReturn:
    """Raise torch's error for an operand that is no tensor."""
    for i, operand in enumerate(operands):
        if not isinstance(operand, Tensor):
            _check_operand(op, operand, i)
    raise AssertionError("every operand is one")


def mix(op: Op, *operands: Any) -> list[Any] | None:
    """Bring operands of different types or devices together, as torch does: one device, one dtype; None where one of two is no operand at all.

    Tensors stay tensors (a cast of one that requires grad is recorded); numbers become what the backend takes beside an array of the result's dtype.
    """
    found = []
    for i, operand in enumerate(operands):
        if isinstance(operand, Tensor) or (operand is None and len(operands) != 2):
            continue
        if len(operands) == 2 and not isinstance(operand, NUMBERS) and not is_array(operand):
            return None
        _check_operand(op, operand, i)
    operands = tuple(together(op, *operands))
    home: Any = None
    for operand in operands:
        array = raw(operand)
        if array is None:
            continue
        if isinstance(operand, Tensor) or (is_array(array) and not isinstance(array, np.generic)):
            home = array if home is None else home
            found.append((array.dtype, promotion.DIMENSIONED if array.ndim else promotion.ZERO_DIM))
        else:
            found.append((promotion.number_dtype(array), promotion.NUMBER))
    dtype = promotion.result_type(found)
    if op.operands == "float":
        dtype = promotion.float_dtype(dtype)
    return [_as(operand, dtype, home) for operand in operands]


def _as(operand: Any, dtype: np.dtype, home: Any) -> Any:
    """`operand` with elements of `dtype`, beside the array `home`."""
    if operand is None:
        return None
    if isinstance(operand, Tensor):
        if operand._array.dtype is dtype:
            return operand
        if requires_grad(operand):
            return cast(operand, dtype)
        return from_array(operand._array.astype(dtype))
    if isinstance(operand, NUMBERS):
        # In the result's dtype at once: 0.1 beside a float64 tensor must not pass through float32, nor 300 raise beside a uint8 one where torch wraps.
        if home.__class__ is np.ndarray:
            return _number_array(operand, dtype)
        if dtype.kind == "V":
            # bfloat16 beside a Python number: NumPy widens, so a 0-d array of the dtype, made on the device, takes the number's place.
            return backend(home).xp.full((), operand, dtype)
        return operand if dtype.kind != "b" else bool(operand)
    return operand.astype(dtype, copy=False)


def _number_array(number: Any, dtype: np.dtype) -> np.ndarray:
    if dtype.kind in "iu" and not isinstance(number, np.generic):
        return np.array(number).astype(dtype)
    return np.array(number, dtype)


def to_float(operand: Tensor) -> Tensor:
    """Integers and bool in the default dtype."""
    return from_array(operand._array.astype(promotion.float_dtype(operand._array.dtype)))


def _place(array: Any) -> str:
    """The type of device; a batched tensor's array is where what it stands for is."""
    return backend(array).type


def together(op: Op, *operands: Any) -> list[Any]:
    """Raise unless all arrays live on one device; a 0-d CPU tensor beside another device's goes there, as in torch."""
    home: Any = None
    stray: Any = None
    for operand in operands:
        array = raw(operand)
        if array is None or isinstance(array, NUMBERS):
            continue
        if home is None or (home.ndim == 0 and _place(home) == "cpu" != _place(array)):
            home, stray = array, home if home is not None else stray
        elif array.__class__ is not home.__class__:
            stray = array
    if stray is None or _place(stray) == _place(home):
        return list(operands)
    result = []
    for operand in operands:
        array = raw(operand)
        if array is None or isinstance(array, NUMBERS) or _place(array) == _place(home):
            result.append(operand)
        elif array.__class__ is np.ndarray and array.ndim == 0:
            device = backend(home).device_of(home)
            result.append(scalar_on(operand, device))
        else:
            first, second = sorted((backend(home).device_of(home), backend(array).device_of(array)), key=str, reverse=True)
            raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, {first} and {second}! (in {op.name})")
    return result


def same(op: Op, *operands: Any) -> list[Any]:
    """Raise unless all arrays have one dtype and one device."""
    operands = tuple(together(op, *operands))
    first: Any = None
    for i, operand in enumerate(operands):
        if operand is None:
            continue
        _check_operand(op, raw(operand), i)
        array = raw(operand)
        if first is None:
            first = array
        elif array.dtype != first.dtype:
            a, b = dtypes.of(first.dtype), dtypes.of(array.dtype)
            raise RuntimeError(f"{op.name}: expected operands of one dtype, but got {a.scalar_type.lower()} != {b.scalar_type.lower()}")
    return list(operands)


def foreign(op: Op, args: tuple[Any, ...]) -> None:
    """Raise for an op called without any tensor, unless there are NumPy scalars, which are arrays too; and for what is no tensor in a list."""
    first = args[0]
    if isinstance(first, (list, tuple)):
        if not first:
            raise RuntimeError(f"{op.name}(): expected a non-empty list of Tensors")
        for i, operand in enumerate(first):
            if not isinstance(operand, Tensor) and not is_array(operand):
                raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type_name(operand)}")
    elif not any(is_array(operand) for operand in args):
        raise TypeError(f"{op.name}(): argument '{next(iter(op.rules))}' (position 1) must be Tensor, not {type_name(first)}")


# ---- broadcasting

def shapes_differ(error: ValueError, *arrays: Any) -> NoReturn:
    """Say in torch's words that shapes do not broadcast, if that is what `error` is about."""
    shapes = [array.shape for array in arrays if hasattr(array, "shape")]
    for i, a in enumerate(shapes):
        for b in shapes[i + 1:]:
            for k in range(1, min(len(a), len(b)) + 1):
                if a[-k] != b[-k] and 1 not in (a[-k], b[-k]):
                    raise RuntimeError(f"The size of tensor a ({a[-k]}) must match the size of tensor b ({b[-k]}) at non-singleton dimension "
                                       f"{max(len(a), len(b)) - k}") from None
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

def deliver(op: Op, node: Any, results: Any, source: Any, source_array: Any, args: tuple[Any, ...], bits: int) -> Any:
    """Wrap an op's several results, and tie them to the node that made them."""
    count = len(op.outs) if isinstance(op.outs, tuple) else len(results)
    takes = 0
    tensors = []
    for nr in range(count):
        y = results[nr]
        if y.__class__ not in ARRAYS:
            y = np.asarray(y)
        t = from_array(y)
        if node is not None and y.dtype in dtypes.INEXACT:
            t._requires_grad = True
            t._node = make_slot(node, nr, y.dtype)
            takes = nr + 1
            if op.outs.__class__ is tuple and op.outs[nr] in node.saved_names:
                kept_slots[id(node), nr] = t._node
        elif node is not None and op.outs.__class__ is tuple and op.outs[nr] in node.saved_names:
            # An index has no gradient, but backward reads it: it must hear of writes to it.
            node.counter = {**(node.counter or {}), nr: counter_of(t)}
        if op.view and source is not source_array:
            aliased(op.function, t, source, source_array, args, bits, nr)
        tensors.append(t)
    if node is not None:
        node.count = count
        node.takes = takes
    if not isinstance(op.outs, tuple):
        return tuple(tensors)
    return return_type(op.name, op.outs)(tensors)


def aliased(function: Any, view: Tensor, source: Tensor, source_array: Any, args: tuple[Any, ...], bits: int, nr: int | None = None) -> None:
    """Note that `view` shares `source`'s memory, if it does."""
    if backend(source_array).shares_memory(view._array, source_array):
        make_view(function, view, source, args, bits, nr)


def no_derivative(node: Node) -> NoReturn:
    """Raise torch's error for an op without a rule."""
    raise NotImplementedError(f"the derivative for '{node.op_name}' is not implemented.")


CALLED.update({f.__name__: f for f in (
    InferenceOperand, needs_grad, with_inference_operands, mix, refuse, to_float, constant, foreign, same, together, sum_to, shapes_differ, kept_result,
    aliased, deliver, no_derivative)})
