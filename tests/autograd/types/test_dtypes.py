"""The dtype objects, the default dtype, promotion's entry points and Size, against fixed expectations."""

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from repository import ROOT

import tapegrad
from tapegrad.autograd.core.tensor import raw
from tapegrad.autograd.types import dtypes, promotion
from tapegrad.autograd.types.dtypes import numpy_dtype, of
from tapegrad.autograd.types.size import Size, size_of

NAMES = [
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "bool"),
]


@pytest.fixture
def restore_default():
    before = dtypes.get_default_dtype()
    yield
    dtypes.set_default_dtype(before)


@pytest.mark.parametrize("name", NAMES)
def test_identity_and_equality(name):
    d = getattr(dtypes, name)
    assert repr(d) == str(d) == f"{d}" == f"torch.{name}"
    assert d == d.numpy and d.numpy == d and hash(d) == hash(d.numpy)
    assert {d: 1}[d.numpy] == 1 and {d.numpy: 1}[d] == 1
    assert d == d.numpy.type
    assert of(d.numpy) is d
    assert (
        numpy_dtype(d) is d.numpy and numpy_dtype(name) == numpy_dtype(d.numpy) == numpy_dtype(d.numpy.type) == d.numpy
    )
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(d, protocol)) is d
    assert copy.copy(d) is d and copy.deepcopy({"a": [d]})["a"][0] is d
    assert d.itemsize == d.numpy.itemsize
    assert [other for other in NAMES if getattr(dtypes, other) == d] == [name]
    assert [other for other in NAMES if getattr(dtypes, other) == d.numpy] == [name]
    assert all(d != other for other in (name, None, 3, object()))


def test_aliases():
    for alias, name in {
        "half": "float16", "float": "float32", "double": "float64", "cfloat": "complex64", "cdouble": "complex128",
        "short": "int16", "int": "int32", "long": "int64",
    }.items():  # fmt: skip
        assert getattr(dtypes, alias) is getattr(dtypes, name)


def test_attributes():
    floating = [n for n in NAMES if getattr(dtypes, n).is_floating_point]
    assert floating == ["float16", "bfloat16", "float32", "float64"]
    assert [n for n in NAMES if getattr(dtypes, n).is_complex] == ["complex64", "complex128"]
    assert [n for n in NAMES if not getattr(dtypes, n).is_signed] == ["uint8", "uint16", "uint32", "uint64", "bool"]
    assert dtypes.float64.to_complex() is dtypes.complex128 and dtypes.bfloat16.to_complex() is dtypes.complex64
    assert dtypes.complex128.to_real() is dtypes.float64 and dtypes.int8.to_real() is dtypes.int8
    with pytest.raises(RuntimeError, match="Unknown Complex ScalarType for Int"):
        dtypes.int32.to_complex()


def test_immutable_and_not_made():
    with pytest.raises(TypeError, match=r"cannot create 'torch\.dtype' instances"):
        dtypes.dtype()
    with pytest.raises(AttributeError, match="read-only"):
        dtypes.float32.itemsize = 8
    with pytest.raises(AttributeError, match="read-only"):
        del dtypes.float32.itemsize
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = dtypes.float32.nope


def test_categories():
    inexact = {name for name in NAMES if dtypes.is_inexact(getattr(dtypes, name).numpy)}
    assert inexact == {"float16", "bfloat16", "float32", "float64", "complex64", "complex128"}
    assert {getattr(dtypes, name).numpy for name in inexact} == dtypes.INEXACT
    assert not any(
        dtypes.is_inexact(np.dtype(t)) for t in ("bool", "int64", ">f4", "O", "U3", "M8[s]", "V2", [("bfloat16", "f4")])
    )
    assert [dtypes.category(np.dtype(t)) for t in ("bool", "uint8", "float16", "complex64")] == [0, 1, 2, 3]


def test_of_other_spellings_of_a_dtype():
    assert of(np.dtype(np.longlong)) is dtypes.int64 and of(np.dtype("=f4")) is dtypes.float32


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (np.array(["a"]), "numpy.str_"),
        (np.array([object()]), "numpy.object_"),
        (np.zeros(1, "M8[s]"), "numpy.datetime64"),
        (np.zeros(1, [("bfloat16", "f4")]), "numpy.void"),
    ],
)
def test_of_unsupported(array, name):
    with pytest.raises(
        TypeError, match=rf"can't convert np\.ndarray of type {name}\. The only supported types are: float64, float32, "
    ):
        of(array.dtype)
    with pytest.raises(TypeError, match="can't convert"):
        numpy_dtype(array.dtype)
    assert dtypes.bfloat16 != array.dtype and dtypes.float32 != array.dtype


