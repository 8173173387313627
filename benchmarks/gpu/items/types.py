"""Facts about dtypes, ufuncs, reductions and indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapegrad.backends import Device, backend_for
from tapegrad.benchmarks.gpu.items.fact import BFLOAT16, DTYPES, HALVES, Facts, raised
from tapegrad.benchmarks.gpu.report.finding import Finding, noted
from tapegrad.benchmarks.gpu.report.machine import Machine

FACTS = Facts()
items = FACTS.as_items


@FACTS("A bfloat16 array times a Python float has the dtype", "bfloat16")
def bfloat16_times_a_number(m: Machine) -> str:
    return (m.cupy.ones(2, BFLOAT16) * 2.5).dtype.name


@FACTS("bfloat16 plus float32 has the dtype", "float32")
def bfloat16_plus_float32(m: Machine) -> str:
    return (m.put([1, 2], BFLOAT16) + m.put([1, 2], np.float32)).dtype.name


@FACTS("A float32 array plus numpy.float64(3) has the dtype", "float64")
def float32_plus_numpy_float64(m: Machine) -> str:
    return (m.put([1, 2], np.float32) + np.float64(3)).dtype.name


@FACTS(
    "The sums of 8192 ones in float16 and bfloat16, which stop at 2048 and 256 where 16 bits add up", [8192.0, 8192.0]
)
def sums_of_halves(m: Machine) -> list[float]:
    return [float(m.get(m.cupy.ones(8192, dtype).sum())) for dtype in HALVES]


@FACTS("The means of 70000 ones in float16 and bfloat16, whose sum float16 cannot hold", [1.0, 1.0])
def means_of_halves(m: Machine) -> list[float]:
    return [float(m.get(m.cupy.ones(70_000, dtype).mean())) for dtype in HALVES]


UFUNCS = (
    "add",
    "multiply",
    "true_divide",
    "power",
    "maximum",
    "minimum",
    "exp",
    "log",
    "sqrt",
    "tanh",
    "sin",
    "abs",
    "negative",
    "sign",
    "floor",
    "less",
    "equal",
)


@FACTS("These ufuncs have no loop for bfloat16", [])
def ufuncs_without_bfloat16(m: Machine) -> list[str]:
    x = m.put([0.5, 1.0], BFLOAT16)
    missing = []
    for name in UFUNCS:
        ufunc = getattr(m.xp, name)
        try:
            ufunc(*[x] * ufunc.nin)
        except TypeError:
            missing.append(name)
    return missing


@FACTS(
    "`add.at` raises TypeError for", ["bool", "int8", "uint8", "int16", "uint16", "bfloat16", "complex64", "complex128"]
)
def add_at_refuses(m: Machine) -> list[str]:
    refused = []
    for dtype in DTYPES:
        target, index, values = m.put(np.zeros(3), dtype), m.put([0, 0]), m.put(np.ones(2), dtype)
        try:
            m.xp.add.at(target, index, values)
        except TypeError:
            refused.append(dtype.name)
    return refused


@FACTS("`add.at` of 4096 ones to one float16 gives, for it rounds every time", 2048.0)
def add_at_rounds_float16(m: Machine) -> float:
    target = m.cupy.zeros(1, np.float16)
    m.cupy.add.at(target, m.put(np.zeros(4096, np.int64)), m.cupy.ones(4096, np.float16))
    return float(m.get(target)[0])


@FACTS("Indices 13 and -6 of an array of 7 read the elements", [6, 1])
def indices_wrap(m: Machine) -> list[int]:
    return [int(i) for i in m.get(m.cupy.arange(7)[m.put([13, -6])])]


@FACTS("A Python integer out of range raises, as its value is known", "IndexError")
def single_indices_are_checked(m: Machine) -> str:
    return raised(lambda: m.xp.arange(7)[13])


@FACTS("The sum of all is a", "0-d array")
def sums_stay_on_the_device(m: Machine) -> str:
    total: Any = m.put([1.0, 2.0]).sum()
    return f"{total.ndim}-d array" if m.backend.array_type in type(total).__mro__ else type(total).__name__


@FACTS("A NumPy operand, and numpy.asarray of a device array, raise", ["TypeError", "TypeError"])
def no_mixing_with_the_host(m: Machine) -> list[str]:
    x = m.put([1.0, 2.0])
    return [raised(lambda: m.xp.add(x, np.ones(2))), raised(lambda: np.asarray(x))]


@FACTS("7 // 0 and 7 % 0 in int64 are", [0, 0])
def integers_by_zero(m: Machine) -> list[int]:
    x, zero = m.cupy.array([7]), m.cupy.array([0])
    return [int(m.get(x // zero)[0]), int(m.get(x % zero)[0])]


@FACTS("`max` and `maximum` of NaN and a number are NaN", [True, True])
def nan_wins(m: Machine) -> list[bool]:
    x = m.put([1.0, np.nan, 2.0])
    return [bool(np.isnan(m.get(x.max()))), bool(np.isnan(m.get(m.xp.maximum(x, 0.0))[1]))]


@FACTS(
    "argmax of (-inf, inf) and (1, NaN), argmin of (-inf, inf) and argmax of (-inf, -inf) are (cupy#7424)", [1, 1, 0, 0]
)
def arg_extremes_of_infinities(m: Machine) -> list[int]:
    inf = np.inf
    return [int(m.get(m.put(pair).argmax())) for pair in ([-inf, inf], [1.0, np.nan])] + [
        int(m.get(m.put([-inf, inf]).argmin())),
        int(m.get(m.put([-inf, -inf]).argmax())),
    ]


@FACTS("-0.0 keeps its sign through `+ -0.0`, `sqrt` and `round`", [True, True, True])
def minus_zero(m: Machine) -> list[bool]:
    x = m.put([-0.0])
    return [bool(np.signbit(m.get(y)[0])) for y in (x + -0.0, m.xp.sqrt(x), m.xp.round(x))]


@FACTS("-1.5 as uint8, uint32 and uint64")
def negative_floats_as_unsigned(m: Machine) -> Finding:
    found = [int(m.get(m.put([-1.5]).astype(dtype))[0]) for dtype in (np.uint8, np.uint32, np.uint64)]
    return noted(", ".join(map(str, found)), found=found)


@FACTS("A Fortran-ordered operand gives a result in the order (sum with itself, exp)", ["C", "C"])
def layout_of_results(m: Machine) -> list[str]:
    x = m.xp.asfortranarray(m.put(np.ones((3, 4))))
    return ["C" if y.flags.c_contiguous else "F" for y in (x + x, m.xp.exp(x))]


@FACTS("The inverse of a singular matrix raises", "nothing")
def singular_matrices_pass(m: Machine) -> str:
    return raised(lambda: m.cupy.linalg.inv(m.cupy.zeros((2, 2))))


@FACTS('Under cupyx.errstate(linalg="raise") it raises', "LinAlgError")
def singular_matrices_on_request(m: Machine) -> str:
    zeros = m.cupy.zeros((2, 2))
    import cupyx

    with cupyx.errstate(linalg="raise"):
        return raised(lambda: m.cupy.linalg.inv(zeros))


@FACTS("Errors of the special functions against the CPU backend's, in units in the last place (float64, float32)")
def special_functions(m: Machine) -> Finding:
    cpu: Any = backend_for(Device("cpu"))
    found: dict[str, list[float]] = {}
    for name, low, high in (
        ("erf", -4, 4),
        ("erfc", -4, 8),
        ("erfinv", -0.999, 0.999),
        ("lgamma", 0.1, 30),
        ("digamma", 0.1, 30),
    ):
        found[name] = []
        for dtype in (np.float64, np.float32):
            x = np.linspace(low, high, 20_001).astype(dtype)
            want = np.asarray(getattr(cpu, name)(x.astype(np.float64)))
            got = m.get(getattr(m.backend, name)(m.put(x))).astype(np.float64)
            found[name].append(
                float(np.max(np.abs(got - want) / np.spacing(np.maximum(np.abs(want), 1e-3).astype(dtype))))
            )
    return noted("; ".join(f"{name} {worst[0]:.1f}, {worst[1]:.1f}" for name, worst in found.items()), **found)
