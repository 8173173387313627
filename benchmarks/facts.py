"""What a report says of where it was made: versions, machine, source."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import tapegrad
from tapegrad.benchmarks.contender import Contender


def facts(contenders: Sequence[Contender]) -> dict[str, Any]:
    """Versions, machine and source of what is measured.

    Args:
        contenders: who takes part; the GPU is named only where one does.
    """
    return {"versions": versions(contenders), "machine": machine(contenders), "source": source()}


def versions(contenders: Sequence[Contender]) -> dict[str, str | None]:
    """The versions of Python and of each package that takes part; None for what is not installed."""
    found: dict[str, str | None] = {"tapegrad": tapegrad.__version__, "python": platform.python_version()}
    found.update({contender.name: contender.lib.__version__ for contender in contenders})
    found["numpy"] = np.__version__
    found["cupy"] = next(filter(None, map(version, ("cupy-cuda13x", "cupy-cuda12x", "cupy"))), None)
    return found


def version(distribution: str) -> str | None:
    """The version of an installed distribution; None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def machine(contenders: Sequence[Contender]) -> dict[str, Any]:
    """The processor, its cores, the operating system, the GPU, and how many programs ran in the last minute, where the
    system tells.
    """
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "gpu": gpu(contenders),
        "load": load,
    }


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        if names:
            return names[0]
    if platform.system() == "Darwin":
        return subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=True
        ).stdout.strip()
    return platform.processor() or platform.machine()


def gpu(contenders: Sequence[Contender]) -> str | None:
    """The name of the first GPU that takes part."""
    if not any(contender.on_cuda for contender in contenders):
        return None
    if importlib.util.find_spec("cupy") is not None:
        import cupy

        return str(cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode())
    peer = next(contender for contender in contenders if contender.on_cuda)
    return str(peer.lib.cuda.get_device_name(peer.device))


def source() -> dict[str, Any]:
    """The commit that is measured, where the package is run from its repository, and whether files differ from it."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    top = git("rev-parse", "--show-toplevel")
    # An installed package may lie inside another repository, whose commit says nothing of it.
    if top is None or Path(top).resolve() / "benchmarks" != here:
        return {"commit": None, "changed": None}
    return {"commit": git("rev-parse", "--verify", "--quiet", "HEAD"), "changed": bool(git("status", "--porcelain"))}
