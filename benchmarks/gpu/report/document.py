"""The report as JSON, as Markdown, and as the summary that is printed last."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tapegrad.benchmarks.gpu.report.finding import BAD, WELL, Finding

SCHEMA = "gpu-report 1"


@dataclass
class Part:
    """A section's findings, and the seconds that it took."""

    name: str
    title: str
    seconds: float
    findings: list[Finding]


@dataclass
class Document:
    """The report."""

    created: str  # date and time
    device: str  # "cuda" or "strict"
    commit: str | None  # the commit's name; None where nobody knows it
    changed: bool | None  # whether files differed from the commit
    parts: list[Part] = field(default_factory=list)  # the sections, as far as they were run
    seconds: float = 0.0  # how long all of it took
    only: list[str] = field(default_factory=list)  # the sections that were asked for; empty where all were

    @property
    def dry(self) -> bool:
        """Whether no GPU took part."""
        return self.device == "strict"

    @property
    def findings(self) -> list[Finding]:
        """All of them."""
        return [finding for part in self.parts for finding in part.findings]

    @property
    def well(self) -> bool:
        """Whether there is nothing to look at."""
        return bool(self.parts) and all(finding.well for finding in self.findings)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``DATE-DEVICE-report-COMMIT.json`` and ``.md``; with the names of the sections at the end where not all
        were asked for.

        Returns:
            The two files.
        """
        stem = "-".join([self.created[:10], self.device, "report", (self.commit or "no-commit")[:12], *self.only])
        files = folder / f"{stem}.json", folder / f"{stem}.md"
        content = {"schema": SCHEMA, "well": self.well, "dry_run": self.dry, **asdict(self)}
        files[0].write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
        files[1].write_text(markdown(self), encoding="utf-8")
        return files


def counts(findings: Iterable[Finding]) -> str:
    """How many of each status.

    Example:
        >>> from tapegrad.benchmarks.gpu.report.document import counts
        >>> from tapegrad.benchmarks.gpu.report.finding import Finding
        >>> counts([Finding("a", "ok"), Finding("b", "ok"), Finding("c", "hung")])
        '2 ok, 1 hung'
    """
    found = Counter(finding.status for finding in findings)
    return ", ".join(f"{found[status]} {status}" for status in (*WELL, *BAD) if found[status]) or "nothing"


def summary(document: Document) -> str:
    """What was found, in a few lines, what is wrong last."""
    lines = [
        f"{'dry run on the strict device (no GPU took part)' if document.dry else device_of(document)}; "
        f"{_commit(document)}; {document.seconds:.0f} s"
    ]
    width = max((len(part.name) for part in document.parts), default=0)
    lines += [f"  {part.name:<{width}}  {part.seconds:6.1f} s  {counts(part.findings)}" for part in document.parts]
    lines += [
        f"{finding.status}: {part.name}: {finding.name}: {finding.text}"
        for part in document.parts
        for finding in part.findings
        if not finding.well
    ]
    lines.append(
        "all is well" if document.well else f"{sum(not finding.well for finding in document.findings)} to look at"
    )
    return "\n".join(lines)


def device_of(document: Document) -> str:
    """The GPU's name, where the environment has it."""
    return next(
        (finding.text for finding in document.findings if finding.name == "gpu" and finding.status == "noted"),
        document.device,
    )


def _commit(document: Document) -> str:
    return (
        f"commit {document.commit[:12]}{' with changes' if document.changed else ''}"
        if document.commit
        else "no commit known"
    )


def markdown(document: Document) -> str:
    """The whole report."""
    title = "Dry run of the GPU report, on the strict device" if document.dry else "GPU report"
    lines = [f"# {title}", "", f"{document.created}, {_commit(document)}, {document.seconds:.0f} s.", ""]
    if document.dry:
        lines += [
            "No GPU took part: the strict device, an array type over NumPy, stood in for it. This says that the "
            "report runs, and nothing of CUDA.",
            "",
        ]
    lines += ["```text", summary(document), "```", ""]
    for part in document.parts:
        lines += [
            f"## {part.title}",
            "",
            f"{counts(part.findings)}; {part.seconds:.1f} s.",
            "",
            "| | | |",
            "|---|---|---|",
        ]
        lines += [
            f"| {_cell(finding.name)} | {_status(finding)} | {_cell(finding.text)} |" for finding in part.findings
        ]
        for finding in part.findings:
            lines += _details(finding)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _status(finding: Finding) -> str:
    if finding.status == "noted":
        return ""
    return finding.status if finding.well else f"**{finding.status}**"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _details(finding: Finding) -> list[str]:
    """What a table has no room for."""
    lines: list[str] = []
    for key in ("failures", "running", "skips", "slowest", "wrong", "traceback", "output"):
        details: Any = finding.values.get(key)
        if details:
            rows = (
                [f"{count} x {what}" for what, count in details.items()]
                if isinstance(details, dict)
                else map(str, details)
            )
            lines += ["", f"`{finding.name}`, {key}:", "", "```text", *rows, "```"]
    return lines
