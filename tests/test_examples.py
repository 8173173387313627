"""Every example runs, with what it promises: accuracy, files, one-line errors."""
from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_has_a_test():
    assert {path.stem for path in EXAMPLES} == {"digits", "linear_regression"}


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


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--epochs", "many"], ["--device", "abacus"], ["--speed", "9"]])
def test_wrong_arguments_get_one_line(name, wrong, capsys):
    with pytest.raises(SystemExit) as exit:
        load(name).main(wrong)
    assert str(exit.value).startswith(f"{name}.py: ")
    assert "\n" not in str(exit.value)


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_examples_explain_themselves(name):
    done = subprocess.run([sys.executable, str(ROOT / "examples" / f"{name}.py"), "--help"], capture_output=True, text=True, check=True)
    assert "--device" in done.stdout
