"""Tensor, the tape, and the ops with their derivatives."""

from typing import TYPE_CHECKING

from tapegrad.autograd import graph
from tapegrad.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from tapegrad.autograd.functions.function import Function
from tapegrad.autograd.gradcheck import gradcheck, gradgradcheck
from tapegrad.autograd.lazy import on_first_use
from tapegrad.autograd.modes import device_guard as device_guard
from tapegrad.autograd.modes.grad_mode import (
    enable_grad,
    inference_mode,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from tapegrad.autograd.tape.backward import backward, grad
from tapegrad.autograd.variable import Variable

if TYPE_CHECKING:
    from tapegrad.autograd import forward_ad, functional, profiler
    from tapegrad.autograd import function as function
    from tapegrad.autograd import grad_mode as grad_mode

__getattr__, __dir__ = on_first_use(
    "tapegrad.autograd", "forward_ad", "function", "functional", "grad_mode", "profiler"
)

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_multithreading_enabled",
    "no_grad",
    "profiler",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]
