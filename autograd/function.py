"""The names of `torch.autograd.function`."""

from tapegrad.autograd.functions.function import Function, FunctionCtx, InplaceFunction, once_differentiable

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]
