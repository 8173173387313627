"""Activation functions as layers."""

from __future__ import annotations

import warnings
from typing import Any

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.creation.factories import empty
from tapegrad.nn import functional as F
from tapegrad.nn import init
from tapegrad.nn.function_layer import FunctionLayer
from tapegrad.nn.parameter import Parameter


class Sigmoid(FunctionLayer):
    """See `tapegrad.sigmoid`."""

    function = staticmethod(F.sigmoid)


class Tanh(FunctionLayer):
    """See `tapegrad.tanh`."""

    function = staticmethod(F.tanh)


class LogSigmoid(FunctionLayer):
    """See `tapegrad.nn.functional.logsigmoid`."""

    function = staticmethod(F.logsigmoid)


class Softsign(FunctionLayer):
    """See `tapegrad.nn.functional.softsign`."""

    function = staticmethod(F.softsign)


class Tanhshrink(FunctionLayer):
    """See `tapegrad.nn.functional.tanhshrink`."""

    function = staticmethod(F.tanhshrink)


# ---- layers that may write to their input


class _InPlace(FunctionLayer):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.inplace)

    def extra_repr(self) -> str:
        text = super().extra_repr()
        if not self.inplace:
            return text
        return f"{text}, inplace=True" if text else "inplace=True"


class ReLU(_InPlace):
    """See `tapegrad.nn.functional.relu`."""

    function = staticmethod(F.relu)


class SiLU(_InPlace):
    """See `tapegrad.nn.functional.silu`."""

    function = staticmethod(F.silu)


class Mish(_InPlace):
    """See `tapegrad.nn.functional.mish`."""

    function = staticmethod(F.mish)


class Hardswish(_InPlace):
    """See `tapegrad.nn.functional.hardswish`."""

    function = staticmethod(F.hardswish)


class Hardsigmoid(_InPlace):
    """See `tapegrad.nn.functional.hardsigmoid`."""

    function = staticmethod(F.hardsigmoid)


class SELU(_InPlace):
    """See `tapegrad.nn.functional.selu`."""

    function = staticmethod(F.selu)


class LeakyReLU(_InPlace):
    """See `tapegrad.nn.functional.leaky_relu`."""

    shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class _WithAlpha(_InPlace):
    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.alpha, self.inplace)


class ELU(_WithAlpha):
    """See `tapegrad.nn.functional.elu`."""

    function = staticmethod(F.elu)


class CELU(_WithAlpha):
    """See `tapegrad.nn.functional.celu`."""

    function = staticmethod(F.celu)


class Threshold(_InPlace):
    """See `tapegrad.nn.functional.threshold`."""

    shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)


class RReLU(_InPlace):
    """See `tapegrad.nn.functional.rrelu`."""

    shown = ("lower", "upper")

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Hardtanh(_InPlace):
    """See `tapegrad.nn.functional.hardtanh`.

    Args:
        min_value: the old name of `min_val`.
        max_value: the old name of `max_val`.
    """

    shown: tuple[str, ...] = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__(inplace)
        if min_value is not None:
            warnings.warn(
                "keyword argument `min_value` is deprecated and rename to `min_val`", FutureWarning, stacklevel=2
            )
            min_val = min_value
        if max_value is not None:
            warnings.warn(
                "keyword argument `max_value` is deprecated and rename to `max_val`", FutureWarning, stacklevel=2
            )
            max_val = max_value
        self.min_val = min_val
        self.max_val = max_val
        if not max_val > min_val:
            raise AssertionError("max_val must be greater than min_val")

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """See `tapegrad.nn.functional.relu6`."""

    shown = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


# ---- layers with other arguments


class GELU(FunctionLayer):
    """See `tapegrad.nn.functional.gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(FunctionLayer):
    """See `tapegrad.nn.functional.softplus`."""

    shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)


class _WithLambd(FunctionLayer):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_WithLambd):
    """See `tapegrad.nn.functional.hardshrink`."""

    function = staticmethod(F.hardshrink)


class Softshrink(_WithLambd):
    """See `tapegrad.nn.functional.softshrink`."""

    function = staticmethod(F.softshrink)


class GLU(FunctionLayer):
    """See `tapegrad.nn.functional.glu`."""

    shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)


class PReLU(FunctionLayer):
    """See `tapegrad.nn.functional.prelu`; the weight is learnt.

    Args:
        num_parameters: one weight for all channels, or one for each.
        init: the weight to start with.

    Source: He et al., "Delving deep into rectifiers" (2015).
    """

    shown = ("num_parameters",)

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to `init`."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)


# ---- softmax


class _AlongDim(FunctionLayer):
    shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.dim, _stacklevel=5)


class Softmax(_AlongDim):
    """See `tapegrad.nn.functional.softmax`."""

    function = staticmethod(F.softmax)


class Softmin(_AlongDim):
    """See `tapegrad.nn.functional.softmin`."""

    function = staticmethod(F.softmin)


class LogSoftmax(_AlongDim):
    """See `tapegrad.nn.functional.log_softmax`."""

    function = staticmethod(F.log_softmax)


class Softmax2d(FunctionLayer):
    """`Softmax` over the channels of images: inputs of shape (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3, _stacklevel=5)


__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]
