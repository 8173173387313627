"""Elementwise ops: arithmetic, elementary and special functions, rounding, bounds, selection, activation functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from op_table.row import Row, Sample, sample

SHAPES = ((3, 4), (), (0, 3), (2, 1, 3))
PAIRS = (((3, 4), (3, 4)), ((3, 4), ()), ((), ()), ((3, 1), (1, 4)), ((2, 3), (3,)), ((0, 3), (3,)))

FLOATS = ("float16", "float32", "float64")


def draw(
    rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0
) -> np.ndarray:
    """Uniform numbers; complex ones have their real and imaginary parts from the same range."""

    def part() -> np.ndarray:
        return rng.uniform(low, high, shape)

    return np.asarray(part() + 1j * part() if dtype.kind == "c" else part(), dtype)


def away(array: np.ndarray, *points: float, by: float = 0.05) -> np.ndarray:
    """`array` with what lies near `points` moved away from them."""
    for point in points:
        near = np.abs(array - point) < by
        array = np.where(near, point + np.where(array >= point, by, -by), array).astype(array.dtype)
    return np.asarray(array)


def one(
    low: float = -2.0, high: float = 2.0, kinks: tuple[float, ...] = (), **kwargs: Any
) -> Callable[..., list[Sample]]:
    """Samples with one operand."""
    return lambda rng, dtype: [sample(away(draw(rng, dtype, shape, low, high), *kinks), **kwargs) for shape in SHAPES]


def two(
    low: float = -2.0,
    high: float = 2.0,
    low2: float | None = None,
    high2: float | None = None,
    apart: bool = False,
    **kwargs: Any,
) -> Callable[..., list[Sample]]:
    """Samples with two operands that broadcast; `apart`: no elements are nearly equal."""

    def samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        pairs = []
        for first, second in PAIRS:
            a = draw(rng, dtype, first, low, high)
            b = draw(rng, dtype, second, low if low2 is None else low2, high if high2 is None else high2)
            if apart and np.size(a) and np.size(b):
                b = np.asarray(b + np.where(np.abs(np.min(np.abs(np.subtract(a, b)))) < 0.01, 0.0137, 0.0), dtype)
            pairs.append(sample(a, b, **kwargs))
        return pairs

    return samples


def number(low: float, high: float, *others: Any, kinks: tuple[float, ...] = ()) -> Callable[..., list[Sample]]:
    """Samples with one operand and numbers."""
    return lambda rng, dtype: [
        sample(away(draw(rng, dtype, shape, low, high), *kinks), other) for shape in SHAPES[:2] for other in others
    ]


def both(*makers: Callable[..., list[Sample]]) -> Callable[..., list[Sample]]:
    """The samples of several makers."""
    return lambda rng, dtype: [s for make in makers for s in make(rng, dtype)]


def of(*calls: Callable[..., Sample]) -> Callable[..., list[Sample]]:
    """Samples given one by one, as functions of (a function that draws an array of a shape)."""

    def samples(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        return [call(lambda *shape, low=-2.0, high=2.0: draw(rng, dtype, shape, low, high)) for call in calls]

    return samples


def unary(
    name: str,
    reference: Callable[..., Any],
    low: float = -2.0,
    high: float = 2.0,
    kinks: tuple[float, ...] = (),
    **kwargs: Any,
) -> Row:
    return Row(name, one(low, high, kinks), reference, **{"inplace": True, **kwargs})


def binary(
    name: str,
    reference: Callable[..., Any],
    low: float = -2.0,
    high: float = 2.0,
    low2: float | None = None,
    high2: float | None = None,
    **kwargs: Any,
) -> Row:
    return Row(name, two(low, high, low2, high2), reference, **{"inplace": True, **kwargs})


def _alpha(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, alpha=1: function(a, alpha * b)


def _div(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    q = np.true_divide(a, b)
    if rounding_mode is None:
        return q
    return (np.floor if rounding_mode == "floor" else np.trunc)(q).astype(np.result_type(a, b))


def _whole_apart(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
    """Operands whose quotients are not near integers."""
    return [
        sample(np.asarray([7.3, -7.4, 2.2], dtype), np.asarray([2.1, 2.2, -1.3], dtype)),
        sample(np.asarray(5.5, dtype), 2),
    ]


_ITSELF = "it returns its operand itself"
_NOT_DIFFERENTIABLE = "torch has no derivative of it, nor has this: backward raises"


def arithmetic() -> list[Row]:
    return [
        Row("add", both(two(), two(alpha=2), number(-2, 2, 3, 2.5)), _alpha(np.add), complex=True, inplace=True),
        Row("sub", both(two(), two(alpha=2), number(-2, 2, 3, 2.5)), _alpha(np.subtract), complex=True, inplace=True),
        Row(
            "rsub",
            both(two(), two(alpha=2), number(-2, 2, 3, 2.5)),
            lambda a, b, alpha=1: b - alpha * a,
            complex=True,
            integer=False,
        ),
        Row("mul", both(two(), number(-2, 2, 3, 2.5)), np.multiply, complex=True, inplace=True),
        Row("div", both(two(-2, 2, 0.5, 2), number(-2, 2, 3, 2.5)), _div, complex=True, inplace=True, integer=False),
        Row("true_divide", two(-2, 2, 0.5, 2), np.true_divide, complex=True, inplace=True),
        Row(
            "floor_divide",
            _whole_apart,
            np.floor_divide,
            inplace=True,
            grad=False,
            why=_NOT_DIFFERENTIABLE,
            integer=True,
        ),
        Row("remainder", _whole_apart, np.remainder, inplace=True, twice=False, why="x % x jumps"),
        Row("fmod", _whole_apart, np.fmod, inplace=True, twice=False, why="fmod(x, x) jumps"),
        unary("neg", np.negative, complex=True),
        unary("positive", np.positive, inplace=False, grad=False, view=True, why=_ITSELF),
        Row(
            "addcmul",
            of(
                lambda d: sample(d(3, 4), d(3, 4), d(3, 4)),
                lambda d: sample(d(3, 1), d(4), d(3, 4), value=0.5),
                lambda d: sample(d(), d(), d()),
            ),
            lambda a, b, c, value=1: a + value * b * c,
            complex=True,
            inplace=True,
            integer=False,
            dtypes=FLOATS,
        ),
        Row(
            "addcdiv",
            of(
                lambda d: sample(d(3, 4), d(3, 4), d(3, 4, low=1.0)),
                lambda d: sample(d(3, 1), d(4), d(3, 4, low=1.0), value=0.5),
            ),
            lambda a, b, c, value=1: a + value * b / c,
            complex=True,
            inplace=True,
            integer=False,
        ),
        Row(
            "lerp",
            of(
                lambda d: sample(d(3, 4), d(3, 4), 0.3),
                lambda d: sample(d(3, 1), d(4), 0.75),
                lambda d: sample(d(3, 4), d(4), d(3, 4, low=0.6, high=1.0)),
                lambda d: sample(d(), d(), d(low=0.1, high=0.4)),
            ),
            lambda a, b, w: a + w * (b - a),
            inplace=True,
            integer=False,
        ),
        binary(
            "copysign",
            np.copysign,
            0.2,
            2,
            0.2,
            2,
            integer=True,
            gradgrad=False,
            why="zero, where torch has the noise of rounding",
        ),
        binary("hypot", np.hypot, 0.2, 2),
        Row(
            "gcd",
            lambda rng, dtype: [sample(rng.integers(1, 40, (3, 4)), rng.integers(1, 40, 4))],
            np.gcd,
            grad=False,
            inplace=True,
            integer=False,
        ),
        Row(
            "lcm",
            lambda rng, dtype: [sample(rng.integers(1, 40, (3, 4)), rng.integers(1, 40, 4))],
            np.lcm,
            grad=False,
            inplace=True,
            integer=False,
        ),
        binary("nextafter", np.nextafter, -2, 0, 1, 2, integer=False, twice=False, why="nextafter(x, x) is x"),
    ]


def _polygamma(n: int, x: Any) -> Any:
    return special.polygamma(n, x)


def elementary() -> list[Row]:
    return [
        unary("exp", np.exp, complex=True),
        unary("exp2", lambda x: 2**x),
        unary("expm1", np.expm1, complex=True),
        unary("log", np.log, 0.2, 3, complex=True),
        unary("log2", np.log2, 0.2, 3, complex=True),
        unary("log10", np.log10, 0.2, 3, complex=True),
        unary("log1p", np.log1p, -0.8, 3, complex=True),
        binary("logaddexp", np.logaddexp, inplace=False),
        binary("logaddexp2", np.logaddexp2, inplace=False),
        Row("xlogy", two(-2, 2, 0.2, 3), special.xlogy, inplace=True),
        unary("sigmoid", special.expit),
        Row(
            "logit",
            both(one(0.1, 0.9), one(0.1, 0.9, eps=0.05)),
            lambda x, eps=None: special.logit(x),
            inplace=True,
            integer=False,
        ),
        unary("sin", np.sin, complex=True),
        unary("cos", np.cos, complex=True),
        unary("tan", np.tan, -1.2, 1.2, complex=True),
        unary("asin", np.arcsin, -0.9, 0.9, integer=False),
        unary("acos", np.arccos, -0.9, 0.9, integer=False),
        unary("atan", np.arctan),
        binary("atan2", np.arctan2, 0.2, 2),
        unary("sinh", np.sinh, complex=True),
        unary("cosh", np.cosh, complex=True),
        unary("tanh", np.tanh, complex=True),
        unary("asinh", np.arcsinh),
        unary("acosh", np.arccosh, 1.2, 3),
        unary("atanh", np.arctanh, -0.9, 0.9, integer=False),
        unary("sinc", np.sinc, kinks=(0.0,), integer=False),
        unary("deg2rad", np.deg2rad),
        unary("rad2deg", np.rad2deg),
        unary("erf", special.erf),
        unary("erfc", special.erfc),
        unary("erfinv", special.erfinv, -0.9, 0.9, integer=False),
        unary("lgamma", special.gammaln, 0.3, 4),
        unary("digamma", special.digamma, 0.3, 4),
        Row(
            "polygamma",
            of(
                *(
                    lambda d, n=n, low=low: sample(n, d(3, 4, low=low, high=low + 0.6))
                    for n in (0, 1, 2, 4)
                    for low in (0.3, 2.0, -0.8)
                )
            ),
            _polygamma_anywhere,
            inplace=True,
            method=False,
            tolerance=1e-8,
        ),
        Row("mvlgamma", of(lambda d: sample(d(3, 4, low=2.0, high=4.0), 3)), special.multigammaln, inplace=True),
    ]


def _polygamma_anywhere(n: int, x: Any) -> Any:
    import mpmath

    return np.vectorize(lambda v: float(mpmath.polygamma(n, v)), otypes=[np.float64])(x)


def powers() -> list[Row]:
    return [
        Row(
            "pow",
            both(
                two(0.3, 2),
                number(0.3, 2, 2, 3, 0.5, -1, -0.5, 1, 2.5, -2),
                of(lambda d: sample(2, d(3, 4)), lambda d: sample(1.5, d(3))),
            ),
            np.power,
            complex=True,
            inplace=True,
            integer=False,
        ),
        Row(
            "float_power",
            lambda rng, dtype: both(two(0.3, 2), number(0.3, 2, 3))(rng, np.dtype(np.float64)),
            np.float_power,
            inplace=True,
            integer=False,
        ),
        unary("square", np.square, complex=True),
        unary("sqrt", np.sqrt, 0.2, 3, complex=True),
        unary("rsqrt", lambda x: 1 / np.sqrt(x), 0.2, 3, complex=True),
        unary("reciprocal", lambda x: 1 / x, 0.3, 3, complex=True),
        Row(
            "ldexp",
            of(lambda d: sample(d(3, 4), np.array([1, 2, 3, 0])), lambda d: sample(d(3), d(3))),
            lambda a, b: a * 2.0**b,
            inplace=True,
        ),
        Row("frexp", one(0.55, 0.95), np.frexp),
    ]


def signs() -> list[Row]:
    return [
        unary("abs", np.abs, kinks=(0.0,)),
        unary("sign", np.sign, kinks=(0.0,)),
        Row("sgn", one(0.3, 2), lambda x: x / np.abs(x), complex=True, inplace=True, integer=False),
        Row(
            "heaviside",
            of(lambda d: sample(np.array([-1, 0, 2]).astype(d(1).dtype), d(3))),
            np.heaviside,
            grad=False,
            inplace=True,
            why=_NOT_DIFFERENTIABLE,
            integer=False,
        ),
        unary("signbit", np.signbit, grad=False, inplace=False),
        unary("floor", np.floor, 0.1, 0.9, integer=True),
        unary("ceil", np.ceil, 0.1, 0.9, integer=True),
        unary("trunc", np.trunc, 0.1, 0.9, integer=True),
        Row(
            "round",
            both(
                one(0.1, 0.4),
                of(
                    lambda d: sample(np.array([0.511, 1.222, -3.789]).astype(d(1).dtype), decimals=1),
                    lambda d: sample(np.array([511.1, 1222.0, -3789.0]).astype(d(1).dtype), decimals=-2),
                ),
            ),
            lambda x, decimals=0: np.round(x, decimals),
            inplace=True,
            integer=False,
        ),
        unary("frac", lambda x: x - np.trunc(x), 0.1, 0.9, integer=False),
        Row(
            "nan_to_num",
            lambda rng, dtype: [
                sample(np.asarray([np.nan, np.inf, -np.inf, 1.5], dtype), 0.5, 2.0, -3.0),
                *one()(rng, dtype),
            ],
            lambda x, nan=0.0, posinf=None, neginf=None: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
            inplace=True,
            integer=False,
        ),
    ]


def complex_numbers() -> list[Row]:
    def imaginary(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        return [
            sample(draw(rng, np.dtype(f"c{dtype.itemsize * (1 if dtype.kind == 'c' else 2)}"), shape))
            for shape in SHAPES
        ]

    def pairs(rng: np.random.Generator, dtype: np.dtype) -> list[Sample]:
        return [sample(draw(rng, dtype, (3, 2))), sample(draw(rng, dtype, (2,)))]

    layouts = {"layouts": False, "why": "the last dimension must have stride 1"}
    return [
        Row("real", imaginary, np.real, complex=True, view=True),
        Row("imag", imaginary, np.imag, complex=True, view=True),
        Row("conj", imaginary, np.conj, complex=True),
        Row("conj_physical", imaginary, np.conj, complex=True, inplace=True),
        Row("resolve_conj", imaginary, lambda x: x, complex=True, grad=False, view=True, why=_ITSELF),
        Row(
            "angle",
            lambda rng, dtype: [
                sample(draw(rng, np.dtype("c16" if dtype.itemsize == 8 or dtype.kind == "c" else "c8"), shape, 0.3, 2))
                for shape in SHAPES
            ],
            np.angle,
            complex=True,
            integer=False,
        ),
        Row(
            "view_as_real",
            lambda rng, dtype: [s for s in imaginary(rng, dtype) if s.args[0].size],
            lambda x: np.stack([x.real, x.imag], -1),
            complex=True,
            view=True,
        ),
        Row(
            "view_as_complex",
            pairs,
            lambda x: x[..., 0] + 1j * x[..., 1],
            view=True,
            integer=False,
            dtypes=FLOATS[1:],
            **layouts,
        ),
        Row("complex", two(), lambda a, b: a + 1j * b, integer=False, dtypes=FLOATS[1:]),
        Row("polar", two(0.3, 2), lambda a, b: a * np.exp(1j * b), integer=False),
        Row(
            "isreal",
            lambda rng, dtype: [sample(np.array([1 + 1j, 2 + 0j])), sample(np.array([1.0, 2.0]))],
            np.isreal,
            grad=False,
        ),
    ]


def bounds() -> list[Row]:
    inside = of(
        lambda d: sample(away(d(3, 4), -0.5, 0.8), -0.5, 0.8),
        lambda d: sample(away(d(3, 4), -0.5), min=-0.5),
        lambda d: sample(away(d(), 0.8), max=0.8),
        lambda d: sample(away(d(3, 4), -0.5, 0.8), np.asarray(-0.5, d(1).dtype), np.full((4,), 0.8, d(1).dtype)),
        lambda d: sample(away(d(3, 4), 0.8), max=np.full((4,), 0.8, d(1).dtype)),
    )
    return [
        Row("maximum", two(apart=True), np.maximum),
        Row("minimum", two(apart=True), np.minimum),
        Row("fmax", two(apart=True), np.fmax),
        Row("fmin", two(apart=True), np.fmin),
        Row("clamp", inside, lambda x, min=None, max=None: np.clip(x, min, max), inplace=True, integer=False),
        Row(
            "clamp_min",
            of(
                lambda d: sample(away(d(3, 4), 0.5), 0.5),
                lambda d: sample(away(d(3, 4), 0.5), np.full((4,), 0.5, d(1).dtype)),
            ),
            np.maximum,
            inplace=True,
        ),
        Row(
            "clamp_max",
            of(
                lambda d: sample(away(d(3, 4), 0.5), 0.5),
                lambda d: sample(away(d(3, 4), 0.5), np.full((4,), 0.5, d(1).dtype)),
            ),
            np.minimum,
            inplace=True,
        ),
    ]


def selection() -> list[Row]:
    mask = np.array([[True, False, True, False], [False, False, True, True], [True, True, False, False]])
    big = np.arange(1500).reshape(3, 500) % 7 < 3
    return [
        Row(
            "where",
            of(
                lambda d: sample(mask, d(3, 4), d(3, 4)),
                lambda d: sample(mask, d(4), d(3, 1)),
                lambda d: sample(mask, d(3, 4), 2.5),
                lambda d: sample(mask, 1.5, d()),
                lambda d: sample(np.asarray(mask[0, 0]), d(), d(2)),
                lambda d: sample(big, d(3, 500), d(500)),
                lambda d: sample(big, d(3, 500), d(3, 500)),
                lambda d: sample(big[0], d(1), d(2, 500)),
            ),
            np.where,
            complex=True,
            integer=False,
            method=False,
        ),
        Row(
            "masked_fill",
            of(
                lambda d: sample(d(3, 4), mask, 2.5),
                lambda d: sample(d(3, 4), mask[0], d()),
                lambda d: sample(d(3, 500), big, -1.0),
                lambda d: sample(d(), np.array(True), 1),
            ),
            lambda x, m, v: np.where(m, v, x),
            inplace=True,
            complex=True,
            integer=False,
        ),
    ]


def _twice_differentiable_hardsigmoid(x: Any) -> Any:
    """torch's own has no second derivative."""
    from torch.nn.functional import hardtanh

    return hardtanh(x + 3, 0.0, 6.0) / 6


