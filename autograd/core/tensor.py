"""`Tensor`: an array, and how it was made."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from tapegrad.autograd.core.gate import INFERENCE, TRANSFORM, gate, state
from tapegrad.autograd.core.node import Node, Slot, keep_facts, kept_slots, make_slot, new
from tapegrad.autograd.core.version import INFERENCE_COUNTER, DetachedCounter, VersionCounter, counter_of
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.size import Size, size_of
from tapegrad.autograd.types.type_names import type_name
from tapegrad.backends import Device, backend

if TYPE_CHECKING:
    from tapegrad.autograd.core.tensor_methods import TensorMethods
    from tapegrad.autograd.core.view import View
else:
    TensorMethods = object  # the ops give Tensor their methods; what type checkers know of these stands in a stub


class Tensor(TensorMethods):
    """An array of any backend that remembers how it was computed.

    Tensors are made by the factories (`tapegrad.tensor`, `tapegrad.zeros`, ...) and by operations; ``t.array`` is the
    array itself.

    Example:
        >>> x = tapegrad.tensor([2.0, 3.0], requires_grad=True)
        >>> (x ** 2 + 3 * x).sum().backward()
        >>> x.grad
        tensor([7., 9.])
    """

    # _array  the array
    # _requires_grad     whether gradients flow into it (of a view: as of the last `sync`)
    # _node   the node that made it; None for a leaf
    # _view   how it was made as a view of another tensor; None for all others
    # _counter   the write history of its memory; None until the first alias or write
    # _grad   unset, or what backward has accumulated here
    # _extras   unset, or what hooks and the like keep
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_array",
        "_counter",
        "_extras",
        "_grad",
        "_node",
        "_requires_grad",
        "_view",
    )
    _array: Any
    _requires_grad: bool
    _node: Node | None
    _view: View | None
    _counter: VersionCounter | None
    _grad: Tensor | None
    _extras: dict[str, Any]
    #: ``Tensor(2, 3)`` and ``Tensor([1, 2])``; a factory of `ops/`
    _legacy: ClassVar[Callable[..., Tensor]]

    # NumPy leaves `ndarray * tensor` to the tensor.
    __array_ufunc__ = None
    __array_priority__ = 1000

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        if cls is Tensor and args and not isinstance(args[0], Tensor):
            return cls._legacy(*args, **kwargs)
        self = new(cls)
        self._array = None
        self._requires_grad = False
        self._node = self._view = self._counter = None
        if args and isinstance(args[0], Tensor):
            source = args[0]
            self._array = source._array
            self._counter = counter_of(source)
        elif cls is Tensor:
            self._array = np.empty(0, dtypes.get_default_dtype().numpy)
        return self

    # ---- the array

    @property
    def array(self) -> Any:
        """The array itself: a numpy.ndarray on the CPU, a cupy.ndarray on CUDA. Writing to it is not recorded."""
        return self._array

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return size_of(self._array.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the elements."""
        return dtypes.of(self._array.dtype)

    @property
    def device(self) -> Device:
        """Where the array lives."""
        return backend(self._array).device_of(self._array)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return cast(int, self._array.ndim)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return cast(int, self._array.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return cast(int, self._array.nbytes)

    @property
    def is_cuda(self) -> bool:
        """Whether the array lives on a CUDA device."""
        return self.device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        """Whether the array lives on the CPU."""
        return self.device.type == "cpu"

    # ---- how it was made

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow into this tensor; may be set on leaves."""
        return self._requires_grad if self._view is None else self._view.flows(self)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        now = self.requires_grad
        if self._node is not None:
            hint = (
                ""
                if value
                else (
                    " If you want to use a computed variable in a subgraph that doesn't require differentiation use "
                    "var_no_grad = "
                    "var.detach()."
                )
            )
            raise RuntimeError("you can only change requires_grad flags of leaf variables." + hint)
        if value and not now:
            if not dtypes.is_inexact(self._array.dtype):
                raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
            check_not_inference(self)
        self._requires_grad = value

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Change, in place, whether gradients flow into this leaf; returns it."""
        if not isinstance(requires_grad, bool):
            raise TypeError(
                "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not "
                f"{type(requires_grad).__name__}"
            )
        if requires_grad and not dtypes.is_inexact(self._array.dtype):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if self._node is None or not requires_grad:
            self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user, or requires no grad."""
        return self.grad_fn is None

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor; None for a leaf."""
        if self._view is not None:
            self._view.sync(self)
        node = self._node
        if node is None:
            return None
        keep_facts(node, self)
        return node.edges[0] if isinstance(node, Slot) else node

    @property
    def output_nr(self) -> int:
        """Which of its node's results this tensor is."""
        return self._node.nr if isinstance(self._node, Slot) else 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes have accumulated here, or None."""
        grad = getattr(self, "_grad", None)
        if grad is None and self._node is not None and not self.retains_grad:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during "
                "autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use "
                ".retain_grad() on the non-leaf Tensor. "
                "If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See "
                "github.com/pytorch/pytorch/pull/30531 for "
                "more information.",
                stacklevel=2,
            )
        return grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is None:
            self._grad = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type_name(value)}")
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value._array.dtype != self._array.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{value.dtype.name}' to a tensor with grad_dtype "
                f"'{self.dtype.name}'. "
                "The gradient must match the tensor's grad_dtype"
            )
        if value.device != self.device:
            raise RuntimeError(
                f"attempting to assign a gradient with device type '{value.device.type}' to a tensor with device type "
                f"'{self.device.type}'. Please ensure that the gradient and the tensor are on the same device"
            )
        if value._array.shape != self._array.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value._array.shape)}' to a tensor of size "
                f"'{list(self._array.shape)}'. "
                "Please ensure that the gradient and the tensor are the same size"
            )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def retains_grad(self) -> bool:
        """Whether backward keeps the gradient of this non-leaf, as `retain_grad` asks."""
        return self._node is not None and bool(getattr(self, "_extras", {}).get("retains_grad"))

    @property
    def data(self) -> Tensor:
        """The same memory as a tensor without history, whose writes are not noticed by the tape."""
        if self._counter is INFERENCE_COUNTER:
            return self.detach()
        return from_array(untied(self._array) if gate.on and state.bits & TRANSFORM else self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._requires_grad and not dtypes.is_inexact(value._array.dtype):
            raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
        self._array = untied(value._array) if gate.on and state.bits & TRANSFORM else value._array

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")

    def detach(self) -> Tensor:
        """The same memory without history; the tape notices writes to either.

        Example:
            >>> x = tapegrad.ones(2, requires_grad=True)
            >>> (x * 2).detach().requires_grad
            False
        """
        result = from_array(untied(self._array) if gate.on and state.bits & TRANSFORM else self._array)
        result._counter = counter_of(self)
        if result._counter is INFERENCE_COUNTER:
            result._view = self._view
        return result

    def detach_(self) -> Tensor:
        """Make this tensor a leaf without history; returns it."""
        if self._is_view():
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) "
                "for training, and "
                "gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() "
                "cannot be called on these "
                "gradients. To fix this error, please refer to the Optimizer.zero_grad() function in "
                "torch/optim/optimizer.py as the solution."
            )
        if self._node is not None:
            self._view = None
            self._counter = DetachedCounter(counter_of(self))
            getattr(self, "_extras", {}).pop("retains_grad", None)
        self._node = None
        self._requires_grad = False
        return self

    def _is_view(self) -> bool:
        """Whether this is a differentiable view of another tensor."""
        return self._base is not None

    @property
    def _base(self) -> Tensor | None:
        """The tensor, itself no view, that this is a view of; None for one that is no view."""
        return None if self._view is None else self._view.base(self)

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return self._counter is INFERENCE_COUNTER

    @property
    def _version(self) -> int:
        """How often the memory has been written."""
        check_tracks_version(self)
        return 0 if self._counter is None else self._counter.version

    # ---- Python's protocols

    # Tensors are compared elementwise and hashed by identity.
    __hash__ = object.__hash__

    def __format__(self, spec: str) -> str:
        if self._array.ndim == 0 and self.__class__ is Tensor:
            return format(self.item(), spec)
        return object.__format__(self, spec)


def untied(array: Any) -> Any:
    """The same memory as an array of which no transform knows a tangent."""
    return array.detached() if hasattr(array, "detached") else array[...]


def raw(value: Any) -> Any:
    """The array of a tensor; anything else as it is."""
    # arrays of other backends may have an `_array` of their own
    return value._array if isinstance(value, Tensor) else value


def from_array(array: Any) -> Tensor:
    """A tensor without history over `array`, which it shares."""
    t = new(Tensor)
    t._array = array
    t._requires_grad = False
    t._node = t._view = t._counter = None
    return t


def requires_grad(t: Tensor) -> bool:
    """`t.requires_grad`, with a view brought up to date."""
    return t._requires_grad if t._view is None else t._view.sync(t)


def check_not_inference(t: Tensor) -> None:
    """Refuse to let an inference tensor require grad outside inference mode."""
    if t._counter is INFERENCE_COUNTER and not state.bits & INFERENCE:
        raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")


def check_tracks_version(t: Tensor) -> None:
    """Refuse to tell the version of an inference tensor."""
    if t._counter is INFERENCE_COUNTER:
        raise RuntimeError("Inference tensors do not track version counter.")


def extras_of(t: Tensor) -> dict[str, Any]:
    """The dict where the tensor keeps its hooks, made if there is none."""
    extras = getattr(t, "_extras", None)
    if extras is None:
        extras = t._extras = {}
    return extras


def kept_result(node: Node, array: Any, counter: Any, nr: int | None = None) -> Tensor:
    """A kept result as the tensor it was, for rules that are to be recorded."""
    t = from_array(array)
    t._requires_grad = True
    t._counter = counter
    if nr is None:
        t._node = node.origin
    else:
        t._node = kept_slots.get((id(node.origin), nr)) or make_slot(node.origin, nr, array.dtype)
    return t
