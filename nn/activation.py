"""Activation functions as layers."""
from __future__ import annotations

from typing import Any

from tapegrad.autograd.ops.creation.factories import empty
from tapegrad.nn import functional as F
from tapegrad.nn import init
from tapegrad.nn.module import Module
from tapegrad.nn.parameter import Parameter


class _InPlace(Module):
    """A layer whose only argument is whether it writes to its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


def _and_inplace(text: str, inplace: bool) -> str:
    return f"{text}, inplace=True" if inplace else text


class ReLU(_InPlace):
    """``max(input, 0)``.

    Args:
        inplace: write to the input.

    Example:
        >>> tapegrad.nn.ReLU()(tapegrad.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.relu(input, self.inplace)


class SiLU(_InPlace):
    """``input * sigmoid(input)``.

    Args:
        inplace: write to the input.

    Example:
        >>> tapegrad.nn.SiLU()(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """``input * tanh(softplus(input))``.

    Args:
        inplace: write to the input.

    Source: Misra, "Mish" (2019).

    Example:
        >>> tapegrad.nn.Mish()(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8651])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.mish(input, self.inplace)


class Hardswish(_InPlace):
    """``input * hardsigmoid(input)``.

    Args:
        inplace: write to the input.

    Source: Howard et al., "Searching for MobileNetV3" (2019).

    Example:
        >>> tapegrad.nn.Hardswish()(tapegrad.tensor([-4.0, 1.0]))
        tensor([-0.0000,  0.6667])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_InPlace):
    """``min(max(input / 6 + 1 / 2, 0), 1)``.

    Args:
        inplace: write to the input.

    Example:
        >>> tapegrad.nn.Hardsigmoid()(tapegrad.tensor([-4.0, 0.0]))
        tensor([0.0000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.hardsigmoid(input, self.inplace)


class SELU(_InPlace):
    """`ELU` scaled so that values keep mean zero and variance one.

    Args:
        inplace: write to the input.

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017).

    Example:
        >>> tapegrad.nn.SELU()(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 1.0507])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.selu(input, self.inplace)


class Sigmoid(Module):
    """``1 / (1 + exp(-input))``.

    Example:
        >>> tapegrad.nn.Sigmoid()(tapegrad.tensor([0.0]))
        tensor([0.5000])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent.

    Example:
        >>> tapegrad.nn.Tanh()(tapegrad.tensor([0.0]))
        tensor([0.])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.tanh(input)


class LogSigmoid(Module):
    """The logarithm of the sigmoid.

    Example:
        >>> tapegrad.nn.LogSigmoid()(tapegrad.tensor([0.0]))
        tensor([-0.6931])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.logsigmoid(input)


class Softsign(Module):
    """``input / (1 + abs(input))``.

    Example:
        >>> tapegrad.nn.Softsign()(tapegrad.tensor([1.0]))
        tensor([0.5000])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.softsign(input)


class Tanhshrink(Module):
    """``input - tanh(input)``.

    Example:
        >>> tapegrad.nn.Tanhshrink()(tapegrad.tensor([0.0]))
        tensor([0.])
    """

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.tanhshrink(input)


class LeakyReLU(Module):
    """`input` where it is positive, `negative_slope` times it where not.

    Args:
        negative_slope: the slope on the left.
        inplace: write to the input.

    Example:
        >>> tapegrad.nn.LeakyReLU()(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.0100,  2.0000])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return _and_inplace(f"negative_slope={self.negative_slope}", self.inplace)


class ELU(Module):
    """`input` where it is positive, ``alpha * (exp(input) - 1)`` where not.

    Args:
        alpha: the limit on the left.
        inplace: write to the input.

    Example:
        >>> tapegrad.nn.ELU()(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return _and_inplace(f"alpha={self.alpha}", self.inplace)


class CELU(Module):
    """`input` where it is positive, ``alpha * (exp(input / alpha) - 1)`` where not.

    Args:
        alpha: the limit on the left.
        inplace: write to the input.

    Example:
        >>> tapegrad.nn.CELU()(tapegrad.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return _and_inplace(f"alpha={self.alpha}", self.inplace)


class Threshold(Module):
    """`input` where it is above `threshold`, `value` where not.

    Args:
        threshold: the bound.
        value: what stands below it.
        inplace: write to the input.

    Example:
        >>> tapegrad.nn.Threshold(1, 20)(tapegrad.tensor([0.0, 2.0]))
        tensor([20.,  2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return _and_inplace(f"threshold={self.threshold}, value={self.value}", self.inplace)


class RReLU(Module):
    """`LeakyReLU` with slopes drawn at random when training.

    Args:
        lower: the least slope.
        upper: the largest slope.
        inplace: write to the input.

    Source: Xu et al., "Empirical Evaluation of Rectified Activations in Convolutional Network" (2015).

    Example:
        >>> tapegrad.nn.RReLU()(tapegrad.tensor([2.0]))
        tensor([2.])
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return _and_inplace(f"lower={self.lower}, upper={self.upper}", self.inplace)


class GELU(Module):
    """``input * Phi(input)``, with the distribution function of the normal distribution.

    Args:
        approximate: "tanh" for a formula that is faster.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).

    Example:
        >>> tapegrad.nn.GELU()(tapegrad.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8413])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """The first half times the sigmoid of the second, along a dimension.

    Args:
        dim: the dimension.

    Example:
        >>> tapegrad.nn.GLU()(tapegrad.tensor([2.0, 0.0]))
        tensor([1.])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """Half as large as `input` along the dimension."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softplus(Module):
    """``log(1 + exp(beta * input)) / beta``: a smooth `ReLU`.

    Args:
        beta: how sharp its bend is.
        threshold: where ``beta * input`` is larger, it is taken for the identity.

    Example:
        >>> tapegrad.nn.Softplus()(tapegrad.tensor([0.0]))
        tensor([0.6931])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardshrink(Module):
    """`input` where it is larger than `lambd` in magnitude, zero where not.

    Args:
        lambd: the bound.

    Example:
        >>> tapegrad.nn.Hardshrink()(tapegrad.tensor([0.2, 2.0]))
        tensor([0., 2.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """`input` moved by `lambd` towards zero, not beyond it.

    Args:
        lambd: how far.

    Example:
        >>> tapegrad.nn.Softshrink()(tapegrad.tensor([0.2, 2.0]))
        tensor([0.0000, 1.5000])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardtanh(Module):
    """`input` cut off at two bounds.

    Args:
        min_val: the lower bound.
        max_val: the upper bound.
        inplace: write to the input.
        min_value: the old name of `min_val`.
        max_value: the old name of `max_val`.

    Example:
        >>> tapegrad.nn.Hardtanh()(tapegrad.tensor([-3.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False, min_value: float | None = None,
                 max_value: float | None = None) -> None:
        super().__init__()
        import warnings
        if min_value is not None:
            warnings.warn("keyword argument `min_value` is deprecated and rename to `min_val`", FutureWarning, stacklevel=2)
            min_val = min_value
        if max_value is not None:
            warnings.warn("keyword argument `max_value` is deprecated and rename to `max_val`", FutureWarning, stacklevel=2)
            max_val = max_value
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace
        if not max_val > min_val:
            raise AssertionError("max_val must be greater than min_val")

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return _and_inplace(f"min_val={self.min_val}, max_val={self.max_val}", self.inplace)


class ReLU6(Hardtanh):
    """``min(max(input, 0), 6)``.

    Args:
        inplace: write to the input.

    Example:
        >>> tapegrad.nn.ReLU6()(tapegrad.tensor([-1.0, 8.0]))
        tensor([0., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class PReLU(Module):
    """`LeakyReLU` with a slope that is learnt.

    Args:
        num_parameters: one slope for all, or one for each channel.
        init: the slope to start with.
        device: where it lives.
        dtype: of it.

    Source: He et al., "Delving deep into rectifiers" (2015).

    Example:
        >>> tapegrad.nn.PReLU()(tapegrad.tensor([-1.0, 2.0])).detach()
        tensor([-0.2500,  2.0000])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with the first slope again."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        """Of the shape of `input`."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "Mish", "PReLU",
    "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh",
    "Tanhshrink", "Threshold",
]
