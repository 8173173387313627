"""Promotion, dtype facts and Size, against PyTorch."""

import itertools
from contextlib import contextmanager

import numpy as np
import pytest

import tapegrad
from tapegrad.autograd.types import dtypes, promotion
from tapegrad.autograd.types.promotion import DIMENSIONED, NUMBER, ZERO_DIM
from tapegrad.autograd.types.size import Size

torch = pytest.importorskip("torch")

NAMES = [
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
]


def ours(name):
    return getattr(dtypes, name).numpy


def outcome(function, *args):
    """The result's name, or the error; complex32, which does not exist here, is complex64."""
    try:
        result = function(*args)
    except (TypeError, RuntimeError) as error:
        return type(error), str(error)
    name = str(dtypes.of(result) if isinstance(result, np.dtype) else result)
    return name.replace("torch.complex32", "torch.complex64")


@contextmanager
def default_dtype(name):
    dtypes.set_default_dtype(getattr(dtypes, name))
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        dtypes.set_default_dtype(dtypes.float32)
        torch.set_default_dtype(torch.float32)


def test_promote_types():
    for a, b in itertools.product(NAMES, NAMES):
        expected = outcome(torch.promote_types, getattr(torch, a), getattr(torch, b))
        assert outcome(promotion.promoted, ours(a), ours(b)) == expected, (a, b)
        assert outcome(tapegrad.promote_types, getattr(dtypes, a), getattr(dtypes, b)) == expected, (a, b)


def test_can_cast():
    for a, b in itertools.product(NAMES, NAMES):
        assert dtypes.can_cast(getattr(dtypes, a), getattr(dtypes, b)) == torch.can_cast(
            getattr(torch, a), getattr(torch, b)
        ), (a, b)


@pytest.mark.parametrize("default", ["float32", "float64", "float16", "bfloat16"])
def test_result_type(default):
    with default_dtype(default):
        operands = [(number, (promotion.number_dtype(number), NUMBER)) for number in (True, 3, 2.5, 1j)]
        for name in NAMES:
            operands.append((torch.zeros((), dtype=getattr(torch, name)), (ours(name), ZERO_DIM)))
            operands.append((torch.zeros(2, dtype=getattr(torch, name)), (ours(name), DIMENSIONED)))
        for (theirs_a, ours_a), (theirs_b, ours_b) in itertools.product(operands, operands):
            expected = outcome(torch.result_type, theirs_a, theirs_b)
            assert outcome(promotion.result_type, [ours_a, ours_b]) == expected, (ours_a, ours_b)


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_result_type_of_three():
    """addcmul promotes over its three tensors."""
    names = ["uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
    shapes = [((), ZERO_DIM), ((2,), DIMENSIONED)]
    operands = [(torch.ones(shape, dtype=getattr(torch, n)), (ours(n), kind)) for n in names for shape, kind in shapes]
    random = np.random.default_rng(0)
    for _ in range(400):
        picked = [operands[i] for i in random.integers(len(operands), size=3)]
        expected = outcome(lambda *tensors: torch.addcmul(*tensors).dtype, *(theirs for theirs, _ in picked))
        assert outcome(promotion.result_type, [mine for _, mine in picked]) == expected, picked


def test_float_dtype():
    for default in ("float32", "float64", "bfloat16"):
        with default_dtype(default):
            for name in NAMES:
                expected = torch.exp(torch.zeros(2, dtype=getattr(torch, name))).dtype
                assert str(dtypes.of(promotion.float_dtype(ours(name)))) == str(expected)


def test_attributes():
    for name in NAMES:
        mine, theirs = getattr(dtypes, name), getattr(torch, name)
        assert repr(mine) == repr(theirs)
        for attribute in ("is_floating_point", "is_complex", "is_signed", "itemsize"):
            assert getattr(mine, attribute) == getattr(theirs, attribute), (name, attribute)
        assert outcome(mine.to_complex) == outcome(theirs.to_complex) and outcome(mine.to_real) == outcome(
            theirs.to_real
        )
    for alias in ("half", "float", "double", "cfloat", "cdouble", "short", "int", "long", "bool"):
        assert repr(getattr(dtypes, alias)) == repr(getattr(torch, alias))


def info(make, d):
    try:
        made = make(d)
    except TypeError as error:
        return str(error)
    fields = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")
    return repr(made), [(field, getattr(made, field)) for field in fields if hasattr(made, field)]


def test_finfo_iinfo():
    for name in NAMES:
        for which in ("finfo", "iinfo"):
            assert info(getattr(dtypes, which), getattr(dtypes, name)) == info(
                getattr(torch, which), getattr(torch, name)
            ), (which, name)


def test_unsupported_array_error():
    for array in (
        np.array(["a"]),
        np.array([object()]),
        np.zeros(2, "M8[s]"),
        np.zeros(2, "f4").view(np.dtype("f4").newbyteorder()),
    ):
        with pytest.raises((TypeError, ValueError)) as theirs:
            torch.from_numpy(array)
        with pytest.raises(theirs.type) as mine:
            dtypes.of(array.dtype)
        assert str(mine.value) == str(theirs.value)


@pytest.mark.parametrize(
    "expression",
    [
        "S([2, 3])", "S()", "S([])", "S([2, 3])[:1]", "S([2, 3])[0]", "S([2, 3]) + (1,)", "(1,) + S([2, 3])", "S([2]) + S([1])", "S([2, 3]) * 2",
        "2 * S([2, 3])", "S([2, 3]).numel()", "S([]).numel()", "S([2]) * 1.5", "S([2]) + [1]", "S([2]) + 1", "S([2.5])", "S(['a'])", "S(5)", "S([True])",
        "S([-1])", "S(x for x in (1, 2))", "S([1, 2.0])", "S([2, 3]) == (2, 3)", "hash(S([2, 3])) == hash((2, 3))", "S([2]) < S([3])", "S([2, 3])[5]",
    ],
)  # fmt: skip
def test_size(expression):
    results = []
    for kind in (torch.Size, Size):
        try:
            value = eval(expression, {"S": kind})
            results.append((repr(value), type(value).__name__))
        except (TypeError, IndexError) as error:
            results.append((type(error), str(error)))
    assert results[0] == results[1]
