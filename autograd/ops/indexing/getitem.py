"""Reading and writing by index.

An index is taken apart as torch does: what gives a view (integers, slices, None, Ellipsis) is applied first, then the
arrays and masks to its result.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from tapegrad.autograd.core.gate import DEVICE, GRAD_OFF, SAVED_HOOKS, gate, state
from tapegrad.autograd.core.history import as_before
from tapegrad.autograd.core.node import At
from tapegrad.autograd.core.tensor import Tensor, from_array, raw, requires_grad
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.dispatch.batch_rules import over, within
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.dispatch.rebase import rebase
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.modes.device_guard import on_its_device
from tapegrad.autograd.modes.levels import transforming
from tapegrad.autograd.ops.common.dims import c_name, expanded_shape
from tapegrad.autograd.ops.creation.host_data import host_array
from tapegrad.autograd.ops.creation.host_operands import tensor_for_write, to_device_of, value_for_write
from tapegrad.autograd.saved.hooks import before_write, pack_made
from tapegrad.autograd.types import dtypes
from tapegrad.backends import ARRAYS, backend, xp
from tapegrad.backends.determinism import alert_write

FULL = slice(None)
_INDICES = frozenset(map(np.dtype, (np.bool_, np.int64, np.int32)))


class Index(NamedTuple):
    """A user's index, taken apart.

    Attributes:
        basic: the part that gives a view, as the array library takes it; None where it changes nothing.
        arrays: index arrays and masks, each with the dimension of the basic part's result at which it begins.
    """

    basic: Any
    arrays: tuple[tuple[int, Any], ...] = ()


# ---- taking an index apart


def parse(index: Any, array: Any, own: bool = False) -> Index:
    """A user's index for `array`, taken apart.

    Args:
        index: anything that may stand in brackets.
        array: what is indexed.
        own: the arrays of the result belong to nobody else, so that they may be kept for backward.

    Raises:
        IndexError: an index of a type that cannot index, too many indices, or a mask of the wrong shape.
        ValueError: a slice with a negative step.
    """
    if index.__class__ is not tuple:
        index = _as_tuple(index)
    used, arrays = 0, False
    items: list[Any] = []
    for i in index:
        if i.__class__ is int:
            used += 1
        elif i.__class__ is slice:
            if i.step is not None and not i.step > 0:
                raise ValueError("step must be greater than zero" if i.step else "slice step cannot be zero")
            used += 1
        elif i is Ellipsis:
            if any(j is Ellipsis for j in items):
                continue
        elif i is not None:
            i = _index_of(i, array, own)
            if i.__class__ is int:
                used += 1
            else:
                arrays = True
                used += 0 if i.__class__ is bool else i.ndim if i.dtype.kind == "b" else 1
        items.append(i)
    if used > array.ndim:
        raise IndexError(f"too many indices for tensor of dimension {array.ndim}" if array.ndim else _ZERO_DIM)
    return _divide(items, array, array.ndim - used) if arrays else Index(tuple(items))


_ZERO_DIM = (
    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert "
    "a 0-dim tensor to a number"
)


def _as_tuple(index: Any) -> tuple[Any, ...]:
    """An index that is no tuple; a list that holds more than numbers stands for one."""
    if (
        isinstance(index, (list, tuple))
        and len(index) < 32
        and any(i is None or i is Ellipsis or isinstance(i, (Tensor, list, tuple, range, slice)) for i in index)
    ):
        if not isinstance(index, tuple):
            warnings.warn(
                "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in "
                "pytorch 2.9; use x[tuple(seq)] "
                "instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)], "
                "which will result either in an "
                "error or a different result",
                stacklevel=4,
            )
        return tuple(index)
    return (index,)


def _index_of(i: Any, array: Any, own: bool) -> Any:
    """One index that is no integer, slice, None or Ellipsis: as an int, a bool, or an array beside `array`."""
    if isinstance(i, Tensor):
        found = i._array
    elif i.__class__ is bool:
        return i
    elif isinstance(i, (list, tuple, range)):
        found = host_array(list(i))
        if not found.size:
            found = found.astype(np.int64)
    elif isinstance(i, np.ndarray) or i.__class__ in ARRAYS:
        found = i
    elif hasattr(i, "__index__") and not isinstance(i, np.bool_):
        return int(i.__index__())
    else:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
            f"{type(i).__name__ if not isinstance(i, np.generic) else f'numpy.{type(i).__name__}'})"
        )
    found = _index_array(found)
    if found.__class__ is np.ndarray and not found.ndim:
        return bool(found) if found.dtype.kind == "b" else int(found)
    return _index_to_device_of(found, array, own and isinstance(i, Tensor))


def _index_array(i: Any) -> Any:
    if i.dtype in _INDICES:
        return i
    if i.dtype == np.uint8:
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.", stacklevel=5
        )
        return i.astype(bool)
    raise IndexError("tensors used as indices must be long, int, byte or bool tensors")


def _index_to_device_of(i: Any, array: Any, own: bool) -> Any:
    """The index array on the device of `array`."""
    if i.__class__ is array.__class__:
        return i.copy() if own else i
    here = backend(array)
    if backend(i).type == here.type:  # one of them is batched
        return i
    if i.__class__ is not np.ndarray:
        raise RuntimeError(
            f"indices should be either on cpu or on the same device as the indexed tensor ({here.device_of(array)})"
        )
    return to_device_of(i, array)


def _divide(items: list[Any], array: Any, rest: int) -> Index:
    """The parts of an index that holds arrays; an Ellipsis stands for `rest` dimensions."""
    basic: list[Any] = []
    arrays: list[tuple[int, Any]] = []
    dim = source = 0
    several = sum([i.__class__ in ARRAYS for i in items]) > 1
    for i in items:
        n, taken = 1, 1  # dimensions of the basic part's result, and of the source
        if i.__class__ is bool or (i.__class__ in ARRAYS and not i.ndim and i.dtype.kind == "b"):
            basic.append(None)
            arrays.append((dim, xp(array).zeros(int(i), np.int64) if i.__class__ is bool else i.reshape((1,))))
            taken = 0
        elif i.__class__ in ARRAYS and (i.ndim or not several):
            if i.dtype.kind == "b":
                _check_mask(i, array, source)
                n = taken = i.ndim
            basic += [FULL] * n
            arrays.append((dim, i))
        elif i.__class__ is int or i.__class__ in ARRAYS:
            basic.append(i if i.__class__ is int else int(i.item()))  # torch reads it on the host in any case
            n = 0
        elif i is None:
            basic.append(None)
            taken = 0
        else:
            basic.append(i)
            n = taken = rest if i is Ellipsis else 1
        dim += n
        source += taken
    return Index(None if all(i is Ellipsis or i == FULL for i in basic) else tuple(basic), tuple(arrays))


def _check_mask(mask: Any, array: Any, dim: int) -> None:
    for k, n in enumerate(mask.shape):
        if array.shape[dim + k : dim + k + 1] != (n,):
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {k} does not match the shape of the indexed "
                f"tensor {list(array.shape)} "
                f"at index {dim + k}"
            )


def advanced(arrays: tuple[tuple[int, Any], ...]) -> Any:
    """Index arrays in the array library's terms: themselves where there is one for the first dimension, else a
    tuple.
    """
    if len(arrays) == 1 and (arrays[0][1].dtype.kind != "b" or arrays[0][1].__class__ is np.ndarray):
        dim, i = arrays[0]
        return (*[FULL] * dim, i) if dim else i
    result: list[Any] = []
    for dim, i in arrays:
        result += [FULL] * (dim - len(result))
        # Backward must not wait for the device again, and CuPy does not mix masks with other arrays.
        result += i.nonzero() if i.dtype.kind == "b" else [i]
    shapes = [i.shape for i in result if i is not FULL]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            f"{', '.join([str(list(s)) for s in shapes])}"
        ) from None
    return tuple(result)


def lone_mask(arrays: tuple[tuple[int, Any], ...], ndim: int) -> Any:
    """The mask, with all `ndim` dimensions, if there is nothing else; else None."""
    if len(arrays) != 1 or arrays[0][1].dtype.kind != "b":
        return None
    dim, mask = arrays[0]
    return mask.reshape((1,) * dim + mask.shape + (1,) * (ndim - dim - mask.ndim))


def _unique(index: Any) -> bool:
    """Whether no element can stand twice: a mask, or nothing but a view."""
    return all(
        getattr(i, "dtype", np.dtype(bool)).kind == "b" for i in (index if index.__class__ is tuple else (index,))
    )


def assert_inside(array: Any, arrays: tuple[tuple[int, Any], ...], name: str) -> None:
    """Have a device report the indices into `array` that are out of range; those on the host are found when they are
    used.
    """
    for dim, i in arrays:
        if i.__class__ is not np.ndarray and i.dtype.kind != "b":
            n = array.shape[dim]
            backend(i).assert_index(i, -n, n, name, dim)


# ---- reading


def _view(input: Any, index: Any) -> Any:
    result = input[index]
    if result.__class__ in ARRAYS:
        return result
    # NumPy gives a single element as a copy, unless the index ends so.
    return input[(*index, ...) if index.__class__ is tuple else (index, ...)]


def _view_op(name: str) -> Any:
    return op(
        input=lambda grad, index, input_shape: At(index, grad, input_shape, True),
        kind="view",
        name=name,
        public=False,
        batch=over(index=within),
    )(_view)


# One for each name under which torch shows it.
_select, _slice, _unsqueeze, _alias = map(_view_op, ("select", "slice", "unsqueeze", "alias"))
select_view, slice_view, _unsqueeze_core, _alias_core = (
    function.op.core for function in (_select, _slice, _unsqueeze, _alias)
)


def view_by(input: Any, index: Any) -> Any:
    """``input[index]`` for a tuple of integers, slices, None and Ellipsis, or one of them: a view."""
    for i in reversed(index) if index.__class__ is tuple else (index,):
        if i.__class__ is int:
            return select_view(input, index)
        if i is None:
            return _unsqueeze_core(input, index)
        if i is not Ellipsis and i != FULL:
            return slice_view(input, index)
    return _alias_core(input, index)


@op(
    input=lambda grad, index, input_shape: At(index, grad, input_shape, _unique(index)),
    kind="linear",
    name="index",
    public=False,
)
def gather_by(input: Any, index: Any) -> Any:
    """``input[index]`` for an index of arrays."""
    if index.__class__ is not tuple and index.dtype.kind != "b" and input.flags.c_contiguous and input.ndim:
        return input.take(index, 0)  # a seventh of the time
    result = input[index]
    return result if result.flags.c_contiguous else result.copy(order="C")  # NumPy lays out ``x[:, i]`` as ``x.T[i].T``


@op(
    grad=lambda grad, index: gather_by(grad, index) if has_arrays(index) else view_by(grad, index),
    kind="linear",
    public=False,
)
def scatter_rows(grad: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape`, with `grad` added at `index`: the adjoint of reading."""
    whole = xp(grad).zeros(shape, grad.dtype)
    if _unique(index):
        whole[index] = grad
    else:
        backend(whole).scatter_add(whole, index, grad)
    return whole


