"""``tapegrad-bench gpu-report``."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tapegrad.benchmarks.cli import Parser, comma_separated, positive
from tapegrad.benchmarks.facts import source
from tapegrad.benchmarks.gpu.items import pytest_run
from tapegrad.benchmarks.gpu.report import supervise as watched
from tapegrad.benchmarks.gpu.report.document import Document, Part, counts, summary
from tapegrad.benchmarks.gpu.report.finding import Finding
from tapegrad.benchmarks.gpu.report.section import Section
from tapegrad.benchmarks.gpu.report.sections import SECTIONS, TOTAL

EPILOG = """exit status: 0 if all was well, 1 if something failed or is not as expected, 2 for wrong arguments or where
the device is not available. It reads settings of the GPU and sets none."""
_DEVICE = Section("device", "Device", "tapegrad.benchmarks.gpu.report.environment:reachable", 60, 60)


def gpu_report(arguments: Sequence[str], sections: Sequence[Section] = SECTIONS) -> int:
    """Run ``tapegrad-bench gpu-report``.

    Returns:
        The exit status.
    """
    parser = Parser(
        prog="tapegrad-bench gpu-report",
        description="Check and measure tapegrad on this machine's GPU, and write a report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    names = [section.name for section in sections]
    parser.add_argument(
        "--device", choices=("cuda", "strict"), default="cuda", help="strict: a dry run without a GPU (default: cuda)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("benchmarks", "results"),
        metavar="DIR",
        help="where the report goes (default: benchmarks/results)",
    )
    parser.add_argument(
        "--only",
        action="extend",
        type=comma_separated,
        metavar="NAMES",
        help=f"some of the sections, with commas: {', '.join(names)}",
    )
    parser.add_argument(
        "--seconds", type=float, default=TOTAL, metavar="N", help=f"how long all of it may take (default: {TOTAL:.0f})"
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the clone with the tests (default: the current folder)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes for the tests (default: one less than there are cores, twelve at most)",
    )
    parser.add_argument(
        "--pytest",
        action="append",
        default=[],
        metavar="ARG",
        help="a further argument for pytest, such as --pytest=-k --pytest=conv",
    )
    parser.add_argument("--commit", metavar="NAME", help="the commit's name, where there is no repository to ask")
    options = parser.parse_args(arguments)
    wanted = names if options.only is None else options.only
    for name in wanted:
        if name not in names:
            parser.error(f"there is no section {name!r}; there is {', '.join(names)}")
    if options.seconds <= 0:
        parser.error("--seconds must be positive")
    begun = time.monotonic()
    (reachable,) = watched.run(_DEVICE, options.device, min(options.seconds, _DEVICE.seconds))[:1]
    if not reachable.well:
        parser.error(f"{reachable.text} (--device strict makes a dry run)")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"cannot write to {options.out}: {error.strerror}")
    environment = {pytest_run.FOLDER: str(options.root.resolve()), pytest_run.ARGUMENTS: json.dumps(options.pytest)}
    if options.workers:
        environment[pytest_run.WORKERS] = str(options.workers)
    here = source()
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = Document(
        created,
        options.device,
        options.commit or here["commit"],
        None if options.commit else here["changed"],
        only=options.only or [],
    )
    files = fill(
        document,
        [section for section in sections if section.name in wanted],
        begun,
        options.seconds,
        options.out,
        environment,
    )
    print(f"\n{summary(document)}\n{files[0]}\n{files[1]}", flush=True)
    return 0 if document.well else 1


def fill(
    document: Document,
    sections: Sequence[Section],
    begun: float,
    seconds: float,
    out: Path,
    environment: dict[str, str],
) -> tuple[Path, Path]:
    """Run the sections, and write the report after each.

    Args:
        sections: what to run; the last has all the time that is left.
        begun: when the command began, by `time.monotonic`.
        seconds: how long all of it may take.

    Returns:
        The report's files.
    """
    share = min(1.0, seconds / sum(section.seconds for section in sections))
    for number, section in enumerate(sections, 1):
        start = time.monotonic()
        left = begun + seconds - start
        budget = left if section is sections[-1] else min(left, section.seconds * share)
        print(f"[{number}/{len(sections)}] {section.name} ...", end="", file=sys.stderr, flush=True)
        findings = (
            watched.run(section, document.device, budget, environment)
            if budget > 0
            else [Finding(section.name, "not run", "no time was left")]
        )
        part = Part(section.name, section.title, round(time.monotonic() - start, 1), findings)
        document.parts.append(part)
        document.seconds = round(time.monotonic() - begun, 1)
        files = document.write(out)
        print(f" {part.seconds:.1f} s, {counts(findings)}", file=sys.stderr, flush=True)
    return files
