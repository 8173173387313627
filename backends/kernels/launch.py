"""The one function that launches CUDA kernels, on a GPU through CuPy and, for strict arrays, on the CPU.

A kernel is `name` of the file `file.cu` in this folder, called ``"file.name"``, or ``"file.name<float, 4>"`` if it is a
template of types and integers. Its parameters are pointers and numbers; the source is the only place that says of which
type, and `launch` checks it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import operator
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tapegrad.backends.numerics.philox import check_range

Array = Any
FOLDER = Path(__file__).parent
SHIM = FOLDER / "cuda_on_cpu.h"
OPTIONS = ("-std=c++17",)


class Unavailable(RuntimeError):
    """Kernels cannot run on the CPU here."""


def launch(name: str, grid: int, block: int, args: Sequence[Any], *, like: Array) -> None:
    """Launch a kernel on the current stream of the device that holds `like`; an empty grid is no launch.

    Args:
        name: ``"file.kernel"``.
        grid: how many blocks.
        block: how many threads in each.
        args: C-contiguous arrays of the parameters' dtypes, and numbers.
        like: an array of the device: CuPy's or the strict device's.

    Raises:
        TypeError: the arguments are not what the kernel takes, or `like` is no array of a device.
        Unavailable: `like` is a strict array, and kernels cannot be compiled for the CPU.
    """
    _launcher(like.__class__)(name, grid, block, args, like)


def philox_words(key: tuple[int, int], counter: int, n: int, xp: Any = None) -> Array:
    """`philox.words`, made on the current device of the namespace `xp`: CuPy, which is the default, or a strict
    device's.
    """
    if xp is None:
        import cupy

        xp = cupy
    check_range(counter, n)
    out = xp.empty(n, np.uint64)
    fours = -(-(counter % 4 + n) // 4)
    launch("philox.words", -(-fours // 256), 256, (out, n, counter, *key), like=out)
    return out


# -------------------------------------------------------------------------------------------------------------------
# sources


@functools.cache
def source(file: str) -> str:
    """The text of a CUDA source with its own headers put in: what every compiler gets, and what its caches compare."""
    seen: set[str] = set()

    def expand(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        text = (FOLDER / name).read_text(encoding="utf-8").replace("#pragma once\n", "")
        return re.sub(r'^#include "(.+?)"$', lambda found: expand(found[1]), text, flags=re.MULTILINE)

    return expand(file)


class Kernel(NamedTuple):
    """A kernel as its source declares it."""

    file: str
    symbol: str
    is_template: bool
    #: the parameters, each as (name, dtype, whether it is a pointer)
    parameters: tuple[tuple[str, np.dtype[Any], bool], ...]


_KERNEL = re.compile(
    r"(?:template\s*<(?P<template>[^>]*)>\s*)?(?:extern\s+\"C\"\s+)?__global__\s+(?:__launch_bounds__\([^)]*\)\s*)?"
    r"void\s+(?:__launch_bounds__\([^)]*\)\s*)?(?P<name>\w+)\s*\((?P<parameters>[^)]*)\)"
)
_DTYPES = {
    "bool": "?",
    "signed char": "i1",
    "unsigned char": "u1",
    "short": "i2",
    "unsigned short": "u2",
    "int": "i4",
    "unsigned": "u4",
    "unsigned int": "u4",
    "long long": "i8",
    "unsigned long long": "u8",
    "float": "f4",
    "double": "f8",
}


def _declarations(file: str) -> dict[str, re.Match[str]]:
    """The kernels of a file by name."""
    return {
        match["name"]: match for match in _KERNEL.finditer(re.sub(r"//.*|/\*[\s\S]*?\*/", "", source(file + ".cu")))
    }


@functools.cache
def kernel(name: str) -> Kernel:
    """The declaration of a kernel.

    Raises:
        ValueError: there is no such kernel, or a parameter's type is none that a launch can pass.
    """
    file, _, symbol = name.partition(".")
    base, _, given = symbol.rstrip(">").partition("<")
    found = _declarations(file).get(base)
    if found is None:
        raise ValueError(f"{file}.cu has no kernel {base}")
    arguments = [argument.strip() for argument in given.split(",") if argument]
    formal = [parameter.split()[-1] for parameter in (found["template"] or "").split(",") if parameter]
    if len(arguments) != len(formal):
        raise ValueError(f"kernel {name}: expected {len(formal)} template arguments, got {len(arguments)}")
    return Kernel(
        file,
        symbol,
        bool(formal),
        tuple(_parameter(name, declared, dict(zip(formal, arguments))) for declared in found["parameters"].split(",")),
    )


def _parameter(kernel: str, declared: str, template: dict[str, str]) -> tuple[str, np.dtype[Any], bool]:
    *words, name = [word for word in declared.replace("*", " * ").split() if word not in ("const", "__restrict__")]
    pointer = "*" in words
    kind = " ".join(word for word in words if word != "*")
    kind = template.get(kind, kind)
    if kind not in _DTYPES or words.count("*") > 1:
        raise ValueError(f"kernel {kernel}: a launch cannot pass the parameter '{declared.strip()}'")
    return name, np.dtype(_DTYPES[kind]), pointer


def _checked(name: str, args: Sequence[Any], like: Array) -> list[Any]:
    """The arguments, numbers as NumPy scalars of the kernel's types. A GPU reads whatever it is given, so what is wrong
    must be found here.
    """
    parameters = kernel(name).parameters
    if len(args) != len(parameters):
        raise TypeError(f"kernel {name}: expected {len(parameters)} arguments, got {len(args)}")
    return [
        _array(name, parameter, arg, like, dtype) if pointer else _number(name, parameter, arg, dtype)
        for (parameter, dtype, pointer), arg in zip(parameters, args)
    ]


def _array(name: str, parameter: str, arg: Any, like: Array, dtype: np.dtype[Any]) -> Array:
    if arg.__class__ is not like.__class__:
        raise TypeError(
            f"kernel {name}: {parameter} must be an array of the type {type(like).__name__}, not {type(arg).__name__}"
        )
    if arg.dtype != dtype or not arg.flags.c_contiguous:
        raise TypeError(
            f"kernel {name}: {parameter} must be a C-contiguous array of {dtype}, not one of {arg.dtype} "
            f"with shape {arg.shape} and strides {arg.strides}"
        )
    return arg


def _number(name: str, parameter: str, arg: Any, dtype: np.dtype[Any]) -> Any:
    if not isinstance(arg, (int, float, np.generic)):
        raise TypeError(f"kernel {name}: {parameter} must be a number, not {type(arg).__name__}")
    return dtype.type(operator.index(arg) if dtype.kind in "iu" else arg)  # type: ignore[arg-type]


@functools.cache
def _launcher(array_type: type) -> Callable[[str, int, int, Sequence[Any], Array], None]:
    if array_type.__module__.partition(".")[0] == "cupy":
        return _launch_on_gpu
    from tapegrad.backends.strict.array import StrictArray

    if issubclass(array_type, StrictArray):
        return _launch_strict
    raise TypeError(
        f"kernels run on CuPy's and strict arrays, not on {array_type.__module__}.{array_type.__qualname__}"
    )


# ---------------------------------------------------------------------------------------------------------------------
# on a GPU


def _launch_on_gpu(name: str, grid: int, block: int, args: Sequence[Any], like: Array) -> None:
    import cupy

    args = tuple(_checked(name, args, like))
    if not grid:
        return
    device = like.data.device_id
    if cupy.cuda.runtime.getDevice() == device:
        _compiled(name)((grid,), (block,), args)
    else:
        with cupy.cuda.Device(device):
            _compiled(name)((grid,), (block,), args)


@functools.cache
def _compiled(name: str) -> Any:
    """CuPy's kernel, which it compiles for each device at its first launch there, and keeps on disk."""
    import cupy

    wanted = kernel(name)
    module = cupy.RawModule(
        code=source(wanted.file + ".cu"),
        options=OPTIONS,
        name_expressions=(wanted.symbol,) if wanted.is_template else None,
    )
    return module.get_function(wanted.symbol)


