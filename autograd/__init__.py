"""Tensor, the tape, and the ops with their derivatives."""
from tapegrad.autograd import forward_ad, functional, graph, profiler
from tapegrad.autograd.anomaly import detect_anomaly, set_detect_anomaly
from tapegrad.autograd.backward import backward, grad
from tapegrad.autograd.function import Function
from tapegrad.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from tapegrad.autograd.gradcheck import gradcheck, gradgradcheck
from tapegrad.autograd.variable import Variable

__all__ = ["Function", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad", "functional", "grad", "gradcheck", "gradgradcheck", "graph",
           "inference_mode", "no_grad", "profiler", "set_detect_anomaly", "set_grad_enabled"]
