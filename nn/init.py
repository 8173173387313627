"""Starting values for parameters, written in place without being recorded."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.core.version import bump
from tapegrad.autograd.modes.device_guard import on_first
from tapegrad.autograd.modes.grad_mode import no_grad
from tapegrad.autograd.ops.random.generator import Generator
from tapegrad.autograd.ops.random.sampling import rand
from tapegrad.backends import Array, xp

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor for the standard deviation of weights before a nonlinearity, such as "relu" or "leaky_relu".

    Args:
        param: the slope of "leaky_relu".

    Raises:
        ValueError: there is no such nonlinearity.

    Example:
        >>> tapegrad.nn.init.calculate_gain("relu")
        1.4142135623730951
    """
    if nonlinearity in _GAINS:
        return _GAINS[nonlinearity]
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {slope} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


@on_first
def _fill(tensor: Tensor, values: Array | float) -> Tensor:
    tensor._array[...] = values
    bump(tensor)
    return tensor


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill `tensor` with draws from [a, b); returns it."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill `tensor` with draws from a normal distribution; returns it."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
@on_first
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill `tensor` with draws from a normal distribution that is cut off at `a` and `b`; returns it."""

    def cdf(x: float) -> float:
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=3,
        )
    # The inverse of the distribution function turns uniform draws into normal ones.
    tensor.uniform_(2 * cdf((a - mean) / std) - 1, 2 * cdf((b - mean) / std) - 1, generator=generator)
    tensor.erfinv_()
    tensor.mul_(std * math.sqrt(2.0)).add_(mean)
    return tensor.clamp_(a, b)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill `tensor` with one value; returns it.

    Example:
        >>> tapegrad.nn.init.constant_(tapegrad.empty(2), 0.5)
        tensor([0.5000, 0.5000])
    """
    return _fill(tensor, val)


@no_grad()
def ones_(tensor: Tensor) -> Tensor:
    """Fill `tensor` with ones; returns it."""
    return _fill(tensor, 1)


@no_grad()
def zeros_(tensor: Tensor) -> Tensor:
    """Fill `tensor` with zeros; returns it."""
    return _fill(tensor, 0)


@no_grad()
@on_first
def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity; returns it.

    Example:
        >>> tapegrad.nn.init.eye_(tapegrad.empty(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _fill(tensor, xp(tensor._array).eye(*tensor._array.shape))


@no_grad()
@on_first
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make the weight of a convolution, of 3, 4 or 5 dimensions, keep its input, channel by channel; returns it."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = tensor._array.shape
    if sizes[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    out = sizes[0] // groups
    array = tensor._array
    array[...] = 0
    middle = tuple(n // 2 for n in sizes[2:])
    for group in range(groups):
        for d in range(min(out, sizes[1])):
            array[(group * out + d, d, *middle)] = 1
    bump(tensor)
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs each output of a layer with this weight has, and how many outputs each input."""
    shape = tensor._array.shape
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive_field = math.prod(shape[2:])
    return shape[1] * receptive_field, shape[0] * receptive_field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    valid = ["fan_in", "fan_out"]
    if mode not in valid:
        raise ValueError(f"Mode {mode} not supported, please use one of {valid}")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill `tensor` with uniform draws that keep the variance of values and of gradients; returns it.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    a = math.sqrt(3.0) * gain * math.sqrt(2.0 / (fan_in + fan_out))
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill `tensor` with normal draws that keep the variance of values and of gradients; returns it.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor._array.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill `tensor` with uniform draws that keep the variance through layers with rectifiers; returns it.

    Args:
        a: the slope of "leaky_relu".
        mode: "fan_in" keeps the variance of values, "fan_out" that of gradients.
        nonlinearity: the function after the layer.

    Source: He et al., "Delving deep into rectifiers" (2015).
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill `tensor` with normal draws that keep the variance through layers with rectifiers; returns it.

    Arguments are as in `kaiming_uniform_`.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


@no_grad()
@on_first
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Make `tensor`, as a matrix of its first dimension by the rest, a random orthogonal one; returns it.

    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks" (2013).
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    array = tensor._array
    if not array.size:
        return tensor
    rows, columns = array.shape[0], array.size // array.shape[0]
    normal_(tensor, 0.0, 1.0, generator)
    flat = array.reshape(rows, columns).astype("float32" if array.itemsize == 2 else array.dtype)
    q, r = xp(array).linalg.qr(flat.T if rows < columns else flat)
    # With the signs of r's diagonal the distribution is uniform over the orthogonal matrices.
    q = q * xp(array).sign(xp(array).diagonal(r))
    return _fill(tensor, (q.T if rows < columns else q).reshape(array.shape) * gain)


@no_grad()
@on_first
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with normal draws, and a random fraction `sparsity` of each column with zeros; returns it.

    Source: Martens, "Deep learning via Hessian-free optimization" (2010).
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor._array.shape
    zeros = math.ceil(sparsity * rows)
    normal_(tensor, 0.0, std, generator)
    array = tensor._array
    # The smallest of independent draws are at random rows.
    draws = rand(rows, columns, device=tensor.device, generator=generator)._array
    # A zero of the device: CuPy would copy a number there.
    array[draws.argsort(axis=0)[:zeros], xp(array).arange(columns)] = xp(array).zeros((), array.dtype)
    bump(tensor)
    return tensor


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """torch's old name for `function`, without the underscore."""
    name = function.__name__.removesuffix("_")

    def old(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    old.__name__ = name
    old.__doc__ = f"The old name of `{name}_`."
    return old


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