def has_arrays(index: Any) -> bool:
    return any(hasattr(i, "dtype") for i in (index if index.__class__ is tuple else (index,)))


def getitem(self: Any, index: Any) -> Any:
    """``self[index]``: a view for integers, slices, None and Ellipsis; a copy for lists, tensors and masks."""
    try:
        if index.__class__ is int:
            return select_view(self, index)
        if index.__class__ is slice and index.step is None:
            return slice_view(self, index)
        if index.__class__ is tuple:
            view, dots = _alias_core, False
            for i in index:
                if i.__class__ is int:
                    view = select_view
                elif i.__class__ is slice:
                    if i.step is not None:
                        break
                    if i.start is not None or i.stop is not None:
                        view = slice_view
                elif i is None:
                    view = _unsqueeze_core
                elif i is not Ellipsis or dots:
                    break
                else:
                    dots = True
            else:
                return view(self, index)
        array = self._array if isinstance(self, Tensor) else self
        parts = parse(index, array, self is not array and self.requires_grad)
        if not parts.arrays:
            return view_by(self, parts.basic)
        if parts.basic is not None:
            self = view_by(self, parts.basic)
        assert_inside(raw(self), parts.arrays, "index")
        return gather_by(self, advanced(parts.arrays))
    except IndexError as error:
        raise torch_error(error, index, self) from None


