"""What the machine is: driver, GPU, clocks, libraries. Everything is read, nothing is set."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import Any

import numpy as np

import tapegrad
from tapegrad.benchmarks.facts import processor, version
from tapegrad.benchmarks.gpu.report.finding import Finding, Skip, failed, noted
from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.section import Items

QUERY = (
    "name",
    "driver_version",
    "pstate",
    "temperature.gpu",
    "power.limit",
    "clocks.sm",
    "clocks.mem",
    "clocks.max.sm",
    "clocks.max.mem",
    "memory.total",
    "memory.used",
    "persistence_mode",
    "compute_mode",
    "mig.mode.current",
    "ecc.mode.current",
)
SETTINGS = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "NVIDIA_TF32_OVERRIDE")
PREFIXES = ("CUPY_", "CUBLAS_", "TAPEGRAD_")


def items() -> Items:
    """One for each part of the machine."""
    return {
        "python": python,
        "cpu": cpu,
        "device": device,
        "gpu": gpu,
        "cuda": cuda,
        "cublas": cublas,
        "nvrtc": nvrtc,
        "clocks": clocks,
        "torch": torch,
        "tools": tools,
        "settings": settings,
    }


def reachable() -> Items:
    """One: whether the device is available."""
    return {"device": device}


def python(m: Machine) -> Finding:
    """Python and the packages that take part."""
    found = {"python": platform.python_version(), "tapegrad": tapegrad.__version__, "numpy": np.__version__}
    names = (
        "cupy-cuda13x",
        "cupy-cuda12x",
        "cupy",
        "torch",
        "ml_dtypes",
        "scipy",
        "numba",
        "numba-cuda",
        "nvidia-cudnn-frontend",
        "pytest",
        "pytest-xdist",
    )
    found |= {name: number for name in names if (number := version(name)) is not None}
    return noted(", ".join(f"{name} {number}" for name, number in found.items()), **found)


def cpu(m: Machine) -> Finding:
    """The host."""
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return noted(
        f"{processor()}, {os.cpu_count()} cores, {platform.platform()}, load {load}",
        cpu=processor(),
        cores=os.cpu_count(),
        load=load,
    )


def device(m: Machine) -> Finding:
    """Whether the device is available."""
    try:
        backend = m.backend
    except RuntimeError as error:
        return failed(str(error))
    return noted(f"{m.device}: {backend.device_count()} of them", count=backend.device_count())


def gpu(m: Machine) -> Finding:
    """What the runtime says of the GPU."""
    properties: dict[str, Any] = m.cupy.cuda.runtime.getDeviceProperties(m.cupy.cuda.Device().id)
    values: dict[str, Any] = {
        key: value.decode(errors="replace") if isinstance(value, bytes) else value
        for key, value in properties.items()
        if key not in ("uuid", "luid")
    }
    return noted(
        f"{values['name']}, compute capability {values['major']}.{values['minor']}, {values['multiProcessorCount']} "
        "multiprocessors, "
        f"{values['totalGlobalMem'] / 2**30:.0f} GiB, {values['l2CacheSize'] / 2**20:.0f} MiB L2",
        **values,
    )


def cuda(m: Machine) -> Finding:
    """The versions of the driver and of the runtime."""
    runtime = m.cupy.cuda.runtime
    driver, own, local = (
        runtime.driverGetVersion(),
        runtime.runtimeGetVersion(),
        m.cupy.cuda.get_local_runtime_version(),
    )
    return noted(
        f"driver API {driver}, CuPy's runtime {own}, local runtime {local}", driver=driver, runtime=own, local=local
    )


def cublas(m: Machine) -> Finding:
    """cuBLAS' version, which also loads it."""
    m.cupy.cuda.runtime.getDevice()
    from cupy_backends.cuda.libs import cublas

    number = cublas.getVersion(m.cupy.cuda.get_cublas_handle())
    return noted(f"cuBLAS {number}", version=number)


def nvrtc(m: Machine) -> Finding:
    """The compiler's version."""
    m.cupy.cuda.runtime.getDevice()
    from cupy_backends.cuda.libs import nvrtc

    major, minor = nvrtc.getVersion()
    return noted(f"NVRTC {major}.{minor}", version=f"{major}.{minor}")


def clocks(m: Machine) -> Finding:
    """What nvidia-smi reads: driver, clocks, power, modes."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        raise Skip("nvidia-smi is not installed")
    done = subprocess.run(
        [tool, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    if done.returncode:
        raise Skip(f"nvidia-smi: {' '.join((done.stdout + done.stderr).split())[:200]}")
    rows = [
        dict(zip(QUERY, (counter.strip() for counter in line.split(","))))
        for line in done.stdout.splitlines()
        if line.strip()
    ]
    return noted(
        "; ".join(
            f"{row['name']}: driver {row['driver_version']}, SM {row['clocks.sm']} of {row['clocks.max.sm']}, memory "
            f"{row['clocks.mem']} of "
            f"{row['clocks.max.mem']}, {row['pstate']}, limit {row['power.limit']}, MIG {row['mig.mode.current']}"
            for row in rows
        ),
        gpus=rows,
    )


def torch(m: Machine) -> Finding:
    """PyTorch on the same GPU, which the numbers are held against."""
    lib = m.torch
    return noted(
        f"torch {lib.__version__}, CUDA {lib.version.cuda}, cuDNN {lib.backends.cudnn.version()}",
        version=str(lib.__version__),
        cuda=lib.version.cuda,
        cudnn=lib.backends.cudnn.version(),
    )


def tools(m: Machine) -> Finding:
    """Programs that the report can use."""
    found = {name: shutil.which(name) for name in ("compute-sanitizer", "nvidia-smi", "nvcc", "g++")}
    return noted(
        ", ".join(f"{name} {'yes' if path else 'no'}" for name, path in found.items()),
        **{name: bool(path) for name, path in found.items()},
    )


def settings(m: Machine) -> Finding:
    """Environment variables that change what CUDA, CuPy or tapegrad do."""
    # A report is published: paths of this machine do not belong into it.
    found = {
        name: "(a path)" if os.sep in value else value
        for name, value in sorted(os.environ.items())
        if (name in SETTINGS or name.startswith(PREFIXES)) and not name.startswith("TAPEGRAD_REPORT_")
    }
    return noted(", ".join(f"{name}={value}" for name, value in found.items()) or "none set", **found)
