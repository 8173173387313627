"""`linear`: a product with a weight and a bias in one node.

``y = x w^T`` and its two adjoints ``x = y w`` and ``w = y^T x`` are three faces of one trilinear form: the rules of
each are the other two, so that derivatives of any order are made of 2-D products.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, raw
from tapegrad.autograd.dispatch.batch_rules import raised
from tapegrad.autograd.dispatch.decorator import composite, op
from tapegrad.autograd.dispatch.slow_paths import sum_to
from tapegrad.autograd.ops.common.half_precision import FLOAT32
from tapegrad.autograd.ops.common.tangents import added, through
from tapegrad.autograd.ops.linalg.matmul import matmul
from tapegrad.autograd.ops.reduction.sum import expand_reduced
from tapegrad.autograd.types import dtypes
from tapegrad.autograd.types.type_names import type_name
from tapegrad.backends import backend, is_array


def rows(array: Any) -> Any:
    """`array` with all dimensions but the last in one."""
    return array if array.ndim == 2 else array.reshape(prod(array.shape[:-1]), array.shape[-1])


def product(a: Any, b: Any) -> Any:
    """The product of two matrices; NumPy has no fast one for half types, and adds up in them."""
    if a.__class__ is not np.ndarray:
        return backend(a).matmul(a, b)
    if a.dtype.itemsize == 2:
        return a.astype(FLOAT32).dot(b.astype(FLOAT32)).astype(a.dtype)
    return a.dot(b)


def by_transpose(x: Any, weight: Any) -> Any:
    """``x @ weight.T`` of matrices.

    For a few rows and a large weight OpenBLAS takes up to three times as long with the weight as the transposed factor
    as with the rows, whose result then has to be turned (measured for 2 to 96 rows; beyond, and for small weights, the
    direct way is the faster).
    """
    if (
        x.__class__ is np.ndarray
        and len(x) <= 96
        and len(x) * len(weight) >= 2048
        and weight.size >= 65536
        and x.dtype.itemsize != 2
    ):
        return weight.dot(x.T).T.copy()
    return product(x, weight.T)


@op(
    input=lambda grad, weight: _linear_input(grad, weight),
    weight=lambda grad, input: _linear_weight(grad, input),
    bias=lambda grad, bias_shape: _linear_bias(grad, bias_shape),
    operands="free",
    public=False,
    name="addmm",
    jvp=lambda d_input, d_weight, d_bias, input, weight, result: added(
        through(_linear, d_input, weight),
        through(lambda d: _linear(input, d), d_weight),
        through(lambda d: d.expand(result.shape), d_bias),
    ),
    batch=lambda batched, input, weight, bias: _linear_in_batch(batched, input, weight, bias),
)
def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    if input.shape[-1] != weight.shape[1]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({prod(input.shape[:-1])}x{input.shape[-1]} and "
            f"{weight.shape[1]}x{weight.shape[0]})"
        )
    if input.dtype is not weight.dtype and input.dtype != weight.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {dtypes.of(input.dtype).scalar_type} and "
            f"{dtypes.of(weight.dtype).scalar_type}"
        )
    y = by_transpose(rows(input), weight)
    if bias is not None:
        if bias.dtype is not y.dtype and bias.dtype != y.dtype:
            raise RuntimeError(
                f"self and mat2 must have the same dtype, but got {dtypes.of(bias.dtype).scalar_type} and "
                f"{dtypes.of(y.dtype).scalar_type}"
            )
        y += bias
    return y if input.ndim == 2 else y.reshape(*input.shape[:-1], weight.shape[0])


@op(
    output=lambda grad, weight: _linear(grad, weight),
    weight=lambda grad, output: _linear_weight(output, grad),
    operands="free",
    public=False,
    jvp=lambda d_output, d_weight, output, weight: added(
        through(_linear_input, d_output, weight), through(lambda d: _linear_input(output, d), d_weight)
    ),
    batch=lambda batched, output, weight: _times_weight(batched, "output", output, weight, _linear_input, False),
)
def _linear_input(output: Any, weight: Any) -> Any:
    x = product(rows(output), weight)
    return x if output.ndim == 2 else x.reshape(*output.shape[:-1], weight.shape[1])


@op(
    output=lambda grad, input: _linear(input, grad),
    input=lambda grad, output: _linear_input(output, grad),
    operands="free",
    public=False,
    jvp=lambda d_output, d_input, output, input: added(
        through(_linear_weight, d_output, input), through(lambda d: _linear_weight(output, d), d_input)
    ),
    batch=lambda batched, output, input: matmul(
        _member_rows(batched, "output", output).mT, _member_rows(batched, "input", input)
    ),
)
def _linear_weight(output: Any, input: Any) -> Any:
    return product(rows(output).T, rows(input))


@op(
    output=lambda grad, output_shape: expand_reduced(grad, output_shape, tuple(range(len(output_shape) - 1)), False),
    kind="linear",
    public=False,
    batch=lambda batched, output: _member_rows(batched, "output", output).sum(1),
)
def _column_sum(output: Any) -> Any:
    output = rows(output)
    if output.dtype.itemsize == 2:
        return output.sum(axis=0, dtype=FLOAT32).astype(output.dtype)
    # A product with ones takes BLAS, which is two to three times as fast as NumPy's sum of rows.
    if output.__class__ is np.ndarray and output.size > 4096 and output.dtype.kind == "f":
        return np.ones(len(output), output.dtype).dot(output)
    return output.sum(axis=0)


def _linear_bias(grad: Any, shape: tuple[int, ...]) -> Any:
    return _column_sum(grad) if shape == grad.shape[-1:] and grad.ndim > 1 else sum_to(grad, shape)


# ---- within a batch


def _member_rows(batched: frozenset[str], name: str, t: Any) -> Any:
    """`t` with all dimensions but the last in one, and the batch in front."""
    lead = t.shape[:1] if name in batched else ()
    return t.reshape((*lead, prod(t.shape[len(lead) : -1]), t.shape[-1]))


def _times_weight(batched: frozenset[str], name: str, x: Any, weight: Any, function: Any, transposed: bool) -> Any:
    """A product with the weight, which may differ from member to member."""
    if "weight" not in batched:
        return function(x, weight)
    shape = x.shape[name in batched : -1]
    y = matmul(_member_rows(batched, name, x), weight.mT if transposed else weight)
    return y.reshape((y.shape[0], *shape, y.shape[-1]))


def _linear_in_batch(batched: frozenset[str], input: Any, weight: Any, bias: Any) -> Any:
    if not batched & {"weight", "bias"}:
        return _linear(input, weight, bias)
    y = _times_weight(batched, "input", input, weight, _linear, True)
    if bias is None:
        return y
    return y + (raised(bias, y.ndim - bool(batched & {"input", "weight"})) if "bias" in batched else bias)


@composite()
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """``input @ weight.T + bias``.

    Args:
        input: of shape (..., in_features).
        weight: of shape (out_features, in_features), or (in_features,).
        bias: of shape (out_features,), or ().

    Raises:
        RuntimeError: the shapes or dtypes do not match.

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
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """``y[..., o] = input1 @ weight[o] @ input2 + bias[o]`` for each row.

    Args:
        input1: of shape (..., in1_features).
        input2: of shape (..., in2_features).
        weight: of shape (out_features, in1_features, in2_features).
        bias: of shape (out_features,).

    Raises:
        RuntimeError: the shapes do not match.

    Example:
        >>> tapegrad.nn.functional.bilinear(tapegrad.ones(1, 2), tapegrad.ones(1, 3), tapegrad.ones(4, 2, 3))
        tensor([[6., 6., 6., 6.]])
    """
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match, got {list(input1.shape[:-1])} and "
            f"{list(input2.shape[:-1])}"
        )
    out, in1, in2 = weight.shape
    for i, (given, wanted) in enumerate(((input1.shape[-1], in1), (input2.shape[-1], in2)), 1):
        if given != wanted:
            raise RuntimeError(
                f"bilinear(): input{i} size does not match weight size: got {given} but expected {wanted}"
            )
    found = [
        None if t is None else dtypes.of(getattr(t, "_array", t).dtype).scalar_type.lower()
        for t in (input1, input2, weight, bias)
    ]
    if len({name for name in found if name is not None}) > 1:
        said = ", ".join(
            f"{what}: {name}" for what, name in zip(("input1", "input2", "weight", "bias"), found) if name is not None
        )
        raise RuntimeError(f"All tensors must have the same dtype, got {said}")
    half = _linear(input1, weight.swapaxes(1, 2).reshape(out * in2, in1))
    y = (half.reshape(*input1.shape[:-1], out, in2) * input2.reshape(*input2.shape[:-1], 1, in2)).sum(-1)
    return y if bias is None else y + bias


__all__ = ["bilinear", "linear"]
