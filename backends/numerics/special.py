"""erf, erfc, erfinv, lgamma and digamma of real floating-point arrays of a namespace `xp`, within 4 ulp; other arrays
are a TypeError.

Half types are computed in float32, and lgamma and digamma of all but float64 in float64, rounded once.

The rational and polynomial coefficients are minimax fits (Remez exchange in 60-digit arithmetic; each table states its
largest relative error) of forms from the literature: W. J. Cody, "Rational Chebyshev approximations for the error
function", 1969; M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc(x)", 1981; M.
J. Wichura, AS 241, 1988, and M. Giles, "Approximating the erfinv function", 2010; NIST DLMF 5.11 (Stirling's series of
lgamma and digamma) and 5.5 (reflection).

On a device a formula runs on the whole array and `where` picks among its pieces: no boolean index, no synchronisation.
On NumPy an array goes through in blocks that stay in cache, and each piece is computed for its own elements only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
Formula = Callable[[Any, Array], Array]

# bytes of an operand that go through a formula at a time: the formula's temporaries stay in the second-level cache
BLOCK = 256 * 1024


def erf(xp: Any, x: Array) -> Array:
    """The error function ``2/sqrt(pi) * integral of exp(-t*t) from 0 to x``.

    Example:
        >>> erf(np, np.array([-np.inf, 0.0, 0.5]))
        array([-1.        ,  0.        ,  0.52049988])
    """
    return _apply(xp, x, _erf32, _erf64, "erf")


def erfc(xp: Any, x: Array) -> Array:
    """The complementary error function ``1 - erf(x)``, accurate in its tail down to subnormal values.

    Example:
        >>> erfc(np, np.array([0.0, 10.0]))
        array([1.00000000e+00, 2.08848758e-45])
    """
    return _apply(xp, x, _erfc32, _erfc64, "erfc")


def erfinv(xp: Any, x: Array) -> Array:
    """The inverse of `erf`: infinite at -1 and 1, nan beyond.

    Example:
        >>> erfinv(np, np.array([-1.0, 0.0, 0.5]))
        array([      -inf, 0.        , 0.47693628])
    """
    return _apply(xp, x, _erfinv32, _erfinv64, "erfinv")


def lgamma(xp: Any, x: Array) -> Array:
    """The logarithm of the absolute value of the gamma function: infinite at 0, -1, -2, ...

    In float64 the bound of 4 ulp is one of ``max(abs(result), 1)`` for negative `x`, where the function has a zero
    between any two poles.

    Example:
        >>> lgamma(np, np.array([-1.0, 1.0, 5.0]))
        array([       inf, 0.        , 3.17805383])
    """
    return _apply(xp, x, _through_float64(_lgamma64), _lgamma64, "lgamma")


def digamma(xp: Any, x: Array) -> Array:
    """The derivative of `lgamma`: -inf at 0.0, inf at -0.0, nan at negative integers, as in PyTorch.

    In float64 the bound of 4 ulp is one of ``max(abs(result), digamma(1 - x))`` for negative `x`, where the function
    has a zero between any two poles.

    Example:
        >>> digamma(np, np.array([-1.0, 0.0, 1.0]))
        array([        nan,        -inf, -0.57721566])
    """
    return _apply(xp, x, _through_float64(_digamma64), _digamma64, "digamma")


def _apply(xp: Any, x: Array, single: Formula, double: Formula, name: str) -> Array:
    if xp is np:
        x = np.asarray(x)
    dtype = x.dtype
    formula = double if dtype == np.float64 else single
    half = dtype.name in ("float16", "bfloat16")
    if not half and dtype not in (np.float32, np.float64):
        raise TypeError(f"{name}: expected an array of real floating-point numbers, not of {dtype}")
    with np.errstate(all="ignore"):
        if half:
            x = x.astype(np.float32)
        y = _in_blocks(formula, x) if xp is np else formula(xp, x)
        return y.astype(dtype) if half else y


def _in_blocks(formula: Formula, x: np.ndarray) -> np.ndarray:
    if x.flags.fnc:
        return _in_blocks(formula, x.T).T
    flat = x.ravel()
    step = BLOCK // x.itemsize
    if flat.size <= step:
        return formula(np, flat).reshape(x.shape)
    out = np.empty_like(flat)
    for i in range(0, flat.size, step):
        out[i : i + step] = formula(np, flat[i : i + step])
    return out.reshape(x.shape)


def _through_float64(formula: Formula) -> Formula:
    return lambda xp, x: formula(xp, x.astype(np.float64)).astype(np.float32)


def _pieces(xp: Any, x: Array, *pieces: tuple[Array, Formula]) -> Array:
    """Each element of `x` through the formula whose mask holds for it; of the masks exactly one holds for each
    element.
    """
    if xp is np:
        out = np.empty_like(x)
        for mask, formula in pieces:
            at = np.flatnonzero(mask)
            if at.size == x.size:
                return formula(xp, x)
            if at.size:
                out[at] = formula(xp, x[at])
        return out
    y = pieces[-1][1](xp, x)
    for mask, formula in pieces[:-1]:
        y = xp.where(mask, formula(xp, x), y)
    return y


def _poly(x: Array, coefficients: tuple[float, ...]) -> Array:
    """A polynomial by Horner's rule; the coefficient of the highest power comes first."""
    y = x * coefficients[0]
    y += coefficients[1]
    for c in coefficients[2:]:
        y *= x
        y += c
    return y