def torch_error(error: IndexError, index: Any, indexed: Any) -> IndexError:
    """NumPy's IndexError in torch's words."""
    text = str(error)
    if "too many indices" in text and not raw(indexed).ndim:
        return IndexError(_ZERO_DIM)
    if text.startswith("too many indices for array"):
        return IndexError(f"too many indices for tensor of dimension {getattr(indexed, '_array', indexed).ndim}")
    if text.lower().startswith("index ") and " for axis " in text:
        return IndexError(text.replace("Index", "index", 1).replace(" for axis ", " for dimension "))
    return error


# ---- writing


def _store(array: Any, index: Any, value: Any) -> None:
    """``array[index] = value`` for an index of arrays."""
    if array.__class__ is not np.ndarray:
        alert_write(array, index, value)
    try:
        array[index] = value
    except (ValueError, TypeError):  # TypeError: NumPy's for masks
        shape = value.shape
        while len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
        try:
            array[index] = value.reshape(shape)
        except (ValueError, TypeError):
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result "
                "of shape "
                f"{list(array[index].shape)}"
            ) from None


def _written(input: Any, index: Any, value: Any) -> Any:
    result = xp(input).array(input)  # a gradient may be a NumPy scalar
    if not has_arrays(index):
        result[index] = 0 if value is None else value
    else:
        _store(result, index, xp(result).zeros((), result.dtype) if value is None else value)
    return result


