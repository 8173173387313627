"""Every example runs, with what it promises: accuracy, files, one-line errors."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from repository import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_has_a_test():
    assert {path.stem for path in EXAMPLES} == {"cupy_kernel", "digits", "linear_regression", "scipy_op"}


def test_digits_in_short(tmp_path, capsys):
    accuracy = load("digits").main(["--epochs", "3", "--out", str(tmp_path)])
    assert accuracy > 0.85
    printed = capsys.readouterr().out
    assert "accuracy on 360 held-out digits" in printed
    from safetensors.numpy import load_file

    assert load_file(tmp_path / "digits.safetensors")["0.weight"].shape == (16, 1, 3, 3)
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_digits_reaches_97_percent(tmp_path):
    assert load("digits").main(["--out", str(tmp_path)]) >= 0.97


def test_linear_regression(tmp_path, capsys):
    slope, intercept = load("linear_regression").main(["--out", str(tmp_path)])
    assert abs(slope - 2) < 0.15
    assert abs(intercept - 0.5) < 0.1
    assert "Epoch 0, Loss:" in capsys.readouterr().out
    assert (tmp_path / "linear_regression.png").read_bytes().startswith(b"\x89PNG")


def test_scipy_op(capsys):
    assert load("scipy_op").main([]) < 0.01
    assert "the gradients of sparse_solve agree with finite differences" in capsys.readouterr().out


def test_cupy_kernel_without_a_gpu(capsys):
    assert load("cupy_kernel").main(["--device", "cpu"]) < 0.01
    printed = capsys.readouterr().out
    assert printed.startswith("no GPU in use: running the same formulas in NumPy, not the CUDA kernels\n")
    assert "the gradients of swish, and theirs, agree with finite differences" in printed


@pytest.mark.cuda
def test_cupy_kernel(capsys):
    assert load("cupy_kernel").main(["--device", "cuda"]) < 0.01
    assert capsys.readouterr().out.startswith("running the CUDA kernels\n")


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--epochs", "many"], ["--device", "abacus"], ["--speed", "9"]])
def test_wrong_arguments_get_one_line(name, wrong, capsys):
    with pytest.raises(SystemExit) as exit:
        load(name).main(wrong)
    assert str(exit.value).startswith(f"{name}.py: ")
    assert "\n" not in str(exit.value)


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_examples_explain_themselves(name):
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--help"], capture_output=True, text=True, check=True
    )
    assert "--device" in done.stdout
