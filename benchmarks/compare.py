"""Two reports side by side: what became slower or larger, and what the spread explains."""

from __future__ import annotations

from tapegrad.benchmarks.measure import Summary
from tapegrad.benchmarks.report import Report, aligned, quantity

NOTICEABLE = 0.02
NOTICEABLE_ALONE = 0.25  # of two single times, whose spread is unknown


def change(before: Summary, after: Summary, noticeable: float = NOTICEABLE) -> str:
    """Whether a quantity changed: "more", "less", or "" when the spread explains the difference.

    It changed when the medians differ by a noticeable share and the interquartile ranges do not touch.

    Example:
        >>> from tapegrad.benchmarks.compare import change
        >>> from tapegrad.benchmarks.measure import Summary
        >>> before, slower, same = [Summary.of(x) for x in ([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], [1.0, 1.15, 1.2])]
        >>> change(before, slower), change(before, same)
        ('more', '')
    """
    if abs(after.median - before.median) <= noticeable * abs(before.median):
        return ""
    if after.q1 > before.q3:
        return "more"
    return "less" if after.q3 < before.q1 else ""


def comparison(before: Report, after: Report) -> str:
    """A table of the rows that both reports have, and a line for each that only one has."""
    old = {row.key: row for row in before.rows}
    new = {row.key: row for row in after.rows}
    lines = [["workload", "who", "device", "A", "B", "B / A", ""]]
    words = {"s": {"more": "slower", "less": "faster", "": ""}, "B": {"more": "larger", "less": "smaller", "": ""}}
    changed = 0
    for key, a in old.items():
        b = new.get(key)
        if b is None:
            continue
        alone = a.unit == "s" and min(a.summary.count, b.summary.count) == 1
        found = change(a.summary, b.summary, NOTICEABLE_ALONE if alone else NOTICEABLE)
        changed += bool(found)
        ratio = f"{b.summary.median / a.summary.median:.2f}" if a.summary.median else ""
        name = a.workload if a.metric == "time" else f"{a.workload}: {a.metric}"
        lines.append(
            [
                name,
                f"{a.contender} {a.variant}".rstrip(),
                a.device,
                quantity(a.summary.median, a.unit),
                quantity(b.summary.median, b.unit),
                ratio,
                words.get(a.unit, {}).get(found, found),
            ]
        )
    notes = [f"A: {_origin(before)}", f"B: {_origin(after)}"]
    notes += [f"only in A: {' '.join(filter(None, key))}" for key in old if key not in new]
    notes += [f"only in B: {' '.join(filter(None, key))}" for key in new if key not in old]
    notes += [f"{what} differs: {a} in A, {b} in B" for what, a, b in _differences(before, after) if a != b]
    notes.append(
        f"{len(lines) - 1} compared, {changed} changed beyond their spread (interquartile ranges apart, medians more "
        f"than {NOTICEABLE:.0%} apart)"
    )
    return "\n".join([*aligned(lines, right={3, 4, 5}), "", *notes])


def _origin(report: Report) -> str:
    source = report.facts["source"]
    commit = (
        source["commit"][:12] + (" with changes" if source["changed"] else "")
        if source["commit"]
        else "no commit known"
    )
    return f"{report.created}, tapegrad {report.facts['versions']['tapegrad']}, {commit}"


def _differences(before: Report, after: Report) -> list[tuple[str, object, object]]:
    names = sorted({*before.facts["versions"], *after.facts["versions"]} - {"tapegrad"})
    found: list[tuple[str, object, object]] = [
        (name, before.facts["versions"].get(name), after.facts["versions"].get(name)) for name in names
    ]
    found += [
        (name, before.facts["machine"].get(name), after.facts["machine"].get(name))
        for name in ("cpu", "cores", "gpu", "system")
    ]
    return found + [(name, before.plan[name], after.plan[name]) for name in ("threads", "collect", "quick")]
