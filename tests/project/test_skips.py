"""In CI a test may be skipped for want of a GPU only; elsewhere skips are reported at the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import conftest
import pytest


def report_of(reason: str, where: str) -> Any:
    """The report of a skip, as pytest gives it for a test or a whole module."""
    return SimpleNamespace(
        longrepr=(f"{where}.py", 3, f"Skipped: {reason}"),
        nodeid=f"{where}.py::test_one" if where == "test" else f"{where}.py",
    )


class Terminal:
    def __init__(self, skips: list[Any]) -> None:
        self.stats = {"skipped": skips}
        self.lines: list[str] = []

    def section(self, title: str, **kwargs: Any) -> None:
        self.lines.append(title)

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize(
    "reason, ci, fails",
    [
        ("needs a GPU: there is none", True, False),
        ("could not import 'torch'", True, True),
        ("too tired", True, True),
        ("too tired", False, False),
        ("could not import 'torch'", False, False),
    ],
)
@pytest.mark.parametrize("where", ["test", "module"])
@pytest.mark.parametrize(
    "exitstatus",
    [pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED],
)
def test_skips(
    monkeypatch: pytest.MonkeyPatch, reason: str, ci: bool, fails: bool, where: str, exitstatus: pytest.ExitCode
) -> None:
    monkeypatch.setattr(conftest, "CI", ci)
    terminal = Terminal([report_of(reason, where)])
    config: Any = SimpleNamespace(
        pluginmanager=SimpleNamespace(get_plugin=lambda name: terminal), getoption=lambda name: None
    )
    session: Any = SimpleNamespace(config=config, exitstatus=exitstatus)
    conftest.pytest_sessionfinish(session, exitstatus)
    was_good = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert session.exitstatus == (pytest.ExitCode.TESTS_FAILED if fails and was_good else exitstatus)
    conftest.pytest_terminal_summary(terminal, exitstatus, config)
    text = "\n".join(terminal.lines)
    assert "what was skipped" in text and reason in text
    assert ("not allowed in CI" in text) == fails


def test_pytest_calls_the_hooks(pytestconfig: pytest.Config) -> None:
    """The hooks that the test above calls by hand are registered, and pytest knows them by these names."""
    plugins = [
        plugin for plugin in pytestconfig.pluginmanager.get_plugins() if getattr(plugin, "forbidden", None) is not None
    ]
    assert plugins
    for name in ("pytest_sessionfinish", "pytest_terminal_summary"):
        assert any(
            implementation.plugin in plugins for implementation in getattr(pytestconfig.hook, name).get_hookimpls()
        )
