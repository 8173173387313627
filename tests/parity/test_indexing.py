"""Reading and writing by index as PyTorch does it: values, gradients, shapes and types of errors, for indices of all
kinds.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tapegrad

torch = pytest.importorskip("torch")

SHAPES = [(3, 4, 2), (4, 3), (5,), (), (2, 0, 3), (1, 3)]


class Indices:
    """An index as text that both libraries evaluate, with `L` for their `tensor`."""

    def __init__(self, data: st.DataObject, shape: tuple[int, ...]) -> None:
        self.data = data
        self.shape = shape

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def item(self, n: int, kind: str) -> str:
        near = st.integers(-n - 1, n)
        inside = st.integers(-n, n - 1) if n else near
        if kind == "int":
            return str(self.draw(near))
        if kind == "slice":
            start, stop = (self.draw(st.one_of(st.none(), near)) for _ in range(2))
            step = self.draw(st.sampled_from([None, 1, 2, 3]))
            return ":".join("" if part is None else str(part) for part in (start, stop, step))
        if kind == "mask":
            return f"L({self.draw(st.lists(st.booleans(), min_size=n, max_size=n))}, dtype=torch.bool)"
        values = self.draw(st.lists(inside, min_size=1, max_size=3))
        if kind == "list":
            return str(values)
        if kind == "array":
            return f"np.array({values})"
        if kind == "square":
            return f"L([{values}])"
        return {"tensor": f"L({values})", "int32": f"L({values}, dtype=torch.int32)", "scalar": f"L({values[0]})"}[kind]

    def text(self) -> str:
        kinds = ["int", "slice", "slice", "list", "tensor", "array", "mask", "square", "scalar", "int32"]
        count = self.draw(st.integers(0, len(self.shape)))
        parts = [self.item(n, self.draw(st.sampled_from(kinds))) for n in self.shape[:count]]
        for extra in self.draw(st.lists(st.sampled_from(["None", "...", "True"]), max_size=2, unique=True)):
            parts.insert(self.draw(st.integers(0, len(parts))), extra)
        return ", ".join(parts) or "..."


def both(program: Any) -> tuple[Any, Any]:
    """What a program gives in both libraries: results, or the type of the error."""
    found = []
    for library in (torch, tapegrad):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.append(program(library))
        except (IndexError, RuntimeError, ValueError, TypeError) as error:
            found.append(error)
    return found[0], found[1]


def host(t: Any) -> np.ndarray:
    return np.asarray(t.detach().numpy())


def agree(right: Any, mine: Any) -> None:
    if isinstance(right, Exception):
        assert isinstance(mine, type(right)) or isinstance(right, type(mine)), (
            f"{type(mine).__name__}: {mine}\ntorch: {type(right).__name__}: {right}"
        )
        return
    if isinstance(mine, Exception):
        # Where the result is empty, torch looks at no index.
        assert (
            isinstance(mine, IndexError)
            and "out of bounds" in str(mine)
            and any(a is not None and not a.numel() for a in right)
        ), mine
        return
    for a, b in zip(mine, right, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(host(a), host(b))


def leaf(library: Any, shape: tuple[int, ...], seed: int = 0) -> Any:
    return library.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


def index_of(text: str, library: Any) -> Any:
    return eval(f"_[{text}]", {"torch": library, "L": library.tensor, "np": np, "_": _Same()})


class _Same:
    def __getitem__(self, index: Any) -> Any:
        return index


@settings(max_examples=300)
@given(st.data(), st.sampled_from(SHAPES))
def test_read(data: st.DataObject, shape: tuple[int, ...]) -> None:
    text = Indices(data, shape).text()

    def program(library: Any) -> list[Any]:
        x = leaf(library, shape)
        y = x[index_of(text, library)]
        weights = library.tensor(np.arange(1.0, y.numel() + 1).reshape(tuple(y.shape)))
        (y * weights).sum().backward()
        return [y, x.grad]

    agree(*both(program))


@settings(max_examples=300)
@given(st.data(), st.sampled_from(SHAPES), st.sampled_from(["number", "same", "row", "one", "spare"]), st.booleans())
def test_write(data: st.DataObject, shape: tuple[int, ...], kind: str, on_a_view: bool) -> None:
    text = Indices(data, shape).text()

    def program(library: Any) -> list[Any]:
        x = leaf(library, shape)
        y = x * 2
        target = y.view(1, *shape)[0] if on_a_view else y
        index = index_of(text, library)
        part = tuple(target[index].shape)
        value = (
            3.5
            if kind == "number"
            else leaf(library, {"same": part, "row": part[-1:], "one": (1,) * len(part), "spare": (1, *part)}[kind], 1)
        )
        target[index] = value
        weights = library.tensor(np.arange(1.0, y.numel() + 1).reshape(shape))
        (y * weights).sum().backward()
        return [y, x.grad, None if kind == "number" else value.grad]

    right, mine = both(program)
    if not isinstance(right, Exception) and kind != "number" and _repeats(text, shape):
        return  # which of several values stays is not told
    agree(right, mine)


def _repeats(text: str, shape: tuple[int, ...]) -> bool:
    places = torch.arange(int(np.prod(shape))).reshape(shape)[index_of(text, torch)]
    return len(set(places.reshape(-1).tolist())) < places.numel()


@settings(max_examples=100)
@given(st.data(), st.sampled_from(SHAPES[:3]))
def test_second_order(data: st.DataObject, shape: tuple[int, ...]) -> None:
    text = Indices(data, shape).text()

    def program(library: Any) -> list[Any]:
        x = leaf(library, shape)
        y = (x**3)[index_of(text, library)]
        (first,) = library.autograd.grad((y * y).sum(), x, create_graph=True)
        (first * first).sum().backward()
        return [first, x.grad, y]

    right, mine = both(program)
    if isinstance(right, Exception) or isinstance(mine, Exception):
        agree(right, mine)
    else:
        for a, b in zip(mine, right):
            np.testing.assert_allclose(host(a), host(b), rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "x[5]",
        "x[-4]",
        "x[0, 9]",
        "x[0, 0, 0, 0]",
        "s[0]",
        "x[::-1]",
        "x[::0]",
        "x[1.0]",
        "x[{}]",
        "x[L(1.0)]",
        "x[L([5])]",
        "x[L([True, False])]",
        "x[:, L([True] * 3)]",
        "x[L([0, 1]), L([0, 1, 2])]",
        "x[L([0, 1], dtype=torch.int8)]",
        "x[object()]",
    ],
)
def test_error_texts(text: str) -> None:
    def program(library: Any) -> Any:
        return eval(
            text, {"torch": library, "L": library.tensor, "x": library.zeros(3, 4, 2), "s": library.tensor(1.0)}
        )

    right, mine = both(program)
    assert isinstance(right, Exception) and type(mine) is type(right)
    assert str(mine) == str(right).partition("\nException raised from")[0]
