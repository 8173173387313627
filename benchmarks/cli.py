"""The command line: ``tapegrad-bench``."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from tapegrad.backends import Device
from tapegrad.benchmarks import threads
from tapegrad.benchmarks.compare import comparison
from tapegrad.benchmarks.contender import PEERS, find_contenders
from tapegrad.benchmarks.facts import facts
from tapegrad.benchmarks.measure import Plan, measure
from tapegrad.benchmarks.report import Report, rows_of, table
from tapegrad.benchmarks.workload import Workload
from tapegrad.benchmarks.workloads import WORKLOADS

EPILOG = """exit status: 0 also when a device or a peer is missing or a target is missed; 1 when a workload raised;
2 for wrong arguments. Targets are judged on one thread, in whole (not --quick) runs. Ratios are medians over samples of
the same round."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"tapegrad-bench: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``tapegrad-bench``.

    Args:
        arguments: the command line without the program's name; `sys.argv`'s by default.

    Returns:
        The exit status.

    Example:
        >>> from tapegrad.benchmarks.cli import main
        >>> main(["--list", "--workloads", "op.a*"])
        op.add  200 additions of 64 floats, forward and backward  (target: <= 0.50 of the peer)
        0
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments[:1] == ["compare"]:
            return _compare(arguments[1:])
        if arguments[:1] == ["gpu-report"]:
            from tapegrad.benchmarks.gpu.report.command import gpu_report

            return gpu_report(arguments[1:])
        return _run(arguments[1:] if arguments[:1] == ["run"] else arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    parser = Parser(
        prog="tapegrad-bench",
        description="Time tapegrad on its devices, and PyTorch. 'tapegrad-bench compare A.json B.json' compares two "
        "runs, "
        "'tapegrad-bench gpu-report' checks and measures everything on a GPU.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="tapegrad-bench [run] [options]  |  compare A.json B.json  |  gpu-report [options]",
        allow_abbrev=False,
    )
    peers = f"libraries to compare with, or none (default: {','.join(PEERS)})"
    every = list(WORKLOADS.values())
    parser.add_argument(
        "--devices",
        "--device",
        type=_devices,
        default=["cpu"],
        metavar="NAMES",
        help="cpu, cuda, cuda:1, strict; with commas (default: cpu)",
    )
    parser.add_argument("--peers", type=_peers, default=list(PEERS), metavar="NAMES", help=peers)
    parser.add_argument(
        "--workloads",
        type=_workloads,
        default=every,
        metavar="GLOBS",
        help="names or patterns, with commas (default: all)",
    )
    parser.add_argument("--quick", action="store_true", help="few and short samples: does everything run?")
    parser.add_argument("--json", type=_target_file, metavar="FILE", help="write the report there as well")
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="threads of the CPU libraries (default: 1)"
    )
    parser.add_argument(
        "--rounds", type=positive, metavar="N", help="samples of each contender (default: 25; quick: 3)"
    )
    parser.add_argument(
        "--gc", choices=("on", "off"), default="on", help="Python's garbage collector while measuring (default: on)"
    )
    parser.add_argument("--list", action="store_true", help="list the workloads and stop")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(_listed(options.workloads)))
        return 0
    if not threads.are(options.threads):
        return threads.start_with(options.threads, arguments)
    rounds = options.rounds or (3 if options.quick else 25)
    plan = Plan(rounds, 0.001 if options.quick else 0.01, options.gc == "on", options.quick, options.threads)
    report = run(options.workloads, options.devices, options.peers, plan)
    print(table(report))
    if options.json is not None:
        report.write(options.json)
    return 1 if report.failed else 0


def run(workloads: Sequence[Workload], devices: list[str], peers: list[str], plan: Plan) -> Report:
    """Run workloads on devices of ours and of peers.

    Returns:
        What was found; a missing device or peer is a line in `skipped`, a workload that raised a line in `failed`.
    """
    contenders, skipped = find_contenders(devices, peers, plan.threads)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    report = Report(created, facts(contenders), asdict(plan), skipped=skipped)
    for number, workload in enumerate(workloads, 1):
        if sys.stderr.isatty():
            print(f"\r\x1b[K[{number}/{len(workloads)}] {workload.name}", end="", file=sys.stderr, flush=True)
        results, failed = measure(workload, contenders, plan)
        report.rows += rows_of(results, plan)
        report.failed += failed
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return report


def _compare(arguments: list[str]) -> int:
    parser = Parser(
        prog="tapegrad-bench compare", description="Compare two reports written with --json.", allow_abbrev=False
    )
    parser.add_argument("before", metavar="A.json", type=Path)
    parser.add_argument("after", metavar="B.json", type=Path)
    options = parser.parse_args(arguments)
    try:
        before, after = Report.read(options.before), Report.read(options.after)
    except OSError as error:
        parser.error(f"cannot read {error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(str(error))
    print(comparison(before, after))
    return 0


def _listed(workloads: Sequence[Workload]) -> list[str]:
    width = max(len(workload.name) for workload in workloads)
    targets = {
        workload.name: f"  (target: <= {workload.limit:.2f} of the peer)" if workload.limit else ""
        for workload in workloads
    }
    return [f"{workload.name:<{width}}  {workload.measures}{targets[workload.name]}" for workload in workloads]


def comma_separated(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name")
    return list(dict.fromkeys(names))


def _devices(text: str) -> list[str]:
    names = comma_separated(text)
    for name in names:
        try:
            Device(name)
        except RuntimeError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return names


def _peers(text: str) -> list[str]:
    if text in ("", "none"):
        return []
    names = comma_separated(text)
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name!r} is no peer; there is {', '.join(PEERS)}")
    return names


def _workloads(text: str) -> list[Workload]:
    try:
        return WORKLOADS.matching(comma_separated(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _target_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"cannot write {text!r}: " + ("it is a folder" if path.is_dir() else "there is no such folder")
        )
    return path