def test_of_byte_swapped():
    with pytest.raises(ValueError, match="given numpy array has byte order different from the native byte order"):
        of(np.dtype("f4").newbyteorder())
    assert dtypes.float32 != np.dtype("f4").newbyteorder()


def test_numpy_dtype_of_python_types():
    assert [numpy_dtype(t) for t in (bool, int, float, complex)] == [np.dtype(t) for t in ("?", "i8", "f8", "c16")]


@pytest.mark.parametrize(
    "wrong", [None, 3, "float", "f4", "", object(), str, list, np.floating, np.number, np.zeros(2), ("float32",)]
)
def test_numpy_dtype_refuses(wrong):
    with pytest.raises(TypeError, match=r"^dtype must be a dtype"):
        numpy_dtype(wrong)


def test_numpy_dtype_of_numpy_types():
    assert numpy_dtype(np.longlong) == "i8" and numpy_dtype(np.intc) == "i4" and numpy_dtype(np.bool_) == "?"
    with pytest.raises(TypeError, match=r"can't convert np\.ndarray of type numpy\.str_"):
        numpy_dtype(np.str_)


def test_default_dtype(restore_default):
    assert dtypes.get_default_dtype() is dtypes.float32 and dtypes.default_complex() == np.complex64
    for d, c in [
        (dtypes.float64, "c16"),
        (dtypes.bfloat16, "c8"),
        (dtypes.float16, "c8"),
        (np.dtype("f4"), "c8"),
        (np.float64, "c16"),
    ]:
        dtypes.set_default_dtype(d)
        assert (
            dtypes.get_default_dtype() == d and dtypes.default_float() == d and dtypes.default_complex() == np.dtype(c)
        )
        assert promotion.number_dtype(2.5) == d and promotion.number_dtype(1j) == np.dtype(c)
        assert promotion.float_dtype(np.dtype("i8")) == d
        assert promotion.float_dtype(np.dtype("f2")) == "f2" and promotion.float_dtype(np.dtype("c8")) == "c8"
    for wrong in (dtypes.int64, dtypes.complex64, dtypes.bool, int):
        with pytest.raises(TypeError, match=r"^only floating-point types are supported as the default type"):
            dtypes.set_default_dtype(wrong)
    for wrong in (None, "double", 3):
        with pytest.raises(
            TypeError, match=r"^invalid dtype object: only floating-point types are supported as the default type"
        ):
            dtypes.set_default_dtype(wrong)


def test_finfo():
    for d in (dtypes.float16, dtypes.float32, dtypes.float64):
        ours, numpys = dtypes.finfo(d), np.finfo(d.numpy)
        assert (ours.eps, ours.max, ours.min, ours.tiny, ours.smallest_normal) == (
            numpys.eps,
            numpys.max,
            numpys.min,
            numpys.tiny,
            numpys.tiny,
        )
        assert ours.bits == numpys.bits and ours.resolution == 10.0**-numpys.precision
    assert dtypes.finfo(dtypes.bfloat16).max == 3.3895313892515355e38
    assert dtypes.finfo() == dtypes.finfo(dtypes.complex64) == dtypes.finfo("float32") != dtypes.finfo(dtypes.float64)
    assert repr(dtypes.finfo()) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.17549e-38, "
        "tiny=1.17549e-38, dtype=float32)"
    )
    with pytest.raises(
        TypeError,
        match=r"torch\.finfo\(\) requires a floating point input type\. Use torch\.iinfo to handle 'torch\.finfo'",
    ):
        dtypes.finfo(dtypes.int8)


def test_iinfo():
    for name in ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]:
        ours, numpys = dtypes.iinfo(getattr(dtypes, name)), np.iinfo(name)
        assert (ours.bits, ours.min, ours.max, ours.dtype) == (numpys.bits, numpys.min, numpys.max, name)
    assert dtypes.iinfo(dtypes.int8) == dtypes.iinfo("int8") != dtypes.iinfo(dtypes.uint8)
    assert repr(dtypes.iinfo(dtypes.int32)) == "iinfo(min=-2.14748e+09, max=2.14748e+09, dtype=int32)"
    with pytest.raises(TypeError, match=r"torch\.bool is not supported by torch\.iinfo"):
        dtypes.iinfo(dtypes.bool)
    with pytest.raises(TypeError, match=r"requires an integer input type\. Use torch\.finfo"):
        dtypes.iinfo(dtypes.float32)


