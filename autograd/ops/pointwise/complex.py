"""Complex numbers and their parts.

A gradient travels through the tape without the conjugate that PyTorch's convention puts on it: for a real result it is
``d/d real - i d/d imag``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import over
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.dispatch.primitives import zero_gradient
from tapegrad.autograd.ops.common.half_precision import category
from tapegrad.autograd.ops.pointwise.comparison import eq
from tapegrad.autograd.ops.pointwise.trigonometry import cos, sin
from tapegrad.autograd.types import dtypes
from tapegrad.backends import xp


@op(input=lambda grad: grad, kind="view", public=False, name="real", batch=over())
def _real(input: Array) -> Array:
    return input.real


@op(input=lambda grad: grad * -1j, kind="view", public=False, name="imag", batch=over())
def _imag(input: Array) -> Array:
    return input.imag


@composite()
def real(input: Operand) -> Any:
    """The real parts, as a view; of a real tensor the tensor itself. Also ``x.real``.

    Example:
        >>> tapegrad.real(tapegrad.tensor([1 + 2j]))
        tensor([1.])
    """
    return _real(input) if category(input) == "c" else input


@composite()
def imag(input: Operand) -> Any:
    """The imaginary parts, as a view. Also ``x.imag``.

    Raises:
        RuntimeError: `input` is not complex.

    Example:
        >>> tapegrad.imag(tapegrad.tensor([1 + 2j]))
        tensor([2.])
    """
    if category(input) != "c":
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _imag(input)


def _set_real(self: Tensor, value: Operand) -> None:
    real(self)[...] = value


def _set_imag(self: Tensor, value: Operand) -> None:
    imag(self)[...] = value


Tensor.real = property(real, _set_real, doc="The real parts.")  # type: ignore[method-assign,assignment]
Tensor.imag = property(imag, _set_imag, doc="The imaginary parts.")  # type: ignore[method-assign,assignment]


@op(input=lambda grad: conjugate(grad), kind="linear", public=False, name="conj", batch=over())
def conjugate(input: Array) -> Array:
    """The complex conjugate, a new array."""
    return xp(input).conj(input)


@composite(method=True)
def conj(input: Operand) -> Any:
    """The complex conjugate; a real tensor is its own.

    Example:
        >>> tapegrad.conj(tapegrad.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    return conjugate(input) if category(input) == "c" else input


@composite(method=True, inplace=True)
def conj_physical(input: Operand, *, out: Operand = None) -> Any:
    """The complex conjugate in memory of its own; a real tensor is its own.

    Example:
        >>> tapegrad.conj_physical(tapegrad.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    return conjugate(input, out=out) if category(input) == "c" or out is not None else input


@composite(method=True)
def resolve_conj(input: Operand) -> Any:
    """`input` itself: conjugates are never put off here.

    Example:
        >>> tapegrad.resolve_conj(tapegrad.tensor([1 + 2j]).conj())
        tensor([1.-2.j])
    """
    return input


def _angle_rule(grad: Operand, input: Operand) -> Operand:
    if category(input) != "c":
        return zero_gradient(grad)
    size = (input * input.conj()).real
    return grad * (input.conj() * -1j) / (size + (size == 0))


@op(
    input=_angle_rule,
    kind="elementwise",
    operands="float",
    method=True,
    jvp=lambda d_input, input: _angle_rule(d_input, input).real,
)
def angle(input: Array) -> Array:
    """The angle in radians; of a real number 0, or pi where it is negative.

    Example:
        >>> tapegrad.angle(tapegrad.tensor([1j, -1, 1 + 1j]))
        tensor([1.5708, 3.1416, 0.7854])
    """
    if input.dtype.kind == "c":
        return xp(input).angle(input)
    return xp(input).where(input != input, input, ((input < 0) * np.pi).astype(input.dtype))


@op(input=lambda grad: view_as_complex(_contiguous(grad)).conj(), kind="view", batch=over())
def view_as_real(input: Array) -> Array:
    """A complex tensor as a real one, with a last dimension of real and imaginary parts; a view.

    Raises:
        RuntimeError: `input` is not complex.

    Example:
        >>> tapegrad.view_as_real(tapegrad.tensor([1 + 2j]))
        tensor([[1., 2.]])
    """
    if input.dtype.kind != "c":
        raise RuntimeError("view_as_real is only supported for complex tensors")
    part = np.dtype(f"f{input.dtype.itemsize // 2}")
    return input[..., None].view(part)


def _view_as_complex_in_batch(batched: frozenset[str], input: Tensor) -> Tensor:
    if raw(input).ndim == 1:  # the members have no dimensions
        raise RuntimeError("Input tensor must have one or more dimensions")
    return view_as_complex(input)


@op(input=lambda grad: view_as_real(grad.conj()), kind="view", batch=_view_as_complex_in_batch)
def view_as_complex(input: Array) -> Array:
    """A real tensor whose last dimension holds pairs as a complex one; a view.

    Args:
        input: a float32 or float64 tensor whose last dimension has size 2 and stride 1.

    Raises:
        RuntimeError: the dtype, the size or the stride is another.

    Example:
        >>> tapegrad.view_as_complex(tapegrad.tensor([[1.0, 2.0]]))
        tensor([1.+2.j])
    """
    if input.dtype.kind != "f" or input.dtype.itemsize < 4:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of "
            f"scalar type: {dtypes.of(input.dtype).scalar_type}"
        )
    if not input.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if input.size and input.strides[-1] != input.dtype.itemsize:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    pairs = np.dtype(f"c{input.dtype.itemsize * 2}")
    return input.view(pairs)[..., 0]


@op(input=lambda grad: _contiguous(grad), kind="linear", public=False, batch=over())
def _contiguous(input: Array) -> Array:
    return xp(input).ascontiguousarray(input) if input.ndim else input


def _complex_tangent(d_real: Operand, d_imag: Operand, real: Operand, imag: Operand) -> Operand:
    return complex(zero_gradient(real) if d_real is None else d_real, zero_gradient(imag) if d_imag is None else d_imag)


@op(
    real=lambda grad: grad.real,
    imag=lambda grad: (grad * 1j).real,
    kind="elementwise",
    operands="same",
    jvp=_complex_tangent,
)
def complex(real: Array, imag: Array) -> Array:
    """A complex tensor of real and imaginary parts, of float32 or float64.

    Raises:
        RuntimeError: the dtypes differ, or are others.

    Example:
        >>> tapegrad.complex(tapegrad.tensor([1.0]), tapegrad.tensor([2.0]))
        tensor([1.+2.j])
    """
    dtype = real.dtype
    if dtype.kind != "f" or dtype.itemsize < 4:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{dtypes.of(dtype).scalar_type} and {dtypes.of(imag.dtype).scalar_type}"
        )
    result = xp(real).empty(np.broadcast_shapes(real.shape, imag.shape), np.dtype(f"c{dtype.itemsize * 2}"))
    result.real, result.imag = real, imag
    return result


@composite()
def polar(abs: Operand, angle: Operand, *, out: Operand = None) -> Any:
    """A complex tensor of magnitudes and angles, ``abs * (cos(angle) + i sin(angle))``, of float32 or float64.

    Raises:
        RuntimeError: the dtypes differ, or are others.

    Example:
        >>> tapegrad.polar(tapegrad.tensor([2.0]), tapegrad.tensor([0.0]))
        tensor([2.+0.j])
    """
    first, second = dtypes.of(raw(abs).dtype), dtypes.of(raw(angle).dtype)
    if first is not second:
        raise RuntimeError(
            f"Expected object of scalar type {first.scalar_type} but got scalar type "
            f"{second.scalar_type} for second argument"
        )
    return stored("polar", out, complex(abs * cos(angle), abs * sin(angle)))


@composite(method=True)
def isreal(input: Operand) -> Any:
    """Whether the imaginary part is zero.

    Example:
        >>> tapegrad.isreal(tapegrad.tensor([1 + 1j, 2 + 0j]))
        tensor([False,  True])
    """
    return imag(input) == 0 if category(input) == "c" else eq(input, input) | True
