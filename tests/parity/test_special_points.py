"""Values and gradients at zeros, infinities, NaN, ties and kinks are PyTorch's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")

inf, nan = math.inf, math.nan
POINTS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -3.0,
    0.5,
    inf,
    -inf,
    nan,
    1e30,
    -1e30,
    1e-30,
    3.0,
    6.0,
    -0.5,
    20.0,
    100.0,
    -100.0,
    0.25,
]
PAIRS = [[a for a in POINTS[:12] for _ in POINTS[:12]], [b for _ in POINTS[:12] for b in POINTS[:12]]]
SLICES = [
    [1.0, 2.0, 2.0, nan],
    [3.0, 3.0, 3.0, 3.0],
    [0.0, -0.0, 0.0, 1.0],
    [inf, -inf, inf, 1.0],
    [-inf, -inf, -inf, -inf],
    [0.0, 0.0, 0.0, 0.0],
    [nan, 1.0, nan, 2.0],
]

FUNCTIONS = """
    abs sign neg exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh tanh asinh atanh sinc erf erfc erfinv
    lgamma digamma sigmoid logit floor ceil round trunc frac relu nan_to_num isnan isinf isfinite isposinf isneginf signbit positive angle deg2rad
    """.split()  # noqa: SIM905
ACTIVATIONS = [
    "relu",
    "relu6",
    "gelu",
    "silu",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "softplus",
    "hardtanh",
    "hardswish",
    "mish",
    "logsigmoid",
    "softshrink",
    "hardshrink",
]
BINARY = """
    add sub mul div pow maximum minimum fmax fmin atan2 hypot xlogy logaddexp remainder fmod floor_divide eq lt ge nextafter heaviside ldexp float_power
    """.split()  # noqa: SIM905
POWERS = [f"x ** {e}" for e in (0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.5, 0.0)] + [
    f"{e} ** x" for e in (0, 1, 2, 3, -1, -2, 0.5, 2.5)
]
CLAMPS = ["x.clamp(-1, 1)", "x.clamp(0)", "x.clamp(max=0.5)", "x.clamp(1, -1)"]
ALONG = """
    x.max() x.min() x.max(0) x.min(0) x.median() x.median(0) x.nanmedian() x.nanmedian(0) x.sum() x.mean() x.cumsum(0) x.std() x.var() x.norm() x.norm(1)
    x.norm(3) x.norm(inf) x.norm(0.5) x.norm(1.5) x.softmax(0) x.log_softmax(0) x.cummax(0) x.cummin(0) x.sort() x.sort(descending=True) x.nansum() x.nanmean()
    x.quantile(0.4) x.nanquantile(0.4) x.argmax() x.argmin() x.diff() x.any() x.all() x.max(0,True) x.std(0,keepdim=True)
    """.split()  # noqa: SIM905


def outcome(lib: Any, call: Callable[..., Any], operands: list[list[float]]) -> tuple[list[Any], list[Any]]:
    """Results, and gradients of the first one."""
    leaves = [lib.tensor(values, dtype=lib.float64, requires_grad=True) for values in operands]
    result = call(lib, *leaves)
    results = list(result) if isinstance(result, tuple) else [result]
    grads: list[Any] = [None] * len(leaves)
    if results[0].requires_grad:
        try:
            results[0].backward(lib.ones_like(results[0]))
            grads = [None if leaf.grad is None else leaf.grad.tolist() for leaf in leaves]
        except RuntimeError as error:
            assert "derivative" in str(error), error
    return [r.detach().tolist() for r in results], grads


def differences(call: Callable[..., Any], operands: list[list[float]]) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, right = outcome(tapegrad, call, operands), outcome(torch, call, operands)
    found = []
    for what, ours, theirs in zip(("value", "gradient"), mine, right):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if a is None or b is None:
                if a is not b:
                    found.append(f"{what} {i}: {a}, torch: {b}")
                continue
            x, y = np.array(a, float), np.array(b, float)
            same = np.isclose(x, y, rtol=1e-9, atol=1e-30, equal_nan=True)
            if not same.all():
                places = [tuple(p) for p in np.argwhere(~same)[:5]]
                found += [
                    f"{what} {i} at {[o[p[0]] if p else o for o in operands]}: {x[p]}, torch: {y[p]}" for p in places
                ]
    return found


def by_name(name: str) -> Callable[..., Any]:
    def call(lib: Any, *operands: Any) -> Any:
        functional = tapegrad.nn.functional if lib is tapegrad else torch.nn.functional
        return getattr(lib, name)(*operands) if hasattr(torch, name) else getattr(functional, name)(*operands)

    return call


def by_text(text: str) -> Callable[..., Any]:
    return lambda lib, x: eval(text, {"x": x, "inf": inf})


@pytest.mark.parametrize("name", dict.fromkeys([*FUNCTIONS, *ACTIVATIONS]))
def test_one_operand(name: str) -> None:
    assert not differences(by_name(name), [POINTS])


@pytest.mark.parametrize("name", BINARY)
def test_two_operands(name: str) -> None:
    assert not differences(by_name(name), PAIRS)


@pytest.mark.parametrize("text", [*POWERS, *CLAMPS])
def test_with_numbers(text: str) -> None:
    assert not differences(by_text(text), [POINTS])


@pytest.mark.parametrize("text", ALONG)
def test_along_a_dimension(text: str) -> None:
    wrong = {f"{text} of {values}": found for values in SLICES if (found := differences(by_text(text), [values]))}
    assert not wrong


def test_differences_are_found() -> None:
    assert differences(lambda lib, x: x.clamp(0) if lib is torch else x.relu(), [[0.0, 1.0]]) == [
        "gradient 0 at [0.0]: 0.0, torch: 1.0"
    ]
