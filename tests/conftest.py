"""Options, devices, seeds, and an account of what was skipped."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import numpy as np
import pytest

import tapegrad
from tapegrad.autograd.core.gate import set_bits
from tapegrad.backends import Device, backend_for

pytest.register_assert_rewrite("op_checks", "same_program")

DEVICES = ("cpu", "strict", "cuda")
CI = os.environ.get("CI", "").lower() in ("1", "true")

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if CI else "here")

#: what a skip lacks -> how its reason says so; the first that fits
LACKS = {
    "a GPU": r"\bGPU\b",
    "PyTorch": r"\b(torch|PyTorch)\b",
    "CuPy": r"\bcupy\b",
    "a compiler": r"\b(compiler|nvrtc)\b",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tapegrad")
    group.addoption(
        "--device",
        action="append",
        choices=DEVICES,
        help="device to test on; may be repeated; by default cpu and strict",
    )
    group.addoption(
        "--full", action="store_true", help="slow tests too: all dtypes on the strict device, every example, packaging"
    )


def devices(config: pytest.Config) -> list[str]:
    return config.getoption("device") or ["cpu", "strict"]


def pytest_report_header(config: pytest.Config) -> str:
    return f"devices: {', '.join(devices(config))}{', full' if config.getoption('full') else ''}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device" in metafunc.fixturenames:
        metafunc.parametrize(
            "device", [pytest.param(d, marks=pytest.mark.cuda if d == "cuda" else ()) for d in devices(metafunc.config)]
        )


def missing_gpu() -> str | None:
    """Why CUDA is not available, or None."""
    try:
        backend_for(Device("cuda"))
    except RuntimeError as error:
        return str(error)
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("full"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        if slow:
            config.hook.pytest_deselected(items=slow)
            items[:] = [item for item in items if not item.get_closest_marker("slow")]
    on_cuda = [item for item in items if item.get_closest_marker("cuda")]
    why = missing_gpu() if on_cuda else None
    if why is not None:
        for item in on_cuda:
            item.add_marker(pytest.mark.skip(reason=f"needs a GPU: {why}"))


@pytest.fixture(autouse=True)
def _same_start() -> Any:
    """Every test starts from the same seeds, and leaves the modes of the process as it found them."""
    random.seed(0)
    np.random.seed(0)
    if hasattr(tapegrad, "manual_seed"):
        tapegrad.manual_seed(0)
    yield
    left = (
        tapegrad.is_grad_enabled(),
        tapegrad.is_inference_mode_enabled(),
        tapegrad.get_default_dtype(),
        tapegrad.get_default_device(),
    )
    set_bits(0)
    tapegrad.set_default_dtype(tapegrad.float32)
    tapegrad.set_default_device(None)
    assert left == (True, False, tapegrad.float32, Device("cpu")), (
        f"the test left grad mode, inference mode, default dtype, default device as {left}"
    )


@pytest.fixture
def without_collector() -> Iterator[None]:
    """The test runs without the garbage collector."""
    from collector import no_collector  # not on the path of a suite that borrows this file

    with no_collector():
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of test data, the same in every run."""
    return np.random.default_rng(0)


# ---- what was skipped


def reason_of(report: Any) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, (tuple, list)) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def lack_of(reason: str) -> str:
    return next(
        (lack for lack, pattern in LACKS.items() if re.search(pattern, reason, re.IGNORECASE)), "something else"
    )


def skipped(config: pytest.Config) -> dict[str, list[Any]]:
    """Skip reports by what was missing."""
    found: dict[str, list[Any]] = {}
    for report in config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", []):
        found.setdefault(lack_of(reason_of(report)), []).append(report)
    return found


def forbidden(config: pytest.Config) -> list[Any]:
    """Skips that CI does not allow: all but those for want of a GPU."""
    return [report for lack, reports in skipped(config).items() if lack != "a GPU" for report in reports] if CI else []


def is_controller(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if (
        is_controller(session.config)
        and forbidden(session.config)
        and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    found = skipped(config)
    terminalreporter.section("what was skipped")
    if not found:
        terminalreporter.line(f"nothing (devices: {', '.join(devices(config))})")
    for lack, reports in sorted(found.items()):
        terminalreporter.line(f"for want of {lack}: {len(reports)}")
        reasons: dict[str, list[str]] = {}
        for report in reports:
            reasons.setdefault(reason_of(report), []).append(report.nodeid)
        for reason, ids in reasons.items():
            files = sorted({i.partition("::")[0] for i in ids})
            terminalreporter.line(f"    {reason}  [{len(ids)} in {', '.join(files)}]")
    wrong = forbidden(config)
    if wrong:
        terminalreporter.section("not allowed in CI: skipped for another reason than a missing GPU", red=True)
        for report in wrong:
            terminalreporter.line(f"{report.nodeid}: {reason_of(report)}")
