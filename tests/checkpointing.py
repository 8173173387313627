"""What the tests of checkpoints share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tapegrad
from tapegrad.autograd.core.tensor import Tensor

BOTH = pytest.mark.parametrize("reentrant", [False, True], ids=["recorded", "reentrant"])


def leaf(*values: float) -> Tensor:
    return tapegrad.tensor(values, dtype=tapegrad.float64, requires_grad=True)


class Counted:
    """A function that counts its runs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.runs = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.runs += 1
        return self.function(*args, **kwargs)