def _write_op(name: str) -> Any:
    return op(
        input=lambda grad, index: put_at(grad, index, None),
        value=lambda grad, index, value_shape: _to_value(grad, index, value_shape),
        kind="linear",
        operands="free",
        name=name,
        public=False,
    )(_written)


put_whole, put_slices, put_at = map(_write_op, ("copy", "copy_slices", "index_put"))


def _to_value(grad: Any, index: Any, shape: tuple[int, ...]) -> Any:
    return _down_to(gather_by(grad, index) if has_arrays(index) else view_by(grad, index), shape)


def _down_to(grad: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of what was written, from that of the place where it was written: its shape may begin with ones to
    spare.
    """
    spare = len(shape) - grad.ndim
    return sum_to(grad, shape) if spare <= 0 else sum_to(grad, shape[spare:]).reshape(shape)


@op(
    input=lambda grad: grad,
    value=lambda grad, index, value_shape: _to_value(grad, index, value_shape),
    kind="linear",
    operands="free",
    name="index_put",
    public=False,
)
def put_add(input: Any, index: Any, value: Any) -> Any:
    result = xp(input).array(input)
    backend(result).scatter_add(result, index, value)
    return result


@op(
    input=lambda grad, mask: fill_mask(grad, mask, None),
    value=lambda grad, mask, value_shape: _down_to(where_mask(grad, mask), value_shape),
    kind="linear",
    operands="free",
    name="index_put",
    public=False,
)
def fill_mask(input: Any, mask: Any, value: Any) -> Any:
    """`input` with one value (None: zero) wherever `mask`, which has as many dimensions, is True."""
    result = xp(input).array(input)
    xp(result).copyto(result, result.dtype.type(0) if value is None else value.reshape(()), where=mask)
    return result


@op(input=lambda grad, mask: where_mask(grad, mask), kind="linear", public=False)
def where_mask(input: Any, mask: Any) -> Any:
    return xp(input).where(mask, input, xp(input).zeros((), input.dtype))


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``, recorded where gradients flow."""
    if gate.on and state.bits & DEVICE and not transforming():
        return on_its_device(setitem, "index_put_", (self, index, value))
    if gate.on and transforming():
        return _set_in_transform(self, index, value)
    if gate.on and state.bits & SAVED_HOOKS:
        before_write(self)
    array = self._array
    recording = not (gate.on and state.bits & GRAD_OFF) and (
        self.requires_grad or (isinstance(value, Tensor) and requires_grad(value))
    )
    try:
        parts = Index(index) if index.__class__ is int else parse(index, array, recording)
        if not recording or self._node is None or self._view is not None:
            # To PyTorch it is the part that is written, a view of the tensor, and errors speak of it.
            inplace.check_writable(
                self if not recording or _is_whole(parts.basic, array.shape) else view_by(self, parts.basic), recording
            )
        if not parts.arrays:
            _set_slices(self, parts.basic, value, recording)
        else:
            _set_elements(self if parts.basic is None else view_by(self, parts.basic), parts.arrays, value, recording)
    except IndexError as error:
        raise torch_error(error, index, array) from None


def _set_in_transform(self: Tensor, index: Any, value: Any) -> None:
    """The same by ops that transforms see."""
    array = self._array
    if not isinstance(value, Tensor):
        value = value_for_write(value, array)
        value = from_array(
            xp(array).full((), value, array.dtype)
            if not hasattr(value, "ndim") or isinstance(value, np.generic)
            else value
        )
    parts = Index(index) if index.__class__ is int else parse(index, array, True)
    part = self if parts.basic is None else view_by(self, parts.basic)
    if not parts.arrays:
        if (
            value._view is not None
            and value._view.root is (self if self._view is None else self._view.root)
            and _same_memory(part._array, value._array)
        ):
            # ``x[i] += v`` has written it already, through the view that it now assigns.
            requires_grad(value)  # which says so if it could not follow another write
        elif value is not part:
            extra = value._array.ndim - part._array.ndim
            part.copy_(
                value.reshape(value._array.shape[extra:])
                if extra > 0 and value._array.shape[:extra] == (1,) * extra
                else value
            )
        return
    value = value.to(self.dtype)
    dim, mask = parts.arrays[0]
    if value._array.size == 1 and len(parts.arrays) == 1 and mask.dtype.kind == "b":
        mask = from_array(mask)[(*(None,) * dim, ..., *(None,) * (part._array.ndim - dim - mask.ndim))]
        part.copy_(part.masked_fill(mask, value.reshape(())))
    else:
        assert_inside(part._array, parts.arrays, "index_put")
        part.copy_(put_at(part, advanced(parts.arrays), value))


def _is_whole(index: Any, shape: tuple[int, ...]) -> bool:
    """Whether a basic index shows all of a tensor of `shape` as it is."""
    if index.__class__ is not tuple:
        return index is None
    dots = index.index(Ellipsis) if Ellipsis in index else len(index)
    before, after = index[:dots], index[dots + 1 :]
    lengths = (*shape[: len(before)], *shape[len(shape) - len(after) :])
    return all(i.__class__ is slice and i.indices(n) == (0, n, 1) for i, n in zip((*before, *after), lengths))


def _real_for(value: Any, array: Any) -> Any:
    """`value` without its imaginary part where `array` cannot hold it."""
    if getattr(value, "dtype", array.dtype).kind == "c" and array.dtype.kind != "c":
        warnings.warn("Casting complex values to real discards the imaginary part", stacklevel=5)
        return value.real
    return value


def _set_slices(self: Tensor, index: Any, value: Any, recording: bool) -> None:
    """Write to a view."""
    array = self._array
    if isinstance(value, Tensor):
        if value._array.__class__ is not array.__class__:
            value = tensor_for_write(value, self)
        given = _real_for(value._array, array)
    else:
        given = value = value_for_write(value, array)
    target = _view(array, index)
    if (
        value is not given
        and value._view is not None
        and value._view.root is (self if self._view is None else self._view.root)
        and _same_memory(target, given)
    ):
        # ``x[i] += v`` has written it already, through the view that it now assigns.
        if recording:
            requires_grad(value)  # which says so if it could not follow another write
        bump(self)
        return
    if recording and not _is_whole(index, array.shape) and inplace.repeats(array):
        # Written through the part, which may repeat no element of memory though the whole does.
        _set_slices(view_by(self, index), (Ellipsis,), value, True)
        return
    inplace.check_overlap(target)
    if (
        value is not given
        and _same_cell(value, self)
        and given.shape == target.shape
        and inplace.overlap(target, given) == "partly"
    ):
        raise RuntimeError(inplace.PARTLY)
    before = None
    if recording:
        before = as_before(self, array)
        if value is self:
            value, given = before, given.copy()
    # The history first, since `value` may be a view of this memory; a kept operand there is none.
    made = (
        _recorded((put_whole if _is_whole(index, array.shape) else put_slices).op, array, before, index, value)
        if recording
        else None
    )
    _assign(target, given)
    bump(self)
    if made is not None:
        rebase(self, made)


def _same_cell(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are known to be aliases of one memory."""
    return a._counter is not None and a._counter is b._counter


def _same_memory(a: Any, b: Any) -> bool:
    return (
        a.shape == b.shape
        and a.strides == b.strides
        and a.dtype is b.dtype
        and backend(a).pointer(a) == backend(b).pointer(b)
    )


def _assign(target: Any, value: Any) -> None:
    """``target[...] = value`` in torch's words where it fails; ones to spare in front of the value's shape are
    dropped.
    """
    try:
        target[...] = value
    except OverflowError:
        raise RuntimeError(f"value cannot be converted to type {c_name(target.dtype)} without overflow") from None
    except ValueError:
        shape = list(value.shape)
        while len(shape) > 1 and shape[0] == 1:
            del shape[0]
        value = value.reshape(shape)
        expanded_shape(value, target.shape)
        target[...] = value


def _set_elements(self: Tensor, arrays: tuple[tuple[int, Any], ...], value: Any, recording: bool) -> None:
    """Write to the elements that index arrays name."""
    array = self._array
    if isinstance(value, Tensor):
        given = value._array
        if given.__class__ is not array.__class__:
            if given.ndim:
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but found at least two devices, {self.device} "
                    f"and {value.device}!"
                )
            value = tensor_for_write(value, self)
            given = value._array
        if given.dtype != array.dtype:
            if given.ndim or lone_mask(arrays, array.ndim) is None:
                raise RuntimeError(
                    "Index put requires the source and destination dtypes match, got "
                    f"{dtypes.of(array.dtype).scalar_type} for the destination "
                    f"and {dtypes.of(given.dtype).scalar_type} for the source."
                )
            value = value.to(dtypes.of(array.dtype))
            given = value._array
    else:
        given = value = value_for_write(value, array)
    if not hasattr(given, "ndim") or isinstance(given, np.generic):
        given = value = xp(array).full((), given, array.dtype)
    inplace.check_overlap(array)
    before = None
    if recording:
        before = as_before(self, array)
        if value is self:
            value, given = before, given.copy()
    # One value wherever a mask says so needs no look at the mask, which the host would have to wait for.
    index: Any = lone_mask(arrays, array.ndim) if given.size == 1 else None
    function: Any = fill_mask
    if index is None:
        assert_inside(array, arrays, "index_put")
        index, function = advanced(arrays), put_at
        if value is not given and _same_cell(value, self) and inplace.overlap(array, given):
            raise RuntimeError(inplace.PARTLY)
    made = _recorded(function.op, array, before, index, value) if recording else None
    if function is fill_mask:
        xp(array).copyto(array, given.reshape(()), where=index)
    else:
        _store(array, index, given)
    bump(self)
    if made is not None:
        rebase(self, made)


def _recorded(op: Any, array: Any, before: Any, index: Any, value: Any) -> Tensor:
    """What `array` will be once `value` has been written to it."""
    op.build()
    result = from_array(array)
    result._node = node = op.record(array, before, index, value)
    result._requires_grad = True
    if gate.on and state.bits & SAVED_HOOKS:
        pack_made(node, (result,))
    return result


Tensor.__getitem__ = getitem  # type: ignore[method-assign]
Tensor.__setitem__ = setitem  # type: ignore[method-assign,assignment]
