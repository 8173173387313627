"""A run's report: rows with ratios and verdicts, as JSON and as a table of plain text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tapegrad.benchmarks.measure import Measured, Plan, Summary

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    workload: str  # its name
    metric: str  # "time", or what a probe measured
    unit: str  # "s", "B" or ""
    contender: str  # "tapegrad" or a peer's name
    variant: str  # options of a peer that are not its defaults
    device: str  # where it ran
    summary: Summary  # of the samples
    loops: int  # how many calls a sample averages; 0 where a probe measured by itself
    peak_bytes: int | None  # most memory above what was held before the step; None where the library does not tell
    #: the peer's share: this row's time over that of the peer's defaults on the same device, of samples taken in
    #: the same round
    of_peer: Summary | None
    of_cpu: Summary | None  # the same over this contender's on the CPU; None on the CPU
    target: str  # what must be reached, in words; empty where nothing must
    reached: bool | None  # whether it was; None where that was not judged

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies the row among the rows of a run."""
        return self.workload, self.metric, self.contender, self.variant, self.device


@dataclass
class Report:
    """What a run found."""

    created: str  # date and time
    facts: dict[str, Any]  # versions, machine and source of what was measured
    plan: dict[str, Any]  # how it was measured
    rows: list[Row] = field(default_factory=list)  # the results
    # a line for each device or peer that was asked for and is not available
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # a line for each workload that raised

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Report:
        """Read what `write` wrote.

        Raises:
            ValueError: the file is no report, or one of another schema.
            OSError: it cannot be read.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from None
        if not isinstance(content, dict) or "schema" not in content:
            raise ValueError(f"{path} is not a report of tapegrad-bench")
        if content.pop("schema") != SCHEMA:
            raise ValueError(f"{path} has another schema than {SCHEMA}, which this version reads")
        try:
            content["rows"] = [_row(row) for row in content["rows"]]
            return cls(**content)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a whole report: {error}") from None


def _row(content: dict[str, Any]) -> Row:
    summaries = {name: content[name] and Summary(**content[name]) for name in ("summary", "of_peer", "of_cpu")}
    return Row(**{**content, **summaries})


def rows_of(results: Sequence[Measured], plan: Plan) -> list[Row]:
    """The rows of one workload's results.

    Args:
        results: what `measure` returned.
        plan: how it was measured; it says whether targets are judged.
    """
    return [_judged(result, results, plan) for result in results]


def _judged(result: Measured, results: Sequence[Measured], plan: Plan) -> Row:
    def ratio(other: Measured | None) -> Summary | None:
        # Samples of one round met the same machine, so their ratios scatter less than the samples do.
        if other is None or result.unit != "s":
            return None
        return Summary.of([mine / theirs for mine, theirs in zip(result.samples, other.samples, strict=True)])

    same = [other for other in results if other.metric == result.metric and not other.variant]
    peer = next(
        (other for other in same if not other.contender.ours and other.contender.device == result.contender.device),
        None,
    )
    cpu = next(
        (other for other in same if other.contender.name == result.contender.name and other.contender.device == "cpu"),
        None,
    )
    of_peer, of_cpu = ratio(peer), None if result.contender.device == "cpu" else ratio(cpu)
    target, reached = "", None
    if result.limit is not None:
        judged = of_peer if result.limit_of_peer else Summary.of(result.samples)
        limit = (
            f"{result.limit:.2f} of {peer.contender.name if peer else 'a peer'}"
            if result.limit_of_peer
            else quantity(result.limit, result.unit)
        )
        target, reached = f"<= {limit}", judged.median <= result.limit if judged and plan.judges else None
    return Row(
        result.workload,
        result.metric,
        result.unit,
        result.contender.name,
        result.variant,
        result.contender.device,
        Summary.of(result.samples),
        result.loops,
        result.peak_bytes,
        of_peer,
        of_cpu,
        target,
        reached,
    )


def table(report: Report) -> str:
    """The report as a table, with what was skipped and a count of the targets below it."""
    peer = next((row.contender for row in report.rows if row.contender != "tapegrad"), "peer")
    lines = [["workload", "who", "device", "median", "spread", f"/ {peer}", "/ cpu", "peak memory", "target", ""]]
    previous = ""
    for row in report.rows:
        name = row.workload if row.metric == "time" else f"{row.workload}: {row.metric}"
        who = f"{row.contender} {row.variant}".rstrip()
        spread = (
            f"+-{(row.summary.q3 - row.summary.q1) / 2 / abs(row.summary.median):.0%}"
            if row.summary.count > 1 and row.summary.median
            else ""
        )
        memory = "n/a" if row.peak_bytes is None else quantity(row.peak_bytes, "B")
        lines.append(
            [
                "" if name == previous else name,
                who,
                row.device,
                quantity(row.summary.median, row.unit),
                spread,
                f"{row.of_peer.median:.2f}" if row.of_peer else "",
                f"{row.of_cpu.median:.2f}" if row.of_cpu else "",
                memory if row.loops else "",
                row.target,
                verdict(row),
            ]
        )
        previous = name
    body = [*aligned(lines, right={3, 4, 5, 6, 7}), ""] if report.rows else []
    return "\n".join([*header(report), "", *body, *footer(report)])


def verdict(row: Row) -> str:
    """A row's target: reached, MISSED, or not judged."""
    if not row.target:
        return ""
    return {None: "not judged", True: "reached", False: "MISSED"}[row.reached]


