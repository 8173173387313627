"""Where CuPy's functions are not NumPy's: the strict device shows it, and the CuPy backend's namespace mends it."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tapegrad.backends import Device, registry
from tapegrad.backends.strict.backend import StrictBackend


@pytest.fixture
def strict():
    with registry.standing_in("strict", StrictBackend()) as backend:
        yield backend


def put(strict, array):
    return strict.from_host(np.asarray(array), Device("strict"))


def equal(got, want, what=""):
    np.testing.assert_array_equal(got.get().astype(np.float64), want.astype(np.float64), err_msg=what)


def plain(strict):
    """CuPy's namespace as it is, without what the CuPy backend mends."""
    return strict.xp.library


DIFFERENT = [
    ("a // 0.1", [1.0], [10.0]),
    ("a % 0.1", [1.0], [0.0]),
    ("a // np.inf", [-1.0], [-0.0]),
    ("a % np.inf", [5.0], [np.nan]),
    ("np.fmod(a, 10)", [2**53 + 1], [2]),
    ("a ** -1", [2, 1, -1], [0, 1, -1]),
    ("np.power(a, -2)", [-1, 3], [1, 0]),
    ("a // 0", [3], [0]),
    ("a % 0", [3], [0]),
]


@pytest.mark.parametrize(("expression", "values", "expected"), DIFFERENT)
def test_the_kernels_formulas_are_cupys(strict, expression, values, expected):
    got = eval(expression, {"a": put(strict, values), "np": plain(strict)}).get()
    np.testing.assert_array_equal(got, expected)
    assert np.isnan(got).any() or np.signbit(got).tolist() == np.signbit(expected).tolist()


def test_dtypes_without_a_loop_are_cupys(strict):
    library = plain(strict)
    x = put(strict, np.array([3.0, -1.0], ml_dtypes.bfloat16))
    for widened in (library.where(x > 0, x, x), library.clip(x, 0, 1), x.clip(0, 1), library.tril(x[None])):
        assert widened.dtype == np.float32
    assert library.where(x > 0, x, 1).dtype == np.float32
    for refused in (
        library.sort,
        library.argsort,
        library.unique,
        lambda a: a.argsort(),
        lambda a: a.sort(),
        lambda a: library.isin(a, a),
    ):
        with pytest.raises(ValueError, match=r"Unsupported dtype \(bfloat16\)"):
            refused(x)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_the_cupy_backend_mends_them(strict, dtype):
    """What `backends.xp` gives has NumPy's numbers and dtypes."""
    xp = strict.xp
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    numbers = np.array([5.5, -5.5, 1.0, -1.0, 0.0, -0.0, np.inf, -np.inf, np.nan, 0.1, 3.0, 1000.0])
    a, b = (grid.reshape(-1).astype(dtype) for grid in np.meshgrid(numbers, numbers))
    x, y = put(strict, a), put(strict, b)
    for name in ("remainder", "floor_divide", "fmod"):
        with np.errstate(all="ignore"):
            want = getattr(np, name)(
                a.astype(np.float32) if dtype.itemsize == 2 else a, b.astype(np.float32) if dtype.itemsize == 2 else b
            ).astype(dtype)
        got = getattr(xp, name)(x, y)
        assert got.dtype == dtype
        equal(got, want, name)
        for number in (2.5, -0.5, 0.0):
            with np.errstate(all="ignore"):
                want = getattr(np, name)(a.astype(np.float32) if dtype.itemsize == 2 else a, dtype.type(number)).astype(
                    dtype
                )
            equal(getattr(xp, name)(x, xp.full((), number, dtype)), want, f"{name} {number}")
    keep = a.astype(np.float64) > 0
    for got, want in [
        (xp.where(x > 0, x, y), np.where(keep, a, b)),
        (xp.where(x > 0, x, 2), np.where(keep, a, dtype.type(2))),
        (xp.where(x > 0, 2.0, x), np.where(keep, dtype.type(2), a)),
        (xp.where(x[:, None] > 0, y, x[3]), np.where(keep[:, None], b, a[3])),
        (xp.clip(x, -1, 2), np.clip(a, dtype.type(-1), dtype.type(2))),
        (xp.sort(x), np.sort(a.astype(np.float64))),
        (xp.tril(x.reshape(12, 12), 1), np.tril(a.reshape(12, 12), 1)),
        (xp.triu(x.reshape(12, 12), -1), np.triu(a.reshape(12, 12), -1)),
    ]:
        assert got.dtype == dtype
        equal(got, want)
    np.testing.assert_array_equal(xp.argsort(x).get(), np.argsort(a.astype(np.float64), kind="stable"))
    np.testing.assert_array_equal(xp.isin(x, x[:3]).get(), np.isin(a.astype(np.float64), a[:3].astype(np.float64)))


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
def test_integers_are_divided_exactly(strict, dtype):
    numbers = np.array([7, 5, 1, 0, 100] + ([-7, -5, -1] if dtype != "uint8" else []), dtype)
    a, b = (grid.reshape(-1) for grid in np.meshgrid(numbers, numbers[numbers != 0]))
    for name in ("remainder", "floor_divide", "fmod"):
        got = getattr(strict.xp, name)(put(strict, a), put(strict, b))
        assert got.dtype == a.dtype
        np.testing.assert_array_equal(got.get(), getattr(np, name)(a, b), err_msg=name)
    big = put(strict, np.array([2**53 + 1, -(2**53) - 1]))
    assert strict.xp.fmod(big, 10).tolist() == [3, -3]


def test_the_rest_is_the_library_s_own(strict):
    xp, library = strict.xp, plain(strict)
    assert xp.exp is library.exp and xp.exp is xp.exp
    assert xp.pi == np.pi and dir(xp) == dir(library) and repr(xp) == repr(library)
    with pytest.raises(AttributeError, match=r"CuPy .* has no vecdot"):
        _ = xp.vecdot
    x = put(strict, [1.0, 2.0])
    assert xp.where(x > 1)[0].tolist() == [1] and xp.where(x > 1, x, 0).dtype == np.float64
    out = xp.zeros(2)
    assert xp.clip(x, 0, 1, out=out) is out and out.tolist() == [1, 1]


def test_loops_are_known_for_what_a_plain_function_hides(strict):
    """The recorded loops are of functions that CuPy has, and say what this file rests on."""
    from tapegrad.backends.strict.array import NAMES

    assert set(NAMES["loops"]) <= set(NAMES["namespaces"][""]) | set(NAMES["ndarray"])
    assert [name for name in ("where", "clip", "round", "max", "sum") if "E" in NAMES["loops"][name]] == ["max", "sum"]
