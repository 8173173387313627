"""`tapegrad`, as type checkers see it. Written by tests/tools/make_stubs.py."""

# ruff: noqa
from builtins import bool as _bool, complex as _complex, float as _float, int as _int, type as _type
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, Self, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np
from typing_extensions import TypeIs

from tapegrad.autograd.tape.handle import RemovableHandle
from tapegrad.autograd.types.dtypes import dtype as DType
from tapegrad.autograd.types.memory_format import memory_format as MemoryFormat
from tapegrad.backends.device import Device, DeviceLike

from math import e as e, inf as inf, nan as nan, pi as pi
from tapegrad import (
    autograd as autograd,
    backends as backends,
    cuda as cuda,
    func as func,
    nn as nn,
    optim as optim,
    profiler as profiler,
    random as random,
    testing as testing,
    utils as utils,
)
from tapegrad.autograd.anomaly_mode import (
    is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled,
    is_anomaly_enabled as is_anomaly_enabled,
    set_anomaly_enabled as set_anomaly_enabled,
)
from tapegrad.autograd.core.inference import is_inference as is_inference
from tapegrad.autograd.core.tensor import Tensor as Tensor
from tapegrad.autograd.core.tensor_methods import (
    DTypeLike,
    Dims,
    MantissaExponent,
    MinMax,
    Number,
    Operand,
    ValuesIndices,
)
from tapegrad.autograd.functions.custom_op import CustomOp
from tapegrad.autograd.interchange.printing import (
    get_printoptions as get_printoptions,
    printoptions as printoptions,
    set_printoptions as set_printoptions,
)
from tapegrad.autograd.modes.default_device import get_default_device as get_default_device
from tapegrad.autograd.modes.grad_mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    is_inference_mode_enabled as is_inference_mode_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from tapegrad.autograd.ops.common.metadata_queries import (
    is_complex as is_complex,
    is_floating_point as is_floating_point,
    is_nonzero as is_nonzero,
    numel as numel,
)
from tapegrad.autograd.ops.creation.factories import from_numpy as from_numpy
from tapegrad.autograd.ops.random.generator import (
    Generator as Generator,
    fork_rng as fork_rng,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
)
from tapegrad.autograd.types.dtypes import (
    bfloat16 as bfloat16,
    bool as bool,
    cdouble as cdouble,
    cfloat as cfloat,
    complex128 as complex128,
    complex64 as complex64,
    double as double,
    dtype as dtype,
    finfo as finfo,
    float as float,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    get_default_dtype as get_default_dtype,
    half as half,
    iinfo as iinfo,
    int as int,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    int8 as int8,
    long as long,
    short as short,
    uint16 as uint16,
    uint32 as uint32,
    uint64 as uint64,
    uint8 as uint8,
)
from tapegrad.autograd.types.memory_format import (
    channels_last as channels_last,
    channels_last_3d as channels_last_3d,
    contiguous_format as contiguous_format,
    memory_format as memory_format,
    preserve_format as preserve_format,
)
from tapegrad.autograd.types.size import Size as Size
from tapegrad.backends.cupy.index_asserts import AcceleratorError as AcceleratorError
from tapegrad.backends.determinism import (
    are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled,
    is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled,
    use_deterministic_algorithms as use_deterministic_algorithms,
)
from tapegrad.backends.device import Device
from tapegrad.backends.out_of_memory import OutOfMemoryError as OutOfMemoryError
from tapegrad.backends.precision import (
    get_float32_matmul_precision as get_float32_matmul_precision,
    set_float32_matmul_precision as set_float32_matmul_precision,
)
from tapegrad.func import vmap as vmap
from tapegrad.nn.functional import (
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    avg_pool1d as avg_pool1d,
    bilinear as bilinear,
    channel_shuffle as channel_shuffle,
    constant_pad_nd as constant_pad_nd,
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
    cosine_similarity as cosine_similarity,
    group_norm as group_norm,
    hardshrink as hardshrink,
    layer_norm as layer_norm,
    max_pool1d as max_pool1d,
    max_pool2d as max_pool2d,
    max_pool3d as max_pool3d,
    pairwise_distance as pairwise_distance,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
    prelu as prelu,
    rms_norm as rms_norm,
    sigmoid as sigmoid,
    tanh as tanh,
)

newaxis: None
__version__: str

device = Device

class BFloat16Tensor(Tensor): ...
class BoolTensor(Tensor): ...
class ByteTensor(Tensor): ...
class CharTensor(Tensor): ...
class ComplexDoubleTensor(Tensor): ...
class ComplexFloatTensor(Tensor): ...
class DoubleTensor(Tensor): ...
class FloatTensor(Tensor): ...
class HalfTensor(Tensor): ...
class IntTensor(Tensor): ...
class LongTensor(Tensor): ...
class ShortTensor(Tensor): ...

def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise magnitude; of complex numbers a real result. Its derivative at 0 is 0."""

def abs_(input: Tensor) -> Tensor:
    """In-place form of `abs`; returns the tensor."""

def absolute(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise magnitude; of complex numbers a real result. Its derivative at 0 is 0."""

def acos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse cosine, NaN outside [-1, 1]."""

def acos_(input: Tensor) -> Tensor:
    """In-place form of `acos`; returns the tensor."""

def acosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse hyperbolic cosine, NaN below 1."""

def acosh_(input: Tensor) -> Tensor:
    """In-place form of `acosh`; returns the tensor."""

