"""In-place forms as functions, ``exp_(x)`` for ``x.exp_()``, where PyTorch has them."""

from __future__ import annotations

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch.decorator import NAMES, exported, inplace_form
from tapegrad.autograd.ops.pointwise.activation import celu, selu, threshold

_METHODS = (
    "abs",
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "conj_physical",
    "cos",
    "cosh",
    "deg2rad",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fix",
    "floor",
    "frac",
    "gcd",
    "lcm",
    "ldexp",
    "log",
    "log10",
    "log1p",
    "log2",
    "logit",
    "nan_to_num",
    "neg",
    "negative",
    "rad2deg",
    "reciprocal",
    "relu",
    "round",
    "rsqrt",
    "sigmoid",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "xlogy",
)

NAMES.update({f"{name}_": getattr(Tensor, f"{name}_") for name in _METHODS})
for _function in (celu, selu, threshold):
    exported(inplace_form(_function))
