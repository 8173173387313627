"""Activation functions, with torch's arguments."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch import inplace as in_place
from tapegrad.autograd.dispatch.decorator import OPS
from tapegrad.autograd.modes.grad_mode import no_grad
from tapegrad.autograd.ops.creation.factories import empty_like
from tapegrad.autograd.ops.nn.glu import glu
from tapegrad.autograd.ops.pointwise import activation as ops
from tapegrad.autograd.ops.pointwise.exponential import sigmoid
from tapegrad.autograd.ops.pointwise.trigonometry import tanh
from tapegrad.autograd.ops.random.sampling import rand_like
from tapegrad.autograd.ops.reduction import softmax as softmaxes

gelu = ops.gelu
hardshrink = ops.hardshrink
logsigmoid = ops.logsigmoid
prelu = ops.prelu
softplus = ops.softplus
softshrink = ops.softshrink
softsign = ops.softsign
tanhshrink = ops.tanhshrink


# ---- with `inplace`, they write to `input`


def _with_inplace(op: Callable[..., Any], inplace: bool, input: Tensor, *args: Any) -> Any:
    return in_place.apply(op, input, args, {}) if inplace else op(input, *args)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``."""
    return in_place.apply(ops.relu, input, (), {}) if inplace else ops.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)``.

    Example:
        >>> tapegrad.nn.functional.relu6(tapegrad.tensor([-1.0, 8.0]))
        tensor([0., 6.])
    """
    return _with_inplace(ops.relu6, inplace, input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` where it is positive, `negative_slope` times it elsewhere.

    Example:
        >>> tapegrad.nn.functional.leaky_relu(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.0100,  2.0000])
    """
    return _with_inplace(ops.leaky_relu, inplace, input, negative_slope)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`input` where it is greater than `threshold`, `value` elsewhere."""
    return _with_inplace(ops.threshold, inplace, input, threshold, value)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` held within two bounds.

    Raises:
        ValueError: `min_val` is larger than `max_val`.

    Example:
        >>> tapegrad.nn.functional.hardtanh(tapegrad.tensor([-3.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _with_inplace(ops.hardtanh, inplace, input, min_val, max_val)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input / 6 + 1 / 2, 0), 1)``.

    Example:
        >>> tapegrad.nn.functional.hardsigmoid(tapegrad.tensor([-4.0, 0.0]))
        tensor([0.0000, 0.5000])
    """
    return _with_inplace(ops.hardsigmoid, inplace, input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * hardsigmoid(input)`` (Howard et al., "Searching for MobileNetV3", 2019).

    Example:
        >>> tapegrad.nn.functional.hardswish(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.6667])
    """
    return _with_inplace(ops.hardswish, inplace, input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` where it is positive, ``alpha * (exp(input) - 1)`` elsewhere.

    Source: Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units" (2015).

    Example:
        >>> tapegrad.nn.functional.elu(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    return _with_inplace(ops.elu, inplace, input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu` scaled so that mean zero and variance one are kept.

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017).
    """
    return _with_inplace(ops.selu, inplace, input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` where it is positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere."""
    return _with_inplace(ops.celu, inplace, input, alpha)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``.

    Example:
        >>> tapegrad.nn.functional.silu(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    return _with_inplace(ops.silu, inplace, input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))`` (Misra, "Mish", 2019).

    Example:
        >>> tapegrad.nn.functional.mish(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8651])
    """
    return _with_inplace(ops.mish, inplace, input)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """`leaky_relu` with a random slope between `lower` and `upper` for each element; their mean when not training.

    Source: Xu et al., "Empirical Evaluation of Rectified Activations in Convolutional Network" (2015).
    """
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    return _with_inplace(_sloped, inplace, input, rand_like(input) * (upper - lower) + lower)


def _sloped(input: Tensor, slopes: Tensor) -> Tensor:
    return input.where(input >= 0, input * slopes)


def relu_(input: Tensor) -> Tensor:
    """`relu`, written to `input`."""
    return relu(input, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu`, written to `input`."""
    return leaky_relu(input, negative_slope, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold`, written to `input`."""
    return _with_inplace(ops.threshold, True, input, threshold, value)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh`, written to `input`."""
    return hardtanh(input, min_val, max_val, inplace=True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, written to `input`."""
    return elu(input, alpha, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """`selu`, written to `input`."""
    return selu(input, inplace=True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, written to `input`."""
    return celu(input, alpha, inplace=True)


# ---- softmax: without `dim`, old code means the dimension of the classes


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``exp(input)`` over its sum along a dimension; `dtype` is cast to first."""
    dim = _implicit_dim("softmax", input, _stacklevel) if dim is None else dim
    return softmaxes.softmax(input, dim, dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`softmax` of ``-input``.

    Example:
        >>> tapegrad.nn.functional.softmin(tapegrad.zeros(2), dim=0)
        tensor([0.5000, 0.5000])
    """
    dim = _implicit_dim("softmin", input, _stacklevel) if dim is None else dim
    return softmaxes.softmax(-input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`, without overflow."""
    dim = _implicit_dim("log_softmax", input, _stacklevel) if dim is None else dim
    return softmaxes.log_softmax(input, dim, dtype=dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Random draws from classes, softened so that gradients flow.

    Args:
        logits: unnormalized log-probabilities.
        tau: the temperature: the lower, the nearer to one class.
        hard: return one-hot draws with the gradient of the soft ones.
        eps: ignored.
        dim: the dimension of the classes.

    Source: Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax" (2016).
    """
    with no_grad():
        noise = empty_like(logits).exponential_().log()
    soft = softmaxes.softmax((logits - noise) / tau, dim)
    if not hard:
        return soft
    chosen = (soft.detach() == soft.detach().amax(dim, keepdim=True)).to(dtype=logits.dtype)
    return chosen - soft.detach() + soft


# The forms with `inplace` are the public ones.
OPS.update({f.__name__: f for f in (elu, hardsigmoid, hardswish, hardtanh, leaky_relu, mish, relu6, silu, softmin)})

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]
