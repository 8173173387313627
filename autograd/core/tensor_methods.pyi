"""`tapegrad.autograd.core.tensor_methods`, as type checkers see it. Written by tests/tools/make_stubs.py."""

# ruff: noqa
from builtins import bool as _bool, complex as _complex, float as _float, int as _int, type as _type
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, Self, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np
from typing_extensions import TypeIs

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.random.generator import Generator
from tapegrad.autograd.tape.handle import RemovableHandle
from tapegrad.autograd.types.dtypes import dtype as DType
from tapegrad.autograd.types.memory_format import memory_format as MemoryFormat
from tapegrad.autograd.types.size import Size
from tapegrad.backends.device import Device, DeviceLike

Number: TypeAlias = _bool | _int | _float | _complex
#: what may stand beside a tensor
Operand: TypeAlias = Tensor | np.ndarray[Any, Any] | np.generic | Number
Dims: TypeAlias = _int | Sequence[_int]
DTypeLike: TypeAlias = DType | np.dtype[Any] | _type[Any] | str
Index: TypeAlias = (
    SupportsIndex | slice | EllipsisType | Tensor | np.ndarray[Any, Any] | list[Any] | tuple[Any, ...] | range | None
)

class ValuesIndices(tuple[Tensor, Tensor]):
    @property
    def values(self) -> Tensor: ...
    @property
    def indices(self) -> Tensor: ...

class MinMax(tuple[Tensor, Tensor]):
    @property
    def min(self) -> Tensor: ...
    @property
    def max(self) -> Tensor: ...

class MantissaExponent(tuple[Tensor, Tensor]):
    @property
    def mantissa(self) -> Tensor: ...
    @property
    def exponent(self) -> Tensor: ...