# ------------------------------------------------------------------------------------------------------------------- on
# the CPU


def _launch_strict(name: str, grid: int, block: int, args: Sequence[Any], like: Array) -> None:
    args = _checked(name, args, like)
    launch_on_cpu(name, grid, block, [arg._array if arg.__class__ is like.__class__ else arg for arg in args])


_one_launch = threading.Lock()  # the grid's state and shared memory are variables of the compiled library


def launch_on_cpu(name: str, grid: int, block: int, args: Sequence[Any]) -> None:
    """Run a kernel on NumPy arrays, its source compiled as C++: to check its numbers where there is no GPU.

    Raises:
        TypeError: the arguments are not what the kernel takes.
        RuntimeError: the kernel does not compile, or not all threads of a block reach its barriers.
        Unavailable: there is no compiler.
    """
    checked = _checked(name, args, np.empty(0))
    if not grid:
        return
    cells = [np.array(arg.ctypes.data if isinstance(arg, np.ndarray) else arg) for arg in checked]
    pointers = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
    run = _compiled_for_cpu(name)
    with _one_launch:
        error = run(ctypes.c_uint(grid), ctypes.c_uint(block), pointers)
    if error:
        raise RuntimeError(f"kernel {name}: {error.decode()}")


_for_cpu: dict[str, Any] = {}  # name -> the function that runs the kernel


