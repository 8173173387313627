"""Dimensions and shapes as users give them: negative ones, several, none, and torch's errors for wrong ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tapegrad.autograd.core.operand import Array
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp

#: a dimension, or several
Dims = int | Sequence[int]


def wrap(dim: Any, ndim: int) -> int:
    """`dim` counted from the front; a tensor without dimensions counts as one with a single dimension, as in torch.

    Raises:
        IndexError: there is no such dimension.
        TypeError: `dim` is no integer.
    """
    if dim.__class__ is not int:
        dim = integer(dim)
    n = ndim or 1
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim + n if dim < 0 else dim


def wrap_all(dims: Iterable[Any], ndim: int) -> tuple[int, ...]:
    """Several dimensions counted from the front, none of them twice."""
    wrapped = tuple([wrap(dim, ndim) for dim in dims])
    if len(set(wrapped)) != len(wrapped):
        twice = next(dim for i, dim in enumerate(wrapped) if dim in wrapped[:i])
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return wrapped


def integer(n: Any) -> int:
    """`n`, anything that stands for an integer, as a Python int."""
    if isinstance(n, (float, complex, str)) or not hasattr(n, "__index__"):
        raise TypeError(f"an integer is needed, not {type(n).__name__}")
    return int(n.__index__())


def sequence(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The items of ``f(1, 2)`` or ``f((1, 2))``."""
    return tuple(args[0]) if len(args) == 1 and isinstance(args[0], (tuple, list)) else args


def shape_arguments(args: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape in ``view(2, 3)`` or ``view((2, 3))``, where -1 is allowed."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = tuple(args[0])
    for n in args:
        if n.__class__ is not int:
            return tuple([_size(n) for n in args])
    return args


def _size(n: Any) -> int:
    if isinstance(n, (float, str)) or not hasattr(n, "__index__"):
        raise TypeError(f"a shape must be a tuple of ints, but it has an item of type {type(n).__name__}")
    return int(n.__index__())


def expanded_shape(array: Array, size: tuple[int, ...]) -> tuple[int, ...]:
    """`size` with its -1 replaced by what `array` has there.

    Raises:
        RuntimeError: `array` cannot be broadcast to it.
    """
    shape = array.shape
    lead = len(size) - len(shape)
    if lead < 0:
        kind = f"torch.{dtypes.of(array.dtype).scalar_type}Tensor"
        raise RuntimeError(
            f"expand({kind}{{{list(shape)}}}, size={list(size)}): the number of sizes provided "
            f"({len(size)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    for i, n in enumerate(size[:lead]):
        if n < 0:
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}"
            )
    result = list(size)
    for i, m in enumerate(shape, lead):
        n = size[i]
        if n == -1:
            result[i] = m
        elif (n != m and m != 1) or n < 0:
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({m}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: "
                f"{list(shape)}"
            )
    return tuple(result)


def common_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that `shapes` have together, or the error that an op of tensors of these shapes raises."""
    result: list[int] = []
    for shape in shapes:
        if len(shape) > len(result):
            result[:0] = [1] * (len(shape) - len(result))
        for i in range(-1, -1 - len(shape), -1):
            if result[i] == 1:
                result[i] = shape[i]
            elif shape[i] not in (1, result[i]):
                raise RuntimeError(
                    f"The size of tensor a ({result[i]}) must match the size of tensor b ({shape[i]}) "
                    f"at non-singleton dimension {len(result) + i}"
                )
    return tuple(result)


def part(dim: int, start: int | None, stop: int | None, step: int | None = None) -> tuple[slice, ...]:
    """The index of a range along `dim`."""
    return (*(slice(None),) * dim, slice(start, stop, step))


def places(array: Array, dim: int) -> Array:
    """0, 1, 2, ... along `dim`, in a shape that broadcasts with `array`."""
    return xp(array).arange(array.shape[dim]).reshape([-1 if i == dim else 1 for i in range(array.ndim)])


_C_NAMES = {"float32": "float", "float64": "double", "uint8": "uint8"}


def c_name(dtype: Any) -> str:
    """A dtype as torch names it where a number does not fit: by its type in C++."""
    name = dtype.name
    return _C_NAMES.get(name, f"{name}_t" if name.startswith(("int", "uint")) else name)
