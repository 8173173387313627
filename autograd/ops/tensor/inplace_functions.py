"""In-place forms as functions, ``exp_(x)`` for ``x.exp_()``, where PyTorch has them."""
from __future__ import annotations

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import inplace_form
from tapegrad.autograd.ops.pointwise import (  # noqa: F401  their methods are looked up below
    activation,
    activation_smooth,
    arithmetic,
    clamp,
    complex,
    exponential,
    powers,
    rounding,
    signs,
    special,
    trigonometry,
)

_METHODS = (
    "abs", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "asin", "asinh", "atan", "atanh", "ceil", "clamp",
    "clamp_max", "clamp_min", "clip", "conj_physical", "cos", "cosh", "deg2rad", "erf", "erfc", "exp", "exp2", "expm1", "fix", "floor", "frac",
    "gcd", "lcm", "ldexp", "log", "log10", "log1p", "log2", "logit", "nan_to_num", "neg", "negative", "rad2deg", "reciprocal", "relu", "round",
    "rsqrt", "sigmoid", "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh", "trunc", "xlogy",
)

globals().update({f"{name}_": Tensor.__dict__[f"{name}_"] for name in _METHODS})

selu_ = inplace_form(activation.selu)
celu_ = inplace_form(activation.celu)
threshold_ = inplace_form(activation.threshold)

__all__ = ["celu_", "selu_", "threshold_"] + [f"{name}_" for name in _METHODS]