def _compiled_for_cpu(name: str) -> Any:
    if name not in _for_cpu:
        wanted = kernel(name)
        # one library for all the kernels of a file, and one for each template
        plain = [
            f"{wanted.file}.{symbol}" for symbol, found in _declarations(wanted.file).items() if not found["template"]
        ]
        compile_for_cpu([name] if wanted.is_template else plain)
    return _for_cpu[name]


def compile_for_cpu(names: Sequence[str]) -> None:
    """Compile kernels of one file for `launch_on_cpu`, which otherwise compiles each template at its first launch:
    together they take much less time.

    Raises:
        RuntimeError: they do not compile.
        Unavailable: there is no compiler.
    """
    kernels = [kernel(name) for name in names]
    file = kernels[0].file
    exports = (
        f'extern "C" const char* run{i}(unsigned grid, unsigned block, void** args) {{ return '
        f"on_cpu::run(&{wanted.symbol}, grid, block, args); }}\n"
        for i, wanted in enumerate(kernels)
    )
    text = f'{SHIM.read_text(encoding="utf-8")}\n#line 1 "{file}.cu"\n{source(file + ".cu")}\n{"".join(exports)}'
    library = ctypes.CDLL(str(_library(file, text)))
    for i, name in enumerate(names):
        run = _for_cpu[name] = library[f"run{i}"]
        run.restype = ctypes.c_char_p


def _library(file: str, text: str) -> Path:
    """The shared library made of a C++ text, from the cache where it was compiled before."""
    compiler = cpu_compiler()
    # No fused multiply-add where the source has none: the same numbers on every processor. macOS declares ucontext for
    # X/Open programs only.
    flags = [*OPTIONS, "-O2", "-fPIC", "-shared", "-ffp-contract=off"]
    if sys.platform == "darwin":
        flags += ["-D_XOPEN_SOURCE=700", "-D_DARWIN_C_SOURCE", "-Wno-deprecated-declarations"]
    key = hashlib.sha256("\0".join([text, *compiler, *flags, platform.machine()]).encode()).hexdigest()[:32]
    folder = _cache_folder()
    path = folder / f"{file}-{key}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            # Renamed when complete, so that no other process loads half a file.
            code, built = Path(scratch, "kernels.cpp"), Path(scratch, "kernels.so")
            code.write_text(text, encoding="utf-8")
            done = subprocess.run([*compiler, *flags, "-o", str(built), str(code)], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(
                    f"{file}.cu does not compile for the CPU with {shlex.join(compiler)}:\n{done.stderr}"
                )
            os.replace(built, path)
    return path


def cpu_compiler() -> list[str]:
    """The command of the C++ compiler that runs kernels on the CPU: the environment's CXX, g++ or clang++.

    Raises:
        Unavailable: there is none, or the system has no ucontext.
    """
    if sys.platform == "win32":
        raise Unavailable("CUDA kernels run on the CPU on Linux and macOS only")
    for command in (os.environ.get("CXX", ""), "g++", "clang++"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    raise Unavailable(
        "running CUDA kernels on the CPU needs a C++ compiler: install g++ or clang++, or name one in the "
        "environment variable CXX"
    )


def _cache_folder() -> Path:
    if chosen := os.environ.get("TAPEGRAD_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tapegrad"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapegrad"