def _ratio(x: Array, p: tuple[float, ...], q: tuple[float, ...]) -> Array:
    y = _poly(x, p)
    y /= _poly(x, q)
    return y


# ----------------------------------------------------------------------------------------------------
# erf and erfc

# atanh(erf(x))/x - 1 as a polynomial in x*x. The fit is weighted by what reaches erf, and grows for large x, where tanh
# saturates.
# 7.1e-8
_ERF32 = (
    5.39819753e-9,
    2.81126291e-8,
    -4.79899195e-6,
    8.46124478e-5,
    -0.000614863186,
    -0.000195274291,
    0.102769864,
    0.128379247,
)

# erf(x)/x - 1 in x*x for |x| < 1
_ERF_CENTER = (
    -7.779417010707493e-10,
    1.3710951069815033e-08,
    -1.6206306501779302e-07,
    1.6447130550506394e-06,
    -1.4924712212281878e-05,
    0.00012055293571799002,
    -0.0008548325929126817,
    0.005223977606114136,
    -0.02686617064311088,
    0.11283791670944181,
    -0.3761263890318352,
    0.12837916709551256,
)  # 7.3e-18

# exp(x*x) erfc(x) (1 + 2x) in t = (x - k)/(x + k): for 1 <= x <= 6 weighted by what reaches erf, for x >= 0, and for x
# >= 0 in float32
_K = 3.75
_ERF_TAIL = (
    -0.00012989419364512598,
    0.0009060993842140362,
    0.0026653013929346164,
    -0.008944676476328057,
    0.028831429630833936,
    -0.058503205749156566,
    0.09235843319370925,
    -0.10879321347044053,
    0.0822781728121566,
    0.0035855375998509503,
    -0.14024059272988265,
    1.2375126309545965,
)  # 1.1e-17
_ERFCX = (
    -2.2892281069774415e-09,
    -5.604509495027594e-10,
    3.2730701185822734e-08,
    1.508225239893523e-08,
    -2.528777689114866e-07,
    -4.704444910439312e-08,
    1.7487157511650191e-06,
    -9.80915517425774e-07,
    -1.1443504420797958e-05,
    2.2387562707383067e-05,
    5.1649156960854605e-05,
    -0.00029015504098284505,
    0.0002937135973497006,
    0.0017556260286598101,
    -0.009746579541732648,
    0.028362277399443376,
    -0.058693398591440425,
    0.09230432116157823,
    -0.10880393014165707,
    0.08227673849011108,
    0.0035854154854627336,
    -0.1402405985855467,
    1.2375126308378275,
)  # 1.1e-17
_ERFCX32 = (
    0.001083965629,
    0.002272408523,
    -0.009957966903,
    0.02804518303,
    -0.05871564851,
    0.09236376298,
    -0.1087945425,
    0.0822724333,
    0.003584832946,
    -0.1402405058,
    1.237512635,
)  # 6.0e-9


def _erf32(xp: Any, x: Array) -> Array:
    # One formula for all x, with tanh to saturate it: a third of the passes of a formula in pieces.
    y = _poly(x * x, _ERF32)
    y *= x
    y += x
    return xp.tanh(y)


def _erf64(xp: Any, x: Array) -> Array:
    center = xp.abs(x) < 1
    return _pieces(xp, x, (center, _erf_center), (~center, _erf_tail))


def _erf_center(xp: Any, x: Array) -> Array:
    y = _poly(x * x, _ERF_CENTER)
    y *= x
    y += x
    return y