def add(input: Operand, other: Operand, *, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """Elementwise sum, ``input + alpha * other``."""

def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``."""

def addcdiv(
    input: Operand, tensor1: Operand, tensor2: Operand, *, value: _float = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 / tensor2``, elementwise; all three broadcast."""

def addcmul(
    input: Operand, tensor1: Operand, tensor2: Operand, *, value: _float = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 * tensor2``, elementwise; all three broadcast."""

def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``."""

def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``."""

def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``."""

def adjoint(input: Tensor) -> Tensor:
    """The matrices of `input` transposed and conjugated; a view where they are real."""

def all(
    input: Tensor,
    dim: Dims | None = None,
    keepdim: _bool = False,
    *,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Whether all elements are true (not zero), of all or along dimensions."""

def allclose(
    input: Tensor, other: Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False
) -> _bool:
    """Whether all elements are close, as by `isclose`."""

def amax(
    input: Tensor,
    dim: Dims = (),
    keepdim: _bool = False,
    *,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The largest of all elements, or along dimensions; equal ones share the gradient."""

def amin(
    input: Tensor,
    dim: Dims = (),
    keepdim: _bool = False,
    *,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The smallest of all elements, or along dimensions; equal ones share the gradient."""

def aminmax(
    input: Tensor, *, dim: _int | None = None, keepdim: _bool = False, out: tuple[Tensor, Tensor] | None = None
) -> MinMax:
    """The smallest and the largest of all elements, or along a dimension; equal ones share the gradient."""

def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in radians; of a real number 0, or pi where it is negative."""

def any(
    input: Tensor,
    dim: Dims | None = None,
    keepdim: _bool = False,
    *,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Whether any element is true (not zero), of all or along dimensions."""

@overload
def arange(
    end: Number,
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """The numbers from `start` (0) to `end`, which is left out, by `step` (1)."""

@overload
def arange(
    start: Number,
    end: Number,
    step: Number = 1,
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor: ...
def arccos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse cosine, NaN outside [-1, 1]."""

def arccos_(input: Tensor) -> Tensor:
    """In-place form of `acos`; returns the tensor."""

def arccosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse hyperbolic cosine, NaN below 1."""

def arccosh_(input: Tensor) -> Tensor:
    """In-place form of `acosh`; returns the tensor."""

def arcsin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse sine, NaN outside [-1, 1]."""

def arcsin_(input: Tensor) -> Tensor:
    """In-place form of `asin`; returns the tensor."""

def arcsinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse hyperbolic sine."""

def arcsinh_(input: Tensor) -> Tensor:
    """In-place form of `asinh`; returns the tensor."""

def arctan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse tangent."""

def arctan2(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Angle of the point (`other`, `input`) in radians, from -pi to pi. Its derivatives at the origin are 0."""

def arctan_(input: Tensor) -> Tensor:
    """In-place form of `atan`; returns the tensor."""

def arctanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse hyperbolic tangent, infinite at -1 and 1, NaN beyond."""

def arctanh_(input: Tensor) -> Tensor:
    """In-place form of `atanh`; returns the tensor."""

def argmax(
    input: Tensor,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The index of the largest element, of equal ones the first; in the flattened tensor, or along `dim`."""

def argmin(
    input: Tensor,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The index of the smallest element, of equal ones the first; in the flattened tensor, or along `dim`."""

def argsort(
    input: Tensor,
    dim: _int = -1,
    descending: _bool = False,
    stable: _bool = False,
    *,
    axis: Dims | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The indices that `sort` a tensor along a dimension."""

def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero, one in a row."""

def as_strided(input: Tensor, size: Sequence[_int], stride: Dims, storage_offset: _int | None = None) -> Tensor:
    """A view of the tensor's memory with any shape and strides."""

def as_tensor(data: Any, dtype: DTypeLike | None = None, device: DeviceLike | None = None) -> Tensor:
    """`data` as a tensor, which shares its memory where dtype and device allow it."""

def asarray(
    obj: Any,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike | None = None,
    copy: _bool | None = None,
    requires_grad: _bool = False,
) -> Tensor:
    """`obj` as a tensor, which shares its memory where dtype and device allow it."""

def asin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse sine, NaN outside [-1, 1]."""

def asin_(input: Tensor) -> Tensor:
    """In-place form of `asin`; returns the tensor."""

def asinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse hyperbolic sine."""

def asinh_(input: Tensor) -> Tensor:
    """In-place form of `asinh`; returns the tensor."""

def atan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse tangent."""

def atan2(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Angle of the point (`other`, `input`) in radians, from -pi to pi. Its derivatives at the origin are 0."""

def atan_(input: Tensor) -> Tensor:
    """In-place form of `atan`; returns the tensor."""

def atanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise inverse hyperbolic tangent, infinite at -1 and 1, NaN beyond."""

def atanh_(input: Tensor) -> Tensor:
    """In-place form of `atanh`; returns the tensor."""

@overload
def atleast_1d(input: Tensor, /) -> Tensor:
    """Views with at least one dimension."""

@overload
def atleast_1d(tensors: Sequence[Tensor], /) -> tuple[Tensor, ...]: ...
@overload
def atleast_1d(input: Tensor, other: Tensor, /, *tensors: Tensor) -> tuple[Tensor, ...]: ...
@overload
def atleast_2d(input: Tensor, /) -> Tensor:
    """Views with at least two dimensions, new ones in front."""

@overload
def atleast_2d(tensors: Sequence[Tensor], /) -> tuple[Tensor, ...]: ...
@overload
def atleast_2d(input: Tensor, other: Tensor, /, *tensors: Tensor) -> tuple[Tensor, ...]: ...
@overload
def atleast_3d(input: Tensor, /) -> Tensor:
    """Views with at least three dimensions, the last of them new where there were two."""

@overload
def atleast_3d(tensors: Sequence[Tensor], /) -> tuple[Tensor, ...]: ...
@overload
def atleast_3d(input: Tensor, other: Tensor, /, *tensors: Tensor) -> tuple[Tensor, ...]: ...
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``."""

def bernoulli(
    input: Tensor, p: _float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Zeros and ones; each is one with the probability that `input` holds there (or `p`)."""

def bincount(input: Tensor, weights: Tensor | None = None, minlength: _int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... occurs, or the sum of its weights."""

def bitwise_and(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Bitwise "and" of integers or bool, Python's ``&``."""

def bitwise_left_shift(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Left shift of integers or bool, Python's ``<<``."""

def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Bitwise "not" of integers or bool, Python's ``~``."""

def bitwise_or(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Bitwise "or" of integers or bool, Python's ``|``."""

def bitwise_right_shift(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Right shift of integers or bool, Python's ``>>``."""

def bitwise_xor(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Bitwise "xor" of integers or bool, Python's ``^``."""

def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix that has the given matrices along its diagonal, and zeros elsewhere."""

def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of two stacks of matrices."""

def broadcast_shapes(*shapes: _int | Sequence[_int]) -> Size:
    """The shape that tensors of these shapes have together."""

@overload
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, each expanded to the shape that they have together."""

@overload
def broadcast_tensors(tensors: Sequence[Tensor], /) -> tuple[Tensor, ...]: ...
@overload
def broadcast_to(input: Tensor, *size: _int) -> Tensor:
    """`input` expanded to the shape `size`."""

@overload
def broadcast_to(input: Tensor, size: Sequence[_int]) -> Tensor: ...
def bucketize(
    input: Tensor | Number,
    boundaries: Tensor,
    *,
    out_int32: _bool = False,
    right: _bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Which of the intervals between boundaries each element lies in."""

def can_cast(from_: DTypeLike, to: DTypeLike) -> _bool: ...
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All ways to take an element from each vector, one in a row."""

def cat(tensors: Sequence[Tensor], dim: _int = 0, *, axis: Dims | None = None, out: Tensor | None = None) -> Tensor:
    """Tensors one after the other along a dimension."""

def ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest integer that is not less. Its gradient is zero."""

def ceil_(input: Tensor) -> Tensor:
    """In-place form of `ceil`; returns the tensor."""

def celu(input: Tensor, alpha: _float = 1.0) -> Tensor:
    """`input` where it is positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere."""

def celu_(input: Tensor, alpha: _float = 1.0) -> Tensor:
    """In-place form of `celu`; returns the tensor."""

def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of several matrices, in the order that takes the fewest multiplications."""

def chunk(input: Tensor, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
    """A dimension cut into at most `chunks` pieces of one size, the last perhaps smaller, as a tuple of views."""

def clamp(
    input: Tensor, min: Operand | None = None, max: Operand | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Elements held within bounds; the gradient passes at the bounds too."""

def clamp_(self: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """In-place form of `clamp`; returns the tensor."""

def clamp_max(input: Tensor, max: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elements held below an upper bound, a number or a tensor."""

def clamp_max_(input: Tensor, max: Operand) -> Tensor:
    """In-place form of `clamp_max`; returns the tensor."""

def clamp_min(input: Tensor, min: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elements held above a lower bound, a number or a tensor."""

def clamp_min_(input: Tensor, min: Operand) -> Tensor:
    """In-place form of `clamp_min`; returns the tensor."""

def clip(input: Tensor, min: Operand | None = None, max: Operand | None = None, *, out: Tensor | None = None) -> Tensor:
    """Elements held within bounds; the gradient passes at the bounds too."""

def clip_(self: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """In-place form of `clamp`; returns the tensor."""

def clone(input: Tensor, *, memory_format: MemoryFormat | None = None, out: Tensor | None = None) -> Tensor:
    """A copy that gradients flow through; its memory is laid out as that of `input`, without gaps."""

def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors side by side, vectors taken for columns."""

def combinations(input: Tensor, r: _int = 2, with_replacement: _bool = False) -> Tensor:
    """All ways to take `r` elements of a vector, one in a row."""

def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A complex tensor of real and imaginary parts, of float32 or float64."""

def concat(tensors: Sequence[Tensor], dim: _int = 0, *, axis: Dims | None = None, out: Tensor | None = None) -> Tensor:
    """`cat` by another name."""

def concatenate(
    tensors: Sequence[Tensor], dim: _int = 0, *, axis: Dims | None = None, out: Tensor | None = None
) -> Tensor:
    """`cat` by NumPy's name."""

def conj(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor is its own."""

def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate in memory of its own; a real tensor is its own."""

def conj_physical_(input: Tensor) -> Tensor:
    """In-place form of `conj_physical`; returns the tensor."""

def copysign(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The magnitude of `input` with the sign of `other`; integers are taken as the default dtype."""

def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise cosine, of radians."""

def cos_(input: Tensor) -> Tensor:
    """In-place form of `cos`; returns the tensor."""

def cosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise hyperbolic cosine."""

def cosh_(input: Tensor) -> Tensor:
    """In-place form of `cosh`; returns the tensor."""

def count_nonzero(
    input: Tensor, dim: Dims | None = None, *, axis: Dims | None = None, out: Tensor | None = None
) -> Tensor:
    """How many elements are not zero, of all or along dimensions."""

def cross(input: Tensor, other: Tensor, dim: _int | None = None, *, out: Tensor | None = None) -> Tensor:
    """The vector products along a dimension of size 3."""

def cummax(input: Tensor, dim: _int, *, out: tuple[Tensor, Tensor] | None = None) -> ValuesIndices:
    """The largest element so far along a dimension, and its index; of equal ones the latest."""

def cummin(input: Tensor, dim: _int, *, out: tuple[Tensor, Tensor] | None = None) -> ValuesIndices:
    """The smallest element so far along a dimension, and its index; of equal ones the latest."""

def cumprod(
    input: Tensor, dim: _int, *, dtype: DTypeLike | None = None, axis: Dims | None = None, out: Tensor | None = None
) -> Tensor:
    """The running product along a dimension; its gradient is exact where elements are zero."""

def cumsum(
    input: Tensor, dim: _int, *, dtype: DTypeLike | None = None, axis: Dims | None = None, out: Tensor | None = None
) -> Tensor:
    """The running sum along a dimension; integers and bool are added up as int64."""

@overload
def custom_op(
    forward: Callable[..., Any],
    vjp: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    keeps: tuple[str, ...] | str = (),
    higher_order: _bool = False,
    jvp: Callable[..., Any] | None = None,
    batch: str | None = None,
) -> CustomOp:
    """Make a function over NumPy or CuPy arrays an operation that autograd knows."""

@overload
def custom_op(
    forward: None = None,
    vjp: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    keeps: tuple[str, ...] | str = (),
    higher_order: _bool = False,
    jvp: Callable[..., Any] | None = None,
    batch: str | None = None,
) -> Callable[[Callable[..., Any]], CustomOp]: ...
def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""

def deg2rad_(input: Tensor) -> Tensor:
    """In-place form of `deg2rad`; returns the tensor."""

def diag(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrix with a vector on its diagonal, or a copy of the diagonal of a matrix."""

def diag_embed(
    input: Tensor, offset: _int = 0, dim1: _int = -2, dim2: _int = -1, *, out: Tensor | None = None
) -> Tensor:
    """Matrices with the last dimension of `input` on a diagonal, and zeros beside it."""

def diagflat(input: Tensor, offset: _int = 0) -> Tensor:
    """The matrix with all elements of `input` on its diagonal."""

def diagonal(input: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
    """The diagonals of the matrices in two dimensions of `input`, as the last dimension; a view."""

def diagonal_scatter(
    input: Tensor, src: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1, *, out: Tensor | None = None
) -> Tensor:
    """`input` with a diagonal replaced by `src`."""

def diff(
    input: Tensor,
    n: _int = 1,
    dim: _int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along a dimension, `n` times over."""

def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of the logarithm of the gamma function."""

def dist(input: Tensor, other: Tensor, p: _float = 2) -> Tensor:
    """The norm of order `p` of ``input - other`` as one vector."""

def div(input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """Elementwise quotient; integers are divided as the default dtype."""

def divide(input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """Elementwise quotient; integers are divided as the default dtype."""

def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of the products of the elements of two vectors."""

def dropout_mask(shape: tuple[_int, ...], p: _float, device: Device, generator: Generator | None = None) -> Tensor:
    """A boolean array that is False with probability `p`, held to 1/65536."""

def dsplit(input: Tensor, indices_or_sections: _int | Sequence[_int] | Tensor) -> tuple[Tensor, ...]:
    """The third dimension cut into equal pieces, or at given indices, as a tuple of views."""

def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors behind each other, along the third dimension."""

@overload
def einsum(equation: str, /, *operands: Tensor) -> Tensor:
    """Sums of products of the elements of tensors, by a formula of labels for their dimensions."""

@overload
def einsum(equation: str, operands: Sequence[Tensor], /) -> Tensor: ...
@overload
def einsum(operand: Tensor, labels: Sequence[Any], /, *operands_and_labels: Tensor | Sequence[Any]) -> Tensor: ...
@overload
def empty(
    *sizes: _int,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """A tensor whose values are whatever the memory holds."""

@overload
def empty(
    size: Sequence[_int],
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor: ...
def empty_like(
    input: Tensor,
    *,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """An uninitialised tensor of the shape, dtype and device of `input`."""

def empty_strided(
    size: Sequence[_int],
    stride: Dims,
    *,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """An uninitialised tensor whose strides, in elements, are given."""

def eq(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input == other``; `other` is a tensor or a number."""

def equal(input: Tensor, other: Tensor) -> _bool:
    """Whether two tensors have the same shape and equal elements."""

def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t * t)`` from 0 to `input`."""

def erf_(input: Tensor) -> Tensor:
    """In-place form of `erf`; returns the tensor."""

def erfc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complementary error function, ``1 - erf(input)``."""

def erfc_(input: Tensor) -> Tensor:
    """In-place form of `erfc`; returns the tensor."""

def erfinv(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `erf`: infinite at -1 and 1, NaN beyond."""

def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise exponential."""

def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise power of two."""

def exp2_(input: Tensor) -> Tensor:
    """In-place form of `exp2`; returns the tensor."""

def exp_(input: Tensor) -> Tensor:
    """In-place form of `exp`; returns the tensor."""

@overload
def expand(input: Tensor, *sizes: _int) -> Tensor:
    """`input` repeated along its dimensions of size 1, and along new ones in front, without a copy."""

@overload
def expand(input: Tensor, sizes: Sequence[_int]) -> Tensor: ...
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` expanded to the shape of `other`."""

def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``exp(input) - 1``, accurate near 0."""

def expm1_(input: Tensor) -> Tensor:
    """In-place form of `expm1`; returns the tensor."""

def eye(
    n: _int,
    m: _int | None = None,
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """The matrix with ones on its diagonal and zeros elsewhere."""

def fill(input: Tensor, value: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """A tensor of the shape and dtype of `input` with every element `value`."""

def fix(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The integer part. Its gradient is zero."""

def fix_(input: Tensor) -> Tensor:
    """In-place form of `trunc`; returns the tensor."""

def flatten(input: Tensor, start_dim: _int = 0, end_dim: _int = -1) -> Tensor:
    """`input` with the dimensions from `start_dim` to `end_dim` made one."""

@overload
def flip(input: Tensor, *dims: _int) -> Tensor:
    """A copy with the order of the elements along some dimensions reversed."""

@overload
def flip(input: Tensor, dims: Dims) -> Tensor: ...
def fliplr(input: Tensor) -> Tensor:
    """A copy with the order of the columns reversed."""

def flipud(input: Tensor) -> Tensor:
    """A copy with the order of the rows reversed."""

def float_power(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise power in double precision; one of the two may be a number."""

def floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest integer that is not greater. Its gradient is zero."""

def floor_(input: Tensor) -> Tensor:
    """In-place form of `floor`; returns the tensor."""

def floor_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise quotient rounded down, Python's ``//``."""

def fmax(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor: ...
def fmin(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor: ...
def fmod(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The rest of the division rounded towards zero, C's ``fmod``; it has the sign of `input`."""

def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The fractional part, with the sign of `input`."""

def frac_(input: Tensor) -> Tensor:
    """In-place form of `frac`; returns the tensor."""

def frexp(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> MantissaExponent:
    """Mantissas in [0.5, 1) and powers of two, ``input = mantissa * 2 ** exponent``."""

def from_dlpack(ext_tensor: Any, *, device: DeviceLike | None = None, copy: _bool | None = None) -> Tensor:
    """A tensor over the memory of any array that speaks DLPack."""

def full(
    size: Sequence[_int],
    fill_value: Number,
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """A tensor with every element `fill_value`."""

def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """A tensor of the shape, dtype and device of `input` with every element `fill_value`."""

def gather(
    input: Tensor,
    dim: _int,
    index: Tensor,
    *,
    sparse_grad: _bool = False,
    axis: Dims | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The elements that an index names along a dimension: ``out[i, j] = input[index[i, j], j]`` for `dim` 0."""

def gcd(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Greatest common divisor of integers."""

def gcd_(input: Tensor, other: Operand) -> Tensor:
    """In-place form of `gcd`; returns the tensor."""

def ge(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input >= other``; `other` is a tensor or a number."""

def ger(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`outer` by BLAS' name."""

def greater(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input > other``; `other` is a tensor or a number."""

def greater_equal(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input >= other``; `other` is a tensor or a number."""

def gt(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input > other``; `other` is a tensor or a number."""

def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 where `input` is negative, 1 where it is positive, `values` where it is zero."""

def histc(input: Tensor, bins: _int = 100, min: _float = 0, max: _float = 0, *, out: Tensor | None = None) -> Tensor:
    """How many elements lie in each of equally wide bins; those outside are not counted."""

def hsplit(input: Tensor, indices_or_sections: _int | Sequence[_int] | Tensor) -> tuple[Tensor, ...]: ...
def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors side by side: along the second dimension, or the first of vectors."""

def hypot(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The hypotenuse, ``sqrt(input ** 2 + other ** 2)``, without overflow."""

def imag(input: Tensor) -> Tensor:
    """The imaginary parts, as a view. Also ``x.imag``."""

def index_add(
    input: Tensor,
    dim: _int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: _float = 1,
    axis: Dims | None = None,
    out: Tensor | None = None,
) -> Tensor: ...
def index_copy(
    input: Tensor, dim: _int, index: Tensor, source: Tensor, *, axis: Dims | None = None, out: Tensor | None = None
) -> Tensor:
    """`input` with the items of `source` in the places that an index names along a dimension."""

def index_fill(
    input: Tensor,
    dim: _int,
    index: Tensor,
    value: Tensor | Number,
    *,
    axis: Dims | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with one value in the places that an index names along a dimension."""

def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: _bool = False) -> Tensor:
    """`input` with `values` written at ``input[indices]``."""

def index_reduce(
    input: Tensor, dim: _int, index: Tensor, source: Tensor, reduce: str, *, include_self: _bool = True
) -> Tensor:
    """`input` with the items of `source` combined where an index says along a dimension."""

def index_select(
    input: Tensor, dim: _int, index: Tensor, *, axis: Dims | None = None, out: Tensor | None = None
) -> Tensor:
    """The items that an index names along a dimension."""

def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sums of products over the last dimension of both tensors."""

def is_tensor(obj: object) -> TypeIs[Tensor]:
    """Whether `obj` is a tensor."""

def isclose(
    input: Tensor,
    other: Tensor,
    rtol: _float = 1e-05,
    atol: _float = 1e-08,
    equal_nan: _bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Whether elements differ by at most ``atol + rtol * abs(other)``; both tensors have the same dtype."""

def isfinite(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether an element is neither infinite nor NaN."""

def isin(
    elements: Tensor | Number,
    test_elements: Tensor | Number,
    *,
    assume_unique: _bool = False,
    invert: _bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Whether each element is one of `test_elements`; either may be a number."""

def isinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether an element is infinite."""

def isnan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether an element is NaN."""

def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether an element is infinite and negative."""

def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether an element is infinite and positive."""

def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is zero."""

def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: each element of `input` times all of `other`, in its place."""

def kthvalue(
    input: Tensor, k: _int, dim: _int = -1, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> ValuesIndices:
    """The `k`-th smallest element along a dimension, and its index; NaN counts as the largest."""

def lcm(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Least common multiple of integers."""

def lcm_(input: Tensor, other: Operand) -> Tensor:
    """In-place form of `lcm`; returns the tensor."""

def ldexp(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input * 2 ** other``, elementwise; `other` is usually of integers."""

def ldexp_(input: Tensor, other: Operand) -> Tensor:
    """In-place form of `ldexp`; returns the tensor."""

def le(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input <= other``; `other` is a tensor or a number."""

def lerp(input: Tensor, end: Tensor, weight: Tensor | _float, *, out: Tensor | None = None) -> Tensor:
    """Linear interpolation, ``input + weight * (end - input)``."""

def less(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input < other``; `other` is a tensor or a number."""

def less_equal(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input <= other``; `other` is a tensor or a number."""

def lgamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the magnitude of the gamma function."""

def linspace(
    start: Number,
    end: Number,
    steps: _int,
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """`steps` numbers in equal steps from `start` to `end`, which both belong to them."""

def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise natural logarithm, NaN of negative numbers."""

def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise logarithm to base 10."""

def log10_(input: Tensor) -> Tensor:
    """In-place form of `log10`; returns the tensor."""

def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``log(1 + input)``, accurate near 0."""

def log1p_(input: Tensor) -> Tensor:
    """In-place form of `log1p`; returns the tensor."""

def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise logarithm to base 2."""

def log2_(input: Tensor) -> Tensor:
    """In-place form of `log2`; returns the tensor."""

def log_(input: Tensor) -> Tensor:
    """In-place form of `log`; returns the tensor."""

def log_softmax(
    input: Tensor, dim: _int, *, dtype: DTypeLike | None = None, axis: Dims | None = None, out: Tensor | None = None
) -> Tensor:
    """The logarithm of `softmax`, without overflow or loss of precision."""

def logaddexp(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``log(exp(input) + exp(other))``, without overflow."""

def logaddexp2(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``log2(2 ** input + 2 ** other)``, without overflow."""

def logcumsumexp(input: Tensor, dim: _int, *, axis: Dims | None = None, out: Tensor | None = None) -> Tensor:
    """The logarithm of the running sum of exponentials along a dimension, without overflow."""

def logical_and(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise "and"; numbers are true unless zero."""

def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise "not"; numbers are true unless zero."""

def logical_or(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise "or"; numbers are true unless zero."""

def logical_xor(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise "either, not both"; numbers are true unless zero."""

def logit(input: Tensor, eps: _float | None = None, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``log(input / (1 - input))``, the inverse of `sigmoid`."""

def logit_(input: Tensor, eps: _float | None = None) -> Tensor:
    """In-place form of `logit`; returns the tensor."""

def logspace(
    start: Number,
    end: Number,
    steps: _int,
    base: _float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """`steps` powers of `base`, whose exponents go in equal steps from `start` to `end`."""

def logsumexp(
    input: Tensor,
    dim: Dims | None = None,
    keepdim: _bool = False,
    *,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``log(sum(exp(input)))`` along dimensions, without overflow."""

def lt(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input < other``; `other` is a tensor or a number."""

def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with `value` wherever `mask` is true."""

def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the first elements of `source`, in order, where a mask is True."""

def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where a mask is True, as a vector."""

def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices, of stacks of them, or with vectors."""

@overload
def max(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest of all elements; along a dimension, with its indices; or of two tensors, elementwise."""

@overload
def max(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
@overload
def max(
    input: Tensor, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> ValuesIndices: ...
@overload
def max(
    input: Tensor, *, axis: _int, keepdims: _bool = False, out: tuple[Tensor, Tensor] | None = None
) -> ValuesIndices: ...
def maximum(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The larger of two elements; NaN where one is NaN. Equal elements share the gradient."""

def mean(
    input: Tensor,
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
def median(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The median of all elements, or along a dimension with its indices."""

@overload
def median(
    input: Tensor, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> ValuesIndices: ...
@overload
def meshgrid(*tensors: Tensor, indexing: str | None = None) -> tuple[Tensor, ...]: ...
@overload
def meshgrid(tensors: Sequence[Tensor], /, *, indexing: str | None = None) -> tuple[Tensor, ...]: ...
@overload
def min(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest of all elements; along a dimension, with its indices; or of two tensors. As `max` otherwise."""

@overload
def min(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
@overload
def min(
    input: Tensor, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> ValuesIndices: ...
@overload
def min(
    input: Tensor, *, axis: _int, keepdims: _bool = False, out: tuple[Tensor, Tensor] | None = None
) -> ValuesIndices: ...
def minimum(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two elements; NaN where one is NaN. Equal elements share the gradient."""

def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices."""

def mode(
    input: Tensor, dim: _int = -1, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> ValuesIndices: ...
def moveaxis(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """`movedim` by NumPy's name."""

def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """`input` with dimensions moved to other places, the rest in their order; a view."""

def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements in order along the first dimension."""

def mul(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise product."""

def multinomial(
    input: Tensor,
    num_samples: _int,
    replacement: _bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with the probabilities in the last dimension, which need not add up to one."""

def multiply(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise product."""

def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of a matrix and a vector."""

def mvlgamma(input: Tensor, p: _int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension `p`; elements exceed ``(p - 1) / 2``."""

def nan_to_num(
    input: Tensor,
    nan: _float | None = None,
    posinf: _float | None = None,
    neginf: _float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN and infinities replaced by numbers."""

def nan_to_num_(
    input: Tensor, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None
) -> Tensor:
    """In-place form of `nan_to_num`; returns the tensor."""

def nanmean(
    input: Tensor,
    dim: Dims | None = None,
    keepdim: _bool = False,
    *,
    dtype: DTypeLike | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of the elements that are not NaN, of all or along dimensions."""

@overload
def nanmedian(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The `median` of the elements that are not NaN, of all or along a dimension with its indices."""

@overload
def nanmedian(
    input: Tensor, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> ValuesIndices: ...
def nanquantile(
    input: Tensor,
    q: _float | Tensor,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The quantiles of the elements that are not NaN, of all or along a dimension; see `quantile`."""

def nansum(
    input: Tensor,
    dim: Dims | None = None,
    keepdim: _bool = False,
    *,
    dtype: DTypeLike | None = None,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum of all elements, or along dimensions, with NaN taken as zero."""

def narrow(input: Tensor, dim: _int, start: _int | Tensor, length: _int) -> Tensor:
    """A stretch of a dimension; a view."""

def ne(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input != other``; `other` is a tensor or a number."""

def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise negative."""

def neg_(input: Tensor) -> Tensor:
    """In-place form of `neg`; returns the tensor."""

def negative(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise negative."""

def negative_(input: Tensor) -> Tensor:
    """In-place form of `neg`; returns the tensor."""

def nextafter(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The next floating-point number from `input` in the direction of `other`."""

@overload
def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: Literal[False] = False) -> Tensor:
    """The indices of the elements that are not zero, one in a row; or a vector of indices for each dimension."""

@overload
def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...
@overload
def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: _bool) -> Tensor | tuple[Tensor, ...]: ...
def norm(
    input: Tensor,
    p: _float | str | None = "fro",
    dim: Dims | None = None,
    keepdim: _bool = False,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """The norm of all elements as one vector, or along dimensions. Its gradient at the zero vector is 0."""

def normal(
    mean: _float | Tensor,
    std: _float | Tensor = 1.0,
    size: Sequence[_int] | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Normal random numbers, each with its own mean and standard deviation, or all of one shape with the same."""

def not_equal(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``input != other``; `other` is a tensor or a number."""

@overload
def ones(
    *sizes: _int,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """A tensor of ones."""

@overload
def ones(
    size: Sequence[_int],
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor: ...
def ones_like(
    input: Tensor,
    *,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """Ones of the shape, dtype and device of `input`."""

def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of each element of one vector and each of another."""

@overload
def permute(input: Tensor, *dims: _int) -> Tensor:
    """`input` with its dimensions in the order `dims`; a view."""

@overload
def permute(input: Tensor, dims: Dims) -> Tensor: ...
def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A complex tensor of magnitudes and angles, ``abs * (cos(angle) + i sin(angle))``, of float32 or float64."""

def polygamma(n: _int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of order `n` of `digamma`."""

def positive(input: Tensor) -> Tensor:
    """`input` itself."""

def pow(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise power; one of the two may be a number."""

def prod(
    input: Tensor,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    dtype: DTypeLike | None = None,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The product of all elements, or along a dimension; its gradient is exact where elements are zero."""

def promote_types(type1: DTypeLike, type2: DTypeLike) -> DType:
    """The smallest dtype that both promote to, by PyTorch's table."""

def put(
    input: Tensor, index: Tensor, source: Tensor, accumulate: _bool = False, *, out: Tensor | None = None
) -> Tensor:
    """`input` with elements written at positions in the flattened tensor."""

def quantile(
    input: Tensor,
    q: _float | Tensor,
    dim: _int | None = None,
    keepdim: _bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The quantiles of all elements, or along a dimension; NaN where there is a NaN."""

def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""

def rad2deg_(input: Tensor) -> Tensor:
    """In-place form of `rad2deg`; returns the tensor."""

@overload
def rand(
    *sizes: _int,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Uniform random numbers from [0, 1); the shape is integers, or a sequence."""

@overload
def rand(
    size: Sequence[_int],
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor: ...
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """Uniform random numbers from [0, 1) with the shape, dtype and device of `input`."""

@overload
def randint(
    high: _int,
    size: Sequence[_int],
    /,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Random integers from [low, high), int64 by default; ``randint(high, size)`` starts from 0."""

@overload
def randint(
    low: _int,
    high: _int,
    size: Sequence[_int],
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor: ...
@overload
def randint(
    high: _int,
    /,
    *,
    size: Sequence[_int],
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor: ...
def randint_like(
    input: Tensor,
    low: _int,
    high: _int | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """Random integers from [low, high) with the shape, dtype and device of `input`."""

@overload
def randn(
    *sizes: _int,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Standard normal random numbers, complex ones of variance 1; the shape is integers, or a sequence."""

@overload
def randn(
    size: Sequence[_int],
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor: ...
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """Standard normal random numbers with the shape, dtype and device of `input`."""

def randperm(
    n: _int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """A random permutation of 0 .. n-1, int64 by default."""

def range(
    start: Number = 0,
    end: Number | None = None,
    step: Number = 1,
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
) -> Tensor:
    """The numbers from `start` to `end`, which belongs to them, by `step`; `arange` is what to use."""

def ravel(input: Tensor) -> Tensor:
    """`input` as one dimension; a view where the layout allows it."""

def real(input: Tensor) -> Tensor:
    """The real parts, as a view; of a real tensor the tensor itself. Also ``x.real``."""

def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise reciprocal."""

def reciprocal_(input: Tensor) -> Tensor:
    """In-place form of `reciprocal`; returns the tensor."""

def relu(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``max(input, 0)``. Its derivative at 0 is 0."""

def relu_(input: Tensor) -> Tensor:
    """In-place form of `relu`; returns the tensor."""

def remainder(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The rest of the division rounded down, Python's ``%``; it has the sign of `other`."""

@overload
def repeat(input: Tensor, *repeats: _int) -> Tensor:
    """Copies of `input` side by side."""

@overload
def repeat(input: Tensor, repeats: Sequence[_int]) -> Tensor: ...
@overload
def repeat_interleave(repeats: Tensor, /, *, output_size: _int | None = None) -> Tensor:
    """Each element, or each item along a dimension, several times in a row."""

@overload
def repeat_interleave(
    input: Tensor, repeats: _int | Tensor, dim: _int | None = None, *, output_size: _int | None = None
) -> Tensor: ...
@overload
def reshape(input: Tensor, *shape: _int) -> Tensor:
    """`input` with another shape: a view where the layout allows it, a copy otherwise."""

@overload
def reshape(input: Tensor, shape: Sequence[_int]) -> Tensor: ...
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` with the shape of `other`."""

def resolve_conj(input: Tensor) -> Tensor:
    """`input` itself: conjugates are never put off here."""

def roll(input: Tensor, shifts: Dims, dims: Dims = ()) -> Tensor:
    """A copy with the elements moved along dimensions; what leaves at one end comes in at the other."""

def rot90(input: Tensor, k: _int = 1, dims: Sequence[_int] = (0, 1)) -> Tensor:
    """A copy turned by 90 degrees in the plane of two dimensions."""

def round(input: Tensor, *, decimals: _int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest integer, of two equally near the even one. Its gradient is zero."""

def round_(input: Tensor, *, decimals: _int = 0) -> Tensor:
    """In-place form of `round`; returns the tensor."""

def row_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """`vstack` by another name."""

def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise reciprocal of the square root."""

def rsqrt_(input: Tensor) -> Tensor:
    """In-place form of `rsqrt`; returns the tensor."""

def rsub(input: Operand, other: Operand, *, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """Elementwise difference the other way round, ``other - alpha * input``."""

def scalar_tensor(
    s: Number,
    *,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """A tensor without dimensions that holds a number."""

@overload
def scatter(input: Tensor, dim: _int, index: Tensor, src: Tensor | Number, *, reduce: str | None = None) -> Tensor:
    """`input` with elements replaced where an index says: ``out[index[i, j], j] = src[i, j]`` for `dim` 0."""

@overload
def scatter(input: Tensor, dim: _int, index: Tensor, *, value: Number, reduce: str | None = None) -> Tensor: ...
def scatter_add(input: Tensor, dim: _int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with elements added where an index says: ``out[index[i, j], j] += src[i, j]`` for `dim` 0."""

def scatter_reduce(
    input: Tensor, dim: _int, index: Tensor, src: Tensor, reduce: str, *, include_self: _bool = True
) -> Tensor:
    """`input` with elements combined where an index says, as in `scatter_add`."""

def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: _bool = False,
    right: _bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where elements would have to be inserted into sorted sequences."""

def select(input: Tensor, dim: _int, index: _int) -> Tensor:
    """One item along a dimension, which is dropped; a view."""

def select_scatter(input: Tensor, src: Tensor, dim: _int, index: _int) -> Tensor:
    """`input` with one item along a dimension replaced by `src`."""

def selu(input: Tensor) -> Tensor:
    """`elu` with the two constants for which activations keep mean 0 and variance 1."""

def selu_(input: Tensor) -> Tensor:
    """In-place form of `selu`; returns the tensor."""

def set_default_device(device: DeviceLike | None) -> None:
    """Make `device` the one on which factories make tensors; None means the CPU."""

def set_default_dtype(d: DTypeLike, /) -> None: ...
def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sign; of a complex number the number of magnitude 1 in its direction, and 0 at 0."""

def sigmoid_(input: Tensor) -> Tensor:
    """In-place form of `sigmoid`; returns the tensor."""

def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1 as the element is negative, zero or positive."""

def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether the sign bit is set: true for negative numbers, and for -0.0."""

def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise sine, of radians."""

def sin_(input: Tensor) -> Tensor:
    """In-place form of `sin`; returns the tensor."""

def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise ``sin(pi * input) / (pi * input)``, 1 at 0."""

def sinc_(input: Tensor) -> Tensor:
    """In-place form of `sinc`; returns the tensor."""

def sinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise hyperbolic sine."""

def sinh_(input: Tensor) -> Tensor:
    """In-place form of `sinh`; returns the tensor."""

def slice_scatter(
    input: Tensor, src: Tensor, dim: _int = 0, start: _int | None = None, end: _int | None = None, step: _int = 1
) -> Tensor:
    """`input` with a slice of a dimension replaced by `src`."""

def softmax(
    input: Tensor, dim: _int, *, dtype: DTypeLike | None = None, axis: Dims | None = None, out: Tensor | None = None
) -> Tensor:
    """``exp(input)`` divided by its sum along a dimension."""

def sort(
    input: Tensor,
    dim: _int = -1,
    descending: _bool = False,
    stable: _bool | None = None,
    *,
    out: tuple[Tensor, Tensor] | None = None,
) -> ValuesIndices: ...
def split(tensor: Tensor, split_size_or_sections: _int | Sequence[_int], dim: _int = 0) -> tuple[Tensor, ...]:
    """A dimension cut into pieces, as a tuple of views."""

def split_with_sizes(input: Tensor, split_sizes: Sequence[_int], dim: _int = 0) -> tuple[Tensor, ...]:
    """A dimension cut into pieces of given sizes, as a tuple of views."""

def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise square root, with an infinite derivative at 0."""

def sqrt_(input: Tensor) -> Tensor:
    """In-place form of `sqrt`; returns the tensor."""

def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise square."""

def square_(input: Tensor) -> Tensor:
    """In-place form of `square`; returns the tensor."""

def squeeze(input: Tensor, dim: Dims | None = None, *, axis: Dims | None = None) -> Tensor:
    """`input` without its dimensions of size 1; a view."""

def stack(tensors: Sequence[Tensor], dim: _int = 0, *, axis: Dims | None = None, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape side by side along a new dimension."""

@overload
def std(
    input: Tensor,
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
def std(input: Tensor, unbiased: _bool) -> Tensor: ...
@overload
def std_mean(
    input: Tensor,
    dim: Dims | None = None,
    unbiased: _bool | None = None,
    keepdim: _bool = False,
    *,
    correction: _float | None = None,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
) -> tuple[Tensor, Tensor]:
    """A pair of `std` and `mean`."""

@overload
def std_mean(input: Tensor, unbiased: _bool) -> tuple[Tensor, Tensor]: ...
def sub(input: Operand, other: Operand, *, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """Elementwise difference, ``input - alpha * other``."""

def subtract(input: Operand, other: Operand, *, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """Elementwise difference, ``input - alpha * other``."""

def sum(
    input: Tensor,
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
def sum_to_size(input: Tensor, *size: _int) -> Tensor:
    """`input` added up to the shape `size`: what expanding from that shape has as its gradient."""

@overload
def sum_to_size(input: Tensor, size: Sequence[_int]) -> Tensor: ...
def swapaxes(input: Tensor, axis0: _int, axis1: _int) -> Tensor:
    """`transpose` by NumPy's name."""

def swapdims(input: Tensor, dim0: _int, dim1: _int) -> Tensor:
    """`transpose` by another name."""

def t(input: Tensor) -> Tensor:
    """The transposed matrix, a view; a vector as it is."""

def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements at positions in the flattened tensor."""

def take_along_dim(
    input: Tensor, indices: Tensor, dim: _int | None = None, *, axis: _int | None = None, out: Tensor | None = None
) -> Tensor:
    """The elements that an index, broadcast in the other dimensions, names along a dimension."""

def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elementwise tangent, of radians."""

def tan_(input: Tensor) -> Tensor:
    """In-place form of `tan`; returns the tensor."""

def tanh_(input: Tensor) -> Tensor:
    """In-place form of `tanh`; returns the tensor."""

def tensor(
    data: Any,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """A tensor with a copy of `data`."""

def tensor_split(
    input: Tensor, indices_or_sections: _int | Sequence[_int] | Tensor, dim: _int = 0
) -> tuple[Tensor, ...]:
    """A dimension cut into a number of nearly equal pieces, or cut at given indices, as a tuple of views."""

def tensordot(a: Tensor, b: Tensor, dims: _int | Sequence[Sequence[_int]] = 2, out: Tensor | None = None) -> Tensor:
    """The sums of products over dimensions of both tensors."""

def threshold(input: Tensor, threshold: _float, value: _float, *, out: Tensor | None = None) -> Tensor:
    """`input` where it is greater than `threshold`, `value` elsewhere."""

def threshold_(input: Tensor, threshold: _float, value: _float) -> Tensor:
    """In-place form of `threshold`; returns the tensor."""

@overload
def tile(input: Tensor, *dims: _int) -> Tensor:
    """Copies of `input` side by side, as NumPy's `tile`."""

@overload
def tile(input: Tensor, dims: Dims) -> Tensor: ...
def topk(
    input: Tensor,
    k: _int,
    dim: _int = -1,
    largest: _bool = True,
    sorted: _bool = True,
    *,
    out: tuple[Tensor, Tensor] | None = None,
) -> ValuesIndices:
    """The `k` largest elements along a dimension, and their indices; NaN counts as the largest."""

def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""

def transpose(input: Tensor, dim0: _int, dim1: _int) -> Tensor:
    """`input` with two dimensions exchanged; a view."""

def tril(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrices of `input` with zeros above a diagonal."""

def tril_indices(
    row: _int,
    col: _int,
    offset: _int = 0,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike | None = None,
    layout: object = None,
) -> Tensor:
    """The indices of the elements on and below a diagonal: a row of row numbers, and one of column numbers."""

def triu(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrices of `input` with zeros below a diagonal."""

def triu_indices(
    row: _int,
    col: _int,
    offset: _int = 0,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike | None = None,
    layout: object = None,
) -> Tensor:
    """The indices of the elements on and above a diagonal: a row of row numbers, and one of column numbers."""

def true_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Elementwise quotient; the same as `div` without rounding."""

def trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The integer part. Its gradient is zero."""

def trunc_(input: Tensor) -> Tensor:
    """In-place form of `trunc`; returns the tensor."""

def unbind(input: Tensor, dim: _int = 0, *, axis: _int | None = None) -> tuple[Tensor, ...]:
    """The items along a dimension, as a tuple of views without it."""

def unflatten(input: Tensor, dim: _int, sizes: Sequence[_int]) -> Tensor:
    """`input` with one dimension made several; a view."""

def unfold(input: Tensor, dimension: _int, size: _int, step: _int) -> Tensor:
    """The windows of `size` elements along a dimension, every `step`, as a new last dimension; a view."""

@overload
def unique(
    input: Tensor,
    sorted: _bool = True,
    return_inverse: Literal[False] = False,
    return_counts: Literal[False] = False,
    dim: _int | None = None,
) -> Tensor:
    """The different elements in order; along a dimension, the different slices."""

@overload
def unique(
    input: Tensor,
    sorted: _bool = True,
    *,
    return_inverse: Literal[True],
    return_counts: Literal[True],
    dim: _int | None = None,
) -> tuple[Tensor, Tensor, Tensor]: ...
@overload
def unique(
    input: Tensor,
    sorted: _bool = True,
    *,
    return_inverse: Literal[True],
    return_counts: Literal[False] = False,
    dim: _int | None = None,
) -> tuple[Tensor, Tensor]: ...
@overload
def unique(
    input: Tensor,
    sorted: _bool = True,
    return_inverse: Literal[False] = False,
    *,
    return_counts: Literal[True],
    dim: _int | None = None,
) -> tuple[Tensor, Tensor]: ...
@overload
def unique(
    input: Tensor, sorted: _bool, return_inverse: Literal[True], return_counts: Literal[True], dim: _int | None = None
) -> tuple[Tensor, Tensor, Tensor]: ...
@overload
def unique(
    input: Tensor,
    sorted: _bool,
    return_inverse: Literal[True],
    return_counts: Literal[False] = False,
    dim: _int | None = None,
) -> tuple[Tensor, Tensor]: ...
@overload
def unique(
    input: Tensor, sorted: _bool, return_inverse: Literal[False], return_counts: Literal[True], dim: _int | None = None
) -> tuple[Tensor, Tensor]: ...
@overload
def unique(
    input: Tensor,
    sorted: _bool = True,
    return_inverse: _bool = False,
    return_counts: _bool = False,
    dim: _int | None = None,
) -> Tensor | tuple[Tensor, ...]: ...
@overload
def unique_consecutive(
    input: Tensor,
    return_inverse: Literal[False] = False,
    return_counts: Literal[False] = False,
    dim: _int | None = None,
) -> Tensor:
    """The elements without those that equal the one before; along a dimension, the slices."""

@overload
def unique_consecutive(
    input: Tensor, return_inverse: Literal[True], return_counts: Literal[True], dim: _int | None = None
) -> tuple[Tensor, Tensor, Tensor]: ...
@overload
def unique_consecutive(
    input: Tensor, return_inverse: Literal[True], return_counts: Literal[False] = False, dim: _int | None = None
) -> tuple[Tensor, Tensor]: ...
@overload
def unique_consecutive(
    input: Tensor, return_inverse: Literal[False] = False, *, return_counts: Literal[True], dim: _int | None = None
) -> tuple[Tensor, Tensor]: ...
@overload
def unique_consecutive(
    input: Tensor, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None
) -> Tensor | tuple[Tensor, ...]: ...
def unravel_index(indices: Tensor, shape: Dims) -> tuple[Tensor, ...]:
    """Positions in a flattened tensor as indices of each dimension."""

def unsafe_chunk(input: Tensor, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
    """`chunk` whose results are tensors of their own, so that they may be written in place."""

def unsafe_split(tensor: Tensor, split_size: _int, dim: _int = 0) -> tuple[Tensor, ...]:
    """`split` whose results are tensors of their own, so that they may be written in place."""

def unsafe_split_with_sizes(input: Tensor, split_sizes: Sequence[_int], dim: _int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes` into pieces that share no memory with `input`, so that they may be written in place."""

def unsqueeze(input: Tensor, dim: _int, *, axis: Dims | None = None) -> Tensor:
    """`input` with a dimension of size 1 more; a view."""

@overload
def var(
    input: Tensor,
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
def var(input: Tensor, unbiased: _bool) -> Tensor: ...
@overload
def var_mean(
    input: Tensor,
    dim: Dims | None = None,
    unbiased: _bool | None = None,
    keepdim: _bool = False,
    *,
    correction: _float | None = None,
    axis: Dims | None = None,
    keepdims: _bool | None = None,
) -> tuple[Tensor, Tensor]:
    """A pair of `var` and `mean`."""

@overload
def var_mean(input: Tensor, unbiased: _bool) -> tuple[Tensor, Tensor]: ...
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of the products of the elements of two vectors, those of the first conjugated."""

@overload
def view(input: Tensor, *shape: _int) -> Tensor:
    """The same memory with another shape (or, given a dtype, with its bytes read as that)."""

@overload
def view(input: Tensor, size: Sequence[_int]) -> Tensor: ...
@overload
def view(input: Tensor, dtype: DTypeLike) -> Tensor: ...
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """The same memory with the shape of `other`."""

def view_as_complex(input: Tensor) -> Tensor:
    """A real tensor whose last dimension holds pairs as a complex one; a view."""

def view_as_real(input: Tensor) -> Tensor:
    """A complex tensor as a real one, with a last dimension of real and imaginary parts; a view."""

def vsplit(input: Tensor, indices_or_sections: _int | Sequence[_int] | Tensor) -> tuple[Tensor, ...]:
    """The first dimension cut into equal pieces, or at given indices, as a tuple of views."""

def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors below each other, vectors taken for rows."""

@overload
def where(condition: Tensor) -> tuple[Tensor, ...]:
    """`input` where `condition` is true, `other` elsewhere."""

@overload
def where(condition: Tensor, input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor: ...
def xlogy(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input * log(other)``, and 0 where `input` is 0, unless `other` is NaN."""

def xlogy_(input: Tensor, other: Operand) -> Tensor:
    """In-place form of `xlogy`; returns the tensor."""

@overload
def zeros(
    *sizes: _int,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor:
    """A tensor of zeros."""

@overload
def zeros(
    size: Sequence[_int],
    *,
    out: Tensor | None = None,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: _bool = False,
    requires_grad: _bool = False,
) -> Tensor: ...
def zeros_like(
    input: Tensor,
    *,
    dtype: DTypeLike | None = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """Zeros of the shape, dtype and device of `input`."""