def _erf_gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        return x * special.ndtr(x)
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def activations() -> list[Row]:
    big = {"tolerance": 1e-8}
    large = of(lambda d: sample(d(70000)))
    return [
        unary("relu", lambda x: np.maximum(x, 0), kinks=(0.0,), integer=True),
        Row(
            "leaky_relu",
            both(one(kinks=(0.0,)), number(-2, 2, 0.3, 1.5, -0.5, kinks=(0.0,))),
            lambda x, s=0.01: np.where(x > 0, x, s * x),
            integer=False,
        ),
        Row(
            "prelu",
            of(
                lambda d: sample(away(d(2, 3, 4), 0.0), d(3)),
                lambda d: sample(away(d(5), 0.0), d(1)),
                lambda d: sample(away(d(), 0.0), d()),
            ),
            lambda x, w: np.where(
                x > 0, x, x * (w.reshape((1, -1) + (1,) * (x.ndim - 2)) if x.ndim > 1 else w.reshape(()))
            ),
            integer=False,
        ),
        Row(
            "threshold",
            of(lambda d: sample(away(d(3, 4), 0.5), 0.5, 7.0), lambda d: sample(away(d(), 0.5), 0.5, 7.0)),
            lambda x, t, v: np.where(x > t, x, v),
            integer=False,
        ),
        Row(
            "hardtanh",
            both(one(kinks=(-1.0, 1.0)), of(lambda d: sample(away(d(3, 4), -0.5, 1.5), -0.5, 1.5))),
            lambda x, a=-1.0, b=1.0: np.clip(x, a, b),
            integer=False,
        ),
        Row("relu6", one(-2, 8, kinks=(0.0, 6.0)), lambda x: np.clip(x, 0, 6), integer=False),
        Row(
            "hardsigmoid",
            one(-5, 5, kinks=(-3.0, 3.0)),
            lambda x: np.clip(x + 3, 0, 6) / 6,
            integer=False,
            torch=_twice_differentiable_hardsigmoid,
            dtypes=FLOATS,
        ),
        Row("hardswish", one(-5, 5, kinks=(-3.0, 3.0)), lambda x: x * np.clip(x + 3, 0, 6) / 6, integer=False),
        Row(
            "hardshrink",
            both(one(kinks=(-0.5, 0.5)), number(-2, 2, 1.0, kinks=(-1.0, 1.0))),
            lambda x, l=0.5: np.where(np.abs(x) > l, x, 0),
            integer=False,
        ),
        Row(
            "softshrink",
            both(one(kinks=(-0.5, 0.5)), number(-2, 2, 1.0, kinks=(-1.0, 1.0))),
            lambda x, l=0.5: np.where(np.abs(x) > l, x - np.sign(x) * l, 0),
            integer=False,
        ),
        Row("gelu", both(one(), one(approximate="tanh"), large), _erf_gelu, integer=False, **big),
        Row("silu", both(one(), large), lambda x: x * special.expit(x), integer=False, **big),
        Row("elu", both(one(kinks=(0.0,)), number(-2, 2, 0.7, kinks=(0.0,))), _elu, integer=False),
        Row("selu", one(kinks=(0.0,)), lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772), integer=False),
        Row(
            "celu",
            both(one(kinks=(0.0,)), number(-2, 2, 0.5, kinks=(0.0,))),
            lambda x, a=1.0: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0) / a)),
            integer=False,
        ),
        Row(
            "softplus",
            both(
                one(),
                of(
                    lambda d: sample(d(3, 4, low=-3.0, high=3.0), 2.0),
                    lambda d: sample(d(3, 4, low=11.0, high=13.0), 2.0),
                ),
            ),
            lambda x, b=1.0: np.where(x * b > 20, x, np.log1p(np.exp(x * b)) / b),
            integer=False,
        ),
        Row("logsigmoid", one(), special.log_expit, integer=False),
        Row("mish", both(one(), large), lambda x: x * np.tanh(np.log1p(np.exp(x))), integer=False, **big),
        Row("softsign", one(kinks=(0.0,)), lambda x: x / (1 + np.abs(x)), integer=False),
        Row("tanhshrink", one(), lambda x: x - np.tanh(x), integer=False),
        Row("glu", of(lambda d: sample(d(3, 4)), lambda d: sample(d(4, 3), 0), lambda d: sample(d(2, 0))), _glu),
        Row("softmax", of(*_along), lambda x, dim: special.softmax(x, dim), dtypes=FLOATS),
        Row(
            "log_softmax",
            of(*_along),
            lambda x, dim: special.log_softmax(x, dim) if x.size and x.ndim else np.zeros_like(x),
            dtypes=FLOATS,
        ),
        Row("softmin", of(*_along), lambda x, dim: special.softmax(-x, dim), dtypes=FLOATS),
    ]


_along = (
    lambda d: sample(d(3, 4), 1),
    lambda d: sample(d(3, 4, 2), 1),
    lambda d: sample(d(5), -1),
    lambda d: sample(d(), 0),
    lambda d: sample(d(0, 3), 1),
    lambda d: sample(d(300, 250), 1),
)


def _glu(x: Any, dim: int = -1) -> Any:
    a, b = np.split(x, 2, dim)
    return a * special.expit(b)


ROWS = [*arithmetic(), *elementary(), *powers(), *signs(), *complex_numbers(), *bounds(), *selection(), *activations()]
