"""`tensor` of nested lists: which dtype and shape what stands in them gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from same_program import attempt, check

import tapegrad

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.tensor([lib.tensor(1.0, dtype=lib.float64), 2.0]),
        lambda lib: lib.tensor([2.0, lib.tensor(1.0, dtype=lib.float64)]),
        lambda lib: lib.tensor([lib.tensor(1, dtype=lib.int8), lib.tensor(2, dtype=lib.int32)]),
        lambda lib: lib.tensor([lib.tensor(1, dtype=lib.int8), 2.0]),
        lambda lib: lib.tensor([lib.tensor(1, dtype=lib.int8), 1]),
        lambda lib: lib.tensor([lib.tensor(1.0).half(), lib.tensor(1.0).bfloat16()]),
        lambda lib: lib.tensor([lib.tensor(1.0).bfloat16()]),
        lambda lib: lib.tensor([[lib.tensor(1.0, dtype=lib.float64)], [3]]),
        lambda lib: lib.tensor((lib.tensor(1j, dtype=lib.complex128), 1.0)),
        lambda lib: lib.tensor([lib.tensor(True), lib.tensor(False)]),
        lambda lib: lib.tensor([lib.tensor(1.0, dtype=lib.float64)], dtype=lib.float32),
        lambda lib: lib.as_tensor([lib.tensor(1.0, dtype=lib.float64)]),
        lambda lib: lib.tensor([[lib.ones(1), lib.ones(1, 1)]]),
        lambda lib: lib.tensor([lib.ones(2), lib.ones(2)]),
        lambda lib: lib.tensor([lib.ones(0)]),
        lambda lib: lib.tensor([1.5, np.float64(2)]),
        lambda lib: lib.tensor([np.int64(1), 1.5]),
        lambda lib: lib.tensor([[1, 2], [np.float16(3), np.int8(4)]]),
        lambda lib: lib.tensor([[], []]),
    ],
)
def test_dtype_and_shape(make: Any) -> None:
    check(make)


@pytest.mark.parametrize("convert", [float, int, complex])
@pytest.mark.parametrize("shape", [(2,), (0,)])
def test_what_is_no_single_number(convert: Any, shape: tuple[int, ...]) -> None:
    check(lambda lib: convert(lib.ones(shape)))
    assert attempt(lambda: convert(tapegrad.ones(shape)))[0] == "ValueError"


# ---- PyTorch's own tensors among tapegrad's


@pytest.mark.parametrize(
    "call",
    [
        lambda x, other: tapegrad.add(x, other),
        lambda x, other: tapegrad.exp(other),
        lambda x, other: x.clone().copy_(other),
        lambda x, other: tapegrad.nn.functional.linear(other, x),
    ],
)
def test_the_tensor_of_another_library_is_named_in_full(call: Any) -> None:
    with pytest.raises(TypeError, match=r"must be Tensor, not torch\.Tensor$"):
        call(tapegrad.ones(2, 2), torch.ones(2, 2))


@pytest.mark.parametrize("join", ["cat", "stack"])
@pytest.mark.parametrize(
    ("item", "name"), [("a", "str"), ([1.0], "list"), (None, "NoneType"), (3, "int"), (torch.ones(2), "torch.Tensor")]
)
def test_what_is_no_tensor_among_those_to_join(join: str, item: Any, name: str) -> None:
    with pytest.raises(TypeError, match=rf"^expected Tensor as element 1 in argument 0, but got {name}$"):
        getattr(tapegrad, join)([tapegrad.ones(2), item])