def header(report: Report) -> list[str]:
    """What was measured, where and how."""
    versions = ", ".join(f"{name} {version}" for name, version in report.facts["versions"].items() if version)
    machine, plan = report.facts["machine"], report.plan
    return [
        versions,
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"
        + (f"; {machine['gpu']}" if machine.get("gpu") else ""),
        f"{plan['threads']} thread{'s' if plan['threads'] > 1 else ''}, garbage collector "
        f"{'on' if plan['collect'] else 'off'}, "
        f"median of {plan['rounds']} samples of at least {quantity(plan['seconds'], 's')}, contenders in turns; "
        "spread is half the interquartile range",
    ]


def footer(report: Report) -> list[str]:
    """What could not be run, and how many targets were reached."""
    verdicts = [row.reached for row in report.rows if row.target]
    lines = [f"skipped: {line}" for line in report.skipped] + [f"failed: {line}" for line in report.failed]
    machine = report.facts["machine"]
    if machine["load"] is not None and machine["load"] > machine["cores"] / 2:
        lines.append(
            f"the machine was busy before the run began (load {machine['load']:.1f} on {machine['cores']} cores): "
            "repeat it on a quiet one to be sure"
        )
    if report.plan["threads"] > 1:
        lines.append(
            "with several threads each library's thread pool disturbs the other's: run them apart (--peers none) for "
            "exact numbers"
        )
    if verdicts:
        unjudged = (
            f", {verdicts.count(None)} not judged (they need the peer, one thread and a run that is not --quick)"
            if None in verdicts
            else ""
        )
        lines.append(f"targets: {verdicts.count(True)} reached, {verdicts.count(False)} missed{unjudged}")
    return lines


def quantity(value: float, unit: str) -> str:
    """A number with three digits and its unit.

    Example:
        >>> from tapegrad.benchmarks.report import quantity
        >>> quantity(0.0000123, "s"), quantity(3 * 2**20, "B"), quantity(0.333333, "")
        ('12.3 us', '3.00 MiB', '0.333')
    """
    if unit == "s":
        scales = [(1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s")]
    elif unit == "B":
        scales = [(1, "B"), (2**10, "KiB"), (2**20, "MiB"), (2**30, "GiB")]
    else:
        scales = [(1, "")]
    scale, name = next(((scale, name) for scale, name in reversed(scales) if abs(value) >= scale), scales[0])
    number = value / scale
    if name == "B" or abs(number) >= 99.95:
        digits = 0
    elif abs(number) >= 9.995:
        digits = 1
    else:
        digits = 2 if name else 3
    return f"{number:.{digits}f} {name}".rstrip()


def aligned(lines: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    """The lines' cells in columns, under their headings; the columns whose numbers are in `right` are aligned to the
    right, empty ones are left out.
    """
    filled = [any(column[1:]) for column in zip(*lines, strict=True)]
    right = {new for new, old in enumerate(itertools.compress(itertools.count(), filled)) if old in right}
    lines = [list(itertools.compress(line, filled)) for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return [rows[0], "-" * max(map(len, rows)), *rows[1:]]