def _erf_tail(xp: Any, x: Array) -> Array:
    a = xp.minimum(xp.abs(x), 6)  # erf(6) rounds to 1
    y = xp.exp(-a * a)
    y *= _poly(1 - 2 * _K / (a + _K), _ERF_TAIL)
    y /= 1 + 2 * a
    return xp.copysign(1 - y, x)


def _erfc32(xp: Any, x: Array) -> Array:
    # In float64: exp(-a*a) magnifies the rounding error of the square by a*a.
    x = x.astype(np.float64)
    a = xp.minimum(xp.abs(x), 10.5)  # erfc(10.5) is 0 in float32
    y = xp.exp(-a * a)
    y *= _poly(1 - 2 * _K / (a + _K), _ERFCX32)
    y /= 1 + 2 * a
    return xp.where(x < 0, 2 - y, y).astype(np.float32)


def _erfc64(xp: Any, x: Array) -> Array:
    low = x < 0.5
    return _pieces(xp, x, (low, lambda xp, x: 1 - _erf64(xp, x)), (~low, _erfc_tail))


def _erfc_tail(xp: Any, x: Array) -> Array:
    x = xp.minimum(x, 28)  # erfc(28) is 0
    # exp(-x*x) magnifies the rounding error of the square by x*x. Splitting x into halves of 26 bits gives that error
    # exactly (Dekker 1971); it joins the rounding error of 1 + 2x, and both the sum of the polynomial without its
    # constant term.
    square = x * x
    high = x * 134217729.0
    high = high - (high - x)
    low = x - high
    divisor = 1 + 2 * x
    error = ((high * high - square) + 2 * high * low) + low * low + (1 - (divisor - 2 * x)) / divisor
    t = 1 - 2 * _K / (x + _K)
    y = t * _poly(t, _ERFCX[:-1])
    y -= (y + _ERFCX[-1]) * error
    return xp.exp(-square) * (y + _ERFCX[-1]) / divisor


# ----------------------------------------------------------------------------------------------------
# erfinv

# With s = x*x and r = sqrt(-log(1 - x)): erfinv(x)/x - 1 in 0.7225 - s for |x| < 0.85, then erfinv(x) - r in r - 1.375
# for r < 3 and in r - 3 for r < 6.1, the end of float64. Offset so, the sums lose no digits to cancellation.
_ERFINV_CENTER = (
    (
        -0.003112426189947082,
        -0.9335250986190683,
        -8.790301216623652,
        -23.92519713267334,
        -24.72577150746359,
        -8.568986686009053,
        1.298576897173461,
        1.3252470219595018,
        0.19753231156709133,
    ),
    # 6.6e-18
    (
        1.2240319938000024,
        16.645830949216844,
        68.38680840320977,
        121.6939313532092,
        107.76720229577255,
        49.52079727199019,
        11.263828978205563,
        1.0,
    ),
)
_ERFINV_MIDDLE = (
    (
        -3.924009645224503e-07,
        -0.00021642019592767924,
        -0.007140268908209362,
        -0.07444745991520449,
        -0.33468812475353177,
        -0.7415658816003888,
        -0.8174196533169977,
        -0.3595327255701841,
    ),
    (
        8.134868314554306e-05,
        0.0039291154640030326,
        0.057787437715096555,
        0.37679696797747636,
        1.2732953366700546,
        2.3765820272473164,
        2.362189018071074,
        1.0,
    ),
)  # 6.7e-20
_ERFINV_TAIL = (
    (
        9.613541675844843e-10,
        -2.966034495212846e-06,
        -0.0003389134364719968,
        -0.00812811062915297,
        -0.06931300941888534,
        -0.2386095864249126,
        -0.2852390020607151,
    ),
    # 4.2e-18
    (
        8.261684474404129e-07,
        0.00014610422917909802,
        0.005014218019021072,
        0.06382331751597303,
        0.3677958307444653,
        0.9829027785785303,
        1.0,
    ),
)

# The same in float32: in 0.7225 - s for |x| < 0.85, and in r for r < 4.1
# 4.6e-8
_ERFINV32_CENTER = (
    (-0.723228889, -1.402469034, -0.01600223633, 0.1975322568),
    (1.049740055, 4.922193533, 4.473732457, 1.0),
)
# 1.2e-8
_ERFINV32_TAIL = (
    (-0.005270365764, -0.5058609771, -1.004459413, 0.01380929142),
    (0.2773716337, 1.652812561, 1.203895497, 1.0),
)


def _erfinv32(xp: Any, x: Array) -> Array:
    center = xp.abs(x) < 0.85
    return _pieces(xp, x, (center, _erfinv32_center), (~center, _erfinv32_tail))


