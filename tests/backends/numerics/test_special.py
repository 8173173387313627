"""erf, erfc, erfinv, lgamma and digamma: within 4 ulp of mpmath everywhere, with the right values at the edges, on
NumPy and on a device.
"""

from __future__ import annotations

import math

import ml_dtypes
import mpmath
import numpy as np
import pytest

from tapegrad.backends.numerics import special
from tapegrad.backends.strict.backend import StrictBackend

NAMES = ["erf", "erfc", "erfinv", "lgamma", "digamma"]
EXACT = {
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "erfinv": mpmath.erfinv,
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))) if abs(x) < 1e4 else mpmath.loggamma(x),
    "digamma": lambda x: mpmath.psi(0, x),
}
inf, nan = math.inf, math.nan
strict = StrictBackend()


def spread(low, high, n, rng):
    """Points of all magnitudes between two positive bounds."""
    return np.exp(rng.uniform(math.log(low), math.log(high), n))


def points(name):
    """Where to compare: each piece of each formula, the borders of the pieces, tails and tiny arguments."""
    rng = np.random.default_rng(sum(map(ord, name)))
    tiny = spread(1e-300, 0.01, 30, rng)
    if name == "erf":
        x = [
            rng.uniform(0, 1, 60),
            rng.uniform(1, 4, 60),
            rng.uniform(4, 6.5, 20),
            tiny,
            [1, np.nextafter(1, 0), 6, 30],
        ]
    elif name == "erfc":
        x = [
            rng.uniform(0, 1, 60),
            rng.uniform(1, 10, 80),
            rng.uniform(10, 27.3, 80),
            rng.uniform(26.5, 27.3, 20),
            rng.uniform(9, 10.1, 20),
            tiny,
            [0.5, 27.2],
        ]
    elif name == "erfinv":
        x = [
            rng.uniform(0, 0.85, 60),
            rng.uniform(0.85, 1, 60),
            1 - spread(2**-53, 0.1, 60, rng),
            tiny,
            [0.85, 1 - 2**-53, 1 - 2**-24],
        ]
    else:
        near = spread(1e-15, 0.1, 30, rng)
        x = [
            rng.uniform(0, 0.5, 30),
            rng.uniform(0.5, 3, 100),
            rng.uniform(3, 8, 60),
            rng.uniform(8, 100, 30),
            spread(100, 1e300, 30, rng),
            tiny,
            [0.5, 3, 8],
            1 + near,
            1 - near,
            2 + near,
            2 - near,
            1.4616321449683623 + near,
            1.4616321449683623 - near,
        ]
    x = np.concatenate([np.asarray(part, np.float64) for part in x])
    if name in ("lgamma", "digamma"):
        return np.concatenate(
            [x, -rng.uniform(0, 40, 80), -np.arange(1, 12) + spread(1e-10, 0.1, 11, rng), -tiny, [-0.5, -100.5]]
        )
    return np.concatenate([x, -x])