class TensorMethods:
    """The methods, properties and operators that Tensor gets from the ops."""

    @property
    def H(self) -> Tensor:
        """The matrix transposed and conjugated."""

    @property
    def T(self) -> Tensor:
        """The tensor with its dimensions in reverse order; a view."""

    def __abs__(self) -> Tensor: ...
    def __add__(self, other: Operand) -> Tensor: ...
    def __and__(self, other: Operand) -> Tensor: ...
    def __array__(self, dtype: Any = None, copy: _bool | None = None) -> np.ndarray[Any, Any]: ...
    def __bool__(self) -> _bool: ...
    def __complex__(self) -> _complex: ...
    def __contains__(self, value: Number) -> _bool: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...
    def __deepcopy__(self, memo: dict[_int, Any]) -> Tensor: ...
    def __dlpack__(
        self,
        *,
        stream: _int | None = None,
        max_version: tuple[_int, _int] | None = None,
        dl_device: tuple[_int, _int] | None = None,
        copy: _bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[_int, _int]: ...
    def __eq__(self, other: Operand) -> Tensor: ...  # type: ignore[override]
    def __float__(self) -> _float: ...
    def __floordiv__(self, other: Operand) -> Tensor: ...
    def __ge__(self, other: Operand) -> Tensor: ...
    def __getitem__(self, index: Index) -> Tensor: ...
    def __gt__(self, other: Operand) -> Tensor: ...
    def __iadd__(self, other: Operand) -> Self: ...
    def __iand__(self, other: Operand) -> Self: ...
    def __ifloordiv__(self, other: Operand) -> Self: ...
    def __ilshift__(self, other: Operand) -> Self: ...
    def __imod__(self, other: Operand) -> Self: ...
    def __imul__(self, other: Operand) -> Self: ...
    def __index__(self) -> _int: ...
    def __int__(self) -> _int: ...
    def __invert__(self) -> Tensor: ...
    def __ior__(self, other: Operand) -> Self: ...
    def __ipow__(self, other: Operand) -> Self: ...
    def __irshift__(self, other: Operand) -> Self: ...
    def __isub__(self, other: Operand) -> Self: ...
    def __iter__(self) -> Iterator[Tensor]: ...
    def __itruediv__(self, other: Operand) -> Self: ...
    def __ixor__(self, other: Operand) -> Self: ...
    def __le__(self, other: Operand) -> Tensor: ...
    def __len__(self) -> _int: ...
    def __lshift__(self, other: Operand) -> Tensor: ...
    def __lt__(self, other: Operand) -> Tensor: ...
    def __matmul__(self, other: Operand) -> Tensor: ...
    def __mod__(self, other: Operand) -> Tensor: ...
    def __mul__(self, other: Operand) -> Tensor: ...
    def __ne__(self, other: Operand) -> Tensor: ...  # type: ignore[override]
    def __neg__(self) -> Tensor: ...
    def __or__(self, other: Operand) -> Tensor: ...
    def __pos__(self) -> Tensor: ...
    def __pow__(self, other: Operand) -> Tensor: ...
    def __radd__(self, other: Operand) -> Tensor: ...
    def __rand__(self, other: Operand) -> Tensor: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]: ...
    def __repr__(self) -> str: ...
    def __rfloordiv__(self, other: Operand) -> Tensor: ...
    def __rlshift__(self, other: Operand) -> Tensor: ...
    def __rmatmul__(self, other: Operand) -> Tensor: ...
    def __rmod__(self, other: Operand) -> Tensor: ...
    def __rmul__(self, other: Operand) -> Tensor: ...
    def __ror__(self, other: Operand) -> Tensor: ...
    def __rpow__(self, other: Operand) -> Tensor: ...
    def __rrshift__(self, other: Operand) -> Tensor: ...
    def __rshift__(self, other: Operand) -> Tensor: ...
    def __rsub__(self, other: Operand) -> Tensor: ...
    def __rtruediv__(self, other: Operand) -> Tensor: ...
    def __rxor__(self, other: Operand) -> Tensor: ...
    def __setitem__(self, index: Index, value: Operand) -> None: ...
    def __sub__(self, other: Operand) -> Tensor: ...
    def __truediv__(self, other: Operand) -> Tensor: ...
    def __xor__(self, other: Operand) -> Tensor: ...
    @property
    def _backward_hooks(self) -> OrderedDict[_int, Any] | None: ...
    @_backward_hooks.setter
    def _backward_hooks(self, value: OrderedDict[_int, Any] | None) -> None: ...
    def abs(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise magnitude; of complex numbers a real result. Its derivative at 0 is 0."""

    def abs_(self) -> Self:
        """In-place form of `abs`; returns the tensor."""

    def absolute(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise magnitude; of complex numbers a real result. Its derivative at 0 is 0."""

    def absolute_(self) -> Self:
        """In-place form of `abs`; returns the tensor."""

    def acos(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse cosine, NaN outside [-1, 1]."""

    def acos_(self) -> Self:
        """In-place form of `acos`; returns the tensor."""

    def acosh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse hyperbolic cosine, NaN below 1."""

    def acosh_(self) -> Self:
        """In-place form of `acosh`; returns the tensor."""

    def add(self, other: Operand, *, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
        """Elementwise sum, ``input + alpha * other``."""

    def add_(self, other: Operand, *, alpha: _float = 1) -> Self:
        """In-place form of `add`; returns the tensor."""

    def addbmm(
        self, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
    ) -> Tensor:
        """``beta * input + alpha * bmm(batch1, batch2).sum(0)``."""

    def addbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Self:
        """In-place form of `addbmm`; returns the tensor."""

    def addcdiv(self, tensor1: Operand, tensor2: Operand, *, value: _float = 1, out: Tensor | None = None) -> Tensor:
        """``input + value * tensor1 / tensor2``, elementwise; all three broadcast."""

    def addcdiv_(self, tensor1: Operand, tensor2: Operand, *, value: _float = 1) -> Self:
        """In-place form of `addcdiv`; returns the tensor."""

    def addcmul(self, tensor1: Operand, tensor2: Operand, *, value: _float = 1, out: Tensor | None = None) -> Tensor:
        """``input + value * tensor1 * tensor2``, elementwise; all three broadcast."""

    def addcmul_(self, tensor1: Operand, tensor2: Operand, *, value: _float = 1) -> Self:
        """In-place form of `addcmul`; returns the tensor."""

    def addmm(
        self, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
    ) -> Tensor:
        """``beta * input + alpha * (mat1 @ mat2)``."""

    def addmm_(self, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Self:
        """In-place form of `addmm`; returns the tensor."""

    def addmv(
        self, mat: Tensor, vec: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
    ) -> Tensor:
        """``beta * input + alpha * (mat @ vec)``."""

    def addmv_(self, mat: Tensor, vec: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Self:
        """In-place form of `addmv`; returns the tensor."""

    def addr(
        self, vec1: Tensor, vec2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
    ) -> Tensor:
        """``beta * input + alpha * outer(vec1, vec2)``."""

    def addr_(self, vec1: Tensor, vec2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Self:
        """In-place form of `addr`; returns the tensor."""

    def adjoint(self) -> Tensor:
        """The matrices of `input` transposed and conjugated; a view where they are real."""

    def all(
        self,
        dim: Dims | None = None,
        keepdim: _bool = False,
        *,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Whether all elements are true (not zero), of all or along dimensions."""

    def allclose(self, other: Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _bool:
        """Whether all elements are close, as by `isclose`."""

    def amax(
        self,
        dim: Dims = (),
        keepdim: _bool = False,
        *,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The largest of all elements, or along dimensions; equal ones share the gradient."""

    def amin(
        self,
        dim: Dims = (),
        keepdim: _bool = False,
        *,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The smallest of all elements, or along dimensions; equal ones share the gradient."""

    def aminmax(
        self, *, dim: _int | None = None, keepdim: _bool = False, out: tuple[Tensor, Tensor] | None = None
    ) -> MinMax:
        """The smallest and the largest of all elements, or along a dimension; equal ones share the gradient."""

    def angle(self, *, out: Tensor | None = None) -> Tensor:
        """The angle in radians; of a real number 0, or pi where it is negative."""

    def any(
        self,
        dim: Dims | None = None,
        keepdim: _bool = False,
        *,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Whether any element is true (not zero), of all or along dimensions."""

    def arccos(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse cosine, NaN outside [-1, 1]."""

    def arccos_(self) -> Self:
        """In-place form of `acos`; returns the tensor."""

    def arccosh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse hyperbolic cosine, NaN below 1."""

    def arccosh_(self) -> Self:
        """In-place form of `acosh`; returns the tensor."""

    def arcsin(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse sine, NaN outside [-1, 1]."""

    def arcsin_(self) -> Self:
        """In-place form of `asin`; returns the tensor."""

    def arcsinh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse hyperbolic sine."""

    def arcsinh_(self) -> Self:
        """In-place form of `asinh`; returns the tensor."""

    def arctan(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse tangent."""

    def arctan2(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Angle of the point (`other`, `input`) in radians, from -pi to pi. Its derivatives at the origin are 0."""

    def arctan2_(self, other: Operand) -> Self:
        """In-place form of `atan2`; returns the tensor."""

    def arctan_(self) -> Self:
        """In-place form of `atan`; returns the tensor."""

    def arctanh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse hyperbolic tangent, infinite at -1 and 1, NaN beyond."""

    def arctanh_(self) -> Self:
        """In-place form of `atanh`; returns the tensor."""

    def argmax(
        self,
        dim: _int | None = None,
        keepdim: _bool = False,
        *,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The index of the largest element, of equal ones the first; in the flattened tensor, or along `dim`."""

    def argmin(
        self,
        dim: _int | None = None,
        keepdim: _bool = False,
        *,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The index of the smallest element, of equal ones the first; in the flattened tensor, or along `dim`."""

    def argsort(
        self,
        dim: _int = -1,
        descending: _bool = False,
        stable: _bool = False,
        *,
        axis: Dims | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The indices that `sort` a tensor along a dimension."""

    def argwhere(self) -> Tensor:
        """The indices of the elements that are not zero, one in a row."""

    def as_strided(self, size: Sequence[_int], stride: Dims, storage_offset: _int | None = None) -> Tensor:
        """A view of the tensor's memory with any shape and strides."""

    def as_strided_(self, size: Sequence[_int], stride: Dims, storage_offset: _int | None = None) -> Self:
        """Give the tensor another shape and other strides over its memory, in place; returns it."""

    def asin(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse sine, NaN outside [-1, 1]."""

    def asin_(self) -> Self:
        """In-place form of `asin`; returns the tensor."""

    def asinh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse hyperbolic sine."""

    def asinh_(self) -> Self:
        """In-place form of `asinh`; returns the tensor."""

    def atan(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse tangent."""

    def atan2(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Angle of the point (`other`, `input`) in radians, from -pi to pi. Its derivatives at the origin are 0."""

    def atan2_(self, other: Operand) -> Self:
        """In-place form of `atan2`; returns the tensor."""

    def atan_(self) -> Self:
        """In-place form of `atan`; returns the tensor."""

    def atanh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise inverse hyperbolic tangent, infinite at -1 and 1, NaN beyond."""

    def atanh_(self) -> Self:
        """In-place form of `atanh`; returns the tensor."""

    def atleast_1d(self) -> Tensor:
        """Views with at least one dimension."""

    def atleast_2d(self) -> Tensor:
        """Views with at least two dimensions, new ones in front."""

    def atleast_3d(self) -> Tensor:
        """Views with at least three dimensions, the last of them new where there were two."""

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: _bool | None = None,
        create_graph: _bool = False,
        inputs: Tensor | list[Tensor] | None = None,
    ) -> None:
        """Accumulate the gradient of this tensor into the leaves it was computed from."""

    def baddbmm(
        self, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
    ) -> Tensor:
        """``beta * input + alpha * bmm(batch1, batch2)``."""

    def baddbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Self:
        """In-place form of `baddbmm`; returns the tensor."""

    def bernoulli(
        self, p: _float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
    ) -> Tensor:
        """Zeros and ones; each is one with the probability that `input` holds there (or `p`)."""

    def bernoulli_(self, p: _float | Tensor = 0.5, *, generator: Generator | None = None) -> Self:
        """Fill with zeros and ones, ones with probability `p` (a number, or a tensor); returns the tensor."""

    def bfloat16(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype bfloat16; itself where it has them."""

    def bincount(self, weights: Tensor | None = None, minlength: _int = 0) -> Tensor:
        """How often each of 0, 1, 2, ... occurs, or the sum of its weights."""

    def bitwise_and(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Bitwise "and" of integers or bool, Python's ``&``."""

    def bitwise_and_(self, other: Operand) -> Self:
        """In-place form of `bitwise_and`; returns the tensor."""

    def bitwise_left_shift(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Left shift of integers or bool, Python's ``<<``."""

    def bitwise_left_shift_(self, other: Operand) -> Self:
        """In-place form of `bitwise_left_shift`; returns the tensor."""

    def bitwise_not(self, *, out: Tensor | None = None) -> Tensor:
        """Bitwise "not" of integers or bool, Python's ``~``."""

    def bitwise_not_(self) -> Self:
        """In-place form of `bitwise_not`; returns the tensor."""

    def bitwise_or(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Bitwise "or" of integers or bool, Python's ``|``."""

    def bitwise_or_(self, other: Operand) -> Self:
        """In-place form of `bitwise_or`; returns the tensor."""

    def bitwise_right_shift(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Right shift of integers or bool, Python's ``>>``."""

    def bitwise_right_shift_(self, other: Operand) -> Self:
        """In-place form of `bitwise_right_shift`; returns the tensor."""

    def bitwise_xor(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Bitwise "xor" of integers or bool, Python's ``^``."""

    def bitwise_xor_(self, other: Operand) -> Self:
        """In-place form of `bitwise_xor`; returns the tensor."""

    def bmm(self, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The products of two stacks of matrices."""

    def bool(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype bool; itself where it has them."""

    @overload
    def broadcast_to(self, *size: _int) -> Tensor:
        """`input` expanded to the shape `size`."""

    @overload
    def broadcast_to(self, size: Sequence[_int]) -> Tensor: ...
    def byte(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype uint8; itself where it has them."""

    def cauchy_(self, median: _float = 0.0, sigma: _float = 1.0, *, generator: Generator | None = None) -> Self:
        """Fill with Cauchy random numbers; returns the tensor."""

    def cdouble(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype complex128; itself where it has them."""

    def ceil(self, *, out: Tensor | None = None) -> Tensor:
        """The smallest integer that is not less. Its gradient is zero."""

    def ceil_(self) -> Self:
        """In-place form of `ceil`; returns the tensor."""

    def cfloat(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype complex64; itself where it has them."""

    def char(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype int8; itself where it has them."""

    def chunk(self, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
        """A dimension cut into at most `chunks` pieces of one size, the last perhaps smaller, as a tuple of views."""

    def clamp(self, min: Operand | None = None, max: Operand | None = None, *, out: Tensor | None = None) -> Tensor:
        """Elements held within bounds; the gradient passes at the bounds too."""

    def clamp_(self, min: Operand | None = None, max: Operand | None = None) -> Self:
        """In-place form of `clamp`; returns the tensor."""

    def clamp_max(self, max: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elements held below an upper bound, a number or a tensor."""

    def clamp_max_(self, max: Operand) -> Self:
        """In-place form of `clamp_max`; returns the tensor."""

    def clamp_min(self, min: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elements held above a lower bound, a number or a tensor."""

    def clamp_min_(self, min: Operand) -> Self:
        """In-place form of `clamp_min`; returns the tensor."""

    def clip(self, min: Operand | None = None, max: Operand | None = None, *, out: Tensor | None = None) -> Tensor:
        """Elements held within bounds; the gradient passes at the bounds too."""

    def clip_(self, min: Operand | None = None, max: Operand | None = None) -> Self:
        """In-place form of `clamp`; returns the tensor."""

    def clone(self, *, memory_format: MemoryFormat | None = None, out: Tensor | None = None) -> Tensor:
        """A copy that gradients flow through; its memory is laid out as that of `input`, without gaps."""

    def conj(self) -> Tensor:
        """The complex conjugate; a real tensor is its own."""

    def conj_physical(self, *, out: Tensor | None = None) -> Tensor:
        """The complex conjugate in memory of its own; a real tensor is its own."""

    def conj_physical_(self) -> Self:
        """In-place form of `conj_physical`; returns the tensor."""

    def contiguous(self, memory_format: MemoryFormat | None = None) -> Tensor: ...
    def copy_(self, src: Operand, non_blocking: _bool = False) -> Self:
        """Write `src` over this tensor's elements; returns it."""

    def copysign(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """The magnitude of `input` with the sign of `other`; integers are taken as the default dtype."""

    def copysign_(self, other: Operand) -> Self:
        """In-place form of `copysign`; returns the tensor."""

    def cos(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise cosine, of radians."""

    def cos_(self) -> Self:
        """In-place form of `cos`; returns the tensor."""

    def cosh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise hyperbolic cosine."""

    def cosh_(self) -> Self:
        """In-place form of `cosh`; returns the tensor."""

    def count_nonzero(self, dim: Dims | None = None, *, axis: Dims | None = None, out: Tensor | None = None) -> Tensor:
        """How many elements are not zero, of all or along dimensions."""

    def cpu(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor on the CPU; itself where it is there."""

    def cross(self, other: Tensor, dim: _int | None = None, *, out: Tensor | None = None) -> Tensor:
        """The vector products along a dimension of size 3."""

    def cuda(
        self, device: DeviceLike | None = None, non_blocking: _bool = False, memory_format: MemoryFormat | None = None
    ) -> Tensor:
        """The tensor on a CUDA device; itself where it is there."""

    def cummax(self, dim: _int, *, out: tuple[Tensor, Tensor] | None = None) -> ValuesIndices:
        """The largest element so far along a dimension, and its index; of equal ones the latest."""

    def cummin(self, dim: _int, *, out: tuple[Tensor, Tensor] | None = None) -> ValuesIndices:
        """The smallest element so far along a dimension, and its index; of equal ones the latest."""

    def cumprod(
        self, dim: _int, *, dtype: DTypeLike | None = None, axis: Dims | None = None, out: Tensor | None = None
    ) -> Tensor:
        """The running product along a dimension; its gradient is exact where elements are zero."""

    def cumprod_(self, dim: _int, *, dtype: DTypeLike | None = None) -> Self:
        """In-place form of `cumprod`; returns the tensor."""

    def cumsum(
        self, dim: _int, *, dtype: DTypeLike | None = None, axis: Dims | None = None, out: Tensor | None = None
    ) -> Tensor:
        """The running sum along a dimension; integers and bool are added up as int64."""

    def cumsum_(self, dim: _int, *, dtype: DTypeLike | None = None) -> Self:
        """In-place form of `cumsum`; returns the tensor."""

    def data_ptr(self) -> _int:
        """The address of the first element; 0 if there is none."""

    def deg2rad(self, *, out: Tensor | None = None) -> Tensor:
        """Degrees as radians."""

    def deg2rad_(self) -> Self:
        """In-place form of `deg2rad`; returns the tensor."""

    def diag(self, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
        """The matrix with a vector on its diagonal, or a copy of the diagonal of a matrix."""

    def diag_embed(self, offset: _int = 0, dim1: _int = -2, dim2: _int = -1, *, out: Tensor | None = None) -> Tensor:
        """Matrices with the last dimension of `input` on a diagonal, and zeros beside it."""

    def diagflat(self, offset: _int = 0) -> Tensor:
        """The matrix with all elements of `input` on its diagonal."""

    def diagonal(self, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
        """The diagonals of the matrices in two dimensions of `input`, as the last dimension; a view."""

    def diagonal_scatter(
        self, src: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1, *, out: Tensor | None = None
    ) -> Tensor:
        """`input` with a diagonal replaced by `src`."""

    def diff(
        self,
        n: _int = 1,
        dim: _int = -1,
        prepend: Tensor | None = None,
        append: Tensor | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        """Differences of neighbours along a dimension, `n` times over."""

    def digamma(self, *, out: Tensor | None = None) -> Tensor:
        """The derivative of the logarithm of the gamma function."""

    def digamma_(self) -> Self:
        """In-place form of `digamma`; returns the tensor."""

    def dim(self) -> _int:
        """The number of dimensions."""

    def dist(self, other: Tensor, p: _float = 2) -> Tensor:
        """The norm of order `p` of ``input - other`` as one vector."""

    def div(self, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
        """Elementwise quotient; integers are divided as the default dtype."""

    def div_(self, other: Operand, *, rounding_mode: str | None = None) -> Self:
        """In-place form of `div`; returns the tensor."""

    def divide(self, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
        """Elementwise quotient; integers are divided as the default dtype."""

    def divide_(self, other: Operand, *, rounding_mode: str | None = None) -> Self:
        """In-place form of `div`; returns the tensor."""

    def dot(self, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The sum of the products of the elements of two vectors."""

    def double(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype float64; itself where it has them."""

    def dsplit(self, indices_or_sections: _int | Sequence[_int] | Tensor) -> tuple[Tensor, ...]:
        """The third dimension cut into equal pieces, or at given indices, as a tuple of views."""

    def element_size(self) -> _int:
        """Bytes of one element."""

    def eq(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input == other``; `other` is a tensor or a number."""

    def eq_(self, other: Operand) -> Self:
        """In-place form of `eq`; returns the tensor."""

    def equal(self, other: Tensor) -> _bool:
        """Whether two tensors have the same shape and equal elements."""

    def erf(self, *, out: Tensor | None = None) -> Tensor:
        """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t * t)`` from 0 to `input`."""

    def erf_(self) -> Self:
        """In-place form of `erf`; returns the tensor."""

    def erfc(self, *, out: Tensor | None = None) -> Tensor:
        """The complementary error function, ``1 - erf(input)``."""

    def erfc_(self) -> Self:
        """In-place form of `erfc`; returns the tensor."""

    def erfinv(self, *, out: Tensor | None = None) -> Tensor:
        """The inverse of `erf`: infinite at -1 and 1, NaN beyond."""

    def erfinv_(self) -> Self:
        """In-place form of `erfinv`; returns the tensor."""

    def exp(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise exponential."""

    def exp2(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise power of two."""

    def exp2_(self) -> Self:
        """In-place form of `exp2`; returns the tensor."""

    def exp_(self) -> Self:
        """In-place form of `exp`; returns the tensor."""

    @overload
    def expand(self, *sizes: _int) -> Tensor:
        """`input` repeated along its dimensions of size 1, and along new ones in front, without a copy."""

    @overload
    def expand(self, sizes: Sequence[_int]) -> Tensor: ...
    def expand_as(self, other: Tensor) -> Tensor:
        """`input` expanded to the shape of `other`."""

    def expm1(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``exp(input) - 1``, accurate near 0."""

    def expm1_(self) -> Self:
        """In-place form of `expm1`; returns the tensor."""

    def exponential_(self, lambd: _float = 1.0, *, generator: Generator | None = None) -> Self:
        """Fill with exponential random numbers of rate `lambd`; returns the tensor."""

    def fill(self, value: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
        """A tensor of the shape and dtype of `input` with every element `value`."""

    def fill_(self, value: Tensor | Number) -> Self:
        """In-place form of `fill`; returns the tensor."""

    def fix(self, *, out: Tensor | None = None) -> Tensor:
        """The integer part. Its gradient is zero."""

    def fix_(self) -> Self:
        """In-place form of `trunc`; returns the tensor."""

    def flatten(self, start_dim: _int = 0, end_dim: _int = -1) -> Tensor:
        """`input` with the dimensions from `start_dim` to `end_dim` made one."""

    @overload
    def flip(self, *dims: _int) -> Tensor:
        """A copy with the order of the elements along some dimensions reversed."""

    @overload
    def flip(self, dims: Dims) -> Tensor: ...
    def fliplr(self) -> Tensor:
        """A copy with the order of the columns reversed."""

    def flipud(self) -> Tensor:
        """A copy with the order of the rows reversed."""

    def float(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype float32; itself where it has them."""

    def float_power(self, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise power in double precision; one of the two may be a number."""

    def float_power_(self, exponent: Operand) -> Self:
        """In-place form of `float_power`; returns the tensor."""

    def floor(self, *, out: Tensor | None = None) -> Tensor:
        """The largest integer that is not greater. Its gradient is zero."""

    def floor_(self) -> Self:
        """In-place form of `floor`; returns the tensor."""

    def floor_divide(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise quotient rounded down, Python's ``//``."""

    def floor_divide_(self, other: Operand) -> Self:
        """In-place form of `floor_divide`; returns the tensor."""

    def fmax(self, other: Operand, *, out: Tensor | None = None) -> Tensor: ...
    def fmin(self, other: Operand, *, out: Tensor | None = None) -> Tensor: ...
    def fmod(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """The rest of the division rounded towards zero, C's ``fmod``; it has the sign of `input`."""

    def fmod_(self, other: Operand) -> Self:
        """In-place form of `fmod`; returns the tensor."""

    def frac(self, *, out: Tensor | None = None) -> Tensor:
        """The fractional part, with the sign of `input`."""

    def frac_(self) -> Self:
        """In-place form of `frac`; returns the tensor."""

    def frexp(self, *, out: tuple[Tensor, Tensor] | None = None) -> MantissaExponent:
        """Mantissas in [0.5, 1) and powers of two, ``input = mantissa * 2 ** exponent``."""

    def gather(
        self,
        dim: _int,
        index: Tensor,
        *,
        sparse_grad: _bool = False,
        axis: Dims | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The elements that an index names along a dimension: ``out[i, j] = input[index[i, j], j]`` for `dim` 0."""

    def gcd(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Greatest common divisor of integers."""

    def gcd_(self, other: Operand) -> Self:
        """In-place form of `gcd`; returns the tensor."""

    def ge(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input >= other``; `other` is a tensor or a number."""

    def ge_(self, other: Operand) -> Self:
        """In-place form of `ge`; returns the tensor."""

    def geometric_(self, p: _float, *, generator: Generator | None = None) -> Self:
        """Fill with numbers of trials until the first success, each of probability `p`; returns the tensor."""

    def ger(self, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
        """`outer` by BLAS' name."""

    def get_device(self) -> _int:
        """The index of the device; -1 on the CPU."""

    def greater(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input > other``; `other` is a tensor or a number."""

    def greater_(self, other: Operand) -> Self:
        """In-place form of `gt`; returns the tensor."""

    def greater_equal(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input >= other``; `other` is a tensor or a number."""

    def greater_equal_(self, other: Operand) -> Self:
        """In-place form of `ge`; returns the tensor."""

    def gt(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input > other``; `other` is a tensor or a number."""

    def gt_(self, other: Operand) -> Self:
        """In-place form of `gt`; returns the tensor."""

    def half(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype float16; itself where it has them."""

    def hardshrink(self, lambd: _float = 0.5, *, out: Tensor | None = None) -> Tensor:
        """`input`, and 0 where its magnitude is at most `lambd`."""

    def heaviside(self, values: Tensor, *, out: Tensor | None = None) -> Tensor:
        """0 where `input` is negative, 1 where it is positive, `values` where it is zero."""

    def heaviside_(self, values: Tensor) -> Self:
        """In-place form of `heaviside`; returns the tensor."""

    def histc(self, bins: _int = 100, min: _float = 0, max: _float = 0, *, out: Tensor | None = None) -> Tensor:
        """How many elements lie in each of equally wide bins; those outside are not counted."""

    def hsplit(self, indices_or_sections: _int | Sequence[_int] | Tensor) -> tuple[Tensor, ...]: ...
    def hypot(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """The hypotenuse, ``sqrt(input ** 2 + other ** 2)``, without overflow."""

    def hypot_(self, other: Operand) -> Self:
        """In-place form of `hypot`; returns the tensor."""

    @property
    def imag(self) -> Tensor:
        """The imaginary parts."""

    @imag.setter
    def imag(self, value: Tensor) -> None: ...
    def index_add(
        self,
        dim: _int,
        index: Tensor,
        source: Tensor,
        *,
        alpha: _float = 1,
        axis: Dims | None = None,
        out: Tensor | None = None,
    ) -> Tensor: ...
    def index_add_(self, dim: _int, index: Tensor, source: Tensor, *, alpha: _float = 1) -> Self:
        """In-place form of `index_add`; returns the tensor."""

    def index_copy(
        self, dim: _int, index: Tensor, source: Tensor, *, axis: Dims | None = None, out: Tensor | None = None
    ) -> Tensor:
        """`input` with the items of `source` in the places that an index names along a dimension."""

    def index_copy_(self, dim: _int, index: Tensor, source: Tensor) -> Self:
        """In-place form of `index_copy`; returns the tensor."""

    def index_fill(
        self, dim: _int, index: Tensor, value: Tensor | Number, *, axis: Dims | None = None, out: Tensor | None = None
    ) -> Tensor:
        """`input` with one value in the places that an index names along a dimension."""

    def index_fill_(self, dim: _int, index: Tensor, value: Tensor | Number) -> Self:
        """In-place form of `index_fill`; returns the tensor."""

    def index_put(self, indices: Sequence[Tensor | None], values: Tensor, accumulate: _bool = False) -> Tensor:
        """`input` with `values` written at ``input[indices]``."""

    def index_put_(self, indices: Sequence[Tensor | None], values: Tensor, accumulate: _bool = False) -> Self:
        """In-place form of `index_put`; returns the tensor."""

    def index_reduce(
        self, dim: _int, index: Tensor, source: Tensor, reduce: str, *, include_self: _bool = True
    ) -> Tensor:
        """`input` with the items of `source` combined where an index says along a dimension."""

    def index_reduce_(
        self, dim: _int, index: Tensor, source: Tensor, reduce: str, *, include_self: _bool = True
    ) -> Self:
        """In-place form of `index_reduce`; returns the tensor."""

    def index_select(self, dim: _int, index: Tensor, *, axis: Dims | None = None, out: Tensor | None = None) -> Tensor:
        """The items that an index names along a dimension."""

    def inner(self, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The sums of products over the last dimension of both tensors."""

    def int(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype int32; itself where it has them."""

    def is_complex(self) -> _bool:
        """Whether the elements are complex numbers."""

    def is_contiguous(self, memory_format: MemoryFormat | None = None) -> _bool:
        """Whether the elements lie in memory in the order of their indices, or of `memory_format`, without gaps."""

    def is_floating_point(self) -> _bool:
        """Whether the elements are real floating-point numbers."""

    def is_nonzero(self) -> _bool:
        """Whether a tensor of one element holds anything but zero."""

    def is_pinned(self, device: DeviceLike | None = None) -> _bool:
        """Whether the tensor is in pinned host memory."""

    def is_same_size(self, other: Tensor) -> _bool:
        """Whether the shapes agree."""

    def is_signed(self) -> _bool:
        """Whether the dtype can hold negative numbers."""

    def isclose(
        self,
        other: Tensor,
        rtol: _float = 1e-05,
        atol: _float = 1e-08,
        equal_nan: _bool = False,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        """Whether elements differ by at most ``atol + rtol * abs(other)``; both tensors have the same dtype."""

    def isfinite(self, *, out: Tensor | None = None) -> Tensor:
        """Whether an element is neither infinite nor NaN."""

    def isinf(self, *, out: Tensor | None = None) -> Tensor:
        """Whether an element is infinite."""

    def isnan(self, *, out: Tensor | None = None) -> Tensor:
        """Whether an element is NaN."""

    def isneginf(self, *, out: Tensor | None = None) -> Tensor:
        """Whether an element is infinite and negative."""

    def isposinf(self, *, out: Tensor | None = None) -> Tensor:
        """Whether an element is infinite and positive."""

    def isreal(self) -> Tensor:
        """Whether the imaginary part is zero."""

    def item(self) -> _bool | _int | _float:
        """The value of a one-element tensor as a Python number."""

    def kron(self, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The Kronecker product: each element of `input` times all of `other`, in its place."""

    def kthvalue(
        self, k: _int, dim: _int = -1, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices:
        """The `k`-th smallest element along a dimension, and its index; NaN counts as the largest."""

    def lcm(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Least common multiple of integers."""

    def lcm_(self, other: Operand) -> Self:
        """In-place form of `lcm`; returns the tensor."""

    def ldexp(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """``input * 2 ** other``, elementwise; `other` is usually of integers."""

    def ldexp_(self, other: Operand) -> Self:
        """In-place form of `ldexp`; returns the tensor."""

    def le(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input <= other``; `other` is a tensor or a number."""

    def le_(self, other: Operand) -> Self:
        """In-place form of `le`; returns the tensor."""

    def lerp(self, end: Tensor, weight: Tensor | _float, *, out: Tensor | None = None) -> Tensor:
        """Linear interpolation, ``input + weight * (end - input)``."""

    def lerp_(self, end: Tensor, weight: Tensor | _float) -> Self:
        """In-place form of `lerp`; returns the tensor."""

    def less(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input < other``; `other` is a tensor or a number."""

    def less_(self, other: Operand) -> Self:
        """In-place form of `lt`; returns the tensor."""

    def less_equal(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input <= other``; `other` is a tensor or a number."""

    def less_equal_(self, other: Operand) -> Self:
        """In-place form of `le`; returns the tensor."""

    def lgamma(self, *, out: Tensor | None = None) -> Tensor:
        """The logarithm of the magnitude of the gamma function."""

    def lgamma_(self) -> Self:
        """In-place form of `lgamma`; returns the tensor."""

    def log(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise natural logarithm, NaN of negative numbers."""

    def log10(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise logarithm to base 10."""

    def log10_(self) -> Self:
        """In-place form of `log10`; returns the tensor."""

    def log1p(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``log(1 + input)``, accurate near 0."""

    def log1p_(self) -> Self:
        """In-place form of `log1p`; returns the tensor."""

    def log2(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise logarithm to base 2."""

    def log2_(self) -> Self:
        """In-place form of `log2`; returns the tensor."""

    def log_(self) -> Self:
        """In-place form of `log`; returns the tensor."""

    def log_normal_(self, mean: _float = 1.0, std: _float = 2.0, *, generator: Generator | None = None) -> Self:
        """Fill with numbers whose logarithms are normal; returns the tensor."""

    def log_softmax(
        self, dim: _int, *, dtype: DTypeLike | None = None, axis: Dims | None = None, out: Tensor | None = None
    ) -> Tensor:
        """The logarithm of `softmax`, without overflow or loss of precision."""

    def logaddexp(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """``log(exp(input) + exp(other))``, without overflow."""

    def logaddexp2(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """``log2(2 ** input + 2 ** other)``, without overflow."""

    def logcumsumexp(self, dim: _int, *, axis: Dims | None = None, out: Tensor | None = None) -> Tensor:
        """The logarithm of the running sum of exponentials along a dimension, without overflow."""

    def logical_and(self, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Elementwise "and"; numbers are true unless zero."""

    def logical_and_(self, other: Tensor) -> Self:
        """In-place form of `logical_and`; returns the tensor."""

    def logical_not(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise "not"; numbers are true unless zero."""

    def logical_not_(self) -> Self:
        """In-place form of `logical_not`; returns the tensor."""

    def logical_or(self, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Elementwise "or"; numbers are true unless zero."""

    def logical_or_(self, other: Tensor) -> Self:
        """In-place form of `logical_or`; returns the tensor."""

    def logical_xor(self, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Elementwise "either, not both"; numbers are true unless zero."""

    def logical_xor_(self, other: Tensor) -> Self:
        """In-place form of `logical_xor`; returns the tensor."""

    def logit(self, eps: _float | None = None, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``log(input / (1 - input))``, the inverse of `sigmoid`."""

    def logit_(self, eps: _float | None = None) -> Self:
        """In-place form of `logit`; returns the tensor."""

    def logsumexp(
        self,
        dim: Dims | None = None,
        keepdim: _bool = False,
        *,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """``log(sum(exp(input)))`` along dimensions, without overflow."""

    def long(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype int64; itself where it has them."""

    def lt(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input < other``; `other` is a tensor or a number."""

    def lt_(self, other: Operand) -> Self:
        """In-place form of `lt`; returns the tensor."""

    @property
    def mH(self) -> Tensor:
        """The matrices transposed and conjugated."""

    @property
    def mT(self) -> Tensor:
        """The matrices transposed; a view."""

    def masked_fill(self, mask: Tensor, value: Tensor | Number) -> Tensor:
        """`input` with `value` wherever `mask` is true."""

    def masked_fill_(self, mask: Tensor, value: Tensor | Number) -> Self:
        """In-place form of `masked_fill`; returns the tensor."""

    def masked_scatter(self, mask: Tensor, source: Tensor) -> Tensor:
        """`input` with the first elements of `source`, in order, where a mask is True."""

    def masked_scatter_(self, mask: Tensor, source: Tensor) -> Self:
        """In-place form of `masked_scatter`; returns the tensor."""

    def masked_select(self, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The elements where a mask is True, as a vector."""

    def matmul(self, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The product of two matrices, of stacks of them, or with vectors."""

    @overload
    def max(self, *, out: Tensor | None = None) -> Tensor:
        """The largest of all elements; along a dimension, with its indices; or of two tensors, elementwise."""

    @overload
    def max(self, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
    @overload
    def max(self, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None) -> ValuesIndices: ...
    @overload
    def max(
        self, *, axis: _int, keepdims: _bool = False, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    def maximum(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """The larger of two elements; NaN where one is NaN. Equal elements share the gradient."""

    def mean(
        self,
        dim: Dims | None = None,
        keepdim: _bool = False,
        *,
        dtype: DTypeLike | None = None,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The mean of all elements, or along dimensions."""

    @overload
    def median(self, *, out: Tensor | None = None) -> Tensor:
        """The median of all elements, or along a dimension with its indices."""

    @overload
    def median(
        self, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    @overload
    def min(self, *, out: Tensor | None = None) -> Tensor:
        """The smallest of all elements; along a dimension, with its indices; or of two tensors. As `max` otherwise."""

    @overload
    def min(self, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
    @overload
    def min(self, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None) -> ValuesIndices: ...
    @overload
    def min(
        self, *, axis: _int, keepdims: _bool = False, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    def minimum(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """The smaller of two elements; NaN where one is NaN. Equal elements share the gradient."""

    def mm(self, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The product of two matrices."""

    def mode(
        self, dim: _int = -1, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    def moveaxis(self, source: Dims, destination: Dims) -> Tensor:
        """`movedim` by NumPy's name."""

    def movedim(self, source: Dims, destination: Dims) -> Tensor:
        """`input` with dimensions moved to other places, the rest in their order; a view."""

    def msort(self, *, out: Tensor | None = None) -> Tensor:
        """The elements in order along the first dimension."""

    def mul(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise product."""

    def mul_(self, other: Operand) -> Self:
        """In-place form of `mul`; returns the tensor."""

    def multinomial(
        self,
        num_samples: _int,
        replacement: _bool = False,
        *,
        generator: Generator | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Indices drawn with the probabilities in the last dimension, which need not add up to one."""

    def multiply(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise product."""

    def multiply_(self, other: Operand) -> Self:
        """In-place form of `mul`; returns the tensor."""

    def mv(self, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The product of a matrix and a vector."""

    def mvlgamma(self, p: _int, *, out: Tensor | None = None) -> Tensor:
        """The logarithm of the multivariate gamma function of dimension `p`; elements exceed ``(p - 1) / 2``."""

    def mvlgamma_(self, p: _int) -> Self:
        """In-place form of `mvlgamma`; returns the tensor."""

    def nan_to_num(
        self,
        nan: _float | None = None,
        posinf: _float | None = None,
        neginf: _float | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        """NaN and infinities replaced by numbers."""

    def nan_to_num_(
        self, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None
    ) -> Self:
        """In-place form of `nan_to_num`; returns the tensor."""

    def nanmean(
        self,
        dim: Dims | None = None,
        keepdim: _bool = False,
        *,
        dtype: DTypeLike | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The mean of the elements that are not NaN, of all or along dimensions."""

    @overload
    def nanmedian(self, *, out: Tensor | None = None) -> Tensor:
        """The `median` of the elements that are not NaN, of all or along a dimension with its indices."""

    @overload
    def nanmedian(
        self, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
    ) -> ValuesIndices: ...
    def nanquantile(
        self,
        q: _float | Tensor,
        dim: _int | None = None,
        keepdim: _bool = False,
        *,
        interpolation: str = "linear",
        out: Tensor | None = None,
    ) -> Tensor:
        """The quantiles of the elements that are not NaN, of all or along a dimension; see `quantile`."""

    def nansum(
        self,
        dim: Dims | None = None,
        keepdim: _bool = False,
        *,
        dtype: DTypeLike | None = None,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The sum of all elements, or along dimensions, with NaN taken as zero."""

    def narrow(self, dim: _int, start: _int | Tensor, length: _int) -> Tensor:
        """A stretch of a dimension; a view."""

    def ndimension(self) -> _int:
        """The number of dimensions."""

    def ne(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input != other``; `other` is a tensor or a number."""

    def ne_(self, other: Operand) -> Self:
        """In-place form of `ne`; returns the tensor."""

    def neg(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise negative."""

    def neg_(self) -> Self:
        """In-place form of `neg`; returns the tensor."""

    def negative(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise negative."""

    def negative_(self) -> Self:
        """In-place form of `neg`; returns the tensor."""

    def nelement(self) -> _int:
        """The number of elements."""

    def new(self, *args: Any) -> Tensor: ...
    @overload
    def new_empty(
        self,
        *size: _int,
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        layout: object = None,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    @overload
    def new_empty(
        self,
        size: Sequence[_int],
        *,
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        layout: object = None,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    def new_empty_strided(
        self,
        size: Sequence[_int],
        stride: Sequence[_int],
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
    ) -> Tensor: ...
    def new_full(
        self,
        size: Sequence[_int],
        fill_value: Number,
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        layout: object = None,
        pin_memory: _bool = False,
    ) -> Tensor:
        """A tensor with every element `fill_value`, with this tensor's dtype, on its device, unless told otherwise."""

    @overload
    def new_ones(
        self,
        *size: _int,
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        layout: object = None,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    @overload
    def new_ones(
        self,
        size: Sequence[_int],
        *,
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        layout: object = None,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    def new_tensor(
        self, data: Any, dtype: DTypeLike | None = None, device: DeviceLike | None = None, requires_grad: _bool = False
    ) -> Tensor:
        """A tensor with a copy of `data`, with this tensor's dtype, on its device, unless told otherwise."""

    @overload
    def new_zeros(
        self,
        *size: _int,
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        layout: object = None,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    @overload
    def new_zeros(
        self,
        size: Sequence[_int],
        *,
        dtype: DTypeLike | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        layout: object = None,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    def nextafter(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """The next floating-point number from `input` in the direction of `other`."""

    def nextafter_(self, other: Operand) -> Self:
        """In-place form of `nextafter`; returns the tensor."""

    @overload
    def nonzero(self, *, out: Tensor | None = None, as_tuple: Literal[False] = False) -> Tensor:
        """The indices of the elements that are not zero, one in a row; or a vector of indices for each dimension."""

    @overload
    def nonzero(self, *, out: Tensor | None = None, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...
    @overload
    def nonzero(self, *, out: Tensor | None = None, as_tuple: _bool) -> Tensor | tuple[Tensor, ...]: ...
    def norm(
        self,
        p: _float | str | None = "fro",
        dim: Dims | None = None,
        keepdim: _bool = False,
        out: Tensor | None = None,
        dtype: DTypeLike | None = None,
    ) -> Tensor:
        """The norm of all elements as one vector, or along dimensions. Its gradient at the zero vector is 0."""

    def normal_(self, mean: _float = 0.0, std: _float = 1.0, *, generator: Generator | None = None) -> Self:
        """Fill with normal random numbers; returns the tensor."""

    def not_equal(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``input != other``; `other` is a tensor or a number."""

    def not_equal_(self, other: Operand) -> Self:
        """In-place form of `ne`; returns the tensor."""

    def numel(self) -> _int:
        """The number of elements."""

    def numpy(self, *, force: _bool = False) -> np.ndarray[Any, Any]:
        """The tensor as a `numpy.ndarray`, which shares its memory."""

    def outer(self, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The products of each element of one vector and each of another."""

    @overload
    def permute(self, *dims: _int) -> Tensor:
        """`input` with its dimensions in the order `dims`; a view."""

    @overload
    def permute(self, dims: Dims) -> Tensor: ...
    def pin_memory(self, device: DeviceLike | None = None) -> Tensor: ...
    def polygamma(self, n: _int) -> Tensor:
        """``polygamma(n, self)``."""

    def polygamma_(self, input: Tensor) -> Self:
        """In-place form of `polygamma`; returns the tensor."""

    def positive(self) -> Tensor:
        """`input` itself."""

    def pow(self, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise power; one of the two may be a number."""

    def pow_(self, exponent: Operand) -> Self:
        """In-place form of `pow`; returns the tensor."""

    def prelu(self, weight: Tensor) -> Tensor:
        """`input` where it is positive, `weight` times it elsewhere."""

    def prod(
        self,
        dim: _int | None = None,
        keepdim: _bool = False,
        *,
        dtype: DTypeLike | None = None,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The product of all elements, or along a dimension; its gradient is exact where elements are zero."""

    def put(self, index: Tensor, source: Tensor, accumulate: _bool = False, *, out: Tensor | None = None) -> Tensor:
        """`input` with elements written at positions in the flattened tensor."""

    def put_(self, index: Tensor, source: Tensor, accumulate: _bool = False) -> Self:
        """In-place form of `put`; returns the tensor."""

    def quantile(
        self,
        q: _float | Tensor,
        dim: _int | None = None,
        keepdim: _bool = False,
        *,
        interpolation: str = "linear",
        out: Tensor | None = None,
    ) -> Tensor:
        """The quantiles of all elements, or along a dimension; NaN where there is a NaN."""

    def rad2deg(self, *, out: Tensor | None = None) -> Tensor:
        """Radians as degrees."""

    def rad2deg_(self) -> Self:
        """In-place form of `rad2deg`; returns the tensor."""

    @overload
    def random_(self, *, generator: Generator | None = None) -> Self:
        """Fill with random integers from [from, to), or all that the dtype holds exactly; returns the tensor."""

    @overload
    def random_(self, to: _int, *, generator: Generator | None = None) -> Self: ...
    @overload
    def random_(self, from_: _int, to: _int | None, *, generator: Generator | None = None) -> Self: ...
    def ravel(self) -> Tensor:
        """`input` as one dimension; a view where the layout allows it."""

    @property
    def real(self) -> Tensor:
        """The real parts."""

    @real.setter
    def real(self, value: Tensor) -> None: ...
    def reciprocal(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise reciprocal."""

    def reciprocal_(self) -> Self:
        """In-place form of `reciprocal`; returns the tensor."""

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle: ...
    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle: ...
    def relu(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``max(input, 0)``. Its derivative at 0 is 0."""

    def relu_(self) -> Self:
        """In-place form of `relu`; returns the tensor."""

    def remainder(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """The rest of the division rounded down, Python's ``%``; it has the sign of `other`."""

    def remainder_(self, other: Operand) -> Self:
        """In-place form of `remainder`; returns the tensor."""

    @overload
    def repeat(self, *repeats: _int) -> Tensor:
        """Copies of `input` side by side."""

    @overload
    def repeat(self, repeats: Sequence[_int]) -> Tensor: ...
    def repeat_interleave(
        self, repeats: _int | Tensor, dim: _int | None = None, *, output_size: _int | None = None
    ) -> Tensor:
        """Each element, or each item along a dimension, several times in a row."""

    @overload
    def reshape(self, *shape: _int) -> Tensor:
        """`input` with another shape: a view where the layout allows it, a copy otherwise."""

    @overload
    def reshape(self, shape: Sequence[_int]) -> Tensor: ...
    def reshape_as(self, other: Tensor) -> Tensor:
        """`input` with the shape of `other`."""

    @overload
    def resize_(self, *sizes: _int, memory_format: MemoryFormat | None = None) -> Self: ...
    @overload
    def resize_(self, sizes: Sequence[_int], *, memory_format: MemoryFormat | None = None) -> Self: ...
    def resize_as_(self, other: Tensor, memory_format: MemoryFormat | None = None) -> Self:
        """`resize_` to the shape of another tensor."""

    def resolve_conj(self) -> Tensor:
        """`input` itself: conjugates are never put off here."""

    def retain_grad(self) -> None:
        """Have backward keep this non-leaf's gradient in ``.grad``."""

    def roll(self, shifts: Dims, dims: Dims = ()) -> Tensor:
        """A copy with the elements moved along dimensions; what leaves at one end comes in at the other."""

    def rot90(self, k: _int = 1, dims: Sequence[_int] = (0, 1)) -> Tensor:
        """A copy turned by 90 degrees in the plane of two dimensions."""

    def round(self, *, decimals: _int = 0, out: Tensor | None = None) -> Tensor:
        """The nearest integer, of two equally near the even one. Its gradient is zero."""

    def round_(self, *, decimals: _int = 0) -> Self:
        """In-place form of `round`; returns the tensor."""

    def rsqrt(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise reciprocal of the square root."""

    def rsqrt_(self) -> Self:
        """In-place form of `rsqrt`; returns the tensor."""

    @overload
    def scatter(self, dim: _int, index: Tensor, src: Tensor | Number, *, reduce: str | None = None) -> Tensor:
        """`input` with elements replaced where an index says: ``out[index[i, j], j] = src[i, j]`` for `dim` 0."""

    @overload
    def scatter(self, dim: _int, index: Tensor, *, value: Number, reduce: str | None = None) -> Tensor: ...
    @overload
    def scatter_(self, dim: _int, index: Tensor, src: Tensor | Number, *, reduce: str | None = None) -> Self:
        """In-place form of `scatter`; returns the tensor."""

    @overload
    def scatter_(self, dim: _int, index: Tensor, *, value: Number, reduce: str | None = None) -> Self: ...
    def scatter_add(self, dim: _int, index: Tensor, src: Tensor) -> Tensor:
        """`input` with elements added where an index says: ``out[index[i, j], j] += src[i, j]`` for `dim` 0."""

    def scatter_add_(self, dim: _int, index: Tensor, src: Tensor) -> Self:
        """In-place form of `scatter_add`; returns the tensor."""

    def scatter_reduce(
        self, dim: _int, index: Tensor, src: Tensor, reduce: str, *, include_self: _bool = True
    ) -> Tensor:
        """`input` with elements combined where an index says, as in `scatter_add`."""

    def scatter_reduce_(
        self, dim: _int, index: Tensor, src: Tensor, reduce: str, *, include_self: _bool = True
    ) -> Self:
        """In-place form of `scatter_reduce`; returns the tensor."""

    def select(self, dim: _int, index: _int) -> Tensor:
        """One item along a dimension, which is dropped; a view."""

    def select_scatter(self, src: Tensor, dim: _int, index: _int) -> Tensor:
        """`input` with one item along a dimension replaced by `src`."""

    def sgn(self, *, out: Tensor | None = None) -> Tensor:
        """The sign; of a complex number the number of magnitude 1 in its direction, and 0 at 0."""

    def sgn_(self) -> Self:
        """In-place form of `sgn`; returns the tensor."""

    def short(self, memory_format: MemoryFormat | None = None) -> Tensor:
        """The tensor with elements of dtype int16; itself where it has them."""

    def sigmoid(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``1 / (1 + exp(-input))``."""

    def sigmoid_(self) -> Self:
        """In-place form of `sigmoid`; returns the tensor."""

    def sign(self, *, out: Tensor | None = None) -> Tensor:
        """-1, 0 or 1 as the element is negative, zero or positive."""

    def sign_(self) -> Self:
        """In-place form of `sign`; returns the tensor."""

    def signbit(self, *, out: Tensor | None = None) -> Tensor:
        """Whether the sign bit is set: true for negative numbers, and for -0.0."""

    def sin(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise sine, of radians."""

    def sin_(self) -> Self:
        """In-place form of `sin`; returns the tensor."""

    def sinc(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise ``sin(pi * input) / (pi * input)``, 1 at 0."""

    def sinc_(self) -> Self:
        """In-place form of `sinc`; returns the tensor."""

    def sinh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise hyperbolic sine."""

    def sinh_(self) -> Self:
        """In-place form of `sinh`; returns the tensor."""

    @overload
    def size(self, dim: None = None) -> Size:
        """The shape, or the size of one dimension."""

    @overload
    def size(self, dim: _int) -> _int: ...
    def slice_scatter(
        self, src: Tensor, dim: _int = 0, start: _int | None = None, end: _int | None = None, step: _int = 1
    ) -> Tensor:
        """`input` with a slice of a dimension replaced by `src`."""

    def softmax(
        self, dim: _int, *, dtype: DTypeLike | None = None, axis: Dims | None = None, out: Tensor | None = None
    ) -> Tensor:
        """``exp(input)`` divided by its sum along a dimension."""

    def sort(
        self,
        dim: _int = -1,
        descending: _bool = False,
        stable: _bool | None = None,
        *,
        out: tuple[Tensor, Tensor] | None = None,
    ) -> ValuesIndices: ...
    def split(self, split_size_or_sections: _int | Sequence[_int], dim: _int = 0) -> tuple[Tensor, ...]:
        """A dimension cut into pieces, as a tuple of views."""

    def split_with_sizes(self, split_sizes: Sequence[_int], dim: _int = 0) -> tuple[Tensor, ...]:
        """A dimension cut into pieces of given sizes, as a tuple of views."""

    def sqrt(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise square root, with an infinite derivative at 0."""

    def sqrt_(self) -> Self:
        """In-place form of `sqrt`; returns the tensor."""

    def square(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise square."""

    def square_(self) -> Self:
        """In-place form of `square`; returns the tensor."""

    def squeeze(self, dim: Dims | None = None, *, axis: Dims | None = None) -> Tensor:
        """`input` without its dimensions of size 1; a view."""

    def squeeze_(self, dim: Dims | None = None) -> Self:
        """Drop dimensions of size 1 in place; returns the tensor."""

    @overload
    def std(
        self,
        dim: Dims | None = None,
        unbiased: _bool | None = None,
        keepdim: _bool = False,
        *,
        correction: _float | None = None,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The square root of `var`, the standard deviation. Its gradient where all elements are equal is 0."""

    @overload
    def std(self, unbiased: _bool) -> Tensor: ...
    def storage_offset(self) -> _int:
        """How many elements of the memory come before the first."""

    @overload
    def stride(self, dim: None = None) -> tuple[_int, ...]:
        """How many elements of memory lie between neighbours, along each dimension or along one."""

    @overload
    def stride(self, dim: _int) -> _int: ...
    def sub(self, other: Operand, *, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
        """Elementwise difference, ``input - alpha * other``."""

    def sub_(self, other: Operand, *, alpha: _float = 1) -> Self:
        """In-place form of `sub`; returns the tensor."""

    def subtract(self, other: Operand, *, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
        """Elementwise difference, ``input - alpha * other``."""

    def subtract_(self, other: Operand, *, alpha: _float = 1) -> Self:
        """In-place form of `sub`; returns the tensor."""

    def sum(
        self,
        dim: Dims | None = None,
        keepdim: _bool = False,
        *,
        dtype: DTypeLike | None = None,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The sum of all elements, or along dimensions; integers and bool are added up as int64."""

    @overload
    def sum_to_size(self, *size: _int) -> Tensor:
        """`input` added up to the shape `size`: what expanding from that shape has as its gradient."""

    @overload
    def sum_to_size(self, size: Sequence[_int]) -> Tensor: ...
    def swapaxes(self, axis0: _int, axis1: _int) -> Tensor:
        """`transpose` by NumPy's name."""

    def swapaxes_(self, dim0: _int, dim1: _int) -> Self:
        """Exchange two dimensions in place; returns the tensor."""

    def swapdims(self, dim0: _int, dim1: _int) -> Tensor:
        """`transpose` by another name."""

    def swapdims_(self, dim0: _int, dim1: _int) -> Self:
        """Exchange two dimensions in place; returns the tensor."""

    def t(self) -> Tensor:
        """The transposed matrix, a view; a vector as it is."""

    def t_(self) -> Self:
        """Transpose the matrix in place; returns it."""

    def take(self, index: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The elements at positions in the flattened tensor."""

    def take_along_dim(
        self, indices: Tensor, dim: _int | None = None, *, axis: _int | None = None, out: Tensor | None = None
    ) -> Tensor:
        """The elements that an index, broadcast in the other dimensions, names along a dimension."""

    def tan(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise tangent, of radians."""

    def tan_(self) -> Self:
        """In-place form of `tan`; returns the tensor."""

    def tanh(self, *, out: Tensor | None = None) -> Tensor:
        """Elementwise hyperbolic tangent."""

    def tanh_(self) -> Self:
        """In-place form of `tanh`; returns the tensor."""

    def tensor_split(self, indices_or_sections: _int | Sequence[_int] | Tensor, dim: _int = 0) -> tuple[Tensor, ...]:
        """A dimension cut into a number of nearly equal pieces, or cut at given indices, as a tuple of views."""

    @overload
    def tile(self, *dims: _int) -> Tensor:
        """Copies of `input` side by side, as NumPy's `tile`."""

    @overload
    def tile(self, dims: Dims) -> Tensor: ...
    @overload
    def to(
        self,
        dtype: DTypeLike,
        non_blocking: _bool = False,
        copy: _bool = False,
        *,
        memory_format: MemoryFormat | None = None,
    ) -> Tensor: ...
    @overload
    def to(
        self,
        device: DeviceLike | None = None,
        dtype: DTypeLike | None = None,
        non_blocking: _bool = False,
        copy: _bool = False,
        *,
        memory_format: MemoryFormat | None = None,
    ) -> Tensor: ...
    @overload
    def to(
        self,
        other: Tensor,
        non_blocking: _bool = False,
        copy: _bool = False,
        *,
        memory_format: MemoryFormat | None = None,
    ) -> Tensor: ...
    def tolist(self) -> Any:
        """The values as nested lists of Python numbers; a number for a 0-d tensor."""

    def topk(
        self,
        k: _int,
        dim: _int = -1,
        largest: _bool = True,
        sorted: _bool = True,
        *,
        out: tuple[Tensor, Tensor] | None = None,
    ) -> ValuesIndices:
        """The `k` largest elements along a dimension, and their indices; NaN counts as the largest."""

    def trace(self) -> Tensor:
        """The sum of the diagonal of a matrix."""

    def transpose(self, dim0: _int, dim1: _int) -> Tensor:
        """`input` with two dimensions exchanged; a view."""

    def transpose_(self, dim0: _int, dim1: _int) -> Self:
        """Exchange two dimensions in place; returns the tensor."""

    def tril(self, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
        """The matrices of `input` with zeros above a diagonal."""

    def tril_(self, diagonal: _int = 0) -> Self:
        """In-place form of `tril`; returns the tensor."""

    def triu(self, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
        """The matrices of `input` with zeros below a diagonal."""

    def triu_(self, diagonal: _int = 0) -> Self:
        """In-place form of `triu`; returns the tensor."""

    def true_divide(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """Elementwise quotient; the same as `div` without rounding."""

    def true_divide_(self, other: Operand) -> Self:
        """In-place form of `true_divide`; returns the tensor."""

    def trunc(self, *, out: Tensor | None = None) -> Tensor:
        """The integer part. Its gradient is zero."""

    def trunc_(self) -> Self:
        """In-place form of `trunc`; returns the tensor."""

    @overload
    def type(self, dtype: None = None, non_blocking: _bool = False) -> str: ...
    @overload
    def type(self, dtype: DTypeLike | _type[Tensor], non_blocking: _bool = False) -> Tensor: ...
    def type_as(self, other: Tensor) -> Tensor:
        """The tensor with the dtype, and on the device, of `other`."""

    def unbind(self, dim: _int = 0, *, axis: _int | None = None) -> tuple[Tensor, ...]:
        """The items along a dimension, as a tuple of views without it."""

    def unflatten(self, dim: _int, sizes: Sequence[_int]) -> Tensor:
        """`input` with one dimension made several; a view."""

    def unfold(self, dimension: _int, size: _int, step: _int) -> Tensor:
        """The windows of `size` elements along a dimension, every `step`, as a new last dimension; a view."""

    def uniform_(self, from_: _float = 0.0, to: _float = 1.0, *, generator: Generator | None = None) -> Self:
        """Fill with uniform random numbers from [from, to); returns the tensor."""

    @overload
    def unique(
        self,
        sorted: _bool = True,
        return_inverse: Literal[False] = False,
        return_counts: Literal[False] = False,
        dim: _int | None = None,
    ) -> Tensor:
        """The different elements in order; along a dimension, the different slices."""

    @overload
    def unique(
        self,
        sorted: _bool = True,
        *,
        return_inverse: Literal[True],
        return_counts: Literal[True],
        dim: _int | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]: ...
    @overload
    def unique(
        self,
        sorted: _bool = True,
        *,
        return_inverse: Literal[True],
        return_counts: Literal[False] = False,
        dim: _int | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique(
        self,
        sorted: _bool = True,
        return_inverse: Literal[False] = False,
        *,
        return_counts: Literal[True],
        dim: _int | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique(
        self, sorted: _bool, return_inverse: Literal[True], return_counts: Literal[True], dim: _int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]: ...
    @overload
    def unique(
        self,
        sorted: _bool,
        return_inverse: Literal[True],
        return_counts: Literal[False] = False,
        dim: _int | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique(
        self, sorted: _bool, return_inverse: Literal[False], return_counts: Literal[True], dim: _int | None = None
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique(
        self, sorted: _bool = True, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None
    ) -> Tensor | tuple[Tensor, ...]: ...
    @overload
    def unique_consecutive(
        self, return_inverse: Literal[False] = False, return_counts: Literal[False] = False, dim: _int | None = None
    ) -> Tensor:
        """The elements without those that equal the one before; along a dimension, the slices."""

    @overload
    def unique_consecutive(
        self, return_inverse: Literal[True], return_counts: Literal[True], dim: _int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]: ...
    @overload
    def unique_consecutive(
        self, return_inverse: Literal[True], return_counts: Literal[False] = False, dim: _int | None = None
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique_consecutive(
        self, return_inverse: Literal[False] = False, *, return_counts: Literal[True], dim: _int | None = None
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def unique_consecutive(
        self, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None
    ) -> Tensor | tuple[Tensor, ...]: ...
    def unsafe_chunk(self, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
        """`chunk` whose results are tensors of their own, so that they may be written in place."""

    def unsafe_split(self, split_size: _int, dim: _int = 0) -> tuple[Tensor, ...]:
        """`split` whose results are tensors of their own, so that they may be written in place."""

    def unsafe_split_with_sizes(self, split_sizes: Sequence[_int], dim: _int = 0) -> tuple[Tensor, ...]:
        """`split_with_sizes` into pieces that share no memory with `input`, so that they may be written in place."""

    def unsqueeze(self, dim: _int, *, axis: Dims | None = None) -> Tensor:
        """`input` with a dimension of size 1 more; a view."""

    def unsqueeze_(self, dim: _int) -> Self:
        """Put in a dimension of size 1 in place; returns the tensor."""

    @overload
    def var(
        self,
        dim: Dims | None = None,
        unbiased: _bool | None = None,
        keepdim: _bool = False,
        *,
        correction: _float | None = None,
        axis: Dims | None = None,
        keepdims: _bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The variance of all elements, or along dimensions."""

    @overload
    def var(self, unbiased: _bool) -> Tensor: ...
    def vdot(self, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        """The sum of the products of the elements of two vectors, those of the first conjugated."""

    @overload
    def view(self, *shape: _int) -> Tensor:
        """The same memory with another shape (or, given a dtype, with its bytes read as that)."""

    @overload
    def view(self, size: Sequence[_int]) -> Tensor: ...
    @overload
    def view(self, dtype: DTypeLike) -> Tensor: ...
    def view_as(self, other: Tensor) -> Tensor:
        """The same memory with the shape of `other`."""

    def vsplit(self, indices_or_sections: _int | Sequence[_int] | Tensor) -> tuple[Tensor, ...]:
        """The first dimension cut into equal pieces, or at given indices, as a tuple of views."""

    def where(self, condition: Tensor, other: Operand) -> Tensor:
        """``where(condition, self, other)``."""

    def xlogy(self, other: Operand, *, out: Tensor | None = None) -> Tensor:
        """``input * log(other)``, and 0 where `input` is 0, unless `other` is NaN."""

    def xlogy_(self, other: Operand) -> Self:
        """In-place form of `xlogy`; returns the tensor."""

    def zero_(self) -> Self:
        """Set all elements to zero; returns the tensor."""
