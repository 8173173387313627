"""What the parameters of an op may be: a signature says in which world it lives."""

from __future__ import annotations

from typing import Any

from tapegrad.backends import Array

Number = bool | int | float | complex
#: a Tensor, a raw array or a number; a function of operands runs on any of them, which no type checker can follow
Operand = Any

__all__ = ["Array", "Number", "Operand"]