def in_ulp(got, exact, scale):
    """Errors in units of the last place of `scale`'s values."""
    spacing = np.spacing(np.abs(scale).astype(got.dtype)).astype(np.float64)
    return np.array(
        [
            0.0 if math.isinf(g) and math.isinf(got.dtype.type(e)) else float(abs(mpmath.mpf(float(g)) - e)) / s
            for g, e, s in zip(got, exact, spacing)
        ]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_within_4_ulp(name, dtype):
    with np.errstate(over="ignore", under="ignore"):
        x = points(name).astype(dtype)
    x = x[np.isfinite(x) & (np.abs(x) < 1 if name == "erfinv" else True) & ~((x <= 0) & (x == np.rint(x)))]
    with mpmath.workdps(50):
        exact = [EXACT[name](mpmath.mpf(float(v))) for v in x]
        with np.errstate(over="ignore", under="ignore"):
            scale = np.array([float(e) for e in exact])
            if dtype == np.float64 and name == "lgamma":
                scale = np.where(x < 0, np.maximum(np.abs(scale), 1), scale)
            if dtype == np.float64 and name == "digamma":
                scale = np.where(
                    x < 0,
                    np.maximum(np.abs(scale), [float(mpmath.psi(0, 1 - mpmath.mpf(v))) if v < 0 else 0 for v in x]),
                    scale,
                )
            for got in (getattr(special, name)(np, x), on_strict(name, x)):
                assert got.dtype == dtype
                errors = in_ulp(got, exact, scale)
                worst = int(errors.argmax())
                assert errors[worst] <= 4, (
                    f"{name}({x[worst]!r}) = {got[worst]!r}, {errors[worst]:.2f} ulp from {exact[worst]}"
                )


def on_strict(name, x):
    device = strict.from_host(x, strict.device_of(strict.xp.empty(0)))
    with strict.refusing():
        y = getattr(special, name)(strict.xp, device)
    assert y.shape == x.shape
    return strict.to_host(y)


EDGES = {
    "erf": [
        (0.0, 0.0),
        (-0.0, -0.0),
        (inf, 1),
        (-inf, -1),
        (nan, nan),
        (40, 1),
        (-1e30, -1),
        (5e-324, 5e-324),
        (-5e-324, -5e-324),
    ],
    "erfc": [(0.0, 1), (-0.0, 1), (inf, 0), (-inf, 2), (nan, nan), (1e30, 0), (28, 0), (-1e30, 2), (-7, 2)],
    "erfinv": [
        (0.0, 0.0),
        (-0.0, -0.0),
        (1, inf),
        (-1, -inf),
        (1.5, nan),
        (-1.0078125, nan),
        (inf, nan),
        (-inf, nan),
        (nan, nan),
        (5e-324, 5e-324),
    ],
    "lgamma": [
        (0.0, inf),
        (-0.0, inf),
        (1, 0),
        (2, 0),
        (inf, inf),
        (-inf, inf),
        (nan, nan),
        (-1, inf),
        (-2, inf),
        (-1000, inf),
        (-1e30, inf),
        (1e308, inf),
    ],
    "digamma": [(0.0, -inf), (-0.0, inf), (inf, inf), (-inf, nan), (nan, nan), (-1, nan), (-2, nan), (-1e30, nan)],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_edges(name, dtype):
    with np.errstate(over="ignore"):
        pairs = [(dtype(x), y) for x, y in EDGES[name] if x == 0 or float(dtype(x)) != 0]
    x, expected = np.array([x for x, _ in pairs], dtype), np.array([y for _, y in pairs]).astype(np.float64)
    for got in (
        getattr(special, name)(np, x),
        on_strict(name, x),
        np.array([getattr(special, name)(np, v) for v in x]),
    ):
        got = got.astype(np.float64)
        np.testing.assert_array_equal(got, expected)
        known = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(expected[known]))


def test_results_never_leave_their_range():
    for dtype in (np.float32, np.float64):
        x = np.linspace(-8, 8, 100_001).astype(dtype)
        assert np.abs(special.erf(np, x)).max() == 1
        assert special.erfc(np, x).min() >= 0 and special.erfc(np, x).max() == 2


def test_subnormal_results_of_erfc():
    x = np.float64(26.6)
    assert 0 < special.erfc(np, np.array([x]))[0] < np.finfo(np.float64).tiny
    assert 0 < special.erfc(np, np.array([9.5], np.float32))[0] < np.finfo(np.float32).tiny


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_half_types_are_rounded_from_float32(name, dtype):
    x = np.random.default_rng(0).uniform(-0.99, 0.99, 300).astype(dtype)
    got = getattr(special, name)(np, x)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, getattr(special, name)(np, x.astype(np.float32)).astype(dtype))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_layouts(name):
    function = getattr(special, name)
    x = np.random.default_rng(0).uniform(0.01, 0.99, (6, 5))
    y = function(np, x)
    for layout in (np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2], x[::-1][::-1]):
        np.testing.assert_array_equal(function(np, layout), y)
    assert function(np, np.asfortranarray(x)).flags.f_contiguous
    np.testing.assert_array_equal(function(np, x[:, ::-1]), y[:, ::-1])
    for empty in (np.empty(0), np.empty((3, 0, 2), np.float32)):
        assert function(np, empty).shape == empty.shape and function(np, empty).dtype == empty.dtype
    point = function(np, x[0, 0])
    assert point.shape == () and point == y[0, 0]
    assert on_strict(name, x[0, 0:1].reshape(())).shape == ()


@pytest.mark.parametrize("name", NAMES)
def test_blocks_join(name, monkeypatch):
    function = getattr(special, name)
    x = np.random.default_rng(0).uniform(-0.999, 0.999, 1003)
    whole = function(np, x)
    monkeypatch.setattr(special, "BLOCK", 800)  # bytes: blocks of 100, which hold other pieces of the formulas
    np.testing.assert_array_max_ulp(function(np, x), whole, 1)
    assert not np.shares_memory(function(np, x), x)


@pytest.mark.parametrize("name", NAMES)
def test_operands_are_left_alone(name):
    x = np.random.default_rng(0).uniform(0.01, 0.99, 100)
    before = x.copy()
    x.flags.writeable = False
    getattr(special, name)(np, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.complex64])
@pytest.mark.parametrize("name", NAMES)
def test_only_floats(name, dtype):
    with pytest.raises(
        TypeError, match=f"{name}: expected an array of real floating-point numbers, not of {np.dtype(dtype)}"
    ):
        getattr(special, name)(np, np.ones(3, dtype))
