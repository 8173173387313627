"""Every kernel of `tapegrad.backends.kernels` on the device against NumPy: all types, awkward sizes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tapegrad.backends.kernels import index_assert, launch, scatter
from tapegrad.backends.numerics import philox
from tapegrad.benchmarks.gpu.items.fact import DTYPES
from tapegrad.benchmarks.gpu.report.finding import Finding, Skip, failed, ok
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.section import Items

#: what was computed, what it should be, which case it is
Case = tuple[np.ndarray, np.ndarray, str]
CHECKS: dict[str, Callable[[Machine], Iterator[Case]]] = {}
Check = Callable[[Machine], Iterator[Case]]


def checks(kernel: str) -> Callable[[Check], Check]:
    """The decorated function checks a kernel, ``"file.kernel"``: it yields cases, whose numbers must agree exactly."""

    def add(check: Check) -> Check:
        CHECKS[kernel] = check
        return check

    return add


def declared() -> list[str]:
    """The names of all kernels there are."""
    return [
        f"{path.stem}.{name}" for path in sorted(launch.FOLDER.glob("*.cu")) for name in launch._declarations(path.stem)
    ]


def items() -> Items:
    """One for each kernel; one that has no check fails."""
    return {name: functools.partial(run, name) for name in declared()}


def run(kernel: str, m: Machine) -> Finding:
    """Run a kernel's cases."""
    if kernel not in CHECKS:
        return failed("nothing here checks this kernel")
    count, wrong = 0, []
    try:
        for got, want, case in CHECKS[kernel](m):
            count += 1
            if got.dtype != want.dtype or got.shape != want.shape or not same(got, want):
                wrong.append(f"{case}: {difference(got, want)}")
    except launch.Unavailable as why:
        raise Skip(str(why)) from None
    if wrong:
        return failed(f"{len(wrong)} of {count} cases are wrong, the first: {wrong[0]}", cases=count, wrong=wrong[:20])
    return ok(f"{count} cases agree with NumPy bit by bit", cases=count)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are equal, NaN to NaN."""
    return bool(((a == b) | ((a != a) & (b != b))).all())


def difference(got: np.ndarray, want: np.ndarray) -> str:
    """Where two arrays differ first."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return f"{got.dtype} {got.shape} instead of {want.dtype} {want.shape}"
    where = np.flatnonzero(~((got == want) | ((got != got) & (want != want))).reshape(-1))
    first = int(where[0])
    return (
        f"{len(where)} of {got.size} differ; at {first} {got.reshape(-1)[first]!s} instead of "
        f"{want.reshape(-1)[first]!s}"
    )


@checks("philox.words")
def philox_words(m: Machine) -> Iterator[Case]:
    """NumPy's stream, from anywhere in it."""
    for counter, n in [
        (0, 0),
        (0, 1),
        (3, 1),
        (1, 7),
        (0, 1024),
        (2, 1023),
        (5, 1025),
        (2**40 + 1, 5003),
        (2**64 - 9, 9),
        (7, 1_000_003),
    ]:
        for seed in (11,) if m.few else (0, 11, 2**63):
            key = philox.key_of(seed)
            yield (
                m.get(launch.philox_words(key, counter, n, m.xp)),
                np.asarray(philox.words(key, counter, n)),
                f"counter {counter}, {n} words, seed {seed}",
            )


# rows, items, width
SIZES = [(1, 0, 3), (1, 1, 1), (7, 3, 0), (3, 255, 1), (5, 257, 3), (1, 40, 1), (1000, 600, 1), (513, 4099, 7)]


@checks("scatter.add")
def scatter_add(m: Machine) -> Iterator[Case]:
    """By atomics."""
    return _scattered(m, None)


@checks("scatter.add_sorted")
def scatter_add_sorted(m: Machine) -> Iterator[Case]:
    """In order."""
    return _scattered(m, scatter.in_order(m.xp))


def _scattered(m: Machine, way: Callable[[scatter.Addition], None] | None) -> Iterator[Case]:
    if not m.on_cuda:
        launch.cpu_compiler()
        launch.compile_for_cpu(scatter.kernels())  # all at once, which takes less time
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        name = dtype.name
        index: Any
        for n, k, width in SIZES[3:5] if m.few or not m.on_cuda else SIZES:
            for row in (np.int32, np.int64):
                index = rng.integers(-n, n, k).astype(row)
                target, values = _whole(rng, dtype, (n, width)), _whole(rng, dtype, (k, width))
                yield (
                    _added(m, target, index, values, way),
                    _expected(target, index, values),
                    f"{name}, {k} items of {width} into {n} rows, {np.dtype(row)}",
                )
        for index, shape in (
            ((slice(None), rng.integers(-5, 5, 9)), (6, 5)),
            ((rng.integers(-6, 6, 9), rng.integers(-5, 5, 9)), (6, 5, 4)),
        ):
            target = _whole(rng, dtype, shape)
            values = _whole(rng, dtype, target[index].shape)
            yield (
                _added(m, target, index, values, way),
                _expected(target, index, values),
                f"{name}, an index of {len(index)} axes into {shape}",
            )


def _whole(rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Small whole numbers: their sums are exact in every dtype, in whatever order."""
    values = rng.integers(-1, 2, shape)
    return np.asarray(
        (values + 1j * rng.integers(-1, 2, shape)).astype(dtype) if dtype.kind == "c" else values.astype(dtype)
    )


def _added(
    m: Machine, target: np.ndarray, index: Any, values: np.ndarray, way: Callable[[scatter.Addition], None] | None
) -> np.ndarray:
    array = m.put(target)
    there = (
        tuple(m.put(part) if isinstance(part, np.ndarray) else part for part in index)
        if isinstance(index, tuple)
        else m.put(index)
    )
    scatter.add(m.xp, array, there, m.put(values), way)
    return m.get(array)


def _expected(target: np.ndarray, index: Any, values: np.ndarray) -> np.ndarray:
    result = target.copy()
    np.add.at(result, index, values)
    return result


@checks("index_assert.check")
def index_assert_check(m: Machine) -> Iterator[Case]:
    """The note says the first thing that is wrong, and nothing where nothing is."""
    for dtype in (np.int32, np.int64, np.int16):
        for n in (0, 1, 255, 257, 100_003):
            for wrong in (None, 0, n // 2, n - 1):
                if wrong is not None and not n:
                    continue
                index: np.ndarray = (np.arange(n) % 7).astype(dtype)
                for value in (-8, 7) if wrong is not None else (0,):
                    if wrong is not None:
                        index[wrong] = value
                    note = m.put(np.zeros(4, np.int64))
                    index_assert.look(m.xp, m.put(index), -7, 7, 2, 5, note)
                    want = np.zeros(4, np.int64) if wrong is None else np.array([5, value, 2, 7])
                    yield (
                        m.get(note),
                        want,
                        f"{np.dtype(dtype)}, {n} indices, {'none' if wrong is None else f'number {wrong}'} wrong",
                    )
