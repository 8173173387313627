"""`linear`: a product with a weight and a bias in one node.

``y = x w^T`` and its two adjoints ``x = y w`` and ``w = y^T x`` are three forms of one trilinear form. The rules of
each are the other two, so derivatives of any order are made of products of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import raised
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.half_precision import FLOAT32
from tapegrad.autograd.ops.common.tangents import added, of_product, through
from tapegrad.autograd.ops.linalg.matmul import matmul
from tapegrad.autograd.ops.nn.norms import channel_sum
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.type_names import type_name
from tapegrad.backends import backend, is_array


def rows(x: Operand) -> Operand:
    """`x` with all dimensions but the last in one."""
    return x if x.ndim == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1])


def product(a: Array, b: Array) -> Array:
    """The product of two matrices; NumPy has no fast one for half types, and adds up in them."""
    if a.__class__ is not np.ndarray:
        return backend(a).matmul(a, b)
    if a.dtype.itemsize == 2:
        return a.astype(FLOAT32).dot(b.astype(FLOAT32)).astype(a.dtype)
    return a.dot(b)


def by_transpose(x: Array, weight: Array) -> Array:
    """``x @ weight.T`` of matrices."""
    if (
        x.__class__ is np.ndarray
        and len(x) <= 96
        and len(x) * len(weight) >= 2048
        and weight.size >= 65536
        and x.dtype.itemsize != 2
    ):
        # For a few rows and a large weight OpenBLAS takes up to three times as long with the weight as the transposed
        # factor as with the rows, whose result then has to be transposed (measured for 2 to 96 rows).
        return weight.dot(x.T).T.copy()
    return product(x, weight.T)


def _check_dtypes(names: str, a: Array, b: Array) -> None:
    if a.dtype is not b.dtype and a.dtype != b.dtype:
        kinds = [dtypes.of(x.dtype).scalar_type for x in (a, b)]
        raise RuntimeError(f"{names} must have the same dtype, but got {kinds[0]} and {kinds[1]}")


@op(
    input=lambda grad, weight: _linear_input(grad, weight),
    weight=lambda grad, input: _linear_weight(grad, input),
    bias=lambda grad, bias_shape: _linear_bias(grad, bias_shape),
    operands="free",
    public=False,
    name="addmm",
    jvp=lambda d_input, d_weight, d_bias, input, weight, result: added(
        of_product(_linear, d_input, d_weight, input, weight), through(lambda d: d.expand(result.shape), d_bias)
    ),
    batch=lambda batched, input, weight, bias: _linear_in_batch(batched, input, weight, bias),
)
def _linear(input: Array, weight: Array, bias: Array = None) -> Array:
    *lead, features = input.shape
    if features != weight.shape[1]:
        shapes = f"{prod(lead)}x{features} and {weight.shape[1]}x{weight.shape[0]}"
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shapes})")
    _check_dtypes("mat1 and mat2", input, weight)
    y = by_transpose(rows(input), weight)
    if bias is not None:
        _check_dtypes("self and mat2", bias, y)
        y += bias
    return y if input.ndim == 2 else y.reshape(*lead, weight.shape[0])


@op(
    output=lambda grad, weight: _linear(grad, weight),
    weight=lambda grad, output: _linear_weight(output, grad),
    operands="free",
    public=False,
    jvp=lambda d_output, d_weight, output, weight: of_product(_linear_input, d_output, d_weight, output, weight),
    batch=lambda batched, output, weight: _times_weight(batched, "output", output, weight, _linear_input, False),
)
def _linear_input(output: Array, weight: Array) -> Array:
    x = product(rows(output), weight)
    return x if output.ndim == 2 else x.reshape(*output.shape[:-1], weight.shape[1])


@op(
    output=lambda grad, input: _linear(input, grad),
    input=lambda grad, output: _linear_input(output, grad),
    operands="free",
    public=False,
    jvp=lambda d_output, d_input, output, input: of_product(_linear_weight, d_output, d_input, output, input),
    batch=lambda batched, output, input: matmul(
        _member_rows(batched, "output", output).mT, _member_rows(batched, "input", input)
    ),
)
def _linear_weight(output: Array, input: Array) -> Array:
    return product(rows(output).T, rows(input))


def _linear_bias(grad: Operand, shape: tuple[int, ...]) -> Operand:
    if shape == grad.shape[-1:] and grad.ndim > 1:
        return channel_sum(rows(grad)[:, :, None])
    return sum_to(grad, shape)


# ---- within a batch


def _member_rows(batched: frozenset[str], name: str, t: Operand) -> Operand:
    """`t` with all dimensions but the last in one, and the batch in front."""
    lead = t.shape[:1] if name in batched else ()
    return t.reshape((*lead, prod(t.shape[len(lead) : -1]), t.shape[-1]))


def _times_weight(
    batched: frozenset[str], name: str, x: Operand, weight: Operand, function: Callable[..., Operand], transposed: bool
) -> Operand:
    """A product with the weight, which may differ from member to member."""
    if "weight" not in batched:
        return function(x, weight)
    shape = x.shape[name in batched : -1]
    y = matmul(_member_rows(batched, name, x), weight.mT if transposed else weight)
    return y.reshape((y.shape[0], *shape, y.shape[-1]))


def _linear_in_batch(batched: frozenset[str], input: Operand, weight: Operand, bias: Operand) -> Operand:
    if not batched & {"weight", "bias"}:
        return _linear(input, weight, bias)
    y = _times_weight(batched, "input", input, weight, _linear, True)
    if "bias" in batched:
        bias = raised(bias, y.ndim - bool(batched & {"input", "weight"}))
    return y if bias is None else y + bias


@composite()
def linear(input: Operand, weight: Operand, bias: Operand = None) -> Operand:
    """``input @ weight.T + bias``.

    Args:
        input: of shape (..., in_features).
        weight: of shape (out_features, in_features), or (in_features,).
        bias: of shape (out_features,), or ().

    Example:
        >>> x, weight, bias = tapegrad.tensor([[1.0, 2.0]]), tapegrad.tensor([[3.0, 4.0]]), tapegrad.tensor([0.5])
        >>> tapegrad.nn.functional.linear(x, weight, bias)
        tensor([[11.5000]])
    """
    if not (isinstance(input, Tensor) or is_array(input)):
        raise TypeError(f"linear(): argument 'input' (position 1) must be Tensor, not {type_name(input)}")
    array = raw(weight)
    if getattr(array, "ndim", 2) == 2:
        return _linear(input, weight, bias)
    if array.ndim != 1:
        raise RuntimeError(f"linear(): weight must be a matrix or a vector, but has {array.ndim} dimensions")
    y = matmul(input, weight)
    return y if bias is None else y + bias


@composite()
def bilinear(input1: Operand, input2: Operand, weight: Operand, bias: Operand = None) -> Operand:
    """``y[..., o] = input1 @ weight[o] @ input2 + bias[o]`` for each row.

    Args:
        input1: of shape (..., in1_features).
        input2: of shape (..., in2_features).
        weight: of shape (out_features, in1_features, in2_features).
        bias: of shape (out_features,).

    Example:
        >>> tapegrad.nn.functional.bilinear(tapegrad.ones(1, 2), tapegrad.ones(1, 3), tapegrad.ones(4, 2, 3))
        tensor([[6., 6., 6., 6.]])
    """
    lead1, lead2 = list(input1.shape[:-1]), list(input2.shape[:-1])
    if lead1 != lead2:
        raise RuntimeError(f"bilinear(): input batch dimensions do not match, got {lead1} and {lead2}")
    out, in1, in2 = weight.shape
    for name, size, expected in (("input1", input1.shape[-1], in1), ("input2", input2.shape[-1], in2)):
        if size != expected:
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {size} but expected {expected}"
            )
    operands = {"input1": input1, "input2": input2, "weight": weight, "bias": bias}
    kinds = {name: dtypes.of(raw(t).dtype).scalar_type.lower() for name, t in operands.items() if t is not None}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise RuntimeError(f"All tensors must have the same dtype, got {listed}")
    half = _linear(input1, weight.swapaxes(1, 2).reshape(out * in2, in1))
    y = (half.reshape(*lead1, out, in2) * input2.reshape(*lead1, 1, in2)).sum(-1)
    return y if bias is None else y + bias


__all__ = ["bilinear", "linear"]