def _erfinv32_center(xp: Any, x: Array) -> Array:
    return x * (1 + _ratio(0.7225 - x * x, *_ERFINV32_CENTER))


def _erfinv32_tail(xp: Any, x: Array) -> Array:
    a = xp.abs(x)
    r = xp.sqrt(-xp.log(1 - a))
    y = r + _ratio(r, *_ERFINV32_TAIL)
    return xp.copysign(xp.where(a == 1, math.inf, y), x)


def _erfinv64(xp: Any, x: Array) -> Array:
    center = xp.abs(x) < 0.85
    return _pieces(xp, x, (center, _erfinv_center), (~center, _erfinv_tail))


def _erfinv_center(xp: Any, x: Array) -> Array:
    return x * (1 + _ratio(0.7225 - x * x, *_ERFINV_CENTER))


def _erfinv_tail(xp: Any, x: Array) -> Array:
    a = xp.abs(x)
    r = xp.sqrt(-xp.log(1 - a))
    middle = r < 3
    y = r + _pieces(
        xp,
        r,
        (middle, lambda xp, r: _ratio(r - 1.375, *_ERFINV_MIDDLE)),
        (~middle, lambda xp, r: _ratio(r - 3, *_ERFINV_TAIL)),
    )
    return xp.copysign(xp.where(a == 1, math.inf, y), x)


# ----------------------------------------------------------------------------------------------------
# lgamma

# lgamma(1 + y)/(y (y - 1)) - 0.5 in y + 0.5 for -0.5 <= y < 2, and lgamma(1 + y)/(y - 1) - 1 in y - 2 for 2 <= y < 7.
# Here and below, a constant added to a small ratio keeps the ratio's rounding errors small; offset arguments make its
# coefficients of one sign.
_LGAMMA_LOW = (
    (
        -0.0002518509619216848,
        -0.013379836583654355,
        -0.18818453794557904,
        -1.028689772276478,
        -2.45667976282973,
        -2.2799655543790176,
        0.3844431765010182,
        2.1251420883487513,
        1.3302271178698488,
        0.2631532572329334,
    ),
    (
        0.0005109616502038569,
        0.030888589537406155,
        0.5320935885468862,
        3.8897451440014557,
        14.31077597046727,
        28.87408859407017,
        33.135113751765985,
        21.452757820343926,
        7.270155624879057,
        1.0,
    ),
)  # 2.0e-18
_LGAMMA_MIDDLE = (
    (
        8.299355164378904e-08,
        1.3026547295148563e-05,
        0.0004907606481371322,
        0.0069091502969797405,
        0.04044868822942157,
        0.07950692892245173,
        -0.0764071022906289,
        -0.3068528194400547,
    ),
    (
        1.7164003485318855e-08,
        4.730214758480782e-06,
        0.00028562681197812924,
        0.006587671756378788,
        0.07096084930593183,
        0.382447216058664,
        0.9973649822987452,
        1.0,
    ),
)  # 5.1e-18
# Stirling's series in 1/(z*z), z = 1 + y, for z >= 8
_LGAMMA_SERIES = (
    # 2.2e-19
    -0.0016334294800380556,
    0.0008364584288897776,
    -0.0005951896789554998,
    0.0007936505764277187,
    -0.0027777777773583903,
    0.0833333333333331,
)
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _lgamma64(xp: Any, x: Array) -> Array:
    negative = x < 0
    small = (x >= 0) & (x < 0.5)
    y = _pieces(
        xp,
        x,
        (~(negative | small), lambda xp, x: _lgamma_1p(xp, x - 1)),
        (small, _lgamma_small),
        (negative, _lgamma_negative),
    )
    return xp.where(xp.isinf(x), math.inf, y)


def _lgamma_small(xp: Any, x: Array) -> Array:
    return _lgamma_1p_low(xp, x) - xp.log(x)


def _lgamma_negative(xp: Any, x: Array) -> Array:
    a = -x
    # NumPy vectorises tan of float64 but not sin.
    tangent = xp.tan(math.pi * xp.abs(a - xp.rint(a)))
    sine = tangent / xp.sqrt(1 + tangent * tangent)
    return -xp.log(sine / math.pi) - _lgamma_1p(xp, a)


def _lgamma_1p(xp: Any, y: Array) -> Array:
    """lgamma(1 + y) for y >= -0.5; so written, its zeros at 0 and 1 are exact."""
    low = y < 2
    high = ~(y < 7)
    return _pieces(xp, y, (low, _lgamma_1p_low), (~(low | high), _lgamma_1p_middle), (high, _lgamma_1p_high))