def test_promotion():
    assert promotion.promote_types(dtypes.float16, dtypes.bfloat16) is dtypes.float32
    assert promotion.promote_types("uint8", np.int8) is dtypes.int16
    assert dtypes.can_cast(dtypes.float64, dtypes.float16) and not dtypes.can_cast(dtypes.complex64, dtypes.float64)
    assert dtypes.can_cast(np.dtype("f8"), np.dtype("f4")) and not dtypes.can_cast(np.dtype("i8"), np.dtype("?"))
    message = "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote UInt16 and Int"
    with pytest.raises(RuntimeError, match=message):
        promotion.promote_types(dtypes.uint16, dtypes.int32)
    with pytest.raises(RuntimeError, match="at least one operand"):
        promotion.result_type([])


def test_result_type_of_many_operands():
    f4, f8, f2, i8, c8, b1 = (np.dtype(t) for t in ("f4", "f8", "f2", "i8", "c8", "?"))
    dim, zero, number = promotion.DIMENSIONED, promotion.ZERO_DIM, promotion.NUMBER
    assert promotion.result_type([(f2, dim), (f8, zero), (f4, number)]) == f2
    assert promotion.result_type([(i8, dim), (f8, zero), (f4, number)]) == f8
    assert promotion.result_type([(b1, dim), (i8, zero), (f4, number)]) == f4
    assert promotion.result_type([(f2, dim), (f4, dim), (f8, dim)]) == f8
    assert promotion.result_type([(f8, dim), (b1, zero), (c8, number)]) == np.dtype("c16")
    assert promotion.result_type([(f4, dim)] * 1000 + [(f8, zero)]) == f4


def test_number_dtype():
    for number, expected in [
        (True, "?"), (3, "i8"), (2.5, "f4"), (1j, "c8"),
        (np.True_, "?"), (np.uint8(3), "i8"), (np.float64(2), "f4"), (np.float16(2), "f4"), (np.complex128(1), "c8"),
    ]:  # fmt: skip
        assert promotion.number_dtype(number) == np.dtype(expected)
    assert promotion.number_dtype(dtypes.bfloat16.numpy.type(2)) == "f4"
    for wrong in ("3", None, [1], np.str_("a"), np.zeros(2)):
        with pytest.raises(TypeError):
            promotion.number_dtype(wrong)


def test_bfloat16_is_loaded_at_its_first_use_only():
    code = """
import sys
import numpy as np
from tapegrad.autograd.interchange import printing
from tapegrad.autograd.types import dtypes, promotion, size
assert "ml_dtypes" not in sys.modules
f4, i8 = np.dtype("float32"), np.dtype("int64")
assert dtypes.bfloat16 != f4 and f4 != dtypes.bfloat16 and dtypes.bfloat16 != np.float32
assert promotion.promoted(f4, i8) == f4 and dtypes.of(f4) is dtypes.float32
assert dtypes.finfo(dtypes.bfloat16).eps == 0.0078125 and repr(dtypes.bfloat16) == "torch.bfloat16"
dtypes.set_default_dtype(dtypes.bfloat16)
assert printing.tensor_repr(np.ones(2, "f4")) == "tensor([1., 1.], dtype=torch.float32)"
assert not dtypes.is_inexact(np.dtype("V2"))
assert "ml_dtypes" not in sys.modules and len(dtypes.INEXACT) == 5
import ml_dtypes
outside = np.dtype(ml_dtypes.bfloat16)
assert outside == dtypes.bfloat16 and dtypes.of(outside) is dtypes.bfloat16
assert outside in dtypes.INEXACT
"""
    in_fresh_process(code)


def in_fresh_process(code: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "first_use",
    [
        "grad = tapegrad.func.grad(lambda x: (x * x).sum())(x)",
        "t = from_array(x).requires_grad_(); t.atan().sum().backward(); grad = t.grad",
        "t = tapegrad.nn.Parameter(from_array(x)); (t ** 2).sum().backward(); grad = t.grad",
        "value, grad = tapegrad.func.jvp(tapegrad.atan, (x,), (x,))",
        "grad = tapegrad.vmap(tapegrad.func.grad(lambda x: x * x))(x)",
        "grad = tapegrad.from_numpy(x).exp()",
        "grad = from_array(x).view(tapegrad.int16).view(tapegrad.bfloat16); assert tapegrad.func.grad(lambda x: "
        "x.sum())(grad).dtype is tapegrad.bfloat16",
    ],
)
def test_the_first_bfloat16_array_is_as_good_as_the_second(first_use: str) -> None:
    """Whatever meets the dtype first knows it, though somebody else has imported ml_dtypes."""
    in_fresh_process(f"""
import ml_dtypes
import numpy as np
import tapegrad
from tapegrad.autograd.core.tensor import from_array
x = np.ones(3, ml_dtypes.bfloat16)
{first_use}
assert tapegrad.as_tensor(grad).dtype is tapegrad.bfloat16
""")


