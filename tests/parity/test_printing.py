"""What tensors print as, against PyTorch."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapegrad.autograd.interchange import printing
from tapegrad.autograd.types import dtypes

torch = pytest.importorskip("torch")

INTEGERS = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool")
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")


@contextmanager
def options(**kwargs):
    with torch._tensor_str.printoptions(**kwargs), printing.printoptions(**kwargs):
        yield


def text_of(tensor, **kwargs):
    if tensor.dtype == torch.bfloat16:
        array = tensor.view(torch.int16).numpy().view(dtypes.bfloat16.numpy)
    else:
        array = tensor.detach().resolve_conj().resolve_neg().numpy()
    return printing.tensor_repr(array, **kwargs)


def check(tensor, **kwargs):
    assert text_of(tensor, **kwargs) == repr(tensor)


SPECIAL = [
    *(0.0, -0.0, 1.0, -1.0, 2.5, 1e-4, 9.99e-5, 1e8, 1.01e8, 1000.0, 1001.0, 0.99999, 99999.5, 1e-30, 5e-324, 1e300),
    *(float("inf"), float("-inf"), float("nan")),
]
ranges = st.sampled_from(
    [(-1.0, 1.0), (-10.0, 10.0), (0.0, 500.0), (-1e5, 1e5), (-1e9, 1e9), (1e-6, 1e-3), (-1e300, 1e300)]
)


@st.composite
def numbers(draw, size):
    """Numbers of one scale, of all scales, or special ones: what decides between the forms."""
    how = draw(st.sampled_from(["whole", "scale", "scale and special", "special", "any"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = draw(ranges)
    values = random.uniform(low / 2, high / 2, size) * 2
    if how == "whole":
        values = np.round(values)
    if how == "any":
        values = 10.0 ** random.uniform(-45, 45, size) * random.choice([-1, 1], size)
    if how in ("special", "scale and special") and size:
        chosen = np.array(draw(st.lists(st.sampled_from(SPECIAL), min_size=1, max_size=4)))
        count = size if how == "special" else min(size, len(chosen))
        values[random.permutation(size)[:count]] = np.resize(chosen, count)
    return values


@st.composite
def tensors(draw, dtype=None, max_side=9):
    name = draw(st.sampled_from(INTEGERS + FLOATS * 3 + COMPLEX * 2)) if dtype is None else dtype
    shape = tuple(
        draw(
            st.lists(st.integers(0, max_side) if draw(st.integers(0, 4)) == 0 else st.integers(1, max_side), max_size=4)
        )
    )
    size = int(np.prod(shape))
    if name in INTEGERS:
        random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        low, high = (0, 1) if name == "bool" else (np.iinfo(name).min, np.iinfo(name).max)
        top = draw(st.sampled_from([1, 9, 100, 12345, high]))
        array = random.integers(
            max(low, -top), min(high, top), size, dtype="uint64" if name == "uint64" else "int64", endpoint=True
        ).astype(name)
        return torch.from_numpy(array.reshape(shape))
    values = torch.from_numpy(draw(numbers(size)).reshape(shape))
    if name in COMPLEX:
        values = torch.complex(values, torch.from_numpy(draw(numbers(size)).reshape(shape)))
    return values.to(getattr(torch, name))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(tensors())
def test_any(tensor):
    check(tensor)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    tensors(),
    st.fixed_dictionaries(
        {},
        optional={
            "precision": st.integers(0, 8),
            "threshold": st.integers(0, 60),
            "edgeitems": st.integers(0, 4),
            "linewidth": st.integers(1, 150),
            "profile": st.sampled_from(["default", "short", "full"]),
            "sci_mode": st.sampled_from([True, False, None]),
        },
    ),
)
def test_any_options(tensor, kwargs):
    with options(**kwargs):
        check(tensor)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tensors(max_side=60))
def test_large(tensor):
    if tensor.numel() <= 200_000:
        check(tensor)


@pytest.mark.parametrize("name", INTEGERS + FLOATS + COMPLEX)
def test_every_dtype_summarised(name):
    base = torch.arange(-700, 700).reshape(7, 8, 25).to(getattr(torch, name))
    check(base)
    check(base.reshape(-1))
    check(base.reshape(2, 700).T)
    check(base.reshape(1400, 1))


@pytest.mark.parametrize("default", ["float64", "float16", "bfloat16"])
def test_default_dtype(default):
    torch.set_default_dtype(getattr(torch, default))
    dtypes.set_default_dtype(getattr(dtypes, default))
    try:
        for name in INTEGERS + FLOATS + COMPLEX:
            for shape in ((2,), (0,), (0, 2), ()):
                check(torch.ones(shape, dtype=getattr(torch, name)))
    finally:
        torch.set_default_dtype(torch.float32)
        dtypes.set_default_dtype(dtypes.float32)


def test_suffixes_at_every_width():
    """Where the line breaks before a suffix depends on the length of the last line."""
    for n in range(1, 40):
        leaf = torch.arange(float(n), requires_grad=True)
        check(leaf, requires_grad=True)
        result = leaf * 2
        check(result, requires_grad=True, grad_fn_name="MulBackward0")
        check(result.double(), requires_grad=True, grad_fn_name="ToCopyBackward0")
        check(result.reshape(1, n).double(), requires_grad=True, grad_fn_name="ToCopyBackward0")


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_subclass_and_tangent():
    class Mine(torch.Tensor):
        pass

    check(torch.ones(3, 2).as_subclass(Mine), prefix="Mine(")
    with torch.autograd.forward_ad.dual_level():
        primal, tangent = torch.ones(3), torch.arange(3.0)
        check(torch.autograd.forward_ad.make_dual(primal, tangent), tangent=repr(tangent))


def test_meta_device_suffix_form():
    """The device comes first and is quoted, as PyTorch does it for every device that is not the default."""
    assert repr(torch.empty(2, 0, device="meta")).startswith("tensor(..., device='meta', size=(2, 0)")
    assert (
        printing.tensor_repr(np.zeros((2, 0), "f4"), device_suffix="meta") == "tensor([], device='meta', size=(2, 0))"
    )