def _lgamma_1p_low(xp: Any, y: Array) -> Array:
    return (0.5 + _ratio(y + 0.5, *_LGAMMA_LOW)) * (y * (y - 1)) + 0.0  # not -0.0 at y = 0


def _lgamma_1p_middle(xp: Any, y: Array) -> Array:
    return (1 + _ratio(y - 2, *_LGAMMA_MIDDLE)) * (y - 1)


def _lgamma_1p_high(xp: Any, y: Array) -> Array:
    z = 1 + y
    series = _poly(1 / (z * z), _LGAMMA_SERIES) / z
    return (z - 0.5) * (xp.log(z) - 1) + (series + (_HALF_LOG_2PI - 0.5))


# ----------------------------------------------------------------------------------------------------
# digamma

# digamma(1 + y)/(y - root) - 0.875 for 0 <= y < 2, where 1 + root is the positive zero; root is the sum of two floats
_ROOT = (0.46163214496836236, -1.5522348162858677e-17)
_DIGAMMA_LOW = (
    (
        -1.7484024766704337e-08,
        -0.00016239915326049197,
        -0.005986530533942792,
        -0.06724056717851372,
        -0.29827785288638736,
        -0.48639265854304475,
        -0.025620409032463345,
        0.3753801375034054,
    ),
    # 7.5e-19
    (
        0.00018867400743956148,
        0.00782217083070274,
        0.104912862683957,
        0.6171286346707587,
        1.7284715958567236,
        2.2086223237152565,
        1.0,
    ),
)
# digamma(1 + y) - 1.5 in y - 2 for 2 <= y < 7, and the series of log(z) - 1/(2z) - digamma(z) in 1/(z*z), z = 1 + y,
# for z >= 8
_DIGAMMA_MIDDLE = (
    (
        7.316492557926921e-08,
        1.2586608501303528e-05,
        0.000518843385987204,
        0.007969910041791026,
        0.050249701689837736,
        0.09853973243827265,
        -0.166615223400518,
        -0.5772156649015329,
    ),
    (
        1.3644518926446158e-08,
        3.872445328952467e-06,
        0.00024185415492583063,
        0.005785958694111728,
        0.0647000705435944,
        0.36142195373087144,
        0.9728587153720762,
        1.0,
    ),
)  # 2.1e-18
_DIGAMMA_SERIES = (
    # 9.3e-19
    -0.01727078616083328,
    0.0074995368082404,
    -0.004165898043573357,
    0.003968250007490827,
    -0.00833333332390364,
    0.08333333333332583,
)


def _digamma64(xp: Any, x: Array) -> Array:
    negative = x < 0
    small = (x >= 0) & (x < 1)
    return _pieces(
        xp,
        x,
        (~(negative | small), lambda xp, x: _digamma_1p(xp, x - 1)),
        (small, _digamma_small),
        (negative, _digamma_negative),
    )


def _digamma_small(xp: Any, x: Array) -> Array:
    return _digamma_1p_low(xp, x) - 1 / x


def _digamma_negative(xp: Any, x: Array) -> Array:
    a = -x
    d = a - xp.rint(a)
    from_integer, from_half = xp.abs(d), 0.5 - xp.abs(d)
    tangent = xp.tan(math.pi * xp.minimum(from_integer, from_half))
    cotangent = xp.copysign(xp.where(from_integer < from_half, 1 / tangent, tangent), d)
    return xp.where(d == 0, math.nan, _digamma_1p(xp, a) + math.pi * cotangent)


def _digamma_1p(xp: Any, y: Array) -> Array:
    """digamma(1 + y) for y >= 0."""
    low = y < 2
    high = ~(y < 7)
    return _pieces(
        xp,
        y,
        (low, _digamma_1p_low),
        (~(low | high), lambda xp, y: 1.5 + _ratio(y - 2, *_DIGAMMA_MIDDLE)),
        (high, _digamma_1p_high),
    )


def _digamma_1p_low(xp: Any, y: Array) -> Array:
    return (0.875 + _ratio(y, *_DIGAMMA_LOW)) * ((y - _ROOT[0]) - _ROOT[1])


def _digamma_1p_high(xp: Any, y: Array) -> Array:
    r = 1 / (1 + y)
    z = r * r
    return xp.log(1 + y) - (0.5 * r + z * _poly(z, _DIGAMMA_SERIES))