def test_only_the_wrappers_of_ops_look_into_the_set() -> None:
    """It fills as dtypes are met: for everybody else there is `is_inexact`."""
    folders = [ROOT / name for name in ("api", "autograd", "backends", "benchmarks", "nn", "optim")]
    users = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in folder.rglob("*.py")
        if re.search(r"\bINEXACT\b", path.read_text(encoding="utf-8"))
    }
    assert users <= {
        "autograd/types/dtypes.py",
        "autograd/dispatch/decorator.py",
        "autograd/dispatch/codegen.py",
        "autograd/ops/tensor/operators.py",
    }


def unpickled(array: np.ndarray) -> np.ndarray:
    """The array with a dtype object that is not NumPy's own."""
    array = pickle.loads(pickle.dumps(array))
    assert array.dtype is not np.dtype(array.dtype.name)
    return array


ENTRANCES = {
    "from_numpy": tapegrad.from_numpy,
    "as_tensor": tapegrad.as_tensor,
    "tensor": tapegrad.tensor,
    "from_dlpack": tapegrad.from_dlpack,
    "unpickled": lambda array: pickle.loads(pickle.dumps(tapegrad.tensor(array))),
    "vmap": tapegrad.vmap(lambda t: t),
    "vjp": lambda array: tapegrad.func.vjp(lambda t: t, array)[0],
    "grad": tapegrad.func.grad(lambda t: t.abs().sum()),
}


@pytest.mark.parametrize("enter", ENTRANCES.values(), ids=ENTRANCES)
@pytest.mark.parametrize(
    "array", [unpickled(np.ones(2, np.float32)), unpickled(np.ones(2, np.complex64))], ids=["float32", "complex64"]
)
def test_arrays_come_in_with_the_dtype_of_numpy(enter: Callable[[Any], Any], array: np.ndarray) -> None:
    """Ops compare dtypes by `is`."""
    result = raw(enter(array))
    assert result.dtype is dtypes.of(result.dtype).numpy and result.tolist() == [1, 1]


def test_long_long_is_int64() -> None:
    array = np.ones(2, np.longlong)
    t = tapegrad.from_numpy(array)
    assert t.array.dtype is dtypes.int64.numpy and t.dtype is dtypes.int64
    t[0] = 5
    assert array[0] == 5


def test_size():
    s = Size([2, 3])
    assert (
        repr(s) == str(s) == "torch.Size([2, 3])"
        and repr(Size()) == "torch.Size([])"
        and repr(Size([True, np.int64(4)])) == "torch.Size([1, 4])"
    )
    assert (
        s == (2, 3)
        and hash(s) == hash((2, 3))
        and s.numel() == 6
        and Size([]).numel() == 1
        and type(Size([np.int64(3)])[0]) is int
    )
    for same in (
        s[:1],
        s + (1,),
        (1,) + s,
        s + s,
        s * 2,
        2 * s,
        size_of((4, 5)),
        copy.copy(s),
        copy.deepcopy(s),
        pickle.loads(pickle.dumps(s)),
    ):
        assert type(same) is Size
    assert (
        (1,) + s == (1, 2, 3) and s + (1,) == (2, 3, 1) and 2 * s == (2, 3, 2, 3) and s[-1] == 3 and s[::-1] == (3, 2)
    )
    with pytest.raises(TypeError, match=r"torch\.Size\(\) takes an iterable of 'int' \(item 1 is 'float'\)"):
        Size([1, 2.5])
    with pytest.raises(TypeError, match=r"\(item 0 is 'numpy\.float32'\)"):
        Size([np.float32(2)])
    with pytest.raises(TypeError, match="'int' object is not iterable"):
        Size(5)
    with pytest.raises(TypeError, match=r"can only concatenate tuple \(not list\) to torch\.Size"):
        s + [1]
    with pytest.raises(TypeError, match="can only concatenate list"):
        [1] + s
    with pytest.raises(TypeError, match="can't multiply sequence by non-int of type 'float'"):
        s * 1.5
